"""The sources of what is not ours: the files that say what a class or function does, as one hash."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurodev.registry import is_ours

_INSTALLED = ("site-packages", "dist-packages")


def _file(module: str) -> Path | None:
    """The file of an imported module; none for a notebook."""
    name = getattr(sys.modules.get(module), "__file__", None)
    return Path(name).resolve() if name and Path(name).is_file() else None


def _of_others(cls: type) -> bool:
    """Whether a base is neither ours nor of Python, nor installed beside us: its version is not ours to hash."""
    top = cls.__module__.partition(".")[0]
    file = _file(cls.__module__)
    return not (is_ours(cls) or top in sys.stdlib_module_names or (file and set(_INSTALLED) & set(file.parts)))


def _imports(code: bytes) -> Iterator[tuple[int, list[str]]]:
    """What a file imports: how many dots, and the parts of each name."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):  # its bytes are hashed all the same
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            at = node.module.split(".") if node.module else []
            yield from ((node.level, [*at, alias.name]) for alias in node.names)


def _files_of(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Files that importing a name from a folder runs: each package on the way, and the module."""
    for depth in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:depth])
        yield from (p for p in (place / "__init__.py", place.with_name(f"{place.name}.py")) if p.is_file())


def _together(file: Path, root: Path) -> dict[Path, bytes]:
    """A file and all that it imports from its own folder or from below `root`, those imports followed too."""
    found: dict[Path, bytes] = {}
    waiting = [file]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found[here] = here.read_bytes()
        if set(_INSTALLED) & set(here.parts):  # what lies there comes and goes with versions
            continue
        for level, parts in _imports(found[here]):
            folders = (here.parents[level - 1],) if level else (root, here.parent)
            if level or parts[0] != "neurodev":
                waiting += [p for folder in folders for p in _files_of(folder, parts)]
    return found


def source_hash(thing: Any) -> str:
    """SHA-256 of the files that say what a class or function does.

    They are its own file and those of its base classes, but for neurodev's, Python's and installed packages', and
    all that these files import from their own folders.  Where there is no file (a notebook) the source of the class
    itself stands for it.

    Returns
    -------
    str
        Empty if one of the sources cannot be read: an unknown source must not look like a known one.
    """
    files: dict[str, bytes] = {}
    for maker in [thing, *(c for c in getattr(thing, "__mro__", ())[1:] if _of_others(c))]:
        file = _file(maker.__module__)
        if file is None:
            try:
                files[f"{maker.__module__}:{maker.__qualname__}"] = inspect.getsource(maker).encode()
            except (OSError, TypeError):
                return ""
            continue
        root = file.parents[min(maker.__module__.count("."), len(file.parents) - 1)]
        for path, code in _together(file, root).items():
            files[path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name] = code
    if len(files) == 1:
        return hashlib.sha256(*files.values()).hexdigest()
    lines = (f"{name} {hashlib.sha256(code).hexdigest()}" for name, code in sorted(files.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
