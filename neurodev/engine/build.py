"""From a described network to tables and kernel state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import rng
from neurodev.engine.checks import check_precision
from neurodev.engine.drawing import drawn
from neurodev.engine.loop.background import BATCH
from neurodev.engine.loop.state import (
    N_BLOCK_WINDOWS,
    N_BUDGET,
    N_COUNTER,
    N_CROSSING,
    N_FRAME_WINDOWS,
    N_MODELS,
    N_SUPRA,
    N_TIME,
    N_TOGETHER,
    N_UNIFORM,
    SENTINEL,
    Background,
    Clock,
    Lanes,
    Log,
    Models,
    Neurons,
    Queue,
    Record,
    State,
)
from neurodev.engine.network import PRECISIONS, Network, Population, Projection, Spines
from neurodev.errors import BuildError, InvariantError, ParameterError, shown
from neurodev.jit import address, address_of_hook
from neurodev.mechanisms.base import Mechanism, check_writers
from neurodev.neurons.channels import FRAME
from neurodev.neurons.dendrite import check_dendrite
from neurodev.neurons.door import Door, check_subclass
from neurodev.neurons.drive import Background as PoissonInput
from neurodev.neurons.model import Cells, Membrane, NeuronModel
from neurodev.neurons.rules import RECORD_SIZE, ModelRecord
from neurodev.structure.store import Slots
from neurodev.structure.table import Table, UidSource

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
MOST_LANES = 65535  # of all projections: the agenda numbers them in 16 bits
# what the loop does not ask of a membrane that it has inlined
_UNCALLED = ("columns", "place_columns", "n_scratch", "start", "table", "potentials")
_GRID = 2.0**-20  # windows are multiples of it, so that every window boundary is an exact float64
LATEST = 2.0**52 * _GRID  # ms, 49 days: beyond it a float64 is coarser than the grid
_LONGEST_WINDOW = 16.0  # ms
EPOCH = 8192.0  # ms, at least: how far times may run before they are moved back


@dataclass
class Membranes:
    """What the loop keeps of the neurons of all populations, concatenated, and the classes they fall into."""

    initial: F8  # (n_neuron,) mV
    v_inf: F8  # (n_neuron,) mV
    kind: NDArray[np.uint32]
    classes: F8  # (n_class, 5): 1 / tau; threshold and reset relative to V_inf; refractory period; (V_inf)


def membranes(populations: list[Population]) -> Membranes:
    """Concatenate the membranes of all populations of neurons and group equal ones into classes."""
    parts = []
    for p in populations:
        if isinstance(p.model, NeuronModel):
            door = Door(p.model, p.n, p.name)
            parts.append(door.membrane(p.model.membrane(p.n, p.name), Membrane))
            inlined = p.model.rules() is None
            if inlined and not p.model.inlined:
                door.refuse("rules() returned None: it must name the compiled rules of the model")
            author = next(c for c in type(p.model).__mro__ if "rules" in vars(c))
            check_subclass(p.model, author, f"population {p.name!r}", _UNCALLED if inlined else ())
            if p.model.dendrite is not None:
                check_dendrite(p.model.dendrite, f"population {p.name!r}")
    if not parts:
        raise BuildError("the network has no neurons: add a population, e.g. net.add(nd.LIF(), 100)")
    all_of = Membrane(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    rows = np.column_stack([all_of.rate, all_of.v_inf, all_of.threshold, all_of.reset, all_of.refractory])
    classes, kind = np.unique(rows, axis=0, return_inverse=True)
    return Membranes(all_of.initial, all_of.v_inf, kind.reshape(-1).astype(np.uint32), classes)


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
    return Neurons(
        u=np.where(unborn, SENTINEL, m.initial - m.v_inf),
        kind=m.kind,
        population=np.concatenate(owner),
        first=first,
        size=size,
        rate=c[:, 0].copy(),
        threshold=c[:, 2] - c[:, 1],
        reset=c[:, 3] - c[:, 1],
        refractory=c[:, 4].copy(),
        silenced=np.zeros(n_population, dtype=np.int64),
    )


def fastest_rate(populations: list[Population], neurons: Neurons) -> float:
    """The highest rate (1/ms) of any membrane or current: the frame of the membranes must be short for it."""
    rates = [
        Door(p.model, p.n, p.name).rate(p.model.fastest_rate(p.n, p.name))
        for p in populations
        if isinstance(p.model, NeuronModel)
    ]
    return max(float(neurons.rate.max()), *rates)


def make_cells(populations: list[Population], fastest: float, now: float) -> dict[int, Cells]:
    """The neurons of every population whose model has rules, by the population's index."""
    return {
        p.index: Cells(p.model, p.n, p.name, fastest, now)
        for p in populations
        if isinstance(p.model, NeuronModel) and p.model.rules() is not None
    }


def make_models(n_population: int, cells: dict[int, Cells]) -> Models:
    """Addresses of the rules of each population; their records are written once the state stands."""
    out = Models(*(np.zeros(n_population, dtype=np.int64) for _ in Models._fields))
    for p, c in cells.items():
        for rule in ("deliver", "kick", "predict", "event", "reset", "rebase"):
            function = getattr(c.rules, rule)
            getattr(out, rule)[p] = 0 if function is None else address_of_hook(function)
        out.state[p], out.width[p] = address(c.state), c.state.shape[1]
    return out


def write_records(s: State, cells: dict[int, Cells]) -> None:
    """Tell the rules of every model where everything is; to be repeated whenever an array of the state has moved."""
    pr, q = s.projections, s.queue
    for p, c in cells.items():
        first = int(s.neurons.first[p])
        c.u, c.clock = s.neurons.u[first : first + c.n], s.clock.time
        record = ModelRecord(
            first=first, n=c.n, u=address(s.neurons.u), n_neuron=s.neurons.u.size, kind=address(c.kind),
            classes=address(c.classes), n_class=c.classes.shape[0], n_value=c.classes.shape[1],
            cells=address(c.state), n_column=c.state.shape[1], places=address(c.places), per_neuron=c.per_neuron,
            n_place_column=c.places.shape[1], scratch=address(c.scratch), n_scratch=c.scratch.size,
            clock=address(s.clock.time), n_event=address(s.clock.n[N_CROSSING:]), event_time=address(q.crossing_time),
            event_index=address(q.crossing_index), event_key=address(q.crossing_u), room=q.crossing_time.size,
            listed=address(q.fired), n_projection=pr.post.size, post=address(pr.post), weight=address(pr.weight),
            uid=address(pr.uid), capacity=address(pr.capacity), branch=address(pr.branch),
            inhibitory=address(pr.inhibitory), birth_count=address(pr.birth_count), birth_time=address(pr.birth_time),
            birth_uid=address(pr.birth_uid), n_birth=pr.birth_time.shape[1],
            receive=0 if c.rules.receive is None else address_of_hook(c.rules.receive), predict=s.models.predict[p],
        )  # fmt: skip
        if c.record.size == 0:
            c.record = np.zeros(RECORD_SIZE, dtype=np.int64)
        c.record[:] = record
        s.models.record[p] = address(c.record)


def branch_address(table: Table) -> int:
    """Where a table keeps the branch of each synapse; 0 if it does not."""
    return address(table.column("branch")) if "branch" in table.column_names else 0


def window_length(delays: list[float], neurons: Neurons) -> float:
    """The longest window in which every arrival and release is known when it opens, ms."""
    positive = neurons.refractory[neurons.refractory > 0]
    shortest = min([*delays, *positive.tolist(), _LONGEST_WINDOW])
    return float(max(np.floor(shortest / _GRID), 1.0) * _GRID)


def make_clock(window: float, neurons: Neurons, fastest: float, ruled: bool, together: bool) -> tuple[Clock, int]:
    """The clock at time 0, and the number of windows in an epoch; `ruled`: some population has rules of its own."""
    n = np.zeros(N_COUNTER, dtype=np.int64)
    frame = max(1, int(min(FRAME / (fastest * window), 1 << 40))) if fastest > 0 else 1 << 40
    block = max(1, round(1.0 / window))
    n[N_FRAME_WINDOWS], n[N_BLOCK_WINDOWS] = frame, block
    n[N_BUDGET] = np.iinfo(np.int64).max
    n[N_MODELS] = int(ruled)
    n[N_TOGETHER] = int(together)
    n[N_UNIFORM] = int(neurons.rate.size == 1 and not ruled)
    n[N_SUPRA] = int(np.any((neurons.threshold < 0) & (neurons.rate > 0)))
    common = np.lcm(frame if fastest > 0 else 1, block)
    epoch = int(common * max(1, np.ceil(EPOCH / (common * window))))
    return Clock(np.zeros(N_TIME), np.array([window]), n), epoch


RESERVED = frozenset(Slots._fields) | {"weight", "pre", "lane"}  # not for mechanisms to create


def add_columns(where: str, m: Mechanism, columns: dict[str, float], given: Any) -> None:
    """Add the columns that a mechanism asks for, with their fill values.

    Raises
    ------
    BuildError
        For what is not a dictionary of finite numbers, a name that the table keeps for itself, and a second fill.
    """
    if not isinstance(given, dict):
        raise BuildError(f"{where}: {m.name}.columns() must return a dictionary of fill values, got {shown(given, 60)}")
    for name, fill in given.items():
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
            raise BuildError(f"{where}: {m.name} cannot make a column {name!r}: choose another word")
        if isinstance(fill, bool) or not isinstance(fill, (int, float, np.number)) or not np.isfinite(fill):
            raise BuildError(f"{where}: {m.name}.columns()[{name!r}] must be a finite number, got {fill!r}")
        if columns.setdefault(name, float(fill)) != fill:
            raise BuildError(f"{where}: {m.name} fills column {name!r} with {fill!r}, another with {columns[name]!r}")


def draw_table(network: Network, q: Projection, uids: UidSource) -> Table:
    """Draw the initial synapses of a projection."""
    if q.spines is not None:
        check_subclass(q.spines, Spines, f"projection {q.name!r}")
    d = drawn(network, q)
    columns: dict[str, float] = {} if q.branches is None else {"branch": 0.0, "place": 0.0}
    if q.spines is not None:
        columns["size"] = q.spines.volume
    for m in q.mechanisms:
        add_columns(q.name, m, columns, m.plain_columns() if q.spines is None else m.columns())
    check_writers(f"projection {q.name!r}", tuple(q.mechanisms), frozenset(columns))
    check_precision(q, frozenset(columns))
    table = Table.build(
        q.source.n, q.target.n, d.delays, d.source, d.target, d.lane, d.weight,
        columns=tuple(columns), uids=uids, weight_type=PRECISIONS[q.weight_precision],
    )  # fmt: skip
    table.lane_of = d.lane_of
    for name, fill in columns.items():
        table.column(name)[:] = fill
    if q.branches is not None:
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


def _signs(q: Projection, together: bool) -> tuple[int, ...]:
    """The lanes of a projection for each delay: of both signs (0), or first the negative weights and then the others.

    Where simultaneous arrivals are summed, or their crossing is predicted, nothing is tested between two of them.
    """
    model = q.target.model
    tested = isinstance(model, NeuronModel) and model.rules() is None
    return (-1, 1) if q.signed and tested and not together else (0,)


def make_lanes(projections: list[Projection], tables: list[Table], together: bool) -> Lanes:
    """One lane for each projection and delay, inhibition first: of equal times, the first lane comes first.

    One row fires several neurons at one instant, so exactly simultaneous arrivals are common.  With inhibition first,
    a neuron that is tested after each of them fires if and only if their sum reaches threshold.  Where weights of both
    signs leave one source, a spike travels in two lanes.
    """
    population, projection, lane, delay, sign = [], [], [], [], []
    lanes = [(i, one) for i, q in enumerate(projections) for one in _signs(q, together)]
    for i, one in sorted(lanes, key=lambda x: not (x[1] < 0 or (x[1] == 0 and projections[x[0]].source.inhibitory))):
        q, table = projections[i], tables[i]
        for k, d in enumerate(table.delays):
            population.append(q.source.index)
            projection.append(i)
            lane.append(k)
            delay.append(float(d))
            sign.append(one)
    if len(delay) > MOST_LANES:
        raise BuildError(
            f"the projections have {len(delay)} delays together; at most {MOST_LANES}: use fewer projections, or "
            "delays of a wider step="
        )
    return Lanes(
        np.array(population, dtype=np.int64),
        np.array(projection, dtype=np.int64),
        np.array(lane, dtype=np.int64),
        np.array(delay, dtype=np.float64),
        np.zeros(len(delay), dtype=np.int64),
        np.array(sign, dtype=np.int64),
    )


def check_start(start: Any) -> float:
    """The spike time at which a run begins, ms.

    Raises
    ------
    ParameterError
        If it is no number, or so far from zero that windows no longer lie on their grid.
    """
    number = isinstance(start, (int, float, np.number)) and not isinstance(start, bool)
    if not number or not abs(start) <= LATEST:
        raise ParameterError(f"start must be a spike time in ms, not beyond {LATEST:.3g}, got {start!r}")
    return float(start)


def buffer_room(n_cell: int) -> int:
    """Room of a buffer of spikes or crossings to begin with: some for every cell; it grows when it is short."""
    return 4 * n_cell + 1024


def make_log(neurons: Neurons, room: int | None = None) -> Log:
    """Empty spike logs."""
    n = neurons.size.size
    room = room or buffer_room(int(neurons.size.max()))
    return Log(np.zeros((n, room)), np.zeros((n, room), dtype=np.uint32), np.zeros(n, dtype=np.int64))


def make_queue(n_neuron: int, room: int = 4096) -> Queue:
    """An empty queue with room for `room` arrivals in a window, 18 bytes each."""
    u4, few = np.uint32, buffer_room(n_neuron)
    return Queue(
        np.zeros(room), np.zeros(room, u4), np.zeros(room, np.uint16), np.zeros(room + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(few), np.zeros(few, u4), np.zeros(few),
        np.zeros(0), np.zeros(0, u4), np.zeros(0, u4),
        np.zeros(n_neuron + 1, u4), np.zeros(n_neuron + 1, u4), np.zeros(n_neuron, u4),
    )  # fmt: skip


def make_background(network: Network, neurons: Neurons) -> Background:
    """One stream for each range of equal rates, those at rest included: their rate may be raised."""
    rate, weight, exponential, first, size, key = [], [], [], [], [], []
    for i, (p, b) in enumerate(network.backgrounds):
        check_subclass(b, PoissonInput, f"background of {p.name!r}")
        rates = np.broadcast_to(np.asarray(b.rate_hz, dtype=float), (p.n,))
        edges = np.flatnonzero(np.diff(rates)) + 1
        for k, piece in enumerate(np.split(np.arange(p.n), edges)):
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
