"""Drives: spikes that come from outside, as a sequence of chunks.

A drive bound to cells is a `Source`: chunk k holds the spikes of ``[k, k + 1) * period`` (spike time), a
pure function of
(seed, name, k), so that a run cut anywhere sees the same input.  `shuffled` gives the control: the same number and
form of events, without the correlation between cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.moved import names_of
from neurodev.neurons.door import LARGEST
from neurodev.params import check, check_memory, param
from neurodev.registry import Registered
from neurodev.structure.places import Sheet

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
HIGHEST_RATE = 1e8  # Hz: an input every ten nanoseconds; a higher one is a slip, and would never end
FASTEST_CELL = 1e6  # Hz of one cell
_SPIKE = 48.0  # bytes that a spike takes while its chunk is drawn and put in order
__getattr__ = names_of(__name__)


class Source(ABC):
    """A drive bound to cells."""

    period: float

    @abstractmethod
    def chunk(self, k: int) -> tuple[F8, I8]:
        """Spike times (ms from the start of chunk `k`, ascending, in [0, period)) and cell indices."""


class Drive(Registered, ABC, kind="drive"):
    """Base of all drives.

    Examples
    --------
    >>> isinstance(nd.Poisson(20.0), nd.Drive)
    True
    """

    role: ClassVar[str] = "drive"

    @abstractmethod
    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """The source for `n` cells at `positions` (n, 2) um."""

    @abstractmethod
    def mean_rate_hz(self) -> float:
        """Mean rate of a cell, Hz; what `print(network)` reckons with."""

    def episode(self) -> float | None:
        """Length of what a tick must hold at least one of (ms of spikes): an episode, where the drive comes in such."""
        return None

    def positions(self, n: int, sheet: Sheet, draw: np.random.Generator) -> F8 | None:
        """Positions of the cells, or None for the default grid."""
        return None

    def described(self) -> dict[str, Any]:
        """What of it is no parameter, as plain words and numbers for provenance."""
        return {}

    def shuffled(self) -> Drive:
        """The same drive without correlation between cells."""
        raise ParameterError(f"{type(self).__name__} has no correlations to shuffle away")


def shuffled(drive: Drive) -> Drive:
    """The control of a drive: the same events per cell, no correlation between cells.

    Raises
    ------
    ParameterError
        If `drive` is not a drive, or its cells are independent already.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> waves = net.add(nd.shuffled(nd.RetinalWaves()), 100, name="waves")
    """
    if not isinstance(drive, Drive):
        raise ParameterError(f"drive must be a drive such as nd.RetinalWaves(), got {drive!r}")
    return drive.shuffled()


def check_chunk(n: float, what: str) -> None:
    """Refuse a drive whose chunks no memory holds; `n` is the mean number of spikes in one.

    Raises
    ------
    ParameterError
        With the estimate.
    """
    check_memory(_SPIKE * n, f"{what}: {n:.3g} spikes drawn at a time", "lower its rate, or the number of cells")


def ordered(times: F8, indices: I8) -> tuple[F8, I8]:
    """Sort spikes by (time, index)."""
    order = np.lexsort((indices, times))
    return np.ascontiguousarray(times[order]), np.ascontiguousarray(indices[order].astype(np.int64))


@outlined
@dataclass(frozen=True)
class Background(Registered, kind="background", word=True):
    """An independent Poisson input for every neuron of a population, without cells of its own.

    Use it with ``net.background(population, nd.Background(...))``.

    Parameters
    ----------
    rate_hz : float or (n,) array, Hz
        Total rate of the input of a neuron.
    weight : float, mV
        Jump of V; negative for an inhibitory background.
    amplitudes : {"fixed", "exponential"}
        All jumps equal, or exponentially distributed with mean `weight`.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.background(net.add(nd.LIF(), 20, name="cells"), nd.Background(rate_hz=5000.0, weight=0.25))
    """

    rate_hz: Any = param(1000.0, unit="Hz", clock="spike", low=0.0, high=HIGHEST_RATE, array=True, source="free")
    weight: float = param(0.1, unit="mV", low=-LARGEST, high=LARGEST, source="free")
    amplitudes: str = param("fixed", choices=("fixed", "exponential"), source="free")

    def __post_init__(self) -> None:
        check(self)
