"""Units that have a count, each listed once: for kernels that multiply by the count instead of repeating the event."""

from __future__ import annotations

import numpy as np

from neurodev.jit import kernel
from neurodev.learn.spikes import Events, Spikes


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
