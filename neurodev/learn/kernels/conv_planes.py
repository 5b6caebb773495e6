"""Products of spikes with convolution kernels: forward, weight gradient, input gradient, event by event.

A spike of channel c at pixel (y, x) adds its kernel, one patch of ``kernel x kernel`` pixels with all output channels
at each, to the currents around it.  Three ways, all reading the rows of the synapse table (row = channel x tap), beside
those over living synapses only (`neurodev.learn.kernels.conv_synapses`):

=========  =================================================================  =============================
patterns   one channel of input spikes: responses from a table                cost = output pixels
patches    stride 1: forward output pixel by output pixel; backward a patch   cost = events x kernel weights
           is ``kernel`` runs of a padded image of the gradient
taps       any stride, dense rows: tap by tap                                 the same, shorter loops
=========  =================================================================  =============================

Names: `start`, `index` events by row of the batch (each unit once, however often it counts); `worth` what a count is
worth; `pixel`, `channel` of each unit; `place` where in the padded image `pad` the patch of a unit begins.  Sums run in
whole vectors (`neurodev.learn.core.vectors`), over zero weights where the channels do not fill them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import I4, I8, U1, U2, U4, Array, Int
from neurodev.jit import kernel, rule, sum_kernel
from neurodev.learn.core.vectors import WIDTH, add_row, add_rows, copy_row, dot_rows, dot_two_rows

# height, width, channels, out height, out width, kernel, stride, padding
Numbers = tuple[int, int, int, int, int, int, int, int]

# ---------------------------------------------------------------- stride 1: patches


@rule
def _by_pixel(first: Int, last: Int, index: U4, flags: U1, worth: Array, pixel: I4, begin: I8, value: Array) -> None:
    """Where the events of each pixel begin in one row's list (the first at 0), and what each is worth."""
    begin[:] = 0
    for k in range(first, last):
        i = index[k]
        begin[pixel[i] + 1] += 1
        value[k - first] = worth[flags[i]]
    for p in range(1, begin.shape[0]):
        begin[p] += begin[p - 1]


@kernel
def add_patches(
    start: I8, index: U4, flags: U1, worth: Array, pixel: I4, w: Array, shape: tuple[Int, Int, Int, Int, Int, Int,
    Int], out: Array,
) -> None:  # fmt: skip
    """Forward: each output pixel adds up the weights of the events under it, a few runs of the list.

    `w` flat, (kernel, kernel, channels, deep); `shape` = (height, width, channels, kernel, padding, n_out, deep); `out`
    flat, (R, high, wide, n_out) with a vector to spare: rows of w that are padded add zeros to the pixel that follows.
    """
    height, width, channels, size, padding, n_out, deep = shape
    high, wide = height + 2 * padding - size + 1, width + 2 * padding - size + 1
    begin = np.empty(height * width + 1, dtype=np.int64)
    value = np.empty(flags.shape[1], dtype=w.dtype)
    out[: deep - n_out] = 0
    for r in range(start.shape[0] - 1):
        _by_pixel(start[r], start[r + 1], index, flags[r], worth, pixel, begin, value)
        events, row = index[start[r] :], r * high * wide * n_out + deep - n_out
        out[row : row + high * wide * n_out] = 0
        for y in range(high):
            for i in range(max(padding - y, 0), min(size, height + padding - y)):
                line = (y + i - padding) * width
                for x in range(wide):
                    a, e = begin[line + max(x - padding, 0)], begin[line + min(x - padding + size, width)]
                    if e > a:
                        base = (i * size - (line + x - padding)) * channels * deep
                        at = ((r * high + y) * wide + x) * n_out
                        add_rows(deep // WIDTH, out, at, w, base, deep, events, value, a, e)


@rule
def _any(delta: Array) -> bool:
    """Whether one row of the batch has a gradient (also one that is not a number)."""
    for y in range(delta.shape[0]):
        for q in range(delta.shape[1]):
            if delta[y, q] != 0:
                return True
    return False


@rule
def _put(pad: Array, origin: Int, line: Int, delta: Array) -> None:
    """The gradient of one row of the batch, (lines, pixels * n_out), into the inner part of `pad`, flat."""
    for y in range(delta.shape[0]):
        p, d = pad[origin + y * line : origin + y * line + delta.shape[1]], delta[y]
        for q in range(d.shape[0]):
            p[q] = d[q]


@rule
def _by_channel(
    first: Int, last: Int, index: U4, flags: U1, worth: Array, place: I4, channel: I4, count: I8, where: I8, value:
    Array,
) -> None:  # fmt: skip
    """Counting sort of one row's events by channel: places and worths (n_event,); count (channels + 1,).

    Afterwards ``count[c]`` is the end of c."""
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


@rule
def _dot_pixel(n: Int, wanted: I8, scale: Any, patch: Array, w: Array, dx: Array) -> None:
    """Input gradient dx (channels,) of the `n` channels of a pixel that are `wanted`; four share a patch."""
    long = patch.shape[0]
    wanted[n] = wanted[n - 1]
    k = 0
    while k + 3 <= n:
        a, b, c, d = wanted[k], wanted[k + 1], wanted[k + 2], wanted[k + 3]
        p, q, r, s = dot_rows(patch, 0, w, a * long, b * long, c * long, d * long, long)
        dx[a], dx[b], dx[c], dx[d] = scale * p, scale * q, scale * r, scale * s
        k += 4
    if k < n:
        a, b = wanted[k], wanted[k + 1]
        p, q = dot_two_rows(patch, 0, w, a * long, b * long, long)
        dx[a], dx[b] = scale * p, scale * q


@rule
def _dot_patches(
    near: U1, channels: Int, scale: Any, place: I4, w: Array, size: Int, run: Int, line: Int, pad: Array, patch: Array,
    wanted: I8, dx: Array,
) -> None:  # fmt: skip
    """Input gradient dx (n_in,) of one row of the batch where the window `near` (n_in,) asks for it."""
    for p in range(near.shape[0] // channels):
        flags = near[p * channels : (p + 1) * channels]
        n: Int = 0
        for c in range(channels):
            wanted[n] = c
            n += np.int64(flags[c])
        if n == 0:
            continue
        at = np.int64(place[p * channels])
        for e in range(size):
            copy_row(run // WIDTH, patch, e * run, pad, at + e * line)
        _dot_pixel(n, wanted, scale, patch, w, dx[p * channels : (p + 1) * channels])


@kernel
def pull_patches(
    events: tuple[I8, U4], near: U1, busy: U1, flags: U1, worth: Array, units: tuple[I4, I4], w: Array, shape:
    tuple[Int, Int, Int, Int, Int], pad: Array, delta: Array, gradient: Array, dx: Array,
) -> None:  # fmt: skip
    """Backward: adds to `gradient` (flat, like w) and writes `dx` (R, n_in), zero where `near` (R, n_in) is.

    `events` = (start, index); `units` = (place, channel); `w` flat, (channels, kernel, run), each patch as it lies in
    `pad`, the gradient of one row of the batch with zeros around; `shape` = (channels, kernel, run, line, origin).
    Rows of samples that are not `busy` (B,) cost nothing.  An empty `dx` is left alone.
    """
    start, index = events
    place, channel = units
    channels, size, run, line, origin = shape
    count = np.zeros(channels + 1, dtype=np.int64)
    where = np.empty(flags.shape[1], dtype=np.int64)
    value = np.empty(flags.shape[1], dtype=w.dtype)
    wanted = np.zeros(channels + 4, dtype=np.int64)
    patch = np.empty(size * run, dtype=w.dtype)
    for r in range(delta.shape[0]):
        if dx.shape[0]:
            dx[r] = 0
        if not busy[r % busy.shape[0]] or not _any(delta[r]):
            continue
        _put(pad, origin, line, delta[r])
        _by_channel(start[r], start[r + 1], index, flags[r], worth, place, channel, count, where, value)
        begin = np.int64(0)
        for c in range(channels):
            if count[c] > begin:
                for e in range(size):
                    at = (c * size + e) * run
                    add_rows(run // WIDTH, gradient, at, pad, e * line, 1, where, value, begin, count[c])
            begin = count[c]
        if dx.shape[0]:
            _dot_patches(near[r], channels, worth[1], place, w, size, run, line, pad, patch, wanted, dx[r])


# ---------------------------------------------------------------- any stride: tap by tap
# `grid` as `Numbers`; row of a tap = (c k + i) k + j


@rule
def _unit(i: Int, width: Int, channels: Int) -> tuple[Int, Int, Int]:
    """(y, x, channel) of a unit."""
    pixel = i // channels
    return pixel // width, pixel % width, i % channels


@rule
def _meets(y: Int, tap: Int, stride: Int, padding: Int, n: Int) -> Int:
    """The output line that tap `tap` of input line y belongs to, or -1."""
    o = y + padding - tap
    return o // stride if o >= 0 and o % stride == 0 and o // stride < n else -1


@sum_kernel
def through_taps(
    start: I8, index: U4, flags: U1, worth: Array, grid: Numbers, rows: Array, images: Array, forward: bool
) -> None:
    """Each event meets the dense rows of its taps and the output pixels that they reach.

    `forward` adds rows (channels * taps, n_out) to pixels, `images` (R, pixels, n_out): the currents.  Its transpose
    adds pixels, then the gradient of the currents, to rows: the gradient of the weights.
    """
    _, width, channels, high, wide, size, stride, padding = grid
    n_out = images.shape[2]
    for r in range(images.shape[0]):
        for k in range(start[r], start[r + 1]):
            y, x, c = _unit(np.int64(index[k]), width, channels)
            v = worth[flags[r, index[k]]]
            for i in range(size):
                oy = _meets(y, i, stride, padding, high)
                for j in range(size):
                    ox = _meets(x, j, stride, padding, wide)
                    if oy >= 0 and ox >= 0:
                        pixel, row = images[r, oy * wide + ox], rows[(c * size + i) * size + j]
                        if forward:
                            for q in range(n_out):
                                pixel[q] += v * row[q]
                        else:
                            for q in range(n_out):
                                row[q] += v * pixel[q]


@sum_kernel
def dot_taps(start: I8, index: U4, scale: Any, grid: Numbers, w: Array, delta: Array, dx: Array) -> None:
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


# ---------------------------------------------------------------- matrix products


@kernel
def columns(x: Array, grid: Numbers, out: Array) -> None:
    """The patch under every output pixel: x (R, pixels, channels) -> out (R, out pixels, taps, channels)."""
    height, width, channels, high, wide, size, stride, padding = grid
    line = size * channels
    for r in range(x.shape[0]):
        pixels = x[r].reshape(-1)
        for oy in range(high):
            for ox in range(wide):
                left = ox * stride - padding
                inside, patch = left >= 0 and left + size <= width, out[r, oy * wide + ox].reshape(-1)
                for i in range(size):
                    above = oy * stride + i - padding
                    if inside and 0 <= above < height:  # a line of the patch is one piece
                        first = (above * width + left) * channels
                        for c in range(line):
                            patch[i * line + c] = pixels[first + c]
                        continue
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
def add_columns(columns: Array, grid: Numbers, out: Array) -> None:
    """The transpose of `columns`, of the same shapes: adds each patch to the pixels it came from."""
    height, width, channels, high, wide, size, stride, padding = grid
    to, source, line = out.reshape(-1), columns.reshape(-1), size * channels
    for r in range(out.shape[0]):
        for oy in range(high):
            for ox in range(wide):
                left = ox * stride - padding
                first, after = max(-left, 0), min(width - left, size)  # taps inside the image, of each line one piece
                n = (after - first) * channels
                for i in range(size):
                    y = oy * stride + i - padding
                    if n > 0 and 0 <= y < height:
                        at = ((r * height + y) * width + left + first) * channels
                        base = ((r * high + oy) * wide + ox) * size * line + i * line + first * channels
                        add_row(n // WIDTH, to, at, source, base)  # a loop would be tested for overlap each time
                        for c in range(n // WIDTH * WIDTH, n):
                            to[at + c] += source[base + c]


# ---------------------------------------------------------------- one channel of input spikes: tables of patterns
# The spikes under a small kernel form one of a few hundred patterns, each with its response; bit i k + j is tap (i, j).


@kernel
def find_patterns(flags: U1, size: Int, padding: Int, out: U2) -> None:
    """The pattern above each output pixel: flags (R, H, W) of 0 and 1 -> out (R, high, W + 2 padding) uint16.

    Whole images at once, in lines of the padded image: what stands beyond the width of the output means nothing.
    """
    n_row, height, width = flags.shape
    wide, n_code = width + 2 * padding, out.shape[1] * out.shape[2]
    vectors = (n_code + WIDTH - 1) // WIDTH
    pad = np.zeros((height + 2 * padding) * wide + size + WIDTH, dtype=np.float32)
    total = np.empty(vectors * WIDTH, dtype=np.float32)
    tap = np.arange(size * size)
    shift, worth = tap // size * wide + tap % size, (1 << tap).astype(np.float32)
    for r in range(n_row):
        for y in range(height):
            p, f = pad[(y + padding) * wide + padding : (y + padding) * wide + padding + width], flags[r, y]
            for x in range(width):
                p[x] = f[x]
        total[:] = 0
        add_rows(vectors, total, 0, pad, 0, 1, shift, worth, 0, size * size)
        code = out[r].reshape(-1)
        for k in range(n_code):
            code[k] = np.uint16(total[k])


@kernel
def add_patterns(codes: U2, wide: Int, response: Array, n_out: Int, out: Array) -> None:
    """Forward: codes by `find_patterns`, response (2 ** taps, whole vectors), out flat with a vector to spare.

    A whole vector is copied for each pixel: what is too much is overwritten by the next.
    """
    deep = response.shape[1]
    at = 0
    for r in range(codes.shape[0]):
        for y in range(codes.shape[1]):
            for x in range(wide):
                a, o = response[codes[r, y, x]], out[at : at + deep]
                for q in range(deep):
                    o[q] = a[q]
                at += n_out


@kernel
def gradient_patterns(codes: U2, delta: Array, gradient: Array) -> None:
    """Weight gradient by pattern: delta (R, high, wide, n_out), gradient (2 ** taps, n_out); nothing for silence."""
    for r in range(delta.shape[0]):
        for y in range(delta.shape[1]):
            for x in range(delta.shape[2]):
                code = codes[r, y, x]
                if code != 0:
                    g, d = gradient[code], delta[r, y, x]
                    for q in range(d.shape[0]):
                        g[q] += d[q]
