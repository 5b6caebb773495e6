"""The queue of the event loop: a sorted agenda for each window, releases, and predicted crossings.

A window is no longer than the shortest delay and the shortest refractory period, so every arrival and every
release in it is already known when it opens.  Arrivals are counted by buckets of time, placed there, and put
in order by one insertion pass: no heap, look-ahead for prefetching, 18 bytes an arrival with its bucket.
Order at equal times is (lane table, source); the lane table begins with what is inhibitory (`lanes.make_lanes`).

Where a projection has far more delays than a source has synapses, the lanes of each source are listed: a wheel that
turns with each spike, in which the arrivals of a window follow each other (`sweep_far`).
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I8, U2, U4, Int
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
from neurodev.jit import kernel, rule, view_i8, view_u2, view_u4
from neurodev.neurons import heap

FEW = 24  # so many arrivals are ordered by insertion alone
ESTIMATE, COUNT, PLACE = range(3)  # what is done with arrivals by projections of many delays


@rule
def bucket_of(t: float, start: float, scale: float, buckets: Int) -> Int:
    """Bucket of an event at `t`: no later event has an earlier one."""
    return min(max(np.int64((t - start) * scale), np.int64(0)), np.int64(buckets) - np.int64(1))


@kernel
def gather(s: int, start: float, end: float) -> int:
    """Collect the arrivals before `end` of all lanes in order of time; static rows without synapses are skipped."""
    n, log, lanes, queue = clock_of(s).n, log_of(s), lanes_of(s), queue_of(s)
    total, lane = np.int64(0), np.int64(0)
    while lane < lanes.delay.shape[0]:
        g = lanes.far[lane] - 1
        if g >= 0 and lanes.far_lane[g] != 0:
            total += sweep_far(s, lane, start, end, 0.0, np.int64(0), ESTIMATE)
            lane += lanes.far_size[g]
            continue
        p, d = lanes.population[lane], lanes.delay[lane]
        k, m = lanes.cursor[lane], log.count[p]
        while k < m and log.time[p, k] + d < end:
            k += 1
        total += k - lanes.cursor[lane]
        lane += 1
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
    lane = np.int64(0)
    while lane < lanes.delay.shape[0]:
        g = lanes.far[lane] - 1
        if g >= 0 and lanes.far_lane[g] != 0:
            sweep_far(s, lane, start, end, scale, buckets, PLACE if place else COUNT)
            lane += lanes.far_size[g]
            continue
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
        lane += 1


@kernel
def sweep_far(s: int, base: Int, start: float, end: float, scale: float, buckets: Int, what: Int) -> Int:
    """Arrivals by the lanes of one projection, which begin at `base`: their number, counted by buckets, or placed.

    Of each spike that is on its way only the lanes are looked at in which its source has synapses, and of these those
    whose delay ends in the window: they follow each other.
    """
    log, lanes, projections, queue = log_of(s), lanes_of(s), projections_of(s), queue_of(s)
    g, q, p = lanes.far[base] - 1, lanes.projection[base], lanes.population[base]
    n, n_source = lanes.far_size[g], projections.n_source[q]
    begin = view_i8(lanes.far_first[g], n_source + 1)
    mine = view_u2(lanes.far_lane[g], begin[n_source])
    first, total, m = queue.bucket, np.int64(0), log.count[p]
    for k in range(lanes.cursor[base + n - 1], m):
        t0, source = log.time[p, k], np.int64(log.index[p, k])
        if t0 + lanes.delay[base] >= end:
            break
        low = undelivered(lanes.cursor, mine, base, begin[source], begin[source + 1], k)
        for e in range(low, begin[source + 1]):
            lane = base + np.int64(mine[e])
            t = t0 + lanes.delay[lane]
            if t >= end:
                break
            total += 1
            if what == ESTIMATE:
                continue
            b = bucket_of(t, start, scale, buckets)
            if what == PLACE:
                at = np.int64(first[b])
                first[b] = np.uint32(at + 1)
                queue.time[at] = t
                queue.row[at] = np.uint32(lanes.lane[lane] * n_source + source)
                queue.lane[at] = np.uint16(lane)
            else:
                first[b + 1] += np.uint32(1)
    if what == PLACE:  # the longer a delay, the fewer spikes have arrived
        k = m
        for lane in range(base, base + n):
            while k > 0 and log.time[p, k - 1] + lanes.delay[lane] >= end:
                k -= 1
            lanes.cursor[lane] = max(k, lanes.cursor[lane])
    return total


@rule
def undelivered(cursor: I8, mine: U2, base: Int, low: Int, high: Int, k: Int) -> Int:
    """The first of a source's lanes ``mine[low:high]`` by which its spike number `k` has not arrived yet."""
    while low < high:
        middle = (low + high) >> 1
        if cursor[base + np.int64(mine[middle])] <= k:
            high = middle
        else:
            low = middle + 1
    return low


@rule
def comes_after(t: float, lane: Int, row: Int, u: float, other: Int, other_row: Int) -> bool:
    """Whether an arrival comes after another one: by time, then by the table of lanes, then by source."""
    if t != u:
        return t > u
    return lane > other or (lane == other and row > other_row)  # type: ignore[return-value]


@rule
def insert_in_order(s: int) -> None:
    """Order what shares a bucket by one insertion pass."""
    queue = queue_of(s)
    for k in range(1, clock_of(s).n[N_AGENDA]):
        t, row, lane = queue.time[k], queue.row[k], queue.lane[k]
        i = k
        while i > 0 and comes_after(queue.time[i - 1], queue.lane[i - 1], queue.row[i - 1], t, lane, row):
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
