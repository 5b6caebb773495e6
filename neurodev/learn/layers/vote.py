"""Voting readout: several neurons of each class, whose mean is the class's output."""

from __future__ import annotations

import numpy as np

from neurodev import params
from neurodev.errors import ParameterError
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Layer, Pullback, Signal, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes


class Vote(Layer):
    """Mean over groups of `voters` neighbouring neurons: neuron i votes for class ``i // voters``.

    Parameters
    ----------
    voters : int
        Neurons per class (10 in the networks of STDS, Chen et al. 2022).

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Vote
    >>> model = Sequential(Linear(20), LIF(), Vote(10), inputs=(6,), seed=1)
    >>> model.outputs
    (2,)
    """

    gives = "currents"

    voters: int = asked(params.whole, low=1, fixed=DRAWN)

    def __init__(self, voters: int = 10):
        super().__init__()
        self.voters = voters

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(number of classes,)."""
        n = int(np.prod(shape))
        if n % self.voters:
            raise ParameterError(f"{n} neurons cannot vote in groups of {self.voters}")
        return (n // self.voters,)

    def __call__(self, x: Signal) -> tuple[Current, Pullback]:
        """Mean votes (R, n_class), and their pullback."""
        expect(self, x)
        shape = self.out_shape(x.shape)
        values = x.dense(self.float_type) if isinstance(x, Spikes) else x.by_row
        kind = values.dtype.type
        y = values.reshape(values.shape[0], -1, self.voters).mean(axis=2, dtype=kind)
        worth = (x.scale if isinstance(x, Spikes) else 1.0) / self.voters

        def pull(dy: Current) -> Current:
            d = dy.by_row
            return Current(np.repeat(d * d.dtype.type(worth), self.voters, axis=1), x.steps, x.batch, x.shape)

        out = Current(y, x.steps, x.batch, shape)
        return out, guarded(self, out, pull)
