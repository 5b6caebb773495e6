"""Names for run files that nobody named: they lie in a folder of this process, which goes when it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from itertools import count
from pathlib import Path

from neurodev.errors import RunFileError

_folders: dict[int, str] = {}  # by process: a forked one makes its own
_numbers = count(1)


@atexit.register
def _leave() -> None:
    if (folder := _folders.pop(os.getpid(), None)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_file(stem: str = "run") -> Path:
    """A path at which no file is, for a run of this process; the folder is removed at its end.

    Raises
    ------
    RunFileError
        If there is no folder for temporary files.

    Examples
    --------
    >>> scratch_file().suffix
    '.sqlite'
    """
    process = os.getpid()
    if process not in _folders:
        try:
            _folders[process] = tempfile.mkdtemp(prefix="neurodev-")
        except OSError as e:  # no folder that can be written to
            raise RunFileError(f"there is no place for a temporary run file ({e}): name one with to=") from e
    return Path(_folders[process]) / f"{stem}-{next(_numbers)}.sqlite"
