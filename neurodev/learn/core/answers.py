"""What weights tell neurons: answers to patterns of spikes, spans that spikes reach, products that nobody made yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from neurodev.arrays import U1, Array, Int
from neurodev.jit import kernel
from neurodev.learn.core.masks import LANES
from neurodev.learn.core.spikes import Current, Spans


@kernel
def find_spans(flags: U1, channels: Int, spans: Spans) -> None:
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
def reach(spans: Spans, size: Int, padding: Int, out: Spans) -> None:
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


class Lazy(Current):
    """Currents, or their gradient, that are written out only for those who ask for `value`.

    Parameters
    ----------
    make : callable
        Returns the values, (R, n).
    steps, batch, shape
        As of any `Current`.
    """

    def __new__(cls, *words: Any, **named: Any) -> Any:
        """With a value of its own, as `dataclasses.replace` gives it, it is a `Current` like any other."""
        return Current(**named) if "value" in named else object.__new__(cls)

    def __init__(self, make: Callable[[], Array], steps: int, batch: int, shape: tuple[int, ...]):
        self.make, self.steps, self.batch, self.shape = make, steps, batch, shape
        self.layout, self.wanted, self.spans, self.busy = "rows", True, None, None

    @cached_property
    def value(self) -> Array:  # type: ignore
        """Values as (R, n)."""
        return self.make()


class Answers(Lazy):
    """Currents that are responses to patterns of input spikes.

    Parameters
    ----------
    make : callable
    codes : (R, lines, at least pixels of a line) uint16
        The pattern at each pixel; see `kernels.conv_planes.find_patterns`.
    response : (2 ** taps, whole vectors)
    steps, batch, shape
        As of any `Current`.
    """

    def __init__(
        self, make: Callable[[], Array], codes: Array, response: Array, steps: int, batch: int, shape: tuple[int, ...]
    ):
        super().__init__(make, steps, batch, shape)
        self.response = response
        self.lines = codes.reshape(steps, batch, *codes.shape[1:]), response.reshape(-1)

    @property
    def kind(self) -> type:
        """Type of the values."""
        kind: type = self.response.dtype.type
        return kind


class AnswersGradient(Lazy):
    """Gradient of `Answers`: added up by pattern, (2 ** taps, whole vectors) in `by_pattern`."""

    by_pattern: Array


class Product(Lazy):
    """The gradient of spikes that few targets read: what these have to learn, by their weights.

    Parameters
    ----------
    delta : (R, n_few)
    w : (n, n_few)
        As they are now: they are copied.
    steps, batch, shape
        As of any `Current`.
    """

    def __init__(self, delta: Array, w: Array, steps: int, batch: int, shape: tuple[int, ...]):
        super().__init__(self._made, steps, batch, shape)
        self.delta, self.w = delta, w.copy()

    def _made(self) -> Array:
        return np.asarray(self.delta @ self.w.T)

    def by_tile(self, kind: type) -> Array:
        """The weights, sixteen units at a time: (n / 16, n_few, 16)."""
        n, few = self.w.shape
        return np.ascontiguousarray(self.w.reshape(n // LANES, LANES, few).transpose(0, 2, 1), dtype=kind)


def unmade(dy: Current) -> Product | None:
    """A product whose values nobody has asked for, and so nobody has changed."""
    return dy if isinstance(dy, Product) and "value" not in vars(dy) else None
