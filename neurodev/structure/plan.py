"""Plans: what mechanisms ask for, how their wishes are merged, and the only code that changes topology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.errors import ParameterError
from neurodev.structure.blocks import lane_type, listed, whole_numbers
from neurodev.structure.cause import cause_code
from neurodev.structure.log import BIRTH, DEATH, LogBatch, StructuralLog
from neurodev.structure.table import Table

B1 = NDArray[np.bool_]
I8 = NDArray[np.int64]
F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]


def _i8() -> I8:
    return np.zeros(0, dtype=np.int64)


def _f4() -> F4:
    return np.zeros(0, dtype=np.float32)


def _u1() -> U1:
    return np.zeros(0, dtype=np.uint8)


def _numbers(what: str, values: Any, n: int, kind: type) -> NDArray[Any]:
    """One number for each of `n` events, or none at all."""
    a = listed(what, values, "numbers", "iuf")
    if a.size not in (0, n):
        raise ParameterError(f"{what} needs one value for each of {n}, got {a.size}")
    found: NDArray[Any] = a.astype(kind, copy=False)
    return found


def _check_deaths(plan: Plan | NeuronPlan, who: str, what: str, n: int) -> None:
    """Make arrays of the deaths, their causes and values; refuse what is not below `n`."""
    plan.deaths = whole_numbers(f"{who}: {what}", plan.deaths, n)
    plan.death_cause = _causes(f"{who}: death_cause", plan.death_cause, plan.deaths.size)
    plan.death_value = _numbers(f"{who}: death_value", plan.death_value, plan.deaths.size, np.float32)


def _causes(what: str, codes: Any, n: int) -> U1:
    """Codes of causes as bytes."""
    found = whole_numbers(what, codes, 256)
    if found.size not in (0, n):
        raise ParameterError(f"{what} needs one value for each of {n}, got {found.size}")
    return found.astype(np.uint8)


@dataclass
class Plan:
    """Deaths and births that one mechanism proposes for one table.

    Attributes
    ----------
    mechanism : str
    deaths : (n,) int64
        Slots; with `death_cause` (codes) and `death_value` (log size, or the number that decided).
    terms : dict of str to (n,) float32
        Further numbers that decided the deaths, by the names that mechanisms declare (`Mechanism.terms`).
    source, target, lane : (m,) int64
        Births, with `birth_value` (log size) and `birth_cause` (codes).
    birth_weight : (m,) float64, mV, signed, optional
        None leaves the weights to the projection (in the engine: those of its first synapses).

    Examples
    --------
    >>> plan = deaths("Fading", [4, 7], "fluctuation")
    >>> plan.deaths.tolist(), plan.source.size
    ([4, 7], 0)
    """

    mechanism: str
    deaths: I8 = field(default_factory=_i8)
    death_cause: U1 = field(default_factory=_u1)
    death_value: F4 = field(default_factory=_f4)
    terms: dict[str, F4] = field(default_factory=dict)
    source: I8 = field(default_factory=_i8)
    target: I8 = field(default_factory=_i8)
    lane: I8 = field(default_factory=_i8)
    birth_cause: U1 = field(default_factory=_u1)
    birth_value: F4 = field(default_factory=_f4)
    birth_weight: Any = None

    def order_deaths(self, uid: NDArray[np.uint64]) -> None:
        """Put the deaths in order of their uids (capacity,): where synapses lie in memory is nobody's business."""
        order = np.argsort(uid[self.deaths])
        self.deaths, self.death_cause = self.deaths[order], self.death_cause[order]
        self.death_value = self.death_value[order]
        self.terms = {name: values[order] for name, values in self.terms.items()}

    def check(self, table: Table) -> None:
        """Make arrays of what was given; refuse slots that hold no synapse, and indices that do not exist.

        Raises
        ------
        ParameterError
            With the mechanism and the field.
        """
        who = f"plan of {self.mechanism}"
        _check_deaths(self, who, "deaths", table.capacity)
        live = table.is_live(self.deaths)
        if not live.all():
            raise ParameterError(
                f"{who}: deaths must be slots of living synapses, and {int((~live).sum())} of {live.size} are not, "
                f"slot {int(self.deaths[np.argmin(live)])} first: view.slots() lists those that are"
            )
        for name, values in self.terms.items():
            if np.shape(values) != self.deaths.shape:
                raise ParameterError(f"{who}: the term {name!r} needs one value per death")
            self.terms[name] = _numbers(f"{who}: the term {name!r}", values, self.deaths.size, np.float32)
        self.source = whole_numbers(f"{who}: source", self.source, table.n_source)
        self.target = whole_numbers(f"{who}: target", self.target, table.n_target)
        self.lane = whole_numbers(f"{who}: lane", self.lane, table.n_lane)
        n = self.source.size
        for name in ("target", "lane"):
            if getattr(self, name).size != n:
                raise ParameterError(f"{who}: {name} needs one value per birth")
        self.birth_cause = _causes(f"{who}: birth_cause", self.birth_cause, n)
        self.birth_value = _numbers(f"{who}: birth_value", self.birth_value, n, np.float32)
        if self.birth_weight is not None:
            w = _numbers(f"{who}: birth_weight", self.birth_weight, n, np.float64)
            if w.size != n:
                raise ParameterError(f"{who}: birth_weight needs one value per birth, or None")
            if not np.all(np.isfinite(w)):
                raise ParameterError(f"{who}: birth_weight must be finite, got {w[~np.isfinite(w)][0]}")
            self.birth_weight = w

    def only(self, targets: tuple[int, int]) -> None:
        """Keep the births onto targets from the first to the one before the last (after `check`).

        Raises
        ------
        ParameterError
            If births do not follow each other by target: ranks could not tell in which order they come.
        """
        if not self.source.size:
            return
        kept = (self.target >= targets[0]) & (self.target < targets[1])
        if np.any(np.diff(self.target[kept]) < 0):
            raise ParameterError(
                f"plan of {self.mechanism}: births must follow each other by target where ranks have a share of the "
                "synapses each: sort them, or do not say reach = 'target' on the mechanism"
            )
        for name in ("source", "target", "lane", "birth_cause", "birth_value", "birth_weight"):
            values = getattr(self, name)
            if values is not None and values.size:
                setattr(self, name, values[kept])

    def weighed(self) -> B1:
        """Which of the births were given a weight, (m,)."""
        return np.full(self.source.size, self.birth_weight is not None)


def _places(name: str, given: ArrayLike) -> I8:
    """Slots or indices, (n,); masks and fractions are none."""
    a = np.asarray(given)
    if a.size == 0 and a.ndim == 1:
        return a.astype(np.int64)
    if a.ndim != 1 or a.dtype.kind not in "iu":
        cure = ": np.flatnonzero(mask) gives the places of a mask" if a.dtype.kind == "b" else ""
        raise ParameterError(f"{name} must be whole numbers, (n,), got {a.dtype} of shape {a.shape}{cure}")
    return a.astype(np.int64)


def _each(name: str, given: ArrayLike | None, n: int) -> NDArray[np.float32]:
    """One number for each of n, or one for all."""
    if given is None:
        return np.full(n, np.nan, dtype=np.float32)
    a = np.asarray(given)
    if a.dtype.kind not in "iufb" or a.shape not in ((), (n,)):
        raise ParameterError(f"{name} must be a number, or one for each of {n}, got {a.dtype} of shape {a.shape}")
    return np.broadcast_to(a.astype(np.float32), (n,)).copy()


def deaths(mechanism: str, slots: ArrayLike, cause: str, value: ArrayLike | None = None, what: str = "slots") -> Plan:
    """The plan of some deaths; `value` is the number that decided each."""
    slots = _places(what, slots)
    code = np.full(slots.size, cause_code(cause), dtype=np.uint8)
    return Plan(mechanism, slots, code, _each("value", value, slots.size))


def births(
    mechanism: str,
    source: ArrayLike,
    target: ArrayLike,
    cause: str,
    weight: ArrayLike = 0.0,
    value: ArrayLike | None = None,
) -> Plan:
    """The plan of some births."""
    source, target = _places("source", source), _places("target", target)
    n = source.size
    if target.size != n:
        raise ParameterError(f"target must name one unit for each of {n} sources, got {target.size}")
    strength = _each("weight", weight, n)
    if not np.isfinite(strength).all():
        raise ParameterError("weight must be finite: it holds NaN or infinity")
    return Plan(
        mechanism, source=source, target=target, lane=np.zeros(n, dtype=np.int64),
        birth_cause=np.full(n, cause_code(cause), dtype=np.uint8), birth_value=_each("value", value, n),
        birth_weight=strength,
    )  # fmt: skip


@dataclass
class Merged:
    """All plans of a tick as one, with the births that were refused, by reason.

    Its plan has a weight for every birth; `weighed` (m,) tells which of them were given (the others are 0), and `by`
    (m,) which of the plans asked for each.  `in_order`: a pair may have several contacts, whose order in their row,
    which is that of sums over them, stays whoever lay between.
    """

    plan: Plan
    refused: dict[str, int]
    weighed: B1
    by: I8
    in_order: bool = False


@dataclass
class Applied:
    """What a merged plan did."""

    n_born: int
    n_died: int
    first_uid: int
    slots: I8
    refused: dict[str, int]


def _filled(a: NDArray[np.generic], n: int, fill: float, dtype: type) -> NDArray[np.generic]:
    return a.astype(dtype) if a.size == n else np.full(n, fill, dtype=dtype)


def _weights(plan: Plan) -> F8:
    """The weights of a plan's births; 0 where none were given."""
    return np.zeros(plan.source.size) if plan.birth_weight is None else np.asarray(plan.birth_weight)


def _terms(plans: Sequence[Plan], keep: I8) -> dict[str, F4]:
    """The terms of all plans for the deaths that are kept, NaN where a plan knows none of that name."""
    names = sorted({name for p in plans for name in p.terms})
    none = np.zeros(0, dtype=np.float32)
    return {
        name: np.concatenate([_filled(p.terms.get(name, none), p.deaths.size, np.nan, np.float32) for p in plans])[keep]
        for name in names
    }


def merge(
    plans: Sequence[Plan], table: Table, *, single_contact: bool, send: B1 | None = None, receive: B1 | None = None
) -> Merged:
    """Union of the deaths (the cause of the first plan counts), then the births in the order of the plans.

    The engine gives them in an order that does not depend on declaration (`neurodev.engine.order`).

    With `single_contact`, a birth on a pair that keeps a living synapse is refused as ``occupied``, a second
    birth on the same pair as ``duplicate``.  `send` (n_source,) and `receive` (n_target,) tell which neurons may have
    a new synapse, where some may not: a birth on a neuron that is dead, unborn or too young is refused as ``absent``.
    """
    for p in plans:
        p.check(table)
    deaths = np.concatenate([p.deaths for p in plans]) if plans else _i8()
    _, keep = np.unique(deaths, return_index=True)  # return_index: the first occurrence, that is the first cause
    keep.sort()
    cat = lambda name, fill, dtype, of: np.concatenate(  # noqa: E731
        [_filled(getattr(p, name), getattr(p, of).size, fill, dtype) for p in plans] or [np.zeros(0, dtype)]
    )
    dead = deaths[keep]
    source = cat("source", 0, np.int64, "source")
    target = cat("target", 0, np.int64, "source")
    refused: dict[str, int] = {}
    wanted = np.ones(source.size, dtype=bool)
    for able, who in ((send, source), (receive, target)):
        if able is not None:
            wanted &= able[who]
    if not wanted.all():
        refused["absent"] = int((~wanted).sum())
    if single_contact and source.size:
        occupied = table.occupied(source, target, dead)
        pair = np.where(wanted, source * table.n_target + target, -1)
        first = np.zeros(source.size, dtype=bool)
        first[np.unique(pair, return_index=True)[1]] = True
        refused["occupied"] = int((wanted & occupied).sum())
        refused["duplicate"] = int((wanted & ~occupied & ~first).sum())
        wanted &= ~occupied & first
    name = plans[0].mechanism if plans else ""
    lane = cat("lane", 0, np.int64, "source")
    if table.lane_of is not None and source.size:  # delays by distance: whoever proposed the pair
        lane = table.lane_of(source, target).astype(np.int64)
    merged = Plan(
        name, dead,
        cat("death_cause", 0, np.uint8, "deaths")[keep], cat("death_value", np.nan, np.float32, "deaths")[keep],
        _terms(plans, keep),
        source[wanted], target[wanted], lane[wanted],
        cat("birth_cause", 1, np.uint8, "source")[wanted], cat("birth_value", np.nan, np.float32, "source")[wanted],
        np.concatenate([_weights(p) for p in plans] or [np.zeros(0)])[wanted],
    )  # fmt: skip
    weighed = np.concatenate([p.weighed() for p in plans] or [np.zeros(0, dtype=bool)])[wanted]
    by = np.repeat(np.arange(len(plans)), np.array([p.source.size for p in plans], dtype=np.int64))[wanted]
    return Merged(merged, {k: v for k, v in refused.items() if v}, weighed, by, in_order=not single_contact)


def apply(table: Table, merged: Merged, *, tick: int, life: float, log: StructuralLog | None = None) -> Applied:
    """Carry out a merged plan and log it: deaths first, then births.

    Parameters
    ----------
    tick : int
        Number of the tick, for the log.
    life : float, ms
        Life time, the newborns' birth date.
    """
    p = merged.plan
    n_dead, n_born = int(p.deaths.size), int(p.source.size)
    told = None if log is None else events(table, merged, tick, log)
    if n_dead:
        table._delete(p.deaths, merged.in_order)
    slots, first = _i8(), table.uids.next
    if n_born:
        slots, first = table._insert(p.source, p.target, p.lane, _weights(p), life)
    if log is not None and told is not None:
        told.uid[n_dead:] = np.arange(first, first + n_born, dtype=np.uint64)
        log.append(told)
    return Applied(n_born, n_dead, first, slots, merged.refused)


def apply_share(table: Table, merged: Merged, uids: U8, n_born: int, life: float) -> tuple[I8, int]:
    """Carry out one rank's share of a plan: its deaths, and its births under the uids that were agreed upon.

    Parameters
    ----------
    uids : (m,) uint64, ascending
        Of the births in `merged`, out of those that follow what was handed out so far.
    n_born : int
        Births of all ranks: so many uids are handed out.

    Returns
    -------
    slots : (m,) int64
        Of the newborns.
    first : int
        The first uid of all that are born.
    """
    p, slots, first = merged.plan, _i8(), table.uids.next
    if p.deaths.size:
        table._delete(p.deaths, merged.in_order)
    if uids.size:
        slots, _ = table._insert(p.source, p.target, p.lane, _weights(p), life)
        table.uid[slots] = uids
        table._index = None  # which knew them under the first uids
    table.uids.next = first + n_born
    return slots, first


def events(table: Table, merged: Merged, tick: int, log: StructuralLog) -> LogBatch:
    """What a plan will do, as the log tells it, before it is done: births have no uids yet (0).

    Raises
    ------
    ParameterError
        For a term that nobody declared.
    """
    p = merged.plan
    log.check(p.mechanism, p.terms)
    n_dead, n_born = int(p.deaths.size), int(p.source.size)
    row = table.row_of(p.deaths)
    terms = np.full((n_dead + n_born, len(log.terms)), np.nan, dtype=np.float32)
    for name, values in p.terms.items():
        terms[:n_dead, log.terms.index(name)] = values
    return LogBatch(
        np.full(n_dead + n_born, tick, dtype=np.int32),
        np.repeat(np.array([DEATH, BIRTH], dtype=np.uint8), [n_dead, n_born]),
        np.concatenate([table.uid_of(p.deaths), np.zeros(n_born, dtype=np.uint64)]),
        np.concatenate([p.death_cause, p.birth_cause]),
        np.concatenate([row % max(table.n_source, 1), p.source]).astype(np.uint32),
        np.concatenate([table.post[p.deaths], p.target]).astype(np.uint32),
        np.concatenate([row // max(table.n_source, 1) % table.n_lane, p.lane]).astype(lane_type(table.n_lane)),
        np.concatenate([p.death_value, p.birth_value]).astype(np.float32),
        terms,
    )


# ---------------------------------------------------------------------- neurons


@dataclass
class NeuronPlan:
    """Deaths and births of neurons that one mechanism proposes for one population.

    Attributes
    ----------
    mechanism : str
    deaths : (n,) int64
        Neurons, with `death_cause` (codes) and `death_value` (the hazard that decided, 1/day).
    n_born : int
        How many neurons are to be born; `merge_neurons` finds them a place.

    Examples
    --------
    >>> NeuronPlan("Neurogenesis", n_born=2).deaths.size
    0
    """

    mechanism: str
    deaths: I8 = field(default_factory=_i8)
    death_cause: U1 = field(default_factory=_u1)
    death_value: F4 = field(default_factory=_f4)
    n_born: int = 0

    def check(self, n: int) -> None:
        """Make arrays of what was given; refuse neurons that do not exist, and numbers of births that are none.

        Raises
        ------
        ParameterError
            With the mechanism and the field.
        """
        who = f"plan of {self.mechanism}"
        _check_deaths(self, who, "deaths of neurons", n)
        if isinstance(self.n_born, bool) or not isinstance(self.n_born, (int, np.integer)) or self.n_born < 0:
            raise ParameterError(f"{who}: n_born must be a whole number >= 0, got {self.n_born!r}")
        self.n_born = int(self.n_born)


@dataclass
class MergedNeurons:
    """All neuron plans of a tick as one: who dies of what, who is born where, and how many had no place."""

    died: I8
    cause: U1
    value: F4
    born: I8
    refused: dict[str, int]


def merge_neurons(plans: Sequence[NeuronPlan], alive: B1, unborn: B1) -> MergedNeurons:
    """Union of the deaths of the living (the first cause counts); births take the lowest indices never used.

    The index of a dead neuron is not used again, so that nothing on its way to it can meet a stranger.
    """
    for p in plans:
        p.check(alive.size)
    dead = np.concatenate([p.deaths for p in plans] or [_i8()])
    code = cause_code("neuron_death")
    cause = np.concatenate([_filled(p.death_cause, p.deaths.size, code, np.uint8) for p in plans] or [_u1()])
    value = np.concatenate([_filled(p.death_value, p.deaths.size, np.nan, np.float32) for p in plans] or [_f4()])
    keep = np.sort(np.unique(dead, return_index=True)[1])
    keep = keep[alive[dead[keep]]]
    wanted = sum(p.n_born for p in plans)
    born = np.flatnonzero(unborn)[:wanted]
    refused = {"no room": wanted - born.size} if wanted > born.size else {}
    return MergedNeurons(dead[keep], cause[keep].astype(np.uint8), value[keep].astype(np.float32), born, refused)


def removal(table: Table, source: B1 | None, target: B1 | None, cause: int) -> Plan | None:
    """The deaths of all synapses from marked sources or onto marked targets; None if there are none."""
    slots = table.slots()
    gone = np.zeros(slots.size, dtype=bool)
    if source is not None:
        gone |= source[table.pre(slots)]
    if target is not None:
        gone |= target[table.post[slots]]
    slots = slots[gone]
    if not slots.size:
        return None
    value = np.full(slots.size, np.nan, dtype=np.float32)
    if "log_size" in table.column_names:
        value = table.column("log_size")[slots].astype(np.float32)
    return Plan("neuron fate", slots, np.full(slots.size, cause, dtype=np.uint8), value)
