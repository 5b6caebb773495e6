"""Closed forms of exponential and alpha currents, and the exact crossing (EX-31)."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import lambertw

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.neurons import current
from neurodev.neurons.current import alpha_potential, crossing, peak_time, potential

A = {"tau": 20.0, "tau_excitatory": 5.0}
PEAK = 19.264020398255788


def test_peak_and_crossing():
    """EX-31a."""
    t = peak_time(10, 4, tau=20, tau_current=5)
    assert t == pytest.approx(7.118937533342373, rel=1e-12)
    assert potential(t, 10, 4, **A) == pytest.approx(PEAK, rel=1e-12)
    assert crossing(10, 4, threshold=15, **A) == pytest.approx(1.8462480682152318, rel=1e-12)


@pytest.mark.parametrize(("below", "time"), [(1e-3, 7.01747551), (1e-6, 7.11571585), (1e-9, 7.11883564)])
def test_grazing(below, time):
    """EX-31b: found however short the time above threshold, and not found above the peak."""
    assert crossing(10, 4, threshold=PEAK - below, **A) == pytest.approx(time, abs=1e-8)
    assert crossing(10, 4, threshold=PEAK + below, **A) == np.inf


def test_twice_the_time_constant():
    """EX-31c: tau = 2 ts is a quadratic in exp(-t / tau)."""
    found = crossing(10, 2, threshold=15, tau=20, tau_excitatory=10)
    assert found == pytest.approx(5.753641449035618, rel=1e-12)
    x = max(np.roots([20.0 * 2, -(10 + 40), 15]).real)
    assert found == pytest.approx(-20 * np.log(x), rel=1e-12)
    assert crossing(10, 1, threshold=15, tau=20, tau_excitatory=10) == np.inf  # negative discriminant


def test_equal_time_constants():
    """EX-31d: tau = ts, by Lambert's W."""
    found = crossing(10, 2, threshold=15, tau=20, tau_excitatory=20)
    assert found == pytest.approx(4.298064244953112, rel=1e-12)
    w = lambertw(-(15 / 40) * np.exp(-10 / 40)).real
    assert found == pytest.approx(-20 * w - 5, rel=1e-12)
    assert crossing(10, 1, threshold=15, tau=20, tau_excitatory=20) == np.inf


def test_convex_first():
    """EX-31e: inhibition decaying under a current above threshold, where plain Newton overshoots."""
    found = crossing(14, 0, -0.4, threshold=15, v_inf=24, tau=20, tau_excitatory=5, tau_inhibitory=5)
    assert found == pytest.approx(4.604729430479695, rel=1e-12)


def test_normalisation():
    """EX-31f."""
    t = peak_time(0, 1, tau=20, tau_current=5)
    assert t == pytest.approx(9.241962407465937, rel=1e-12)
    assert potential(t, 0, 1, **A) == pytest.approx(3.149802624737183, rel=1e-12)


@pytest.mark.compiled
def test_random_states():
    """EX-31g: 1e5 random states against a dense grid and bisection: the same verdict, the same time."""
    n, horizon, points = 100_000, 30.0, 240
    draw = np.random.default_rng(31)
    r, l1, l2 = (1 / draw.uniform(a, b, n) for a, b in ((5, 40), (1, 20), (2, 30)))
    l1[:5000] = r[:5000] * (1 + draw.choice([0, 1e-12, 1e-7, -1e-4], 5000))  # equal and nearly equal rates
    l2[5000:10000] = l1[5000:10000]
    x, i1, i2 = draw.uniform(-12, 9.9, n), draw.exponential(2.0, n), -draw.exponential(1.5, n)
    threshold = np.where(draw.uniform(size=n) < 0.2, -draw.uniform(0, 3, n), 10.0)
    x = np.minimum(x, threshold - 0.01)
    ours = np.array([current.first_crossing(*row, horizon)
                     for row in zip(x, i1, i2, r, l1, l2, threshold, strict=True)])  # fmt: skip

    def miss(s):
        out = x * np.exp(-r * s) - threshold
        for i, rate in ((i1, l1), (i2, l2)):
            d = rate - r
            near = np.abs(d * s) < 1e-5
            safe = np.where(near, 1.0, d)
            out += i * np.exp(-r * s) * np.where(near, s * (1 - d * s / 2 + (d * s) ** 2 / 6), -np.expm1(-d * s) / safe)
        return out

    grid = np.linspace(0, horizon, points + 1)
    values = np.array([miss(np.full(n, s)) for s in grid])
    hit = values >= 0
    any_hit, k = hit.any(0), hit.argmax(0)
    low, high = grid[np.maximum(k - 1, 0)], grid[k]
    for _ in range(52):
        middle = 0.5 * (low + high)
        up = miss(middle) >= 0
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    agree = any_hit & (ours >= 0) & (np.abs(ours - high) < 1e-9)
    agree |= ~any_hit & (ours < 0)
    rest = np.flatnonzero(~agree)
    assert any_hit.sum() > 20_000 and rest.size < 0.02 * n
    # a summit between two points of the grid: ours is a root, it comes earlier, and nothing exceeds threshold before
    for j in rest:
        state = (x[j], i1[j], i2[j], r[j], l1[j], l2[j])
        assert ours[j] >= 0 and (not any_hit[j] or ours[j] < high[j])
        steep = abs(current.slope(*state, ours[j]))
        assert abs(current.value(*state, ours[j]) - threshold[j]) < 1e-10 + 1e-9 * steep
        before = [current.value(*state, s) for s in np.linspace(0, ours[j], 50)[:-1]]
        assert max(before) < threshold[j] + 1e-10


def test_splitting():
    """EX-31h: stopping the closed form anywhere in between changes nothing."""
    state = {"tau": 20.0, "tau_excitatory": 5.0, "tau_inhibitory": 10.0, "v_inf": -2.0}
    v, e, i = 3.0, 5.0, -1.5
    whole = crossing(v, e, i, threshold=15.0, **state)
    t = 0.0
    for step in (0.1, 0.33, 0.001, 0.5, 0.07):
        v = potential(step, v, e, i, **state)
        e, i, t = e * np.exp(-step / 5), i * np.exp(-step / 10), t + step
    assert t + crossing(v, e, i, threshold=15.0, **state) == pytest.approx(whole, rel=1e-12)
    assert potential(2.0 - t, v, e, i, **state) == pytest.approx(potential(2.0, 3, 5, -1.5, **state), rel=1e-12)


@pytest.mark.parametrize("tau_alpha", [5.0, 19.9, 20.0, 20.000001, 40.0])
def test_alpha_current(tau_alpha):
    """EX-31i, and the convolution integral at and near equal time constants."""
    if tau_alpha == 5.0:
        assert alpha_potential(13, 3, 1, tau=20, tau_alpha=5) == pytest.approx(8.8858957348077, rel=1e-12)
    area = quad(lambda s: np.exp(-(13 - s) / 20) * np.e / tau_alpha * s * np.exp(-s / tau_alpha), 0, 13, epsrel=1e-13)
    expected = 3 * np.exp(-13 / 20) + area[0]
    assert alpha_potential(13, 3, 1, tau=20, tau_alpha=tau_alpha) == pytest.approx(expected, rel=1e-12)


def test_parameters():
    with pytest.raises(ParameterError, match="belong together"):
        nd.LIF(tau_excitatory=5.0)
    with pytest.raises(ParameterError, match="horizon"):
        crossing(0, 1, threshold=10, horizon=0.0, **A)
