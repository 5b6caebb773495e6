"""The queue of the event loop: a sorted agenda for each window, releases, and predicted crossings.

A window is no longer than the shortest delay and the shortest refractory period, so every arrival and every
release in it is already known when it opens.  The agenda is sorted once (counting sort and one stable
insertion pass): no heap, look-ahead for prefetching, 14 bytes an arrival.  Order at equal times is (lane table,
log position), which the stable sort keeps; the lane table begins with the inhibitory sources (`build.make_lanes`).
"""

from __future__ import annotations

import numpy as np

from neurodev.engine.state import (
    N_AGENDA,
    N_AGENDA_AT,
    N_CROSSING,
    N_DUE,
    N_DUE_AT,
    N_NEED,
    N_RELEASE,
)
from neurodev.engine.views import clock_of, lanes_of, log_of, projections_of, queue_of
from neurodev.errors import Status
from neurodev.jit import kernel, rule, view_u4

DONE = int(Status.DONE)
AGENDA_FULL = int(Status.AGENDA_FULL)
CROSSING_FULL = int(Status.CROSSING_FULL)


@kernel
def gather(s, end):  # type: ignore[no-untyped-def]
    """Collect the arrivals before `end` of all lanes, lane by lane; static rows without synapses are skipped."""
    n, log, lanes, projections, queue = clock_of(s).n, log_of(s), lanes_of(s), projections_of(s), queue_of(s)
    total = 0
    for lane in range(lanes.delay.shape[0]):
        p, d = lanes.population[lane], lanes.delay[lane]
        k, m = lanes.cursor[lane], log.count[p]
        while k < m and log.time[p, k] + d < end:
            k += 1
        total += k - lanes.cursor[lane]
    if total > queue.time.shape[0]:
        n[N_NEED] = total
        return AGENDA_FULL
    at = 0
    for lane in range(lanes.delay.shape[0]):
        p, d = lanes.population[lane], lanes.delay[lane]
        q = lanes.projection[lane]
        length = view_u4(projections.row_length[q], projections.n_row[q])
        plastic = projections.hook_first[q + 1] > projections.hook_first[q]
        base = lanes.lane[lane] * projections.n_source[q]
        k, m = lanes.cursor[lane], log.count[p]
        while k < m and log.time[p, k] + d < end:
            row = base + np.int64(log.index[p, k])
            if length[row] > 0 or plastic:  # traces see every arrival, also while the row is empty
                queue.time[at] = log.time[p, k] + d
                queue.row[at] = np.uint32(row)
                queue.lane[at] = np.uint16(lane)
                at += 1
            k += 1
        lanes.cursor[lane] = k
    n[N_AGENDA] = at
    n[N_AGENDA_AT] = 0
    return DONE


@kernel
def sort_agenda(s, start, window):  # type: ignore[no-untyped-def]
    """Sort the agenda by time, stably."""
    n, queue = clock_of(s).n, queue_of(s)
    m = n[N_AGENDA]
    if m > 24:
        buckets = min(m, queue.bucket.shape[0] - 1)
        scale = buckets / window
        count = queue.bucket
        for b in range(buckets + 1):
            count[b] = 0
        for k in range(m):
            b = min(max(np.int64((queue.time[k] - start) * scale), 0), buckets - 1)
            count[b + 1] += 1
        for b in range(buckets):
            count[b + 1] += count[b]
        for k in range(m):
            b = min(max(np.int64((queue.time[k] - start) * scale), 0), buckets - 1)
            at = count[b]
            count[b] = at + 1
            queue.work_time[at] = queue.time[k]
            queue.work_row[at] = queue.row[k]
            queue.work_lane[at] = queue.lane[k]
        for k in range(m):
            queue.time[k] = queue.work_time[k]
            queue.row[k] = queue.work_row[k]
            queue.lane[k] = queue.work_lane[k]
    for k in range(1, m):
        t = queue.time[k]
        if queue.time[k - 1] <= t:
            continue
        row, lane = queue.row[k], queue.lane[k]
        i = k
        while i > 0 and queue.time[i - 1] > t:
            queue.time[i] = queue.time[i - 1]
            queue.row[i] = queue.row[i - 1]
            queue.lane[i] = queue.lane[i - 1]
            i -= 1
        queue.time[i] = t
        queue.row[i] = row
        queue.lane[i] = lane


@kernel
def gather_releases(s, end):  # type: ignore[no-untyped-def]
    """Move the releases before `end` to the sorted list of those due."""
    n, queue = clock_of(s).n, queue_of(s)
    due = 0
    keep = 0
    for k in range(n[N_RELEASE]):
        t, j = queue.release_time[k], queue.release_index[k]
        if t < end:
            i = due
            while i > 0 and (queue.due_time[i - 1] > t or (queue.due_time[i - 1] == t and queue.due_index[i - 1] > j)):
                queue.due_time[i] = queue.due_time[i - 1]
                queue.due_index[i] = queue.due_index[i - 1]
                i -= 1
            queue.due_time[i] = t
            queue.due_index[i] = j
            due += 1
        else:
            queue.release_time[keep] = t
            queue.release_index[keep] = j
            keep += 1
    n[N_RELEASE] = keep
    n[N_DUE] = due
    n[N_DUE_AT] = 0


@kernel
def compact_log(s):  # type: ignore[no-untyped-def]
    """Forget the spikes that every lane has delivered."""
    log, lanes = log_of(s), lanes_of(s)
    for p in range(log.count.shape[0]):
        first = log.count[p]
        for lane in range(lanes.delay.shape[0]):
            if lanes.population[lane] == p:
                first = min(first, lanes.cursor[lane])
        if first == 0:
            continue
        m = log.count[p]
        for k in range(first, m):
            log.time[p, k - first] = log.time[p, k]
            log.index[p, k - first] = log.index[p, k]
        log.count[p] = m - first
        for lane in range(lanes.delay.shape[0]):
            if lanes.population[lane] == p:
                lanes.cursor[lane] -= first


@rule
def push_crossing(s, t, j, u):  # type: ignore[no-untyped-def]
    """Push a predicted crossing on the binary heap ordered by (time, neuron); the caller sees to its room."""
    n, queue = clock_of(s).n, queue_of(s)
    i = n[N_CROSSING]
    n[N_CROSSING] = i + 1
    time, index, value = queue.crossing_time, queue.crossing_index, queue.crossing_u
    while i > 0:
        parent = (i - 1) >> 1
        if time[parent] < t or (time[parent] == t and index[parent] <= j):
            break
        time[i], index[i], value[i] = time[parent], index[parent], value[parent]
        i = parent
    time[i], index[i], value[i] = t, np.uint32(j), u


@rule
def pop_crossing(s):  # type: ignore[no-untyped-def]
    """Remove the earliest predicted crossing."""
    n, queue = clock_of(s).n, queue_of(s)
    m = n[N_CROSSING] - 1
    n[N_CROSSING] = m
    time, index, value = queue.crossing_time, queue.crossing_index, queue.crossing_u
    t, j, u = time[m], index[m], value[m]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= m:
            break
        right = child + 1
        if right < m and (time[right] < time[child] or (time[right] == time[child] and index[right] < index[child])):
            child = right
        if t < time[child] or (t == time[child] and j <= index[child]):
            break
        time[i], index[i], value[i] = time[child], index[child], value[child]
        i = child
    if m > 0:
        time[i], index[i], value[i] = t, j, u
