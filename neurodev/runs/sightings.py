"""What was seen of lives, and when: the small things behind `history.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import floats


@outlined
class Seen(NamedTuple):
    """What was seen: an entry for each row and session in which it was there, (n_seen,) each, session by session."""

    session: I8
    row: I8
    size: F8
    """NaN where it was not measured."""


def nothing_seen() -> Seen:
    """No entry."""
    return Seen(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def rising(times: ArrayLike, where: str) -> F8:
    """Times (n,), each later than the one before.

    Raises
    ------
    ParameterError
        Otherwise.
    """
    try:
        at = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be numbers, got {shown(times)}") from None
    if at.ndim != 1 or not np.isfinite(at).all() or np.any(np.diff(at) <= 0):
        raise ParameterError(f"{where} must be rising times, each once, got {shown(times)}")
    return at


def array_of(given: Any, where: str) -> NDArray[Any]:
    """An array of whatever it is, if it has a shape."""
    try:
        return np.asarray(given)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{where} must be a table of one shape, got {shown(given)}") from None


def intervals(given: ArrayLike, where: str) -> F8:
    """Times (n, 2) between which something happened, the first not after the second."""
    a = floats(given, where)
    if a.size == 0:
        return np.zeros((0, 2))
    if a.ndim != 2 or a.shape[1] != 2 or np.isnan(a).any():
        raise ParameterError(f"{where} must be (n, 2), after and by, without NaN, got shape {a.shape}")
    if (a[:, 0] > a[:, 1]).any():
        k = int(np.argmax(a[:, 0] > a[:, 1]))
        raise ParameterError(f"{where}: row {k} is after {a[k, 0]:g} and by {a[k, 1]:g}")
    return a


def each_once(values: NDArray[Any]) -> bool:
    """Whether no value is there twice, (n,); numbers that rise, as identities mostly do, need no sorting."""
    rises = values.dtype.kind in "iuf" and bool(np.all(values[1:] > values[:-1]))
    return rises or np.unique(values).size == values.size


def identities(given: Any, n: int) -> NDArray[Any]:
    """Names (n,), each once."""
    a = array_of(given, "ident")
    if a.shape != (n,):
        raise ParameterError(f"ident must name each of {n} rows, got shape {a.shape}")
    if not each_once(a):
        names, count = np.unique(a, return_counts=True)
        raise ParameterError(
            f"ident must name each once, got {names.tolist()[int(np.argmax(count))]!r} {count.max()} times"
        )
    return a


def checked(seen: Seen, n: int, n_session: int) -> Seen:
    """What was seen, of rows and sessions that there are."""
    if not isinstance(seen, Seen):
        raise ParameterError(f"seen must be a Seen(session, row, size) of arrays, got {shown(seen)}")
    session, row = (np.asarray(x, dtype=np.int64) for x in seen[:2])
    size = np.asarray(seen.size, dtype=np.float64)
    if not session.shape == row.shape == size.shape:
        raise ParameterError(f"seen must have arrays of one length, got {session.shape}, {row.shape}, {size.shape}")
    if session.size and not (0 <= session.min() and session.max() < n_session and 0 <= row.min() and row.max() < n):
        raise ParameterError(f"seen names sessions beyond the {n_session}, or rows beyond the {n}")
    return Seen(session, row, size)


def as_looked(given: ArrayLike, n: int, n_session: int, where: str = "looked") -> B1:
    """Whether each place was looked at in each session, (n, n_session)."""
    a = array_of(given, "looked")
    if a.dtype != bool or a.shape not in ((n_session,), (n, n_session)):
        raise ParameterError(
            f"{where} must hold True or False, ({n_session},) or ({n}, {n_session}), got {shown(given)}"
        )
    return np.broadcast_to(a, (n, n_session)).copy()


def between(here: B1, looked: B1, at: F8) -> tuple[F8, F8]:
    """Births and deaths lie between the first and last sighting and the nearest session that looked and saw nothing."""
    m = here.shape[1]
    if not here.size:  # nobody was ever seen
        return np.zeros((0, 2)), np.zeros((0, 2))
    first = here.argmax(axis=1)
    last = m - 1 - here[:, ::-1].argmax(axis=1)
    k = np.arange(m)
    before = np.where(looked & (k < first[:, None]), k, -1).max(axis=1, initial=-1)
    after = np.where(looked & (k > last[:, None]), k, m).min(axis=1, initial=m)
    times = np.concatenate([at, [np.inf, -np.inf]])  # m: never; -1: always
    return np.column_stack([times[before], times[first]]), np.column_stack([times[last], times[after]])


def apart(
    here: B1, size: F8, looked: B1, names: NDArray[Any], columns: dict[str, NDArray[Any]]
) -> tuple[B1, F8, B1, NDArray[Any], dict[str, NDArray[Any]]]:
    """A row for each stretch of presence; sessions that did not look do not end one."""
    found: list[tuple[int, B1, int]] = []
    for i in range(len(here)):
        stretch, count, gone = np.zeros(here.shape[1], dtype=bool), 0, False
        for k in range(here.shape[1]):
            if here[i, k]:
                if gone and stretch.any():
                    found.append((i, stretch, count))
                    stretch, count = np.zeros(here.shape[1], dtype=bool), count + 1
                stretch[k], gone = True, False
            elif looked[i, k]:
                gone = True
        found.append((i, stretch, count))
    r: I8 = np.array([i for i, _, _ in found], dtype=np.int64)
    stretches: B1 = np.array([s for _, s, _ in found], dtype=np.bool_).reshape(r.size, here.shape[1])
    names = np.array([f"{names[i]}" + "'" * m for i, _, m in found]) if any(m for _, _, m in found) else names[r]
    return stretches, np.where(stretches, size[r], np.nan), looked[r], names, {k: v[r] for k, v in columns.items()}


def middle(limits: F8) -> F8:
    """The middle of intervals (n, 2); NaN where one side is open."""
    closed = np.isfinite(limits[:, :1]) & np.isfinite(limits[:, 1:])
    return at_place(np.where(closed, limits, np.nan), 0.5)


def at_place(limits: F8, place: float) -> F8:
    """A place within intervals (n, 2): 0 their beginning, 1 their end."""
    with np.errstate(invalid="ignore"):
        return np.asarray(limits[:, 0] + place * (limits[:, 1] - limits[:, 0]))
