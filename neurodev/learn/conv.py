"""The convolutional layer: spikes in, currents out, channels last; a synapse is one weight of a kernel.

Its table has a row for every (input channel, tap) and a target for every output channel, so that the structure of
a convolution is pruned, grown and logged like any other.  Row of channel c and tap (i, j): ``(c k + i) k + j``.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.learn import conv_kernels as kernels
from neurodev.learn import conv_synapses, fused
from neurodev.learn.counts import present, rows_per_unit
from neurodev.learn.layer import Pullback, Vector, Weights
from neurodev.learn.linear import Weighted, living_per_source
from neurodev.learn.spikes import Current, Events, Spikes
from neurodev.learn.vectors import LANES, aligned, padded
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table, UidSource

Array = NDArray[Any]

# Measured with tests/benchmarks/train_conv.py, see `choose`
GEMM_RATE = 0.5
SYNAPSES_DENSITY = 0.03  # measured: .02 to .03 with 32 to 128 output channels, .06 with 512
GEMM_BYTES = 16 << 20
PLANES_WORK = 0.4  # numbers that planes go through, over those of matrix products, where both take as long
PLANE_LONG = 160  # numbers of a plane that fill the registers of a sum twice
NOWHERE: NDArray[np.uint8] = np.zeros((0, 0), dtype=np.uint8)


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


class Grid:
    """The arithmetic of pixels of one convolution, and the places of its units in a padded image."""

    def __init__(self, shape: tuple[int, int, int], n_out: int, kernel: int, stride: int, padding: int):
        self.height, self.width, self.channels = shape
        self.n_out, self.kernel, self.stride, self.padding = n_out, kernel, stride, padding
        self.high = (self.height + 2 * padding - kernel) // stride + 1
        self.wide = (self.width + 2 * padding - kernel) // stride + 1
        self.run, self.deep = padded(kernel * n_out), padded(n_out)  # whole vectors, the rest meets zero weights
        self.line = (self.width + kernel - 1) * n_out
        self.origin = (kernel - 1 - padding) * (self.line + n_out)
        self.plane = (self.height + kernel - 1) * (self.width + kernel - 1)  # numbers of a padded image of one channel

    @property
    def numbers(self) -> tuple[int, ...]:
        """For the kernels that go tap by tap."""
        return (
            self.height, self.width, self.channels, self.high, self.wide, self.kernel, self.stride, self.padding,
        )  # fmt: skip

    def pad(self, kind: type) -> Array:
        """An empty padded image; the vectors of the last patch may read beyond its end."""
        return aligned(((self.height + self.kernel - 1) * self.line + self.run,), kind)

    @cached_property
    def units(self) -> NDArray[np.int32]:
        """(pixel, place in the padded image, channel) of every input unit, (3, n_in)."""
        y, x, c = np.indices((self.height, self.width, self.channels)).reshape(3, -1)
        return np.stack((y * self.width + x, y * self.line + x * self.n_out, c)).astype(np.int32)

    def _taps(self, n: int, n_out: int) -> NDArray[np.int64]:
        """(kernel, n): 1 where the tap of an input line falls on an output line."""
        o = np.arange(n)[None] + self.padding - np.arange(self.kernel)[:, None]
        return ((o >= 0) & (o % self.stride == 0) & (o // self.stride < n_out)).astype(np.int64)

    @cached_property
    def lines(self) -> NDArray[np.int64]:
        """Which taps of which input lines fall inside the output, (kernel, height)."""
        return self._taps(self.height, self.high)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """The same of columns, (kernel, width)."""
        return self._taps(self.width, self.wide)

    @cached_property
    def bases(self) -> dict[str, NDArray[np.int64]]:
        """Where each row of the table begins in the image of the weights that a kernel wants."""
        k = self.kernel
        c, i, j = np.indices((self.channels, k, k)).reshape(3, -1)
        scatter = (c * k + k - 1 - i) * self.run + (k - 1 - j) * self.n_out
        taps = np.arange(c.size) * self.n_out
        place = (i * k + j) * self.channels + c
        return {"patches": scatter, "under": place * self.deep, "taps": taps, "gemm": place * self.n_out}

    def image(self, table: Table, chosen: str, column: Array | None) -> Array:
        """Weights in the arrangement of a kernel; `column` None for zeros."""
        k = self.kernel
        shape = {
            "patches": (self.channels, k * self.run),
            "under": (k * k * self.channels, self.deep),
            "taps": (self.channels * k * k, self.n_out),
            "gemm": (k * k * self.channels, self.n_out),
        }[chosen]
        out = aligned(shape, table.weight.dtype.type)
        if column is not None:
            rows = table.row_start, table.row_length, table.post
            kernels.pack(self.bases[chosen], *rows, column, out.reshape(-1))
        return out


class Conv2d(Weighted):
    """``current[y, x] = sum over taps and channels of W spikes (+ bias)``: a cross-correlation, as everywhere.

    Takes (height, width, channels) and returns (out height, out width, n_out).

    Parameters
    ----------
    n_out : int
        Output channels.
    kernel : int
        Height and width of the kernel.
    stride : int
    padding : int, optional
        Zeros around the image, less than `kernel`; ``kernel // 2`` by default.
    bias : bool
    gain : float
        Standard deviation of the initial weights times sqrt(fan in).
    storage : {"dense", "hidden", "sparse"}
    density : float
        Share of living synapses at the start, drawn at random.
    name : str

    Raises
    ------
    ParameterError
        Naming the argument; at building, where the input is not an image or smaller than the kernel.
    """

    def __init__(
        self,
        n_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = False,
        gain: float = 1.0,
        storage: str = "dense",
        density: float = 1.0,
        name: str = "",
    ):
        super().__init__()
        for word, value in (("n_out", n_out), ("kernel", kernel), ("stride", stride)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ParameterError(f"{word} must be a whole number of at least 1, got {value!r}")
        padding = kernel // 2 if padding is None else padding
        if isinstance(padding, bool) or not isinstance(padding, (int, np.integer)) or not 0 <= padding < kernel:
            raise ParameterError(f"padding must be a whole number in [0, kernel = {kernel}), got {padding!r}")
        if not 0 < density <= 1:
            raise ParameterError(f"density must lie in (0, 1], got {density!r}")
        self.n_out, self.kernel, self.stride, self.padding = int(n_out), int(kernel), int(stride), int(padding)
        self.bias, self.gain = bool(bias), float(gain)
        self.storage, self.density, self.name = storage, float(density), name
        self.grid: Grid | None = None

    # ------------------------------------------------------------------ building

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(out height, out width, n_out); fixes the shape of the input."""
        if len(shape) != 3:
            raise ParameterError(f"a convolution takes (height, width, channels), got {shape}")
        if min(shape[0], shape[1]) + 2 * self.padding < self.kernel:
            raise ParameterError(f"an image of {shape[:2]} is smaller than the kernel of {self.kernel}")
        if self.grid is not None and shape[2] != self.grid.channels:
            raise ParameterError(f"{self.name or 'Conv2d'} takes {self.grid.channels} channels, got {shape[2]}")
        self.grid = Grid((shape[0], shape[1], shape[2]), self.n_out, self.kernel, self.stride, self.padding)
        return self.grid.high, self.grid.wide, self.n_out

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Draw the weights; streams are named after the layer."""
        assert self.grid is not None
        self.draw(self.grid.channels * self.kernel**2, seed, uids, kind)

    # ------------------------------------------------------------------ running

    def __call__(self, x: Spikes | Current) -> tuple[Current, Pullback]:
        """Currents (R, pixels * n_out), and their pullback."""
        weights, table = self.weights, self.weights.table
        assert self.grid is not None
        sparse = not isinstance(table, DenseTable)
        rate = x.rate if isinstance(x, Spikes) else 1.0
        chosen = choose(table.n_synapse / (table.n_source * table.n_target), rate, self.stride, sparse)
        if chosen == "patches" and isinstance(x, Spikes) and _few_patterns(x, self.grid):
            chosen = "patterns"
        y, pull_weights = WAYS[chosen](x, weights, self.grid, chosen)
        self._count(x, table, chosen)
        bias = self.parameters.get("bias")
        if isinstance(bias, Vector):
            y.value.reshape(-1, self.n_out)[...] += bias.value
            y = Current(y.value, y.steps, y.batch, y.shape)
        elif chosen != "gemm" and self.stride == 1 and isinstance(x, Spikes):
            y.__dict__["spans"] = spans_through(x, self.grid)
        grid = self.grid

        def pull(dy: Current) -> Current | None:
            if isinstance(bias, Vector):
                bias.gradient += dy.by_row.reshape(-1, self.n_out).sum(axis=0)
            if weights.probe is not None:
                weights.probe += _gradient_of_pairs(x, dy, grid, weights.probe.dtype.type)
            return pull_weights(dy)

        return y, pull

    def _count(self, x: Spikes | Current, table: Table, chosen: str) -> None:
        """Operations: every event reads the synapses of those taps that fall inside the image."""
        c, grid = self.counters, self.grid
        assert grid is not None
        c.kernels[chosen] = c.kernels.get(chosen, 0) + 1
        shape = (grid.height, grid.width, grid.channels)
        if isinstance(x, Spikes):
            events = rows_per_unit(x).reshape(shape)
        else:
            events = np.full(shape, x.steps * x.batch)
        by_line = grid.lines @ events.reshape(grid.height, -1)
        by_tap = grid.columns @ by_line.reshape(-1, grid.width, grid.channels)  # (i, j, c)
        per_tap = by_tap.transpose(2, 0, 1).reshape(-1)
        c.dense += int(per_tap.sum()) * table.n_target
        done = int(per_tap @ living_per_source(table))
        c.operations += done
        c.multiplied += 0 if isinstance(x, Spikes) else done


def spans_through(x: Spikes, grid: Grid) -> fused.Spans:
    """For each sample and line of the output, the pixels that any spike has reached (see `neurodev.learn.fused`)."""
    spans: fused.Spans | None = x.__dict__.get("spans")
    if spans is None:
        spans = np.empty((x.batch, grid.height, 2), dtype=np.int32)
        fused.find_spans(x.by_row.reshape(x.steps, x.batch, grid.height, -1), grid.channels, spans)
        x.__dict__["spans"] = spans
    out: fused.Spans = np.empty((x.batch, grid.high, 2), dtype=np.int32)
    out[:, :, 1] = grid.wide
    fused.reach(spans, grid.kernel, grid.padding, out)
    return out


def _patches(x: Spikes | Current, weights: Weights, grid: Grid, chosen: str) -> tuple[Current, Pullback]:
    """Event by event, by patches of the input (forward) and of the gradient (backward); stride 1."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    worth: Array = (np.arange(256) * x.scale).astype(kind)
    events, flags = present(x), x.by_row
    pixel, place, channel = grid.units
    size = x.n_row * grid.high * grid.wide * grid.n_out
    out = np.empty(size + LANES, dtype=kind)
    shape = (grid.height, grid.width, grid.channels, grid.kernel, grid.padding, grid.n_out, grid.deep)
    w = grid.image(table, "under", table.weight).reshape(-1)
    kernels.add_patches(events.start, events.index, flags, worth, pixel, w, shape, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        if not x.wanted:
            near, dx = NOWHERE, np.empty((0, 0), dtype=kind)
        elif x.near is None:
            near, dx = NOWHERE, _push_back(delta, table, grid) * worth[1]
        else:
            near, dx = x.near, np.empty((x.n_row, x.n), dtype=kind)
        gradient = grid.image(table, "patches", None).reshape(-1)
        busy = dy.__dict__.get("busy", np.ones(x.batch, dtype=np.uint8))
        shape = (grid.channels, grid.kernel, grid.run, grid.line, grid.origin)
        kernels.pull_patches(
            events.start, events.index, near, busy, flags, worth, place, channel,
            grid.image(table, "patches", table.weight).reshape(-1), shape, grid.pad(kind),
            delta.reshape(x.n_row, grid.high, -1), gradient, dx[: near.shape[0]],
        )  # fmt: skip
        rows = table.row_start, table.row_length, table.post
        kernels.unpack(grid.bases["patches"], *rows, gradient, weights.gradient)
        return Current(dx, x.steps, x.batch, x.shape) if x.wanted else None

    return Current(out[:size].reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def _taps(x: Spikes | Current, weights: Weights, grid: Grid, chosen: str) -> tuple[Current, Pullback]:
    """Event by event, tap by tap."""
    assert isinstance(x, Spikes)
    table, kind = weights.table, weights.table.weight.dtype.type
    worth = (np.arange(256) * x.scale).astype(kind)
    events, flags, numbers = present(x), x.by_row, grid.numbers
    w = grid.image(table, chosen, table.weight)
    out = np.zeros((x.n_row, grid.high * grid.wide, grid.n_out), dtype=kind)
    kernels.add_taps(events.start, events.index, flags, worth, numbers, w, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        cube, gradient = delta.reshape(out.shape), grid.image(table, chosen, None)
        kernels.gradient_taps(events.start, events.index, flags, worth, numbers, cube, gradient)
        rows = table.row_start, table.row_length, table.post
        kernels.unpack(grid.bases[chosen], *rows, gradient.reshape(-1), weights.gradient)
        if not x.wanted:
            return None
        near = x.window
        if near is None:
            return Current(_push_back(delta, table, grid) * worth[1], x.steps, x.batch, x.shape)
        dx = np.zeros((x.n_row, x.n), dtype=kind)
        kernels.dot_taps(near.start, near.index, worth[1], numbers, w, cube, dx)
        return Current(dx, x.steps, x.batch, x.shape)

    return Current(out.reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def _by_channel(table: Table, shift: Array, size: int, channels: int) -> tuple[Array, Array, Array]:
    """(begin, where, slot) of the living synapses of each channel (see `neurodev.learn.conv_synapses`)."""
    begin = np.empty(channels + 1, dtype=np.int64)
    where, slot = np.empty(table.n_synapse, dtype=np.uint32), np.empty(table.n_synapse, dtype=np.int64)
    conv_synapses.list_by_channel(
        table.row_start, table.row_length, table.post, shift, size, begin, where, slot
    )  # fmt: skip
    return begin, where, slot


def _synapses(x: Spikes | Current, weights: Weights, grid: Grid, chosen: str) -> tuple[Current, Pullback]:
    """Event by event, through the living synapses."""
    assert isinstance(x, Spikes)
    table, kind, k = weights.table, weights.table.weight.dtype.type, grid.kernel
    worth: Array = (np.arange(256) * x.scale).astype(kind)
    events, flags = present(x), x.by_row
    _, place, channel = grid.units
    i, j = np.divmod(np.arange(k * k), k)
    begin, where, slot = _by_channel(table, (k - 1 - i) * grid.line + (k - 1 - j) * grid.n_out, 1, grid.channels)
    value = table.weight[slot]
    lists = place, channel, begin, where, value, (grid.wide, grid.stride, grid.line, grid.origin)
    out = np.empty((x.n_row, grid.high * grid.wide, grid.n_out), dtype=kind)
    conv_synapses.add_synapses(events.start, events.index, flags, worth, *lists, grid.pad(kind), out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row)
        near = x.window if x.wanted else None
        dx = np.zeros((x.n_row if near is not None else 0, x.n), dtype=kind)
        gradient = np.zeros(slot.size, dtype=kind)
        asked = Events(np.zeros(x.n_row + 1, dtype=np.int64), events.index[:0]) if near is None else near
        conv_synapses.pull_synapses(
            events.start, events.index, asked.start, asked.index, flags, worth, *lists, grid.pad(kind),
            delta.reshape(out.shape), gradient, dx,
        )  # fmt: skip
        weights.gradient[slot] += gradient
        if not x.wanted:
            return None
        if near is None:
            dx = _push_back(delta, table, grid) * worth[1]
        return Current(dx, x.steps, x.batch, x.shape)

    return Current(out.reshape(x.n_row, -1), x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


def _gradient_of_pairs(x: Spikes | Current, dy: Current, grid: Grid, kind: type) -> Array:
    """(channels * taps, n_out): the gradient of every weight, living or not."""
    taps, n_row = grid.kernel**2, x.steps * x.batch
    delta = np.ascontiguousarray(dy.by_row).reshape(n_row, grid.high * grid.wide, grid.n_out)
    if isinstance(x, Spikes):
        out: Array = np.zeros((grid.channels * taps, grid.n_out), dtype=kind)
        worth: Array = (np.arange(256) * x.scale).astype(kind)
        events = present(x)
        kernels.gradient_taps(events.start, events.index, x.by_row, worth, grid.numbers, delta, out)
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
    return grid.channels == 1 and grid.kernel <= 3 and x.scale == 1.0 and not x.wanted


@cache
def _bits(taps: int) -> Array:
    """(2 ** taps, taps): the bits of each pattern."""
    return np.arange(1 << taps)[:, None] >> np.arange(taps) & 1


def _patterns(x: Spikes | Current, weights: Weights, grid: Grid, chosen: str) -> tuple[Current, Pullback]:
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
        if isinstance(dy, fused.AnswersGradient):
            by_pattern = dy.by_pattern[:, : grid.n_out]
        else:
            delta = np.ascontiguousarray(dy.by_row).reshape(x.n_row, grid.high, grid.wide, grid.n_out)
            by_pattern = np.zeros((bits.shape[0], grid.n_out), dtype=kind)
            kernels.gradient_patterns(codes, delta, by_pattern)
        rows = table.row_start, table.row_length, table.post
        kernels.unpack(grid.bases["taps"], *rows, (bits.T @ by_pattern).reshape(-1), weights.gradient)
        return None

    shape = (grid.high, grid.wide, grid.n_out)
    return fused.Answers(make, codes, response, x.steps, x.batch, shape), pull


def _some(grid: Grid, kind: type) -> int:
    """Rows of the batch whose patches fill GEMM_BYTES."""
    depth = grid.kernel**2 * grid.channels
    return max(1, GEMM_BYTES // (grid.high * grid.wide * depth * np.dtype(kind).itemsize))


def _push_back(delta: Array, table: Table, grid: Grid) -> Array:
    """Input gradient everywhere, (R, n_in): by planes through living synapses, or as matrix products."""
    pixels = grid.height * grid.width
    dx = np.zeros((delta.shape[0], pixels, grid.channels), dtype=delta.dtype)
    work = table.n_synapse / (table.n_source * table.n_target) * grid.plane / pixels
    if not isinstance(table, DenseTable) and work < PLANES_WORK:
        _push_planes(delta, table, grid, dx)
    else:
        _push_products(delta, grid.image(table, "gemm", table.weight), grid, dx)
    return dx.reshape(delta.shape[0], -1)


def _push_products(delta: Array, w: Array, grid: Grid, dx: Array) -> None:
    """As matrix products, some rows of the batch at a time; `w` in the arrangement of ``gemm``."""
    some = _some(grid, delta.dtype.type)
    for a in range(0, dx.shape[0], some):
        back = delta[a : a + some].reshape(-1, grid.n_out) @ w.T
        kernels.add_columns(
            back.reshape(-1, grid.high * grid.wide, grid.kernel**2, grid.channels), grid.numbers, dx[a : a + some]
        )  # fmt: skip


def _push_planes(delta: Array, table: Table, grid: Grid, dx: Array) -> None:
    """Channels first, through the living synapses (see `neurodev.learn.plane_kernels`)."""
    k, kind, image = grid.kernel, delta.dtype.type, grid.plane
    line = grid.width + k - 1
    group = max(1, min(dx.shape[0], round(PLANE_LONG / image)))
    i, j = np.divmod(np.arange(k * k), k)
    begin, where, slot = _by_channel(table, (k - 1 - i) * line + k - 1 - j, group * image, grid.channels)
    origin = (k - 1 - grid.padding) * (line + 1)
    shape = (grid.width, grid.wide, grid.stride, line, origin, image, group)
    size = padded((group - 1) * image + grid.height * line)
    planes = aligned((grid.n_out * group * image + padded(k) + LANES,), kind)
    sums = aligned((grid.channels * size,), kind)
    conv_synapses.push_planes(
        delta.reshape(dx.shape[0], -1, grid.n_out), begin, where, table.weight[slot], shape, planes, sums, dx
    )  # fmt: skip


def _gemm(x: Spikes | Current, weights: Weights, grid: Grid, chosen: str) -> tuple[Current, Pullback]:
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
        rows = values[part]
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
        kernels.unpack(
            grid.bases["gemm"], table.row_start, table.row_length, table.post, gradient.reshape(-1), weights.gradient
        )  # fmt: skip
        if not x.wanted:
            return None
        worth = kind(x.scale if isinstance(x, Spikes) else 1.0)
        return Current(_push_back(delta, table, grid) * worth, x.steps, x.batch, x.shape)

    return Current(out, x.steps, x.batch, (grid.high, grid.wide, grid.n_out)), pull


WAYS = {"gemm": _gemm, "patterns": _patterns, "patches": _patches, "taps": _taps, "synapses": _synapses}
