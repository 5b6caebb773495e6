"""The synapse table: who connects to whom, on which spine; O(1) birth and death.

Rows are (source, delay lane), ``row = lane * n_source + source``; the synapses of a row lie in contiguous
*slots*, so that a spike delivers by walking memory.  Every slot array is a column of one struct of arrays:
`post`, `weight` (the hot pair), `row`, `pos_in`, `uid`, `born`, and one float64 block `f` (n_column, capacity)
for the columns of mechanisms.  In-lists (built on demand) hold, for each target, (slot, row) pairs, and
``pos_in[slot]`` points back, so that a synapse is unlinked from both sides in constant time: the last
entry moves into the hole.  A full row moves to the end of the pool with half as much room again; when the
pool is full it
is compacted into a new one.  Deletions are prefetched: cold memory, not arithmetic, is their price.

Weights are float64; a table may keep them in single precision (``weight_type=np.float32``), which halves what an
arrival reads of them and rounds them to 6e-8 of themselves.  Slots, rows and targets are numbered in 32 bits.

Only `structure/plan.py` changes topology.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import B1, F8, I8, U4, Floats, Integers
from neurodev.errors import ParameterError, nearest, shown
from neurodev.structure import store
from neurodev.structure.index import UidIndex, as_uids
from neurodev.structure.loading import check_rows, check_shapes
from neurodev.structure.parts import parts_of
from neurodev.structure.store import InLists, Rows, Slots

_ARRAYS = (
    "post", "weight", "row", "pos_in", "uid", "born", "f", "row_start", "row_length", "row_room", "in_start",
    "in_length", "in_room", "in_slot", "in_row",
)  # fmt: skip
_NUMBERS = ("n_synapse", "pool_end", "in_end")
MAX_LANES = 256  # of one projection: run files and logs keep a lane as a byte
_MOST = 2**32 - 1  # slots, rows and targets are numbered in 32 bits


class UidSource:
    """Hands out identities; one for all tables of a run, never the same twice."""

    def __init__(self, first: int = 1) -> None:
        self.next = first

    def take(self, n: int) -> int:
        """Reserve `n` consecutive uids; returns the first."""
        first = self.next
        self.next += n
        return first


def whole_numbers(what: str, values: ArrayLike, n: int) -> I8:
    """Indices below `n` as an array, (m,).

    Parameters
    ----------
    what : str
        Whose they are, for the message.

    Raises
    ------
    ParameterError
        For what is no list of whole numbers in [0, n): a mask, floats, a table of them.
    """
    try:
        a = np.asarray(values)
    except ValueError:
        raise ParameterError(f"{what} must be a list of whole numbers, got {shown(values, 60)}") from None
    if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):
        cure = ": np.flatnonzero(mask) lists what a mask marks" if a.dtype == np.bool_ else ""
        raise ParameterError(f"{what} must be a list of whole numbers, got {a.dtype} of shape {a.shape}{cure}")
    if a.size and (a.min() < 0 or a.max() >= n):
        raise ParameterError(f"{what} must lie in [0, {n}), got {a.min()}..{a.max()}")
    return a.astype(np.int64)


def _indices(what: str, values: ArrayLike, n: int) -> Integers:
    """As `whole_numbers`, of whatever type they are: a copy of a hundred million costs more than the table."""
    a = np.asarray(values)
    if a.ndim != 1 or a.dtype.kind not in "iu" or a.dtype == np.uint64:
        return whole_numbers(what, values, n)
    if a.size and (a.min() < 0 or a.max() >= n):
        raise ParameterError(f"{what} must lie in [0, {n}), got {a.min()}..{a.max()}")
    return a


def _finite(weight: ArrayLike, n: int, kind: type) -> Floats:
    """Weights of `n` synapses, (n,), from one or as many."""
    given = np.asarray(weight)
    if given.dtype.kind not in "iuf" or given.shape not in ((), (n,)):
        raise ParameterError(
            f"weight must be a number or one number for each of {n} synapses, got {given.dtype} of shape {given.shape}"
        )
    with np.errstate(over="ignore"):
        w: Floats = np.broadcast_to(given.astype(kind, copy=False), (n,))
    if not np.all(np.isfinite(w[:1] if w.strides == (0,) else w)):
        raise ParameterError(f"weight must be finite in {np.dtype(kind)}: it holds NaN, infinity or more than fits")
    return w


def _room(length: I8) -> I8:
    """Room of a fresh row: an eighth more, at least one slot, in a table that will change."""
    return length + np.maximum(length // 8, 1)


class Table:
    """The synapses of one projection.

    Attributes
    ----------
    n_source, n_target, n_lane : int
    delays : (n_lane,) float64, ms, ascending
    row_start : (n_row,) int64;  row_length, row_room : (n_row,) int32
    post, row, pos_in : (capacity,) uint32
    weight : (capacity,) float64, mV, signed (`weight_type`; float32 in training, and where a user asks for it)
    uid : (capacity,) uint64;  born : (capacity,) float64, life ms
    f : (n_column, capacity) float64 (`column_type`; training uses float32)
    in_start : (n_target,) int64;  in_length, in_room : (n_target,) int32
    in_slot, in_row : (n_in,) uint32
    version : int
        Grows whenever an array was reallocated.
    """

    lane_of: Callable[[I8, I8], Integers] | None = None  # of newborns, where it follows from the pair

    def __init__(
        self,
        n_source: int,
        n_target: int,
        delays: ArrayLike,
        columns: tuple[str, ...],
        uids: UidSource,
        column_type: type = np.float64,
        weight_type: type = np.float64,
    ):
        self.column_type, self.weight_type = column_type, weight_type
        self.n_source, self.n_target = int(n_source), int(n_target)
        self.delays: F8 = np.asarray(delays, dtype=np.float64)
        if self.delays.ndim != 1 or not 1 <= self.delays.size <= MAX_LANES:
            raise ParameterError(
                f"delays must be a list of 1 to {MAX_LANES} lanes, got {self.delays.size}: use a wider step="
            )
        if np.any(np.diff(self.delays) <= 0) or not np.all(np.isfinite(self.delays)):
            raise ParameterError(f"delays must be finite and ascending, got {self.delays}")
        for name, n in (("n_source times the number of lanes", self.n_row), ("n_target", self.n_target)):
            if not 0 <= n <= _MOST:
                raise ParameterError(f"{name} must lie in [0, {_MOST}], got {n}: rows and targets have 32 bits")
        self.column_names: list[str] = list(columns)
        self.uids = uids
        self.version = 0
        self._kept: I8 | None = None
        self._index: UidIndex | None = None  # made when somebody asks for a uid
        self.n_synapse = 0
        self.pool_end = 0
        self.in_end = 0
        self.has_in_lists = False
        self._allocate_rows()
        self._allocate_slots(0)
        self.in_start: I8 = np.zeros(self.n_target, dtype=np.int64)
        self.in_length: NDArray[np.int32] = np.zeros(self.n_target, dtype=np.int32)
        self.in_room: NDArray[np.int32] = np.zeros(self.n_target, dtype=np.int32)
        self.in_slot: U4 = np.zeros(1, dtype=np.uint32)
        self.in_row: U4 = np.zeros(1, dtype=np.uint32)

    # ------------------------------------------------------------------ construction

    def _allocate_rows(self) -> None:
        n = self.n_row
        self.row_start: I8 = np.zeros(n, dtype=np.int64)
        self.row_length: NDArray[np.int32] = np.zeros(n, dtype=np.int32)
        self.row_room: NDArray[np.int32] = np.zeros(n, dtype=np.int32)

    def _allocate_slots(self, capacity: int) -> None:
        capacity = max(int(capacity), 1)
        if capacity > _MOST:
            raise ParameterError(
                f"a table holds at most {_MOST} slots, and {capacity} are needed: split the projection into several"
            )
        self.post: U4 = np.zeros(capacity, dtype=np.uint32)
        self.weight: Floats = np.zeros(capacity, dtype=self.weight_type)
        self.row: U4 = np.zeros(capacity, dtype=np.uint32)
        self.pos_in: U4 = np.zeros(capacity, dtype=np.uint32)
        self.uid: NDArray[np.uint64] = np.zeros(capacity, dtype=np.uint64)
        self.born: F8 = np.zeros(capacity)
        self.f: F8 = np.zeros((len(self.column_names), capacity), dtype=self.column_type)
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
        *,
        born: float = 0.0,
        columns: tuple[str, ...] = (),
        uids: UidSource | None = None,
        column_type: type = np.float64,
        weight_type: type = np.float64,
    ) -> Table:
        """Make a table from lists of synapses.

        Parameters
        ----------
        source, target, lane : (n_synapse,) int
            Local indices; rows keep the given order.
        weight : (n_synapse,) or scalar, mV, signed

        Raises
        ------
        ParameterError
            Where an index is no whole number or out of range, or a weight is not finite.
        """
        uids = uids if uids is not None else UidSource()
        table = cls(n_source, n_target, delays, columns, uids, column_type, weight_type)
        s, t, k = (
            _indices(f"{name} indices", a, n)
            for name, a, n in (
                ("source", source, table.n_source), ("target", target, table.n_target), ("lane", lane, table.n_lane)
            )
        )  # fmt: skip
        for name, a in (("target", t), ("lane", k)):
            if a.shape != s.shape:
                raise ParameterError(f"{name} must have shape {s.shape} like source, got {a.shape}")
        w = _finite(weight, s.size, weight_type)

        def row_of(part: slice) -> I8:
            """Rows of some of the synapses: nothing that is as long as all of them is made."""
            return k[part].astype(np.int64) * table.n_source + s[part].astype(np.int64)

        length = np.zeros(table.n_row, dtype=np.int64)
        for part in parts_of(s.size, table.n_row):
            length += np.bincount(row_of(part), minlength=table.n_row)
        room = _room(length) if columns else length
        start = np.concatenate([[0], np.cumsum(room)])
        table._allocate_slots(int(start[-1] * (1.02 if columns else 1.0)) + (64 if columns else 0))
        table.row_start[:] = start[:-1]
        table.row_room[:] = room
        table.pool_end = int(start[-1])
        first = table.uids.take(s.size)
        table.row_length[:] = 0
        for part in parts_of(s.size, table.n_row):
            store.fill(
                row_of(part), t[part].astype(np.int64), np.ascontiguousarray(w[part]), np.uint64(first + part.start),
                float(born), table.rows, table.slot_arrays,
            )  # fmt: skip
        table.n_synapse = int(s.size)
        return table

    @property
    def n_lane(self) -> int:
        """Number of delay lanes."""
        return int(self.delays.size)

    @property
    def n_row(self) -> int:
        """Number of rows, ``n_lane * n_source``."""
        return self.n_lane * self.n_source

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
        return Slots(self.post, self.weight, self.row, self.pos_in, self.uid, self.born, self.f)

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
            self.f = np.concatenate([self.f, np.full((1, self.capacity), fill, dtype=self.column_type)])
            self.column_names.append(name)
            self.version += 1
        return self.column(name)

    def slots(self) -> I8:
        """All live slots, in row order (not to be written to: see `keep_slots`)."""
        if self._kept is not None:
            return self._kept
        out = np.empty(self.n_synapse, dtype=np.int64)
        store.live_slots(self.row_start, self.row_length, out)
        return out

    def keep_slots(self, on: bool) -> None:
        """Let `slots` return one array for all who ask, until topology changes or this is called with False."""
        self._kept = None
        if on:
            self._kept = self.slots()

    def pre(self, slots: I8 | slice) -> I8:
        """Source index of each slot."""
        return self.row[slots].astype(np.int64) % self.n_source

    def lane(self, slots: I8 | slice) -> I8:
        """Delay lane of each slot."""
        return self.row[slots].astype(np.int64) // self.n_source

    def slot_of(self, uids: ArrayLike) -> I8:
        """Slots of living synapses by uid; -1 where a uid is not alive.

        The first call sorts the table's uids; later ones cost what their uids cost, whatever the size of the table.
        """
        wanted = as_uids(uids)
        if self._index is None:
            slots = self.slots()
            self._index = UidIndex(self.uid[slots], self.row[slots], self.post[slots])
        row, target = self._index.find(wanted)
        out = np.empty(wanted.size, dtype=np.int64)
        store.find_slots(wanted, row, target, self.rows, self.in_lists, self.has_in_lists, self.uid, out)
        return out

    def is_live(self, slots: I8) -> B1:
        """Which of the slots, all below the capacity, hold a living synapse."""
        row = self.row[slots]  # of an empty slot: of whoever lay there last
        begin = self.row_start[row]
        return (slots >= begin) & (slots < begin + self.row_length[row])

    def living(self, name: str) -> NDArray[Any]:
        """One of the arrays of `state`, (n_synapse,), made in parts: beside it there is nothing as long as it.

        Where nothing was born or died since a table without slack was built, slots are not even listed.
        """
        kinds: dict[str, type] = {
            "uid": np.uint64, "pre": np.uint32, "post": np.uint32, "lane": np.uint8, "born": np.float64,
            "weight": self.weight_type,
        }  # fmt: skip
        slots = None if self.pool_end == self.n_synapse else self.slots()
        out: NDArray[Any] = np.empty(self.n_synapse, dtype=kinds.get(name, self.column_type))
        source: Any = {"pre": self.pre, "lane": self.lane}.get(name)
        if source is None:
            kept = getattr(self, name) if name in kinds else self.column(name)
            source = kept.__getitem__
        for part in parts_of(self.n_synapse):
            out[part] = source(part if slots is None else slots[part])
        return out

    def state(self) -> dict[str, NDArray[Any]]:
        """The living synapses as plain arrays: uid, pre, post, lane, weight, born and every column."""
        slots = self.slots()
        out: dict[str, NDArray[Any]] = {
            "uid": self.uid[slots],
            "pre": self.pre(slots).astype(np.uint32),
            "post": self.post[slots],
            "lane": self.lane(slots).astype(np.uint8),
            "weight": self.weight[slots],
            "born": self.born[slots],
        }
        for name in self.column_names:
            out[name] = self.column(name)[slots]
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that the table consists of, slack included, by name: what `load` takes (not copies)."""
        out: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in self._array_names()}
        out["numbers"] = np.array([getattr(self, name) for name in _NUMBERS], dtype=np.int64)
        out["columns"] = np.array(self.column_names, dtype=np.str_)
        return out

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become the table that `arrays` was taken of; only the loading of a checkpoint calls this.

        Parameters
        ----------
        arrays : mapping of str to array
            Of a table of the same kind and numbers of units; they are copied.

        Raises
        ------
        ParameterError
            If arrays are missing, belong to a table of other numbers of units, or are damaged: nothing is loaded then.
        """
        names = self._array_names()
        missing = [name for name in (*names, "numbers", "columns") if name not in arrays]
        if missing:
            raise ParameterError(f"arrays of a {type(self).__name__} must hold {missing[0]!r}, got {sorted(arrays)}")
        for name in ("row_start", "in_start"):
            if arrays[name].shape != getattr(self, name).shape:
                raise ParameterError(
                    f"{name} must have shape {getattr(self, name).shape}, got {arrays[name].shape}: build the table "
                    "between the same numbers of units"
                )
        check_shapes(self.arrays(), arrays)
        self._check_loaded(arrays)
        self.keep_slots(False)
        self._index = None
        for name in names:
            setattr(self, name, arrays[name].copy())
        self.column_type, self.weight_type = self.f.dtype.type, self.weight.dtype.type
        self.n_synapse, self.pool_end, self.in_end = (int(v) for v in arrays["numbers"])
        self.has_in_lists = self.in_end > 0
        self.column_names = [str(c) for c in arrays["columns"]]
        self.version += 1

    def _array_names(self) -> tuple[str, ...]:
        return _ARRAYS

    def _check_loaded(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        check_rows(self.n_row, self.n_target, arrays)

    def memory(self) -> float:
        """Bytes per living synapse, slack included."""
        arrays: list[NDArray[Any]] = [self.post, self.weight, self.row, self.uid, self.born, self.f]
        if self.has_in_lists:
            arrays += [self.pos_in, self.in_slot, self.in_row]
        looked_up = self._index.nbytes if self._index is not None else 0
        return (sum(a.nbytes for a in arrays) + looked_up) / max(self.n_synapse, 1)

    # ------------------------------------------------------------------ in-lists

    def ensure_in_lists(self) -> None:
        """Build the in-lists, if nobody asked for them before."""
        if self.has_in_lists:
            return
        slots = self.slots()
        length = np.bincount(self.post[slots], minlength=self.n_target).astype(np.int64)
        self._lay_out_in_lists(length)
        store.fill_in_lists(slots, self.slot_arrays, self.in_lists)
        self.has_in_lists = True

    def _lay_out_in_lists(self, length: I8) -> None:
        room = _room(length)
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
        self.uids, self._index = other.uids, None
        self.weight[mine] = other.weight[theirs]
        self.uid[mine], self.born[mine] = other.uid[theirs], other.born[theirs]
        self.f[:, mine] = other.f[:, theirs]

    # ------------------------------------------------------------------ topology: called by plan.py only

    def _delete(self, slots: I8) -> None:
        """Unlink the synapses in `slots` (each live, none twice)."""
        self.keep_slots(False)
        self.ensure_in_lists()
        # from the back of each row, so that a victim never moves before its turn
        order = np.sort(slots)[::-1].copy()
        store.delete(order, self.rows, self.slot_arrays, self.in_lists)
        self.n_synapse -= int(slots.size)

    def _insert(self, source: I8, target: I8, lane: I8, weight: Floats, born: float) -> tuple[I8, int]:
        """Append synapses; returns (their slots, their first uid)."""
        weight = weight.astype(self.weight_type, copy=False)
        self.keep_slots(False)
        self.ensure_in_lists()
        n = int(source.size)
        first = self.uids.take(n)
        row = lane * self.n_source + source
        done = 0
        ends = np.array([self.pool_end, self.in_end], dtype=np.int64)
        while True:
            done = store.insert(
                row, target, weight, np.uint64(first), float(born), done, ends, self.rows, self.slot_arrays,
                self.in_lists,
            )  # fmt: skip
            self.pool_end, self.in_end = int(ends[0]), int(ends[1])
            if done >= n:
                break
            self._compact(n - done)
            ends[:] = self.pool_end, self.in_end
        self.n_synapse += n
        if self._index is not None:
            self._index.append(first, row, target)
            if self._index.worn(self.n_synapse):
                self._index = None
        # a later row may have moved an earlier newborn: find them by their back-pointers at the end
        wanted = np.arange(first, first + n, dtype=np.uint64)
        out = np.empty(n, dtype=np.int64)
        store.find_newborn(row, wanted, self.rows, self.uid, out)
        return out, first

    def _compact(self, more: int) -> None:
        """Lay the pools out afresh, with room for `more` synapses."""
        names = ("post", "weight", "row", "pos_in", "uid", "born")
        old = {k: getattr(self, k) for k in names}
        f, start = self.f, self.row_start.copy()
        length = self.row_length.astype(np.int64)
        room = _room(length)
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
        store.move_in_lists(old_lists, renumber, self.slot_arrays, self.in_lists)
