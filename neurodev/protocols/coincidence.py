"""Protocols of calcium-based plasticity and of inhibitory plasticity: pairs of spikes, and independent trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms import inhibitory_stdp
from neurodev.mechanisms.calcium_plasticity import CalciumPlasticity, share_above, strength_change, transition
from neurodev.mechanisms.inhibitory_stdp import InhibitorySTDP
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.rules import mean_and_error, partners
from neurodev.protocols.stage import Ticks, Trains, poisson
from neurodev.structure.table import Table

PERIOD, PAIRS = 1000.0, 60


def paired(rule: CalciumPlasticity, lag: float, n: int, seed: int) -> tuple[float, float]:
    """Shares of `n` synapses that end up after sixty pairs at 1 Hz, started down and started up."""
    target = np.arange(2 * n)
    nothing = np.zeros(2 * n, dtype=np.int64)
    table = Table.build(1, 2 * n, [0.0], nothing, target, nothing, 0.5)
    Ticks((rule,), table, seed=seed)
    slots = table.slots()
    start = (table.post[slots] < n).astype(np.float64)
    table.column("efficacy")[slots] = start
    pairs = 200.0 + PERIOD * np.arange(PAIRS)
    # one more spike, a second after the last pair, brings every efficacy up to date; its own calcium comes too late
    spikes = np.append(pairs + lag, pairs[-1] + PERIOD)
    Trains(rule, table).run([pairs], [spikes] * (2 * n))
    up = table.column("efficacy")[slots] > 0.5
    return float(up[start == 0].mean()), float(up[start == 1].mean())


@protocol(CalciumPlasticity)
def calcium_protocol(rule: CalciumPlasticity, *, n: int = 800, seed: int = 1) -> Protocol:
    """Sixty pairs at 1 Hz at several lags, in the flat potential (closed form) and in the bistable one."""
    lags = np.array([-60.0, -40.0, -20.0, -10.0, 0.0, 10.0, 20.0, 40.0, 60.0])
    fine = np.linspace(lags[0], lags[-1], 241)
    flat = replace(rule, potential="flat")
    shares = np.array([paired(flat, lag, n, seed) for lag in lags])
    ends = Panel("Sixty pairs at 1 Hz, flat potential", "spike after arrival (ms)", "share that ends up")
    for k, (label, start) in enumerate((("from down", 0.0), ("from up", 1.0))):
        law = np.array([transition(flat, start, lag) for lag in lags])
        wide = 4.0 * np.sqrt(np.maximum(law * (1.0 - law), 1.0 / n) / n)
        smooth = [transition(flat, start, lag) for lag in fine]
        ends.add(label, lags, shares[:, k], law, wide, fine=(fine, smooth))
    above = Panel("Time above the thresholds", "spike after arrival (ms)", "share of time")
    for label, threshold in (("depression", rule.low), ("potentiation", rule.high)):
        exact = [share_above(rule, threshold, lag, PERIOD) for lag in lags]
        above.add(
            label, lags, [traced(rule, threshold, lag) for lag in lags], exact, 2e-4,
            fine=(fine, [share_above(rule, threshold, lag, PERIOD) for lag in fine]),
        )  # fmt: skip
    weight = Panel("Synaptic strength after over before", "spike after arrival (ms)", "ratio")
    weight.add("closed form", fine, [strength_change(flat, lag) for lag in fine])
    return Protocol(
        rule, "its hooks under pairs of an arrival and a spike", [ends, above, weight],
        "Graupner & Brunel 2012",
    )  # fmt: skip


def traced(rule: CalciumPlasticity, threshold: float, lag: float, step: float = 0.02) -> float:
    """Share of a period above a threshold, by sampling the calcium of three pairs: no formula."""
    t = np.arange(2.0 * PERIOD, 3.0 * PERIOD, step)
    calcium = np.zeros(t.size)
    for k in range(3):
        for at, jump in ((k * PERIOD + 100.0 + rule.delay, rule.pre), (k * PERIOD + 100.0 + lag, rule.post)):
            calcium[t >= at] += jump * np.exp(-(t[t >= at] - at) / rule.calcium_tau)
    return float(np.mean(calcium > threshold))


def weights_after(rule: InhibitorySTDP, emissions: list[F8], spikes: list[F8], start: float) -> F8:
    """Change of the magnitude of the weight of each pair of trains, in units of the largest weight."""
    table = partners(len(emissions), ())
    table.weight[:] = -start * rule.weight_max
    before = float(table.weight[table.slots()[0]])
    Trains(rule, table).run(emissions, spikes)
    slots, out = table.slots(), np.empty(len(emissions))
    out[table.pre(slots)] = (before - table.weight[slots]) / rule.weight_max
    return out


@protocol(InhibitorySTDP)
def inhibitory_protocol(rule: InhibitorySTDP, *, seconds: float = 30.0, repeats: int = 40, seed: int = 1) -> Protocol:
    """Window of a pair, and mean drift of independent trains: no drift at the target's rate."""
    active = rule if rule.rate > 0 else replace(rule, rate=1e-3)
    lags = np.linspace(-4.0, 4.0, 41) * rule.tau
    changes = weights_after(active, [np.array([500.0])] * lags.size, [np.array([500.0 + lag]) for lag in lags], 0.5)
    fine = np.linspace(lags[0], lags[-1], 801)
    pair = Panel("Window of one pair", "spike after arrival (ms)", "change (largest weights)")
    pair.add(
        "",
        lags,
        changes,
        inhibitory_stdp.window(active, lags),
        1e-12,
        fine=(fine, inhibitory_stdp.window(active, fine)),
    )
    slow = replace(active, rate=min(active.rate, 1e-4))  # far from the bounds
    rates, draw = np.array([0.5, 1.0, 2.0, 4.0]) * rule.target_hz, np.random.default_rng(seed)
    trains = Panel("Independent Poisson trains", "rate of the target (Hz)", "mean change per second")
    for pre in (5.0, 20.0):
        n = rates.size * repeats
        emissions = [poisson(pre, 1e3 * seconds, draw) for _ in range(n)]
        spikes = [poisson(r, 1e3 * seconds, draw) for r in np.repeat(rates, repeats)]
        moved = weights_after(slow, emissions, spikes, 0.5).reshape(rates.size, repeats) / seconds
        mean, wide = mean_and_error(moved)
        smooth = np.linspace(rates[0], rates[-1], 100)
        law, line = inhibitory_stdp.drift(slow, pre, rates), inhibitory_stdp.drift(slow, pre, smooth)
        trains.add(f"arrivals at {pre:g} Hz", rates, mean, law, wide, fine=(smooth, line))
    return Protocol(
        rule, "its hooks under single pairs and Poisson trains", [pair, trains],
        "Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011",
    )  # fmt: skip
