"""A study as a text: tables of TOML, quantities with units, and objects made of them."""

from __future__ import annotations

import copy
import inspect
import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from neurodev import blame, registry, rng
from neurodev.errors import NeurodevError, ParameterError, RunFileError, StudyError, nearest
from neurodev.registry import Kinds
from neurodev.studies import writing
from neurodev.studies.lines import lines_of
from neurodev.studies.quantities import quantity, units_of
from neurodev.writing import DATABASE, printable

Place = tuple[str | int, ...]

# parameters that are things themselves, each a table with a kind (or a list of such tables)
_NESTED = {
    "dendrite": "dendrite", "wiring": "wiring", "delay": "delay", "curve": "growth curve", "surrogate": "surrogate",
    "layer": "layer", "layers": "layer", "feed": "layer", "back": "layer", "neurons": "layer", "body": "layer",
    "shortcut": "layer",
}  # fmt: skip
_ALWAYS_NESTED = ("dendrite", "wiring")
# tables that a study may leave to their defaults, and that --set may therefore begin
_SECTIONS = ("sheet", "run", "data", "encoder", "network", "optimiser", "schedule", "train", "groups", "augment")
_LONGEST = 16 << 20  # bytes of a study


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
                return f"{self.path}, line {line}: {self.text.split(chr(10))[line - 1].strip()!r}"
        return self.path

    @property
    def seed(self) -> int:
        """The seed that the study gives itself; 0 without one.

        Raises
        ------
        StudyError
            If it is none.
        """
        with told_at(self, "seed"):
            return rng.check_seed(self.table.get("seed", 0))

    def resolved(self, **changes: Any) -> Study:
        """The study as it is run: everything put into it by ``--set``, and `changes` of keys at its top.

        Its text says the same as its table; it is the text as it was written, if nothing was changed.
        """
        table = copy.deepcopy(self.table)
        for key, value in changes.items():
            table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
        if writing.same(self.text, table):
            return Study(self.text, table, self.path, dict(self.overrides))
        words = [f"--set {'.'.join(map(str, k))}={v}" for k, v in self.overrides.items()]
        head = "".join(f"# {printable(w, lines=False)}\n" for w in (f"{Path(self.path).name}, as it was run", *words))
        text = head + writing.written(table)
        return Study(text, table, self.path, dict(self.overrides))


@contextmanager
def told_at(study: Study, *place: str | int) -> Iterator[None]:
    """Whatever goes wrong in here is told as one message, with file and line of a place in the study.

    Raises
    ------
    StudyError
        In place of every exception but those about run files.
    """
    try:
        yield
    except RunFileError:
        raise
    except StudyError as e:
        if str(e).startswith(study.path):
            raise
        raise StudyError(f"{study.where(*place)}: {e}") from e
    except NeurodevError as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e
    except Exception as e:
        raise StudyError(f"{study.where(*place)}: refused with {blame.told(e)}") from e


def settings(words: Sequence[str]) -> dict[str, str]:
    """``["run.tick=5"]``, as ``--set`` gives it, as a dictionary.

    Raises
    ------
    ParameterError
        For a word that is not of the form KEY=VALUE.
    """
    out = {}
    for w in words:
        key, equals, value = w.partition("=")
        if not equals or not key:
            raise ParameterError(f"--set needs KEY=VALUE, got {w!r}")
        out[key] = value
    return out


def as_value(word: str) -> Any:
    """What ``--set`` gives to a key: a value of TOML, or the word itself."""
    try:
        return tomllib.loads(f"x = {word}")["x"]
    except (ValueError, RecursionError):
        return word


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
    text, table = _read(path)
    study = Study(text, table, str(path))
    for dotted, word in (overrides or {}).items():
        study.overrides[_override(table, dotted, as_value(word))] = word
    return study


def varied(study: Study, values: dict[str, Any]) -> Study:
    """A copy of a study with values put into it by their keys, as ``--set`` would.

    Raises
    ------
    StudyError
        For a key that leads nowhere, with the nearest.
    """
    out = Study(study.text, copy.deepcopy(study.table), study.path, dict(study.overrides))
    for dotted, value in values.items():
        out.overrides[_override(out.table, dotted, copy.deepcopy(value))] = writing.value(value)
    return out


def parsed(text: str, path: str) -> Study:
    """The study of a text that a run file keeps; `path` is where it is from, for messages.

    Raises
    ------
    StudyError
        If it is no TOML.
    """
    try:
        return Study(text, tomllib.loads(text), path)
    except (ValueError, RecursionError) as e:
        raise StudyError(f"the study in {path} is not valid TOML: {e}") from None


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a study and what it says."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # it may never begin, or never end
            raise StudyError(f"{str(path)!r} is a device or a pipe, not a study: name a TOML file")
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 1)
        if len(raw) > _LONGEST:
            raise StudyError(f"{str(path)!r} is larger than {_LONGEST >> 20} MiB, and no study is: name a TOML file")
    except FileNotFoundError:
        raise StudyError(f"there is no study {str(path)!r}; `neurodev new NAME` writes one to start from") from None
    except StudyError:
        raise
    except (OSError, ValueError) as e:  # a folder, no permission, a name with a zero byte
        what = "is a folder, not a study" if path.is_dir() else f"cannot be read ({e})"
        raise StudyError(f"{str(path)!r} {what}: name a TOML file") from None
    if raw.startswith(DATABASE):
        raise StudyError(
            f"{str(path)!r} is a run file, not a study: a run goes on with neurodev run --resume FILE, a "
            "training with neurodev train STUDY --to FILE --resume"
        )
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise StudyError(
            f"{path}, line 1: it begins with a byte order mark, which TOML does not know: save it as UTF-8 without a "
            "mark (BOM)"
        )
    try:
        text = raw.decode("utf-8").replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as e:
        line = raw[: e.start].count(b"\n") + 1
        raise StudyError(f"{path}, line {line}: not valid TOML, which is UTF-8: {e.reason}; save it as UTF-8") from None
    except (ValueError, RecursionError) as e:  # also numbers of more digits than Python reads, brackets without end
        raise StudyError(f"{path} is not valid TOML: {e}") from None


def _override(table: dict[str, Any], dotted: str, value: Any) -> Place:
    """Set one value, and say in which place."""
    *parents, last = dotted.split(".")
    here: Any = table
    place: list[str | int] = []
    for k in parents:
        if isinstance(here, list):
            tables = {i: x for i, x in enumerate(here) if isinstance(x, dict)}
            short = {str(x.get("kind")).rpartition(":")[2]: i for i, x in tables.items()}
            named = short | {str(i): i for i in tables}
            if k not in named:
                raise StudyError(f"--set {dotted}: no {k!r} here{nearest(k, short)}; there are {sorted(named)}")
            place.append(named[k])
            here = here[named[k]]
        elif isinstance(here, dict) and k in here:
            place.append(k)
            here = here[k]
        elif isinstance(here, dict) and (not place and k in _SECTIONS or place == ["groups"]):  # left to its defaults
            place.append(k)
            here = here.setdefault(k, {})
        else:
            known = sorted(here) if isinstance(here, dict) else []
            raise StudyError(f"--set {dotted}: no table {k!r} in this study{nearest(k, known)}; it has {known}")
    if isinstance(here, list) and here and parents:
        raise StudyError(
            f"--set {dotted}: {'.'.join(parents)} is a list of tables: say which, as in {'.'.join(parents)}.0.{last}"
        )
    if not isinstance(here, dict) or not last:
        raise StudyError(f"--set {dotted}: {'.'.join(parents) or 'this'} is no table that could have {last!r}")
    here[last] = value
    return (*place, last)


def table_at(study: Study, value: Any, place: Place, cure: str) -> dict[str, Any]:
    """A value that must be a table.

    Raises
    ------
    StudyError
        With the line and `cure`.
    """
    if not isinstance(value, dict):
        got = "a list of tables" if isinstance(value, list) else repr(value)
        raise StudyError(f"{study.where(*place)}: {place[-1]} must be a table, got {got}: write {cure}")
    return value


def tables_at(study: Study, value: Any, place: Place, cure: str) -> list[dict[str, Any]]:
    """A value that must be a list of tables.

    Raises
    ------
    StudyError
        With the line and `cure`.
    """
    if not isinstance(value, list):
        got = "one table" if isinstance(value, dict) else repr(value)
        raise StudyError(f"{study.where(*place)}: {place[-1]} must be a list of tables, got {got}: write {cure}")
    return [table_at(study, v, (*place, k), cure) for k, v in enumerate(value)]


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
        Keys of the table that are not for it.  A parameter of the same name is given in the table ``parameters``.
    **more
        Arguments beside the table's.
    """
    signature = inspect.signature(make).parameters.values()
    known = [p.name for p in signature if p.kind is not p.VAR_KEYWORD and p.name[0] != "_"]
    name = given.get("kind", getattr(make, "__name__", "this"))
    entries = [(k, v, (*place, k)) for k, v in given.items() if k not in ("kind", "parameters", *skip)]
    if "parameters" in given:
        inside = table_at(study, given["parameters"], (*place, "parameters"), "parameters = { name = value }")
        entries += [(k, v, (*place, "parameters", k)) for k, v in inside.items()]
    elif both := [k for k in given if k in skip and k in known]:
        raise StudyError(
            f"{study.where(*place, both[0])}: {both[0]!r} is a key of this table and a parameter of {name} too. For "
            f"the parameter write parameters = {{ {both[0]} = ... }}; for the table's alone, parameters = {{}} beside"
        )
    arguments: dict[str, Any] = {}
    for key, value, at in entries:
        if key not in known:
            allowed = sorted({*known, *skip})
            raise StudyError(
                f"{study.where(*at)}: {name} has no parameter {key!r}{nearest(key, allowed)}; it has {allowed}"
            )
        if key in arguments:
            raise StudyError(f"{study.where(*at)}: {name} is given {key!r} twice")
        with told_at(study, *at):
            arguments[key] = _argument(study, make, key, value, at)
    missing = [
        p.name for p in signature
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in arguments and p.name not in more
    ]  # fmt: skip
    if missing:
        raise StudyError(f"{study.where(*place)}: {name} needs {' and '.join(map(repr, missing))}")
    with told_at(study, *place):
        several = next((p.name for p in signature if p.kind is p.VAR_POSITIONAL), "")
        first = arguments.pop(several, [])
        return make(*(first if isinstance(first, (list, tuple)) else [first]), **arguments, **more)


def _argument(study: Study, make: Callable[..., Any], key: str, value: Any, place: Place) -> Any:
    """A value of a table as an argument: a number in our units, or a thing made of a table of its own."""
    if key in _NESTED and isinstance(value, dict):
        return made(study, _NESTED[key], value, place)
    if key in _NESTED and isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
        return [made(study, _NESTED[key], v, (*place, k)) for k, v in enumerate(value)]
    if key in _ALWAYS_NESTED:
        raise StudyError(f"{study.where(*place)}: {key} needs a table with a kind, got {value!r}")
    is_word, units = units_of(make, key)
    return value if is_word else quantity(value, units)


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
        _override(table, f"{cls.__name__}.{name}", as_value(word))
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
    if not isinstance(word, str):
        raise StudyError(f"{study.where(*place, 'kind')}: kind must be a word, got {word!r}")
    try:
        return registry.find(kind, word)
    except ParameterError as e:
        raise StudyError(f"{study.where(*place, 'kind')}: {e}") from e


def check_keys(study: Study, given: dict[str, Any], known: tuple[str, ...], place: Place) -> None:
    """Refuse keys that a section does not know, with the nearest."""
    for key in given:
        if key not in known:
            raise StudyError(f"{study.where(*place, key)}: unknown key {key!r}{nearest(key, known)}; keys are {known}")
