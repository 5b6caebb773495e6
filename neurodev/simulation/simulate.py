"""The engine as a user calls it: `Simulation` and `simulate`."""

from __future__ import annotations

import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np

from neurodev.card import Card, Rows, counted, named
from neurodev.engine.checks import check_duration
from neurodev.engine.network import Network
from neurodev.engine.parts import check_threads
from neurodev.engine.ranks import as_ranks
from neurodev.engine.simulator import Simulator
from neurodev.engine.splitting import why_whole
from neurodev.errors import NeurodevError, ParameterError, SimulationError, shown
from neurodev.params import check_memory, flag, number
from neurodev.record.memory import fresh
from neurodev.record.mute import Mute
from neurodev.record.patience import Patience
from neurodev.record.recorder import Recorder, chosen
from neurodev.record.runfile import RunFile
from neurodev.record.snapshots import check_snapshots
from neurodev.registry import spoken
from neurodev.runs.run import Run
from neurodev.simulation import circuit as saved
from neurodev.simulation import keeping, opening
from neurodev.simulation.calls import Call
from neurodev.simulation.circuit import Circuit
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.probe import Probe
from neurodev.simulation.progress import Progress
from neurodev.simulation.steering import Steering
from neurodev.structure.duration import lasting, moment
from neurodev.units import day, hour, slack
from neurodev.writing import absolute

_PIECE = 2000.0  # ms of spikes between two looks at keyboard, clock and progress bar, in a tick of a minute
_LEAST_PIECE = 1.0  # ms
CHECKPOINT = 120.0  # s between two checkpoints
_QUICK, _SLOW = 0.25, 1.0  # s that a piece takes before pieces grow or shrink


class Simulation(Card, Steering):
    """A network, running and recorded.

    Parameters
    ----------
    network : Network
    acceleration : float
        Life time over spike time; 1 is exact, more is averaging at ticks.
    tick : float, ms (life)
        Period of the slow mechanisms.
    start : float, ms (spike)
        Time at which the clocks begin, for results that are to be laid beside others.
    to : path, optional
        Run file; if not given, all is kept in memory, as long as the simulation or its run is held (`Run.save` writes
        it to a file).  A relative path means the folder of this moment.
    overwrite : bool
        Replace a run file of that name, as soon as the new run is on its way; otherwise it is refused.
    record : {"daily", "all", "none"}, or a dict by population
        Which full spike trains to keep: of the first tick of each day, all, or none; or, for each population that is
        named, such a word, True, False, or cells by numbers, a mask, a slice or a set: ``{"exc": slice(0, 100)}``.
        Counts are always kept.
    snapshots : float, ms (life), or a list of such
        Period of the pictures of all synapses in projections with spines, or the times at which they are taken: at the
        first tick that is not earlier.  There is one at the start and one at the end in any case.
    progress : bool
        Show a progress bar in both times, with live counts.
    events_per_tick : int, optional
        Budget of synaptic events in a tick.
    study : str, optional
        Text of the study this run comes from, for its provenance.
    threads : int, optional
        Threads of the event loop; by default one for each core where there is enough to do.  They change no result.
    checkpoint : float, s, optional
        So often, in time of this computer, everything is written down from which `resume` goes on, and when the run is
        broken off (Ctrl-C, SIGTERM); rarely enough to cost a twentieth of the time at most.  None: never.  A run in
        memory has no checkpoints.
    circuit : path, optional
        A saved circuit (`save`) to begin from: its neurons and synapses, with their uids, weights, sizes, columns and
        signals, in place of those that the network would draw.  Mechanisms, drives and parameters are the network's.
    membranes : bool
        Let the membranes begin at the potentials of the circuit too.
    comm : mpi4py.MPI.Comm, optional
        Run this one network on all ranks of a communicator (extra ``mpi``): each has a share of the neurons with all
        that arrives at them.  Every rank runs the same program and comes to the same results, which do not depend on
        their number; rank 0 writes the file.
    split : bool
        Let each rank keep only the synapses onto its own neurons, and compute the ticks for them alone, in projections
        whose mechanisms need no more than the synapses of a target (`Mechanism.reach`).  What is done to such synapses
        from outside (`AddSynapses`, `SetWeights`, probes, circuits) is then refused.

    Attributes
    ----------
    simulator : Simulator
        The network as it is now, to look at: ``simulator.tables["ab"]``, the `Table` of a projection (`slots`, `pre`,
        `post`, `weight`, `uid_of`, `column`); ``simulator.blocks["b"]``, the signals of a population
        (``blocks["b"]["rate_hz"]``, `alive`); ``simulator.views["ab"]``, what a mechanism sees of a projection.
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

    _shared_path: Path | None  # where another rank writes for this one

    @spoken
    def __init__(
        self,
        network: Network,
        *,
        acceleration: float = 1.0,
        tick: float = 2 * hour,
        to: str | os.PathLike[str] | None = None,
        record: Any = "daily",
        snapshots: Any = day,
        progress: bool = False,
        events_per_tick: int | None = None,
        start: float = 0.0,
        study: str = "",
        overwrite: bool = False,
        threads: int | None = None,
        checkpoint: float | None = CHECKPOINT,
        circuit: str | os.PathLike[str] | Circuit | None = None,
        membranes: bool = False,
        comm: Any = None,
        split: bool = False,
    ) -> None:
        if not isinstance(network, Network):
            raise ParameterError(f"network must be an nd.Network, got {shown(network)}")
        record = chosen(record, {p.name: p.n for p in network.populations.values()})  # before an older run makes way
        snapshots = check_snapshots(snapshots)
        if not isinstance(study, str):
            raise ParameterError(f"study must be the text of a study, got {shown(study)}")
        overwrite = flag(overwrite, "overwrite")
        if checkpoint is not None:
            checkpoint = number(checkpoint, "checkpoint", "s", low=0.0)
        ranks = as_ranks(comm, flag(split, "split"))
        named = None if to is None else absolute(to)
        aside = ranks is not None and not ranks.writes  # rank 0 writes for all
        nameless = fresh() if named is None or aside else None
        path = named if nameless is None else nameless.path
        assert path is not None
        membranes = flag(membranes, "membranes")
        if circuit is not None and not isinstance(circuit, Circuit):
            circuit = saved.read(circuit, membranes)
        simulator = Simulator(
            network, acceleration, tick, start, events_per_tick, threads=check_threads(threads), circuit=circuit,
            ranks=ranks,
        )  # fmt: skip
        progress = flag(progress, "progress") and not aside
        self._set_up(simulator, path, progress, checkpoint if to is not None else None)
        self._shared_path = named if aside else None
        try:
            self.file = self._create(overwrite, mute=aside and named is not None)
        except BaseException:
            network.end(self.simulator)
            raise
        try:
            self.recorder = Recorder(self.file, record, snapshots, self.simulator.causes)
            if circuit is not None:
                saved.tell(self.file, circuit)
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
        self._probes: list[Probe] = []
        self.simulator.coming = self._schedule
        self._calls: list[Call] = []
        self._asked: list[keeping.Asked] = []
        self._beyond = 0, 0.0, ""
        self._steered = keeping.Steered()
        self._untold = self._closed = self._running = False
        self._inside, self._met, self._paused = "", "", None
        self._busy = threading.RLock()
        self._shared_path = None
        self._last_flush, self._last_told = time.perf_counter(), -np.inf
        self._piece = _PIECE
        self.goal = 0.0
        self._whole = True
        self._every, self._next_checkpoint = checkpoint, -np.inf

    def _words(self) -> str:
        s = self.simulator
        names = counted(len(s.network.populations), "population"), counted(len(s.network.projections), "projection")
        text = f"Simulation({', '.join(names)}, {lasting(s.life / day)} of life"
        return text + f" at an acceleration of {s.acceleration:g}{', closed' if self._closed else ''})"

    def _rows(self) -> Rows:
        s = self.simulator
        living = {q: s.n_synapse(q) for q in s.network.projections}
        return [
            ("file", str(self.path)), ("life", lasting(s.life / day)), ("spike time", lasting(s.spike / day)),
            ("acceleration", f"{s.acceleration:g}"), ("state", "closed" if self._closed else "open"),
            ("populations", named(f"{p.name} ({p.n:,})" for p in s.network.populations.values())),
            ("synapses", named(f"{q} {n:,}" for q, n in living.items()) or "none"),
            *self._shares(),
            ("interventions to come", f"{len(self._schedule)}"),
        ]  # fmt: skip

    def _shares(self) -> Rows:
        """Of which projections a rank has its share, where that was asked for, and why not of others."""
        s = self.simulator
        if s.ranks is None or not s.ranks.split:
            return []
        why = {q.name: why_whole(q) for q in s.network.projections.values()}
        split, whole = [q for q in why if not why[q]], [f"{q} ({text})" for q, text in why.items() if text]
        return [("split over ranks", named(split) or "none"), ("whole on each", named(whole) or "none")]

    def _create(self, overwrite: bool, mute: bool) -> RunFile:
        """The run file; where rank 0 writes for all, all or none of the ranks begin."""
        ranks, failed, file = self.simulator.ranks, None, None
        try:
            file = (Mute if mute else RunFile).create(self.path, overwrite=overwrite)
        except NeurodevError as e:
            failed = e
        if ranks is not None and ranks.any(failed is not None) and file is not None:
            file.discard()
            raise SimulationError("rank 0 cannot write the run file, and says why")
        if failed is not None:
            raise failed
        assert file is not None
        return file

    def _describe(self, study: str) -> None:
        self._foreign = opening.describe(self.simulator, self.file, self.recorder, study)

    def _listen(self) -> None:
        self.simulator.engine.sink = self._sink
        self.simulator.listeners.append(self)

    @classmethod
    @spoken
    def resume(
        cls, path: str | os.PathLike[str], network: Network, *, progress: bool = False, threads: int | None = None,
        checkpoint: float | None = CHECKPOINT, trust: bool = False, comm: Any = None, split: bool = False,
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
        comm : mpi4py.MPI.Comm, optional
            Go on over the ranks of a communicator, however many processes began; all of them read the file.
        split : bool
            As of `Simulation`, whether or not it was so before.

        Raises
        ------
        RunFileError
            If the file is no run, is being written, damaged, finished, or holds no checkpoint.
        StudyError
            If the network is not that of the run, or the source of a class has changed.

        Examples
        --------
        >>> sim = nd.Simulation.resume("life.sqlite", net)  # doctest: +SKIP
        >>> run = sim.run().close()  # doctest: +SKIP
        """
        if not isinstance(network, Network):
            raise ParameterError(f"network must be an nd.Network, got {shown(network)}")
        progress, trust, threads = flag(progress, "progress"), flag(trust, "trust"), check_threads(threads)
        if checkpoint is not None:
            checkpoint = number(checkpoint, "checkpoint", "s", low=0.0)
        ranks = as_ranks(comm, flag(split, "split"))
        file, simulator, words, arrays = keeping.taken_up(path, network, threads, trust, ranks)
        self = cls.__new__(cls)
        aside = ranks is not None and not ranks.writes
        self._set_up(simulator, file.path, progress and not aside, checkpoint)
        self._shared_path = absolute(path) if aside else None
        self.file = file
        try:
            self.recorder = Recorder(file, *keeping.recorded(words, arrays), self.simulator.causes)
            self._foreign = dict(file.provenance().get("sources", {}))
            keeping.restore(self, words, arrays)
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

    # ------------------------------------------------------------------ circuits

    @spoken
    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save the network as it is now, as the start of other studies; returns the path.

        Kept are neurons and synapses with their uids, weights, sizes, columns, signals and potentials, but nothing that
        is on its way.  The run is not touched by it.

        Raises
        ------
        RunFileError
            If the path cannot be written to, or is taken (without `overwrite`).

        Examples
        --------
        >>> sim.run(1 * day).save("settled.nd")
        >>> sim = nd.Simulation.load("settled.nd", other_network)  # doctest: +SKIP
        """
        overwrite = flag(overwrite, "overwrite")
        with self._alone("save"):
            return saved.write(self.simulator, path, overwrite)

    @classmethod
    @spoken
    def load(cls, path: str | os.PathLike[str], network: Network, *, membranes: bool = False, **options: Any) -> Self:
        """A simulation of a network that begins from a saved circuit.

        Parameters
        ----------
        path : path
            As `save` wrote it.
        network : Network
            With the populations and projections of the circuit, and perhaps others; its mechanisms and drives may
            differ from those with which the circuit grew.
        membranes : bool
            Let the membranes begin at the potentials of the circuit too.
        **options
            Of `Simulation`.

        Raises
        ------
        RunFileError
            If there is no circuit, or it is damaged.
        BuildError
            If the network does not fit it, by name.
        """
        return cls(network, circuit=saved.read(path, flag(membranes, "membranes")), **options)

    # ------------------------------------------------------------------ running

    @spoken
    def run(self, duration: float | None = None) -> Simulation:
        """Run for `duration` of life time, ms, or until a condition holds (`until`).

        Ctrl-C, and what else breaks it off between two pieces, leaves a sealed, readable file; the next call goes on
        from there, to the bytes of a run that was never broken off.  Without a duration a run that was broken off, or
        resumed, goes on to where it was to end.
        """
        with self._alone("run"):
            if self._running:
                raise SimulationError("cannot run: this simulation is running already, and runs one thing at a time")
            s = self.simulator
            if duration is None:
                if self.goal <= s.spike and self._paused is None:
                    raise ParameterError("duration must be given: this simulation stands where its last run was to end")
                goal = max(self.goal, s.spike)
            else:
                check_duration(s.network, duration, s.tick, s.acceleration)
                goal = s.spike + number(duration, "duration", "ms") / s.acceleration
            if missing := self._missing():
                raise SimulationError(f"cannot run: give again what no name leads to: {'; '.join(missing)}")
            length = goal - s.spike
            size = sum(8.0 * p.samples(length) * p.size for p in self._probes)
            check_memory(size, f"the samples of {len(self._probes)} probes", "raise every=, or name cells= or uids=")
            try:
                self._running = True
                return self._run(goal)
            finally:
                self._running = False

    def _run(self, end: float) -> Simulation:
        with Patience():  # while a file is taken up again, and of a second Ctrl-C while it is sealed
            self._go_on()
            self._tell_in_time()
            self.goal, self._met = end, ""
            bar = Progress(self.simulator, end) if self._progress else None
            try:
                with Patience() as patience:  # what is recorded of a tick is all of it or nothing
                    if self._next_checkpoint < 0 and self._every is not None:
                        self._keep()
                    while self._more():
                        self._heed(patience)
                        self._one_piece(self.goal)
                        self.file.begin()  # it goes: an older run of that name need not come back
                        if bar is not None:
                            bar.update()
                    self._heed(patience)
                    self.simulator.engine.together()
            except BaseException as e:
                if self.simulator.ranks is not None and not isinstance(e, KeyboardInterrupt):
                    self.simulator.ranks.fail()
                raise self._stopped(e) from (None if isinstance(e, KeyboardInterrupt) else e.__cause__)
            finally:
                if bar is not None:
                    bar.close()
        return self

    def _heed(self, patience: Patience) -> None:
        """Let signals act that wait: what one rank is told stops all of them."""
        ranks = self.simulator.ranks
        if ranks is not None and ranks.any(patience.waiting) and not patience.waiting:
            raise KeyboardInterrupt
        patience.check()

    def _more(self) -> bool:
        """Whether the run is not over: events before its end, or functions that were not called at this one."""
        now = self.spike
        return now < self.goal - slack(self.goal) or any(c.due(now) for c in self._calls)

    def _one_piece(self, end: float) -> None:
        """Run to the next tick, intervention, probe or call, or for about half a second of this computer."""
        s, begin, self._whole = self.simulator, time.perf_counter(), False
        stop = min(end, (s.n_tick + 1) * s.tick_spike)
        # cuts change nothing in what comes out; on a grid, they are the same wherever a piece began
        stop = min(stop, (s.spike // self._piece + 1) * self._piece)
        if self._schedule:
            stop = min(stop, max(self._schedule[0][0], s.spike))
        if self._probes:
            stop = min(stop, max(min(p.when for p in self._probes), s.spike))
        if self._calls:
            stop = min(stop, max(min(c.when for c in self._calls), s.spike))
        s.run_until_spike(stop)
        if self._schedule or self._probes or self._calls:  # somebody may look
            s.engine.together()
        self._sample(stop)
        while self._schedule and self._schedule[0][0] <= s.spike + slack(s.spike):
            self._do(self._schedule.pop(0)[2])
        took = time.perf_counter() - begin
        if s.ranks is not None:
            took = s.ranks.agree(took)  # where pieces are cut all look together
        if took > _SLOW and self._piece > _LEAST_PIECE:
            self._piece /= 2
        elif took < _QUICK and self._piece < _PIECE * max(1.0, s.tick_spike / 6e4):
            self._piece *= 2
        self._call_functions()
        if self._every is not None:
            late = time.perf_counter() - self._next_checkpoint
            if (late if s.ranks is None else s.ranks.agree(late)) >= 0.0:
                self._keep()
        self._flush_in_time()

    def _call_functions(self) -> None:
        """Functions of the user's; one that is interrupted is called again."""
        try:
            self._make_calls()
        except Exception:
            raise  # it may have done half of what it does
        except BaseException:
            self._whole = True
            raise
        self._whole = True

    def _do(self, what: Intervention) -> None:
        """An intervention, now; what it raises says whose it is and when."""
        try:
            what.apply(self.simulator)
        except Exception as e:
            e.add_note(f"in {type(what).__name__}.apply, at {self.life:g} ms of life")
            raise

    def close(self) -> Run:
        """Seal the run file and return the run; Ctrl-C waits until it is sealed.

        Warns
        -----
        UserWarning
            If interventions were scheduled for times that the run did not reach.
        """
        if not self._closed:
            with self._alone("close"), Patience():
                if self._running:
                    raise SimulationError("cannot close: this simulation is running; let its run end (sim.until)")
                if self._paused is not None:  # it is sealed as it stands
                    if self._untold:
                        self._go_on()
                        self._pause("interrupted")
                    self._closed = True
                    return self._sealed()
                if self._met:
                    self.file.set_item("met", self._met)
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
        return self._sealed()

    def _sealed(self) -> Run:
        """The run, which every rank reads where rank 0 wrote it."""
        ranks = self.simulator.ranks
        if ranks is not None and not ranks.broken:
            ranks.meet()  # rank 0 has sealed it
        return Run(self._shared_path or self.path)


@spoken
def simulate(network: Network, duration: float, **options: Any) -> Run:
    """Run a network for `duration` of life time (ms) and return the run.

    Options are those of `Simulation`; a progress bar is shown unless ``progress=False``.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> cells = net.add(nd.LIF(), 20, name="cells")
    >>> net.background(cells, nd.Background(rate_hz=1000.0, weight=1.5))
    >>> run = nd.simulate(net, 200.0, record="all", progress=False)
    >>> times, which = run.spikes("cells")
    >>> bool(times.size > 0 and which.max() < 20)
    True
    """
    options.setdefault("progress", True)
    if isinstance(network, Network):  # before a file is made
        check_duration(network, duration, options.get("tick", 2 * hour), options.get("acceleration", 1.0))
    with Patience():  # between run and close
        return Simulation(network, **options).run(duration).close()
