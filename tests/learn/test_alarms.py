"""What no loss shows: weights that are given stay, silence and NaN are named, progress in a file is lines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods
from neurodev.errors import ParameterError
from neurodev.learn.core.surrogate import Surrogate
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.layers.pool import Flatten
from neurodev.learn.model import Sequential
from neurodev.learn.training.loss import rate_mse
from neurodev.learn.training.optim import SGD, Adam
from neurodev.learn.training.trainer import Trainer
from neurodev.runs.run import Run
from tests.learn.small import WIDE, net, patterns, trained

# ---------------------------------------------------------------- calibration


NARROW = Surrogate("rectangle", 0.05)


def quiet(storage: str = "dense", **more: Any) -> Sequential:
    """Neurons that hardly fire."""
    return Sequential(
        Linear(12, name="fc", gain=0.1, storage=storage), LIF(0.2, 0.5, surrogate=WIDE),
        Linear(3, name="out", gain=0.1), LIF(0.2, 0.5, surrogate=NARROW), inputs=(6,), **more,
    )  # fmt: skip


def filters() -> Sequential:
    return Sequential(
        Conv2d(4, 3, gain=0.1, name="fc"), LIF(0.2, 0.5, surrogate=WIDE), Flatten(), Linear(3, name="out", gain=0.02),
        LIF(0.2, 0.5, surrogate=NARROW), inputs=(2, 3, 1),
    )  # fmt: skip


def set_by_hand(model: Sequential) -> None:
    for w in model.weights_of().values():
        w.table.weight[w.table.slots()] *= w.table.weight.dtype.type(0.9)


def weights(model: Sequential) -> list[np.ndarray]:
    return [w.table.weight.copy() for w in model.weights_of().values()]


@pytest.mark.parametrize("make", [quiet, filters, lambda: quiet("sparse"), lambda: quiet(kind=np.float64)])
def test_weights_that_were_given_are_left(make: Callable[[], Sequential], capsys: pytest.CaptureFixture[str]) -> None:
    data = patterns(shape=make().inputs)
    drawn = make()
    before = weights(drawn)
    t = Trainer(drawn, data, epochs=1)
    said = capsys.readouterr().err
    assert set(t.gains) == {"fc", "out"} and said.count("calibrate=False") == 2 and "'fc' times" in said
    assert all(np.abs(a).sum() < np.abs(b).sum() for a, b in zip(before, weights(drawn), strict=True))
    # as they were left by the user, by a trainer, or where he says so
    given = make()
    set_by_hand(given)
    for model, how in ((given, {}), (drawn, {}), (make(), {"calibrate": False})):
        before = weights(model)
        assert Trainer(model, data, epochs=1, **how).gains == {}
        assert all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))
    assert not capsys.readouterr().err
    half = make()
    half.weights_of()["fc"].table.weight[:] *= half.weights_of()["fc"].table.weight.dtype.type(12)
    assert set(Trainer(half, data, epochs=1).gains) == {"out"}


def test_a_method_s_own_structure_is_no_gift() -> None:
    """Weights that a method thins out before the training are those that were drawn."""
    assert "fc" in trained(quiet(), methods=[methods.Static(0.5, dense_output=True)]).gains


# ---------------------------------------------------------------- silence


def dim(width: float, **more: Any) -> Sequential:
    """Outputs that do not reach their threshold at first."""
    return Sequential(
        Linear(12), LIF(0.2, 0.5, surrogate=WIDE), Linear(3, gain=0.02),
        LIF(0.2, 1.0, surrogate=Surrogate("rectangle", width)), inputs=(6,), **more,
    )  # fmt: skip


def test_outputs_that_can_learn_to_fire_are_waited_for() -> None:
    t = trained(dim(2.0), optimiser=Adam(0.02), epochs=25, batch=40, calibrate=False)
    with pytest.warns(UserWarning, match="layer 'lif2' did not fire a single time in epoch 1"):
        t.fit()
    assert t.history[0].series["rate/lif2"] == 0 and t.history[-1].series["rate/lif2"] > 0
    assert t.history[-1].test_accuracy > 0.6


def test_outputs_out_of_reach_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"cannot learn to fire: \['lif2'\]"):
        trained(dim(0.05), epochs=3, batch=40, calibrate=False).fit()


def silenced(kind: str) -> Sequential:
    s = Surrogate(kind)
    neurons = lambda: LIF(0.2, 0.5, surrogate=s)
    return Sequential(Linear(12, name="fc"), neurons(), Linear(3), neurons(), inputs=(6,))


@pytest.mark.parametrize("kind", ["arctan", "rectangle", "fast_sigmoid", "triangle"])
def test_a_layer_that_falls_silent_is_named_each_time(kind: str) -> None:
    """Once when it dies, once more when it dies again."""

    def switch(t: Trainer) -> None:
        w = t.weights()["fc"].table.weight
        w[:] = {1: 0, 3: 2.0, 4: 0}.get(t.epoch, w)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        trained(silenced(kind), optimiser=SGD(1e-9), callbacks=[switch]).fit()
    told = [str(w.message) for w in said if "'lif1' did not fire" in str(w.message)]
    assert [m.split("in epoch ")[1][0] for m in told] == ["2", "5"]


# ---------------------------------------------------------------- NaN


def bad_loss(y: Any, labels: Any, total: int) -> Any:
    value, gradient, scores = rate_mse(y, labels, total)
    gradient.value[0, 0] = np.nan
    return value, gradient, scores


def poison(where: str) -> Callable[[Trainer], None]:
    def callback(t: Trainer) -> None:
        if t.epoch != 1:
            return
        layers = {layer.name: layer for layer in t.model.layers()}
        if where == "weight of 'fc'":
            t.weights()["fc"].table.weight[3] = np.nan
        elif where == "bias of 'fc'":
            layers["fc"].parameters["bias"].value[0] = np.inf
        else:
            layers["batchnorm1"].buffers()["variance"][0] = np.inf

    return callback


@pytest.mark.parametrize("where", ["weight of 'fc'", "bias of 'fc'", "variance of 'batchnorm1'"])
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_number_is_named(where: str) -> None:
    norm = [BatchNorm()] if "norm" in where else []
    model = Sequential(
        Linear(12, name="fc", bias="bias" in where), *norm, LIF(0.2, 0.5), Linear(3), LIF(0.2, 0.5), inputs=(6,)
    )
    with pytest.raises(ParameterError, match=f"{where} became NaN or infinite in epoch 2"):
        trained(model, callbacks=[poison(where)]).fit()


@pytest.mark.parametrize("method", [[], [methods.NSPDI()], [methods.SDSNN()]])
def test_a_gradient_that_is_no_number_ends_the_first_epoch(method: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with pytest.raises(ParameterError, match="became NaN or infinite in epoch 1"):
        trained(loss=bad_loss, methods=method, to=path).fit()
    run = Run(path)
    assert run.training.n_epoch == 0 and "stopped: weight of" in str(run.file.item("finished"))


# ---------------------------------------------------------------- progress and signals


def test_progress_in_a_file_is_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained(epochs=2, progress=True).fit()
    said = capsys.readouterr().err
    assert "\r" not in said and "epoch 2 of 2" in said.splitlines()[-1]
    trained(epochs=1).fit()
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", None)
    trained(epochs=1, progress=True).fit()


SCRIPT = """
import os, signal
from tests.learn.small import net, trained
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell ignores it
def ask(t):
    if t.epoch == 2:
        os.kill(os.getpid(), signal.{name})
trained(net(), to={to!r}, epochs=50, callbacks=[ask]).fit()
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 1), ("SIGTERM", 143)])
def test_signals_leave_a_sealed_run(name: str, status: int, tmp_path: Path) -> None:
    to = tmp_path / "run.sqlite"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(name=name, to=str(to))], capture_output=True, text=True,
        cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode in (status, -getattr(signal, name)), done.stderr
    run = Run(to)
    assert run.file.sealed and run.file.item("finished") == "interrupted" and run.training.n_epoch == 2
    assert trained(net(), to=to, epochs=50, resume=True).epoch == 2


def test_saturated_layers_are_named_when_they_begin() -> None:
    """A layer that begins to fire at every step in the third epoch is told then, and in the run's own list."""

    def flood(t: Trainer) -> None:
        if t.epoch in (2, 4):
            t.tensor("fc").value[...] = 5.0 if t.epoch == 2 else 0.2

    t = trained(callbacks=[flood], optimiser=SGD(1e-9), epochs=6)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        t.fit()
    said = [str(w.message) for w in told if "'lif1' fired at" in str(w.message)]
    assert len(said) == 1 and "of all steps in epoch 3" in said[0] and "lower the gain" in said[0]
    health = t.close().training.health()
    assert [line for line in health if line.startswith("lif1 is saturated in epoch 3 to 4: lower the gain")]
