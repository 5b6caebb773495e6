"""One look a tick: what mechanisms write, and what neurons have become, are numbers.

NaN and infinity spread from a column to sizes, weights and potentials, and there kill, or silence, whom they meet: a
neuron whose potential is no number never fires again, without a word.
A sum tells of them at a fraction of a nanosecond a value; who made them is looked for only when there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import SimulationError
from neurodev.mechanisms.base import Mechanism, NeuronBlock
from neurodev.neurons.model import Cells
from neurodev.structure.table import Table


def _suspect(values: NDArray[Any]) -> bool:
    """Whether any may be no number: a sum that overflows is looked at again, one by one."""
    with np.errstate(all="ignore"):
        return not np.isfinite(values.sum())


def _order(name: str) -> int:
    """What shifts set-points comes first, then what is integrated, then what is read off it: causes before effects."""
    return 0 if name.startswith(("drive_", "step_")) else 2 if name in ("size", "weight") else 1


def _who(name: str, mechanisms: Iterable[Mechanism]) -> str:
    """The mechanisms that write a column or a signal."""
    used = list(mechanisms)
    writers = [m.name for m in used if name in (*m.owns, *m.adds) or name in m.columns()]
    return " and ".join(dict.fromkeys(writers or [m.name for m in used])) or "no mechanism"


def check_columns(
    name: str, table: Table, mechanisms: Sequence[Mechanism], life: float, all_of_them: bool = True
) -> None:
    """Refuse columns and weights (or weights alone) of a projection's living synapses that are no finite numbers.

    Columns whose fill is none (a date that has not come) may hold such.

    Raises
    ------
    SimulationError
        With mechanism, projection, column, the first uid, and the time.
    """
    never = {k for m in mechanisms for k, fill in m.columns().items() if not np.isfinite(fill)}
    looked = [k for k in table.column_names if all_of_them and k not in never]
    columns = {k: table.column(k) for k in looked} | {"weight": table.weight}
    for column in sorted((k for k, values in columns.items() if _suspect(values)), key=_order):
        slots = table.slots()
        bad = slots[~np.isfinite(columns[column][slots])]
        if bad.size:
            raise SimulationError(
                f"{_who(column, mechanisms)} on {name!r}: {column} is {columns[column][bad[0]]:g} in {bad.size} of "
                f"{slots.size} synapses, uid {int(table.uid_of(bad).min())} first, at {life:g} ms of life: a rule must "
                "give finite numbers; look at its parameters and at what it divides by"
            )


def check_neurons(block: NeuronBlock, model: object, u: NDArray[np.float64], cells: Cells | None, life: float) -> None:
    """Refuse NaN in the membranes of a population's living neurons, and in the columns and places of their model.

    Parameters
    ----------
    u : (n,) float64
        Membranes as the loop keeps them.
    cells : Cells or None
        Of a model with rules.

    Raises
    ------
    SimulationError
        With model, population, column, the first neuron, and the time.
    """
    held = {"the potential": u}
    if cells is not None:
        held |= {f"the column {c.name}": cells.state[:, k] for k, c in enumerate(cells.columns) if c.fill == c.fill}
        held |= {
            f"{c.name} of a branch": cells.places[:, k] for k, c in enumerate(cells.place_columns) if c.fill == c.fill
        }
    for what, values in held.items():
        if not _suspect(values):
            continue
        each = np.isnan(values).reshape(block.n, -1).any(axis=1)
        bad = np.flatnonzero(each & block.alive)  # infinite: an event that is not coming, a neuron that is not free
        if bad.size:
            raise SimulationError(
                f"{type(model).__name__} of {block.name!r}: {what} is NaN in {bad.size} of {block.n} neurons, neuron "
                f"{bad[0]} first, at {life:g} ms of life: a neuron needs finite numbers; look at its parameters and "
                "weights, and at what its rules divide by"
            )


def check_signals(block: NeuronBlock, mechanisms: Sequence[Mechanism], life: float) -> None:
    """Refuse NaN in the signals of a population's living neurons.

    Raises
    ------
    SimulationError
        With mechanism, population, signal, the first neuron, and the time.
    """
    for signal, values in block.signals.items():
        if not _suspect(values):
            continue
        bad = np.flatnonzero(np.isnan(values) & block.alive)  # infinite: a date that never comes, a log of nothing
        if bad.size:
            raise SimulationError(
                f"{_who(signal, mechanisms)} on {block.name!r}: the signal {signal} is NaN in {bad.size} of {block.n} "
                f"neurons, neuron {bad[0]} first, at {life:g} ms of life: a rule must give finite numbers; look at its "
                "parameters and at what it divides by"
            )
