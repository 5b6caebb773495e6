"""Success numbers assembled from plain arrays, and their bands."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import maps, maturation, sizes, turnover
from neurodev.metrics.maturation import Check, Picture


def grid(n, spacing):
    x = (np.arange(n) + 0.5) * spacing
    return np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)


def picture(source, target, reach):
    d = np.sqrt(((source[:, None] - target[None]) ** 2).sum(axis=2))
    pre, post = np.nonzero(d <= reach)
    return Picture(pre, post, np.ones(pre.size))


def made_up(final_reach=90.0, seed=0):
    """A development that passes everything."""
    rng = np.random.default_rng(seed)
    source = target = grid(20, 50.0)
    day = np.arange(361) / 12
    rise = np.minimum(day / 6, 1)
    number = 8 + 32 * rise - 16 * np.clip((day - 6) / 20, 0, 1)
    alive = [(rng.normal(0, 1, 400), rng.normal(-1.2, 1, 50)) for _ in range(20)]
    return {
        "day": day, "number": number, "log_size": rng.normal(-2.7, 0.95, 20_000), "first": picture(source, target, 250),
        "last": picture(source, target, final_reach), "source": source, "target": target, "sheet": (1000.0, 1000.0),
        "deaths": number[1:] * 400 * 0.08 / 12, "rates": np.full((30, 400), 0.5), "target_hz": 0.5, "evidence": alive,
    }  # fmt: skip


def numbers(final_reach=90.0):
    """All numbers of it, put together as a run's verdict does."""
    m = made_up(final_reach)
    n = maturation.density_numbers(m["day"], m["number"])
    _, n["sd"], n["skew"] = sizes.log_moments(m["log_size"])
    n["decade"] = sizes.central_decade(m["log_size"])
    n |= maturation.map_numbers(m["first"], m["last"], m["source"], m["target"], m["sheet"])
    n |= maturation.rate_numbers(m["rates"][:, maps.central(m["target"], *m["sheet"])], m["target_hz"])
    windows = turnover.death_rates(m["day"][1:], m["deaths"], m["number"][1:] * 400, 3.0)
    n["death_rate_rise"] = maturation.largest_rise(*windows, n["peak_day"])
    n["evidence_gap"] = maturation.mean_gap(m["evidence"])
    return n


def test_a_development_that_passes_and_its_control():
    control, n = numbers(final_reach=250.0), numbers()
    out = maturation.checks(n, {"shuffled": control})
    assert all(c.passed for c in out), [c for c in out if not c.passed]
    assert n["peak_to_final"] == pytest.approx(40 / 24) and n["peak_day"] == pytest.approx(6)
    assert n["field_change"] < -50 and n["evidence_gap"] == pytest.approx(1.2, abs=0.1)
    assert n["rate_ratio"] == pytest.approx(1) and n["second_peak"] == 0
    assert out[-1].name == "shrinks more than shuffled (points)" and out[-1].value > 20
    # the control is not a map that refines
    assert {c.name for c in maturation.checks(control) if not c.passed} >= {"field radius, change (%)"}


def test_what_could_not_be_had_is_not_passed_in_silence():
    n = {k: v for k, v in numbers().items() if not k.startswith(("rate_", "death_", "evidence_"))}
    failed = {c.name for c in maturation.checks(n) if not c.passed}
    assert failed == {"rate / target, last 5 d", "evidence gap (sd within neurons)"}


def test_empty_network():
    source, target = grid(4, 50.0), grid(3, 60.0)
    nobody = Picture(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    n = maturation.density_numbers(np.array([0.0]), np.array([0.0]))
    n |= maturation.map_numbers(nobody, nobody, source, target, (200.0, 200.0))
    n |= maturation.rate_numbers(np.zeros((0, 9)), 0.5)
    assert not any(c.passed for c in maturation.checks(n) if c.name != "day of the peak")


def test_bands_include_their_ends():
    assert Check("x", 1.4, 1.4, 2.0, "").passed and Check("x", 2.0, 1.4, 2.0, "").passed
    assert not Check("x", 2.01, 1.4, 2.0, "").passed and not Check("x", float("nan"), None, None, "").passed


def test_density_numbers_by_hand():
    out = maturation.density_numbers(np.array([0.0, 1.0, 2.0, 7.0]), np.array([8.0, 20.0, 40.0, 30.0]))
    assert out["day_1"] == 20 and out["peak"] == 40 and out["peak_day"] == 2
    assert out["peak_to_final"] == pytest.approx(4 / 3)
    assert out["change_per_day"] == pytest.approx(100 * (30 - 40) / 35 / 5)
    assert np.isnan(maturation.density_numbers(np.array([0.0]), np.array([8.0]))["change_per_day"])
    with pytest.raises(ParameterError, match="empty"):
        maturation.density_numbers(np.zeros(0), np.zeros(0))


def test_rise_of_the_death_rate():
    left, error = np.arange(5) * 3.0, np.full(5, 0.01)
    falling = np.array([0.05, 0.2, 0.1, 0.09, 0.08])
    assert maturation.largest_rise(left, falling, error, 3.0) < 0
    rising = np.array([0.05, 0.2, 0.1, 0.2, 0.1])
    assert maturation.largest_rise(left, rising, error, 3.0) == pytest.approx(0.1 / (0.01 * np.sqrt(2)))
    # before the peak it may rise
    assert maturation.largest_rise(left, falling, error, 0.0) > 4
    assert np.isnan(maturation.largest_rise(left, falling, error, 12.0))


def test_rates():
    daily = np.concatenate([[0.1, 1.5], np.full(8, 0.5)])
    out = maturation.rate_numbers(np.repeat(daily[:, None], 3, axis=1), 0.5)
    assert out["rate_hz"] == 0.5 and out["rate_day_high"] == 1.0  # the first two days do not count
    assert out["rate_block_high"] == pytest.approx((0.1 + 1.5 + 1.5) / 5 / 0.5)
    assert np.isnan(list(maturation.rate_numbers(np.zeros((0, 3)), 0.5).values())).all()
    born_late = np.full((10, 3), 0.5)
    born_late[:4, 2] = np.nan  # a cell that does not live has no rate; the others have
    assert maturation.rate_numbers(born_late, 0.5) == maturation.rate_numbers(np.full((10, 3), 0.5), 0.5)
    nobody = np.full((10, 3), 0.5)
    nobody[0] = np.nan
    assert np.isnan(maturation.rate_numbers(nobody, 0.5)["rate_block_low"])


def test_mean_gap():
    assert maturation.mean_gap([([1, -1], [-2]), ([1, -1], [])]) == 2.0
    assert np.isnan(maturation.mean_gap([]))
