"""What ranks tell each other between two windows, before anybody looks: all that a window may have written.

Within a window a rank writes to its own neurons and to the synapses onto them alone: membranes, the columns of models
with rules, signals and traces of mechanisms, weights and the columns that hooks have named.  Spikes, counts and drives
are the same everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.hooks import HotInstance
from neurodev.engine.membranes import Membranes
from neurodev.engine.ranks import Ranks
from neurodev.structure.table import Table


def share(e: Membranes, ranks: Ranks, projections: list[HotInstance], populations: list[HotInstance]) -> None:
    """Bring together what the ranks of an engine wrote; its mechanisms with hooks are those of both lists."""
    share_neurons(e, ranks)
    for h in populations:
        for values in h.arrays.signals:
            ranks.share(values, e.n_part)
        _share_rows(h.arrays.post_trace, ranks, e.n_part)
    done: set[tuple[int, str]] = set()
    for h in projections:
        table = h.arrays.table
        if table is None or table.parts != e.n_part:
            continue  # a rank has only what leads onto its own neurons
        _share_traces(table, ranks, h, e.n_part)
        if h.hot.rows_only:
            continue
        wanted = {name: table.column(name) for name in h.hot.columns} | {"": table.weight}
        _share_synapses(table, ranks, [a for name, a in wanted.items() if (h.place, name) not in done])
        done |= {(h.place, name) for name in wanted}


def _share_synapses(table: Table, ranks: Ranks, columns: list[NDArray[Any]]) -> None:
    slots = table.slots()  # by parts: those of a rank follow each other
    counts = table.row_length.reshape(ranks.size, -1).sum(axis=1, dtype=np.int64)
    first = int(counts[: ranks.rank].sum())
    mine = slots[first : first + int(counts[ranks.rank])]
    for values in columns:
        values[slots] = ranks.gather(values[mine], counts)


def share_neurons(e: Membranes, ranks: Ranks) -> None:
    """Membranes, and the columns of models with rules."""
    s = e.state
    for p in e.populations:
        first = int(s.neurons.first[p.index])
        if first < 0:
            continue
        for values in (s.neurons.u, s.neurons.kind):
            ranks.share(values[first : first + p.n], e.n_part)
        if (cells := e.cells.get(p.index)) is not None:
            for table, per in ((cells.state, 1), (cells.places, cells.per_neuron)):
                if table.size:
                    ranks.share(table.reshape(-1), e.n_part, per * table.shape[1])
            ranks.share(cells.kind, e.n_part)


def _share_traces(table: Table, ranks: Ranks, h: HotInstance, parts: int) -> None:
    """The traces of a projection: of rows, which lie by parts (for each sign, where there are two), and of targets."""
    n_row = table.n_row
    for trace in h.arrays.pre_trace:
        for rows in trace.reshape(-1, n_row) if n_row else ():
            ranks.share(rows, ranks.size)
    _share_rows(h.arrays.post_trace, ranks, parts)


def _share_rows(traces: NDArray[np.float64], ranks: Ranks, parts: int) -> None:
    for trace in traces:
        ranks.share(trace, parts)
