"""Encoders, spike trains and data sets."""

import numpy as np
import pytest

from neurodev import data
from neurodev.data.audio import mel_filters
from neurodev.data.dataset import SpikeTrains
from neurodev.errors import ParameterError
from neurodev.learn.training.encode import Binned


def test_intensity():
    np.testing.assert_allclose(data.intensity(np.array([0, 51, 255], np.uint8)), [0, 0.2, 1], rtol=1e-7)
    for bad, words in (([0.0, np.nan], "NaN"), ([0.0, 1.5], "scale it"), ([1, 2], "scale it")):
        with pytest.raises(ParameterError, match=words):
            data.intensity(bad)


def test_direct_is_a_view():
    x = np.random.default_rng(0).random((3, 2, 4)).astype(np.float32)
    y = data.direct(x, 5)
    assert y.shape == (3, 5, 2, 4) and y.strides[1] == 0
    np.testing.assert_array_equal(y[:, 4], x)
    with pytest.raises(ParameterError, match="n_step"):
        data.direct(x, 0)


def test_bernoulli_rate_and_independence_of_the_batch():
    x = np.full((4, 50), 0.3, np.float32)
    x[:, 0], x[:, 1] = 0.0, 1.0
    s = data.bernoulli(x, 400, seed=3)
    assert s.dtype == np.uint8 and s.shape == (4, 400, 50)
    assert s[..., 0].sum() == 0 and s[..., 1].all()
    p, n = s[..., 2:].mean(), s[..., 2:].size
    assert abs(p - 0.3) < 4 * np.sqrt(0.21 / n)
    # of neighbouring steps and neighbouring features: no correlation
    z = s[..., 2:].astype(float) - 0.3
    for a, b in ((z[:, 1:], z[:, :-1]), (z[..., 1:], z[..., :-1])):
        assert abs((a * b).mean()) < 4 * 0.21 / np.sqrt(a.size)
    part = data.bernoulli(x[[2, 0]], 400, seed=3, samples=[2, 0])
    np.testing.assert_array_equal(part, s[[2, 0]])
    assert not np.array_equal(data.bernoulli(x, 400, seed=3, epoch=1), s)
    assert data.bernoulli(np.ones((1, 2)), 100, seed=0, gain=0.0).sum() == 0
    with pytest.raises(ParameterError, match="samples"):
        data.bernoulli(x, 4, seed=0, samples=[1])


def test_latency():
    x = np.array([[0, 255, 51], [0, 0, 0], [102, 102, 10]], np.uint8)
    s = data.latency(x, 20.0, threshold=0.1)
    np.testing.assert_allclose(s.times, [0.0, 16.0, 12.0, 12.0], atol=1e-6)
    np.testing.assert_array_equal(s.cells, [1, 2, 0, 1])
    np.testing.assert_array_equal(s.offsets, [0, 2, 2, 4])
    assert s.times[2] == s.times[3]
    with pytest.raises(ParameterError, match="shortest < longest"):
        data.latency(x, 1.0, shortest=2.0)


def test_spike_trains():
    s = data.SpikeTrains.of([([3.0, 1.0, 1.0], [0, 2, 1]), ([], []), ([9.0, 10.0], [1, 1])], 3, 10.0)
    np.testing.assert_array_equal(s.times, [1, 1, 3, 9, 10])
    np.testing.assert_array_equal(s.cells, [1, 2, 0, 1, 1])
    np.testing.assert_array_equal(s.counts(), [[1, 1, 1], [0, 0, 0], [0, 2, 0]])
    t = s[[2, 0]]
    np.testing.assert_array_equal(t.times, [9, 10, 1, 1, 3])
    np.testing.assert_array_equal(t.offsets, [0, 2, 5])
    assert len(s[1:]) == 2 and len(s[2]) == 1 and s[1].times.size == 0
    f = s.frames(5)
    assert f.shape == (3, 5, 3) and f.sum() == 5 and f[2, 4, 1] == 2 and f[0, 0, 2] == 1
    for trains, words in (
        ([([11.0], [0])], "duration"),
        ([([np.nan], [0])], "finite"),
        ([([1.0], [3])], "cells must lie"),
        ([([1.0], [0, 1])], "one length"),
    ):
        with pytest.raises(ParameterError, match=words):
            data.SpikeTrains.of(trains, 3, 10.0)


def test_dataset():
    x = np.arange(20.0).reshape(10, 2)
    y = np.arange(10) % 2
    d = data.Dataset(x, y, x[:4], y[:4], "toy", ("a", "b"))
    part = d.subset(5, seed=1, n_test=2)
    assert len(part.x_train) == 5 and len(part.x_test) == 2 and d.n_class == 2
    np.testing.assert_array_equal(part.y_train, (part.x_train[:, 0] // 2) % 2)
    assert len(d.subset(5).x_test) == 4
    with pytest.raises(ParameterError, match="there are 10"):
        d.subset(11)
    with pytest.raises(ParameterError, match="label 1 of sample 1"):
        data.Dataset(x, y, x, y, "toy", ("a",))
    with pytest.raises(ParameterError, match="whole numbers"):
        data.Dataset(x, y + 0.5, x, y, "toy", ("a", "b"))
    with pytest.raises(ParameterError, match="10 samples"):
        data.Dataset(x, y[:3], x, y, "toy", ("a", "b"))
    x = x.copy()
    x[3, 1] = np.nan
    with pytest.raises(ParameterError, match="first in sample 3"):
        data.Dataset(x, y, x, y, "toy", ("a", "b"))


def test_mel_filters():
    """Unit peaks on the mel scale; neighbours add up to one between the first and the last centre."""
    bank = mel_filters(20, 65536, 8000.0, 100.0, 4000.0)
    f = np.fft.rfftfreq(65536, 1 / 8000.0)
    centre = f[bank.argmax(axis=1)]
    mel = 2595 * np.log10(1 + centre / 700)
    np.testing.assert_allclose(np.diff(mel), np.diff(mel)[0], atol=0.5)
    inside = (f > centre[0]) & (f < centre[-1])
    np.testing.assert_allclose(bank[:, inside].sum(axis=0), 1.0, atol=1e-9)


def test_cochlea_finds_the_tone_and_its_rate():
    rate, n = 8000, 8000
    sound = np.sin(2 * np.pi * 1000.0 * np.arange(n) / rate)
    t, c = data.cochlea(sound, rate, n_channel=32, max_rate=100.0)
    edge = np.linspace(2595 * np.log10(1 + 80 / 700), 2595 * np.log10(1 + 4000 / 700), 34)
    mel = 2595 * np.log10(1 + 1000 / 700)
    best = np.bincount(c, minlength=32).argmax()
    assert abs(best - np.abs(edge[1:-1] - mel).argmin()) <= 1
    # the loudest channel runs at max_rate for the whole second
    assert abs(np.bincount(c, minlength=32).max() - 100) <= 3
    assert np.all(np.diff(t) >= 0) and t.max() <= 1000.0
    # gain of the microphone does not matter; silence gives nothing; noise at the door
    t2, c2 = data.cochlea(sound * 1000, rate, n_channel=32, max_rate=100.0)
    np.testing.assert_allclose(t2, t, atol=1e-6)
    assert data.cochlea(np.zeros(100), rate)[0].size == 0
    with pytest.raises(ParameterError, match="finite"):
        data.cochlea([0.0, np.nan], rate)


def test_bins_of_a_grid_have_channels_last():
    """A spike of channel c at (row, column) comes out there, whatever the order of the cells in the trains."""
    rows, columns, channels = 3, 4, 2
    spikes = [(c, y, x) for c in range(channels) for y in range(rows) for x in range(columns) if (c + y * x) % 3 == 0]
    cells = [(c * rows + y) * columns + x for c, y, x in spikes]
    times = np.linspace(0.0, 9.9, len(cells))
    for grid, shape in (((rows, columns, channels), None), (None, (rows, columns, channels))):
        trains = SpikeTrains.of([(times, cells)], 24, 10.0, grid)
        out = Binned(5, shape)(trains, np.array([0]), 0, 0)
        assert out.shape == (rows, columns, channels)
        flags = out.flags.reshape(5, rows, columns, channels)
        want = np.zeros_like(flags)
        for t, (c, y, x) in zip(times, spikes, strict=True):
            want[int(t // 2), y, x, c] = 1
        np.testing.assert_array_equal(flags, want)
    assert Binned(5)(trains, np.array([0]), 0, 0).shape == (24,)
    with pytest.raises(ParameterError, match="does not hold the 24 cells"):
        Binned(5, (5, 5, 1))(trains, np.array([0]), 0, 0)
    with pytest.raises(ParameterError, match=r"grid must be \(rows, columns, channels\) of 24 cells"):
        SpikeTrains.of([(times, cells)], 24, 10.0, (3, 4, 3))
