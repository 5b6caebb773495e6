"""Sweeps: which points, each run once, gone on with, told of; the same bytes whoever runs them."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli, jit
from neurodev.errors import NeurodevError, ParameterError, StudyError
from neurodev.record.runfile import RunFile
from neurodev.simulation.simulate import Simulation
from neurodev.studies import reading
from neurodev.studies.sweeps import folder as place
from neurodev.studies.sweeps import points, warm, workers
from neurodev.studies.sweeps.cases import case, hash_of
from neurodev.studies.sweeps.going import Going
from neurodev.studies.sweeps.one import CUT, DONE, FAILED, How, Outcome, apart, one
from neurodev.studies.sweeps.sweep import described, sweep

pytestmark = pytest.mark.skipif(not jit.ENABLED, reason="whole runs")
STUDY = """
seed = 3
[population.a]
kind = "Poisson"
rate_hz = 20.0
n = 8
[population.b]
kind = "LIF"
n = 5
[projection.ab]
source = "a"
target = "b"
wiring = { kind = "Degree", inputs = 4 }
spines = { weight = 6.0 }
use = [{ kind = "SpineSize" }, { kind = "Turnover", early = 9.0, late = 9.0 }]
[run]
duration = "1 day"
acceleration = 72000.0
tick = "2 hour"
"""
EARLY, RATE = "projection.ab.use.Turnover.early", "population.a.rate_hz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    to = tmp_path / "s.toml"
    to.write_text(STUDY)
    return to


def told(path: Path) -> dict[str, bytes]:
    """All that a run file tells, but for the time of day, the machine's threads and how it was cut into pieces."""
    out = {}
    with RunFile.open(path) as f:
        for name in f.names():
            a = f.read(name)
            out[name] = str((a.dtype, a.shape)).encode() + a.tobytes()
        for q in f.logged():
            out[f"log/{q}"] = b"".join(np.ascontiguousarray(c).tobytes() for c in f.log(q))
        for item in f.items():
            out[f"item/{item}"] = json.dumps(f.item(item)).encode()
        kept = {k: v for k, v in f.provenance().items() if k not in ("date", "threads")}
        out["provenance"] = out["item/provenance"] = json.dumps(kept, sort_keys=True).encode()
    return out


def bytes_of(folder: Path) -> dict[str, dict[str, bytes]]:
    return {p.name: told(p) for p in sorted(folder.glob("*.sqlite"))}


def quick(study: Any, over: Any = None, **more: Any) -> nd.Sweep:
    """In this process, unless somebody else runs them, without a bar."""
    if not {"jobs", "executor", "scheduler"} & more.keys():
        more["jobs"] = 1
    return sweep(study, over, progress=False, **more)


# ---------------------------------------------------------------------- points


def test_points_are_all_combinations_or_pairs_or_those_given() -> None:
    both = {"a": [1, 2], "b": ["x", "y", "z"]}
    grid = points.points(both)
    assert grid.grid and len(grid.rows) == 6 and grid.rows[1] == (1, "y") and grid.axes == [[1, 2], ["x", "y", "z"]]
    paired = points.points({"a": (1, 2), "b": np.array([0.5, 1.5])}, paired=True)
    assert paired.rows == [(1, 0.5), (2, 1.5)] and not paired.grid
    own = points.points([{"a": 1, "b": 2}, {"b": 4, "a": 3}])
    assert own.tables() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert points.points().rows == [()] == points.points({}).rows


def test_ranges_say_how_they_are_covered() -> None:
    even = points.points({"a": "20..40/5", "b": "1..100/3:log"})
    assert even.axes == [[20.0, 25.0, 30.0, 35.0, 40.0], [1.0, 10.0, 100.0]]
    assert points.points({"a": "5..20 ms/2"}).axes == [["5.0 ms", "20.0 ms"]]
    assert points.points({"a": "5 ms..20 ms/2"}) == points.points({"a": "5..20 ms/2"})
    assert points.points({"a": "-1..1/3"}).axes == [[-1.0, 0.0, 1.0]]
    whole = [row[0] for row in points.points({"a": "1..6:whole"}, draw=64).rows]
    assert sorted(whole) == [1, 2, 3, 4, 5, 6]  # each once: those drawn twice are one point
    assert points.words("../data/a.npz,b", "p") == ["../data/a.npz", "b"]
    assert points.words("[8],[8, 8]", "h") == [[8], [8, 8]] and points.words("true,false", "s") == [True, False]
    assert points.words('"1 day",2 day', "d") == ["1 day", "2 day"]


@pytest.mark.parametrize("how", points.DRAWS)
def test_draws_fill_their_ranges_and_come_again(how: str) -> None:
    over = {"a": "0..1", "b": "1e-4..1e-2:log", "c": ["x", "y"]}
    first = points.points(over, draw=32, how=how, seed=5)
    assert first == points.points(over, draw=32, how=how, seed=5) != points.points(over, draw=32, how=how, seed=6)
    a, b, c = zip(*first.rows, strict=True)
    assert len(a) == 32 and 0 <= min(a) and max(a) <= 1 and 1e-4 <= min(b) and max(b) <= 1e-2 and set(c) == {"x", "y"}
    if how != "random":  # every quarter has its share, of the logarithm too
        assert np.histogram(a, 4, (0, 1))[0].tolist() == pytest.approx([8] * 4, abs=1.1)
        assert np.histogram(np.log10(b), 4, (-4, -2))[0].tolist() == pytest.approx([8] * 4, abs=1.1)


@pytest.mark.parametrize(
    ("over", "more", "match"),
    [
        ({"a": 3}, {}, r"over\['a'\] must be a list of values.*got 3"),
        ({"a": []}, {}, r"over\['a'\] is empty"),
        ({"a": [1, 1]}, {}, "a=1 twice"),
        ({"a": [object()]}, {}, "which a study cannot say"),
        ({"a": [float("nan")]}, {}, "which a study cannot say"),
        ({"": [1]}, {}, "keys of the study"),
        ({"seed": [1]}, {}, "seeds="),
        ({"a": "1..2"}, {}, "draw=16"),
        ({"a": "2..1/3"}, {}, "to a larger one"),
        ({"a": "0..1/3:log"}, {}, "positive numbers"),
        ({"a": "0..1/3:lgo"}, {}, "did you mean 'log'"),
        ({"a": "0..1.5/3:whole"}, {}, "whole numbers at both ends"),
        ({"a": "1 ms..2 mV/3"}, {}, "two units"),
        ({"a": "0..1/1"}, {}, r"in \[2, "),
        ({"a": [1], "b": [1, 2]}, {"paired": True}, "one length"),
        ({"a": [1]}, {"paired": True, "draw": 3}, "as they stand"),
        ({}, {"draw": 3}, "there is nothing to draw"),
        ({"a": "0..1"}, {"draw": 3, "how": "soboll"}, "did you mean 'sobol'"),
        ({"a": range(400), "b": range(400)}, {}, "160,000 combinations"),
        ([{"a": 1}, {"b": 1}], {}, "use the same"),
        ([{"a": 1}], {"draw": 2}, "as it stands"),
        ([3], {}, r"over\[0\] must be a point"),
        ("a=1", {}, "over must be values by key"),
    ],
)
def test_points_that_cannot_be_are_refused(over: Any, more: dict[str, Any], match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        points.points(over, **more)


def test_names_are_as_short_as_can_be() -> None:
    assert points.labels(["a.use.X.tau", "a.use.Y.tau", "run.tick"]) == {
        "a.use.X.tau": "X.tau", "a.use.Y.tau": "Y.tau", "run.tick": "tick",
    }  # fmt: skip
    assert points.labels(["population.a.n"]) == {"population.a.n": "a.n"}  # n is a column of tables
    assert points.labels([RATE]) == {RATE: "a.rate_hz"}  # and rate_hz a number that runs end with


def test_seeds_are_paired_and_each_stands_once() -> None:
    assert points.seeds(3, 7) == [7, 8, 9] and points.seeds([4, 2], 7) == [4, 2]
    for wrong in ([], [1, 1], 0, -1, 1.5, "two"):
        with pytest.raises(ParameterError, match="seed"):
            points.seeds(wrong, 0)


# ---------------------------------------------------------------------- the door


def test_what_the_study_does_not_have_stops_at_the_door(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ANSWERS", 0.5)
    for over, match in (
        ({"projection.ab.use.Turnover.erly": [1.0]}, "did you mean 'early'"),
        ({"projection.ab.use.Turnovr.early": [1.0]}, "over: .*did you mean 'Turnover'"),
        ({"run.tik": ["2 hour"]}, "tik"),
        ({EARLY: [9.0, -1.0]}, "early"),
        ({"population.a.kind": ["Poisson", "Poison"]}, "did you mean 'Poisson'"),
    ):
        with pytest.raises(StudyError, match=match):
            quick(path, over)
    for more, match in (
        ({"task": 4}, r"\[0, 1\].*--array=0-1.*got 4"), ({"task": -1}, "counted from 0"), ({"jobs": 0}, "jobs"),
        ({"threads": 0}, "threads"), ({"executor": 3}, "concurrent.futures.Executor"),
        ({"overwrite": "no"}, "overwrite"),
        ({"executor": ThreadPoolExecutor}, "call it"), ({"jobs": 1, "scheduler": "tcp://a:1"}, "leave one of them out"),
        ({"scheduler": "here"}, "tcp://"), ({"to": ""}, "to must be"), ({"to": path}, "cannot be a folder"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=match):
            quick(path, {EARLY: [8.0, 9.0]}, **more)
    with pytest.raises(ParameterError, match="study must be the path of a study"):
        quick(3)
    with pytest.raises(StudyError, match="there is no study"):
        quick(tmp_path / "none.toml")
    with pytest.raises(ParameterError, match="needs Dask|nobody answers"):
        quick(path, scheduler="tcp://127.0.0.1:9")
    assert not list(tmp_path.rglob("*.sqlite")) and not list(tmp_path.rglob("sweep.json"))


def test_a_client_of_dask_is_not_its_executor() -> None:
    class Client:
        def get_executor(self) -> None:
            """As of Dask's."""

    with pytest.raises(ParameterError, match=r"hand over client.get_executor\(\)"):
        workers.checked(Client())


# ---------------------------------------------------------------------- runs


def test_each_is_a_run_of_its_own_and_is_run_once(path: Path, tmp_path: Path) -> None:
    found = quick(path, {EARLY: [4.0, 9.0], RATE: [20.0, 40.0]}, seeds=[4])
    assert found.folder == tmp_path / "s-sweep" and len(found.runs) == 4 == len(found) and not found.missing
    alone = tmp_path / "alone.sqlite"
    words = ["--set", f"{EARLY}=9.0", "--set", f"{RATE}=40.0", "--set", "seed=4"]
    assert cli.main(["run", str(path), "--to", str(alone), "--quiet", *words]) == 0
    mine, theirs = told(found.run(seed=4, early=9.0, rate_hz=40.0).path), told(alone)
    assert all(mine[k] == theirs[k] for k in theirs if k not in ("provenance", "item/provenance"))
    before = {p: p.stat().st_mtime_ns for p in found.folder.glob("*.sqlite")}
    more = quick(path, {EARLY: [4, 9.0, 14.0], RATE: [20.0, 40.0]}, seeds=[4])  # a value more, and 4 is 4.0
    after = {p: p.stat().st_mtime_ns for p in more.folder.glob("*.sqlite")}
    assert len(more.runs) == 6 == len(after) and before.items() <= after.items()
    with pytest.raises(ParameterError, match="another sweep, of which 5 of 6 runs"):
        quick(path, {EARLY: [4.0], RATE: [20.0]}, seeds=[4], to=found.folder)
    assert len(nd.Sweep(found.folder)) == 6


def test_numbers_over_points_and_seeds(path: Path) -> None:
    found = quick(path, {EARLY: [4.0, 9.0]}, seeds=3)
    ends = found.values("final")
    assert ends.shape == (2, 3) and ends[1, 2] == found.run(early=9.0, seed=5).summary()["final"]
    table = found.table()
    assert table["early"].tolist() == [4.0, 9.0] and table["n"].tolist() == [3, 3]
    half = 4.302652729911275 * ends.std(axis=1, ddof=1) / 3**0.5  # Student's t of two degrees of freedom
    np.testing.assert_allclose(table["final +-"], half)
    assert "+-" in found.told() and "early" in found.told() and "2 points x 3 seeds, 6 finished" in repr(found)
    long = found.to_pandas()
    assert len(long) == 2 * 3 * 12 and set(long["early"]) == {4.0, 9.0} and set(long["seed"]) == {3, 4, 5}
    assert found.plot().axes and found.plot("rate_hz").axes
    with pytest.raises(ParameterError, match="did you mean 'final'"):
        found.values("finl")
    for words, match in (({"erly": 4.0}, "did you mean 'early'"), ({}, "2 runs have seed"), ({"early": 5.0}, "0 runs")):
        with pytest.raises(ParameterError, match=match):
            found.run(**words)


def test_one_data_set_of_parameters_seeds_and_time(path: Path, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    found = quick(path, {EARLY: [4.0, 9.0], "run.tick": ["2 hour", "4 hour"]}, seeds=2)
    data = found.dataset
    assert data["n_synapse.ab"].dims == ("early", "tick", "seed", "day") and data.sizes["day"] == 12
    assert data["tick"].attrs == {"key": "run.tick", "units": "hour"} and data["early"].attrs["key"] == EARLY
    run = found.run(early=9.0, tick="4 hour", seed=4)
    mine = data["n_synapse.ab"].sel(early=9.0, tick=4.0, seed=4)
    assert mine.dropna("day").values.tolist() == run.series("n_synapse/ab").tolist() and mine.isnull().sum() == 6
    to = found.to_netcdf(tmp_path / "a.nc")
    with xarray.open_dataset(to, engine="scipy") as again:
        xarray.testing.assert_identical(again.load(), data)
    pairs = quick(path, {EARLY: [4.0, 9.0], RATE: [10.0, 20.0]}, paired=True, to=tmp_path / "pairs").dataset
    assert pairs["births.ab"].dims == ("point", "seed", "day") and pairs["a.rate_hz"].dims == ("point",)
    with pytest.raises(ParameterError, match="does not exist"):
        found.to_netcdf(tmp_path / "no" / "a.nc")


def test_without_xarray_the_data_set_says_what_it_needs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(ParameterError, match=r"pip install 'neurodev\[sweep\]'"):
        _ = quick(path).dataset


TRAIN = """
seed = 1
[data]
kind = "digits"
train = 60
test = 20
[encoder]
steps = 4
[network]
hidden = [12]
[train]
epochs = 2
batch = 20
"""


def test_trainings_are_swept_alike(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    study = tmp_path / "t.toml"
    study.write_text(TRAIN)
    over = {"network.hidden": [[8], [12]]}
    found = quick(study, over, seeds=2)
    assert len(found.runs) == 4 and found.values("accuracy").shape == (2, 2) and "accuracy" in found.told()
    assert [r.provenance["seed"] for r in found.runs] == [1, 2, 1, 2]
    longer = found.to_pandas()
    assert set(longer["epoch"]) == {1.0, 2.0} and "test_accuracy" in longer and found.plot().axes
    draws = {json.dumps(nd.Sweep(found.folder).runs[k].training.settings["data"]) for k in range(4)}
    assert len(draws) == 1  # the same samples for all seeds
    before = {p: p.stat().st_mtime_ns for p in found.folder.glob("*.sqlite")}
    assert len(quick(study, over, seeds=2).runs) == 4
    assert {p: p.stat().st_mtime_ns for p in found.folder.glob("*.sqlite")} == before
    with pytest.raises(StudyError, match="did you mean 'epochs'"):
        quick(study, {"train.epoch": [1, 2]})


# ---------------------------------------------------------------------- what goes wrong


def test_one_that_fails_is_told_beside_the_others(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", str(path), "--over", "run.events_per_tick=3,1000000", "--jobs", "1", "--quiet"]
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "1 of 2 runs failed" in said.err and "failed: events_per_tick=3, seed=3: " in said.out
    found = nd.Sweep(path.with_name("s-sweep"))
    (bad,) = found.failed
    assert bad.task == 0 and bad.point == {"run.events_per_tick": 3} and len(found.runs) == 1
    assert (
        found.table()["failed"].tolist() == [1, 0]
        and bad.message in (found.folder / bad.file).with_suffix(".failed").read_text()
    )
    with pytest.raises(ParameterError, match="failed: "):
        found.run(events_per_tick=3)
    assert cli.main([*words, "--task", "0"]) == 2 and cli.main([*words, "--task", "1"]) == 0


def test_drawn_points_that_cannot_be_are_failures_unless_all_are(path: Path) -> None:
    found = quick(path, {RATE: "-20..20"}, draw=4)
    assert len(found.failed) == 2 and len(found.runs) == 2 and "rate_hz" in found.failed[0].message
    with pytest.raises(StudyError, match="no point that was drawn can be run.*rate_hz"):
        quick(path, {RATE: "-20..-10"}, draw=4)


def test_a_cut_run_is_gone_on_with_and_ends_at_the_same_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quick(path, seeds=3, to=path.with_name("whole"))
    piece, count = Simulation._one_piece, []

    def stop(self: Simulation, end: float) -> None:
        count.append(1)
        if len(count) == 18:  # within the second of them
            os.kill(os.getpid(), signal.SIGINT)
        piece(self, end)

    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "_one_piece", stop)
        with pytest.raises(KeyboardInterrupt, match="1 of 3 runs are finished.*the same call goes on"):
            quick(path, seeds=3)
    folder = path.with_name("s-sweep")
    cut = nd.Sweep(folder)
    assert len(cut.runs) == 1 and len(cut.missing) == 2 and (folder / cut.missing[0]).is_file()
    first = cut.runs[0].path.stat().st_mtime_ns
    begun: list[str] = []
    monkeypatch.setattr(Simulation, "__init__", _noted(Simulation.__init__, begun))
    assert len(quick(folder).runs) == 3  # as the folder says it
    assert begun == ["seed=5"] and cut.runs[0].path.stat().st_mtime_ns == first  # the second was not begun anew
    assert bytes_of(folder) == bytes_of(whole.folder)


def _noted(init: Any, begun: list[str]) -> Any:
    def made(self: Simulation, *args: Any, **more: Any) -> None:
        begun.append(str(more["to"]).rpartition("/")[2].partition("_")[0])
        init(self, *args, **more)

    return made


def test_files_that_a_kill_leaves_are_begun_anew_and_others_are_not_touched(path: Path) -> None:
    d = described(path)
    folder = place.made(path.with_name("f"))
    file = folder / d.cases[0].file
    how = How(str(folder))
    file.touch()  # killed at its first breath
    assert place.state(file, d.cases[0].hash) == place.CUT and one(d.cases[0], how).state == DONE
    assert place.state(file, d.cases[0].hash) == place.FINISHED and not one(d.cases[0], how).ran
    before = file.read_bytes()
    other = case(d.study, 9, {}, file=file.name)
    assert place.state(file, other.hash) == place.OTHER
    found = one(other, how)
    assert found.state == FAILED and "another study" in found.message and file.read_bytes() == before
    file.write_bytes(b"what somebody else keeps here" * 99)
    found = one(d.cases[0], how)
    assert found.state == FAILED and "not a run file" in found.message and b"somebody" in file.read_bytes()


def test_a_run_that_somebody_else_writes_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = described(path)
    folder = place.made(path.with_name("f"))
    file = folder / d.cases[0].file
    net = nd.Network(seed=1)
    net.add(nd.LIF(), 1)
    theirs = nd.Simulation(net, to=file)
    assert place.state(file, d.cases[0].hash) == place.GROWING
    assert apart(d.cases[0], How(str(folder))).state == "elsewhere"
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        theirs.file.discard()

    monkeypatch.setattr("neurodev.studies.sweeps.going.time.sleep", sleep)
    found = quick(path, to=folder)
    assert looks and len(found.runs) == 1 and not found.failed


class Dying(ThreadPoolExecutor):
    """Its workers die: at the first run, or at every one."""

    def __init__(self, always: bool = False) -> None:
        super().__init__(1)
        self.always, self.asked = always, 0

    def submit(self, fn: Any, /, *args: Any, **more: Any) -> Future[Any]:
        self.asked += 1
        if self.always or self.asked == 1:
            out: Future[Any] = Future()
            out.set_exception(BrokenProcessPool("it was killed"))
            return out
        return super().submit(fn, *args, **more)


def test_a_worker_that_dies_loses_only_its_run(path: Path) -> None:
    with Dying() as executor:
        found = quick(path, seeds=2, executor=executor)
    assert executor.asked == 3 and len(found.runs) == 2 and not found.failed
    with Dying(always=True) as executor:
        found = quick(path, {RATE: [30.0]}, executor=executor, to=path.with_name("other"))
    assert (
        executor.asked == 3 and "died 3 times" in found.failed[0].message and "it was killed" in found.failed[0].message
    )


def test_an_executor_that_is_over_says_so(path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(NeurodevError, match="takes no more runs .*goes on with them"):
        quick(path, executor=executor)


def test_two_sweeps_in_one_folder_grow_or_refuse(path: Path) -> None:
    folder = path.with_name("f")
    quick(path, {RATE: [20.0]}, to=folder, task=0)
    assert json.loads((folder / "sweep.json").read_text())["runs"][0]["point"] == {RATE: 20.0}
    with pytest.raises(ParameterError, match="another sweep"):
        quick(path, {RATE: [30.0]}, to=folder)
    assert len(quick(path, {RATE: [20.0, 30.0]}, to=folder, task=1).runs) == 2
    quick(path, {RATE: [30.0]}, to=folder, overwrite=True)
    assert len(nd.Sweep(folder)) == 1 and len(list(folder.glob("*.sqlite"))) == 2  # files of the other stay
    (folder / "sweep.json").write_text("{")
    with pytest.raises(ParameterError, match="is damaged"):
        nd.Sweep(folder)
    for wrong in (path.parent, path.with_name("none")):
        with pytest.raises(ParameterError, match="is not the folder of a sweep"):
            nd.Sweep(wrong)


def test_a_folder_says_itself_what_is_run(path: Path) -> None:
    quick(path, seeds=2, task=1)
    with pytest.raises(ParameterError, match="says itself what is varied"):
        quick(path.with_name("s-sweep"), {RATE: [1.0]})
    path.unlink()  # the folder has the study
    assert len(quick(path.with_name("s-sweep")).runs) == 2


def test_hashes_are_of_what_a_study_says(path: Path) -> None:
    a, b = reading.load(path), reading.parsed("# other words\n" + STUDY.replace("20.0", "20"), "b.toml")
    assert hash_of(a.table) == hash_of(b.table) != hash_of(reading.load(path, {"run.tick": "3"}).table)


def test_a_class_that_changed_is_not_taken_for_the_same(path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    own = "import neurodev as nd\nclass Fast(nd.Poisson):\n    '''Mine.'''\n    speed = {}\n"
    (tmp_path / "own_drive_of_sweep.py").write_text(own.format(1))
    path.write_text(STUDY.replace('"Poisson"', '"own_drive_of_sweep:Fast"'))
    assert len(quick(path).runs) == 1 and len(quick(path).runs) == 1
    (tmp_path / "own_drive_of_sweep.py").write_text(own.format(2))
    del __import__("sys").modules["own_drive_of_sweep"]
    __import__("linecache").clearcache()
    assert one(described(path).cases[0], How(str(tmp_path / "s-sweep"))).message.startswith("the source of")


# ---------------------------------------------------------------------- whoever runs them


def test_the_same_bytes_from_processes_tasks_and_here(path: Path, tmp_path: Path) -> None:
    over = {EARLY: [4.0, 9.0]}
    here = bytes_of(quick(path, over, seeds=2, to=tmp_path / "here").folder)
    for task in (3, 0, 2, 1):
        quick(path, over, seeds=2, task=task, to=tmp_path / "tasks")
    assert bytes_of(tmp_path / "tasks") == here and len(here) == 4
    with ThreadPoolExecutor(2) as executor:
        found = quick(path, over, seeds=2, to=tmp_path / "threads", executor=executor)
    assert not found.failed and not found.missing, (found.failed, found.missing)
    assert bytes_of(found.folder) == here


@pytest.mark.slow
def test_processes_that_die_are_replaced_and_the_bytes_are_the_same(path: Path, tmp_path: Path) -> None:
    over = {EARLY: [4.0, 6.0, 9.0], "run.duration": ["10 day"]}
    here = bytes_of(quick(path, over, seeds=2, to=tmp_path / "here").folder)
    d, killed = described(path, over, seeds=2), list[int]()
    folder = place.made(tmp_path / "killed")

    def ended(c: Any, outcome: Outcome) -> None:
        if not killed:
            killed.extend(pool.processes())
            os.kill(killed[0], signal.SIGKILL)

    with workers.Processes(2) as pool:
        outcomes = Going(d.cases, How(str(folder)), pool, 2, ended).all()
    assert all(o.state == DONE for o in outcomes.values()) and len(killed) == 2
    assert bytes_of(folder) == here and len(here) == 6


@pytest.mark.slow
def test_a_pool_of_somebody_else(path: Path, tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=workers.get_context("spawn")) as executor:
        theirs = quick(path, seeds=3, executor=executor, to=tmp_path / "theirs")
    assert bytes_of(theirs.folder) == bytes_of(quick(path, seeds=3, to=tmp_path / "here").folder)


@pytest.mark.slow
def test_a_dask_cluster_with_a_worker_killed(path: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    over = {EARLY: [4.0, 9.0], "run.duration": ["10 day"]}
    here = bytes_of(quick(path, over, seeds=3, to=tmp_path / "here").folder)
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        pids = distributed.Client(cluster).run(os.getpid)
        timer = __import__("threading").Timer(3.0, os.kill, (min(pids.values()), signal.SIGKILL))
        timer.start()
        swept = quick(path, over, seeds=3, scheduler=cluster.scheduler_address, to=tmp_path / "dask")
        timer.join()
    assert bytes_of(swept.folder) == here and len(here) == 6 and not swept.failed


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurodev.studies.sweeps.sweep import shares

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert shares(None, None, 100) == (8, 1) and shares(2, None, 100) == (2, 4) and shares(4, None, 2) == (2, 4)
    assert shares(2, 3, 9) == (2, 3) and shares(None, None, 9, executor=workers.Here()) == (1, 1)


def test_kernels_are_compiled_for_each_kind_that_no_other_contains(path: Path) -> None:
    d = described(path, {EARLY: [4.0, 9.0]}, seeds=3)
    assert warm.compile_for(d.cases) == 1
    d = described(path, {"population.b.kind": ["LIF", "AlphaLIF"]})
    assert warm.kinds(d.cases[0].study().table) == {"Poisson", "LIF", "Degree", "SpineSize", "Turnover"}
    assert warm.kinds([]) == frozenset()


def test_a_process_within_a_process_says_what_stands_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(NeurodevError, match='if __name__ == "__main__":'):
        workers.Processes(2)


def test_a_process_of_ours_ends_its_run_and_not_itself() -> None:
    def asked() -> None:
        workers._asked(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        workers.at_work(asked)
    asked()  # nobody is at work: nothing happens
    with pytest.raises(SystemExit):
        workers._asked(signal.SIGTERM, None)

    def broken(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurodev.studies.sweeps.one.one", broken)
        assert apart(None, None).state == CUT  # type: ignore[arg-type]


# ---------------------------------------------------------------------- seeds of run and train


def test_seeds_of_a_run_are_a_sweep_and_one_that_fails_stops_no_other(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", str(path), "--seeds", "3", "--quiet", "--to", str(tmp_path / "r.sqlite")]
    run = Simulation.run

    def failing(self: Simulation, *args: Any) -> Simulation:
        if "seed4" in str(self.path):
            raise NeurodevError("this one does not")
        return run(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "run", failing)
        assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "1 of 3 runs failed; the first: this one does not" in said.err
    assert "r-seed3.sqlite" in said.out and "r-seed5.sqlite" in said.out and not list(tmp_path.glob("*.failed"))
    assert cli.main(words) == 2 and "holds a run already" in capsys.readouterr().err
    assert cli.main([*words, "--overwrite"]) == 0
