"""The queue of the event loop against sorted lists (ALG-1), and what an arrival costs in memory (ALG-4)."""

import bisect

import numpy as np

import neurodev as nd
from neurodev.engine.engine import Engine
from neurodev.engine.queue import pop_crossing, push_crossing
from neurodev.engine.state import N_CROSSING
from neurodev.engine.views import clock_of, queue_of
from neurodev.jit import address, kernel


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
    done = drive_heap(address(engine._table), is_push, time, index, room, out_time, out_index)
    expected, held = [], []
    for push, t, j in zip(is_push.tolist(), time.tolist(), index.tolist(), strict=True):
        if push:
            if len(held) < room:
                bisect.insort(held, (t, j))
        elif held:
            expected.append(held.pop(0))
    assert done == len(expected)
    assert list(zip(out_time[:done].tolist(), out_index[:done].tolist(), strict=True)) == expected


def test_the_log_holds_a_spike_once_however_many_synapses_it_has():
    """ALG-4: pending memory does not depend on the fan-out: 12 bytes a spike in the log, 14 an arrival of a window."""
    held = []
    for fan in (10, 100):
        net = nd.Network(seed=1)
        a = net.add(nd.Poisson(20.0), 100, name="a")
        b = net.add(nd.LIF(), 200, name="b")
        net.connect(a, b, nd.Degree(fan), weight=0.1, delay=nd.Uniform(1.0, 5.0))
        engine = Engine(net)
        engine.run_until(200.0)
        s = engine.state
        held.append((s.log.time.nbytes + s.log.index.nbytes, s.queue.time.size))
        assert s.log.time.itemsize + s.log.index.itemsize <= 24
        assert s.queue.time.itemsize + s.queue.row.itemsize + s.queue.lane.itemsize <= 24
    assert held[0] == held[1]
