"""Any layers in any order: kernels, lists, windows and fusions give what dense matrices and loops give."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurodev.errors import NeurodevError
from neurodev.learn import (
    IF,
    LIF,
    PLIF,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Conv2d,
    Current,
    Dendritic,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Recurrent,
    Residual,
    Sequential,
    Spikes,
    Surrogate,
)
from neurodev.learn.core.storage import dense_image
from tests.learn import slow

T, B = 4, 3


def hump(x):
    """A curve that kernels do not know."""
    return np.exp(-3 * x * x)


SURROGATES = (Surrogate("rectangle", 0.6), Surrogate("triangle", 0.9), "arctan", hump)


def weights_of(g, image):
    storage = g.choice([("dense", 1.0), ("dense", 0.4), ("hidden", 0.7), ("sparse", 0.5), ("sparse", 0.05)])
    how = {"storage": storage[0], "density": storage[1], "gain": 2.5}
    if not image:
        return Linear(g.choice([1, 5, 17]), bias=(g.random() < 0.5), **how)
    kernel = g.choice([1, 2, 3])
    stride = g.choice([1, 1, 2])
    return Conv2d(g.choice([1, 3, 5]), kernel, stride=stride, bias=(g.random() < 0.5), **how)


def neurons_of(g, plain=False):
    how = {"detach": (g.random() < 0.5), "surrogate": g.choice(SURROGATES)}
    reset = g.choice(["zero", "subtract"])
    kind = g.choice(["lif", "if"] if plain else ["lif", "lif", "if", "plif", "adaptive"])
    if kind == "if":
        return IF(0.5, reset=reset, **how)
    if kind == "plif":
        return PLIF(2.0, 0.5, reset=reset, **how)
    if kind == "adaptive":
        return AdaptiveLIF(0.6, 0.5, boost=0.7, hold=0.5, reset=reset, **how)
    return LIF(0.3, 0.5, gain=g.choice([1.0, 0.8]), reset=reset, **how)


def between(g, image):
    """What rearranges a signal of either kind."""
    some = [lambda: Dropout(0.5), lambda: Dropout(0.75)]
    if image:
        some += [
            lambda: AveragePool2d(1),
            *[lambda: AveragePool2d(2)] * 2,
            lambda: AveragePool2d(3),
            lambda: MaxPool2d(2),
        ]
    return [g.choice(some)() for _ in range(g.choice([0, 0, 1, 2, 3]))]


def stack(g):
    """Layers that end in weights, the shape of the input, its kind, and a seed."""
    image = g.random() < 0.5
    layers = between(g, image) if image else []
    for _ in range(g.choice([0, 1, 2, 2, 3])):
        special = g.choice(["", "", "", "norm", "residual", "recurrent", "dendritic"])
        if special == "recurrent" and not image:
            back = Linear(6, storage=g.choice(["dense", "sparse"]), gain=2.0)
            layers.append(Recurrent(Linear(6, gain=2.5), back, neurons_of(g, plain=True)))
        elif special == "residual":
            one = Conv2d(2, 3, gain=2.0) if image else Linear(6, gain=2.0)
            two = Conv2d(2, 1, gain=2.0) if image else Linear(6, gain=2.0)
            layers += [Residual(Sequential(one, neurons_of(g), _like(two)), two), neurons_of(g)]
        elif special == "dendritic":
            layer = weights_of(g, image)
            layer.bias = False
            layers += [Dendritic(layer, 0.5), neurons_of(g)]
        else:
            layers.append(weights_of(g, image))
            layers += [BatchNorm(threshold=0.5)] if special == "norm" else []
            layers += [neurons_of(g)] if g.randint(0, 4) else []
        layers += between(g, image)
        if image and (g.random() < 0.5):
            layers.append(Flatten())
            image = False
    last = weights_of(g, image)
    inputs = (8, 6, g.choice([1, 2])) if layers and _takes_images(layers, last) else (13,)
    return [*layers, last], inputs, g.choice(["spikes", "counts", "currents"]), g.randint(0, 99)


def _like(layer):
    return Conv2d(2, 1, gain=2.0) if isinstance(layer, Conv2d) else Linear(6, gain=2.0)


def _takes_images(layers, last):
    return any(isinstance(x, (Conv2d, AveragePool2d, MaxPool2d, Flatten)) for x in [*layers, last]) or any(
        isinstance(x, Residual) and isinstance(x.shortcut, Conv2d)
        or isinstance(x, Dendritic) and isinstance(x.drive, Conv2d)
        for x in layers
    )  # fmt: skip


def signal(kind, inputs, seed):
    """(what the fast path gets, the values of it)."""
    draw = np.random.default_rng(seed)
    n = int(np.prod(inputs))
    if kind == "currents":
        value = draw.normal(size=(T * B, n))
        return Current(value, T, B, inputs), value.reshape(-1, *inputs)
    flags = (draw.random((T * B, n)) < 0.3).astype(np.uint8)
    flags *= draw.integers(1, 5, flags.shape).astype(np.uint8) if kind == "counts" else np.uint8(1)
    scale = draw.choice([0.25, 1.0, 1.5])
    return Spikes(flags, T, B, inputs, scale=scale), flags.reshape(-1, *inputs) * scale


@settings(derandomize=True, deadline=None, max_examples=120, database=None)
@given(st.integers(0, 10**9))
def test_any_stack_is_its_slow_twin(number):
    """Output, gradient of every weight, and gradient of the input; what does not fit is refused when it is built."""
    layers, inputs, kind, seed = stack(random.Random(number))
    try:
        model = Sequential(*layers, inputs=inputs, seed=seed, kind=np.float64)
    except NeurodevError:
        return
    model.set_training(True)
    x, values = signal(kind, inputs, seed)
    y, pull = model(x)
    gradients = {}
    want, back = slow.run(model, values, T, gradients)
    np.testing.assert_allclose(y.by_row.reshape(want.shape), want, rtol=0, atol=1e-9 * (1 + np.abs(want).max()))
    d = np.random.default_rng(seed + 1).normal(size=want.shape)
    dx = pull(Current(d.reshape(T * B, -1), T, B, y.shape))
    want_dx = back(d)
    for name, w in model.weights_of().items():
        got = dense_image(w.table, w.gradient)
        np.testing.assert_allclose(got, gradients[name], rtol=0, atol=1e-9 * (1 + np.abs(got).max()), err_msg=name)
    want_dx = want_dx.reshape(T * B, -1) * (x.scale if isinstance(x, Spikes) else 1.0)
    np.testing.assert_allclose(dx.by_row, want_dx, rtol=0, atol=1e-9 * (1 + np.abs(want_dx).max()))


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_a_drop_that_makes_up_for_a_pool(share):
    """A scale that comes out as exactly 1 says nothing about what the bytes hold."""
    model = Sequential(
        AveragePool2d(2), Dropout(share), AveragePool2d(1), Dropout(0.5), MaxPool2d(2), Linear(7), inputs=(8, 8, 3),
        kind=np.float64,
    )  # fmt: skip
    x, values = signal("spikes", (8, 8, 3), 4)
    y, _ = model(x)
    want, _ = slow.run(model, values, T, {})
    np.testing.assert_allclose(y.by_row, want, atol=1e-12)
