"""The biology of spines that no other file tests: detection, fluctuation, silence, weights, pruning.

Elsewhere: BIO-1, 2, 7 to 12, 21, 23, 26 in tests/test_presets.py; under tests/mechanisms BIO-3, 4 in test_spine_shape,
BIO-18 in test_early_phase, BIO-19 in test_neighbours, BIO-20 in test_spine_stage, BIO-23 to 25 in test_neuron_fate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

import neurodev as nd
from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.mechanisms.spine_size import change_sd
from neurodev.mechanisms.turnover import birth_death_mean
from neurodev.metrics import sizes, topology
from neurodev.structure.log import DEATH
from neurodev.structure.table import Table
from neurodev.units import day, second
from tests.mechanisms.drivers import World, few, star

MATURE = nd.SpineSize(sd=1.0, tau=20 * day, death="none", minimum=-50.0, newborn=-1.0, first=0.0)


def test_density_rises_as_the_detection_limit_falls() -> None:
    """BIO-5 (P): what electron microscopy sees and two photons miss, against the log-normal's closed form."""
    n = few(5000, 1000)
    w = World((MATURE,), star(n))
    limits = np.array([0.3, 0.1, 0.05, 0.02, 0.01])  # um3
    seen = sizes.number_above(0.05 * np.exp(w.of("log_size")), limits)
    p = 1.0 - ndtr(np.log(limits / 0.05))
    assert np.all(np.diff(seen) > 0)
    assert np.all(np.abs(seen / n - p) < 4 * np.sqrt(p * (1 - p) / n))


def test_change_grows_with_size() -> None:
    """BIO-13 (P): sd(dV in a day | V) rises in proportion to V; its ratio to V is that of EX-38."""
    n = few(20_000, 4000)
    w = World((MATURE,), star(n), tick=day)
    before = w.of("log_size").copy()
    w.step()
    after = w.of("log_size")
    order = np.argsort(before)
    groups = np.array_split(order, 10)
    v = np.array([np.mean(np.exp(before[g])) for g in groups])
    spread = np.array([np.std(np.exp(after[g]) - np.exp(before[g])) for g in groups])
    slope, intercept = np.polyfit(v, spread, 1)
    assert slope > 0 and abs(intercept) < 0.1 * spread.mean()
    s = float(change_sd(1.0, 1.0, 20.0))
    middle = groups[4]  # there the pull to the mean is nothing, and dV/V = exp(dx) - 1 with dx of spread s
    ratio = np.std(np.expm1(after[middle] - before[middle]))
    assert ratio == pytest.approx(s, rel=4 / np.sqrt(2 * middle.size) + s**2)


def test_silence_shifts_and_widens_without_a_change_of_shape() -> None:
    """BIO-14 (Q): by parameters (slower, weaker pull to a higher set-point); no mechanism couples them to spikes yet.

    Hazan & Ziv 2020: larger mean, broader, smaller fluctuations, the same shape after scaling by the mean.
    """
    active = nd.SpineSize(death="none", minimum=-50.0, newborn=-1.0, first=0.0)
    # the diffusion sd^2 / tau falls by a third while the spread rises: the pull weakens by more
    silent = replace(active, mean=0.25, first=0.25, sd=active.sd * 1.08, tau=active.tau * 1.8)
    n = few(20_000, 4000)
    v = [np.exp(World((m,), star(n), seed=k).of("log_size")) for k, m in enumerate((active, silent))]
    change = [float(change_sd(1.0, m.sd, m.tau / day)) for m in (active, silent)]
    cv = [x.std() / x.mean() for x in v]
    assert v[1].mean() > v[0].mean() and cv[1] > cv[0] and change[1] < change[0]
    assert sizes.kolmogorov_smirnov(v[0] / v[0].mean(), v[1] / v[1].mean()).distance < 0.05


def test_sizes_fluctuate_without_a_single_spike() -> None:
    """BIO-15 (Q): with a learning rule at hand but no spikes, as much as the closed form says."""
    n = few(5000, 1000)
    size = nd.SpineSize(death="none", first=0.0)
    w = World((nd.STDP("burst"), size), star(n))
    first = w.of("log_size").copy()
    w.step(12)
    expected = float(change_sd(1.0, size.sd, size.tau / day))
    # the first sizes are cut a little above the minimum: two per cent of the spread
    assert np.std(w.of("log_size") - first) == pytest.approx(expected, rel=0.03 + 4 / np.sqrt(2 * n))


def test_weight_is_linear_in_the_area_of_the_density() -> None:
    """BIO-17 (P): R^2 of weight on size (area and volume are proportional: Holler 2021) at least .9."""
    w = World((MATURE,), star(few(5000, 1000)))
    v = 0.05 * np.exp(w.of("log_size"))
    weight = np.maximum(0.0, v - 0.05 * np.exp(-1.6))
    assert sizes.correlation(v, weight) ** 2 > 0.9
    assert np.mean(weight == 0.0) == pytest.approx(ndtr(-1.6), abs=0.02)


@pytest.mark.skipif(not jit.ENABLED, reason="an engine run")
def test_weights_are_read_off_sizes_after_every_structural_event() -> None:
    """BIO-16 (G): recomputed from size, stage, early phase and scaling, to 1e-13, at every tick."""
    net = nd.Network(seed=2)
    pre = net.add(nd.Poisson(rate_hz=15.0), 60, name="pre")
    exc = net.add(nd.LIF(drive=15.0), 20)
    q = net.connect(pre, exc, nd.Degree(inputs=10), spines=nd.Spines(weight=2.0), delay=1.0)
    q.use(nd.STDP(), nd.SpineSize(), nd.EarlyPhase(), nd.SpineStage(late=3.0, conversion=2.0, hazard=0.2))
    exc.use(nd.Scaling(target_hz=2.0))
    sim = Simulator(net, acceleration=720.0, tick=7.2e6)
    seen = {"born": 0, "died": 0, "filopodia": 0}

    class Listener:
        def on_tick(self, simulator, report):
            t = simulator.tables[q.name]
            s = t.slots()
            v = 0.05 * np.exp(t.column("log_size")[s])
            scale = np.exp(simulator.blocks["exc"]["scaling"])[t.post[s]]
            on = t.column("stage")[s] > 0
            expected = 40.0 * np.maximum(0.0, v - 0.05 * np.exp(-1.6)) * scale * (1.0 + t.column("early")[s]) * on
            np.testing.assert_allclose(t.weight[s], expected, rtol=1e-13)
            seen["born"] += report.applied[q.name].n_born
            seen["died"] += report.applied[q.name].n_died
            seen["filopodia"] += int((~on).sum())

    sim.listeners.append(Listener())
    sim.run_until_spike(300 * second)
    sim.verify()
    assert min(seen.values()) > 20, seen


def test_loss_slows_after_the_peak() -> None:
    """BIO-22 (Q): deaths per day fall after the peak of EX-34, in the closed form strictly, in a run within 4 SE."""
    rule = nd.Turnover(early=0.203764, late=0.03, early_tau=10 * day, hazard=0.03)
    days = np.arange(24.0, 200.0)
    assert np.all(np.diff(rule.hazard * birth_death_mean(days, rule)) < 0)
    n = few(4000, 400)
    none = np.zeros(0, dtype=np.int64)
    table = Table.build(50, n, [1.0], none, none, none, 1.0, columns=("size",))
    w = World((rule,), table, tick=day, options=dict(multapses=True))
    w.step(160)
    log = w.events()
    per_window = np.bincount(log.tick[log.kind == DEATH] // 20, minlength=8)[2:8].astype(float)
    assert per_window[0] > per_window[-1] + 4 * np.sqrt(per_window[0] + per_window[-1])
    assert np.all(np.diff(per_window) < 4 * np.sqrt(per_window[1:] + per_window[:-1]))


def test_contacts_per_connected_pair() -> None:
    """BIO-6 (P): of connected pairs .85 to .93 have one contact (mouse L2/3: 89.1, 9.2, 1.4 %)."""
    net = nd.Network(seed=4)
    exc = net.add(nd.LIF(), 400)
    q = net.connect(exc, exc, nd.Contacts(nd.Degree(inputs=8)), weight=1.0, multapses=True)
    pre, post = q.wiring.draw(exc.positions, exc.positions, np.random.default_rng(3), True, True)
    number = topology.contacts_per_pair(pre, post, 400)[1:4] / (400 * 8)
    assert 0.85 < number[0] < 0.93
    for found, p in zip(number, (0.891, 0.0922, 0.0138), strict=True):
        assert abs(found - p) < 4 * np.sqrt(p * (1 - p) / 3200) + 0.006  # one parameter for the whole law
    assert nd.Network.describe(net)["projections"][0]["wiring"]["wiring"]["kind"] == "Degree"
    with pytest.raises(ParameterError, match="multapses=True"):
        q.wiring.draw(exc.positions, exc.positions, np.random.default_rng(3), True, False)
    assert np.all(pre != post) and pre.size == pytest.approx(3200 * q.wiring.mean_contacts(), rel=0.03)
