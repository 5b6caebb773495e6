"""The neuron between events, in closed form, forwards and backwards; and the time of its next spike.

    tau_m V' = -V + I,   tau_s I' = -I;   an arrival: I += w;   V = threshold: a spike, V = 0.

Backwards (reversed time s) the adjoint variables obey ``tau_m u' = -u``, ``tau_s m' = -m + u``; Wunderlich & Pehl 2021
(Sci. Rep. 11:12829).  A loss that contains ``c`` times the integral of V shifts both by c, which is why the
kernels carry ``u = lambda_V + c`` and ``m = lambda_I + c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurodev.jit import kernel, rule
from neurodev.params import check, param
from neurodev.registry import Spoken

BRACKET, DOUBLE, EQUAL = 0, 1, 2
METHODS = {"bracket": BRACKET, "double": DOUBLE, "equal": EQUAL}


class Flow(NamedTuple):
    """What kernels know of a neuron."""

    tau_m: float
    tau_s: float
    threshold: float
    method: int


@dataclass(frozen=True)
class EventNeuron(metaclass=Spoken):
    """Leaky integrate-and-fire with an exponential current synapse, rest and reset at 0.

    Parameters
    ----------
    tau_m, tau_s : float, ms
        With tau_m = 2 tau_s or tau_m = tau_s spike times have a closed form (Goeltz et al. 2021, Nat. Mach. Intell.
        3:823); any other pair is solved on a bracket that holds exactly one root.
    threshold : float, mV
    """

    tau_m: float = param(20.0, unit="ms", clock="spike", above=0.0, source="Wunderlich & Pehl 2021")
    tau_s: float = param(10.0, unit="ms", clock="spike", above=0.0, source="free")
    threshold: float = param(1.0, unit="mV", above=0.0, source="Wunderlich & Pehl 2021")

    def __post_init__(self) -> None:
        check(self)

    def flow(self) -> Flow:
        """For kernels."""
        method = BRACKET
        if self.tau_m == 2 * self.tau_s:
            method = DOUBLE
        elif self.tau_m == self.tau_s:
            method = EQUAL
        return Flow(float(self.tau_m), float(self.tau_s), float(self.threshold), method)


@rule
def decays(dt: float, tau_m: float, tau_s: float) -> tuple[float, float, float]:
    """(a, b, p): ``V <- a V + p I``, ``I <- b I`` after dt; backwards ``u <- a u``, ``m <- b m + p tau_m / tau_s u``.

    The two exponentials are never subtracted where they are nearly equal, so that any pair of time constants works.
    """
    a, b = np.exp(-dt / tau_m), np.exp(-dt / tau_s)
    x = dt / tau_s - dt / tau_m
    if x == 0.0:
        p = b * dt / tau_m
    elif np.abs(x) < 0.5:
        p = b * (dt / tau_m) * (np.expm1(x) / x)
    else:
        p = (a - b) * tau_s / (tau_m - tau_s)
    return a, b, p


@kernel
def crossing(v: float, i: float, dt: float, flow: Flow) -> float:
    """Time to the first upward crossing of the threshold within (0, dt], or -1.  `dt` may be infinite.

    A crossing needs I above threshold.  A state that rounding has put just above threshold fires at once.
    """
    theta = flow.threshold
    s = -1.0
    if i > theta and i > v:
        if v >= theta:
            s = 0.0
        elif flow.method == DOUBLE:
            s = _crossing_double(v, i, flow.tau_m, theta)
        elif flow.method == EQUAL:
            s = _crossing_equal(v, i, flow.tau_m, theta)
        else:
            s = crossing_bracket(v, i, dt, flow.tau_m, flow.tau_s, theta)
        if s > dt:
            s = -1.0
    return s


@rule
def _crossing_double(v: float, i: float, tau_m: float, theta: float) -> float:
    """tau_m = 2 tau_s: with x = exp(-s / tau_m), I x^2 - (V + I) x + theta = 0; 1 - x without cancellation."""
    d = (i - v) * (i - v) - 4.0 * i * (theta - v)
    s = -1.0
    if v + i > 0.0 and d > 0.0:
        s = -tau_m * np.log1p(-2.0 * (theta - v) / (i - v + np.sqrt(d)))
    return s


@rule
def _crossing_equal(v: float, i: float, tau: float, theta: float) -> float:
    """tau_m = tau_s: u exp(-u) = y with u = s / tau + V / I, the branch below 1 (Lambert's W0)."""
    s = -1.0
    r = v / i
    y = theta / i * np.exp(-r)
    excess = 1.0 - np.e * y
    if excess > 0.0:
        q = np.sqrt(2.0 * excess)
        u = 1.0 - q + q * q / 3.0 - 11.0 / 72.0 * q * q * q if q < 0.8 else y * (1.0 + y * (1.0 + 1.5 * y))
        for _ in range(12):
            # Halley's step on u - y exp(u)
            e = y * np.exp(u)
            f, d = u - e, 1.0 - e
            if d <= 0.0:
                break
            step = f / (d + 0.5 * f * e / d)
            u -= step
            if np.abs(step) <= 1e-16 * np.abs(u):
                break
        s = max(tau * (u - r), 0.0)
    return s


@kernel
def crossing_bracket(v: float, i: float, dt: float, tau_m: float, tau_s: float, theta: float) -> float:
    """Any pair: V rises from below threshold to its only maximum; Newton's steps within that bracket."""
    k = 1.0 / tau_s - 1.0 / tau_m
    bottom = i + k * tau_m * v
    top = np.inf
    if bottom > 0.0:
        g = tau_m * (i - v) / bottom
        x = k * g
        top = g * (np.log1p(x) / x) if np.abs(x) > 1e-12 else g
    inside = top < dt
    high = top if inside else dt
    s = -1.0
    if high < np.inf:
        a, b, p = decays(high, tau_m, tau_s)
        peak = a * v + p * i
        if peak > theta or (peak == theta and not inside):
            low = 0.0
            s = high * (theta - v) / (peak - v)
            for _ in range(200):
                a, b, p = decays(s, tau_m, tau_s)
                f = a * v + p * i - theta
                if f < 0.0:
                    low = s
                else:
                    high = s
                slope = (b * i - f - theta) / tau_m
                step = f / slope if slope > 0.0 else np.inf
                new = s - step
                if not (low < new < high):
                    new = 0.5 * (low + high)
                if np.abs(new - s) <= 2e-16 * s or high - low <= 2e-16 * high:
                    s = new
                    break
                s = new
    return s
