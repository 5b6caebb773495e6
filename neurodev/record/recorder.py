"""The recorder: counts of every tick, full trains of some, daily snapshots of spines, the whole log."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError
from neurodev.record.runfile import RunFile
from neurodev.structure.log import LogBatch, concatenate
from neurodev.units import day

SPIKES = ("daily", "all", "none")
_SNAPSHOT = {"uid": "<u8", "pre": "<u2", "post": "<u2", "lane": "u1", "weight": "<f4", "born": "<f4"}


class Recorder:
    """Writes a run to its file.

    Parameters
    ----------
    file : RunFile
    spikes : {"daily", "all", "none"}
        Full trains of the first tick of every day, of all time, or none; counts are always kept.
    snapshot : float, ms (life)
        Interval of the snapshots of spine-bearing projections.
    """

    def __init__(self, file: RunFile, spikes: str = "daily", snapshot: float = day) -> None:
        if spikes not in SPIKES:
            raise ParameterError(f"record must be one of {SPIKES}, got {spikes!r}")
        if not snapshot > 0:
            raise ParameterError(f"snapshot must be a positive life time, got {snapshot!r}")
        self.file, self.spikes, self.snapshot_every = file, spikes, snapshot
        self._series: dict[str, list[float]] = {}
        self._trains: dict[str, list[tuple[NDArray[np.float64], NDArray[np.uint32]]]] = {}
        self._counts: dict[str, list[NDArray[np.uint16]]] = {}
        self._logs: dict[str, list[LogBatch]] = {}
        self._next_snapshot = 0.0

    def wants_trains(self, life: float, tick: float) -> bool:
        """Whether the tick that begins at `life` is to be kept spike by spike."""
        return self.spikes == "all" or (self.spikes == "daily" and life % day < tick * (1 - 1e-9))

    def trains(self, population: str, times: NDArray[np.float64], indices: NDArray[np.uint32]) -> None:
        """Keep spikes (spike time since the start, ms)."""
        self._trains.setdefault(population, []).append((times, indices))

    def counts(self, counts: dict[str, NDArray[np.int64]]) -> None:
        """Keep the spike counts of a tick."""
        for name, c in counts.items():
            self._counts.setdefault(name, []).append(np.minimum(c, 65535).astype(np.uint16))

    def series(self, values: dict[str, float]) -> None:
        """Keep one number per tick for each name."""
        for name, v in values.items():
            self._series.setdefault(name, []).append(float(v))

    def log(self, projection: str, batch: LogBatch) -> None:
        """Keep births and deaths."""
        if batch.uid.size:
            self._logs.setdefault(projection, []).append(batch)

    def snapshot_due(self, life: float) -> bool:
        """Whether a snapshot is due; asking for it schedules the next."""
        if life < self._next_snapshot - 1e-6:
            return False
        self._next_snapshot += self.snapshot_every
        return True

    def snapshot(self, projection: str, label: str, state: dict[str, NDArray[Any]]) -> None:
        """Write the living synapses of a projection."""
        for name, a in state.items():
            dtype = _SNAPSHOT.get(name, "<f4")
            if dtype == "<u2" and a.size and a.max() > 65535:
                dtype = "<u4"
            scaled = a / day if name == "born" else a
            self.file.append(f"{label}/{projection}/{name}", scaled.astype(dtype))

    def flush(self, tick: int) -> None:
        """Write everything gathered so far in one transaction."""
        for name, rows in self._series.items():
            self.file.append(f"series/{name}", np.array(rows))
        for name, parts in self._counts.items():
            self.file.append(f"counts/{name}", np.stack(parts))
        for name, trains in self._trains.items():
            self.file.append(f"spikes/{name}/time", np.concatenate([t for t, _ in trains]))
            self.file.append(f"spikes/{name}/index", np.concatenate([i for _, i in trains]))
        for name, batches in self._logs.items():
            self.file.append_log(name, tick, concatenate(batches))
        self._series, self._counts, self._trains, self._logs = {}, {}, {}, {}
        self.file.commit()
