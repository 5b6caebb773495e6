"""Pooling, flattening, repeating, voting against loops."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.pool import AveragePool2d, Flatten, MaxPool2d, Repeat
from neurodev.learn.layers.vote import Vote

T, B = 3, 2


def blocks(x, size):
    """(R, H, W, C) -> (R, H // size, W // size, C, size * size), pixels of a square in order."""
    r, h, w, c = x.shape
    x = x[:, : h // size * size, : w // size * size]
    return x.reshape(r, h // size, size, w // size, size, c).transpose(0, 1, 3, 5, 2, 4).reshape(
        r, h // size, w // size, c, size * size
    )  # fmt: skip


def unblocks(y, shape, size):
    out = np.zeros(shape)
    r, h, w, c, _ = y.shape
    back = y.reshape(r, h, w, c, size, size).transpose(0, 1, 4, 2, 5, 3).reshape(r, h * size, w * size, c)
    out[:, : h * size, : w * size] = back
    return out


def make(shape, rate=0.3, near=0.4, scale=1.0, seed=0):
    draw = np.random.default_rng(seed)
    flags = (draw.random((T * B, *shape)) < rate).astype(np.uint8)
    window = (draw.random(flags.shape) < near).astype(np.uint8)
    flat = flags.reshape(T * B, -1)
    return flags, window, Spikes(flat, T, B, shape, scale=scale, window=lambda: window.reshape(flat.shape))


def flags_of(events, n_row, n):
    out = np.zeros((n_row, n), dtype=np.uint8)
    for r in range(n_row):
        out[r, events.index[events.start[r] : events.start[r + 1]]] = 1
    return out


@pytest.mark.parametrize(
    "shape, size", [((6, 4, 5), 2), ((7, 5, 3), 2), ((6, 6, 2), 3), ((2, 2, 1), 2), ((5, 4, 2), 1)]
)
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_average(shape, size, rate):
    """Values, window and gradients of spikes and of currents."""
    flags, near, x = make(shape, rate)
    layer = AveragePool2d(size)
    y, pull = layer(x)
    want = blocks(flags, size).mean(axis=4)
    got = y.dense(np.float64) if isinstance(y, Spikes) else y.by_row
    assert isinstance(y, Spikes) == (size <= 2) and y.shape == layer.out_shape(shape)
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=0, atol=1e-6 if size > 2 else 1e-15)
    worth = y.scale if isinstance(y, Spikes) else 1.0
    dy = np.random.default_rng(1).normal(size=want.shape)
    dx = pull(Current(dy.reshape(T * B, -1) * worth, T, B, y.shape)).by_row.reshape(flags.shape)
    shares = np.repeat(dy[..., None] / size**2, size * size, axis=4)
    np.testing.assert_allclose(dx, unblocks(shares, flags.shape, size), rtol=0, atol=1e-15)
    if isinstance(y, Spikes):
        any_near = blocks(near, size).max(axis=4).reshape(T * B, -1)
        np.testing.assert_array_equal(flags_of(y.window, T * B, y.n), any_near)
    values = np.random.default_rng(2).normal(size=flags.shape)
    z, pull = layer(Current(values.reshape(T * B, -1), T, B, shape))
    np.testing.assert_allclose(z.by_row.reshape(want.shape), blocks(values, size).mean(axis=4), rtol=0, atol=1e-12)
    dx = pull(Current(dy.reshape(T * B, -1), T, B, z.shape)).by_row.reshape(flags.shape)
    np.testing.assert_allclose(dx, unblocks(shares, flags.shape, size), rtol=0, atol=1e-15)


@pytest.mark.parametrize("shape, size", [((6, 4, 5), 2), ((7, 5, 3), 2), ((6, 6, 2), 3)])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_largest(shape, size, rate):
    """OR of spikes; the gradient goes to the first of the largest, and so does the window."""
    flags, near, x = make(shape, rate)
    layer = MaxPool2d(size)
    dy = np.random.default_rng(1).normal(size=(T * B, *layer.out_shape(shape)))
    for signal, values in ((x, flags), (None, np.random.default_rng(2).normal(size=flags.shape))):
        squares = blocks(values, size)
        y, pull = layer(signal if signal is not None else Current(values.reshape(T * B, -1), T, B, shape))
        got = y.by_row.reshape(squares.shape[:4])
        np.testing.assert_array_equal(got, squares.max(axis=4))
        first = squares.argmax(axis=4)[..., None] == np.arange(size * size)
        dx = pull(Current(dy.reshape(T * B, -1), T, B, y.shape)).by_row.reshape(flags.shape)
        np.testing.assert_array_equal(dx, unblocks(first * dy[..., None], flags.shape, size))
        if signal is not None:
            want = (blocks(near, size) * first).max(axis=4).reshape(T * B, -1)
            np.testing.assert_array_equal(flags_of(y.window, T * B, y.n), want)


def test_pooling_of_pooled_counts():
    """A second average over counts gives currents of the right worth and gradient."""
    flags, _, x = make((8, 8, 3))
    y, pull_one = AveragePool2d(2)(x)
    z, pull_two = AveragePool2d(2)(y)
    want = blocks(flags, 4).mean(axis=4)
    np.testing.assert_allclose(z.by_row.reshape(want.shape), want, rtol=0, atol=1e-6)
    dy = np.random.default_rng(3).normal(size=want.shape)
    dx = pull_one(pull_two(Current(dy.reshape(T * B, -1), T, B, z.shape))).by_row.reshape(flags.shape)
    shares = np.repeat(dy[..., None] / 16, 16, axis=4)
    np.testing.assert_allclose(dx, unblocks(shares, flags.shape, 4), rtol=0, atol=1e-15)


def test_no_gradient_is_asked_for_input():
    """Input spikes have no gradient to give."""
    x = Spikes(np.ones((T * B, 16), np.uint8), T, B, (4, 4, 1), wanted=False)
    for layer in (AveragePool2d(2), MaxPool2d(2)):
        y, pull = layer(x)
        assert not y.wanted and pull(Current(np.ones((T * B, 4)), T, B, (2, 2, 1))) is None


def test_flatten_and_repeat():
    """Shapes only; a repeated current's gradient is the sum over steps."""
    _, _, x = make((4, 3, 2))
    y, pull = Flatten()(x)
    assert y.shape == (24,) and Flatten().out_shape((4, 3, 2)) == (24,)
    assert pull(Current(np.zeros((T * B, 24)), T, B, (24,))).shape == (4, 3, 2)
    draw = np.random.default_rng(0)
    value, d = draw.normal(size=(B, 5)), draw.normal(size=(T * B, 5))
    z, pull = Repeat(T)(Current(value, 1, B, (5,)))
    np.testing.assert_array_equal(z.value.reshape(T, B, 5), np.stack([value] * T))
    np.testing.assert_allclose(pull(Current(d, T, B, (5,))).value, d.reshape(T, B, 5).sum(axis=0), rtol=0, atol=1e-14)
    with pytest.raises(ParameterError, match="one step"):
        Repeat(2)(z)


def test_votes():
    """Mean over each class's neurons, of spikes and of currents."""
    flags, _, x = make((12,))
    y, pull = Vote(3)(x)
    assert y.shape == (4,)
    np.testing.assert_allclose(y.value, flags.reshape(T * B, 4, 3).mean(axis=2), rtol=0, atol=1e-7)
    dy = np.random.default_rng(0).normal(size=(T * B, 4))
    np.testing.assert_allclose(pull(Current(dy, T, B, (4,))).value, np.repeat(dy / 3, 3, axis=1), rtol=0, atol=1e-15)
    z, _ = Vote(3)(Current(flags * 0.7, T, B, (12,)))
    np.testing.assert_allclose(z.value, 0.7 * flags.reshape(T * B, 4, 3).mean(axis=2), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: AveragePool2d(0), "size"),
        (lambda: MaxPool2d(2).out_shape((1, 5, 3)), "pooling"),
        (lambda: Vote(0), "voters"),
        (lambda: Vote(3).out_shape((10,)), "groups of 3"),
        (lambda: Repeat(0), "steps"),
    ],
)
def test_door(call, word):
    """Bad input names the argument."""
    with pytest.raises(ParameterError, match=word):
        call()
