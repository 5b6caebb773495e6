"""Synapses of the developing zebrafish over 72 hours (Nakajo 2025) against spines that fluctuate.

Each synapse is known by its first and its last sighting.  Those of the first session have no known age and those of
the last are censored.  Models are fitted by `nd.fit` to one quantity, ``standing``: the share of the synapses of the
first session of the wild type that is still there 6 to 72 h later, five numbers.  Not fitted, but predicted: the
survival of newborns, and everything of the wild type over 24 h (other animals).  The knock-out (mmp14b, more
extracellular matrix) is fitted anew.  Nobody measured sizes here, so the sizes of a model are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import neurodev as nd
from analysis import common, source, survival
from neurodev.plot.style import AMBER, BLUE, INK, ROSE, SOFT, legend, new_figure, plain
from neurodev.protocols.fit_models import FIT_MODELS, FitModel
from neurodev.protocols.fitting import Fit, Look
from neurodev.units import hour

SETS = ("nakajo", "nakajo_ko", "nakajo_24h", "nakajo_ko_24h")
FITTED = ("standing",)


class Model(NamedTuple):
    """A model of `nd.fit`, how often it looks, what is free of it, and what is not."""

    model: FitModel
    free: tuple[str, ...]
    fixed: dict[str, float]


def _model(name: str, title: str, tick: float, free: tuple[str, ...], fixed: dict[str, float]) -> Model:
    return Model(replace(FIT_MODELS[name], name=title, tick=tick), free, fixed)


_MOUSE = {"sd": 1.06, "newborn": -1.16, "newborn_sd": 0.68}
MODELS = (
    # the default study's sizes: one component, first passage; its own clock, and newborns of (nearly) one size
    _model("threshold", "first passage", 1 * hour, ("tau", "gap"), {"sd": 0.7, "minimum": -1.6, "newborn_sd": 0.02}),
    # the sizes and the slope of mouse cortex (Melander 2021), on another clock
    _model("graded", "graded hazard", 2 * hour, ("tau", "rate"), {**_MOUSE, "slope": 2.34}),
    # every synapse dies at the same rate: its sizes mean nothing
    _model("constant", "constant hazard", 2 * hour, ("rate",), {**_MOUSE, "tau": 30.0}),
)


def fit(m: Model, h: Any, held_out: Any = None, n: int = 6000, rounds: int = 10) -> Fit:
    """The free numbers of a model by the survival of the standing; another history is predicted."""
    return nd.fit(h, m.model, m.free, fixed=m.fixed, held_out=held_out, quantities=FITTED, n=n, rounds=rounds)


class Study(NamedTuple):
    """Histories by name, and of each model its fit to the wild type and to the knock-out over 72 h."""

    data: dict[str, Any]
    fits: dict[str, Fit]
    knocked: dict[str, Fit]


def study(given: str | None = None, models: Sequence[Model] = MODELS, n: int = 6000, rounds: int = 10) -> Study:
    """Fit every model to both genotypes over 72 h, and let it predict the wild type over 24 h."""
    data = {name: source.data_set(name, given) for name in SETS}
    fits = {m.model.name: fit(m, data["nakajo"], data["nakajo_24h"], n, rounds) for m in models}
    knocked = {m.model.name: fit(m, data["nakajo_ko"], None, n, rounds) for m in models}
    return Study(data, fits, knocked)


def verdicts(found: Fit) -> list[float]:
    """Deviations in standard errors, root mean square: standing (fitted), newborns; then of the short sessions."""
    looks = [found.fitted] + ([found.held_out] if found.held_out is not None else [])
    return [look.off()[q] for look in looks for q in ("standing", "newborn")]


def drawn(ax: Any, look: Look, quantity: str, hue: str, label: str, data: bool = False) -> None:
    """One quantity of a model as a line, or of the data with its standard errors, in hours."""
    of = look.data if data else look.model
    y, x = getattr(of, quantity), 24.0 * of.lag
    known = np.isfinite(y)
    if data:
        error = look.error[np.array(of.names()) == quantity]
        ax.errorbar(x[known], y[known], error[known], fmt="o", color=hue, markersize=5, linewidth=1, label=label)
    else:
        ax.plot([0.0, *x[known]], [1.0, *y[known]], color=hue, linewidth=1.8, label=label)


def figure(done: Study) -> Any:
    """Survival of the standing and of newborns, long and short sessions."""
    fig = new_figure(12.5, 6.6)
    axes = fig.subplots(2, 2)
    one, other = next(iter(done.fits.values())), next(iter(done.knocked.values()))
    words = {"standing": "hours since the first session", "newborn": "hours since first sight"}
    titles = (("Standing, 72 h (fitted)", "Newborns, 72 h (predicted)"),
              ("Standing, 24 h (predicted)", "Newborns, 24 h (predicted)"))  # fmt: skip
    for row, part in enumerate(("fitted", "held_out")):
        for ax, title, (quantity, x_label) in zip(axes[row], titles[row], words.items(), strict=True):
            plain(ax, title, x_label, "share there")
            for hue, (name, found) in zip((BLUE, ROSE, AMBER), done.fits.items(), strict=False):
                drawn(ax, getattr(found, part), quantity, hue, name)
            drawn(ax, getattr(one, part), quantity, INK, "wild type", data=True)
            if part == "fitted":
                y, x = getattr(other.fitted.data, quantity), 24.0 * other.fitted.data.lag
                ax.plot(x, y, "s", mfc="white", color=SOFT, markersize=4.5, label="mmp14b -/-")
    legend(axes[0][0], loc="lower left")
    return fig


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, predict, print, draw."""
    args = common.arguments(__doc__.split("\n\n")[0], "nakajo.png").parse_args(argv)
    done = study(args.data)
    ages = done.data["nakajo"].sessions[1:]
    head = ["", "lives", "deaths", "median", *[common.amount(a, "hour") for a in ages]]
    print(common.table(head, survival.told({h.title: h for h in done.data.values()}, ages)))
    print("\nDeviation from the wild type in standard errors (root mean square)")
    head = ["", "standing 72 h (fitted)", "newborns 72 h", "standing 24 h", "newborns 24 h"]
    print(common.table(head, [[name, *verdicts(found)] for name, found in done.fits.items()]))
    for what, fits in (("wild type", done.fits), ("knock-out", done.knocked)):
        print(f"\nFitted: the survival of the standing in the {what} over 72 h. In the words of nd.fit:")
        for found in fits.values():
            print(f"  {found.sentence()}")
    common.save(figure(done), args.to)


if __name__ == "__main__":
    raise SystemExit(common.run(main))
