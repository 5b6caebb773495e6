"""Checkpoints over ranks: those of all gathered into one, and one dealt to the parts that a process has.

A checkpoint tells of all parts of a network, whoever ran them.  Where as many are wanted, each rank takes its own; else
what is under way (arrivals, releases, predicted events) is dealt anew, by neurons, and synapses are laid out in other
rows.  Nothing that comes out depends on the number of parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import numpy as np

from neurodev.arrays import I8, Array
from neurodev.engine.checkpoint import GUEST, KEPT, Arrays, fields_of, parts_of
from neurodev.engine.engine import Engine
from neurodev.engine.loop.state import (
    LISTS,
    N_AGENDA,
    N_AGENDA_AT,
    N_BACKGROUND,
    N_BUDGET,
    N_DRIVE,
    N_DRIVE_AT,
    N_DUE_AT,
    N_EVENTS,
    N_INPUT,
    N_INPUT_AT,
    N_RECORD,
    N_SAME,
    N_SCRIPT_AT,
    N_SPIKES,
    T_NOW,
    State,
)
from neurodev.engine.ranks import Ranks
from neurodev.engine.simulator import Simulator
from neurodev.engine.splitting import named, own_share, whole_of
from neurodev.errors import ParameterError, SimulationError
from neurodev.record.packed import damaged, pack, under, unpack
from neurodev.record.values import as_text, of_text
from neurodev.structure.dealing import dealt as dealt_table
from neurodev.structure.table import Table, UidSource

_HUB = [N_DRIVE, N_DRIVE_AT, N_RECORD, N_SPIKES, N_BUDGET]  # of the first part of all; each rank has a copy
_COUNTED = [N_EVENTS, N_BACKGROUND]
_MOST = 1 << 34  # bytes that what a rank tells may be expanded to


def gathered(sim: Simulator, state: Arrays) -> Arrays:
    """What `checkpoint.state_of` found on each rank, in one, on the rank that writes; all of them ask."""
    e, ranks = sim.engine, sim.ranks
    assert ranks is not None
    for p in e.populations:
        if (first := int(e.state.neurons.first[p.index])) >= 0:
            ranks.share(e.state.background.later[first : first + p.n], e.n_part)
    if e.split:
        _check_kept(state, ranks)
    state = state | _unsplit(e, ranks)
    own = {name: state[name] for name, _, f in fields_of(e) if not f.shared} | {"count": e.state.log.count}
    told = np.frombuffer(pack(own, 1), np.uint8)
    sizes = ranks.meet(told.size)
    everybody = np.split(ranks.gather(told, sizes), np.cumsum(sizes)[:-1])
    if not ranks.writes:
        return {}
    each = len(e.parts.states)
    out = {name: a for name, a in state.items() if name not in own} | _said(state, e.n_part)
    for rank, one in enumerate(everybody):
        found = unpack(one.tobytes(), _MOST)
        ahead = e.state.log.count - found.pop("count")  # a rank may have forgotten other spikes: counted from the end
        for name, a in found.items():
            _, k, field = name.split("/")
            if field == "clock.n" and rank > 0:
                a = a.copy()
                a[_HUB] = 0
            elif field == "lanes.cursor":
                a = a + ahead[e.state.lanes.population]
            out[f"part/{rank * each + int(k)}/{field}"] = a
    for part in range(e.n_part) if e.split else ():
        _count_rows(e, out, part)
    return out


def _check_kept(state: Arrays, ranks: Ranks) -> None:
    """Refuse what mechanisms keep of the synapses of one rank: nobody could go on with it on others.

    Raises
    ------
    SimulationError
        On every rank.
    """
    digest = blake2b(digest_size=8)
    for name in sorted(name for name in state if name.startswith("kept/")):
        digest.update(name.encode() + state[name].tobytes())
    words = ranks.meet(int.from_bytes(digest.digest(), "little", signed=True))
    if np.any(words != words[0]):
        raise SimulationError(
            "mechanisms keep what follows from the synapses of one rank: keep them in columns, or do not say reach = "
            "'target'"
        )


def _unsplit(e: Engine, ranks: Ranks) -> Arrays:
    """Tables and traces of what is split over ranks, as if it were whole."""
    out: Arrays = {}
    for i, (q, table) in enumerate(zip(e.projections, e.tables, strict=True)):
        if q.name in e.split:
            whole = whole_of(table, ranks, e.n_part)
            out |= {f"table/{i}/{name}": a for name, a in whole.arrays().items()} if whole is not None else {}
    for k, h in enumerate(e.hot):
        if e.projections[h.place].name in e.split:
            for trace in h.arrays.post_trace:
                ranks.share(trace, e.n_part)
            pre = h.arrays.pre_trace
            rows = np.repeat(pre.reshape(pre.shape[0], h.arrays.copies, 1, -1), e.n_part, axis=2)
            out[f"hot/{k}/pre"] = rows.reshape(pre.shape[0], -1)
    return out


def _count_rows(e: Engine, out: Arrays, k: int) -> None:
    """Let part `k` count the rows of what is split as it would count those of a whole table."""
    s = e.state
    before = np.array([k * t.n_lane if q.name in e.split else 0 for q, t in zip(e.projections, e.tables, strict=True)])
    out[f"part/{k}/lanes.lane"] = out[f"part/{k}/lanes.lane"] + before[s.lanes.projection]
    at = slice(0, int(out[f"part/{k}/clock.n"][N_AGENDA]))
    row = out[f"part/{k}/queue.row"].copy()
    projection = s.lanes.projection[out[f"part/{k}/queue.lane"][at]]
    row[at] += (before * s.projections.n_source)[projection].astype(row.dtype)
    out[f"part/{k}/queue.row"] = row


def _said(state: Mapping[str, Array], parts: int) -> Arrays:
    return {"engine/text": as_text(of_text(state["engine/text"], "the engine") | {"parts": parts})}


def dealt(sim: Simulator, state: Arrays) -> Arrays:
    """A checkpoint as the parts that this process has would have written it, with what others count beside it.

    Raises
    ------
    RunFileError
        If it is damaged.
    """
    e, then = sim.engine, parts_of(state)
    if then == e.n_part and sim.ranks is None:
        return state
    try:
        return _dealt(sim, state, then)
    except (KeyError, IndexError, ValueError, TypeError, ParameterError) as error:
        raise damaged(f"{then} parts: {type(error).__name__}: {error}") from error


def _dealt(sim: Simulator, state: Arrays, then: int) -> Arrays:
    e = sim.engine
    old = [under(state, f"part/{k}/") for k in range(then)]
    out = {name: a for name, a in state.items() if not name.startswith("part/")} | _said(state, len(e.parts.states))
    out |= {f"part/0/{f.group}.{f.field}": old[0][f"{f.group}.{f.field}"] for f in KEPT if f.shared}
    counted = np.array([p["clock.n"][_COUNTED] for p in old])
    if then == e.n_part and not e.split:
        mine = range(e.first_part, e.first_part + len(e.parts.states))
        parts: list[Arrays] = [old[k] for k in mine]
        here = counted[mine.start : mine.stop]
    else:
        for k, table in enumerate(sim.tables.values()):
            found = _other_rows(e, k, table, under(state, f"table/{k}/"), then)
            out |= {f"table/{k}/{name}": a for name, a in found.items()}
        out |= {f"hot/{k}/pre": a for k, a in _other_traces(e, state, then)}
        out["part/0/hooks.trace_size"] = e.state.hooks.trace_size  # of rows, which are others
        words = of_text(state["engine/text"], "the engine")
        parts = list(_other_parts(e, old, out, int(words["epoch"]) * e.epoch_length))
        here = np.zeros((len(parts), len(_COUNTED)), dtype=np.int64)
        here[0] = counted.sum(axis=0) * int(e.first_part == 0)  # the first of all counts on what all have counted
        for p, n in zip(parts, here, strict=True):
            p["clock.n"][_COUNTED] = n
    for k, p in enumerate(parts):
        n = p["clock.n"].copy()
        n[_HUB] = old[0]["clock.n"][_HUB] if k == 0 else 0
        for f in KEPT:
            if not f.shared:
                name = f"{f.group}.{f.field}"
                out[f"part/{k}/{name}"] = n if name == "clock.n" else p[name]
    return out | {GUEST: counted.sum(axis=0) - here.sum(axis=0)}


# ---------------------------------------------------------------- into other parts


def _other_rows(e: Engine, k: int, like: Table, arrays: Arrays, then: int) -> Arrays:
    """The arrays of a table, laid out for as many parts as `like`, and a rank's share where it is split."""
    old = Table(
        like.n_source, like.n_target, like.delays, tuple(like.column_names), UidSource(), like.column_type,
        like.weight_type, then,
    )  # fmt: skip
    old.load(arrays)
    new, q = dealt_table(old, like.parts), e.projections[k]
    if q.name in e.split and e.ranks is not None:
        e.split[q.name] = new.n_synapse
        new = own_share(new, e.ranks.rank, e.ranks.size, named(q))
        if like.has_in_lists:
            new.ensure_in_lists()
    return new.arrays()


def _other_traces(e: Engine, state: Arrays, then: int) -> Iterator[tuple[int, Array]]:
    """Traces of rows: those of a source and a delay are the same in all parts, which see every arrival."""
    for k, h in enumerate(e.hot):
        table, trace = h.arrays.table, state[f"hot/{k}/pre"]
        if table is None:
            continue
        kept = trace.reshape(trace.shape[0], h.arrays.copies, then, -1)
        some = kept[:, :, np.arange(table.parts) * then // table.parts]
        yield k, np.ascontiguousarray(some).reshape(trace.shape[0], -1)


def _other_parts(e: Engine, old: list[Arrays], tables: Arrays, since: float) -> Iterator[Arrays]:
    """What each part of this process keeps; times of the epoch that began at `since`."""
    lists = [(one, _listed(old, one.arrays, one.count, one.at, one.index)) for one in LISTS]
    inputs = _listed(old, ("input_time", "input_index", "input_weight"), N_INPUT, N_INPUT_AT)
    arrivals = _arrivals(e, old)
    for s in e.parts.states:
        p = {f"{f.group}.{f.field}": np.array(getattr(getattr(s, f.group), f.field)) for f in KEPT if not f.shared}
        p["clock.time"], p["lanes.cursor"] = old[0]["clock.time"], old[0]["lanes.cursor"]
        n = p["clock.n"] = old[0]["clock.n"].copy()
        n[[N_AGENDA_AT, N_DUE_AT, N_INPUT_AT, N_SAME]] = 0
        for one, columns in lists:
            mine = _of_part(s, columns[one.arrays.index(one.index)])
            n[one.count] = _put(p, one.arrays, columns, mine)
        n[N_INPUT] = _put(p, ("input_time", "input_index", "input_weight"), inputs, _of_part(s, inputs[1]))
        n[N_AGENDA] = _put(p, ("time", "row", "lane"), *_arrivals_of(e, s, arrivals, tables))
        p["script.time"] = s.script.time - since
        n[N_SCRIPT_AT] = np.searchsorted(p["script.time"], p["clock.time"][T_NOW])
        _pour(p, old)
        yield p


def _listed(old: list[Arrays], names: tuple[str, ...], count: int, at: int, by: str | None = None) -> list[Array]:
    """Parallel lists of the queues of all parts in order of time, and of what `by` names."""
    found = []
    for p in old:
        n = p["clock.n"]
        here = slice(int(n[at]) if at >= 0 else 0, int(n[count]))
        found.append([p[f"queue.{name}"][here] for name in names])
    columns = [np.concatenate(c) for c in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable") if by is None else np.lexsort((columns[names.index(by)], columns[0]))
    return [c[order] for c in columns]


def _of_part(s: State, neurons: Array) -> Array:
    p = s.neurons.population[neurons]
    mine: Array = (neurons >= s.own.first[p]) & (neurons < s.own.last[p])
    return mine


def _put(p: Arrays, names: tuple[str, ...], columns: list[Array], mine: Array) -> int:
    """Write what is of a part to its lists; how many there are."""
    n = int(np.count_nonzero(mine))
    for name, column in zip(names, columns, strict=True):
        a = p[f"queue.{name}"]
        p[f"queue.{name}"] = a = np.resize(a, max(a.size, n + 1)) if a.size <= n else a
        a[:n] = column[mine]
    return n


def _arrivals(e: Engine, old: list[Arrays]) -> list[Array]:
    """Time, source and lane of what still arrives in the open window, each once."""
    time, row, lane = _listed(old, ("time", "row", "lane"), N_AGENDA, N_AGENDA_AT)
    source = row.astype(np.int64) % e.state.projections.n_source[e.state.lanes.projection[lane]]
    order = np.lexsort((source, lane, time))
    time, source, lane = time[order], source[order], lane[order]
    new = np.ones(time.size, dtype=bool)
    new[1:] = (np.diff(time) != 0) | (np.diff(source) != 0) | (np.diff(lane.astype(np.int64)) != 0)
    return [time[new], source[new], lane[new]]


def _arrivals_of(e: Engine, s: State, arrivals: list[Array], tables: Arrays) -> tuple[list[Array], Array]:
    """Of these the rows of a part, and which of them it looks at: those with synapses, or of which a trace is kept."""
    time, source, lane = arrivals
    projection = s.lanes.projection[lane]
    row: I8 = s.lanes.lane[lane] * s.projections.n_source[projection] + source
    seen = np.zeros(len(e.tables), dtype=bool)
    seen[[h.place for h in e.hot]] = True
    wanted = seen[projection]
    for i in np.unique(projection):
        here = projection == i
        wanted[here] |= tables[f"table/{i}/row_length"][row[here]] > 0
    return [time, row.astype(np.uint32), lane], wanted


def _pour(p: Arrays, old: list[Arrays]) -> None:
    """Rates of background as they were set, and since when: of the piece in which a piece lay."""
    names = ("key", "local", "rate", "turn", "since")
    key, local, *set_to = (np.concatenate([q[f"background.{name}"] for q in old]) for name in names)
    for one in np.unique(p["background.key"]):
        theirs, mine = np.flatnonzero(key == one), np.flatnonzero(p["background.key"] == one)
        theirs = theirs[np.argsort(local[theirs], kind="stable")]
        piece = theirs[np.searchsorted(local[theirs], p["background.local"][mine], side="right") - 1]
        for name, values in zip(names[2:], set_to, strict=True):
            p[f"background.{name}"][mine] = values[piece]
