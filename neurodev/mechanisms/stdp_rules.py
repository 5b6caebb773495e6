"""The hot half of STDP: one pair of hooks for each rule.

A hook computes one factor a row (the exponential of a rescaled trace) and hands it to a walk, so that a synapse
costs a load, a multiplication and a store.
"""

from __future__ import annotations

from neurodev.jit import hook, kernel
from neurodev.mechanisms.hooks import (
    P_A,
    P_B,
    P_C,
    P_D,
    change_inputs,
    change_row,
    growth,
    parameter,
    post_value,
    pre_value,
    raise_post,
    raise_pre,
)

# Traces: pair, nearest and burst have x = 0 (pre), y = 1 (post 0); triplet x1, x2 = 0, 1 and y1, y2 = 2, 3.


@hook
def pair_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression at an arrival."""
    change_row(record, first, last, 0.0, -parameter(record, P_B) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def pair_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation at a spike."""
    change_inputs(record, j, 0.0, parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@hook
def nearest_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression by the nearest spike."""
    change_row(record, first, last, 0.0, -parameter(record, P_B) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), True)


@hook
def nearest_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation by the nearest arrival."""
    change_inputs(record, j, 0.0, parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), True)


@hook
def triplet_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Depression at an arrival, modulated by the slow pre trace before it rises."""
    g2 = growth(record, 1, t)
    amplitude = parameter(record, P_B) + parameter(record, P_D) * pre_value(record, source, lane, 1) / g2
    change_row(record, first, last, 0.0, -amplitude / growth(record, 2, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)
    raise_pre(record, source, lane, 1, g2, False)


@hook
def triplet_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Potentiation at a spike, modulated by the slow post trace before it rises."""
    g2 = growth(record, 3, t)
    amplitude = parameter(record, P_A) + parameter(record, P_C) * post_value(record, j, 1) / g2
    change_inputs(record, j, 0.0, amplitude / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 2, t), False)
    raise_post(record, j, 1, g2, False)


@hook
def burst_pre(record, source, lane, first, last, t):  # type: ignore[no-untyped-def]
    """Coincidence minus a constant at an arrival."""
    change_row(record, first, last, -parameter(record, P_B), parameter(record, P_A) / growth(record, 1, t), 0)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def burst_post(record, j, b, c, d, t):  # type: ignore[no-untyped-def]
    """Coincidence minus a constant at a spike."""
    change_inputs(record, j, -parameter(record, P_C), parameter(record, P_A) / growth(record, 0, t), 0)
    raise_post(record, j, 0, growth(record, 1, t), False)


@kernel
def update_evidence(slots, accumulator, evidence, keep, scale):  # type: ignore[no-untyped-def]
    """Low-pass the accumulated changes into evidence, and clear them."""
    for k in range(slots.shape[0]):
        s = slots[k]
        evidence[s] = evidence[s] * keep + (1.0 - keep) * (accumulator[s] * scale)
        accumulator[s] = 0.0


@kernel
def evidence_drive(slots, post, evidence, mean, gain, clip, out):  # type: ignore[no-untyped-def]
    """Add ``gain clip(h - mean of the target)`` to the drive."""
    for k in range(slots.shape[0]):
        s = slots[k]
        out[s] += gain * min(max(evidence[s] - mean[post[s]], -clip), clip)


HOOKS = {
    "pair": (pair_pre, pair_post),
    "nearest": (nearest_pre, nearest_post),
    "triplet": (triplet_pre, triplet_post),
    "burst": (burst_pre, burst_post),
}
