"""A table dealt anew: the same synapses, rows kept apart by another number of parts of the targets."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import I8
from neurodev.structure.table import Table, UidSource


def dealt(table: Table, parts: int) -> Table:
    """The synapses of a table with rows for so many parts.

    Lists of targets keep their order: it decides that of sums.

    Parameters
    ----------
    parts : int
        Of the new table.
    """
    t, pairs = table, table.n_lane * table.n_source
    slots, row = t.slots(), t._all_rows().astype(np.int64) % max(pairs, 1)
    order = np.argsort(row, kind="stable")  # of one row the targets of earlier parts first
    slots, row = slots[order], row[order]
    source, lane, post = row % max(t.n_source, 1), row // max(t.n_source, 1), t.post[slots].astype(np.int64)
    first = t._numbering.first if t._numbering is not None else 1
    weight = t.weight[0] if t.alike and slots.size else t.weight[slots]
    out = Table.build(
        t.n_source, t.n_target, t.delays, source, post, lane, weight,
        columns=tuple(t.column_names), uids=UidSource(first), column_type=t.column_type, weight_type=t.weight_type,
        alike=t.alike, consecutive=t.consecutive, parts=parts,
    )  # fmt: skip
    out.uids, out.lane_of, out.births = t.uids, t.lane_of, t.births.copy()
    here, theirs = out.slots(), slots[np.argsort(out._row_of(source, post, lane), kind="stable")]
    out.f[:, here] = t.f[:, theirs]
    if not out.consecutive:
        out.uid[here] = t.uid_of(theirs)
    if t.has_in_lists:
        _list_targets(t, out, theirs, here)
    return out


def _list_targets(old: Table, new: Table, theirs: I8, mine: I8) -> None:
    """List the synapses onto each target in the order in which the old table has them."""
    new.ensure_in_lists()
    moved, row = np.zeros(old.capacity, dtype=np.int64), np.zeros(new.capacity, dtype=np.uint32)
    moved[theirs] = mine
    row[mine] = new._all_rows()
    length = old.in_length.astype(np.int64)
    within = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    slot = moved[old.in_slot[np.repeat(old.in_start, length) + within]]
    place = np.repeat(new.in_start, length) + within
    new.in_slot[place], new.in_row[place], new.pos_in[slot] = slot, row[slot], place
