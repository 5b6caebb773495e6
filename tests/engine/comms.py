"""Ranks without MPI: as many threads, and a communicator between them with what `Ranks` asks of mpi4py's."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np

T = TypeVar("T")
_one_at_a_time = threading.Lock()
_parse = ast.parse


def _parse_alone(*args: Any, **options: Any) -> Any:
    """Two threads that parse at once fail in CPython 3.11 (gh-106905); processes do not."""
    with _one_at_a_time:
        return _parse(*args, **options)


class Comm:
    """One rank's end."""

    def __init__(self, rank: int, size: int, barrier: threading.Barrier, table: list[Any]) -> None:
        self.rank, self.size, self._barrier, self._table = rank, size, barrier, table

    def Get_rank(self) -> int:  # noqa: N802
        return self.rank

    def Get_size(self) -> int:  # noqa: N802
        return self.size

    def barrier(self) -> None:
        self._barrier.wait(60)

    def allgather(self, value: Any) -> list[Any]:
        self._table[self.rank] = value
        self.barrier()
        found = list(self._table)
        self.barrier()
        return found

    def bcast(self, value: Any, root: int = 0) -> Any:
        return self.allgather(value)[root]

    def Allgather(self, mine: Any, out: Any) -> None:  # noqa: N802
        found = self.allgather(mine.copy())
        assert all(a.nbytes * self.size == out.nbytes for a in found)
        out.reshape(self.size, -1)[:] = [a.reshape(-1) for a in found]

    def Allgatherv(self, mine: Any, where: Any) -> None:  # noqa: N802
        out, (counts, places) = where
        for a, n, at in zip(self.allgather(mine.copy()), counts, places, strict=True):
            assert a.size == n and a.dtype == out.dtype
            out[at : at + n] = a


class Request:
    """A message that is there at the second look."""

    def __init__(self) -> None:
        self.looks = 0

    def Test(self) -> bool:  # noqa: N802
        self.looks += 1
        return self.looks > 1


class Crowd(Comm):
    """With messages that one may look after, and no others."""

    def Iallgather(self, *what: Any) -> Request:  # noqa: N802
        super().Allgather(*what)
        return Request()

    def Iallgatherv(self, *what: Any) -> Request:  # noqa: N802
        super().Allgatherv(*what)
        return Request()

    def Allgather(self, mine: Any, out: Any) -> None:  # noqa: N802
        raise AssertionError("a rank keeps the core while it waits")


def on_ranks(size: int, work: Callable[[Comm], T], kind: type[Comm] = Comm) -> list[T]:
    """What each of `size` ranks comes to; if one fails the others do not wait for it for ever."""
    barrier, table = threading.Barrier(size), [None] * size

    def one(rank: int) -> T:
        try:
            return work(kind(rank, size, barrier, table))
        except BaseException:
            barrier.abort()
            raise

    with patch("ast.parse", _parse_alone), ThreadPoolExecutor(size) as pool:
        waiting = [pool.submit(one, k) for k in range(size)]
    failed = [w.exception() for w in waiting if w.exception() is not None]
    first = next((e for e in failed if not isinstance(e, threading.BrokenBarrierError)), failed[0] if failed else None)
    if first is not None:
        raise first
    return [w.result() for w in waiting]


def same_everywhere(found: list[Any]) -> Any:
    """The one thing that all ranks found."""
    assert all(np.array_equal(x, found[0]) if isinstance(x, np.ndarray) else x == found[0] for x in found)
    return found[0]
