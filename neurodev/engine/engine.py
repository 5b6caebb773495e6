"""The engine: kernel state, epochs, growth of buffers, and the view of it that Python needs.

It knows spike time only.  Ticks, plans and recording belong to `simulator.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.engine import build
from neurodev.engine.drives import bound, chunk_of
from neurodev.engine.hooks import (
    bring_up,
    brought_up,
    find_hot,
    find_hot_populations,
    list_hooks,
    list_releases,
    make_hooks,
    signal_blocks,
)
from neurodev.engine.lanes import far_lanes, make_lanes
from neurodev.engine.loop.spiking import predict_delta
from neurodev.engine.loop.state import (
    ALIKE,
    BIRTH_ROOM,
    N_BACKGROUND,
    N_BLOCK,
    N_BUDGET,
    N_CONTACTS,
    N_CROSSING,
    N_DRIVE,
    N_DRIVE_AT,
    N_EPOCH_BLOCK,
    N_EVENTS,
    N_MERGE,
    N_NEED,
    N_OPEN,
    N_OVERFLOW,
    N_RECORD,
    N_STATUS,
    N_STUCK,
    N_WINDOW,
    T_FRAME,
    T_NOW,
    TIMES,
    Clock,
    Drives,
    Fresh,
    Lanes,
    Log,
    Own,
    Piece,
    Pieces,
    Projections,
    Script,
    State,
)
from neurodev.engine.membranes import Membranes
from neurodev.engine.network import Network
from neurodev.engine.parts import Parts, check_threads
from neurodev.engine.ranks import Ranks
from neurodev.engine.sharing import share
from neurodev.engine.splitting import deal, draw_tables
from neurodev.engine.stimuli import all_changes, make_script
from neurodev.errors import SimulationError, Status
from neurodev.jit import address
from neurodev.mechanisms.base import NeuronBlock
from neurodev.neurons.drive import Drive
from neurodev.neurons.model import NeuronModel
from neurodev.neurons.rules import AT
from neurodev.structure.table import Table, UidSource

SpikeSink = Callable[[float, F8, NDArray[np.uint32], NDArray[np.uint32]], None]
_NO_BUDGET = int(np.iinfo(np.int64).max)


class Engine(Membranes):
    """Exact spikes in continuous time.

    Parameters
    ----------
    network : Network
        What to simulate.
    start : float, ms
        Spike time at which the run begins: where it stands on the grid of windows.
    sink : callable
        Receives full trains as ``sink(epoch_start, times, populations, indices)``, in order of time.
    blocks : dict of NeuronBlock, optional
        Signals of the populations, which hot mechanisms of populations write to; made here if not given.
    threads : int, optional
        Threads to run on; by default one for each core, where a window holds enough work.  They change no result.
    parts : int, optional
        Shares of the neurons that threads can take; by default what suits the network and the threads.  They change no
        result either.
    ranks : Ranks, optional
        The processes that run the network together; each has some of the parts.

    Attributes
    ----------
    elapsed : float, ms
        Spike time since the start up to which every event is processed.
    epoch_start : float, ms
        Spike time at which the present epoch begins.
    split : dict of str to int
        Synapses of each projection of which a rank keeps those onto its own neurons alone.
    whole : dict of str to Table
        The same as they were drawn, on the rank that writes, until it did.
    narrow : list of (capacity,) uint16, or None
        Targets of each static projection once more, in 16 bits, as rows are delivered.

    Raises
    ------
    ParameterError
        If `start` is no time on the grid of windows.
    """

    def __init__(
        self,
        network: Network,
        start: float = 0.0,
        sink: SpikeSink | None = None,
        blocks: dict[str, NeuronBlock] | None = None,
        threads: int | None = None,
        parts: int | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.network, self.ranks = network, ranks
        self.populations = list(network.populations.values())
        self.projections = list(network.projections.values())
        self.sink = sink
        self.uids = UidSource()
        threads = check_threads(threads)
        n_part, mine = deal(network, ranks, parts, threads)
        drawn, self.whole, self.split = draw_tables(network, ranks, self.uids, n_part)
        self.tables = [drawn[q.name] for q in self.projections]
        changes = all_changes(self.populations, network.stimuli)
        m = build.membranes(self.populations, changes)
        self.v_inf_of, self._initial = m.classes[:, 1], m.initial
        neurons = build.make_neurons(self.populations, m)
        # who lives, by population: the last `room` places wait for neurons still to be born
        self.alive = [np.arange(p.n) < p.n - p.room for p in self.populations]
        lanes = [make_lanes(self.projections, self.tables, network.together, k) for k in mine]
        self.longest_delay = float(lanes[0].delay.max()) if lanes[0].delay.size else 0.0
        window = build.window_length(lanes[0].delay.tolist(), neurons)
        fastest = build.fastest_rate(self.populations, neurons)
        ruled = any(isinstance(p.model, NeuronModel) and p.model.rules() is not None for p in self.populations)
        clock, self.epoch_windows, self.epoch_blocks = build.make_clock(network, window, neurons, fastest, ruled)
        self.epoch_length = self.epoch_windows * window
        hot = find_hot(self.projections, self.tables)
        self.blocks = blocks if blocks is not None else signal_blocks(self.populations)
        self.hot_populations = find_hot_populations(self.populations, self.blocks)
        hooks, hook_first, post_first = make_hooks(hot, self.hot_populations, self.projections, len(self.populations))
        self.hot = hot
        self.start = build.check_start(start)
        # the first epoch begins at the last exact window boundary before the start
        self._first_epoch = float(np.floor(self.start / self.epoch_length) * self.epoch_length)
        self._offset = self.start - self._first_epoch
        self._epoch = 0  # counted, so that no rounding adds up
        self.elapsed = 0.0
        self.cells = build.make_cells(network, fastest, self._offset, changes)
        self._later = np.zeros(neurons.u.size)
        self._spikes, self._listed = (np.zeros(neurons.u.size, dtype=np.uint32) for _ in range(2))
        self.narrow: list[NDArray[np.uint16] | None] = [None] * len(self.tables)
        addresses = self._addresses(hook_first, post_first, neurons.first)
        record = build.make_record(self.populations, max(build.buffer_room(neurons.u.size), 1 << 16))
        none = np.zeros(0, np.uint32)
        pieces, drives = Pieces(np.zeros(len(Piece), np.int64)), Drives(np.zeros(0), none, none)
        shared = pieces, neurons, drives, build.make_log(neurons), addresses, hooks, record
        scripted = m.later, {p: c.later_kinds for p, c in self.cells.items()}
        states = []
        owns = build.make_owns(self.populations, neurons, n_part)
        for own, lane in zip(owns[mine.start : mine.stop], lanes, strict=True):
            script = make_script(self.populations, network.stimuli, changes, neurons, own, self.v_inf_of, *scripted)
            states.append(self._part(clock, own, lane, shared, script))
        self.parts = Parts(states, self.cells, threads, ranks)
        self.n_part, self._apart = n_part, False
        self.first_part = mine.start
        self._far_groups = {int(i): int(g) - 1 for i, g in zip(lanes[0].projection, lanes[0].far, strict=True) if g > 0}
        self._far: dict[int, Any] = {}
        self._write_far(self._far_groups)
        self.make_room()
        self._versions = [t.version for t in self.tables]
        self._begin(self._offset)
        self._bind_drives()

    # ------------------------------------------------------------------ set-up

    def _part(self, clock: Clock, own: Own, lanes: Lanes, shared: tuple[Any, ...], script: Script) -> State:
        """The state of one part, with buffers of its own."""
        pieces, neurons, drives, log, projections, hooks, record = shared
        n_own = int((own.last - own.first).sum())
        background = build.make_background(self.network, neurons, own, float(clock.length[1]), self._later)
        return State(
            pieces, Clock(clock.time.copy(), clock.length, clock.n.copy()), neurons, own,
            build.make_fresh(build.buffer_room(n_own)), drives, log, lanes, projections, hooks,
            build.make_queue(
                n_own, self._spikes, max((c.n_scratch for c in self.cells.values()), default=0),
                n_projection=len(self.projections),
            ),
            background, build.make_lists(background, self._listed), record,
            build.make_models(len(self.populations), self.cells), script,
        )  # fmt: skip

    def _begin(self, offset: float) -> None:
        """Put the clocks at `offset` within the first epoch."""
        for s in self.parts.states:
            window, block = (float(x) for x in s.clock.length)
            s.clock.n[N_WINDOW], s.clock.n[N_BLOCK] = np.floor(offset / window), np.floor(offset / block)
            s.clock.n[N_EPOCH_BLOCK] = -s.clock.n[N_BLOCK]  # counted from the start: a run that is shifted is the same
            s.clock.time[T_NOW] = s.clock.time[T_FRAME] = offset
            s.background.since[:] = offset
            s.script.time[:] += offset
        self.state.hooks.trace_base[:] = offset

    def _bind_drives(self) -> None:
        self._sources = [(p, bound(p, self.network.seed)) for p in self.populations if isinstance(p.model, Drive)]
        self._next_chunk = [0 for _ in self._sources]
        self._drive_from = [0.0 for _ in self._sources]  # ms since the start: nothing earlier comes of a source
        self._turn = [0 for _ in self._sources]  # how often its parameters were set
        self._drive_until = 0.0  # ms since the start

    def _addresses(self, hook_first: I8, post_first: I8, first: I8) -> Projections:
        n = len(self.tables)
        z = lambda: np.zeros(n, dtype=np.int64)  # noqa: E731
        p = Projections(
            z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(),
            np.zeros((n, BIRTH_ROOM)), np.zeros((n, BIRTH_ROOM), dtype=np.uint64),
            *list_releases(self.hot, self.projections), hook_first, post_first,
        )  # fmt: skip
        for i, (q, t) in enumerate(zip(self.projections, self.tables, strict=True)):
            p.offset[i], p.inhibitory[i] = first[q.target.index], int(q.source.inhibitory)
            self._write_addresses(p, i, t)
        return p

    def _write_addresses(self, p: Projections, i: int, t: Table) -> None:
        self.narrow[i] = build.narrow(self.projections[i], t)
        p.narrow[i] = 0 if (few := self.narrow[i]) is None else address(few)
        p.post[i], p.weight[i], p.uid[i] = address(t.post), address(t.weight), address(t.identities)
        p.row_start[i], p.row_length[i] = address(t.row_start), address(t.row_length)
        p.single[i] = ALIKE if t.alike else int(t.weight.dtype == np.float32)
        p.capacity[i], p.n_row[i], p.n_source[i] = t.post.size, t.row_start.size, t.n_source
        p.branch[i] = build.branch_address(t)

    def _write_far(self, projections: Iterable[int]) -> None:
        """Say where the lanes of each source are listed, in projections of many delays; nowhere once they change."""
        for i in projections:
            if i not in self._far_groups:
                continue
            g = self._far_groups[i]
            self._far[i] = found = far_lanes(self.projections[i], self.tables[i])
            for k, s in enumerate(self.parts.states, self.first_part):
                first, lane = (None, None) if found is None else found[k % len(found)]
                s.lanes.far_first[g] = 0 if first is None else address(first)
                s.lanes.far_lane[g] = 0 if lane is None or not lane.size else address(lane)

    def refresh_addresses(self) -> None:
        """After plans were applied: tables may have moved."""
        for i, t in enumerate(self.tables):
            if t.version == self._versions[i]:
                continue
            self._versions[i] = t.version
            self._write_addresses(self.state.projections, i, t)
            self._write_far([i])
            for h in self.hot:
                if h.place == i:
                    h.refresh(self.state.hooks.trace_base)
            self.parts.look_again()

    def make_room(self) -> None:
        """Room for all the spikes of one row: it may name a cell without refractoriness more often than cells exist."""
        rows = [t.row_length for q, t in zip(self.projections, self.tables, strict=True) if q.multapses]
        longest = max((int(lengths.max(initial=0)) for lengths in rows), default=0)
        for k, s in enumerate(self.parts.states):
            s.clock.n[N_CONTACTS] = longest
            if longest >= s.queue.fired.size:
                self.parts.replace(k, queue=s.queue._replace(fired=np.zeros(2 * longest, dtype=np.uint32)))

    def choose_hooks(self, blocked: Collection[tuple[str, str]]) -> None:
        """Leave out the hooks of blocked mechanisms, (projection, mechanism) by name; their traces only decay."""
        if not self.hot:
            return
        lists, hook_first, post_first = list_hooks(
            self.hot, self.hot_populations, self.projections, len(self.populations), blocked
        )
        pre, pre_record, post, post_record = lists
        s = self.state
        self.parts.replace(
            0,
            hooks=s.hooks._replace(pre=pre, pre_record=pre_record, post=post, post_record=post_record),
            projections=s.projections._replace(
                hook_first=hook_first, post_first=post_first,
                **list_releases(self.hot, self.projections, blocked)._asdict(),
            ),
        )  # fmt: skip
        for part in self.parts.states:
            part.queue.scale[:] = 1.0

    # ------------------------------------------------------------------ running

    @property
    def epoch_start(self) -> float:
        """Spike time at which the present epoch begins, ms."""
        return self._first_epoch + self._epoch * self.epoch_length

    @property
    def _epoch_began(self) -> float:
        """The same since the start, ms: times are kept from here, so that a late start costs no digit."""
        return self._epoch * self.epoch_length - self._offset

    @property
    def now(self) -> float:
        """Spike time, ms."""
        return self.epoch_start + float(self.state.clock.time[T_NOW])

    @property
    def events(self) -> int:
        """Synaptic events delivered so far, background included."""
        return self.parts.total(N_EVENTS) + self.parts.total(N_BACKGROUND)

    def set_budget(self, events: int | None) -> None:
        """Stop with an error when this many further synaptic events have been delivered."""
        self.state.clock.n[N_BUDGET] = _NO_BUDGET if events is None else self.parts.total(N_EVENTS) + events

    def run_until(self, stop: float) -> None:
        """Process every event with spike time < `stop` (ms since the start).

        Raises
        ------
        SimulationError
            When the budget of events is spent.
        """
        self._apart = self.ranks is not None
        self.parts.disturbed()
        try:
            self._run_until(stop)
            self.elapsed = max(self.elapsed, stop)
        except BaseException:
            self.elapsed = self._epoch_began + float(self.state.clock.time[T_NOW])
            if self.ranks is not None:
                self.ranks.fail()
            raise
        self.flush_spikes()

    def _run_until(self, stop: float) -> None:
        n, time = self.state.clock.n, self.state.clock.time
        # within the epoch: sums with its beginning are rounded, and might never reach `stop`
        while time[T_NOW] < (end := stop - self._epoch_began) or n[N_MERGE]:  # what its last window told found no room
            target = min(end, self.epoch_length)
            self._load_drives(target)
            status = self.parts.run(target)
            if status == Status.EVENT_BUDGET:
                raise SimulationError(
                    f"more than the budgeted synaptic events by spike time {self.now:.0f} ms: the network runs away; "
                    "lower its excitation or raise events_per_tick"
                )
            if status in (Status.LOG_FULL, Status.RECORD_FULL):
                self._grow_shared(Status(status))
            elif status != Status.DONE:
                for k, s in enumerate(self.parts.states):
                    if s.clock.n[N_STATUS] != Status.DONE:
                        self._grow(k, Status(int(s.clock.n[N_STATUS])))
                        s.clock.n[N_STATUS] = Status.DONE
            elif target == self.epoch_length and n[N_OPEN] == 0:
                self._new_epoch()

    def _stuck(self, part: State) -> str:
        """What to say of a neuron model that notes events which are past, or the same for ever."""
        j = int(part.clock.n[N_STUCK]) - 1
        p = self.populations[int(self.state.neurons.population[j])]
        return (
            f"population {p.name!r}: the rules of {type(p.model).__name__} note an event of neuron "
            f"{j - int(self.state.neurons.first[p.index])} at {self.now:.6g} ms that is past, or the same again and "
            "again: `predict` must note a later one (max(at, t)), and what it reads must have moved on"
        )

    def _grow(self, k: int, status: Status) -> None:
        """Make room for what part `k` could not store; it goes on where it stopped.

        Raises
        ------
        SimulationError
            Where it stopped for another reason.
        """
        s = self.parts.states[k]
        if status is Status.STUCK:
            raise SimulationError(self._stuck(s))
        if status is Status.AGENDA_FULL:
            room = int(1.25 * s.clock.n[N_NEED]) + 64  # of 18 bytes each: below 24 bytes an arrival, and a constant
            fresh = build.make_queue(0, self._spikes, 0, room)
            wider = s.queue._replace(time=fresh.time, row=fresh.row, lane=fresh.lane, bucket=fresh.bucket)
            self.parts.replace(k, queue=wider)
        elif status is Status.INPUT_FULL:
            fresh_inputs = build.make_inputs(int(1.25 * s.clock.n[N_NEED]) + 64)
            t, j, w, bucket = fresh_inputs
            with_room = s.queue._replace(input_time=t, input_index=j, input_weight=w, input_bucket=bucket)
            self.parts.replace(k, queue=with_room)
        elif status is Status.SPIKES_FULL:
            longer = build.make_fresh(2 * s.fresh.time.size + int(s.clock.n[N_CONTACTS]) + 64)
            for name in Fresh._fields:
                old = getattr(s.fresh, name)
                getattr(longer, name)[: old.size] = old
            self.parts.replace(k, fresh=longer)
        elif status is Status.CROSSING_FULL:
            self._more_crossings(k)
        else:
            raise SimulationError(f"the event loop stopped with status {status.name}")

    def _grow_shared(self, status: Status) -> None:
        """Make room for the spikes of a window in the logs, or in the record."""
        s = self.state
        need = int(s.clock.n[N_NEED])
        if status is Status.LOG_FULL:
            room = 2 * max(s.log.time.shape[1], need)
            fresh = build.make_log(s.neurons, room)
            for name in Log._fields:
                old = getattr(s.log, name)
                getattr(fresh, name)[..., : old.shape[-1]] = old
            self.parts.replace(0, log=fresh)
            return
        if not self.parts.beyond:
            self.flush_spikes()
        if (need := need + int(s.clock.n[N_RECORD])) > s.record.time.size:
            self.parts.replace(0, record=build.longer_record(s.record, 2 * need))

    def _more_crossings(self, k: int) -> None:
        """Double the heap of predicted events; where one found no room, build it anew from what the neurons note."""
        s = self.parts.states[k]
        double = {name: np.concatenate([getattr(s.queue, name), np.zeros_like(getattr(s.queue, name))])
                  for name in ("crossing_time", "crossing_index", "crossing_u")}  # fmt: skip
        self.parts.replace(k, queue=s.queue._replace(**double))
        s = self.parts.states[k]
        n, q, table = s.clock.n, s.queue, int(self.parts.addresses[k])
        if not n[N_OVERFLOW]:
            return
        n[N_OVERFLOW] = n[N_CROSSING] = 0
        for p in self.populations:
            if p.index not in self.cells:
                predict_delta(table, int(s.own.first[p.index]), int(s.own.last[p.index]), float(s.clock.time[T_NOW]))
        m = int(n[N_CROSSING])
        parts = [(q.crossing_time[:m].copy(), q.crossing_index[:m].copy(), q.crossing_u[:m].copy())]
        for i, cells in self.cells.items():
            begin = int(s.neurons.first[i])
            mine = slice(int(s.own.first[i]) - begin, int(s.own.last[i]) - begin)
            noted = mine.start + np.flatnonzero(np.isfinite(cells.state[mine, AT]))
            index = (begin + noted).astype(np.uint32)
            parts.append((cells.state[noted, AT], index, np.zeros(noted.size)))
        time, index, key = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((index, time))  # a sorted list is a heap
        m = order.size
        q.crossing_time[:m], q.crossing_index[:m], q.crossing_u[:m] = time[order], index[order], key[order]
        n[N_CROSSING] = m

    def _new_epoch(self) -> None:
        """Move every stored time back by one epoch; exact, since an epoch is a whole number of windows."""
        by = self.epoch_length
        for k, s in enumerate(self.parts.states):
            for held in TIMES:
                if k == 0 or not held.shared:
                    getattr(getattr(s, held.group), held.field)[...] -= by
            s.clock.n[N_WINDOW] -= self.epoch_windows
            s.clock.n[N_BLOCK] -= self.epoch_blocks
            s.clock.n[N_EPOCH_BLOCK] += self.epoch_blocks
        for cells in self.cells.values():
            cells.move_epoch(by)
        self.flush_spikes()
        self.parts.disturbed()
        self._epoch += 1

    def _load_drives(self, until: float) -> None:
        """Fetch the drives' spikes up to at least `until` (ms of the epoch)."""
        began = self._epoch_began
        if not self._sources or until <= self._drive_until - began:
            return
        s = self.state
        n, at_hand = s.clock.n, s.drives
        left = slice(int(n[N_DRIVE_AT]), int(n[N_DRIVE]))
        times, who, index = [at_hand.time[left]], [at_hand.population[left]], [at_hand.index[left]]
        horizon = np.inf
        for i, (p, source) in enumerate(self._sources):
            while self._next_chunk[i] * source.period - began < until:
                k = self._next_chunk[i]
                t, j = chunk_of(source, k, p)
                if self._drive_from[i] > 0.0:
                    later = k * source.period + t >= self._drive_from[i]
                    t, j = t[later], j[later]
                if not self.alive[p.index].all():
                    living = self.alive[p.index][j]
                    t, j = t[living], j[living]
                times.append((k * source.period - began) + t)
                who.append(np.full(t.size, p.index, dtype=np.uint32))
                index.append(j.astype(np.uint32))
                self._next_chunk[i] = k + 1
            horizon = min(horizon, self._next_chunk[i] * source.period)
        t, w, j = np.concatenate(times), np.concatenate(who), np.concatenate(index).astype(np.uint32)
        order = np.lexsort((j, w, t))
        self.parts.replace(0, drives=Drives(t[order], w[order], j[order].astype(np.uint32)))
        n[N_DRIVE], n[N_DRIVE_AT] = t.size, 0
        self._drive_until = horizon

    def together(self) -> None:
        """Let every rank have what the others wrote of their neurons and synapses; all of them ask for it."""
        if self.ranks is not None and (self._apart or self.ranks.broken):
            self.ranks.meet()
            share(self, self.ranks, self.hot, self.hot_populations)
            self._apart = False

    def turn_of(self, population: int) -> int:
        """How often the parameters of a drive were set."""
        return next((self._turn[k] for k, (p, _) in enumerate(self._sources) if p.index == population), 0)

    def set_drive(self, population: int, model: Drive, turn: int | None = None) -> None:
        """Let the cells of a drive spike as `model` says from now on; what the old one had still to give is gone.

        `turn` says how often its parameters were set by then: once more than before, if not given.

        Raises
        ------
        ParameterError, BuildError
            If `model` does not fit the cells; nothing is changed then.
        """
        i = next(k for k, (p, _) in enumerate(self._sources) if p.index == population)
        p = self._sources[i][0]
        turn = self._turn[i] + 1 if turn is None else turn
        source = bound(p, self.network.seed, model, turn)
        self._sources[i], self._turn[i] = (p, source), turn
        self._drive_from[i], self._next_chunk[i] = self.elapsed, int(self.elapsed // source.period)
        s, n = self.state, self.state.clock.n
        left = slice(int(n[N_DRIVE_AT]), int(n[N_DRIVE]))
        stays = s.drives.population[left] != population
        t, w, j = (a[left][stays] for a in s.drives)
        self.parts.replace(0, drives=Drives(t, w, j))
        n[N_DRIVE], n[N_DRIVE_AT] = t.size, 0
        self._drive_until = self.elapsed  # they are fetched again

    def flush_spikes(self) -> None:
        """Hand the recorded trains to the sink."""
        n = self.state.clock.n
        if n[N_RECORD] and self.sink is not None:
            self.sink(self.epoch_start, *self.parts.recorded())
        n[N_RECORD] = 0

    # ------------------------------------------------------------------ looking and touching

    def record_trains(self, population: int, wanted: bool) -> None:
        """Keep (or stop keeping) the full trains of a population."""
        self.state.record.wanted[population] = int(wanted)

    def take_counts(self) -> list[I8]:
        """Spike counts of every population since the last call."""
        r = self.state.record
        out = [r.count[f : f + p.n].copy() for f, p in zip(r.first, self.populations, strict=True)]
        r.count[:] = 0
        return out

    def catch_up(self, place: int, mechanism: str, neurons: bool = False) -> None:
        """Bring what a mechanism of a projection (or of `neurons`) keeps as of the last event to the present."""
        for h in self.hot_populations if neurons else self.hot:
            if h.place == place and h.mechanism.name == mechanism and h.hot.catch_up is not None:
                bring_up(h, float(self.state.clock.time[T_NOW]))

    def kept_lazily(self, place: int, column: str, neurons: bool = False) -> F8 | None:
        """A column of a projection (or signal of `neurons`) now, if it is kept as of the last event, else None.

        Nothing of it is changed.
        """
        for h in self.hot_populations if neurons else self.hot:
            if h.place == place and h.hot.catch_up is not None and column in h.hot.columns:
                return brought_up(h, column, float(self.state.clock.time[T_NOW]))
        return None

    def mark_births(self, projection: int, first_uid: int) -> None:
        """Spikes already in flight are not carried by synapses from `first_uid` on.

        Kept are the batches of births that a spike on its way may have been emitted before, as many as there are.
        """
        self.make_room()
        p, t = self.state.projections, self.state.clock.time[T_NOW]
        k = int(p.birth_count[projection])
        times, uids = p.birth_time[projection, :k], p.birth_uid[projection, :k]
        keep = times + self.longest_delay >= t
        times, uids = times[keep], uids[keep]
        if not times.size or times[-1] < t:  # of several batches at one instant the first tells of all: uids grow
            times, uids = np.append(times, t), np.append(uids, np.uint64(first_uid))
        if times.size > p.birth_time.shape[1]:
            n, room = p.birth_count.size, 2 * times.size
            fresh = np.zeros((n, room)), np.zeros((n, room), dtype=np.uint64)
            for new, old in zip(fresh, (p.birth_time, p.birth_uid), strict=True):
                new[:, : old.shape[1]] = old
            p = p._replace(birth_time=fresh[0], birth_uid=fresh[1])
            self.parts.replace(0, projections=p)
        p.birth_time[projection, : times.size] = times
        p.birth_uid[projection, : times.size] = uids
        p.birth_count[projection] = times.size
        self.parts.look_again()
