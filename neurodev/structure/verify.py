"""Re-derive every invariant of a table from scratch, and replay a log onto an initial structure."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import B1, U4, U8, Integers
from neurodev.errors import InvariantError
from neurodev.structure.log import BIRTH, LogBatch
from neurodev.structure.table import Table


def _fail(what: str) -> None:
    raise InvariantError(what)


def verify(table: Table, source: B1 | None = None, target: B1 | None = None) -> None:
    """Check rows, slots, identities and both adjacencies; and that nothing touches a neuron that does not live.

    `source` (n_source,) and `target` (n_target,) mark the living neurons, where some may be dead or unborn.

    Raises
    ------
    InvariantError
        Naming the first row, slot or neuron at which something does not hold.
    """
    if np.any(table.row_length < 0) or np.any(table.row_length > table.row_room):
        _fail(f"row {int(np.argmax(table.row_length > table.row_room))}: more synapses than room")
    order = np.argsort(table.row_start, kind="stable")
    end = table.row_start + table.row_room
    used = order[table.row_room[order] > 0]
    if np.any(end[used][:-1] > table.row_start[used][1:]):
        _fail("two rows overlap in the pool")
    if used.size and end[used][-1] > table.capacity:
        _fail("a row reaches beyond the pool")
    slots = table.slots()
    if slots.size != int(table.row_length.sum()) or slots.size != table.n_synapse:
        _fail(f"{table.n_synapse} synapses are counted, {int(table.row_length.sum())} lie in rows")
    if slots.size and int(table.post[slots].max()) >= table.n_target:
        _fail("a synapse points beyond the target population")
    uid = table.uid_of(slots)
    if np.unique(uid).size != uid.size:
        _fail("two living synapses share a uid")
    if uid.size and (int(uid.min()) < 1 or int(uid.max()) >= table.uids.next):
        _fail("a living synapse has a uid that was never handed out")
    if not np.all(np.isfinite(table.weight[slots])) or not np.all(np.isfinite(table.f[:, slots])):
        _fail("a weight or a column of a living synapse is not finite")
    for word, alive, index in (("from", source, table.pre(slots)), ("onto", target, table.post[slots])):
        if alive is not None and not alive[index].all():
            k = int(np.argmin(alive[index]))
            _fail(f"synapse uid {int(uid[k])} leads {word} neuron {int(index[k])}, which is dead or unborn")
    if table.has_in_lists:
        _verify_in_lists(table)


def _verify_in_lists(table: Table) -> None:
    slots = table.slots()
    if int(table.in_length.sum()) != slots.size:
        _fail(f"in-lists hold {int(table.in_length.sum())} synapses, rows {slots.size}")
    at = table.pos_in[slots].astype(np.int64)
    if np.any(table.in_slot[at] != slots):
        _fail(f"slot {int(slots[np.argmax(table.in_slot[at] != slots)])}: its back-pointer does not lead back")
    if np.any(table.in_row[at] != np.repeat(np.arange(table.n_row), table.row_length)):
        _fail("an in-list entry carries the number of another row")
    j = table.post[slots].astype(np.int64)
    if np.any(at < table.in_start[j]) or np.any(at >= table.in_start[j] + table.in_length[j]):
        _fail("a synapse is linked into the in-list of another neuron")


def replay(uid: U8, pre: U4, post: U4, lane: Integers, batch: LogBatch) -> tuple[U8, U4, U4, Integers]:
    """The living synapses after `batch`, from the initial ones; sorted by uid.

    Raises
    ------
    InvariantError
        If something dies that does not live, or is born twice.
    """
    birth = batch.kind == BIRTH
    ever = np.concatenate([uid.astype(np.uint64), batch.uid[birth]])
    if np.unique(ever).size != ever.size:
        _fail("the log gives birth to a uid twice")
    gone = batch.uid[~birth]
    if np.unique(gone).size != gone.size:
        _fail("the log lets a uid die twice")
    if not np.all(np.isin(gone, ever)):
        _fail("the log lets a synapse die that was never born")
    alive = ~np.isin(ever, gone)
    order = np.argsort(ever[alive])
    columns = [
        np.concatenate([a, b[birth]])[alive][order]
        for a, b in ((pre, batch.pre), (post, batch.post), (lane, batch.lane))
    ]
    return ever[alive][order], columns[0], columns[1], columns[2]
