"""Simultaneous arrivals, summed before the threshold is tested (`Network(together=True)`).

In a network trained in steps all spikes of a step arrive together, and only their sum counts.  Two passes over the rows
that arrive at one instant: the first adds, the second tests; between them nobody can fire.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, Floats, Int
from neurodev.engine.loop.lists import reached
from neurodev.engine.loop.queue import sort_numbers
from neurodev.engine.loop.spiking import over, reset_at
from neurodev.engine.loop.state import ALIKE, N_AGENDA, N_EVENTS, N_MODELS, REFRACTORY, T_FRAME
from neurodev.engine.loop.views import clock_of, hooks_of, lanes_of, models_of, neurons_of, projections_of, queue_of
from neurodev.jit import call_hook, call_rule, kernel, rule, view_f4, view_f8, view_i8, view_u4, view_u8
from neurodev.neurons.rules import first_after


@rule
def first_young(s: int, q: Int, emitted: float) -> np.uint64:
    """The uid from which on the synapses of projection `q` were born after `emitted`."""
    pr = projections_of(s)
    return first_after(pr.birth_count[q], pr.birth_time[q], pr.birth_uid[q], emitted)


@rule
def release(s: int, q: Int, row: Int, first: int, last: int, sign: Int, t: float) -> None:
    """Ask how much a row delivers, and note it for whoever delivers it.

    A row of both signs comes twice for each spike: each sign has a state of its own, and both see every spike.
    """
    pr, n_row = projections_of(s), projections_of(s).n_row[q]
    place = row + n_row if sign > 0 else row
    source, lane = place % pr.n_source[q], place // pr.n_source[q]
    call_hook(pr.release[q], pr.release_record[q], source, lane, first, last, t)
    queue_of(s).scale[q] = view_f8(pr.released[q], n_row if sign == 0 else 2 * n_row)[place]


@rule
def emission(s: int, q: Int, delay: float, t: float) -> float:
    """When the spike that arrives at `t` by projection `q` was emitted.

    ``t - delay`` is rounded; a spike and a birth of one instant would come in either order.  A birth at b precedes the
    emission if and only if ``b + delay``, rounded as the arrival was, is not after the arrival.
    """
    pr = projections_of(s)
    emitted = t - delay
    if pr.birth_count[q] == 0:
        return emitted
    return beside_births(pr.birth_time[q], pr.birth_count[q], emitted, delay, t)


@kernel
def beside_births(births: F8, count: Int, emitted: float, delay: float, t: float) -> float:
    """`emitted` on the right side of each of the first `count` times of `births`."""
    first, last = 0, count
    while first < last:
        middle = (first + last) // 2
        if births[middle] + delay <= t:
            first = middle + 1
        else:
            last = middle
    if first > 0:
        emitted = max(emitted, births[first - 1])
    if first < count and emitted >= births[first]:
        emitted = np.nextafter(births[first], -np.inf)
    return emitted


@kernel
def add_rows(s: int, k: Int) -> Int:
    """Add the weights of arrival `k` and of all that share its time, with their on_pre; one past the last of them."""
    n, qu, pr, nn, h = clock_of(s).n, queue_of(s), projections_of(s), neurons_of(s), hooks_of(s)
    t = qu.time[k]
    while k < n[N_AGENDA] and qu.time[k] == t:
        row, lane = np.int64(qu.row[k]), np.int64(qu.lane[k])
        q = lanes_of(s).projection[lane]
        first = view_i8(pr.row_start[q], pr.n_row[q])[row]
        last = first + np.int64(view_u4(pr.row_length[q], pr.n_row[q])[row])
        emitted = emission(s, q, lanes_of(s).delay[lane], t)
        if pr.release[q] != 0:
            release(s, q, row, first, last, np.int64(0), t)
        mo, p = models_of(s), nn.population[pr.offset[q]]
        if n[N_MODELS] == 1 and mo.deliver[p] != 0:
            call_rule(mo.deliver[p], mo.record[p], q, first, last, emitted, t)
        elif pr.single[q] == 1:
            _add_row(s, q, view_f4(pr.weight[q], pr.capacity[q]), first, last, first_young(s, q, emitted), t)
        else:
            _add_row(s, q, view_f8(pr.weight[q], pr.capacity[q]), first, last, first_young(s, q, emitted), t)
        n[N_EVENTS] += last - first
        for i in range(pr.hook_first[q], pr.hook_first[q + 1]):
            call_hook(h.pre[i], h.pre_record[i], row % pr.n_source[q], row // pr.n_source[q], first, last, t)
        k += 1
    return k


@rule
def _add_row(s: int, q: Int, weight: Floats, first: Int, last: Int, limit: np.uint64, t: float) -> None:
    """The weights of one row onto u, frame factors renewed where the class changes; a sentinel swallows its input."""
    pr, nn = projections_of(s), neurons_of(s)
    post = view_u4(pr.post[q], pr.capacity[q])
    uid = view_u8(pr.uid[q], pr.capacity[q])
    kind, gain, own = np.int64(-1), 0.0, np.int64(pr.single[q] != ALIKE)
    for i in range(first, last):
        if uid[i] >= limit:
            continue
        j = pr.offset[q] + np.int64(post[i])
        c = np.int64(nn.kind[j])
        if c != kind:
            kind, gain = c, np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c]) * queue_of(s).scale[q]
        nn.u[j] += weight[i * own] * gain


@kernel
def find_fired(s: int, k: Int, end: Int) -> int:
    """Reset the targets of arrivals k .. end - 1 that are over threshold and list them in queue.fired; how many."""
    n, qu, pr, nn = clock_of(s).n, queue_of(s), projections_of(s), neurons_of(s)
    t, fired = qu.time[k], 0
    for e in range(k, end):
        row, q = np.int64(qu.row[e]), lanes_of(s).projection[qu.lane[e]]
        if n[N_MODELS] == 1 and models_of(s).deliver[nn.population[pr.offset[q]]] != 0:
            continue  # crossings are predicted
        first = view_i8(pr.row_start[q], pr.n_row[q])[row]
        post = view_u4(pr.post[q], pr.capacity[q])
        kind, S = np.int64(-1), 0.0
        for i in range(first, first + np.int64(view_u4(pr.row_length[q], pr.n_row[q])[row])):
            j = pr.offset[q] + np.int64(post[i])
            c = np.int64(nn.kind[j])
            if c != kind:
                kind, S = c, np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
            x = nn.u[j]
            if x >= reached(nn.threshold[c], nn.reset[c], S) and x > REFRACTORY and over(s, j, t):
                reset_at(s, j, t, False)
                qu.fired[fired] = np.uint32(j)
                fired += 1
    sort_numbers(qu.fired, np.int64(fired))  # by neuron, whatever the order of rows
    return fired
