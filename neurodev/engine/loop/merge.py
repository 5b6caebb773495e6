"""The end of a window: the spikes of all parts, in order of (time, population, neuron), become the log that all read.

Here, and only here, parts meet: what one part does within a window another learns when it is over.  The order depends
on times and neurons alone, not on the number of parts, nor on who ran them.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I8, Int
from neurodev.engine.loop.state import (
    DONE,
    LOG_FULL,
    N_DRIVE,
    N_DRIVE_AT,
    N_FRESH,
    N_FRESH_AT,
    N_NEED,
    N_RECORD,
    N_SPIKES,
    RECORD_FULL,
)
from neurodev.engine.loop.views import clock_of, drives_of, fresh_of, lanes_of, log_of, neurons_of, record_of
from neurodev.jit import kernel, rule


@rule
def precedes(t: float, p: Int, i: Int, u: float, q: Int, k: Int) -> bool:
    """Whether the spike of neuron `i` of population `p` at `t` comes before that of `k` of `q` at `u`."""
    return t < u or (t == u and (p < q or (p == q and i < k)))  # type: ignore[return-value]


@kernel
def put_in_order(s: int) -> None:
    """Sort the spikes of a part, which are nearly in order."""
    x = fresh_of(s)
    for k in range(1, clock_of(s).n[N_FRESH]):
        t, p, i = x.time[k], x.population[k], x.index[k]
        j = k
        while j > 0 and precedes(t, p, i, x.time[j - 1], x.population[j - 1], x.index[j - 1]):
            x.time[j], x.population[j], x.index[j] = x.time[j - 1], x.population[j - 1], x.index[j - 1]
            j -= 1
        x.time[j], x.population[j], x.index[j] = t, p, i


@kernel
def merge(parts: I8, until: float) -> int:
    """Tell the spikes of all parts, and those of drives before `until`; a status, and nothing done if not DONE."""
    hub = parts[0]
    n, drives, log, r = clock_of(hub).n, drives_of(hub), log_of(hub), record_of(hub)
    last = n[N_DRIVE_AT]
    while last < n[N_DRIVE] and drives.time[last] < until:
        last += 1
    total = last - n[N_DRIVE_AT]
    for k in range(parts.shape[0]):
        total += clock_of(parts[k]).n[N_FRESH]
    if total == 0:
        return DONE
    if tight(log.count, log.time.shape[1], total):
        compact_log(parts)
        if tight(log.count, log.time.shape[1], total):
            n[N_NEED] = total
            return LOG_FULL
    if r.time.shape[0] - n[N_RECORD] < total:
        n[N_NEED] = total
        return RECORD_FULL
    for k in range(parts.shape[0]):
        put_in_order(parts[k])
        clock_of(parts[k]).n[N_FRESH_AT] = 0
    silenced = neurons_of(hub).silenced
    while True:
        best, t, p, i = np.int64(-1), np.inf, np.int64(0), np.int64(0)
        for k in range(parts.shape[0]):
            at = clock_of(parts[k]).n[N_FRESH_AT]
            if at < clock_of(parts[k]).n[N_FRESH]:
                x = fresh_of(parts[k])
                q, j = np.int64(x.population[at]), np.int64(x.index[at])
                if best < 0 or precedes(x.time[at], q, j, t, p, i):
                    best, t, p, i = np.int64(k), x.time[at], q, j
        at = n[N_DRIVE_AT]
        if at < last:
            q, j = np.int64(drives.population[at]), np.int64(drives.index[at])
            if best < 0 or precedes(drives.time[at], q, j, t, p, i):
                n[N_DRIVE_AT] = at + 1
                if silenced[q] == 0:
                    tell(hub, q, j, drives.time[at])
                continue
        if best < 0:
            break
        clock_of(parts[best]).n[N_FRESH_AT] += 1
        tell(hub, p, i, t)
    for k in range(parts.shape[0]):
        clock_of(parts[k]).n[N_FRESH] = 0
    return DONE


@rule
def tight(count: I8, room: Int, more: Int) -> bool:
    """Whether some log has no room for so many further spikes."""
    for p in range(count.shape[0]):
        if room - count[p] < more:
            return True
    return False


@rule
def tell(hub: int, p: Int, local: Int, t: float) -> None:
    """A cell of population `p` spiked at `t`: into its log, the counts and the record."""
    log, r, n = log_of(hub), record_of(hub), clock_of(hub).n
    k = log.count[p]
    log.time[p, k] = t
    log.index[p, k] = np.uint32(local)
    log.count[p] = k + 1
    r.count[r.first[p] + local] += 1
    n[N_SPIKES] += 1
    if r.wanted[p] == 1:
        i = n[N_RECORD]
        r.time[i] = t
        r.population[i] = np.uint32(p)
        r.index[i] = np.uint32(local)
        n[N_RECORD] = i + 1


@kernel
def compact_log(parts: I8) -> None:
    """Forget the spikes that every lane of every part has delivered."""
    log = log_of(parts[0])
    for p in range(log.count.shape[0]):
        first = log.count[p]
        for s in parts:
            lanes = lanes_of(s)
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
        for s in parts:
            lanes = lanes_of(s)
            for lane in range(lanes.delay.shape[0]):
                if lanes.population[lane] == p:
                    lanes.cursor[lane] -= first
