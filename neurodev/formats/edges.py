"""Connections at several ages: lists of edges, and matrices in arrays or on the sheets of a workbook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8
from neurodev.errors import ParameterError, shown
from neurodev.formats import asked as door
from neurodev.formats import guesses
from neurodev.formats.asked import Days, times_of
from neurodev.formats.cells import numbers, told, words
from neurodev.formats.grid import BOOKS, Column, Grid, cells_of, concatenated, listed, workbook
from neurodev.formats.shapes import read_sessions_of
from neurodev.params import one_of
from neurodev.runs.history import History

Name = str | int | None
Columns = str | int | Sequence[str | int] | None


class Matrix(NamedTuple):
    """Who is connected to whom, (n_row, n_column), with the names of both."""

    size: F8
    rows: NDArray[np.str_]
    columns: NDArray[np.str_]
    pre: str
    """``"rows"``, ``"columns"``, or nothing where the table does not say which are the sources."""


def read_edges(
    path: Any, preset: str | None = None, *, pre: Name = None, post: Name = None, age: Name = None, size: Name = None,
    ages: Any = None, sources: str | None = None, na: Any = None, decimal: str | None = None, sheet: Any = None,
    header: bool | int | None = None, delimiter: str | None = None, fill: Columns = None, again: str | None = None,
    unit: str | None = None, size_unit: str | None = None, title: str | None = None,
) -> History:  # fmt: skip
    """A history of connections out of edge lists or matrices at several ages.

    An edge list has a row for each synapse or connection and a column of ages; or there is a file for each age.  A
    matrix stands on a sheet of a workbook for each age, with the names of cells above and beside it, or as an array
    (n_age, n, n) in a file of NumPy.  What is listed several times at one age is one connection: sizes are summed, and
    synapses without a size counted.

    Parameters
    ----------
    path : a file, a folder, a pattern or a list of files, ``{file: age}``, or a frame
    preset : ``"witvliet"``, which gives the arguments below; what you say goes before
    pre, post : columns of the names of cells; of a file of arrays, the arrays of names
    age : the column of ages
    size : the column of sizes (or numbers of synapses), or the array (n_age, n, n); each row counts 1 if not given
    ages : times in order, or by the words of the table (of sheets, their names); sheets that it lacks are not read
    sources : of a matrix, whether its ``"rows"`` or its ``"columns"`` are presynaptic; read from the sheet if not given
    na, decimal, sheet, header, delimiter, fill, again, unit, size_unit, title : as in `read_sessions`

    Returns
    -------
    History
        With columns ``pre`` and ``post``; its ``notes`` say by row what could not be read.

    Raises
    ------
    ParameterError
        With the columns that there are.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"from": ["a", "a", "b"], "to": ["b", "b", "c"], "stage": ["L1", "L2", "L1"]})
    >>> read_edges(t, pre="from", post="to", age="stage", ages={"L1": 0, "L2": 16}, unit="hour").ident.tolist()
    ['a>b', 'b>c']
    """
    return _read(**locals())


def _read(path: Any, preset: Any, **given: Any) -> History:
    files, of_path, notes = door.sources(path)
    form = door.preset_of(preset, "read_edges")
    wanted = {k: v for k, v in given.items() if v is not None}
    if form is not None:
        wanted, notes = {**form.given, **wanted}, (*notes, *form.notes)
    columns: dict[str, Column] = {w: door.column(wanted[w], w) for w in ("pre", "post", "age", "size") if w in wanted}
    ages = door.days_of(wanted.get("ages"), "ages")
    if of_path is not None and ages is not None:
        raise ParameterError(f"ages are told by path already, got {shown(ages)}")
    if isinstance(ages, str):
        raise ParameterError(f"ages must be times, or a table of them by age; use age={ages!r}, got {ages!r}")
    ages = of_path if ages is None else ages
    na = door.some_words(wanted.get("na", ()), "na")
    decimal = one_of(wanted["decimal"], "decimal", (".", ",")) if "decimal" in wanted else ""
    side = one_of(wanted["sources"], "sources", ("rows", "columns")) if "sources" in wanted else ""
    more = {w: door.a_text(wanted.get(w, d), w) for w, d in (("unit", "day"), ("size_unit", ""))}
    more["title"] = door.title_of(path, wanted)
    more["again"] = one_of(wanted.get("again", "same"), "again", ("same", "new"))
    how = {
        "sheet": door.a_sheet(wanted.get("sheet")), "header": door.a_header(wanted.get("header")),
        "delimiter": door.a_delimiter(wanted.get("delimiter")),
    }  # fmt: skip
    book = len(files) == 1 and isinstance(files[0], Path) and files[0].suffix.lower() in BOOKS
    if book and "pre" in columns and "post" in columns and form is None:
        book = False  # a list on a sheet
    if book and files[0].is_file():
        tables, at, found = _sheets(files[0], ages, side)
        return History.of_edges(tables, at, notes=(*notes, *found), **more)
    grids = door.loaded(files, **how)
    if "fill" in wanted:
        grids = [g.filled(door.column_list(wanted["fill"], "fill")) for g in grids]
    if len(grids) == 1 and any(v.ndim == 3 for v in grids[0].arrays.values()):
        tables, at, found = _arrays(grids[0], columns, ages, side)
        return History.of_edges(tables, at, notes=(*notes, *found), **more)
    if len(grids) > 1 and "age" not in columns:
        grid, columns, ages = _of_files(grids, columns, ages)
    else:
        grid = concatenated(grids) if len(grids) > 1 else grids[0]
    tables, at, found = _lists(grid, columns, ages, na, decimal, more["unit"])
    return History.of_edges(tables, at, notes=(*notes, *grid.notes, *found), **more)


def _lists(
    grid: Grid, columns: dict[str, Column], ages: Days, na: Any, decimal: str, unit: str
) -> tuple[list[Any], F8, list[str]]:
    """Of a row for each synapse: a list for each age."""
    columns = {**{w: w for w in ("pre", "post", "age") if grid.has(w)}, **columns}
    if missing := [w for w in ("pre", "post", "age") if w not in columns]:
        if missing == ["age"] and isinstance(ages, np.ndarray) and ages.size == 1:
            labels: NDArray[Any] = np.full(grid.line.size, ages[0])
            ages = None
        else:
            guesses.refuse(grid)
    else:
        labels = grid.columns[grid.pick(columns["age"], "age")]
    pre, post = (words(grid.columns[grid.pick(columns[w], w)]) for w in ("pre", "post"))
    at, when, notes = times_of(labels, ages, grid.line, grid.source, unit)
    size = np.ones(pre.size)
    keep = np.isfinite(at)
    unnamed = (pre == "") | (post == "")
    if unnamed.any():
        notes.append(told(grid.line[unnamed], "are left out, without a cell on one side"))
    keep &= ~unnamed
    if "size" in columns:
        name = grid.pick(columns["size"], "size")
        found = numbers(grid.columns[name], na, decimal)
        bad = found.bad | (found.value < 0)
        if bad.any():
            notes.append(told(grid.line[bad], f"have no size that is known, {name!r} is none", grid.columns[name][bad]))
        size = np.where(bad, np.nan, found.value)
    if not keep.any():
        raise ParameterError(f"path: no row of {grid.source} could be read: {'; '.join(notes)}")
    when, more = read_sessions_of(when, at, keep, unit)
    notes += more
    rows = [np.flatnonzero(keep & (at == t)) for t in when]
    return [(pre[r], post[r], size[r]) for r in rows], when, notes


def _of_files(grids: list[Grid], columns: dict[str, Column], ages: Days) -> tuple[Grid, dict[str, Column], Days]:
    """A file for each age as one list."""
    whole = concatenated(grids)
    names = [g.source for g in grids]
    if isinstance(ages, dict):
        stems = {n.rpartition(".")[0] or n: n for n in names}
        ages = {stems.get(k, k): t for k, t in ages.items()}
    else:
        at = ages if ages is not None else door.numbers_in(names)
        if not isinstance(at, np.ndarray) or at.size != len(names):
            raise ParameterError(f"ages must give a time for each of {listed(names, 5)}, got {shown(ages)}")
        ages = dict(zip(names, at.tolist(), strict=True))
    return whole, {**columns, "age": "file"}, ages


# ---------------------------------------------------------------------- matrices


def _sheets(path: Path, ages: Days, side: str) -> tuple[list[Any], F8, list[str]]:
    """Of a workbook with a matrix on the sheet of each age."""
    with workbook(path) as book:
        names = list(book.sheetnames)
        at, chosen = _ages_of(names, ages, f"sheets of {path.name}")
        left = [n for n in names if n not in chosen]
        notes = [f"sheets of {path.name} that ages= does not name are not read: {listed(left, 8)}"] if left else []
        tables = []
        for name in chosen:
            m = matrix_of([cells for _, cells in cells_of(book[name])], f"sheet {name!r} of {path.name}")
            pre = side or m.pre
            if not pre:
                raise ParameterError(
                    f"sources must say whether rows or columns of sheet {name!r} are presynaptic, got None"
                )
            tables.append(_edges(m.size if pre == "rows" else m.size.T, *_sides(m, pre)))
    return tables, at, notes


def _sides(m: Matrix, pre: str) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    return (m.rows, m.columns) if pre == "rows" else (m.columns, m.rows)


def _edges(size: F8, pre: NDArray[Any], post: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], F8]:
    """A list of a matrix (n_pre, n_post)."""
    i, j = np.nonzero(np.nan_to_num(size) > 0)
    return pre[i], post[j], size[i, j]


def _ages_of(names: list[str], ages: Days, of: str) -> tuple[F8, list[str]]:
    """Rising ages, and the names that have one in their order."""
    if isinstance(ages, dict):
        found = {n: ages[n] for n in names if n in ages}
    elif isinstance(ages, np.ndarray) and ages.size == len(names):
        found = dict(zip(names, ages.tolist(), strict=True))
    else:
        found = {}
    if not found or len(set(found.values())) != len(found):
        raise ParameterError(
            f"ages must give a time of its own to each of the {of}, {listed(names, 12)}, got {shown(ages)}"
        )
    order = sorted(found, key=lambda n: found[n])
    return np.array([found[n] for n in order]), order


def matrix_of(rows: list[list[str]], source: str) -> Matrix:
    """The matrix of a sheet: figures, with names above and beside them, and perhaps words beyond.

    Raises
    ------
    ParameterError
        Where there is none.
    """
    width = max((len(r) for r in rows), default=0)
    cells = np.array([r + [""] * (width - len(r)) for r in rows], dtype=np.str_).reshape(len(rows), width)
    value = numbers(cells.ravel()).value.reshape(cells.shape)
    figure = np.isfinite(value)
    wide, tall = figure.sum(axis=1), figure.sum(axis=0)
    body = wide >= 0.5 * wide.max(initial=1) if figure.any() else np.zeros(len(rows), bool)
    beside = tall >= 0.5 * tall.max(initial=1) if figure.any() else np.zeros(width, bool)
    if not body.any() or body.argmax() == 0 or beside.argmax() == 0:
        raise ParameterError(f"path: {source} holds no matrix with names above and beside it")
    top, left = int(body.argmax()), int(beside.argmax())
    lead, side = cells[:top, left:], cells[top:, :left]
    above = lead[int(np.argmax([len(set(r) - {""}) for r in lead]))]
    before = side[:, int(np.argmax([len(set(c) - {""}) for c in side.T]))]
    over, by = ({w.casefold() for w in part.ravel()} for part in (lead, side))
    columns_say, rows_say = "pre" in over or "post" in by, "post" in over or "pre" in by
    pre = "" if columns_say == rows_say else "columns" if columns_say else "rows"
    named = (before != "")[:, None] & (above != "")[None, :]
    return Matrix(np.where(named, value[top:, left:], np.nan), before, above, pre)


def _arrays(grid: Grid, columns: dict[str, Column], ages: Days, side: str) -> tuple[list[Any], F8, list[str]]:
    """Of an array (n_age, n, n)."""
    cubes = [k for k, v in grid.arrays.items() if v.ndim == 3]
    name = columns.get("size", cubes[0] if len(cubes) == 1 else None)
    if not isinstance(name, str) or name not in cubes:
        raise ParameterError(
            f"size must name one of the arrays (n_age, n, n) of {grid.source}, {listed(cubes)}, got {name!r}"
        )
    cube = grid.arrays[name].astype(np.float64)
    if not side:
        raise ParameterError(f"sources must say whether the rows or the columns of {name!r} are presynaptic, got None")
    shape = cube.shape[1:] if side == "rows" else cube.shape[:0:-1]
    ends = []
    for word, n in zip(("pre", "post"), shape, strict=True):
        given = columns.get(word)
        if not isinstance(given, str) or given not in grid.arrays or grid.arrays[given].shape != (n,):
            raise ParameterError(
                f"{word} must name an array of {n} names, of {listed(list(grid.arrays))}; got {given!r}"
            )
        ends.append(words(grid.arrays[given]))
    at, order = _ages_of([str(k + 1) for k in range(len(cube))], ages, f"{len(cube)} tables of {name!r}")
    chosen = [cube[int(k) - 1] for k in order]
    return [_edges(m if side == "rows" else m.T, *ends) for m in chosen], at, []
