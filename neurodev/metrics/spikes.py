"""Spikes: rates, intervals, irregularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]


def rates_by_window(counts: NDArray[np.integer], tick_spike: float, ticks: int) -> F8:
    """Mean rate (Hz) of every cell in windows of `ticks` ticks; counts (n_tick, n), result (n_window, n)."""
    n = counts.shape[0] // ticks
    if n == 0:
        return np.zeros((0, counts.shape[1]))
    sums = counts[: n * ticks].reshape(n, ticks, -1).sum(axis=1)
    return np.asarray(sums * 1e3 / (ticks * tick_spike), dtype=np.float64)


def interspike_intervals(times: ArrayLike, indices: ArrayLike) -> F8:
    """All intervals of all cells, ms."""
    t, i = np.asarray(times, dtype=float), np.asarray(indices)
    order = np.lexsort((t, i))
    t, i = t[order], i[order]
    same = i[1:] == i[:-1]
    return np.diff(t)[same]


def coefficient_of_variation(intervals: ArrayLike) -> float:
    """Standard deviation over mean of interspike intervals."""
    x = np.asarray(intervals, dtype=float)
    return float(x.std() / x.mean()) if x.size > 1 else float("nan")


def highest_population_rate(times: ArrayLike, n_cells: int, width: float = 100.0) -> float:
    """Highest rate (Hz, averaged over cells) in windows of `width` ms: a seizure shows here."""
    t = np.asarray(times, dtype=float)
    if t.size == 0:
        return 0.0
    bins = np.bincount(((t - t.min()) / width).astype(np.int64))
    return float(bins.max() * 1e3 / (width * n_cells))
