"""Layers inside groups are seen by those who ask: watched, named, kept awake; whoever wrote them."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import StudyError
from neurodev.learn import (
    LIF,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Bernoulli,
    Conv2d,
    Current,
    Dendritic,
    Flatten,
    Linear,
    Recurrent,
    Residual,
    Sequential,
    Spikes,
    Surrogate,
    Trainer,
)
from neurodev.learn.core.layer import Layer
from neurodev.learn.training.health import calibrate
from neurodev.methods.tensors import tensors

WIDE = Surrogate("rectangle", 2.0)


def spikes(n=5, steps=4, batch=3):
    draw = np.random.default_rng(0)
    return Spikes((draw.random((steps * batch, n)) < 0.5).astype(np.uint8), steps, batch, (n,))


def test_the_layers_of_a_recurrent_are_watched():
    """Each once for a call, with what it took and gave at all steps: feedback hears the step before."""
    model = Sequential(Recurrent(Linear(6, gain=2.0), Linear(6, gain=2.0), LIF(0.5, 0.5)), inputs=(5,), kind=np.float64)
    feed, back, neurons = model.layers()
    for layer in model.layers():
        layer.watch = lambda x, y: (x, y)
    x = spikes()
    y, _ = model(x)
    for layer in model.layers():
        assert len(layer.watched) == 1
    (drive,), (loop,), (cells,) = feed.watched, back.watched, neurons.watched
    assert drive[0] is x and cells[1].flags.any()
    late = np.concatenate([np.zeros((3, 6), np.uint8), y.flags[:-3]])
    np.testing.assert_array_equal(loop[0].by_row, late)
    np.testing.assert_allclose(loop[1].by_row, late @ back.weights.matrix(), atol=1e-14)
    np.testing.assert_allclose(cells[0].by_row, drive[1].by_row + loop[1].by_row, atol=1e-14)
    np.testing.assert_array_equal(cells[1].flags, y.flags)
    model.set_training(False)
    model(x)
    assert all(len(layer.watched) == 1 for layer in model.layers())


def test_both_halves_of_a_dendrite_are_watched_apart():
    model = Sequential(Dendritic(Linear(6)), inputs=(5,))
    drive, gate = model.layers()
    drive.watch = gate.watch = lambda x, y: y
    model(spikes())
    assert len(drive.watched) == len(gate.watched) == 1


@pytest.mark.parametrize(
    "method", ["DPAP", "TracedNDSNN", "NDSNN", "NSPDI", "STDS", "LTH", "SET", "RigL", "SDSNN", "CHSNN"]
)
@pytest.mark.parametrize("net", ["recurrent", "dendritic", "without neurons", "without weights"])
def test_methods_on_any_net_run_or_say_why_not(method, net):
    """None stops with an error of another's."""
    pytest.importorskip("sklearn")
    data = nd.data.digits().subset(40, n_test=20)
    layers = {
        "recurrent": [Recurrent(Linear(12), Linear(12), LIF(0.2, 0.5))],
        "dendritic": [Dendritic(Linear(12)), LIF(0.2, 0.5)],
        "without neurons": [Linear(12)],
        "without weights": [],
    }[net]
    made = {
        "DPAP": nd.methods.DPAP, "NSPDI": nd.methods.NSPDI, "STDS": nd.methods.STDS, "SDSNN": nd.methods.SDSNN,
        "TracedNDSNN": lambda: nd.methods.TracedNDSNN(0.5, every=1), "NDSNN": lambda: nd.methods.NDSNN(0.5, every=1),
        "LTH": lambda: nd.methods.LTH(0.3), "SET": lambda: nd.methods.SET(0.5),
        "RigL": lambda: nd.methods.RigL(0.5, every=1), "CHSNN": lambda: nd.methods.CHSNN(0.5),
    }[method]  # fmt: skip
    last = [Linear(10), LIF(0.2, 0.5, surrogate=WIDE)] if layers else [nd.learn.Vote(1)]
    inputs = (8, 8) if layers else (10,)
    try:
        model = Sequential(*layers, *last, inputs=inputs)
        Trainer(model, data, epochs=3, batch=10, encoder=Bernoulli(3), methods=[made()]).fit()
    except nd.NeurodevError as e:
        assert net.startswith("without") or method == "NSPDI", e


class Steps(Layer):
    """Neurons of one's own, without memory, that declare what they are."""

    takes, gives, neuronal = "currents", "spikes", True

    def __init__(self, threshold=3.0):
        super().__init__()
        self.threshold = threshold

    def __call__(self, x):
        above = (x.by_row >= self.threshold).astype(np.uint8)
        return Spikes(above, x.steps, x.batch, x.shape), lambda dy: x.like(dy.by_row)


class Quiet(Steps):
    """The same without a word about it."""

    neuronal = False


def test_neurons_of_ones_own_are_asked_what_they_are():
    """Kept awake and named like ours, if they say that they are neurons."""
    for kind, awake in ((Steps, True), (Quiet, False)):
        own = kind()
        model = Sequential(Linear(9, name="first"), own, Linear(4), LIF(0.5, 0.1), inputs=(5,))
        assert not own(next(iter(model.layers()))(spikes())[0])[0].flags.any()
        assert ("first" in calibrate(model, spikes())) == awake
    model = Sequential(
        Linear(6), Steps(0.1), Linear(6), AdaptiveLIF(0.5, 0.1), Linear(10), LIF(0.2, 0.5), inputs=(8, 8)
    )
    pytest.importorskip("sklearn")
    trainer = Trainer(model, nd.data.digits().subset(20, n_test=10), epochs=1, batch=10, encoder=Bernoulli(3))
    assert [t.neurons for t in tensors(trainer)] == ["steps1", "adaptivelif1", "lif1"]


def test_a_tensor_drives_the_neurons_that_hear_it_first():
    """Through pooling, norms and sums; not through other weights."""
    body = Sequential(Conv2d(3, 3, name="a"), LIF(), Conv2d(3, 3, name="b"))
    model = Sequential(
        Conv2d(3, 3, name="first"), BatchNorm(), Conv2d(3, 3, name="second"), AveragePool2d(2), LIF(),
        Residual(body, Conv2d(3, 1, name="short")), LIF(), Residual(Sequential(Conv2d(3, 3, name="c"))), Flatten(),
        Recurrent(Dendritic(Linear(4, name="feed")), Linear(4, name="back"), LIF()), Linear(3, name="out"),
        inputs=(8, 8, 1),
    )  # fmt: skip

    class Bare:
        weights = staticmethod(model.weights_of)

    Bare.model = model
    assert {t.name: t.neurons for t in tensors(Bare())} == {
        "first": "", "second": "lif1", "a": "lif2", "b": "lif3", "short": "lif3", "c": "", "feed": "lif4",
        "feed_gate": "lif4", "back": "lif4", "out": "",
    }  # fmt: skip


def test_a_model_without_weights_has_no_tensors():
    class Bare:
        model = Sequential(LIF(), inputs=(3,))
        weights = staticmethod(dict)

    with pytest.raises(StudyError, match="no weights"):
        tensors(Bare())


def test_a_group_takes_no_rows_for_granted():
    """A feed that gives spikes at run time, as only a layer of one's own can."""
    model = Sequential(Recurrent(Quiet2(), Linear(5), LIF()), inputs=(5,))
    with pytest.raises(nd.errors.BuildError, match="must end in currents"):
        model(Current(np.ones((4, 5), np.float32), 4, 1, (5,)))


class Quiet2(Layer):
    """Spikes, and does not say so."""

    def __call__(self, x):
        return Spikes((x.by_row > 0).astype(np.uint8), x.steps, x.batch, x.shape), lambda dy: dy
