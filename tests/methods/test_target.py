"""A target sparsity for methods that have none of their own: reached, gradually, and refused where it cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodev import methods
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.layers.dendritic import Dendritic
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.optim import cosine
from neurodev.learn.training.trainer import Trainer
from neurodev.methods import schedule
from neurodev.methods.tensors import share_of, tensors
from tests.learn.test_trainer import little_data
from tests.methods.test_methods import image_model, model, trainer


def gated() -> Sequential:
    return Sequential(
        Dendritic(Linear(24, name="hidden"), gate_gain=0.5), LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5),
        inputs=(16,), seed=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "net", "target"),
    [
        ("NSPDI", {}, gated, 0.3), ("NSPDI", {"gate": 2.0, "cut": 0.3, "ramp": "linear"}, gated, 0.6),
        ("NSPDI", {"learn_gain": True}, image_model, 0.6), ("STDS", {"ramp": "rate"}, model, 0.6),
    ],
)  # fmt: skip
def test_thresholds_are_placed_for_a_sparsity(name: str, words: dict[str, Any], target: float, net: Any) -> None:
    """From epoch 5 of 6 on (.8 of the run) exactly that share of all weights is 0; before it rises."""
    t = trainer(getattr(methods, name)(sparsity=target, **words), net(), schedule=cosine())
    t.fit()
    density = [e.density for e in t.history]
    size = sum(w.table.n_source * w.table.n_target for w in t.weights().values())
    assert density[-1] == pytest.approx(1 - target, abs=1.5 / size)
    assert all(b <= a + 1e-9 for a, b in zip(density, density[1:], strict=False)) and density[0] > density[-1]
    t.close()


def test_the_share_that_is_silent_follows_the_ramp() -> None:
    t = trainer(methods.STDS(sparsity=0.5), epochs=10)
    for k in range(10):
        t.fit(1)
        silent = 1 - t.history[-1].density
        assert silent == pytest.approx(schedule.sine(min((k + 1) / 8, 1.0), 0.5), abs=2 / 456)
    t.close()


def test_a_search_goes_on_after_a_break(tmp_path: Any) -> None:
    """Broken off and resumed: the same states, to the last bit, under all four controllers."""
    make = {
        "NSPDI": lambda: methods.NSPDI(sparsity=0.5), "DPAP": lambda: methods.DPAP(sparsity=0.5),
        "SDSNN": lambda: methods.SDSNN(sparsity=0.5, scale=0.02),
    }  # fmt: skip
    for name, method in make.items():
        whole = trainer(method())
        whole.fit()
        expected = state_of(whole)
        whole.close()
        to = tmp_path / f"{name}.sqlite"
        part = trainer(method(), to=to)
        part.fit(3)
        part.record.close("broken off")
        again = trainer(method(), to=to, resume=True)
        again.fit()
        found = state_of(again)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=f"{name}: {key}")
        again.close()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("target", [0.2, 0.6, 0.8])
def test_dpap_ends_at_a_sparsity(target: float, strict: bool) -> None:
    """As many as the decay asks for, epoch by epoch of the published run, in an unscaled run too."""
    method = methods.DPAP(sparsity=target, strict=strict)
    t = trainer(method)
    t.fit()
    assert t.history[-1].density == pytest.approx(1 - target, abs=0.005)
    assert all(b <= a for a, b in zip([e.density for e in t.history], [e.density for e in t.history][1:], strict=False))
    t.close()
    t = trainer(methods.DPAP(sparsity=target, strict=strict, scale=1.0), epochs=12)
    t.fit()
    size, mine = 16 * 24 + 24 * 3, 16 * 24
    for k, e in enumerate(t.history):
        gone = round(target * size / mine * min(max(k - 4, 0), 13) / schedule_sum() * mine)
        assert round((1 - e.density) * size) == gone
    t.close()


def schedule_sum() -> float:
    """The sum of exp(-floor(m / 13)) over the 295 epochs from the fifth on, written out."""
    return float(sum(np.exp(-(m // 13)) for m in range(295)))


def test_dpap_takes_those_of_the_lowest_survival() -> None:
    method = methods.DPAP(sparsity=0.4)
    t = trainer(method)
    method.memory["published"][0] = 300
    left = np.array([5.0, 1.0, 1.0, -3.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0])
    score = np.array([0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    share = share_of(t, 0.4, tensors(t)[:1], "DPAP")
    dies = method._doomed(t, "synapse", left, score, np.ones(10, dtype=bool))
    order = [3, 2, 1, 0, 9]  # survival, then score
    assert set(np.flatnonzero(dies)) == set(order[: round(share * 10)])
    t.close()


@pytest.mark.parametrize("target", [0.3, 0.5])
def test_sd_snn_ends_near_a_sparsity(target: float) -> None:
    """To the size of a unit, whatever regenerates."""
    method = methods.SDSNN(sparsity=target, scale=0.02, persistence=50)
    t = trainer(method, epochs=12)
    t.fit()
    size = 16 * 24 + 24 * 3
    assert abs((1 - t.history[-1].density) * size - target * size) <= 17
    t.close()
    t = trainer(methods.SDSNN(sparsity=0.8 * 384 / 456, scale=1.0, regenerate=False, count=1), epochs=30)
    t.fit()
    gone = [round((1 - e.density) * size) for e in t.history]
    for k in range(27):  # the first pruning is at the end of epoch 3; 24 of them make the line
        assert abs(gone[3 + k] - 0.8 * 384 * min((k + 1) / 24, 1)) <= 16
    t.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: methods.DPAP(sparsity=0.9), "DPAP: sparsity=0.9 of all weights is more than all of"),
        (lambda: methods.SDSNN(sparsity=0.9), "SDSNN: sparsity=0.9 of all weights is more than all of"),
        (lambda: methods.DPAP(sparsity=0.5, synapses=False), "sparsity= prunes single synapses, synapses=True"),
    ],
)
def test_what_cannot_be_reached_is_refused(make: Any, told: str) -> None:
    with pytest.raises(StudyError, match=told):
        trainer(make())


@pytest.mark.parametrize("cls", ["DPAP", "SDSNN", "NSPDI", "STDS"])
@pytest.mark.parametrize("bad", [1.0, -0.1, "half", np.nan])
def test_no_sparsity(cls: str, bad: Any) -> None:
    with pytest.raises(ParameterError, match=f"{cls}.sparsity"):
        getattr(methods, cls)(sparsity=bad)


def test_without_a_target_nothing_changes() -> None:
    """The parameter is off by default."""
    assert all(getattr(methods, n)().sparsity is None for n in ("DPAP", "SDSNN", "NSPDI", "STDS"))
    t: Trainer = trainer(methods.NSPDI(displacement=0.3))
    assert not any("search" in line for line in t.methods[0].approximations(t))
    t.close()
    assert little_data().n_class == 3
