"""How a rising threshold is divided between the tensors of a gated neuron: the drive W and the gate V of `Dendritic`.

Adam moves every parameter by about its rate a step, however much the loss asks for, so that after an epoch the hidden
parameters of W and V are of one size whatever they began with, and one threshold for both leaves about as many synapses
in V as in W, even where they do nothing there.  A division gives V a factor f of its own on the threshold of W, so that
the last synapses of both are worth the same:

    saliency      f = rms(w dL/dw) of W / that of V, over visible synapses: what the loss loses, to first order, with a
                  synapse (Molchanov et al. 2017, arXiv 1611.06440)
    sensitivity   f = rms(dL/dw) of W / that of V, over all synapses: what one of strength 1 costs to second order, with
                  the squared gradient for the curvature (Theis et al. 2018, arXiv 1801.05787)

Batch norm after the layer makes the scale of W arbitrary and dL/dw inversely proportional to it, V being of no such
freedom; w dL/dw does not see that scale, so that the first is to be preferred.  f lies between 1 and `FARTHEST`: a gate
does nothing without its drive, a drive does without a gate, so that V never has the lower threshold.  One number a
tensor, from running means over `MEMORY` steps.

All of this is our reading; Cai et al. 2025 (arXiv 2508.21566) was not to be had as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIVISIONS = ("saliency", "sensitivity")
MEMORY = 100  # steps over which squares are averaged
FARTHEST = 2.0  # of use on spoken digits; with 8, gates that had fallen silent early stayed so (validation samples)


def felt(how: str, weight: NDArray[np.floating], gradient: NDArray[np.floating]) -> float:
    """The mean square of a tensor on one step, by which its threshold is divided.

    Parameters
    ----------
    how : {"saliency", "sensitivity"}
    weight, gradient : array of one shape
        0 where a synapse is silent; gradients of silent ones too.

    Examples
    --------
    >>> felt("saliency", np.array([0.0, 2.0, -1.0]), np.array([9.0, 1.0, 2.0]))
    4.0
    """
    if how == "sensitivity":
        return float(np.square(gradient, dtype=np.float64).mean())
    return float(np.square(weight * gradient, dtype=np.float64).sum() / max(np.count_nonzero(weight), 1))


def remembered(mean: NDArray[np.float64], x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Running mean of step n (from 0): that of all steps so far, then over about `MEMORY`."""
    return mean + (x - mean) / min(n + 1, MEMORY)


def factor(drive: float, gate: float) -> float:
    """Threshold of V over that of W, from their mean squares; 1 where neither has one.

    Examples
    --------
    >>> factor(9.0, 4.0), factor(4.0, 9.0), factor(1.0, 0.0)
    (1.5, 1.0, 2.0)
    """
    if gate <= 0:
        return FARTHEST if drive > 0 else 1.0
    return float(np.clip(np.sqrt(drive / gate), 1.0, FARTHEST))
