"""What is recorded is what was asked for, says whose it is, and leaves nothing behind where no file was asked for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError, RunFileError, StudyError
from neurodev.runs.verdict import numbers
from neurodev.studies import development, reading
from neurodev.units import day, second
from tests.simulation.test_resume import same, samples


def network() -> nd.Network:
    net = nd.Network(seed=2)
    s, e = net.add(nd.Poisson(60.0), 12, name="s"), net.add(nd.LIF(), 10, name="exc")
    net.add(nd.Poisson(5.0), 3, name="idle")
    net.connect(s, e, nd.Degree(4), weight=8.0, name="q")
    net.connect(e, e, nd.Degree(2), spines=nd.Spines(), name="m").use(nd.SpineSize(death="none"))
    return net


SUBSETS: dict[str, tuple[Any, list[int]]] = {
    "slice": (slice(0, 4), [0, 1, 2, 3]), "list": ([7, 2], [2, 7]), "set": ({9, 1}, [1, 9]),
    "range": (range(8, 10), [8, 9]),
    "mask": (np.arange(10) % 3 == 0, [0, 3, 6, 9]), "one": (5, [5]), "true": (True, list(range(10))),
    "false": (False, []),
    "all": ("all", list(range(10))), "none": ("none", []), "nobody": ([], []),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> nd.Run:
    return nd.simulate(network(), 600.0, tick=100.0, record="all", progress=False)


@pytest.mark.parametrize("case", SUBSETS)
def test_the_trains_of_the_cells_that_were_named(case: str, whole: nd.Run) -> None:
    what, cells = SUBSETS[case]
    run = nd.simulate(network(), 600.0, tick=100.0, record={"exc": what}, progress=False)
    t, j = whole.spikes("exc")
    mine = np.isin(j, cells)
    assert np.array_equal(run.spikes("exc")[0], t[mine]) and np.array_equal(run.spikes("exc")[1], j[mine])
    assert run.recorded("exc").tolist() == (cells if cells or case == "nobody" else list(range(10)))
    assert len(run.spike_windows("exc")) == (6 if cells else 0)
    assert not run.spikes("s")[0].size and np.array_equal(run.counts("s"), whole.counts("s"))
    assert np.array_equal(run.counts("exc"), whole.counts("exc"))


def test_each_population_by_itself(whole: nd.Run) -> None:
    net = network()
    run = nd.simulate(
        net, 600.0, tick=100.0, record={net.populations["exc"]: [3], "s": True, "idle": "daily"}, progress=False
    )
    assert np.array_equal(run.spikes("s")[0], whole.spikes("s")[0]) and set(run.spikes("exc")[1].tolist()) == {3}
    assert len(run.spike_windows("idle")) == 1 and run.spikes("idle")[0].max(initial=0.0) < 100.0


@pytest.mark.parametrize(
    ("record", "match"),
    [
        ({"ecx": True}, "record .*'ecx' .did you mean 'exc'"), ({3: True}, "record must name populations"),
        ({"exc": "often"}, "record of 'exc' must be"), ({"exc": [10]}, "record of 'exc' .*10 is beyond"),
        ({"exc": [0.5]}, "record of 'exc' .*fractions"), ({"exc": [True]}, "record of 'exc' .*length 1"),
        (["exc"], "record must be"), (None, "record must be"), ("some", "record must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_before_a_file_is_made(record: Any, match: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=match):
        nd.Simulation(network(), record=record, to=tmp_path / "a.sqlite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("snapshots", "seen"), [([150, 430, 600], [0, 200, 500, 600]), (150.0, [0, 200, 300, 500, 600])]
)
def test_a_broken_off_run_goes_on_recording_the_same_cells_and_days(
    snapshots: Any, seen: list[int], tmp_path: Path
) -> None:
    files = [tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"]
    found = []
    for to in files:
        sim = nd.Simulation(
            network(), to=to, tick=100.0, record={"exc": {1, 4}, "s": "all"}, checkpoint=0.0, snapshots=snapshots
        )
        sim.probe("exc", "V", at=[30.0, 250.5, 410.0], cells=[4, 1])
        sim.probe("m", "log_size", at=[410.0], uids=[int(sim.simulator.tables["m"].uid[0])])
        if to.name == "whole.sqlite":
            sim.run(600.0)
        else:
            sim.run(260.0)
            sim.goal = 600.0  # as a run of 600 ms was broken off
            sim._keep()
            sim.file.abandon()
            sim.simulator.network.end(sim.simulator)
            sim = nd.Simulation.resume(to, network(), threads=2)
            sim.run()
        found.append(samples(sim))
        sim.close()
    same(*files)
    assert found[0] == found[1]
    assert np.allclose(np.array(nd.Run(files[1]).snapshot_days) * day, seen)


@pytest.mark.parametrize(
    ("snapshots", "seen"),
    [(250.0, [0, 300, 500]), ("0.2 second", [0, 200, 400, 600]), ([90, 320.0], [0, 100, 400]), ([], [0]), (1e9, [0])],
)
def test_pictures_are_taken_when_they_are_asked_for(snapshots: Any, seen: list[int], tmp_path: Path) -> None:
    sim = nd.Simulation(network(), tick=100.0, to=tmp_path / "a.sqlite", snapshots=snapshots)
    sizes = sim.probe("m", "log_size", at=[t for t in seen if t] or [600.0])
    run = sim.run(600.0).close()
    assert np.allclose(np.array(run.snapshot_days) * day, seen)
    for row, days in zip(sizes.values, run.snapshot_days[1:], strict=False):
        picture = run.snapshot("m", days)
        assert np.array_equal(picture["log_size"], row[np.isin(sizes.uid, picture["uid"])].astype("<f4"))
    again, life = development.repeated(run.path, tmp_path / "b.sqlite")
    again.run(life).close()
    same(run.path, tmp_path / "b.sqlite")


def test_a_study_says_when_pictures_are_taken(tmp_path: Path) -> None:
    text = """
    [population.a]
    kind = "Poisson"
    n = 4
    [population.b]
    kind = "LIF"
    n = 3
    [projection.ab]
    source = "a"
    target = "b"
    wiring = { kind = "AllToAll" }
    spines = {}
    use = [{ kind = "SpineSize", death = "none" }]
    [run]
    duration = "2 second"
    tick = "0.25 second"
    snapshots = WHEN
    """
    for when, seen in (('"1 second"', [0.0, 1.0, 2.0]), ('["300 ms", "1 second"]', [0.0, 0.5, 1.0])):
        (tmp_path / "s.toml").write_text(text.replace("WHEN", when))
        run = development.run(reading.load(tmp_path / "s.toml"))
        assert np.allclose(np.array(run.snapshot_days) * day, np.array(seen) * second)
    for bad in ('"often"', '"6 hours"', "[1.0, [2.0]]", '["1 second", "2 seconds"]', "0", "true"):
        (tmp_path / "s.toml").write_text(text.replace("WHEN", bad))
        with pytest.raises(StudyError, match="line 17.*snapshots"):
            development.run(reading.load(tmp_path / "s.toml"))


def test_the_end_is_seen_whenever_pictures_were_taken() -> None:
    """What is told of the end of a run is told of its end, and what was seen by nobody is not told."""

    def run(snapshots: Any) -> nd.Run:
        net = nd.Network(seed=3)
        e = net.add(nd.LIF(), 30, name="e")
        net.connect(e, e, nd.Degree(8), spines=nd.Spines(weight=0.1), name="m").use(nd.SpineSize(), nd.Turnover())
        return nd.simulate(net, 4.5 * day, acceleration=720000.0, snapshots=snapshots, progress=False)

    usual = run(1 * day)
    for snapshots in ([], [2 * day], 3 * day, "6 hour"):
        other = run(snapshots)
        for name in ("field_end", "error_end", "decade", "sd", "second_peak"):
            assert numbers(other)[name] == pytest.approx(numbers(usual)[name], nan_ok=True), name
        assert np.array_equal(other.snapshot("m", 4.5)["uid"], usual.snapshot("m", 4.5)["uid"])
        seen = snapshots == "6 hour"
        assert np.isfinite(numbers(other)["field_start"]) == seen and other.pictured_days()[-1] == 4.5
    assert numbers(usual)["field_start"] == numbers(run("6 hour"))["field_start"]


def test_a_probe_at_given_times_is_what_a_regular_one_sees_then() -> None:
    sim = nd.Simulation(network(), tick=100.0)
    regular, cells = sim.probe("exc", "V", every=0.5), sim.probe("exc", "V", at=[90.0, 12.5, 12.5, 200.0], cells=[6, 2])
    uid = np.sort(sim.simulator.tables["m"].uid_of(sim.simulator.tables["m"].slots()))
    sizes, all_sizes = (
        sim.probe("m", "log_size", at=np.array([150.0]), uids=uid[[3, 1]]),
        sim.probe("m", "log_size", at=150.0),
    )
    sim.run(100.0).run(100.0)
    assert cells.times.tolist() == [12.5, 90.0, 200.0] and cells.cells.tolist() == [6, 2]
    assert np.array_equal(cells.values, regular.values[[24, 179, 399]][:, [6, 2]])
    assert sizes.uid.tolist() == uid[[3, 1]].tolist() and np.array_equal(sizes.values[0], all_sizes.values[0][[3, 1]])
    for at, match in (([10.0], "lies in the past"), ([], "at must be a list"), ([np.nan], "at must"), ("x", "at must")):
        with pytest.raises(ParameterError, match=match):
            sim.probe("exc", "V", at=at)
    with pytest.raises(ParameterError, match="exclude each other"):
        sim.probe("exc", "V", at=[300.0], every=1.0)


# ---------------------------------------------------------------- in memory


def test_a_run_without_a_file_is_the_run_with_one(tmp_path: Path) -> None:
    a = nd.simulate(network(), 600.0, tick=100.0, record="all", progress=False)
    b = nd.simulate(network(), 600.0, tick=100.0, record="all", progress=False, to=tmp_path / "b.sqlite")
    kept = a.save(tmp_path / "a.sqlite")
    same(kept, b.path)
    assert a.info().splitlines()[2:5] == b.info().splitlines()[2:5] and "in memory" in a.info()
    assert nd.Run(kept).verify() == a.verify()
    with pytest.raises(RunFileError, match="holds a run already"):
        a.save(kept)
    name = a.path
    assert nd.Run(name).days == nd.Run(str(name)).days == a.days
    del a
    gc.collect()
    with pytest.raises(RunFileError, match="is gone: a run without a file lives as long as"):
        nd.Run(name)


def test_it_can_be_read_while_it_grows() -> None:
    sim = nd.Simulation(network(), tick=100.0, record="all")
    seen: list[int] = []

    def look(s: Any) -> None:
        run = nd.Run(s.path)
        s._flush()
        run.refresh()
        assert run.verify() >= 0
        seen.append(len(run.counts("s")))

    sim.every(100.0, look)
    sim.run(350.0)
    assert seen == [1, 2, 3]
    assert len(sim.close().counts("s")) == 4


ENDS = {
    "closed, broken and left": "sim.run(300.0); run = sim.close(); assert run.counts('s').sum() > 0\n"
    "sim = nd.Simulation(net, tick=100.0).every(100.0, lambda s: 1 / 0)\n"
    "try: sim.run(300.0)\n"
    "except ZeroDivisionError: pass\n"
    "sim = nd.Simulation(net, tick=100.0).run(300.0)\n",
    "interrupt": "import _thread; sim.every(100.0, lambda s: _thread.interrupt_main()); sim.run(300.0)",
    "killed": "import os, signal; sim.every(100.0, lambda s: os.kill(os.getpid(), signal.SIGKILL)); sim.run(300.0)",
}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_ever_on_the_disk(how: str, tmp_path: Path) -> None:
    code = (
        "import os, neurodev as nd\n"
        "net = nd.Network(seed=1)\n"
        "net.connect(net.add(nd.Poisson(50.0), 4, name='s'), net.add(nd.LIF(), 4), nd.AllToAll(), weight=3.0)\n"
        "sim = nd.Simulation(net, tick=100.0)\n"
        "sim.every(50.0, lambda s: print(len(os.listdir(os.environ['TMPDIR'])), flush=True))\n" + ENDS[how]
    )
    home = tmp_path / "home"
    (tmp_path / "tmp").mkdir()
    home.mkdir()
    env = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    told = [sys.executable, "-W", "error::ResourceWarning", "-c", code]
    done = subprocess.run(told, env=env, cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (how not in ("interrupt", "killed")), done.stderr
    assert set(done.stdout.split()) == {"0"}
    assert not list((tmp_path / "tmp").iterdir()) and not list(home.iterdir())
