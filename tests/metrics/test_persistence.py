"""What two sessions have in common, and positions that are filled again."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics.persistence import persistence, positions
from neurodev.metrics.topology import jaccard
from neurodev.metrics.turnover import survival_fraction


def test_two_by_two_it_is_what_the_metrics_of_two_say() -> None:
    draw = np.random.default_rng(0)
    here = draw.random((60, 4)) < 0.5
    size = np.where(here, draw.normal(size=(60, 1)) + 0.5 * draw.normal(size=(60, 4)), np.nan)
    found = persistence(here, size)
    for i in range(4):
        for j in range(4):
            a, b = np.flatnonzero(here[:, i]), np.flatnonzero(here[:, j])
            assert found.kept[i, j] == survival_fraction(a, b) and found.both[i, j] == np.intersect1d(a, b).size
            assert found.jaccard[i, j] == pytest.approx(jaccard(a, 0 * a, b, 0 * b, 1))
            both = here[:, i] & here[:, j]
            assert found.correlation[i, j] == pytest.approx(np.corrcoef(size[both, i], size[both, j])[0, 1])


def test_what_was_not_looked_at_is_left_out() -> None:
    here = [[True, False], [True, True], [True, False]]
    looked = [[True, False], [True, True], [True, True]]
    found = persistence(here, looked=looked)
    assert found.kept[0, 1] == 0.5 and found.number[0, 1] == 2 and found.number[0, 0] == 3
    assert np.isnan(persistence(np.zeros((0, 2), bool)).kept).all() and np.isnan(found.correlation).all()


def test_positions_are_taken_over_by_the_nearest_newcomer() -> None:
    group = ["a"] * 5 + ["b"]
    place = [1.0, 3.0, 1.3, 2.6, 1.4, 1.0]
    born, died = [np.nan, np.nan, 5.0, 6.0, 7.0, 9.0], [4.0, 4.0, np.nan, 8.0, np.nan, np.nan]
    assert positions(group, place, born, died, 0.5).tolist() == [0, 1, 0, 1, 2, 3]
    assert positions(group, place, born, died, 0.0).tolist() == [0, 1, 2, 3, 4, 5]
    plane = np.column_stack([place, np.zeros(6)])
    assert positions(group, plane, born, died, 0.5).tolist() == [0, 1, 0, 1, 2, 3]
    # who has no place is alone
    assert positions(["a", "a"], [np.nan, np.nan], [0.0, 3.0], [1.0, np.nan], 1.0).tolist() == [0, 1]


def test_doors() -> None:
    for call, said in (
        (lambda: persistence([True, False]), r"\(n, n_session\)"),
        (lambda: persistence([[True]], size=[[1.0, 2.0]]), "size must have shape"),
        (lambda: positions(["a"], [1.0, 2.0], [0.0], [1.0], 1.0), "a row each, got 1, 2, 1 and 1"),
        (lambda: positions(["a"], [1.0], [0.0], [1.0], -1.0), "reach must be"),
    ):
        with pytest.raises(ParameterError, match=said):
            call()
