"""How a network is dealt to ranks: which parts each has and, where that is asked for, which synapses it keeps.

A rank needs no synapse onto the neurons of others to run.  Where mechanisms need no more than the synapses of a target
(`Mechanism.reach`) it may keep those onto its own neurons alone: memory is shared as work is, that of ticks too, and
what they decide is told (`engine.shared_plans`).  Where one looks at all synapses, a projection is whole everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from neurodev.arrays import Array
from neurodev.engine import build
from neurodev.engine.network import Network, Population, Projection
from neurodev.engine.order import projections_in_order
from neurodev.engine.parts import usable_cores
from neurodev.engine.ranks import Ranks
from neurodev.errors import InvariantError, ParameterError
from neurodev.mechanisms.base import Mechanism
from neurodev.structure.births import BirthDates
from neurodev.structure.blocks import part_bounds
from neurodev.structure.table import Table, UidSource


def deal(network: Network, ranks: Ranks | None, parts: int | None, threads: int | None) -> tuple[int, range]:
    """Into how many parts the neurons are dealt, and which of them this process has."""
    if ranks is None:
        n = parts or threads or build.part_count(network, usable_cores())
        return n, range(n)
    if ranks.split and (threads or 1) > 1:
        raise ParameterError(f"threads must be 1 where synapses are split over ranks, got {threads}: use more ranks")
    each = 1 if ranks.split else int(ranks.agree(-(-parts // ranks.size) if parts else threads or 1))
    return ranks.size * each, range(ranks.rank * each, (ranks.rank + 1) * each)


def splits(q: Projection, ranks: Ranks | None) -> bool:
    """Whether a rank keeps only the synapses of a projection that lead onto its own neurons."""
    return ranks is not None and ranks.split and not why_whole(q)


def why_whole(q: Projection) -> str:
    """Why all ranks need all synapses of a projection; empty where each may keep those onto its own neurons."""
    if far := [m.name for m in q.mechanisms if m.reach != "target"]:
        return f"{' and '.join(far)} look{'s' if len(far) == 1 else ''} at all synapses"
    return ""


def named(q: Projection) -> bool:
    """Whether the synapses of a rank's share need their uids: somebody asks for them, or may let them die."""
    return bool(q.mechanisms) or q.spines is not None or _mortal(q.source) or _mortal(q.target)


def prepared(q: Projection) -> bool:
    """Whether weights may change before a run begins: what was drawn is not what it begins with."""
    return q.plastic or q.spines is not None


def _mortal(p: Population) -> bool:
    """Whether neurons may be born or die by themselves."""
    return p.room > 0 or any(type(m).propose is not Mechanism.propose for m in p.mechanisms)


def draw_tables(
    network: Network, ranks: Ranks | None, uids: UidSource, parts: int
) -> tuple[dict[str, Table], dict[str, Table], dict[str, int]]:
    """The initial synapses by projection; of those that are split the rank's share, all as they were drawn (for rank 0,
    which writes them down, where they stay so), and how many there are."""
    tables, whole, counts = {}, {}, {}
    for q in projections_in_order(network.projections.values()):
        if not splits(q, ranks):
            tables[q.name] = build.draw_table(network, q, uids, parts)
            continue
        assert ranks is not None
        drawn = build.draw_table(network, q, uids)
        counts[q.name] = drawn.n_synapse
        tables[q.name] = own_share(drawn, ranks.rank, ranks.size, named(q))
        if ranks.writes and not prepared(q):
            whole[q.name] = drawn
    return tables, whole, counts


def own_share(table: Table, rank: int, size: int, uids: bool = True) -> Table:
    """A table of the synapses onto one rank's neurons, in the order in which the whole table has them.

    Without `uids`, where the whole keeps none and they are not wanted.
    """
    bounds = part_bounds(table.n_target, size)
    slots = table.slots()
    post = table.post[slots]
    mine = (post >= bounds[rank]) & (post < bounds[rank + 1])
    slots, post = slots[mine], post[mine]
    row = table.row_of(slots)
    out = Table.build(
        table.n_source, table.n_target, table.delays, row % table.n_source, post, row // table.n_source,
        table.weight[0] if table.alike and slots.size else table.weight[slots],
        columns=tuple(table.column_names), uids=UidSource(first_uid(table)), weight_type=table.weight_type,
        alike=table.alike, consecutive=table.consecutive and not uids,
    )  # fmt: skip
    out.uids, out.lane_of, out.births = table.uids, table.lane_of, table.births.copy()
    here = out.slots()
    out.f[:, here] = table.f[:, slots]
    if not out.consecutive:
        out.uid[here] = table.uid_of(slots)
    return out


def verify_share(table: Table, own: tuple[int, int] | None) -> None:
    """Check that a rank's share of a table leads onto its `own` neurons alone: from the first to that before the last.

    Raises
    ------
    InvariantError
        Naming the first synapse that does not.
    """
    if own is None:
        return
    slots = table.slots()
    post = table.post[slots]
    wrong = (post < own[0]) | (post >= own[1])
    if wrong.any():
        k = int(np.argmax(wrong))
        raise InvariantError(f"slot {int(slots[k])}: its synapse leads onto neuron {int(post[k])}, of another rank")


def first_uid(table: Table) -> int:
    """The uid from which those of a table follow each other; 1 where they are written down."""
    return int(table.uid_of(table.slots()[:1]).min(initial=2**63)) if table.consecutive and table.n_synapse else 1


def whole_of(table: Table, ranks: Ranks, parts: int) -> Table | None:
    """The shares that ranks have of a table in one, with rows for so many parts, on the rank that writes; all of them
    ask, and what is gathered passes through each of them, one column after the other."""
    slots, pairs = table.slots(), max(table.n_lane * table.n_source, 1)
    counts = ranks.meet(slots.size)

    def everybody(values: Array) -> Array:
        found = ranks.gather(values, counts)
        return found if ranks.writes else found[:0]

    row = everybody(table.row_of(slots) % pairs)
    order = np.argsort(row, kind="stable")  # the targets of a row ascend from rank to rank
    row, post = row[order], everybody(table.post[slots])[order]
    weight = everybody(table.weight[slots])[order]
    who = int(np.argmax(counts))  # a rank without synapses has no say
    alike, consecutive, first = (
        int(ranks.meet(int(said))[who]) for said in (table.alike, table.consecutive, first_uid(table))
    )
    columns = [everybody(f[slots])[order] for f in table.f]
    uid = None if consecutive else everybody(table.uid_of(slots))[order]
    born = None if consecutive else everybody(table.born_of(slots))[order]
    if not ranks.writes:
        return None
    source, lane = row % max(table.n_source, 1), row // max(table.n_source, 1)
    out = Table.build(
        table.n_source, table.n_target, table.delays, source, post, lane, weight[0] if alike and row.size else weight,
        columns=tuple(table.column_names), uids=UidSource(first), weight_type=table.weight_type, alike=bool(alike),
        consecutive=bool(consecutive), parts=parts,
    )  # fmt: skip
    out.births = table.births.copy() if uid is None or born is None else BirthDates.of_each(uid, born)
    here, theirs = out.slots(), np.argsort(out._row_of(source, post.astype(np.int64), lane), kind="stable")
    for mine, values in zip(out.f, columns, strict=True):
        mine[here] = values[theirs]
    if uid is not None:
        out.uid[here] = uid[theirs]
    if table.has_in_lists:
        out.ensure_in_lists()
    return out


class Shares(Mapping[str, Array]):
    """Columns of the synapses of all ranks, those of one after those of another, under the names that a rank has.

    Each is brought together when it is asked for, by all ranks alike, and kept by nobody: of a hundred columns one is
    whole at a time.
    """

    def __init__(self, mine: Mapping[str, Array], ranks: Ranks) -> None:
        self._mine, self._ranks = mine, ranks

    def __getitem__(self, name: str) -> Array:
        values = self._mine[name]
        return self._ranks.gather(values, self._ranks.meet(values.size))

    def __iter__(self) -> Iterator[str]:
        return iter(self._mine)

    def __contains__(self, name: object) -> bool:
        return name in self._mine

    def __len__(self) -> int:
        return len(self._mine)
