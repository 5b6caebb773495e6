"""Pictures of all synapses: when they are taken, and under which names a run file has them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, shown
from neurodev.params import number
from neurodev.record.runfile import RunFile

When = float | tuple[float, ...]
_HAIR = 1e-6  # ms by which a tick may come too early
_LEAST = 1e-3  # ms; no tick is as short


def check_snapshots(given: Any) -> When:
    """When pictures are taken: every so many ms of life, or at these times, in order.

    Raises
    ------
    ParameterError
        For anything else.

    Examples
    --------
    >>> check_snapshots([3.0, 1.0, 3.0])
    (1.0, 3.0)
    """
    unit = "ms of life"
    if np.ma.isMaskedArray(given):
        raise ParameterError(f"snapshots must not be masked: give the times that count, got {shown(given)}")
    if isinstance(given, (list, tuple)) or (isinstance(given, np.ndarray) and given.ndim):
        return tuple(sorted({number(t, "snapshots", unit, low=0.0) for t in given}))
    return number(given, "snapshots", unit, low=_LEAST, cure="a list of times takes pictures at these")


def plain(when: When) -> float | list[float]:
    """The same as numbers and lists."""
    return when if isinstance(when, float) else list(when)


def due(when: When, taken: int, life: float) -> int | None:
    """How many pictures are behind at `life` (ms), if one is due that is not among the `taken`; else None.

    Counted, not summed: no drift over a long life.
    """
    if isinstance(when, float):
        return None if life < taken * when - _HAIR else int((life + _HAIR) // when) + 1
    behind = bisect_right(when, life + _HAIR)
    return behind if behind > taken else None


def label_of(days: float) -> str:
    """The name of the picture of a day: no two ticks have the same.

    Examples
    --------
    >>> label_of(2.0), label_of(1 / 12)
    ('snapshot/2', 'snapshot/0.0833333333333333')
    """
    return f"snapshot/{days:.15g}"


def labels_in(file: RunFile, days: Sequence[float]) -> dict[float, str]:
    """The names that the pictures of some days have in a file; in older ones they have six digits."""
    there = {"/".join(name.split("/")[:2]) for name in file.names("snapshot/")}
    known = lambda d: next((x for x in (label_of(d), f"snapshot/{d:g}") if x in there), label_of(d))
    return {d: known(d) for d in days}


def first_of_days(seen: Sequence[float]) -> list[float]:
    """Of the days of pictures the first at or after each whole day.

    Examples
    --------
    >>> first_of_days([0.0, 0.5, 1.0, 1.5, 3.25, 3.5])
    [0.0, 1.0, 3.25]
    """
    out, last = [], -1
    for days in seen:
        whole = int(days + 1e-9)
        if whole > last:
            out.append(days)
            last = whole
    return out


def nearest(seen: Sequence[float], days: float) -> float:
    """Of the days of pictures that which is nearest to a time."""
    return min(seen, key=lambda d: abs(d - days))
