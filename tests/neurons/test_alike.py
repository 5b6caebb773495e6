"""What holds of every neuron model of ours: cuts, looks and epochs change nothing, silence and births are met."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from tests.neurons.independent import trains

BOTH = dict(tau_excitatory=3.0, tau_inhibitory=5.0)
# model, weight of one input that matters, half of which is a background's
MODELS = {
    "GLIF": (nd.GLIF(drive=10.0, **BOTH), 150.0),
    "GLIF, jumps": (nd.GLIF(drive=10.0), 2.0),
    "AlphaLIF": (nd.AlphaLIF(drive=5.0), 150.0),
    "ConductanceLIF": (nd.ConductanceLIF(), 6.0),
    "TreeLIF": (nd.TreeLIF(drive=160.0, background=1), 300.0),
    "TreeLIF, currents": (nd.TreeLIF(drive=160.0, background=1, **BOTH), 90.0),
    "AdaptiveExponential": (nd.AdaptiveExponential(drive=300.0, **BOTH), 300.0),
    "Izhikevich": (nd.Izhikevich(drive=3.0), 3.0),
    "HodgkinHuxley": (nd.HodgkinHuxley(drive=40.0, **BOTH), 20.0),
}


def network(model, weight, room=0, seed=4):
    """Cells of the model, excited by drives and themselves, on spines that live and die; neurons too with room."""
    net = nd.Network(seed=seed)
    cells = net.add(model, 12, name="cells", room=room)
    other = net.add(nd.Poisson(rate_hz=40.0), 20, name="other")
    against = net.add(nd.Poisson(rate_hz=20.0), 10, name="against", inhibitory=True)
    net.background(cells, nd.Background(rate_hz=400.0, weight=0.5 * weight))
    plastic = net.connect(
        other, cells, nd.Probability(0.5), spines=nd.Spines(weight=weight), delay=nd.Uniform(1, 3), name="plastic"
    )
    net.connect(against, cells, nd.Probability(0.5), weight=weight, delay=1.5)
    plastic.use(nd.STDP("pair"), nd.SpineSize(), nd.Turnover(early=6.0, late=6.0))
    if room:
        day = 24 * 3.6e6
        cells.use(nd.NeuronDeath(fraction=0.5, begin=0.1 * day, end=day), nd.Neurogenesis(rate=4.0))
    return net


def bytes_of(net, stops, look=False):
    """Spikes, potentials and weights after some cuts."""
    sim = Simulator(net, acceleration=2 * 3.6e6 / 50.0)
    found = trains(sim)
    for stop in stops:
        sim.run_until_spike(stop)
        if look:
            sim.engine.potential("cells")
        sim.verify()
    cells = next(iter(sim.engine.cells.values()))
    state = sim.tables["plastic"].state()
    return np.array(found), (
        np.array(found).tobytes(), sim.engine.potential("cells").tobytes(), cells.state.tobytes(),
        *(a.tobytes() for a in state.values()),
    )  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("name", MODELS)
def test_whole_and_cut_and_looked_at_are_the_same_bytes(name):
    """Cuts within windows, and probes there, with spines and neurons that are born and die."""
    whole, same = bytes_of(network(*MODELS[name], room=4), [300.0])
    cut, also = bytes_of(network(*MODELS[name], room=4), [0.3, 49.9, 50.0, 133.333, 133.334, 300.0], look=True)
    assert whole.shape[0] > 20 and np.isfinite(whole).all()
    assert same == also


@pytest.mark.compiled
@pytest.mark.parametrize("name", MODELS)
def test_epochs_and_starts_shift_nothing(name):
    """A run across epochs that begins deep in life fires at the same times after its start, to rounding of that."""
    found = []
    for start in (0.0, 1e7):
        net = nd.Network(seed=5)
        model, weight = MODELS[name]
        cells = net.add(model, 3, name="cells")
        net.background(cells, nd.Background(rate_hz=500.0, weight=0.7 * weight))
        sim = Simulator(net, start=start)
        got = trains(sim)
        sim.run_until_spike(1500.0)
        found.append(np.array([(t - start, i) for t, _, i in got]))
    assert found[0].shape == found[1].shape and found[0].shape[0] > 10
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-4)


@pytest.mark.compiled
@pytest.mark.parametrize("name", MODELS)
def test_silence_and_release(name):
    """A silenced population is silent, and comes back."""
    net = network(*MODELS[name])
    sim = Simulator(net)
    found = trains(sim)
    sim.run_until_spike(100.0)
    index = net.populations["cells"].index
    sim.engine.silence(index, True)
    before = len(found)
    sim.run_until_spike(200.0)
    assert len(found) == before > 0
    sim.engine.silence(index, False)
    assert np.isfinite(sim.engine.potential("cells")).all()
    sim.run_until_spike(400.0)
    assert len(found) > before
