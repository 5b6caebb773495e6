"""Arrivals: one row of synapses onto its targets, the hooks of mechanisms, and the spikes that it causes."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import U4, Floats, Int, Posts
from neurodev.engine.loop.lists import reached
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.spiking import fire, level_of, over, predict, reset_at
from neurodev.engine.loop.state import (
    ALIKE,
    N_AGENDA_AT,
    N_EVENTS,
    N_MODELS,
    N_SUPRA,
    N_UNIFORM,
    REFRACTORY,
    T_FRAME,
    Piece,
)
from neurodev.engine.loop.together import add_rows, emission, find_fired, first_young, release
from neurodev.engine.loop.views import (
    background_of,
    clock_of,
    hooks_of,
    lanes_of,
    models_of,
    neurons_of,
    projections_of,
    queue_of,
)
from neurodev.jit import call_hook, call_rule, rule, view_f4, view_f8, view_i8, view_u2, view_u4, view_u8


@rule
def add_uniform(s: int, q: Int, post: Posts, weight: Floats, first: Int, last: Int, t: float) -> int:
    """One row onto neurons of a single class; returns how many fired (listed in queue.fired)."""
    nn, offset = neurons_of(s), projections_of(s).offset[q]
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[0])
    threshold, gain = reached(nn.threshold[0], nn.reset[0], S), S * queue_of(s).scale[q]
    fired = 0
    here = nn.u[offset:]
    # unsigned indices: signed ones cost a test for negative values at every access
    for k in range(np.uint64(first), np.uint64(last)):
        j = post[k]
        x = here[j] + weight[k] * gain
        here[j] = x
        if x >= threshold and over(s, offset + np.int64(j), t):
            reset_at(s, offset + np.int64(j), t, False)
            queue_of(s).fired[fired] = np.uint32(offset + np.int64(j))
            fired += 1
    return fired


@rule
def add_alike(s: int, q: Int, post: Posts, weight: float, first: Int, last: Int, t: float) -> int:
    """`add_uniform` of a row whose synapses have one weight."""
    nn, offset = neurons_of(s), projections_of(s).offset[q]
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[0])
    threshold, jump = reached(nn.threshold[0], nn.reset[0], S), weight * (S * queue_of(s).scale[q])
    fired = 0
    here = nn.u[offset:]
    if jump < 0.0 and background_of(s).rate.shape[0] == 0:  # else crossings that were noted must be looked at anew
        for k in range(np.uint64(first), np.uint64(last)):
            here[post[k]] += jump
        return 0
    for k in range(np.uint64(first), np.uint64(last)):
        j = post[k]
        x = here[j] + jump
        here[j] = x
        if x >= threshold and over(s, offset + np.int64(j), t):
            reset_at(s, offset + np.int64(j), t, False)
            queue_of(s).fired[fired] = np.uint32(offset + np.int64(j))
            fired += 1
    return fired


@piece(Piece.UNIFORM)
def deliver_uniform(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_uniform` of weights in double precision."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_uniform(s, q, view_u4(pr.post[q], n), view_f8(pr.weight[q], n), first, last, t)


@piece(Piece.UNIFORM_SINGLE)
def deliver_uniform_single(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_uniform` of weights in single precision."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_uniform(s, q, view_u4(pr.post[q], n), view_f4(pr.weight[q], n), first, last, t)


@piece(Piece.UNIFORM_NARROW)
def deliver_uniform_narrow(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_uniform` of weights in double precision, targets read in 16 bits."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_uniform(s, q, view_u2(pr.narrow[q], n), view_f8(pr.weight[q], n), first, last, t)


@piece(Piece.ALIKE)
def deliver_alike(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_alike` of targets in 32 bits."""
    pr = projections_of(s)
    return add_alike(s, q, view_u4(pr.post[q], pr.capacity[q]), view_f8(pr.weight[q], 1)[0], first, last, t)


@piece(Piece.ALIKE_NARROW)
def deliver_alike_narrow(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_alike` of targets in 16 bits: half of what must come from memory."""
    pr = projections_of(s)
    return add_alike(s, q, view_u2(pr.narrow[q], pr.capacity[q]), view_f8(pr.weight[q], 1)[0], first, last, t)


@rule
def add_mixed(s: int, q: Int, post: Posts, weight: Floats, first: Int, last: Int, t: float) -> int:
    """One row onto neurons of several classes: frame factors are renewed where the class changes."""
    pr, nn = projections_of(s), neurons_of(s)
    own, scale = np.int64(pr.single[q] != ALIKE), queue_of(s).scale[q]
    dt = t - clock_of(s).time[T_FRAME]
    fired = 0
    kind = np.int64(-1)
    gain = threshold = 0.0
    for k in range(first, last):
        j = pr.offset[q] + np.int64(post[k])
        c = np.int64(nn.kind[j])
        if c != kind:
            kind = c
            S = np.exp(dt * nn.rate[c])
            threshold, gain = reached(nn.threshold[c], nn.reset[c], S), S * scale
        x = nn.u[j] + weight[k * own] * gain
        nn.u[j] = x
        if x >= threshold and x > REFRACTORY and over(s, j, t):
            reset_at(s, j, t, False)
            queue_of(s).fired[fired] = np.uint32(j)
            fired += 1
    return fired


@piece(Piece.MIXED)
def deliver_mixed(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_mixed` of weights in double precision, or of one weight."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_mixed(s, q, view_u4(pr.post[q], n), view_f8(pr.weight[q], n), first, last, t)


@piece(Piece.MIXED_NARROW)
def deliver_mixed_narrow(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`deliver_mixed`, targets read in 16 bits."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_mixed(s, q, view_u2(pr.narrow[q], n), view_f8(pr.weight[q], n), first, last, t)


@piece(Piece.MIXED_SINGLE)
def deliver_mixed_single(s: int, q: Int, first: Int, last: Int, t: float) -> int:
    """`add_mixed` of weights in single precision."""
    pr = projections_of(s)
    n = pr.capacity[q]
    return add_mixed(s, q, view_u4(pr.post[q], n), view_f4(pr.weight[q], n), first, last, t)


@rule
def add_some(s: int, q: Int, weight: Floats, first: Int, last: Int, t: float, emitted: float, sign: Int) -> int:
    """The synapses of one row that were not born after `emitted` and have weights of a sign; how many fired."""
    pr, nn = projections_of(s), neurons_of(s)
    uid, post = view_u8(pr.uid[q], pr.capacity[q]), view_u4(pr.post[q], pr.capacity[q])
    limit, scale = first_young(s, q, emitted), queue_of(s).scale[q]
    fired, own = 0, np.int64(pr.single[q] != ALIKE)
    for k in range(first, last):
        if uid[k] >= limit or sign * weight[k * own] < 0.0:
            continue
        j = pr.offset[q] + np.int64(post[k])
        c = nn.kind[j]
        S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
        x = nn.u[j] + weight[k * own] * (S * scale)
        nn.u[j] = x
        if x >= reached(nn.threshold[c], nn.reset[c], S) and x > REFRACTORY and over(s, j, t):
            reset_at(s, j, t, False)
            queue_of(s).fired[fired] = np.uint32(j)
            fired += 1
    return fired


@piece(Piece.SOME)
def deliver_some(s: int, q: Int, first: Int, last: Int, t: float, emitted: float, sign: Int) -> int:
    """`add_some` of weights in double precision, or of one weight."""
    pr = projections_of(s)
    return add_some(s, q, view_f8(pr.weight[q], pr.capacity[q]), first, last, t, emitted, sign)


@piece(Piece.SOME_SINGLE)
def deliver_some_single(s: int, q: Int, first: Int, last: Int, t: float, emitted: float, sign: Int) -> int:
    """`add_some` of weights in single precision."""
    pr = projections_of(s)
    return add_some(s, q, view_f4(pr.weight[q], pr.capacity[q]), first, last, t, emitted, sign)


@rule
def deliver(s: int, q: Int, first: Int, last: Int, t: float, emitted: float, sign: Int) -> int:
    """One row of projection `q` onto membranes that the loop computes; returns how many fired."""
    pr = projections_of(s)
    single = pr.single[q]
    if sign != 0 or pr.birth_count[q] > 0 and pr.birth_time[q, pr.birth_count[q] - 1] > emitted:
        if single == 1:
            return deliver_some_single(s, q, first, last, t, emitted, sign)
        return deliver_some(s, q, first, last, t, emitted, sign)
    if clock_of(s).n[N_UNIFORM] == 1:
        if single == 1:
            return deliver_uniform_single(s, q, first, last, t)
        if pr.narrow[q] != 0:
            if single == ALIKE:
                return deliver_alike_narrow(s, q, first, last, t)
            return deliver_uniform_narrow(s, q, first, last, t)
        return deliver_alike(s, q, first, last, t) if single == ALIKE else deliver_uniform(s, q, first, last, t)
    if single == 1:
        return deliver_mixed_single(s, q, first, last, t)
    if pr.narrow[q] != 0:
        return deliver_mixed_narrow(s, q, first, last, t)
    return deliver_mixed(s, q, first, last, t)


@rule
def predict_row(s: int, post: U4, first: Int, last: Int, offset: Int, t: float) -> None:
    """After a row: note the crossings that now fall into the block; one comparison for most targets."""
    nn = neurons_of(s)
    if clock_of(s).n[N_UNIFORM] == 1:
        level = level_of(s, np.int64(0), t)
        here = nn.u[offset:]
        for i in range(np.uint64(first), np.uint64(last)):
            if here[post[i]] >= level:
                predict(s, offset + np.int64(post[i]), t)
        return
    for i in range(first, last):
        predict(s, offset + np.int64(post[i]), t)


@rule
def arrive(s: int, k: Int) -> int:
    """Deliver arrival `k` of the agenda: on_release, weights as they stand, on_pre, then the spikes it caused."""
    qu, pr, nn = queue_of(s), projections_of(s), neurons_of(s)
    t, row, lane = qu.time[k], np.int64(qu.row[k]), np.int64(qu.lane[k])
    q = lanes_of(s).projection[lane]
    n_row = pr.n_row[q]
    first = view_i8(pr.row_start[q], n_row)[row]
    last = first + np.int64(view_u4(pr.row_length[q], n_row)[row])
    emitted = emission(s, q, lanes_of(s).delay[lane], t)
    sign = lanes_of(s).sign[lane]
    if pr.release[q] != 0:
        release(s, q, row, first, last, sign, t)
    p = nn.population[pr.offset[q]]
    ruled = clock_of(s).n[N_MODELS] == 1 and models_of(s).deliver[p] != 0
    if ruled:
        call_rule(models_of(s).deliver[p], models_of(s).record[p], q, first, last, emitted, t)
        fired = 0
    else:
        fired = deliver(s, q, first, last, t, emitted, sign)
    if sign >= 0:  # a row of both signs comes twice, and has arrived when all of it has
        clock_of(s).n[N_EVENTS] += last - first
        h = hooks_of(s)
        for i in range(pr.hook_first[q], pr.hook_first[q + 1]):
            call_hook(h.pre[i], h.pre_record[i], row % pr.n_source[q], row // pr.n_source[q], first, last, t)
    for i in range(fired):
        fire(s, np.int64(qu.fired[i]), t)
    if clock_of(s).n[N_SUPRA] == 1 and not ruled:
        predict_row(s, view_u4(pr.post[q], pr.capacity[q]), first, last, pr.offset[q], t)
    return fired


@piece(Piece.TOGETHER)
def arrive_together(s: int) -> None:
    """Deliver all arrivals of the earliest time at once, then test every target, then let the spikes follow."""
    n, qu, pr = clock_of(s).n, queue_of(s), projections_of(s)
    k = n[N_AGENDA_AT]
    t = qu.time[k]
    last = add_rows(s, k)
    n[N_AGENDA_AT] = last
    for i in range(find_fired(s, k, last)):
        fire(s, np.int64(qu.fired[i]), t)
    if clock_of(s).n[N_SUPRA] == 1:
        for i in range(k, last):
            row, q = np.int64(qu.row[i]), lanes_of(s).projection[qu.lane[i]]
            first = view_i8(pr.row_start[q], pr.n_row[q])[row]
            end = first + np.int64(view_u4(pr.row_length[q], pr.n_row[q])[row])
            predict_row(s, view_u4(pr.post[q], pr.capacity[q]), first, end, pr.offset[q], t)
