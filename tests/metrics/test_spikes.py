"""Rates, intervals and irregularity of trains with known answers."""

import numpy as np
import pytest

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
