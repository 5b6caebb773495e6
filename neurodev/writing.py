"""Files that are written: paths that stay what they were, targets that are looked at first, and whole files or none."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError, RunFileError

_DATABASE = b"SQLite format 3\0"  # how every run file begins


def printable(text: str, lines: bool = True) -> str:
    """Text for a terminal: what would move the cursor, change colours or turn words round is spelled out.

    Parameters
    ----------
    text : str
    lines : bool
        Whether new lines and tabs may stay.

    Examples
    --------
    >>> print(printable("a\x1b[2Jb"))
    a\\x1b[2Jb
    """
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)


def absolute(path: Any, name: str = "to") -> Path:
    """A path as it stands in the folder of this moment: a later ``chdir`` does not move it.

    Parameters
    ----------
    path : str or path
    name : str
        The argument, for the message.

    Raises
    ------
    ParameterError
        If it is not a path, empty, or holds a character that no file can have in its name.

    Examples
    --------
    >>> absolute("map.sqlite").is_absolute()
    True
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise ParameterError(f"{name} must be the path of a file, such as 'map.sqlite', got {path!r}")
    words = os.fspath(path)
    if not words or "\0" in words:
        raise ParameterError(f"{name} must be the path of a file, such as 'map.sqlite', got {words!r}")
    return Path(os.path.abspath(words))


def check_target(path: Any, name: str = "to") -> Path:
    """The absolute path of a page, picture or table that may be written: no run file, no device, no pipe.

    Raises
    ------
    RunFileError
        If there is no such folder, or the path holds something that must not be written over.
    """
    out = absolute(path, name)
    if not out.parent.is_dir():
        raise RunFileError(f"{name}={str(out)!r}: the folder {str(out.parent)!r} does not exist; make it first")
    if not out.exists():
        return out
    if not out.is_file():
        what = "a folder" if out.is_dir() else "a device or a pipe"
        raise RunFileError(f"{name}={str(out)!r} is {what}: give the name of a file")
    with out.open("rb") as file:
        if file.read(len(_DATABASE)) == _DATABASE:
            raise RunFileError(f"{name}={str(out)!r} is a run file, and is not written over: choose another {name}")
    return out


def write_beside(path: Any, content: bytes | str, name: str = "to") -> Path:
    """Write a page, picture or table: whole, or not at all, whatever was there before.

    It is written beside its place and renamed, so that a full disk or a killed program leaves the older one.

    Parameters
    ----------
    path : str or path
    content : bytes or str
        Words are written as UTF-8.
    name : str
        The argument, for messages.

    Returns
    -------
    Path
        The absolute path.

    Raises
    ------
    RunFileError
        As `check_target` says, or if the disk takes no more.
    """
    out = check_target(path, name)
    place = out.resolve()  # a link stays a link
    data = content.encode("utf-8") if isinstance(content, str) else content
    beside = None
    try:
        number, beside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:64]}-")
        with os.fdopen(number, "wb") as file:
            file.write(data)
        os.chmod(beside, stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~_mask())
        os.replace(beside, place)
    except OSError as e:
        raise RunFileError(f"{name}={str(out)!r} cannot be written ({e}): nothing was changed there") from e
    finally:
        if beside is not None and os.path.exists(beside):
            os.unlink(beside)
    return out


def _mask() -> int:
    """The permissions that this process takes from new files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
