"""The run file: one SQLite database, written while running, readable while it grows, sealed into one mailable file.

Tables: `chunk` (name, first, count, dtype, columns, bytes), `item` (name, unit, JSON value), `provenance` (name, JSON
value), `log` (projection, tick, events, bytes), `checkpoint` (the last two).  Every flush is one transaction.  Arrays
are little-endian, byte-shuffled and deflated; the rest is JSON: loading executes nothing.

A reader sees the last flush before it was opened, and goes on seeing that until `refresh`, so that two arrays read one
after the other always belong together.  While the file is unsealed it holds no connection between two reads: an open
connection would keep the writer from sealing.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import RunFileError, nearest
from neurodev.structure.log import OLD_TERMS, LogBatch, concatenate, decode, empty, encode

APPLICATION_ID = 0x6E64_6576  # "ndev"
VERSION = 2  # 1 kept the provenance among the items
_SCHEMA = """
CREATE TABLE chunk (name TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, dtype TEXT NOT NULL,
                    columns INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (name, first));
CREATE TABLE item (name TEXT PRIMARY KEY, unit TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE provenance (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE log (projection TEXT NOT NULL, tick INTEGER NOT NULL, events INTEGER NOT NULL, data BLOB NOT NULL,
                  PRIMARY KEY (projection, tick));
CREATE TABLE checkpoint (tick INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
_NEEDED = {"chunk", "item", "log", "checkpoint"}
_NUMBERS = re.compile(r"(\|b1|[|<][iu]1|<[iu][248]|<f[248])\Z")  # the only dtypes that are ever read back
_SEAL_SECONDS = 3.0


def _squeeze(a: NDArray[Any]) -> bytes:
    # bytes of equal significance side by side compress far better
    raw = np.ascontiguousarray(a.astype(a.dtype.newbyteorder("<"))).view(np.uint8)
    return zlib.compress(raw.reshape(-1, a.dtype.itemsize).T.tobytes(), 4)


def _expand(blob: bytes, dtype: str, n: int) -> NDArray[Any]:
    if not _NUMBERS.match(dtype):
        raise ValueError(f"{dtype!r} is not a type of numbers")
    raw = np.frombuffer(zlib.decompress(blob), dtype=np.uint8)
    return raw.reshape(np.dtype(dtype).itemsize, n).T.copy().view(dtype).reshape(-1)


def _plain(value: Any) -> Any:
    """Words and numbers for JSON, out of NumPy's; anything else is refused rather than pickled."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return value.tolist()
    raise RunFileError(f"a run file holds words and numbers only, not {type(value).__name__} ({value!r:.60})")


class RunFile:
    """A run file, open for writing (`create`) or for reading (`open`); usable in a ``with`` statement."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None, writable: bool) -> None:
        self.path, self._db, self._writable = path, connection, writable
        self._length: dict[str, int] = {}
        self._form: dict[str, tuple[str, int]] = {}
        self._bound = {"chunk": 2**62, "log": 2**62}
        self._closed = False

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @classmethod
    def create(cls, path: str | os.PathLike[str], provenance: dict[str, Any] | None = None) -> RunFile:
        """Start a new run file; a finished or abandoned one of that name is replaced.

        Parameters
        ----------
        path : path
        provenance : dict, optional
            Words and numbers by name: versions, machine, seed, parameters.

        Raises
        ------
        RunFileError
            If the folder does not exist, or the path holds something that is not a run file, or a run file that
            another simulation is writing.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise RunFileError(f"the folder {str(path.parent)!r} does not exist: make it, or choose another to=")
        if path.is_dir():
            raise RunFileError(f"{str(path)!r} is a folder: give the name of a file, such as to='map.sqlite'")
        if path.exists():
            _make_way(path)
        try:
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={VERSION}")
            db.executescript(_SCHEMA)
            # the write lock is held from here to the seal: nobody else can write, and `create` sees that we do
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as e:
            raise RunFileError(f"{str(path)!r} cannot be written ({e}): choose another to=") from e
        file = cls(path, db, True)
        if provenance is not None:
            file.set_item("provenance", provenance)
        return file

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFile:
        """Open an existing run file for reading, also while it is still written.

        Raises
        ------
        RunFileError
            If it is missing, truncated, foreign, or of a newer version.
        """
        file = cls(Path(path), None, False)
        file.refresh()
        return file

    # ------------------------------------------------------------------ writing

    def _write(self, sql: str, *args: Any) -> None:
        if not self._writable or self._db is None:
            raise RunFileError(f"{str(self.path)!r} is open for reading only, or was sealed")
        try:
            self._db.execute(sql, args)
        except sqlite3.Error as e:
            raise RunFileError(f"{str(self.path)!r} cannot be written ({e}); is the disk full?") from e

    def append(self, name: str, array: NDArray[Any]) -> None:
        """Append rows to the array `name`; its dtype and number of columns must not change.

        Parameters
        ----------
        name : str
        array : (n,) or (n, columns), of numbers
        """
        a = np.asarray(array)
        dtype, columns = a.dtype.newbyteorder("<").str, int(a.shape[1]) if a.ndim == 2 else 0
        if not _NUMBERS.match(dtype) or a.ndim not in (1, 2):
            raise RunFileError(f"array {name!r} must hold numbers in one or two dimensions, got {a.dtype}, {a.shape}")
        form = self._form.setdefault(name, (dtype, columns))
        if form != (dtype, columns):
            raise RunFileError(f"array {name!r} began as {form[0]} with {form[1]} columns, not {dtype} with {columns}")
        first = self._length.get(name, 0)
        if a.shape[0] == 0 and name in self._length:
            return
        self._write(
            "INSERT OR REPLACE INTO chunk VALUES (?,?,?,?,?,?)",
            name, first, a.shape[0], dtype, columns, _squeeze(a.reshape(-1)),
        )  # fmt: skip
        self._length[name] = first + int(a.shape[0])

    def set_item(self, name: str, value: Any, unit: str = "") -> None:
        """Write words and numbers (JSON); ``"provenance"`` goes row by row into the table of that name."""
        if name == "provenance":
            for key, entry in value.items():
                self._write("INSERT OR REPLACE INTO provenance VALUES (?,?)", key, json.dumps(entry, default=_plain))
            return
        self._write("INSERT OR REPLACE INTO item VALUES (?,?,?)", name, unit, json.dumps(value, default=_plain))

    def append_log(self, projection: str, tick: int, batch: LogBatch) -> None:
        """Write the births and deaths of some ticks, `tick` being the last."""
        self._write("INSERT INTO log VALUES (?,?,?,?)", projection, int(tick), int(batch.uid.size), encode(batch))

    def checkpoint(self, tick: int, data: bytes) -> None:
        """Keep a checkpoint, and the one before it, in the transaction of the data up to it."""
        self._write("INSERT OR REPLACE INTO checkpoint VALUES (?,?)", int(tick), bytes(data))
        self._write("DELETE FROM checkpoint WHERE tick NOT IN (SELECT tick FROM checkpoint ORDER BY tick DESC LIMIT 2)")
        self.set_item(f"checkpoint/{int(tick)}", self._length)
        self._write(
            "DELETE FROM item WHERE name LIKE 'checkpoint/%'"
            " AND name NOT IN (SELECT 'checkpoint/' || tick FROM checkpoint)"
        )

    @classmethod
    def resume(cls, path: str | os.PathLike[str]) -> tuple[RunFile, int, bytes]:
        """Open a run file to go on writing from its last checkpoint; what is younger is dropped.

        Returns
        -------
        (RunFile, int, bytes)
            The file, and the tick and the data of the checkpoint.

        Raises
        ------
        RunFileError
            If it is missing, damaged, being written, or holds no checkpoint.
        """
        with cls.open(path) as old:
            kept = old.checkpoints()
            if not kept:
                raise RunFileError(f"{str(path)!r} holds no checkpoint to resume from: run it again from the start")
            tick, data = kept[-1]
            lengths: dict[str, int] = old.item(f"checkpoint/{tick}")
        try:
            db = sqlite3.connect(Path(path), isolation_level=None)
            db.execute("PRAGMA busy_timeout=200")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as e:
            raise RunFileError(f"{str(path)!r} cannot be resumed ({e}): is another run writing it?") from e
        file = cls(Path(path), db, True)
        for name, dtype, columns in db.execute("SELECT DISTINCT name, dtype, columns FROM chunk").fetchall():
            file._write("DELETE FROM chunk WHERE name=? AND first>=?", name, lengths.get(name, 0))
            if name in lengths:
                file._form[name] = (dtype, int(columns))
        file._length = {k: int(v) for k, v in lengths.items()}
        file._write("DELETE FROM log WHERE tick>?", tick)
        file._write("DELETE FROM item WHERE name='sealed'")
        file.commit()
        return file, tick, data

    @contextmanager
    def together(self) -> Iterator[None]:
        """All or nothing: an exception (Ctrl-C too) inside takes back what was written inside."""
        lengths, forms = dict(self._length), dict(self._form)
        self._write("SAVEPOINT together")
        try:
            yield
        except BaseException:
            self._write("ROLLBACK TO together")
            self._length, self._form = lengths, forms
            raise
        finally:
            self._write("RELEASE together")

    def commit(self) -> None:
        """End the transaction: everything so far is on disk and visible to readers."""
        self._write("COMMIT")
        self._write("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Seal a written file into a single one, or stop reading."""
        if self._closed:
            return
        self._closed = True
        if self._writable and self._db is not None:
            self._write("COMMIT")
            self._seal(self._db)
            # said last: who reads it may rely on a single whole file
            self.set_item("sealed", True)
            self._writable = False
        if self._db is not None:
            self._db.close()
            self._db = None

    def discard(self) -> None:
        """Give up a file that has just been created: close it and remove it, so that nothing half written stays."""
        if self._closed:
            return
        self._closed = True
        if self._db is not None:
            self._db.close()
            self._db = None
        for end in ("", "-wal", "-shm"):
            Path(f"{self.path}{end}").unlink(missing_ok=True)

    def _seal(self, db: sqlite3.Connection) -> None:
        """Leave the write-ahead log; a program that reads this very moment is waited for."""
        end = time.monotonic() + _SEAL_SECONDS
        db.execute("PRAGMA busy_timeout=50")  # SQLite's own five seconds would come on top of each attempt
        while True:
            try:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                if db.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete":
                    return
            except sqlite3.OperationalError:
                pass
            # a foreign program that keeps it open (a browser of databases) leaves the -wal beside it: nothing is lost
            if time.monotonic() > end:
                return
            time.sleep(0.02)

    # ------------------------------------------------------------------ reading

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.resolve().as_uri()
        db = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            db.close()
            if Path(f"{self.path}-wal").exists() or os.access(self.path.parent, os.W_OK):
                raise
            # not sealed, its -wal empty, and on a read-only disk: nobody can be writing
            db = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def _run(self, ask: Callable[[sqlite3.Connection], Any]) -> Any:
        """Ask the database, through the writer's connection or one of its own that is closed again."""
        if self._closed:
            raise RunFileError(f"{str(self.path)!r} was closed: open it again")
        try:
            if self._db is not None:
                return ask(self._db)
            with closing(self._connect()) as db:
                return ask(db)
        except sqlite3.Error as e:
            raise RunFileError(
                f"{str(self.path)!r} is not a run file, or it was truncated ({e}); get a fresh copy, made after the "
                "run was sealed or together with its -wal file"
            ) from e

    def _query(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._run(lambda db: db.execute(sql, args).fetchall())
        return rows

    def refresh(self) -> None:
        """See what was flushed since this reader was opened."""
        path = self.path
        if self._writable:
            return
        if not path.is_file():
            raise RunFileError(f"there is no run file {str(path)!r}")

        def look(db: sqlite3.Connection) -> list[int]:
            words = ("application_id", "user_version", "page_size", "page_count")
            return [int(db.execute(f"PRAGMA {w}").fetchone()[0]) for w in words]

        mark, version, page, pages = self._run(look)
        if mark != APPLICATION_ID:
            what = "is empty" if path.stat().st_size == 0 else "is a database, but not a neurodev run file"
            raise RunFileError(f"{str(path)!r} {what}")
        if version > VERSION:
            raise RunFileError(
                f"{str(path)!r} has format {version}; this neurodev reads up to {VERSION}: upgrade neurodev"
            )
        tables = {r[0] for r in self._query("SELECT name FROM sqlite_master WHERE type='table'")}
        if not tables >= _NEEDED:
            raise RunFileError(
                f"{str(path)!r} is incomplete: it was copied while it was written, without its -wal file"
            )
        # SQLite rounds a torn last page up to a whole one
        alone = not Path(f"{path}-wal").exists()
        if self.sealed and alone and path.stat().st_size < page * pages:
            raise RunFileError(f"{str(path)!r} was truncated: get a fresh copy")
        # tables only grow, so a highest row is a consistent view of all of them
        bounds = "SELECT (SELECT ifnull(max(rowid), 0) FROM chunk), (SELECT ifnull(max(rowid), 0) FROM log)"
        self._bound["chunk"], self._bound["log"] = self._query(bounds)[0]

    @property
    def sealed(self) -> bool:
        """Whether its writer closed it; else it still grows, or the writer was killed."""
        return bool(self.item("sealed", False))

    def names(self, prefix: str = "") -> list[str]:
        """Names of all arrays that begin with `prefix`."""
        rows = self._query(
            "SELECT DISTINCT name FROM chunk WHERE rowid <= ? AND name >= ? AND name < ? ORDER BY name",
            self._bound["chunk"], prefix, prefix + "\U0010ffff",
        )  # fmt: skip
        return [r[0] for r in rows]

    def length(self, name: str) -> int:
        """Number of rows of the array `name`; 0 if there is none."""
        sql = "SELECT ifnull(max(first + count), 0) FROM chunk WHERE name=? AND rowid <= ?"
        return int(self._query(sql, name, self._bound["chunk"])[0][0])

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
        if (start, stop) == (0, None):
            stop = 2**62
        else:
            start, stop, _ = slice(start, stop).indices(self.length(name))
        rows = self._query(
            "SELECT first, count, dtype, columns, data FROM chunk WHERE name=? AND rowid <= ? AND "
            "(first = 0 OR first + count > ?) AND (first = 0 OR first < ?) ORDER BY first",
            name, self._bound["chunk"], start, stop,
        )  # fmt: skip
        if not rows:
            raise RunFileError(f"{str(self.path)!r} holds no array {name!r}{nearest(name, self.names())}")
        parts = []
        for first, count, dtype, columns, data in rows:
            try:
                a = _expand(data, dtype, count * max(columns, 1))
            except (ValueError, TypeError, zlib.error) as e:
                raise RunFileError(f"array {name!r} of {str(self.path)!r} is damaged ({e})") from e
            a = a.reshape(count, columns) if columns else a
            parts.append(a[max(start - first, 0) : max(stop - first, 0)])
        return np.concatenate(parts)

    def provenance(self) -> dict[str, Any]:
        """Where the run comes from, by name."""
        if not self._query("SELECT 1 FROM sqlite_master WHERE name='provenance'"):
            old = self._query("SELECT value FROM item WHERE name='provenance'")  # format 1
            return dict(json.loads(old[0][0])) if old else {}
        return {k: json.loads(v) for k, v in self._query("SELECT name, value FROM provenance ORDER BY rowid")}

    def item(self, name: str, default: Any = ...) -> Any:
        """The value of an item."""
        if name == "provenance":
            return self.provenance()
        rows = self._query("SELECT value FROM item WHERE name=?", name)
        if not rows:
            if default is not ...:
                return default
            raise RunFileError(f"{str(self.path)!r} holds no item {name!r}{nearest(name, self.items())}")
        return json.loads(rows[0][0])

    def unit(self, name: str) -> str:
        """The unit of an item; empty if it has none."""
        rows = self._query("SELECT unit FROM item WHERE name=?", name)
        return str(rows[0][0]) if rows else ""

    def items(self) -> list[str]:
        """Names of all items."""
        return [r[0] for r in self._query("SELECT name FROM item ORDER BY name")]

    def terms(self, projection: str) -> dict[str, str]:
        """Unit of each term that a death in the log of a projection may carry, by name."""
        kept = self.item("terms", None)
        if isinstance(kept, dict):
            return {str(name): str(unit) for name, unit in kept.get(projection, {}).items()}
        # older files do not say; trainings had none
        return {} if self.item("kind", None) == "training" else dict.fromkeys(OLD_TERMS, "sd")

    def log(self, projection: str) -> LogBatch:
        """All births and deaths of a projection, in order of ticks; deaths without partners, `terms` as it says."""
        n_term = len(self.terms(projection))
        rows = self._query(
            "SELECT data FROM log WHERE projection=? AND rowid <= ? ORDER BY tick", projection, self._bound["log"]
        )
        return concatenate([empty(n_term), *(decode(r[0], n_term) for r in rows)])

    def logged(self) -> list[str]:
        """Names of the projections with births or deaths."""
        rows = self._query("SELECT DISTINCT projection FROM log WHERE rowid <= ?", self._bound["log"])
        return [str(r[0]) for r in rows]

    def log_bytes(self) -> tuple[int, int]:
        """Number of events in the log, and the bytes they take."""
        rows = self._query("SELECT total(events), total(length(data)) FROM log WHERE rowid <= ?", self._bound["log"])
        return int(rows[0][0]), int(rows[0][1])

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """The checkpoints kept, (tick, bytes), the oldest first."""
        return [(int(t), bytes(b)) for t, b in self._query("SELECT tick, data FROM checkpoint ORDER BY tick")]


def _make_way(path: Path) -> None:
    """Remove an old run file; refuse what is not ours, or what another process is writing."""
    if path.stat().st_size > 0:
        try:
            with RunFile.open(path):
                pass
        except RunFileError as e:
            raise RunFileError(f"{e}; it is not replaced: delete it yourself, or choose another to=") from e
        try:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
        except sqlite3.OperationalError as e:
            raise RunFileError(
                f"{str(path)!r} is being written by another simulation: end it (in this session with sim.close()), or "
                "choose another to="
            ) from e
    for extra in ("", "-wal", "-shm", "-journal"):
        Path(str(path) + extra).unlink(missing_ok=True)
