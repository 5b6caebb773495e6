"""The trainer: epochs, clocks for methods, plans into the structural log, everything into the run file.

Clocks of a step:  before_forward -> forward and backward -> after_backward -> optimiser -> after_step;
of an epoch: epoch_end (before evaluation, as the published methods have it) -> evaluation -> recording.
A method is a `Method` with any of these calls; it changes structure only through `Trainer.propose`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.encode import Bernoulli, Encoder
from neurodev.learn.health import calibrate
from neurodev.learn.layer import Counters, Weights
from neurodev.learn.loss import Loss, as_loss
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.neurons import LIF
from neurodev.learn.optim import SGD, Adam, Schedule, constant
from neurodev.learn.workers import Outcome, Workers
from neurodev.rng import check_seed
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Applied, Plan, apply, merge
from neurodev.units import day

I8 = NDArray[np.int64]


class Method:
    """A way to change structure while learning; override the clocks you need.

    Attributes
    ----------
    dead : {"zero", "hidden", "move"}
        What the parameters of absent synapses do between events: stay 0; move behind a weight map; move and act.
    gradient : {"never", "at_update", "always"}
        When the gradient of absent synapses is needed.
    """

    dead = "zero"
    gradient = "never"

    @property
    def name(self) -> str:
        """The word by which logs and studies call this method."""
        return type(self).__name__

    def start(self, trainer: Trainer) -> None:
        """Once, before the first step."""

    def before_forward(self, trainer: Trainer) -> None:
        """At every step, before the forward pass."""

    def after_backward(self, trainer: Trainer) -> None:
        """At every step, with the gradients complete."""

    def after_step(self, trainer: Trainer) -> None:
        """At every step, after the optimiser."""

    def epoch_end(self, trainer: Trainer) -> None:
        """After the last step of an epoch, before evaluation."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint must keep."""
        return {}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up a state again."""


@dataclass
class Epoch:
    """Numbers of one epoch: `series` by name (as in the run file)."""

    number: int
    series: dict[str, float]

    def __getattr__(self, name: str) -> float:
        try:
            return self.series[name]
        except KeyError:
            raise AttributeError(f"no series {name!r}; this epoch has {sorted(self.series)}") from None


class Trainer:
    """Trains a model on a data set.

    Parameters
    ----------
    model : Sequential
        Built, that is made with ``inputs=``.
    data : Dataset
    encoder : Encoder
    loss : str or callable
        See `neurodev.learn.loss.LOSSES`.
    optimiser : SGD or Adam
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

    Raises
    ------
    ParameterError
        Naming what does not fit: shapes, labels, a silent network.
    """

    def __init__(
        self,
        model: Sequential,
        data: Dataset,
        *,
        encoder: Encoder | None = None,
        loss: str | Loss = "rate_mse",
        optimiser: SGD | Adam | None = None,
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
    ):
        from neurodev.learn.recording import TrainingRecord

        self.model, self.data = model, data
        self.encoder = encoder if encoder is not None else Bernoulli(20)
        self.optimiser = optimiser if optimiser is not None else Adam(1e-3)
        self.schedule = schedule if schedule is not None else constant()
        for name, value in (("epochs", epochs), ("batch", batch)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ParameterError(f"{name} must be a whole number of at least 1, got {value!r}")
        self.epochs, self.batch, self.seed = int(epochs), int(batch), check_seed(seed)
        self.methods, self.life_per_epoch, self.augment = list(methods), float(life_per_epoch), augment
        self.checkpoint_every, self.progress = int(checkpoint), progress
        self._check_data()
        self.workers = Workers(model, as_loss(loss), threads, self.encoder.steps)
        self.epoch, self.step, self.history = 0, 0, list[Epoch]()
        self.steps_per_epoch = -(-len(data.y_train) // self.batch)
        self.logs = {name: StructuralLog() for name in model.weights_of()}
        self.births = {name: [0, 0] for name in self.logs}
        self.gains = calibrate(model, self._input(np.arange(min(self.batch, len(data.y_train)))))
        self._check_storage()
        for m in self.methods:
            m.start(self)
        self.workers.clear()
        self.record = TrainingRecord(self, to)

    # ------------------------------------------------------------------ the door

    def _check_data(self) -> None:
        if self.model.inputs is None:
            raise ParameterError("model must be built: give inputs=(...) to the outermost Sequential")
        x = self._input(np.arange(1))
        if x.shape != tuple(self.model.inputs):
            raise ParameterError(f"a sample has shape {x.shape}, but the model takes inputs={self.model.inputs}")
        n_out = int(np.prod(self.model.outputs))
        if n_out != self.data.n_class:
            raise ParameterError(f"the model has {n_out} outputs, but {self.data.name} has {self.data.n_class} classes")

    def _check_storage(self) -> None:
        from neurodev.structure.dense import DenseTable

        for m in self.methods:
            for name, w in self.model.weights_of().items():
                dense = isinstance(w.table, DenseTable)
                if m.dead == "move" and not dense or m.dead == "hidden" and not w.hidden:
                    need = "dense" if m.dead == "move" else "hidden"
                    raise StudyError(
                        f"{m.name} needs storage={need!r} (its absent synapses {m.dead}), but {name!r} is stored as "
                        f"{'hidden' if w.hidden else 'dense' if dense else 'sparse'}: build the layer with it"
                    )

    def _input(self, samples: I8, train: bool = True, epoch: int = -1) -> Any:
        x = self.data.x_train if train else self.data.x_test
        return self._encode(x, samples, epoch)

    def _encode(self, x: Any, samples: I8, epoch: int) -> Any:
        y = self.encoder(x, samples, self.seed, epoch + 1)
        want = tuple(self.model.inputs or ())
        if y.shape != want and int(np.prod(y.shape)) == int(np.prod(want)):
            y = y.reshaped(want)
        return y

    # ------------------------------------------------------------------ structure

    def propose(self, name: str, plans: Sequence[Plan]) -> Applied:
        """Merge and apply plans on a weight tensor now, and log them at this step."""
        weights = self.model.weights_of()[name]
        merged = merge(list(plans), weights.table, single_contact=True)
        done = apply(weights.table, merged, tick=self.step, life=self.life, log=self.logs[name])
        if done.n_born or done.n_died:
            self.births[name][0] += done.n_born
            self.births[name][1] += done.n_died
            self.workers.clear()
        return done

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.step / self.steps_per_epoch * self.life_per_epoch

    @property
    def progress_share(self) -> float:
        """Share of the planned steps that are done."""
        return min(self.step / (self.epochs * self.steps_per_epoch), 1.0)

    def weights(self) -> dict[str, Weights]:
        """The weight tensors by name."""
        return self.model.weights_of()

    # ------------------------------------------------------------------ running

    def fit(self, epochs: int | None = None) -> Trainer:
        """Train for `epochs` more epochs (the rest of the plan by default); Ctrl-C leaves a readable run file."""
        last = self.epochs if epochs is None else self.epoch + epochs
        bar = self._bar((last - self.epoch) * self.steps_per_epoch)
        try:
            while self.epoch < last:
                self._one_epoch(bar)
        except BaseException as e:
            self.record.close("interrupted" if isinstance(e, KeyboardInterrupt) else f"stopped: {e}")
            raise
        finally:
            bar.close()
        return self

    def close(self) -> Any:
        """Seal the run file and return the run."""
        from neurodev.run import Run

        self.record.close(True)
        self.workers.close()
        return Run(self.record.path)

    def _bar(self, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, unit="step", disable=not self.progress, mininterval=0.5)

    def _one_epoch(self, bar: Any) -> None:
        begin = time.perf_counter()
        n = len(self.data.y_train)
        order = rng.generator(self.seed, "order", self.epoch).permutation(n).astype(np.int64)
        done = Outcome()
        for a in range(0, n, self.batch):
            done.add(self.train_step(order[a : a + self.batch]))
            bar.update()
            bar.set_postfix_str(f"epoch {self.epoch + 1}, loss {done.loss / done.n:.4f}", refresh=False)
        for m in self.methods:
            m.epoch_end(self)
        seconds = time.perf_counter() - begin
        counters = total_counters(self.model, [self.workers.twin] if self.workers.twin is not self.model else [])
        test = self.evaluate()
        self.epoch += 1
        series = self._series(done, test, counters, seconds)
        self.history.append(Epoch(self.epoch, series))
        self.record.epoch(series)
        self._check_alive(counters)

    def train_step(self, samples: I8) -> Outcome:
        """One batch: forward, backward, optimiser, with the clocks of the methods."""
        for m in self.methods:
            m.before_forward(self)
        x: Any = self.data.x_train
        if self.augment is not None:
            generator = rng.generator(self.seed, "augment", self.step)
            part = self.augment(x[samples], generator)
            where = {int(s): k for k, s in enumerate(samples)}
            make = lambda ids: self._encode_part(part[[where[int(i)] for i in ids]], ids)
        else:
            make = lambda ids: self._encode(x, ids, self.epoch)
        done = self.workers.run(make, samples, self.data.y_train[samples], learn=True)
        if not np.isfinite(done.loss):
            raise ParameterError(f"the loss became {done.loss} at step {self.step}: lower the optimiser's rate")
        for m in self.methods:
            m.after_backward(self)
        self.optimiser.step(self.model.parameters_of(), self.schedule(self.progress_share))
        self.step += 1
        for m in self.methods:
            m.after_step(self)
        return done

    def _encode_part(self, part: Any, samples: I8) -> Any:
        """Encode augmented samples under the streams of their identities."""
        full = _Picked(part, samples)
        return self._encode(full, samples, self.epoch)

    def evaluate(self, train: bool = False) -> Outcome:
        """Loss and accuracy on the test set (or the training set), as one pass without learning."""
        x, y = (self.data.x_train, self.data.y_train) if train else (self.data.x_test, self.data.y_test)
        done = Outcome()
        for a in range(0, y.size, 10 * self.batch):
            samples = np.arange(a, min(a + 10 * self.batch, y.size))
            done.add(self.workers.run(lambda ids: self._encode(x, ids, -2), samples, y[samples], learn=False))
        total_counters(self.model, [self.workers.twin])
        return done

    # ------------------------------------------------------------------ numbers

    def _series(self, train: Outcome, test: Outcome, counters: dict[str, Counters], seconds: float) -> dict[str, float]:
        out = {
            "life": self.life / day, "train_loss": train.loss / train.n, "train_accuracy": train.correct / train.n,
            "test_loss": test.loss / test.n, "test_accuracy": test.correct / test.n, "seconds": seconds,
            "rate_factor": self.schedule(self.progress_share),
            "operations": float(sum(c.operations for c in counters.values())),
            "dense_operations": float(sum(c.dense for c in counters.values())),
        }  # fmt: skip
        alive = total = 0
        for name, w in self.weights().items():
            pairs = w.table.n_source * w.table.n_target
            out |= {f"n_synapse/{name}": w.table.n_synapse, f"density/{name}": w.table.n_synapse / pairs}
            out |= {f"births/{name}": self.births[name][0], f"deaths/{name}": self.births[name][1]}
            self.births[name] = [0, 0]
            alive, total = alive + w.table.n_synapse, total + pairs
        out["density"] = alive / total
        for name, c in counters.items():
            if c.sites:
                out[f"rate/{name}"] = c.spikes / c.sites
        return out

    def _check_alive(self, counters: dict[str, Counters]) -> None:
        silent = [n for n, c in counters.items() if c.sites and not c.spikes]
        if silent and self.epoch == 1:
            raise ParameterError(
                f"layers without a single spike in epoch {self.epoch}: {silent}; raise the gain of the layer below, "
                "lower its threshold, or widen its surrogate"
            )


class _Picked:
    """Augmented samples that answer to the indices of the data set."""

    def __init__(self, part: Any, samples: I8):
        self._part, self._row = part, {int(s): k for k, s in enumerate(samples)}
        self.shape = part.shape

    def __getitem__(self, samples: I8) -> Any:
        return self._part[[self._row[int(s)] for s in samples]]


def neurons_of(model: Sequential) -> dict[str, LIF]:
    """Spiking layers by name."""
    return {layer.name: layer for layer in model.layers() if isinstance(layer, LIF)}
