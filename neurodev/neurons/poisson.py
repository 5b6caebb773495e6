"""Independent Poisson cells of constant rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev import rng
from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError
from neurodev.neurons.drive import FASTEST_CELL, Drive, Source, check_chunk, ordered
from neurodev.params import check, param


@dataclass(frozen=True)
class Poisson(Drive):
    """Independent Poisson cells.

    Parameters
    ----------
    rate_hz : float or (n,) array, Hz

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.Poisson(20.0), 20, name="input")
    Population('input', 20 cells, Poisson)
    """

    role: ClassVar[str] = "poisson"
    equation: ClassVar[str] = "intervals exponential with mean 1/rate, cells independent"
    rate_hz: Any = param(10.0, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, array=True, source="free")

    def __post_init__(self) -> None:
        check(self)

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        rate = np.asarray(self.rate_hz, dtype=float)
        if rate.ndim and rate.shape != (n,):
            raise ParameterError(f"Poisson.rate_hz of {name!r} must be a number or have shape ({n},), got {rate.shape}")
        check_chunk(float(np.broadcast_to(rate, (n,)).sum()) * _PoissonSource.period / 1e3, f"Poisson of {name!r}")
        return _PoissonSource(np.broadcast_to(rate, (n,)).copy(), seed, name)

    def mean_rate_hz(self) -> float:
        """Mean over the cells."""
        return float(np.mean(self.rate_hz))


class _PoissonSource(Source):
    period = 1000.0

    def __init__(self, rate_hz: F8, seed: int, name: str) -> None:
        self._rate, self._seed, self._name = rate_hz, seed, name

    def chunk(self, k: int) -> tuple[F8, I8]:
        draw = rng.generator(self._seed, self._name, "spikes", k)
        count = draw.poisson(self._rate * self.period / 1e3)
        index = np.repeat(np.arange(count.size), count)
        return ordered(draw.uniform(0.0, self.period, index.size), index)
