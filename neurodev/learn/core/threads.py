"""Threads of libraries beside our own, and loops over parameters in two of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from neurodev.arrays import LINE, Array

LONG = 1 << 16  # numbers from which on a second thread is worth its waking
# what has a function called in the second thread, where a training has one
SECOND: ContextVar[Callable[..., Future[Any]] | None] = ContextVar("second thread", default=None)


def by_halves(kernel: Callable[..., None], arrays: Sequence[Array], *rest: Any) -> None:
    """Call a kernel that goes number by number through flat arrays, (n,) each: by one thread or two, to the same."""
    n, second = arrays[0].shape[0], SECOND.get()
    if second is None or n < LONG:
        kernel(*arrays, *rest)
        return
    half = n // 2 // LINE * LINE  # no cache line is written by both
    later = second(kernel, *(a[half:] for a in arrays), *rest)
    kernel(*(a[:half] for a in arrays), *rest)
    later.result()


@cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it, the library behind NumPy's matrix products keeps to the thread that calls it.

    Products of a step are small: its threads would wait for each other, busily, on cores that the two halves of a batch
    need, and sums would depend on their number.  What was set before is set again afterwards.
    """
    several = [(library, n) for library in _libraries() if (n := library.get_num_threads()) != 1]
    try:
        for library, _ in several:
            library.set_num_threads(1)
        yield
    finally:
        for library, n in several:
            library.set_num_threads(n)
