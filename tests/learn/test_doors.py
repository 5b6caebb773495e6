"""What layers and models are given: refused with argument, value and cure, or taken with a stated meaning."""

import inspect

import numpy as np
import pytest

from neurodev import learn
from neurodev.errors import BuildError, NeurodevError, ParameterError
from neurodev.learn import (
    LI,
    LIF,
    PLIF,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Branches,
    Conv2d,
    Current,
    Dendritic,
    Flatten,
    Linear,
    MaxPool2d,
    Recurrent,
    ReLU,
    Repeat,
    Residual,
    Sequential,
    Spikes,
    Vote,
)
from neurodev.learn.core.layer import Layer
from neurodev.learn.eventprop import EventLayer, EventModel, EventTrainer, Readout
from neurodev.structure.dense import DenseTable

LAYERS = [getattr(learn, name) for name in learn.__all__ if isinstance(getattr(learn, name), type)]
LAYERS = [cls for cls in LAYERS if issubclass(cls, Layer) and cls not in (Layer, Sequential, Residual, Recurrent)]
NEEDED = {"n_out": 3, "steps": 2, "n_branch": 2, "layer": None}
SENSELESS = (
    "ten", None, float("nan"), float("inf"), -1, -0.5, 0, 2.7, 10**400, [], [1, 2], np.zeros(3), True, (), object(),
    b"x", np.array([True, False]), 1 + 2j, "",
)  # fmt: skip
# what a word may be beside what is obviously meant: numbers that are numbers, names, and what None stands for
MEANT = {
    "n_in": (None,), "threshold": (2.7,), "padding": (None, 0), "leak": (0,), "name": ("", "ten"), "gain": (2.7,),
    "boost": (0, 2.7), "hold": (0,), "share": (0,), "alpha": (2.7,), "epsilon": (2.7,), "half": (-1, -0.5, 0, 2.7),
    "slope": (2.7,), "linear": (-1, -0.5, 0, 2.7), "tau": (2.7,), "gate_gain": (2.7,), "bias": (True,),
    "detach": (True,),
}  # fmt: skip


def meant(cls, word, value):
    if word == "threshold" and value is None:
        return cls is BatchNorm
    if word == "gain" and cls is PLIF:  # which learns it
        return False
    return any(type(value) is type(good) and value == good for good in MEANT.get(word, ()))


def words(cls):
    for name, p in inspect.signature(cls).parameters.items():
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            yield name
    if issubclass(cls, LIF):
        yield from (w for w in ("gain", "reset", "detach", "surrogate", "name") if cls is not LIF)


@pytest.mark.parametrize("cls", LAYERS, ids=lambda c: c.__name__)
def test_every_word_of_every_layer(cls):
    """Each senseless value for each argument, one at a time; what is taken is what the table says has a meaning."""
    needed = {k: v for k, v in NEEDED.items() if k in inspect.signature(cls).parameters}
    if "layer" in needed:
        needed["layer"] = Linear(3)
    for word in words(cls):
        for value in SENSELESS:
            try:
                cls(**{**needed, word: value})
            except NeurodevError as e:
                assert word in str(e) or cls is Dendritic or word == "surrogate", f"{word}={value!r}: {e}"
                assert not meant(cls, word, value), (word, value)
            else:
                assert meant(cls, word, value), f"{cls.__name__}({word}={value!r}) was taken"


def test_numbers_of_numpy_are_numbers():
    layer = Conv2d(np.int64(3), np.uint8(3), gain=np.float32(2), bias=np.bool_(True), density=np.float64(0.5))
    assert (layer.n_out, layer.kernel, layer.gain, layer.bias) == (3, 3, 2.0, True)
    assert LIF(np.float32(0.5), np.int64(1)).threshold == 1.0


@pytest.mark.parametrize("inputs", ["six", 6, (), (0,), (-3,), (2.5,), (True,), [[1]], float("nan"), (None,)])
def test_inputs_of_a_model(inputs):
    with pytest.raises(ParameterError, match="inputs"):
        Sequential(Linear(3), inputs=inputs)


def test_inputs_of_a_model_may_be_a_list():
    assert Sequential(Linear(3), inputs=[np.int64(6)]).inputs == (6,)
    with pytest.raises(ParameterError, match=r"got 6: write \(6,\)"):
        Sequential(Linear(3), inputs=6)


@pytest.mark.parametrize("kind", [int, "float16", None, "nothing", 3])
def test_kind_of_a_model(kind):
    with pytest.raises(ParameterError, match="kind must be"):
        Sequential(Linear(3), inputs=(4,), kind=kind)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(10**12), lambda: Conv2d(10**12, 3), lambda: Repeat(10**15), lambda: Dendritic(Linear(10**14)),
        lambda: Sequential(Linear(10**6), inputs=(10**6,)), lambda: Sequential(Conv2d(10**5, 99), inputs=(99, 99, 99)),
        lambda: Sequential(Recurrent(Linear(10**7), Linear(10**7), LIF()), inputs=(3,)),
    ],
)  # fmt: skip
def test_what_no_memory_holds_is_refused_with_an_estimate(make):
    """Before any of it is made."""
    with pytest.raises(ParameterError, match="would take at least .* GiB, and this machine has"):
        make()


WRONG = {
    "neurons on spikes": lambda: Sequential(Linear(3), LIF(), LIF(), inputs=(4,)),
    "adaptive on pooled spikes": lambda: Sequential(Conv2d(3), LIF(), MaxPool2d(2), AdaptiveLIF(), inputs=(4, 4, 1)),
    "integrator on spikes": lambda: Sequential(Linear(3), LIF(), LI(), inputs=(4,)),
    "norm on spikes": lambda: Sequential(Linear(3), LIF(), Flatten(), BatchNorm(), inputs=(4,)),
    "rectifier on spikes": lambda: Sequential(Linear(3), LIF(), ReLU(), inputs=(4,)),
    "branches on spikes": lambda: Sequential(Linear(4), LIF(), Branches(2), inputs=(4,)),
    "residual of neurons": lambda: Sequential(Linear(3), Residual(Sequential(Linear(3), LIF())), inputs=(4,)),
    "residual on spikes inside": lambda: Sequential(
        Linear(3), LIF(), Residual(Sequential(Linear(3)), Sequential(BatchNorm())), inputs=(4,)
    ),
    "recurrent feed of neurons": lambda: Sequential(
        Recurrent(Sequential(Linear(3), LIF()), Linear(3), LIF()), inputs=(4,)
    ),
    "neurons before nested neurons": lambda: Sequential(Linear(3), LIF(), Sequential(LIF()), inputs=(4,)),
}


@pytest.mark.parametrize("name", WRONG)
def test_neurons_need_weights_before_them(name):
    with pytest.raises((ParameterError, BuildError), match="spikes|must end in currents"):
        WRONG[name]()


def test_names_and_layers_are_there_once():
    one = LIF()
    with pytest.raises(BuildError, match="two layers are called 'fc'"):
        Sequential(Linear(4, name="fc"), LIF(), Linear(2, name="fc"), inputs=(3,))
    with pytest.raises(BuildError, match="two layers are called 'a_gate'"):
        Sequential(Dendritic(Linear(4, name="a")), LIF(), Linear(2, name="a_gate"), inputs=(3,))
    with pytest.raises(BuildError, match="is there twice"):
        Sequential(Linear(4), one, Linear(2), one, inputs=(3,))
    shared = Linear(3)
    with pytest.raises(BuildError, match="is there twice"):
        Sequential(Recurrent(shared, shared, LIF()), inputs=(3,))
    mine = Linear(3)
    Sequential(mine, inputs=(4,))
    before = mine.weights.matrix()
    with pytest.raises(BuildError, match="part of another model"):
        Sequential(mine, inputs=(4,), seed=1)
    np.testing.assert_array_equal(mine.weights.matrix(), before)
    for name in (5, "a/b", "a\n"):
        with pytest.raises(ParameterError, match="name must be"):
            Linear(3, name=name)


class OwnNeurons(LIF):
    """An equation of its own."""

    def __call__(self, x):
        return super().__call__(x.like(x.value * 2))


class OwnAdaptive(AdaptiveLIF):
    """An equation of its own, beside inherited steps."""

    def __call__(self, x):
        return super().__call__(x.like(x.value * 2))


class OwnConstants(LIF):
    """Learns what Recurrent would not."""

    def learn_constants(self, *how):
        self.learned = how


class Slower(LIF):
    """Other constants, which every path asks for."""

    def constants(self):
        return 0.1, 2.0


@pytest.mark.parametrize("neurons", [OwnNeurons(), OwnAdaptive(), OwnConstants(), learn.PLIF(), LI(), None, LIF])
def test_recurrent_takes_neurons_that_it_steps_rightly(neurons):
    with pytest.raises(BuildError, match="Recurrent|neurons must be"):
        Recurrent(Linear(3), Linear(3), neurons)


@pytest.mark.parametrize("feed, back", [(None, Linear(3)), (Linear(3), Conv2d(3)), (Linear(3), None), (Linear, Linear)])
def test_recurrent_takes_layers(feed, back):
    with pytest.raises(BuildError, match="feed must be|back must be"):
        Recurrent(feed, back, LIF())


def test_a_subclass_is_the_same_fused_recurrent_and_alone():
    """Fast paths either know a class or leave it to itself."""
    draw = np.random.default_rng(0)
    x = Spikes((draw.random((8, 32)) < 0.4).astype(np.uint8), 4, 2, (4, 4, 2))
    for neurons in (Slower(0.5, 0.5), OwnNeurons(0.5, 0.5)):
        model = Sequential(Conv2d(3, gain=2.0), neurons, AveragePool2d(2), inputs=(4, 4, 2), kind=np.float64)
        conv, _, pool = model.layers()
        alone, _ = pool(neurons(conv(x)[0])[0])
        np.testing.assert_array_equal(model(x)[0].flags, alone.flags)
        assert alone.flags.any()
    model = Sequential(Recurrent(Linear(5, gain=2.0), Linear(5), Slower(0.5, 0.5)), inputs=(4, 4, 2), kind=np.float64)
    feed, back, _ = model.layers()
    back.weights.put_matrix(np.zeros((5, 5)))
    want, _ = Slower(0.5, 0.5)(feed(x)[0])
    np.testing.assert_array_equal(model(x)[0].flags, want.flags)


# ---------------------------------------------------------------- what reaches a layer that is there already


def spikes(shape, steps=2, batch=2):
    n = int(np.prod(shape))
    return Spikes(np.ones((steps * batch, n), np.uint8), steps, batch, shape)


def current(shape, steps=2, batch=2):
    n = int(np.prod(shape))
    return Current(np.ones((steps * batch, n), np.float32), steps, batch, shape)


BUILT = {
    "dense": (lambda: Linear(3), (5,)),
    "sparse": (lambda: Linear(3, storage="sparse", density=0.5), (5,)),
    "conv": (lambda: Conv2d(3), (4, 4, 2)),
    "sparse conv": (lambda: Conv2d(3, storage="sparse", density=0.01), (4, 4, 2)),
    "norm": (lambda: BatchNorm(), (4, 4, 2)),
    "branches": (lambda: Branches(2), (6,)),
    "dendritic": (lambda: Dendritic(Linear(3), bias=True), (5,)),
    "vote": (lambda: Vote(5), (10,)),
    "pool": (lambda: AveragePool2d(2), (4, 4, 2)),
    "recurrent": (lambda: Recurrent(Linear(3), Linear(3), LIF()), (5,)),
}


@pytest.mark.parametrize("name", BUILT)
def test_another_input_than_a_layer_was_built_for(name):
    """Too few and too many units, directly and through the model: never read beyond an array."""
    make, shape = BUILT[name]
    layer = make()
    model = Sequential(layer, inputs=shape)
    for other in (
        (1,),
        (7,),
        (1000,),
        (64, 64, 1),
        (2, 2, 2),
        (4, 4, 3),
        shape[::-1] if len(shape) == 3 else (11, 1, 1),
    ):
        for x in (spikes(other), current(other)):
            for f in (layer, model):
                taken = f is layer and name == "pool" and len(other) == 3 and min(other[:2]) >= 2
                taken |= f is layer and name == "norm" and other[-1] == 2
                taken |= f is layer and name == "vote" and int(np.prod(other)) % 5 == 0
                if not taken:
                    with pytest.raises(NeurodevError):
                        f(x)
    for nothing in (None, np.ones((4, 5), np.float32), [1, 2]):
        with pytest.raises(NeurodevError, match="takes Spikes or a Current"):
            layer(nothing)


@pytest.mark.parametrize("name", BUILT)
def test_a_gradient_in_another_arrangement(name):
    make, shape = BUILT[name]
    layer = make()
    Sequential(layer, inputs=shape)
    x = current(shape)
    y, pull = layer(x)
    for wrong in (current((y.n + 1,)), current(y.shape, steps=4, batch=1), current(y.shape, batch=3), None, y.by_row):
        with pytest.raises(ParameterError, match="gradient must be a Current"):
            pull(wrong)


def test_only_flattening_and_axes_of_one_rearrange_an_input():
    model = Sequential(Flatten(), Linear(3), inputs=(4, 6, 1))
    want = model(spikes((4, 6, 1)))[0].value
    for same in ((24,), (1, 4, 6), (4, 1, 6)):
        np.testing.assert_array_equal(model(spikes(same))[0].value, want)
    for scrambled in ((6, 4, 1), (2, 12, 1), (1, 6, 4)):
        with pytest.raises(ParameterError, match="a sample has shape"):
            model(spikes(scrambled))


class Careless(Layer):
    """Returns whatever it was told to."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def __call__(self, x):
        return self.what(x)


@pytest.mark.parametrize(
    "what", [lambda x: x, lambda x: (x,), lambda x: (x.by_row, lambda d: d), lambda x: (x, None), lambda x: None]
)
def test_a_layer_of_ones_own_that_returns_something_else(what):
    model = Sequential(Careless(what), Linear(3), inputs=(4,))
    with pytest.raises(ParameterError, match="careless1 must return"):
        model(spikes((4,)))


def test_a_layer_of_ones_own_that_pulls_something_else():
    model = Sequential(Linear(3), Careless(lambda x: (x, lambda d: current((50,)))), inputs=(4,))
    y, pull = model(spikes((4,)))
    with pytest.raises(ParameterError, match="linear1: the gradient must be"):
        pull(current((3,)))


def test_repeat_that_no_memory_holds():
    with pytest.raises(ParameterError, match="GiB"):
        Repeat(10**9)(current((10**4,), steps=1))


class Doubled(Residual):
    """A group of one's own."""

    def __call__(self, x):
        y, pull = super().__call__(x)
        return y.like(2 * y.value), lambda dy: pull(dy.like(2 * dy.value))


class Twice(Recurrent):
    """A group of one's own."""

    def __call__(self, x):
        y, pull = super().__call__(x)
        return Spikes(2 * y.flags, y.steps, y.batch, y.shape), pull


@pytest.mark.parametrize(
    "make",
    [lambda: Doubled(Sequential(Linear(3)), Linear(3)), lambda: Twice(Linear(3, gain=5.0), Linear(3), LIF(0.5, 0.1))],
)
def test_a_replica_of_a_group_is_of_its_class(make):
    """The second half of every batch goes through it."""
    group = make()
    group.mark = "mine"
    model = Sequential(group, inputs=(4,))
    twin = model.replica()
    (copied,) = twin.parts()
    assert type(copied) is type(group) and copied.mark == "mine" and copied is not group
    assert copied.watched is not group.watched and copied.counters is not group.counters
    one, two = model(spikes((4,)))[0], twin(spikes((4,)))[0]
    np.testing.assert_array_equal(one.by_row, two.by_row)
    assert one.by_row.any()
    assert [p is not q for p, q in zip(model.parameters_of(), twin.parameters_of(), strict=True)] == [True, True]


# ---------------------------------------------------------------- event by event


def table(n_in=3, n_out=2):
    return DenseTable.full(np.ones((n_in, n_out)))


@pytest.mark.parametrize("value", ["ten", None, float("nan"), float("inf"), -1.0, 0, [1.0], True])
def test_doors_of_events(value):
    for make in (
        lambda: EventLayer(table(), duration=value), lambda: Readout(table(), duration=value),
        lambda: Readout(table(), duration=5.0, tau_m=value), lambda: EventLayer(value, duration=5.0),
        lambda: EventModel(value, readout=Readout(table(), duration=5.0)), lambda: EventTrainer(value),
        lambda: EventLayer(table(), duration=5.0, train_delays="no"), lambda: EventLayer(table(), duration=5.0)(value),
        lambda: Readout(table(), duration=5.0)(value),
    ):  # fmt: skip
        with pytest.raises(NeurodevError):
            make()


def test_doors_of_the_event_trainer():
    layer, readout = EventLayer(table(), duration=5.0), Readout(table(2, 2), duration=5.0)
    with pytest.raises(BuildError, match="there twice"):
        EventModel(EventLayer(table(2, 2), duration=5.0), *[EventLayer(table(2, 2), duration=5.0)] * 2, readout=readout)
    model = EventModel(layer, readout=readout)
    for word, value in (
        ("seed", -1), ("epochs", 1.5), ("batch", "3"), ("rate", 0), ("drop", 1.0), ("high", -1.0), ("schedule", 0.1),
        ("gain", np.nan), ("push", "x"), ("readout_rate", None),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=word):
            EventTrainer(model, **{word: value})
