"""Encoders of training: their statistics, the identity of samples, and small inputs by hand."""

import numpy as np
import pytest

from neurodev.data.dataset import SpikeTrains
from neurodev.errors import ParameterError
from neurodev.learn.training.encode import Bernoulli, Binned, Direct, Frames, Latency, encoder_for

X = np.random.default_rng(2).random((12, 4, 5)).astype(np.float32)


def cube(y):
    return y.by_row.reshape(y.steps, y.batch, -1)


def test_bernoulli_spikes_as_often_as_it_should():
    """Share of spikes over 2,000 steps within 4 standard deviations of gain x, and no step knows of the one before."""
    steps, samples = 2000, np.array([4])
    flags = cube(Bernoulli(steps, gain=0.8)(X, samples, seed=3, epoch=1))[:, 0].astype(float)
    p = 0.8 * X[4].reshape(-1)
    assert np.all(np.abs(flags.mean(axis=0) - p) < 4 * np.sqrt(p * (1 - p) / steps))
    centred = flags - flags.mean(axis=0)
    correlation = (centred[1:] * centred[:-1]).mean(axis=0) / flags.var(axis=0)
    assert np.all(np.abs(correlation) < 4 / np.sqrt(steps))


def test_draws_belong_to_samples():
    """A sample has its spikes whoever stands beside it; another epoch, seed or sample has others."""
    encoder = Bernoulli(30)
    both = cube(encoder(X, np.array([7, 2]), 5, 1))
    alone = cube(encoder(X, np.array([2]), 5, 1))
    np.testing.assert_array_equal(both[:, 1], alone[:, 0])
    for seed, epoch in ((6, 1), (5, 2)):
        assert (cube(encoder(X, np.array([2]), seed, epoch)) != alone).mean() > 0.1
    same = np.broadcast_to(X[2], X.shape)
    twins = cube(encoder(same, np.array([2, 3]), 5, 1))
    assert (twins[:, 0] != twins[:, 1]).mean() > 0.1


def test_direct_gives_the_values():
    y = Direct()(X, np.array([3, 1]), 0, 0)
    np.testing.assert_array_equal(y.value, X[[3, 1]].reshape(2, -1))
    assert (y.steps, y.batch, y.shape, y.wanted) == (1, 2, (4, 5), False)
    bytes_ = np.array([[0, 255, 51]], dtype=np.uint8)
    np.testing.assert_allclose(Direct()(bytes_, np.array([0]), 0, 0).value, [[0.0, 1.0, 0.2]], rtol=1e-6)


def test_latency_is_one_spike_the_earlier_the_larger():
    x = np.array([[1.0, 0.9, 0.5, 0.05, 0.0, 0.3]], dtype=np.float32)
    flags = cube(Latency(10, threshold=0.3)(x, np.array([0]), 0, 0))[:, 0]
    assert flags.sum(axis=0).tolist() == [1, 1, 1, 0, 0, 0]
    assert flags[:, :3].argmax(axis=0).tolist() == [0, 1, 5]
    dim = cube(Latency(10)(np.array([[1e-6]], dtype=np.float32), np.array([0]), 0, 0))
    assert dim.argmax() == 9  # the last step, never beyond


def test_bins_hold_spikes_once_and_put_channels_last():
    """Cells of a recording are numbered channel by channel; a unit is (pixel, channel)."""
    times, cells = np.array([0.5, 0.9, 9.99, 3.0]), np.array([0, 0, 5, 3])
    trains = SpikeTrains(times, cells, np.array([0, 3, 4]), 6, 10.0)
    y = Binned(5, shape=(1, 3, 2))(trains, np.array([1, 0]), 0, 0)
    flags = cube(y)
    assert y.shape == (1, 3, 2) and flags.sum() == 3
    # cell 0: pixel 0 of channel 0; cell 5: pixel 2 of channel 1; cell 3: pixel 0 of channel 1
    assert sorted(zip(*np.nonzero(flags), strict=True)) == [(0, 1, 0), (1, 0, 1), (4, 1, 5)]
    assert Binned(5)(trains, np.array([0]), 0, 0).shape == (6,)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: Bernoulli(0), r"steps must be a whole number in \[1, 1000000\], got 0"),
        (lambda: Latency(2.5), "steps must be a whole number"),
        (lambda: Binned(True), "steps must be a whole number"),
        (lambda: Latency(5, threshold=1.0), r"threshold must lie in \[0, 1\), got 1.0"),
        (lambda: Binned(5)(X, np.array([0]), 0, 0), "Binned takes SpikeTrains, got ndarray"),
        (
            lambda: Binned(5, (2, 2))(SpikeTrains(np.zeros(0), np.zeros(0, int), np.array([0, 0]), 6, 1.0), [0], 0, 0),
            "does not hold the 6 cells",
        ),
    ],
)
def test_doors(call, word):
    with pytest.raises(ParameterError, match=word):
        call()


FRAMES = np.random.default_rng(4).random((5, 7, 3, 2)) < 0.4


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64])
def test_frames_are_spikes_step_by_step(kind):
    """Samples that have a step for every bin already: frame t of a sample is row (t, sample), in any whole type."""
    y = Frames(7)(FRAMES.astype(kind), np.array([3, 0]), 0, 0)
    assert (y.steps, y.batch, y.shape) == (7, 2, (3, 2)) and not y.wanted
    np.testing.assert_array_equal(y.dense().reshape(7, 2, 3, 2), FRAMES[[3, 0]].swapaxes(0, 1))


def test_frames_of_floats_are_currents_as_they_are():
    y = Frames(7)(FRAMES * 2.5, np.arange(5), 0, 0)
    np.testing.assert_array_equal(y.value.reshape(7, 5, 3, 2), np.float32(2.5) * FRAMES.swapaxes(0, 1))
    for x, steps, word in (
        (FRAMES, 6, r"takes samples \(n, 6, ...\)"), (FRAMES[:, :, 0, 0], 7, "takes samples"),
        (FRAMES.astype(int) * 3, 7, "0 or 1, got 0..3"), (-FRAMES.astype(int), 7, "0 or 1, got -1..0"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=word):
            Frames(steps)(x, np.arange(5), 0, 0)


def test_who_names_no_encoder_gets_the_one_that_fits():
    trains = SpikeTrains.of([([], [])], 6, 1.0)
    assert encoder_for(FRAMES, (3, 2)) == Frames(7) and encoder_for(trains, (6,)) == Binned(20)
    for inputs in ((7, 3, 2), (42,), None):
        assert encoder_for(FRAMES, inputs) == Bernoulli(20)


@pytest.mark.parametrize("encoder", [Bernoulli(3), Latency(3), Direct(), Frames(3)])
def test_images_are_asked_for(encoder):
    with pytest.raises(ParameterError, match="got SpikeTrains; use Binned"):
        encoder(SpikeTrains.of([([], [])], 6, 1.0), np.array([0]), 0, 0)
    for x in (None, "abc", [[1.0], [1.0, 2.0]], 3.0):
        with pytest.raises(ParameterError):
            encoder(x, np.array([0]), 0, 0)


def test_steps_that_no_memory_holds():
    x = np.ones((2, 6), np.uint8)
    for kind in (Bernoulli, Latency):
        with pytest.raises(ParameterError, match="would take at least|steps must be a whole number in "):
            kind(10**12)(x, np.arange(2), 0, 0)
    with pytest.raises(ParameterError, match="would take at least|steps must be a whole number in "):
        Binned(10**12)(SpikeTrains.of([([], [])], 6, 1.0), np.array([0]), 0, 0)
