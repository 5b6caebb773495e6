"""Where the synapses of a table are found by identity.

A synapse moves from slot to slot, but its row and its target are its own for life, and uids only grow: newborns are
appended, and the list stays sorted without being sorted again.  The dead stay in it until they are most of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import I8, U4, U8
from neurodev.errors import ParameterError, shown

SPARE = 1024  # entries of the dead that are kept in any case


def as_uids(uids: ArrayLike) -> U8:
    """Identities as an array, (n,).

    Raises
    ------
    ParameterError
        For anything but whole numbers.
    """
    given = np.atleast_1d(np.asarray(uids))
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ParameterError(f"uids must be whole numbers, got {shown(uids, 60)}; a table has them as uid[slots]")
    return np.where(given < 0, 0, given).astype(np.uint64)  # nobody is called 0


class UidIndex:
    """Row and target of each synapse of a table, by ascending uid; 16 bytes a synapse.

    Parameters
    ----------
    uid, row, target : (n,) array
        Of the living, in any order.
    """

    def __init__(self, uid: U8, row: U4, target: U4) -> None:
        order = np.argsort(uid)
        self.n = int(uid.size)
        self.uid: U8 = uid[order]
        self.row: U4 = row[order]
        self.target: U4 = target[order]

    def append(self, first_uid: int, row: I8, target: I8) -> None:
        """Newborns: their uids follow each other from `first_uid`, which is above all that are known."""
        m = row.size
        if self.n + m > self.uid.size:
            room = (self.n + m) * 3 // 2 + 64
            self.uid, self.row, self.target = (_longer(a, room) for a in (self.uid, self.row, self.target))
        here = slice(self.n, self.n + m)
        self.uid[here] = np.arange(first_uid, first_uid + m, dtype=np.uint64)
        self.row[here], self.target[here] = row, target
        self.n += m

    def worn(self, n_synapse: int) -> bool:
        """Whether it holds more of the dead than of the `n_synapse` living."""
        return self.n > 2 * n_synapse + SPARE

    def find(self, uids: U8) -> tuple[I8, I8]:
        """Row and target of each uid, -1 where it was never here; it may have died since."""
        at = np.searchsorted(self.uid[: self.n], uids)
        nowhere = np.int64(-1)
        if not self.n:
            return np.full(uids.size, nowhere), np.full(uids.size, nowhere)
        known = at < self.n
        at[~known] = 0
        known &= self.uid[at] == uids
        return np.where(known, self.row[at], nowhere), np.where(known, self.target[at], nowhere)

    @property
    def nbytes(self) -> int:
        """Memory, bytes."""
        return int(self.uid.nbytes + self.row.nbytes + self.target.nbytes)


def _longer(a: NDArray[Any], room: int) -> NDArray[Any]:
    out = np.zeros(room, dtype=a.dtype)
    out[: a.size] = a
    return out
