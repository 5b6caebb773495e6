"""Surrogate slopes: what kernels compute, what a user plots, areas and windows."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.jit import kernel
from neurodev.learn import LIF, PLIF, AdaptiveLIF, AveragePool2d, Current, Linear, Recurrent, Sequential
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
    with pytest.raises(ParameterError, match="alpha must be a positive number, got 0"):
        Surrogate.from_alpha(0)
    with pytest.raises(ParameterError, match="width"):
        Surrogate("rectangle", 0.0)


class Again(Surrogate):
    """The curve of its kind, by a call of its own: what kernels do not know."""

    def __call__(self, x):
        return super().__call__(x)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_curve_of_ones_own_is_the_one_that_is_used(name, detach, reset, kind, tolerance):
    """In every kind of neurons, alone, before a pool, and recurrent: the same gradients as the kernels give."""
    draw = np.random.default_rng(0)
    x = Current(draw.normal(0.4, 0.5, (15, 24)).astype(kind), 5, 3, (2, 4, 3))
    own, theirs = Again(name, 0.7, 1.3), Surrogate(name, 0.7, 1.3)
    assert own.own and not own.compact and not theirs.own
    how = {"detach": detach, "reset": reset}
    for make in (
        lambda s: [LIF(0.6, 0.5, gain=0.8, surrogate=s, **how)], lambda s: [PLIF(2.0, 0.5, surrogate=s, **how)],
        lambda s: [AdaptiveLIF(0.6, 0.5, boost=0.7, hold=0.4, surrogate=s, **how)],
        lambda s: [LIF(0.6, 0.5, surrogate=s, **how), AveragePool2d(2)],
        lambda s: [Recurrent(Linear(8), Linear(8), LIF(0.6, 0.5, surrogate=s, **how))],
    ):  # fmt: skip
        out = []
        for s in (own, theirs):
            y, pull = Sequential(*make(s), inputs=(2, 4, 3), seed=1, kind=kind)(x)
            d = np.random.default_rng(1).normal(size=(15, y.n)).astype(kind)
            out.append(pull(Current(d, 5, 3, y.shape)).by_row)
        assert np.abs(out[1]).max() > 0.01
        np.testing.assert_allclose(out[0], out[1], rtol=0, atol=tolerance * np.abs(out[1]).max())


def test_functions_and_classes_are_surrogates():
    given = lambda x: np.exp(-x * x)
    s = as_surrogate(given)
    assert as_surrogate(s) is s and s.own and s.made_of() == [given] and "lambda" in repr(s)
    assert as_surrogate(Again) == Again() and as_surrogate(Surrogate) == Surrogate()
    for nothing in (None, 3, [], Surrogate("arctan").width, int, object()):
        with pytest.raises(ParameterError, match="unknown surrogate"):
            as_surrogate(nothing)


@pytest.mark.parametrize("curve", [lambda x: 1.0, lambda x: x[0], lambda x: np.full(x.shape, "a"), lambda x: None])
def test_a_curve_gives_a_number_for_each(curve):
    y, pull = LIF(0.5, 0.5, surrogate=curve)(Current(np.ones((4, 3)), 2, 2, (3,)))
    with pytest.raises(ParameterError, match="must give a number for each of"):
        pull(Current(np.ones((4, 3)), 2, 2, (3,)))
