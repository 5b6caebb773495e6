"""The adaptive exponential integrate-and-fire neuron (Brette & Gerstner 2005, J Neurophysiol 94:3637), stepped.

C dV/dt = -g (V - rest) + g D exp((V - threshold) / D) - w + I,     tau_w dw/dt = a (V - rest) - w
at V = peak a spike:  V = reset, w -> w + b
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import model_rule, view_f8
from neurodev.neurons.stepped import Stepped, parameters_of
from neurodev.params import param

C, G, REST, THRESHOLD, SLOPE, COUPLING, TAU, INCREMENT, RESET = range(9)


@model_rule
def flow(m: int, i: Int, x: int, dx: int, current: float, t: float) -> int:
    """The slopes of V and w."""
    p, out = parameters_of(m, i), view_f8(dx, 2)
    v, w = view_f8(x, 2)[0], view_f8(x, 2)[1]
    up = p[G] * p[SLOPE] * np.exp((v - p[THRESHOLD]) / p[SLOPE])
    out[0] = (-p[G] * (v - p[REST]) + up - w + current) / p[C]
    out[1] = (p[COUPLING] * (v - p[REST]) - w) / p[TAU]
    return 0


@model_rule
def after_spike(m: int, i: Int, x: int, c: int, none: float, t: float) -> int:
    """V = reset, w -> w + b."""
    state, p = view_f8(x, 2), parameters_of(m, i)
    state[0] = p[RESET]
    state[1] += p[INCREMENT]
    return 0


@dataclass(frozen=True)
class AdaptiveExponential(Stepped):
    """Adaptive exponential integrate-and-fire neurons; approximate: they integrate themselves (see `Stepped`).

    Each parameter is a number or one number per neuron, but for `step` and `tolerance`.

    Parameters
    ----------
    capacitance, leak : float or (n,) array, pF and nS
        Their ratio is the membrane time constant.
    rest, threshold, slope : float or (n,) array, mV
        V without input; where the spike begins to rise by itself, and how sharply.
    coupling, tau_adaptation, increment : float or (n,) array, nS, ms and pA
        a, tau_w and b of the paper.
    reset, peak : float or (n,) array, mV
        V after a spike, and where the spike is.

    Examples
    --------
    >>> AdaptiveExponential(drive=800.0, increment=60.0).weight_unit
    'mV'
    """

    equation: ClassVar[str] = (
        "C dV/dt = -leak (V - rest) + leak slope exp((V - threshold) / slope) - w + I;  tau_adaptation dw/dt = "
        "coupling (V - rest) - w;  at V >= peak a spike: V = reset, w grows by increment"
    )
    variables: ClassVar[tuple[str, ...]] = ("v", "w")

    capacitance: Any = param(281.0, unit="pF", above=0.0, array=True, source="Brette & Gerstner 2005")
    leak: Any = param(30.0, unit="nS", above=0.0, array=True, source="Brette & Gerstner 2005")
    rest: Any = param(-70.6, unit="mV", array=True, source="Brette & Gerstner 2005")
    threshold: Any = param(-50.4, unit="mV", array=True, source="Brette & Gerstner 2005")
    slope: Any = param(2.0, unit="mV", above=0.0, array=True, source="Brette & Gerstner 2005")
    coupling: Any = param(4.0, unit="nS", array=True, source="Brette & Gerstner 2005")
    tau_adaptation: Any = param(144.0, unit="ms", clock="spike", above=0.0, array=True, source="Brette & Gerstner 2005")
    increment: Any = param(80.5, unit="pA", array=True, source="Brette & Gerstner 2005")
    reset: Any = param(-70.6, unit="mV", array=True, source="Brette & Gerstner 2005")
    peak: Any = param(20.0, unit="mV", array=True, source="Brette & Gerstner 2005")

    def flow(self) -> Any:
        """Slopes of V and w."""
        return flow

    def after_spike(self) -> Any:
        """V = reset, w -> w + b."""
        return after_spike

    def first(self, values: dict[str, F8]) -> dict[str, F8]:
        """At rest, without adaptation."""
        return {"v": values.get("initial", values["rest"])}
