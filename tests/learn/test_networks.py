"""Networks by name: shapes, published numbers of weights, one batch forward and back, nobody silent."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn import networks as nets
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.training.health import calibrate
from neurodev.learn.training.loss import rate_cross_entropy


def image(shape, steps, batch=1, seed=0):
    """A blob that reaches the border of nobody's kernel, as Bernoulli spikes or as one step of currents."""
    draw = np.random.default_rng(seed)
    y, x = np.indices(shape[:2]) / np.array(shape[:2]).reshape(2, 1, 1) - 0.5
    value = np.exp(-8 * (x**2 + y**2))[..., None] * draw.uniform(0.5, 1, (batch, *shape))
    if steps == 0:
        return Current((value * 2 - 0.5).reshape(batch, -1).astype(np.float32), 1, batch, shape, wanted=False)
    flags = draw.random((steps, *value.shape)) < 0.6 * value
    return Spikes(flags.reshape(steps * batch, -1).astype(np.uint8), steps, batch, shape, wanted=False)


SMALL = [
    (nets.sdsnn_mnist, {}, (28, 28, 1), 6),
    (nets.sdsnn_nmnist, {}, (32, 32, 2), 6),
    (nets.sdsnn_dvs_gesture, {"inputs": (32, 32, 2)}, (32, 32, 2), 6),
    (nets.dpap_mnist, {}, (28, 28, 1), 6),
    (nets.dpap_mnist, {"hidden": 50, "dendritic": True, "readout": "currents"}, (28, 28, 1), 6),
    (nets.sdsnn_cifar10, {"width": 0.06, "steps": 3}, (32, 32, 3), 0),
    (nets.sdsnn_cifar10, {"width": 0.06, "steps": 3, "dendritic": True}, (32, 32, 3), 0),
    (nets.stds_cifar10, {"width": 0.03, "steps": 3}, (32, 32, 3), 0),
    (nets.vgg16, {"width": 0.06, "steps": 2}, (32, 32, 3), 0),
    (nets.resnet19, {"width": 0.06, "steps": 2}, (32, 32, 3), 0),
]


@pytest.mark.parametrize("make, words, shape, steps", SMALL)
def test_one_batch(make, words, shape, steps):
    """Forward and back on three samples: finite output, every layer spikes, every weight tensor has a gradient."""
    model = make(seed=3, **words)
    x = image(shape, steps, batch=3)
    assert model.inputs == shape
    calibrate(model, x)
    y, pull = model(x)
    n_class = int(np.prod(model.outputs))
    assert y.shape == model.outputs and n_class in (10, 11)
    rates = {layer.name: layer.counters.spikes for layer in model.layers() if isinstance(layer, LIF)}
    last = list(rates)[-1] if isinstance(y, Spikes) or make is nets.stds_cifar10 else ""
    assert all(k for name, k in rates.items() if name != last), rates
    _, dy, score = rate_cross_entropy(y, np.array([1, 7, 2]), 3)
    assert np.isfinite(score).all()
    pull(dy)
    for name, w in model.weights_of().items():
        assert np.isfinite(w.gradient).all() and w.gradient.any(), name
    assert all(layer.counters.operations > 0 for layer in model.layers() if layer.parameters.get("weight"))


@pytest.mark.parametrize(
    "make, words, n",
    [
        (nets.sdsnn_mnist, {}, 596_535),
        (nets.dpap_mnist, {}, 635_200),
        (nets.sdsnn_nmnist, {}, 15 * 18 + 15 * 9 * 40 + 2560 * 300 + 3000),
        (nets.vgg16, {}, 14_715_584),
        (nets.resnet19, {}, 12_619_968),
    ],
)
def test_published_numbers_of_weights(make, words, n):
    """As counted in the seed papers' code (Kim et al. state 12.62 million for ResNet-19)."""
    assert nets.n_weights(make(**words)) == n


def test_shapes_at_full_width():
    """Flattened sizes of the seed papers: 1960, 2560, 40960, 32768."""
    for make, words, n in (
        (nets.sdsnn_mnist, {}, 1960),
        (nets.sdsnn_nmnist, {}, 2560),
        (nets.sdsnn_dvs_gesture, {"width": 1.0}, 40960),
    ):
        assert make(**words).weights_of()["fc1"].table.n_source == n
    assert nets.sdsnn_cifar10(width=0.125).weights_of()["fc1"].table.n_source == 32768 // 8
    assert nets.stds_cifar10(width=0.0625).outputs == (10,)


def test_structure_where_it_was_asked_for():
    """Storage and density go to the layers that the papers prune."""
    model = nets.network("sdsnn_mnist", storage="sparse", density=0.1)
    part = {k: w.table.n_synapse / (w.table.n_source * w.table.n_target) for k, w in model.weights_of().items()}
    assert part["conv1"] == part["fc2"] == 1.0
    assert part["fc1"] == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 588_000))
    assert part["conv2"] == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 5400))


def test_names():
    """An unknown name is answered by the nearest."""
    with pytest.raises(ParameterError, match="resnet19"):
        nets.network("resnet18")
    with pytest.raises(ParameterError, match="width"):
        nets.vgg16(width=0.0)


@pytest.mark.parametrize(
    "name, words, why",
    [
        (5, {}, "name must be"), (None, {}, "name must be"), ("dpap_mnist", {"hiden": 5}, "did you mean 'hidden'"),
        ("fully_connected", {"hidden": 200}, "hidden must be a list"), ("fully_connected", {"hidden": (2.5,)}, "whole"),
        ("fully_connected", {"hidden": "20"}, "hidden must be a list"),
        ("fully_connected", {"hidden": (10**12,)}, "GiB"),
        ("fully_connected", {"normed": "no"}, "normed"), ("fully_connected", {"threshold": None}, "threshold"),
        ("fully_connected", {"surrogate": 3}, "surrogate"), ("fully_connected", {"readout": 1}, "readout"),
        ("dpap_mnist", {"dendritic": "no"}, "dendritic"), ("dpap_mnist", {"rectifiers": 1}, "rectifiers"),
        ("sdsnn_mnist", {"width": float("nan")}, "width"), ("sdsnn_mnist", {"storage": "dens"}, "did you mean 'dense'"),
        ("sdsnn_mnist", {"kind": int}, "kind"), ("sdsnn_cifar10", {"steps": 0}, "steps"),
        ("vgg16", {"n_class": "ten"}, "n_out"),
        ("vgg16", {"inputs": (8, 8, 3)}, "does not fit"), ("resnet19", {"inputs": 32}, "inputs"),
        ("resnet19", {"inputs": (4, 4, 3)}, "inputs"), ("stds_cifar10", {"voters": -1}, "n_out|voters"),
        ("stds_cifar10", {"dropout": 1.0}, "share"),
    ],
)  # fmt: skip
def test_senseless_words(name, words, why):
    with pytest.raises(ParameterError, match=why):
        nets.network(name, **words)
