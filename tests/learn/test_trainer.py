"""The trainer as its user sees it: run file, resume, early stop, doors."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError, RunFileError, StudyError
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm, settle
from neurodev.learn.model import Sequential
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.optim import SGD, Adam
from neurodev.learn.training.trainer import Trainer
from neurodev.record.runfile import RunFile
from neurodev.runs.run import Run


def little_data(n: int = 120, n_in: int = 16) -> Dataset:
    """Three classes of patterns with noise."""
    draw = np.random.default_rng(3)
    patterns = draw.random((3, n_in))
    y = np.arange(n) % 3
    x = np.clip(patterns[y] + draw.normal(0, 0.15, (n, n_in)), 0, 1).astype(np.float32)
    return Dataset(x[:90], y[:90], x[90:], y[90:], "patterns", ("a", "b", "c"))


def little_model(storage: str = "dense") -> Sequential:
    return Sequential(
        Linear(24, name="hidden", storage=storage), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5),
        inputs=(16,), seed=2,
    )  # fmt: skip


def trainer(to: Path | None = None, method: list[Any] | None = None, **more: Any) -> Trainer:
    given: dict[str, Any] = {
        "encoder": Bernoulli(8), "epochs": 6, "batch": 16, "seed": 4, "optimiser": Adam(0.01), "methods": method or [],
    }  # fmt: skip
    return Trainer(little_model(), little_data(), to=to, **(given | more))


METHODS = {
    "dense": lambda: [],
    "ndsnn": lambda: [methods.NDSNN(sparsity=0.8, every=4)],
    "set": lambda: [methods.SET(sparsity=0.5)],
    "lth": lambda: [methods.LTH(sparsity=1 - 0.75**2)],
    "dpap": lambda: [methods.DPAP(temporal=True)],
    "sdsnn": lambda: [methods.SDSNN(scale=0.05)],
    "nspdi": lambda: [methods.NSPDI(displacement=0.3)],
}


@pytest.mark.parametrize("name", METHODS)
def test_resume_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Broken off after three epochs (with rewirings behind it) and resumed: states and files agree to the last bit."""
    whole = trainer(tmp_path / "whole.sqlite", METHODS[name]())
    whole.fit()
    expected = state_of(whole)
    whole.close()
    part = trainer(tmp_path / "part.sqlite", METHODS[name]())
    part.fit(3)
    part.record.close("broken off")
    again = trainer(tmp_path / "part.sqlite", METHODS[name](), resume=True)
    assert again.epoch == 3 and len(again.history) == 3
    again.fit()
    found = state_of(again)
    again.close()
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    a, b = RunFile.open(tmp_path / "whole.sqlite"), RunFile.open(tmp_path / "part.sqlite")
    assert a.names() == b.names()
    for array in a.names():
        if "seconds" not in array:
            np.testing.assert_array_equal(a.read(array), b.read(array), err_msg=array)
    for projection in a.logged():
        for x, y in zip(a.log(projection), b.log(projection), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", METHODS)
def test_the_log_replays_to_the_final_structure(name: str, tmp_path: Path) -> None:
    t = trainer(tmp_path / "run.sqlite", METHODS[name]())
    t.fit()
    run = t.close()
    for tensor, w in t.weights().items():
        g = run.graph(t.life, tensor)
        slots = w.table.slots()
        assert set(g.columns["uid"].tolist()) == set(w.table.uid[slots].tolist())
        assert g.nnz == w.table.n_synapse


def test_one_thread_or_two_give_the_same_bytes() -> None:
    states = []
    for threads in (1, 2):
        t = trainer(None, [methods.NDSNN(sparsity=0.8, every=4)], threads=threads)
        t.fit(2)
        states.append(state_of(t))
        t.close()
    for key, value in states[0].items():
        np.testing.assert_array_equal(states[1][key], value, err_msg=key)


def test_it_learns_and_says_what_it_cost() -> None:
    t = trainer(epochs=12)
    t.fit()
    run = t.close()
    assert t.history[-1].test_accuracy > 0.9
    last = t.history[-1].series
    assert last["operations"] == last["dense_operations"] > 0 and last["seconds"] > 0
    assert isinstance(run, Run)


def test_patience_and_callbacks_end_a_run() -> None:
    seen: list[int] = []

    def note(t: Trainer) -> bool:
        seen.append(t.epoch)
        return t.epoch == 2

    t = trainer(callbacks=[note])
    t.fit()
    t.close()
    assert seen == [1, 2] and t.epoch == 2
    still = trainer(optimiser=SGD(1e-12), patience=2)
    still.fit()
    still.close()
    assert still.epoch == 3


def test_resume_refuses_what_it_cannot_continue(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    t = trainer(path)
    t.fit(1)
    t.record.close("broken off")
    with pytest.raises(StudyError, match="batch is 8, the file has 16"):
        trainer(path, batch=8, resume=True)
    with pytest.raises(ParameterError, match="resume needs to="):
        trainer(None, resume=True)
    bare = trainer(tmp_path / "bare.sqlite", checkpoint=0)
    bare.fit(1)
    bare.record.close("broken off")
    with pytest.raises(RunFileError, match="no checkpoint to resume from"):
        trainer(tmp_path / "bare.sqlite", checkpoint=0, resume=True)


def test_doors() -> None:
    good = little_data()
    for change, message in (
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch": 2.5}, "batch must be a whole number"),
        ({"threads": 3}, "threads must be 1 or 2"),
        ({"patience": 0}, "patience must be a whole number of at least 1"),
        ({"loss": "rate_mes"}, "rate_mse"),
    ):
        with pytest.raises(ParameterError, match=message):
            trainer(**change)
    with pytest.raises(ParameterError, match="must be built"):
        Trainer(Sequential(Linear(3)), good)
    with pytest.raises(ParameterError, match=r"takes inputs=\(8,\)"):
        Trainer(Sequential(Linear(3), LIF(), inputs=(8,)), good)
    with pytest.raises(ParameterError, match="5 outputs, but patterns has 3 classes"):
        Trainer(Sequential(Linear(5), LIF(), inputs=(16,)), good)
    x = good.x_train.copy()
    x[4, 2] = np.nan
    with pytest.raises(ParameterError, match="NaN or infinity, first in sample 4"):
        dataclasses.replace(good, x_train=x)
    with pytest.raises(ParameterError, match="label 7 of sample 0"):
        dataclasses.replace(good, y_train=good.y_train + 7)


class _Greedy(methods.Static):
    dead = "hidden"


def test_a_method_that_needs_another_storage_is_refused() -> None:
    with pytest.raises(StudyError, match="needs storage='hidden'"):
        trainer(None, [_Greedy()])


def test_batch_norm_is_settled_before_the_test() -> None:
    """Under a method that lets absent synapses act until the epoch ends, a trainer warns, or settles its norms."""
    pruned: dict[str, Any] = {"methods": [methods.SDSNN(percent=80.0)], "epochs": 8, "encoder": Bernoulli(8)}
    found = {}
    for n in (0, 5):
        model = Sequential(Linear(24), BatchNorm(), LIF(0.5, 0.5), Linear(3), LIF(0.5, 0.5), inputs=(16,), seed=2)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            t = Trainer(model, little_data(), settle=n, **pruned)
        assert any("settle=20" in str(w.message) for w in told) == (n == 0)
        t.fit()
        norm = next(layer for layer in model.layers() if isinstance(layer, BatchNorm))
        before = norm.mean.copy()
        settle(model, [t._input(np.arange(len(t.data.y_train)))])
        found[n] = np.abs(norm.mean - before).mean()
        t.close()
    assert found[5] < found[0]
    with pytest.raises(ParameterError, match="settle must be a whole number"):
        trainer(settle=-1)


def test_a_silent_network_is_named() -> None:
    data = little_data()
    dark = dataclasses.replace(data, x_train=np.zeros_like(data.x_train))
    with pytest.raises(ParameterError, match="silent whatever its weights"):
        Trainer(little_model(), dark, encoder=Bernoulli(8))


def test_a_layer_that_lost_its_gradient_is_reported() -> None:
    """Potentials far above threshold, and a narrow window: hardly any gradient passes, and the trainer says so."""
    from neurodev.learn.core.surrogate import Surrogate

    narrow = LIF(0.5, 0.5, surrogate=Surrogate("rectangle", 1e-5))
    model = Sequential(Linear(24, name="hidden"), narrow, Linear(3), LIF(0.5, 0.5), inputs=(16,), seed=2)
    t = Trainer(model, little_data(), encoder=Bernoulli(8), epochs=3, batch=16)
    with pytest.warns(UserWarning, match="of the potentials of 'lif1' were within the window"):
        t.fit(1)
    assert t.history[0].series["near/lif1"] < 1e-3
    t.close()
