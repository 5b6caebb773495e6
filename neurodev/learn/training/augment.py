"""Augmented samples: a function of (samples of a batch, generator), and what answers to the indices of the data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8
from neurodev.errors import ParameterError
from neurodev.params import flag, whole
from neurodev.registry import Registered


class Augmentation(Registered, kind="augmentation"):
    """Other samples of the same classes: called with those of a batch and a generator, once a step.

    A function of the same two arguments does as well.

    Examples
    --------
    >>> from neurodev.learn import Augmentation, RandomCrop
    >>> isinstance(RandomCrop(2), Augmentation)
    True
    """

    def __call__(self, x: Any, generator: np.random.Generator) -> Any:
        """As many samples, laid out alike."""
        raise NotImplementedError


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Images moved by up to `padding` pixels, zeros coming in at the edges; perhaps mirrored left to right.

    Parameters
    ----------
    padding : int
        Largest shift up, down, left and right, each image its own, all alike likely.
    flip : bool
        Mirror every second image on average (not for digits and letters).

    Raises
    ------
    ParameterError
        For samples that are no images, (n, height, width) or (n, height, width, channels), or smaller than the padding.

    Examples
    --------
    >>> from neurodev.learn import RandomCrop
    >>> images = np.arange(1.0, 10.0).reshape(1, 3, 3)
    >>> RandomCrop(1)(images, np.random.default_rng(4))[0]
    array([[5., 6., 0.],
           [8., 9., 0.],
           [0., 0., 0.]])
    """

    padding: int = 4
    flip: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", whole(self.padding, "RandomCrop.padding", 0, 4096))
        object.__setattr__(self, "flip", flag(self.flip, "RandomCrop.flip"))

    def __call__(self, x: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Images of the same shape and type."""
        if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
            told = f"of shape {x.shape}" if isinstance(x, np.ndarray) else f"{type(x).__name__}"
            raise ParameterError(f"RandomCrop takes images (n, height, width[, channels]), got samples {told}")
        n, height, width = x.shape[:3]
        if self.padding >= min(height, width):
            raise ParameterError(
                f"RandomCrop.padding = {self.padding} moves images of {height} x {width} pixels out of sight: take less"
            )
        down, right = generator.integers(-self.padding, self.padding + 1, (2, n))
        turned = np.less(generator.random(n), 0.5) if self.flip else np.zeros(n, dtype=np.bool_)
        row = np.arange(height) + down[:, None]
        column = np.where(turned[:, None], np.arange(width)[::-1], np.arange(width)) + right[:, None]
        y: NDArray[Any] = x[np.arange(n)[:, None, None], (row % height)[:, :, None], (column % width)[:, None, :]]
        y[(row < 0) | (row >= height)] = 0
        y.swapaxes(1, 2)[(column < 0) | (column >= width)] = 0
        return y


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
