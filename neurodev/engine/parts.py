"""The parts of a network: each a state of its own, which runs through a window by itself, on any thread.

What is shared between them is in `engine/loop/state.py`; where they meet, in `engine/loop/merge.py`.  Nothing that
comes out depends on the number of threads.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8, U4
from neurodev.engine import build
from neurodev.engine.loop import loop
from neurodev.engine.loop.ahead import next_arrival, run_windows
from neurodev.engine.loop.merge import merge
from neurodev.engine.loop.pieces import write_pieces
from neurodev.engine.loop.state import (
    FIELDS,
    N_BACKGROUND,
    N_CROSSING,
    N_EVENTS,
    N_FRESH,
    N_MERGE,
    N_MODELS,
    N_OPEN,
    N_RECORD,
    N_SCRIPT_AT,
    N_SUPRA,
    N_WINDOW,
    T_NOW,
    Fresh,
    Lanes,
    State,
    pack,
)
from neurodev.engine.ranks import SPIKE, Ranks
from neurodev.errors import ParameterError, Status
from neurodev.jit import address
from neurodev.neurons.model import Cells

SHARED = frozenset((f.group, f.field) for f in FIELDS if f.shared)
WORTH_A_THREAD = 2e-4  # s: a window that takes so long on one thread is worth handing to several (30 us each)
FEW = 64  # windows between two decisions
FARTHEST = 1024  # windows between two messages of ranks at most: buffers hold their spikes


def usable_cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


class Parts:
    """All parts of one network.

    Parameters
    ----------
    states : list of State
        One a part; shared arrays are the same objects in all of them.
    cells : dict of Cells
        The neurons of models with rules, by population.
    threads : int, optional
        Threads at most; a window that holds little is run on one.
    ranks : Ranks, optional
        The processes that have the other parts of the network.

    Attributes
    ----------
    states : list of State
        Of the parts of this rank.
    """

    def __init__(
        self, states: list[State], cells: dict[int, Cells], threads: int | None = None, ranks: Ranks | None = None
    ) -> None:
        self.states, self.cells, self.ranks = states, cells, ranks
        self._guest = _guest(states[0]) if ranks is not None else None
        self.records: list[dict[int, I8]] = [{} for _ in states]
        self._addresses: I8 = np.zeros(len(states), dtype=np.int64)
        self._complete = False  # whether all pieces of the loop that will be used are compiled
        self._tables: list[I8] = [np.zeros(0, dtype=np.int64)] * len(states)
        self.threads = len(states) if threads is None else threads
        self._pool: ThreadPoolExecutor | None = None
        self._seconds = self._worked = 0.0  # of one window on one thread, as the last few took; of some windows
        self._silent = -np.inf  # ms of the epoch: no neuron of any rank fires earlier, but for an arrival
        self._goal: tuple[int, float] | None = None  # window and time of the next message
        self.beyond = False  # the spikes of drives until then are told, those of neurons are not yet
        self.bind()

    @property
    def hub(self) -> State:
        """The first part, which keeps what is counted once."""
        return self.states[0]

    def bind(self) -> None:
        """Tell the kernels where the arrays are now."""
        if self.ranks is not None:
            self._look_ahead()
        for k, s in enumerate(self.states):
            build.write_records(s, self.cells, self.records[k], main=k == 0)
            self._tables[k] = pack(s)
            self._addresses[k] = address(self._tables[k])
        if self._guest is not None:
            self._guest = _guest(self.hub, self._guest)
            self._guest_table = pack(self._guest)
            self._with_guest = np.append(self._addresses, address(self._guest_table))
        self.look_again()

    def look_again(self) -> None:
        """The network may now use other pieces of the loop: they are compiled before it is run, not earlier."""
        self._complete = False

    @property
    def addresses(self) -> I8:
        """Where the tables of the states are, (n_part,), for a kernel that is called now."""
        if not self._complete:
            write_pieces(self.states)
            self._complete = True
        return self._addresses

    def replace(self, k: int, **groups: Any) -> None:
        """Exchange groups of arrays of part `k`; what is shared in them becomes that of all."""
        for name, group in groups.items():
            self.states[k] = self.states[k]._replace(**{name: group})
            shared = {f: getattr(group, f) for f in group._fields if (name, f) in SHARED}
            for other in range(len(self.states)):
                if other != k and shared:
                    theirs = getattr(self.states[other], name)
                    self.states[other] = self.states[other]._replace(**{name: theirs._replace(**shared)})
        self.bind()

    def total(self, counter: int) -> int:
        """The sum of a counter over all parts, those of other ranks included where it counts events."""
        others = 0 if self._guest is None else int(self._guest.clock.n[counter])
        return sum(int(s.clock.n[counter]) for s in self.states) + others

    def count_others(self, events: int, background: int) -> None:
        """So many events were counted by the parts of other ranks, until they tell."""
        if self._guest is not None:
            self._guest.clock.n[N_EVENTS], self._guest.clock.n[N_BACKGROUND] = events, background

    # ------------------------------------------------------------------ running

    def run(self, stop: float) -> int:
        """Process every event before `stop` (ms in the epoch); a status, after which it can be called again."""
        if self.ranks is not None:
            return self._run_ranks(self.ranks, stop)
        if len(self.states) == 1 or self.threads == 1:
            return int(loop.run(self.addresses, stop))
        clock = self.hub.clock
        while True:
            status = self._some_windows(stop)
            if status != Status.DONE or (clock.n[N_MERGE] == 0 and clock.time[T_NOW] >= stop):
                return status

    def _some_windows(self, stop: float) -> int:
        """Run a few windows, the way that suits what the last few held; both ways end at the same bytes."""
        clock, begin = self.hub.clock, time.perf_counter()
        from_ms = float(clock.time[T_NOW])
        if self._seconds < WORTH_A_THREAD:
            status = int(loop.run(self.addresses, min(stop, from_ms + FEW * float(clock.length[0]))))
            self._worked = time.perf_counter() - begin
        else:
            self._worked = 0.0
            for _ in range(FEW):
                status = self._window(stop)
                if status != Status.DONE or clock.time[T_NOW] >= stop:
                    break
        self._measure(from_ms)
        return status

    def _measure(self, from_ms: float) -> None:
        """Note how long a window took on one thread, of those that were run since `from_ms`."""
        clock = self.hub.clock
        ran = (float(clock.time[T_NOW]) - from_ms) / float(clock.length[0])
        if ran >= 1.0:
            self._seconds = self._worked / ran

    def _run_parts(self, first: int, last: int, window: int, stop: float) -> tuple[int, float]:
        """Some parts, on the thread that calls; a status, and the seconds that they took."""
        begin = time.perf_counter()
        status = int(loop.run_parts(self.addresses, first, last, window, stop))
        return status, time.perf_counter() - begin

    def _window(self, stop: float) -> int:
        """One window, or what is left of it before `stop`, on all threads."""
        if self.hub.clock.n[N_MERGE] == 0 and (status := self._through_window(stop)) != Status.DONE:
            return status
        return int(loop.end_window(self.addresses))

    def _through_window(self, stop: float) -> int:
        """Run all parts through what is left of a window, on all threads; a status."""
        window, n = int(loop.begin_window(self.addresses)), len(self.states)
        threads = min(self.threads, n)
        if threads == 1:
            return self._run_parts(0, n, window, stop)[0]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="neurodev")
        bounds = [k * n // threads for k in range(threads + 1)]
        waiting = [
            self._pool.submit(self._run_parts, a, b, window, stop)
            for a, b in zip(bounds[1:-1], bounds[2:], strict=True)
        ]
        try:
            done = [self._run_parts(0, bounds[1], window, stop)]
        finally:
            wait(waiting)  # also after Ctrl-C: nobody else may touch the parts before
        done += [w.result() for w in waiting]
        self._worked += sum(seconds for _, seconds in done)
        return next((status for status, _ in done if status != Status.DONE), int(Status.DONE))

    def _run_ranks(self, ranks: Ranks, stop: float) -> int:
        """This rank's parts up to where spikes of others may arrive, then these, which are a part of their own."""
        clock = self.hub.clock
        while True:
            if clock.n[N_MERGE] == 0:
                if (status := self._run_apart(stop)) != Status.DONE:
                    return status  # there is more to do before anybody is told
                own = [sum(int(s.clock.n[c]) for s in self.states) for c in (N_EVENTS, N_BACKGROUND)]
                found = ranks.exchange(self._fresh(), own[0], own[1], self._promised())
                spikes, events, background, self._silent = found
                self._goal = None
                self._welcome(spikes, events, background)
            if (status := int(loop.end_window(self._with_guest))) == Status.LOG_FULL or status == Status.RECORD_FULL:
                return status
            self.beyond = False
            if status != Status.DONE or clock.time[T_NOW] >= stop:
                return status

    def _run_apart(self, stop: float) -> int:
        """Run the parts to where ranks tell each other their spikes; a status, after which it can be called again."""
        self._goal = self._goal or self._agreed(stop)
        last, until = self._goal
        if last > self.hub.clock.n[N_WINDOW] + 1 and not self.beyond:
            if (status := int(merge(self.addresses, until))) != Status.DONE:  # of drives alone
                return status
            self.beyond = True
        begin, from_ms = time.perf_counter(), float(self.hub.clock.time[T_NOW])
        if self.threads == 1 or self._seconds < WORTH_A_THREAD:
            status = int(run_windows(self.addresses, last, stop))
            self._worked = time.perf_counter() - begin
        else:
            self._worked = 0.0
            while (status := self._through_window(stop)) == Status.DONE:
                if self.hub.clock.time[T_NOW] >= until:
                    break
        self._measure(from_ms)
        return status

    # ------------------------------------------------------------------ how far ranks go without a word

    def disturbed(self) -> None:
        """Somebody may have changed what a rank promised: neurons, rates, or the beginning of the epoch."""
        self._silent = -np.inf

    def recorded(self) -> tuple[F8, U4, U4]:
        """Times, populations and neurons of what is recorded, in order."""
        r, k = self.hub.record, int(self.hub.clock.n[N_RECORD])
        t, p, i = r.time[:k].copy(), r.population[:k].copy(), r.index[:k].copy()
        if self.ranks is None:
            return t, p, i
        order = np.lexsort((i, p, t))  # those of drives may have been told before
        return t[order], p[order], i[order]

    def _look_ahead(self) -> None:
        """How long spikes take at least, of each population and of any of neurons; whether some fire by themselves."""
        hub = self.hub
        self._shortest = np.full(hub.neurons.first.size, np.inf)
        np.minimum.at(self._shortest, hub.lanes.population, hub.lanes.delay)
        self._ahead = float(self._shortest[hub.neurons.first >= 0].min(initial=np.inf))
        self._restless = any(
            s.background.rate.any() or s.clock.n[N_SUPRA] or s.clock.n[N_MODELS] for s in self.states
        )  # fmt: skip

    def _promised(self) -> float:
        """Until when (ms of the epoch) no neuron of this rank fires, unless a spike arrives."""
        if self._restless:
            return -np.inf
        until = np.inf
        for s in self.states:
            if s.clock.n[N_CROSSING]:
                until = min(until, float(s.queue.crossing_time[0]))
            if s.clock.n[N_SCRIPT_AT] < s.script.time.size:
                until = min(until, float(s.script.time[s.clock.n[N_SCRIPT_AT]]))
        return until

    def _agreed(self, stop: float) -> tuple[int, float]:
        """Before which window, and at what time, ranks tell each other their spikes: all find the same."""
        clock = self.hub.clock
        window, first = float(clock.length[0]), int(clock.n[N_WINDOW])
        quiet = float(clock.time[T_NOW])
        if self._silent > quiet and clock.n[N_OPEN] == 0:
            quiet = max(quiet, min(self._silent, float(next_arrival(int(self.addresses[0]), self._shortest, stop))))
        last = first + FARTHEST
        if quiet + self._ahead < last * window:
            last = max(first + 1, int((quiet + self._ahead) // window))
        return last, min(last * window, stop)

    def _fresh(self) -> NDArray[np.void]:
        """The spikes of all parts of this rank since the last merger."""
        n = [int(s.clock.n[N_FRESH]) for s in self.states]
        out, at = np.empty(sum(n), SPIKE), 0
        for s, k in zip(self.states, n, strict=True):
            for name in ("time", "population", "index"):
                out[name][at : at + k] = getattr(s.fresh, name)[:k]
            at += k
        return out

    def _welcome(self, spikes: NDArray[np.void], events: int, background: int) -> None:
        """Put the spikes of other ranks, in order, where they are merged with those of this one."""
        assert self._guest is not None
        if spikes.size > self._guest.fresh.time.size:
            self._guest = self._guest._replace(fresh=build.make_fresh(2 * spikes.size))
            self.bind()
        n, fresh = self._guest.clock.n, self._guest.fresh
        for name in ("time", "population", "index"):
            getattr(fresh, name)[: spikes.size] = spikes[name]
        n[N_FRESH], n[N_EVENTS], n[N_BACKGROUND] = spikes.size, events, background


def _guest(hub: State, old: State | None = None) -> State:
    """What stands for the parts of all other ranks: a state without neurons and lanes, which only tells spikes."""
    nothing: list[Any] = [np.zeros(0, dtype=a.dtype) for a in hub.lanes]
    lanes = Lanes(*nothing)
    clock = hub.clock._replace(time=hub.clock.time.copy(), n=np.zeros_like(hub.clock.n)) if old is None else old.clock
    fresh: Fresh = build.make_fresh(1024) if old is None else old.fresh
    return hub._replace(clock=clock, lanes=lanes, fresh=fresh)


def check_threads(threads: Any) -> int | None:
    """A number of threads, or None for the default.

    Raises
    ------
    ParameterError
        If it is no whole number from 1 up.
    """
    if threads is None:
        return None
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or not 1 <= threads <= 1024:
        raise ParameterError(f"threads must be a whole number from 1 to 1024, or None, got {threads!r}")
    return int(threads)
