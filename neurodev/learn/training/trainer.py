"""The trainer: epochs, clocks for methods, plans into the structural log, everything into the run file.

Clocks of a step:  before_forward -> forward and backward -> after_backward -> optimiser -> after_step;
of an epoch: epoch_end (before evaluation, as the published methods have it) -> evaluation -> recording.
A method is a `Method` with any of these calls; what it may read and do is a `Course`, which the trainer is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.card import Card, Rows, counted, named
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.core.layer import Counters
from neurodev.learn.core.spikes import at_steps
from neurodev.learn.layers.norm import settle
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.predicting import Trained
from neurodev.learn.training import alarms, closed, combined, description, door
from neurodev.learn.training.augment import Picked, augmented
from neurodev.learn.training.course import Samples
from neurodev.learn.training.encode import Binned, Encoder, encoder_for
from neurodev.learn.training.epoch import Epoch, complete
from neurodev.learn.training.health import calibrate
from neurodev.learn.training.loss import Function, Loss, as_loss
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import Adam, Schedule, constant
from neurodev.learn.training.optim import Optimiser as OptimiserBase
from neurodev.learn.training.pace import Pace
from neurodev.learn.training.recording import TrainingRecord
from neurodev.learn.training.series import series
from neurodev.learn.training.structured import Structured
from neurodev.learn.training.workers import Outcome, Workers
from neurodev.metrics.cost import confusion
from neurodev.params import flag, number, takes, whole
from neurodev.record.patience import Patience
from neurodev.rng import check_seed
from neurodev.runs.run import Run
from neurodev.structure.cause import Causes
from neurodev.structure.log import StructuralLog
from neurodev.units import day

I8 = NDArray[np.int64]
TEST_BATCHES = 10  # batches that are tested at a time


class Trainer(Card, Structured):
    """Trains a model on a data set.

    Parameters
    ----------
    model : Sequential
        Built, that is made with ``inputs=``.
    data : Dataset
    encoder : Encoder
    loss : str, Loss or callable
        See `neurodev.learn.training.loss.LOSSES`.
    optimiser : Optimiser
        One of its own: `SGD`, `Adam`, ...
    schedule : callable
        Progress in [0, 1] of the planned epochs -> factor on the rate.
    epochs : int
        Planned length of the run: schedules and methods refer to it.
    batch : int
    seed : int
        Of the order of samples and of the encoder.
    threads : {1, 2}
        The result does not depend on it.
    methods : sequence of Method
    to : path, optional
        The run file; a temporary file if not given.
    life_per_epoch : float, ms
        Life time that an epoch stands for, in the run file.
    augment : callable, optional
        ``augment(x, generator)`` on the training samples of a batch.
    checkpoint : int
        Epochs between checkpoints (0: none).
    progress : bool
        A bar on a terminal, a line an epoch elsewhere.
    settle : int
        Batches on which batch norm takes its running means anew before every evaluation (0: never, as published); of
        use where a method lets absent synapses act until the epoch ends.
    patience : int, optional
        Stop after this many epochs without a better accuracy on the test set.
    callbacks : sequence of callable
        Called with the trainer at the end of every epoch; one that returns True ends the training.  Checkpoints keep
        the attributes of callbacks that are objects, not the variables of functions.
    resume : bool
        Go on from the last checkpoint of the run file `to`, to the same bytes as without the break.
    overwrite : bool
        Replace a run file of the name `to`, as soon as an epoch is done; otherwise it is refused.
    calibrate : bool
        Scale up weights as they were drawn where a layer would be silent, with a line about each such layer
        (`neurodev.learn.training.health`).  Weights that were set or trained are never scaled.

    Raises
    ------
    ParameterError
        Naming what does not fit: shapes, labels, a silent network.
    StudyError
        For methods that exclude each other, parts that another training holds, or a run file of another training.

    Notes
    -----
    An optimiser and a method hold the state of one training; another trainer that is given the same object makes itself
    a fresh copy (`optimiser` and `methods` are those in use).  The model belongs to the last trainer that was made for
    it, which begins with new moments; an earlier one can train it no more.
    """

    def __init__(
        self,
        model: Sequential,
        data: Dataset | Samples,
        *,
        encoder: Encoder | None = None,
        loss: str | Loss | Function = "rate_mse",
        optimiser: OptimiserBase | None = None,
        schedule: Schedule | None = None,
        epochs: int = 10,
        batch: int = 100,
        seed: int = 0,
        threads: int = 1,
        methods: Sequence[Method] = (),
        to: str | Path | None = None,
        life_per_epoch: float = day,
        augment: Callable[[Any, np.random.Generator], Any] | None = None,
        checkpoint: int = 1,
        progress: bool = False,
        settle: int = 0,
        patience: int | None = None,
        callbacks: Sequence[Callable[[Trainer], Any]] = (),
        resume: bool = False,
        overwrite: bool = False,
        calibrate: bool = True,
    ):
        self.model: Sequential = door.instance("model", model, Sequential, "a Sequential of layers")
        given = encoder if encoder is not None else encoder_for(getattr(data, "x_train", None), self.model.inputs)
        self.encoder: Encoder = door.instance("encoder", given, Encoder, "an encoder, such as Bernoulli(20)")
        self.optimiser: Any = door.instance(
            "optimiser", optimiser if optimiser is not None else Adam(1e-3), OptimiserBase,
            "an optimiser, such as Adam(1e-3)",
        )  # fmt: skip
        self.schedule: Schedule = door.function(
            "schedule", schedule if schedule is not None else constant(),
            "a function of the share of the run, such as cosine()", "progress",
        )  # fmt: skip
        self.epochs, self.batch = whole(epochs, "epochs", 1), whole(batch, "batch", 1)
        self.seed, self.settle = check_seed(seed), whole(settle, "settle", 0)
        self.checkpoint_every = whole(checkpoint, "checkpoint", 0)
        self.patience = None if patience is None else whole(patience, "patience", 1)
        self.life_per_epoch = number(life_per_epoch, "life_per_epoch", "ms", above=0.0)
        self.progress, self.calibrate = flag(progress, "progress"), flag(calibrate, "calibrate")
        self.methods: list[Method] = door.several(
            "methods", methods, lambda m: isinstance(m, Method), "methods, such as NDSNN(0.9)"
        )
        self.callbacks: list[Callable[[Any], Any]] = door.several(
            "callbacks", callbacks, callable, "functions of the trainer"
        )
        for callback in self.callbacks:
            takes("callbacks:", callback, "trainer")
        self.augment = (
            None
            if augment is None
            else door.function("augment", augment, "a function of (x, generator)", "x", "generator")
        )
        if flag(resume, "resume") and to is None:
            raise ParameterError("resume needs to=: the run file to go on with")
        if flag(overwrite, "overwrite") and resume:
            raise ParameterError("resume goes on with the run file, overwrite replaces it: choose one of them")
        self.data: Any = data
        self._check_data()
        combined.check(self.methods)
        self.optimiser, self.methods = door.own(self.optimiser), [door.own(m) for m in self.methods]
        self.loss, self.encoder, self.schedule, self.augment = map(
            door.anew, (as_loss(loss), self.encoder, self.schedule, self.augment)
        )
        self.description = description.training(self)
        self._begin(threads)
        door.take(self.optimiser, *self.methods)
        self._prepare()
        self.record = TrainingRecord(self, to, resume, overwrite)
        self._take_model()

    # ------------------------------------------------------------------ the door

    def _begin(self, threads: int) -> None:
        """Nothing is done yet."""
        self.workers = Workers(self.model, self.loss, threads, self.encoder.steps)
        self.epoch, self.step, self.history = 0, 0, list[Epoch]()
        self.alarms = alarms.Alarms()
        self._factor, self._rate = door.factor_at(self.schedule, 0.0), self.optimiser.rate
        self.confusion = np.zeros((self.data.n_class, self.data.n_class), dtype=np.int64)
        self.evaluated: dict[str, Counters] = {}
        self.steps_per_epoch = door.steps_per_epoch(len(self.data.y_train), self.batch, self.epochs)
        self.logs = {name: StructuralLog() for name in self.weights()}
        self.births = {name: [0, 0] for name in self.logs}
        self.causes = Causes.of(self.methods)
        self._skip = self._fitting = False
        self._asked: list[bool] = []

    def _take_model(self) -> None:
        """The model is this training's from now on, and knows how it is trained."""
        self._claim = object()
        vars(self.model.uids)["claim"] = self._claim  # which copies that share weights share too
        targets = getattr(self.data, "targets", None) or "classes"
        vars(self.model)["_trained"] = Trained(self.encoder, self.loss, self.seed, self.methods, targets=targets)

    def _check_data(self) -> None:
        if self.model.inputs is None:
            raise ParameterError("model must be built: give inputs=(...) to the outermost Sequential")
        door.check_data(self.data, self.model.outputs)
        door.check_bytes(self.data, self.encoder)
        self._input(np.arange(1))
        if len(self.data.y_test):
            self._input(np.arange(1), train=False)
        elif self.patience is not None:
            raise ParameterError(f"patience={self.patience} needs test samples, of which {self.data.name} has none")

    def _prepare(self) -> None:
        """Storage, structure and weights to begin with; nothing of an earlier training of the model stays."""
        drawn = {name for name, w in self.weights().items() if w.drawn == w.fingerprint()}
        self.workers.forget()
        self._by: Method | None = None
        self._begun: dict[str, str] | None = {}  # until all is prepared
        self._watching: dict[str, str] = {}
        for m in self.methods:
            self._by = m
            m.prepare(self)
        self._begun = None
        door.check_storage(self.model, self.methods)
        door.check_norms(self.model, self.methods, self.settle)
        some = self._input(np.arange(min(self.batch, len(self.data.y_train))))
        given = {name for name in self.weights() if name not in drawn}
        self.gains = calibrate(self.model, some, given=given) if self.calibrate else {}
        for name, factor in self.gains.items():
            line = f"weights of {name!r} times {factor:.3g}, so that what they drive fires (calibrate=False: as drawn)"
            print(line, file=sys.stderr)
        for m in self.methods:
            self._by = m
            m.start(self)
        self._by = None
        self._check_clocks()
        self.clear_gradients()

    def _check_clocks(self) -> None:
        """Refuse two methods that would both say how far the learning rate has come, or which steps a net sees."""
        for what, said in (
            ("schedule of the learning rate", [m.name for m in self.methods if m.progress(self) is not None]),
            ("time steps of the input", [m.name for m in self.methods if m.living_steps() is not None]),
        ):
            if len(said) > 1:
                raise StudyError(f"{said[0]} and {said[1]} exclude each other: both decide on the {what}")

    def _input(self, samples: I8, train: bool = True, epoch: int = -1) -> Any:
        x = self.data.x_train if train else self.data.x_test
        return self._encode(x, samples, epoch)

    def _encode(self, x: Any, samples: I8, epoch: int) -> Any:
        of = f"the {'test' if x is self.data.x_test else 'training'} samples of {self.data.name}"
        y = door.encoded(self.encoder, x, samples, self.seed, epoch + 1, of=of)
        y = door.laid_out(y, tuple(self.model.inputs or ()))
        for kept in (m.living_steps() for m in self.methods):
            if kept is not None:
                y = at_steps(y, kept)
        return y

    # ------------------------------------------------------------------ where it stands

    def _words(self) -> str:
        methods = named(type(m).__name__ for m in self.methods) or "no method"
        text = f"Trainer({self.data.name!r}, {methods}, {self.epoch} of {counted(self.epochs, 'epoch')}"
        return text + (f", {100 * self.history[-1].test_accuracy:.2f} % right)" if self.history else ")")

    def _rows(self) -> Rows:
        return [
            ("data", self.data.name), ("methods", named(type(m).__name__ for m in self.methods) or "none"),
            ("epochs", f"{self.epoch} of {self.epochs}"), ("step", f"{self.step:,}"), ("batch", f"{self.batch}"),
            ("right", f"{100 * self.history[-1].test_accuracy:.2f} % of the test set" if self.history else "not yet"),
            ("tensors of weights", named(self.logs, 12)),
        ]  # fmt: skip

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.step / self.steps_per_epoch * self.life_per_epoch

    @property
    def progress_share(self) -> float:
        """Share of the planned steps that are done."""
        return min(self.step / (self.epochs * self.steps_per_epoch), 1.0)

    def _schedule_share(self) -> float:
        shares = [x for m in self.methods if (x := m.progress(self)) is not None]
        return shares[0] if shares else self.progress_share

    # ------------------------------------------------------------------ running

    def fit(self, epochs: int | None = None) -> Trainer:
        """Train for `epochs` more epochs (the rest of the plan by default); Ctrl-C leaves a readable run file."""
        if self._fitting:
            raise StudyError("fit is under way: a callback or method cannot call it again; fit(epochs) trains longer")
        last = self.epochs if epochs is None else self.epoch + whole(epochs, "epochs", 0)
        door.steps_per_epoch(len(self.data.y_train), self.batch, last)
        with Pace((last - self.epoch) * self.steps_per_epoch, self.epochs, self.progress) as pace:
            self._fitting = True
            try:
                while self.epoch < last:
                    self._one_epoch(pace)
                    if self._enough():
                        break
                pace.check()
            except BaseException as e:
                done = self.record.stop(
                    "interrupted" if isinstance(e, (KeyboardInterrupt, SystemExit)) else f"stopped: {e}"
                )
                if isinstance(e, KeyboardInterrupt):
                    raise KeyboardInterrupt(f"interrupted; {done}") from None
                raise
            finally:
                self._fitting = False
        return self

    def close(self) -> Run:
        """Seal the run file and return the run; Ctrl-C waits until it is sealed."""
        with Patience():
            self.record.close(True)
        self.workers.close()
        return Run(self.record.path)

    def _enough(self) -> bool:
        if any(self._asked) or self.patience is None:
            return any(self._asked)
        reached = [-1.0 if np.isnan(e.test_accuracy) else e.test_accuracy for e in self.history]
        return len(reached) - 1 - int(np.argmax([*reached, -2.0])) >= self.patience

    def _one_epoch(self, pace: Pace) -> None:
        begin = time.perf_counter()
        n = len(self.data.y_train)
        order = rng.generator(self.seed, "order", self.epoch).permutation(n).astype(np.int64)
        done = Outcome()
        for a in range(0, n, self.batch):
            done.add(self.train_step(order[a : a + self.batch]))
            pace.step(self.epoch + 1, done.loss / done.n)
        alarms.stop_if_broken(self)
        for m in self.methods:
            m.epoch_end(self)
        seconds = time.perf_counter() - begin
        counters = self._counters()
        if self.settle:
            some = rng.generator(self.seed, "settle", self.epoch).permutation(n)[: self.settle * self.batch]
            cuts = range(0, some.size, self.batch)
            settle(self.model, (self._input(some[a : a + self.batch], epoch=self.epoch) for a in cuts))
        test = self.evaluate()
        vars(self)["epoch"] += 1
        found = series(self, done, test, counters, seconds)
        self.alarms.look(self.epoch, counters)
        self.history.append(Epoch(self.epoch, found))
        complete(self.history)
        before = {name: w.table.n_synapse for name, w in self.weights().items()}
        try:  # the checkpoint keeps what callbacks change
            self._asked = [callback(self) is True for callback in self.callbacks]
            closed.check_structure(self.weights(), self.births, before)
        finally:
            self.record.epoch(found, self.confusion)

    def train_step(self, samples: I8) -> Outcome:
        """One batch: forward, backward, optimiser, with the clocks of the methods.

        Raises
        ------
        ParameterError
            If the loss or the learning rate is no number; if another trainer has taken the model over.
        """
        if vars(self.model.uids).get("claim") is not self._claim:
            raise ParameterError(
                "another trainer has taken this model over since: go on with that one, or make a new one"
            )
        samples = door.places(samples, len(self.data.y_train))
        for m in self.methods:
            m.before_forward(self)
        x: Any = self.data.x_train
        if self.augment is not None:
            part = augmented(self.augment, x[samples], rng.generator(self.seed, "augment", self.step))
            where = {int(s): k for k, s in enumerate(samples)}
            make = lambda ids: self._encode_part(part[[where[int(i)] for i in ids]], ids)
        else:
            make = lambda ids: self._encode(x, ids, self.epoch)
        done = self.workers.run(make, samples, self.data.y_train[samples], learn=True, step=self.step)
        if not np.isfinite(done.loss):
            alarms.stop_if_broken(self)
            raise ParameterError(f"the loss became {done.loss} at step {self.step}: lower the optimiser's rate")
        self._factor, self._rate = self._learning_rate()
        left_out = [m.after_backward(self) is True for m in self.methods]
        self._hold_the_dead()
        if any(left_out) or self._skip:
            self._skip = False
            self.clear_gradients()
        else:
            self.optimiser.step(self.model.parameters_of(), self._factor)
        vars(self)["step"] += 1
        for m in self.methods:
            m.after_step(self)
        return done

    def _learning_rate(self) -> tuple[float, float]:
        """Factor of the schedule and learning rate of this step."""
        share = self._schedule_share()
        factor, rate = self.schedule(share), self.optimiser.rate
        for what, value in ((f"schedule({share:.4g})", factor), ("the optimiser's rate", rate)):
            if not (isinstance(value, (int, float, np.number)) and np.isfinite(value) and value >= 0):
                raise ParameterError(f"{what} must be a number of at least 0, got {value!r} at step {self.step}")
        return factor, float(factor) * float(rate)

    def last_rate(self) -> dict[str, float]:
        """Factor of the schedule and learning rate of the last step, by name."""
        return {"rate_factor": float(self._factor), "learning_rate": self._rate}

    def _encode_part(self, part: Any, samples: I8) -> Any:
        """Encode augmented samples under the streams of their identities."""
        if isinstance(part, SpikeTrains) and isinstance(self.encoder, Binned):  # which draws nothing
            return self._encode(part, np.arange(samples.size), self.epoch)
        return self._encode(Picked(part, samples), samples, self.epoch)

    def evaluate(self, train: bool = False) -> Outcome:
        """Loss and accuracy on the test set (or the training set), as one pass without learning.

        What was decided is kept in `confusion` (n_class, n_class), what it took in `evaluated`, `Counters` by layer.
        """
        train = flag(train, "train")
        x, y = (self.data.x_train, self.data.y_train) if train else (self.data.x_test, self.data.y_test)
        done, scores = Outcome(), np.zeros((y.size, self.data.n_class), dtype=np.float32)
        for a in range(0, y.size, TEST_BATCHES * self.batch):
            samples = np.arange(a, min(a + TEST_BATCHES * self.batch, y.size))
            out = scores[a : a + samples.size]
            done.add(self.workers.run(lambda ids: self._encode(x, ids, -2), samples, y[samples], False, out))
        told = confusion(y, scores.argmax(axis=1), self.data.n_class)
        vars(self).update(evaluated=self._counters(), confusion=told)
        return done

    def _counters(self) -> dict[str, Counters]:
        """What the layers counted since the last call, replicas included."""
        return total_counters(self.model, [one for one in self.models() if one is not self.model])
