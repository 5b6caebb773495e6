"""The folder of a sweep: its description, where each run stands, and what failed.

``sweep.json`` says what is run: the study, its points and seeds, and the file of each run.  A run file speaks for
itself: it is finished, cut, or being written, and of the study that it keeps.  ``NAME.failed`` holds the message of a
run that failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from neurodev import __version__
from neurodev.errors import NeurodevError, ParameterError, RunFileError
from neurodev.record.place import busy, taking
from neurodev.record.runfile import RunFile
from neurodev.studies import reading
from neurodev.studies.sweeps.cases import Case, same_text
from neurodev.studies.sweeps.points import Points
from neurodev.writing import absolute

NAME = "sweep.json"
FORM = 1
NOTHING, CUT, FINISHED, GROWING, OTHER = "nothing", "cut", "finished", "growing", "other"


class Description(NamedTuple):
    """What a folder says of its sweep."""

    study: reading.Study
    points: Points
    seeds: list[int]
    cases: list[Case]


def made(to: Any, name: str = "to") -> Path:
    """The folder of a sweep, made if it is not there.

    Raises
    ------
    ParameterError
        If it cannot be one.
    """
    path = absolute(to, name)
    if not path.parent.is_dir():
        raise ParameterError(
            f"{name} {str(to)!r} cannot be a folder: {str(path.parent)!r} does not exist: make it first"
        )
    try:
        path.mkdir(exist_ok=True)
    except OSError as e:
        raise ParameterError(f"{name} {str(to)!r} cannot be a folder: {e.strerror}; name another one") from None
    return path


def write(path: Path, text: str) -> None:
    """A whole file or none: it is written beside its place and moved there.

    Raises
    ------
    NeurodevError
        If it cannot be written.
    """
    part = path.with_name(f".{path.name[:80]}.{uuid4().hex[:8]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise NeurodevError(f"cannot write {str(path)!r}: {e.strerror or e}; what stood there before stays") from e


# ---------------------------------------------------------------------- the description


def describe(folder: Path, d: Description, overwrite: bool = False) -> None:
    """Write down what is run in a folder; of another sweep it stays what it was.

    One that only grows (more seeds, more values) takes the place of what it contains: its runs are there already.

    Raises
    ------
    ParameterError
        If the folder is that of a sweep with other runs, without `overwrite`.
    """
    words = {
        "form": FORM, "neurodev": __version__,
        "study": {"path": os.path.abspath(d.study.path), "text": d.study.resolved().text},
        "keys": d.points.keys, "grid": d.points.axes if d.points.grid else None, "drawn": d.points.drawn,
        "points": [list(row) for row in d.points.rows], "seeds": d.seeds,
        "runs": [{"task": k, "file": c.file, "seed": c.seed, "hash": c.hash, "point": c.point}
                 for k, c in enumerate(d.cases)],
    }  # fmt: skip
    path = folder / NAME
    with taking(path):
        if path.is_file():
            old = _read(path)
            if old == json.loads(json.dumps(words)):
                return
            lost = {r["hash"] for r in old["runs"]} - {c.hash for c in d.cases}
            if lost and not overwrite:
                raise ParameterError(
                    f"{str(folder)!r} is the folder of another sweep, of which {len(lost)} of {len(old['runs'])} runs "
                    "are not in this one: choose another to=, or overwrite=True (--overwrite) to describe this one in "
                    "its place (run files stay)"
                )
        write(path, json.dumps(words, indent=1) + "\n")


def _damaged(path: Path, why: Exception) -> ParameterError:
    return ParameterError(f"{str(path)!r} is damaged ({why}): write it again, by the sweep that it was of")


def _read(path: Path) -> dict[str, Any]:
    """The words of a description.

    Raises
    ------
    ParameterError
        If there is none, or it is damaged.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
        if words["form"] != FORM:
            raise ParameterError(f"{str(path)!r} has the form {words['form']!r}, which this neurodev does not know")
        for run in words["runs"]:
            if not isinstance(run["hash"], str) or Path(run["file"]).name != run["file"]:
                raise ValueError("a run has no file")
        return dict(words)
    except FileNotFoundError:
        raise ParameterError(
            f"{str(path.parent)!r} is not the folder of a sweep: there is no {NAME} in it; neurodev sweep STUDY makes "
            "one"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise _damaged(path, e) from e


def read(folder: Path) -> Description:
    """The sweep of a folder, as it describes it.

    Raises
    ------
    ParameterError
        If it is not the folder of a sweep.
    """
    words = _read(folder / NAME)
    try:
        study = reading.parsed(words["study"]["text"], words["study"]["path"])
        rows, grid = [tuple(row) for row in words["points"]], words["grid"]
        points = Points(list(words["keys"]), rows, grid is not None, grid or [], bool(words["drawn"]))
        seeds = [int(s) for s in words["seeds"]]
        found = [Case(r["file"], "", study.path, int(r["seed"]), dict(r["point"]), r["hash"]) for r in words["runs"]]
        if len(found) != len(rows) * len(seeds):
            raise ValueError("its runs are not those of its points and seeds")
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise _damaged(folder / NAME, e) from e
    return Description(study, points, seeds, found)


# ---------------------------------------------------------------------- runs


def state(path: Path, wanted: str) -> str:
    """Where a run stands, of the study with a hash: one of the words above.

    A file that is neither finished nor of any study was killed at its first breath, and is cut.
    """
    with taking(path):  # nobody begins or seals it just now
        if not path.is_file():
            return NOTHING
        try:
            with RunFile.open(path) as f:
                text, done = f.provenance().get("study"), f.item("finished", None)
        except (RunFileError, OSError):
            text, done = "", None
        if done is not True:
            if busy(path):
                return GROWING
            return CUT if not text or same_text(text, wanted) else OTHER
    return FINISHED if same_text(text, wanted) else OTHER


def failure(path: Path) -> str:
    """Why a run failed when it was tried last; empty if it did not."""
    try:
        return path.with_suffix(".failed").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def note_failure(path: Path, message: str) -> None:
    """Keep a message beside the run that failed, or take it away."""
    if message:
        write(path.with_suffix(".failed"), f"{message}\n")
    else:
        path.with_suffix(".failed").unlink(missing_ok=True)


def unfinished(cases: Sequence[Case], folder: Path) -> list[Case]:
    """Those of which there is no finished run yet."""
    return [c for c in cases if state(folder / c.file, c.hash) != FINISHED]
