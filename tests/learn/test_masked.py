"""Sparse weights and neurons in one pass are the two layers one by one: spikes, windows, gradients."""

import dataclasses
import pickle

import numpy as np
import pytest

from neurodev.learn.core.answers import Product, unmade
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.kernels import policy
from neurodev.learn.layers import masked
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LIF, PLIF
from neurodev.learn.model import Sequential

NEVER = lambda *a: False
STEPS, BATCH, N_IN = 7, 5, 40  # 35 rows: no whole words


@pytest.fixture(autouse=True)
def _masks(monkeypatch):
    monkeypatch.setattr(policy, "choose", lambda density, rate, sparse, *rest: "masks" if sparse else "rows")


def spikes(rate=0.3, wanted=True, scale=1.0):
    flags = (np.random.default_rng(1).random((STEPS * BATCH, N_IN)) < rate).astype(np.uint8)
    near = (np.random.default_rng(2).random(flags.shape) < 0.5).astype(np.uint8)
    return Spikes(flags, STEPS, BATCH, (N_IN,), scale=scale, wanted=wanted, window=lambda: near)


def both(monkeypatch, layers, x, dy_of=None, kind=np.float64):
    """What a model gives in one pass, and layer by layer: spikes, near threshold, counters, gradients."""
    out = []
    for one_pass in (True, False):
        with monkeypatch.context() as m:
            seen = []
            fits = masked.fits
            m.setattr(
                masked, "fits", lambda *a, p=one_pass, seen=seen, fits=fits: p and (seen.append(fits(*a)) or seen[-1])
            )
            model = Sequential(*layers(), inputs=(N_IN,), seed=3, kind=kind)
            y, pull = model(x())
            g = np.random.default_rng(4).normal(size=(STEPS * BATCH, y.n)).astype(kind)
            dx = pull(Current(g, STEPS, BATCH, y.shape))
            assert not one_pass or True in seen
            c = [
                (p.counters.spikes, p.counters.sites, p.counters.near, p.counters.looked, p.counters.operations)
                for p in model.layers()
            ]
            gradients = [w.gradient[w.table.slots()] for w in model.weights_of().values()]
            near = np.zeros(0) if y.near is None else y.near
            out.append((y.flags, near, c, gradients, None if dx is None else dx.by_row))
    return out


def equal(one, two, tolerance=1e-12):
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1]) and one[2] == two[2]
    for a, b in zip(one[3], two[3], strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())
    assert (one[4] is None) == (two[4] is None)
    if one[4] is not None:
        np.testing.assert_allclose(one[4], two[4], rtol=0, atol=tolerance * np.abs(two[4]).max())


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("curve", ["rectangle", "triangle", "arctan", "fast_sigmoid"])
def test_as_layer_by_layer(reset, detach, curve, monkeypatch):
    """Every reset and curve, a gain and a worth of spikes beside 1."""
    neuron = {"reset": reset, "detach": detach, "surrogate": Surrogate(curve, 0.6), "gain": 0.9}
    layers = lambda: [Linear(48, gain=3.0, storage="sparse", density=0.3), LIF(0.7, 0.8, **neuron)]
    equal(*both(monkeypatch, layers, lambda: spikes(scale=0.5)))


@pytest.mark.parametrize("kind, tolerance", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("n_few", [3, 10, 33])
@pytest.mark.parametrize("wanted", [True, False])
def test_whoever_reads_the_spikes(kind, tolerance, n_few, wanted, monkeypatch):
    """Few targets, whose gradient is a product that nobody makes, or many; sparse layers above one another."""
    layers = lambda: [
        Linear(32, gain=3.0, storage="sparse", density=0.4), IF(0.8),
        Linear(16, gain=3.0, storage="sparse", density=0.5), LIF(0.7, 0.8), Linear(n_few, gain=3.0), LIF(0.6, 0.5),
    ]  # fmt: skip
    equal(*both(monkeypatch, layers, lambda: spikes(wanted=wanted), kind=kind), tolerance)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_silent_or_all_at_once(rate, monkeypatch):
    layers = lambda: [Linear(16, gain=3.0, storage="sparse", density=0.3), LIF(0.7, 0.8)]
    one, two = both(monkeypatch, layers, lambda: spikes(rate))
    assert np.array_equal(one[0], two[0]) and one[2] == two[2]
    for a, b in zip(one[3], two[3], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_a_product_is_made_for_who_asks():
    """Values as of any gradient, of the weights as they were; with a value of its own it is a plain current."""
    draw = np.random.default_rng(5)
    delta, w = draw.normal(size=(6, 3)), draw.normal(size=(8, 3))
    got, later, sent = (Product(delta, w, 3, 2, (8,)) for _ in range(3))
    sent, want = pickle.loads(pickle.dumps(sent)), delta @ w.T
    np.testing.assert_allclose(got.by_row, want, rtol=1e-15)
    w[:] = 0
    np.testing.assert_allclose(later.by_row, want, rtol=1e-15)
    np.testing.assert_allclose(sent.by_row, want, rtol=1e-15)
    assert got.n == 8 and got.reshaped((2, 4)).shape == (2, 4)
    other = dataclasses.replace(got, value=2 * got.value)
    assert type(other) is Current and np.array_equal(other.by_row, 2 * got.by_row)


class Half(Layer):
    """A gradient that is changed where it lies."""

    def __call__(self, x):
        def pull(dy):
            dy.value *= 0.5
            return dy

        return x, pull


@pytest.mark.parametrize("storage", ["dense", "sparse"])
def test_a_product_that_was_changed_is_heard(storage):
    sums = []
    for between in ([], [Half()]):
        first = Linear(32, gain=3.0, storage=storage, density=0.4)
        model = Sequential(
            first, LIF(0.7, 0.8), *between, Linear(10, gain=3.0), inputs=(N_IN,), seed=3, kind=np.float64
        )
        y, pull = model(spikes(wanted=False))
        pull(Current(np.random.default_rng(4).normal(size=(STEPS * BATCH, 10)), STEPS, BATCH, y.shape))
        w = first.weights
        sums.append(w.gradient[w.table.slots()].copy())
    assert np.abs(sums[0]).max() > 0
    np.testing.assert_allclose(sums[1], 0.5 * sums[0], rtol=1e-12, atol=1e-14)


def test_whom_it_does_not_suit():
    """A bias, other neurons, a curve of one's own, who is watched, counts, odd widths: layer by layer."""
    plain = lambda **how: Linear(16, storage="sparse", density=0.3, **how)

    def fits(weights, neurons, x=None):
        model = Sequential(weights, neurons, inputs=(N_IN,), seed=1)
        return masked.fits(*model.layers(), spikes() if x is None else x)

    assert fits(plain(), LIF()) and fits(plain(), IF())
    assert not fits(plain(bias=True), LIF()) and not fits(plain(), PLIF())
    assert not fits(plain(), LIF(surrogate=lambda v: np.exp(-v * v)))
    assert not fits(Linear(16), LIF()) and not fits(Linear(17, storage="sparse", density=0.3), LIF())
    counts = Spikes(spikes().flags * np.uint8(2), STEPS, BATCH, (N_IN,))
    assert not fits(plain(), LIF(), counts)
    assert not fits(plain(), LIF(), Current(spikes().flags.astype(np.float32), STEPS, BATCH, (N_IN,)))
    for which in (0, 1):
        model = Sequential(plain(), LIF(), inputs=(N_IN,), seed=1)
        list(model.layers())[which].watch = lambda x, y: None
        assert not masked.fits(*model.layers(), spikes())
    model = Sequential(plain(), LIF(), inputs=(N_IN,), seed=1)
    weights = next(model.layers()).weights
    weights.probe = np.zeros((N_IN, 16), dtype=np.float32)
    assert not masked.fits(*model.layers(), spikes())


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("n_hidden", [16, 48, 17])
def test_few_targets_of_any_weights(reset, n_hidden, monkeypatch):
    """The gradient of the spikes is not made for neurons behind dense weights either, but where they are no tiles."""
    made, gradients = [], []
    monkeypatch.setattr(Product, "value", property(lambda p: made.append(p) or p.delta @ p.w.T))
    hidden, last = LIF(0.7, 0.8, reset=reset, gain=0.9), LIF(0.6, 0.5)
    model = Sequential(
        Linear(n_hidden, gain=3.0), hidden, Linear(10, gain=3.0), last, inputs=(N_IN,), seed=3, kind=np.float64
    )
    for known in (unmade, lambda dy: None):  # what neurons take for a product
        monkeypatch.setattr("neurodev.learn.layers.neurons.unmade", known)
        y, pull = model(spikes(wanted=False))
        pull(Current(np.random.default_rng(4).normal(size=(STEPS * BATCH, 10)), STEPS, BATCH, y.shape))
        gradients.append([w.gradient.copy() for w in model.weights_of().values()])
        for w in model.weights_of().values():
            w.gradient[...] = 0
    assert len(made) == (2 if n_hidden % 16 else 1)
    for a, b in zip(*gradients, strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())
