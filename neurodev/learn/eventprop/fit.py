"""A model of event layers with a readout, and the loop that trains it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev import compiling, params, rng
from neurodev.data.dataset import SpikeTrains, check_labels, trains_of
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.learn.eventprop.layer import EventLayer, Pullback
from neurodev.learn.eventprop.losses import cross_entropy, rate_penalty
from neurodev.learn.eventprop.readout import Readout
from neurodev.learn.eventprop.record import EventRecord
from neurodev.learn.eventprop.tables import Column
from neurodev.learn.training.description import described
from neurodev.learn.training.door import several
from neurodev.learn.training.optim import Adam, Schedule, cosine
from neurodev.metrics.cost import confusion
from neurodev.registry import Spoken, takes
from neurodev.runs.run import Run
from neurodev.structure.dense import DenseTable
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Applied, Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.units import day

F8 = NDArray[np.float64]


class EventModel(metaclass=Spoken):
    """Layers one after the other, and a readout that does not spike.

    Parameters
    ----------
    *layers : EventLayer
    readout : Readout

    Raises
    ------
    BuildError
        If sizes do not follow each other.
    """

    def __init__(self, *layers: EventLayer, readout: Readout):
        if not layers or not all(isinstance(layer, EventLayer) for layer in layers):
            raise BuildError(f"an EventModel needs at least one EventLayer before its readout, got {layers!r}")
        if len({id(layer) for layer in layers}) < len(layers):
            raise BuildError("a layer is there twice: make one for each place")
        if not isinstance(readout, Readout):
            raise BuildError(f"readout must be a Readout, got {readout!r}")
        self.layers, self.readout = list(layers), readout
        sizes = [layer.n for layer in layers]
        takes = [*(layer.inputs.n_source for layer in layers[1:]), readout.table.n_source]
        for k, (gives, wants) in enumerate(zip(sizes, takes, strict=True)):
            if gives != wants:
                raise BuildError(f"layer {k + 1} has {gives} neurons, but the next one takes {wants}")
        self.hidden: list[SpikeTrains] = []

    def __call__(self, spikes: SpikeTrains) -> tuple[F8, Callable[..., float]]:
        """Scores (n_sample, n_class), and the pullback of the scores; the spikes of the layers stay in `hidden`.

        ``pull(d_scores, low=0, high=inf, strength=0)`` adds to all gradients, `rate_penalty` with those bounds
        included, and returns the share of spikes whose slope was clipped.
        """
        pulls: list[Pullback] = []
        self.hidden = []
        x = spikes
        for layer in self.layers:
            x, pull = layer(x)
            self.hidden.append(x)
            pulls.append(pull)
        scores, pull_scores = self.readout(x)
        hidden = list(self.hidden)

        def pull_all(d_scores: ArrayLike, low: float = 0.0, high: float = np.inf, strength: float = 0.0) -> float:
            d, clipped = pull_scores(d_scores), 0.0
            for k in range(len(pulls) - 1, -1, -1):
                if strength:
                    push = rate_penalty(hidden[k], low, high, strength)
                    d = pulls[k](d, d_final=push.d_final, kicks=push.kicks, inputs=k > 0)
                else:
                    d = pulls[k](d, inputs=k > 0)
                clipped += pulls[k].clip_rate / len(pulls)
            return clipped

        return scores, pull_all

    def evaluate(self, spikes: SpikeTrains, labels: ArrayLike, batch: int = 1000) -> float:
        """Share of the samples whose largest score is that of their label."""
        y = check_labels(labels, self.readout.table.n_target, "labels")
        if len(trains_of(spikes, "spikes")) != y.size:
            raise ParameterError(f"need as many labels as samples, got {y.size} and {len(spikes)}")
        batch, right = params.whole(batch, "batch", 1), 0
        for a in range(0, y.size, batch):
            right += int((self(spikes[a : a + batch])[0].argmax(axis=1) == y[a : a + batch]).sum())
        return right / max(y.size, 1)


@dataclass
class EventEpoch:
    """Numbers of one epoch; `spikes` a neuron and trial, by layer; `seconds` of this thread's processor time.

    `compile_seconds` are those of the compiler, which `seconds` do not count.  Accuracies are NaN where targets are no
    classes, numbers of the test set where there is none.
    """

    number: int
    loss: float
    accuracy: float
    spikes: list[float]
    clipped: float
    seconds: float
    compile_seconds: float = 0.0
    test_loss: float = float("nan")
    test_accuracy: float = float("nan")


def drop_spikes(spikes: SpikeTrains, share: float, stream: np.random.Generator) -> SpikeTrains:
    """Without a random share of the spikes."""
    if share == 0.0:
        return spikes
    keep = stream.random(spikes.times.size) >= share
    offsets = np.concatenate([[0], np.cumsum(keep)])[spikes.offsets].astype(np.int64)
    return SpikeTrains(spikes.times[keep], spikes.cells[keep], offsets, spikes.n_cell, spikes.duration)


def _graded(labels: NDArray[Any]) -> bool:
    """Whether labels are something else than class numbers."""
    return labels.ndim > 1 or labels.dtype.kind == "f"


def refuse_methods(methods: Any) -> None:
    """Refuse methods of the other trainer by their names.

    Raises
    ------
    ParameterError
        With what does the same here.
    """
    if isinstance(methods, (list, tuple)) and not methods:
        return
    names = [type(m).__name__ for m in methods] if isinstance(methods, (list, tuple)) else [shown(methods)]
    raise ParameterError(
        f"methods: {', '.join(names)} works in Trainer alone, whose clocks and surrogate gradients it needs; here "
        "structure changes in a callback, by trainer.propose(table, [rewire.deaths(...), rewire.births(...)])"
    )


@dataclass
class EventTrainer(metaclass=Spoken):
    """Trains an `EventModel` with Adam on the cross-entropy of its scores.

    Parameters
    ----------
    model : EventModel
    rate : float
        Adam's rate of the layers.
    readout_rate : float
        Times `rate`, for the readout.
    epochs : int
        Planned length, to which the schedule refers.
    batch : int
    seed : int
        Of the order of the samples and of dropped spikes.
    gain : float, 1/mV
        Of the scores in the softmax.
    drop : float
        Share of the input spikes left out at random, in [0, 1).
    low, high, push : float
        Bounds and strength of `rate_penalty` (0: off).
    schedule : callable, optional
        A cosine to 1/100 if not given.
    to : path, optional
        A run file: series, births and deaths with their causes, checkpoints; none is written if not given.  Tables made
        with one ``uids=UidSource()`` for all keep the lives of their synapses apart.
    resume, overwrite : bool
        Go on from the last checkpoint of the file, to the same bytes, or replace it.
    checkpoint : int
        Epochs between checkpoints (0: none).
    callbacks : sequence of callable
        Called with the trainer at the end of every epoch, before it is written: where structure changes, by `propose`.
    loss : callable, optional
        One's own, ``loss(scores, labels) -> (value, d_scores)`` of (n_sample, n_class) scores: means over the samples.
        It may take other labels than class numbers, any array with a row a sample; `gain` is then not used.
    methods : sequence
        Must stay empty: the methods of `Trainer` need its clocks and surrogate gradients.

    Raises
    ------
    ParameterError
        Naming the argument; a method, with what does the same here; or the layer, if one is silent throughout the first
        epoch (no exact gradient would ever reach it).
    """

    model: EventModel
    rate: float = 2e-3
    readout_rate: float = 5.0
    epochs: int = 10
    batch: int = 100
    seed: int = 0
    gain: float = 1.0
    drop: float = 0.0
    low: float = 0.0
    high: float = 100.0
    push: float = 0.0
    schedule: Schedule | None = None
    to: str | Path | None = None
    resume: bool = False
    overwrite: bool = False
    checkpoint: int = 1
    callbacks: Sequence[Callable[[Any], Any]] = ()
    loss: Callable[[F8, NDArray[Any]], tuple[float, F8]] | None = None
    methods: Sequence[Any] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.model, EventModel):
            raise ParameterError(f"model must be an EventModel, got {type(self.model).__name__}")
        for name in ("epochs", "batch"):
            setattr(self, name, params.whole(getattr(self, name), name, 1))
        self.seed = rng.check_seed(self.seed)
        params.number(self.drop, "drop", low=0, below=1)
        for name in ("rate", "readout_rate", "gain"):
            params.number(getattr(self, name), name, above=0)
        for name in ("low", "push"):
            params.number(getattr(self, name), name, low=0)
        if not self.low <= self.high:
            raise ParameterError(f"high must be at least low = {self.low!r}, got {self.high!r}")
        if self.schedule is not None and not callable(self.schedule):
            raise ParameterError(f"schedule must be a function of progress in [0, 1], got {self.schedule!r}")
        if self.schedule is not None:
            takes("schedule", self.schedule, "progress")
        self.checkpoint = params.whole(self.checkpoint, "checkpoint", 0)
        for name in ("resume", "overwrite"):
            params.flag(getattr(self, name), name)
        if (self.resume or self.overwrite) and self.to is None:
            raise ParameterError("resume and overwrite need to=: the run file")
        called = lambda c: callable(c) and not isinstance(c, type)
        self.callbacks = several("callbacks", self.callbacks, called, "functions of the trainer")
        for callback in self.callbacks:
            takes("callbacks:", callback, "trainer")
        if self.loss is not None:
            if isinstance(self.loss, type) or not callable(self.loss):
                raise ParameterError(f"loss must be a function of (scores, labels), got {shown(self.loss)}")
            takes("loss:", self.loss, "scores", "labels")
        refuse_methods(self.methods)
        self.logs: dict[str, StructuralLog] = {name: StructuralLog() for name in self.tables()}
        self._turnover = {name: [0, 0] for name in self.logs}
        self._before = {name: table.n_synapse for name, table in self.tables().items()}
        self.steps_per_epoch = 1
        self._test: tuple[SpikeTrains, NDArray[Any]] | None = None
        self.record: EventRecord | None = None
        self._slow, self._fast = Adam(self.rate), Adam(self.rate * self.readout_rate)
        self._factor = self.schedule if self.schedule is not None else cosine(final=0.01)
        self.epoch = 0

    # ------------------------------------------------------------------ structure, and what a record asks

    def tables(self) -> dict[str, Table]:
        """The synapse tables: ``inputs1``, ``recurrent1``, ..., ``readout``."""
        found: dict[str, Table] = {}
        for k, layer in enumerate(self.model.layers, 1):
            found[f"inputs{k}"] = layer.inputs
            if layer.recurrent is not None:
                found[f"recurrent{k}"] = layer.recurrent
        return found | {"readout": self.model.readout.table}

    def propose(self, name: str, plans: Sequence[Plan]) -> Applied:
        """Merge and apply plans (`neurodev.methods.rewire`) on a table of `tables` now, and log them at this step.

        Raises
        ------
        ParameterError
            For a table that there is not.
        """
        if name not in self.logs:
            raise ParameterError(f"there is no table {name!r}; there are {list(self.logs)}")
        table = self.tables()[name]
        merged = merge(list(plans), table, single_contact=True)
        gone, step = merged.plan.deaths, self.epoch * self.steps_per_epoch
        done = apply(table, merged, tick=step, life=self.epoch * day, log=self.logs[name])
        self._turnover[name][0] += done.n_born
        self._turnover[name][1] += done.n_died
        if isinstance(table, DenseTable):  # the sparse table does so by itself
            for column in table.column_names:
                table.column(column)[np.concatenate([done.slots, gone])] = 0
        return done

    def counts(self) -> dict[str, int]:
        """Steps of the two optimisers."""
        return {"layers": self._slow.steps, "readout": self._fast.steps}

    def take_counts(self, counts: dict[str, int]) -> None:
        """Take up the steps of the two optimisers."""
        self._slow.steps, self._fast.steps = counts["layers"], counts["readout"]

    def _described(self, spikes: SpikeTrains, y: NDArray[Any]) -> dict[str, Any]:
        """All that the numbers depend on, as words and numbers."""
        of = lambda a: zlib.crc32(np.ascontiguousarray(a).view(np.uint8).data)
        told = lambda x, y: {
            "n": len(y), "times": of(x.times), "cells": of(x.cells), "offsets": of(x.offsets), "labels": of(y)
        }  # fmt: skip
        more: dict[str, Any] = {} if self.loss is None else {"loss": described(self.loss)}
        if self._test is not None:
            more["tests"] = told(*self._test)
        words = ("rate", "readout_rate", "epochs", "batch", "seed", "gain", "drop", "low", "high", "push")
        return {w: getattr(self, w) for w in words} | {
            "eventprop": 1, "data": {"name": "spike trains"} | told(spikes, y),
            "schedule": described(self._factor), "callbacks": described(list(self.callbacks)),
            "tables": {n: [t.n_source, t.n_target] for n, t in self.tables().items()},
            "neurons": [described(layer.neuron) for layer in self.model.layers],
            "durations": [float(layer.duration) for layer in self.model.layers],
        } | more  # fmt: skip

    def _series(self, done: EventEpoch) -> dict[str, float]:
        """The numbers of an epoch under the names of `neurodev.learn.training.series`."""
        out: dict[str, float] = {
            "life": float(done.number), "train_loss": done.loss, "train_accuracy": done.accuracy,
            "test_loss": done.test_loss, "test_accuracy": done.test_accuracy, "seconds": done.seconds,
            "compile_seconds": done.compile_seconds, "clipped": done.clipped,
        }  # fmt: skip
        alive = pairs = 0
        for name, table in self.tables().items():
            size, n = table.n_source * table.n_target, table.n_synapse
            born, died = self._turnover[name]
            out |= {f"n_synapse/{name}": n, f"density/{name}": n / size}
            out |= {f"births/{name}": born, f"deaths/{name}": died}
            if n != self._before[name] + born - died:
                raise ParameterError(f"synapses of {name!r} were changed behind the log: use propose in a callback")
            alive, pairs = alive + n, pairs + size
            self._before[name], self._turnover[name] = n, [0, 0]
        out["density"] = alive / pairs
        return out | {f"rate/layer{k}": s for k, s in enumerate(done.spikes, 1)}

    # ------------------------------------------------------------------ running

    def _targets(self, spikes: SpikeTrains, labels: ArrayLike, of: str) -> NDArray[Any]:
        """Class numbers; or, for a loss of one's own, any array with a row a sample."""
        y: NDArray[Any] | None = None
        trains_of(spikes, "spikes")
        if self.loss is not None:
            try:
                y = np.asarray(labels)
            except Exception:  # lists of different lengths, objects that are no arrays
                y = np.zeros(())
            if y.ndim < 1 or y.dtype.kind not in "biuf" or not np.isfinite(y).all():
                raise ParameterError(f"{of} must be an array of numbers with a row a sample, got {shown(labels)}")
        if y is None or not _graded(y):
            y = check_labels(labels, self.model.readout.table.n_target, of)
        if len(spikes) != len(y):
            raise ParameterError(f"need as many {of} as samples, got {len(y)} and {len(spikes)}")
        return y

    def fit(self, spikes: SpikeTrains, labels: ArrayLike, test: Any = None) -> Iterator[EventEpoch]:
        """Train for the planned epochs, one `EventEpoch` at a time; a file that is gone on with begins where it was.

        Parameters
        ----------
        spikes : SpikeTrains
        labels : (n_sample,) int
            Or what a loss of one's own takes, (n_sample, ...).
        test : (SpikeTrains, labels), optional
            Measured after every epoch, before callbacks; nothing depends on it.

        Raises
        ------
        ParameterError
            Where samples and labels do not fit each other, or the net.
        """
        y = self._targets(spikes, labels, "labels")
        if not len(y):
            raise ParameterError("need at least one sample to train on, got 0")
        if test is not None:
            if not isinstance(test, (tuple, list)) or len(test) != 2 or not isinstance(test[0], SpikeTrains):
                raise ParameterError(f"test must be (spikes, labels), got {shown(test)}")
            test = test[0], self._targets(test[0], test[1], "labels of the tests")
        self._test = test
        self.steps_per_epoch = -(-len(y) // self.batch)
        if self.to is not None and self.record is None:
            about = self._described(spikes, y)
            self.record = EventRecord(self, about, self.to, self.resume, self.overwrite)
            self._before = {name: table.n_synapse for name, table in self.tables().items()}
        while self.epoch < self.epochs:
            try:
                done = self._whole_epoch(spikes, y)
            except BaseException as e:
                if self.record is not None:
                    self.record.close("interrupted" if isinstance(e, KeyboardInterrupt) else f"stopped: {e}")
                raise
            yield done

    def close(self) -> Run:
        """Seal the run file and return the run.

        Raises
        ------
        ParameterError
            If the training writes none.
        """
        if self.record is None:
            raise ParameterError("this training writes no run file: give to=, and train")
        self.record.close(True)
        return Run(self.record.path)

    @compiling.told()
    def _whole_epoch(self, spikes: SpikeTrains, y: NDArray[Any]) -> EventEpoch:
        """One epoch with all that follows it: callbacks, then the file."""
        done = self._one_epoch(spikes, y)
        decided = None
        if self._test is not None and len(self._test[1]):
            hidden = self.model.hidden  # of the last batch, which a callback may want to see
            done.test_loss, done.test_accuracy, decided = self.measure(*self._test)
            self.model.hidden = hidden
        self.epoch += 1
        silent = [f"layer {k + 1}" for k, s in enumerate(done.spikes) if s == 0.0]
        if silent and self.epoch == 1:
            raise ParameterError(
                f"{', '.join(silent)} did not fire once in the first epoch and has no exact gradient: "
                "calibrate() its weights on a batch of input, or lower its threshold"
            )
        for callback in self.callbacks:
            callback(self)
        if self.record is not None:
            self.record.epoch(self._series(done), decided)
        return done

    def measure(self, spikes: SpikeTrains, labels: ArrayLike) -> tuple[float, float, NDArray[np.int64] | None]:
        """Loss, accuracy and `confusion` of some samples, without learning; NaN and None where there are no classes."""
        y, loss = self._targets(spikes, labels, "labels"), 0.0
        scores = np.zeros((len(y), self.model.readout.table.n_target))
        for a in range(0, len(y), 1000):
            cut = slice(a, a + 1000)
            scores[cut] = self.model(spikes[cut])[0]
            loss += self._loss(scores[cut], y[cut])[0] * len(y[cut])
        loss /= max(len(y), 1)
        if _graded(y):
            return loss, float("nan"), None
        table = confusion(y, scores.argmax(axis=1), scores.shape[1])
        return loss, float(np.trace(table)) / max(len(y), 1), table

    def _loss(self, scores: F8, y: NDArray[Any]) -> tuple[float, F8]:
        """Value and gradient, looked at where the loss is the user's own."""
        if self.loss is None:
            return cross_entropy(scores, y, self.gain)
        said = self.loss(scores, y)
        if not isinstance(said, tuple) or len(said) != 2:
            raise ParameterError(f"loss must return (value, d_scores), got {shown(said)}")
        value = params.scalar(said[0])
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise ParameterError(f"loss: the value must be a number, got {shown(value)}")
        d = np.asarray(said[1], dtype=np.float64)
        if d.shape != scores.shape or not np.isfinite(d).all():
            raise ParameterError(
                f"loss: d_scores must be finite numbers of the shape of scores, {scores.shape}, got {d.shape}"
            )
        return float(value), d

    def _one_epoch(self, spikes: SpikeTrains, y: NDArray[Any]) -> EventEpoch:
        watch = compiling.Stopwatch(processor=True)
        order = rng.generator(self.seed, "order", self.epoch).permutation(len(y))
        starts = range(0, len(y), self.batch)
        classes = not _graded(y)
        loss, right, clipped = 0.0, 0, 0.0
        fired = [0] * len(self.model.layers)
        for b, a in enumerate(starts):
            chosen = order[a : a + self.batch]
            x = drop_spikes(spikes[chosen], self.drop, rng.generator(self.seed, "drop", self.epoch, b))
            scores, pull = self.model(x)
            value, d_scores = self._loss(scores, y[chosen])
            if not np.isfinite(value):
                raise ParameterError(f"the loss became {value} in epoch {self.epoch + 1}: lower the rate")
            clipped += pull(d_scores, self.low, self.high, self.push)
            self._step((self.epoch + b / len(starts)) / self.epochs)
            loss += value * chosen.size
            right += int((scores.argmax(axis=1) == y[chosen]).sum()) if classes else 0
            fired = [k + h.times.size for k, h in zip(fired, self.model.hidden, strict=True)]
        sites = [layer.n * len(y) for layer in self.model.layers]
        rates = [k / n for k, n in zip(fired, sites, strict=True)]
        accuracy = right / len(y) if classes else float("nan")
        numbers = loss / len(y), accuracy, rates, clipped / len(starts)
        return EventEpoch(self.epoch + 1, *numbers, watch.seconds(), watch.compiling())

    def _step(self, progress: float) -> None:
        factor = self._factor(progress)
        if not (isinstance(factor, (int, float, np.number)) and np.isfinite(factor) and factor >= 0):
            raise ParameterError(f"schedule({progress:.4g}) must be a number of at least 0, got {factor!r}")
        layers: Sequence[EventLayer] = self.model.layers
        slow: list[Column] = [p for layer in layers for p in layer.parameters.values()]
        self._slow.step(slow, factor)  # type: ignore[arg-type]
        self._fast.step(self.model.readout.parameters.values(), factor)  # type: ignore[arg-type]
        for layer in layers:
            layer.project()
        self.model.readout.project()
