"""The first crossing of a membrane driven by any number of exponential currents, without sampling.

    x(s) = exp(-r s) (x + sum_k i_k phi(l_k - r, s)),      (exp(r s) (x(s) - threshold))' = exp(r s) h(s)
    h(s) = sum_k i_k exp(-l_k s) - r threshold

Between two zeros of h the left side is monotone, so it crosses zero at most once there.  h is a sum of exponentials
(a constant is one of rate 0), and its zeros are isolated by the generalised Descartes recursion: factor out the slowest
term and differentiate, and one term is gone; between the zeros of what is left the sum above it is monotone again, down
to a single exponential, which has no zero.  Nothing is approximated, and rates may be equal or nearly so.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8
from neurodev.jit import kernel, rule
from neurodev.neurons.current import CLOSE, response

WIDTH = 8  # most exponentials, the constant of the threshold included
SCRATCH = (WIDTH + 4, WIDTH)  # the last row is left to the caller
RATES, ZEROS, FOUND = WIDTH, WIDTH + 1, WIDTH + 2  # rows of the scratch after those of coefficients


@rule
def value_of_sum(x: float, currents: F8, rates: F8, n: int, r: float, s: float) -> float:
    """Potential relative to V_inf, `s` ms on; currents and rates (n,)."""
    out = x * np.exp(-r * s)
    for k in range(n):
        if currents[k] != 0.0:
            out += currents[k] * response(r, rates[k], s)
    return out  # type: ignore[no-any-return]


@rule
def flow_of_sum(currents: F8, rates: F8, n: int, s: float) -> float:
    """Total current over C, `s` ms on; currents and rates (n,)."""
    out = 0.0
    for k in range(n):
        if currents[k] != 0.0:
            out += currents[k] * np.exp(-rates[k] * s)
    return out


@kernel
def collect(currents: F8, rates: F8, n: int, constant: float, scratch: F8) -> int:
    """Terms of h in order of their rates, equal rates added up, into `scratch`; returns how many.

    currents, rates : (n,);  scratch : SCRATCH
    """
    coefficient, rate = scratch[0], scratch[RATES]
    m = 0
    for k in range(n + 1):
        c = constant if k == n else currents[k]
        mu = 0.0 if k == n else rates[k]
        if c == 0.0:
            continue
        at = 0
        while at < m and rate[at] < mu:
            at += 1
        if at < m and rate[at] == mu:
            coefficient[at] += c
            continue
        for i in range(m, at, -1):
            coefficient[i], rate[i] = coefficient[i - 1], rate[i - 1]
        coefficient[at], rate[at] = c, mu
        m += 1
    return m


@kernel
def level(scratch: F8, d: int, m: int, s: float) -> float:
    """The sum after `d` differentiations, its slowest term factored out, at `s`."""
    coefficient, rate = scratch[d], scratch[RATES]
    out = coefficient[d]
    for k in range(d + 1, m):
        out += coefficient[k] * np.exp(-(rate[k] - rate[d]) * s)
    return out  # type: ignore[no-any-return]


@kernel
def level_zero(scratch: F8, d: int, m: int, low: float, high: float, rising: bool) -> float:
    """The zero of a level in [low, high], where it is monotone and changes sign: Newton, kept within its bracket."""
    lag = scratch[RATES, d + 1] - scratch[RATES, d]
    s = 0.5 * (low + high)
    for _ in range(200):
        here = level(scratch, d, m, s)
        if (here < 0.0) == rising:
            low = s
        else:
            high = s
        steep = level(scratch, d + 1, m, s) * np.exp(-lag * s)
        new = s - here / steep if steep != 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def turning_points(currents: F8, rates: F8, n: int, constant: float, horizon: float, scratch: F8) -> int:
    """The zeros of h in (0, horizon), ascending, into row ZEROS of the scratch; returns how many."""
    m = collect(currents, rates, n, constant, scratch)
    rate, zeros, found = scratch[RATES], scratch[ZEROS], scratch[FOUND]
    for d in range(1, m):
        for k in range(d, m):
            scratch[d, k] = -scratch[d - 1, k] * (rate[k] - rate[d - 1])
    number = 0
    for d in range(m - 2, -1, -1):
        fresh = 0
        low = 0.0
        before = level(scratch, d, m, low)
        for k in range(number + 1):
            high = zeros[k] if k < number else horizon
            after = level(scratch, d, m, high)
            if before * after < 0.0:
                found[fresh] = level_zero(scratch, d, m, low, high, before < 0.0)
                fresh += 1
            low, before = high, after
        for k in range(fresh):
            zeros[k] = found[k]
        number = fresh
    return number


@kernel
def upward_in_sum(
    x: float, currents: F8, rates: F8, n: int, r: float, threshold: float, low: float, high: float
) -> float:
    """Time in [low, high] at which the potential rises through `threshold`: Newton, kept within its bracket."""
    s = low
    for _ in range(200):
        here = value_of_sum(x, currents, rates, n, r, s)
        if here < threshold:
            low = s
        else:
            high = s
        steep = flow_of_sum(currents, rates, n, s) - r * here
        new = s - (here - threshold) / steep if steep > 0.0 else high + 1.0
        if not (low <= new <= high):
            new = 0.5 * (low + high)
        step = abs(new - s)
        s = new
        if step < CLOSE:
            break
    return s


@kernel
def first_crossing_of_sum(
    x: float, currents: F8, rates: F8, n: int, r: float, threshold: float, horizon: float, scratch: F8
) -> float:
    """First time (ms) within `horizon` at which the potential reaches `threshold`; -1 if it does not.

    `x` and `threshold` are relative to V_inf (mV), `currents` (n,) over C (mV/ms), `rates` (n,) and `r` in 1/ms; n is
    at most WIDTH - 1, and `scratch` an array of shape SCRATCH.
    """
    if x >= threshold:
        return 0.0
    number = turning_points(currents, rates, n, -r * threshold, horizon, scratch)
    low = 0.0
    for k in range(number + 1):
        high = scratch[ZEROS, k] if k < number else horizon
        if value_of_sum(x, currents, rates, n, r, high) >= threshold:
            return upward_in_sum(x, currents, rates, n, r, threshold, low, high)
        low = high
    return -1.0
