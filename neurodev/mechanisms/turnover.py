"""Births of synapses, and (for the immigration-death model) deaths at a constant hazard.

    b(t) = late + early exp(-t / early_tau)      births per target neuron and day

The number in a tick is Poisson with the exact integral of b (less those that the constant hazard removes within the
tick).  Each newborn draws its partner from the projection's wiring kernel among the sources its target has no contact
with, which is the law of redrawing until a free one is met (any source, if several contacts per pair are allowed), and
its lane uniformly.  A target that is in contact with all its possible sources proposes an occupied pair, so that the
merge counts the refusal.  Draws are keyed by (target, tick).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8, U1, U4, Int
from neurodev.errors import BuildError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.noise import uniforms_of
from neurodev.params import asks, finite, param
from neurodev.rng import uniform
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.plan import Plan
from neurodev.structure.store import InLists
from neurodev.units import day

MOST = 1000  # births of one target in a tick: the Poisson law by inversion needs exp(-mean) > 0
FREE, TAKEN, UNABLE = 0, 1, 2  # states of a source as a partner of one target
_ROOM = np.uint64(1024)  # draws of a target in a tick: one for the number, one for each birth (more than MOST)
_LANE = np.uint64(64)  # the draws of lanes are those of a stream that differs in this bit
_DENSE = 1 << 22  # entries of the kernel matrix that are kept whole
_LISTED = 1 << 25  # entries of its lists of candidates that are kept (12 bytes each); beyond, blocks are computed anew
_FAR = np.uint64(128)  # and those among far sources differ in this one
_NEGLIGIBLE = 1e-12  # of a target's best source: less likely sources are left out of its list (beyond 7.4 sigma)


class Candidates(NamedTuple):
    """Possible partners of each target: those of target j are the entries ``start[j] <= k < start[j + 1]``."""

    start: I8
    """(n_target + 1,)"""
    source: U4
    """(n_entry,)"""
    affinity: F8
    """(n_entry,), relative probabilities"""


@dataclass
class Partners:
    """The wiring kernel of a projection as births keep it: whole, as lists, or (both None) computed when wanted."""

    made_again: ClassVar[bool] = True
    whole: F8 | None = None
    """(n_target, n_source), from the target `first` on"""
    first: int = 0
    lists: Candidates | None = None
    far: bool = False
    """Whether sources are so far away that their density is no number any more, only its logarithm."""


class Births(NamedTuple):
    """The births of a tick, (n,) each."""

    source: I8
    target: I8
    lane: I8


@kernel
def draw_numbers(stream: np.uint64, tick: np.uint64, mean: F8, number: I8) -> None:
    """Poisson numbers of births, (n_target,), of the given means (n_target,), by inversion."""
    for j in range(number.shape[0]):
        u = uniform(stream, np.uint64(j) * _ROOM, tick)
        p = np.exp(-mean[j])
        below = p
        m = 0
        while u > below and m < MOST:
            m += 1
            p *= mean[j] / m
            below += p
        number[j] = m


@rule
def part(source: U4 | None, first: Int, last: Int) -> U4 | None:
    """The sources of the entries ``first <= k < last``; None where every source has its entry."""
    if source is None:
        return None
    return source[first:last]


@rule
def source_of(source: U4 | None, k: Int) -> Int:
    """The source of the k-th entry of a target."""
    if source is None:
        return k
    return np.int64(source[k])


@rule
def pick(source: U4 | None, affinity: F8, state: U1, u: float) -> Int:
    """Draw a partner of one target, or -1 if no source is possible at all.

    Taken sources come last: one of them is drawn only where no other is left.

    source, affinity : (n_entry,), of this target;  state : (n_source,), FREE, TAKEN or UNABLE;  u : a uniform
    """
    free, all_of_them = 0.0, 0.0
    for k in range(affinity.shape[0]):
        a = source_of(source, k)
        all_of_them += affinity[k] if state[a] < UNABLE else 0.0
        free += affinity[k] if state[a] == FREE else 0.0
    chosen: Int = -1
    if all_of_them <= 0.0:
        return chosen
    full = free <= 0.0
    left, most = u * (all_of_them if full else free), TAKEN if full else FREE
    for k in range(affinity.shape[0]):
        a = source_of(source, k)
        if state[a] <= most and affinity[k] > 0.0:
            chosen = a
            left -= affinity[k]
            if left <= 0.0:
                break
    return chosen


@kernel
def draw_partners(
    stream: np.uint64, tick: np.uint64, number: I8, entries: I8, source: U4 | None, affinity: F8, state: U1,
    n_lane: int, single: bool, lists: InLists, out: Births,
) -> int:  # fmt: skip
    """Draw the partners of the births of some targets; returns how many births there are.

    Parameters
    ----------
    number : (n,) int64
        Births of each of them.
    entries : (3, n) int64
        Which targets they are, and where the entries of each begin and end.
    source, affinity : (n_entry,)
        Without `source`, every source has an entry of every target.
    state : (n_source,)
        UNABLE where a source may have no new synapse, else FREE; TAKEN in between.
    single : bool
        One contact a pair.
    out : Births
        Filled.
    """
    n, n_source = 0, state.shape[0]
    for i in range(number.shape[0]):
        j, begin, first, last = entries[0, i], n, entries[1, i], entries[2, i]
        mine, near = part(source, first, last), affinity[first:last]
        if single:
            for k in range(lists.start[j], lists.start[j] + lists.length[j]):
                a = lists.row[k] % n_source
                state[a] = max(state[a], TAKEN)
        for b in range(number[i]):
            key = np.uint64(j) * _ROOM + np.uint64(b + 1)
            u = uniform(stream, key, tick)
            chosen = pick(mine, near, state, u)
            if chosen < 0:
                break
            if single:
                state[chosen] = TAKEN
            out.source[n] = chosen
            out.target[n] = j
            out.lane[n] = min(int(uniform(stream ^ _LANE, key, tick) * n_lane), n_lane - 1)
            n += 1
        if single:
            for k in range(lists.start[j], lists.start[j] + lists.length[j]):
                a = lists.row[k] % n_source
                state[a] = state[a] if state[a] == UNABLE else FREE
            for k in range(begin, n):
                state[out.source[k]] = FREE
    return n


@dataclass(frozen=True)
class Turnover(Mechanism):
    """Births of synapses, and optionally deaths at a constant hazard.

    Parameters
    ----------
    early, late : float, 1/day
        b0 and b1, births per target neuron and day.
    early_tau : float, ms (life)
        T_b, decay of the early births.
    hazard : float, 1/day
        Constant death rate of every synapse (0: deaths are left to `SpineSize`).
    births : bool
        Off switch of births.
    deaths : bool
        Off switch of deaths, those of `SpineSize` on this projection included: sizes then move on below the minimum.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> projection = net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0))
    >>> projection.use(nd.SpineSize(), nd.Turnover(early=14.0, late=1.4))
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, Turnover)
    """

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = "births per neuron and day: late + early exp(-t/early_tau);  deaths: hazard per spine"

    causes: ClassVar[dict[str, Cause]] = {
        "turnover": Cause("it was lost at the constant rate of turnover", colour="#56B4E9")
    }

    early: float = param(14.0, unit="1/day", clock="life", low=0.0, source="free: calibrated for the default study")
    late: float = param(1.4, unit="1/day", clock="life", low=0.0, source="free: calibrated for the default study")
    early_tau: float = param(4 * day, unit="ms", clock="life", above=0.0, source="free: calibrated, default study")
    hazard: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free: off")
    births: bool = param(True, source="off switch")
    deaths: bool = param(True, source="off switch")

    def fastest_life_time(self) -> float:
        """Of the hazard, where there is one; births are integrated exactly."""
        return day / self.hazard if self.hazard > 0 else float("inf")

    def prepare(self, view: SynapseView) -> None:
        """Tabulate the wiring kernel once, if it is small.

        Raises
        ------
        BuildError
            If a tick would hold more births of one target than can be drawn.
        """
        most = self.expected(0.0, view.clock.tick_life)
        if most > MOST / 2:
            raise BuildError(
                f"projection {view.name!r}: a tick holds {most:g} births per target, more than {MOST // 2}; "
                "lower Turnover.early or late, or use a shorter tick="
            )
        tabulate(view)

    def forbids_deaths(self) -> bool:
        """With ``deaths=False`` nobody dies on this projection."""
        return not self.deaths

    @asks(begin=finite("ms of life", high=1e15), end=finite("ms of life", high=1e15))
    def expected(self, begin: float, end: float) -> float:
        """Expected births of a target between two life times (ms) that are still alive at the end.

        Who is born and dies of the constant hazard within a tick is never seen, so that the number of synapses at
        ticks follows immigration and death exactly, whatever the tick.
        """
        hazard = self.hazard if self.deaths else 0.0
        waned = replace(self, early=self.early * float(np.exp(-begin / self.early_tau)), hazard=hazard)
        return float(birth_death_mean((end - begin) / day, waned))

    def expected_of(self, view: SynapseView) -> F8:
        """Expected births of every target in this tick, (n_target,).

        A neuron born in the run goes through its early births from its own first spine on, at a rate that rises with
        its maturity (taken at the end of the tick); who is dead or unborn has none.
        """
        end, b = view.clock.life, view.target
        begin = end - view.clock.tick_life
        if "synapses_from" in b:
            mean, start = np.zeros(b.n), b["synapses_from"]
            for s in np.unique(start[b.ready("synapses_from", end)]):
                mean[start == s] = self.expected(max(begin - s, 0.0), end - s)
            mean *= b["maturity"]
        else:
            mean = np.full(b.n, self.expected(begin, end))
        mean[~b.alive] = 0.0
        return mean

    def propose(self, view: SynapseView) -> Plan | None:
        """The births of this tick, and the deaths of the constant hazard."""
        plan = self._deaths(view) if self.deaths else Plan(self.name)
        if self.births:
            draw_births(view, plan, view.key("births"), self.expected_of(view), "turnover")
        return plan if plan.deaths.size or plan.source.size else None

    def _deaths(self, view: SynapseView) -> Plan:
        """Those of the constant hazard."""
        return self._doomed(view, self.hazard) if self.hazard > 0 else Plan(self.name)

    def _doomed(self, view: SynapseView, hazard: float | F8) -> Plan:
        """Let each living synapse die at its hazard, 1/day."""
        slots = view.slots()
        dead = view.uniforms("hazard", slots) < view.clock.chance(hazard)
        return view.deaths(self.name, slots[dead], "turnover")


def tabulate(view: SynapseView) -> None:
    """Keep the wiring kernel of a projection for its births: whole if small, else each target's candidates."""
    table = view.table
    table.ensure_in_lists()
    kept = view.kept(Partners)
    everybody = np.arange(table.n_target)
    mine = view.here(everybody)  # of a share the kernel of its own targets; what is decided by it, of all
    if table.n_target * table.n_source <= _DENSE:
        whole = affinity_of(view, everybody)
        kept.far = _is_far(view, everybody, whole)
        kept.first = int(mine[0]) if mine.size else 0
        kept.whole = whole if view.own is None else whole[mine]
        return
    counts, sources, values, total = [], [], [], 0
    for some in in_blocks(everybody, table.n_source):
        a = affinity_of(view, some)
        kept.far = kept.far or _is_far(view, some, a)
        row, source = np.nonzero(a > _NEGLIGIBLE * a.max(axis=1, keepdims=True))
        total += row.size
        if total > _LISTED:
            return  # a kernel as wide as the sheet: blocks are computed when they are wanted
        if view.own is not None:
            here = np.isin(some, mine)[row]
            row, source = row[here], source[here]
        counts.append(np.bincount(row, minlength=some.size))
        sources.append(source.astype(np.uint32))
        values.append(a[row, source])
    start = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    kept.lists = Candidates(start, np.concatenate(sources), np.concatenate(values))


def in_blocks(targets: I8, n_source: int) -> list[I8]:
    """Targets in parts whose kernel fits the memory set aside for one."""
    at_once = max(_DENSE // max(n_source, 1), 1)
    return [targets[first : first + at_once] for first in range(0, targets.size, at_once)]


def draw_births(view: SynapseView, plan: Plan, stream: np.uint64, mean: F8, cause: str) -> None:
    """Add the births of this tick to a plan: Poisson numbers of the given means (n_target,), partners by the kernel."""
    c, t = view.clock, view.table
    tick = np.uint64(c.tick)
    number = np.zeros(t.n_target, dtype=np.int64)
    draw_numbers(stream, tick, mean, number)
    busy = view.here(np.flatnonzero(number))
    state = np.where(view.source.ready("axon_from", c.life), FREE, UNABLE).astype(np.uint8)
    partners = view.kept(Partners)
    whole, lists = partners.whole, partners.lists
    parts: list[Births] = []
    far = partners.far
    for some in [busy] if whole is not None or lists is not None else in_blocks(busy, t.n_source):
        room = int(number[some].sum())
        out = Births(*(np.empty(room, dtype=np.int64) for _ in range(3)))
        if lists is not None:
            entries = np.stack([some, lists.start[some], lists.start[some + 1]])
            source, affinity = lists.source, lists.affinity
        else:
            first = np.arange(some.size) * t.n_source
            entries, source = np.stack([some, first, first + t.n_source]), None
            matrix = whole[some - partners.first] if whole is not None else affinity_of(view, some)
            far = partners.far or (whole is None and _is_far(view, some, matrix))
            affinity = matrix.ravel()
        n = draw_partners(
            stream, tick, number[some], entries, source, affinity, state, t.n_lane, not view.multapses, t.in_lists, out
        )  # fmt: skip
        drawn = Births(*(a[:n] for a in out))
        if far:
            drawn = _among_the_far(view, stream, some, number[some], state, drawn)
        parts.append(drawn)
    if parts:
        plan.source, plan.target, plan.lane = (np.concatenate(x) for x in zip(*parts, strict=True))
        plan.birth_cause = np.full(plan.source.size, cause_code(cause), dtype=np.uint8)


def affinity_of(view: SynapseView, targets: I8) -> F8:
    """The wiring kernel of some targets, (n_some, n_source): relative probabilities of a partner."""
    sources, places = view.source_positions, view.target_positions
    if sources is None or places is None or view.wiring is None:
        a = np.ones((targets.size, view.table.n_source))
    else:
        a = np.ascontiguousarray(view.wiring.affinity(sources, places[targets], False), dtype=np.float64)
    if view.same_population:
        a[np.arange(targets.size), targets] = 0.0  # no synapse of a cell onto itself
    return a


def _log_affinity(view: SynapseView, targets: I8) -> F8:
    """Its logarithm, (n_some, n_source): minus infinity where the wiring itself knows no partner."""
    assert view.source_positions is not None and view.target_positions is not None
    a = np.array(view.wiring.log_affinity(view.source_positions, view.target_positions[targets]), dtype=np.float64)
    if view.same_population:
        a[np.arange(targets.size), targets] = -np.inf
    return a


def _is_far(view: SynapseView, targets: I8, affinity: F8) -> bool:
    """Whether a partner that the wiring knows has a density of 0 as a number."""
    if view.source_positions is None or view.target_positions is None or view.wiring is None:
        return False
    some = np.flatnonzero((affinity == 0.0).sum(axis=1) > int(view.same_population))
    return bool(some.size) and bool(np.isfinite(_log_affinity(view, targets[some])[affinity[some] == 0.0]).any())


def _among_the_far(view: SynapseView, stream: np.uint64, targets: I8, number: I8, state: U1, drawn: Births) -> Births:
    """The births of some targets, where those that found nobody free by density are drawn by its logarithm.

    A maximum of log density plus Gumbel noise is a draw by density, as in the first wiring.
    """
    t, lanes = view.table, view.table.n_lane
    lists, tick, each = t.in_lists, int(view.clock.tick), np.arange(t.n_source, dtype=np.uint64)
    out: list[tuple[int, int, int]] = []
    for j, many in zip(targets.tolist(), number.tolist(), strict=True):
        mine = drawn.source[drawn.target == j]
        log_p = _log_affinity(view, np.array([j]))[0]
        known = (state != UNABLE) & (log_p > -np.inf)
        able = known.copy()
        if not view.multapses:
            able[lists.row[lists.start[j] : lists.start[j] + lists.length[j]] % t.n_source] = False
        for b in range(many):
            found = int(mine[b]) if b < mine.size else -1
            key = np.uint64(j) * _ROOM + np.uint64(b + 1)
            if not (found >= 0 and able[found]) and known.any():
                u = uniforms_of(stream ^ _FAR, key * np.uint64(t.n_source) + each, tick)
                among = able if able.any() else known  # as by density: one that is refused, where no other is left
                found = int(np.argmax(np.where(among, log_p - np.log(-np.log(u)), -np.inf)))
            if found < 0:
                break
            able[found] &= view.multapses
            u_lane = float(uniforms_of(stream ^ _LANE, np.array([key]), tick)[0])
            out.append((found, j, min(int(u_lane * lanes), lanes - 1)))
    return Births(*np.array(out, dtype=np.int64).reshape(-1, 3).T.copy())


# ---------------------------------------------------------------------- closed forms


def birth_death_mean(t: ArrayLike, turnover: Turnover, start: float = 0.0) -> F8:
    """Mean number of synapses of a target after `t` days of immigration and death (EX-33, EX-34).

    ``start`` synapses at time 0; ``hazard`` may be 0, or equal to ``1/early_tau``.
    """
    time = np.asarray(t, dtype=np.float64)
    d, k = turnover.hazard, day / turnover.early_tau
    steady = turnover.late * (-np.expm1(-d * time) / d if d > 0 else time)
    gap = abs(d - k)
    lag = -np.expm1(-gap * time) / gap if gap > 1e-9 * k else time
    waning = np.exp(-min(d, k) * time) * lag
    return np.asarray(start * np.exp(-d * time) + steady + turnover.early * waning, dtype=np.float64)
