"""The bridge: a network trained in steps fires the same spikes in the event engine."""

import numpy as np
import pytest

import neurodev as nd
from neurodev import bridge, data
from neurodev.data.encode import bernoulli
from neurodev.errors import BuildError, ParameterError
from neurodev.learn.core.spikes import Spikes
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import IF, LI, LIF, PLIF
from neurodev.learn.model import Residual, Sequential
from neurodev.learn.training.encode import Bernoulli, Binned
from neurodev.learn.training.optim import Adam, cosine
from neurodev.learn.training.trainer import Trainer
from tests.places import data_folder

MNIST, LETTERS = data_folder("mnist"), data_folder("barrel_letters")


def net(n_in=20, hidden=15, seed=1, first=None, second=None, kind=np.float32, **options):
    return Sequential(
        Linear(hidden, gain=3.0, **options), first or LIF(0.8, 1.0),
        Linear(4, gain=3.0, **options), second or LIF(0.6, 1.0),
        inputs=(n_in,), seed=seed, kind=kind,
    )  # fmt: skip


def some_spikes(n_in=20, steps=12, batch=9, rate=0.3, seed=2):
    flags = (np.random.default_rng(seed).random((steps * batch, n_in)) < rate).astype(np.uint8)
    return Spikes(flags, steps, batch, (n_in,), wanted=False)


CASES = {
    "leaky": {},
    "no leak": {"first": IF(1.0), "second": IF(1.0)},
    "no memory": {"first": LIF(0.0, 1.0)},
    "gain": {"first": LIF.from_tau(2.0, 0.4), "second": LIF.from_tau(3.0, 0.3)},
    "learned leak": {"first": PLIF(2.0, 0.4), "second": PLIF(2.5, 0.3)},
    "bias": {"bias": True},
    "sparse": {"storage": "sparse", "density": 0.4},
    "float64": {"kind": np.float64},
}


@pytest.mark.parametrize("case", CASES)
def test_every_spike_of_every_layer_is_the_same(case):
    """Neurons of all kinds, biases, storages: no sample differs, in no layer."""
    model = net(**CASES[case])
    for layer in model.layers():
        if "bias" in layer.parameters:
            layer.parameters["bias"].value[:] = np.random.default_rng(4).normal(0.1, 0.1, layer.n_out)
    report = bridge.compare(model, some_spikes(), chunk=5)
    assert report.n == 9 and report.differing == [] and report.differing_outputs == []
    assert all(k > 50 for k in report.spikes.values()), report.spikes
    assert report.near == [] and 1e-9 < report.closest < 0.1
    assert report.changed_by_folding == [] and "9 of 9 samples with identical output spikes" in str(report)


def convolutional(norm):
    from neurodev.learn.layers.conv import Conv2d
    from neurodev.learn.layers.norm import BatchNorm
    from neurodev.learn.layers.pool import AveragePool2d

    draw = np.random.default_rng(3)
    block = [Conv2d(5, 3, padding=1, gain=3.0, bias=not norm), *([BatchNorm()] if norm else []), LIF(0.7, 1.0)]
    model = Sequential(
        *block, AveragePool2d(), Conv2d(6, 3, gain=3.0), LIF(0.7, 1.0), AveragePool2d(), Linear(4, gain=3.0), LIF(),
        inputs=(8, 8, 2), seed=3,
    )  # fmt: skip
    for layer in model.layers():
        for name in ("bias", "scale", "shift"):
            if name in layer.parameters:
                value = layer.parameters[name].value
                value += draw.normal(0.0, 0.1, value.shape).astype(value.dtype)
    return model


@pytest.mark.parametrize("norm", [False, True])
def test_convolutions_pooling_and_folded_norm(norm):
    """Conv2d, AveragePool2d, BatchNorm with running statistics: the same spikes in every layer."""
    flags = (np.random.default_rng(6).random((10 * 4, 8 * 8 * 2)) < 0.3).astype(np.uint8)
    x = Spikes(flags, 10, 4, (8, 8, 2), wanted=False)
    model = convolutional(norm)
    if norm:  # one training pass moves the running statistics
        model.set_training(True)
        model(x)
    report = bridge.compare(model, x)
    assert report.differing == [] and report.near == [] and report.changed_by_folding == []
    assert all(k > 15 for k in report.spikes.values()), report.spikes
    shapes = [part.weights.table.n_synapse for part in bridge.fold(model).parts()[::2]]
    assert shapes[0] <= 64 * 2 * 9 * 5 and shapes[1] <= 36 * 4 * 4 * 5 * 6 * 2


def test_a_potential_at_threshold_is_listed():
    """A potential that reaches threshold exactly is counted and listed with its place."""
    model = net()
    w = model.weights_of()["linear1"].table
    w.weight[:] = 0.0
    w.grid(w.weight)[0, 3] = 1.0
    flags = np.zeros((12 * 2, 20), dtype=np.uint8)
    flags[5 * 2 + 1, 0] = 1
    report = bridge.compare(model, Spikes(flags, 12, 2, (20,), wanted=False))
    assert [(x.sample, x.layer, x.unit, x.step) for x in report.near] == [(1, "lif1", 3, 5)]
    assert report.near[0].distance == 0.0 == report.closest


def test_a_difference_is_noticed():
    """The check can fail: with other weights in the engine than in the steps, samples differ."""
    model, other = net(), net(seed=9)
    ours = bridge._in_engine(bridge.fold(other), some_spikes(), 1.0)
    theirs = bridge._in_steps(bridge.fold(model), some_spikes(), 0, bridge.Agreement(9))
    assert (ours[-1] != theirs[-1]).any()


def test_the_network_can_be_used_like_any_other():
    """It runs under `Simulation`, with one step of delay per layer, and can be lesioned."""
    model, x = net(bias=True), some_spikes(batch=3)
    model.parts()[0].parameters["bias"].value[:] = 0.2
    network = nd.to_network(model, x, step=2.0)
    assert list(network.populations) == ["input", "lif1", "bias_lif1", "lif2"]
    assert list(network.projections) == ["to_lif1", "bias_to_lif1", "to_lif2"]
    sim = nd.Simulation(network, tick=1000.0, record="all")
    sim.at(2.0 * (2 * 14), nd.Silence(network.populations["lif1"]), clock="spike")
    sim.run(2.0 * 3 * 14)
    run = sim.close()
    t, i = run.spikes("lif1")
    folded = bridge.fold(model)
    first = folded.parts()[1](folded.parts()[0](x)[0])[0].by_row.reshape(12, 3, 15)
    step, unit = np.nonzero(first[:, 0])
    mine = t < 2.0 * 14
    assert np.array_equal(np.lexsort((i[mine], t[mine])), np.arange(mine.sum()))
    np.testing.assert_array_equal(t[mine], 2.0 * (step + 1))
    np.testing.assert_array_equal(i[mine], unit)
    # silenced from the third sample on, where the second layer hears nothing any more
    assert t.max() < 56.0 and run.spikes("lif2")[0].max() <= 58.0


def output_trains(network, until):
    sim = nd.Simulation(network, tick=1000.0, record="all")
    sim.run(until)
    run = sim.close()
    return {name: run.spikes(name) for name in network.populations if not network.populations[name].is_drive}


def test_dale_mirrors_fire_the_same_and_can_learn():
    """With dale=True the same spikes from unsigned projections, mirrors in step, on which mechanisms act."""
    model, x = net(bias=True), some_spikes(batch=3)
    model.parts()[0].parameters["bias"].value[:] = np.random.default_rng(1).normal(0, 0.3, 15)
    plain = output_trains(nd.to_network(model, x), 42.0)
    network = nd.to_network(model, x, dale=True)
    assert {"input_inh", "lif1_inh", "bias_lif1_inh"} < set(network.populations)
    assert all(np.all(q.weight >= 0) and not q.signed for q in network.projections.values())
    mirrored = output_trains(network, 42.0)
    for name, twin in (("lif1", "lif1"), ("lif1", "lif1_inh"), ("lif2", "lif2")):
        for ours, theirs in zip(plain[name], mirrored[twin], strict=True):
            assert ours.size > 20 and np.array_equal(ours, theirs)
    learning = nd.to_network(model, x, dale=True)
    learning.projections["lif1_lif2"].use(nd.STDP("pair"))
    assert not np.array_equal(output_trains(learning, 42.0)["lif2"][0], plain["lif2"][0])
    with pytest.raises(BuildError, match="weights of both signs.*dale=True"):
        nd.to_network(model, x).projections["to_lif2"].use(nd.STDP("pair"))
    with pytest.raises(ParameterError, match="dale=True plays the input twice"):
        nd.to_network(model, nd.Poisson(10.0), dale=True)


def test_other_drives_and_no_drive():
    """Any drive may play the input; a bias then beats at every step."""
    network = nd.to_network(net(), nd.Poisson(50.0))
    assert type(network.populations["input"].model).__name__ == "Poisson"
    model = net(bias=True)
    model.parts()[0].parameters["bias"].value[:] = 2.0
    sim = nd.Simulation(nd.to_network(model), tick=1000.0, record="all")
    sim.run(10.0)
    t, _ = sim.close().spikes("lif1")
    assert np.array_equal(np.unique(t), np.arange(1.0, 10.0))


def test_what_cannot_be_bridged_is_named():
    """The layer, its kind, and the cure."""
    x = some_spikes()
    with pytest.raises(BuildError, match="'lif1' resets by subtraction"):
        nd.to_network(net(first=LIF(0.8, reset="subtract")))
    with pytest.raises(BuildError, match=r"'residual1' \(Residual\)|Residual"):
        nd.to_network(Sequential(Residual(Linear(20)), LIF(), Linear(4), LIF(), inputs=(20,)))
    with pytest.raises(BuildError, match=r"'li1' \(LI\)"):
        nd.to_network(Sequential(Linear(20), LIF(), Linear(4), LI(), inputs=(20,)))
    with pytest.raises(BuildError, match="'linear2'.*must be followed by neurons"):
        nd.to_network(Sequential(Linear(20), LIF(), Linear(4), inputs=(20,)))
    with pytest.raises(BuildError, match="built model"):
        nd.to_network(Sequential(Linear(20), LIF()))
    with pytest.raises(ParameterError, match="20 inputs"):
        nd.to_network(net(), some_spikes(n_in=7))
    with pytest.raises(ParameterError, match="step"):
        nd.to_network(net(), x, step=0.0)
    with pytest.raises(ParameterError, match="gap"):
        nd.to_network(net(), x, gap=-1)
    with pytest.raises(ParameterError, match="0 or 1"):
        nd.to_network(net(), Spikes(2 * x.flags, 12, 9, (20,)))
    with pytest.raises(ParameterError, match="0 or 1"):
        bridge.compare(net(), Spikes(2 * x.flags, 12, 9, (20,)))


class Conv2d(nd.learn.Conv2d):
    """The name of ours, and another sum."""

    def __call__(self, x):
        y, pull = super().__call__(x)
        return y.like(y.value * y.value), pull


class Dropout(nd.learn.Dropout):
    """The name of ours, and never off."""


@pytest.mark.parametrize("layer", [lambda: Conv2d(2), lambda: Dropout(0.5), lambda: type("LIF", (LIF,), {})()])
def test_classes_that_only_bear_a_name_of_ours_are_not_bridged(layer):
    model = Sequential(nd.learn.Conv2d(2), layer(), LIF(), Linear(4), LIF(), inputs=(4, 4, 1)) if not isinstance(
        layer(), LIF
    ) else Sequential(Linear(5), layer(), Linear(4), LIF(), inputs=(4,))  # fmt: skip
    with pytest.raises(BuildError, match="no counterpart in the engine"):
        nd.to_network(model)


@pytest.mark.parametrize("value", ["one", None, float("nan"), float("inf"), -1, [1.0], True])
def test_words_of_the_bridge(value):
    x = some_spikes()
    for call in (
        lambda: nd.to_network(value), lambda: nd.to_network(net(), x, step=value),
        lambda: nd.to_network(net(), x, gap=value),
        lambda: bridge.compare(net(), value), lambda: nd.bridge.compare(net(), x, chunk=value),
        lambda: bridge.compare(net(), x, step=value),
    ):  # fmt: skip
        with pytest.raises(nd.NeurodevError):
            call()
    for wrong in ("drive", 3):
        with pytest.raises(ParameterError, match="inputs must be Spikes or a drive"):
            nd.to_network(net(), wrong)
    with pytest.raises(ParameterError, match="dale must be True or False"):
        nd.to_network(net(), x, dale="no")


def trained_mnist(n_train, epochs):
    d = data.mnist(MNIST).subset(n_train, 0, n_test=1000)
    part = data.Dataset(d.x_train.reshape(-1, 784), d.y_train, d.x_test.reshape(-1, 784), d.y_test, d.name, d.classes)
    model = Sequential(Linear(100), LIF(0.8, 1.0), Linear(10), LIF(0.8, 1.0), inputs=(784,), seed=0)
    trainer = Trainer(model, part, encoder=Bernoulli(20, 0.5), optimiser=Adam(2e-3), epochs=epochs, checkpoint=0)
    trainer.fit()
    trainer.close()
    flags = bernoulli(part.x_test, 20, 7, gain=0.5)
    rows = np.ascontiguousarray(flags.swapaxes(0, 1)).reshape(20 * 1000, 784)
    return model, Spikes(rows, 20, 1000, (784,), wanted=False), trainer.history[-1].test_accuracy


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="no data: MNIST is not here")
def test_a_thousand_mnist_images():
    """784-100-10 trained on MNIST: identical spikes in both layers on 1,000 test images; close calls counted."""
    model, x, accuracy = trained_mnist(10_000, 3)
    report = bridge.compare(model, x)
    print(f"accuracy {accuracy:.3f}: {report}")
    assert accuracy > 0.9 and report.n == 1000
    unsure = {near.sample for near in report.near}
    assert set(report.differing) <= unsure and len(unsure) < 5
    assert report.changed_by_folding == []


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="no data: MNIST is not here")
def test_the_convolutional_mnist_network():
    """The SD-SNN net (two convolutions, two poolings, two full layers) on 60 images: every spike of every layer.

    As drawn its output neurons fire three times an image: twenty images were too few to compare a hundred spikes.
    """
    x = data.mnist(MNIST).x_test[:60]
    flags = np.ascontiguousarray(bernoulli(x, 20, 7).swapaxes(0, 1)).reshape(20 * 60, -1)
    model = nd.networks.network("sdsnn_mnist")
    report = bridge.compare(model, Spikes(flags, 20, 60, tuple(model.inputs), wanted=False))
    assert set(report.differing) <= {near.sample for near in report.near} and len(report.near) < 5
    assert all(k > 100 for k in report.spikes.values()), report.spikes


@pytest.mark.slow
@pytest.mark.skipif(not LETTERS.exists(), reason="no data: the letters before an event camera are not here")
def test_a_trained_and_pruned_convolutional_net_on_recordings():
    """26 letters, SD-SNN's net and rule: all 30 test recordings are read, and fire the same spikes in the engine."""
    model = nd.networks.network("sdsnn_nmnist", inputs=(16, 16, 2), n_class=26, seed=1)
    trainer = Trainer(
        model, data.barrel_letters(LETTERS), encoder=Binned(20), optimiser=Adam(2e-3), schedule=cosine(), epochs=60,
        batch=13, seed=1, methods=[nd.methods.SDSNN(rate=0.5)], checkpoint=0,
    )  # fmt: skip
    trainer.fit().close()
    assert trainer.history[-1].test_accuracy > 0.9 and trainer.history[-1].density < 0.7
    x = trainer.encoder(trainer.data.x_test, np.arange(30), 1, -1)
    report = bridge.compare(model, x)
    print(f"accuracy {trainer.history[-1].test_accuracy:.3f}: {report}")
    assert set(report.differing) <= {near.sample for near in report.near} and len(report.near) < 3


def test_a_sample_begins_where_onsets_says() -> None:
    """Spikes of layer l that answer sample k are those of the model, step by step, from its onset on."""
    model = net(first=LIF(0.0, 1.0), second=LIF(0.0, 1.0))  # nothing is carried over between samples
    x = some_spikes()
    begin = bridge.onsets(model, x, step=0.5, gap=3)
    np.testing.assert_allclose(begin, np.arange(9) * (12 + 2 + 3) * 0.5)
    run = nd.simulate(nd.to_network(model, x, step=0.5, gap=3), 9 * 17 * 0.5, record="all", progress=False)
    want = model.activity(x, what="spikes")
    for layer, name in enumerate(("lif1", "lif2"), 1):
        t, cell = run.spikes(name)
        sample = np.searchsorted(begin + (layer - 0.5) * 0.5, t, side="right") - 1
        step = np.rint((t - begin[sample]) / 0.5).astype(int) - layer
        found = np.zeros_like(want[name])
        found[sample, step, cell] = 1
        np.testing.assert_array_equal(found, want[name])
    with pytest.raises(ParameterError, match="inputs must be Spikes"):
        bridge.onsets(model, nd.Poisson(3.0))
    with pytest.raises(ParameterError, match="gap"):
        bridge.onsets(model, x, gap=-1)


def test_synapses_on_spines_carry_the_trained_weights() -> None:
    """The same spikes as without spines, weights to rounding; mechanisms act on them."""
    model, x = net(), some_spikes()
    runs = []
    for spines in (False, ["lif1"], True):
        made = nd.to_network(model, x, gap=2, dale=True, spines=spines)
        on = {name for name, q in made.projections.items() if q.spines is not None}
        assert len(on) == {False: 0, True: 6}.get(spines if isinstance(spines, bool) else None, 4)
        sim = nd.Simulation(made, record="all", progress=False)
        bridge.give_weights(sim, model)
        w = model.weights_of()["linear1"].matrix()
        found = sim.simulator.tables["input_inh_lif1"]
        if spines:
            want = np.sort(-w[w < 0])
            np.testing.assert_allclose(np.sort(-found.weight[found.slots()]), want, rtol=1e-6)
        sim.run(9 * 16.0)
        runs.append(sim.close())
    for run in runs[1:]:
        np.testing.assert_array_equal(run.spikes("lif2")[1], runs[0].spikes("lif2")[1])
    living = nd.to_network(model, x, dale=True, spines=["lif1"])
    living.projections["input_lif1"].use(nd.SpineSize(), nd.STDP(), nd.Turnover())
    sim = nd.Simulation(living, acceleration=1e7, progress=False)
    bridge.give_weights(sim, model)
    assert sim.run(5 * nd.units.day).close().log.all.uid.size


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"spines": True}, "needs dale=True"), ({"spines": ["lif"], "dale": True}, "of \\['lif1', 'lif2'\\]"),
        ({"spines": "lif1", "dale": True}, "spines must be"), ({"spines": 3, "dale": True}, "spines must be"),
    ],
)  # fmt: skip
def test_spines_that_cannot_be(given: dict[str, object], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        nd.to_network(net(), **given)


def test_weights_are_given_to_the_network_of_the_model_alone() -> None:
    sim = nd.Simulation(nd.to_network(net(), dale=True, spines=True), progress=False)
    with pytest.raises(ParameterError, match="is not that of this model"):
        bridge.give_weights(sim, net(storage="sparse", density=0.3))
    with pytest.raises(ParameterError, match="simulation must be"):
        bridge.give_weights(None, net())
