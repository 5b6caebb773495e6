"""What a table is loaded from is looked at first: kernels view its arrays without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, I8
from neurodev.errors import ParameterError
from neurodev.structure import store

if TYPE_CHECKING:
    from neurodev.structure.dense import DenseTable
    from neurodev.structure.table import Table

Arrays = Mapping[str, NDArray[Any]]
SLOTS = ("post", "weight", "row", "pos_in", "uid", "born")
FLOATS = ("weight", "f")  # of either precision


def _refuse(what: str) -> None:
    raise ParameterError(f"arrays of a table are damaged: {what}")


def check_shapes(table: Table, names: tuple[str, ...], arrays: Arrays) -> None:
    """Refuse arrays of other types or shapes than a table between these numbers of units has.

    Raises
    ------
    ParameterError
        Naming the array.
    """
    capacity = arrays["post"].size
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(SLOTS, (capacity,))
    shapes |= {"alive": (capacity,), "f": (arrays["columns"].size, capacity), "numbers": (3,)}
    shapes |= dict.fromkeys(("in_slot", "in_row"), (arrays["in_slot"].size,))
    for name in (*names, "numbers"):
        own, a = getattr(table, name, arrays["numbers"]), arrays[name]
        wanted = shapes.get(name, own.shape if name.startswith(("row_", "in_st", "in_le", "in_ro")) else a.shape)
        if a.shape != wanted:
            _refuse(f"{name} must have shape {wanted}, got {a.shape}")
        kinds = (np.float32, np.float64) if name in FLOATS else (np.int64 if name == "numbers" else own.dtype,)
        if a.dtype not in kinds:
            _refuse(f"{name} must be {np.dtype(kinds[-1])}, got {a.dtype}")
    if arrays["columns"].dtype.kind != "U" or np.unique(arrays["columns"]).size != arrays["columns"].size:
        _refuse("columns must be distinct words")


def _lie_apart(start: I8, length: NDArray[Any], room: NDArray[Any], end: int) -> bool:
    """Whether lists lie within their rooms, and rooms in [0, end) without overlap."""
    start, length, room = (a.astype(np.int64) for a in (start, length, room))
    if np.any(start < 0) or np.any(length < 0) or np.any(length > room) or np.any(start > end - room):
        return False
    used = np.argsort(start, kind="stable")
    used = used[room[used] > 0]
    return not np.any(start[used[:-1]] + room[used[:-1]] > start[used[1:]])


def check_rows(table: Table, arrays: Arrays) -> None:
    """Refuse rows, targets and in-lists that point anywhere but at each other.

    Raises
    ------
    ParameterError
        Saying what does not hold.
    """
    n, pool_end, in_end = (int(v) for v in arrays["numbers"])
    capacity, listed = arrays["post"].size, arrays["in_slot"].size
    if not (0 <= pool_end <= capacity and 0 <= in_end <= listed):
        _refuse(f"pools end at {pool_end} of {capacity} and at {in_end} of {listed}")
    start, length = arrays["row_start"], arrays["row_length"]
    if not _lie_apart(start, length, arrays["row_room"], pool_end):
        _refuse("rows reach beyond their room or the pool, or overlap")
    if int(length.sum(dtype=np.int64)) != n:
        _refuse(f"{n} synapses are counted, {int(length.sum(dtype=np.int64))} lie in rows")
    live = np.empty(n, dtype=np.int64)
    store.live_slots(start.copy(), length.copy(), live)
    if n and int(arrays["post"][live].max()) >= table.n_target:
        _refuse(f"a synapse points at target {int(arrays['post'][live].max())} of {table.n_target}")
    if np.any(arrays["row"][live] != np.repeat(np.arange(table.n_row), length)):
        _refuse("a synapse carries the number of another row")
    if np.unique(arrays["uid"][live]).size != n:
        _refuse("two synapses share a uid")
    if in_end:
        _check_in_lists(arrays, live, in_end)


def _check_in_lists(arrays: Arrays, live: I8, in_end: int) -> None:
    start, length = arrays["in_start"], arrays["in_length"]
    if not _lie_apart(start, length, arrays["in_room"], in_end) or int(length.sum(dtype=np.int64)) != live.size:
        _refuse("in-lists reach beyond their room or the pool, overlap, or hold another number of synapses than rows")
    at, post = arrays["pos_in"][live].astype(np.int64), arrays["post"][live]
    wrong: B1 = (at < start[post]) | (at >= start[post] + length[post])
    if wrong.any() or np.any(arrays["in_slot"][at] != live) or np.any(arrays["in_row"][at] != arrays["row"][live]):
        _refuse("an in-list and the rows disagree")


def check_grid(table: DenseTable, arrays: Arrays) -> None:
    """Refuse a dense table whose slots are not those of its pairs, or whose flags are no flags.

    Raises
    ------
    ParameterError
        Saying what does not hold.
    """
    for name in ("post", "row", "row_start", "row_length", "row_room"):
        if not np.array_equal(arrays[name], getattr(table, name)):
            _refuse(f"{name} is not that of a dense table of {table.n_source} x {table.n_target}")
    alive = arrays["alive"]
    if np.any(alive > 1) or np.any(table.grid(alive)[:, table.n_target :]):
        _refuse("alive must be 0 or 1, and 0 beyond the targets")
    if int(alive.sum(dtype=np.int64)) != int(arrays["numbers"][0]):
        _refuse(f"{int(arrays['numbers'][0])} synapses are counted, {int(alive.sum(dtype=np.int64))} are alive")
