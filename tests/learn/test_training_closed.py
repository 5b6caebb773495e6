"""A training that is under way, and what it is made of, as its users would get it wrong: each refused by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.data.dataset import Dataset
from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.learn import LIF, SGD, Adam, Bernoulli, Encoder, Layer, Linear, Loss, Sequential, Trainer
from neurodev.learn.eventprop.fit import EventTrainer
from neurodev.learn.training.loss import rate_mse
from neurodev.learn.training.reinforce import PolicyTrainer, policy_network
from neurodev.structure.dense import DenseTable

DRAW = np.random.default_rng(3)
X, Y = DRAW.random((12, 5)).astype(np.float32), np.arange(12) % 2


def data(x: Any = X, y: Any = Y, classes: Any = ("a", "b")) -> Dataset:
    return Dataset(x, y, X[:4], Y[:4], "some", classes)


def net() -> Sequential:
    return Sequential(Linear(6), LIF(0.2, 0.5), Linear(2), LIF(0.2, 0.5), inputs=(5,))


def trainer(**more: Any) -> Trainer:
    return Trainer(net(), more.pop("data", data()), batch=6, encoder=more.pop("encoder", Bernoulli(6)), **more)


# ---------------------------------------------------------------- what is changed while it learns


CHANGES: dict[str, Callable[[Trainer], Any]] = {
    "momentum 5": lambda t: setattr(t.optimiser, "momentum", 5.0),
    "momentum NaN": lambda t: setattr(t.optimiser, "momentum", np.nan),
    "decay below 0": lambda t: setattr(t.optimiser, "decay", -1.0),
    "steps below 0": lambda t: setattr(t.optimiser, "steps", -1),
    "a misspelt field": lambda t: setattr(t.optimiser, "momentun", 0.5),
    "another optimiser": lambda t: setattr(t, "optimiser", Adam(0.1)),
    "no optimiser": lambda t: setattr(t, "optimiser", None),
    "another batch": lambda t: setattr(t, "batch", 0),
    "another loss": lambda t: setattr(t, "loss", "rate_cross_entropy"),
    "another model": lambda t: setattr(t, "model", net()),
    "flags of life": lambda t: t.tensor("linear1").table.alive.fill(0),
    "half of the synapses": lambda t: t.tensor("linear1").table.keep_only(DRAW.random((5, 6)) < 0.5),
    "an unknown storage": lambda t: t.store("linear1", "spares"),
    "fit in fit": lambda t: t.fit(1),
    "no layer of that name": lambda t: t.watched("lif7"),
    "no parameter of that name": lambda t: t.share("lif1", "gate"),
    "a sample that there is not": lambda t: t.train_step([99]),
    "fractions of samples": lambda t: t.train_step([0.5]),
    "no samples": lambda t: t.train_step([]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_callback_that_breaks_the_training_is_told_at_once(what: str) -> None:
    with pytest.raises(NeurodevError):
        trainer(optimiser=SGD(0.1), callbacks=[CHANGES[what]]).fit(1)


def test_what_is_refused_changes_nothing_and_what_is_sound_acts() -> None:
    sgd = SGD(0.1, momentum=0.5)
    with pytest.raises(ParameterError, match=r"momentum must .*5\.0"):
        sgd.momentum = 5.0
    assert sgd.momentum == 0.5
    sgd.momentum, sgd.rate = np.float32(0.25), 0.0  # type: ignore[assignment]
    assert type(sgd.momentum) is float and sgd.momentum == 0.25
    sgd.decay = 0.1  # a rate of 0 is in order while it learns

    class Mine(SGD):
        pass

    mine = Mine(0.1)
    mine.something_else = 3  # type: ignore[attr-defined]


def test_steps_of_a_mask_a_list_and_places_are_one() -> None:
    losses = []
    for samples in (np.arange(12) < 3, [0, 1, 2], slice(0, 3), np.arange(3, dtype=np.uint8)):
        losses.append(trainer().train_step(samples).loss)  # type: ignore[arg-type]
    assert len(set(losses)) == 1


def test_a_shallow_copy_of_a_model_is_the_same_model() -> None:
    model = net()
    first = Trainer(model, data(), batch=6)
    Trainer(copy.copy(model), data(), batch=6).fit(1)
    with pytest.raises(ParameterError, match="another trainer"):
        first.fit(1)


def test_a_deep_copy_is_another_model() -> None:
    model = net()
    other = copy.deepcopy(model)
    a, b = Trainer(model, data(), batch=6), Trainer(other, data(), batch=6)
    for _ in range(2):
        a.fit(1), b.fit(1)
    assert [e.train_loss for e in a.history] == [e.train_loss for e in b.history]


def test_neurons_belong_to_one_model() -> None:
    neurons = LIF()
    Sequential(Linear(3), neurons, inputs=(5,))
    with pytest.raises(NeurodevError, match="part of another model"):
        Sequential(Linear(4), neurons, inputs=(5,))


class Counting(Loss):
    """Grows with every call."""

    def __init__(self) -> None:
        self.calls, self.seen = 0, [0.0]

    def __call__(self, y: Any, labels: Any, total: int) -> Any:
        self.calls += 1
        self.seen.append(float(self.calls))
        value, gradient, scores = rate_mse(y, labels, total)
        return value + self.calls, gradient, scores


class Halving:
    """A schedule with a memory."""

    def __init__(self) -> None:
        self.factor = 2.0

    def __call__(self, progress: float) -> float:
        self.factor *= 0.5
        return self.factor


def test_parts_with_a_memory_begin_anew_in_every_training() -> None:
    count, halve = Counting(), Halving()
    runs = [trainer(loss=count, schedule=halve).fit(2) for _ in range(3)]
    told = [[(e.train_loss, e.learning_rate) for e in t.history] for t in runs]
    assert told[0] == told[1] == told[2] and told[0][0] != told[0][1]
    assert runs[0].loss is count and runs[1].loss is not count


def test_patience_counts_epochs_without_a_number() -> None:
    def lose(t: Trainer) -> None:
        t.history[-1].series["test_accuracy"] = np.nan if len(t.history) > 1 else 0.9

    t = trainer(epochs=9, patience=2, callbacks=[lose]).fit()
    assert len(t.history) == 3
    t = trainer(epochs=3, callbacks=[lambda t: t.history.clear()]).fit()
    assert t.epoch == 3


# ---------------------------------------------------------------- losses, functions, what computes nothing


@dataclass
class Said(Loss):
    """The rate loss, with a part of what it says changed."""

    change: Callable[..., Any] = lambda *said: said
    verdict: Any = None

    def __call__(self, y: Any, labels: Any, total: int) -> Any:
        return self.change(*rate_mse(y, labels, total))

    def right(self, scores: Any, labels: Any) -> Any:
        return super().right(scores, labels) if self.verdict is None else self.verdict(labels)


WRONG: dict[str, Any] = {
    "scores of one class": lambda v, g, s: (v, g, s[:, :1]),
    "scores of more classes": lambda v, g, s: (v, g, np.hstack([s, s])),
    "scores of words": lambda v, g, s: (v, g, s.astype(str)),
    "scores that are complex": lambda v, g, s: (v, g, s.astype(complex)),
    "scores that are NaN": lambda v, g, s: (v, g, s * np.nan),
    "value True": lambda v, g, s: (True, g, s),
}
VERDICTS: dict[str, Any] = {
    "halves": lambda y: np.full(y.size, 0.5),
    "sevens": lambda y: np.full(y.size, 7),
    "NaN": lambda y: np.full(y.size, np.nan),
    "words": lambda y: np.array(["no"] * y.size),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_loss_says_is_looked_at(what: str) -> None:
    with pytest.raises(ParameterError, match="loss custom"):
        trainer(loss=Said(WRONG[what])).fit(1)


@pytest.mark.parametrize("what", VERDICTS)
def test_right_is_true_or_false(what: str) -> None:
    with pytest.raises(ParameterError, match="right must say"):
        trainer(loss=Said(verdict=VERDICTS[what])).fit(1)


def test_a_value_of_numpy_is_a_number() -> None:
    plain = trainer(loss=Said()).fit(1).history[0].train_loss
    assert trainer(loss=Said(lambda v, g, s: (np.array(v), g, s))).fit(1).history[0].train_loss == plain


class Mute(Layer):
    """Forgot its call."""


class Silent(Loss):
    """Forgot it too."""


class Endless(Encoder):
    """Does not say how long it is."""

    steps = None  # type: ignore[assignment]

    def __call__(self, *given: Any) -> Any:
        return Bernoulli(3)(*given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sequential(Mute(), Linear(2), inputs=(5,)),
        lambda: trainer(loss=Silent),
        lambda: trainer(loss=Silent()),
        lambda: trainer(encoder=Endless()),
        lambda: trainer(schedule=lambda: 1.0),
        lambda: trainer(schedule=lambda a, b: 1.0),
        lambda: trainer(augment=lambda x: x),
        lambda: trainer(callbacks=[lambda: None]),
        lambda: trainer(loss=lambda y, labels: 0.0),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_runs(make: Callable[[], Any]) -> None:
    with pytest.raises(NeurodevError):
        make()


@pytest.mark.parametrize(
    ("make", "near"),
    [
        (lambda: trainer(epoch=3), "epochs"),
        (lambda: PolicyTrainer(net(), nd.data.maze.Maze(), transition=3), "transitions"),
        (lambda: EventTrainer(None, epoch=3), "epochs"),  # type: ignore[call-arg]
        (lambda: policy_network(nd.data.maze.Maze(), hiden=3), "hidden"),  # type: ignore[call-arg]
        (lambda: nd.networks.sdsnn_mnist(widht=1.0), "width"),
        (lambda: nd.networks.dpap_mnist(sed=1), "seed"),
        (lambda: nd.networks.vgg16(n_clas=3), "n_class"),
        (lambda: nd.networks.fully_connected(hiden=(3,)), "hidden"),  # type: ignore[call-arg]
        (lambda: nd.networks.network("sdsnn_mnist", widht=1.0), "width"),
    ],
)
def test_misspelt_keywords_get_the_nearest(make: Callable[[], Any], near: str) -> None:
    with pytest.raises(ParameterError, match=f"did you mean '{near}'"):
        make()


# ---------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ({"x": np.ma.masked_greater(X, 0.5)}, "filled"),
        ({"y": np.ma.masked_equal(Y, 1)}, "masked"),
        ({"y": np.eye(2, dtype=int)[Y]}, "argmax"),
        ({"y": Y[:, None]}, "ravel"),
        ({"y": np.array(["a", "b"])[Y]}, "unique"),
        ({"y": [0, [1]]}, "list"),
        ({"y": Y.astype(float)}, "whole numbers"),
        ({"classes": {"a", "b"}}, "order"),
        ({"classes": {"a": 1, "b": 0}}, "order"),
        ({"classes": ("a", "a")}, "differ"),
    ],
)
def test_data_that_would_be_read_otherwise_are_refused_with_the_cure(given: dict[str, Any], cure: str) -> None:
    with pytest.raises(ParameterError, match=cure):
        data(**given)


def test_a_mask_that_hides_nothing_is_none() -> None:
    np.testing.assert_array_equal(data(np.ma.masked_greater(X, 2.0)).x_train, X)


@pytest.mark.parametrize("kind", ["F", "strided", "big-endian", "float64", "float16"])
def test_the_layout_in_memory_changes_nothing(kind: str) -> None:
    half = X.astype(np.float16)
    x = {
        "F": np.asfortranarray(half), "strided": np.repeat(half, 2, axis=1)[:, ::2], "big-endian": half.astype(">f4"),
        "float64": half.astype(np.float64), "float16": half,
    }[kind]  # fmt: skip
    one, two = (trainer(data=data(a)).fit(1).history[0].train_loss for a in (half.astype(np.float32), x))
    assert one == two


def test_flags_as_bytes_are_told() -> None:
    with pytest.warns(UserWarning, match="bytes of 0 and 1"):
        trainer(data=data((X > 0.5).astype(np.uint8)), calibrate=False)


def test_tables_keep_the_precision_of_what_they_are_given() -> None:
    big = np.array([[2**24 + 1, 2], [3, 4]])
    assert DenseTable.full(big).weight[0] == 2**24 + 1
    assert DenseTable.full(big.astype(np.float32)).weight.dtype == np.float32
    for wrong in (big * 1j, [["a", "b"]], [[1], [2, 3]], np.ma.masked_equal(big, 3), big > 2):
        with pytest.raises(ParameterError):
            DenseTable.full(wrong)
    w = net().weights_of()["linear1"]
    for wrong in (np.zeros((5, 6)) + 1j, np.full((5, 6), "1"), np.ones((5, 6), dtype=bool)):
        with pytest.raises(ParameterError):
            w.put_matrix(wrong)


def test_a_part_of_a_training_is_not_exchanged() -> None:
    t = trainer()
    for name in ("data", "encoder", "schedule", "epochs", "seed", "augment"):
        with pytest.raises(StudyError, match=name):
            setattr(t, name, None if getattr(t, name) is not None else len)
