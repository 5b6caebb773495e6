"""Products of spikes with weights: forward, weight gradient, input gradient, for every storage.

All kernels read the synapse table as it lies (rows by source).  Names: `w` (n_in, stride) dense rows, `x` spikes,
`delta` (R, n_out) the gradient of the currents.  ``scale`` is the worth of one event.  Every kernel adds to its output.

===============  ==========================================  ================================
dense rows       an event adds one weight row                cost = events x n_out
sparse rows      an event adds the living synapses of a row  cost = events x n_out x density
along the batch  a synapse goes through all its rows         cost = synapses x rows of the batch
===============  ==========================================  ================================

The crossovers between them are in `neurodev.learn.kernels.policy`.  Constants take the type of the arrays: an integer
in an expression of float32 would turn all of it into doubles, at half the speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import B1, I4, I8, U1, U4, Array, Int
from neurodev.jit import kernel, rule, sum_kernel
from neurodev.learn.core.masks import TOGETHER, rows_to_units, units_to_rows

# in_start, in_length, in_slot, in_row of a table
InLists = tuple[I8, I4, U4, U4]

# ---------------------------------------------------------------- a table as an image of its weights


@kernel
def pack(base: I8, row_start: I8, row_length: I4, post: U4, weight: Array, image: Array) -> None:
    """Rows of a table, weight (capacity,), into a flat image; the row of source i begins at ``base[i]``."""
    for i in range(base.shape[0]):
        for s in range(row_start[i], row_start[i] + row_length[i]):
            image[base[i] + np.int64(post[s])] = weight[s]


@kernel
def unpack(base: I8, row_start: I8, row_length: I4, post: U4, image: Array, gradient: Array) -> None:
    """Add a flat image to the rows of a table, gradient (capacity,): the transpose of `pack`."""
    for i in range(base.shape[0]):
        for s in range(row_start[i], row_start[i] + row_length[i]):
            gradient[s] += image[base[i] + np.int64(post[s])]


# ---------------------------------------------------------------- dense rows


@sum_kernel
def add_rows(start: I8, index: U4, w: Array, n: Int, scale: Any, out: Array) -> None:
    """``out[r, :n] += scale * sum of w[i, :n] over the events i of row r``; eight rows share one pass over out.

    Forward with (rows of spikes, w, current); weight gradient with (columns of spikes, delta, gradient).  Both
    matrices are contiguous, whatever their padding: a slice would lose its vector instructions.
    """
    for r in range(start.shape[0] - 1):
        o = out[r]
        k, end = start[r], start[r + 1]
        while k + 8 <= end:
            a, b, c, d = w[index[k]], w[index[k + 1]], w[index[k + 2]], w[index[k + 3]]
            e, f, g, h = w[index[k + 4]], w[index[k + 5]], w[index[k + 6]], w[index[k + 7]]
            for j in range(n):
                o[j] += scale * (((a[j] + b[j]) + (c[j] + d[j])) + ((e[j] + f[j]) + (g[j] + h[j])))
            k += 8
        if k + 4 <= end:
            a, b, c, d = w[index[k]], w[index[k + 1]], w[index[k + 2]], w[index[k + 3]]
            for j in range(n):
                o[j] += scale * ((a[j] + b[j]) + (c[j] + d[j]))
            k += 4
        while k < end:
            a = w[index[k]]
            for j in range(n):
                o[j] += scale * a[j]
            k += 1


@sum_kernel
def dot_rows(start: I8, index: U4, w: Array, scale: Any, delta: Array, out: Array) -> None:
    """``out[r, i] += scale * w[i] . delta[r]`` where the window (start, index) asks for it."""
    n = delta.shape[1]
    zero = w.dtype.type(0)
    for r in range(out.shape[0]):
        k, end = start[r], start[r + 1]
        d = delta[r]
        while k + 4 <= end:
            a, b, c, e = w[index[k]], w[index[k + 1]], w[index[k + 2]], w[index[k + 3]]
            sa = sb = sc = se = zero
            for j in range(n):
                x = d[j]
                sa += a[j] * x
                sb += b[j] * x
                sc += c[j] * x
                se += e[j] * x
            out[r, index[k]] += scale * sa
            out[r, index[k + 1]] += scale * sb
            out[r, index[k + 2]] += scale * sc
            out[r, index[k + 3]] += scale * se
            k += 4
        while k < end:
            a = w[index[k]]
            sa = zero
            for j in range(n):
                sa += a[j] * d[j]
            out[r, index[k]] += scale * sa
            k += 1


# ---------------------------------------------------------------- sparse rows


@kernel
def add_sparse_by_source(
    start: I8,
    index: U4,
    row_start: I8,
    row_length: I4,
    post: U4,
    weight: Array,
    scale: Any,
    out: Array,
) -> None:
    """Forward; (start, index) list the rows in which each source spiked: four of them share a walk over its synapses.

    Unsigned indices are not tested for signs.
    """
    one = np.uint64(1)
    for i in range(row_start.shape[0]):
        first = np.uint64(row_start[i])
        last = first + np.uint64(row_length[i])
        k, end = start[i], start[i + 1]
        while k + 4 <= end:
            a, b, c, d = out[index[k]], out[index[k + 1]], out[index[k + 2]], out[index[k + 3]]
            s = first
            while s < last:
                j, w = post[s], scale * weight[s]
                a[j] += w
                b[j] += w
                c[j] += w
                d[j] += w
                s += one
            k += 4
        while k < end:
            a = out[index[k]]
            s = first
            while s < last:
                a[post[s]] += scale * weight[s]
                s += one
            k += 1


@kernel
def gradient_sparse_by_source(
    start: I8,
    index: U4,
    row_start: I8,
    row_length: I4,
    post: U4,
    scale: Any,
    delta: Array,
    gradient: Array,
) -> None:
    """Weight gradient (capacity,), the transpose of `add_sparse_by_source`; delta (R, n_out)."""
    one = np.uint64(1)
    for i in range(row_start.shape[0]):
        first = np.uint64(row_start[i])
        last = first + np.uint64(row_length[i])
        k, end = start[i], start[i + 1]
        while k + 4 <= end:
            a, b, c, d = delta[index[k]], delta[index[k + 1]], delta[index[k + 2]], delta[index[k + 3]]
            s = first
            while s < last:
                j = post[s]
                gradient[s] += scale * ((a[j] + b[j]) + (c[j] + d[j]))
                s += one
            k += 4
        while k < end:
            a = delta[index[k]]
            s = first
            while s < last:
                gradient[s] += scale * a[post[s]]
                s += one
            k += 1


@kernel
def dot_sparse_rows(
    start: I8,
    index: U4,
    row_start: I8,
    row_length: I4,
    post: U4,
    weight: Array,
    scale: Any,
    delta: Array,
    out: Array,
) -> None:
    """Input gradient, out (R, n_in), where the window (start, index) asks for it; delta (R, n_out)."""
    for r in range(out.shape[0]):
        d = delta[r]
        for k in range(start[r], start[r + 1]):
            i = np.int64(index[k])
            total = d.dtype.type(0)
            for s in range(row_start[i], row_start[i] + row_length[i]):
                total += weight[s] * d[post[s]]
            out[r, i] += scale * total


# ---------------------------------------------------------------- along the batch, by the targets' in-lists


@rule
def _next_four(q: Int, end: Int, in_slot: U4, in_row: U4, silent: B1, slot: I8, source: I8) -> tuple[Int, Int]:
    """The next synapses of an in-list, four at most, whose source is not silent, into slot, source (4,).

    Returns where to go on, and how many there are.
    """
    held = 0
    while q < end and held < 4:
        i = np.int64(in_row[q])
        if not silent[i]:
            slot[held] = in_slot[q]
            source[held] = i
            held += 1
        q += 1
    return q, held


@sum_kernel
def add_along_batch(in_lists: InLists, weight: Array, x: U1, silent: B1, scale: Any, out: Array) -> None:
    """Forward; x (n_in, R) bytes, out (R, n_out); sources `silent` (n_in,) in the whole batch are skipped.

    Some targets at a time gather their rows in a scratch that stays in the cache, and are then turned into rows.
    """
    in_start, in_length, in_slot, in_row = in_lists
    n_row, n = out.shape
    units = np.empty(TOGETHER * n_row, dtype=out.dtype)
    slot = np.empty(4, dtype=np.int64)
    source = np.empty(4, dtype=np.int64)
    for first in range(0, n, TOGETHER):
        some = min(TOGETHER, n - first)
        for m in range(some):
            o = units[m * n_row : (m + 1) * n_row]
            o[:] = 0
            held: Int = 4
            q, end = in_start[first + m], in_start[first + m] + in_length[first + m]
            while held == 4:
                q, held = _next_four(q, end, in_slot, in_row, silent, slot, source)
                if held == 4:
                    a, b, c, d = x[source[0]], x[source[1]], x[source[2]], x[source[3]]
                    wa, wb = scale * weight[slot[0]], scale * weight[slot[1]]
                    wc, wd = scale * weight[slot[2]], scale * weight[slot[3]]
                    for k in range(n_row):
                        o[k] += (wa * a[k] + wb * b[k]) + (wc * c[k] + wd * d[k])
                else:
                    for h in range(held):
                        a, wa = x[source[h]], scale * weight[slot[h]]
                        for k in range(n_row):
                            o[k] += wa * a[k]
        units_to_rows(units, n_row, some, out, first)


@sum_kernel
def gradient_along_batch(in_lists: InLists, x: U1, silent: B1, scale: Any, delta: Array, gradient: Array) -> None:
    """Weight gradient; delta (R, n_out); four synapses share the load of delta, some targets its turn."""
    in_start, in_length, in_slot, in_row = in_lists
    n_row, n = delta.shape
    units = np.empty(TOGETHER * n_row, dtype=delta.dtype)
    slot = np.empty(4, dtype=np.int64)
    source = np.empty(4, dtype=np.int64)
    zero = delta.dtype.type(0)
    for first in range(0, n, TOGETHER):
        some = min(TOGETHER, n - first)
        rows_to_units(delta, first, units, n_row, some)
        for m in range(some):
            e = units[m * n_row : (m + 1) * n_row]
            held: Int = 4
            q, end = in_start[first + m], in_start[first + m] + in_length[first + m]
            while held == 4:
                q, held = _next_four(q, end, in_slot, in_row, silent, slot, source)
                if held == 4:
                    a, b, c, d = x[source[0]], x[source[1]], x[source[2]], x[source[3]]
                    sa = sb = sc = sd = zero
                    for k in range(n_row):
                        y = e[k]
                        sa += a[k] * y
                        sb += b[k] * y
                        sc += c[k] * y
                        sd += d[k] * y
                    gradient[slot[0]] += scale * sa
                    gradient[slot[1]] += scale * sb
                    gradient[slot[2]] += scale * sc
                    gradient[slot[3]] += scale * sd
                else:
                    for h in range(held):
                        a = x[source[h]]
                        sa = zero
                        for k in range(n_row):
                            sa += a[k] * e[k]
                        gradient[slot[h]] += scale * sa


@sum_kernel
def dot_along_batch(
    row_start: I8, row_length: I4, post: U4, weight: Array, scale: Any, delta: Array, out: Array
) -> None:
    """Input gradient of all sources, ``out[i] += w . delta`` along the batch; out (n_in, R), delta (n_out, R)."""
    n_row = out.shape[1]
    for i in range(out.shape[0]):
        o = out[i]
        s, last = row_start[i], row_start[i] + row_length[i]
        while s + 4 <= last:
            a, b, c, d = delta[post[s]], delta[post[s + 1]], delta[post[s + 2]], delta[post[s + 3]]
            wa, wb, wc, wd = weight[s], weight[s + 1], weight[s + 2], weight[s + 3]
            for k in range(n_row):
                o[k] += scale * ((wa * a[k] + wb * b[k]) + (wc * c[k] + wd * d[k]))
            s += 4
        while s < last:
            a, wa = delta[post[s]], weight[s]
            for k in range(n_row):
                o[k] += scale * wa * a[k]
            s += 1
