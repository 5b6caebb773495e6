"""Histories: of tables, of edge lists, of runs; and what imaging makes of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from neurodev.metrics import turnover
from neurodev.runs.joining import joined
from tests.places import data_folder

MELANDER = data_folder("synapse_dynamics_melander2021")
NAKAJO = data_folder("synapse_lifetimes_nakajo2025")
WITVLIET = data_folder("celegans_development_witvliet2021")
NAN = np.nan


def exact(n: int = 4000, seed: int = 3, end: float = 40.0) -> History:
    """A stationary population with births at a constant rate and two classes of lives, known exactly."""
    draw = np.random.default_rng(seed)
    born = draw.uniform(-200.0, end, n)
    life = np.where(draw.random(n) < 0.4, draw.exponential(60.0, n), draw.exponential(4.0, n))
    died = born + life
    seen = died > 0.0
    born, died = born[seen], died[seen]
    b = np.column_stack([np.where(born <= 0, -np.inf, born), np.where(born <= 0, 0.0, born)])
    d = np.column_stack([np.where(died > end, end, died), np.where(died > end, np.inf, died)])
    return History(b, d, end, columns={"cell": np.arange(born.size) % 7})


def test_births_and_deaths_lie_between_sessions() -> None:
    h = History.of_sessions(
        [[1.0, 2.0, NAN, NAN], [NAN, 1.0, NAN, 2.0], [NAN, NAN, 3.0, 3.0], [NAN] * 4], [0, 4, 8, 12], ident=list("abcd")
    )
    assert h.ident.tolist() == ["a", "b", "c"] and "1 rows" in h.notes[0]
    assert h.born.tolist() == [[-np.inf, 0.0], [0.0, 4.0], [4.0, 8.0]]
    assert h.died.tolist() == [[4.0, 8.0], [12.0, np.inf], [12.0, np.inf]]
    assert h.number([0.0, 4.0, 8.0, 12.0]).tolist() == [1, 2, 2, 2]
    np.testing.assert_array_equal(h.sizes()[1], [NAN, 1.0, NAN, 2.0])


def test_one_that_comes_back_is_the_same_or_another() -> None:
    table = [[1.0, NAN, 1.0, 1.0], [1.0, 1.0, NAN, NAN]]
    assert len(History.of_sessions(table, [0, 1, 2, 3])) == 2
    new = History.of_sessions(table, [0, 1, 2, 3], again="new", ident=["a", "b"], columns={"cell": ["x", "y"]})
    assert new.ident.tolist() == ["a", "a'", "b"] and new.column("cell").tolist() == ["x", "x", "y"]
    assert new.born[1].tolist() == [1.0, 2.0] and new.died[0].tolist() == [0.0, 1.0]
    # where nobody looked, nothing was seen to go
    looked = np.array([True, False, True, True])
    assert len(History.of_sessions(table[:1], [0, 1, 2, 3], again="new", looked=looked)) == 1


def test_a_session_that_did_not_look_widens_what_is_known() -> None:
    looked = np.array([[True, False, True], [True, True, True]])
    h = History.of_sessions([[NAN, NAN, 1.0], [NAN, NAN, 1.0]], [0, 4, 8], looked=looked)
    assert h.born.tolist() == [[0.0, 8.0], [4.0, 8.0]]
    with pytest.raises(ParameterError, match="was not looked at"):
        History.of_sessions([[1.0, 1.0, 1.0]], [0, 4, 8], looked=looked[:1])


def test_sightings_and_tables_are_one_history() -> None:
    h = exact().image(np.arange(0.0, 41.0, 4.0))
    first, last = turnover.sightings(h.present(), h.sessions)
    again = History.of_lives(first, last, h.sessions)
    np.testing.assert_array_equal(again.born, h.born)
    np.testing.assert_array_equal(again.died, h.died)
    curve, direct = again.survival(), h.survival()
    np.testing.assert_array_equal(curve.value, direct.value)
    # of what was written as a long table
    long = h.to_sessions().pivot(index="id", columns="session", values="size")
    assert long.shape[0] == len(h)
    np.testing.assert_array_equal(long.columns, h.sessions)


def test_imaging_sees_who_lives_and_estimates_survival() -> None:
    whole = exact(40_000)
    imaged = whole.image(np.arange(0.0, 40.5, 0.5))
    np.testing.assert_array_equal(imaged.number(imaged.sessions), whole.number(imaged.sessions))
    truth = 0.4 * np.exp(-10.0 / 60.0) + 0.6 * np.exp(-10.0 / 4.0)
    for h in (whole, imaged):
        curve = h.survival("newborn")
        at = float(curve.at(10.0))
        k = int(np.searchsorted(curve.time, 10.0, side="right")) - 1
        assert abs(at - truth) < 4 * curve.error[k] + (
            0.03 if h is imaged else 0.0
        )  # imaging misses the shortest lives
    assert imaged.survival("standing").at(0.0) == 1.0


def test_what_nobody_looked_at_is_no_death() -> None:
    whole = exact()
    at = np.arange(0.0, 41.0, 4.0)
    looked = np.ones(at.size, bool)
    looked[[3, 7]] = False
    seen, less = whole.image(at), whole.image(at, looked=looked)
    assert abs(float(less.survival("standing").at(30.0)) - float(seen.survival("standing").at(30.0))) < 0.05
    assert np.isfinite(less.died[:, 1]).sum() <= np.isfinite(seen.died[:, 1]).sum()


def test_selection_and_groups() -> None:
    h = exact()
    parts = h.by("cell")
    assert sum(len(p) for p in parts.values()) == len(h) and list(parts) == list(range(7))
    assert len(h.select(cell=[1, 2])) == len(parts[1]) + len(parts[2])
    curves = h.survival("all", by="cell")
    assert list(curves) == list(range(7))
    both = joined([("one", parts[1].image([0, 10, 20])), ("two", parts[2].image([0, 20, 30]))], "animal")
    assert both.sessions.tolist() == [0, 10, 20, 30] and set(both.column("animal").tolist()) == {"one", "two"}
    assert both.looked is not None and not both.looked[0, 3]
    with pytest.raises(ParameterError, match="no column 'cel'.*cell"):
        h.column("cel")


def test_connectomes_at_several_ages() -> None:
    tables = [(["a", "a", "b"], ["b", "b", "c"], [1, 2, 5]), (["a", "c"], ["b", "a"], [4, 1])]
    h = History.of_edges(tables, [0, 10], unit="hour")
    assert h.ident.tolist() == ["a>b", "b>c", "c>a"]
    np.testing.assert_array_equal(h.sizes(), [[3, 4], [5, NAN], [NAN, 1]])
    m, pre, post = h.graph(10)
    assert m.toarray()[list(pre).index("a"), list(post).index("b")] == 4.0 and m.nnz == 2


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: History([[0, 1]], [[0, 1], [1, 2]], 1.0), "a row each"),
        (lambda: History([[5, 6]], [[0, 1]], 9.0), "row 0 dies before"),
        (lambda: History([[2, 1]], [[2, 3]], 9.0), "row 0 is after 2 and by 1"),
        (lambda: History([[0, 1]], [[1, 2]], np.inf), "end must be"),
        (lambda: History.of_sessions([[1.0]], [0, 1]), "a column for each session"),
        (lambda: History.of_sessions([[1.0, 2.0]], [4, 4]), "rising"),
        (lambda: History.of_sessions([[-1.0, 2.0]], [0, 4]), "negative"),
        (lambda: History.of_sessions([[1.0], [2.0]], [0], ident=["a", "a"]), "'a' 2 times"),
        (lambda: History.of_lives([0.0], [5.0], [0, 4]), "row 0: first 0 and last 5"),
        (lambda: History.of_lives([4.0], [0.0], [0, 4]), "row 0"),
        (lambda: History.of_edges([(["a"], ["b"])], [0, 1]), "one for each of 2 ages"),
        (lambda: exact(10).survival("old"), "kind must be"),
        (lambda: exact(10).select(np.ones(3, bool)), "mask of"),
    ],
)
def test_refused(call: Any, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        call()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    net = nd.Network(seed=4)
    source, cells = net.add(nd.Poisson(5.0), 30, name="source"), net.add(nd.LIF(), 12, name="cells")
    q = net.connect(source, cells, nd.Degree(10), spines=nd.Spines(weight=1.0), name="q")
    q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0))
    return nd.simulate(net, 20 * nd.units.day, acceleration=7200.0, to=tmp_path_factory.mktemp("h") / "a.sqlite",
                       progress=False)  # fmt: skip


def test_the_history_of_a_run_is_its_log(run: Any) -> None:
    h = run.history()
    assert len(h) == len(run.spines) and h.unit == "day" and h.end == run.days
    days, density = run.density("q")
    np.testing.assert_array_equal(h.number(days[1:]), np.rint(density[1:] * 12))
    dead = np.isfinite(run.spines.died)
    words = np.array(run.spines._run.causes.words)[run.spines.cause[dead]]
    assert h.deaths_by_cause() == {w: int((words == w).sum()) for w in np.unique(words)}
    for day in (3.0, 11.0):
        snapshot = run.snapshot("q", day)
        k = int(np.argmin(np.abs(h.sessions - day)))
        here = h.present()[:, k]
        np.testing.assert_array_equal(np.sort(h.ident[here]), np.sort(snapshot["uid"]))
        size = dict(zip(h.ident[here].tolist(), h.sizes()[here, k].tolist(), strict=True))
        want = dict(zip(snapshot["uid"].tolist(), np.exp(snapshot["log_size"]).tolist(), strict=True))
        assert size == pytest.approx(want, rel=1e-6)
    assert set(np.unique(run.history(cells=[3, 4]).column("cell"))) == {3, 4}
    assert np.all(h.born[~h.standing, 1] - h.born[~h.standing, 0] <= run.tick_days + 1e-9)


def test_a_run_without_lives_says_so(tmp_path: Path) -> None:
    net = nd.Network(seed=1)
    net.connect(net.add(nd.Poisson(5.0), 3), net.add(nd.LIF(), 2), nd.AllToAll(), weight=1.0)
    with pytest.raises(ParameterError, match="no projection on spines"):
        nd.simulate(net, 100.0, tick=100.0, to=tmp_path / "a.sqlite", progress=False).history()


@pytest.mark.skipif(not MELANDER.is_dir(), reason="no data: Melander 2021")
def test_melander_by_the_numbers_of_its_readme() -> None:
    with np.load(MELANDER / "pyr_synapse_sizes.npz", allow_pickle=False) as f:
        table = f["size_quantile4060"]
    h = History.of_sessions(table, 4.0 * np.arange(8), title="Melander 2021")
    here = h.present()
    assert int(here[:, 0].sum()) == 496
    np.testing.assert_allclose(
        turnover.session_survival(here)[1:], [0.90, 0.84, 0.79, 0.76, 0.73, 0.72, 0.70], atol=0.0051
    )
    changes = h.changes()
    assert (changes.gained.min(), changes.gained.max()) == (27, 37)
    assert (changes.lost.min(), changes.lost.max()) == (30, 50)
    x = h.log_sizes()
    x = x[np.isfinite(x)]
    assert x.std() == pytest.approx(0.94, abs=0.005)
    assert ((x - x.mean()) ** 3).mean() / x.std() ** 3 == pytest.approx(0.0, abs=0.005)


@pytest.mark.skipif(not NAKAJO.is_dir(), reason="no data: Nakajo 2025")
def test_nakajo_by_the_numbers_of_its_readme() -> None:
    for name, n, first, throughout in (("wt_72h", 363, 257, 194), ("ko_mmp14b_72h", 296, 220, 166),
                                       ("wt_24h", 219, 171, 130), ("ko_mmp14b_24h", 143, 112, 93)):  # fmt: skip
        with (NAKAJO / f"{name}.csv").open() as f:
            rows = list(csv.DictReader(f))
        h = History.of_lives(
            [float(r["first_seen_h"]) for r in rows], [float(r["last_seen_h"]) for r in rows], unit="hour",
            columns={"cell": [r["cell"] for r in rows]},
        )  # fmt: skip
        assert (len(h), int(h.standing.sum())) == (n, first)
        assert int((h.standing & np.isinf(h.died[:, 1])).sum()) == throughout


@pytest.mark.skipif(not WITVLIET.is_dir(), reason="no data: Witvliet 2021")
def test_witvliet_by_the_numbers_of_its_readme() -> None:
    with np.load(WITVLIET / "connectomes_8stages.npz", allow_pickle=False) as f:
        counts, hours = f["counts"], f["counts_stage_hours_after_birth"]
        pre, post = f["counts_pre"], f["counts_post"]
    tables = []
    for c in counts:
        j, i = np.nonzero(c)  # (post, pre)
        tables.append((pre[i], post[j], c[j, i]))
    ages = np.arange(8.0) if np.any(np.diff(hours) <= 0) else hours.astype(float)
    h = History.of_edges(tables, ages, unit="hour", title="Witvliet 2021")
    assert np.nansum(h.sizes(), axis=0).astype(int).tolist() == [1296, 1895, 2128, 2777, 4116, 4456, 7467, 7970]
