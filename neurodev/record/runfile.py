"""The run file: one SQLite database, written while running, readable while it grows, sealed into one mailable file.

Tables: `chunk` (name, first, count, dtype, columns, bytes), `item` (name, unit, JSON value), `log`
(projection, tick, events, bytes),
`checkpoint` (the last two).  Every flush is one transaction.  Arrays are little-endian, byte-shuffled and deflated.
Loading executes nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import RunFileError, nearest
from neurodev.structure.log import LogBatch, concatenate, decode, encode

APPLICATION_ID = 0x6E64_6576  # "ndev"
VERSION = 1
_SCHEMA = """
CREATE TABLE chunk (name TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, dtype TEXT NOT NULL,
                    columns INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (name, first));
CREATE TABLE item (name TEXT PRIMARY KEY, unit TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE log (projection TEXT NOT NULL, tick INTEGER NOT NULL, events INTEGER NOT NULL, data BLOB NOT NULL,
                  PRIMARY KEY (projection, tick));
CREATE TABLE checkpoint (tick INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""


def _squeeze(a: NDArray[Any]) -> bytes:
    raw = np.ascontiguousarray(a.astype(a.dtype.newbyteorder("<"))).view(np.uint8)
    return zlib.compress(raw.reshape(-1, a.dtype.itemsize).T.tobytes(), 4)


def _expand(blob: bytes, dtype: str, n: int) -> NDArray[Any]:
    raw = np.frombuffer(zlib.decompress(blob), dtype=np.uint8)
    return raw.reshape(np.dtype(dtype).itemsize, n).T.copy().view(dtype).reshape(-1)


class RunFile:
    """Open a run file with `create` or `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, writable: bool) -> None:
        self.path, self._db, self._writable = path, connection, writable
        self._length: dict[str, int] = {}

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> RunFile:
        """Start a new run file; an old one of that name is replaced.

        Raises
        ------
        RunFileError
            If the folder does not exist, or the path holds something that is not a run file.
        """
        path = Path(path)
        if not path.parent.exists():
            raise RunFileError(f"the folder {str(path.parent)!r} does not exist: make it, or choose another to=")
        if path.exists():
            cls.open(path).close()  # refuses to overwrite a file that is not ours
            for extra in ("", "-wal", "-shm"):
                Path(str(path) + extra).unlink(missing_ok=True)
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={VERSION}")
        db.executescript(_SCHEMA)
        db.execute("BEGIN")
        return cls(path, db, True)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFile:
        """Open an existing run file for reading, also while it is still written.

        Raises
        ------
        RunFileError
            If it is missing, truncated, foreign, or of a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise RunFileError(f"there is no run file {str(path)!r}")
        try:
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
            mark = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as e:
            raise RunFileError(f"{str(path)!r} is not a run file, or it was truncated ({e})") from e
        if mark != APPLICATION_ID:
            raise RunFileError(f"{str(path)!r} is a database, but not a neurodev run file")
        if version > VERSION:
            raise RunFileError(
                f"{str(path)!r} has format {version}; this neurodev reads up to {VERSION}: upgrade neurodev"
            )
        return cls(path, db, False)

    # ------------------------------------------------------------------ writing

    def append(self, name: str, array: NDArray[Any]) -> None:
        """Append rows to the array `name`; its dtype and number of columns must not change."""
        a = np.asarray(array)
        first = self._length.get(name, 0)
        columns = int(a.shape[1]) if a.ndim == 2 else 0
        data = _squeeze(a.reshape(-1))
        dtype = a.dtype.newbyteorder("<").str
        self._db.execute("INSERT INTO chunk VALUES (?,?,?,?,?,?)", (name, first, a.shape[0], dtype, columns, data))
        self._length[name] = first + int(a.shape[0])

    def set_item(self, name: str, value: Any, unit: str = "") -> None:
        """Write words and numbers (JSON)."""
        self._db.execute("INSERT OR REPLACE INTO item VALUES (?,?,?)", (name, unit, json.dumps(value)))

    def append_log(self, projection: str, tick: int, batch: LogBatch) -> None:
        """Write the births and deaths of some ticks, `tick` being the last."""
        self._db.execute("INSERT INTO log VALUES (?,?,?,?)", (projection, tick, int(batch.uid.size), encode(batch)))

    def checkpoint(self, tick: int, data: bytes) -> None:
        """Keep a checkpoint, and the one before it."""
        self._db.execute("INSERT OR REPLACE INTO checkpoint VALUES (?,?)", (tick, data))
        self._db.execute(
            "DELETE FROM checkpoint WHERE tick NOT IN (SELECT tick FROM checkpoint ORDER BY tick DESC LIMIT 2)"
        )

    def commit(self) -> None:
        """End the transaction: everything so far is on disk and visible to readers."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Seal a written file into a single one, or stop reading."""
        if self._writable:
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("PRAGMA journal_mode=DELETE")
            self._writable = False
        self._db.close()

    # ------------------------------------------------------------------ reading

    def _query(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, args).fetchall()
        except sqlite3.DatabaseError as e:
            raise RunFileError(f"{str(self.path)!r} cannot be read ({e}); was it truncated?") from e

    def names(self, prefix: str = "") -> list[str]:
        """Names of all arrays that begin with `prefix`."""
        rows = self._query("SELECT DISTINCT name FROM chunk ORDER BY name")
        return [r[0] for r in rows if r[0].startswith(prefix)]

    def read(self, name: str) -> NDArray[Any]:
        """The whole array `name`."""
        rows = self._query("SELECT count, dtype, columns, data FROM chunk WHERE name=? ORDER BY first", name)
        if not rows:
            raise RunFileError(f"{str(self.path)!r} holds no array {name!r}{nearest(name, self.names())}")
        parts = []
        for count, dtype, columns, data in rows:
            a = _expand(data, dtype, count * max(columns, 1))
            parts.append(a.reshape(count, columns) if columns else a)
        return np.concatenate(parts)

    def item(self, name: str, default: Any = ...) -> Any:
        """The value of an item."""
        rows = self._query("SELECT value FROM item WHERE name=?", name)
        if not rows:
            if default is not ...:
                return default
            raise RunFileError(f"{str(self.path)!r} holds no item {name!r}{nearest(name, self.items())}")
        return json.loads(rows[0][0])

    def items(self) -> list[str]:
        """Names of all items."""
        return [r[0] for r in self._query("SELECT name FROM item ORDER BY name")]

    def log(self, projection: str) -> LogBatch:
        """All births and deaths of a projection, in order of ticks; deaths without partners."""
        rows = self._query("SELECT data FROM log WHERE projection=? ORDER BY tick", projection)
        return concatenate(decode(r[0]) for r in rows)

    def log_bytes(self) -> tuple[int, int]:
        """Number of events in the log, and the bytes they take."""
        rows = self._query("SELECT total(events), total(length(data)) FROM log")
        return int(rows[0][0]), int(rows[0][1])
