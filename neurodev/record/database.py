"""The database behind a run file: whose it is, what lies beside it, and how it is asked."""

from __future__ import annotations

import os
import re
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from neurodev.errors import RunFileError, shown
from neurodev.record.head import APPLICATION_ID, PROVEN, VERSION, Head, head_of
from neurodev.record.memory import memory_of

NEEDED = {"chunk", "item", "log", "checkpoint"}
_WAIT = 0.05  # s, of a writer that is just sealing


class Database:
    """A run file as a database: nobody else's, and with what belongs beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._memory = memory_of(path)
        self._db: sqlite3.Connection | None = None  # of a writer
        self._held: sqlite3.Connection | None = None
        self._closed = False
        self._alone = False  # whether the file is read without what may lie beside it
        self._run_id, self._session, self._version = "", 0, 0
        self._inode: tuple[int, int] = (0, 0)

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.resolve().as_uri()
        how = "?mode=ro&immutable=1" if self._alone else "?mode=ro"
        db = sqlite3.connect(f"{uri}{how}", uri=True, isolation_level=None, check_same_thread=False)
        try:
            # no value is longer than the file that holds it, whatever a schema makes of it
            beside = Path(f"{self.path.resolve()}-wal")
            size = self.path.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(size + 1_000_000, 2**31 - 1))
            db.execute("PRAGMA trusted_schema=OFF")
        except OSError as e:
            db.close()
            raise RunFileError(f"{str(self.path)!r} cannot be read ({e})") from e
        return db

    def _same(self, db: sqlite3.Connection) -> None:
        """Refuse the file of another run, or of a later session of this one."""
        if not self._version:
            return  # it is being opened
        if self._memory is None:
            at = self.path.stat()
            if not self._run_id:
                if (at.st_dev, at.st_ino) != self._inode:
                    raise RunFileError(f"{str(self.path)!r} was replaced since it was opened: open it anew")
                return
        now, session = _identity(db)
        if now != self._run_id:
            raise RunFileError(
                f"{str(self.path)!r} holds another run since it was opened: open it anew with nd.Run(...)"
            )
        if session != self._session:
            raise RunFileError(
                f"{str(self.path)!r} was resumed since it was opened: refresh() looks at it as it is now"
            )

    def _run(self, ask: Callable[[sqlite3.Connection], Any]) -> Any:
        """Ask the database, through the writer's connection or one of its own that is closed again."""
        if self._closed:
            raise RunFileError(f"{str(self.path)!r} was closed: open it again")
        try:
            if self._db is not None:
                return ask(self._db)
            if self._held is not None:
                return ask(self._held)
            if self._memory is not None:
                self._same(self._memory.db)
                return ask(self._memory.db)
            if not self.path.is_file():
                raise RunFileError(f"there is no run file {str(self.path)!r}: it was moved or removed")
            with closing(self._connect()) as db:
                self._same(db)
                return ask(db)
        except (sqlite3.Error, OverflowError, MemoryError, UnicodeError) as e:
            self._check_beside()
            raise RunFileError(
                f"{str(self.path)!r} is not a run file, or it was truncated ({e}); get a fresh copy, made after the "
                "run was sealed or together with its -wal file"
            ) from e

    @contextmanager
    def held(self) -> Iterator[None]:
        """Read many things as they stand at one moment; a writer cannot seal as long as it lasts."""
        if self._db is not None or self._held is not None or self._closed or self._memory is not None:
            yield
            return
        if not self.path.is_file():
            raise RunFileError(f"there is no run file {str(self.path)!r}: it was moved or removed")
        try:
            with closing(self._connect()) as db:
                db.execute("BEGIN")  # a run that is resumed meanwhile drops rows, and others take their numbers
                self._same(db)
                self._held = db
                yield
        except sqlite3.Error as e:
            self._check_beside()
            raise RunFileError(f"{str(self.path)!r} cannot be read ({e})") from e
        finally:
            self._held = None

    def _check_there(self) -> None:
        """Say of a file that cannot be read that it made way for another one while it was."""
        if not self._version or self._db is not None or self._memory is not None:
            return
        try:
            at = self.path.stat()
        except OSError as e:
            raise RunFileError(f"there is no run file {str(self.path)!r}: it was moved or removed") from e
        if (at.st_dev, at.st_ino) != self._inode:
            raise RunFileError(f"{str(self.path)!r} was replaced since it was opened: open it anew")

    def _check_beside(self) -> None:
        """Say of a file that cannot be read that its -wal went away while it was, or the file itself."""
        self._check_there()
        beside = Path(f"{self.path.resolve()}-wal")
        empty = not beside.exists() or beside.stat().st_size == 0  # SQLite makes an empty one where there is none
        if self._version and self.path.is_file() and empty and head_of(self.path).wal:
            raise RunFileError(
                f"{beside.name!r} beside {str(self.path)!r} was moved or removed while the run is written: put it "
                "back, or wait until the run is sealed, which needs it no more"
            )

    def _query(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._run(lambda db: db.execute(sql, args).fetchall())
        return rows

    def damaged(self, what: str, why: object) -> RunFileError:
        """The error of a part that cannot be what was written."""
        self._check_there()
        return RunFileError(f"{what} of {str(self.path)!r} is damaged ({why}); get a fresh copy")

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.path.stat().st_size if self._memory is None else self._memory.size

    @property
    def in_memory(self) -> bool:
        """Whether it is no file."""
        return self._memory is not None

    # ------------------------------------------------------------------ opening

    def _look_beside(self) -> None:
        """What lies beside the file must be its own, and what must lie there must be there."""
        if self._memory is not None:
            self._memory.look()
            return
        self._alone = False
        head = head_of(self.path)
        for attempt in range(3):
            head = head_of(self.path)
            beside = Path(f"{self.path.resolve()}-wal")
            there = beside.exists() and beside.stat().st_size > 0
            if head.wal == there or attempt == 2:
                break
            time.sleep(_WAIT)  # its writer may be sealing it this moment
        if there and not head.wal:
            raise RunFileError(
                f"beside {str(self.path)!r}, which is whole, lies {beside.name!r} of another run: move it away, or get "
                "a fresh copy of both"
            )
        if Path(f"{self.path.resolve()}-journal").exists():
            self._alone = True  # its writer was killed as it sealed; what is in the file proves itself
        if head.wal and not there:
            self._without_wal(head)
        elif there and head.version >= PROVEN:
            try:
                with closing(self._connect()) as db:
                    seen = _identity(db)[0]
                    root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='identity'").fetchone()[0]
                own = _identities(self.path, int(root), head.page)
            except (sqlite3.Error, OSError, TypeError, ValueError) as e:
                raise RunFileError(f"{str(self.path)!r} is not a run file, or it was truncated ({e})") from e
            if own and seen not in own:
                raise RunFileError(
                    f"{beside.name!r} beside {str(self.path)!r} belongs to another run: get the two of one run"
                )

    def _without_wal(self, head: Head) -> None:
        """A file that was not sealed, without what was written last."""
        if head.version < PROVEN:
            if not os.access(self.path.parent, os.W_OK):
                self._alone = True
            warnings.warn(
                f"{str(self.path)!r} was not sealed and has no -wal file beside it: what came last may be missing",
                stacklevel=5,
            )
            return
        self._alone = True
        try:
            with closing(self._connect()) as db:
                if db.execute("SELECT value FROM item WHERE name='sealed'").fetchone() == ("true",):
                    return  # nothing is written after that
        except sqlite3.Error:
            pass
        raise RunFileError(
            f"{str(self.path)!r} is incomplete: it was copied while it was written, without its -wal file; copy both. "
            "If another program has taken that file in, nothing is missing: say so with "
            "sqlite3 FILE 'PRAGMA journal_mode=DELETE'"
        )

    def _open(self, db: sqlite3.Connection) -> None:
        """Whose file it is, and whether it can be read."""
        words = ("application_id", "user_version", "page_size", "page_count")
        mark, version, page, pages = (int(db.execute(f"PRAGMA {w}").fetchone()[0]) for w in words)
        if mark != APPLICATION_ID:
            raise RunFileError(f"{str(self.path)!r} is a database, but not a neurodev run file")
        if not 1 <= version <= VERSION:
            raise RunFileError(
                f"{str(self.path)!r} has format {version}; this neurodev reads up to {VERSION}: upgrade neurodev"
            )
        tables = {r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if not tables >= NEEDED | ({"identity", "tally", "provenance"} if version >= PROVEN else set()):
            raise RunFileError(
                f"{str(self.path)!r} is incomplete: it was copied while it was written, without its -wal file"
            )
        made = db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE 'CREATE VIRTUAL%'"
        )
        odd = [row[0] for row in made]
        for table in NEEDED:
            odd += [row[1] for row in db.execute(f"PRAGMA table_xinfo({table})") if row[6]]  # computed, not kept
        if odd:
            raise self.damaged("the schema", f"{shown(odd[0], 60)} is none of a run file")
        if version < PROVEN and "identity" in tables:
            raise self.damaged("the head", f"format {version} has no identity")
        self._run_id, self._session = _identity(db) if version >= PROVEN else ("", 0)
        self._version = version
        if self._memory is not None:
            return
        at = self.path.stat()
        self._inode, self._version = (at.st_dev, at.st_ino), version
        # SQLite rounds a torn last page up to a whole one
        alone = not Path(f"{self.path.resolve()}-wal").exists()
        if alone and at.st_size < page * pages:
            raise RunFileError(f"{str(self.path)!r} was truncated: get a fresh copy")


def _identities(path: Path, page: int, size: int) -> list[str]:
    """What may be the identity of a run on a page of the file itself.

    Looked for in its bytes: a file into which its writer was just moving the -wal, as the disk was full or it was
    killed, is no database without that -wal.  The page was there before there was one, and is never written again.
    """
    with path.open("rb") as file:
        file.seek((page - 1) * size)
        return [found.decode() for found in re.findall(rb"[0-9a-f]{32}", file.read(size))]


def _identity(db: sqlite3.Connection) -> tuple[str, int]:
    """The run and the session that a database says to hold."""
    rows = db.execute("SELECT id FROM identity").fetchall()
    session = db.execute("SELECT session FROM tally").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], str) or len(rows[0][0]) != 32 or len(session) != 1:
        raise sqlite3.DatabaseError("it does not say which run it is of")
    if not isinstance(session[0][0], int):
        raise sqlite3.DatabaseError("it does not say which session it is of")
    return rows[0][0], session[0][0]
