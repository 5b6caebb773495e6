"""Alpha-shaped currents: closed forms, crossings to rounding, time constants of any kind."""

import numpy as np
import pytest
from scipy.optimize import brentq

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.neurons.alpha import SCRATCH, above_rest, first_crossing
from tests.neurons.independent import Cell, Linear, driven, integrate, spikes_of, trains

ARRIVALS = [(2.0, 900.0), (3.5, 900.0), (6.0, -400.0), (8.0, 1500.0), (8.0, 600.0), (21.0, 2500.0), (22.5, 900.0)]


def equations(p):
    """V; current and its slope (pA, pA/ms) of excitation and of inhibition."""
    r = 0.0 if np.isinf(p.tau) else 1.0 / p.tau
    le, li = 1.0 / p.tau_excitatory, 1.0 / p.tau_inhibitory
    matrix = np.zeros((5, 5))
    matrix[0] = [-r, 1.0 / p.capacitance, 0, 1.0 / p.capacitance, 0]
    matrix[1, 1:3], matrix[2, 2], matrix[3, 3:], matrix[4, 4] = [-le, 1.0], -le, [-li, 1.0], -li
    constant = np.array([r * (p.rest + p.drive), 0, 0, 0, 0])

    def jump(x, w, held):
        return x + np.e * w * (np.array([0, 0, le, 0, 0]) if w > 0 else np.array([0, 0, 0, 0, li]))

    start = [p.rest, p.initial_excitatory, 0, p.initial_inhibitory, 0]
    cell = Cell(
        start, lambda t, x: matrix @ x + constant, jump, lambda x: x[0] - p.threshold, lambda x: [p.reset, *x[1:]],
        p.refractory,
    )  # fmt: skip
    return cell, Linear(cell, matrix, constant)


CASES = [
    dict(tau=20.0, tau_excitatory=2.0, tau_inhibitory=5.0),
    dict(tau=10.0, tau_excitatory=10.0, tau_inhibitory=10.0),
    dict(tau=10.0, tau_excitatory=10.0001, tau_inhibitory=9.99999),
    dict(tau=5.0, tau_excitatory=12.0, tau_inhibitory=1.0, refractory=0.0),
    dict(tau=float("inf"), tau_excitatory=2.0, tau_inhibitory=3.0),
    dict(
        tau=8.0, tau_excitatory=1.0, tau_inhibitory=4.0, drive=17.0, initial_excitatory=700.0, initial_inhibitory=-80.0
    ),
]


@pytest.mark.parametrize("given", CASES)
def test_against_an_integration_and_a_grid(given):
    """Spike times to 1e-9 ms, potentials to 1e-9 mV."""
    model = nd.AlphaLIF(**dict(threshold=12.0, reset=-3.0, refractory=1.5, capacitance=250.0) | given)
    found, v = spikes_of(model, ARRIVALS, 40.0)
    cell, linear = equations(model)
    for expected, end in (integrate(cell, ARRIVALS, 40.0), linear.run(ARRIVALS, 40.0)):
        assert expected.size >= 2
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(v, end[0], rtol=0, atol=1e-9)


def test_the_closed_form_of_the_reference():
    """EX-31i: V 13 ms after the arrival of a current of 1 pA with C = 1 pF, from 3 mV."""
    sim = driven(nd.AlphaLIF(tau=20.0, tau_excitatory=5.0, capacitance=1.0, initial=3.0 * np.exp(0.1)), [(2.0, 1.0)])
    sim.run_until_spike(15.0)
    np.testing.assert_allclose(sim.engine.potential("cells"), 8.8858957348077, rtol=1e-12)


@pytest.mark.compiled
def test_random_states_against_a_dense_search():
    """As EX-31g: the same verdict as a dense grid with summits refined, and the same time to 1e-9 ms."""
    draw, scratch, fired = np.random.default_rng(5), np.zeros(SCRATCH), 0
    grid = np.linspace(0.0, 15.0, 3001)
    for _ in range(400):
        tau, le, li = draw.uniform(2.0, 30.0), 1.0 / draw.uniform(0.3, 12.0), 1.0 / draw.uniform(0.3, 12.0)
        threshold = draw.uniform(5.0, 12.0)
        c = np.array([1.0 / tau, 0.0, threshold, 0.0, le, li, 1.0, 1.0])
        x = np.array([0.0, draw.uniform(-5, 5), draw.uniform(0, 3), draw.uniform(0, 4), *-draw.uniform(0, 3, 2), 0.0])
        v = np.array([above_rest(x, c, s) for s in grid])
        got = first_crossing(x, c, 15.0, scratch)
        above = np.flatnonzero(v >= threshold)
        if above.size:
            fired += 1
            k = above[0]
            at = brentq(lambda s, x=x, c=c: above_rest(x, c, s) - c[2], grid[k - 1], grid[k], xtol=1e-13)
            # a grid may step over an earlier summit, which the search must not
            assert got == pytest.approx(at, abs=1e-9) or (0 <= got < at and above_rest(x, c, got) > threshold - 1e-9)
        else:
            assert got < 0 or (threshold - v.max() < 1e-3 and above_rest(x, c, got) > threshold - 1e-9)
    assert 80 < fired < 390


def test_grazing():
    """A threshold just below the summit is met, one just above it is not."""
    c, x, scratch = np.array([0.05, 0.0, 0.0, 0.0, 0.2, 0.5, 1, 1]), np.zeros(7), np.zeros(SCRATCH)
    x[1], x[3] = 1.0, 2.0
    s = np.linspace(0.0, 30.0, 300001)
    k = int(np.argmax([above_rest(x, c, a) for a in s[::100]])) * 100
    summit = max(above_rest(x, c, a) for a in s[k - 100 : k + 100])
    for below in (1e-3, 1e-6, 1e-8):
        c[2] = summit - below
        assert 0 < first_crossing(x, c, 30.0, scratch) < s[k + 100]
    c[2] = summit + 1e-8
    assert first_crossing(x, c, 30.0, scratch) == -1.0


def test_a_cell_that_never_fires_and_parameters_of_each():
    """threshold = inf beside cells that fire; wrong values by name."""
    sim = driven(nd.AlphaLIF(threshold=[float("inf"), 5.0, 9.0], tau=[5.0, 10.0, 20.0]), [(2.0, 3000.0)], n=3)
    found = trains(sim)
    sim.run_until_spike(50.0)
    assert {i for _, _, i in found} == {1, 2} and np.isfinite(sim.engine.potential("cells")).all()
    with pytest.raises(ParameterError, match="AlphaLIF.reset must be below AlphaLIF.threshold"):
        nd.AlphaLIF(reset=20.0)
    with pytest.raises(ParameterError, match="AlphaLIF.tau_excitatory"):
        nd.AlphaLIF(tau_excitatory=0.0)


def test_mean_and_noise_of_its_input():
    """What `net.mean_input` says is what cells that never fire show: mean, and sigma / sqrt 2 as the spread of V."""
    net = nd.Network(seed=2)
    cells = net.add(nd.AlphaLIF(threshold=np.inf, drive=1.0), 300, name="cells")
    net.background(cells, nd.Background(rate_hz=2000.0, weight=20.0))
    mu, sigma = net.mean_input(cells)
    sim, samples = Simulator(net), []
    for t in np.arange(80.0, 480.0, 40.0):
        sim.run_until_spike(t)
        samples.append(sim.engine.potential("cells"))
    v = np.array(samples)
    assert v.mean() == pytest.approx(mu, abs=4 * sigma / np.sqrt(2 * v.size))
    assert v.std() == pytest.approx(sigma / np.sqrt(2), rel=4 / np.sqrt(2 * v.size) + 0.01)
