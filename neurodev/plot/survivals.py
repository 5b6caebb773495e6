"""How long they live: survival with bands, hazard against age and size, and what sessions have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.errors import ParameterError
from neurodev.metrics.turnover import SurvivalCurve
from neurodev.params import counted, finite, flag, one_of, or_none
from neurodev.plot.asked import About, about, axes_of, colours_of, draw_survival, say, short
from neurodev.plot.door import pictured
from neurodev.plot.style import COHORTS, INK, empty, legend

METHODS = ("kaplan-meier", "turnbull")
_MOST_CURVES = 12
_TITLES = {"newborn": "Survival of newborns", "standing": "Survival of who was there", "all": "Survival"}


def _method(value: Any, argument: str) -> str:
    return one_of(value, argument, METHODS)


@pictured(parts=or_none(counted(1, 100)), method=_method, place=finite(low=0.0, high=1.0), standing=flag)
def survival(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    kind: str | None = None, parts: int | None = None, by: str | None = None, method: str = "kaplan-meier",
    place: float = 0.5, standing: bool = False,
) -> Figure:  # fmt: skip
    """Share that lives on by age, with bands of 95 %; ticks where somebody lives on and is watched no longer.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of the curves, by their words or in order.
    kind : {"newborn", "standing", "all"}, optional
        Those whose birth was seen, those who were there from the start (from then on), or both.  Newborns if not
        given, unless no birth was seen.
    parts : int, optional
        A curve for those born in each of so many parts of the time.
    by : str, optional
        A curve for each value of a column.
    method : {"kaplan-meier", "turnbull"}
    place : float
        Where in the interval that is known a birth or a death lies (`History.lives`).
    standing : bool
        Those who were there from the start have a curve beside the newborns.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> there = lambda: np.where(draw.random(40) < 0.7, draw.lognormal(-2.0, 0.5, 40), 0.0)
    >>> seen = {f"d{day}": there() for day in (0, 4, 8, 12)}
    >>> history = nd.read_sessions(pd.DataFrame({"spine": range(40), **seen}), id="spine")
    >>> nd.plot.survival(history).savefig("survival.png")
    """
    if parts is not None and by is not None:
        raise ParameterError(f"parts and by ask for different curves: give one of them, got {parts} and {by!r}")
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    if kind is None:
        kind = "newborn" if not len(it.history) or not it.history.standing.all() else "standing"
    curves = _groups(it, kind, parts, by)
    if standing:
        curves = {"there from the start": (it.history, "standing")} | curves
    usual = list(COHORTS) if parts is not None and parts <= 3 else [INK] if len(curves) == 1 else None
    if standing and usual is not None:
        usual = [INK, *COHORTS] if len(curves) > 1 else [INK]
    shade = colours_of([*curves], colours, *([usual] if usual else []))
    censored, lowest, end = 0, 1.0, 0.0
    for k, (label, (history, of_kind)) in enumerate(curves.items()):
        lives = history.lives(of_kind, place)
        if not lives.duration.size:
            continue
        km = history.survival(of_kind, place=place, method=method)
        width = 2.6 - 0.7 * min(k, 2) if len(curves) > 1 else 2.0  # later curves thinner: one may lie on another
        said = f"{short(label, 36)} (n = {lives.duration.size:,})"
        last = draw_survival(ax, it, km, shade[label], width, said, lives.duration.size)
        _ticks(ax, it, km, lives, shade[label], last)
        censored += int((~lives.died).sum())
        lowest, end = min(lowest, float(km.value.min(initial=1.0))), max(end, last)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, max(it.end - it.start, end, 1e-9))
    if not ax.lines:
        empty(ax, "no birth was seen" if kind == "newborn" else "nobody was there")
    legend(ax, loc="upper right" if lowest < 0.6 else "lower left")
    name = "Kaplan-Meier" if method == "kaplan-meier" else "Turnbull"
    note = f"{name}, 95 % bands; ticks: {censored:,} live on"
    several = len(it.projections)
    if several > 1:
        what = "tensors" if it.clock.one == "epoch" else "projections"
        note += f"; {several} {what} together"
    say(ax, it, "Survival" if standing else _TITLES[kind], _age(it, kind), "share alive", note)
    return figure


def _age(it: About, kind: str) -> str:
    return f"since watching began ({it.clock.many})" if kind == "standing" else it.clock.age


def _groups(it: About, kind: str, parts: int | None, by: str | None) -> dict[str, tuple[Any, str]]:
    """(history, kind) of each curve, by its words."""
    h = it.history
    if by is not None:
        values = h.by(by)
        if len(values) > _MOST_CURVES:
            raise ParameterError(
                f"by must be a column of at most {_MOST_CURVES} values, and {by!r} has {len(values)}: draw "
                f"history.bins({by!r}, edges) one by one"
            )
        return {f"{by} {v}" if isinstance(v, (int, float)) else str(v): (part, kind) for v, part in values.items()}
    if parts is None:
        return {_TITLES[kind].removeprefix("Survival of ").lower(): (h, kind)}
    edges = np.linspace(h.start, h.end, parts + 1)
    if not np.all(np.diff(edges) > 0):
        return {}
    edges[-1] = np.nextafter(edges[-1], np.inf)
    said = [f"{it.factor * e:.1f}".removesuffix(".0") for e in edges]
    on = "on" if it.clock.one == "day" else "in"
    return {
        f"born {on} {it.clock.many} {a} to {b}": (part, "newborn")
        for a, b, part in zip(said[:-1], said[1:], h.bins("birth", edges).values(), strict=True)
    }


def _ticks(ax: Any, it: About, km: SurvivalCurve, lives: Any, shade: str, last: float) -> None:
    """Marks on a curve where somebody is watched no longer; some of them: a mark for each would be a bar."""
    apart = (it.end - it.start) / 50
    kept: list[float] = []
    for age in np.sort(it.times(lives.duration[~lives.died])).tolist():
        if age <= last * (1 + 1e-9) and (not kept or age - kept[-1] >= apart):
            kept.append(age)
    ax.plot(kept, km.at(np.array(kept) / it.factor), "|", color=shade, ms=6, mew=1.0)
