"""What is looked at before a network runs, and what its run is not exact about."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8
from neurodev.engine.network import Network, Projection
from neurodev.errors import BuildError, ParameterError, nearest
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.neurons.drive import Drive
from neurodev.neurons.model import NeuronModel
from neurodev.params import describe, number
from neurodev.units import hour


def check_reads(q: Projection, view: SynapseView) -> None:
    """Refuse a mechanism that reads a column or signal which neither the projection nor its populations have.

    Raises
    ------
    BuildError
        Naming the mechanism, what it reads, and what there is.
    """
    here = [*view.table.column_names, *view.target.signals, *view.source.signals]
    for m in q.mechanisms:
        for name in m.reads:
            if name not in here:
                raise BuildError(
                    f"projection {q.name!r}: {m.name} reads {name!r}, which nothing here has{nearest(name, here)}; "
                    f"use the mechanism that owns it (log_size: SpineSize, on spines). There are {sorted(here)}"
                )


def mechanisms_of(network: Network) -> list[tuple[str, Mechanism]]:
    """(where, mechanism) for everything in use."""
    out: list[tuple[str, Mechanism]] = []
    for p in network.populations.values():
        out += [(p.name, m) for m in p.mechanisms]
    for q in network.projections.values():
        out += [(q.name, m) for m in q.mechanisms]
    return out


SHORTEST_TICK = 1e-3  # ms of spikes
_MOST_DAYS = 30.0  # of computing, below which nobody is asked whether he means it
_COST = {
    "ms": 1e-8,
    "event": 3e-9,
    "tick": 5e-5,
}  # seconds: what an empty ms, an input and a tick cost at the very least


def check_clocks(tick: float, acceleration: float) -> tuple[float, float]:
    """Tick (ms of life) and acceleration as floats.

    Raises
    ------
    ParameterError
        If one is no positive number, or a tick too short to get on.
    """
    tick = number(tick, "tick", "ms of life", above=0.0)
    acceleration = number(acceleration, "acceleration", above=0.0, cure="1 is exact")
    if tick / acceleration < SHORTEST_TICK:
        raise ParameterError(
            f"tick={tick:g} ms of life at acceleration {acceleration:g} is {tick / acceleration:g} ms of spikes, "
            f"less than {SHORTEST_TICK:g} ms: raise tick=, or lower acceleration="
        )
    return tick, acceleration


def check_duration(network: Network, duration: float, tick: float, acceleration: float) -> float:
    """The length of a run (ms of life) as a float; refuse one that would not end, before it begins.

    Raises
    ------
    ParameterError
        For what is no positive number; with the least time that the run would take if that is months.
    """
    duration = number(duration, "duration", "ms of life, e.g. 30*day", above=0.0)
    tick, acceleration = check_clocks(tick, acceleration)
    spike = duration / acceleration
    rate = sum(p.n * p.model.mean_rate_hz() for p in network.populations.values() if isinstance(p.model, Drive))
    rate += sum(p.n * float(np.mean(b.rate_hz)) for p, b in network.backgrounds)
    seconds = _COST["ms"] * spike + _COST["event"] * rate * (spike / 1e3) + _COST["tick"] * (duration / tick)
    if not seconds <= _MOST_DAYS * 86400:
        raise ParameterError(
            f"duration={duration:g} ms would take {seconds / 86400 / 365:.2g} years of computing at least ({spike:g} "
            f"ms of spikes, {rate:g} input spikes a second, {duration / tick:.3g} ticks): shorten it, raise "
            "acceleration= or tick=, or lower the rates"
        )
    return duration


def check_ticks(network: Network, tick: float, acceleration: float) -> None:
    """The conditions of averaging: an episode in every tick, and tick <= tau / 5.

    Raises
    ------
    BuildError
        Naming the loop that is too fast, or the drive that is too rare, and the cure.
    """
    used = mechanisms_of(network)
    for where, m in used:
        check_tick(where, m, tick)
    for q in network.projections.values():
        for m in q.mechanisms:
            check_use(q, m)
    if acceleration == 1.0 or not used:
        return
    for p in network.populations.values():
        if isinstance(p.model, Drive):
            check_episode(p.name, p.model, tick, acceleration)


def check_tick(where: str, m: Mechanism, tick: float) -> None:
    """Refuse a mechanism that changes more in a tick than averaging allows."""
    fastest = m.fastest_life_time()
    if tick > fastest / 5.0 * (1.0 + 1e-9):
        raise BuildError(
            f"tick={tick / hour:g} h is too coarse for {m.name} on {where!r}, whose fastest time constant is "
            f"{fastest / hour:g} h: a tick may be at most a fifth of it; use tick<={fastest / 5 / hour:g} h"
        )


def check_use(q: Projection, m: Mechanism) -> None:
    """Refuse a mechanism that cannot act on a projection."""
    if why := m.refusal(q.source.inhibitory, q.spines is not None):
        raise BuildError(f"{m.name} on {q.name!r} {why}")


def check_episode(name: str, drive: Drive, tick: float, acceleration: float) -> None:
    """Refuse a drive of which a tick may hold nothing."""
    interval = drive.episode()
    if interval is not None and tick / acceleration < interval * (1 - 1e-9):
        raise BuildError(
            f"a tick of {tick / hour:g} h at acceleration {acceleration:g} holds {tick / acceleration:g} ms of "
            f"spikes, less than one episode of {name!r} ({interval:g} ms): lower acceleration, raise tick=, "
            "or lower interval="
        )


def check_precision(q: Projection, columns: frozenset[str]) -> None:
    """Refuse single precision where small steps would vanish, or where nobody would read it.

    Parameters
    ----------
    columns : frozenset of str
        Of the projection's table.

    Raises
    ------
    BuildError
        With the projection, the mechanism and the cure.
    """
    if q.weight_precision == "double":
        return
    cure = "leave out weight_precision='single'"
    for m in q.mechanisms:
        hot = m.hot(columns)
        if m.writes_weight(columns) or (hot is not None and not hot.rows_only):
            raise BuildError(
                f"projection {q.name!r}: {m.name} acts at single spikes or adds small steps to weights, which single "
                f"precision would swallow; {cure}"
            )
    if isinstance(q.target.model, NeuronModel) and q.target.model.rules() is not None:
        raise BuildError(
            f"projection {q.name!r}: {q.target.name!r} integrates its inputs by rules of its own, which read weights "
            f"in double precision; {cure}"
        )


def check_given(q: Projection, weights: F8, columns: frozenset[str]) -> None:
    """Refuse weights (n,) given to newborns that could not have them.

    Raises
    ------
    ParameterError
        With the projection and the cure.
    """
    for m in q.mechanisms:
        if m.sets_weight(columns):
            raise ParameterError(f"projection {q.name!r}: weights follow {m.name} there; leave out weight=")
    if q.spines is None:
        return
    sign = -1.0 if q.source.inhibitory else 1.0
    if np.any(sign * weights < 0.0):
        wrong = float(weights[sign * weights < 0.0][0])
        raise ParameterError(
            f"projection {q.name!r}: its spines have the sign of their source, got a weight of {wrong:g}"
        )
    if q.spines.weight == 0.0 and np.any(weights != 0.0):
        raise ParameterError(f"projection {q.name!r}: Spines(weight=0) have no weight at any size; leave out weight=")


def usual_weight(q: Projection) -> float:
    """The weight (mV, signed) of newborns to whom nobody gave one: the mean of the first synapses'.

    Raises
    ------
    ParameterError
        Where there were none.
    """
    if q.spines is None and not np.size(q.weight):
        raise ParameterError(
            f"projection {q.name!r} began without synapses and with weight=[]: a newborn has no weight to begin with; "
            "connect with weight= one number, or say AddSynapses(weight=...)"
        )
    sign = -1.0 if q.source.inhibitory and not q.signed else 1.0
    return sign * q.mean_weight()


def approximations(network: Network, tick: float, acceleration: float) -> list[str]:
    """One sentence for everything in this run that is not exact."""
    out = []
    if acceleration != 1.0:
        out.append(
            f"Averaging: life passes {acceleration:g} times faster than spikes; slow mechanisms act at ticks of "
            f"{tick / hour:g} h with the mean signals of {tick / acceleration / 1000:g} s of spikes."
        )
    for p in network.populations.values():
        if isinstance(p.model, NeuronModel):
            out += [f"{p.name}: {sentence}" for sentence in p.model.approximations()]
    for p, stimulus, _ in network.stimuli:
        out += [f"{p.name}: {sentence}" for sentence in stimulus.approximations(getattr(p.model, "step", None))]
    out += [
        f"{q.name}: weights are kept in single precision, each to 6e-8 of itself, and spike times follow them."
        for q in network.projections.values()
        if q.weight_precision == "single"
    ]
    for where, m in mechanisms_of(network):
        out += [f"{where}: {sentence}" for sentence in m.approximations(tick)]
    spike_tick = tick / acceleration
    between = []
    for where, m in mechanisms_of(network):
        for info in describe(m):
            value = getattr(m, info.name)
            if info.clock == "spike" and info.unit == "ms" and isinstance(value, (int, float)) and "tau" in info.name:
                if value > spike_tick:
                    between.append(f"{where}.{m.name}.{info.name}")
            if info.clock == "life" and info.unit == "ms" and isinstance(value, (int, float)) and 0 < value < tick:
                between.append(f"{where}.{m.name}.{info.name}")
    if between:
        out.append("Between the two clocks, not represented faithfully: " + ", ".join(between) + ".")
    return out
