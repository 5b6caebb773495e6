"""Ornstein-Uhlenbeck currents: their moments, the cell that they drive, and what their draws do not depend on."""

from __future__ import annotations

import numpy as np
import pytest

import neurodev as nd
from neurodev import rng
from neurodev.engine import checkpoint
from neurodev.engine import parts as engine_parts
from neurodev.engine.checkpoint_check import check
from neurodev.engine.checks import approximations
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.neurons.stimulus import Stimulus
from neurodev.noise import normals_of
from neurodev.record.packed import pack, unpack
from tests.neurons.independent import trains

SILENT = nd.Izhikevich(step=0.25)


def noisy(model, n=1, seed=1, threads=None, **given):
    net = nd.Network(seed=seed)
    cells = net.add(model, n, name="cells")
    net.drive(cells, nd.OrnsteinUhlenbeck(**given))
    return Simulator(net, threads=threads, parts=threads)


def currents(sim, stops):
    """The currents at some times, (n_time, n)."""
    out = []
    for t in stops:
        sim.run_until_spike(t)
        out.append(sim.engine.cells[0].column("noise").copy())
    return np.array(out)


@pytest.mark.compiled
def test_moments_and_memory():
    """Mean, variance and autocovariance of 4000 cells from the first moment on, each within four standard errors."""
    mean, sigma, tau, n = 20.0, 3.0, 2.0, 4000
    x = currents(noisy(nd.Izhikevich(step=0.5), n, mean=mean, sigma=sigma, tau=tau), [0.1, 1.1, 6.1, 12.1])
    y = (x - mean) / sigma
    assert np.all(abs(y.mean(axis=1)) < 4 / np.sqrt(n))
    assert np.all(abs((y**2).mean(axis=1) - 1.0) < 4 * np.sqrt(2 / n))
    for a, b in ((0, 1), (1, 2), (2, 3), (0, 3)):
        lag = (0.1, 1.1, 6.1, 12.1)[b] - (0.1, 1.1, 6.1, 12.1)[a]
        r = np.exp(-np.round(lag / 0.5) * 0.5 / tau)
        assert abs((y[a] * y[b]).mean() - r) < 4 * np.sqrt((1 + r * r) / n), lag
    assert np.all(abs((y[:, 1:] * y[:, :-1]).mean(axis=1)) < 4 / np.sqrt(n))  # of its own for each cell


def test_the_update_is_gillespies():
    """Value for value: the published function of (seed, population, neuron, number), by NumPy."""
    sim = noisy(nd.Izhikevich(step=0.1), 3, seed=9, mean=1.0, sigma=[2.0, 0.0, 5.0], tau=[4.0, 1.0, 0.3])
    found = currents(sim, np.arange(20) * 0.1 + 0.05)
    key, who = rng.key(9, "noise", "cells"), np.arange(3, dtype=np.uint64)
    sigma, tau = np.array([2.0, 0.0, 5.0]), np.array([4.0, 1.0, 0.3])
    x = np.zeros(3)
    for k in range(20):
        e = np.exp(-0.1 / tau)
        new = normals_of(key, who, k) * sigma
        x = new if k == 0 else x * e + np.sqrt(1.0 - e * e) * new
        np.testing.assert_allclose(found[k], 1.0 + x, rtol=0, atol=1e-12)


@pytest.mark.compiled
def test_the_current_reaches_the_cell():
    """A passive cell under noise has the variance of a filtered process, and V follows the current held in steps."""
    h, tau, n = 0.5, 4.0, 3000
    leak, c = 10.0, 100.0  # 10 ms
    passive = nd.AdaptiveExponential(
        leak=leak, capacitance=c, rest=-70.0, threshold=1e3, coupling=0.0, increment=0.0, slope=2.0, step=h
    )
    sim = noisy(passive, n, mean=50.0, sigma=20.0, tau=tau)
    v = np.full(n, -70.0)
    for k in range(160):
        sim.run_until_spike((k + 1) * h)
        if k < 40:
            current = sim.engine.cells[0].column("noise")
            target = -70.0 + current / leak
            v = target + (v - target) * np.exp(-h * leak / c)
            np.testing.assert_allclose(sim.engine.potential("cells"), v, rtol=0, atol=1e-5)
    v = sim.engine.potential("cells")
    # V' = a V + (1 - a) x / g with x' = e x + ...: the stationary variance of the two in steps of h
    a, e = np.exp(-h * leak / c), np.exp(-h / tau)
    variance = (20.0 / leak) ** 2 * (1 - a) ** 2 * (1 + a * e) / ((1 - a * a) * (1 - a * e))
    assert abs(v.mean() - (-70.0 + 5.0 * (1.0 - np.exp(-8.0)))) < 4 * v.std() / np.sqrt(n)
    assert abs(v.var() / variance - 1.0) < 4 * np.sqrt(2 / n)
    assert abs(variance / ((20.0 / leak) ** 2 * tau / (tau + c / leak)) - 1.0) < h / tau  # near that of the process


def life(threads=None, seed=3, room=4):
    """Noisy cells that excite each other, with steps, kicks and births."""
    net = nd.Network(seed=seed)
    cells = net.add(nd.AdaptiveExponential(drive=250.0, refractory=1.0), 12, name="cells", room=room)
    other = net.add(nd.LIF(), 3, name="other")
    net.connect(cells, cells, nd.Probability(0.4), weight=1.0, delay=1.5)
    net.connect(cells, other, nd.AllToAll(), weight=9.0, delay=1.5)
    net.drive(cells, nd.OrnsteinUhlenbeck(mean=350.0, sigma=150.0, tau=3.0), cells=slice(0, 14))
    net.drive(cells, nd.CurrentSteps([50.0, 120.0], [200.0, -100.0]))
    net.drive(cells, nd.Kicks(np.arange(10.0, 200.0, 10.0), 2.0))
    if room:
        day = 24 * 3.6e6
        cells.use(nd.NeuronDeath(fraction=0.5, begin=0.1 * day, end=day), nd.Neurogenesis(rate=8.0))
    sim = Simulator(net, acceleration=2 * 3.6e6 / 20.0, threads=threads, parts=threads)
    return sim, trains(sim, ("cells", "other"))


def told(sim, found):
    cells = sim.engine.cells[0]
    return np.array(found).tobytes(), sim.engine.potential("cells").tobytes(), cells.state[:, 1:].tobytes()


@pytest.mark.compiled
def test_no_byte_depends_on_cuts_looks_checkpoints_or_threads(monkeypatch):
    monkeypatch.setattr(engine_parts, "WORTH_A_THREAD", 0.0)
    sim, whole = life()
    sim.run_until_spike(200.0)
    expected = told(sim, whole)
    assert len(whole) > 50 and sim.blocks["cells"].born.max() > 0
    sim, found = life()
    for stop in (0.05, 0.1, 49.99, 50.0, 77.7777, 120.0):
        sim.run_until_spike(stop)
        sim.engine.potential("cells")
        state = unpack(pack(checkpoint.state_of(sim), level=1))
        sim, more = life()
        check(sim, state)
        checkpoint.restore(sim, state)
        more += found
        found = more
    sim.run_until_spike(200.0)
    assert told(sim, found) == expected
    for threads in (2, 3, 8):
        sim, found = life(threads)
        sim.run_until_spike(200.0)
        assert told(sim, found) == expected


def test_a_neuron_keeps_its_draws_whoever_else_there_is():
    few, many = noisy(SILENT, 2, mean=0.0, sigma=1.0, tau=2.0), noisy(SILENT, 5, mean=0.0, sigma=1.0, tau=2.0)
    a, b = currents(few, [1.0, 7.3]), currents(many, [0.3, 7.3])
    np.testing.assert_array_equal(a[1], b[1, :2])
    assert np.unique(b[1]).size == 5


class Negative(Stimulus):
    def noise(self, n, what):
        return np.zeros(n), -np.ones(n), np.ones(n)


def test_the_door():
    net = nd.Network(seed=1)
    exact, stepped = net.add(nd.LIF(), 3, name="exact"), net.add(nd.Izhikevich(step=0.2), 3, name="stepped")
    with pytest.raises(
        BuildError, match=r"OrnsteinUhlenbeck onto 'exact': LIF goes .* closed form.*AdaptiveExponential"
    ):
        net.drive(exact, nd.OrnsteinUhlenbeck())
    with pytest.raises(
        ParameterError, match=r"OrnsteinUhlenbeck.sigma must be a number or have one value for each of 3"
    ):
        net.drive(stepped, nd.OrnsteinUhlenbeck(sigma=[1.0, 2.0]))
    with pytest.raises(ParameterError, match=r"OrnsteinUhlenbeck.tau must be > 0"):
        nd.OrnsteinUhlenbeck(tau=0.0)
    with pytest.raises(ParameterError, match=r"Negative onto 'stepped'\.noise must give mean, sigma >= 0"):
        net.drive(stepped, Negative())
    net.drive(stepped, nd.OrnsteinUhlenbeck(), cells=[0, 1])
    assert [x for x in approximations(net, 1.0, 1.0) if "held at its exact values for 0.2 ms" in x]
    net.drive(stepped, nd.OrnsteinUhlenbeck(), cells=[2, 1])
    with pytest.raises(BuildError, match="cell 1 has a noisy current already"):
        Simulator(net)
