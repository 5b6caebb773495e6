"""Weights in and out as matrices: every storage, both precisions, and what is refused."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn import Conv2d, Current, Linear, Sequential
from neurodev.structure.dense import DenseTable

STORAGES = [("dense", 1.0), ("dense", 0.5), ("hidden", 0.5), ("sparse", 0.5)]


def one(layer, kind=np.float32, inputs=(6,)):
    model = Sequential(layer, inputs=inputs, kind=kind)
    return model, next(iter(model.weights_of().values()))


@pytest.mark.parametrize("storage, density", STORAGES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_matrix_goes_in_and_out(storage, density, kind):
    """What was put in is what the layer multiplies by, what the optimiser moves, and what comes out."""
    model, w = one(Linear(3, storage=storage, density=density), kind)
    alive = w.matrix() != 0
    given = np.random.default_rng(0).normal(size=(6, 3)) * alive
    w.put_matrix(given)
    np.testing.assert_array_equal(w.matrix(), given.astype(kind))
    x = np.eye(6, dtype=kind)
    np.testing.assert_array_equal(model(Current(x, 1, 6, (6,)))[0].by_row, given.astype(kind))
    slots = w.table.slots()
    np.testing.assert_array_equal(w.flat()[0][slots], w.table.weight[slots])
    if storage != "sparse":
        assert w.value.shape == (6, 3)
        w.value[0, 1] = 9.0  # in place
        assert 9.0 in w.flat()[0]
    w.matrix()[:] = 7.0  # a copy
    assert 7.0 not in w.matrix()


def test_rows_of_a_convolution_are_channels_and_taps():
    model, w = one(Conv2d(1, 3), inputs=(5, 5, 2))
    given = np.zeros((18, 1))
    given[9 * 1 + 3 * 0 + 2] = 1.0  # channel 1, first line, last column
    w.put_matrix(given)
    image = np.random.default_rng(0).random((1, 50)).astype(np.float32)
    y = model(Current(image, 1, 1, (5, 5, 2)))[0].by_row.reshape(5, 5)
    np.testing.assert_array_equal(y[1:, :4], image.reshape(5, 5, 2)[:4, 1:, 1])


@pytest.mark.parametrize("storage, density", STORAGES)
def test_matrices_that_do_not_fit(storage, density):
    _, w = one(Linear(3, storage=storage, density=density))
    before = w.matrix()
    for given, why in (
        (np.ones((3, 6)), r"\(6, 3\), got \(3, 6\): transpose it"), (np.ones(18), r"got \(18,\)"),
        (np.full((6, 3), np.nan), "finite"), ("many", "array of numbers"), (None, "finite|shape|numbers"),
        ([[1, 2], [3]], "array of numbers"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=why):
            w.put_matrix(given)
    if density < 1:
        with pytest.raises(ParameterError, match="there is no synapse from"):
            w.put_matrix(np.ones((6, 3)))
    np.testing.assert_array_equal(w.matrix(), before)


def test_the_weights_of_a_table_are_set_whole():
    """By slot, by pair, flat; never an array that is read beyond its end."""
    table = DenseTable.full(np.zeros((4, 3)))
    table.keep_only(np.eye(4, 3, dtype=bool))
    given = np.arange(1.0, 13.0).reshape(4, 3)
    for way in (given, given.reshape(-1), given.astype(int)):
        table.weight = way
        np.testing.assert_array_equal(table.grid(table.weight)[:, :3], given * np.eye(4, 3))
    assert table.weight.dtype == np.float64 and table.weight.size == table.capacity
    table.weight *= 2
    assert table.weight[0] == 2.0
    for wrong in (np.ones(5), np.ones((3, 4)), "many", np.ones((4, 16, 1)), 3.0, None):
        with pytest.raises(ParameterError, match="weight must be numbers of shape"):
            table.weight = wrong


@pytest.mark.parametrize("layer", [Linear(3, storage="sparse", density=0.5), Conv2d(3, storage="sparse")])
def test_arrays_of_another_size_never_reach_a_kernel(layer):
    model, w = one(layer, inputs=(4, 4, 2))
    x = Current(np.ones((1, 32), np.float32), 1, 1, (4, 4, 2))
    right = w.table.weight
    for wrong in (np.ones(2, np.float32), right.astype(int), right[:-1]):
        w.table.weight = wrong
        with pytest.raises(ParameterError, match="numbers by slot"):
            model(x)
    w.table.weight = right
    w.probe = np.zeros((2, 2))
    with pytest.raises(ParameterError, match="probe must have shape"):
        model(x)
    w.probe = None
    w.put(DenseTable.full(np.ones((2, 3), np.float32)))
    with pytest.raises(ParameterError, match="the layer has"):
        model(x)
