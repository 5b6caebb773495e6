"""A study as a text: tables of TOML, quantities with units, and objects made of them."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import neurodev.units as units
from neurodev.errors import NeurodevError, StudyError, nearest
from neurodev.studies.kinds import _NESTED

_UNIT = {k: v for k, v in vars(units).items() if isinstance(v, float)}


_QUANTITY = re.compile(r"^\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*)\s*$")


def quantity(value: Any) -> Any:
    """``"30 day"`` as a number in neurodev's units; anything else as it is."""
    if isinstance(value, str) and (m := _QUANTITY.match(value)):
        if m[2] not in _UNIT:
            raise StudyError(f"unknown unit {m[2]!r} in {value!r}{nearest(m[2], _UNIT)}; units are {sorted(_UNIT)}")
        return float(m[1]) * _UNIT[m[2]]
    return value


@dataclass
class Study:
    """A parsed study: its text and its table."""

    text: str
    table: dict[str, Any]
    path: str

    def where(self, *words: str) -> str:
        """File and line in which the last of `words` stands, for messages."""
        lines = self.text.splitlines()
        at = 0
        for word in words:
            for i in range(at, len(lines)):
                if re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", lines[i].split("#")[0]):
                    at = i
                    break
        return f"{self.path}, line {at + 1}: {lines[at].strip()!r}" if lines else self.path


def load(path: str | os.PathLike[str], overrides: dict[str, str] | None = None) -> Study:
    """Read a study.

    Parameters
    ----------
    overrides : dict of str, optional
        ``{"run.acceleration": "60"}``; values are TOML or words.

    Raises
    ------
    StudyError
        With file and line, and the nearest valid key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise StudyError(f"there is no study {str(path)!r}; `neurodev new NAME` writes one to start from") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise StudyError(f"{path} is not valid TOML: {e}") from None
    for dotted, word in (overrides or {}).items():
        _override(table, dotted, word)
    return Study(text, table, str(path))


def _override(table: dict[str, Any], dotted: str, word: str) -> None:
    *parents, last = dotted.split(".")
    here: Any = table
    for k in parents:
        if isinstance(here, list):
            named = {x.get("kind"): x for x in here}
            if k not in named:
                raise StudyError(f"--set {dotted}: no {k!r} here{nearest(k, [n for n in named if n])}")
            here = named[k]
        elif k in here:
            here = here[k]
        else:
            raise StudyError(f"--set {dotted}: no table {k!r} in this study{nearest(k, here)}; it has {sorted(here)}")
    try:
        value = tomllib.loads(f"x = {word}")["x"]
    except tomllib.TOMLDecodeError:
        value = word
    here[last] = value


def _make(study: Study, cls: type, given: dict[str, Any], place: tuple[str, ...], skip: tuple[str, ...] = ()) -> Any:
    known = [f.name for f in fields(cls) if not f.name.startswith("_")]
    arguments = {}
    for key, value in given.items():
        if key in ("kind", *skip):
            continue
        if key not in known:
            allowed = sorted([*known, *skip])
            raise StudyError(
                f"{study.where(*place, key)}: {cls.__name__} has no parameter {key!r}{nearest(key, allowed)}; "
                f"it has {allowed}"
            )
        arguments[key] = quantity(value)
        if key in _NESTED:
            where = (*place, key)
            if not isinstance(value, dict):
                raise StudyError(f"{study.where(*where)}: {key} needs a table with a kind, got {value!r}")
            arguments[key] = _make(study, kind_of(study, value, _NESTED[key], where, key), value, where)
    try:
        return cls(**arguments)
    except (NeurodevError, TypeError) as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e


def instance(cls: type, words: dict[str, str]) -> Any:
    """An instance of a mechanism or model from words: ``{"tau": "5 day", "rule": "burst"}``."""
    table: dict[str, Any] = {cls.__name__: {}}
    for name, word in words.items():
        _override(table, f"{cls.__name__}.{name}", word)
    return _make(Study("", table, cls.__name__), cls, table[cls.__name__], (cls.__name__,))


def kind_of(study: Study, given: dict[str, Any], table: dict[str, Any], place: tuple[str, ...], what: str) -> Any:
    """The entry of `table` that a section names as its kind; unknown kinds are refused with the nearest."""
    kind = given.get("kind")
    if kind is None:
        raise StudyError(f"{study.where(*place)}: {what} needs a kind, one of {sorted(table)}")
    if kind not in table:
        raise StudyError(
            f"{study.where(*place, str(kind))}: no {what} of kind {kind!r}{nearest(str(kind), table)}; "
            f"kinds are {sorted(table)}"
        )
    return table[kind]


def check_keys(study: Study, given: dict[str, Any], known: tuple[str, ...], place: tuple[str, ...]) -> None:
    """Refuse keys that a section does not know, with the nearest."""
    for key in given:
        if key not in known:
            raise StudyError(f"{study.where(*place, key)}: unknown key {key!r}{nearest(key, known)}; keys are {known}")
