"""Layers without weights that rearrange space and time: pooling, flattening, repeating.

Pooling spikes keeps them events: an average of 2 x 2 spikes is a count with a quarter of its worth, the largest of
spikes is their OR.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.arrays import U1, Array, Int
from neurodev.errors import ParameterError
from neurodev.jit import kernel
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Layer, Pullback, Signal, expect, guarded
from neurodev.learn.core.spikes import MOST, Current, Spikes

LARGEST = 15  # a byte tells which of size x size pixels was the largest


@kernel
def pool_sum(x: NDArray[Any], size: Int, out: NDArray[Any]) -> None:
    """Sums over size x size pixels: x (R, H, W, C) -> out (R, H // size, W // size, C), bytes or floats."""
    for r in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                o = out[r, y, z]
                o[:] = 0
                for i in range(size):
                    for j in range(size):
                        a = x[r, y * size + i, z * size + j]
                        for c in range(o.shape[0]):
                            o[c] += a[c]


@kernel
def pool_any(x: U1, size: Int, out: U1) -> None:
    """Whether any of size x size flags is set; shapes as in `pool_sum`."""
    for r in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                o = out[r, y, z]
                o[:] = 0
                for i in range(size):
                    for j in range(size):
                        a = x[r, y * size + i, z * size + j]
                        for c in range(o.shape[0]):
                            o[c] |= a[c]


@kernel
def spread(dy: Array, size: Int, scale: Any, dx: Array) -> None:
    """The transpose of `pool_sum` times `scale`: dy as its `out`, dx as its `x`, zeroed before."""
    for r in range(dy.shape[0]):
        for y in range(dy.shape[1]):
            for z in range(dy.shape[2]):
                d = dy[r, y, z]
                for i in range(size):
                    for j in range(size):
                        o = dx[r, y * size + i, z * size + j]
                        for c in range(d.shape[0]):
                            o[c] = scale * d[c]


@kernel
def pool_max(x: NDArray[Any], size: Int, out: NDArray[Any], which: U1) -> None:
    """The largest of size x size values, and which it was, the first of equals; shapes as in `pool_sum`."""
    for r in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                o, w = out[r, y, z], which[r, y, z]
                a = x[r, y * size, z * size]
                for c in range(o.shape[0]):
                    o[c] = a[c]
                    w[c] = 0
                for k in range(1, size * size):
                    a = x[r, y * size + k // size, z * size + k % size]
                    for c in range(o.shape[0]):
                        if a[c] > o[c]:
                            o[c] = a[c]
                            w[c] = np.uint8(k)


@kernel
def pick(x: NDArray[Any], size: Int, which: U1, out: NDArray[Any]) -> None:
    """What `x` holds at the places that `pool_max` chose; shapes as in `pool_sum`."""
    for r in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                o, w = out[r, y, z], which[r, y, z]
                for k in range(size * size):
                    a, here = x[r, y * size + k // size, z * size + k % size], np.uint8(k)
                    for c in range(o.shape[0]):
                        o[c] = a[c] if w[c] == here else o[c]


@kernel
def send(dy: Array, size: Int, which: U1, dx: Array) -> None:
    """The transpose of `pick`: dy as its `out`, dx as its `x`, zeroed before.

    Every place is looked at: as long vectors without a jump, quicker than to go to the places that were chosen.
    """
    zero = dx.dtype.type(0)
    for r in range(dy.shape[0]):
        for y in range(dy.shape[1]):
            for z in range(dy.shape[2]):
                d, w = dy[r, y, z], which[r, y, z]
                for k in range(size * size):
                    o, here = dx[r, y * size + k // size, z * size + k % size], np.uint8(k)
                    for c in range(d.shape[0]):
                        o[c] = d[c] if w[c] == here else zero


def window_of(x: Spikes) -> Array | None:
    """Bytes (R, n) of the window of some spikes; None for everywhere."""
    return x.near


class _Pool(Layer):
    """What the two kinds of pooling share.

    Parameters
    ----------
    size : int
        Height and width of the square that becomes one pixel; squares touch, and what is left at the border is dropped.
    """

    size: int = asked(params.whole, low=1, high=LARGEST, fixed=DRAWN)

    def __init__(self, size: int = 2):
        super().__init__()
        self.size = size

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(height // size, width // size, channels)."""
        if len(shape) != 3 or min(shape[:2]) < self.size:
            raise ParameterError(f"pooling by {self.size} takes an image of at least that size, got {shape}")
        return shape[0] // self.size, shape[1] // self.size, shape[2]

    def _cubes(self, x: Signal) -> tuple[Array, tuple[int, ...]]:
        expect(self, x)
        values = x.by_row
        return values.reshape(values.shape[0], *x.shape), (values.shape[0], *self.out_shape(x.shape))


class AveragePool2d(_Pool):
    """Mean over squares of pixels; parameters as in `MaxPool2d`.

    Spikes become counts with a `scale`, as long as a count is at most 4; else currents.

    Examples
    --------
    >>> from neurodev.learn import LIF, AveragePool2d, Conv2d, Sequential
    >>> model = Sequential(Conv2d(3), LIF(), AveragePool2d(2), inputs=(8, 8, 1), seed=1)
    >>> model.outputs
    (4, 4, 3)
    """

    def kind_after(self, given: str) -> str:
        """Spikes may become either."""
        return given if given == "currents" else "either"

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """Means, and their pullback."""
        cube, shape = self._cubes(x)
        size, share = self.size, 1.0 / self.size**2
        if isinstance(x, Spikes) and x.scale == 1.0 and not x.counts and size * size <= MOST:
            out = np.empty(shape, dtype=np.uint8)
            pool_sum(cube, size, out)

            def window() -> Array:
                near = np.empty(shape, dtype=np.uint8)
                pool_any(np.ascontiguousarray(window_of(x)).reshape(cube.shape), size, near)
                return near.reshape(shape[0], -1)

            y: Signal = Spikes.made(
                out.reshape(shape[0], -1), x.steps, x.batch, shape[1:], counts=size > 1, scale=share, wanted=x.wanted,
                window=None if x._window is None else window,
            )  # fmt: skip
            back = 1.0
        else:
            kind = self.float_type if isinstance(x, Spikes) else x.value.dtype.type
            worth = x.scale * share if isinstance(x, Spikes) else share
            total: Array = np.empty(shape, dtype=kind)
            pool_sum(cube, size, total)
            total *= kind(worth)
            y = Current(total.reshape(shape[0], -1), x.steps, x.batch, shape[1:], wanted=x.wanted)
            back = worth

        def pull(dy: Current) -> Current | None:
            if not x.wanted:
                return None
            d = np.ascontiguousarray(dy.by_row)
            dx = np.zeros(cube.shape, dtype=d.dtype)
            spread(d.reshape(shape), size, d.dtype.type(back), dx)
            return Current(dx.reshape(shape[0], -1), x.steps, x.batch, x.shape)

        return y, guarded(self, y, pull)


class MaxPool2d(_Pool):
    """Largest value of squares of pixels: for spikes their OR.  The gradient goes to the first of the largest.

    Parameters
    ----------
    size : int
        Height and width of the square that becomes one pixel; squares touch, and what is left at the border is dropped.

    Examples
    --------
    >>> from neurodev.learn import LIF, Conv2d, MaxPool2d, Sequential
    >>> model = Sequential(Conv2d(3), LIF(), MaxPool2d(2), inputs=(8, 8, 1), seed=1)
    >>> model.outputs
    (4, 4, 3)
    """

    gives = "same"

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """Largest values, and their pullback."""
        cube, shape = self._cubes(x)
        size = self.size
        out, which = np.empty(shape, dtype=cube.dtype), np.empty(shape, dtype=np.uint8)
        pool_max(cube, size, out, which)
        flat = out.reshape(shape[0], -1)
        if isinstance(x, Spikes):

            def window() -> Array:
                near = np.empty(shape, dtype=np.uint8)
                pick(np.ascontiguousarray(window_of(x)).reshape(cube.shape), size, which, near)
                return near.reshape(shape[0], -1)

            y: Signal = Spikes.made(
                flat, x.steps, x.batch, shape[1:], counts=x.counts, scale=x.scale, wanted=x.wanted,
                window=None if x._window is None else window,
            )  # fmt: skip
        else:
            y = Current(flat, x.steps, x.batch, shape[1:], wanted=x.wanted)

        def pull(dy: Current) -> Current | None:
            if not x.wanted:
                return None
            d = np.ascontiguousarray(dy.by_row)
            dx = np.zeros(cube.shape, dtype=d.dtype)
            send(d.reshape(shape), size, which, dx)
            return Current(dx.reshape(shape[0], -1), x.steps, x.batch, x.shape)

        return y, guarded(self, y, pull)


class Flatten(Layer):
    """Images as plain vectors, pixels in order, channels last.

    Examples
    --------
    >>> from neurodev.learn import LIF, Conv2d, Flatten, Linear, Sequential
    >>> model = Sequential(Conv2d(3), LIF(), Flatten(), Linear(10), inputs=(8, 8, 1), seed=1)
    >>> model.outputs
    (10,)
    """

    gives = "same"

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(number of units,)."""
        return (int(np.prod(shape)),)

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """The same signal in one dimension, and its pullback."""
        expect(self, x)
        y = x.reshaped((x.n,))
        return y, guarded(self, y, lambda dy: dy.reshaped(x.shape))


class Repeat(Layer):
    """The same currents at each of `steps` steps: direct coding, also after layers that need computing only once.

    Parameters
    ----------
    steps : int

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Repeat, Sequential
    >>> model = Sequential(Linear(8), Repeat(4), LIF(), inputs=(6,), seed=1)
    >>> model.outputs
    (8,)
    """

    gives = "currents"  # of what it takes, it says so itself

    steps: int = asked(params.whole, low=1)

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        params.check_memory(4.0 * self.steps, f"Repeat({self.steps})", "lower steps")

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Currents (steps * B, n), and their pullback.

        Raises
        ------
        ParameterError
            If the input has more than one step.
        """
        expect(self, x)
        if x.steps != 1 or not isinstance(x, Current):
            raise ParameterError(f"Repeat takes currents of one step, got a {type(x).__name__} of {x.steps} steps")
        params.check_memory(
            float(self.steps) * x.value.nbytes, f"Repeat({self.steps}) of {x.batch} samples", "lower steps or batch"
        )
        value = np.tile(x.by_row, (self.steps, 1))

        def pull(dy: Current) -> Current | None:
            d = dy.by_row.reshape(self.steps, x.batch, -1).sum(axis=0)
            return Current(d, 1, x.batch, x.shape)

        y = Current(value, self.steps, x.batch, x.shape, wanted=x.wanted)
        return y, guarded(self, y, pull)
