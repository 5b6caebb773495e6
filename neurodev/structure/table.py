"""The synapse table: who connects to whom, on which spine; O(1) birth and death.

Rows are (source, delay lane), ``row = lane * n_source + source``; the synapses of a row lie in contiguous
*slots*, so that a spike delivers by walking memory.  Every slot array is a column of one struct of arrays:
`post`, `weight` (the hot pair), `pos_in`, `uid`, and one float64 block `f` (n_column, capacity) for the columns of
mechanisms.  In-lists (built on demand) hold, for each target, (slot, row) pairs, and ``pos_in[slot]`` points back, so
that a synapse is unlinked from both sides in constant time: the last entry moves into the hole.  A full row moves to
the end of the pool with half as much room again; when the pool is full it is compacted into a new one.  Deletions are
prefetched: cold memory, not arithmetic, is their price.

What can be reckoned is not kept: the row of a slot is found in its in-list or among the beginnings of rows, its birth
date by its uid (`structure/births.py`).  A table that will hardly change keeps neither in-lists nor, if its uids follow
each other in the order of rows (`consecutive`), these, nor more than one weight where all are equal (`alike`): 4 bytes
a synapse.  The first birth or death writes everything down.

Weights are float64; a table may keep them in single precision (``weight_type=np.float32``), which halves what an
arrival reads of them and rounds them to 6e-8 of themselves.  Slots, rows and targets are numbered in 32 bits.

Only `structure/plan.py` changes topology.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import B1, F8, I8, U4, U8, Floats, Integers, aligned, on_lines
from neurodev.errors import ParameterError, nearest
from neurodev.structure import store
from neurodev.structure.births import BirthDates
from neurodev.structure.blocks import Block, ascending, checked, fill, lane_type, only, part_of, with_room
from neurodev.structure.index import UidIndex, as_uids
from neurodev.structure.loading import check_rows, check_shapes, modern
from neurodev.structure.numbering import Numbering
from neurodev.structure.numbering import UidSource as UidSource
from neurodev.structure.store import InLists, Rows, Slots

_ARRAYS = (
    "post", "pos_in", "f", "row_start", "row_length", "row_room", "in_start", "in_length", "in_room", "in_slot",
    "in_row",
)  # fmt: skip
_NUMBERS = ("n_synapse", "pool_end", "in_end")
MAX_LANES = 65535  # of one projection: the agenda numbers those of all in 16 bits
_MOST = 2**32 - 1  # slots, rows and targets are numbered in 32 bits


class Table:
    """The synapses of one projection.

    Attributes
    ----------
    n_source, n_target, n_lane : int
    delays : (n_lane,) float64, ms, ascending
    row_start : (n_row,) int64;  row_length, row_room : (n_row,) int32
    post : (capacity,) uint32;  pos_in : (capacity,) uint32 where there are in-lists
    weight : (capacity,) float64, mV, signed (`weight_type`; float32 in training, and where a user asks for it)
    births : BirthDates
    f : (n_column, capacity) float64 (`column_type`; training uses float32)
    in_start : (n_target,) int64;  in_length, in_room : (n_target,) int32;  in_slot, in_row : (n_in,) uint32
    version : int
        Grows whenever an array was reallocated.

    Examples
    --------
    >>> table = Table.build(3, 2, [1.0], [0, 2, 1], [0, 0, 1], [0, 0, 0], 0.5, columns=("size",))
    >>> slots = table.slots()
    >>> table.pre(slots).tolist(), table.post[slots].tolist(), table.weight[slots].tolist()
    ([0, 1, 2], [0, 1, 0], [0.5, 0.5, 0.5])
    >>> table.uid_of(slots).tolist()
    [1, 3, 2]
    """

    def __init__(
        self,
        n_source: int,
        n_target: int,
        delays: ArrayLike,
        columns: tuple[str, ...],
        uids: UidSource,
        column_type: type = np.float64,
        weight_type: type = np.float64,
        parts: int = 1,
    ):
        self.column_type, self.weight_type = column_type, weight_type
        self.n_source, self.n_target, self.parts = int(n_source), int(n_target), int(parts)
        self.delays: F8 = np.asarray(delays, dtype=np.float64)
        n = self.delays.size
        if self.delays.ndim != 1 or not 1 <= n <= MAX_LANES:
            raise ParameterError(f"delays must be a list of 1 to {MAX_LANES} lanes, got {n}: use a wider step=")
        if np.any(np.diff(self.delays) <= 0) or not np.all(np.isfinite(self.delays)):
            raise ParameterError(f"delays must be finite and ascending, got {self.delays}")
        for name, n in (("n_source times the number of lanes", self.n_row), ("n_target", self.n_target)):
            if not 0 <= n <= _MOST:
                raise ParameterError(f"{name} must lie in [0, {_MOST}], got {n}: rows and targets have 32 bits")
        self.column_names: list[str] = list(columns)
        self.uids, self.version = uids, 0
        self.lane_of: Callable[[I8, I8], Integers] | None = None  # of newborns, where it follows from the pair
        self._keeps = False
        self._kept: I8 | None = None
        self._index: UidIndex | None = None  # made when somebody asks for a uid
        self.births = BirthDates()
        self.n_synapse = self.pool_end = self.in_end = 0
        self.has_in_lists = False
        self.row_start: I8 = np.zeros(self.n_row, dtype=np.int64)
        self.row_length: NDArray[np.int32] = np.zeros(self.n_row, dtype=np.int32)
        self.row_room: NDArray[np.int32] = np.zeros(self.n_row, dtype=np.int32)
        self._allocate_slots(0)
        self.in_start: I8 = np.zeros(self.n_target, dtype=np.int64)
        self.in_length: NDArray[np.int32] = np.zeros(self.n_target, dtype=np.int32)
        self.in_room: NDArray[np.int32] = np.zeros(self.n_target, dtype=np.int32)
        self.in_slot: U4 = np.zeros(1, dtype=np.uint32)
        self.in_row: U4 = np.zeros(1, dtype=np.uint32)

    # ------------------------------------------------------------------ construction

    def _allocate_slots(self, capacity: int, alike: ArrayLike | None = None, named: bool = True) -> None:
        """Fresh arrays; of one weight where `alike` tells which, and without uids where not `named`."""
        capacity = max(int(capacity), 1)
        if capacity > _MOST:
            raise ParameterError(
                f"a table holds at most {_MOST} slots, and {capacity} are needed: split the projection into several"
            )
        self.post: U4 = np.zeros(capacity, dtype=np.uint32)
        if alike is None:
            self.weight: Floats = aligned(capacity, self.weight_type)
        else:
            self.weight = np.broadcast_to(np.full(1, alike, dtype=self.weight_type), (capacity,))
        self.pos_in: U4 = np.zeros(capacity if self.has_in_lists else 1, dtype=np.uint32)
        self._numbering: Numbering | None = None
        self._uid: U8 | None = np.zeros(capacity, dtype=np.uint64) if named else None
        # never written to: the system gives such memory only an address
        self._nobody: U8 = np.zeros(1 if named else capacity, dtype=np.uint64)
        self.f: F8 = aligned((len(self.column_names), capacity), self.column_type)
        self.version += 1

    @classmethod
    def build(
        cls,
        n_source: int,
        n_target: int,
        delays: ArrayLike,
        source: ArrayLike,
        target: ArrayLike,
        lane: ArrayLike,
        weight: ArrayLike,
        **how: Any,
    ) -> Table:
        """Make a table from lists of synapses.

        Parameters
        ----------
        source, target, lane : (n_synapse,) int
            Local indices; rows keep the given order.
        weight : (n_synapse,) or scalar, mV, signed
        **how
            As in `of_blocks`.

        Raises
        ------
        ParameterError
            Where an index is no whole number or out of range, or a weight is not finite.
        """
        return cls.of_blocks(n_source, n_target, delays, [(source, target, lane, weight)], **how)

    @classmethod
    def of_blocks(
        cls,
        n_source: int,
        n_target: int,
        delays: ArrayLike,
        blocks: Iterable[Block],
        *,
        born: float = 0.0,
        columns: tuple[str, ...] = (),
        uids: UidSource | None = None,
        column_type: type = np.float64,
        weight_type: type = np.float64,
        alike: bool = False,
        consecutive: bool = False,
        parts: int = 1,
    ) -> Table:
        """Make a table from blocks of synapses, drawn one after the other: 6 or 8 bytes of each are kept meanwhile.

        Parameters
        ----------
        blocks : iterable of (source, target, lane, weight)
            As in `build`, in any order; the lane may be one for all.
        alike : bool
            Keep one weight for all synapses, until a synapse is born or dies: `weight` is then a view that cannot be
            written to (`own_weights` makes it an array).
        consecutive : bool
            Number the synapses by lane, source and target, not in the given order, and keep no uids, until a synapse is
            born or dies, or somebody asks for the array `uid`; if the targets of a source are given in ascending order.
        parts : int
            Rows are kept apart by the part of the targets that they lead to (`part_of`).

        Raises
        ------
        ParameterError
            Where an index is no whole number or out of range, a weight is not finite, or weights differ that should
            be alike.
        """
        table = cls(n_source, n_target, delays, columns, uids or UidSource(), column_type, weight_type, parts)
        length: I8 = np.zeros(table.n_row, dtype=np.int64)
        pieces = []
        for block in blocks:
            piece = checked(block, table.n_source, table.n_target, table.n_lane, weight_type, table._row_of)
            length += np.bincount(piece.row, minlength=table.n_row)
            pieces.append(piece)
        n = int(length.sum())
        consecutive = consecutive and ascending(pieces, table.n_lane * table.n_source)
        slack = bool(columns) and not consecutive
        room = with_room(length) if slack else length
        start = np.concatenate([[0], np.cumsum(room)])
        table.pool_end = int(start[-1])
        capacity = int(start[-1] * 1.02) + 64 if slack else int(start[-1])
        table._allocate_slots(capacity, only(pieces) if alike and n else None, not consecutive)
        table.row_start[:] = start[:-1]
        table.row_room[:] = room
        first = table.uids.take(n)
        fill(pieces, first, table.rows, table.post, None if table.alike else table.weight, table._uid)
        table.n_synapse = n
        table._numbering = Numbering(first, table.rows, table.parts) if consecutive else None
        if n:
            table.births.append(first, float(born))
        return table

    @property
    def n_lane(self) -> int:
        """Number of delay lanes."""
        return int(self.delays.size)

    @property
    def n_row(self) -> int:
        """Number of rows, ``parts * n_lane * n_source``."""
        return self.parts * self.n_lane * self.n_source

    def _row_of(self, source: I8, target: I8, lane: I8) -> I8:
        """The row of a synapse."""
        if self.parts == 1:
            return lane * self.n_source + source
        return (part_of(target, self.n_target, self.parts) * self.n_lane + lane) * self.n_source + source

    @property
    def capacity(self) -> int:
        """Number of slots, used or not."""
        return int(self.post.size)

    # ------------------------------------------------------------------ what kernels are given

    @property
    def rows(self) -> Rows:
        """Where rows lie, for kernels; not to be kept across births."""
        return Rows(self.row_start, self.row_length, self.row_room)

    @property
    def slot_arrays(self) -> Slots:
        """All arrays of slots, for kernels; not to be kept across births."""
        self.own_weights()
        return Slots(self.post, self.weight, self.pos_in, self.uid, self.f)

    @property
    def uid(self) -> U8:
        """Identity of each slot, (capacity,); a `consecutive` table writes them down now, and `uid_of` does not."""
        if self._uid is None:
            assert self._numbering is not None
            self._uid = np.zeros(self.capacity, dtype=np.uint64)
            self._uid[: self.n_synapse] = self._numbering.all(self.row_length)
            self._numbering = None
            self.version += 1
        return self._uid

    @uid.setter
    def uid(self, value: U8) -> None:
        self._uid, self._numbering = value, None

    @property
    def consecutive(self) -> bool:
        """Whether uids follow each other by lane, source and target, so that none are kept."""
        return self._numbering is not None

    @property
    def identities(self) -> U8:
        """What the event loop compares with the uids of newborns, (capacity,): `uid`, or zeros that take no memory.

        In a table that keeps none nobody was born since it was built: all are older than any newborn.
        """
        return self._nobody if self._uid is None else self._uid

    @property
    def row(self) -> U4:
        """Row of each slot that holds a synapse, (capacity,), reckoned afresh; see `row_of`."""
        out: U4 = np.zeros(self.capacity, dtype=np.uint32)
        out[self.slots()] = self._all_rows()
        return out

    @property
    def born(self) -> F8:
        """Birth date of each slot that holds a synapse, (capacity,), reckoned afresh, life ms; see `born_of`."""
        return self.births.of(self.uid_of(np.arange(self.capacity)))

    @property
    def alike(self) -> bool:
        """Whether all synapses have one weight, of which one copy is kept."""
        return not self.weight.flags.writeable

    def own_weights(self) -> None:
        """Give every synapse a weight of its own, if they share one."""
        if self.alike:
            self.weight = self.weight.copy()
            self.version += 1

    @property
    def in_lists(self) -> InLists:
        """The in-lists (see `ensure_in_lists`), for kernels; not to be kept across births."""
        return InLists(self.in_start, self.in_length, self.in_room, self.in_slot, self.in_row)

    # ------------------------------------------------------------------ looking

    def column(self, name: str) -> F8:
        """A view of one mechanism column, (capacity,) float64."""
        try:
            view: F8 = self.f[self.column_names.index(name)]
        except ValueError:
            raise ParameterError(
                f"no column {name!r} in this table; it has {self.column_names}{nearest(name, self.column_names)}"
            ) from None
        return view

    def add_column(self, name: str, fill: float = 0.0) -> F8:
        """Add a column (or return the existing one)."""
        if name not in self.column_names:
            more = aligned((len(self.column_names) + 1, self.capacity), self.column_type, empty=True)
            more[:-1], more[-1] = self.f, fill
            self.f = more
            self.column_names.append(name)
            self.version += 1
        return self.column(name)

    def slots(self) -> I8:
        """All live slots, in row order (not to be written to: see `keep_slots`)."""
        if self._kept is not None:
            return self._kept
        out = np.empty(self.n_synapse, dtype=np.int64)
        store.live_slots(self.row_start, self.row_length, out)
        self._kept = out if self._keeps else None
        return out

    def keep_slots(self) -> None:
        """From now on let `slots` return one array to all who ask, until topology changes."""
        self._keeps = True

    def _all_rows(self) -> U4:
        """The row of every synapse, in row order."""
        return np.repeat(np.arange(self.n_row, dtype=np.uint32), self.row_length)

    def row_of(self, slots: I8) -> I8:
        """Row of each slot."""
        if slots is self._kept:
            rows = self._all_rows()
        elif self.has_in_lists:
            rows = self.in_row[self.pos_in[slots]]
        elif 8 * np.size(slots) > self.n_synapse:
            rows = self.row[slots]
        else:  # before the first birth rows lie in their order
            return np.searchsorted(self.row_start, slots, side="right") - 1
        return rows.astype(np.int64)

    def pre(self, slots: I8) -> I8:
        """Source index of each slot."""
        return self.row_of(slots) % self.n_source

    def lane(self, slots: I8) -> I8:
        """Delay lane of each slot."""
        return self.row_of(slots) // self.n_source % self.n_lane

    def uid_of(self, slots: I8) -> U8:
        """Identity of each slot."""
        return self.uid[slots] if self._numbering is None else self._numbering.of(slots)

    def born_of(self, slots: I8) -> F8:
        """Birth date of each slot, life ms."""
        return self.births.of(self.uid_of(slots))

    def slot_of(self, uids: ArrayLike) -> I8:
        """Slots of living synapses by uid; -1 where a uid is not alive.

        The first call sorts the table's uids; later ones cost what their uids cost, whatever the size of the table.
        """
        wanted = as_uids(uids)
        if self._numbering is not None:
            return self._numbering.find(wanted)
        if self._index is None:
            slots = self.slots()
            self._index = UidIndex(self.uid[slots], self._all_rows(), self.post[slots])
        row, target = self._index.find(wanted)
        out = np.empty(wanted.size, dtype=np.int64)
        store.find_slots(wanted, row, target, self.rows, self.in_lists, self.has_in_lists, self.uid, out)
        return out

    def is_live(self, slots: I8) -> B1:
        """Which of the slots, all below the capacity, hold a living synapse."""
        row = self.row_of(slots)  # of an empty slot: any
        begin = self.row_start[row]
        return (slots >= begin) & (slots < begin + self.row_length[row])

    def state(self) -> dict[str, NDArray[Any]]:
        """The living synapses as plain arrays: uid, pre, post, lane, weight, born and every column."""
        slots, row = self.slots(), self._all_rows()
        out: dict[str, NDArray[Any]] = {
            "uid": self.uid_of(slots),
            "pre": row % np.uint32(max(self.n_source, 1)),
            "post": self.post[slots],
            "lane": (row // np.uint32(max(self.n_source, 1)) % np.uint32(self.n_lane)).astype(lane_type(self.n_lane)),
            "weight": self.weight[slots],
            "born": self.born_of(slots),
        }
        for name in self.column_names:
            out[name] = self.column(name)[slots]
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that the table consists of, slack included, by name: what `load` takes (not copies).

        Of one entry are `weight` and `uid` (the first) where they are not kept for each.
        """
        out: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in self._array_names()}
        out["weight"] = self.weight[:1] if self.alike else self.weight
        out["uid"] = self.uid if self._numbering is None else np.full(1, self._numbering.first, dtype=np.uint64)
        out["birth_uid"], out["birth_time"] = self.births.uid, self.births.time
        out["numbers"] = np.array([getattr(self, name) for name in _NUMBERS], dtype=np.int64)
        out["columns"] = np.array(self.column_names, dtype=np.str_)
        return out

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become the table that `arrays` was taken of; only the loading of a checkpoint calls this.

        Parameters
        ----------
        arrays : mapping of str to array
            Of a table of the same kind and numbers of units; they are copied.  Weights that are one (of no stride) stay
            one.

        Raises
        ------
        ParameterError
            If arrays are missing, belong to a table of other numbers of units, or are damaged: nothing is loaded then.
        """
        arrays, own = modern(arrays), self.arrays()
        check_shapes(type(self).__name__, own, arrays)
        self._check_loaded(arrays)
        self._kept = None
        self._index = None
        self.column_type, self.weight_type = arrays["f"].dtype.type, arrays["weight"].dtype.type
        self.column_names = [str(c) for c in arrays["columns"]]
        self.has_in_lists = False
        lean = arrays["post"].size > 1
        alike = arrays["weight"][0] if lean and arrays["weight"].size == 1 else None
        named = not lean or arrays["uid"].size > 1
        self._allocate_slots(arrays["post"].size, alike, named)
        for name in self._array_names():
            setattr(self, name, on_lines(arrays[name]))
        if alike is None:
            self.weight = on_lines(arrays["weight"])
        if named:
            self.uid = arrays["uid"].copy()
        else:
            self._numbering = Numbering(int(arrays["uid"][0]), self.rows, self.parts)
        self.births = BirthDates(arrays["birth_uid"], arrays["birth_time"])
        self.n_synapse, self.pool_end, self.in_end = (int(v) for v in arrays["numbers"])
        self.has_in_lists = self.in_end > 0
        if not self.has_in_lists and np.any(self.row_start[:-1] + self.row_room[:-1] > self.row_start[1:]):
            self.ensure_in_lists()  # rows in another order: `row_of` looks for them there

    def _array_names(self) -> tuple[str, ...]:
        return _ARRAYS

    def _check_loaded(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        check_rows(self.n_row, self.n_target, arrays)

    def memory(self) -> float:
        """Bytes per living synapse: of all that is kept, slack, rows and lists of targets included."""
        kept = sum(a.nbytes for a in self.arrays().values()) - self.births.uid.nbytes - self.births.time.nbytes
        looked_up = sum(x.nbytes for x in (self._index, self._numbering, self._kept) if x is not None)
        return (kept + self.births.nbytes + looked_up) / max(self.n_synapse, 1)

    # ------------------------------------------------------------------ in-lists

    def ensure_in_lists(self) -> None:
        """Build the in-lists, if nobody asked for them before."""
        if self.has_in_lists:
            return
        length = np.bincount(self.post[self.slots()], minlength=self.n_target).astype(np.int64)
        self._lay_out_in_lists(length)
        self.pos_in = np.zeros(self.capacity, dtype=np.uint32)
        store.fill_in_lists(self.rows, self.post, self.pos_in, self.in_lists)
        self.has_in_lists = True

    def _lay_out_in_lists(self, length: I8) -> None:
        room = with_room(length)
        start = np.concatenate([[0], np.cumsum(room)])
        self.in_start, self.in_room = start[:-1].copy(), room.astype(np.int32)
        self.in_length = np.zeros(self.n_target, dtype=np.int32)
        self.in_end = int(start[-1])
        self.in_slot = np.zeros(self.in_end + self.in_end // 16 + 64, dtype=np.uint32)
        self.in_row = np.zeros_like(self.in_slot)
        self.version += 1

    def occupied(self, source: I8, target: I8, gone: I8) -> NDArray[np.bool_]:
        """Which of the pairs (source, target) hold a living synapse other than those in the slots `gone`."""
        self.ensure_in_lists()
        out = np.zeros(source.size, dtype=np.bool_)
        store.find_occupied(source, target, np.sort(gone), self.in_lists, self.n_source, out)
        return out

    def _take_over(self, other: Table, theirs: I8, mine: I8) -> None:
        """Weights, identities, birth dates and columns of another table's slots, and its source of identities."""
        self.uids, self._index, self.births = other.uids, None, other.births.copy()
        self.weight[mine] = other.weight[theirs]
        self.uid[mine] = other.uid_of(theirs)
        self.f[:, mine] = other.f[:, theirs]

    # ------------------------------------------------------------------ topology: called by plan.py only

    def _delete(self, slots: I8, in_order: bool = False) -> None:
        """Unlink the synapses in `slots` (each live, none twice); of those left in a row the order may be kept."""
        self.ensure_in_lists()  # which lists the slots as they were
        self._kept = None
        # from the back of each row, so that a victim never moves before its turn; rows by number, wherever they lie
        order = np.sort(self.row_of(slots).astype(np.int64) << 32 | slots)[::-1] & 0xFFFFFFFF
        store.delete(order, self.rows, self.slot_arrays, self.in_lists, in_order)
        self.n_synapse -= int(slots.size)

    def _insert(self, source: I8, target: I8, lane: I8, weight: Floats, born: float) -> tuple[I8, int]:
        """Append synapses; returns (their slots, their first uid)."""
        weight = weight.astype(self.weight_type, copy=False)
        self.ensure_in_lists()  # which lists the slots as they were
        self._kept = None
        n = int(source.size)
        first = self.uids.take(n)
        row = self._row_of(source, target, lane)
        done = 0
        ends = np.array([self.pool_end, self.in_end], dtype=np.int64)
        while True:
            done = store.insert(
                row, target, weight, np.uint64(first), done, ends, self.rows, self.slot_arrays, self.in_lists
            )
            self.pool_end, self.in_end = int(ends[0]), int(ends[1])
            if done >= n:
                break
            self._compact(n - done)
            ends[:] = self.pool_end, self.in_end
        self.n_synapse += n
        self._date(first, born)
        if self._index is not None:
            self._index.append(first, row, target)
            if self._index.worn(self.n_synapse):
                self._index = None
        # a later row may have moved an earlier newborn: find them by their back-pointers at the end
        wanted = np.arange(first, first + n, dtype=np.uint64)
        out = np.empty(n, dtype=np.int64)
        store.find_newborn(row, wanted, self.rows, self.uid, out)
        return out, first

    def _date(self, first: int, born: float) -> None:
        """Note when the synapses from uid `first` on were born."""
        self.births.append(first, float(born))
        if self.births.worn:
            self.births.forget_all_but(self.uid_of(self.slots()))

    def _compact(self, more: int) -> None:
        """Lay the pools out afresh, with room for `more` synapses."""
        names = ("post", "weight", "uid")
        old = {k: getattr(self, k) for k in names}
        f, start = self.f, self.row_start.copy()
        length = self.row_length.astype(np.int64)
        room = with_room(length)
        new = np.concatenate([[0], np.cumsum(room)])
        self._allocate_slots(int(new[-1]) + int(new[-1]) // 16 + 2 * more + 64)
        live = np.empty(int(length.sum()), dtype=np.int64)
        store.live_slots(start, self.row_length, live)
        moved = np.empty_like(live)
        store.live_slots(new[:-1].copy(), self.row_length, moved)
        for k in names:
            getattr(self, k)[moved] = old[k][live]
        self.f[:, moved] = f[:, live]
        self.row_start[:] = new[:-1]
        self.row_room[:] = room
        self.pool_end = int(new[-1])
        count = np.bincount(self.post[moved], minlength=self.n_target).astype(np.int64)
        # keep the order of the in-lists: it decides the order of additions in the last digit
        old_lists = self.in_lists
        renumber = np.zeros(f.shape[1], dtype=np.uint32)
        renumber[live] = moved
        self._lay_out_in_lists(count + max(more // max(self.n_target, 1), 0))
        store.move_in_lists(old_lists, renumber, self.pos_in, self.in_lists)
