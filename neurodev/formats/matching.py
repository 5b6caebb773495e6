"""Who is who in pictures of several sessions, by position alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.params import check_memory, number

NEW = 0.5
"""Share of a new sighting in where one is looked for next: it may drift, and measured places scatter."""
UNSURE = 2.0
"""A match is ambiguous if another was within reach and less than so many times as far."""


class Matched(NamedTuple):
    """Lives that were put together of sightings."""

    life: list[I8]
    """Of each session, the number of the life that each sighting is one of, (n_seen,)."""
    n: int
    """Lives."""
    ambiguous: list[tuple[int, int, int]]
    """Session, sighting and life of each match for which another was nearly as near."""


def match(places: Sequence[F8], within: float, groups: Sequence[NDArray[np.str_]] | None = None) -> Matched:
    """Put sightings of several sessions together by position.

    In each session, sightings go to the lives known so far so that the squares of the distances sum to the least; a
    life that finds none, and a sighting without a life, cost the square of `within` together.  Who is not seen in a
    session can be found again in the next.

    Parameters
    ----------
    places : sequence of (n_seen, n_dimension) arrays
        Of each session, in um (or any other unit), aligned to each other.
    within : float
        How far one may be from where it was, in the same unit.  Above half the distance of neighbours it can be taken
        for another.
    groups : sequence of (n_seen,) arrays, optional
        Of each session, what each is on: a match is on one dendrite.

    Returns
    -------
    Matched

    Raises
    ------
    ParameterError
        If places are not finite.

    Notes
    -----
    Source: the assignment problem, solved by `scipy.optimize.linear_sum_assignment` (Crouse 2016, doi
    10.1109/TAES.2016.140952), for each group of sightings and lives within reach of each other.

    Examples
    --------
    >>> match([np.array([[0.0, 0.0], [5.0, 0.0]]), np.array([[5.2, 0.1], [9.0, 0.0]])], within=1.0).life
    [array([0, 1]), array([1, 2])]
    """
    reach = number(within, "within", "um", above=0.0)
    where: F8 = np.zeros((0, places[0].shape[1] if places else 2))
    group: NDArray[np.str_] = np.zeros(0, dtype="U1")
    out: list[I8] = []
    unsure: list[tuple[int, int, int]] = []
    for k, seen in enumerate(places):
        if seen.ndim != 2 or not np.isfinite(seen).all():
            raise ParameterError(f"position: places of session {k} must be finite, (n, 2) or (n, 3), got {shown(seen)}")
        on = groups[k] if groups is not None else np.zeros(len(seen), dtype="U1")
        life, doubtful = _one_session(where, group, seen, on, reach)
        unsure += [(k, int(i), int(life[i])) for i in doubtful]
        old = np.flatnonzero(life >= 0)
        where[life[old]] += NEW * (seen[old] - where[life[old]])
        new = np.flatnonzero(life < 0)
        life[new] = len(where) + np.arange(new.size)
        where, group = np.concatenate([where, seen[new]]), np.concatenate([group, on[new]])
        out.append(life)
    return Matched(out, len(where), unsure)


def _one_session(
    where: F8, group: NDArray[np.str_], seen: F8, on: NDArray[np.str_], reach: float
) -> tuple[I8, list[int]]:
    """The life of each sighting, -1 if it is a new one, and the sightings for which another was nearly as near."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    life = np.full(len(seen), -1, dtype=np.int64)
    if not len(where) or not len(seen):
        return life, []
    known, found = cKDTree(where), cKDTree(seen)
    pairs = float(known.count_neighbors(found, reach))
    check_memory(64.0 * pairs, f"within={reach:g}: all that are so near to each other", "lower it")
    near = known.sparse_distance_matrix(found, reach, output_type="coo_matrix")
    same = group[near.row] == on[near.col]
    row, column, far = near.row[same], near.col[same], near.data[same]
    n = len(where)
    links = coo_array((np.ones(row.size), (row, n + column)), shape=(n + len(seen), n + len(seen)))
    part = connected_components(links, directed=False)[1][row]
    order = np.argsort(part, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(part[order])) + 1) if row.size else []:
        rows, r = np.unique(row[mine], return_inverse=True)
        columns, c = np.unique(column[mine], return_inverse=True)
        check_memory(24.0 * rows.size * columns.size, f"within={reach:g}: a chain of neighbours", "lower it")
        cost = np.full((rows.size, columns.size), reach * reach)
        cost[r, c] = far[mine] ** 2
        linked = np.zeros(cost.shape, dtype=bool)
        linked[r, c] = True
        chosen = linear_sum_assignment(cost)
        for i, j in zip(*chosen, strict=True):
            if linked[i, j]:
                life[columns[j]] = rows[i]
    return life, _doubtful(life, row, column, far)


def _doubtful(life: I8, row: I8, column: I8, far: F8) -> list[int]:
    """Matched sightings for which another life, or for whose life another sighting, was nearly as near."""
    taken = life[column] == row
    mine: dict[int, float] = dict(zip(column[taken].tolist(), far[taken].tolist(), strict=True))
    of_life = {int(life[c]): c for c in mine}
    found = set()
    for r, c, d in zip(row[~taken].tolist(), column[~taken].tolist(), far[~taken].tolist(), strict=True):
        for sighting in (c, of_life.get(r)):
            if sighting is not None and sighting in mine and d < UNSURE * mine[sighting]:
                found.add(sighting)
    return sorted(found)
