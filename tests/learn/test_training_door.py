"""What a training, its parts and its methods are given is looked at before anything runs or is written."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods, registry
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.data.maze import Maze
from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.pool import Flatten
from neurodev.learn.model import Recurrent, Sequential
from neurodev.learn.training.callback import Callback, View
from neurodev.learn.training.encode import Bernoulli, Binned, Direct, Encoder, Latency
from neurodev.learn.training.health import calibrate
from neurodev.learn.training.loss import rate_mse
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import Adam, Optimiser, cosine, staircase
from neurodev.learn.training.reinforce import ClippedPolicy, Critic, PolicyTrainer, policy_network
from neurodev.learn.training.trainer import Trainer
from neurodev.methods import rewire, schedule
from tests.learn.small import WIDE, net, patterns, trained

SENSELESS: dict[str, Any] = {
    "nothing": None, "NaN": np.nan, "infinity": np.inf, "negative": -1, "zero": 0, "half": 0.5, "huge": 10**15,
    "True": True, "word": "fast", "empty word": "", "empty list": [], "list of words": ["NDSNN"], "dictionary": {},
    "object": object(), "mask": np.array([True, False]), "numbers": np.arange(3.0), "class": Adam, "function": print,
}  # fmt: skip
# what of these has a meaning for an argument of a trainer
ACCEPTED: dict[str, set[str]] = {
    "encoder": {"nothing"}, "optimiser": {"nothing"}, "schedule": {"nothing"}, "loss": {"function"},
    "seed": {"zero", "huge"}, "settle": {"zero", "huge"}, "checkpoint": {"zero", "huge"}, "methods": {"empty list"},
    "callbacks": {"empty list"}, "augment": {"nothing", "function"}, "patience": {"nothing", "huge"},
    "life_per_epoch": {"half", "huge"}, "batch": {"huge"}, "progress": {"True"}, "calibrate": {"True"},
    "overwrite": {"True"}, "to": {"nothing"}, "threads": set(), "clip_norm": {"nothing", "half", "huge"},
    "clip_value": {"nothing", "half", "huge"}, "accumulate": {"huge"}, "groups": {"nothing", "dictionary"},
    "keep_best": {"nothing", "True"},
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in inspect.signature(Trainer.__init__).parameters if n != "self"])
def test_every_argument_of_a_trainer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for what, value in SENSELESS.items():
        given = {name: value} if name not in ("model", "data") else {}
        model = value if name == "model" else net()
        data = value if name == "data" else patterns()
        if name == "to" and isinstance(value, str) and value:
            continue
        try:
            Trainer(model, data, **({"epochs": 2, "batch": 10, "encoder": Bernoulli(2)} | given))
        except NeurodevError as e:
            assert what not in ACCEPTED.get(name, set()), (name, what, e)
            assert len(str(e)) > 15
        else:
            assert what in ACCEPTED.get(name, set()), (name, what)
    assert not list(tmp_path.iterdir())  # nothing was written beside


def instances() -> list[tuple[Any, str]]:
    made = [c() for k in ("method", "optimiser", "encoder") for c in registry.ours(k).values()]
    made += [ClippedPolicy(), Critic()]
    return [(one, f.name) for one in made for f in dataclasses.fields(one) if f.init and "unit" in f.metadata]


def test_every_parameter_of_every_part() -> None:
    """Of all methods, optimisers and encoders: what is no number, no word or no flag is refused by name."""
    looked = 0
    for one, name in instances():
        (f,) = [f for f in dataclasses.fields(one) if f.name == name]
        for what in ("NaN", "infinity", "list of words", "dictionary", "object", "mask", "nothing", "word", "negative"):
            optional = f.metadata["none"] and what == "nothing"
            free = what == "negative" and f.metadata["low"] is None and f.metadata["above"] is None
            if optional or free:
                continue
            with pytest.raises(NeurodevError, match=name if name != "rate" else "rate"):
                pytest.fail(f"{dataclasses.replace(one, **{name: SENSELESS[what]})}: {name} is {what}")
            looked += 1
    assert looked > 400


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Adam(1e-3, b1=1.0), r"b1 must lie in \[0, 1\)"),
        (lambda: Adam(1e-3, b2=1 - 1e-12), "b2 must lie"),
        (lambda: methods.SDSNN(layers="fc"), r"layers=\('fc',\)"),
        (lambda: methods.DPAP(layers=()), "layers must be a tuple of names"),
        (lambda: methods.DPAP(layers=("fc", "fc")), "different names"),
        (lambda: methods.DPAP(scale=1e-12), "scale must be"),
        (lambda: staircase("a"), "every must be a plain number, got 'a'"),
        (lambda: staircase(0.5, np.nan), "factor must be a number >= 0"),
        (lambda: cosine([]), "final must lie in"),
        (lambda: Bernoulli(10**12), r"steps must be a whole number in \[1, 1000000\]"),
        (lambda: Bernoulli(4, gain=np.nan), "gain must be a number >= 0, got nan"),
        (lambda: Latency(4, threshold="x"), "threshold must be"),
        (lambda: Binned(4, shape="x"), "shape must be"),
        (lambda: Binned(4, shape=(2, 2.5, 1)), "shape must be a whole number"),
    ],
)
def test_parts(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(NeurodevError, match=match):
        call()


# ---------------------------------------------------------------- data and encoders

ONE = np.arange(1)
TRAINS = SpikeTrains.of([([0.1], [0])] * 52, 6, 1.0)


def recorded(**more: Any) -> Trainer:
    """Recordings of six cells that fire early or late."""
    draw = np.random.default_rng(0)
    trains = SpikeTrains.of([(np.sort(draw.random(6)), draw.permutation(6)) for _ in range(52)], 6, 1.0)
    y = np.arange(52) % 3
    data = Dataset(trains[:40], y[:40], trains[40:], y[40:], "recordings", ("a", "b", "c"))
    return trained(data=data, epochs=2, encoder=Binned(4), **more)


def changed(**parts: Any) -> Dataset:
    return dataclasses.replace(patterns(), **parts)


class Words(Encoder):
    """Returns no signal."""

    steps = 2

    def __call__(self, x: Any, samples: Any, seed: int, epoch: int) -> Any:
        return "spikes"


class Fewer(Encoder):
    """Returns one sample, whatever it is asked for."""

    steps = 2

    def __call__(self, x: Any, samples: Any, seed: int, epoch: int) -> Any:
        return Bernoulli(2)(x, samples[:1], seed, epoch)


NONE = {"x_train": np.zeros((0, 6)), "y_train": np.zeros(0, int)}
NO_TEST = {"x_test": np.zeros((0, 6)), "y_test": np.zeros(0, int)}


def agent(**more: Any) -> PolicyTrainer:
    maze = Maze(4)
    return PolicyTrainer(policy_network(maze, 9), **({"maze": maze} | more))


DATA: dict[str, tuple[Callable[[], Any], str]] = {
    "no training samples": (lambda: trained(data=changed(**NONE)), "no training"),
    "wider test samples": (lambda: trained(data=changed(x_test=np.zeros((12, 7)))), "give both one layout"),
    "test samples of words": (lambda: trained(data=changed(x_test=np.full((12, 6), "a"))), "x"),
    "test samples out of range": (lambda: trained(data=changed(x_test=np.full((12, 6), 7.0))), "lie in"),
    "patience without test samples": (
        lambda: trained(data=changed(**NO_TEST), patience=2), "needs validation or test samples"
    ),
    "an augmented recording of other length": (lambda: recorded(augment=lambda x, g: x[:2]).fit(), "as it gets them"),
    "recordings for an encoder of values": (lambda: Bernoulli(2)(TRAINS, ONE, 0, 0), "use Binned"),
    "recordings, direct": (lambda: Direct()(TRAINS, ONE, 0, 0), "use Binned"),
    "recordings, latency": (lambda: Latency(2)(TRAINS, ONE, 0, 0), "use Binned"),
    "values for an encoder of recordings": (lambda: Binned(2)(np.zeros((3, 6)), ONE, 0, 0), "takes SpikeTrains"),
    "an encoder without a signal": (lambda: trained(encoder=Words()), "must return Spikes or a Current"),
    "an encoder of fewer samples": (lambda: trained(encoder=Fewer()), "returned 1 samples"),
    "an augmentation that drops samples": (
        lambda: trained(augment=lambda x, g: x[:3]).fit(), r"must return samples as it gets them, a ndarray of shape"
    ),
    "an augmentation of another type": (lambda: trained(augment=lambda x, g: x.tolist()).fit(), "got list"),
    "more steps than a log counts": (lambda: trained(epochs=10**9), "lower epochs"),
    "more learning rates than can be summed": (
        lambda: trained(epochs=10**8, methods=[methods.NSPDI()]), "sums the learning rates"
    ),
    "a transition too many": (
        lambda: agent(transitions=10**12), "transitions=1000000000000"
    ),
    "transitions in parts": (lambda: agent(transitions=2.5), "transitions"),
    "a loss for a maze": (lambda: agent(loss="mse"), "ClippedPolicy"),
    "no maze": (lambda: agent(maze=5), "maze must be"),
    "a network for no maze": (lambda: policy_network("m"), "maze must be"),
    "an encoder for a maze": (
        lambda: agent(encoder=Direct()), "gathers its own"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DATA)
def test_data(what: str) -> None:
    make, match = DATA[what]
    with pytest.raises(NeurodevError, match=match):
        make()


def test_recordings_are_augmented() -> None:
    """As without augmentation, where it changes nothing."""
    one, two = recorded().fit(), recorded(augment=lambda x, g: x).fit()
    assert one.history[-1].train_loss == two.history[-1].train_loss


def test_without_test_samples_their_numbers_are_none() -> None:
    t = trained(data=changed(**NO_TEST), epochs=1).fit()
    assert np.isnan(t.history[0].test_accuracy) and np.isnan(t.history[0].test_loss)
    assert t.history[0].train_accuracy > 0


def images(*shape: int) -> Dataset:
    draw = np.random.default_rng(0)
    x = draw.random((30, *shape)).astype(np.float32)
    return Dataset(x, np.arange(30) % 2, x[:10], np.arange(10) % 2, "images", ("a", "b"))


def image_net(*inputs: int) -> Sequential:
    return Sequential(
        Conv2d(4, 3), LIF(0.2, 0.5, surrogate=WIDE), Flatten(), Linear(2), LIF(0.2, 0.5, surrogate=WIDE), inputs=inputs
    )


@pytest.mark.parametrize(
    ("inputs", "fits", "others"),
    [
        ((8, 6, 1), [(8, 6), (8, 6, 1), (1, 8, 6), (48,)], [(6, 8), (4, 12), (2, 4, 6), (6, 8, 1)]),
        ((8, 6, 3), [(8, 6, 3)], [(3, 8, 6), (6, 8, 3), (144,), (24, 6), (8, 18)]),
        ((6, 6, 2), [(6, 6, 2)], [(2, 6, 6), (72,), (6, 12)]),
    ],
)
def test_only_flattening_and_axes_of_one(inputs: Any, fits: list[Any], others: list[Any]) -> None:
    """As many values in another layout would be scrambled pixels."""
    how: dict[str, Any] = {"epochs": 1, "batch": 10, "encoder": Bernoulli(2)}
    for shape in fits:
        Trainer(image_net(*inputs), images(*shape), **how)
        flat = Sequential(Linear(2), LIF(0.2, 0.5, surrogate=WIDE), inputs=(int(np.prod(shape)),))
        Trainer(flat, images(*shape), **how)
    for shape in others:
        with pytest.raises(ParameterError, match="a sample has shape"):
            Trainer(image_net(*inputs), images(*shape), **how)
        with pytest.raises(ParameterError, match="give both one layout"):
            dataclasses.replace(images(*fits[0]), x_test=images(*shape).x_test)


# ---------------------------------------------------------------- losses

LOSSES: dict[str, tuple[Callable[..., Any], str]] = {
    "two values": (lambda y, labels, n: (0.0, y), r"must return \(value, gradient, scores\), got 2 values"),
    "a number": (lambda y, labels, n: 0.0, "got float"),
    "a value that is none": (lambda y, labels, n: ("low", *rate_mse(y, labels, n)[1:]), "value must be a number"),
    "values of samples": (lambda y, labels, n: (np.ones(3), *rate_mse(y, labels, n)[1:]), "value must be a number"),
    "a gradient that is none": (lambda y, labels, n: (0.0, np.zeros(3), np.zeros((3, 3))), "must be a Current"),
    "scores of classes": (lambda y, labels, n: (*rate_mse(y, labels, n)[:2], np.zeros(3)), "scores need one row"),
}  # fmt: skip


@pytest.mark.parametrize("what", LOSSES)
def test_losses(what: str) -> None:
    loss, match = LOSSES[what]
    with pytest.raises(ParameterError, match=match):
        trained(loss=loss).fit()


@pytest.mark.parametrize("given", [np.nan, -1.0, "fast", None])
def test_a_schedule_or_a_rate_that_is_none(given: Any) -> None:
    with pytest.raises(ParameterError, match=r"schedule\(.*\) must be a number of at least 0"):
        trained(schedule=lambda share: 1.0 if share < 0.3 else given).fit()
    t = trained()
    with pytest.raises(ParameterError, match="the optimiser's rate must be a (plain )?number"):
        t.optimiser.rate = given
    vars(t.optimiser)["rate"] = given  # as the optimiser of somebody's own, which looks at nothing
    with pytest.raises(ParameterError, match="the optimiser's rate must be a number of at least 0"):
        t.fit()


# ---------------------------------------------------------------- methods together


class Wrong(Method):
    """Says nothing that anybody knows of absent synapses."""

    dead = "gone"


TOGETHER: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "twice": (lambda: [methods.RigL(0.5, every=1), methods.RigL(0.6, every=1)], "RigL is given twice"),
    "the same one twice": (lambda: [methods.LTH(0.5)] * 2, "LTH is given twice"),
    "the same tensors": (
        lambda: [methods.SDSNN(layers=("fc",)), methods.SDSNN(layers=("fc", "out"))], "SDSNN is given twice"
    ),
    "two structures to begin with": (lambda: [methods.Static(0.5), methods.SET(0.5)], "both set the structure"),
    "two structures, one a subclass": (lambda: [methods.NDSNN(0.9, every=3), methods.RigL(0.5, every=3)], "both set"),
    "two hidden parameters": (lambda: [methods.NSPDI(), methods.STDS()], "NSPDI and STDS exclude each other"),
    "moving and absent": (lambda: [methods.SDSNN(), methods.LTH(0.5)], "SDSNN and LTH exclude each other"),
    "moving and hidden": (lambda: [methods.DPAP(), methods.NSPDI()], "DPAP and NSPDI exclude each other"),
    "two that watch": (
        lambda: [methods.TracedNDSNN(0.9, every=3), methods.DPAP(strict=True, units=False, synapses=False)],
        "both watch 'fc'",
    ),
    "a word that nobody knows": (lambda: [Wrong()], "dead must be one of"),
}  # fmt: skip


@pytest.mark.parametrize("what", TOGETHER)
def test_methods_that_exclude_each_other(what: str) -> None:
    make, match = TOGETHER[what]
    with pytest.raises(StudyError, match=match):
        trained(methods=make())


def test_methods_that_get_on() -> None:
    two = Sequential(
        Linear(12, name="a"), LIF(0.2, 0.5), Linear(9, name="b"), LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,)
    )
    t = trained(two, methods=[methods.SDSNN(layers=("a",)), methods.SDSNN(layers=("b",), percent=10.0)])
    assert len(t.methods) == 2
    assert len(trained(methods=[methods.Static(0.5), methods.LTH(0.5, share=0.3)]).methods) == 2


class Watcher(Method):
    """Watches a layer that there is not."""

    def start(self, trainer: Any) -> None:
        trainer.watch("lif7", lambda x, y: y)


def test_layers_that_cannot_be_watched_are_named() -> None:
    with pytest.raises(StudyError, match=r"Watcher wants to watch the layer 'lif7', .*\(did you mean 'lif"):
        trained(methods=[Watcher()])
    bare = Sequential(Linear(12, name="fc"), Linear(3), inputs=(6,))
    with pytest.raises(StudyError, match="drives no neurons"):
        trained(bare, methods=[methods.DPAP(layers=("fc",))])


def test_layers_inside_are_watched() -> None:
    inside = lambda: Sequential(
        Recurrent(Linear(12, name="in"), Linear(12, name="back"), LIF(0.2, 0.5)), Linear(3), LIF(0.2, 0.5), inputs=(6,)
    )
    for method in (methods.DPAP(), methods.TracedNDSNN(0.8, every=3)):
        assert trained(inside(), methods=[method], epochs=2, batch=8).fit().epoch == 2


def test_what_nobody_would_train_is_refused() -> None:
    hidden = Sequential(Linear(12, storage="hidden"), LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,))
    with pytest.raises(StudyError, match="'linear1' is stored as hidden"):
        trained(hidden)


# ---------------------------------------------------------------- selectors and actuators

MASK = np.array([True, False, True])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: rewire.deaths("m", MASK, "magnitude"), r"np.flatnonzero\(mask\)"),
        (lambda: rewire.deaths("m", np.array([0.5, 1.5]), "magnitude"), "slots must be whole numbers"),
        (lambda: rewire.deaths("m", np.arange(3), "magnitude", np.arange(2.0)), "one for each of 3"),
        (lambda: rewire.births("m", MASK, np.arange(3), "random"), "source must be whole numbers"),
        (lambda: rewire.births("m", np.arange(3), np.arange(2), "random"), "target must name one unit for each of 3"),
        (lambda: rewire.births("m", np.arange(2), np.arange(2), "random", np.nan), "weight must be finite"),
        (lambda: rewire.births("m", np.arange(2), np.arange(2), "random", np.ones(3)), "weight must be a number, or"),
        (lambda: rewire.smallest(np.arange(3.0), 1.5), "n must be a whole number"),
        (lambda: rewire.smallest(np.arange(3.0), -1), "n must be a whole number"),
        (lambda: rewire.some(3, -1, np.random.default_rng(0)), "n must be a whole number"),
        (lambda: schedule.cubic(np.nan, 0.0, 1.0), "x must be a finite number"),
        (lambda: schedule.sine("a", 1.0), "x must be"),
        (lambda: schedule.exponential_rate(1, 0.0), "tau must be a positive number"),
        (lambda: schedule.exponential_rate(1, 1.0, 0.0), "scale must be a positive number"),
        (lambda: schedule.erdos_renyi([], 0.5), "shapes must be those of weight tensors"),
        (lambda: schedule.erdos_renyi([(3, 0)], 0.5), "shapes must be those"),
        (lambda: schedule.erdos_renyi([(3, 4)], np.nan), r"density must lie in \(0, 1\]"),
        (lambda: schedule.erdos_renyi([(3, 4)], 0.5, dense=[True, False]), "dense must say of each of 1"),
        (lambda: schedule.fewest_deaths(10, 5, np.nan), r"ratio must lie in \[0, 1\]"),
        (lambda: schedule.neurotrophic(1.0, 1.0, 3, np.nan), "no living unit"),
        (lambda: trained().propose("fx", []), r"no weight tensor 'fx' \(did you mean 'fc'\?\)"),
        (lambda: trained().begin_with("fc", np.ones((6, 12), bool)), "is for Method.prepare alone"),
        (lambda: trained().probe("fx"), "no weight tensor 'fx'"),
        (lambda: trained().probed("fc"), "without probe"),
        (lambda: trained().store("fx", "dense"), "no weight tensor 'fx'"),
    ],
)
def test_selectors_and_actuators(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(NeurodevError, match=match):
        call()


def test_plain_lists_are_places() -> None:
    plan = rewire.births("m", [0, 1], [2, 0], "random", [0.5, 0.25], [1, 2])
    assert plan.birth_weight.tolist() == [0.5, 0.25] and plan.birth_value.tolist() == [1.0, 2.0]
    assert rewire.deaths("m", [4], "magnitude", 0.5).death_value.tolist() == [0.5]
    assert isinstance(Bernoulli(2)(np.ones((2, 3)), ONE, 0, 0), Spikes)
    assert isinstance(Direct()(np.ones((2, 3)), ONE, 0, 0), Current)


class ShortCallback(Callback):
    def epoch_end(self) -> None:  # type: ignore[override]
        """Without the view."""


class LongCallback(Callback):
    def batch_end(self, view: View, more: int) -> None:  # type: ignore[override]
        """With something that nobody gives."""


class ShortMethod(Method, word=False):
    def after_step(self) -> None:  # type: ignore[override]
        """Without the trainer."""


class ShortOptimiser(Optimiser):
    rate, steps = 1.0, 0

    def step(self, parameters: Any) -> None:  # type: ignore[override]
        """Without the factor."""


class ShortEncoder(Encoder):
    def __call__(self, x: Any) -> Any:  # type: ignore[override]
        """Without samples."""


class ShortLayer(Layer):
    def __call__(self, x: Any) -> Any:
        return x, lambda d: d

    def out_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (12,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"callbacks": [ShortCallback()]}, r"callbacks: ShortCallback.epoch_end\(\).* cannot be called with \(view\)"),
        ({"callbacks": [LongCallback()]}, r"callbacks: LongCallback.batch_end.* cannot be called with \(view\)"),
        ({"methods": [ShortMethod()]}, r"methods: ShortMethod.after_step\(\).* cannot be called with \(trainer\)"),
        ({"optimiser": ShortOptimiser()}, r"optimiser: .*cannot be called with \(parameters, factor\)"),
        ({"encoder": ShortEncoder()}, r"encoder: .*cannot be called with \(x, samples, seed, epoch\)"),
    ],
)
def test_what_is_written_anew_can_be_called(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        Trainer(net(), patterns(), epochs=1, **given)


def test_methods_of_a_layer_can_be_called() -> None:
    with pytest.raises(ParameterError, match=r"ShortLayer: .*out_shape\(\).* cannot be called with \(shape\)"):
        Sequential(Linear(12), ShortLayer(), LIF(), Linear(3), LIF(), inputs=(6,))


class Says(Layer):
    """A layer that returns, or says of itself, what is given."""

    made: Callable[[Any], Any] = staticmethod(lambda x: (x, lambda d: d))
    shape: Any = None

    def __call__(self, x: Any) -> Any:
        return type(self).made(x)

    def out_shape(self, shape: tuple[int, ...]) -> Any:
        return shape if self.shape is None else self.shape


def failing(x: Any) -> Any:
    return x.no_such_thing


def without_numbers(x: Any) -> Any:
    return x.like(x.value * np.nan), lambda d: d


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"gives": "spike"}, r"layer 2 \(Odd\) does not fit: its gives must be one of .*got 'spike'"),
        ({"gives": None}, "its gives must be one of"), ({"takes": "volts"}, "its takes must be one of"),
        ({"shape": [12.0]}, r"layer 2 \(Odd\).*out_shape must be"), ({"shape": 12}, "out_shape must be"),
        ({"made": staticmethod(lambda x: None)}, r"odd1 must return \(Spikes or Current, pullback\), got NoneType"),
        ({"made": staticmethod(lambda x: x)}, r"odd1 must return \(Spikes or Current, pullback\), got"),
        ({"made": staticmethod(lambda x: (x, x, x))}, "odd1 must return"),
        ({"made": staticmethod(failing)}, r"odd1 \(Odd\) failed on .* samples of shape .*: AttributeError"),
        ({"made": staticmethod(lambda x: (x.like(x.value * np.nan), None))}, "must return a pullback to call"),
        ({"made": staticmethod(without_numbers)}, "what reaches layer 'lif1' is not finite.*'odd1'"),
    ],
)  # fmt: skip
def test_a_layer_that_is_wrong_is_named(says: dict[str, Any], said: str) -> None:
    odd = type("Odd", (Says,), {"__module__": __name__, **says})
    with pytest.raises(ParameterError, match=said):
        Trainer(Sequential(Linear(12), odd(), LIF(), Linear(3), LIF(), inputs=(6,)), patterns(), epochs=1)


def test_what_reaches_the_first_layer_is_told_of_the_input() -> None:
    model = Sequential(LIF(), Linear(3), LIF(), inputs=(6,))
    with pytest.raises(ParameterError, match="reaches layer 'lif1' is not finite: look at the input$"):
        calibrate(model, Current(np.full((2, 6), np.nan, dtype=np.float32), 2, 1, (6,)))


def test_a_pullback_that_fails_is_named() -> None:
    odd = type("Odd", (Says,), {"__module__": __name__, "made": staticmethod(lambda x: (x, failing))})
    t = Trainer(Sequential(Linear(12), odd(), LIF(), Linear(3), LIF(), inputs=(6,)), patterns(), epochs=1)
    with pytest.raises(ParameterError, match=r"odd1 \(Odd\), its pullback, failed on .*no_such_thing"):
        t.fit()


def with_a_gain(call: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Gives an argument of its own: what is called takes one."""

    @functools.wraps(call)
    def made(self: Any, x: Any) -> Any:
        return call(self, x, 1.0)

    return made


def test_decorated_methods_and_others_in_order() -> None:
    class Decorated(Layer):
        @with_a_gain
        def __call__(self, x: Any, gain: float) -> Any:
            return x, lambda d: d

    class Any_(Callback):  # noqa: N801
        def epoch_end(self, *args: Any, **more: Any) -> None:
            """Takes whatever there is."""

        @staticmethod
        def batch_end(view: View, note: str = "") -> None:  # type: ignore[override]
            """Without an instance."""

    model = Sequential(Linear(12), Decorated(), LIF(), Linear(3), LIF(), inputs=(6,))
    assert Trainer(model, patterns(), epochs=1, batch=20, callbacks=[Any_()]).fit().epoch == 1
