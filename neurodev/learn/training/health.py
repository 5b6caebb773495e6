"""Is anybody firing?  Layers that would be silent are scaled up before training, and named when they fall silent later.

A spiking layer without spikes passes no signal and, once its potentials leave the window of the surrogate, no gradient:
training then changes nothing, without any error.  `calibrate` runs one batch layer by layer and multiplies
the weights of a layer (by 1.25 at a time) until its neurons fire at `rate` and every output unit has been near
threshold (or, where that is not to be had on one batch, as many as can be); it never scales down, and it scales
weights only, so the function of an active network is untouched.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from neurodev.errors import ParameterError
from neurodev.learn.core.layer import Group, Layer, Signal, Weights
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.model import Recurrent, Residual, Sequential

STEP = 1.25
TRIES = 24


def _near(neurons: Layer, y: Spikes) -> np.ndarray:
    """Share of (row, sample) at which each unit was in the window of the surrogate."""
    if y.window is None:
        return np.ones(y.n)
    return np.bincount(y.window.index[: y.window.n], minlength=y.n) / y.n_row


def _within_reach(neurons: Layer, y: Spikes) -> int:
    """Number of units that have been in the window."""
    return int(np.count_nonzero(_near(neurons, y)))


def _active(neurons: Layer, y: Spikes, rate: float, last: bool) -> bool:
    if last:
        return bool(np.all(_near(neurons, y) > 0))
    return y.rate >= rate


def calibrate(model: Sequential, x: Signal, *, rate: float = 0.02, given: Collection[str] = ()) -> dict[str, float]:
    """Scale up the weights of layers that would be silent on the batch `x`; returns the factor of each layer.

    Parameters
    ----------
    rate : float
        Least share of spikes per unit and step of a hidden layer.
    given : collection of str
        Names of weight tensors that are left as they are, whoever is silent.

    Raises
    ------
    ParameterError
        Naming a layer that stays silent whatever its weights (the input is empty), or is reached by what is no number.
    """
    factors: dict[str, float] = {}
    parts = model.parts()
    weighted: list[tuple[Layer, Signal]] = []
    left = {id(w) for name, w in model.weights_of().items() if name in given}
    for k, layer in enumerate(parts):
        if layer.neuronal and layer.gives == "spikes" and isinstance(x, Current):
            if not np.isfinite(x.value).all():
                before = f"layer {parts[k - 1].name!r} or the input" if k else "the input"
                raise ParameterError(f"what reaches layer {layer.name!r} is not finite: look at {before}")
            y, _ = layer.through(x)
            if weighted and id(weighted[-1][0].parameters.get("weight")) in left:
                x = y
                continue
            last = not any(_has_weights(p) or isinstance(p, Group) for p in parts[k + 1 :])
            factor, best = 1.0, (_within_reach(layer, y), 1.0)
            while weighted and not _active(layer, y, rate, last) and factor < STEP**TRIES:
                factor *= STEP
                y, _ = layer.through(x.like(x.value * x.value.dtype.type(factor)))
                if last and _within_reach(layer, y) > best[0]:
                    best = (_within_reach(layer, y), factor)
            if last and weighted and not _active(layer, y, rate, last):
                factor = best[1]  # few samples: some outputs never come near; far above threshold none would learn
            if y.rate == 0 and not last:
                raise ParameterError(
                    f"layer {layer.name!r} is silent whatever its weights: is the input empty, or its scale wrong?"
                )
            if factor > 1:
                owner = weighted[-1][0]
                _scale(owner, factor)
                factors[owner.name] = factor
                y, _ = layer.through(x.like(x.value * x.value.dtype.type(factor)))
            x = y
        else:
            if isinstance(layer, Dendritic):
                weighted.append((layer.drive, x))  # the gated current is in proportion to the drive
            elif _has_weights(layer):
                weighted.append((layer, x))
            x, _ = layer.through(x)
    _clear(model)
    return factors


def _has_weights(layer: Layer) -> bool:
    inside = [layer] if not isinstance(layer, (Residual, Recurrent, Sequential)) else []
    return any(isinstance(p, Weights) for one in inside for p in one.parameters.values())


def _scale(layer: Layer, factor: float) -> None:
    for name, p in layer.parameters.items():
        if isinstance(p, Weights) and name == "weight":
            p.table.weight *= p.table.weight.dtype.type(factor)
            if p.hidden:
                theta = p.table.column("theta")
                theta *= factor


def _clear(model: Sequential) -> None:
    for layer in model.layers():
        layer.counters.clear()
