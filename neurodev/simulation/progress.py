"""The progress bar: both times, an ETA, and live counts."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from neurodev.units import day

if TYPE_CHECKING:
    from neurodev.engine.simulator import Simulator


class Progress:
    """One line on a terminal, or a line every ten seconds elsewhere."""

    def __init__(self, simulator: Simulator, end: float) -> None:
        from tqdm import tqdm

        self._simulator, self._start = simulator, simulator.spike
        self._quiet_until = time.perf_counter() + 10.0
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=end - self._start, unit="ms",
            bar_format="{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}<{remaining}]",
            mininterval=0.1 if terminal else 10.0, leave=True, file=sys.stderr, dynamic_ncols=terminal,
        )  # fmt: skip
        self._bar.set_description_str("compiling the engine once (about half a minute, then cached)", refresh=terminal)

    def update(self) -> None:
        """Show where the run stands."""
        s = self._simulator
        counts = ", ".join(
            f"{s.tables[q.name].n_synapse} {q.name}" for q in s.network.projections.values() if q.mechanisms
        )
        text = f"day {s.life / day:.2f}, {s.spike / 1000:.0f} s of spikes, {s.engine.events / 1e6:.0f} M events"
        self._bar.set_description_str(text + (f", synapses: {counts}" if counts else ""), refresh=False)
        self._bar.update(s.spike - self._start - self._bar.n)

    def close(self) -> None:
        """Leave the last line."""
        self._bar.close()
