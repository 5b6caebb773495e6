"""Who dies when, and what stays: hazard against age and size, and what every two sessions have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurodev.arrays import B1, F8
from neurodev.metrics.risks import stretches
from neurodev.metrics.sizes import losses_by_size
from neurodev.metrics.turnover import death_rates_by_age
from neurodev.params import counted, or_none
from neurodev.plot.asked import About, about, axes_of, bar, colours_of, say, shades
from neurodev.plot.door import pictured, rising, unbounded
from neurodev.plot.style import INK, empty, legend

# of runs of thirty units; those of others are stretched
_AGES = np.array([0, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 18, 25, 40, 60, 100, 200, 400])
_SESSIONS = np.array([0, 1, 2, 3, 5, 8, 12, 18, 25, 40, 60, 100])
_LEAST = 20.0  # lives that are watched for the middle of a bin


def _ages(it: About, given: Any) -> F8:
    """Edges of ages in the unit of the history."""
    if given is not None:
        return np.asarray(given) / it.factor
    span = max(it.history.end - it.history.start, 1e-9)
    at = it.history.sessions
    edges = _SESSIONS * float(np.median(np.diff(at))) if it.imaged else _AGES * span / 30.0
    return np.append(edges[edges < span * (1 - 1e-9)], span)


def _sizes(it: About, given: Any) -> F8:
    """Edges of ln size: fifths of all that was measured, if none are given."""
    if given is not None:
        return np.asarray(given)
    x = it.history.log_sizes()
    x = x[np.isfinite(x)]
    if not x.size:
        return np.zeros(0)
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 7)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return edges


@pictured(ages=or_none(rising))
def hazard(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None, ages: Any = None,
) -> Figure:  # fmt: skip
    """Deaths per life and unit of time against age, of those whose birth was seen; bars of 95 %.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"hazard"``.
    ages : (n_bin + 1,) array_like, optional
        Edges, in the unit of the picture.

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
    >>> nd.plot.hazard(history).savefig("hazard.png")
    """
    it = about(of, projection, unit, ax is None, sizes=False)
    figure, ax = axes_of(ax)
    shade = colours_of(["hazard"], colours, [INK])["hazard"]
    edges = _ages(it, ages)
    lives = it.history.lives("newborn")
    n = lives.duration.size
    use = np.zeros(0, dtype=bool)
    if n and edges.size > 1:
        rate, error, lived = death_rates_by_age(lives.duration, lives.died, edges)
        use = lived > min(_LEAST, 0.1 * n)
    if use.any():
        middle = 0.5 * (edges[1:] + edges[:-1])
        rate, error = rate / it.factor, 1.96 * error / it.factor
        ax.errorbar(it.times(middle)[use], rate[use], error[use], fmt="o-", ms=4, lw=1.3, color=shade, elinewidth=1)
        ax.set_ylim(0, 1.12 * float(np.nanmax((rate + error)[use])) + 1e-9)
    else:
        empty(ax, "no birth was seen" if not n else "too few lives")
    ax.set_xlim(0, None)
    note = f"{n:,} whose birth was seen; 95 % bars"
    say(ax, it, "Death rate by age", it.clock.age, f"deaths per life and {it.clock.one}", note)
    return figure


@pictured(ages=or_none(rising), log_sizes=or_none(unbounded))
def hazard_surface(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None,
    ages: Any = None, log_sizes: Any = None,
) -> Figure:  # fmt: skip
    """Deaths per life and unit of time by age and ln size, between sessions.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : list, optional
        From the lowest rate to the highest.
    ages, log_sizes : (n_bin + 1,) array_like, optional
        Edges; of ages in the unit of the picture.

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
    >>> nd.plot.hazard_surface(history).savefig("hazard_surface.png")
    """
    it = about(of, projection, unit, ax is None)
    figure, ax = axes_of(ax, 5.4, 3.8)
    rows, columns = _ages(it, ages), _sizes(it, log_sizes)
    note = "between sessions; empty where nobody was watched"
    if columns.size < 2 or rows.size < 2 or it.history.standing.all():
        empty(ax, "no birth was seen" if columns.size else "no sizes were measured")
    else:
        table = it.history.hazard(rows, columns)
        finite = np.clip(columns, *_outer(columns))
        rate = table.rate.T / it.factor
        drawn = ax.pcolormesh(it.times(rows), finite, rate, cmap=shades(colours), vmin=0.0, rasterized=rate.size > 3000)
        bar(ax, drawn, f"deaths per life and {it.clock.one}")
        note = f"{int(table.deaths.sum()):,} deaths {note}"
    unit_of_size = f" ({it.history.size_unit})" if it.history.size_unit else ""
    say(ax, it, "Death rate by age and size", it.clock.age, f"ln size{unit_of_size}", note)
    return figure


def _outer(edges: F8) -> tuple[float, float]:
    """Limits that an axis can show, where outer edges are infinite."""
    inner = edges[np.isfinite(edges)]
    step = float(np.ptp(inner)) / max(inner.size - 1, 1) or 1.0
    return float(inner.min() - step), float(inner.max() + step)


@pictured()
def persistence(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None
) -> Figure:
    """Share of those of each session that is there in a later one, against the time between; and sizes' memory.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"there again"`` and ``"correlation of ln size"``.

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
    >>> nd.plot.persistence(history).savefig("persistence.png")
    """
    it = about(of, projection, unit, ax is None)
    figure, ax = axes_of(ax)
    names = ("there again", "correlation of ln size")
    shade = colours_of(names, colours)
    at = it.times(it.history.sessions)
    pairs = 0
    if len(it.history) and at.size > 1:
        found = it.history.persistence()
        early, late = np.triu_indices(at.size, 1)
        lag = at[late] - at[early]
        pairs = lag.size
        for name, values, mark in ((names[0], found.kept, "o"), (names[1], found.correlation, "s")):
            y = values[early, late]
            known = np.isfinite(y)
            if not known.any():
                continue
            ax.plot(lag[known], y[known], mark, ms=3, alpha=0.35, color=shade[name], mew=0, rasterized=pairs > 3000)
            middle, mean = _means(lag[known], y[known])
            ax.plot(middle, mean, "-", lw=1.8, color=shade[name], label=name)
    if not ax.lines:
        empty(ax, "there are no two sessions to compare")
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.22)
    ax.set_xlim(0, max(it.end - it.start, 1e-9))
    legend(ax, loc="upper right", ncols=2)
    note = f"every two of {at.size} sessions; lines: means"
    say(ax, it, "What stays between sessions", f"time between ({it.clock.many})", "share, correlation", note)
    return figure


def _means(lag: F8, y: F8) -> tuple[F8, F8]:
    """Means of numbers at equal times between, or of a dozen bins of these."""
    several = np.unique(np.round(lag, 9))
    if several.size > 12:
        edges = np.linspace(0, lag.max() * (1 + 1e-9), 13)
        k = np.searchsorted(edges, lag, side="right") - 1
    else:
        k = np.searchsorted(several, np.round(lag, 9))
    n = np.bincount(k)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, mean = np.bincount(k, lag) / n, np.bincount(k, y) / n
    return middle[n > 0], mean[n > 0]


@pictured(groups=counted(2, 100))
def losses(
    of: Any, ax: Any = None, *, colours: Any = None, unit: str | None = None, projection: Any = None, groups: int = 5
) -> Figure:
    """Share that is gone in the next session by size, in groups of equally many; bars of two standard errors.

    Parameters
    ----------
    of : History or Run
    ax, unit, projection : optional
        As for `density`.
    colours : dict or list, optional
        Of ``"lost"``.
    groups : int

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
    >>> nd.plot.losses(history).savefig("losses.png")
    """
    it = about(of, projection, unit, ax is None)
    figure, ax = axes_of(ax)
    shade = colours_of(["lost"], colours, ["#D55E00"])["lost"]
    x, lost = _followed(it.history)
    if x.size < groups:
        empty(ax, "no sizes were measured in two sessions")
    else:
        share = losses_by_size(x, lost, groups)
        error = 2 * np.sqrt(share * (1 - share) / (x.size / groups))
        place = np.arange(1, groups + 1)
        ax.bar(place, share, 0.8, color=shade, alpha=0.85)
        ax.errorbar(place, share, error, fmt="none", ecolor=INK, elinewidth=1)
        ax.set_xticks(place)
        ax.set_ylim(0, 1.12 * max(float((share + error).max()), 1e-9))
    note = f"{x.size:,} sizes, {int(lost.sum()):,} gone in the next session"
    say(ax, it, "Losses by size", f"size, smallest first ({groups} groups of equally many)", "share lost", note)
    return figure


def _followed(history: Any) -> tuple[F8, B1]:
    """ln of each size that a later look followed, and whether it was gone then, (n_stretch,) each."""
    from_start = np.where(history.standing, history.start, history.birth)  # whose age matters to nobody here
    s = stretches(history.present(), history.sessions, from_start, history.log_sizes(), history.looked)
    known = np.isfinite(s.log_size)
    return s.log_size[known], s.died[known]
