"""Numbers computed independently against the closed forms that `neurodev show` prints."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.mechanisms.neurotrophin import Neurotrophin
from neurodev.mechanisms.scaling import Scaling
from neurodev.mechanisms.spine_size import (
    SpineSize,
    change_sd,
    mean_first_passage,
    mean_life,
    volume_correlation,
    volume_moments,
)  # fmt: skip
from neurodev.mechanisms.stdp import STDP, window
from neurodev.mechanisms.turnover import Turnover
from neurodev.params import describe
from neurodev.units import day

ALL = (STDP, SpineSize, Turnover, Neurotrophin, Scaling)


@pytest.mark.parametrize(("sd", "ratio", "cv", "skew"), [(0.5, 1.1331, 0.5329, 1.750), (0.7, 1.2776, 0.7952, 2.888),
                                                         (1.0, 1.6487, 1.3108, 6.185)])  # fmt: skip
def test_moments_of_volume(sd: float, ratio: float, cv: float, skew: float) -> None:  # EX-36, EX-37
    m = volume_moments(0.3, sd)
    assert m["mean"] / m["median"] == pytest.approx(ratio, abs=1e-4)
    assert m["mode"] == pytest.approx(np.exp(0.3 - sd**2))
    assert (m["cv"], m["skewness"]) == (pytest.approx(cv, abs=1e-4), pytest.approx(skew, abs=1e-3))


def test_change_over_a_day() -> None:  # EX-38
    for tau, expected in ((3, 0.7530), (10, 0.4363), (30, 0.2561)):
        assert float(change_sd(1.0, 1.0, tau)) == pytest.approx(expected, abs=1e-4)


def test_correlation_at_one_tau() -> None:  # EX-39
    for sd, expected in ((0.5, 0.33917), (0.7, 0.31239), (1.0, 0.25879)):
        assert float(volume_correlation(2.0, sd, 2.0)) == pytest.approx(expected, abs=1e-5)


def test_first_passage_times() -> None:  # EX-41
    for start, bound, expected in ((0, -2, 10.4284), (-1, -2, 8.3350), (0, -3, 86.9316)):
        assert mean_first_passage(start, bound, 0.0, 1.0, 1.0) == pytest.approx(expected, rel=1e-5)
    assert mean_first_passage(0.4, -1.1, 0.4, 0.5, 3.0) == pytest.approx(3 * 86.9316, rel=1e-5)


@pytest.mark.parametrize(
    ("setpoint", "expected"), [(-2, 1.21), (-1, 3.12), (-0.5, 6.19), (0, 14.9), (0.5, 45.3), (1, 177), (1.5, 900)]
)
def test_life_table(setpoint: float, expected: float) -> None:  # first passage, by quadrature
    m = SpineSize()
    assert mean_life(m, setpoint) / m.tau == pytest.approx(expected, rel=5e-3)


def test_one_sd_of_set_point_buys_a_factor_of_ten_in_life() -> None:
    m = SpineSize()
    assert 8 < mean_life(m, 1.0) / mean_life(m, 0.0) < 13


def test_window_of_the_pair_rule() -> None:  # EX-49
    m = STDP("pair", potentiation=0.777, depression=0.273, tau_plus=16.8, tau_minus=33.7)  # Bi & Poo's fit
    assert window(m, [10.0, -10.0]) == pytest.approx([0.777 * np.exp(-10 / 16.8), -0.273 * np.exp(-10 / 33.7)])
    b = STDP("burst", burst_loss=0.1)
    assert window(b, [-200.0, 200.0]) == pytest.approx(np.exp(-0.5) - 0.2)


def test_defaults_are_those_of_the_default_study() -> None:
    s, z, t, n, c = STDP("burst"), SpineSize(), Turnover(), Neurotrophin(), Scaling()
    assert (s.burst_tau, s.gain, s.clip, s.evidence_tau, s.newborn) == (400.0, 4.0, 2.0, day, "mean")
    assert (z.sd, z.tau, z.mean, z.minimum, z.newborn, z.first) == (0.7, 2.5 * day, 0.0, -1.6, -0.8, -0.2)
    assert (t.early, t.late, t.early_tau) == (14.0, 1.4, 4 * day)
    assert (n.feeds, n.gain, n.exponent, n.clip) == (30.0, 1.0, 0.5, 1.0)
    assert (c.target_hz, c.tau, c.average, c.limit, c.bound, c.start) == (0.5, day, 0.5 * day, 0.05, 2.0, 0.5)


@pytest.mark.parametrize("cls", ALL)
def test_every_parameter_says_what_it_is(cls: type) -> None:
    doc, infos = cls.__doc__ or "", describe(cls)
    assert infos and cls.equation
    for info in infos:
        assert info.source, info.name
        assert f"{info.name}" in doc, f"{cls.__name__}.{info.name} is not documented"
        if info.unit == "ms":
            assert info.clock in ("spike", "life"), info.name
    assert set(cls().describe()) == {"kind", *(i.name for i in infos)}
