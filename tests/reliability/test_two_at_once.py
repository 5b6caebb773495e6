"""Two programs and one file: one of them gets it, whole; what goes away under a reader is named."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import RunFileError
from neurodev.record import place
from neurodev.record.runfile import RunFile
from tests.learn.small import trained

N_AT_ONCE = 4


def race(path: Path, overwrite: bool) -> tuple[list[int], list[str]]:
    """Several writers begin at one moment: who wrote, and what the others were told."""
    begin, wrote, told = threading.Barrier(N_AT_ONCE), [], []

    def write(k: int) -> None:
        begin.wait()
        try:
            file = RunFile.create(path, overwrite=overwrite)
        except RunFileError as e:
            told.append(str(e))
            done.wait()
            return
        file.append("who", np.array([k]))
        file.begin()
        done.wait()
        file.append("who", np.array([k]))
        file.close()
        wrote.append(k)

    done = threading.Barrier(N_AT_ONCE)
    threads = [threading.Thread(target=write, args=(k,)) for k in range(N_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return wrote, told


@pytest.mark.parametrize("before", ["nothing", "an empty file", "a run"])
def test_one_of_several_gets_the_file(before: str, tmp_path: Path) -> None:
    """Whoever wins has it for itself, whole; an older run goes only for one that stands."""
    for turn in range(6):
        to = tmp_path / f"{turn}.sqlite"
        if before == "an empty file":
            to.touch()
        elif before == "a run":
            with RunFile.create(to) as older:
                older.append("who", np.array([99]))
        wrote, told = race(to, before == "a run")
        assert len(wrote) == 1 and len(told) == N_AT_ONCE - 1, (wrote, told)
        assert all("another" in t or "holds a run" in t for t in told), told
        file = RunFile.open(to)
        file.verify()
        assert file.sealed and file.read("who").tolist() == wrote * 2
        assert os.listdir(tmp_path) == [to.name]
        to.unlink()


def test_where_folders_cannot_be_locked_files_are_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_TAKING", 0.02)
    with place.taking(tmp_path / "other"):  # by another thread, for ever
        made: list[Any] = []
        thread = threading.Thread(target=lambda: made.append(RunFile.create(tmp_path / "r")))
        thread.start()
        thread.join(20)
        made[0].close()
    assert RunFile.open(tmp_path / "r").sealed


@pytest.mark.parametrize("held", [False, True])
def test_a_wal_that_goes_away_under_a_reader_is_named(held: bool, tmp_path: Path) -> None:
    """The reader is told, what it holds it can read, and the writer loses nothing."""
    to = tmp_path / "r.sqlite"
    writer = RunFile.create(to)
    writer.append("a", np.arange(5))
    writer.commit()
    reader = RunFile.open(to)
    if held:
        with reader.held():
            reader.read("a")
            Path(f"{to}-wal").unlink()
            assert reader.read("a").tolist() == [0, 1, 2, 3, 4]
    else:
        Path(f"{to}-wal").unlink()
    for question in (lambda: reader.read("a"), reader.verify):
        with pytest.raises(RunFileError, match=r"r.sqlite-wal' beside .* was moved or removed"):
            question()
    for door in (reader.refresh, lambda: RunFile.open(to)):
        with pytest.raises(RunFileError, match="without its -wal file"):
            door()
    writer.append("a", np.arange(5, 8))
    writer.close()
    after = RunFile.open(to)
    after.verify()
    assert after.sealed and after.read("a").tolist() == list(range(8))


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
@pytest.mark.parametrize("step", [2, 6])
def test_a_signal_within_an_epoch_seals_what_came_before(number: int, kind: type, step: int, tmp_path: Path) -> None:
    """In the first epoch and in the second: sealed, whole, said to be interrupted, and gone on from."""
    to = tmp_path / "t.sqlite"
    trainer = trained(to=to)
    steps, one_step = [0], trainer.optimiser.step

    def press(*given: Any, **more: Any) -> Any:
        steps[0] += 1
        if steps[0] == step:
            signal.raise_signal(number)
        return one_step(*given, **more)

    object.__setattr__(trainer.optimiser, "step", press)
    with pytest.raises(kind):
        trainer.fit()
    left = nd.Run(to)
    assert left.file.sealed and left.file.item("finished") == "interrupted"
    left.verify()
    assert steps[0] == step
