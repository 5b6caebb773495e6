"""The hot half of STDP: one pair of hooks for each rule.

A hook computes one factor a row (the exponential of a rescaled trace) and hands it to a walk, so that a synapse
costs a load, a multiplication and a store.
"""

from __future__ import annotations

from typing import NamedTuple

from neurodev.arrays import F8, I8, U4
from neurodev.jit import hook, kernel
from neurodev.mechanisms.hooks import (
    Writing,
    change_inputs,
    change_row,
    growth,
    parameters_of,
    post_value,
    pre_value,
    raise_post,
    raise_pre,
)


class PairParameters(NamedTuple):
    """Of pair and nearest: what they write to (`Writing`), A+ and A-.  Traces: x = 0 (pre 0), y = 1 (post 0)."""

    mode: float
    bounds: float
    weight_max: float
    power: float
    potentiation: float
    depression: float


class TripletParameters(NamedTuple):
    """What the rule writes to, A2+, A2-, A3+ and A3-.  Traces: x1, x2 = 0, 1 (pre) and y1, y2 = 2, 3 (post 0, 1)."""

    mode: float
    bounds: float
    weight_max: float
    power: float
    potentiation: float
    depression: float
    triplet_potentiation: float
    triplet_depression: float


class BurstParameters(NamedTuple):
    """What the rule writes to, A, B and C.  Traces as of the pair rules."""

    mode: float
    bounds: float
    weight_max: float
    power: float
    burst_gain: float
    loss_at_arrival: float
    loss_at_spike: float


@hook
def pair_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Depression at an arrival."""
    p = parameters_of(record, PairParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_row(record, to, first, last, 0.0, -p.depression / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def pair_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """Potentiation at a spike."""
    p = parameters_of(record, PairParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_inputs(record, to, j, 0.0, p.potentiation / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@hook
def nearest_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Depression by the nearest spike."""
    p = parameters_of(record, PairParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_row(record, to, first, last, 0.0, -p.depression / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), True)


@hook
def nearest_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """Potentiation by the nearest arrival."""
    p = parameters_of(record, PairParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_inputs(record, to, j, 0.0, p.potentiation / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), True)


@hook
def triplet_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Depression at an arrival, modulated by the slow pre trace before it rises."""
    p = parameters_of(record, TripletParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    g2 = growth(record, 1, t)
    amplitude = p.depression + p.triplet_depression * pre_value(record, source, lane, 1) / g2
    change_row(record, to, first, last, 0.0, -amplitude / growth(record, 2, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)
    raise_pre(record, source, lane, 1, g2, False)


@hook
def triplet_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """Potentiation at a spike, modulated by the slow post trace before it rises."""
    p = parameters_of(record, TripletParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    g2 = growth(record, 3, t)
    amplitude = p.potentiation + p.triplet_potentiation * post_value(record, j, 1) / g2
    change_inputs(record, to, j, 0.0, amplitude / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 2, t), False)
    raise_post(record, j, 1, g2, False)


@hook
def burst_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Coincidence minus a constant at an arrival."""
    p = parameters_of(record, BurstParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_row(record, to, first, last, -p.loss_at_arrival, p.burst_gain / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def burst_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """Coincidence minus a constant at a spike."""
    p = parameters_of(record, BurstParameters)
    to = Writing(p.mode, p.bounds, p.weight_max, p.power)
    change_inputs(record, to, j, -p.loss_at_spike, p.burst_gain / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@kernel
def update_evidence(slots: I8, accumulator: F8, evidence: F8, keep: float, scale: float) -> None:
    """Low-pass the accumulated changes of `slots` into evidence, and clear them; both columns are (capacity,)."""
    for k in range(slots.shape[0]):
        s = slots[k]
        evidence[s] = evidence[s] * keep + (1.0 - keep) * (accumulator[s] * scale)
        accumulator[s] = 0.0


@kernel
def evidence_drive(slots: I8, post: U4, evidence: F8, mean: F8, gain: float, clip: float, out: F8) -> None:
    """Add ``gain clip(h - mean of the target)`` of `slots` to the drive.

    post, evidence, out : (capacity,);  mean : (n_target,)
    """
    for k in range(slots.shape[0]):
        s = slots[k]
        out[s] += gain * min(max(evidence[s] - mean[post[s]], -clip), clip)


HOOKS = {
    "pair": (pair_pre, pair_post),
    "nearest": (nearest_pre, nearest_post),
    "triplet": (triplet_pre, triplet_post),
    "burst": (burst_pre, burst_post),
}
