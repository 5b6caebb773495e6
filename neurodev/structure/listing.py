"""The synapses of a table one array at a time, for who cannot hold all arrays of a hundred million at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8
from neurodev.structure.blocks import lane_type
from neurodev.structure.parts import parts_of
from neurodev.structure.table import Table


def living(table: Table, name: str) -> NDArray[Any]:
    """One of the arrays of `Table.state`, (n_synapse,), made in parts: slots and rows are not even listed."""
    kinds: dict[str, type] = {
        "uid": np.uint64, "pre": np.uint32, "post": np.uint32, "lane": lane_type(table.n_lane), "born": np.float64,
        "weight": table.weight_type,
    }  # fmt: skip
    out: NDArray[Any] = np.empty(table.n_synapse, dtype=kinds.get(name, table.column_type))
    end: I8 = np.cumsum(table.row_length, dtype=np.int64)  # of each row, in the list of the living
    begin = end - table.row_length
    for part in parts_of(table.n_synapse):
        first, last = np.searchsorted(end, [part.start, part.stop - 1], side="right")
        some = np.arange(first, last + 1)
        count = np.minimum(end[some], part.stop) - np.maximum(begin[some], part.start)
        if name == "pre":
            out[part] = np.repeat(some % table.n_source, count)
        elif name == "lane":
            out[part] = np.repeat(some // table.n_source % table.n_lane, count)
        else:
            slots = np.arange(part.start, part.stop) + np.repeat(table.row_start[some] - begin[some], count)
            out[part] = _of_slots(table, name, slots)
    return out


def _of_slots(table: Table, name: str, slots: I8) -> NDArray[Any]:
    if name in ("uid", "born"):
        return table.uid_of(slots) if name == "uid" else table.born_of(slots)
    kept: NDArray[Any] = getattr(table, name) if name in ("post", "weight") else table.column(name)
    return kept[slots]
