"""Spikes: rates, intervals, irregularity, avalanches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import couples, floats, metric
from neurodev.metrics.given import indices as places
from neurodev.params import check_memory, number, one_of, whole

NAN = float("nan")


@metric
def rates_by_window(counts: NDArray[np.integer], tick_spike: float, ticks: int) -> F8:
    """Mean rate (Hz) of every cell in windows of `ticks` ticks.

    Parameters
    ----------
    counts : (n_tick, n) ndarray of int
        Spikes of every cell in every tick.
    tick_spike : float, ms
        Length of a tick in spike time.
    ticks : int
        Ticks per window; a last part of a window is left out.

    Returns
    -------
    (n_window, n) ndarray, Hz
    """
    ticks, tick_spike = whole(ticks, "ticks", 1), number(tick_spike, "tick_spike", "ms", above=0.0)
    n = counts.shape[0] // ticks
    if n == 0:
        return np.zeros((0, counts.shape[1]))
    sums = counts[: n * ticks].reshape(n, ticks, -1).sum(axis=1)
    return np.asarray(sums * 1e3 / (ticks * tick_spike), dtype=np.float64)


def _slack(time: F8) -> F8:
    """Two times near these that differ by less are one: a few roundings, which far from zero are more than 1e-9 ms."""
    return np.maximum(1e-9, 8.0 * np.spacing(np.abs(time)))


def _intervals(
    times: ArrayLike, indices: ArrayLike, windows: ArrayLike | None, n_cells: int | None = None
) -> tuple[F8, NDArray[np.int64]]:
    """All intervals (ms) and the cell of each, cell by cell in order of time."""
    t, i = floats(times, "times", 1), places(indices, "indices", n_cells)
    if t.shape != i.shape:
        raise ParameterError(f"times and indices must be (n_spike,) alike, got shapes {t.shape} and {i.shape}")
    if np.isnan(t).any():
        raise ParameterError("times hold NaN")
    order = np.lexsort((t, i))
    t, i = t[order], i[order]
    same = i[1:] == i[:-1]
    if windows is not None:
        w = couples(windows, "windows")
        w = w[np.argsort(w[:, 0])]
        # two stretches that touch are one: what counts is whether anything is missing in between
        gap = np.cumsum(np.concatenate([[0], w[1:, 0] > w[:-1, 1] + _slack(w[:-1, 1])])) if w.shape[0] else np.zeros(0)
        which = np.searchsorted(w[:, 0], t, side="right") - 1
        inside = (which >= 0) & (t <= w[np.maximum(which, 0), 1] + _slack(t)) if w.shape[0] else np.zeros(t.size, bool)
        part = np.where(inside, gap[np.maximum(which, 0)] if w.shape[0] else 0, -1)
        same &= inside[1:] & inside[:-1] & (part[1:] == part[:-1])
    return np.diff(t)[same], i[1:][same]


@metric
def interspike_intervals(times: ArrayLike, indices: ArrayLike, windows: ArrayLike | None = None) -> F8:
    """All intervals of all cells, ms (n_interval,), cell by cell in order of time.

    Parameters
    ----------
    times, indices : (n_spike,) array_like
        Times (ms) and cells of the spikes, in any order.
    windows : (n_window, 2) array_like, optional
        Stretches (ms) over which the trains are complete; intervals across a gap are left out.
    """
    return _intervals(times, indices, windows)[0]


@metric
def coefficient_of_variation(intervals: ArrayLike) -> float:
    """Standard deviation over mean of interspike intervals (n,): 0 if regular, 1 if Poisson; NaN for fewer than two."""
    x = np.asarray(intervals, dtype=float)
    return float(x.std() / x.mean()) if x.size > 1 and x.mean() > 0 else NAN


@metric
def cell_coefficients_of_variation(
    times: ArrayLike, indices: ArrayLike, n_cells: int, windows: ArrayLike | None = None, least: int = 5
) -> F8:
    """Coefficient of variation of the intervals of every cell, (n_cells,); NaN where there are fewer than `least`.

    Unlike the pooled intervals, this does not count differences of rate between cells as irregularity.
    """
    x, i = _intervals(times, indices, windows, n_cells)
    count = np.bincount(i, minlength=n_cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(i, x, minlength=n_cells) / count
        variance = np.bincount(i, (x - mean[i]) ** 2, minlength=n_cells) / count
        return np.asarray(np.where((count >= least) & (mean > 0), np.sqrt(variance) / mean, np.nan))


@metric
def highest_population_rate(times: ArrayLike, n_cells: int, width: float = 100.0) -> float:
    """Highest rate (Hz, averaged over cells) in any stretch of `width` ms: a seizure shows here.

    The stretch slides: it begins at each spike in turn, so no grid of bins can cut a volley in two.
    """
    t, width = np.sort(floats(times, "times", 1)), number(width, "width", "ms", above=0.0)
    if t.size == 0 or n_cells < 1:
        return 0.0
    held = np.searchsorted(t, t + width, side="left") - np.arange(t.size)
    return float(held.max() * 1e3 / (width * n_cells))


@metric
def population_rate(times: ArrayLike, n_cells: int, start: float, stop: float, width: float = 100.0) -> tuple[F8, F8]:
    """Rate (Hz, averaged over cells) in bins of `width` ms between `start` and `stop`: centres (ms) and rates."""
    width = number(width, "width", "ms", above=0.0)
    if not -np.inf < start <= stop < np.inf:
        raise ParameterError(f"start and stop must be finite times, start first, got {shown(start)} and {stop!r}")
    n = max(int(np.ceil((stop - start) / width - 1e-9)), 1)
    check_memory(32.0 * n, f"{n} bins of {width} ms", "use a greater width")
    edges = start + width * np.arange(n + 1)
    count = np.histogram(np.asarray(times, dtype=float), edges)[0]
    return 0.5 * (edges[1:] + edges[:-1]), count * 1e3 / (width * max(n_cells, 1))


@metric
def rate_spread(rates: ArrayLike, target: float) -> dict[str, float]:
    """How evenly cells fire: CV across cells, share below a tenth of `target` (Hz), share above twice.

    Parameters
    ----------
    rates : (n,) array_like, Hz
    target : float, Hz
    """
    r = np.asarray(rates, dtype=float)
    if r.size == 0:
        return {"cv": NAN, "silent": NAN, "loud": NAN}
    return {
        "cv": coefficient_of_variation(r), "silent": float((r < 0.1 * target).mean()),
        "loud": float((r > 2.0 * target).mean()),
    }  # fmt: skip


@outlined
class Avalanches(NamedTuple):
    """Avalanches in order of time, all (n_avalanche,), and the `width` (ms) of the bins they were found with."""

    start: F8  #: beginning of the first bin, ms
    size: I8  #: spikes
    duration: I8  #: bins
    first: I8  #: spikes in the first bin
    second: I8  #: spikes in the second bin, 0 if there is none
    width: float


def _grouped(bins: I8, count: I8) -> tuple[I8, I8, I8, I8, I8]:
    """First bin, size, duration, and spikes in the first and second bin of each run of neighbouring bins.

    `bins` rise and hold only those with spikes, `count` spikes each.
    """
    if not bins.size:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing, nothing
    begin = np.flatnonzero(np.concatenate([[True], np.diff(bins) > 1]))
    duration = np.diff(np.append(begin, bins.size))
    # reading past an avalanche of one bin is harmless: the value is not used
    second = np.where(duration > 1, count[np.minimum(begin + 1, bins.size - 1)], 0)
    return bins[begin], np.add.reduceat(count, begin), duration, count[begin], second


def _stretches(windows: ArrayLike) -> F8:
    """Stretches (n, 2) in order of time, those that touch or overlap made one."""
    w = couples(windows, "windows")
    w = w[np.argsort(w[:, 0])]
    if not w.shape[0]:
        return w
    until = np.maximum.accumulate(w[:, 1])
    begin = np.flatnonzero(np.concatenate([[True], w[1:, 0] > until[:-1] + _slack(until[:-1])]))
    return np.column_stack([w[begin, 0], until[np.append(begin[1:], w.shape[0]) - 1]])


def _placed(times: ArrayLike, windows: ArrayLike | None) -> tuple[F8, I8, F8]:
    """Spikes within stretches in order of time, the stretch of each, and the stretches (n, 2); one if not given."""
    t = np.sort(floats(times, "times", 1))
    if not np.all(np.isfinite(t)):
        raise ParameterError("times must be finite: they hold NaN or infinity")
    if windows is not None:
        stretches = _stretches(windows)
    else:
        stretches = np.array([[t[0], t[-1]]]) if t.size else np.zeros((0, 2))
    if not stretches.shape[0]:
        return np.zeros(0), np.zeros(0, dtype=np.int64), stretches
    where = np.searchsorted(stretches[:, 0], t, side="right") - 1
    inside = (where >= 0) & (t <= stretches[np.maximum(where, 0), 1])
    return t[inside], where[inside], stretches


@metric
def avalanches(times: ArrayLike, width: float | None = None, windows: ArrayLike | None = None) -> Avalanches:
    """Neuronal avalanches: runs of bins with spikes of any cell, between bins without.

    Parameters
    ----------
    times : (n_spike,) array_like, ms
        Spikes of the whole population, in any order.
    width : float, ms, optional
        Width of the bins; the mean interval between successive spikes of the population if not given.
    windows : (n_window, 2) array_like, ms, optional
        Stretches over which the trains are complete; those that touch are one.  Bins begin anew in each, and an
        avalanche that reaches the first or the last bin of a stretch is left out, as its ends were not seen.  Without
        windows, bins begin at the first spike and nothing is left out.

    Returns
    -------
    Avalanches

    Raises
    ------
    ParameterError
        If `width` is not positive, or not given and the spikes have no interval to take it from.

    Notes
    -----
    Source: Beggs & Plenz 2003, doi 10.1523/JNEUROSCI.23-35-11167.2003 (there of electrodes, here of spikes).  Sizes
    and exponents depend on the width.  Power laws arise without criticality as well: an exponent alone is no evidence.

    Examples
    --------
    >>> avalanches([0.0, 0.5, 1.2, 5.1], width=1.0).size
    array([3, 1])
    """
    t, where, stretches = _placed(times, windows)
    if width is None:
        interval = np.diff(t)[np.diff(where) == 0]
        width = float(interval.mean()) if interval.size else 0.0
        if not width > 0:
            raise ParameterError(
                f"width is not given and {t.size} spikes of times have no positive mean interval: give width in ms"
            )
    if not width > 0 or not np.isfinite(width):
        raise ParameterError(f"width must be a positive number of ms, got {shown(width)}")
    n_bin = np.ceil((stretches[:, 1] - stretches[:, 0] - _slack(stretches[:, 1])) / width - 1e-9).astype(np.int64)
    offset = np.concatenate([[0], np.cumsum(n_bin + 2)]).astype(np.int64)  # a gap, so that stretches never touch
    local = np.floor((t - stretches[where, 0] + _slack(t)) / width + 1e-9).astype(np.int64)
    bins, count = np.unique(local + offset[where], return_counts=True)
    begin, size, duration, first, second = _grouped(bins, count.astype(np.int64))
    stretch = np.searchsorted(offset, begin, side="right") - 1
    begin = begin - offset[stretch]
    start = np.asarray(stretches[stretch, 0] + width * begin, dtype=np.float64)
    seen = np.ones(begin.size, dtype=bool)
    if windows is not None:
        seen = (begin > 0) & (begin + duration < n_bin[stretch])
    return Avalanches(start[seen], size[seen], duration[seen], first[seen], second[seen], width)


@metric
def avalanches_of_counts(counts: ArrayLike, width: float = 1.0) -> Avalanches:
    """Avalanches in spikes of the population counted in successive bins.

    Parameters
    ----------
    counts : (n_bin,) array_like of int
    width : float, ms
        Width of a bin; only the starts depend on it.

    Raises
    ------
    ParameterError
        If a count is negative or not whole.
    """
    c = np.asarray(counts)
    if c.ndim != 1 or np.any(c < 0) or np.any(c != np.floor(c)):
        raise ParameterError("counts must be (n_bin,) whole numbers of spikes, none negative")
    bins = np.flatnonzero(c > 0)
    begin, size, duration, first, second = _grouped(bins.astype(np.int64), c[bins].astype(np.int64))
    return Avalanches(np.asarray(begin * float(width), dtype=np.float64), size, duration, first, second, float(width))


@metric
def branching_ratio(found: Avalanches, how: str = "all") -> float:
    """Spikes that follow a spike in the next bin of an avalanche, on average: sigma.

    Parameters
    ----------
    found : Avalanches
    how : {"all", "first"}
        ``"all"``: descendants over ancestors in all bins, ``sum(size - first) / sum(size)``, the maximum likelihood
        estimate of the mean of the offspring of a Galton-Watson process (Harris 1948).  ``"first"``: spikes in the
        second bins over spikes in the first (Beggs & Plenz 2003, each avalanche weighted by its ancestors as there;
        without their rounding and their correction for electrodes that cannot be active twice).

    Returns
    -------
    float
        1 is critical; NaN without avalanches.  By ``"all"``, it is below 1 by construction when every avalanche ends.

    Notes
    -----
    Sources: Harris 1948, doi 10.1214/aoms/1177730146; Beggs & Plenz 2003, doi 10.1523/JNEUROSCI.23-35-11167.2003.
    Where avalanches overlap, or only some of the cells are seen, both are biased.
    """
    how = one_of(how, "how", ("all", "first"))
    if not found.size.size:
        return NAN
    if how == "first":
        return float(found.second.sum() / found.first.sum())
    return float((found.size - found.first).sum() / found.size.sum())


class PowerLaw(NamedTuple):
    """A discrete power law ``P(x) ~ x**-exponent`` for whole x from `xmin` on, fitted to `n` values."""

    exponent: float
    error: float  #: standard error of the exponent
    distance: float  #: Kolmogorov-Smirnov distance of the data from the law
    xmin: int
    n: int


@metric
def power_law_fit(values: ArrayLike, xmin: int = 1) -> PowerLaw:
    """Maximum likelihood exponent of whole numbers from `xmin` on, such as sizes or durations of avalanches.

    Parameters
    ----------
    values : (n,) array_like of int
        Those below `xmin` are left out.
    xmin : int
        Smallest value that the law is held to describe; given, not fitted.

    Returns
    -------
    PowerLaw
        NaN without values; an infinite exponent if all equal `xmin`.

    Raises
    ------
    ParameterError
        If `xmin` is below 1 or values are not whole.

    Notes
    -----
    Source: Clauset, Shalizi & Newman 2009, doi 10.1137/070710111, section 3: the likelihood is
    ``-n ln zeta(a, xmin) - a sum ln x`` with Hurwitz' zeta, the error ``1 / sqrt(n (ln zeta)'')``.
    A good fit does not tell a power law from, say, a log-normal: `metrics.tails.tails` compares their likelihoods.
    """
    x = np.asarray(values, dtype=float)
    if xmin < 1 or xmin != int(xmin):
        raise ParameterError(f"xmin must be a whole number of at least 1, got {shown(xmin)}")
    if np.any(x != np.floor(x)):
        raise ParameterError("values must be whole numbers: sizes and durations are counts")
    x = np.sort(x[x >= xmin])
    if not x.size:
        return PowerLaw(NAN, NAN, NAN, int(xmin), 0)
    from scipy.optimize import brentq
    from scipy.special import zeta

    mean_log = float(np.log(x).mean())

    def slope(a: float) -> float:
        """Of the likelihood per value, sign turned; it rises with a."""
        h = 1e-5 * (a - 1.0)
        return mean_log + float(np.log(zeta(a + h, xmin) / zeta(a - h, xmin))) / (2.0 * h)

    steepest = 600.0 / np.log(xmin + 1.0)  # beyond, zeta underflows
    if x[-1] == xmin or slope(steepest) <= 0:
        return PowerLaw(float("inf"), NAN, NAN, int(xmin), int(x.size))
    a = float(brentq(slope, 1.0 + 1e-4, steepest, xtol=1e-10))
    h = 1e-3 * (a - 1.0)
    logs = np.log(zeta(np.array([a - h, a, a + h]), xmin))
    curvature = float(logs[0] - 2.0 * logs[1] + logs[2]) / h**2
    seen = np.unique(x)
    model = 1.0 - zeta(a, seen + 1.0) / zeta(a, xmin)
    distance = float(np.abs(np.searchsorted(x, seen, side="right") / x.size - model).max())
    return PowerLaw(a, 1.0 / np.sqrt(x.size * curvature), distance, int(xmin), int(x.size))
