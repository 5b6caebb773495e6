"""Rates: spikes over a tick, and their exact low-pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8


def rate_hz(count: NDArray[np.int64], duration: float) -> F8:
    """Mean rate (Hz) of cells that fired `count` spikes in `duration` ms."""
    return np.asarray(count * (1e3 / duration), dtype=np.float64)


def low_pass(value: F8, sample: F8, step: float, tau: float) -> F8:
    """``value`` after a tick of `step` ms during which the input was `sample`; tau = 0 passes it through."""
    keep = np.exp(-step / tau) if tau > 0 else 0.0
    return np.asarray(sample + (value - sample) * keep, dtype=np.float64)
