"""Whose error it is: file and line of a user's own module in what an exception passed through."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).resolve().parent
_LIBRARIES = tuple(Path(sysconfig.get_path(k)).resolve() for k in ("stdlib", "platstdlib", "purelib", "platlib"))
_IN_NUMBA = re.compile(r'File "([^"<]+)", line (\d+)')


def _is_theirs(file: str) -> bool:
    path = Path(file)
    if file.startswith("<") or path.suffix != ".py":
        return False
    path = path.resolve()
    return not path.is_relative_to(_OURS) and not any(path.is_relative_to(p) for p in _LIBRARIES)


def place_of(error: BaseException) -> str:
    """``"mine.py, line 12, in draw"``: where an error left a user's own module; empty if it met none."""
    if isinstance(error, SyntaxError) and error.filename and _is_theirs(error.filename):
        return f"{error.filename}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_theirs(frame.filename):
            inside = "" if frame.name == "<module>" else f", in {frame.name}"
            return f"{frame.filename}, line {frame.lineno}{inside}"
    if type(error).__module__.startswith("numba"):  # a hook that does not compile is quoted in the message alone
        for file, line in reversed(_IN_NUMBA.findall(str(error))):
            if _is_theirs(file):
                return f"{file}, line {line}"
    return ""


def told(error: BaseException) -> str:
    """An exception that is not neurodev's own, in a line: its type, what it says, and where a user's module had it."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    where = place_of(error)
    return f"{type(error).__name__}{': ' if said else ''}{said}{f' ({where})' if where else ''}"
