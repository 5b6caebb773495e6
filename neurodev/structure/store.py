"""Kernels of the synapse table: filling, batched deletion and insertion, in-lists.

Deletion follows a chain of four dependent cache misses; asking for the next victims' lines ahead makes a
batch about four
times faster than one at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurodev.arrays import B1, I4, I8, U4, U8, Floats, Int
from neurodev.jit import kernel, prefetch


class Rows(NamedTuple):
    """Where the synapses of each (source, lane) lie among the slots, (n_row,) each."""

    start: I8
    length: I4
    room: I4


class Slots(NamedTuple):
    """What belongs to each synapse, (capacity,) each."""

    post: U4
    weight: Floats
    pos_in: U4
    uid: U8
    f: Floats
    """(n_column, capacity)"""


class InLists(NamedTuple):
    """The synapses of each target: where they are listed, (n_target,) each, and the lists, (n_in,) each."""

    start: I8
    length: I4
    room: I4
    slot: U4
    row: U4


@kernel
def fill(row: I8, target: I8, weight: Floats, first_uid: np.uint64, rows: Rows, post: U4, own: Floats, uid: U8) -> None:
    """Counting sort of a list of synapses, (n,) each, into their rows, behind those that lie there, in the given order.

    weight : (n,), or of any size where `own` is empty
    post, own, uid : (capacity,) of the table;  weights and uids may be empty: they are not kept
    """
    length = rows.length
    weighed, named = own.shape[0] > 0, uid.shape[0] > 0
    for k in range(row.shape[0]):
        r = row[k]
        s = rows.start[r] + length[r]
        length[r] += 1
        post[s] = np.uint32(target[k])
        if weighed:
            own[s] = weight[k]
        if named:
            uid[s] = first_uid + np.uint64(k)


@kernel
def ascend(row: I8, target: I8, latest: I8) -> bool:
    """Whether the targets of each row are given in ascending order, (n,) each; `latest` (n_row,) of those before."""
    for k in range(row.shape[0]):
        if target[k] < latest[row[k]]:
            return False
        latest[row[k]] = target[k]
    return True


@kernel
def live_slots(row_start: I8, row_length: I4, out: I8) -> None:
    """List the live slots in row order, into `out` (n_synapse,)."""
    at = 0
    for r in range(row_start.shape[0]):
        for s in range(row_start[r], row_start[r] + row_length[r]):
            out[at] = s
            at += 1


@kernel
def fill_in_lists(rows: Rows, post: U4, pos_in: U4, lists: InLists) -> None:
    """Link every living synapse into the list of its target, in row order."""
    for r in range(rows.start.shape[0]):
        for s in range(rows.start[r], rows.start[r] + rows.length[r]):
            j = post[s]
            q = lists.start[j] + lists.length[j]
            lists.length[j] += 1
            lists.slot[q] = np.uint32(s)
            lists.row[q] = np.uint32(r)
            pos_in[s] = np.uint32(q)


@kernel
def move_in_lists(old: InLists, renumber: U4, pos_in: U4, lists: InLists) -> None:
    """Copy the in-lists to new places, in the old order; ``renumber[old slot]`` (old capacity,) is the new slot."""
    for j in range(old.start.shape[0]):
        for k in range(old.length[j]):
            s = renumber[old.slot[old.start[j] + k]]
            q = lists.start[j] + k
            lists.slot[q] = s
            lists.row[q] = old.row[old.start[j] + k]
            pos_in[s] = np.uint32(q)
        lists.length[j] = old.length[j]


@kernel
def delete(victims: I8, rows: Rows, slots: Slots, lists: InLists, in_order: bool) -> None:
    """Unlink `victims` on both sides, of each row from its end on; the last of a list moves into the hole.

    `in_order`: those behind the hole in its row move up instead, so that who comes first in a row stays so.
    """
    n = victims.shape[0]
    post, weight, pos_in, uid, f = slots
    n_column = f.shape[0]
    for k in range(n):
        if k + 12 < n:
            prefetch(pos_in, victims[k + 12])
            prefetch(post, victims[k + 12])
        if k + 6 < n:
            prefetch(lists.slot, np.int64(pos_in[victims[k + 6]]))
            prefetch(lists.row, np.int64(pos_in[victims[k + 6]]))
            prefetch(lists.length, np.int64(post[victims[k + 6]]))
        p = victims[k]
        j = np.int64(post[p])
        q = np.int64(pos_in[p])
        r = np.int64(lists.row[q])
        last = lists.start[j] + lists.length[j] - 1
        moved = lists.slot[last]
        lists.slot[q] = moved
        lists.row[q] = lists.row[last]
        pos_in[moved] = np.uint32(q)
        lists.length[j] -= 1
        e = rows.start[r] + rows.length[r] - 1
        rows.length[r] -= 1
        hole = p
        while hole < e:
            s = hole + 1 if in_order else e
            post[hole] = post[s]
            weight[hole] = weight[s]
            uid[hole] = uid[s]
            pos_in[hole] = pos_in[s]
            lists.slot[np.int64(pos_in[hole])] = np.uint32(hole)
            for c in range(n_column):
                f[c, hole] = f[c, s]
            hole = s


@kernel
def grow_row(r: Int, ends: I8, rows: Rows, slots: Slots, in_slot: U4) -> bool:
    """Move a full row to the end of the pool, with half as much room again; returns False if the pool is full.

    ends : (2,), the first free slot and the first free place of the in-lists
    """
    post, weight, pos_in, uid, f = slots
    length = np.int64(rows.length[r])
    room = length + max(int(length) // 2, 2)
    start = ends[0]
    if start + room > post.shape[0]:
        return False
    old = rows.start[r]
    for k in range(length):
        a, b = old + k, start + k
        post[b] = post[a]
        weight[b] = weight[a]
        uid[b] = uid[a]
        pos_in[b] = pos_in[a]
        in_slot[np.int64(pos_in[b])] = np.uint32(b)
        for c in range(f.shape[0]):
            f[c, b] = f[c, a]
    rows.start[r] = start
    rows.room[r] = room
    ends[0] = start + room
    return True


@kernel
def grow_in_list(j: Int, ends: I8, lists: InLists, pos_in: U4) -> bool:
    """Move a full in-list to the end of its pool (`ends` as in `grow_row`); returns False if that is full."""
    length = np.int64(lists.length[j])
    room = length + max(int(length) // 2, 2)
    start = ends[1]
    if start + room > lists.slot.shape[0]:
        return False
    old = lists.start[j]
    for k in range(length):
        lists.slot[start + k] = lists.slot[old + k]
        lists.row[start + k] = lists.row[old + k]
        pos_in[np.int64(lists.slot[start + k])] = np.uint32(start + k)
    lists.start[j] = start
    lists.room[j] = room
    ends[1] = start + room
    return True


@kernel
def insert(
    new_row: I8, target: I8, new_weight: Floats, first_uid: np.uint64, done: int, ends: I8, rows: Rows, slots: Slots,
    lists: InLists,
) -> int:  # fmt: skip
    """Append synapses, (n,), from number `done` on; returns how many are done, fewer than asked when a pool is full.

    `ends` as in `grow_row`.
    """
    n = new_row.shape[0]
    for k in range(done, n):
        if k + 8 < n:
            prefetch(rows.length, new_row[k + 8])
            prefetch(lists.length, target[k + 8])
        if k + 4 < n:
            prefetch(slots.post, rows.start[new_row[k + 4]] + rows.length[new_row[k + 4]])
            prefetch(lists.slot, lists.start[target[k + 4]] + lists.length[target[k + 4]])
        r, j = new_row[k], target[k]
        if rows.length[r] == rows.room[r] and not grow_row(r, ends, rows, slots, lists.slot):
            return k
        if lists.length[j] == lists.room[j] and not grow_in_list(j, ends, lists, slots.pos_in):
            return k
        s = rows.start[r] + rows.length[r]
        q = lists.start[j] + lists.length[j]
        rows.length[r] += 1
        lists.length[j] += 1
        slots.post[s] = np.uint32(j)
        slots.weight[s] = new_weight[k]
        slots.uid[s] = first_uid + np.uint64(k)
        slots.pos_in[s] = np.uint32(q)
        lists.slot[q] = np.uint32(s)
        lists.row[q] = np.uint32(r)
        for c in range(slots.f.shape[0]):
            slots.f[c, s] = 0.0
    return n  # type: ignore[no-any-return]


@kernel
def find_newborn(new_row: I8, wanted: U8, rows: Rows, uid: U8, out: I8) -> None:
    """Slots of the synapses just inserted, (n,), by the uids `wanted`: they lie at the end of their rows."""
    for k in range(wanted.shape[0]):
        r = new_row[k]
        s = rows.start[r] + rows.length[r] - 1
        while uid[s] != wanted[k]:
            s -= 1
        out[k] = s


@kernel
def find_occupied(source: I8, target: I8, gone: I8, lists: InLists, n_source: int, out: B1) -> None:
    """Mark the wanted pairs, (n,), that already have a synapse which is not in the slots `gone`, ascending."""
    for k in range(source.shape[0]):
        j = target[k]
        for q in range(lists.start[j], lists.start[j] + lists.length[j]):
            if np.int64(lists.row[q]) % n_source == source[k]:
                at = np.searchsorted(gone, np.int64(lists.slot[q]))
                if at == gone.shape[0] or gone[at] != lists.slot[q]:
                    out[k] = True
                    break


@kernel
def find_slots(wanted: U8, row: I8, target: I8, rows: Rows, lists: InLists, listed: bool, uid: U8, out: I8) -> None:
    """Slots of the uids `wanted`, (n,), that lie in these rows and in-lists; -1 of the dead and the unknown (row -1).

    The shorter of the two lists is looked through.
    """
    for k in range(wanted.shape[0]):
        out[k] = -1
        r, j = row[k], target[k]
        if r < 0:
            continue
        if listed and lists.length[j] < rows.length[r]:
            for q in range(lists.start[j], lists.start[j] + lists.length[j]):
                if uid[lists.slot[q]] == wanted[k]:
                    out[k] = lists.slot[q]
                    break
        else:
            for s in range(rows.start[r], rows.start[r] + rows.length[r]):
                if uid[s] == wanted[k]:
                    out[k] = s
                    break
