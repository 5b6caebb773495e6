"""A dense table: every pair has its slot for good, and an `alive` flag says whether there is a synapse.

The rows of a dense weight tensor are rows of a synapse table whose room is the number of targets: what the
engine calls delivery is then the product of a spike with a weight row.  A birth or a death flips a flag; the
uid is new at every birth, as in the sparse table, so that the same plans, log and metrics serve both.
Rows are padded to a multiple of 16 slots (a cache line of float32), which vectorised kernels need; padding is never
alive and its weight stays zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import B1, I8, U4, Floats
from neurodev.errors import ParameterError
from neurodev.params import numbers
from neurodev.structure.index import as_uids
from neurodev.structure.loading import check_grid
from neurodev.structure.table import Table, UidSource

SLOTS = 16


class DenseTable(Table):
    """A table with a slot for every (source, target) pair; one delay lane.

    Attributes
    ----------
    stride : int
        Slots from one row to the next, n_target rounded up to a multiple of 16.
    alive : (capacity,) uint8
    """

    def __init__(
        self,
        n_source: int,
        n_target: int,
        columns: tuple[str, ...] = (),
        uids: UidSource | None = None,
        column_type: type = np.float32,
        weight_type: type = np.float32,
    ):
        for name, value in (("n_source", n_source), ("n_target", n_target)):
            if int(value) < 1:
                raise ParameterError(f"{name} must be at least 1, got {value}")
        uids = uids if uids is not None else UidSource()
        super().__init__(n_source, n_target, [1.0], columns, uids, column_type, weight_type)
        self.stride = -(-self.n_target // SLOTS) * SLOTS
        self._allocate_slots(self.n_source * self.stride)
        self.alive: NDArray[np.uint8] = np.zeros(self.capacity, dtype=np.uint8)
        self._per_source: I8 | None = None  # counted when somebody asks
        self.row_start[:] = np.arange(self.n_source) * self.stride
        self.row_length[:] = self.n_target
        self.row_room[:] = self.stride
        self.pool_end = self.capacity
        self.grid(self.post)[:] = np.arange(self.stride, dtype=np.uint32)

    @property
    def weight(self) -> NDArray[Any]:
        """Weights by slot, (capacity,).

        Setting it takes these, or a value for each pair as (n_source, n_target), also flat: they go to the slots of
        their pairs, and those of absent synapses stay 0.

        Raises
        ------
        ParameterError
            For another shape, which kernels would read beyond its end.
        """
        return self._weight

    @weight.setter
    def weight(self, value: NDArray[Any]) -> None:
        given, pairs = np.asarray(value), (self.n_source, self.n_target)
        n = self.post.size
        if given.shape == (n,) and given.dtype in (np.float32, np.float64):
            self._weight: NDArray[Any] = np.ascontiguousarray(given, dtype=self.weight_type)
            return
        if given.shape not in ((n,), pairs, (pairs[0] * pairs[1],)) or given.dtype.kind not in "fiu":
            raise ParameterError(
                f"weight must be numbers of shape {pairs} (n_source, n_target), flat, or {(n,)} by slot, got "
                f"{given.dtype} {given.shape}"
            )
        out = np.zeros(n, dtype=self._weight.dtype)
        if given.shape == (n,):
            out[:] = given
        else:
            self.grid(out)[:, : self.n_target] = given.reshape(pairs)
            out *= self.alive
        self._weight = out

    @classmethod
    def full(cls, weight: ArrayLike, columns: tuple[str, ...] = (), uids: UidSource | None = None) -> DenseTable:
        """A table with a synapse on every pair.

        Parameters
        ----------
        weight : (n_source, n_target) numbers
            Single precision stays single, all else is kept as float64; the columns take the same type.

        Raises
        ------
        ParameterError
            If they are no finite numbers in that shape.
        """
        w = np.asarray(numbers(weight, "weight"))
        if w.ndim != 2 or not np.all(np.isfinite(w)):
            raise ParameterError(f"weight must be a finite (n_source, n_target) array, got shape {w.shape}")
        kind = np.float32 if w.dtype in (np.float32, np.float16) else np.float64
        table = cls(w.shape[0], w.shape[1], columns, uids, kind, kind)
        table.grid(table.weight)[:, : table.n_target] = w
        table.grid(table.alive)[:, : table.n_target] = 1
        first = table.uids.take(w.size)
        table.grid(table.uid)[:, : table.n_target] = first + np.arange(w.size).reshape(w.shape)
        table.births.append(first, 0.0)
        table.n_synapse = w.size
        return table

    @classmethod
    def of(cls, table: Table) -> DenseTable:
        """The synapses of a table, each in the slot of its pair; identities, birth dates and columns go along."""
        kind, slots = table.weight.dtype.type, table.slots()
        out = cls(table.n_source, table.n_target, tuple(table.column_names), UidSource(), kind, kind)
        new = out.slot(table.pre(slots), table.post[slots].astype(np.int64))
        out.alive[new] = 1
        out.n_synapse = slots.size
        out._take_over(table, slots, new)
        return out

    def sparse(self) -> Table:
        """A table of the living synapses only; identities, birth dates and columns go along.

        The values of absent synapses, if they have any, are lost.
        """
        kind, slots = self.weight.dtype.type, self.slots()
        out = Table.build(
            self.n_source, self.n_target, [1.0], self.pre(slots), self.post[slots].astype(np.int64),
            np.zeros(slots.size, dtype=np.int64), self.weight[slots], columns=tuple(self.column_names),
            uids=UidSource(), column_type=kind, weight_type=kind,
        )  # fmt: skip
        new = out.slots()
        out.ensure_in_lists()
        out._take_over(self, slots, new)
        return out

    def keep_only(self, alive: NDArray[np.bool_]) -> None:
        """Let a freshly drawn table hold only some pairs, before anything is logged; the weights of the others are 0.

        Parameters
        ----------
        alive : (n_source, n_target) bool

        Raises
        ------
        ParameterError
            If the shape is another.
        """
        n = self.n_target
        if alive.shape != (self.n_source, n):
            raise ParameterError(f"alive must have shape {(self.n_source, n)}, got {alive.shape}")
        self.grid(self.weight)[:, :n][~alive] = 0
        self.grid(self.alive)[:, :n] = alive
        self.n_synapse, self._per_source = int(alive.sum()), None

    def _array_names(self) -> tuple[str, ...]:
        return (*super()._array_names(), "alive")

    def _check_loaded(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        check_grid(self.arrays(), self.n_target, self.stride, arrays)

    def grid(self, a: NDArray[Any]) -> NDArray[Any]:
        """A view of a slot array as (n_source, stride)."""
        return a.reshape(self.n_source, self.stride)

    def slots(self) -> I8:
        """All live slots, in row order."""
        return np.flatnonzero(self.alive)

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become the table that `arrays` was taken of; see `Table.load`."""
        super().load(arrays)
        self._per_source = None

    def living_per_source(self) -> I8:
        """Living synapses of each source, (n_source,)."""
        if self._per_source is None:
            self._per_source = np.asarray(self.grid(self.alive).sum(axis=1, dtype=np.int64))
        return self._per_source

    def row_of(self, slots: I8) -> I8:
        """Row of each slot, alive or not."""
        return np.asarray(slots, dtype=np.int64) // self.stride

    def _all_rows(self) -> U4:
        return self.row_of(self.slots()).astype(np.uint32)

    def slot(self, source: I8, target: I8) -> I8:
        """The slot of each pair, alive or not."""
        return np.asarray(source, dtype=np.int64) * self.stride + np.asarray(target, dtype=np.int64)

    def slot_of(self, uids: ArrayLike) -> I8:
        """Slots of living synapses by uid; -1 where a uid is not alive."""
        wanted, slots = as_uids(uids), self.slots()
        order = np.argsort(self.uid[slots])
        have = self.uid[slots][order]
        at = np.searchsorted(have, wanted)
        found = at < have.size
        found[found] = have[at[found]] == wanted[found]
        out = np.full(wanted.size, -1, dtype=np.int64)
        out[found] = slots[order[at[found]]]
        return out

    def is_live(self, slots: I8) -> B1:
        """Which of the slots, all below the capacity, hold a living synapse."""
        found: B1 = self.alive[slots] != 0
        return found

    def ensure_in_lists(self) -> None:
        """Nothing to do: the synapses of a target are a column of the grid."""

    def occupied(self, source: I8, target: I8, gone: I8) -> NDArray[np.bool_]:
        """Which of the pairs hold a living synapse other than those in the slots `gone`."""
        alive = self.alive.astype(bool)
        alive[gone] = False
        return alive[self.slot(source, target)]

    def _delete(self, slots: I8, in_order: bool = False) -> None:
        self.alive[slots] = 0
        self.weight[slots] = 0.0
        self.n_synapse, self._per_source = self.n_synapse - int(slots.size), None

    def _insert(self, source: I8, target: I8, lane: I8, weight: Floats, born: float) -> tuple[I8, int]:
        slots = self.slot(source, target)
        if slots.size and (np.any(self.alive[slots]) or np.unique(slots).size < slots.size):
            raise ParameterError("a birth on a pair that is alive; merge the plans with single_contact=True")
        first = self.uids.take(int(slots.size))
        self.alive[slots] = 1
        self.weight[slots] = weight
        self.uid[slots] = np.arange(first, first + slots.size, dtype=np.uint64)
        self.n_synapse, self._per_source = self.n_synapse + int(slots.size), None
        self._date(first, born)
        return slots, first
