"""Batch norm against its definition and difference quotients; dropout against its own law."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.norm import BatchNorm, settle
from neurodev.learn.model import Sequential

T, B, SHAPE = 3, 2, (4, 5, 3)


def norm(kind=np.float64, **words):
    layer = BatchNorm(**words)
    Sequential(layer, inputs=SHAPE, kind=kind)
    draw = np.random.default_rng(1)
    layer.parameters["scale"].value[:] = draw.normal(1, 0.3, 3)
    layer.parameters["shift"].value[:] = draw.normal(0, 0.3, 3)
    return layer


def by_definition(x, layer, level):
    flat = x.reshape(-1, 3)
    mean, var = flat.mean(axis=0), flat.var(axis=0)
    y = level * (flat - mean) / np.sqrt(var + layer.epsilon)
    return (y * layer.parameters["scale"].value + layer.parameters["shift"].value).reshape(x.shape), mean, var


@pytest.mark.parametrize("threshold, alpha", [(None, 1.0), (0.5, 0.7)])
@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_norm_is_its_definition(threshold, alpha, kind, tolerance):
    """Output and running means; also where the mean is large against the spread."""
    layer = norm(kind, threshold=threshold, alpha=alpha)
    level = alpha * (threshold or 1.0)
    x = np.random.default_rng(0).normal([0, 30, -2], [1, 0.5, 3], (T * B, 4, 5, 3)).astype(kind)
    want, mean, var = by_definition(x.astype(float), layer, level)
    y, _ = layer(Current(x.reshape(T * B, -1), T, B, SHAPE))
    scale = 30 if kind is np.float32 else 1  # rounding of the input itself
    np.testing.assert_allclose(y.value.reshape(want.shape), want, rtol=0, atol=scale * tolerance * np.abs(want).max())
    n = x.size // 3
    np.testing.assert_allclose(layer.mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.variance, 0.9 + 0.1 * var * n / (n - 1), rtol=1e-4)
    layer.training = False
    y, pull = layer(Current(x.reshape(T * B, -1), T, B, SHAPE))
    inverse = level / np.sqrt(layer.variance + layer.epsilon)
    flat = (x.reshape(-1, 3) - layer.mean) * inverse * layer.parameters["scale"].value
    np.testing.assert_allclose(
        y.value.reshape(-1, 3), flat + layer.parameters["shift"].value, rtol=0, atol=50 * tolerance
    )  # fmt: skip
    dx = pull(y).value.reshape(-1, 3)
    np.testing.assert_allclose(dx, y.value.reshape(-1, 3) * inverse * layer.parameters["scale"].value, rtol=1e-5)


def test_settled_means_are_those_of_all_batches():
    """Equal weight for every batch, momentum and modes as before, nothing left of what was there."""
    layer = BatchNorm()
    model = Sequential(layer, Dropout(0.9), inputs=SHAPE, kind=np.float64)
    layer.mean[:], layer.variance[:] = 99.0, 99.0
    x = np.random.default_rng(7).normal([0, 3, -2], [1, 0.5, 3], (4, T * B, 4, 5, 3))
    settle(model, (Current(part.reshape(T * B, -1), T, B, SHAPE) for part in x))
    n = T * B * 20
    np.testing.assert_allclose(layer.mean, x.reshape(-1, 3).mean(axis=0), rtol=1e-12)
    spread = np.mean([part.reshape(-1, 3).var(axis=0) for part in x], axis=0)
    np.testing.assert_allclose(layer.variance, spread * n / (n - 1), rtol=1e-12)
    assert layer.momentum == 0.1


def test_gradients_by_differences():
    """dx, dscale, dshift of a random linear function equal central differences to 1e-7 of the largest."""
    layer = norm(threshold=0.8)
    draw = np.random.default_rng(3)
    x, c = draw.normal(1, 2, (T * B, 60)), draw.normal(size=(T * B, 60))
    _, pull = layer(Current(x, T, B, SHAPE))
    dx = pull(Current(c, T, B, SHAPE)).value
    value = lambda x: float((by_definition(x.reshape(T * B, *SHAPE), layer, 0.8)[0].reshape(c.shape) * c).sum())
    for r, i in draw.integers(0, [T * B, 60], (40, 2)):
        step = np.zeros_like(x)
        step[r, i] = 1e-5
        assert dx[r, i] == pytest.approx((value(x + step) - value(x - step)) / 2e-5, abs=1e-7 * np.abs(dx).max())
    for name in ("scale", "shift"):
        p = layer.parameters[name]
        for k in range(3):
            before = p.value[k]
            p.value[k] = before + 1e-5
            high = value(x)
            p.value[k] = before - 1e-5
            low = value(x)
            p.value[k] = before
            assert p.gradient[k] == pytest.approx((high - low) / 2e-5, rel=1e-6)


def dropout(share=0.4, seed=3):
    layer = Dropout(share)
    Sequential(layer, inputs=(500,), seed=seed)
    return layer


def test_a_mask_is_shared_over_time_and_keeps_the_mean():
    """Dropped at all steps or at none; the share dropped within 4 standard errors; gradients through the same mask."""
    layer = dropout()
    x = Spikes(np.ones((T * 8, 500), np.uint8), T, 8, (500,), window=lambda: np.ones((T * 8, 500), np.uint8))
    y, pull = layer(x)
    keep = y.flags.reshape(T, 8, 500)
    assert (keep == keep[0]).all() and y.scale == pytest.approx(1 / 0.6)
    assert abs(keep[0].mean() - 0.6) < 4 * np.sqrt(0.24 / 4000)
    assert y.window.n == keep.sum()
    d = pull(Current(np.full((T * 8, 500), 2.0), T, 8, (500,)))
    np.testing.assert_array_equal(d.value, 2.0 * y.flags)
    z, pull = layer(Current(np.ones((T * 8, 500)), T, 8, (500,)))
    np.testing.assert_allclose(z.value, y.flags / 0.6, rtol=1e-15)
    np.testing.assert_allclose(pull(z).value, y.flags / 0.36, rtol=1e-14)


def test_draws_depend_on_step_and_place_only():
    """A batch in pieces has the mask of the whole; another step, seed or layer has another."""
    layer = dropout()
    one = Spikes(np.ones((8, 500), np.uint8), 1, 8, (500,))
    whole = layer(one)[0].flags
    parts = []
    for first in (0, 5):
        layer.at(0, first)
        n = 5 if first == 0 else 3
        parts.append(layer(Spikes(np.ones((n, 500), np.uint8), 1, n, (500,)))[0].flags)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    layer.at(1, 0)
    assert (layer(one)[0].flags != whole).any() and (dropout(seed=4)(one)[0].flags != whole).any()


def test_no_dropout_in_evaluation():
    """Outside of training nothing is dropped."""
    layer = dropout()
    layer.training = False
    x = Spikes(np.ones((2, 500), np.uint8), 1, 2, (500,))
    assert layer(x)[0] is x


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: BatchNorm(threshold=0.0), "threshold"),
        (lambda: BatchNorm(momentum=0.0), "momentum"),
        (lambda: BatchNorm(epsilon=-1.0), "epsilon"),
        (lambda: Dropout(1.0), "share"),
    ],
)
def test_door(call, word):
    """Bad input names the argument."""
    with pytest.raises(ParameterError, match=word):
        call()


@pytest.mark.parametrize("shape, steps", [((6,), 1), ((1, 1, 6), 1)])
def test_a_batch_of_one_value_leaves_the_running_means(shape, steps):
    """It has no variance: it is normalised by the means that there are, as outside of training, its gradient too."""
    layer = BatchNorm(momentum=0.5)
    Sequential(layer, inputs=shape, kind=np.float64)
    draw = np.random.default_rng(0)
    layer(Current(draw.normal(3, 2, (40, 6)), 1, 40, shape))
    mean, variance = layer.mean.copy(), layer.variance.copy()
    one = Current(draw.normal(3, 2, (steps, 6)), steps, 1, shape)
    y, pull = layer(one)
    np.testing.assert_array_equal(layer.mean, mean)
    np.testing.assert_array_equal(layer.variance, variance)
    np.testing.assert_allclose(y.by_row, (one.by_row - mean) / np.sqrt(variance + layer.epsilon), atol=1e-12)
    d = pull(one.like(np.ones((steps, 6)))).by_row
    np.testing.assert_allclose(d, 1 / np.sqrt(variance + layer.epsilon)[None], atol=1e-12)
    layer.training = False
    np.testing.assert_array_equal(layer(one)[0].by_row, y.by_row)
