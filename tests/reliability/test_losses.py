"""Nothing is lost on the way: full disks, killed and interrupted programs, names that are taken, other folders."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import ParameterError, RunFileError
from neurodev.record.patience import Patience
from neurodev.record.runfile import RunFile
from neurodev.simulation import recording
from neurodev.units import day, hour

STUDY = """
seed = 1
[population.a]
kind = "Poisson"
rate_hz = 20.0
n = 5
[population.b]
kind = "LIF"
n = 3
[run]
duration = "1000 ms"
tick = "500 ms"
"""


def net(n: int = 5, rate: float = 40.0) -> nd.Network:
    made = nd.Network(seed=1)
    a, b = made.add(nd.Poisson(rate), n, name="a"), made.add(nd.LIF(), n, name="b")
    made.connect(a, b, nd.OneToOne(), weight=25.0, name="ab")
    return made


def grown() -> nd.Network:
    made = nd.Network(seed=3)
    a, b = made.add(nd.Poisson(10.0), 40, name="a"), made.add(nd.LIF(), 30, name="b")
    q = made.connect(a, b, nd.Degree(10), spines=nd.Spines(weight=6), name="map")
    q.use(nd.SpineSize(), nd.Turnover(early=40.0, late=40.0))
    return made


def run(to: Path, duration: float = 200.0, **more: Any) -> nd.Run:
    return nd.simulate(net(), duration, tick=100.0, to=to, progress=False, **more)


def program(text: str, *args: object, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", text, *map(str, args)]
    return subprocess.Popen(command, env=os.environ | env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# ---------------------------------------------------------------- names that are taken


def test_a_run_is_replaced_only_on_request_and_only_by_one_that_gets_going(tmp_path: Path) -> None:
    to = tmp_path / "r.sqlite"
    first = run(to)
    whole = to.read_bytes()
    for attempt in (lambda: run(to), lambda: RunFile.create(to)):
        with pytest.raises(RunFileError, match="holds a run already: overwrite=True"):
            attempt()
    sim = nd.Simulation(net(), tick=100.0, to=to, overwrite=True)
    with pytest.raises(ParameterError):
        sim.run(-1.0)
    del sim
    gc.collect()  # it never ran: the older one comes back
    assert to.read_bytes() == whole and list(tmp_path.iterdir()) == [to]
    assert first.counts("a").shape == (2, 5)
    second = run(to, 300.0, overwrite=True)
    assert second.counts("a").shape == (3, 5) and list(tmp_path.iterdir()) == [to]


def test_a_run_of_a_file_that_was_replaced_does_not_answer_from_the_new_one(tmp_path: Path) -> None:
    to = tmp_path / "r.sqlite"
    first = run(to)
    run(to, 300.0, overwrite=True)
    for question in (lambda: first.counts("a"), lambda: first.series("life"), first.verify, first.refresh):
        with pytest.raises(RunFileError, match="another run since it was opened"):
            question()
    to.unlink()
    with pytest.raises(RunFileError, match="moved or removed"):
        first.counts("a")


def test_a_run_that_was_resumed_is_looked_at_anew(tmp_path: Path) -> None:
    f = RunFile.create(tmp_path / "r")
    for k in range(4):
        f.append("a", np.full(3, k))
        f.checkpoint(k, b"state")
        f.commit()
    f.append("a", np.full(3, 99))
    f.close()
    reader = RunFile.open(tmp_path / "r")
    again, tick, _ = RunFile.resume(tmp_path / "r")
    with pytest.raises(RunFileError, match="resumed since"):
        reader.read("a")
    reader.refresh()
    assert tick == 3 and reader.read("a").tolist() == np.repeat(range(4), 3).tolist() and not reader.sealed
    again.append("a", np.full(2, 4))
    again.close()
    reader.refresh()
    assert reader.read("a").size == 14 and reader.sealed


def test_what_is_no_file_is_not_written(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for to, why in ((pipe, "a device or a pipe"), (folder, "a folder"), (Path("/dev/null"), "a device or a pipe")):
        with pytest.raises(RunFileError, match=why):
            run(to, overwrite=True)
        assert to.exists()
    for odd in ("", 5, "a\0b", b"bytes"):
        with pytest.raises(ParameterError, match="to must be the path of a file"):
            run(odd)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [":memory:", "file:odd.sqlite", "a?mode=memory", "a b#c%20.sqlite", "ü.sqlite"])
def test_a_name_is_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(Path(name)).counts("a").shape == (2, 5)
    assert os.listdir(tmp_path) == [name]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.sqlite"
    link.symlink_to(tmp_path / "there" / "real.sqlite")
    run(link)
    run(link, overwrite=True)
    assert link.is_symlink() and os.listdir(tmp_path / "there") == ["real.sqlite"]


def test_a_relative_path_means_the_folder_of_its_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir(), two.mkdir()
    monkeypatch.chdir(one)
    finished = run(Path("x.sqlite"))
    begun = nd.Simulation(net(), tick=100.0, to="y.sqlite")
    monkeypatch.chdir(two)
    assert finished.counts("a").sum() > 0 and "x.sqlite" in finished.info()
    assert begun.run(200.0).close().counts("a").sum() > 0
    assert not os.listdir(two) and sorted(os.listdir(one)) == ["x.sqlite", "y.sqlite"]


def test_commands_that_fail_at_once_cost_no_run(tmp_path: Path, capsys: Any) -> None:
    study, to = tmp_path / "s.toml", tmp_path / "s.sqlite"
    study.write_text(STUDY)
    assert cli.main(["run", str(study), "--quiet"]) == 0, capsys.readouterr().err
    whole = to.read_bytes()
    wrong = [[], ["--seeds", "2", "--to", str(to.with_name("x.sqlite"))]]
    wrong += [["--overwrite", "--set", s] for s in ("run.duration=-1", 'run.duration="1 moon"', "run.tick=0")]
    (tmp_path / "x-seed2.sqlite").write_bytes(whole)
    for words in wrong:
        assert cli.main(["run", str(study), "--quiet", *words]) == 2, words
        assert "neurodev: " in capsys.readouterr().err
    assert to.read_bytes() == whole and not (tmp_path / "x-seed1.sqlite").exists()
    assert cli.main(["run", str(study), "--quiet", "--overwrite"]) == 0
    assert cli.main(["train", "--resume", "--overwrite", "--to", str(to)]) == 2
    assert "choose one" in capsys.readouterr().err


def test_pages_and_pictures_are_not_written_over_runs(tmp_path: Path, capsys: Any) -> None:
    to = tmp_path / "r.sqlite"
    nd.simulate(grown(), 1 * day, acceleration=7200 * 24, tick=6 * hour, to=to, progress=False)
    whole = to.read_bytes()
    for words in (["report", to, "--to", to], ["spine", to, "longest", "--figure", to], ["show", "STDP", "--plot", to],
                  ["report", to, "--to", "/dev/full"]):  # fmt: skip
        assert cli.main([str(w) for w in words]) == 2, words
        assert "Traceback" not in capsys.readouterr().err
    assert to.read_bytes() == whole


# ---------------------------------------------------------------- full disks


FULL = """
import resource, sys
import neurodev as nd
from neurodev.simulation import recording
from neurodev.units import day
from tests.reliability.test_losses import grown
recording._FLUSH_SECONDS = 0.0
sim = nd.Simulation(grown(), acceleration=7200 * 24, tick=0.05 * day, to=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    sim.run(30 * day).close()
except nd.NeurodevError as e:
    print(e)
"""


@pytest.mark.parametrize("size", [150_000, 400_000])
def test_what_a_full_disk_leaves_can_be_verified(size: int, tmp_path: Path) -> None:
    to = tmp_path / "r.sqlite"
    out, err = program(FULL, to, size).communicate(timeout=300)
    assert "is the disk full?" in out, (out, err)
    left = nd.Run(to)
    assert not left.file.sealed and "not sealed" in left.info()
    assert left.verify() >= 0 and left.n_tick < 600
    assert left.series("life").size == left.series("n_synapse/map").size == left.counts("a").shape[0]


def test_a_failed_write_ends_the_writing(tmp_path: Path) -> None:
    f = RunFile.create(tmp_path / "r")
    f.append("a", np.arange(5))
    f.commit()
    assert f._db is not None
    pages = f._db.execute("PRAGMA page_count").fetchone()[0]
    f._db.execute(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(RunFileError, match="is the disk full"), f.together():
        f.append("a", np.random.default_rng(1).integers(0, 2**60, 50_000))
    f._db.execute("PRAGMA max_page_count=1000000")  # there is room again, but what was taken back is missing
    for go_on in (lambda: f.append("b", np.arange(3)), f.commit, lambda: f.set_item("finished", True)):
        with pytest.raises(RunFileError, match="could not be written"):
            go_on()
    f.close()
    r = RunFile.open(tmp_path / "r")
    assert not r.sealed and r.names() == ["a"] and r.read("a").tolist() == [0, 1, 2, 3, 4]
    r.verify()


# ---------------------------------------------------------------- time and size


def test_spikes_are_flushed_within_a_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick of two hours at acceleration 1 is hours of work: a kill must not cost it, nor memory hold it."""
    monkeypatch.setattr(recording, "_FLUSH_SECONDS", 0.0)
    sim = nd.Simulation(net(), to=tmp_path / "r.sqlite", record="all", checkpoint=None)
    seen: list[int] = []
    settle = sim.recorder.flush

    def flush(tick: int, checkpoint: bytes | None = None) -> None:
        settle(tick, checkpoint)
        seen.append(RunFile.open(tmp_path / "r.sqlite").length("spikes/a/time"))

    monkeypatch.setattr(sim.recorder, "flush", flush)
    sim.run(20_000.0)
    assert sim.simulator.n_tick == 0 and len(seen) > 3 and seen == sorted(seen) and seen[0] > 0
    done = sim.close()
    assert done.spikes("a")[0].size == seen[-1] and (np.diff(done.spikes("a")[0]) >= 0).all()
    monkeypatch.setattr(recording, "_FLUSH_SECONDS", 1e9)
    monkeypatch.setattr(recording, "_FLUSH_BYTES", 5000)
    by_size = nd.Simulation(net(), record="all")
    by_size.run(20_000.0)
    assert by_size.recorder.pending <= 5000 + 4000
    assert np.array_equal(by_size.close().spikes("a")[0], done.spikes("a")[0])


# ---------------------------------------------------------------- signals


def test_signals_wait_and_handlers_come_back() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    steps: list[str] = []
    for number, kind in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):
        with pytest.raises(kind), Patience() as outer:
            with pytest.raises(kind), Patience() as inner:
                signal.raise_signal(number)
                steps.append("inner")
                inner.check()
            with Patience():
                signal.raise_signal(number)
            steps.append("outer")
            outer.check()
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert steps == ["inner", "outer"] * 2
    own: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: own.append(number))
    try:
        with Patience():
            signal.raise_signal(signal.SIGTERM)
            assert not own
        assert own == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before[1])


@pytest.mark.parametrize("late", [False, True])
def test_ctrl_c_between_run_and_close_loses_nothing(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in the last piece, once when the bar has gone: sealed either way, and what is said is so."""
    piece, ended = nd.Simulation._one_piece, nd.Simulation.close

    def press(sim: nd.Simulation, *end: float) -> Any:
        if late or sim.simulator.n_tick == 7:
            signal.raise_signal(signal.SIGINT)
        return (ended if late else piece)(sim, *end)  # type: ignore[call-arg]

    monkeypatch.setattr(nd.Simulation, "close" if late else "_one_piece", press)
    with pytest.raises(KeyboardInterrupt):
        nd.simulate(grown(), 2 * day, acceleration=7200 * 24, tick=6 * hour, to=tmp_path / "r.sqlite", progress=False)
    left = nd.Run(tmp_path / "r.sqlite")
    assert left.file.sealed and left.n_tick == 8 and left.verify() > 0
    assert left.file.item("finished") == (True if late else "interrupted")


def test_ctrl_c_while_closing_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = nd.Simulation(grown(), acceleration=7200 * 24, tick=6 * hour, to=tmp_path / "r.sqlite")
    sim.run(2 * day)
    snapshot = sim.recorder.snapshot

    def press(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        snapshot(*arguments)

    monkeypatch.setattr(sim.recorder, "snapshot", press)
    with pytest.raises(KeyboardInterrupt):
        sim.close()
    left = nd.Run(tmp_path / "r.sqlite")
    assert left.file.sealed and left.file.item("finished") is True and left.n_tick == 8 and left.verify() > 0


ENDLESS = """
import sys
import neurodev as nd
from neurodev.units import day
from tests.reliability.test_losses import grown
sim = nd.Simulation(grown(), acceleration=7200, tick=0.05 * day, to=sys.argv[1])
sim.run(0.1 * day)
print("going", flush=True)
sim.run(10_000 * day)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_end_seals(number: signal.Signals, tmp_path: Path) -> None:
    to = tmp_path / "r.sqlite"
    going = program(ENDLESS, to)
    assert going.stdout is not None and going.stdout.readline() == "going\n"
    time.sleep(0.3)
    going.send_signal(number)
    _, err = going.communicate(timeout=120)
    assert going.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT), err
    left = nd.Run(to)
    assert left.file.sealed and left.file.item("finished") == "interrupted" and left.verify() > 0
    assert not Path(f"{to}-wal").exists()


def test_a_program_that_forgets_to_close_leaves_one_readable_file(tmp_path: Path) -> None:
    text = ENDLESS.replace("10_000", "0.1").replace("sys.argv[1])", "sys.argv[1]); sim._flush()", 1)
    going = program(text, tmp_path / "r.sqlite")
    _, err = going.communicate(timeout=120)
    assert going.returncode == 0, err
    assert os.listdir(tmp_path) == ["r.sqlite"]
    assert "not sealed" in nd.Run(tmp_path / "r.sqlite").info()


# ---------------------------------------------------------------- surroundings


def test_made_in_one_thread_and_driven_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_FLUSH_SECONDS", 0.0)
    sim = nd.Simulation(net(), tick=100.0, to=tmp_path / "r.sqlite")
    out: list[Any] = []

    def drive() -> None:
        sim.at(50.0, nd.Silence("a"), clock="spike")
        out.append(sim.run(300.0).close())

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert len(out) == 1 and out[0].counts("a").shape == (3, 5) and out[0].counts("a")[1:].sum() == 0


@pytest.mark.parametrize("stream", [None, "closed", "mute"])
def test_no_console_is_needed(stream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute:
        def write(self, text: str) -> None:
            raise OSError("nobody listens")

    closed = open(os.devnull, "w")  # noqa: SIM115
    closed.close()
    monkeypatch.setattr(sys, "stderr", {None: None, "closed": closed, "mute": Mute()}[stream])
    assert nd.simulate(net(), 200.0, tick=100.0, to=tmp_path / "r.sqlite").counts("a").sum() > 0


def test_where_there_is_no_terminal_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from neurodev.record import bar

    one = bar.Bar(10.0, "begin")
    for k in range(10):
        one.update(float(k), f"step {k}")
    one.close()
    assert capsys.readouterr().err.splitlines() == [" 90% step 9 [0 s]"]
    monkeypatch.setattr(bar, "_EVERY", 0.0)
    two = bar.Bar(4.0)
    for k in (1, 2, 3, 4):
        two.update(float(k), f"step {k}")
    assert [line.split(" [")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"{25 * k:3d}% step {k}" for k in (1, 2, 3, 4)
    ]


def test_a_failed_begin_gives_the_name_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = tmp_path / "r.sqlite"
    run(to)
    whole = to.read_bytes()
    monkeypatch.setattr(nd.Simulation, "_describe", lambda self, study: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nd.Simulation(net(), to=to, overwrite=True)
    assert to.read_bytes() == whole and list(tmp_path.iterdir()) == [to]


def test_two_programs_do_not_take_one_name(tmp_path: Path) -> None:
    one = RunFile.create(tmp_path / "r")
    for overwrite in (False, True):
        with pytest.raises(RunFileError, match="still being written|holds a run"):
            RunFile.create(tmp_path / "r", overwrite=overwrite)
    one.append("a", np.zeros(2))
    one.close()
    assert RunFile.open(tmp_path / "r").read("a").size == 2
    with pytest.raises(RunFileError, match="not a neurodev run file"):
        other = sqlite3.connect(tmp_path / "o")
        other.execute("CREATE TABLE t (x)")
        other.close()
        RunFile.create(tmp_path / "o", overwrite=True)
