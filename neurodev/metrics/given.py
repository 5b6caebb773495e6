"""The door of the metrics: indices, identities, flags and numbers are looked at before they are reckoned with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import B1, F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.params import whole, wholes
from neurodev.registry import spoken

T = TypeVar("T")

_ROUNDING = 1e-12  # of the longest age: two ages nearer than this are one


def metric(function: T) -> T:
    """Decorator: whatever a wrong value raises in a metric is an error of ours that names the call."""
    return spoken(function, makes=True)


def floats(values: ArrayLike, where: str, ndim: int | None = None) -> F8:
    """Numbers as float64, NaN among them.

    Raises
    ------
    ParameterError
        If they are none, or not of so many dimensions.
    """
    try:
        a = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan) if np.ma.is_masked(values) else values
        a = np.asarray(a, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be numbers, got {shown(values)}") from None
    if ndim is not None and a.ndim != ndim:
        raise ParameterError(f"{where} must have {ndim} dimension(s), got shape {a.shape}")
    return a


def couples(values: ArrayLike, where: str) -> F8:
    """Numbers (n, 2); an empty list is none of them.  Other shapes with as many numbers are refused.

    Raises
    ------
    ParameterError
        With the shape.
    """
    a = floats(values, where)
    if not a.size:
        return np.zeros((0, 2))
    if a.ndim != 2 or a.shape[1] != 2:
        raise ParameterError(f"{where} must be (n, 2), got shape {a.shape}")
    return a


def flags(values: ArrayLike, where: str) -> Any:
    """Flags (n,): bools, or 0 and 1.

    Raises
    ------
    ParameterError
        For anything else: NaN, fractions, words.
    """
    a = np.asarray(values)
    if a.dtype != bool and a.size and not (a.dtype.kind in "iuf" and np.isin(a, (0, 1)).all()):
        raise ParameterError(f"{where} must be True or False for each, got {shown(values)}")
    return a.astype(bool)


def indices(values: ArrayLike, where: str, n: Any = None) -> I8:
    """Indices (n_entry,) in [0, n), as int64; a mask and fractions are refused.

    Raises
    ------
    ParameterError
        Naming the first that is out of range.
    """
    a: I8 = wholes(values, where)
    if a.ndim != 1:
        raise ParameterError(f"{where} must be a list of indices, got shape {a.shape}")
    most = np.inf if n is None else whole(n, f"number of places of {where}", 0)
    wrong = (a < 0) | (a >= most)
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ParameterError(f"{where} must lie in [0, {most}), got {a[k]} at place {k}")
    return a


def ends(pre: ArrayLike, post: ArrayLike, n_source: Any = None, n_target: Any = None) -> tuple[I8, I8]:
    """Sources and targets of synapses (n_synapse,), in range and of one length."""
    i, j = indices(pre, "pre", n_source), indices(post, "post", n_target)
    if i.shape != j.shape:
        raise ParameterError(f"pre and post must have one entry a synapse each, got {i.size} and {j.size}")
    return i, j


def identities(given: Any, where: str) -> frozenset[Any]:
    """What was there, as a set: of a set, a list, an array or a table's column; order and repetition mean nothing.

    Whole numbers, words, and pairs of them are identities; ``3`` and ``3.0`` are one.

    Raises
    ------
    ParameterError
        For a mask, fractions, NaN or a single value.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, (Iterable, Collection)):
        raise ParameterError(f"{where} must be a list or set of identities, got {shown(given)}")
    if isinstance(given, np.ndarray) or hasattr(given, "to_numpy"):
        a = np.asarray(given)
        if a.ndim > 2:
            raise ParameterError(f"{where} must be a list of identities, got shape {a.shape}")
        if a.dtype.kind in "iufb":
            a = wholes(a, where)
        items = [tuple(row) for row in a.tolist()] if a.ndim == 2 else a.tolist()
    else:
        items = [x.item() if isinstance(x, np.generic) else x for x in given]
    items = [tuple(x) if isinstance(x, list) else x for x in items]
    for x in items:
        if isinstance(x, bool) or (isinstance(x, float) and not x.is_integer()) or x is None:
            cure = ": give np.flatnonzero(mask)" if isinstance(x, bool) else ""
            raise ParameterError(f"{where} must hold identities, whole numbers or words, got {x!r}{cure}")
    try:
        return frozenset(items)
    except TypeError:
        raise ParameterError(f"{where} must hold identities, whole numbers or words, got {shown(given)}") from None


def together(*ages: F8) -> list[F8]:
    """Ages that differ by rounding errors alone, as one: differences of times carry them, and ties would be none."""
    every = np.unique(np.concatenate(ages))
    known = every[np.isfinite(every)]
    if known.size < 2:
        return list(ages)
    begins = np.append(True, np.diff(known) > _ROUNDING * max(abs(known[0]), abs(known[-1])))
    if begins.all():
        return list(ages)
    meant = np.concatenate([known[begins][np.cumsum(begins) - 1], every[known.size :]])
    return [meant[np.searchsorted(every, a)] for a in ages]


def lives(duration: ArrayLike, died: ArrayLike, entry: ArrayLike | None) -> tuple[F8, B1, F8 | None]:
    """Durations, deaths and entries (n,) that go together; ages that differ by rounding errors alone are one."""
    t, d = floats(duration, "duration"), flags(died, "died")
    if t.shape != d.shape or t.ndim != 1:
        raise ParameterError(f"duration and died must be (n,) alike, got shapes {t.shape} and {d.shape}")
    if np.isnan(t).any():
        raise ParameterError("duration holds NaN: give the censored their age at the end of the observation")
    if np.any(t < 0):
        raise ParameterError(f"duration must be ages, not negative, got {t.min()}")
    if entry is None:
        return together(t)[0], d, None
    e = floats(entry, "entry")
    if e.shape != t.shape:
        raise ParameterError(f"entry must have shape {t.shape} as duration, got {e.shape}")
    wrong = ~((e >= 0) & (e <= t))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ParameterError(f"entry must lie between 0 and the end of the life, got {e[k]} for {t[k]} at place {k}")
    t, e = together(t, e)
    return t, d, e
