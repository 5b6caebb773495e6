"""The gradient of every pair, living or not, which growth asks for: equal to that of a dense table."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.model import Sequential


@pytest.mark.parametrize("floats", [False, True])
@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_probe_is_the_dense_gradient(kind: str, floats: bool) -> None:
    draw = np.random.default_rng(5)
    shape = (6, 5, 3)
    make = (lambda **k: Conv2d(4, 3, **k)) if kind == "conv" else (lambda **k: Linear(7, **k))
    flags = (draw.random((4, 90)) < 0.3).astype(np.uint8)
    found = {}
    for storage, density in (("dense", 1.0), ("sparse", 0.3)):
        model = Sequential(make(storage=storage, density=density), inputs=shape, seed=1, kind=np.float64)
        (w,) = model.weights_of().values()
        w.probe = np.zeros((w.table.n_source, w.table.n_target))
        x = Current(flags.astype(float), 2, 2, shape) if floats else Spikes(flags, 2, 2, shape)
        y, pull = model(x)
        d = np.random.default_rng(6).normal(size=y.value.shape)
        pull(Current(d, 2, 2, y.shape))
        found[storage] = w.probe
        slots = w.table.slots()
        np.testing.assert_allclose(w.probe[w.table.pre(slots), w.table.post[slots]], w.gradient[slots], atol=1e-12)
    np.testing.assert_allclose(found["sparse"], found["dense"], atol=1e-12)
