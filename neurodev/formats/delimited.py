"""CSV: one tidy table in words that everybody reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.frames import TABLES, Table, history_of, table
from neurodev.params import one_of
from neurodev.runs.history import History
from neurodev.writing import a_path

_OURS = {
    "lives": {"id", "birth", "death", "born_after", "born_by", "died_after", "died_by", "unit", "end"},
    "sessions": {"id", "session", "size", "looked", "unit", "size_unit"},
}
_ROWS = 100_000  # written at a time
_CELL = re.compile(r'("(?:[^"]|"")*"|[^,\n]*)(,|\n|\Z)')


class CSV(Format):
    """One tidy table of a run or a history as comma-separated values; words are quoted, numbers are not.

    `History.to_pandas` or `to_sessions` with units as columns that are the same in all rows; causes are words.  What
    a title, notes and causes mean has no place in it, nor has what another table holds; `Parquet` and `NPZ` keep more.

    Parameters
    ----------
    table : {"lives", "sessions", "log", "snapshots", "series", "spikes"}
        A row for each life (birth and death with their limits, cause); each sighting (id, session, size), as
        `read_sessions` takes it; of a run each birth or death; each synapse of each picture; each tick; each
        recorded spike (population, cell, ms).
    projection : str, optional
        Of a run: one projection alone.

    Examples
    --------
    >>> run.export("spines.csv")
    >>> run.export("sizes.csv", table="sessions")
    >>> run.export("spikes.csv", table="spikes")
    """

    suffix = ".csv"
    tables = TABLES

    def __init__(self, table: str = "lives", projection: str | None = None) -> None:
        self.table, self.projection = one_of(table, "table", TABLES), projection

    def write(self, what: Any, path: Path | str) -> None:
        """Write one table of a run or a history.

        Raises
        ------
        ParameterError
            For columns of several dimensions or with names of ours, and sessions in which nobody was seen.
        """
        frame, about, history = table(what, self.table, self.projection)
        if history is not None:
            self._look_at(history, frame)
            frame["unit"] = about["unit"]
            frame["size_unit" if self.table == "sessions" else "end"] = (
                about["size_unit"] if self.table == "sessions" else about["end"]
            )
        strange = [str(n) for n in frame if not _fits(frame[n])]
        if strange:
            self.refuse(strange, "columns with one number, flag or word for each row")
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(map(_quoted, map(str, frame.columns))) + "\n")
            for k in range(0, len(frame), _ROWS):
                part = frame.iloc[k : k + _ROWS]
                columns = [_cells(part[n]) for n in part]
                file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))

    def _look_at(self, history: History, frame: Any) -> None:
        theirs = set(history.columns) & _OURS[self.table]
        if theirs:
            self.refuse(sorted(theirs), f"columns beside {', '.join(sorted(_OURS[self.table]))}")
        if self.table != "sessions":
            return
        if history.looked is not None and "looked" not in frame:
            self.refuse(["looked"], "places that were looked at in every session")
        unseen = sorted(set(history.sessions.tolist()) - set(frame["session"]))
        if unseen:
            self.refuse([f"session {t:g}" for t in unseen], "sessions in which somebody was seen")

    def read(self, path: Path | str) -> Any:
        """The history of a table of lives or sightings; any other table as a frame of pandas.

        Raises
        ------
        ParameterError
            If the file is no such table.
        """
        frame = _read(a_path(path))
        names = set(frame.columns)
        needed = {k: ours - {"unit", "end", "size_unit", "looked"} for k, ours in _OURS.items()}
        kind = next((k for k, those in needed.items() if those <= names), "")
        if not kind:
            return frame
        about: dict[str, Any] = {"table": kind}
        for name in {"unit", "size_unit", "end"} & names & _OURS[kind]:
            if len(frame):
                about[name] = frame[name].iloc[0]
            del frame[name]
        if kind == "lives":
            limits = frame[["born_after", "born_by", "died_after", "died_by"]].to_numpy(np.float64)
            about.setdefault("end", float(np.max(limits, initial=0.0, where=np.isfinite(limits))))
        return history_of(Table(frame, about))


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _fits(series: Any) -> bool:
    """Whether a column holds numbers, flags or words."""
    if series.dtype == "category" or series.to_numpy().dtype.kind in "biuf":
        return True
    values = series.to_numpy()
    return values.dtype.kind in "OU" and all(isinstance(v, str) for v in values.tolist())


def _cells(series: Any) -> list[str]:
    """What stands in the cells of a column that `_fits`."""
    if series.dtype == "category":
        words = [*(_quoted(str(c)) for c in series.cat.categories), '""']
        return [words[code] for code in series.cat.codes]
    a = series.to_numpy()
    if a.dtype.kind in "biu":
        return list(a.astype(str))
    if a.dtype.kind == "f":
        return list(np.where(np.isnan(a), "", a.astype(str)))
    return [_quoted(v) for v in a.tolist()]


def _read(path: Path) -> Any:
    """A table whose quoted columns are words, also where they look like numbers."""
    import pandas as pd

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ParameterError(f"path: {str(path)!r} cannot be read: {e}") from e
    lines, at = [], 0  # the names, and the first row
    for _ in range(2):
        cells: list[str] = []
        while at < len(text):
            found = _CELL.match(text, at)
            if found is None:
                break
            at = found.end()
            cells.append(found[1])
            if found[2] != ",":
                break
        lines.append(cells)
    names = [c[1:-1].replace('""', '"') if c[:1] == '"' else c for c in lines[0]]
    words = [n for n, cell in zip(names, lines[1], strict=False) if cell[:1] == '"']
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except ValueError as e:  # pandas' own derive from it
        raise ParameterError(f"path: {str(path)!r} is no table: {e}") from e
    for name in frame.columns:
        if name not in words:
            frame[name] = _numbers(frame[name].to_numpy(dtype=object))
    return frame


def _numbers(text: Any) -> Any:
    """Cells without quotes: whole numbers, numbers, flags, or words of a file that is not ours."""
    if set(text) <= {"True", "False"}:
        return np.array(text == "True", dtype=bool)
    for kind in (np.int64, np.uint64):
        try:
            return np.array([int(v) for v in text], dtype=kind)
        except (ValueError, OverflowError):
            continue
    try:
        return np.array([float(v) if v else np.nan for v in text])
    except ValueError:
        return text.astype(str)
