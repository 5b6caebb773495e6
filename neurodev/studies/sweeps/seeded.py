"""Several seeds of one study, a file each beside the study: `neurodev run --seeds` and `neurodev train --seeds`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from neurodev.params import whole
from neurodev.studies.reading import Study
from neurodev.studies.sweeps.cases import Case, case
from neurodev.studies.sweeps.one import FAILED, How, Outcome
from neurodev.studies.sweeps.sweep import failed, going, shares


def run(args: Any, study: Study, each: Sequence[tuple[int, Path]], tell: Callable[[Path], None], again: str) -> None:
    """Run them, one after the other or several at a time.

    Parameters
    ----------
    args : Namespace
        Of the command: ``jobs``, ``threads``, ``overwrite``, ``quiet``.
    each : sequence of (seed, path)
        Whether a path may be taken has been looked at.
    tell : callable
        Is told each path whose run is finished.
    again : str
        What to do after an interrupt.

    Raises
    ------
    NeurodevError
        When all have ended, if one failed.
    """
    folder = each[0][1].parent
    cases = [case(study, seed, {}, file=path.name) for seed, path in each]
    jobs, threads = shares(whole(args.jobs, "--jobs", 1), args.threads, len(cases))
    how = How(str(folder), threads, os.getcwd(), not args.quiet and jobs == 1, args.overwrite, notes=False)

    def ended(c: Case, outcome: Outcome) -> None:
        if outcome.state != FAILED:
            tell(folder / c.file)

    outcomes = going(cases, how, None, jobs, tell=ended, progress=not args.quiet and jobs > 1, again=again)
    if bad := [o.message for o in outcomes.values() if o.state == FAILED]:
        raise failed(len(bad), len(cases), bad[0])
