"""Units that have a count, each listed once: for kernels that multiply by the count instead of repeating the event."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.jit import kernel
from neurodev.learn.spikes import Events, Spikes, transposed


@kernel
def list_present(flags, start, index):  # type: ignore[no-untyped-def]
    """The units with a count, each once; branch-free: `index` needs one place to spare."""
    at = 0
    for r in range(flags.shape[0]):
        start[r] = at
        row = flags[r]
        for j in range(row.shape[0]):
            index[at] = np.uint32(j)
            at += np.int64(row[j] != 0)
    start[flags.shape[0]] = at


def present(x: Spikes) -> Events:
    """For each row, the units that have a count; kept with the spikes."""
    if x.scale == 1.0:
        return x.rows
    held: Events | None = x.__dict__.get("present")
    if held is None:
        flags = x.by_row
        start = np.empty(flags.shape[0] + 1, dtype=np.int64)
        index = np.empty(int(np.count_nonzero(flags)) + 1, dtype=np.uint32)
        list_present(flags, start, index)
        held = x.__dict__["present"] = Events(start, index)
    return held


def present_by_source(x: Spikes) -> Events:
    """For each unit, the rows in which it has a count; kept with the spikes."""
    if x.scale == 1.0:
        return x.columns
    held: Events | None = x.__dict__.get("present_by_source")
    if held is None:
        held = x.__dict__["present_by_source"] = transposed(present(x), x.n)
    return held


@kernel
def _keep_rows(start, index, busy, out_start, out_index):  # type: ignore[no-untyped-def]
    """Events of the rows that are busy; the other rows become empty."""
    at = 0
    for r in range(busy.shape[0]):
        out_start[r] = at
        if busy[r]:
            for k in range(start[r], start[r + 1]):
                out_index[at] = index[k]
                at += 1
    out_start[busy.shape[0]] = at


def by_source_of_busy(events: Events, busy: NDArray[np.bool_], n: int) -> Events:
    """Events by source, without those in rows that have no gradient (late in training most samples have none)."""
    start, index = np.empty(busy.size + 1, dtype=np.int64), np.empty(max(events.n, 1), dtype=np.uint32)
    _keep_rows(events.start, events.index, busy, start, index)
    return transposed(Events(start, index), n)
