"""Units that have a count, each listed once: for kernels that multiply by the count instead of repeating the event."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

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


@kernel
def list_present_words(words, start, index):  # type: ignore[no-untyped-def]
    """The same for counts read four at a time (uint32): first the words that are not silent, then their counts."""
    busy = np.empty(words.shape[1] + 1, dtype=np.uint32)
    at = 0
    for r in range(words.shape[0]):
        start[r] = at
        row = words[r]
        some = 0
        for q in range(row.shape[0]):
            busy[some] = np.uint32(q)
            some += np.int64(row[q] != 0)
        for h in range(some):
            word, first = row[busy[h]], 4 * busy[h]
            for byte in range(4):
                index[at] = np.uint32(first + byte)
                at += np.int64((word >> np.uint32(8 * byte)) & np.uint32(255) != 0)
    start[words.shape[0]] = at


def present(x: Spikes) -> Events:
    """For each row, the units that have a count; kept with the spikes."""
    if x.scale == 1.0:
        return x.rows
    held: Events | None = x.__dict__.get("present")
    if held is None:
        flags = x.by_row
        start = np.empty(flags.shape[0] + 1, dtype=np.int64)
        index = np.empty(x.n_present + 1, dtype=np.uint32)
        if flags.shape[1] % 4 == 0 and flags.flags.c_contiguous and sys.byteorder == "little":
            list_present_words(flags.view(np.uint32), start, index)
        else:
            list_present(flags, start, index)
        held = x.__dict__["present"] = Events(start, index)
    return held


def rows_per_unit(x: Spikes) -> NDArray[np.int64]:
    """For each unit, the rows in which it has a count."""
    return present(x).per_index(x.n)
