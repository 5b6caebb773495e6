"""`nd.sweep`: many runs of one study, on any executor."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.params import flag, whole
from neurodev.studies import reading
from neurodev.studies.sweeps import folder as place
from neurodev.studies.sweeps import points as making
from neurodev.studies.sweeps import warm
from neurodev.studies.sweeps.cases import Case, alone, cases
from neurodev.studies.sweeps.folder import Description
from neurodev.studies.sweeps.going import Going, Tell
from neurodev.studies.sweeps.one import How, Outcome
from neurodev.studies.sweeps.result import Sweep
from neurodev.studies.sweeps.workers import Here, Processes, checked
from neurodev.studies.sweeps.workers import scheduler as reached
from neurodev.writing import absolute

_MOST_JOBS = 1024


def described(
    study: Any, over: Any = None, *, seeds: Any = 1, paired: bool = False, draw: int | None = None, how: str = "sobol"
) -> Description:
    """What a sweep runs, before anything runs.

    Parameters
    ----------
    study : path or Study
        Or the folder of a sweep, which says the rest itself.

    Raises
    ------
    ParameterError, StudyError
        Naming what cannot be run.
    """
    if not isinstance(study, reading.Study):
        if not isinstance(study, (str, os.PathLike)):
            raise ParameterError(
                f"study must be the path of a study, such as 'map.toml', or the folder of a sweep, got {shown(study)}"
            )
        if os.path.isdir(study) and os.path.isfile(os.path.join(study, place.NAME)):
            return _again(Path(study), over, seeds, paired, draw)
        study = reading.load(study)
    found = making.points(over, paired=paired, draw=draw, how=how, seed=study.seed)
    every = making.seeds(seeds, study.seed)
    total = len(found.rows) * len(every)
    if total > making.MOST:
        raise ParameterError(f"{total:,} runs are more than a sweep may have, {making.MOST:,}: vary less, or draw=1000")
    return Description(study, found, every, alone(cases(study, found, every)))


def _again(folder: Path, over: Any, seeds: Any, paired: bool, draw: Any) -> Description:
    """The sweep of a folder once more."""
    if over or paired or draw is not None or seeds != 1:
        raise ParameterError(
            f"{str(folder)!r} is the folder of a sweep, which says itself what is varied: leave out over=, seeds=, "
            "paired= and draw=, or name the study"
        )
    old = place.read(folder)
    return Description(old.study, old.points, old.seeds, alone(cases(old.study, old.points, old.seeds)))


def beside(study: Any) -> Path:
    """The folder of a sweep that nobody named: beside the study, or that which was named in its place."""
    path = Path(study.path if isinstance(study, reading.Study) else study)
    return path if path.is_dir() else path.with_name(f"{path.stem}-sweep")


def sweep(
    study: Any, over: Any = None, *, seeds: Any = 1, executor: Executor | None = None, jobs: int | None = None,
    scheduler: str | None = None, to: Any = None, paired: bool = False, draw: int | None = None, how: str = "sobol",
    task: int | None = None, threads: int | None = None, overwrite: bool = False, progress: bool = True,
) -> Sweep:  # fmt: skip
    """Run a study many times: over values of its keys, and over seeds; developing and training studies alike.

    Each run is a file in one folder.  One that is finished, of the same study, is not run again; one that was cut is
    gone on with; one that fails is told of in `Sweep.failed` and stops no other; one whose process dies is tried again.
    The same call after an interrupt therefore goes on; results do not depend on who ran what, or how many at a time.

    Parameters
    ----------
    study : path or Study
        A study; or the folder of a sweep, which goes on as that describes it.
    over : dict or list of dict, optional
        Values by key, as ``--set`` names keys: ``{"projection.map.use.Neurotrophin.feeds": [20, 30, 40]}``.  All
        combinations are run.  In place of a list a range: ``"20..40/5"`` (five values), ``"1e-4..1e-2:log"``,
        ``"10..50:whole"``, ``"5..20 ms"``.  A list of dicts is the points themselves.
    seeds : int or list of int
        So many from the study's on, the same ones at each point; or these.
    executor : concurrent.futures.Executor, optional
        Who runs: Dask's ``client.get_executor()``, ``MPIPoolExecutor()`` of mpi4py.futures, ...  It is not shut down.
    jobs : int, optional
        Processes of this machine, if no executor is given; by default one a core.  1: this process.
    scheduler : str, optional
        Address of a Dask scheduler, ``"tcp://10.0.0.1:8786"``; its workers must see the folder.
    to : path, optional
        The folder; by default beside the study, ``NAME-sweep``.
    paired : bool
        The first values of all keys together, then the second, in place of all combinations.
    draw : int, optional
        So many points, drawn from ranges and lists.
    how : {"sobol", "halton", "latin", "random"}
        How they are drawn, for the study's own seed: the first three cover ranges evenly.
    task : int, optional
        Run this one alone, counted from 0: for array jobs of a cluster.
    threads : int, optional
        Of each run; by default the cores shared out among `jobs`, on other executors 1.  No result depends on it.
    overwrite : bool
        Run again what is finished; describe this sweep in place of another one in the folder.
    progress : bool
        A bar over all runs with the time that is left; where there is no terminal a line every ten seconds.

    Raises
    ------
    ParameterError, StudyError
        Before anything runs: for an unknown key with the nearest, values that cannot be, a folder of another sweep.
    NeurodevError
        If no process can be begun, or the executor takes no more runs.

    Notes
    -----
    In a program of your own the call stands below ``if __name__ == "__main__":``, as each process imports it anew.

    Examples
    --------
    >>> a = "population.a = {kind = 'LIF', n = 9, drive = 25}; run = {duration = '2 hour', acceleration = 1e5}"
    >>> _ = Path("a.toml").write_text(a.replace("; ", chr(10)))
    >>> nd.sweep("a.toml", {"population.a.drive": [25, 40]}, seeds=3, jobs=1, progress=False).values("rate_hz").shape
    (2, 3)
    """
    d = described(study, over, seeds=seeds, paired=paired, draw=draw, how=how)
    overwrite, progress = flag(overwrite, "overwrite"), flag(progress, "progress")
    chosen = d.cases if task is None else [d.cases[_task(task, len(d.cases))]]
    jobs, threads = shares(jobs, threads, len(chosen), executor, scheduler)
    where = absolute(beside(study) if to is None else to)
    with ExitStack() as stack:
        if scheduler is not None:
            executor = stack.enter_context(reached(scheduler))
        place.describe(place.made(where), d, overwrite)
        settings = How(str(where), threads, os.getcwd(), False, overwrite)
        going(chosen, settings, executor, jobs, progress=progress)
    return Sweep(where)


def going(
    chosen: list[Case], settings: How, executor: Any, jobs: int, tell: Tell | None = None, progress: bool = False,
    again: str = "",
) -> dict[str, Outcome]:  # fmt: skip
    """Have cases run by an executor, by processes, or (one job) here; how each went, by its file."""
    if executor is not None:
        return Going(chosen, settings, executor, None, tell, progress, again).all()
    if jobs == 1:
        return Going(chosen, settings, Here(), 1, tell, progress, again).all()
    left = [c for c in chosen if place.state(Path(settings.folder) / c.file, c.hash) != place.FINISHED]
    warm.compile_for(chosen if settings.overwrite else left)
    with Processes(jobs, settings.threads) as processes:
        return Going(chosen, settings, processes, jobs, tell, progress, again).all()


def _task(task: Any, n: int) -> int:
    k = whole(task, "task", 0, cure="tasks are counted from 0")
    if k >= n:
        raise ParameterError(
            f"task must lie in [0, {n - 1}], as this sweep has {n} runs, counted from 0 (--array=0-{n - 1}), got {k}"
        )
    return k


def shares(jobs: Any, threads: Any, n: int, executor: Any = None, address: Any = None) -> tuple[int, int]:
    """Processes for n runs, and threads of each run, so that both together are the cores.

    Raises
    ------
    ParameterError
        If two arguments say who runs, or one is no number.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = [name for name, v in (("executor", executor), ("jobs", jobs), ("scheduler", address)) if v is not None]
    if len(given) > 1:
        raise ParameterError(f"{' and '.join(given)} both say who runs: leave one of them out")
    if executor is not None:
        checked(executor)
    threads = None if threads is None else whole(threads, "threads", 1, 1024)
    if executor is not None or address is not None:
        return 1, threads or 1
    found = cores if jobs is None else whole(jobs, "jobs", 1, _MOST_JOBS)
    found = max(1, min(found, n))
    return found, threads or max(1, cores // found)


def failed(n: int, of: int, message: str) -> NeurodevError:
    """An error that says how many runs failed, and why the first did."""
    return NeurodevError(f"{n} of {of} runs failed; the first: {message}" if of > 1 else message)
