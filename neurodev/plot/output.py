"""Pages and pictures on the disk: never over a run, never half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from neurodev.errors import NeurodevError, ParameterError
from neurodev.writing import absolute, unfit

_DATABASE = b"SQLite format 3\0"  # how run files begin


def checked(to: Any) -> Path:
    """The path of a page or picture, looked at before anything is drawn.

    Raises
    ------
    ParameterError
        For what no file can be written to, or a file that holds a run.
    """
    path = Path(os.path.realpath(absolute(to)))
    try:
        why, there = unfit(path), path.is_file()
    except OSError as e:  # a name that is too long
        raise ParameterError(f"cannot write to {str(to)!r}: {e.strerror or e}; name another file") from None
    if why:
        raise ParameterError(f"cannot write: {why}")
    if there:
        with path.open("rb") as file:
            holds = file.read(len(_DATABASE)) == _DATABASE
        if holds:
            raise ParameterError(f"{str(to)!r} holds a run, which would be lost: choose another name")
    return path


def write(to: Any, data: bytes) -> Path:
    """Write a file beside its place and move it there when it is whole.

    Raises
    ------
    NeurodevError
        If it cannot be written; what stood there before stays.
    """
    path = checked(to)
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise NeurodevError(f"cannot write {str(to)!r}: {e.strerror or e}; what stood there before stays") from e
    return Path(to)
