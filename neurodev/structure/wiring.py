"""Initial graphs: who connects to whom."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from neurodev.arrays import F8, U4, Integers
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.moved import names_of
from neurodev.params import check, check_memory, param, wholes
from neurodev.registry import Registered
from neurodev.structure.distances import squares
from neurodev.structure.places import Sheet

Any_ = TypeVar("Any_", bound="Wiring")
__getattr__ = names_of(__name__)


class Wiring(Registered, ABC, kind="wiring"):
    """Base of all wiring rules.

    Attributes
    ----------
    listed : bool
        Whether a user lists the synapses one by one: their uids then follow that list.  Of a rule that draws them they
        may follow the order of rows.

    Examples
    --------
    >>> isinstance(nd.Degree(10), nd.Wiring)
    True
    """

    listed: bool = False
    sheet: Sheet | None = None  # whose edges are joined; None: distances are those on a plane

    @abstractmethod
    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
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

    def on(self: Any_, sheet: Sheet, source: F8, target: F8) -> Any_:
        """The rule between cells at `source` and `target` (n, 2) um on a sheet: a copy if its edges are joined."""
        if not sheet.periodic:
            return self
        joined = copy.copy(self)
        object.__setattr__(joined, "sheet", sheet)
        return joined

    def weights(self) -> Any:
        """What the rule itself says of weights: one for each synapse in the order of `draw`, one for all, or None."""
        return None

    def delays(self) -> Any:
        """What the rule itself says of delays (ms), as `weights`."""
        return None

    def described(self) -> dict[str, Any]:
        """What of it is no parameter, as plain words and numbers for provenance."""
        return {}


SYNAPSE = 28  # bytes of a synapse while a wiring is drawn and put in order, with what is queued for it, at least
BLOCK = 1 << 22  # pairs whose distances are held at once


def checked_inputs(
    k: int, n_source: int, n_target: int, same: bool, multapses: bool, what: str, key: str = "inputs"
) -> int:
    """Synapses of each target, which exist and fit the memory."""
    candidates, other = n_source - int(same), "sources a target" if key == "inputs" else "targets a source"
    if k > candidates and (candidates < 1 or not multapses):
        cure = "lower it or connect with multapses=True" if candidates > 0 else "a cell makes no synapse onto itself"
        several = " without several contacts per pair" if candidates > 0 else ""
        raise ParameterError(f"{what}.{key}={k} exceeds the {candidates} {other} can have{several}: {cure}")
    check_memory(float(k) * n_target * SYNAPSE, f"{what}({key}={k}) of {n_target} cells", f"lower {key}")
    return k


def blocks(n_target: int, n_source: int) -> list[slice]:
    """Targets in parts that bound the memory of a matrix of pairs; draws are the same for any parts."""
    rows = max(BLOCK // max(n_source, 1), 1)
    return [slice(first, min(first + rows, n_target)) for first in range(0, n_target, rows)]


def tossed(
    p: Callable[[slice], Any], expected: float, n_source: int, n_target: int, draw: np.random.Generator, same: bool
) -> tuple[U4, U4]:
    """Pairs that are connected independently, with probability ``p(block)`` for a block of targets.

    They are put into arrays that are long enough (pages that nobody writes to take no memory), not into lists.
    """
    room, n = int(expected + 8.0 * np.sqrt(expected) + 64.0), 0
    pre, post = np.empty(room, dtype=np.uint32), np.empty(room, dtype=np.uint32)
    for block in blocks(n_target, n_source):
        hit = draw.random((block.stop - block.start, n_source)) < p(block)
        if same:
            hit[np.arange(block.stop - block.start), np.arange(block.start, block.stop)] = False
        j, i = np.nonzero(hit)
        if n + i.size > pre.size:
            more = np.empty(pre.size // 2 + i.size, dtype=np.uint32)
            pre, post = np.concatenate([pre, more]), np.concatenate([post, more])
        pre[n : n + i.size], post[n : n + i.size] = i, j + block.start
        n += i.size
    return pre[:n], post[:n]


def each_target(n_target: int, k: int) -> U4:
    """Targets 0, ..., n_target - 1, each `k` times."""
    return np.repeat(np.arange(n_target, dtype=np.uint32), k)


def partners(
    rule: Wiring, k: int, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
) -> tuple[U4, U4]:
    """Exactly `k` sources for every target, by the affinity of a rule.

    Raises
    ------
    ParameterError
        For a target that the affinity leaves fewer than `k` sources (none, where pairs may have several contacts).
    """
    n_source, n_target = source.shape[0], target.shape[0]
    chosen = np.empty((n_target, k), dtype=np.uint32)
    for block in blocks(n_target, n_source) if k else ():
        log_p = rule.log_affinity(source, target[block])
        if same:
            log_p[np.arange(block.stop - block.start), np.arange(block.start, block.stop)] = -np.inf
        possible = np.isfinite(log_p).sum(axis=1)
        if possible.min() < (1 if multapses else k):
            j = int(np.argmin(possible))
            raise ParameterError(
                f"{type(rule).__name__}: target {block.start + j} has {int(possible[j])} sources within reach, fewer "
                f"than needed, got inputs={k}: lower it, or widen the kernel"
            )
        if multapses:
            p = np.cumsum(np.exp(log_p - log_p.max(axis=1, keepdims=True)), axis=1)
            u = draw.random((block.stop - block.start, k)) * p[:, -1:]
            rows = [np.searchsorted(row, at, side="right") for row, at in zip(p, u, strict=True)]
            chosen[block] = np.minimum(rows, n_source - 1)
        else:
            # the k largest of log p + Gumbel noise are a draw without replacement (Efraimidis & Spirakis 2006)
            noisy = log_p + draw.gumbel(size=log_p.shape)
            chosen[block] = np.sort(np.argpartition(-noisy, max(k - 1, 0), axis=1)[:, :k], axis=1)
    return chosen.reshape(-1), each_target(n_target, k)


@dataclass(frozen=True)
class Near(Wiring):
    """Each target draws exactly `inputs` sources with probability falling as a Gaussian of distance.

    ``p ~ exp(-d^2 / (2 sigma^2))``, without replacement; the number of inputs is conserved at the sheet's edge.

    Parameters
    ----------
    sigma : float, um
    inputs : int
        Synapses per target.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Near(sigma=120.0, inputs=5), weight=1.0)
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV)
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
        return np.asarray(-squares(source, target, self.sheet) / (2.0 * self.sigma**2), dtype=np.float64)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        k = checked_inputs(self.inputs, n_source, n_target, same, multapses, "Near")
        return partners(self, k, source, target, draw, same, multapses)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Exactly `inputs`."""
        return float(self.inputs)


@dataclass(frozen=True)
class Degree(Wiring):
    """Each target draws exactly `inputs` sources, all equally likely (fixed in-degree).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0)
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV)
    """

    inputs: int = param(100, unit="1", low=0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        k = checked_inputs(self.inputs, n_source, n_target, same, multapses, "Degree")
        s = np.empty((n_target, k), dtype=np.uint32)
        for block in blocks(n_target, max(k, 1)) if k else ():
            if multapses:
                found = draw.integers(0, n_source - int(same), (block.stop - block.start, k))
            else:
                found = np.empty((block.stop - block.start, k), dtype=np.int64)
                for row in found:
                    row[:] = draw.choice(n_source - int(same), k, replace=False, shuffle=False)
            s[block] = found + (found >= np.arange(block.start, block.stop)[:, None]) if same else found
        return s.reshape(-1), each_target(n_target, k)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Exactly `inputs`."""
        return float(self.inputs)


@dataclass(frozen=True)
class OutDegree(Wiring):
    """Each source draws exactly `outputs` targets, all equally likely (fixed out-degree).

    Examples
    --------
    >>> OutDegree(outputs=10).mean_inputs(n_source=100, n_target=50)
    20.0
    """

    outputs: int = param(100, unit="1", low=0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`: fixed in-degree the other way round."""
        checked_inputs(self.outputs, target.shape[0], source.shape[0], same, multapses, "OutDegree", "outputs")
        t, s = Degree(self.outputs).draw(target, source, draw, same, multapses)
        return s, t

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """``outputs * n_source / n_target``."""
        return self.outputs * n_source / n_target


@dataclass(frozen=True)
class Probability(Wiring):
    """Each pair is connected independently with probability `p`.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Probability(0.2), weight=1.0)
    Projection('a_b', a to b, about 80 synapses, 4 inputs each, 1 mV)
    """

    p: float = param(0.1, unit="1", low=0.0, high=1.0, source="free")

    def __post_init__(self) -> None:
        check(self)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        n_source, n_target = source.shape[0], target.shape[0]
        expected = self.p * n_source * n_target
        check_memory(expected * SYNAPSE, f"Probability(p={self.p}) of {n_source} x {n_target} pairs", "lower p")
        return tossed(lambda block: self.p, expected, n_source, n_target, draw, same)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """``p * n_source``."""
        return self.p * n_source


@dataclass(frozen=True)
class AllToAll(Wiring):
    """Every pair once (a cell not onto itself).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.AllToAll(), weight=1.0)
    Projection('a_b', a to b, about 400 synapses, 20 inputs each, 1 mV)
    """

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        pairs = source.shape[0] * target.shape[0]
        what = f"AllToAll of {source.shape[0]} x {target.shape[0]} cells"
        check_memory(float(pairs) * SYNAPSE, what, "use Degree or Probability")
        s = np.tile(np.arange(source.shape[0], dtype=np.uint32), target.shape[0])
        t = each_target(target.shape[0], source.shape[0])
        return (s[s != t], t[s != t]) if same else (s, t)

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """All of them."""
        return float(n_source)


@dataclass(frozen=True)
class OneToOne(Wiring):
    """Source i onto target i, in two populations of one size.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.OneToOne(), weight=1.0)
    Projection('a_b', a to b, about 20 synapses, 1 inputs each, 1 mV)
    """

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
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


@outlined
@dataclass(frozen=True)
class Pairs(Wiring):
    """A list of synapses.

    Parameters
    ----------
    source, target : (n,) int array_like
    weight : float or (n,) array_like, mV, optional
        Of each synapse (pA where the target has synaptic currents), in place of that of `Network.connect`.
    delay : float or (n,) array_like, ms, optional
        Of each synapse; at most 65,535 distinct ones.

    Examples
    --------
    >>> edges = Pairs(source=[0, 0, 2], target=[0, 1, 1], weight=[0.5, 1.0, 2.0], delay=[1.5, 1.0, 1.5])
    """

    listed = True
    source: Any = param(unit="1", array=True, source="given")
    target: Any = param(unit="1", array=True, source="given")
    weight: Any = param(None, unit="mV", array=True, none=True, source="given")
    delay: Any = param(None, unit="ms", clock="spike", above=0.0, array=True, none=True, source="given")

    def __post_init__(self) -> None:
        check(self)
        s, t = (wholes(getattr(self, end), f"Pairs.{end}") for end in ("source", "target"))
        if s.shape != t.shape or s.ndim != 1:
            raise ParameterError(
                f"Pairs.source and Pairs.target must be lists of equal length, got {s.shape}, {t.shape}"
            )
        for name in ("weight", "delay"):
            if np.ndim(getattr(self, name)) and np.shape(getattr(self, name)) != s.shape:
                raise ParameterError(
                    f"Pairs.{name} must be one number, or one for each of {s.size} synapses, got "
                    f"{np.size(getattr(self, name))}"
                )

    def weights(self) -> Any:
        """Those of the list."""
        return self.weight

    def delays(self) -> Any:
        """Those of the list."""
        return self.delay

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
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

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Contacts(nd.Degree(5)), weight=1.0, multapses=True)
    Projection('a_b', a to b, about 112 synapses, 5.61 inputs each, 1 mV)
    """

    wiring: Wiring
    more: float = param(0.109, unit="1", low=0.0, high=0.9, source="Dorkenwald 2022, eLife 76120")

    def __post_init__(self) -> None:
        if not isinstance(self.wiring, Wiring):
            raise ParameterError(f"Contacts.wiring must be a rule such as nd.Near(...), got {self.wiring!r}")
        check(self)
        object.__setattr__(self, "listed", self.wiring.listed)

    def on(self, sheet: Sheet, source: F8, target: F8) -> Contacts:
        """See `Wiring.on`."""
        return replace(self, wiring=self.wiring.on(sheet, source, target))

    def mean_contacts(self) -> float:
        """Mean number of contacts of a connected pair."""
        return 1.0 / (1.0 - self.more)

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """That of the other rule."""
        return self.wiring.affinity(source, target, same)

    def log_affinity(self, source: F8, target: F8) -> F8:
        """That of the other rule."""
        return self.wiring.log_affinity(source, target)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
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
            f"wiring must be a rule such as nd.Near(...), nd.Degree(...), nd.Pairs(...), got {shown(rule)}"
        )
    return rule
