"""Methods that exchange synapses: drop some by magnitude, grow others by gradient or at random.

==========  ====================  ===================  ==========================================
method      how many live         dropped              grown
==========  ====================  ===================  ==========================================
`Static`    constant              none                 none
`SET`       constant              smallest, by sign    at random (Mocanu et al. 2018)
`RigL`      constant              smallest             largest gradient (Evci et al. 2020)
`NDSNN`     falling cubically     smallest             largest gradient (Huang et al. 2023)
==========  ====================  ===================  ==========================================

A tensor is stored in whichever way suits the number of its synapses, all pairs or the living only, so that cost
follows what lives.  Layer densities come from the Erdos-Renyi-kernel rule.  A synapse that would be dropped and grown
in one exchange stays as it is, with its value and its identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.errors import StudyError
from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Method
from neurodev.methods import rewire, schedule
from neurodev.methods.tensors import Tensor, tensors
from neurodev.params import param
from neurodev.structure.cause import Cause

F8 = NDArray[np.float64]


def erdos_renyi_start(trainer: Course, density: F8, name: str) -> None:
    """Give every tensor its density, at random, in the storage that suits it."""
    for t, d in zip(tensors(trainer), density, strict=True):
        size = t.table.n_source * t.table.n_target
        n = round(float(d) * size)
        alive = np.zeros(size, dtype=bool)
        alive[rng.generator(trainer.seed, name, t.name).choice(size, n, replace=False)] = True
        trainer.begin_with(t.name, None if n == size else alive.reshape(t.table.n_source, -1), "suiting")


def layer_densities(trainer: Course, density: float, dense_output: bool) -> F8:
    """Densities by the Erdos-Renyi-kernel rule."""
    every = tensors(trainer)
    return schedule.erdos_renyi([t.shape for t in every], density, dense=[t.output and dense_output for t in every])


@dataclass
class Static(Method):
    """A fixed random structure.

    Parameters
    ----------
    sparsity : float
        Share of absent synapses over all tensors.
    dense_output : bool

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.Static(0.8)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.2)
    """

    sparsity: float = param(0.95, low=0.0, high=0.999, source="free")
    dense_output: bool = param(False, source="the rule decides")

    gradient = "never"
    decides: ClassVar[tuple[str, ...]] = ("start",)
    equation: ClassVar[str] = (
        "density of a tensor = min(1, eps (sum of its dimensions / their product)), eps so that all together have "
        "1 - sparsity; its synapses are drawn at random and stay"
    )

    def __post_init__(self) -> None:
        params.check(self)

    def prepare(self, trainer: Course) -> None:
        """The random structure."""
        density = layer_densities(trainer, 1 - self.sparsity, self.dense_output)
        erdos_renyi_start(trainer, density, self.name)


@dataclass
class SET(Static):
    """Sparse evolutionary training.

    Parameters
    ----------
    share : float
        zeta: share of the positive, and of the negative, synapses that go at the end of every epoch.
    epsilon : float, optional
        Density ``epsilon (n_in + n_out) / (n_in n_out)`` of each tensor, as published (20), in place of `sparsity`.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.SET(0.5)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.5)
    """

    causes: ClassVar[dict[str, Cause]] = {
        "magnitude": rewire.MAGNITUDE,
        "random": rewire.RANDOM,
    }

    decides: ClassVar[tuple[str, ...]] = ("start", "life")
    equation: ClassVar[str] = (
        "at the end of an epoch the share zeta of the smallest positive and of the smallest negative weights goes, "
        "and those that are 0; as many grow at random, at 0"
    )

    share: float = param(0.3, low=0.0, high=1.0, source="SET, public code (dcmocanu): zeta = 0.3")
    epsilon: float | None = param(None, above=0.0, none=True, source="SET, public code (dcmocanu): 20")
    dense_output: bool = param(True, source="SET, public code (dcmocanu)")

    def prepare(self, trainer: Course) -> None:
        """The random structure."""
        if self.epsilon is None:
            super().prepare(trainer)
            return
        every = tensors(trainer)
        density = [
            1.0 if t.output and self.dense_output else
            min(self.epsilon * sum(t.shape[:2]) / (t.shape[0] * t.shape[1]), 1.0) for t in every
        ]  # fmt: skip
        erdos_renyi_start(trainer, np.array(density), self.name)

    def epoch_end(self, trainer: Course) -> None:
        """Drop the weakest of each sign and what is exactly 0 (grown, and never reached by a gradient); grow as many.

        Without the zeros, synapses of silent inputs would gather: they have no sign and would stay for good.
        """
        if self.share == 0 or trainer.epoch + 1 >= trainer.epochs:  # what is grown last would never learn
            return
        for t in tensors(trainer):
            if t.output and self.dense_output:
                continue
            slots = t.table.slots()
            w = t.table.weight[slots]
            gone = np.concatenate([self._weakest(slots, w, w > 0), self._weakest(slots, -w, w < 0), slots[w == 0]])
            kept = rewire.occupancy(t.table)
            kept[t.table.pre(gone), t.table.post[gone]] = False
            free = np.flatnonzero(~kept.reshape(-1))
            generator = rng.generator(trainer.seed, self.name, f"{t.name}/{trainer.epoch}")
            pair = free[rewire.some(free.size, gone.size, generator)]
            exchange(trainer, t, gone, pair, "random", np.full(pair.size, np.nan))

    def _weakest(self, slots: NDArray[np.int64], size: NDArray[Any], mine: NDArray[np.bool_]) -> NDArray[np.int64]:
        candidates = np.flatnonzero(mine)
        return slots[candidates[rewire.smallest(size[candidates], int(self.share * candidates.size))]]


@dataclass
class NDSNN(Method):
    """Neurogenesis dynamics: the number of synapses falls while they are exchanged.

    Parameters
    ----------
    sparsity : float
        At the end, over all tensors.
    first_sparsity : float
        At the beginning.
    death, last_death : float
        Share of the living that dies in the first and in the last exchange (half a cosine between).
    every : int
        Steps between exchanges.
    begin, end : float
        Shares of the run between which exchanges happen.
    keep_dropped_out : bool
        Whether a synapse that is dropped may not be grown in the same exchange.
    dense_output : bool

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.NDSNN(0.8, every=3)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.2)
    """

    causes: ClassVar[dict[str, Cause]] = {
        "magnitude": rewire.MAGNITUDE,
        "gradient": Cause(
            "it was grown where the loss pulled hardest", decided="the |gradient| at its place was", colour="#3C9D7E"
        ),
    }

    sparsity: float = param(0.95, low=0.0, high=0.999, source="free")
    first_sparsity: float = param(0.5, low=0.0, high=0.999, source="free: NDSNN's value not found; 0.5 to 0.7")
    death: float = param(0.5, low=0.0, high=1.0, source="free: NDSNN's value not found; ITOP's public code has 0.5")
    last_death: float = param(0.05, low=0.0, high=1.0, source="free: NDSNN's value not found; 0.005 to 0.05")
    every: int = param(100, low=1, source="free: 100 to 1000, NDSNN's not found; RigL's public code has 100")
    begin: float = param(0.0, low=0.0, high=1.0, source="free")
    end: float = param(0.75, above=0.0, high=1.0, source="free: 75 to 100 %, NDSNN's not found")
    keep_dropped_out: bool = param(False, source="RigL and ITOP, public code: regrowth is allowed")
    dense_output: bool = param(False, source="free: the Erdos-Renyi rule decides, our reading")

    gradient = "at_update"
    decides: ClassVar[tuple[str, ...]] = ("start", "life")
    equation: ClassVar[str] = (
        "sparsity(x) = s + (s0 - s)(1 - x)^3;  deaths: the share d1 + (d0 - d1)(1 + cos(pi x))/2 of the living, of the "
        "smallest |w|;  births: up to the number that sparsity(x) leaves, of the largest |dL/dw|, at 0"
    )

    def __post_init__(self) -> None:
        params.check(self)
        if self.first_sparsity > self.sparsity:
            raise StudyError(
                f"{self.name}: first_sparsity={self.first_sparsity} is above sparsity={self.sparsity}; synapses are to "
                "become fewer"
            )
        if self.begin >= self.end:
            raise StudyError(f"{self.name}: begin={self.begin} must come before end={self.end}")

    # ------------------------------------------------------------------ when

    def rounds(self, trainer: Course) -> int:
        """Number of exchanges in the run.

        Raises
        ------
        StudyError
            If the run is shorter than one interval.
        """
        total = trainer.epochs * trainer.steps_per_epoch
        n = int((self.end - self.begin) * total) // self.every
        if n < 1:
            raise StudyError(
                f"{self.name}: every={self.every} steps leaves no exchange in a run of {total} steps; lower every"
            )
        return n

    def round_of(self, trainer: Course) -> int | None:
        """Number (from 1) of the exchange that this step is, or None."""
        first = int(self.begin * trainer.epochs * trainer.steps_per_epoch)
        q, rest = divmod(trainer.step - first, self.every)
        return q if rest == 0 and 1 <= q <= self.rounds(trainer) else None

    def count(self, trainer: Course, number: int, x: float) -> int:
        """Living synapses of tensor `number` after the exchange at the share `x` of the schedule."""
        t = tensors(trainer)[number]
        size = t.table.n_source * t.table.n_target
        first, last = self._first[number], self._last[number]
        return round((1 - schedule.cubic(x, 1 - first, 1 - last)) * size)

    def death_share(self, trainer: Course, number: int, x: float) -> float:
        """Share of the living of tensor `number` that dies."""
        return schedule.cosine(x, self.death, self.last_death)

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Density of all weights, and the share of the living that dies in an exchange."""
        run = np.linspace(0.0, 1.0, 101)
        x = np.clip((run - self.begin) / (self.end - self.begin), 0.0, 1.0)
        among = (run >= self.begin) & (run <= self.end)
        return {
            "density": (run, np.array([1 - schedule.cubic(v, self.first_sparsity, self.sparsity) for v in x])),
            "share of the living that dies in an exchange": (
                run[among], np.array([schedule.cosine(v, self.death, self.last_death) for v in x[among]])
            ),
        }  # fmt: skip

    # ------------------------------------------------------------------ what

    def prepare(self, trainer: Course) -> None:
        """Densities at both ends, and the random structure."""
        self._first = layer_densities(trainer, 1 - self.first_sparsity, self.dense_output)
        self._last = np.minimum(layer_densities(trainer, 1 - self.sparsity, self.dense_output), self._first)
        self.rounds(trainer)
        erdos_renyi_start(trainer, self._first, self.name)

    def score(self, trainer: Course, t: Tensor, slots: NDArray[np.int64]) -> NDArray[Any]:
        """Worth of each living synapse: those of the smallest are dropped."""
        return np.abs(t.table.weight[slots])

    def before_forward(self, trainer: Course) -> None:
        """Ask for the gradient of all pairs where an exchange is due."""
        if self.round_of(trainer) is not None:
            for t in tensors(trainer):
                trainer.probe(t.name)

    def after_backward(self, trainer: Course) -> bool:
        """Exchange, in place of this step's update."""
        q = self.round_of(trainer)
        if q is None:
            return False
        x = q / self.rounds(trainer)
        for number, t in enumerate(tensors(trainer)):
            share = self.death_share(trainer, number, x)
            self._exchange(trainer, t, trainer.probed(t.name), self.count(trainer, number, x), share)
        return True

    def _exchange(self, trainer: Course, t: Tensor, gradient: NDArray[Any], n_next: int, share: float) -> None:
        if t.output and self.dense_output:
            return
        table, slots = t.table, t.table.slots()
        n_dead = schedule.fewest_deaths(slots.size, n_next, share)
        pair = table.pre(slots) * table.n_target + table.post[slots]
        dropped = rewire.smallest(self.score(trainer, t, slots), n_dead, tie=pair)
        gone, kept = slots[dropped], np.zeros(table.n_source * table.n_target, dtype=bool)
        kept[pair] = True
        if not self.keep_dropped_out:
            kept[pair[dropped]] = False
        worth = rewire.grow_scores(gradient.reshape(-1), kept)
        n_free = int((worth >= 0).sum())
        new = rewire.largest(worth, min(n_next - slots.size + n_dead, n_free))
        exchange(trainer, t, gone, new, "gradient", worth[new])


@dataclass
class RigL(NDSNN):
    """The same exchange at a constant number of synapses.

    Parameters
    ----------
    sparsity, death, every, end
        As `NDSNN`; the share of deaths falls to 0 along half a cosine.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.RigL(0.8, every=3)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.2)
    """

    equation: ClassVar[str] = (
        "deaths: the share d0 (1 + cos(pi x))/2 of the living, of the smallest |w|;  births: as many, of the largest "
        "|dL/dw|, at 0"
    )

    death: float = param(0.3, low=0.0, high=1.0, source="RigL, public code (google-research/rigl): 0.3")
    last_death: float = param(0.0, low=0.0, high=1.0, source="RigL, public code (google-research/rigl): cosine to 0")
    first_sparsity: float = field(default=0.0, init=False)  # as sparsity

    def __post_init__(self) -> None:
        self.first_sparsity = self.sparsity
        super().__post_init__()


def exchange(
    trainer: Course, t: Tensor, gone: NDArray[np.int64], pair: NDArray[np.int64], cause: str, value: NDArray[Any]
) -> None:
    """Drop the synapses in slots `gone` (by magnitude) and grow on `pair` (source x n_target + target) at weight 0.

    What is in both stays.
    """
    table = t.table
    gone_pair = table.pre(gone) * table.n_target + table.post[gone]
    stay, new = np.isin(gone_pair, pair), ~np.isin(pair, gone_pair)
    gone, pair, value = gone[~stay], pair[new], value[new]
    trainer.propose(
        t.name,
        [
            rewire.deaths("drop", gone, "magnitude", np.abs(table.weight[gone])),
            rewire.births("grow", pair // table.n_target, pair % table.n_target, cause, 0.0, value),
        ],
    )
    trainer.store(t.name, "suiting")
