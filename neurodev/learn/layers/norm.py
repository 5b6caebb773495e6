"""Batch normalisation of currents over time, batch and space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from neurodev import params
from neurodev.arrays import F8, Array
from neurodev.errors import ParameterError
from neurodev.jit import sum_kernel
from neurodev.learn.core import doors
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Layer, Pullback, Vector, expect, guarded
from neurodev.learn.core.meeting import HALF, Half
from neurodev.learn.core.spikes import Current
from neurodev.structure.table import UidSource

BLOCK = 256


@sum_kernel
def column_sums(a: Array, b: Array, shift: Array, out: F8) -> None:
    """``out[0] = sum of b``, ``out[1] = sum of (a - shift) b`` over rows; a, b (N, C), out (2, C) float64.

    Blocks of rows are summed in the type of `a`, the blocks in float64.
    """
    plain, product = np.empty_like(shift), np.empty_like(shift)
    out[:] = 0
    for first in range(0, a.shape[0], BLOCK):
        plain[:] = 0
        product[:] = 0
        for r in range(first, min(first + BLOCK, a.shape[0])):
            x, y = a[r], b[r]
            for c in range(x.shape[0]):
                plain[c] += y[c]
            for c in range(x.shape[0]):
                product[c] += (x[c] - shift[c]) * y[c]
        for c in range(plain.shape[0]):
            out[0, c] += plain[c]
            out[1, c] += product[c]


@sum_kernel
def column_spread(a: Array, shift: Array, out: F8) -> None:
    """``out[0] = sum of (a - shift)``, ``out[1] = sum of its square``; shapes as in `column_sums`."""
    plain, square = np.empty_like(shift), np.empty_like(shift)
    out[:] = 0
    for first in range(0, a.shape[0], BLOCK):
        plain[:] = 0
        square[:] = 0
        for r in range(first, min(first + BLOCK, a.shape[0])):
            x = a[r]
            for c in range(x.shape[0]):
                y = x[c] - shift[c]
                plain[c] += y
                square[c] += y * y
        for c in range(plain.shape[0]):
            out[0, c] += plain[c]
            out[1, c] += square[c]


@sum_kernel
def scale_shift(x: Array, scale: Array, shift: Array, out: Array) -> None:
    """``out = scale x + shift`` by column; x, out (N, C), the rest (C,)."""
    for r in range(x.shape[0]):
        a, o = x[r], out[r]
        for c in range(a.shape[0]):
            o[c] = scale[c] * a[c] + shift[c]


@sum_kernel
def through_moments(dy: Array, x: Array, by_dy: Array, by_x: Array, shift: Array, out: Array) -> None:
    """``out = by_dy dy + by_x x + shift`` by column; dy, x, out (N, C), the rest (C,)."""
    for r in range(x.shape[0]):
        a, d, o = x[r], dy[r], out[r]
        for c in range(a.shape[0]):
            o[c] = by_dy[c] * d[c] + by_x[c] * a[c] + shift[c]


class BatchNorm(Layer):
    """``y = level (x - mean) / sqrt(var + epsilon) * scale + shift``, per channel.

    Mean and variance are taken over the steps, the samples and the pixels of a batch (Ioffe & Szegedy 2015, with time
    as a further axis); outside of training, running means are used.  With a `threshold` it is the threshold-dependent
    form (tdBN, Zheng et al. 2021): ``level = alpha * threshold``.

    Parameters
    ----------
    threshold : float, optional
        Of the neurons that follow.  None: level 1.
    alpha : float
        1; 1/sqrt(2) for the branches of a residual block in the published form.
    momentum : float
        Weight of a batch in the running means.
    epsilon : float
    name : str

    Notes
    -----
    Samples of a batch influence each other: the halves of a batch bring their sums together (`core.meeting`).

    A batch with a single value a channel (the last sample of an epoch, one step, a vector) has no variance: it is
    normalised by the running means, as outside of training, and leaves them as they are.

    Examples
    --------
    >>> from neurodev.learn import LIF, BatchNorm, Conv2d, Sequential
    >>> model = Sequential(Conv2d(3), BatchNorm(), LIF(), inputs=(8, 8, 1), seed=1)
    >>> model.outputs
    (8, 8, 3)
    """

    coupled = meets = True
    takes = gives = "currents"
    level: float = asked(doors.divisor)
    momentum: float = asked(params.number, above=0, high=1)
    epsilon: float = asked(doors.divisor)
    channels: int = asked(fixed=DRAWN)
    mean: Array = asked(fixed="write into it: norm.mean[...] = values")
    variance: Array = asked(fixed="write into it: norm.variance[...] = values")

    def __init__(
        self,
        threshold: float | None = None,
        *,
        alpha: float = 1.0,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        name: str = "",
    ):
        super().__init__()
        level = 1.0 if threshold is None else params.number(threshold, "threshold", above=0)
        self.level = params.number(alpha, "alpha", above=0) * level
        self.momentum, self.epsilon, self.name = momentum, epsilon, name
        self.channels = 0
        self.mean, self.variance = np.zeros(0), np.zeros(0)

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same; fixes the number of channels."""
        if self.channels not in (0, shape[-1]):
            raise ParameterError(f"{self.name or 'BatchNorm'} takes {self.channels} channels, got {shape[-1]}")
        self.channels = shape[-1]
        return shape

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Scale 1, shift 0, running mean 0 and variance 1."""
        self.parameters["scale"] = Vector(np.ones(self.channels, dtype=kind))
        self.parameters["shift"] = Vector(np.zeros(self.channels, dtype=kind))
        vars(self).update(mean=np.zeros(self.channels), variance=np.ones(self.channels))

    def given(self) -> dict[str, Any]:
        """The arguments that make a norm of this level."""
        return {"alpha": self.level, "momentum": self.momentum, "epsilon": self.epsilon, "name": self.name}

    def buffers(self) -> dict[str, Array]:
        """What a checkpoint must keep beside the parameters."""
        return {"mean": self.mean, "variance": self.variance}

    def _moments(self, x: Array, near: Array, n: int, half: Half) -> tuple[Array, Array]:
        """Mean and variance of the columns, of `n` rows in both halves, in two passes, so that nothing cancels; `near`
        is a row."""
        sums, who = np.empty((2, self.channels)), f"the norm {self.name!r}"
        column_spread(x, near, sums)
        centre = (near + half.sum(f"{who}, sums", sums[0].copy()) / n).astype(x.dtype)
        column_spread(x, centre, sums)
        offset, square = half.sum(f"{who}, squares", sums) / n
        return centre + offset, np.maximum(square - offset**2, 0.0)

    def __call__(self, x: Current) -> tuple[Current, Pullback]:
        """Normalised currents, and their pullback."""
        expect(self, x)
        if x.shape[-1] != self.channels:
            raise ParameterError(f"{self.name or 'BatchNorm'} takes {self.channels} channels, got {x.shape[-1]}")
        values = np.ascontiguousarray(x.by_row).reshape(-1, self.channels)
        kind, half = values.dtype.type, HALF.get() if self.training else Half()
        rows, near = zip(*half.both(f"the norm {self.name!r}, rows", (values.shape[0], values[:1].copy())), strict=True)
        n = sum(rows)
        scale, shift = self.parameters["scale"], self.parameters["shift"]
        assert isinstance(scale, Vector) and isinstance(shift, Vector)
        moving = self.training and n > 1
        if moving:
            mean, variance = self._moments(values, near[0][0], n, half)
            if half.first:
                m, running, spread = self.momentum, self.mean, self.variance
                running += m * (mean - running)
                spread += m * (variance * (n / (n - 1)) - spread)
        else:
            mean, variance = self.mean, self.variance
        inverse = self.level / np.sqrt(variance + self.epsilon)
        by_x = inverse * scale.value
        out = np.empty_like(values)
        scale_shift(values, by_x.astype(kind), (shift.value - by_x * mean).astype(kind), out)

        def pull(dy: Current) -> Current:
            d = np.ascontiguousarray(dy.by_row).reshape(-1, self.channels)
            none, sums = np.zeros(self.channels, dtype=kind), np.empty((2, self.channels))
            column_sums(values, d, mean.astype(kind), sums)
            sums[1] -= (mean - mean.astype(kind)) * sums[0]
            scale.gradient += (inverse * sums[1]).astype(kind)
            shift.gradient += sums[0].astype(kind)
            dx = np.empty_like(values)
            if moving:  # through mean and variance too
                sum_d, sum_xd = half.sum(f"the norm {self.name!r}, backward", sums)
                pushed = -by_x * sum_xd / (n * (variance + self.epsilon))
                rest = -by_x * sum_d / n - pushed * mean
                through_moments(d, values, by_x.astype(kind), pushed.astype(kind), rest.astype(kind), dx)
            else:
                scale_shift(d, by_x.astype(kind), none, dx)
            return Current(dx.reshape(x.steps * x.batch, -1), x.steps, x.batch, x.shape)

        y = Current(out.reshape(x.steps * x.batch, -1), x.steps, x.batch, x.shape)
        return y, guarded(self, y, pull)


def settle(model: Layer, batches: Iterable[Any]) -> None:
    """Take the running means and variances of all batch norms anew, evenly over some batches of input.

    They lag behind a net whose structure has just changed, and where absent synapses acted while they were taken they
    are those of another net.
    """
    norms = [layer for layer in model.layers() if isinstance(layer, BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for layer in model.layers():
        layer.training = isinstance(layer, BatchNorm)
    try:
        for k, x in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1 / k
            model(x)
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        for layer in model.layers():
            layer.counters.clear()
