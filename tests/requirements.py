"""What pyproject.toml asks for, and to which versions constraints.txt pins it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def core() -> list[Requirement]:
    """What neurodev needs without any extra."""
    return [Requirement(r) for r in PROJECT["project"]["dependencies"]]


def pins() -> list[tuple[str, ...]]:
    """Name and version of every line of constraints.txt."""
    lines = [x.split("#")[0].strip() for x in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]
    return [tuple(x.split("==")) for x in lines if x]
