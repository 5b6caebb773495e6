"""Threads of libraries beside our own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


@cache
def _of_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within it, the library behind NumPy's matrix products keeps to the thread that calls it.

    Products of a step are small: its threads would wait for each other, busily, on cores that the two halves of a batch
    need, and sums would depend on their number.  What was set before is set again afterwards.
    """
    return _of_libraries().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]
