"""Rewiring by attempts: pairs are tried at random; who is connected may lose the synapse, who is not may get one.

Every target tries `attempts` times a day, a source at random each time.  A synapse that is found there is eliminated
with probability `elimination`; where there is none one is formed with probability `formation`, times the density of the
wiring kernel at their distance (1 at no distance) if `local`.  Attempts are a Poisson process, and within a tick they
are carried out one after the other, so that the law does not depend on the tick: a pair that is tried at the rate r is
connected with

    P(t) = P + (P(0) - P) exp(-(formation + elimination) r t),     P = formation / (formation + elimination)

What is formed and lost again within one tick is never seen.  Bamford, Murray & Willshaw 2010 have such a rule for maps,
with attempts at a constant rate and formation by a Gaussian of distance; their elimination depends on weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import B1, F8, I8
from neurodev.errors import BuildError
from neurodev.jit import kernel
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.turnover import MOST, affinity_of, draw_numbers, in_blocks
from neurodev.params import param
from neurodev.rng import uniform
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.plan import Plan
from neurodev.structure.store import InLists
from neurodev.units import day

_ROOM = np.uint64(1024)  # draws of a target in a tick, more than MOST
ABSENT, NEW = -1, -2  # states of a pair; an old synapse has its slot, birth k of the tick NEW - k


class Streams(NamedTuple):
    """Keys of draws: which source, whether it comes to something, and the lane of a newborn."""

    source: np.uint64
    outcome: np.uint64
    lane: np.uint64


class Found(NamedTuple):
    """What attempts come to: births (a source of -1 is none after all), and slots of deaths."""

    source: I8
    target: I8
    lane: I8
    death: I8


@kernel
def attempt(
    streams: Streams, tick: np.uint64, number: I8, targets: I8, formation: F8, elimination: float, able: B1, same: bool,
    n_lane: int, lists: InLists, state: I8, out: Found,
) -> tuple[int, int]:  # fmt: skip
    """Carry out the attempts of some targets, one after the other; returns how many births and deaths there are.

    number : (n,), attempts of each target
    formation : (n, n_source) or (1, 1), probability that an attempt on a pair without a synapse forms one
    able : (n_source,), whether a source may have a new synapse
    state : (n_source,), all ABSENT
    """
    n_source, n_birth, n_death = state.shape[0], 0, 0
    among = n_source - 1 if same else n_source
    for i in range(targets.shape[0]):
        j = targets[i]
        first, last, begin = lists.start[j], lists.start[j] + lists.length[j], n_birth
        for k in range(first, last):
            state[lists.row[k] % n_source] = lists.slot[k]
        for b in range(number[i]):
            key = np.uint64(j) * _ROOM + np.uint64(b + 1)
            a = min(int(uniform(streams.source, key, tick) * among), among - 1)
            if same and a >= j:
                a += 1
            u = uniform(streams.outcome, key, tick)
            if state[a] == ABSENT:
                p = formation[i, a] if formation.shape[1] == n_source else formation[0, 0]
                if able[a] and u < p:
                    state[a] = NEW - n_birth
                    out.source[n_birth], out.target[n_birth] = a, j
                    out.lane[n_birth] = min(int(uniform(streams.lane, key, tick) * n_lane), n_lane - 1)
                    n_birth += 1
            elif u < elimination:
                if state[a] >= 0:
                    out.death[n_death] = state[a]
                    n_death += 1
                else:
                    out.source[NEW - state[a]] = -1
                state[a] = ABSENT
        for k in range(first, last):
            state[lists.row[k] % n_source] = ABSENT
        for k in range(begin, n_birth):
            if out.source[k] >= 0:
                state[out.source[k]] = ABSENT
    return n_birth, n_death


@dataclass(frozen=True)
class Rewiring(Mechanism):
    """Random rewiring by attempts, with constant probabilities of formation and elimination.

    Parameters
    ----------
    attempts : float, 1/day
        Of each target neuron.
    formation : float
        Probability that an attempt on a pair without a synapse forms one.
    elimination : float
        Probability that an attempt on a pair with a synapse eliminates it.
    local : bool
        Whether `formation` is multiplied by the wiring kernel, which is 1 at no distance; else all pairs are alike.

    Raises
    ------
    BuildError
        Where pairs may have several contacts, or a tick would hold too many attempts.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0).use(nd.Rewiring())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV, uses Rewiring)
    """

    attempts: float = param(10.0, unit="1/day", clock="life", low=0.0, source="free")
    formation: float = param(0.02, unit="1", low=0.0, high=1.0, source="free; Bamford 2010: .16 or 1 (recalled)")
    elimination: float = param(0.2, unit="1", low=0.0, high=1.0, source="free; Bamford 2010: .0245 (recalled)")
    local: bool = param(False, source="off switch; Bamford 2010: on")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "each target tries a random source, attempts a day: a synapse there is lost with probability elimination, an "
        "absent one made with probability formation (times the wiring kernel, if local)"
    )
    causes: ClassVar[dict[str, Cause]] = {
        "attempt": Cause(
            "an attempt at rewiring came upon it, and it was eliminated", "an attempt at rewiring formed it",
            colour="#7A7A3A",
        )
    }  # fmt: skip

    def prepare(self, view: SynapseView) -> None:
        """Refuse what the law does not hold for."""
        if view.multapses:
            raise BuildError(
                f"projection {view.name!r}: Rewiring knows one synapse a pair or none; connect with multapses=False"
            )
        most = self.attempts * view.clock.tick_life / day
        if most > MOST / 2:
            raise BuildError(
                f"projection {view.name!r}: a tick holds {most:g} attempts of a target, more than {MOST // 2}; lower "
                "Rewiring.attempts, or use a shorter tick="
            )
        view.table.ensure_in_lists()

    def propose(self, view: SynapseView) -> Plan | None:
        """What the attempts of this tick come to."""
        t, c, same = view.table, view.clock, view.same_population
        mean = np.where(view.target.ready("synapses_from", c.life), self.attempts * c.tick_life / day, 0.0)
        if t.n_source <= int(same):
            return None  # nobody to try
        number = np.zeros(t.n_target, dtype=np.int64)
        draw_numbers(view.key("attempts"), np.uint64(c.tick), mean, number)
        busy = view.here(np.flatnonzero(number))
        if not busy.size:
            return None
        able, state = view.source.ready("axon_from", c.life), np.full(t.n_source, ABSENT, dtype=np.int64)
        streams = Streams(*(view.key(f"attempt {name}") for name in Streams._fields))
        parts: list[Found] = []
        for some in in_blocks(busy, t.n_source) if self.local else [busy]:
            p = np.full((1, 1), self.formation)
            if self.local:
                p = self.formation * np.minimum(affinity_of(view, some), 1.0)
            room = int(number[some].sum())
            out = Found(*(np.empty(room, dtype=np.int64) for _ in Found._fields))
            born, died = attempt(
                streams, np.uint64(c.tick), number[some], some, p, self.elimination, able, same, t.n_lane, t.in_lists,
                state, out,
            )  # fmt: skip
            stays = out.source[:born] >= 0
            source, target, lane = (a[:born][stays] for a in (out.source, out.target, out.lane))
            parts.append(Found(source, target, lane, out.death[:died]))
        source, target, lane, death = (np.concatenate(x) for x in zip(*parts, strict=True))
        if not source.size and not death.size:
            return None
        code = cause_code("attempt")
        plan = Plan(self.name, death, source=source, target=target, lane=lane)
        plan.death_cause, plan.birth_cause = (np.full(a.size, code, dtype=np.uint8) for a in (death, source))
        if "log_size" in t.column_names:
            plan.death_value = t.column("log_size")[death].astype(np.float32)
        return plan


# ---------------------------------------------------------------------- closed form


def connected(rule: Rewiring, days: ArrayLike, n_source: int, start: float = 0.0) -> F8:
    """Share of pairs that are connected after so many days, of `n_source` possible sources of a target, none far.

    `start` is that at time 0.
    """
    both = rule.formation + rule.elimination
    share = rule.formation / both if both > 0.0 else start
    t = np.asarray(days, dtype=np.float64)
    return np.asarray(share + (start - share) * np.exp(-both * rule.attempts / n_source * t))
