"""What a table is loaded from is looked at first: kernels view its arrays without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import B1, I8
from neurodev.errors import ParameterError
from neurodev.structure import store
from neurodev.structure.births import BirthDates

Arrays = Mapping[str, NDArray[Any]]
SLOTS = ("post", "weight", "pos_in", "uid")
SPARED = ("weight", "pos_in", "uid")  # of one entry where they are not kept for each
FLOATS = ("weight", "f")  # of either precision


def _refuse(what: str) -> None:
    raise ParameterError(f"arrays of a table are damaged: {what}")


def modern(arrays: Arrays) -> Arrays:
    """The same where a birth date was kept for each slot, as tables did before.

    Raises
    ------
    ParameterError
        If there is no date for each uid.
    """
    if "birth_uid" in arrays or "born" not in arrays or "uid" not in arrays:
        return arrays
    uid, born = arrays["uid"], arrays["born"]
    if uid.dtype != np.uint64 or born.dtype != np.float64 or uid.ndim != 1 or uid.shape != born.shape:
        _refuse(f"born must be a date for each uid, got {born.dtype} {born.shape} for {uid.dtype} {uid.shape}")
    dates = BirthDates.of_each(uid[uid > 0], born[uid > 0])
    return {**arrays, "birth_uid": dates.uid, "birth_time": dates.time}


def check_shapes(what: str, own: Arrays, arrays: Arrays) -> None:
    """Refuse arrays of other types or shapes than a table between these numbers of units, `what`, has: `own`.

    Raises
    ------
    ParameterError
        Naming the array.
    """
    missing = [name for name in own if name not in arrays]
    if missing:
        raise ParameterError(f"arrays of a {what} must hold {missing[0]!r}, got {sorted(arrays)}")
    for name in ("row_start", "in_start"):
        if arrays[name].shape != own[name].shape:
            raise ParameterError(
                f"{name} must have shape {own[name].shape}, got {arrays[name].shape}: build the table between the same "
                "numbers of units"
            )
    capacity = arrays["post"].size
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(SLOTS, (capacity,))
    shapes |= {"alive": (capacity,), "f": (arrays["columns"].size, capacity), "numbers": (3,)}
    shapes |= dict.fromkeys(("in_slot", "in_row"), (arrays["in_slot"].size,))
    shapes |= dict.fromkeys(("birth_uid", "birth_time"), (arrays["birth_uid"].size,))
    for name in own:
        if name == "columns":
            continue
        a = arrays[name]
        wanted = shapes.get(name, own[name].shape)
        spared = name in SPARED and (name == "pos_in" or "alive" not in own) and a.shape == (1,)
        if a.shape != wanted and not spared:
            _refuse(f"{name} must have shape {wanted}, got {a.shape}")
        kinds = [np.dtype(np.float32), np.dtype(np.float64)] if name in FLOATS else [own[name].dtype]
        if a.dtype not in kinds:
            _refuse(f"{name} must be {kinds[-1]}, got {a.dtype}")
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


def check_rows(n_row: int, n_target: int, arrays: Arrays) -> None:
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
    if n and int(arrays["post"][live].max()) >= n_target:
        _refuse(f"a synapse points at target {int(arrays['post'][live].max())} of {n_target}")
    rows = np.repeat(np.arange(n_row), length)
    if arrays["uid"].size == capacity:
        _check_uids(arrays, arrays["uid"][live])
    elif np.any(live != np.arange(n)) or capacity != n:
        _refuse("uids follow each other only in a table without gaps")
    else:
        _check_uids(arrays, arrays["uid"] + np.arange(n, dtype=np.uint64))
    if in_end:
        _check_in_lists(arrays, live, rows, in_end)


def _check_uids(arrays: Arrays, uid: NDArray[Any]) -> None:
    """No two of the living are one, and each has a birth date."""
    if np.unique(uid).size != uid.size:
        _refuse("two synapses share a uid")
    first, dates = arrays["birth_uid"], arrays["birth_time"]
    if np.any(first[:-1] >= first[1:]) or not np.all(np.isfinite(dates)):
        _refuse("birth_uid must be ascending, and birth_time finite")
    if uid.size and first.size and uid.min() < first[0]:
        _refuse(f"birth_uid begins with {first[0]}, and a synapse has uid {uid.min()}")


def _check_in_lists(arrays: Arrays, live: I8, rows: I8, in_end: int) -> None:
    start, length = arrays["in_start"], arrays["in_length"]
    if not _lie_apart(start, length, arrays["in_room"], in_end) or int(length.sum(dtype=np.int64)) != live.size:
        _refuse("in-lists reach beyond their room or the pool, overlap, or hold another number of synapses than rows")
    if arrays["pos_in"].size != arrays["post"].size:
        _refuse("pos_in must have a place for each slot")
    at, post = arrays["pos_in"][live].astype(np.int64), arrays["post"][live]
    wrong: B1 = (at < start[post]) | (at >= start[post] + length[post])
    if wrong.any() or np.any(arrays["in_slot"][at] != live) or np.any(arrays["in_row"][at] != rows):
        _refuse("an in-list and the rows disagree")


def check_grid(own: Arrays, n_target: int, stride: int, arrays: Arrays) -> None:
    """Refuse a dense table whose slots are not those of its pairs (as in `own`), or whose flags are no flags.

    Raises
    ------
    ParameterError
        Saying what does not hold.
    """
    for name in ("post", "row_start", "row_length", "row_room"):
        if not np.array_equal(arrays[name], own[name]):
            _refuse(f"{name} is not that of a dense table of {own['row_start'].size} x {n_target}")
    alive = arrays["alive"]
    if np.any(alive > 1) or np.any(alive.reshape(-1, stride)[:, n_target:]):
        _refuse("alive must be 0 or 1, and 0 beyond the targets")
    if int(alive.sum(dtype=np.int64)) != int(arrays["numbers"][0]):
        _refuse(f"{int(arrays['numbers'][0])} synapses are counted, {int(alive.sum(dtype=np.int64))} are alive")
    _check_uids(arrays, arrays["uid"][alive != 0])
