"""All pairs of methods: they train together, or are refused by name before anything is written."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from neurodev import methods, registry
from neurodev.errors import StudyError
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.combined import why_not
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.method import Method
from neurodev.learn.training.trainer import Trainer
from tests.learn.test_trainer import little_data

WORDS: dict[str, dict[str, Any]] = {
    "NDSNN": {"sparsity": 0.6, "every": 3}, "RigL": {"sparsity": 0.5, "every": 3}, "CHSNN": {"sparsity": 0.5},
    "TracedNDSNN": {"sparsity": 0.6, "every": 3}, "TrophicNDSNN": {"sparsity": 0.6, "every": 3},
    "LTH": {"sparsity": 0.5, "share": 0.3}, "Static": {"sparsity": 0.4}, "SET": {"sparsity": 0.4},
}  # fmt: skip
NAMES = sorted(registry.ours("method"))
# the two of ours that get on as they are by default, in either order: a start, and what prunes from there
GET_ON = {frozenset(("Static", "LTH"))}


def made(name: str) -> Method:
    method: Method = registry.ours("method")[name](**WORDS.get(name, {}))
    return method


def together(*both: Method, **more: Any) -> Trainer:
    net = Sequential(
        Linear(12, name="a"), LIF(0.2, 0.5), Linear(9, name="b"), LIF(0.2, 0.5), Linear(3, name="out"), LIF(0.2, 0.5),
        inputs=(16,), seed=2,
    )  # fmt: skip
    return Trainer(net, little_data(), methods=list(both), encoder=Bernoulli(4), epochs=3, batch=16, **more)


@pytest.mark.parametrize(("one", "two"), itertools.product(NAMES, NAMES))
def test_every_pair_is_refused_at_the_door_or_gets_on(one: str, two: str, tmp_path: Path) -> None:
    a, b = made(one), made(two)
    reason = why_not(a, b)
    assert (reason is None) == (frozenset((one, two)) in GET_ON)
    if reason is None:
        t = together(a, b).fit()
        assert t.history[-1].density < 1
        t.close()
        return
    assert one in reason and two in reason and ("take one" in reason or "strict=True" in reason or "layers=" in reason)
    with pytest.raises(StudyError) as told:
        together(a, b, to=tmp_path / "never.sqlite")
    assert str(told.value) == reason and not list(tmp_path.iterdir())


PAIRS = {
    "a random start, pruned by use": lambda: [methods.Static(0.4), methods.DPAP(strict=True)],
    "each its own tensors": lambda: [methods.SDSNN(layers=("a",), scale=0.02), methods.DPAP(layers=("b",))],
    "the same, each its own tensors": lambda: [methods.DPAP(layers=("a",)), methods.DPAP(layers=("b",))],
    "topology below, use above": lambda: [methods.CHSNN(0.2, layers=("a",)), methods.DPAP(layers=("b",), strict=True)],
    "time steps alone": lambda: [
        methods.NDSNN(0.6, every=3), methods.DPAP(strict=True, units=False, synapses=False, temporal=True)
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", PAIRS)
def test_pairs_that_get_on_when_they_are_told_how(what: str) -> None:
    for order in (1, -1):
        t = together(*PAIRS[what]()[::order]).fit()
        assert t.history[-1].density <= 1 and len(t.history) == 3
        t.close()


class Own(Method):
    """Somebody's method that decides on something of its own."""

    decides = ("weather",)


class Other(Own):
    """Another."""


class Plain(Method):
    """Decides nothing."""


class Mumbling(Method):
    decides = "life"  # type: ignore[assignment]


def test_what_they_decide_is_no_parameter() -> None:
    assert not any(f.name == "decides" for n in NAMES for f in fields(registry.ours("method")[n]))  # type: ignore[arg-type]
    assert methods.LTH(0.3).sparsity == 0.3 and methods.NSPDI(0.2).displacement == 0.2


def test_methods_of_ones_own() -> None:
    assert why_not(Own(), Plain()) is None and why_not(Plain(), made("NDSNN")) is None
    with pytest.raises(
        StudyError, match="Own and Other exclude each other: both decide on the weather; take one of them"
    ):
        together(Own(), Other())
    with pytest.raises(StudyError, match="Mumbling.decides must be a tuple of words"):
        together(Mumbling())
