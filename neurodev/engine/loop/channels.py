"""Membranes with synaptic currents in their moving frame: what every kind of them shares.

A channel is a current over C that decays at its own rate; its constant b_k stands in the neuron's row.
"""

from __future__ import annotations

import numpy as np

from neurodev.engine.loop.state import T_FRAME, T_NOW
from neurodev.engine.loop.views import clock_of, currents_of, neurons_of
from neurodev.jit import kernel, rule
from neurodev.neurons.current import phi

AT = 0  # column of `cell`: time of the predicted crossing; channel k is column k + 1
LISTED = -np.inf


@rule
def place(anchored, delta, dt):  # type: ignore[no-untyped-def]
    """Weight of a channel's constant in the potential.

    The plain exponential of the eigenbasis grows without bound as the rates approach each other; anchoring it at the
    frame (phi) is exact there, but loses digits over a frame that is long against 1 / delta.
    """
    return phi(delta, dt) if anchored == 1.0 else -np.exp(-delta * dt) / delta


@rule
def row_of(s, j):  # type: ignore[no-untyped-def]
    """Row of neuron `j` in `cell`."""
    p = neurons_of(s).population[j]
    return j - neurons_of(s).first[p] + currents_of(s).first[p]


@rule
def channels_in_u(s, j, t):  # type: ignore[no-untyped-def]
    """Sum over the channels of neuron `j` of their part of the potential at `t`, in units of u."""
    nn, cu = neurons_of(s), currents_of(s)
    c, i = nn.kind[j], row_of(s, j)
    dt = t - clock_of(s).f[T_FRAME]
    total = 0.0
    for k in range(cu.n_channel[c]):
        if cu.cell[i, k + 1] != 0.0:
            total += cu.cell[i, k + 1] * place(cu.anchored[c, k], cu.rate[c, k] - nn.rate[c], dt)
    return total


@rule
def constant_for(s, j, x, t):  # type: ignore[no-untyped-def]
    """The value of u[j] with which the potential is `x` (relative to V_inf) at `t`, its currents as they are."""
    nn = neurons_of(s)
    return x * np.exp((t - clock_of(s).f[T_FRAME]) * nn.rate[nn.kind[j]]) - channels_in_u(s, j, t)


@kernel
def synaptic_part(s, first, last):  # type: ignore[no-untyped-def]
    """What the currents of the neurons first..last add to u at the present time."""
    out = np.zeros(last - first)
    for j in range(first, last):
        out[j - first] = channels_in_u(s, j, clock_of(s).f[T_NOW])
    return out
