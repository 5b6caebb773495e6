"""Spikes: rates, intervals, irregularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]
NAN = float("nan")


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
    n = counts.shape[0] // ticks
    if n == 0:
        return np.zeros((0, counts.shape[1]))
    sums = counts[: n * ticks].reshape(n, ticks, -1).sum(axis=1)
    return np.asarray(sums * 1e3 / (ticks * tick_spike), dtype=np.float64)


def _intervals(times: ArrayLike, indices: ArrayLike, windows: ArrayLike | None) -> tuple[F8, NDArray[np.int64]]:
    """All intervals (ms) and the cell of each, cell by cell in order of time."""
    t, i = np.asarray(times, dtype=float), np.asarray(indices, dtype=np.int64)
    order = np.lexsort((t, i))
    t, i = t[order], i[order]
    same = i[1:] == i[:-1]
    if windows is not None:
        w = np.asarray(windows, dtype=float).reshape(-1, 2)
        w = w[np.argsort(w[:, 0])]
        # two stretches that touch are one: what counts is whether anything is missing in between
        gap = np.cumsum(np.concatenate([[0], w[1:, 0] > w[:-1, 1] + 1e-9])) if w.shape[0] else np.zeros(0)
        which = np.searchsorted(w[:, 0], t, side="right") - 1
        inside = (which >= 0) & (t <= w[np.maximum(which, 0), 1] + 1e-9) if w.shape[0] else np.zeros(t.size, bool)
        part = np.where(inside, gap[np.maximum(which, 0)] if w.shape[0] else 0, -1)
        same &= inside[1:] & inside[:-1] & (part[1:] == part[:-1])
    return np.diff(t)[same], i[1:][same]


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


def coefficient_of_variation(intervals: ArrayLike) -> float:
    """Standard deviation over mean of interspike intervals (n,): 0 if regular, 1 if Poisson; NaN for fewer than two."""
    x = np.asarray(intervals, dtype=float)
    return float(x.std() / x.mean()) if x.size > 1 and x.mean() > 0 else NAN


def cell_coefficients_of_variation(
    times: ArrayLike, indices: ArrayLike, n_cells: int, windows: ArrayLike | None = None, least: int = 5
) -> F8:
    """Coefficient of variation of the intervals of every cell, (n_cells,); NaN where there are fewer than `least`.

    Unlike the pooled intervals, this does not count differences of rate between cells as irregularity.
    """
    x, i = _intervals(times, indices, windows)
    count = np.bincount(i, minlength=n_cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(i, x, minlength=n_cells) / count
        variance = np.bincount(i, (x - mean[i]) ** 2, minlength=n_cells) / count
        return np.asarray(np.where((count >= least) & (mean > 0), np.sqrt(variance) / mean, np.nan))


def highest_population_rate(times: ArrayLike, n_cells: int, width: float = 100.0) -> float:
    """Highest rate (Hz, averaged over cells) in any stretch of `width` ms: a seizure shows here.

    The stretch slides: it begins at each spike in turn, so no grid of bins can cut a volley in two.
    """
    t = np.sort(np.asarray(times, dtype=float))
    if t.size == 0 or n_cells < 1:
        return 0.0
    held = np.searchsorted(t, t + width, side="left") - np.arange(t.size)
    return float(held.max() * 1e3 / (width * n_cells))


def population_rate(times: ArrayLike, n_cells: int, start: float, stop: float, width: float = 100.0) -> tuple[F8, F8]:
    """Rate (Hz, averaged over cells) in bins of `width` ms between `start` and `stop`: centres (ms) and rates."""
    n = max(int(np.ceil((stop - start) / width - 1e-9)), 1)
    edges = start + width * np.arange(n + 1)
    count = np.histogram(np.asarray(times, dtype=float), edges)[0]
    return 0.5 * (edges[1:] + edges[:-1]), count * 1e3 / (width * max(n_cells, 1))


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
