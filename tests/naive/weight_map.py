"""The weight map and its straight-through pullback, as they are written: the slow, obvious twins."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8


def weight_of(size: F8, sign: F8 | float, gain: F8 | float, threshold: F8 | float, cut: float = 0.0) -> F8:
    """The weight of a synapse of a given size; below `cut` (in units of size above threshold) it is 0."""
    above = np.maximum(0.0, size - threshold)
    return np.asarray(sign * gain * np.where(above > cut, above, 0.0), dtype=np.float64)


def pull_straight(upstream: F8, sign: F8 | float, gain: F8 | float) -> F8:
    """Straight-through gradient: silent synapses feel the loss too."""
    return np.asarray(upstream * sign * gain, dtype=np.float64)
