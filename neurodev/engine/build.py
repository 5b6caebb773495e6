"""From a described network to tables and kernel state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.engine.loop.background import BATCH
from neurodev.engine.loop.state import (
    N_BLOCK_WINDOWS,
    N_BUDGET,
    N_CURRENT,
    N_FRAME_WINDOWS,
    N_SUPRA,
    N_TOGETHER,
    N_UNIFORM,
    SENTINEL,
    T_LENGTH,
    Background,
    Clock,
    Currents,
    Dendrites,
    Lanes,
    Log,
    Neurons,
    Queue,
    Record,
)
from neurodev.engine.network import Network, Population, Projection
from neurodev.errors import BuildError, InvariantError, ParameterError
from neurodev.jit import address
from neurodev.mechanisms.base import check_writers
from neurodev.neurons import dendrite
from neurodev.neurons.expsum import SCRATCH
from neurodev.neurons.lif import CURRENT_PARAMETERS, LIF
from neurodev.structure.table import Table, UidSource

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
MAX_LANES = 64
SHORTEST_DELAY = 0.01  # ms; below it the window of known arrivals shrinks to nothing
_GRID = 2.0**-20  # windows are multiples of it, so that every window boundary is an exact float64
_LONGEST_WINDOW = 16.0  # ms
FRAME = 20.0  # length of a membrane frame, in the fastest time constants


@dataclass
class Membranes:
    """Per-neuron parameters of all populations, concatenated, and the classes they fall into."""

    parameters: dict[str, F8]
    kind: NDArray[np.uint32]
    classes: F8  # (n_class, 9): tau, V_inf, threshold, reset, refractory, tau_exc, tau_inh, C, dendrite or not
    v_inf: F8  # (n_neuron,)


def membranes(populations: list[Population]) -> Membranes:
    """Concatenate the neurons of all LIF populations and group equal ones into classes."""
    parts: dict[str, list[F8]] = {}
    for p in populations:
        if isinstance(p.model, LIF):
            given = p.model.expand(p.n, p.name)
            if not p.model.has_currents:
                given |= dict.fromkeys(CURRENT_PARAMETERS, np.zeros(p.n))  # delta synapses
            given["dendrite"] = np.full(p.n, float(computes(p)))
            for k, v in given.items():
                parts.setdefault(k, []).append(v)
    if not parts:
        raise BuildError("the network has no neurons: add a population, e.g. net.add(nd.LIF(), 100)")
    q = {k: np.concatenate(v) for k, v in parts.items()}
    v_inf = np.where(np.isinf(q["tau"]), 0.0, q["rest"] + q["drive"])
    names = ("threshold", "reset", "refractory", *CURRENT_PARAMETERS, "dendrite")
    rows = np.column_stack([q["tau"], v_inf, *(q[k] for k in names)])
    classes, kind = np.unique(rows, axis=0, return_inverse=True)
    return Membranes(q, kind.reshape(-1).astype(np.uint32), classes, v_inf)


def computes(p: Population) -> bool:
    """Whether the neurons of a population have dendrites that do more than add up."""
    return isinstance(p.model, LIF) and dendrite.code_of(p.model.dendrite) > 0


def make_neurons(populations: list[Population], m: Membranes) -> Neurons:
    """Kernel state of the membranes at time 0."""
    n_population = len(populations)
    first = np.full(n_population, -1, dtype=np.int64)
    size = np.array([p.n for p in populations], dtype=np.int64)
    owner = []
    at = 0
    for p in populations:
        if not p.is_drive:
            first[p.index] = at
            owner.append(np.full(p.n, p.index, dtype=np.uint32))
            at += p.n
    unborn = np.concatenate([np.arange(p.n) >= p.n - p.room for p in populations if not p.is_drive])
    c = m.classes
    with np.errstate(divide="ignore"):
        rate = np.where(np.isinf(c[:, 0]), 0.0, 1.0 / c[:, 0])
    return Neurons(
        u=np.where(unborn, SENTINEL, m.parameters["initial"] - m.v_inf),
        kind=m.kind,
        population=np.concatenate(owner),
        first=first,
        size=size,
        rate=rate,
        threshold=np.where(c[:, 7] > 0, np.inf, c[:, 2] - c[:, 1]),  # with currents: see make_currents
        reset=c[:, 3] - c[:, 1],
        refractory=c[:, 4].copy(),
        silenced=np.zeros(n_population, dtype=np.int64),
    )


def make_currents(network: Network, m: Membranes, neurons: Neurons) -> Currents:
    """Kernel state of the synaptic currents at time 0: none flow."""
    populations = list(network.populations.values())
    model = np.array([isinstance(p.model, LIF) and p.model.has_currents for p in populations], dtype=np.int64)
    model += [computes(p) for p in populations]
    sizes = np.where(model > 0, neurons.size, 0)
    c = m.classes
    on = c[:, 7] > 0
    rate, anchored = np.zeros((c.shape[0], 8)), np.zeros((c.shape[0], 8))
    rate[on, :2] = 1.0 / c[on, 5:7]
    branched = c[:, 8] > 0  # products of two currents decay with the sum of their rates; plateaus do not decay
    rate[branched, 2:5] = rate[branched][:, [0, 0, 1]] + rate[branched][:, [0, 1, 1]]
    n_channel = np.where(branched, 6, np.where(on, 2, 0))
    # the frame lasts FRAME of the fastest time constants: a difference of rates below its inverse needs the anchor
    fastest = max(float(neurons.rate.max()), float(rate.max()))
    anchored[on] = np.abs(rate[on] - neurons.rate[on, None]) * FRAME < fastest
    cell = np.zeros((max(int(sizes.sum()), 1), 8 if branched.any() else 4))
    cell[:, 0] = np.inf
    cell[:, 4:][:, -1:] = np.inf
    return Currents(
        model=model,
        first=np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        channel=np.array([int(q.source.inhibitory) for q in network.projections.values()], dtype=np.int64),
        n_channel=n_channel.astype(np.int64),
        rate=rate,
        anchored=anchored,
        inverse=np.divide(1.0, c[:, 7], out=np.zeros(c.shape[0]), where=on),
        threshold=c[:, 2] - c[:, 1],
        cell=cell,
    )


def make_dendrites(network: Network, m: Membranes, neurons: Neurons) -> Dendrites:
    """Kernel state of the branches at time 0; `Engine` fills in where the tables keep the branch of each synapse."""
    populations = list(network.populations.values())
    kind, size = np.zeros(len(populations), dtype=np.int64), np.zeros(len(populations), dtype=np.int64)
    parameter = np.zeros((len(populations), 8))
    for p in populations:
        if computes(p):
            assert isinstance(p.model, LIF) and p.model.dendrite is not None
            kind[p.index], size[p.index] = dendrite.code_of(p.model.dendrite), p.model.dendrite.per_neuron
            values = dendrite.parameters(p.model.dendrite)
            parameter[p.index, : len(values)] = values
    total = size * neurons.size
    local = np.zeros((max(int(total.sum()), 1), 4))
    local[:, 2] = np.inf
    offset = np.zeros(m.classes.shape[0])
    offset[m.kind] = m.v_inf - m.parameters["rest"]
    return Dendrites(
        kind, np.concatenate([[0], np.cumsum(total)[:-1]]).astype(np.int64), size, parameter,
        np.zeros(max(len(network.projections), 1), dtype=np.int64), offset, local, np.zeros(SCRATCH),
    )  # fmt: skip


def branch_address(table: Table) -> int:
    """Where a table keeps the branch of each synapse; 0 if it does not."""
    return address(table.column("branch")) if "branch" in table.column_names else 0


def window_length(delays: list[float], neurons: Neurons) -> float:
    """The longest window in which every arrival and release is known when it opens, ms."""
    positive = neurons.refractory[neurons.refractory > 0]
    shortest = min([*delays, *positive.tolist(), _LONGEST_WINDOW])
    return max(np.floor(shortest / _GRID), 1.0) * _GRID


def make_clock(window: float, neurons: Neurons, currents: Currents, together: bool) -> tuple[Clock, int]:
    """The clock at time 0, and the number of windows in an epoch."""
    f, n = np.zeros(6), np.zeros(22, dtype=np.int64)
    f[T_LENGTH] = window
    fastest = max(float(np.max(neurons.rate)), float(np.max(currents.rate)))
    frame = max(1, int(FRAME / (fastest * window))) if fastest > 0 else 1 << 40
    block = max(1, round(1.0 / window))
    n[N_FRAME_WINDOWS], n[N_BLOCK_WINDOWS] = frame, block
    n[N_BUDGET] = np.iinfo(np.int64).max
    n[N_CURRENT] = int(np.any(currents.model > 0))
    n[N_TOGETHER] = int(together)
    n[N_UNIFORM] = int(neurons.rate.size == 1 and n[N_CURRENT] == 0)
    n[N_SUPRA] = int(np.any((neurons.threshold < 0) & (neurons.rate > 0)))
    common = np.lcm(frame if fastest > 0 else 1, block)
    epoch = int(common * max(1, np.ceil(8192.0 / (common * window))))
    return Clock(f, n), epoch


def draw_table(network: Network, q: Projection, uids: UidSource) -> Table:
    """Draw the initial synapses of a projection."""
    draw = rng.generator(network.seed, q.name, "wiring")
    same = q.source is q.target
    here, there = (p.positions[: p.n - p.room] for p in (q.source, q.target))  # the unborn have no synapses
    source, target = q.wiring.draw(here, there, draw, same, q.multapses)
    delays = q.delay.lanes()
    if len(delays) > MAX_LANES:
        raise ParameterError(f"projection {q.name!r} needs {len(delays)} delay lanes; at most {MAX_LANES}: widen step=")
    if delays.size and delays[0] < SHORTEST_DELAY:
        raise ParameterError(f"the delays of {q.name!r} must be >= {SHORTEST_DELAY} ms, got {delays[0]:g}")
    lane = q.delay.draw(source.size, rng.generator(network.seed, q.name, "delay"))
    sign = -1.0 if q.source.inhibitory and not q.signed else 1.0
    if q.spines is None:
        given = np.asarray(q.weight, dtype=np.float64)
        if given.ndim and given.shape != source.shape:
            raise ParameterError(
                f"weight of {q.name!r} must be a number or have one value per synapse ({source.size}), "
                f"got shape {given.shape}"
            )
        weight = np.broadcast_to(sign * given, source.shape).astype(np.float32)
    else:
        weight = np.full(source.size, sign * q.spines.weight, dtype=np.float32)
    columns: dict[str, float] = {} if q.branches is None else {"branch": 0.0, "place": 0.0}
    if q.spines is not None:
        columns["size"] = q.spines.volume
    for m in q.mechanisms:
        columns.update(m.plain_columns() if q.spines is None else m.columns())
    check_writers(f"projection {q.name!r}", tuple(q.mechanisms), frozenset(columns))
    table = Table.build(
        q.source.n, q.target.n, delays, source, target, lane, weight,
        columns=tuple(columns), uids=uids,
    )  # fmt: skip
    for name, fill in columns.items():
        table.column(name)[:] = fill
    put_on_branches(network, q, table, table.slots(), first=True)
    return table


def verify_branches(q: Projection, table: Table) -> None:
    """Check that every synapse lies on a branch that its target has.

    Raises
    ------
    InvariantError
        Naming the first that does not.
    """
    if q.branches is None:
        return
    slots = table.slots()
    branch = table.column("branch")[slots]
    wrong = (branch < 0) | (branch >= q.branches.per_neuron) | (branch != np.floor(branch))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise InvariantError(
            f"synapse uid {int(table.uid[slots[k]])} lies on branch {branch[k]:g} of {q.branches.per_neuron:g}"
        )


def put_on_branches(network: Network, q: Projection, table: Table, slots: I8, first: bool = False) -> None:
    """Draw branch and place of synapses, by their uids; those of `connect` keep the branches they were given."""
    if q.branches is None:
        return
    uid = table.uid[slots]
    branch, place = q.branches.draw(rng.key(network.seed, q.name, "branch"), uid)
    if q.branch is not None and (first or np.ndim(q.branch) == 0):
        given = np.asarray(q.branch, dtype=float)
        if given.ndim and given.shape != uid.shape:
            raise ParameterError(
                f"branch of {q.name!r} must be a number or have one value per synapse ({uid.size}), "
                f"got shape {given.shape}"
            )
        # uids follow the order of the wiring
        branch = given[np.argsort(np.argsort(uid))] if given.ndim else np.full(uid.size, float(given))
    table.column("branch")[slots], table.column("place")[slots] = branch, place


def make_lanes(projections: list[Projection], tables: list[Table]) -> Lanes:
    """One lane for each projection and delay, inhibitory sources first: of equal times, the first lane comes first.

    One row fires several neurons at one instant, so exactly simultaneous arrivals are common.  With inhibition first,
    a neuron that is tested after each of them fires if and only if their sum reaches threshold.
    """
    population, projection, lane, delay = [], [], [], []
    for i in sorted(range(len(projections)), key=lambda i: not projections[i].source.inhibitory):
        q, table = projections[i], tables[i]
        for k, d in enumerate(table.delays):
            population.append(q.source.index)
            projection.append(i)
            lane.append(k)
            delay.append(float(d))
    return Lanes(
        np.array(population, dtype=np.int64),
        np.array(projection, dtype=np.int64),
        np.array(lane, dtype=np.int64),
        np.array(delay, dtype=np.float64),
        np.zeros(len(delay), dtype=np.int64),
    )


def make_log(neurons: Neurons, room: int | None = None) -> Log:
    """Empty spike logs."""
    n = neurons.size.size
    room = room or int(4 * neurons.size.max() + 1024)
    return Log(np.zeros((n, room)), np.zeros((n, room), dtype=np.uint32), np.zeros(n, dtype=np.int64))


def make_queue(n_neuron: int, room: int = 4096) -> Queue:
    """An empty queue with room for `room` arrivals in a window, 18 bytes each."""
    u4 = np.uint32
    return Queue(
        np.zeros(room), np.zeros(room, u4), np.zeros(room, np.uint16), np.zeros(room + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(4 * n_neuron + 1024), np.zeros(4 * n_neuron + 1024, u4), np.zeros(4 * n_neuron + 1024),
        np.zeros(0), np.zeros(0, u4), np.zeros(0, u4),
        np.zeros(n_neuron + 1, u4),
    )  # fmt: skip


def make_background(network: Network, neurons: Neurons) -> Background:
    """One stream for each range of equal rates."""
    rate, weight, exponential, first, size, key = [], [], [], [], [], []
    for i, (p, b) in enumerate(network.backgrounds):
        rates = np.broadcast_to(np.asarray(b.rate_hz, dtype=float), (p.n,))
        edges = np.flatnonzero(np.diff(rates)) + 1
        for k, piece in enumerate(np.split(np.arange(p.n), edges)):
            if rates[piece[0]] <= 0:
                continue
            rate.append(rates[piece[0]] * piece.size / 1e3)
            weight.append(b.weight)
            exponential.append(int(b.amplitudes == "exponential"))
            first.append(int(neurons.first[p.index]) + int(piece[0]))
            size.append(piece.size)
            key.append(rng.key(network.seed, "background", p.name, i, k))
    n = len(rate)
    work = np.zeros(BATCH)
    return Background(
        np.array(rate), np.array(weight, dtype=float), np.array(exponential, dtype=np.int64),
        np.array(first, dtype=np.int64), np.array(size, dtype=np.int64), np.array(key, dtype=np.uint64),
        np.zeros(n, dtype=np.uint64), np.zeros(n), np.zeros(n, dtype=np.int64), np.full(n, np.inf),
        np.zeros((n, BATCH)), np.zeros((n, BATCH), dtype=np.uint32), np.zeros((n, BATCH)),
        work, work.view(np.uint64), np.zeros(BATCH),
    )  # fmt: skip


def make_record(populations: list[Population], room: int) -> Record:
    """Counters for every cell, and room for full trains."""
    first = np.concatenate([[0], np.cumsum([p.n for p in populations])[:-1]]).astype(np.int64)
    total = sum(p.n for p in populations)
    n = len(populations)
    return Record(
        np.zeros(total, dtype=np.int64), first, np.zeros(n, dtype=np.int64),
        np.zeros(room), np.zeros(room, dtype=np.uint32), np.zeros(room, dtype=np.uint32),
    )  # fmt: skip


def describe_lanes(lanes: Lanes) -> dict[str, Any]:
    """What `print(simulation)` says of delays."""
    return {"lanes": int(lanes.delay.size), "shortest": float(lanes.delay.min()) if lanes.delay.size else None}
