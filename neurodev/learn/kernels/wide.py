"""Products of spikes with weight matrices that are larger than a core's own cache, block by block.

The kernels of `neurodev.learn.kernels.rows` go through the rows of the batch, and each row reads the weights of all its
spikes.  Where the weights do not fit the cache, every read comes from far away.  Here the forward pass takes some
columns of the weights at a time, and the backward pass the weights of some sources, or some columns of the gradients
where these do not fit either; the sums stay in registers (see `neurodev.learn.core.vectors`).  The same sums in another
order: for 1960 x 300 weights two to three times faster, for 784 x 800 and 800 rows of a batch 2.4 times.

`w`, `gradient` and `delta` are flat, with rows of `stride` numbers, whole vectors; the padding of w and delta is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import I8, U1, U4, Array, Int
from neurodev.jit import kernel, rule
from neurodev.learn.core.vectors import WIDTH, add_rows, dot_rows

NEAR_CACHE = 1 << 19  # bytes of weights from which on it pays
COLUMNS = 10  # vectors of a weight row at a time: of some two thousand rows, they fit the cache
SOURCES = 32  # weight rows at a time: few enough for a near cache, enough to fill groups of four


@kernel
def add_by_columns(start: I8, index: U4, value: Array, w: Array, stride: Int, n: Int, out: Array, apart: Int) -> None:
    """``out[r, :n] += value[k] * w[index[k], :n]`` over the events k of row r, with rows of `out` `apart` numbers.

    Forward as `add_wide`, and the weight gradient with (columns of spikes, delta, gradient); a count of k is k events.
    """
    vectors = -(-n // WIDTH)  # not of the stride: behind the last row there is room for one vector
    for first in range(0, vectors, COLUMNS):
        at = first * WIDTH
        for r in range(start.shape[0] - 1):
            add_rows(
                min(COLUMNS, vectors - first), out, r * apart + at, w, at, stride, index, value, start[r], start[r + 1]
            )  # fmt: skip


@kernel
def add_wide(start: I8, index: U4, counts: U1, worth: Array, w: Array, stride: Int, n: Int, out: Array) -> None:
    """``out[r, :n] += worth[counts[r, i]] * w[i, :n]`` for the units i of row r.

    counts (R, n_in); `out` flat, a vector to spare.
    """
    value = np.empty(index.shape[0], dtype=w.dtype)
    for r in range(start.shape[0] - 1):
        row = counts[r]
        for k in range(start[r], start[r + 1]):
            value[k] = worth[row[index[k]]]
    add_by_columns(start, index, value, w, stride, n, out, n)


@rule
def _rows_of_sources(
    index: U4,
    last: I8,
    counts: U1,
    worth: Array,
    busy: I8,
    end: Int,
    room: Int,
    at: I8,
    n: I8,
    rows: U4,
    value: Array,
) -> None:
    """For each source below `end`, its busy rows and their worths, from ``rows[room * source]`` on, `n` (SOURCES,).

    `at` (n_busy,) goes through the events of each busy row, up to `last` (R,)."""
    n[:] = 0
    for b in range(busy.shape[0]):
        r, k = busy[b], at[b]
        row = counts[r]
        while k < last[r] and index[k] < end:
            i = np.int64(index[k])
            j = i % SOURCES
            rows[room * j + n[j]], value[room * j + n[j]] = r, worth[row[i]]
            n[j] += 1
            k += 1
        at[b] = k


@kernel
def gradient_wide(
    start: I8,
    index: U4,
    counts: U1,
    worth: Array,
    busy: I8,
    delta: Array,
    stride: Int,
    gradient: Array,
) -> None:
    """``gradient[i] += worth[counts[r, i]] * delta[r]`` over the rows r in `busy` (n_busy,), as in `add_wide`."""
    room = busy.shape[0]
    rows, value = np.empty(SOURCES * room, dtype=np.uint32), np.empty(SOURCES * room, dtype=delta.dtype)
    n, at = np.zeros(SOURCES, dtype=np.int64), start[busy]
    for first in range(0, counts.shape[1], SOURCES):
        end = min(first + SOURCES, counts.shape[1])
        _rows_of_sources(index, start[1:], counts, worth, busy, end, room, at, n, rows, value)
        for j in range(end - first):
            a = room * j
            add_rows(
                stride // WIDTH, gradient, (first + j) * stride, delta, 0, stride, rows, value, a, a + n[j]
            )  # fmt: skip


@kernel
def dot_wide(near: U1, busy: I8, w: Array, scale: Any, delta: Array, stride: Int, out: Array) -> None:
    """``out[r, i] = scale * w[i] . delta[r]`` over the rows r in `busy` where `near` (R, n_in) is 1."""
    n_source = near.shape[1]
    wanted = np.zeros(SOURCES + 4, dtype=np.int64)
    for first in range(0, n_source, SOURCES):
        some = min(SOURCES, n_source - first)
        for b in range(busy.shape[0]):
            r = busy[b]
            n: Int = 0
            flags = near[r]
            for j in range(first, first + some):
                wanted[n] = j
                n += np.int64(flags[j])
            if n == 0:
                continue
            wanted[n : n + 3] = wanted[n - 1]
            o, at = out[r], r * stride
            for k in range(0, n, 4):
                i, j, p, q = wanted[k], wanted[k + 1], wanted[k + 2], wanted[k + 3]
                a, c, d, e = dot_rows(delta, at, w, i * stride, j * stride, p * stride, q * stride, stride)
                o[i], o[j], o[p], o[q] = scale * a, scale * c, scale * d, scale * e
