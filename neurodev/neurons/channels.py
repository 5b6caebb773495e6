"""Membranes with synaptic currents in their moving frame: what every kind of them shares.

A channel is a current over C that decays at its own rate.  With i_k the current of channel k over C and s the time
since the frame, ``x = V - V_inf = exp(-r s) (u + sum_k b_k place_k(s))`` and ``i_k = b_k exp(-l_k s)``: u and the b_k
are constant between events, so that an arrival costs two multiply-adds and no exponential.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Int
from neurodev.jit import kernel, rule
from neurodev.neurons.current import phi
from neurodev.neurons.rules import cells_of, classes_of, frame, kinds_of, membranes_of, now

F8 = NDArray[np.float64]
WIDTH = 8  # most channels
FRAME = 20.0  # length of a membrane frame, in the fastest time constants
# columns of the table of classes: 1 / tau; threshold and reset relative to V_inf; 1 / C; V_inf above rest; then the
# decay of each channel, and 1 where it is close to that of the membrane; what a dendrite adds comes behind
R, THRESHOLD, RESET, INVERSE, OFFSET = range(5)
RATES = 5
ANCHORED = RATES + WIDTH
N_VALUE = ANCHORED + WIDTH


@rule
def place(anchored: float, delta: float, dt: float) -> float:
    """Weight of a channel's constant in the potential.

    The plain exponential of the eigenbasis grows without bound as the rates approach each other; anchoring it at the
    frame (phi) is exact there, but loses digits over a frame that is long against 1 / delta.
    """
    return phi(delta, dt) if anchored == 1.0 else -np.exp(-delta * dt) / delta


@rule
def channels_in_u(m: int, i: Int, n_channel: int, t: float) -> float:
    """Sum over the channels of neuron `i` of their part of the potential at `t`, in units of u."""
    cells, c = cells_of(m), classes_of(m)[kinds_of(m)[i]]
    dt = t - frame(m)
    total = 0.0
    for k in range(n_channel):
        if cells[i, k + 1] != 0.0:
            total += cells[i, k + 1] * place(c[ANCHORED + k], c[RATES + k] - c[R], dt)
    return total


@rule
def put_at_reset(m: int, i: Int, n_channel: int, t: float) -> None:
    """V = V_reset at `t`, the currents as they are."""
    c = classes_of(m)[kinds_of(m)[i]]
    membranes_of(m)[i] = c[RESET] * np.exp((t - frame(m)) * c[R]) - channels_in_u(m, i, n_channel, t)


@rule
def add_from_outside(m: int, i: Int, weight: float, t: float) -> float:
    """An input of `weight` (pA) to the soma, whose sign chooses the channel; returns the change of its constant."""
    c, dt = classes_of(m)[kinds_of(m)[i]], t - frame(m)
    k = 0 if weight > 0.0 else 1
    change = weight * c[INVERSE] * np.exp(dt * c[RATES + k])
    cells_of(m)[i, k + 1] += change
    membranes_of(m)[i] -= change * place(c[ANCHORED + k], c[RATES + k] - c[R], dt)
    return change  # type: ignore[no-any-return]


@rule
def rebase_channels(m: int, first: Int, last: Int, n_channel: int, t: float) -> None:
    """Move the channels of neurons first..last from the frame to `t`; the loop then scales u, as of all neurons."""
    cells, classes, kinds, u = cells_of(m), classes_of(m), kinds_of(m), membranes_of(m)
    dt = t - frame(m)
    for i in range(first, last):
        c = classes[kinds[i]]
        for k in range(n_channel):
            if c[ANCHORED + k] == 1.0:
                u[i] += cells[i, k + 1] * phi(c[RATES + k] - c[R], dt)
            cells[i, k + 1] *= np.exp(-c[RATES + k] * dt)


@kernel
def synaptic_part(m: int, first: int, last: int, n_channel: int) -> F8:
    """What the currents of the neurons first..last add to u at the present time, (last - first,)."""
    out = np.zeros(last - first)
    for i in range(first, last):
        out[i - first] = channels_in_u(m, i, n_channel, now(m))
    return out
