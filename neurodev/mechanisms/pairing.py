"""Vacant synaptic elements meet and make synapses; synapses without elements break: the projection's half of MSP.

At a tick, in this order:

1. every synapse of the projection occupies one axonal element of its source and one dendritic element of its target;
2. a neuron with fewer whole axonal elements than synapses loses the difference, then the same for dendritic ones;
   which synapses, a declared rule says;
3. vacant axonal elements, in random order, each choose a vacant dendritic element with weight
   ``K(d) = exp(-(d / sigma)^2)`` of the distance;
4. what is still vacant may decay (`Growth.vacancy_tau`).

Where several projections draw on the same elements (the axons of one population end on two others, say), deficits and
vacancies are first dealt out at random: a deficit as if the doomed were drawn from all synapses of the neuron alike, a
vacant element in proportion to what each projection could offer it.  So no projection is served first.  Elements
freed at a tick are vacant from the next one on.

A side whose population has no elements of that kind (a drive, for instance) counts as plentiful.  Neurons that are
dead, unborn or too young for synapses (see `Neurogenesis`) offer nothing; synapses that go with a dying neuron free
the elements of their partners in the same tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.arrays import F8, I8
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Mechanism, NeuronBlock, SynapseView
from neurodev.mechanisms.pairing_rules import NOTHING, Choice, choose_partners, reach
from neurodev.noise import uniforms_of
from neurodev.params import param
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.plan import Plan

DELETION = ("random", "smallest", "oldest", "youngest")
_MOST = 1 << 20  # more draws than one neuron can need in a tick


@dataclass
class Elements:
    """What pairing keeps of a projection; each side's by whether it is the source."""

    counted: dict[bool, F8] = field(default_factory=dict)
    """Elements that the projection's synapses occupy, (n_neuron,), as last counted."""
    share: dict[bool, tuple[F8, F8]] = field(default_factory=dict)
    """Where this projection's part of each neuron's offer begins and ends, (n_neuron,), in this tick; logarithms."""
    doomed: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Slots that die for want of axonal elements in this tick."""


@dataclass(frozen=True)
class Pairing(Mechanism):
    """Make and break the synapses of a projection by the synaptic elements of both sides (see `Growth`).

    Parameters
    ----------
    axonal, dendritic : str
        Kinds of element that a synapse of this projection occupies.
    sigma : float, um
        Range of the kernel; infinite: distance does not matter.  (`Near` has 2 sigma^2 in its exponent, this has
        sigma^2, as in the literature.)
    deletion : {"random", "smallest", "oldest", "youngest"}
        Which synapses a neuron without elements loses; "smallest" goes by size (by weight where there are no spines).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> curve = nd.GaussianGrowth(epsilon=0.05)
    >>> cells = net.add(nd.LIF(), 20, name="cells").use(nd.Growth({"axonal": curve, "dendritic_excitatory": curve}))
    >>> net.connect(cells, cells, nd.Degree(0), weight=1.0).use(nd.Pairing())
    Projection('cells_cells', cells to cells, about 0 synapses, 0 inputs each, 1 mV, uses Pairing)
    """

    causes: ClassVar[dict[str, Cause]] = {
        "elements": Cause("its two neurons had fewer synaptic elements than synapses", colour="#3C9D7E"),
        "axonal_elements": Cause("its axon had fewer synaptic elements than synapses", colour="#4FA3B8"),
        "dendritic_elements": Cause("its dendrite had fewer synaptic elements than synapses", colour="#8E6BAF"),
    }
    equation: ClassVar[str] = (
        "births: vacant axonal x vacant dendritic, exp(-(d/sigma)^2);  deaths: elements < synapses"
    )

    axonal: str = param("axonal", source="declared")
    dendritic: str = param("dendritic_excitatory", source="declared")
    sigma: float = param(750.0, unit="um", above=0.0, high=float("inf"), source="RELeARN: 750 um")
    deletion: str = param("random", choices=DELETION, source="declared; NEST: the first found")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axonal == self.dendritic:
            raise ParameterError(f"Pairing.axonal and Pairing.dendritic are both {self.axonal!r}; name two kinds")

    def sides(self, view: SynapseView) -> list[tuple[NeuronBlock, str, bool]]:
        """(signals, kind, whether it is the source) of each side that has elements."""
        both = [(view.source, self.axonal, True), (view.target, self.dendritic, False)]
        return [(b, k, s) for b, k, s in both if f"elements_{k}" in b]

    def prepare(self, view: SynapseView) -> None:
        """Give the neurons the elements that the initial synapses occupy.

        Raises
        ------
        BuildError
            If neither population has elements of the kinds named.
        """
        sides = self.sides(view)
        if not sides:
            raise BuildError(
                f"projection {view.name!r}: neither {self.axonal!r} elements of its source nor {self.dendritic!r} "
                "elements of its target exist; let the populations use nd.Growth(elements={...}) with these kinds"
            )
        view.table.ensure_in_lists()
        for block, kind, source in sides:
            block[f"users_{kind}"][:] += 1
            mine = self._count(view, source)
            block[f"connected_{kind}"][:] += mine
            block[f"elements_{kind}"][:] += mine
            view.kept(Elements).counted[source] = mine

    @staticmethod
    def _ends(view: SynapseView, slots: I8, source: bool) -> I8:
        return view.table.pre(slots) if source else view.table.post[slots].astype(np.int64)

    def _count(self, view: SynapseView, source: bool) -> F8:
        n = view.source.n if source else view.target.n
        return np.bincount(self._ends(view, view.slots(), source), minlength=n).astype(np.float64)

    def signals(self, view: SynapseView) -> None:
        """Count the synapses anew: interventions and other mechanisms may have changed them."""
        for block, kind, source in self.sides(view):
            mine, before = self._count(view, source), view.kept(Elements).counted[source]
            before[~block.alive] = 0.0  # what the dead occupied went with them
            block[f"connected_{kind}"][:] += mine - before
            view.kept(Elements).counted[source] = mine
            block[f"offer_{kind}"][:] = NOTHING
            block[f"freed_{kind}"][:] = 0.0

    def add(self, view: SynapseView) -> None:
        """Vacancies of both sides, and what this projection could offer them."""
        for block, kind, source in self.sides(view):
            connected = block[f"connected_{kind}"]
            vacant = np.maximum(np.floor(block[f"elements_{kind}"]) - connected, 0.0)
            block[f"vacant_{kind}"][:] = np.where(self._able(view, source), vacant, 0.0)
            block[f"undealt_{kind}"][:] = connected
        shared = [block[f"users_{kind}"].max() > 1 for block, kind, _ in self.sides(view)]
        if any(shared):
            self._offer(view)

    def _vacant(self, view: SynapseView, source: bool) -> F8:
        block, kind = (view.source, self.axonal) if source else (view.target, self.dendritic)
        return block[f"vacant_{kind}"] if f"elements_{kind}" in block else self._able(view, source).astype(np.float64)

    @staticmethod
    def _able(view: SynapseView, source: bool) -> NDArray[np.bool_]:
        """Who may have a new synapse: the living that are old enough."""
        life = view.clock.life
        return view.source.ready("axon_from", life) if source else view.target.ready("synapses_from", life)

    def _offer(self, view: SynapseView) -> None:
        """Add the kernel-weighted vacancies within reach of each neuron, in logarithms; note where mine begin."""
        ends = (view.target.n, self._places(view, False)), (view.source.n, self._places(view, True))
        for block, kind, source in self.sides(view):
            (_, others), (_, own) = ends if source else ends[::-1]
            mine = np.full(block.n, NOTHING)
            wanting = np.flatnonzero(self._vacant(view, source))
            reach(wanting, own, others, self._vacant(view, not source), self.sigma, view.same_population, mine)
            begin = block[f"offer_{kind}"].copy()
            end = np.logaddexp(begin, mine)
            view.kept(Elements).share[source] = (begin, end)
            block[f"offer_{kind}"][:] = end

    @staticmethod
    def _places(view: SynapseView, source: bool) -> F8:
        where = view.source_positions if source else view.target_positions
        n = view.source.n if source else view.target.n
        return np.zeros((n, 2)) if where is None else np.ascontiguousarray(where, dtype=np.float64)

    # ------------------------------------------------------------------ deaths

    def advance(self, view: SynapseView) -> None:
        """Choose who dies for want of axonal elements."""
        view.kept(Elements).doomed = self._break(view, True, np.zeros(0, dtype=np.int64))

    def _break(self, view: SynapseView, source: bool, dying: I8) -> I8:
        """Slots that die for want of elements on one side; those `dying` already are not counted twice."""
        side = [x for x in self.sides(view) if x[2] == source]
        if not side:
            return np.zeros(0, dtype=np.int64)
        block, kind, _ = side[0]
        slots = np.setdiff1d(view.slots(), dying, assume_unique=True)
        end = self._ends(view, slots, source)
        mine = np.bincount(end, minlength=block.n)
        number = self._deal(view, block, kind, source, mine)
        block[f"undealt_{kind}"][:] -= mine
        if not number.any():
            return np.zeros(0, dtype=np.int64)
        order = np.lexsort((self._order(view, slots), end))
        first = np.concatenate([[0], np.cumsum(mine)[:-1]])
        rank = np.arange(slots.size) - first[end[order]]
        gone = slots[order[rank < number[end[order]]]]
        self._free(view, gone, source)
        return np.asarray(gone)

    def _free(self, view: SynapseView, gone: I8, dealt: bool | None = None) -> None:
        """Synapses leave their elements; the side that has `dealt` (source or not) has counted them already."""
        for block, kind, source in self.sides(view):
            lost = np.where(block.alive, np.bincount(self._ends(view, gone, source), minlength=block.n), 0)
            block[f"connected_{kind}"][:] -= lost
            block[f"freed_{kind}"][:] += lost
            view.kept(Elements).counted[source] -= lost
            if source != dealt:
                block[f"undealt_{kind}"][:] -= lost

    @staticmethod
    def _orphans(view: SynapseView, dying: I8) -> I8:
        """Synapses that go because one of their neurons has died in this tick."""
        if view.source.alive.all() and view.target.alive.all():
            return np.zeros(0, dtype=np.int64)
        slots = np.setdiff1d(view.slots(), dying, assume_unique=True)
        return slots[~(view.source.alive[view.table.pre(slots)] & view.target.alive[view.table.post[slots]])]

    def _deal(self, view: SynapseView, block: NeuronBlock, kind: str, source: bool, mine: I8) -> I8:
        """How many of each neuron's missing synapses are taken from this projection."""
        missing = np.maximum(block[f"connected_{kind}"] - np.floor(block[f"elements_{kind}"]), 0.0).astype(np.int64)
        left = block[f"undealt_{kind}"]
        number = np.where(left <= mine, np.minimum(missing, mine), 0)
        stream = view.key(f"deal {'axonal' if source else 'dendritic'}")
        for j in np.flatnonzero((missing > 0) & (left > mine) & (mine > 0)):
            # as many as fall on my synapses if the missing are drawn from all of the neuron's, without replacement
            u = uniforms_of(stream, np.arange(missing[j], dtype=np.uint64) + np.uint64(j * _MOST), view.clock.tick)
            for k in range(missing[j]):
                number[j] += u[k] * (left[j] - k) < mine[j] - number[j]
        return np.asarray(number, dtype=np.int64)

    def _order(self, view: SynapseView, slots: I8) -> NDArray[Any]:
        """Sorting key of the deletion rule: the smallest go first."""
        uid, t = view.table.uid[slots], view.table
        if self.deletion == "random":
            return uniforms_of(view.key("deletion"), uid, view.clock.tick)
        if self.deletion == "smallest":
            names = t.column_names
            sized = "log_size" if "log_size" in names else "size" if "size" in names else None
            return t.column(sized)[slots] if sized else np.abs(t.weight[slots]).astype(np.float64)
        age = uid.astype(np.int64)  # uids count births
        return age if self.deletion == "oldest" else -age

    # ------------------------------------------------------------------ births

    def propose(self, view: SynapseView) -> Plan | None:
        """Deaths for want of elements, and births where vacant elements meet."""
        kept = view.kept(Elements)
        before, kept.doomed = kept.doomed, np.zeros(0, dtype=np.int64)
        orphans = self._orphans(view, before)
        self._free(view, orphans)
        after = self._break(view, False, np.concatenate([before, orphans]))
        plan = Plan(self.name, np.concatenate([before, after]))
        codes = [cause_code("axonal_elements"), cause_code("dendritic_elements")]
        plan.death_cause = np.repeat(np.array(codes, dtype=np.uint8), [before.size, after.size])
        if "log_size" in view.table.column_names:
            plan.death_value = view.table.column("log_size")[plan.deaths].astype(np.float32)
        self._pair(view, plan)
        return plan if plan.deaths.size or plan.source.size else None

    def _mine(self, view: SynapseView, source: bool) -> I8:
        """Vacant elements of each neuron that this projection may use."""
        block, kind = (view.source, self.axonal) if source else (view.target, self.dendritic)
        vacant = block[f"vacant_{kind}"].astype(np.int64)
        if block[f"users_{kind}"].max() <= 1:
            return vacant
        begin, end = view.kept(Elements).share[source]
        total = block[f"offer_{kind}"]
        out = np.zeros(block.n, dtype=np.int64)
        # every element falls to one of the projections; keyed by kind and neuron, not by projection, so that all agree
        stream = rng.key(view.seed, block.name, kind, "share")
        for j in np.flatnonzero((vacant > 0) & (end > begin)):
            u = uniforms_of(stream, np.arange(vacant[j], dtype=np.uint64) + np.uint64(j * _MOST), view.clock.tick)
            first, last = np.exp(begin[j] - total[j]), np.exp(end[j] - total[j])
            out[j] = int(((u >= first) & (u < last)).sum())
        return out

    def _pair(self, view: SynapseView, plan: Plan) -> None:
        sides = {source: self._mine(view, source) for _, _, source in self.sides(view)}
        chooser = True in sides  # the axons choose, unless they are plentiful
        who = np.repeat(np.arange(sides[chooser].size), sides[chooser])
        room = sides.get(not chooser)
        plenty = room is None
        room = self._able(view, not chooser).astype(np.int64) if room is None else room.copy()
        if not who.size or not room.any():
            return
        stream, tick, t = view.key("pairing"), view.clock.tick, view.table
        index = np.arange(who.size, dtype=np.uint64)
        who = who[np.argsort(uniforms_of(stream, index, tick), kind="stable")]
        u = uniforms_of(view.key("partner"), index, tick)
        chosen = np.full(who.size, -1, dtype=np.int64)
        choose_partners(
            who, u, self._places(view, chooser), self._places(view, not chooser), room,
            Choice(plenty, float(self.sigma), view.same_population, not view.multapses, chooser), t.n_source, t.rows,
            t.post, t.in_lists, chosen,
        )  # fmt: skip
        met = chosen >= 0
        mine, theirs = who[met], chosen[met]
        plan.source, plan.target = (mine, theirs) if chooser else (theirs, mine)
        lane = uniforms_of(view.key("lane"), index[met], tick) * t.n_lane
        plan.lane = np.minimum(lane.astype(np.int64), t.n_lane - 1)
        plan.birth_cause = np.full(mine.size, cause_code("elements"), dtype=np.uint8)

    def born(self, view: SynapseView, slots: I8) -> None:
        """Newborns occupy elements."""
        for block, kind, source in self.sides(view):
            more = np.bincount(self._ends(view, slots, source), minlength=block.n)
            block[f"connected_{kind}"][:] += more
            view.kept(Elements).counted[source] += more
