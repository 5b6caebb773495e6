"""Growth curves, the exact growth between spikes, and the closed forms around them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from neurodev.errors import ParameterError
from neurodev.mechanisms.growth_curves import (
    GaussianGrowth,
    LinearGrowth,
    SigmoidGrowth,
    as_curve,
    fastest_steady_growth,
    growth_between,
    mean_growth,
)

CURVES = [
    LinearGrowth(nu=1.0), GaussianGrowth(nu=1.0), GaussianGrowth(nu=1.0, eta=0.1, epsilon=0.7),
    GaussianGrowth(nu=1.0, eta=0.65, epsilon=0.7), SigmoidGrowth(nu=1.0, epsilon=0.7), SigmoidGrowth(nu=1.0, psi=0.003),
]  # fmt: skip


def test_zeros_and_peak() -> None:
    """EX-4: growth at eta, epsilon, xi is 0, 0, nu."""
    for eta, epsilon in ((0.0, 0.05), (0.1, 0.7), (-0.2, 0.2)):
        g = GaussianGrowth(nu=3e-4, eta=eta, epsilon=epsilon)
        assert np.allclose(g([eta, epsilon, 0.5 * (eta + epsilon)]), [0.0, 0.0, 3e-4], atol=3e-16)
    assert abs(LinearGrowth()(0.05)) < 1e-16 and abs(SigmoidGrowth()(0.05)) < 1e-16


def test_slope_at_the_set_point() -> None:
    """EX-5: -4 ln2 nu / (epsilon - eta) = -55.4518 nu."""
    g, h = GaussianGrowth(nu=1.0), 1e-6
    slope = float(np.diff(g([0.05 - h, 0.05 + h]))[0] / (2 * h))
    assert np.isclose(slope, -4 * np.log(2) / 0.05, rtol=1e-9) and np.isclose(slope, -55.4518, atol=1e-4)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_growth_between_spikes_equals_quadrature(curve) -> None:
    """The integral while calcium decays, to 1e-9 of SciPy's."""
    kind, centre, width = curve.shape()
    for calcium in (0.0, 0.001, 0.05, 0.7, 3.0):
        for duration in (1e-4, 0.02, 0.5, 3.0, 50.0):
            edges = np.minimum(np.arange(0.0, 51.0, 0.25), duration)
            exact = sum(
                quad(lambda u, c=calcium: float(curve(c * np.exp(-u))), a, b, epsabs=1e-13, epsrel=1e-12)[0]
                for a, b in zip(edges[:-1], edges[1:], strict=True)
                if b > a
            )
            assert abs(growth_between(kind, centre, width, calcium, duration) - exact) < 1e-9


def test_growth_between_spikes_adds_up() -> None:
    """Two halves of an interval make the whole."""
    for curve in CURVES:
        kind, centre, width = curve.shape()
        for calcium in (0.0, 0.05, 1.0):
            whole = growth_between(kind, centre, width, calcium, 3.0)
            parts = growth_between(kind, centre, width, calcium, 1.2)
            parts += growth_between(kind, centre, width, calcium * np.exp(-1.2), 1.8)
            assert abs(whole - parts) < 1e-12


def test_poisson_growth_is_not_zero_on_target() -> None:
    """EX-7: +0.0099925 nu at exactly 5 Hz; EX-8: the rates at which mean growth vanishes."""
    g = GaussianGrowth(nu=1.0)
    assert np.isclose(mean_growth(g, 5.0, 1e4, 1e-3), 0.0099925, atol=1e-7)
    for rate, curve in (
        (5.01892, g), (20.01922, GaussianGrowth(nu=1.0, epsilon=0.2)),
        (70.02247, GaussianGrowth(nu=1.0, eta=0.1, epsilon=0.7)),
    ):  # fmt: skip
        assert abs(mean_growth(curve, rate, 1e4, 1e-3)) < 5e-6
    assert abs(mean_growth(LinearGrowth(), 5.0, 1e4, 1e-3)) < 1e-18
    with pytest.raises(ParameterError, match="linear and Gaussian"):
        mean_growth(SigmoidGrowth(), 5.0, 1e4, 1e-3)


def test_stability_of_the_loop() -> None:
    """EX-9: no oscillation up to the bound; overshoot e^-pi = 4.3 % at twice it."""
    gain, tau, beta = 1e-5, 1e4, 1e-3
    bound = fastest_steady_growth(GaussianGrowth(), gain, tau, beta)
    assert np.isclose(bound, 4.5e-3, rtol=2e-3)

    def overshoot(nu: float) -> float:
        curve = GaussianGrowth(nu=nu)
        goal = curve.epsilon / (beta * tau * gain)  # elements at which calcium rests on epsilon
        step = 1e-4  # of the set-point; small: linear
        run = solve_ivp(
            lambda t, y: [-y[0] / tau + beta * gain * y[1], float(curve(y[0]))],
            (0, 60 * tau), [curve.epsilon * (1 - step), goal * (1 - step)], rtol=1e-10, atol=1e-16, max_step=tau / 20,
        )  # fmt: skip
        return float(run.y[0].max() / curve.epsilon - 1.0) / step

    # calcium and elements start at the old fixed point, a step below the new one
    assert np.isclose(overshoot(2 * bound), np.exp(-np.pi), rtol=0.02)
    assert overshoot(0.5 * bound) < 1e-4


def test_bad_curves_are_refused() -> None:
    """Each message names the argument and the cure."""
    with pytest.raises(ParameterError, match="eta=0.1 must lie below"):
        GaussianGrowth(eta=0.1, epsilon=0.05)
    with pytest.raises(ParameterError, match="gaussian"):
        as_curve({"curve": "gausian"}, "x")
    with pytest.raises(ParameterError, match="has no 'psi'"):
        as_curve({"curve": "linear", "psi": 1.0}, "x")
    assert as_curve({"curve": "sigmoid", "psi": 0.2}, "x") == SigmoidGrowth(psi=0.2)
