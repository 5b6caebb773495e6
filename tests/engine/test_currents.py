"""Networks of neurons with exponential currents: the engine against the naive simulator and against itself."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.bench.networks import vogels_abbott_current_network
from neurodev.engine.simulator import Simulator
from neurodev.metrics.spikes import cell_coefficients_of_variation
from neurodev.neurons.current import potential
from neurodev.neurons.lif import crossing_time
from tests.engine.test_against_naive import both, same_spikes


def mixed_net(seed, **cell):
    """Neurons with currents and neurons with delta synapses in one network, drives and background on both."""
    net = nd.Network(seed=seed)
    a = net.add(nd.Poisson(40.0), 20, name="a")
    e = net.add(nd.LIF(**({"tau_excitatory": 5.0, "tau_inhibitory": 10.0} | cell)), 30, name="e")
    i = net.add(nd.LIF(**({"tau_excitatory": 3.0, "tau_inhibitory": 7.0} | cell)), 8, name="i", inhibitory=True)
    d = net.add(nd.LIF(), 10, name="d")
    net.connect(a, e, nd.Degree(6), weight=200.0, delay=nd.Uniform(1, 3), multapses=True)
    net.connect(e, e, nd.Near(300, 5), weight=60.0, delay=nd.Uniform(0.7, 4, step=0.3))
    net.connect(e, i, nd.Degree(8), weight=150.0, delay=1.5)
    net.connect(i, e, nd.Degree(4), weight=100.0, delay=nd.Uniform(1, 2))
    net.connect(e, d, nd.Degree(4), weight=5.0, delay=1.0)
    net.connect(d, e, nd.Degree(2), weight=60.0, delay=1.0)
    net.background(e, nd.Background(rate_hz=200.0, weight=60.0, amplitudes="exponential"))
    net.background(i, nd.Background(rate_hz=100.0, weight=-60.0))
    return net


CASES = [
    (1, {}),
    (2, {"refractory": 0.0}),
    (3, {"drive": 22.0}),  # crosses without input
    (4, {"drive": 21.0, "refractory": 0.0, "reset": 5.0, "tau_excitatory": 20.0}),  # equal time constants
    (5, {"refractory": 0.4, "tau_excitatory": 19.9, "tau_inhibitory": 20.1}),  # nearly equal
    (6, {"refractory": 5.0, "tau_excitatory": 40.0, "tau_inhibitory": 2.0}),  # currents slower than the membrane
]


@pytest.mark.parametrize(("seed", "cell"), CASES)
def test_network(seed, cell):
    _, naive, spikes, _ = both(mixed_net(seed, **cell), 120.0)
    same_spikes(spikes, naive.spikes, 100)


def test_per_neuron_parameters():
    net = nd.Network(seed=9)
    draw = np.random.default_rng(0)
    cell = nd.LIF(tau=draw.uniform(5, 30, 25), threshold=draw.uniform(10, 20, 25), refractory=draw.uniform(0.5, 3, 25),
                  drive=draw.uniform(8, 18, 25), initial=draw.uniform(0, 9, 25), capacitance=draw.uniform(50, 300, 25),
                  tau_excitatory=draw.uniform(1, 30, 25), tau_inhibitory=draw.uniform(1, 30, 25))  # fmt: skip
    e = net.add(cell, 25, name="e")
    net.connect(e, e, nd.Degree(5), weight=40.0, delay=nd.Uniform(1, 4))
    net.background(e, nd.Background(rate_hz=100.0, weight=60.0))
    sim, naive, spikes, _ = both(net, 150.0)
    same_spikes(spikes, naive.spikes, 100)
    v = sim.engine.potential("e")
    for c in naive.cells["e"]:
        c.decay(150.0)
    expected = [c.v if c.free else c.reset for c in naive.cells["e"]]
    np.testing.assert_allclose(v, expected, rtol=0, atol=1e-9)


def trains(net, stops, least=200):
    sim = Simulator(net)
    out = []
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda e, t, p, i: out.append(np.column_stack([e + t, p, i]))
    for stop in stops:
        sim.run_until_spike(stop)
    spikes = np.concatenate(out)
    assert spikes.shape[0] > least
    return sim, spikes


@pytest.mark.compiled
def test_cut_anywhere_gives_the_same_bytes():
    whole, a = trains(mixed_net(6), [9000.0])
    cut, b = trains(mixed_net(6), [0.3, 17.77, 17.770001, 8191.9, 8192.0, 8500.1, 9000.0])
    assert a.tobytes() == b.tobytes()
    assert whole.engine.potential("e").tobytes() == cut.engine.potential("e").tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("seed", [1, 4])
def test_inputs_of_no_weight(seed):
    """EX-31h: events that carry nothing change no spike time."""

    def net(weight):
        out = mixed_net(seed)
        b = out.add(nd.Poisson(200.0), 20, name="b")
        out.connect(b, out.populations["e"], nd.Degree(10), weight=weight, delay=1.0)
        return out

    _, none = trains(net(0.0), [300.0])
    _, tiny = trains(net(1e-30), [300.0])
    neurons = [s[s[:, 1] != 4] for s in (none, tiny)]
    np.testing.assert_allclose(neurons[0], neurons[1], rtol=1e-12)


@pytest.mark.compiled
def test_shifted_by_thirty_days():
    """ALG-5."""
    window = Simulator(mixed_net(7)).engine.epoch_length
    shift = np.ceil(30 * 86.4e6 / window) * window
    times = []
    for start in (0.0, shift):
        sim = Simulator(mixed_net(7), start=start)
        out = []
        sim.engine.record_trains(1, True)
        base = sim.engine.epoch_start
        sim.engine.sink = lambda e, t, p, i, base=base, out=out: out.append((e - base) + t)
        sim.run_until_spike(500.0)
        times.append(np.concatenate(out))
    np.testing.assert_allclose(*times, rtol=0, atol=1e-9)


def test_currents_flow_during_refractoriness():
    """One input while refractory: V starts from reset at the end, driven by what is left of the current."""
    cell = nd.LIF(tau=20, threshold=20, reset=0, refractory=5, initial=19.99, drive=30.0,
                  tau_excitatory=5, tau_inhibitory=10, capacitance=100)  # fmt: skip
    net = nd.Network()
    a = net.add(nd.SpikeList([1.0], [0]), 1, name="a")
    c = net.add(cell, 1, name="cell")
    net.connect(a, c, nd.OneToOne(), weight=50.0, delay=1.0)
    sim = Simulator(net)
    sim.run_until_spike(8.0)
    spike = crossing_time(19.99, 30.0, 20.0, 20.0)
    left = 50.0 * np.exp(-(spike + 5.0 - 2.0) / 5.0)
    expected = potential(8.0 - spike - 5.0, 0.0, left, tau=20, tau_excitatory=5, capacitance=100, v_inf=30.0)
    assert sim.engine.potential("cell")[0] == pytest.approx(expected, rel=1e-12)


def test_in_flight_and_silence():
    """ALG-10 with currents; a silenced population comes back from reset with the current that is left."""
    net = nd.Network()
    a = net.add(nd.SpikeList([1.0], [0]), 1, name="a")
    c = net.add(nd.LIF(tau_excitatory=5, tau_inhibitory=10), 2, name="cell")
    q = net.connect(a, c, nd.Pairs([0], [0]), weight=50.0, delay=4.0)
    sim = nd.Simulation(net)
    sim.at(2.0, nd.AddSynapses(q, [0], [1]), clock="spike")
    sim.at(5.5, nd.Silence(c), clock="spike").at(6.0, nd.Silence(c, on=False), clock="spike")
    sim.run(8.0)
    expected = potential(2.0, 0.0, 50.0 * np.exp(-1 / 5), tau=20, tau_excitatory=5, capacitance=200)
    np.testing.assert_allclose(sim.simulator.engine.potential("cell"), [expected, 0.0], rtol=1e-12)
    sim.close()


def test_estimate_of_the_input():
    """Mean and noise that `print(net)` shows: Campbell's theorem for exponential currents."""
    net = nd.Network()
    c = net.add(nd.LIF(tau_excitatory=5, tau_inhibitory=10, capacitance=200), 10, name="cell")
    net.background(c, nd.Background(rate_hz=1000.0, weight=40.0))
    mu, sigma = net.mean_input(c)
    t = np.linspace(0, 400, 400_001)
    v = np.array([40.0 / 200 * (np.exp(-s / 20) - np.exp(-s / 5)) / (1 / 5 - 1 / 20) for s in t])
    assert mu == pytest.approx(v.sum() * 0.001, rel=1e-5)
    assert sigma**2 / 2 == pytest.approx((v**2).sum() * 0.001, rel=1e-5)
    assert "pA" not in str(net)  # no projection


@pytest.mark.slow
def test_vogels_abbott():
    """The network of Vogels & Abbott 2005 with currents: 3.95 +- 0.3 Hz, CV of intervals 0.67 +- 0.05.

    The CV is that of each cell with five intervals or more, averaged (pooled intervals give 0.82: rates differ).
    """
    _, spikes = trains(vogels_abbott_current_network(), [1500.0])
    spikes = spikes[spikes[:, 0] > 500.0]
    assert abs(spikes.shape[0] / 4000 - 3.95) < 0.3
    cv = cell_coefficients_of_variation(spikes[:, 0], spikes[:, 2] + 3200 * spikes[:, 1], 4000)
    assert abs(np.nanmean(cv) - 0.67) < 0.05
