"""A network in the middle of its life, as a file: who is connected to whom, with what weights, sizes and columns.

It is the start of another study: of a network with the same populations and projections, whose mechanisms, drives and
parameters may be others.  Uids are kept.  What is on its way (spikes, currents, the traces of spikes) is left behind,
and so is what a mechanism keeps beside its columns; membranes come along where that is asked for.

Dates move: the new life begins at 0, and whoever was born earlier was born before that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.arrays import I8, Array
from neurodev.engine import build, fate
from neurodev.engine.network import Population, Projection
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, RunFileError, nearest, shown
from neurodev.record.packed import damaged, pack, under, unpack
from neurodev.record.runfile import RunFile
from neurodev.record.values import as_text, of_text
from neurodev.structure.births import BirthDates
from neurodev.structure.table import Table, UidSource
from neurodev.writing import absolute, unfit

FORM = 1  # of circuits; another one is refused
_MOST = 1 << 34  # bytes that are expanded of arrays of nearly nothing
_STRUCTURE = {"uid": "u", "pre": "ui", "post": "ui", "delay": "f", "weight": "f", "born": "f"}
_CELLS = {"alive": "b", "born": "f", "died": "f"}


def circuit_of(s: Simulator) -> bytes:
    """The circuit of a simulator as it stands; nothing of it is changed."""
    populations, projections = s.network.populations, s.network.projections
    words = {
        "form": FORM, "uid": s.engine.uids.next, "life": s.life,
        "populations": [{"name": p.name, "n": p.n, "inhibitory": p.inhibitory, "drive": p.is_drive} for p in
                        populations.values()],
        "projections": [{"name": q.name, "source": q.source.name, "target": q.target.name, "signed": q.signed,
                         "spines": q.spines is not None} for q in projections.values()],
    }  # fmt: skip
    out: dict[str, Array] = {"circuit": as_text(words)}
    for p in populations.values():
        here, block = f"population/{p.name}", s.blocks[p.name]
        out |= {f"{here}/alive": block.alive, f"{here}/born": block.born - s.life, f"{here}/died": block.died - s.life}
        out[f"{here}/positions"] = p.positions
        if not p.is_drive:
            out[f"{here}/V"] = s.engine.potential(p.name)
        for name in block.signals:
            values = np.array(s.sampled(p.name, name, np.arange(p.n)))
            out[f"{here}/signal/{name}"] = values - _shift(name, s)
    for q in projections.values():
        here, state, table = f"projection/{q.name}", dict(s.state(q.name)), s.tables[q.name]
        order = np.argsort(state["uid"])
        delay = table.delays[state.pop("lane")]
        for name, values in ({"delay": delay} | state).items():
            column = name in table.column_names
            moved = values - (_shift(name, s) if column else s.life if name == "born" else 0)
            moved = values if name in ("uid", "pre", "post") else moved
            out[f"{here}/{'column/' if column else ''}{name}"] = moved[order]
    return pack(out, 1)


def _shift(name: str, s: Simulator) -> float:
    """What dates of a column or signal begin anew from: spike times since the start, or life times."""
    return s.spike if name.endswith("_time") else s.life if name.endswith("_from") else 0.0


def write(s: Simulator, path: Any, overwrite: bool) -> Path:
    """Write the circuit of a simulator to a file, whole or not at all.

    Raises
    ------
    RunFileError
        If the path cannot be written to, or holds something already.
    """
    for name in s.engine.split:
        s.check_whole(name, "no circuit can be saved")
    to = absolute(path, "path")
    if why := unfit(to):
        raise RunFileError(f"cannot write to {str(to)!r}: {why}")
    if os.path.lexists(to) and not overwrite:
        raise RunFileError(f"{str(to)!r} is there already: overwrite=True replaces it, or choose another path")
    if overwrite and to.is_file() and not _is_circuit(to):
        raise RunFileError(f"{str(to)!r} holds no saved circuit, and would be lost: choose another path")
    data, part = circuit_of(s), to.with_name(f".{to.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(to)
    except OSError as e:
        raise RunFileError(f"{str(to)!r} cannot be written ({e.strerror or e})") from e
    finally:
        part.unlink(missing_ok=True)
    return to


def _is_circuit(path: Path) -> bool:
    try:
        Circuit(path.read_bytes(), str(path))
    except (RunFileError, OSError):
        return False
    return True


def read(path: Any, membranes: bool = False) -> Circuit:
    """The circuit of a file.

    Raises
    ------
    RunFileError
        If there is none, or it is damaged.
    """
    where = absolute(path, "path")
    try:
        data = where.read_bytes()
    except OSError as e:
        raise RunFileError(f"{str(where)!r} cannot be read ({e.strerror or e}): name a file of sim.save(path)") from e
    return Circuit(data, str(where), membranes)


@dataclass
class Circuit:
    """A saved circuit, from which a simulator begins.

    Attributes
    ----------
    data : bytes
        As it was saved.
    source : str
        Its path, for messages.
    membranes : bool
        Whether potentials come along.
    """

    data: bytes
    source: str = "a circuit"
    membranes: bool = False

    def __post_init__(self) -> None:
        try:
            self._arrays = unpack(self.data, _MOST)
            words = of_text(self._arrays.get("circuit", np.zeros(0, np.uint8)), "a circuit")
        except RunFileError as e:
            raise RunFileError(f"{self.source!r} is no saved circuit, or damaged: {e}") from e
        if not isinstance(words, dict) or words.get("form") != FORM:
            raise RunFileError(f"{self.source!r} is of a form that this neurodev does not know")
        try:
            self.life, self._next_uid = float(words["life"]), int(words["uid"])
            self._populations = {str(p["name"]): dict(p) for p in words["populations"]}
            self._projections = {str(q["name"]): dict(q) for q in words["projections"]}
        except (KeyError, TypeError, ValueError) as e:
            raise RunFileError(f"{self.source!r} is damaged: {type(e).__name__}: {e}") from e

    # ------------------------------------------------------------------ does it fit

    def check(self, s: Simulator) -> None:
        """Refuse a network that this circuit does not fit.

        Raises
        ------
        BuildError
            Naming the population or projection, and what differs.
        RunFileError
            If the circuit is damaged.
        """
        for what, mine, theirs in (
            ("population", s.network.populations, self._populations),
            ("projection", s.network.projections, self._projections),
        ):
            for name in theirs:
                if name not in mine:
                    self._refuse(f"it has a {what} {name!r}, which the network lacks{nearest(name, mine)}")
        for name, told in self._populations.items():
            self._check_population(s.network.populations[name], told)
        for name, told in self._projections.items():
            self._check_projection(s, s.network.projections[name], told)

    def _refuse(self, why: str) -> None:
        raise BuildError(f"{self.source!r} does not fit the network: {why}")

    def _check_population(self, p: Population, told: Mapping[str, Any]) -> None:
        for field, mine in (("n", p.n), ("inhibitory", p.inhibitory), ("drive", p.is_drive)):
            if told.get(field) != mine:
                word = "places" if field == "n" else field
                self._refuse(f"population {p.name!r} has {word} {mine}, there it is {shown(told.get(field), 40)}")
        arrays = under(self._arrays, f"population/{p.name}/")
        for field, kind in _CELLS.items():
            if field not in arrays or arrays[field].shape != (p.n,) or arrays[field].dtype.kind != kind:
                raise damaged(f"{field!r} of {p.name!r} in {self.source!r}")
        if any(a.shape != (p.n,) or a.dtype.kind != "f" for a in under(arrays, "signal/").values()):
            raise damaged(f"a signal of {p.name!r} in {self.source!r}")
        if not p.is_drive and not np.array_equal(arrays.get("positions", np.zeros(0)), p.positions):
            self._refuse(f"neurons of {p.name!r} lie elsewhere: build it with the same seed, or the same positions=")
        if self.membranes and not p.is_drive:
            v = arrays.get("V", np.zeros(0))
            if v.shape != (p.n,) or v.dtype.kind != "f" or not np.isfinite(v[arrays["alive"]]).all():
                raise damaged(f"'V' of {p.name!r} in {self.source!r}")

    def _check_projection(self, s: Simulator, q: Projection, told: Mapping[str, Any]) -> None:
        for field, mine in (("source", q.source.name), ("target", q.target.name)):
            if told.get(field) != mine:
                self._refuse(f"the {field} of {q.name!r} is {mine!r}, there it is {shown(told.get(field), 40)}")
        if q.spines is not None and not told.get("spines"):
            self._refuse(f"{q.name!r} is on spines, and there it has none: connect it with weight=")
        arrays, table = under(self._arrays, f"projection/{q.name}/"), s.tables[q.name]
        n = arrays.get("uid", np.zeros(0)).size
        columns = under(arrays, "column/")
        for field, kind in _STRUCTURE.items():
            if field not in arrays or arrays[field].shape != (n,) or arrays[field].dtype.kind not in kind:
                raise damaged(f"{field!r} of {q.name!r} in {self.source!r}")
        if any(a.shape != (n,) or a.dtype.kind != "f" for a in columns.values()):
            raise damaged(f"a column of {q.name!r} in {self.source!r}")
        uid = arrays["uid"]
        if np.any(uid[1:] <= uid[:-1]) or (n and not 1 <= int(uid[0]) <= int(uid[-1]) < self._next_uid):
            raise damaged(f"uids of {q.name!r} in {self.source!r}")
        if n and (int(arrays["pre"].max()) >= q.source.n or int(arrays["post"].max()) >= q.target.n):
            raise damaged(f"synapses of {q.name!r} in {self.source!r}")
        if not all(np.isfinite(arrays[a]).all() for a in ("delay", "weight", "born")):
            raise damaged(f"numbers of {q.name!r} in {self.source!r}")
        _, off = _lanes(table, arrays["delay"])
        if off.any():
            there = np.unique(arrays["delay"][off]).tolist()
            self._refuse(f"delays of {q.name!r} are {shown(table.delays.tolist())} ms, there are also {shown(there)}")
        sign = -1.0 if q.source.inhibitory else 1.0
        if not q.signed and np.any(sign * arrays["weight"] < 0.0):
            self._refuse(f"weights of {q.name!r} have both signs there: connect it with signed=True")
        pair = arrays["pre"].astype(np.int64) * q.target.n + arrays["post"]
        if not q.multapses and np.unique(pair).size < n:
            self._refuse(f"pairs of {q.name!r} have several contacts there: connect it with multapses=True")

    # ------------------------------------------------------------------ into a simulator

    def place(self, s: Simulator) -> None:
        """Put neurons and synapses in their places, before mechanisms are prepared on them.

        Raises
        ------
        BuildError, RunFileError
            As `check`.
        """
        self.check(s)
        for p in s.populations:
            if p.name in self._populations:
                self._place_cells(s, p)
        for q in s.network.projections.values():
            table = s.tables[q.name]
            if q.name in self._projections:
                table.load(self._table(s, q).arrays())
                if q.mechanisms:
                    table.ensure_in_lists()
                self._put_columns(q, table, ("branch", "place"))
                if q.branches is not None and f"projection/{q.name}/column/branch" not in self._arrays:
                    build.put_on_branches(s.network, q, table, table.slots())
            else:
                _renumber(table, self._next_uid)
        s.engine.uids.next = s.engine.uids.next + self._next_uid
        s.engine.refresh_addresses()
        s.engine.make_room()

    def _place_cells(self, s: Simulator, p: Population) -> None:
        block, arrays = s.blocks[p.name], under(self._arrays, f"population/{p.name}/")
        dead, awake = block.alive & ~arrays["alive"], arrays["alive"] & ~block.alive
        block.alive[:], block.born[:], block.died[:] = arrays["alive"], arrays["born"], arrays["died"]
        if awake.any():
            fate.wake(s.engine, p.index, np.flatnonzero(awake))
        if dead.any():
            fate.kill(s.engine, p.index, np.flatnonzero(dead))

    def _table(self, s: Simulator, q: Projection) -> Table:
        """The synapses of a projection, in a table of the kind that it has."""
        old, arrays = s.tables[q.name], under(self._arrays, f"projection/{q.name}/")
        lane, _ = _lanes(old, arrays["delay"])
        names = tuple(old.column_names)
        new = Table.build(
            old.n_source, old.n_target, old.delays, arrays["pre"].astype(np.int64), arrays["post"].astype(np.int64),
            lane, arrays["weight"], columns=names, uids=UidSource(), weight_type=old.weight_type, parts=old.parts,
        )  # fmt: skip
        for name, fill in build.columns_of(q).items():
            new.column(name)[:] = fill
        slots = new.slots()
        uid = np.zeros(new.capacity, dtype=np.uint64)
        uid[slots] = arrays["uid"][new.uid_of(slots).astype(np.int64) - 1]  # it numbered them as they were listed
        new.uid = uid
        new.births = BirthDates.of_each(arrays["uid"], arrays["born"])
        return new

    def _put_columns(self, q: Projection, table: Table, names: tuple[str, ...]) -> None:
        kept, slots = under(self._arrays, f"projection/{q.name}/column/"), table.slots()
        order = np.searchsorted(self._arrays[f"projection/{q.name}/uid"], table.uid_of(slots))
        for name in names:
            if name in kept and name in table.column_names:
                table.column(name)[slots] = kept[name][order]

    def fill(self, s: Simulator) -> None:
        """Give signals, columns, weights and, where asked for, membranes their values, after all was prepared."""
        for p in s.populations:
            if p.name not in self._populations:
                continue
            block = s.blocks[p.name]
            for name, values in under(self._arrays, f"population/{p.name}/signal/").items():
                if name in block:
                    block[name][:] = values
            block.clear_absent()
            if self.membranes and not p.is_drive:
                self._put_potentials(s, p)
        for q in s.projections:
            if q.name not in self._projections:
                s.refresh_weights(q)
                continue
            table = s.tables[q.name]
            self._put_columns(q, table, tuple(table.column_names))
            slots = table.slots()
            order = np.searchsorted(self._arrays[f"projection/{q.name}/uid"], table.uid_of(slots))
            follow = any(m.sets_weight(frozenset(table.column_names)) for m in q.mechanisms)
            if q.spines is None and not follow or s.integrated[q.name] and not follow:
                table.weight[slots] = self._arrays[f"projection/{q.name}/weight"][order]
            s.refresh_weights(q)
            for m in q.mechanisms if follow else ():
                s.engine.catch_up(list(s.network.projections).index(q.name), m.name)
        s.engine.refresh_addresses()

    def _put_potentials(self, s: Simulator, p: Population) -> None:
        e = s.engine
        if p.index in e.cells:
            self._refuse(
                f"membranes of {p.name!r} follow the rules of {type(p.model).__name__}: leave out membranes=True"
            )
        cells: I8 = np.flatnonzero(s.blocks[p.name].alive)
        here = int(e.state.neurons.first[p.index]) + cells
        e.place(here, self._arrays[f"population/{p.name}/V"][cells] - e.v_inf[here])


def _lanes(table: Table, delay: Array) -> tuple[I8, Array]:
    """The lane of each delay, and where a delay is that of no lane."""
    lane: I8 = np.searchsorted((table.delays[1:] + table.delays[:-1]) / 2.0, delay).astype(np.int64)
    return lane, np.abs(table.delays[lane] - delay) > 1e-9 * np.abs(delay)


def _renumber(table: Table, more: int) -> None:
    """Let uids of a table that was just drawn begin behind those that are taken."""
    arrays = dict(table.arrays())
    uid = arrays["uid"].copy()
    uid[uid > 0] += np.uint64(more)
    arrays |= {"uid": uid, "birth_uid": arrays["birth_uid"] + np.uint64(more)}
    table.load(arrays)


def tell(file: RunFile, circuit: Circuit) -> None:
    """Keep it in the file of a run that begins from it, which needs nothing else to be resumed or rerun."""
    file.append("circuit", np.frombuffer(circuit.data, dtype=np.uint8))
    file.set_item("circuit", {"source": circuit.source, "membranes": circuit.membranes, "life": circuit.life})


def embedded(file: RunFile) -> Circuit | None:
    """The circuit that a run began from, out of its file.

    Raises
    ------
    RunFileError
        If it is damaged.
    """
    told = file.item("circuit", None)
    if told is None:
        return None
    if not isinstance(told, dict):
        raise file.damaged("item 'circuit'", f"it is {shown(told, 60)}")
    return Circuit(file.read("circuit").tobytes(), str(told.get("source")), bool(told.get("membranes")))
