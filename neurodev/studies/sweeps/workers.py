"""Who runs: processes of this machine by default, each alone, so that one that dies takes nobody along."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import current_process, get_context, parent_process
from typing import Any

from neurodev.errors import NeurodevError, ParameterError, shown

_STARTING = threading.Lock()  # threads of this process begin workers one after the other: they share its environment
_SECONDS = 5.0  # until a process that has ended is known to have ended
_GUARD = (
    'in a program of your own the call must stand below `if __name__ == "__main__":`, as each process imports the '
    "program anew; or run them in this process, jobs=1"
)
ANSWERS = 10.0  # s within which a scheduler answers
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Here(Executor):
    """One run after the other, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function now; what it raises, Ctrl-C too, goes on to the caller."""
        out: Future[Any] = Future()
        out.set_result(fn(*args, **kwargs))
        return out


class Processes(ThreadPoolExecutor):
    """Processes of this machine: a thread for each, which begins another one where one has died.

    A pool of several processes loses all of them, and all that they were doing, when one dies: each of ours is a pool
    of one, by ``spawn``.

    Parameters
    ----------
    jobs : int
    threads : int
        That the libraries beneath NumPy may use in each.
    """

    def __init__(self, jobs: int, threads: int = 1) -> None:
        if getattr(current_process(), "_inheriting", False):  # a process of ours, which imports the program anew
            raise NeurodevError(f"a sweep within a process of a sweep: {_GUARD}")
        super().__init__(jobs, thread_name_prefix="neurodev-sweep")
        self._threads_each = threads
        self._mine = threading.local()
        self._pools: list[ProcessPoolExecutor] = []
        self._begun_pools: set[int] = set()
        self._ending = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called in the next process that is free.

        Raises
        ------
        BrokenProcessPool
            As the result of the future, if its process died.
        """
        return super().submit(self._in_process, fn, *args, **kwargs)

    def _in_process(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        pool: ProcessPoolExecutor | None = getattr(self._mine, "pool", None)
        if pool is None:
            self._mine.pool = pool = self._begun()
        try:
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenProcessPool:
            self._mine.pool = None
            pool.shutdown(wait=False)
            raise

    def _begun(self) -> ProcessPoolExecutor:
        """A process that has begun.

        Raises
        ------
        NeurodevError
            If it ended before it could do anything.
        """
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)
        with _STARTING:
            if self._ending:
                raise BrokenProcessPool("the sweep is ending")
            before = {k: os.environ.get(k) for k in _LIBRARIES}
            os.environ.update(dict.fromkeys(_LIBRARIES, str(self._threads_each)))
            try:
                hello = pool.submit(_hello)  # the process is made by this call
            finally:
                for k, v in before.items():
                    os.environ.pop(k) if v is None else os.environ.update({k: v})
            self._pools.append(pool)
        made = list((pool._processes or {}).values())
        try:
            hello.result()
            self._begun_pools.add(id(pool))
        except BrokenProcessPool as e:
            for process in made:
                process.join(_SECONDS)
            if self._ending or any((process.exitcode or 0) < 0 for process in made):  # it was killed
                raise
            raise NeurodevError(f"a process for the runs ended before it had begun: {_GUARD}") from e
        return pool

    def processes(self) -> list[int]:
        """Numbers of the processes that live."""
        return [pid for pool in self._pools for pid, p in (pool._processes or {}).items() if p.is_alive()]

    def end(self) -> None:
        """Have every run broken off and its file sealed, and wait for that."""
        self._ending = True
        self.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            for pid in list(pool._processes or {}):
                with suppress(OSError):  # who has not begun knows of no run to seal
                    os.kill(pid, signal.SIGINT if id(pool) in self._begun_pools else signal.SIGTERM)
        self.shutdown(wait=True, cancel_futures=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have done what they do."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            for pool in self._pools:
                pool.shutdown(wait=True, cancel_futures=True)
            self._pools.clear()


# ---------------------------------------------------------------------- within a process

_at_work = threading.Event()


def _hello() -> None:
    """What a new process does first."""


def at_work(fn: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a process of ours: Ctrl-C ends that, and not the process."""
    _at_work.set()
    try:
        return fn(*args)
    finally:
        _at_work.clear()


def _begin() -> None:
    """A process that is asked to end seals its run first; one whose parent was killed ends too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _asked)
    threading.Thread(target=_watch, daemon=True).start()


def _asked(number: int, frame: Any) -> None:
    if _at_work.is_set():
        raise KeyboardInterrupt
    if number == signal.SIGTERM:
        raise SystemExit(128 + number)


def _watch() -> None:
    """End with the parent: nobody would hear of what is done after it."""
    parent = parent_process()
    if parent is None:
        return
    parent.join()
    if _at_work.is_set():
        signal.raise_signal(signal.SIGINT)
    while _at_work.is_set():
        threading.Event().wait(0.05)
    os._exit(1)


# ---------------------------------------------------------------------- somebody else's


def checked(executor: Any) -> Executor:
    """What is handed over to run on: anything that is a `concurrent.futures.Executor`, or has its `submit`.

    Raises
    ------
    ParameterError
        With what to hand over instead.
    """
    if hasattr(executor, "get_executor"):  # a Client of Dask: its own futures are of another kind
        raise ParameterError(
            f"executor must be a concurrent.futures.Executor, got {shown(executor)}: hand over client.get_executor()"
        )
    if not isinstance(executor, Executor) and not (hasattr(executor, "submit") and hasattr(executor, "shutdown")):
        raise ParameterError(
            "executor must be a concurrent.futures.Executor, such as ProcessPoolExecutor(4), client.get_executor() of "
            f"Dask or MPIPoolExecutor() of mpi4py.futures, got {shown(executor)}"
        )
    if isinstance(executor, type):
        raise ParameterError(f"executor must be an executor, got the class {executor.__name__}: call it")
    return executor  # type: ignore[no-any-return]


@contextmanager
def scheduler(address: Any) -> Iterator[Executor]:
    """The executor that hands runs to the workers of a Dask cluster.

    Raises
    ------
    ParameterError
        If Dask is not installed, or nobody answers there.
    """
    if not isinstance(address, str) or "://" not in address:
        raise ParameterError(f"scheduler must be an address such as 'tcp://127.0.0.1:8786', got {shown(address)}")
    try:
        from distributed import Client
    except ImportError:
        raise ParameterError(
            f"scheduler={address!r} needs Dask: pip install 'neurodev[cluster]'; without it jobs= runs on this machine"
        ) from None
    try:
        client = Client(address, timeout=ANSWERS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as e:
        raise ParameterError(
            f"scheduler={address!r}: nobody answers there ({type(e).__name__}): begin one with `dask scheduler`, and "
            "its workers with `dask worker ADDRESS --nthreads 1`"
        ) from None
    with client:
        yield client.get_executor(pure=False)
