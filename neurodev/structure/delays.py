"""Axonal delays: how long a spike takes, as lanes that the synapses of a projection share.

A projection has at most `MAX_LANES` distinct delays: the agenda numbers those of all projections in 16 bits.  Where a
source has far fewer synapses than there are delays, and nothing is born or dies, its lanes are listed (`sweep_far`);
elsewhere each spike meets every lane, some 30 ns each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, Integers
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.params import check, numbers, param
from neurodev.registry import Registered
from neurodev.structure.blocks import lane_type
from neurodev.structure.distances import apart, longest
from neurodev.structure.parts import parts_of
from neurodev.structure.places import Sheet
from neurodev.structure.table import MAX_LANES

Pair = tuple[Integers, Integers]


class Delay(Registered, ABC, kind="delay"):
    """Base of all distributions of axonal delays; `listed` as of `Wiring`."""

    listed: ClassVar[bool] = False
    by_distance: ClassVar[bool] = False  # whether the lane of a newborn follows from who is connected, by `of`

    @abstractmethod
    def lanes(self) -> F8:
        """The distinct delays, ms, ascending."""

    @abstractmethod
    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """Lane of each of `n` synapses."""

    def between(self, source: F8, target: F8, sheet: Sheet, pairs: Pair, grows: bool) -> Delay:
        """The delays of cells at `source` and `target` (n, 2) um, for the initial `pairs`; `grows`: others may come."""
        return self

    def of(self, source: Integers, target: Integers, draw: np.random.Generator) -> Integers:
        """Lane of each synapse from `source` to `target`, (n,)."""
        return self.draw(source.size, draw)


@dataclass(frozen=True)
class Fixed(Delay):
    """One delay for all, ms.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.OneToOne(), weight=1.0, delay=nd.Fixed(1.5))
    Projection('a_b', a to b, about 20 synapses, 1 inputs each, 1 mV)
    """

    delay: float = param(1.0, unit="ms", clock="spike", above=0.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def lanes(self) -> F8:
        """One lane."""
        return np.array([self.delay], dtype=np.float64)

    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """All zero."""
        return np.broadcast_to(np.uint8(0), (n,))


@dataclass(frozen=True)
class Uniform(Delay):
    """Delays drawn uniformly from low, low + step, ..., high (ms); at most 65535 of them.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.OneToOne(), weight=1.0, delay=nd.Uniform(1.0, 5.0))
    Projection('a_b', a to b, about 20 synapses, 1 inputs each, 1 mV)
    """

    low: float = param(1.0, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")
    high: float = param(5.0, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")
    step: float = param(0.5, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")

    def __post_init__(self) -> None:
        check(self)
        if self.high < self.low:
            raise ParameterError(f"Uniform.high must be >= Uniform.low, got {self.low}..{self.high}")
        n = self._number()
        if n > MAX_LANES:
            raise ParameterError(
                f"Uniform({self.low}, {self.high}, step={self.step}) makes {n:.6g} delay lanes; at most "
                f"{MAX_LANES}: use a wider step="
            )

    def _number(self) -> float:
        """How many lanes there are, which may be more than there can be."""
        return float(np.floor((self.high - self.low) / self.step + 1e-9)) + 1.0

    def lanes(self) -> F8:
        """low, low + step, ..., high."""
        return np.asarray(self.low + self.step * np.arange(int(self._number())), dtype=np.float64)

    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """Uniform over the lanes."""
        k = self.lanes().size
        out: Integers = np.empty(n, dtype=lane_type(k))
        for part in parts_of(n):
            out[part] = draw.integers(0, k, part.stop - part.start)
        return out


@outlined
@dataclass(frozen=True)
class DelayList(Delay):
    """One delay for each synapse, in the order of the wiring (ms); at most 65535 distinct ones.

    Of a projection that begins without synapses, ``[]``: what is born there is delayed by 1 ms, as where none is given.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.OneToOne(), weight=1.0, delay=nd.DelayList(np.linspace(1.0, 2.0, 20)))
    Projection('a_b', a to b, about 20 synapses, 1 inputs each, 1 mV)
    """

    listed: ClassVar[bool] = True
    delays: Any = param(unit="ms", clock="spike", above=0.0, array=True, source="given")

    def __post_init__(self) -> None:
        check(self)
        d = np.array(self.delays, dtype=np.float64)  # a copy: the description of a run is its own
        if d.ndim != 1:
            raise ParameterError(f"delay must be a list of positive, finite numbers of ms, got shape {d.shape}")
        if np.unique(d).size > MAX_LANES:
            raise ParameterError(
                f"delay has {np.unique(d).size} distinct values, that many delay lanes; at most "
                f"{MAX_LANES}: round them (0.1 ms, say)"
            )
        object.__setattr__(self, "delays", d)

    def lanes(self) -> F8:
        """The distinct values; 1 ms where there are none, for synapses that are still to be born."""
        distinct = np.unique(np.asarray(self.delays, dtype=float))
        return distinct if distinct.size else np.ones(1)

    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """The lane of each value."""
        d = np.asarray(self.delays, dtype=float)
        if d.size != n:
            raise ParameterError(f"delay lists {d.size} values for {n} synapses; give one per synapse")
        lanes = self.lanes()
        return np.searchsorted(lanes, d).astype(lane_type(lanes.size))


@dataclass(frozen=True)
class Conduction(Delay):
    """Delays by distance: ``offset + distance / speed``, along the shortest way on the sheet (periodic or not).

    Parameters
    ----------
    speed : float, um/ms
        100 to 500 for thin unmyelinated axons.
    offset : float, ms
        What does not depend on distance, such as that of the synapse.
    step : float or None, ms
        Delays are rounded to its multiples, at least one of them, and so to half of it; None keeps each as it is,
        where there are at most 65535 distinct ones.

    Notes
    -----
    Where synapses can be born (a projection with spines or mechanisms), there is a lane for every delay from the
    shortest to the longest that its cells can have.  Otherwise, and without `step`, lanes are those of the initial
    synapses, and what an intervention adds takes the nearest.

    Examples
    --------
    >>> delay = Conduction(speed=200.0, offset=0.5, step=0.25)
    >>> delay.along(np.array([0.0, 100.0, 260.0])).tolist()
    [0.5, 1.0, 1.75]
    """

    by_distance: ClassVar[bool] = True
    speed: float = param(200.0, unit="um/ms", clock="spike", above=0.0, source="free: thin unmyelinated axons")
    offset: float = param(1.0, unit="ms", clock="spike", low=0.0, source="free")
    step: float | None = param(0.1, unit="ms", clock="spike", low=0.01, none=True, source="free")

    def __post_init__(self) -> None:
        check(self)

    def along(self, distance: F8) -> F8:
        """Delay (ms) of each distance (um)."""
        exact = self.offset + distance / self.speed
        if self.step is None:
            return np.asarray(exact)
        # as a quotient, so that multiples of 0.1 are the numbers that one writes
        return np.asarray(np.maximum(np.rint(exact / self.step), 1.0) * 1e6 * self.step / 1e6)

    def between(self, source: F8, target: F8, sheet: Sheet, pairs: Pair, grows: bool) -> Delay:
        """See `Delay.between`."""
        found = [np.zeros(0)]
        for part in parts_of(pairs[0].size):
            way = apart(source[pairs[0][part]], target[pairs[1][part]], sheet)
            found = [np.unique(np.concatenate([*found, self.along(way)]))]
            if found[0].size > MAX_LANES:
                break
        delays = found[0]
        if grows and self.step is not None and delays.size <= MAX_LANES:
            first, last = self.along(np.array([0.0, longest(source, target, sheet)])) / self.step
            count = np.arange(np.rint(first), min(np.rint(last), np.rint(first) + MAX_LANES) + 1.0)
            delays = np.unique(np.maximum(count, 1.0) * 1e6 * self.step / 1e6)
        if delays.size > MAX_LANES:
            span = longest(source, target, sheet) / self.speed
            raise ParameterError(
                f"Conduction(speed={self.speed:g}, step={self.step}) makes more than {MAX_LANES} delay lanes over "
                f"{span * self.speed:.4g} um; at most {MAX_LANES}: use step={1.01 * span / (MAX_LANES - 2):.3g} or more"
            )
        return _Laid(self, delays if delays.size else self.along(np.zeros(1)), source, target, sheet)

    def lanes(self) -> F8:
        """That of no distance; `between` has those of cells."""
        return self.along(np.zeros(1))

    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """All of no distance."""
        return np.zeros(n, dtype=np.uint8)


class _Laid(Delay, word=False):
    """Delays by distance between cells that are known."""

    by_distance: ClassVar[bool] = True

    def __init__(self, law: Conduction, delays: F8, source: F8, target: F8, sheet: Sheet) -> None:
        self._law, self._delays, self._source, self._target, self._sheet = law, delays, source, target, sheet

    def lanes(self) -> F8:
        """Those of the cells."""
        return self._delays

    def draw(self, n: int, draw: np.random.Generator) -> Integers:
        """Not asked: see `of`."""
        raise NotImplementedError

    def of(self, source: Integers, target: Integers, draw: np.random.Generator | None = None) -> Integers:
        """The lane nearest to the delay of each pair."""
        out: Integers = np.empty(source.size, dtype=lane_type(self._delays.size))
        middle = 0.5 * (self._delays[1:] + self._delays[:-1])
        for part in parts_of(source.size):
            way = apart(self._source[source[part]], self._target[target[part]], self._sheet)
            out[part] = np.searchsorted(middle, self._law.along(way))
        return out


def as_delay(delay: object) -> Delay:
    """A number, a list of numbers (one per synapse), or a distribution."""
    if isinstance(delay, Delay):
        return delay
    if isinstance(delay, type) and issubclass(delay, Delay):
        raise ParameterError(f"delay was given the class {delay.__name__}; give an instance: {delay.__name__}(...)")
    if isinstance(delay, (list, tuple, np.ndarray)) and np.ndim(np.asarray(delay, dtype=object)):
        return DelayList(delay)
    try:
        values = numbers(delay, "delay", "ms")
    except ParameterError as e:
        raise ParameterError(f"{e}; give ms, a list of them (one a synapse), or nd.Uniform(low, high)") from None
    return Fixed(float(values)) if np.ndim(values) == 0 else DelayList(np.asarray(values, dtype=float))
