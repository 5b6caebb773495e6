"""Exponential conductances: Brette's closed form, an integration, and time constants beyond it."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gamma, gammainc

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.neurons.conductance import above_rest, first_crossing
from tests.neurons.independent import Cell, driven, integrate, naive, spikes_of, trains

ARRIVALS = [(2.0, 6.0), (3.5, 12.0), (6.0, -20.0), (8.0, 40.0), (8.0, 16.0), (21.0, 50.0), (22.5, 90.0), (30.0, -67.0)]


def equations(p):
    """V and both conductances (nS)."""
    r = 0.0 if np.isinf(p.tau) else 1.0 / p.tau

    def flow(t, x):
        v, e, i = x
        pull = e * (p.reversal_excitatory - v) + i * (p.reversal_inhibitory - v)
        return np.array([
            r * (p.rest + p.drive - v) + pull / p.capacitance, -e / p.tau_excitatory, -i / p.tau_inhibitory
        ])  # fmt: skip

    def jump(x, w, held):
        return x + np.array([0.0, max(w, 0.0), max(-w, 0.0)])

    return Cell(
        [p.rest if p.initial is None else p.initial, p.initial_excitatory, p.initial_inhibitory], flow, jump,
        lambda x: x[0] - p.threshold, lambda x: [p.reset, *x[1:]], p.refractory,
    )  # fmt: skip


CASES = [
    dict(tau_excitatory=5.0, tau_inhibitory=5.0),
    dict(tau_excitatory=5.0, tau_inhibitory=10.0, initial_excitatory=12.0),
    dict(tau_excitatory=30.0, tau_inhibitory=3.0),  # slower than the membrane
    dict(tau_excitatory=20.0, tau_inhibitory=20.0, drive=12.0),
    dict(tau=float("inf"), tau_excitatory=2.0, tau_inhibitory=4.0, refractory=0.0),
    dict(tau=2.0, tau_excitatory=1.5, tau_inhibitory=90.0, drive=9.9),
]


@pytest.mark.parametrize("given", CASES)
def test_against_an_integration_and_steps(given):
    """Spike times to 1e-9 ms and potentials to 1e-9 mV; the naive twin comes as near as its steps allow."""
    model = nd.ConductanceLIF(**dict(refractory=2.0, reset=-58.0) | given)
    found, v = spikes_of(model, ARRIVALS, 45.0)
    expected, end = integrate(equations(model), ARRIVALS, 45.0)
    assert expected.size >= 2
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(v, end[0], rtol=0, atol=1e-9)
    near, _ = naive(equations(model), ARRIVALS, 45.0)
    np.testing.assert_allclose(near[:4], expected[:4], atol=0.01)


def brette(t, v0, g0, ts, e):
    """V at `t` by incomplete gamma functions; time in membrane time constants, V from rest (EX-32)."""
    h0 = ts * g0
    h = h0 * np.exp(-t / ts)
    part = gamma(1 - ts) * (gammainc(1 - ts, h0) - gammainc(1 - ts, h))
    return np.exp(-t + h) * (v0 * np.exp(-h0) + e * h0**ts * part)


def test_the_closed_form_of_brette():
    """EX-32: V and the crossing of the reference; and the closed form at random states, to rounding."""
    c = np.array([1.0, 0.0, 20.0, 0.0, 1.0, 4.0, 4.0, 74.0, -10.0])
    np.testing.assert_allclose(above_rest(5.0, np.array([2.0, 0.0]), c, 0.7), 19.107937543435, rtol=0, atol=1e-11)
    np.testing.assert_allclose(first_crossing(5.0, np.array([2.0, 0.0]), c, 3.0), 0.23399449963205882, rtol=1e-12)
    np.testing.assert_allclose(above_rest(5.0, np.array([2.0, 0.0]), c, 0.42159974), 21.51693062, rtol=0, atol=1e-8)
    draw = np.random.default_rng(1)
    for _ in range(300):
        ts, t = draw.uniform(0.05, 0.9), 10 ** draw.uniform(-5, 0.5)
        e, v0 = draw.uniform(-20, 80), draw.uniform(-5, 20)
        ge, gi = draw.uniform(0, 1, 2) / ts  # more, and the closed form cancels, not ours
        c = np.array([1.0, 0.0, 20.0, 0.0, 1.0, 1 / ts, 1 / ts, e, -10.0])
        both = (ge * e - gi * 10.0) / (ge + gi)  # Brette's effective reversal potential, constant for equal ts
        expected = brette(t, v0, ge + gi, ts, both)
        np.testing.assert_allclose(above_rest(v0, np.array([ge, gi]), c, t), expected, rtol=0, atol=2e-12)


@pytest.mark.compiled
def test_random_states_against_a_dense_search():
    """The verdict and the time of a dense grid, for equal and unequal time constants."""
    draw, fired, twice = np.random.default_rng(2), 0, 0
    grid = np.linspace(0.0, 12.0, 601)
    for _ in range(150):
        c = np.array([0.05, 0.0, 10.0, 0.0, 1.0, 1 / draw.uniform(0.5, 8), 1 / draw.uniform(0.5, 8), 60.0, -20.0])
        y, g = draw.uniform(-5, 9.9), draw.uniform(0, 1.5, 2) * np.array([0.5, 2.0])
        v = np.array([above_rest(y, g, c, s) for s in grid])
        got, above = first_crossing(y, g, c, 12.0), np.flatnonzero(v >= 10.0)
        fired += above.size > 0
        twice += above.size > 0 and v[1] < v[0]  # falls before it rises
        if above.size:
            at = brentq(lambda s, y=y, g=g, c=c: above_rest(y, g, c, s) - 10.0, grid[above[0] - 1], grid[above[0]])
            assert got == pytest.approx(at, abs=1e-9) or 0 <= got < at
        else:
            assert got < 0 or 10.0 - v.max() < 1e-3
    assert fired > 20 and twice > 2


def test_splitting_changes_nothing():
    """Inputs of no weight in between change the last digits at most."""
    model = nd.ConductanceLIF()
    a, va = spikes_of(model, ARRIVALS, 40.0)
    b, vb = spikes_of(model, [*ARRIVALS, *((t, 1e-300) for t in np.arange(2.01, 36.0, 0.37))], 40.0)
    np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(va, vb, rtol=1e-12)


def test_extremes_neither_hang_nor_overflow():
    """Conductances without measure pull V to their reversal potential; an infinite threshold is never crossed."""
    model = nd.ConductanceLIF(threshold=[float("inf"), -50.0], tau_excitatory=[0.01, 5.0])
    sim = driven(model, [(2.0, 1e9), (30.0, 1.0)], n=2)
    found = trains(sim)
    sim.run_until_spike(2.001)
    np.testing.assert_allclose(sim.engine.potential("cells")[0], 0.0, atol=1e-6)
    sim.run_until_spike(60.0)
    assert {i for _, _, i in found} == {1} and np.isfinite(sim.engine.potential("cells")).all()
    with pytest.raises(ParameterError, match="ConductanceLIF.tau_inhibitory"):
        nd.ConductanceLIF(tau_inhibitory=0.001)
    with pytest.raises(ParameterError, match="ConductanceLIF.initial must be below"):
        nd.ConductanceLIF(initial=0.0)
