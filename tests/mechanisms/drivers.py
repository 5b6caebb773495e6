"""Tiny drivers: a mechanism's hooks over given spike trains, and a mechanism's ticks over a hand-made table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neurodev import jit
from neurodev.jit import call_hook, kernel
from neurodev.mechanisms import base
from neurodev.mechanisms.base import Clock, Mechanism, NeuronBlock, NeuronView, SynapseView
from neurodev.structure.log import LogBatch, StructuralLog, concatenate
from neurodev.structure.plan import Applied, apply, merge
from neurodev.structure.table import Table, UidSource
from neurodev.units import day, hour

SIZED = ("log_size", "accumulator")  # columns by which STDP gathers evidence instead of writing weights


@kernel
def play(
    pre_hook, post_hook, record, time, kind, index, lane, row_start, row_length, n_source, x, y, base_time, tau, span
):
    """Call the hooks of all events in order, moving a trace's base whenever it is `span` time constants old."""
    n_pre = x.shape[0]
    for e in range(time.shape[0]):
        t = time[e]
        for k in range(tau.shape[0]):
            age = (t - base_time[k]) / tau[k]
            if age > span:
                if k < n_pre:
                    x[k] *= np.exp(-age)
                else:
                    y[k - n_pre] *= np.exp(-age)
                base_time[k] = t
        if kind[e] == 0:
            row = lane[e] * n_source + index[e]
            first = row_start[row]
            call_hook(pre_hook, record, index[e], lane[e], first, first + row_length[row], t)
        else:
            call_hook(post_hook, record, index[e], 0, 0, 0, t)


class HotDriver:
    """The hooks of one mechanism on one table, fed with emissions of the sources and spikes of the targets."""

    def __init__(self, mechanism: Mechanism, table: Table, span: float = 50.0) -> None:
        hot = mechanism.hot(frozenset(table.column_names))
        table.ensure_in_lists()
        self.hot, self.table, self.span = hot, table, span
        self.x = np.zeros((len(hot.pre_traces), table.n_row))
        self.y = np.zeros((len(hot.post_traces), table.n_target))
        self.tau = np.array(hot.pre_traces + hot.post_traces)
        self.base = np.zeros(self.tau.size)
        self.parameters = np.array(hot.parameters)
        names = table.column_names
        self.columns = np.array([names.index(c) for c in hot.columns if c in names] or [0], dtype=np.int64)
        self.record = np.zeros(base.RECORD_SIZE, dtype=np.int64)
        r, t = self.record, table
        for entry, array in (
            (base.R_F, t.f), (base.R_POST, t.post), (base.R_WEIGHT, t.weight), (base.R_IN_START, t.in_start),
            (base.R_IN_LENGTH, t.in_length), (base.R_IN_SLOT, t.in_slot), (base.R_IN_ROW, t.in_row),
            (base.R_PARAMETERS, self.parameters), (base.R_COLUMNS, self.columns), (base.R_PRE_TRACE, self.x),
            (base.R_POST_TRACE, self.y), (base.R_BASE, self.base), (base.R_TAU, self.tau), (base.R_UID, t.uid),
        ):  # fmt: skip
            r[entry] = jit.address(array)
        for entry, number in (
            (base.R_CAPACITY, t.capacity), (base.R_N_IN, t.in_slot.size), (base.R_N_SOURCE, t.n_source),
            (base.R_N_ROW, t.n_row), (base.R_N_TARGET, t.n_target), (base.R_N_PARAMETER, self.parameters.size),
            (base.R_N_COLUMN, t.f.shape[0]), (base.R_N_PRE_TRACE, len(hot.pre_traces)),
            (base.R_N_POST_TRACE, len(hot.post_traces)),
        ):  # fmt: skip
            r[entry] = number

    def run(self, emissions: list[NDArray[np.float64]], spikes: list[NDArray[np.float64]]) -> None:
        """Play all emissions (one array of times per source, ms) and spikes (one per target)."""
        time, kind, index, lane = [], [], [], []
        for i, times in enumerate(emissions):
            for k, d in enumerate(self.table.delays):
                time.append(np.asarray(times) + d)
                kind.append(np.zeros(len(times), dtype=np.int64))
                index.append(np.full(len(times), i, dtype=np.int64))
                lane.append(np.full(len(times), k, dtype=np.int64))
        for j, times in enumerate(spikes):
            time.append(np.asarray(times))
            kind.append(np.ones(len(times), dtype=np.int64))
            index.append(np.full(len(times), j, dtype=np.int64))
            lane.append(np.zeros(len(times), dtype=np.int64))
        t, k, i, n = (np.concatenate(a) for a in (time, kind, index, lane))
        order = np.lexsort((i, n, k, t))  # arrivals come before spikes at equal times
        tab = self.table
        play(
            jit.address_of_hook(self.hot.on_pre), jit.address_of_hook(self.hot.on_post), jit.address(self.record),
            t[order].astype(np.float64), k[order], i[order], n[order], tab.row_start, tab.row_length, tab.n_source,
            self.x, self.y, self.base, self.tau, self.span,
        )  # fmt: skip


def pairs_table(n_source: int, n_target: int, delays: list[float], columns: tuple[str, ...] = SIZED) -> Table:
    """Every source on every target, once for each delay."""
    s, t, k = (a.ravel() for a in np.meshgrid(range(n_source), range(n_target), range(len(delays)), indexing="ij"))
    return Table.build(n_source, n_target, delays, s, t, k, 0.5, columns=columns)


def poisson(rate_hz: float, duration: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """A Poisson train, ms."""
    return np.sort(draw.uniform(0.0, duration, draw.poisson(rate_hz * duration / 1e3)))


@dataclass
class World:
    """Mechanisms in ticks on one projection, in the phases of the simulator and without spikes."""

    mechanisms: tuple[Mechanism, ...]
    table: Table
    tick: float = 2 * hour
    acceleration: float = 120.0
    seed: int = 1
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        t = self.table
        for m in self.mechanisms:
            for name, fill in m.columns().items():
                t.add_column(name, fill)
        t.ensure_in_lists()
        self.clock = Clock(0, 0.0, 0.0, self.tick, self.tick / self.acceleration)
        blocks = NeuronBlock(t.n_source), NeuronBlock(t.n_target)
        for b in blocks:
            b.add("rate_hz")
        self.view = SynapseView("p", t, *blocks, self.clock, self.seed, **self.options)
        self.log = StructuralLog()
        self.batches: list[LogBatch] = []
        for m in self.mechanisms:
            m.prepare(self.view)

    def phase(self, name: str) -> None:
        """One phase of all mechanisms."""
        for m in self.mechanisms:
            getattr(m, name)(self.view)

    def step(self, n: int = 1) -> Applied:
        """`n` ticks; returns what the last one did."""
        for _ in range(n):
            c = self.clock
            c.tick += 1
            c.life, c.spike = c.tick * self.tick, c.tick * c.tick_spike
            for name in ("signals", "add", "advance"):
                self.phase(name)
            plans = [p for p in (m.propose(self.view) for m in self.mechanisms) if p is not None]
            merged = merge(plans, self.table, single_contact=not self.view.multapses)
            done = apply(self.table, merged, tick=c.tick, life=c.life, log=self.log)
            if done.n_born:
                for m in self.mechanisms:
                    m.born(self.view, done.slots)
        return done

    def events(self) -> LogBatch:
        """Everything logged so far."""
        self.batches.append(self.log.take())
        return concatenate(self.batches)

    def of(self, column: str) -> NDArray[np.float64]:
        """A column of the living, by uid."""
        slots = self.table.slots()
        return self.table.column(column)[slots][np.argsort(self.table.uid[slots])]


def star(n: int, n_target: int = 1, columns: tuple[str, ...] = ("size",)) -> Table:
    """`n` synapses on each of `n_target` targets, each source used once per target."""
    source, target = np.tile(np.arange(n), n_target), np.repeat(np.arange(n_target), n)
    return Table.build(n, n_target, [1.0], source, target, np.zeros(n * n_target, int), 1.0, columns=columns)


def sizes(n: int, mechanism: Mechanism, *more: Mechanism, tick: float = 2 * hour, seed: int = 1) -> World:
    """A world of `n` synapses on one target."""
    return World((mechanism, *more), star(n), tick=tick, seed=seed)


def neurons(mechanism: Mechanism, n: int, tick: float = 2 * hour) -> NeuronView:
    """A population with the signals of a neuron-level mechanism."""
    block = NeuronBlock(n)
    block.add("rate_hz")
    for name, fill in mechanism.columns().items():
        block.add(name, fill)
    view = NeuronView("n", block, Clock(0, 0.0, 0.0, tick, tick / 120), 1)
    mechanism.prepare(view)
    return view


def few(many: int, interpreted: int) -> int:
    """A number of samples: fewer where everything is interpreted."""
    return many if jit.ENABLED else interpreted


__all__ = ["SIZED", "HotDriver", "UidSource", "World", "day", "few", "hour", "neurons", "pairs_table", "poisson"]
