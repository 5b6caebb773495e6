"""Hot mechanisms as the event loop sees them: records of addresses, traces, and the lists of hooks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.loop.state import Hooks
from neurodev.engine.network import Population, Projection
from neurodev.jit import address, address_of_hook
from neurodev.mechanisms import base
from neurodev.mechanisms.base import Hot, Mechanism, NeuronBlock
from neurodev.structure.table import Table

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass
class HotInstance:
    """One mechanism with hot hooks on one projection, with the arrays its record points to."""

    mechanism: Mechanism
    projection: int
    hot: Hot
    table: Table
    record: I8
    parameters: F8
    columns: I8
    pre_trace: F8
    post_trace: F8
    tau: F8
    first_trace: int = 0

    @property
    def n_row(self) -> int:
        """Rows of the table, that is values in a trace of arrivals."""
        return self.table.row_start.size

    @property
    def n_target(self) -> int:
        """Target neurons."""
        return self.table.n_target

    def refresh(self, bases: F8) -> None:
        """Write the addresses again, after the table has moved."""
        t, r = self.table, self.record
        r[base.R_F] = address(t.f)
        r[base.R_CAPACITY] = t.f.shape[1]
        r[base.R_N_COLUMN] = t.f.shape[0]
        r[base.R_POST], r[base.R_WEIGHT], r[base.R_UID] = address(t.post), address(t.weight), address(t.uid)
        r[base.R_IN_START], r[base.R_IN_LENGTH] = address(t.in_start), address(t.in_length)
        r[base.R_IN_SLOT], r[base.R_IN_ROW], r[base.R_N_IN] = address(t.in_slot), address(t.in_row), t.in_slot.size
        r[base.R_N_SOURCE], r[base.R_N_ROW], r[base.R_N_TARGET] = t.n_source, t.row_start.size, t.n_target
        r[base.R_PARAMETERS], r[base.R_N_PARAMETER] = address(self.parameters), self.parameters.size
        r[base.R_COLUMNS] = address(self.columns)
        r[base.R_PRE_TRACE], r[base.R_N_PRE_TRACE] = address(self.pre_trace), len(self.hot.pre_traces)
        r[base.R_POST_TRACE], r[base.R_N_POST_TRACE] = address(self.post_trace), len(self.hot.post_traces)
        r[base.R_BASE] = address(bases) + 8 * self.first_trace
        r[base.R_TAU] = address(self.tau)


@dataclass
class HotPopulation:
    """One mechanism with a hot hook on one population, with the arrays its record points to."""

    mechanism: Mechanism
    population: int
    hot: Hot
    n_target: int
    signals: list[F8]
    record: I8
    parameters: F8
    addresses: I8
    post_trace: F8
    tau: F8
    first_trace: int = 0

    def refresh(self, bases: F8) -> None:
        """Write the addresses again."""
        r = self.record
        self.addresses[:] = [address(a) for a in self.signals]
        r[base.R_SIGNAL], r[base.R_N_COLUMN] = address(self.addresses), len(self.signals)
        r[base.R_N_TARGET] = self.n_target
        r[base.R_PARAMETERS], r[base.R_N_PARAMETER] = address(self.parameters), self.parameters.size
        r[base.R_POST_TRACE], r[base.R_N_POST_TRACE] = address(self.post_trace), len(self.hot.post_traces)
        r[base.R_BASE] = address(bases) + 8 * self.first_trace
        r[base.R_TAU] = address(self.tau)


def signal_blocks(populations: list[Population]) -> dict[str, NeuronBlock]:
    """The signals of every population: its rate, and those its mechanisms want, each with its fill value."""
    blocks = {p.name: NeuronBlock(p.n, name=p.name, room=p.room) for p in populations}
    for p in populations:
        blocks[p.name].add("rate_hz")
        for m in p.mechanisms:
            for name, fill in m.columns().items():
                blocks[p.name].add(name, fill)
    return blocks


def find_hot_populations(populations: list[Population], blocks: dict[str, NeuronBlock]) -> list[HotPopulation]:
    """All mechanisms of populations with a hot hook, in order of declaration."""
    found = []
    for p in populations:
        block = blocks[p.name]
        for m in p.mechanisms:
            hot = m.hot(frozenset(block.signals))
            if hot is None:
                continue
            found.append(
                HotPopulation(
                    m, p.index, hot, p.n, [block[c] for c in hot.columns],
                    np.zeros(base.RECORD_SIZE, dtype=np.int64), np.array(hot.parameters, dtype=np.float64),
                    np.zeros(len(hot.columns), dtype=np.int64), np.zeros(max(len(hot.post_traces), 1) * p.n),
                    np.array(hot.post_traces, dtype=np.float64),
                )
            )  # fmt: skip
    return found


def find_hot(projections: list[Projection], tables: list[Table]) -> list[HotInstance]:
    """All mechanisms with hot hooks, in order of declaration."""
    found = []
    for i, (q, table) in enumerate(zip(projections, tables, strict=True)):
        names = frozenset(table.column_names)
        for m in q.mechanisms:
            hot = m.hot(names)
            if hot is None:
                continue
            table.ensure_in_lists()
            n_row = table.row_start.size
            found.append(
                HotInstance(
                    m, i, hot, table, np.zeros(base.RECORD_SIZE, dtype=np.int64),
                    np.array(hot.parameters, dtype=np.float64),
                    np.array([table.column_names.index(c) for c in hot.columns if c in names] or [0], dtype=np.int64),
                    np.zeros(max(len(hot.pre_traces), 1) * n_row),
                    np.zeros(max(len(hot.post_traces), 1) * table.n_target),
                    np.array(hot.pre_traces + hot.post_traces, dtype=np.float64),
                )
            )  # fmt: skip
    return found


def make_hooks(
    instances: list[HotInstance], neurons: list[HotPopulation], projections: list[Projection], n_population: int
) -> tuple[Hooks, I8, I8]:
    """The hooks of the loop, and for each projection and target population where its hooks lie.

    At a spike a population's own mechanisms come before those of the synapses onto it.
    """
    trace: list[int] = []
    size: list[int] = []
    tau: list[float] = []
    for n in neurons:
        n.first_trace = len(trace)
        for k, t in enumerate(n.hot.post_traces):
            trace.append(address(n.post_trace) + 8 * k * n.n_target)
            size.append(n.n_target)
            tau.append(t)
    for h in instances:
        h.first_trace = len(trace)
        for k, t in enumerate(h.hot.pre_traces):
            trace.append(address(h.pre_trace) + 8 * k * h.n_row)
            size.append(h.n_row)
            tau.append(t)
        for k, t in enumerate(h.hot.post_traces):
            trace.append(address(h.post_trace) + 8 * k * h.n_target)
            size.append(h.n_target)
            tau.append(t)
    bases = np.zeros(len(trace))
    for n in neurons:
        n.refresh(bases)
    for h in instances:
        h.refresh(bases)
    lists, hook_first, post_first = list_hooks(instances, neurons, projections, n_population)
    i8 = lambda x: np.array(x, dtype=np.int64)  # noqa: E731
    pre, pre_record, post, post_record = lists
    hooks = Hooks(
        pre, pre_record, post, post_record, i8(trace), i8(size), np.array(tau, dtype=np.float64), bases
    )  # fmt: skip
    return hooks, hook_first, post_first


def list_hooks(
    instances: list[HotInstance], neurons: list[HotPopulation], projections: list[Projection], n_population: int,
    blocked: Collection[tuple[str, str]] = (),
) -> tuple[list[I8], I8, I8]:  # fmt: skip
    """Hooks and their records, of arrivals and of spikes, and where those of each projection and population lie.

    `blocked` names (projection, mechanism) pairs whose hooks are left out; their traces stay.
    """
    live = [h for h in instances if (projections[h.projection].name, h.mechanism.name) not in blocked]
    pre, pre_record, hook_first = [], [], [0]
    for i in range(len(projections)):
        mine = [h for h in live if h.projection == i and h.hot.on_pre is not None]
        pre += [address_of_hook(h.hot.on_pre) for h in mine]
        pre_record += [address(h.record) for h in mine]
        hook_first.append(len(pre))
    post, post_record, post_first = [], [], [0]
    for p in range(n_population):
        own = [n for n in neurons if n.population == p and n.hot.on_post is not None]
        on = [h for h in live if projections[h.projection].target.index == p and h.hot.on_post is not None]
        post += [address_of_hook(x.hot.on_post) for x in own] + [address_of_hook(x.hot.on_post) for x in on]
        post_record += [address(x.record) for x in own] + [address(x.record) for x in on]
        post_first.append(len(post))
    i8 = lambda x: np.array(x, dtype=np.int64)  # noqa: E731
    return [i8(pre), i8(pre_record), i8(post), i8(post_record)], i8(hook_first), i8(post_first)
