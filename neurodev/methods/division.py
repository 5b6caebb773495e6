"""How a rising threshold is divided between the tensors of a gated neuron: the drive W and the gate V of `Dendritic`.

Adam moves every parameter by about its rate a step, however much the loss asks for, so that after an epoch the hidden
parameters of W and V are of one size whatever they began with, and one threshold for both leaves as many synapses in
V as in W, even where they are worth less there.  A division gives V a factor f of its own on the threshold of W:

    sensitivity   f = sqrt(F_W / F_V), F the mean square of dL/dw over a tensor: to remove a synapse of strength w costs
                  about F w^2 / 2, so that the weakest of both tensors cost the same (optimal brain damage, one number
                  a tensor, with the squared gradient in place of the curvature: LeCun et al. 1990, Theis et al. 2018)
    cost          f moves until the last synapses of both cost the same: a rise of d by its share s moves the loss by
                  s d dL/dd, dL/dd = - sum of a sign(theta) dL/dw over those that are visible, and hides those whose
                  strength lies within it; c is the loss over their number, and ln f falls by STEP (c_V - c_W) /
                  (|c_V| + |c_W|)

Both are our reading; Cai et al. 2025 (arXiv 2508.21566) was not to be had as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIVISIONS = ("sensitivity", "saliency", "cost")
MEMORY = 100  # steps over which gradients are averaged
STEP = 0.05  # of ln f; there are 200 searches in a run
BAND = 0.1  # share of the threshold above it in which the last synapses are counted
FARTHEST = 8.0  # f lies between 1 / FARTHEST and FARTHEST
F8 = NDArray[np.float64]


def remembered(mean: F8, x: F8, n: int) -> F8:
    """Running mean of step n (from 0): that of all so far, then over about `MEMORY` steps."""
    return mean + (x - mean) / min(n + 1, MEMORY)


def by_sensitivity(drive: float, gate: float) -> float:
    """f from the mean squared gradients of W and V; 1 where one has none."""
    if not (drive > 0 and gate > 0):
        return 1.0
    return float(np.clip(np.sqrt(drive / gate), 1 / FARTHEST, FARTHEST))


def by_cost(f: float, drive: float, gate: float) -> float:
    """f moved by one step, from what the last synapses of W and V cost."""
    both = abs(drive) + abs(gate)
    if not (np.isfinite(both) and both > 0):
        return f
    return float(np.clip(f * np.exp(-STEP * (gate - drive) / both), 1 / FARTHEST, FARTHEST))


def cost_of_last(slope: float, strength: NDArray[np.floating], threshold: float) -> float:
    """Loss that a rise of the threshold by `BAND` of it adds for each synapse which it hides.

    Parameters
    ----------
    slope : float
        dL/dd.
    strength : array
        Of all synapses, in units of the threshold: visible where above it.
    threshold : float
    """
    last = np.count_nonzero((strength > threshold) & (strength <= (1 + BAND) * threshold))
    return slope * BAND * threshold / max(int(last), 1)
