"""Units that never fire, or nearly always, are counted and named where a layer as a whole is well."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn import LIF, AveragePool2d, Bernoulli, Conv2d, Direct, Flatten, Linear, Recurrent, Sequential
from tests.learn.small import net, patterns, trained


def dense() -> Sequential:
    """Units 2 and 5 hear nothing, unit 7 hears so much that it always fires."""
    model = Sequential(Linear(8, name="fc"), LIF(0.5, 0.5, name="lif"), Linear(3, name="out"), LIF(), inputs=(6,))
    w = np.full((6, 8), 0.3)
    w[:, [2, 5]], w[:, 7] = 0.0, 50.0
    model.weights_of()["fc"].put_matrix(w)
    return model


def test_units_are_named() -> None:
    x = np.full((30, 6), 0.5)
    found = dense().health(x, encoder=Bernoulli(40), batch=7)["lif"]
    assert (found.silent.tolist(), found.saturated.tolist()) == ([2, 5], [7])
    assert (found.units, found.samples, found.steps) == (8, 30, 40)
    said = str(found)
    assert said.startswith("2 of 8 units of 'lif' never fired in 30 samples, 1 fired at more than 90 % of all steps")
    assert "raise the gain of the layer below" in said and "normalise its input" in said


def test_counts_of_all_layers_are_those_of_activity() -> None:
    """Whatever the layer: images, loops, fused pools."""
    model = Sequential(
        Conv2d(4), LIF(0.4, 0.6, name="a"), AveragePool2d(2), Flatten(),
        Recurrent(Linear(5), Linear(5), LIF(0.3, 0.8, name="b")), Linear(3), LIF(name="c"), inputs=(6, 8, 2),
    )  # fmt: skip
    x = np.random.default_rng(3).random((9, 6, 8, 2)) * 0.2
    counts, found = model.activity(x, encoder=Bernoulli(6)), model.health(x, encoder=Bernoulli(6), batch=4)
    assert list(found) == list(counts)
    for name, units in found.items():
        total = counts[name].sum(axis=0)
        assert units.shape == total.shape
        np.testing.assert_array_equal(units.silent, np.flatnonzero(total.ravel() == 0))
        np.testing.assert_array_equal(units.saturated, np.flatnonzero(total.ravel() > 0.9 * 9 * 6))


def test_a_trained_model_is_asked_about_its_data() -> None:
    """Through the encoder that it knows, of a data set its test samples; asking changes nothing."""
    t = trained(epochs=2).fit()
    before = t.model.scores(patterns())
    found = t.model.health(patterns())
    assert all(one.samples == 12 and one.steps == 4 for one in found.values()) and set(found) == {"lif1", "lif2"}
    np.testing.assert_array_equal(t.model.scores(patterns()), before)
    run = t.close()
    np.testing.assert_array_equal(run.model().health(patterns())["lif1"].silent, found["lif1"].silent)
    with pytest.raises(ParameterError, match="encoder is not known"):
        net().health(np.ones((2, 6)))
    with pytest.raises(ParameterError, match="no layer of the model has counts"):
        Sequential(Linear(3), inputs=(6,)).health(np.ones((2, 6)), encoder=Direct())
