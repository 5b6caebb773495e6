"""Exact exponential traces, the closed forms they obey, and the rescaled form that hot loops keep.

A trace jumps by 1 at an event (or *to* 1, if it saturates) and decays with tau.  Rescaled, ``X = x exp((t - base) / tau)``
is constant between events, so that a whole row shares one exponential; the event loop moves `base` before X overflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.jit import rule

F8 = NDArray[np.float64]


@rule
def frame(t, base, tau):  # type: ignore[no-untyped-def]
    """Factor between a trace and its rescaled value."""
    return np.exp((t - base) / tau)


def trace_at(events: F8, t: F8, tau: float, saturating: bool = False) -> F8:
    """The trace just before each time of `t` (ms) after `events` (ms, ascending): the slow, obvious twin."""
    t = np.atleast_1d(np.asarray(t, dtype=float))
    out = np.zeros(t.shape)
    for k, at in enumerate(t):
        past = events[events < at]
        if past.size:
            out[k] = np.exp(-(at - past[-1]) / tau) if saturating else np.exp(-(at - past) / tau).sum()
    return out


def mean_and_variance(rate_hz: float, tau: float, saturating: bool = False) -> tuple[float, float]:
    """Mean and variance of the trace of a Poisson train (EX-43, EX-44)."""
    a = rate_hz * tau / 1e3
    if saturating:
        mean = a / (1.0 + a)
        return mean, a / (2.0 + a) - mean**2
    return a, a / 2.0
