"""Kernels of the synapse table: filling, batched deletion and insertion, in-lists.

Deletion follows a chain of four dependent cache misses; asking for the next victims' lines ahead makes a
batch about four
times faster than one at a time.
"""

from __future__ import annotations

import numpy as np

from neurodev.jit import kernel, prefetch


@kernel
def fill(row, target, weight, first_uid, born, row_start, row_length, post, w, row_of, uid, born_at):  # type: ignore[no-untyped-def]
    """Counting sort of a list of synapses into their rows, in the given order."""
    row_length[:] = 0
    for k in range(row.shape[0]):
        r = row[k]
        s = row_start[r] + row_length[r]
        row_length[r] += 1
        post[s] = np.uint32(target[k])
        w[s] = weight[k]
        row_of[s] = np.uint32(r)
        uid[s] = first_uid + np.uint64(k)
        born_at[s] = born


@kernel
def live_slots(row_start, row_length, out):  # type: ignore[no-untyped-def]
    """List the live slots in row order."""
    at = 0
    for r in range(row_start.shape[0]):
        for s in range(row_start[r], row_start[r] + row_length[r]):
            out[at] = s
            at += 1


@kernel
def fill_in_lists(slots, post, row, in_start, in_length, in_slot, in_row, pos_in):  # type: ignore[no-untyped-def]
    """Link every live slot into the list of its target."""
    for k in range(slots.shape[0]):
        s = slots[k]
        j = post[s]
        q = in_start[j] + in_length[j]
        in_length[j] += 1
        in_slot[q] = np.uint32(s)
        in_row[q] = row[s]
        pos_in[s] = np.uint32(q)


@kernel
def move_in_lists(old_start, old_length, old_slot, renumber, row, in_start, in_length, in_slot, in_row, pos_in):  # type: ignore[no-untyped-def]
    """Copy the in-lists to new places, with slots renumbered and in the old order."""
    for j in range(old_start.shape[0]):
        for k in range(old_length[j]):
            s = renumber[old_slot[old_start[j] + k]]
            q = in_start[j] + k
            in_slot[q] = s
            in_row[q] = row[s]
            pos_in[s] = np.uint32(q)
        in_length[j] = old_length[j]


@kernel
def delete(
    victims, row_start, row_length, post, weight, row, pos_in, uid, born, f, in_start, in_length, in_slot, in_row
):  # type: ignore[no-untyped-def]
    """Unlink `victims` (slots in descending order) on both sides; the last of a list moves into the hole."""
    n = victims.shape[0]
    n_column = f.shape[0]
    for k in range(n):
        if k + 12 < n:
            prefetch(pos_in, victims[k + 12])
            prefetch(post, victims[k + 12])
        if k + 6 < n:
            prefetch(in_slot, np.int64(pos_in[victims[k + 6]]))
            prefetch(in_length, np.int64(post[victims[k + 6]]))
        p = victims[k]
        j = np.int64(post[p])
        q = np.int64(pos_in[p])
        last = in_start[j] + in_length[j] - 1
        moved = in_slot[last]
        in_slot[q] = moved
        in_row[q] = in_row[last]
        pos_in[moved] = np.uint32(q)
        in_length[j] -= 1
        r = np.int64(row[p])
        e = row_start[r] + row_length[r] - 1
        row_length[r] -= 1
        if e != p:
            post[p] = post[e]
            weight[p] = weight[e]
            uid[p] = uid[e]
            born[p] = born[e]
            pos_in[p] = pos_in[e]
            in_slot[np.int64(pos_in[p])] = np.uint32(p)
            for c in range(n_column):
                f[c, p] = f[c, e]


@kernel
def grow_row(r, state, row_start, row_length, row_room, post, weight, row, pos_in, uid, born, f, in_slot):  # type: ignore[no-untyped-def]
    """Move a full row to the end of the pool, with half as much room again; returns False if the pool is full."""
    length = np.int64(row_length[r])
    room = length + max(length // 2, 2)
    start = state[0]
    if start + room > post.shape[0]:
        return False
    old = row_start[r]
    for k in range(length):
        a, b = old + k, start + k
        post[b] = post[a]
        weight[b] = weight[a]
        row[b] = row[a]
        uid[b] = uid[a]
        born[b] = born[a]
        pos_in[b] = pos_in[a]
        in_slot[np.int64(pos_in[b])] = np.uint32(b)
        for c in range(f.shape[0]):
            f[c, b] = f[c, a]
    row_start[r] = start
    row_room[r] = room
    state[0] = start + room
    return True


@kernel
def grow_in_list(j, state, in_start, in_length, in_room, in_slot, in_row, pos_in):  # type: ignore[no-untyped-def]
    """Move a full in-list to the end of its pool; returns False if that is full."""
    length = np.int64(in_length[j])
    room = length + max(length // 2, 2)
    start = state[1]
    if start + room > in_slot.shape[0]:
        return False
    old = in_start[j]
    for k in range(length):
        in_slot[start + k] = in_slot[old + k]
        in_row[start + k] = in_row[old + k]
        pos_in[np.int64(in_slot[start + k])] = np.uint32(start + k)
    in_start[j] = start
    in_room[j] = room
    state[1] = start + room
    return True


@kernel
def insert(
    new_row, target, new_weight, first_uid, born_at, done, state, row_start, row_length, row_room, post, weight, row,
    pos_in, uid, born, f, in_start, in_length, in_room, in_slot, in_row,
):  # type: ignore[no-untyped-def] # fmt: skip
    """Append synapses from number `done` on; returns how many are done (fewer than asked when a pool is full)."""
    n = new_row.shape[0]
    for k in range(done, n):
        if k + 8 < n:
            prefetch(row_length, new_row[k + 8])
            prefetch(in_length, target[k + 8])
        if k + 4 < n:
            prefetch(post, row_start[new_row[k + 4]] + row_length[new_row[k + 4]])
            prefetch(in_slot, in_start[target[k + 4]] + in_length[target[k + 4]])
        r, j = new_row[k], target[k]
        if row_length[r] == row_room[r] and not grow_row(
            r, state, row_start, row_length, row_room, post, weight, row, pos_in, uid, born, f, in_slot
        ):
            return k
        if in_length[j] == in_room[j] and not grow_in_list(
            j, state, in_start, in_length, in_room, in_slot, in_row, pos_in
        ):
            return k
        s = row_start[r] + row_length[r]
        q = in_start[j] + in_length[j]
        row_length[r] += 1
        in_length[j] += 1
        post[s] = np.uint32(j)
        weight[s] = new_weight[k]
        row[s] = np.uint32(r)
        uid[s] = first_uid + np.uint64(k)
        born[s] = born_at
        pos_in[s] = np.uint32(q)
        in_slot[q] = np.uint32(s)
        in_row[q] = np.uint32(r)
        for c in range(f.shape[0]):
            f[c, s] = 0.0
    return n


@kernel
def find_newborn(new_row, wanted, row_start, row_length, uid, out):  # type: ignore[no-untyped-def]
    """Slots of the synapses just inserted: they lie at the end of their rows."""
    for k in range(wanted.shape[0]):
        r = new_row[k]
        s = row_start[r] + row_length[r] - 1
        while uid[s] != wanted[k]:
            s -= 1
        out[k] = s


@kernel
def find_occupied(source, target, gone, in_start, in_length, in_slot, in_row, n_source, out):  # type: ignore[no-untyped-def]
    """Mark the wanted pairs that already have a synapse which is not `gone` (capacity,)."""
    for k in range(source.shape[0]):
        j = target[k]
        for q in range(in_start[j], in_start[j] + in_length[j]):
            if np.int64(in_row[q]) % n_source == source[k] and not gone[in_slot[q]]:
                out[k] = True
                break
