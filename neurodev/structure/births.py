"""When synapses were born: one date for all that were born together.

Uids only grow and those of one batch follow each other, so that the date of a synapse is that of the last batch which
begins at or below its uid: 16 bytes a batch, none a synapse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, U8

SPARE = 1024  # batches that are kept in any case


class BirthDates:
    """The birth dates of the synapses of one table, life ms.

    Attributes
    ----------
    uid : (n_batch,) uint64, ascending
        The first uid of each batch.
    time : (n_batch,) float64, life ms
    """

    def __init__(self, uid: ArrayLike = (), time: ArrayLike = ()) -> None:
        self._uid: U8 = np.array(uid, dtype=np.uint64)
        self._time: F8 = np.array(time, dtype=np.float64)
        self._n = int(self._uid.size)
        self._most = 2 * self._n + SPARE

    @classmethod
    def of_each(cls, uid: U8, time: F8) -> BirthDates:
        """From the date of each synapse, (n,) in any order."""
        order = np.argsort(uid, kind="stable")
        u, t = uid[order], time[order]
        begins = np.ones(u.size, dtype=bool)
        begins[1:] = t[1:] != t[:-1]
        return cls(u[begins], t[begins])

    @property
    def uid(self) -> U8:
        """The first uid of each batch, (n_batch,) ascending."""
        return self._uid[: self._n]

    @property
    def time(self) -> F8:
        """The date of each batch, (n_batch,) life ms."""
        return self._time[: self._n]

    def append(self, first_uid: int, time: float) -> None:
        """Newborns: their uids begin at `first_uid`, which is above all that are known."""
        if self._n and self._time[self._n - 1] == time:
            return  # the uids between belong to other tables
        if self._n == self._uid.size:
            room = self._n * 3 // 2 + 16
            self._uid, self._time = np.resize(self._uid, room), np.resize(self._time, room)
        self._uid[self._n], self._time[self._n] = first_uid, time
        self._n += 1

    @property
    def worn(self) -> bool:
        """Whether batches have doubled since they were last looked through."""
        return self._n > self._most

    def forget_all_but(self, uid: U8) -> None:
        """Drop the batches of which nobody of the living, (n,), is left."""
        kept = np.unique(np.maximum(self._find(uid), 0)) if self._n else np.zeros(0, dtype=np.intp)
        self._uid, self._time = self._uid[kept], self._time[kept]
        self._n = int(kept.size)
        self._most = 2 * self._n + SPARE

    def _find(self, uid: U8) -> NDArray[np.intp]:
        return np.searchsorted(self.uid, uid, side="right") - 1

    def of(self, uid: U8) -> F8:
        """The date of each uid, (n,); 0 of those before the first batch."""
        if not self._n:
            return np.zeros(uid.size)
        at = self._find(uid)
        return np.where(at < 0, 0.0, self.time[at])

    def copy(self) -> BirthDates:
        """The same dates, to go on by themselves."""
        return BirthDates(self.uid, self.time)

    @property
    def nbytes(self) -> int:
        """Memory, bytes."""
        return int(self._uid.nbytes + self._time.nbytes)
