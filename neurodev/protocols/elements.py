"""Protocols of synaptic elements: how calcium makes them grow, and how they make and break synapses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurodev import jit
from neurodev.arrays import F8
from neurodev.mechanisms.base import Clock, NeuronBlock, NeuronView
from neurodev.mechanisms.growth import Growth
from neurodev.mechanisms.growth_curves import GrowthCurve, LinearGrowth, growth_between, mean_growth
from neurodev.mechanisms.hook_record import HookArrays
from neurodev.mechanisms.pairing import Pairing
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import SPIKE, Events, Ticks, Traces, play, poisson
from neurodev.structure.table import Table
from neurodev.units import day, second


class Firing:
    """Neurons without synapses that fire at given times, and the elements that their calcium makes grow."""

    def __init__(self, growth: Growth, n: int, tick: float) -> None:
        hot = growth.hot(frozenset())
        assert hot is not None
        self.growth, self.hook = growth, jit.address_of_hook(hot.on_post)
        self.block, self.clock = NeuronBlock(n), Clock(0, 0.0, 0.0, tick, tick)
        for name, fill in growth.columns().items():
            self.block.add(name, fill)
        self.view = NeuronView("alone", self.block, self.clock, 1)
        growth.prepare(self.view)
        self.base = np.zeros(1)
        self.arrays = HookArrays(growth.name, hot, n, signals=[self.block[s] for s in hot.columns])
        self.arrays.fill(self.base)

    def run(self, trains: list[F8], ticks: int) -> None:
        """Play `ticks` ticks of the spikes (one array of times per neuron, ms since the start)."""
        time = np.concatenate(trains)
        neuron = np.repeat(np.arange(len(trains)), [t.size for t in trains])
        order = np.argsort(time, kind="stable")
        time, neuron, c = time[order], neuron[order], self.clock
        no_row, no_length = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
        traces = Traces(np.zeros((0, 0)), self.arrays.post_trace, self.base, self.arrays.tau)
        for _ in range(ticks):
            some = slice(*np.searchsorted(time, [c.spike, c.spike + c.tick_spike]))
            spikes = np.full(time[some].size, SPIKE, dtype=np.int64)
            events = Events(time[some], spikes, neuron[some], np.zeros_like(spikes))
            play(0, 0, self.hook, jit.address(self.arrays.record), events, no_row, no_length, 0, traces, np.inf)
            c.tick += 1
            c.life = c.spike = c.tick * c.tick_spike
            self.growth.signals(self.view)


def poisson_growth(growth: Growth, rates: F8, n: int, ticks: int, seed: int) -> dict[str, tuple[F8, F8]]:
    """Mean growth of Poisson neurons and its standard error, in units of nu; every kind on the same spikes.

    Ticks last a time constant of calcium, and the first five are left out.
    """
    draw, tick = np.random.default_rng(seed), growth.tau
    out = {kind: (np.zeros(rates.size), np.zeros(rates.size)) for kind in growth.curves()}
    for k, rate in enumerate(rates):
        group = Firing(replace(growth, start=1e6, calcium=growth.tau * growth.beta * rate / second), n, tick)
        trains = [poisson(float(rate), (5 + ticks) * tick, draw) for _ in range(n)]
        group.run(trains, 5)
        before = {kind: group.block[f"elements_{kind}"].copy() for kind in out}
        group.run(trains, ticks)
        for kind, curve in growth.curves().items():
            each = (group.block[f"elements_{kind}"] - before[kind]) / (curve.nu * ticks * tick)
            out[kind][0][k], out[kind][1][k] = each.mean(), each.std(ddof=1) / np.sqrt(n)
    return out


def written(curve: GrowthCurve, calcium: F8) -> F8:
    """The curve in units of nu, as the equations are written."""
    if curve.word == "linear":
        return np.asarray(1.0 - calcium / curve.epsilon)
    if curve.word == "sigmoid":
        return np.asarray(2.0 / (1.0 + np.exp((calcium - curve.epsilon) / curve.psi)) - 1.0)  # type: ignore[attr-defined]
    low = curve.eta  # type: ignore[attr-defined]
    xi, zeta = 0.5 * (low + curve.epsilon), (curve.epsilon - low) / (2.0 * np.sqrt(np.log(2.0)))
    return np.asarray(2.0 * np.exp(-(((calcium - xi) / zeta) ** 2)) - 1.0)


def _distinct(growth: Growth) -> Growth:
    """One kind for each different curve, named by the kinds that have it; growing, so that there is a curve."""
    kinds: dict[GrowthCurve, list[str]] = {}
    for kind, curve in growth.curves().items():
        kinds.setdefault(curve if curve.nu > 0 else replace(curve, nu=1e-4), []).append(kind)
    named = {"_and_".join(k) if len(kinds) > 1 else "every_kind": c for c, k in kinds.items()}
    return replace(growth, elements=named, vacancy_tau=float("inf"))


@protocol(Growth)
def growth_protocol(growth: Growth, *, n: int = 200, ticks: int = 30, seed: int = 1) -> Protocol:
    """The curve against calcium, growth against the rate of firing, and a silenced neuron."""
    one = _distinct(growth)
    curves = one.curves()
    high = max(c.epsilon for c in curves.values())
    calcium, fine = np.linspace(0.0, 2.0 * high, 41), np.linspace(0.0, 2.0 * high, 401)
    against = Panel("Growth at a level of calcium", "calcium", "growth (nu)")
    short = 1e-6  # of a time constant
    for kind, curve in curves.items():
        rate = [growth_between(*curve.shape(), float(c), short) / short for c in calcium]
        against.add(
            kind.replace("_", " "), calcium, rate, written(curve, calcium), 1e-4, fine=(fine, written(curve, fine))
        )
    target = high / (one.beta * one.tau / second)
    rates = target * np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
    found = poisson_growth(one, rates, n, ticks, seed)
    firing = Panel("Poisson firing, shot noise and all", "rate (Hz)", "mean growth (nu)")
    smooth = np.linspace(rates[0], rates[-1], 60)
    for kind, curve in curves.items():
        mean, error = found[kind]
        label = kind.replace("_", " ")
        if curve.word == "sigmoid":
            firing.add(label, rates, mean)
            continue
        law, line = ([mean_growth(curve, float(r), one.tau, one.beta) / curve.nu for r in at] for at in (rates, smooth))
        firing.add(label, rates, mean, law, 4.0 * error, fine=(smooth, line))
    return Protocol(
        growth, "its hook under given spikes: calcium, and what grows", [against, firing, silenced(one, high)],
        "Butz & van Ooyen 2013, Eq. 4",
    )  # fmt: skip


def silenced(growth: Growth, level: float) -> Panel:
    """Elements of a neuron that falls silent at the set-point: growth sets in as calcium decays (closed for linear)."""
    from scipy.integrate import cumulative_trapezoid

    ticks, parts = 40, 10
    group = Firing(replace(growth, start=1e6, calcium=level), 1, growth.tau / parts)
    time = np.arange(1, ticks + 1) / parts
    grid = np.linspace(0.0, time[-1], 40001)
    course: dict[str, list[float]] = {kind: [] for kind in growth.curves()}
    for _ in range(ticks):
        group.run([np.zeros(0)], 1)
        for kind, curve in growth.curves().items():
            course[kind].append((group.block[f"elements_{kind}"][0] - 1e6) / (curve.nu * growth.tau))
    panel = Panel("A neuron at the set-point falls silent", "time (calcium time constants)", "elements gained (nu tau)")
    for kind, curve in growth.curves().items():
        if isinstance(curve, LinearGrowth):
            law = time + level / curve.epsilon * np.expm1(-time)
        else:  # the integral by the trapezoidal rule on a fine grid
            area = cumulative_trapezoid(written(curve, level * np.exp(-grid)), grid, initial=0.0)
            law = np.interp(time, grid, area)
        panel.add(kind.replace("_", " "), time, course[kind], law, 1e-6)
    return panel


# ---------------------------------------------------------------------- pairing


def _targets(pairing: Pairing, table: Table, **options: Any) -> Ticks:
    """Targets whose dendritic elements stand still; the axons have none of their own: plentiful."""
    still = Growth({pairing.dendritic: LinearGrowth(nu=0.0)})
    return Ticks((still, pairing), table, tick=0.1 * day, **options)


def _filled(n_source: int, n_target: int, columns: tuple[str, ...] = ()) -> Table:
    """Every source once on every target."""
    target, source = np.repeat(np.arange(n_target), n_source), np.tile(np.arange(n_source), n_target)
    return Table.build(n_source, n_target, [1.0], source, target, np.zeros(source.size, int), 1.0, columns=columns)


def _bare(n_source: int, n_target: int) -> Table:
    none = np.zeros(0, dtype=np.int64)
    return Table.build(n_source, n_target, [1.0], none, none, none, 1.0)


def distances(pairing: Pairing, n: int, seed: int) -> Panel:
    """Distances at which vacant elements meet, on a grid of sources (EX-12)."""
    sigma = pairing.sigma if np.isfinite(pairing.sigma) else 750.0
    draw, steps = np.random.default_rng(seed), np.arange(-4.0, 4.0, 0.1) + 0.05
    sources = sigma * np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    targets = sigma * draw.uniform(-0.5, 0.5, (n, 2))
    world = _targets(pairing, _bare(sources.shape[0], n), seed=seed, source_positions=sources, target_positions=targets)
    world.view.target[f"elements_{pairing.dendritic}"][:] = 8.0
    world.step()
    slots = world.table.slots()
    d = np.linalg.norm(sources[world.table.pre(slots)] - targets[world.table.post[slots]], axis=1) / sigma
    edges = np.linspace(0.0, 3.0, 16)
    count, x = np.histogram(d, edges)[0], 0.5 * (edges[:-1] + edges[1:])
    panel = Panel("Distances at which elements meet", f"distance (sigma = {sigma:g} um)", "density")
    law = -np.diff(np.exp(-(edges**2)))
    fine = np.linspace(0.0, 3.0, 200)
    if not np.isfinite(pairing.sigma):
        return panel.add("distance does not matter", x, count / (d.size * np.diff(edges)))
    wide = 4.0 * np.sqrt(law * (1.0 - law) / d.size) + 1.5 / d.size
    return panel.add(
        f"{d.size} synapses", x, count / (d.size * np.diff(edges)), law / np.diff(edges), wide / np.diff(edges),
        fine=(fine, 2.0 * fine * np.exp(-(fine**2))),
    )  # fmt: skip


def broken(pairing: Pairing, n: int, seed: int) -> Panel:
    """Which of eight synapses go where a neuron has five elements left, by the declared rule."""
    world = _targets(pairing, _filled(8, n, ("size",)), seed=seed)
    t, draw = world.table, np.random.default_rng(seed)
    slots = t.slots()
    # a rank per synapse in what the rule looks at: the order of birth, or the weight
    rank = np.argsort(np.argsort(draw.random((n, 8)), axis=1), axis=1)
    uid = t.uid[slots].astype(np.int64)
    if pairing.deletion == "smallest":
        t.weight[slots] = 1.0 + rank[t.post[slots], t.pre(slots)]
        t.column("size")[slots] = t.weight[slots]
    else:
        order = np.lexsort((uid, t.post[slots]))
        rank[t.post[slots[order]], t.pre(slots[order])] = np.tile(np.arange(8), n)
    world.view.target[f"elements_{pairing.dendritic}"][:] = 5.5
    world.step()
    alive = np.zeros((n, 8), dtype=bool)
    left = t.slots()
    alive[t.post[left], t.pre(left)] = True
    lost = np.bincount(rank[~alive], minlength=8) / n
    law = {"random": np.full(8, 3 / 8), "youngest": np.arange(8) > 4}.get(pairing.deletion, np.arange(8) < 3)
    wide = 4.0 * np.sqrt(3 / 8 * 5 / 8 / n) if pairing.deletion == "random" else 1e-12
    word = "rank by size, smallest first" if pairing.deletion == "smallest" else "rank by age, oldest first"
    panel = Panel(f"Eight synapses, five elements: {pairing.deletion} go", word, "share lost")
    return panel.add(f"{n} neurons", np.arange(1, 9), lost, np.asarray(law, dtype=float), wide)


@protocol(Pairing)
def pairing_protocol(pairing: Pairing, *, n: int = 300, seed: int = 1) -> Protocol:
    """Distances of new synapses, numbers that follow the elements, and which synapses break."""
    z = np.repeat(np.arange(0.5, 8.0, 0.5), 10)
    world = _targets(pairing, _filled(4, z.size), seed=seed, multapses=True)
    world.view.target[f"elements_{pairing.dendritic}"][:] = z
    world.step(2)
    number = np.bincount(world.table.post[world.table.slots()], minlength=z.size).reshape(-1, 10).mean(axis=1)
    follow = Panel("From four synapses, two ticks later", "dendritic elements", "synapses")
    fine = np.linspace(0.0, 8.0, 400)
    follow.add("", z[::10], number, np.floor(z[::10]), 1e-12, fine=(fine, np.floor(fine)))
    return Protocol(
        pairing, "targets whose elements are given, axons that are plentiful",
        [distances(pairing, n, seed), follow, broken(pairing, 4 * n, seed)],
        "kernel of RELeARN (public code), exp(-(d/sigma)^2)",
    )  # fmt: skip
