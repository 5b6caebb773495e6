"""Interventions: what an experimenter does to a running network, at a spike or a life time.

Each is logged with the cause `intervention` or `lesion`, and written into the run file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodev.errors import BuildError, ParameterError, nearest
from neurodev.mechanisms.trophic_factor import TrophicFactor
from neurodev.registry import Registered
from neurodev.structure.cause import cause_code
from neurodev.structure.plan import Plan

if TYPE_CHECKING:
    from neurodev.engine.network import Population, Projection
    from neurodev.engine.simulator import Simulator


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(getattr(thing, "name", thing))


def _population(sim: Simulator, thing: Any) -> Population:
    name, known = _name(thing), sim.network.populations
    if name not in known:
        raise BuildError(f"no population {name!r} in this network{nearest(name, known)}; it has {sorted(known)}")
    return known[name]


def _projection(sim: Simulator, thing: Any) -> Projection:
    name, known = _name(thing), sim.network.projections
    if name not in known:
        raise BuildError(f"no projection {name!r} in this network{nearest(name, known)}; it has {sorted(known)}")
    return known[name]


class Intervention(Registered, ABC, kind="intervention"):
    """Base of all interventions."""

    @abstractmethod
    def check(self, sim: Simulator) -> None:
        """Refuse at the door what could not be done later."""

    @abstractmethod
    def apply(self, sim: Simulator) -> None:
        """Do it now."""

    def __str__(self) -> str:
        return type(self).__name__ + " " + ", ".join(_name(v) for v in vars(self).values() if v is not None)[:80]


@dataclass
class Silence(Intervention):
    """Silence a population: it stays connected but does not fire (``on=False`` ends it)."""

    population: Any
    on: bool = True

    def check(self, sim: Simulator) -> None:
        """The population exists."""
        _population(sim, self.population)

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        sim.engine.silence(_population(sim, self.population).index, self.on)


@dataclass
class Block(Intervention):
    """Block a mechanism of a projection or population (``on=False`` releases it).

    Synapses no longer see spikes through it; what a population keeps count of by itself (calcium) goes on.
    """

    where: Any
    mechanism: Any
    on: bool = True

    def _pair(self) -> tuple[str, str]:
        m = self.mechanism
        return _name(self.where), m if isinstance(m, str) else m.__name__ if isinstance(m, type) else m.name

    def check(self, sim: Simulator) -> None:
        """The mechanism is in use there."""
        where, kind = self._pair()
        everything: dict[str, Any] = {**sim.network.populations, **sim.network.projections}
        if where not in everything:
            raise BuildError(f"nothing named {where!r} in this network{nearest(where, everything)}")
        used = [m.name for m in everything[where].mechanisms]
        if kind not in used:
            raise BuildError(f"{where!r} does not use {kind!r}{nearest(kind, used)}; it uses {used}")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        sim.block(*self._pair(), self.on)


@dataclass
class SetRate(Intervention):
    """Change the rate (Hz) of a population's background, for all of its neurons; 0 stops it.

    A population with several backgrounds has them all at this rate.
    """

    population: Any
    rate_hz: float

    def check(self, sim: Simulator) -> None:
        """The population has a background, the rate is not negative."""
        p = _population(sim, self.population)
        if not np.isfinite(self.rate_hz) or self.rate_hz < 0:
            raise ParameterError(f"rate_hz must be a number of Hz >= 0, got {self.rate_hz!r}")
        if all(q is not p for q, _ in sim.network.backgrounds):
            raise BuildError(f"{p.name!r} has no background: net.background({p.name}, nd.Background(...))")

    def apply(self, sim: Simulator) -> None:
        """From now on."""
        sim.engine.set_background_rate(_population(sim, self.population).index, self.rate_hz)


@dataclass
class RemoveSynapses(Intervention):
    """Remove given synapses by uid, or all those between given sources and targets.

    `source` and `target` are index lists (None: all).
    """

    projection: Any
    uids: Any = None
    source: Any = None
    target: Any = None
    cause: str = "intervention"

    def check(self, sim: Simulator) -> None:
        """The projection exists; something is named; the cause is one of this network."""
        _projection(sim, self.projection)
        sim.causes.code(self.cause)
        if self.uids is None and self.source is None and self.target is None:
            raise ParameterError("RemoveSynapses needs uids=, source= or target=")

    def apply(self, sim: Simulator) -> None:
        """Unlink and log them; spikes in flight find nothing."""
        q = _projection(sim, self.projection)
        table = sim.tables[q.name]
        if self.uids is not None:
            slots = table.slot_of(self.uids)
            if np.any(slots < 0):
                raise ParameterError(f"uids: {int((slots < 0).sum())} of them are not alive")
        else:
            slots = table.slots()
            if self.source is not None:
                slots = slots[np.isin(table.pre(slots), self.source)]
            if self.target is not None:
                slots = slots[np.isin(table.post[slots], self.target)]
        value = np.full(slots.size, np.nan, dtype=np.float32)
        if "log_size" in table.column_names:
            value = table.column("log_size")[slots].astype(np.float32)
        code = np.full(slots.size, cause_code(self.cause), dtype=np.uint8)
        sim.apply_plans(q, [Plan("intervention", slots, code, value)])
        sim.refresh_weights(q)


@dataclass
class Lesion(Intervention):
    """Destroy neurons (all, or the given ones): their synapses die both ways and they never fire again."""

    population: Any
    neurons: Any = None

    def check(self, sim: Simulator) -> None:
        """The population and the neurons exist."""
        p = _population(sim, self.population)
        if self.neurons is not None:
            i = np.asarray(self.neurons)
            if i.size and (i.min() < 0 or i.max() >= p.n):
                raise ParameterError(f"neurons of {p.name!r} must lie in [0, {p.n}), got {i.min()}..{i.max()}")

    def apply(self, sim: Simulator) -> None:
        """They die now, with their synapses on both sides and whatever of them is on its way."""
        p = _population(sim, self.population)
        dead = np.arange(p.n) if self.neurons is None else np.unique(np.asarray(self.neurons, dtype=np.int64))
        sim.kill_neurons(p, dead[sim.blocks[p.name].alive[dead]], "lesion")


@dataclass
class AddSynapses(Intervention):
    """Add given synapses (index lists), on the first lane."""

    projection: Any
    source: Any
    target: Any
    weight: float | None = None

    def check(self, sim: Simulator) -> None:
        """Lists of equal length."""
        _projection(sim, self.projection)
        if np.shape(self.source) != np.shape(self.target):
            raise ParameterError("AddSynapses.source and .target must be lists of equal length")

    def apply(self, sim: Simulator) -> None:
        """Link and log them; spikes in flight are not carried."""
        q = _projection(sim, self.projection)
        source = np.atleast_1d(np.asarray(self.source, dtype=np.int64))
        target = np.atleast_1d(np.asarray(self.target, dtype=np.int64))
        n = source.size
        plan = Plan("intervention", source=source, target=target, lane=np.zeros(n, dtype=np.int64))
        plan.birth_cause = np.full(n, cause_code("intervention"), dtype=np.uint8)
        if self.weight is not None:
            sign = -1.0 if q.source.inhibitory else 1.0
            plan.birth_weight = np.full(n, sign * self.weight, dtype=np.float32)
        sim.apply_plans(q, [plan])
        sim.refresh_weights(q)


def _factor(sim: Simulator, thing: Any, targets: Any, what: str) -> tuple[str, str, Any]:
    """Target population, name of the factor, and targets of a projection that uses `TrophicFactor`."""
    q = _projection(sim, thing)
    used = [m for m in q.mechanisms if isinstance(m, TrophicFactor)]
    if not used:
        raise BuildError(f"{q.name!r} does not use TrophicFactor: {what} has nothing to act on")
    if targets is None:
        return q.target.name, used[0].factor, slice(None)
    i = np.asarray(targets)
    if i.size and (i.min() < 0 or i.max() >= q.target.n or not np.issubdtype(i.dtype, np.integer)):
        raise ParameterError(f"targets of {what} must be indices in [0, {q.target.n}) of {q.target.name!r}, got {i}")
    return q.target.name, used[0].factor, i


@dataclass
class Infuse(Intervention):
    """Infuse the trophic factor of a projection around its targets (all, or the given ones); 0 ends it.

    `rate` adds to their own release, 1/day.
    """

    projection: Any
    rate: float
    targets: Any = None

    def check(self, sim: Simulator) -> None:
        """The projection has a factor; the rate is not negative."""
        _factor(sim, self.projection, self.targets, "Infuse")
        if not np.isfinite(self.rate) or self.rate < 0:
            raise ParameterError(f"Infuse.rate must be a number >= 0 (1/day), got {self.rate!r}")

    def apply(self, sim: Simulator) -> None:
        """From the next tick on."""
        where, factor, targets = _factor(sim, self.projection, self.targets, "Infuse")
        sim.blocks[where][f"infused_{factor}"][targets] = self.rate


@dataclass
class Antagonise(Intervention):
    """Block a share of the receptors for the trophic factor at the targets of a projection; 0 ends it."""

    projection: Any
    share: float = 1.0
    targets: Any = None

    def check(self, sim: Simulator) -> None:
        """The projection has a factor; the share lies in [0, 1]."""
        _factor(sim, self.projection, self.targets, "Antagonise")
        if not 0.0 <= self.share <= 1.0:
            raise ParameterError(f"Antagonise.share must lie in [0, 1], got {self.share!r}")

    def apply(self, sim: Simulator) -> None:
        """From the next tick on."""
        where, factor, targets = _factor(sim, self.projection, self.targets, "Antagonise")
        sim.blocks[where][f"blocked_{factor}"][targets] = self.share
