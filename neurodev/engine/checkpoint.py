"""Checkpoints of the engine: everything that the next event and the next tick depend on, as named arrays.

What a part keeps follows from the marks of `loop/state.py`: every field but addresses and scratch, those that are
shared once.  It is taken, and put back, between two events at which all parts stand at one time and no spike waits to
be told: whenever `Simulator.run_until_spike` has returned.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from neurodev.arrays import Array
from neurodev.engine import build
from neurodev.engine.engine import Engine
from neurodev.engine.loop.state import (
    ADDRESS,
    FIELDS,
    N_FIRED,
    N_FRESH,
    N_LIST,
    N_LISTED,
    N_MERGE,
    N_RECORD,
    SCRATCH,
    Held,
    State,
)
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError, RunFileError, SimulationError
from neurodev.record.packed import damaged, under
from neurodev.record.values import UnkeptError, as_text, of_text, read, written
from neurodev.registry import is_ours
from neurodev.structure.log import LogBatch, NeuronBatch

KEPT = tuple(f for f in FIELDS if f.mark not in (ADDRESS, SCRATCH))
# what has room, and grows: its arrays may be longer than those of a network that was just built
ROOMY = frozenset(
    (f.group, f.field) for f in KEPT if f.group in ("queue", "log", "drives") or f.field in ("birth_time", "birth_uid")
) - {("log", "count")}
_RESTING = {N_FRESH: "spikes", N_FIRED: "spikes", N_MERGE: "a window", N_RECORD: "recorded spikes"}

Arrays = dict[str, Array]
GUEST = "guest/counts"  # where a rank finds how many events the parts of others have counted


def state_of(sim: Simulator) -> Arrays:
    """Everything that the rest of a run depends on (not copies).

    Raises
    ------
    SimulationError
        If something is still under way, or a mechanism keeps what no checkpoint can hold.
    """
    for s in sim.engine.parts.states:
        if waiting := [what for n, what in _RESTING.items() if s.clock.n[n]]:
            raise SimulationError(
                f"a checkpoint is taken between two pieces of a run: {waiting[0]} are still under way"
            )
    found = {"engine/text": as_text(_numbers(sim)), **_engine(sim.engine)}
    for k, table in enumerate(sim.tables.values()):
        found |= {f"table/{k}/{name}": a for name, a in table.arrays().items()}
    for k, block in enumerate(sim.blocks.values()):
        found |= {f"block/{k}/alive": block.alive, f"block/{k}/born": block.born, f"block/{k}/died": block.died}
        found |= {f"block/{k}/signal/{name}": a for name, a in block.signals.items()}
    return found | _kept_by_mechanisms(sim) | _pending(sim)


def _numbers(sim: Simulator) -> dict[str, Any]:
    e, c = sim.engine, sim.clock
    return {
        "epoch": e._epoch, "elapsed": e.elapsed, "uid": e.uids.next, "chunks": e._next_chunk, "drives": e._drive_until,
        "drives_from": e._drive_from,
        "n_tick": sim.n_tick, "clock": [c.tick, c.life, c.spike], "blocked": sorted(sim.blocked),
        "unprepared": sorted(sim._unprepared), "parts": len(e.parts.states),
        "signals": [[[name, block._fill.get(name, 0.0)] for name in block.signals] for block in sim.blocks.values()],
    }  # fmt: skip


def fields_of(e: Engine) -> Iterator[tuple[str, int, Held]]:
    """Name, part and description of each array that the loop keeps."""
    for k in range(len(e.parts.states)):
        for f in KEPT:
            if k == 0 or not f.shared:
                yield f"part/{k}/{f.group}.{f.field}", k, f


def _field(s: State, f: Held) -> Array:
    found: Array = getattr(getattr(s, f.group), f.field)
    return found


def _others(e: Engine) -> Arrays:
    """Arrays beside the state of the loop, which keep their places and sizes while an engine lives."""
    found: Arrays = {f"alive/{k}": a for k, a in enumerate(e.alive)}
    for p, cells in e.cells.items():
        found |= {f"cells/{p}/state": cells.state, f"cells/{p}/places": cells.places, f"cells/{p}/kind": cells.kind}
    for k, h in enumerate((*e.hot, *e.hot_populations)):
        found |= {f"hot/{k}/pre": h.arrays.pre_trace, f"hot/{k}/post": h.arrays.post_trace}
    return found


def _engine(e: Engine) -> Arrays:
    return {name: _field(e.parts.states[k], f) for name, k, f in fields_of(e)} | _others(e)


# ---------------------------------------------------------------- what mechanisms keep, and what waits to be recorded


def _known(sim: Simulator, projection: str, kind: type) -> bool:
    """Whether what a mechanism keeps is of a class that will be found again: of ours, or of the mechanism's module."""
    used = sim.network.projections[projection].mechanisms
    return is_ours(kind) or kind.__module__ in {c.__module__ for m in used for c in type(m).__mro__}


def _kept_by_mechanisms(sim: Simulator) -> Arrays:
    found: Arrays = {}
    for k, (name, view) in enumerate(sim.views.items()):
        words: dict[str, Any] = {}
        for kind, thing in view._kept.items():
            if getattr(kind, "made_again", False):
                continue
            word = f"{kind.__module__}:{kind.__qualname__}"
            try:
                if "<locals>" in word or not _known(sim, name, kind):
                    raise UnkeptError("its class")
                words[word] = {
                    a: written(v, f"kept/{k}/{len(words)}/{a}", found) for a, v in vars(thing).items()
                }  # fmt: skip
            except (UnkeptError, TypeError) as e:
                raise SimulationError(
                    f"what {kind.__qualname__} keeps on {name!r} cannot go into a checkpoint ({e}): keep numbers, "
                    "words, arrays, lists and dictionaries of these, in a class of the module of its mechanism; or say "
                    "made_again = True on it, if it is made anew whenever it is missing"
                ) from e
        found[f"kept/{k}/text"] = as_text(words)
    return found


def _put_back_kept(sim: Simulator, state: Mapping[str, Array]) -> None:
    for k, (name, view) in enumerate(sim.views.items()):
        for word, attributes in of_text(state[f"kept/{k}/text"], name).items():
            module, _, path = word.partition(":")
            kind: Any = sys.modules.get(module)  # nothing is imported
            for part in path.split("."):
                kind = getattr(kind, part, None)
            if not isinstance(kind, type) or not _known(sim, name, kind):
                raise damaged(f"{word!r} is nothing that a mechanism of {name!r} keeps")
            kept: Any = view.kept(kind)
            for a, v in attributes.items():
                setattr(kept, a, read(v, state))


def _pending(sim: Simulator) -> Arrays:
    """What was logged since the last tick, and will be told at the next."""
    found: Arrays = {}
    gathered: list[tuple[str, int, Any]] = [
        *(("log", k, log.pending()) for k, log in enumerate(sim.logs.values())),
        *(("neurons", k, log.pending()) for k, log in enumerate(sim.neuron_logs.values())),
    ]
    for what, k, batch in gathered:
        found |= {f"{what}/{k}/{name}": a for name, a in batch._asdict().items() if batch.tick.size}
    for what, moments in (("moments", sim.moments), ("neuron moments", sim.neuron_moments)):
        for k, noted in enumerate(moments.values()):
            found |= {f"{what}/{k}/{name}": a for name, a in noted.pending().items()}
    return found


def _put_back_pending(sim: Simulator, state: Mapping[str, Array]) -> None:
    for k, log in enumerate(sim.logs.values()):
        if batch := under(state, f"log/{k}/"):
            log.append(LogBatch(**batch))
    for k, neurons in enumerate(sim.neuron_logs.values()):
        if batch := under(state, f"neurons/{k}/"):
            neurons.put_back(NeuronBatch(**batch))
    for what, moments in (("moments", sim.moments), ("neuron moments", sim.neuron_moments)):
        for k, noted in enumerate(moments.values()):
            if columns := under(state, f"{what}/{k}/"):
                for who, kind, life in zip(*(columns[c] for c in ("who", "kind", "life")), strict=True):
                    noted.note(np.array([who]), int(kind), float(life))


# ---------------------------------------------------------------- back


def parts_of(state: Mapping[str, Array]) -> int:
    """Into how many parts the neurons were dealt: a simulator that takes the state needs as many."""
    words = of_text(state.get("engine/text", np.zeros(0, np.uint8)), "the engine")
    n = words.get("parts") if isinstance(words, dict) else None
    if not isinstance(n, int) or not 1 <= n <= build.MOST_PARTS * 64:
        raise damaged(f"{n!r} parts of a network")
    return n


def restore(sim: Simulator, state: Mapping[str, Array]) -> None:
    """Put a simulator, just built of the same network, where `state_of` found one (`check` comes before).

    Raises
    ------
    RunFileError
        If a table is damaged.
    """
    e, words = sim.engine, of_text(state["engine/text"], "the engine")
    e._epoch, e.elapsed, e.uids.next = int(words["epoch"]), float(words["elapsed"]), int(words["uid"])
    e._next_chunk, e._drive_until = [int(k) for k in words["chunks"]], float(words["drives"])
    e._drive_from = [float(t) for t in words["drives_from"]]
    sim.n_tick = int(words["n_tick"])
    sim.clock.tick, sim.clock.life, sim.clock.spike = int(words["clock"][0]), *map(float, words["clock"][1:])
    unprepared = {(where, what) for where, what in words["unprepared"]}
    for where, what in sorted(sim._unprepared - unprepared):  # it was released meanwhile
        sim.block(where, what, on=False)
    sim._unprepared = unprepared
    sim.blocked.clear()
    sim.blocked.update((where, what) for where, what in words["blocked"])
    for k, (name, table) in enumerate(sim.tables.items()):
        arrays = under(state, f"table/{k}/")
        try:
            table.load(arrays)
        except ParameterError as error:
            raise RunFileError(f"a checkpoint is damaged: {name!r}: {error}") from error
    for k, (block, signals) in enumerate(zip(sim.blocks.values(), words["signals"], strict=True)):
        block.alive[:], block.born[:], block.died[:] = (state[f"block/{k}/{a}"] for a in ("alive", "born", "died"))
        for name, fill in signals:
            block.add(name, fill)[:] = state[f"block/{k}/signal/{name}"]
    _put_back_kept(sim, state)
    _put_back_pending(sim, state)
    for q in sim.network.projections.values():
        sim._decide(q)
    e.choose_hooks(sim.blocked)
    _put_back_engine(e, state)


def _put_back_engine(e: Engine, state: Mapping[str, Array]) -> None:
    for name, k, f in fields_of(e):
        mine, kept = _field(e.parts.states[k], f), state[name]
        if f.field in ("hook_first", "post_first") and not np.array_equal(mine, kept):
            raise damaged(f"{name!r} does not fit what is blocked")
        if mine.shape == kept.shape:
            mine[...] = kept
        else:
            group = getattr(e.parts.states[k], f.group)._replace(**{f.field: np.ascontiguousarray(kept).copy()})
            e.parts.replace(k, **{f.group: group})
    for name, mine in _others(e).items():
        mine[...] = state[name]
    for k, s in enumerate(e.parts.states):
        q, n = s.queue, s.clock.n
        n[N_LIST] = n[N_LISTED] = 0  # they are drawn again
        s.lists.of[:] = 0
        background = build.with_chances(s.background, float(s.clock.length[1]))
        e.parts.replace(
            k, background=background, lists=build.make_lists(background, s.lists.of),
            queue=q._replace(
                bucket=np.zeros(q.time.size + 1, dtype=np.uint32),
                input_bucket=np.zeros(q.input_time.size + 1, dtype=np.uint32),
            ),
        )  # fmt: skip
    e.refresh_addresses()
    e.make_room()
    e.parts.bind()
    if GUEST in state:
        e.parts.count_others(*state[GUEST].tolist())
