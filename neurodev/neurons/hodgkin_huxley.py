"""The squid axon of Hodgkin & Huxley 1952 (J Physiol 117:500) as a point neuron, stepped.

    C dV/dt = g_Na m^3 h (E_Na - V) + g_K n^4 (E_K - V) + g_L (E_L - V) + I,     dx/dt = alpha_x (1 - x) - beta_x x

with the rates of the paper at 6.3 degrees, in today's sign of V and its rest at -65 mV.  The defaults are those of the
paper (per cm2) on a patch of 1000 um2, so that 1 uA/cm2 is 10 pA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import model_rule, rule, view_f8
from neurodev.neurons.stepped import Stepped, parameters_of
from neurodev.params import param

C, G_NA, G_K, G_L, E_NA, E_K, E_L = range(7)


@rule
def linoid(z: float) -> float:
    """``z / (1 - exp(-z))``, 1 at z = 0."""
    return 1.0 + 0.5 * z if abs(z) < 1e-6 else -z / np.expm1(-z)


@model_rule
def flow(m: int, i: Int, x: int, dx: int, current: float, t: float) -> int:
    """The slopes of V and of the gates m, h and n."""
    p, state, out = parameters_of(m, i), view_f8(x, 4), view_f8(dx, 4)
    v, am, ah, an = state[0], state[1], state[2], state[3]
    sodium = p[G_NA] * am * am * am * ah * (p[E_NA] - v)
    potassium = p[G_K] * an * an * an * an * (p[E_K] - v)
    out[0] = (sodium + potassium + p[G_L] * (p[E_L] - v) + current) / p[C]
    out[1] = linoid(0.1 * (v + 40.0)) * (1.0 - am) - 4.0 * np.exp(-(v + 65.0) / 18.0) * am
    out[2] = 0.07 * np.exp(-(v + 65.0) / 20.0) * (1.0 - ah) - ah / (1.0 + np.exp(-(v + 35.0) / 10.0))
    out[3] = 0.1 * linoid(0.1 * (v + 55.0)) * (1.0 - an) - 0.125 * np.exp(-(v + 65.0) / 80.0) * an
    return 0


def steady_gates(v: F8) -> dict[str, F8]:
    """The gates where they come to rest at `v` (mV)."""

    def open_share(alpha: F8, beta: F8) -> F8:
        return alpha / (alpha + beta)

    def ramp(z: F8) -> F8:
        near = abs(z) < 1e-6
        return np.where(near, 1.0 + 0.5 * z, -z / np.expm1(-np.where(near, 1.0, z)))

    return {
        "m": open_share(ramp(0.1 * (v + 40.0)), 4.0 * np.exp(-(v + 65.0) / 18.0)),
        "h": open_share(0.07 * np.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + np.exp(-(v + 35.0) / 10.0))),
        "n": open_share(0.1 * ramp(0.1 * (v + 55.0)), 0.125 * np.exp(-(v + 65.0) / 80.0)),
    }


@dataclass(frozen=True)
class HodgkinHuxley(Stepped):
    """Hodgkin and Huxley's axon as point neurons; approximate: they integrate themselves (see `Stepped`).

    A spike is told where V rises through `peak`; nothing is reset.  Each parameter is a number or one number per
    neuron, but for `step` and `tolerance`.

    Parameters
    ----------
    capacitance : float or (n,) array, pF
    sodium, potassium, leak : float or (n,) array, nS
        Largest conductances.
    reversal_sodium, reversal_potassium, reversal_leak : float or (n,) array, mV

    Examples
    --------
    >>> HodgkinHuxley(drive=100.0).variables
    ('v', 'm', 'h', 'n')
    """

    equation: ClassVar[str] = (
        "C dV/dt = sodium m^3 h (E_Na - V) + potassium n^4 (E_K - V) + leak (E_L - V) + I;  each gate dx/dt = alpha(V) "
        "(1 - x) - beta(V) x with the rates of 1952 at 6.3 degrees;  where V rises through peak a spike, and no reset"
    )
    variables: ClassVar[tuple[str, ...]] = ("v", "m", "h", "n")

    capacitance: Any = param(10.0, unit="pF", above=0.0, array=True, source="Hodgkin & Huxley 1952 (1 uF/cm2)")
    sodium: Any = param(1200.0, unit="nS", low=0.0, array=True, source="Hodgkin & Huxley 1952 (120 mS/cm2)")
    potassium: Any = param(360.0, unit="nS", low=0.0, array=True, source="Hodgkin & Huxley 1952 (36 mS/cm2)")
    leak: Any = param(3.0, unit="nS", low=0.0, array=True, source="Hodgkin & Huxley 1952 (.3 mS/cm2)")
    reversal_sodium: Any = param(50.0, unit="mV", array=True, source="Hodgkin & Huxley 1952 (rest at -65)")
    reversal_potassium: Any = param(-77.0, unit="mV", array=True, source="Hodgkin & Huxley 1952 (rest at -65)")
    reversal_leak: Any = param(-54.387, unit="mV", array=True, source="Hodgkin & Huxley 1952 (rest at -65)")

    def flow(self) -> Any:
        """Slopes of V and the gates."""
        return flow

    def first(self, values: dict[str, F8]) -> dict[str, F8]:
        """V at -65 mV if `initial` is not given, the gates at rest there."""
        v = values.get("initial", np.full_like(values["drive"], -65.0))
        return {"v": v, **steady_gates(v)}
