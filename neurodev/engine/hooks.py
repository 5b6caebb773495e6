"""Hot mechanisms as the event loop sees them: records of addresses, traces, and the lists of hooks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.engine.loop.state import Hooks
from neurodev.engine.network import Population, Projection
from neurodev.engine.order import acting
from neurodev.errors import BuildError
from neurodev.jit import address, address_of_hook, call_hook, kernel
from neurodev.mechanisms.base import Hot, Mechanism, NeuronBlock
from neurodev.mechanisms.hook_record import HookArrays
from neurodev.neurons.model import NeuronModel
from neurodev.neurons.rules import deliver_each
from neurodev.structure.table import Table


@dataclass
class HotInstance:
    """One mechanism with hot hooks on one projection or one population, with the arrays its record points to.

    Attributes
    ----------
    place : int
        Index of the projection or population.
    first_trace : int
        Where its traces begin among those of the engine.
    """

    mechanism: Mechanism
    place: int
    arrays: HookArrays
    first_trace: int = 0

    @property
    def hot(self) -> Hot:
        """Its hooks, and what they ask for."""
        return self.arrays.hot

    def refresh(self, bases: F8) -> None:
        """Write the addresses again, after the table has moved; `bases` are those of all traces of the engine."""
        self.arrays.fill(bases[self.first_trace : self.first_trace + self.arrays.tau.size])


@kernel
def call(function: int, record: int, t: float) -> None:
    """Call a hook from outside the loop."""
    call_hook(function, record, 0, 0, 0, 0, t)


def bring_up(h: HotInstance, t: float) -> None:
    """Bring what a mechanism keeps as of the last event to `t` (ms of the epoch)."""
    call(address_of_hook(h.hot.catch_up), address(h.arrays.record), t)


def brought_up(h: HotInstance, name: str, t: float) -> F8:
    """A column or signal as it is at `t`; everything is then put back as it was."""
    table = h.arrays.table
    kept = list(h.arrays.signals) if table is None else [table.column(c) for c in h.hot.columns]
    arrays: list[NDArray[Any]] = [*kept]
    if table is not None:
        arrays.append(table.weight)
    before = [a.copy() for a in arrays]
    bring_up(h, t)
    out = kept[h.hot.columns.index(name)].copy()
    for a, b in zip(arrays, before, strict=True):
        a[:] = b
    return out


def signal_blocks(populations: list[Population]) -> dict[str, NeuronBlock]:
    """The signals of every population: its rate, and those its mechanisms want, each with its fill value."""
    blocks = {p.name: NeuronBlock(p.n, name=p.name, room=p.room) for p in populations}
    for p in populations:
        blocks[p.name].add("rate_hz")
        for m in p.mechanisms:
            for name, fill in m.columns().items():
                blocks[p.name].add(name, fill)
    return blocks


def find_hot_populations(populations: list[Population], blocks: dict[str, NeuronBlock]) -> list[HotInstance]:
    """All mechanisms of populations with a hot hook, in the order in which they act."""
    found = []
    for p in populations:
        block = blocks[p.name]
        for m in acting(p.mechanisms):
            hot = m.hot(frozenset(block.signals))
            if hot is not None:
                arrays = HookArrays(f"{m.name} on {p.name!r}", hot, p.n, signals=[block[c] for c in hot.columns])
                found.append(HotInstance(m, p.index, arrays))
    return found


def find_hot(projections: list[Projection], tables: list[Table]) -> list[HotInstance]:
    """All mechanisms of projections with hot hooks, in the order in which they act."""
    found = []
    for i, (q, table) in enumerate(zip(projections, tables, strict=True)):
        names = frozenset(table.column_names)
        for m in acting(q.mechanisms):
            hot = m.hot(names)
            if hot is not None:
                if hot.on_release is not None:
                    check_scales(q, m)
                if not hot.rows_only:
                    table.ensure_in_lists()
                who, twice = f"{m.name} on {q.name!r}", 2 if q.signed else 1
                found.append(HotInstance(m, i, HookArrays(who, hot, table.n_target, table, copies=twice)))
    return found


def check_scales(q: Projection, m: Mechanism) -> None:
    """Refuse a mechanism that scales what rows deliver, onto neurons whose rules do not look.

    Raises
    ------
    BuildError
        With the projection, both classes and the cure.
    """
    model = q.target.model
    if not isinstance(model, NeuronModel):
        return
    rules = model.rules()
    if rules is not None and rules.deliver is not deliver_each and not model.scales:
        raise BuildError(
            f"projection {q.name!r}: {m.name} scales the weights of a row at each arrival, which the rule 'deliver' of "
            f"{type(model).__name__} does not heed: multiply weights by row_of(m, q).scale there and say scales = True "
            "on the class"
        )


class Releases(NamedTuple):
    """Hooks that say how much a row delivers, their records, and where they say it; 0 for a projection without one."""

    release: I8
    release_record: I8
    released: I8


def list_releases(
    instances: list[HotInstance], projections: list[Projection], blocked: Collection[tuple[str, str]] = ()
) -> Releases:
    """Of each projection; `blocked` as in `list_hooks`."""
    out = Releases(*(np.zeros(len(projections), dtype=np.int64) for _ in Releases._fields))
    for h in instances:
        if h.hot.on_release is None or (projections[h.place].name, h.mechanism.name) in blocked:
            continue
        out.release[h.place] = address_of_hook(h.hot.on_release)
        out.release_record[h.place] = address(h.arrays.record)
        out.released[h.place] = address(h.arrays.pre_trace)
    return out


def make_hooks(
    instances: list[HotInstance], neurons: list[HotInstance], projections: list[Projection], n_population: int
) -> tuple[Hooks, I8, I8]:
    """The hooks of the loop, and for each projection and target population where its hooks lie.

    At a spike a population's own mechanisms come before those of the synapses onto it.
    """
    trace: list[int] = []
    size: list[int] = []
    tau: list[float] = []
    for h in (*neurons, *instances):
        h.first_trace = len(trace)
        a = h.arrays
        rows = [*a.pre_trace[: len(h.hot.pre_traces)], *a.post_trace[: len(h.hot.post_traces)]]
        trace += [address(row) for row in rows]
        size += [row.size for row in rows]
        tau += a.tau.tolist()
    bases = np.zeros(len(trace))
    for h in (*neurons, *instances):
        h.refresh(bases)
    lists, hook_first, post_first = list_hooks(instances, neurons, projections, n_population)
    i8 = lambda x: np.array(x, dtype=np.int64)  # noqa: E731
    pre, pre_record, post, post_record = lists
    hooks = Hooks(
        pre, pre_record, post, post_record, i8(trace), i8(size), np.array(tau, dtype=np.float64), bases
    )  # fmt: skip
    return hooks, hook_first, post_first


def list_hooks(
    instances: list[HotInstance], neurons: list[HotInstance], projections: list[Projection], n_population: int,
    blocked: Collection[tuple[str, str]] = (),
) -> tuple[list[I8], I8, I8]:  # fmt: skip
    """Hooks and their records, of arrivals and of spikes, and where those of each projection and population lie.

    `blocked` names (projection, mechanism) pairs whose hooks are left out; their traces stay.
    """
    live = [h for h in instances if (projections[h.place].name, h.mechanism.name) not in blocked]
    pre, pre_record, hook_first = [], [], [0]
    for i in range(len(projections)):
        mine = [h for h in live if h.place == i and h.hot.on_pre is not None]
        pre += [address_of_hook(h.hot.on_pre) for h in mine]
        pre_record += [address(h.arrays.record) for h in mine]
        hook_first.append(len(pre))
    post, post_record, post_first = [], [], [0]
    for p in range(n_population):
        own = [n for n in neurons if n.place == p and n.hot.on_post is not None]
        on = [h for h in live if projections[h.place].target.index == p and h.hot.on_post is not None]
        post += [address_of_hook(x.hot.on_post) for x in own] + [address_of_hook(x.hot.on_post) for x in on]
        post_record += [address(x.arrays.record) for x in own] + [address(x.arrays.record) for x in on]
        post_first.append(len(post))
    i8 = lambda x: np.array(x, dtype=np.int64)  # noqa: E731
    return [i8(pre), i8(pre_record), i8(post), i8(post_record)], i8(hook_first), i8(post_first)
