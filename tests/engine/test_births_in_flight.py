"""A synapse born after the emission does not carry the spike: any number of births within a delay."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.structure.verify import verify
from tests.naive.simulator import NaiveSimulator

N_SOURCE, N_TARGET = 6, 9
CELLS = {
    "uniform": nd.LIF(threshold=1e9),
    "mixed": nd.LIF(tau=np.linspace(10.0, 30.0, N_TARGET), threshold=1e9),
    "currents": nd.LIF(threshold=1e9, tau_excitatory=2.0, tau_inhibitory=5.0, capacitance=100.0),
}


def network(cell, delay, times, index, together=False):
    net = nd.Network(seed=3, together=together)
    a = net.add(nd.SpikeList(times, index), N_SOURCE, name="a")
    b = net.add(cell, N_TARGET, name="b")
    return net, net.connect(a, b, nd.Pairs([0], [0]), weight=1.5, delay=delay, multapses=True)


def play(cell, delay, births, times, index, end, together=False):
    """Potentials of ours and of the naive twin after the same births at the same instants."""
    net, q = network(cell, delay, times, index, together)
    sim = Simulator(net, tick=1e9)
    naive = NaiveSimulator(sim)
    naive.load_inputs(end)
    for t, source, target, weight in births:
        sim.run_until_spike(t)
        naive.process(t)
        nd.AddSynapses(q, [source], [target], weight=weight).apply(sim)
        naive.born_at(q, source, target, weight, t)
    sim.run_until_spike(end)
    naive.process(end)
    for c in naive.cells["b"]:
        c.decay(end)
    verify(sim.tables[q.name])
    return sim, sim.engine.potential("b"), np.array([c.v for c in naive.cells["b"]])


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("delay", [0.1, 1.3, 17.7])
def test_births_one_after_the_other(kind, delay):
    """150 births, many within one delay, several at one instant, spikes before, between, after and at them."""
    draw = np.random.default_rng(int(10 * delay))
    at = np.sort(np.round(draw.uniform(1.0, 30.0, 150), 1))
    births = [(t, *draw.integers(0, (N_SOURCE, N_TARGET)).tolist(), float(draw.uniform(0.5, 2.0))) for t in at]
    times = np.sort(np.concatenate([draw.uniform(0.0, 40.0, 60), draw.choice(at, 60)]))
    index = draw.integers(0, N_SOURCE, times.size)
    sim, ours, theirs = play(CELLS[kind], delay, births, times, index, 60.0)
    assert sim.tables["a_b"].n_synapse == 151
    if delay > 17:
        assert sim.engine.state.projections.birth_time.shape[1] > 32
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("together", [False, True])
def test_a_spike_at_the_instant_of_a_birth_is_carried(together):
    """Whatever ``(t + delay) - delay`` rounds to; one emitted a hair before is not."""
    for delay in (0.1, 0.3, 1.1, 2.3, 3.7, 16.9):
        for t in np.round(np.arange(1.0, 9.0, 0.7), 1):
            before = float(np.nextafter(t, 0.0) - 1e-9)
            times, index = np.array([before, t]), np.array([1, 2])
            births = [(float(t), 1, 1, 1.0), (float(t), 2, 2, 1.0)]
            _, ours, _ = play(CELLS["uniform"], delay, births, times, index, t + delay + 1e-6, together)
            assert ours[1] == 0.0 and ours[2] == pytest.approx(1.0, rel=1e-6), (delay, t)


def test_births_are_forgotten_when_no_spike_can_meet_them():
    """The list is as long as the births within the longest delay, however many there were."""
    net, q = network(CELLS["uniform"], 2.0, np.array([1.0]), np.array([0]))
    sim = Simulator(net, tick=1e9)
    for k in range(300):
        sim.run_until_spike(0.5 * k)
        nd.AddSynapses(q, [k % N_SOURCE], [k % N_TARGET], weight=1.0).apply(sim)
    p = sim.engine.state.projections
    assert p.birth_count[0] <= 5 and p.birth_time.shape[1] < 32 and sim.tables[q.name].n_synapse == 301
