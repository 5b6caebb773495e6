"""What a training that has begun refuses: parts exchanged under it, and structure changed behind its log."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.errors import StudyError
from neurodev.learn.core.layer import Weights
from neurodev.registry import Spoken
from neurodev.structure.dense import DenseTable

_PARTS = frozenset(
    "model data encoder loss optimiser schedule epochs batch seed settle patience calibrate life_per_epoch methods "
    "callbacks augment workers".split()
)


class Closed(metaclass=Spoken):
    """Base of trainers: the parts by which a training is described stay, once it is prepared (`_claim` is set)."""

    def __setattr__(self, name: str, value: Any) -> None:
        mine = vars(self)
        if name in _PARTS and "_claim" in mine and value is not mine.get(name):
            cure = (
                "callbacks may change the fields of the optimiser, its rate for one; anything else is another training"
            )
            raise StudyError(
                f"{name} of a training that has begun cannot be replaced: {cure}, for a Trainer of its own"
            )
        object.__setattr__(self, name, value)


def check_structure(weights: dict[str, Weights], births: dict[str, list[int]], before: dict[str, int]) -> None:
    """Refuse synapses that came or went without a plan: no log tells of them, and a checkpoint would be damaged.

    Parameters
    ----------
    births : dict
        Births and deaths of each tensor by plans, since `before`.
    before : dict
        Synapses of each tensor.

    Raises
    ------
    StudyError
        Naming the tensor.
    """
    for name, w in weights.items():
        table, (born, died) = w.table, births[name]
        flags = isinstance(table, DenseTable) and (
            np.count_nonzero(table.alive) != table.n_synapse or int(table.alive.max(initial=0)) > 1
        )
        if flags or table.n_synapse != before[name] + born - died:
            raise StudyError(
                f"synapses of {name!r} were changed behind the log: a callback or method proposes plans "
                "(trainer.propose, neurodev.methods.rewire.deaths and births), which the log and checkpoints know"
            )
