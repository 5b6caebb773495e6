"""Who is who, by position alone."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.formats.matching import match


def test_the_sum_of_squares_decides_and_not_the_order() -> None:
    first = np.array([[0.0, 0.0], [1.0, 0.0]])
    # the nearest of (0, 0) is (.6, 0), which belongs to (1, 0)
    found = match([first, np.array([[0.6, 0.0], [-0.7, 0.0]])], within=1.0)
    assert found.life[1].tolist() == [1, 0]


def test_two_far_matches_do_not_push_a_near_one_aside() -> None:
    # 0 has gone, 1 stayed, 2 is new: as many matches as can be would shift all by one
    found = match([np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [2.0, 0.0]])], within=1.1)
    assert found.life[1].tolist() == [1, 2] and found.n == 3


def test_nothing_beyond_the_gate() -> None:
    for far, n in ((0.99, 1), (1.01, 2)):
        assert match([np.zeros((1, 3)), np.array([[0.0, far, 0.0]])], within=1.0).n == n


def test_empty_sessions() -> None:
    none = np.zeros((0, 2))
    found = match([none, np.zeros((1, 2)), none, np.zeros((1, 2))], within=1.0)
    assert found.n == 1 and [x.tolist() for x in found.life] == [[], [0], [], [0]]
    assert match([], within=1.0).n == 0


def test_against_the_assignment_over_all() -> None:
    """Parts that are not in reach of each other are solved apart: the sum is that of one problem over all."""
    from scipy.optimize import linear_sum_assignment

    draw = np.random.default_rng(4)
    a, b, reach = draw.uniform(0, 8, (60, 2)), draw.uniform(0, 8, (70, 2)), 1.0
    life = match([a, b], within=reach).life[1]
    square = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    cost = np.minimum(square, reach**2)
    want = cost[linear_sum_assignment(cost)].sum()
    matched = np.flatnonzero(life < 60)
    got = square[life[matched], matched].sum() + reach**2 * (60 - matched.size)
    assert got == pytest.approx(want) and np.unique(life).size == life.size


def test_a_still_population_is_known_up_to_half_the_nearest_distance() -> None:
    """Without births and deaths, scattered about their places by up to .45 of the distance of neighbours."""
    draw = np.random.default_rng(1)
    place = np.array([(x, y) for x in range(12) for y in range(12)], dtype=float)
    sessions, true = [], []
    for _ in range(6):
        order = draw.permutation(len(place))
        angle, far = draw.uniform(0, 2 * np.pi, len(place)), 0.45 * np.sqrt(draw.random(len(place)))
        sessions.append(place[order] + (far * np.array([np.cos(angle), np.sin(angle)])).T)
        true.append(order)
    found = match(sessions, within=0.9)
    assert found.n == len(place)
    for order, life in zip(true, found.life, strict=True):
        assert np.array_equal(true[0][life], order)


def test_what_is_wrong_is_refused() -> None:
    with pytest.raises(ParameterError, match="within must be"):
        match([np.zeros((1, 2))], within=0.0)
    with pytest.raises(ParameterError, match="session 1 must be finite"):
        match([np.zeros((1, 2)), np.full((1, 2), np.nan)], within=1.0)
    with pytest.raises(ParameterError, match="within=1e.09.*GiB"):
        match([np.zeros((300_000, 2)), np.zeros((300_000, 2))], within=1e9)
