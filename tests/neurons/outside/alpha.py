"""A neuron model of a user's own: leaky neurons with alpha-shaped synaptic currents, exact.

Between events I / C = (i + j s) exp(-l s), and exp(r s) dV/dt has the derivative ``exp((r - l) s) (j - l i - l j s)``:
it changes sign at most once, so dV/dt has at most two zeros, and a crossing is bracketed without sampling.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev.jit import kernel, model_rule, view_f8
from neurodev.neurons.current import phi
from neurodev.neurons.model import Column, NeuronModel, Rules
from neurodev.neurons.rules import block_end, cells_of, classes_of, is_free, kinds_of, schedule, unschedule
from neurodev.params import check, param

R, THRESHOLD, RESET, RATE, JUMP = range(5)  # columns of the table of classes
V, SLOPE, BEND, T = range(1, 5)  # columns of a neuron, after that of its event: mV, i (mV/ms), j (mV/ms2), ms


@kernel
def state_at(x, c, s):
    """Potential above rest and its slope, `s` ms after the neuron stood at `x`."""
    d = c[RATE] - c[R]
    z = d * s  # second integral by its series where the closed form cancels
    second = s * s * (0.5 - z / 3.0 + z * z / 8.0) if abs(z) < 1e-5 else (phi(d, s) - s * np.exp(-z)) / d
    v = np.exp(-c[R] * s) * (x[V] + x[SLOPE] * phi(d, s) + x[BEND] * second)
    return v, (x[SLOPE] + x[BEND] * s) * np.exp(-c[RATE] * s) - c[R] * v


@kernel
def zero_of(which, level, x, c, low, high):
    """Where the potential (0) or its slope (1) passes `level` between low and high: bisection to the last digit."""
    above = state_at(x, c, high)[which] >= level
    for _ in range(100):
        s = 0.5 * (low + high)
        inside = (state_at(x, c, s)[which] >= level) == above
        low, high = (low, s) if inside else (s, high)
    return high


@kernel
def advance(m, i, t):
    """Bring neuron `i` to `t`; its membrane stands still while it is refractory."""
    x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    s = t - x[T]
    if is_free(m, i):
        x[V] = state_at(x, c, s)[0]
    x[SLOPE], x[BEND], x[T] = (x[SLOPE] + x[BEND] * s) * np.exp(-c[RATE] * s), x[BEND] * np.exp(-c[RATE] * s), t
    return x, c


@model_rule
def receive(m, i, q, k, weight, t):
    advance(m, i, t)[0][BEND] += classes_of(m)[kinds_of(m)[i]][JUMP] * weight
    return 0


@model_rule
def predict(m, first, last, unused, none, t):
    for i in range(first, last):
        x, c = advance(m, i, t)
        unschedule(m, i)
        low, left = 0.0, block_end(m) - t
        turn = 1.0 / c[RATE] - x[SLOPE] / x[BEND] if x[BEND] != 0.0 else left
        for k in range(4 if is_free(m, i) else 0):  # before and after `turn` the slope changes sign at most once
            high = min(max(turn, 0.0), left) if k < 2 else left
            if k % 2 == 0 and (state_at(x, c, low)[1] >= 0.0) != (state_at(x, c, high)[1] >= 0.0):
                high = zero_of(1, 0.0, x, c, low, high)
            if state_at(x, c, high)[0] >= c[THRESHOLD]:
                schedule(m, i, t + (zero_of(0, c[THRESHOLD], x, c, low, high) if high > low else 0.0))
                break
            low = high
    return 0


@model_rule
def event(m, i, b, c, x, t):
    return 1


@model_rule
def reset(m, i, b, c, x, t):
    advance(m, i, t)[0][V] = classes_of(m)[kinds_of(m)[i]][RESET]
    return 0


@model_rule
def potential(m, first, last, where, none, t):
    for i in range(first, last):
        x, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]  # read, not brought to the present: a look changes nothing
        view_f8(where, last - first)[i - first] = state_at(x, c, t - x[T])[0] if is_free(m, i) else c[RESET]
    return 0


@dataclass(frozen=True)
class AlphaLIF(NeuronModel):
    """Leaky integrate-and-fire neurons, rest at 0; a weight (pA) is the peak of the current of an arrival."""

    tau: Any = param(20.0, unit="ms", clock="spike", above=0.0, array=True)
    threshold: Any = param(20.0, unit="mV", array=True)
    reset: Any = param(0.0, unit="mV", array=True)
    refractory: Any = param(2.0, unit="ms", clock="spike", low=0.0, array=True)
    tau_synapse: Any = param(2.0, unit="ms", clock="spike", above=0.0, array=True)
    capacitance: Any = param(250.0, unit="pF", above=0.0, array=True)
    equation = "tau dV/dt = -V + (tau / C) I;  an arrival adds w e (s / tau_synapse) exp(-s / tau_synapse) to I"

    __post_init__ = check

    def rules(self):
        return Rules(predict, event, reset, receive, potential=potential)

    def columns(self):
        return Column("v"), Column("i"), Column("j"), Column("t", None, time=True)

    def table(self, values, fastest):
        q, rate = values, 1.0 / values["tau_synapse"]
        return np.column_stack([1.0 / q["tau"], q["threshold"], q["reset"], rate, np.e * rate / q["capacitance"]])
