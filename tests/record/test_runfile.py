"""The run file: round trips, readers while it grows, killed writers, and files that are not what they seem."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from neurodev.errors import RunFileError
from neurodev.record import runfile
from neurodev.record.runfile import RunFile
from neurodev.structure.log import LogBatch, empty

ROOT = Path(runfile.__file__).parents[2]


def script(text: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def batch(uids: list[int], tick: int, kind: int = 0) -> LogBatch:
    n = len(uids)
    return LogBatch(
        np.full(n, tick, np.int32), np.full(n, kind, np.uint8), np.array(uids, np.uint64), np.full(n, 3, np.uint8),
        np.arange(n, dtype=np.uint32), np.arange(n, dtype=np.uint32), np.ones(n, np.uint8),
        np.full(n, -0.8, np.float32), np.full((n, 2), np.nan, np.float32),
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8", ">f8", ">u4", "?"])
def test_arrays_come_back_in_chunks_of_any_type(path: Path, dtype: str) -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(0, 2, 1000).astype(dtype) if dtype == "?" else rng.integers(0, 200, 1000).astype(dtype)
    with RunFile.create(path) as f:
        for part in (whole[:1], whole[1:600], whole[600:600], whole[600:]):
            f.append("a", part)
    f = RunFile.open(path)
    assert np.array_equal(f.read("a"), whole) and f.length("a") == 1000
    assert f.read("a").dtype == whole.dtype.newbyteorder("<")
    for start, stop in ((0, 5), (599, 601), (1, 1), (700, None), (-3, None), (0, -990), (2000, 3000)):
        assert np.array_equal(f.read("a", start, stop), whole[start:stop]), (start, stop)


def test_tables_specials_and_empty_arrays_come_back(path: Path) -> None:
    table = np.arange(24, dtype="<u4").reshape(6, 4)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
    with RunFile.create(path) as f:
        f.append("table", table[:2])
        f.append("table", table[2:])
        f.append("odd", odd)
        f.append("nothing", np.zeros(0, "<u8"))
        f.append("late", np.zeros(0))
        f.append("late", np.ones(3))
    f = RunFile.open(path)
    assert np.array_equal(f.read("table"), table) and np.array_equal(f.read("table", 1, 4), table[1:4])
    assert f.read("odd").tobytes() == odd.tobytes()
    assert f.read("nothing").size == 0 and np.array_equal(f.read("late"), np.ones(3))
    assert f.names() == ["late", "nothing", "odd", "table"] and f.names("od") == ["odd"]


def test_items_provenance_log_and_checkpoints_come_back(path: Path) -> None:
    with RunFile.create(path, {"seed": np.int64(7), "versions": {"numpy": "2"}}) as f:
        f.set_item("tick", np.float64(7.2e6), "ms")
        f.set_item("shape", np.arange(3))
        f.set_item("tick", 5.0, "ms")
        f.append_log("b", 1, batch([1, 2], 1))
        f.append_log("b", 2, batch([3], 2))
        f.append_log("other", 2, batch([9], 2))
        for tick in (10, 20, 30):
            f.checkpoint(tick, bytes([tick]))
    f = RunFile.open(path)
    assert f.provenance() == {"seed": 7, "versions": {"numpy": "2"}} == f.item("provenance")
    assert f.item("tick") == 5.0 and f.unit("tick") == "ms" and f.item("shape") == [0, 1, 2]
    assert f.item("absent", None) is None
    assert f.log("b").uid.tolist() == [1, 2, 3] and f.log("b").tick.tolist() == [1, 1, 2]
    assert f.log("nothing").uid.size == 0 and sorted(f.logged()) == ["b", "other"]
    assert f.log_bytes()[0] == 4
    assert f.checkpoints() == [(20, b"\x14"), (30, b"\x1e")]


def test_only_words_and_numbers_go_in(path: Path) -> None:
    with RunFile.create(path) as f:
        with pytest.raises(RunFileError, match="words and numbers"):
            f.set_item("object", object())
        with pytest.raises(RunFileError, match="numbers"):
            f.append("objects", np.array([{}, []], dtype=object))
        with pytest.raises(RunFileError, match="numbers"):
            f.append("words", np.array(["a"]))
        f.append("a", np.zeros(3))
        with pytest.raises(RunFileError, match="began as <f8"):
            f.append("a", np.zeros(3, np.float32))
        with pytest.raises(RunFileError, match="columns"):
            f.append("a", np.zeros((3, 2)))


def test_nothing_in_the_package_of_records_unpickles() -> None:
    for source in (ROOT / "neurodev" / "record").glob("*.py"):
        assert "import pickle" not in source.read_text() and "allow_pickle" not in source.read_text()


def test_a_forged_type_is_refused_not_executed(path: Path) -> None:
    with RunFile.create(path) as f:
        f.append("a", np.arange(4.0))
        f.append("b", np.arange(4.0))
    db = sqlite3.connect(path)
    db.execute("UPDATE chunk SET dtype='|O' WHERE name='a'")
    db.execute("UPDATE chunk SET data=substr(data, 1, 9) WHERE name='b'")
    db.commit()
    db.close()
    f = RunFile.open(path)
    for name in "ab":
        with pytest.raises(RunFileError, match=f"array '{name}' .* is damaged"):
            f.read(name)


def test_a_reader_sees_what_was_flushed_and_keeps_seeing_it(path: Path) -> None:
    with RunFile.create(path) as w:
        w.append("a", np.arange(3.0))
        w.commit()
        r = RunFile.open(path)
        w.append("a", np.arange(3.0, 5))
        w.append("b", np.zeros(2))
        w.append_log("p", 1, batch([1], 1))
        assert r.read("a").size == 3  # not committed
        w.commit()
        # committed, but two reads of one reader always belong together
        assert r.read("a").size == 3 and r.names() == ["a"] and r.log("p").uid.size == 0 and not r.sealed
        r.refresh()
        assert r.read("a").size == 5 and r.names() == ["a", "b"] and r.log("p").uid.tolist() == [1]
    r.refresh()
    assert r.sealed and r.read("a").size == 5


def test_a_reader_follows_an_array_that_began_empty(path: Path) -> None:
    with RunFile.create(path) as w:
        w.append("a", np.zeros(2))
        w.append("late", np.zeros(0))
        w.commit()
        r = RunFile.open(path)
        assert r.length("late") == 0
        for k in range(3):
            w.append("late", np.full(2, float(k)))
            w.append("a", np.ones(1))
            w.commit()
            assert r.read("late").size == 2 * k
            r.refresh()
            assert r.read("late").tolist() == np.repeat(np.arange(k + 1.0), 2).tolist() and r.length("a") == 3 + k


def test_another_process_reads_while_it_grows_and_does_not_keep_it_from_sealing(path: Path) -> None:
    with RunFile.create(path) as w:
        for k in range(20):
            w.append("a", np.full(50, float(k)))
            w.append("b", np.full(50, float(k)))
            w.commit()
        text = """
import sys, time
from neurodev.record.runfile import RunFile
f = RunFile.open(sys.argv[1])
print(f.read("a").size, f.sealed, flush=True)
end = time.monotonic() + 60
while not f.sealed and time.monotonic() < end:
    f.refresh()
    assert f.read("a").size == f.read("b").size
print(f.read("a").size, f.sealed)
"""
        reader = subprocess.Popen([sys.executable, "-c", text, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None
        assert reader.stdout.readline().split() == ["1000", "False"]
        for k in range(20, 40):
            w.append("a", np.full(50, float(k)))
            w.append("b", np.full(50, float(k)))
            w.commit()
            time.sleep(0.005)
    out, _ = reader.communicate(timeout=90)
    assert out.split() == ["2000", "True"] and reader.returncode == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # one mailable file


def test_a_foreign_program_that_holds_it_open_costs_no_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runfile, "_SEAL_SECONDS", 0.1)
    w = RunFile.create(path)
    w.append("a", np.arange(5.0))
    w.commit()
    other = sqlite3.connect(path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM chunk").fetchone()
    w.append("a", np.arange(5.0))
    w.close()
    assert RunFile.open(path).read("a").size == 10 and RunFile.open(path).sealed
    other.close()


def test_a_killed_writer_leaves_everything_up_to_its_last_flush(path: Path) -> None:
    text = """
import os, sys
import numpy as np
from neurodev.record.runfile import RunFile
f = RunFile.create(sys.argv[1], {"seed": 1})
for k in range(5):
    f.append("a", np.full(1000, float(k)))
    f.checkpoint(k, b"state")
    f.commit()
f.append("a", np.full(1000, 99.0))
f.checkpoint(99, b"never flushed")
os._exit(1)
"""
    done = script(text, path)
    assert done.returncode == 1, done.stderr
    f = RunFile.open(path)
    assert np.array_equal(np.unique(f.read("a")), np.arange(5.0)) and f.read("a").size == 5000
    assert not f.sealed and f.provenance() == {"seed": 1}
    assert [t for t, _ in f.checkpoints()] == [3, 4]  # a checkpoint and the data up to it never disagree
    with pytest.raises(RunFileError, match="holds a run already"):
        RunFile.create(path)
    assert RunFile.open(path).read("a").size == 5000
    with RunFile.create(path, overwrite=True) as again:  # the dead hold no lock
        again.append("a", np.zeros(1))
    assert RunFile.open(path).read("a").size == 1


def test_a_killed_writer_in_the_middle_of_its_first_breath(path: Path) -> None:
    text = "import os, sys; from neurodev.record.runfile import RunFile; RunFile.create(sys.argv[1]); os._exit(0)"
    assert script(text, path).returncode == 0
    assert RunFile.open(path).names() == []


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_truncated_files_are_named_so(path: Path, share: float) -> None:
    with RunFile.create(path) as f:
        f.append("a", np.random.default_rng(0).random(20000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunFileError, match="truncated"):
        RunFile.open(path).read("a")


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="no run file"):
        RunFile.open(tmp_path / "absent.sqlite")
    with pytest.raises(RunFileError, match="no run file"):
        RunFile.open(tmp_path)
    empty_file, words, database = tmp_path / "e", tmp_path / "w", tmp_path / "d"
    empty_file.touch()
    words.write_text("a letter to my aunt, long enough to look like a page of something, " * 20)
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()
    for path, what in ((empty_file, "is empty"), (words, "not a run file"), (database, "not a neurodev run file")):
        with pytest.raises(RunFileError, match=what):
            RunFile.open(path)
    for path in (words, database):
        before = path.read_bytes()
        with pytest.raises(RunFileError, match="not replaced"):
            RunFile.create(path)
        assert path.read_bytes() == before


FIRST_FORMAT = """
CREATE TABLE chunk (name TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, dtype TEXT NOT NULL,
                    columns INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (name, first));
CREATE TABLE item (name TEXT PRIMARY KEY, unit TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE log (projection TEXT NOT NULL, tick INTEGER NOT NULL, events INTEGER NOT NULL, data BLOB NOT NULL,
                  PRIMARY KEY (projection, tick));
CREATE TABLE checkpoint (tick INTEGER PRIMARY KEY, data BLOB NOT NULL);
INSERT INTO item VALUES ('provenance', '', '{"seed": 3}');
PRAGMA user_version=1;
"""


def test_newer_files_ask_for_an_upgrade_and_older_ones_are_read(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript(FIRST_FORMAT)
    db.execute(f"PRAGMA application_id={runfile.APPLICATION_ID}")
    data = zlib.compress(np.arange(3.0).view(np.uint8).reshape(-1, 8).T.tobytes())
    db.execute("INSERT INTO chunk VALUES ('a', 0, 3, '<f8', 0, ?)", (data,))
    db.execute("INSERT INTO checkpoint VALUES (1, X'00')")
    db.commit()
    old = RunFile.open(path)
    assert old.item("provenance") == {"seed": 3} and old.read("a").tolist() == [0, 1, 2]
    with pytest.raises(RunFileError, match="format 1, which this neurodev reads but does not go on with"):
        RunFile.resume(path)
    db.execute(f"PRAGMA user_version={runfile.VERSION + 1}")
    db.close()
    with pytest.raises(RunFileError, match="upgrade neurodev"):
        RunFile.open(path)


def test_the_door_of_create(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="does not exist"):
        RunFile.create(tmp_path / "no" / "where.sqlite")
    with pytest.raises(RunFileError, match="is a folder"):
        RunFile.create(tmp_path)
    (tmp_path / "reserved").touch()  # by tempfile, say
    RunFile.create(tmp_path / "reserved").close()
    busy = RunFile.create(tmp_path / "busy")
    busy.append("a", np.zeros(1))
    busy.commit()
    with pytest.raises(RunFileError, match="still being written"):
        RunFile.create(tmp_path / "busy")
    busy.append("a", np.zeros(1))
    busy.close()
    assert RunFile.open(tmp_path / "busy").read("a").size == 2


def test_unknown_names_get_the_nearest(path: Path) -> None:
    with RunFile.create(path) as f:
        f.append("series/life", np.zeros(1))
        f.set_item("tick_spike", 1.0)
    f = RunFile.open(path)
    with pytest.raises(RunFileError, match="did you mean 'series/life'"):
        f.read("series/live")
    with pytest.raises(RunFileError, match="did you mean 'tick_spike'"):
        f.item("tick_spikes")
    with pytest.raises(RunFileError, match="reading only"):
        f.append("b", np.zeros(1))
    f.close()
    with pytest.raises(RunFileError, match="closed"):
        f.names()


def test_together_is_all_or_nothing(path: Path) -> None:
    with RunFile.create(path) as f:
        f.append("a", np.zeros(2))
        with pytest.raises(KeyboardInterrupt), f.together():
            f.append("a", np.ones(2))
            f.append("b", np.ones(2, np.float32))
            raise KeyboardInterrupt
        f.append("b", np.ones(3))  # neither its length nor its type was kept
        with f.together():
            f.append("a", np.full(2, 5.0))
    f = RunFile.open(path)
    assert f.read("a").tolist() == [0, 0, 5, 5] and f.read("b").size == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_sealed_file_on_a_read_only_disk(path: Path) -> None:
    with RunFile.create(path) as f:
        f.append("a", np.zeros(2))
    path.parent.chmod(0o500)
    try:
        assert RunFile.open(path).read("a").size == 2
    finally:
        path.parent.chmod(0o700)


def test_an_empty_batch_survives(path: Path) -> None:
    with RunFile.create(path) as f:
        f.append_log("p", 1, empty())
    assert RunFile.open(path).log("p").uid.size == 0
