"""A training of event layers in a run file: series, log with causes, checkpoints; resumed to the same bytes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, RunFileError, StudyError
from neurodev.learn.training.checked import check_arrays, check_weights
from neurodev.record.differences import differences, told
from neurodev.record.packed import pack, under, unpack
from neurodev.record.patience import Patience
from neurodev.record.provenance import environment
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.record.scratch import scratch_file
from neurodev.structure.cause import Causes
from neurodev.structure.dense import DenseTable
from neurodev.structure.log import StructuralLog
from neurodev.structure.table import Table
from neurodev.units import day
from neurodev.writing import absolute

SMALLEST = -20.0  # ln of a weight of 0, as it is written


class Trained(Protocol):
    """What the record asks of a training of event layers."""

    epoch: int
    epochs: int
    seed: int
    batch: int
    checkpoint: int
    logs: dict[str, StructuralLog]
    steps_per_epoch: int
    loss: Any

    def tables(self) -> dict[str, Table]:
        """The synapse tables by name."""

    def counts(self) -> dict[str, int]:
        """Steps of the optimisers, by name."""

    def take_counts(self, counts: dict[str, int]) -> None:
        """Take up the steps again."""


def state_of(t: Trained) -> dict[str, NDArray[Any]]:
    """Everything that the rest of the training depends on."""
    tables = t.tables()
    numbers = [t.epoch, *t.counts().values(), *(table.uids.next for table in tables.values())]
    out: dict[str, NDArray[Any]] = {"trainer": np.array(numbers, dtype=np.int64)}
    for name, table in tables.items():
        out |= {f"table/{name}/{key}": a for key, a in table.arrays().items()}
        out[f"table/{name}/storage"] = np.array("dense" if isinstance(table, DenseTable) else "sparse")
    return out


class EventRecord:
    """Writes a training of event layers.

    Parameters
    ----------
    trainer : EventTrainer
    description : dict
        All that its numbers depend on; a file of another one is not gone on with.
    to : path, optional
    resume, overwrite : bool
    """

    def __init__(
        self, trainer: Trained, description: dict[str, Any], to: str | Path | None, resume: bool, overwrite: bool
    ):
        if resume and (to is None or overwrite):
            raise ParameterError("resume goes on with the run file to=, which overwrite would replace")
        self.trainer = trainer
        self.path = absolute(scratch_file("training") if to is None else to)
        self.causes = Causes.of(())
        self._closed, self._resumed = False, resume
        if resume:
            self._resume(description)
        else:
            self.file = RunFile.create(self.path, overwrite=overwrite)
        self.recorder = Recorder(self.file, "none", causes=self.causes)
        if not resume:
            try:
                self._describe(description)
            except BaseException:
                self.file.discard()
                raise

    def _describe(self, description: dict[str, Any]) -> None:
        t, f = self.trainer, self.file
        tables = t.tables()
        f.set_item("kind", "training")
        f.set_item("provenance", environment() | {"seed": t.seed, "study": "", "data": description["data"]["name"]})
        f.set_item("network", {
            "populations": [
                {"name": f"{n}.{side}", "n": size} for n, x in tables.items()
                for side, size in (("in", x.n_source), ("out", x.n_target))
            ],
            "projections": [
                {"name": n, "source": f"{n}.in", "target": f"{n}.out", "spines": {"volume": 1.0}, "taps": 1,
                 "pairs": x.n_source * x.n_target} for n, x in tables.items()
            ],
        })  # fmt: skip
        f.set_item("mechanisms", {})
        f.set_item("causes", list(self.causes.words))
        f.set_item("meanings", self.causes.describe())
        f.set_item("terms", {})
        f.set_item("acceleration", 1.0)
        f.set_item("tick", day / t.steps_per_epoch, "ms")
        f.set_item("tick_spike", 1.0, "ms")
        f.set_item("methods", [])
        f.set_item("approximations", ["Gradients are exact (EventProp), with the slope at a spike clipped."])
        f.set_item("interventions", [])
        f.set_item("finished", False)
        f.set_item("target_hz", None, "Hz")
        data, tests = description["data"], description.get("tests", {"n": 0})
        loss = "cross_entropy" if t.loss is None else getattr(t.loss, "__name__", "custom")
        f.set_item("training", {
            "data": data["name"], "n_train": data["n"], "n_test": tests["n"], "epochs": t.epochs, "batch": t.batch,
            "seed": t.seed, "encoder": "spike times", "optimiser": f"Adam({description['rate']:g})",
            "loss": loss, "methods": [], "layers": list(tables), "calibrated_gains": {},
        })  # fmt: skip
        f.set_item("description", description)
        for name in tables:
            self._snapshot(name, "initial")
            self._snapshot(name, "snapshot/0")
        f.append("series/snapshot_day", np.zeros(1))
        f.commit()

    def _resume(self, description: dict[str, Any]) -> None:
        with RunFile.open(self.path) as old:
            theirs = old.item("description", None)
        if not isinstance(theirs, dict) or "eventprop" not in theirs:
            raise StudyError(f"cannot resume {str(self.path)!r}: it holds no training of event layers")
        if found := differences(description, theirs):
            raise StudyError(f"cannot resume {str(self.path)!r}: {told(found)}; build the trainer as before")
        t = self.trainer
        self.file, _, data = RunFile.resume(self.path, lambda data: self._check(unpack(data)))
        try:
            state = unpack(data)
            numbers = [int(v) for v in state["trainer"]]
            steps = dict(zip(t.counts(), numbers[1:], strict=False))
            for (name, table), first in zip(t.tables().items(), numbers[1 + len(steps) :], strict=True):
                table.uids.next = first
                table.load(under(state, f"table/{name}/"))
            t.take_counts(steps)
            t.epoch = numbers[0]
        except BaseException:
            self.file.abandon()
            raise

    def _check(self, state: dict[str, NDArray[Any]]) -> None:
        t = self.trainer
        check_arrays(state, state_of(t))
        numbers = [int(v) for v in state["trainer"]]
        if numbers[0] > t.epochs:
            raise RunFileError(f"a checkpoint is damaged: it was taken after epoch {numbers[0]} of {t.epochs}")
        for (name, table), first in zip(t.tables().items(), numbers[1 + len(t.counts()) :], strict=True):
            check_weights(name, SimpleNamespace(table=table), state, first)  # type: ignore[arg-type]

    def _snapshot(self, name: str, label: str) -> None:
        table = self.trainer.tables()[name]
        slots = table.slots()
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(table.weight[slots].astype(np.float64)))
        self.recorder.snapshot(name, label, {
            "uid": table.uid[slots], "pre": table.pre(slots).astype(np.uint32), "post": table.post[slots],
            "lane": np.zeros(slots.size, np.uint8), "weight": table.weight[slots], "born": table.born_of(slots),
            "log_size": np.maximum(size, SMALLEST),
        })  # fmt: skip

    def epoch(self, series: dict[str, float], confusion: NDArray[np.int64] | None = None) -> None:
        """Write an epoch that is done: its numbers, births and deaths, and where it is due a checkpoint.

        Parameters
        ----------
        series : dict
        confusion : (n_class, n_class), optional
            Decisions about test samples.
        """
        t = self.trainer
        self.file.begin()
        for name in series if self._resumed else ():  # of a file that was begun before there was such a series
            if (late := t.epoch - 1 - self.file.length(f"series/{name}")) > 0:
                self.file.append(f"series/{name}", np.full(late, np.nan))
        self._resumed = False
        self.recorder.series(series)
        if confusion is not None:
            self.file.append("confusion", confusion.astype("<u4"))
        for name, log in t.logs.items():
            self.recorder.log(name, log.take())
        due = t.checkpoint and t.epoch % t.checkpoint == 0
        self.recorder.flush(t.epoch * t.steps_per_epoch, pack(state_of(t)) if due else None)

    def close(self, finished: Any) -> None:
        """Seal the file; an older run of its name stays where no epoch was done."""
        if self._closed:
            return
        self._closed = True
        if finished is not True and self.file.older_waits:
            self.file.discard()
            return
        t = self.trainer
        with Patience():
            try:
                for name, log in t.logs.items():
                    self.recorder.log(name, log.take())
                    self._snapshot(name, "final")
                self.file.set_item("finished", finished)
                self.file.set_item("life", t.epoch * day, "ms")
                self.file.set_item("events", 0)
                self.recorder.flush(t.epoch * t.steps_per_epoch + 1)
                self.file.close()
            finally:
                self.file.abandon()
