"""Steering a simulation: interventions at a time or now, a user's own code, conditions, probes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from neurodev.errors import ParameterError, SimulationError, StudyError, shown
from neurodev.params import number, numbers, one_of
from neurodev.record.provenance import foreign
from neurodev.record.runfile import RunFile
from neurodev.registry import spoken
from neurodev.simulation.calls import Call, Function, behind, called, holds, word_for
from neurodev.simulation.interventions import Intervention
from neurodev.simulation.keeping import Asked, planned_of, steering_of
from neurodev.simulation.probe import Probe
from neurodev.simulation.recording import Recording
from neurodev.simulation.setting import SetColumn, SetParameter, SetWeights
from neurodev.units import slack

_SHORTEST = 1e-3  # ms between two samples of a probe, or two calls of a function
_ASKED = 100.0  # ms of spikes between two looks at a condition, at most, if its user says nothing
_MOST_TOLD = 200  # interventions by functions that a run file tells one by one
_CLOCKS = ("life", "spike")


class Steering(Recording):
    """What a user does to a simulation, before it runs, between two runs and, by functions of her own, within one."""

    _busy: threading.RLock
    _running: bool
    _met: str  # the condition by which the last run ended
    _inside: str  # whose function is being called: "every", "until", or nobody's

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
            if self._inside == "until":
                raise SimulationError(f"cannot {what}: a condition only looks; sim.every(...) calls what acts")
            yield
        finally:
            self._busy.release()

    # ------------------------------------------------------------------ interventions

    @spoken
    def at(self, when: float, what: Intervention, *, clock: str = "life") -> Self:
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
        clock = one_of(clock, "clock", _CLOCKS)
        when = number(when, "when", "ms")
        with self._alone("schedule an intervention"):
            spike = when / self.simulator.acceleration if clock == "life" else when
            if not np.isfinite(spike) or spike < self.spike - slack(self.spike):
                raise ParameterError(
                    f"when={when!r} lies in the past: the simulation stands at "
                    + (f"{self.life:g} ms of life" if clock == "life" else f"{self.spike:g} ms of spikes")
                )
            self._plan(spike, self._looked_at(what))
        return self

    @spoken
    def do(self, what: Intervention) -> Self:
        """Make an intervention now: between two runs, or in a function that `every` calls.

        Raises
        ------
        ParameterError, BuildError
            For what cannot be done; nothing is changed then.

        Warns
        -----
        UserWarning
            If it can do less than was asked.

        Examples
        --------
        >>> sim.run(1 * day).do(nd.SetRate("exc", 300.0)).run(1 * day)
        """
        with self._alone("make an intervention"):
            if self._running and not self._inside:
                raise SimulationError("cannot make an intervention now: schedule it with sim.at, or use sim.every")
            done = self._looked_at(what)
            done.apply(self.simulator)
            self._note(self.spike, done)
        return self

    def _looked_at(self, what: Intervention) -> Intervention:
        """Its own copy, checked: its picks become numbers, and stay what they are now."""
        if not isinstance(what, Intervention):
            raise ParameterError(f"what must be an intervention such as nd.Silence(retina), got {shown(what)}")
        what = copy.copy(what)
        what.check(self.simulator)
        return what

    def _plan(self, spike: float, what: Intervention) -> None:
        self._schedule.append((spike, len(self._asked), what))
        self._schedule.sort(key=lambda x: x[:2])
        self._note(spike, what)

    def _note(self, spike: float, what: Intervention) -> None:
        """For the run file; what a function of the user's asks for, a rerun asks for again by calling it."""
        if not self._inside:
            self._asked.append(Asked(spike, False, str(what)))
            self._steered.add(spike, what)
        elif not self._beyond[0] and sum(a.inside for a in self._asked) < _MOST_TOLD:
            self._asked.append(Asked(spike, True, str(what)))
        else:
            self._beyond = self._beyond[0] + 1, spike, str(what)
        self._foreign |= foreign(what)
        self._untold = True

    def set_weights(self, projection: Any, values: Any, of: Any = None) -> Self:
        """Set weights now: one for all or one for each, mV (pA onto synaptic currents); see `nd.SetWeights`.

        Parameters
        ----------
        projection : Projection or name
        values : float or (n,) array
            Magnitudes: the sign is that of the source (``signed=True``: their own).
        of : uids, mask or slice, optional
            Which synapses: by uid, or by a mask or slice over the living ones in the order of their uids.

        Examples
        --------
        >>> sim.set_weights("retina_exc", 0.5, of=slice(0, 100))
        """
        return self.do(SetWeights(projection, values, of))

    def set_column(self, where: Any, name: str, values: Any, of: Any = None) -> Self:
        """Set a column of synapses or a signal of neurons now; see `nd.SetColumn`.

        Parameters
        ----------
        where : Projection, Population or name
        name : str
        values : float or (n,) array
        of : selection, optional
            Synapses as in `set_weights`; cells by numbers, a mask, a slice or a set.

        Examples
        --------
        >>> sim.set_column("exc", "scaling", 0.0)
        """
        return self.do(SetColumn(where, name, values, of))

    def set_parameter(self, what: Any, where: Any = None, **values: Any) -> Self:
        """Set parameters of a mechanism or of a drive now; see `nd.SetParameter`.

        Parameters
        ----------
        what : Mechanism, its class or its name; or a population that is a drive
        where : Projection, Population or name, optional
            Where it is used, if that is not plain.
        **values
            By their names.

        Examples
        --------
        >>> sim.set_parameter(nd.STDP, where="retina_exc", tau_plus=15.0)
        >>> sim.set_parameter("retina", rate_hz=40.0)
        """
        return self.do(SetParameter(what, values, where))

    # ------------------------------------------------------------------ a user's own code

    @spoken
    def every(self, period: float, function: Function, *, clock: str = "life") -> Self:
        """Call ``function(sim)`` every `period` ms of life (or of spikes), the first time one period from now.

        It sees the network at that instant, after the interventions of that moment, and may act on it by `do`,
        `set_weights`, `set_column`, `set_parameter` and `at`.  That it is called changes no byte of the run.  A run
        that calls a function without a name of its own (a lambda, a method) cannot be rerun, and one that was broken
        off goes on when it is given again.

        Raises
        ------
        ParameterError
            For a period that is none, and for what is no function of one argument.

        Examples
        --------
        >>> def raise_input(sim):
        ...     sim.do(nd.SetRate("exc", 100.0 + sim.life / day))
        >>> sim.every(1 * day, raise_input).run(2 * day)
        """
        clock = one_of(clock, "clock", _CLOCKS)
        period = number(period, "period", "ms", above=0.0) / (self.simulator.acceleration if clock == "life" else 1.0)
        return self._call(called(function, "function"), "period", period, self.spike + period, ends=False)

    @spoken
    def until(self, condition: Function, *, every: float | None = None, clock: str = "life") -> Self:
        """Let a run end where ``condition(sim)`` is True; it is asked every `every` ms.

        By default it is asked after each tick, and where a tick has more than a tenth of a second of spikes, at equal
        intervals within it too.  It only looks: it may change nothing, and where the run ended is all that a rerun must
        know.  Means of the spikes, as ``rate_hz`` of a block, are those of the last tick.

        Raises
        ------
        ParameterError
            For a period that is none, and for what is no function of one argument.

        Examples
        --------
        >>> sim.until(lambda sim: sim.simulator.n_synapse("retina_exc") > 100).run(1 * day)
        """
        clock = one_of(clock, "clock", _CLOCKS)
        s = self.simulator
        period = s.tick_spike / max(np.ceil(s.tick_spike / _ASKED), 1.0)
        first = (np.floor(self.spike / period) + 1) * period
        if every is not None:
            period = number(every, "every", "ms", above=0.0) / (s.acceleration if clock == "life" else 1.0)
            first = self.spike + period
        return self._call(called(condition, "condition"), "every", period, first, ends=True)

    def _call(self, function: Function, argument: str, period: float, first: float, *, ends: bool) -> Self:
        if not _SHORTEST <= period < np.inf:
            raise ParameterError(f"{argument} must be at least {_SHORTEST:g} ms of spikes, got {period:g} ms of spikes")
        with self._alone("call a function"):
            word, named = word_for(function)
            sources = foreign(function) if named else {}
            named = word in sources  # what has no source (print) nobody can look at before it is called again
            for c in self._calls:  # of a run that was resumed
                same = c.word == word and c.ends == ends and abs(c.period - period) <= slack(period)
                if c.function is None and same:
                    c.function = function
                    return self
            call = Call(word, named, period, first, ends, function)
            self._calls.append(call)
            if not ends:
                self.simulator.coming = self._calls  # it may do anything
            if not self._inside:
                self._steered.call(call)
            self._foreign |= sources
            self._untold = True
        return self

    def _missing(self) -> list[str]:
        """Functions that must be given again before the run can go on."""
        return [c.missing for c in self._calls if c.function is None]

    def _make_calls(self) -> None:
        """All functions whose time has come, in the order in which they were given; conditions last."""
        now = self.spike
        for c in sorted((c for c in self._calls if c.due(now)), key=lambda c: c.ends):
            self._inside = "until" if c.ends else "every"
            try:
                assert c.function is not None
                answer = c.function(self)
            except Exception as e:
                e.add_note(f"in {c.word}, at {self.life:g} ms of life")
                raise
            finally:
                self._inside = ""
            c.done += 1
            if c.ends and self._agreed(holds(answer, c.word), c.word):
                self._calls.remove(c)
                self.goal, self._met = now, c.word

    def _agreed(self, holds: bool, word: str) -> bool:
        """Whether a condition holds; ranks that have shares of the synapses may look at their own, and disagree."""
        s = self.simulator
        if s.ranks is None or not s.engine.split:
            return holds
        said = s.ranks.meet(int(holds))
        if said.any() and not said.all():
            raise SimulationError(
                f"the condition {word!r} holds on rank {int(np.argmax(said))}, not on rank {int(np.argmin(said))}: it "
                "looks at synapses of which each has a share; simulator.n_synapse(name) and signals are the same on all"
            )
        return holds

    # ------------------------------------------------------------------ looking

    @property
    def probes(self) -> list[Probe]:
        """The probes of this simulation, in the order in which they were made."""
        return list(self._probes)

    @spoken
    def probe(
        self, what: Any, signal: str = "V", *, every: float | None = None, at: Any = None, cells: Any = None,
        uids: Any = None,
    ) -> Probe:  # fmt: skip
        """Sample a signal of cells or a quantity of synapses, every `every` ms of spikes or at given times.

        Parameters
        ----------
        what : Population, Projection or name
        signal : str
            ``"V"`` (mV) or a neuron signal; ``"weight"``, ``"uid"`` or a column of a projection.
        every : float, ms of spikes
            1 if no times are given.
        at : (n,) array, ms of spikes
            Times since the start instead, none of them past.
        cells : selection, optional
            Only these cells of a population.
        uids : list of int, optional
            Only these synapses of a projection.

        Returns
        -------
        Probe
            With `times`, `values`, and `cells` or `uid`: whose each column is.
        """
        if every is not None and at is not None:
            raise ParameterError(f"every= and at= exclude each other: sample every {every!r} ms, or at {shown(at)}")
        left = None if at is None else self._times(at)
        every = number(1.0 if every is None else every, "every", "ms", above=0.0)
        if every < _SHORTEST:
            raise ParameterError(f"every must be at least {_SHORTEST:g} ms, got {every!r}")
        with self._alone("make a probe"):
            p = Probe(self.simulator, what, signal, cells, uids)
            p.plan(self.spike, every, left)
            self._probes.append(p)
        return p

    def _times(self, at: Any) -> list[float]:
        """Spike times of samples, ascending, each once."""
        found = np.asarray(numbers(at, "at", "ms"), dtype=np.float64)
        if found.ndim > 1 or not found.size or not np.isfinite(found).all():
            raise ParameterError(f"at must be a list of finite times in ms of spikes, got {shown(at)}")
        times: list[float] = np.unique(found).tolist()
        if times[0] < self.spike - slack(self.spike):
            raise ParameterError(
                f"at={times[0]!r} lies in the past: the simulation stands at {self.spike:g} ms of spikes"
            )
        return times

    def _sample(self, now: float) -> None:
        for p in self._probes:
            if p.when <= now + slack(now):
                p.sample(now)


def repeat(sim: Steering, file: RunFile) -> None:
    """Schedule all that steered an earlier run: its interventions, and the functions that it called.

    Raises
    ------
    StudyError
        If that cannot be done again.
    """
    told = steering_of(file)
    for when, what in planned_of(file, told["done"]):
        sim._plan(when, what)
    for word, period, first in told["calls"]:
        function = behind(str(word)) if word in file.provenance().get("sources", {}) else None
        if function is None:
            raise StudyError(f"{str(file.path)!r} calls {word!r}: import its module first, if you trust it")
        call = Call(str(word), True, float(period), float(first), False, function)
        sim._calls.append(call)
        sim._steered.call(call)
        sim._foreign |= foreign(function)
        sim._untold = True
