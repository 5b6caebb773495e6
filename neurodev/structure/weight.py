"""One weight map for both drivers: ``weight = sign * gain * max(0, size - threshold)``, with its pullbacks.

In the engine `gain` is w0 / V0 and `threshold` the silent volume; in training `size` is the magnitude of a
parameter and `threshold` a ramp.  An optional hard cut makes weights below it exactly zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import F8
from neurodev.jit import kernel

NOTHING: F8 = np.zeros(0)


def weight_of(size: F8, sign: F8 | float, gain: F8 | float, threshold: F8 | float, cut: float = 0.0) -> F8:
    """The weight of a synapse of a given size; below `cut` (in units of size above threshold) it is 0."""
    above = np.maximum(0.0, size - threshold)
    return np.asarray(sign * gain * np.where(above > cut, above, 0.0), dtype=np.float64)


def pull_true(
    upstream: F8, size: F8, sign: F8 | float, gain: F8 | float, threshold: F8 | float, cut: float = 0.0
) -> F8:
    """Gradient with respect to size: zero for silent synapses."""
    return np.asarray(upstream * sign * gain * (size - threshold > cut), dtype=np.float64)


def pull_straight(upstream: F8, sign: F8 | float, gain: F8 | float) -> F8:
    """Straight-through gradient: silent synapses feel the loss too."""
    return np.asarray(upstream * sign * gain, dtype=np.float64)


def transmission(table: Any) -> F8:
    """What the weight of each slot is multiplied by, (capacity,): 1 + its early phase, and 0 on a filopodium.

    Empty where no mechanism keeps an early phase (column ``early``) or a stage (``stage``: 0 is a filopodium).
    """
    names = table.column_names
    if "early" not in names and "stage" not in names:
        return NOTHING
    share: F8 = np.ones(table.capacity)
    if "early" in names:
        share += table.column("early")
    if "stage" in names:
        share *= table.column("stage") > 0.0
    return share


@kernel
def refresh(slots, log_size, size, weight, post, reference, gain, threshold, factor, share):  # type: ignore[no-untyped-def]
    """Write ``size = V0 exp(log_size)`` and the weight of every slot.

    factor : (n_target,), exp(S);  share : (capacity,) or empty, see `transmission`
    """
    shared = share.shape[0] > 0
    for k in range(slots.shape[0]):
        s = slots[k]
        v = reference * np.exp(log_size[s])
        size[s] = v
        w = gain * max(0.0, v - threshold) * factor[post[s]]
        weight[s] = np.float32(w * share[s] if shared else w)


@kernel
def refresh_from_size(slots, size, weight, post, gain, threshold, factor):  # type: ignore[no-untyped-def]
    """Write the weight of every slot from its size."""
    for k in range(slots.shape[0]):
        s = slots[k]
        weight[s] = np.float32(gain * max(0.0, size[s] - threshold) * factor[post[s]])


@kernel
def refresh_hidden(theta, gain, threshold, cut, weight):  # type: ignore[no-untyped-def]
    """Write ``sign(theta) max(0, gain (|theta| - threshold))``, 0 where not above `cut`.

    theta, weight : (n_source, stride);  gain : (n_target,), one for each column
    """
    zero = theta.dtype.type(0)
    for i in range(theta.shape[0]):
        for j in range(gain.shape[0]):
            w = gain[j] * (abs(theta[i, j]) - threshold)
            w = w if w > cut else zero
            weight[i, j] = w if theta[i, j] >= zero else -w
