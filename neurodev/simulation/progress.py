"""The progress of a simulation: both times, an ETA, and live counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurodev.record.bar import Bar
from neurodev.structure.duration import lasting
from neurodev.units import day

if TYPE_CHECKING:
    from neurodev.engine.simulator import Simulator


class Progress:
    """A bar on a terminal, or a line every ten seconds elsewhere."""

    def __init__(self, simulator: Simulator, end: float) -> None:
        self._simulator, self._start = simulator, simulator.spike
        self._short = end * simulator.acceleration < day
        self._bar = Bar(end - self._start, "starting")

    def update(self) -> None:
        """Show where the run stands."""
        s = self._simulator
        counts = ", ".join(f"{s.n_synapse(q.name)} {q.name}" for q in s.network.projections.values() if q.mechanisms)
        life = f"{lasting(s.life / day)} of life" if self._short else f"day {s.life / day:.2f}"
        text = f"{life}, {s.spike / 1000:.0f} s of spikes, {s.engine.events / 1e6:.0f} M events"
        self._bar.update(s.spike - self._start, text + (f", synapses: {counts}" if counts else ""))

    def close(self) -> None:
        """Leave the last line."""
        self._bar.close()
