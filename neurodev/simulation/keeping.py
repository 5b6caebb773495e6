"""Checkpoints of a simulation: those of its engine, and what is planned, sampled and counted beside it.

A description of the run goes with them, so that a resumed run asks for nothing but its network; what network that was
is compared with the run file, part by part.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from neurodev import registry
from neurodev.arrays import B1, Array
from neurodev.engine import checkpoint, dealing, steering
from neurodev.engine.checkpoint_check import check
from neurodev.engine.network import Network, Population, Projection
from neurodev.engine.ranks import Ranks
from neurodev.engine.simulator import Simulator
from neurodev.engine.splitting import prepared
from neurodev.errors import NeurodevError, RunFileError, SimulationError, StudyError
from neurodev.mechanisms.base import Mechanism
from neurodev.record import snapshots
from neurodev.record.differences import differences, told
from neurodev.record.memory import fresh
from neurodev.record.mute import Mute
from neurodev.record.packed import damaged, pack, unpack
from neurodev.record.provenance import check_sources
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import RunFile
from neurodev.record.values import UnkeptError, Word, as_text, of_text, read, written
from neurodev.registry import word_of
from neurodev.simulation.calls import Call
from neurodev.simulation.circuit import embedded
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.probe import Probe
from neurodev.units import day

FORM = 1  # of checkpoints; another one is refused
LEVEL = 1  # of compression: a third of the time of the usual one
LARGEST = 900_000_000  # bytes of a checkpoint: SQLite keeps no more in a row
_MOST = 1 << 34  # bytes that are expanded of arrays of nearly nothing
_STRUCTURE = ("uid", "pre", "post", "lane", "weight")


class Kept(Protocol):
    """What a simulation has beside its file."""

    simulator: Simulator
    recorder: Recorder
    goal: float
    _asked: list[Asked]
    _beyond: tuple[int, float, str]
    _schedule: list[tuple[float, int, Intervention]]
    _probes: list[Probe]
    _calls: list[Call]
    _foreign: dict[str, Any]
    _steered: Steered


class Asked(NamedTuple):
    """An intervention as the run file tells it: its spike time, whether a function of the user's made it, in words."""

    when: float
    inside: bool
    text: str


@dataclass
class Steered:
    """What a rerun does again, and why it cannot: items ``"steering"`` and ``"cannot_rerun"`` of a run file.

    Attributes
    ----------
    done : list
        ``[spike time in ms, kind, attributes]`` of each intervention that was scheduled by its program; arrays lie in
        the file under the names that stand there.
    calls : list
        ``[word, period, first time]`` of each function that is called at regular times, ms of spikes.
    reasons : list of str
        What cannot be repeated.
    """

    done: list[list[Any]] = field(default_factory=list)
    calls: list[list[Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    _arrays: dict[str, Array] = field(default_factory=dict)  # not in the file yet

    def add(self, when: float, what: Intervention) -> None:
        """An intervention at a spike time, ms."""
        arrays: dict[str, Array] = {}
        try:
            kind, words = _told(what, f"steering/{len(self.done)}", arrays)
            if any(a.dtype.kind not in "biuf" or a.ndim > 2 for a in arrays.values()):
                raise SimulationError("it holds arrays of words")
        except SimulationError:
            self.reasons.append(f"{what} cannot be written down")
            return
        self.done.append([when, kind, words])
        self._arrays |= {name: np.array(a) for name, a in arrays.items()}

    def call(self, call: Call) -> None:
        """A function that is called from now on."""
        if call.ends:
            return  # it changes nothing, and where the run ended its file says
        if call.named and not call.word.startswith("__main__:"):
            self.calls.append([call.word, call.period, call.first])
        else:
            self.reasons.append(f"it called {call.word!r}, which no name leads to from another program")

    def tell(self, file: RunFile) -> None:
        """Write it down, if there is anything."""
        for name, a in self._arrays.items():
            file.append(name, np.atleast_1d(a))
        self._arrays.clear()
        if self.done or self.calls:
            file.set_item("steering", {"done": self.done, "calls": self.calls})
        if self.calls:
            file.set_item("called", [f"{word} every {period:g} ms of spikes" for word, period, _ in self.calls])
        if self.reasons:
            file.set_item("cannot_rerun", self.reasons)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; arrays go into the file with it."""
        return {"done": self.done, "calls": self.calls, "reasons": self.reasons}


def state_of(sim: Kept) -> bytes:
    """Everything that the rest of a simulation depends on; of ranks, who all ask, on the one that writes.

    Raises
    ------
    SimulationError
        If something cannot be kept: an intervention, or what a mechanism keeps.
    """
    s, arrays = sim.simulator, dict[str, Array]()
    s.engine.together()
    words = {
        "form": FORM, "acceleration": s.acceleration, "tick": s.tick, "start": s.start,
        "events_per_tick": s.events_per_tick, "record": written(sim.recorder.spikes, "record", arrays),
        "snapshots": snapshots.plain(sim.recorder.snapshots), "recorder": sim.recorder.state(),
        "goal": sim.goal, "asked": sim._asked, "beyond": sim._beyond, "steered": sim._steered.state(),
        "calls": [c.told() for c in sim._calls], "changes": written(steering.changes_of(s), "changes", arrays),
        "schedule": [[when, k, *_told(what, f"schedule/{i}", arrays)] for i, (when, k, what) in
                     enumerate(sim._schedule)],
        "probes": [written(p.state(), f"probe/{i}", arrays) for i, p in enumerate(sim._probes)],
    }  # fmt: skip
    state = checkpoint.state_of(s)
    if s.ranks is not None:
        state = dealing.gathered(s, state)
        if not s.ranks.writes:
            return b""
    return pack({"simulation": as_text(words), **arrays, **state}, LEVEL)


def _by_name(value: Any) -> Word | None:
    """A part of the network by its name, a mechanism by its word."""
    if isinstance(value, (Population, Projection, Mechanism)):
        return {"name": value.name}
    if isinstance(value, type) and issubclass(value, Mechanism):
        return {"name": value.__name__}
    return None


def _told(what: Intervention, place: str, arrays: dict[str, Array]) -> tuple[str, Any]:
    """An intervention that is still to come: its kind and its attributes."""
    try:
        return word_of(type(what)), written(dict(vars(what)), place, arrays, _by_name)
    except UnkeptError as e:
        raise SimulationError(
            f"{what} cannot go into a checkpoint ({e}): an intervention keeps numbers, words, arrays, populations and "
            "projections"
        ) from e


def words_of(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a checkpoint says of its simulation, and its arrays.

    Raises
    ------
    RunFileError
        If it is damaged, or of another form.
    """
    arrays = unpack(data, _MOST)
    words = of_text(arrays.get("simulation", np.zeros(0, np.uint8)), "the simulation")
    if not isinstance(words, dict) or words.get("form") != FORM:
        raise damaged("it is of a form that this neurodev does not know")
    return words, arrays


def taken_up(
    path: str | os.PathLike[str], network: Network, threads: int | None, trust: bool, ranks: Ranks | None = None
) -> tuple[RunFile, Simulator, dict[str, Any], dict[str, Array]]:
    """A run file from its last good checkpoint on, a simulator for it, and the checkpoint's words and arrays.

    Of ranks one takes up the file, and tells the others of its checkpoint.

    Raises
    ------
    RunFileError, StudyError
        As `Simulation.resume`; nothing in the file is changed then.
    """
    found: list[tuple[Simulator, dict[str, Any], dict[str, Array]]] = []
    with RunFile.open(path) as old:
        if old.item("finished", None) is True:
            raise RunFileError(f"{str(old.path)!r} is finished: there is nothing to go on with")
        known = old.provenance().get("sources", {})
        check_sources(known, trust)
        check_network(network, old)

        def look(data: bytes) -> None:
            words, arrays = words_of(data)
            simulator, arrays = _simulator(network, old, words, arrays, threads, ranks)
            found.append((simulator, words, arrays))

        try:
            file = RunFile.resume(path, look)[0] if ranks is None else _taken_up_by_one(path, look, ranks)
        except BaseException:
            for simulator, _, _ in found:
                network.end(simulator)
            raise
        if ranks is not None and not ranks.writes:
            file.set_item("provenance", {"sources": known})
            return file, *found[-1]
    try:
        for name in ("life", "events"):
            file.drop_item(name)
        file.set_item("finished", False)
    except BaseException:
        network.end(found[-1][0])
        file.abandon()
        raise
    return file, *found[-1]


def _taken_up_by_one(path: str | os.PathLike[str], look: Callable[[bytes], Any], ranks: Ranks) -> RunFile:
    """The file on the rank that writes, and a mute one on the others: all look at the same checkpoints.

    Raises
    ------
    RunFileError, SimulationError
        On every rank, if there is none that all can go on from.
    """

    def together(data: bytes) -> None:
        failed: NeurodevError | None = None
        try:
            look(data)
        except NeurodevError as e:
            failed = e
        if ranks.any(failed is not None):
            raise failed or RunFileError("another rank cannot go on from it, and says why")

    def told(data: bytes) -> None:
        ranks.tell_all(data)
        together(data)

    if ranks.writes:
        try:
            file, _, _ = RunFile.resume(path, told)
        except BaseException:
            ranks.fail()
            raise
        ranks.tell_all(b"")
        return file
    while data := ranks.tell_all(b""):
        with suppress(NeurodevError):  # of an older one rank 0 knows
            together(data)
    nameless = fresh()
    return Mute.create(nameless.path)


def _simulator(
    network: Network, old: RunFile, words: Mapping[str, Any], arrays: dict[str, Array], threads: int | None,
    ranks: Ranks | None = None,
) -> tuple[Simulator, dict[str, Array]]:  # fmt: skip
    """A simulator of a network that was built alike, and a checkpoint that fits it."""
    parts = checkpoint.parts_of(arrays)
    clocks = {name: words[name] for name in ("acceleration", "tick", "start", "events_per_tick")}
    simulator = Simulator(network, threads=threads, parts=parts, circuit=embedded(old), ranks=ranks, **clocks)
    try:
        arrays = dealing.dealt(simulator, arrays)
        for where, kind, values, turn in _changes(words, arrays):
            steering.set_parameters(simulator, where, kind, values, turn)
        check(simulator, arrays)
        check_structure(simulator, old)
        simulator.engine.whole.clear()
    except BaseException:
        network.end(simulator)
        raise
    return simulator, arrays


def _changes(words: Mapping[str, Any], arrays: Mapping[str, Array]) -> list[tuple[str, str, dict[str, Any], int]]:
    try:
        return [(str(w), str(k), dict(v), int(t)) for w, k, v, t in read(words["changes"], arrays)]
    except (KeyError, ValueError, TypeError) as e:
        raise damaged(f"parameters that were set: {type(e).__name__}: {e}") from e


def recorded(words: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Any, Any]:
    """Which trains a run keeps, and when it takes pictures."""
    try:
        return read(words["record"], arrays), snapshots.check_snapshots(words.get("snapshots", day))
    except (KeyError, ValueError, TypeError) as e:
        raise damaged(f"what is recorded: {type(e).__name__}: {e}") from e


def restore(sim: Kept, words: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Put a simulation, which has its simulator and its recorder, where `state_of` found one.

    Raises
    ------
    RunFileError
        If the checkpoint is damaged.
    """
    s = sim.simulator
    try:
        checkpoint.restore(s, arrays)
        sim.recorder.restore(words["recorder"])
        sim.goal, sim._asked[:] = float(words["goal"]), [Asked(float(t), bool(i), str(x)) for t, i, x in words["asked"]]
        count, when, text = words["beyond"]
        sim._beyond = int(count), float(when), str(text)
        steered = words["steered"]
        sim._steered = Steered(list(steered["done"]), list(steered["calls"]), list(steered["reasons"]))
        sim._calls[:] = [Call.of_told(c, sim._foreign) for c in words["calls"]]
        s.coming = [c for c in sim._calls if not c.ends] or sim._schedule
        for when, k, kind, attributes in words["schedule"]:
            sim._schedule.append((float(when), int(k), made(kind, attributes, arrays)))
        sim._probes += [Probe._restored(s, read(attributes, arrays)) for attributes in words["probes"]]
    except StudyError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as e:
        raise damaged(f"{type(e).__name__}: {e}") from e


def made(kind: str, attributes: Any, arrays: Mapping[str, Array]) -> Intervention:
    """An intervention from its kind and its attributes, as `_told` told them; nothing is imported for it."""
    if ":" in kind and kind.partition(":")[0] not in sys.modules:
        raise StudyError(f"this run uses {kind!r}: import its module first, if you trust it")
    cls = registry.find("intervention", kind)
    intervention: Intervention = cls.__new__(cls)
    for name, value in read(attributes, arrays, {"name": str}).items():
        object.__setattr__(intervention, name, value)
    return intervention


# ---------------------------------------------------------------- once more


def steering_of(file: RunFile) -> dict[str, list[Any]]:
    """What a rerun does again (see `Steered`); nothing where nobody steered.

    Raises
    ------
    StudyError
        If it cannot be done again, with the reasons.
    RunFileError
        If it is damaged.
    """
    if reasons := file.item("cannot_rerun", []):
        said = "; ".join(map(str, reasons)) if isinstance(reasons, list) else reasons
        raise StudyError(f"{str(file.path)!r} cannot be rerun: {said}")
    told, names = file.item("steering", {}), ("done", "calls")
    if not isinstance(told, dict) or not all(isinstance(told.get(k, []), list) for k in names):
        raise RunFileError(f"{str(file.path)!r} does not say what was done in it; the file is damaged")
    return {k: told.get(k, []) for k in names}


def planned_of(file: RunFile, done: list[Any]) -> list[tuple[float, Intervention]]:
    """The interventions of a run, with their spike times, ms.

    Raises
    ------
    RunFileError
        If what the file says of them is damaged.
    """
    arrays = {name: file.read(name) for name in file.names() if name.startswith("steering/")}
    try:
        return [(float(when), made(str(kind), attributes, arrays)) for when, kind, attributes in done]
    except NeurodevError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as e:
        raise RunFileError(f"what {str(file.path)!r} says of its interventions is damaged: {e}") from e


# ---------------------------------------------------------------- the same network


def check_network(network: Network, file: RunFile) -> None:
    """Refuse a network that is not the one that a run file tells of.

    Raises
    ------
    StudyError
        With the first differences.
    """
    mine, theirs = _by_names(network.describe()), _by_names(file.item("network"))
    if found := differences(mine, theirs):
        raise StudyError(f"{str(file.path)!r} is a run of another network: {told(found)}")


def check_structure(simulator: Simulator, file: RunFile) -> None:
    """Refuse a network whose cells or synapses, as they were drawn or given, are not those of a run file.

    Raises
    ------
    StudyError
        Naming the population or projection, and what differs.
    """
    for name, p in simulator.network.populations.items():
        if not np.array_equal(file.read(f"positions/{name}"), p.positions):
            raise StudyError(f"{str(file.path)!r} is a run of another network: the positions of {name!r} differ")
    whole = simulator.engine.whole
    for name, table in simulator.tables.items():
        own, looked = simulator.views[name].own, prepared(simulator.network.projections[name])
        if own is not None and name not in whole and not looked:
            continue  # a rank's share: the one that writes has looked at all
        state = whole.get(name, table).state()
        order = np.argsort(state["uid"])
        mine: slice | B1 = slice(None)
        if own is not None and looked:  # each looks at its share
            post = file.read(f"initial/{name}/post")
            mine = (post >= own[0]) & (post < own[1])
        for column in _STRUCTURE:
            kept = file.read(f"initial/{name}/{column}")[mine]
            if not np.array_equal(kept, state[column][order].astype(kept.dtype)):
                raise StudyError(
                    f"{str(file.path)!r} is a run of another network: {column!r} of the synapses of {name!r} that it "
                    "began with differs"
                )


def _by_names(description: Any) -> Any:
    """A description of a network with populations and projections by their names."""
    if not isinstance(description, dict):
        raise RunFileError("a run file does not say what network it is of: it is damaged")
    plain = json.loads(json.dumps(description, default=_plain))
    out = {k: v for k, v in plain.items() if k not in ("populations", "projections")}
    for part in ("populations", "projections"):
        for entry in plain.get(part, []):
            used = {str(use.pop("kind", k)): use for k, use in enumerate(entry.pop("uses", []))}
            out[entry.get("name", "?")] = {**entry, **used}
    return out


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)
