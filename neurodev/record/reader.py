"""Reading a run file: nothing is believed that does not prove itself, nothing expanded that was not looked at."""

from __future__ import annotations

import json
import sqlite3
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import RunFileError, nearest, shown
from neurodev.record.database import Database
from neurodev.record.head import PROVEN
from neurodev.record.proof import Tally, check_whole, expand, hash_of, item_size, proof_of
from neurodev.structure.log import OLD_TERMS, LogBatch, concatenate, decode, empty

ROWS = {  # the fields under the proof of a row of each table; the hash of its bytes comes last
    "chunk": ("name", "first", "count", "dtype", "columns", "hash"),
    "item": ("name", "unit", "value"),
    "provenance": ("name", "value"),
    "log": ("projection", "tick", "events", "hash"),
    "checkpoint": ("tick", "hash"),
}
_GROWING = ("chunk", "log")  # rows are only added while a run goes on


@dataclass
class Array:
    """Type, number of columns (0: none) and number of rows of an array, and the rows of the table that hold it."""

    dtype: str
    columns: int
    rows: int = 0
    pieces: int = 0


class Reader(Database):
    """The arrays, items and logs of a run file, as they stood when it was opened or refreshed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._sealed = False
        self._forget()

    def _forget(self) -> None:
        self._bound = {"chunk": 0, "log": 0}
        self._arrays: dict[str, Array] = {}
        self._grown = Tally()  # of the tables that only grow, up to the bounds
        self._flaw = ""

    def refresh(self) -> None:
        """See what was flushed since this reader was opened.

        Raises
        ------
        RunFileError
            If the file is missing, truncated, foreign, of a newer version, or of another run by now.
        """
        if self._closed:
            raise RunFileError(f"{str(self.path)!r} was closed: open it again")
        before = self._run_id, self._session, self._version
        self._look_beside()
        self._version = 0  # until it is known whose file it is
        try:
            self._run(self._open)
            if before[0] and self._run_id != before[0]:
                raise RunFileError(
                    f"{str(self.path)!r} holds another run since it was opened: open it anew with nd.Run(...)"
                )
        except BaseException:
            self._run_id, self._session, self._version = before
            raise
        if before[1] != self._session or self._flaw:
            self._forget()
        for known in (self._bound["chunk"] > 0, False):
            try:
                self._run(self._take_in)
                return
            except (ValueError, TypeError) as e:
                self._forget()  # an array that had no row may have made way: once more, from the start
                self._flaw = "" if known else str(e)
                if not known:
                    return

    def _take_in(self, db: sqlite3.Connection) -> None:
        """List the arrays up to the last flush, and count all rows."""
        proven = self._version >= PROVEN
        alone = self._db is None and self._memory is None  # else within the transaction of the writer
        db.execute("BEGIN" if alone else "SELECT 1")
        try:
            bounds = {t: int(db.execute(f"SELECT ifnull(max(rowid), 0) FROM {t}").fetchone()[0]) for t in _GROWING}
            proof = "hash, proof" if proven else "NULL, NULL"
            chunks = db.execute(
                f"SELECT name, first, count, dtype, columns, {proof} FROM chunk WHERE rowid > ? AND rowid <= ? "
                "ORDER BY name, first",
                (self._bound["chunk"], bounds["chunk"]),
            )
            for *fields, given in chunks:
                if proven:
                    self._prove("chunk", fields, given)
                    self._grown.add([given])
                self._list(*fields[:5])
            if proven and self._db is None:
                self._count(db, bounds)
            self._bound = bounds
            self._sealed = ("true",) in db.execute("SELECT value FROM item WHERE name='sealed'").fetchall()
        finally:
            if alone:
                db.execute("ROLLBACK")

    def _prove(self, table: str, fields: list[Any], given: Any) -> None:
        if not isinstance(given, int) or proof_of(self._run_id, table, *fields) != given:
            raise ValueError(f"a row of {table}, {shown(fields[0], 60)}, does not fit its checksum")

    def _list(self, name: Any, first: Any, count: Any, dtype: Any, columns: Any) -> None:
        """One row more of the table of arrays; rows of an array follow upon one another."""
        if not isinstance(name, str) or not all(isinstance(n, int) and n >= 0 for n in (first, count, columns)):
            raise ValueError(f"a row of chunk, {shown(name, 60)}, does not say where it belongs")
        item_size(dtype)
        array = self._arrays.get(name)
        if array is None or (array.rows == 0 and first == 0):
            array = self._arrays[name] = Array(dtype, columns)
        if (dtype, columns) != (array.dtype, array.columns):
            raise ValueError(f"the array {shown(name, 60)} changes its type within")
        if first != array.rows:
            raise ValueError(f"the array {shown(name, 60)} has rows from {first} on, those before end at {array.rows}")
        array.rows, array.pieces = first + count, array.pieces + 1

    def _count(self, db: sqlite3.Connection, bounds: dict[str, int]) -> None:
        """All rows are there, and no others."""
        new = db.execute(
            "SELECT projection, tick, events, hash, proof FROM log WHERE rowid > ? AND rowid <= ?",
            (self._bound["log"], bounds["log"]),
        )
        for *fields, given in new:
            self._prove("log", fields, given)
            self._grown.add([given])
        whole = Tally(self._grown.rows, self._grown.total)
        for table in ("item", "provenance", "checkpoint"):
            for *fields, given in db.execute(f"SELECT {', '.join(ROWS[table])}, proof FROM {table}"):
                self._prove(table, fields, given)
                whole.add([given])
        kept = db.execute("SELECT session, rows, total, proof FROM tally").fetchall()
        mine = (self._session, whole.rows, whole.signed, whole.proof(self._run_id, self._session))
        if len(kept) != 1 or kept[0] != mine:
            raise ValueError("rows are missing, or there are others")

    def _trust(self, what: str = "the list of arrays") -> None:
        """Whether everything was found to be in its place when the file was opened."""
        if self._closed:
            raise RunFileError(f"{str(self.path)!r} was closed: open it again")
        if self._db is not None:  # the writer reads what it writes
            self._forget()
            self._run(self._take_in)
        if self._flaw:
            raise self.damaged(what, self._flaw)

    # ------------------------------------------------------------------ reading

    @property
    def run_id(self) -> str:
        """Identity of the run that the file holds, 32 hexadecimal digits; empty in files of older formats."""
        return self._run_id

    @property
    def proven(self) -> bool:
        """Whether its bytes lie under checksums, so that `verify` sees damage; not in files of older formats."""
        return self._version >= PROVEN

    @property
    def sealed(self) -> bool:
        """Whether its writer had closed it when it was looked at; else it grew, or the writer was killed."""
        return self._sealed

    def names(self, prefix: str = "") -> list[str]:
        """Names of all arrays that begin with `prefix`."""
        self._trust()
        return sorted(name for name in self._arrays if name.startswith(prefix))

    def length(self, name: str) -> int:
        """Number of rows of the array `name`; 0 if there is none."""
        self._trust()
        return self._arrays[name].rows if name in self._arrays else 0

    def ends_at(self, name: str, row: Any) -> bool:
        """Whether a flush ended at a row of an array."""
        if not isinstance(row, int) or not 0 <= row <= self.length(name):
            return False
        return not self._query("SELECT 1 FROM chunk WHERE name=? AND first<? AND first+count>?", name, row, row)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """The array `name`, or its rows `start` to `stop`; only the chunks that hold them are read.

        Returns
        -------
        array : (n,) or (n, columns)

        Raises
        ------
        RunFileError
            If there is no such array, or its bytes are damaged.
        """
        with self.held():
            return self._read(name, start, stop)

    def _read(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        what = f"array {name!r}"
        self._trust(what)
        if name not in self._arrays:
            raise RunFileError(f"{str(self.path)!r} holds no array {name!r}{nearest(name, self._arrays)}")
        array = self._arrays[name]
        start, stop, _ = slice(start, stop).indices(array.rows)
        stop = max(start, stop)
        hashed = "hash" if self._version >= PROVEN else "NULL"
        rows = self._query(
            f"SELECT first, count, {hashed}, length(data), rowid FROM chunk WHERE name=? AND rowid <= ? AND "
            "first + count > ? AND first < ? ORDER BY first",
            name, self._bound["chunk"], start, stop,
        )  # fmt: skip
        width = max(array.columns, 1)
        try:
            check_whole((stop - start) * width * item_size(array.dtype), sum(int(r[3]) for r in rows))
            out = np.empty((stop - start) * width, dtype=array.dtype)
            filled = start
            for first, count, given, _, row in rows:
                blob = self._bytes("chunk", row, given)
                a = expand(blob, array.dtype, count * width)
                low, high = max(start, first), min(stop, first + count)
                if low != filled:
                    raise ValueError(f"its row {filled} is missing")
                out[(low - start) * width : (high - start) * width] = a[(low - first) * width : (high - first) * width]
                filled = high
            if filled != stop:
                raise ValueError(f"its row {filled} is missing")
        except (ValueError, TypeError, zlib.error, MemoryError) as e:
            raise self.damaged(what, e) from e
        return out.reshape(-1, array.columns) if array.columns else out

    def _bytes(self, table: str, row: int, given: Any) -> bytes:
        """The bytes of a row, which prove themselves."""
        found = self._query(f"SELECT data FROM {table} WHERE rowid=?", row)
        if not found or not isinstance(found[0][0], bytes):
            raise ValueError("its bytes are missing")
        if self._version >= PROVEN and hash_of(self._run_id, found[0][0]) != given:
            raise ValueError("its bytes do not fit their checksum")
        return found[0][0]

    def _json(self, what: str, value: Any) -> Any:
        try:
            return json.loads(value)
        except (ValueError, TypeError, RecursionError) as e:
            raise self.damaged(what, e) from e

    def provenance(self) -> dict[str, Any]:
        """Where the run comes from, by name."""
        self._trust("the provenance")
        if not self._query("SELECT 1 FROM sqlite_master WHERE name='provenance'"):
            old = self._query("SELECT value FROM item WHERE name='provenance'")  # format 1
            kept = self._json("the provenance", old[0][0]) if old else {}
            if not isinstance(kept, dict):
                raise self.damaged("the provenance", "it is not a table")
            return kept
        rows = self._query("SELECT name, value FROM provenance ORDER BY rowid")
        return {str(k): self._json(f"the provenance {k!r}", v) for k, v in rows}

    def item(self, name: str, default: Any = ...) -> Any:
        """The value of an item."""
        if name == "provenance":
            return self.provenance()
        self._trust(f"item {name!r}")
        rows = self._query("SELECT value FROM item WHERE name=?", name)
        if not rows:
            if default is not ...:
                return default
            raise RunFileError(f"{str(self.path)!r} holds no item {name!r}{nearest(name, self.items())}")
        return self._json(f"item {name!r}", rows[0][0])

    def unit(self, name: str) -> str:
        """The unit of an item; empty if it has none."""
        self._trust(f"item {name!r}")
        rows = self._query("SELECT unit FROM item WHERE name=?", name)
        return str(rows[0][0]) if rows else ""

    def items(self) -> list[str]:
        """Names of all items."""
        self._trust("the list of items")
        return [str(r[0]) for r in self._query("SELECT name FROM item ORDER BY name")]

    def terms(self, projection: str) -> dict[str, str]:
        """Unit of each term that a death in the log of a projection may carry, by name."""
        kept = self.item("terms", None)
        if isinstance(kept, dict):
            mine = kept.get(projection, {})
            if not isinstance(mine, dict):
                raise self.damaged("item 'terms'", f"that of {projection!r} is {shown(mine, 60)}")
            return {str(name): str(unit) for name, unit in mine.items()}
        # older files do not say; trainings had none
        return {} if self.item("kind", None) == "training" else dict.fromkeys(OLD_TERMS, "sd")

    def log(self, projection: str, until: int | None = None) -> LogBatch:
        """The births and deaths of a projection, all or those of ticks up to `until`, in order of ticks.

        Deaths without partners, `terms` as it says.
        """
        n_term, what = len(self.terms(projection)), f"the log of {projection!r}"
        hashed = "hash" if self._version >= PROVEN else "NULL"
        rows = self._query(
            f"SELECT rowid, events, {hashed} FROM log WHERE projection=? AND rowid <= ? AND tick <= ? "
            "ORDER BY tick",
            projection, self._bound["log"], 2**62 if until is None else until,
        )  # fmt: skip
        parts = [empty(n_term)]
        for row, events, given in rows:
            try:
                part = decode(self._bytes("log", row, given), n_term)
                if part.uid.size != events:
                    raise ValueError(f"{part.uid.size} events, not {events}")
            except (ValueError, MemoryError) as e:
                raise self.damaged(what, e) from e
            parts.append(part)
        return concatenate(parts)

    def logged(self) -> list[str]:
        """Names of the projections with births or deaths."""
        self._trust("the log")
        rows = self._query("SELECT DISTINCT projection FROM log WHERE rowid <= ?", self._bound["log"])
        return [str(r[0]) for r in rows]

    def log_bytes(self) -> tuple[int, int]:
        """Number of events in the log, and the bytes they take."""
        self._trust("the log")
        rows = self._query("SELECT total(events), total(length(data)) FROM log WHERE rowid <= ?", self._bound["log"])
        return int(rows[0][0]), int(rows[0][1])

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """The checkpoints kept, (tick, bytes), the oldest first; those whose bytes are damaged are left out."""
        self._trust("the checkpoints")
        hashed = "hash" if self._version >= PROVEN else "NULL"
        out = []
        for tick, given in self._query(f"SELECT tick, {hashed} FROM checkpoint ORDER BY tick"):
            try:
                out.append((int(tick), self._bytes("checkpoint", tick, given)))
            except ValueError as e:
                warnings.warn(str(self.damaged(f"the checkpoint at {tick}", e)), stacklevel=2)
        return out

    def verify(self) -> None:
        """Look at every byte of the file.

        Raises
        ------
        RunFileError
            Naming the first that is damaged.
        """
        with self.held():
            for name in self.names():
                self.read(name)
            for projection in self.logged():
                self.log(projection)
            hashed = "hash" if self._version >= PROVEN else "NULL"
            for tick, given in self._query(f"SELECT tick, {hashed} FROM checkpoint ORDER BY tick"):
                try:
                    self._bytes("checkpoint", tick, given)
                except ValueError as e:
                    raise self.damaged(f"the checkpoint at {tick}", e) from e
            self._trust("the list of items")  # which hold no other bytes
