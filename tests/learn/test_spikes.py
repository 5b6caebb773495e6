"""Views of spikes: lists, layouts, and what a change of shape must not carry along."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Current, Spikes, at_steps
from neurodev.learn.layers.conv import Conv2d
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.pool import AveragePool2d, MaxPool2d
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


# ---------------------------------------------------------------- what bytes hold is looked up, not inferred


@pytest.mark.parametrize("scale", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("most", [1, 2, 4])
@pytest.mark.parametrize("n", [9, 80])
def test_counts_are_counts_whatever_they_are_worth(scale, most, n):
    """Every view and every kernel: dense rows, sparse rows by row and by source, along the batch, the probe."""
    draw = np.random.default_rng(most)
    flags = (draw.random((12, n)) < 0.4).astype(np.uint8) * draw.integers(1, most + 1, (12, n)).astype(np.uint8)
    x = Spikes(flags, 4, 3, (n,), scale=scale)
    assert x.counts == (most > 1) and x.rows.n == flags.sum() == x.columns.n and x.present.n == np.count_nonzero(flags)
    for storage, density in (("dense", 1.0), ("hidden", 0.5), ("sparse", 0.9), ("sparse", 0.1)):
        for width in (1, 40):
            model = Sequential(
                Linear(width, storage=storage, density=density, gain=3.0), inputs=(n,), kind=np.float64, seed=1
            )  # fmt: skip
            (w,) = model.weights_of().values()
            w.probe = np.zeros((n, width))
            y, pull = model(x)
            np.testing.assert_allclose(y.by_row, scale * flags @ w.matrix(), atol=1e-12)
            d = draw.normal(size=y.by_row.shape)
            pull(y.like(d))
            np.testing.assert_allclose(w.probe, scale * flags.T.astype(float) @ d, atol=1e-12)


@pytest.mark.parametrize("most", [5, 200, 255])
def test_bytes_that_no_kernel_counts_are_refused(most):
    flags = np.zeros((6, 8), np.uint8)
    flags[3, 5] = most
    for layout in ("rows", "units"):
        given = flags if layout == "rows" else np.ascontiguousarray(flags.T)
        with pytest.raises(ParameterError, match=f"counts of at most 4, got {most}: clip them"):
            Spikes(given, 2, 3, (8,), layout=layout)


@pytest.mark.parametrize(
    "steps, batch, shape",
    [
        (-2, -3, (8,)),
        (2, -3, (-8,)),
        (2.5, 3, (8,)),
        (0, 6, (8,)),
        ("2", 3, (8,)),
        (2, 3, (-2, -4)),
        (2, 3, 8.0),
        (2, 3, ()),
    ],
)
def test_sizes_that_no_batch_has(steps, batch, shape):
    with pytest.raises(ParameterError):
        Spikes(np.zeros((6, 8), np.uint8), steps, batch, shape)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), "1"])
def test_worth_of_a_spike(scale):
    with pytest.raises(ParameterError, match="scale"):
        Spikes(np.zeros((6, 8), np.uint8), 2, 3, (8,), scale=scale)


@pytest.mark.parametrize("flags", [None, [[0, 1]], np.zeros((6, 8)), np.zeros((6, 8), bool), np.zeros(48, np.uint8)])
def test_flags_of_another_kind(flags):
    with pytest.raises(ParameterError, match="flags must be uint8 of shape"):
        Spikes(flags, 2, 3, (8,))


@pytest.mark.parametrize(
    "value", [np.zeros((6, 7), np.float32), np.zeros((6, 8), int), None, np.zeros(48), [[0.0] * 8]]
)
def test_currents_of_another_kind(value):
    with pytest.raises(ParameterError, match="value must be float32 or float64 of shape"):
        Current(value, 2, 3, (8,))
    with pytest.raises(ParameterError, match="value must be"):
        Current(np.zeros((6, 8)), -2, -3, (8,))


@pytest.mark.parametrize(
    "window",
    [lambda: np.ones((6, 7), np.uint8), lambda: np.ones((6, 8)), lambda: None, lambda: np.ones(48, np.uint8)],
)
def test_windows_of_another_kind(window):
    x = Spikes(np.ones((6, 8), np.uint8), 2, 3, (8,), window=window)
    y, pull = Sequential(Linear(50), inputs=(8,))(x)
    with pytest.raises(ParameterError, match="window must give uint8"):
        pull(y.like(np.ones_like(y.value)))


def test_any_mark_in_a_window_is_one():
    """Marks above 1, and truth values, list a unit once: through pooling and dropout too."""
    for mark in (np.uint8(200), np.True_):
        x = Spikes(np.ones((6, 8), np.uint8), 2, 3, (2, 4, 1), window=lambda m=mark: np.full((6, 8), m))
        assert x.window.n == 48
        for layer in (AveragePool2d(2), MaxPool2d(2)):
            assert layer(x)[0].window.n == 12


@pytest.mark.parametrize(
    "spans", [np.full((3, 2, 2), 5, np.int32), np.full((3, 2, 2), -1, np.int32), np.zeros((3, 2, 2)), np.zeros(4)]
)
def test_spans_outside_of_the_image(spans):
    for make in (
        lambda: Spikes(np.zeros((6, 8), np.uint8), 2, 3, (2, 4, 1), spans=spans),
        lambda: Current(np.zeros((6, 8)), 2, 3, (2, 4, 1), spans=spans),
    ):
        with pytest.raises(ParameterError, match="spans must be"):
            make()
