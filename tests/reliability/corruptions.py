"""Run files with checkpoints that are damaged at random, read and resumed.

    python -m tests.reliability.corruptions [--network jumps|everything] [--number 200] [--forged 60]

Bits are flipped, bytes overwritten, files cut, pages and rows exchanged: in the file of a run that was interrupted, and
in both files (database and -wal) of one that was killed.  Each is read, and resumed in a copy of this process: a clear
error, or what was written (of a -wal whose end is damaged, as it stood at an earlier flush), and after a resume the
bytes of the run in peace.  `forged` checkpoints have checksums that fit: they may lead anywhere, but not out of Python.
Ends with 1 where something was otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

import neurodev as nd
from neurodev.errors import NeurodevError
from neurodev.record.packed import pack, unpack
from neurodev.record.runfile import RunFile
from neurodev.simulation import recording
from tests.record.forge import sign
from tests.record.test_hostile import BYTES, _edit_rows
from tests.reliability.crashes import DONE, NETWORKS, Child, How, Trial
from tests.simulation.test_resume import LIFE, Simulation, everything

MOST_SECONDS = 60
ENDS = ("", "-wal", "-shm", "-journal")


def told(path: Path) -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    """Arrays and columns of logs, which grow; and the rest of a file, which may not differ."""
    grow, fixed = {}, {}
    with RunFile.open(path) as f:
        f.verify()
        for name in f.names():
            grow[name] = f.read(name)
        for q in f.logged():
            batch = f.log(q)
            grow |= {f"log/{q}/{name}": column for name, column in batch._asdict().items()}
        for item in f.items():
            if not item.startswith("checkpoint/"):
                fixed[f"item/{item}"] = repr(f.item(item)).encode()
        fixed["provenance"] = repr(f.provenance()).encode()
    run = nd.Run(path)
    assert run.info() and run.verify() >= 0
    for uid in list(run.spines)[:3]:
        assert run.spines[uid].story()
    return grow, fixed


class Files:
    """The run files that are damaged: one interrupted and sealed, one killed with its -wal beside it."""

    def __init__(self, network: str, folder: Path) -> None:
        self.net, self.begun = NETWORKS[network]
        self.folder, self.whole = folder, folder / "whole.sqlite"
        self.begun(self.whole, checkpoint=None, threads=1).run(LIFE).close()
        self.kept = {"sealed": folder / "sealed.sqlite", "killed": folder / "killed" / "run.sqlite"}
        self._interrupt(self.kept["sealed"])
        trial = Trial(network, self.kept["killed"].parent, self.whole, np.random.default_rng(1))
        with trial.disk:
            self._kill(trial)
            for end in ENDS:
                if Path(f"{trial.path}{end}").exists():
                    shutil.copy(f"{trial.path}{end}", f"{folder / 'killed.sqlite'}{end}")
        self.kept["killed"] = folder / "killed.sqlite"
        assert Path(f"{self.kept['killed']}-wal").stat().st_size > 100_000
        self.told = {kind: told(path) for kind, path in self.kept.items()}
        self.end = everything(self.whole)

    def _interrupt(self, to: Path) -> None:
        sim = self.begun(to, checkpoint=0.0, threads=1)
        one, pieces = sim._one_piece, [0]

        def piece(end: float) -> None:
            pieces[0] += 1
            one(end)
            if pieces[0] == 40:
                os.kill(os.getpid(), signal.SIGINT)

        sim._one_piece = piece  # type: ignore[method-assign]
        try:
            sim.run(LIFE)
        except KeyboardInterrupt:
            return
        raise AssertionError("it ended before it was interrupted")

    @staticmethod
    def _kill(trial: Trial) -> None:
        """In the midst of its life, with some flushes after its last checkpoint."""
        child = trial.go(How(0.0, 0.03, 1))
        while len(child.lines) < 40 and child.hear():
            pass
        assert child.kill() == -signal.SIGKILL

    def copy(self, kind: str, path: Path) -> None:
        """A fresh copy at a path, without what lay beside it before."""
        for end in ENDS:
            Path(f"{path}{end}").unlink(missing_ok=True)
            if end != "-shm" and Path(f"{self.kept[kind]}{end}").exists():
                shutil.copy(f"{self.kept[kind]}{end}", f"{path}{end}")

    # ------------------------------------------------------------ what may come of it

    def read(self, kind: str, path: Path) -> str:
        """An error of ours, or what was written."""
        try:
            grow, fixed = told(path)
        except NeurodevError as e:
            assert str(path) in str(e) or "log" in str(e), e
            return "clear"
        all_grow, all_fixed = self.told[kind]
        assert grow.keys() <= all_grow.keys() and fixed.keys() <= all_fixed.keys(), "there is something else"
        for name, a in grow.items():
            b = all_grow[name]
            assert a.dtype == b.dtype and a.tobytes() == b[: len(a)].tobytes(), f"{name} is silently wrong"
        for name, words in fixed.items():
            before = name == "item/interventions" and words == b"[]"  # told with the second flush
            assert words == all_fixed[name] or before, f"{name} is silently wrong"
        shorter = any(len(a) < len(all_grow[name]) for name, a in grow.items()) or len(grow) < len(all_grow)
        assert not shorter or kind == "killed", "rows are missing, and nobody says so"
        return "shorter" if shorter else "correct"

    def resumed(self, path: Path) -> str:
        """An error of ours, or the bytes of the run in peace."""
        try:
            sim = Simulation.resume(path, self.net(), checkpoint=None, threads=1)
        except NeurodevError:
            return "clear"
        sim.run().close()
        got = everything(path)
        wrong = [name for name in self.end.keys() | got.keys() if self.end.get(name) != got.get(name)]
        assert not wrong, f"{wrong[:5]} are silently wrong"
        return "right"

    def gone_on(self, path: Path) -> str:
        """An error of ours, or whatever it leads to: Python goes on."""
        try:
            Simulation.resume(path, self.net(), checkpoint=None, threads=1).run().close()
        except NeurodevError:
            return "clear"
        return "goes on"


def damaged(files: Files, path: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Damage a copy at a path; which run it is, and what was done to which file."""
    kind, end, how = (("sealed", "", 7), ("killed", "", 4), ("killed", "-wal", 4))[int(rng.integers(3))]
    files.copy(kind, path)
    which = int(rng.integers(how))
    if which >= len(BYTES):
        _edit_rows(path, rng)
        return kind, "rows"
    file = Path(f"{path}{end}")
    raw = bytearray(file.read_bytes())
    BYTES[which](raw, rng)
    file.write_bytes(raw)
    return kind, f"{BYTES[which].__name__} of {kind}{end}"


def forged(files: Files, path: Path, rng: np.random.Generator) -> tuple[str, str]:
    """Change a number or two in the arrays of the youngest checkpoint, and make the checksums fit."""
    files.copy("sealed", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM checkpoint WHERE tick < (SELECT max(tick) FROM checkpoint)")
        tick, data = db.execute("SELECT tick, data FROM checkpoint").fetchone()
        db.execute("DELETE FROM item WHERE name LIKE 'checkpoint/%' AND name != ?", (f"checkpoint/{tick}",))
        state = {k: a.copy() for k, a in unpack(data, 1 << 30).items()}
        names = [k for k, a in state.items() if a.size and k != "simulation"]
        said = []
        for _ in range(int(rng.integers(1, 3))):
            name = names[int(rng.integers(len(names)))]
            flat = state[name].reshape(-1)
            at = int(rng.integers(flat.size))
            flat[at] = _odd(flat[at], rng)
            said.append(f"{name}[{at}] = {flat[at]!r}")
        db.execute("UPDATE checkpoint SET data=? WHERE tick=?", (pack(state, 1), tick))
    sign(path)
    return "sealed", "; ".join(said)


def _odd(value: Any, rng: np.random.Generator) -> Any:
    """Another number of a type."""
    dtype = np.dtype(type(value))
    if dtype.kind == "b":
        return not value
    if dtype.kind == "f":
        return (value * 2, -value, 1e300, -1e300, np.nan, np.inf, 0.0)[int(rng.integers(7))]
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = [v for v in (int(value) + 1, int(value) - 1, 0) if info.min <= v <= info.max]
        return dtype.type([info.max, info.min, *near][int(rng.integers(2 + len(near)))])
    return value


def tried(network: str, number: int, n_forged: int, seed: int) -> bool:
    """Whether everything was as it should be; prints how often what came of it."""
    fine = True
    with tempfile.TemporaryDirectory(prefix="corruptions-") as name:
        files, path = Files(network, Path(name)), Path(name) / "damaged.sqlite"
        for what, n, k in (("damaged", number, 0), ("forged", n_forged, 1)):
            counts: Counter[str] = Counter()
            for i in range(n):
                rng = np.random.default_rng((seed, k, i))
                kind, how = (damaged if what == "damaged" else forged)(files, path, rng)
                child = Child(lambda to, kind=kind, what=what: _in_a_child(files, kind, path, what, to))
                if child.end() == DONE:
                    counts.update(child.lines)
                else:
                    fine = False
                    print(f"{what} {i}: {how}: ended by {child.status}", *child.lines[-8:], sep="\n  ", flush=True)
            print(f"{what}: {sum(v for k, v in counts.items() if 'resumed' in k)} of {n};",
                  ", ".join(f"{word} {times}" for word, times in sorted(counts.items())), flush=True)  # fmt: skip
    return fine


def _in_a_child(files: Files, kind: str, path: Path, what: str, to: int) -> None:
    signal.alarm(MOST_SECONDS)  # what takes so long has no end
    begin = time.perf_counter()
    if what == "damaged":
        os.write(to, f"read {files.read(kind, path)}\n".encode())
        os.write(to, f"resumed {files.resumed(path)}\n".encode())
    else:
        os.write(to, f"resumed {files.gone_on(path)}\n".encode())
    assert time.perf_counter() - begin < MOST_SECONDS


def main(words: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="jumps")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--forged", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args(words)
    warnings.simplefilter("ignore")
    recording._FLUSH_SECONDS = 0.0
    return int(not tried(args.network, args.number, args.forged, args.seed))


if __name__ == "__main__":
    sys.exit(main())
