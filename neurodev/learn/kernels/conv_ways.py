"""The ways of a convolution: each returns the currents and their pullback, all the same but for rounding.

`choose` names one by density, rate and stride, from costs that were measured.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from neurodev.arrays import U1, Array, aligned
from neurodev.learn.core.answers import Answers, AnswersGradient, find_spans, reach
from neurodev.learn.core.layer import Pullback, Weights
from neurodev.learn.core.spikes import Current, Events, Spans, Spikes
from neurodev.learn.core.vectors import WIDTH, padded
from neurodev.learn.kernels import conv_planes as kernels
from neurodev.learn.kernels import conv_synapses
from neurodev.learn.kernels.conv_grid import Grid
from neurodev.learn.kernels.rows import unpack
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table

# Measured on the reference machine, AVX2
GEMM_RATE = 0.5
SYNAPSES_DENSITY = 0.02  # measured: .02 with 32 to 128 output channels, .06 with 512
GEMM_BYTES = 16 << 20
PLANES_WORK = 0.4  # numbers that planes go through, over those of matrix products, where both take as long
PLANE_LONG = 160  # numbers of a plane that fill the registers of a sum twice
NOWHERE: U1 = np.zeros((0, 0), dtype=np.uint8)


def choose(density: float, rate: float, stride: int, sparse: bool) -> str:
    """Name of the kernel: ``patches``, ``taps``, ``synapses`` or ``gemm``.

    Parameters
    ----------
    density : float
        Living synapses over pairs.
    rate : float
        Share of non-zero inputs; 1 for currents.
    stride : int
    sparse : bool
        Whether the table holds living synapses only.
    """
    if sparse and density < SYNAPSES_DENSITY and rate < 1:
        return "synapses"
    if rate > GEMM_RATE:
        return "gemm"
    return "patches" if stride == 1 else "taps"


def choose_for(x: Spikes | Current, table: Table, grid: Grid) -> str:
    """Name of the way for an input: ``patterns`` for one channel of spikes under a small kernel, otherwise `choose`."""
    rate = x.rate if isinstance(x, Spikes) else 1.0
    density = table.n_synapse / (table.n_source * table.n_target)
    chosen = choose(density, rate, grid.stride, not isinstance(table, DenseTable))
    return "patterns" if chosen == "patches" and isinstance(x, Spikes) and _few_patterns(x, grid) else chosen


def spans_through(x: Spikes, grid: Grid) -> Spans:
    """For each sample and line of the output, the pixels that any spike has reached (see `core.answers`)."""
    if x.spans is None:
        x.spans = np.empty((x.batch, grid.height, 2), dtype=np.int32)
        find_spans(x.by_row.reshape(x.steps, x.batch, grid.height, -1), grid.channels, x.spans)
    out: Spans = np.empty((x.batch, grid.high, 2), dtype=np.int32)
    out[:, :, 1] = grid.wide
    reach(x.spans, grid.kernel, grid.padding, out)
    return out


def _busy(dy: Current) -> U1:
    """Which samples have a gradient at all, as far as the layer above says."""
    return np.ones(dy.batch, dtype=np.uint8) if dy.busy is None else dy.busy


def _patches(x: Spikes | Current, weights: Weights, grid: Grid) -> tuple[Current, Pullback]:
    """Event by event, by patches of the input (forward) and of the gradient (backward); stride 1."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    worth = x.worth(kind)
    events, flags = x.present, x.by_row
    pixel, place, channel = grid.units
    size = x.n_row * grid.high * grid.wide * grid.n_out
    out = np.empty(size + WIDTH, dtype=kind)
    shape = (grid.height, grid.width, grid.channels, grid.kernel, grid.padding, grid.n_out, grid.deep)
    w = grid.image(table, "under", table.weight).reshape(-1)
    kernels.add_patches(events.start, events.index, flags, worth, pixel, w, shape, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        if not x.wanted:
            near, dx = NOWHERE, np.empty((0, 0), dtype=kind)
        elif x.near is None:
            near, dx = NOWHERE, _push_back(delta, table, grid, worth[1])
        else:
            near, dx = x.near, np.empty((x.n_row, x.n), dtype=kind)
        gradient = grid.image(table, "patches", None).reshape(-1)
        shape = (grid.channels, grid.kernel, grid.run, grid.line, grid.origin)
        kernels.pull_patches(
            (events.start, events.index), near, _busy(dy), flags, worth, (place, channel),
            grid.image(table, "patches", table.weight).reshape(-1), shape, grid.pad(kind),
            delta.reshape(x.n_row, grid.high, -1), gradient, dx[: near.shape[0]],
        )  # fmt: skip
        rows = table.row_start, table.row_length, table.post
        unpack(grid.bases["patches"], *rows, gradient, weights.gradient)
        return Current(dx, x.steps, x.batch, x.shape) if x.wanted else None

    return Current(out[:size].reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def _taps(x: Spikes | Current, weights: Weights, grid: Grid) -> tuple[Current, Pullback]:
    """Event by event, tap by tap."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    worth = x.worth(kind)
    events, flags, numbers = x.present, x.by_row, grid.numbers
    w = grid.image(table, "taps", table.weight)
    out = np.zeros((x.n_row, grid.high * grid.wide, grid.n_out), dtype=kind)
    kernels.through_taps(events.start, events.index, flags, worth, numbers, w, out, True)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        cube, gradient = delta.reshape(out.shape), grid.image(table, "taps", None)
        kernels.through_taps(events.start, events.index, flags, worth, numbers, gradient, cube, False)
        rows = table.row_start, table.row_length, table.post
        unpack(grid.bases["taps"], *rows, gradient.reshape(-1), weights.gradient)
        if not x.wanted:
            return None
        near = x.window
        if near is None:
            return Current(_push_back(delta, table, grid, worth[1]), x.steps, x.batch, x.shape)
        dx = np.zeros((x.n_row, x.n), dtype=kind)
        kernels.dot_taps(near.start, near.index, worth[1], numbers, w, cube, dx)
        return Current(dx, x.steps, x.batch, x.shape)

    return Current(out.reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def _by_channel(table: Table, grid: Grid, line: int, pixel: int, size: int) -> tuple[Array, Array, Array]:
    """(begin, where, slot) of the living synapses of each channel (see `neurodev.learn.kernels.conv_synapses`).

    `line`, `pixel` and `size` are the distances of lines, pixels and output channels in the padded image.
    """
    k = grid.kernel
    i, j = np.divmod(np.arange(k * k), k)
    begin = np.empty(grid.channels + 1, dtype=np.int64)
    where, slot = np.empty(table.n_synapse, dtype=np.uint32), np.empty(table.n_synapse, dtype=np.int64)
    rows, shift = (table.row_start, table.row_length, table.post), (k - 1 - i) * line + (k - 1 - j) * pixel
    conv_synapses.list_by_channel(*rows, shift, size, begin, where, slot)
    return begin, where, slot


def _synapses(x: Spikes | Current, weights: Weights, grid: Grid) -> tuple[Current, Pullback]:
    """Event by event, through the living synapses."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    worth = x.worth(kind)
    events, flags = x.present, x.by_row
    _, place, channel = grid.units
    begin, where, slot = _by_channel(table, grid, grid.line, grid.n_out, 1)
    value = table.weight[slot]
    units, lists, shape = (place, channel), (begin, where, value), (grid.wide, grid.stride, grid.line, grid.origin)
    out = np.empty((x.n_row, grid.high * grid.wide, grid.n_out), dtype=kind)
    conv_synapses.add_synapses(events.start, events.index, flags, worth, units, lists, shape, grid.pad(kind), out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        near = x.window if x.wanted else None
        dx = np.zeros((x.n_row if near is not None else 0, x.n), dtype=kind)
        gradient = np.zeros(slot.size, dtype=kind)
        asked = Events(np.zeros(x.n_row + 1, dtype=np.int64), events.index[:0]) if near is None else near
        conv_synapses.pull_synapses(
            (events.start, events.index), (asked.start, asked.index), flags, _busy(dy), worth, units, lists, shape,
            grid.pad(kind), delta.reshape(out.shape), gradient, dx,
        )  # fmt: skip
        weights.gradient[slot] += gradient
        if not x.wanted:
            return None
        if near is None:
            dx = _push_back(delta, table, grid, worth[1])
        return Current(dx, x.steps, x.batch, x.shape)

    return Current(out.reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def gradient_of_pairs(x: Spikes | Current, dy: Current, grid: Grid, kind: type) -> Array:
    """(channels * taps, n_out): the gradient of every weight, living or not."""
    taps, n_row = grid.kernel**2, x.steps * x.batch
    delta = np.ascontiguousarray(dy.by_row).reshape(n_row, grid.high * grid.wide, grid.n_out)
    if isinstance(x, Spikes):
        out: Array = np.zeros((grid.channels * taps, grid.n_out), dtype=kind)
        worth = x.worth(kind)
        events = x.present
        kernels.through_taps(events.start, events.index, x.by_row, worth, grid.numbers, out, delta, False)
        return out
    total: Array = np.zeros((taps * grid.channels, grid.n_out), dtype=kind)
    patches: Array = np.empty((1, delta.shape[1], taps, grid.channels), dtype=kind)
    image: Array = np.ascontiguousarray(x.by_row, dtype=kind).reshape(n_row, -1, grid.channels)
    for r in range(n_row):
        kernels.columns(image[r : r + 1], grid.numbers, patches)
        total += patches.reshape(-1, taps * grid.channels).T @ delta[r]
    return total.reshape(taps, grid.channels, -1).swapaxes(0, 1).reshape(taps * grid.channels, -1)


def _few_patterns(x: Spikes, grid: Grid) -> bool:
    """Whether input spikes under a kernel form so few patterns that a table of responses pays."""
    return grid.channels == 1 and grid.kernel <= 3 and x.scale == 1.0 and not x.counts and not x.wanted


@cache
def _bits(taps: int) -> Array:
    """(2 ** taps, taps): the bits of each pattern."""
    return np.arange(1 << taps)[:, None] >> np.arange(taps) & 1


def _patterns(x: Spikes | Current, weights: Weights, grid: Grid) -> tuple[Current, Pullback]:
    """One channel of input spikes: each output pixel copies the response to the pattern of spikes under it."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    k, taps = grid.kernel, grid.kernel**2
    bits = _bits(taps).astype(kind)
    deep = grid.deep
    response = aligned((bits.shape[0], deep), kind)
    response[:, : grid.n_out] = bits @ grid.image(table, "taps", table.weight)
    flags = x.by_row.reshape(x.n_row, grid.height, grid.width)
    codes = np.empty((x.n_row, grid.high, grid.width + 2 * grid.padding), dtype=np.uint16)
    kernels.find_patterns(flags, k, grid.padding, codes)

    def make() -> Array:
        size = x.n_row * grid.high * grid.wide * grid.n_out
        flat = np.empty(size + deep, dtype=kind)
        kernels.add_patterns(codes, grid.wide, response, grid.n_out, flat)
        return flat[:size].reshape(x.n_row, -1)

    def pull(dy: Current) -> Current | None:
        if isinstance(dy, AnswersGradient):
            by_pattern = dy.by_pattern[:, : grid.n_out]
        else:
            delta = np.ascontiguousarray(dy.by_row).reshape(x.n_row, grid.high, grid.wide, grid.n_out)
            by_pattern = np.zeros((bits.shape[0], grid.n_out), dtype=kind)
            kernels.gradient_patterns(codes, delta, by_pattern)
        rows = table.row_start, table.row_length, table.post
        unpack(grid.bases["taps"], *rows, (bits.T @ by_pattern).reshape(-1), weights.gradient)
        return None

    shape = (grid.high, grid.wide, grid.n_out)
    return Answers(make, codes, response, x.steps, x.batch, shape), pull


def _some(grid: Grid, kind: type) -> int:
    """Rows of the batch whose patches fill GEMM_BYTES."""
    depth = grid.kernel**2 * grid.channels
    return max(1, GEMM_BYTES // (grid.high * grid.wide * depth * np.dtype(kind).itemsize))


def _push_back(delta: Array, table: Table, grid: Grid, scale: Any) -> Array:
    """Input gradient everywhere, (R, n_in), times `scale`: by planes through living synapses, or as matrix products."""
    work = table.n_synapse / (table.n_source * table.n_target) * grid.plane / (grid.height * grid.width)
    by_planes = not isinstance(table, DenseTable) and work < PLANES_WORK
    dx = (_push_planes if by_planes else _push_products)(delta, table, grid).reshape(delta.shape[0], -1)
    if scale != 1:
        dx *= scale
    return dx


def _push_products(delta: Array, table: Table, grid: Grid) -> Array:
    """As matrix products, some rows of the batch at a time."""
    dx = np.zeros((delta.shape[0], grid.height * grid.width, grid.channels), dtype=delta.dtype)
    w, some = grid.image(table, "gemm", table.weight), _some(grid, delta.dtype.type)
    for a in range(0, dx.shape[0], some):
        back = delta[a : a + some].reshape(-1, grid.n_out) @ w.T
        kernels.add_columns(
            back.reshape(-1, grid.high * grid.wide, grid.kernel**2, grid.channels), grid.numbers, dx[a : a + some]
        )  # fmt: skip
    return dx


def _push_planes(delta: Array, table: Table, grid: Grid) -> Array:
    """Channels first, through the living synapses (see `neurodev.learn.kernels.conv_synapses`)."""
    dx: Array = np.empty((delta.shape[0], grid.height * grid.width, grid.channels), dtype=delta.dtype)
    k, kind, image = grid.kernel, delta.dtype.type, grid.plane
    line = grid.width + k - 1
    group = max(1, min(dx.shape[0], round(PLANE_LONG / image)))
    begin, where, slot = _by_channel(table, grid, line, 1, group * image)
    origin = (k - 1 - grid.padding) * (line + 1)
    shape = (grid.width, grid.wide, grid.stride, line, origin, image, group)
    size = padded((group - 1) * image + grid.height * line)
    planes = aligned((grid.n_out * group * image + padded(k) + WIDTH,), kind)
    sums = aligned((grid.channels * size,), kind)
    conv_synapses.push_planes(
        delta.reshape(dx.shape[0], -1, grid.n_out), begin, where, table.weight[slot], shape, planes, sums, dx
    )  # fmt: skip
    return dx


def _gemm(x: Spikes | Current, weights: Weights, grid: Grid) -> tuple[Current, Pullback]:
    """As matrix products over the patches under the output pixels, some rows of the batch at a time."""
    table, kind = weights.table, weights.table.weight.dtype.type
    w = grid.image(table, "gemm", table.weight)
    n_row, pixels, taps = x.steps * x.batch, grid.high * grid.wide, grid.kernel**2
    depth = taps * grid.channels
    some = _some(grid, kind)
    parts = [slice(a, min(a + some, n_row)) for a in range(0, n_row, some)]
    values = x.dense(kind) if isinstance(x, Spikes) else np.asarray(x.by_row, dtype=kind)
    out = np.empty((n_row, pixels * grid.n_out), dtype=kind)
    scratch = np.empty((min(some, n_row), pixels, taps, grid.channels), dtype=kind)

    def patches(part: slice) -> Array:
        rows = np.ascontiguousarray(values[part])
        block = scratch[: rows.shape[0]]
        kernels.columns(rows.reshape(rows.shape[0], -1, grid.channels), grid.numbers, block)
        return block.reshape(-1, depth)

    for part in parts:
        np.matmul(patches(part), w, out=out[part].reshape(-1, grid.n_out))

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        gradient = grid.image(table, "gemm", None)
        for part in parts:
            gradient += patches(part).T @ delta[part].reshape(-1, grid.n_out)
        unpack(
            grid.bases["gemm"], table.row_start, table.row_length, table.post, gradient.reshape(-1), weights.gradient
        )  # fmt: skip
        if not x.wanted:
            return None
        worth = kind(x.scale if isinstance(x, Spikes) else 1.0)
        return Current(_push_back(delta, table, grid, worth), x.steps, x.batch, x.shape)

    return Current(out, x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


WAYS = {"gemm": _gemm, "patterns": _patterns, "patches": _patches, "taps": _taps, "synapses": _synapses}
