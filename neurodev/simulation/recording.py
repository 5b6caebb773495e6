"""What a simulation writes to its run file: ticks, trains, checkpoints, what was asked of it, and the seal.

A simulation that is interrupted between two pieces of its run is *paused*: its file is sealed and readable as it
stands, and the next `run` takes it up again where it was, without what the seal added.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.simulator import Simulator, TickReport
from neurodev.errors import NeurodevError, SimulationError
from neurodev.record.recorder import Recorder
from neurodev.record.runfile import Mark, RunFile
from neurodev.record.snapshots import label_of
from neurodev.simulation import keeping
from neurodev.simulation.calls import Call
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.probe import Probe
from neurodev.structure.duration import lasting
from neurodev.units import day, slack

_FLUSH_SECONDS = 2.0
_FLUSH_BYTES = 1 << 26  # of spikes that are gathered at most
_SHARE = 20.0  # times that a checkpoint takes, between two at least


class Paused(NamedTuple):
    """Where a file stood before it was sealed."""

    mark: Mark
    recorder: dict[str, Any]


class Recording:
    """A simulator and its run file."""

    simulator: Simulator
    file: RunFile
    recorder: Recorder
    path: Path
    goal: float
    _schedule: list[tuple[float, int, Intervention]]
    _calls: list[Call]
    _probes: list[Probe]
    _asked: list[keeping.Asked]  # every intervention that was ever scheduled
    _beyond: tuple[int, float, str]  # those by functions that are not told one by one: how many, and the last
    _steered: keeping.Steered
    _foreign: dict[str, Any]
    _untold: bool
    _closed: bool
    _whole: bool  # all phases of the last tick are over, and all events before the present
    _paused: Paused | None
    _every: float | None
    _next_checkpoint: float
    _last_flush: float
    _last_told: float

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.simulator.life

    @property
    def spike(self) -> float:
        """Spike time since the start, ms."""
        return self.simulator.spike

    # ------------------------------------------------------------------ while it runs

    def _want_trains(self) -> None:
        s = self.simulator
        self.recorder.wants_trains(s.n_tick * s.tick, s.tick)
        for p in s.network.populations.values():
            s.engine.record_trains(p.index, self.recorder.wants(p.name))

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
                f"n_synapse/{name}": simulator.n_synapse(name),
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
        for what, moments in (("synapses", simulator.moments), ("neurons", simulator.neuron_moments)):
            for name, noted in moments.items():
                r.moments(what, name, noted.take())
        if r.snapshot_due(report.life):
            label = label_of(report.life / day)
            for q in simulator.network.projections.values():
                if q.spines is not None:
                    r.snapshot(q.name, label, simulator.state(q.name))
            self.file.append("series/snapshot_day", np.array([report.life / day]))
        self._want_trains()
        self._flush_in_time()

    def _flush_in_time(self) -> None:
        """Flush by the clock on the wall, wherever in a tick."""
        if time.perf_counter() - self._last_flush > _FLUSH_SECONDS:
            self._flush()

    def _tell(self) -> None:
        """Write down what was scheduled since the last time."""
        if self._untold:
            asked, (more, last, text) = list(self._asked), self._beyond
            if more:
                asked.append(keeping.Asked(last, True, f"the last of {more} more by functions: {text}"))
            asked.sort(key=lambda a: a[:2])  # of one moment in the order in which they were asked for
            self.file.set_item("interventions", [f"{a.when:g} ms of spikes: {a.text}" for a in asked])
            self._steered.tell(self.file)
            if self._foreign:
                self.file.set_item("provenance", {"sources": self._foreign})
            self._untold = False

    def _tell_in_time(self) -> None:
        """The same, now and then: who steers by hand in a loop has a long list."""
        if time.perf_counter() - self._last_told > _FLUSH_SECONDS:
            self._tell()
            self._last_told = time.perf_counter()

    def _flush(self) -> None:
        self._tell()
        self.recorder.flush(self.simulator.n_tick)
        self._last_flush = time.perf_counter()

    def _keep(self) -> None:
        """Write a checkpoint, and all that was recorded up to it; between two pieces only."""
        begin, ranks = time.perf_counter(), self.simulator.ranks
        try:
            data = keeping.state_of(self)
            size = len(data) if ranks is None else int(ranks.agree(len(data)))
            if size > keeping.LARGEST:
                raise SimulationError(f"it would take {size / 1e9:.2g} GB, more than a run file keeps in one piece")
        except SimulationError as e:
            self._every = None
            warnings.warn(f"this run has no checkpoints, it cannot be resumed: {e}", UserWarning, stacklevel=5)
            return
        self._tell()
        self.recorder.flush(self.simulator.n_tick, data)
        self._last_flush = now = time.perf_counter()
        every = self._every or 0.0
        self._next_checkpoint = now + (max(every, _SHARE * (now - begin)) if every else 0.0)

    # ------------------------------------------------------------------ when it ends, or is broken off

    def _stopped(self, why: BaseException) -> BaseException:
        """Seal what there is, and say what became of it; a run that never got going leaves an older one in place."""
        if self.file.older_waits:
            self._closed = True
            self.simulator.network.end(self.simulator)
            self.file.discard()
            done = f"{str(self.path)!r} is the older run still: the new one had not begun"
        else:
            reason = "interrupted" if isinstance(why, (KeyboardInterrupt, SystemExit)) else _reason(why)
            if self._whole and not self.file.failed:
                self._pause(reason)
            else:
                self._seal(reason)
            done = f"{str(self.path)!r} is sealed and readable, up to {lasting(self.life / day)} of life"
        if not isinstance(why, KeyboardInterrupt):
            return why
        told = KeyboardInterrupt(f"interrupted; {done}")
        if self._paused is not None:
            told.add_note("sim.run() goes on from here")
        return told

    def _pause(self, reason: str) -> None:
        """Seal the file as it stands; `_go_on` takes it up again."""
        ranks = self.simulator.ranks
        if self._every is not None and not (ranks is not None and ranks.broken):
            self._keep()
        self._flush()
        self._paused = Paused(self.file.mark(self.simulator.n_tick), self.recorder.state())
        self._seal(reason)
        self._closed = self.file.failed

    def _go_on(self) -> None:
        """Take up the file of a simulation that was paused.

        Raises
        ------
        RunFileError
            If it is gone, or another run has taken it up.
        StudyError
            If its network was changed meanwhile.
        """
        if self._paused is None:
            return
        mark, recorder = self._paused
        network = self.simulator.network
        with RunFile.open(self.path) as sealed:
            keeping.check_network(network, sealed)
        file = RunFile.reopened(self.file, mark)
        try:
            for name in ("life", "events"):
                file.drop_item(name)
            file.set_item("finished", False)
            file.commit()
        except BaseException:
            file.abandon()
            raise
        self.file = self.recorder.file = file
        self.recorder.restore(recorder)
        self._paused = None
        network.begin(self.simulator)

    def _seal(self, finished: Any) -> None:
        """Write what is left, and close the file; nothing that the simulation would go on with is changed."""
        if self._closed:
            return
        self._closed = True
        s = self.simulator
        s.network.end(s)
        known = s.ranks is None or not s.ranks.broken  # what other ranks wrote of their neurons and synapses
        if known:
            s.engine.together()
        if self.file.failed:  # nothing can be written that would fit what is there
            self.file.abandon()
            return
        try:
            if finished is True:
                self.file.drop_checkpoints()
            s.engine.flush_spikes()
            if s.unrecorded is not None:  # of a tick that something broke off
                self.recorder.counts(s.unrecorded)
            elif s.spike - s.n_tick * s.tick_spike > slack(s.spike):  # what came after the last whole tick
                self.recorder.counts(s.counts())
            for q in s.network.projections.values():
                self.recorder.log(q.name, s.logs[q.name].pending())
                if known and (q.spines is not None or q.mechanisms or self.recorder.has_log(q.name)):
                    self.recorder.snapshot(q.name, "final", s.state(q.name))
            for name, neurons in s.neuron_logs.items():
                self.recorder.neurons(name, neurons.pending())
            for what, moments in (("synapses", s.moments), ("neurons", s.neuron_moments)):
                for name, noted in moments.items():
                    self.recorder.moments(what, name, noted.pending())
            self._tell()
            self.file.set_item("finished", finished)
            self.file.set_item("life", s.life, "ms")
            self.file.set_item("events", s.engine.events)
            self.recorder.flush(s.n_tick + 1)
            self.file.close()
        finally:
            self.file.abandon()  # nothing, where it was sealed


def _reason(why: BaseException) -> str:
    """Why a run stopped, as its file says: an error that is not ours with its type, and in which mechanism."""
    said = str(why) if isinstance(why, NeurodevError) else f"{type(why).__name__}: {why}"
    return "; ".join([f"stopped: {said}", *getattr(why, "__notes__", ())])
