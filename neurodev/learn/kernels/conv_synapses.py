"""Convolutions over living synapses only: event by event in padded images, or in whole vectors by planes.

Every input channel lists its synapses, each with the place that it reaches from the first one of a patch.  The padded
image has zeros around the pixels (and between them, for strides), so that no place needs a test.

*By events*: a spike goes through the synapses of its channel; channels lie last.  Cost = events x synapses a channel.

*By planes*, for input gradients that every unit wants (a surrogate without bounds, as arctan, leaves no events to go
through): channels lie first, and a synapse adds its weight times the shifted plane of its output channel to the plane
of its input channel, a vector of pixels at a time, with sums in registers.  Cost = pixels x synapses.  Small images
lie behind each other, `group` rows of the batch in one plane, to fill the vectors.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I4, I8, U1, U4, Array, Int
from neurodev.jit import kernel, rule
from neurodev.learn.core.vectors import WIDTH, add_rows


@kernel
def list_by_channel(
    row_start: I8,
    row_length: I4,
    post: U4,
    shift: I8,
    size: Int,
    begin: I8,
    where: U4,
    slot: I8,
) -> None:
    """The living synapses of each input channel: the place that each reaches, and its slot in the table.

    Rows of the table go by channel and tap; `shift` (taps,) is the place of a tap, `size` the distance of channels.
    """
    taps, at = shift.shape[0], 0
    for c in range(begin.shape[0] - 1):
        begin[c] = at
        for tap in range(taps):
            row = c * taps + tap
            for s in range(row_start[row], row_start[row] + row_length[row]):
                where[at] = np.uint32(np.int64(post[s]) * size + shift[tap])
                slot[at] = s
                at += 1
    begin[begin.shape[0] - 1] = at


# ---------------------------------------------------------------- event by event
# `shape` = (out width, stride, line of a padded image, its origin); `pad` flat, (lines, columns, n_out)


@kernel
def add_synapses(
    start: I8, index: U4, flags: U1, worth: Array, units: tuple[I4, I4], lists: tuple[I8, U4, Array], shape: tuple[Int,
    Int, Int, Int], pad: Array, out: Array,
) -> None:  # fmt: skip
    """Forward: `out` (R, out pixels, n_out); `units` = (place, channel), `lists` = (begin, where, value)."""
    place, channel = units
    begin, where, value = lists
    wide, stride, line, origin = shape
    n_out = out.shape[2]
    for r in range(out.shape[0]):
        pad[:] = 0
        for k in range(start[r], start[r + 1]):
            i = index[k]
            v, p, c = worth[flags[r, i]], np.int64(place[i]), channel[i]
            for s in range(begin[c], begin[c + 1]):
                pad[p + where[s]] += v * value[s]
        for q in range(out.shape[1]):
            at, o = origin + (q // wide * line + q % wide * n_out) * stride, out[r, q]
            for d in range(n_out):
                o[d] = pad[at + d]


@kernel
def pull_synapses(
    events: tuple[I8, U4], near: tuple[I8, U4], flags: U1, busy: U1, worth: Array, units: tuple[I4, I4], lists:
    tuple[I8, U4, Array], shape: tuple[Int, Int, Int, Int], pad: Array, delta: Array, gradient: Array, dx: Array,
) -> None:  # fmt: skip
    """Backward: adds to `gradient` (n_synapse,) in the order of the lists, and writes `dx` (R, n_in) where of use.

    `events` and `near` = (start, index): the spikes, and the units that can use a gradient; `pad` is zero at the start.
    Samples not `busy` (B,) cost nothing.
    """
    start, index = events
    near_start, near_index = near
    place, channel = units
    begin, where, value = lists
    wide, stride, line, origin = shape
    n_out = delta.shape[2]
    for r in range(delta.shape[0]):
        if not busy[r % busy.shape[0]]:
            continue
        for q in range(delta.shape[1]):
            at, d = origin + (q // wide * line + q % wide * n_out) * stride, delta[r, q]
            for o in range(n_out):
                pad[at + o] = d[o]
        for k in range(start[r], start[r + 1]):
            i = index[k]
            v, p, c = worth[flags[r, i]], np.int64(place[i]), channel[i]
            for s in range(begin[c], begin[c + 1]):
                gradient[s] += v * pad[p + where[s]]
        for k in range(near_start[r], near_start[r + 1]):
            i = near_index[k]
            p, c = np.int64(place[i]), channel[i]
            total = worth[0]
            for s in range(begin[c], begin[c + 1]):
                total += value[s] * pad[p + where[s]]
            dx[r, i] = worth[1] * total


# ---------------------------------------------------------------- by planes


@rule
def _to_planes(delta: Array, wide: Int, stride: Int, first: Int, line: Int, size: Int, planes: Array) -> None:
    """One row of the batch, (pixels, channels), into its place in the planes of all channels."""
    for p in range(delta.shape[0]):
        at, d = first + (p // wide * line + p % wide) * stride, delta[p]
        for o in range(d.shape[0]):
            planes[o * size + at] = d[o]


@rule
def _from_planes(sums: Array, width: Int, line: Int, first: Int, size: Int, dx: Array) -> None:
    """One row of the batch out of the planes of all channels, to (pixels, channels)."""
    for p in range(dx.shape[0]):
        at, x = first + p // width * line + p % width, dx[p]
        for c in range(x.shape[0]):
            x[c] = sums[c * size + at]


@kernel
def push_planes(
    delta: Array, begin: I8, where: U4, value: Array, shape: tuple[Int, Int, Int, Int, Int, Int, Int], planes: Array,
    sums: Array, dx: Array,
) -> None:  # fmt: skip
    """``dx`` (R, pixels, channels) from `delta` (R, out pixels, n_out).

    `shape` = (width, out width, stride, line of a plane, its origin, numbers of one image in it, group); `planes` flat,
    (n_out, group, image) and what vectors read beyond, zero at the start; `sums` flat, (channels, whole vectors).
    """
    width, wide, stride, line, origin, image, group = shape
    channels = dx.shape[2]
    size = sums.shape[0] // channels
    for r in range(0, dx.shape[0], group):
        some = min(group, dx.shape[0] - r)
        for g in range(some):
            _to_planes(delta[r + g], wide, stride, g * image + origin, line, group * image, planes)
        sums[:] = 0
        for c in range(channels):
            add_rows(size // WIDTH, sums, c * size, planes, 0, 1, where, value, begin[c], begin[c + 1])
        for g in range(some):
            _from_planes(sums, width, line, g * image, size, dx[r + g])
