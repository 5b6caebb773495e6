"""Neurons and the average pooling behind them in one pass, over the pixels that can have spiked at all.

`Sequential` runs a LIF followed by a 2 x 2 average this way: the spikes themselves are never written, and neither is
the gradient that pooling spreads over them, which saves most of the traffic with memory.  Further, a convolution
without bias knows for each sample and line of its output the *span* of pixels that any spike has reached: outside of
it potentials stay exactly 0, out of reach of a window that is open at 0, and are neither computed nor read.
Results are those of the layers one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import U1, U2, Array, Int, aligned
from neurodev.jit import kernel, rule
from neurodev.learn.core.answers import Answers, AnswersGradient
from neurodev.learn.core.layer import Layer, Pullback, Signal, guarded
from neurodev.learn.core.spikes import Current, Spans, Spikes
from neurodev.learn.core.vectors import WIDTH, add_row, copy_row, padded
from neurodev.learn.layers.neurons import IF, LIF, Neuron, Slopes, step, step_back
from neurodev.learn.layers.pool import AveragePool2d

# ---------------------------------------------------------------- a line of pooled pixels, step by step
# Scratch holds the four neurons of each pooled pixel as four stretches of `q` numbers (up left, up right, low left, low
# right), with channels padded to whole vectors: what is done to neurons is one long loop, pooling a sum of four.
# Potentials stay in scratch: the backward pass makes them again, which costs less than a way to memory and back.

# first pooled pixel, their number, channels with padding
_Place = tuple[Int, Int, Int]
# potentials by step, currents, a number and a byte a pooled unit; see `_scratch`
_Scratch = tuple[Array, Array, Array, U1]


@rule
def _currents(x: Array, at: Int, wide: Int, channels: Int, place: _Place, drive: Array) -> None:
    """Currents of two lines, which begin at x[at] (x flat) and a line of `wide` numbers later, into scratch."""
    first, n, deep = place
    for corner in range(4):
        source = at + corner // 2 * wide + (2 * first + corner % 2) * channels
        for p in range(n):
            to, base = (corner * n + p) * deep, source + 2 * p * channels
            _spaced(1, channels, channels, x[base:], deep, drive[to:])


@rule
def _answers(code: U2, response: Array, place: _Place, drive: Array) -> None:
    """The same where currents are responses to patterns of spikes, of two lines in `code` (2, pixels)."""
    first, n, deep = place
    for corner in range(4):
        row = code[corner // 2]
        for p in range(n):
            pattern = np.int64(row[2 * (first + p) + corner % 2])
            copy_row(deep // WIDTH, drive, (corner * n + p) * deep, response, pattern * deep)


@rule
def _spaced(n: Int, channels: Int, every: Int, pixels: NDArray[Any], apart: Int, out: NDArray[Any]) -> None:
    """Pixels, flat, that begin at each `every`, put at each `apart`: without the padding of their channels, or with it.

    What is too much of one pixel is overwritten by the next; the padding holds anything.
    """
    deep = max(every, apart)
    whole = n if deep == channels else n - 1 if deep <= 2 * channels else 0
    for p in range(whole):
        copy_row(deep // WIDTH, out, p * apart, pixels, p * every)
    for p in range(whole, n):
        for c in range(channels):
            out[p * apart + c] = pixels[p * every + c]


@rule
def _give_bytes(n: Int, channels: Int, deep: Int, line: Array, bytes_: U1, out: U1) -> Int:
    """Numbers of pooled pixels, (n * deep,), into the bytes of their line of the output; returns their sum."""
    total = np.int64(0)
    for k in range(n * deep):
        bytes_[k] = np.uint8(line[k])
    for k in range(n * deep):
        total += np.int64(bytes_[k])
    _spaced(n, channels, deep, bytes_, channels, out)
    return total


@rule
def _counts(u: Array, channels: Int, place: _Place, threshold: Any, line: Array, bytes_: U1, out: U1) -> Int:
    """Spikes per pooled pixel, bytes (n * channels,), of potentials u (4 * n * deep,); returns how many there are."""
    _, n, deep = place
    q = n * deep
    zero, one = u.dtype.type(0), u.dtype.type(1)
    a, b, c, d = u[:q], u[q : 2 * q], u[2 * q : 3 * q], u[3 * q : 4 * q]
    for k in range(q):
        line[k] = ((one if a[k] >= threshold else zero) + (one if b[k] >= threshold else zero)) + (
            (one if c[k] >= threshold else zero) + (one if d[k] >= threshold else zero)
        )
    return _give_bytes(n, channels, deep, line, bytes_, out)


@rule
def _near(u: Array, channels: Int, place: _Place, threshold: Any, width: Any, line: Array, bytes_: U1, out: U1) -> None:
    """Whether any of the four neurons of a pooled pixel is inside the window; shapes as in `_counts`."""
    _, n, deep = place
    q = n * deep
    zero, one = u.dtype.type(0), u.dtype.type(1)
    a, b, c, d = u[:q], u[q : 2 * q], u[2 * q : 3 * q], u[3 * q : 4 * q]
    for k in range(q):
        nearest = min(
            min(abs(a[k] - threshold), abs(b[k] - threshold)), min(abs(c[k] - threshold), abs(d[k] - threshold))
        )
        line[k] = one if nearest < width else zero
    _give_bytes(n, channels, deep, line, bytes_, out)


@rule
def _adjoint(
    t: Int,
    n_step: Int,
    place: _Place,
    neuron: Neuron,
    slopes: Slopes,
    u: Array,
    push: Array,
    d: Array,
) -> None:
    """Gradient of the currents at step t into d[t % 2], d (2, room); that of step t + 1 is in the other row."""
    q = place[1] * place[2]
    for corner in range(4):
        a, e = corner * q, (corner + 1) * q
        now, out, later = u[t, a:e], d[t % 2, a:e], d[(t + 1) % 2, a:e]
        step_back(now, push[:q], later, out, t == n_step - 1, neuron, slopes)


@rule
def _find_busy(g: Array, busy: U1) -> None:
    """Which samples have any gradient, one that is not a number included; g (T, B, lines, n)."""
    for b in range(busy.shape[0]):
        busy[b] = 0
        for t in range(g.shape[0]):
            for y in range(g.shape[2]):
                for v in g[t, b, y]:
                    if v != 0:
                        busy[b] = 1
                        break
                if busy[b]:
                    break
            if busy[b]:
                break


# ---------------------------------------------------------------- all lines of a batch
# x, d flat, (T, B, H, W * channels); spans (B, H // 2, 2) in pooled pixels; counts, near, g (T, B, H // 2, W // 2 *
# channels), counts and near zeroed, near empty if nobody wants it; `scratch` by `_scratch`


@kernel
def fire(
    x: Array, spans: Spans, channels: Int, deep: Int, neuron: Neuron, width: Any, scratch: _Scratch, counts: U1, near:
    U1,
) -> Int:  # fmt: skip
    """Counts, and the window; returns the number of spikes."""
    u, drive, line, bytes_ = scratch
    n_step, batch, high, wide = counts.shape[0], counts.shape[1], 2 * counts.shape[2], 2 * counts.shape[3]
    total = np.int64(0)
    for b in range(batch):
        for y in range(counts.shape[2]):
            place = (np.int64(spans[b, y, 0]), np.int64(spans[b, y, 1] - spans[b, y, 0]), deep)
            if place[1] <= 0:
                continue
            m, a, e = 4 * place[1] * deep, place[0] * channels, (place[0] + place[1]) * channels
            for t in range(n_step):
                _currents(x, ((t * batch + b) * high + 2 * y) * wide, wide, channels, place, drive)
                now = u[t % 2, :m]
                step(now, u[(t + 1) % 2, :m], drive[:m], t == 0, neuron)
                total += _counts(now, channels, place, neuron[2], line, bytes_, counts[t, b, y, a:e])
                if near.shape[0]:
                    _near(now, channels, place, neuron[2], width, line, bytes_, near[t, b, y, a:e])
    return total


@kernel
def fire_patterns(
    lines: tuple[U2, Array], spans: Spans, channels: Int, deep: Int, neuron: Neuron, width: Any, scratch: _Scratch,
    counts: U1, near: U1,
) -> Int:  # fmt: skip
    """The same with currents that are responses to patterns; `lines` = (codes, flat responses)."""
    codes, response = lines
    u, drive, line, bytes_ = scratch
    total = np.int64(0)
    for b in range(counts.shape[1]):
        for y in range(counts.shape[2]):
            place = (np.int64(spans[b, y, 0]), np.int64(spans[b, y, 1] - spans[b, y, 0]), deep)
            if place[1] <= 0:
                continue
            m, a, e = 4 * place[1] * deep, place[0] * channels, (place[0] + place[1]) * channels
            for t in range(counts.shape[0]):
                _answers(codes[t, b, 2 * y : 2 * y + 2], response, place, drive)
                now = u[t % 2, :m]
                step(now, u[(t + 1) % 2, :m], drive[:m], t == 0, neuron)
                total += _counts(now, channels, place, neuron[2], line, bytes_, counts[t, b, y, a:e])
                if near.shape[0]:
                    _near(now, channels, place, neuron[2], width, line, bytes_, near[t, b, y, a:e])
    return total


@kernel
def pull(
    x: Array, g: Array, spans: Spans, channels: Int, deep: Int, neuron: Neuron, slopes: Slopes, scratch: _Scratch,
    back: Array, busy: U1, d: Array,
) -> None:  # fmt: skip
    """Gradient `d` of the currents from that of the counts; samples without any, marked in `busy` (B,), cost little.

    `back` is scratch for two steps of the gradient.
    """
    u, drive, push, _ = scratch
    n_step, batch, high, wide = g.shape[0], g.shape[1], 2 * g.shape[2], 2 * g.shape[3]
    _find_busy(g, busy)
    for b in range(batch):
        for y in range(g.shape[2]):
            place = (np.int64(spans[b, y, 0]), np.int64(spans[b, y, 1] - spans[b, y, 0]), deep)
            first, n = place[0], place[1] if busy[b] else 0
            m = 4 * n * deep
            for t in range(n_step if n > 0 else 0):
                _currents(x, ((t * batch + b) * high + 2 * y) * wide, wide, channels, place, drive)
                step(u[t, :m], u[max(t - 1, 0), :m], drive[:m], t == 0, neuron)
            for t in range(n_step - 1, -1, -1):
                at = ((t * batch + b) * high + 2 * y) * wide
                d[at : at + 2 * wide] = 0
                if n <= 0:
                    continue
                _spaced(n, channels, channels, g[t, b, y, first * channels :], deep, push)
                _adjoint(t, n_step, place, neuron, slopes, u, push, back)
                for corner in range(4):
                    to = at + corner // 2 * wide + (2 * first + corner % 2) * channels
                    for p in range(n):
                        pixel = back[t % 2, (corner * n + p) * deep :]
                        _spaced(1, channels, deep, pixel, channels, d[to + 2 * p * channels :])


@kernel
def pull_patterns(
    lines: tuple[U2, Array], g: Array, spans: Spans, channels: Int, deep: Int, neuron: Neuron, slopes: Slopes, scratch:
    _Scratch, back: Array, busy: U1, gradient: Array,
) -> None:  # fmt: skip
    """The same for responses to patterns: adds to their `gradient`, flat (2 ** taps, deep)."""
    codes, response = lines
    u, drive, push, _ = scratch
    n_step = g.shape[0]
    flat = back.reshape(-1)
    _find_busy(g, busy)
    for b in range(g.shape[1]):
        for y in range(g.shape[2]):
            place = (np.int64(spans[b, y, 0]), np.int64(spans[b, y, 1] - spans[b, y, 0]), deep)
            first, n = place[0], place[1]
            if not busy[b] or n <= 0:
                continue
            m = 4 * n * deep
            for t in range(n_step):
                _answers(codes[t, b, 2 * y : 2 * y + 2], response, place, drive)
                step(u[t, :m], u[max(t - 1, 0), :m], drive[:m], t == 0, neuron)
            for t in range(n_step - 1, -1, -1):
                _spaced(n, channels, channels, g[t, b, y, first * channels :], deep, push)
                _adjoint(t, n_step, place, neuron, slopes, u, push, back)
                for corner in range(4):
                    for p in range(n):
                        pattern = np.int64(codes[t, b, 2 * y + corner // 2, 2 * (first + p) + corner % 2])
                        source = t % 2 * back.shape[1] + (corner * n + p) * deep
                        add_row(deep // WIDTH, gradient, pattern * deep, flat, source)


def fits(neurons: Layer, pool: Layer, x: Signal) -> bool:
    """Whether a pair of layers can be run in one pass on this input."""
    return (
        isinstance(neurons, LIF)
        and type(neurons) in (LIF, IF)
        and type(pool) is AveragePool2d
        and not neurons.surrogate.own
        and pool.size == 2
        and neurons.watch is None
        and pool.watch is None
        and isinstance(x, Current)
        and x.layout == "rows"
        and len(x.shape) == 3
        and x.shape[0] % 2 == x.shape[1] % 2 == 0
    )


def _spans(neurons: LIF, x: Current) -> Spans:
    """Spans of pooled pixels, (B, H // 2, 2)."""
    out: Spans = np.zeros((x.batch, x.shape[0] // 2, 2), dtype=np.int32)
    h = neurons.surrogate
    if x.spans is None or not h.compact or h.width > neurons.threshold:
        out[:, :, 1] = x.shape[1] // 2
        return out
    pairs = x.spans.reshape(x.batch, -1, 2, 2)
    out[:, :, 0] = pairs[:, :, :, 0].min(axis=2) // 2
    out[:, :, 1] = (pairs[:, :, :, 1].max(axis=2) + 1) // 2
    return out


def _scratch(n_step: int, n: int, kind: type) -> _Scratch:
    """Potentials of `n_step` steps, currents, a number and a byte a pooled unit; n pooled units with padding."""
    u: Array = np.empty((n_step, 4 * n), dtype=kind)
    drive: Array = np.zeros(4 * n, dtype=kind)
    line: Array = np.empty(n, dtype=kind)
    return u, drive, line, np.empty(n, dtype=np.uint8)


def fire_and_pool(neurons: LIF, x: Current) -> tuple[Spikes, Pullback]:
    """What `neurons` followed by a 2 x 2 average returns: counts of four neurons, and the pullback to the currents."""
    kind = x.kind if isinstance(x, Answers) else x.value.dtype.type
    high, wide, channels = x.shape
    deep, n_row = padded(channels), x.steps * x.batch
    leak, gain = (kind(c) for c in neurons.constants())
    theta, h = kind(neurons.threshold), neurons.surrogate
    neuron, spans = (leak, gain, theta, neurons.reset == "subtract"), _spans(neurons, x)
    shape = (x.steps, x.batch, high // 2, wide // 2 * channels)
    nothing: U1 = np.empty((0, 0, 0, 0), dtype=np.uint8)

    def run(near: U1) -> tuple[U1, int]:
        counts: U1 = np.zeros(shape, dtype=np.uint8)
        rest = spans, channels, deep, neuron, kind(h.width), _scratch(2, wide // 2 * deep, kind), counts, near
        n = fire_patterns(x.lines, *rest) if isinstance(x, Answers) else fire(x.value.reshape(-1), *rest)
        return counts, int(n)

    ready = np.zeros(shape, dtype=np.uint8) if h.compact and neurons.training else nothing
    counts, n_spike = run(ready)
    neurons.counters.spikes += n_spike
    neurons.counters.sites += n_row * high * wide * channels

    def window() -> U1:
        near = ready
        if not ready.size:
            near = np.zeros(shape, dtype=np.uint8)
            run(near)
        c = neurons.counters
        c.near, c.looked = c.near + int(np.count_nonzero(near)), c.looked + near.size
        return near.reshape(n_row, -1)

    def pull_back(dy: Current) -> Current:
        busy: U1 = np.empty(x.batch, dtype=np.uint8)
        g: Array = np.ascontiguousarray(dy.by_row, dtype=kind).reshape(shape)
        scratch, back = _scratch(x.steps, wide // 2 * deep, kind), aligned((2, 2 * wide * deep), kind)
        rest = g, spans, channels, deep, neuron, neurons.slopes(kind), scratch, back, busy

        def make() -> Array:
            d: Array = np.empty(n_row * high * wide * channels, dtype=kind)
            pull(x.value.reshape(-1), *rest, d)
            if gain != 1:
                d *= gain
            return d.reshape(n_row, -1)

        if isinstance(x, Answers):
            out = AnswersGradient(make, x.steps, x.batch, x.shape)
            out.by_pattern = aligned(x.response.shape, kind)
            pull_patterns(x.lines, *rest, out.by_pattern.reshape(-1))
            out.by_pattern *= gain
            return out
        return Current(make(), x.steps, x.batch, x.shape, busy=busy)

    y = Spikes.made(
        counts.reshape(n_row, -1), x.steps, x.batch, (high // 2, wide // 2, channels), counts=True, scale=0.25,
        window=window if h.compact else None, spans=spans,
    )  # fmt: skip
    return y, guarded(neurons, y, pull_back)
