"""Changing how a weight tensor is stored: every pair, every pair behind a hidden parameter, or living synapses only.

Identities, birth dates and columns go along, so that the log of a run does not notice.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import Array
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table


def dense_image(table: Table, column: Array | None = None) -> Array:
    """(n_source, n_target) values of a column (the weights by default), 0 where there is no synapse."""
    values = table.weight if column is None else column
    out = np.zeros((table.n_source, table.n_target), dtype=values.dtype)
    slots = table.slots()
    out[table.pre(slots), table.post[slots]] = values[slots]
    return out


STORAGES = ("dense", "hidden", "sparse")
# density below which a table of living synapses is quicker than one of all pairs; above, it would be unpacked at every
# call (an AMD EPYC, family 25, model 17; with masks, on an Intel Xeon, family 6, model 207, dense storage catches up
# between .13 and .2, convolutions at .13; the same on every machine, as bytes depend on it)
SPARSE_BELOW = 0.13


def quickest(density: float) -> str:
    """The storage in which tensors of a density are learned fastest, where absent synapses do not exist."""
    return "sparse" if density < SPARSE_BELOW else "dense"


def suiting(table: Table) -> str:
    """The `quickest` storage for as many synapses as live."""
    return quickest(table.n_synapse / (table.n_source * table.n_target))


def stored(table: Table, storage: str) -> Table:
    """The same synapses in another storage, ``dense`` or ``sparse``; the table itself if it has it already.

    The values of absent synapses in dense storage, if they have any, do not survive becoming sparse.
    """
    if isinstance(table, DenseTable):
        return table.sparse() if storage == "sparse" else table
    return table if storage == "sparse" else DenseTable.of(table)
