"""The run that a user holds: log, spines and their stories, graphs by replay, rates, verdicts; finished or growing."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodev.errors import InvariantError, ParameterError, RunFileError
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.runs import run as run_module
from neurodev.runs.run import Run
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import BIRTH, DEATH, LogBatch
from neurodev.units import day, hour

TICK = 2 * hour
TICK_SPIKE = 60_000.0
N_SOURCE, N_TARGET = 12, 9


def code(cause: str) -> int:
    return CAUSES.index(cause)


@dataclass
class World:
    """A table kept in plain dictionaries, that writes its own run: the truth to compare with."""

    recorder: Recorder
    rng: np.random.Generator
    alive: dict[int, tuple[int, int, int, float]]
    next_uid: int
    history: dict[int, set[int]]
    causes: dict[int, tuple[int, int, str]]

    def state(self) -> dict[str, Any]:
        uid = self.rng.permutation(np.array(sorted(self.alive), dtype=np.uint64))
        rows = np.array([self.alive[int(u)] for u in uid]).reshape(-1, 4)
        x = 0.01 * uid.astype(float) - 1.0
        return {
            "uid": uid, "pre": rows[:, 0], "post": rows[:, 1], "lane": rows[:, 2], "weight": 4 * np.exp(x),
            "log_size": x, "born": rows[:, 3], "drive_evidence": np.sin(x), "drive_trophic": np.cos(x),
        }  # fmt: skip

    def batch(self, tick: int, events: list[tuple[int, int, str]]) -> LogBatch:
        """Apply (kind, uid, cause) and give back what the log holds of it: no partners of the dead."""
        n = len(events)
        b = LogBatch(
            np.full(n, tick, np.int32), *(np.zeros(n, d) for d in ("u1", "u8", "u1", "u4", "u4", "u1", "f4")),
            np.full((n, 2), np.nan, np.float32),
        )  # fmt: skip
        for i, (kind, uid, cause) in enumerate(events):
            b.kind[i], b.uid[i], b.cause[i], b.value[i] = kind, uid, code(cause), -0.8
            if kind == BIRTH:
                row = (int(self.rng.integers(N_SOURCE)), int(self.rng.integers(N_TARGET)), int(self.rng.integers(3)))
                self.alive[uid] = (*row, tick * TICK)
                b.pre[i], b.post[i], b.lane[i] = row
            else:
                del self.alive[uid]
                self.causes[uid] = (tick, code(cause), cause)
                b.value[i], b.terms[i] = -1.7, (-1.25, 0.5)
        return b


def write(path: Path, ticks: int = 48, close: bool = True) -> World:
    """A run of four days: each tick one spine dies and two are born; an experimenter acts after tick 24."""
    f = RunFile.create(path, {"seed": 7, "date": "2026-01-01", "versions": {"neurodev": "0.1.0"}})
    r = Recorder(f)
    rng = np.random.default_rng(5)
    first = {
        u: (int(rng.integers(N_SOURCE)), int(rng.integers(N_TARGET)), int(rng.integers(3)), 0.0) for u in range(1, 41)
    }
    w = World(r, rng, first, 41, {}, {})
    populations = [
        {"name": "retina", "n": N_SOURCE, "inhibitory": False},
        {"name": "exc", "n": N_TARGET, "inhibitory": False},
    ]
    projections = [
        {"name": "map", "source": "retina", "target": "exc", "spines": {"volume": 0.05}},
        {"name": "lateral", "source": "exc", "target": "exc", "spines": None},
    ]
    f.set_item("network", {"seed": 7, "sheet": [100.0, 100.0], "populations": populations, "projections": projections})
    for name, value in {
        "tick": TICK, "tick_spike": TICK_SPIKE, "acceleration": 120.0, "target_hz": 0.5, "finished": False,
        "interventions": ["1440000 ms of spikes: Lesion"], "approximations": ["Averaging: 120."],
    }.items():  # fmt: skip
        f.set_item(name, value)
    for p in populations:
        f.append(f"positions/{p['name']}", 100 * rng.random((p["n"], 2)))
    static = {"uid": np.array([1000, 1001, 1002]), "pre": np.array([0, 0, 5]), "post": np.array([1, 1, 2]),
              "lane": np.zeros(3, int), "weight": np.array([0.8, 0.7, 0.6])}  # fmt: skip
    r.snapshot("map", "initial", w.state())
    r.snapshot("lateral", "initial", static)
    r.snapshot("map", "snapshot/0", w.state())
    r.snapshot_due(0.0)
    f.append("series/snapshot_day", np.array([0.0]))
    w.history[0] = set(w.alive)
    f.commit()
    live(w, ticks)
    if close:
        r.snapshot("map", "final", w.state())
        f.set_item("finished", True)
        f.set_item("life", ticks * TICK, "ms")
        r.flush(ticks + 1)
        f.close()
    return w


def live(w: World, ticks: int) -> None:
    r, f = w.recorder, w.recorder.file
    for k in range(1, ticks + 1):
        if r.wants_trains((k - 1) * TICK, TICK):
            r.trains("exc", (k - 1) * TICK_SPIKE + np.array([1.0, 5.0]), np.array([0, 3], np.uint32))
        r.counts({"exc": np.full(N_TARGET, 30), "retina": np.zeros(N_SOURCE, int)})
        victim = int(w.rng.permutation(sorted(w.alive))[0])
        cause = ("evidence", "trophic", "fluctuation")[k % 3]
        events = [(DEATH, victim, cause), (BIRTH, w.next_uid, "turnover"), (BIRTH, w.next_uid + 1, "turnover")]
        w.next_uid += 2
        r.log("map", w.batch(k, events))
        w.history[k] = set(w.alive)
        r.series({"life": k * TICK / day, "n_synapse/map": len(w.alive), "births/map": 2, "deaths/map": 1})
        if r.snapshot_due(k * TICK):
            r.snapshot("map", f"snapshot/{k * TICK / day:g}", w.state())
            f.append("series/snapshot_day", np.array([k * TICK / day]))
        if k == 24:  # after the tick and its snapshot, but logged with it
            r.log("map", w.batch(k, [(DEATH, sorted(w.alive)[0], "lesion"), (BIRTH, w.next_uid, "intervention")]))
            r.log("lateral", w.batch(k, [])._replace(**lesion_of_a_static_synapse()))
            w.next_uid += 1
        if k % 5 == 0:
            r.flush(k)


def lesion_of_a_static_synapse() -> dict[str, Any]:
    one = {"tick": 24, "kind": DEATH, "uid": 1001, "cause": code("lesion"), "pre": 0, "post": 0, "lane": 0}
    types = {"tick": "i4", "kind": "u1", "uid": "u8", "cause": "u1", "pre": "u4", "post": "u4", "lane": "u1"}
    nan = {"value": np.full(1, np.nan, np.float32), "terms": np.full((1, 2), np.nan, np.float32)}
    return {k: np.full(1, v, types[k]) for k, v in one.items()} | nan


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    path = tmp_path_factory.mktemp("run") / "map.sqlite"
    return path, write(path)


@pytest.fixture
def run(written: tuple[Path, World]) -> Run:
    return Run(written[0])


@pytest.fixture
def world(written: tuple[Path, World]) -> World:
    return written[1]


# ---------------------------------------------------------------------- log


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_the_log_knows_all_events_with_their_partners(run: Run, world: World) -> None:
    log = run.log
    assert len(log) == 48 * 3 + 3 and log.births.uid.size == 97 and log.deaths.uid.size == 50
    spines = run.spines
    dead = log.batch("map").kind == DEATH
    for u, i, j, lane in zip(
        *(getattr(log.batch("map"), k)[dead] for k in ("uid", "pre", "post", "lane")), strict=True
    ):
        assert (spines[u].pre, spines[u].post) == (i, j)
        k = next(k for k, alive in world.history.items() if int(u) in alive)
        row = run.graph(k * TICK).columns
        at = np.flatnonzero(row["uid"] == u)[0]
        assert row["lane"][at] == lane
    lateral = log.batch("lateral")
    assert (lateral.pre.tolist(), lateral.post.tolist()) == ([0], [1])  # told by the initial synapse


def test_deaths_by_cause_over_windows_add_up(run: Run) -> None:
    whole = run.log.deaths_by_cause()
    assert whole == {"evidence": 16, "trophic": 16, "fluctuation": 16, "lesion": 2}
    parts = [run.log.deaths_by_cause(w) for w in ((0, 1), (1, 2.5), (2.5, 4))]
    assert {c: sum(p.get(c, 0) for p in parts) for c in whole} == whole
    assert run.log.deaths_by_cause((0, 0.25)) == {"trophic": 1, "fluctuation": 1, "evidence": 1}
    with pytest.raises(ParameterError, match="window"):
        run.log.deaths_by_cause((2, 2))
    with pytest.warns(DeprecationWarning, match="deaths_by_cause"):
        assert run.log.by_cause() == whole


def test_the_log_as_a_data_frame(run: Run) -> None:
    frame = run.log.to_pandas()
    assert len(frame) == len(run.log) and frame["day"].is_monotonic_increasing
    assert set(frame["event"]) == {"birth", "death"} and set(frame["projection"]) == {"map", "lateral"}
    row = frame[frame["cause"] == "evidence"].iloc[0]
    assert row["event"] == "death" and row["evidence"] == -1.25 and row["day"] == row["tick"] / 12


def test_pandas_and_matplotlib_are_fetched_only_when_asked_for() -> None:
    late = "('pandas', 'matplotlib', 'scipy.sparse')"
    text = f"import sys, neurodev.runs.run; print([m for m in {late} if m in sys.modules])"
    root = Path(run_module.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


# ---------------------------------------------------------------------- spines


def test_spines_are_a_mapping_of_every_life(run: Run, world: World) -> None:
    s = run.spines
    assert len(s) == 40 + 97 == len(list(s)) and 1 in s and 9999 not in s and s.get(9999) is None
    assert set(s.survivors().tolist()) == set(world.alive)
    assert set(s.died_of("evidence").tolist()) == {u for u, c in world.causes.items() if c[2] == "evidence"}
    longest = s.longest()
    ages = [d[0] / 12 - (s[u].born) for u, d in world.causes.items()]
    assert longest.died is not None and longest.life == pytest.approx(max(ages))
    for uid, (tick, _, cause) in world.causes.items():
        assert s[uid].died == pytest.approx(tick / 12) and s[uid].cause == cause


@pytest.mark.parametrize("uid", [9999, -1, 2**64, 1.5, "4711", True, None])
def test_a_spine_that_is_not_there(run: Run, uid: object) -> None:
    assert uid not in run.spines
    with pytest.raises(ParameterError, match="no spine"):
        run.spines[uid]  # type: ignore[index]


def test_between_identities_the_nearest_are_named(run: Run) -> None:
    known = np.sort(run.spines.uid)
    hole = next((u for u in range(int(known[0]), int(known[-1])) if u not in run.spines), None)
    if hole is None:  # a world without holes: take one out
        run.spines.uid[run.spines._order[2]] = 0
        run.spines._order = np.argsort(run.spines.uid)
        hole = int(known[2])
    with pytest.raises(ParameterError, match=f"not all between; the nearest are {hole - 1} and {hole + 1}"):
        run.spines[hole]


def test_sizes_come_from_the_snapshots_that_saw_it(run: Run, world: World) -> None:
    uid = next(u for u in range(1, 41) if u in world.alive)
    spine = run.spines[uid]
    assert spine.days.tolist() == [0, 1, 2, 3, 4] and spine.log_size == pytest.approx(0.01 * uid - 1)
    assert spine.history["drive_evidence"] == pytest.approx(np.sin(0.01 * uid - 1))
    short = next(u for u, (tick, _, _) in world.causes.items() if tick <= 12 and u <= 40)
    assert run.spines[short].days.tolist() == [0]


def test_stories(run: Run, world: World) -> None:
    stories = {u: run.spines[u].story() for u in run.spines}
    dead = next(u for u, c in world.causes.items() if c[2] == "evidence" and u > 40)
    s = run.spines[dead]
    assert stories[dead].startswith(
        f"Spine {dead} of exc {s.post} was born on day {s.born:.1f}, as contact of retina {s.pre} (map). "
    )
    assert f"It lived {s.life:.1f} days and died on day {s.died:.1f} of evidence: its activity" in stories[dead]
    assert s.terms == {"evidence": -1.25, "trophic": 0.5}
    with pytest.warns(DeprecationWarning, match="Spine.terms"):
        assert s.evidence == -1.25
    assert "evidence -1.25, trophic +0.50" in stories[dead] and "ln(V/V0) was -1.70" in stories[dead]
    born_alive = next(u for u in world.alive if u <= 40)
    assert (
        "was there from the start" in stories[born_alive] and "alive at the end, after 4.0 days" in stories[born_alive]
    )
    made = next(u for u in run.spines if run.spines[u].birth_cause == "intervention")
    assert "made by the experimenter" in stories[made]
    assert any("of lesion: its neuron was destroyed." in t for t in stories.values())
    assert not any("nan" in t.replace("retina", "") for t in stories.values())


# ---------------------------------------------------------------------- graphs


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_graphs_at_every_tick_are_the_structure_of_that_tick(run: Run, world: World) -> None:
    for k, alive in world.history.items():
        g = run.graph(k * TICK)
        assert set(g.columns["uid"].tolist()) == alive
        assert g.nnz == len(alive) and g.shape == (N_SOURCE, N_TARGET)
        between = run.graph(min(k + 0.5, 48) * TICK)  # known to a tick; an experimenter's deeds follow at once
        if k not in (24, 48):
            assert set(between.columns["uid"].tolist()) == alive
        elif k == 24:
            assert set(between.columns["uid"].tolist()) != alive
    assert set(run.graph().columns["uid"].tolist()) == set(world.alive)


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_weights_and_rows_of_a_graph(run: Run) -> None:
    for t in (0.0, 1.5 * day, 4 * day):
        g = run.graph(t)
        c = g.columns
        assert np.array_equal(g.data, c["weight"], equal_nan=True) and np.array_equal(g.indices, c["post"])
        assert np.array_equal(np.repeat(np.arange(N_SOURCE), np.diff(g.indptr)), c["pre"])
        seen = np.isfinite(g.data)
        assert seen.mean() > 0.85
        assert g.data[seen] == pytest.approx(4 * np.exp(0.01 * c["uid"][seen].astype(float) - 1), rel=1e-6)
    lateral = run.graph(0, "lateral")
    assert lateral.nnz == 3 and lateral.toarray()[0, 1] == pytest.approx(1.5)  # two contacts of one pair
    assert run.graph(projection="lateral").nnz == 2


@pytest.mark.parametrize("t", [-1.0 * day, 5 * day, float("nan"), "10 day"])
def test_a_time_outside_the_run(run: Run, t: Any) -> None:
    with pytest.raises(ParameterError, match="between 0 and 4 days"):
        run.graph(t)


# ---------------------------------------------------------------------- numbers


def test_spikes_counts_and_rates(run: Run) -> None:
    times, cells = run.spikes("exc")
    assert cells.tolist() == [0, 3] * 4 and times[:2].tolist() == [1.0, 5.0]
    windows = run.spike_windows("exc")
    assert windows[:, 0].tolist() == [0, 720_000, 1_440_000, 2_160_000] and np.all(np.diff(windows) == TICK_SPIKE)
    inside = (times[:, None] >= windows[:, 0]) & (times[:, None] < windows[:, 1])
    assert inside.any(axis=1).all()
    assert run.counts("exc").shape == (48, N_TARGET)
    assert run.rates("exc").shape == (4, N_TARGET) and run.rates("exc") == pytest.approx(0.5)
    assert run.spikes("retina")[0].size == 0


def test_density_is_the_count_of_the_living(run: Run, world: World) -> None:
    days, n = run.density()
    assert days.size == 49 and days[0] == 0 and days[-1] == 4
    # the series counts at the tick, before an experimenter acts
    assert n * N_TARGET == pytest.approx([len(world.history[k]) for k in range(49)])
    _, lateral = run.density("lateral")
    assert lateral[24] * N_TARGET == pytest.approx(3) and lateral[25] * N_TARGET == pytest.approx(2)


def test_the_summary_has_the_success_numbers(run: Run) -> None:
    out = run.summary()
    assert {"peak_to_final", "sd", "skew", "decade", "field_change", "rate_hz", "evidence_gap"} <= set(out)
    assert out["rate_ratio"] == pytest.approx(1.0) and out["final"] * N_TARGET == pytest.approx(40 + 97 - 49)


def test_unknown_names_are_told_the_nearest(run: Run) -> None:
    with pytest.raises(ParameterError, match="did you mean 'retina'"):
        run.spikes("retin")
    for ask in (run.graph, run.density, run.summary):
        with pytest.raises(ParameterError, match="did you mean 'lateral'"):
            ask(projection="latral")
    with pytest.raises(ParameterError, match="did you mean 'map'"):
        run.log.batch("mapp")
    with pytest.raises(ParameterError, match="did you mean 'births/map'"):
        run.series("birth/map")
    with pytest.raises(ParameterError, match="no spines"):
        run.snapshot("lateral", 1)


def test_the_texts(run: Run) -> None:
    text = run.info()
    assert "4 days of life, finished" in text and "147 births and deaths" in text and "Averaging" in text
    assert "neurodev 0.1.0" in text and "seed 7" in text and "Lesion" in text
    assert run.provenance["seed"] == 7 and "4 days" in repr(run)


def test_the_figures(run: Run, world: World) -> None:
    assert run.plot().axes
    assert run.spines[next(iter(world.causes))].plot().axes


# ---------------------------------------------------------------------- verify, growing, killed


def test_the_log_replays_to_the_final_structure(run: Run, world: World) -> None:
    assert run.verify() == len(world.alive)


@pytest.mark.parametrize("column", ["uid", "pre", "post", "lane"])
def test_verify_finds_a_single_wrong_number(tmp_path: Path, column: str) -> None:
    path = tmp_path / "r"
    w = write(path, ticks=14, close=False)
    state = w.state()
    state[column] = state[column].copy()
    state[column][3] += 1000 if column == "uid" else 1
    w.recorder.snapshot("map", "final", state)
    w.recorder.flush(15)
    w.recorder.file.close()
    with pytest.raises(InvariantError, match="only one of them" if column == "uid" else f"{column} of uid"):
        Run(path).verify()


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_a_growing_run_is_read_verified_and_refreshed(tmp_path: Path) -> None:
    path = tmp_path / "r"
    w = write(path, ticks=30, close=False)
    run = Run(path)
    assert run.days == pytest.approx(2.5) and "still grows" in run.info()
    assert run.verify() == len(run.snapshot("map", 2)["uid"])  # against the last snapshot
    assert set(run.graph().columns["uid"].tolist()) == w.history[30] - {0} == set(w.alive)
    n = len(run.log)
    w.recorder.log("map", w.batch(31, [(BIRTH, w.next_uid, "turnover")]))
    w.recorder.series({"life": 31 / 12, "n_synapse/map": len(w.alive), "births/map": 1, "deaths/map": 0})
    w.recorder.flush(31)
    assert len(run.log) == n and run.days == pytest.approx(2.5)
    assert len(run.refresh().log) == n + 1 and run.days == pytest.approx(31 / 12)
    assert w.next_uid in run.spines
    w.recorder.file.close()


def test_a_run_killed_in_the_middle_is_a_shorter_run(tmp_path: Path) -> None:
    path = tmp_path / "r"
    text = "import os, sys; from pathlib import Path; from tests.record.test_reading import write; "
    text += "write(Path(sys.argv[1]), ticks=33, close=False); os._exit(3)"
    root = Path(run_module.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", text, str(path)], cwd=root, env=environment, timeout=120)
    assert done.returncode == 3
    run = Run(path)
    assert run.days == pytest.approx(30 / 12) and run.density()[0].size == 31 and run.counts("exc").shape[0] == 30
    assert run.verify() > 0 and run.spines.longest().story() and run.summary()["peak"] > 0
    assert "writer was killed" in run.info()


def test_a_run_before_its_first_tick(tmp_path: Path) -> None:
    path = tmp_path / "r"
    w = write(path, ticks=0, close=False)
    run = Run(path)
    assert run.days == 0 and len(run.log) == 0 and run.log.to_pandas().empty
    assert run.rates("exc").shape == (0, N_TARGET) and run.density()[1].tolist() == [40 / 9]
    assert run.graph().nnz == 40 and run.verify() == 40 and run.spines.longest().life == 0
    assert run.spike_windows("exc").shape == (0, 2)
    w.recorder.file.close()


def test_a_file_without_a_run(tmp_path: Path) -> None:
    RunFile.create(tmp_path / "r").close()
    with pytest.raises(RunFileError, match="no run yet"):
        Run(tmp_path / "r")
    with pytest.raises(RunFileError, match="no run file"):
        Run(tmp_path / "absent")
