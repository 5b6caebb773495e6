"""The stage of the protocols as the tests use it: tables made by hand, a mechanism's ticks, its hooks over trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurodev import jit
from neurodev.mechanisms.base import Clock, Mechanism, NeuronBlock, NeuronView
from neurodev.protocols.stage import Ticks, Trains, poisson, star
from neurodev.structure.table import Table, UidSource
from neurodev.units import day, hour

SIZED = ("log_size", "accumulator")  # columns by which STDP gathers evidence instead of writing weights


def pairs_table(n_source: int, n_target: int, delays: list[float], columns: tuple[str, ...] = SIZED) -> Table:
    """Every source on every target, once for each delay."""
    s, t, k = (a.ravel() for a in np.meshgrid(range(n_source), range(n_target), range(len(delays)), indexing="ij"))
    return Table.build(n_source, n_target, delays, s, t, k, 0.5, columns=columns)


class World(Ticks):
    """Ticks with the fields of the view as one dictionary."""

    def __init__(
        self, mechanisms: Sequence[Mechanism], table: Table, tick: float = 2 * hour, acceleration: float = 120.0,
        seed: int = 1, options: dict | None = None,
    ) -> None:  # fmt: skip
        super().__init__(mechanisms, table, tick, acceleration, seed, **(options or {}))


def sizes(n: int, mechanism: Mechanism, *more: Mechanism, tick: float = 2 * hour, seed: int = 1) -> World:
    """A world of `n` synapses on one target."""
    return World((mechanism, *more), star(n), tick=tick, seed=seed)


def neurons(mechanism: Mechanism, n: int, tick: float = 2 * hour) -> NeuronView:
    """A population with the signals of a neuron-level mechanism."""
    block = NeuronBlock(n)
    block.add("rate_hz")
    for name, fill in mechanism.columns().items():
        block.add(name, fill)
    view = NeuronView("n", block, Clock(0, 0.0, 0.0, tick, tick / 120), 1)
    mechanism.prepare(view)
    return view


def few(many: int, interpreted: int) -> int:
    """A number of samples: fewer where everything is interpreted."""
    return many if jit.ENABLED else interpreted


__all__ = [
    "SIZED", "Trains", "UidSource", "World", "day", "few", "hour", "neurons", "pairs_table", "poisson", "star",
]  # fmt: skip
