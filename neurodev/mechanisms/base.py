"""The contract of a mechanism: one idea, its parameters, its columns, a few short rules.

A mechanism *owns* columns (it integrates them), *adds* to drive columns that somebody else owns and clears,
and *reads* columns and signals.  It never edits the structure: it proposes a `Plan`.  At a tick every driver
calls, for all mechanisms, one phase after the other::

    signals -> add -> advance -> propose -> (merged plan, `born`, weights refreshed) -> settle -> recording

Between ticks a mechanism with hot hooks sees every arrival and every spike (`Hot`).  A hook is a
C function ``hook(record, a, b, c, d, t)``, so that every hook has one signature for ever; `record` is an address, by
which it finds everything through the doors of `mechanisms/hooks.py`:

==========  =========================================================================
on_release  as on_pre, before the row is delivered; pre trace 0 then says how much
on_pre      a = source, b = lane, slots c <= slot < d of that row, t = arrival time
on_post     a = target neuron, t = its spike time (b, c, d unused)
==========  =========================================================================

A mechanism of a population has `on_post` only: it finds its signals and no synapses.  Times are
relative to an epoch that the engine moves; ``t - base`` of a trace with an infinite time constant is the spike time
since the start.

Traces are kept rescaled, ``X = x exp((t - base) / tau)``, so that one exponential per row replaces one per
synapse; the event loop moves the bases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev import jit, params, rng
from neurodev.arrays import B1, F8, I8
from neurodev.errors import BuildError, ParameterError, shown
from neurodev.noise import normals_of, uniforms_of
from neurodev.registry import Registered, word_of
from neurodev.structure import plan as plans
from neurodev.structure.cause import Cause, declare
from neurodev.structure.plan import NeuronPlan, Plan
from neurodev.units import day, hour, minute

if TYPE_CHECKING:
    from neurodev.structure.table import Table


Kept = TypeVar("Kept")

SET_POINT = "sd"  # unit of the terms that shift the set-point of size


@dataclass(frozen=True)
class Hot:
    """The hot half of a mechanism, as the event loop wants it.

    Attributes
    ----------
    on_pre, on_post : hook or None
        Functions decorated with `neurodev.jit.hook`.
    parameters : NamedTuple of float
        What the hooks read by name (``hooks.parameters_of(record, type)``): the order of its fields is the layout.
    columns : tuple of str
        The table columns that the hooks know by number (``hooks.column_of``); all must exist.  Of a population: its
        signals (``hooks.signal_of``).
    pre_traces, post_traces : tuple of float
        Time constants (ms) of the traces per (source, lane) and per target neuron.
    kinds : tuple of NamedTuple of float
        Parameters that come several times, all of one type (``hooks.kind_of(record, k, type)``).
    catch_up : hook or None
        Of a mechanism that keeps `columns` as of the last event of each synapse or neuron: brings all of them to the
        time t, by the closed form that its other hooks use.  Called with (record, 0, 0, 0, 0, t) when somebody asks
        what they are now; it writes `columns` and weights, nothing else.
    on_release : hook or None
        Called before a row is delivered, once for each spike, also where the row is empty.  Pre trace 0 of the row,
        whose time constant must be infinite, then holds the factor by which its weights act (`hooks.release`).
    """

    on_pre: jit.Hook | jit.CompiledHook | None
    on_post: jit.Hook | jit.CompiledHook | None
    parameters: tuple[float, ...]
    columns: tuple[str, ...]
    pre_traces: tuple[float, ...] = ()
    post_traces: tuple[float, ...] = ()
    kinds: tuple[tuple[float, ...], ...] = ()
    catch_up: jit.Hook | jit.CompiledHook | None = None
    on_release: jit.Hook | jit.CompiledHook | None = None

    @property
    def rows_only(self) -> bool:
        """Whether it releases and no hook looks at synapses: the table then may keep less of them."""
        others = (self.on_pre, self.on_post, self.catch_up)
        return self.on_release is not None and all(hook is None for hook in others)

    def __post_init__(self) -> None:
        for given in (self.parameters, *self.kinds):
            if not hasattr(given, "_fields"):
                raise BuildError(
                    f"the parameters of hooks must be a NamedTuple, whose fields they read by name, got {given!r}"
                )
        for hook in (self.on_pre, self.on_post, self.catch_up, self.on_release):
            compiled = isinstance(hook, jit.CompiledHook) and hook.kind == "hook"
            if hook is not None and not (compiled if jit.ENABLED else callable(hook)):
                raise BuildError(f"a hook must be a function decorated with neurodev.jit.hook, got {shown(hook, 60)}")
        for tau in (*self.pre_traces, *self.post_traces):
            if not isinstance(tau, (int, float)) or not tau > 0:
                raise BuildError(f"a trace needs a time constant > 0 ms (inf: it never decays), got {tau!r}")
        if self.on_release is not None and self.pre_traces[:1] != (float("inf"),):
            raise BuildError(
                "on_release leaves its factor in pre trace 0, which must not decay: begin pre_traces with infinity, "
                f"got {self.pre_traces!r}"
            )
        types = sorted({type(k).__name__ for k in self.kinds})
        if len(types) > 1:
            raise BuildError(f"the kinds of a Hot must be of one type, got {types}")


@dataclass
class NeuronBlock:
    """The signals of one population: one named float64 row per signal (n_neuron), and who lives.

    Attributes
    ----------
    n : int
        Neurons that have a place, dead and unborn ones included.
    room : int
        How many of them, the last, are unborn at the start.
    alive : (n,) bool
    born, died : (n,) float64, life ms
        NaN where it has not happened.

    Examples
    --------
    >>> block = NeuronBlock(5, room=2)
    >>> block.add("rate_hz").shape, block.alive.sum()
    ((5,), np.int64(3))
    """

    n: int
    signals: dict[str, F8] = field(default_factory=dict)
    name: str = ""
    room: int = 0

    def __post_init__(self) -> None:
        self.alive = np.arange(self.n) < self.n - self.room
        self.born: F8 = np.where(self.alive, 0.0, np.nan)
        self.died: F8 = np.full(self.n, np.nan)
        self._fill: dict[str, float] = {}

    def __getitem__(self, name: str) -> F8:
        return self.signals[name]

    def __contains__(self, name: str) -> bool:
        return name in self.signals

    def add(self, name: str, fill: float = 0.0) -> F8:
        """The signal `name`, created with `fill` on first use."""
        if name not in self.signals:
            self.signals[name] = np.full(self.n, fill)
            self._fill[name] = fill
        return self.signals[name]

    @property
    def unborn(self) -> B1:
        """Places that no neuron has had yet, (n,)."""
        return np.isnan(self.born)

    def clear_absent(self) -> None:
        """Give the signals of the dead and the unborn their fill values."""
        if not self.alive.all():
            for name, values in self.signals.items():
                values[~self.alive] = self._fill.get(name, 0.0)

    def ready(self, signal: str, life: float) -> B1:
        """Who lives and, where the signal (a life time, ms) exists, has reached it: (n,)."""
        return self.alive & (self.signals[signal] <= life) if signal in self.signals else self.alive


@dataclass
class Clock:
    """Where a run stands: both times in ms, the length of a tick on both clocks, and its index.

    Examples
    --------
    >>> clock = Clock(tick=12, life=1 * day, tick_life=2 * hour)
    >>> round(float(clock.chance(0.5)), 4)
    0.0408
    """

    tick: int = 0
    life: float = 0.0
    spike: float = 0.0
    tick_life: float = 2 * hour
    tick_spike: float = 1 * minute

    def chance(self, hazard: ArrayLike) -> Any:
        """Probability that what has a hazard (1/day; a number, or one for each of n) happens within a tick."""
        return -np.expm1(-np.asarray(hazard, dtype=np.float64) * self.tick_life / day)


@dataclass
class SynapseView:
    """What a synapse-level mechanism may see of one projection.

    Attributes
    ----------
    name : str
        Name of the projection.
    table : Table
        The synapse table; mechanisms write columns they own, never its topology.
    target, source : NeuronBlock
        Signals of both populations; always present: ``"rate_hz"``, the mean of the last tick.
    clock : Clock
        Both clocks.
    reference_volume : float
        V0, um3.
    weight_gain, silent_volume : float
        Of the weight map: mV per um3, um3.
    source_positions, target_positions : (n, 2) float64, um
    wiring : object
        The wiring rule of the projection (births ask it for partners).
    mortal : bool
        Whether sizes may decide deaths; the build says no where a mechanism forbids them
        (`Mechanism.forbids_deaths`).
    own : (int, int), optional
        First target, and the one behind the last, whose synapses the table has; None where it has those of all
        (`Mechanism.reach`).
    catch_up : callable
        ``catch_up(name)`` brings what a mechanism keeps as of the last event (`Hot.catch_up`) to the present.

    Examples
    --------
    >>> sim.run(1 * day)
    >>> view = sim.simulator.views["retina_exc"]
    >>> slots = view.slots()
    >>> small = slots[view.table.column("log_size")[slots] < -1.0]
    >>> gone = small[view.uniforms("fading", small) < view.clock.chance(0.5)]
    >>> view.deaths("Fading", gone, "fluctuation").mechanism
    'Fading'
    """

    name: str
    table: Table
    source: NeuronBlock
    target: NeuronBlock
    clock: Clock
    seed: int
    reference_volume: float = 0.05
    weight_gain: float = 0.0
    silent_volume: float = 0.0
    source_positions: F8 | None = None
    target_positions: F8 | None = None
    wiring: Any = None
    same_population: bool = False
    multapses: bool = False
    mortal: bool = True
    own: tuple[int, int] | None = None
    catch_up: Callable[[str], None] = field(default=lambda mechanism: None, repr=False)
    _kept: dict[type, Any] = field(default_factory=dict, repr=False)

    def key(self, mechanism: str) -> np.uint64:
        """Stream key of a mechanism's counter-based draws on this projection."""
        return rng.key(self.seed, self.name, mechanism)

    def kept(self, kind: type[Kept]) -> Kept:
        """What mechanisms keep on this projection from one phase to a later one: the one object of a class of theirs.

        It is made by ``kind()`` on first use.  Checkpoints keep its attributes: numbers, words, arrays, lists and
        dictionaries of these; unless the class says ``made_again = True``, because it is made anew where it is missing.
        """
        if kind not in self._kept:
            self._kept[kind] = kind()
        found: Kept = self._kept[kind]
        return found

    def slots(self) -> I8:
        """All live slots, in row order."""
        return self.table.slots()

    def here(self, targets: I8) -> I8:
        """Those of some targets, (n,), whose synapses the table has: all, but where ranks have a share each."""
        if self.own is None:
            return targets
        return targets[(targets >= self.own[0]) & (targets < self.own[1])]

    def uniforms(self, purpose: str, slots: I8) -> F8:
        """A number in (0, 1) for each of some synapses, (n,), at this tick.

        It is a pure function of seed, projection, `purpose`, uid and tick: the same whatever the order of slots, the
        number of threads and what others draw, and where a run is broken off and gone on with.
        """
        return uniforms_of(self.key(purpose), self.table.uid_of(slots), self.clock.tick)

    def normals(self, purpose: str, slots: I8) -> F8:
        """A standard normal for each of some synapses, (n,), at this tick; drawn as `uniforms` are."""
        return normals_of(self.key(purpose), self.table.uid_of(slots), self.clock.tick)

    def deaths(
        self, mechanism: str, slots: ArrayLike, cause: str, value: ArrayLike | None = None,
        terms: dict[str, ArrayLike] | None = None,
    ) -> Plan:  # fmt: skip
        """The plan by which `propose` asks for deaths.

        Parameters
        ----------
        mechanism : str
            Who asks: ``self.name``.
        slots : (n,) int
            Living synapses, out of `slots()`.
        cause : str
            A word that the mechanism declares (`Mechanism.causes`).
        value : float or (n,) float, optional
            The number that decided each, for the log; by default its size ln(V/V0), where synapses have one.
        terms : dict of str to (n,) float, optional
            Further numbers that decided, of those that the mechanism declares (`Mechanism.terms`).
        """
        plan = plans.deaths(mechanism, slots, cause, value)
        if value is None and "log_size" in self.table.column_names:
            plan.death_value = self.table.column("log_size")[plan.deaths].astype(np.float32)
        plan.terms = {name: np.asarray(numbers, dtype=np.float32) for name, numbers in (terms or {}).items()}
        return plan


@dataclass
class NeuronView:
    """What a neuron-level mechanism may see of one population.

    Examples
    --------
    >>> view = sim.simulator.neuron_views["exc"]
    >>> low = np.flatnonzero(view.block.alive & (view.block["rate_hz"] < 0.1))
    >>> gone = low[view.uniforms("fate", low) < view.clock.chance(0.2)]
    >>> view.deaths("Fate", gone, "neuron_death", 0.2).n_born
    0
    """

    name: str
    block: NeuronBlock
    clock: Clock
    seed: int

    def key(self, mechanism: str) -> np.uint64:
        """Stream key of a mechanism's counter-based draws on this population."""
        return rng.key(self.seed, self.name, mechanism)

    def uniforms(self, purpose: str, neurons: I8 | None = None) -> F8:
        """A number in (0, 1) for each of some neurons (default: all), (n,), at this tick.

        A pure function of seed, population, `purpose`, neuron and tick, as those of synapses are.
        """
        who = np.arange(self.block.n) if neurons is None else np.asarray(neurons)
        return uniforms_of(self.key(purpose), who.astype(np.uint64), self.clock.tick)

    def deaths(self, mechanism: str, neurons: ArrayLike, cause: str, value: ArrayLike | None = None) -> NeuronPlan:
        """The plan by which `propose` asks for deaths of neurons, with all that belongs to them.

        Parameters
        ----------
        mechanism : str
            Who asks: ``self.name``.
        neurons : (n,) int
            Their indices.
        cause : str
            A word that the mechanism declares (`Mechanism.causes`), or ``"neuron_death"``.
        value : float or (n,) float, optional
            The hazard (1/day) of each, for the log.
        """
        plan = plans.deaths(mechanism, neurons, cause, value, "neurons")
        return NeuronPlan(mechanism, plan.deaths, plan.death_cause, plan.death_value)


@dataclass(frozen=True)
class Mechanism(Registered, kind="mechanism"):
    """Base of all mechanisms; override only what your idea needs.

    Attributes
    ----------
    level : {"synapse", "neuron"}
        What it is used on: a projection or a population.
    owns, adds, reads : tuple of str
        Columns (or neuron signals) it integrates, adds to, and looks at.  A second owner is refused at build.
    equation : str
        What `neurodev show NAME` prints.
    causes : dict of str to Cause
        Why it lets synapses (or neurons) die and be born, by the words under which plans name it; those of its bases
        count too.  A mechanism that adds to ``drive_x`` or ``step_x`` declares the cause ``x``: a spine whose
        set-point it lowered most dies of it.
    terms : dict of str to str
        Unit of each number that a death of its plans carries (`Plan.terms`).  A column that moves sizes (``drive_x``,
        ``step_x``) is a term ``x`` of itself.
    static : bool
        Whether it leaves every synapse as it is, and acts on what rows deliver alone (`Hot.on_release`): its table is
        then kept as that of a projection without mechanisms.
    reach : {"all", "target"}
        What its phases ask of a projection.  "target": what becomes of a synapse, and who is born onto a target,
        follows from the synapses onto that target and from signals; draws are keyed by uid or neuron, births of a plan
        follow each other by target, and what is kept of synapses from tick to tick lies in columns.  Ranks may then
        have a share of the synapses each (``split=True``); signals of targets that it names among what it owns or adds
        to are told by whoever has their synapses.  A subclass must say it again.

    Examples
    --------
    >>> nd.STDP().name, isinstance(nd.STDP(), nd.Mechanism)
    ('STDP', True)
    """

    level: ClassVar[str] = "synapse"
    owns: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    equation: ClassVar[str] = ""
    causes: ClassVar[dict[str, Cause]] = {}
    terms: ClassVar[dict[str, str]] = {}
    static: ClassVar[bool] = False
    reach: ClassVar[str] = "all"

    def __init_subclass__(cls, **more: Any) -> None:
        cls.reach = vars(cls).get("reach", "all")  # a subclass may do anything
        cls._check_declared()  # a class that is refused is not made known
        declare(cls)
        super().__init_subclass__(**more)

    @classmethod
    def _check_declared(cls) -> None:
        """Refuse what a class declares in another form than the one asked for: a string is a tuple of its letters."""
        if cls.level not in ("synapse", "neuron"):
            raise ParameterError(f"{cls.__name__}.level must be 'synapse' or 'neuron', got {cls.level!r}")
        if cls.reach not in ("all", "target"):
            raise ParameterError(f"{cls.__name__}.reach must be 'all' or 'target', got {cls.reach!r}")
        for verb in ("owns", "adds", "reads"):
            names = getattr(cls, verb)
            if not isinstance(names, tuple) or not all(isinstance(n, str) and n for n in names):
                cure = f" as in {verb} = ({names!r},)" if isinstance(names, str) else ""
                raise ParameterError(f"{cls.__name__}.{verb} must be a tuple of names{cure}, got {names!r}")
        if not isinstance(cls.terms, dict) or not all(isinstance(x, str) for pair in cls.terms.items() for x in pair):
            raise ParameterError(f"{cls.__name__}.terms must give a unit to each name of a number, got {cls.terms!r}")

    def __post_init__(self) -> None:
        params.check(self)

    @property
    def name(self) -> str:
        """The word by which plans, logs and studies call this mechanism."""
        return type(self).__name__

    def columns(self) -> dict[str, float]:
        """Columns (or signals) to create, each with its fill value."""
        return {}

    def plain_columns(self) -> dict[str, float]:
        """As `columns`, for a projection without spines, where there are no set-points to drive."""
        return {k: v for k, v in self.columns().items() if not k.startswith("drive_")}

    def fastest_life_time(self) -> float:
        """Fastest time constant on the life clock, ms; the tick may be at most a fifth of it."""
        return float("inf")

    def hot(self, columns: frozenset[str]) -> Hot | None:
        """The hot hooks, given the names of all columns of the projection."""
        return None

    def writes_weight(self, columns: frozenset[str]) -> bool:
        """Whether it integrates the weight itself, given the names of all columns of the projection; one may."""
        return "weight" in self.owns

    def sets_weight(self, columns: frozenset[str]) -> bool:
        """Whether weights are read off a column of its own, so that a weight given to a newborn would be lost."""
        return False

    def forbids_deaths(self) -> bool:
        """Whether, while it is used, sizes on its projection must not decide deaths."""
        return False

    def birth_size(self) -> float:
        """Mean ln(V/V0) of a newborn, for the log; of the mechanism that owns ``log_size``."""
        return 0.0

    def wants(self) -> tuple[str, ...]:
        """Signals of the own population that must exist once everything is prepared, whoever provides them."""
        return ()

    def prepare(self, view: Any) -> None:
        """Initialise owned columns at build."""

    def signals(self, view: Any) -> None:
        """First phase of a tick: turn what the hot hooks gathered into signals."""

    def add(self, view: Any) -> None:
        """Second phase: add to drive columns."""

    def advance(self, view: Any) -> None:
        """Third phase: integrate owned columns over the tick."""

    def propose(self, view: Any) -> Plan | NeuronPlan | None:
        """Fourth phase: ask for deaths and births (of neurons, where the mechanism is used on a population)."""
        return None

    def settle(self, view: Any) -> None:
        """Last phase of a tick: what follows once deaths and births were applied, everywhere."""

    def born(self, view: Any, slots: I8) -> None:
        """After births were applied: give owned columns (or signals) of the newborn synapses (neurons) their values."""

    def approximations(self, tick: float) -> list[str]:
        """One sentence for everything that is not exact about it, with ticks of `tick` ms of life."""
        return []

    def aims_hz(self) -> float | None:
        """The rate that it holds its neurons to, Hz; None where it holds none."""
        return None

    def mean_release(self, rate_hz: float) -> float:
        """Mean factor by which it scales what a source of Poisson spikes of such a rate delivers (`Hot.on_release`)."""
        return 1.0

    def refusal(self, inhibitory: bool, spines: bool) -> str:
        """Why it cannot act on a projection whose source is inhibitory, or which has no spines; empty if it can."""
        return ""

    def describe(self) -> dict[str, Any]:
        """Kind and parameters as plain data, for provenance."""
        return {"kind": word_of(type(self)), **params.asdict(self)}


def terms_of(mechanisms: Iterable[Mechanism], columns: Iterable[str]) -> dict[str, str]:
    """Unit of each number that may decide a death on a projection, by its name, sorted.

    What moves sizes there (a column ``drive_x`` or ``step_x``) is a term ``x`` with the unit ``"sd"``.
    """
    found: dict[str, str] = {}
    for m in mechanisms:
        found |= m.terms
    found |= {c.partition("_")[2]: SET_POINT for c in columns if c.startswith(("drive_", "step_"))}
    return dict(sorted(found.items()))


def check_owners(where: str, mechanisms: tuple[Mechanism, ...], present: frozenset[str] = frozenset()) -> None:
    """Refuse a second owner of a column, and a reader of a column that nobody owns.

    Raises
    ------
    BuildError
        With both names, the column and the cure.
    """
    owner: dict[str, str] = {}
    for m in mechanisms:
        for column in m.owns:
            if column in owner:
                raise BuildError(
                    f"{where}: column {column!r} has two owners, {owner[column]} and {m.name}; use one of them"
                )
            owner[column] = m.name
    for m in mechanisms:
        for column in m.reads:
            if column not in owner and column not in present:
                raise BuildError(
                    f"{where}: {m.name} reads {column!r}, which no mechanism here owns; "
                    f"add the mechanism that owns it (owned now: {sorted(owner) or 'nothing'})"
                )


def check_writers(where: str, mechanisms: tuple[Mechanism, ...], columns: frozenset[str]) -> None:
    """Refuse a second mechanism that integrates the weight, as a second owner of any column.

    Raises
    ------
    BuildError
        With both names.
    """
    writers = [m.name for m in mechanisms if m.writes_weight(columns)]
    if len(writers) > 1:
        raise BuildError(
            f"{where}: 'weight' has two owners, {' and '.join(writers)}; use one of them (with spines and SpineSize "
            "rules may act together, each through a drive of the set-point)"
        )
