"""The trophic share: its definition, carrying capacity, stability, off switch."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.mechanisms.neurotrophin import Neurotrophin, feedback_slope
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.units import day
from tests.mechanisms.drivers import World, few, star

STILL = SpineSize(noise=False, death="none")


def shares(m: Neurotrophin, w: World) -> np.ndarray:
    """The drive by definition, one target at a time."""
    t = w.table
    slots = t.slots()
    x, post = t.column("log_size")[slots], t.post[slots]
    out = np.zeros(slots.size)
    for j in range(t.n_target):
        mine = post == j
        u = np.exp(m.exponent * x[mine])
        if m.coactivity > 0:
            both = w.view.source["rate_hz"][t.pre(slots[mine])] * w.view.target["rate_hz"][j]
            u = u * (m.alpha + m.coactivity * both)
        supply = m.feeds * (w.view.target["rate_hz"][j] / m.supply_hz if m.supply == "rate" else 1.0)
        share = supply * u / u.sum() - 1.0 if u.sum() > 0 else np.full(u.size, -1.0)
        out[mine] = m.gain * np.clip(share, -m.clip, m.clip)
    return out


@pytest.mark.parametrize(
    "m",
    [
        Neurotrophin(),
        Neurotrophin(feeds=700, gain=0.4, exponent=1.0, clip=0.3),
        Neurotrophin(coactivity=2.0, feeds=600.0, clip=5.0),
        Neurotrophin(supply="rate", feeds=400.0),
        Neurotrophin(alpha=0.0, coactivity=1.0, feeds=100.0),
    ],
)
def test_definition(m: Neurotrophin) -> None:
    n = few(400, 60)
    w = World((m, SpineSize(death="none")), star(n, 3))
    draw = np.random.default_rng(2)
    w.view.source["rate_hz"][:] = draw.exponential(1.0, n)
    w.view.target["rate_hz"][:] = [0.0, 0.5, 2.0]
    for _ in range(3):
        expected = shares(m, w)
        w.step()
        assert w.table.column("drive_trophic")[w.table.slots()] == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_the_mean_share_is_the_carrying_capacity() -> None:
    """Mean T = K / n - 1, and the sum of T + 1 is K."""
    m = Neurotrophin(feeds=12.0, clip=100.0)
    w = World((m, STILL), star(30, 2))
    w.step()
    t = w.of("drive_trophic")
    assert t.mean() == pytest.approx(12 / 30 - 1)
    assert (t[:30] + 1).sum() == pytest.approx(12.0)


def test_where_nobody_takes_up_nobody_is_fed() -> None:
    w = World((Neurotrophin(alpha=0.0, coactivity=1.0), STILL), star(10, 2))
    w.step()  # both populations silent
    assert np.all(w.of("drive_trophic") == -1.0)


def test_off() -> None:
    w = World((Neurotrophin(gain=0.0), STILL), star(10, 2))
    w.step()
    assert not w.of("drive_trophic").any()


def test_feedback_slopes_of_the_default_study() -> None:
    assert feedback_slope(0.7, 1.0, 0.5, 30, 40.0) == pytest.approx(0.27, abs=0.01)
    assert feedback_slope(0.7, 1.0, 0.5, 30, 22.3) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("feeds", [20.0, 40.0, 80.0])
def test_competition_is_graded_below_a_slope_of_one(feeds: float) -> None:
    """A small difference decays or grows with rate (slope - 1) / tau, slope = sd gain p K / n."""
    n = 20
    m, size = Neurotrophin(feeds=feeds, clip=10.0), SpineSize(noise=False, death="none", mean=0.5)
    w = World((m, size), star(n))
    small = 1e-5 * np.random.default_rng(0).normal(size=n)
    small -= small.mean()
    x = w.table.column("log_size")
    x[w.table.slots()] = 0.5 + small
    w.step()
    slope = feedback_slope(size.sd, m.gain, m.exponent, feeds, n)
    keep = np.exp(-w.tick / size.tau)
    after = w.of("log_size") - w.of("log_size").mean()
    assert after == pytest.approx(small * (keep + slope * (1 - keep)), rel=1e-4, abs=1e-12)
    assert (np.abs(after).max() > np.abs(small).max()) == (slope > 1)


def test_winner_takes_all_above_a_slope_of_one() -> None:
    def spread(feeds: float) -> float:
        w = World((Neurotrophin(feeds=feeds, clip=10.0), STILL), star(20), tick=0.5 * day)
        x = w.table.column("log_size")
        x[w.table.slots()] = np.linspace(-0.1, 0.1, 20)
        w.step(400)
        return float(w.of("log_size").std())

    assert spread(20.0) < 1e-6 and spread(90.0) > 0.5
