"""The stage on which a mechanism plays alone: its ticks on a table without spikes, its hooks over given trains.

`Ticks` calls the phases of a tick in the simulator's order; `Trains` calls the hot hooks in the event loop's order
(arrivals before spikes at equal times).  Nothing here knows what any mechanism does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev import jit
from neurodev.arrays import F8, I4, I8
from neurodev.errors import ParameterError
from neurodev.jit import call_hook, kernel
from neurodev.mechanisms.base import Clock, Mechanism, NeuronBlock, NeuronView, SynapseView, terms_of
from neurodev.mechanisms.hook_record import HookArrays
from neurodev.noise import uniforms_of
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.log import LogBatch, StructuralLog, concatenate
from neurodev.structure.plan import Applied, Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.units import hour


def star(n: int, n_target: int = 1, columns: tuple[str, ...] = ("size",), delays: ArrayLike = (1.0,)) -> Table:
    """`n` synapses on each of `n_target` targets, every source once per target."""
    source, target = np.tile(np.arange(n), n_target), np.repeat(np.arange(n_target), n)
    lane = np.zeros(n * n_target, dtype=np.int64)
    return Table.build(n, n_target, delays, source, target, lane, 1.0, columns=columns)


class Ticks:
    """Mechanisms in ticks on one projection, without spikes.

    Parameters
    ----------
    mechanisms : sequence of Mechanism
        Synapse-level ones act on the projection, neuron-level ones on its targets.
    table : Table
    tick : float, ms (life)
    acceleration : float
    seed : int
    **options
        Fields of `SynapseView`.
    """

    def __init__(
        self, mechanisms: Sequence[Mechanism], table: Table, tick: float = 2 * hour, acceleration: float = 120.0,
        seed: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        self.table, self.tick = table, tick
        self.synaptic = [m for m in mechanisms if m.level == "synapse"]
        self.neuronal = [m for m in mechanisms if m.level == "neuron"]
        for m in self.synaptic:
            for name, fill in m.columns().items():
                if name not in table.column_names:
                    table.add_column(name, fill)
        table.ensure_in_lists()
        self.clock = Clock(0, 0.0, 0.0, tick, tick / acceleration)
        source, target = NeuronBlock(table.n_source), NeuronBlock(table.n_target)
        for block in (source, target):
            block.add("rate_hz")
        options.setdefault("mortal", not any(m.forbids_deaths() for m in self.synaptic))
        self.view = SynapseView("alone", table, source, target, self.clock, seed, **options)
        self.neurons = NeuronView("alone", target, self.clock, seed)
        self.log = StructuralLog(tuple(terms_of(mechanisms, table.column_names)))
        self.batches: list[LogBatch] = []
        for m in self.neuronal:
            for name, fill in m.columns().items():
                target.add(name, fill)
            m.prepare(self.neurons)
        for m in self.synaptic:
            m.prepare(self.view)

    def phase(self, name: str) -> None:
        """One phase of all mechanisms."""
        for m in self.neuronal:
            getattr(m, name)(self.neurons)
        for m in self.synaptic:
            getattr(m, name)(self.view)

    def step(self, n: int = 1) -> Applied | None:
        """`n` ticks; returns what the last one did."""
        done = None
        for _ in range(n):
            c = self.clock
            c.tick += 1
            c.life, c.spike = c.tick * self.tick, c.tick * c.tick_spike
            for name in ("signals", "add", "advance"):
                self.phase(name)
            plans = [p for p in (m.propose(self.view) for m in self.synaptic) if isinstance(p, Plan)]
            merged = merge(plans, self.table, single_contact=not self.view.multapses)
            done = apply(self.table, merged, tick=c.tick, life=c.life, log=self.log)
            if done.n_born:
                for m in self.synaptic:
                    m.born(self.view, done.slots)
            self.phase("settle")
        return done

    def events(self) -> LogBatch:
        """Everything logged so far."""
        self.batches.append(self.log.take())
        return concatenate(self.batches)

    def of(self, column: str) -> F8:
        """A column of the living, by uid."""
        slots = self.table.slots()
        return np.asarray(self.table.column(column)[slots][np.argsort(self.table.uid[slots])])


class Events(NamedTuple):
    """Events in order of time, (n,) each."""

    time: F8
    """ms"""
    kind: I8
    """ARRIVAL or SPIKE."""
    cell: I8
    """Source of an arrival, target of a spike."""
    lane: I8


class Traces(NamedTuple):
    """The traces of a hook, rescaled."""

    pre: F8
    """(n_pre_trace, n_row)"""
    post: F8
    """(n_post_trace, n_target)"""
    base: F8
    """(n_trace,), ms, pre traces first."""
    tau: F8
    """(n_trace,), ms"""


ARRIVAL, SPIKE = 0, 1


@kernel
def play(
    release_hook: int, pre_hook: int, post_hook: int, record: int, events: Events, row_start: I8, row_length: I4,
    n_source: int, traces: Traces, span: float,
) -> None:  # fmt: skip
    """Call the hooks of all events in order, moving a trace's base whenever it is `span` time constants old.

    row_start, row_length : (n_row,);  a hook of 0 is none
    """
    n_pre = traces.pre.shape[0]
    for e in range(events.time.shape[0]):
        t = events.time[e]
        for k in range(traces.tau.shape[0]):
            age = (t - traces.base[k]) / traces.tau[k]
            if age > span:
                if k < n_pre:
                    traces.pre[k] *= np.exp(-age)
                else:
                    traces.post[k - n_pre] *= np.exp(-age)
                traces.base[k] = t
        if events.kind[e] == ARRIVAL:
            row = events.lane[e] * n_source + events.cell[e]
            first = row_start[row]
            for hook in (release_hook, pre_hook):
                if hook != 0:
                    call_hook(hook, record, events.cell[e], events.lane[e], first, first + row_length[row], t)
        elif post_hook != 0:
            call_hook(post_hook, record, events.cell[e], 0, 0, 0, t)


class Trains:
    """The hot hooks of one mechanism on one table, fed with emissions of the sources and spikes of the targets.

    A trace's base moves when it is `span` time constants old, as in the event loop.

    Raises
    ------
    ParameterError
        If the mechanism has no hot hooks.
    """

    def __init__(self, mechanism: Mechanism, table: Table, span: float = 50.0) -> None:
        hot = mechanism.hot(frozenset(table.column_names))
        if hot is None:
            raise ParameterError(f"{mechanism.name} has no hot hooks: play it in Ticks")
        table.ensure_in_lists()
        self.hot, self.table, self.span = hot, table, span
        self.arrays = HookArrays(mechanism.name, hot, table.n_target, table)
        n_pre, n_post = len(hot.pre_traces), len(hot.post_traces)
        self.x, self.y = self.arrays.pre_trace[:n_pre], self.arrays.post_trace[:n_post]
        self.base, self.tau = np.zeros(n_pre + n_post), self.arrays.tau
        self.arrays.fill(self.base)

    def run(self, emissions: Sequence[ArrayLike], spikes: Sequence[ArrayLike]) -> None:
        """Play all emissions (one array of times per source, ms) and spikes (one per target)."""
        rows: list[tuple[F8, int, int, int]] = []
        for i, times in enumerate(emissions):
            rows += [(np.asarray(times, dtype=float) + d, ARRIVAL, i, k) for k, d in enumerate(self.table.delays)]
        rows += [(np.asarray(times, dtype=float), SPIKE, j, 0) for j, times in enumerate(spikes)]
        time = np.concatenate([r[0] for r in rows])
        kind, index, lane = (
            np.concatenate([np.full(r[0].size, r[c], dtype=np.int64) for r in rows]) for c in (1, 2, 3)
        )
        order = np.lexsort((index, lane, kind, time))
        t = self.table
        release, pre, post = (jit.address_of_hook(h) for h in (self.hot.on_release, self.hot.on_pre, self.hot.on_post))
        play(
            release, pre, post, jit.address(self.arrays.record),
            Events(time[order], kind[order], index[order], lane[order]), t.row_start, t.row_length, t.n_source,
            Traces(self.x, self.y, self.base, self.tau), self.span,
        )  # fmt: skip


def poisson(rate_hz: float, duration: float, draw: np.random.Generator) -> F8:
    """A Poisson train, ms."""
    return np.sort(draw.uniform(0.0, duration, draw.poisson(rate_hz * duration / 1e3)))


@dataclass(frozen=True)
class Push(Mechanism, word=False):
    """Holds the set-points of synapses away from the mean: `amount` (n,) in sd, by uid from the first on."""

    adds: ClassVar[tuple[str, ...]] = ("drive_push",)
    causes: ClassVar[dict[str, Cause]] = {"push": Cause("its set-point was held low")}
    amount: Any = None

    def columns(self) -> dict[str, float]:
        """The drive it adds to."""
        return {"drive_push": 0.0}

    def add(self, view: SynapseView) -> None:
        """Add each synapse's amount."""
        t, slots = view.table, view.slots()
        t.column("drive_push")[slots] += np.asarray(self.amount, dtype=float)[t.uid[slots].astype(np.int64) - 1]


@dataclass(frozen=True)
class Replacement(Mechanism, word=False):
    """Keeps the number of synapses: each one that died is replaced by a newborn a tick later, from a random source."""

    number: Any = None

    def propose(self, view: SynapseView) -> Plan | None:
        """As many births on each target as it lacks."""
        t = view.table
        lacking = np.maximum(self.number - t.in_length.astype(np.int64), 0)
        target = np.repeat(np.arange(t.n_target), lacking)
        if not target.size:
            return None
        plan = Plan(self.name)
        plan.target = target
        counter = np.arange(target.size, dtype=np.uint64)
        u = uniforms_of(view.key("replacement"), counter, view.clock.tick)
        plan.source = np.minimum((u * t.n_source).astype(np.int64), t.n_source - 1)
        plan.lane = np.zeros(target.size, dtype=np.int64)
        plan.birth_cause = np.full(target.size, cause_code("turnover"), dtype=np.uint8)
        return plan
