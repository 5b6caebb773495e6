"""Exponential synaptic currents on a leaky membrane: closed forms, and the exact time of the next spike.

    tau dV/dt = -(V - V_inf) + (tau / C) (I_1 + I_2),     dI_k/dt = -I_k / tau_k

With x = V - V_inf, rates r = 1/tau and l_k = 1/tau_k, and i_k = I_k / C:

    x(s) = exp(-r s) (x + sum_k i_k phi(l_k - r, s)),     phi(d, s) = (1 - exp(-d s)) / d  ->  s  as  d -> 0

which is stable for equal time constants.  The first crossing of a threshold is found without sampling: the slope times
exp(r s) has the derivative ``-exp(r s) sum_k l_k i_k exp(-l_k s)``, which changes sign at most once, so
the slope has at most two zeros; between them the potential is monotone, and a root is bracketed.  (Generalised
Descartes rule; the idea of Brette 2007, Neural Comput 19:2604.)
"""

from __future__ import annotations

import numpy as np

from neurodev.errors import ParameterError
from neurodev.jit import kernel, rule

CLOSE = 1e-10  # ms; a Newton step this short has converged: the next would be its square


@rule
def phi(delta: float, s: float) -> float:
    """``(1 - exp(-delta s)) / delta``, continuous at delta = 0."""
    z = delta * s
    if abs(z) < 1e-8:
        return s * (1.0 - 0.5 * z)
    return -np.expm1(-z) / delta  # type: ignore[no-any-return]


@rule
def response(r: float, rate: float, s: float) -> float:
    """Potential at `s` per unit of a current (over C) with decay `rate`; symmetric in the rates, never overflows."""
    return np.exp(-min(r, rate) * s) * phi(abs(rate - r), s)  # type: ignore[no-any-return]


@rule
def value(x: float, i1: float, i2: float, r: float, l1: float, l2: float, s: float) -> float:
    """Potential relative to V_inf, `s` ms on."""
    return x * np.exp(-r * s) + i1 * response(r, l1, s) + i2 * response(r, l2, s)  # type: ignore[no-any-return]


@rule
def slope(x: float, i1: float, i2: float, r: float, l1: float, l2: float, s: float) -> float:
    """dV/dt, `s` ms on."""
    return i1 * np.exp(-l1 * s) + i2 * np.exp(-l2 * s) - r * value(x, i1, i2, r, l1, l2, s)  # type: ignore[no-any-return]


@rule
def turning(i1: float, i2: float, l1: float, l2: float) -> float:
    """The only time at which the slope times exp(r s) can turn round; inf if it never does."""
    a, b = l1 * i1, l2 * i2
    if l1 == l2 or a * b >= 0.0:
        return np.inf
    return np.log(-a / b) / (l1 - l2)  # type: ignore[no-any-return]


@kernel
def upward(
    x: float, i1: float, i2: float, r: float, l1: float, l2: float, threshold: float, low: float, high: float
) -> float:
    """Time in [low, high], where the potential rises through `threshold`: Newton, kept within its bracket."""
    s = low
    for _ in range(200):
        miss = value(x, i1, i2, r, l1, l2, s) - threshold
        if miss < 0.0:
            low = s
        else:
            high = s
        steep = slope(x, i1, i2, r, l1, l2, s)
        new = s - miss / steep if steep > 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def level_point(x: float, i1: float, i2: float, r: float, l1: float, l2: float, low: float, high: float) -> float:
    """The zero of the slope in [low, high], where it changes sign once."""
    rising = slope(x, i1, i2, r, l1, l2, low) > 0.0
    s = 0.5 * (low + high)
    for _ in range(200):
        d = slope(x, i1, i2, r, l1, l2, s)
        if (d > 0.0) == rising:
            low = s
        else:
            high = s
        bend = -l1 * i1 * np.exp(-l1 * s) - l2 * i2 * np.exp(-l2 * s) - r * d
        new = s - d / bend if bend != 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def first_crossing(
    x: float, i1: float, i2: float, r: float, l1: float, l2: float, threshold: float, horizon: float
) -> float:
    """First time (ms) within `horizon` at which the potential reaches `threshold`; -1 if it does not.

    `x` and `threshold` are relative to V_inf (mV); currents are divided by C (mV/ms); rates in 1/ms.
    """
    if x >= threshold:
        return 0.0
    low, before = 0.0, slope(x, i1, i2, r, l1, l2, 0.0)
    turn = turning(i1, i2, l1, l2)
    while True:
        high = turn if low < turn < horizon else horizon
        after = slope(x, i1, i2, r, l1, l2, high)
        if before * after < 0.0:
            middle = level_point(x, i1, i2, r, l1, l2, low, high)
            if before < 0.0:
                low = middle
            top = high if before < 0.0 else middle
            if value(x, i1, i2, r, l1, l2, top) >= threshold:
                return upward(x, i1, i2, r, l1, l2, threshold, low, top)
        elif (before > 0.0 or after > 0.0) and value(x, i1, i2, r, l1, l2, high) >= threshold:
            return upward(x, i1, i2, r, l1, l2, threshold, low, high)
        if high >= horizon:
            return -1.0
        low, before = high, after


# ---------------------------------------------------------------- what a reader calls


def _rate(tau: float) -> float:
    return 0.0 if np.isinf(tau) else 1.0 / tau


def potential(
    t: float,
    v: float,
    excitatory: float,
    inhibitory: float = 0.0,
    *,
    tau: float,
    tau_excitatory: float,
    tau_inhibitory: float = 1.0,
    capacitance: float = 1.0,
    v_inf: float = 0.0,
) -> float:
    """Membrane potential (mV) `t` ms after it was `v` with currents `excitatory` and `inhibitory` (pA; signed).

    Parameters
    ----------
    tau, tau_excitatory, tau_inhibitory : float, ms
    capacitance : float, pF
    v_inf : float, mV
        Where the potential goes without synaptic current: rest + R I of a constant current.
    """
    r, le, li = _rate(tau), 1.0 / tau_excitatory, 1.0 / tau_inhibitory
    return float(v_inf + value(v - v_inf, excitatory / capacitance, inhibitory / capacitance, r, le, li, t))


def crossing(
    v: float,
    excitatory: float,
    inhibitory: float = 0.0,
    *,
    threshold: float,
    tau: float,
    tau_excitatory: float,
    tau_inhibitory: float = 1.0,
    capacitance: float = 1.0,
    v_inf: float = 0.0,
    horizon: float | None = None,
) -> float:
    """Time (ms) to the first crossing of `threshold` if no further input comes; inf if there is none.

    Parameters as in `potential`; `horizon` (ms) limits the search: 60 of the longest time constant if not given,
    after which nothing is left of the present state.
    """
    if horizon is None:
        horizon = 60.0 * max(tau_excitatory, tau_inhibitory, 0.0 if np.isinf(tau) else tau)
    if horizon <= 0:
        raise ParameterError(f"horizon must be positive, got {horizon!r} ms")
    r, le, li = _rate(tau), 1.0 / tau_excitatory, 1.0 / tau_inhibitory
    s = first_crossing(
        v - v_inf, excitatory / capacitance, inhibitory / capacitance, r, le, li, threshold - v_inf, horizon
    )
    return float(s) if s >= 0 else float("inf")


def peak_time(
    v: float, current: float, *, tau: float, tau_current: float, capacitance: float = 1.0, v_inf: float = 0.0
) -> float:
    """Time (ms) of the only extremum of the potential under one exponential current; inf if there is none."""
    r, l1 = _rate(tau), 1.0 / tau_current
    i = current / capacitance
    x = v - v_inf
    if i == 0.0:
        return float("inf")
    # slope times exp(r s) is i - r x - l1 i phi(l1 - r, s)
    want = (i - r * x) / (l1 * i)
    delta = l1 - r
    if want <= 0.0 or delta * want >= 1.0:
        return float("inf")
    return float(want if abs(delta * want) < 1e-12 else -np.log1p(-delta * want) / delta)


def alpha_potential(
    t: float, v: float, weight: float, *, tau: float, tau_alpha: float, capacitance: float = 1.0, v_inf: float = 0.0
) -> float:
    """Membrane potential (mV) `t` ms after an alpha current ``weight (e/ta) t exp(-t/ta)`` began.

    Parameters
    ----------
    weight : float, pA
        Peak of the current, reached after `tau_alpha` ms.
    """
    r, rate = _rate(tau), 1.0 / tau_alpha
    b = rate - r
    z = b * t
    # integral of y exp(-b y) over [0, t], by its series where the closed form cancels
    if abs(z) < 1.0:
        term, area = t * t, 0.5 * t * t
        for n in range(1, 20):
            term *= -z / n
            area += term / (n + 2)
    else:
        area = (-np.expm1(-z) - z * np.exp(-z)) / b**2
    decay = np.exp(-r * t)
    return float(v_inf + (v - v_inf) * decay + weight * np.e * rate / capacitance * decay * area)
