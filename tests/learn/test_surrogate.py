"""Surrogate slopes: what kernels compute, what a user plots, areas and windows."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.jit import kernel
from neurodev.learn.core.surrogate import KINDS, Surrogate, as_surrogate, slope


@kernel
def slopes(kind, x, width, height, out):
    for k in range(x.shape[0]):
        out[k] = height * slope(kind, x[k], width)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_kernels_use_the_same_formula(name, kind, tolerance):
    s = Surrogate(name, 0.7, 1.3)
    x = np.linspace(-3, 3, 600).astype(kind)
    out = np.empty_like(x)
    slopes(s.code, x, kind(s.width), kind(s.height), out)
    np.testing.assert_allclose(out, s(x), rtol=10 * tolerance, atol=tolerance)
    np.testing.assert_array_equal(s(x), s(-x))


@pytest.mark.parametrize("name, area", [("rectangle", 1), ("triangle", 1), ("arctan", np.pi), ("fast_sigmoid", 2)])
@pytest.mark.parametrize("width", [0.3, 2.0])
def test_areas(name, area, width):
    """Over x = width sinh(y), which reaches far enough for the long tails."""
    y = np.linspace(-25, 25, 400_001)
    s = Surrogate(name, width)
    found = np.trapezoid(s(width * np.sinh(y)) * width * np.cosh(y), y)
    np.testing.assert_allclose(found, area, rtol=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_only_a_compact_one_is_zero_outside_its_window(name):
    s = Surrogate(name, 0.5)
    outside = s(np.array([-0.5, 0.5, 3.0]))
    assert s.compact == (not outside.any()) and np.all(s(np.array([-0.499, 0.499])) > 0)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_the_arctan_of_others(alpha):
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(Surrogate.from_alpha(alpha)(x), alpha / (2 * (1 + (np.pi * alpha * x / 2) ** 2)))


def test_doors():
    s = Surrogate("triangle", 0.2)
    assert as_surrogate(s) is s and as_surrogate("arctan") == Surrogate("arctan")
    with pytest.raises(ParameterError, match="did you mean 'triangle'"):
        as_surrogate("triangel")
    with pytest.raises(ParameterError, match="alpha must be positive, got 0"):
        Surrogate.from_alpha(0)
    with pytest.raises(ParameterError, match="width"):
        Surrogate("rectangle", 0.0)
