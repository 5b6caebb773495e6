"""What was recorded, as it stands in the file: names, series, spikes, positions, snapshots, weights, the log."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import ParameterError, RunFileError, nearest
from neurodev.record.runfile import RunFile
from neurodev.runs.log import F8, Log, name_in
from neurodev.structure.cause import CAUSES, Causes
from neurodev.units import day as DAY
from neurodev.units import slack


class Reading:
    """A run file, read: finished or still growing.

    Parameters
    ----------
    path : path
        The run file.

    Attributes
    ----------
    network, provenance : dict
    causes : Causes
        The run's own list of causes, by which its log is decoded.
    log : Log
    tick_days : float, days
        Life time of a tick.
    tick_spike : float, ms
        Spike time of a tick.

    Raises
    ------
    RunFileError
        If the file is missing, truncated, foreign or newer than this neurodev, or holds no run yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = RunFile.open(path)
        if "network" not in self.file.items():
            raise RunFileError(f"{str(self.path)!r} holds no run yet: wait until its simulation has begun")
        self.network: dict[str, Any] = self.file.item("network")
        self.provenance: dict[str, Any] = self.file.item("provenance")
        self.tick_days: float = self.file.item("tick") / DAY
        self.tick_spike: float = self.file.item("tick_spike")
        self.causes = Causes.read(self.file.item("causes", list(CAUSES)), self.file.item("meanings", {}))
        self.log = self._log()

    def _log(self) -> Log:
        names = [q["name"] for q in self.network["projections"]]
        return Log(self.file, names, self.tick_days, self.causes)

    def refresh(self) -> Self:
        """Look again at a run that is still growing."""
        self.file.refresh()
        self.log = self._log()
        self.__dict__.pop("snapshot_days", None)
        return self

    # ------------------------------------------------------------------ names

    @property
    def plastic(self) -> list[str]:
        """Projections on spines."""
        return [q["name"] for q in self.network["projections"] if q["spines"]]

    def projection(self, name: Any = None) -> dict[str, Any]:
        """Description of a projection; the first on spines if not named."""
        known = {q["name"]: q for q in self.network["projections"]}
        if name is None:
            if not self.plastic:
                raise ParameterError("this run has no projection on spines")
            name = self.plastic[0]
        found: dict[str, Any] = known[name_in(name, list(known), "projection")]
        return found

    def population(self, name: Any) -> dict[str, Any]:
        """Description of a population."""
        known = {p["name"]: p for p in self.network["populations"]}
        found: dict[str, Any] = known[name_in(name, list(known), "population")]
        return found

    @property
    def is_training(self) -> bool:
        """Whether a trainer wrote this run."""
        return bool(self.file.item("kind", None) == "training")

    # ------------------------------------------------------------------ numbers

    @property
    def n_tick(self) -> int:
        """Ticks recorded."""
        return self.file.length("series/life")

    @property
    def days(self) -> float:
        """Life time recorded, days."""
        life = self.file.item("life", None)
        if life is not None:
            return float(life) / DAY
        return float(self.series("life")[-1]) if self.n_tick else 0.0

    @property
    def series_names(self) -> list[str]:
        """Names of the series, sorted."""
        return [n.removeprefix("series/") for n in self.file.names("series/")]

    def series(self, name: str) -> F8:
        """One number per tick, (n_tick,)."""
        known = self.series_names
        if name not in known:
            raise ParameterError(f"no series {name!r}{nearest(name, known)}; this run has {known}")
        return np.asarray(self.file.read(f"series/{name}"), dtype=np.float64)

    def spikes(self, population: Any) -> tuple[F8, NDArray[np.uint32]]:
        """Recorded spikes of a population: times (n_spike,) in ms of spike time, and cells (n_spike,).

        By default these are the trains of one tick a day; `spike_windows` tells which.
        """
        name = self.population(population)["name"]
        if not self.file.length(f"spikes/{name}/time"):
            return np.zeros(0), np.zeros(0, np.uint32)
        return self.file.read(f"spikes/{name}/time"), self.file.read(f"spikes/{name}/index")

    def spike_windows(self, population: Any) -> F8:
        """The stretches of spike time over which `spikes` is complete, (n_tick, 2) ms.

        Whole ticks; the last may be cut by the end of the run.
        """
        name = self.population(population)["name"]
        if not self.file.length(f"spikes/{name}/tick"):
            return np.zeros((0, 2))
        tick = self.file.read(f"spikes/{name}/tick").astype(np.float64)
        return self._stretches(tick)

    def _stretches(self, tick: F8) -> F8:
        """Where ticks (0 is the first) begin and end, (n_tick, 2) ms of spike time; none beyond the end of the run."""
        out = np.column_stack([tick, tick + 1.0]) * self.tick_spike
        life = self.file.item("life", None)
        if life is not None:
            end = float(life) / float(self.file.item("acceleration", 1.0))
            if len(out) and out[-1, 1] > end + slack(end):
                out[-1, 1] = end
        return out

    def count_windows(self, population: Any) -> F8:
        """The stretches of spike time that the rows of `counts` tell of, (n_row, 2) ms."""
        return self._stretches(np.arange(len(self.counts(population)), dtype=np.float64))

    def counts(self, population: Any) -> NDArray[np.uint32]:
        """Spike counts, (n_row, n): a row for each tick, and one for what came after the last whole one."""
        q = self.population(population)
        if not self.file.length(f"counts/{q['name']}"):
            return np.zeros((0, q["n"]), np.uint32)
        return self.file.read(f"counts/{q['name']}")

    def positions(self, population: Any) -> F8:
        """Positions, (n, 2) um."""
        return self.file.read(f"positions/{self.population(population)['name']}")

    # ------------------------------------------------------------------ pictures

    @cached_property
    def snapshot_days(self) -> list[float]:
        """Life times of the snapshots, days."""
        return [float(d) for d in self.series("snapshot_day")]

    def snapshot(self, projection: Any, day: float) -> dict[str, NDArray[Any]]:
        """The living synapses on the snapshot nearest to `day`: columns (n_synapse,) by name; ``born`` in days."""
        name = self.projection(projection)["name"]
        if name not in self.plastic:
            raise ParameterError(
                f"projection {name!r} has no spines, hence no snapshots; run.graph() holds its synapses"
            )
        at = min(self.snapshot_days, key=lambda d: abs(d - day))
        prefix = f"snapshot/{at:g}/{name}/"
        return {n[len(prefix) :]: self.file.read(n) for n in self.file.names(prefix)}

    def pictures(self, projection: Any) -> list[tuple[float, str]]:
        """(day, label) of everything that holds weights of a projection."""
        name = self.projection(projection)["name"]
        out = [(0.0, "initial"), (self.days, "final")]
        if name in self.plastic:
            out += [(d, f"snapshot/{d:g}") for d in self.snapshot_days]
        return [(d, label) for d, label in out if f"{label}/{name}/weight" in self.file.names(f"{label}/{name}/")]

    def weights(self, projection: Any, uid: NDArray[np.uint64], day: float) -> F8:
        """Weights of synapses from the nearest picture in which each is seen; NaN if in none of the three nearest."""
        name = self.projection(projection)["name"]
        weight = np.full(uid.size, np.nan)
        for _, label in sorted(self.pictures(name), key=lambda p: abs(p[0] - day))[:3]:
            left = np.flatnonzero(np.isnan(weight))
            if not left.size:
                break
            seen = self.file.read(f"{label}/{name}/uid")
            order = np.argsort(seen)
            at = np.searchsorted(seen[order], uid[left])
            known = at < order.size
            known[known] = seen[order[at[known]]] == uid[left[known]]
            weight[left[known]] = self.file.read(f"{label}/{name}/weight")[order[at[known]]]
        return weight

    def smallest_size(self, projection: Any = None) -> float | None:
        """ln(V/V0) below which a spine of a projection is lost, if a mechanism of it says so."""
        for use in self.projection(projection).get("uses", []):
            if use.get("death") == "first passage" and "minimum" in use:
                return float(use["minimum"])
        return None
