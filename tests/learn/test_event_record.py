"""A training of event layers in a run file: what it holds, its log with causes, and going on to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.learn.eventprop import EventTrainer
from neurodev.learn.eventprop.losses import cross_entropy
from neurodev.learn.eventprop.record import state_of
from neurodev.methods import rewire
from neurodev.structure.cause import CAUSES
from neurodev.structure.plan import apply, merge
from tests.learn.test_eventprop import model_of, toy


def prune(trainer: EventTrainer) -> None:
    """The smallest tenth of the inputs goes after every epoch, and one comes back."""
    table = trainer.tables()["inputs1"]
    slots = table.slots()
    size = np.abs(table.weight[slots])
    gone = slots[rewire.smallest(size, slots.size // 10)]
    plans = [rewire.deaths("prune", gone, "magnitude", np.abs(table.weight[gone]))]
    free = np.argwhere(~rewire.occupancy(table))
    if free.size:
        plans.append(rewire.births("prune", free[:1, 0], free[:1, 1], "random", 0.01))
    trainer.propose("inputs1", plans)


def training(to: Path | None = None, **more: Any) -> EventTrainer:
    return EventTrainer(model_of(0), 1e-2, epochs=5, batch=20, gain=30.0, drop=0.1, to=to, callbacks=[prune], **more)


def test_the_file_tells_every_epoch_and_every_life(tmp_path: Path) -> None:
    x, y = toy(60, 1)
    t = training(tmp_path / "run.sqlite")
    done = list(t.fit(x, y))
    run = t.close()
    assert isinstance(run, nd.Run)
    np.testing.assert_allclose(run.series("train_loss"), [e.loss for e in done])
    np.testing.assert_allclose(run.series("rate/layer1"), [e.spikes[0] for e in done])
    assert run.verify() == sum(table.n_synapse for table in t.tables().values())
    lives = run.spines
    assert {CAUSES[int(c)] for c in lives.cause if c >= 0} == {"magnitude"}
    assert {CAUSES[int(c)] for c in lives.birth_cause[lives.born > 0]} == {"random"}
    assert run.series("births/inputs1").tolist() == [0, 1, 1, 1, 1] and run.series("deaths/inputs1")[0] == 20


def test_without_a_file_nothing_changes(tmp_path: Path) -> None:
    x, y = toy(60, 1)
    one, two = training(), training(tmp_path / "run.sqlite")
    for a, b in zip(one.fit(x, y), two.fit(x, y), strict=True):
        assert (a.loss, a.accuracy, a.spikes) == (b.loss, b.accuracy, b.spikes)
    two.close()
    with pytest.raises(ParameterError, match="writes no run file"):
        one.close()


@pytest.mark.parametrize("every", [1, 2])
def test_resumed_to_the_same_bytes(tmp_path: Path, every: int) -> None:
    x, y = toy(60, 1)
    whole = training(tmp_path / "whole.sqlite", checkpoint=every)
    list(whole.fit(x, y))
    part, going = training(tmp_path / "part.sqlite", checkpoint=every), 0
    for _ in part.fit(x, y):
        going += 1
        if going == 3:
            break
    assert part.record is not None
    part.record.close("broken off")
    again = training(tmp_path / "part.sqlite", checkpoint=every, resume=True)
    rest = list(again.fit(x, y))
    assert [e.number for e in rest] == ([4, 5] if every == 1 else [3, 4, 5])
    a, b = state_of(whole), state_of(again)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
    one, two = whole.close(), again.close()
    assert one.verify() == two.verify()
    for name in set(one.series_names) - {"seconds", "compile_seconds"}:
        np.testing.assert_array_equal(one.series(name), two.series(name), err_msg=name)


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    x, y = toy(60, 1)
    to = tmp_path / "run.sqlite"
    first = training(to)
    next(first.fit(x, y))
    assert first.record is not None
    first.record.close("broken off")
    with pytest.raises(StudyError, match=r"gain is 20.0, the file has 30.0"):
        other = EventTrainer(
            model_of(0), 1e-2, epochs=5, batch=20, gain=20.0, drop=0.1, to=to, resume=True, callbacks=[prune]
        )
        next(other.fit(x, y))
    with pytest.raises(StudyError, match="data"):
        next(training(to, resume=True).fit(*toy(60, 2)))
    with pytest.raises(NeurodevError, match=r"run\.sqlite"):
        next(training(to).fit(x, y))  # nothing is overwritten unasked
    again = training(to, overwrite=True)
    next(again.fit(x, y))
    assert again.close().series("life").tolist() == [1.0]


def test_what_is_changed_behind_the_log_is_told(tmp_path: Path) -> None:
    def behind(trainer: EventTrainer) -> None:
        table = trainer.tables()["inputs1"]
        plan = rewire.deaths("nobody", table.slots()[:1], "magnitude")
        apply(table, merge([plan], table, single_contact=True), tick=1, life=0.0)

    x, y = toy(60, 1)
    t = EventTrainer(model_of(0), 1e-2, epochs=2, batch=20, gain=30.0, to=tmp_path / "run.sqlite", callbacks=[behind])
    with pytest.raises(ParameterError, match="behind the log"):
        list(t.fit(x, y))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"resume": True}, "need to="), ({"overwrite": True}, "need to="), ({"checkpoint": -1}, "checkpoint"),
        ({"callbacks": [3]}, "callbacks"), ({"callbacks": print}, r"for a single one: callbacks=\[...\]"),
    ],
)  # fmt: skip
def test_bad_words(words: dict[str, Any], told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        EventTrainer(model_of(0), epochs=1, **words)
    with pytest.raises(ParameterError, match="there is no table 'x'"):
        EventTrainer(model_of(0), epochs=1).propose("x", [])


def squared(scores: Any, labels: Any) -> tuple[float, Any]:
    """Mean squared distance of the scores from rows of numbers, in mV^2."""
    off = scores - labels
    return float((off**2).mean()), 2 * off / off.size


def test_a_loss_of_ones_own_on_numbers(tmp_path: Path) -> None:
    """Its gradient is exact, too: the loss falls, and a small step lowers it by rate times the squared gradient."""
    x, y = toy(40, 1)
    wanted = 0.1 * np.eye(model_of(0).readout.table.n_target)[y]
    t = EventTrainer(model_of(0), 1e-2, epochs=4, batch=20, loss=squared, to=tmp_path / "run.sqlite")
    done = list(t.fit(x, wanted, test=(x[:10], wanted[:10])))
    assert done[-1].loss < 0.9 * done[0].loss and np.isnan(done[-1].accuracy) and np.isnan(done[-1].test_accuracy)
    assert done[-1].test_loss == pytest.approx(squared(t.model(x[:10])[0], wanted[:10])[0])
    run = t.close()
    assert run.series("test_loss").tolist() == [e.test_loss for e in done] and "squared" in run.info()
    classes = EventTrainer(model_of(0), 1e-2, epochs=1, batch=20, loss=lambda scores, labels: squared(scores, 0.0))
    assert 0 <= next(classes.fit(x, y)).accuracy <= 1


def test_its_own_cross_entropy_is_ours() -> None:
    x, y = toy(40, 1)
    mine = lambda scores, labels: cross_entropy(scores, labels, 30.0)
    one = EventTrainer(model_of(0), 1e-2, epochs=2, batch=20, loss=mine)
    two = EventTrainer(model_of(0), 1e-2, epochs=2, batch=20, gain=30.0)
    for a, b in zip(one.fit(x, y), two.fit(x, y), strict=True):
        assert (a.loss, a.accuracy) == (b.loss, b.accuracy)


def test_a_test_set_is_measured_and_changes_nothing(tmp_path: Path) -> None:
    """Its numbers are those of `measure` on the net of that epoch; a break changes none."""
    x, y = toy(60, 1)
    train, test = (x[:40], y[:40]), (x[40:], y[40:])
    bare = [(e.loss, e.spikes) for e in training().fit(*train)]
    seen: list[Any] = []
    whole = training(tmp_path / "whole.sqlite")
    whole.callbacks = [lambda trainer: seen.append(trainer.measure(*test)[:2]), prune]
    done = list(whole.fit(*train, test=test))
    assert [(e.loss, e.spikes) for e in done] == bare and seen == [(e.test_loss, e.test_accuracy) for e in done]
    assert done[-1].test_accuracy == done[-1].test_accuracy > 0.4
    run = whole.close()
    table = run.training.confusion
    np.testing.assert_array_equal(run.series("test_accuracy"), [e.test_accuracy for e in done])
    assert table.sum() == 20 and table.trace() == round(20 * done[-1].test_accuracy)
    assert "20 test samples" in run.info() and run.training.best == 1 + int(np.argmax(run.series("test_accuracy")))
    part = training(tmp_path / "part.sqlite")
    for _ in zip(range(2), part.fit(*train, test=test), strict=False):
        pass
    assert part.record is not None
    part.record.close("broken off")
    with pytest.raises(StudyError, match="tests"):
        next(training(tmp_path / "part.sqlite", resume=True).fit(*train))
    again = training(tmp_path / "part.sqlite", resume=True)
    rest = list(again.fit(*train, test=test))
    assert [e.test_accuracy for e in rest] == [e.test_accuracy for e in done[-len(rest) :]]
    np.testing.assert_array_equal(again.close().series("test_loss"), run.series("test_loss"))


@pytest.mark.parametrize(
    "given, told",
    [
        ({"methods": [nd.methods.NDSNN(0.9)]}, "NDSNN works in Trainer alone.*propose"),
        ({"methods": "NDSNN"}, "methods: 'NDSNN' works in Trainer alone"),
        ({"loss": "mse"}, "loss must be a function"),
        ({"loss": lambda scores, labels: 1.0}, r"must return \(value, d_scores\)"),
        ({"loss": lambda scores, labels: ("a", scores)}, "the value must be a number"),
        ({"loss": lambda scores, labels: (1.0, scores[:1])}, "of the shape of scores"),
        ({"loss": lambda scores, labels: (1.0, np.nan * scores)}, "finite numbers"),
        ({"loss": lambda scores: (1.0, scores)}, "loss"),
        ({"test": 5}, r"test must be \(spikes, labels\)"),
        ({"test": 2}, "as many labels of the tests"),
        ({"x": None}, "spikes must be SpikeTrains.*None"),
        ({"x": np.ones((20, 3))}, "spikes must be SpikeTrains"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], told: str) -> None:
    x, y = toy(20, 1)
    given = dict(given)
    test = {5: 5, 2: (x, y[:2])}.get(given.pop("test", 0))
    x = given.pop("x", x)
    with pytest.raises(NeurodevError, match=told):
        next(EventTrainer(model_of(0), epochs=1, batch=20, **given).fit(x, y, test=test))
