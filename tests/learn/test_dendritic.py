"""Dendritic gate and two-layer neurons against difference quotients of their definitions."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import BuildError, ParameterError
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.dendritic import Bias, Branches, Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.model import Sequential
from neurodev.protocols.dendrites import Cell, Input, responses

T, B = 2, 3


def layers_and_input(kind, storage, density=1.0):
    draw = np.random.default_rng(0)
    shape = (12,) if kind == "linear" else (4, 5, 2)
    flags = (draw.random((T * B, *shape)) < 0.4).astype(np.uint8)
    words = {"storage": storage, "density": density}
    layer = Linear(7, **words) if kind == "linear" else Conv2d(6, 3, **words)
    return layer, Spikes(flags.reshape(T * B, -1), T, B, shape), shape


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("storage, density", [("dense", 1.0), ("sparse", 0.5), ("hidden", 1.0)])
def test_gate(kind, storage, density):
    """Value is (Wx)(1 + Vx) + b; the gradients of W, V, b and x equal central differences."""
    layer, x, shape = layers_and_input(kind, storage, density)
    model = Sequential(Dendritic(layer, 0.8, bias=True), inputs=shape, kind=np.float64)
    drive, gate, bias = model.layers()
    b = bias.parameters["bias"].value
    b[:] = np.random.default_rng(1).normal(size=b.size)
    assert gate.name != drive.name and len(model.weights_of()) == 2
    y, pull = model(x)
    wx, vx = drive(x)[0].by_row, gate(x)[0].by_row
    want = (wx * (1 + vx)).reshape(-1, b.size) + b
    np.testing.assert_allclose(y.value.reshape(want.shape), want, rtol=1e-14)
    c = np.random.default_rng(2).normal(size=y.value.shape)
    dx = pull(Current(c, T, B, y.shape))
    value = lambda: float((model(x)[0].value * c).sum())
    for part in (drive.weights, gate.weights, bias.parameters["bias"]):
        weight = part.table.weight if hasattr(part, "table") else part.value
        slots = part.table.slots()[::5] if hasattr(part, "table") else range(weight.size)
        for s in slots:
            before = weight[s]
            weight[s] = before + 1e-5
            high = value()
            weight[s] = before - 1e-5
            low = value()
            weight[s] = before
            assert part.gradient[s] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-8)
    smooth = x.dense(np.float64)
    for r, i in ((0, 0), (3, 5), (5, 11)):
        step = np.zeros_like(smooth)
        step[r, i] = 1e-5
        at = lambda sign, step=step: float((model(Current(smooth + sign * step, T, B, shape))[0].value * c).sum())
        assert dx.by_row[r, i] == pytest.approx((at(1) - at(-1)) / 2e-5, rel=1e-6, abs=1e-8)


def test_gate_is_the_bilinear_steady_state():
    """Under steady currents the engine's `nd.Bilinear` settles where the gate says.

    Excitation of current I_E and steady inhibition I_I on one branch give V = R (I_E + I_I) + kappa R^2 I_E I_I, which
    is (Wx)(1 + Vx) + b with Wx = R I_E, Vx = kappa R I_I and b = R I_I.
    """
    ne, ni, samples = 5, 3, 4
    draw, cell = np.random.default_rng(4), Cell(excitatory=1e9, inhibitory=1e9)  # currents that do not decay
    exc, inh = draw.integers(20, 200, ne) * 1.0, -draw.integers(20, 200, ni) * 1.0  # pA
    active = draw.random((samples, ne)) < 0.6
    active[0] = True
    dendrite = nd.Bilinear(kappa_ee=0.0, kappa_ii=0.0)
    coefficient, r = dendrite.kappas()[1], cell.resistance
    inputs = [Input(s, 0, 1.0, exc[k]) for s in range(samples) for k in np.flatnonzero(active[s])]
    inputs += [Input(s, 0, 2.0, w) for s in range(samples) for w in inh]
    engine = responses(dendrite, inputs, [2.0 + 30 * cell.tau], cell)[0]

    model = Sequential(Dendritic(Linear(1), bias=True), inputs=(ne + ni,), kind=np.float64)
    drive, gate, bias = model.layers()
    for layer, first, values in ((drive, 0, r * exc), (gate, ne, coefficient * r * inh)):
        t = layer.weights.table
        t.weight[:] = 0.0
        slots = t.slots()
        at = t.pre(slots) - first
        mine = (at >= 0) & (at < values.size)
        t.weight[slots[mine]] = values[at[mine]]
    bias.parameters["bias"].value[:] = r * inh.sum()
    x = np.concatenate([active, np.ones((samples, ni), dtype=bool)], axis=1).astype(np.uint8)
    trainer = model(Spikes(x, 1, samples, (ne + ni,)))[0].value.ravel()
    np.testing.assert_allclose(engine, trainer, rtol=1e-5)
    assert np.abs(engine - r * (active @ exc + inh.sum())).min() > 0.5  # and the product matters, mV


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_without_gate_it_is_linear(kind):
    """V = 0 equals the plain layer in value and in dW."""
    layer, x, shape = layers_and_input(kind, "dense")
    model = Sequential(Dendritic(layer), inputs=shape, kind=np.float64)
    drive, gate = model.layers()
    gate.weights.table.weight[:] = 0
    y, pull = model(x)
    plain, pull_plain = drive(x)
    np.testing.assert_array_equal(y.value, plain.by_row)
    c = Current(np.random.default_rng(2).normal(size=y.value.shape), T, B, y.shape)
    pull(c)
    first = drive.weights.gradient.copy()
    pull_plain(c)
    # it is added to what is there, by rows in another order of sums than into nothing
    np.testing.assert_allclose(drive.weights.gradient - first, first, rtol=1e-12, atol=1e-12)


def test_gate_starts_small_and_is_seen_by_replicas():
    """The initial gate is a hundredth; a replica shares weights and has gradients of its own."""
    layer, x, shape = layers_and_input("linear", "dense")
    model = Sequential(Dendritic(layer, bias=True), inputs=shape)
    drive, gate, _ = model.layers()
    assert gate.weights.table.weight.std() < 0.05 * drive.weights.table.weight.std()
    twin = model.replica()
    y, pull = twin(x)
    pull(y)
    assert not drive.weights.gradient.any()
    assert all(p.gradient.any() for p in twin.parameters_of())


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_branches(kind):
    """A two-layer neuron by its formula, and its gradients by differences."""
    draw = np.random.default_rng(4)
    layer = Branches(3, half=0.5, slope=0.4, linear=0.2)
    Sequential(layer, inputs=(2, 6), kind=kind)
    strength = layer.parameters["strength"]
    strength.value[:] = draw.normal(1, 0.5, (2, 3))
    u, c = draw.normal(0.5, 1, (T * B, 12)), draw.normal(size=(T * B, 4))

    def value(u, a):
        branch = 1 / (1 + np.exp((0.5 - u) / 0.4)) + 0.2 * u
        return (branch.reshape(-1, 2, 3) * a).sum(axis=2).reshape(T * B, 4)

    y, pull = layer(Current(u.astype(kind), T, B, (2, 6)))
    tolerance = 1e-12 if kind is np.float64 else 1e-5
    a = strength.value.astype(float)
    np.testing.assert_allclose(y.value, value(u, a), rtol=0, atol=tolerance * 5)
    assert y.shape == (2, 2)
    dx = pull(Current(c.astype(kind), T, B, (2, 2)))
    total = lambda u, a: float((value(u, a) * c).sum())
    for r, i in ((0, 0), (2, 7), (5, 11)):
        step = np.zeros_like(u)
        step[r, i] = 1e-6
        want = (total(u + step, a) - total(u - step, a)) / 2e-6
        assert dx.value[r, i] == pytest.approx(want, rel=1e-6 if kind is np.float64 else 1e-4, abs=1e-6)
    want = np.array([[total(u, a + 1e-6 * e) - total(u, a - 1e-6 * e) for e in np.eye(6).reshape(6, 2, 3)]]) / 2e-6
    np.testing.assert_allclose(strength.gradient.reshape(1, 6), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "call, error, word",
    [
        (lambda: Dendritic(Bias()), BuildError, "Linear or Conv2d"),
        (lambda: Dendritic(Linear(3, bias=True)), BuildError, "bias"),
        (lambda: Dendritic(Linear(3), 0.0), ParameterError, "gate_gain"),
        (lambda: Branches(0), ParameterError, "n_branch"),
        (lambda: Branches(2, slope=0.0), ParameterError, "slope"),
        (lambda: Branches(4).out_shape((10,)), ParameterError, "shared out"),
    ],
)
def test_door(call, error, word):
    """Bad input names the argument."""
    with pytest.raises(error, match=word):
        call()
