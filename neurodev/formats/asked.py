"""What a reader was asked: arguments looked at before a file is opened, presets, times of sessions."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.formats.cells import days_of_dates, mapped, numbers, told, words
from neurodev.formats.grid import BOOKS, SUFFIXES, Column, Grid, listed, load, workbook
from neurodev.formats.presets import PRESETS, Preset
from neurodev.params import number, one_of, scalar

Days = F8 | dict[str, float] | str | None
TWICE = ("refuse", "first", "mean", "largest")


@dataclass(frozen=True)
class Asked:
    """What `read_sessions` was asked, looked at."""

    id: list[Column] | None = None
    session: list[Column] | None = None
    size: Column | None = None
    first: Column | None = None
    last: Column | None = None
    days: Days = None
    cell: list[Column] | None = None
    dendrite: list[Column] | None = None
    position: list[Column] | None = None
    place: Column | None = None
    present: Column | None = None
    looked: Any = None
    within: float | None = None
    scale: Any = None
    twice: str = "refuse"
    again: str = "same"
    not_looked: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    decimal: str = ""
    unit: str = "day"
    size_unit: str = ""
    title: str = ""
    may: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    at: F8 | None = None
    """Of tables of one session each: when they were, also those in which nothing was seen."""

    def noted(self, *more: str) -> Asked:
        """With further notes."""
        return replace(self, notes=(*self.notes, *more))


def preset_of(name: Any, reader: str) -> Preset | None:
    """The preset of a name, if it is one of this reader.

    Raises
    ------
    ParameterError
        With the names that there are, or the reader that it is of.
    """
    if name is None:
        return None
    if isinstance(name, str) and name in PRESETS and PRESETS[name].reader != reader:
        raise ParameterError(
            f"preset {name!r} is of another kind of table: use nd.{PRESETS[name].reader}(path, {name!r})"
        )
    return PRESETS[one_of(name, "preset", [k for k, p in PRESETS.items() if p.reader == reader])]


def column(value: Any, where: str) -> Column:
    """The name of a column, or its number from 1."""
    plain = scalar(value)
    if (
        isinstance(plain, str)
        and plain.strip()
        or isinstance(plain, int)
        and plain >= 1
        and not isinstance(plain, bool)
    ):
        return plain
    raise ParameterError(f"{where} must be the name of a column, or its number from 1, got {shown(value)}")


def column_list(value: Any, where: str) -> list[Column]:
    """One or more columns."""
    if isinstance(value, (list, tuple)) or isinstance(value, np.ndarray) and value.ndim == 1:
        if len(value):
            return [column(v, where) for v in value]
        raise ParameterError(f"{where} must name one column or more, got {shown(value)}")
    return [column(value, where)]


def some_words(value: Any, where: str) -> tuple[str, ...]:
    """A word or several."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(w, (str, int, float)) for w in given):
        raise ParameterError(f"{where} must be a word or a list of words, got {shown(value)}")
    return tuple(str(w).strip() for w in given)


def array(value: Any) -> NDArray[Any]:
    """A list or an array as one; without entries where it is none."""
    try:
        return np.asarray(value) if isinstance(value, (list, tuple, np.ndarray)) else np.zeros(0)
    except ValueError:  # ragged
        return np.zeros(0)


def a_text(value: Any, where: str) -> str:
    """A word or a sentence that is drawn and written."""
    if isinstance(value, str) and (value.isprintable() or not value):
        return value
    raise ParameterError(f"{where} must be a text, got {shown(value)}")


def a_look(value: Any) -> Any:
    """Where was looked at: a column, ``"rows"``, times by dendrite, or an array of flags."""
    plain = scalar(value)
    if isinstance(plain, (str, int)) and not isinstance(plain, bool):
        return column(value, "looked")
    if isinstance(value, Mapping) and value:
        return {_key(k): days_of(v, f"looked[{k!r}]") for k, v in value.items()}
    a = array(value)
    if a.dtype == bool and a.ndim in (1, 2) and a.size:
        return a
    raise ParameterError(
        f"looked must be a column of flags, 'rows', a table of times by dendrite, or True and False, got {shown(value)}"
    )


def a_scale(value: Any, n: int) -> F8:
    """Um of a unit of each axis, (n,)."""
    given = (
        list(value) if isinstance(value, (list, tuple)) or array(value).ndim == 1 and array(value).size else [value] * n
    )
    if len(given) != n:
        raise ParameterError(
            f"scale must be one number, or one for each of {n} columns of position, got {shown(value)}"
        )
    return np.array([number(v, "scale", "um", above=0.0) for v in given])


def a_header(value: Any) -> bool | int | None:
    """Whether there are names of columns, or their row, from 1."""
    plain = scalar(value)
    if plain is None or isinstance(plain, bool) or isinstance(plain, int) and 1 <= plain < 2**31:
        return plain
    raise ParameterError(f"header must be True, False or the number of the row of names, from 1, got {shown(value)}")


def a_delimiter(value: Any) -> str:
    """A character between cells; none if it is to be found out."""
    if value is None or isinstance(value, str) and len(value) == 1 and value not in '\r\n"\0':
        return value or ""
    raise ParameterError(f"delimiter must be one character, got {shown(value)}")


def a_sheet(value: Any, several: bool = False) -> str | int | list[Column] | None:
    """A sheet of a workbook; or, where that is allowed, several: a list of them, or a pattern with ``*``."""
    if several and isinstance(value, (list, tuple)):
        if not value:
            raise ParameterError("sheet must name a sheet or more, got none")
        return [column(v, "sheet") for v in value]
    return None if value is None else column(value, "sheet")


def days_of(value: Any, where: str = "days", unit: str = "day") -> Days:
    """Times of sessions: numbers in their order, by the words of sessions, or the name of a column."""
    plain = scalar(value)
    if plain is None:
        return None
    if isinstance(plain, str):
        if plain.strip():
            return plain
        raise ParameterError(f"{where} must be times, or the name of a column of them, got {shown(value)}")
    if isinstance(value, Mapping):
        out = {_key(k): number(v, f"{where}[{k!r}]") for k, v in value.items()}
        if out:
            return out
        raise ParameterError(f"{where} must give a time for each session, got {shown(value)}")
    try:
        at = np.atleast_1d(np.asarray(value, dtype=np.float64)) if not isinstance(plain, bool) else np.zeros(0)
    except (TypeError, ValueError, OverflowError):
        at = np.zeros(0)
    if at.ndim != 1 or not at.size or not np.isfinite(at).all() or np.any(np.diff(at) <= 0):
        raise ParameterError(
            f"{where} must be rising times, a table of them by session, or a column, got {shown(value)}"
        )
    return at


def _key(label: Any) -> str:
    """A session's name as a cell writes it."""
    return str(words(np.array([scalar(label)]))[0])


# ---------------------------------------------------------------------- files


def sources(path: Any) -> tuple[list[Any], Days, tuple[str, ...]]:
    """The files that a path means, the times that it gives them, and notes.

    A folder means the tables in it, a pattern with ``*`` those that it fits, a table of
    paths and times each at its own.

    Raises
    ------
    ParameterError
        Where there is none.
    """
    if hasattr(path, "columns") and hasattr(path, "to_numpy"):
        return [path], None, ()
    if isinstance(path, Mapping):
        at = sorted((number(t, f"path[{str(p)!r}]"), _a_path(p)) for p, t in path.items())
        if not at:
            raise ParameterError(f"path must name a table or more, got {shown(path)}")
        return [p for _, p in at], days_of([t for t, _ in at], "the times of path"), ()
    if isinstance(path, (list, tuple)):
        if not path:
            raise ParameterError(f"path must name a table or more, got {shown(path)}")
        return [p if hasattr(p, "columns") else _a_path(p) for p in path], None, ()
    place = _a_path(path)
    try:
        return _in_place(place)
    except OSError as e:
        raise ParameterError(f"path: {str(place)!r} cannot be read: {e}") from None


def title_of(path: Any, wanted: Mapping[str, Any]) -> str:
    """What a history is called: as it was said, or after its file, folder or pattern; what has no file has no name."""
    if "title" in wanted:
        return a_text(wanted["title"], "title")
    if not isinstance(path, (str, os.PathLike)):
        return ""
    place = Path(path)
    if "*" in place.name:
        return re.sub(r"\*+", "", place.stem).strip("-_. ") or "tables"
    return place.name if place.is_dir() else place.stem


def _in_place(place: Path) -> tuple[list[Any], Days, tuple[str, ...]]:
    """The files of a folder or of a pattern, or the file itself."""
    if place.is_dir():
        inside = sorted((p for p in place.iterdir() if p.is_file() and not p.name.startswith(".")), key=_natural)
        kinds = [k for k in SUFFIXES if any(p.suffix.lower() == k for p in inside)]
        found = [p for p in inside if kinds and p.suffix.lower() == kinds[0]]
        if not found:
            raise ParameterError(f"path: no table ({', '.join(SUFFIXES)}) in the folder {str(place)!r}")
        left = [p.name for p in inside if p not in found]
        note = f"of the folder {place.name}, {len(left)} other files are not read: {listed(left, 3)}"
        return list(found), None, (note,) if left else ()
    if not place.exists() and "*" in place.name:
        folder = place.parent
        names = sorted(folder.iterdir(), key=_natural) if folder.is_dir() else []
        found = [p for p in names if fnmatch(p.name, place.name)]
        if not found:
            raise ParameterError(f"path: no file fits {str(place)!r}")
        return list(found), None, ()
    return [place], None, ()


def _a_path(path: Any) -> Path:
    if isinstance(path, (str, os.PathLike)) and str(path) and "\0" not in str(path):
        return Path(os.fsdecode(path))
    raise ParameterError(f"path must be that of a table, or of several, got {shown(path)}")


def _natural(path: Path) -> list[Any]:
    """Order by the numbers within names: day2 before day10."""
    return [(1, int(w), "") if w.isdigit() else (0, 0, w) for w in re.split(r"(\d+)", path.name.casefold())]


def loaded(files: Sequence[Any], **how: Any) -> list[Grid]:
    """The tables of some files; one of several may have no row, also of several sheets of one workbook."""
    sheet = how.pop("sheet", None)
    if isinstance(sheet, str) and "*" in sheet:
        sheet = _fitting(files, sheet)
    if not isinstance(sheet, list):
        return [load(f, bare=len(files) > 1, sheet=sheet, **how) for f in files]
    if len(files) != 1:
        raise ParameterError(
            f"sheet names {len(sheet)} sheets, which only one workbook can have, got {len(files)} files"
        )
    grids = [load(files[0], bare=len(sheet) > 1, sheet=one, **how) for one in sheet]
    return [replace(g, source=str(one)) for g, one in zip(grids, sheet, strict=True)]


def _fitting(files: Sequence[Any], pattern: str) -> list[Column]:
    """The sheets of a workbook that a pattern fits, in their order."""
    if len(files) != 1 or hasattr(files[0], "columns") or Path(files[0]).suffix.lower() not in BOOKS:
        raise ParameterError(f"sheet: {shown(pattern)} is for one workbook, got {listed([str(f) for f in files], 3)}")
    with workbook(Path(files[0])) as book:
        names = list(book.sheetnames)
    found: list[Column] = [n for n in names if fnmatch(n, pattern)]
    if not found:
        raise ParameterError(f"sheet: no sheet of {Path(files[0]).name} fits {pattern!r}; it has {listed(names)}")
    return found


def numbers_in(labels: Sequence[str]) -> F8 | None:
    """The one number in each of some names, where they differ by it alone; None if it cannot be told."""
    parts = [re.split(r"(\d+(?:\.\d+)?)", w) for w in labels]
    if len({len(p) for p in parts}) != 1:
        return None
    differs = [k for k in range(len(parts[0])) if len({p[k] for p in parts}) > 1]
    if len(differs) != 1 or differs[0] % 2 == 0:
        return None
    at = np.array([float(p[differs[0]]) for p in parts])
    return at if np.unique(at).size == at.size else None


# ---------------------------------------------------------------------- sessions


def times_of(labels: NDArray[Any], days: Days, line: I8, source: str, unit: str) -> tuple[F8, F8, list[str]]:
    """When each row was seen, and all sessions.

    Parameters
    ----------
    labels : (n,) array
        What the table calls the session of each row: a number, a word, a date.
    days : times
        In order of the sessions, or by their words; the labels are times themselves if nothing is given.

    Returns
    -------
    at : (n,) float64 array
        NaN where it cannot be told.
    sessions : (n_session,) float64 array
    notes : list of str
    """
    text = words(labels)
    if not text.size:
        raise ParameterError(f"path: no row of {source} could be read")
    found = numbers(labels)
    notes: list[str] = []
    if isinstance(days, dict):
        by_number = {float(k): t for k, t in days.items() if re.fullmatch(r"-?\d+(\.\d+)?", k)}
        at = np.array(mapped(text, lambda w: days.get(w, np.nan)), dtype=np.float64)
        at = np.where(np.isnan(at), [by_number.get(x, np.nan) for x in found.value.tolist()], at)
        if not np.isfinite(at).any():
            names = listed(sorted(set(text.tolist()))[:8])
            raise ParameterError(
                f"days has none of the sessions of {source}, which are {names}; got {listed(list(days))}"
            )
        unused = sorted({t for t in days.values()} - set(at[np.isfinite(at)].tolist()))
        if unused:
            notes.append(
                f"no row of {source} is of {unit} {', '.join(f'{t:g}' for t in unused)}: taken as not looked at"
            )
        sessions = np.unique(at[np.isfinite(at)])
    elif days is None:
        at = found.value
        if not np.isfinite(at).any():
            dates = days_of_dates(text)
            labelled = sorted(set(text.tolist()))
            if dates is None:
                raise ParameterError(
                    f"the sessions of {source} are {listed(labelled, 8)}, which are no times: "
                    f"say days={{{labelled[0]!r}: 0, ...}}"
                )
            at, notes = dates, [f"sessions are dates: days since {labelled[0]}"]
        sessions = np.unique(at[np.isfinite(at)])
    else:
        given = np.atleast_1d(np.asarray(days, dtype=np.float64))
        order = np.unique(found.value[~np.isnan(found.value)]) if np.isfinite(found.value).any() else None
        known = order.tolist() if order is not None else list(dict.fromkeys(text[text != ""].tolist()))
        if len(known) != given.size:
            raise ParameterError(
                f"days must hold a time for each of the {len(known)} sessions of {source} "
                f"({listed([f'{k:g}' if isinstance(k, float) else k for k in known], 8)}), got {given.size}"
            )
        where = dict(zip(known, given.tolist(), strict=True))
        keys = found.value.tolist() if order is not None else text.tolist()
        at, sessions = np.array([where.get(k, np.nan) for k in keys]), given
    if (lost := np.isnan(at)).any():
        notes.append(told(line[lost], "are left out, of no session that is known", text[lost]))
    return at, sessions, notes
