"""The queue of the event loop against sorted lists (ALG-1), and what an arrival costs in memory (ALG-4)."""

import bisect

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import lanes
from neurodev.engine.engine import Engine
from neurodev.engine.loop.queue import gather, pop_crossing, push_crossing
from neurodev.engine.loop.state import FIELDS, N_AGENDA, N_CROSSING
from neurodev.engine.loop.views import clock_of, queue_of
from neurodev.errors import BuildError, Status
from neurodev.jit import kernel


@kernel
def drive_heap(s, is_push, time, index, room, out_time, out_index):
    """Push or pop as told; a pop of nothing, or a push without room, does nothing.  Returns the number of pops."""
    n, queue = clock_of(s).n, queue_of(s)
    done = 0
    for k in range(is_push.shape[0]):
        if is_push[k]:
            if n[N_CROSSING] < room:
                push_crossing(s, time[k], index[k], 0.0)
        elif n[N_CROSSING] > 0:
            out_time[done], out_index[done] = queue.crossing_time[0], queue.crossing_index[0]
            pop_crossing(s)
            done += 1
    return done


@pytest.mark.compiled
def test_predicted_crossings_leave_in_order():
    """ALG-1: 1e6 random pushes and pops, many of equal time: the order of a sorted list of (time, neuron)."""
    net = nd.Network(seed=1)
    net.add(nd.LIF(threshold=20.0, rest=25.0, initial=0.0), 200, name="cell")
    engine = Engine(net)
    draw = np.random.default_rng(1)
    n, room = 1_000_000, engine.state.queue.crossing_time.size
    is_push = draw.random(n) < 0.52
    time, index = draw.integers(0, 50, n).astype(float), draw.integers(0, 200, n)
    out_time, out_index = np.empty(n), np.empty(n, dtype=np.int64)
    engine.state.clock.n[N_CROSSING] = 0
    done = drive_heap(int(engine.parts.addresses[0]), is_push, time, index, room, out_time, out_index)
    expected, held = [], []
    for push, t, j in zip(is_push.tolist(), time.tolist(), index.tolist(), strict=True):
        if push:
            if len(held) < room:
                bisect.insort(held, (t, j))
        elif held:
            expected.append(held.pop(0))
    assert done == len(expected)
    assert list(zip(out_time[:done].tolist(), out_index[:done].tolist(), strict=True)) == expected


def agenda_bytes(queue):
    """All memory of the agenda."""
    return queue.time.nbytes + queue.row.nbytes + queue.lane.nbytes + queue.bucket.nbytes


def crowded(seed):
    """An engine with 82 lanes, most of their rows empty, and 1400 planted spikes in each log, a fifth of them ties."""
    net = nd.Network(seed=seed)
    a, b = net.add(nd.Poisson(20.0), 100, name="a"), net.add(nd.LIF(), 100, name="b", inhibitory=True)
    c = net.add(nd.LIF(), 200, name="c")
    for p in (a, b):
        net.connect(p, c, nd.Degree(10), weight=0.1, delay=nd.Uniform(1.0, 5.0))
    engine = Engine(net)
    draw = np.random.default_rng(seed)
    log = engine.state.log
    for p in (a, b):
        times = np.round(draw.uniform(0.0, 3.0, 1400), 2)
        times[::5] += draw.uniform(0.0, 1e-3, 280)
        log.time[p.index, :1400] = np.sort(times)
        log.index[p.index, :1400] = draw.integers(0, 100, 1400)
        log.count[p.index] = 1400
    return engine


def test_an_agenda_holds_the_arrivals_of_its_window_in_order_and_in_24_bytes():
    """ALG-1, ALG-4: time, lane table, source; and never more than 24 bytes an arrival of the fullest window."""
    engine = crowded(3)
    log, lanes = engine.state.log, engine.state.lanes
    rows, times, who = [], [], []
    for lane in range(lanes.delay.size):
        p, table = lanes.population[lane], engine.tables[lanes.projection[lane]]
        row = lanes.lane[lane] * table.n_source + log.index[p, : log.count[p]].astype(np.int64)
        wanted = table.row_length[row] > 0
        rows.append(row[wanted])
        times.append(log.time[p, : log.count[p]][wanted] + lanes.delay[lane])
        who.append(np.full(rows[-1].size, lane))
    rows, times, who = (np.concatenate(x) for x in (rows, times, who))
    order = np.lexsort((rows, who, times))
    rows, times, who = rows[order], times[order], who[order]
    constant, most, done, grown = agenda_bytes(engine.state.queue), 0, 0, 0
    for window in range(9):
        start, end = float(window), float(window + 1)
        while gather(int(engine.parts.addresses[0]), start, end) == Status.AGENDA_FULL:
            engine._grow(0, Status.AGENDA_FULL)
            grown += 1
        queue, n = engine.state.queue, int(engine.state.clock.n[N_AGENDA])
        np.testing.assert_array_equal(queue.time[:n], times[done : done + n])
        np.testing.assert_array_equal(queue.row[:n], rows[done : done + n])
        np.testing.assert_array_equal(queue.lane[:n], who[done : done + n])
        done, most = done + n, max(most, n)
        assert agenda_bytes(queue) <= 24 * most + constant
    assert done == times.size
    assert (np.diff(times) == 0).mean() > 0.2
    assert grown > 0


@pytest.mark.compiled
def test_the_log_holds_a_spike_once_however_many_synapses_it_has():
    """ALG-4: pending memory does not depend on the fan-out: 12 bytes a spike in the log, 18 an arrival of a window."""
    held = []
    for fan in (10, 100):
        net = nd.Network(seed=1)
        a = net.add(nd.Poisson(20.0), 100, name="a")
        b = net.add(nd.LIF(), 200, name="b")
        net.connect(a, b, nd.Degree(fan), weight=0.1, delay=nd.Uniform(1.0, 5.0))
        engine = Engine(net)
        engine.run_until(200.0)
        s = engine.state
        held.append((s.log.time.nbytes + s.log.index.nbytes, agenda_bytes(s.queue)))
        assert s.log.time.itemsize + s.log.index.itemsize <= 24
        assert agenda_bytes(s.queue) <= 24 * s.queue.time.size
    assert held[0] == held[1]


def test_more_lanes_than_the_agenda_can_number_are_refused(monkeypatch):
    """The agenda keeps the number of a lane in 16 bits: a network with more would deliver by the wrong projection."""
    assert next(f for f in FIELDS if (f.group, f.field) == ("queue", "lane")).type is np.uint16
    assert np.iinfo(np.uint16).max == lanes.MOST_LANES
    monkeypatch.setattr(lanes, "MOST_LANES", 7)
    net = nd.Network()
    a, b = net.add(nd.Poisson(1.0), 2), net.add(nd.LIF(), 2)
    net.connect(a, b, nd.AllToAll(), weight=1.0, delay=nd.Uniform(1, 4, step=1.0))
    Engine(net)
    net.connect(a, b, nd.AllToAll(), weight=1.0, delay=nd.Uniform(1, 4, step=1.0), name="more")
    with pytest.raises(BuildError, match="8 delays together; at most 7"):
        Engine(net)


def test_a_projection_that_begins_without_synapses_takes_newborns():
    """Also with empty lists of weights and delays."""
    net = nd.Network()
    a, b = net.add(nd.SpikeList([5.0], [0]), 1), net.add(nd.LIF(threshold=1e9), 1)
    q = net.connect(a, b, nd.Pairs([], []), weight=1.0, delay=[])
    sim = nd.Simulator(net)
    nd.AddSynapses(q, [0], [0], weight=2.0).apply(sim)
    sim.run_until_spike(6.0 + 1e-6)
    assert sim.engine.potential("exc")[0] == pytest.approx(2.0, rel=1e-6)
