"""Layers of a user's own, in a module of their own: what a saved model names."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.learn import LIF, Surrogate


class Slow(LIF):
    """A LIF that is made with another word than it keeps."""

    def __init__(self, memory: float = 0.5, **more: Any):
        super().__init__(memory, **more)
        self.memory = memory

    def given(self) -> dict[str, Any]:
        return {k: v for k, v in super().given().items() if k != "leak"}


class Forgetful(LIF):
    """One that cannot say what it was made with."""

    def __init__(self, half: float = 0.5):
        super().__init__(half)


class Bell(Surrogate):
    """A curve of one's own."""

    def __call__(self, x: Any) -> Any:
        return self.height * np.exp(-((x / self.width) ** 2))


def hill(x: Any) -> Any:
    """A curve as a function."""
    return np.exp(-(x**2))
