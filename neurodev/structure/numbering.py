"""Who hands out uids, and uids that are not kept: those of a table follow each other by lane, source and target.

The order does not ask into how many parts the rows are divided: nothing that is told of a synapse depends on it.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I4, I8, U8
from neurodev.structure.store import Rows


class Numbering:
    """The uids of a table without gaps, whose rows lie in their order; the targets of a row ascend.

    Parameters
    ----------
    first : int
        The lowest uid.
    rows : Rows
        Of every part one after the other.
    parts : int
    """

    def __init__(self, first: int, rows: Rows, parts: int) -> None:
        self.first, self.parts = first, parts
        self.n = int(rows.length.sum(dtype=np.int64))
        if parts == 1:
            return  # the uid of a slot is its place behind the first
        # a row of the description lies in as many pieces as there are parts
        self._order: I8 = np.arange(rows.length.size).reshape(parts, -1).T.reshape(-1)
        length = rows.length[self._order].astype(np.int64)
        self._before: I8 = np.cumsum(length) - length
        self._start: I8 = rows.start
        self._shift: I8 = np.empty_like(self._before)
        self._shift[self._order] = self._before
        self._shift -= rows.start

    def of(self, slots: I8) -> U8:
        """The uids of slots, (n,)."""
        place = np.asarray(slots, dtype=np.int64)
        if self.parts > 1:
            place = place + self._shift[np.searchsorted(self._start, place, side="right") - 1]
        return np.uint64(self.first) + place.astype(np.uint64)

    def all(self, length: I4) -> U8:
        """The uids of all slots, in their order; `length` (n_row,) of the rows."""
        place = np.arange(self.n)
        if self.parts > 1:
            place += np.repeat(self._shift, length)
        return np.uint64(self.first) + place.astype(np.uint64)

    def find(self, uids: U8) -> I8:
        """The slots of uids, (n,); -1 of those that are none of these."""
        place = uids - np.uint64(self.first)  # of smaller ones beyond all
        here = place < np.uint64(self.n)
        out = np.full(uids.size, -1, dtype=np.int64)
        out[here] = place[here]
        if self.parts > 1:
            piece = self._order[np.searchsorted(self._before, out[here], side="right") - 1]
            out[here] -= self._shift[piece]
        return out

    @property
    def nbytes(self) -> int:
        """Memory, bytes."""
        return 0 if self.parts == 1 else self._order.nbytes + self._before.nbytes + self._shift.nbytes


class UidSource:
    """Hands out identities; one for all tables of a run, never the same twice."""

    def __init__(self, first: int = 1) -> None:
        self.next = first

    def take(self, n: int) -> int:
        """Reserve `n` consecutive uids; returns the first."""
        first = self.next
        self.next += n
        return first
