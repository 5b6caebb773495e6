"""Imaging tables of every shape: written of a history that is known, read, and found to say the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from tests.formats.made import DAYS, book, known, lines, rows_of, same, write

NAN = np.nan
books = pytest.mark.skipif(importlib.util.find_spec("openpyxl") is None, reason="openpyxl is not installed")
NAMES = ["Cell", "Dend", "Spine #"]


@pytest.fixture(scope="module")
def h() -> History:
    return known()


def test_it_is_known(h: History) -> None:
    born, died = h.column("born_at"), h.column("died_at")
    assert np.all((h.born[:, 0] <= born) & (born <= h.born[:, 1]))
    assert np.all((h.died[:, 0] <= died) & (died <= h.died[:, 1]))
    assert 20 < np.isfinite(h.birth).sum() and 40 < np.isfinite(h.death).sum()


def test_a_history_is_called_after_its_file(h: History, tmp_path: Path) -> None:
    """Or its folder, or pattern, unless a title is given; a frame has no name."""
    words: dict[str, Any] = {"id": NAMES, "session": "Day", "size": "Vol (um3)"}
    path = write(tmp_path / "mouse 3.csv", rows_of(h))
    assert nd.read_sessions(path, **words).title == "mouse 3" == nd.read_sessions(str(path), **words).title
    assert nd.read_sessions(tmp_path / "mouse*.csv", **words).title == "mouse"
    assert nd.read_sessions(tmp_path, **words).title == tmp_path.name
    assert nd.read_sessions(path, title="", **words).title == "" == nd.read_sessions([path], **words).title
    nd.read_sessions(path, title="", **words).export(tmp_path / "kept.npz")
    assert nd.read_sessions(tmp_path / "kept.npz").title == "kept"
    nd.read_sessions(path, **words).export(tmp_path / "other.npz")
    assert nd.read_sessions(tmp_path / "other.npz").title == "mouse 3"
    edges = tmp_path / "worm.csv"
    edges.write_text("pre,post,age\na,b,0\na,b,1\n")
    assert nd.read_edges(edges).title == "worm"
    counts = tmp_path / "counts.csv"
    counts.write_text("dendrite,session,total\na,0,3\na,1,4\n")
    assert nd.read_counts(counts).title == "counts"


# ---------------------------------------------------------------------- five shapes


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_long(h: History, tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path / "a.csv", rows_of(h), delimiter)
    got = nd.read_sessions(path, id=NAMES, session="Day", size="Vol (um3)", dendrite="Dend", cell="Cell")
    same(h, got)
    names = np.char.add(np.char.add(h.column("cell"), "/"), np.char.add(h.column("dendrite"), "/"))
    want = dict(zip(np.char.add(names, np.char.lstrip(h.ident, "s")).tolist(), h.birth.tolist(), strict=True))
    found = dict(zip(got.ident.tolist(), got.birth.tolist(), strict=True))
    assert found == pytest.approx(want, nan_ok=True)
    assert sorted(got.column("dendrite").tolist()) == sorted(h.column("dendrite").tolist())
    assert not got.notes and got.unit == "day" and got.size_unit == "Vol (um3)"


def test_first_and_last(h: History, tmp_path: Path) -> None:
    here = h.present()
    first, last = DAYS[here.argmax(axis=1)], DAYS[DAYS.size - 1 - here[:, ::-1].argmax(axis=1)]
    rows = [{"n": i, "from": f"{a:g}", "to": f"{b:g}"} for i, a, b in zip(h.ident, first, last, strict=True)]
    got = nd.read_sessions(write(tmp_path / "a.tsv", rows, "\t"), id="n", first="from", last="to", days=DAYS)
    same(h, got, sizes=False)
    assert got.ident.tolist() == h.ident.tolist() and np.isnan(got.sizes()).all()


def wide(h: History) -> list[dict[str, Any]]:
    size = h.sizes()
    cells = [["" if np.isnan(x) else repr(float(x)) for x in row] for row in size]
    days = [f"day {d:g}" for d in DAYS]
    return [{"spine": i, **dict(zip(days, row, strict=True))} for i, row in zip(h.ident, cells, strict=True)]


def test_wide_text(h: History, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", wide(h))
    for got in (
        nd.read_sessions(path, id="spine"),  # columns that are called after days
        nd.read_sessions(path, id="spine", session=[f"day {d:g}" for d in DAYS[::-1]]),
        nd.read_sessions(path, id=1, session=list(range(2, 10)), days=DAYS),
    ):
        same(h, got)
        np.testing.assert_array_equal(got.sizes(), h.sizes())
        assert got.ident.tolist() == h.ident.tolist()


@books
def test_wide_workbook(h: History, tmp_path: Path) -> None:
    rows = [[i, *(None if np.isnan(x) else float(x) for x in r)] for i, r in zip(h.ident, h.sizes(), strict=True)]
    head = ["spine", *DAYS.tolist()]
    path = book(tmp_path / "a.xlsx", {"notes": [["nothing"]], "sizes": [["A title"], [], head, *rows]})
    got = nd.read_sessions(path, sheet="sizes", header=3, id="spine")
    np.testing.assert_allclose(got.sizes(), h.sizes(), rtol=1e-14)  # a workbook holds 16 digits
    same(h, got, sizes=False)
    same(got, nd.read_sessions(path, sheet=2, header=3, id="spine"))


@books
def test_a_sheet_for_each_session(h: History, tmp_path: Path) -> None:
    of_day = {f"day {d:g}": [["spine", "volume"]] for d in DAYS}
    for k, row, size in zip(h.seen.session, h.seen.row, h.seen.size, strict=True):
        of_day[f"day {DAYS[k]:g}"].append([h.ident[row], float(size)])
    path = book(tmp_path / "a.xlsx", {"notes": [["nothing"]], **of_day})
    got = nd.read_sessions(path, sheet="day *", id="spine", size="volume")
    same(h.select(np.argsort(h.ident)), got.select(np.argsort(got.ident)), sizes=False)
    assert got.sessions.tolist() == DAYS.tolist()
    some = nd.read_sessions(path, sheet=["day 8", 3], id="spine", size="volume", days={"day 8": 8, "3": 4})
    assert some.sessions.tolist() == [4.0, 8.0] and len(some) < len(got)
    with pytest.raises(ParameterError, match="no sheet of a.xlsx fits 'week .*'; it has 'notes', 'day 0'"):
        nd.read_sessions(path, sheet="week *", id="spine")
    with pytest.raises(ParameterError, match="only one workbook"):
        nd.read_sessions([path, path], sheet=["day 0", "day 4"], id="spine")
    with pytest.raises(ParameterError, match="sheet must name a sheet or more"):
        nd.read_sessions(path, sheet=[], id="spine")


def test_wide_arrays(h: History, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz", volume=h.sizes(), who=h.ident, days=DAYS, dendrite=h.column("dendrite"), other=[1, 2, 3]
    )
    got = nd.read_sessions(tmp_path / "a.npz", id="who", days="days")
    same(h, got)
    assert got.ident.tolist() == h.ident.tolist() and "'other'" in got.notes[0]
    np.testing.assert_array_equal(got.column("dendrite"), h.column("dendrite"))
    np.save(tmp_path / "b.npy", h.present())
    same(h, nd.read_sessions(tmp_path / "b.npy", days=DAYS), sizes=False)


def per_session(h: History, folder: Path, where: Any = None, seed: int = 2) -> Path:
    """A file for each session, its rows in no order; with places, without identities if there are any."""
    folder.mkdir()
    draw = np.random.default_rng(seed)
    size = h.sizes()
    for k, day in enumerate(DAYS):
        rows = []
        for i in draw.permutation(np.flatnonzero(h.present()[:, k])):
            row = {"vol": repr(float(size[i, k])), "true": h.ident[i]}
            if where is not None:
                x, y = where(i, k)
                row |= {"X": repr(float(x)), "Y": repr(float(y))}
            rows.append(row)
        write(folder / f"mouse3_day{day:g}.csv", rows)
    return folder


def test_a_file_a_session(h: History, tmp_path: Path) -> None:
    folder = per_session(h, tmp_path / "a")
    for path in (folder, str(folder / "*day*.csv"), {p: float(p.stem.split("day")[1]) for p in folder.iterdir()}):
        got = nd.read_sessions(path, id="true", size="vol")
        same(h, got)
        assert sorted(got.ident.tolist()) == sorted(h.ident.tolist())
    shifted = nd.read_sessions(folder, id="true", size="vol", days=DAYS + 3.0)
    assert shifted.sessions.tolist() == (DAYS + 3.0).tolist()


def test_positions_that_move_less_than_half_the_nearest_distance(h: History, tmp_path: Path) -> None:
    """From one picture to the next, that is: about its place each is scattered by less than a quarter."""
    draw = np.random.default_rng(8)
    grid = np.array([(x, y) for x in range(20) for y in range(20)], dtype=float)
    place = 2.0 * draw.permutation(grid)[: len(h)] + 5.0  # nearest distance 2

    def where(i: int, k: int) -> Any:
        angle, far = draw.uniform(0, 2 * np.pi), 0.4999 * np.sqrt(draw.random())
        return place[i] + far * np.array([np.cos(angle), np.sin(angle)])

    folder = per_session(h, tmp_path / "a", where)
    got = nd.read_sessions(folder, position=["X", "Y"], size="vol", within=1.0)
    same(h, got)
    assert len(set(got.column("true").tolist())) == len(h)  # one true identity each
    size = dict(zip(h.ident.tolist(), h.sizes().tolist(), strict=True))
    np.testing.assert_array_equal(got.sizes(), [size[t] for t in got.column("true").tolist()])
    assert not got.column("ambiguous").any() and {"x", "y"} <= set(got.columns)
    micrometres = nd.read_sessions(folder, position=["X", "Y"], size="vol", within=0.1, scale=0.1)
    np.testing.assert_array_equal(micrometres.sizes(), got.sizes())


def test_what_is_not_seen_once_is_found_again(tmp_path: Path) -> None:
    for day, rows in ((0, ["1,1", "9,9"]), (4, ["9.2,9"]), (8, ["1.1,1.1", "9,9.1"])):
        lines(tmp_path / f"d{day}.csv", "x,y", *rows)
    got = nd.read_sessions(tmp_path, position=["x", "y"], within=0.5)
    assert len(got) == 2 and got.present().tolist() == [[True, False, True], [True, True, True]]
    assert len(nd.read_sessions(tmp_path, position=["x", "y"], within=0.5, again="new")) == 3


def test_ambiguous_matches_are_told(tmp_path: Path) -> None:
    for day, rows in ((0, ["0,0", "1,0"]), (4, ["0.45,0", "1.5,0"])):
        lines(tmp_path / f"d{day}.csv", "x,y", *rows)
    got = nd.read_sessions(tmp_path, position=["x", "y"], within=0.9)
    (note,) = [n for n in got.notes if "could as well" in n]
    assert "d4.csv" in note and "row 2" in note and got.column("ambiguous").sum() >= 1


def test_a_match_is_on_one_dendrite(tmp_path: Path) -> None:
    lines(tmp_path / "d0.csv", "x,y,on", "0,0,a", "0,0.2,b")
    lines(tmp_path / "d4.csv", "x,y,on", "0,0,b", "0,0.2,a")
    together = nd.read_sessions(tmp_path, position=["x", "y"], within=1.0)
    apart = nd.read_sessions(tmp_path, position=["x", "y"], within=1.0, dendrite="on")
    assert len(apart) == len(together) == 2 and "on" in apart.columns and "on" not in together.columns


# ---------------------------------------------------------------------- our own tables


def test_what_to_sessions_wrote(h: History, tmp_path: Path) -> None:
    h.to_sessions().to_csv(tmp_path / "a.csv", index=False)
    for got in (nd.read_sessions(tmp_path / "a.csv"), nd.read_sessions(h.to_sessions())):
        same(h, got)
        order = np.argsort(got.ident)
        want = np.argsort(h.ident)
        np.testing.assert_array_equal(got.ident[order], h.ident[want])
        np.testing.assert_allclose(got.column("born_at")[order], h.column("born_at")[want], rtol=1e-12)
        assert set(got.columns) == set(h.columns)


def test_what_was_not_looked_at_goes_to_and_fro() -> None:
    looked = np.ones((3, 4), bool)
    looked[0, 2:] = looked[1, 0] = looked[2, 1] = False
    seen = np.where(looked, [[2.0] * 4, [0.0, 3.0, NAN, NAN], [1.0] * 4], NAN)
    h = History.of_sessions(seen, [0, 4, 8, 12], looked=looked)
    got = nd.read_sessions(h.to_sessions())
    assert got.ident.tolist() == [0, 2, 1]  # as they appear
    h = History.of_sessions(seen[[0, 2, 1]], [0, 4, 8, 12], looked=looked[[0, 2, 1]])
    np.testing.assert_array_equal(got.looked, h.looked)
    np.testing.assert_array_equal(got.born, h.born)
    np.testing.assert_array_equal(got.died, h.died)
    assert "looked" not in known(20).to_sessions()


def test_what_to_pandas_wrote(h: History, tmp_path: Path) -> None:
    h.to_pandas().to_csv(tmp_path / "a.csv", index=False)
    got = nd.read_sessions(tmp_path / "a.csv")
    np.testing.assert_array_equal(got.born, h.born)
    np.testing.assert_array_equal(got.died, h.died)
    assert got.end == h.end and got.ident.tolist() == h.ident.tolist()


def test_units_that_are_columns_of_ours(h: History, tmp_path: Path) -> None:
    h.to_sessions().assign(unit="hour", size_unit="V/V0").to_csv(tmp_path / "a.csv", index=False)
    got = nd.read_sessions(tmp_path / "a.csv")
    assert (got.unit, got.size_unit) == ("hour", "V/V0") and set(got.columns) == set(h.columns)
    assert nd.read_sessions(tmp_path / "a.csv", unit="week").unit == "week"
    h.to_pandas().assign(unit="hour", end=40.0).to_csv(tmp_path / "b.csv", index=False)
    got = nd.read_sessions(tmp_path / "b.csv")
    assert (got.unit, got.end) == ("hour", 40.0) and set(got.columns) == set(h.columns)


def test_present_without_a_size() -> None:
    h = History.of_sessions([[True, True, False], [False, True, True]], [0, 1, 2], ident=[7, 9])
    got = nd.read_sessions(h.to_sessions())
    assert got.ident.tolist() == [7, 9] and np.isnan(got.sizes()).all()
    np.testing.assert_array_equal(got.present(), h.present())


# ---------------------------------------------------------------------- what cells may say


def test_sessions_by_words_columns_dates_and_order(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv", "id,session,when,on", "a,S1,0,2024-03-01", "b,S1,0,2024-03-01", "a,S2,4.5,2024-03-05"
    )
    for given in ({"days": {"S1": 0, "S2": 4.5}}, {"days": "when"}, {"days": [0, 4.5]}, {"session": "when"}):
        assert nd.read_sessions(path, **given).sessions.tolist() == [0.0, 4.5]
    got = nd.read_sessions(path, session="on")
    assert got.sessions.tolist() == [0.0, 4.0] and any("days since 2024-03-01" in n for n in got.notes)
    assert nd.read_sessions(path, days={"S1": 0, "S2": 4, "S3": 8}).notes[0].endswith("day 8: taken as not looked at")


def test_not_looked_at_is_not_absent(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv", "id,session,dend,ok", "a,0,p,1", "a,4,p,yes", "a,8,p,True", "b,0,q,1", "b,4,q,0", "b,8,q,1"
    )
    got = nd.read_sessions(path, looked="ok", again="new")
    assert len(got) == 2 and got.looked is not None and got.looked.tolist() == [[True] * 3, [True, False, True]]
    assert any("nobody looked" in n and "row 6" in n for n in got.notes)
    assert len(nd.read_sessions(path, present="ok", again="new")) == 3
    gap = lines(tmp_path / "b.csv", "id,session,dend", "a,0,p", "a,4,p", "a,8,p", "b,0,q", "b,8,q")
    assert "dendrite q in session 4" in nd.read_sessions(gap, dendrite="dend").notes[0]
    assert len(nd.read_sessions(gap, dendrite="dend", again="new")) == 3
    for looked in ("rows", {"q": [0, 8]}):
        assert len(nd.read_sessions(gap, dendrite="dend", again="new", looked=looked)) == 2


def test_sessions_of_a_dendrite_that_are_listed(tmp_path: Path) -> None:
    long = lines(tmp_path / "a.csv", "id,session,dend", "a,0,p", "a,4,p", "b,0,q", "b,8,q")
    with pytest.raises(ParameterError, match="looked: dendrite 'q' has rows in session 8, which it does not list"):
        nd.read_sessions(long, dendrite="dend", looked={"q": [0, 4]})
    wide = lines(tmp_path / "b.csv", "id,dend,d0,d4,d8", "a,p,1,1,1", "b,q,1,,2", "c,q,1,3,2")
    got = nd.read_sessions(wide, id="id", dendrite="dend", looked={"q": [0, 8]}, again="new")
    assert len(got) == 3 and got.looked is not None and got.looked.tolist() == [[True] * 3] + [[True, False, True]] * 2
    assert got.notes == ("1 cell holds a size where nobody looked: not read: row 4",)


def test_cells_of_wide_tables(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,d0,d4,d8", "a,○,ー,○", "b,yes,ni,no", "c,?,1,1")
    got = nd.read_sessions(path, id="id", not_looked="ni")
    assert got.present().tolist() == [[True, False, True], [True, False, False], [False, True, True]]
    assert got.looked is not None and got.looked.tolist() == [[True] * 3, [True, False, True], [False, True, True]]
    assert got.notes[0].startswith("1 cell is neither") and "row 4 ('d0: ?')" in got.notes[0]
    assert np.isnan(got.sizes()).all()
    table = np.array([[1.0, NAN, 2.0], [3.0, 0.0, 1.0]])
    np.savez(tmp_path / "b.npz", v=table, ok=np.array([[1, 0, 1], [1, 1, 1]], bool))
    for more in ({"looked": "ok"}, {"looked": [[True, False, True], [True] * 3]}, {"not_looked": "nan"}):
        got = nd.read_sessions(tmp_path / "b.npz", size="v", days=[0, 4, 8], again="new", **more)
        assert len(got) == 3 and got.looked is not None and not got.looked[0, 1]


def test_twice_in_a_session(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,session,size,dend", "a,0,1,p", "a,0,3,q", "b,0,2,p", "b,0,2,p", "a,4,1,p")
    with pytest.raises(ParameterError, match="rows 2 and 3 of a.csv have one id in session 0.*'dend'"):
        nd.read_sessions(path)
    assert len(nd.read_sessions(path, id=["dend", "id"])) == 3
    for word, size in (("first", 1.0), ("mean", 2.0), ("largest", 3.0)):
        got = nd.read_sessions(path, twice=word)
        assert got.sizes()[0].tolist() == [size, 1.0]
        assert "repeats an earlier row and is left out: row 5" in got.notes[0] and "row 3" in got.notes[1]


def test_merged_cells_are_filled(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "cell,spine,session", "c1,1,0", ",2,0", "c2,1,0", ",1,4")
    got = nd.read_sessions(path, id=["cell", "spine"], fill="cell")
    assert got.ident.tolist() == ["c1/1", "c1/2", "c2/1"]
    assert "2 rows are left out, without an id" in nd.read_sessions(path, id=["cell", "spine"]).notes[0]


def test_columns_that_change_are_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,session,sex,angle", "a,0,f,1.5", "a,4,f,2.5", "b,4,m,1")
    got = nd.read_sessions(path)
    assert got.column("sex").tolist() == ["f", "m"] and "angle" not in got.columns
    assert got.notes == ("columns that change from session to session are not kept: 'angle'",)


def test_one_session_alone(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "roi,size,x_um,y_um", "1,2.5,0,0", "2,3,1,1")
    got = nd.read_sessions(path, id="roi", size="size", position=["x_um", "y_um"], days=0)
    assert len(got) == 2 and got.sessions.tolist() == [0.0] and got.column("y").tolist() == [0.0, 1.0]


def test_parts_of_a_table_in_several_files(tmp_path: Path) -> None:
    lines(tmp_path / "m1.csv", "id,session,size", "1,0,1", "1,4,1")
    lines(tmp_path / "m2.csv", "id,session,size", "1,0,2")
    (tmp_path / "readme.md").write_text("of no matter")
    got = nd.read_sessions(tmp_path, id=["file", "id"], session="session", size="size")
    assert got.ident.tolist() == ["m1.csv/1", "m2.csv/1"] and any("readme.md" in n for n in got.notes)


def test_parquet(h: History, tmp_path: Path) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        with pytest.raises(ParameterError, match="pyarrow"):
            nd.read_sessions(tmp_path / "a.parquet")
    else:
        h.to_sessions().to_parquet(tmp_path / "a.parquet")
        same(h, nd.read_sessions(tmp_path / "a.parquet"))


def test_a_session_in_which_nothing_was_seen(tmp_path: Path) -> None:
    """A table of names alone is a session with nothing there; one whose rows cannot be read is none."""
    lines(tmp_path / "d0.csv", "id,x,y", "a,0,0")
    lines(tmp_path / "d4.csv", "id,x,y")
    lines(tmp_path / "d8.csv", "id,x,y", "a,0,0")
    for how in ({"id": "id"}, {"position": ["x", "y"], "within": 1.0}):
        assert nd.read_sessions(tmp_path, **how).present().tolist() == [[True, False, True]]
    lines(tmp_path / "d4.csv", "id,x,y", ",?,?")
    for how in ({"id": "id"}, {"position": ["x", "y"], "within": 1.0}):
        got = nd.read_sessions(tmp_path, **how)
        assert got.sessions.tolist() == [0.0, 8.0] and any(
            "could be read: taken as not looked at" in n for n in got.notes
        )


def test_an_empty_column_is_a_session_that_did_not_look(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,d0,d4,d8,d12", "a,1,,2,0", "b,1,,1,0")
    got = nd.read_sessions(path, again="new")
    assert got.looked is not None and got.looked.tolist() == [[True, False, True, True]] * 2
    assert len(got) == 2 and got.died.tolist() == [[8.0, 12.0]] * 2 and "column 'd4' of a.csv is empty" in got.notes[0]


def test_a_session_of_which_no_row_could_be_read_is_no_absence(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,session", "a,0", ",4", "a,8")
    got = nd.read_sessions(path, again="new")
    assert len(got) == 1 and got.sessions.tolist() == [0.0, 8.0] and "day 4 could be read" in got.notes[-1]


def test_names_that_look_like_numbers_stay_apart(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "id,session,dend,angle", "1.1,0,2.1,0.50", "1.10,0,2.10,1.50", "1.10,4,2.10,1.50")
    got = nd.read_sessions(path, dendrite="dend")
    assert got.ident.tolist() == ["1.1", "1.10"] and got.column("dendrite").tolist() == ["2.1", "2.10"]
    assert got.column("dend").tolist() == ["2.1", "2.10"] and got.column("angle").tolist() == [0.5, 1.5]


def test_tables_with_columns_of_their_own(tmp_path: Path) -> None:
    lines(tmp_path / "d0.csv", "id,size,who", "a,1,me")
    lines(tmp_path / "d4.csv", "size,id", "2,a")
    got = nd.read_sessions(tmp_path, size="size")
    assert got.sizes().tolist() == [[1.0, 2.0]] and "not all of 2 tables have are not read: 'who'" in got.notes[0]
    one, two = History.of_sessions([[1.0, 2.0]], [0, 4]), History.of_sessions([[3.0, 4.0]], [0, 4])
    both = nd.read_sessions([one.to_sessions(), two.to_sessions()], twice="first")
    assert len(both) == 1 and "first taken" in both.notes[0]


def test_a_run_as_a_table(tmp_path: Path) -> None:
    """What imaging would have seen of a run, out and in; and its own births and deaths."""
    net = nd.Network(seed=4)
    source, cells = net.add(nd.Poisson(5.0), 20, name="source"), net.add(nd.LIF(), 6, name="cells")
    q = net.connect(source, cells, nd.Degree(8), spines=nd.Spines(weight=1.0), name="q")
    q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0))
    run = nd.simulate(net, 12 * nd.units.day, acceleration=7200.0, to=tmp_path / "a.sqlite", progress=False)
    whole = run.history()
    imaged = whole.image(whole.sessions)
    for h, table in ((imaged, imaged.to_sessions()), (whole, whole.to_pandas())):
        table.to_csv(tmp_path / "a.csv", index=False)
        got = nd.read_sessions(tmp_path / "a.csv")
        assert sorted(got.ident.tolist()) == sorted(h.ident.tolist()) and not got.notes
        for kind in ("newborn", "standing"):
            np.testing.assert_allclose(got.survival(kind).value, h.survival(kind).value, rtol=1e-12)
        assert got.deaths_by_cause() == h.deaths_by_cause()
    np.testing.assert_array_equal(got.born, whole.born)
