"""Protocols of competition for trophic supply."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.neurotrophin import Neurotrophin, feedback_slope
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.trophic_factor import TrophicFactor, steady_state
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, star
from neurodev.units import day, hour

SIZED = ("size", "log_size")


def shares(trophin: Neurotrophin, log_sizes: F8) -> F8:
    """Drive of every synapse of one target whose sizes are given."""
    world = Ticks((trophin,), star(log_sizes.size, columns=SIZED))
    world.table.column("log_size")[world.table.slots()] = log_sizes
    for name in ("rate_hz",):
        world.view.target[name][:] = trophin.supply_hz
    world.step()
    return world.of("drive_trophic")


def _share_law(trophin: Neurotrophin, log_sizes: F8) -> F8:
    u = np.exp(trophin.exponent * log_sizes)
    return np.asarray(trophin.gain * np.clip(trophin.feeds * u / u.sum() - 1.0, -trophin.clip, trophin.clip))


def growth_rate(trophin: Neurotrophin, n: int, gain: float, tick: float) -> float:
    """Rate (1/tau) at which a small difference between two of `n` equal synapses decays."""
    size = SpineSize(noise=False, death="none", tau=2.5 * day)
    world = Ticks((size, replace(trophin, gain=gain, feeds=float(n))), star(n), tick=tick)
    slots = world.table.slots()
    x = world.table.column("log_size")
    x[slots] = 0.0
    x[slots[:2]] = 1e-4, -1e-4
    steps = max(round(size.tau / tick), 1)
    world.step(steps)
    left = float(x[slots[0]] - x[slots[1]]) / 2e-4
    return float(-np.log(left) * size.tau / (steps * tick))


@protocol(Neurotrophin)
def neurotrophin_protocol(trophin: Neurotrophin) -> Protocol:
    """The share by size, the carrying capacity, and where competition stops being graded."""
    x = np.linspace(-1.5, 1.5, 2 * round(trophin.feeds / 2) + 1)
    by_size = Panel("Share by size, as many synapses as are fed", "ln V/V0", "drive (sd)")
    by_size.add(f"K = {trophin.feeds:g}", x, shares(trophin, x), _share_law(trophin, x), 1e-10)
    count = np.unique(np.round(trophin.feeds * np.array([0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0]))).astype(int)
    mean = [shares(trophin, np.zeros(n)).mean() for n in count]
    law = trophin.gain * np.clip(trophin.feeds / count - 1.0, -trophin.clip, trophin.clip)
    capacity = Panel("Carrying capacity: equal synapses", "synapses of the target", "mean drive (sd)")
    capacity.add("", count, mean, law, 1e-10)
    n, tick = 20, 0.02 * day
    gains = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    rates = [growth_rate(trophin, n, float(g), tick) for g in gains]
    slope = np.array([feedback_slope(0.7, float(g), trophin.exponent, n, n) for g in gains])
    graded = Panel("A difference between two synapses", "slope sd gain p K/n", "decay rate (1/tau); < 0: winner")
    # the set-point is held for a tick: one step's error in the rate
    graded.add("", slope, rates, 1.0 - slope, 0.02 * (1.0 + slope**2))
    return Protocol(
        trophin, "synapses of one target share its supply", [by_size, capacity, graded], "closed form of our share"
    )


# ---------------------------------------------------------------------- consumers of a resource

_ALONE: dict[str, Any] = dict.fromkeys(
    ("release_activity", "uptake_activity", "growth_activity", "pro_share", "gain", "prune", "prune_pro", "sprout"), 0.0
)
_CLASSES = (
    ("linear: one is left", "linear", (5.76, 6.0, 6.24, 6.72, 7.2), None),
    ("Michaelis: all that can", "michaelis", (36.0, 48.0, 60.0, 72.0, 84.0), None),
    ("Hill: who was large", "hill", (72.0,) * 5, (8.0, 8.0, 8.0, 0.05, 0.05)),
)
"""EX-1 to EX-3: five axons on one target, their strengths (1/day) and first free receptors."""


def settled(factor: TrophicFactor, strength: F8, free: F8 | None = None) -> tuple[F8, float]:
    """Occupied receptors of axons of the given strengths on one target, and its ligand, when nothing moves any more."""
    slowest = min(factor.internalisation, factor.turnover, factor.loss)
    m = replace(factor, strength=strength, **_ALONE)
    world = Ticks((m,), star(strength.size), tick=10 * day / slowest)
    if free is not None:
        world.table.column("receptor_free")[world.table.slots()] = free
    world.step(60)
    return world.of("receptor_bound"), float(world.view.target[f"ligand_{m.factor}"][0])


@protocol(TrophicFactor)
def trophic_factor_protocol(factor: TrophicFactor) -> Protocol:
    """Axons of different strengths, more and more of them, and the three classes of outcome."""
    mean = float(np.mean(factor.strength))
    scale = np.array([0.6, 0.8, 1.0, 1.2, 1.4])
    # the solver's step must see the strongest of them; steady states do not depend on it
    m = replace(factor, strength=mean, step=factor.step / 2)
    large = np.full(5, 2.0 * m.half)
    bound, _ = settled(m, mean * scale, large)
    law, _ = steady_state(m, mean * scale, bound > 0.5 * m.half)
    one = Panel(f"Five axons on one target, {m.growth} growth", "strength (relative)", "occupied receptors")
    one.add("", scale, bound, law, 1e-4 * law.max() + 1e-9)
    count = np.array([1, 2, 3, 5, 8, 13])
    ligand, theory = [], []
    for n in count:
        c, left = settled(m, np.full(n, mean), 2.0 * m.half * np.linspace(1.0, 1.5, n))
        ligand.append(left)
        theory.append(steady_state(m, np.full(n, mean), c > 0.5 * m.half)[1])
    crowd = Panel("What axons of equal strength leave of the factor", "axons on the target", "free ligand")
    crowd.add("", count, ligand, theory, 1e-4 * max(theory) + 1e-9)
    classes = Panel("The three classes of growth", "axon", "occupied receptors")
    for label, growth, strength, free in _CLASSES:
        a = np.array(strength)
        reference = TrophicFactor(growth=growth, strength=a, step=0.25 * hour)
        got, _ = settled(reference, a, None if free is None else np.array(free))
        law, _ = steady_state(reference, a, None if free is None else np.array(free) > 1.0)
        classes.add(label, np.arange(1, 6), got, law, 1e-4 * law.max())
    return Protocol(
        factor, "axons compete for the factor of one target until nothing moves", [one, crowd, classes],
        "van Ooyen & Willshaw 1999, 2000: F(C)/C = rho + gam (kd + rho)/(ka L), supply = loss + uptake",
    )  # fmt: skip
