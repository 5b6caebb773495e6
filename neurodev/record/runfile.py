"""The run file: one SQLite database, written while running, readable while it grows, sealed into one mailable file.

Tables: `chunk` (name, first, count, dtype, columns, bytes), `item` (name, unit, JSON value), `provenance` (name, JSON
value), `log` (projection, tick, events, bytes), `checkpoint` (the last two), `identity` (of the run), `tally` (session,
and all proofs together).  Every row carries checksums (`proof.py`), every flush is one transaction.  Arrays are
little-endian, byte-shuffled and deflated; the rest is JSON: loading executes nothing.

A reader sees the last flush before it was opened, and goes on seeing that until `refresh`, so that two arrays read one
after the other always belong together; it never answers from another run.  It holds no connection between two reads:
an open one would keep the writer from sealing.  What cannot be written (a full disk) ends the writing: the transaction
is taken back, and the file stays what it was at the last flush.
"""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import NeurodevError, RunFileError, shown
from neurodev.record.head import APPLICATION_ID, PROVEN, VERSION
from neurodev.record.memory import Memory, memory_of
from neurodev.record.place import Place, check_new, fold, taking
from neurodev.record.proof import NUMBERS, PIECE, Tally, hash_of, proof_of, squeeze
from neurodev.record.reader import Reader
from neurodev.structure.log import LogBatch, encode
from neurodev.writing import absolute

__all__ = ["APPLICATION_ID", "VERSION", "RunFile"]

_SCHEMA = """
CREATE TABLE identity (id TEXT NOT NULL);
CREATE TABLE tally (session INTEGER NOT NULL, rows INTEGER NOT NULL, total INTEGER NOT NULL, proof INTEGER NOT NULL);
CREATE TABLE chunk (name TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, dtype TEXT NOT NULL,
                    columns INTEGER NOT NULL, hash INTEGER NOT NULL, proof INTEGER NOT NULL, data BLOB NOT NULL,
                    PRIMARY KEY (name, first));
CREATE TABLE item (name TEXT PRIMARY KEY, unit TEXT NOT NULL, value TEXT NOT NULL, proof INTEGER NOT NULL);
CREATE TABLE provenance (name TEXT PRIMARY KEY, value TEXT NOT NULL, proof INTEGER NOT NULL);
CREATE TABLE log (projection TEXT NOT NULL, tick INTEGER NOT NULL, events INTEGER NOT NULL, hash INTEGER NOT NULL,
                  proof INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (projection, tick));
CREATE TABLE checkpoint (tick INTEGER PRIMARY KEY, hash INTEGER NOT NULL, proof INTEGER NOT NULL, data BLOB NOT NULL);
"""
_SEAL_SECONDS = 3.0


class Mark(NamedTuple):
    """Where a run file stands: how many rows each array has, and up to which tick there are logs."""

    lengths: dict[str, int]
    tick: int


def _plain(value: Any) -> Any:
    """Words and numbers for JSON, out of NumPy's; anything else is refused rather than pickled."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return value.tolist()
    raise RunFileError(f"a run file holds words and numbers only, not {type(value).__name__} ({shown(value, 60)})")


class RunFile(Reader):
    """A run file, open for writing (`create`) or for reading (`open`); usable in a ``with`` statement."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None, place: Place | None = None) -> None:
        super().__init__(path)
        self._db, self._writable = connection, connection is not None
        self._length: dict[str, int] = {}
        self._form: dict[str, tuple[str, int]] = {}
        self._tally = Tally()
        self._failed = ""
        self._together = 0
        self._place = place
        self._process = os.getpid()
        self._left = None
        self.keeping: int | None = None  # tick of a checkpoint that stays, however old
        if self._memory is not None and connection is not None:
            self._memory.settle = weakref.WeakMethod(self._settled)
        elif connection is not None:
            self._left = weakref.finalize(self, _leave, connection, place, os.getpid())

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], provenance: dict[str, Any] | None = None, *, overwrite: bool = False
    ) -> RunFile:
        """Start a new run file.

        Parameters
        ----------
        path : path
            A relative one means the folder of this moment.
        provenance : dict, optional
            Words and numbers by name: versions, machine, seed, parameters.
        overwrite : bool
            Replace a run file of that name, as soon as the new run has begun (`begin`, `close`); until then the older
            one waits beside it and comes back by `discard`.

        Raises
        ------
        RunFileError
            If the folder does not exist, or the path holds a run (without `overwrite`), something that is not a run
            file, or one that another simulation is writing.
        """
        if (memory := memory_of(path)) is not None:
            return cls._in_memory(memory)
        path = absolute(path)
        place = Place(path)
        with taking(place.path):
            place.take(overwrite)
            db, run = _begun(place, path)
        file = cls(path, db, place)
        file._run_id, file._version = run, VERSION
        if provenance is not None:
            file.set_item("provenance", provenance)
        return file

    @classmethod
    def _in_memory(cls, memory: Memory) -> RunFile:
        """A new run where no file is."""
        file = cls(memory.path, memory.db)
        file._run_id, file._version = _made(memory.db), VERSION
        memory.db.execute("BEGIN IMMEDIATE")
        return file

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFile:
        """Open an existing run file for reading, also while it is still written.

        Raises
        ------
        RunFileError
            If it is missing, truncated, foreign, or of a newer version.
        """
        memory = memory_of(path)
        file = cls(absolute(path, "path") if memory is None else memory.path, None)
        file.refresh()
        return file

    def copy(self, path: str | os.PathLike[str]) -> Path:
        """Write a copy, as of the last flush, to a file that is not there yet; returns its path.

        Raises
        ------
        RunFileError
            If there is a file already, or it cannot be written.
        """
        to = absolute(path, "path")
        check_new(to, False)
        if self._memory is not None:
            self._memory.look()
        with taking(to):
            try:
                os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
                with closing(sqlite3.connect(to)) as other:
                    self._run(lambda db: db.backup(other))
                    other.execute("PRAGMA journal_mode=DELETE")
            except (OSError, sqlite3.Error) as e:
                raise RunFileError(f"{str(to)!r} cannot be written ({e}): choose another path") from e
        return to

    def refresh(self) -> None:
        """See what was flushed since this reader was opened."""
        if not self._writable:
            super().refresh()

    # ------------------------------------------------------------------ writing

    def _write(self, sql: str, *args: Any) -> None:
        if not self._writable or self._db is None:
            raise RunFileError(f"{str(self.path)!r} is open for reading only, or was sealed")
        if self._failed:
            raise RunFileError(
                f"{str(self.path)!r} could not be written ({self._failed}): it holds what was flushed before that"
            )
        if os.getpid() != self._process:
            raise RunFileError(f"{str(self.path)!r} is written by another process, of which this one is a copy")
        try:
            self._db.execute(sql, args)
        except sqlite3.OperationalError as e:
            self._fail(e)
            raise RunFileError(
                f"{str(self.path)!r} cannot be written ({e}); is the disk full? It holds what was flushed before"
            ) from e
        except (sqlite3.Error, OverflowError) as e:
            raise RunFileError(f"{str(self.path)!r} cannot be written ({e})") from e

    def _fail(self, why: object) -> None:
        """Take back what was not flushed, and write no more: what follows would not fit what was lost."""
        self._failed = str(why)
        try:
            if self._db is not None and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass

    def _put_row(self, table: str, fields: tuple[Any, ...], data: bytes | None = None) -> None:
        """A new row, with its checksums."""
        if data is not None:
            fields = (*fields, hash_of(self._run_id, data))
        proof = proof_of(self._run_id, table, *fields)
        values = (*fields, proof) if data is None else (*fields, proof, data)
        self._write(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", *values)
        self._tally.add([proof])

    def _drop_rows(self, table: str, where: str, *args: Any) -> None:
        """Rows that go, and their checksums with them."""
        if self._db is None or self._failed:
            return  # what is written next says so
        if gone := self._query(f"SELECT proof FROM {table} WHERE {where}", *args):
            self._write(f"DELETE FROM {table} WHERE {where}", *args)
            self._tally.add((r[0] for r in gone), -1)

    def append(self, name: str, array: NDArray[Any]) -> None:
        """Append rows to the array `name`; its dtype and number of columns must not change.

        Parameters
        ----------
        name : str
        array : (n,) or (n, columns), of numbers
        """
        a = np.asarray(array)
        dtype, columns = a.dtype.newbyteorder("<").str, int(a.shape[1]) if a.ndim == 2 else 0
        if not NUMBERS.match(dtype) or a.ndim not in (1, 2):
            raise RunFileError(f"array {name!r} must hold numbers in one or two dimensions, got {a.dtype}, {a.shape}")
        form = self._form.setdefault(name, (dtype, columns))
        if form != (dtype, columns):
            raise RunFileError(f"array {name!r} began as {form[0]} with {form[1]} columns, not {dtype} with {columns}")
        first = self._length.get(name, 0)
        if a.shape[0] == 0 and name in self._length:
            return
        if name in self._length and first == 0:
            self._drop_rows("chunk", "name=? AND first=0", name)  # it was empty
        step = max(1, PIECE // (a.itemsize * max(columns, 1)))
        for k in range(0, max(a.shape[0], 1), step):
            part = a[k : k + step]
            self._put_row(
                "chunk", (name, first + k, int(part.shape[0]), dtype, columns), squeeze(part.reshape(-1))
            )  # fmt: skip
        self._length[name] = first + int(a.shape[0])

    def set_item(self, name: str, value: Any, unit: str = "") -> None:
        """Write words and numbers (JSON); ``"provenance"`` goes row by row into the table of that name."""
        if name == "provenance":
            for key, entry in value.items():
                words = json.dumps(entry, default=_plain)
                self._drop_rows("provenance", "name=?", key)
                self._put_row("provenance", (key, words))
            return
        words = json.dumps(value, default=_plain)
        self._drop_rows("item", "name=?", name)
        self._put_row("item", (name, unit, words))

    def append_log(self, projection: str, tick: int, batch: LogBatch) -> None:
        """Write the births and deaths of some ticks, `tick` being the last."""
        self._put_row("log", (projection, int(tick), int(batch.uid.size)), encode(batch))

    def checkpoint(self, tick: int, data: bytes) -> None:
        """Keep a checkpoint, the one before it, and that at `keeping`, in the transaction of the data up to it."""
        self._drop_rows("checkpoint", "tick=?", int(tick))
        self._put_row("checkpoint", (int(tick),), bytes(data))
        self._drop_rows(
            "checkpoint", "tick NOT IN (SELECT tick FROM checkpoint ORDER BY tick DESC LIMIT 2) AND tick IS NOT ?",
            self.keeping,
        )  # fmt: skip
        self.set_item(f"checkpoint/{int(tick)}", self._length)
        self._drop_rows(
            "item", "name LIKE 'checkpoint/%' AND name NOT IN (SELECT 'checkpoint/' || tick FROM checkpoint)"
        )

    def drop_checkpoints(self) -> None:
        """Nobody will go on from here: the run is finished."""
        self._drop_rows("checkpoint", "1")
        self._drop_rows("item", "name LIKE 'checkpoint/%'")

    def drop_item(self, name: str) -> None:
        """Take back an item, if it is there."""
        self._drop_rows("item", "name=?", name)

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], look: Callable[[bytes], Any] | None = None
    ) -> tuple[RunFile, int, bytes]:
        """Open a run file to go on writing from its last checkpoint; what is younger is dropped.

        Parameters
        ----------
        path : path
        look : callable, optional
            Raises an error of neurodev for a checkpoint that cannot be gone on from; the older one is tried then,
            and nothing is dropped before one was found good.

        Returns
        -------
        (RunFile, int, bytes)
            The file, and the tick and the data of the checkpoint.

        Raises
        ------
        RunFileError
            If it is missing, damaged, of an older format, being written, or holds no checkpoint that is whole.
        """
        with cls.open(path) as old:
            if old._version < PROVEN:
                raise RunFileError(
                    f"{str(old.path)!r} has format {old._version}, which this neurodev reads but does not go on with: "
                    "run it again from the start"
                )
            tick, data, lengths = _good(old, look)
            known = old._run_id, old._session
        return cls._again(old.path, known, Mark(lengths, tick)), tick, data

    def mark(self, tick: int) -> Mark:
        """Where the file stands now, with logs up to `tick`."""
        return Mark(dict(self._length), tick)

    @classmethod
    def reopened(cls, old: RunFile, mark: Mark) -> RunFile:
        """Go on writing a file that `old` has sealed, from `mark` on; what is younger is dropped.

        Raises
        ------
        RunFileError
            If it is missing, was replaced, or was taken up by somebody else.
        """
        if not old.in_memory and not old.path.is_file():
            raise RunFileError(f"there is no run file {str(old.path)!r} to go on with: it was moved or removed")
        return cls._again(old.path, (old._run_id, old._session), mark)

    @classmethod
    def _again(cls, path: Path, known: tuple[str, int], mark: Mark) -> RunFile:
        """Write a sealed file of a known run and session again, as it stood at `mark`."""
        memory, (lengths, tick) = memory_of(path), mark
        place = Place(path) if memory is None else None
        try:
            if place is not None:
                db = sqlite3.connect(place.path, isolation_level=None, check_same_thread=False)
                db.execute("PRAGMA busy_timeout=5000")  # of who reads a sealed file this very moment
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA busy_timeout=200")
            else:
                assert memory is not None
                db = memory.db
            db.execute("BEGIN IMMEDIATE")
            session, n_row, total = db.execute("SELECT session, rows, total FROM tally").fetchone()
            if (db.execute("SELECT id FROM identity").fetchone()[0], session) != known:
                raise sqlite3.OperationalError("another process has just taken it")
        except sqlite3.Error as e:
            raise RunFileError(f"{str(path)!r} cannot be resumed ({e}): is another run writing it?") from e
        file = cls(path, db, place)
        file._run_id, file._session, file._version = known[0], session + 1, VERSION
        file._tally = Tally(n_row, total % 2**64)
        for name, dtype, columns in db.execute("SELECT DISTINCT name, dtype, columns FROM chunk").fetchall():
            file._drop_rows("chunk", "name=? AND first>=?", name, lengths.get(name, 0))
            if name in lengths:
                file._form[name] = (dtype, int(columns))
        for name, rows in lengths.items():
            if rows == 0 and name in file._form:  # an array that had no row yet
                file._put_row("chunk", (name, 0, 0, *file._form[name]), squeeze(np.zeros(0, file._form[name][0])))
        file._length = dict(lengths)
        file._drop_rows("log", "tick>?", tick)
        file._drop_rows("checkpoint", "tick>?", tick)
        file._drop_rows("item", "name='sealed'")
        file._drop_rows(
            "item", "name LIKE 'checkpoint/%' AND name NOT IN (SELECT 'checkpoint/' || tick FROM checkpoint)"
        )
        file.commit()
        return file

    @contextmanager
    def together(self) -> Iterator[None]:
        """All or nothing: an exception (Ctrl-C too) inside takes back what was written inside."""
        before = dict(self._length), dict(self._form), Tally(self._tally.rows, self._tally.total)
        self._write("SAVEPOINT together")
        self._together += 1
        try:
            yield
        except BaseException:
            self._length, self._form, self._tally = before
            if not self._failed:
                self._write("ROLLBACK TO together")
            raise
        finally:
            self._together -= 1
            if not self._failed:
                self._write("RELEASE together")

    def commit(self) -> None:
        """End the transaction: everything so far is on disk and visible to readers."""
        self._settle()
        self._write("BEGIN IMMEDIATE")

    def _settled(self) -> None:
        """For somebody who reads what is written in memory: see to it that all of it belongs together."""
        if self._db is not None and not self._failed and not self._together:
            self.commit()

    def _settle(self) -> None:
        t = self._tally
        self._write(
            "UPDATE tally SET session=?, rows=?, total=?, proof=?",
            self._session, t.rows, t.signed, t.proof(self._run_id, self._session),
        )  # fmt: skip
        self._write("COMMIT")

    def begin(self) -> None:
        """The run begins: an older one of its name, which has waited beside, goes now."""
        if self._place is not None:
            self._place.keep()

    @property
    def older_waits(self) -> bool:
        """Whether an older run of its name waits beside, because this one has not begun."""
        return self._place is not None and self._place.waiting

    @property
    def failed(self) -> bool:
        """Whether something could not be written, so that nothing more is."""
        return bool(self._failed)

    def close(self) -> None:
        """Seal a written file into a single one, or stop reading."""
        if self._closed:
            return
        if self._writable and self._db is not None:
            try:
                if not self._failed:
                    self.begin()
                    # before the -wal goes: a file that says so lacks nothing, wherever a kill falls
                    self.set_item("sealed", True)
                    self._settle()
            finally:
                self._end()
        self._closed = True

    def abandon(self) -> None:
        """Stop writing without sealing: the file holds what was flushed, and no more."""
        if not self._closed and self._db is not None:
            self._fail("it was given up")
            self._end()

    def _end(self) -> None:
        """Leave one file, if nobody else holds it, and let go of it."""
        if self._db is not None and self._memory is None:
            fold(self._db, _SEAL_SECONDS)
            self._db.close()
        self._let_go()

    def _let_go(self) -> None:
        self._db, self._writable, self._closed = None, False, True
        if self._memory is not None:
            self._memory.settle = None
        if self._left is not None:
            self._left.detach()

    def discard(self) -> None:
        """Give up a file that has just been created: it goes, and an older run that made way for it comes back."""
        if self._closed:
            return
        if self._memory is not None:
            self.abandon()
            return
        with taking(self.path):
            if self._db is not None:
                self._db.close()
            self._let_go()
            if self._place is not None:
                self._place.restore()


def _begun(place: Place, path: Path) -> tuple[sqlite3.Connection, str]:
    """A new database in its place, which nobody else can write to any more, and the name of its run."""
    try:
        # from one thread to another is no matter: whoever drives the run writes it, one at a time
        db = sqlite3.connect(place.path, isolation_level=None, check_same_thread=False)
        try:
            # in the file itself before there is a -wal, so that both can be told to belong together
            run = _made(db)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            # the write lock is held from here to the seal: nobody else can write, and `create` sees that we do
            db.execute("BEGIN IMMEDIATE")
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as e:
        if not {"exists", "locked"} & set(str(e).split()):  # then another process was faster
            place.restore()
        raise RunFileError(f"{str(path)!r} cannot be written ({e}): choose another to=") from e
    except BaseException:
        place.restore()
        raise
    return db, run


def _made(db: sqlite3.Connection) -> str:
    """Make the tables of a run, and return its name."""
    run = uuid4().hex
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={VERSION}")
    db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    db.execute("INSERT INTO identity VALUES (?)", (run,))
    db.execute("INSERT INTO tally VALUES (0, 0, 0, ?)", (Tally().proof(run, 0),))
    return run


def _good(old: RunFile, look: Callable[[bytes], Any] | None) -> tuple[int, bytes, dict[str, int]]:
    """The youngest checkpoint that can be gone on from, and how long the arrays were."""
    kept = old.checkpoints()
    why = ""
    for tick, data in reversed(kept):
        try:
            lengths = old.item(f"checkpoint/{tick}")
            if not isinstance(lengths, dict) or not all(old.ends_at(name, n) for name, n in lengths.items()):
                raise old.damaged(f"the checkpoint at {tick}", "the data before it are missing")
            _look_at(old, tick, lengths)
            if look is not None:
                look(data)
        except NeurodevError as e:
            why = why or str(e)
            continue
        if why:
            warnings.warn(f"{str(old.path)!r} goes on from the older checkpoint, at {tick}: {why}", stacklevel=4)
        return tick, data, lengths
    if why:
        raise RunFileError(f"{str(old.path)!r} holds no checkpoint that can be gone on from: {why}")
    raise RunFileError(f"{str(old.path)!r} holds no checkpoint to resume from: run it again from the start")


def _look_at(old: RunFile, tick: int, lengths: dict[str, int]) -> None:
    """What stands before a checkpoint is whole: nobody would want what is written behind damage."""
    with old.held():
        for name, rows in lengths.items():
            for first in range(0, rows, PIECE):
                old.read(name, first, min(first + PIECE, rows))
        for projection in old.logged():
            old.log(projection, tick)


def _leave(db: sqlite3.Connection, place: Place | None, process: int) -> None:
    """A writer that nobody closed: what was flushed stays, in one file; a run that never began gives way."""
    if os.getpid() != process:
        return
    if place is None or not place.waiting:
        _close(db)
        return
    with taking(place.path):
        if _close(db):
            place.restore()


def _close(db: sqlite3.Connection) -> bool:
    """Close what is open; whether it was."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
        fold(db, 0.0)
        db.close()
    except sqlite3.Error:
        return False  # closed properly
    return True
