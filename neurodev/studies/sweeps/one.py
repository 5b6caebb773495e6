"""One run of a sweep, by whoever was handed it: begun, gone on with, or found finished.

Nothing here depends on who else works in the folder: a file is looked at when it is its turn, and taken as `RunFile`
takes it, one writer at a time.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurodev import blame
from neurodev.errors import NeurodevError, RunFileError
from neurodev.record.provenance import check_sources
from neurodev.record.runfile import RunFile
from neurodev.runs.run import Run
from neurodev.studies import development
from neurodev.studies.sweeps import folder as place
from neurodev.studies.sweeps.cases import Case, hash_of, is_training

DONE, FAILED, CUT, ELSEWHERE = "done", "failed", "cut", "elsewhere"


@dataclass(frozen=True)
class How:
    """What is the same for all runs of a sweep.

    Attributes
    ----------
    folder : str
    threads : int
    here : str
        Working folder of who asked: modules of one's own may lie there.
    progress : bool
        Whether each run shows its own bar.
    overwrite : bool
        Replace what is there, finished or of another study.
    notes : bool
        Whether the message of a run that fails is kept beside it.
    """

    folder: str
    threads: int = 1
    here: str = ""
    progress: bool = False
    overwrite: bool = False
    notes: bool = True


@dataclass(frozen=True)
class Outcome:
    """How it went: the state, the message of a failure, and whether anything was run (seconds)."""

    state: str
    message: str = ""
    seconds: float = 0.0
    ran: bool = False


def apart(case: Case, how: How) -> Outcome:
    """`one` in a process of somebody else's: what ends it is told, and does not end that process."""
    try:
        return one(case, how)
    except (KeyboardInterrupt, SystemExit):
        return Outcome(CUT)


def one(case: Case, how: How) -> Outcome:
    """Run one case, if it is not finished; whatever goes wrong with it is told and kept, not raised.

    Raises
    ------
    KeyboardInterrupt, SystemExit
        If it was broken off; its file can be gone on with.
    """
    path, begin = Path(how.folder) / case.file, time.perf_counter()
    if how.here and how.here not in sys.path and os.path.isdir(how.here):
        sys.path.append(how.here)
    ran = True
    try:
        ran = _done(case, path, how)
        message = ""
    except RunFileError as e:
        now = place.state(path, case.hash)  # somebody may have been quicker
        if now in (place.GROWING, place.FINISHED):
            return Outcome(ELSEWHERE if now == place.GROWING else DONE)
        message = str(e)
    except NeurodevError as e:
        message = str(e)
    except Exception as e:  # of a part of the user's; other processes would tell it without its place
        message = blame.told(e)
    try:
        if how.notes:
            place.note_failure(path, message)
    except (NeurodevError, OSError) as e:
        message = message or str(e)
    return Outcome(FAILED if message else DONE, message, time.perf_counter() - begin, ran)


def _done(case: Case, path: Path, how: How) -> bool:
    """See to it that a run is finished; returns whether there was anything to do."""
    stands = place.NOTHING if how.overwrite else place.state(path, case.hash)
    if stands == place.GROWING:
        raise RunFileError(f"{str(path)!r} is being written by another program")
    if stands == place.OTHER:
        raise RunFileError(f"{str(path)!r} holds a run of another study: move it away, or choose another folder")
    if stands == place.FINISHED:
        with RunFile.open(path) as f:
            check_sources(f.provenance().get("sources", {}), trust=True)
        return False
    if stands == place.CUT:
        try:
            _run(case, path, how, resume=True)
            return True
        except RunFileError:  # there is no checkpoint to go on from: it begins again
            if place.state(path, case.hash) != place.CUT:
                raise
    _run(case, path, how, overwrite=how.overwrite or stands == place.CUT)
    return True


def _run(case: Case, path: Path, how: How, resume: bool = False, overwrite: bool = False) -> Run:
    """Run it, or the rest of it."""
    study = case.study()
    if is_training(study):
        from neurodev.learn import keep_freed_memory
        from neurodev.studies import training

        keep_freed_memory()
        own = "threads" in study.table.get("train", {})
        fast: dict[str, Any] = {} if own else {"threads": min(how.threads, 2)}
        t = training.trainer(
            study, path, data=_data(study), resume=resume, overwrite=overwrite, progress=how.progress, **fast
        )
        try:
            t.fit()
        except BaseException:  # its file is sealed as it stands
            t.workers.close()
            raise
        return t.close()
    life: float | None = None
    if resume:
        simulation = development.resumed(path, trust=True, progress=how.progress, threads=how.threads)
    else:
        network, life = development.build(study), development.duration(study)
        options: dict[str, Any] = {"overwrite": overwrite, "threads": how.threads}
        simulation = development.simulation(study, network, path, how.progress, **options)
    try:
        return simulation.run(life).close()
    except BaseException:
        simulation.file.abandon()  # if it was not sealed: this process may live on, and must not hold it
        raise


_last: dict[str, Any] = {}


def _data(study: Any) -> Any:
    """The data of a study; those of the run before, if they are the same."""
    about = hash_of({"data": study.table.get("data", {}), "seed": study.table.get("data", {}).get("draw", study.seed)})
    if about not in _last:
        from neurodev.studies import training

        _last.clear()
        _last[about] = training.dataset(study)
    return _last[about]


def share_done(case: Case, path: Path) -> float:
    """How much of a run that grows is written, 0 to 1; 0 where it cannot be told."""
    try:
        run = Run(path)
        if run.is_training:
            return min(1.0, run.n_tick / max(1, int(run.training.settings["epochs"])))
        life = development.duration(case.study())
        return min(1.0, run.days * 86_400_000.0 / life)
    except Exception:  # it is only looked at
        return 0.0
