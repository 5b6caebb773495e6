"""A run or a history out of the house: its format is found by name, and nothing that lies there is written over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurodev import registry
from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.params import flag
from neurodev.record.patience import Patience
from neurodev.writing import a_path, absolute, holds_database


def export(what: Any, path: Any, kind: Any, overwrite: Any, options: dict[str, Any]) -> Path:
    """Write a run or a history in one of the formats; see `Run.export`."""
    to = absolute(path, "path")
    form = format_of(to, kind)(**options)
    named = to.name.partition(".")[0]
    if "table" not in options and named in form.tables and named != form.table:
        raise ParameterError(
            f"path {to.name!r} is called after the table {named!r} and would hold {form.table!r}: say which, "
            f"table={named!r} (--set table={named}) or table={form.table!r}"
        )
    free(to, flag(overwrite, "overwrite"), form.marker)
    whole(to, lambda part: form.write(what, part))
    return a_path(path)


def format_of(path: Path, kind: Any = None) -> Any:
    """The class of a format by its name, or by the end of a path.

    Raises
    ------
    ParameterError
        For an unknown name or ending, with those that there are; for an ending that several formats share.
    """
    if kind is not None:
        return registry.find("format", kind)
    known = {n: c for n, c in registry.every("format").items() if isinstance(c.suffix, str) and c.suffix}
    name = path.name.casefold()
    fits = {n: c for n, c in known.items() if name.endswith(c.suffix.casefold()) and len(name) > len(c.suffix)}
    longest = max((len(c.suffix) for c in fits.values()), default=0)  # ".sparse.npz" says more than ".npz"
    fits = {n: c for n, c in fits.items() if len(c.suffix) == longest}
    if len(fits) == 1:
        return next(iter(fits.values()))
    if fits:
        raise ParameterError(f"path {path.name!r} may be {' or '.join(sorted(fits))}: say which, kind=")
    ends = ", ".join(f"{c.suffix} ({n})" for n, c in sorted(known.items()))
    raise ParameterError(f"path {path.name!r} does not say its format: end it in one of {ends}, or give kind=")


def free(path: Path, overwrite: bool, marker: str = "") -> None:
    """Refuse a path that nothing may be written to; a folder is replaced only if it holds the file `marker`.

    Raises
    ------
    ParameterError
        If there is no folder for it, or something lies there that must stay.
    """
    try:
        if not path.parent.is_dir():
            raise ParameterError(f"path: the folder {str(path.parent)!r} does not exist: make it first")
        if not os.path.lexists(path):
            return
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ParameterError(f"path: {str(path)!r} is a device or a pipe: name an ordinary file")
        if path.is_file():
            if holds_database(path):
                raise ParameterError(f"path: {str(path)!r} holds a run, which would be lost: choose another name")
        elif path.is_dir() and not (marker and (path / marker).is_file()):
            raise ParameterError(f"path: {str(path)!r} is a folder of other things: choose another name")
    except OSError as e:
        raise ParameterError(f"path: nothing can be written to {shown(str(path))}: {e.strerror or e}") from e
    if not overwrite:
        raise ParameterError(
            f"path: {str(path)!r} is there already: overwrite=True (--overwrite) replaces it, or choose another name"
        )


def whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let something be written beside its place (a file or a folder), and move it there when it is whole.

    Raises
    ------
    NeurodevError
        If it cannot be written; what stood there before stays.
    """
    # what it ends in stays, by which libraries know what to write
    part, older = (path.with_name(f".{os.getpid()}.{word}-{path.name[-150:]}") for word in ("part", "older"))
    try:
        write(part)
        with Patience():
            if os.path.lexists(path) and (path.is_dir() or part.is_dir()):  # a folder is not replaced in one step
                path.replace(older)
            try:
                part.replace(path)
            except OSError:
                if os.path.lexists(older):
                    older.replace(path)
                raise
            _remove(older)
    except OSError as e:
        raise NeurodevError(f"cannot write {str(path)!r}: {e.strerror or e}; what stood there before stays") from e
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
