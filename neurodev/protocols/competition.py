"""Protocols of competition for trophic supply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neurodev.mechanisms.neurotrophin import Neurotrophin, feedback_slope
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, star
from neurodev.units import day

F8 = NDArray[np.float64]
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
    return trophin.gain * np.clip(trophin.feeds * u / u.sum() - 1.0, -trophin.clip, trophin.clip)


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
    return -np.log(left) * size.tau / (steps * tick)


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
        trophin, "synapses of one target share its supply", [by_size, capacity, graded], "model.md, section 3 (3)"
    )
