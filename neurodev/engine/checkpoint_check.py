"""A checkpoint of the engine, looked at before anything is changed: names, types, sizes, and where its numbers lead."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurodev.arrays import Array
from neurodev.engine.checkpoint import ROOMY, fields_of, parts_of, state_of
from neurodev.engine.engine import Engine
from neurodev.engine.loop import state as loop_state
from neurodev.engine.loop.state import FIELDS, NEURON, PLACE
from neurodev.engine.simulator import Simulator
from neurodev.record.packed import damaged, under

# where things lie, which the building of a network decides
_BUILT = frozenset(
    (f.group, f.field)
    for f in FIELDS
    if f.group in ("neurons", "own", "lanes", "hooks", "record", "models", "script")
    and f.mark in (PLACE, NEURON)
    and (f.group, f.field) not in (("lanes", "cursor"), ("neurons", "kind"))  # which change
) | {("background", name) for name in ("first", "local", "size", "piece_first", "piece", "ruled")}
# arrays of the queue that are used up to a counter
_ROOMS = {
    "N_AGENDA": ("time", "row", "lane"), "N_RELEASE": ("release_time", "release_index"),
    "N_DUE": ("due_time", "due_index"), "N_CROSSING": ("crossing_time", "crossing_index", "crossing_u"),
    "N_INPUT": ("input_time", "input_index", "input_weight"),
}  # fmt: skip


def check(sim: Simulator, state: Mapping[str, Array]) -> None:
    """Refuse what does not fit a simulator that was just built of the same network, before anything is changed.

    Raises
    ------
    RunFileError
        With the first array that is missing, of another type or size, or points where there is nothing.
    """
    e, mine = sim.engine, state_of(sim)
    if parts_of(state) != len(e.parts.states):
        raise damaged(f"{parts_of(state)} parts, not {len(e.parts.states)}")
    fixed = ("part/", "alive/", "cells/", "hot/", "block/")
    roomy = {name for name, _, f in fields_of(e) if (f.group, f.field) in ROOMY}
    for name, a in mine.items():
        if name not in state:
            raise damaged(f"it has no {name!r}")
        b = state[name]
        fits = a.shape[:1] == b.shape[:1] if name in roomy and a.ndim == 2 else a.shape == b.shape or name in roomy
        if name.startswith(fixed) and (a.dtype != b.dtype or a.ndim != b.ndim or not fits):
            raise damaged(f"{name!r} is {b.dtype} {b.shape}, not {a.dtype} {a.shape}")
    for name, _, f in fields_of(e):
        if (f.group, f.field) in _BUILT and not np.array_equal(mine[name], state[name]):
            raise damaged(f"{name!r} is not that of this network")
    for name, a in state.items():
        if name.startswith("block/") and a.shape != mine[f"block/{name.split('/')[1]}/alive"].shape:
            raise damaged(f"{name!r} has the shape {a.shape}")
    _check_places(e, state)


def _check_places(e: Engine, state: Mapping[str, Array]) -> None:
    """Whatever the loop follows without looking leads to where there is something."""
    for k in range(len(e.parts.states)):
        _check_queue(e, k, under(state, f"part/{k}/"), state["part/0/log.count"])
    kinds = [("part/0/neurons.kind", e.v_inf_of.size)]
    kinds += [(f"cells/{p}/kind", cells.classes.shape[0]) for p, cells in e.cells.items()]
    for name, n_class in kinds:
        if np.any(state[name] >= n_class):
            raise damaged(f"{name!r} names more than {n_class} classes")
    shared = under(state, "part/0/")
    sizes = np.array([p.n for p in e.populations], dtype=np.int64)
    told, index = shared["log.count"], shared["log.index"]
    if np.any(told < 0) or np.any(told > min(shared["log.time"].shape[1], index.shape[1])):
        raise damaged("the logs of spikes end beyond their room")
    for p, n in enumerate(told.tolist()):
        if np.any(index[p, :n] >= sizes[p]):
            raise damaged(f"the log of population {p} names neurons that there are not")
    births = shared["projections.birth_count"]
    if np.any(births < 0) or np.any(births > shared["projections.birth_time"].shape[1]):
        raise damaged("births end beyond their room")
    who, cell, time = (shared[f"drives.{name}"] for name in ("population", "index", "time"))
    at, end = (int(shared["clock.n"][i]) for i in (loop_state.N_DRIVE_AT, loop_state.N_DRIVE))
    if not who.size == cell.size == time.size or not 0 <= at <= end <= who.size:
        raise damaged("spikes of drives end beyond their room")
    if np.any(who >= sizes.size) or (who.size and np.any(cell >= sizes[who])):
        raise damaged("a drive spikes with a cell that there is not")


def _check_queue(e: Engine, k: int, part: Mapping[str, Array], logged: Array) -> None:
    """The counters of a part, and the neurons, lanes and rows that its queue names."""
    n, lanes = part["clock.n"], e.parts.states[k].lanes
    for counter, names in _ROOMS.items():
        used = int(n[getattr(loop_state, counter)])
        sizes = {part[f"queue.{name}"].size for name in names}
        if len(sizes) != 1 or not 0 <= used <= min(sizes):
            raise damaged(f"{counter} of part {k} is {used}")
        for name in names:
            most = {"lane": lanes.delay.size}.get(name, e.state.neurons.u.size if name.endswith("index") else None)
            if most is not None and np.any(part[f"queue.{name}"][:used] >= most):
                raise damaged(f"queue.{name} of part {k} names more than {most}")
    cursor = part["lanes.cursor"]
    if np.any(cursor < 0) or np.any(cursor > logged[lanes.population]):
        raise damaged(f"a lane of part {k} stands beyond the spikes of its source")
    if not 0 <= int(n[loop_state.N_SCRIPT_AT]) <= e.parts.states[k].script.time.size:
        raise damaged(f"part {k} stands beyond what its stimuli give")
    agenda = slice(0, int(n[loop_state.N_AGENDA]))
    lane, row = part["queue.lane"][agenda], part["queue.row"][agenda]
    if lane.size and np.any(row >= np.array([t.n_row for t in e.tables])[lanes.projection[lane]]):
        raise damaged(f"queue.row of part {k} lies beyond its table")
