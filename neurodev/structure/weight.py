"""One weight map for both drivers: ``weight = sign * gain * max(0, size - threshold)``.

In the engine `gain` is w0 / V0 and `threshold` the silent volume; in training `size` is the magnitude of a
parameter and `threshold` a ramp.  An optional hard cut makes weights below it exactly zero.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, I8, U4, Float, Floats
from neurodev.jit import kernel
from neurodev.noise import BLOCK, STEEPEST, exponentials
from neurodev.structure.table import Table

NOTHING: F8 = np.zeros(0)


def transmission(table: Table, slots: I8) -> F8:
    """What the weight of each of these slots is multiplied by: 1 + its early phase, and 0 on a filopodium.

    An array (capacity,) that says nothing of other slots; empty where no mechanism keeps an early phase (column
    ``early``) or a stage (``stage``: 0 is a filopodium).
    """
    names = table.column_names
    if "early" not in names and "stage" not in names:
        return NOTHING
    share: F8 = np.empty(table.capacity)
    share[slots] = 1.0
    if "early" in names:
        share[slots] += table.column("early")[slots]
    if "stage" in names:
        share[slots] *= table.column("stage")[slots] > 0.0
    return share


@kernel
def refresh(
    slots: I8, log_size: F8, size: F8, weight: Floats, post: U4, reference: float, gain: float, threshold: float,
    factor: F8, share: F8,
) -> None:  # fmt: skip
    """Write ``size = V0 exp(log_size)`` and the weight of every slot.

    log_size, size, weight, post : (capacity,);  factor : (n_target,), exp(S)
    share : (capacity,) or empty, see `transmission`
    """
    shared = share.shape[0] > 0
    work, power = np.empty(BLOCK), np.empty(BLOCK)
    bits = power.view(np.uint64)
    for first in range(0, slots.shape[0], BLOCK):
        m = min(BLOCK, slots.shape[0] - first)
        block, grown = slots[first : first + m], work[:m]
        for k in range(m):
            grown[k] = max(min(log_size[block[k]], STEEPEST), -STEEPEST)
        exponentials(grown, power[:m], bits[:m])
        for k in range(m):
            s = block[k]
            v = reference * grown[k]
            size[s] = v
            w = gain * max(0.0, v - threshold) * factor[post[s]]
            weight[s] = w * share[s] if shared else w


@kernel
def refresh_from_size(slots: I8, size: F8, weight: Floats, post: U4, gain: float, threshold: float, factor: F8) -> None:
    """Write the weight of every slot from its size; arrays as in `refresh`."""
    for k in range(slots.shape[0]):
        s = slots[k]
        weight[s] = gain * max(0.0, size[s] - threshold) * factor[post[s]]


def size_of(weight: F8, gain: float, threshold: float, factor: F8) -> F8:
    """The size of which the map reads off `weight`; all (n,), `gain` of the sign of the weights."""
    return np.asarray(threshold + weight / (gain * factor))


@kernel
def refresh_hidden(theta: Floats, gain: Floats, threshold: Float, cut: Float, weight: Floats) -> None:
    """Write ``sign(theta) max(0, gain (|theta| - threshold))``, 0 where not above `cut`.

    theta, weight : (n_source, stride);  gain : (n_target,), one for each column
    """
    zero = theta.dtype.type(0)
    for i in range(theta.shape[0]):
        for j in range(gain.shape[0]):
            w = gain[j] * (abs(theta[i, j]) - threshold)
            w = w if w > cut else zero
            weight[i, j] = w if theta[i, j] >= zero else -w
