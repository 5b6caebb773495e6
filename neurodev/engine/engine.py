"""The engine: kernel state, epochs, growth of buffers, and the view of it that Python needs.

It knows spike time only.  Ticks, plans and recording belong to `simulator.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from neurodev.engine import build
from neurodev.engine.drives import bound, chunk_of
from neurodev.engine.hooks import (
    bring_up,
    brought_up,
    find_hot,
    find_hot_populations,
    list_hooks,
    make_hooks,
    signal_blocks,
)
from neurodev.engine.loop import loop
from neurodev.engine.loop.background import gather_inputs
from neurodev.engine.loop.lists import close_lists, place_all, potentials_at
from neurodev.engine.loop.spiking import predict_delta
from neurodev.engine.loop.state import (
    ALIKE,
    BIRTH_ROOM,
    N_BLOCK,
    N_BLOCK_OPEN,
    N_BUDGET,
    N_CONTACTS,
    N_CROSSING,
    N_DRIVE,
    N_DRIVE_AT,
    N_DUE,
    N_DUE_AT,
    N_EPOCH_BLOCK,
    N_EVENTS,
    N_INPUT,
    N_INPUT_AT,
    N_NEED,
    N_OPEN,
    N_OVERFLOW,
    N_RECORD,
    N_RELEASE,
    N_STUCK,
    N_WINDOW,
    REFRACTORY,
    SENTINEL,
    T_FRAME,
    T_NOW,
    TIMES,
    Log,
    Projections,
    State,
    pack,
)
from neurodev.engine.network import Network
from neurodev.errors import BuildError, SimulationError, Status
from neurodev.jit import address
from neurodev.mechanisms.base import NeuronBlock
from neurodev.neurons.drive import Drive
from neurodev.neurons.model import NeuronModel
from neurodev.neurons.rules import AT
from neurodev.structure.table import Table, UidSource

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
SpikeSink = Callable[[float, F8, NDArray[np.uint32], NDArray[np.uint32]], None]
_NO_BUDGET = int(np.iinfo(np.int64).max)


class Engine:
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

    Attributes
    ----------
    elapsed : float, ms
        Spike time since the start up to which every event is processed.
    epoch_start : float, ms
        Spike time at which the present epoch begins.

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
    ) -> None:
        self.network = network
        self.populations = list(network.populations.values())
        self.projections = list(network.projections.values())
        self.sink = sink
        self.uids = UidSource()
        self.tables = [build.draw_table(network, q, self.uids) for q in self.projections]
        m = build.membranes(self.populations)
        self.v_inf, self.initial_u = m.v_inf, m.initial - m.v_inf
        neurons = build.make_neurons(self.populations, m)
        # who lives, by population: the last `room` places wait for neurons still to be born
        self.alive = [np.arange(p.n) < p.n - p.room for p in self.populations]
        lanes = build.make_lanes(self.projections, self.tables, network.together)
        self.longest_delay = float(lanes.delay.max()) if lanes.delay.size else 0.0
        window = build.window_length(lanes.delay.tolist(), neurons)
        fastest = build.fastest_rate(self.populations, neurons)
        ruled = any(isinstance(p.model, NeuronModel) and p.model.rules() is not None for p in self.populations)
        clock, self.epoch_windows, self.epoch_blocks = build.make_clock(network, window, neurons, fastest, ruled)
        self.epoch_length = self.epoch_windows * window
        n_neuron = neurons.u.size
        room = max(build.buffer_room(n_neuron), 1 << 16)
        background = build.make_background(network, neurons, float(clock.length[1]))
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
        self.cells = build.make_cells(self.populations, fastest, self._offset)
        self.state = State(
            clock, neurons, build.make_log(neurons), lanes,
            self._addresses(hook_first, post_first, neurons.first), hooks,
            build.make_queue(n_neuron), background, build.make_lists(background, n_neuron),
            build.make_record(self.populations, room), build.make_models(len(self.populations), self.cells),
        )  # fmt: skip
        self._bind()
        self._make_room()
        self._versions = [t.version for t in self.tables]
        self._begin(self._offset)
        self._bind_drives()

    # ------------------------------------------------------------------ set-up

    def _begin(self, offset: float) -> None:
        """Put the clocks at `offset` within the first epoch."""
        s = self.state
        window = float(s.clock.length[0])
        index = int(np.floor(offset / window))
        s.clock.n[N_WINDOW] = index
        for t in (T_NOW, T_FRAME):
            s.clock.time[t] = offset
        s.clock.n[N_BLOCK] = int(np.floor(offset / s.clock.length[1]))
        s.clock.n[N_EPOCH_BLOCK] = -s.clock.n[N_BLOCK]  # counted from the start: a run that is shifted is the same
        s.hooks.trace_base[:] = offset
        s.background.since[:] = offset

    def _bind_drives(self) -> None:
        self._sources = [(p, bound(p, self.network.seed)) for p in self.populations if isinstance(p.model, Drive)]
        self._next_chunk = [0 for _ in self._sources]
        self._drive_until = 0.0  # ms since the start

    def _addresses(self, hook_first: I8, post_first: I8, first: I8) -> Projections:
        n = len(self.tables)
        z = lambda: np.zeros(n, dtype=np.int64)  # noqa: E731
        p = Projections(
            z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(), z(),
            np.zeros((n, BIRTH_ROOM)), np.zeros((n, BIRTH_ROOM), dtype=np.uint64), hook_first, post_first,
        )  # fmt: skip
        for i, (q, t) in enumerate(zip(self.projections, self.tables, strict=True)):
            p.offset[i], p.inhibitory[i] = first[q.target.index], int(q.source.inhibitory)
            self._write_addresses(p, i, t)
        return p

    @staticmethod
    def _write_addresses(p: Projections, i: int, t: Table) -> None:
        p.post[i], p.weight[i], p.uid[i] = address(t.post), address(t.weight), address(t.identities)
        p.row_start[i], p.row_length[i] = address(t.row_start), address(t.row_length)
        p.single[i] = ALIKE if t.alike else int(t.weight.dtype == np.float32)
        p.capacity[i], p.n_row[i], p.n_source[i] = t.post.size, t.row_start.size, t.n_source
        p.branch[i] = build.branch_address(t)

    def refresh_addresses(self) -> None:
        """After plans were applied: tables may have moved."""
        for i, t in enumerate(self.tables):
            if t.version == self._versions[i]:
                continue
            self._versions[i] = t.version
            self._write_addresses(self.state.projections, i, t)
            for h in self.hot:
                if h.place == i:
                    h.refresh(self.state.hooks.trace_base)

    def _make_room(self) -> None:
        """Room for all the spikes of one row: it may name a cell without refractoriness more often than cells exist."""
        rows = [t.row_length for q, t in zip(self.projections, self.tables, strict=True) if q.multapses]
        longest = max((int(lengths.max(initial=0)) for lengths in rows), default=0)
        s = self.state
        s.clock.n[N_CONTACTS] = longest
        if longest >= s.queue.fired.size:
            self._replace(queue=s.queue._replace(fired=np.zeros(2 * longest, dtype=np.uint32)))
        if longest + 1 >= s.record.time.size:
            self.flush_spikes()
            fresh = build.make_record(self.populations, 2 * longest + 2)
            kept = {k: getattr(fresh, k) for k in ("time", "population", "index")}
            self._replace(record=s.record._replace(**kept))

    def choose_hooks(self, blocked: Collection[tuple[str, str]]) -> None:
        """Leave out the hooks of blocked mechanisms, (projection, mechanism) by name; their traces only decay."""
        if not self.hot:
            return
        lists, hook_first, post_first = list_hooks(
            self.hot, self.hot_populations, self.projections, len(self.populations), blocked
        )
        pre, pre_record, post, post_record = lists
        s = self.state
        self._replace(
            hooks=s.hooks._replace(pre=pre, pre_record=pre_record, post=post, post_record=post_record),
            projections=s.projections._replace(hook_first=hook_first, post_first=post_first),
        )

    def _replace(self, **groups: object) -> None:
        """Exchange groups of arrays, and tell the kernels where they are now."""
        self.state = self.state._replace(**groups)  # type: ignore[arg-type]
        self._bind()

    def _bind(self) -> None:
        """Tell the kernels where the arrays are now."""
        build.write_records(self.state, self.cells)
        self._table = pack(self.state)

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
        n = self.state.clock.n
        return int(n[N_EVENTS] + n[N_EVENTS + 1])

    def set_budget(self, events: int | None) -> None:
        """Stop with an error when this many further synaptic events have been delivered."""
        n = self.state.clock.n
        n[N_BUDGET] = _NO_BUDGET if events is None else int(n[N_EVENTS]) + events

    def run_until(self, stop: float) -> None:
        """Process every event with spike time < `stop` (ms since the start).

        Raises
        ------
        SimulationError
            When the budget of events is spent.
        """
        try:
            self._run_until(stop)
            self.elapsed = max(self.elapsed, stop)
        except BaseException:
            self.elapsed = self._epoch_began + float(self.state.clock.time[T_NOW])
            raise
        self.flush_spikes()

    def _run_until(self, stop: float) -> None:
        n, time = self.state.clock.n, self.state.clock.time
        # within the epoch: sums with its beginning are rounded, and might never reach `stop`
        while time[T_NOW] < (end := stop - self._epoch_began):
            target = min(end, self.epoch_length)
            self._load_drives(target)
            status = loop.run(address(self._table), target)
            if status == Status.EVENT_BUDGET:
                raise SimulationError(
                    f"more than the budgeted synaptic events by spike time {self.now:.0f} ms: the network runs away; "
                    "lower its excitation or raise events_per_tick"
                )
            if status == Status.STUCK:
                raise SimulationError(self._stuck())
            if status != Status.DONE:
                self._grow(Status(status))
                continue
            if target == self.epoch_length and n[N_OPEN] == 0:
                self._new_epoch()

    def _stuck(self) -> str:
        """What to say of a neuron model that notes events which are past, or the same for ever."""
        j = int(self.state.clock.n[N_STUCK]) - 1
        p = self.populations[int(self.state.neurons.population[j])]
        return (
            f"population {p.name!r}: the rules of {type(p.model).__name__} note an event of neuron "
            f"{j - int(self.state.neurons.first[p.index])} at {self.now:.6g} ms that is past, or the same again and "
            "again: `predict` must note a later one (max(at, t)), and what it reads must have moved on"
        )

    def _grow(self, status: Status) -> None:
        """Make room for what the loop could not store; it goes on where it stopped."""
        s = self.state
        if status is Status.RECORD_FULL:
            self.flush_spikes()
        elif status is Status.AGENDA_FULL:
            room = int(1.25 * s.clock.n[N_NEED]) + 64  # of 18 bytes each: below 24 bytes an arrival, and a constant
            fresh = build.make_queue(s.neurons.u.size, room)
            self._replace(queue=s.queue._replace(**{k: getattr(fresh, k) for k in ("time", "row", "lane", "bucket")}))
        elif status is Status.LOG_FULL:
            old = s.log
            room = 2 * old.time.shape[1]
            fresh_log = Log(
                np.zeros((old.time.shape[0], room)), np.zeros((old.time.shape[0], room), np.uint32), old.count
            )
            fresh_log.time[:, : old.time.shape[1]] = old.time
            fresh_log.index[:, : old.time.shape[1]] = old.index
            self._replace(log=fresh_log)
        elif status is Status.CROSSING_FULL:
            self._more_crossings()
        elif status is Status.INPUT_FULL:
            fresh_inputs = build.make_inputs(int(1.25 * s.clock.n[N_NEED]) + 64)
            names = ("input_time", "input_index", "input_weight", "input_bucket")
            self._replace(queue=s.queue._replace(**dict(zip(names, fresh_inputs, strict=True))))
        else:
            raise SimulationError(f"the event loop stopped with status {status.name}")

    def _more_crossings(self) -> None:
        """Double the heap of predicted events; where one found no room, build it anew from what the neurons note."""
        q, n = self.state.queue, self.state.clock.n
        double = {k: np.concatenate([getattr(q, k), np.zeros_like(getattr(q, k))])
                  for k in ("crossing_time", "crossing_index", "crossing_u")}  # fmt: skip
        self._replace(queue=q._replace(**double))
        if not n[N_OVERFLOW]:
            return
        n[N_OVERFLOW] = n[N_CROSSING] = 0
        predict_delta(address(self._table), 0, self.state.neurons.u.size, float(self.state.clock.time[T_NOW]))
        k, q = int(n[N_CROSSING]), self.state.queue
        parts = [(q.crossing_time[:k].copy(), q.crossing_index[:k].copy(), q.crossing_u[:k].copy())]
        for p, cells in self.cells.items():
            noted = np.flatnonzero(np.isfinite(cells.state[:, AT]))
            index = (int(self.state.neurons.first[p]) + noted).astype(np.uint32)
            parts.append((cells.state[noted, AT], index, np.zeros(noted.size)))
        time, index, key = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((index, time))  # a sorted list is a heap
        m = order.size
        q.crossing_time[:m], q.crossing_index[:m], q.crossing_u[:m] = time[order], index[order], key[order]
        n[N_CROSSING] = m

    def _new_epoch(self) -> None:
        """Move every stored time back by one epoch; exact, since an epoch is a whole number of windows."""
        s, by = self.state, self.epoch_length
        for held in TIMES:
            getattr(getattr(s, held.group), held.field)[...] -= by
        for cells in self.cells.values():
            cells.move_epoch(by)
        s.clock.n[N_WINDOW] -= self.epoch_windows
        s.clock.n[N_BLOCK] -= self.epoch_blocks
        s.clock.n[N_EPOCH_BLOCK] += self.epoch_blocks
        self.flush_spikes()
        self._epoch += 1

    def _load_drives(self, until: float) -> None:
        """Fetch the drives' spikes up to at least `until` (ms of the epoch)."""
        began = self._epoch_began
        if not self._sources or until <= self._drive_until - began:
            return
        s = self.state
        n, q = s.clock.n, s.queue
        left = slice(int(n[N_DRIVE_AT]), int(n[N_DRIVE]))
        times, who, index = [q.drive_time[left]], [q.drive_population[left]], [q.drive_index[left]]
        horizon = np.inf
        for i, (p, source) in enumerate(self._sources):
            while self._next_chunk[i] * source.period - began < until:
                k = self._next_chunk[i]
                t, j = chunk_of(source, k, p)
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
        self._replace(
            queue=q._replace(drive_time=t[order], drive_population=w[order], drive_index=j[order].astype(np.uint32))
        )
        n[N_DRIVE], n[N_DRIVE_AT] = t.size, 0
        self._drive_until = horizon

    def flush_spikes(self) -> None:
        """Hand the recorded trains to the sink."""
        n, r = self.state.clock.n, self.state.record
        k = int(n[N_RECORD])
        if k and self.sink is not None:
            self.sink(self.epoch_start, r.time[:k].copy(), r.population[:k].copy(), r.index[:k].copy())
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

    def potential(self, population: str, neurons: I8 | None = None) -> F8:
        """Membrane potentials (mV) of a population, or of some of its neurons, now.

        Reset while refractory, NaN where no neuron lives.
        """
        p = self.network.populations[population]
        if not isinstance(p.model, NeuronModel):
            raise BuildError(f"{population!r} is a drive and has no membrane")
        s, which = self.state, np.arange(p.n) if neurons is None else neurons
        if p.index in self.cells:
            v = p.model.potentials(self.cells[p.index], float(s.clock.time[T_NOW]))[which]
            return np.where(self.alive[p.index][which], v, np.nan)
        here = int(s.neurons.first[p.index]) + which
        u, kind = np.zeros(here.size), s.neurons.kind[here]
        potentials_at(address(self._table), here.astype(np.int64), float(s.clock.time[T_NOW]), u)
        dt = s.clock.time[T_NOW] - s.clock.time[T_FRAME]
        v = self.v_inf[here] + u * np.exp(-dt * s.neurons.rate[kind])
        v = np.where(u < REFRACTORY, self.v_inf[here] + s.neurons.reset[kind], v)
        return np.where(self.alive[p.index][which], v, np.nan)

    def silence(self, population: int, on: bool) -> None:
        """Silence a population (or let it fire again, from reset)."""
        s = self.state
        if s.neurons.silenced[population] == int(on):
            return
        s.neurons.silenced[population] = int(on)
        first = int(s.neurons.first[population])
        if first < 0:
            return
        here = slice(first, first + int(s.neurons.size[population]))
        if on:
            s.neurons.u[here] = SENTINEL
            return
        n, q = s.clock.n, s.queue
        pending = {*q.release_index[: n[N_RELEASE]].tolist(), *q.due_index[n[N_DUE_AT] : n[N_DUE]].tolist()}
        free = np.array([j not in pending for j in range(here.start, here.stop)])
        free &= self.alive[population]
        if population in self.cells:
            self._come_free(population, np.flatnonzero(free))
        else:
            which = first + np.flatnonzero(free)
            self.place(which, s.neurons.reset[s.neurons.kind[which]])
        self.predict(population, here.start, here.stop)

    def _come_free(self, population: int, neurons: I8) -> None:
        """Neurons of a model with rules stand at their reset potential now."""
        cells = self.cells[population]
        cells.u[neurons] = 0.0
        for i in neurons.tolist():
            cells.ask("reset", i, i + 1, float(self.state.clock.time[T_NOW]))

    def place(self, neurons: I8, v: F8) -> None:
        """Let neurons (of all, with membranes that the loop computes) stand at `v` mV above their V_inf now."""
        s, now = self.state, float(self.state.clock.time[T_NOW])
        grow = np.exp((now - s.clock.time[T_FRAME]) * s.neurons.rate[s.neurons.kind[neurons]])
        place_all(address(self._table), neurons.astype(np.int64), v * grow, now)

    def predict(self, population: int, first: int, last: int) -> None:
        """Note the coming crossings of neurons `first`..`last` of a population, set to new potentials from outside."""
        s = self.state
        if not s.clock.n[N_BLOCK_OPEN]:
            return  # the next block looks at everybody
        while s.clock.n[N_CROSSING] + (last - first) + s.neurons.u.size >= self.state.queue.crossing_time.size:
            self._grow(Status.CROSSING_FULL)
        now = float(s.clock.time[T_NOW])
        if population in self.cells:
            begin = int(s.neurons.first[population])
            self.cells[population].ask("predict", first - begin, last - begin, now)
        else:
            predict_delta(address(self._table), first, last, now)

    def mark_births(self, projection: int, first_uid: int) -> None:
        """Spikes already in flight are not carried by synapses from `first_uid` on.

        Kept are the batches of births that a spike on its way may have been emitted before, as many as there are.
        """
        self._make_room()
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
            self._replace(projections=p)
        p.birth_time[projection, : times.size] = times
        p.birth_uid[projection, : times.size] = uids
        p.birth_count[projection] = times.size

    def set_background_rate(self, population: int, rate_hz: float) -> None:
        """Give every background of every neuron of a population this rate from now on; 0 stops them.

        What was drawn of the open block is drawn anew from now on.
        """
        s = self.state
        pieces = np.flatnonzero(s.neurons.population[s.background.first] == population)
        if not pieces.size:
            return
        now, first = float(s.clock.time[T_NOW]), int(s.neurons.first[population])
        cells = np.arange(first, first + int(s.neurons.size[population]), dtype=np.int64)
        u = np.zeros(cells.size)
        potentials_at(address(self._table), cells, now, u)
        close_lists(address(self._table))
        s.background.rate[pieces], s.background.since[pieces] = rate_hz / 1e3, now
        s.background.turn[pieces] += np.uint64(1)
        background = build.with_chances(s.background, float(s.clock.length[1]))
        self._replace(background=background, lists=build.make_lists(background, s.neurons.u.size))
        if not s.clock.n[N_BLOCK_OPEN]:
            return
        if population in self.cells:
            while gather_inputs(address(self._table)) == Status.INPUT_FULL:
                self._grow(Status.INPUT_FULL)
            queue, n = self.state.queue, self.state.clock.n
            n[N_INPUT_AT] = np.searchsorted(queue.input_time[: n[N_INPUT]], now)
        else:
            place_all(address(self._table), cells, u, now)
            self.predict(population, first, first + cells.size)
