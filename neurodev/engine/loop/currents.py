"""Neurons with synaptic currents in the event loop: arrivals and predicted crossings.

Everything is kept in the moving frame of `state.Currents`, so an arrival costs two multiply-adds and no
exponential; the potential itself is needed only to ask whether the neuron can reach its threshold before the block
ends.  An upper bound answers that for most arrivals with one comparison; for the rest the first crossing is solved
exactly.  A crossing on the heap is valid as long as it is the one noted in the neuron's row.
"""

from __future__ import annotations

import numpy as np

from neurodev.engine.loop import background as bg
from neurodev.engine.loop.channels import AT, LISTED, place, row_of
from neurodev.engine.loop.dendrites import deliver_dendrite, predict_dendrite, rebase_branches
from neurodev.engine.loop.queue import push_crossing
from neurodev.engine.loop.state import N_BACKGROUND, N_CROSSING, REFRACTORY, T_BLOCK, T_FRAME
from neurodev.engine.loop.views import background_of, clock_of, currents_of, neurons_of, projections_of, queue_of
from neurodev.jit import kernel, rule, view_f4, view_u4, view_u8
from neurodev.neurons.current import first_crossing, phi


@kernel
def predict_current(s, j, t):  # type: ignore[no-untyped-def]
    """Note the crossing of neuron `j` if there is one between `t` and the end of the block."""
    nn, cu, f = neurons_of(s), currents_of(s), clock_of(s).f
    if cu.model[nn.population[j]] == 2:
        predict_dendrite(s, j, t)
        return
    i = row_of(s, j)
    cell = cu.cell[i]
    cell[AT] = np.inf
    if nn.u[j] < REFRACTORY:
        return
    c = nn.kind[j]
    dt, left, r = t - f[T_FRAME], f[T_BLOCK] - t, nn.rate[c]
    l1, l2 = cu.rate[c, 0], cu.rate[c, 1]
    i1, i2 = cell[1] * np.exp(-l1 * dt), cell[2] * np.exp(-l2 * dt)
    p1, p2 = place(cu.anchored[c, 0], l1 - r, dt), place(cu.anchored[c, 1], l2 - r, dt)
    x = np.exp(-r * dt) * (nn.u[j] + cell[1] * p1 + cell[2] * p2)
    if max(x, x * np.exp(-r * left)) + left * (max(i1, 0.0) + max(i2, 0.0)) < cu.threshold[c]:
        return
    after = first_crossing(x, i1, i2, r, l1, l2, cu.threshold[c], left)
    if after >= 0.0:
        cell[AT] = t + after
        push_crossing(s, t + after, j, 0.0)


@kernel
def predict_all(s, first, last, t):  # type: ignore[no-untyped-def]
    """`predict_current` for the neurons first..last."""
    for j in range(first, last):
        predict_current(s, j, t)


@kernel
def scan_currents(s, t):  # type: ignore[no-untyped-def]
    """Start a block: find every crossing in it; the bound costs no exponential for neurons of one class in a row."""
    nn, cu, f = neurons_of(s), currents_of(s), clock_of(s).f
    dt, left = t - f[T_FRAME], f[T_BLOCK] - t
    for p in range(cu.model.shape[0]):
        if cu.model[p] == 0:
            continue
        if cu.model[p] == 2:
            predict_all(s, nn.first[p], nn.first[p] + nn.size[p], t)
            continue
        kind = np.int64(-1)
        for j in range(nn.first[p], nn.first[p] + nn.size[p]):
            c = np.int64(nn.kind[j])
            if c != kind:
                kind = c
                r, l1, l2 = nn.rate[c], cu.rate[c, 0], cu.rate[c, 1]
                membrane, keep = np.exp(-r * dt), np.exp(-r * left)
                d1, d2 = left * np.exp(-l1 * dt), left * np.exp(-l2 * dt)
                p1 = membrane * place(cu.anchored[c, 0], l1 - r, dt)
                p2 = membrane * place(cu.anchored[c, 1], l2 - r, dt)
                threshold = cu.threshold[c]
            cell = cu.cell[j - nn.first[p] + cu.first[p]]
            x = membrane * nn.u[j] + p1 * cell[1] + p2 * cell[2]
            if max(x, x * keep) + max(d1 * cell[1], 0.0) + max(d2 * cell[2], 0.0) >= threshold:
                predict_current(s, j, t)
            else:
                cell[AT] = np.inf


@kernel
def deliver_current(s, q, first, last, limit, t):  # type: ignore[no-untyped-def]
    """One row onto neurons with currents; synapses from uid `limit` on were born after the spike was emitted.

    Inhibition can only postpone a crossing, so neurons without a predicted one are left alone.
    """
    nn, cu, pr, f = neurons_of(s), currents_of(s), projections_of(s), clock_of(s).f
    offset = pr.offset[q]
    post = view_u4(pr.post[q], pr.capacity[q])
    weight = view_f4(pr.weight[q], pr.capacity[q])
    uid = view_u8(pr.uid[q], pr.capacity[q])
    young = limit < np.uint64(0xFFFFFFFFFFFFFFFF)
    p = nn.population[offset]
    if cu.model[p] == 2:
        deliver_dendrite(s, q, first, last, limit, t)
        return
    base = cu.first[p]
    mine = cu.channel[q]
    other = 1 - mine
    dt, left = t - f[T_FRAME], f[T_BLOCK] - t
    kind = np.int64(-1)
    listed = 0
    for k in range(first, last):
        change = np.float64(weight[k])
        if change == 0.0 or (young and uid[k] >= limit):
            continue
        local = np.int64(post[k])
        j = offset + local
        c = np.int64(nn.kind[j])
        if c != kind:
            kind = c
            r = nn.rate[c]
            membrane, keep = np.exp(-r * dt), np.exp(-r * left)
            fade, fade_other = np.exp(-cu.rate[c, mine] * dt), np.exp(-cu.rate[c, other] * dt)
            here = place(cu.anchored[c, mine], cu.rate[c, mine] - r, dt)
            there = membrane * place(cu.anchored[c, other], cu.rate[c, other] - r, dt)
            gain, threshold = cu.inverse[c] / fade, cu.threshold[c]
            fade *= left
            fade_other *= left
        change *= gain
        cell = cu.cell[base + local]
        b = cell[mine + 1] + change
        cell[mine + 1] = b
        u = nn.u[j] - change * here
        nn.u[j] = u
        at = cell[AT]
        if change < 0.0 and at == np.inf:
            continue
        b_other = cell[other + 1]
        x = membrane * (u + b * here) + there * b_other
        if max(x, x * keep) + max(fade * b, 0.0) + max(fade_other * b_other, 0.0) < threshold:
            if at != LISTED:
                cell[AT] = np.inf
        elif at != LISTED:
            cell[AT] = LISTED
            queue_of(s).fired[listed] = np.uint32(j)
            listed += 1
    for i in range(listed):
        predict_current(s, np.int64(queue_of(s).fired[i]), t)


@kernel
def kick(s, j, weight, t):  # type: ignore[no-untyped-def]
    """One input of `weight` (pA) to neuron `j`, as background gives it: its sign chooses the channel."""
    nn, cu = neurons_of(s), currents_of(s)
    c, dt = nn.kind[j], t - clock_of(s).f[T_FRAME]
    k = 0 if weight > 0.0 else 1
    change = weight * cu.inverse[c] * np.exp(dt * cu.rate[c, k])
    cell = cu.cell[row_of(s, j)]
    cell[k + 1] += change
    nn.u[j] -= change * place(cu.anchored[c, k], cu.rate[c, k] - nn.rate[c], dt)
    if change > 0.0 or cell[AT] < np.inf:
        predict_current(s, j, t)


@rule
def background_current(s, b, stop):  # type: ignore[no-untyped-def]
    """Background stream `b` onto neurons with currents up to `stop`, or to the next crossing."""
    g, n, qu = background_of(s), clock_of(s).n, queue_of(s)
    k, m = g.at[b], g.time.shape[1]
    begin = k
    room = qu.crossing_time.shape[0]
    while k < m and g.time[b, k] < stop and n[N_CROSSING] < room:
        if n[N_CROSSING] > 0 and qu.crossing_time[0] < g.time[b, k]:
            break
        kick(s, np.int64(g.target[b, k]), g.jump[b, k], g.time[b, k])
        k += 1
    n[N_BACKGROUND] += k - begin
    g.at[b] = k
    if k == m:
        bg.refill(s, b, 0.0, clock_of(s).f[T_FRAME])
    else:
        g.next[b] = g.time[b, k]


@kernel
def rebase_currents(s, t):  # type: ignore[no-untyped-def]
    """Move the channels from T_FRAME to `t`; the caller then scales u, as it does for all neurons."""
    nn, cu = neurons_of(s), currents_of(s)
    dt = t - clock_of(s).f[T_FRAME]
    for p in range(cu.model.shape[0]):
        if cu.model[p] == 0:
            continue
        for j in range(nn.first[p], nn.first[p] + nn.size[p]):
            c = nn.kind[j]
            cell = cu.cell[j - nn.first[p] + cu.first[p]]
            for k in range(cu.n_channel[c]):
                if cu.anchored[c, k] == 1.0:
                    nn.u[j] += cell[k + 1] * phi(cu.rate[c, k] - nn.rate[c], dt)
                cell[k + 1] *= np.exp(-cu.rate[c, k] * dt)
    rebase_branches(s, dt)
