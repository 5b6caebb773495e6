"""How the layers see a synapse table: its rows as one tuple for kernels, its values and gradients as columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurodev.arrays import F8, I4, I8, U4, Array
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table


class Rows(NamedTuple):
    """A table as kernels see it; rows are numbered ``lane * n_source + source``."""

    start: I8  # (n_row,)
    length: I4
    post: U4  # (capacity,)
    weight: Array
    gradient: Array
    delays: F8  # (n_lane,) ms
    delay: Array  # (capacity,) added to that of its lane; empty if lanes decide
    delay_gradient: Array
    n_source: int


class Inputs(NamedTuple):
    """The spikes that reach a layer, as kernels see them."""

    times: F8  # (n_spike,) ms, ascending within a sample
    cells: I8
    offsets: I8  # (n_sample + 1,)


class Pushes(NamedTuple):
    """What a loss asks of a layer, as kernels see it; see `Pullback`."""

    d_time: F8  # (n_spike,)
    kick: F8
    d_area: F8  # (n_sample, n)
    d_final: F8


class Column:
    """A column of a table that an optimiser moves, with its gradient and moments as columns beside it.

    Parameters
    ----------
    table : Table
    value, gradient : str
        Names of columns; ``"weight"`` is the table's own weight.
    """

    decay = False

    def __init__(self, table: Table, value: str, gradient: str):
        self.table, self._value, self._gradient = table, value, gradient
        table.add_column(gradient)
        if value != "weight":
            table.add_column(value)

    @property
    def value(self) -> Array:
        """What the optimiser moves, (capacity,)."""
        return self.table.weight if self._value == "weight" else self.table.column(self._value)

    @property
    def gradient(self) -> Array:
        """Gradient of the loss, (capacity,); pullbacks add to it, an optimiser clears it."""
        return self.table.column(self._gradient)

    def moment(self, name: str) -> Array:
        """A moment of the optimiser, zero at first."""
        return self.table.add_column(name if self._value == "weight" else f"{self._value}_{name}")

    def flat(self) -> tuple[Array, Array]:
        """(value, gradient)."""
        return self.value, self.gradient


def rows_of(table: Table, weights: Column, delays: Column | None, fixed: float | None) -> Rows:
    """The tuple for kernels; made afresh at each call, because a rewiring may have moved the arrays."""
    none = np.zeros(0)
    return Rows(
        table.row_start, table.row_length, table.post, weights.value, weights.gradient,
        table.delays if fixed is None else np.full(table.n_lane, float(fixed)),
        none if delays is None else delays.value, none if delays is None else delays.gradient, table.n_source,
    )  # fmt: skip


def clear_dead(table: Table, values: Array) -> None:
    """Zero at the absent synapses of a dense table, which moments of an optimiser would otherwise bring to life."""
    if isinstance(table, DenseTable) and table.n_synapse < table.n_source * table.n_target:
        values[table.alive == 0] = 0.0


def is_grid(table: Table) -> bool:
    """Whether every row lists all targets in order, so that a row is a vector."""
    if isinstance(table, DenseTable):
        return True
    if not bool(np.all(table.row_length == table.n_target)):
        return False
    at = table.row_start[:, None] + np.arange(table.n_target)
    return bool(np.all(table.post[at] == np.arange(table.n_target)))
