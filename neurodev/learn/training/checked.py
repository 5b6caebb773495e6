"""A checkpoint, looked at before anything is dropped or loaded: bytes, names, shapes, and where its synapses lead."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import InvariantError, ParameterError, shown
from neurodev.learn.core.layer import Weights
from neurodev.learn.core.storage import STORAGES, stored
from neurodev.record.packed import damaged
from neurodev.structure.dense import DenseTable
from neurodev.structure.loading import modern
from neurodev.structure.table import Table, UidSource
from neurodev.structure.verify import verify

Arrays = Mapping[str, NDArray[Any]]


def check_arrays(state: Arrays, like: Arrays) -> None:
    """Values of parameters and buffers, and the numbers of the trainer: names, shapes and types as they are here.

    Raises
    ------
    RunFileError
        With the first that differs.
    """
    for name, mine in like.items():
        if not name.startswith(("trainer", "vector/", "buffer/")):
            continue
        if name not in state:
            raise damaged(f"it has no {name!r}")
        theirs = state[name]
        if theirs.shape != mine.shape or theirs.dtype != mine.dtype:
            raise damaged(f"{name!r} is {theirs.dtype} {theirs.shape}, not {mine.dtype} {mine.shape}")
    if (state["trainer"] < 0).any():
        raise damaged(f"it stands at {state['trainer'].tolist()}")
    for name, array in state.items():
        if name.startswith("moment/"):
            parameter = "vector/" + "/".join(name.split("/")[1:-1])
            if parameter in like and array.shape != like[parameter].shape:
                raise damaged(f"{name!r} has the shape {array.shape}")


def check_weights(name: str, w: Weights, state: Arrays, next_uid: int) -> None:
    """The table of a weight tensor, which kernels would follow wherever it leads.

    Raises
    ------
    RunFileError
        If a synapse lies or leads where there is nothing.
    """
    prefix = f"table/{name}/"
    arrays = {key.removeprefix(prefix): a for key, a in state.items() if key.startswith(prefix)}
    storage = str(arrays.get("storage", ""))
    if storage not in STORAGES:
        raise damaged(f"{name!r} is stored as {shown(storage, 40)}")
    like = stored(w.table, "sparse" if storage == "sparse" else "dense")
    table = copy.copy(like)
    table.uids = UidSource(next_uid)
    try:
        arrays = dict(modern(arrays))
        _check_shapes(like, arrays)
        table.load(arrays)
        if isinstance(table, DenseTable):
            _check_dense(table, next_uid)
        else:
            verify(table)
    except (ParameterError, InvariantError, ValueError, IndexError, TypeError, OverflowError) as e:
        raise damaged(f"the synapses of {name!r}: {e}") from e


def _check_shapes(like: Table, arrays: Arrays) -> None:
    """Equally long where equally long, and within each other where one points into another."""
    missing = [name for name in (*like.arrays(), "numbers", "columns") if name not in arrays]
    if missing:
        raise ValueError(f"{missing[0]!r} is missing")
    for name, mine in like.arrays().items():
        theirs = arrays[name]
        floats = name in ("weight", "f") and theirs.dtype.kind == "f"
        if name != "columns" and theirs.dtype != mine.dtype and not floats or theirs.ndim != mine.ndim:
            raise ValueError(f"{name} is {theirs.dtype} in {theirs.ndim} dimensions")
    room, columns = arrays["post"].size, arrays["columns"].size
    slots = ["weight", "uid", *(["alive"] if "alive" in arrays else [])]
    if any(arrays[name].shape != (room,) for name in slots) or arrays["f"].shape != (columns, room):
        raise ValueError("its columns are not equally long")
    if isinstance(like, DenseTable) and room != like.capacity:
        raise ValueError(f"{room} places for {like.capacity} pairs")
    n_synapse, pool_end, in_end = (int(v) for v in arrays["numbers"])
    if not (0 <= n_synapse <= room and 0 <= pool_end <= room and 0 <= in_end <= arrays["in_slot"].size):
        raise ValueError(f"it counts {n_synapse} synapses in {room} places")
    for first, length, space, end in (
        ("row_start", "row_length", "row_room", room), ("in_start", "in_length", "in_room", arrays["in_slot"].size),
    ):  # fmt: skip
        a, n, most = (arrays[k].astype(np.int64) for k in (first, length, space))
        if a.shape != getattr(like, first).shape or n.shape != a.shape or most.shape != a.shape:
            raise ValueError(f"{first} has the shape {a.shape}")
        if (a < 0).any() or (n < 0).any() or (n > most).any() or (a > end).any() or (a + most > end).any():
            raise ValueError(f"{first} leads beyond the table")
    used = arrays["in_slot"][:in_end]
    if in_end and (arrays["pos_in"].size != room or int(used.max()) >= room or arrays["in_row"].size < in_end):
        raise ValueError("a list of inputs leads beyond the table")


def _check_dense(table: DenseTable, next_uid: int) -> None:
    """Every place is that of its pair, and what lives has an identity that was handed out."""
    stride = table.stride
    if (table.grid(table.post) != np.arange(stride)).any():
        raise ValueError("a synapse points beyond the layer")
    if (table.alive > 1).any() or table.grid(table.alive)[:, table.n_target :].any():
        raise ValueError("a synapse lives outside the layer")
    slots = table.slots()
    uid = table.uid[slots]
    if slots.size != table.n_synapse or np.unique(uid).size != uid.size:
        raise ValueError(f"{slots.size} synapses live, {table.n_synapse} are counted, {np.unique(uid).size} have a uid")
    if uid.size and (int(uid.min()) < 1 or int(uid.max()) >= next_uid):
        raise ValueError("a living synapse has a uid that was never handed out")
    if not np.isfinite(table.weight[slots]).all():
        raise ValueError("a weight is not finite")
