"""Distributions of the weights that synapses begin with.

They give magnitudes, never below 0: the sign is that of the source population.  Where a distribution reaches below 0 it
is cut off there, and what is drawn follows the part above (no weight is moved to 0).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from neurodev.arrays import F8
from neurodev.errors import ParameterError
from neurodev.params import check, param
from neurodev.registry import Registered
from neurodev.structure.parts import parts_of

_LARGEST = 1e12  # mV or pA, as of any other weight


class Weights(Registered, ABC, kind="weights"):
    """Base of all distributions of weights."""

    @abstractmethod
    def draw(self, n: int, draw: np.random.Generator) -> F8:
        """Magnitudes of `n` synapses, (n,) mV (pA where the target has synaptic currents)."""

    @abstractmethod
    def mean(self) -> float:
        """Mean magnitude; what `print(network)` reckons with, and who is born later begins with."""


@dataclass(frozen=True)
class NormalWeights(Weights):
    """Weights of a normal distribution, cut off at 0.

    Parameters
    ----------
    center : float, mV
        Mean of the normal distribution; that of the weights is higher, as far as it is cut (`mean`).
    spread : float, mV
        Its standard deviation.

    Examples
    --------
    >>> round(NormalWeights(center=1.0, spread=0.2).mean(), 6)
    1.0
    >>> round(NormalWeights(center=0.0, spread=1.0).mean(), 6)
    0.797885
    """

    equation: ClassVar[str] = "density ~ exp(-(w - center)^2 / (2 spread^2)) for w >= 0"
    center: float = param(0.1, unit="mV", low=-_LARGEST, high=_LARGEST, source="free")
    spread: float = param(0.02, unit="mV", low=0.0, high=_LARGEST, source="free")

    def __post_init__(self) -> None:
        check(self)
        if self.center < -30.0 * self.spread or (self.spread == 0.0 and self.center < 0.0):
            raise ParameterError(
                f"NormalWeights.center={self.center:g} leaves nothing above 0 with spread={self.spread:g}, got no "
                "weight: the sign comes from the source population"
            )

    def draw(self, n: int, draw: np.random.Generator) -> F8:
        """By inversion of the part above 0."""
        out = np.empty(n)
        if self.spread == 0.0:
            out[:] = self.center
            return out
        above = ndtr(self.center / self.spread)  # the share above 0
        for part in parts_of(n):
            u = 1.0 - draw.random(part.stop - part.start)  # (0, 1], the share above the weight
            out[part] = np.maximum(self.center - self.spread * ndtri(np.maximum(u * above, 5e-324)), 0.0)
        return out

    def mean(self) -> float:
        """``center + spread phi(a) / Phi(a)`` with ``a = center / spread``."""
        if self.spread == 0.0:
            return float(self.center)
        a = self.center / self.spread
        return float(self.center + self.spread * np.exp(-0.5 * a * a - log_ndtr(a)) / np.sqrt(2.0 * np.pi))


@dataclass(frozen=True)
class LognormalWeights(Weights):
    """Weights whose logarithms are normal: a few strong ones among many weak ones.

    Parameters
    ----------
    median : float, mV
    sigma : float
        Standard deviation of the logarithm.

    Examples
    --------
    >>> round(LognormalWeights(median=0.5, sigma=1.0).mean(), 6)
    0.824361
    """

    equation: ClassVar[str] = "ln w normal with mean ln(median) and standard deviation sigma"
    median: float = param(0.1, unit="mV", above=0.0, high=_LARGEST, source="free")
    sigma: float = param(1.0, unit="1", low=0.0, high=5.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(self, n: int, draw: np.random.Generator) -> F8:
        """Exponentials of normal numbers."""
        return np.asarray(self.median * np.exp(self.sigma * draw.standard_normal(n)))

    def mean(self) -> float:
        """``median exp(sigma^2 / 2)``."""
        return float(self.median * np.exp(0.5 * self.sigma**2))


@dataclass(frozen=True)
class UniformWeights(Weights):
    """Weights spread evenly from `low` to `high`.

    Parameters
    ----------
    low, high : float, mV

    Examples
    --------
    >>> UniformWeights(0.5, 1.5).mean()
    1.0
    """

    equation: ClassVar[str] = "density 1 / (high - low)"
    low: float = param(0.0, unit="mV", low=0.0, high=_LARGEST, source="free")
    high: float = param(0.2, unit="mV", low=0.0, high=_LARGEST, source="free")

    def __post_init__(self) -> None:
        check(self)
        if self.high < self.low:
            raise ParameterError(f"UniformWeights.high must be >= UniformWeights.low, got {self.low:g}..{self.high:g}")

    def draw(self, n: int, draw: np.random.Generator) -> F8:
        """Uniform numbers."""
        return np.asarray(self.low + (self.high - self.low) * draw.random(n))

    def mean(self) -> float:
        """The middle."""
        return float(0.5 * (self.low + self.high))
