"""The model of a run of training: from its checkpoint, its pictures or its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import NeurodevError, ParameterError, RunFileError
from neurodev.learn import LIF, PLIF, BatchNorm, Bernoulli, Linear, Sequential
from neurodev.learn.training import recording
from tests.learn.small import WIDE, patterns, trained


def full() -> Sequential:
    """With everything that is no weight: biases, running statistics, learned leaks."""
    return Sequential(
        Linear(12, bias=True, name="fc"), BatchNorm(), PLIF(2.0, 0.5, surrogate=WIDE), Linear(3, name="out"),
        LIF(0.2, 0.5, surrogate=WIDE), inputs=(6,), seed=1,
    )  # fmt: skip


def followed(tmp_path: Path, **more: Any) -> tuple[Any, list[Any]]:
    """A training, and the scores of its model after every epoch."""
    scores: list[Any] = []
    given = {
        "epochs": 5,
        "to": tmp_path / "t.sqlite",
        "callbacks": [lambda t: scores.append(t.model.scores(patterns()))],
    }
    t = trained(**({"model": full()} | given | more))
    scores.insert(0, t.model.scores(patterns()))
    t.fit()
    return t, scores


@pytest.mark.parametrize("checkpoint", [0, 1])
@pytest.mark.parametrize("method", [None, nd.methods.SET(0.5), nd.methods.NSPDI(), nd.methods.NDSNN(0.7, every=4)])
def test_every_epoch_has_its_model(checkpoint: int, method: Any, tmp_path: Path) -> None:
    model = full() if not isinstance(method, nd.methods.NSPDI) else None
    methods = [] if method is None else [method]
    t, scores = followed(tmp_path, checkpoint=checkpoint, methods=methods, **({} if model else {"model": full()}))
    run = t.close()
    for epoch, want in enumerate(scores):
        found = run.model(epoch)
        np.testing.assert_array_equal(found.scores(patterns()), want)
        for name, w in found.weights_of().items():
            assert w.table.n_synapse == (run.series(f"n_synapse/{name}")[epoch - 1] if epoch else w.table.n_synapse)
    np.testing.assert_array_equal(run.model().scores(patterns()), scores[-1])
    best = 1 + int(np.argmax(run.series("test_accuracy")))
    np.testing.assert_array_equal(run.model("best").scores(patterns()), scores[best])
    told = np.bincount(patterns().y_test * 3 + run.model().predict(patterns()), minlength=9).reshape(3, 3)
    np.testing.assert_array_equal(run.training.confusion, told)
    assert repr(run.model().trained.encoder) == repr(t.encoder)


@pytest.mark.parametrize("checkpoint", [0, 1])
def test_constants_that_a_callback_changes_are_kept(checkpoint: int, tmp_path: Path) -> None:
    def sink(t: Any) -> None:
        t.model.parts()[-1].threshold *= 0.8

    scores: list[Any] = []
    look = lambda t: scores.append(t.model.scores(patterns()))
    t, _ = followed(tmp_path, checkpoint=checkpoint, epochs=3, callbacks=[sink, look])
    run = t.close()
    for epoch, want in enumerate(scores, 1):
        found = run.model(epoch)
        assert np.isclose(found.parts()[-1].threshold, 0.5 * 0.8**epoch)
        np.testing.assert_array_equal(found.scores(patterns()), want)


@pytest.mark.parametrize("checkpoint", [0, 1])
def test_steps_that_a_method_hides_are_known(checkpoint: int, tmp_path: Path) -> None:
    class Fewer(nd.learn.Method):
        done = 1

        def living_steps(self) -> Any:
            return np.arange(4) < 4 - self.done

        def epoch_end(self, trainer: Any) -> None:
            self.done = min(trainer.epoch + 1, 3)

    t, scores = followed(tmp_path, checkpoint=checkpoint, epochs=3, methods=[Fewer()])
    run = t.close()
    for epoch in range(4):
        np.testing.assert_array_equal(run.model(epoch).scores(patterns()), scores[epoch])


def test_a_running_training_is_read_beside(tmp_path: Path) -> None:
    t, scores = followed(tmp_path, epochs=2)
    run = nd.Run(t.record.path)
    np.testing.assert_array_equal(run.model().scores(patterns()), scores[-1])
    t.close()


def test_an_epoch_that_was_not_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PICTURE_SYNAPSES", 0)
    monkeypatch.setattr(recording.TrainingRecord, "_picture_due", lambda self: self.trainer.epoch == 2)
    t, scores = followed(tmp_path, checkpoint=3)
    run = t.close()
    for epoch in (0, 2, 3):
        np.testing.assert_array_equal(run.model(epoch).scores(patterns()), scores[epoch])
    with pytest.raises(ParameterError, match=r"epoch 4 was neither.*\[0, 2, 3\]"):
        run.model(4)
    for wrong, said in ((6, r"\[0, 5\]"), ("last", "'best' or None"), (-1, "epoch"), (1.5, "epoch")):
        with pytest.raises(ParameterError, match=said):
            run.model(wrong)


def test_what_has_no_model(tmp_path: Path) -> None:
    net = nd.Network(seed=1)
    net.connect(net.add(nd.Poisson(5.0), 3), net.add(nd.LIF(), 2), nd.AllToAll(), weight=1.0)
    with pytest.raises(ParameterError, match="not of training"):
        nd.simulate(net, 10.0, progress=False).model()

    class Mine(Bernoulli):
        pass

    t = trained(encoder=Mine(4), epochs=1, to=tmp_path / "e.sqlite").fit()
    assert t.close().model().trained.encoder is None
    own = Sequential(Linear(3), LIF(surrogate=lambda x: np.exp(-(x**2))), inputs=(6,))
    t = trained(own, epochs=1, to=tmp_path / "a.sqlite", calibrate=False).fit()
    with pytest.raises(ParameterError, match="has no name that a file could tell"):
        t.close().model()
    t = trained(epochs=1, to=tmp_path / "b.sqlite")
    t.record.file.drop_item("model")
    t.fit()
    with pytest.raises(RunFileError, match="older neurodev"):
        t.close().model()


def test_damaged_words_are_an_error_of_ours(tmp_path: Path) -> None:
    t = trained(epochs=1, to=tmp_path / "a.sqlite")
    for words in ({"version": 1}, {"version": 7}, {}):
        t.record.file.set_item("model", words)
        t.record.file.commit()
        with pytest.raises(NeurodevError):
            nd.Run(t.record.path).model(0)
    t.close()
