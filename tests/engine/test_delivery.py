"""Delivery by cursors over one spike log against one event for every synapse (ALG-3)."""

import heapq
import math

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.engine import Engine
from neurodev.engine.simulator import Simulator

TAU, THRESHOLD, REFRACTORY = 20.0, 10.0, 2.0
RELEASE, ARRIVAL, DRIVE = range(3)


def network(seed):
    """150 cells with all delays from 1 to 5 ms, driven on a grid of 0.1 ms so that arrivals often coincide."""
    draw = np.random.default_rng(seed)
    net = nd.Network(seed=seed)
    times, cells = np.round(draw.uniform(0.0, 300.0, 2400), 1), draw.integers(0, 40, 2400)
    order = np.lexsort((cells, times))  # of spikes of a drive at one time, the cell with the lower number comes first
    drive = net.add(nd.SpikeList(times[order], cells[order]), 40, name="drive")
    cell = nd.LIF(tau=TAU, threshold=THRESHOLD, reset=0.0, refractory=REFRACTORY, initial=0.0)
    e, i = net.add(cell, 80, name="e"), net.add(cell, 30, name="i", inhibitory=True)
    delay = nd.Uniform(1.0, 5.0)
    for p in (e, i):
        net.connect(drive, p, nd.Degree(8), weight=1.7, delay=delay, multapses=True)
        net.connect(e, p, nd.Degree(12), weight=0.9, delay=delay, multapses=True)
        net.connect(i, p, nd.Degree(6), weight=0.7, delay=delay, multapses=True)
    return net


def one_event_per_synapse(engine, drive_times, drive_cells, duration):
    """Spikes (time, population, cell) in order, and the events delivered: a heap with an entry for every synapse."""
    heap, spikes, events = [], [], 0
    first, lanes = engine.state.neurons.first, engine.state.lanes
    v = [0.0] * engine.state.neurons.u.size
    seen, free = [0.0] * len(v), [0.0] * len(v)

    def emit(t, p, cell):
        spikes.append((t, p, cell))
        for lane in np.flatnonzero(lanes.population == p).tolist():
            q = int(lanes.projection[lane])
            table, sign = engine.tables[q], -1.0 if engine.projections[q].source.inhibitory else 1.0
            row = int(lanes.lane[lane]) * table.n_source + cell
            begin = int(table.row_start[row])
            target = engine.projections[q].target.index
            for slot in range(begin, begin + int(table.row_length[row])):
                payload = (target, int(table.post[slot]), sign * abs(float(table.weight[slot])))
                heapq.heappush(heap, (t + float(lanes.delay[lane]), ARRIVAL, lane, cell, slot, payload))

    for k, (t, cell) in enumerate(zip(drive_times, drive_cells, strict=True)):
        heapq.heappush(heap, (float(t), DRIVE, 0, k, 0, int(cell)))
    while heap and heap[0][0] < duration:
        t, kind, _, _, _, payload = heapq.heappop(heap)
        if kind == DRIVE:
            emit(t, 0, payload)
            continue
        p, cell, weight = payload
        events += 1
        j = int(first[p]) + cell
        if t < free[j]:
            continue  # refractory: lost
        v[j] = v[j] * math.exp(-(t - max(seen[j], free[j])) / TAU) + weight
        seen[j] = t
        if v[j] >= THRESHOLD:
            v[j], free[j] = 0.0, t + REFRACTORY
            emit(t, p, cell)
    return sorted(spikes), events


@pytest.mark.compiled
def test_cursors_deliver_what_one_event_per_synapse_does():
    """ALG-3: the same spikes at the same times, bit for bit, in the same order."""
    net, got = network(5), []
    engine = Engine(net, sink=lambda epoch, t, p, k: got.append((epoch + t, p, k)))
    for p in engine.populations:
        engine.record_trains(p.index, True)
    drive = engine.populations[0].model
    engine.run_until(300.0)
    times, population, cell = (np.concatenate([x[c] for x in got]).tolist() for c in range(3))
    spikes, events = one_event_per_synapse(engine, drive.times, drive.indices, 300.0)
    assert engine.events == events > 50_000
    assert sum(p > 0 for p in population) > 500
    assert list(zip(times, population, cell, strict=True)) == spikes


@pytest.mark.parametrize("stop", [10.2, 12.9, 13.1, 13.3])
def test_silence_that_ends_within_refractoriness_does_not_end_that(stop):
    """Silenced at `stop` for no time, a cell that fired at 10 comes free at 13.25 as if nothing had been, or then."""
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList([9.0, 12.2, 13.5], [0, 0, 0]), 1, name="s")
    e = net.add(nd.LIF(threshold=20.0, refractory=3.25, reset=5.0), 1, name="e")
    net.connect(s, e, nd.AllToAll(), weight=25.0, delay=1.0)
    sims = [Simulator(net), Simulator(net)]
    for k, sim in enumerate(sims):
        sim.run_until_spike(stop)
        if k:
            sim.engine.silence(e.index, True)
            sim.engine.silence(e.index, False)
        sim.run_until_spike(13.4)
    plain, silenced = (float(sim.engine.potential("e")[0]) for sim in sims)
    assert [sim.engine.take_counts()[1].tolist() for sim in sims] == [[1], [1]]  # what arrives at 13.2 is lost
    free = 13.25 if stop < 13.25 else stop  # silence ends at the reset potential
    assert plain == pytest.approx(5.0 * np.exp(-0.15 / 20.0), rel=1e-12)
    assert silenced == pytest.approx(5.0 * np.exp(-(13.4 - free) / 20.0), rel=1e-12)
