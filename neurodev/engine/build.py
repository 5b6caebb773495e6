"""From a described network to tables and kernel state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from neurodev import rng
from neurodev.engine.checks import check_precision
from neurodev.engine.drawing import Drawn, drawn
from neurodev.engine.loop.background import CHUNK, GENTLE, GUIDE, SHORT_GUIDE
from neurodev.engine.loop.state import (
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
    Fresh,
    Lists,
    Log,
    Models,
    Neurons,
    Own,
    Queue,
    Record,
    State,
)
from neurodev.engine.network import PRECISIONS, Network, Population, Projection, Spines
from neurodev.engine.stimuli import noise_onto
from neurodev.errors import BuildError, InvariantError, ParameterError, shown
from neurodev.jit import address, address_of_hook
from neurodev.mechanisms.base import Mechanism, check_writers
from neurodev.neurons.channels import FRAME
from neurodev.neurons.dendrite import check_dendrite
from neurodev.neurons.door import Door, check_subclass
from neurodev.neurons.drive import Background as PoissonInput
from neurodev.neurons.model import Cells, Changes, Membrane, NeuronModel, grouped
from neurodev.neurons.rules import RECORD_SIZE, ModelRecord
from neurodev.structure.blocks import part_bounds
from neurodev.structure.store import Slots
from neurodev.structure.table import Table, UidSource

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
# what the loop does not ask of a membrane that it has inlined
_UNCALLED = ("columns", "place_columns", "n_scratch", "start", "table", "potentials")
_GRID = 2.0**-20  # windows are multiples of it, so that every window boundary is an exact float64
LATEST = 2.0**52 * _GRID  # ms, 49 days: beyond it a float64 is coarser than the grid
_LONGEST_WINDOW = 16.0  # ms
EPOCH = 8192.0  # ms, at least: how far times may run before they are moved back
BLOCK = 1.0  # ms: how far ahead crossings are noted, and background is drawn
# measured on Brunel's network (tests/benchmarks): of a block's background in the span from reset to threshold
SHARE_OF_SPAN = 0.04
MOST_PARTS, SYNAPSES_A_ROW = 64, 100  # parts, and synapses of a mean row that are left to each
MOST_GUIDES = 256  # rates that have a long table to search by, of 4 kB each
MOST_LISTS = 1 << 14  # neurons whose background is kept in order within a block; of more it is drawn each time
FEWEST_IN_BLOCK, MOST_IN_BLOCK = 2.0, 24.0  # events of one neuron that are worth a block, and that are drawn fast


@dataclass
class Membranes:
    """What the loop keeps of the neurons of all populations, concatenated, and the classes they fall into."""

    initial: F8  # (n_neuron,) mV
    kind: NDArray[np.uint32]
    classes: F8  # (n_class, 5): 1 / tau; V_inf, threshold and reset; refractory period
    later: dict[int, list[NDArray[np.uint32]]]  # of a population: classes of the neurons of each change of its drive


def membranes(populations: list[Population], changes: dict[int, Changes]) -> Membranes:
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
    tables = [_rows(all_of)]
    for p in (p for p in populations if p.index in changes):
        model, n = changes[p.index].model, changes[p.index].n
        tables.append(_rows(Door(model, n, p.name).membrane(model.membrane(n, p.name), Membrane)))
    classes, (kind, *rest) = grouped(tables)
    found = iter(rest)
    later = {p.index: changes[p.index].split(next(found)) for p in populations if p.index in changes}
    return Membranes(all_of.initial, kind, classes, later)


def _rows(m: Membrane) -> F8:
    return np.column_stack([m.rate, m.v_inf, m.threshold, m.reset, m.refractory])


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
        u=np.where(unborn, SENTINEL, m.initial - m.classes[m.kind, 1]),
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


def part_count(network: Network, threads: int) -> int:
    """Parts of a network that may run on so many threads: fewer, where they would leave short rows to each.

    Nothing that comes out depends on their number.
    """
    projections = network.projections.values()
    synapses = sum(q.wiring.mean_inputs(q.source.n, q.target.n) * q.target.n for q in projections)
    rows = sum(q.source.n * q.delay.lanes().size for q in projections)
    return int(max(1, min(threads, MOST_PARTS, synapses / max(rows, 1) / SYNAPSES_A_ROW)))


def make_owns(populations: list[Population], neurons: Neurons, parts: int) -> list[Own]:
    """What each part has of every population."""
    first, last = np.zeros((2, parts, len(populations)), dtype=np.int64)
    for p in populations:
        if not p.is_drive:
            bounds = int(neurons.first[p.index]) + part_bounds(p.n, parts)
            first[:, p.index], last[:, p.index] = bounds[:-1], bounds[1:]
    return [Own(a.copy(), b.copy()) for a, b in zip(first, last, strict=True)]


def make_fresh(room: int) -> Fresh:
    """Room for the spikes of a part."""
    return Fresh(np.zeros(room), np.zeros(room, np.uint32), np.zeros(room, np.uint32))


def fastest_rate(populations: list[Population], neurons: Neurons) -> float:
    """The highest rate (1/ms) of any membrane or current: the frame of the membranes must be short for it."""
    rates = [
        Door(p.model, p.n, p.name).rate(p.model.fastest_rate(p.n, p.name))
        for p in populations
        if isinstance(p.model, NeuronModel)
    ]
    return max(float(neurons.rate.max()), *rates)


def make_cells(network: Network, fastest: float, now: float, changes: dict[int, Changes]) -> dict[int, Cells]:
    """The neurons of every population whose model has rules, by the population's index."""
    return {
        p.index: Cells(
            p.model, p.n, p.name, fastest, now, changes.get(p.index), noise_onto(p, network.stimuli, network.seed)
        )
        for p in network.populations.values()
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


def write_records(s: State, cells: dict[int, Cells], records: dict[int, I8], main: bool = True) -> None:
    """Tell the rules of every model where everything of a part is; to be repeated when an array of it has moved."""
    pr, q = s.projections, s.queue
    for p, c in cells.items():
        first = int(s.neurons.first[p])
        if main:
            c.u, c.clock = s.neurons.u[first : first + c.n], s.clock.time
        record = ModelRecord(
            first=first, n=c.n, u=address(s.neurons.u), n_neuron=s.neurons.u.size, kind=address(c.kind),
            classes=address(c.classes), n_class=c.classes.shape[0], n_value=c.classes.shape[1],
            cells=address(c.state), n_column=c.state.shape[1], places=address(c.places), per_neuron=c.per_neuron,
            n_place_column=c.places.shape[1], scratch=address(s.queue.scratch), n_scratch=c.n_scratch,
            scale=address(s.queue.scale),
            clock=address(s.clock.time), n_event=address(s.clock.n[N_CROSSING:]), event_time=address(q.crossing_time),
            event_index=address(q.crossing_index), event_key=address(q.crossing_u), room=q.crossing_time.size,
            listed=address(q.fired), n_projection=pr.post.size, post=address(pr.post), weight=address(pr.weight),
            uid=address(pr.uid), capacity=address(pr.capacity), branch=address(pr.branch),
            inhibitory=address(pr.inhibitory), birth_count=address(pr.birth_count), birth_time=address(pr.birth_time),
            birth_uid=address(pr.birth_uid), n_birth=pr.birth_time.shape[1],
            receive=0 if c.rules.receive is None else address_of_hook(c.rules.receive), predict=s.models.predict[p],
        )  # fmt: skip
        mine = records.setdefault(p, np.zeros(RECORD_SIZE, dtype=np.int64))
        mine[:] = record
        if main:
            c.record = mine
        s.models.record[p] = address(mine)


def narrow(q: Projection, table: Table) -> NDArray[np.uint16] | None:
    """The targets of a table in 16 bits, as long as nobody is born or dies there: half of what a row has to fetch."""
    static = not table.column_names and not table.has_in_lists and computed(q.target)
    return table.post.astype(np.uint16) if static and table.n_target <= 1 << 16 else None


def branch_address(table: Table) -> int:
    """Where a table keeps the branch of each synapse; 0 if it does not."""
    return address(table.column("branch")) if "branch" in table.column_names else 0


def window_length(delays: list[float], neurons: Neurons) -> float:
    """The longest window in which every arrival and release is known when it opens, ms."""
    positive = neurons.refractory[neurons.refractory > 0]
    shortest = min([*delays, *positive.tolist(), _LONGEST_WINDOW])
    return float(max(np.floor(shortest / _GRID), 1.0) * _GRID)


def computed(p: Population) -> bool:
    """Whether the loop itself computes the membranes of a population."""
    return isinstance(p.model, NeuronModel) and p.model.rules() is None


def block_windows(network: Network, window: float, neurons: Neurons) -> float:
    """Windows in a block of time: a whole number, or one over a power of two.

    A block is short where much background falls on membranes that the loop computes: its sum over the block should be
    a small part of what lies between reset and threshold, so that few neurons must be looked at event by event.
    """
    length = BLOCK
    for p, b in network.backgrounds:
        rate = float(np.max(b.rate_hz, initial=0.0)) / 1e3
        length = min(length, MOST_IN_BLOCK / max(rate, 1e-300))
        if computed(p) and b.weight > 0.0 and rate > 0.0:
            assert isinstance(p.model, NeuronModel)
            values = p.model.expand(p.n, p.name)
            span = float(np.min(values["threshold"] - values["reset"]))
            length = min(length, max(SHARE_OF_SPAN * span / (rate * b.weight), FEWEST_IN_BLOCK / rate))
            length = min(length, GENTLE * float(np.min(values["tau"])))
    if length >= window:
        return max(1.0, float(round(length / window)) if not network.backgrounds else np.floor(length / window))
    return float(0.5 ** min(np.ceil(np.log2(window / length)), 20.0))


def make_clock(
    network: Network, window: float, neurons: Neurons, fastest: float, ruled: bool
) -> tuple[Clock, int, int]:
    """The clock at time 0, and the numbers of windows and blocks in an epoch; `ruled`: a population has rules."""
    n = np.zeros(N_COUNTER, dtype=np.int64)
    block = block_windows(network, window, neurons)
    whole = max(1, int(block))
    frame = max(1, int(min(FRAME / (fastest * window), 1 << 40))) if fastest > 0 else 1 << 40
    frame = max(whole, frame // whole * whole)  # the frame moves between two blocks
    n[N_FRAME_WINDOWS] = frame
    n[N_BUDGET] = np.iinfo(np.int64).max
    n[N_MODELS] = int(ruled)
    n[N_TOGETHER] = int(network.together)
    n[N_UNIFORM] = int(neurons.rate.size == 1 and not ruled)
    n[N_SUPRA] = int(np.any((neurons.threshold < 0) & (neurons.rate > 0)))
    common = frame if fastest > 0 else whole
    epoch = int(common * max(1, np.ceil(EPOCH / (common * window))))
    return Clock(np.zeros(N_TIME), np.array([window, block * window]), n), epoch, round(epoch / block)


RESERVED = frozenset(Slots._fields) | {"pre", "lane", "row", "born"}  # not for mechanisms to create


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


def _by_rows(q: Projection, d: Drawn) -> bool:
    """Whether uids may follow rows: they do already, or no user listed synapses and knows them by that order."""
    if not (q.wiring.listed or q.delay.listed or np.ndim(q.weight)):
        return True
    row, target = d.lane.astype(np.int64) * q.source.n + d.source, d.target
    return not np.any((row[1:] < row[:-1]) | (row[1:] == row[:-1]) & (target[1:] < target[:-1]))


def columns_of(q: Projection) -> dict[str, float]:
    """The columns of a projection's table, each with its fill value."""
    columns: dict[str, float] = {} if q.branches is None else {"branch": 0.0, "place": 0.0}
    if q.spines is not None:
        columns["size"] = q.spines.volume
    for m in q.mechanisms:
        add_columns(q.name, m, columns, m.plain_columns() if q.spines is None else m.columns())
    return columns


def draw_table(network: Network, q: Projection, uids: UidSource, parts: int = 1) -> Table:
    """Draw the initial synapses of a projection, kept apart by the parts of its targets."""
    if q.spines is not None:
        check_subclass(q.spines, Spines, f"projection {q.name!r}")
    d = drawn(network, q)
    columns = columns_of(q)
    check_writers(f"projection {q.name!r}", tuple(q.mechanisms), frozenset(columns))
    check_precision(q, frozenset(columns))
    static = not columns and not q.plastic  # nobody asks for uids, and few synapses come or go
    one = d.source.size > 0 and d.weight.strides == (0,)
    alike = static and one and computed(q.target)  # rules read a weight for each synapse
    table = Table.build(
        q.source.n, q.target.n, d.delays, d.source, d.target, d.lane, d.weight[0] if one else d.weight,
        columns=tuple(columns), uids=uids, weight_type=PRECISIONS[q.weight_precision],
        parts=parts, alike=alike, consecutive=static and _by_rows(q, d),
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
            f"synapse uid {int(table.uid_of(slots)[k])} lies on branch {branch[k]:g} of {q.branches.per_neuron:g}"
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


def make_queue(
    n_neuron: int, spikes: NDArray[np.uint32], n_scratch: int, room: int = 4096, n_projection: int = 0
) -> Queue:
    """An empty queue of a part, for `n_neuron` neurons and `room` arrivals in a window, 18 bytes each."""
    u4, few = np.uint32, buffer_room(n_neuron)
    return Queue(
        np.zeros(room), np.zeros(room, u4), np.zeros(room, np.uint16), np.zeros(room + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(n_neuron + 1), np.zeros(n_neuron + 1, u4),
        np.zeros(few), np.zeros(few, u4), np.zeros(few),
        *make_inputs(0),
        np.zeros(n_neuron + 1, u4), np.zeros(max(n_scratch, 1)), np.ones(n_projection), np.zeros(n_neuron + 1, u4),
        spikes,
    )  # fmt: skip


def make_inputs(room: int) -> tuple[F8, NDArray[np.uint32], F8, NDArray[np.uint32]]:
    """Room for the background of a block onto neurons with rules."""
    return np.zeros(room + 1), np.zeros(room + 1, np.uint32), np.zeros(room + 1), np.zeros(room + 2, np.uint32)


def make_background(network: Network, neurons: Neurons, own: Own, block: float, later: F8) -> Background:
    """Pieces of equal rates and membrane time constants of a part; those at rest are there: a rate may be raised."""
    rate, weight, exponential, ruled, first, local, size, key = [], [], [], [], [], [], [], []
    seen: dict[tuple[object, ...], int] = {}
    for p, b in sorted(network.backgrounds, key=lambda x: (x[0].name, -x[1].weight)):
        check_subclass(b, PoissonInput, f"background of {p.name!r}")
        rates = np.broadcast_to(np.asarray(b.rate_hz, dtype=float), (p.n,))
        begin = int(neurons.first[p.index])
        leak = neurons.rate[neurons.kind[begin : begin + p.n]]
        edges = np.flatnonzero((np.diff(rates) != 0) | (np.diff(leak) != 0)) + 1
        # what it is, and how many of the same were there before: not its place in the list
        what = (p.name, float(b.weight), b.amplitudes, rates.tobytes() if rates.strides != (0,) else float(rates[0]))
        seen[what] = seen.get(what, -1) + 1
        stream = rng.key(network.seed, "background", p.name, *(repr(x) for x in what[1:]), seen[what])
        for whole in np.split(np.arange(p.n), edges):
            here = (whole + begin >= own.first[p.index]) & (whole + begin < own.last[p.index])
            piece = whole[here]
            if not piece.size:
                continue
            rate.append(rates[piece[0]] / 1e3)
            weight.append(b.weight)
            exponential.append(int(b.amplitudes == "exponential"))
            ruled.append(int(not computed(p)))
            first.append(begin + int(piece[0]))
            local.append(int(piece[0]))
            size.append(piece.size)
            key.append(stream)
    n, n_neuron, i8 = len(rate), neurons.u.size, np.int64
    owner = np.repeat(np.arange(n), size)
    cell = np.concatenate([f + np.arange(k) for f, k in zip(first, size, strict=True)] or [np.zeros(0, i8)])
    order = np.argsort(cell, kind="stable")
    out = Background(
        np.array(rate, dtype=float), np.array(weight, dtype=float), np.array(exponential, i8), np.array(ruled, i8),
        np.array(first, i8), np.array(local, i8), np.array(size, i8), np.array(key, dtype=np.uint64),
        np.zeros(n, np.uint64), np.zeros(n), np.zeros(n, i8), np.zeros(n, i8), np.zeros(n, i8), np.zeros(0),
        np.zeros(0, np.uint32), np.zeros(1, i8), np.searchsorted(cell[order], np.arange(n_neuron + 1)).astype(i8),
        owner[order].astype(i8), np.zeros(1, i8), later, np.zeros(CHUNK, np.uint64),
        np.zeros(CHUNK, np.uint32), np.zeros(CHUNK, np.uint64), np.zeros(CHUNK, np.uint32), np.zeros(CHUNK),
        np.zeros(CHUNK), np.zeros(0, i8),
    )  # fmt: skip
    return with_chances(out, block)


def with_chances(g: Background, block: float) -> Background:
    """The same with its tables written anew: rates have changed, or nothing is known of them yet."""
    rates, which = np.unique(g.rate, return_inverse=True)
    tables, guides = [], []
    g.guides[0] = entries = GUIDE if rates.size <= MOST_GUIDES else SHORT_GUIDE
    for mean in rates * block:
        most = int(np.ceil(mean + 10.0 * np.sqrt(mean) + 20.0))  # beyond it less than 2^-53 is left
        chance = pdtr(np.arange(most + 1), mean) if mean > 0 else np.ones(most + 1)
        chance[-1] = 1.0
        tables.append(chance)
        guides.append(np.searchsorted(chance, np.arange(entries) / entries, side="right"))
    sizes = np.array([t.size for t in tables], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if sizes.size else sizes
    g.most[:], g.chance_at[:], g.guide_at[:] = sizes[which], starts[which], entries * which
    above = np.zeros(g.piece_first.size, dtype=np.int64)
    np.add.at(above, np.repeat(np.arange(above.size - 1), np.diff(g.piece_first)), g.most[g.piece])
    g.longest[0] = above.max(initial=0)
    return g._replace(
        chance=np.concatenate(tables) if tables else np.zeros(0),
        guide=np.concatenate(guides).astype(np.uint32) if guides else np.zeros(0, np.uint32),
        begin=np.zeros((int(g.most.max(initial=0)) + 1) // 2 + 4, np.int64),
    )


def make_lists(g: Background, of: NDArray[np.uint32]) -> Lists:
    """Room for the lists of some neurons, and of one for which there is none; `of` (n_neuron,) is of all parts."""
    inlined = bool((g.ruled == 0).any())
    n_neuron = int(g.size.sum())
    some = min(n_neuron, MOST_LISTS) if inlined else 0
    most = int(g.longest[0])
    mean = float(g.rate @ g.size) / max(n_neuron, 1)
    events = some * max(int(2 * mean), 8) + 2 * most if inlined else 0
    first, last, at = (np.zeros(some + 1, dtype=np.int64) for _ in range(3))
    time, jump, factor, after, need = (np.zeros(events) for _ in range(5))
    return Lists(
        of, np.zeros(some + 1, dtype=np.uint32), first, last, at, np.zeros(some + 1), time, jump, factor, after, need
    )


def make_record(populations: list[Population], room: int) -> Record:
    """Counters for every cell, and room for full trains."""
    first = np.concatenate([[0], np.cumsum([p.n for p in populations])[:-1]]).astype(np.int64)
    total = sum(p.n for p in populations)
    n = len(populations)
    return Record(
        np.zeros(total, dtype=np.int64), first, np.zeros(n, dtype=np.int64),
        np.zeros(room), np.zeros(room, dtype=np.uint32), np.zeros(room, dtype=np.uint32),
    )  # fmt: skip


def longer_record(r: Record, room: int) -> Record:
    """The same with room for more trains."""
    names = ("time", "population", "index")
    return r._replace(**{name: np.resize(getattr(r, name), room) for name in names})
