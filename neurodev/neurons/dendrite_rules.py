"""Dendrites in the event loop: what an arrival on a branch gives the soma, and the next event of such a neuron.

A branch keeps the constants of its excitation and inhibition in the frame of the membranes.  The soma has six channels:
E, I, their three products, and one that does not decay, which holds the plateaus.  The next event of a neuron is its
crossing or the end of a plateau; a plateau that ends is no spike.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import Int
from neurodev.jit import kernel, model_rule, rule, view2_f8
from neurodev.neurons.channels import (
    ANCHORED,
    INVERSE,
    N_VALUE,
    OFFSET,
    RATES,
    RESET,
    THRESHOLD,
    WIDTH,
    R,
    add_from_outside,
    channels_in_u,
    place,
    put_at_reset,
    rebase_channels,
)
from neurodev.neurons.dendrite import magnesium_block, sigmoid
from neurodev.neurons.expsum import SCRATCH, first_crossing_of_sum
from neurodev.neurons.rules import (
    AT,
    LISTED,
    NONE,
    block_end,
    branches_of,
    cells_of,
    classes_of,
    first_young,
    frame,
    is_free,
    is_inhibitory,
    kinds_of,
    listed_of,
    membranes_of,
    model_of,
    places_of,
    row_of,
    schedule,
)

ENDS = 7  # column of `cells`: next end of a plateau
E, I, EE, EI, II, STEADY = range(6)  # noqa: E741 (channels)
N_CHANNEL = 6
END, SIZE = 2, 3  # columns of `places`, after the constants of E and I
BILINEAR, TWO_LAYER, PLATEAU = 1, 2, 3
KIND = N_VALUE  # columns of the table of classes, after those of all currents: which dendrite, and its numbers
NUMBERS = KIND + 1


@rule
def add_current(m: int, i: Int, k: int, amount: float, t: float) -> None:
    """Add `amount` (over C, mV/ms) to channel `k` of neuron `i` at `t`; its potential does not jump."""
    if amount == 0.0:
        return
    c, dt = classes_of(m)[kinds_of(m)[i]], t - frame(m)
    change = amount * np.exp(c[RATES + k] * dt)
    cells_of(m)[i, k + 1] += change
    membranes_of(m)[i] -= change * place(c[ANCHORED + k], c[RATES + k] - c[R], dt)


@rule
def pair_up(m: int, i: Int, mine: int, amount: float, t: float, own_e: float, own_i: float) -> None:
    """The products of an arrival of `amount` with what flows already: on its branch `own_e`, `own_i`, and elsewhere."""
    c, dt, per_neuron = classes_of(m)[kinds_of(m)[i]], t - frame(m), model_of(m).per_neuron
    gain, across = amount / c[R], c[NUMBERS + 3]  # R I of a current over C is tau times it
    e, h = (1.0 - across) * own_e, (1.0 - across) * own_i
    if across > 0.0:
        places = places_of(m)
        fade_e, fade_i = across * np.exp(-c[RATES + E] * dt), across * np.exp(-c[RATES + I] * dt)
        for b in range(i * per_neuron, (i + 1) * per_neuron):
            e += fade_e * places[b, E]
            h += fade_i * places[b, I]
    if mine == E:
        add_current(m, i, EE, c[NUMBERS] * gain * e, t)
        add_current(m, i, EI, c[NUMBERS + 1] * gain * h, t)
    else:
        add_current(m, i, EI, c[NUMBERS + 1] * gain * e, t)
        add_current(m, i, II, c[NUMBERS + 2] * gain * h, t)


@rule
def potential_above_rest(m: int, i: Int, t: float) -> float:
    """V - rest of neuron `i` at `t`."""
    c = classes_of(m)[kinds_of(m)[i]]
    if not is_free(m, i):
        return c[RESET] + c[OFFSET]  # type: ignore[no-any-return]
    x = np.exp(-c[R] * (t - frame(m))) * (membranes_of(m)[i] + channels_in_u(m, i, N_CHANNEL, t))
    return x + c[OFFSET]  # type: ignore[no-any-return]


@rule
def begin_plateau(m: int, i: Int, b: Int, t: float) -> None:
    """A plateau on row `b` of `places`, of the size that the potential allows now."""
    c, cells, places = classes_of(m)[kinds_of(m)[i]], cells_of(m), places_of(m)
    v = potential_above_rest(m, i, t)
    size = c[NUMBERS + 1] * magnesium_block(c[NUMBERS + 4] + v, c[NUMBERS + 3]) * c[INVERSE]
    places[b, END], places[b, SIZE] = t + c[NUMBERS + 2], size
    cells[i, ENDS] = min(cells[i, ENDS], t + c[NUMBERS + 2])
    add_current(m, i, STEADY, size, t)


@kernel
def end_plateaus(m: int, i: Int, t: float) -> None:
    """End the plateaus of neuron `i` that are due at `t`, and note when the next one ends."""
    cells, places, per_neuron = cells_of(m), places_of(m), model_of(m).per_neuron
    ends = NONE
    for b in range(i * per_neuron, (i + 1) * per_neuron):
        if places[b, END] <= t:
            add_current(m, i, STEADY, -places[b, SIZE], t)
            places[b, END], places[b, SIZE] = NONE, 0.0
        ends = min(ends, places[b, END])
    cells[i, ENDS] = ends
    if ends == NONE:  # no remainder of rounding
        add_current(m, i, STEADY, -cells[i, STEADY + 1], t)


@rule
def arrive_on_branch(m: int, i: Int, branch: Int, mine: int, amount: float, t: float) -> None:
    """One arrival of `amount` (over C, mV/ms) on a branch of neuron `i`, in channel `mine`."""
    c, dt = classes_of(m)[kinds_of(m)[i]], t - frame(m)
    b = i * model_of(m).per_neuron + branch
    local, kind = places_of(m)[b], c[KIND]
    fade_e, fade_i = np.exp(-c[RATES + E] * dt), np.exp(-c[RATES + I] * dt)
    own_e, own_i, given = local[E] * fade_e, local[I] * fade_i, amount
    if kind == TWO_LAYER and mine == E:
        unit, height, middle = c[NUMBERS] * c[INVERSE], c[NUMBERS + 1], c[NUMBERS + 2]
        width, slope, curvature = c[NUMBERS + 3], c[NUMBERS + 4], c[NUMBERS + 5]
        before = sigmoid(own_e / unit, height, middle, width, slope, curvature)
        after = sigmoid((own_e + amount) / unit, height, middle, width, slope, curvature)
        amount = unit * (after - before)
    if kind == BILINEAR:
        pair_up(m, i, mine, amount, t, own_e, own_i)
    local[mine] += given / (fade_e if mine == E else fade_i)
    add_current(m, i, mine, amount, t)
    if kind == PLATEAU and mine == E and own_e + given >= c[NUMBERS] * c[INVERSE]:
        if local[END] <= t:  # one that ends at this instant has ended
            end_plateaus(m, i, t)
        if local[END] == NONE:
            begin_plateau(m, i, b, t)


@kernel
def predict_one(m: int, i: Int, t: float) -> None:
    """Note the next event of neuron `i` in this block, its crossing or the end of a plateau, if there is one."""
    cell, c = cells_of(m)[i], classes_of(m)[kinds_of(m)[i]]
    last = block_end(m)
    end = min(last, cell[ENDS])
    at = cell[ENDS] if cell[ENDS] < last else NONE
    if is_free(m, i):
        dt, left, r = t - frame(m), max(end - t, 0.0), c[R]
        v = np.exp(-r * dt) * (membranes_of(m)[i] + channels_in_u(m, i, N_CHANNEL, t))
        scratch = view2_f8(model_of(m).scratch, SCRATCH[0], SCRATCH[1])
        flow, most = scratch[-1], 0.0
        for k in range(N_CHANNEL):
            flow[k] = cell[k + 1] * np.exp(-c[RATES + k] * dt) if cell[k + 1] != 0.0 else 0.0
            most += max(flow[k], 0.0)
        if max(v, v * np.exp(-r * left)) + left * most >= c[THRESHOLD]:
            rates = c[RATES : RATES + WIDTH]
            after = first_crossing_of_sum(v, flow, rates, N_CHANNEL, r, c[THRESHOLD], left, scratch)
            if after >= 0.0:
                at = t + after
    schedule(m, i, at)


@model_rule
def predict(m: int, first: int, last: int, unused: int, x: float, t: float) -> int:
    """The next event of each of the neurons first..last."""
    for i in range(first, last):
        predict_one(m, i, t)
    return 0


@model_rule
def deliver(m: int, q: Int, first: int, last: int, emitted: float, t: float) -> int:
    """One row onto branches."""
    cells, classes, kinds, listed = cells_of(m), classes_of(m), kinds_of(m), listed_of(m)
    row, branch, mine = row_of(m, q), branches_of(m, q), is_inhibitory(m, q)
    limit = first_young(m, q, emitted)
    found = 0
    for k in range(first, last):
        w = row.weight[k] * row.scale
        if w == 0.0 or row.uid[k] >= limit:
            continue
        i = np.int64(row.post[k])
        c = classes[kinds[i]]
        arrive_on_branch(m, i, np.int64(branch[k]), mine, w * c[INVERSE], t)
        # inhibition that adds linearly takes no neuron to its threshold
        if c[KIND] != BILINEAR and w < 0.0 and cells[i, AT] == NONE:
            continue
        if cells[i, AT] != LISTED:
            cells[i, AT] = LISTED
            listed[found] = np.uint32(i)
            found += 1
    for k in range(found):
        predict_one(m, np.int64(listed[k]), t)
    return 0


@model_rule
def kick(m: int, i: Int, b: int, c: int, weight: float, t: float) -> int:
    """One input of `weight` (pA) to the soma."""
    change = add_from_outside(m, i, weight, t)
    if change > 0.0 or cells_of(m)[i, AT] < NONE:
        predict_one(m, i, t)
    return 0


@model_rule
def event(m: int, i: Int, b: int, c: int, x: float, t: float) -> int:
    """A plateau ends, or the neuron spikes."""
    if cells_of(m)[i, ENDS] <= t:
        end_plateaus(m, i, t)
        return 0
    return 1 if is_free(m, i) else 0


@model_rule
def reset(m: int, i: Int, b: int, c: int, x: float, t: float) -> int:
    """V = V_reset; currents and plateaus go on."""
    put_at_reset(m, i, N_CHANNEL, t)
    return 0


@model_rule
def rebase(m: int, first: int, last: int, c: int, x: float, t: float) -> int:
    """Move the frame: the channels of somata, and the constants of branches."""
    classes, kinds, places, per_neuron = classes_of(m), kinds_of(m), places_of(m), model_of(m).per_neuron
    rebase_channels(m, first, last, N_CHANNEL, t)
    dt = t - frame(m)
    for i in range(first, last):
        v = classes[kinds[i]]
        for k in range(i * per_neuron, (i + 1) * per_neuron):
            places[k, E] *= np.exp(-v[RATES + E] * dt)
            places[k, I] *= np.exp(-v[RATES + I] * dt)
    return 0
