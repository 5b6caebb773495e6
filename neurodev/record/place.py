"""The place of a new run file: who may take it, and the older run that waits beside it until the new one has begun."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from neurodev.errors import RunFileError
from neurodev.record.head import APPLICATION_ID, head_of
from neurodev.writing import unfit

_WITH = ("", "-wal", "-journal")  # what belongs to a database; -shm is made anew


_TAKING = 10.0  # s: names are taken in a hundredth of that; who waits longer waits for somebody else's lock
_held = threading.local()  # the folders in which this thread takes a name


@contextmanager
def taking(path: Path) -> Iterator[None]:
    """One program at a time takes or gives back a name in a folder; where folders cannot be locked, all go on.

    The lock is on the folder itself, so that nothing is left in it, and it ends with the program that holds it.
    """
    folder = path.resolve().parent
    mine: set[Path] = _held.__dict__.setdefault("folders", set())
    if folder in mine:
        yield
        return
    lock = _lock(folder)
    mine.add(folder)
    try:
        yield
    finally:
        mine.discard(folder)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """A lock on a folder, which ends when it is closed; None where there is none to be had."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    end = time.monotonic() + _TAKING
    while time.monotonic() < end:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            break
    os.close(lock)
    return None


def check_new(path: Path, overwrite: bool) -> None:
    """Refuse early what `RunFile.create` would refuse: no folder, no file, or a run that must stay.

    Raises
    ------
    RunFileError
        With what is there, and the cure.
    """
    if why := unfit(path):
        raise RunFileError(f"cannot write to {str(path)!r}: {why}")
    if path.exists() and path.stat().st_size > 0 and not overwrite:
        _check_ours(path)
        if not busy(path):
            raise RunFileError(
                f"{str(path)!r} holds a run already: overwrite=True (--overwrite) replaces it, resume goes on with it "
                "where it can be resumed; or choose another to="
            )


def _check_ours(path: Path) -> None:
    try:
        if head_of(path).mark != APPLICATION_ID and not _unflushed(path):
            raise RunFileError(f"{str(path)!r} is a database, but not a neurodev run file")
    except RunFileError as e:
        raise RunFileError(f"{e}; it is not replaced: delete it yourself, or choose another to=") from e


class Place:
    """A path that a new run file takes; an older run is moved aside, and goes or comes back."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a link stays a link
        self._aside: Path | None = None

    def take(self, overwrite: bool) -> None:
        """Make the path free.

        Raises
        ------
        RunFileError
            If there is a file that must stay, or one that cannot be made.
        """
        path = self.path
        check_new(path, overwrite)
        if path.exists() and path.stat().st_size > 0:
            self._move_aside()
        try:
            for end in ("-wal", "-shm", "-journal"):  # of a run that is not there any more
                Path(f"{path}{end}").unlink(missing_ok=True)
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
        except OSError as e:
            self.restore()
            raise RunFileError(f"{str(path)!r} cannot be written ({e}): choose another to=") from e

    def _move_aside(self) -> None:
        path = self.path
        _check_ours(path)
        if busy(path):
            raise RunFileError(
                f"{str(path)!r} is still being written: end what writes it (in this session its close()), or choose "
                "another to="
            )
        aside, moved = path.with_name(f".{path.name[:64]}.older-{uuid4().hex[:8]}"), list[str]()
        try:
            for end in _WITH:
                if Path(f"{path}{end}").exists():
                    os.replace(f"{path}{end}", f"{aside}{end}")
                    moved.append(end)
        except OSError as e:
            for end in moved:
                os.replace(f"{aside}{end}", f"{path}{end}")
            raise RunFileError(f"{str(path)!r} cannot be replaced ({e}): choose another to=") from e
        self._aside = aside

    def keep(self) -> None:
        """The new run has begun: the older one goes."""
        if self._aside is not None:
            for end in (*_WITH, "-shm"):
                Path(f"{self._aside}{end}").unlink(missing_ok=True)
            self._aside = None

    @property
    def waiting(self) -> bool:
        """Whether an older run waits beside."""
        return self._aside is not None

    def restore(self) -> None:
        """The new run never began: it goes, and the older one comes back."""
        for end in (*_WITH, "-shm"):
            with suppress(OSError):  # where nothing may be written, nothing was made
                Path(f"{self.path}{end}").unlink(missing_ok=True)
        if self._aside is not None:
            for end in reversed(_WITH):
                if Path(f"{self._aside}{end}").exists():
                    os.replace(f"{self._aside}{end}", f"{self.path}{end}")
            self._aside = None


def fold(db: sqlite3.Connection, seconds: float) -> None:
    """Leave the write-ahead log, so that one file holds all; a program that reads this very moment is waited for."""
    end = time.monotonic() + seconds
    try:
        if not os.access(Path(db.execute("PRAGMA database_list").fetchone()[2]).parent, os.W_OK):
            return  # the -wal could not be removed, and a file that says to be whole would lie beside it
        db.execute("PRAGMA busy_timeout=50")  # SQLite's own five seconds would come on top of each attempt
        while True:
            try:
                if db.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete":
                    return
            except sqlite3.OperationalError:
                pass
            # a foreign program that keeps it open (a browser of databases) leaves the -wal beside it: nothing is lost
            if time.monotonic() > end:
                return
            time.sleep(0.02)
    except sqlite3.Error:
        return  # the disk is full: the -wal stays beside it, and holds what was flushed


def busy(path: Path) -> bool:
    """Whether a simulation or a training is writing the file."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
            fold(db, 0.0)  # closing takes in what a killed writer left in the -wal: the head must say so
    except sqlite3.OperationalError as e:
        return "locked" in str(e)
    except sqlite3.Error:
        pass  # damaged: nobody writes it
    return False


def _unflushed(path: Path) -> bool:
    """Whether a run of an older neurodev was killed before its head reached the file itself."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)
    except sqlite3.Error:
        return False
