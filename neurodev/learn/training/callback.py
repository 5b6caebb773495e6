"""Callbacks: what is called while a training runs, and the view of it that they get.

A plain function gets the `Trainer` at the end of every epoch.  A `Callback` gets a `View`: what it may read and ask
for is what that has, so that it can be kept, told and trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurodev.arrays import Array
from neurodev.errors import ParameterError, shown
from neurodev.registry import Registered, word_of

LONGEST_NOTE = 2000  # characters


class Callback(Registered, kind="callback"):
    """Base of callbacks: an object whose attributes (numbers, words, arrays, lists) checkpoints keep.

    Examples
    --------
    >>> class Halve(Callback):
    ...     '''Stops when the loss of an epoch is above that of the one before.'''
    ...     last = float("inf")
    ...     def epoch_end(self, view):
    ...         if view.series["train_loss"] > self.last:
    ...             view.stop("the loss rose")
    ...         self.last = view.series["train_loss"]
    """

    def batch_end(self, view: View) -> None:
        """After every step."""

    def epoch_end(self, view: View) -> None:
        """After every epoch, when it was evaluated, before it is recorded."""


class View:
    """A training as its callbacks see it.

    What may be **read**: `epoch`, `epochs`, `step`, `steps_per_epoch`, `progress`, `loss`, `learning_rate`, `series`,
    `history`, `tensors`, `weights`.  What may be **asked**: `stop`, `note`.

    Parameters
    ----------
    trainer : Trainer
    done : Outcome
        Of this epoch so far.

    Examples
    --------
    >>> from neurodev.learn import Callback
    >>> class Stop(Callback):
    ...     def epoch_end(self, view):
    ...         if view.series["train_loss"] < 0.01:
    ...             view.stop("good enough")
    ...
    """

    def __init__(self, trainer: Any, done: Any):
        self._trainer, self._done = trainer, done
        self.stopped: str | None = None
        self.notes: list[list[Any]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in ("stopped", "notes"):
            raise ParameterError(f"a view is read only: {name!r} cannot be set; keep what is yours in the callback")
        object.__setattr__(self, name, value)

    @property
    def epoch(self) -> int:
        """Epochs that are done: in `batch_end` without the one that is under way."""
        return int(self._trainer.epoch)

    @property
    def epochs(self) -> int:
        """Planned epochs."""
        return int(self._trainer.epochs)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return int(self._trainer.step)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch."""
        return int(self._trainer.steps_per_epoch)

    @property
    def progress(self) -> float:
        """Share of the planned steps that are done."""
        return float(self._trainer.progress_share)

    @property
    def loss(self) -> float:
        """Mean loss of the training samples of this epoch so far."""
        return float(self._done.loss / max(self._done.n, 1))

    @property
    def learning_rate(self) -> float:
        """Of the last step."""
        return float(self._trainer.last_rate()["learning_rate"])

    @property
    def series(self) -> Mapping[str, float]:
        """Numbers of the last epoch that is done, by the names of the run file: a copy."""
        history = self._trainer.history
        return dict(history[-1].series) if history else {}

    @property
    def history(self) -> list[Mapping[str, float]]:
        """The same of all epochs that are done."""
        return [dict(e.series) for e in self._trainer.history]

    @property
    def tensors(self) -> list[str]:
        """Names of the weight tensors."""
        return list(self._trainer.weights())

    def weights(self, tensor: str) -> Array:
        """Weights of a tensor, (n_in, n_out), 0 where there is no synapse: a copy."""
        return np.array(self._trainer.tensor(tensor).matrix())

    def stop(self, why: str = "a callback asked for it") -> None:
        """End the training when this epoch is done; the run file says why."""
        self.stopped = _text(why, "why")

    def note(self, text: str) -> None:
        """Write a line into the run file, with the epoch and the step (``run.training.notes``)."""
        self.notes.append([self.epoch, self.step, _text(text, "text")])


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NOTE:
        raise ParameterError(f"{name} must be a text of at most {LONGEST_NOTE} characters, got {shown(value)}")
    return value


def fits(value: Any) -> bool:
    """Whether something can be called back."""
    return isinstance(value, Callback) or callable(value) and not isinstance(value, type)


def word_of_callback(callback: Any) -> str:
    """The word of a function, a method's, or that of a class of callbacks."""
    return word_of(callback if hasattr(callback, "__qualname__") else type(callback))


def why_not_again(callbacks: list[Any]) -> list[str]:
    """Why a run with these callbacks cannot be rerun from its file: they have no name to be found by."""
    words = map(word_of_callback, callbacks)
    return [f"the callback {w!r} has no name to find it by" for w in words if "<" in w or w.startswith("__main__:")]
