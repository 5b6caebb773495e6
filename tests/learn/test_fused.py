"""Neurons and pooling in one pass equal the two layers; kernels by source equal those by row."""

import numpy as np
import pytest

from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.kernels import wide as wide_kernels
from neurodev.learn.layers import fused
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LIF
from neurodev.learn.layers.pool import AveragePool2d, Flatten
from neurodev.learn.model import Sequential

T, B = 5, 3


def image(rate=0.2, shape=(8, 12, 2), seed=0):
    """Spikes in a patch that differs by sample, so that spans matter; the last sample is empty."""
    draw = np.random.default_rng(seed)
    flags = (draw.random((T, B, *shape)) < rate).astype(np.uint8)
    flags[:, 0, :, 7:] = 0
    flags[:, 1, :3] = 0
    flags[:, 2] = 0
    return Spikes(flags.reshape(T * B, -1), T, B, shape, window=lambda: np.ones((T * B, int(np.prod(shape))), np.uint8))


def both(neurons, monkeypatch, x, kernel=3):
    """Output, window, input gradient and weight gradients, fused and not."""
    results = []
    for together in (True, False):
        with monkeypatch.context() as m:
            if not together:
                m.setattr(fused, "fits", lambda *a: False)
            model = Sequential(
                Conv2d(5, kernel, gain=2.5), neurons(), AveragePool2d(2), Conv2d(6, kernel, gain=3.0), neurons(),
                AveragePool2d(2), inputs=x.shape, seed=2, kind=np.float64,
            )  # fmt: skip
            y, pull = model(x)
            window = None if y.window is None else y.window.index[: y.window.n]
            dy = np.random.default_rng(3).normal(size=(T, B, y.n))
            dy[:, 1] = 0  # a sample that has nothing to learn
            dy = dy.reshape(T * B, y.n)
            dx = pull(Current(dy, T, B, y.shape)).by_row
            gradients = [w.gradient.copy() for w in model.weights_of().values()]
            spikes = [n.counters.spikes for n in model.layers() if isinstance(n, LIF)]
            results.append((y.flags, window, dx, gradients, spikes))
    return results


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize(
    "surrogate", [Surrogate("rectangle", 0.5), Surrogate("triangle", 0.9), Surrogate("arctan", 0.5)]
)
def test_one_pass_is_two_layers(reset, detach, surrogate, monkeypatch):
    """Same counts, windows and gradients to rounding; also where the window reaches rest (triangle) or everything."""
    neurons = lambda: LIF(0.3, 0.5, gain=0.9, reset=reset, detach=detach, surrogate=surrogate)
    one, two = both(neurons, monkeypatch, image())
    assert one[0].sum() > 10 and one[4] == two[4]
    np.testing.assert_array_equal(one[0], two[0])
    assert (one[1] is None) == (two[1] is None)
    for a, b in zip((one[2], *one[3]), (two[2], *two[3]), strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13 * np.abs(b).max())
    if one[1] is not None and surrogate.width <= 0.5:
        np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_no_spikes_and_all_spikes(rate, monkeypatch):
    """Empty and full input."""
    one, two = both(lambda: IF(0.5), monkeypatch, image(rate, (8, 8, 1)))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_allclose(one[2], two[2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_tables_of_patterns(bias, reset, monkeypatch):
    """One channel of input without a gradient: currents are never written out, results are the same."""
    results = []
    x = image(0.3, (8, 12, 1))
    for together in (True, False):
        if not together:
            monkeypatch.setattr(fused, "fits", lambda *a: False)
        model = Sequential(
            Conv2d(5, gain=2.5, bias=bias), LIF(0.3, 0.5, reset=reset), AveragePool2d(2), inputs=x.shape, seed=2,
            kind=np.float64,
        )  # fmt: skip
        conv = next(iter(model.layers()))
        if bias:
            conv.parameters["bias"].value[:] = np.linspace(-0.2, 0.3, 5)
        y, pull = model(Spikes(x.flags, T, B, x.shape, wanted=False))
        assert conv.counters.kernels == {"patterns": 1}
        pull(Current(np.random.default_rng(3).normal(size=(T * B, y.n)), T, B, y.shape))
        results.append((y.flags, *(p.gradient for p in conv.parameters.values())))
    assert results[0][0].any()
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13 * np.abs(b).max())


def test_spans_hold_all_that_a_spike_reaches():
    """Outside of its spans a convolution's output is exactly zero; for several kernels and paddings."""
    for kernel, padding in ((3, 1), (3, 0), (5, 2), (2, 1), (1, 0)):
        x = image(0.05, seed=kernel)
        y, _ = Sequential(Conv2d(4, kernel, padding=padding), inputs=x.shape)(x)
        value = np.abs(y.value.reshape(T, B, *y.shape)).max(axis=(0, 4))
        spans = y.__dict__["spans"]
        column = np.arange(y.shape[1])
        inside = (column >= spans[..., :1]) & (column < spans[..., 1:])
        assert not value[~inside].any() and value[inside].any()


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_wide_matrices(rate, monkeypatch):
    """Sources outside or rows outside: the same currents and gradients."""
    results = []
    for size in (40_000, 1 << 40, 1000):  # between the sizes of the currents and of the weights, above both, below both
        monkeypatch.setattr(wide_kernels, "NEAR_CACHE", size)
        model = Sequential(Flatten(), Linear(37), inputs=(8, 12, 2), seed=4, kind=np.float64)
        monkeypatch.setattr("neurodev.learn.kernels.policy.choose", lambda *a: "rows")
        x = image(rate)
        near = (np.random.default_rng(1).random((T * B, 192)) < 0.4).astype(np.uint8)
        counts = (x.flags * np.random.default_rng(5).integers(1, 5, x.flags.shape)).astype(np.uint8)
        x = Spikes(counts, T, B, x.shape, scale=0.25, window=lambda near=near: near)
        y, pull = model(x)
        dy = np.random.default_rng(2).normal(size=y.value.shape)
        dy[::3] = 0  # rows that have nothing to learn
        dx = pull(Current(dy, T, B, y.shape))
        results.append((y.value, dx.by_row * near, next(iter(model.weights_of().values())).gradient))
    for a, b, c in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)
        np.testing.assert_allclose(a, c, rtol=0, atol=1e-13)


def test_window_outside_of_training():
    """Where nothing is learned the window is found only if somebody asks for it; it is the same."""
    model = Sequential(Conv2d(5, 3, gain=2.5), LIF(0.3, 0.5), AveragePool2d(2), inputs=(8, 12, 2), seed=2)
    flags = []
    for training in (True, False):
        model.set_training(training)
        y, _ = model(image())
        flags.append((y.flags, y.near))
    assert flags[0][1].any()
    np.testing.assert_array_equal(flags[0][0], flags[1][0])
    np.testing.assert_array_equal(flags[0][1], flags[1][1])
