"""Neuron models of a user's own through the door: alpha currents (exact) and the adaptive exponential (stepped)."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from tests.neurons.independent import Cell, driven, integrate, trains
from tests.neurons.outside.adaptive import AdaptiveExponential
from tests.neurons.outside.alpha import AlphaLIF

HOUR = 3.6e6


ARRIVALS = [(2.0, 700.0), (3.5, 900.0), (6.0, -400.0), (8.0, 1500.0), (8.0, 600.0), (21.0, 2500.0), (22.5, 900.0)]


@pytest.mark.parametrize(("tau", "tau_synapse"), [(20.0, 2.0), (10.0, 10.0), (10.0, 10.0001), (5.0, 12.0)])
def test_alpha_currents_against_an_integration(tau, tau_synapse):
    """Spike times to 1e-9 ms, potentials to 1e-9 mV, with equal and nearly equal time constants."""
    given = dict(tau=tau, tau_synapse=tau_synapse, threshold=12.0, reset=-3.0, refractory=1.5, capacitance=250.0)
    sim = driven(AlphaLIF(**given), ARRIVALS)
    found = trains(sim)
    sim.run_until_spike(40.0)

    def flow(t, x):
        return np.array([-x[0] / tau + x[1], -x[1] / tau_synapse + x[2], -x[2] / tau_synapse])

    cell = Cell(
        [0.0, 0.0, 0.0], flow, lambda x, w, held: x + np.array([0, 0, np.e * w / 250.0 / tau_synapse]),
        lambda x: x[0] - 12.0, lambda x: [-3.0, x[1], x[2]], 1.5,
    )  # fmt: skip
    expected, end = integrate(cell, ARRIVALS, 40.0)
    assert expected.size >= 3
    np.testing.assert_allclose([t for t, _, _ in found], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sim.engine.potential("cells"), end[0], rtol=0, atol=1e-9)


def test_alpha_peak():
    """One input: the current peaks at its weight after tau_synapse; V follows the closed form."""
    from neurodev.neurons.current import alpha_potential

    sim = driven(AlphaLIF(), [(2.0, 300.0)])
    for t in (2.5, 4.0, 10.0, 60.0):
        sim.run_until_spike(t)
        exact = alpha_potential(t - 2.0, 0.0, 300.0, tau=20.0, tau_alpha=2.0, capacitance=250.0)
        np.testing.assert_allclose(sim.engine.potential("cells"), exact, rtol=1e-12)


def adex(step):
    """Spikes of an adaptive exponential neuron under a strong current and some inputs."""
    sim = driven(AdaptiveExponential(current=800.0, peak=-35.0, step=step), [(20.0, 4.0), (33.3, 3.0), (70.0, 5.0)])
    found = trains(sim)
    sim.run_until_spike(200.0)
    return np.array([t for t, _, _ in found])


def test_adaptive_exponential_converges_with_the_fourth_order():
    """Against an adaptive integration to 1e-12; halving the step makes the error at least eight times smaller."""
    p = AdaptiveExponential(current=800.0, peak=-35.0)

    def flow(t, x):
        v, w = x
        up = p.leak * p.slope * np.exp(min((v - p.threshold) / p.slope, 30.0))
        dv = (-p.leak * (v - p.rest) + up - w + p.current) / p.capacitance
        return np.array([dv, (p.coupling * (v - p.rest) - w) / p.tau_adaptation])

    cell = Cell(
        [p.rest, 0.0], flow, lambda x, w, held: x + np.array([w, 0.0]), lambda x: x[0] - p.peak,
        lambda x: [p.reset, x[1] + p.increment],
    )  # fmt: skip
    expected, _ = integrate(cell, [(20.0, 4.0), (33.3, 3.0), (70.0, 5.0)], 200.0)
    assert expected.size >= 4
    errors = []
    for step in (0.0125, 0.00625):
        found = adex(step)
        assert found.size == expected.size
        errors.append(np.abs(found - expected).max())
    assert errors[0] < 5e-4
    assert errors[1] < errors[0] / 8.0


def mixed(seed=3, room=0):
    """Both models, and ours, in one developing network."""
    net = nd.Network(seed=seed)
    a = net.add(AlphaLIF(threshold=10.0, tau=np.linspace(10, 30, 40 + room)), 40, name="a", room=room)
    b = net.add(AdaptiveExponential(refractory=1.0), 20, name="b", inhibitory=True)
    c = net.add(nd.LIF(tau=20, threshold=20), 20, name="c")
    p = net.add(nd.Poisson(rate_hz=60.0), 30, name="p")
    net.background(a, nd.Background(rate_hz=800.0, weight=90.0))
    delay = nd.Uniform(1, 3)
    plastic = net.connect(p, a, nd.Probability(0.4), spines=nd.Spines(weight=150.0), delay=delay)
    net.connect(a, b, nd.Probability(0.5), weight=6.0, delay=delay)
    net.connect(b, a, nd.Probability(0.5), weight=60.0, delay=delay)
    net.connect(a, c, nd.Probability(0.5), weight=3.0, delay=delay, multapses=True)
    net.connect(c, b, nd.Probability(0.3), weight=2.0, delay=delay)
    plastic.use(nd.STDP("pair"), nd.SpineSize(), nd.Turnover(early=6.0, late=6.0))
    if room:
        a.use(nd.NeuronDeath(fraction=0.5, begin=0.1 * 24 * HOUR, end=24 * HOUR), nd.Neurogenesis(rate=4.0))
    return net


def everything(net, stops, look=False):
    """Bytes of spikes, potentials and columns after some cuts."""
    sim = Simulator(net, acceleration=2 * HOUR / 50.0)
    found = trains(sim, ("a", "b", "c"))
    for stop in stops:
        sim.run_until_spike(stop)
        if look:
            for name in ("a", "b", "c"):
                sim.engine.potential(name)
        sim.verify()
    state = sim.tables["p_a"].state()
    v = np.concatenate([sim.engine.potential(n) for n in ("a", "b", "c")])
    return np.array(found).tobytes(), v.tobytes(), {k: a.tobytes() for k, a in state.items()}, len(found)


@pytest.mark.compiled
@pytest.mark.parametrize("room", [0, 10])
def test_whole_and_cut_and_looked_at_are_the_same_bytes(room):
    """In one network with ours, on spines that are born and die, neurons too; probes change nothing."""
    whole = everything(mixed(room=room), [600.0])
    cut = everything(mixed(room=room), [0.3, 49.9, 50.0, 133.333, 400.0, 600.0], look=True)
    assert whole[3] > 300 and {p for _, p, _ in np.frombuffer(whole[0]).reshape(-1, 3)} == {0.0, 1.0, 2.0}
    assert whole[:3] == cut[:3]


@pytest.mark.compiled
def test_epochs_and_starts_shift_nothing():
    """A run that begins deep in life fires at the same times after its start, to rounding of the start itself."""
    found = []
    for start in (0.0, 1e7):
        net = nd.Network(seed=5)
        a = net.add(AlphaLIF(threshold=10.0), 5, name="cells")
        net.background(a, nd.Background(rate_hz=900.0, weight=150.0))
        sim = Simulator(net, start=start)
        got = trains(sim)
        sim.run_until_spike(12000.0)
        found.append(np.array([(t - start, i) for t, _, i in got]))
    assert found[0].shape == found[1].shape and found[0].shape[0] > 50
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-5)


@pytest.mark.compiled
def test_silence_and_release():
    """A silenced population of a model with rules is silent, and comes back from its reset potential."""
    net = mixed()
    sim = Simulator(net)
    found = trains(sim, ("a",))
    sim.run_until_spike(100.0)
    sim.engine.silence(net.populations["a"].index, True)
    before = len(found)
    sim.run_until_spike(150.0)
    assert len(found) == before
    sim.engine.silence(net.populations["a"].index, False)
    np.testing.assert_allclose(sim.engine.potential("a"), 0.0, atol=1e-12)
    sim.run_until_spike(250.0)
    assert len(found) > before


def test_a_stepped_model_is_named_among_the_approximations(tmp_path):
    """In the run file, in print(network) and in show; what has no closed form says so when it is asked."""
    net = mixed()
    assert "AdaptiveExponential, approximate" in str(net)
    run = nd.simulate(net, HOUR, acceleration=HOUR / 20.0, tick=HOUR, to=tmp_path / "r.sqlite", progress=False)
    assert any("b: neurons integrate by steps" in x for x in run.file.item("approximations"))
    with pytest.raises(BuildError, match="no closed form"):
        net.mean_input(net.populations["a"])


def test_wrong_lengths_are_refused_by_name():
    """As with ours."""
    net = nd.Network(seed=1)
    with pytest.raises(nd.NeurodevError, match=r"AlphaLIF.tau of 'cells' must be a number or have shape \(3,\)"):
        net.add(AlphaLIF(tau=[1.0, 2.0]), 3, name="cells")
