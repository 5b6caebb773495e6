"""Protocols of sizes: fluctuation, set-points, and the deaths they decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.spine_size import SpineSize, mean_first_passage
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Push, Ticks, star
from neurodev.structure.log import DEATH
from neurodev.units import day


def still(size: SpineSize) -> SpineSize:
    """The same sizes without deaths, stationary from the start."""
    return replace(size, death="none", first=size.mean, minimum=-1e3, newborn=max(size.newborn, -999.0))


def _tick(size: SpineSize, per_tau: float = 50.0) -> float:
    return size.fastest_life_time() / per_tau


def fluctuation(size: SpineSize, n: int, seed: int) -> Panel:
    """Spread of the change of ln V over a lag (EX-38), from one long run of `n` spines."""
    tick = size.fastest_life_time() / 4.0  # the update is exact: a coarse tick is as good as a fine one
    world = Ticks((still(size),), star(n), tick=tick, seed=seed)
    first = world.of("log_size").copy()
    steps = np.array([1, 1, 2, 4, 8, 16])
    lags, spread = np.cumsum(steps) * tick / day, []
    for k in steps:
        world.step(int(k))
        spread.append(float(np.sqrt(np.mean((world.of("log_size") - first) ** 2))))
    law = change_spread(size, lags)
    panel = Panel("Fluctuation of one spine", "lag (days)", "sd of the change of ln V")
    smooth = np.linspace(0.0, lags[-1], 300)
    return panel.add(
        f"{n} spines", lags, spread, law, 4.0 * law / np.sqrt(2.0 * n), fine=(smooth, change_spread(size, smooth))
    )


def change_spread(size: SpineSize, lag_days: F8) -> F8:
    """Standard deviation of the change of ln V: both components' variances add (EX-38)."""
    lag = np.asarray(lag_days) * day
    fast, slow = 1.0 - size.slow_share, size.slow_share
    v = fast * -np.expm1(-lag / size.tau) + slow * -np.expm1(-lag / size.slow_tau)
    return np.asarray(size.sd * np.sqrt(2.0 * v) * float(size.noise))


def relaxation(size: SpineSize) -> Panel:
    """Approach to a shifted set-point, without noise: an exponential in the fast time constant."""
    tick = _tick(size)
    shifts = np.array([-1.0, -0.5, 0.5, 1.0])
    quiet = replace(still(size), noise=False, slow_share=0.0)
    world = Ticks((quiet, Push(shifts)), star(4), tick=tick)
    world.table.column("log_size")[world.table.slots()] = size.mean
    days, x = np.arange(1, 201) * tick / day, []
    for _ in days:
        world.step()
        x.append(world.of("log_size").copy())
    panel = Panel("Towards a shifted set-point", "life (days)", "ln V/V0")
    rise = -np.expm1(-days * day / size.tau)
    for k, shift in enumerate(shifts):
        panel.add(f"{shift:+g} sd", days, np.array(x)[:, k], size.mean + size.sd * shift * rise, 1e-12)
    return panel


def lives(size: SpineSize, shifts: F8, n: int, seed: int, per_tau: float = 50.0) -> tuple[F8, F8]:
    """Mean life of newborns by first passage at shifted set-points, in tau, and four standard errors."""
    tick = _tick(size, per_tau)
    world = Ticks((size, Push(np.repeat(shifts, n))), star(n * shifts.size), tick=tick, seed=seed)
    slots = world.table.slots()
    group = np.repeat(np.arange(shifts.size), n)
    world.table.column("log_size")[slots] = size.newborn
    while world.table.n_synapse and world.clock.tick < 500 * per_tau:
        world.step()
    log = world.events()
    dead = log.kind == DEATH
    # a death within a tick is dated to its middle
    age = (log.tick[dead] - 0.5) * tick / size.tau
    kind = group[log.uid[dead].astype(np.int64) - 1]
    samples = [age[kind == g] for g in range(shifts.size)]
    mean = np.array([a.mean() for a in samples])
    return mean, np.array([4.0 * a.std(ddof=1) / np.sqrt(a.size) for a in samples])


def first_passage(size: SpineSize, n: int, seed: int) -> Panel:
    """Mean life of a newborn against its set-point (EX-41)."""
    shifts = np.array([-2.0, -1.5, -1.0, -0.5, 0.0])
    mean, wide = lives(size, shifts, n, seed)

    def law(s: F8) -> F8:
        each = [mean_first_passage(size.newborn, size.minimum, size.mean + size.sd * m, size.sd, 1.0) for m in s]
        return np.array(each)

    smooth = np.linspace(-2.0, 0.0, 60)
    panel = Panel("Life of a newborn", "set-point (sd above the mean)", "mean life (tau)", log_y=True)
    # the bridge takes the path between two ticks as Brownian: good to the tick over tau
    return panel.add(
        f"{n} newborns each", shifts, mean, law(shifts), wide + 0.02 * law(shifts), fine=(smooth, law(smooth))
    )


def hazard(size: SpineSize, n: int, seed: int) -> Panel:
    """Losses of frozen sizes under the graded hazard."""
    x = size.mean + size.sd * np.linspace(-2.0, 2.0, 9)
    frozen = replace(size, noise=False, tau=1e6 * day, slow_share=0.0)
    world = Ticks((frozen,), star(n * x.size), tick=day, seed=seed)
    world.table.column("log_size")[world.table.slots()] = np.repeat(x, n)
    before = np.repeat(np.arange(x.size), n)
    days = 4
    world.step(days)
    alive = world.table.uid[world.table.slots()].astype(np.int64) - 1
    lost = 1.0 - np.bincount(before[alive], minlength=x.size) / n

    def law(v: F8) -> F8:
        return -np.expm1(-days * size.hazard_rate * np.exp(-size.hazard_slope * (v - size.mean)))

    p, smooth = law(x), np.linspace(x[0], x[-1], 200)
    panel = Panel("Losses by size in 4 days", "ln V/V0", "share lost", log_y=True)
    # a single death among n is the least that can be seen
    wide = 4.0 * np.sqrt(p * (1.0 - p) / n) + 4.0 / n
    return panel.add(f"{n} spines each", x, lost, p, wide, fine=(smooth, law(smooth)))


@protocol(SpineSize)
def size_protocol(size: SpineSize, *, n: int = 2000, seed: int = 1) -> Protocol:
    """Fluctuation (EX-38), set-point, and death by first passage (EX-41) or by graded hazard."""
    panels = [fluctuation(size, 2 * n, seed), relaxation(size)]
    if size.death == "first passage" and size.noise and size.sd > 0 and size.slow_share == 0:
        panels.append(first_passage(replace(size, newborn_sd=0.0), max(n // 2, 100), seed + 1))
    elif size.death == "hazard":
        panels.append(hazard(size, 2 * n, seed + 1))
    return Protocol(
        size, "spines without spikes: how sizes fluctuate, follow their set-point, and vanish", panels,
        "closed forms of the OU process; Loewenstein 2011; Yasumatsu 2008",
    )  # fmt: skip
