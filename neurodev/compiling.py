"""What the compiler takes: seconds that nobody looks for in the time of an epoch, and a line when it begins.

Numba compiles a kernel, or loads what is kept of it, when it is first called with some types: in the first steps of a
training.  Here is who looks at the clock meanwhile.  Nothing that is computed depends on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from neurodev import jit
from neurodev.kernel_cache import say


class Taken(NamedTuple):
    """What the compiler took so far in this process.

    `seconds` in which it was busy in any thread, `processor` seconds of its threads, `kernels` that were compiled and
    not loaded.
    """

    seconds: float
    processor: float
    kernels: int


class _Clock:
    """Adds up what the compiler takes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may come back to the same thread
        self._mine = threading.local()  # depth and beginning in a thread
        self._inside = 0  # calls of all threads
        self._begun = self._wall = self._processor = 0.0
        self._kernels = self.tellers = 0

    def taken(self) -> None:
        with self._lock:
            if not self._inside:
                self._begun = time.perf_counter()
            self._inside += 1
        self._mine.depth = getattr(self._mine, "depth", 0) + 1
        if self._mine.depth == 1:
            self._mine.begun = time.thread_time()

    def left(self) -> None:
        spent = 0.0
        self._mine.depth -= 1
        if not self._mine.depth:
            spent = time.thread_time() - self._mine.begun
        with self._lock:
            self._processor += spent
            self._inside -= 1
            if not self._inside:
                self._wall += time.perf_counter() - self._begun

    def compiles(self) -> None:
        with self._lock:
            self._kernels += 1
        if self.tellers:
            kept = ", once: what is compiled is kept for all later runs" if jit.CACHE else ""
            say("kernels", f"compiling kernels{kept}")

    def now(self) -> Taken:
        with self._lock:
            busy = time.perf_counter() - self._begun if self._inside else 0.0
            return Taken(self._wall + busy, self._processor, self._kernels)


_clock = _Clock()
jit.watch_compiler(_clock.taken, _clock.left, _clock.compiles)


def taken() -> Taken:
    """What the compiler took so far in this process, from the import of this module on."""
    return _clock.now()


@contextmanager
def told() -> Iterator[None]:
    """Within, the first kernel of this process that has to be compiled is told in a line on stderr."""
    _clock.tellers += 1
    try:
        yield
    finally:
        _clock.tellers -= 1


def words(watch: Stopwatch) -> str:
    """What a line about an epoch says of the compiler, if it was worth a word."""
    spent = watch.compiling()
    return f", kernels compiled for {spent:.0f} s" if watch.kernels() and spent >= 1.0 else ""


class Stopwatch:
    """Seconds since it was begun, apart from those of the compiler.

    Parameters
    ----------
    processor : bool
        Count processor seconds of this thread, not those on the wall.
    """

    def __init__(self, processor: bool = False) -> None:
        self._clock = time.thread_time if processor else time.perf_counter
        self._which = 1 if processor else 0
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._from, self._taken = self._clock(), taken()

    def seconds(self) -> float:
        """Seconds without the compiler, at least 0."""
        return max(self._clock() - self._from - self.compiling(), 0.0)

    def compiling(self) -> float:
        """Seconds of the compiler."""
        return float(taken()[self._which] - self._taken[self._which])

    def kernels(self) -> int:
        """Kernels that were compiled, and not loaded."""
        return taken().kernels - self._taken.kernels
