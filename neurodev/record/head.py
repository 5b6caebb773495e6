"""The head of a run file: what its first hundred bytes say, before any of it is opened."""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import NamedTuple

from neurodev.errors import RunFileError
from neurodev.writing import DATABASE

APPLICATION_ID = 0x6E64_6576  # "ndev"
VERSION = 3  # 1 kept the provenance among the items, 2 had no checksums
PROVEN = 3  # the first with checksums


class Head(NamedTuple):
    """What the first hundred bytes of a file say."""

    wal: bool
    page: int
    mark: int
    version: int


def head_of(path: Path) -> Head:
    """The head of a database.

    Raises
    ------
    RunFileError
        If there is none.
    """
    if not path.is_file():
        seeds = sorted(p.name for p in path.parent.glob(f"{escape(path.stem)}-seed*{escape(path.suffix)}"))
        others = f"; there is {', '.join(seeds[:4])}" if seeds else ""
        raise RunFileError(f"there is no run file {str(path)!r}{others}")
    try:
        with path.open("rb") as file:
            raw = file.read(100)
    except OSError as e:
        raise RunFileError(f"{str(path)!r} cannot be read ({e})") from e
    if path.suffix == ".toml":
        raise RunFileError(f"{str(path)!r} is a study: name the run file that it wrote, {path.stem + '.sqlite'!r}")
    if not raw:
        raise RunFileError(f"{str(path)!r} is empty")
    if len(raw) < 100 or not raw.startswith(DATABASE):
        raise RunFileError(
            f"{str(path)!r} is not a run file, or it was truncated (it does not begin as one); get a fresh copy, made "
            "after the run was sealed or together with its -wal file"
        )
    page = int.from_bytes(raw[16:18], "big")
    numbers = (int.from_bytes(raw[k : k + 4], "big") for k in (68, 60))
    return Head(raw[18] == 2 or raw[19] == 2, 65536 if page == 1 else page, *numbers)
