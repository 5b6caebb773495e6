"""Optimisers against closed forms and a slow twin; schedules at their corners."""

import math

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.layer import Vector, Weights
from neurodev.learn.training.optim import SGD, Adam, AdamW, constant, cosine, staircase
from neurodev.structure.dense import DenseTable


def vector(value, decay=False):
    return Vector(np.array(value, dtype=np.float64), decay)


def run(optimiser, p, gradients, factors=None):
    for k, g in enumerate(gradients):
        p.gradient[:] = g
        optimiser.step([p], 1.0 if factors is None else factors[k])
        assert not p.gradient.any()
    return p.value


def test_momentum_is_a_geometric_sum():
    """Under a constant gradient the velocity after k steps is g (1 - m^k) / (1 - m)."""
    g, m, rate, n = 0.7, 0.9, 0.05, 12
    found = run(SGD(rate, momentum=m), vector([2.0]), [g] * n)
    moved = sum(g * (1 - m**k) / (1 - m) for k in range(1, n + 1))
    np.testing.assert_allclose(found, 2.0 - rate * moved, rtol=1e-13)


@pytest.mark.parametrize("optimiser", [SGD(0.1, momentum=0.0, decay=0.02), AdamW(0.1, decay=0.02)])
def test_decay_alone_is_a_power(optimiser):
    """Without a gradient a weight shrinks by (1 - rate decay) a step; what does not decay stays."""
    weight, bias = vector([3.0, -1.0], decay=True), vector([3.0])
    for factor in (1.0, 0.5, 0.5):
        optimiser.step([weight, bias], factor)
    np.testing.assert_allclose(weight.value, np.array([3.0, -1.0]) * 0.998 * 0.999**2, rtol=1e-13)
    assert bias.value[0] == 3.0


def test_adam_corrects_its_bias():
    """Under a constant gradient both corrected moments are exact from the first step on: it moves by the rate."""
    g = np.array([1e-3, -50.0])
    found = run(Adam(0.01, epsilon=1e-20), vector([0.0, 0.0]), [g] * 7)
    np.testing.assert_allclose(found, -0.01 * 7 * np.sign(g), rtol=1e-12)


def test_coupled_decay_passes_through_the_moments():
    """Adam's decay is a part of the gradient: a first step without another gradient moves by the rate, whatever decay.

    AdamW's shrinks the weight in proportion.
    """
    for decay in (1e-3, 0.5):
        coupled = run(Adam(0.01, epsilon=1e-20, decay=decay), vector([2.0], decay=True), [0.0])
        loose = run(AdamW(0.01, decay=decay), vector([2.0], decay=True), [0.0])
        np.testing.assert_allclose((coupled[0], loose[0]), (1.99, 2.0 * (1 - 0.01 * decay)), rtol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_is_its_definition(decoupled):
    draw = np.random.default_rng(4)
    gradients, factors = draw.normal(size=(9, 5)), draw.uniform(0.1, 1.0, 9)
    optimiser = Adam(0.03, b1=0.8, b2=0.95, epsilon=1e-3, decay=0.1, decoupled=decoupled)
    p = vector(draw.normal(size=5), decay=True)
    w, m, v = p.value.copy(), np.zeros(5), np.zeros(5)
    for k, (g, factor) in enumerate(zip(gradients, factors, strict=True), 1):
        rate = 0.03 * factor
        g = g if decoupled else g + 0.1 * w
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        step = rate * (m / (1 - 0.8**k)) / (np.sqrt(v / (1 - 0.95**k)) + 1e-3)
        w = w - step - (rate * 0.1 * w if decoupled else 0.0)
    np.testing.assert_allclose(run(optimiser, p, gradients, factors), w, rtol=1e-12)
    assert optimiser.steps == 9


@pytest.mark.parametrize("make", [lambda: SGD(0.1, decay=0.01), lambda: Adam(0.1), lambda: AdamW(0.1)])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_table_is_moved_like_a_vector(make, hidden):
    """Moments are columns of the table; behind a hidden parameter it is that which moves, not the weight."""
    draw = np.random.default_rng(7)
    start, gradients = draw.normal(size=(3, 5)), draw.normal(size=(4, 3, 5))
    weights, flat = Weights(DenseTable.full(start), hidden), vector(start.reshape(-1), decay=True)
    one, two = make(), make()
    for g in gradients:
        weights.table.grid(weights.gradient)[:, :5] = g
        one.step([weights])
        flat.gradient[:] = g.reshape(-1)
        two.step([flat])
    np.testing.assert_array_equal(weights.value.reshape(-1), flat.value)
    assert "moment1" in weights.table.column_names and not weights.gradient.any()
    assert hidden == bool(np.array_equal(weights.table.grid(weights.table.weight)[:, :5], start))


def test_schedules():
    assert [constant()(x) for x in (0.0, 0.3, 1.0)] == [1.0, 1.0, 1.0]
    half = cosine(final=0.2, warm_up=0.2)
    np.testing.assert_allclose([half(x) for x in (0.0, 0.1, 0.2, 0.6, 1.0)], [0.0, 0.5, 1.0, 0.6, 0.2], atol=1e-15)
    assert half(1.7) == half(1.0)
    np.testing.assert_allclose(cosine()(0.25), (1 + math.sqrt(0.5)) / 2)
    steps = staircase(0.25, 0.1)
    np.testing.assert_allclose([steps(x) for x in (0.0, 0.2499, 0.25, 0.74, 0.75)], [1, 1, 0.1, 0.01, 0.001])
    # 0.3 is not three times 0.1 in floating point; the third step comes there all the same
    assert staircase(0.1, 0.5)(0.1 + 0.1 + 0.1) == staircase(0.1, 0.5)(0.3) == 0.125


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: SGD(0.0), "rate must be a positive number, got 0.0"),
        (lambda: Adam(math.nan), "rate must be a positive number, got nan"),
        (lambda: AdamW("fast"), "rate must be a plain number, got 'fast'"),
        (lambda: cosine(final=2.0), r"final must lie in \[0, 1\]"),
        (lambda: cosine(warm_up=1.0), r"warm_up must lie in \[0, 1\)"),
        (lambda: staircase(0.0), r"every must lie in \(1e-30, 1\]"),
    ],
)
def test_doors(call, word):
    with pytest.raises(ParameterError, match=word):
        call()
