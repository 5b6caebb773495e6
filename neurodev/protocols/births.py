"""Protocols of births and of deaths at constant rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.rewiring import Rewiring, connected
from neurodev.mechanisms.turnover import Turnover, birth_death_mean
from neurodev.metrics.turnover import two_class_survival
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks
from neurodev.structure.table import Table
from neurodev.units import day

OVERSHOOT = {"early": 0.203764, "late": 0.03, "early_tau": 10.0 * day, "hazard": 0.03}
"""Constants of EX-34: a peak of 5/3 on day 23, and a final number of 1."""


def bare(n_target: int, n_source: int = 50) -> Table:
    """Targets without any synapse."""
    none = np.zeros(0, dtype=np.int64)
    return Table.build(n_source, n_target, [1.0], none, none, none, 1.0, columns=("size",))


def numbers(turnover: Turnover, days: F8, tick: float, n_target: int, seed: int) -> F8:
    """Mean number of synapses per target at `days` (multiples of the tick), from none."""
    world = Ticks((turnover,), bare(n_target), tick=tick, seed=seed, multapses=True)
    out = []
    for d in days:
        world.step(round(d * day / tick) - world.clock.tick)
        out.append(world.table.n_synapse / n_target)
    return np.array(out)


def survivors(turnover: Turnover, days: F8, tick: float, n: int, seed: int) -> F8:
    """Share of `n` standing synapses that are still there at `days`, births switched off."""
    k = np.arange(n)
    table = Table.build(n, 1, [1.0], k, np.zeros(n, int), np.zeros(n, int), 1.0, columns=("size",))
    world = Ticks((replace(turnover, births=False),), table, tick=tick, seed=seed)
    out = []
    for d in days:
        world.step(round(d * day / tick) - world.clock.tick)
        out.append(world.table.n_synapse / n)
    return np.array(out)


@protocol(Turnover)
def turnover_protocol(turnover: Turnover, *, n_target: int = 1500, seed: int = 1) -> Protocol:
    """Immigration and death: the number in time (EX-33, EX-34) and the survival of the standing."""
    panels = []
    example = replace(turnover, births=True, deaths=True, **OVERSHOOT)
    for title, one in (("As given", turnover), ("An overshoot", example)):
        tick = 1.0 * day if one is example else 0.25 * day
        days = np.arange(1, 25, dtype=np.float64) * (4.0 if one is example else 1.0)
        law = np.zeros(days.size) if not one.births else birth_death_mean(days, _effective(one))
        smooth = np.linspace(0.0, days[-1], 300)
        drawn = np.zeros(300) if not one.births else birth_death_mean(smooth, _effective(one))
        panels.append(
            Panel(title, "life (days)", "synapses per target").add(
                f"{n_target} targets",
                days,
                numbers(one, days, tick, n_target, seed),
                law,
                4.0 * np.sqrt(np.maximum(law, 1.0 / n_target) / n_target),
                fine=(smooth, drawn),
            )  # fmt: skip
        )
    lasting = turnover if turnover.hazard > 0 and turnover.deaths else example
    days = np.arange(1, 13) * np.round(0.25 / lasting.hazard)
    p = np.exp(-lasting.hazard * days)
    n = 4 * n_target
    panels.append(
        Panel("Survival of the standing", "days", "share alive").add(
            f"hazard {lasting.hazard:g} a day",
            days,
            survivors(lasting, days, 0.25 * day, n, seed + 1),
            p,
            4.0 * np.sqrt(p * (1.0 - p) / n),
        )  # fmt: skip
    )
    return Protocol(turnover, "births from bare targets, and the constant hazard", panels, "immigration and death")


@protocol(Persistence)
def persistence_protocol(persistence: Persistence, *, n: int = 6000, seed: int = 1) -> Protocol:
    """Survival of the standing and of newborns, and how many persistent spines there come to be."""
    one = replace(persistence, births=False, deaths=True)
    p, d1, d2 = one.share, one.hazard, one.transient_hazard
    f = one.standing if one.first is None else float(one.first)
    longest = min(5.0 / max(d2, 1e-9), 200.0)
    days = np.unique(np.round(np.geomspace(0.05, 4.0, 14) * longest * 4.0) / 4.0 + 0.25)
    panel = Panel("Survival", "days", "share alive")
    fine = np.linspace(0.0, days[-1], 300)
    for label, share, key in (("the standing", f, seed), ("newborns", p, seed + 1)):
        law, line = two_class_survival(days, share, d1, d2), two_class_survival(fine, share, d1, d2)
        alive = survivors(replace(one, births=True, first=share, late=0.0, early=0.0), days, 0.25 * day, n, key)
        panel.add(label, days, alive, law, 4.0 * np.sqrt(law * (1.0 - law) / n) + 1e-12, fine=(fine, line))
    targets = 400
    growing = replace(one, births=True, late=one.late if one.late > 0 else 1.0)
    expected = np.array([p, 1.0 - p])[:, None] * [
        birth_death_mean(days, Turnover(early=growing.early, late=growing.late, early_tau=growing.early_tau, hazard=d))
        for d in (d1, d2)
    ]
    world = Ticks((growing,), bare(targets), tick=0.25 * day, seed=seed + 2, multapses=True)
    count = np.zeros((2, days.size))
    for k, d in enumerate(days):
        world.step(round(d * day / world.tick) - world.clock.tick)
        lasting = world.of("persistent") > 0.5
        count[:, k] = lasting.sum() / targets, (~lasting).sum() / targets
    number = Panel("From bare targets", "days", "spines per target")
    for label, run, law in zip(("persistent", "transient"), count, expected, strict=True):
        number.add(label, days, run, law, 4.0 * np.sqrt(np.maximum(law, 1.0 / targets) / targets))
    return Protocol(persistence, "two classes of spines, each at its own rate", [panel, number], "Holtmaat 2005")


@protocol(Rewiring)
def rewiring_protocol(rewiring: Rewiring, *, n_target: int = 1500, seed: int = 1) -> Protocol:
    """Pairs that are connected in time, from none and from all, and how many of the first are still there."""
    one, n = replace(rewiring, local=False, attempts=rewiring.attempts or 10.0), 20
    both = max(one.formation + one.elimination, 1e-3)
    days = np.unique(np.ceil(4.0 * np.linspace(0.2, 4.0, 14) * n / one.attempts / both) / 4.0)
    fine = np.linspace(0.0, days[-1], 300)
    panel, left = Panel("Share of pairs connected", "days", "share"), Panel("The first synapses", "days", "share alive")
    full = Table.build(
        n, n_target, [1.0], np.tile(np.arange(n), n_target), np.repeat(np.arange(n_target), n),
        np.zeros(n * n_target, int), 1.0, columns=("size",),
    )  # fmt: skip
    for label, table, start, key in (("from none", bare(n_target, n), 0.0, seed), ("from all", full, 1.0, seed + 1)):
        world, share, alive = Ticks((one,), table, tick=0.25 * day, seed=key), [], []
        first = table.uid[table.slots()].copy()
        for d in days:
            world.step(round(d * day / world.tick) - world.clock.tick)
            share.append(table.n_synapse / (n * n_target))
            alive.append(np.isin(first, table.uid[table.slots()]).mean() if first.size else 0.0)
        law = connected(one, days, n, start)
        spread = np.sqrt(np.maximum(law * (1.0 - law), 1.0 / (n * n_target)) / (n * n_target))
        panel.add(label, days, np.array(share), law, 4.0 * spread, fine=(fine, connected(one, fine, n, start)))
        if first.size:
            p = np.exp(-one.elimination * one.attempts / n * days)
            left.add("from all", days, np.array(alive), p, 4.0 * np.sqrt(p * (1.0 - p) / first.size) + 1e-12)
    return Protocol(
        rewiring,
        "pairs of twenty sources, tried at random",
        [panel, left],
        "two states and constant rates; Bamford 2010",
    )


def _effective(turnover: Turnover) -> Turnover:
    return turnover if turnover.deaths else replace(turnover, hazard=0.0)
