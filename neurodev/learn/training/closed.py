"""What a training that has begun refuses: parts exchanged under it, and structure changed behind its log."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.errors import StudyError, nearest
from neurodev.learn.core.layer import Weights
from neurodev.params import flag, whole
from neurodev.registry import Spoken, is_ours
from neurodev.structure.dense import DenseTable

_PARTS = frozenset(
    "model data encoder loss optimiser schedule epochs batch seed settle patience calibrate life_per_epoch methods "
    "callbacks augment workers".split()
)


# what changes no number of a training
_OPEN = {
    "progress": lambda value: flag(value, "progress"),
    "checkpoint_every": lambda value: whole(value, "checkpoint_every", 0),
}


class Closed(metaclass=Spoken):
    """Base of trainers, which nobody changes from outside once they are prepared (`_claim` is set), nor copies.

    A trainer itself writes where it stands by ``vars(self)``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        mine = vars(self)
        if "_claim" not in mine or name.startswith("_") or value is mine.get(name, mine):
            object.__setattr__(self, name, value)
            return
        if name in _OPEN:
            value = _OPEN[name](value)
        elif isinstance(whose := getattr(type(self), name, None), property) and whose.fset is not None:
            pass
        elif name in _PARTS:
            cure = (
                "callbacks may change the fields of the optimiser, its rate for one; anything else is another training"
            )
            raise StudyError(
                f"{name} of a training that has begun cannot be replaced: {cure}, for a Trainer of its own"
            )
        elif name in mine or hasattr(type(self), name):
            raise StudyError(
                f"{name} of a training that has begun cannot be set to {value!r:.80}: it says where it "
                "stands, which only training changes"
            )
        elif is_ours(type(self)):
            known = [k for k in (*mine, *_OPEN) if not k.startswith("_")]
            raise StudyError(
                f"a Trainer has no {name!r}{nearest(name, known)}; keep what is yours in a callback: an object with "
                "attributes, which checkpoints keep"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if "_claim" in vars(self):
            raise StudyError(f"{name} of a training that has begun cannot be taken away")
        object.__delattr__(self, name)

    def _uncopied(self, *_: Any) -> Any:
        """Refuse a copy, or bytes, of a training.

        Raises
        ------
        StudyError
            With what can be copied.
        """
        raise StudyError(
            "a training cannot be copied or pickled, it writes a run file: copy.deepcopy(trainer.model) "
            "gives a model for a Trainer of its own, or go on from the file with Trainer(..., to=path, resume=True)"
        )

    __copy__ = __deepcopy__ = __reduce_ex__ = _uncopied


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
