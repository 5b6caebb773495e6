"""Synapses of mouse cortex over 28 days (Melander 2021) against spines that fluctuate: fitted on seven dendrites,
tested on the other seven.

The model is `SpineSize` with a graded hazard and small, variable newborns: an Ornstein-Uhlenbeck process of ln V that
remembers for months, imaged every four days with measurement noise; then the same with a part of the newborns
transient (`Persistence`).  Beside them stand simpler models, fitted in the same way, by `nd.fit`.  Survival, survival
of newborns, sizes and their correlation, and losses by size are fitted on seven dendrites, each weighed by its standard
error; of the seven held out nothing is.  The split (every other dendrite in the order of their names) and the numbers
to reach were fixed before fitting; the form of the models was not: the graded hazard was found on all fourteen
dendrites (before this analysis), transient newborns were added because too few newborns of the model died within 4 d.
Nor was the weighting of the fit: it was chosen among four recipes with the results of the held-out half in view.  So
the half that was held out tests the numbers, not the form or the recipe.  With the halves exchanged (`--swap`) the
graded hazard misses the correlation (.045, asked .04), narrowly; as it stands it misses newborns (.075, asked .07).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import neurodev as nd
from analysis import common, source
from neurodev.metrics import sizes, turnover
from neurodev.plot.style import AMBER, BLUE, INK, ORANGE, ROSE, SOFT, legend, new_figure, plain
from neurodev.protocols.fit_models import FIT_MODELS, Numbers
from neurodev.protocols.fitting import Fit
from neurodev.protocols.imaging import image as take_pictures
from neurodev.protocols.imaging import population
from neurodev.units import day

DAYS = 4.0 * np.arange(8)
BANDS = {"survival": 0.04, "sd": 0.1, "newborn": 0.07, "correlation": 0.04}
"""What is asked of the dendrites that were held out; losses by size are reported."""


class Look(NamedTuple):
    """What imaging says, of the dendrites as of a run."""

    survival: np.ndarray  # pooled, by lag from 4 d on
    newborn: np.ndarray  # of those born between sessions, by age since first sight from 4 d on
    newborn_error: np.ndarray  # standard error of the same by Kaplan-Meier, as far as it has deaths
    correlation: np.ndarray  # of ln V, by lag from 4 d on
    losses: np.ndarray  # in 4 d, by quintile of size
    sd: float  # of ln V
    skew: float
    newborn_mean: float  # at first sight, in sd from the mean of all
    newborn_sd: float
    turnover: float  # ratio over 4 d


def look(log_size: np.ndarray, days: np.ndarray = DAYS) -> Look:
    """All numbers of a matrix of ln V (n, n_session), NaN where absent: by neurodev.metrics throughout."""
    here = np.isfinite(log_size)
    mean, sd, skew = sizes.log_moments(log_size[here])
    first, last = turnover.sightings(here, days)
    lives = turnover.lives_from_sightings(first, last, days, place=1.0)
    new = ~lives.standing
    curve = turnover.kaplan_meier(lives.duration[new], lives.died[new])
    error = np.full(days.size - 2, np.nan)
    error[np.searchsorted(days[1:-1], curve.time)] = curve.error
    rows = np.flatnonzero(first > days[0])
    new_mean, new_sd, _ = sizes.log_moments(log_size[rows, np.searchsorted(days, first[rows])])
    before = here[:, :-1]
    return Look(
        turnover.session_survival(here, pooled=True)[1:], turnover.newborn_survival(here)[1:], error,
        sizes.size_course(log_size).correlation[1:],
        sizes.losses_by_size(log_size[:, :-1][before], ~here[:, 1:][before]), sd, skew, (new_mean - mean) / sd,
        new_sd / sd, float(turnover.session_changes(here).turnover_ratio.mean()),
    )  # fmt: skip


def load(given: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """ln of sizes (722, 8), NaN where absent, and the dendrite of each."""
    with np.load(source.file_of("melander", given), allow_pickle=False) as f:
        return sizes.log_sizes(f["size_norm"]), f["dendrite"]


def halves(dendrite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every other dendrite in the order of their names, and of the rest."""
    return dendrite % 2 == 0, dendrite % 2 == 1


# ------------------------------------------------------------------------------------------------------ models

MODELS = {
    "graded hazard": "graded", "and transient newborns": "nascent", "constant hazard": "constant",
    "one component, threshold": "threshold", "two components, threshold": "two components",
}  # fmt: skip
"""What each is called here, and in `nd.fit`."""
ASKED = {**BANDS, "losses": BANDS["survival"], "newborn_mean": BANDS["sd"], "newborn_sd": BANDS["sd"]}
"""How near the fit must come: half of it weighs a number where its standard error is larger."""
BURN_IN = {"two components, threshold": 150 * day}


def image(name: str, p: Numbers, n: int, seed: int, **setting: float) -> np.ndarray:
    """ln V of a model in the sessions of the data, NaN where absent."""
    m = FIT_MODELS[MODELS[name]]
    world = population(
        m.build(p), n, seed=seed, replace=True,
        **{"burn_in": BURN_IN.get(name, 300 * day), "tick": m.tick, **setting},
    )  # fmt: skip
    return take_pictures(world, DAYS, p["noise"])


# ------------------------------------------------------------------------------------------------------ report


def deviations(model: Look, data: Look) -> dict[str, float]:
    """Largest deviation in each of the numbers that were asked."""
    return {
        "survival": float(np.abs(model.survival - data.survival).max()), "sd": abs(model.sd - data.sd),
        "newborn": float(np.nanmax(np.abs(model.newborn - data.newborn))),
        "correlation": float(np.abs(model.correlation - data.correlation).max()),
        "losses": float(np.abs(model.losses - data.losses).max()),
    }  # fmt: skip


def rows(name: str, seen: Look) -> list[list[object]]:
    """One line of each number against age."""
    nan = float("nan")
    return [[name, *seen.survival], ["  newborns", *seen.newborn, nan], ["  size correlation", *seen.correlation]]


def figure(test: Look, train: Look, runs: dict[str, Look]):
    """Data and models together."""
    fig = new_figure(12.5, 6.6)
    axes = fig.subplots(2, 2).ravel()
    hues = (BLUE, "#7FB2DA", AMBER, ORANGE, ROSE)
    age, quintile = DAYS[1:], np.arange(1, 6)
    panels = (
        ("Survival", "survival", age, "after (days)", "share still there"),
        ("Survival of newborns", "newborn", age[:-1], "after first sight (days)", "share still there"),
        ("Correlation of ln size with itself", "correlation", age, "after (days)", "correlation"),
        ("Losses in four days by size", "losses", quintile, "quintile of size, smallest first", "share lost"),
    )
    for ax, (title, key, x, x_label, y_label) in zip(axes, panels, strict=True):
        plain(ax, title, x_label, y_label)
        for (name, seen), hue in zip(runs.items(), hues, strict=False):
            ax.plot(x, getattr(seen, key), color=hue, linewidth=2.2 if hue in hues[:2] else 1.2, label=name)
        band = BANDS.get(key)
        if band:
            ax.fill_between(x, getattr(test, key) - band, getattr(test, key) + band, color="#E7EAEE", zorder=0)
        ax.set_xticks(x)
        ax.plot(x, getattr(test, key), "o", color=INK, markersize=5, label="seven dendrites held out")
        ax.plot(x, getattr(train, key), "s", mfc="white", color=SOFT, markersize=4.5, label="seven dendrites fitted")
    axes[3].set_yscale("symlog", linthresh=0.01)
    legend(axes[2], loc="lower left", framealpha=0.0)  # where no band would be hidden
    return fig


class Study(NamedTuple):
    """Every model fitted on one half of the dendrites."""

    train: Look
    test: Look
    fits: dict[str, Fit]
    seen: dict[str, Look]


def study(
    log_size: np.ndarray, dendrite: np.ndarray, swap: bool = False, models: Sequence[str] = tuple(MODELS),
    rounds: int = 20, n: int = 20000, n_fit: int = 6000,
) -> Study:  # fmt: skip
    """Fit every model on one half, and image a larger population of each with other draws."""
    train, test = halves(dendrite)[:: -1 if swap else 1]
    history = nd.History.of_sessions(np.exp(log_size), DAYS, columns={"dendrite": dendrite}, title="Melander 2021")
    fits = {
        m: nd.fit(history, MODELS[m], held_out={"dendrite": np.unique(dendrite[test])}, asked=ASKED, n=n_fit,
                  rounds=rounds) for m in models
    }  # fmt: skip
    seen = {m: look(image(m, f.numbers, n, 2)) for m, f in fits.items()}
    return Study(look(log_size[train]), look(log_size[test]), fits, seen)


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, test, print, draw."""
    parser = common.arguments(__doc__.split("\n\n")[0], "melander.png")
    parser.add_argument("--swap", action="store_true", help="fit on the other seven dendrites")
    args = parser.parse_args(argv)
    log_size, dendrite = load(args.data)
    train, test, fits, seen = study(log_size, dendrite, args.swap)
    ages = [f"{d:g} d" for d in DAYS[1:]]
    lines = rows("held out: survival", test) + rows("fitted on: survival", train)
    for name, each in seen.items():
        lines += rows(f"{name}: survival", each)
    print(common.table(["", *ages], lines))
    print("\n" + common.table(
        ["", "sd ln V", "skew", "newborns (sd)", "their sd", "turnover", *[f"loss {k}" for k in range(1, 6)]],
        [[n, s.sd, s.skew, s.newborn_mean, s.newborn_sd, s.turnover, *s.losses]
         for n, s in {"held out": test, "fitted on": train, **seen}.items()],
    ))  # fmt: skip
    print("\nLargest deviation from the dendrites held out, against what is asked")
    asked = [*BANDS, "losses"]
    lines = [["asked", *[BANDS.get(k, float("nan")) for k in asked], ""]]
    for name, each in {"the other seven dendrites": train, **seen}.items():
        d = deviations(each, test)
        lines.append([name, *[d[k] for k in asked], "holds" if all(d[k] <= BANDS[k] for k in BANDS) else "fails"])
    print(common.table(["", *asked, ""], lines))
    print("\nFitted on seven dendrites: all numbers above but skew and turnover. Not fitted: the seven held out.")
    print("Numbers found, in the words of nd.fit:")
    for name, found in fits.items():
        print(f"  {name}: {found.sentence()}")
    common.save(figure(test, train, seen), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
