"""Programs that ask one question of any history: their numbers by hand, and each of them once as it is called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from analysis import (
    common,
    compare,
    efficiency,
    lineage,
    overshoot,
    pruning_course,
    sizes,
    source,
    survival,
    topology,
    why_they_died,
)
from neurodev import History
from neurodev.errors import ParameterError
from neurodev.formats.presets import PRESETS
from tests.formats.made import DAYS, known, rows_of, write
from tests.learn.small import trained

PROGRAMS = ("why_they_died", "survival", "sizes", "overshoot", "topology", "lineage", "compare", "efficiency")
READ = ["--id", "Cell,Dend,Spine #", "--session", "Day", "--size", "Vol (um3)", "--set", "dendrite=Dend"]
HOW = {"id": ["Cell", "Dend", "Spine #"], "session": "Day", "size": "Vol (um3)", "dendrite": "Dend"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days of spines that live and die, onto cells that are connected among themselves."""
    net = nd.Network(seed=4)
    origin, cells = net.add(nd.Poisson(5.0), 20, name="origin"), net.add(nd.LIF(), 8, name="cells")
    for name, pre in (("onto", origin), ("among", cells)):
        q = net.connect(pre, cells, nd.Degree(4), spines=nd.Spines(weight=8.0), name=name)
        q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0))
    to = tmp_path_factory.mktemp("programs") / "grown.sqlite"
    nd.simulate(net, 6 * nd.units.day, acceleration=7200.0, to=to, progress=False)
    return to


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("programs") / "learnt.sqlite"
    t = trained(epochs=2, to=to, methods=[nd.methods.SET(0.5)])
    t.fit()
    t.close()
    return to


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("programs") / "imaged.csv", rows_of(known()))


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(3)
    rows = [
        {"from": f"n{a}", "to": f"n{b}", "age": age, "count": draw.integers(1, 9)}
        for age in (0, 5, 9) for a, b in draw.integers(0, 12, (40, 2))
    ]  # fmt: skip
    return write(tmp_path_factory.mktemp("programs") / "edges.csv", rows)


def of(h: History) -> source.Source:
    return source.Source(h)


def lives(born: list[float], died: list[float], end: float = 10.0, **columns: Any) -> History:
    """Exact lives: born -inf stood from the start, died inf live on."""
    b, d = (np.array(x, dtype=float) for x in (born, died))
    born_at = np.column_stack([b, np.where(np.isinf(b), 0.0, b)])
    died_at = np.column_stack([np.where(np.isinf(d), end, d), d])
    return History(born_at, died_at, end, columns=columns, title="by hand")


# ---------------------------------------------------------------- sources


def test_a_source_is_a_run_a_table_or_a_form(run: Path, table: Path, edges: Path, tmp_path: Path) -> None:
    grown = source.source(str(run))
    assert grown.run is not None and len(grown.history) == len(nd.Run(run).history()) and grown.unit == "day"
    assert set(source.source(str(run), projection="onto").history.column("projection")) == {"onto"}
    imaged = source.source(str(table), how=HOW)
    assert imaged.run is None and imaged.name == "imaged" and len(imaged.history) == len(known())
    listed = source.source(str(edges), how={"pre": "from", "post": "to", "age": "age", "size": "count"})
    assert listed.history.sessions.tolist() == [0, 5, 9] and set(listed.history.columns) >= {"pre", "post"}
    lines = ["experiment,animal,cell,synapse,first_seen_h,last_seen_h", "e,1,1,1,0,6", "e,1,1,2,6,12"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    formed = source.source(f"nakajo:{tmp_path / 't.csv'}")
    assert formed.unit == "hour" and len(formed.history) == 2
    nd.Run(run).export(tmp_path / "lives.csv")
    assert len(source.source(str(tmp_path / "lives.csv")).history) == len(grown.history)


def test_hours_and_days_meet() -> None:
    h = known()
    there = source.in_unit(h, "hour")
    assert there.unit == "hour" and there.end == 24 * h.end and there.sessions[1] == 96.0
    np.testing.assert_allclose(there.survival("newborn").time, 24 * h.survival("newborn").time)
    assert source.in_unit(h, "epoch") is h
    assert common.amount(1.0, "day") == "1 day" and common.amount(2.5, "hour") == "2.5 hours"


def test_round_ages_within_what_was_watched() -> None:
    assert source.times(lives([0], [np.inf], 30.0)).tolist() == [5, 10, 15, 20, 25, 30]
    assert source.times(known()).tolist() == [4, 8, 12, 16, 20, 24, 28]
    assert source.times(lives([0], [np.inf], 0.0)).tolist() == [1.0]


# ---------------------------------------------------------------- numbers by hand


def test_why_they_died_by_cause() -> None:
    h = lives([0, 0, 0, 0], [1, 2, 3, np.inf], 4.0, cause=np.array(["a", "b", "a", ""]), level=np.array([1, 5, 3, 9.0]))
    head, rows, text = why_they_died.told(of(h))
    first, second = rows
    assert first[:3] == ["a", 2, 2 / 3] and second[:3] == ["b", 1, 1 / 3]
    at = head.index("newborn by 4 days")
    assert first[at] == pytest.approx(0.5) and second[at] == pytest.approx(0.25)
    assert first[head.index("level")] == 2.0 and second[head.index("level")] == 5.0
    assert text.startswith("3 of 4 died, 67% of them of a, which took 50% of the newborn within 4 days")
    assert why_they_died.told(of(lives([0, 1], [np.inf, np.inf])))[2] == "nobody died"


def test_why_they_died_without_causes() -> None:
    h = known()
    _, rows, text = why_they_died.told(of(h))
    assert sum(int(r[1]) for r in rows if str(r[0]).startswith("age")) == int(
        (np.isfinite(h.died[:, 1]) & np.isfinite(h.born[:, 0])).sum()
    )
    lost = [float(r[2]) for r in rows if str(r[0]).startswith("lost")]
    assert len(lost) == 5 and "smallest fifth" in text and "no cause" in text
    x, here = h.log_sizes(), h.present()
    assert np.mean(lost) == pytest.approx(np.mean(~here[:, 1:][np.isfinite(x[:, :-1])]), abs=0.01)


def test_survival_at_ages_with_limits() -> None:
    h = known()
    curve = h.survival("newborn")
    share, low, high = survival.limits(curve, np.array([0.0, 8.0, 99.0])).T
    assert share[0] == low[0] == high[0] == 1.0 and low[1] < share[1] == curve.at(8.0) < high[1] and np.isnan(share[2])
    assert survival.coarse(h) and not survival.coarse(lives([0, 1, 2], [4, 6, 8]))
    parts = survival.groups(h, "dendrite", None, None)
    assert sum(len(p) for p in parts.values()) == len(h) and len(parts) == 6
    assert len(survival.groups(h, None, 3, None)) == 3 and len(survival.groups(h, None, None, 2)) == 2
    rows = survival.told({"all": h}, np.array([4.0, 8.0]))
    assert [r[0] for r in rows] == ["all, newborn", "  Turnbull", "all, standing", "  Turnbull"]
    assert rows[0][4].startswith(f"{float(curve.at(4.0)):.2f} (")  # type: ignore[union-attr]


def test_survival_compared() -> None:
    draw = np.random.default_rng(1)
    n = 400
    short, long = (lives([0.0] * n, draw.exponential(scale, n).tolist(), 100.0) for scale in (1.0, 3.0))
    ((name, ratio, p),) = survival.compared({"short": short, "long": long})
    assert name == "short against long, newborn" and ratio > 2.0 and float(str(p)) < 1e-10
    assert survival.compared({"one": short}) == []
    text = survival.sentence(short)
    assert "half of the 400 newborns are gone after" in text and "stood" not in text


def test_sizes_are_told() -> None:
    draw = np.random.default_rng(2)
    x = 0.8 * draw.standard_normal(4000)
    h = History.of_sessions(np.exp(np.column_stack([x, 0.6 * x + 0.64 * draw.standard_normal(4000)])), [0, 5])
    first, last = sizes.by_session(h)
    assert first[0] == "day 0" and first[1] == 4000 and first[3] == pytest.approx(0.8, abs=0.03)
    assert abs(float(first[4])) < 0.1 and float(first[5]) < 0.03 and float(last[3]) == pytest.approx(0.8, abs=0.03)  # type: ignore[arg-type]
    rows, slope = sizes.changes(h)
    assert len(rows) == 5 and rows[0][2] > 0.3 and rows[-1][2] < -0.3 and abs(slope) < 0.05  # type: ignore[operator]
    lag, r = sizes.memory(h)
    assert lag.tolist() == [0.0, 5.0] and r[1] == pytest.approx(0.6, abs=0.04)
    assert "5 days apart correlate by 0.6" in sizes.sentence(h)


def test_overshoot_by_hand() -> None:
    """Two stand; three come, then three go: peak 5, end 2; turnover by its four names."""
    inf = np.inf
    h = lives([-inf, -inf, 1, 2, 3], [6, inf, 7, 8, inf], 10.0)
    c = overshoot.course(of(h))
    assert c.number[0] == 2 and c.number[c.peak] == 5 and c.number[-1] == 2 and c.ratio == 2.5 and c.inside
    assert 3.0 <= c.time[c.peak] < 6.0
    assert "peak : end = 2.50, with 3 births and 0 deaths before it, 0 and 3 after" in overshoot.sentence(of(h))
    here = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 1, 0], [0, 1, 1]], bool)
    imaged = of(History.of_sessions(here, [0.0, 4.0, 8.0]))
    first, second = overshoot.told(imaged)
    assert first[1:4] == [5, 3, 0] and second[1:4] == [2, 0, 3]
    np.testing.assert_allclose(np.array(first[6:], float), [3 / 7, 3 / 2, 0.0, 1.0])
    np.testing.assert_allclose(np.array(second[6:], float), [3 / 7, 0.0, 3 / 5, 2 / 5])
    assert "grew from 2 to 5" in overshoot.sentence(of(History.of_sessions(here[:, :2], [0, 1])))


def test_topology_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle of three, then with one way back."""
    pre, post = np.array(["a", "b", "c"]), np.array(["b", "c", "a"])
    h = History.of_edges([(pre, post), (np.append(pre, "b"), np.append(post, "a"))], [0, 1])
    monkeypatch.setattr(topology, "find_spec", lambda name: None)
    first, last = topology.seen(of(h))
    a, b = topology.numbers(first), topology.numbers(last)
    assert (a["connections"], b["connections"], a["reciprocity"], b["reciprocity"]) == (3, 4, 0.0, 0.5)
    assert a["clustering"] == b["clustering"] == 1.0 and a["out, mean"] == 1.0 and np.isnan(a["modularity"])
    assert topology.left_out([first]) == [
        "left out: modularity, groups, small world, rich club, loops 030T, cycles 030C: networkx is not installed "
        "(pip install 'neurodev[graphs]')"
    ]
    assert "3 connections became 4" in topology.sentence(a, b) and "reciprocity 0 became 0.5" in topology.sentence(a, b)


def test_topology_by_networkx() -> None:
    pytest.importorskip("networkx")
    pre, post = np.array(["a", "b", "c", "a", "x", "y", "z"]), np.array(["b", "c", "a", "x", "y", "z", "x"])
    found = topology.numbers(topology.seen(of(History.of_edges([(pre, post)], [0])))[0], nulls=2)
    assert found["cycles 030C"] == 2 and found["groups"] == 2 and found["modularity"] > 0.3


def again_slowly(h: History) -> tuple[list[tuple[float, bool]], int, float]:
    """Waits of pairs that lost their last contact, returns, and those expected, one event after the other."""
    pairs = list(zip(h.column("pre").tolist(), h.column("post").tolist(), strict=True))
    born = np.where(h.standing, -np.inf, h.birth)
    died = np.where(np.isfinite(h.died[:, 1]), h.death, np.inf)
    possible = np.unique(h.column("pre")).size * np.unique(h.column("post")).size
    at = sorted({*born.tolist(), *died.tolist()})
    number, lost, waits, ever = dict.fromkeys(pairs, 0), {}, [], set()
    returned, expected = 0, 0.0
    for t in at:
        if not np.isfinite(t):
            if t > 0:
                break
        before = {p for p, n in number.items() if n}
        new = {p for p, b in zip(pairs, born, strict=True) if b == t}
        for p in sorted(new - before):
            if np.isfinite(t):
                returned += p in lost
                expected += len(ever - before) / max(possible - len(before), 1)
            if p in lost:
                waits.append((t - lost.pop(p), True))
        for p, b in zip(pairs, born, strict=True):
            number[p] += b == t
        for p, d in zip(pairs, died, strict=True):
            number[p] -= d == t
            if d == t and not number[p]:
                lost[p] = t
        ever |= {p for p, b in zip(pairs, born, strict=True) if b == t}
    return sorted(waits + [(h.end - t, False) for t in lost.values()]), returned, expected


def test_lineage_of_pairs_against_a_slow_one() -> None:
    draw = np.random.default_rng(6)
    n = 60
    born = np.where(draw.random(n) < 0.2, -np.inf, draw.uniform(0, 9, n))
    died = np.where(np.isinf(born), 0.0, born) + draw.exponential(2.0, n)
    died[died > 10.0] = np.inf
    h = lives(born.tolist(), died.tolist(), 10.0, pre=draw.integers(0, 3, n), post=draw.integers(0, 4, n))
    found = lineage.regrowth(h)
    waits, returned, expected = again_slowly(h)
    mine = sorted(zip(found.wait.tolist(), found.again.tolist(), strict=True))
    np.testing.assert_allclose([w for w, _ in mine], [w for w, _ in waits])
    assert [a for _, a in mine] == [a for _, a in waits] and found.returned == returned == found.again.sum()
    assert found.expected == pytest.approx(expected) and 0 < returned < found.births
    assert found.chains @ np.arange(found.chains.size) == len(waits) + sum(
        1 for p in {*zip(h.column("pre").tolist(), h.column("post").tolist(), strict=True)}
        if any(h.died[i, 1] == np.inf for i in range(n) if (h.column("pre")[i], h.column("post")[i]) == p)
    )  # fmt: skip


def test_lineage_of_cells_and_positions() -> None:
    """Cell 0 gains two and loses one, at one place; projections are pairs of their own."""
    h = lives([-np.inf, 2, 3], [1, np.inf, np.inf], cell=np.array([0, 0, 1]), place=np.array([5.0, 5.1, 5.0]))
    births, deaths = lineage.per_cell(h, "cell")
    assert births.tolist() == [1, 1] and deaths.tolist() == [1, 0]
    rows, said = lineage.told(h, None, 0.5)
    assert rows[2][:2] == ["lives at a position (0.5 um)", 1.5] and "3 lives took 2 positions" in said[1]
    two = lives([0, 2], [1, np.inf], pre=np.zeros(2, int), post=np.zeros(2, int), projection=np.array(["a", "b"]))
    assert not lineage.regrowth(two).again.any() and lineage.regrowth(two.select(None)).births == 2
    # what is absent from a session of a table and comes back is born again
    back = of(History.of_edges([(["a"], ["b"]), ([], []), (["a"], ["b"])], [0, 1, 2]))
    assert lineage.regrowth(source.stretches(back)).again.tolist() == [True]


def test_two_are_compared() -> None:
    h = known()
    rows = compare.told(h, h)
    assert {str(r[0]) for r in rows} >= {"sd of ln size", "turnover ratio per day"}
    assert compare.sentence(h, h, rows).startswith(" and  do not differ beyond chance in lifetimes of the newborn")
    draw = np.random.default_rng(1)
    a, b = (lives([0.0] * 300, draw.exponential(scale, 300).tolist(), 60.0) for scale in (1.0, 5.0))
    assert "differ in lifetimes of the newborn (p = " in compare.sentence(a, b, compare.told(a, b))


def test_a_run_is_imaged_as_the_table_was(run: Path) -> None:
    grown = source.source(str(run))
    imaged = of(History.of_sessions([[1, 1, 1], [1, 0, 0]], [0.0, 2.0, 4.0]))
    a, b = compare.alike(grown, imaged)
    assert a.sessions.tolist() == [2.0, 4.0, 6.0] and b is imaged.history
    with pytest.raises(ParameterError, match="lasts 6 days and .* 8 days: a run as long is needed"):
        compare.alike(grown, of(History.of_sessions([[1, 1]], [0.0, 8.0])))


def test_efficiency_is_what_was_recorded(run: Path, training: Path) -> None:
    r = nd.Run(training)
    right, best, density, operations, share, spent, _ = efficiency.of_training(r)
    assert right == 100 * r.series("test_accuracy")[-1] <= best and density == r.series("density")[-1]
    assert operations == r.series("operations")[-1] < spent and 0 < share <= 1  # type: ignore[operator]
    rows = efficiency.layers(r)
    assert [row[0] for row in rows] == r.plastic and all(row[1] > 0 for row in rows)  # type: ignore[operator]
    grown = nd.Run(run)
    n, first, last, *_ = efficiency.of_development(grown)
    assert n == grown.history().number(grown.days)[0]
    total = float(grown.series("events")[-1]) / (grown.n_tick * grown.tick_spike / 1000.0)
    assert min(first, last) < total * 2 and max(first, last) > 0.5 * total  # type: ignore[type-var, operator]


# ---------------------------------------------------------------- as they are called


def call(name: str, *words: str) -> None:
    importlib.import_module(f"analysis.{name}").main(list(words))


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_on_a_run(
    name: str, run: Path, training: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "a.png"
    more = [str(table), *READ, "--as-recorded"] if name == "compare" else []
    call(name, str(training if name == "efficiency" else run), *more, "--to", str(to))
    said = capsys.readouterr().out
    assert to.read_bytes().startswith(b"\x89PNG") and said.rstrip().endswith("a.png") and "nan" not in said
    assert sum(line.endswith(".") for line in said.splitlines()) >= 1


@pytest.mark.parametrize("name", [p for p in PROGRAMS if p != "efficiency"])
def test_each_program_on_a_table(
    name: str, table: Path, edges: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "a.svg"
    words = [str(table), *READ]
    if name == "topology":
        words = [str(edges), "--set", "pre=from", "--set", "post=to", "--set", "age=age", "--nulls", "1"]
    call(name, *words, *([str(table)] if name == "compare" else []), "--to", str(to))
    assert b"<svg" in to.read_bytes() and "nan" not in capsys.readouterr().out


def test_the_course_of_a_training_is_what_was_recorded(
    run: Path, training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    r, to = nd.Run(training), tmp_path / "course.png"
    call("pruning_course", str(training), str(training), "--to", str(to))
    assert to.read_bytes().startswith(b"\x89PNG") and capsys.readouterr().out.count("learnt") == 2
    told = dict(zip(pruning_course.HEAD, pruning_course.row(r), strict=True))
    assert told["births"] == sum(r.series(f"births/{name}").sum() for name in r.plastic) > 0
    assert told["deaths"] == told["births"]  # SET makes good for what it drops
    assert told["method"] == "SET" and told["epochs"] == 2 and float(str(told["pruned %"])) == pytest.approx(50, abs=2)
    with pytest.raises(ParameterError, match="training"):
        pruning_course.main([str(run), "--to", str(to)])


def test_efficiency_of_several_and_of_development(
    run: Path, training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("efficiency", str(training), str(training), "--to", str(tmp_path / "a.pdf"))
    assert "learnt (2)" in capsys.readouterr().out and (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    call("efficiency", str(run), "--to", str(tmp_path / "b.png"))
    assert "for each living spine the network handles" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("survival", ["nowhere.csv"], "nowhere.csv"),
        ("survival", ["melandr"], "no run and no table at 'melandr'.*did you mean 'melander'"),
        ("survival", ["{table}"], "Perhaps --id"),
        ("survival", ["{table}", "--set", "identity=3"], "--set: no argument 'identity'"),
        ("survival", ["{table}", *READ, "--to", "a.gif"], "must end in .png, .svg or .pdf"),
        ("survival", ["{run}", "--projection", "ont"], "ont"),
        ("survival", ["{table}", *READ, "--by", "dendrit"], "no column 'dendrit'"),
        ("survival", ["kwan:{table}"], "read_counts"),
        ("survival", ["{run}", "{training}"], "days and epochs"),
        ("topology", ["{table}", *READ], "no columns pre and post"),
        ("efficiency", ["{table}", *READ], "is a table, which knows no cost"),
        ("sizes", ["{lives}"], "no sizes were measured"),
    ],
)  # fmt: skip
def test_wrong_words_are_told_in_a_line(
    name: str, words: list[str], said: str, run: Path, training: Path, table: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import re

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    write(tmp_path / "lives.csv", [{"id": k, "first": 0, "last": 4 * (k % 3)} for k in range(9)])
    given = {"{run}": run, "{training}": training, "{table}": table, "{lives}": tmp_path / "lives.csv"}
    words = [w if w not in given else str(given[w]) for w in words]
    words = [w.replace("{table}", str(table)) for w in words]
    more = ["--id", "id", "--set", "first=first", "--set", "last=last"] if "lives" in words[0] else []
    assert common.run(lambda: call(name, *words, *more)) == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and told.count("\n") == 1 and told.startswith(f"{name}: ")
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".png"]


def test_every_form_has_a_reader_that_the_programs_know() -> None:
    assert {p.reader for p in PRESETS.values()} == {"read_sessions", "read_edges", "read_counts"}
    assert DAYS.size == 8 and {d.folder for d in source.DATA.values()} == {
        "celegans_development_witvliet2021", "dendrite_synapse_maps_horton2024", "synapse_dynamics_melander2021",
        "synapse_lifetimes_nakajo2025", "synapses_em_kasthuri2015",
    }  # fmt: skip
