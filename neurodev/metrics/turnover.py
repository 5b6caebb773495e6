"""Births, deaths and survival, from plain arrays: a run, an imaging table or a connectome are all the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]


def turnover_ratio(before: ArrayLike, after: ArrayLike) -> float:
    """(gained + lost) / (N before + N after), from two lists of identities."""
    a, b = np.unique(np.asarray(before)), np.unique(np.asarray(after))
    if a.size + b.size == 0:
        return float("nan")
    both = np.intersect1d(a, b, assume_unique=True).size
    return (a.size + b.size - 2 * both) / (a.size + b.size)


def survival_fraction(before: ArrayLike, after: ArrayLike) -> float:
    """Share of the earlier identities that still live."""
    a = np.unique(np.asarray(before))
    return float(np.isin(a, np.asarray(after)).mean()) if a.size else float("nan")


class Survival(NamedTuple):
    """A Kaplan-Meier curve: steps at `time`, `value` after each, Greenwood's `error`, number `at_risk` before."""

    time: F8
    value: F8
    error: F8
    at_risk: F8


def kaplan_meier(duration: ArrayLike, died: ArrayLike, entry: ArrayLike | None = None) -> Survival:
    """Survival with censoring (Kaplan & Meier 1958) and, optionally, delayed entry.

    Parameters
    ----------
    duration : (n,) array_like
        Age at death or at censoring.
    died : (n,) bool
        False where the life was still going on.
    entry : (n,) array_like, optional
        Age at which each came under observation.
    """
    t, d = np.asarray(duration, dtype=float), np.asarray(died, dtype=bool)
    e = np.zeros_like(t) if entry is None else np.asarray(entry, dtype=float)
    times = np.unique(t[d])
    if times.size == 0:
        return Survival(*(np.zeros(0) for _ in range(4)))
    deaths = np.bincount(np.searchsorted(times, t[d]), minlength=times.size).astype(float)
    left_before = np.searchsorted(np.sort(t), times, side="left")
    entered = np.searchsorted(np.sort(e), times, side="left")
    at_risk = (entered - left_before).astype(float)
    at_risk = np.maximum(at_risk, deaths)
    value = np.cumprod(1.0 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = deaths / (at_risk * (at_risk - deaths))
        error = value * np.sqrt(np.cumsum(np.where(np.isfinite(terms), terms, 0.0)))
    return Survival(times, value, error, at_risk)


def death_rates(day: ArrayLike, deaths: ArrayLike, number: ArrayLike, width: float) -> tuple[F8, F8, F8]:
    """Deaths per synapse and day in windows of `width` days, from one row per tick.

    Returns
    -------
    left, rate, error : arrays
        Left edges of the windows, rates, and their Poisson standard errors.
    """
    t, d, n = (np.asarray(a, dtype=float) for a in (day, deaths, number))
    step = np.diff(t, prepend=0.0)
    left, rate, error = [], [], []
    edge = 0.0
    while edge < t[-1] - 1e-9:
        here = (t > edge + 1e-9) & (t <= edge + width + 1e-9)
        exposure = float((n[here] * step[here]).sum())
        total = float(d[here].sum())
        left.append(edge)
        rate.append(total / exposure if exposure else np.nan)
        error.append(np.sqrt(total) / exposure if exposure else np.nan)
        edge += width
    return np.array(left), np.array(rate), np.array(error)
