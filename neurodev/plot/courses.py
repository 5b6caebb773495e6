"""Numbers and lives over time: density, births and deaths by cause, and every life as a line."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.params import counted, of_type, or_none
from neurodev.plot.asked import (
    About,
    about,
    axes_of,
    brief,
    causes_of,
    cells_of,
    colours_of,
    names_of,
    say,
    several,
    short,
)
from neurodev.plot.door import a_list, pictured
from neurodev.plot.style import COLOURS, INK, SOFT, beside, empty, legend, word

BY_HAND = ("intervention", "lesion")  # known to the moment; what falls on the stroke of a day belongs to the next
_MANY = 3000  # lines, from which on they are pixels also in a file of vectors
_BARS = 60


def _birth(it: About) -> F8:
    """When each was born, in the unit of the picture; NaN of who was there from the start."""
    return it.times(it.history.birth)


def _death(it: About) -> F8:
    """When each died; NaN of who lives."""
    return it.times(it.history.death)


def _edges(it: About) -> F8:
    """Sessions, if it was imaged; else units of time, or several of them, from the start."""
    at = it.times(it.history.sessions)
    if it.imaged:
        return at
    length = it.end - it.start
    step = next(s for s in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, length) if length / s <= _BARS)
    number = max(int(np.ceil(length / step - 1e-9)), 1)
    return np.asarray(it.start + step * np.arange(number + 1))


def _count(times: F8, edges: F8) -> F8:
    """How many times lie in each bin; those on an edge belong to the bin above, at the last one to the bin below."""
    k = np.clip(np.searchsorted(edges, times + 1e-9, side="right") - 1, 0, edges.size - 2)
    return np.bincount(k, minlength=edges.size - 1).astype(float)


def _per(it: About, per: str | None) -> tuple[float, str]:
    """By how many cells numbers are divided, and how that is said."""
    if per is None or (per == "cell" and per not in it.history.columns):
        return 1.0, ""
    return float(max(cells_of(it, per), 1)), f" per {'neuron' if per == 'cell' and it.run is not None else per}"


@pictured()
def density(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    per: str | None = "cell", events: bool = True,
) -> Figure:  # fmt: skip
    """How many live over time, with births and deaths per unit of time at the right.

    Parameters
    ----------
    of : History or Run
    ax : Axes, optional
        Of a figure of its own, if not given; so for all pictures.
    colours : dict or list, optional
        Of ``"alive"``, ``"births"``, ``"deaths"``.
    unit : str, optional
        Of time: ``"hour"``, ``"day"``, ``"week"`` ...; that of the history if not given.
    projection : str, optional
        Of one projection of a run alone.
    per : str, optional
        Per value of a column, where there is one of that name; all together if None.
    events : bool
        Whether births and deaths are drawn.

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
    >>> nd.plot.density(history).savefig("density.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    usual = {"alive": INK, "births": COLOURS["birth"], "deaths": "#D55E00"}
    shade = colours_of(list(usual), colours, usual)
    share, said = _per(it, per)
    imaged = it.imaged
    at = it.history.sessions if imaged else np.linspace(it.history.start, it.history.end, 401)
    number = it.history.number(at) / share
    ax.plot(it.times(at), number, "o-" if imaged and at.size < 60 else "-", ms=4, lw=2.0, color=shade["alive"],
            label="alive", zorder=3)  # fmt: skip
    ax.set_ylim(0, 1.3 * max(float(number.max(initial=0.0)), 1e-9))
    ax.set_xlim(it.start, it.end)
    if events and len(it.history) and it.end > it.start:
        _rates(ax, it, shade, share)
    note = f"{number[0]:.4g} at the start, {number[-1]:.4g} at the end" if number.size else ""
    say(ax, it, "Density", it.clock.axis, f"alive{said}", note)
    return figure


def _rates(ax: Any, it: About, shade: dict[str, str], share: float) -> None:
    """Births and deaths per unit of time as steps, on an axis at the right."""
    edges = _edges(it)
    birth, death = _birth(it), _death(it)
    width = np.diff(edges) * share
    right = ax.twinx()
    top = 0.0
    for name, times in (("births", birth), ("deaths", death)):
        rate = _count(times[np.isfinite(times)], edges) / width
        right.stairs(rate, edges, baseline=None, color=shade[name], lw=1.2, label=name)
        top = max(top, float(rate.max(initial=0.0)))
    right.set_ylim(0, 2.2 * max(top, 1e-9))  # below the curve, if it rises
    right.set_ylabel(f"births, deaths per {it.clock.one}", color=SOFT, fontsize=9, parse_math=False)
    right.tick_params(labelsize=8.5, colors=SOFT, length=3, width=0.8)
    right.spines[["top", "left", "bottom"]].set_visible(False)
    right.spines["right"].set_color(SOFT)
    ax.set_zorder(right.get_zorder() + 1)
    ax.patch.set_visible(False)
    for name in ("births", "deaths"):
        ax.plot([], [], color=shade[name], lw=1.2, label=name)
    right.said = ("", "", None)  # its words are made to fit as well
    legend(ax, loc="upper left", ncols=3)


@pictured()
def births_and_deaths(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    per: str | None = "cell",
) -> Figure:  # fmt: skip
    """Births upwards, deaths by cause downwards, per unit of time: of days, epochs, or between sessions.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection, per : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"births"`` and of the causes.

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
    >>> nd.plot.births_and_deaths(history).savefig("births_and_deaths.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    edges = _edges(it)
    share, said = _per(it, per)
    width = np.diff(edges) * share
    birth, death = _birth(it), _death(it)
    cause, usual = causes_of(it)
    by_hand = np.isin(cause, BY_HAND)
    death[by_hand] = it.times(it.history.died[by_hand, 1])
    born, dead = np.isfinite(birth), np.isfinite(death)
    up = {"births": born} if born.any() else {}
    origin = it.history.columns.get("birth_cause")
    if origin is not None:
        hand = born & np.isin(origin, BY_HAND)
        birth[hand] = it.times(it.history.born[hand, 1])
        words = several(origin[born])
        if len(words) > (it.clock.one != "epoch"):  # of a training also one alone says which rule it was
            up = {f"births: {w}": born & (origin == w) for w in words}
    down = {str(w): dead & (cause == w) for w in several(cause[dead])}
    plainly = dict.fromkeys(up, COLOURS["birth"])
    if len(up) > 1:
        plainly = dict(zip(up, colours_of([*up], None).values(), strict=True))
    shade = colours_of([*up, *down], colours, plainly | usual, also=names_of(it))
    _bars(ax, edges, {k: _count(birth[m], edges) / width for k, m in up.items()}, shade, 1)
    _bars(ax, edges, {k: _count(death[m], edges) / width for k, m in down.items()}, shade, -1)
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_xlim(edges[0], edges[-1])
    low, high = ax.get_ylim()
    ax.set_ylim(1.05 * low, 1.05 * high)
    ax.yaxis.set_major_formatter(lambda v, _: brief(abs(v)))
    if not born.any() and not dead.any():
        empty(ax, "nothing was born and nothing died")
    beside(ax)
    note = f"{born.sum() / share:.4g} born, {dead.sum() / share:.4g} died{said}"
    say(
        ax,
        it,
        "Births (up) and deaths by cause (down)",
        it.clock.axis,
        f"{said.strip()} and {it.clock.one}" if said else f"per {it.clock.one}",
        note,
    )
    return figure


def _bars(ax: Any, edges: F8, heights: dict[str, F8], shade: dict[str, str], sign: int) -> None:
    """Bars stacked upwards or downwards, highest sum first."""
    bottom = np.zeros(edges.size - 1)
    centre, width = 0.5 * (edges[1:] + edges[:-1]), 0.86 * np.diff(edges)
    for name, height in sorted(heights.items(), key=lambda item: -item[1].sum()):
        begins = "" if sign > 0 or name == "deaths" else "deaths: "
        ax.bar(centre, sign * height, width, bottom=bottom, color=shade[name], label=f"{begins}{short(word(name))}")
        bottom = bottom + sign * height


@pictured(most=counted(1), chosen=or_none(a_list), name=or_none(of_type(str, what="a text")))
def raster(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    by: str | None = None, chosen: Any = None, most: int = 600, name: str | None = None,
) -> Figure:  # fmt: skip
    """Each life as a line, from birth to death, coloured by the cause of death.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of causes, and ``"alive"``.
    by : str, optional
        A column: lives are drawn in groups of equal values.
    chosen : sequence, optional
        Of these values; the three with most lives, if not given.
    most : int
        No more lines than so many, evenly thinned in order of birth.
    name : str, optional
        What a value of the column is called, in place of its name.

    Returns
    -------
    Figure
        One that has more than some thousand lines holds them as pixels in files of vectors.

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> there = lambda: np.where(draw.random(40) < 0.7, draw.lognormal(-2.0, 0.5, 40), 0.0)
    >>> seen = {f"d{day}": there() for day in (0, 4, 8, 12)}
    >>> history = nd.read_sessions(pd.DataFrame({"spine": range(40), **seen}), id="spine")
    >>> nd.plot.raster(history).savefig("raster.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax, 7.0, 4.4)
    n, first, last = len(it.history), _birth(it), _death(it)
    first, last = np.where(np.isnan(first), it.start, first), np.where(np.isnan(last), it.end, last)
    cause, usual = causes_of(it)
    dead = np.isfinite(it.history.died[:, 1])
    groups = _groups(it.history, by, chosen)
    rows, middles, height = _ordered(groups, first, last, most)
    if not n:
        empty(ax, "nothing lived")
    counts = {str(w): int((dead & (cause == w)).sum()) for w in several(cause[dead])}
    words = sorted(counts, key=lambda w: -counts[w])
    shade = colours_of([*words, "alive"], colours, usual | {"alive": COLOURS["alive"]}, also=names_of(it))
    who = np.array([i for i, _ in rows], dtype=np.int64)
    y = np.array([r for _, r in rows], dtype=float)
    mine = [shade[str(cause[i])] if dead[i] else shade["alive"] for i in who]
    lines = np.stack([np.column_stack([first[who], y]), np.column_stack([last[who], y])], axis=1)
    points = ax.get_window_extent().height / ax.get_figure(root=True).dpi * 72  # before the layout is final
    drawn_lines = LineCollection(list(lines), colors=mine, linewidths=float(np.clip(0.72 * points / height, 0.4, 3.0)))
    drawn_lines.set_rasterized(len(lines) > _MANY)
    ax.add_collection(drawn_lines)
    ax.set_xlim(it.start, it.end)
    ax.set_ylim(-2, height + 1)
    _name_groups(ax, middles, by if name is None else name, points / height)
    for w in words:
        if shade[w] in set(mine):
            ax.plot([], [], color=shade[w], lw=3, label=short(word(w)))
    if not dead[who].all():
        ax.plot([], [], color=shade["alive"], lw=3, label="alive at the end")
    beside(ax)
    total = sum(g.size for _, g in groups)
    note = f"{who.size:,} of {total:,} lives" if who.size < total else f"{total:,} lives"
    say(ax, it, "Lives, from birth to death, by cause", it.clock.axis, "" if by else "lives in order of birth", note)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return figure


Groups = list[tuple[Any, NDArray[np.int64]]]


def _groups(history: Any, by: str | None, chosen: Any) -> Groups:
    """The lives of each group, by its value."""
    if by is None:
        if chosen is not None:
            raise ParameterError(f"chosen lists values of a column: give by= as well, got {shown(chosen)}")
        return [("", np.arange(len(history)))]
    values = history.column(by)
    there, number = np.unique(values, return_counts=True)
    for value in chosen or ():
        if value not in there.tolist():
            raise ParameterError(f"chosen: nothing has {by} {shown(value)}; there are {shown(there.tolist())}")
    if chosen is None:
        chosen = np.sort(there[np.argsort(-number, kind="stable")[:3]]).tolist()
    return [(v, np.flatnonzero(values == v)) for v in chosen]


def _ordered(groups: Groups, first: F8, last: F8, most: int) -> tuple[list[tuple[int, int]], list[Any], int]:
    """(life, row) of each line, (row, value) in the middle of each group, and the number of rows."""
    row, rows, middles = 0, [], []
    each = max(most // max(len(groups), 1), 1)
    for value, mine in groups:
        order = mine[np.argsort(first[mine], kind="stable")]
        if order.size > each:  # evenly thinned, so that every time of birth stays in the picture
            order = order[np.linspace(0, order.size - 1, each).astype(np.int64)]
        order = order[np.lexsort((last[order] - first[order], first[order]))]
        middles.append((row + (order.size - 1) / 2, value, order.size))
        rows += [(int(i), row + k) for k, i in enumerate(order)]
        row += order.size + 5
    return rows, middles, max(row - 5, 1)


def _name_groups(ax: Any, middles: list[Any], name: str | None, points: float) -> None:
    """Names of groups at the left, upright where they fit."""
    if name is None:
        ax.set_yticks([])
        return
    said = [(at, short(f"{name} {value}", 18), size * points) for at, value, size in middles]
    fits = [(at, text) for at, text, room in said if room > 5.0 * len(text)]
    if len(fits) < len(said):  # beside their lives where they do not fit along them
        fits = [(at, text) for at, text, room in said if room > 9.0]
        ax.set_yticks([at for at, _ in fits], [text for _, text in fits])
        return
    ax.set_yticks([at for at, _ in fits], [text for _, text in fits], rotation=90, va="center")
