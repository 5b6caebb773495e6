"""NSPDI: synapses behind a threshold that rises, with a gain of their own for each channel; STDS is the even case.

    weight = sign(theta) max(0, a (|theta| - d)),  and 0 where that is not above the cut          (`structure.weight`)

The optimiser moves theta everywhere, silent synapses too (straight-through: dL/dtheta = a dL/dweight), so that
a synapse can grow back, even with the other sign.  d rises to D over the run; a is drawn for each output channel from
[1 - h, 1 + h].  h = 0 without a cut is STDS (Chen et al. 2022).  D is given in units of the sum of all learning rates:
what a parameter could travel under Adam.  The method's other half, nonlinear dendritic integration, is the layer
`Dendritic`; both its tensors are pruned.

Source: Cai et al. 2025, arXiv 2508.21566, of which two formulas were read in a third-party note; STDS in its public
code.  What the gains and the cut are in detail is our reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.errors import StudyError
from neurodev.learn.core.layer import Vector
from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Method
from neurodev.methods import rewire, schedule
from neurodev.methods.division import DIVISIONS, factor, felt, remembered
from neurodev.methods.tensors import Tensor, tensors
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.structure.weight import refresh_hidden

SETTLED = 0.8  # share of the run by which a target sparsity is reached, and held from then on
SEARCHES = 200  # of the displacement of a target sparsity, in a run
MOST_STEPS = 100_000_000  # of a run, whose learning rates are summed before it begins
RAMPS = ("sine", "linear", "rate")
F4 = NDArray[np.float32]


@dataclass
class NSPDI(Method):
    """Nonlinear synaptic pruning.

    Parameters
    ----------
    displacement : float
        D over the sum of all learning rates of the run.
    sparsity : float, optional
        Share of absent synapses over all tensors, in place of `displacement`: the share that is silent rises along the
        ramp to it, `SEARCHES` times a run and at the end of every epoch d is placed where that share of all strengths
        lies below.  A search within one run, ours: `analysis.dendritic_pruning` finds D by repeated runs.
    ramp : {"sine", "linear", "rate"}
        How d rises; `rate` in proportion to the learning rates so far (LATS).
    heterogeneity : float
        h: half the range of gains.
    learn_gain : bool
        Train the gains (kept positive by a softplus).
    gate : float
        Threshold of the tensors that gate others (V of `Dendritic`) over that of the rest.
    cut : float
        Hard cut d2 of the strength, as a share of the present d.
    gated : bool
        Pass no gradient to silent synapses (the true derivative, an ablation).
    division : {"saliency", "sensitivity"}, optional
        Divide the threshold between each gate and its drive as they learn, on top of `gate`, so that the last synapses
        of both are worth the same: see `neurodev.methods.division`.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.NSPDI(sparsity=0.5)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.5)
    """

    displacement: float = param(0.05, low=0.0, source="free: D of 0.1 to 5 over a sum of 640 in STDS's public code")
    ramp: str = param("sine", choices=RAMPS, source="Chen et al. 2022 (STDS), public logs: the sine beats the line")
    heterogeneity: float = param(0.5, low=0.0, high=0.99, source="free: the range of gains was not found")
    learn_gain: bool = param(False, source="free: an option of ours")
    gate: float = param(1.0, above=0.0, source="free: one schedule for both tensors is our reading")
    cut: float = param(0.1, low=0.0, source="free: hard cut, our reading of Cai et al. 2025")
    gated: bool = param(False, source="Chen et al. 2022 (STDS), public code: an ablation")
    sparsity: float | None = param(None, low=0.0, high=0.999, none=True, source="free: our search within the run")
    division: str | None = param(None, choices=DIVISIONS, none=True, source="free: our reading, methods.division")

    causes: ClassVar[dict[str, Cause]] = {
        "threshold": Cause(
            "the strength behind it had fallen below the threshold of a visible weight",
            decided="its strength less the threshold was", colour="#E69F00",
        ),
        "regrowth": Cause(
            "the strength behind it had passed the threshold of a visible weight",
            decided="its strength less the threshold was", colour="#8C8C00",
        ),
    }  # fmt: skip
    dead = "hidden"
    gradient = "always"
    decides: ClassVar[tuple[str, ...]] = ("life",)
    equation: ClassVar[str] = (
        "w = sign(theta) max(0, a (|theta| - d)), 0 where not above cut d;  dL/dtheta = a dL/dw everywhere;  "
        "d = D (1 - cos(pi x))/2 at the share x of the run"
    )

    def __post_init__(self) -> None:
        params.check(self)

    # ------------------------------------------------------------------ the map

    def threshold(self, trainer: Course) -> float:
        """d at this step."""
        if self.sparsity is not None:
            return self._found
        x, top = trainer.progress_share, self.displacement * self._travel[-1]
        if self.ramp == "sine":
            return schedule.sine(x, top)
        if self.ramp == "linear":
            return schedule.linear(x, 0.0, top)
        return self.displacement * float(self._travel[min(trainer.step, self._travel.size - 1)])

    def _share(self, trainer: Course) -> float:
        """Share of synapses that a target sparsity wants silent at this step."""
        assert self.sparsity is not None
        x = min(trainer.progress_share / SETTLED, 1.0)
        if self.ramp == "rate":
            sums = self._travel[[min(trainer.step, self._travel.size - 1), round(SETTLED * (self._travel.size - 1))]]
            return self.sparsity * min(float(sums[0] / sums[1]), 1.0) if sums[1] else self.sparsity
        return schedule.sine(x, self.sparsity) if self.ramp == "sine" else schedule.linear(x, 0.0, self.sparsity)

    def _search(self, trainer: Course) -> None:
        """Place d so that the share of strengths at or below it is the one wanted.

        A synapse is visible where a (|theta| - g d) > c g d, that is where |theta| / (g (1 + c / a)) > d, with the
        gate's factor g and the cut's c.
        """
        if self.sparsity is None:
            return
        every = np.concatenate([self._strength(t, self._factor_of(t)).reshape(-1) for t in tensors(trainer)])
        n = min(round(self._share(trainer) * every.size), every.size - 1)
        if n < 1:
            self._found = 0.0
            return
        low, high = np.partition(every, (n - 1, n))[n - 1 : n + 1]
        self._found = float(low + high) / 2

    def _strength(self, t: Tensor, factor: float = 1.0) -> NDArray[np.float64]:
        """The threshold up to which each synapse is visible, over `factor`, (n_source, n_target)."""
        table = t.dense
        theta = np.abs(table.grid(table.column("theta"))[:, : table.n_target])
        return np.asarray(theta / (factor * (1.0 + self.cut / np.maximum(self.gains(t).astype(np.float64), 1e-12))))

    def _factor_of(self, t: Tensor) -> float:
        """Threshold of a tensor over d."""
        if not t.layer.gates:
            return 1.0
        return self.gate if self.division is None else self.gate * float(self._factor[self._places[t.name]])

    def threshold_of(self, trainer: Course, t: Tensor) -> float:
        """d of a tensor at this step."""
        return self.threshold(trainer) * self._factor_of(t)

    def gains(self, t: Tensor) -> F4:
        """a of every output channel."""
        learned = t.layer.parameters.get(self._key(t))
        if isinstance(learned, Vector):
            return np.asarray(np.logaddexp(0, learned.value).astype(np.float32))
        return self._gain[t.name]

    def _key(self, t: Tensor) -> str:
        part = next(k for k, p in t.layer.parameters.items() if p is t.weights)
        return f"gain_of_{part}"

    def _refresh(self, trainer: Course) -> None:
        for t in tensors(trainer):
            table, d = t.dense, self.threshold_of(trainer, t)
            kind = table.weight.dtype.type
            refresh_hidden(
                table.grid(table.column("theta")), self.gains(t).astype(kind), kind(d), kind(self.cut * d),
                table.grid(table.weight),
            )  # fmt: skip

    # ------------------------------------------------------------------ clocks

    def prepare(self, trainer: Course) -> None:
        """Hidden storage, and the gains."""
        self._gain: dict[str, F4] = {}
        for t in tensors(trainer):
            trainer.begin_with(t.name, None, "hidden")
        for t in tensors(trainer):
            h, n = self.heterogeneity, t.table.n_target
            a = rng.generator(trainer.seed, "gain", t.name).uniform(1 - h, 1 + h, n).astype(np.float32)
            self._gain[t.name] = a
            if self.learn_gain:
                raw = np.log(np.expm1(np.maximum(a, 1e-3))).astype(t.table.weight.dtype)
                t.layer.parameters[self._key(t)] = Vector(raw)
                trainer.share(t.layer.name, self._key(t))

    def start(self, trainer: Course) -> None:
        """Sum of the learning rates of the run."""
        n = trainer.epochs * trainer.steps_per_epoch
        if n > MOST_STEPS:
            raise StudyError(f"{self.name} sums the learning rates of all {n} steps beforehand: at most {MOST_STEPS}")
        per = getattr(trainer.schedule, "per", "run")  # what a schedule counts in: shares of the run, epochs or steps
        unit = {"epoch": trainer.steps_per_epoch, "step": 1}.get(per, n)
        rates = [trainer.optimiser.rate * trainer.schedule(k / unit) for k in range(n)]
        self._travel = np.concatenate([[0.0], np.cumsum(rates)])
        self._found = 0.0
        if self.division is not None:
            self._places = {t.name: k for k, t in enumerate(tensors(trainer))}
            self._n_felt = 0
            self._factor = np.ones(len(self._places))
            self._felt = np.zeros(len(self._places))
        self._search(trainer)

    def _feel(self, trainer: Course) -> None:
        """Average what the division asks of weights and gradients, one number a tensor."""
        assert self.division is not None
        now = np.zeros(len(self._places))
        for t in tensors(trainer):
            table = t.dense
            w, g = (table.grid(x)[:, : table.n_target] for x in (table.weight, t.weights.gradient))
            now[self._places[t.name]] = felt(self.division, w, g)
        self._felt = remembered(self._felt, now, self._n_felt)
        self._n_felt += 1

    def _divide(self, trainer: Course) -> None:
        """Factors of the gates, from what has been felt; a gate comes right after its drive."""
        if self.division is not None and self._n_felt:
            for k, t in enumerate(tensors(trainer)):
                self._factor[k] = factor(self._felt[k - 1], self._felt[k]) if t.layer.gates else 1.0

    def before_forward(self, trainer: Course) -> None:
        """Weights from parameters."""
        if trainer.step % max(trainer.epochs * trainer.steps_per_epoch // SEARCHES, 1) == 0:
            self._divide(trainer)
            self._search(trainer)
        self._refresh(trainer)

    def after_backward(self, trainer: Course) -> None:
        """Gradient of the parameters from that of the weights."""
        if self.division is not None:
            self._feel(trainer)
        for t in tensors(trainer):
            table, d = t.dense, self.threshold_of(trainer, t)
            n = table.n_target
            upstream = table.grid(t.weights.gradient)[:, :n]
            if self.learn_gain:
                theta = table.grid(table.column("theta"))[:, :n]
                above = np.sign(theta) * np.maximum(np.abs(theta) - d, 0) * (table.grid(table.weight)[:, :n] != 0)
                raw = t.layer.parameters[self._key(t)]
                assert isinstance(raw, Vector)
                raw.gradient += (upstream * above).sum(axis=0) / (1 + np.exp(-raw.value))
            upstream *= self.gains(t)
            if self.gated:
                upstream *= table.grid(table.weight)[:, :n] != 0

    def epoch_end(self, trainer: Course) -> None:
        """Weights for the evaluation, and the log of who became silent and who came back."""
        self._search(trainer)
        self._refresh(trainer)
        for t in tensors(trainer):
            table, d = t.dense, self.threshold_of(trainer, t)
            now = table.weight != 0
            gone = np.flatnonzero((table.alive != 0) & ~now)
            new = np.flatnonzero((table.alive == 0) & now)
            theta = np.abs(table.column("theta"))
            plans = [
                rewire.deaths(self.name, gone, "threshold", theta[gone] - d),
                rewire.births(
                    self.name, new // table.stride, new % table.stride, "regrowth", table.weight[new], theta[new] - d
                ),
            ]
            trainer.propose(t.name, plans)

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """d over D (at a constant learning rate), or the share of synapses that is to be silent."""
        run = np.linspace(0.0, 1.0, 101)
        rise = (lambda x: schedule.sine(x, 1.0)) if self.ramp == "sine" else (lambda x: schedule.linear(x, 0.0, 1.0))
        if self.sparsity is None:
            return {"d over D": (run, np.array([rise(x) for x in run]))}
        silent = np.array([self.sparsity * rise(min(x / SETTLED, 1.0)) for x in run])
        return {"share of synapses that is silent": (run, silent)}

    def approximations(self, trainer: Course) -> list[str]:
        """Where d is ours."""
        ours = []
        if self.sparsity is not None:
            ours += [f"{self.name}: d is placed for a sparsity of {self.sparsity} by a search within the run, ours."]
        if self.division is not None:
            ours += [f"{self.name}: d is divided between gates and their drives by {self.division}, ours."]
        return ours

    def series(self, trainer: Course) -> dict[str, float]:
        """d at the end of the epoch."""
        return {"threshold": self.threshold(trainer)}


@dataclass
class STDS(NSPDI):
    """State transition of dendritic spines: NSPDI's pruning with equal gains and no cut.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.STDS(sparsity=0.3)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.7)
    """

    heterogeneity: float = param(0.0, low=0.0, high=0.99, source="Chen et al. 2022 (STDS), public code: gain 1")
    cut: float = param(0.0, low=0.0, source="Chen et al. 2022 (STDS), public code: no cut")
