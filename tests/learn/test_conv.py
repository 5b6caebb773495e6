"""The convolution against loops over pixels: every kernel, stride, padding, storage, and the shapes at the edges."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.kernels import conv_ways
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.model import Sequential
from neurodev.structure.dense import DenseTable

KERNELS = ["patches", "taps", "synapses", "gemm"]


def slow(x, w, stride, padding):
    """x (R, H, W, C), w (C, k, k, D) -> currents (R, OH, OW, D), pixel by pixel."""
    k = w.shape[1]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    high, wide = ((n + 2 * padding - k) // stride + 1 for n in x.shape[1:3])
    out = np.zeros((x.shape[0], high, wide, w.shape[3]))
    for oy in range(high):
        for ox in range(wide):
            patch = padded[:, oy * stride : oy * stride + k, ox * stride : ox * stride + k]
            out[:, oy, ox] = np.einsum("rijc,cijd->rd", patch, w)
    return out


def slow_gradients(x, w, dy, stride, padding):
    """(dx, dw) of sum(dy * slow(x, w)), pixel by pixel."""
    k = w.shape[1]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    for oy in range(dy.shape[1]):
        for ox in range(dy.shape[2]):
            at = np.s_[:, oy * stride : oy * stride + k, ox * stride : ox * stride + k]
            dw += np.einsum("rijc,rd->cijd", padded[at], dy[:, oy, ox])
            dx[at] += np.einsum("cijd,rd->rijc", w, dy[:, oy, ox])
    n = padding
    return dx[:, n : dx.shape[1] - n, n : dx.shape[2] - n], dw


def weights_of(layer, gradient=False):
    """(C, k, k, D) of the weights or of their gradient."""
    w, t = layer.weights, layer.weights.table
    values = w.gradient if gradient else t.weight
    out = np.zeros((t.n_source, t.n_target))
    if isinstance(t, DenseTable):
        out[:] = t.grid(values)[:, : t.n_target]
    else:
        slots = t.slots()
        out[t.pre(slots), t.post[slots]] = values[slots]
    return out.reshape(-1, layer.kernel, layer.kernel, t.n_target)


def close(got, want, tolerance):
    """Equal to `tolerance` of the largest."""
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-9))


def check(shape, n_out, kernel, stride, padding, *, storage="dense", density=1.0, counts=None, scale=1.0,
          steps=3, batch=2, kind=np.float64, tolerance=1e-12, window=None, seed=0):  # fmt: skip
    draw = np.random.default_rng(seed)
    layer = Conv2d(n_out, kernel, stride=stride, padding=padding, storage=storage, density=density, name="c")
    model = Sequential(layer, inputs=shape, seed=seed, kind=kind)
    flags = counts if counts is not None else (draw.random((steps * batch, *shape)) < 0.2).astype(np.uint8)
    flags = flags.reshape(steps * batch, -1)
    near = None if window is None else (draw.random(flags.shape) < window).astype(np.uint8)
    x = Spikes(flags, steps, batch, shape, scale=scale, window=None if near is None else lambda: near)
    y, pull = model(x)
    w = weights_of(layer)
    want = slow(flags.reshape(-1, *shape) * scale, w, stride, padding)
    assert y.shape == want.shape[1:] == model.outputs
    close(y.by_row.reshape(want.shape), want, tolerance)
    dy = draw.normal(size=want.shape).astype(kind)
    dy[0] = 0  # a row without a gradient
    dx = pull(Current(dy.reshape(steps * batch, -1), steps, batch, y.shape))
    want_dx, want_dw = slow_gradients(flags.reshape(-1, *shape) * scale, w, dy.astype(float), stride, padding)
    want_dx = want_dx.reshape(flags.shape) * scale
    got_dw = weights_of(layer, True)
    alive = np.ones_like(w) if storage != "sparse" else w != 0
    close(got_dw * alive, want_dw * alive, tolerance)
    mask = np.ones(flags.shape) if near is None else near
    close(dx.by_row * mask, want_dx * mask, tolerance)
    return model, x


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("storage, density", [("dense", 1.0), ("dense", 0.4), ("sparse", 0.4), ("hidden", 0.6)])
def test_every_kernel_gives_the_same(name, storage, density, monkeypatch):
    """Forward, weight gradient and input gradient equal the loops to 1e-12 (float64) and 1e-5 (float32)."""
    if name == "synapses" and storage != "sparse":
        pytest.skip("living synapses are listed by sparse tables only")
    monkeypatch.setattr(conv_ways, "choose", lambda *a: name)
    for kind, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        for window in (None, 0.3):
            check(
                (6, 7, 5), 18, 3, 1, 1, storage=storage, density=density, kind=kind, tolerance=tolerance, window=window
            )


@pytest.mark.parametrize("name", KERNELS[1:])
@pytest.mark.parametrize(
    "shape, n_out, kernel, stride, padding",
    [((7, 6, 3), 5, 3, 2, 1), ((8, 8, 2), 17, 2, 2, 0), ((5, 9, 1), 1, 5, 3, 4), ((4, 4, 3), 2, 1, 2, 0)],
)
def test_strides(name, shape, n_out, kernel, stride, padding, monkeypatch):
    """Any stride, even kernels, and kernels of one pixel."""
    monkeypatch.setattr(conv_ways, "choose", lambda *a: name)
    storage = "sparse" if name == "synapses" else "dense"
    check(shape, n_out, kernel, stride, padding, storage=storage, density=0.7, window=0.5)


@pytest.mark.parametrize(
    "shape, n_out, kernel, padding",
    [((1, 1, 1), 1, 1, 0), ((3, 5, 2), 4, 3, 0), ((4, 3, 6), 33, 5, 2), ((5, 5, 9), 16, 2, 1), ((3, 3, 1), 2, 3, 2)],
)
def test_shapes_at_stride_one(shape, n_out, kernel, padding):
    """Patches: borders, even kernels, one pixel, paddings from none to the largest, batch of one."""
    check(shape, n_out, kernel, 1, padding, steps=2, batch=1, window=0.6)
    check(shape, n_out, kernel, 1, padding, steps=1, batch=3)


@pytest.mark.parametrize("steps, batch", [(1, 1), (2, 3), (9, 5)])
@pytest.mark.parametrize(
    "shape, n_out, kernel, stride, padding",
    [((6, 7, 5), 4, 3, 1, 1), ((2, 2, 9), 17, 3, 1, 1), ((7, 6, 3), 5, 3, 2, 1), ((8, 8, 2), 17, 2, 2, 0),
     ((5, 9, 1), 1, 5, 3, 4), ((4, 4, 3), 2, 1, 2, 0), ((14, 13, 2), 3, 3, 1, 0), ((1, 1, 1), 1, 1, 1, 0)],
)  # fmt: skip
def test_planes(shape, n_out, kernel, stride, padding, steps, batch, monkeypatch):
    """The input gradient by planes equals the loops and the products, whole groups of images or not."""
    monkeypatch.setattr(conv_ways, "PLANES_WORK", np.inf)
    monkeypatch.setattr(conv_ways, "_push_products", None)  # the other way would fail
    for kind, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        check(
            shape, n_out, kernel, stride, padding, storage="sparse", density=0.5, kind=kind, tolerance=tolerance,
            steps=steps, batch=batch,
        )  # fmt: skip


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("name", KERNELS)
def test_no_spikes_and_all_spikes(rate, name, monkeypatch):
    """Empty and full event lists."""
    monkeypatch.setattr(conv_ways, "choose", lambda *a: name)
    counts = np.full((6, 5, 4, 3), int(rate), np.uint8)
    check((5, 4, 3), 7, 3, 1, 1, storage="sparse" if name == "synapses" else "dense", counts=counts)


@pytest.mark.parametrize("name", KERNELS)
def test_counts_of_pooled_spikes(name, monkeypatch):
    """A count of k is worth k times the scale, whatever kernel is used."""
    monkeypatch.setattr(conv_ways, "choose", lambda *a: name)
    counts = np.random.default_rng(2).integers(0, 5, (6, 6, 5, 4)).astype(np.uint8)
    check((6, 5, 4), 9, 3, 1, 1, storage="sparse" if name == "synapses" else "dense", counts=counts, scale=0.25)


@pytest.mark.parametrize(
    "shape, n_out, kernel, padding",
    [((6, 7, 1), 15, 3, 1), ((4, 5, 1), 3, 2, 0), ((3, 3, 1), 17, 1, 0), ((5, 4, 1), 16, 3, 2), ((5, 6, 1), 2, 3, 0)],
)
@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_table_of_patterns(shape, n_out, kernel, padding, rate):
    """One channel of input: values and weight gradient equal the loops, whatever the pattern."""
    draw = np.random.default_rng(5)
    layer = Conv2d(n_out, kernel, padding=padding, name="c")
    model = Sequential(layer, inputs=shape, kind=np.float64)
    flags = (draw.random((6, *shape)) < rate).astype(np.uint8)
    x = Spikes(flags.reshape(6, -1), 2, 3, shape, wanted=False)
    if rate == 1.0:
        x.__dict__["rate"] = 0.4  # or the choice falls on matrix products
    y, pull = model(x)
    assert layer.counters.kernels == {"patterns": 1}
    want = slow(flags, weights_of(layer), 1, padding)
    close(y.by_row.reshape(want.shape), want, 1e-12)
    dy = draw.normal(size=want.shape)
    assert pull(Current(dy.reshape(6, -1), 2, 3, y.shape)) is None
    close(weights_of(layer, True), slow_gradients(flags.astype(float), weights_of(layer), dy, 1, padding)[1], 1e-12)


def test_currents_as_input():
    """Direct coding: float input by matrix products, with its gradient."""
    draw = np.random.default_rng(4)
    layer = Conv2d(6, 3, bias=True, name="c")
    model = Sequential(layer, inputs=(5, 6, 3), kind=np.float64)
    layer.parameters["bias"].value[:] = draw.normal(size=6)
    x = draw.normal(size=(2, 5, 6, 3))
    y, pull = model(Current(x.reshape(2, -1), 1, 2, (5, 6, 3)))
    w = weights_of(layer)
    want = slow(x, w, 1, 1) + layer.parameters["bias"].value
    np.testing.assert_allclose(y.value.reshape(want.shape), want, atol=1e-12)
    dy = draw.normal(size=want.shape)
    dx = pull(Current(dy.reshape(2, -1), 1, 2, y.shape))
    want_dx, want_dw = slow_gradients(x, w, dy, 1, 1)
    np.testing.assert_allclose(dx.value.reshape(want_dx.shape), want_dx, atol=1e-12)
    np.testing.assert_allclose(weights_of(layer, True), want_dw, atol=1e-12)
    np.testing.assert_allclose(layer.parameters["bias"].gradient, dy.sum(axis=(0, 1, 2)), atol=1e-12)


LAID = {
    "by columns": np.asfortranarray, "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "cut out": lambda a: np.pad(a, ((1, 2), (3, 1)))[1:-2, 3:-1],
    "every second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
}  # fmt: skip


@pytest.mark.parametrize("laid", LAID)
@pytest.mark.parametrize("name", [*KERNELS, "currents"])
def test_it_does_not_matter_how_an_input_lies_in_memory(name, laid, monkeypatch):
    if name != "currents":
        monkeypatch.setattr(conv_ways, "choose", lambda *a: name)
    draw, found = np.random.default_rng(2), []
    x = draw.normal(size=(4, 90)).astype(np.float32) if name == "currents" else draw.integers(0, 2, (4, 90), np.uint8)
    for value in (x, LAID[laid](x)):
        model = Sequential(Conv2d(6, 3, storage="sparse", density=0.5, name="c"), inputs=(5, 6, 3), seed=1)
        signal = (Current if name == "currents" else Spikes)(value, 2, 2, (5, 6, 3))
        y, pull = model(signal)
        dy = pull(Current(np.ones_like(y.value), 2, 2, y.shape))
        found.append((y.value, dy.value, weights_of(model.parts()[0], True)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("stride, padding", [(1, 1), (2, 0)])
def test_operations_are_counted(stride, padding):
    """Operations equal the weights that the events of a loop would read, living ones only."""
    model, x = check((5, 6, 3), 7, 3, stride, padding, storage="sparse", density=0.5)
    layer = next(iter(model.layers()))
    ones = np.ones((3, 3, 3, 7))
    flags = x.flags.reshape(-1, 5, 6, 3).astype(float)
    assert layer.counters.dense == slow(flags, ones, stride, padding).sum()
    assert layer.counters.operations == slow(flags, (weights_of(layer) != 0) * 1.0, stride, padding).sum()


def test_the_choice():
    """Crossovers by density, rate, stride and storage."""
    assert conv_ways.choose(1.0, 0.1, 1, False) == "patches"
    assert conv_ways.choose(1.0, 0.1, 2, False) == "taps"
    assert conv_ways.choose(1.0, 1.0, 1, True) == "gemm"
    assert conv_ways.choose(0.01, 0.1, 1, True) == "synapses"
    assert conv_ways.choose(0.01, 0.1, 1, False) == "patches"


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: Conv2d(0), "n_out"),
        (lambda: Conv2d(3, 0), "kernel"),
        (lambda: Conv2d(3, stride=0), "stride"),
        (lambda: Conv2d(3, padding=3), "padding"),
        (lambda: Conv2d(3, density=2.0), "density"),
        (lambda: Sequential(Conv2d(3), inputs=(5,)), "height, width, channels"),
        (lambda: Sequential(Conv2d(3, 7, padding=0), inputs=(5, 5, 1)), "smaller than the kernel"),
    ],
)
def test_door(call, word):
    """Bad input names the argument."""
    with pytest.raises(ParameterError, match=word):
        call()
