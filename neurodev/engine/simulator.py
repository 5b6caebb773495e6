"""The simulator: two clocks, ticks with fixed phases, plans, recording.

Spike time runs without a cut; life time passes `acceleration` times faster.  Slow mechanisms act at ticks,
absolute multiples of a period of life time.  Phases of a tick: signals, additions, integration, proposals (neurons
first), one merged plan for each projection, weights refreshed, what follows from it, recording.  Within a phase the
order is that of `engine.order`, whatever the order of declaration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurodev.engine import fate
from neurodev.engine.checks import check_clocks, check_reads, check_ticks, mechanisms_of
from neurodev.engine.engine import Engine
from neurodev.engine.finite import check_columns, check_neurons, check_signals
from neurodev.engine.hooks import signal_blocks
from neurodev.engine.network import Network, Population, Projection
from neurodev.engine.order import acting, populations_in_order, projections_in_order
from neurodev.engine.ranks import Ranks
from neurodev.engine.splitting import Shares
from neurodev.engine.structural import Structural, asked
from neurodev.errors import BuildError, ParameterError, SimulationError, nearest, shown
from neurodev.mechanisms.base import Clock, Mechanism, NeuronBlock, NeuronView, SynapseView, terms_of
from neurodev.moved import names_of
from neurodev.neurons.drive import Drive
from neurodev.neurons.tree import compartment_signals
from neurodev.params import number, whole
from neurodev.signals.rate import rate_hz
from neurodev.structure.blocks import part_bounds
from neurodev.structure.cause import Causes, cause_code
from neurodev.structure.log import BIRTH, DEATH, LogBatch, Moments, NeuronBatch, NeuronLog, StructuralLog
from neurodev.structure.plan import Applied, NeuronPlan, Plan, merge_neurons, removal
from neurodev.structure.table import Table
from neurodev.units import day, hour, slack

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

__getattr__ = names_of(__name__)

P = TypeVar("P", Plan, NeuronPlan)


@dataclass
class TickReport:
    """What a tick did, for whoever records it."""

    tick: int
    life: float
    counts: dict[str, I8]
    applied: dict[str, Applied]
    logs: dict[str, LogBatch]
    neurons: dict[str, NeuronBatch] = field(default_factory=dict)


class TickListener(Protocol):
    """Somebody who is told of every tick."""

    def on_tick(self, simulator: Simulator, report: TickReport) -> None:
        """Called after the weights were refreshed."""


class Beginning(Protocol):
    """A circuit that a simulator begins from."""

    def place(self, s: Simulator) -> None:
        """Put neurons and synapses in their places, before mechanisms are prepared."""

    def fill(self, s: Simulator) -> None:
        """Give columns, signals and weights their values, after that."""


@dataclass
class Simulator(Structural):
    """A network in motion.

    Parameters
    ----------
    network : Network
    acceleration : float
        Life time over spike time.
    tick : float, ms (life)
    start : float, ms (spike)
    events_per_tick : int, optional
        Budget of synaptic events; a runaway stops with an error instead of taking for ever.
    threads : int, optional
        Threads of the event loop; by default one for each core where there is enough to do.  They change no result.
    parts : int, optional
        Shares of the neurons that threads can take; by default as many.  They change no result either.
    circuit : optional
        Who is there, and who is connected to whom, to begin with, in place of what the network would draw.
    ranks : Ranks, optional
        The processes that run it together.
    """

    network: Network
    acceleration: float = 1.0
    tick: float = 2 * hour
    start: float = 0.0
    events_per_tick: int | None = None
    blocked: set[tuple[str, str]] = field(default_factory=set)
    threads: int | None = None
    parts: int | None = None
    circuit: Beginning | None = None
    ranks: Ranks | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.network, Network):
            raise ParameterError(f"network must be an nd.Network, got {shown(self.network)}")
        self.tick, self.acceleration = check_clocks(self.tick, self.acceleration)
        self.start = number(self.start, "start", "ms of spikes")
        if self.events_per_tick is not None:
            self.events_per_tick = whole(self.events_per_tick, "events_per_tick", 1, 2**62)
        for q in self.network.projections.values():
            if q.plastic and q.spines is None and not np.size(q.weight):
                raise BuildError(
                    f"{q.name!r} uses {q.mechanisms[0].name} and has an empty list of weights: newborn synapses would "
                    "have none to begin with; connect it with one weight for all"
                )
        self.tick_spike = self.tick / self.acceleration
        self.populations = populations_in_order(self.network.populations.values())
        self.projections = projections_in_order(self.network.projections.values())
        check_ticks(self.network, self.tick, self.acceleration)
        # mechanisms as they are now, by where they are used: parameters may be set while it runs
        places: dict[str, Any] = {**self.network.populations, **self.network.projections}
        self.used: dict[str, tuple[Mechanism, ...]] = {name: x.mechanisms for name, x in places.items()}
        self.drives: dict[str, Drive] = {}  # whose parameters were set
        self.changes: dict[tuple[str, str], dict[str, Any]] = {}  # parameters that were set, by where and of what
        self.blocks = signal_blocks(list(self.network.populations.values()))
        self.engine = Engine(
            self.network, self.start, blocks=self.blocks, threads=self.threads, parts=self.parts, ranks=self.ranks
        )
        self.clock = Clock(0, 0.0, self.start, self.tick, self.tick_spike)
        self.tables: dict[str, Table] = dict(zip(self.network.projections, self.engine.tables, strict=True))
        projections = self.network.projections.values()
        self.terms = {q.name: terms_of(q.mechanisms, self.tables[q.name].column_names) for q in projections}
        self.logs = {name: StructuralLog(tuple(terms)) for name, terms in self.terms.items()}
        self.causes = Causes.of(m for _, m in mechanisms_of(self.network))
        self.views = {q.name: self._view(q) for q in self.network.projections.values()}
        self.neuron_views = {
            p.name: NeuronView(p.name, self.blocks[p.name], self.clock, self.network.seed)
            for p in self.network.populations.values()
        }
        self.neuron_logs = {p.name: NeuronLog() for p in self.network.populations.values()}
        self.n_tick = 0
        self.listeners: list[TickListener] = []
        self.unrecorded: dict[str, I8] | None = None  # counts of a tick that is not recorded yet
        self.coming: Sequence[Any] = ()  # what somebody plans to do to this network
        self.moments = {q.name: Moments() for q in projections}
        self.neuron_moments = {name: Moments() for name in self.blocks}
        self._ticking = False
        if self.circuit is not None:
            for name in self.engine.split:
                self.check_whole(name, "no circuit can be put in its place")
            self.circuit.place(self)
        self._prepare_all()
        if self.circuit is not None:
            self.circuit.fill(self)
            self.circuit = None  # it may be large
        self.engine.set_budget(self.events_per_tick)
        self.network.begin(self)

    def _view(self, q: Projection) -> SynapseView:
        spines = q.spines
        volume = spines.volume if spines else 1.0
        sign = -1.0 if q.source.inhibitory else 1.0
        return SynapseView(
            q.name, self.tables[q.name], self.blocks[q.source.name], self.blocks[q.target.name], self.clock,
            self.network.seed, volume, sign * spines.weight / volume if spines else 0.0,
            volume * float(np.exp(spines.silent)) if spines else 0.0, q.source.positions, q.target.positions,
            q.wiring, q.source is q.target, q.multapses,
            own=self._own(q),
            catch_up=partial(self.engine.catch_up, list(self.network.projections).index(q.name)),
        )  # fmt: skip

    def _own(self, q: Projection) -> tuple[int, int] | None:
        """The first of the targets whose synapses this rank has, and the one behind the last; None if it has all."""
        if self.ranks is None or q.name not in self.engine.split:
            return None
        bounds = part_bounds(q.target.n, self.ranks.size)
        return int(bounds[self.ranks.rank]), int(bounds[self.ranks.rank + 1])

    def _prepare_all(self) -> None:
        """Prepare; what one rank refuses of its share of the synapses, the others need not wait for."""
        try:
            self._prepare()
        except BaseException:
            if self.ranks is not None and self.engine.split:
                self.ranks.fail()
            raise

    def _prepare(self) -> None:
        self.integrated: dict[str, bool] = {}  # by projection: a mechanism moves the weights, sizes do not tell them
        self._unprepared = set(self.blocked)  # what is blocked from the start is as if it were never named
        for p in self.populations:
            for m in self._active(p.name):
                m.prepare(self.neuron_views[p.name])
        for q in self.projections:
            self._decide(q)
            for m in self._active(q.name):
                m.prepare(self.views[q.name])
                self._tell(q, m)
            check_reads(q, self.views[q.name])
            self.refresh_weights(q)
        for p in self.populations:
            for m in p.mechanisms:
                for name in m.wants():
                    if name not in self.blocks[p.name]:
                        raise BuildError(
                            f"{m.name} on {p.name!r} needs the signal {name!r}, which nothing here provides"
                            f"{nearest(name, self.blocks[p.name].signals)}; {p.name!r} has "
                            f"{sorted(self.blocks[p.name].signals)}"
                        )
        self.engine.refresh_addresses()
        self.engine.choose_hooks(self.blocked)

    # ------------------------------------------------------------------ time

    @property
    def spike(self) -> float:
        """Spike time since the start, ms."""
        return self.engine.elapsed

    @property
    def life(self) -> float:
        """Life time, ms."""
        return self.spike * self.acceleration

    def run_until_spike(self, stop: float) -> None:
        """Run to spike time `stop` (ms since the start), ticks included."""
        while True:
            next_tick = (self.n_tick + 1) * self.tick_spike
            # a stop meant to be a tick is a tick
            if next_tick > stop + min(slack(stop), 1e-3 * self.tick_spike):
                break
            self.engine.run_until(next_tick)
            self._do_tick()
        if stop > self.spike:
            self.engine.run_until(stop)

    # ------------------------------------------------------------------ a tick

    def block(self, where: str, mechanism: str, on: bool = True) -> None:
        """Block a mechanism of a projection or population, or release it: its phases, and its hooks on synapses."""
        (self.blocked.add if on else self.blocked.discard)((where, mechanism))
        if not on and (where, mechanism) in self._unprepared:
            self._unprepared.discard((where, mechanism))
            place = self.network.projections.get(where) or self.network.populations[where]
            view = self.views.get(where) or self.neuron_views[where]
            for m in self.used[where]:
                if m.name == mechanism:
                    m.prepare(view)
                    if isinstance(place, Projection):
                        self._tell(place, m)
            if isinstance(place, Projection):
                self._decide(place)
                self.refresh_weights(place)
        elif where in self.network.projections:
            self._decide(self.network.projections[where])
        self.engine.choose_hooks(self.blocked)

    def _decide(self, q: Projection) -> None:
        """What mechanisms settle for a projection together: whether sizes may kill, and who moves the weights."""
        columns = frozenset(self.tables[q.name].column_names)
        self.views[q.name].mortal = not any(m.forbids_deaths() for m in self._active(q.name))
        self.integrated[q.name] = any(m.writes_weight(columns) for m in self.used[q.name] if self._prepared(q.name, m))

    def take_counts(self) -> dict[str, I8]:
        """Spike counts of every cell since the last tick, by population; they begin anew."""
        return dict(zip(self.network.populations, self.engine.take_counts(), strict=True))

    def counts(self) -> dict[str, I8]:
        """The same; they go on."""
        r, places = self.engine.state.record, self.network.populations.values()
        return {p.name: r.count[f : f + p.n].copy() for f, p in zip(r.first, places, strict=True)}

    def _phase(self, name: str) -> None:
        """One phase of all mechanisms, those of populations first."""
        for p in self.populations:
            for m in self._active(p.name):
                asked(m, name, self.neuron_views[p.name])
        for q in self.projections:
            for m in self._active(q.name):
                self.ask(q, m, name)

    def _do_tick(self) -> None:
        self._ticking = True
        try:
            self._tick()
        except BaseException:
            if self.ranks is not None:
                self.ranks.fail()
            raise
        finally:
            self._ticking = False

    def _tick(self) -> None:
        self.engine.together()
        self.n_tick += 1
        c = self.clock
        c.tick, c.life, c.spike = self.n_tick, self.n_tick * self.tick, self.start + self.n_tick * self.tick_spike
        counts = self.unrecorded = self.take_counts()
        for name, k in counts.items():
            self.blocks[name]["rate_hz"][:] = rate_hz(k, self.tick_spike)
        projections = self.projections
        for q in projections:
            if q.plastic:
                self.tables[q.name].keep_slots()  # listed once for all phases
        for name in ("signals", "add", "advance"):
            self._phase(name)
        self._check_finite()
        gone = self._decide_fates()
        applied = {}
        for q in projections:
            if q.plastic or q.name in gone:
                applied[q.name] = self.apply_plans(q, gone.get(q.name, []) + self._wishes(q))
            if q.plastic or q.name in gone or "scaling" in self.blocks[q.target.name]:
                self.refresh_weights(q)  # of spines
        self._phase("settle")
        self._check_finite(all_of_them=False)  # what was read off columns since
        self.engine.refresh_addresses()
        self.engine.set_budget(self.events_per_tick)
        report = TickReport(
            self.n_tick, c.life, counts, applied, {k: v.take() for k, v in self.logs.items()},
            {k: v.take() for k, v in self.neuron_logs.items()},
        )  # fmt: skip
        if self.ranks is not None:
            beside = self.blocks if self.engine.split else {}  # whole projections give all ranks the same
            self.ranks.compare(f"of tick {self.n_tick}", said(report, self.engine.uids.next, beside))
        for listener in self.listeners:
            listener.on_tick(self, report)
        self.unrecorded = None

    def _wishes(self, q: Projection) -> list[Plan]:
        """What mechanisms propose for a projection."""
        found = []
        for m in self._active(q.name):
            plan = proposed(m, self.views[q.name], Plan)
            self._tell(q, m)
            if plan is None and q.name in self.engine.split:
                plan = Plan(m.name)  # as many on all ranks, if only to say nothing
            found += [plan] if plan is not None else []
        return found

    def _check_finite(self, all_of_them: bool = True) -> None:
        """Before anybody dies or is born of it, and before it is recorded: what mechanisms wrote are numbers."""
        projections = self.projections
        for p in self.populations:
            beside = [m for q in projections if p in (q.source, q.target) for m in q.mechanisms]
            check_signals(self.blocks[p.name], (*p.mechanisms, *beside), self.clock.life)
            if all_of_them and not p.is_drive:
                e = self.engine
                first = int(e.state.neurons.first[p.index])
                u, cells = e.state.neurons.u[first : first + p.n], e.cells.get(p.index)
                check_neurons(self.blocks[p.name], p.model, u, cells, self.clock.life)
        failed: SimulationError | None = None
        for q in projections:
            if q.plastic and failed is None:
                try:
                    check_columns(q.name, self.tables[q.name], q.mechanisms, self.clock.life, all_of_them)
                except SimulationError as e:
                    failed = e
        self._all_or_none(failed)

    # ------------------------------------------------------------------ looking

    def sampled(self, population: str, signal: str, cells: I8) -> F8:
        """A signal of some cells of a population as it stands now, (n,).

        ``"V"`` is the potential, mV, and ``"V_3"`` that of compartment 3 of a tree.
        What is kept as of the last spike is brought to the present, and nothing of it is changed; what ticks compute
        (rates, elements) is that of the last whole tick.
        """
        self.engine.together()
        if signal == "V":
            return self.engine.potential(population, cells)
        if signal in compartment_signals(self.network.populations[population].model):
            return self.engine.potential(population, cells, int(signal.removeprefix("V_")))
        index = self.network.populations[population].index
        now = self.engine.kept_lazily(index, signal, neurons=True)
        return np.asarray((self.blocks[population][signal] if now is None else now)[cells])

    def sampled_synapses(self, projection: str, column: str, slots: I8) -> F8:
        """A column, or the ``"weight"``, of some synapses of a projection as it stands now, (n,)."""
        self.engine.together()
        self.check_whole(projection)
        table, index = self.tables[projection], list(self.network.projections).index(projection)
        if column == "weight":
            return np.asarray(table.weight[slots], dtype=np.float64)
        now = self.engine.kept_lazily(index, column)
        return np.asarray((table.column(column) if now is None else now)[slots])

    def state(self, projection: str) -> Mapping[str, NDArray[Any]]:
        """All columns of the living synapses as they are now, for a snapshot; what is split is asked of all ranks."""
        self.engine.together()
        table = self.tables[projection]
        out, here = table.state(), list(self.network.projections).index(projection)
        for name in table.column_names:
            now = self.engine.kept_lazily(here, name)
            if now is not None:
                out[name] = now[table.slots()]
        if projection in self.engine.split and self.ranks is not None:
            if table.consecutive:
                self.check_whole(projection, "its synapses cannot be told")
            return Shares(out, self.ranks)
        return out

    # ------------------------------------------------------------------ neurons

    def _decide_fates(self) -> dict[str, list[Plan]]:
        """Neurons die and are born; returns the synapses that go with them, by projection."""
        gone: dict[str, list[Plan]] = {}
        for p in self.populations:
            self.blocks[p.name].clear_absent()
            plans = [proposed(m, self.neuron_views[p.name], NeuronPlan) for m in self._active(p.name)]
            for name, plan in self._apply_neuron_plans(p, [x for x in plans if x is not None]):
                gone.setdefault(name, []).append(plan)
        return gone

    def _apply_neuron_plans(self, p: Population, plans: list[NeuronPlan]) -> list[tuple[str, Plan]]:
        """Merge and apply neuron plans now, and log them; returns the removals they ask of projections."""
        if not plans:
            return []
        for plan_of_one in plans:
            self.causes.check(plan_of_one.mechanism, plan_of_one.death_cause)
        block, life, log = self.blocks[p.name], self.life, self.neuron_logs[p.name]
        merged = merge_neurons(plans, block.alive, block.unborn)
        out = []
        if merged.died.size:
            block.alive[merged.died], block.died[merged.died] = False, life
            fate.kill(self.engine, p.index, merged.died)
            log.append(self.n_tick, DEATH, merged.died, merged.cause, merged.value)
            if not self._ticking:
                self.neuron_moments[p.name].note(merged.died, DEATH, life)
            for q in self.projections:
                table, marks = self.tables[q.name], np.zeros(p.n, dtype=bool)
                for cause in np.unique(merged.cause):
                    marks[:] = False
                    marks[merged.died[merged.cause == cause]] = True
                    if q.source is p or q.target is p:
                        plan = removal(table, marks if q.source is p else None, marks if q.target is p else None, cause)
                        if q.name in self.engine.split and self.ranks is not None and self.ranks.any(plan is not None):
                            plan = plan or Plan("neuron fate")
                        out += [(q.name, plan)] if plan is not None else []
        if merged.born.size:
            block.alive[merged.born], block.born[merged.born] = True, life
            fate.wake(self.engine, p.index, merged.born)
            for m in acting(self.used[p.name]):
                if self._prepared(p.name, m):
                    asked(m, "born", self.neuron_views[p.name], merged.born)
            ages: F8 | float = np.nan
            if "synapses_from" in block:
                ages = (block["synapses_from"][merged.born] - life) / day
            log.append(self.n_tick, BIRTH, merged.born, cause_code("neurogenesis"), ages)
            if not self._ticking:
                self.neuron_moments[p.name].note(merged.born, BIRTH, life)
        block.clear_absent()
        return out

    def kill_neurons(self, p: Population, neurons: I8, cause: str) -> None:
        """Let living neurons die now, with all that belongs to them, of a named cause."""
        self.engine.together()
        self.check_mortal(p)
        code = np.full(neurons.size, cause_code(cause), dtype=np.uint8)
        for name, plan in self._apply_neuron_plans(p, [NeuronPlan(cause, neurons, code)]):
            self._carry_out(self.network.projections[name], [plan])


def said(report: TickReport, next_uid: int, blocks: Mapping[str, NeuronBlock]) -> bytes:
    """What a tick came to, in few bytes: counts, births and deaths, and the signals of some populations."""
    digest = blake2b(str(next_uid).encode(), digest_size=16)
    for counts in report.counts.values():
        digest.update(counts.tobytes())
    for batch in (*report.logs.values(), *report.neurons.values()):
        for column in batch:
            digest.update(np.ascontiguousarray(column).tobytes())
    for block in blocks.values():
        for values in block.signals.values():
            digest.update(values.tobytes())
    return digest.digest()


def proposed(m: Mechanism, view: Any, form: type[P]) -> P | None:
    """What a mechanism proposes: a plan of the kind that its level asks for, or None.

    Raises
    ------
    SimulationError
        For anything else.
    """
    plan = asked(m, "propose", view)
    if plan is not None and not isinstance(plan, form):
        raise SimulationError(
            f"{m.name}.propose on {view.name!r} must return a {form.__name__} or None, got {plan!r:.60}"
        )
    return plan
