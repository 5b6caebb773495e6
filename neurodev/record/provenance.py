"""What a run must say of itself: versions, machine, parameters, and the sources of user mechanisms."""

from __future__ import annotations

import datetime
import hashlib
import inspect
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def environment() -> dict[str, Any]:
    """Software, platform and time."""
    return {
        "versions": {p: _version(p) for p in ("neurodev", "numpy", "numba", "scipy")}
        | {"python": platform.python_version()},
        "machine": platform.machine(),
        "system": platform.platform(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def sources(mechanisms: Iterable[object]) -> dict[str, dict[str, str]]:
    """Import path and source hash of every kind of mechanism in use."""
    out = {}
    for m in mechanisms:
        cls = type(m)
        try:
            text = inspect.getsource(inspect.getmodule(cls) or cls)
        except (OSError, TypeError):
            text = ""
        out[cls.__name__] = {
            "path": f"{cls.__module__}.{cls.__qualname__}",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
    return out
