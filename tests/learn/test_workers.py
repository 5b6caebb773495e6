"""A batch in halves and chunks: the same gradients as in one piece, by one thread or two."""

import contextlib
import ctypes
import gc
import signal
import sys
import threading
import time

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.meeting import HALF
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.threads import LONG, SECOND, _libraries, by_halves, one_blas_thread
from neurodev.learn.layers.dropout import Dropout
from neurodev.learn.layers.linear import Linear
from neurodev.learn.layers.neurons import LIF
from neurodev.learn.layers.norm import BatchNorm
from neurodev.learn.model import Residual, Sequential
from neurodev.learn.training import memory, optim
from neurodev.learn.training.encode import Bernoulli
from neurodev.learn.training.loss import Loss, rate_mse
from neurodev.learn.training.trainer import Trainer
from neurodev.learn.training.workers import Workers, fold
from tests.learn.small import patterns

STEPS, BATCH, N = 5, 11, 14
FLAGS = (np.random.default_rng(1).random((STEPS, BATCH, N)) < 0.4).astype(np.uint8)
LABELS = np.arange(BATCH, dtype=np.int64) % 3
SAMPLES = np.arange(BATCH, dtype=np.int64)


@contextlib.contextmanager
def time_limit(seconds):
    """Fail where something waits for ever."""

    def ring(*_):
        raise TimeoutError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


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


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n", [LONG - 1, LONG, LONG + 5, 3 * LONG + 7])
@pytest.mark.parametrize("kernel", [optim._adam, optim._sgd, fold])
def test_long_loops_give_the_same_bytes_by_halves(kernel, n, kind):
    count = {optim._adam: (4, 8), optim._sgd: (3, 3), fold: (2, 0)}[kernel]
    draw = np.random.default_rng(n)
    arrays = [draw.random(n).astype(kind) for _ in range(count[0])]
    copies, rest = [a.copy() for a in arrays], [kind(v) for v in draw.uniform(0.1, 0.9, count[1])]
    by_halves(kernel, arrays, *rest)  # with one thread
    workers, called = Workers(model(), rate_mse, 2, STEPS), []
    workers._later, later = lambda *words: called.append(words[1].size) or later(*words), workers._later
    with workers.both():
        by_halves(kernel, copies, *rest)
    workers.close()
    assert SECOND.get() is None and bool(called) == (n >= LONG) and all(abs(size - n / 2) < 16 for size in called)
    for a, b in zip(arrays, copies, strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_large_net_trains_to_the_same_bytes_on_two_threads():
    found = []
    for threads in (1, 2):
        large = Sequential(Linear(LONG // 200 + 3), LIF(0.5), Linear(3), LIF(0.5), inputs=(200,), seed=1)
        data = patterns(shape=(200,))
        Trainer(large, data, encoder=Bernoulli(4), epochs=2, batch=10, seed=2, threads=threads).fit()
        found.append([p.flat()[0].copy() for p in large.parameters_of()])
    for a, b in zip(*found, strict=True):
        assert a.tobytes() == b.tobytes()


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


def normed(kind=np.float64):
    """Norms of currents, behind each other and in a residual block."""
    block = Residual(
        Sequential(Linear(20, name="in"), BatchNorm(), LIF(0.5, 0.5), Linear(20, name="back"), BatchNorm())
    )
    return model(BatchNorm(name="first"), LIF(0.5, 0.5), block, BatchNorm(0.5, momentum=0.3), kind=kind)


def norms(model):
    return [a for layer in model.layers() for a in layer.buffers().values()]


def test_coupled_halves_are_the_whole():
    """Batch norm takes the moments of both halves, forward and backward, and its running means once."""
    whole = normed()
    whole.set_training(True)
    y, pull = whole(make(SAMPLES))
    value, dy, _ = rate_mse(y, LABELS, BATCH)
    pull(dy)
    for threads in (1, 2):
        workers = Workers(normed(), rate_mse, threads, STEPS)
        done, found = gradients(workers)
        np.testing.assert_allclose(done.loss, value * BATCH, rtol=1e-12)
        for mine, p in zip(found, whole.parameters_of(), strict=True):
            np.testing.assert_allclose(mine, p.gradient, rtol=0, atol=1e-12)
        for mine, theirs in zip(norms(workers.model), norms(whole), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)
        workers.close()


def test_coupled_halves_are_the_same_bytes_on_one_thread_or_two():
    found = []
    for threads in (1, 2):
        workers, told = Workers(normed(kind=np.float32), rate_mse, threads, STEPS), []
        for step in range(4):
            n = (BATCH, 1, 2, BATCH - 1)[step]  # a batch of one sample has no halves
            done = workers.run(make, SAMPLES[:n], LABELS[:n], learn=True, step=step)
            told += [np.array([done.loss, done.correct, done.n]), *(p.gradient for p in workers.model.parameters_of())]
            told = [a.copy() for a in (*told, *norms(workers.model))]
        workers.run(make, SAMPLES, LABELS, learn=False)
        workers.close()
        found.append(b"".join(a.tobytes() for a in told))
    assert found[0] == found[1]


def test_a_half_without_a_gradient_does_not_leave_the_other_waiting():
    class Some(Loss):
        """The samples of the second half alone count."""

        def __call__(self, y, labels, total):
            value, dy, score = rate_mse(y, labels, total)
            return value, type(dy)(dy.value * 0, dy.steps, dy.batch, dy.shape) if labels.size == 6 else dy, score

    for threads in (1, 2):
        workers = Workers(normed(), Some(), threads, STEPS)
        with time_limit(60.0):
            assert any(g.any() for g in gradients(workers)[1])
        workers.close()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bad", [0, 6])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_half_that_fails_says_why_and_the_other_ends(threads, bad, kind):
    workers = Workers(normed(), rate_mse, threads, STEPS)
    layer = (workers.model if bad == 0 else workers.twin).parts()[2]
    call = type(layer).__call__

    class Failing(type(layer)):
        def __call__(self, x):
            if failing:
                raise kind("no more")
            return call(self, x)

    layer.__class__, failing = Failing, True
    with pytest.raises(kind, match="no more"):
        gradients(workers)
    failing = False
    assert gradients(workers)[0].n == BATCH  # and they meet again
    workers.close()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ways", [(1, 0), (0, 1), (1, 0, 0, 1)])
def test_halves_that_go_different_ways_are_refused(threads, ways):
    class Some(BatchNorm):
        """Of one's own: it looks at its samples first."""

        meets = True

        def __call__(self, x):
            return super().__call__(x) if plan[(self.name, HALF.get().side)] else (x, lambda dy: dy)

    plan = {("a", 0): ways[0], ("a", 1): ways[1]} | dict(zip([("b", 0), ("b", 1)], ways[2:] or (1, 1), strict=True))
    workers = Workers(model(Some(name="a"), Some(name="b")), rate_mse, threads, STEPS)
    with pytest.raises(ParameterError, match="different ways.*norm 'a'"):
        gradients(workers)
    plan = dict.fromkeys(plan, 1)
    assert gradients(workers)[0].n == BATCH


def test_a_norm_with_a_call_of_its_own_has_the_batch_whole():
    class Own(BatchNorm):
        def __call__(self, x):
            assert x.batch == BATCH
            return super().__call__(x)

    workers = Workers(model(Own()), rate_mse, 2, STEPS)
    assert workers.whole and gradients(workers)[0].n == BATCH


@pytest.mark.parametrize("threads", [1, 2])
def test_a_step_that_is_interrupted_anywhere_ends_and_the_next_one_runs(threads):
    """An exception at a line of the calling thread, one line after another."""
    files = ("meeting.py", "workers.py", "norm.py")

    def interrupted(at):
        count = 0

        def look(frame, event, _):
            nonlocal count
            if frame.f_code.co_filename.endswith(files) and frame.f_code.co_name != "__del__":
                if event == "line":
                    count += 1
                    if count == at:
                        raise KeyboardInterrupt
                return look
            return None

        before = sys.gettrace()
        sys.settrace(look)
        try:
            workers.run(make, SAMPLES, LABELS, learn=True)
        finally:
            sys.settrace(before)

    there = threading.active_count()
    workers, at, ended = Workers(normed(), rate_mse, threads, STEPS), 1, False
    while not ended:
        at += 3
        with time_limit(20.0):
            try:
                interrupted(at)
                ended = True
            except KeyboardInterrupt:
                workers.clear()
            assert workers.run(make, SAMPLES, LABELS, learn=True).n == BATCH
    gc.collect()
    with time_limit(20.0):
        while threading.active_count() > there:
            time.sleep(0.01)  # what was interrupted ends
    assert at > 200 and HALF.get().meeting is None


def test_one_thread_reads_the_data_and_works_after_close():
    seen = set()

    def read(samples):
        seen.add(threading.get_ident())
        return make(samples)

    for threads in (1, 2):
        workers = Workers(normed(), rate_mse, threads, STEPS)
        for _ in range(2):
            assert workers.run(read, SAMPLES, LABELS, learn=True).n == BATCH
            assert workers.run(read, SAMPLES, LABELS, learn=False).n == BATCH
            workers.close()
        assert threads == 2 or seen == {threading.get_ident()}


def test_layers_that_couple_samples_and_cannot_meet_have_the_batch_whole():
    class Ranked(Layer):
        """Of one's own: each sample is given what the batch has in the mean."""

        coupled = True

        def __call__(self, x):
            return Current(x.by_row - x.by_row.mean(), x.steps, x.batch, x.shape), lambda dy: dy

    workers = Workers(model(Ranked()), rate_mse, 2, STEPS)
    assert workers.twin is workers.model and gradients(workers)[0].n == BATCH


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


def test_matrix_products_keep_to_one_thread_and_what_was_set_comes_back():
    """Also where a batch breaks off; somebody else's number of threads is left alone."""
    libraries = _libraries()
    if not libraries:
        pytest.skip("no BLAS library that is known")
    before = [lib.get_num_threads() for lib in libraries]
    try:
        for n in (2, 1):
            for lib in libraries:
                lib.set_num_threads(n)
            with contextlib.suppress(ZeroDivisionError), one_blas_thread():
                assert {lib.get_num_threads() for lib in libraries} == {1}
                _ = 1 / 0
            assert {lib.get_num_threads() for lib in libraries} == {n}
    finally:
        for lib, n in zip(libraries, before, strict=True):
            lib.set_num_threads(n)


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
