"""Rates, intervals and irregularity of trains with known answers."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import spikes


def test_rates_by_window():
    counts = np.array([[1, 0], [3, 0], [2, 6], [0, 0], [9, 9]])
    np.testing.assert_allclose(spikes.rates_by_window(counts, 1000.0, 2), [[2, 0], [1, 3]])
    assert spikes.rates_by_window(counts, 1000.0, 6).shape == (0, 2)
    assert spikes.rates_by_window(np.zeros((0, 3), int), 1000.0, 2).shape == (0, 3)


def test_intervals_by_hand():
    times, cells = [0, 5, 1, 3, 9], [1, 1, 0, 0, 0]
    assert spikes.interspike_intervals(times, cells).tolist() == [2, 6, 5]
    assert spikes.interspike_intervals([], []).size == 0 and spikes.interspike_intervals([1.0], [0]).size == 0


def test_intervals_stop_at_a_gap():
    times, cells = [10, 30, 110, 130, 150], [0] * 5
    assert spikes.interspike_intervals(times, cells, [[0, 100], [105, 140]]).tolist() == [20, 20]
    # stretches that touch are one
    assert spikes.interspike_intervals(times, cells, [[0, 100], [100, 200]]).tolist() == [20, 80, 20, 20]
    assert spikes.interspike_intervals(times, cells, np.zeros((0, 2))).size == 0


def test_coefficient_of_variation():
    assert spikes.coefficient_of_variation(np.full(10, 5.0)) == 0
    x = np.random.default_rng(0).exponential(20.0, 200_000)
    assert spikes.coefficient_of_variation(x) == pytest.approx(1.0, abs=4 / np.sqrt(200_000) * 1.5)
    assert np.isnan(spikes.coefficient_of_variation([])) and np.isnan(spikes.coefficient_of_variation([3.0]))


def test_regular_cells_of_different_rates_are_regular():
    times = np.concatenate([np.arange(0, 1000, 10.0), np.arange(0, 1000, 100.0)])
    cells = np.concatenate([np.zeros(100, int), np.ones(10, int)])
    np.testing.assert_allclose(spikes.cell_coefficients_of_variation(times, cells, 3), [0, 0, np.nan])
    assert spikes.coefficient_of_variation(spikes.interspike_intervals(times, cells)) > 1


def test_poisson_cells():
    rng = np.random.default_rng(1)
    n = rng.poisson(2000, 20)
    times = np.concatenate([rng.uniform(0, 1e5, k) for k in n])
    cv = spikes.cell_coefficients_of_variation(times, np.repeat(np.arange(20), n), 20)
    assert abs(cv.mean() - 1) < 4 * cv.std() / np.sqrt(20)


def test_highest_population_rate():
    # 3 of 10 cells within 100 ms, on either side of what would be the edge of a bin
    assert spikes.highest_population_rate([0, 190, 200, 280, 500], 10) == pytest.approx(3 / 10 / 0.1)
    assert spikes.highest_population_rate([0, 100], 1) == pytest.approx(10)  # the far end does not belong to it
    assert spikes.highest_population_rate([], 10) == 0


def test_population_rate():
    centre, rate = spikes.population_rate([10, 20, 250], 2, 0.0, 300.0)
    assert centre.tolist() == [50, 150, 250]
    np.testing.assert_allclose(rate, [10, 0, 5])


def test_rate_spread():
    out = spikes.rate_spread([0.01, 0.5, 0.5, 1.5], 0.5)
    assert out["silent"] == 0.25 and out["loud"] == 0.25
    assert np.isnan(list(spikes.rate_spread([], 0.5).values())).all()


def galton_watson(mean, n, seed, generations=10_000):
    """Counts by generation of n trees of Poisson offspring, an empty generation after each tree, and their sizes."""
    rng = np.random.default_rng(seed)
    alive = np.ones(n, int)
    tree, generation, count = [], [], []
    for g in range(generations):
        living = np.flatnonzero(alive)
        if not living.size:
            break
        tree.append(living)
        generation.append(np.full(living.size, g))
        count.append(alive[living])
        alive[living] = rng.poisson(mean * alive[living])
    tree, generation, count = map(np.concatenate, (tree, generation, count))
    order = np.lexsort((generation, tree))
    length = np.bincount(tree, minlength=n)
    offset = np.concatenate([[0], np.cumsum(length + 1)[:-1]])
    counts = np.zeros(int((length + 1).sum()), int)
    counts[offset[tree[order]] + generation[order]] = count[order]
    return counts, length


def test_ex19_galton_watson():
    """EX-19: sizes are Borel, mean 10, variance 900; durations by iterating the generating function."""
    m, n = 0.9, 40_000
    counts, length = galton_watson(m, n, 19)
    found = spikes.avalanches_of_counts(counts)
    assert found.size.size == n and found.size.sum() == counts.sum() and np.all(found.first == 1)
    np.testing.assert_array_equal(found.duration, length)
    for s, p in ((1, 0.40657), (2, 0.14877), (3, 0.08165)):
        assert abs((found.size == s).mean() - p) < 4 * np.sqrt(p * (1 - p) / n)
    assert abs(found.size.mean() - 10) < 4 * 30 / np.sqrt(n)
    fourth = m * (1 + 8 * m + 6 * m**2) / (1 - m) ** 7  # Borel's fourth cumulant
    assert abs(found.size.var() - 900) < 4 * np.sqrt((fourth + 2 * 900**2) / n)
    gone = 0.0
    for k in range(1, 6):
        gone = np.exp(m * (gone - 1))
        assert abs((found.duration <= k).mean() - gone) < 4 * np.sqrt(gone * (1 - gone) / n)
    # "all": the error is that of 1 - 1 / (mean size); "first": a mean of Poisson numbers
    assert abs(spikes.branching_ratio(found) - m) < 4 * 30 / np.sqrt(n) / 100
    assert abs(spikes.branching_ratio(found, "first") - m) < 4 * np.sqrt(m / n)
    # the same from times, with bins of one generation
    times = np.repeat(np.arange(counts.size), counts) + 0.5
    again = spikes.avalanches(np.random.default_rng(0).permutation(times), width=1.0)
    for one, other in zip(again[1:], found[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_avalanches_by_hand():
    found = spikes.avalanches([0.0, 0.5, 1.2, 5.1, 7.0, 8.5, 8.6], width=1.0)
    assert (
        found.start.tolist() == [0, 5, 7] and found.size.tolist() == [3, 1, 3] and found.duration.tolist() == [2, 1, 2]
    )
    assert found.first.tolist() == [2, 1, 1] and found.second.tolist() == [1, 0, 2]
    assert spikes.branching_ratio(found, "first") == 3 / 4 and spikes.branching_ratio(found) == 3 / 7
    counted = spikes.avalanches_of_counts([2, 1, 0, 0, 0, 1, 0, 1, 2])
    for one, other in zip(found, counted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_width_is_the_mean_interval():
    times = [0.0, 2.0, 3.0, 20.0, 21.0]
    assert spikes.avalanches(times).width == 21 / 4
    # across a gap there is no interval: (2 + 1 + 1) / 3
    assert spikes.avalanches(times, windows=[[-10, 10], [15, 30]]).width == pytest.approx(4 / 3)


def test_avalanches_cut_by_a_window_are_left_out():
    times = [0.5, 3.5, 4.5, 9.5, 20.5, 21.5, 25.0]
    found = spikes.avalanches(times, 1.0, [[0, 5], [5, 10], [20, 24]])  # the first two touch
    assert found.start.tolist() == [3] and found.size.tolist() == [2]
    assert spikes.avalanches(times, 1.0, np.zeros((0, 2))).size.size == 0
    assert spikes.avalanches([], 1.0).size.size == 0 and np.isnan(spikes.branching_ratio(spikes.avalanches([], 1.0)))


def test_avalanches_refuse():
    for times in ([], [1.0], [1.0, 1.0]):
        with pytest.raises(ParameterError, match="give width"):
            spikes.avalanches(times)
    with pytest.raises(ParameterError, match="width must"):
        spikes.avalanches([1.0], width=0.0)
    with pytest.raises(ParameterError, match="whole"):
        spikes.avalanches_of_counts([0.5])
    with pytest.raises(ParameterError, match="how"):
        spikes.branching_ratio(spikes.avalanches([1.0], 1.0), "mean")


def test_power_law_closed_form():
    """The likelihood is largest where the mean log is -zeta'/zeta: .5699609930945 at exponent 2."""
    n = 10**7
    twos = round(n * 0.5699609930945 / np.log(2))
    fit = spikes.power_law_fit(np.repeat([1, 2], [n - twos, twos]))
    assert fit.exponent == pytest.approx(2.0, abs=2e-7)
    # (ln zeta)'' at 2 = zeta''/zeta - (zeta'/zeta)^2 = 1.98928023429890 / 1.64493406684823 - .5699609930945^2
    assert fit.error == pytest.approx(1 / np.sqrt(n * 0.8844812), rel=1e-5)


@pytest.mark.parametrize(("exponent", "xmin"), [(1.5, 1), (2.5, 1), (2.5, 4), (3.5, 2)])
def test_power_law_recovers_its_exponent(exponent, xmin):
    x = np.random.default_rng(7).zipf(exponent, 60_000).astype(float)
    x = np.minimum(x, 2.0**52)
    fit = spikes.power_law_fit(x, xmin)
    assert abs(fit.exponent - exponent) < 4 * fit.error and fit.xmin == xmin and fit.n == (x >= xmin).sum()
    assert fit.distance < 1.7 / np.sqrt(fit.n)


def test_critical_branching_has_exponent_three_halves():
    counts, _ = galton_watson(1.0, 10_000, 3, generations=3000)
    fit = spikes.power_law_fit(spikes.avalanches_of_counts(counts).size, xmin=10)
    assert abs(fit.exponent - 1.5) < 4 * fit.error
    below, _ = galton_watson(0.8, 10_000, 3)
    assert spikes.power_law_fit(spikes.avalanches_of_counts(below).size, xmin=10).exponent > 2


def test_power_law_edges():
    assert np.isnan(spikes.power_law_fit([]).exponent) and spikes.power_law_fit([1, 2], 5).n == 0
    assert spikes.power_law_fit([3, 3, 3], 3).exponent == np.inf
    for bad in (0, 1.5):
        with pytest.raises(ParameterError, match="xmin"):
            spikes.power_law_fit([1, 2], bad)
    with pytest.raises(ParameterError, match="whole"):
        spikes.power_law_fit([1.5])


@pytest.mark.parametrize("start", [0.0, 1e5, 1e8, 3e9])
def test_times_far_from_zero_are_binned_as_near_it(start):
    """A spike on the stroke of a bin, and stretches that touch but for a rounding, after a month of ms."""
    k = np.array([0, 1, 2, 5, 6, 9, 13, 14, 15, 19])
    near, far = (spikes.avalanches(s + 0.1 * k, 0.1) for s in (0.0, start))
    assert far.size.tolist() == near.size.tolist() == [3, 2, 1, 3, 1]
    edges = start + 0.1 * np.arange(21)
    windows = np.column_stack([edges[:-1], edges[1:] - np.spacing(edges[1:])])
    t = start + 0.1 * k + 0.03
    assert spikes.interspike_intervals(t, np.zeros(10, int), windows).size == 9
    assert spikes.avalanches(t, 0.1, windows).size.tolist() == [2, 1, 3]
