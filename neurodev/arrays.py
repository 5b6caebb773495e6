"""Names of array types: a letter for the kind of number, a digit for its bytes.

Shapes are told where an array is used.  Numba infers types by itself and ignores these.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

F4: TypeAlias = NDArray[np.float32]
F8: TypeAlias = NDArray[np.float64]
C16: TypeAlias = NDArray[np.complex128]
I4: TypeAlias = NDArray[np.int32]
I8: TypeAlias = NDArray[np.int64]
U1: TypeAlias = NDArray[np.uint8]
U2: TypeAlias = NDArray[np.uint16]
U4: TypeAlias = NDArray[np.uint32]
U8: TypeAlias = NDArray[np.uint64]
B1: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = NDArray[Any]
"""Arrays of layers: floats of the type of the model, or anything."""
Floats: TypeAlias = NDArray[np.floating[Any]]
"""Of either precision: weights and columns are float32 in training, and float64 where a test asks for it."""
Posts: TypeAlias = U4 | U2
"""Targets of synapses, of 32 bits or, where they are few, of 16."""
Integers: TypeAlias = NDArray[np.integer[Any]]
Int: TypeAlias = int | np.integer[Any]
"""A whole number in a kernel, where it may come out of an array."""
Float: TypeAlias = float | np.floating[Any]
"""A number in a kernel, of either precision."""

LINE = 64  # bytes of a cache line: vectors that cross lines are loaded at half the speed
SMALL = 1 << 15  # bytes that a near cache holds, where finding the line costs more than it saves


def aligned(shape: Int | tuple[int, ...], kind: Any, empty: bool = False) -> Array:
    """Zeros, or with `empty` anything, that begin at a cache line where they are more than `SMALL`."""
    make = np.empty if empty else np.zeros
    n, kind = math.prod(shape) if isinstance(shape, tuple) else int(shape), np.dtype(kind)
    if n * kind.itemsize < SMALL:
        return make(shape, dtype=kind)
    raw = make(n + LINE // kind.itemsize, dtype=kind)
    first = -raw.__array_interface__["data"][0] % LINE // kind.itemsize  # quicker than raw.ctypes
    return raw[first : first + n].reshape(shape)


def on_lines(a: Array) -> Array:
    """A copy that begins at a cache line, as `aligned` does."""
    out = aligned(a.shape, a.dtype, empty=True)
    out[...] = a
    return out
