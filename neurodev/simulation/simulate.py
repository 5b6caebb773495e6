"""The engine as a user calls it: `Simulation` and `simulate`."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.checks import approximations, mechanisms_of
from neurodev.engine.network import Network
from neurodev.engine.simulator import Simulator, TickReport
from neurodev.errors import ParameterError
from neurodev.record.provenance import environment, foreign, sources
from neurodev.record.recorder import Recorder, check_recording
from neurodev.record.runfile import RunFile
from neurodev.record.scratch import scratch_file
from neurodev.runs.run import Run
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.probe import Probe
from neurodev.simulation.progress import Progress
from neurodev.units import day, hour, slack

_FLUSH_SECONDS = 2.0
_STATIC = ("uid", "pre", "post", "lane", "weight", "branch", "place")  # what is kept of synapses without spines
_PIECE = 2000.0  # ms of spikes between two looks at the keyboard and the progress bar, in a tick of a minute


class _Patience:
    """Ctrl-C waits for the end of the tick: what is recorded of a tick is all of it or nothing.

    Only the main thread of a program may handle signals; elsewhere nothing is changed.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: Any) -> None:
        self._asked = True

    def check(self) -> None:
        """Raise what was held back."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def end(self) -> None:
        """Let Ctrl-C act at once again."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


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
        Run file; if not given, a temporary one that goes when the program ends.
    record : {"daily", "all", "none"}
        Which full spike trains to keep; counts are always kept.
    progress : bool
        Show a progress bar in both times, with live counts.
    events_per_tick : int, optional
        Budget of synaptic events in a tick.
    study : str, optional
        Text of the study this run comes from, for its provenance.

    Examples
    --------
    >>> sim = Simulation(net, acceleration=120)
    >>> sim.run(1 * day)
    >>> run = sim.close()
    """

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
    ) -> None:
        if not isinstance(network, Network):
            raise ParameterError(f"network must be an nd.Network, got {network!r}")
        self.simulator = Simulator(network, acceleration, tick, start, events_per_tick)
        to = scratch_file() if to is None else to
        self._progress = progress
        self._schedule: list[tuple[float, int, Intervention]] = []
        self._probes: list[tuple[float, float, Probe]] = []
        self._closed = False
        self._last_flush = time.perf_counter()
        self._open_tick = -1
        self.path = Path(to)
        check_recording(record)  # before an older run of that name makes way
        self.file = RunFile.create(to)
        try:
            self.recorder = Recorder(self.file, record, causes=self.simulator.causes)
            self._describe(study)
        except BaseException:
            self.file.discard()
            raise
        self.simulator.engine.sink = self._sink
        self.simulator.listeners.append(self)
        self._want_trains()

    # ------------------------------------------------------------------ recording

    def _describe(self, study: str) -> None:
        s, f = self.simulator, self.file
        net = s.network
        parts: list[Any] = [x for p in net.populations.values() for x in (p.model, *p.mechanisms)] + [
            b for _, b in net.backgrounds
        ]
        parts += [x for q in net.projections.values() for x in (q.wiring, q.delay, *q.mechanisms)]
        self._foreign = foreign(*parts)
        f.set_item("provenance", environment() | {"seed": net.seed, "study": study, "sources": self._foreign})
        f.set_item("network", net.describe())
        f.set_item("mechanisms", sources(m for _, m in mechanisms_of(net)))
        f.set_item("causes", list(s.causes.words))
        f.set_item("meanings", s.causes.describe())
        f.set_item("terms", s.terms)
        f.set_item("acceleration", s.acceleration)
        f.set_item("tick", s.tick, "ms")
        f.set_item("tick_spike", s.tick_spike, "ms")
        f.set_item("approximations", approximations(net, s.tick, s.acceleration))
        f.set_item("interventions", [])
        f.set_item("finished", False)
        targets = {aim for _, m in mechanisms_of(net) if (aim := m.aims_hz()) is not None}
        f.set_item("target_hz", min(targets) if targets else None, "Hz")
        for p in net.populations.values():
            f.append(f"positions/{p.name}", p.positions)
        for q in net.projections.values():
            state = s.state(q.name)
            keep = state if q.spines is not None else {k: state[k] for k in _STATIC if k in state}
            self.recorder.snapshot(q.name, "initial", keep)
            if q.spines is not None:
                self.recorder.snapshot(q.name, "snapshot/0", state)
        self.recorder.snapshot_due(0.0)
        f.append("series/snapshot_day", np.array([0.0]))
        f.commit()

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

    def on_tick(self, simulator: Simulator, report: TickReport) -> None:
        """Record a tick (called by the simulator)."""
        r = self.recorder
        r.counts(report.counts)
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
        if r.snapshot_due(report.life):
            label = f"{report.life / day:g}"
            for q in simulator.network.projections.values():
                if q.spines is not None:
                    r.snapshot(q.name, f"snapshot/{label}", simulator.state(q.name))
            self.file.append("series/snapshot_day", np.array([report.life / day]))
        self._want_trains()
        if time.perf_counter() - self._last_flush > _FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        self.recorder.flush(self.simulator.n_tick)
        self._last_flush = time.perf_counter()

    # ------------------------------------------------------------------ running

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.simulator.life

    @property
    def spike(self) -> float:
        """Spike time since the start, ms."""
        return self.simulator.spike

    def at(self, when: float, what: Intervention, *, clock: str = "life") -> Simulation:
        """Schedule an intervention at a life time (or a spike time, with ``clock="spike"``), ms."""
        if not isinstance(what, Intervention):
            raise ParameterError(f"what must be an intervention such as nd.Silence(retina), got {what!r}")
        if clock not in ("life", "spike"):
            raise ParameterError(f"clock must be 'life' or 'spike', got {clock!r}")
        spike = when / self.simulator.acceleration if clock == "life" else when
        if not np.isfinite(spike) or spike < self.spike - slack(self.spike):
            raise ParameterError(
                f"when={when!r} lies in the past: the simulation stands at {self.spike:g} ms of spikes"
            )
        what.check(self.simulator)
        self._schedule.append((spike, len(self._schedule), what))
        self._schedule.sort(key=lambda x: x[:2])
        done = [f"{s:g} ms of spikes: {w}" for s, _, w in self._schedule]
        self.file.set_item("interventions", done)
        if new := foreign(what):
            self._foreign |= new
            self.file.set_item("provenance", {"sources": self._foreign})
        return self

    def probe(self, what: Any, signal: str = "V", *, every: float = 1.0) -> Probe:
        """Sample V of a population (mV), a neuron signal, or a column of a projection, every `every` ms of spikes."""
        p = Probe(self.simulator, what, signal)
        if not every > 0:
            raise ParameterError(f"every must be a positive number of ms, got {every!r}")
        self._probes.append((self.spike + every, every, p))
        return p

    def run(self, duration: float) -> Simulation:
        """Run for `duration` of life time, ms; Ctrl-C leaves a sealed, readable run."""
        if self._closed:
            raise ParameterError("this simulation is closed: make a new one")
        if not isinstance(duration, (int, float)) or not np.isfinite(duration) or duration <= 0:
            raise ParameterError(f"duration must be a positive life time in ms, e.g. 30*day, got {duration!r}")
        s = self.simulator
        end = s.spike + duration / s.acceleration
        bar = Progress(s, end) if self._progress else None
        patience = _Patience()
        try:
            while s.spike < end - slack(end):
                patience.check()
                stop = min(end, (s.n_tick + 1) * s.tick_spike)
                if s.tick_spike > _PIECE:
                    stop = min(stop, s.spike + _PIECE * max(1.0, s.tick_spike / 6e4))
                if self._schedule:
                    stop = min(stop, max(self._schedule[0][0], s.spike))
                if self._probes:
                    stop = min(stop, min(p[0] for p in self._probes))
                s.run_until_spike(stop)
                self._sample(stop)
                while self._schedule and self._schedule[0][0] <= s.spike + slack(s.spike):
                    self._schedule.pop(0)[2].apply(s)
                if bar is not None:
                    bar.update()
            patience.check()
        except BaseException as e:
            self._seal("interrupted" if isinstance(e, KeyboardInterrupt) else f"stopped: {e}")
            raise
        finally:
            patience.end()
            if bar is not None:
                bar.close()
        return self

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
        s.engine.flush_spikes()
        if s.spike - s.n_tick * s.tick_spike > slack(s.spike):  # what came after the last whole tick
            self.recorder.counts(s.take_counts())
        for q in s.network.projections.values():
            self.recorder.log(q.name, s.logs[q.name].take())
            if q.spines is not None or q.mechanisms or self.recorder.has_log(q.name):
                self.recorder.snapshot(q.name, "final", s.state(q.name))
        for name, neurons in s.neuron_logs.items():
            self.recorder.neurons(name, neurons.take())
        self.file.set_item("finished", finished)
        self.file.set_item("life", s.life, "ms")
        self.file.set_item("events", s.engine.events)
        self.recorder.flush(s.n_tick + 1)
        self.file.close()

    def close(self) -> Run:
        """Seal the run file and return the run."""
        self._seal(True)
        return Run(self.path)


def simulate(network: Network, duration: float, **options: Any) -> Run:
    """Run a network for `duration` of life time (ms) and return the run.

    Options are those of `Simulation`; a progress bar is shown unless ``progress=False``.
    """
    options.setdefault("progress", True)
    return Simulation(network, **options).run(duration).close()
