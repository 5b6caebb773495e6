"""The runs of a sweep before they are run: each a study as it will be run, its file, and its hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.studies import development, reading
from neurodev.studies.sweeps.points import Points, labels

_LETTERS = 80  # of a file name, before its hash
_UNFIT = re.compile(r"[^A-Za-z0-9.,+=-]+")


@dataclass(frozen=True)
class Case:
    """One run: plain words and numbers, so that any executor can send it anywhere.

    Attributes
    ----------
    file : str
        Name of its run file, within the folder of the sweep.
    text : str
        The study as it is run, with its point and its seed in it.
    path : str
        The study that it comes from: paths within it are beside that.
    seed : int
    point : dict
        Values by key of the study.
    hash : str
        Of what the study says, whatever its layout.
    """

    file: str
    text: str
    path: str
    seed: int
    point: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def study(self) -> reading.Study:
        """The study itself."""
        return reading.parsed(self.text, self.path)

    def __str__(self) -> str:
        short = labels(list(self.point))
        return ", ".join([*(f"{short[k]}={_said(v)}" for k, v in self.point.items()), f"seed={self.seed}"])


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _named(value: Any) -> str:
    """A value in the name of a file, the same for 4 and 4.0."""
    if isinstance(value, list):
        return "-".join(map(_named, value))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:.6g}" if number else _said(value)


def hash_of(table: Mapping[str, Any]) -> str:
    """Hash of what a study says.

    Examples
    --------
    >>> hash_of({"seed": 1, "run": {}}) == hash_of({"run": {}, "seed": 1}) != hash_of({"seed": 2, "run": {}})
    True
    """
    return hashlib.sha256(json.dumps(_alike(table), sort_keys=True, default=str).encode()).hexdigest()


def _alike(value: Any) -> Any:
    """The same for 4 and 4.0, which mean the same to every parameter."""
    if isinstance(value, dict):
        return {k: _alike(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_alike(v) for v in value]
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return float(value) if whole else value


def is_training(study: reading.Study) -> bool:
    """Whether a study trains, rather than develops."""
    return "population" not in study.table or "data" in study.table


def case(study: reading.Study, seed: int, point: Mapping[str, Any], name: str = "", file: str = "") -> Case:
    """A run of a study with a seed.

    Parameters
    ----------
    name : str
        What its file is called after: the point and the seed, if not given.
    file : str
        The file itself, in place of a name with a hash.
    """
    if is_training(study):
        from neurodev.studies import training  # which stands on all of learn

        resolved = training.resolved(study, seed)
    else:
        resolved = study.resolved(**({} if study.table.get("seed") == seed else {"seed": seed}))
    told = hash_of(resolved.table)
    if not file:
        short = labels(list(point))
        parts = [name] if name else [f"{short[k]}={_named(v)}" for k, v in point.items()]
        words = "_".join(_UNFIT.sub("-", p).strip("-.") for p in parts)
        file = f"{words[:_LETTERS]}{'_' if words else ''}seed={seed}_{told[:8]}.sqlite"
    return Case(file, resolved.text, os.path.abspath(study.path), seed, dict(point), told)


def cases(study: reading.Study, points: Points, seeds: Sequence[int]) -> list[Case]:
    """All runs: the seeds of the first point, then those of the second, ...

    Raises
    ------
    StudyError
        For a key or value that the study, or what it is about, does not have.
    """
    out, refused, first = list[Case](), 0, ""
    for point in points.tables():
        try:
            varied = reading.varied(study, point)
        except StudyError as e:
            raise StudyError(str(e).replace("--set ", "over: ", 1)) from None
        try:
            check(varied)
        except NeurodevError as e:  # of values that were drawn some may not fit together: such a run says so itself
            if not points.drawn:
                raise
            refused, first = refused + 1, first or str(e)
        out += [case(varied, seed, point) for seed in seeds]
    if refused == len(points.rows):
        raise StudyError(f"no point that was drawn can be run; of the first: {first}")
    return out


def check(study: reading.Study) -> None:
    """Build of a study what costs nothing, so that what is wrong in it stops before anything runs.

    Raises
    ------
    StudyError
        With file and line.
    """
    if is_training(study):
        from neurodev.studies import training

        training.check(study)
        return
    development.build(study)
    development.duration(study)


def same_text(text: Any, wanted: str) -> bool:
    """Whether the study that a run file keeps says what a hash is of."""
    try:
        return isinstance(text, str) and hash_of(tomllib.loads(text)) == wanted
    except (ValueError, RecursionError):
        return False


def alone(given: Iterable[Case]) -> list[Case]:
    """Cases of which each has a file of its own.

    Raises
    ------
    ParameterError
        If two are the same study.
    """
    seen: dict[str, Case] = {}
    for c in given:
        if c.file in seen:
            raise ParameterError(f"{c} and {seen[c.file]} are the same study, run twice: leave one of them out")
        seen[c.file] = c
    return list(seen.values())
