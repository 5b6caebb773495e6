"""Competing causes, two groups compared, hazards by age and size: closed forms and SciPy beside them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from neurodev.errors import ParameterError
from neurodev.metrics.risks import cumulative_incidence, hazard_table, log_rank, stretches
from neurodev.metrics.turnover import kaplan_meier


def test_causes_at_constant_rates_have_their_closed_form() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.exponential(1 / 0.3, 20_000), draw.exponential(1 / 0.1, 20_000)
    t = np.minimum(np.minimum(one, other), 8.0)
    died, cause = t < 8.0, np.where(one < other, "shrunk", "lesion")
    curves, all_of_them = cumulative_incidence(t, died, cause), kaplan_meier(t, died)
    assert list(curves) == ["lesion", "shrunk"]
    np.testing.assert_allclose(sum(c.value for c in curves.values()) + all_of_them.value, 1.0, atol=1e-12)
    for word, rate in (("shrunk", 0.3), ("lesion", 0.1)):
        c = curves[word]
        for age in (1.0, 3.0, 7.0):
            k = int(np.searchsorted(c.time, age, side="right")) - 1
            assert abs(float(c.at(age)) - rate / 0.4 * -np.expm1(-0.4 * age)) < 4 * c.error[k]
            # without censoring before, it is a share of all
            assert c.error[k] == pytest.approx(np.sqrt(c.value[k] * (1 - c.value[k]) / t.size), rel=1e-6)
            low, high = (x[k] for x in c.interval())
            assert 0 < low < c.value[k] < high < 1
    assert np.isnan(curves["lesion"].at(9.0)) and curves["lesion"].at(0.0) == 0.0


def test_one_cause_alone_is_kaplans_and_meiers() -> None:
    g = np.random.default_rng(1)
    for _ in range(50):
        n = int(g.integers(2, 20))
        t, d = g.integers(1, 9, n).astype(float), g.random(n) < 0.6
        d[0], e = True, np.floor(g.random(n) * (t + 1))
        curve, found = kaplan_meier(t, d, e), cumulative_incidence(t, d, np.full(n, 7), e)[7]
        np.testing.assert_allclose(found.value, 1.0 - curve.value, atol=1e-12)
        np.testing.assert_allclose(found.error[curve.value > 0], curve.error[curve.value > 0], atol=1e-7)


def test_log_rank_by_its_definition_and_under_one_law() -> None:
    draw = np.random.default_rng(2)
    a, b = np.ceil(draw.exponential(4.0, 80)), np.ceil(draw.exponential(7.0, 60))
    found = log_rank(np.minimum(a, 9), a <= 9, np.minimum(b, 9), b <= 9)
    z = hoped = variance = 0.0
    for t in range(1, 10):
        n, m = (a >= t).sum(), (b >= t).sum()
        x, y = (a == t).sum(), (b == t).sum()
        hoped += (x + y) * n / (n + m)
        z += x - (x + y) * n / (n + m)
        variance += (x + y) * n / (n + m) * m / (n + m) * (n + m - x - y) / max(n + m - 1, 1)
    assert found.statistic == pytest.approx(z / np.sqrt(variance), rel=1e-9) and found.p < 0.05
    assert found.expected[0] == pytest.approx(hoped) and sum(found.expected) == sum(found.died)
    assert found.hazard_ratio > 1
    back = log_rank(np.minimum(b, 9), b <= 9, np.minimum(a, 9), a <= 9)
    assert back.statistic == pytest.approx(-found.statistic) and back.p == pytest.approx(found.p)
    same = [log_rank(x[:100], np.ones(100), x[100:], np.ones(100)).p for x in draw.exponential(3.0, (200, 200))]
    assert abs(np.mean(np.array(same) < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200)
    assert np.isnan(log_rank([1.0], [False], [1.0], [False]).p) and np.isnan(log_rank([], [], [1.0], [True]).p)


def test_hazard_by_age_and_size_recovers_rates_and_limits() -> None:
    draw = np.random.default_rng(3)
    n, days = 20_000, np.arange(0.0, 21.0)
    x = draw.normal(0.0, 1.0, n)
    rate = 0.08 * np.exp(-0.7 * x)
    born, life = draw.uniform(0.0, 10.0, n), draw.exponential(1 / rate)
    here = (born[:, None] <= days) & (days < (born + life)[:, None])
    s = stretches(here, days, born, np.where(here, x[:, None], np.nan))
    table = hazard_table(s.begin, s.end, s.died, s.log_size, [0.0, 5.0, np.inf], [-1.0, 0.0, 1.0])
    assert table.deaths.sum() == (s.died & (np.abs(s.log_size) < 1)).sum()
    inside = [(-1.0, 0.0), (0.0, 1.0)]
    for k, (a, b) in enumerate(inside):
        grid = rate[(x >= a) & (x < b)]
        assert grid.min() < table.rate[0, k] < grid.max() and table.low[0, k] < table.rate[0, k] < table.high[0, k]
    assert table.rate[0, 0] > table.rate[0, 1]
    # the limits are those at which so many deaths are just rare enough
    count, exposure = table.deaths[1, 1], table.exposure[1, 1]
    assert poisson.sf(count - 1, table.low[1, 1] * exposure) == pytest.approx(0.025)
    assert poisson.cdf(count, table.high[1, 1] * exposure) == pytest.approx(0.025)
    empty = hazard_table([0.0], [1.0], [False], [5.0], [0.0, 1.0], [0.0, 1.0])
    assert np.isnan(empty.rate[0, 0]) and empty.exposure[0, 0] == 0


def test_stretches_skip_what_nobody_looked_at() -> None:
    here = np.array([[True, False, False, True, False]])
    looked = np.array([[True, False, True, True, True]])
    s = stretches(here, [0, 1, 2, 3, 4], [0.0], np.where(here, 2.0, np.nan), looked)
    # absent in the third session, and back: it lived; gone in the last: it died
    assert (s.begin.tolist(), s.end.tolist(), s.died.tolist()) == ([0.0, 3.0], [2.0, 4.0], [False, True])
    assert stretches(here, [0, 1, 2, 3, 4], [np.nan], np.where(here, 2.0, np.nan)).row.size == 0


def test_doors() -> None:
    for call, said in (
        (lambda: cumulative_incidence([1.0], [True], [np.nan]), "NaN for one that died"),
        (lambda: cumulative_incidence([1.0], [True], ["a", "b"]), "a cause for each of 1"),
        (lambda: hazard_table([2.0], [1.0], [True], [0.0], [0, 1], [0, 1]), "end must not be before begin"),
        (lambda: hazard_table([0.0], [1.0], [True], [0.0], [1, 0], [0, 1]), "ages must be at least two rising"),
        (lambda: stretches([[True]], [0.0, 1.0], [0.0], [[1.0]]), r"must be \(1, 2\)"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            call()
