"""Dendrites in the event loop: what an arrival on a branch gives the soma, and the next event of such a neuron.

A branch keeps the constants of its excitation and inhibition in the frame of the membranes.  The soma has six channels:
E, I, their three products, and one that does not decay, which holds the plateaus.  The next event of a neuron, its
crossing or the end of a plateau, stands in the heap of predicted crossings; a plateau that ends is no spike.
"""

from __future__ import annotations

import numpy as np

from neurodev.engine.loop.channels import AT, LISTED, channels_in_u, place, row_of
from neurodev.engine.loop.queue import push_crossing
from neurodev.engine.loop.state import REFRACTORY, T_BLOCK, T_FRAME
from neurodev.engine.loop.views import clock_of, currents_of, dendrites_of, neurons_of, projections_of, queue_of
from neurodev.jit import kernel, rule, view_f4, view_f8, view_u4, view_u8
from neurodev.neurons.dendrite import magnesium_block, sigmoid
from neurodev.neurons.expsum import first_crossing_of_sum

ENDS = 7  # column of `cell`: next end of a plateau
E, I, EE, EI, II, STEADY = range(6)  # noqa: E741 (channels)
N_CHANNEL = 6
END, SIZE = 2, 3  # columns of `local`
BILINEAR, TWO_LAYER, PLATEAU = 1, 2, 3


@rule
def add_current(s, j, k, amount, t):  # type: ignore[no-untyped-def]
    """Add `amount` (over C, mV/ms) to channel `k` of neuron `j` at `t`; its potential does not jump."""
    nn, cu = neurons_of(s), currents_of(s)
    c, dt = nn.kind[j], t - clock_of(s).f[T_FRAME]
    if amount == 0.0:
        return
    change = amount * np.exp(cu.rate[c, k] * dt)
    cu.cell[row_of(s, j), k + 1] += change
    nn.u[j] -= change * place(cu.anchored[c, k], cu.rate[c, k] - nn.rate[c], dt)


@rule
def pair_up(s, j, mine, amount, t, own_e, own_i):  # type: ignore[no-untyped-def]
    """The products of an arrival of `amount` with what flows already: on its branch `own_e`, `own_i`, and elsewhere."""
    nn, cu, de = neurons_of(s), currents_of(s), dendrites_of(s)
    p = nn.population[j]
    value = de.parameter[p]
    c, dt = nn.kind[j], t - clock_of(s).f[T_FRAME]
    gain, across = amount / nn.rate[c], value[3]  # R I of a current over C is tau times it
    e, i = (1.0 - across) * own_e, (1.0 - across) * own_i
    if across > 0.0:
        first = de.first[p] + (j - nn.first[p]) * de.size[p]
        fade_e, fade_i = across * np.exp(-cu.rate[c, E] * dt), across * np.exp(-cu.rate[c, I] * dt)
        for b in range(first, first + de.size[p]):
            e += fade_e * de.local[b, E]
            i += fade_i * de.local[b, I]
    if mine == E:
        add_current(s, j, EE, value[0] * gain * e, t)
        add_current(s, j, EI, value[1] * gain * i, t)
    else:
        add_current(s, j, EI, value[1] * gain * e, t)
        add_current(s, j, II, value[2] * gain * i, t)


@rule
def potential_above_rest(s, j, t):  # type: ignore[no-untyped-def]
    """V - rest of neuron `j` at `t`."""
    nn = neurons_of(s)
    c = nn.kind[j]
    if nn.u[j] < REFRACTORY:
        return nn.reset[c] + dendrites_of(s).offset[c]
    x = np.exp(-nn.rate[c] * (t - clock_of(s).f[T_FRAME])) * (nn.u[j] + channels_in_u(s, j, t))
    return x + dendrites_of(s).offset[c]


@rule
def begin_plateau(s, j, b, t):  # type: ignore[no-untyped-def]
    """A plateau on row `b` of `local`, of the size that the potential allows now."""
    nn, cu, de = neurons_of(s), currents_of(s), dendrites_of(s)
    value, cell = de.parameter[nn.population[j]], cu.cell[row_of(s, j)]
    v = potential_above_rest(s, j, t)
    size = value[1] * magnesium_block(value[4] + v, value[3]) * cu.inverse[nn.kind[j]]
    de.local[b, END], de.local[b, SIZE] = t + value[2], size
    cell[ENDS] = min(cell[ENDS], t + value[2])
    add_current(s, j, STEADY, size, t)


@kernel
def end_plateaus(s, j, t):  # type: ignore[no-untyped-def]
    """End the plateaus of neuron `j` that are due at `t`, and note when the next one ends."""
    nn, cu, de = neurons_of(s), currents_of(s), dendrites_of(s)
    p, cell = nn.population[j], cu.cell[row_of(s, j)]
    first = de.first[p] + (j - nn.first[p]) * de.size[p]
    ends = np.inf
    for b in range(first, first + de.size[p]):
        if de.local[b, END] <= t:
            add_current(s, j, STEADY, -de.local[b, SIZE], t)
            de.local[b, END], de.local[b, SIZE] = np.inf, 0.0
        ends = min(ends, de.local[b, END])
    cell[ENDS] = ends
    if ends == np.inf:  # no remainder of rounding
        add_current(s, j, STEADY, -cell[STEADY + 1], t)


@rule
def arrive_on_branch(s, j, branch, mine, amount, t):  # type: ignore[no-untyped-def]
    """One arrival of `amount` (over C, mV/ms) on a branch of neuron `j`, in channel `mine`."""
    nn, cu, de = neurons_of(s), currents_of(s), dendrites_of(s)
    p, c, dt = nn.population[j], nn.kind[j], t - clock_of(s).f[T_FRAME]
    b = de.first[p] + (j - nn.first[p]) * de.size[p] + branch
    value, local = de.parameter[p], de.local[b]
    fade_e, fade_i = np.exp(-cu.rate[c, E] * dt), np.exp(-cu.rate[c, I] * dt)
    own_e, own_i, given = local[E] * fade_e, local[I] * fade_i, amount
    if de.kind[p] == TWO_LAYER and mine == E:
        unit = value[0] * cu.inverse[c]
        before = sigmoid(own_e / unit, value[1], value[2], value[3], value[4], value[5])
        after = sigmoid((own_e + amount) / unit, value[1], value[2], value[3], value[4], value[5])
        amount = unit * (after - before)
    if de.kind[p] == BILINEAR:
        pair_up(s, j, mine, amount, t, own_e, own_i)
    local[mine] += given / (fade_e if mine == E else fade_i)
    add_current(s, j, mine, amount, t)
    over = own_e + given >= value[0] * cu.inverse[c]
    if de.kind[p] == PLATEAU and mine == E and over and local[END] == np.inf:
        begin_plateau(s, j, b, t)


@kernel
def deliver_dendrite(s, q, first, last, limit, t):  # type: ignore[no-untyped-def]
    """One row onto branches; synapses from uid `limit` on were born after the spike was emitted."""
    nn, cu, pr = neurons_of(s), currents_of(s), projections_of(s)
    post = view_u4(pr.post[q], pr.capacity[q])
    weight = view_f4(pr.weight[q], pr.capacity[q])
    uid = view_u8(pr.uid[q], pr.capacity[q])
    branch = view_f8(dendrites_of(s).branch[q], pr.capacity[q])
    # inhibition that adds linearly takes no neuron to its threshold
    linear = dendrites_of(s).kind[nn.population[pr.offset[q]]] != BILINEAR
    listed = 0
    for k in range(first, last):
        w = np.float64(weight[k])
        if w == 0.0 or uid[k] >= limit:
            continue
        j = pr.offset[q] + np.int64(post[k])
        arrive_on_branch(s, j, np.int64(branch[k]), cu.channel[q], w * cu.inverse[nn.kind[j]], t)
        cell = cu.cell[row_of(s, j)]
        if linear and w < 0.0 and cell[AT] == np.inf:
            continue
        if cell[AT] != LISTED:
            cell[AT] = LISTED
            queue_of(s).fired[listed] = np.uint32(j)
            listed += 1
    for i in range(listed):
        predict_dendrite(s, np.int64(queue_of(s).fired[i]), t)


@kernel
def predict_dendrite(s, j, t):  # type: ignore[no-untyped-def]
    """Note the next event of neuron `j` in this block, its crossing or the end of a plateau, if there is one."""
    nn, cu, de, f = neurons_of(s), currents_of(s), dendrites_of(s), clock_of(s).f
    cell, c = cu.cell[row_of(s, j)], nn.kind[j]
    end = min(f[T_BLOCK], cell[ENDS])
    cell[AT] = cell[ENDS] if cell[ENDS] < f[T_BLOCK] else np.inf
    if nn.u[j] > REFRACTORY:
        dt, left, r = t - f[T_FRAME], max(end - t, 0.0), nn.rate[c]
        x = np.exp(-r * dt) * (nn.u[j] + channels_in_u(s, j, t))
        flow, most = de.scratch[-1], 0.0
        for k in range(N_CHANNEL):
            flow[k] = cell[k + 1] * np.exp(-cu.rate[c, k] * dt) if cell[k + 1] != 0.0 else 0.0
            most += max(flow[k], 0.0)
        if max(x, x * np.exp(-r * left)) + left * most >= cu.threshold[c]:
            after = first_crossing_of_sum(x, flow, cu.rate[c], N_CHANNEL, r, cu.threshold[c], left, de.scratch)
            if after >= 0.0:
                cell[AT] = t + after
    if cell[AT] < np.inf:
        push_crossing(s, cell[AT], j, 0.0)


@kernel
def rebase_branches(s, dt):  # type: ignore[no-untyped-def]
    """Move the constants of the branches by `dt`."""
    nn, cu, de = neurons_of(s), currents_of(s), dendrites_of(s)
    for p in range(de.kind.shape[0]):
        if de.kind[p] == 0:
            continue
        for i in range(nn.size[p]):
            c = nn.kind[nn.first[p] + i]
            for b in range(de.first[p] + i * de.size[p], de.first[p] + (i + 1) * de.size[p]):
                de.local[b, E] *= np.exp(-cu.rate[c, E] * dt)
                de.local[b, I] *= np.exp(-cu.rate[c, I] * dt)
