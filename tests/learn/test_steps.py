"""From gradients to a step: clipped, accumulated, in groups, by schedules that count; and who is called back."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods, registry
from neurodev.errors import ParameterError, RunFileError, StudyError
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.model import Sequential
from neurodev.learn.training.callback import Callback, View
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.optim import SGD, Adam, AdamW
from neurodev.learn.training.schedules import milestones, per_epoch, per_step, stairs, warm_up
from neurodev.learn.training.trainer import Trainer
from neurodev.record.packed import unpack
from tests.learn.small import layers, net, patterns, trained


def gradients(t: Trainer, **more: Any) -> list[Any]:
    """Those of one step, caught before the optimiser."""
    caught: list[Any] = []

    class Caught(SGD):
        def step(self, parameters: Any, factor: float = 1.0) -> None:
            caught.append([p.flat()[1].copy() for p in parameters])
            super().step(caught and parameters, factor)

    made = trained(optimiser=Caught(1e-3), **more)
    made.train_step(np.arange(20))
    return caught[0]


def length(parts: list[Any]) -> float:
    return float(np.sqrt(sum((g.astype(float) ** 2).sum() for g in parts)))


# ---------------------------------------------------------------------- clipping


def test_clipped_by_norm_points_the_same_way() -> None:
    free = gradients(trained())
    short = gradients(trained(), clip_norm=0.25 * length(free))
    assert length(short) == pytest.approx(0.25 * length(free), rel=1e-5)
    for a, b in zip(free, short, strict=True):
        np.testing.assert_allclose(b, 0.25 * a, rtol=1e-5, atol=1e-9)
    for a, b in zip(free, gradients(trained(), clip_norm=2 * length(free)), strict=True):
        assert np.array_equal(a, b)  # what is short enough stays


def test_clipped_by_value_then_by_norm() -> None:
    free = gradients(trained())
    most = 0.5 * max(np.abs(g).max() for g in free)
    low = gradients(trained(), clip_value=most)
    for a, b in zip(free, low, strict=True):
        np.testing.assert_allclose(b, np.clip(a, -most, most), rtol=1e-6)
    both = gradients(trained(), clip_value=most, clip_norm=0.5 * length(low))
    assert length(both) == pytest.approx(0.5 * length(low), rel=1e-5)


def test_what_was_clipped_is_told() -> None:
    t = trained(clip_norm=1e-6, epochs=2).fit()
    assert t.history[-1].clipped == 1.0 and t.history[-1].gradient_norm > 1e-6
    assert trained(clip_norm=1e6, epochs=1).fit().history[-1].clipped == 0.0
    assert "clipped" not in trained(epochs=1).fit().history[-1].series
    for name in ("clip_norm", "clip_value"):
        with pytest.raises(ParameterError, match=f"{name} must be"):
            trained(**{name: 0.0})


def test_a_gradient_that_is_no_number_is_not_clipped() -> None:
    def loss(y: Any, labels: Any, total: int) -> Any:
        value, gradient, scores = registry.ours("loss")["rate_mse"](y, labels, total)
        gradient.value[0, 0] = np.nan
        return value, gradient, scores

    with pytest.raises(ParameterError, match="cannot be clipped"):
        trained(loss=loss, clip_norm=1.0).fit()


# ---------------------------------------------------------------------- accumulation


@pytest.mark.parametrize("threads", [1, 2])
def test_accumulated_batches_are_one_large_batch(threads: int) -> None:
    large = trained(batch=20, threads=threads, epochs=3).fit()
    small = trained(batch=5, accumulate=4, threads=threads, epochs=3).fit()
    assert large.step == small.step == 6 and small.steps_per_epoch == 2
    for name, w in large.weights().items():
        np.testing.assert_allclose(small.weights()[name].matrix(), w.matrix(), rtol=2e-4, atol=2e-6)
    assert small.history[-1].train_loss == pytest.approx(large.history[-1].train_loss, rel=1e-4)


def test_a_last_step_may_be_smaller() -> None:
    t = trained(data=patterns(37), batch=10, accumulate=2, epochs=1).fit()
    assert t.step == 2 and t.history[0].train_loss > 0


def test_dropout_draws_for_each_sample_of_a_step() -> None:
    """Masks go by the place in the step: batches that are accumulated draw what one large batch draws."""
    model = lambda: Sequential(*layers()[:2], Dropout(0.5), *layers()[2:], inputs=(6,), seed=1)
    large = trained(model(), batch=20, epochs=1).fit()
    small = trained(model(), batch=10, accumulate=2, epochs=1).fit()
    for name, w in large.weights().items():
        np.testing.assert_allclose(small.weights()[name].matrix(), w.matrix(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["NDSNN", "SDSNN", "RigL", "NSPDI"])
def test_methods_count_steps_not_batches(method: str) -> None:
    made = {"NDSNN": lambda: methods.NDSNN(0.8, every=2), "SDSNN": lambda: methods.SDSNN(scale=0.05),
            "RigL": lambda: methods.RigL(0.5, every=2), "NSPDI": lambda: methods.NSPDI(displacement=0.3)}  # fmt: skip
    t = trained(net(), methods=[made[method]()], batch=5, accumulate=2, epochs=4)
    assert t.fit().step == 16


# ---------------------------------------------------------------------- groups


def test_a_group_has_its_own_rate_and_decay() -> None:
    plain = trained(optimiser=SGD(0.1, momentum=0.0), epochs=1)
    slow = trained(optimiser=SGD(0.1, momentum=0.0), epochs=1, groups={"out": {"rate": 0.01}})
    before = plain.weights()["out"].matrix()
    for t in (plain, slow):
        t.train_step(np.arange(10))
    np.testing.assert_array_equal(slow.weights()["fc"].matrix(), plain.weights()["fc"].matrix())
    moved = plain.weights()["out"].matrix() - before
    np.testing.assert_allclose(slow.weights()["out"].matrix() - before, 0.1 * moved, rtol=1e-3, atol=1e-7)
    decayed = trained(optimiser=SGD(0.1, momentum=0.0), epochs=1, groups={"fc.weight": {"decay": 0.5}})
    start = decayed.weights()["fc"].matrix()
    decayed.train_step(np.arange(10))
    np.testing.assert_allclose(
        decayed.weights()["fc"].matrix(), plain.weights()["fc"].matrix() - 0.05 * start, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("make", [lambda: SGD(0.05), lambda: Adam(0.01), lambda: AdamW(0.01)])
def test_groups_of_the_same_settings_change_nothing(make: Any) -> None:
    given = make()
    groups = {"out": {"rate": given.rate, "decay": given.decay}, "fc": {"rate": given.rate}}
    a, b = trained(optimiser=make()).fit(), trained(optimiser=make(), groups=groups).fit()
    for name, w in a.weights().items():
        np.testing.assert_array_equal(b.weights()[name].matrix(), w.matrix())


def test_groups_go_on_with_a_resumed_run(tmp_path: Path) -> None:
    more: dict[str, Any] = {"groups": {"out": {"rate": 1e-4}}, "clip_norm": 0.1, "accumulate": 2, "batch": 5}

    def halved(t: Trainer) -> None:
        t.optimiser.rate *= 0.5  # a group's rate goes along

    whole = trained(callbacks=[halved], **more).fit()
    part = trained(callbacks=[halved], to=tmp_path / "a.sqlite", **more).fit(3)
    part.record.close("broken off")
    again = trained(callbacks=[halved], to=tmp_path / "a.sqlite", resume=True, **more).fit()
    for key, value in state_of(whole).items():
        np.testing.assert_array_equal(state_of(again)[key], value, err_msg=key)
    for name, other in {"groups": {"out": {"rate": 2e-4}}, "clip_norm": 0.2, "accumulate": 1}.items():
        with pytest.raises(StudyError, match=name):
            trained(to=tmp_path / "a.sqlite", resume=True, **(more | {name: other}))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"otu": {"rate": 1e-3}}, "no layer 'otu' .did you mean 'out'"), ({"out": {"momentum": 0.5}}, "rate and decay"),
        ({"out": {"rate": -0.1}}, r"groups\['out'\]: rate"), ([("out", 1e-3)], "groups must be a table"),
        ({"out": 1e-3}, "must be a table"), ({"lif1": {"rate": 1.0}}, "no layer 'lif1'"),
    ],
)  # fmt: skip
def test_doors_of_groups(groups: Any, message: str) -> None:
    with pytest.raises((ParameterError, StudyError), match=message):
        trained(groups=groups)


# ---------------------------------------------------------------------- schedules


def test_schedules_count_epochs_or_steps() -> None:
    seen: dict[str, list[float]] = {"epoch": [], "step": []}

    def look(word: str) -> Any:
        def factor(passed: float) -> float:
            seen[word].append(passed)
            return 1.0

        return factor

    trained(schedule=per_epoch(look("epoch")), epochs=2).fit()
    trained(schedule=per_step(look("step")), epochs=2).fit()
    assert seen["epoch"][1:] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]  # the first is the look at the door
    assert seen["step"][1:] == list(range(8))


def test_their_factors() -> None:
    at = milestones([2, 4], 0.5)
    assert [at(e) for e in (0, 1.99, 2, 3.9, 4, 9)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert [stairs(3, 0.1, "step")(k) for k in (0, 2, 3, 6)] == pytest.approx([1, 1, 0.1, 0.01])
    rise = warm_up(2, 0.1, until=6)
    assert [rise(e) for e in (0, 1, 2, 4, 6, 8)] == pytest.approx([0, 0.5, 1, 0.55, 0.1, 0.1])
    t = trained(schedule=milestones([1, 2], 0.1), epochs=3).fit()
    assert [e.rate_factor for e in t.history] == pytest.approx([1, 0.1, 0.01])
    t.extend(1)  # beyond the plan they go on
    assert t.history[-1].rate_factor == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: milestones([]), "at must be moments"), (lambda: milestones([3, 2]), "ascend"),
        (lambda: milestones("3"), "at must be a list"), (lambda: milestones([1], per="batch"), "per must be"),
        (lambda: stairs(0), "every"), (lambda: warm_up(0), "length"), (lambda: warm_up(1, 0.5), "until must say"),
        (lambda: warm_up(5, 0.5, until=3), "more than length"), (lambda: per_epoch(3), "function must be"),
        (lambda: per_step(lambda: 1), "function"),
    ],
)  # fmt: skip
def test_doors_of_schedules(call: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


# ---------------------------------------------------------------------- callbacks


class Watcher(Callback):
    """Counts, notes, and stops at an epoch."""

    def __init__(self, last: int = 99):
        self.last, self.batches, self.epochs = last, 0, 0

    def batch_end(self, view: View) -> None:
        self.batches += 1
        assert view.epoch == self.epochs and view.step == self.batches and view.loss > 0

    def epoch_end(self, view: View) -> None:
        self.epochs += 1
        view.note(f"epoch {view.epoch}: {view.series['train_loss']:.4f}")
        assert len(view.history) == view.epoch and view.weights("fc").shape == (6, 12)
        if self.epochs == self.last:
            view.stop("that will do")


def test_a_callback_gets_a_view(tmp_path: Path) -> None:
    seen = Watcher(last=3)
    run = trained(callbacks=[seen], to=tmp_path / "a.sqlite").fit().close()
    assert seen.batches == 12 and run.training.n_epoch == 3
    assert run.training.notes[0] == (1, 4, f"epoch 1: {run.series('train_loss')[0]:.4f}")
    assert run.file.item("stopped") == {"epoch": 3, "why": "that will do"}
    assert "a callback ended it after epoch 3: that will do" in run.info()
    assert run.file.item("callbacks") == ["tests.learn.test_steps:Watcher"] and "cannot be rerun" not in run.info()
    free = trained(to=tmp_path / "b.sqlite", epochs=3).fit().close()
    assert np.array_equal(free.series("train_loss"), run.series("train_loss"))  # it only looked


def test_a_callback_without_a_name_is_told(tmp_path: Path) -> None:
    run = trained(callbacks=[lambda t: None], to=tmp_path / "a.sqlite", epochs=1).fit().close()
    assert "cannot be rerun: the callback" in run.info() and "<lambda>" in run.info()


def test_a_resumed_callback_goes_on(tmp_path: Path) -> None:
    whole = trained(callbacks=[Watcher()], to=tmp_path / "a.sqlite").fit().close()
    part = trained(callbacks=[Watcher()], to=tmp_path / "b.sqlite", checkpoint=2).fit(3)
    part.record.close("broken off")
    seen = Watcher()
    again = trained(callbacks=[seen], to=tmp_path / "b.sqlite", checkpoint=2, resume=True)
    assert seen.epochs == again.epoch
    assert again.fit().close().training.notes == whole.training.notes


def test_doors_of_callbacks() -> None:
    class Meddles(Callback):
        def epoch_end(self, view: View) -> None:
            view.epoch = 3  # type: ignore[misc]

    with pytest.raises(ParameterError, match="a view is read only"):
        trained(callbacks=[Meddles()], epochs=1).fit()
    for given in ([Watcher], [3], Watcher()):
        with pytest.raises(ParameterError, match="callbacks must be a list"):
            trained(callbacks=given)

    class Says(Callback):
        def epoch_end(self, view: View) -> None:
            view.note(5)  # type: ignore[arg-type]

    with pytest.raises(ParameterError, match="text must be a text"):
        trained(callbacks=[Says()], epochs=1).fit()


def test_a_line_an_epoch_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    trained(epochs=1).fit()  # kernels that are compiled first say so, in a line of their own
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    t = trained(progress=True, epochs=3).fit()
    lines = said.getvalue().splitlines()
    assert len(lines) == 3 and "\r" not in said.getvalue()
    assert "epoch 2 of 3, loss " in lines[1] and f"{100 * t.history[1].test_accuracy:.2f} % right" in lines[1]


# ---------------------------------------------------------------------- the best, and further


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    def fake(t: Trainer) -> None:
        t.history[-1].series["validation_accuracy"] = [0.1, 0.9, 0.3, 0.9, 0.5, 0.2][len(t.history) - 1]

    d = patterns(60, 20).split(20, seed=1)
    states, matrices = {}, {}

    def look(t: Trainer) -> None:
        matrices[t.epoch] = {name: w.matrix() for name, w in t.weights().items()}
        states[t.epoch] = {k: a.copy() for k, a in state_of(t).items()}

    t = trained(data=d, callbacks=[fake, look], to=tmp_path / "a.sqlite").fit()
    run = t.close()
    assert run.file.item("best") == {"epoch": 2, "step": 8, "by": "validation_accuracy", "value": 0.9}
    kept = dict(run.file.checkpoints())
    assert sorted(kept) == [8, 20, 24]
    for key, value in unpack(kept[8]).items():
        np.testing.assert_array_equal(value, states[2][key], err_msg=key)
    model = run.model("best")
    for name, w in model.weights_of().items():
        assert np.array_equal(w.matrix(), matrices[2][name]), name
    plain = trained(to=tmp_path / "b.sqlite").fit().close()
    assert [tick for tick, _ in plain.file.checkpoints()] == [20, 24] and plain.file.item("best", None) is None
    asked = trained(to=tmp_path / "c.sqlite", keep_best=True, checkpoint=0).fit().close()
    assert asked.file.item("best")["by"] == "test_accuracy" and asked.file.checkpoints()


@pytest.mark.parametrize("closed", [True, False])
def test_a_finished_training_goes_on(closed: bool, tmp_path: Path) -> None:
    whole = trained(methods=[methods.SET(0.5)], to=tmp_path / "whole.sqlite").fit()
    whole.fit(3)
    t = trained(methods=[methods.SET(0.5)], to=tmp_path / "a.sqlite").fit()
    if closed:
        assert t.close().training.n_epoch == 6
    run = t.extend(epochs=3).close()
    for key, value in state_of(whole).items():
        np.testing.assert_array_equal(state_of(t)[key], value, err_msg=key)
    assert run.training.n_epoch == 9 and run.file.item("finished") is True
    assert np.array_equal(run.series("test_loss"), whole.close().series("test_loss"))


def test_going_on_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    t = trained(to=tmp_path / "a.sqlite", checkpoint=0, epochs=1).fit()
    t.close()
    with pytest.raises(RunFileError, match="no checkpoint"):
        t.extend(1)
    for wrong in (0, -1, 1.5, None):
        with pytest.raises(ParameterError, match="epochs"):
            t.extend(wrong)  # type: ignore[arg-type]


def test_patience_counts_anew_when_it_goes_on() -> None:
    def same(t: Trainer) -> None:
        t.history[-1].series["test_accuracy"] = 0.5

    t = trained(patience=2, callbacks=[same], epochs=9).fit()
    assert len(t.history) == 3
    assert len(t.extend(9).history) == 6
