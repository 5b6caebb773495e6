"""Names for run files that nobody named: they lie in a folder of this process, which goes when it ends."""

from __future__ import annotations

import os
import tempfile
from itertools import count
from pathlib import Path

_folders: dict[int, tempfile.TemporaryDirectory[str]] = {}  # by process: a forked one makes its own
_numbers = count(1)


def scratch_file(stem: str = "run") -> Path:
    """A path at which no file is, for a run of this process; the folder is removed at its end.

    Examples
    --------
    >>> scratch_file().suffix
    '.sqlite'
    """
    process = os.getpid()
    if process not in _folders:
        _folders[process] = tempfile.TemporaryDirectory(prefix="neurodev-", ignore_cleanup_errors=True)
    return Path(_folders[process].name) / f"{stem}-{next(_numbers)}.sqlite"
