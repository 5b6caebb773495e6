"""Births (and, for the immigration-death model, deaths at a constant hazard).

    b(t) = late + early exp(-t / early_tau)      births per target neuron and day

The number in a tick is Poisson with the exact integral of b; each newborn draws its partner from the projection's wiring
kernel among the sources it has no contact with (unless several contacts per pair are allowed), and its lane uniformly.
Draws are keyed by (target, tick).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from neurodev.jit import kernel
from neurodev.mechanisms.base import F8, Mechanism, SynapseView
from neurodev.params import param
from neurodev.rng import uniform
from neurodev.structure.log import cause_code
from neurodev.structure.plan import Plan
from neurodev.units import day

_ROOM = np.uint64(64)


@kernel
def draw_births(
    stream, tick, mean, affinity, n_lane, single, in_start, in_length, in_row, n_source, taken, source, target, lane
):  # type: ignore[no-untyped-def]
    """Draw the births of a tick; returns how many, or -1 if the arrays are too small.

    affinity : (n_target, n_source);  taken : (n_source,) bool scratch
    """
    n = 0
    for j in range(affinity.shape[0]):
        base = np.uint64(j) * _ROOM
        # the Poisson number by inversion: means here are a few at most
        u = uniform(stream, base, tick)
        p = np.exp(-mean)
        total_p = p
        m = 0
        while u > total_p and m < 60:
            m += 1
            p *= mean / m
            total_p += p
        if m == 0:
            continue
        if n + m > source.shape[0]:
            return -1
        taken[:] = False
        if single:
            for k in range(in_start[j], in_start[j] + in_length[j]):
                taken[in_row[k] % n_source] = True
        for b in range(m):
            free = 0.0
            for i in range(n_source):
                if not taken[i]:
                    free += affinity[j, i]
            if free <= 0.0:
                break
            key = base + np.uint64(b + 1)
            left = uniform(stream, key, tick) * free
            chosen = -1
            for i in range(n_source):
                if not taken[i] and affinity[j, i] > 0.0:
                    chosen = i
                    left -= affinity[j, i]
                    if left <= 0.0:
                        break
            if single:
                taken[chosen] = True
            source[n] = chosen
            target[n] = j
            lane[n] = min(np.int64(uniform(stream ^ _ROOM, key, tick) * n_lane), n_lane - 1)
            n += 1
    return n


@dataclass(frozen=True)
class Turnover(Mechanism):
    """Births of synapses, and optionally deaths at a constant hazard.

    Parameters
    ----------
    early, late : float, 1/day
        b0 and b1, births per target neuron and day.
    early_tau : float, ms (life)
        T_b, decay of the early births.
    hazard : float, 1/day
        Constant death rate of every synapse (0: deaths are left to `SpineSize`).
    births : bool
        Off switch.
    """

    equation: ClassVar[str] = "births per neuron and day: late + early exp(-t/early_tau)"

    early: float = param(14.0, unit="1/day", clock="life", low=0.0, source="default study, section 2")
    late: float = param(1.4, unit="1/day", clock="life", low=0.0, source="default study, section 6")
    early_tau: float = param(4 * day, unit="ms", clock="life", above=0.0, source="default study, section 2")
    hazard: float = param(0.0, unit="1/day", clock="life", low=0.0, source="EX-33")
    births: bool = param(True, source="off switch")
    _affinity: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def fastest_life_time(self) -> float:
        """Of the hazard, where there is one; births are integrated exactly."""
        return day / self.hazard if self.hazard > 0 else float("inf")

    def prepare(self, view: SynapseView) -> None:
        """Tabulate the kernel once."""
        view.table.ensure_in_lists()
        if view.source_positions is not None and view.target_positions is not None and view.wiring is not None:
            a: F8 = view.wiring.affinity(view.source_positions, view.target_positions, view.same_population)
        else:
            a = np.ones((view.table.n_target, view.table.n_source))
        self._affinity[view.name] = np.ascontiguousarray(a)

    def expected(self, begin: float, end: float) -> float:
        """Expected births of a target between two life times, ms."""
        return float(
            self.late * (end - begin) / day
            + self.early * self.early_tau / day * (np.exp(-begin / self.early_tau) - np.exp(-end / self.early_tau))
        )

    def propose(self, view: SynapseView) -> Plan | None:
        """The births of this tick, and the deaths of the constant hazard."""
        c, t = view.clock, view.table
        plan = Plan(self.name)
        if self.hazard > 0:
            slots = view.slots()
            key, p = view.key("hazard"), -np.expm1(-self.hazard * c.tick_life / day)
            u = np.array([uniform(key, i, np.uint64(c.tick)) for i in t.uid[slots]])
            plan.deaths = slots[u < p]
            plan.death_cause = np.full(plan.deaths.size, cause_code("turnover"), dtype=np.uint8)
        if self.births:
            mean = self.expected(c.life - c.tick_life, c.life)
            room = int(t.n_target * (mean + 8 * np.sqrt(mean) + 4)) + 64
            source, target, lane = (np.empty(room, dtype=np.int64) for _ in range(3))
            n = draw_births(
                view.key("births"), np.uint64(c.tick), mean, self._affinity[view.name], t.n_lane,
                not view.multapses, t.in_start, t.in_length, t.in_row, t.n_source,
                np.zeros(t.n_source, dtype=np.bool_), source, target, lane,
            )  # fmt: skip
            assert n >= 0, "eight standard deviations of births in one tick"
            plan.source, plan.target, plan.lane = source[:n], target[:n], lane[:n]
            plan.birth_cause = np.full(n, cause_code("turnover"), dtype=np.uint8)
        return plan if plan.deaths.size or plan.source.size else None


def mean_number(t: F8, early: float, late: float, early_tau: float, hazard: float, start: float = 0.0) -> F8:
    """Mean number of synapses of the immigration-death model at times `t`, all in days (EX-34)."""
    d = hazard
    decay = np.exp(-d * t)
    transient = early * (np.exp(-t / early_tau) - decay) / (d - 1.0 / early_tau) if early else 0.0
    return np.asarray(start * decay + late / d * (1.0 - decay) + transient, dtype=np.float64)
