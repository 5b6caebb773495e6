"""Imaging tables as laboratories keep them, as histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.formats import asked as door
from neurodev.formats import guesses, shapes
from neurodev.formats.arrays import NPZ, is_ours
from neurodev.formats.asked import TWICE, Asked
from neurodev.formats.cells import told
from neurodev.formats.grid import Grid, concatenated, listed
from neurodev.formats.matching import match
from neurodev.params import number, one_of
from neurodev.runs.history import History

Name = str | int | None
Columns = str | int | Sequence[str | int] | None
Words = str | Sequence[str] | None
Times = ArrayLike | Mapping[Any, float] | str | None


def read_sessions(
    path: Any, preset: str | None = None, *, id: Columns = None, session: Columns = None, size: Name = None,
    first: Name = None, last: Name = None, days: Times = None, cell: Columns = None, dendrite: Columns = None,
    position: Columns = None, place: Name = None, present: Name = None, looked: Any = None,
    within: float | None = None, scale: Any = None, twice: str | None = None, again: str | None = None,
    not_looked: Words = None, na: Words = None, decimal: str | None = None, sheet: Columns = None,
    header: bool | int | None = None, delimiter: str | None = None, fill: Columns = None,
    unit: str | None = None, size_unit: str | None = None, title: str | None = None,
) -> History:  # fmt: skip
    """A history out of imaging tables: CSV, TSV, xlsx, npz, Parquet, or frames of pandas.

    The columns that are named say what shape a table has: `session`, one column: a row for each sighting; several: a
    row for each life and a column for each session; `first` and `last`: a row for each life; several files without
    `session`: a file for each session, joined by `id` or, without one, by `position`.  What `History.export` writes
    (and `to_sessions`, `to_pandas`) is read without naming any.  Numbers per dendrite: `read_counts`; connections:
    `read_edges`.

    Parameters
    ----------
    path : a file, a folder, a pattern (``"day*.csv"``), a list of files, ``{file: day}``, or a frame
    preset : a form known by name (`formats.presets`), which gives the arguments below; what you say goes before
    id : what tells lives apart, together, ``["cell", "dendrite", "spine"]``; a column by name, or by number from 1
    session : the column of sessions, or the columns that are sessions
    size : the column (or the array, (n, n_session)) of sizes; 0 is absent, an empty cell there but not measured
    first, last : times of the first and the last sighting
    days : times of the sessions in order, by their words (``{"S1": 0, "S2": 4}``), or a column of them; if not given,
        sessions are times or dates themselves
    cell, dendrite : columns that become those of the history by these names; others that are one for a life keep theirs
    position, place : x, y (and z) of a sighting; where along the dendrite, um
    present : flags, False where a row says that one was absent
    looked : flags, False where nobody looked or the place was not accepted; ``"rows"``: a dendrite was looked at where
        it has a row; ``{dendrite: times}``; of a wide table an array (n_session,) or (n, n_session)
    within, scale : how far, in um, one may be from where it was; um of a unit of `position`, one or of each axis
    twice : one life twice in a session: ``"refuse"``, ``"first"``, ``"mean"``, ``"largest"``; rows equal in all are one
    again : ``"same"`` or ``"new"``: what is absent and comes back (`History.of_sessions`)
    not_looked, na : words in wide tables where nobody looked; words for nothing, beside ``NA`` and the like
    decimal, header, delimiter : the mark before decimals; whether the first row holds names, or the row that does; what
        separates cells.  Found out if not given
    sheet : of a workbook, a name or number; several, or a pattern (``"day *"``), are read as as many files
    fill : columns in which an empty cell means the one above, as in merged cells
    unit, size_unit, title : of the history; its title is the name of the file, the unit of the times ``"day"``, if not
        given

    Returns
    -------
    History
        Its ``notes`` say by row what could not be read, and what was assumed.

    Raises
    ------
    ParameterError
        With the columns that there are and, where a table is not understood, the call that would read it.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"spine": ["a", "b", "a"], "day": [0, 0, 4], "volume": [0.1, 0.2, 0.3]})
    >>> read_sessions(table, id="spine", session="day", size="volume")
    History(2 lives, 0 births and 1 deaths in 4 days, 2 sessions)
    """
    return _read(**locals())


def _read(path: Any, preset: Any, **given: Any) -> History:
    files, of_path, notes = door.sources(path)
    form = door.preset_of(preset, "read_sessions")
    wanted = {k: v for k, v in given.items() if v is not None}
    if form is None and len(files) == 1 and set(wanted) <= {"title"} and is_ours(files[0]):
        found = NPZ().read(files[0])
        found.title = found.title if found.title and not wanted else door.title_of(files[0], wanted)
        return found
    may: frozenset[str] = frozenset()
    if form is not None:
        wanted, may = {**form.given, **form.may, **wanted}, frozenset(form.may) - set(wanted)
        notes = (*notes, *form.notes)
    how = {
        "sheet": door.a_sheet(wanted.pop("sheet", None), several=True),
        "header": door.a_header(wanted.pop("header", None)),
        "delimiter": door.a_delimiter(wanted.pop("delimiter", None)),
    }
    filled, title = wanted.pop("fill", None), door.title_of(path, wanted)
    a = _looked_at(wanted, may, notes)
    if of_path is not None and a.days is not None:
        raise ParameterError(f"days are told by path already, got {shown(a.days)}")
    grids = door.loaded(files, **how)
    if filled is not None:
        grids = [g.filled(door.column_list(filled, "fill")) for g in grids]
    a = replace(a, days=of_path if a.days is None else a.days, title=title)
    return _several(grids, a, form) if len(grids) > 1 else _one(grids[0], a, form)


def _looked_at(wanted: dict[str, Any], may: frozenset[str], notes: tuple[str, ...]) -> Asked:
    """Every argument by its rule."""
    out: dict[str, Any] = {"may": may, "notes": notes}
    for name, value in wanted.items():
        if name in ("id", "session", "cell", "dendrite", "position"):
            out[name] = door.column_list(value, name)
        elif name in ("size", "first", "last", "place", "present"):
            out[name] = door.column(value, name)
        elif name in ("not_looked", "na"):
            out[name] = door.some_words(value, name)
        elif name in ("unit", "size_unit", "title"):
            out[name] = door.a_text(value, name)
    if len(out.get("position", "xy")) not in (2, 3):
        raise ParameterError(f"position must name two or three columns, x, y (and z), got {shown(out['position'])}")
    if ("first" in out) != ("last" in out):
        raise ParameterError(f"first and last go together, got {shown(out.get('first', out.get('last')))} alone")
    if "days" in wanted:
        out["days"] = door.days_of(wanted["days"])
    if "looked" in wanted:
        out["looked"] = door.a_look(wanted["looked"])
    if "within" in wanted:
        out["within"] = number(wanted["within"], "within", "um", above=0.0)
    if "scale" in wanted:
        out["scale"] = door.a_scale(wanted["scale"], len(out.get("position", "xyz")))
    for name, words in (("twice", TWICE), ("again", ("same", "new")), ("decimal", (".", ","))):
        if name in wanted:
            out[name] = one_of(wanted[name], name, words)
    return Asked(**out)


# ---------------------------------------------------------------------- which shape


def _several(grids: list[Grid], a: Asked, form: Any) -> History:
    """Several tables: of one session each, or, with a column of sessions, parts of one."""
    own = a.days is None and a.position is None and all(g.has("session") for g in grids)
    if a.session is not None or a.first is not None or own:
        return _one(concatenated(grids), a, form)
    if a.id is None and a.position is None and not all(g.has("id") for g in grids):
        guesses.refuse(grids[0], files=len(grids))
    at = _times_of_files(grids, a)
    a = replace(a, days=None)
    if a.id is None and a.position is not None:
        return _matched(grids, at, a)
    whole = concatenated(
        [replace(g, columns=_with(g, at=np.full(g.line.size, t))) for g, t in zip(grids, at, strict=True)]
    )
    ident = a.id or ["id"]
    return shapes.long(whole, replace(a, id=ident, session=["at"], at=np.sort(at)))


def _with(grid: Grid, **columns: NDArray[Any]) -> dict[str, NDArray[Any]]:
    if taken := set(columns) & set(grid.columns):
        raise ParameterError(f"path: {grid.source} has a column {taken.pop()!r}, which the reader needs: rename it")
    return {**grid.columns, **columns}


def _times_of_files(grids: list[Grid], a: Asked) -> F8:
    """A time for each table: given in their order, by their names, or in their names."""
    names = [g.source for g in grids]
    if isinstance(a.days, dict):
        stems = {n.rpartition(".")[0] or n: n for n in names}
        known = {stems.get(k, k): t for k, t in a.days.items()}
        if missing := [n for n in names if n not in known]:
            raise ParameterError(f"days has no time for {listed(missing, 5)}; got {listed(list(a.days), 5)}")
        at: F8 = np.array([known[n] for n in names])
    elif isinstance(a.days, np.ndarray):
        at = a.days
    else:
        found = door.numbers_in(names) if a.days is None else None
        if found is None:
            raise ParameterError(f"days must give a time for each of {listed(names, 5)}, got {shown(a.days)}")
        at = found
    if at.size != len(grids):
        raise ParameterError(
            f"days must hold a time for each of {len(grids)} tables ({listed(names, 5)}), got {at.size}"
        )
    if np.unique(at).size != at.size:
        raise ParameterError(f"days must be another for each table, got {shown(at.tolist())}")
    return np.asarray(at, dtype=np.float64)


def _one(grid: Grid, a: Asked, form: Any) -> History:
    """One table, of the shape that its columns say."""
    if a.first is not None:
        return shapes.lives(grid, a)
    exact = ("born_after", "born_by", "died_after", "died_by")
    if a.session is None and a.id is None and all(n in grid.columns for n in exact):
        return shapes.known(*shapes.said_of_all(grid, a), exact)
    if a.session is None and grid.arrays and (matrix := shapes.matrix_of(grid, a)) is not None:
        return shapes.wide_arrays(grid, matrix, a)
    if a.session is not None and len(a.session) > 1:
        return shapes.wide(grid, a)
    if a.id is None and a.session is None and {"id", "session", "size"} <= set(grid.columns):
        grid, a = shapes.said_of_all(grid, a)
    if a.id is None and grid.has("id"):
        a = replace(a, id=["id"])
    if a.session is None and grid.has("session"):
        a = replace(a, session=["session"])
    if a.session is not None and a.id is not None:
        own: dict[str, Any] = {n: n for n in ("size", "looked") if getattr(a, n) is None and grid.has(n)}
        if form is not None and a.days is None and "days" in form.needs:
            a = replace(a, unit="session" if a.unit == "day" else a.unit)
            a = a.noted(f"sessions of {grid.source} are numbered, and no days= were given: times are their numbers")
        return shapes.long(grid, replace(a, **own))
    if isinstance(a.days, np.ndarray) and a.days.size == 1 and a.session is None:
        at = np.full(grid.line.size, a.days[0])
        if a.id is not None:
            return shapes.long(replace(grid, columns=_with(grid, at=at)), replace(a, session=["at"], days=None))
        if a.position is not None:
            return _matched([grid], a.days, replace(a, days=None, within=a.within or 1.0))
    if a.session is None and (names := guesses.sessions_in(grid, a)):
        return shapes.wide(grid, replace(a, session=names))
    guesses.refuse(grid)


# ---------------------------------------------------------------------- one table a session


def _matched(grids: list[Grid], at: F8, a: Asked) -> History:
    """Tables of one session each, put together by position."""
    assert a.position is not None
    if a.within is None:
        raise ParameterError(
            f"within must say how far, in um, one may be from where it was, to match by position, got {a.within}"
        )
    order = np.argsort(at)
    grids, at = [grids[k] for k in order], at[order]
    notes: list[str] = []
    places, kept = [], []
    for g in grids:
        where, bad = shapes.places_of(g, a)
        if bad.any():
            notes.append(told(g.line[bad], f"of {g.source} are left out, without a position"))
        places.append(where[~bad])
        kept.append(g.keep(~bad))
    groups = None
    if a.dendrite is not None:
        groups = [shapes.joined_words(g, a.dendrite, "dendrite") for g in kept]
    lost = [g.line.size > 0 and not k.line.size for g, k in zip(grids, kept, strict=True)]
    seen = at[~np.array(lost)]
    if any(lost):
        names = [g.source for g, gone in zip(grids, lost, strict=True) if gone]
        notes.append(f"no row of {listed(names)} could be read: taken as not looked at")
    found = match(places, a.within, groups)
    for k in sorted({s for s, _, _ in found.ambiguous}):
        rows = np.array([r for s, r, _ in found.ambiguous if s == k])
        lives = [f"life {v}" for s, _, v in found.ambiguous if s == k]
        why = f"of {kept[k].source} could as well be another: one less than twice as far was within {a.within:g} um"
        notes.append(told(kept[k].line[rows], why, lives))
    doubt = np.zeros(found.n, dtype=np.int64)
    np.add.at(doubt, [v for _, _, v in found.ambiguous], 1)
    parts = [
        replace(g, columns=_with(g, at=np.full(g.line.size, t), life=life, ambiguous=doubt[life]))
        for g, t, life in zip(kept, at, found.life, strict=True)
    ]
    return shapes.long(concatenated(parts), replace(a, id=["life"], session=["at"], at=seen).noted(*notes))
