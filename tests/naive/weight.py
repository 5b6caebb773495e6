"""The weight map in one line: the twin of the kernels of `neurodev.structure.weight`."""

import numpy as np


def weight_of(size, sign, gain, threshold, cut=0.0):
    """The weight of a synapse of a given size; below `cut` (in units of size above threshold) it is 0."""
    above = np.maximum(0.0, size - threshold)
    return np.asarray(sign * gain * np.where(above > cut, above, 0.0), dtype=np.float64)
