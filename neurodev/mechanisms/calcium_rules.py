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

from typing import NamedTuple

import numpy as np

from neurodev.arrays import F8, Int
from neurodev.jit import hook, kernel, rule
from neurodev.mechanisms.hooks import (
    column_of,
    inputs_of,
    parameters_of,
    pre_traces_of,
    row_of,
    since_start,
    uids_of,
    weights_of,
)
from neurodev.rng import normal

FLAT, BISTABLE = 0, 1  # potentials, which travel as floats
C_EFFICACY, C_CALCIUM, C_TIME, C_STREAM = range(4)  # columns of the hooks
_TICKS = 1048576.0  # draws are keyed by time in units of 2^-20 ms
_STREAMS = 9007199254740992.0  # 2^53: a stream is a uniform in this many steps


class CalciumParameters(NamedTuple):
    """Of the hooks; times in ms."""

    calcium_tau: float
    pre: float
    post: float
    delay: float
    low: float
    high: float
    down: float
    up: float
    tau: float
    sigma: float
    potential: float
    """FLAT or BISTABLE."""
    bottom: float
    """Weight at efficacy 0, mV."""
    top: float
    writes_weight: float
    """1 where the weight follows the efficacy, else 0."""
    waiting: float
    """Places of a ring."""


@rule
def potential_step(rho: float, dt: float, tau: float) -> float:
    """Exact flow of tau drho/dt = -rho (1 - rho) (1/2 - rho), a Bernoulli equation in rho - 1/2."""
    u = rho - 0.5
    if u == 0.0:
        return rho
    v = 4.0 + (1.0 / (u * u) - 4.0) * np.exp(-0.5 * dt / tau)
    return 0.5 + (1.0 if u > 0.0 else -1.0) / np.sqrt(v)  # type: ignore[no-any-return]


@rule
def plastic_step(
    rho: float, up: float, down: float, dt: float, tau: float, sigma: float, n_above: float, z: float
) -> float:
    """Exact step of tau drho = (up (1 - rho) - down rho) dt + sigma sqrt(n_above tau) dW; `z` is a standard normal."""
    total = up + down
    if total <= 0.0:
        return rho + sigma * np.sqrt(n_above * dt / tau) * z  # type: ignore[no-any-return]
    keep = np.exp(-total * dt / tau)
    spread = sigma * np.sqrt(n_above * (1.0 - keep * keep) / (2.0 * total)) if sigma > 0.0 else 0.0
    return up / total + (rho - up / total) * keep + spread * z  # type: ignore[no-any-return]


@rule
def time_above(calcium: float, threshold: float, dt: float, tau: float) -> float:
    """How long decaying calcium stays above a threshold within the next `dt`."""
    if calcium <= threshold:
        return 0.0
    return min(tau * np.log(calcium / threshold), dt)  # type: ignore[no-any-return]


@rule
def advance(
    rho: float, calcium: float, dt: float, p: CalciumParameters, stream: np.uint64, uid: np.uint64, step: np.uint64
) -> float:
    """Efficacy after `dt` ms without events; draws are keyed by stream, uid and step."""
    tau, bistable, sigma = p.tau, p.potential == BISTABLE, p.sigma
    low = time_above(calcium, p.low, dt, p.calcium_tau)
    high = time_above(calcium, p.high, dt, p.calcium_tau)
    both, longest = min(low, high), max(low, high)
    for piece in range(2):
        span = both if piece == 0 else longest - both
        if span <= 0.0:
            continue
        up = p.up if piece == 0 or high > low else 0.0
        down = p.down if piece == 0 or low > high else 0.0
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
def ring(record: int, k: Int) -> F8:
    """The k-th place of all rings, (n_row,); the last one counts arrivals."""
    return pre_traces_of(record, k)


@kernel
def touch(record: int, s: Int, row: Int, t: float) -> None:
    """Bring slot `s` of `row` up to time `t` (ms since the start), arrivals whose calcium is due included."""
    p = parameters_of(record, CalciumParameters)
    efficacy, level, time = column_of(record, C_EFFICACY), column_of(record, C_CALCIUM), column_of(record, C_TIME)
    uid = uids_of(record)[s]
    stream = np.uint64(0)
    if p.sigma > 0.0:
        stream = np.uint64(column_of(record, C_STREAM)[s] * _STREAMS)
    size = np.int64(p.waiting)
    count = np.int64(ring(record, size)[row])
    rho, ca, last = efficacy[s], level[s], time[s]
    if last < 0.0:  # newborn: no calcium yet
        last, ca = t, 0.0
    k = count
    while k > 0 and count - k < size and ring(record, (k - 1) % size)[row] + p.delay > last:
        k -= 1
    while k < count:
        due = ring(record, k % size)[row] + p.delay
        if due > t:
            break
        rho = advance(rho, ca, due - last, p, stream, uid, np.uint64(due * _TICKS))
        ca = ca * np.exp(-(due - last) / p.calcium_tau) + p.pre
        last = due
        k += 1
    rho = advance(rho, ca, t - last, p, stream, uid, np.uint64(t * _TICKS))
    level[s] = ca * np.exp(-(t - last) / p.calcium_tau)
    efficacy[s], time[s] = rho, t
    if p.writes_weight > 0.0:
        weights_of(record)[s] = max(p.bottom + rho * (p.top - p.bottom), 0.0)


@hook
def calcium_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """An arrival: integrate its row, then let its calcium wait."""
    p = parameters_of(record, CalciumParameters)
    row, now = row_of(record, source, lane), since_start(record, t)
    for s in range(first, last):
        touch(record, s, row, now)
    size = np.int64(p.waiting)
    counter = ring(record, size)
    count = np.int64(counter[row])
    place = ring(record, count % size)
    if count >= size and place[row] + p.delay > now:
        for s in range(first, last):
            column_of(record, C_CALCIUM)[s] = np.nan
    place[row] = now
    counter[row] = count + 1


@hook
def calcium_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """A spike: integrate all inputs of the target, then raise their calcium."""
    slot, row = inputs_of(record, j)
    now, jump = since_start(record, t), parameters_of(record, CalciumParameters).post
    level = column_of(record, C_CALCIUM)
    for k in range(slot.shape[0]):
        s = np.int64(slot[k])
        touch(record, s, np.int64(row[k]), now)
        level[s] += jump
