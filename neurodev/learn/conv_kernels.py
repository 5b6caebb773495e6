"""Products of spikes with convolution kernels: forward, weight gradient, input gradient, event by event.

A spike of channel c at pixel (y, x) adds its kernel, one patch of ``kernel x kernel`` pixels with all output channels
at each, to the currents around it.  Four ways, all reading the rows of the synapse table (row = channel x tap):

=========  =================================================================  =============================
patterns   one channel of input spikes: responses from a table                cost = output pixels
patches    stride 1: a patch is ``kernel`` contiguous runs of a padded image  cost = events x kernel weights
           (runs are rounded up to whole unrolled vectors, over zero weights)
taps       any stride, dense rows: tap by tap                                 the same, shorter loops
synapses   any stride, sparse rows: the living synapses of each tap           cost = events x living synapses
=========  =================================================================  =============================

Names: `start`, `index` events by row of the batch (each unit once, however often it counts); `worth` what a count is
worth; `place` where in the padded image the patch of a unit begins; `pad` that image, of one row of the batch.
"""

from __future__ import annotations

import numpy as np

from neurodev.jit import kernel, rule, sum_kernel

# ---------------------------------------------------------------- events and images


@kernel
def pack(base, row_start, row_length, post, weight, image):  # type: ignore[no-untyped-def]
    """Rows of a table into a flat image; the row of source i begins at ``base[i]``."""
    for i in range(base.shape[0]):
        for s in range(row_start[i], row_start[i] + row_length[i]):
            image[base[i] + np.int64(post[s])] = weight[s]


@kernel
def unpack(base, row_start, row_length, post, image, gradient):  # type: ignore[no-untyped-def]
    """Add a flat image to the rows of a table: the transpose of `pack`."""
    for i in range(base.shape[0]):
        for s in range(row_start[i], row_start[i] + row_length[i]):
            gradient[s] += image[base[i] + np.int64(post[s])]


# ---------------------------------------------------------------- stride 1: patches in a padded image


@sum_kernel
def _add_patches(first, last, index, flags, worth, place, channel, w, size, run, line, pad):  # type: ignore[no-untyped-def]
    """Add the patches of one row's events to `pad`; up to four channels of a pixel share one pass."""
    k = first
    while k < last:
        at = place[index[k]]
        left = 1
        while left < 4 and k + left < last and place[index[k + left]] == at:
            left += 1
        i = index[k]
        a, va = w[channel[i]], worth[flags[i]]
        if left == 4:
            j, m, n = index[k + 1], index[k + 2], index[k + 3]
            b, c, d = w[channel[j]], w[channel[m]], w[channel[n]]
            vb, vc, vd = worth[flags[j]], worth[flags[m]], worth[flags[n]]
            for e in range(size):
                o = pad[at + e * line : at + e * line + run]
                f, g, h, i4 = a[e * run :], b[e * run :], c[e * run :], d[e * run :]
                for q in range(run):
                    o[q] += (va * f[q] + vb * g[q]) + (vc * h[q] + vd * i4[q])
            k += 4
        elif left >= 2:
            j = index[k + 1]
            b, vb = w[channel[j]], worth[flags[j]]
            for e in range(size):
                o = pad[at + e * line : at + e * line + run]
                f, g = a[e * run :], b[e * run :]
                for q in range(run):
                    o[q] += va * f[q] + vb * g[q]
            k += 2
        else:
            for e in range(size):
                o = pad[at + e * line : at + e * line + run]
                f = a[e * run :]
                for q in range(run):
                    o[q] += va * f[q]
            k += 1


@rule
def _take(pad, origin, line, out):  # type: ignore[no-untyped-def]
    """Inner part of `pad` into out (height, width * n_out)."""
    for y in range(out.shape[0]):
        o, p = out[y], pad[origin + y * line : origin + y * line + out.shape[1]]
        for q in range(out.shape[1]):
            o[q] = p[q]


@rule
def _put(pad, origin, line, delta):  # type: ignore[no-untyped-def]
    """The reverse of `_take`; returns whether anything was not zero."""
    most = delta.dtype.type(0)
    for y in range(delta.shape[0]):
        d, p = delta[y], pad[origin + y * line : origin + y * line + delta.shape[1]]
        for q in range(delta.shape[1]):
            p[q] = d[q]
        for q in range(delta.shape[1]):
            most += abs(d[q])
    return most > 0


@kernel
def add_patches(start, index, flags, worth, place, channel, w, shape, pad, out):  # type: ignore[no-untyped-def]
    """Forward.

    `w` (channels, kernel * run), `shape` = (kernel, run, line, origin), `pad` flat, `out` (R, height, width * n_out).
    """
    size, run, line, origin = shape
    for r in range(out.shape[0]):
        pad[:] = 0
        _add_patches(start[r], start[r + 1], index, flags[r], worth, place, channel, w, size, run, line, pad)
        _take(pad, origin, line, out[r])


@sum_kernel
def _gradient_patches(n, where, value, size, run, line, pad, gradient):  # type: ignore[no-untyped-def]
    """Add ``value[k]`` times the patch at ``where[k]`` for k < n to one channel's gradient, four at a time."""
    for e in range(size):
        g = gradient[e * run : (e + 1) * run]
        k = 0
        while k + 4 <= n:
            va, vb, vc, vd = value[k], value[k + 1], value[k + 2], value[k + 3]
            a, b = pad[where[k] + e * line :], pad[where[k + 1] + e * line :]
            c, d = pad[where[k + 2] + e * line :], pad[where[k + 3] + e * line :]
            for q in range(run):
                g[q] += (va * a[q] + vb * b[q]) + (vc * c[q] + vd * d[q])
            k += 4
        while k < n:
            va, a = value[k], pad[where[k] + e * line :]
            for q in range(run):
                g[q] += va * a[q]
            k += 1


@rule
def _by_channel(first, last, index, flags, worth, place, channel, count, where, value):  # type: ignore[no-untyped-def]
    """Counting sort of one row's events by channel: places and worths; afterwards ``count[c]`` is the end of c."""
    count[:] = 0
    for k in range(first, last):
        count[channel[index[k]] + 1] += 1
    for c in range(1, count.shape[0]):
        count[c] += count[c - 1]
    for k in range(first, last):
        i = index[k]
        at = count[channel[i]]
        where[at] = place[i]
        value[at] = worth[flags[i]]
        count[channel[i]] = at + 1


@sum_kernel
def _dot_patches(first, last, index, scale, place, channel, w, size, run, line, pad, patch, dx):  # type: ignore[no-untyped-def]
    """Input gradient of one row where the window asks for it; four channels of a pixel share the load of its patch."""
    zero = pad.dtype.type(0)
    before = np.int64(-1)
    k = first
    while k < last:
        at = np.int64(place[index[k]])
        if at != before:
            before = at
            for e in range(size):
                p, d = patch[e * run : (e + 1) * run], pad[at + e * line : at + e * line + run]
                for q in range(run):
                    p[q] = d[q]
        i = index[k]
        a = w[channel[i]]
        if k + 4 <= last and place[index[k + 3]] == at:
            j, m, n = index[k + 1], index[k + 2], index[k + 3]
            b, c, d = w[channel[j]], w[channel[m]], w[channel[n]]
            sa = sb = sc = sd = zero
            for q in range(patch.shape[0]):
                x = patch[q]
                sa += a[q] * x
                sb += b[q] * x
                sc += c[q] * x
                sd += d[q] * x
            dx[i], dx[j], dx[m], dx[n] = scale * sa, scale * sb, scale * sc, scale * sd
            k += 4
        else:
            sa = zero
            for q in range(patch.shape[0]):
                sa += a[q] * patch[q]
            dx[i] = scale * sa
            k += 1


@sum_kernel
def pull_patches(  # type: ignore[no-untyped-def]
    start, index, near_start, near, flags, worth, place, channel, w, shape, pad, delta, gradient, dx
):
    """Backward: adds to `gradient` (like w), writes `dx` (R, n_in) where (near_start, near) asks for it.

    Rows of the batch without a gradient cost nothing but reading them.  An empty `dx` is left alone.
    """
    size, run, line, origin = shape
    n_event = index.shape[0]
    count = np.zeros(w.shape[0] + 1, dtype=np.int64)
    where = np.empty(min(n_event, flags.shape[1]) + 1, dtype=np.int64)
    value = np.empty(min(n_event, flags.shape[1]) + 1, dtype=w.dtype)
    patch = np.zeros(w.shape[1], dtype=w.dtype)
    for r in range(delta.shape[0]):
        if not _put(pad, origin, line, delta[r]):
            continue
        _by_channel(start[r], start[r + 1], index, flags[r], worth, place, channel, count, where, value)
        begin = np.int64(0)
        for c in range(w.shape[0]):
            end = count[c]
            if end > begin:
                _gradient_patches(end - begin, where[begin:], value[begin:], size, run, line, pad, gradient[c])
            begin = end
        if dx.shape[0]:
            a, b = near_start[r], near_start[r + 1]
            _dot_patches(a, b, near, worth[1], place, channel, w, size, run, line, pad, patch, dx[r])


# ---------------------------------------------------------------- any stride: tap by tap
# `grid` = (height, width, channels, out height, out width, kernel, stride, padding); row of a tap = (c k + i) k + j


@rule
def _unit(i, width, channels):  # type: ignore[no-untyped-def]
    """(y, x, channel) of a unit."""
    pixel = i // channels
    return pixel // width, pixel % width, i % channels


@rule
def _meets(y, tap, stride, padding, n):  # type: ignore[no-untyped-def]
    """The output line that tap `tap` of input line y belongs to, or -1."""
    o = y + padding - tap
    return o // stride if o >= 0 and o % stride == 0 and o // stride < n else -1


@sum_kernel
def add_taps(start, index, flags, worth, grid, w, out):  # type: ignore[no-untyped-def]
    """Forward by dense rows; `w` (channels * taps, n_out), `out` (R, pixels, n_out)."""
    _, width, channels, high, wide, size, stride, padding = grid
    n_out = out.shape[2]
    for r in range(out.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            v = worth[flags[r, index[k]]]
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        o, a = out[r, oy * wide + ox], w[(c * size + i) * size + j]
                        for q in range(n_out):
                            o[q] += v * a[q]


@sum_kernel
def gradient_taps(start, index, flags, worth, grid, delta, gradient):  # type: ignore[no-untyped-def]
    """Weight gradient by dense rows; the transpose of `add_taps`."""
    _, width, channels, high, wide, size, stride, padding = grid
    n_out = delta.shape[2]
    for r in range(delta.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            v = worth[flags[r, index[k]]]
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        d, g = delta[r, oy * wide + ox], gradient[(c * size + i) * size + j]
                        for q in range(n_out):
                            g[q] += v * d[q]


@sum_kernel
def dot_taps(start, index, scale, grid, w, delta, dx):  # type: ignore[no-untyped-def]
    """Input gradient by dense rows where the window (start, index) asks for it."""
    _, width, channels, high, wide, size, stride, padding = grid
    n_out = delta.shape[2]
    zero = w.dtype.type(0)
    for r in range(delta.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            total = zero
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        d, a = delta[r, oy * wide + ox], w[(c * size + i) * size + j]
                        for q in range(n_out):
                            total += d[q] * a[q]
            dx[r, index[k]] = scale * total


# ---------------------------------------------------------------- sparse rows


@kernel
def add_synapses(start, index, flags, worth, grid, row_start, row_length, post, weight, out):  # type: ignore[no-untyped-def]
    """Forward over the living synapses of each tap."""
    _, width, channels, high, wide, size, stride, padding = grid
    for r in range(out.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            v = worth[flags[r, index[k]]]
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        o, row = out[r, oy * wide + ox], (c * size + i) * size + j
                        for s in range(row_start[row], row_start[row] + row_length[row]):
                            o[post[s]] += v * weight[s]


@kernel
def gradient_synapses(start, index, flags, worth, grid, row_start, row_length, post, delta, gradient):  # type: ignore[no-untyped-def]
    """Weight gradient of the living synapses."""
    _, width, channels, high, wide, size, stride, padding = grid
    for r in range(delta.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            v = worth[flags[r, index[k]]]
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        d, row = delta[r, oy * wide + ox], (c * size + i) * size + j
                        for s in range(row_start[row], row_start[row] + row_length[row]):
                            gradient[s] += v * d[post[s]]


@kernel
def dot_synapses(start, index, scale, grid, row_start, row_length, post, weight, delta, dx):  # type: ignore[no-untyped-def]
    """Input gradient through the living synapses, where the window asks for it."""
    _, width, channels, high, wide, size, stride, padding = grid
    zero = weight.dtype.type(0)
    for r in range(delta.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            total = zero
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        d, row = delta[r, oy * wide + ox], (c * size + i) * size + j
                        for s in range(row_start[row], row_start[row] + row_length[row]):
                            total += weight[s] * d[post[s]]
            dx[r, index[k]] = scale * total


# ---------------------------------------------------------------- matrix products


@kernel
def columns(x, grid, out):  # type: ignore[no-untyped-def]
    """The patch under every output pixel: x (R, pixels, channels) -> out (R, out pixels, taps, channels)."""
    height, width, channels, high, wide, size, stride, padding = grid
    for r in range(x.shape[0]):
        for oy in range(high):
            for ox in range(wide):
                for i in range(size):
                    for j in range(size):
                        y, xx = oy * stride + i - padding, ox * stride + j - padding
                        o = out[r, oy * wide + ox, i * size + j]
                        if y < 0 or y >= height or xx < 0 or xx >= width:
                            o[:] = 0
                        else:
                            a = x[r, y * width + xx]
                            for c in range(channels):
                                o[c] = a[c]


@kernel
def add_columns(columns, grid, out):  # type: ignore[no-untyped-def]
    """The transpose of `columns`: adds each patch to the pixels it came from."""
    height, width, channels, high, wide, size, stride, padding = grid
    for r in range(out.shape[0]):
        for oy in range(high):
            for ox in range(wide):
                for i in range(size):
                    for j in range(size):
                        y, xx = oy * stride + i - padding, ox * stride + j - padding
                        if 0 <= y < height and 0 <= xx < width:
                            o, a = out[r, y * width + xx], columns[r, oy * wide + ox, i * size + j]
                            for c in range(channels):
                                o[c] += a[c]


# ---------------------------------------------------------------- one channel of input spikes: tables of patterns
# The spikes under a small kernel form one of a few hundred patterns, each with its response; bit i k + j is tap (i, j).


@rule
def codes_of_line(flags, y, size, padding, column, code):  # type: ignore[no-untyped-def]
    """The pattern above each output pixel of line y; `column` (W + 2 padding) and `code` (wide) are overwritten."""
    column[:] = 0
    for i in range(size):
        line = y + i - padding
        if 0 <= line < flags.shape[0]:
            row, worth = flags[line], np.int32(1 << (i * size))
            inner = column[padding : padding + row.shape[0]]
            for x in range(row.shape[0]):
                inner[x] += worth * np.int32(row[x])
    code[:] = 0
    for j in range(size):
        shifted, worth = column[j : j + code.shape[0]], np.int32(1 << j)
        for x in range(code.shape[0]):
            code[x] += worth * shifted[x]


@kernel
def add_patterns(flags, response, padding, size, n_out, column, code, out):  # type: ignore[no-untyped-def]
    """Forward: flags (R, H, W) of 0 and 1, response (2 ** taps, whole vectors), out flat with a vector to spare.

    A whole vector is copied for each pixel: what is too much is overwritten by the next.
    """
    deep = response.shape[1]
    at = 0
    for r in range(flags.shape[0]):
        for y in range(flags.shape[1] + 2 * padding - size + 1):
            codes_of_line(flags[r], y, size, padding, column, code)
            for x in range(code.shape[0]):
                a, o = response[code[x]], out[at : at + deep]
                for q in range(deep):
                    o[q] = a[q]
                at += n_out


@kernel
def gradient_patterns(flags, padding, size, column, code, busy, delta, gradient):  # type: ignore[no-untyped-def]
    """Weight gradient by pattern: delta (R, high, wide, n_out), gradient (2 ** taps, n_out); nothing for silence.

    Rows of samples that are not `busy` (B,) have no gradient.
    """
    for r in range(delta.shape[0]):
        if not busy[r % busy.shape[0]]:
            continue
        for y in range(delta.shape[1]):
            codes_of_line(flags[r], y, size, padding, column, code)
            for x in range(code.shape[0]):
                if code[x] != 0:
                    g, d = gradient[code[x]], delta[r, y, x]
                    for q in range(d.shape[0]):
                        g[q] += d[q]
