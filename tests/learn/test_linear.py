"""Fully connected spiking networks against the slow twin: every storage, every kernel, every reset and surrogate."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.kernels import policy, wide
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LIF, PLIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.loss import one_hot, rate_mse
from neurodev.structure.dense import DenseTable

from .twin import network


def dense_of(weights, gradient=False):
    """(n_in, n_out) array of a weight tensor or of its gradient."""
    table = weights.table
    out = np.zeros((table.n_source, table.n_target))
    slots = table.slots() if not isinstance(table, DenseTable) else np.flatnonzero(table.grid(table.post) < 10**9)
    values = weights.gradient if gradient else table.weight
    if isinstance(table, DenseTable):
        return table.grid(values)[:, : table.n_target].astype(float)
    out[table.pre(slots), table.post[slots]] = values[slots]
    return out


def make(storage, density, seed=3, kind=np.float64, n_in=23, hidden=37, **neuron):
    return Sequential(
        Linear(hidden, gain=3.0, storage=storage, density=density), LIF(**neuron),
        Linear(5, gain=4.0, storage=storage, density=density), LIF(**neuron),
        inputs=(n_in,), seed=seed, kind=kind,
    )  # fmt: skip


def batch(n_in=23, steps=7, b=4, rate=0.3, seed=1):
    flags = (np.random.default_rng(seed).random((steps * b, n_in)) < rate).astype(np.uint8)
    x = flags.reshape(steps, b, n_in).transpose(1, 0, 2).astype(float)
    return flags, x, np.array([0, 3, 4, 1])[:b] if b <= 4 else np.arange(b) % 5


NEURON = {"leak": 0.7, "threshold": 0.8}


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("kind", ["rectangle", "triangle", "arctan", "fast_sigmoid"])
def test_gradients_of_all_resets_and_surrogates(reset, detach, kind):
    """Loss, both weight gradients and the input gradient equal the twin's to 1e-12."""
    h = Surrogate(kind, 0.6)
    model = make("dense", 1.0, reset=reset, detach=detach, surrogate=h, gain=0.9, **NEURON)
    flags, x, labels = batch()
    y, pull = model(Spikes(flags, 7, 4, (23,)))
    value, dy, _ = rate_mse_double(y, labels)
    dx = pull(dy)
    forward = {"leak": 0.7, "gain": 0.9, "threshold": 0.8, "subtract": reset == "subtract"}
    w1, w2 = (dense_of(w) for w in model.weights_of().values())
    neuron = {"forward": forward, "attached": not detach}
    loss, g1, g2, gx = network(x, w1, w2, neuron, h, one_hot(labels, 5))
    a, b = model.weights_of().values()
    assert value == pytest.approx(loss, rel=1e-12) and loss > 0
    assert np.abs(g1).max() > 0
    np.testing.assert_allclose(dense_of(a, True), g1, atol=1e-12 * np.abs(g1).max())
    np.testing.assert_allclose(dense_of(b, True), g2, atol=1e-12 * np.abs(g2).max())
    got = dx.by_row.reshape(7, 4, 23).transpose(1, 0, 2)
    np.testing.assert_allclose(got, gx, atol=1e-12 * np.abs(gx).max())


def rate_mse_double(y, labels):
    """The loss in float64 (spikes give float32 by default)."""
    rate = y.mean(np.float64)
    error = rate - one_hot(labels, rate.shape[1], np.float64)
    value, dy, score = rate_mse(y, labels, labels.size)
    dy.value = np.tile(2 * error / (error.size * y.steps), (y.steps, 1))
    return float((error**2).mean()), dy, score


KERNELS = ["rows", "gemm", "along_batch", "masks", "sparse_rows"]


@pytest.mark.parametrize("storage, kernel", [("dense", k) for k in KERNELS[:2]] + [("sparse", k) for k in KERNELS])
@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("by_window", [True, False])
def test_every_kernel_gives_the_same(storage, kernel, kind, tolerance, rate, by_window, monkeypatch):
    """Each kernel choice equals the twin: relative 1e-12 in float64, 1e-5 of the largest gradient in float32."""
    monkeypatch.setattr(policy, "choose", lambda *a: kernel)
    monkeypatch.setattr(policy, "by_window", lambda *a: by_window)
    model = make(storage, 0.4, kind=kind, **NEURON)
    flags, x, labels = batch(rate=rate)
    y, pull = model(Spikes(flags, 7, 4, (23,)))
    if kind is np.float64:
        _, dy, _ = rate_mse_double(y, labels)
    else:
        _, dy, _ = rate_mse(y, labels, labels.size)
    dx = pull(dy)
    w1, w2 = (dense_of(w) for w in model.weights_of().values())
    forward = {"leak": 0.7, "gain": 1.0, "threshold": 0.8, "subtract": False}
    _, g1, g2, gx = network(
        x, w1, w2, {"forward": forward, "attached": True}, Surrogate(), one_hot(labels, 5)
    )  # fmt: skip
    a, b = model.weights_of().values()
    alive1, alive2 = w1 != 0, w2 != 0
    for got, want in ((dense_of(a, True), g1), (dense_of(b, True), g2)):
        mask = (alive1 if got.shape == w1.shape else alive2) if storage == "sparse" else np.ones_like(want)
        np.testing.assert_allclose(got * mask, want * mask, atol=tolerance * max(np.abs(want).max(), 1e-9))
    got = dx.by_row.reshape(7, 4, 23).transpose(1, 0, 2)
    np.testing.assert_allclose(got, gx, atol=tolerance * max(np.abs(gx).max(), 1e-9))


@pytest.mark.parametrize("storage, kernel", [("dense", k) for k in KERNELS[:2]] + [("sparse", k) for k in KERNELS])
@pytest.mark.parametrize("near_cache", [0, 3000, 1 << 40])
def test_a_gradient_of_another_type(storage, kernel, near_cache, monkeypatch):
    """NumPy's own float64, as a loss of one's own hands it over, to weights in single precision."""
    monkeypatch.setattr(policy, "choose", lambda *a: kernel)
    monkeypatch.setattr(wide, "NEAR_CACHE", near_cache)
    model = Sequential(Linear(37, storage=storage, density=0.4), inputs=(23,), seed=3)
    w = next(iter(model.weights_of().values()))
    flags, _, _ = batch()
    dy, got = np.random.default_rng(2).normal(size=(28, 37)), []
    for kind in (np.float32, np.float64):
        y, pull = model(Spikes(flags, 7, 4, (23,)))
        dx = pull(Current(dy.astype(kind), 7, 4, (37,)))
        got.append((dense_of(w, True), dx.by_row.copy()))
        w.gradient[...] = 0
    for a, b in zip(*got, strict=True):
        assert np.abs(a).max() > 0
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize("storage", ["dense", "sparse"])
def test_weights_that_kernels_could_not_read(storage):
    """Of another type than their gradient, or with gaps: dense tables take them over, others refuse them."""
    model = Sequential(Linear(16, storage=storage, density=0.5), inputs=(23,), seed=3)
    w = next(iter(model.weights_of().values()))
    flags, _, _ = batch()
    want = model(Spikes(flags, 7, 4, (23,)))[0].by_row.copy()
    for given in (w.table.weight.astype(np.float64), np.repeat(w.table.weight, 2)[::2]):
        w.table.weight = given
        if storage == "dense":
            np.testing.assert_array_equal(model(Spikes(flags, 7, 4, (23,)))[0].by_row, want)
        else:
            with pytest.raises(ParameterError, match="contiguous float32"):
                model(Spikes(flags, 7, 4, (23,)))


@pytest.mark.parametrize("n_out", [1, 8, 9, 33, 39, 40])
def test_wide_products_stay_where_they_belong(n_out):
    """Behind the last row no more than one vector is touched, whatever the padding of the weights."""
    n_in, n_row, stride = 20, 6, -(-n_out // 16) * 16
    draw = np.random.default_rng(n_out)
    w = np.zeros((n_in, stride))
    w[:, :n_out] = draw.normal(size=(n_in, n_out))
    x = Spikes((draw.random((n_row, n_in)) < 0.4).astype(np.uint8), 1, n_row, (n_in,))
    flat = np.full(n_row * n_out + 64, 7.0)
    flat[: n_row * n_out] = 0
    wide.add_wide(x.present.start, x.present.index, x.by_row, x.worth(np.float64), w.reshape(-1), stride, n_out, flat)
    np.testing.assert_allclose(flat[: n_row * n_out].reshape(n_row, n_out), x.by_row @ w[:, :n_out], atol=1e-13)
    assert (flat[n_row * n_out :] == 7).all()
    size = n_row * n_out + 8
    short = np.zeros(size + 64)[:size]
    wide.add_wide(x.present.start, x.present.index, x.by_row, x.worth(np.float64), w.reshape(-1), stride, n_out, short)
    assert not short.base[size:].any()


def test_learned_leak():
    """The gradient of a PLIF's parameter equals the difference quotient of a run without spikes (u is smooth)."""
    x = np.random.default_rng(0).random((6, 9))
    for w in (-0.4, 0.7):
        neuron = PLIF(2.0, 1e6, surrogate="arctan")
        neuron.parameters["leak"].value = np.array([w])
        neuron.parameters["leak"].gradient = np.zeros(1)

        c = np.random.default_rng(1).random((6, 9))
        kernel_input = Current(x, 3, 2, (9,))

        def potential(value, c=c):
            share = 1 / (1 + np.exp(-value))
            v, total = np.zeros((2, 9)), 0.0
            for t in range(3):
                v = v + share * (x.reshape(3, 2, 9)[t] - v)
                total += (c.reshape(3, 2, 9)[t] * v).sum()
            return total

        # a linear function of u is had through the slope: with threshold far away, h is the same for all u
        h = float(neuron.surrogate(np.array([-1e6]))[0])
        _, pull = neuron(kernel_input)
        pull(Current(c / h, 3, 2, (9,)))
        numeric = (potential(w + 1e-5) - potential(w - 1e-5)) / 2e-5
        assert neuron.parameters["leak"].gradient[0] == pytest.approx(numeric, rel=1e-5)


def test_one_sample_one_neuron_and_integrate_and_fire():
    """Smallest shapes run and are right."""
    model = Sequential(Linear(1, gain=1.0), IF(0.5), inputs=(1,), seed=1, kind=np.float64)
    w = next(iter(model.weights_of().values()))
    w.value[0] = 0.3
    y, pull = model(Spikes(np.ones((4, 1), np.uint8), 4, 1, (1,)))
    assert y.flags.ravel().tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: Linear(0), "n_out"),
        (lambda: Linear(3, density=0.0), "density"),
        (lambda: Sequential(Linear(3, n_in=4), inputs=(5,)), "takes 4 inputs"),
        (lambda: LIF(leak=1.5), "leak"),
        (lambda: LIF(threshold=-1.0), "threshold"),
        (lambda: LIF(reset="soft"), "reset"),
        (lambda: LIF(surrogate="rectangel"), "rectangle"),
        (lambda: Spikes(np.zeros((3, 2), np.uint8), 2, 2, (2,)), "flags"),
    ],
)
def test_door(call, word):
    """Bad input names the argument."""
    with pytest.raises(ParameterError, match=word):
        call()
