"""All that a history tells in one figure, and several histories in the same axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.errors import ParameterError, shown
from neurodev.metrics import topology
from neurodev.params import finite, or_none
from neurodev.plot import connected, courses, measured, risky, survivals
from neurodev.plot.asked import About, about, colours_of, draw_survival, log_axis, numbered, say, short
from neurodev.plot.door import is_history, is_run, pictured
from neurodev.plot.style import INK, Picture, beside, empty, legend, new_figure

_WIDTH, _HEIGHT = 4.3, 3.3  # inches, of a panel
_MOST = 8


def _panels(it: About) -> list[Callable[..., Any]]:
    """The panels that a history can fill, of the eight that there are."""
    h = it.history
    n, sessions = len(h), h.sessions.size
    sizes = bool(np.isfinite(h.seen.size).any())
    changed = bool(np.isfinite(h.birth).any() or np.isfinite(h.death).any())
    paired = "pre" in h.columns and "post" in h.columns
    lasted = n > 0 and h.end > h.start
    found: list[tuple[bool, Callable[..., Any]]] = [
        (lasted, courses.raster), (lasted, courses.density), (lasted and changed, courses.births_and_deaths),
        (lasted, survivals.survival), (lasted and not h.standing.all(), risky.hazard), (sizes, measured.sizes),
        (n > 0 and sessions > 1, risky.persistence),
        (n > 0 and (paired or (sizes and sessions > 1)), connected.degrees if paired else risky.losses),
    ]  # fmt: skip
    return [draw for there, draw in found if there]


@pictured(width=or_none(finite("inches", above=0.0, high=500.0)))
def overview(
    of: Any, *, colours: Any = None, unit: str | None = None, projection: Any = None, width: float | None = None
) -> Figure:
    """One figure of a fixed kind: lives, density, births and deaths, survival, hazard, sizes, what stays, degrees.

    Panels that a history cannot fill are left out, and the others take their room.

    Parameters
    ----------
    of : History or Run
    colours : dict, optional
        Of the causes, and ``"alive"``, ``"births"``, ``"deaths"``.
    unit, projection : optional
        As for `density`.
    width : float, inches, optional

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
    >>> nd.plot.overview(history).savefig("overview.png")
    """
    if colours is not None and not isinstance(colours, dict):
        raise ParameterError(f"colours must be a dictionary of word: colour in this picture, got {shown(colours)}")
    it = about(of, projection, unit, own=False)
    panels = _panels(it)
    if not panels:
        figure = new_figure(_WIDTH, _HEIGHT)
        ax = figure.add_subplot()
        empty(ax, "nothing lived")
        say(ax, replace(it, own=True), "History", it.clock.axis, "alive")
        return figure
    rows = 1 if len(panels) < 3 else 2
    columns = math.ceil(len(panels) / rows)
    figure = new_figure(columns * _WIDTH if width is None else width, rows * _HEIGHT + 0.5)
    last = len(panels) - (rows - 1) * columns
    split: Any = figure.subfigures(rows, 1) if rows > 1 else [figure]
    parts = list(split)
    axes: list[Any] = []
    for part, number in zip(parts, (columns, last)[-rows:], strict=True):
        axes += list(np.atleast_1d(part.subplots(1, number)))
    for ax, draw in zip(axes, panels, strict=True):
        of_causes = draw in (courses.raster, courses.births_and_deaths, courses.density)
        draw(it, ax, **({"colours": _known(it, draw, colours)} if of_causes else {}))
    h = it.history
    words = f"{h.title}: " if h.title else ""
    born, dead = int(np.isfinite(h.birth).sum()), int(np.isfinite(h.death).sum())
    words += f"{len(h):,} lives, {born:,} births and {dead:,} deaths in {it.end - it.start:.4g} {it.clock.many}"
    _headline(figure, words)
    return figure


def _known(it: About, draw: Any, colours: Any) -> Any:
    """Of given colours those that a panel has words for."""
    if colours is None or draw is not courses.density:
        return colours
    return {k: c for k, c in colours.items() if k in ("alive", "births", "deaths")} or None


def _headline(figure: Picture, words: str) -> None:
    """What a figure is of, above all panels."""
    inches = float(figure.get_size_inches()[0])
    figure.suptitle(
        short(words, max(int(inches * 9), 20)), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK,
        parse_math=False,
    )  # fmt: skip


def _histories(value: Any, argument: str) -> Any:
    """A rule: some histories or runs."""
    given = list(value) if isinstance(value, (list, tuple)) else []
    if not given or not all(is_history(x) or is_run(x) for x in given):
        raise ParameterError(f"{argument} must be a list of histories or runs, got {shown(value)}")
    if len(given) > _MOST:
        raise ParameterError(f"{argument} must be at most {_MOST}, for there are no more colours, got {len(given)}")
    return given


def _named(given: Sequence[About]) -> list[str]:
    """Titles, each once."""
    titles = [short(it.history.title, 24) or "history" for it in given]
    return [t if titles.count(t) == 1 else f"{t} ({titles[: k + 1].count(t)})" for k, t in enumerate(titles)]


@pictured(histories=_histories)
def compare(
    histories: Any, *, colours: Any = None, unit: str | None = None, projection: Any = None, kind: Any = None
) -> Figure:
    """Survival, density, sizes and degrees of several histories in the same axes.

    Parameters
    ----------
    histories : list of History or Run
        Of times that can be told in one unit.
    colours : dict or list, optional
        Of the histories, by their titles or in order.
    unit : str, optional
        That of the first, if not given.
    projection : str, optional
        Of all of them.
    kind : {"newborn", "standing", "all"}, optional
        Whose survival; newborns if not given, and all where a history has none.

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
    >>> nd.plot.compare([history, history]).savefig("compare.png")
    """
    first = about(histories[0], projection, unit, own=False)
    given = [first, *(about(x, projection, first.clock.one, own=False) for x in histories[1:])]
    names = _named(given)
    shade = colours_of(names, colours)
    kind = kind or ("newborn" if not any(it.history.standing.all() for it in given) else "all")
    panels = [_survivals, _densities]
    panels += [_sizes] if all(np.isfinite(it.history.seen.size).any() for it in given) else []
    panels += [_degrees] if all({"pre", "post"} <= {*it.history.columns} for it in given) else []
    rows = 1 if len(panels) < 4 else 2
    figure = new_figure(len(panels) / rows * 4.8, rows * _HEIGHT)
    axes = np.atleast_1d(figure.subplots(rows, len(panels) // rows)).ravel()
    for ax, draw in zip(axes, panels, strict=True):
        draw(ax, given, names, shade, kind)
    return figure


def _survivals(ax: Any, given: list[About], names: list[str], shade: dict[str, str], kind: str) -> None:
    last = 0.0
    for it, name in zip(given, names, strict=True):
        n = it.history.lives(kind).duration.size
        if n:
            km = it.history.survival(kind)
            last = max(last, draw_survival(ax, it, km, shade[name], 1.8, f"{name} (n = {n:,})", n))
    ax.set(xlim=(0, max(last, 1e-9)), ylim=(0, 1.02))
    legend(ax, loc="best")
    who = {"newborn": "of newborns", "standing": "of who was there"}.get(kind, "of all")
    say(ax, given[0], f"Survival {who}", given[0].clock.age, "share alive", "Kaplan-Meier, 95 % bands")


def _densities(ax: Any, given: list[About], names: list[str], shade: dict[str, str], kind: str) -> None:
    for it, name in zip(given, names, strict=True):
        h = it.history
        imaged = it.imaged
        at = h.sessions if imaged else np.linspace(h.start, h.end, 401)
        number = h.number(at)
        peak = max(int(number.max(initial=0)), 1)
        style = "o-" if imaged and at.size < 60 else "-"
        ax.plot(it.times(at), number / peak, style, ms=3.5, lw=1.8, color=shade[name], label=f"{name} (most: {peak:,})")
    ax.set_ylim(0, 1.35)
    legend(ax, loc="upper left", ncols=2)
    say(ax, given[0], "Density", given[0].clock.axis, "alive, over the most", "")


def _sizes(ax: Any, given: list[About], names: list[str], shade: dict[str, str], kind: str) -> None:
    units = []
    for it, name in zip(given, names, strict=True):
        x = it.history.log_sizes()
        known = np.isfinite(x).any(axis=0)
        units.append(it.history.size_unit)
        low, median, high = np.exp(np.nanquantile(x[:, known], (0.25, 0.5, 0.75), axis=0))
        base = median[0] if len(given) > 1 else 1.0
        at = it.times(it.history.sessions[known])
        ax.fill_between(at, low / base, high / base, color=shade[name], alpha=0.15, lw=0)
        ax.plot(at, median / base, "o-", ms=3, lw=1.8, color=shade[name], label=name)
    ax.set_yscale("log")
    log_axis(ax.yaxis)
    beside(ax)
    note = "median, and the half in the middle"
    say(ax, given[0], "Sizes over time", given[0].clock.axis, "size, over the first median", note)


def _degrees(ax: Any, given: list[About], names: list[str], shade: dict[str, str], kind: str) -> None:
    for it, name in zip(given, names, strict=True):
        here = it.history.alive(it.history.end)
        pre, post, n_pre, n_post = numbered(it)
        number = topology.degrees(pre[here], post[here], n_pre, n_post)[1]
        if number.size:
            k = np.arange(1, max(int(number.max()), 1) + 1)
            ax.step(k, [np.mean(number >= d) for d in k], where="mid", lw=1.6, color=shade[name], label=name)
    ax.set_xlim(0, None)
    ax.set_ylim(0, 1.02)
    legend(ax, loc="upper right")
    say(ax, given[0], "Inputs of a cell at the end", "connections", "share with so many or more", "")
