"""Which units of a layer never fire, or fire at nearly every step, while samples are shown.

A layer of which a tenth is dead trains and answers, only worse, and no loss says so; layers that are so as a whole are
named by the training itself (`neurodev.learn.training.alarms`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev.arrays import I8
from neurodev.learn import predicting
from neurodev.learn.core.layer import ALWAYS
from neurodev.runs.training import HEALTH, SATURATED


@dataclass(frozen=True)
class UnitHealth:
    """The units of one layer.

    Attributes
    ----------
    layer : str
    shape : tuple of int
        Of its units.
    silent, saturated : (n,) int64
        Units that never fired, and that fired at more than 90 % of all steps, by their place in the flat layer;
        ``numpy.unravel_index(silent, shape)`` gives rows, columns and channels.
    samples, steps : int
        That they were shown, and steps of a sample.
    """

    layer: str
    shape: tuple[int, ...]
    silent: I8
    saturated: I8
    samples: int
    steps: int

    @property
    def units(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape))

    def __str__(self) -> str:
        of = f"{self.silent.size:,} of {self.units:,} units of {self.layer!r}"
        found = [f"{of} never fired in {self.samples:,} samples"]
        cures = []
        if self.saturated.size:
            found.append(f"{self.saturated.size:,} fired at more than {100 * SATURATED:.0f} % of all steps")
            cures.append(f"too much: {HEALTH['saturated']}")
        if self.silent.size:
            cures.insert(0, f"too little: {HEALTH['silent']}")
        return ", ".join(found) + "".join(f"; {cure}" for cure in cures)


def health(model: Any, X: Any, encoder: Any, batch: Any, seed: Any, channels: Any) -> dict[str, UnitHealth]:
    """The units of every layer of neurons, by the name of the layer; see `Sequential.health`."""
    x, batch, seed = predicting.asked(model, X, batch, seed, channels)
    names = predicting.chosen(model, None, "counts")
    replica = model.replica()
    replica.set_training(False)
    layers = [layer for layer in replica.layers() if layer.name in names]
    for layer in layers:
        layer.watch = lambda _, y: (y.by_row.sum(axis=0, dtype=np.int64), y.by_row.shape[0], y.shape)
        vars(layer)[ALWAYS] = None
    spikes: dict[str, Any] = dict.fromkeys(names, 0)
    shapes: dict[str, tuple[int, ...]] = {}
    rows, steps = dict.fromkeys(names, 0), 1
    for _, signal in predicting.parts(model, x, encoder, batch, seed):
        steps = signal.steps
        replica(predicting.laid_out(signal, tuple(model.inputs)))
        for layer in layers:
            [(count, n, shape)] = layer.watched
            layer.watched = []
            spikes[layer.name] = spikes[layer.name] + count
            rows[layer.name] += n
            shapes[layer.name] = tuple(shape)
    return {
        name: UnitHealth(
            name, shapes[name], np.flatnonzero(spikes[name] == 0),
            np.flatnonzero(spikes[name] > SATURATED * rows[name]), len(x) if hasattr(x, "__len__") else x.batch, steps,
        )
        for name in shapes
    }  # fmt: skip
