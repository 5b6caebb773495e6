"""Threads of libraries beside our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


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
