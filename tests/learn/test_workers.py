"""A batch in halves and chunks: the same gradients as in one piece, by one thread or two."""

import ctypes
import threading

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.spikes import Spikes
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.model import Sequential
from neurodev.learn.training import memory
from neurodev.learn.training.loss import Loss, rate_mse
from neurodev.learn.training.workers import Workers

STEPS, BATCH, N = 5, 11, 14
FLAGS = (np.random.default_rng(1).random((STEPS, BATCH, N)) < 0.4).astype(np.uint8)
LABELS = np.arange(BATCH, dtype=np.int64) % 3
SAMPLES = np.arange(BATCH, dtype=np.int64)


def make(samples):
    part = np.ascontiguousarray(FLAGS[:, samples]).reshape(-1, N)
    return Spikes(part, STEPS, samples.size, (N,), wanted=False)


def model(*more, kind=np.float64):
    return Sequential(
        Linear(20, name="hidden"), *more, LIF(0.5, 0.5), Linear(3, name="out"), LIF(0.5, 0.5),
        inputs=(N,), seed=2, kind=kind,
    )  # fmt: skip


def gradients(workers, step=0, **more):
    done = workers.run(make, SAMPLES, LABELS, learn=True, step=step, **more)
    return done, [p.gradient.copy() for p in workers.model.parameters_of()]


def test_halves_are_the_whole():
    """Loss, hits and gradients of the two halves add up to those of one call of the model on the whole batch."""
    whole = model()
    y, pull = whole(make(SAMPLES))
    value, dy, score = rate_mse(y, LABELS, BATCH)
    pull(dy)
    workers = Workers(model(), rate_mse, 1, STEPS)
    done, found = gradients(workers)
    assert done.n == BATCH and done.correct == int((score.argmax(axis=1) == LABELS).sum())
    np.testing.assert_allclose(done.loss, value * BATCH, rtol=1e-12)
    for mine, p in zip(found, whole.parameters_of(), strict=True):
        np.testing.assert_allclose(mine, p.gradient, rtol=0, atol=1e-13)
    assert not any(p.gradient.any() for p in workers.twin.parameters_of())


def test_two_threads_give_the_same_bytes():
    found = []
    for threads in (1, 2):
        workers = Workers(model(Dropout(0.3), kind=np.float32), rate_mse, threads, STEPS)
        found.append(gradients(workers, step=3))
        workers.close()
    (one, a), (two, b) = found
    assert one == two
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_chunks_change_nothing_but_rounding():
    """Samples go through one by one, or a half at once; draws of a layer go by the place in the batch."""
    found = []
    for chunk in (1, 4, 100):
        workers = Workers(model(Dropout(0.3)), rate_mse, 1, STEPS)
        workers.chunk = chunk
        scores = np.zeros((BATCH, 3), dtype=np.float32)
        found.append((*gradients(workers, out=scores), scores))
    for done, gradient, scores in found[1:]:
        np.testing.assert_allclose(done.loss, found[0][0].loss, rtol=1e-12)
        np.testing.assert_array_equal(scores, found[0][2])
        for x, y in zip(gradient, found[0][1], strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-14)


def test_the_chunk_follows_the_largest_layer():
    workers = Workers(model(), rate_mse, 1, 1000)
    assert workers.chunk == (14 << 20) // (20 * 1000 * 4)


def test_a_test_leaves_no_gradient():
    workers = Workers(model(), rate_mse, 1, STEPS)
    scores = np.zeros((BATCH, 3), dtype=np.float32)
    done = workers.run(make, SAMPLES, LABELS, False, scores)
    y, _ = model()(make(SAMPLES))
    np.testing.assert_array_equal(scores, y.mean(np.float64).astype(np.float32))
    assert done.correct == int((scores.argmax(axis=1) == LABELS).sum())
    assert not any(p.gradient.any() for p in workers.model.parameters_of())


def test_coupled_samples_stay_together():
    workers = Workers(model(BatchNorm()), rate_mse, 2, STEPS)
    assert workers.twin is workers.model
    seen = []
    workers.run(lambda ids: (seen.append(ids.size), make(ids))[1], SAMPLES, LABELS, learn=True)
    assert seen == [BATCH]


class Even(Loss):
    """Labels are parities of the class that wins."""

    def __call__(self, y, labels, total):
        return rate_mse(y, labels, total)

    def right(self, scores, labels):
        return scores.argmax(axis=1) % 2 == labels % 2


def test_a_loss_says_who_is_right():
    workers = Workers(model(), Even(), 1, STEPS)
    scores = np.zeros((BATCH, 3), dtype=np.float32)
    done = workers.run(make, SAMPLES, LABELS, False, scores)
    wins = scores.argmax(axis=1)
    assert done.correct == int((wins % 2 == LABELS % 2).sum()) != int((wins == LABELS).sum())


def test_closing_ends_the_second_thread():
    before = threading.active_count()
    workers = Workers(model(), rate_mse, 2, STEPS)
    gradients(workers)
    assert threading.active_count() == before + 1
    workers.close()
    assert threading.active_count() == before
    with pytest.raises(ParameterError, match="threads must be 1 or 2, got 3"):
        Workers(model(), rate_mse, 3)


def test_memory_is_kept_only_for_those_who_ask(monkeypatch):
    asked = []

    class Library:
        @staticmethod
        def mallopt(what, value):
            asked.append((what, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    Workers(model(), rate_mse, 1, STEPS)
    assert asked == []
    assert memory.keep_freed_memory() and len(asked) == 2
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
