"""The recorder: counts of every tick, full trains of some, snapshots of spines, the whole log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import I8
from neurodev.errors import ParameterError, nearest, shown
from neurodev.params import one_of
from neurodev.record.runfile import RunFile
from neurodev.record.snapshots import check_snapshots, due
from neurodev.structure import selection
from neurodev.structure.cause import Causes
from neurodev.structure.log import LogBatch, NeuronBatch, concatenate, concatenate_neurons
from neurodev.units import day

SPIKES = ("daily", "all", "none")
_SNAPSHOT = {"uid": "<u8", "pre": "<u2", "post": "<u2", "lane": "u1", "born": "<f4"}


Choice = str | dict[str, str | I8]


def chosen(record: Any, sizes: Mapping[str, int] | None = None) -> Choice:
    """Which full trains a user wants: a word for all populations, or for each a word or the cells (n,) in order.

    Parameters
    ----------
    record : word, or dict of population (or its name) to word, selection, True or False
        Cells by numbers, a mask, a slice or a set; True is ``"all"``, False and what is not named ``"none"``.
    sizes : mapping of name to number of cells
        The populations that there are.

    Raises
    ------
    ParameterError
        For anything else, and for populations and cells that there are not.

    Examples
    --------
    >>> chosen({"exc": slice(0, 3), "inh": True}, {"exc": 80, "inh": 20})
    {'exc': array([0, 1, 2]), 'inh': 'all'}
    """
    if isinstance(record, str) or not isinstance(record, Mapping):
        return one_of(record, "record", SPIKES)
    out: dict[str, str | I8] = {}
    for place, value in record.items():
        name, known = getattr(place, "name", place), sizes or {}
        if not isinstance(name, str) or name not in known:
            raise ParameterError(
                f"record must name populations of this network, got {shown(place, 40)}{nearest(str(name), known)}; it "
                f"has {sorted(known)}"
            )
        if isinstance(value, str):
            out[name] = one_of(value, f"record of {name!r}", SPIKES)
        elif isinstance(value, (bool, np.bool_)):
            out[name] = "all" if value else "none"
        else:
            cells = selection.indices(value, known[name], f"record of {name!r}", of=f"cells of {name!r}")
            out[name] = np.unique(cells)
    return out


def plain(choice: Choice) -> Any:
    """A choice as words and numbers."""
    if isinstance(choice, str):
        return choice
    return {name: what if isinstance(what, str) else what.tolist() for name, what in choice.items()}


def by_uid(uid: NDArray[np.uint64]) -> I8 | slice:
    """What puts synapses into the order of their uids, (n_synapse,); nothing where they have it."""
    return slice(None) if np.all(uid[1:] > uid[:-1]) else np.argsort(uid)


class Recorder:
    """Writes a run to its file; what it gathers reaches the file with the next `flush`, all of it or nothing.

    Parameters
    ----------
    file : RunFile
    spikes : {"daily", "all", "none"}, or a dict by population, as `chosen` gives it
        Full trains of the first tick of every day, of all time, or none; or of all time of some cells.  Counts are
        always kept.
    snapshots : float, ms (life), or a list of such
        Interval of the snapshots of spine-bearing projections, or when they are taken.
    causes : Causes, optional
        The list of the run, to which codes of this process are translated; if not given they are kept as they are.

    Notes
    -----
    Arrays written: ``counts/<population>`` (n_tick, n), with one row more where a run ends within a tick;
    ``spikes/<population>/time`` (ms of spike time since the start) and ``/index``, ``/tick`` naming the ticks (0 is the
    first; the last may be cut by the end of the run) that are complete in them, ``/cells`` naming the cells of which
    they are, where not of all;
    ``<label>/<projection>/<column>`` for the labels ``initial``, ``snapshot/<day>`` and ``final``;
    ``series/<name>``, one number per tick; ``neurons/<population>/<field>`` the births and deaths of neurons;
    ``moments/synapses/<projection>/<field>`` and ``moments/neurons/<population>/<field>`` when those happened that an
    experimenter made between ticks.
    """

    def __init__(
        self, file: RunFile, spikes: Choice = "daily", snapshots: Any = day, causes: Causes | None = None
    ) -> None:
        try:
            if not isinstance(spikes, dict):
                one_of(spikes, "record", SPIKES)
            self.snapshots = check_snapshots(snapshots)
        except ParameterError:
            file.discard()  # the next attempt must find it free, even while a notebook keeps this traceback
            raise
        self.file, self.spikes = file, spikes
        self.causes = causes
        self._n_snapshot = 0
        self._wanted: tuple[int, bool] = (0, False)  # the present tick, and whether it is the first of a day
        self._logged: set[str] = set()
        self._empty()

    def _empty(self) -> None:
        self._series: dict[str, list[float]] = {}
        self._trains: dict[str, list[tuple[NDArray[np.float64], NDArray[np.uint32]]]] = {}
        self._whole: dict[str, list[int]] = {}
        self._counts: dict[str, list[NDArray[np.uint32]]] = {}
        self._logs: dict[str, list[LogBatch]] = {}
        self._neurons: dict[str, list[NeuronBatch]] = {}
        self.pending = 0  # bytes of spikes that wait for a flush
        self._moments: dict[str, list[dict[str, NDArray[Any]]]] = {}

    def wants_trains(self, life: float, tick: float) -> bool:
        """Whether the tick that begins at `life` (ms) and lasts `tick` (ms of life) is to be kept spike by spike."""
        # a tick that begins a hair before midnight, by rounding, is the first of the new day
        slack = 1e-6 * tick
        first = np.floor((life + slack) / day) > np.floor((life - tick + slack) / day)
        self._wanted = (round(life / tick), bool(first))
        return any(map(self.wants, self.spikes)) if isinstance(self.spikes, dict) else self.wants("")

    def wants(self, population: str) -> bool:
        """Whether trains of a population are to be kept in the present tick."""
        what = self.spikes.get(population, "none") if isinstance(self.spikes, dict) else self.spikes
        if isinstance(what, str):
            return what == "all" or (what == "daily" and self._wanted[1])
        return what.size > 0

    def begin(self) -> None:
        """Write down of which cells trains are kept, where not of all."""
        for name, what in self.spikes.items() if isinstance(self.spikes, dict) else ():
            if not isinstance(what, str):
                self.file.append(f"spikes/{name}/cells", what.astype("<u4"))

    def trains(self, population: str, times: NDArray[np.float64], indices: NDArray[np.uint32]) -> None:
        """Keep spikes: times (n,) ms of spike time since the start, and neurons (n,); of the cells that are wanted."""
        cells = self.spikes.get(population, "none") if isinstance(self.spikes, dict) else self.spikes
        if not isinstance(cells, str):
            wanted = np.isin(indices, cells)
            times, indices = times[wanted], indices[wanted]
        self._trains.setdefault(population, []).append((times, indices))
        self.pending += times.nbytes + indices.nbytes

    def counts(self, counts: dict[str, NDArray[np.int64]]) -> None:
        """Keep the spike counts (n,) of each population in the tick that just ended, or in what there was of it."""
        for name, c in counts.items():
            # 16 bits would be too few: a tick of two hours in real time holds 72000 spikes at 10 Hz
            self._counts.setdefault(name, []).append(np.asarray(c).astype("<u4"))
            if self.wants(name):
                self._whole.setdefault(name, []).append(self._wanted[0])

    def series(self, values: dict[str, float]) -> None:
        """Keep one number per tick for each name."""
        for name, v in values.items():
            self._series.setdefault(name, []).append(float(v))

    def log(self, projection: str, batch: LogBatch) -> None:
        """Keep births and deaths."""
        if batch.uid.size:
            if self.causes is not None:
                batch = batch._replace(cause=self.causes.written(batch.cause))
            self._logs.setdefault(projection, []).append(batch)
            self._logged.add(projection)

    def has_log(self, projection: str) -> bool:
        """Whether any synapse of a projection was born or died so far."""
        return projection in self._logged

    def neurons(self, population: str, batch: NeuronBatch) -> None:
        """Keep births and deaths of neurons."""
        if batch.neuron.size:
            if self.causes is not None:
                batch = batch._replace(cause=self.causes.written(batch.cause))
            self._neurons.setdefault(population, []).append(batch)

    def moments(self, what: str, name: str, columns: dict[str, NDArray[Any]]) -> None:
        """Keep when an experimenter's births and deaths of ``"synapses"`` or ``"neurons"`` happened (see `Moments`)."""
        if columns:
            self._moments.setdefault(f"{what}/{name}", []).append(columns)

    def snapshot_due(self, life: float) -> bool:
        """Whether a snapshot is due at `life` (ms); asking for it schedules the next."""
        behind = due(self.snapshots, self._n_snapshot, life)
        self._n_snapshot = behind or self._n_snapshot
        return behind is not None

    def snapshot(
        self, projection: str, label: str, state: Mapping[str, NDArray[Any]], order: I8 | slice | None = None
    ) -> None:
        """Write the living synapses of a projection: columns (n_synapse,) by name; ``born`` is written in days.

        Weights keep their precision, which is what arrives; columns that are looked at only take four bytes.  Synapses
        follow each other by their uids: where they lie in memory is nobody's business.  `order` is that of the uids
        (see `by_uid`), for who writes columns one after the other.
        """
        if order is None:
            order = by_uid(state["uid"]) if "uid" in state else slice(None)
        with self.file.together():
            for name, column in state.items():
                a = column[order]
                dtype = _SNAPSHOT.get(name, "<f4")
                if name == "weight":
                    dtype = "<f4" if a.dtype == np.float32 else "<f8"
                wider = {"<u2": "<u4", "u1": "<u2"}.get(dtype)
                if wider is not None and a.size and a.max() > np.iinfo(dtype).max:
                    dtype = wider
                scaled = a / day if name == "born" else a
                self.file.append(f"{label}/{projection}/{name}", scaled.astype(dtype))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as words and numbers; whatever was gathered goes into the file with it."""
        return {"snapshots": self._n_snapshot, "wanted": list(self._wanted), "logged": sorted(self._logged)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._n_snapshot = int(state["snapshots"])
        self._wanted = int(state["wanted"][0]), bool(state["wanted"][1])
        self._logged = {str(name) for name in state["logged"]}

    def flush(self, tick: int, checkpoint: bytes | None = None) -> None:
        """Write everything gathered so far in one transaction; `tick` is the last one in it.

        A `checkpoint` shares the transaction, so that it cannot disagree with the data up to it.
        """
        with self.file.together():
            for name, rows in self._series.items():
                self.file.append(f"series/{name}", np.array(rows))
            for name, parts in self._counts.items():
                self.file.append(f"counts/{name}", np.stack(parts))
            for name, trains in self._trains.items():
                self.file.append(f"spikes/{name}/time", np.concatenate([t for t, _ in trains]))
                self.file.append(f"spikes/{name}/index", np.concatenate([i for _, i in trains]))
            for name, ticks in self._whole.items():
                self.file.append(f"spikes/{name}/tick", np.array(ticks, dtype="<i4"))
            for name, batches in self._logs.items():
                self.file.append_log(name, tick, concatenate(batches))
            for name, events in self._neurons.items():
                for column, values in concatenate_neurons(events)._asdict().items():
                    self.file.append(f"neurons/{name}/{column}", values)
            for name, parts_of in self._moments.items():
                for column in parts_of[0]:
                    self.file.append(f"moments/{name}/{column}", np.concatenate([m[column] for m in parts_of]))
            if checkpoint is not None:
                self.file.checkpoint(tick, checkpoint)
        # before the commit: an interrupt in between must not write the same rows twice
        self._empty()
        self.file.commit()
