"""Initial weights that leave a layer neither silent nor in frenzy: a silent neuron has no exact gradient at all."""

from __future__ import annotations

import numpy as np

from neurodev import params
from neurodev.data.dataset import SpikeTrains
from neurodev.errors import ParameterError
from neurodev.learn.eventprop.layer import EventLayer

SMALLEST, LARGEST = 1e-3, 1e3  # factors that are tried
TRIES = 60


def calibrate(layer: EventLayer, spikes: SpikeTrains, rate: float = 0.7, *, tolerance: float = 0.1) -> float:
    """Scale the input weights until a neuron fires `rate` times a trial on average.

    Parameters
    ----------
    layer : EventLayer
    spikes : SpikeTrains
        A batch of real input.
    rate : float
        Spikes a neuron and trial.
    tolerance : float
        Relative deviation that is good enough.

    Returns
    -------
    float
        The factor by which the weights were multiplied.

    Raises
    ------
    ParameterError
        If no factor between 1/1000 and 1000 gives such a rate (for example with inhibition only).
    """
    rate, tolerance = params.number(rate, "rate", above=0), params.number(tolerance, "tolerance", above=0)
    weight = layer.parameters["inputs"].value
    start = weight.copy()
    low, high, factor = SMALLEST, LARGEST, 1.0
    for _ in range(TRIES):
        weight[:] = start * factor
        out, _ = layer(spikes)
        mean = out.times.size / max(len(spikes) * layer.n, 1)
        if abs(mean - rate) <= tolerance * rate:
            return factor
        if mean < rate:
            low = factor
        else:
            high = factor
        # away from the bounds double or halve, then close in on a logarithmic scale
        if high == LARGEST:
            factor = min(2 * low, high)
        elif low == SMALLEST:
            factor = max(high / 2, low)
        else:
            factor = float(np.sqrt(low * high))
        if high / low < 1 + 1e-9:
            break
    weight[:] = start
    raise ParameterError(
        f"no scale of the weights gives {rate} spikes a neuron and trial; the last one gave {mean:.3g}"
    )
