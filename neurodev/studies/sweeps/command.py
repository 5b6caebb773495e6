"""`neurodev sweep`: its options (and those of `neurodev ablate`), and what it says.

This module is imported with the parser: what runs is imported where it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError


def options(sub: Any) -> None:
    """The options of `neurodev sweep` and `neurodev ablate`."""
    a = sub.add_parser("sweep", help="run a study over values of its keys and over seeds, on many cores or machines")
    a.add_argument("study", help="a study, or the folder of a sweep to go on with")
    a.add_argument(
        "--over", action="append", default=[], metavar="KEY=VALUES",
        help="20,30,40 or 20..40/5 (five values) or 1e-4..1e-2:log; several make all combinations of them",
    )  # fmt: skip
    a.add_argument("--paired", action="store_true", help="the first values together, then the second, ...")
    a.add_argument("--draw", type=int, metavar="N", help="draw N points from ranges such as 20..40")
    a.add_argument("--how", default="sobol", help="how they are drawn: sobol (default), halton, latin or random")
    a.add_argument("--seeds", default="1", help="so many from the study's on at each point, or a list: 1,5,9")
    a.add_argument("--jobs", type=int, help="processes of this machine (default: one a core)")
    a.add_argument("--threads", type=int, help="of each run (default: the cores shared out); for speed alone")
    a.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster, such as tcp://10.0.0.1:8786")
    a.add_argument("--task", type=int, metavar="K", help="run number K alone, from 0: for array jobs of a cluster")
    a.add_argument("--to", help="folder (default: beside the study, NAME-sweep)")
    a.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="the same for all runs")
    a.add_argument("--list", action="store_true", help="say what would be run, with numbers and files, and run nothing")
    a.add_argument("--look", action="store_true", help="say where the sweep of a folder stands, and run nothing")
    a.add_argument("--netcdf", metavar="FILE", help="write all series and numbers as one labelled data set")
    a.add_argument("--figure", metavar="FILE", help="draw the first number over the points to this PNG file")
    a.add_argument(
        "--overwrite", action="store_true", help="run again what is finished, or replace another sweep's list"
    )
    a.add_argument("--quiet", action="store_true", help="no progress bar")
    a = sub.add_parser("ablate", help="leave out each mechanism in turn, paired seeds, one table")
    a.add_argument("study")
    a.add_argument("--seeds", type=int, default=1)
    a.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--to", help="folder that keeps the runs, and goes on with them (default: none is kept)")
    a.add_argument("--quiet", action="store_true", help="the table alone, no line a run")


def run(args: Any, say: Callable[..., None]) -> None:
    """Run it, and say what it came to.

    Raises
    ------
    ParameterError, StudyError
        Before anything runs.
    NeurodevError
        At the end, if a run failed.
    """
    from neurodev.plot import output
    from neurodev.studies import reading
    from neurodev.studies.sweeps import sweep as sweeps
    from neurodev.studies.sweeps.result import Sweep

    if args.figure:
        output.checked(args.figure)
    if args.look:
        _told(Sweep(sweeps.beside(args.study) if args.to is None else args.to), args, say)
        return
    study = _study(args, reading)
    over = _over(args.over)
    asked = {"seeds": _seeds(args.seeds), "paired": args.paired, "draw": args.draw, "how": args.how}
    if args.list:
        d = sweeps.described(study, over, **asked)
        _list(d, sweeps.beside(study) if args.to is None else Path(args.to), say)
        return
    found = sweeps.sweep(
        study, over, executor=None, jobs=args.jobs, scheduler=args.scheduler, to=args.to, task=args.task,
        threads=args.threads, overwrite=args.overwrite, progress=not args.quiet, **asked,
    )  # fmt: skip
    if args.task is None:
        _told(found, args, say)
        bad = [f for f in found.failed]
        if bad:
            raise sweeps.failed(len(bad), len(found), bad[0].message)
    else:
        bad = [f for f in found.failed if f.task == args.task]
        if bad:
            raise sweeps.failed(1, 1, bad[0].message)
        say(f"run {args.task} of {len(found)} (from 0) is finished, in {str(found.folder)!r}")


def _study(args: Any, reading: Any) -> Any:
    """The study with its settings; the folder of a sweep as it is."""
    if os.path.isdir(args.study):
        if args.set:
            raise ParameterError(f"{args.study!r} is a folder, whose sweep says itself what is set: leave out --set")
        return args.study
    return reading.load(args.study, reading.settings(args.set))


def _over(words: list[str]) -> dict[str, Any]:
    """``["a=1,2"]`` as values by key.

    Raises
    ------
    ParameterError
        For a word that is not of the form KEY=VALUES, and a key that stands twice.
    """
    from neurodev.studies.sweeps import points

    out: dict[str, Any] = {}
    for word in words:
        key, equals, values = word.partition("=")
        if not equals or not key:
            raise ParameterError(f"--over needs KEY=VALUES, such as run.acceleration=60,120, got {word!r}")
        if key in out:
            raise ParameterError(f"--over {key} stands twice: write all of its values in one, {key}=20,30,40")
        out[key] = points.words(values, key)
    return out


def _seeds(word: str) -> Any:
    """How many seeds, or which."""
    try:
        each = [int(w) for w in word.split(",")]
    except ValueError:
        raise ParameterError(f"--seeds must be a number of seeds, or a list such as 1,5,9, got {word!r}") from None
    return each if "," in word else each[0]


def _list(d: Any, folder: Path, say: Callable[..., None]) -> None:
    """What would be run."""
    from neurodev.studies.sweeps import folder as place

    for k, case in enumerate(d.cases):
        stands = place.state(folder / case.file, case.hash) if folder.is_dir() else place.NOTHING
        say(f"{k:>5}  {case}  {case.file}" + (f"  ({stands})" if stands != place.NOTHING else ""))
    say(f"{len(d.cases)} runs; for array jobs: --array=0-{len(d.cases) - 1}")


def _told(found: Any, args: Any, say: Callable[..., None]) -> None:
    """The table, and what was asked for beside it."""
    say(found.told())
    if args.netcdf:
        say(f"wrote {found.to_netcdf(args.netcdf)}")
    if args.figure:
        from neurodev.plot import output
        from neurodev.plot.style import png

        say(f"wrote {output.write(args.figure, png(found.plot()))}")
    say(f"the runs are in {found.folder}")
