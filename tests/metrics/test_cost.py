"""Costs and information against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import cost


def test_information_of_a_perfect_and_of_a_blind_decoder() -> None:
    perfect = 1000 * np.eye(8)
    assert cost.information(perfect, correct_bias=False) == pytest.approx(3.0)
    assert cost.information(np.full((8, 8), 1000), correct_bias=False) == pytest.approx(0.0, abs=1e-12)


def test_information_of_a_symmetric_channel() -> None:
    """Binary symmetric channel with error e: 1 - H(e) bits."""
    e = 0.11
    h = -(e * np.log2(e) + (1 - e) * np.log2(1 - e))
    assert cost.information([[1 - e, e], [e, 1 - e]], correct_bias=False) == pytest.approx(1 - h)


def test_the_bias_is_taken_off() -> None:
    """Independent rows and columns: the plug-in estimate is (k - 1)^2 / (2 N ln 2) too large on average; 4 SE."""
    draw = np.random.default_rng(1)
    found = []
    for _ in range(400):
        table = cost.confusion(draw.integers(0, 6, 300), draw.integers(0, 6, 300), 6)
        found.append(cost.information(table, correct_bias=False) - 25 / (600 * np.log(2)))
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(400) + 1e-3


def test_f1_of_classes_and_of_labels() -> None:
    """Against scikit-learn where it is there, and by hand."""
    draw = np.random.default_rng(2)
    y, d = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    several, told = draw.random((200, 3)) < 0.3, draw.random((200, 3)) < 0.5
    table = cost.confusion_of_labels(several, told)
    assert table.sum(axis=(1, 2)).tolist() == [200] * 3 and table[1, 1, 0] == (several[:, 1] & ~told[:, 1]).sum()
    metrics = pytest.importorskip("sklearn.metrics")
    np.testing.assert_allclose(cost.f1(cost.confusion(y, d, 4)), metrics.f1_score(y, d, average=None))
    np.testing.assert_array_equal(table, metrics.multilabel_confusion_matrix(several, told))
    np.testing.assert_allclose(cost.f1(table), metrics.f1_score(several, told, average=None))
    assert np.isnan(cost.f1([[0, 0], [0, 3]])).tolist() == [True, False]


def test_energy_and_costs() -> None:
    assert cost.energy(1e12) == pytest.approx(0.9)
    assert cost.energy(1e12, 1e12) == pytest.approx(4.6)
    assert cost.training_cost([0.1, 0.2], [1.0, 0.5]) == pytest.approx(0.2)
    assert cost.information_per_operation(100 * np.eye(4), 800.0) == pytest.approx(
        cost.information(100 * np.eye(4)) / 2
    )


def test_interval_of_the_mean() -> None:
    """Three seeds: half width 4.303 s / sqrt(3)."""
    mean, half = cost.mean_and_interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.30265 / np.sqrt(3), rel=1e-5)
    assert np.isnan(cost.mean_and_interval([1.0])[1])


def test_doors() -> None:
    with pytest.raises(ParameterError, match="additions must be a number >= 0"):
        cost.energy(-1)
    with pytest.raises(ParameterError, match="one length"):
        cost.confusion([0, 1], [0], 2)
    with pytest.raises(ParameterError, match="told must be flags"):
        cost.confusion_of_labels([[1]], [[0.5]])
    with pytest.raises(ParameterError, match="table must be counts"):
        cost.f1(np.eye(3)[:2])
    with pytest.raises(ParameterError, match="operations must be a positive number"):
        cost.information_per_operation(np.eye(2), 0)
