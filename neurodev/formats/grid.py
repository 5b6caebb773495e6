"""Tables as they stand in files: text of any delimiter, workbooks, arrays of NumPy, frames of pandas."""

from __future__ import annotations

import csv
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8
from neurodev.errors import ParameterError, nearest, shown
from neurodev.formats.cells import nothing, numbers, told, words
from neurodev.params import check_memory

TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat", "")
BOOKS = (".xlsx", ".xlsm")
ARRAYS = (".npz", ".npy")
SUFFIXES = (*TEXT[:-1], *BOOKS, *ARRAYS, ".parquet")
_CHUNK = 65536
_DELIMITERS = ("\t", ";", ",", "|", " ")
Column = str | int


@dataclass(frozen=True)
class Grid:
    """A table: columns of words or of numbers, (n,) each, and where they come from."""

    columns: dict[str, NDArray[Any]]
    line: I8
    """The row of the file (as a spreadsheet or an editor counts them) of each row of the table."""
    source: str
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Of a file of arrays: all of them."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.columns)

    def pick(self, wanted: Column, where: str) -> str:
        """The name of a column: by its name, in any case of letters, or by its number, from 1.

        Raises
        ------
        ParameterError
            With the columns that there are.
        """
        names = self.names
        if isinstance(wanted, int):
            if 1 <= wanted <= len(names):
                return names[wanted - 1]
        elif wanted in self.columns:
            return wanted
        else:
            same = [n for n in names if n.casefold() == wanted.strip().casefold()]
            if len(same) == 1:
                return same[0]
        hint = nearest(wanted, names) if isinstance(wanted, str) else ""
        raise ParameterError(f"{where}: no column {wanted!r} in {self.source}; it has {listed(names)}{hint}")

    def has(self, wanted: Column) -> bool:
        """Whether there is such a column."""
        try:
            self.pick(wanted, "")
        except ParameterError:
            return False
        return True

    def keep(self, rows: Any, *notes: str) -> Grid:
        """Some rows of it."""
        columns = {k: v[rows] for k, v in self.columns.items()}
        return replace(self, columns=columns, line=self.line[rows], notes=(*self.notes, *notes))

    def filled(self, names: Sequence[Column]) -> Grid:
        """Empty cells of some columns hold what stands above them, as in merged cells of a spreadsheet."""
        columns = dict(self.columns)
        for name in (self.pick(n, "fill") for n in names):
            text = words(columns[name])
            above = np.maximum.accumulate(np.where(nothing(text), 0, np.arange(text.size)))
            columns[name] = text[above]
        return replace(self, columns=columns)


def listed(names: Sequence[str], most: int = 40) -> str:
    """Names of columns as an error lists them."""
    said = ", ".join(map(repr, names[:most]))
    return said + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"


def load(
    path: Any, *, sheet: str | int | None = None, header: bool | int | None = None, delimiter: str = "",
    bare: bool = False,
) -> Grid:  # fmt: skip
    """A table out of a file, or out of a frame of pandas.

    Parameters
    ----------
    path : path-like or pandas.DataFrame
        Text (``.csv``, ``.tsv``, ``.txt`` ...), a workbook (``.xlsx``), arrays (``.npz``, ``.npy``) or ``.parquet``.
    sheet : str or int, optional
        Of a workbook: its name or number, from 1; the first if not given.
    header : bool or int, optional
        Whether the first row holds the names of the columns, or the number of the row that does; told by whether there
        is a word in the first row if not given; remarks with # above it are passed over.  Without names, columns are
        known by their numbers.
    delimiter : str
        Of text; found out if not given.

    bare : bool
        Whether a table of names of columns alone will do.

    Raises
    ------
    ParameterError
        Where there is no such file, or no table in it.
    """
    if hasattr(path, "columns") and hasattr(path, "to_numpy"):
        return _of_frame(path, "the frame")
    place = Path(path)
    if sheet is not None and place.suffix.lower() not in BOOKS:
        raise ParameterError(f"sheet: {place.name} has no sheets, got {shown(sheet)}")
    if place.is_dir():
        raise ParameterError(f"path: {str(place)!r} is a folder, not a table")
    if not place.is_file():
        raise ParameterError(f"path: there is no file {str(place)!r}")
    try:
        if place.suffix.lower() in BOOKS:
            return _of_rows(_book(place, sheet), place.name, header, (), bare)
        if place.suffix.lower() in ARRAYS:
            return _of_arrays(place)
        if place.suffix.lower() == ".parquet":
            return _of_parquet(place)
        if place.suffix.lower() == ".xls":
            raise ParameterError(f"path: {place.name} is a workbook of the old form: save it as .xlsx or .csv")
        return _of_text(place, header, delimiter, bare)
    except OSError as e:
        raise ParameterError(f"path: {str(place)!r} cannot be read: {e}") from None


# ---------------------------------------------------------------------- text


def _of_text(path: Path, header: bool | int | None, delimiter: str, bare: bool) -> Grid:
    check_memory(20.0 * path.stat().st_size, f"the table {path.name}", "cut it, or take columns out that are not asked")
    with path.open("rb") as f:
        head = f.read(65536)
    if not head.strip():
        raise ParameterError(f"path: {path.name} is empty")
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in head and not wide:
        raise ParameterError(f"path: {path.name} is no text: tables are {', '.join(SUFFIXES)}")
    notes: tuple[str, ...] = ()
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            with path.open(encoding=encoding, newline="") as f:
                return _of_rows(_lines(f, delimiter, path.name), path.name, header, notes, bare)
        except UnicodeError:
            notes = (f"{path.name} is not written in UTF-8: letters beyond ASCII may be wrong",)
    raise ParameterError(f"path: {path.name} is no text that can be read")


def _lines(file: Any, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row that is not blank."""
    first = [line for line in (file.readline() for _ in range(200)) if line.strip() and line.lstrip()[0] != "#"][:50]
    file.seek(0)
    said = re.fullmatch(r"sep=(.)\s*", first[0]) if first else None  # as Excel writes it
    delimiter = delimiter or (said[1] if said else _delimiter(first))
    blanks = delimiter == " "
    source = ("" if line.startswith("#") else " ".join(line.split()) + "\n" for line in file) if blanks else file
    rows = csv.reader(source, delimiter=delimiter)
    past = 0
    try:
        for row in rows:
            # a quote that is not closed swallows what follows
            if rows.line_num > past + 1 and (rows.line_num > past + 100 or any(cell.endswith("\n") for cell in row)):
                raise csv.Error(f"one that opens there is closed at row {rows.line_num} or never")
            past = rows.line_num
            if row and (row[0] or any(row)):
                yield past, row
    except csv.Error as e:
        raise ParameterError(f"path: {name}, row {past + 1}, has quotes that do not fit: {e}") from None


def _delimiter(lines: list[str]) -> str:
    """That by which nearly all lines have as many cells, more than one; a comma where none does."""
    for one in _DELIMITERS:
        rows = [len(line.split()) if one == " " else _cells(line, one) for line in lines]
        count = max(set(rows), key=rows.count) if rows else 1
        if count > 1 and rows.count(count) >= 0.8 * len(rows):
            return one
    return ","


def _cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 1


# ---------------------------------------------------------------------- rows of cells


def _of_rows(
    rows: Iterator[tuple[int, list[str]]], source: str, header: Any, notes: tuple[str, ...], bare: bool
) -> Grid:
    """A table of rows that come one after the other; few at a time are held as Python's strings."""
    after = header if isinstance(header, int) and not isinstance(header, bool) else 0
    first = next(((k, row) for k, row in rows if k >= after and (after or not _remark(row))), None)
    if first is None:
        where = f"has no row {after}" if after else "is empty"
        raise ParameterError(f"{'header' if after else 'path'}: {source} {where}")
    row = [cell.strip() for cell in first[1]]
    headed = bool(header) if header is not None else not _all_numbers(row)
    names = _names(row) if headed else [f"column {k + 1}" for k in range(len(row))]
    parts: list[list[NDArray[Any]]] = [[] for _ in names]
    line: list[int] = []
    long: list[int] = []
    short: list[int] = []
    chunk: list[list[str]] = [] if headed else [row]
    line += [] if headed else [first[0]]

    def pack() -> None:
        for k, part in enumerate(parts):
            part.append(np.array([r[k] for r in chunk], dtype=np.str_))
        chunk.clear()

    for number, row in rows:
        if len(row) < len(names):
            short.append(number)
            row = row + [""] * (len(names) - len(row))
        elif len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            long.append(number)
            continue
        chunk.append(row)
        line.append(number)
        if len(chunk) == _CHUNK:
            pack()
    pack()
    if long:
        notes = (*notes, told(np.array(long), f"of {source} are left out, with more than {len(names)} cells"))
    if short and not source.lower().endswith(BOOKS):
        notes = (*notes, told(np.array(short), f"of {source} have fewer than {len(names)} cells"))
    if not line and (long or not bare):
        cut = f" with the {len(names)} cells of its first" if long else f" beneath {listed(names)}"
        raise ParameterError(f"path: {source} has no row{cut}")
    columns = {n: words(np.concatenate(part)) for n, part in zip(names, parts, strict=True)}
    return Grid(columns, np.array(line, dtype=np.int64), source, notes=notes)


def _remark(row: list[str]) -> bool:
    """Whether a row above the names is a remark: one cell that begins with #, or Excel's ``sep=``."""
    return row[0].lstrip().startswith(("#", "sep=")) and not any(cell.strip() for cell in row[1:])


def _all_numbers(row: list[str]) -> bool:
    found = numbers(np.array(row, dtype=np.str_))
    return bool(np.isfinite(found.value).any() and not found.bad.any())


def _names(row: Sequence[str]) -> list[str]:
    """Names of columns, each once: what stands there again gets its number, what has no name its place."""
    out: list[str] = []
    for k, cell in enumerate(row):
        name, again = cell.strip() or f"column {k + 1}", 2
        while name in out:
            name, again = f"{cell.strip()} ({again})", again + 1
        out.append(name)
    return out


# ---------------------------------------------------------------------- workbooks, arrays, frames


@contextmanager
def workbook(path: Path) -> Iterator[Any]:
    """A workbook, open for reading."""
    try:
        import openpyxl
    except ImportError:
        raise ParameterError(
            f"path: {path.name} needs openpyxl: pip install 'neurodev[imaging]', or save it as .csv"
        ) from None
    try:
        with path.open("rb") as f:
            with zipfile.ZipFile(f) as z:
                size = sum(i.file_size for i in z.infolist())
            check_memory(4.0 * size, f"the workbook {path.name}", "save the sheet as .csv")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles that it does not keep
                book = openpyxl.load_workbook(f, read_only=True, data_only=True)
            try:
                yield book
            finally:
                book.close()
    except ParameterError:
        raise
    except Exception as e:  # whatever the parts of a damaged file raise
        raise ParameterError(f"path: {path.name} is no workbook that can be read: {e}") from None


def _book(path: Path, sheet: str | int | None) -> Iterator[tuple[int, list[str]]]:
    with workbook(path) as book:
        names = list(book.sheetnames)
        if isinstance(sheet, str) and sheet not in names or isinstance(sheet, int) and not 1 <= sheet <= len(names):
            hint = nearest(sheet, names) if isinstance(sheet, str) else ""
            raise ParameterError(f"sheet: {path.name} has no sheet {sheet!r}; it has {listed(names)}{hint}")
        yield from cells_of(book[sheet] if isinstance(sheet, str) else book.worksheets[(sheet or 1) - 1])


def cells_of(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each row of a sheet that is not blank."""
    for k, row in enumerate(sheet.iter_rows(values_only=True), 1):
        cells = ["" if c is None else _written(c) for c in row]
        if any(cells):
            yield k, cells


def _written(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2.0**53:
        return str(int(cell))
    return str(cell.isoformat() if hasattr(cell, "isoformat") else cell).strip()


def _of_arrays(path: Path) -> Grid:
    try:
        if path.suffix.lower() == ".npy":
            arrays = {"array": np.load(path, allow_pickle=False)}
        else:
            with zipfile.ZipFile(path) as z:
                check_memory(float(sum(i.file_size for i in z.infolist())), f"the arrays of {path.name}", "cut them")
            with np.load(path, allow_pickle=False) as f:
                arrays = {k: f[k] for k in f.files}
    except ParameterError:
        raise
    except Exception as e:  # whatever a damaged file raises
        raise ParameterError(f"path: {path.name} holds no arrays that can be read: {e}") from None
    if not arrays:
        raise ParameterError(f"path: {path.name} holds no array")
    length = [a.shape[0] for a in arrays.values() if a.ndim == 1]
    n = max(set(length), key=length.count) if length else 0
    columns = {k: a for k, a in arrays.items() if a.shape == (n,) and a.dtype.kind in "biufUS"}
    return Grid(columns, np.arange(1, n + 1), path.name, arrays)


def _of_parquet(path: Path) -> Grid:
    import pandas as pd

    try:
        return _of_frame(pd.read_parquet(path), path.name)
    except ImportError:
        raise ParameterError(f"path: {path.name} needs pyarrow: pip install pyarrow, or save it as .csv") from None
    except Exception as e:  # pyarrow's own
        raise ParameterError(f"path: {path.name} is no table that can be read: {shown(str(e))}") from None


def _of_frame(frame: Any, source: str) -> Grid:
    columns: dict[str, NDArray[Any]] = {}
    for name in _names([str(c) for c in frame.columns]):
        values = frame.iloc[:, len(columns)]
        a = np.asarray(values)
        if a.dtype.kind not in "biuf":
            gone = values.isna().to_numpy()
            a = words(np.array(["" if g else str(v) for v, g in zip(values, gone, strict=True)], dtype=np.str_))
        columns[name] = a
    return Grid(columns, np.arange(1, len(frame) + 1), source)


def concatenated(grids: Sequence[Grid]) -> Grid:
    """Tables one below the other, in the columns that all of them have, with a column of their files.

    Raises
    ------
    ParameterError
        Where there is none.
    """
    common = [n for n in grids[0].names if all(n in g.columns for g in grids)]
    odd = sorted({n for g in grids for n in g.columns} - set(common))
    notes = [f"columns that not all of {len(grids)} tables have are not read: {listed(odd, 8)}"] if odd else []
    if not common:
        raise ParameterError(f"path: {grids[0].source} and {grids[-1].source} have no column in common: {listed(odd)}")
    columns: dict[str, NDArray[Any]] = {}
    for name in common:
        parts = [g.columns[name] for g in grids if g.line.size]
        same = len({p.dtype.kind for p in parts}) == 1
        columns[name] = np.concatenate((parts if same else [words(p) for p in parts]) or [np.zeros(0, dtype="U1")])
    columns.setdefault("file", np.concatenate([np.full(g.line.size, g.source) for g in grids]))
    line = np.concatenate([g.line for g in grids])
    return Grid(columns, line, f"{len(grids)} tables", notes=(*(n for g in grids for n in g.notes), *notes))
