"""Connections at several ages: lists, files, sheets, arrays."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from tests.formats.made import book, lines

AGES = [0.0, 8.0, 23.0]
CELLS = ["ADAL", "AVAR", "RICR", "SMDDL"]
books = pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")


@pytest.fixture(scope="module")
def cube() -> Any:
    """Numbers of synapses, (age, pre, post)."""
    draw = np.random.default_rng(2)
    return draw.integers(0, 3, (3, 4, 4)) * (draw.random((3, 4, 4)) < 0.6)


@pytest.fixture(scope="module")
def want(cube: Any) -> History:
    i, j = np.meshgrid(CELLS, CELLS, indexing="ij")
    return History.of_edges([(i[m > 0], j[m > 0], m[m > 0]) for m in cube], AGES)


def same(got: History, want: History) -> None:
    assert got.ident.tolist() == want.ident.tolist() and got.sessions.tolist() == AGES
    np.testing.assert_array_equal(got.sizes(), want.sizes())


def edges(m: Any) -> list[str]:
    return [f"{CELLS[i]},{CELLS[j]}" for i, j in np.argwhere(m > 0) for _ in range(m[i, j])]


def test_a_list_of_synapses(cube: Any, want: History, tmp_path: Path) -> None:
    rows = [f"{pair},L{k}" for k, m in enumerate(cube) for pair in edges(m)]
    path = lines(tmp_path / "a.csv", "from,to,stage", *rows)
    ages = dict(zip(["L0", "L1", "L2"], AGES, strict=True))
    same(nd.read_edges(path, pre="from", post="to", age="stage", ages=ages), want)
    same(nd.read_edges(path, pre=1, post=2, age=3, ages=AGES), want)


def test_a_file_for_each_age(cube: Any, want: History, tmp_path: Path) -> None:
    for t, m in zip(AGES, cube, strict=True):
        lines(
            tmp_path / f"age{t:g}h.csv", "pre,post,n", *[f"{CELLS[i]},{CELLS[j]},{m[i, j]}" for i, j in np.argwhere(m)]
        )
    same(nd.read_edges(tmp_path, size="n"), want)
    same(nd.read_edges([tmp_path / f"age{t:g}h.csv" for t in AGES], size="n", ages=AGES), want)
    same(nd.read_edges({tmp_path / f"age{t:g}h.csv": t for t in AGES}, size="n"), want)


@books
def test_sheets_of_matrices(cube: Any, want: History, tmp_path: Path) -> None:
    """As in the tables of Witvliet 2021: words and classes above the names, an empty row, sources above."""
    sheets = {}
    for k, m in enumerate(cube):
        head = [[None, None, None, "Pre"], [None, None, None, "Sensory", None, "Inter"], [None] * 3 + CELLS, []]
        sheets[f"S{k}"] = head + [["Post" if j == 0 else None, None, c, *m[:, j].tolist()] for j, c in enumerate(CELLS)]
    sheets["legend"] = [["what", "it", "means"]]
    path = book(tmp_path / "a.xlsx", sheets)
    got = nd.read_edges(path, ages=dict(zip(["S0", "S1", "S2"], AGES, strict=True)))
    same(got, want)
    assert "'legend'" in got.notes[0]
    bare = book(
        tmp_path / "b.xlsx", {"S0": [[None, *CELLS], *([c, *cube[0][i].tolist()] for i, c in enumerate(CELLS))]}
    )
    with pytest.raises(ParameterError, match="sources must say whether rows or columns of sheet 'S0'"):
        nd.read_edges(bare, ages=[0])
    np.testing.assert_array_equal(nd.read_edges(bare, ages=[0], sources="rows").graph(0)[0].sum(), cube[0].sum())


def test_arrays(cube: Any, want: History, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", n=cube.transpose(0, 2, 1), pre=CELLS, post=CELLS)
    same(nd.read_edges(tmp_path / "a.npz", pre="pre", post="post", sources="columns", ages=AGES), want)
    for wrong, match in (
        ({"ages": [0, 1]}, "ages must give"),
        ({"sources": None}, "sources"),
        ({"pre": "n"}, "pre must name"),
    ):
        given = {"pre": "pre", "post": "post", "sources": "columns", "ages": AGES, **wrong}
        with pytest.raises(ParameterError, match=match):
            nd.read_edges(tmp_path / "a.npz", **given)


def test_what_could_not_be_read_is_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "pre,post,age,n", "a,b,0,2", "a,b,0,1", ",b,0,1", "a,c,x,1", "a,d,0,?", "a,d,5,3")
    h = nd.read_edges(path, size="n")
    assert h.ident.tolist() == ["a>b", "a>d"] and h.sizes()[0, 0] == 3.0 and h.present()[1].all()
    notes = " | ".join(h.notes)
    assert "row 4" in notes and "row 5 ('x')" in notes and "row 6 ('?')" in notes


def test_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "source,target,t", "a,b,0")
    with pytest.raises(ParameterError, match=r"nd.read_edges\('a.csv', pre='source', post='target'"):
        nd.read_edges(path)
    two = lines(tmp_path / "b.csv", "pre,post,age", "a,b,L1", "a,b,L2")
    with pytest.raises(ParameterError, match="which are no times: say days=.'L1': 0"):
        nd.read_edges(two)
    with pytest.raises(ParameterError, match="ages must be rising"):
        nd.read_edges(two, ages=[4, 4])
