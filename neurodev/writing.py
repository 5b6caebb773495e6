"""What goes out of a program: paths that stay what they were, runs that stay, and text that is fit for a terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from neurodev.errors import ParameterError, shown

DATABASE = b"SQLite format 3\0"  # how run files begin


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
    return Path(os.path.abspath(a_path(path, name)))


def a_path(path: Any, name: str = "path") -> Path:
    """A path, as it was given: no number (which Python would take for an open file), nothing empty.

    Raises
    ------
    ParameterError
        Naming the argument and the value.
    """
    wanted = f"{name} must be the path of a file or folder, such as 'map.sqlite'"
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise ParameterError(f"{wanted}, got {shown(path)}")
    words = os.fspath(path)
    if not words or "\0" in words:
        raise ParameterError(f"{wanted}, got {words!r}")
    return Path(words)


def holds_database(path: Path) -> bool:
    """Whether a file begins as run files do."""
    with path.open("rb") as file:
        return file.read(len(DATABASE)) == DATABASE


def unfit(path: Path) -> str:
    """Why no file can be written to a path, with the cure; empty if one can."""
    if not path.parent.is_dir():
        return f"the folder {str(path.parent)!r} does not exist: make it first, or name a file elsewhere"
    if path.is_dir():
        return f"{str(path)!r} is a folder: name a file in it, such as 'map.sqlite'"
    if path.exists() and not path.is_file():
        return f"{str(path)!r} is a device or a pipe: name an ordinary file"
    return ""
