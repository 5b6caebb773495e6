"""Intracellular calcium: a low-pass of a neuron's own spikes, exact between them.

    dCa/dt = -Ca / tau,     Ca += beta at a spike

Under Poisson firing Ca is shot noise, whose law is known exactly; `expectation` integrates any bounded function of
it.  Sources: Butz & van Ooyen 2013 (Eq. 2); shot noise: Campbell's theorem.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import C16, F8
from neurodev.jit import rule


@rule
def decayed(calcium: float, duration: float, tau: float) -> float:
    """Calcium after `duration` (ms) without a spike."""
    return calcium * np.exp(-duration / tau)  # type: ignore[no-any-return]


def calcium_at(spikes: ArrayLike, t: ArrayLike, tau: float, beta: float) -> F8:
    """Calcium just before each time of `t` (ms), after `spikes` (ms): the slow, obvious twin."""
    past = np.asarray(spikes, dtype=np.float64)
    times = np.atleast_1d(np.asarray(t, dtype=np.float64))
    return np.array([beta * np.exp(-(at - past[past < at]) / tau).sum() for at in times])


def mean_and_sd(rate_hz: float, tau: float, beta: float) -> tuple[float, float]:
    """Mean ``beta tau r`` and standard deviation ``beta sqrt(r tau / 2)`` under Poisson firing; tau in ms."""
    events = rate_hz * tau / 1e3
    return beta * events, beta * float(np.sqrt(events / 2.0))


def characteristic(k: ArrayLike, rate_hz: float, tau: float, beta: float) -> C16:
    """Characteristic function E exp(i k Ca) of stationary Poisson shot noise: ``exp(r tau (-Cin(k b) + i Si(k b)))``.

    `k` is not negative, in 1/units of calcium.
    """
    from scipy.special import sici

    x = np.asarray(k, dtype=np.float64) * beta
    si, ci = sici(np.maximum(x, 1e-300))
    cin = np.where(x > 1e-6, np.euler_gamma + np.log(np.maximum(x, 1e-300)) - ci, x * x / 4.0)
    return np.asarray(np.exp(rate_hz * tau / 1e3 * (-cin + 1j * si)), dtype=np.complex128)


def expectation(transform: Callable[[F8], C16], width: float, rate_hz: float, tau: float, beta: float) -> float:
    """E f(Ca) under Poisson firing, by Parseval's theorem.

    Parameters
    ----------
    transform : callable
        ``k -> integral of f(c) exp(-i k c) dc`` for k >= 0, of a real f.
    width : float
        Width of f, in units of calcium: the integral over k stops at 14 / width, where a Gaussian's transform is
        below 1e-20.
    """
    n = 40_000
    k = np.asarray((np.arange(n) + 0.5) * (14.0 / width / n), dtype=np.float64)
    phi = characteristic(k, rate_hz, tau, beta)
    # the integrand is even in its real part and decays like a Gaussian: the midpoint rule converges geometrically
    return float(np.real(transform(k) * phi).sum() * (14.0 / width / n) / np.pi)
