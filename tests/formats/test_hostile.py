"""Tables as they come: what cannot be read is told by row, what is not understood is refused with its call."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.formats import grid
from tests.formats.made import lines

LONG = {"id": "id", "session": "session", "size": "size"}


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"\n \n\n", "a.csv is empty"),
        ("a.csv", b"id,session,size\n", "no row beneath 'id', 'session', 'size'"),
        ("a.csv", b"\xef\xbb\xbf", "empty"),
        ("a.csv", b"PK\x03\x04\x00\x00\x00\x08", "is no text"),
        ("a.csv", b'id,session,size\na,"0,1\nb,4,2\n', "a.csv, row .* has quotes that do not fit"),
        ("a.csv", b"id,session\na,0,1,2\nb,0,1,2\n", "a.csv has no row with the 2 cells of its first"),
        ("a.csv", b"id,session,size\na,x,1\nb,y,1\n", r"sessions of a.csv are 'x', 'y'.*say days=\{'x': 0"),
        (
            "a.csv",
            b"id,session,size\n,0,1\n,4,1\n",
            "no row of a.csv could be read: 2 rows are left out, without an id",
        ),
        ("a.csv", b"id,session,size\na,0,big\nb,0,small\n", "size: column 'size' of a.csv has no number.*'big'"),
        ("a.xlsx", b"no workbook", "openpyxl|no workbook that can be read"),
        ("a.npz", b"no arrays", "no arrays that can be read"),
        ("a.npy", b"\x93NUMPY\x01\x00", "no arrays that can be read"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "old form"),
    ],
)
def test_no_table(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParameterError, match=match):
        nd.read_sessions(tmp_path / name)


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.md").write_text("x")
    for path, match in (
        (tmp_path / "none.csv", "path: there is no file .*none.csv"),
        (tmp_path / "empty", "path: no table .* in the folder .*empty"),
        (tmp_path, "path: no table"),
        (str(tmp_path / "*.csv"), "path: no file fits"),
        ([tmp_path], "path: .* is a folder, not a table"),
        ("x" * 5000, "path: .*cannot be read"),
        ("", "path must be that of a table"),
        (b"\xff\0", "path must be that of a table"),
        ([], "path must name a table or more"),
        (3.5, "path must be that of a table"),
    ):
        with pytest.raises(ParameterError, match=match):
            nd.read_sessions(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_byte_order_marks_and_old_letters(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("id,session,Größe\nä,0,1.5\nb,4,2\n".encode(encoding))
    h = nd.read_sessions(tmp_path / "a.csv", size="Größe")
    assert h.ident.tolist() == ["ä", "b"] and h.sizes()[0, 0] == 1.5
    assert bool(h.notes) == (encoding == "cp1252")


def test_quotes_blanks_and_endings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b'"id" , session ,size,"note, long"\r\n"a, 1",0, 1.5 ,"two\r\nlines"\r\n\r\n'
        b'"b ""x""",0,2,\r\n ,,,\r\n"a, 1",4,3,x\r\n'
    )
    h = nd.read_sessions(tmp_path / "a.csv", id=1)
    assert h.ident.tolist() == ["a, 1", 'b "x"'] and h.sizes()[0].tolist() == [1.5, 3.0]


def test_rows_that_cannot_be_read_are_told_by_their_number(tmp_path: Path) -> None:
    rows = [f"s{k},0,1" for k in range(20)]
    for k in (3, 5, 8, 13):
        rows[k] = f"s{k},0,about {k}"
    rows[10] = "s10,later,1"
    rows[11] = "s11,0,1,2,3"
    rows[12] = "s12,0"
    rows[14] = "s14,0,-2"
    rows[15] = "s15,0,inf"
    h = nd.read_sessions(lines(tmp_path / "a.csv", "id,session,size", *rows))
    notes = " | ".join(h.notes)
    assert "5 rows have no size, 'size' is no finite number: row 5 ('about 3'), row 7 ('about 5'), row 10" in notes
    assert "and 2 more" in notes and "row 12 ('later')" in notes and "row 16 ('-2')" in notes
    assert "1 row of a.csv is left out, with more than 3 cells: row 13" in notes
    assert len(h) == 18 and np.isfinite(h.sizes()).sum() == 11
    assert "1 row of a.csv has fewer than 3 cells: row 14" in notes


def test_decimal_commas(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id;session;size", "a;0;1,25", "b;0;2,5", "c;0;3")
    assert nd.read_sessions(path).sizes()[:, 0].tolist() == [1.25, 2.5, 3.0]
    mixed = lines(tmp_path / "b.csv", "id;session;size", "a;0;1,25", "b;0;2.5", "c;0;3")
    h = nd.read_sessions(mixed)
    assert "say decimal=" in h.notes[0] and "row 2 ('1,25')" in h.notes[0] and np.isnan(h.sizes()[0, 0])
    for mark, other in ((",", "row 3 ('2.5')"), (".", "row 2 ('1,25')")):
        assert other in nd.read_sessions(mixed, decimal=mark).notes[0]
    thousands = lines(tmp_path / "c.csv", "id;session;size", "a;0;1,250", "b;0;2,500")
    with pytest.raises(ParameterError, match="has no number"):
        nd.read_sessions(thousands)
    assert nd.read_sessions(thousands, decimal=",").sizes()[0, 0] == 1.25


def test_missing_columns_name_those_there_are(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "spine,day,volume", "a,0,1")
    with pytest.raises(
        ParameterError, match="size: no column 'volum' in a.csv; it has .*'volume'.*did you mean 'volume'"
    ):
        nd.read_sessions(path, id="spine", session="day", size="volum")
    with pytest.raises(ParameterError, match="id: no column 9"):
        nd.read_sessions(path, id=9, session="day")
    assert len(nd.read_sessions(path, id="SPINE", session="Day", size=3)) == 1


@pytest.mark.parametrize(
    "table",
    [
        ["Spine_ID,Session,Head vol", "1,0,0.5", "2,0,0.7", "1,4,0.6"],
        ["animal,dendrite,spine,day", "m1,1,1,0", "m1,2,1,0", "m2,1,1,0", "m1,1,1,4"],
        ["animal,spine,first_seen_h,last_seen_h", "f1,1,0,6", "f2,1,0,12"],
        ["cell,roi,x_um,y_um,area", "c1,1,3,4,1", "c2,1,3,4,2"],
        ["synapse\tweek_a\tw1x\tw2x\tw3x", "p\tq\t1\t2\t3", "r\tq\t0\t2\t3"],
    ],
)
def test_the_call_that_an_error_names_reads_the_table(tmp_path: Path, table: list[str]) -> None:
    path = lines(tmp_path / "a.csv", *table)
    with pytest.raises(ParameterError, match="is not understood.*it has") as e:
        nd.read_sessions(path)
    call = re.search(r"Perhaps (nd\..*\))$", str(e.value))
    assert call, str(e.value)
    said = call[1].replace("'a.csv'", "path").replace("days=[...]", "days=[1, 2, 3]")
    h: Any = eval(said, {"nd": nd, "path": path})
    assert len(h) and not any("left out" in n or "no size" in n for n in h.notes)


def test_other_tables_are_sent_to_their_reader(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nd.read_edges\('a.csv', pre='pre', post='post', age=...\, ages="):
        nd.read_sessions(lines(tmp_path / "a.csv", "pre,post,size", "a,b,1"))
    for k in (1, 2):
        lines(tmp_path / f"p{k}.csv", "x,y,area", "1,2,3")
    found = r"nd.read_sessions\(folder, size='area', position=\['x', 'y'\], within=\.\.\., days=\[\.\.\.\]\)"
    with pytest.raises(ParameterError, match=found):
        nd.read_sessions([tmp_path / "p1.csv", tmp_path / "p2.csv"], days=[0, 4])


def test_no_names_of_columns(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "1,0,0.5", "2,0,0.7", "1,4,0.6")
    with pytest.raises(ParameterError, match="it has 'column 1', 'column 2', 'column 3'"):
        nd.read_sessions(path)
    h = nd.read_sessions(path, id=1, session=2, size=3)
    assert h.ident.tolist() == [1, 2] and h.sizes()[0].tolist() == [0.5, 0.6]
    figures = lines(tmp_path / "b.csv", "0,4,8", "1,0,2", "1,1,0")
    h = nd.read_sessions(figures, header=True)
    assert h.sessions.tolist() == [0.0, 4.0, 8.0] and len(h) == 2
    assert len(nd.read_sessions(figures, header=False, session=[1, 2, 3], days=[0, 4, 8])) == 3
    twice = lines(tmp_path / "c.csv", "id,session,size,size", "a,0,1,2")
    assert nd.read_sessions(twice, size="size (2)").sizes()[0, 0] == 2.0


def test_blanks_between_cells(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.txt", "# of mouse 3", "", "  id   session  size", "1    0   0.5 ", "12   0   0.25")
    assert nd.read_sessions(path).sizes()[:, 0].tolist() == [0.5, 0.25]


def test_an_enormous_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(tmp_path / "a.csv", "id,session", "a" * 5000 + ",0")
    with monkeypatch.context() as m:
        m.setattr("neurodev.params.memory_gib", lambda: 5e-5)
        with pytest.raises(ParameterError, match="the table a.csv would take at least .* GiB"):
            nd.read_sessions(tmp_path / "a.csv")
    path = lines(tmp_path / "b.csv", "id,session", *[f"{k},{k}" for k in range(3000)])
    monkeypatch.setattr("neurodev.params.memory_gib", lambda: 0.1)
    with pytest.raises(ParameterError, match="3,000 lives in 3,000 sessions would take"):
        nd.read_sessions(path)


def test_long_files_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path / "a.csv", "id,session,size", *[f"name{k},{d},{k + 1}.5" for d in (0, 4) for k in range(999)])
    whole = nd.read_sessions(path)
    monkeypatch.setattr(grid, "_CHUNK", 7)
    parts = nd.read_sessions(path)
    np.testing.assert_array_equal(parts.sizes(), whole.sizes())
    assert parts.ident.tolist() == whole.ident.tolist() and len(parts) == 999


def test_first_and_last_that_cannot_be(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,a,b", "p,0,8", "q,8,4", "r,?,4", "s,0,5", "p,0,4", ",0,4")
    with pytest.raises(ParameterError, match="row 6 of a.csv has an id that stands above .'p'"):
        nd.read_sessions(path, id="id", first="a", last="b", days=[0, 4, 8])
    h = nd.read_sessions(path, id="id", first="a", last="b", days=[0, 4, 8], twice="first")
    notes = " | ".join(h.notes)
    assert h.ident.tolist() == ["p"] and "row 3 ('8, 4')" in notes and "row 4 ('?, 4')" in notes
    assert "row 5 ('0, 5')" in notes and "row 6" in notes and "row 7" in notes


def test_what_excel_writes_above(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "sep=;", "id;session;size", "a;0;1,5", "b;4;2,5")
    assert nd.read_sessions(path).sizes()[0, 0] == 1.5


def test_identities_of_64_bits(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,session", "1,0", f"{2**63 + 5},0")
    assert nd.read_sessions(path).ident.tolist() == [1, 2**63 + 5]


PIECES = [
    *(
        "a",
        "id",
        "session",
        "size",
        "0",
        "4",
        "1.5",
        "1,5",
        '"',
        "'",
        ",",
        ";",
        "\t",
        " ",
        "\n",
        "\n",
        "\r\n",
        "nan",
        "-1",
    ),
    *("x", "é", "#", "1e999", "True", "\ufeff", "2024-01-01", "first", "last", "day 4", "=", "()"),
]


def test_no_text_breaks_a_reader(tmp_path: Path) -> None:
    """Scraps of tables: a history, or an error of neurodev's own."""
    draw = np.random.default_rng(7)
    read = 0
    for k in range(400):
        head = "id,session,size\n" if k % 2 else ""
        (tmp_path / "a.csv").write_text(head + "".join(draw.choice(PIECES, draw.integers(1, 40))), encoding="utf-8")
        for reader, more in (
            (nd.read_sessions, {}), (nd.read_sessions, {"id": 1, "session": 2}),
            (nd.read_sessions, {"first": 1, "last": 2}),
            (nd.read_sessions, {"session": [1, 2], "days": [0, 4]}), (nd.read_edges, {"pre": 1, "post": 2, "age": 3}),
            (nd.read_counts, {"dendrite": 1, "session": 2, "total": 3}),
            (nd.read_sessions, {"position": [1, 2], "days": 0, "twice": "mean"}),
        ):  # fmt: skip
            try:
                reader(tmp_path / "a.csv", **more)
                read += 1
            except nd.NeurodevError:
                pass
    assert read > 100


def test_no_bytes_break_a_reader(tmp_path: Path) -> None:
    draw = np.random.default_rng(8)
    np.savez(tmp_path / "whole.npz", volume=np.ones((3, 4)), days=np.arange(4), name=np.array(["a", "b", "c"]))
    nd.History.of_lives([0, 1, 1], [1, 2, 3], columns={"cell": [1, 2, 3]}).export(tmp_path / "ours.npz")
    for k in range(120):
        whole = (tmp_path / ("ours.npz" if k >= 60 else "whole.npz")).read_bytes()
        cut = bytearray(whole)
        for _ in range(draw.integers(1, 30)):
            cut[draw.integers(0, len(cut))] = draw.integers(0, 256)
        for name, content in (
            ("a.npz", bytes(cut)),
            ("b.csv", draw.bytes(60)),
            ("c.txt", b"id session\n" + draw.bytes(40)),
        ):
            (tmp_path / name).write_bytes(content)
            try:
                nd.read_sessions(tmp_path / name, days="days") if k % 2 else nd.read_sessions(tmp_path / name)
            except nd.NeurodevError:
                pass


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"first": "id"}, "first and last go together"),
        ({"days": [4, 0]}, "days must be rising times"),
        ({"days": {}}, "days must give a time"),
        ({"days": {"0": "soon"}}, "days"),
        ({"position": ["x"]}, "position must name two or three"),
        ({"scale": [1, 2]}, "scale must be one number, or one for each of 3"),
        ({"within": -1}, "within must be"),
        ({"twice": "last"}, "twice must be"),
        ({"again": "maybe"}, "again must be"),
        ({"decimal": ";"}, "decimal must be"),
        ({"delimiter": ",,"}, "delimiter must be one character"),
        ({"header": 0}, "header must be"),
        ({"header": 9}, "header: a.csv has no row 9"),
        ({"id": []}, "id must name one column or more"),
        ({"id": True}, "id must be the name"),
        ({"looked": [1, 2]}, "looked must be"),
        ({"looked": "rows"}, "looked='rows' is told by dendrite"),
        ({"looked": {"d9": [0]}, "dendrite": "id"}, "looked: there is no dendrite 'd9'"),
        ({"looked": "size"}, "looked: column 'size' of a.csv holds no flags"),
        ({"fill": "none"}, "fill: no column 'none'"),
        ({"unit": 3}, "unit must be a text"),
        ({"na": 3}, "na must be a word"),
        ({"unknown": 3}, "unknown"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, given: dict[str, Any], match: str) -> None:
    path = lines(tmp_path / "a.csv", "id,session,size", "a,0,1.5", "a,4,2.5")
    with pytest.raises((ParameterError, TypeError), match=match):
        nd.read_sessions(path, **given)


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is not None, reason="openpyxl is installed")
def test_without_openpyxl_the_pip_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(ParameterError, match=r"pip install 'neurodev\[imaging\]'"):
        nd.read_sessions(tmp_path / "a.xlsx")


@pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")
def test_sheets_that_are_not_there(tmp_path: Path) -> None:
    from tests.formats.made import book

    path = book(tmp_path / "a.xlsx", {"one": [["id", "session"], ["a", 0]], "empty": []})
    assert len(nd.read_sessions(path)) == 1
    for sheet, match in (
        ("On", "sheet: a.xlsx has no sheet 'On'; it has 'one', 'empty'"),
        (7, "no sheet 7"),
        ("empty", "empty"),
    ):
        with pytest.raises(ParameterError, match=match):
            nd.read_sessions(path, sheet=sheet)
