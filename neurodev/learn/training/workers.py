"""A batch in two halves, always: two threads, or one after the other, with the same bytes.

Each half has gradients of its own (the model's, and those of a replica), which are added in a fixed order; so the
result does not depend on the number of threads.  Within a half, samples go through the model in *chunks* that fit the
caches, unless a layer couples the samples of a batch: then both halves meet in such layers (`core.meeting`), or, where
one of them cannot meet, the batch goes through whole.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8, Array
from neurodev.errors import ParameterError, SimulationError
from neurodev.jit import kernel
from neurodev.learn.core.meeting import HALF, Deserted, Half, Meeting, Seat
from neurodev.learn.core.threads import SECOND, by_halves, one_blas_thread
from neurodev.learn.kernels import policy
from neurodev.learn.model import Sequential
from neurodev.learn.training.kept import plain_of
from neurodev.learn.training.loss import Function, Loss, as_loss, judged
from neurodev.params import whole

CHUNK_BYTES = 14 << 20  # of the largest signal of the samples that go through the model together


@kernel
def fold(mine: Array, theirs: Array) -> None:
    """Add one array (n,) to another and clear it, in one pass."""
    for k in range(mine.shape[0]):
        mine[k] += theirs[k]
        theirs[k] = 0


@dataclass
class Outcome:
    """Loss summed over samples, what they are worth (how many are right, see `Loss.right`), and their number."""

    loss: float = 0.0
    correct: float = 0
    n: int = 0

    def add(self, other: Outcome) -> None:
        """Add the outcome of other samples."""
        self.loss += other.loss
        self.correct += other.correct
        self.n += other.n


def largest_layer(model: Sequential, steps: int) -> int:
    """Bytes of the largest signal of one sample."""
    shape = tuple(model.inputs or (1,))
    most = int(np.prod(shape))
    for layer in model.parts():
        shape = layer.out_shape(shape)
        most = max(most, int(np.prod(shape)))
    return most * steps * 4


class Workers:
    """Runs batches through a model.

    Parameters
    ----------
    model : Sequential
    loss : str, Loss or callable
    threads : {1, 2}
    steps : int
        Steps of a sample, to choose the chunk.

    Attributes
    ----------
    costs : Costs, optional
        By which kernels are chosen; those that are kept of this machine if none.
    """

    costs: policy.Costs | None = None

    def __init__(self, model: Sequential, loss: str | Loss | Function, threads: int = 1, steps: int = 20):
        if (threads := whole(threads, "threads")) not in (1, 2):
            raise ParameterError(f"threads must be 1 or 2, got {threads!r}")
        self.model, self.loss = model, as_loss(loss)
        self.coupled = model.coupled
        self.whole = model.coupled and not model.meets
        self.twin: Sequential = model if self.whole else model.replica()  # type: ignore[assignment]
        self.chunk = max(1, CHUNK_BYTES // largest_layer(model, steps))
        self.threads = 1 if self.whole else threads
        self._pool: ThreadPoolExecutor | None = None  # while it is needed

    def close(self) -> None:
        """End the second thread; the next batch begins another."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _part(self, model: Sequential, make: Callable[[I8], Any], samples: I8, labels: I8, total: int, learn: bool,
              out: NDArray[np.float32] | None, place: tuple[int, int]) -> Outcome:  # fmt: skip
        """Some samples of a batch; `place` is the step of training and the place of the first of them in the batch."""
        done = Outcome()
        step, first = place
        layers = list(model.layers())
        size = max(samples.size, 1) if self.coupled and learn else self.chunk
        half = HALF.get()
        for a in range(0, samples.size, size):
            part = slice(a, a + size)
            for layer in layers:
                layer.at(step, first + a)
            y, pull = model(make(samples[part]))
            value, dy, score, right = judged(self.loss, y, labels[part], total)
            if learn and half.sum("the end, whether there is a gradient", bool(dy.value.any())):
                pull(dy)
            done.add(Outcome(value * total, right, score.shape[0]))
            if out is not None:
                out[part] = score
        return done

    def run(
        self,
        make: Callable[[I8], Any],
        samples: I8,
        labels: I8,
        learn: bool,
        out: NDArray[np.float32] | None = None,
        step: int = 0,
        of: tuple[int, int] | None = None,
    ) -> Outcome:
        """One batch: forward, and with `learn` backward, adding to the gradients of the model.

        Parameters
        ----------
        make : callable
            Input of the model for the samples it is given.
        samples : (B,) int64
        labels : (B,) int64 or (B, n_output)
        out : (B, n_class) float32, optional
            Filled with the scores.
        step : int
            Step of training, on which draws of layers (dropout) depend.
        of : (int, int), optional
            Samples of the whole step, over which gradients are means, and how many of them came before: where a step
            is more than a batch.
        """
        token = policy.CHOSEN.set(self.costs)
        try:
            with one_blas_thread():
                return self._run(make, samples, labels, learn, out, step, of)
        finally:
            policy.CHOSEN.reset(token)

    def _run(
        self, make: Callable[[I8], Any], samples: I8, labels: I8, learn: bool, out: NDArray[np.float32] | None,
        step: int, of: tuple[int, int] | None,
    ) -> Outcome:  # fmt: skip
        n, before = (samples.size, 0) if of is None else of
        self.twin.set_training(learn)
        self.model.set_training(learn)
        if self.whole:
            return self._part(self.model, make, samples, labels, n, learn, out, (step, before))
        self._follow()
        half = (samples.size + 1) // 2
        a, b = (None, None) if out is None else (out[:half], out[half:])
        one = (self.model, make, samples[:half], labels[:half], n, learn, a, (step, before))
        two = (self.twin, make, samples[half:], labels[half:], n, learn, b, (step, before + half))
        if self.coupled and learn and samples.size > 1:
            done = self._met(one, two)
        elif self.threads == 2:
            later = self._later(self._part, *two)
            done = self._part(*one)
            done.add(later.result())
        else:
            done = self._part(*one)
            done.add(self._part(*two))
        if learn:
            with self.both():
                for mine, theirs in zip(self.model.parameters_of(), self.twin.parameters_of(), strict=True):
                    by_halves(fold, (mine.flat()[1], theirs.flat()[1]))
        return done

    @contextmanager
    def both(self) -> Iterator[None]:
        """Within it, long loops over parameters use the second thread, where there is one (`threads.by_halves`)."""
        token = SECOND.set(self._later if self.threads == 2 else None)
        try:
            yield
        finally:
            SECOND.reset(token)

    def _later(self, what: Callable[..., Any], *words: Any) -> Future[Any]:
        """In the second thread; the caller's context goes along: NumPy keeps there how it treats overflow."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1)
        context = contextvars.copy_context()
        return self._pool.submit(lambda: context.run(what, *words))

    def _met(self, one: tuple[Any, ...], two: tuple[Any, ...]) -> Outcome:
        """Two halves that meet in layers that couple them: with one thread a second one, which takes turns with it."""
        meeting, found = Meeting(turns=self.threads == 1), list[Outcome | BaseException]()
        if self.threads == 1:  # what the user's data and encoder see is one thread
            model, make, samples, *rest = two
            x = make(samples)
            two = model, lambda _: x, samples, *rest

        def first() -> Outcome:
            HALF.set(Half(meeting, 0))
            return self._part(*one)

        def second() -> None:
            failed = True
            try:
                HALF.set(Half(meeting, 1))
                meeting.come(1)
                found.append(self._part(*two))
                failed = False
            except BaseException as e:
                found.append(e)
            finally:
                meeting.leave(1, failed)

        # in contexts of their own, so that whoever breaks this off is not left half of anything
        thread = threading.Thread(target=contextvars.copy_context().run, args=(second,), daemon=True)
        seat, failed, done = Seat(meeting, 0), True, None
        try:
            thread.start()
            done = contextvars.copy_context().run(first)
            failed = False
        except Deserted:
            pass  # the other says why
        finally:  # wherever this was broken off, the other ends too
            meeting.leave(0, failed)
            if thread.ident is not None:
                thread.join()
        del seat
        (last,) = found
        if isinstance(last, Outcome) and done is not None:
            done.add(last)
            return done
        raise last if isinstance(last, BaseException) else SimulationError("half of a batch was lost")

    def _follow(self) -> None:
        """Have the replica's layers take the numbers of the model's, which a user may have changed in between."""
        for mine, theirs in zip(self.model.layers(), self.twin.layers(), strict=True):
            vars(theirs).update(plain_of(mine))

    def forget(self) -> None:
        """Nothing of an earlier training stays in the model: moments, probes, who watches."""
        for model in {id(m): m for m in (self.model, self.twin)}.values():
            for layer in model.layers():
                layer.watch, layer.watched = None, []
                for p in layer.parameters.values():
                    p.forget()

    def clear(self) -> None:
        """Set all gradients to zero (after a rewiring: slots moved)."""
        for model in (self.model, self.twin):
            for p in model.parameters_of():
                gradient = p.gradient
                gradient[...] = 0
