"""Who is connected to whom: the matrix at a time, degrees, motifs, and the graph at several times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError
from neurodev.metrics import graphs, topology
from neurodev.params import check_memory, counted, finite, or_none
from neurodev.plot.asked import About, about, axes_of, bar, brief, colours_of, numbered, say, shades, short
from neurodev.plot.door import pictured, times
from neurodev.plot.style import COLOURS, INK, RULE, beside, empty, legend, new_figure

_MOST_WORK = 4e7
_NAMED = 40  # rows that have room for names
_PIXELS = 1000  # cells of a matrix along a side
_TRIADS = {
    "021D": "diverging", "021U": "converging", "021C": "chain", "111D": "111D", "111U": "111U",
    "030T": "feed-forward loop", "030C": "cycle", "201": "201", "120D": "120D", "120U": "120U", "120C": "120C",
    "210": "210", "300": "all mutual",
}  # fmt: skip


def _at(it: About, t: float | None) -> float:
    """A time in the unit of the history; its end if none is given."""
    if t is None:
        return float(it.history.end)
    if not it.start - 1e-9 <= t <= it.end + 1e-9:
        raise ParameterError(
            f"t must lie between {it.start:.6g} and {it.end:.6g} {it.clock.many}, when it was watched, got {t:g}"
        )
    return float(t / it.factor)


def _several(it: About, given: Any, most: int) -> F8:
    """Some times in the unit of the history: those given, the sessions, or evenly spread ones."""
    if given is not None:
        return np.array([_at(it, float(t)) for t in given])
    at = it.history.sessions
    if at.size < 2:
        at = np.linspace(it.history.start, it.history.end, most)
    return np.asarray(at[np.unique(np.linspace(0, at.size - 1, min(most, at.size)).astype(np.int64))])


def _ends(it: About) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    """Numbers of the cells before and behind each, (n,) each, and the names of all cells.

    Cells of a run are numbers within their populations, which a history of it does not know: there, those before and
    behind are others.
    """
    h = it.history
    pre, post = (np.array([str(x) for x in h.column(c).tolist()], dtype=object) for c in ("pre", "post"))
    if "projection" in h.columns and len(h):
        words, code = np.unique(h.column("projection"), return_inverse=True)
        both = [(f"{w} pre", f"{w} post") for w in words.tolist()]
        if it.run is not None:
            of = [it.run.projection(w) for w in words.tolist()]
            both = [(q["source"], q["target"]) for q in of]
        pre = np.array([f"{both[k][0]} {x}" for k, x in zip(code, pre, strict=True)], dtype=object)
        post = np.array([f"{both[k][1]} {x}" for k, x in zip(code, post, strict=True)], dtype=object)
    names, number = np.unique(np.concatenate([pre, post]).astype(str), return_inverse=True)
    return number[: len(h)], number[len(h) :], names.tolist()


@pictured(t=or_none(finite()))
def matrix(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    t: float | None = None,
) -> Figure:  # fmt: skip
    """Who is connected to whom at a time, shaded by size.

    Parameters
    ----------
    of : History or Run
        With columns ``pre`` and ``post``.
    ax, unit, projection : optional
        As for `density`.
    colours : list, optional
        From the smallest to the largest.
    t : float, optional
        In the unit of the picture; the end if not given.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> pre, post = draw.integers(0, 9, 60), draw.integers(0, 9, 60)
    >>> pairs = pd.DataFrame({"pre": pre, "post": post, "age": np.repeat([0, 5, 10], 20)})
    >>> history = nd.read_edges(pairs, pre="pre", post="post", age="age")
    >>> nd.plot.matrix(history).savefig("matrix.png")
    """
    it = about(of, projection, unit, ax is None)
    several = it.projections
    if len(several) > 1:
        raise ParameterError(f"projection must be one of {several}: each has a matrix of its own, got None")
    when = _at(it, t)
    m, pre, post = it.history.graph(when)
    figure, ax = axes_of(ax, 5.6, 4.8)
    m = m.tocoo()
    step = max(-(-max(m.shape, default=1) // _PIXELS), 1)
    shape = tuple(max(-(-n // step), 1) for n in m.shape)
    check_memory(8.0 * shape[0] * shape[1], "a picture of the matrix", "select() fewer")
    dense = np.zeros(shape)
    np.add.at(dense, (m.row // step, m.col // step), np.abs(m.data))
    seen = dense[dense > 0]
    norm = LogNorm(float(seen.min()), float(seen.max())) if seen.size and seen.max() > 1.5 * seen.min() else None
    shown = np.ma.masked_equal(dense, 0.0)
    extent = (-0.5, shape[1] * step - 0.5, shape[0] * step - 0.5, -0.5)
    image = ax.imshow(
        shown, cmap=shades(colours, dark=True), norm=norm, aspect="auto", interpolation="nearest", extent=extent
    )
    for axis, names in ((ax.xaxis, post), (ax.yaxis, pre)):
        if 0 < len(names) <= _NAMED:
            axis.set_ticks(range(len(names)), [short(x, 10) for x in names.tolist()])
    if len(post) <= _NAMED:
        ax.tick_params(axis="x", rotation=90)
    if seen.size:
        bar(ax, image, it.history.size_unit or "size")
    else:
        empty(ax, "nobody is connected")
    note = f"{m.nnz:,} connections among {len(pre):,} and {len(post):,} cells"
    say(ax, it, f"Connections, {it.clock.one} {it.times(when):.4g}", "to (post)", "from (pre)", note)
    return figure


@pictured(at=or_none(times))
def degrees(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None, at: Any = None
) -> Figure:
    """How many partners cells have: share with at least so many inputs and outputs, at first and at last.

    Parameters
    ----------
    of : History or Run
        With columns ``pre`` and ``post``.
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of the times, in order.
    at : (n,) array_like, optional
        Times, in the unit of the picture.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> pre, post = draw.integers(0, 9, 60), draw.integers(0, 9, 60)
    >>> pairs = pd.DataFrame({"pre": pre, "post": post, "age": np.repeat([0, 5, 10], 20)})
    >>> history = nd.read_edges(pairs, pre="pre", post="post", age="age")
    >>> nd.plot.degrees(history).savefig("degrees.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    pre, post, n_pre, n_post = numbered(it)
    when = _several(it, at, 2)
    said = [f"{it.clock.one} {it.times(t):.4g}" for t in when.tolist()]
    shade = colours_of(said, colours, [COLOURS["early"], INK] if len(said) < 3 else _ORDER)
    for label, t in zip(said, when.tolist(), strict=True):
        here = it.history.alive(t)
        found = topology.degrees(pre[here], post[here], n_pre, n_post)
        for name, number, style in (("outputs", found[0], "--"), ("inputs", found[1], "-")):
            if number.size:
                k = np.arange(1, max(int(number.max()), 1) + 1)
                share = np.array([np.mean(number >= d) for d in k])
                ax.step(k, share, where="mid", color=shade[label], ls=style, lw=1.6, label=f"{name}, {label}")
    if not len(it.history):
        empty(ax, "nobody is connected")
    ax.set_ylim(0, 1.02)
    ax.set_xlim(0, None)
    legend(ax, loc="best")  # a layer of equal units fills the corner at the right
    say(ax, it, "Degrees", "connections", "share with so many or more", _sides(n_pre, n_post))
    return figure


def _sides(n_pre: int, n_post: int) -> str:
    """How many cells there are on both sides, as notes say it."""
    return f"{n_pre:,} cells with outputs, {n_post:,} with inputs"


_ORDER = ("#440154", "#3B528B", "#21918C", "#5EC962", "#B8A200")  # from early to late


@pictured(at=or_none(times))
def degree_evolution(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None, at: Any = None
) -> Figure:
    """Mean and largest number of inputs and outputs over time.

    Parameters
    ----------
    of : History or Run
        With columns ``pre`` and ``post``.
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"inputs"`` and ``"outputs"``.
    at : (n,) array_like, optional
        Times, in the unit of the picture; the sessions, or forty times if not given.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> pre, post = draw.integers(0, 9, 60), draw.integers(0, 9, 60)
    >>> pairs = pd.DataFrame({"pre": pre, "post": post, "age": np.repeat([0, 5, 10], 20)})
    >>> history = nd.read_edges(pairs, pre="pre", post="post", age="age")
    >>> nd.plot.degree_evolution(history).savefig("degree_evolution.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    pre, post, n_pre, n_post = numbered(it)
    when = _several(it, at, 40)
    names = ("inputs", "outputs")
    shade = colours_of(names, colours)
    found = []
    for t in when.tolist():
        here = it.history.alive(t)
        out, into = topology.degrees(pre[here], post[here], n_pre, n_post)
        found.append([into.mean() if n_post else 0, into.max(initial=0), out.mean() if n_pre else 0,
                      out.max(initial=0)])  # fmt: skip
    table = np.array(found, dtype=float).T
    for k, name in enumerate(names):
        style = "o-" if when.size < 20 else "-"
        ax.plot(it.times(when), table[2 * k], style, ms=3.5, lw=1.8, color=shade[name], label=f"{name}, mean")
        ax.plot(it.times(when), table[2 * k + 1], ":", lw=1.4, color=shade[name], label=f"{name}, largest")
    ax.set_ylim(0, 1.4 * max(float(table.max(initial=0.0)), 1.0))
    ax.set_xlim(it.start, it.end)
    legend(ax, loc="upper left", ncols=2)
    say(ax, it, "Degrees over time", it.clock.axis, "connections", _sides(n_pre, n_post))
    return figure


@pictured(at=or_none(times), most=counted(1, 13))
def motifs(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    at: Any = None, most: int = 6,
) -> Figure:  # fmt: skip
    """How many triples of cells are connected in each way over time: the most frequent of the thirteen ways.

    Parameters
    ----------
    of : History or Run
        With columns ``pre`` and ``post``.
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of the ways, by their usual names: ``"030T"`` is the feed-forward loop.
    at : (n,) array_like, optional
        Times, in the unit of the picture; up to eight sessions, or eight times, if not given.
    most : int
        So many ways.

    Returns
    -------
    Figure

    Raises
    ------
    NeurodevError
        Without networkx: ``pip install 'neurodev[graphs]'``.

    Examples
    --------
    >>> nd.plot.motifs(history).savefig("motifs.png")  # doctest: +SKIP
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    pre, post, names = _ends(it)
    when = _several(it, at, 8)
    counts: dict[str, list[int]] = {way: [] for way in _TRIADS}
    _countable(it, when, pre, post, len(names))
    for t in when.tolist():
        here = it.history.alive(t)
        found = graphs.motifs(pre[here], post[here], max(len(names), 1))
        for way, numbers in counts.items():
            numbers.append(found[way])
    order = sorted((w for w in counts if sum(counts[w])), key=lambda w: -sum(counts[w]))[:most]
    shade = colours_of(order, colours, also=list(_TRIADS))
    for way in order:
        y = np.array(counts[way], dtype=float)
        y[y == 0] = np.nan
        label = way if _TRIADS[way] == way else f"{way}, {_TRIADS[way]}"
        ax.plot(it.times(when), y, "o-", ms=3.5, lw=1.6, color=shade[way], label=label)
    if order:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda v, _: brief(v))
    else:
        empty(ax, "no three cells are connected")
    ax.set_xlim(it.start, it.end)
    beside(ax)
    say(ax, it, "Motifs of three cells", it.clock.axis, "triples", f"the most frequent ways among {len(names):,} cells")
    return figure


def _countable(it: About, when: F8, pre: I8, post: I8, n: int) -> None:
    """Refuse what would take minutes: a census looks at every neighbour of both ends of each connection."""
    work = 0.0
    for t in when.tolist():
        here = it.history.alive(t)
        pairs = np.unique(pre[here] * n + post[here])
        i, j = pairs // max(n, 1), pairs % max(n, 1)
        degree = np.bincount(i, minlength=n) + np.bincount(j, minlength=n)
        work += float((degree[i] + degree[j]).sum())
    if work > _MOST_WORK:
        raise ParameterError(
            f"at: to count the triples among {n:,} cells at {when.size} times takes {work:.1e} looks at neighbours, "
            f"and {_MOST_WORK:.0e} are a minute: give fewer times, projection=, or the history of fewer cells (select)"
        )


@pictured(at=or_none(times), most=counted(1))
def graph(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    at: Any = None, most: int = 2000,
) -> Figure:  # fmt: skip
    """The connections at several times, cells on a circle: those that are new since the time before stand out.

    Parameters
    ----------
    of : History or Run
        With columns ``pre`` and ``post``.
    ax : Axes, optional
        For one time alone.
    colours : dict or list, optional
        Of ``"new"``, ``"kept"``, ``"gone"``.
    unit, projection : optional
        As for `density`.
    at : (n,) array_like, optional
        Times, in the unit of the picture; four of the sessions, or four times, if not given.
    most : int
        No more lines than so many in a panel, evenly thinned.

    Returns
    -------
    Figure

    Examples
    --------
    >>> import pandas as pd
    >>> draw = np.random.default_rng(0)
    >>> pre, post = draw.integers(0, 9, 60), draw.integers(0, 9, 60)
    >>> pairs = pd.DataFrame({"pre": pre, "post": post, "age": np.repeat([0, 5, 10], 20)})
    >>> history = nd.read_edges(pairs, pre="pre", post="post", age="age")
    >>> nd.plot.graph(history).savefig("graph.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    when = _several(it, at, 4) if ax is None or at is not None else np.array([_at(it, None)])
    if ax is not None and when.size > 1:
        raise ParameterError(f"at must be one time where ax is given, for each has a panel, got {when.size}")
    pre, post, names = _ends(it)
    shade = colours_of(["new", "kept", "gone"], colours, {"new": "#D55E00", "kept": "#8FA3C4", "gone": RULE})
    figure: Figure = new_figure(2.7 * when.size + 0.4, 3.4) if ax is None else ax.get_figure(root=True)
    axes = np.atleast_1d(figure.subplots(1, when.size) if ax is None else ax)
    angle = 2 * np.pi * np.arange(len(names)) / max(len(names), 1)
    places = np.column_stack([np.sin(angle), np.cos(angle)])
    before = None
    for k, (panel, t) in enumerate(zip(axes, when.tolist(), strict=True)):
        here = it.history.alive(t)
        kinds = {"kept": here} if before is None else {
            "gone": before & ~here, "kept": here & before, "new": here & ~before}  # fmt: skip
        for z, (kind, mine) in enumerate(kinds.items()):
            _edges_between(panel, places[pre[mine]], places[post[mine]], shade[kind], z + 1, max(most // len(kinds), 1))
        panel.plot(*places.T, ".", ms=2.0 if len(names) > 60 else 4.0, color=INK, zorder=5)
        panel.set_aspect("equal")
        panel.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), xticks=[], yticks=[])
        note = f"{int(here.sum()):,} connections"
        note += "" if before is None else f", {int((here & ~before).sum()):,} new, {int((before & ~here).sum()):,} gone"
        say(panel, replace(it, own=it.own and k == 0), f"{it.clock.one} {it.times(t):.4g}", "", "", note)
        panel.spines[:].set_visible(False)
        before = here
    return figure


def _edges_between(ax: Any, a: F8, b: F8, shade: str, z: int, most: int) -> None:
    """Lines from places to places; many are faint."""
    if len(a) > most:
        some = np.linspace(0, len(a) - 1, most).astype(np.int64)
        a, b = a[some], b[some]
    faint = float(np.clip(60.0 / max(len(a), 1), 0.08, 0.8))
    lines = LineCollection(list(np.stack([a, b], axis=1)), colors=shade, linewidths=0.7, alpha=faint, zorder=z)
    lines.set_rasterized(len(a) > 3000)
    ax.add_collection(lines)
