"""The queue of the event loop: a sorted agenda for each window, releases, and predicted crossings.

A window is no longer than the shortest delay and the shortest refractory period, so every arrival and every
release in it is already known when it opens.  Arrivals are counted by buckets of time, placed there, and put
in order by one stable insertion pass: no heap, look-ahead for prefetching, 18 bytes an arrival with its bucket.
Order at equal times is (lane table, log position), which the stable sort keeps; the lane table begins with
what is inhibitory (`build.make_lanes`).
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import U4, Int
from neurodev.engine.loop.state import (
    AGENDA_FULL,
    DONE,
    N_AGENDA,
    N_AGENDA_AT,
    N_CROSSING,
    N_DUE,
    N_DUE_AT,
    N_NEED,
    N_RELEASE,
)
from neurodev.engine.loop.views import clock_of, lanes_of, log_of, projections_of, queue_of
from neurodev.jit import kernel, rule, view_u4
from neurodev.neurons import heap

FEW = 24  # so many arrivals are ordered by insertion alone


@rule
def bucket_of(t: float, start: float, scale: float, buckets: Int) -> Int:
    """Bucket of an event at `t`: no later event has an earlier one."""
    return min(max(np.int64((t - start) * scale), np.int64(0)), np.int64(buckets) - np.int64(1))


@kernel
def gather(s: int, start: float, end: float) -> int:
    """Collect the arrivals before `end` of all lanes in order of time; static rows without synapses are skipped."""
    n, log, lanes, queue = clock_of(s).n, log_of(s), lanes_of(s), queue_of(s)
    total = 0
    for lane in range(lanes.delay.shape[0]):
        p, d = lanes.population[lane], lanes.delay[lane]
        k, m = lanes.cursor[lane], log.count[p]
        while k < m and log.time[p, k] + d < end:
            k += 1
        total += k - lanes.cursor[lane]
    buckets = min(total, queue.time.shape[0]) if total > FEW else 1
    scale = buckets / (end - start)
    first = queue.bucket
    for b in range(buckets + 1):
        first[b] = 0
    sweep(s, start, end, scale, buckets, False)
    for b in range(buckets):
        first[b + 1] += first[b]
    if first[buckets] > queue.time.shape[0]:
        n[N_NEED] = first[buckets]
        return AGENDA_FULL
    n[N_AGENDA] = first[buckets]
    n[N_AGENDA_AT] = 0
    sweep(s, start, end, scale, buckets, True)
    insert_in_order(s)
    return DONE


@rule
def sweep(s: int, start: float, end: float, scale: float, buckets: Int, place: bool) -> None:
    """Count the arrivals of each bucket or, the second time, place them; the cursors then move on."""
    log, lanes, projections, queue = log_of(s), lanes_of(s), projections_of(s), queue_of(s)
    first = queue.bucket
    for lane in range(lanes.delay.shape[0]):
        p, d = lanes.population[lane], lanes.delay[lane]
        q = lanes.projection[lane]
        length = view_u4(projections.row_length[q], projections.n_row[q])
        seen = projections.hook_first[q + 1] > projections.hook_first[q] or projections.release[q] != 0
        base = lanes.lane[lane] * projections.n_source[q]
        k, m = lanes.cursor[lane], log.count[p]
        while k < m and log.time[p, k] + d < end:
            row = base + np.int64(log.index[p, k])
            if length[row] > 0 or seen:  # traces see every arrival, also while the row is empty
                t = log.time[p, k] + d
                b = bucket_of(t, start, scale, buckets)
                if place:
                    at = np.int64(first[b])
                    first[b] = np.uint32(at + 1)
                    queue.time[at] = t
                    queue.row[at] = np.uint32(row)
                    queue.lane[at] = np.uint16(lane)
                else:
                    first[b + 1] += np.uint32(1)
            k += 1
        if place:
            lanes.cursor[lane] = k


@rule
def insert_in_order(s: int) -> None:
    """Order what shares a bucket by one stable insertion pass."""
    queue = queue_of(s)
    for k in range(1, clock_of(s).n[N_AGENDA]):
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
def gather_releases(s: int, end: float) -> None:
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


@rule
def push_crossing(s: int, t: float, j: Int, u: float) -> None:
    """Note a predicted crossing of neuron `j`; the caller sees to its room."""
    queue = queue_of(s)
    heap.push(
        clock_of(s).n[N_CROSSING : N_CROSSING + 2], queue.crossing_time, queue.crossing_index, queue.crossing_u, t, j, u
    )  # fmt: skip


@rule
def pop_crossing(s: int) -> None:
    """Remove the earliest predicted crossing."""
    queue = queue_of(s)
    heap.pop(
        clock_of(s).n[N_CROSSING : N_CROSSING + 2], queue.crossing_time, queue.crossing_index, queue.crossing_u
    )  # fmt: skip


@rule
def sort_numbers(x: U4, n: Int) -> None:
    """Put the first `n` numbers in ascending order (Shell's sort)."""
    gap = np.int64(1)
    while 3 * gap + 1 < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, n):
            y = x[k]
            i: Int = k
            while i >= gap and x[i - gap] > y:
                x[i] = x[i - gap]
                i -= gap
            x[i] = y
        gap //= 3
