"""Recurrent nets under every method: both tensors of the layer take part, resumed and threaded to the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev import methods, registry
from neurodev.learn.layers.adaptive import AdaptiveLIF
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Recurrent, Sequential
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.method import Method
from neurodev.learn.training.trainer import Trainer
from neurodev.methods.tensors import above, chosen, tensors
from tests.learn.test_trainer import little_data

WORDS: dict[str, dict[str, Any]] = {
    "NDSNN": {"sparsity": 0.6, "every": 3}, "RigL": {"sparsity": 0.5, "every": 3}, "CHSNN": {"sparsity": 0.5},
    "TracedNDSNN": {"sparsity": 0.6, "every": 3}, "TrophicNDSNN": {"sparsity": 0.6, "every": 3},
    "LTH": {"sparsity": 0.5, "share": 0.3}, "Static": {"sparsity": 0.4}, "SET": {"sparsity": 0.4},
    "NSPDI": {"sparsity": 0.4}, "STDS": {"sparsity": 0.4}, "SDSNN": {"scale": 0.02, "percent": 40.0},
}  # fmt: skip


def net(cells: Any = None) -> Sequential:
    return Sequential(
        Recurrent(Linear(20, name="feed"), Linear(20, name="back"), cells or LIF(0.5, 0.5)), Linear(3, name="out"),
        LIF(0.5, 0.5), inputs=(16,), seed=2,
    )  # fmt: skip


def made(name: str) -> Method:
    method: Method = registry.ours("method")[name](**WORDS.get(name, {}))
    return method


def training(name: str, cells: Any = None, **more: Any) -> Trainer:
    return Trainer(net(cells), little_data(), methods=[made(name)], encoder=Bernoulli(6), epochs=6, batch=16, **more)


def assert_same(one: Trainer, two: Trainer) -> None:
    a, b = state_of(one), state_of(two)
    assert a.keys() == b.keys()
    for key, value in a.items():
        np.testing.assert_array_equal(b[key], value, err_msg=key)


@pytest.mark.parametrize("name", sorted(registry.ours("method")))
def test_every_method_prunes_a_recurrent_net(name: str, tmp_path: Path) -> None:
    """Both of its tensors lose synapses, and the file tells who; resumed, by two threads, to the same bytes."""
    whole = training(name, to=tmp_path / "whole.sqlite")
    whole.fit()
    assert all(whole.history[-1].series[f"density/{t}"] < 1 for t in ("feed", "back"))
    part = training(name, to=tmp_path / "part.sqlite")
    part.fit(3)
    part.record.close("broken off")
    again = training(name, to=tmp_path / "part.sqlite", resume=True, threads=2)
    again.fit()
    assert_same(whole, again)
    run = whole.close()
    assert run.verify() == sum(w.table.n_synapse for w in whole.weights().values())
    again.close()


@pytest.mark.parametrize("name", ["DPAP", "SDSNN", "CHSNN", "NSPDI"])
def test_adaptive_neurons_too(name: str) -> None:
    t = training(name, AdaptiveLIF(0.5, 0.5))
    t.fit()
    assert t.history[-1].density < 1
    t.close()


@pytest.mark.parametrize("kind", ["recurrent", "dendritic"])
def test_the_layer_above_is_one_of_other_neurons(kind: str) -> None:
    """Two tensors drive one layer: what competes for targets competes for those of the next layer."""
    first = (
        [Recurrent(Linear(9), Linear(9), LIF(0.5, 0.5))] if kind == "recurrent" else [Dendritic(Linear(9)), LIF(0.5)]
    )
    model = Sequential(*first, Linear(8), LIF(0.5, 0.5), Linear(3), LIF(0.5, 0.5), inputs=(16,), seed=2)
    t = Trainer(model, little_data(), methods=[methods.DPAP()], encoder=Bernoulli(3), epochs=2, batch=16)
    every = tensors(t)
    a, b, middle, out = (x.name for x in every)
    assert [above(x, every).name for x in every] == [middle, middle, out, out]
    assert [x.name for x in chosen(t, None, "m", first=False)] == [middle]
    t.close()


def test_the_only_hidden_layer_takes_part_with_both_of_its_tensors() -> None:
    t = training("DPAP")
    assert [x.name for x in chosen(t, None, "m", first=False)] == ["feed", "back"]
    t.close()
