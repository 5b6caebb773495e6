"""Homeostatic scaling: its integral, the low-passed rate, limits, and the vote it would be without."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.mechanisms.base import check_owners
from neurodev.mechanisms.scaling import Scaling, step_response
from neurodev.units import day, hour
from tests.mechanisms.drivers import neurons


def advance(m: Scaling, rates: np.ndarray, tick: float = 2 * hour) -> tuple[np.ndarray, np.ndarray]:
    """S and the averaged rate after a sequence of rates (n_tick, n)."""
    view = neurons(m, rates.shape[1], tick)
    for r in rates:
        view.block["rate_hz"][:] = r
        m.advance(view)
    return view.block["scaling"], view.block["rate_average"]


def test_on_target_nothing_moves() -> None:
    s, r = advance(Scaling(), np.full((50, 3), 0.5))
    assert np.all(s == 0.5) and np.all(r == 0.5)


def test_one_tick() -> None:
    s, r = advance(Scaling(start=0.1), np.array([[1.0, 0.0]]))
    keep = np.exp(-2 / 12)
    assert r == pytest.approx([1.0 - 0.5 * keep, 0.5 * keep], rel=1e-13)
    assert s == pytest.approx(0.1 + np.clip((1 - r / 0.5) / 12, -0.05, 0.05), rel=1e-13)


def test_the_integral_has_its_closed_form() -> None:
    m = Scaling(start=0.0, limit=10.0, bound=50.0)
    for tick, n in ((2 * hour, 60), (0.25 * hour, 480)):
        s, _ = advance(m, np.full((n, 1), 0.8), tick)
        # Euler sums the error at the ends of ticks: half a tick of the transient
        assert s[0] == pytest.approx(step_response(5 * day, 0.8, m), abs=0.6 * tick / day)


def test_limits_and_bounds() -> None:
    s, _ = advance(Scaling(average=0.0, start=0.0), np.array([[100.0, 0.5]]))
    assert s == pytest.approx([-0.05, 0.0])
    s, _ = advance(Scaling(), np.tile([[20.0, 0.0]], (400, 1)))
    assert s == pytest.approx([-2.0, 2.0])


def test_silent_neurons_grow_and_loud_ones_shrink() -> None:
    s, _ = advance(Scaling(start=0.0), np.tile([[0.0, 0.4, 0.6, 2.0]], (24, 1)))
    assert s[0] > s[1] > 0 > s[2] > s[3]


def test_clipped_single_ticks_are_a_vote() -> None:
    """Silent in 40 % of the ticks and above target in the others, on target in the mean: the average keeps S."""
    rates = np.where(np.arange(400) % 5 < 2, 0.0, 0.5 / 0.6)[:, None]
    fair, _ = advance(Scaling(start=0.0), rates)
    vote, _ = advance(Scaling(start=0.0, average=0.0), rates)
    assert abs(fair[0]) < 0.1
    assert abs(vote[0]) > 1.0


def test_off() -> None:
    s, _ = advance(Scaling(start=0.0, bound=0.0), np.full((10, 2), 3.0))
    assert not s.any()


def test_build() -> None:
    assert Scaling().fastest_life_time() == 0.5 * day
    assert Scaling(average=0.0).fastest_life_time() == day
    assert Scaling.level == "neuron"
    check_owners("n", (Scaling(),), frozenset({"rate_hz"}))
    with pytest.raises(ParameterError, match="bound"):
        Scaling(start=3.0)
