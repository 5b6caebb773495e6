"""No weight and no number of contacts makes the loop write beyond its arrays."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.loop.state import N_RELEASE
from neurodev.engine.simulator import Simulator


def beside(contacts, together, cell):
    """One spike over many contacts of one pair; the cell has a hundred neighbours that get nothing."""
    net = nd.Network(seed=1, together=together)
    source = net.add(nd.SpikeList([1.0, 2.0, 3.0], [0, 0, 0]), 1, name="source")
    net.add(nd.LIF(), 100, name="idle")
    cell = net.add(cell, 1, name="cell")
    q = net.connect(source, cell, nd.Pairs([0] * contacts, [0] * contacts), weight=3.0, delay=1.0, multapses=True)
    return Simulator(net, tick=1e4), q


@pytest.mark.parametrize("tau", [20.0, 30.0])  # of one class with its neighbours, and of two
@pytest.mark.parametrize("contacts", [2, 150, 70_000])
def test_a_cell_without_refractoriness_fires_at_each_contact(contacts, tau):
    """Also where these are more than there are cells, spikes of a window, or places in the record."""
    sim, _ = beside(contacts, False, nd.LIF(tau=tau, threshold=1.0, refractory=0.0))
    spikes = []
    sim.engine.record_trains(2, True)
    sim.engine.sink = lambda epoch, t, p, i: spikes.extend((epoch + t).tolist())
    sim.run_until_spike(10.0)
    assert spikes == [2.0] * contacts + [3.0] * contacts + [4.0] * contacts
    assert sim.take_counts()["cell"].tolist() == [3 * contacts]


def test_summed_contacts_fire_once():
    """Of simultaneous arrivals that are summed one spike comes, however many they are."""
    sim, _ = beside(150, True, nd.LIF(threshold=1.0, refractory=0.0))
    sim.run_until_spike(10.0)
    assert sim.take_counts()["cell"].tolist() == [3]


def test_contacts_that_are_added_have_room_too():
    """The same where an intervention makes the row long."""
    sim, q = beside(1, False, nd.LIF(threshold=1.0, refractory=0.0))
    sim.run_until_spike(1.5)
    nd.AddSynapses(q, [0] * 5000, [0] * 5000, weight=3.0).apply(sim)
    sim.run_until_spike(10.0)
    assert sim.take_counts()["cell"].tolist() == [1 + 2 * 5001]


@pytest.mark.parametrize("weight", [1e12, 1e28, 1e200, np.inf])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("classes", [1, 2])
def test_a_weight_of_any_size_frees_nobody(weight, together, classes):
    """A refractory cell swallows whatever a mechanism makes of a weight: 11 spikes in 100 ms, one pending release."""
    net = nd.Network(seed=1, together=together)
    times = np.arange(1.0, 100.0)
    source = net.add(nd.SpikeList(times, np.zeros(times.size, dtype=int)), 1)
    threshold = 20.0 if classes == 1 else np.array([20.0, 21.0])
    cells = net.add(nd.LIF(threshold=threshold, refractory=9.5), 2, name="cells")
    net.connect(source, cells, nd.AllToAll(), weight=30.0, delay=0.5, name="q")
    sim = Simulator(net, tick=1e4)
    sim.tables["q"].own_weights()
    sim.engine.refresh_addresses()
    sim.tables["q"].weight[:] = weight  # as a mechanism may leave it
    sim.run_until_spike(99.0)
    assert sim.take_counts()["cells"].tolist() == [10, 10]
    assert sim.engine.state.clock.n[N_RELEASE] <= 2
