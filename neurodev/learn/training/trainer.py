"""The trainer: epochs, clocks for methods, plans into the structural log, everything into the run file.

Clocks of a step:  before_forward -> forward and backward -> after_backward -> optimiser -> after_step;
of an epoch: epoch_end (before evaluation, as the published methods have it) -> evaluation -> recording.
A method is a `Method` with any of these calls; what it may read and do is a `Course`, which the trainer is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import compiling, rng
from neurodev.card import Card, Rows, counted, named
from neurodev.data.dataset import Dataset, SpikeTrains
from neurodev.data.own import as_dataset
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.core.layer import Counters
from neurodev.learn.core.spikes import at_steps
from neurodev.learn.layers.norm import settle
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.predicting import Trained
from neurodev.learn.training import alarms, callback, closed, combined, description, door, standing
from neurodev.learn.training.augment import Picked, augmented
from neurodev.learn.training.course import Samples
from neurodev.learn.training.encode import Binned, Encoder, encoder_for
from neurodev.learn.training.epoch import Epoch, complete
from neurodev.learn.training.health import calibrate
from neurodev.learn.training.loss import Function, Loss, as_loss, check_targets
from neurodev.learn.training.method import Method
from neurodev.learn.training.moving import Moving
from neurodev.learn.training.optim import Adam, Schedule, constant
from neurodev.learn.training.optim import Optimiser as OptimiserBase
from neurodev.learn.training.pace import Pace
from neurodev.learn.training.recording import TrainingRecord
from neurodev.learn.training.series import series
from neurodev.learn.training.structured import Structured
from neurodev.learn.training.workers import Outcome, Workers
from neurodev.params import flag, number, one_of, whole
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
    data : Dataset or tuple of arrays
        ``(X, y)`` or ``(X, y, X_test, y_test)``, perhaps with ``X_validation, y_validation`` before the tests; see
        `neurodev.data.of_arrays`.  Where there are validation samples, `patience` and the best epoch go by them.
    encoder : Encoder
    loss : str, Loss or callable
        See `neurodev.learn.training.loss.LOSSES`.
    optimiser : Optimiser
        One of its own: `SGD`, `Adam`, ...
    schedule : callable
        Progress in [0, 1] of the planned epochs -> factor on the rate; or one that counts epochs or steps
        (`neurodev.learn.training.schedules`).
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
        Stop after this many epochs without a better accuracy (or error) on the validation samples, or the test set.
    callbacks : sequence of Callback or callable
        A `neurodev.learn.Callback` gets a view of the training after every step and epoch.  A function is called with
        the trainer at the end of every epoch; one that returns True ends the training.  Checkpoints keep the
        attributes of callbacks that are objects, not the variables of functions.
    resume : bool
        Go on from the last checkpoint of the run file `to`, to the same bytes as without the break.
    overwrite : bool
        Replace a run file of the name `to`, as soon as an epoch is done; otherwise it is refused.
    calibrate : bool
        Scale up weights as they were drawn where a layer would be silent, with a line about each such layer
        (`neurodev.learn.training.health`).  Weights that were set or trained are never scaled.
    clip_norm, clip_value : float, optional
        Longest gradient of all parameters together, and largest of any: longer ones are shortened.
    accumulate : int
        Batches of a step: gradients are means over all of their samples.
    groups : dict, optional
        Rates and decays of some layers: ``{"out": {"rate": 1e-4}, "fc1.bias": {"decay": 0.0}}``.
    keep_best : bool, optional
        Keep the checkpoint of the best epoch beside the last ones; by default where there are validation samples.

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

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> run = nd.Trainer(model, (X, y, X, y), epochs=2, batch=10, progress=False).fit().close()
    >>> run.training.n_epoch
    2
    """

    def __init__(
        self,
        model: Sequential,
        data: Dataset | Samples | Sequence[Any],
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
        callbacks: Sequence[callback.Callback | Callable[[Trainer], Any]] = (),
        resume: bool = False,
        overwrite: bool = False,
        calibrate: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        groups: Any = None,
        keep_best: bool | None = None,
    ):
        self._watch = compiling.Stopwatch()  # of the compiler alone, from one epoch's record to the next
        self.model: Sequential = door.instance("model", model, Sequential, "a Sequential of layers")
        data = as_dataset(data, int(np.prod(self.model.outputs)) if self.model.inputs is not None else 1)
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
        self.methods: list[Method] = door.check_methods(methods)
        self.accumulate = whole(accumulate, "accumulate", 1)
        self.callbacks: list[Any] = door.check_callbacks(callbacks)
        asked = "a function of (x, generator)"
        self.augment = None if augment is None else door.function("augment", augment, asked, "x", "generator")
        door.check_file(to, resume, overwrite)
        self.data: Any = data
        self._check_data()
        combined.check(self.methods)
        self.optimiser, self.methods = door.own(self.optimiser), [door.own(m) for m in self.methods]
        self.loss, self.encoder, self.schedule, self.augment = map(
            door.anew, (as_loss(loss), self.encoder, self.schedule, self.augment)
        )
        check_targets(self.loss, standing.targets_of(data))
        self.moving = Moving(self.model, self.optimiser, groups, clip_norm, clip_value)
        aside = getattr(data, "x_validation", None) is not None
        self.keep_best = aside if keep_best is None else flag(keep_best, "keep_best")
        self.description = description.training(self, groups)
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
        self.confusion = standing.decisions(self, np.zeros(0), np.zeros((0, self.data.n_class)))
        self.evaluated: dict[str, Counters] = {}
        self.steps_per_epoch = door.steps_per_epoch(len(self.data.y_train), self._span, self.epochs)
        self.logs = {name: StructuralLog() for name in self.weights()}
        self.births = {name: [0, 0] for name in self.logs}
        self.causes = Causes.of(self.methods)
        self._skip = self._fitting = False
        self._asked: list[bool] = []
        self._first = 0  # epoch from which patience counts

    def _take_model(self) -> None:
        """The model is this training's from now on, and knows how it is trained."""
        self._claim = object()
        vars(self.model.uids)["claim"] = self._claim  # which copies that share weights share too
        targets = getattr(self.data, "targets", None) or "classes"
        vars(self.model)["_trained"] = Trained(self.encoder, self.loss, self.seed, self.methods, targets=targets)

    @compiling.told()
    def _check_data(self) -> None:
        if self.model.inputs is None:
            raise ParameterError("model must be built: give inputs=(...) to the outermost Sequential")
        door.check_data(self.data, self.model.outputs)
        door.check_bytes(self.data, self.encoder)
        self._input(np.arange(1))
        for part in ("test", "validation"):
            x = getattr(self.data, f"x_{part}", None)
            if x is not None and len(getattr(self.data, f"y_{part}")):
                self._encode(x, np.arange(1), -1)
            elif self.patience is not None and standing.judge(self.data)[0].startswith(part):
                raise ParameterError(
                    f"patience={self.patience} needs validation or test samples, of which {self.data.name} has none"
                )

    @compiling.told()
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

    def _input(self, samples: I8, epoch: int = -1) -> Any:
        return self._encode(self.data.x_train, samples, epoch)

    def _encode(self, x: Any, samples: I8, epoch: int) -> Any:
        others = {"test": self.data.x_test, "validation": getattr(self.data, "x_validation", None)}
        part = next((word for word, theirs in others.items() if x is theirs), "training")
        of = f"the {part} samples of {self.data.name}"
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
        return f"{text}, {self._reached()})" if self.history else f"{text})"

    def _reached(self) -> str:
        """How good the last epoch was: on the test set, or without one on the samples that there are."""
        last, parts = self.history[-1].series, {"test": "", "validation": " in validation", "train": " in training"}
        for part, where in parts.items():
            right, error = (last.get(f"{part}_{k}", np.nan) for k in ("accuracy", "error"))
            if np.isfinite(right) or np.isfinite(error):
                return (f"{100 * right:.2f} % right" if np.isfinite(right) else f"error {error:.4g}") + where
        return "no samples to test"

    def _rows(self) -> Rows:
        return [
            ("data", self.data.name), ("methods", named(type(m).__name__ for m in self.methods) or "none"),
            ("epochs", f"{self.epoch} of {self.epochs}"), ("step", f"{self.step:,}"), ("batch", f"{self.batch}"),
            ("reached", self._reached() if self.history else "not yet"),
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

    @property
    def _span(self) -> int:
        """Samples of a step."""
        return self.batch * self.accumulate

    def _passed(self) -> float:
        """What a schedule is called with: the share of the run, or what it counts."""
        shares = [x for m in self.methods if (x := m.progress(self)) is not None]
        unit = {"epoch": self.steps_per_epoch, "step": 1}.get(getattr(self.schedule, "per", "run"))
        if unit is None:
            return shares[0] if shares else self.progress_share
        return (shares[0] * self.epochs * self.steps_per_epoch if shares else self.step) / unit

    # ------------------------------------------------------------------ running

    @compiling.told()
    def fit(self, epochs: int | None = None) -> Trainer:
        """Train for `epochs` more epochs (the rest of the plan by default); Ctrl-C leaves a readable run file."""
        if self._fitting:
            raise StudyError("fit is under way: a callback or method cannot call it again; fit(epochs) trains longer")
        last = self.epochs if epochs is None else self.epoch + whole(epochs, "epochs", 0)
        door.steps_per_epoch(len(self.data.y_train), self._span, last)
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

    def extend(self, epochs: int) -> Trainer:
        """Train for `epochs` more epochs, also beyond the plan and after `close`: the run file goes on.

        Schedules stay at their end, unless they count epochs or steps; `patience` counts anew.

        Raises
        ------
        ParameterError, RunFileError
            If the run file was closed and cannot be gone on with: without checkpoints (``checkpoint=0``), or replaced.

        Examples
        --------
        >>> trainer.extend(epochs=5).close()                                               # doctest: +SKIP
        """
        more = whole(epochs, "epochs", 1)
        if self.record.closed:
            claim = vars(self).pop("_claim")  # where it stands is set anew
            try:
                self.record.reopen()
            finally:
                vars(self)["_claim"] = claim
        else:
            self.record.file.drop_item("stopped")
        vars(self)["_first"], vars(self)["_asked"] = self.epoch, []
        return self.fit(more)

    def close(self) -> Run:
        """Seal the run file and return the run; Ctrl-C waits until it is sealed."""
        with Patience():
            self.record.close(True)
        self.workers.close()
        return Run(self.record.path)

    def _enough(self) -> bool:
        if any(self._asked) or self.patience is None:
            return any(self._asked)
        return len(self.history) - 1 - standing.best(self.history, self.data, self._first) >= self.patience

    def _one_epoch(self, pace: Pace) -> None:
        watch = compiling.Stopwatch()
        n = len(self.data.y_train)
        order = rng.generator(self.seed, "order", self.epoch).permutation(n).astype(np.int64)
        done = Outcome()
        view = callback.View(self, done)
        for a in range(0, n, self._span):
            done.add(self.train_step(order[a : a + self._span]))
            for one in self.callbacks:
                if isinstance(one, callback.Callback):
                    one.batch_end(view)
            pace.step(self.epoch + 1, done.loss / done.n)
        alarms.stop_if_broken(self)
        for m in self.methods:
            m.epoch_end(self)
        seconds = watch.seconds()
        counters = self._counters()
        if self.settle:
            some = rng.generator(self.seed, "settle", self.epoch).permutation(n)[: self.settle * self.batch]
            cuts = range(0, some.size, self.batch)
            settle(self.model, (self._input(some[a : a + self.batch], epoch=self.epoch) for a in cuts))
        aside = self.evaluate(on="validation") if getattr(self.data, "x_validation", None) is not None else None
        test = self.evaluate()
        vars(self)["epoch"] += 1
        found = series(self, done, test, counters, seconds, aside) | {"compile_seconds": self._watch.compiling()}
        self.alarms.look(self.epoch, counters)
        self.history.append(Epoch(self.epoch, found))
        complete(self.history)
        told = f"loss {found['train_loss']:.4f}, {self._reached()}{compiling.words(self._watch)}"
        self._watch.begin()
        before = {name: w.table.n_synapse for name, w in self.weights().items()}
        try:  # the checkpoint keeps what callbacks change
            self._asked = [self._call(one, view) for one in self.callbacks]
            closed.check_structure(self.weights(), self.births, before)
        finally:
            decided = self.confusion if standing.targets_of(self.data) != "numbers" else None
            self.record.epoch(found, decided, view.notes, view.stopped)
        pace.epoch(self.epoch, told)

    def _call(self, one: Any, view: callback.View) -> bool:
        """One callback at the end of an epoch; whether it ends the training."""
        if not isinstance(one, callback.Callback):
            return one(self) is True
        one.epoch_end(view)
        return view.stopped is not None

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
        y, done = self.data.y_train[samples], Outcome()
        size = self.batch if self.accumulate > 1 else samples.size
        for a in range(0, samples.size, size):
            cut, of = slice(a, a + size), (samples.size, a)
            done.add(self.workers.run(make, samples[cut], y[cut], learn=True, step=self.step, of=of))
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
            self.moving.clip()
            with self.workers.both():
                self.moving.step(self.optimiser, self._factor)
        vars(self)["step"] += 1
        for m in self.methods:
            m.after_step(self)
        return done

    def _learning_rate(self) -> tuple[float, float]:
        """Factor of the schedule and learning rate of this step."""
        share = self._passed()
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

    def evaluate(self, train: bool = False, *, on: str | None = None) -> Outcome:
        """Loss and accuracy on the test set (or another part of the data), as one pass without learning.

        What was decided is kept in `confusion`, (n_class, n_class), or (n_label, 2, 2) where samples have several
        labels; what it took in `evaluated`, `Counters` by layer.

        Parameters
        ----------
        train : bool
            On the training samples.
        on : {"train", "validation", "test"}, optional
            The same in a word.

        Raises
        ------
        ParameterError
            If the data have no such part.
        """
        there = (*("train", "test"), *(["validation"] if getattr(self.data, "x_validation", None) is not None else []))
        part = one_of(on, "on", there) if on is not None else "train" if flag(train, "train") else "test"
        x, y = getattr(self.data, f"x_{part}"), getattr(self.data, f"y_{part}")
        done, scores = Outcome(), np.zeros((len(y), self.data.n_class), dtype=np.float32)
        epoch = -3 if part == "validation" else -2  # of its own draws
        for a in range(0, len(y), TEST_BATCHES * self.batch):
            samples = np.arange(a, min(a + TEST_BATCHES * self.batch, len(y)))
            out = scores[a : a + samples.size]
            done.add(self.workers.run(lambda ids: self._encode(x, ids, epoch), samples, y[samples], False, out))
        vars(self).update(evaluated=self._counters())
        if standing.targets_of(self.data) != "numbers":
            vars(self).update(confusion=standing.decisions(self, y, scores))
        return done

    def _counters(self) -> dict[str, Counters]:
        """What the layers counted since the last call, replicas included."""
        return total_counters(self.model, [one for one in self.models() if one is not self.model])
