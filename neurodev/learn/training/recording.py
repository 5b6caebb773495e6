"""A training run in a run file: the same file, names and log as a developing network.

Weight tensors are projections on spines between the units of two layers, an epoch is a row of every series, the
tick of the log is the step of the optimiser.  `confusion`, (n_epoch n_class, n_class), tells how often a test sample of
a class (row) was taken for another (column) after each epoch; of several labels, (n_epoch n_label 2, 2), how often each
was there (row) and told (column).  Operations are those of forward passes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, StudyError
from neurodev.learn.core.layer import Vector
from neurodev.learn.predicting import Trained
from neurodev.learn.saving import STEPS, about, training_words
from neurodev.learn.training import callback, standing
from neurodev.learn.training.checkpoint import check_state, left_out, restore, state_of
from neurodev.learn.training.course import Course
from neurodev.learn.training.epoch import Epoch
from neurodev.learn.training.kept import plain_of
from neurodev.record.differences import differences, told
from neurodev.record.packed import pack, unpack
from neurodev.record.patience import Patience
from neurodev.record.provenance import check_sources, environment, foreign, sources
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.record.scratch import scratch_file
from neurodev.record.snapshots import label_of
from neurodev.structure.cause import CAUSES, Causes
from neurodev.units import day
from neurodev.writing import absolute

PICTURE_SYNAPSES = 300_000  # in all pictures of a run together, about
SMALLEST = -20.0  # ln of a weight of 0, as it is written


class TrainingRecord:
    """Writes a training run.

    Parameters
    ----------
    trainer : Course
    to : path, optional
        A temporary file if not given; a relative path means the folder of this moment.
    resume, overwrite : bool
        Go on with the file, or replace it as soon as an epoch is done.
    """

    def __init__(self, trainer: Course, to: str | Path | None, resume: bool = False, overwrite: bool = False):
        self.trainer = trainer
        self.path = path = absolute(scratch_file("training") if to is None else to)
        self._lengths: dict[str, int] = {}  # epochs that each series has
        self._begun = {layer.name: plain_of(layer) for layer in trainer.model.layers()}
        self._closed = False
        self._may_go_on = to is not None
        self._left_out: set[str] = set()  # what parts hold and checkpoints do not, as it was told
        if resume and overwrite:
            raise ParameterError("resume goes on with the run file and overwrite replaces it: choose one of them")
        if resume:
            self._resume()
            return
        self.file = RunFile.create(path, overwrite=overwrite)
        self.causes = Causes.of(trainer.methods)
        self.recorder = Recorder(self.file, "none", causes=self.causes)
        try:
            self._describe()
        except BaseException:
            self.file.discard()
            raise

    def _describe(self) -> None:
        t, f = self.trainer, self.file
        populations, projections = [], []
        taps = {id(p): layer.taps for layer in t.model.layers() for p in layer.parameters.values()}
        for name, w in t.weights().items():
            table = w.table
            populations += [{"name": f"{name}.in", "n": table.n_source}, {"name": f"{name}.out", "n": table.n_target}]
            projections.append(
                {"name": name, "source": f"{name}.in", "target": f"{name}.out", "spines": {"volume": 1.0},
                 "taps": taps[id(w)], "pairs": table.n_source * table.n_target}
            )  # fmt: skip
        f.set_item("kind", "training")
        f.set_item(
            "provenance", environment() | {"seed": t.seed, "study": "", "data": t.data.name, "sources": self._sources()}
        )
        f.set_item("network", {"populations": populations, "projections": projections})
        f.set_item("mechanisms", sources(t.methods))
        f.set_item("causes", list(self.causes.words))
        f.set_item("meanings", self.causes.describe())
        f.set_item("terms", {})
        f.set_item("acceleration", 1.0)
        f.set_item("tick", t.life_per_epoch / t.steps_per_epoch, "ms")
        f.set_item("tick_spike", float(t.encoder.steps), "ms")
        f.set_item("methods", [repr(m) for m in t.methods])
        f.set_item("approximations", self._approximations())
        f.set_item("interventions", [])
        f.set_item("finished", False)
        f.set_item("target_hz", None, "Hz")
        f.set_item("training", self._settings())
        f.set_item("description", t.description)
        f.set_item("model", self._model())
        if t.callbacks:
            f.set_item("callbacks", [callback.word_of_callback(c) for c in t.callbacks])
            if reasons := callback.why_not_again(list(t.callbacks)):
                f.set_item("cannot_rerun", reasons)
        for name in t.weights():
            self._snapshot(name, "initial")
        self._constants()
        self._picture()
        f.commit()

    def _sources(self) -> dict[str, dict[str, str]]:
        """What is not ours of the parts of this training."""
        t = self.trainer
        found = foreign(*t.model.layers(), t.encoder, t.optimiser, t.schedule, t.loss, *t.methods)
        return {word: about for word, about in found.items() if "<lambda>" not in word}  # described by their code

    def _model(self) -> dict[str, Any]:
        """The model in words, of which `Run.model` makes it anew; why there are none, where a part has no name."""
        t = self.trainer
        try:
            words = about(t.model) | {"trained": training_words(self._trained())}
            return dict(json.loads(json.dumps(words)))
        except (ParameterError, TypeError, ValueError) as e:
            return {"without": str(e)}

    def _trained(self) -> Trained:
        """How the model is trained; which steps it sees is told epoch by epoch."""
        t = self.trainer
        return Trained(t.encoder, t.loss, t.seed, targets=getattr(t.data, "targets", None) or "classes")

    def _approximations(self) -> list[str]:
        out = ["Gradients pass spikes by a surrogate; time goes in discrete steps (neurodev.learn)."]
        out += [line for m in self.trainer.methods for line in m.approximations(self.trainer)]
        out.append("Synaptic operations are counted in forward passes; the backward pass touches the same synapses.")
        return out

    def _resume(self) -> None:
        """Go on where the last checkpoint was taken.

        Raises
        ------
        StudyError
            If the run was begun with other settings.
        """
        with RunFile.open(self.path) as old:
            check_sources(old.provenance().get("sources", {}))
            theirs = old.item("description", None)
        if not isinstance(theirs, dict):
            raise StudyError(
                f"cannot resume {str(self.path)!r}: it was begun by an older neurodev, which did not describe the "
                "whole training; begin a new run"
            )
        found = differences(self.trainer.description, theirs)
        if found:
            raise StudyError(f"cannot resume {str(self.path)!r}: {told(found)}; build the trainer as before")
        t = self.trainer
        # looked at before what is younger is dropped; the older one is tried if the last is damaged
        self.file, _, data = RunFile.resume(self.path, lambda data: check_state(t, unpack(data)))
        self.causes = self._resumed_causes()
        self.recorder = Recorder(self.file, "none", causes=self.causes)
        try:
            restore(self.trainer, unpack(data))
            self.trainer.history = self._history()
            self._restore_items()
        except BaseException:
            self.file.abandon()  # as it was at its checkpoint: it can be resumed again
            raise

    def _restore_items(self) -> None:
        """Items as they were at the checkpoint: what younger epochs noted is gone with them."""
        f, t = self.file, self.trainer
        if notes := f.item("notes", []):
            f.set_item("notes", [n for n in notes if n[1] <= t.step])
        f.drop_item("stopped")
        if (kept := f.item("best", None)) is not None:
            f.drop_item("best")
            if t.history and kept["epoch"] > t.epoch:
                kept = self._best()
            f.set_item("best", kept)
            f.keeping = kept["step"]
        f.commit()

    @property
    def closed(self) -> bool:
        """Whether the file is sealed."""
        return self._closed

    def reopen(self) -> None:
        """Go on with a file that was sealed, from its last checkpoint.

        Raises
        ------
        RunFileError
            If it holds none.
        """
        self._resume()
        self._closed = False

    def _best(self) -> dict[str, Any]:
        """The best epoch so far, as item ``"best"`` keeps it: its checkpoint stays in the file."""
        t = self.trainer
        k = standing.best(t.history, t.data)
        name, _ = standing.judge(t.data)
        value = t.history[k].series.get(name, np.nan)
        return {"epoch": k + 1, "step": (k + 1) * t.steps_per_epoch, "by": name, "value": float(value)}

    def _resumed_causes(self) -> Causes:
        """The list that the file has, and behind it what the methods of today know beyond it."""
        f, mine = self.file, Causes.of(self.trainer.methods)
        old = Causes.read(f.item("causes", list(CAUSES)), f.item("meanings", {}))
        both = Causes.read([*old.words, *(w for w in mine.words if w not in old)], mine.describe())
        f.set_item("causes", list(both.words))
        f.set_item("meanings", both.describe())
        return both

    def _history(self) -> list[Epoch]:
        names = [n.removeprefix("series/") for n in self.file.names("series/") if n != "series/snapshot_day"]
        columns = {n: self.file.read(f"series/{n}") for n in names}
        self._lengths = {n: c.size for n, c in columns.items()}
        at = lambda c, k: float(c[k]) if k < c.size else float("nan")
        return [Epoch(k + 1, {n: at(c, k) for n, c in columns.items()}) for k in range(self.trainer.epoch)]

    def _settings(self) -> dict[str, Any]:
        t = self.trainer
        return {
            "data": t.data.name, "n_train": len(t.data.y_train), "n_test": len(t.data.y_test), "epochs": t.epochs,
            "batch": t.batch, "seed": t.seed, "encoder": repr(t.encoder), "optimiser": repr(t.optimiser),
            "loss": t.loss.name, **self._aside(), "methods": [m.name for m in t.methods],
            "layers": [f"{layer.name}: {type(layer).__name__}" for layer in t.model.layers()],
            "calibrated_gains": t.gains,
        }  # fmt: skip

    def _aside(self) -> dict[str, Any]:
        """What of the data is no matter of course."""
        data, found = self.trainer.data, dict[str, Any]()
        if getattr(data, "x_validation", None) is not None:
            found["n_validation"] = len(data.y_validation)  # type: ignore[attr-defined]
        if (kind := standing.targets_of(data)) != "classes":
            found["targets"] = kind
        return found

    def _picture(self) -> None:
        """All weights as they are now."""
        t = self.trainer
        for name in t.weights():
            self._snapshot(name, label_of(t.life / day))
        for layer in t.model.layers():
            label = f"model/{t.epoch}/{layer.name}/"
            vectors = {k: p.value for k, p in layer.parameters.items() if isinstance(p, Vector)}
            for key, a in (vectors | layer.buffers()).items():
                self.file.append(f"{label}{key}", np.asarray(a).reshape(-1))
        self.file.append("series/snapshot_day", np.array([t.life / day]))

    def _constants(self) -> None:
        """What the words of the model do not know: numbers of layers that were changed, steps that are not seen."""
        t = self.trainer
        for k, kept in enumerate(Trained(methods=list(t.methods)).seen()):
            if not kept.all():
                self.file.append(f"model/{t.epoch}/{STEPS}{k}", kept.astype(np.uint8))
        for layer in t.model.layers():
            for key, value in plain_of(layer).items():
                if type(value) in (int, float) and value != self._begun[layer.name].get(key):
                    self.file.append(f"model/{t.epoch}/{layer.name}/={key}", np.array([float(value)]))

    def _picture_due(self) -> bool:
        """At every epoch while the pictures stay small, else at a few epochs along the run and at its end."""
        t = self.trainer
        n = sum(w.table.n_synapse for w in t.weights().values())
        every = max(1, round(t.epochs * min(1.0, n / PICTURE_SYNAPSES)) // 2)
        return t.epoch % every == 0 or t.epoch == t.epochs

    def _snapshot(self, name: str, label: str) -> None:
        table = self.trainer.weights()[name].table
        slots = table.slots()
        with np.errstate(divide="ignore"):
            log_size = np.log(np.abs(table.weight[slots].astype(np.float64)))
        state: dict[str, NDArray[Any]] = {
            "uid": table.uid[slots], "pre": table.pre(slots).astype(np.uint32), "post": table.post[slots],
            "lane": np.zeros(slots.size, np.uint8), "weight": table.weight[slots], "born": table.born_of(slots),
            "log_size": np.maximum(log_size, SMALLEST),
        }  # fmt: skip
        self.recorder.snapshot(name, label, state)

    def epoch(
        self, series: dict[str, float], confusion: NDArray[np.int64] | None, notes: Sequence[Any] = (),
        stopped: str | None = None,
    ) -> None:  # fmt: skip
        """Write one epoch: its numbers, the births and deaths, and now and then a checkpoint; one transaction.

        Parameters
        ----------
        series : dict
        confusion : (n_class, n_class) or (n_label, 2, 2), optional
        notes : sequence of (epoch, step, text)
            What callbacks noted.
        stopped : str, optional
            Why a callback ends the training.
        """
        t = self.trainer
        self.file.begin()  # an older run of that name need not come back
        for name in series:  # one that begins later has no number for the epochs before
            late = t.epoch - 1 - self._lengths.get(name, 0)
            if late > 0:
                self.file.append(f"series/{name}", np.full(late, np.nan))
            self._lengths[name] = t.epoch
        self.recorder.series(series)
        if confusion is not None:
            self.file.append("confusion", confusion.reshape(-1, confusion.shape[-1]).astype("<u4"))
        if notes:
            self.file.set_item("notes", [*self.file.item("notes", []), *notes])
        if stopped is not None:
            self.file.set_item("stopped", {"epoch": t.epoch, "why": stopped})
        for name, log in t.logs.items():
            self.recorder.log(name, log.take())
        self._constants()
        if self._picture_due():
            self._picture()
        due = bool(t.checkpoint_every and t.epoch % t.checkpoint_every == 0)
        if t.keep_best and t.history:
            kept = self._best()
            self.file.set_item("best", kept)
            self.file.keeping = kept["step"]
            due = due or kept["epoch"] == t.epoch
        self.recorder.flush(t.step, pack(state_of(t)) if due else None)
        if due and self._may_go_on:
            self._tell_left_out()

    def _tell_left_out(self) -> None:
        """Warn, once, of what parts of the training hold and checkpoints do not: where it goes on that begins anew."""
        found = set(left_out(self.trainer)) - self._left_out
        self._left_out |= found
        if found:
            warnings.warn(
                f"checkpoints do not keep {', '.join(sorted(found))}: a training that is resumed has it as it was "
                "built; numbers, words, arrays and collections of these are kept",
                stacklevel=2,
            )

    def stop(self, why: str) -> str:
        """Seal the file of a training that broke off, and say what became of it.

        One that had not finished an epoch leaves an older run of its name in place.
        """
        if self.file.older_waits:
            self._closed = True
            self.file.discard()
            return f"{str(self.path)!r} is the older run still: the new one had not finished an epoch"
        self.close(why)
        return f"{str(self.path)!r} is sealed and readable, up to epoch {self.trainer.epoch}"

    def close(self, finished: Any) -> None:
        """Seal the file; Ctrl-C waits for it.  What could not be written ends it as it was flushed last."""
        if self._closed:
            return
        self._closed = True
        if finished is not True and self.file.older_waits:  # it never got going: the older run comes back
            self.file.discard()
            return
        with Patience():
            self._seal(finished)

    def _seal(self, finished: Any) -> None:
        if self.file.failed:
            self.file.abandon()
            return
        try:
            for name, log in self.trainer.logs.items():
                self.recorder.log(name, log.take())
                self._snapshot(name, "final")
            self.file.set_item("finished", finished)
            self.file.set_item("life", self.trainer.life, "ms")
            self.file.set_item("events", 0)
            self.recorder.flush(self.trainer.step + 1)
            self.file.close()
        finally:
            self.file.abandon()  # nothing, where it was sealed
