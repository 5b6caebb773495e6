"""Drives: spikes that come from outside, as a sequence of chunks.

A drive bound to cells is a `Source`: chunk k holds the spikes of ``[k, k + 1) * period`` (spike time), a
pure function of
(seed, name, k), so that a run cut anywhere sees the same input.  `shuffled` gives the control: the same number and
form of events, without the correlation between cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.errors import ParameterError, shown
from neurodev.moved import names_of
from neurodev.neurons.door import LARGEST
from neurodev.params import check, check_memory, param
from neurodev.registry import Registered
from neurodev.structure.places import Sheet
from neurodev.structure.selection import indices

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
    """Base of all drives."""

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

    def shuffled(self) -> Drive:
        """The same drive without correlation between cells."""
        raise ParameterError(f"{type(self).__name__} has no correlations to shuffle away")


def shuffled(drive: Drive) -> Drive:
    """The control of a drive: the same events per cell, no correlation between cells.

    Raises
    ------
    ParameterError
        If `drive` is not a drive, or its cells are independent already.
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


# ---------------------------------------------------------------------- independent cells


@dataclass(frozen=True)
class Poisson(Drive):
    """Independent Poisson cells.

    Parameters
    ----------
    rate_hz : float or (n,) array, Hz
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


@dataclass(frozen=True)
class Regular(Drive):
    """Cells that fire at ``phase, phase + interval, ...``.

    Parameters
    ----------
    interval : float, ms
    phase : float or (n,) array, ms
        Time of the first spike, by default one interval.
    """

    role: ClassVar[str] = "regular"
    equation: ClassVar[str] = "t_k = phase + k interval"
    interval: float = param(50.0, unit="ms", clock="spike", low=1e3 / FASTEST_CELL, source="free")
    phase: Any = param(None, unit="ms", clock="spike", low=0.0, array=True, none=True, source="free")

    def __post_init__(self) -> None:
        check(self)

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        phase = np.asarray(self.interval if self.phase is None else self.phase, dtype=float)
        if phase.ndim and phase.shape != (n,):
            raise ParameterError(f"Regular.phase of {name!r} must be a number or have shape ({n},), got {phase.shape}")
        check_chunk(n * _RegularSource.period / self.interval, f"Regular of {name!r}")
        return _RegularSource(float(self.interval), np.broadcast_to(phase, (n,)).copy())

    def mean_rate_hz(self) -> float:
        """One spike an interval."""
        return 1e3 / self.interval


class _RegularSource(Source):
    period = 1000.0

    def __init__(self, interval: float, phase: F8) -> None:
        self._interval, self._phase = interval, phase

    def chunk(self, k: int) -> tuple[F8, I8]:
        begin, end = k * self.period, (k + 1) * self.period
        first = np.maximum(np.ceil((begin - self._phase) / self._interval - 1e-12), 0).astype(np.int64)
        last = np.ceil((end - self._phase) / self._interval + 1e-12).astype(np.int64)
        count = np.maximum(last - first, 0)
        index = np.repeat(np.arange(count.size), count)
        step = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
        absolute = self._phase[index] + (first[index] + step) * self._interval
        inside = (absolute >= begin) & (absolute < end)
        return ordered(absolute[inside] - begin, index[inside])


@dataclass(frozen=True)
class SpikeList(Drive):
    """Recorded spikes.

    Parameters
    ----------
    times : (n_spike,) array_like, ms
    indices : (n_spike,) int array_like
        Cell of each spike.
    repeat : float, ms, optional
        Play the list again every `repeat` ms.
    """

    role: ClassVar[str] = "recorded"
    times: Any = param(unit="ms", clock="spike", array=True, low=0.0, source="given")
    indices: Any = param(unit="1", array=True, low=0.0, source="given")
    repeat: Any = param(None, unit="ms", clock="spike", above=0.0, none=True, source="free")

    def __post_init__(self) -> None:
        check(self)
        t, i = np.asarray(self.times, dtype=float), np.asarray(self.indices)
        if t.ndim != 1 or t.shape != i.shape:
            raise ParameterError(
                f"SpikeList.times and .indices must be lists of equal length, got {t.shape}, {i.shape}"
            )
        indices(self.indices, 2**63 - 1, "SpikeList.indices", ordered=True)  # `bind` knows how many there are
        if self.repeat is not None and t.size and t.max() >= self.repeat:
            raise ParameterError(
                f"SpikeList.repeat={self.repeat} ms is shorter than the list, which ends at {t.max()} ms"
            )

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        t = np.asarray(self.times, dtype=float)
        i = indices(self.indices, n, "SpikeList.indices", of=f"cells of {name!r}", ordered=True)
        return _ListSource(*ordered(t, i), None if self.repeat is None else float(self.repeat))

    def mean_rate_hz(self) -> float:
        """Spikes over cells and duration."""
        t, i = np.asarray(self.times, dtype=float), np.asarray(self.indices)
        span = self.repeat or (float(t.max()) if t.size else 1.0)
        return 1e3 * t.size / max(int(i.max()) + 1 if i.size else 1, 1) / max(span, 1e-9)


class _ListSource(Source):
    def __init__(self, times: F8, indices: I8, repeat: float | None) -> None:
        self._times, self._indices = times, indices
        self.period = repeat if repeat is not None else 1000.0
        self._once = repeat is None

    def chunk(self, k: int) -> tuple[F8, I8]:
        if not self._once:
            return self._times, self._indices
        begin = k * self.period
        a, b = np.searchsorted(self._times, [begin, begin + self.period])
        return self._times[a:b] - begin, self._indices[a:b]


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
    """

    rate_hz: Any = param(1000.0, unit="Hz", clock="spike", low=0.0, high=HIGHEST_RATE, array=True, source="free")
    weight: float = param(0.1, unit="mV", low=-LARGEST, high=LARGEST, source="free")
    amplitudes: str = param("fixed", choices=("fixed", "exponential"), source="free")

    def __post_init__(self) -> None:
        check(self)


# ---------------------------------------------------------------------- waves


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


# ---------------------------------------------------------------------- recordings


def _table(value: Any, argument: str, what: str) -> F8:
    """Finite numbers as an array."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.zeros((), dtype=object)
    if (given.dtype.kind not in "iuf" and given.size) or not given.ndim or not np.all(np.isfinite(given.astype(float))):
        raise ParameterError(f"{argument} must be finite numbers, {what}, got {shown(value)}")
    return given.astype(float)


@dataclass(frozen=True)
class Recorded(Drive):
    """Event-camera (or other) recordings, played one after the other in a seeded order, one per `interval`.

    `neurodev.data.recordings` makes training data of such recordings; `SpikeList` plays one list of spikes.

    `neurodev.data.pool` makes trains and places of the recordings of a sensor, and keeps polarity.

    Parameters
    ----------
    trains : list of (times, indices)
        One pair of arrays per recording: ms from its start, cell of each event.
    places : (n, 2) array, in [0, 1]
        Position of each cell on the sensor, as a fraction of its width and height.
    interval : float, ms
        Time from the start of one recording to the next.
    permutation : bool
        The control: the cells' places are permuted once, so that every train is kept and neighbours are strangers.
    """

    role: ClassVar[str] = "retina"
    trains: Any = None
    places: Any = None
    interval: float = param(60_000.0, unit="ms", clock="spike", above=0.0, source="free")
    permutation: bool = param(False, source="the control")

    def __post_init__(self) -> None:
        check(self)
        places = _table(self.places, "Recorded.places", "(n, 2), fractions of the sensor's width and height")
        if places.shape[1:] != (2,) or not places.size or not np.all((places >= 0.0) & (places <= 1.0)):
            raise ParameterError(
                f"Recorded.places must be (n, 2) fractions of the sensor in [0, 1], got {shown(self.places)}"
            )
        if not isinstance(self.trains, Sequence) or not len(self.trains):
            raise ParameterError(
                f"Recorded.trains must be a list of recordings (times, cells), at least one, got {shown(self.trains)}"
            )
        for i, train in enumerate(self.trains):
            if not isinstance(train, (tuple, list)) or len(train) != 2:
                raise ParameterError(f"recording {i} must be a pair (times, cells), got {shown(train)}")
            times = _table(train[0], f"times of recording {i}", "ms from its start")
            cells = indices(train[1], self.n, f"cells of recording {i}", ordered=True)
            if times.shape != cells.shape:
                raise ParameterError(f"recording {i}: {times.size} times but {cells.size} cells")
            if times.size and (times.min() < 0 or times.max() >= self.interval):
                raise ParameterError(
                    f"recording {i} runs from {times.min():g} to {times.max():g} ms, outside the interval of "
                    f"{self.interval:g} ms: raise interval="
                )

    def episode(self) -> float:
        """Its interval."""
        return self.interval

    @property
    def n(self) -> int:
        """Number of cells."""
        return int(np.asarray(self.places).shape[0])

    def positions(self, n: int, sheet: Sheet, draw: np.random.Generator) -> F8:
        """The sensor stretched over the sheet."""
        if n != self.n:
            raise ParameterError(f"these recordings have {self.n} cells; add the population with n={self.n}, not {n}")
        return np.asarray(self.places, dtype=float) * [sheet.width, sheet.height]

    def bind(self, n: int, positions: F8, seed: int, name: str) -> Source:
        """See `Drive.bind`."""
        return _RecordedSource(self, n, seed, name)

    def mean_rate_hz(self) -> float:
        """Events over cells and time."""
        return 1e3 * float(np.mean([np.size(t) for t, _ in self.trains])) / self.n / self.interval

    def shuffled(self) -> Recorded:
        """The same trains on permuted places."""
        return replace(self, permutation=True)


class _RecordedSource(Source):
    def __init__(self, recording: Recorded, n: int, seed: int, name: str) -> None:
        self._r, self._seed, self._name = recording, seed, name
        self.period = float(recording.interval)
        self._trains = [(np.asarray(t, dtype=float), np.asarray(j, dtype=np.int64)) for t, j in recording.trains]
        draw = rng.generator(seed, name, "permutation")
        self._place = draw.permutation(n) if recording.permutation else np.arange(n)

    def chunk(self, k: int) -> tuple[F8, I8]:
        m = len(self._trains)
        # every round plays each recording once, in an order of its own
        order = rng.generator(self._seed, self._name, "order", k // m).permutation(m)
        times, index = self._trains[int(order[k % m])]
        return ordered(times, self._place[index])
