"""Mean drifts of STDP under independent Poisson trains (EX-46 to EX-48), and stationary weights (EX-50 to EX-53)."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.jit import kernel
from neurodev.mechanisms.hooks import HARD, MULTIPLICATIVE, bounded
from neurodev.mechanisms.stdp import (
    STDP,
    clipped_walk,
    drift,
    feedback_density,
    multiplicative_moments,
    power_law_fixed_point,
    threshold_hz,
)  # fmt: skip
from neurodev.rng import key, uniform
from tests.mechanisms.drivers import Trains, few, pairs_table, poisson

WARM = 3e3  # ms after which all traces have forgotten that they started at rest


def measure(m: STDP, pre_hz: float, post_hz: float, n: int, windows: int, seconds: float) -> tuple[float, float]:
    """Mean drift (per second) and its standard error, from independent windows over n x n synapses."""
    draw, values = np.random.default_rng(11), []
    for _ in range(windows):
        table = pairs_table(n, n, [1.5])
        d = Trains(m, table)
        # the last arrivals of the warm-up come before the window begins
        d.run(*([poisson(r, WARM - 2.0, draw) for _ in range(n)] for r in (pre_hz, post_hz)))
        table.column("accumulator")[:] = 0.0
        d.run(*([WARM + poisson(r, seconds * 1e3, draw) for _ in range(n)] for r in (pre_hz, post_hz)))
        values.append(table.column("accumulator")[table.slots()].mean() / seconds)
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(windows))


def agrees(m: STDP, pre_hz: float, post_hz: float, at_most: float) -> None:
    """Within 4 standard errors, and with a standard error that makes this a test."""
    mean, error = measure(m, pre_hz, post_hz, few(20, 2), 24, few(100, 15))
    assert abs(mean - drift(m, pre_hz, post_hz)) < 4 * error
    assert error < few(1, 12) * at_most


def test_pair() -> None:  # EX-46
    assert drift(STDP("pair"), 10, 10) == pytest.approx(-5.0e-4, rel=1e-12)
    agrees(STDP("pair"), 10, 10, 2e-4)
    agrees(STDP("pair", depression=0.0), 10, 20, 1e-3)
    agrees(STDP("pair", potentiation=0.0), 10, 20, 1e-3)


def test_nearest() -> None:  # EX-47
    assert drift(STDP("nearest"), 10, 20) == pytest.approx(1.6667e-3, rel=1e-4)
    agrees(STDP("nearest"), 10, 20, 3e-4)


def test_triplet() -> None:  # EX-48, EX-48b
    m = STDP("triplet")
    assert drift(m, 10, 20) == pytest.approx(3.3343e-3, rel=1e-4)
    assert drift(m, 10, 40) == pytest.approx(0.110829, rel=1e-5)
    agrees(m, 10, 20, 2e-3)
    agrees(m, 10, 40, 8e-3)


def test_threshold_of_the_triplet_rule() -> None:  # EX-48c
    for pre, expected in ((5, 18.4189), (10, 18.7195), (20, 19.3208)):
        assert threshold_hz(STDP("triplet"), pre) == pytest.approx(expected, abs=1e-4)
        assert drift(STDP("triplet"), pre, threshold_hz(STDP("triplet"), pre)) == pytest.approx(0.0, abs=1e-15)
    minimal = STDP(
        "triplet", potentiation=0.0, depression=7.1e-3, triplet_potentiation=6.5e-3, triplet_depression=0.0, tau_y=114.0
    )
    assert threshold_hz(minimal, 10) == pytest.approx(19.2203, abs=1e-4)


def test_burst() -> None:
    m = STDP("burst", burst_loss=0.0)
    assert drift(m, 5, 3) == pytest.approx(2 * 5e-3 * 3e-3 * 400 * 1e3)
    agrees(m, 5, 3, 0.8)
    lossy = STDP("burst", burst_loss=2.0)
    assert drift(lossy, 5, 3) == pytest.approx(12.0 - 2.0 * 8.0)
    agrees(lossy, 5, 3, 0.8)


def test_equal_bursts_at_independent_times_do_not_drift() -> None:
    """B = C = A tau r D / P: with this loss, one burst a period on both sides gives no mean drift."""
    m = STDP("burst")
    rate = m.reference_hz * m.reference_burst / m.period
    assert drift(m, rate, rate) == pytest.approx(0.0, abs=1e-15)
    assert m.value("burst_loss") == pytest.approx(0.1667, abs=1e-4)


@kernel
def walk(stream, start, steps, up, down, p_up, limit, kind, power, out):  # type: ignore[no-untyped-def]
    w = start
    for k in range(steps):
        u = uniform(stream, np.uint64(k), np.uint64(0))
        if u < p_up:
            w = bounded(w, up, limit, kind, power)
        else:
            w = bounded(w, -down, limit, kind, power)
        out[k] = w


def batches(values: np.ndarray, n: int) -> tuple[float, float]:
    """Mean and standard error by batch means."""
    means = values[: values.size // n * n].reshape(n, -1).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(n))


def test_additive_steps_with_hard_bounds() -> None:  # EX-50
    law = clipped_walk(0.48, 50)
    assert (law * np.arange(51)).sum() == pytest.approx(11.1248, abs=1e-4)
    out = np.empty(few(4_000_000, 40_000))
    walk(key(1, "walk"), 0.2, out.size, 0.02, 0.02, 0.48, 1.0, HARD, 1.0, out)
    level = np.rint(out * 50)
    mean, error = batches(level, 40)
    assert abs(mean - (law * np.arange(51)).sum()) < 4 * error
    assert error < few(1, 10) * 0.3
    share, error = batches((level == 0).astype(float), 40)
    assert abs(share - law[0]) < 4 * error


@kernel
def feedback_walk(stream, steps, slope, loss, step, out):  # type: ignore[no-untyped-def]
    w = 0.5
    for k in range(steps):
        p = 0.5 + 0.5 * (slope * w - loss) / step
        dw = step if uniform(stream, np.uint64(k), np.uint64(0)) < p else -step
        w = bounded(w, dw, 1.0, HARD, 1.0)
        out[k] = w


def test_additive_feedback_is_bimodal() -> None:  # EX-51
    w = np.linspace(0, 1, 11)
    density = feedback_density(w, 0.008, 0.004, 0.0004)
    assert density[5] == density.min() and density[0] == pytest.approx(density[-1])
    out = np.empty(few(4_000_000, 100_000))
    feedback_walk(key(2, "feedback"), out.size, 0.008, 0.004, 0.02, out)  # variance a step 4e-4 = D
    thirds = [np.mean((out >= a) & (out < a + 0.334)) for a in (0.0, 0.333, 0.666)]
    assert thirds[1] < 0.5 * max(thirds[0], thirds[2])
    if out.size > 1e6:
        assert thirds[1] < 0.5 * min(thirds[0], thirds[2])


def test_multiplicative_depression() -> None:  # EX-42, EX-52
    assert multiplicative_moments(0.01, 0.02, 0.5, 0.5) == pytest.approx((0.5, 0.07106691, 0.28426), rel=1e-4)
    assert multiplicative_moments(0.05, 0.1, 0.5, 0.5)[1:] == pytest.approx((0.16222142, 0.64829), rel=1e-4)
    out = np.empty(few(4_000_000, 60_000))
    walk(key(3, "kesten"), 5.0, out.size, 0.001, 0.02, 0.5, 10.0, MULTIPLICATIVE, 1.0, out)
    for values, expected in ((out, 0.5), ((out - 0.5) ** 2, 0.07106691**2)):
        mean, error = batches(values[few(20_000, 1000) :], 30)
        assert abs(mean - expected) < 4 * error


def test_power_law_settles_at_its_fixed_point() -> None:  # EX-53
    assert power_law_fixed_point(1.05, 1.0) == pytest.approx(0.48780, abs=1e-5)
    m = STDP("pair", potentiation=0.01, depression=0.0105, bounds="power", power=1.0)
    n, draw = few(16, 3), np.random.default_rng(5)
    table = pairs_table(n, n, [1.5], columns=())
    d, values = Trains(m, table), []
    # the weight relaxes in 1 / (r r tau (A+ + A-)) = 1 / (20 * 20 * .02 * .0205) = 6 s
    for k in range(few(60, 24)):
        trains = [poisson(20, 2e4, draw) + k * 2e4 for _ in range(2 * n)]
        d.run(trains[:n], trains[n:])
        values.append(table.weight[table.slots()].mean())
    settled = np.array(values[few(10, 4) :])
    # windows of three relaxation times are nearly independent; 1.5 covers what is left of the correlation
    error = 1.5 * settled.std(ddof=1) / np.sqrt(settled.size)
    assert abs(settled.mean() - 0.48780) < 4 * error
    assert error < few(1, 10) * 0.004
