"""Calcium: its law under Poisson firing."""

from __future__ import annotations

import numpy as np

from neurodev.signals.calcium import calcium_at, characteristic, decayed, mean_and_sd


def test_twin_and_decay() -> None:
    """Two spikes, and the decay after them."""
    at = calcium_at([0.0, 100.0], [50.0, 100.0, 300.0], tau=200.0, beta=0.01)
    first = 0.01 * np.exp(-0.25), 0.01 * np.exp(-0.5)
    assert np.allclose(at, [*first, (first[1] + 0.01) * np.exp(-1.0)], rtol=1e-14)
    assert np.isclose(decayed(at[0], 50.0, 200.0), at[1], rtol=1e-14)


def test_characteristic_function_has_the_moments_of_shot_noise() -> None:
    """Mean beta tau r and variance beta^2 r tau / 2 (Campbell), from the logarithm near k = 0."""
    mean, sd = mean_and_sd(5.0, 1e4, 1e-3)
    assert np.isclose(mean, 0.05) and np.isclose(sd, 0.005)
    k = np.array([1e-2, 2e-2])
    log = np.log(characteristic(k, 5.0, 1e4, 1e-3))
    assert np.allclose(log.imag / k, mean, rtol=1e-6) and np.allclose(-2 * log.real / k**2, sd**2, rtol=1e-6)


def test_mean_and_sd_of_a_train() -> None:
    """EX-43's form for calcium, 4 SE."""
    draw = np.random.default_rng(3)
    duration, tau = 4e6, 1e3
    spikes = np.sort(draw.uniform(0, duration, draw.poisson(5.0 * duration / 1e3)))
    x = []
    grid = np.arange(20 * tau, duration, 3 * tau)
    for t, n in zip(grid, np.searchsorted(spikes, grid), strict=True):
        x.append(calcium_at(spikes[max(n - 400, 0) : n], t, tau, 1e-3)[0])
    mean, sd = mean_and_sd(5.0, tau, 1e-3)
    n = len(x) / 1.11  # lag three time constants: correlation e^-3
    assert abs(np.mean(x) - mean) < 4 * sd / np.sqrt(n)
    assert abs(np.std(x) - sd) < 4 * sd / np.sqrt(n)
