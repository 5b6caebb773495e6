"""Adaptive neurons against a scalar tape."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.neurons import LIF

from .tape import Number, backward, spike


def slow(x, g, neuron):
    """Spikes and dL/dx of L = sum g s for one neuron; x, g (T,)."""
    inputs = [Number(v) for v in x]
    v, a, total, spikes = Number(0), Number(0), Number(0), []
    for t, drive in enumerate(inputs):
        u = v * neuron.leak + drive * neuron.gain
        theta = neuron.threshold + neuron.boost * a
        s = spike(u - theta, lambda q: neuron.surrogate(np.array([q]))[0])
        if neuron.reset == "subtract":
            drop = s * theta
            v = u - (drop.detached() if neuron.detach else drop)
        else:
            v = u * (Number(1) - (s.detached() if neuron.detach else s))
        a = neuron.hold * a + (1 - neuron.hold) * s
        total = total + s * g[t]
        spikes.append(s.value)
    backward(total)
    return spikes, [n.gradient for n in inputs]


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("kind", ["rectangle", "arctan"])
def test_gradients(reset, detach, kind):
    """Spikes and gradients equal the tape's to 1e-12, in both layouts; float32 to 1e-5."""
    draw = np.random.default_rng(5)
    neuron = AdaptiveLIF(
        0.8, 0.5, boost=0.9, hold=0.6, gain=0.7, reset=reset, detach=detach, surrogate=Surrogate(kind, 0.6)
    )  # fmt: skip
    x, g = draw.normal(0.7, 0.6, (9, 2, 6)), draw.normal(size=(9, 2, 6))
    want = [[slow(x[:, b, i], g[:, b, i], neuron) for i in range(6)] for b in range(2)]
    spikes = np.array([[s for s, _ in row] for row in want]).transpose(2, 0, 1)
    gradient = np.array([[d for _, d in row] for row in want]).transpose(2, 0, 1)
    assert 0.1 < spikes.mean() < 0.9
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        for layout in ("rows", "units"):
            flat = [a.reshape(18, 6).astype(dtype) for a in (x, g)]
            value, push = flat if layout == "rows" else [np.ascontiguousarray(a.T) for a in flat]
            y, pull = neuron(Current(value, 9, 2, (6,), layout))
            np.testing.assert_array_equal(y.by_row.reshape(9, 2, 6), spikes)
            dx = pull(Current(push, 9, 2, (6,), layout)).by_row.reshape(9, 2, 6)
            np.testing.assert_allclose(dx, gradient, rtol=0, atol=tolerance * np.abs(gradient).max())


def test_without_boost_it_is_a_lif():
    """boost = 0 gives the spikes, the window and the gradients of LIF."""
    draw = np.random.default_rng(6)
    x = Current(draw.normal(0.5, 0.5, (12, 7)), 6, 2, (7,))
    g = Current(draw.normal(size=(12, 7)), 6, 2, (7,))
    for reset in ("zero", "subtract"):
        one, two = LIF(0.7, 0.6, reset=reset), AdaptiveLIF(0.7, 0.6, boost=0.0, reset=reset)
        (a, pull_a), (b, pull_b) = one(x), two(x)
        np.testing.assert_array_equal(a.flags, b.flags)
        np.testing.assert_array_equal(a.window.index[: a.window.n], b.window.index[: b.window.n])
        np.testing.assert_allclose(pull_a(g).value, pull_b(g).value, rtol=0, atol=1e-13)


def test_spikes_become_rarer():
    """Constant drive: intervals grow to a steady state."""
    y, _ = AdaptiveLIF(0.9, 1.0, boost=4.0, hold=0.95)(Current(np.full((200, 1), 0.6), 200, 1, (1,)))
    intervals = np.diff(np.flatnonzero(y.flags[:, 0]))
    assert intervals[0] < intervals[-1] and intervals.size > 10


@pytest.mark.parametrize("words, name", [({"boost": -1.0}, "boost"), ({"hold": 1.0}, "hold")])
def test_door(words, name):
    """Bad input names the argument."""
    with pytest.raises(ParameterError, match=name):
        AdaptiveLIF(**words)
