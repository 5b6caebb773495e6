"""Pages and pictures on the disk: never over a run, never half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from neurodev.errors import NeurodevError, ParameterError
from neurodev.plot.door import drawn
from neurodev.writing import DATABASE, absolute, unfit

_OURS = (b"<!doctype html", b"\x89PNG\r\n\x1a\n")  # how pages and pictures begin, which may be written anew


@drawn()
def checked(to: Any, replace: bool = False) -> Path:
    """The path of a page or picture, looked at before anything is drawn.

    Parameters
    ----------
    to : path
    replace : bool
        Whether a file that is neither a page nor a picture may go; one that holds a run never may.

    Raises
    ------
    ParameterError
        For a folder, a device or pipe, a name in a folder that is not there, or a file that holds something else.
    """
    path = Path(os.path.realpath(absolute(to)))
    try:
        why, there = unfit(path), path.is_file()
    except OSError as e:  # a name that is too long
        raise ParameterError(f"cannot write to {str(to)!r}: {e.strerror or e}; name another file") from None
    if why:
        raise ParameterError(f"cannot write to {str(to)!r}: {why}")
    if there:
        with path.open("rb") as file:
            begin = file.read(len(DATABASE))
        if begin == DATABASE:
            raise ParameterError(f"{str(to)!r} holds a run, which would be lost: choose another name")
        if begin and not replace and not begin.lower().startswith(tuple(b.lower() for b in _OURS)):
            raise ParameterError(
                f"{str(to)!r} holds neither a page nor a picture, and would be lost: choose another name, or delete it"
            )
    return path


@drawn()
def write(to: Any, data: bytes, replace: bool = False) -> Path:
    """Write a file beside its place and move it there when it is whole; `replace` as for `checked`.

    Raises
    ------
    NeurodevError
        If it cannot be written; what stood there before stays.
    """
    path = checked(to, replace)
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise NeurodevError(f"cannot write {str(to)!r}: {e.strerror or e}; what stood there before stays") from e
    return Path(to)
