"""Growth driven by spikes through the engine, at acceleration 1 unless said."""

from __future__ import annotations

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.growth_curves import mean_growth
from neurodev.signals.calcium import calcium_at
from tests.mechanisms.drivers import few

POISSON = nd.LIF(tau=20.0, threshold=20.0, refractory=0.0)  # every input of 25 mV is a spike


def firing(n: int, rate_hz: float, growth: nd.Growth, tick: float, **options) -> Simulator:
    """Poisson neurons with elements."""
    net = nd.Network(seed=options.pop("seed", 5))
    p = net.add(POISSON, n, name="cells")
    if rate_hz > 0:
        net.background(p, nd.Background(rate_hz=rate_hz, weight=25.0))
    p.use(growth)
    return Simulator(net, tick=tick, **{"acceleration": 1.0} | options)


def test_equals_forward_euler_on_the_same_train() -> None:
    """EX-10: within 1e-3 elements of Euler steps of 0.1 ms after 200 s, for every curve; calcium equals its twin."""
    seconds = few(200, 10)
    curves = {"a": nd.GaussianGrowth(), "b": nd.LinearGrowth(), "c": nd.SigmoidGrowth(psi=0.02)}
    sim = firing(3, 5.0, nd.Growth(curves, start=1.0), tick=1000.0)
    train: list[tuple[np.ndarray, np.ndarray]] = []
    sim.engine.sink = lambda epoch, t, p, i: train.append((epoch + t, i.copy()))
    sim.engine.record_trains(0, True)
    sim.run_until_spike(seconds * 1e3)
    b = sim.blocks["cells"]
    times, index = (np.concatenate(x) for x in zip(*train, strict=True))
    h, n = 0.1, round(seconds * 1e4)
    decay = np.exp(-h * np.arange(n) / 1e4)
    for j in range(3):
        mine = times[index == j]
        assert np.isclose(b["calcium"][j], calcium_at(mine, seconds * 1e3, 1e4, 1e-3)[0], rtol=1e-10)
        # Euler in z with calcium exact at the grid points: sum of exponentials from the spikes before each
        jumps = np.bincount(np.floor(mine / h).astype(int) + 1, minlength=n + 1)[:n] * 1e-3
        calcium = np.cumsum(jumps / decay) * decay
        for kind, curve in curves.items():
            euler = 1.0 + h * float(np.sum(curve(calcium)))
            assert abs(b[f"elements_{kind}"][j] - euler) < 1e-3


def test_growth_at_the_target_rate_is_that_of_shot_noise() -> None:
    """EX-7 (4 SE): Poisson firing at 5 Hz grows elements at +0.00999 nu.

    The linear curve on the same spikes measures the mean calcium; its slope at the set-point times the error of that
    mean is taken off (a control variate of mean zero), which leaves the curvature alone.
    """
    n, seconds = few(400, 20), few(500, 30)
    g, line = nd.GaussianGrowth(), nd.LinearGrowth()
    sim = firing(n, 5.0, nd.Growth({"bell": g, "line": line}, start=1000.0, calcium=0.05), tick=5000.0)
    sim.run_until_spike(50e3)  # five time constants
    before = {k: sim.blocks["cells"][f"elements_{k}"].copy() for k in ("bell", "line")}
    sim.run_until_spike((50 + seconds) * 1e3)
    grown = {k: (sim.blocks["cells"][f"elements_{k}"] - before[k]) / (g.nu * seconds * 1e3) for k in before}
    slope = -4 * np.log(2) / 0.05 * -0.05  # growth of the bell per growth of the line
    value = grown["bell"] - slope * grown["line"]
    error = value.std(ddof=1) / np.sqrt(n)
    assert abs(value.mean() - mean_growth(g, 5.0, 1e4, 1e-3) / g.nu) < 4 * error
    if n == 400:
        assert error < 1e-3 and value.mean() > 4 * error  # enough to tell it from zero


def test_the_loop_settles_on_its_own_rate() -> None:
    """EX-8 and EX-6: elements that drive Poisson firing come to rest at 5.00-5.04 Hz; linear: mean calcium epsilon."""
    n, seconds = few(400, 10), few(400, 20)
    for curve, goal in ((nd.GaussianGrowth(nu=2e-4), 5.01892), (nd.LinearGrowth(nu=2e-4), 5.0)):
        sim = firing(n, 5.0, nd.Growth({"z": curve}, start=5.0, calcium=0.05), tick=1000.0)
        z = sim.blocks["cells"]["elements_z"]
        spikes, calcium = [], []
        for k in range(seconds):
            sim.engine.set_background_rate(0, float(z.mean()))  # 1 Hz an element
            sim.run_until_spike((k + 1) * 1e3)
            spikes.append(sim.blocks["cells"]["rate_hz"].mean())
            calcium.append(sim.blocks["cells"]["calcium"].mean())
        late = slice(seconds // 4, None)
        error = np.sqrt(5.0 / (n * 1e3 * len(spikes[late]) / 1e3))
        assert abs(np.mean(spikes[late]) - goal) < 4 * error
        if n == 400 and isinstance(curve, nd.GaussianGrowth):
            assert 5.00 < np.mean(spikes[late]) < 5.04
        if isinstance(curve, nd.LinearGrowth):
            assert np.isclose(np.mean(calcium[late]), 0.05, rtol=0.01)


def test_silence_below_eta_is_final() -> None:
    """EX-11: with eta > 0 elements shrink to 0 and stay there; with eta <= 0 they grow without activity."""
    curves = {"high": nd.GaussianGrowth(eta=0.01), "low": nd.GaussianGrowth(eta=-0.01), "even": nd.GaussianGrowth()}
    sim = firing(2, 0.0, nd.Growth(curves, start=1.0), tick=1000.0)
    sim.run_until_spike(2e5)
    b = sim.blocks["cells"]
    assert np.all(b["elements_high"] == 0.0) and np.all(b["elements_low"] > 1.0)
    assert np.allclose(b["elements_even"], 1.0, atol=1e-12)


def test_acceleration_stretches_elements_not_calcium() -> None:
    """At acceleration a the same spikes grow a times the elements."""
    growth = nd.Growth({"z": nd.LinearGrowth()}, start=1.0)
    one = firing(3, 4.0, growth, tick=1000.0)
    ten = firing(3, 4.0, nd.Growth({"z": nd.LinearGrowth(nu=1e-5)}, start=1.0), tick=1e4, acceleration=10.0)
    one.run_until_spike(2e4)
    ten.run_until_spike(2e4)
    a, b = one.blocks["cells"], ten.blocks["cells"]
    assert np.array_equal(a["calcium"], b["calcium"])
    assert np.allclose(a["elements_z"], b["elements_z"], rtol=1e-12)


def test_ticks_do_not_change_growth() -> None:
    """Calcium and elements are the same for ticks of 0.25 s and 1 s (growth is exact between them)."""
    a, b = (firing(4, 5.0, nd.Growth(start=2.0), tick=t) for t in (250.0, 1000.0))
    for sim in (a, b):
        sim.run_until_spike(2e4)
    x, y = a.blocks["cells"], b.blocks["cells"]
    assert np.allclose(x["calcium"], y["calcium"], rtol=1e-12)
    assert np.allclose(x["elements_axonal"], y["elements_axonal"], rtol=1e-12)


def test_late_starts_and_long_epochs_change_nothing() -> None:
    """A run that begins at another spike time has the same calcium: times are counted from its start."""
    sims = [firing(3, 5.0, nd.Growth(start=2.0), tick=1000.0, start=s) for s in (0.0, 3e7)]
    for sim in sims:
        sim.run_until_spike(3e4)  # several epochs of the engine
        assert sim.engine.epoch_start - sim.start > 8192
        b = sim.blocks["cells"]
        assert np.all(b["calcium_time"] == 3e4) and np.all(b["calcium"] > 0)


def test_vacant_elements_decay_and_blocking_stops_growth() -> None:
    """Whole vacant elements decay with `vacancy_tau`; a blocked Growth neither grows nor catches up."""
    sim = firing(2, 0.0, nd.Growth({"z": nd.LinearGrowth(nu=0.0)}, start=10.0, vacancy_tau=1e4), tick=1000.0)
    sim.run_until_spike(1000.0)
    assert np.allclose(sim.blocks["cells"]["elements_z"], 10.0 * np.exp(-0.1))
    sim = firing(2, 0.0, nd.Growth({"z": nd.LinearGrowth()}, start=1.0), tick=1000.0)
    sim.blocked.add(("cells", "Growth"))
    sim.run_until_spike(5000.0)
    sim.blocked.clear()
    sim.run_until_spike(6000.0)  # the tick of the release is dropped
    assert np.allclose(sim.blocks["cells"]["elements_z"], 1.0)
    sim.run_until_spike(7000.0)
    assert np.allclose(sim.blocks["cells"]["elements_z"], 1.1)


def test_what_is_refused() -> None:
    """Ticks in which more than an element could grow, empty tables, a second owner of calcium."""
    with pytest.raises(BuildError, match="too coarse for Growth"):
        firing(2, 1.0, nd.Growth(), tick=2e4)
    with pytest.raises(ParameterError, match="must map kinds to curves"):
        nd.Growth({})
    with pytest.raises(ParameterError, match="must be LinearGrowth"):
        nd.Growth({"axonal": 3.0})
    net = nd.Network()
    p = net.add(POISSON, 2)
    with pytest.raises(BuildError, match="two owners"):
        p.use(nd.Growth(), nd.Growth())
