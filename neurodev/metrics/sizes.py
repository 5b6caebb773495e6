"""Sizes: how they are distributed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def log_moments(log_size: ArrayLike) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness of ln V."""
    x = np.asarray(log_size, dtype=float)
    if x.size < 2:
        return float("nan"), float("nan"), float("nan")
    sd = float(x.std())
    skew = float((((x - x.mean()) / sd) ** 3).mean()) if sd > 0 else float("nan")
    return float(x.mean()), sd, skew


def central_decade(log_size: ArrayLike) -> float:
    """Share of the sizes within half a decade of the median (BIO-1: .75)."""
    x = np.asarray(log_size, dtype=float)
    if x.size == 0:
        return float("nan")
    return float((np.abs(x - np.median(x)) <= 0.5 * np.log(10.0)).mean())


def evidence_gap(alive: ArrayLike, alive_target: ArrayLike, dead: ArrayLike, dead_target: ArrayLike) -> float:
    """Mean of h - hbar of the living minus that of the dead, in standard deviations within neurons.

    Parameters
    ----------
    alive, dead : (n,), (m,) evidence (or its drive, which is proportional)
    alive_target, dead_target : target neuron of each
    """
    a, j = np.asarray(alive, dtype=float), np.asarray(alive_target, dtype=np.int64)
    d, k = np.asarray(dead, dtype=float), np.asarray(dead_target, dtype=np.int64)
    if a.size < 2 or d.size < 1:
        return float("nan")
    n = int(max(j.max(), k.max())) + 1
    count = np.bincount(j, minlength=n)
    mean = np.bincount(j, a, minlength=n) / np.maximum(count, 1)
    within = a - mean[j]
    known = count[k] > 0
    return float((within.mean() - (d - mean[k])[known].mean()) / within.std())
