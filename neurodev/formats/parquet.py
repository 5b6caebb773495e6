"""Parquet: one tidy table with its types, categories, and what is known of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.frames import OF_HISTORIES, TABLES, Table, history_of, table
from neurodev.params import one_of
from neurodev.writing import a_path

_KEY = b"neurodev"


class Parquet(Format):
    """One tidy table of a run or a history as Apache Parquet (extra ``tables``).

    Causes are a dictionary of words.  The key ``neurodev`` of the schema is JSON: units, end, sessions, title, notes,
    and what causes mean.

    Parameters
    ----------
    table : {"lives", "sessions", "log", "snapshots", "series", "spikes"}
        As for `CSV`.
    projection : str, optional
        Of a run: one projection alone.

    Examples
    --------
    >>> run.export("spines.parquet")  # doctest: +SKIP
    """

    suffix = ".parquet"
    tables = TABLES
    extra = "tables"

    def __init__(self, table: str = "lives", projection: str | None = None) -> None:
        self.table, self.projection = one_of(table, "table", TABLES), projection

    def write(self, what: Any, path: Path | str) -> None:
        """Write one table of a run or a history.

        Raises
        ------
        ParameterError
            For columns that Parquet has no type for.
        """
        with self.library():
            import pyarrow as pa
            import pyarrow.parquet as pq
        frame, about, history = table(what, self.table, self.projection)
        if history is not None and history.looked is not None and self.table == "sessions" and "looked" not in frame:
            self.refuse(["looked"], "places that were looked at in every session")
        try:
            made = pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            strange = [n for n in frame if _strange(pa, frame[n])]
            self.refuse(strange, "columns of one type: numbers, words, flags, or rows of them")
        made = made.replace_schema_metadata({**(made.schema.metadata or {}), _KEY: json.dumps(about)})
        pq.write_table(made, path, compression="zstd")

    def read(self, path: Path | str) -> Any:
        """The history of a table of lives or sightings; any other table as a frame of pandas.

        Raises
        ------
        ParameterError
            If the file is no Parquet.
        """
        with self.library():
            import pyarrow as pa
            import pyarrow.parquet as pq
        try:
            found = pq.read_table(a_path(path), partitioning=None)
        except (pa.ArrowInvalid, OSError) as e:
            raise ParameterError(f"path: {str(path)!r} cannot be read as Parquet: {e}") from e
        about = json.loads((found.schema.metadata or {}).get(_KEY, b"{}"))
        frame = found.to_pandas()
        return history_of(Table(frame, about)) if about.get("table") in OF_HISTORIES else frame


def _strange(pa: Any, series: Any) -> bool:
    try:
        pa.array(np.asarray(series).tolist())
    except pa.ArrowException:
        return True
    return False
