"""Synapses of the developing zebrafish over 72 hours (Nakajo 2025) against spines that fluctuate.

Each synapse is known by its first and its last sighting.  Those of the first session have no known age and those of
the last are censored: survival is Kaplan and Meier's, the standing and the newborn apart, by the same functions for
the fish as for runs that are imaged in the same sessions.

Fitted: the survival of the standing in the wild type over 72 h, five numbers.  Not fitted: the survival of newborns,
turnover, and everything of the wild type over 24 h (other animals).  The knock-out (mmp14b, more extracellular
matrix) is fitted anew.  Nobody measured sizes here, so the sizes of a model are its own.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis import common
from analysis.fitting import Fit, Model, Numbers, fit_model
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover
from neurodev.metrics import turnover
from neurodev.plot.style import AMBER, BLUE, INK, ROSE, SOFT, legend, new_figure, plain
from neurodev.units import day, hour

FOLDER = "synapse_lifetimes_nakajo2025"
SETS = ("wt_72h", "ko_mmp14b_72h", "wt_24h", "ko_mmp14b_24h")
SOURCE = "Nakajo et al., bioRxiv 2025.02.27.640672 (github.com/ChristophKirst/developmental_synapse_remodeling)"
LONG, SHORT = np.array([0.0, 6.0, 12.0, 24.0, 48.0, 72.0]), np.array([0.0, 6.0, 12.0, 24.0])
AGES = np.array([6.0, 12.0, 18.0, 24.0, 36.0, 48.0])
"""Ages (h) at which the survival of newborns is compared; the sessions allow no others before 60 h."""


class Look(NamedTuple):
    """What imaging says, of the fish as of a run; sessions and ages in hours."""

    standing: turnover.SurvivalCurve  # of those of the first session, since then
    newborn: turnover.SurvivalCurve  # of those born between sessions, since first sight
    at_sessions: np.ndarray  # survival of the standing at the sessions after the first
    at_ages: np.ndarray  # survival of newborns at AGES, NaN beyond what was observed
    age_error: np.ndarray  # Greenwood's standard error of the same
    gained: np.ndarray  # between sessions, over the number before
    lost: np.ndarray
    n: int


def look(present: np.ndarray, sessions: np.ndarray) -> Look:
    """All numbers of who was there (n, n_session)."""
    first, last = turnover.sightings(present, sessions)
    lives = turnover.lives_from_sightings(first, last, sessions, place=1.0)
    standing, newborn = (
        turnover.kaplan_meier(lives.duration[k], lives.died[k]) for k in (lives.standing, ~lives.standing)
    )
    step = np.searchsorted(newborn.time, AGES, side="right") - 1
    error = np.where(step >= 0, np.concatenate([newborn.error, [0.0]])[step], np.nan)
    changes = turnover.session_changes(present)
    return Look(standing, newborn, standing.at(sessions[1:]), newborn.at(AGES), error, changes.gained_fraction,
                changes.lost_fraction, int(lives.standing.sum()))  # fmt: skip


def load(name: str, given: str | None = None) -> np.ndarray:
    """Who was there in which session, (n, n_session) bool."""
    sessions = LONG if name.endswith("72h") else SHORT
    with open(common.find(FOLDER, given, [f"{name}.csv"], SOURCE) / f"{name}.csv", newline="") as f:
        seen = np.array([[float(r["first_seen_h"]), float(r["last_seen_h"])] for r in csv.DictReader(f)])
    return (seen[:, :1] <= sessions) & (sessions <= seen[:, 1:])


# ------------------------------------------------------------------------------------------------------ models


def constant(p: Numbers) -> Sequence[Mechanism]:
    """Every synapse dies at the same rate."""
    return SpineSize(death="none"), Turnover(births=False, hazard=p["rate"])


def passage(p: Numbers) -> Sequence[Mechanism]:
    """The default study's sizes: one component, first passage; its own clock, and newborns of one size."""
    return (SpineSize(tau=p["tau"] * day, newborn=-1.6 + p["gap"]),)


def graded(p: Numbers) -> Sequence[Mechanism]:
    """The sizes and the slope of mouse cortex (Melander 2021), on another clock."""
    size = SpineSize(
        sd=1.06, tau=p["tau"] * day, death="hazard", hazard_rate=p["rate"], hazard_slope=2.34, newborn=-1.16,
        newborn_sd=0.68, first=0.3,
    )  # fmt: skip
    return (size,)


MODELS = (
    Model("first passage", {"tau": 3.0, "gap": 0.1}, passage, ("tau", "gap"), 1 * hour, 30 * day),
    Model("graded hazard", {"tau": 40.0, "rate": 0.02}, graded, ("tau", "rate"), 2 * hour, 60 * day),
    Model("constant hazard", {"rate": 0.12}, constant, ("rate",), 2 * hour, 2 * day),
)


def run(model: Model, p: Numbers, sessions: np.ndarray, n: int, seed: int) -> Look:
    """A model, imaged in the sessions of the fish."""
    return look(np.isfinite(model.image(p, sessions * hour / day, n, seed)), sessions)


def fit(model: Model, data: Look, n: int = 5000, rounds: int = 10) -> Fit:
    """The free numbers by the survival of the standing in the long sessions."""
    s = data.at_sessions
    return fit_model(
        model, LONG * hour / day, lambda x: look(np.isfinite(x), LONG).at_sessions, s, np.sqrt(s * (1.0 - s) / data.n),
        n, rounds,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ report


class Study(NamedTuple):
    """Data sets by name, and of each model: the fit to the long wild type, and runs by data set."""

    data: dict[str, Look]
    fits: dict[str, Fit]
    runs: dict[str, dict[str, Look]]


def study(given: str | None = None, models: Sequence[Model] = MODELS, rounds: int = 10, n: int = 20000) -> Study:
    """Fit every model to the wild type over 72 h, and image it as both wild types were."""
    data = {name: look(load(name, given), LONG if name.endswith("72h") else SHORT) for name in SETS}
    fits = {m.name: fit(m, data["wt_72h"], rounds=rounds) for m in models}
    runs = {
        m.name: {name: run(m, fits[m.name].numbers, LONG if name == "wt_72h" else SHORT, n, 2)
                 for name in ("wt_72h", "wt_24h")} for m in models
    }  # fmt: skip
    return Study(data, fits, runs)


def chi(run: np.ndarray, data: np.ndarray, error: np.ndarray) -> float:
    """Root mean square of the deviations over the standard errors of the data, where those are known."""
    known = np.isfinite(data) & (error > 0)
    return float(np.sqrt(np.mean(((run - data)[known] / error[known]) ** 2)))


def verdicts(runs: dict[str, Look], data: dict[str, Look]) -> list[float]:
    """Deviations in standard errors: standing (fitted), newborns, then the short sessions, standing and newborns."""
    out = []
    for name in ("wt_72h", "wt_24h"):
        r, d = runs[name], data[name]
        s = d.at_sessions
        out += [chi(r.at_sessions, s, np.sqrt(s * (1 - s) / d.n)), chi(r.at_ages, d.at_ages, d.age_error)]
    return out


def steps(ax, curve: turnover.SurvivalCurve, until: float, **style) -> None:
    """A Kaplan-Meier curve."""
    ax.step([0.0, *curve.time, until], [1.0, *curve.value, *curve.value[-1:]], where="post", **style)


def figure(done: Study):
    """Survival of the standing and of newborns, long and short sessions."""
    fig = new_figure(12.5, 6.6)
    axes = fig.subplots(2, 2)
    hues = (BLUE, ROSE, AMBER)
    for row, (name, until, words) in enumerate((("wt_72h", 72.0, "72 h, fitted"), ("wt_24h", 24.0, "24 h, held out"))):
        seen = done.data[name]
        sessions = LONG if name == "wt_72h" else SHORT
        for ax, key, title in zip(
            axes[row], ("standing", "newborn"), (f"Standing ({words})", f"Newborns ({until:g} h, not fitted)"),
            strict=True,
        ):  # fmt: skip
            plain(ax, title, "hours since the first session" if key == "standing" else "hours since first sight",
                  "share alive")  # fmt: skip
            for hue, (model, runs) in zip(hues, done.runs.items(), strict=False):
                x = sessions if key == "standing" else np.concatenate([[0.0], AGES[AGES <= runs[name].newborn.until]])
                ax.plot(x, getattr(runs[name], key).at(x), color=hue, label=model, linewidth=1.8)
            curve = getattr(seen, key)
            ax.errorbar(curve.time, curve.value, curve.error, fmt="o", color=INK, markersize=5, label="wild type")
            if row == 0:
                other = getattr(done.data["ko_mmp14b_72h"], key)
                ax.plot(other.time, other.value, "s", mfc="white", color=SOFT, markersize=4.5, label="mmp14b -/-")
    legend(axes[0][0], loc="lower left")
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, predict, print, draw."""
    args = common.arguments(__doc__.split("\n\n")[0], "nakajo.png").parse_args(argv)
    done = study(args.data)
    words = ["", *[f"{h:g} h" for h in LONG[1:]]]
    lines = [[f"{k} (n = {d.n})", *d.at_sessions] for k, d in done.data.items() if k.endswith("72h")]
    lines += [[k, *r["wt_72h"].at_sessions] for k, r in done.runs.items()]
    print("Survival of the standing (Kaplan-Meier)\n" + common.table(words, lines))
    lines = [[k, *d.at_ages] for k, d in done.data.items()]
    lines += [[f"{k}, {h}", *r[f"wt_{h}"].at_ages] for k, r in done.runs.items() for h in ("72h", "24h")]
    print("\nSurvival of newborns since first sight\n" + common.table(["", *[f"{a:g} h" for a in AGES]], lines))
    print("\nDeviation from the wild type in standard errors (root mean square)")
    head = ["", "standing 72 h (fitted)", "newborns 72 h", "standing 24 h", "newborns 24 h"]
    print(common.table(head, [[k, *verdicts(r, done.data)] for k, r in done.runs.items()]))
    print("\nFitted: the survival of the standing in the wild type over 72 h. Numbers found, mean square left:")
    for name, (p, left) in done.fits.items():
        print(f"  {name}: " + ", ".join(f"{k} {v:.3g}" for k, v in p.items()) + f"; {left:.2g}")
    knocked = {m.name: fit(m, done.data["ko_mmp14b_72h"]) for m in MODELS}
    print("The same for the knock-out:")
    for name, (p, left) in knocked.items():
        print(f"  {name}: " + ", ".join(f"{k} {v:.3g}" for k, v in p.items()) + f"; {left:.2g}")
    common.save(figure(done), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
