"""Initial graphs and axonal delays: who connects to whom, and how long it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.params import check, check_memory, numbers, param, wholes
from neurodev.registry import Registered


class Wiring(Registered, ABC, kind="wiring"):
    """Base of all wiring rules.

    Attributes
    ----------
    listed : bool
        Whether a user lists the synapses one by one: their uids then follow that list.  Of a rule that draws them they
        may follow the order of rows.
    """

    listed: ClassVar[bool] = False

    @abstractmethod
    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """Pairs (source index, target index).

        Parameters
        ----------
        source, target : (n, 2) float64, um
            Positions.
        same : bool
            Source and target are one population: no synapse of a cell onto itself.
        multapses : bool
            Whether a pair may have several contacts.
        """

    @abstractmethod
    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Mean number of inputs of a target."""

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """Relative probability (n_target, n_source) that a newborn synapse of a target finds a source."""
        a = np.ones((target.shape[0], source.shape[0]))
        if same:
            np.fill_diagonal(a, 0.0)
        return a

    def log_affinity(self, source: F8, target: F8) -> F8:
        """Its logarithm, (n_target, n_source), also where the probability itself is too small for a number."""
        with np.errstate(divide="ignore"):
            return np.log(self.affinity(source, target, False))


SYNAPSE = 64  # bytes of a synapse while a wiring is drawn and put in order
BLOCK = 1 << 22  # pairs whose distances are held at once


def _inputs(k: int, n_source: int, n_target: int, same: bool, multapses: bool, what: str) -> int:
    """Synapses of each target, which exist and fit the memory."""
    candidates = n_source - int(same)
    if k > candidates and (candidates < 1 or not multapses):
        cure = "lower it or connect with multapses=True" if candidates > 0 else "a cell makes no synapse onto itself"
        several = " without several contacts per pair" if candidates > 0 else ""
        raise ParameterError(f"{what}.inputs={k} exceeds the {candidates} sources a target can have{several}: {cure}")
    check_memory(float(k) * n_target * SYNAPSE, f"{what}(inputs={k}) onto {n_target} cells", "lower inputs")
    return k


def _blocks(n_target: int, n_source: int) -> list[slice]:
    """Targets in parts that bound the memory of a matrix of pairs; draws are the same for any parts."""
    rows = max(BLOCK // max(n_source, 1), 1)
    return [slice(first, min(first + rows, n_target)) for first in range(0, n_target, rows)]


@dataclass(frozen=True)
class Near(Wiring):
    """Each target draws exactly `inputs` sources with probability falling as a Gaussian of distance.

    ``p ~ exp(-d^2 / (2 sigma^2))``, without replacement; the number of inputs is conserved at the sheet's edge.

    Parameters
    ----------
    sigma : float, um
    inputs : int
        Synapses per target.
    """

    sigma: float = param(80.0, unit="um", above=0.0, source="free: chosen for the default study")
    inputs: int = param(30, unit="1", low=0, source="free: chosen for the default study")

    def __post_init__(self) -> None:
        check(self)

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """Gaussian of distance, (n_target, n_source)."""
        a: F8 = np.exp(self.log_affinity(source, target))
        if same:
            np.fill_diagonal(a, 0.0)
        return a

    def log_affinity(self, source: F8, target: F8) -> F8:
        """See `Wiring.log_affinity`."""
        d2 = ((target[:, None, :] - source[None, :, :]) ** 2).sum(axis=2)
        return np.asarray(-d2 / (2.0 * self.sigma**2), dtype=np.float64)

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        k = _inputs(self.inputs, n_source, n_target, same, multapses, "Near")
        chosen = np.empty((n_target, k), dtype=np.int64)
        for block in _blocks(n_target, n_source) if k else ():
            log_p = self.log_affinity(source, target[block])
            if same:
                log_p[np.arange(block.stop - block.start), np.arange(block.start, block.stop)] = -np.inf
            if multapses:
                p = np.cumsum(np.exp(log_p - log_p.max(axis=1, keepdims=True)), axis=1)
                u = draw.random((block.stop - block.start, k)) * p[:, -1:]
                rows = [np.searchsorted(row, at, side="right") for row, at in zip(p, u, strict=True)]
                chosen[block] = np.minimum(rows, n_source - 1)
            else:
                # the k largest of log p + Gumbel noise are a draw without replacement (Efraimidis & Spirakis 2006)
                noisy = log_p + draw.gumbel(size=log_p.shape)
                chosen[block] = np.sort(np.argpartition(-noisy, max(k - 1, 0), axis=1)[:, :k], axis=1)
        return chosen.reshape(-1), np.repeat(np.arange(n_target), k)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Exactly `inputs`."""
        return float(self.inputs)


@dataclass(frozen=True)
class Degree(Wiring):
    """Each target draws exactly `inputs` sources, all equally likely (fixed in-degree)."""

    inputs: int = param(100, unit="1", low=0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        k = _inputs(self.inputs, n_source, n_target, same, multapses, "Degree")
        if not k:
            s = np.empty((n_target, 0), dtype=np.int64)
        elif multapses:
            s = draw.integers(0, n_source - int(same), (n_target, k))
        else:
            s = np.empty((n_target, k), dtype=np.int64)
            for j in range(n_target):
                s[j] = draw.choice(n_source - int(same), k, replace=False, shuffle=False)
        if same:
            s = s + (s >= np.arange(n_target)[:, None])
        return s.reshape(-1), np.repeat(np.arange(n_target), k)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Exactly `inputs`."""
        return float(self.inputs)


@dataclass(frozen=True)
class Probability(Wiring):
    """Each pair is connected independently with probability `p`."""

    p: float = param(0.1, unit="1", low=0.0, high=1.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        expected = self.p * n_source * n_target
        check_memory(expected * SYNAPSE, f"Probability(p={self.p}) of {n_source} x {n_target} pairs", "lower p")
        out_source, out_target = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for block in _blocks(n_target, n_source):
            hit = draw.random((block.stop - block.start, n_source)) < self.p
            j, i = np.nonzero(hit)
            out_source.append(i)
            out_target.append(j + block.start)
        s, t = np.concatenate(out_source), np.concatenate(out_target)
        if same:
            s, t = s[s != t], t[s != t]
        return s, t

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """``p * n_source``."""
        return self.p * n_source


@dataclass(frozen=True)
class AllToAll(Wiring):
    """Every pair once (a cell not onto itself)."""

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        pairs = source.shape[0] * target.shape[0]
        what = f"AllToAll of {source.shape[0]} x {target.shape[0]} cells"
        check_memory(float(pairs) * SYNAPSE, what, "use Degree or Probability")
        t, s = np.divmod(np.arange(source.shape[0] * target.shape[0]), source.shape[0])
        return (s[s != t], t[s != t]) if same else (s, t)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """All of them."""
        return float(n_source)


@dataclass(frozen=True)
class OneToOne(Wiring):
    """Source i onto target i, in two populations of one size."""

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        if same:
            raise ParameterError(
                "OneToOne within one population would connect every cell to itself, and a rule makes no such synapses: "
                "connect two populations, or list them with Pairs"
            )
        if source.shape[0] != target.shape[0]:
            raise ParameterError(
                f"OneToOne needs populations of equal size, got {source.shape[0]} and {target.shape[0]}"
            )
        i = np.arange(source.shape[0])
        return i, i.copy()

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """One."""
        return 1.0


@dataclass(frozen=True)
class Pairs(Wiring):
    """A list of synapses.

    Parameters
    ----------
    source, target : (n,) int array_like
    """

    listed: ClassVar[bool] = True
    source: Any = param(unit="1", array=True, source="given")
    target: Any = param(unit="1", array=True, source="given")

    def __post_init__(self) -> None:
        check(self)
        s, t = (wholes(getattr(self, end), f"Pairs.{end}") for end in ("source", "target"))
        if s.shape != t.shape or s.ndim != 1:
            raise ParameterError(
                f"Pairs.source and Pairs.target must be lists of equal length, got {s.shape}, {t.shape}"
            )

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        s, t = np.asarray(self.source, dtype=np.int64), np.asarray(self.target, dtype=np.int64)
        for name, a, n in (("source", s, source.shape[0]), ("target", t, target.shape[0])):
            if a.size and (a.min() < 0 or a.max() >= n):
                raise ParameterError(f"Pairs.{name} must lie in [0, {n}), got {a.min()}..{a.max()}")
        if not multapses and s.size and np.unique(s * target.shape[0] + t).size != s.size:
            raise ParameterError("Pairs lists a pair twice: connect with multapses=True if that is meant")
        return s, t

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Mean over the targets."""
        return np.asarray(self.source).size / n_target


@dataclass(frozen=True)
class Contacts(Wiring):
    """Pairs of another rule, some of them with several contacts; connect with ``multapses=True``.

    ``P(k) = (1 - more) more^(k - 1)``: with the default 89.1, 9.7, 1.1 % of the connected pairs have 1, 2, 3 contacts
    (pyramidal cells of mouse V1, layer 2/3: 89.1, 9.2, 1.4 %; Dorkenwald 2022, eLife 76120).

    Parameters
    ----------
    wiring : Wiring
        Which pairs are connected.
    more : float
        Probability that a pair has yet another contact.
    """

    wiring: Wiring
    more: float = param(0.109, unit="1", low=0.0, high=0.9, source="Dorkenwald 2022, eLife 76120")

    def __post_init__(self) -> None:
        if not isinstance(self.wiring, Wiring):
            raise ParameterError(f"Contacts.wiring must be a rule such as nd.Near(...), got {self.wiring!r}")
        check(self)

    def mean_contacts(self) -> float:
        """Mean number of contacts of a connected pair."""
        return 1.0 / (1.0 - self.more)

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """That of the other rule."""
        return self.wiring.affinity(source, target, same)

    def log_affinity(self, source: F8, target: F8) -> F8:
        """That of the other rule."""
        return self.wiring.log_affinity(source, target)

    def draw(self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool) -> tuple[I8, I8]:
        """See `Wiring.draw`."""
        if not multapses:
            raise ParameterError("Contacts gives pairs several contacts: connect with multapses=True")
        pre, post = self.wiring.draw(source, target, draw, same, False)
        number = draw.geometric(1.0 - self.more, pre.size)
        return np.repeat(pre, number), np.repeat(post, number)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Of the other rule, times the mean number of contacts."""
        return self.wiring.mean_inputs(n_source, n_target) * self.mean_contacts()


def as_wiring(rule: object) -> Wiring:
    """The wiring rule itself, or an error that names the rules."""
    if isinstance(rule, type) and issubclass(rule, Wiring):
        raise ParameterError(f"wiring was given the class {rule.__name__}; give an instance: {rule.__name__}(...)")
    if not isinstance(rule, Wiring):
        raise ParameterError(
            f"wiring must be Near, Degree, Probability, AllToAll, OneToOne or Pairs, got {shown(rule)}"
        )
    return rule


# ---------------------------------------------------------------------- delays


class Delay(Registered, ABC, kind="delay"):
    """Base of all distributions of axonal delays; `listed` as of `Wiring`."""

    listed: ClassVar[bool] = False

    @abstractmethod
    def lanes(self) -> F8:
        """The distinct delays, ms, ascending."""

    @abstractmethod
    def draw(self, n: int, draw: np.random.Generator) -> I8:
        """Lane of each of `n` synapses."""


@dataclass(frozen=True)
class Fixed(Delay):
    """One delay for all, ms."""

    delay: float = param(1.0, unit="ms", clock="spike", above=0.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def lanes(self) -> F8:
        """One lane."""
        return np.array([self.delay], dtype=np.float64)

    def draw(self, n: int, draw: np.random.Generator) -> I8:
        """All zero."""
        return np.zeros(n, dtype=np.int64)


@dataclass(frozen=True)
class Uniform(Delay):
    """Delays drawn uniformly from low, low + step, ..., high (ms); at most 64 of them."""

    low: float = param(1.0, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")
    high: float = param(5.0, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")
    step: float = param(0.5, unit="ms", clock="spike", above=0.0, source="free: chosen for the default study")

    def __post_init__(self) -> None:
        check(self)
        if self.high < self.low:
            raise ParameterError(f"Uniform.high must be >= Uniform.low, got {self.low}..{self.high}")
        n = self._number()
        if n > 64:
            raise ParameterError(
                f"Uniform({self.low}, {self.high}, step={self.step}) makes {n:.6g} delay lanes; at most 64: use a "
                "wider step="
            )

    def _number(self) -> float:
        """How many lanes there are, which may be more than there can be."""
        return float(np.floor((self.high - self.low) / self.step + 1e-9)) + 1.0

    def lanes(self) -> F8:
        """low, low + step, ..., high."""
        return np.asarray(self.low + self.step * np.arange(int(self._number())), dtype=np.float64)

    def draw(self, n: int, draw: np.random.Generator) -> I8:
        """Uniform over the lanes."""
        return draw.integers(0, self.lanes().size, n)


@dataclass(frozen=True)
class DelayList(Delay):
    """One delay for each synapse, in the order of the wiring (ms); at most 64 distinct ones.

    Of a projection that begins without synapses, ``[]``: what is born there is delayed by 1 ms, as where none is given.
    """

    listed: ClassVar[bool] = True

    delays: Any = param(unit="ms", clock="spike", above=0.0, array=True, source="given")

    def __post_init__(self) -> None:
        check(self)
        d = np.array(self.delays, dtype=np.float64)  # a copy: the description of a run is its own
        if d.ndim != 1:
            raise ParameterError(f"delay must be a list of positive, finite numbers of ms, got shape {d.shape}")
        if np.unique(d).size > 64:
            raise ParameterError(
                f"delay has {np.unique(d).size} distinct values, that many delay lanes; at most 64: round them "
                "(0.1 ms, say)"
            )
        object.__setattr__(self, "delays", d)

    def lanes(self) -> F8:
        """The distinct values; 1 ms where there are none, for synapses that are still to be born."""
        distinct = np.unique(np.asarray(self.delays, dtype=float))
        return distinct if distinct.size else np.ones(1)

    def draw(self, n: int, draw: np.random.Generator) -> I8:
        """The lane of each value."""
        d = np.asarray(self.delays, dtype=float)
        if d.size != n:
            raise ParameterError(f"delay lists {d.size} values for {n} synapses; give one per synapse")
        return np.searchsorted(self.lanes(), d)


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
