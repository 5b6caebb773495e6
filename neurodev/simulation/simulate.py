"""The engine as a user calls it: `Simulation` and `simulate`."""

from __future__ import annotations

import copy
import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.checks import check_duration
from neurodev.engine.network import Network
from neurodev.engine.parts import check_threads
from neurodev.engine.simulator import Simulator, TickReport
from neurodev.errors import NeurodevError, ParameterError, SimulationError, shown
from neurodev.params import check_memory, flag, number, one_of
from neurodev.record.patience import Patience
from neurodev.record.provenance import foreign
from neurodev.record.recorder import Recorder, check_recording
from neurodev.record.runfile import RunFile
from neurodev.record.scratch import scratch_file
from neurodev.registry import spoken
from neurodev.runs.run import Run
from neurodev.simulation import keeping, opening
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.probe import Probe
from neurodev.simulation.progress import Progress
from neurodev.structure.duration import lasting, moment
from neurodev.units import day, hour, slack
from neurodev.writing import absolute

_FLUSH_SECONDS = 2.0
_FLUSH_BYTES = 1 << 26  # of spikes that are gathered at most
_SHORTEST_PROBE = 1e-3  # ms between two samples of a probe
_PIECE = 2000.0  # ms of spikes between two looks at keyboard, clock and progress bar, in a tick of a minute
_LEAST_PIECE = 1.0  # ms
CHECKPOINT = 120.0  # s between two checkpoints
_SHARE = 20.0  # times that a checkpoint takes, between two at least
_QUICK, _SLOW = 0.25, 1.0  # s that a piece takes before pieces grow or shrink


class Simulation:
    """A network, running and recorded.

    Parameters
    ----------
    network : Network
    acceleration : float
        Life time over spike time; 1 is exact, more is averaging at ticks.
    tick : float, ms (life)
        Period of the slow mechanisms.
    to : path, optional
        Run file; if not given, a temporary one that goes when the program ends.  A relative path means the folder of
        this moment.
    overwrite : bool
        Replace a run file of that name, as soon as the new run is on its way; otherwise it is refused.
    record : {"daily", "all", "none"}
        Which full spike trains to keep; counts are always kept.
    progress : bool
        Show a progress bar in both times, with live counts.
    events_per_tick : int, optional
        Budget of synaptic events in a tick.
    study : str, optional
        Text of the study this run comes from, for its provenance.
    overwrite : bool
        Replace a file that is there.
    threads : int, optional
        Threads of the event loop; by default one for each core where there is enough to do.  They change no result.
    checkpoint : float, s, optional
        So often, in time of this computer, everything is written down from which `resume` goes on, and when the run is
        broken off (Ctrl-C, SIGTERM); rarely enough to cost a twentieth of the time at most.  None: never.  A temporary
        run file has no checkpoints.

    Attributes
    ----------
    goal : float, ms
        Spike time at which the last `run` ends, or was to end when it was broken off.

    Examples
    --------
    >>> sim = Simulation(net, acceleration=120)
    >>> sim.run(1 * day)
    >>> run = sim.close()

    Notes
    -----
    While it runs, and until it is closed, its network cannot be changed; interventions (`at`) do that.  Any thread may
    drive it, one at a time.
    """

    @spoken
    def __init__(
        self,
        network: Network,
        *,
        acceleration: float = 1.0,
        tick: float = 2 * hour,
        to: str | os.PathLike[str] | None = None,
        record: str = "daily",
        progress: bool = False,
        events_per_tick: int | None = None,
        start: float = 0.0,
        study: str = "",
        overwrite: bool = False,
        threads: int | None = None,
        checkpoint: float | None = CHECKPOINT,
    ) -> None:
        if not isinstance(network, Network):
            raise ParameterError(f"network must be an nd.Network, got {shown(network)}")
        check_recording(record)  # before an older run of that name makes way
        if not isinstance(study, str):
            raise ParameterError(f"study must be the text of a study, got {shown(study)}")
        overwrite = flag(overwrite, "overwrite")
        if checkpoint is not None:
            checkpoint = number(checkpoint, "checkpoint", "s", low=0.0)
        path = absolute(scratch_file() if to is None else to)
        simulator = Simulator(network, acceleration, tick, start, events_per_tick, threads=check_threads(threads))
        self._set_up(simulator, path, flag(progress, "progress"), checkpoint if to is not None else None)
        try:
            self.file = RunFile.create(self.path, overwrite=overwrite)
        except BaseException:
            network.end(self.simulator)
            raise
        try:
            self.recorder = Recorder(self.file, record, causes=self.simulator.causes)
            self._describe(study)
        except BaseException:
            self.file.discard()
            network.end(self.simulator)
            raise
        self._listen()
        self._want_trains()

    def _set_up(self, simulator: Simulator, path: Path, progress: bool, checkpoint: float | None) -> None:
        """Nothing is planned, nothing is written."""
        self.simulator, self.path, self._progress = simulator, path, progress
        self._schedule: list[tuple[float, int, Intervention]] = []
        self._probes: list[tuple[float, float, Probe]] = []
        self.simulator.coming = self._schedule
        self._asked: list[str] = []  # every intervention that was ever scheduled, as the run file tells it
        self._untold = self._closed = self._running = False
        self._busy = threading.RLock()
        self._last_flush = time.perf_counter()
        self._piece = _PIECE
        self.goal = 0.0
        self._whole = True  # all phases of the last tick are over, and all events before the present
        self._every, self._next_checkpoint = checkpoint, -np.inf

    def _listen(self) -> None:
        self.simulator.engine.sink = self._sink
        self.simulator.listeners.append(self)

    @classmethod
    @spoken
    def resume(
        cls, path: str | os.PathLike[str], network: Network, *, progress: bool = False, threads: int | None = None,
        checkpoint: float | None = CHECKPOINT, trust: bool = False,
    ) -> Simulation:  # fmt: skip
        """Go on with a run that was broken off, from the last checkpoint in its file; what is younger is dropped.

        It ends at the bytes of a run that was never broken off.  Clocks, what is recorded, interventions still to come
        and probes (`probes`) are those of the run.

        Parameters
        ----------
        path : path
            Its run file.
        network : Network
            Built anew as it was built for the run.
        progress, threads, checkpoint
            As of `Simulation`.
        trust : bool
            Go on although the source of a class that is not neurodev's cannot be read.

        Raises
        ------
        RunFileError
            If the file is no run, is being written, damaged, finished, or holds no checkpoint.
        StudyError
            If the network is not that of the run, or the source of a class has changed.

        Examples
        --------
        >>> sim = nd.Simulation.resume("life.sqlite", net)
        >>> run = sim.run().close()
        """
        if not isinstance(network, Network):
            raise ParameterError(f"network must be an nd.Network, got {shown(network)}")
        progress, trust, threads = flag(progress, "progress"), flag(trust, "trust"), check_threads(threads)
        if checkpoint is not None:
            checkpoint = number(checkpoint, "checkpoint", "s", low=0.0)
        file, simulator, words, arrays = keeping.taken_up(path, network, threads, trust)
        self = cls.__new__(cls)
        self._set_up(simulator, file.path, progress, checkpoint)
        self.file = file
        try:
            self.recorder = Recorder(file, words["record"], causes=self.simulator.causes)
            keeping.restore(self, words, arrays)
            self._foreign = dict(file.provenance().get("sources", {}))
            self._untold = True
            self._tell()
            file.commit()
        except BaseException:
            network.end(simulator)
            file.abandon()
            raise
        self._listen()
        self._next_checkpoint = time.perf_counter() + (checkpoint or 0.0)
        return self

    @property
    def probes(self) -> list[Probe]:
        """The probes of this simulation, in the order in which they were made."""
        return [p for _, _, p in self._probes]

    # ------------------------------------------------------------------ recording

    def _describe(self, study: str) -> None:
        self._foreign = opening.describe(self.simulator, self.file, self.recorder, study)

    def _want_trains(self) -> None:
        s = self.simulator
        wanted = self.recorder.wants_trains(s.n_tick * s.tick, s.tick)
        for p in s.network.populations.values():
            s.engine.record_trains(p.index, wanted)

    def _sink(self, epoch: float, t: NDArray[Any], population: NDArray[Any], index: NDArray[Any]) -> None:
        base = epoch - self.simulator.start
        for p in self.simulator.network.populations.values():
            mine = population == p.index
            if mine.any():
                self.recorder.trains(p.name, base + t[mine], index[mine])
        if self.recorder.pending > _FLUSH_BYTES:
            self._flush()

    def on_tick(self, simulator: Simulator, report: TickReport) -> None:
        """Record a tick (called by the simulator)."""
        r = self.recorder
        r.counts(report.counts)
        simulator.unrecorded = None
        values = {"life": report.life / day, "events": float(simulator.engine.events)}
        for name, done in report.applied.items():
            values |= {
                f"n_synapse/{name}": simulator.tables[name].n_synapse,
                f"births/{name}": done.n_born, f"deaths/{name}": done.n_died,
                f"refused/{name}": sum(done.refused.values()),
            }  # fmt: skip
        for name, block in simulator.blocks.items():
            if "scaling" in block and block.alive.any():
                values[f"scaling/{name}"] = float(block["scaling"][block.alive].mean())
        r.series(values)
        for name, events in report.neurons.items():
            r.neurons(name, events)
        for name, batch in report.logs.items():
            r.log(name, batch)
        self._record_moments()
        if r.snapshot_due(report.life):
            label = f"{report.life / day:g}"
            for q in simulator.network.projections.values():
                if q.spines is not None:
                    r.snapshot(q.name, f"snapshot/{label}", simulator.state(q.name))
            self.file.append("series/snapshot_day", np.array([report.life / day]))
        self._want_trains()
        self._flush_in_time()

    def _flush_in_time(self) -> None:
        """Flush by the clock on the wall, wherever in a tick."""
        if time.perf_counter() - self._last_flush > _FLUSH_SECONDS:
            self._flush()

    def _record_moments(self) -> None:
        s = self.simulator
        for what, moments in (("synapses", s.moments), ("neurons", s.neuron_moments)):
            for name, noted in moments.items():
                self.recorder.moments(what, name, noted.take())

    def _tell(self) -> None:
        """Write down what was scheduled since the last time."""
        if self._untold:
            self.file.set_item("interventions", self._asked)
            self._untold = False

    def _flush(self) -> None:
        self._tell()
        self.recorder.flush(self.simulator.n_tick)
        self._last_flush = time.perf_counter()

    def _keep(self) -> None:
        """Write a checkpoint, and all that was recorded up to it; between two pieces only."""
        begin = time.perf_counter()
        try:
            data = keeping.state_of(self)
            if len(data) > keeping.LARGEST:
                raise SimulationError(
                    f"it would take {len(data) / 1e9:.2g} GB, more than a run file keeps in one piece"
                )
        except SimulationError as e:
            self._every = None
            warnings.warn(f"this run has no checkpoints, it cannot be resumed: {e}", UserWarning, stacklevel=5)
            return
        self._tell()
        self.recorder.flush(self.simulator.n_tick, data)
        self._last_flush = now = time.perf_counter()
        every = self._every or 0.0
        self._next_checkpoint = now + (max(every, _SHARE * (now - begin)) if every else 0.0)

    # ------------------------------------------------------------------ running

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.simulator.life

    @property
    def spike(self) -> float:
        """Spike time since the start, ms."""
        return self.simulator.spike

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Refuse to touch a simulation that is closed, or that another thread is driving."""
        if not self._busy.acquire(blocking=False):
            raise SimulationError(
                f"cannot {what}: another thread is driving this simulation; wait until its run returns"
            )
        try:
            if self._closed:
                raise ParameterError(f"cannot {what}: this simulation is closed; make a new one")
            yield
        finally:
            self._busy.release()

    @spoken
    def at(self, when: float, what: Intervention, *, clock: str = "life") -> Simulation:
        """Schedule an intervention at a life time (or a spike time, with ``clock="spike"``), ms.

        Raises
        ------
        ParameterError, BuildError
            For a time that has passed, and for what can never be done.

        Warns
        -----
        UserWarning
            At its time, if it can do less than was asked; when the run is closed, if that time never came.
        """
        if not isinstance(what, Intervention):
            raise ParameterError(f"what must be an intervention such as nd.Silence(retina), got {shown(what)}")
        clock = one_of(clock, "clock", ("life", "spike"))
        when = number(when, "when", "ms")
        with self._alone("schedule an intervention"):
            spike = when / self.simulator.acceleration if clock == "life" else when
            if not np.isfinite(spike) or spike < self.spike - slack(self.spike):
                raise ParameterError(
                    f"when={when!r} lies in the past: the simulation stands at "
                    + (f"{self.life:g} ms of life" if clock == "life" else f"{self.spike:g} ms of spikes")
                )
            what = copy.copy(what)  # its picks become numbers, and stay what they are now
            what.check(self.simulator)
            self._schedule.append((spike, len(self._asked), what))
            self._schedule.sort(key=lambda x: x[:2])
            self._asked.append(f"{spike:g} ms of spikes: {what}")
            self._untold = True
            if new := foreign(what):
                self._foreign |= new
                self.file.set_item("provenance", {"sources": self._foreign})
        return self

    @spoken
    def probe(self, what: Any, signal: str = "V", *, every: float = 1.0, cells: Any = None, uids: Any = None) -> Probe:
        """Sample a signal of cells or a quantity of synapses, every `every` ms of spikes; see `Probe`.

        Parameters
        ----------
        what : Population, Projection or name
        signal : str
            ``"V"`` (mV) or a neuron signal; ``"weight"``, ``"uid"`` or a column of a projection.
        every : float, ms of spikes
        cells : selection, optional
            Only these cells of a population.
        uids : list of int, optional
            Only these synapses of a projection.
        """
        every = number(every, "every", "ms", above=0.0)
        if every < _SHORTEST_PROBE:
            raise ParameterError(f"every must be at least {_SHORTEST_PROBE:g} ms, got {every!r}")
        with self._alone("make a probe"):
            p = Probe(self.simulator, what, signal, cells, uids)
            self._probes.append((self.spike + every, every, p))
        return p

    @spoken
    def run(self, duration: float | None = None) -> Simulation:
        """Run for `duration` of life time, ms; Ctrl-C leaves a sealed, readable run.

        Without a duration a run that was resumed goes on to where it was to end.
        """
        with self._alone("run"):
            if self._running:
                raise SimulationError("cannot run: this simulation is running already, and runs one thing at a time")
            s = self.simulator
            if duration is None:
                if self.goal <= s.spike:
                    raise ParameterError("duration must be given: this simulation stands where its last run was to end")
                goal = self.goal
            else:
                check_duration(s.network, duration, s.tick, s.acceleration)
                goal = s.spike + number(duration, "duration", "ms") / s.acceleration
            length = goal - s.spike
            size = sum(8.0 * length / every * p.size for _, every, p in self._probes)
            check_memory(size, f"the samples of {len(self._probes)} probes", "raise every=, or name cells= or uids=")
            self._running = True
            try:
                return self._run(goal)
            finally:
                self._running = False

    def _run(self, end: float) -> Simulation:
        self._tell()
        self.goal = end
        bar = Progress(self.simulator, end) if self._progress else None
        with Patience():  # of a second Ctrl-C, while it is sealed
            try:
                with Patience() as patience:  # what is recorded of a tick is all of it or nothing
                    if self._next_checkpoint < 0 and self._every is not None:
                        self._keep()
                    while self.simulator.spike < end - slack(end):
                        patience.check()
                        self._one_piece(end)
                        self.file.begin()  # it goes: an older run of that name need not come back
                        if bar is not None:
                            bar.update()
                    patience.check()
            except BaseException as e:
                raise self._stopped(e) from (None if isinstance(e, KeyboardInterrupt) else e.__cause__)
            finally:
                if bar is not None:
                    bar.close()
        return self

    def _one_piece(self, end: float) -> None:
        """Run to the next tick, intervention or probe, or for about half a second of this computer."""
        s, begin, self._whole = self.simulator, time.perf_counter(), False
        stop = min(end, (s.n_tick + 1) * s.tick_spike)
        # cuts change nothing in what comes out; on a grid, they are the same wherever a piece began
        stop = min(stop, (s.spike // self._piece + 1) * self._piece)
        if self._schedule:
            stop = min(stop, max(self._schedule[0][0], s.spike))
        if self._probes:
            stop = min(stop, min(p[0] for p in self._probes))
        s.run_until_spike(stop)
        self._sample(stop)
        while self._schedule and self._schedule[0][0] <= s.spike + slack(s.spike):
            self._do(self._schedule.pop(0)[2])
        took = time.perf_counter() - begin
        if took > _SLOW and self._piece > _LEAST_PIECE:
            self._piece /= 2
        elif took < _QUICK and self._piece < _PIECE * max(1.0, s.tick_spike / 6e4):
            self._piece *= 2
        self._whole = True
        if self._every is not None and time.perf_counter() >= self._next_checkpoint:
            self._keep()
        self._flush_in_time()

    def _do(self, what: Intervention) -> None:
        """An intervention, now; what it raises says whose it is and when."""
        try:
            what.apply(self.simulator)
        except Exception as e:
            e.add_note(f"in {type(what).__name__}.apply, at {self.life:g} ms of life")
            raise

    def _stopped(self, why: BaseException) -> BaseException:
        """Seal what there is, and say what became of it; a run that never got going leaves an older one in place."""
        if self.file.older_waits:
            self._closed = True
            self.simulator.network.end(self.simulator)
            self.file.discard()
            done = f"{str(self.path)!r} is the older run still: the new one had not begun"
        else:
            self._seal("interrupted" if isinstance(why, (KeyboardInterrupt, SystemExit)) else _reason(why))
            done = f"{str(self.path)!r} is sealed and readable, up to day {self.life / day:.4g}"
        return KeyboardInterrupt(f"interrupted; {done}") if isinstance(why, KeyboardInterrupt) else why

    def _sample(self, now: float) -> None:
        for i, (when, every, p) in enumerate(self._probes):
            if when <= now + slack(now):
                p.sample(now)
                self._probes[i] = (when + every, every, p)

    def _seal(self, finished: Any) -> None:
        if self._closed:
            return
        self._closed = True
        s = self.simulator
        s.network.end(s)
        if self.file.failed:  # nothing can be written that would fit what is there
            self.file.abandon()
            return
        try:
            if finished is True:
                self.file.drop_checkpoints()
            elif self._whole and self._every is not None:
                self._keep()
            s.engine.flush_spikes()
            if s.unrecorded is not None:  # of a tick that something broke off
                self.recorder.counts(s.unrecorded)
            elif s.spike - s.n_tick * s.tick_spike > slack(s.spike):  # what came after the last whole tick
                self.recorder.counts(s.take_counts())
            for q in s.network.projections.values():
                self.recorder.log(q.name, s.logs[q.name].take())
                if q.spines is not None or q.mechanisms or self.recorder.has_log(q.name):
                    self.recorder.snapshot(q.name, "final", s.state(q.name))
            for name, neurons in s.neuron_logs.items():
                self.recorder.neurons(name, neurons.take())
            self._record_moments()
            self._tell()
            self.file.set_item("finished", finished)
            self.file.set_item("life", s.life, "ms")
            self.file.set_item("events", s.engine.events)
            self.recorder.flush(s.n_tick + 1)
            self.file.close()
        finally:
            self.file.abandon()  # nothing, where it was sealed

    def close(self) -> Run:
        """Seal the run file and return the run; Ctrl-C waits until it is sealed.

        Warns
        -----
        UserWarning
            If interventions were scheduled for times that the run did not reach.
        """
        if not self._closed:
            with self._alone("close"), Patience():
                self._seal(True)
            if self._schedule:
                pace, n = self.simulator.acceleration / day, len(self._schedule)  # days of life in a ms of spikes
                late = "; ".join(f"{what} {moment(t * pace, t * pace)}" for t, _, what in self._schedule[:3])
                warnings.warn(
                    f"{n} intervention{'s were' if n > 1 else ' was'} never made, the run ended after "
                    f"{lasting(self.life / day)} of life, before {'their' if n > 1 else 'its'} time: {late}",
                    UserWarning,
                    stacklevel=2,
                )
        return Run(self.path)


def _reason(why: BaseException) -> str:
    """Why a run stopped, as its file says: an error that is not ours with its type, and in which mechanism."""
    said = str(why) if isinstance(why, NeurodevError) else f"{type(why).__name__}: {why}"
    return "; ".join([f"stopped: {said}", *getattr(why, "__notes__", ())])


@spoken
def simulate(network: Network, duration: float, **options: Any) -> Run:
    """Run a network for `duration` of life time (ms) and return the run.

    Options are those of `Simulation`; a progress bar is shown unless ``progress=False``.
    """
    options.setdefault("progress", True)
    if isinstance(network, Network):  # before a file is made
        check_duration(network, duration, options.get("tick", 2 * hour), options.get("acceleration", 1.0))
    with Patience():  # between run and close
        return Simulation(network, **options).run(duration).close()
