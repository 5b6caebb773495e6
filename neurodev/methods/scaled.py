"""Methods whose counts of epochs belong to a published run of 300: one factor carries them over to shorter runs."""

from __future__ import annotations

from neurodev.learn.training.course import Course
from neurodev.learn.training.method import Remembering

EPOCHS = 300  # of the published runs


class Scaled(Remembering, word=False):
    """A method with a field ``scale``: the length of this run over `EPOCHS`, by default ``epochs / 300``."""

    scale: float | None

    def scale_of(self, trainer: Course) -> float:
        """Length of this run over the published one."""
        return trainer.epochs / EPOCHS if self.scale is None else self.scale

    def approximations(self, trainer: Course) -> list[str]:
        """How the published counts of epochs were scaled."""
        scale = self.scale_of(trainer)
        return [f"{self.name}: an epoch stands for {1 / scale:.3g} of the published run of {EPOCHS}."]
