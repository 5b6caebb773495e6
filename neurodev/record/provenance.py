"""What a run must say of itself: versions, machine, time, and the sources of its mechanisms."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from neurodev.errors import StudyError
from neurodev.record.sources import source_hash
from neurodev.registry import Registered, imported, is_ours, kind_of, word_of

_PACKAGES = ("neurodev", "numpy", "numba", "scipy")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from a checkout" if package == "neurodev" else "not installed"


def environment() -> dict[str, Any]:
    """Software, platform, machine and time (UTC), as words and numbers."""
    return {
        "versions": {p: _version(p) for p in _PACKAGES} | {"python": platform.python_version()},
        "machine": platform.machine(),
        "processors": os.cpu_count() or 0,
        "system": platform.platform(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def sources(mechanisms: Iterable[object]) -> dict[str, dict[str, str]]:
    """Import path and source hash of every kind of mechanism in use.

    Two kinds of the same name from different modules are told apart by their import path.
    """
    out: dict[str, dict[str, str]] = {}
    for cls in dict.fromkeys(type(m) for m in mechanisms):
        path = f"{cls.__module__}.{cls.__qualname__}"
        name = path if cls.__name__ in out else cls.__name__
        out[name] = {"path": path, "sha256": source_hash(cls)}
    return out


def foreign(*things: Any) -> dict[str, dict[str, str]]:
    """What is not ours among things and their parts: kind and source hash of each class or function, by its word.

    Parameters
    ----------
    *things
        Instances, classes or functions; parts are parameters that are of a kind themselves (a wiring of contacts).
    """
    out: dict[str, dict[str, str]] = {}
    waiting, seen = list(things), set[int]()
    while waiting:
        thing = waiting.pop(0)
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        thing = thing.func if isinstance(thing, partial) else thing
        maker = thing if hasattr(thing, "__qualname__") else type(thing)
        if not is_ours(maker) and maker.__module__ != "builtins":
            out[word_of(maker)] = {"kind": kind_of(maker), "sha256": source_hash(maker)}
        if isinstance(thing, Registered):
            waiting += thing.made_of()
    return out


def check_sources(recorded: Mapping[str, Mapping[str, str]], trust: bool = False) -> None:
    """Refuse to go on with a run where a class or function that is not ours is missing or has changed.

    Parameters
    ----------
    recorded : mapping
        What `foreign` said when the run began, ``provenance["sources"]`` of its file.
    trust : bool
        Import what is named there, and go on with what has no source that can be read (typed into a session);
        otherwise the caller has imported it.

    Raises
    ------
    StudyError
        With the names; also if the record is damaged.
    """
    unknown, changed = [], []
    for word, about in recorded.items():
        kind, sha256 = _told(word, about)
        module = word.partition(":")[0]
        if module not in sys.modules:
            if not trust:
                raise StudyError(
                    f"this run uses {word!r}, a {kind or 'function'} that is not neurodev's and is not "
                    f"imported: import {module} first, if you trust it (on the command line: --trust)"
                )
            imported(module, word)
        now = source_hash(_behind(word))
        if not (now and sha256):
            unknown.append(word)
        elif now != sha256:
            changed.append(word)
    if changed:
        raise StudyError(
            f"the source of {', '.join(map(repr, changed))} is not what it was when this run began: take the old "
            "source again, or begin a new run"
        )
    if unknown and not trust:
        raise StudyError(
            f"the source of {', '.join(map(repr, unknown))} could not be read, now or when this run began, so that "
            "nobody knows whether it has changed: define it in a file and begin a new run"
        )


def _told(word: str, about: Any) -> tuple[str, str]:
    """Kind and hash that a run file gives of a source."""
    kind, sha256 = (about.get("kind"), about.get("sha256")) if isinstance(about, Mapping) else (None, None)
    if not isinstance(kind, str) or not isinstance(sha256, str):
        raise StudyError(
            f"what this run says of the source {word!r} is {about!r}, without its kind and hash; the file is damaged"
        )
    return kind, sha256


def _behind(word: str) -> Any:
    """The class or function of a word whose module is imported; for one made within a function, that function.

    Raises
    ------
    StudyError
        If the module does not have it any more.
    """
    module, _, name = word.partition(":")
    found: Any = sys.modules[module]
    for part in name.split(".<locals>")[0].split("."):
        if not hasattr(found, part):
            raise StudyError(f"this run uses {word!r}, which module {module!r} no longer has")
        found = getattr(found, part)
    return found
