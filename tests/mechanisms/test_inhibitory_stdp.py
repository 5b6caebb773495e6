"""Inhibitory STDP: single pairs, mean drift, brute force, and a neuron held at its rate."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from neurodev.mechanisms.inhibitory_stdp import InhibitorySTDP, drift, window
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.signals.trace import trace_at
from neurodev.structure.table import Table
from tests.mechanisms.drivers import Trains, World, few, pairs_table, poisson, star


def inhibitory(n_source: int, n_target: int, weight: float, delays: list[float]) -> Table:
    t = pairs_table(n_source, n_target, delays, ())
    t.weight[:] = -weight
    return t


@pytest.mark.parametrize("lag", [-30.0, -3.0, 5.0, 40.0])
def test_one_pair(lag: float) -> None:
    m = InhibitorySTDP(rate=0.01)
    t = inhibitory(1, 1, 2.0, [0.0])
    Trains(m, t).run([np.array([100.0])], [np.array([100.0 + lag])])
    change = (-float(t.weight[t.slots()[0]]) - 2.0) / m.weight_max
    assert change == pytest.approx(float(window(m, lag)), abs=2e-7)


def test_weights_follow_the_events_one_by_one() -> None:
    m, delays = InhibitorySTDP(rate=0.02, weight_max=1.0, tau=15.0), [0.0, 1.5]
    draw = np.random.default_rng(4)
    emissions = [np.sort(draw.uniform(0, 500, 30)) for _ in range(2)]
    spikes = [np.sort(draw.uniform(0, 500, 25)) for _ in range(3)]
    t = inhibitory(2, 3, 0.003, delays)
    Trains(m, t, 3.0).run(emissions, spikes)
    bounds = 0
    for s in t.slots():
        row, j = int(t.row[s]), int(t.post[s])
        arrivals = emissions[row % 2] + delays[row // 2]
        y, x = trace_at(spikes[j], arrivals, 15.0), trace_at(arrivals, np.nextafter(spikes[j], np.inf), 15.0)
        events = [(a, 0, 0.02 * (v - m.loss)) for a, v in zip(arrivals, y, strict=True)]
        events += [(b, 1, 0.02 * v) for b, v in zip(spikes[j], x, strict=True)]
        w = 0.003
        for _, _, dw in sorted(events):
            bounds += not 0.0 <= w + dw <= 1.0
            w = min(max(w + dw, 0.0), 1.0)
        assert -t.weight[s] == pytest.approx(w, abs=3e-6)
    assert bounds > 0


@pytest.mark.parametrize("post_hz", [5.0, 8.0, 20.0])
def test_mean_drift_vanishes_at_the_target_rate(post_hz: float) -> None:
    """Closed form 2 eta tau r_pre (r_post - rho0), zero at rho0; 4 SE over independent pairs of trains."""
    m = InhibitorySTDP(target_hz=8.0, rate=1e-5, weight_max=1.0)
    n, duration, draw = few(300, 20), 20_000.0, np.random.default_rng(int(post_hz))
    change = []
    for _ in range(n):
        t = inhibitory(1, 1, 0.5, [0.0])
        Trains(m, t).run([poisson(12.0, duration, draw)], [poisson(post_hz, duration, draw)])
        change.append(-float(t.weight[t.slots()[0]]) - 0.5)
    expected = float(drift(m, 12.0, post_hz)) * duration / 1e3
    assert abs(np.mean(change) - expected) < 4 * np.std(change) / np.sqrt(n)
    if post_hz == 8.0:
        assert expected == 0.0


def held_rates(extra: float, n_gaba: int, weight_max: float) -> np.ndarray:
    """Rates (Hz) of some neurons in the last minute, after inhibition has learned for forty seconds."""
    import neurodev as nd

    net = nd.Network(seed=5)
    exc = net.add(nd.LIF(tau=20.0, threshold=20.0, drive=16.0 + extra), few(20, 3))
    inh = net.add(nd.Poisson(rate_hz=10.0), n_gaba, name="gaba", inhibitory=True)
    net.background(exc, nd.Background(rate_hz=200.0, weight=1.0))
    q = net.connect(inh, exc, nd.AllToAll(), weight=0.025 * weight_max, delay=1.0)
    q.use(nd.InhibitorySTDP(target_hz=6.0, rate=1e-2, weight_max=weight_max))
    sim = Simulator(net, acceleration=1.0, tick=20_000.0)
    sim.run_until_spike(40_000.0)
    counts: list[np.ndarray] = []

    class Listener:
        def on_tick(self, simulator, report):
            counts.append(report.counts["exc"])

    sim.listeners.append(Listener())
    sim.run_until_spike(100_000.0)
    return np.sum(counts, axis=0) / 60.0


@pytest.mark.skipif(not jit.ENABLED, reason="ten million events")
def test_a_neuron_is_held_at_its_rate() -> None:
    """Closed loop in the engine: twice the excitation, and the same rate after learning.

    At the fixed point ``r_post (1 + c) = 2 rho0``, c being the density of arrivals before a spike over their mean.  An
    arrival of weight w makes a spike less likely, so 1 - c grows with w: many weak synapses hold rho0 (1 +- 4 SE, and
    2 % for the depletion by weights near .1 mV), few strong ones hold a rate above it.
    """
    for extra in (0.0, 6.0):
        r = held_rates(extra, 400, 0.2)
        # Poisson at most: 60 s of spikes a cell
        assert abs(r.mean() - 6.0) < 4 * np.sqrt(6.0 / 60.0 / r.size) + 0.02 * 6.0
    assert 6.3 < held_rates(6.0, 40, 2.0).mean() < 7.5


def test_off_and_refusals() -> None:
    assert InhibitorySTDP(rate=0.0).hot(frozenset()) is None
    with pytest.raises(BuildError, match="excitatory"):
        World((InhibitorySTDP(),), star(2, 1, columns=()))
    with pytest.raises(BuildError, match="no spines"):
        World((SpineSize(), InhibitorySTDP()), star(2))
