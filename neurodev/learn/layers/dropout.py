"""Dropout whose mask stays the same over the steps of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev import params, rng
from neurodev.arrays import U1, Int
from neurodev.jit import kernel
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Layer, Pullback, Signal, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.structure.table import UidSource


@kernel
def _draw(stream: np.uint64, step: np.uint64, first: Int, share: float, keep: U1) -> None:
    """keep (B, n): 1 with probability 1 - share; a draw depends on (stream, step, sample of the batch, unit) only."""
    n = keep.shape[1]
    for b in range(keep.shape[0]):
        for i in range(n):
            unit = np.uint64((first + b) * n + i)
            keep[b, i] = np.uint8(rng.uniform(stream, unit, step) >= share)


class Dropout(Layer):
    """In training, units are silenced with probability `share`, for all steps of a sample; the rest is scaled up.

    A unit that were dropped anew at each step would only be made noisier; the mask of a sample is
    therefore shared over time (Lee et al. 2020).

    Parameters
    ----------
    share : float
        In [0, 1).
    name : str

    Notes
    -----
    Draws are counter-based: they depend on the seed, the name of the layer, the step of the trainer and the place of
    the sample in the batch, so that neither threads nor the cutting of a batch into pieces change them.  `at` tells the
    layer step and place.

    Examples
    --------
    >>> from neurodev.learn import LIF, Dropout, Linear, Sequential
    >>> model = Sequential(Linear(8), LIF(), Dropout(0.2), Linear(4), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    gives = "same"
    share: float = asked(params.number, low=0, below=1)
    stream: np.uint64 = asked(fixed=DRAWN)
    step: int = asked(params.whole, low=0)
    first: int = asked(params.whole, low=0)

    def __init__(self, share: float = 0.5, name: str = ""):
        super().__init__()
        self.share, self.name = share, name
        self.stream = np.uint64(0)
        self.step = self.first = 0

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Take the stream named after this layer."""
        self.stream = rng.key(seed, "dropout", self.name)

    def at(self, step: int, first: int) -> None:
        """Say which step of training comes next, and the place in the batch of the first sample."""
        self.step, self.first = step, first

    def __call__(self, x: Signal) -> tuple[Signal, Pullback]:
        """What is kept, and its pullback; the signal itself outside of training."""
        expect(self, x)
        if not self.training or self.share == 0:
            return x, lambda dy: dy
        keep = np.empty((x.batch, x.n), dtype=np.uint8)
        _draw(self.stream, np.uint64(self.step), self.first, self.share, keep)
        more = 1.0 / (1.0 - self.share)
        if isinstance(x, Spikes):
            masked = lambda flags: (flags.reshape(x.steps, x.batch, -1) * keep).reshape(flags.shape)
            y: Signal = Spikes.made(
                masked(x.by_row), x.steps, x.batch, x.shape, counts=x.counts, scale=x.scale * more, wanted=x.wanted,
                window=None if x._window is None else lambda: masked(x.near),
            )  # fmt: skip
            factor: Any = keep
        else:
            factor = keep * x.value.dtype.type(more)
            value = (x.by_row.reshape(x.steps, x.batch, -1) * factor).reshape(x.steps * x.batch, -1)
            y = Current(value, x.steps, x.batch, x.shape, wanted=x.wanted)

        def pull(dy: Current) -> Current:
            d = dy.by_row.reshape(x.steps, x.batch, -1) * factor.astype(dy.value.dtype)
            return Current(d.reshape(x.steps * x.batch, -1), x.steps, x.batch, x.shape)

        return y, guarded(self, y, pull)
