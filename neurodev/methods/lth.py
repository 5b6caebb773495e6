"""Lottery tickets: train, prune the smallest weights of all, rewind the rest to where they were early on, train again.

Source: public code of lottery tickets in spiking networks (Yale, ECCV 2022; Intelligent-Computing-Lab-Yale/
Exploring-Lottery-Ticket-Hypothesis-in-SNNs): 25 % of what is left go after each round, by global magnitude; survivors
return to their values at an early epoch of the first round; optimiser and learning rate begin anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import params
from neurodev.errors import StudyError
from neurodev.learn.core.layer import Vector
from neurodev.learn.core.storage import dense_image
from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Remembering
from neurodev.methods import rewire
from neurodev.methods.tensors import tensors
from neurodev.params import param
from neurodev.structure.cause import Cause


@dataclass
class LTH(Remembering):
    """Iterative magnitude pruning with late rewinding.

    Parameters
    ----------
    sparsity : float
        Of the last round, over all tensors.
    share : float
        Share of the living that a round's end takes; the last pruning takes what is left to `sparsity`.
    rewind : float
        Share of the first round after which the values to return to are kept.
    output : bool
        Whether the output tensor is pruned too.

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential, Surrogate
    >>> draw = np.random.default_rng(0)
    >>> X, y = draw.random((40, 30)), draw.integers(0, 2, 40)
    >>> cells = lambda: LIF(0.5, 0.5, surrogate=Surrogate(width=2.0))
    >>> model = Sequential(Linear(16, name="fc"), cells(), Linear(2, name="out"), cells(), inputs=(30,))
    >>> method = nd.methods.LTH(0.25)
    >>> trainer = nd.Trainer(model, (X, y, X, y), epochs=4, batch=10, methods=[method], progress=False).fit()
    >>> round(trainer.close().series("density")[-1], 1)
    np.float64(0.8)
    """

    causes: ClassVar[dict[str, Cause]] = {"magnitude": rewire.MAGNITUDE}
    decides: ClassVar[tuple[str, ...]] = ("life",)
    equation: ClassVar[str] = (
        "after round r the (1 - p)^r of all weights that are largest live on, from their values at an early epoch; "
        "the learning rate begins anew"
    )

    sparsity: float = param(0.95, low=0.0, high=0.999, source="free")
    share: float = param(0.25, above=0.0, high=0.99, source="Yale SNN-LTH (ECCV 2022), public code: 25 %")
    rewind: float = param(20 / 300, low=0.0, high=1.0, source="Yale SNN-LTH (ECCV 2022), public code: epoch 20 of 300")
    output: bool = param(True, source="Yale SNN-LTH (ECCV 2022), public code: all but norms and biases")

    def __post_init__(self) -> None:
        params.check(self)
        super().__init__()

    @property
    def prunings(self) -> int:
        """Number of times that synapses are pruned; there is one round more."""
        return math.ceil(math.log(1 - self.sparsity) / math.log(1 - self.share) - 1e-9) if self.sparsity else 0

    def epochs_per_round(self, trainer: Course) -> int:
        """Epochs of one round.

        Raises
        ------
        StudyError
            If the run's epochs cannot be divided into the rounds.
        """
        rounds = self.prunings + 1
        if trainer.epochs % rounds:
            raise StudyError(
                f"LTH: sparsity {self.sparsity} takes {rounds} rounds, into which {trainer.epochs} epochs do not "
                f"divide: take a multiple of {rounds}"
            )
        return trainer.epochs // rounds

    def density_after(self, pruning: int) -> float:
        """Density after pruning number `pruning` (from 1)."""
        return max((1 - self.share) ** pruning, 1 - self.sparsity)

    def over_a_run(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Density in each round, at its beginning and at its end."""
        rounds = np.repeat(np.arange(self.prunings + 1), 2)
        share = (rounds + np.tile([0, 1], self.prunings + 1)) / (self.prunings + 1)
        return {"density": (share, np.array([1.0 if r == 0 else self.density_after(int(r)) for r in rounds]))}

    def start(self, trainer: Course) -> None:
        """Keep the very beginning, if that is what the rounds return to."""
        if round(self.rewind * self.epochs_per_round(trainer)) == 0:
            self._keep(trainer)

    def progress(self, trainer: Course) -> float:
        """Every round has the whole schedule of the learning rate."""
        steps = self.epochs_per_round(trainer) * trainer.steps_per_epoch
        return (trainer.step % steps) / steps

    def before_forward(self, trainer: Course) -> None:
        """Before the first step of a new round, prune and rewind: the ticket has been tested by then."""
        pruning, rest = divmod(trainer.step, self.epochs_per_round(trainer) * trainer.steps_per_epoch)
        if rest == 0 and 1 <= pruning <= self.prunings:
            self._prune(trainer, self.density_after(pruning))
            self._rewind(trainer)

    def epoch_end(self, trainer: Course) -> None:
        """Keep the values to return to."""
        if trainer.epoch + 1 == round(self.rewind * self.epochs_per_round(trainer)):
            self._keep(trainer)

    def _keep(self, trainer: Course) -> None:
        for t in tensors(trainer):
            self.memory[f"weight/{t.name}"] = dense_image(t.table)
        for layer in trainer.model.layers():
            for key, p in layer.parameters.items():
                if isinstance(p, Vector):
                    self.memory[f"vector/{layer.name}/{key}"] = p.value.copy()

    def _prune(self, trainer: Course, density: float) -> None:
        every = [t for t in tensors(trainer) if self.output or not t.output]
        slots = [t.table.slots() for t in every]
        size = np.concatenate([np.abs(t.table.weight[s]) for t, s in zip(every, slots, strict=True)])
        n = size.size - round(density * sum(t.table.n_source * t.table.n_target for t in every))
        doomed = np.zeros(size.size, dtype=bool)
        doomed[rewire.smallest(size, max(n, 0))] = True
        at = 0
        for t, s in zip(every, slots, strict=True):
            gone = s[doomed[at : at + s.size]]
            at += s.size
            trainer.propose(t.name, [rewire.deaths("LTH", gone, "magnitude", np.abs(t.table.weight[gone]))])
            trainer.store(t.name, "suiting")

    def _rewind(self, trainer: Course) -> None:
        for t in tensors(trainer):
            table = t.table
            slots = table.slots()
            table.weight[slots] = self.memory[f"weight/{t.name}"][table.pre(slots), table.post[slots]]
            for name in table.column_names:
                if name.startswith("moment"):
                    table.column(name)[:] = 0
        for layer in trainer.model.layers():
            for key, p in layer.parameters.items():
                if isinstance(p, Vector):
                    p.value[...] = self.memory[f"vector/{layer.name}/{key}"]
                    p.moments.clear()
        trainer.optimiser.steps = 0
