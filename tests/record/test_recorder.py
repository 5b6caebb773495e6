"""The recorder: which ticks it keeps, that a flush is whole, and how large the demo's file is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.record.snapshots import label_of, labels_in
from neurodev.structure.log import DEATH, LogBatch
from neurodev.units import day, hour


def recorder(path: Path, **options: object) -> Recorder:
    return Recorder(RunFile.create(path), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("tick", [2 * hour, day / 7, day / 360.7, 5 * hour, day, 3 * day, 0.1 * hour])
def test_daily_means_the_first_tick_of_each_day(tmp_path: Path, tick: float) -> None:
    r = recorder(tmp_path / "r")
    n = int(10 * day / tick) + 1
    kept = [k for k in range(n) if r.wants_trains(k * tick, tick)]
    days = [int((k * tick + 1e-3) // day) for k in kept]
    assert kept[0] == 0 and len(set(days)) == len(days)
    if tick <= day:
        assert days == list(range(days[-1] + 1)) and days[-1] >= 9
    else:
        assert kept == list(range(n))
    r.file.close()


def test_all_and_none(tmp_path: Path) -> None:
    for word, expected in (("all", True), ("none", False)):
        r = recorder(tmp_path / word, spikes=word)
        assert all(r.wants_trains(k * 2 * hour, 2 * hour) is expected for k in range(30))
        r.file.close()


def test_the_door(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="did you mean 'daily'"):
        recorder(tmp_path / "a", spikes="dayly")
    for bad in (0.0, -1.0, float("nan"), float("inf"), "day"):
        with pytest.raises(ParameterError, match="snapshot"):
            recorder(tmp_path / "b", snapshots=bad)


def test_snapshots_fall_due_once_and_do_not_drift(tmp_path: Path) -> None:
    r = recorder(tmp_path / "r", snapshots=day / 3)
    tick = day / 12
    due = [k for k in range(12 * 200) if r.snapshot_due(k * tick)]
    assert due == list(range(0, 12 * 200, 4))
    r.file.close()
    r = recorder(tmp_path / "s", snapshots=1 * hour)  # finer than the ticks: every tick, no backlog
    assert [r.snapshot_due(k * 2 * hour) for k in range(4)] == [True] * 4
    r.file.close()


def test_snapshots_at_times_of_one_s_own(tmp_path: Path) -> None:
    r = recorder(tmp_path / "r", snapshots=[3 * day, 5 * hour, 5 * hour, 99 * day])
    ticks = [k * 2 * hour for k in range(100)]
    assert [t / hour for t in ticks if r.snapshot_due(t)] == [6.0, 72.0]  # the first tick that is not earlier
    r.file.close()
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    for bad in ([[1.0]], [[1.0], [2.0, 3.0]], [1, [2]], [-1.0], [float("nan")], ["soon"], 5e-324, masked, True, None):
        with pytest.raises(ParameterError, match="snapshots"):
            recorder(tmp_path / "b", snapshots=bad)


def test_no_two_pictures_have_one_name(tmp_path: Path) -> None:
    ticks = 1000.0 + np.arange(400) * 20.0 / 86400.0  # days: a tick of 20 s
    assert len({label_of(t) for t in ticks}) == ticks.size > len({f"{t:g}" for t in ticks})
    file = RunFile.create(tmp_path / "r")
    file.append("snapshot/0.0833333/ab/uid", np.zeros(1, "<u8"))  # as older files have it
    file.append("snapshot/0.166666666666667/ab/uid", np.zeros(1, "<u8"))
    file.commit()
    found = labels_in(file, [1 / 12, 1 / 6])
    assert found == {1 / 12: "snapshot/0.0833333", 1 / 6: "snapshot/0.166666666666667"}
    file.close()


def test_many_spikes_in_a_tick_are_not_clipped(tmp_path: Path) -> None:
    r = recorder(tmp_path / "r")
    r.counts({"exc": np.array([72_000, 3])})
    r.flush(1)
    assert r.file.read("counts/exc").tolist() == [[72_000, 3]]
    r.file.close()


def test_trains_say_which_ticks_they_hold(tmp_path: Path) -> None:
    r = recorder(tmp_path / "r")
    for k in range(25):
        if r.wants_trains(k * 2 * hour, 2 * hour):
            r.trains("exc", np.array([k * 6e4 + 1.0]), np.array([k], np.uint32))
        r.counts({"exc": np.ones(2, np.int64)})
        if k % 7 == 0:
            r.flush(k)
    r.wants_trains(48 * hour, 2 * hour)  # a tick that is never lived is not claimed
    r.flush(25)
    assert r.file.read("spikes/exc/tick").tolist() == [0, 12, 24]
    assert r.file.read("spikes/exc/index").tolist() == [0, 12, 24]
    assert r.file.read("counts/exc").shape == (25, 2)
    r.file.close()


def test_wide_indices_and_born_in_days(tmp_path: Path) -> None:
    r = recorder(tmp_path / "r")
    r.snapshot("p", "snapshot/0", {"pre": np.array([1, 70_000]), "post": np.array([1, 2]), "born": np.array([0, day])})
    f = r.file
    assert f.read("snapshot/0/p/pre").tolist() == [1, 70_000] and f.read("snapshot/0/p/born").tolist() == [0, 1]
    assert f.read("snapshot/0/p/post").dtype == np.dtype("<u2")
    f.close()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_weights_keep_their_precision(tmp_path: Path, kind: type) -> None:
    """To the last digit of what arrives, as many as it has."""
    r = recorder(tmp_path / "r")
    weight = np.array([0.7, 1 / 3, -2e-9], dtype=kind)
    r.snapshot("p", "initial", {"weight": weight, "size": np.array([0.1, 0.2, 0.3])})
    back = r.file.read("initial/p/weight")
    assert back.dtype == kind and back.tobytes() == weight.tobytes()
    assert r.file.read("initial/p/size").dtype == np.float32
    r.file.close()


def test_an_interrupted_flush_is_done_again_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    r = recorder(tmp_path / "r")
    r.series({"life": 1.0, "x": 2.0})
    r.counts({"exc": np.ones(3, np.int64)})
    whole, calls = r.file.append, []

    def once(name: str, array: np.ndarray) -> None:
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        whole(name, array)

    monkeypatch.setattr(r.file, "append", once)
    with pytest.raises(KeyboardInterrupt):
        r.flush(1)
    r.flush(1)
    r.file.close()
    f = RunFile.open(tmp_path / "r")
    assert f.read("series/life").tolist() == [1.0] and f.read("series/x").tolist() == [2.0]
    assert f.read("counts/exc").shape == (1, 3)


def life(rng: np.random.Generator, k: int, n: int) -> LogBatch:
    """Births and deaths of a tick, as the demo has them: uids of births in order, the rest noise."""
    kind = (rng.random(n) < 0.5).astype(np.uint8)
    uid = np.where(kind == DEATH, rng.integers(1, k * n + 2, n), np.arange(k * n + 1, (k + 1) * n + 1)).astype(
        np.uint64
    )
    x = rng.normal(-1.0, 0.6, (3, n)).astype(np.float32)
    return LogBatch(
        np.full(n, k, np.int32), kind, uid, rng.integers(1, 5, n).astype(np.uint8),
        rng.integers(0, 400, n).astype(np.uint32), rng.integers(0, 800, n).astype(np.uint32),
        rng.integers(0, 9, n).astype(np.uint8), x[0], x[1:].T.copy(),
    )  # fmt: skip


def test_the_demo_fits_into_thirty_megabytes(tmp_path: Path) -> None:
    """360 ticks, 30 waves of 31000 spikes, 31 snapshots of 25000 spines, 150k events: all numbers are noise."""
    rng = np.random.default_rng(3)
    r = recorder(tmp_path / "r")
    sizes = {"retina": 400, "exc": 800, "inh": 200}
    for k in range(360):
        r.counts({p: rng.poisson(30, n) for p, n in sizes.items()})
        r.series({f"s{i}": rng.random() for i in range(8)})
        r.log("map", life(rng, k, 417))
        if k % 12 == 0:
            for p, n in (("retina", 8000), ("exc", 20000), ("inh", 3000)):
                t = np.sort(k * 6e4 + 1000 * rng.random(n) ** 2 + 5e4 * rng.random())
                r.trains(p, t, rng.integers(0, sizes[p], n).astype(np.uint32))
            x = rng.normal(0, 0.9, 25_000)
            row = np.sort(rng.integers(0, 9 * 400, x.size))
            state = {
                "uid": np.sort(rng.permutation(150_000)[: x.size]).astype(np.uint64), "pre": row % 400,
                "post": rng.integers(0, 800, x.size), "lane": row // 400, "weight": 4 * np.exp(x), "log_size": x,
                "size": 0.05 * np.exp(x), "born": rng.integers(0, k + 1, x.size) * 2 * hour,
                "evidence": rng.normal(size=x.size), "drive_evidence": rng.normal(size=x.size),
                "drive_trophic": rng.normal(size=x.size),
            }  # fmt: skip
            r.snapshot("map", f"snapshot/{k // 12}", state)
        if k % 25 == 0:
            r.flush(k)
    r.flush(360)
    events, size = r.file.log_bytes()
    r.file.close()
    megabytes = (tmp_path / "r").stat().st_size / 1e6
    assert events == 360 * 417 and size / events <= 24.0
    assert megabytes < 30.0


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_synapses_stand_as_they_are_listed(tmp_path: Path, wrapped: bool, threads: int) -> None:
    """Arrays of the first snapshot are written one by one: each in the order of the uids, whatever the rows are."""
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(1.0), 4, name="a"), net.add(nd.LIF(), 5, name="b")
    source, target = [3, 1, 2, 0, 1], [0, 2, 1, 4, 0]
    rule = nd.Pairs(source, target, weight=[0.1, 0.2, 0.3, 0.4, 0.5], delay=[3.0, 1.0, 2.0, 1.0, 3.0])
    net.connect(a, b, nd.Rewired(rule, p=0.0) if wrapped else rule, name="q")
    sim = nd.Simulation(net, to=tmp_path / "r", progress=False, threads=threads)
    f = sim.file
    columns = {k: f.read(f"initial/q/{k}").tolist() for k in ("uid", "pre", "post", "lane", "weight")}
    assert columns["uid"] == sorted(columns["uid"])
    assert (columns["pre"], columns["post"]) == (source, target)
    assert (columns["lane"], columns["weight"]) == ([2, 0, 1, 0, 2], [0.1, 0.2, 0.3, 0.4, 0.5])
    sim.close()
