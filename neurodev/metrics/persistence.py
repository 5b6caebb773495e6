"""What stays: connections from age to age, and places that are filled again by others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics.given import flags, floats, metric
from neurodev.metrics.sizes import correlation
from neurodev.params import number


@outlined
class Persistence(NamedTuple):
    """What two sessions have in common, (n_session, n_session) each; rows are the earlier in `kept`."""

    number: I8  #: there in each, among those that both looked at (diagonal: in the session itself)
    both: I8  #: there in both
    jaccard: F8  #: in both over in either; NaN where neither has any
    kept: F8  #: of those of the row's session, the share that is there in the column's
    correlation: F8  #: of the sizes of those in both; NaN for fewer than three


@metric
def persistence(present: ArrayLike, size: ArrayLike | None = None, looked: ArrayLike | None = None) -> Persistence:
    """What every two sessions (or ages) have in common.

    Parameters
    ----------
    present : (n, n_session) bool array_like
        Whether each (spine, connection) was there in each session.
    size : (n, n_session) array_like, optional
        Sizes, weights or their logarithms; NaN where there is none.
    looked : (n, n_session) bool array_like, optional
        What one of two sessions did not look at is left out of their comparison.

    Returns
    -------
    Persistence

    Examples
    --------
    >>> found = persistence([[True, True], [True, False], [True, True], [False, True]])
    >>> found.kept.tolist(), found.jaccard[0, 1]
    ([[1.0, 0.6666666666666666], [0.6666666666666666, 1.0]], np.float64(0.5))
    """
    here = flags(present, "present")
    if here.ndim != 2:
        raise ParameterError(f"present must be (n, n_session), got shape {here.shape}")
    look = np.ones(here.shape, bool) if looked is None else flags(looked, "looked")
    x = None if size is None else floats(size, "size", 2)
    for name, a in (("looked", look), ("size", x)):
        if a is not None and a.shape != here.shape:
            raise ParameterError(f"{name} must have shape {here.shape} as present, got {a.shape}")
    p = (here & look).astype(np.float64)
    v = look.astype(np.float64)
    before = p.T @ v
    both = p.T @ p
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.where(before > 0, both / before, np.nan)
        either = before + before.T - both
        jaccard = np.where(either > 0, both / either, np.nan)
    m = here.shape[1]
    r = np.full((m, m), np.nan)
    if x is not None:
        x = np.where(p > 0, x, np.nan)
        for i in range(m):
            for j in range(i, m):
                r[i, j] = r[j, i] = correlation(x[:, i], x[:, j])
    return Persistence(before.astype(np.int64), both.astype(np.int64), jaccard, kept, r)


@metric
def positions(group: ArrayLike, place: ArrayLike, born: ArrayLike, died: ArrayLike, reach: float) -> I8:
    """The position that each occupied: who comes where another has gone takes its position over.

    Imaging that follows positions sees one long life where two of different identity followed each other.

    Parameters
    ----------
    group : (n,) array_like
        The dendrite (or branch) of each: whole numbers or words.
    place : (n,) or (n, n_axis) array_like, um
        Where on it, or in space; who has no place (NaN) has a position of its own.
    born, died : (n,) array_like
        Times; NaN of `born`: from the start, NaN of `died`: it lives on.
    reach : float, um
        How far apart two may be to be held for one.

    Returns
    -------
    (n,) ndarray of int
        Positions, numbered in the order in which they were first filled.  Each newcomer takes the nearest free
        position within reach of its last occupant.

    Examples
    --------
    >>> positions([1, 1, 1], [5.0, 5.4, 5.2], [np.nan, 4.0, 9.0], [3.0, np.nan, np.nan], reach=0.5).tolist()
    [0, 0, 1]
    """
    x = floats(place, "place")
    x = x[:, None] if x.ndim == 1 else x
    b, d = floats(born, "born", 1), floats(died, "died", 1)
    far = number(reach, "reach", "um", low=0.0)
    names, where = np.unique(np.asarray(group), return_inverse=True)
    if x.ndim != 2 or not len(x) == b.size == d.size == where.size:
        raise ParameterError(
            f"group, place, born and died must have a row each, got {where.size}, {len(x)}, {b.size} and {d.size}"
        )
    b, d = np.where(np.isnan(b), -np.inf, b), np.where(np.isnan(d), np.inf, d)
    out = np.full(b.size, -1)
    last: list[list[int]] = [[] for _ in names]  # of each group, the last occupants of its positions
    for i in np.lexsort((np.arange(b.size), b)).tolist():
        mine = last[where[i]]
        rows = np.array(mine, dtype=np.int64)
        gap = np.sqrt(((x[rows] - x[i]) ** 2).sum(axis=1))
        free = np.flatnonzero((d[rows] <= b[i]) & (gap <= far))
        if free.size:
            k = int(free[np.argmin(gap[free])])
            out[i], mine[k] = out[mine[k]], i
        else:
            out[i] = out.max() + 1
            mine.append(i)
    return out
