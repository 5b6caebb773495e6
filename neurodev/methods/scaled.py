"""Methods whose counts of epochs belong to a published run of 300: one factor carries them over to shorter runs."""

from __future__ import annotations

from typing import Any

from neurodev.errors import ParameterError
from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Remembering

EPOCHS = 300  # of the published runs
LEAST_SCALE = 1e-4  # an epoch stands for at most ten thousand published ones


def names_of(owner: object, layers: Any) -> tuple[str, ...] | None:
    """The argument `layers` of a method: names of weight tensors, or None.

    Raises
    ------
    ParameterError
        If it is something else, or names none.
    """
    if layers is None:
        return None
    if isinstance(layers, str) or not isinstance(layers, (tuple, list)) or not layers:
        cure = f": for a single one, layers=({layers!r},)" if isinstance(layers, str) else ""
        raise ParameterError(f"{type(owner).__name__}.layers must be a tuple of names, got {layers!r}{cure}")
    if not all(isinstance(name, str) for name in layers) or len(set(layers)) < len(layers):
        raise ParameterError(f"{type(owner).__name__}.layers must be different names of tensors, got {layers!r}")
    return tuple(layers)


class Scaled(Remembering, word=False):
    """A method with a field ``scale``: the length of this run over the published one, by default ``epochs / 300``."""

    scale: float | None
    published_epochs: int = EPOCHS

    def scale_of(self, trainer: Course) -> float:
        """Length of this run over the published one."""
        return trainer.epochs / self.published_epochs if self.scale is None else self.scale

    def approximations(self, trainer: Course) -> list[str]:
        """How the published counts of epochs were scaled."""
        scale = self.scale_of(trainer)
        return [f"{self.name}: an epoch stands for {1 / scale:.3g} of the published run of {self.published_epochs}."]
