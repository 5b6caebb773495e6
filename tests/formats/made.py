"""Histories of known births and deaths, and the tables that laboratories would write of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodev import History

DAYS = 4.0 * np.arange(8)


def known(n: int = 300, seed: int = 5) -> History:
    """Spines of six dendrites of two cells, born and dead at known times, with sizes in each session."""
    draw = np.random.default_rng(seed)
    born = draw.uniform(-60.0, 28.0, n)
    died = born + np.where(draw.random(n) < 0.5, draw.exponential(80.0, n), draw.exponential(6.0, n))
    here = (born[:, None] <= DAYS) & (DAYS < died[:, None])
    rows = here.any(axis=1)
    here, n = here[rows], int(rows.sum())
    size = np.exp(0.5 * draw.standard_normal((n, 1)) + 0.2 * draw.standard_normal((n, DAYS.size)))
    dendrite = draw.integers(0, 6, n)
    columns = {
        "cell": np.array([f"c{d // 3}" for d in dendrite]), "dendrite": np.array([f"d{d}" for d in dendrite]),
        "born_at": born[rows], "died_at": died[rows],
    }  # fmt: skip
    ident = np.array([f"s{k}" for k in range(n)])
    return History.of_sessions(np.where(here, size, np.nan), DAYS, ident=ident, columns=columns)


def rows_of(h: History) -> list[dict[str, Any]]:
    """A row for each sighting, under names as people give them."""
    out = []
    for k, row, size in zip(h.seen.session, h.seen.row, h.seen.size, strict=True):
        name = {"Cell": h.column("cell")[row], "Dend": h.column("dendrite")[row], "Spine #": h.ident[row][1:]}
        out.append({**name, "Day": f"{h.sessions[k]:g}", "Vol (um3)": repr(float(size))})
    return out


def write(path: Path, rows: Sequence[dict[str, Any]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """A table with a header, of rows that have the same words."""
    with path.open("w", newline="", encoding=encoding) as f:
        w = csv.DictWriter(f, list(rows[0]), delimiter=delimiter)
        w.writeheader()
        w.writerows(rows)
    return path


def lines(path: Path, *text: str) -> Path:
    """A file of lines."""
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def book(path: Path, sheets: dict[str, Iterable[Sequence[Any]]]) -> Path:
    """A workbook of openpyxl."""
    import openpyxl

    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    made.save(path)
    return path


def same(a: History, b: History, sizes: bool = True) -> None:
    """Two histories say the same: who lived when, survival, turnover, sizes."""
    assert len(a) == len(b)
    np.testing.assert_array_equal(a.sessions, b.sessions)
    for kind in ("newborn", "standing", "all"):
        x, y = a.survival(kind), b.survival(kind)
        np.testing.assert_array_equal(x.time, y.time)
        np.testing.assert_array_equal(x.value, y.value)
    for x, y in zip(a.changes(), b.changes(), strict=True):
        np.testing.assert_array_equal(x, y)
    if sizes:
        np.testing.assert_array_equal(np.sort(a.sizes(), axis=0), np.sort(b.sizes(), axis=0))
