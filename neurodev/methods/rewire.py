"""Scores, selectors and actuators: who is to die and who to be born, as pure functions over columns, and their plans.

A *score* ranks synapses (or pairs, or units), a *selector* picks by rank, an *actuator* writes the plan.  Nothing here
knows a driver: the arrays may come from a developing sheet or from a training step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.errors import ParameterError
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.plan import Plan
from neurodev.structure.table import Table

Array = NDArray[np.generic]
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]


def _places(name: str, given: ArrayLike) -> I8:
    """Slots or indices, (n,); masks and fractions are none."""
    a = np.asarray(given)
    if a.size == 0 and a.ndim == 1:
        return a.astype(np.int64)
    if a.ndim != 1 or a.dtype.kind not in "iu":
        cure = ": np.flatnonzero(mask) gives the places of a mask" if a.dtype.kind == "b" else ""
        raise ParameterError(f"{name} must be whole numbers, (n,), got {a.dtype} of shape {a.shape}{cure}")
    return a.astype(np.int64)


def _each(name: str, given: ArrayLike | None, n: int) -> NDArray[np.float32]:
    """One number for each of n, or one for all."""
    if given is None:
        return np.full(n, np.nan, dtype=np.float32)
    a = np.asarray(given)
    if a.dtype.kind not in "iufb" or a.shape not in ((), (n,)):
        raise ParameterError(f"{name} must be a number, or one for each of {n}, got {a.dtype} of shape {a.shape}")
    return np.broadcast_to(a.astype(np.float32), (n,)).copy()


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
    sure = np.flatnonzero(s < edge)
    even = np.flatnonzero(s == edge)
    if tie is not None:
        even = even[np.argsort(np.asarray(tie)[even], kind="stable")]
    return np.sort(np.concatenate([sure, even[: n - sure.size]]))


def largest(score: ArrayLike, n: int, tie: ArrayLike | None = None) -> I8:
    """Indices of the `n` largest scores, ascending; ties as in `smallest`."""
    return smallest(-np.asarray(score, dtype=np.float64), n, tie)


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


def grow_scores(gradient: NDArray[np.generic], occupied: NDArray[np.bool_]) -> F8:
    """|gradient| of free pairs, -1 of occupied ones; both (n_source, n_target)."""
    return np.asarray(np.where(occupied, -1.0, np.abs(gradient)), dtype=np.float64)


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


# ---------------------------------------------------------------- actuators

RANDOM = Cause("it was grown at random", colour="#9CC3E0")
MAGNITUDE = Cause(
    "its weight was among the smallest when synapses were dropped", decided="its |weight| was", colour="#D55E00"
)


def deaths(mechanism: str, slots: I8, cause: str, value: ArrayLike | None = None) -> Plan:
    """The plan of some deaths; `value` is the number that decided each."""
    slots = _places("slots", slots)
    code = np.full(slots.size, cause_code(cause), dtype=np.uint8)
    return Plan(mechanism, slots, code, _each("value", value, slots.size))


def births(
    mechanism: str, source: I8, target: I8, cause: str, weight: ArrayLike = 0.0, value: ArrayLike | None = None
) -> Plan:
    """The plan of some births."""
    source, target = _places("source", source), _places("target", target)
    n = source.size
    if target.size != n:
        raise ParameterError(f"target must name one unit for each of {n} sources, got {target.size}")
    strength = _each("weight", weight, n)
    if not np.isfinite(strength).all():
        raise ParameterError("weight must be finite: it holds NaN or infinity")
    return Plan(
        mechanism, source=source, target=target, lane=np.zeros(n, dtype=np.int64),
        birth_cause=np.full(n, cause_code(cause), dtype=np.uint8), birth_value=_each("value", value, n),
        birth_weight=strength,
    )  # fmt: skip
