"""Lanes: one for each projection and delay, in the order that breaks ties; and which of them a source needs at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8
from neurodev.engine.loop.state import Lanes
from neurodev.engine.network import Projection
from neurodev.errors import BuildError
from neurodev.neurons.model import NeuronModel
from neurodev.structure.table import Table

MOST_LANES = 65535  # of all projections: the agenda numbers them in 16 bits
FEWEST_FAR, LANES_A_SYNAPSE = 64, 4  # from so many lanes on, and so many for each synapse: measured, see CONTRIBUTING


def _signs(q: Projection, together: bool) -> tuple[int, ...]:
    """The lanes of a projection for each delay: of both signs (0), or first the negative weights and then the others.

    Where simultaneous arrivals are summed, or their crossing is predicted, nothing is tested between two of them.
    """
    model = q.target.model
    tested = isinstance(model, NeuronModel) and model.rules() is None
    return (-1, 1) if q.signed and tested and not together else (0,)


def make_lanes(projections: list[Projection], tables: list[Table], together: bool, part: int = 0) -> Lanes:
    """One lane of a part for each projection and delay, inhibition first, then by name: so equal times are ordered.

    One row fires several neurons at one instant, so exactly simultaneous arrivals are common.  With inhibition first,
    a neuron that is tested after each of them fires if and only if their sum reaches threshold.  Where weights of both
    signs leave one source, a spike travels in two lanes.
    """
    population, projection, lane, delay, sign = [], [], [], [], []
    lanes = [(i, one) for i, q in enumerate(projections) for one in _signs(q, together)]
    first = lambda i, one: one < 0 or (one == 0 and projections[i].source.inhibitory)  # noqa: E731
    for i, one in sorted(lanes, key=lambda x: (not first(*x), projections[x[0]].name)):
        q, table = projections[i], tables[i]
        for k, d in enumerate(table.delays):
            population.append(q.source.index)
            projection.append(i)
            lane.append(part % table.parts * table.n_lane + k)
            delay.append(float(d))
            sign.append(one)
    if len(delay) > MOST_LANES:
        raise BuildError(
            f"the projections have {len(delay)} delays together; at most {MOST_LANES}: use fewer projections, or "
            "delays of a wider step="
        )
    return Lanes(
        np.array(population, dtype=np.int64),
        np.array(projection, dtype=np.int64),
        np.array(lane, dtype=np.int64),
        np.array(delay, dtype=np.float64),
        np.zeros(len(delay), dtype=np.int64),
        np.array(sign, dtype=np.int64),
        *_far(projections, tables, projection),
    )


def _far(projections: list[Projection], tables: list[Table], projection: list[int]) -> tuple[I8, I8, I8, I8]:
    """Which lanes are of a projection of far more delays than its sources have synapses; addresses come later."""
    found = [i for i, q in enumerate(projections) if _is_far(q, tables[i])]
    group = np.zeros(len(projections) + 1, dtype=np.int64)
    group[found] = 1 + np.arange(len(found))
    none = np.zeros(len(found), dtype=np.int64)
    return group[projection], none, none.copy(), np.array([tables[i].n_lane for i in found], dtype=np.int64)


def _is_far(q: Projection, table: Table) -> bool:
    """Whether a source has far fewer synapses than there are lanes, and nobody is born, dies or asks for empty rows."""
    static = not table.column_names and not table.has_in_lists and not q.mechanisms and not q.signed
    return static and FEWEST_FAR <= table.n_lane and LANES_A_SYNAPSE * table.n_synapse <= table.n_lane * table.n_source


def far_lanes(q: Projection, table: Table) -> list[tuple[I8, NDArray[np.uint16]]] | None:
    """The lanes of each source in which it has synapses, by parts: where a source has far fewer than there are lanes.

    As long as nobody is born or dies there, and nobody asks for arrivals at empty rows.
    """
    if not _is_far(q, table):
        return None
    out = []
    for length in table.row_length.reshape(table.parts, table.n_lane, table.n_source):
        source, lane = np.nonzero(length.T)
        first = np.searchsorted(source, np.arange(table.n_source + 1)).astype(np.int64)
        out.append((first, lane.astype(np.uint16)))
    return out
