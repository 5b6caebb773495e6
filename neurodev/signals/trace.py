"""Exact exponential traces, the closed forms they obey, and the rescaled form that hot loops keep.

A trace jumps by 1 at an event (or *to* 1, if it saturates) and decays with tau.  Rescaled,
``X = x exp((t - base) / tau)`` is constant between events, so that a whole row shares one exponential; the event loop
moves `base` before X overflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.jit import rule


@rule
def frame(t: float, base: float, tau: float) -> float:
    """Factor between a trace and its rescaled value: ``X = x frame``."""
    return np.exp((t - base) / tau)  # type: ignore[no-any-return]


@rule
def raised(rescaled: float, factor: float, saturating: bool) -> float:
    """The rescaled trace after an event, at which `frame` is `factor`."""
    return factor if saturating else rescaled + factor


def trace_at(events: ArrayLike, t: ArrayLike, tau: float, saturating: bool = False) -> F8:
    """The trace just before each time of `t` (ms), after `events` (ms, ascending): the slow, obvious twin."""
    past_events = np.asarray(events, dtype=np.float64)
    times = np.atleast_1d(np.asarray(t, dtype=np.float64))
    out = np.zeros(times.shape)
    for k, at in enumerate(times):
        past = past_events[past_events < at]
        if past.size:
            out[k] = np.exp(-(at - past[-1]) / tau) if saturating else np.exp(-(at - past) / tau).sum()
    return out


def mean_and_variance(rate_hz: float, tau: float, saturating: bool = False) -> tuple[float, float]:
    """Mean and variance of the trace of a Poisson train (EX-43, EX-44); tau in ms."""
    a = rate_hz * tau / 1e3
    if saturating:
        mean = a / (1.0 + a)
        return mean, a / (2.0 + a) - mean**2
    return a, a / 2.0


def autocovariance(rate_hz: float, tau: float, lag: ArrayLike) -> F8:
    """Autocovariance of the trace of a Poisson train at lags (ms): ``(r tau / 2) exp(-lag / tau)`` (EX-43)."""
    return np.asarray(rate_hz * tau / 2e3 * np.exp(-np.abs(np.asarray(lag, dtype=np.float64)) / tau))


def periodic(period: float, tau: float) -> tuple[float, float]:
    """Trace of a regular train in the steady state: its value just before an event, and its mean in time (EX-45)."""
    q = np.exp(-period / tau)
    return float(q / (1.0 - q)), float(tau / period)
