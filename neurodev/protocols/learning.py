"""Protocols of rules on rates and of slow scores: BCM, survival, private ranges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.mechanisms.bcm import BCM, change_per_episode, selective_response
from neurodev.mechanisms.spine_range import SpineRange
from neurodev.mechanisms.survival import Survival
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, star
from neurodev.structure.table import Table
from neurodev.units import day, hour

# ---------------------------------------------------------------------- BCM


def rate_curve(bcm: BCM, theta: float, post: F8) -> F8:
    """Score of one episode at activity 1 of the source and `post` of the targets, at a given threshold."""
    world = Ticks((replace(bcm, act="score"),), star(1, post.size, columns=()))
    world.view.source["rate_hz"][:] = bcm.reference_hz
    world.view.target["rate_hz"][:] = post * bcm.reference_hz
    world.view.target["bcm_threshold_alone"][:] = theta
    world.step()
    return world.of("bcm")


def threshold_course(bcm: BCM, activity: F8, ticks: int) -> tuple[F8, F8]:
    """Thresholds of targets whose activity is constant: days, and theta (ticks, n)."""
    world = Ticks((replace(bcm, act="score"),), star(1, activity.size, columns=()))
    world.view.target["rate_hz"][:] = activity * bcm.reference_hz
    theta = []
    for _ in range(ticks):
        world.step()
        theta.append(world.view.target["bcm_threshold_alone"].copy())
    return np.arange(1, ticks + 1, dtype=np.float64) * (world.tick / day), np.array(theta)


def competition(bcm: BCM, numbers: I8, ticks: int, seed: int) -> F8:
    """Largest response of a target of K inputs that are active one at a time, for each K of `numbers` (EX-54)."""
    draw = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(numbers)])
    source, target = np.arange(first[-1]), np.repeat(np.arange(numbers.size), numbers)
    weight = draw.uniform(0.5, 1.5, source.size)
    table = Table.build(source.size, numbers.size, [1.0], source, target, np.zeros(source.size, int), weight)
    # the threshold is slow beside the patterns, and the learning beside the threshold: stable below 1 / tau a tick
    most, step = 3.0 * numbers.max(), 0.006
    rule = replace(
        bcm, act="weight", threshold="sliding", threshold_tau=80 * hour, rate=24.0 * step / most, weight_max=most,
    )  # fmt: skip
    world = Ticks((rule,), table, tick=1 * hour)
    slots = table.slots()
    slots = slots[np.argsort(table.pre(slots))]
    late = np.zeros((2, source.size))
    order = [np.concatenate([draw.permutation(k) for _ in range(ticks // k + 1)]) for k in numbers]
    for t in range(ticks):
        active = first[:-1] + np.array([o[t] for o in order])
        world.view.source["rate_hz"][:] = 0.0
        world.view.source["rate_hz"][active] = bcm.reference_hz
        world.view.target["rate_hz"][:] = table.weight[slots[active]] * bcm.reference_hz
        world.step()
        if t >= ticks // 2:
            late[0] += table.weight[slots]
            late[1] += 1
    mean = late[0] / late[1]
    return np.array([mean[a:b].max() for a, b in zip(first[:-1], first[1:], strict=True)])


@protocol(BCM)
def bcm_protocol(bcm: BCM, *, ticks: int = 5000, seed: int = 1) -> Protocol:
    """The curve, the threshold in time, and selectivity for one of K patterns (EX-54)."""
    y = np.linspace(0.0, 2.0, 41)
    curve = Panel("Score of an episode", "activity of the target", "x y (y - theta)")
    for theta in (0.5, 1.0, 1.5):
        curve.add(f"theta {theta:g}", y, rate_curve(bcm, theta, y), change_per_episode(1.0, y, theta), 1e-12)
    levels = np.array([0.5, 1.0, 1.5])
    days, theta_t = threshold_course(bcm, levels, 36)
    course = Panel("Threshold at constant activity", "life (days)", "theta")
    for k, a in enumerate(levels):
        # a running mean of a constant is that constant from the first episode on
        law = np.full(days.size, a) if bcm.threshold == "running mean" else a**2 * -np.expm1(
            -days * day / bcm.threshold_tau
        )  # fmt: skip
        course.add(f"activity {a:g}", days, theta_t[:, k], law, 1e-6)
    numbers = np.array([2, 3, 4])
    selective = Panel("One of K patterns wins", "number of patterns K", "response to the winner")
    law = np.array([selective_response(int(k))[0] for k in numbers])
    selective.add("sliding threshold", numbers, competition(bcm, numbers, ticks, seed), law, 0.05 * law)
    return Protocol(
        bcm, "given rates, one episode a tick; then one input at a time", [curve, course, selective],
        "Bienenstock, Cooper & Munro 1982; Intrator & Cooper 1992",
    )  # fmt: skip


# ---------------------------------------------------------------------- survival


def survival_courses(survival: Survival, score: F8, epochs: int) -> F8:
    """R of synapses of constant score after each epoch, (epochs, n); NaN after death."""
    world = Ticks((survival,), star(score.size, columns=(survival.score,)), tick=survival.epoch)
    world.table.column(survival.score)[world.table.slots()] = score
    out = np.full((epochs, score.size), np.nan)
    for e in range(epochs):
        world.step()
        slots = world.table.slots()
        out[e, world.table.uid[slots].astype(np.int64) - 1] = world.table.column("survival")[slots]
    return out


def survival_law(survival: Survival, score: F8, epochs: int) -> F8:
    """The same by the equations, one synapse at a time."""
    r = {k: survival.start for k in range(score.size)}
    out = np.full((epochs, score.size), np.nan)
    for e in range(epochs):
        if e >= survival.first and r:
            values = [score[k] for k in r]
            low = min(values)
            high = float(np.percentile(values, 75)) if survival.reference == "p75" else max(values)
            step = np.exp(-np.floor((e - survival.first) / survival.eta + 1e-12)) if max(values) > low else 0.0
            if not survival.staircase and max(values) > low:
                step = np.exp(-(e - survival.first) / survival.eta)
            for k in list(r):
                u = min(max((score[k] - low) / (high - low), 0.0), 1.0) if high > low else float(score[k] > low)
                d = 2.0 * u - survival.offset
                r[k] = survival.decay * r[k] + (d + survival.boost if d > 0 else d) * step
                if r[k] < 0:
                    del r[k]
        for k, value in r.items():
            out[e, k] = value
    return out


@protocol(Survival)
def survival_protocol(survival: Survival) -> Protocol:
    """Scores held constant: R in time, and how many are left."""
    one = replace(survival, of="synapse", epoch=max(survival.epoch, 2 * hour))
    score, epochs = np.linspace(0.0, 1.0, 41), 80
    got, law = survival_courses(one, score, epochs), survival_law(one, score, epochs)
    age = np.arange(1, epochs + 1)
    course = Panel("R of synapses by their score", "epoch", "R")
    for k in (4, 12, 20, 30, 40):
        both = np.where(np.isnan(got[:, k]) & np.isnan(law[:, k]), 0.0, np.nan_to_num(law[:, k], nan=-1e3))
        course.add(f"score {score[k]:g}", age, np.nan_to_num(got[:, k], nan=0.0), both, 1e-9)
    left = Panel("How many are left", "epoch", "share alive")
    left.add(f"{score.size} synapses", age, (~np.isnan(got)).mean(axis=1), (~np.isnan(law)).mean(axis=1), 1e-12)
    return Protocol(
        one,
        "synapses whose score stands still: use it or lose it",
        [course, left],
        "Han et al. 2025, IEEE TPAMI 47:240 (DPAP), public code",
    )


# ---------------------------------------------------------------------- private range


@protocol(SpineRange)
def range_protocol(spine_range: SpineRange) -> Protocol:
    """A weight that rises against its bound, and one that falls: when the bounds move, and by how much."""
    one, n = replace(spine_range, epoch=max(spine_range.epoch, 2 * hour)), spine_range.count
    epochs = 4 * n + 2
    world = Ticks((one,), star(2, columns=()), tick=one.epoch)
    t = world.table
    slots = t.slots()[np.argsort(t.uid[t.slots()])]
    rise, high = 0.02, np.zeros((epochs, 2))
    press, fall = 1.0 + rise * np.arange(epochs), 0.98 ** np.arange(epochs)
    for e in range(epochs):
        t.weight[slots] = press[e], fall[e]
        world.step()
        high[e] = t.column("range_high")[slots]
    stamps = np.arange(epochs)
    k = np.maximum((stamps - 1) // n, 0)  # how often a bound has moved: at epochs count + 1, 2 count + 1, ...
    middle = 1.0 + (k - 1) * n + (n + 1) / 2.0  # of the last `count` epochs before that
    law = np.where(k > 0, 1.0 + rise * middle, 1.0)
    panel = Panel("Upper bound of the range", "epoch", "bound, in the largest first weight")
    panel.add("weight that rises against it", stamps, high[:, 0], law, 1e-12)
    panel.add("weight that keeps falling", stamps, high[:, 1], one.shrink**k, 1e-12)
    return Protocol(one, "given weights, one an epoch", [panel], "Han et al. 2025, Inf. Sci. 689:121481, code")
