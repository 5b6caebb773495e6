"""How far a rank may go without a word of the others: over windows in which no spike of theirs can arrive.

All ranks know all spikes up to the last message, and those of drives beyond it.  Where no neuron fires by itself, none
fires before the next arrival anywhere; and a spike that nobody was told of yet arrives after the shortest delay of a
population of neurons.
"""

from __future__ import annotations

from neurodev.arrays import F8, I8
from neurodev.engine.loop.loop import begin_window, run_parts
from neurodev.engine.loop.state import DONE, N_DRIVE, N_DRIVE_AT, T_NOW
from neurodev.engine.loop.views import clock_of, drives_of, lanes_of, log_of
from neurodev.jit import kernel


@kernel
def run_windows(parts: I8, last: int, stop: float) -> int:
    """Run all parts up to window `last`, or to `stop`, and tell nobody; a status, after which it can go on."""
    while True:
        window = begin_window(parts)
        if window >= last:
            return DONE
        status = run_parts(parts, 0, parts.shape[0], window, stop)
        if status != DONE or clock_of(parts[0]).time[T_NOW] >= stop:
            return status


@kernel
def next_arrival(hub: int, shortest: F8, stop: float) -> float:
    """When the next spike arrives anywhere, or `stop`; no window is open.

    `shortest` (n_population,) are the shortest delays of each population.  Rows are not looked at: on each rank they
    may be others.
    """
    log, lanes, drives, n = log_of(hub), lanes_of(hub), drives_of(hub), clock_of(hub).n
    first, least = stop, shortest.min()
    for lane in range(lanes.delay.shape[0]):
        k, p = lanes.cursor[lane], lanes.population[lane]
        if k < log.count[p]:
            first = min(first, log.time[p, k] + lanes.delay[lane])
    for k in range(n[N_DRIVE_AT], n[N_DRIVE]):
        if drives.time[k] + least >= first:
            break
        first = min(first, drives.time[k] + shortest[drives.population[k]])
    return first
