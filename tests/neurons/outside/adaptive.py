"""A neuron model of a user's own without a closed form: the adaptive exponential neuron (Brette & Gerstner 2005).

C dV/dt = -g (V - E) + g D exp((V - V_T) / D) - w + I,      tau_w dw/dt = a (V - E) - w
V >= peak: a spike, V = reset, w += b.  Steps of Runge and Kutta, cut where an input (a jump of V) comes.
"""

from dataclasses import dataclass

import numpy as np

from neurodev.jit import kernel, model_rule, view_f8
from neurodev.neurons.model import Column, NeuronModel, Rules
from neurodev.neurons.rules import cells_of, classes_of, is_free, kinds_of, schedule, unschedule
from neurodev.params import check, param

C, G, E, V_T, D, A, TAU_W, B, RESET, PEAK, CURRENT, REFRACTORY, STEP = range(13)  # parameters, as declared
V, W, T, SPIKES = range(1, 5)  # columns, after that of the event


@kernel
def flow(p, v, w):
    dv = (-p[G] * (v - p[E]) + p[G] * p[D] * np.exp(min((v - p[V_T]) / p[D], 30.0)) - w + p[CURRENT]) / p[C]
    return dv, (p[A] * (v - p[E]) - w) / p[TAU_W]


@kernel
def stepped(p, v, w, h):
    a, b = flow(p, v, w)
    c, d = flow(p, v + 0.5 * h * a, w + 0.5 * h * b)
    e, f = flow(p, v + 0.5 * h * c, w + 0.5 * h * d)
    g, k = flow(p, v + h * e, w + h * f)
    return v + h * (a + 2 * c + 2 * e + g) / 6, w + h * (b + 2 * d + 2 * f + k) / 6


@kernel
def advance(m, i, t):
    x, p, h = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]], t - cells_of(m)[i, T]
    if is_free(m, i):
        x[V], x[W] = stepped(p, x[V], x[W], h)
    else:  # V stands at its reset
        rest = p[A] * (x[V] - p[E])
        x[W] = rest + (x[W] - rest) * np.exp(-h / p[TAU_W])
    x[T] = t
    return x, p


@model_rule
def receive(m, i, q, k, weight, t):
    advance(m, i, t)[0][V] += weight if is_free(m, i) else 0.0
    return 0


@model_rule
def predict(m, first, last, unused, none, t):
    for i in range(first, last):
        x, p = advance(m, i, t)
        unschedule(m, i)
        if not is_free(m, i):
            continue
        low, high = 0.0, p[STEP]
        x[SPIKES] = 1.0 if stepped(p, x[V], x[W], high)[0] >= p[PEAK] else 0.0
        for _ in range(60 * int(x[SPIKES])):
            h = 0.5 * (low + high)
            low, high = (low, h) if stepped(p, x[V], x[W], h)[0] >= p[PEAK] else (h, high)
        schedule(m, i, t + high)
    return 0


@model_rule
def event(m, i, b, c, x, t):
    cell, p = advance(m, i, t)
    if cell[SPIKES] == 0.0:
        return 0  # the end of a step
    cell[V], cell[W] = p[RESET], cell[W] + p[B]
    return 1


@model_rule
def reset(m, i, b, c, x, t):
    advance(m, i, t)[0][V] = classes_of(m)[kinds_of(m)[i]][RESET]
    return 0


@model_rule
def potential(m, first, last, where, none, t):
    for i in range(first, last):
        x = cells_of(m)[i]
        ahead = stepped(classes_of(m)[kinds_of(m)[i]], x[V], x[W], t - x[T])[0]
        view_f8(where, last - first)[i - first] = ahead if is_free(m, i) else x[V]
    return 0


@dataclass(frozen=True)
class AdaptiveExponential(NeuronModel):
    """Adaptive exponential integrate-and-fire neurons."""

    capacitance: float = param(281.0, unit="pF", above=0.0, source="Brette & Gerstner 2005")
    leak: float = param(30.0, unit="nS", above=0.0, source="Brette & Gerstner 2005")
    rest: float = param(-70.6, unit="mV", source="Brette & Gerstner 2005")
    threshold: float = param(-50.4, unit="mV", source="Brette & Gerstner 2005")
    slope: float = param(2.0, unit="mV", above=0.0, source="Brette & Gerstner 2005")
    coupling: float = param(4.0, unit="nS", source="Brette & Gerstner 2005")
    tau_adaptation: float = param(144.0, unit="ms", clock="spike", above=0.0, source="Brette & Gerstner 2005")
    increment: float = param(80.5, unit="pA", source="Brette & Gerstner 2005")
    reset: float = param(-70.6, unit="mV", source="Brette & Gerstner 2005")
    peak: float = param(20.0, unit="mV", source="Brette & Gerstner 2005")
    current: float = param(0.0, unit="pA", source="free")
    refractory: float = param(0.0, unit="ms", clock="spike", low=0.0, source="free")
    step: float = param(0.01, unit="ms", clock="spike", above=0.0, source="free")
    __post_init__ = check

    def rules(self):
        return Rules(predict, event, reset, receive, potential=potential)

    def columns(self):
        return Column("v", self.rest), Column("w"), Column("t", None, time=True), Column("spikes")

    def approximations(self):
        return [f"neurons integrate by steps of Runge and Kutta (fourth order) of at most {self.step:g} ms."]
