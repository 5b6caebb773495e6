"""Runs that are killed at random moments, on full disks, in read-only folders, under the eyes of readers.

    python -m tests.reliability.crashes [--network everything|jumps] [--killed 40] [--readers 10] [--full 10]
                                        [--locked 10]

Each time the file opens and is whole, no flush is missing that had ended, and the run that is resumed ends at the bytes
of the one that nothing happened to.  Prints a line for each way, and ends with 1 where something was not so.
Moments are drawn among the flushes of a run, so that they do not depend on the speed of a machine.  Children are copies
of this process (it runs on one thread), which costs no import and no compilation.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import neurodev as nd
from neurodev.errors import NeurodevError, RunFileError
from neurodev.record import runfile
from neurodev.record.runfile import RunFile
from neurodev.simulation import recording
from tests.reliability import everything
from tests.reliability.disks import ROOMY, Disk
from tests.simulation import test_resume
from tests.simulation.test_resume import LIFE
from tests.simulation.test_resume import everything as everything_in

NETWORKS: dict[str, tuple[Callable[[], nd.Network], Callable[..., nd.Simulation]]] = {
    "everything": (everything.everything, everything.begun),
    "jumps": (test_resume.net, test_resume.begun),
}
DONE, FAILED, STOPPED = 0, 1, 3  # how a child ends: at its goal, by what must not happen, by an error of ours
WAYS = ("killed", "readers", "full", "locked")
_LEAST_ROOM = 60_000  # bytes of a disk that is soon full


class How(NamedTuple):
    """How a run is written: seconds between two flushes and two checkpoints, and threads."""

    flush: float
    checkpoint: float
    threads: int


class Child:
    """A process that does something and says lines."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self._from, to = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._from)
            os._exit(_outcome(work, to))
        os.close(to)
        self._heard, self.lines = b"", list[str]()
        self.status: int | None = None

    def hear(self) -> bool:
        """One more piece of what it says; False at the end."""
        piece = os.read(self._from, 1 << 16)
        *whole, self._heard = (self._heard + piece).split(b"\n")
        self.lines += [line.decode() for line in whole]
        return bool(piece)

    def end(self) -> int:
        """Wait for its end; what it said is in `lines`."""
        if self.status is None:
            while self.hear():
                pass
            os.close(self._from)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End it now."""
        os.kill(self.pid, number)
        return self.end()


def _outcome(work: Callable[[int], None], to: int) -> int:
    """In a child: do it, and how it ended."""
    try:
        work(to)
        return DONE
    except NeurodevError as e:
        os.write(to, f"! {e}\n".encode())
        return STOPPED
    except BaseException:
        os.write(to, "".join(f"? {line}\n" for line in traceback.format_exc().splitlines()).encode())
        return FAILED


class Trial:
    """A run file, and what is done to it."""

    def __init__(self, network: str, folder: Path, whole: Path, draw: np.random.Generator) -> None:
        self.net, self.begun = NETWORKS[network]
        self.whole, self.draw = whole, draw
        self.disk = Disk(folder)
        self.path = folder / "run.sqlite"
        self.flushes = 0

    def how(self) -> How:
        """Rare and frequent checkpoints, with flushes between them."""
        flush, checkpoint = ((0.0, 0.0), (0.0, 0.03), (0.02, 0.1))[int(self.draw.integers(3))]
        return How(flush, checkpoint, int(self.draw.integers(1, 4)))

    def _simulation(self, how: How) -> nd.Simulation:
        try:
            return nd.Simulation.resume(self.path, self.net(), checkpoint=how.checkpoint, threads=how.threads)
        except RunFileError as e:  # killed before there was anything
            if not any(w in str(e) for w in ("no run file", "empty", "no checkpoint to resume", "is incomplete")):
                raise
            return self.begun(self.path, overwrite=True, checkpoint=how.checkpoint, threads=how.threads)

    def go(self, how: How) -> Child:
        """Begin, or go on, to the end; after each flush it says how many rows there are, and up to when."""

        def work(to: int) -> None:
            self.disk.limit()
            recording._FLUSH_SECONDS = how.flush
            kept, commit, checkpoint = [0.0], RunFile.commit, RunFile.checkpoint
            sims: list[nd.Simulation] = []

            def telling(file: RunFile) -> None:
                commit(file)
                os.write(to, f"{sum(file._length.values())} {kept[0]!r}\n".encode())

            def keeping(file: RunFile, tick: int, data: bytes) -> None:
                checkpoint(file, tick, data)
                kept[0] = sims[0].spike if sims else 0.0

            RunFile.commit, RunFile.checkpoint = telling, keeping  # type: ignore[method-assign]
            sim = self._simulation(how)
            sims.append(sim)
            sim.run(None if sim.goal else LIFE).close()

        return Child(work)

    # ------------------------------------------------------------ what must be so

    def look(self, rows: int) -> None:
        """The file opens, is whole, and holds all that was flushed."""
        with RunFile.open(self.path) as f:
            f.verify()
            assert sum(f.length(name) for name in f.names()) >= rows, "a flush is lost"
        run = nd.Run(self.path)
        assert run.info() and run.verify() >= 0

    def finish(self) -> None:
        """It goes on to the bytes of the run that nothing happened to."""
        if not self._finished():
            child = self.go(How(2.0, 0.0, int(self.draw.integers(1, 4))))
            status = child.end()
            assert status == DONE, f"it does not go on: {child.lines[-12:]}"
        a, b = everything_in(self.whole), everything_in(self.path)
        for seal in (a, b):
            seal.pop("item/sealed", None)  # killed after its last flush, before its seal: nothing is missing
        assert a.keys() == b.keys() and not [k for k in a if a[k] != b[k]]

    def _finished(self) -> bool:
        try:
            return RunFile.open(self.path).item("finished") is True
        except RunFileError:
            return False

    def refused(self, what: Callable[[int], None]) -> bool:
        """In a process of its own it ends with an error of ours, or does what it should; whether it was refused."""
        child = Child(what)
        assert child.end() in (DONE, STOPPED), child.lines[-12:]
        return child.status == STOPPED

    # ------------------------------------------------------------ the ways

    def _killed(self) -> int:
        """Kill it at a random moment; how many rows had been flushed."""
        how = self.how()
        child = self.go(how)
        after = int(self.draw.integers(-1, max(self.flushes, 6)))
        begin = time.perf_counter()
        while len(child.lines) <= after and child.hear():
            pass
        gap = (time.perf_counter() - begin) / max(after + 1, 1)
        time.sleep(float(self.draw.uniform(0.0, 0.05 if after < 0 else min(gap, 0.2))))
        status = child.kill()
        assert status in (-signal.SIGKILL, DONE), child.lines[-12:]
        self.flushes = max(self.flushes, len(child.lines)) if status != DONE else len(child.lines)
        return int(child.lines[-1].split()[0]) if child.lines else 0

    def _opens(self, rows: int) -> None:
        """It opens; of a run that was killed before its first flush it may say in our words that it has not begun."""
        if rows:
            self.look(rows)
            return
        try:
            self.look(0)
        except RunFileError:
            pass  # killed before it began: our words

    def killed(self) -> None:
        """Up to three times."""
        for _ in range(int(self.draw.integers(1, 4))):
            if not self._finished():  # it may have ended before its moment came
                self._opens(self._killed())
        self.finish()

    def readers(self) -> None:
        """While two others read it, one of which lets go of nothing; both go on reading as it is resumed."""
        watching = [Child(lambda to, held=held: _watch(self.path, held)) for held in (True, False)]
        try:
            self._opens(self._killed())
            self.finish()
        finally:
            ends = [w.kill(signal.SIGTERM) for w in watching]
        assert ends == [DONE, DONE], [w.lines[-12:] for w in watching]

    def full(self) -> None:
        """The disk is full before it ends; then there is room again."""
        self.disk.room(int(np.exp(self.draw.uniform(np.log(_LEAST_ROOM), np.log(4e6)))) // 4096 * 4096)
        child = self.go(self.how())
        status = child.end()
        assert status in (DONE, STOPPED), child.lines[-12:]
        said = [line for line in child.lines if line.startswith("!")]
        assert status == DONE or any(w in said[0] for w in ("disk is full", "disk full", "cannot be written")), said
        told = [line for line in child.lines if not line.startswith("!")]
        self._opens(int(told[-1].split()[0]) if told else 0)
        if status == STOPPED:
            self.refused(lambda to: (self.disk.limit(), self._simulation(self.how()).run())[0])
            self._opens(0)
        self.disk.room(ROOMY)
        if status == STOPPED:
            self.finish()

    def locked(self) -> None:
        """It is killed, and its folder is read-only for a while."""
        rows = self._killed()
        self.disk.lock(True)
        try:
            self._opens(rows)
            if not self.refused(lambda to: void(nd.Simulation.resume(self.path, self.net()))):
                rows = min(rows, 1)  # the file may be written, and what was younger than the checkpoint is dropped
            self.refused(lambda to: void(self.begun(self.path, overwrite=True)))
        finally:
            self.disk.lock(False)
        self._opens(rows)
        self.finish()


def void(_: object) -> None:
    """Nothing."""


def _watch(path: Path, held: bool) -> None:
    """Read all of a run file again and again, until asked to end; what is read is whole."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    while not asked:
        try:
            file = RunFile.open(path)
        except RunFileError:
            time.sleep(0.002)  # there is none yet
            continue
        while not asked:
            try:
                file.refresh()
                if held:
                    with file.held():
                        _read_all(file, asked)
                else:
                    _read_all(file, asked)
                    file.verify()
            except RunFileError as e:
                if any(w in str(e) for w in ("resumed since", "another run", "was replaced")):
                    break  # looked at anew
                if any(w in str(e) for w in ("moved or removed", "no run file", "is incomplete", "is empty")):
                    break  # the run is begun anew
                raise


def _read_all(file: RunFile, asked: list[int]) -> None:
    first = {}
    for _ in range(3):
        for name in file.names():
            first.setdefault(name, file.read(name))
            assert first[name].tobytes() == file.read(name).tobytes(), f"{name} changes under a reader"
            if asked:
                return


# ---------------------------------------------------------------- all of them


def tried(network: str, numbers: dict[str, int], seed: int = 7) -> dict[str, tuple[int, list[str]]]:
    """How many trials of each way were right, and what was not."""
    runfile._SEAL_SECONDS = 0.2  # readers who let go of nothing are not waited for
    found: dict[str, tuple[int, list[str]]] = {}
    with tempfile.TemporaryDirectory(prefix="crashes-") as name:
        folder = Path(name)
        NETWORKS[network][1](folder / "whole.sqlite", checkpoint=None, threads=1).run(LIFE).close()
        for k, (way, number) in enumerate(numbers.items()):
            right, wrong = 0, []
            if way == "locked" and not _can_be_locked(folder / "any"):
                print("locked: not tried, root writes everywhere where it may not mount")
                continue
            for i in range(number):
                with (trial := Trial(network, folder / f"{way}{i}", folder / "whole.sqlite", _rng(seed, k, i))).disk:
                    try:
                        getattr(trial, way)()
                        right += 1
                    except Exception as e:
                        wrong.append(f"{i}: {type(e).__name__}: {e}")
            found[way] = right, wrong
            print(f"{way}: {right} of {number} ({'tmpfs' if trial.disk.mounted else 'limits'})", *wrong, sep="\n  ")
    return found


def _can_be_locked(folder: Path) -> bool:
    with Disk(folder) as disk:
        return disk.locks


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def main(words: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="everything")
    parser.add_argument("--seed", type=int, default=7)
    for way in WAYS:
        parser.add_argument(f"--{way}", type=int, default=40 if way == "killed" else 10)
    args = parser.parse_args(words)
    warnings.simplefilter("ignore")
    found = tried(args.network, {way: n for way in WAYS if (n := getattr(args, way))}, args.seed)
    return int(any(wrong for _, wrong in found.values()))


if __name__ == "__main__":
    sys.exit(main())
