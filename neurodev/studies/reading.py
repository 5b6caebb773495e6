"""A study as a text: tables of TOML, quantities with units, and objects made of them."""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import neurodev.units as units
from neurodev import registry
from neurodev.errors import NeurodevError, ParameterError, StudyError, nearest
from neurodev.registry import Kinds
from neurodev.studies.lines import lines_of

Place = tuple[str | int, ...]

_UNIT = {k: v for k, v in vars(units).items() if isinstance(v, float)}
_QUANTITY = re.compile(r"^\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*)\s*$")
# parameters that are things themselves, each a table with a kind (or a list of such tables)
_NESTED = {
    "dendrite": "dendrite", "wiring": "wiring", "delay": "delay", "curve": "growth curve", "surrogate": "surrogate",
    "layer": "layer", "layers": "layer",
}  # fmt: skip
_ALWAYS_NESTED = ("dendrite", "wiring")


def quantity(value: Any) -> Any:
    """``"30 day"`` as a number in neurodev's units, in lists too; anything else as it is."""
    if isinstance(value, list):
        return [quantity(v) for v in value]
    if isinstance(value, str) and (m := _QUANTITY.match(value)):
        if m[2] not in _UNIT:
            raise StudyError(f"unknown unit {m[2]!r} in {value!r}{nearest(m[2], _UNIT)}; units are {sorted(_UNIT)}")
        return float(m[1]) * _UNIT[m[2]]
    return value


@dataclass
class Study:
    """A parsed study: its text, its table, and the values that ``--set`` put into it, by place."""

    text: str
    table: dict[str, Any]
    path: str
    overrides: dict[Place, str] = field(default_factory=dict)

    @cached_property
    def _lines(self) -> dict[Place, int]:
        return lines_of(self.text)

    def where(self, *place: str | int) -> str:
        """File and line of a key or table, by its place: ``where("projection", "map", "use", 0, "tau")``.

        Where it is not in the text, those of the table in which it would be.
        """
        for k in range(len(place), 0, -1):
            part = place[:k]
            if part in self.overrides:
                return f"{self.path}, --set {'.'.join(map(str, part))}={self.overrides[part]}"
            if part in self._lines:
                line = self._lines[part]
                return f"{self.path}, line {line}: {self.text.splitlines()[line - 1].strip()!r}"
        return self.path


def load(path: str | os.PathLike[str], overrides: dict[str, str] | None = None) -> Study:
    """Read a study.

    Parameters
    ----------
    overrides : dict of str, optional
        ``{"run.acceleration": "60"}``; values are TOML or words.  Entries of a list are named by their kind
        (``projection.map.use.STDP.gain``) or their number (``at.0.life``).

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
    study = Study(text, table, str(path))
    for dotted, word in (overrides or {}).items():
        study.overrides[_override(table, dotted, word)] = word
    return study


def _override(table: dict[str, Any], dotted: str, word: str) -> Place:
    """Set one value, and say in which place."""
    *parents, last = dotted.split(".")
    here: Any = table
    place: list[str | int] = []
    for k in parents:
        if isinstance(here, list):
            short = {str(x.get("kind")).rpartition(":")[2]: i for i, x in enumerate(here)}
            named = short | {str(i): i for i in range(len(here))}
            if k not in named:
                raise StudyError(f"--set {dotted}: no {k!r} here{nearest(k, short)}")
            place.append(named[k])
            here = here[named[k]]
        elif isinstance(here, dict) and k in here:
            place.append(k)
            here = here[k]
        else:
            known = sorted(here) if isinstance(here, dict) else []
            raise StudyError(f"--set {dotted}: no table {k!r} in this study{nearest(k, known)}; it has {known}")
    if not isinstance(here, dict):
        raise StudyError(f"--set {dotted}: {'.'.join(parents)} is no table that could have {last!r}")
    try:
        value = tomllib.loads(f"x = {word}")["x"]
    except tomllib.TOMLDecodeError:
        value = word
    here[last] = value
    return (*place, last)


def call(
    study: Study, make: Callable[..., Any], given: dict[str, Any], place: Place, skip: tuple[str, ...] = (),
    **more: Any,
) -> Any:  # fmt: skip
    """Call a class or function with the keys of a table; keys it does not have are refused with the nearest.

    Parameters
    ----------
    place : tuple
        Where the table stands.
    skip : tuple of str
        Keys of the table that are not for it.
    **more
        Arguments beside the table's.
    """
    known = [
        p.name for p in inspect.signature(make).parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.name[0] != "_"
    ]  # fmt: skip
    arguments = {}
    for key, value in given.items():
        if key in ("kind", *skip):
            continue
        if key not in known:
            allowed = sorted([*known, *skip])
            raise StudyError(
                f"{study.where(*place, key)}: {given.get('kind', make.__name__)} has no parameter {key!r}"
                f"{nearest(key, allowed)}; it has {allowed}"
            )
        try:
            arguments[key] = _argument(study, key, value, (*place, key))
        except StudyError as e:
            at = study.where(*place, key)
            raise e if str(e).startswith(study.path) else StudyError(f"{at}: {e}") from e
    try:
        return make(**arguments, **more)
    except (NeurodevError, TypeError) as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e
    except Exception as e:
        if registry.is_ours(make):
            raise
        raise StudyError(f"{study.where(*place)}: {make.__name__} refused this with {type(e).__name__}: {e}") from e


def _argument(study: Study, key: str, value: Any, place: Place) -> Any:
    """A value of a table as an argument: a number in our units, or a thing made of a table of its own."""
    if key in _NESTED and isinstance(value, dict):
        return made(study, _NESTED[key], value, place)
    if key in _NESTED and isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        return [made(study, _NESTED[key], v, (*place, k)) for k, v in enumerate(value)]
    if key in _ALWAYS_NESTED:
        raise StudyError(f"{study.where(*place)}: {key} needs a table with a kind, got {value!r}")
    return quantity(value)


def made(
    study: Study, kind: Kinds, given: dict[str, Any], place: Place, skip: tuple[str, ...] = (),
    default: str | None = None, **more: Any,
) -> Any:  # fmt: skip
    """What a table describes: the thing of a kind that it names, called with the table's other keys (see `call`)."""
    return call(study, kind_of(study, given, kind, place, default), given, place, skip, **more)


def instance(cls: type, words: dict[str, str]) -> Any:
    """An instance of a mechanism or model from words: ``{"tau": "5 day", "rule": "burst"}``."""
    table: dict[str, Any] = {cls.__name__: {}}
    for name, word in words.items():
        _override(table, f"{cls.__name__}.{name}", word)
    return call(Study("", table, cls.__name__), cls, table[cls.__name__], (cls.__name__,))


def kind_of(study: Study, given: Any, kind: Kinds, place: Place, default: str | None = None) -> Any:
    """The class or function that a table names as its kind.

    Raises
    ------
    StudyError
        With file and line: for an unknown kind with the nearest; for a module that cannot be imported, a class that it
        does not have, or one of another kind.
    """
    if not isinstance(given, dict):
        raise StudyError(f"{study.where(*place)}: this needs a table with a kind, got {given!r}")
    word = given.get("kind", default)
    if word is None:
        what = kind if isinstance(kind, str) else " or ".join(kind)
        raise StudyError(
            f"{study.where(*place)}: {what} needs a kind, one of {registry.names(kind)} or your own as 'module:Class'"
        )
    try:
        return registry.find(kind, str(word))
    except ParameterError as e:
        raise StudyError(f"{study.where(*place, 'kind')}: {e}") from e


def check_keys(study: Study, given: dict[str, Any], known: tuple[str, ...], place: Place) -> None:
    """Refuse keys that a section does not know, with the nearest."""
    for key in given:
        if key not in known:
            raise StudyError(f"{study.where(*place, key)}: unknown key {key!r}{nearest(key, known)}; keys are {known}")
