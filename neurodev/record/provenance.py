"""What a run must say of itself: versions, machine, time, and the sources of its mechanisms."""

from __future__ import annotations

import datetime
import hashlib
import inspect
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

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


def source_hash(cls: type) -> str:
    """SHA-256 of the file that defines a class, or of the class alone where there is no file (a notebook).

    Empty if neither can be read: an unknown source must not look like a known one.
    """
    for thing in (inspect.getmodule(cls), cls):
        try:
            if thing is not None:
                return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()
        except (OSError, TypeError):
            continue
    return ""


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
