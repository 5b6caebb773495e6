"""What `crashes.py` and `corruptions.py` found, one by one and at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from neurodev.errors import RunFileError
from neurodev.record.runfile import RunFile
from neurodev.structure.log import LogBatch, empty


def grown(path: Path, n: int = 40) -> RunFile:
    """A run file with a checkpoint in its midst, still being written."""
    f = RunFile.create(path)
    for k in range(n):
        f.append("a", np.random.default_rng(k).integers(0, 2**40, 500))
        f.append_log("p", k, empty())
        if k in (n // 4, n // 2):
            f.checkpoint(k, b"state")
        f.commit()
    return f


def test_a_file_into_which_its_wal_was_just_moved_is_read(tmp_path: Path) -> None:
    """A full disk or a kill in the midst of it: its head tells of pages that only the -wal has."""
    f, cut = grown(tmp_path / "r"), tmp_path / "cut"
    shutil.copy(tmp_path / "r", cut)
    shutil.copy(tmp_path / "r-wal", f"{cut}-wal")
    raw, page = bytearray(cut.read_bytes()), 4096
    wal = Path(f"{cut}-wal").read_bytes()
    frames = range(32, len(wal), 24 + page)
    newest = {int.from_bytes(wal[at : at + 4], "big"): at for at in frames}
    raw[:page] = wal[newest[1] + 24 : newest[1] + 24 + page]  # the first page has arrived, the others have not
    cut.write_bytes(raw)
    with pytest.raises(sqlite3.DatabaseError), closing(sqlite3.connect(f"file:{cut}?immutable=1", uri=True)) as db:
        db.execute("SELECT * FROM identity").fetchall()
    r = RunFile.open(cut)
    r.verify()
    assert r.read("a").tobytes() == f.read("a").tobytes()
    f.close()


@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_run_that_cannot_be_moved_aside_stays(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that is read-only, or becomes so in between."""
    path = tmp_path / "r"
    f = grown(path)
    f.commit()
    copy = tmp_path / "copy"
    for part in ("", "-wal"):
        shutil.copy(f"{path}{part}", f"{copy}{part}")
    f.abandon()
    replace = os.replace

    def refusing(a: object, b: object) -> None:
        if str(a) == f"{copy}{end}":
            raise PermissionError(13, "Permission denied")
        replace(str(a), str(b))

    monkeypatch.setattr("neurodev.record.place.busy", lambda p: False)  # which would take the -wal in
    monkeypatch.setattr(os, "replace", refusing)
    with pytest.raises(RunFileError, match="cannot be replaced.*Permission denied"):
        RunFile.create(copy, overwrite=True)
    monkeypatch.undo()
    assert RunFile.open(copy).read("a").size == 40 * 500
    assert sorted(p.name for p in tmp_path.glob("*copy*") if "shm" not in p.name) == ["copy", "copy-wal"]


def test_where_nothing_can_be_removed_the_wal_stays_part_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was locked while a run was written: its seal must not make a stranger of the -wal."""
    f, access = grown(tmp_path / "r"), os.access
    monkeypatch.setattr(os, "access", lambda p, how: how != os.W_OK and access(p, how))
    other = sqlite3.connect(tmp_path / "r")  # keeps the -wal from being removed, as the folder would
    other.execute("SELECT count(*) FROM chunk").fetchall()
    f.close()
    assert Path(tmp_path / "r-wal").exists()
    r = RunFile.open(tmp_path / "r")
    r.verify()
    assert r.sealed and r.read("a").size == 40 * 500
    other.close()


def test_what_is_held_stays_as_it_was_while_the_run_is_resumed(tmp_path: Path) -> None:
    f = grown(tmp_path / "killed")
    for end in ("", "-wal"):
        shutil.copy(f"{f.path}{end}", f"{tmp_path / 'r'}{end}")
    f.close()
    reader = RunFile.open(tmp_path / "r")
    with reader.held():
        before = reader.read("a").tobytes()
        again, tick, _ = RunFile.resume(tmp_path / "r")
        for k in range(tick + 1, 60):
            again.append("a", np.random.default_rng(k).integers(0, 2**40, 300))
            again.commit()
        assert reader.read("a").tobytes() == before
    with pytest.raises(RunFileError, match="resumed since"):
        reader.read("a")
    again.close()


def test_who_reads_a_sealed_file_is_waited_for(tmp_path: Path) -> None:
    grown(tmp_path / "r").abandon()
    reader, reads = RunFile.open(tmp_path / "r"), threading.Event()

    def read() -> None:
        with reader.held():
            reads.set()
            time.sleep(0.6)

    thread = threading.Thread(target=read)
    thread.start()
    reads.wait(10)
    file, _, _ = RunFile.resume(tmp_path / "r")
    file.close()
    thread.join()


def test_a_file_that_made_way_for_another_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(tmp_path / "r").close()
    reader = RunFile.open(tmp_path / "r")
    other = tmp_path / "other"
    grown(other, 4).close()
    same = RunFile._same
    monkeypatch.setattr(RunFile, "_same", lambda self, db: (same(self, db), os.replace(other, self.path))[0])
    with closing(sqlite3.connect(tmp_path / "r")) as db:
        db.execute("DELETE FROM chunk")
        db.commit()
    with pytest.raises(RunFileError, match="was replaced since it was opened"):
        reader.read("a")


@pytest.mark.parametrize("table", ["chunk", "log"])
def test_nobody_goes_on_behind_damage(table: str, tmp_path: Path) -> None:
    """What lies before the checkpoint must be whole; what is younger is dropped anyhow."""
    path = tmp_path / "r"
    grown(path).abandon()
    for row, good in ((30, True), (3, False)):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            data = bytearray(db.execute(f"SELECT data FROM {table} WHERE rowid=?", (row,)).fetchone()[0])
            data[len(data) // 2] ^= 4
            db.execute(f"UPDATE {table} SET data=? WHERE rowid=?", (bytes(data), row))
        if good:
            shutil.copy(path, tmp_path / "copy")
            file, tick, _ = RunFile.resume(tmp_path / "copy")
            file.close()
            assert tick == 20 and RunFile.open(tmp_path / "copy").read("a").size == 21 * 500
    with pytest.raises(RunFileError, match="no checkpoint that can be gone on from: .* is damaged"):
        RunFile.resume(path)


def test_a_part_of_a_log_by_its_ticks(tmp_path: Path) -> None:
    f = RunFile.create(tmp_path / "r")
    for k in range(5):
        batch = LogBatch(*(np.zeros(2, dtype=c.dtype) if c.ndim == 1 else np.zeros((2, 0)) for c in empty()))
        f.append_log("p", k, batch)
    f.close()
    r = RunFile.open(tmp_path / "r")
    assert [r.log("p", k).uid.size for k in (0, 2, 9)] == [2, 6, 10] and r.log("p").uid.size == 10
