"""Sizes: moments, decades and log-normal closed forms (EX-36, EX-37)."""

import numpy as np
import pytest
from scipy.special import ndtr

from neurodev.errors import ParameterError
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


def ornstein_uhlenbeck(n, sessions, s, tau, seed):
    rng = np.random.default_rng(seed)
    x = np.empty((n, sessions))
    x[:, 0] = rng.normal(0, s, n)
    for k in range(1, sessions):
        x[:, k] = x[:, k - 1] * np.exp(-1 / tau) + s * np.sqrt(1 - np.exp(-2 / tau)) * rng.normal(size=n)
    return x


@pytest.mark.parametrize(("tau", "per_s"), [(3.0, 0.7530), (10.0, 0.4363), (30.0, 0.2561)])
def test_ex38_spread_of_changes(tau, per_s):
    s, n = 0.7, 20_000
    out = sizes.size_course(ornstein_uhlenbeck(n, 6, s, tau, 38))
    assert out.change_sd[1] == pytest.approx(s * per_s, abs=4 * s * per_s / np.sqrt(2 * n))
    np.testing.assert_allclose(out.correlation, np.exp(-np.arange(6) / tau), atol=4 / np.sqrt(n))
    np.testing.assert_array_equal(out.pairs, n * np.arange(6, 0, -1))
    assert out.change_sd[0] == 0 and np.all(np.abs(out.change) < 4 * 2 * s / np.sqrt(n))


@pytest.mark.parametrize(("s", "at_tau"), [(0.5, 0.33917), (0.7, 0.31239), (1.0, 0.25879)])
def test_ex39_correlation_of_sizes(s, at_tau):
    """The correlation of V itself, not of its logarithm, after one time constant."""
    n = 400_000
    x = ornstein_uhlenbeck(n, 2, s, 1.0, 39)
    # heavy tails: the error is taken from eight parts
    parts = [sizes.correlation(np.exp(a[:, 0]), np.exp(a[:, 1])) for a in np.array_split(x, 8)]
    assert abs(np.mean(parts) - at_tau) < 5 * np.std(parts, ddof=1) / np.sqrt(8)


def test_size_course_with_gaps_by_hand():
    nan = np.nan
    out = sizes.size_course([[0, 1, nan], [1, 1, 1], [2, 4, 3], [nan, 0, 2]])
    assert out.pairs.tolist() == [10, 6, 2]
    assert out.change[1] == pytest.approx((1 + 0 + 2 + 0 - 1 + 2) / 6)
    assert np.isnan(out.correlation[2]) and np.isnan(out.change[2])


def test_change_by_size():
    """BIO-13: pure log-OU has a spread in proportion to size; additive noise a constant one."""
    x = ornstein_uhlenbeck(200_000, 2, 0.3, 10.0, 13)
    v = np.exp(x)
    out = sizes.change_by_size(v[:, 0], v[:, 1], 20)
    assert abs(out.intercept) < 0.15 * out.slope and out.slope == pytest.approx(0.3 * 0.4363, rel=0.15)
    assert out.change[0] > 0 > out.change[-1]  # small ones grow, large ones shrink
    rng = np.random.default_rng(1)
    flat = sizes.change_by_size(v[:, 0], v[:, 0] + rng.normal(0, 0.2, v.shape[0]), 20)
    assert abs(flat.slope) < 0.02 and flat.intercept == pytest.approx(0.2, abs=0.02)
    by_hand = sizes.change_by_size([1, 2, 10, 20, np.nan], [1, 4, 10, 40, 3], 2)
    assert by_hand.size.tolist() == [1.5, 15] and by_hand.change.tolist() == [1, 10]
    assert by_hand.change_sd.tolist() == [1, 10] and by_hand.slope == pytest.approx(9 / 13.5)
    with pytest.raises(ParameterError, match="two pairs"):
        sizes.change_by_size([1, 2, 3], [1, 2, 3], 2)


def test_log_sizes_and_correlation():
    np.testing.assert_allclose(sizes.log_sizes([1.0, 0.0, np.e, np.nan]), [0, np.nan, 1, np.nan])
    with pytest.raises(ParameterError, match="negative"):
        sizes.log_sizes([-1.0])
    assert sizes.correlation([1, 2, 3, np.nan], [3, 2, 1, 9]) == pytest.approx(-1)
    assert np.isnan(sizes.correlation([1, 1, 1], [1, 2, 3])) and np.isnan(sizes.correlation([1], [1]))
    with pytest.raises(ParameterError, match="same synapses"):
        sizes.correlation([1, 2], [1])


def test_kolmogorov_smirnov_and_limits():
    distance = lambda a, b: sizes.kolmogorov_smirnov(a, b).distance
    assert distance([1, 2, 3], [1, 2, 3]) == 0 and distance([1, 2], [3, 4]) == 1
    assert distance([1, 2, 3, 4], [3, 4]) == 0.5 and np.isnan(sizes.kolmogorov_smirnov([], [1])).all()
    assert sizes.kolmogorov_smirnov([1, 2], [3, 4]).p == pytest.approx(1 / 3)  # 2 of 6 orders are as far apart
    assert sizes.number_above([1, 2, 2, 5], [0, 2, 3, 9]).tolist() == [4, 3, 1, 0]  # BIO-5: falls as the limit rises


def test_partner_pairs_by_hand():
    size, axon, dendrite = [1.0, 2.0, 4.0, 8.0, 16.0, np.nan], [5, 5, 5, 5, 9, 9], [1, 1, 1, 2, 2, 2]
    assert sizes.partner_pairs(size, axon, dendrite).tolist() == [[1, 2], [1, 4], [2, 4]]
    assert sizes.partner_pairs(size, axon, dendrite, first_two=True).tolist() == [[1, 2]]
    assert sizes.partner_pairs([1.0, 2.0], ["a", "b"], ["d", "d"]).shape == (0, 2)
    assert sizes.partner_pairs([], [], []).shape == (0, 2)
    np.testing.assert_allclose(sizes.pair_cv([[1, 2], [3, 3]]), [np.std([1, 2], ddof=1) / 1.5, 0])
    with pytest.raises(ParameterError, match="alike"):
        sizes.partner_pairs([1.0], [1, 2], [1])
    with pytest.raises(ParameterError, match="logarithms"):
        sizes.pair_cv([[-1.0, 2.0]])


def test_pair_correlation():
    assert sizes.pair_correlation([[1, 1], [2, 2], [3, 3]]) == pytest.approx(1)
    # the order within a pair means nothing
    rng = np.random.default_rng(3)
    shared = rng.normal(size=20_000)
    p = np.column_stack([shared * np.sqrt(0.44) + rng.normal(size=20_000) * np.sqrt(0.56) for _ in range(2)])
    r = sizes.pair_correlation(p)
    assert abs(r - 0.44) < 4 * (1 - 0.44**2) / np.sqrt(20_000)
    p[::2] = p[::2, ::-1]
    assert sizes.pair_correlation(p) == pytest.approx(r)
    assert np.isnan(sizes.pair_correlation(np.zeros((0, 2)))) and np.isnan(sizes.pair_correlation([[1, 2]]))
