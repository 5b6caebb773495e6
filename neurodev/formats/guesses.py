"""What a table that was not understood may be: its columns, and the call that would read it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.asked import Asked, numbers_in
from neurodev.formats.cells import numbers, words
from neurodev.formats.grid import Column, Grid, listed

# of each argument the words by which its column is often called, the likelier first; letters and digits alone
_WORDS: dict[str, tuple[str, ...]] = {
    "id": ("spineid", "synapseid", "spine", "synapse", "id", "roi", "roiid", "synid", "spinenumber", "label", "name"),
    "session": ("session", "day", "days", "time", "timepoint", "tp", "t", "age", "date", "hour", "hours", "week"),
    "size": ("size", "volume", "vol", "spinevol", "spinevolume", "headvol", "headvolume", "intensity", "brightness",
             "fluorescence", "headdiameter", "area", "psdsize", "weight"),
    "first": ("first", "firstseen", "firstsession", "firstday", "born", "appeared"),
    "last": ("last", "lastseen", "lastsession", "lastday", "disappeared"),
    "dendrite": ("dendrite", "dendriteid", "segment", "segmentid", "branch", "branchid"),
    "x": ("x", "xum", "xpos", "posx", "centroidx"), "y": ("y", "yum", "ypos", "posy", "centroidy"),
    "z": ("z", "zum", "zpos", "posz", "pos", "centroidz"),
    "total": ("total", "number", "count", "spines", "totalspines", "nspines", "n"),
    "gained": ("gained", "new", "formed", "born", "gains", "newspines"),
    "lost": ("lost", "eliminated", "gone", "losses", "lostspines"),
    "pre": ("pre", "presynaptic", "source", "prename"), "post": ("post", "postsynaptic", "target", "postname"),
}  # fmt: skip


def guessed(grid: Grid) -> dict[str, str]:
    """Columns by what their names say."""
    plain = {re.sub(r"[^a-z0-9]", "", n.casefold()): n for n in reversed(grid.names)}
    plain |= {
        re.sub(r"(um|px|vox|h|hours?|days?|d)$", "", k) or k: v for k, v in plain.items() if k not in ("day", "days")
    } | plain
    out: dict[str, str] = {}
    for argument, likely in _WORDS.items():
        found = next((plain[w] for w in likely if w in plain and plain[w] not in out.values()), None)
        if found is not None:
            out[argument] = found
    return out


def sessions_in(grid: Grid, a: Asked) -> list[Column] | None:
    """Columns whose names are days (or hours): numbers, with one word before or after all of them."""
    taken = {grid.pick(c, "id") for c in a.id or () if grid.has(c)}
    groups: dict[tuple[str, str], list[str]] = {}
    for name in grid.names:
        m = re.fullmatch(
            r"(|d|day|t|session|s)[ _]?(\d+(?:\.\d+)?)[ _]?(|h|hours?|d|days?|w|weeks?)", name.casefold().strip()
        )
        if m and name not in taken:
            groups.setdefault((m[1], m[3]), []).append(name)
    names = max(groups.values(), key=len, default=[])
    at = numbers_in(names) if len(names) > 1 else None
    return list(names) if at is not None else None


def refuse(grid: Grid, files: int = 1) -> NoReturn:
    """Refuse a table, with its columns and the call that may read it.

    Raises
    ------
    ParameterError
        Always.
    """
    has = listed(list(grid.arrays) or grid.names)
    raise ParameterError(
        f"path: {grid.source} is not understood: no column is said to be its sessions; it has {has}. "
        f"Perhaps {_call(grid, files)}"
    )


def _call(grid: Grid, files: int) -> str:
    """The nearest call, with ... for what is not known."""
    found = guessed(grid)
    path = repr(grid.source) if files == 1 else "folder"

    def said(reader: str, arguments: Iterable[str], **more: str) -> str:
        given = {**{k: repr(found[k]) if k in found else "..." for k in arguments}, **more}
        return f"nd.{reader}({', '.join([path, *(f'{k}={v}' for k, v in given.items())])})"

    extra = [k for k in ("size", "dendrite") if k in found]
    if {"gained", "lost"} <= set(found):
        return said("read_counts", ["dendrite", "session", "total", "gained", "lost"])
    if {"pre", "post"} <= set(found):
        return said("read_edges", ["pre", "post"], age="...", ages="[...]")
    if {"first", "last"} <= set(found):
        return said("read_sessions", ["id", "first", "last"], **_ids(grid, found, []))
    if "session" in found:
        return said("read_sessions", ["id", "session", *extra], **_ids(grid, found, [found["session"]]))
    if files > 1 and {"x", "y"} <= set(found):
        axes = [found[k] for k in "xyz" if k in found]
        return said(
            "read_sessions", [k for k in extra if k != "dendrite"], position=repr(axes), within="...", days="[...]"
        )
    if files > 1:
        return said("read_sessions", ["id", *extra], days="[...]")
    alike: dict[tuple[str, str], list[str]] = {}
    for name in grid.names:
        if m := re.fullmatch(r"(\D*)\d+(?:\.\d+)?(\D*)", name):
            alike.setdefault((m[1], m[2]), []).append(name)
    most = max(alike.values(), key=len, default=[])
    figures = [n for n in grid.names if not numbers(grid.columns[n]).bad.any()]
    if len(most) > 2 and 2 * len(most) >= len(figures):
        columns = repr(most) if len(most) <= 12 else f"[{most[0]!r}, ..., {most[-1]!r}]"
        return said("read_sessions", ["id"] if "id" in found else [], session=columns, days="[...]")
    if "id" in found and len(ids := _ids(grid, found, [])) and not ids["id"].startswith("..."):
        return said("read_sessions", ["id", *extra], **ids, days="0")
    return said("read_sessions", ["id", "session", *extra])


_ABOVE = ("experiment", "animal", "mouse", "fish", "cell", "neuron", "dendrite", "segment", "branch", "channel", "type")


def _ids(grid: Grid, found: dict[str, str], beside: list[str]) -> dict[str, str]:
    """The columns that tell rows apart (`beside` those of the session), where some do."""
    likely = [n for w in _WORDS["id"] for n in grid.names if re.sub(r"[^a-z0-9]", "", n.casefold()) == w]
    above = [n for n in grid.names if any(n.casefold().startswith(w) for w in _ABOVE) and n not in likely]
    above = [n for n in above if n not in beside and not _measured(grid, n)]
    for name in likely:
        for columns in ([name], [*above, name]):
            text = [words(grid.columns[c]) for c in (*columns, *beside)]
            if len(set(zip(*(t.tolist() for t in text), strict=True))) == grid.line.size:
                return {"id": repr(columns[0] if len(columns) == 1 else columns)}
    return {"id": repr(found["id"])} if "id" in found else {}


def _measured(grid: Grid, name: str) -> bool:
    """Whether a column holds numbers that are not whole."""
    value = numbers(grid.columns[name]).value
    return bool(np.any(np.isfinite(value) & (value % 1.0 != 0.0)))
