"""The event loop: exact, allocation-free, resumable between any two events.

Between events ``u = (V - V_inf) exp((t - T_FRAME) / tau)`` is constant, so an arriving weight is added
after one multiplication by the frame factor S, and the threshold test is ``u >= threshold * S``.  A
refractory neuron holds a sentinel that swallows its input.  A neuron whose V_inf lies above threshold crosses
without input: ``S(t) = u / threshold``, solved only when the crossing falls into the current block.

Order at equal times: release, stimuli that inhibit or change a drive, arrivals (lane table, log), other stimuli,
background, predicted crossings; then on_post of the neurons that fired, after on_pre of all arrivals of the instant.

Time goes on in windows no longer than the shortest delay: within one, neurons do not influence each other.  Each part
of them runs through it by itself (`run_part`), and its spikes are told to all when it is over (`merge.py`).
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I8, Int
from neurodev.engine.loop.background import gather_inputs, pour
from neurodev.engine.loop.delivery import arrive, arrive_together
from neurodev.engine.loop.lists import close_lists
from neurodev.engine.loop.merge import merge
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.queue import gather, gather_releases, pop_crossing
from neurodev.engine.loop.script import give
from neurodev.engine.loop.spiking import (
    follow_arrivals,
    level_of,
    look,
    predict,
    predict_model,
    release,
    strike,
    strike_model,
)
from neurodev.engine.loop.state import (
    CROSSING_FULL,
    DONE,
    EVENT_BUDGET,
    N_AGENDA,
    N_AGENDA_AT,
    N_BACKGROUND,
    N_BLOCK,
    N_BLOCK_OPEN,
    N_BUDGET,
    N_CONTACTS,
    N_CROSSING,
    N_DUE,
    N_DUE_AT,
    N_EVENTS,
    N_FIRED,
    N_FRAME_WINDOWS,
    N_FRESH,
    N_INPUT,
    N_INPUT_AT,
    N_MERGE,
    N_MODELS,
    N_OPEN,
    N_OVERFLOW,
    N_SAME,
    N_SCRIPT_AT,
    N_STATUS,
    N_STUCK,
    N_SUPRA,
    N_TOGETHER,
    N_UNIFORM,
    N_WINDOW,
    REFRACTORY,
    SPIKES_FULL,
    STUCK,
    T_BEGIN,
    T_BLOCK,
    T_END,
    T_EVENT,
    T_FIRED,
    T_FRAME,
    T_NOW,
    T_WINDOW,
    Piece,
)
from neurodev.engine.loop.views import (
    background_of,
    clock_of,
    fresh_of,
    hooks_of,
    lanes_of,
    models_of,
    neurons_of,
    own_of,
    projections_of,
    queue_of,
    script_of,
)
from neurodev.jit import call_rule, kernel, prefetch, rule, view2_f8, view_f4, view_f8, view_i8, view_u2, view_u4
from neurodev.neurons.rules import AT

TRACE_SPAN = 40.0  # a trace is moved to a new base after so many of its time constants: e^40 is far from overflow
BACKWARDS = 1e-6  # ms; by so much rounding may put an event before the last
MOST_AT_ONCE = 64  # events of models at one instant, for each neuron: more are one that never moves on
AHEAD = 4  # arrivals between a row and the one whose memory is asked for


@kernel
def rebase(s: int, t: float) -> None:
    """Move the membrane frame to `t`, between two blocks: no crossing is noted, no background still to come."""
    nn, f = neurons_of(s), clock_of(s).time
    dt = t - f[T_FRAME]
    mo = models_of(s)
    own = own_of(s)
    for p in range(mo.rebase.shape[0]):
        if mo.rebase[p] != 0:
            call_rule(mo.rebase[p], mo.record[p], own.first[p] - nn.first[p], own.last[p] - nn.first[p], 0, 0.0, t)
        for j in range(own.first[p], own.last[p]):
            if nn.u[j] > REFRACTORY:
                nn.u[j] *= np.exp(-dt * nn.rate[nn.kind[j]])
    f[T_FRAME] = t


@kernel
def rebase_traces(s: int, t: float) -> None:
    """Move the base of every trace that has grown by the exponential of TRACE_SPAN."""
    h = hooks_of(s)
    for k in range(h.trace.shape[0]):
        if t - h.trace_base[k] > TRACE_SPAN * h.trace_tau[k]:
            factor = np.exp(-(t - h.trace_base[k]) / h.trace_tau[k])
            x = view_f8(h.trace[k], h.trace_size[k])
            for i in range(x.shape[0]):
                x[i] *= factor
            h.trace_base[k] = t


@kernel
def open_block(s: int) -> int:
    """Open the next block of time: all its background at once, and all crossings that need no arrival.

    Returns a status, and leaves nothing half done when it is not DONE.
    """
    f, n, nn, g = clock_of(s).time, clock_of(s).n, neurons_of(s), background_of(s)
    f[T_BEGIN] = n[N_BLOCK] * clock_of(s).length[1]
    f[T_BLOCK] = (n[N_BLOCK] + 1) * clock_of(s).length[1]
    n_piece = g.rate.shape[0]
    if n_piece > 0 and n[N_MODELS] == 1:
        status = gather_inputs(s)
        if status != DONE:
            return status
    for b in range(n_piece):
        if g.ruled[b] == 0:
            pour(s, b, g.first[b], g.first[b] + g.size[b])
    n[N_CROSSING] = 0
    n[N_BLOCK_OPEN] = 1
    t = max(f[T_BEGIN], f[T_NOW])
    mo, own = models_of(s), own_of(s)
    for p in range(mo.predict.shape[0]):
        first, last = own.first[p], own.last[p]
        if mo.predict[p] != 0:
            begin = nn.first[p]
            call_rule(mo.predict[p], mo.record[p], first - begin, last - begin, 0, 0.0, max(t, f[T_FRAME]))
        elif n[N_UNIFORM] == 1 and (n_piece > 0 or n[N_SUPRA] == 1):
            level = level_of(s, np.int64(0), t)
            for j in range(first, last):
                if nn.u[j] >= level:
                    look(s, j, t)
        elif n_piece > 0 or n[N_SUPRA] == 1:
            for j in range(first, last):
                predict(s, j, t)
    return DONE


@kernel
def close_block(s: int) -> None:
    """The block is over: what was kept apart joins the membranes."""
    n, nn, g, own = clock_of(s).n, neurons_of(s), background_of(s), own_of(s)
    n[N_BLOCK_OPEN] = 0
    n[N_BLOCK] += 1
    if g.rate.shape[0] > 0:
        for p in range(own.first.shape[0]):
            for j in range(own.first[p], own.last[p]):
                nn.u[j] += g.later[j]
                g.later[j] = 0.0
        close_lists(s)


@kernel
def open_window(s: int) -> int:
    """Open the next window of the grid; returns a status, and leaves nothing half done when it is not DONE."""
    f, n = clock_of(s).time, clock_of(s).n
    start = n[N_WINDOW] * clock_of(s).length[0]
    end = (n[N_WINDOW] + 1) * clock_of(s).length[0]
    status = gather(s, start, end)
    if status != DONE:
        return status
    gather_releases(s, end)
    f[T_WINDOW], f[T_END] = start, end
    if n[N_WINDOW] % n[N_FRAME_WINDOWS] == 0 and start > f[T_FRAME]:
        rebase(s, start)
    n[N_OPEN] = 1
    return DONE


@rule
def full(s: int) -> int:
    """Whether one more event could overflow a buffer."""
    n = clock_of(s).n
    burst = max(queue_of(s).release_time.shape[0], n[N_CONTACTS]) + 1
    if fresh_of(s).time.shape[0] - n[N_FRESH] <= burst:
        return SPIKES_FULL
    if queue_of(s).crossing_time.shape[0] - n[N_CROSSING] <= burst:
        return CROSSING_FULL
    if n[N_OVERFLOW] == 1:
        return CROSSING_FULL
    if n[N_STUCK] > 0:
        return STUCK
    return DONE


@rule
def watch(s: int, j: Int, t: float) -> None:
    """Mark neuron `j` as stuck if its model goes back in time, or stays at one instant for ever."""
    f, n = clock_of(s).time, clock_of(s).n
    n[N_SAME] = n[N_SAME] + 1 if t == f[T_EVENT] else 0
    if t < f[T_EVENT] - BACKWARDS or n[N_SAME] > MOST_AT_ONCE * (neurons_of(s).u.shape[0] + 1):
        n[N_STUCK] = j + 1
    f[T_EVENT] = t


@rule
def cross(s: int) -> None:
    """Take the earliest predicted crossing: fire if u has not changed since, else drop it."""
    qu, nn = queue_of(s), neurons_of(s)
    t, j, u = qu.crossing_time[0], np.int64(qu.crossing_index[0]), qu.crossing_u[0]
    pop_crossing(s)
    p = nn.population[j]
    if clock_of(s).n[N_MODELS] == 1 and models_of(s).event[p] != 0:
        mo, i = models_of(s), j - nn.first[p]
        noted = view2_f8(mo.state[p], nn.size[p], mo.width[p])[i, AT]
        if noted == t:
            watch(s, j, t)
            # a rule may call a spike what is none: a neuron that is not free has its release pending already
            if call_rule(mo.event[p], mo.record[p], i, 0, 0, 0.0, t) == 1 and nn.u[j] > REFRACTORY:
                strike_model(s, j, t)
            else:
                predict_model(s, j, t)
        return
    if nn.u[j] != u:
        return
    strike(s, j, t)
    predict(s, j, t)


@kernel
def begin_window(parts: I8) -> int:
    """The window that is next, or still open; whatever all parts read is made ready for it before it opens."""
    window = clock_of(parts[0]).n[N_WINDOW]
    opened = False
    for s in parts:
        window = min(window, clock_of(s).n[N_WINDOW])
        opened |= clock_of(s).n[N_OPEN] == 1
    if not opened:
        rebase_traces(parts[0], window * clock_of(parts[0]).length[0])
    return window  # type: ignore[no-any-return]


@kernel
def run_parts(parts: I8, first: int, last: int, window: int, stop: float) -> int:
    """Run parts first..last through what is left of one window, or up to `stop`; the first status that is not DONE."""
    for k in range(first, last):
        status = run_part(parts[k], window, stop)
        clock_of(parts[k]).n[N_STATUS] = status
        if status != DONE:
            return status
    return DONE


@kernel
def end_window(parts: I8) -> int:
    """All parts stand at one time: merge their spikes, and look whether there were too many events; a status."""
    n = clock_of(parts[0]).n
    n[N_MERGE] = 1
    status = merge(parts, clock_of(parts[0]).time[T_NOW])
    if status != DONE:
        return status
    n[N_MERGE] = 0
    events = np.int64(0)
    for s in parts:
        events += clock_of(s).n[N_EVENTS]
    return EVENT_BUDGET if events > n[N_BUDGET] else DONE


@kernel
def run(parts: I8, stop: float) -> int:
    """Process every event before `stop` (ms in the epoch), part by part; a status, after which it can go on."""
    while True:
        if clock_of(parts[0]).n[N_MERGE] == 0:
            status = run_parts(parts, 0, parts.shape[0], begin_window(parts), stop)
            if status != DONE:
                return status
        status = end_window(parts)
        if status != DONE or clock_of(parts[0]).time[T_NOW] >= stop:
            return status


@piece(Piece.PART)
def run_part(s: int, window: int, stop: float) -> int:
    """Process every event of a part in one window and before `stop`; returns a status and can be called again."""
    f, n, qu, sc = clock_of(s).time, clock_of(s).n, queue_of(s), script_of(s)
    if n[N_WINDOW] != window:
        return DONE  # it has been through this window
    if n[N_OPEN] == 0:
        status = open_window(s)
        if status != DONE:
            return status
    while True:
        if n[N_BLOCK_OPEN] == 0:
            status = open_block(s)
            if status != DONE:
                return status
        end = min(min(f[T_END], f[T_BLOCK]), stop)
        while True:
            status = full(s)
            if status != DONE:
                return status
            due = qu.due_time[n[N_DUE_AT]] if n[N_DUE_AT] < n[N_DUE] else np.inf
            arrival = qu.time[n[N_AGENDA_AT]] if n[N_AGENDA_AT] < n[N_AGENDA] else np.inf
            crossing = qu.crossing_time[0] if n[N_CROSSING] > 0 else np.inf
            given = qu.input_time[n[N_INPUT_AT]] if n[N_INPUT_AT] < n[N_INPUT] else np.inf
            told = sc.time[n[N_SCRIPT_AT]] if n[N_SCRIPT_AT] < sc.time.shape[0] else np.inf
            first = min(min(min(due, arrival), min(crossing, given)), told)
            if n[N_FIRED] > 0 and first > f[T_FIRED]:
                follow_arrivals(s)
            if first >= end:
                break
            f[T_NOW] = first
            if due == first:
                n[N_DUE_AT] += 1
                release(s, np.int64(qu.due_index[n[N_DUE_AT] - 1]), first)
            elif told == first and (arrival > first or sc.early[n[N_SCRIPT_AT]] == 1):
                give(s)
            elif arrival == first:
                if n[N_TOGETHER] == 1:
                    arrive_together(s)
                else:
                    run_arrivals(s, min(min(due, given), min(told, end)))
            elif given == first:
                run_inputs(s, min(min(due, arrival), min(told, end)))
            else:
                cross(s)
        f[T_NOW] = end
        if end == f[T_BLOCK]:
            close_block(s)
        if end == f[T_END]:
            n[N_OPEN] = 0
            n[N_WINDOW] += 1
            return DONE
        if end >= stop:
            return DONE


@rule
def run_inputs(s: int, limit: float) -> None:
    """Background onto neurons with rules, as long as nothing else can come before."""
    n, qu, nn, mo = clock_of(s).n, queue_of(s), neurons_of(s), models_of(s)
    room = qu.crossing_time.shape[0] - qu.release_time.shape[0]
    while True:
        k = n[N_INPUT_AT]
        n[N_INPUT_AT] = k + 1
        n[N_BACKGROUND] += 1
        j = np.int64(qu.input_index[k])
        p = nn.population[j]
        call_rule(mo.kick[p], mo.record[p], j - nn.first[p], 0, 0, qu.input_weight[k], qu.input_time[k])
        if k + 1 >= n[N_INPUT] or n[N_CROSSING] >= room or qu.input_time[k + 1] >= limit:
            return
        if n[N_CROSSING] > 0 and qu.crossing_time[0] <= qu.input_time[k + 1]:
            return


@rule
def run_arrivals(s: int, limit: float) -> None:
    """Deliver arrivals up to `limit`, as long as nothing else can come before them."""
    n, qu, pr = clock_of(s).n, queue_of(s), projections_of(s)
    room = qu.crossing_time.shape[0] - max(qu.release_time.shape[0], n[N_CONTACTS]) - 1
    while True:
        k = n[N_AGENDA_AT]
        if k + 2 * AHEAD < n[N_AGENDA]:
            lane, row = np.int64(qu.lane[k + 2 * AHEAD]), np.int64(qu.row[k + 2 * AHEAD])
            q = lanes_of(s).projection[lane]
            prefetch(view_i8(pr.row_start[q], pr.n_row[q]), row)
            prefetch(view_u4(pr.row_length[q], pr.n_row[q]), row)
        if k + AHEAD < n[N_AGENDA]:
            lane, row = np.int64(qu.lane[k + AHEAD]), np.int64(qu.row[k + AHEAD])
            q = lanes_of(s).projection[lane]
            begin = view_i8(pr.row_start[q], pr.n_row[q])[row]
            if pr.narrow[q] != 0:
                prefetch(view_u2(pr.narrow[q], pr.capacity[q]), begin)
            else:
                prefetch(view_u4(pr.post[q], pr.capacity[q]), begin)
            if pr.single[q] == 1:
                prefetch(view_f4(pr.weight[q], pr.capacity[q]), begin)
            elif pr.single[q] == 0:
                prefetch(view_f8(pr.weight[q], pr.capacity[q]), begin)
        n[N_AGENDA_AT] = k + 1
        fired = arrive(s, k)
        if fired > 0 or n[N_FIRED] > 0 or k + 1 >= n[N_AGENDA] or qu.time[k + 1] >= limit:
            return
        if n[N_CROSSING] > 0 and (qu.crossing_time[0] < qu.time[k + 1] or n[N_CROSSING] >= room):
            return
