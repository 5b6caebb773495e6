"""What was recorded, as it stands in the file: names, series, spikes, positions, snapshots, weights, the log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurodev.card import Card
from neurodev.errors import ParameterError, RunFileError, nearest, shown
from neurodev.params import among, asks, finite, of_type, or_none, wholes
from neurodev.record import snapshots
from neurodev.record.runfile import RunFile
from neurodev.runs import described
from neurodev.runs.log import F8, Log, name_in
from neurodev.structure.cause import CAUSES, Causes
from neurodev.units import day as DAY
from neurodev.units import slack

_EVERY_TICK = ("life", "events", "n_synapse/", "births/", "deaths/", "refused/")  # others may begin later
_ONLY = or_none(of_type(list, tuple, what="a list of names of columns"))


class Reading(Card):
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
        self.file = RunFile.open(path)
        self.path: Path = self.file.path
        if "network" not in self.file.items():
            raise RunFileError(f"{str(self.path)!r} holds no run yet: wait until its simulation has begun")
        self.network: dict[str, Any] = described.network(self.file)
        self._projections = {q["name"]: q for q in self.network["projections"]}
        self._populations = {p["name"]: p for p in self.network["populations"]}
        self.provenance: dict[str, Any] = described.provenance(self.file)
        self.tick_days: float = described.number(self.file, "tick", low=0.0) / DAY
        self.tick_spike: float = described.number(self.file, "tick_spike", low=0.0)
        self.causes = Causes.read(self.file.item("causes", list(CAUSES)), self.file.item("meanings", {}))
        self.log = self._log()

    def _log(self) -> Log:
        sizes = {q["name"]: self.sizes(q) for q in self.network["projections"]}
        return Log(self.file, sizes, self.tick_days, self.causes)

    def sizes(self, projection: Any) -> tuple[int, int]:
        """Number of sources and of targets of a projection, by its name or description."""
        if not isinstance(projection, dict) or "source" not in projection:
            projection = self.projection(projection)
        source, target = (int(self._populations[projection[k]]["n"]) for k in ("source", "target"))
        return source, target

    def refresh(self) -> Self:
        """Look again at a run that is still growing."""
        self.file.refresh()
        self.log = self._log()
        for name in ("snapshot_days", "_labels"):
            self.__dict__.pop(name, None)
        return self

    # ------------------------------------------------------------------ names

    @property
    def plastic(self) -> list[str]:
        """Projections on spines."""
        return [q["name"] for q in self.network["projections"] if q["spines"]]

    def projection(self, name: Any = None) -> dict[str, Any]:
        """Description of a projection; the first on spines if not named."""
        if name is None:
            if not self.plastic:
                raise ParameterError("this run has no projection on spines")
            name = self.plastic[0]
        found: dict[str, Any] = self._projections[name_in(name, self._projections, "projection")]
        return found

    def population(self, name: Any) -> dict[str, Any]:
        """Description of a population."""
        found: dict[str, Any] = self._populations[name_in(name, self._populations, "population")]
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
        if (life := described.number(self.file, "life", None)) is not None:
            return life / DAY
        return float(self.series("life")[-1]) if self.n_tick else 0.0

    @property
    def series_names(self) -> list[str]:
        """Names of the series, sorted."""
        return [n.removeprefix("series/") for n in self.file.names("series/")]

    def series(self, name: str) -> F8:
        """One number per tick, (n_tick,)."""
        known = self.series_names
        if not isinstance(name, str) or name not in known:
            hint = nearest(name, known) if isinstance(name, str) else ""
            raise ParameterError(f"no series {shown(name)}{hint}; this run has {known}")
        found = np.asarray(self.file.read(f"series/{name}"), dtype=np.float64)
        if found.ndim != 1:
            raise self.file.damaged(f"series {name!r}", f"it has the shape {found.shape}")
        every = self.is_training or name.startswith(_EVERY_TICK)
        if every and name != "snapshot_day" and found.size != self.n_tick:
            raise self.file.damaged(f"series {name!r}", f"it has {found.size} numbers for {self.n_tick} ticks")
        return found

    def spikes(self, population: Any) -> tuple[F8, NDArray[np.uint32]]:
        """Recorded spikes of a population: times (n_spike,) in ms of spike time, and cells (n_spike,).

        By default these are the trains of one tick a day; `spike_windows` tells which.
        """
        name = self.population(population)["name"]
        if not self.file.length(f"spikes/{name}/time"):
            return np.zeros(0), np.zeros(0, np.uint32)
        with self.file.held():
            time, index = self.file.read(f"spikes/{name}/time"), self.file.read(f"spikes/{name}/index")
        what = f"the record of spikes of {name!r}"
        if time.shape != index.shape or time.ndim != 1:
            raise self.file.damaged(what, f"{time.shape} times of {index.shape} cells")
        described.check_index(self.file, what, "cells", index, int(self.population(name)["n"]))
        return time, index

    def recorded(self, population: Any) -> NDArray[np.int64]:
        """Cells of which `spikes` tells, (n,), in order: all, or those that the simulation was asked to record."""
        name, n = self.population(population)["name"], int(self.population(population)["n"])
        if f"spikes/{name}/cells" not in self.file.names(f"spikes/{name}/"):
            return np.arange(n)
        cells = self.file.read(f"spikes/{name}/cells")
        described.check_index(self.file, f"the record of spikes of {name!r}", "cells", cells, n)
        return cells.astype(np.int64)

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
        counts = self.file.read(f"counts/{q['name']}")
        if counts.ndim != 2 or counts.shape[1] != q["n"] or counts.dtype.kind != "u":
            raise self.file.damaged(f"array 'counts/{q['name']}'", f"{counts.shape} for {q['n']} cells")
        return counts

    def positions(self, population: Any) -> F8:
        """Positions, (n, 2) um."""
        q = self.population(population)
        found = self.file.read(f"positions/{q['name']}")
        if found.ndim != 2 or found.shape[0] != q["n"]:
            raise self.file.damaged(f"array 'positions/{q['name']}'", f"{found.shape} for {q['n']} cells")
        return found

    # ------------------------------------------------------------------ pictures

    @cached_property
    def snapshot_days(self) -> list[float]:
        """Life times of the snapshots, days."""
        days = self.series("snapshot_day")
        if not days.size or not np.isfinite(days).all():
            raise self.file.damaged("series 'snapshot_day'", "it does not say when pictures were taken")
        return [float(d) for d in days]

    @cached_property
    def _labels(self) -> dict[float, str]:
        """The label of each snapshot by its day."""
        return snapshots.labels_in(self.file, self.snapshot_days)

    def pictured_days(self, projection: Any = None) -> list[float]:
        """The days of the snapshots of a projection on spines, and the end, of which there is a picture too."""
        q, days = self.projection(projection), self.snapshot_days
        ends = self.days > days[-1] and self.file.length(f"final/{q['name']}/uid")
        return [*days, self.days] if ends else days

    @asks(day=finite("days"), only=_ONLY)
    def snapshot(self, projection: Any, day: float, only: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """The living synapses on the snapshot nearest to `day`, or at the end of the run, if that is nearer: columns
        (n_synapse,) by name; ``born`` in days.

        With `only`, those of these columns that there are: no others are read.
        """
        name = self.projection(projection)["name"]
        if name not in self.plastic:
            raise ParameterError(
                f"projection {name!r} has no spines, hence no snapshots; run.graph() holds its synapses"
            )
        at = snapshots.nearest(self.pictured_days(name), day)
        return self.columns(self._labels.get(at, "final"), name, only)

    @asks(day=finite("days"))
    def picture(self, day: float) -> str:
        """The label of the snapshot nearest to a day, for `columns` and `synapses`."""
        return self._labels[snapshots.nearest(self.snapshot_days, day)]

    @asks(only=_ONLY)
    def columns(self, label: str, projection: str, only: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """All columns of a picture of a projection, or those of some names that there are, (n_synapse,) by name."""
        q = self._pictured(label, projection)
        prefix = f"{label}/{q['name']}/"
        names = [n.removeprefix(prefix) for n in self.file.names(prefix)]
        names = [n for n in names if "/" not in n]  # those of a projection whose name goes on
        if only is not None:
            names = [n for n in names if n in only]
        return described.columns(self.file, prefix[:-1], names, *self.sizes(q))

    def synapses(self, label: str, projection: str) -> tuple[NDArray[Any], ...]:
        """uid, pre, post and lane of a picture, (n_synapse,) each."""
        q = self._pictured(label, projection)
        return described.synapses(self.file, f"{label}/{q['name']}", *self.sizes(q))

    def _pictured(self, label: str, projection: Any) -> dict[str, Any]:
        """Description of a projection, of which there is a picture of that label."""
        q = self.projection(projection)
        if not isinstance(label, str) or label not in ("initial", "final"):
            among(["initial", "final", *self._labels.values()])(label, "label")
        return q

    def pictures(self, projection: Any) -> list[tuple[float, str]]:
        """(day, label) of everything that holds weights of a projection."""
        name = self.projection(projection)["name"]
        out = [(0.0, "initial"), (self.days, "final")]
        if name in self.plastic:
            out += self._labels.items()
        return [(d, label) for d, label in out if f"{label}/{name}/weight" in self.file.names(f"{label}/{name}/")]

    @asks(day=finite("days"))
    def weights(self, projection: Any, uid: NDArray[np.uint64], day: float) -> F8:
        """Weights of synapses from the nearest picture in which each is seen; NaN if in none of the three nearest."""
        return self._weighed(projection, uid, day)[0]

    def _weighed(self, projection: Any, uid: NDArray[np.uint64], day: float) -> tuple[F8, F8]:
        """Weights as of `weights`, and of which day the picture is that told each, (n,) both; NaN where none did."""
        name = self.projection(projection)["name"]
        uid = np.atleast_1d(wholes(uid, "uid")).astype(np.uint64)
        if uid.ndim > 1:
            raise ParameterError(f"uid must be a list of uids of synapses, got an array of shape {uid.shape}")
        weight, told = np.full(uid.size, np.nan), np.full(uid.size, np.nan)
        for when, label in sorted(self.pictures(name), key=lambda p: abs(p[0] - day))[:3]:
            left = np.flatnonzero(np.isnan(told))
            if not left.size:
                break
            picture = described.columns(self.file, f"{label}/{name}", ("uid", "weight"), 0, 0)
            seen = picture["uid"]
            order = np.argsort(seen)
            at = np.searchsorted(seen[order], uid[left])
            known = at < order.size
            known[known] = seen[order[at[known]]] == uid[left[known]]
            weight[left[known]] = picture["weight"][order[at[known]]]
            told[left[known]] = when
        return weight, told

    def smallest_size(self, projection: Any = None) -> float | None:
        """ln(V/V0) below which a spine of a projection is lost, if a mechanism of it says so."""
        for use in self.projection(projection).get("uses", []):
            if use.get("death") == "first passage" and isinstance(use.get("minimum"), (int, float)):
                return float(use["minimum"])
        return None
