"""Changing how a weight tensor is stored: every pair, every pair behind a hidden parameter, or living synapses only.

Identities, birth dates and columns go along, so that the log of a run does not notice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table, UidSource

Array = NDArray[Any]


def dense_image(table: Table, column: Array | None = None) -> Array:
    """(n_source, n_target) values of a column (the weights by default), 0 where there is no synapse."""
    values = table.weight if column is None else column
    out = np.zeros((table.n_source, table.n_target), dtype=values.dtype)
    slots = table.slots()
    out[table.pre(slots), table.post[slots]] = values[slots]
    return out


def stored(table: Table, storage: str) -> Table:
    """The same synapses in another storage, ``dense`` or ``sparse``; the table itself if it has it already.

    The values of absent synapses in dense storage, if they have any, do not survive becoming sparse.
    """
    dense = isinstance(table, DenseTable)
    if dense == (storage != "sparse"):
        return table
    kind, slots, names = table.weight.dtype.type, table.slots(), tuple(table.column_names)
    source, target = table.pre(slots), table.post[slots].astype(np.int64)
    if storage == "sparse":
        out = Table.build(
            table.n_source, table.n_target, [1.0], source, target, np.zeros(slots.size, dtype=np.int64),
            table.weight[slots], columns=names, uids=UidSource(), column_type=kind, weight_type=kind,
        )  # fmt: skip
        new = out.slots()
        out.ensure_in_lists()
    else:
        wide = DenseTable(table.n_source, table.n_target, names, UidSource(), kind, kind)
        new = wide.slot(source, target)
        wide.alive[new] = 1
        wide.weight[new] = table.weight[slots]
        wide.n_synapse = slots.size
        out = wide
    out.uids = table.uids
    out.uid[new], out.born[new] = table.uid[slots], table.born[slots]
    out.f[:, new] = table.f[:, slots]
    return out


def remove_at_start(table: Table, alive: NDArray[np.bool_]) -> None:
    """Make a freshly drawn dense table hold only some pairs, before anything was logged.

    Parameters
    ----------
    alive : (n_source, n_target) bool
    """
    assert isinstance(table, DenseTable)
    n = table.n_target
    grid, weight = table.grid(table.alive)[:, :n], table.grid(table.weight)[:, :n]
    weight[~alive] = 0
    grid[...] = alive
    table.n_synapse = int(alive.sum())
