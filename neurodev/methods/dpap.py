"""DPAP: use it or lose it, gradually decay (Han et al. 2025); filters, neurons, synapses die when survival ends.

Every batch: traces of the spikes of each hidden layer (`learn.training.traces`), and their Bienenstock-Cooper-Munro
product with the traces below (`mechanisms.bcm`), summed over the whole training.  Every epoch from the fifth on (in a
shorter run every step at which an epoch of the published one would have ended), the survival (`mechanisms.survival`) of

* filters and hidden neurons, scored by ``minmax(sum of their synapses' BCM) minmax(their summed activity)``,
* single synapses of fully connected layers, scored by their BCM.

Whatever falls below 0 is gone for good.  Nothing regrows, nothing is fine-tuned; the sparsity is an outcome.
In nets without spikes (`ReLU`), mean activities stand for traces.
Source: Han et al. 2025, IEEE TPAMI 47:240 (arXiv 2211.12714), from its public code; deviations are named below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.errors import StudyError
from neurodev.learn.training.course import Course
from neurodev.learn.training.traces import concatenated, final_trace, traces_of_steps
from neurodev.mechanisms.bcm import modulations, running_mean
from neurodev.mechanisms.survival import SURVIVAL, Survival, minmax, significance
from neurodev.methods import rewire
from neurodev.methods.scaled import EPOCHS, LEAST_SCALE, Scaled, names_of
from neurodev.methods.schedule import decayed
from neurodev.methods.tensors import Tensor, chosen, share_of
from neurodev.params import param
from neurodev.structure.cause import Cause

_HAN = "Han et al. 2025, IEEE TPAMI 47:240, public code"
F8 = NDArray[np.float64]
F4 = NDArray[np.float32]

FILTER = {"of": "neuron", "offset": 0.65, "boost": 5.0, "eta": 12.0}
NEURON = {"of": "neuron", "offset": 1.5, "boost": 2.0, "eta": 13.0}


@dataclass(frozen=True)
class _Look:
    """What is noted of a layer's call: the traces of its input or of its output, and of the steps in more columns."""

    decay: float
    channels: int
    of_input: bool
    steps: bool = False

    def __call__(self, x: Any, y: Any) -> F4:
        units = final_trace(x if self.of_input else y, self.decay, self.channels)
        return np.hstack([units, traces_of_steps(y, self.decay)]) if self.steps else units


@dataclass
class DPAP(Scaled):
    """Developmental plasticity-inspired adaptive pruning.

    Parameters
    ----------
    layers : tuple of str, optional
        Weight tensors that take part; all hidden ones by default.
    units, synapses : bool
        Off switches of the two survivals.
    trace_decay : float
        Per step.
    per_slot : bool
        One BCM threshold for each position in the batch, as published, in place of one a unit.
    strict : bool
        What is dead does not move at all, so that it may be stored away and cost nothing: a deviation.  Published:
        it is trained from 0 within each epoch, without ever coming back.
    first : int
        First epoch, from 0, at which survival moves, in epochs of the published run.
    temporal : bool
        Time steps of the input have a survival of their own, with the traces of all hidden neurons at that step as
        score, as neurons have.  A dead step is never seen again.  The last one stays.  Ours: the paper's abstract
        names pruning in space and time, its code has none.
    offset, offset_filters : float
        o of neurons and synapses (and steps), and of filters.
    sparsity : float, optional
        Share of absent synapses over all tensors at the end, in place of the death below 0: at every clock as many
        synapses (of convolutions: filters) are dead as the share of the published decay that is over asks for, those of
        the lowest survival, then of the lowest score.  Neurons have no survival of their own then.  Ours.
    spread : bool
        Where an epoch stands for several of the published run, survival moves within it, each time with the scores so
        far, and what dies is gone at once; off: all of them at the end of the epoch, with its scores.
    scale : float, optional
        Length of this run over 300 epochs, by default ``epochs / 300``.  An epoch of this run stands for ``1 / scale``
        of theirs.  What scores 0 dies at the end of their epoch 11, what ever dies by their epoch 48: with the default
        that is within the first sixth of any run, with ``scale=1`` within 49 epochs of this one.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.DPAP(sparsity=0.5)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.5)
    """

    layers: tuple[str, ...] | None = None
    units: bool = param(True, source="off switch")
    synapses: bool = param(True, source="off switch")
    trace_decay: float = param(0.5, low=0.0, high=1.0, source=f"{_HAN}: delta = 0.5")
    per_slot: bool = param(False, source="free: one threshold a unit is our reading; the public code keeps one a slot")
    strict: bool = param(False, source="free: a deviation of ours; off as in the public code")
    temporal: bool = param(False, source="free: ours, off by default")
    first: int = param(5, low=0, source=f"{_HAN}: epoch 5")
    offset: float = param(1.5, source=f"{_HAN}: o = 1.5")
    offset_filters: float = param(0.65, source=f"{_HAN}: o = 0.65")
    scale: float | None = param(None, low=LEAST_SCALE, none=True, source="free: one factor for all counts, our reading")
    spread: bool = param(True, source="free: our reading of shorter runs")
    sparsity: float | None = param(None, low=0.0, high=0.999, none=True, source="free: our controller")

    causes: ClassVar[dict[str, Cause]] = {
        "survival": SURVIVAL,
        "unit_survival": Cause(
            "the survival of its neuron, fed by use, had run out", decided="the survival of its unit was",
            colour="#CC79A7",
        ),
    }  # fmt: skip
    gradient = "always"

    def __post_init__(self) -> None:
        params.check(self)
        self.layers = names_of(self, self.layers)
        super().__init__()
        self.gradient = "never" if self.strict else "always"

    @property
    def dead(self) -> str:  # type: ignore[override]
        """What absent synapses do between epochs."""
        return "zero" if self.strict else "move"

    equation: ClassVar[str] = (
        "B += sum_b c_post (c_post - theta) c_pre;  D = minmax(sum B) minmax(sum c) of a unit, B of a synapse;  "
        "u = clip((D - min D)/(P75 - min D), 0, 1);  d = 2u - o, + b if d > 0;  R <- .999 R + d exp(-floor(m/eta));  "
        "dies when R < 0"
    )

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Survival of neurons and synapses whose scores stay where they are, over the published 300 epochs."""
        used = np.array([0.0, 0.2, 0.4, 0.5, 0.55])
        score = np.concatenate([used, np.ones(10)])
        left, rule = np.full(score.size, self.survival("neuron").start), self.survival("neuron")
        course = np.empty((EPOCHS, used.size))
        for e in range(EPOCHS):
            rule.update(np.arange(score.size), score, left, e)
            course[e] = left[: used.size]
        out, share = {}, (np.arange(EPOCHS) + 1) / EPOCHS
        for u, r in zip(used, course.T, strict=True):
            dead = np.flatnonzero(r < 0)
            n = EPOCHS if not dead.size else int(dead[0]) + 1
            out[f"survival: u = {u:g}"] = share[:n], r[:n]
        return out

    @property
    def decides(self) -> tuple[str, ...]:  # type: ignore[override]
        """Which synapses live, unless time steps alone are pruned."""
        return ("life",) if self.units or self.synapses else ()

    # ------------------------------------------------------------------ parameters of this run

    def survival(self, kind: str) -> Survival:
        """The survival rule of ``filter``, ``neuron`` or ``synapse``."""
        what = dict(FILTER if kind == "filter" else NEURON)
        what |= {"of": "synapse"} if kind == "synapse" else {}
        what["offset"] = self.offset_filters if kind == "filter" else self.offset
        return Survival(first=self.first, **what)  # type: ignore[arg-type]

    def published(self, trainer: Course, last: bool) -> int:
        """Epochs of the published run that are over at this step, or (`last`) at the end of this epoch."""
        scale = self.scale_of(trainer)
        if last:
            return round((trainer.epoch + 1) / scale)
        return int(trainer.step / (trainer.steps_per_epoch * scale) + 1e-9)

    def _move(self, kind: str, score: F8, left: F8, epochs: range) -> None:
        """Survival after some epochs of the published run."""
        rule, rows = self.survival(kind), np.arange(score.size)
        for e in epochs:
            rule.update(rows, score, left, e)

    # ------------------------------------------------------------------ clocks

    def start(self, trainer: Course) -> None:
        """Have traces taken, and begin all sums at 0."""
        self.memory["published"] = np.zeros(1, dtype=np.int64)
        if self.sparsity is not None:
            self._check_target(trainer)
        for t in chosen(trainer, self.layers, self.name):
            if not t.neurons:
                raise StudyError(
                    f"{self.name}: {t.name!r} drives no neurons, whose use decides; leave it out with layers="
                )
            rows, n = t.table.n_source // t.taps, t.table.n_target
            pre, post = (rows, n) if t.convolution else (0, 0)
            trainer.watch(t.layer.name, _Look(self.trace_decay, pre, of_input=True))
            trainer.watch(t.neurons, _Look(self.trace_decay, post, False, self.temporal))
            kind = "filter" if t.convolution else "neuron"
            self.memory |= {
                f"bcm/{t.name}": np.zeros((rows, n)), f"activity/{t.name}": np.zeros(n),
                f"threshold/{t.name}": np.zeros((1, n)), f"batches/{t.name}": np.zeros(1),
                f"unit/{t.name}": np.full(n, self.survival(kind).start),
            }  # fmt: skip
            if not t.convolution:
                self.memory[f"synapse/{t.name}"] = np.full(rows * n, self.survival("synapse").start)
        if self.temporal:
            n = trainer.encoder.steps
            if n < 2:
                raise StudyError(f"{self.name}: temporal pruning needs an encoder of several steps, this one has {n}")
            self.memory |= {"step": np.full(n, self.survival("neuron").start), "step_trace": np.zeros(n)}
            self.memory["living_steps"] = np.ones(n, dtype=bool)

    def after_backward(self, trainer: Course) -> None:
        """Add the batch to the BCM products and to the activities."""
        seen: dict[str, F4] = {}

        def traces(layer: str) -> F4:  # two tensors may share a layer of neurons, as below and above
            if layer not in seen:
                seen[layer] = concatenated(trainer.watched(layer))
            return seen[layer]

        for t in chosen(trainer, self.layers, self.name):
            post = traces(t.neurons)
            self._add(t, traces(t.layer.name), post[:, : t.table.n_target])
            if self.temporal:
                m = self.memory
                m["step_trace"][m["living_steps"]] += post[:, t.table.n_target :].mean(axis=0)

    def _add(self, t: Tensor, pre: F4, post: F4) -> None:
        m = self.memory
        key, n = f"threshold/{t.name}", m[f"batches/{t.name}"]
        if self.per_slot and m[key].shape[0] < post.shape[0]:
            m[key] = np.zeros(post.shape)
        used = post.shape[0] if self.per_slot else 1  # a last, shorter batch uses the first slots
        threshold = m[key][:used]
        change = np.empty(post.shape)
        modulations(post, threshold, change)
        m[f"bcm/{t.name}"] += pre.T @ change.astype(np.float32)
        m[f"activity/{t.name}"] += post.sum(axis=0)
        n += 1
        m[key][:used] = running_mean(threshold, post, int(n[0]))

    def after_step(self, trainer: Course) -> None:
        """Where an epoch of the published run ends within one of this run: its survival and deaths, then the mask."""
        if self.spread and trainer.step % trainer.steps_per_epoch:
            self._age(trainer, self.published(trainer, last=False))

    def epoch_end(self, trainer: Course) -> None:
        """Move survival; what is below 0 dies; then the mask."""
        self._age(trainer, self.published(trainer, last=True), at_last=True)

    def _age(self, trainer: Course, until: int, at_last: bool = False) -> None:
        done = self.memory["published"]
        epochs = range(int(done[0]), until)
        if not (len(epochs) or at_last):
            return
        done[0] = max(until, int(done[0]))
        for t in chosen(trainer, self.layers, self.name):
            if self.units and (t.convolution or self.sparsity is None):
                self._units(trainer, t, epochs)
            if self.synapses and not t.convolution:
                self._synapses(trainer, t, epochs)
            if not self.strict:
                t.table.weight[t.dense.alive == 0] = 0.0
        if self.temporal:
            self._steps(epochs)

    def _steps(self, epochs: range) -> None:
        left, living = self.memory["step"], self.memory["living_steps"]
        some = left[living]
        self._move("neuron", minmax(self.memory["step_trace"][living]), some, epochs)
        left[living] = some
        keep = living & (left >= 0)
        keep[-1] = True
        living[:] = keep

    def living_steps(self) -> NDArray[np.bool_] | None:
        """The steps that are left."""
        return self.memory.get("living_steps")

    def _check_target(self, trainer: Course) -> None:
        """Refuse a sparsity that what is switched on cannot reach.

        Raises
        ------
        StudyError
            With the cure.
        """
        mine = chosen(trainer, self.layers, self.name)
        share_of(trainer, self.sparsity or 0.0, mine, self.name)
        for t in mine:
            if not (self.units if t.convolution else self.synapses):
                what = "filters, units=True" if t.convolution else "single synapses, synapses=True"
                raise StudyError(f"{self.name}: sparsity= prunes {what}: {t.name!r} has none of them as it is set")

    def _doomed(self, trainer: Course, kind: str, left: F8, score: F8, living: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Who dies: below 0, or, towards a target sparsity, as many of the lowest as the decay so far asks for."""
        if self.sparsity is None:
            return living & (left < 0)
        rule = self.survival(kind)
        over = decayed(int(self.memory["published"][0]) - rule.first, rule.eta, EPOCHS - rule.first)
        share = share_of(trainer, self.sparsity, chosen(trainer, self.layers, self.name), self.name)
        rows = np.flatnonzero(living)
        n = min(round(share * over * left.size) - (left.size - rows.size), rows.size - 1)
        out = np.zeros(left.size, dtype=bool)
        out[rows[rewire.smallest(left[rows], max(n, 0), tie=score[rows])]] = True
        return out

    def _units(self, trainer: Course, t: Tensor, epochs: range) -> None:
        m, table = self.memory, t.table
        worth = significance(m[f"bcm/{t.name}"].sum(axis=0), m[f"activity/{t.name}"])
        left = m[f"unit/{t.name}"]
        kind = "filter" if t.convolution else "neuron"
        self._move(kind, worth, left, epochs)
        slots = table.slots()
        gone = slots[self._doomed(trainer, kind, left, worth, t.living() > 0)[table.post[slots]]]
        if gone.size:
            value = left[table.post[gone]]
            trainer.propose(t.name, [rewire.deaths(self.name, gone, "unit_survival", value)])

    def _synapses(self, trainer: Course, t: Tensor, epochs: range) -> None:
        m, table = self.memory, t.table
        left, score = m[f"synapse/{t.name}"], m[f"bcm/{t.name}"].reshape(-1)
        self._move("synapse", score, left, epochs)
        slots = table.slots()
        pair = table.pre(slots) * table.n_target + table.post[slots]
        living = np.zeros(left.size, dtype=bool)
        living[pair] = True
        dies = self._doomed(trainer, "synapse", left, score, living)[pair]
        if dies.any():
            trainer.propose(t.name, [rewire.deaths(self.name, slots[dies], "survival", left[pair[dies]])])

    def approximations(self, trainer: Course) -> list[str]:
        """How epochs were scaled, and what is ours."""
        ours = f"{self.name}: as many die as a sparsity of {self.sparsity} asks for, by rank, ours."
        return super().approximations(trainer) + ([] if self.sparsity is None else [ours])

    def series(self, trainer: Course) -> dict[str, float]:
        """Living units of each tensor."""
        every = chosen(trainer, self.layers, self.name)
        out = {f"living_units/{t.name}": float((t.living() > 0).sum()) for t in every}
        return out | ({"living_steps": float(self.memory["living_steps"].sum())} if self.temporal else {})
