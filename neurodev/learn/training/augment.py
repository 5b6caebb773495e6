"""Augmented samples: a function of (samples of a batch, generator), and what answers to the indices of the data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodev.arrays import I8
from neurodev.errors import ParameterError


def augmented(augment: Callable[[Any, np.random.Generator], Any], x: Any, generator: np.random.Generator) -> Any:
    """What `augment` makes of the samples of a batch: as many, laid out alike.

    Raises
    ------
    ParameterError
        If it returns something else.
    """
    y = augment(x, generator)
    alike = type(y) is type(x) and len(y) == len(x) and getattr(y, "shape", None) == getattr(x, "shape", None)
    if not alike:
        told = [f"{type(v).__name__} of shape {v.shape}" if hasattr(v, "shape") else type(v).__name__ for v in (y, x)]
        raise ParameterError(f"augment must return samples as it gets them, a {told[1]}, got {told[0]}")
    return y


class Picked:
    """Augmented samples that answer to the indices of the data set."""

    def __init__(self, part: Any, samples: I8):
        self._part, self._row = part, {int(s): k for k, s in enumerate(samples)}
        self.shape = getattr(part, "shape", None)  # recordings have none

    def __getitem__(self, samples: I8) -> Any:
        return self._part[[self._row[int(s)] for s in samples]]
