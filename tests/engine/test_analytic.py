"""The engine against closed forms (EX-20 to EX-27) and conventions (ALG-10, EX-56)."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.neurons.lif import siegert_hz


def spikes_of(net, duration, population="cell"):
    sim = Simulator(net)
    p = net.populations[population]
    sim.engine.record_trains(p.index, True)
    out = []
    sim.engine.sink = lambda e, t, q, i: out.append(np.column_stack([(e + t)[q == p.index], i[q == p.index]]))
    sim.run_until_spike(duration)
    return np.concatenate(out) if out else np.zeros((0, 2))


def test_constant_drive():
    """EX-20: 1000 spikes, period to 1e-12."""
    net = nd.Network()
    net.add(nd.LIF(tau=20, drive=25, threshold=20, reset=10, refractory=2, initial=10.0), 1, name="cell")
    period = 23.972245773362197
    t = spikes_of(net, 1001 * period)[:, 0]
    assert t.size >= 1000
    np.testing.assert_allclose(t[0], period - 2, rtol=1e-12)
    np.testing.assert_allclose(np.diff(t), period, rtol=1e-11)
    assert (t[999] - t[0]) / 999 == pytest.approx(period, rel=1e-12)


@pytest.mark.parametrize(("refractory", "period"), [(0.0, 22.0), (5.0, 26.0)])
def test_regular_input(refractory, period):
    """EX-21 and EX-22: the 11th input fires; inputs at 2 and 4 ms are lost in 5 ms of refractoriness."""
    net = nd.Network()
    a = net.add(nd.Regular(2.0), 1, name="a")
    c = net.add(nd.LIF(tau=20, threshold=20, reset=0, refractory=refractory), 1, name="cell")
    net.connect(a, c, nd.OneToOne(), weight=3.0, delay=0.5)
    t = spikes_of(net, 500.0)[:, 0]
    np.testing.assert_allclose(t[0], 22.5, rtol=1e-12)
    np.testing.assert_allclose(np.diff(t), period, rtol=1e-12)


def test_regular_input_potential():
    """EX-21: V after 10 inputs."""
    net = nd.Network()
    a = net.add(nd.Regular(2.0), 1, name="a")
    c = net.add(nd.LIF(tau=20, threshold=20, reset=0, refractory=0), 1, name="cell")
    net.connect(a, c, nd.OneToOne(), weight=3.0, delay=0.5)
    sim = Simulator(net)
    sim.run_until_spike(20.5 + 1e-9)
    assert sim.engine.potential("cell")[0] == pytest.approx(19.92759798, abs=1e-7)


def rate_and_error(times, n, duration):
    count = times.shape[0]
    cv = 1.0  # an upper bound of the irregularity of all cases here
    return 1e3 * count / n / duration, 1e3 * cv * np.sqrt(count) / n / duration


@pytest.mark.compiled
def test_every_input_fires():
    """EX-23: rate lam / (1 + lam t_ref)."""
    net = nd.Network(seed=3)
    c = net.add(nd.LIF(tau=20, threshold=20, refractory=2), 200, name="cell")
    net.background(c, nd.Background(rate_hz=100.0, weight=25.0))
    rate, error = rate_and_error(spikes_of(net, 2000.0), 200, 2000.0)
    assert abs(rate - 83.3333) < 4 * error


@pytest.mark.compiled
def test_no_leak():
    """EX-24: Gamma(20) intervals."""
    net = nd.Network(seed=4)
    c = net.add(nd.LIF(tau=np.inf, threshold=19.5, refractory=0), 100, name="cell")
    net.background(c, nd.Background(rate_hz=1000.0, weight=1.0))
    s = spikes_of(net, 4000.0)
    gaps = np.concatenate([np.diff(s[s[:, 1] == j, 0]) for j in range(100)])
    assert abs(gaps.mean() - 20) < 4 * gaps.std() / np.sqrt(gaps.size)
    cv = gaps.std() / gaps.mean()
    assert abs(cv - 1 / np.sqrt(20)) < 4 * cv / np.sqrt(2 * gaps.size)


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("rate", "inhibition", "reset", "refractory", "expected"),
    [(1000.0, 0.0, 10.0, 0.0, 28.9073728), (800.0, 0.0, 0.0, 0.0, 11.3846054), (1000.0, 250.0, 0.0, 2.0, 11.5391230)],
)
def test_exponential_shot_noise(rate, inhibition, reset, refractory, expected):
    """EX-25 to EX-27: no diffusion approximation is involved."""
    net = nd.Network(seed=5)
    c = net.add(nd.LIF(tau=20, threshold=20, reset=reset, refractory=refractory), 500, name="cell")
    net.background(c, nd.Background(rate_hz=rate, weight=1.0, amplitudes="exponential"))
    if inhibition:
        net.background(c, nd.Background(rate_hz=inhibition, weight=-1.0, amplitudes="exponential"))
    s = spikes_of(net, 5000.0)
    s = s[s[:, 0] > 500.0]  # the start is not stationary
    found, error = rate_and_error(s, 500, 4500.0)
    assert abs(found - expected) < 4 * error


def test_siegert():
    """EX-28."""
    assert siegert_hz(15, np.sqrt(1.5), 10, 15, 0, 2) == pytest.approx(27.1095934379, rel=1e-9)
    for mu, expected in ((10, 0.88192346), (15, 9.46079981), (20, 27.34056735), (25, 47.21744330)):
        assert siegert_hz(mu, 5, 20, 20, 10, 2) == pytest.approx(expected, rel=1e-8)


def test_in_flight():
    """ALG-10: a synapse born after a spike was emitted does not carry it; one that died meanwhile neither."""

    def potential(add, remove):
        net = nd.Network()
        a = net.add(nd.SpikeList([1.0], [0]), 2, name="a")
        c = net.add(nd.LIF(), 2, name="cell")
        q = net.connect(a, c, nd.Pairs([0], [0]), weight=3.0, delay=4.0)
        sim = nd.Simulation(net)
        if add:
            sim.at(2.0, nd.AddSynapses(q, [0], [1]), clock="spike")
        if remove:
            sim.at(3.0, nd.RemoveSynapses(q, uids=[1]), clock="spike")
        sim.run(6.0)
        v = sim.simulator.engine.potential("cell")
        sim.close()
        return v

    np.testing.assert_allclose(potential(False, False), [3 * np.exp(-1 / 20), 0.0], rtol=1e-12)
    np.testing.assert_allclose(potential(True, False), [3 * np.exp(-1 / 20), 0.0], rtol=1e-12)
    np.testing.assert_allclose(potential(False, True), [0.0, 0.0])
    np.testing.assert_allclose(potential(True, True), [0.0, 0.0])


def test_slot_reused_while_a_spike_is_in_flight():
    """ALG-11: the slot of a synapse that died is taken by a newborn; the old spike does not reach it."""
    net = nd.Network()
    a = net.add(nd.SpikeList([1.0, 7.0], [0, 0]), 1, name="a")
    c = net.add(nd.LIF(), 2, name="cell")
    q = net.connect(a, c, nd.Pairs([0], [0]), weight=3.0, delay=4.0)
    sim = nd.Simulation(net)
    sim.at(2.0, nd.RemoveSynapses(q, uids=[1]), clock="spike").at(2.0, nd.AddSynapses(q, [0], [1]), clock="spike")
    sim.run(6.0)
    np.testing.assert_array_equal(sim.simulator.engine.potential("cell"), [0.0, 0.0])
    sim.run(6.0)  # the second spike finds the newborn
    np.testing.assert_allclose(sim.simulator.engine.potential("cell"), [0.0, 3 * np.exp(-1 / 20)], rtol=1e-12)
    sim.close()


@pytest.mark.parametrize("excitation_first", [True, False])
@pytest.mark.parametrize(("inhibition", "fires"), [(25.0, 0), (5.1, 0), (5.0, 1)])
def test_equal_times_inhibition_first(excitation_first, inhibition, fires):
    """EX-56: of exactly simultaneous arrivals inhibition acts first, in whatever order the projections were made."""
    net = nd.Network()
    a = net.add(nd.SpikeList([1.0], [0]), 1, name="a")
    b = net.add(nd.SpikeList([1.0], [0]), 1, name="b", inhibitory=True)
    c = net.add(nd.LIF(threshold=20.0), 1, name="cell")
    pairs = [(a, 25.0), (b, inhibition)]
    for source, w in pairs if excitation_first else pairs[::-1]:
        net.connect(source, c, nd.OneToOne(), weight=w, delay=1.0)
    assert spikes_of(net, 5.0).shape[0] == fires


def test_silence_and_release():
    net = nd.Network()
    c = net.add(nd.LIF(drive=25.0), 5, name="cell")
    sim = nd.Simulation(net, record="all")
    sim.at(100.0, nd.Silence(c), clock="spike").at(200.0, nd.Silence(c, on=False), clock="spike")
    run = sim.run(300.0).close()
    t, _ = run.spikes("cell")
    assert t.size == 20 and not np.any((t > 100) & (t < 200)) and np.any(t > 200)


def test_probe():
    net = nd.Network()
    c = net.add(nd.LIF(drive=10.0), 1, name="cell")
    sim = nd.Simulation(net)
    v = sim.probe(c, "V", every=5.0)
    sim.run(50.0)
    np.testing.assert_allclose(v.values[:, 0], 10 * (1 - np.exp(-v.times / 20)), rtol=1e-12)
    sim.close()
