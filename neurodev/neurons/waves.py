"""Retinal waves: correlated bursts that cross the sheet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from neurodev import rng
from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError
from neurodev.neurons.drive import FASTEST_CELL, Drive, Source, check_chunk, ordered
from neurodev.params import check, param

_WHOLE_SHEET = 1100.0  # um: the extent from which a wave hits every cell of a sheet of 1 mm


@dataclass(frozen=True)
class RetinalWaves(Drive):
    """Stage II retinal waves: straight fronts that cross the sheet in any direction, one per `interval`.

    A cell inside the wave's lateral strip fires a Poisson burst when the front has reached it; silence otherwise.

    Parameters
    ----------
    speed : float, um/ms
    width : float, um
        Width of the front; a burst lasts ``width / speed``.
    extent : float, um
        Lateral extent; its centre is uniform over the sheet's projection.
    rate_hz : float, Hz
        Rate within a burst.
    jitter : float, ms
        Standard deviation of the onset of a burst.
    interval : float, ms
        One wave starts at a random time of every interval, early enough to finish in it.
    independent : bool
        The shuffled control: every cell takes part in a wave of its own (own direction, own lateral position, and
        a circular shift in time): same number and form of bursts, no correlation.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.RetinalWaves(), 20, name="input")
    Population('input', 20 cells, RetinalWaves)
    """

    role: ClassVar[str] = "retina"
    equation: ClassVar[str] = (
        "onset = start + distance along the wave / speed + jitter;  Poisson at rate_hz for width / speed;  cells "
        "within extent / 2 of the wave's axis"
    )
    speed: float = param(0.2, unit="um/ms", clock="spike", above=0.0, source="free: chosen for the default study")
    width: float = param(200.0, unit="um", above=0.0, source="free: chosen for the default study")
    extent: float = param(700.0, unit="um", above=0.0, source="free: chosen for the default study")
    rate_hz: float = param(
        25.0, unit="Hz", clock="spike", low=0.0, high=FASTEST_CELL, source="free: chosen for the default study"
    )
    jitter: float = param(100.0, unit="ms", clock="spike", low=0.0, source="free: chosen for the default study")
    interval: float = param(60_000.0, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")
    independent: bool = param(False, source="off switch: the shuffled control of the default study")

    def __post_init__(self) -> None:
        check(self)

    def episode(self) -> float:
        """Its interval."""
        return self.interval

    @property
    def burst(self) -> float:
        """Duration of a burst, ms."""
        return self.width / self.speed

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        check_chunk(n * self.rate_hz * min(self.burst, self.interval) / 1e3, f"RetinalWaves of {name!r}")
        return _WaveSource(self, positions, seed, name)

    def mean_rate_hz(self) -> float:
        """One burst an interval, for the share of the cells that a wave hits (about two thirds on 1 mm)."""
        return self.rate_hz * self.burst / self.interval * min(1.0, self.extent / _WHOLE_SHEET)

    def shuffled(self) -> RetinalWaves:
        """Waves of one cell each."""
        return replace(self, independent=True)


class _WaveSource(Source):
    def __init__(self, waves: RetinalWaves, positions: F8, seed: int, name: str) -> None:
        self._w, self._seed, self._name = waves, seed, name
        self.period = float(waves.interval)
        low, high = positions.min(axis=0), positions.max(axis=0)
        self._centred = positions - 0.5 * (low + high)
        self._half = 0.5 * (high - low)
        # the slowest crossing is the diagonal; bursts and their jitter must end within the interval
        self._margin = 4.0 * waves.jitter
        crossing = 2.0 * float(np.hypot(*self._half)) / waves.speed
        self._longest = crossing + waves.burst + 2.0 * self._margin
        if self._longest > self.period:
            raise ParameterError(
                f"RetinalWaves.interval={self.period:g} ms is too short for a wave to cross the sheet "
                f"({self._longest:.0f} ms with its bursts): raise interval or speed"
            )

    def chunk(self, k: int) -> tuple[F8, I8]:
        w, n = self._w, self._centred.shape[0]
        draw = rng.generator(self._seed, self._name, "wave", k)
        m = n if w.independent else 1
        angle = draw.uniform(0.0, 2.0 * np.pi, m)
        along = np.column_stack([np.cos(angle), np.sin(angle)])
        across = np.column_stack([-along[:, 1], along[:, 0]])
        reach = np.abs(across) @ self._half
        centre = draw.uniform(-1.0, 1.0, m) * reach
        lateral = (self._centred * across).sum(axis=1) if w.independent else self._centred @ across[0]
        forward = (self._centred * along).sum(axis=1) if w.independent else self._centred @ along[0]
        hit = np.flatnonzero(np.abs(lateral - centre) <= 0.5 * w.extent)
        start = draw.uniform(0.0, self.period - self._longest, 1)
        entry = np.abs(along) @ self._half  # distance from the centre at which the front enters
        onset = start + self._margin + (forward + (entry if w.independent else entry[0])) / w.speed
        onset = onset + np.clip(draw.normal(0.0, 1.0, n), -4.0, 4.0) * w.jitter
        if w.independent:
            onset = onset + draw.uniform(0.0, self.period, n)
        count = draw.poisson(w.rate_hz * w.burst / 1e3, hit.size)
        index = np.repeat(hit, count)
        times = onset[index] + draw.uniform(0.0, w.burst, index.size)
        if w.independent:
            times = np.mod(times, self.period)
        inside = (times >= 0.0) & (times < self.period)
        return ordered(times[inside], index[inside])
