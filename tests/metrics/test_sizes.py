"""Sizes: moments, decades and log-normal closed forms (EX-36, EX-37)."""

import numpy as np
import pytest
from scipy.special import ndtr

from neurodev.metrics import sizes


@pytest.mark.parametrize(
    ("s", "ratio", "cv", "skew"),
    [(0.5, 1.1331, 0.5329, 1.750), (0.7, 1.2776, 0.7952, 2.888), (1.0, 1.6487, 1.3108, 6.185)],
)
def test_ex36_ex37_lognormal(s, ratio, cv, skew):
    fit = sizes.LogNormal(0.3, s, 0.0, 0.0, 0.0)
    assert fit.arithmetic_mean / fit.median == pytest.approx(ratio, abs=5e-5)
    assert fit.cv == pytest.approx(cv, abs=5e-5) and fit.skewness == pytest.approx(skew, abs=5e-4)
    v = np.exp(np.random.default_rng(0).normal(0.3, s, 400_000))
    assert v.mean() == pytest.approx(fit.arithmetic_mean, rel=4 * cv / np.sqrt(400_000))
    grid = np.linspace(-8, 8, 4001)
    assert np.trapezoid(fit.density(grid), grid) == pytest.approx(1.0, abs=1e-9)


def test_fit_recovers_parameters():
    x = np.random.default_rng(1).normal(-2.0, 0.95, 20_000)
    fit = sizes.lognormal_fit(x)
    assert abs(fit.mean + 2.0) < 4 * fit.mean_error and abs(fit.sd - 0.95) < 4 * fit.sd_error
    assert fit.distance < 0.01
    assert sizes.lognormal_fit(np.random.default_rng(1).exponential(1.0, 20_000)).distance > 0.1


def test_moments_by_hand():
    mean, sd, skew = sizes.log_moments([0.0, 0.0, 3.0])
    assert (mean, sd) == (1.0, pytest.approx(np.sqrt(2))) and skew == pytest.approx(1 / np.sqrt(2))
    assert np.isnan(sizes.log_moments([1.0])).all()
    assert np.isnan(sizes.log_moments([2.0, 2.0])[2])


def test_central_decade():
    half = 0.5 * np.log(10)
    assert sizes.central_decade([-2 * half, -half, 0.0, half, 1.01 * half]) == 0.6
    assert np.isnan(sizes.central_decade([])) and sizes.central_decade([5.0]) == 1.0
    x = np.random.default_rng(2).normal(0, 0.95, 100_000)
    expected = 2 * ndtr(half / 0.95) - 1  # .774
    assert sizes.central_decade(x) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / x.size))
    # no unit of volume counts
    assert sizes.central_decade(x + 7) == pytest.approx(sizes.central_decade(x), abs=1e-4)


def test_best_decade():
    share, low = sizes.best_decade([0.0, 10.0, 10.5, 11.0, 30.0])
    assert share == 0.6 and low == 10.0
    x = np.random.default_rng(3).exponential(1.0, 1000)
    assert sizes.best_decade(x)[0] >= sizes.central_decade(x)
    assert np.isnan(sizes.best_decade([])).all()


def test_losses_by_size():
    np.testing.assert_allclose(sizes.losses_by_size([5, 1, 4, 2, 3, 0], [0, 1, 0, 1, 0, 1], 3), [1, 0.5, 0])
    assert np.isnan(sizes.losses_by_size([], [])).all()


def test_evidence_gap_by_hand():
    # neuron 0: 1, 3 (mean 2); neuron 1: 10, 14 (mean 12); the dead lie 1 and 4 below the means of theirs
    gap = sizes.evidence_gap([1, 3, 10, 14], [0, 0, 1, 1], [1, 8], [0, 1])
    assert gap == pytest.approx(2.5 / np.sqrt(2.5))
    # a dead synapse whose neuron has no living one tells nothing
    assert sizes.evidence_gap([1, 3], [0, 0], [1, 99], [0, 7]) == pytest.approx(1.0)
    assert np.isnan(sizes.evidence_gap([1, 2], [0, 0], [], []))
    assert np.isnan(sizes.evidence_gap([2, 2], [0, 0], [1], [0]))


def test_differences_between_neurons_do_not_count():
    rng = np.random.default_rng(4)
    j = rng.integers(0, 50, 5000)
    h = rng.normal(0, 0.2, 5000)
    dead = rng.random(5000) < 0.1
    h[dead] -= 0.2
    shift = rng.normal(0, 5, 50)[j]
    plain = sizes.evidence_gap(h[~dead], j[~dead], h[dead], j[dead])
    assert plain == pytest.approx(1.0, abs=0.2)
    moved = h + shift
    assert sizes.evidence_gap(moved[~dead], j[~dead], moved[dead], j[dead]) == pytest.approx(plain)


def test_relative_evidence_and_gap():
    np.testing.assert_allclose(sizes.relative_evidence([1, 3, 10], [0, 0, 4]), [-1, 1, 0])
    assert sizes.relative_evidence([], []).size == 0
    assert sizes.relative_gap([1, -1], [-2]) == 2.0
    assert sizes.relative_gap([4, -4], [-8]) == 2.0  # any gain
    assert np.isnan(sizes.relative_gap([1], [0])) and np.isnan(sizes.relative_gap([], []))
