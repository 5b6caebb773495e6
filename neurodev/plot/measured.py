"""Sizes over time, their distribution, and the life of one."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.arrays import F8
from neurodev.metrics import sizes as metrics
from neurodev.params import flag, or_none
from neurodev.plot.asked import About, about, axes_of, causes_of, colours_of, log_axis, names_of, rounded, say, short
from neurodev.plot.door import named, pictured, times
from neurodev.plot.style import COLOURS, HUES, INK, SOFT, beside, empty, legend, word

_FIRST, _LAST = "#D55E00", "#7E93B5"  # an outline, and bars


def _size_said(it: About) -> tuple[str, float]:
    """What sizes are, with their unit, and by what they are multiplied: of spines of a run their volumes."""
    run = it.run
    if run is not None and not run.is_training and it.history.size_unit == "V/V0":
        names = it.projections
        volumes = {(run.projection(n)["spines"] or {}).get("volume") for n in names or run.plastic}
        if len(volumes) == 1 and (volume := volumes.pop()):
            return "head volume (um³)", float(volume)
    unit = it.history.size_unit
    return (unit if unit == "|weight|" else f"size ({unit})" if unit else "size"), 1.0


@pictured()
def sizes(of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None) -> Figure:
    """Sizes in every session: median, the half in the middle, and nine tenths of them.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"sizes"``.

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
    >>> nd.plot.sizes(history).savefig("sizes.png")
    """
    it = about(of, projection, unit, ax is None)
    figure, ax = axes_of(ax)
    shade = colours_of(["sizes"], colours, ["#0072B2"])["sizes"]
    x = it.history.log_sizes()
    said, scale = _size_said(it)
    known = np.isfinite(x).any(axis=0) if len(x) else np.zeros(x.shape[1], dtype=bool)
    if not known.any():
        empty(ax, "no sizes were measured")
        say(ax, it, "Sizes over time", it.clock.axis, said)
        return figure
    at = it.times(it.history.sessions[known])
    low, quarter, median, upper, high = scale * np.exp(np.nanquantile(x[:, known], (0.05, 0.25, 0.5, 0.75, 0.95), 0))
    ax.fill_between(at, low, high, color=shade, alpha=0.14, lw=0, label="nine tenths")
    ax.fill_between(at, quarter, upper, color=shade, alpha=0.28, lw=0, label="the middle half")
    ax.plot(at, median, "o-" if at.size < 60 else "-", ms=3.5, lw=1.8, color=shade, label="median")
    ax.set_yscale("log")
    ax.set_ylim(low.min() / 1.15, high.max() * (high.max() / low.min()) ** 0.2)  # room for the key
    log_axis(ax.yaxis)
    ax.set_xlim(it.start, it.end)
    legend(ax, loc="upper left", ncols=3)
    spread = np.nanstd(x[:, known], axis=0)
    note = f"sd of ln size {spread[0]:.2f} at first, {spread[-1]:.2f} at last"
    say(ax, it, "Sizes over time", it.clock.axis, said, note)
    return figure


def _when(it: About, given: Any) -> list[int]:
    """The sessions nearest to some times, or the first and the last that measured anything."""
    sessions = it.history.sessions
    if given is not None and sessions.size:
        return sorted({int(np.argmin(np.abs(it.times(sessions) - t))) for t in given})
    known = np.unique(it.history.seen.session[np.isfinite(it.history.seen.size)])
    return sorted({int(known[0]), int(known[-1])}) if known.size else []


@pictured(sessions=or_none(times), fit=flag)
def size_distribution(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    sessions: Any = None, fit: bool = True,
) -> Figure:  # fmt: skip
    """Sizes in the first and the last session on a log axis, with the log-normal fit of the last.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of the sessions, in order.
    sessions : (n,) array_like, optional
        Times, in the unit of the picture: the sessions nearest to them are drawn.
    fit : bool
        Whether the log-normal is drawn.

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
    >>> nd.plot.size_distribution(history).savefig("size_distribution.png")
    """
    it = about(of, projection, unit, ax is None)
    figure, ax = axes_of(ax)
    said, scale = _size_said(it)
    x = it.history.log_sizes()
    kept = [(k, x[:, k][np.isfinite(x[:, k])]) for k in _when(it, sessions)]
    kept = [(k, v) for k, v in kept if v.size]
    if not kept:
        empty(ax, "no sizes were measured")
        say(ax, it, "Sizes", said, "share per decade")
        return figure
    shift = float(np.log10(scale))
    pooled = np.concatenate([v for _, v in kept]) / metrics.DECADE + shift
    limit = _lost_below(it)
    low = min(float(pooled.min()), np.inf if limit is None else np.log10(limit * scale) - 0.06)
    low, high = max(low, float(np.quantile(pooled, 0.002)) - 0.3), float(pooled.max()) + 0.1
    edges = _bins(low, high, int(np.clip(4 * np.sqrt(kept[-1][1].size) / 3, 12, 60)), limit, scale)
    said_at = [f"{it.clock.one} {it.times(it.history.sessions[k]):.4g} (n = {v.size:,})" for k, v in kept]
    shade = colours_of(said_at, colours, [*[_FIRST] * (len(kept) - 1), _LAST] if len(kept) < 3 else HUES)
    for label, (k, v) in zip(said_at, kept, strict=True):
        filled = k == kept[-1][0] and len(kept) < 3
        how: dict[str, Any] = {"alpha": 0.85, "zorder": 1} if filled else {"histtype": "step", "lw": 1.6, "zorder": 2}
        ax.hist(v / metrics.DECADE + shift, edges, density=True, color=shade[label], label=label, **how)
    note = _fitted(ax, kept[-1][1], low, high, shift, fit)
    if limit is not None:
        ax.axvline(np.log10(limit * scale), color=INK, lw=1.2, ls=":", label=f"lost below {limit * scale:.2g}")
    _decades(ax, low, high)
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
    legend(ax, loc="upper right")
    say(ax, it, "Sizes", said, "share per decade", note)
    return figure


def _lost_below(it: About) -> float | None:
    """Size at which a mechanism of a run lets go of a spine, if one does."""
    if it.run is None or it.run.is_training or it.history.size_unit != "V/V0":
        return None
    names = it.projections
    smallest = {it.run.smallest_size(n) for n in names or it.run.plastic}
    only = smallest.pop() if len(smallest) == 1 else None
    return None if only is None else float(np.exp(only))


def _bins(low: float, high: float, n: int, limit: float | None, scale: float) -> F8:
    """Edges of about n bins, one of them where spines are lost: no bar of the living may reach across it."""
    edges = np.linspace(low, high, n)
    if limit is None:
        return edges
    at, step = float(np.log10(limit * scale)), float(edges[1] - edges[0])
    return at + step * np.arange(-np.ceil(max(at - low, 0.0) / step), np.ceil((high - at) / step) + 1)


def _fitted(ax: Any, x: F8, low: float, high: float, shift: float, drawn: bool) -> str:
    """The log-normal of sizes, and what it says."""
    if x.size < 2:
        return ""
    normal = metrics.lognormal_fit(x)
    if drawn and normal.sd > 0:
        grid = np.linspace(low, high, 300)
        y = normal.density((grid - shift) * metrics.DECADE) * metrics.DECADE
        ax.plot(grid, y, color=INK, lw=1.6, label="log-normal")
    share = metrics.central_decade(x)
    return f"at last sd of ln size {normal.sd:.2f}, {100 * share:.0f} % in the central decade"


def _decades(ax: Any, low: float, high: float) -> None:
    """Ticks of log10 at round numbers."""
    points = ax.get_window_extent().width / ax.get_figure(root=True).dpi * 72  # before the layout is final
    many = 3 * (high - low) > points / 22
    ticks = np.array([1] if many else [1, 2, 5]) * 10.0 ** np.arange(-9, 10)[:, None]
    ticks = ticks[(ticks >= 10**low) & (ticks <= 10**high)]
    if many and ticks.size > 8:
        ticks = ticks[:: -(-ticks.size // 8)]
    ax.set_xticks(np.log10(ticks), [rounded(t) for t in ticks])
    ax.set_xlim(low, high)


@pictured(ident=named)
def life(
    of: Any, ident: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None
) -> Figure:
    """The life of one: its size over time, and when it was born and died as far as that is known.

    Parameters
    ----------
    of : History or Run
    ident : identity, as in ``history.ident``
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"size"``, ``"births"`` and its cause of death.

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
    >>> nd.plot.life(history, history.ident[0]).savefig("life.png")
    """
    it = about(of, projection, unit, ax is None)
    story = it.history.story(ident)
    figure, ax = axes_of(ax, 7.0, 3.8)
    h = it.history
    k = int(np.flatnonzero(h.ident == ident)[0])
    cause, usual = causes_of(it)
    mine = str(cause[k])
    names = ["size", "births", *([mine] if mine else [])]
    shade = colours_of(names, colours, {"size": INK, "births": COLOURS["birth"]} | usual, also=names_of(it))
    here = h.seen.row == k
    at, size = it.times(h.sessions[h.seen.session[here]]), h.seen.size[here]
    said, scale = _size_said(it)
    known = np.isfinite(size) & (size > 0)
    born = it.times(np.array(h.born[k]))
    died = it.times(np.array(h.died[k]))
    if np.isfinite(born[0]):
        ax.axvspan(*born, color=shade["births"], alpha=0.35, lw=1.5, label="born")
    if mine:
        ax.axvspan(
            *died,
            color=shade[mine],
            alpha=0.35,
            lw=1.5,
            label="died" if mine == "deaths" else f"died: {short(word(mine))}",
        )
    if known.any():
        ax.plot(at[known], scale * size[known], "o-", color=shade["size"], ms=4.5, lw=1.6, label="size", zorder=3)
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        ax.set_ylim(low / 1.2, high * 1.2)
        log_axis(ax.yaxis)
    else:
        ax.plot(at, np.full(at.size, 0.5), "|", color=SOFT, ms=9, label="seen")
        ax.set_ylim(0, 1)
        ax.set_yticks([])
        empty(ax, "its size was not measured", height=0.7)
    first = it.start if not np.isfinite(born[0]) else born[0]
    last = it.end if not np.isfinite(died[1]) else died[1]
    margin = max(0.06 * (last - first), 0.02 * (it.end - it.start))
    ax.set_xlim(first - margin, last + margin)
    beside(ax)
    say(ax, it, f"Life of {short(ident, 40)}", it.clock.axis, said, story)
    return figure
