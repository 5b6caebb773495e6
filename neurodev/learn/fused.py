"""Neurons and the average pooling behind them in one pass, over the pixels that can have spiked at all.

`Sequential` runs a LIF followed by a 2 x 2 average this way: the spikes themselves are never written, and neither is
the gradient that pooling spreads over them, which saves most of the traffic with memory.  Further, a convolution
without bias knows for each sample and line of its output the *span* of pixels that any spike has reached: outside of
it potentials stay exactly 0, out of reach of a window that is open at 0, and are neither computed nor read.
Results are those of the layers one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.jit import kernel, rule
from neurodev.learn.conv_kernels import codes_of_line
from neurodev.learn.layer import Layer, Pullback, Signal
from neurodev.learn.neurons import IF, LIF
from neurodev.learn.pool import AveragePool2d
from neurodev.learn.spikes import Current, Spikes
from neurodev.learn.surrogate import slope

Array = NDArray[Any]
Spans = NDArray[np.int32]  # (B, lines, 2): first pixel and the one after the last that may differ from zero


@kernel
def find_spans(flags, channels, spans):  # type: ignore[no-untyped-def]
    """Spans of the pixels that ever spike; flags (T, B, H, W * C), looked through from both ends of a line."""
    n = flags.shape[3]
    spans[:, :, 0] = n // channels
    spans[:, :, 1] = 0
    for t in range(flags.shape[0]):
        for b in range(flags.shape[1]):
            for y in range(flags.shape[2]):
                line = flags[t, b, y]
                k, end = 0, spans[b, y, 0] * channels
                while k < end and line[k] == 0:
                    k += 1
                if k == n:
                    continue
                spans[b, y, 0] = k // channels
                k, end = n, spans[b, y, 1] * channels
                while k > end and line[k - 1] == 0:
                    k -= 1
                spans[b, y, 1] = (k + channels - 1) // channels


@kernel
def reach(spans, size, padding, out):  # type: ignore[no-untyped-def]
    """Spans of a convolution's output with stride 1, from those of its input; `out` has its width in [0, 0, 1]."""
    wide = out[0, 0, 1]
    out[:, :, 0] = wide
    out[:, :, 1] = 0
    for b in range(spans.shape[0]):
        for y in range(spans.shape[1]):
            first, after = spans[b, y, 0] + padding - (size - 1), spans[b, y, 1] + padding
            if spans[b, y, 1] <= spans[b, y, 0]:
                continue
            for o in range(max(y + padding - (size - 1), 0), min(y + padding + 1, out.shape[1])):
                out[b, o, 0] = min(out[b, o, 0], max(first, 0))
                out[b, o, 1] = max(out[b, o, 1], min(after, wide))


@rule
def _step(now, before, drive, first, leak, gain, threshold, subtract):  # type: ignore[no-untyped-def]
    """One step of a line of neurons; as `neurons.integrate`."""
    zero = now.dtype.type(0)
    if first:
        for k in range(now.shape[0]):
            now[k] = gain * drive[k]
    elif subtract:
        for k in range(now.shape[0]):
            v = before[k]
            v = v - threshold if v >= threshold else v
            now[k] = leak * v + gain * drive[k]
    else:
        for k in range(now.shape[0]):
            v = before[k]
            v = zero if v >= threshold else v
            now[k] = leak * v + gain * drive[k]


@rule
def _count(up, low, channels, threshold, line, out):  # type: ignore[no-untyped-def]
    """Spikes of two lines of neurons as counts per square of four pixels."""
    zero, one = up.dtype.type(0), up.dtype.type(1)
    for k in range(up.shape[0]):
        line[k] = (one if up[k] >= threshold else zero) + (one if low[k] >= threshold else zero)
    for p in range(out.shape[0] // channels):
        o = out[p * channels : (p + 1) * channels]
        left = line[2 * p * channels : (2 * p + 1) * channels]
        right = line[(2 * p + 1) * channels : (2 * p + 2) * channels]
        for c in range(channels):
            o[c] = np.uint8(left[c] + right[c])


@kernel
def _fire(x, spans, channels, leak, gain, threshold, subtract, line, u, counts):  # type: ignore[no-untyped-def]
    """x, u (T, B, H, W * C); spans (B, H // 2, 2) in pairs of pixels; counts (T, B, H // 2, W // 2 * C), zeroed."""
    for t in range(u.shape[0]):
        for b in range(u.shape[1]):
            for y in range(counts.shape[2]):
                first, after = spans[b, y, 0], spans[b, y, 1]
                if after <= first:
                    continue
                a, e = 2 * first * channels, 2 * after * channels
                for half in range(2):
                    k = 2 * y + half
                    _step(
                        u[t, b, k, a:e], u[max(t - 1, 0), b, k, a:e], x[t, b, k, a:e], t == 0, leak, gain, threshold,
                        subtract,
                    )  # fmt: skip
                out = counts[t, b, y, first * channels : after * channels]
                _count(u[t, b, 2 * y, a:e], u[t, b, 2 * y + 1, a:e], channels, threshold, line, out)


@kernel
def _fire_patterns(  # type: ignore[no-untyped-def]
    flags, response, padding, size, column, code, drive, spans, channels, leak, gain, threshold, subtract, line, u,
    counts
):  # fmt: skip
    """The same with currents that are responses to patterns of spikes; flags (T, B, H, W), see `conv_kernels`."""
    deep = response.shape[1]
    for t in range(u.shape[0]):
        for b in range(u.shape[1]):
            for y in range(counts.shape[2]):
                first, after = spans[b, y, 0], spans[b, y, 1]
                if after <= first:
                    continue
                a, e = 2 * first * channels, 2 * after * channels
                for half in range(2):
                    k = 2 * y + half
                    codes_of_line(flags[t, b], k, size, padding, column, code)
                    for p in range(2 * first, 2 * after):
                        answer = response[code[p]]
                        o = drive[p * channels - a : p * channels - a + deep]
                        for c in range(deep):
                            o[c] = answer[c]
                    _step(
                        u[t, b, k, a:e], u[max(t - 1, 0), b, k, a:e], drive, t == 0, leak, gain, threshold, subtract
                    )  # fmt: skip
                out = counts[t, b, y, first * channels : after * channels]
                _count(u[t, b, 2 * y, a:e], u[t, b, 2 * y + 1, a:e], channels, threshold, line, out)


@kernel
def _near(u, spans, channels, threshold, width, line, near):  # type: ignore[no-untyped-def]
    """Whether any of the four neurons of a pooled pixel is inside the window; shapes as in `_fire`."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    for t in range(u.shape[0]):
        for b in range(u.shape[1]):
            for y in range(near.shape[2]):
                first, after = spans[b, y, 0], spans[b, y, 1]
                if after <= first:
                    continue
                a, e = 2 * first * channels, 2 * after * channels
                up, low = u[t, b, 2 * y, a:e], u[t, b, 2 * y + 1, a:e]
                for k in range(e - a):
                    line[k] = (one if abs(up[k] - threshold) < width else zero) + (
                        one if abs(low[k] - threshold) < width else zero
                    )
                for p in range(after - first):
                    o = near[t, b, y, (first + p) * channels : (first + p + 1) * channels]
                    left = line[2 * p * channels : (2 * p + 1) * channels]
                    right = line[(2 * p + 1) * channels : (2 * p + 2) * channels]
                    for c in range(channels):
                        o[c] = np.uint8(min(left[c] + right[c], one))


@kernel
def _pull(  # type: ignore[no-untyped-def]
    u, g, spans, channels, leak, threshold, subtract, attached, kind, width, height, push, busy, d
):
    """Gradient of the currents from that of the counts; `d` zero outside of the spans.  As `neurons.adjoint`.

    Samples without any gradient, which it marks in `busy` (B,), cost nothing but finding that out.
    """
    zero = u.dtype.type(0)
    hold = u.dtype.type(1) if attached else zero
    n_step = u.shape[0]
    for b in range(u.shape[1]):
        busy[b] = 0
        for t in range(n_step):
            for y in range(g.shape[2]):
                total = zero
                for v in g[t, b, y]:
                    total += abs(v)
                if total != zero:  # also where it is not a number
                    busy[b] = 1
                    break
            if busy[b]:
                break
    for back in range(n_step):
        t = n_step - 1 - back
        for b in range(u.shape[1]):
            if not busy[b]:
                continue
            for y in range(g.shape[2]):
                first, after = spans[b, y, 0], spans[b, y, 1]
                if after <= first:
                    continue
                a, e = 2 * first * channels, 2 * after * channels
                for p in range(after - first):
                    source = g[t, b, y, (first + p) * channels : (first + p + 1) * channels]
                    left = push[2 * p * channels : (2 * p + 1) * channels]
                    right = push[(2 * p + 1) * channels : (2 * p + 2) * channels]
                    for c in range(channels):
                        left[c] = source[c]
                        right[c] = source[c]
                for half in range(2):
                    now, out = u[t, b, 2 * y + half, a:e], d[t, b, 2 * y + half, a:e]
                    later = d[min(t + 1, n_step - 1), b, 2 * y + half, a:e]
                    if back == 0:
                        for k in range(e - a):
                            h = height * slope(kind, now[k] - threshold, width)
                            out[k] = h * push[k] if h != zero else zero
                    elif subtract:
                        for k in range(e - a):
                            carry = leak * later[k]
                            h = height * slope(kind, now[k] - threshold, width)
                            out[k] = carry + (h * (push[k] - hold * carry * threshold) if h != zero else zero)
                    else:
                        for k in range(e - a):
                            v = now[k]
                            carry = leak * later[k]
                            h = height * slope(kind, v - threshold, width)
                            out[k] = (zero if v >= threshold else carry) + (
                                h * (push[k] - hold * carry * v) if h != zero else zero
                            )


class Answers(Current):
    """Currents that are responses to patterns of input spikes: written out only for those who ask for `value`.

    Parameters
    ----------
    make : callable
        Returns the values, (R, n).
    flags : (T, B, H, W) uint8
    response : (2 ** taps, whole vectors)
    size, padding : int
        Of the kernel.
    shape : tuple of int
    """

    def __init__(
        self, make: Callable[[], Array], flags: Array, response: Array, size: int, padding: int, shape: tuple[int, ...]
    ):
        self.make, self.flags, self.response, self.size, self.padding = make, flags, response, size, padding
        self.steps, self.batch = flags.shape[:2]
        self.shape, self.layout, self.wanted = shape, "rows", True

    @cached_property
    def value(self) -> Array:  # type: ignore
        """Values as (R, n)."""
        return self.make()

    @property
    def kind(self) -> type:
        """Type of the values."""
        kind: type = self.response.dtype.type
        return kind


def fits(neurons: Layer, pool: Layer, x: Signal) -> bool:
    """Whether a pair of layers can be run in one pass on this input."""
    return (
        type(neurons) in (LIF, IF)
        and type(pool) is AveragePool2d
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
    known: Spans | None = x.__dict__.get("spans")
    h = neurons.surrogate
    if known is None or not h.compact or h.width > neurons.threshold:
        out[:, :, 1] = x.shape[1] // 2
        return out
    pairs = known.reshape(x.batch, -1, 2, 2)
    out[:, :, 0] = pairs[:, :, :, 0].min(axis=2) // 2
    out[:, :, 1] = (pairs[:, :, :, 1].max(axis=2) + 1) // 2
    return out


def fire_and_pool(neurons: LIF, x: Current) -> tuple[Spikes, Pullback]:
    """What `neurons` followed by a 2 x 2 average returns: counts of four neurons, and the pullback to the currents."""
    kind = x.kind if isinstance(x, Answers) else x.value.dtype.type
    high, wide, channels = x.shape
    spans = _spans(neurons, x)
    leak, gain = (kind(c) for c in neurons.constants())
    theta, h, subtract = kind(neurons.threshold), neurons.surrogate, neurons.reset == "subtract"
    u: Array = np.empty((x.steps, x.batch, high, wide * channels), dtype=kind)
    shape = (x.steps, x.batch, high // 2, wide // 2 * channels)
    n_row = x.steps * x.batch
    counts: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
    line: Array = np.empty(wide * channels, dtype=kind)
    constants = (spans, channels, leak, gain, theta, subtract, line, u, counts)
    if isinstance(x, Answers):
        column = np.empty(x.flags.shape[3] + 2 * x.padding, dtype=np.int32)
        code, drive = np.empty(wide, dtype=np.int32), np.empty(wide * channels + x.response.shape[1], dtype=kind)
        _fire_patterns(x.flags, x.response, x.padding, x.size, column, code, drive, *constants)
    else:
        _fire(x.value.reshape(u.shape), *constants)
    neurons.counters.spikes += int(counts.sum(dtype=np.int64))
    neurons.counters.sites += u.size

    def window() -> NDArray[np.uint8]:
        near = np.zeros(shape, dtype=np.uint8)
        _near(u, spans, channels, theta, kind(h.width), np.empty_like(line), near)
        c = neurons.counters
        c.near, c.looked = c.near + int(np.count_nonzero(near)), c.looked + near.size
        return near.reshape(n_row, -1)

    def pull(dy: Current) -> Current:
        d = np.zeros_like(u)
        push: Array = np.empty(wide * channels, dtype=kind)
        busy: NDArray[np.uint8] = np.empty(x.batch, dtype=np.uint8)
        g: Array = np.ascontiguousarray(dy.by_row, dtype=kind).reshape(shape)
        _pull(
            u, g, spans, channels, leak, theta, subtract, not neurons.detach, h.code, kind(h.width), kind(h.height),
            push, busy, d,
        )  # fmt: skip
        if gain != 1:
            d *= gain
        out = Current(d.reshape(n_row, -1), x.steps, x.batch, x.shape)
        out.__dict__["busy"] = busy
        return out

    y = Spikes(
        counts.reshape(n_row, -1), x.steps, x.batch, (high // 2, wide // 2, channels), scale=0.25,
        window=window if h.compact else None,
    )  # fmt: skip
    y.__dict__["spans"] = spans
    return y, pull
