"""What is assigned to a layer, a method, an optimiser or a trainer while it learns is looked at there and then."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurodev import learn, methods
from neurodev.data import Dataset
from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.learn import (
    IF,
    LI,
    LIF,
    PLIF,
    SGD,
    Adam,
    AdaptiveLIF,
    AveragePool2d,
    BatchNorm,
    Branches,
    Conv2d,
    Dendritic,
    Dropout,
    Flatten,
    Layer,
    Linear,
    MaxPool2d,
    Recurrent,
    Repeat,
    Residual,
    Sequential,
    Trainer,
    Vote,
)  # fmt: skip
from neurodev.learn.core.fields import Field
from neurodev.learn.core.layer import Vector

SENSELESS = ("a", np.nan, np.inf, -3, None, [], np.zeros(3), object(), 1 + 2j, b"x", 10**400)
# what is in order, for these fields
FITTING = ((("watch",), type(None)), (("watched",), list), (("half", "linear"), int))


def data() -> Dataset:
    draw = np.random.default_rng(3)
    x, y = draw.random((24, 6, 6, 1)).astype(np.float32), np.arange(24) % 3
    return Dataset(x[:18], y[:18], x[18:], y[18:], name="noise", classes=("a", "b", "c"))


def little(kind: type = np.float32) -> Sequential:
    return Sequential(Linear(8), Dropout(0.2), LIF(0.5, 0.5), Linear(3), LIF(0.5, 0.5), inputs=(6, 6, 1), kind=kind)


def all_layers(kind: type = np.float32) -> list[Layer]:
    """One of each, built."""
    models = [
        Sequential(
            Conv2d(4, 3, bias=True), BatchNorm(0.5), LIF(0.5, 0.5), AveragePool2d(2), Conv2d(4, 3), PLIF(3.0),
            MaxPool2d(3), Flatten(), Dendritic(Linear(6), bias=True), Branches(2), AdaptiveLIF(0.5, 0.5), Dropout(0.2),
            Linear(6), LI(), Vote(2), inputs=(6, 6, 1), kind=kind,
        ),
        Sequential(
            Linear(4, bias=True), Repeat(2), IF(), Recurrent(Linear(4), Linear(4), LIF()), inputs=(5,), kind=kind
        ),
    ]  # fmt: skip
    return [layer for model in models for layer in model.layers()]


def fields_of(layer: Layer) -> set[str]:
    return {name for c in type(layer).__mro__ for name, v in vars(c).items() if isinstance(v, Field)}


@pytest.mark.parametrize("layer", all_layers(), ids=lambda layer: layer.name)
def test_no_field_of_a_built_layer_takes_nonsense(layer: Layer) -> None:
    """Every field of every kind of layer, by what the class declares; what was there stays."""
    for name in fields_of(layer):
        before = getattr(layer, name)
        for value in SENSELESS:
            if any(name in names and type(value) is kind for names, kind in FITTING):
                continue
            with pytest.raises(NeurodevError, match=name):
                setattr(layer, name, value)
            assert getattr(layer, name) is before


@pytest.mark.parametrize("layer", all_layers(), ids=lambda layer: layer.name)
def test_every_attribute_of_a_layer_is_a_field_or_private(layer: Layer) -> None:
    """So that none can be set behind the checks."""
    assert {name for name in vars(layer) if not name.startswith("_")} <= fields_of(layer)
    for name in ("treshold", "constants", "pairs", "out_shape", "takes", "shape"):
        with pytest.raises(ParameterError, match=name):
            setattr(layer, name, 1)
    lif = LIF()
    with pytest.raises(ParameterError, match="treshold.*threshold"):
        lif.treshold = 0.3  # type: ignore[attr-defined]


def test_parts_of_a_group_stay_and_a_class_of_ones_own_may_have_what_it_likes() -> None:
    model = little()
    for group, name in (
        (model, "inputs"), (model, "seed"), (model, "uids"), (Residual(Linear(3)), "body"), (model, "coupled"),
        (Recurrent(Linear(3), Linear(3), LIF()), "neurons"), (Dendritic(Linear(3)), "gate"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=name):
            setattr(group, name, 3)

    class Mine(LIF):
        pass

    mine = Mine()
    mine.note = "mine"  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="leak"):
        mine.leak = 2.0


@pytest.mark.parametrize(
    "change",
    [
        lambda t: setattr(t, "epoch", 0), lambda t: setattr(t, "step", -1), lambda t: setattr(t, "history", []),
        lambda t: setattr(t, "logs", {}), lambda t: setattr(t, "life", 1.0), lambda t: setattr(t, "epoks", 3),
        lambda t: setattr(t, "workers", None), lambda t: setattr(t, "fit", None), lambda t: setattr(t, "gains", "a"),
        lambda t: setattr(t, "progress", "no"), lambda t: setattr(t, "checkpoint_every", -1),
        lambda t: delattr(t, "model"), lambda t: setattr(t.model.weights_of()["linear1"], "value", 0),
        lambda t: delattr(next(iter(t.model.layers())), "n_out"), lambda t: setattr(t.optimiser, "rate", np.nan),
        lambda t: setattr(t.optimiser, "rate", "fast"),
        lambda t: setattr(t.optimiser, "epsilon", 0.0), lambda t: setattr(t.methods[0], "sparsity", 7.0),
        lambda t: setattr(t.methods[0], "every", "often"),
    ],
)  # fmt: skip
def test_nonsense_by_a_callback_ends_the_training_where_it_is_said(change: Callable[[Trainer], None]) -> None:
    t = Trainer(
        little(), data(), batch=6, epochs=4, optimiser=Adam(), methods=[methods.NDSNN(0.5, every=2)], callbacks=[change]
    )
    with pytest.raises(NeurodevError):
        t.fit()
    assert t.epoch == 1 and t.methods[0].sparsity == 0.5 and t.optimiser.rate == 1e-3  # type: ignore[attr-defined]
    t.close()


def test_what_is_sound_acts_and_is_kept_through_a_resume(tmp_path: Any) -> None:
    def change(t: Trainer) -> None:
        layers = {layer.name: layer for layer in t.model.layers()}
        if t.epoch == 1:
            layers["lif1"].threshold, layers["dropout1"].share = np.float32(0.25), 0.5  # type: ignore[attr-defined]
            t.optimiser.rate *= 0.5
            t.progress, t.checkpoint_every = False, 1

    def made(to: str, **more: Any) -> Trainer:
        return Trainer(little(), data(), batch=6, epochs=4, callbacks=[change], to=tmp_path / to, **more)

    whole = made("whole.sqlite").fit()
    made("cut.sqlite").fit(2).close()
    rest = made("cut.sqlite", resume=True)
    lif = next(layer for layer in rest.model.layers() if layer.name == "lif1")
    assert lif.threshold == 0.25 and rest.optimiser.rate == 5e-4  # type: ignore[attr-defined]
    rest.fit()
    for a, b in zip(whole.model.parameters_of(), rest.model.parameters_of(), strict=True):
        assert np.array_equal(a.flat()[0], b.flat()[0])
    whole.close(), rest.close()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_every_parameter_has_the_numbers_of_its_model(kind: type) -> None:
    """Also a learned leak, and a vector that a layer of one's own makes."""

    class Shift(Layer):
        def build(self, seed: int, uids: Any, kind: type) -> None:
            self.parameters["shift"] = Vector(np.full(3, 0.1))

        def __call__(self, x: Any) -> Any:
            return x, lambda dy: dy

    layers = [*all_layers(kind), *Sequential(Linear(3), Shift(), inputs=(4,), kind=kind).layers()]
    found = {f"{x.name}.{k}": p for x in layers for k, p in x.parameters.items()}
    assert len(found) > 8
    for name, p in found.items():
        assert {a.dtype for a in p.flat()} == {np.dtype(kind)}, name
    leak = PLIF(3.0)
    Sequential(Linear(3), leak, inputs=(4,), kind=np.float64)
    assert leak.constants()[0] == pytest.approx(2 / 3, abs=1e-15)


def test_a_learned_leak_that_ran_away_is_a_number() -> None:
    leak = PLIF()
    for w in (-1e30, 1e30):
        leak.parameters["leak"].value[...] = w
        keep, share = leak.constants()
        assert 0 <= keep <= 1 and 0 < share <= 1


def test_a_vector_is_written_in_place() -> None:
    """The replica reads the same values; another shape would be read beyond its end."""
    bias = Vector(np.zeros(4, dtype=np.float32))
    twin = bias.replica()
    bias.value = [1, 2, 3, 4]  # type: ignore[assignment]
    assert twin.value.tolist() == [1, 2, 3, 4] and twin.value.dtype == np.float32 and twin.gradient is not bias.gradient
    for value in (np.zeros(3), "a", np.full(4, np.nan), None):
        with pytest.raises(ParameterError, match="value"):
            bias.value = value  # type: ignore[assignment]


# what is divided by, so that it must not be 0, in single precision either
DIVISORS: list[tuple[Callable[[float], Any], str]] = [
    (lambda x: Adam(epsilon=x), "epsilon"), (lambda x: BatchNorm(epsilon=x), "epsilon"),
    (lambda x: LIF(gain=x), "gain"), (lambda x: LI(gain=x), "gain"), (lambda x: Branches(2, slope=x), "slope"),
    (lambda x: learn.Surrogate(width=x), "width"), (lambda x: learn.staircase(x), "every"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "word"), DIVISORS)
@pytest.mark.parametrize("value", [0, 0.0, 1e-60, 5e-324])
def test_denominators_are_not_0_in_single_precision_either(
    make: Callable[[float], Any], word: str, value: float
) -> None:
    with pytest.raises(ParameterError, match=word):
        make(value)


def test_a_training_is_not_copied_but_its_model_is() -> None:
    t = Trainer(little(), data(), batch=6, epochs=3, methods=[methods.SDSNN(rate=0.5)]).fit(1)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(StudyError, match="copied or pickled"):
            copied(t)
    for other in (copy.deepcopy(t.model), pickle.loads(pickle.dumps(t.model))):
        mine, theirs = t.model.parameters_of(), other.parameters_of()
        for a, b in zip(mine, theirs, strict=True):
            assert np.array_equal(a.flat()[0], b.flat()[0]) and not np.shares_memory(a.flat()[0], b.flat()[0])
        again = Trainer(other, data(), batch=6, epochs=1, optimiser=SGD(0.05))
        again.fit().close()
        assert any(not np.array_equal(a.flat()[0], b.flat()[0]) for a, b in zip(mine, theirs, strict=True))
    t.fit(1).close()  # which its copies have not taken over


@pytest.mark.parametrize("storage", ["dense", "hidden", "sparse"])
def test_copies_of_each_storage_compute_the_same(storage: str) -> None:
    model = Sequential(Linear(8, storage=storage, density=0.5), LIF(0.5, 0.5), Linear(3), inputs=(36,))
    x = learn.Spikes((np.random.default_rng(1).random((20, 36)) < 0.4).astype(np.uint8), 4, 5, (36,))
    want = model(x)[0].by_row
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other(x)[0].by_row, want)
        with pytest.raises(ParameterError, match="threshold"):
            next(one for one in other.layers() if isinstance(one, LIF)).threshold = "a"  # type: ignore[assignment]
