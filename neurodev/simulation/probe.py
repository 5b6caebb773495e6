"""Probes: samples of one quantity while a simulation runs, each column with its identity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8, U8
from neurodev.engine.network import Population, Projection
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError, nearest, shown
from neurodev.neurons.tree import compartment_signals
from neurodev.structure import selection
from neurodev.structure.table import Table
from neurodev.units import slack

# what a table knows of every synapse without a column
_OF_SYNAPSES = {
    "uid": lambda t, s: t.uid_of(s), "pre": lambda t, s: t.pre(s),
    "post": lambda t, s: t.post[s], "delay": lambda t, s: t.delays[t.lane(s)], "born": lambda t, s: t.born_of(s),
}  # fmt: skip


class Probe:
    """Samples of one quantity: `times` (ms of spikes) and `values` (n_sample, n), one column for each of n.

    Of a population a column is a cell, `cells`; of a projection a synapse, `uid`, NaN where it did not live.  A column
    never changes hands.

    Parameters
    ----------
    simulator : Simulator
    what : Population, Projection or name
    signal : str
        Of a population ``"V"`` (mV), ``"V_3"`` (of compartment 3 of a tree) or a signal of it; of a projection
        ``"weight"``, ``"uid"``, ``"pre"``, ``"post"``, ``"delay"`` (ms), ``"born"`` (ms of life) or a column of it.
    cells : selection, optional
        Of a population: which cells (numbers, a mask, a slice, a set); all if not given.
    uids : list of int, optional
        Of a projection: which synapses; all, the newborn too, if not given.

    Attributes
    ----------
    cells : (n,) int64
        Of a population: which cell each column is.

    Raises
    ------
    ParameterError
        For a name, a signal, cells or synapses that there are not.
    """

    def __init__(self, simulator: Simulator, what: Any, signal: str, cells: Any = None, uids: Any = None) -> None:
        self._simulator, self._signal = simulator, signal
        place = _place(simulator, what)
        self._name = place.name
        self._table: Table | None = None
        self.cells: I8 = np.zeros(0, dtype=np.int64)
        self._uids: U8 | None = None
        if isinstance(place, Population):
            if uids is not None:
                raise ParameterError(f"uids= names synapses, and {place.name!r} is a population: use cells=")
            everyone = slice(None) if cells is None else cells
            self.cells = selection.indices(everyone, place.n, "cells", of=f"cells of {place.name!r}", some=True)
            self._known(signal, ["V", *compartment_signals(place.model), *simulator.blocks[place.name].signals])
        else:
            simulator.check_whole(place.name, "its synapses cannot be probed")
            self._table = simulator.tables[place.name]
            if cells is not None:
                raise ParameterError(f"cells= names neurons, and {place.name!r} is a projection: use uids=")
            if uids is not None:
                selection.living(self._table, uids, "uids", f"synapses of {place.name!r}", some=True)
                self._uids = selection.uids(uids, "uids")
            self._known(signal, ["weight", *_OF_SYNAPSES, *self._table.column_names])
        self._every, self._next = np.inf, np.inf
        self._left: list[float] | None = None
        self._times: list[float] = []
        self._values: list[F8] = []
        self._seen: list[U8] = []
        self._read()

    def plan(self, now: float, every: float, left: list[float] | None) -> None:
        """Take samples every `every` ms of spikes from `now` on, or at the times that are left."""
        self._every, self._left = every, left
        self._next = now + every

    @property
    def when(self) -> float:
        """Spike time of the next sample, ms; infinite after the last."""
        if self._left is None:
            return self._next
        return self._left[0] if self._left else np.inf

    def samples(self, length: float) -> float:
        """How many it takes in so many ms of spikes, at most."""
        return length / self._every if self._left is None else len(self._left)

    def _known(self, signal: object, known: list[str]) -> None:
        if not isinstance(signal, str) or signal not in known:
            raise ParameterError(
                f"{self._name!r} has no signal {shown(signal)}{nearest(str(signal), known)}; it has {known}"
            )

    def _read(self) -> tuple[F8, U8]:
        """Values now, and, of a projection, whose they are."""
        if self._table is None:
            return self._simulator.sampled(self._name, self._signal, self.cells), np.zeros(0, dtype=np.uint64)
        t = self._table
        slots = t.slots() if self._uids is None else t.slot_of(self._uids)
        slots = slots[slots >= 0]
        if self._signal in _OF_SYNAPSES:
            found = _OF_SYNAPSES[self._signal](t, slots)
        else:
            found = self._simulator.sampled_synapses(self._name, self._signal, slots)
        return np.array(found, dtype=np.float64), t.uid_of(slots)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: what is sampled, and all samples so far."""
        different = {id(u): u for u in self._seen}
        number = {key: k for k, key in enumerate(different)}
        none = np.zeros(0)
        return {
            "name": self._name, "signal": self._signal, "cells": self.cells, "uids": self._uids,
            "every": self._every, "next": self._next, "left": self._left,
            "times": np.array(self._times), "values": np.concatenate([*self._values, none]),
            "sizes": np.array([v.size for v in self._values], dtype=np.int64),
            "seen": np.concatenate([*different.values(), none.astype(np.uint64)]),
            "lengths": np.array([u.size for u in different.values()], dtype=np.int64),
            "which": np.array([number[id(u)] for u in self._seen], dtype=np.int64),
        }  # fmt: skip

    @classmethod
    def _restored(cls, simulator: Simulator, state: dict[str, Any]) -> Probe:
        """The probe behind `state`; what it samples may have died meanwhile."""
        probe = cls(simulator, state["name"], state["signal"])
        probe.cells, probe._uids = state["cells"], state["uids"]
        probe._every, probe._next, probe._left = state["every"], state["next"], state["left"]
        apart = lambda flat, sizes: np.split(flat, np.cumsum(sizes)[:-1]) if sizes.size else []
        probe._times = state["times"].tolist()
        probe._values = apart(state["values"], state["sizes"])
        different = apart(state["seen"], state["lengths"])
        probe._seen = [different[k] for k in state["which"]]
        return probe

    def sample(self, now: float) -> None:
        """Take a sample, and plan the next."""
        if self._left is None:
            self._next += self._every
        else:
            self._left = [t for t in self._left if t > now + slack(now)]
        values, uid = self._read()
        if self._seen and np.array_equal(uid, self._seen[-1]):
            uid = self._seen[-1]  # kept once while nobody dies or is born
        self._times.append(now)
        self._values.append(values)
        self._seen.append(uid)

    @property
    def of(self) -> str:
        """Name of the population or projection that is sampled."""
        return self._name

    @property
    def signal(self) -> str:
        """What of it is sampled."""
        return self._signal

    @property
    def size(self) -> int:
        """Numbers in a sample."""
        return int(self._read()[0].size)

    @property
    def times(self) -> F8:
        """Spike times of the samples, ms."""
        return np.array(self._times)

    @property
    def uid(self) -> NDArray[np.uint64]:
        """Which synapse each column of `values` is, ascending unless `uids` were given; empty for a population."""
        if self._uids is not None:
            return self._uids
        if self._table is None:
            return np.zeros(0, dtype=np.uint64)
        different = {id(u): u for u in self._seen} or {0: self._read()[1]}
        return np.unique(np.concatenate(list(different.values())))

    @property
    def values(self) -> F8:
        """Samples, (n_sample, n), a column for each of `cells` or `uid`; NaN where a synapse did not live."""
        if self._table is None:
            return np.array(self._values).reshape(-1, self.cells.size)
        uid = self.uid
        order = np.argsort(uid)
        out = np.full((len(self._values), uid.size), np.nan)
        for row, values, seen in zip(out, self._values, self._seen, strict=True):
            row[order[np.searchsorted(uid[order], seen)]] = values
        return out


def _place(s: Simulator, what: Any) -> Population | Projection:
    """The population or projection that is meant."""
    known: dict[str, Any] = {**s.network.populations, **s.network.projections}
    name = what if isinstance(what, str) else getattr(what, "name", None)
    if name not in known or not (isinstance(what, str) or what is known[name]):
        raise ParameterError(
            f"nothing of this network to probe by {shown(what)}{nearest(str(name), known)}; it has {sorted(known)}"
        )
    found: Population | Projection = known[name]
    return found
