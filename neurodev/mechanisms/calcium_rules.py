"""The hot half of calcium-based plasticity: exact integration of one synapse between events.

Between events calcium decays exponentially, so the times above both thresholds are logarithms; while the set of
passed thresholds stays the same, the efficacy obeys a linear equation (with noise: an Ornstein-Uhlenbeck process)
whose step is exact, and the bistable potential alone is exact too.  The only approximation is their splitting (half a
step of potential, a step of plasticity, half a step of potential), of third order in the time above threshold over the
time constant of the efficacy: below 1e-8 an event for the published constants, milliseconds against minutes.

A synapse is integrated when it is touched: at every arrival of its row and at every spike of its target.  Calcium of an
arrival comes late by `delay`, so the arrivals of the last `delay` ms wait in a ring for each row, kept in pre traces of
infinite time constant, which the event loop never rescales.  A full ring marks the row's calcium as NaN.
"""

from __future__ import annotations

import numpy as np

from neurodev.jit import hook, kernel, rule, view_f4, view_f8, view_i8, view_u4, view_u8
from neurodev.mechanisms import base
from neurodev.mechanisms.hooks import parameter
from neurodev.rng import normal

# positions in the parameter vector
(
    P_TAU_CA, P_PRE, P_POST, P_DELAY, P_LOW, P_HIGH, P_DOWN, P_UP, P_TAU, P_SIGMA, P_BISTABLE, P_BOTTOM, P_TOP,
    P_WRITES, P_RING,
) = range(15)  # fmt: skip
C_EFFICACY, C_CALCIUM, C_TIME, C_STREAM = range(4)
_TICKS = 1048576.0  # draws are keyed by time in units of 2^-20 ms


@rule
def potential_step(rho, dt, tau):  # type: ignore[no-untyped-def]
    """Exact flow of tau drho/dt = -rho (1 - rho) (1/2 - rho), a Bernoulli equation in rho - 1/2."""
    u = rho - 0.5
    if u == 0.0:
        return rho
    v = 4.0 + (1.0 / (u * u) - 4.0) * np.exp(-0.5 * dt / tau)
    return 0.5 + (1.0 if u > 0.0 else -1.0) / np.sqrt(v)


@rule
def plastic_step(rho, up, down, dt, tau, sigma, n_above, z):  # type: ignore[no-untyped-def]
    """Exact step of tau drho = (up (1 - rho) - down rho) dt + sigma sqrt(n_above tau) dW; `z` is a standard normal."""
    total = up + down
    if total <= 0.0:
        return rho + sigma * np.sqrt(n_above * dt / tau) * z
    keep = np.exp(-total * dt / tau)
    spread = sigma * np.sqrt(n_above * (1.0 - keep * keep) / (2.0 * total)) if sigma > 0.0 else 0.0
    return up / total + (rho - up / total) * keep + spread * z


@rule
def time_above(calcium, threshold, dt, tau):  # type: ignore[no-untyped-def]
    """How long decaying calcium stays above a threshold within the next `dt`."""
    if calcium <= threshold:
        return 0.0
    return min(tau * np.log(calcium / threshold), dt)


@kernel
def advance(rho, calcium, dt, p, stream, uid, step):  # type: ignore[no-untyped-def]
    """Efficacy after `dt` ms without events; `p` is the parameter vector."""
    tau, bistable, sigma = p[P_TAU], p[P_BISTABLE] > 0.0, p[P_SIGMA]
    low = time_above(calcium, p[P_LOW], dt, p[P_TAU_CA])
    high = time_above(calcium, p[P_HIGH], dt, p[P_TAU_CA])
    both, longest = min(low, high), max(low, high)
    for piece in range(2):
        span = both if piece == 0 else longest - both
        if span <= 0.0:
            continue
        up = p[P_UP] if piece == 0 or high > low else 0.0
        down = p[P_DOWN] if piece == 0 or low > high else 0.0
        z = normal(stream, uid, np.uint64(2) * step + np.uint64(piece)) if sigma > 0.0 else 0.0
        if bistable:
            rho = potential_step(rho, 0.5 * span, tau)
        rho = plastic_step(rho, up, down, span, tau, sigma, 2.0 if piece == 0 else 1.0, z)
        if bistable:
            rho = potential_step(rho, 0.5 * span, tau)
    if bistable and dt > longest:
        rho = potential_step(rho, dt - longest, tau)
    return rho


@rule
def column(r, k):  # type: ignore[no-untyped-def]
    """The k-th hot column of a record."""
    at = view_i8(r[base.R_COLUMNS], k + 1)[k]
    return view_f8(r[base.R_F] + 8 * at * r[base.R_CAPACITY], r[base.R_CAPACITY])


@rule
def ring(r, k):  # type: ignore[no-untyped-def]
    """The k-th place of all rings, (n_row,); the last one counts arrivals."""
    return view_f8(r[base.R_PRE_TRACE] + 8 * k * r[base.R_N_ROW], r[base.R_N_ROW])


@kernel
def touch(record, s, row, t):  # type: ignore[no-untyped-def]
    """Bring slot `s` of `row` up to time `t` (ms since the start), arrivals whose calcium is due included."""
    r = view_i8(record, base.RECORD_SIZE)
    p = view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])
    efficacy, level, time = column(r, C_EFFICACY), column(r, C_CALCIUM), column(r, C_TIME)
    uid = view_u8(r[base.R_UID], r[base.R_CAPACITY])[s]
    stream = np.uint64(0)
    if p[P_SIGMA] > 0.0:
        stream = np.uint64(column(r, C_STREAM)[s] * 9007199254740992.0)
    size = np.int64(p[P_RING])
    count = np.int64(ring(r, size)[row])
    rho, ca, last = efficacy[s], level[s], time[s]
    if last < 0.0:  # newborn: no calcium yet
        last, ca = t, 0.0
    k = count
    while k > 0 and count - k < size and ring(r, (k - 1) % size)[row] + p[P_DELAY] > last:
        k -= 1
    while k < count:
        due = ring(r, k % size)[row] + p[P_DELAY]
        if due > t:
            break
        rho = advance(rho, ca, due - last, p, stream, uid, np.uint64(due * _TICKS))
        ca = ca * np.exp(-(due - last) / p[P_TAU_CA]) + p[P_PRE]
        last = due
        k += 1
    rho = advance(rho, ca, t - last, p, stream, uid, np.uint64(t * _TICKS))
    level[s] = ca * np.exp(-(t - last) / p[P_TAU_CA])
    efficacy[s], time[s] = rho, t
    if p[P_WRITES] > 0.0:
        weight = view_f4(r[base.R_WEIGHT], r[base.R_CAPACITY])
        weight[s] = np.float32(max(p[P_BOTTOM] + rho * (p[P_TOP] - p[P_BOTTOM]), 0.0))


@hook
def calcium_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """An arrival: integrate its row, then let its calcium wait."""
    r = view_i8(record, base.RECORD_SIZE)
    row = lane * r[base.R_N_SOURCE] + source
    now = t - view_f8(r[base.R_BASE], 1)[0]
    for s in range(first, last):
        touch(record, s, row, now)
    size = np.int64(parameter(record, P_RING))
    counter = ring(r, size)
    count = np.int64(counter[row])
    place = ring(r, count % size)
    if count >= size and place[row] + parameter(record, P_DELAY) > now:
        for s in range(first, last):
            column(r, C_CALCIUM)[s] = np.nan
    place[row] = now
    counter[row] = count + 1


@hook
def calcium_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """A spike: integrate all inputs of the target, then raise their calcium."""
    r = view_i8(record, base.RECORD_SIZE)
    n_target, n_in = r[base.R_N_TARGET], r[base.R_N_IN]
    begin = view_i8(r[base.R_IN_START], n_target)[j]
    end = begin + np.int64(view_u4(r[base.R_IN_LENGTH], n_target)[j])
    slot, row = view_u4(r[base.R_IN_SLOT], n_in), view_u4(r[base.R_IN_ROW], n_in)
    now = t - view_f8(r[base.R_BASE], 1)[0]
    jump = parameter(record, P_POST)
    level = column(r, C_CALCIUM)
    for k in range(begin, end):
        s = np.int64(slot[k])
        touch(record, s, np.int64(row[k]), now)
        level[s] += jump
