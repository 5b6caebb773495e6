"""The trainer: epochs, clocks for methods, plans into the structural log, everything into the run file.

Clocks of a step:  before_forward -> forward and backward -> after_backward -> optimiser -> after_step;
of an epoch: epoch_end (before evaluation, as the published methods have it) -> evaluation -> recording.
A method is a `Method` with any of these calls; what it may read and do is a `Course`, which the trainer is.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.data.dataset import Dataset
from neurodev.errors import ParameterError, StudyError
from neurodev.learn.core.layer import Counters, Weights
from neurodev.learn.core.spikes import at_steps
from neurodev.learn.core.storage import stored
from neurodev.learn.layers.norm import BatchNorm, settle
from neurodev.learn.model import Sequential, total_counters
from neurodev.learn.training.course import Optimiser, Samples
from neurodev.learn.training.encode import Encoder, encoder_for
from neurodev.learn.training.epoch import Epoch
from neurodev.learn.training.health import calibrate
from neurodev.learn.training.loss import Function, Loss, as_loss
from neurodev.learn.training.method import Method
from neurodev.learn.training.optim import SGD, Adam, Schedule, constant
from neurodev.learn.training.recording import TrainingRecord
from neurodev.learn.training.workers import Outcome, Workers
from neurodev.metrics.cost import confusion
from neurodev.rng import check_seed
from neurodev.runs.run import Run
from neurodev.structure.dense import DenseTable
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Applied, Plan, apply, merge
from neurodev.units import day

I8 = NDArray[np.int64]
TEST_BATCHES = 10  # batches that are tested at a time
FEWEST_NEAR = 1e-3  # share of potentials near threshold below which training stalls (a tenth of what small nets show)


def _check_whole(**given: tuple[Any, int]) -> None:
    """Refuse what is not a whole number of at least the second of each pair."""
    for name, (value, least) in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ParameterError(f"{name} must be a whole number of at least {least}, got {value!r}")


class Trainer:
    """Trains a model on a data set.

    Parameters
    ----------
    model : Sequential
        Built, that is made with ``inputs=``.
    data : Dataset
    encoder : Encoder
    loss : str, Loss or callable
        See `neurodev.learn.training.loss.LOSSES`.
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
    settle : int
        Batches on which batch norm takes its running means anew before every evaluation (0: never, as published); of
        use where a method lets absent synapses act until the epoch ends.
    patience : int, optional
        Stop after this many epochs without a better accuracy on the test set.
    callbacks : sequence of callable
        Called with the trainer at the end of every epoch; one that returns True ends the training.
    resume : bool
        Go on from the last checkpoint of the run file `to`, to the same bytes as without the break.

    Raises
    ------
    ParameterError
        Naming what does not fit: shapes, labels, a silent network.
    """

    def __init__(
        self,
        model: Sequential,
        data: Dataset | Samples,
        *,
        encoder: Encoder | None = None,
        loss: str | Loss | Function = "rate_mse",
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
        settle: int = 0,
        patience: int | None = None,
        callbacks: Sequence[Callable[[Trainer], Any]] = (),
        resume: bool = False,
    ):
        self.model, self.data = model, data
        self.encoder = encoder if encoder is not None else encoder_for(getattr(data, "x_train", None), model.inputs)
        self.optimiser: Optimiser = optimiser if optimiser is not None else Adam(1e-3)
        self.schedule = schedule if schedule is not None else constant()
        _check_whole(epochs=(epochs, 1), batch=(batch, 1), settle=(settle, 0))
        self.epochs, self.batch, self.seed = int(epochs), int(batch), check_seed(seed)
        self.methods, self.life_per_epoch, self.augment = list(methods), float(life_per_epoch), augment
        self.checkpoint_every, self.progress = int(checkpoint), progress
        self.patience, self.callbacks, self.settle = patience, list(callbacks), int(settle)
        if patience is not None and patience < 1:
            raise ParameterError(f"patience must be at least 1 epoch, got {patience!r}")
        if resume and to is None:
            raise ParameterError("resume needs to=: the run file to go on with")
        self._check_data()
        self.loss = as_loss(loss)
        self.workers = Workers(model, self.loss, threads, self.encoder.steps)
        self.epoch, self.step, self.history = 0, 0, list[Epoch]()
        self._warned: set[str] = set()
        self.confusion = np.zeros((data.n_class, data.n_class), dtype=np.int64)
        self.evaluated: dict[str, Counters] = {}
        self.steps_per_epoch = -(-len(data.y_train) // self.batch)
        self.logs = {name: StructuralLog() for name in model.weights_of()}
        self.births = {name: [0, 0] for name in self.logs}
        self._skip = False
        for m in self.methods:
            m.prepare(self)
        self._check_storage()
        self._check_norms()
        self.gains = calibrate(model, self._input(np.arange(min(self.batch, len(data.y_train)))))
        for m in self.methods:
            m.start(self)
        self.clear_gradients()
        self.record = TrainingRecord(self, to, resume)

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
        for m in self.methods:
            for name, w in self.model.weights_of().items():
                dense = isinstance(w.table, DenseTable)
                if m.dead == "move" and not dense or m.dead == "hidden" and not w.hidden:
                    need = "dense" if m.dead == "move" else "hidden"
                    raise StudyError(
                        f"{m.name} needs storage={need!r} (its absent synapses {m.dead}), but {name!r} is stored as "
                        f"{'hidden' if w.hidden else 'dense' if dense else 'sparse'}: build the layer with it"
                    )

    def _check_norms(self) -> None:
        moving = [m.name for m in self.methods if m.dead == "move"]
        if moving and not self.settle and any(isinstance(layer, BatchNorm) for layer in self.model.layers()):
            warnings.warn(
                f"under {moving[0]} absent synapses act until the epoch ends, so that batch norm's running means are "
                "those of another net than the one that is tested; settle=20 takes them anew before every test",
                stacklevel=3,
            )

    def _input(self, samples: I8, train: bool = True, epoch: int = -1) -> Any:
        x = self.data.x_train if train else self.data.x_test
        return self._encode(x, samples, epoch)

    def _encode(self, x: Any, samples: I8, epoch: int) -> Any:
        y = self.encoder(x, samples, self.seed, epoch + 1)
        want = tuple(self.model.inputs or ())
        if y.shape != want and int(np.prod(y.shape)) == int(np.prod(want)):
            y = y.reshaped(want)
        for kept in (m.living_steps() for m in self.methods):
            if kept is not None:
                y = at_steps(y, kept)
        return y

    # ------------------------------------------------------------------ structure

    def propose(self, name: str, plans: Sequence[Plan]) -> Applied:
        """Merge and apply plans on a weight tensor now, and log them at this step.

        Newborn synapses, and dead ones that must not move, lose their gradient and the moments of the optimiser.
        """
        table = self.weights()[name].table
        merged = merge(list(plans), table, single_contact=True)
        gone = merged.plan.deaths
        done = apply(table, merged, tick=self.step, life=self.life, log=self.logs[name])
        if done.n_born or done.n_died:
            self.births[name][0] += done.n_born
            self.births[name][1] += done.n_died
            if isinstance(table, DenseTable):  # the sparse table does so by itself
                still = not any(m.dead == "move" for m in self.methods)
                fresh = np.concatenate([done.slots, gone]) if still else done.slots
                for column in table.column_names:
                    if column != "theta":
                        table.column(column)[fresh] = 0
        return done

    def begin_with(self, name: str, alive: NDArray[np.bool_] | None = None, storage: str | None = None) -> None:
        """Structure and storage of a weight tensor before training; for `Method.prepare` only.

        Parameters
        ----------
        alive : (n_source, n_target) bool, optional
            Which synapses exist.  The weights of the others are divided among them: their standard deviation
            grows with ``1 / sqrt(density)``, as it does where a layer is drawn sparse.
        storage : {"dense", "hidden", "sparse"}, optional
        """
        w = self.weights()[name]
        if alive is not None:
            dense = stored(w.table, "dense")
            assert isinstance(dense, DenseTable)
            dense.keep_only(alive)
            dense.weight *= dense.weight.dtype.type(np.sqrt(alive.size / max(int(alive.sum()), 1)))
            w.table = dense
        self.store(name, storage if storage is not None else "hidden" if w.hidden else "dense")

    def store(self, name: str, storage: str) -> None:
        """Change how a weight tensor is stored; identities, moments and values go along."""
        w, twin = self.weights()[name], self.workers.twin.weights_of()[name]
        hidden = storage == "hidden"
        table = stored(w.table, storage)
        if table is not w.table or hidden != w.hidden:
            w.put(table, hidden)
        if twin is not w:
            twin.put_like(w)

    def watch(self, layer: str, look: Callable[[Any, Any], Any] | None) -> None:
        """Have ``look(x, y)`` called at every training call of a layer; see `watched`."""
        for model in self.models():
            next(one for one in model.layers() if one.name == layer).watch = look

    def watched(self, layer: str) -> list[Any]:
        """What `watch` returned in this step, in the order of the batch; forgotten afterwards."""
        out: list[Any] = []
        for model in self.models():
            one = next(one for one in model.layers() if one.name == layer)
            out += one.watched
            one.watched = []
        return out

    def probe(self, name: str) -> None:
        """Have this step add up the gradient of every pair of a weight tensor; see `probed`."""
        for model in self.models():
            w = model.weights_of()[name]
            w.probe = np.zeros((w.table.n_source, w.table.n_target), dtype=w.table.weight.dtype)

    def probed(self, name: str) -> NDArray[Any]:
        """(n_source, n_target) gradients asked for by `probe`; forgotten afterwards."""
        parts = []
        for model in self.models():
            w = model.weights_of()[name]
            assert w.probe is not None, "probe() comes before the forward pass"
            parts.append(w.probe)
            w.probe = None
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def models(self) -> list[Sequential]:
        """The model and, where there is one, the replica that works on the second half of each batch."""
        twin = self.workers.twin
        return [self.model] if twin is self.model else [self.model, twin]

    def share(self, layer: str, key: str) -> None:
        """Give the replica the parameter that a method has added to a layer."""
        mine, *others = (next(one for one in m.layers() if one.name == layer) for m in self.models())
        for other in others:
            other.parameters[key] = mine.parameters[key].replica()

    @property
    def skip_update(self) -> bool:
        """Former way of a method to leave out the update of a step: `Method.after_backward` now returns True."""
        return self._skip

    @skip_update.setter
    def skip_update(self, skip: bool) -> None:
        warnings.warn("return True from after_backward in place of skip_update", DeprecationWarning, stacklevel=2)
        self._skip = bool(skip)

    def clear_gradients(self) -> None:
        """Set all gradients to 0, those of the replica too."""
        self.workers.clear()

    def _hold_the_dead(self) -> None:
        """Absent synapses that must not move get no gradient."""
        if any(m.dead == "move" for m in self.methods):
            return
        for w in self.weights().values():
            table = w.table
            if isinstance(table, DenseTable) and not w.hidden and table.n_synapse < table.n_source * table.n_target:
                gradient = w.gradient
                gradient *= table.alive

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
                if self._enough():
                    break
        except BaseException as e:
            self.record.close("interrupted" if isinstance(e, KeyboardInterrupt) else f"stopped: {e}")
            raise
        finally:
            bar.close()
        return self

    def close(self) -> Run:
        """Seal the run file and return the run."""
        self.record.close(True)
        self.workers.close()
        return Run(self.record.path)

    def _bar(self, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, unit="step", disable=not self.progress, mininterval=0.5)

    def _enough(self) -> bool:
        asked = [callback(self) is True for callback in self.callbacks]
        best = int(np.argmax([e.test_accuracy for e in self.history]))
        waited = len(self.history) - 1 - best
        return any(asked) or (self.patience is not None and waited >= self.patience)

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
        counters = self._counters()
        if self.settle:
            some = rng.generator(self.seed, "settle", self.epoch).permutation(n)[: self.settle * self.batch]
            cuts = range(0, some.size, self.batch)
            settle(self.model, (self._input(some[a : a + self.batch], epoch=self.epoch) for a in cuts))
        test = self.evaluate()
        self.epoch += 1
        series = self._series(done, test, counters, seconds)
        self.history.append(Epoch(self.epoch, series))
        self.record.epoch(series, self.confusion)
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
        done = self.workers.run(make, samples, self.data.y_train[samples], learn=True, step=self.step)
        if not np.isfinite(done.loss):
            raise ParameterError(f"the loss became {done.loss} at step {self.step}: lower the optimiser's rate")
        left_out = [m.after_backward(self) is True for m in self.methods]
        self._hold_the_dead()
        if any(left_out) or self._skip:
            self._skip = False
            self.clear_gradients()
        else:
            self.optimiser.step(self.model.parameters_of(), self.schedule(self._schedule_share()))
        self.step += 1
        for m in self.methods:
            m.after_step(self)
        return done

    def _encode_part(self, part: Any, samples: I8) -> Any:
        """Encode augmented samples under the streams of their identities."""
        full = _Picked(part, samples)
        return self._encode(full, samples, self.epoch)

    def evaluate(self, train: bool = False) -> Outcome:
        """Loss and accuracy on the test set (or the training set), as one pass without learning.

        What was decided is kept in `confusion` (n_class, n_class), what it took in `evaluated`, `Counters` by layer.
        """
        x, y = (self.data.x_train, self.data.y_train) if train else (self.data.x_test, self.data.y_test)
        done, scores = Outcome(), np.zeros((y.size, self.data.n_class), dtype=np.float32)
        for a in range(0, y.size, TEST_BATCHES * self.batch):
            samples = np.arange(a, min(a + TEST_BATCHES * self.batch, y.size))
            out = scores[a : a + samples.size]
            done.add(self.workers.run(lambda ids: self._encode(x, ids, -2), samples, y[samples], False, out))
        self.evaluated = self._counters()
        self.confusion = confusion(y, scores.argmax(axis=1), self.data.n_class)
        return done

    def _counters(self) -> dict[str, Counters]:
        """What the layers counted since the last call, replicas included."""
        return total_counters(self.model, [one for one in self.models() if one is not self.model])

    # ------------------------------------------------------------------ numbers

    def _series(self, train: Outcome, test: Outcome, counters: dict[str, Counters], seconds: float) -> dict[str, float]:
        out = {
            "life": self.life / day, "train_loss": train.loss / train.n, "train_accuracy": train.correct / train.n,
            "test_loss": test.loss / test.n, "test_accuracy": test.correct / test.n, "seconds": seconds,
            "rate_factor": self.schedule(self.progress_share),
        }  # fmt: skip
        for prefix, part in (("", counters), ("test_", self.evaluated)):  # of forward passes
            out[f"{prefix}operations"] = float(sum(c.operations for c in part.values()))
            out[f"{prefix}dense_operations"] = float(sum(c.dense for c in part.values()))
            out[f"{prefix}multiplications"] = float(sum(c.multiplied for c in part.values()))
        alive = total = 0
        for name, w in self.weights().items():
            pairs = w.table.n_source * w.table.n_target
            out |= {f"n_synapse/{name}": w.table.n_synapse, f"density/{name}": w.table.n_synapse / pairs}
            out |= {f"births/{name}": self.births[name][0], f"deaths/{name}": self.births[name][1]}
            self.births[name] = [0, 0]
            alive, total = alive + w.table.n_synapse, total + pairs
        out["density"] = alive / total
        for m in self.methods:
            out |= m.series(self)
        for name, c in counters.items():
            if c.sites:
                out[f"rate/{name}"] = c.spikes / c.sites
            if c.looked:
                out[f"near/{name}"] = c.near / c.looked
        return out

    def _check_alive(self, counters: dict[str, Counters]) -> None:
        silent = [n for n, c in counters.items() if c.sites and not c.spikes]
        if silent and self.epoch == 1:
            raise ParameterError(
                f"layers without a single spike in epoch {self.epoch}: {silent}; raise the gain of the layer below, "
                "lower its threshold, or widen its surrogate"
            )
        for name, c in counters.items():
            if c.looked and c.near < FEWEST_NEAR * c.looked and name not in self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"only {c.near / c.looked:.1e} of the potentials of {name!r} were within the window of its "
                    f"surrogate in epoch {self.epoch}: hardly any gradient passes; widen the surrogate",
                    stacklevel=2,
                )


class _Picked:
    """Augmented samples that answer to the indices of the data set."""

    def __init__(self, part: Any, samples: I8):
        self._part, self._row = part, {int(s): k for k, s in enumerate(samples)}
        self.shape = part.shape

    def __getitem__(self, samples: I8) -> Any:
        return self._part[[self._row[int(s)] for s in samples]]
