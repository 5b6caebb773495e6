"""Views of spikes: lists, layouts, and what a change of shape must not carry along."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes, at_steps
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.pool import AveragePool2d
from neurodev.learn.model import Sequential

DRAW = np.random.default_rng(6)


@pytest.mark.parametrize("n", [7, 16, 64])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.6])
@pytest.mark.parametrize("layout", ["rows", "units"])
def test_lists_are_those_of_nonzero(n, rate, layout):
    flags = (DRAW.random((12, n)) < rate).astype(np.uint8)
    given = flags if layout == "rows" else np.ascontiguousarray(flags.T)
    x = Spikes(given, 4, 3, (n,), layout=layout)
    row, unit = np.nonzero(flags)
    assert x.rows.index[: x.rows.n].tolist() == unit.tolist() == x.present.index[: x.present.n].tolist()
    assert np.diff(x.rows.start).tolist() == flags.sum(axis=1).tolist()
    assert x.columns.index[: x.columns.n].tolist() == np.nonzero(flags.T)[1].tolist()
    assert x.per_unit.tolist() == Spikes(given, 4, 3, (n,), layout=layout).per_unit.tolist() == flags.sum(0).tolist()
    np.testing.assert_array_equal(x.by_unit, flags.T)
    np.testing.assert_array_equal(x.by_row, flags)
    assert x.rate == flags.mean()


@pytest.mark.parametrize("n", [6, 16])
def test_counts_are_listed_once_or_as_often_as_they_count(n):
    counts = DRAW.integers(0, 5, (6, n)).astype(np.uint8)
    x = Spikes(counts, 2, 3, (n,), scale=0.25)
    assert x.present.index[: x.present.n].tolist() == np.nonzero(counts)[1].tolist()
    assert x.rows.index[: x.rows.n].tolist() == np.repeat(np.tile(np.arange(n), 6), counts.reshape(-1)).tolist()
    np.testing.assert_array_equal(x.dense(), counts * np.float32(0.25))


def image(shape):
    """Two samples with all spikes in one corner, so that spans are short."""
    flags = np.zeros((3, 2, 6, 10), dtype=np.uint8)
    flags[:, 0, 4:, 7:] = 1
    flags[:, 1, :2, :3] = 1
    return Spikes(flags.reshape(6, 60), 3, 2, shape, wanted=False)


def net(shape):
    return Sequential(Conv2d(4, 3), LIF(0.2, 0.3), AveragePool2d(2), Conv2d(3, 3), inputs=shape, seed=4)


def test_a_change_of_shape_forgets_the_spans():
    """Spikes that went through a convolution as 6 x 10 go through another as 10 x 6 as if they had never been there."""
    x = image((6, 10, 1))
    net((6, 10, 1))(x)
    assert x.spans is not None
    found, _ = net((10, 6, 1))(x.reshaped((10, 6, 1)))
    want, _ = net((10, 6, 1))(image((10, 6, 1)))
    assert want.value.any()
    np.testing.assert_array_equal(found.value, want.value)


def test_what_goes_by_unit_is_shared():
    x = image((6, 10, 1))
    rows, near = x.rows, Spikes(x.flags, 3, 2, (60,), window=lambda: x.flags)
    y = x.reshaped((60,))
    assert y.rows is rows and y.shape == (60,) and x.shape == (6, 10, 1) and not y.wanted
    np.testing.assert_array_equal(near.reshaped((6, 10, 1)).near, x.flags)
    current = Current(x.dense(), 3, 2, (6, 10, 1), spans=np.zeros((2, 6, 2), dtype=np.int32))
    assert current.reshaped((60,)).spans is None
    for signal in (x, current):
        with pytest.raises(ParameterError, match="60 units cannot be arranged as"):
            signal.reshaped((7, 9))


def test_steps_are_left_out():
    x = image((6, 10, 1))
    kept = np.array([True, False, True])
    for signal, values in ((x, x.flags), (Current(x.dense(), 3, 2, (60,)), x.dense())):
        y = at_steps(signal, kept)
        assert (y.steps, y.batch) == (2, 2)
        np.testing.assert_array_equal(y.by_row, values.reshape(3, 2, 60)[kept].reshape(4, 60))


def test_doors():
    flags = np.zeros((6, 4), dtype=np.uint8)
    with pytest.raises(ParameterError, match=r"flags must be uint8 of shape \(4, 6\) \(units\)"):
        Spikes(flags, 3, 2, (4,), layout="units")
    for make in (lambda w: Spikes(flags, 3, 2, (4,), layout=w), lambda w: Current(flags * 1.0, 3, 2, (4,), w)):
        with pytest.raises(ParameterError, match="layout must be 'rows' or 'units', got 'columns'"):
            make("columns")
    with pytest.warns(DeprecationWarning, match="called 'units'"):
        assert Spikes(flags.T.copy(), 3, 2, (4,), layout="lanes").layout == "units"
