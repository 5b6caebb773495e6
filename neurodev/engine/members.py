"""Parts of a network: populations, projections, spines.  What is set is looked at, by hand too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import card, params
from neurodev.card import Card, Rows, known, named, told
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.mechanisms.base import Mechanism, check_owners
from neurodev.neurons.door import LARGEST
from neurodev.neurons.drive import Drive
from neurodev.neurons.model import NeuronModel
from neurodev.params import a_name, check_memory, counted, flag, number, of_type, one_of, param, whole, wholes
from neurodev.registry import Spoken
from neurodev.structure.delays import Delay, as_delay
from neurodev.structure.places import Branches
from neurodev.structure.weights import Weights
from neurodev.structure.wiring import Wiring, as_wiring

F8 = NDArray[np.float64]
Rule = Callable[[Any, str], Any]
PRECISIONS: dict[str, type] = {"double": np.float64, "single": np.float32}
COLUMNS = frozenset({"rate_hz", "size", "log_size", "branch", "place"})  # what a mechanism may read without an owner


@dataclass(frozen=True)
class Spines(metaclass=Spoken):
    """The synapses of a projection sit on spines, and their weight is read off the spine's size.

    ``weight = w0 * max(0, V - V_silent) / V0`` with ``V_silent = V0 exp(silent)``.

    Parameters
    ----------
    weight : float, mV
        w0, the weight scale at the reference volume.
    volume : float, um3
        V0, the reference volume.
    silent : float
        ln(V_silent / V0): spines up to this size transmit nothing.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50), net.add(nd.LIF(), 20)
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="ab").use(nd.SpineSize(), nd.Turnover())
    Projection('ab', poisson to exc, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, Turnover)
    """

    weight: float = param(4.0, unit="mV", low=0.0, high=LARGEST, source="free: calibrated for the default study")
    volume: float = param(0.05, unit="um3", above=0.0, source="free: calibrated for the default study")
    silent: float = param(-1.6, unit="1", source="free: x_min of the default study")

    def __post_init__(self) -> None:
        params.check(self)


MOST = 2**62  # of what is counted
CELL = 250.0  # bytes that a cell takes at the very least, with what is queued for it


def check_count(n: object, what: str) -> int:
    """The size of a population, which memory must hold."""
    count = whole(n, f"n, the size of population {what!r},", 1, MOST, cure="a population needs at least 1 cell")
    check_memory(CELL * count, f"population {what!r} of {count:g} cells", "make it smaller")
    return count


def _check_numbers(value: Any, argument: str) -> Any:
    """A number, or a list of numbers as an array of its own that nobody can write to."""
    if not hasattr(value, "__len__") or isinstance(value, (str, bytes, dict)):
        return number(value, argument)
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.zeros((), dtype=object)
    if given.ndim > 1 or (given.dtype.kind not in "iuf" and given.size) or not np.all(np.isfinite(given.astype(float))):
        raise ParameterError(f"{argument} must be a finite number or a list of them, got {shown(value)}")
    own = np.array(given, dtype=np.float64)
    own.setflags(write=False)
    return own if own.ndim else float(own)


def a_model(value: Any, argument: str) -> NeuronModel | Drive:
    """What the cells of a population are."""
    if not isinstance(value, (NeuronModel, Drive)):
        raise ParameterError(
            f"{argument} must be nd.LIF(...), another neuron model, or a drive such as nd.Poisson(...), got "
            f"{shown(value)}"
        )
    return value


def a_place(value: Any, argument: str) -> F8:
    """Places (n, 2), um."""
    try:
        given = np.asarray(value)
        where = given.astype(float) if given.dtype.kind in "iuf" else np.zeros(0)
    except (TypeError, ValueError):
        where = np.zeros(0)
    if where.ndim != 2 or where.shape[1] != 2 or not np.all(np.isfinite(where)):
        raise ParameterError(f"{argument} must be finite numbers of um with shape (n, 2), got {shown(value)}")
    return where


def _used(level: str) -> Rule:
    """A rule: mechanisms of a level."""

    def rule(value: Any, argument: str) -> tuple[Mechanism, ...]:
        if not isinstance(value, (tuple, list)):
            raise ParameterError(f"{argument} must be a tuple of mechanisms, got {shown(value)}")
        for m in value:
            _check_mechanism(m, level, argument)
        return tuple(value)

    return rule


class _Part(Card, metaclass=Spoken):
    """What belongs to a network: looked at also when it is set by hand, and closed while the network runs."""

    _home: Any = None  # the network
    _cures: ClassVar[dict[str, str]] = {}
    _rules: ClassVar[dict[str, Rule]] = {}
    _fixed: ClassVar[dict[str, str]] = {}  # what others were built on, and what to do instead

    def __setattr__(self, name: str, value: Any) -> None:
        if self._home is not None and name != "_home":
            told = f"{getattr(self, 'name', '')}.{name} = ..."
            self._home._open(told, self._cures.get(name, "make it so before the Simulation"))
            if name in self._fixed:
                raise BuildError(f"{told}: what is there is built on it: {self._fixed[name]}")
        object.__setattr__(self, name, self._rules[name](value, name) if name in self._rules else value)
        if self._home is not None and name != "_home":
            self.__post_init__()

    def __post_init__(self) -> None:
        """Look at what must fit together."""


@dataclass(eq=False, repr=False)
class Population(_Part):
    """A population of neurons, or the cells of a drive.

    Attributes
    ----------
    n : int
        Places for neurons; the last `room` of them are unborn at the start.
    room : int
    positions : (n, 2) float64, um

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> cells = net.add(nd.LIF(), 100, name="cells")
    >>> cells.use(nd.Scaling(target_hz=2.0))
    Population('cells', 100 neurons, LIF, excitatory, uses Scaling)
    >>> cells.name, cells.n, cells.positions.shape
    ('cells', 100, (100, 2))
    """

    name: str
    model: NeuronModel | Drive
    n: int
    index: int
    inhibitory: bool
    positions: F8
    mechanisms: tuple[Mechanism, ...] = ()
    room: int = 0

    _fixed: ClassVar[dict[str, str]] = dict.fromkeys(("name", "n", "index", "room"), "add a population of that kind")
    _rules: ClassVar[dict[str, Rule]] = {
        "name": partial(a_name, word=True), "model": a_model, "n": counted(1, MOST), "index": counted(0, MOST),
        "inhibitory": flag, "positions": a_place, "mechanisms": _used("neuron"), "room": counted(0, MOST),
    }  # fmt: skip
    _cures: ClassVar[dict[str, str]] = {
        "n": "room= and Neurogenesis let neurons be born, nd.Lesion lets them die",
        "model": "nd.SetRate changes a background, nd.Silence stops a population",
        "mechanisms": "use it before, and turn it off and on with nd.Block",
    }

    def __post_init__(self) -> None:
        if self.positions.shape != (self.n, 2):
            raise ParameterError(
                f"positions of {self.name!r} must be finite numbers of um with shape ({self.n}, 2), got "
                f"{shown(self.positions)}"
            )
        if self.room >= self.n:
            raise ParameterError(f"room of {self.name!r} must be less than n={self.n}, got {self.room}")
        if isinstance(self.model, NeuronModel):
            self.model.expand(self.n, self.name)

    def _words(self) -> str:
        about = f"{self.cells()}, {type(self.model).__name__}{self._sign()}"
        used = f", uses {named(m.name for m in self.mechanisms)}" if self.mechanisms else ""
        return f"Population({self.name!r}, {about}{used})"

    def _sign(self) -> str:
        return "" if self.is_drive else ", inhibitory" if self.inhibitory else ", excitatory"

    def cells(self) -> str:
        """How many cells there are, and room for how many more."""
        n = card.counted(self.n - self.room, "cell" if self.is_drive else "neuron")
        return n + (f" and room for {self.room:,}" if self.room else "")

    def _rows(self) -> Rows:
        low, high = self.positions.min(axis=0), self.positions.max(axis=0)
        return [
            ("name", self.name), ("cells", self.cells()), ("model", told(self.model, 160)),
            ("sign", self._sign().removeprefix(", ") or "a drive"),
            ("uses", named(m.name for m in self.mechanisms) or "nothing"),
            ("place", f"x {low[0]:.4g} to {high[0]:.4g} um, y {low[1]:.4g} to {high[1]:.4g} um"),
        ]  # fmt: skip

    @property
    def is_drive(self) -> bool:
        """Whether its spikes come from outside."""
        return isinstance(self.model, Drive)

    def use(self, *mechanisms: Mechanism) -> Population:
        """Let neuron-level mechanisms (such as `Scaling`) act on this population."""
        if self._home is not None:
            self._home._open(f"{self.name}.use(...)", self._cures["mechanisms"])
        for m in mechanisms:
            _check_mechanism(m, "neuron", self.name)
            if self.is_drive:
                raise BuildError(f"{self.name!r} is a drive: {m.name} needs a population of neurons")
        known = (*self.mechanisms, *mechanisms)
        check_owners(f"population {self.name!r}", known, frozenset({"rate_hz"}))
        self.mechanisms = known
        return self


def _check_mechanism(m: object, level: str, where: str) -> None:
    if isinstance(m, type) and issubclass(m, Mechanism):
        raise BuildError(f"{where!r} was given the class {m.__name__}; give an instance: {m.__name__}()")
    if not isinstance(m, Mechanism):
        raise BuildError(f"{where!r} can use mechanisms only, got {m!r}")
    if m.level != level:
        other = "a projection" if m.level == "synapse" else "a population"
        raise BuildError(f"{m.name} is used on {other}, not on {where!r}")


def _branch(value: Any, q: Projection) -> Any:
    """The branch of all synapses, or of each; None where synapses have no place, or one at random."""
    if value is None:
        return None
    if q.branches is None:
        raise BuildError(
            f"{q.target.name!r} has no dendrite, so branch= has no meaning: add it as nd.LIF(dendrite=nd.Branches(8))"
        )
    values, most = wholes(value, f"branch of {q.name!r}"), int(q.branches.per_neuron)
    if values.ndim > 1 or np.any(values < 0) or np.any(values >= most):
        raise ParameterError(f"branch of {q.name!r} must be whole numbers in [0, {most}), got {shown(value)}")
    return values if values.ndim else int(values)


def a_weight(source: Population, weight: Any, spines: Spines | None, signed: bool) -> Any:
    """The weight that a projection is given, checked; None on spines."""
    if (weight is None) == (spines is None):
        raise ParameterError("give either weight= (mV) for static synapses or spines=nd.Spines(weight=...)")
    if spines is not None:
        if not isinstance(spines, Spines):
            raise ParameterError(f"spines must be nd.Spines(weight=...), got {shown(spines)}")
        if signed:
            raise ParameterError("signed=True is for weight=: a spine has the sign of its source population")
        return None
    if isinstance(weight, Weights):
        if signed:
            raise ParameterError(
                f"signed=True is for numbers: {type(weight).__name__} gives magnitudes, got {shown(weight)}"
            )
        return weight
    if isinstance(weight, type) and issubclass(weight, Weights):
        raise ParameterError(f"weight was given the class {weight.__name__}; give an instance: {weight.__name__}()")
    values = _check_numbers(weight, "weight")
    if np.any(np.abs(values) > LARGEST):
        raise ParameterError(f"weight must not be beyond {LARGEST:g} mV, got {shown(weight)}")
    if np.any(values < 0) and not signed:
        raise ParameterError(
            f"weight must not be negative, got {shown(weight)}: the sign comes from the source population; "
            f"make {source.name!r} inhibitory=True instead (or connect with signed=True)"
        )
    return values


def one_given(argument: str, here: Any, there: Any, rule: Wiring) -> Any:
    """What `connect` was given, or what the wiring says of its synapses itself; not both."""
    if here is not None and there is not None:
        name = type(rule).__name__
        raise ParameterError(f"{argument}= is given to connect and to {name}: leave out one of them, got {shown(here)}")
    return there if here is None else here


@dataclass(eq=False, repr=False)
class Projection(_Part):
    """All synapses from one population to another.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> projection = net.connect(a, b, nd.Degree(5), weight=1.0)
    >>> projection.name, projection.source.name, projection.target.name
    ('a_b', 'a', 'b')
    """

    name: str
    source: Population
    target: Population
    wiring: Wiring
    weight: Any
    delay: Delay
    spines: Spines | None
    multapses: bool
    branch: Any = None
    mechanisms: tuple[Mechanism, ...] = ()
    signed: bool = False
    weight_precision: str = "double"

    _fixed: ClassVar[dict[str, str]] = dict.fromkeys(("name", "source", "target"), "connect another projection")
    _rules: ClassVar[dict[str, Rule]] = {
        "name": partial(a_name, word=True), "source": of_type(Population, what="a population"),
        "target": of_type(Population, what="a population"), "wiring": lambda value, name: as_wiring(value),
        "delay": lambda value, name: as_delay(value), "multapses": flag, "mechanisms": _used("synapse"),
        "signed": flag, "weight_precision": partial(one_of, choices=PRECISIONS),
    }  # fmt: skip
    _cures: ClassVar[dict[str, str]] = {
        "weight": "nd.AddSynapses(..., weight=...) and nd.RemoveSynapses change synapses, mechanisms their weights",
        "wiring": "nd.AddSynapses and nd.RemoveSynapses change who is connected",
        "delay": "nd.AddSynapses(..., delay=...) makes synapses of another of its delays",
        "mechanisms": "use it before, and turn it off and on with nd.Block",
    }

    def __post_init__(self) -> None:
        if self._home is not None:  # set by hand: between these cells, as `connect` does
            rule = self.wiring.on(self._home.sheet, self.source.positions, self.target.positions)
            object.__setattr__(self, "wiring", rule)
        weight = a_weight(self.source, self.weight, self.spines, self.signed)
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "branch", _branch(self.branch, self))

    def _words(self) -> str:
        used = f", uses {named(m.name for m in self.mechanisms)}" if self.mechanisms else ""
        ends = f"{self.source.name} to {self.target.name}"
        return f"Projection({self.name!r}, {ends}, {known(self._size)}, {known(self._weight)}{used})"

    def _size(self) -> str:
        each = self.wiring.mean_inputs(self.source.n, self.target.n)
        return f"about {card.counted(each * self.target.n, 'synapse')}, {each:.3g} inputs each"

    def _weight(self) -> str:
        unit = self.target.model.weight_unit if isinstance(self.target.model, NeuronModel) else ""
        return f"spines of {self.spines.weight:g} {unit}" if self.spines else f"{self.mean_weight():.4g} {unit}"

    def _rows(self) -> Rows:
        return [
            ("name", self.name), ("from", self.source.name), ("to", self.target.name), ("synapses", self._size),
            ("wiring", told(self.wiring, 160)), ("mean weight", self._weight), ("delay", told(self.delay, 160)),
            ("uses", named(m.name for m in self.mechanisms) or "nothing"),
        ]  # fmt: skip

    def mean_weight(self) -> float:
        """Mean magnitude of the initial weights, mV (pA where the target has synaptic currents)."""
        if self.spines is not None:
            return self.spines.weight
        return self.weight.mean() if isinstance(self.weight, Weights) else float(np.mean(self.weight))

    @property
    def plastic(self) -> bool:
        """Whether some mechanism acts on its synapses, and does not only scale what they deliver."""
        return any(not m.static for m in self.mechanisms)

    @property
    def branches(self) -> Branches | None:
        """The dendrite of a target neuron; None where synapses have no place."""
        return self.target.model.dendrite if isinstance(self.target.model, NeuronModel) else None

    def use(self, *mechanisms: Mechanism) -> Projection:
        """Let synapse-level mechanisms act on this projection; in which order they are named does not matter."""
        if self._home is not None:
            self._home._open(f"{self.name}.use(...)", self._cures["mechanisms"])
        for m in mechanisms:
            _check_mechanism(m, "synapse", self.name)
            if self.signed and not m.static:
                raise BuildError(
                    f"projection {self.name!r} has weights of both signs, and {m.name} takes the sign from the source "
                    "population: make two projections (nd.to_network does, with dale=True)"
                )
        known = (*self.mechanisms, *mechanisms)
        names = [m.name for m in known]
        for m in mechanisms:
            if names.count(m.name) > 1:
                raise BuildError(f"projection {self.name!r} uses {m.name} twice; one instance is enough")
        if self.spines is None and any("log_size" in m.owns for m in mechanisms):
            raise BuildError(f"projection {self.name!r} has no spines: connect it with spines=nd.Spines(weight=...)")
        check_owners(f"projection {self.name!r}", known, COLUMNS)
        self.mechanisms = known
        return self
