"""Interventions: what an experimenter does to a running network, at a spike or a life time.

Each is logged with the cause `intervention` or `lesion` and the time at which it happened, and written into the run
file.  What can never be done is refused by `check`, when it is scheduled; what has become impossible by its time (a
synapse that died meanwhile, a pair that is occupied) is left out with a warning, and the run goes on.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.engine.checks import check_given, usual_weight
from neurodev.errors import BuildError, ParameterError, nearest, shown
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.trophic_factor import TrophicFactor
from neurodev.neurons.door import LARGEST
from neurodev.neurons.drive import HIGHEST_RATE
from neurodev.neurons.model import NeuronModel
from neurodev.params import flag, number
from neurodev.registry import Registered
from neurodev.structure import selection
from neurodev.structure.cause import cause_code
from neurodev.structure.plan import Plan

if TYPE_CHECKING:
    from neurodev.engine.network import Population, Projection
    from neurodev.engine.simulator import Simulator


def _name(thing: Any) -> str:
    name = thing if isinstance(thing, str) else getattr(thing, "name", None)
    return name if isinstance(name, str) else shown(thing, 40)


def known_as(thing: Any, known: dict[str, Any], what: str) -> Any:
    """A population or projection of this network, by its name or as such; a namesake of another network is neither."""
    name = _name(thing)
    if name not in known:
        raise BuildError(f"no {what} {shown(name)} in this network{nearest(name, known)}; it has {sorted(known)}")
    if not isinstance(thing, str) and thing is not known[name]:
        raise BuildError(
            f"{shown(thing, 40)} is called {name!r} but is no {what} of this network: give the one that "
            f"net.add or net.connect of this network returned, or its name {name!r}"
        )
    return known[name]


def population_of(sim: Simulator, thing: Any) -> Population:
    """A population of this network."""
    found: Population = known_as(thing, sim.network.populations, "population")
    return found


def projection_of(sim: Simulator, thing: Any) -> Projection:
    """A projection of this network."""
    found: Projection = known_as(thing, sim.network.projections, "projection")
    return found


def cells_of(value: Any, p: Population, argument: str, *, ordered: bool = False) -> I8:
    """Numbers of the neurons of a population that are picked, at least one."""
    return selection.indices(value, p.n, argument, of=f"neurons of {p.name!r}", some=True, ordered=ordered)


def warn(what: str) -> None:
    """Say that an intervention did less than was asked; the run goes on."""
    warnings.warn(what, UserWarning, stacklevel=4)


def _settled(sim: Simulator, q: Projection) -> bool:
    """Whether the synapses of a projection stay as they are until an experimenter changes them, and nobody plans to."""
    return not (sim.coming or q.mechanisms or q.source.mechanisms or q.target.mechanisms)


def _told(name: str, value: Any) -> str:
    """A field of an intervention in a reader's words: of many cells or synapses how many, and the first; no word for
    ``on=True``."""
    if name == "on" and isinstance(value, (bool, np.bool_)):
        return "" if value else "off"
    many = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(many, (list, tuple, range)) and len(many) > 4:
        return f"{len(many)} of them ({', '.join(shown(x, 12) for x in many[:3])} ...)"
    return shown(many, 40) if isinstance(value, np.ndarray) else _name(value)


class Intervention(Registered, ABC, kind="intervention"):
    """Base of all interventions.

    Examples
    --------
    >>> isinstance(nd.Silence("cells"), nd.Intervention)
    True
    """

    @abstractmethod
    def check(self, sim: Simulator) -> None:
        """Refuse at the door what could not be done later."""

    @abstractmethod
    def apply(self, sim: Simulator) -> None:
        """Do it now."""

    def __str__(self) -> str:
        said = (_told(k, v) for k, v in vars(self).items() if v is not None)
        return type(self).__name__ + " " + ", ".join(s for s in said if s)[:80]


@dataclass
class Silence(Intervention):
    """Silence a population: it stays connected but does not fire (``on=False`` ends it).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> sim = nd.Simulation(net, progress=False, record="all")
    >>> sim.at(50.0, nd.Silence("a"))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> bool(sim.run(100.0).close().spikes("a")[0].max() <= 50.0)
    True
    """

    population: Any
    on: bool = True

    def check(self, sim: Simulator) -> None:
        """The population exists."""
        population_of(sim, self.population)
        self.on = flag(self.on, "Silence.on")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        p = population_of(sim, self.population)
        if bool(sim.engine.state.neurons.silenced[p.index]) == self.on:
            warn(f"Silence({p.name}, on={self.on}): {p.name!r} {'is silent already' if self.on else 'is not silent'}")
        sim.engine.silence(p.index, self.on)


@dataclass
class Block(Intervention):
    """Block a mechanism of a projection or population (``on=False`` releases it).

    Synapses no longer see spikes through it; what a population keeps count of by itself (calcium) goes on.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> q.use(nd.SpineSize(), nd.Turnover())
    Projection('q', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, Turnover)
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.at(0.0, nd.Block("q", "Turnover"))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    where: Any
    mechanism: Any
    on: bool = True

    def _pair(self, sim: Simulator) -> tuple[str, str]:
        """Names of where and of the mechanism, which is in use there."""
        m, known = self.mechanism, {**sim.network.populations, **sim.network.projections}
        place = known_as(self.where, known, "population or projection")
        if isinstance(m, Mechanism):
            kind = m.name
        else:
            kind = m if isinstance(m, str) else m.__name__ if isinstance(m, type) else shown(m)
        used = [m.name for m in place.mechanisms]
        if kind not in used:
            raise BuildError(f"{place.name!r} does not use {kind!r}{nearest(kind, used)}; it uses {used}")
        return place.name, kind

    def check(self, sim: Simulator) -> None:
        """The mechanism is in use there."""
        self._pair(sim)
        self.on = flag(self.on, "Block.on")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        pair = self._pair(sim)
        if (pair in sim.blocked) == self.on:
            warn(f"Block{pair}, on={self.on}: it is {'blocked already' if self.on else 'not blocked'}")
        sim.block(*pair, self.on)


@dataclass
class SetRate(Intervention):
    """Change the rate (Hz) of a population's background, for all of its neurons; 0 stops it.

    A population with several backgrounds has them all at this rate.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> net.background(b, nd.Background(rate_hz=500.0, weight=1.0))
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.at(5.0, nd.SetRate("b", 100.0))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    population: Any
    rate_hz: float

    def check(self, sim: Simulator) -> None:
        """The population has a background, the rate is not negative."""
        p = population_of(sim, self.population)
        cure = "0 stops the background, Silence the population"
        self.rate_hz = number(self.rate_hz, "SetRate.rate_hz", "Hz", low=0.0, high=HIGHEST_RATE, cure=cure)
        if all(q is not p for q, _ in sim.network.backgrounds):
            raise BuildError(f"{p.name!r} has no background: net.background({p.name}, nd.Background(...))")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        sim.engine.set_background_rate(population_of(sim, self.population).index, self.rate_hz)


@outlined
@dataclass
class RemoveSynapses(Intervention):
    """Remove given synapses by uid, or all those between given sources and targets.

    `source` and `target` pick cells (numbers, a mask, a slice or a set; None: all).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.do(nd.RemoveSynapses("q", source=[0, 1, 2]))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    projection: Any
    uids: Any = None
    source: Any = None
    target: Any = None
    cause: str = "intervention"

    def _slots(self, sim: Simulator, q: Projection) -> I8:
        """Slots of what is meant and lives; picks are numbers from here on."""
        table = sim.tables[q.name]
        if self.uids is not None:
            self.uids = selection.uids(self.uids, "RemoveSynapses.uids")
            slots = table.slot_of(self.uids)
            return slots[slots >= 0]
        slots = table.slots()
        if self.source is not None:
            self.source = cells_of(self.source, q.source, "RemoveSynapses.source")
            slots = slots[np.isin(table.pre(slots), self.source)]
        if self.target is not None:
            self.target = cells_of(self.target, q.target, "RemoveSynapses.target")
            slots = slots[np.isin(table.post[slots], self.target)]
        return slots

    def check(self, sim: Simulator) -> None:
        """The projection exists; living synapses or cells are named; the cause is one of this network."""
        q = projection_of(sim, self.projection)
        sim.check_whole(q.name)
        if not isinstance(self.cause, str):
            raise ParameterError(f"RemoveSynapses.cause must be a word such as 'lesion', got {shown(self.cause)}")
        sim.causes.code(self.cause)
        if self.uids is None and self.source is None and self.target is None:
            raise ParameterError("RemoveSynapses needs uids=, source= or target=")
        if self.uids is not None and (self.source is not None or self.target is not None):
            raise ParameterError("RemoveSynapses takes either uids= or source= and target=, not both")
        if self.uids is not None:
            selection.living(sim.tables[q.name], self.uids, "RemoveSynapses.uids", f"synapses of {q.name!r}", some=True)
        if not self._slots(sim, q).size and _settled(sim, q):
            raise ParameterError(
                f"{self} meets no synapse of {q.name!r}, and none can be born there before it acts: look at "
                f"table.pre and table.post, or schedule what makes them first"
            )

    def apply(self, sim: Simulator) -> None:
        """Unlink and log them; spikes in flight find nothing.  Those that died meanwhile are passed over, and told."""
        q = projection_of(sim, self.projection)
        table, slots = sim.tables[q.name], self._slots(sim, q)
        if self.uids is not None and slots.size < self.uids.size:
            warn(f"{self}: {self.uids.size - slots.size} of {self.uids.size} are not alive any more in {q.name!r}")
        elif not slots.size:
            warn(f"{self}: no synapse of {q.name!r} lies between these cells; nothing was removed")
        if not slots.size:
            return
        value = np.full(slots.size, np.nan, dtype=np.float32)
        if "log_size" in table.column_names:
            value = table.column("log_size")[slots].astype(np.float32)
        code = np.full(slots.size, cause_code(self.cause), dtype=np.uint8)
        sim.apply_plans(q, [Plan("intervention", slots, code, value)])


@outlined
@dataclass
class Lesion(Intervention):
    """Destroy neurons (all, or the given ones): their synapses die both ways and they never fire again.

    `neurons` picks them by numbers, a mask, a slice or a set.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.do(nd.Lesion("a", [0, 1]))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> sim.run(10.0).close().log.deaths_by_cause()
    {'lesion': 5}
    """

    population: Any
    neurons: Any = None

    def check(self, sim: Simulator) -> None:
        """The population and the neurons exist, and are not all dead."""
        p = population_of(sim, self.population)
        if self.neurons is not None:
            self.neurons = cells_of(self.neurons, p, "Lesion.neurons")
        sim.check_mortal(p)
        dead = np.flatnonzero(~np.isnan(sim.blocks[p.name].died))
        if np.isin(np.arange(p.n) if self.neurons is None else self.neurons, dead).all():
            raise ParameterError(f"{self}: all of these neurons are dead already")

    def apply(self, sim: Simulator) -> None:
        """They die now, with their synapses on both sides and whatever of them is on its way."""
        p = population_of(sim, self.population)
        picked = np.arange(p.n) if self.neurons is None else np.unique(cells_of(self.neurons, p, "Lesion.neurons"))
        living = picked[sim.blocks[p.name].alive[picked]]
        if self.neurons is not None and living.size < picked.size:
            warn(f"{self}: {picked.size - living.size} of {picked.size} neurons do not live (dead, or not yet born)")
        elif not living.size:
            warn(f"{self}: no neuron of {p.name!r} is alive")
        if living.size:
            sim.kill_neurons(p, living, "lesion")


def _listed(given: Any, argument: str) -> Any:
    """Several values, or the one as a list."""
    try:
        return given if np.ndim(given) else [given]
    except ValueError:  # rows of different lengths
        raise ParameterError(f"{argument} must be a number or a list of them, got {shown(given)}") from None


@outlined
@dataclass
class AddSynapses(Intervention):
    """Add synapses: one from each of `source` to the `target` at the same place of its list.

    `weight` (mV, or pA onto currents; one, or one for each) is not negative, the sign comes from the source population;
    if not given, they begin as the first of the projection did.  On spines a newborn has the size that has this weight.
    `delay` (ms, one or one for each) is one of those that the projection has; the shortest if not given.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.do(nd.AddSynapses("q", source=[0, 1], target=[3, 3]))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    projection: Any
    source: Any
    target: Any
    weight: Any = None
    delay: Any = None

    def _pairs(self, sim: Simulator, q: Projection) -> tuple[I8, I8]:
        """Lists of sources and targets of equal length; a pair twice only where pairs may have several contacts."""
        self.source = cells_of(self.source, q.source, "AddSynapses.source", ordered=True)
        self.target = cells_of(self.target, q.target, "AddSynapses.target", ordered=True)
        if self.source.shape != self.target.shape:
            raise ParameterError(
                f"AddSynapses.source and .target must be lists of equal length, got {self.source.size} and "
                f"{self.target.size}"
            )
        pair = self.source * q.target.n + self.target
        if not q.multapses and np.unique(pair).size != pair.size:
            raise ParameterError(f"{self} names a pair twice: connect {q.name!r} with multapses=True if that is meant")
        return self.source, self.target

    def _weights(self, sim: Simulator, q: Projection, n: int) -> F8 | None:
        """Signed weights, (n,); None: as the first ones."""
        if self.weight is None:
            usual_weight(q)  # there is one
            return None
        given = _listed(self.weight, "AddSynapses.weight")
        low = -LARGEST if q.signed else 0.0
        cure = "synapses have the sign of their source population" if not q.signed else ""
        unit = q.target.model.weight_unit if isinstance(q.target.model, NeuronModel) else "1"
        values = np.array([number(w, "AddSynapses.weight", unit, low=low, high=LARGEST, cure=cure) for w in given])
        if values.size not in (1, n):
            raise ParameterError(f"AddSynapses.weight must be a number or a list of {n}, got {values.size} values")
        sign = -1.0 if q.source.inhibitory and not q.signed else 1.0
        weights = np.asarray(sign * np.broadcast_to(values, n))
        check_given(q, weights, frozenset(sim.tables[q.name].column_names))
        return weights

    def _lanes(self, sim: Simulator, q: Projection, n: int) -> I8:
        """The lane of each, (n,)."""
        delays = sim.tables[q.name].delays
        if self.delay is None:
            return np.zeros(n, dtype=np.int64)
        given = _listed(self.delay, "AddSynapses.delay")
        values = np.array([number(d, "AddSynapses.delay", "ms", above=0.0) for d in given])
        if values.size not in (1, n):
            raise ParameterError(f"AddSynapses.delay must be a number or a list of {n}, got {values.size} values")
        lane = np.argmin(np.abs(delays[None, :] - values[:, None]), axis=1)
        if np.any(np.abs(delays[lane] - values) > 1e-9 * delays[lane]):
            raise ParameterError(
                f"AddSynapses.delay must be one of the delays of {q.name!r}, {shown(delays.tolist())} ms, got "
                f"{shown(self.delay)}: a projection has the delays that it was connected with"
            )
        return np.broadcast_to(lane, n).astype(np.int64)

    def check(self, sim: Simulator) -> None:
        """Cells that there are, free pairs, weights and delays that are possible."""
        q = projection_of(sim, self.projection)
        sim.check_whole(q.name)
        source, target = self._pairs(sim, q)
        self._weights(sim, q, source.size)
        self._lanes(sim, q, source.size)
        for p, cells in ((q.source, source), (q.target, target)):
            dead = cells[~np.isnan(sim.blocks[p.name].died[cells])]
            if dead.size:
                raise ParameterError(f"{self}: neuron {int(dead[0])} of {p.name!r} is dead")
        if not q.multapses and _settled(sim, q):
            taken = sim.tables[q.name].occupied(source, target, np.zeros(0, dtype=np.int64))
            if taken.any():
                k = int(np.argmax(taken))
                raise ParameterError(
                    f"{self}: the pair ({source[k]}, {target[k]}) has a synapse already; remove it first (schedule "
                    f"that before this), or connect {q.name!r} with multapses=True"
                )

    def apply(self, sim: Simulator) -> None:
        """Link and log them; spikes in flight are not carried.  Pairs that are not free are passed over, and told."""
        q = projection_of(sim, self.projection)
        source, target = self._pairs(sim, q)
        n = source.size
        plan = Plan("intervention", source=source, target=target, lane=self._lanes(sim, q, n))
        plan.birth_cause = np.full(n, cause_code("intervention"), dtype=np.uint8)
        weight = self._weights(sim, q, n)
        if weight is not None:
            plan.birth_weight = weight
        done = sim.apply_plans(q, [plan])
        if done.refused:
            told = {"occupied": "on pairs that have one already", "absent": "on neurons that are dead or not yet born"}
            why = ", ".join(f"{k} {told.get(word, word)}" for word, k in done.refused.items())
            warn(f"{self}: {done.n_born} of {n} synapses were made; refused: {why}")
        sim.refresh_weights(q, done.slots)


def _factor(sim: Simulator, thing: Any, targets: Any, what: str) -> tuple[str, str, I8]:
    """Target population, name of the factor, and targets of a projection that uses `TrophicFactor`."""
    q = projection_of(sim, thing)
    used = [m for m in q.mechanisms if isinstance(m, TrophicFactor)]
    if not used:
        raise BuildError(f"{q.name!r} does not use TrophicFactor: {what} has nothing to act on")
    if targets is None:
        return q.target.name, used[0].factor, np.arange(q.target.n)
    return q.target.name, used[0].factor, cells_of(targets, q.target, f"{what}.targets")


_MOST_INFUSED = 1e9  # 1/day


@outlined
@dataclass
class Infuse(Intervention):
    """Infuse the trophic factor of a projection around its targets (all, or the given ones); 0 ends it.

    `rate` adds to their own release, 1/day.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> q.use(nd.SpineSize(), nd.TrophicFactor())
    Projection('q', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, TrophicFactor)
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.at(5.0, nd.Infuse("q", 1.0))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    projection: Any
    rate: float
    targets: Any = None

    def check(self, sim: Simulator) -> None:
        """The projection has a factor; the rate is not negative."""
        _, _, targets = _factor(sim, self.projection, self.targets, "Infuse")
        self.targets = None if self.targets is None else targets
        self.rate = number(self.rate, "Infuse.rate", "1/day", low=0.0, high=_MOST_INFUSED)

    def apply(self, sim: Simulator) -> None:
        """From the next tick on."""
        where, factor, targets = _factor(sim, self.projection, self.targets, "Infuse")
        sim.blocks[where][f"infused_{factor}"][targets] = self.rate


@outlined
@dataclass
class Antagonise(Intervention):
    """Block a share of the receptors for the trophic factor at the targets of a projection; 0 ends it.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 20, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> q = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0), name="q")
    >>> q.use(nd.SpineSize(), nd.TrophicFactor())
    Projection('q', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, TrophicFactor)
    >>> sim = nd.Simulation(net, progress=False)
    >>> sim.at(5.0, nd.Antagonise("q", 0.5))
    Simulation(2 populations, 1 projection, 0 ms of life at an acceleration of 1)
    >>> run = sim.run(10.0).close()
    """

    projection: Any
    share: float = 1.0
    targets: Any = None

    def check(self, sim: Simulator) -> None:
        """The projection has a factor; the share lies in [0, 1]."""
        _, _, targets = _factor(sim, self.projection, self.targets, "Antagonise")
        self.targets = None if self.targets is None else targets
        self.share = number(self.share, "Antagonise.share", low=0.0, high=1.0)

    def apply(self, sim: Simulator) -> None:
        """From the next tick on."""
        where, factor, targets = _factor(sim, self.projection, self.targets, "Antagonise")
        sim.blocks[where][f"blocked_{factor}"][targets] = self.share
