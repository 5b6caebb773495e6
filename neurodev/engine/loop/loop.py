"""The event loop: exact, allocation-free, resumable between any two events.

Between events ``u = (V - V_inf) exp((t - T_FRAME) / tau)`` is constant, so an arriving weight is added
after one multiplication by the frame factor S, and the threshold test is ``u >= threshold * S``.  A
refractory neuron holds a sentinel that swallows its input.  A neuron whose V_inf lies above threshold crosses
without input: ``S(t) = u / threshold``, solved only when the crossing falls into the current block.

Order at equal times: release, arrivals (lane table, log), background, predicted crossings, drive spikes.
"""

from __future__ import annotations

import numpy as np

from neurodev.engine.loop import background as bg
from neurodev.engine.loop.queue import compact_log, gather, gather_releases, pop_crossing, push_crossing
from neurodev.engine.loop.state import (
    N_AGENDA,
    N_AGENDA_AT,
    N_BACKGROUND,
    N_BLOCK_WINDOWS,
    N_BUDGET,
    N_CROSSING,
    N_DRIVE,
    N_DRIVE_AT,
    N_DUE,
    N_DUE_AT,
    N_EVENTS,
    N_FRAME_WINDOWS,
    N_MODELS,
    N_OPEN,
    N_RECORD,
    N_RELEASE,
    N_SPIKES,
    N_SUPRA,
    N_TOGETHER,
    N_UNIFORM,
    N_WINDOW,
    REFRACTORY,
    SENTINEL,
    T_BLOCK,
    T_END,
    T_FRAME,
    T_NOW,
    T_WINDOW,
)
from neurodev.engine.loop.together import add_rows, find_fired, first_young
from neurodev.engine.loop.views import (
    background_of,
    clock_of,
    hooks_of,
    lanes_of,
    log_of,
    models_of,
    neurons_of,
    projections_of,
    queue_of,
    record_of,
)
from neurodev.errors import Status
from neurodev.jit import (
    call_hook,
    call_rule,
    kernel,
    prefetch,
    rule,
    view2_f8,
    view_f4,
    view_f8,
    view_i8,
    view_u4,
    view_u8,
)
from neurodev.neurons.rules import AT

DONE = int(Status.DONE)
LOG_FULL = int(Status.LOG_FULL)
RECORD_FULL = int(Status.RECORD_FULL)
CROSSING_FULL = int(Status.CROSSING_FULL)
EVENT_BUDGET = int(Status.EVENT_BUDGET)


@rule
def emit(s, p, local, t):  # type: ignore[no-untyped-def]
    """A cell of population `p` spikes at `t`: into its log, the counts and the record."""
    k = log_of(s).count[p]
    log_of(s).time[p, k] = t
    log_of(s).index[p, k] = np.uint32(local)
    log_of(s).count[p] = k + 1
    r = record_of(s)
    r.count[r.first[p] + local] += 1
    clock_of(s).n[N_SPIKES] += 1
    if r.wanted[p] == 1:
        i = clock_of(s).n[N_RECORD]
        r.time[i] = t
        r.population[i] = np.uint32(p)
        r.index[i] = np.uint32(local)
        clock_of(s).n[N_RECORD] = i + 1


@rule
def fire(s, j, t):  # type: ignore[no-untyped-def]
    """Neuron `j`, over threshold at `t`: log, on_post of the mechanisms on its synapses, reset."""
    nn = neurons_of(s)
    p = nn.population[j]
    local = j - nn.first[p]
    emit(s, p, local, t)
    h = hooks_of(s)
    for k in range(projections_of(s).post_first[p], projections_of(s).post_first[p + 1]):
        call_hook(h.post[k], h.post_record[k], local, 0, 0, 0, t)
    c = nn.kind[j]
    if nn.refractory[c] > 0.0:
        nn.u[j] = SENTINEL
        i = clock_of(s).n[N_RELEASE]
        queue_of(s).release_time[i] = t + nn.refractory[c]
        queue_of(s).release_index[i] = np.uint32(j)
        clock_of(s).n[N_RELEASE] = i + 1
    elif nn.silenced[p] == 1:
        nn.u[j] = SENTINEL


@rule
def predict(s, j, t):  # type: ignore[no-untyped-def]
    """After a change of u[j]: note a crossing that falls into the current block."""
    nn = neurons_of(s)
    c = nn.kind[j]
    g = -nn.threshold[c]
    u = nn.u[j]
    if g <= 0.0 or u < REFRACTORY:
        return
    f = clock_of(s).time
    if u >= -g * np.exp((f[T_BLOCK] - f[T_FRAME]) * nn.rate[c]):
        at = f[T_FRAME] + np.log(-u / g) / nn.rate[c]
        push_crossing(s, max(at, t), j, u)


@kernel
def predict_delta(s, first, last, t):  # type: ignore[no-untyped-def]
    """`predict` for the neurons first..last, whose potentials were set from outside."""
    if clock_of(s).n[N_SUPRA] == 1:
        for j in range(first, last):
            predict(s, j, t)


@kernel
def come_free(s: int, j: int, t: float) -> None:
    """Neuron `j`, of a model with rules, stands at its reset potential and integrates from `t` on."""
    nn, mo = neurons_of(s), models_of(s)
    p = nn.population[j]
    nn.u[j] = 0.0
    call_rule(mo.reset[p], mo.record[p], j - nn.first[p], 0, 0, 0.0, t)


@kernel
def predict_model(s: int, j: int, t: float) -> None:
    """Have the model of neuron `j` note its next event."""
    nn, mo = neurons_of(s), models_of(s)
    p = nn.population[j]
    i = j - nn.first[p]
    call_rule(mo.predict[p], mo.record[p], i, i + 1, 0, 0.0, t)


@rule
def release(s, j, t):  # type: ignore[no-untyped-def]
    """End of refractoriness: V = V_reset."""
    nn = neurons_of(s)
    if nn.silenced[nn.population[j]] == 1:
        return
    c = nn.kind[j]
    if clock_of(s).n[N_MODELS] == 1 and models_of(s).reset[nn.population[j]] != 0:
        come_free(s, j, t)
        predict_model(s, j, t)
        return
    nn.u[j] = nn.reset[c] * np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
    if clock_of(s).n[N_SUPRA] == 1:
        predict(s, j, t)


@rule
def deliver_uniform(s, u, post, weight, first, last, offset, t):  # type: ignore[no-untyped-def]
    """One row onto neurons of a single class; returns how many fired (listed in queue.fired)."""
    nn = neurons_of(s)
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[0])
    threshold = nn.threshold[0] * S
    after = nn.reset[0] * S if nn.refractory[0] == 0.0 else SENTINEL
    fired = 0
    here = u[offset:]
    # unsigned indices: signed ones cost a test for negative values at every access
    for k in range(np.uint64(first), np.uint64(last)):
        j = post[k]
        x = here[j] + weight[k] * S
        here[j] = x
        if x >= threshold:
            here[j] = after
            queue_of(s).fired[fired] = np.uint32(offset + np.int64(j))
            fired += 1
    return fired


@rule
def deliver_mixed(s, u, post, weight, first, last, offset, t):  # type: ignore[no-untyped-def]
    """One row onto neurons of several classes: the frame factor is renewed when the class changes."""
    nn = neurons_of(s)
    dt = t - clock_of(s).time[T_FRAME]
    fired = 0
    kind = np.int64(-1)
    S = threshold = after = 0.0
    for k in range(first, last):
        j = offset + np.int64(post[k])
        c = np.int64(nn.kind[j])
        if c != kind:
            kind = c
            S = np.exp(dt * nn.rate[c])
            threshold = nn.threshold[c] * S
            after = nn.reset[c] * S if nn.refractory[c] == 0.0 else SENTINEL
        x = u[j] + weight[k] * S
        u[j] = x
        if x >= threshold and x > REFRACTORY:
            u[j] = after
            queue_of(s).fired[fired] = np.uint32(j)
            fired += 1
    return fired


@kernel
def deliver_young(s, q, u, first, last, t, emitted):  # type: ignore[no-untyped-def]
    """One row with synapses born after `emitted`: those do not carry the spike; returns how many fired."""
    pr = projections_of(s)
    uid = view_u8(pr.uid[q], pr.capacity[q])
    post = view_u4(pr.post[q], pr.capacity[q])
    weight = view_f4(pr.weight[q], pr.capacity[q])
    limit = first_young(s, q, emitted)
    nn = neurons_of(s)
    fired = 0
    for k in range(first, last):
        if uid[k] >= limit:
            continue
        j = pr.offset[q] + np.int64(post[k])
        c = nn.kind[j]
        S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
        x = u[j] + weight[k] * S
        u[j] = x
        if x >= nn.threshold[c] * S and x > REFRACTORY:
            u[j] = nn.reset[c] * S if nn.refractory[c] == 0.0 else SENTINEL
            queue_of(s).fired[fired] = np.uint32(j)
            fired += 1
    return fired


@rule
def predict_row(s, post, first, last, offset, t):  # type: ignore[no-untyped-def]
    """After a row: note the crossings that now fall into the block; one comparison for most targets."""
    nn, f = neurons_of(s), clock_of(s).time
    if clock_of(s).n[N_UNIFORM] == 1:
        level = nn.threshold[0] * np.exp((f[T_BLOCK] - f[T_FRAME]) * nn.rate[0])
        here = nn.u[offset:]
        for i in range(np.uint64(first), np.uint64(last)):
            if here[post[i]] >= level:
                predict(s, offset + np.int64(post[i]), t)
        return
    for i in range(first, last):
        predict(s, offset + np.int64(post[i]), t)


@rule
def arrive(s, k):  # type: ignore[no-untyped-def]
    """Deliver arrival `k` of the agenda: weights as they stand, on_pre, then the spikes it caused."""
    qu, pr, nn = queue_of(s), projections_of(s), neurons_of(s)
    t, row, lane = qu.time[k], np.int64(qu.row[k]), np.int64(qu.lane[k])
    q = lanes_of(s).projection[lane]
    n_row = pr.n_row[q]
    first = view_i8(pr.row_start[q], n_row)[row]
    last = first + np.int64(view_u4(pr.row_length[q], n_row)[row])
    u = nn.u
    young = False
    if pr.birth_count[q] > 0:
        emitted = t - lanes_of(s).delay[lane]
        young = pr.birth_time[q, pr.birth_count[q] - 1] > emitted
    p = nn.population[pr.offset[q]]
    ruled = clock_of(s).n[N_MODELS] == 1 and models_of(s).deliver[p] != 0
    if ruled:
        call_rule(models_of(s).deliver[p], models_of(s).record[p], q, first, last, t - lanes_of(s).delay[lane], t)
        fired = 0
    elif young:
        fired = deliver_young(s, q, u, first, last, t, t - lanes_of(s).delay[lane])
    else:
        post = view_u4(pr.post[q], pr.capacity[q])
        weight = view_f4(pr.weight[q], pr.capacity[q])
        if clock_of(s).n[N_UNIFORM] == 1:
            fired = deliver_uniform(s, u, post, weight, first, last, pr.offset[q], t)
        else:
            fired = deliver_mixed(s, u, post, weight, first, last, pr.offset[q], t)
    clock_of(s).n[N_EVENTS] += last - first
    h = hooks_of(s)
    for i in range(pr.hook_first[q], pr.hook_first[q + 1]):
        call_hook(h.pre[i], h.pre_record[i], row % pr.n_source[q], row // pr.n_source[q], first, last, t)
    for i in range(fired):
        fire(s, np.int64(qu.fired[i]), t)
    if clock_of(s).n[N_SUPRA] == 1 and not ruled:
        predict_row(s, view_u4(pr.post[q], pr.capacity[q]), first, last, pr.offset[q], t)
    return fired


@kernel
def arrive_together(s):  # type: ignore[no-untyped-def]
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


@rule
def strike(s, j, S, c, t):  # type: ignore[no-untyped-def]
    """Neuron `j` crossed at `t` by background or by itself: fire it."""
    nn = neurons_of(s)
    nn.u[j] = nn.reset[c] * S if nn.refractory[c] == 0.0 else SENTINEL
    fire(s, j, t)


@kernel
def strike_model(s: int, j: int, t: float) -> None:
    """Neuron `j`, of a model with rules, spikes at `t`."""
    nn = neurons_of(s)
    if nn.refractory[nn.kind[j]] == 0.0:
        come_free(s, j, t)
    else:
        nn.u[j] = SENTINEL
    fire(s, j, t)
    predict_model(s, j, t)


@kernel
def background_by_rules(s: int, b: int, stop: float) -> None:
    """Background stream `b` onto neurons of a model with rules up to `stop`, or to the next predicted event."""
    g, n, qu, nn, mo = background_of(s), clock_of(s).n, queue_of(s), neurons_of(s), models_of(s)
    k, m = g.at[b], g.time.shape[1]
    p = nn.population[g.first[b]]
    rule, record, first = mo.kick[p], mo.record[p], nn.first[p]
    begin = k
    room = qu.crossing_time.shape[0]
    while k < m and g.time[b, k] < stop and n[N_CROSSING] < room:
        if n[N_CROSSING] > 0 and qu.crossing_time[0] < g.time[b, k]:
            break
        call_rule(rule, record, np.int64(g.target[b, k]) - first, 0, 0, g.jump[b, k], g.time[b, k])
        k += 1
    n[N_BACKGROUND] += k - begin
    g.at[b] = k
    if k == m:
        bg.refill(s, b, 0.0, clock_of(s).time[T_FRAME])
    else:
        g.next[b] = g.time[b, k]


@rule
def background_until(s, limit):  # type: ignore[no-untyped-def]
    """Deliver the background up to `limit`, or until a neuron fires; returns whether one did."""
    g, nn, f = background_of(s), neurons_of(s), clock_of(s).time
    uniform = clock_of(s).n[N_UNIFORM] == 1
    supra = clock_of(s).n[N_SUPRA] == 1
    frame_rate = nn.rate[0] if uniform else 0.0
    u = nn.u
    while True:
        b = bg.earliest(s)
        if b < 0 or g.next[b] >= limit:
            return False
        stop = limit
        for o in range(g.next.shape[0]):
            if o != b:
                stop = min(stop, g.next[o])
        stop = max(stop, np.nextafter(g.next[b], np.inf))  # of two streams that tie, the first goes on
        if clock_of(s).n[N_MODELS] == 1 and models_of(s).kick[nn.population[g.first[b]]] != 0:
            background_by_rules(s, b, stop)
            if clock_of(s).n[N_CROSSING] > 0:
                return True
            continue
        k, m = g.at[b], g.time.shape[1]
        begin = k
        hit = np.int64(-1)
        time, target, jump = g.time[b], g.target[b], g.jump[b]
        if uniform and not supra and g.exponential[b] == 0 and g.weight[b] > 0.0:
            level = nn.threshold[0] / g.weight[b]
            i, n_batch = np.uint64(k), np.uint64(m)
            while i < n_batch and time[i] < stop:
                j = target[i]
                x = u[j] + jump[i]
                u[j] = x
                if x >= level * jump[i]:
                    hit = np.int64(j)
                    break
                i += np.uint64(1)
            k = np.int64(i)
        else:
            hit, k = background_mixed(s, time, target, jump, k, m, stop, uniform)
        done = k + (1 if hit >= 0 else 0)
        clock_of(s).n[N_BACKGROUND] += done - begin
        t_hit = time[k] if hit >= 0 else 0.0
        g.at[b] = done
        if done == m:
            bg.refill(s, b, frame_rate, f[T_FRAME])
        else:
            g.next[b] = time[done]
        if hit >= 0:
            c = np.int64(nn.kind[hit])
            strike(s, hit, np.exp((t_hit - f[T_FRAME]) * nn.rate[c]), c, t_hit)
            if supra:
                predict(s, hit, t_hit)
            return True
        if supra and clock_of(s).n[N_CROSSING] > 0 and queue_of(s).crossing_time[0] < limit:
            return True  # a crossing that was just predicted comes first


@rule
def background_mixed(s, time, target, jump, k, m, stop, uniform):  # type: ignore[no-untyped-def]
    """Background onto several classes, or with varying amplitudes; returns (neuron that fired or -1, position)."""
    nn, f = neurons_of(s), clock_of(s).time
    supra = clock_of(s).n[N_SUPRA] == 1
    while k < m and time[k] < stop:
        j = np.int64(target[k])
        c = np.int64(nn.kind[j])
        S = np.exp((time[k] - f[T_FRAME]) * nn.rate[c])
        x = nn.u[j] + (jump[k] if uniform else jump[k] * S)
        nn.u[j] = x
        if x >= nn.threshold[c] * S and x > REFRACTORY:
            return j, k
        if supra:
            predict(s, j, time[k])
            k += 1
            return np.int64(-1), k  # a new crossing may come before the next event
        k += 1
    return np.int64(-1), k


@kernel
def rebase(s, t):  # type: ignore[no-untyped-def]
    """Move the membrane frame to `t`; predicted crossings keep their times, their keys follow u."""
    nn, f = neurons_of(s), clock_of(s).time
    dt = t - f[T_FRAME]
    mo = models_of(s)
    for p in range(mo.rebase.shape[0]):
        if mo.rebase[p] != 0:
            call_rule(mo.rebase[p], mo.record[p], 0, 0, 0, 0.0, t)
    for j in range(nn.u.shape[0]):
        if nn.u[j] > REFRACTORY:
            nn.u[j] *= np.exp(-dt * nn.rate[nn.kind[j]])
    for k in range(clock_of(s).n[N_CROSSING]):
        j = queue_of(s).crossing_index[k]
        queue_of(s).crossing_u[k] *= np.exp(-dt * nn.rate[nn.kind[j]])
    if clock_of(s).n[N_UNIFORM] == 1:
        bg.rebase_jumps(s, np.exp(-dt * nn.rate[0]))
    f[T_FRAME] = t


@kernel
def rebase_traces(s, t):  # type: ignore[no-untyped-def]
    """Move the base of every trace that has grown by e^40."""
    h = hooks_of(s)
    for k in range(h.trace.shape[0]):
        if t - h.trace_base[k] > 40.0 * h.trace_tau[k]:
            factor = np.exp(-(t - h.trace_base[k]) / h.trace_tau[k])
            x = view_f8(h.trace[k], h.trace_size[k])
            for i in range(x.shape[0]):
                x[i] *= factor
            h.trace_base[k] = t


@kernel
def scan(s, t):  # type: ignore[no-untyped-def]
    """Start a block: find all crossings without input in it."""
    f, n, nn = clock_of(s).time, clock_of(s).n, neurons_of(s)
    n[N_CROSSING] = 0
    f[T_BLOCK] = t + n[N_BLOCK_WINDOWS] * clock_of(s).length[0]
    if n[N_UNIFORM] == 1:
        S = nn.threshold[0] * np.exp((f[T_BLOCK] - f[T_FRAME]) * nn.rate[0])
        for j in range(nn.u.shape[0]):
            if nn.u[j] >= S:
                predict(s, j, t)
        return
    if n[N_SUPRA] == 1:
        for j in range(nn.u.shape[0]):
            predict(s, j, t)
    mo = models_of(s)
    for p in range(mo.predict.shape[0]):
        if mo.predict[p] != 0:
            call_rule(mo.predict[p], mo.record[p], 0, nn.size[p], 0, 0.0, max(t, f[T_FRAME]))


@kernel
def open_window(s):  # type: ignore[no-untyped-def]
    """Open the next window of the grid; returns a status, and leaves nothing half done when it is not DONE."""
    f, n = clock_of(s).time, clock_of(s).n
    start = n[N_WINDOW] * clock_of(s).length[0]
    end = (n[N_WINDOW] + 1) * clock_of(s).length[0]
    log = log_of(s)
    room = log.time.shape[1]
    tight = False
    for p in range(log.count.shape[0]):
        if room - log.count[p] < 2 * neurons_of(s).size[p] + 64:
            tight = True
    if tight:
        compact_log(s)
        for p in range(log.count.shape[0]):
            if room - log.count[p] < 2 * neurons_of(s).size[p] + 64:
                return LOG_FULL
    status = gather(s, start, end)
    if status != DONE:
        return status
    gather_releases(s, end)
    f[T_WINDOW], f[T_END] = start, end
    if n[N_WINDOW] % n[N_FRAME_WINDOWS] == 0 and start > f[T_FRAME]:
        rebase(s, start)
    rebase_traces(s, start)
    if (n[N_SUPRA] == 1 or n[N_MODELS] == 1) and (n[N_WINDOW] % n[N_BLOCK_WINDOWS] == 0 or f[T_BLOCK] == -np.inf):
        scan(s, start)
    n[N_OPEN] = 1
    return DONE


@rule
def full(s):  # type: ignore[no-untyped-def]
    """Whether one more event could overflow a buffer."""
    n = clock_of(s).n
    for p in range(log_of(s).count.shape[0]):
        if log_of(s).time.shape[1] - log_of(s).count[p] <= neurons_of(s).size[p]:
            return LOG_FULL
    if record_of(s).time.shape[0] - n[N_RECORD] <= neurons_of(s).u.shape[0] + 1:
        return RECORD_FULL
    if queue_of(s).crossing_time.shape[0] - n[N_CROSSING] <= neurons_of(s).u.shape[0]:
        return CROSSING_FULL
    if n[N_EVENTS] > n[N_BUDGET]:
        return EVENT_BUDGET
    return DONE


@rule
def cross(s):  # type: ignore[no-untyped-def]
    """Take the earliest predicted crossing: fire if u has not changed since, else drop it."""
    qu, nn = queue_of(s), neurons_of(s)
    t, j, u = qu.crossing_time[0], np.int64(qu.crossing_index[0]), qu.crossing_u[0]
    pop_crossing(s)
    p = nn.population[j]
    if clock_of(s).n[N_MODELS] == 1 and models_of(s).event[p] != 0:
        mo, i = models_of(s), j - nn.first[p]
        noted = view2_f8(mo.state[p], nn.size[p], mo.width[p])[i, AT]
        if noted == t and call_rule(mo.event[p], mo.record[p], i, 0, 0, 0.0, t) == 1:
            strike_model(s, j, t)
        return
    if nn.u[j] != u:
        return
    c = np.int64(nn.kind[j])
    S = np.exp((t - clock_of(s).time[T_FRAME]) * nn.rate[c])
    strike(s, j, S, c, t)
    predict(s, j, t)


@kernel
def run(s, stop):  # type: ignore[no-untyped-def]
    """Process every event before `stop` (ms in the epoch); returns a status and can be called again."""
    f, n, qu = clock_of(s).time, clock_of(s).n, queue_of(s)
    while True:
        if n[N_OPEN] == 0:
            status = open_window(s)
            if status != DONE:
                return status
        end = min(f[T_END], stop)
        while True:
            status = full(s)
            if status != DONE:
                return status
            due = qu.due_time[n[N_DUE_AT]] if n[N_DUE_AT] < n[N_DUE] else np.inf
            arrival = qu.time[n[N_AGENDA_AT]] if n[N_AGENDA_AT] < n[N_AGENDA] else np.inf
            crossing = qu.crossing_time[0] if n[N_CROSSING] > 0 else np.inf
            drive = qu.drive_time[n[N_DRIVE_AT]] if n[N_DRIVE_AT] < n[N_DRIVE] else np.inf
            first = min(min(due, arrival), min(crossing, drive))
            if background_of(s).at.shape[0] > 0 and background_until(s, min(first, end)):
                continue
            if first >= end:
                break
            f[T_NOW] = first
            if due == first:
                n[N_DUE_AT] += 1
                release(s, np.int64(qu.due_index[n[N_DUE_AT] - 1]), first)
            elif arrival == first:
                if n[N_TOGETHER] == 1:
                    arrive_together(s)
                else:
                    run_arrivals(s, end)
            elif crossing == first:
                cross(s)
            else:
                k = n[N_DRIVE_AT]
                n[N_DRIVE_AT] = k + 1
                p = np.int64(qu.drive_population[k])
                if neurons_of(s).silenced[p] == 0:
                    emit(s, p, np.int64(qu.drive_index[k]), first)
        f[T_NOW] = end
        if end == f[T_END]:
            n[N_OPEN] = 0
            n[N_WINDOW] += 1
        if end >= stop:
            return DONE


@rule
def run_arrivals(s, end):  # type: ignore[no-untyped-def]
    """Deliver arrivals as long as nothing else can come before them."""
    n, qu, pr = clock_of(s).n, queue_of(s), projections_of(s)
    due = qu.due_time[n[N_DUE_AT]] if n[N_DUE_AT] < n[N_DUE] else np.inf
    drive = qu.drive_time[n[N_DRIVE_AT]] if n[N_DRIVE_AT] < n[N_DRIVE] else np.inf
    limit = min(min(due, drive), end)
    alone = background_of(s).at.shape[0] == 0 and n[N_SUPRA] == 0
    room = qu.crossing_time.shape[0] - neurons_of(s).u.shape[0]
    while True:
        k = n[N_AGENDA_AT]
        if k + 4 < n[N_AGENDA]:
            lane, row = np.int64(qu.lane[k + 4]), np.int64(qu.row[k + 4])
            q = lanes_of(s).projection[lane]
            begin = view_i8(pr.row_start[q], pr.n_row[q])[row]
            prefetch(view_u4(pr.post[q], pr.capacity[q]), begin)
            prefetch(view_f4(pr.weight[q], pr.capacity[q]), begin)
        n[N_AGENDA_AT] = k + 1
        fired = arrive(s, k)
        if fired > 0 or not alone or k + 1 >= n[N_AGENDA] or qu.time[k + 1] >= limit:
            return
        if n[N_CROSSING] > 0 and (qu.crossing_time[0] < qu.time[k + 1] or n[N_CROSSING] >= room):
            return
