"""Exponential currents in the event loop: arrivals and predicted crossings (`current.py` has the closed forms).

The potential itself is needed only to ask whether a neuron can reach its threshold before the block ends.  An upper
bound answers that for most arrivals with one comparison; for the rest the first crossing is solved exactly.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import Int
from neurodev.jit import kernel, model_rule
from neurodev.neurons.channels import (
    ANCHORED,
    INVERSE,
    RATES,
    THRESHOLD,
    R,
    add_from_outside,
    place,
    put_at_reset,
    rebase_channels,
)
from neurodev.neurons.current import first_crossing
from neurodev.neurons.rules import (
    AT,
    EVERYBODY,
    LISTED,
    NONE,
    REFRACTORY,
    block_end,
    cells_of,
    classes_of,
    first_young,
    frame,
    is_free,
    is_inhibitory,
    kinds_of,
    listed_of,
    membranes_of,
    row_of,
    schedule,
)

N_CHANNEL = 2  # excitation and inhibition
MARGIN = N_CHANNEL + 1  # column: mV that further input may add before the end of the block without a crossing


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the crossing of neuron `i` if there is one between `t` and the end of the block."""
    cell = cells_of(m)[i]
    cell[AT], cell[MARGIN] = NONE, 0.0
    if not is_free(m, i):
        return
    u, c = membranes_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    dt, left, r = t - frame(m), block_end(m) - t, c[R]
    l1, l2 = c[RATES], c[RATES + 1]
    i1, i2 = cell[1] * np.exp(-l1 * dt), cell[2] * np.exp(-l2 * dt)
    p1, p2 = place(c[ANCHORED], l1 - r, dt), place(c[ANCHORED + 1], l2 - r, dt)
    x = np.exp(-r * dt) * (u + cell[1] * p1 + cell[2] * p2)
    bound = max(x, x * np.exp(-r * left)) + left * (max(i1, 0.0) + max(i2, 0.0))
    if bound < c[THRESHOLD]:
        cell[MARGIN] = c[THRESHOLD] - bound
        return
    after = first_crossing(x, i1, i2, r, l1, l2, c[THRESHOLD], left)
    if after >= 0.0:
        schedule(m, i, t + after)


@model_rule
def predict(m: int, first: int, last: int, unused: int, x: float, t: float) -> int:
    """Find every crossing in the block; the bound costs no exponential for neurons of one class in a row."""
    if last - first == 1:
        predict_one(m, first, t)
        return 0
    cells, classes, kinds, u = cells_of(m), classes_of(m), kinds_of(m), membranes_of(m)
    dt, left = t - frame(m), block_end(m) - t
    kind = np.int64(-1)
    keep, membrane, d1, d2, p1, p2, threshold = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(first, last):
        if np.int64(kinds[i]) != kind:
            kind = np.int64(kinds[i])
            c = classes[kind]
            r, l1, l2 = c[R], c[RATES], c[RATES + 1]
            membrane, keep = np.exp(-r * dt), np.exp(-r * left)
            d1, d2 = left * np.exp(-l1 * dt), left * np.exp(-l2 * dt)
            p1 = membrane * place(c[ANCHORED], l1 - r, dt)
            p2 = membrane * place(c[ANCHORED + 1], l2 - r, dt)
            threshold = c[THRESHOLD]
        cell = cells[i]
        v = membrane * u[i] + p1 * cell[1] + p2 * cell[2]
        bound = max(v, v * keep) + max(d1 * cell[1], 0.0) + max(d2 * cell[2], 0.0)
        if bound >= threshold:
            predict_one(m, i, t)
        else:
            cell[AT], cell[MARGIN] = NONE, threshold - bound if is_free(m, i) else 0.0
    return 0


@model_rule
def deliver(m: int, q: Int, first: int, last: int, emitted: float, t: float) -> int:
    """One row of synapses.

    Inhibition can only postpone a crossing, so neurons without a predicted one are left alone.
    """
    cells, classes, kinds, u, listed = cells_of(m), classes_of(m), kinds_of(m), membranes_of(m), listed_of(m)
    row = row_of(m, q)
    limit = first_young(m, q, emitted)
    young = limit < EVERYBODY
    mine = is_inhibitory(m, q)
    other = 1 - mine
    dt, left = t - frame(m), block_end(m) - t
    kind = np.int64(-1)
    found = 0
    membrane, keep, fade, fade_other, here, there, gain, threshold = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(first, last):
        change = row.weight[k] * row.scale
        if change == 0.0 or (young and row.uid[k] >= limit):
            continue
        i = np.int64(row.post[k])
        if np.int64(kinds[i]) != kind:
            kind = np.int64(kinds[i])
            c = classes[kind]
            r = c[R]
            membrane, keep = np.exp(-r * dt), np.exp(-r * left)
            fade, fade_other = np.exp(-c[RATES + mine] * dt), np.exp(-c[RATES + other] * dt)
            here = place(c[ANCHORED + mine], c[RATES + mine] - r, dt)
            there = membrane * place(c[ANCHORED + other], c[RATES + other] - r, dt)
            gain, threshold = c[INVERSE] / fade, c[THRESHOLD]
            fade *= left
            fade_other *= left
        change *= gain
        cell = cells[i]
        b = cell[mine + 1] + change
        cell[mine + 1] = b
        v = u[i] - change * here
        u[i] = v
        at = cell[AT]
        if change < 0.0 and at == NONE:
            continue
        b_other = cell[other + 1]
        v = membrane * (v + b * here) + there * b_other
        bound = max(v, v * keep) + max(fade * b, 0.0) + max(fade_other * b_other, 0.0)
        if bound < threshold:
            if at != LISTED:
                cell[AT], cell[MARGIN] = NONE, threshold - bound if v > REFRACTORY else 0.0
        elif at != LISTED:
            cell[AT] = LISTED
            listed[found] = np.uint32(i)
            found += 1
    for k in range(found):
        predict_one(m, np.int64(listed[k]), t)
    return 0


@model_rule
def kick(m: int, i: Int, b: int, c: int, weight: float, t: float) -> int:
    """One input of `weight` (pA), as background gives it: its sign chooses the channel."""
    change = add_from_outside(m, i, weight, t)
    cell = cells_of(m)[i]
    if cell[AT] == NONE:
        if change < 0.0:
            return 0
        # the input adds no more to the potential than its current over the rest of the block
        most = weight * classes_of(m)[kinds_of(m)[i], INVERSE] * (block_end(m) - t)
        if cell[MARGIN] > most:
            cell[MARGIN] -= most
            return 0
    predict_one(m, i, t)
    return 0


@model_rule
def event(m: int, i: Int, b: int, c: int, x: float, t: float) -> int:
    """A predicted crossing is a spike."""
    return 1 if is_free(m, i) else 0


@model_rule
def reset(m: int, i: Int, b: int, c: int, x: float, t: float) -> int:
    """V = V_reset; currents go on."""
    put_at_reset(m, i, N_CHANNEL, t)
    return 0


@model_rule
def rebase(m: int, first: int, last: int, c: int, x: float, t: float) -> int:
    """Move the frame."""
    rebase_channels(m, first, last, N_CHANNEL, t)
    return 0
