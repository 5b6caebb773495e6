"""Named arrays as bytes, for checkpoints: an archive as NumPy writes it, without pickle; loading executes nothing."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import RunFileError
from neurodev.record.proof import check_size, check_whole

_MOST_DIMENSIONS = 8


def damaged(why: object) -> RunFileError:
    """The error of a checkpoint that is not what was written."""
    return RunFileError(f"a checkpoint is damaged ({why})")


def pack(state: Mapping[str, NDArray[Any]], level: int = 6) -> bytes:
    """Named arrays as compressed bytes; at `level` 1 three times as fast, and a little larger."""
    buffer = io.BytesIO()
    names = np.array(list(state), dtype=np.str_)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, array in (("names", names), *((f"a{k}", a) for k, a in enumerate(state.values()))):
            if array.dtype.hasobject:
                raise TypeError(f"{name} holds objects, not numbers")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.asanyarray(array))
    return buffer.getvalue()


def unpack(data: bytes, most: int | None = None) -> dict[str, NDArray[Any]]:
    """The arrays behind `pack`; nothing is executed (no pickle).

    Parameters
    ----------
    most : int, optional
        Bytes up to which arrays of nearly nothing are expanded, instead of the usual ones.

    Raises
    ------
    RunFileError
        If they are damaged.
    """
    arrays = unpacked(data, most)
    names = arrays.pop("names", np.zeros(0, dtype=np.str_))
    if names.dtype.kind != "U" or names.ndim != 1 or [*arrays] != [f"a{k}" for k in range(names.size)]:
        raise damaged(f"{names.size} names for {len(arrays)} arrays")
    return dict(zip(map(str, names), arrays.values(), strict=True))


def unpacked(data: bytes, most: int | None = None) -> dict[str, NDArray[Any]]:
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
            if most is None:
                check_whole(sum(e.file_size for e in entries), len(data))
            else:
                check_size(sum(e.file_size for e in entries), len(data), most)
            for entry in entries:
                check_size(entry.file_size, max(entry.compress_size, 1), *([] if most is None else [most]))
                with archive.open(entry) as part:
                    out[entry.filename.removesuffix(".npy")] = _array(part, entry.file_size)
    except (ValueError, TypeError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError) as e:
        raise damaged(e) from e
    except (zipfile.BadZipFile, zlib.error, SyntaxError, OverflowError, MemoryError, RecursionError) as e:
        raise damaged(e) from e
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


def under(state: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin so, by the rest of their names."""
    return {key[len(prefix) :]: a for key, a in state.items() if key.startswith(prefix)}
