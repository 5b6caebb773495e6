"""Run files that are none: databases in the memory of this process, for runs that nobody named.

Nothing of them is ever on a disk.  One lives as long as somebody holds it: its simulation, or a run that reads it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakMethod, WeakValueDictionary

from neurodev.errors import RunFileError

_known: WeakValueDictionary[str, Memory] = WeakValueDictionary()
_numbers = count(1)


class Memory:
    """One of them.

    Attributes
    ----------
    path : Path
        Its name, in place of a path.
    db : sqlite3.Connection
        The only one, for its writer and all who read.
    settle : WeakMethod or None
        Of its writer, as long as there is one: ends the transaction, so that all that was written can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.process = path, os.getpid()
        # from one thread to another is no matter: whoever drives the run writes it, one at a time
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.settle: WeakMethod[Callable[[], None]] | None = None
        _known[str(path)] = self

    def __del__(self) -> None:
        self.db.close()

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        page, pages = (int(self.db.execute(f"PRAGMA {w}").fetchone()[0]) for w in ("page_size", "page_count"))
        return page * pages

    def look(self) -> None:
        """Let all that was written be read together: its writer ends the transaction, or it is taken back."""
        settle = None if self.settle is None else self.settle()
        if settle is not None:
            settle()
        elif self.db.in_transaction:
            self.db.execute("ROLLBACK")


def fresh(stem: str = "run") -> Memory:
    """A new one, under a name of its own.

    Examples
    --------
    >>> fresh().path.name.endswith("in memory>")
    True
    """
    return Memory(Path(f"<{stem} {next(_numbers)} in memory>"))


def memory_of(path: Any) -> Memory | None:
    """The one of that name, if it still lives; None for a path of the disk.

    Raises
    ------
    RunFileError
        If it is gone.
    """
    word = str(path) if isinstance(path, (str, Path)) else ""
    found = _known.get(word)
    if found is None and word.startswith("<") and word.endswith(" in memory>") and not Path(word).exists():
        raise RunFileError(f"{word!r} is gone: a run without a file lives as long as its run object; name one with to=")
    return found
