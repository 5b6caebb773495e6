"""A checkpoint, looked at before anything is dropped or loaded: bytes, names, shapes, and where its synapses lead."""

from __future__ import annotations

import copy
import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import InvariantError, ParameterError, RunFileError, shown
from neurodev.learn.core.layer import Weights
from neurodev.learn.core.storage import stored
from neurodev.record.proof import check_size, check_whole
from neurodev.structure.dense import DenseTable
from neurodev.structure.loading import modern
from neurodev.structure.table import Table, UidSource
from neurodev.structure.verify import verify

Arrays = Mapping[str, NDArray[Any]]
_STORAGES = ("dense", "hidden", "sparse")
_MOST_DIMENSIONS = 8


def _damaged(why: object) -> RunFileError:
    return RunFileError(f"a checkpoint is damaged ({why})")


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an archive as NumPy writes it; nothing is executed, and nothing expanded that was not looked at.

    Raises
    ------
    RunFileError
        If it is none, or would hold far more than its bytes.
    """
    out: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(e.compress_size for e in entries) > len(data):
                raise ValueError("its parts overlap")
            check_whole(sum(e.file_size for e in entries), len(data))
            for entry in entries:
                check_size(entry.file_size, max(entry.compress_size, 1))
                with archive.open(entry) as part:
                    out[entry.filename.removesuffix(".npy")] = _array(part, entry.file_size)
    except (ValueError, TypeError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError) as e:
        raise _damaged(e) from e
    except (zipfile.BadZipFile, zlib.error, SyntaxError, OverflowError, MemoryError, RecursionError) as e:
        raise _damaged(e) from e
    return out


def _array(part: Any, size: int) -> NDArray[Any]:
    """One array, whose head must ask for as many bytes as there are."""
    version = np.lib.format.read_magic(part)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(part)
    if dtype.hasobject or dtype.names is not None or len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype} with the shape {shape}")
    number = 1
    for n in shape:
        number *= int(n)
    if number * dtype.itemsize != size - part.tell():
        raise ValueError(f"an array of the shape {shape} in {size} bytes")
    raw = part.read(number * dtype.itemsize + 1)
    if len(raw) != number * dtype.itemsize:
        raise ValueError("an array ends before its end")
    # words of no letters (a table without columns) have no bytes
    flat = np.frombuffer(raw, dtype=dtype) if dtype.itemsize else np.zeros(number, dtype=dtype)
    return flat.reshape(shape, order="F" if by_columns else "C").copy()


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
            raise _damaged(f"it has no {name!r}")
        theirs = state[name]
        if theirs.shape != mine.shape or theirs.dtype != mine.dtype:
            raise _damaged(f"{name!r} is {theirs.dtype} {theirs.shape}, not {mine.dtype} {mine.shape}")
    if (state["trainer"] < 0).any():
        raise _damaged(f"it stands at {state['trainer'].tolist()}")
    for name, array in state.items():
        if name.startswith("moment/"):
            parameter = "vector/" + "/".join(name.split("/")[1:-1])
            if parameter in like and array.shape != like[parameter].shape:
                raise _damaged(f"{name!r} has the shape {array.shape}")


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
    if storage not in _STORAGES:
        raise _damaged(f"{name!r} is stored as {shown(storage, 40)}")
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
        raise _damaged(f"the synapses of {name!r}: {e}") from e


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
