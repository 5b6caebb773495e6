"""CSV and Parquet, read back by pandas and by pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from neurodev.formats.delimited import CSV
from neurodev.formats.frames import Table, history_of
from neurodev.formats.parquet import Parquet
from tests.formats.conftest import same


def test_lives_of_a_run_by_pandas(run: Any, tmp_path: Path) -> None:
    import pandas as pd

    h = run.history()
    path = run.export(tmp_path / "spines.csv")
    frame = pd.read_csv(path, keep_default_na=False, na_values={"birth": "", "death": ""})
    np.testing.assert_array_equal(frame["id"], h.ident)
    np.testing.assert_array_equal(frame["birth"], h.birth)
    np.testing.assert_array_equal(frame[["died_after", "died_by"]].to_numpy(), h.died)
    assert frame["cause"].tolist() == h.column("cause").tolist() and set(frame["unit"]) == {"day"}
    again = CSV().read(path)
    same(h, again)
    assert (again.end, again.unit) == (h.end, h.unit)


def test_sightings_by_pandas_have_the_same_survival(run: Any, tmp_path: Path) -> None:
    import pandas as pd

    h = run.history()
    imaged = h.image(np.arange(0.0, 8.5, 0.5))
    frame = pd.read_csv(imaged.export(tmp_path / "sizes.csv", table="sessions"))
    wide = frame.pivot(index="id", columns="session", values="size")
    again = History.of_sessions(wide.to_numpy(), wide.columns.to_numpy())
    for kind in ("newborn", "standing"):
        a, b = imaged.survival(kind), again.survival(kind)
        np.testing.assert_array_equal(a.time, b.time)
        np.testing.assert_array_equal(a.value, b.value)
    # our own reader says the same of the run's pictures
    back = CSV().read(run.export(tmp_path / "pictures.csv", table="sessions"))
    seen = h.select(h.present().any(axis=1))
    order, mine = np.argsort(back.ident), np.argsort(seen.ident)
    np.testing.assert_array_equal(back.sizes()[order], seen.sizes()[mine])
    assert back.size_unit == h.size_unit


@pytest.mark.parametrize("end", ["csv", "parquet"])
def test_read_sessions_reads_what_went_out(end: str, run: Any, tmp_path: Path) -> None:
    if end == "parquet":
        pytest.importorskip("pyarrow")
    h = run.history()
    imaged = h.image(np.arange(0.0, 8.5, 0.5))
    blind = h.image(np.arange(0.0, 8.5, 0.5), looked=np.arange(17) % 5 != 3)
    for k, (one, table) in enumerate(((h, "lives"), (imaged, "sessions"), (blind, "sessions"))):
        path = one.export(tmp_path / f"{k}.{end}", table=table)
        again, ours = nd.read_sessions(path), (CSV if end == "csv" else Parquet)().read(path)
        same(again, ours, columns=False)
        assert again.unit == ours.unit == "day"
        for kind in ("newborn", "standing"):
            for back in (again, ours):
                a, b = one.survival(kind), back.survival(kind)
                np.testing.assert_array_equal(a.time, b.time)
                np.testing.assert_array_equal(a.value, b.value)
        assert (ours.looked is None) == (again.looked is None) == (one is not blind)


def test_log_pictures_and_series_by_pandas(run: Any, tmp_path: Path) -> None:
    import pandas as pd

    log = pd.read_csv(run.export(tmp_path / "log.csv", table="log"))
    want = run.log.to_pandas()
    assert len(log) == len(run.log) > 0
    for name in want:
        np.testing.assert_array_equal(log[name].astype(want[name].dtype), want[name], err_msg=name)
    shots = pd.read_csv(run.export(tmp_path / "snapshots.csv", table="snapshots", projection="q"))
    one = shots[shots["day"] == 3.0]
    np.testing.assert_allclose(one["weight_mV"], run.snapshot("q", 3.0)["weight"])
    assert set(shots["day"]) == set(run.snapshot_days)
    series = pd.read_csv(run.export(tmp_path / "series.csv", table="series"))
    np.testing.assert_array_equal(series["life_day"], run.series("life"))
    np.testing.assert_array_equal(series["n_synapse/q"], run.series("n_synapse/q"))
    assert isinstance(CSV().read(tmp_path / "log.csv"), pd.DataFrame)


def test_strange_words_come_back_as_they_were(strange: History, tmp_path: Path) -> None:
    again = CSV().read(strange.export(tmp_path / "a.csv"))
    same(strange, again)
    assert again.unit == "hour" and np.signbit(again.column("place")).sum() == 1
    again = CSV().read(strange.export(tmp_path / "b.csv", table="sessions"))
    same(strange, again)
    np.testing.assert_array_equal(again.sizes()[np.argsort(again.ident)], strange.sizes()[np.argsort(strange.ident)])


def test_places_that_nobody_looked_at(strange: History) -> None:
    """A row says so: ``looked`` is False, and there is no size."""
    import pandas as pd

    frame = pd.DataFrame({
        "id": ["a", "b", "b", "a", "b"], "session": [0.0, 0.0, 4.0, 4.0, 8.0], "size": [1.0, 2.0, 2.5, np.nan, 3.0],
        "looked": [True, True, True, False, True], "cell": ["x", "y", "y", "x", "y"],
    })  # fmt: skip
    h = history_of(Table(frame, {"table": "sessions", "unit": "hour"}))
    want = History.of_sessions(
        [[1.0, np.nan, np.nan], [2.0, 2.5, 3.0]], [0.0, 4.0, 8.0], ident=["a", "b"], unit="hour",
        looked=np.array([[True, False, True], [True] * 3]), columns={"cell": ["x", "y"]},
    )  # fmt: skip
    same(h, want)
    assert h.died[0].tolist() == [0.0, 8.0] and h.unit == "hour"
    np.testing.assert_array_equal(h.looked, want.looked)
    np.testing.assert_array_equal(h.sizes(), want.sizes())


def test_series_with_gaps_are_told_of(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = type(run).series
    monkeypatch.setattr(type(run), "series", lambda self, name: whole(self, name)[name == "refused/q" :])
    with pytest.warns(UserWarning, match="series not taken at every tick are left out: refused/q; run.series has them"):
        run.export(tmp_path / "a.csv", table="series")
    assert "refused/q" not in (tmp_path / "a.csv").read_text() and "births/q" in (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("table", ["lives", "sessions"])
def test_nobody_at_all(table: str, tmp_path: Path) -> None:
    nobody = History(np.zeros((0, 2)), np.zeros((0, 2)), 3.0)
    assert len(CSV().read(nobody.export(tmp_path / "a.csv", table=table))) == 0


def test_what_csv_has_no_words_for_is_refused_by_name(strange: History, tmp_path: Path) -> None:
    deep = History(strange.born, strange.died, 20.0, columns={"xyz": np.zeros((4, 3)), "unit": np.zeros(4)})
    with pytest.raises(ParameterError, match="CSV cannot say 'unit': it has words for columns beside birth"):
        deep.export(tmp_path / "a.csv")
    deep.columns.pop("unit")
    with pytest.raises(ParameterError, match="CSV cannot say 'xyz'"):
        deep.export(tmp_path / "a.csv")
    empty = History.of_sessions([[1.0, np.nan]], [0, 4])
    with pytest.raises(ParameterError, match="cannot say 'session 4': it has words for sessions in which somebody was"):
        empty.export(tmp_path / "a.csv", table="sessions")
    with pytest.raises(ParameterError, match="table='log' is of a run"):
        strange.export(tmp_path / "a.csv", table="log")
    with pytest.raises(ParameterError, match="table must be 'lives'.*did you mean 'sessions'"):
        strange.export(tmp_path / "a.csv", table="session")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="cannot be read"):
        CSV().read(tmp_path / "a.csv")


def test_lives_by_pyarrow(run: Any, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    h = run.history()
    path = run.export(tmp_path / "spines.parquet")
    found = pq.read_table(path)
    assert "dictionary" in str(found.schema.field("cause").type) and str(found.schema.field("id").type) == "uint64"
    np.testing.assert_array_equal(found["born_by"].to_numpy(), h.born[:, 1])
    assert found["cause"].to_pylist() == h.column("cause").tolist()
    about = json.loads(found.schema.metadata[b"neurodev"])
    assert (about["unit"], about["end"], about["table"]) == ("day", 8.0, "lives")
    again = Parquet().read(path)
    same(h, again)
    assert (again.end, again.title, again.causes["fluctuation"]) == (h.end, h.title, h.causes["fluctuation"])


def test_every_table_by_pandas_from_parquet(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    for table in ("log", "snapshots", "series"):
        a = Parquet().read(run.export(tmp_path / f"{table}.parquet", table=table))
        b = pd.read_csv(run.export(tmp_path / f"{table}.csv", table=table))
        assert list(a.columns) == list(b.columns) and len(a) == len(b) > 0
        for name in a:
            words = a[name].dtype == "category"
            mine, theirs = (a[name].astype(str), b[name].astype(str)) if words else (a[name], b[name])
            np.testing.assert_array_equal(mine, theirs if words else theirs.astype(mine.dtype), err_msg=name)


def test_strange_words_by_parquet(strange: History, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for table in ("lives", "sessions"):
        again = Parquet().read(strange.export(tmp_path / f"{table}.parquet", table=table))
        same(strange, again)
        assert (again.unit, again.size_unit, again.title, again.notes) == ("hour", "um3", "strange", ("one", "two"))
        assert again.causes["odd"].sentence == "oddly"
    empty = History.of_sessions([[1.0, np.nan, np.nan]], [0, 4, 8])
    assert Parquet().read(empty.export(tmp_path / "e.parquet", table="sessions")).sessions.tolist() == [0, 4, 8]
    with pytest.raises(ParameterError, match="Parquet cannot say 'mixed'"):
        History([[0, 1]] * 2, [[1, 2]] * 2, 3.0, columns={"mixed": np.array([1, "a"], object)}).export(
            tmp_path / "m.parquet"
        )
    assert not (tmp_path / "m.parquet").exists()
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    with pytest.raises(ParameterError, match="cannot be read as Parquet"):
        Parquet().read(tmp_path / "no.parquet")


def test_units_of_a_training_are_its_own(tmp_path: Path) -> None:
    from tests.learn.small import trained

    t = trained(epochs=2, to=tmp_path / "t.sqlite", methods=[nd.methods.SET(0.5)])
    t.fit()
    run = t.close()
    again = CSV().read(run.export(tmp_path / "a.csv"))
    assert again.unit == "epoch" and len(again) == len(run.history())
    assert "weight" in CSV().read(run.export(tmp_path / "b.csv", table="snapshots"))
