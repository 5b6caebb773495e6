"""Two populations of lifetimes: recovered within four standard errors, however they were observed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from neurodev.errors import ParameterError
from neurodev.mechanisms.persistence import Persistence
from neurodev.metrics import lifetimes, turnover
from neurodev.metrics.lifetimes import TwoClasses, fit_two_classes
from neurodev.protocols.imaging import image, population
from neurodev.units import day

SHARE, SLOW, FAST = 0.35, 0.01, 0.3


def lived(n: int, seed: int, slow: float = SLOW) -> tuple[np.ndarray, np.random.Generator]:
    """Ages at death; infinite where a class never dies."""
    draw = np.random.default_rng(seed)
    lasting = draw.random(n) < SHARE
    return np.where(lasting, draw.exponential(1.0, n) / slow if slow else np.inf, draw.exponential(1 / FAST, n)), draw


def within(fit: TwoClasses, share: float = SHARE, slow: float = SLOW, fast: float = FAST) -> np.ndarray:
    """Distances in standard errors: four at most."""
    z = (np.array([fit.share, fit.slow, fit.fast]) - [share, slow, fast]) / [
        fit.share_error, fit.slow_error or 1.0, fit.fast_error
    ]  # fmt: skip
    assert np.all(np.abs(z) < 4.0), (fit, z)
    return z


def observed(kind: str, n: int, seed: int) -> dict[str, np.ndarray]:
    """The same lives, seen in one of several ways."""
    age, draw = lived(n, seed)
    end = draw.uniform(20.0, 90.0, n)  # of the observation
    if kind == "late":  # who was dead by then was never seen
        entry = draw.uniform(0.0, 15.0, n)
        seen = age > entry
        age, end, entry = age[seen], end[seen], entry[seen]
        return {"duration": np.minimum(age, end), "died": age < end, "entry": entry}
    if kind == "sessions":  # every four days: a death is known to lie between two
        last = 4.0 * np.floor(np.minimum(age, end) / 4.0)
        died = last + 4.0 <= end
        return {"duration": np.where(died, last + 4.0, last), "died": died, "seen": last}
    return {"duration": np.minimum(age, end), "died": age < end}


@pytest.mark.parametrize("kind", ["exact", "late", "sessions"])
def test_what_was_put_in_comes_out(kind):
    """Within four standard errors each time, and as often beyond one as errors should be."""
    z = np.array([within(fit_two_classes(**observed(kind, 2500, seed))) for seed in range(12)])
    assert np.all(np.abs(z.mean(axis=0)) < 4.0 / np.sqrt(12)) and np.all(z.std(axis=0) < 2.0)
    assert np.mean(np.abs(z) > 1.0) > 0.1


def test_errors_fall_with_the_root_of_the_number():
    few, many = (fit_two_classes(**observed("exact", n, 1)) for n in (1500, 6000))
    for name in ("share_error", "slow_error", "fast_error"):
        assert 1.5 < getattr(few, name) / getattr(many, name) < 2.7


def test_ignoring_how_it_was_seen_is_wrong():
    """Late entry and sessions are there for a reason: without them the fit is many errors away."""
    for kind, name in (("late", "entry"), ("sessions", "seen")):
        given = observed(kind, 4000, 2)
        del given[name]
        fit = fit_two_classes(**given)
        z = np.abs([(fit.share - SHARE) / fit.share_error, (fit.fast - FAST) / fit.fast_error])
        assert z.max() > 6.0


def test_a_stable_fraction():
    age, draw = lived(4000, 3, slow=0.0)
    end = draw.uniform(20.0, 60.0, age.size)
    fit = fit_two_classes(np.minimum(age, end), age < end, stable=True)
    assert fit.slow == fit.slow_error == 0.0
    within(fit, slow=0.0)
    np.testing.assert_allclose(fit.at([0.0, 1e6]), [1.0, fit.share])


def test_it_is_the_maximum():
    """Slopes by differences, and nobody finds a likelier place without slopes; in closed form for one population."""
    given = observed("sessions", 800, 4)
    lives = lifetimes._Seen(given["duration"], given["died"], np.zeros(800), given["seen"])
    p = np.array([0.4, 0.02, 0.2])
    value, slopes = lifetimes._log_likelihood(lives, p)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-6
        up, down = (lifetimes._log_likelihood(lives, p + sign * step)[0] for sign in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx(slopes[k], rel=1e-6)
    fit = fit_two_classes(**given)

    def cost(x):
        q = np.array([1 / (1 + np.exp(-x[0])), *np.exp(x[1:])])
        return -lifetimes._log_likelihood(lives, q)[0]

    other = minimize(
        cost, [0.0, -4.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 4000}
    )
    assert fit.log_likelihood == pytest.approx(-other.fun, abs=1e-6) and fit.log_likelihood >= -other.fun - 1e-6
    np.testing.assert_allclose([fit.slow, fit.fast], np.exp(other.x[1:]), rtol=1e-3)
    exact = observed("exact", 800, 4)
    one = fit_two_classes(**exact)
    rate = exact["died"].sum() / exact["duration"].sum()
    assert one.one_rate == pytest.approx(rate, rel=1e-6)
    alone = exact["died"].sum() * np.log(rate) - rate * exact["duration"].sum()
    assert one.one_log_likelihood == pytest.approx(alone, abs=1e-6) and one.gain > 100.0


def test_one_population_is_told_as_one():
    """No gain to speak of, and no errors where there are not two."""
    draw, gains = np.random.default_rng(6), []
    for _ in range(10):
        age = draw.exponential(5.0, 500)
        fit = fit_two_classes(np.minimum(age, 20.0), age < 20.0)
        gains.append(fit.gain)
        assert fit.one_rate == pytest.approx(0.2, rel=0.2) and fit.slow <= fit.fast
    assert min(gains) > -1e-6 and np.mean(gains) < 4.0


def test_the_curve_lies_on_kaplan_and_meier():
    given = observed("exact", 4000, 7)
    fit, km = fit_two_classes(**given), turnover.kaplan_meier(**given)
    at = np.array([1.0, 5.0, 15.0, 60.0])
    error = np.interp(at, km.time, km.error)
    assert np.all(np.abs(fit.at(at) - km.at(at)) < 4.0 * error)


def test_persistent_and_transient_spines_under_the_microscope():
    """`Persistence` imaged every day: the standing and the newborns give back its rates and both shares."""
    rule = Persistence(hazard=0.02, transient_hazard=0.4, share=0.2, late=20.0)
    days = np.arange(0.0, 31.0, 1.0)
    x = image(population([rule], 3000, n_target=60, tick=0.25 * day, seed=4), days)
    first, last = turnover.sightings(np.isfinite(x), days)
    late, soon = (turnover.lives_from_sightings(first, last, days, place=p) for p in (1.0, 0.0))
    standing = late.standing
    fit = fit_two_classes(late.duration[standing], late.died[standing], seen=soon.duration[standing])
    within(fit, rule.standing, 0.02, 0.4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([1.0, 2.0], [True, True]), "died must tell of 3 deaths at least"),
        (([1.0, 2.0, 3.0], [True, True, True], [0, 0, 4]), "entry must lie between 0 and the end"),
        (([1.0, 2.0, 3.0], [True] * 3, None, [0.5, 2.5, 1.0]), "seen must lie between entry and the end of the life"),
        (([1.0, 2.0, 3.0], [True] * 3, None, [0.5]), "seen must have shape"),
        (([0.0, 0.0, 0.0], [True] * 3), "duration must hold lives that lasted"),
        (([1.0, np.nan], [True, True]), "NaN"),
    ],
)  # fmt: skip
def test_lives_are_looked_at(given, said):
    with pytest.raises(ParameterError, match=said):
        fit_two_classes(*given)
