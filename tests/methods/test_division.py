"""How NSPDI divides its threshold between a gate and its drive: by hand, where synapses live, breaks and defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurodev import methods
from neurodev.errors import ParameterError
from neurodev.learn.training.checkpoint import state_of
from neurodev.learn.training.optim import cosine
from neurodev.methods import division
from neurodev.methods.tensors import tensors
from tests.methods.test_methods import trainer
from tests.methods.test_target import gated


def test_what_a_tensor_feels_by_hand() -> None:
    w, g = np.array([[0.0, 0.5], [-2.0, 0.0]], np.float32), np.array([[4.0, 2.0], [1.0, -2.0]], np.float32)
    assert division.felt("saliency", w, g) == (0.5 * 2) ** 2 / 2 + (2.0 * 1) ** 2 / 2
    assert division.felt("sensitivity", w, g) == (16 + 4 + 1 + 4) / 4
    assert division.felt("saliency", 0 * w, g) == 0


def test_saliency_does_not_see_the_scale_that_batch_norm_takes_away() -> None:
    """Weights ten times as large have gradients a tenth as large behind a batch norm."""
    draw = np.random.default_rng(1)
    w, g = draw.normal(size=(2, 30))
    assert division.felt("saliency", 10 * w, g / 10) == pytest.approx(division.felt("saliency", w, g))
    assert division.felt("sensitivity", 10 * w, g / 10) == pytest.approx(division.felt("sensitivity", w, g) / 100)


def test_factors_by_hand_and_within_bounds() -> None:
    """Never below 1: a gate without its drive does nothing."""
    assert [division.factor(*x) for x in ((9.0, 4.0), (9.0, 9.0), (1.0, 4.0))] == [1.5, 1.0, 1.0]
    assert [division.factor(*x) for x in ((1e9, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))] == [2.0, 2.0, 1.0, 1.0]


def test_a_mean_is_plain_at_first_and_forgets_later() -> None:
    mean, x = np.zeros(1), np.arange(250.0)
    for n in range(division.MEMORY):
        mean = division.remembered(mean, x[n : n + 1], n)
    assert mean[0] == pytest.approx(x[: division.MEMORY].mean())
    before = mean
    mean = division.remembered(mean, x[200:201], 200)
    assert mean[0] == pytest.approx(before[0] + (200 - before[0]) / 100)


@pytest.mark.parametrize("how", division.DIVISIONS)
def test_the_gate_has_the_threshold_that_its_gradients_ask_for(how: str) -> None:
    """Laid by hand: V's gradients are two thirds of W's at equal weights, so that f is a half more than 1."""
    method = methods.NSPDI(division=how, heterogeneity=0.0, cut=0.0, displacement=0.3, gate=1.5)
    t = trainer(method, gated())
    drive, gate, out = tensors(t)
    assert [x.layer.gates for x in (drive, gate, out)] == [False, True, False]
    vars(t)["step"] = 18
    for x, g in ((drive, 0.6), (gate, 0.4), (out, 7.0)):
        x.table.weight[x.pairs()] = 0.5
        x.weights.gradient[x.pairs()] = g
    method.after_backward(t)
    method.before_forward(t)
    d = method.threshold(t)
    assert d > 0 and method.threshold_of(t, drive) == method.threshold_of(t, out) == d
    assert method.threshold_of(t, gate) == pytest.approx(1.5 * 1.5 * d)
    for x in (drive, gate, out):
        theta, w = (x.dense.grid(c)[:, : x.table.n_target] for c in (x.table.column("theta"), x.table.weight))
        np.testing.assert_array_equal(w != 0, np.abs(theta) > np.float32(method.threshold_of(t, x)))
    t.close()


@pytest.mark.parametrize("how", division.DIVISIONS)
@pytest.mark.parametrize("target", [0.3, 0.7])
def test_divided_thresholds_are_placed_for_a_sparsity(how: str, target: float) -> None:
    t = trainer(methods.NSPDI(sparsity=target, division=how), gated(), schedule=cosine())
    t.fit()
    method, (drive, gate, _) = t.methods[0], tensors(t)
    assert isinstance(method, methods.NSPDI)
    size = sum(w.table.n_source * w.table.n_target for w in t.weights().values())
    assert t.history[-1].density == pytest.approx(1 - target, abs=1.5 / size)
    assert method.threshold_of(t, gate) >= method.threshold_of(t, drive) > 0
    assert sum(how in line for line in method.approximations(t)) == 1 and len(method.approximations(t)) == 2
    t.close()


def test_a_division_goes_on_after_a_break(tmp_path: Any) -> None:
    make = lambda: methods.NSPDI(sparsity=0.5, division="saliency")
    whole = trainer(make(), gated())
    whole.fit()
    expected = state_of(whole)
    whole.close()
    part = trainer(make(), gated(), to=tmp_path / "run.sqlite")
    part.fit(3)
    part.record.close("broken off")
    again = trainer(make(), gated(), to=tmp_path / "run.sqlite", resume=True)
    again.fit()
    found = state_of(again)
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)
    again.close()


def test_without_gates_a_division_changes_nothing() -> None:
    ends = []
    for how in (None, "saliency"):
        t = trainer(methods.NSPDI(sparsity=0.5, division=how))
        t.fit(3)
        ends.append({k: v for k, v in state_of(t).items() if k.endswith("/weight")})
        t.close()
    for key, value in ends[0].items():
        np.testing.assert_array_equal(ends[1][key], value)


def test_no_division_by_default_and_no_unknown_one() -> None:
    assert methods.NSPDI().division is None and methods.STDS().division is None
    with pytest.raises(ParameterError, match=r"NSPDI\.division"):
        methods.NSPDI(division="salience")
