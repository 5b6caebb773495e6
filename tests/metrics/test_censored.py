"""Interval-censored and truncated lifetimes: by hand, as Kaplan and Meier of exact deaths, as life tables."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics.censored import turnbull
from neurodev.metrics.risks import log_rank
from neurodev.metrics.turnover import kaplan_meier


def test_by_hand() -> None:
    # masses can lie in (1, 2] and (2, 3]; the likelihood p (p + q) q is largest at p = q
    found = turnbull([0, 1, 2], [2, 3, np.inf], tolerance=1e-9)
    assert (found.low.tolist(), found.high.tolist()) == ([1, 2], [2, 3]) and found.converged
    np.testing.assert_allclose(found.mass, [0.5, 0.5], atol=1e-6)
    assert found.log_likelihood == pytest.approx(2 * np.log(0.5), abs=1e-6) and found.rounds < 100
    # p = mass of (0, 1], q of (1, 2], r beyond 2: p^2 (p + q) q r^2 under p + q + r = 1 has p = .45, q = .2167
    found = turnbull([0, 0, 0, 1, 2, 2], [1, 1, 2, 2, np.inf, np.inf], tolerance=1e-10)
    p, q, r = found.mass
    assert r == pytest.approx(1 / 3, abs=1e-6)  # the last two, and nobody else
    assert 2 / p + 1 / (p + q) == pytest.approx(6, abs=1e-5) and 1 / (p + q) + 1 / q == pytest.approx(6, abs=1e-5)
    assert found.high[-1] == np.inf and found.curve().time.tolist() == [1, 2] and found.until == 2


def test_exact_deaths_are_kaplans_and_meiers_with_late_entries_too() -> None:
    g = np.random.default_rng(0)
    for trial in range(30):
        n = int(g.integers(2, 30))
        t, d = g.integers(1, 9, n).astype(float), g.random(n) < 0.6
        e = np.floor(g.random(n) * (t + 1)) if trial % 2 else None
        right, found = kaplan_meier(t, d, e), turnbull(t, np.where(d, t, np.inf), e, tolerance=1e-6, rounds=1000)
        exact = found.low == found.high
        assert found.low[exact].tolist() == right.time.tolist()
        np.testing.assert_array_equal(found.at_risk[exact], right.at_risk)
        if right.value.min(initial=1.0) > 0:  # what comes after everybody died has no share
            assert found.converged
            np.testing.assert_allclose(found.value[exact], right.value, atol=2e-3)
            np.testing.assert_allclose(found.error[exact], right.error, atol=5e-3)
        if e is None:
            assert found.until == right.until and np.all(np.abs(found.curve().value - right.value) < 1e-4)


def test_lives_between_the_same_sessions_are_a_life_table() -> None:
    draw = np.random.default_rng(1)
    life = draw.exponential(5.0, 4000)
    found = turnbull(4.0 * np.floor(life / 4), 4.0 * np.floor(life / 4) + 4)
    k = np.arange(1, 4)
    share = np.array([(life > 4 * x).mean() for x in k])
    np.testing.assert_allclose(found.value[:3], share, atol=1e-6)
    np.testing.assert_allclose(found.error[:3], np.sqrt(share * (1 - share) / 4000), rtol=1e-3)
    np.testing.assert_allclose(found.curve(0.5).time[:3], 4 * k - 2)


def test_irregular_looks_and_entries_leave_no_bias() -> None:
    draw = np.random.default_rng(2)
    life, first = draw.exponential(6.0, 1500), draw.integers(1, 7, 1500) / 2
    life, first = life[life > first], first[life > first]  # seen only if it lived until its first session
    gap = draw.integers(1, 5, life.size)
    k = np.floor((life - first) / gap)
    low, high = first + k * gap, first + (k + 1) * gap
    found = turnbull(low, np.where(low > 15.0, np.inf, high), first, tolerance=0.01)
    assert found.converged
    for age in (3.0, 6.0, 12.0):
        i = int(np.searchsorted(found.high, age, side="right")) - 1
        assert abs(found.value[i] - np.exp(-age / 6.0)) < 4 * 0.017


def test_doors() -> None:
    assert turnbull([], []).mass.size == 0
    for given, said in (
        (([2.0], [1.0]), "high not before it, got 2.0 and 1.0 at place 0"), (([0.0, 1.0], [1.0]), "alike"),
        (([np.nan], [1.0]), "low must be an age"), (([1.0], [2.0], [1.5]), "entry must lie between 0 and low, got 1.5"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            turnbull(*given)
    few = turnbull([0, 0, 0, 1, 2, 2], [1, 1, 2, 2, np.inf, np.inf], rounds=1)
    assert not few.converged and few.rounds == 1


def test_lives_that_are_alike_are_told_once_whatever_their_rounding_errors() -> None:
    """Ages that are differences of ticks: 20,000 lives have few intervals, those of the same lives in whole ticks."""
    draw = np.random.default_rng(4)
    born = draw.integers(0, 300, 20_000)
    age = 1 + draw.geometric(0.05, born.size)
    seen = born + age <= 360
    low, high = np.where(seen, age - 1, 360 - born), np.where(seen, age, np.inf)
    whole = turnbull(low, high)
    tick = 1.0 / 12.0
    begun = born * tick
    noisy = turnbull(
        (begun + low * tick) - begun, np.where(seen, (begun + np.where(seen, high, 0) * tick) - begun, np.inf)
    )
    assert whole.low.size == noisy.low.size < 400 and noisy.converged
    np.testing.assert_allclose(noisy.low, whole.low * tick, atol=1e-9)
    np.testing.assert_allclose(noisy.value, whole.value, atol=1e-6)
    np.testing.assert_allclose(noisy.error, whole.error, atol=1e-6)
    np.testing.assert_array_equal(noisy.at_risk, whole.at_risk)
    # so do the other estimates of lifetimes
    ended, died = np.where(seen, age, 360 - born), seen
    later = (begun + ended * tick) - begun
    exact, rough = kaplan_meier(ended, died), kaplan_meier(later, died)
    assert np.unique(later).size > 2 * np.unique(ended).size
    np.testing.assert_array_equal(rough.value, exact.value)
    np.testing.assert_array_equal(rough.at_risk, exact.at_risk)
    half = born % 2 == 0
    tests = [log_rank(t[half], died[half], t[~half], died[~half]) for t in (ended, later)]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, abs=1e-9)
    few = turnbull(np.repeat([0.0, 1.0, 2.0], 7), np.repeat([2.0, 3.0, np.inf], 7))
    assert few.mass.tolist() == pytest.approx([0.5, 0.5]) and few.at_risk.tolist() == [14.0, 7.0]
