"""Spikes at times that are given: a beat, a list, recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from neurodev import rng
from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.neurons.drive import FASTEST_CELL, Drive, Source, check_chunk, ordered
from neurodev.params import check, param
from neurodev.structure.places import Sheet
from neurodev.structure.selection import indices


@dataclass(frozen=True)
class Regular(Drive):
    """Cells that fire at ``phase, phase + interval, ...``.

    Parameters
    ----------
    interval : float, ms
    phase : float or (n,) array, ms
        Time of the first spike, by default one interval.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.Regular(20.0), 20, name="input")
    Population('input', 20 cells, Regular)
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
        # one more at either end, however the division was rounded: `inside` decides
        first = np.maximum(np.ceil((begin - self._phase) / self._interval) - 1, 0).astype(np.int64)
        last = np.ceil((end - self._phase) / self._interval).astype(np.int64) + 1
        count = np.maximum(last - first, 0)
        index = np.repeat(np.arange(count.size), count)
        step = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
        absolute = self._phase[index] + (first[index] + step) * self._interval
        inside = (absolute >= begin) & (absolute < end)
        return ordered(absolute[inside] - begin, index[inside])


@outlined
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

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.SpikeList(times=[10.0, 20.0, 20.5], indices=[0, 1, 0]), 2, name="input")
    Population('input', 2 cells, SpikeList)
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


def _table(value: Any, argument: str, what: str) -> F8:
    """Finite numbers as an array."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.zeros((), dtype=object)
    if (given.dtype.kind not in "iuf" and given.size) or not given.ndim or not np.all(np.isfinite(given.astype(float))):
        raise ParameterError(f"{argument} must be finite numbers, {what}, got {shown(value)}")
    return given.astype(float)


@outlined
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

    Examples
    --------
    >>> trains = [(np.array([1.0, 5.0]), np.array([0, 1])), (np.array([2.0]), np.array([1]))]
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.Recorded(trains, places=np.array([[0.2, 0.5], [0.8, 0.5]]), interval=100.0), 2, name="camera")
    Population('camera', 2 cells, Recorded)
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
