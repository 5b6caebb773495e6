"""Scores, selectors and actuators: who is to die and who to be born, as pure functions over columns, and their plans.

A *score* ranks synapses (or pairs, or units), a *selector* picks by rank, an *actuator* (`deaths`, `births`) writes the
plan.  Nothing here knows a driver: the arrays may come from a developing sheet or from a training step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.errors import ParameterError
from neurodev.structure.cause import Cause
from neurodev.structure.plan import births as births
from neurodev.structure.plan import deaths as deaths
from neurodev.structure.table import Table

Array = NDArray[np.generic]
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]


def _number(name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 0:
        raise ParameterError(f"{name} must be a whole number of at least 0, got {given!r}")
    return int(given)


# ---------------------------------------------------------------- selectors


def smallest(score: ArrayLike, n: int, tie: ArrayLike | None = None) -> I8:
    """Indices of the `n` smallest scores, ascending; equal scores are taken in the order of `tie` (or of place).

    Raises
    ------
    ParameterError
        If there are fewer than `n` scores, or a score is NaN.
    """
    s, n = np.asarray(score), _number("n", n)
    if n > s.size:
        raise ParameterError(f"n must lie in [0, {s.size}], the number of scores, got {n}")
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    if np.isnan(s).any():
        raise ParameterError("a score is NaN: nothing can be ranked")
    edge = np.partition(s, n - 1)[n - 1]
    chosen = s < edge
    even = np.flatnonzero(s == edge)
    if tie is not None:
        even = even[np.argsort(np.asarray(tie)[even], kind="stable")]
    chosen[even[: n - int(np.count_nonzero(chosen))]] = True  # flags come out in order: nothing is sorted
    return np.flatnonzero(chosen)


def largest(score: ArrayLike, n: int, tie: ArrayLike | None = None) -> I8:
    """Indices of the `n` largest scores, ascending; ties as in `smallest`."""
    s = np.asarray(score)
    return smallest(-(s if s.dtype.kind == "f" else s.astype(np.float64)), n, tie)


def some(n_candidate: int, n: int, generator: np.random.Generator) -> I8:
    """`n` of `n_candidate` indices at random, ascending."""
    if _number("n", n) > n_candidate:
        raise ParameterError(f"n must be at most the number of candidates, {n_candidate}, got {n}")
    return np.sort(generator.choice(n_candidate, n, replace=False)).astype(np.int64)


def persistent(counter: NDArray[np.int64], now: NDArray[np.bool_]) -> None:
    """Count consecutive rounds in which `now` held, after the first: -1 when the run is broken; in place."""
    counter[~now] = -1
    counter[now] += 1


def lowest_units(density: ArrayLike, percent: float, ever: NDArray[np.bool_]) -> I8:
    """Units among the lowest `percent` of all by density that were never pruned before (SD-SNN M2).

    Units pruned before have density 0 and so hold the bottom places: the percentage is cumulative.
    """
    d = np.asarray(density, dtype=np.float64)
    n = min(int(np.floor(d.size * percent / 100.0 + 1e-9)), d.size)
    low = smallest(d, n)
    return low[~ever[low]]


# ---------------------------------------------------------------- scores


def grow_scores(gradient: NDArray[Any], occupied: NDArray[np.bool_]) -> NDArray[Any]:
    """|gradient| of free pairs, -1 of occupied ones; of one shape."""
    out: NDArray[Any] = np.abs(gradient)
    out[occupied] = -1
    return out


def per_target(table: Table, slots: I8, value: ArrayLike) -> F8:
    """Sum of a value of synapses over those of each target."""
    total = np.bincount(table.post[slots], np.asarray(value, dtype=np.float64), minlength=table.n_target)
    return total.astype(np.float64)


def occupancy(table: Table) -> NDArray[np.bool_]:
    """(n_source, n_target): where a living synapse is."""
    out = np.zeros((table.n_source, table.n_target), dtype=bool)
    slots = table.slots()
    out[table.pre(slots), table.post[slots]] = True
    return out


# ---------------------------------------------------------------- causes

RANDOM = Cause("it was grown at random", colour="#9CC3E0")
MAGNITUDE = Cause(
    "its weight was among the smallest when synapses were dropped", decided="its |weight| was", colour="#D55E00"
)
