"""The door of the metrics: identities as sets, indices in range, lives that are seen from their entry on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import topology
from neurodev.metrics.cost import confusion
from neurodev.metrics.given import identities
from neurodev.metrics.maps import centroids
from neurodev.metrics.sizes import evidence_gap, pair_correlation, pair_cv, relative_evidence
from neurodev.metrics.spikes import avalanches, interspike_intervals
from neurodev.metrics.turnover import (
    death_rates_by_age,
    events_per_day,
    kaplan_meier,
    paired_survival,
    session_changes,
    survival_fraction,
    turnover_ratio,
)

FORMS: list[Any] = [
    list, tuple, set, frozenset, np.array, lambda x: iter(list(x)), lambda x: dict.fromkeys(x).keys(),
    lambda x: np.array(list(x), np.uint32), lambda x: np.array(list(x), float), lambda x: [*x, *x],
    lambda x: list(x)[::-1], lambda x: [np.int16(i) for i in x],
]  # fmt: skip


@pytest.mark.parametrize("before", FORMS)
@pytest.mark.parametrize("after", FORMS)
def test_identities_have_neither_order_nor_form(before: Any, after: Any) -> None:
    assert turnover_ratio(before([1, 2, 3]), after([2, 3, 4, 5])) == pytest.approx(3 / 7)
    assert survival_fraction(before([1, 2, 3]), after([2, 3, 4, 5])) == pytest.approx(2 / 3)
    curve = paired_survival([before([1, 2, 3]), after([2, 3, 4, 5]), before([3])])
    np.testing.assert_allclose(curve, [1.0, 3 / 7, 1 / 3])


def test_words_and_pairs_are_identities_too() -> None:
    assert turnover_ratio({"a", "b"}, ["b", "c"]) == 0.5
    pairs = [(0, 1), (2, 3)]
    assert survival_fraction(pairs, np.array([[2, 3], [4, 5]])) == survival_fraction(set(pairs), [[2, 3]]) == 0.5
    assert np.isnan(survival_fraction([], [1])) and np.isnan(turnover_ratio(set(), []))
    assert identities([1, 1.0, np.int8(1)], "x") == {1} and identities(["1"], "x") != identities([1], "x")


@pytest.mark.parametrize(
    "wrong", [[True, False], np.array([True]), [0.5], [np.nan], np.array([1.5]), 3, "ab", None, [None]]
)
def test_what_is_no_identity_is_refused(wrong: Any) -> None:
    for call in (lambda: turnover_ratio(wrong, [1]), lambda: survival_fraction([1], wrong)):
        with pytest.raises(ParameterError, match="(before|after) must .* identities|must be whole numbers"):
            call()
    with pytest.raises(ParameterError):
        paired_survival([[1, 2], wrong])
    with pytest.raises(ParameterError, match="in order of time"):
        paired_survival({1, 2})  # type: ignore[arg-type]


# ---------------------------------------------------------------- lives


def by_hand(t: np.ndarray, d: np.ndarray, e: np.ndarray) -> dict[float, float]:
    """Kaplan and Meier life by life: at risk of a death at x is who entered before it, or dies at its own entry."""
    share, out = 1.0, {}
    for x in sorted(set(t[d].tolist())):
        risk = sum(1 for a, b, c in zip(t, d, e, strict=True) if a >= x and (c < x or (c == a == x and b)))
        share *= 1 - sum(1 for a, b in zip(t, d, strict=True) if b and a == x) / risk
        out[x] = share
    return out


def test_late_entries_with_ties_follow_the_definition() -> None:
    g = np.random.default_rng(3)
    for _ in range(200):
        n = int(g.integers(1, 12))
        t = g.integers(0, 6, n).astype(float)
        d, e = g.random(n) < 0.7, np.floor(g.random(n) * (t + 1))
        curve, right = kaplan_meier(t, d, e), by_hand(t, d, e)
        assert curve.time.tolist() == list(right)
        np.testing.assert_allclose(curve.value, list(right.values()), atol=1e-12)
        assert np.all((curve.value >= 0) & (curve.value <= 1)) and np.all(curve.at_risk >= 1)
        early = kaplan_meier(t, d, np.full(n, 0.0))
        if not np.any(t == 0):  # entered at birth is not late
            np.testing.assert_array_equal(early.value, kaplan_meier(t, d).value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([1, 2], [1, 1], [2, 0]), "entry must lie between 0 and the end of the life, got 2.0 for 1.0 at place 0"),
        (([1, 2], [1, 1], [0]), "entry must have shape"), (([1, 2], [1, 1], [0, np.nan]), "got nan for 2.0"),
        (([1, 2], [1, 1], [-1, 0]), "got -1.0"), (([1, -2], [1, 1]), "not negative, got -2"),
        (([1, np.nan], [1, 1]), "NaN"), (([1, 2], [1, 0.5]), "died must be True or False"),
        (([1, 2], [1, np.nan]), "died must be True or False"), (([1, 2], [1]), "alike"),
        (("ab", [1]), "must be numbers"),
    ],
)  # fmt: skip
def test_lives_are_looked_at(given: Any, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        kaplan_meier(*given)
    entry = given[2] if len(given) > 2 else None
    with pytest.raises(ParameterError, match=said):
        death_rates_by_age(given[0], given[1], [0.0, 5.0], entry)


# ---------------------------------------------------------------- indices


@pytest.mark.parametrize("wrong", [[0, 3], [0, -1], [0, 0.5], [True, False], [0, np.nan], ["a", "b"], [[0, 1]], [0]])
def test_indices_out_of_range_or_cut_off_are_refused(wrong: Any) -> None:
    place = np.zeros((3, 2))
    for call in (
        lambda: topology.degrees(wrong, [0, 1], 3, 3), lambda: topology.degrees([0, 1], wrong, 3, 3),
        lambda: topology.connection_density(wrong, [0, 1], 3, 3), lambda: topology.reciprocity(wrong, [0, 1], 3),
        lambda: topology.jaccard([0], [0], [0, 1], wrong, 3), lambda: topology.clustering(wrong, [0, 1], 3),
        lambda: topology.path_lengths(wrong, [0, 1], 3), lambda: topology.wiring_lengths(wrong, [0, 1], place, place),
        lambda: topology.probability_by_distance(wrong, [0, 1], place, place, [0.0, 1.0]),
        lambda: centroids(wrong, [0, 1], [1.0, 1.0], place, 3), lambda: confusion(wrong, [0, 1], 3),
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            call()


def test_other_whole_numbers_are_not_cut_off() -> None:
    for call in (
        lambda: interspike_intervals([1.0, 2.0], [0.5, 1]), lambda: relative_evidence([1.0, 2.0], [0, 0.5]),
        lambda: evidence_gap([1.0, 2.0], [0, 1.5], [1.0], [0]), lambda: events_per_day([1.0], [0.5], 2.0),
        lambda: topology.path_lengths([0], [1], 2, [0.5]), lambda: topology.gini([1.0, -1.0]),
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            call()


def test_what_has_as_many_numbers_is_not_taken_for_pairs() -> None:
    """Six numbers are three pairs in one shape only."""
    six = np.arange(1.0, 7.0)
    for wrong in (six, six.reshape(2, 3), six.reshape(1, 2, 3)):
        for call in (
            lambda w: pair_cv(w), lambda w: pair_correlation(w), lambda w: interspike_intervals([1.0, 2.0], [0, 0], w),
            lambda w: avalanches([1.0, 2.0], 1.0, w),
        ):  # fmt: skip
            with pytest.raises(ParameterError, match=r"must be \(n, 2\), got shape"):
                call(wrong)
    assert pair_cv(six.reshape(3, 2)).size == 3 and pair_cv([]).size == 0 and avalanches([1.0], 1.0, []).size.size == 0
    with pytest.raises(ParameterError, match="times must be finite"):
        avalanches([1.0, np.nan], 1.0)
    with pytest.raises(ParameterError, match="present must hold True or False"):
        session_changes(np.array([["no", "yes"]]))
