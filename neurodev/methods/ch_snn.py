"""CH-SNN: from the first step on few synapses, removed by strength, regrown by the topology alone (Hua et al. 2025).

========  ==============================================================================================
SSCTI     who is connected at first: units whose inputs are correlated
SSWI      first weights as wide as few synapses and few spikes ask
LRS       the synapses of the smallest removal score go, and those of units without input or output
CH3-L3    as many grow where most paths of length three, closed in themselves, join a pair  (`methods.paths`)
========  ==============================================================================================

LRS and CH3-L3 act at the end of every epoch but the last; the number of synapses stays.  Newborn synapses begin at 0,
one that would be removed and grown in one exchange stays as it is, and a tensor of which most do so rests from then on.

Source: Hua et al. 2025, arXiv 2511.05581, of which the abstract and third-party notes were read: they name the four
stages, not their formulas.  What they are in detail is that of Cannistraci-Hebb training (Zhang et al. 2024, ICLR, and
its public code), which the paper builds on; where spikes enter is our reading, said with each parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.errors import StudyError
from neurodev.learn.core.spikes import Current
from neurodev.learn.core.storage import dense_image
from neurodev.learn.model import Residual
from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Remembering
from neurodev.methods import rewire, schedule
from neurodev.methods.paths import ch3_l3, idle, removal_score
from neurodev.methods.scaled import names_of
from neurodev.methods.tensors import Tensor, chosen, tensors
from neurodev.params import param
from neurodev.structure.cause import Cause

_CHT = "Cannistraci-Hebb training, public code (biomedical-cybernetics)"
MOST_FEATURES = 4096  # of which all pairs are correlated: beyond, the first structure is random
I8 = NDArray[np.int64]


@dataclass
class CHSNN(Remembering):
    """Cannistraci-Hebb training of spiking networks.

    Parameters
    ----------
    sparsity : float
        Share of absent synapses over all tensors that take part.
    share : float
        zeta: share of the living that is removed, and grown, at the end of every epoch.
    layers : tuple of str, optional
        Weight tensors that take part; all fully connected ones by default.
    convolutions : {"dense", "static"}
        What convolutions do: stay whole, or take part in the sparsity with a random structure that stays.
    division : {"erdos_renyi", "uniform"}
        How the synapses are divided among the tensors.
    correlated : bool
        SSCTI; off: the first structure is random.
    samples : int
        Training samples whose spikes are correlated.
    spiking_weights : bool
        SSWI; off: weights as the model drew them.  Weights that were given or trained are never drawn again.
    width : float
        Standard deviation that SSWI gives the current of a step.
    rate : float
        Spikes a step that SSWI expects of hidden units; that of the input is measured.
    mix : float
        Weight of the strength itself in the removal score; the rest is that of its share.
    rest : float
        Share of the removed that grow back at once, from which on a tensor rests.
    dense_output : bool

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.CHSNN(0.5)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.5)
    """

    sparsity: float = param(0.95, low=0.0, high=0.999, source="free; published 97.75 % of all linear layers")
    share: float = param(0.3, low=0.0, high=1.0, source=f"{_CHT}: zeta = 0.3")
    layers: tuple[str, ...] | None = None
    convolutions: str = param("dense", choices=("dense", "static"), source="Hua et al. 2025: linear layers alone")
    division: str = param(
        "erdos_renyi", choices=("erdos_renyi", "uniform"), source=f"free: as the other methods; {_CHT}: uniform"
    )
    correlated: bool = param(True, source="off switch")
    samples: int = param(1000, low=2, source="free: our reading, spikes of a sample summed over its steps")
    spiking_weights: bool = param(True, source="off switch")
    width: float = param(0.5, above=0.0, source="free: our reading of SSWI, as wide as the usual threshold")
    rate: float = param(0.1, above=0.0, high=1.0, source="free: our reading of SSWI")
    mix: float = param(0.5, low=0.0, high=1.0, source="free: our reading of the hybrid LRS; the parts are CHT's")
    rest: float = param(0.9, above=0.0, high=1.0, source=f"{_CHT}: overlap 0.9")
    dense_output: bool = param(False, source="Hua et al. 2025: all linear layers")

    causes: ClassVar[dict[str, Cause]] = {
        "strength": Cause(
            "its removal score, of its strength and its share, was among the smallest",
            decided="its removal score was", colour="#B5651D",
        ),
        "idle": Cause(
            "its unit had been left without input or without output", decided="its removal score was", colour="#6E7B3C",
        ),
        "path": Cause(
            "most paths of length three joined its place", decided="the CH3-L3 score of its place was", colour="#1F6F8B"
        ),
        "random": rewire.RANDOM,
    }  # fmt: skip

    decides: ClassVar[tuple[str, ...]] = ("start", "life")
    equation: ClassVar[str] = (
        "at the end of an epoch the share zeta of the smallest mix |w|/max|w| + (1 - mix) r/max r goes, "
        "r = |w|/sum of its source's + |w|/sum of its target's;  as many grow, at 0, of the largest sum over paths "
        "s-b-a-t of 1/sqrt((1 + e_b)(1 + e_a)), e: synapses that lead out of the paths' nodes"
    )

    def __post_init__(self) -> None:
        params.check(self)
        self.layers = names_of(self, self.layers)
        super().__init__()

    # ------------------------------------------------------------------ who takes part

    def mine(self, trainer: Course) -> list[Tensor]:
        """The tensors whose structure moves.

        Raises
        ------
        StudyError
            If there is none, or one of them is a convolution.
        """
        if self.layers is None:
            found = [t for t in tensors(trainer) if not t.convolution and not (t.output and self.dense_output)]
        else:
            found = chosen(trainer, self.layers, self.name)
        bad = next((t.name for t in found if t.convolution), None)
        if bad is not None or not found:
            what = f"{bad!r} is a convolution" if bad else "this model has none"
            raise StudyError(f"{self.name} rewires fully connected tensors, but {what}: name others with layers=")
        return found

    def densities(self, trainer: Course) -> dict[str, float]:
        """Density of every tensor that is sparse."""
        moving = {t.name for t in self.mine(trainer)}
        part = [t for t in tensors(trainer) if t.name in moving or (t.convolution and self.convolutions == "static")]
        if self.division == "uniform":
            return {t.name: 1 - self.sparsity for t in part}
        found = schedule.erdos_renyi([t.shape for t in part], 1 - self.sparsity)
        return {t.name: float(d) for t, d in zip(part, found, strict=True)}

    # ------------------------------------------------------------------ at the beginning

    def prepare(self, trainer: Course) -> None:
        """SSCTI, then SSWI."""
        density, every = self.densities(trainer), tensors(trainer)
        drawn = {t.name for t in every if t.weights.drawn == t.weights.fingerprint()}
        moving = {t.name for t in self.mine(trainer)}
        spikes = self._input(trainer, every[0].table.n_source)
        likeness, valid = self._likeness(spikes)
        for t in every:
            if t.name not in density:
                continue
            n_pairs = t.table.n_source * t.table.n_target
            n = max(round(density[t.name] * n_pairs), 1)
            if n == n_pairs:
                trainer.begin_with(t.name, None, "dense")
                continue
            worth = np.zeros(n_pairs)
            if valid.size and not t.output and t.name in moving:
                first = t is every[0]
                rows = np.arange(t.table.n_source) if first else valid[_stands(t.table.n_source, valid.size)]
                worth = likeness[rows][:, valid[_stands(t.table.n_target, valid.size)]].reshape(-1)
            tie = rng.generator(trainer.seed, self.name, t.name).permutation(n_pairs)
            alive = np.zeros(n_pairs, dtype=bool)
            alive[rewire.largest(worth, n, tie)] = True
            trainer.begin_with(t.name, alive.reshape(t.table.n_source, -1), "suiting")
        if self.spiking_weights:
            rate = self.rate if spikes is None else float(spikes.mean()) / max(trainer.encoder.steps, 1)
            for t in tensors(trainer):
                if t.name in density and t.name in drawn:
                    self._draw(trainer, t, rate if t.name == every[0].name and rate > 0 else self.rate)

    def _draw(self, trainer: Course, t: Tensor, rate: float) -> None:
        """SSWI: variance width^2 / (living inputs of a unit, times their spikes a step)."""
        table, slots = t.table, t.table.slots()
        wide = self.width * np.sqrt(table.n_target / (max(slots.size, 1) * rate))
        values = rng.generator(trainer.seed, self.name, f"{t.name}/weight").standard_normal(slots.size)
        table.weight[slots] = (wide * values).astype(table.weight.dtype)

    def _input(self, trainer: Course, n: int) -> NDArray[np.float64] | None:
        """Input of some training samples summed over time, (samples, n); None if the first tensor sees another."""
        total = len(trainer.data.y_train)
        if total < 2 or not self.correlated or n > MOST_FEATURES:
            return None
        some = np.sort(rng.generator(trainer.seed, self.name, "samples").permutation(total)[: self.samples])
        found = [trainer.encoder(trainer.data.x_train, part, trainer.seed, 0) for part in np.array_split(
            some, max(-(-some.size // trainer.batch), 1))]  # fmt: skip
        if any(x.n != n for x in found):
            return None
        rows = [(np.abs(x.by_row) if isinstance(x, Current) else x.by_row).reshape(x.steps, x.batch, n) for x in found]
        return np.concatenate([np.asarray(r.sum(axis=0, dtype=np.float64)) for r in rows])

    def _likeness(self, spikes: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], I8]:
        """|correlation| of all pairs of inputs, 0 with themselves, and those inputs that differ between samples."""
        none = np.zeros((0, 0)), np.zeros(0, dtype=np.int64)
        if spikes is None:
            return none
        valid = np.flatnonzero(spikes.std(axis=0) > 0)
        if valid.size < 2:
            return none
        out = np.zeros((spikes.shape[1], spikes.shape[1]))
        out[np.ix_(valid, valid)] = np.abs(np.corrcoef(spikes[:, valid], rowvar=False))
        np.fill_diagonal(out, 0.0)
        return out, valid

    # ------------------------------------------------------------------ the exchange

    def start(self, trainer: Course) -> None:
        """No tensor rests."""
        self.memory |= {f"resting/{t.name}": np.zeros(1, dtype=bool) for t in self.mine(trainer)}

    def epoch_end(self, trainer: Course) -> None:
        """Remove, then grow; not after the last epoch: what is grown last would never learn."""
        if self.share == 0 or trainer.epoch + 1 >= trainer.epochs:
            return
        every = {t.name: t for t in self.mine(trainer) if not self.memory[f"resting/{t.name}"][0]}
        weight = {name: dense_image(t.table).astype(np.float64) for name, t in every.items()}
        before = {name: rewire.occupancy(t.table) for name, t in every.items()}
        score = {name: removal_score(weight[name], self.mix) for name in every}
        kept = {name: self._strong(score[name], before[name]) for name in every}
        after = {name: k.copy() for name, k in kept.items()}
        self._drop_idle(trainer, after)
        for name, t in every.items():
            self._exchange(trainer, t, before[name], kept[name], after[name], score[name])

    def _strong(self, score: NDArray[np.float64], alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
        pair = np.flatnonzero(alive)
        kept = alive.copy().reshape(-1)
        kept[pair[rewire.smallest(score.reshape(-1)[pair], int(self.share * pair.size + 1e-9))]] = False
        return kept.reshape(alive.shape)

    def _drop_idle(self, trainer: Course, alive: dict[str, NDArray[np.bool_]]) -> None:
        """Take the synapses of units between two tensors that have no input or no output; from the output down and up.

        Only where one tensor alone drives the units and the next alone hears them.
        """
        every = tensors(trainer)
        if _has_residual(trainer.model):
            return
        chain = [
            (a.name, b.name)
            for a, b in zip(every, every[1:], strict=False)
            if a.name in alive and b.name in alive and a.table.n_target == b.table.n_source
            and a.neurons and sum(t.neurons == a.neurons for t in every) == 1
            and sum(t.neurons == b.neurons for t in every) == 1
        ]  # fmt: skip
        for below, above in [*reversed(chain), *chain]:
            out = idle(alive[below], alive[above])
            alive[below][:, out] = False
            alive[above][out] = False

    def _exchange(
        self, trainer: Course, t: Tensor, before: NDArray[np.bool_], kept: NDArray[np.bool_],
        after: NDArray[np.bool_], score: NDArray[np.float64],
    ) -> None:  # fmt: skip
        n, width = int(before.sum() - after.sum()), t.table.n_target
        worth = np.where(after, -1.0, ch3_l3(after)).reshape(-1)
        tie = rng.generator(trainer.seed, self.name, f"{t.name}/{trainer.epoch}").permutation(worth.size)
        new = rewire.largest(worth, n, tie)  # where no path leads, at random
        gone = np.flatnonzero(before & ~after)
        again = np.isin(gone, new)
        if gone.size and again.mean() > self.rest:
            self.memory[f"resting/{t.name}"][0] = True
        slots = t.table.slots()
        slot_of = np.zeros(worth.size, dtype=np.int64)
        slot_of[t.table.pre(slots) * width + t.table.post[slots]] = slots
        gone, new = gone[~again], new[~np.isin(new, gone)]
        weak, by_path = ~kept.reshape(-1)[gone], worth[new] > 0
        grown = lambda which, cause, value: rewire.births(
            self.name, new[which] // width, new[which] % width, cause, 0.0, value
        )
        plans = [
            rewire.deaths(self.name, slot_of[gone[weak]], "strength", score.reshape(-1)[gone[weak]]),
            rewire.deaths(self.name, slot_of[gone[~weak]], "idle", score.reshape(-1)[gone[~weak]]),
            grown(by_path, "path", worth[new[by_path]]), grown(~by_path, "random", None),
        ]  # fmt: skip
        trainer.propose(t.name, plans)

    def approximations(self, trainer: Course) -> list[str]:
        """What is our reading."""
        return [
            f"{self.name}: stages as published, their formulas those of Cannistraci-Hebb training; where spikes enter "
            "them is our reading."
        ]

    def series(self, trainer: Course) -> dict[str, Any]:
        """Living units of each tensor, and whether it rests."""
        out = {}
        for t in self.mine(trainer):
            out[f"living_units/{t.name}"] = float((t.living() > 0).sum())
            out[f"resting/{t.name}"] = float(self.memory[f"resting/{t.name}"][0])
        return out


def _stands(n: int, n_feature: int) -> I8:
    """Which feature each of n units stands for: spread evenly over all."""
    return np.arange(n) * n_feature // n


def _has_residual(model: Any) -> bool:
    parts = model.parts() if hasattr(model, "parts") else []
    return any(isinstance(part, Residual) or _has_residual(part) for part in parts)
