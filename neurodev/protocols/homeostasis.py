"""Protocols of mechanisms that hold a neuron near a target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.scaling import Scaling, step_response
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, star
from neurodev.units import day, hour


def responses(scaling: Scaling, rates: F8, ticks: int, tick: float, loop: bool = False) -> tuple[F8, F8, F8]:
    """S of neurons at constant rates (or at `rates` e^S: a closed loop): days, S and rates, (ticks, n)."""
    world = Ticks((scaling,), star(1, rates.size), tick=tick)
    block, s, r = world.view.target, [], []
    for _ in range(ticks):
        block["rate_hz"][:] = rates * np.exp(block["scaling"]) if loop else rates
        r.append(block["rate_hz"].copy())
        world.step()
        s.append(block["scaling"].copy())
    return np.arange(1, ticks + 1, dtype=np.float64) * (tick / day), np.array(s), np.array(r)


@protocol(Scaling)
def scaling_protocol(scaling: Scaling) -> Protocol:
    """Response to a constant rate, and the closed loop."""
    tick = min(2 * hour, scaling.fastest_life_time() / 10)
    ratio = np.array([0.75, 0.9, 1.1, 1.25])
    free = replace(scaling, start=0.0)
    days, s, _ = responses(free, ratio * scaling.target_hz, 24, tick)
    panel = Panel("Response to a constant rate", "life (days)", "S")
    for k, q in enumerate(ratio):
        law = np.array([step_response(d * day, q * scaling.target_hz, scaling) for d in days])
        # one Euler step is the most by which the sum and the integral can differ; the limit and the bound cut
        law = np.clip(law, -scaling.bound, scaling.bound)
        panel.add(f"{q:g} of the target", days, s[:, k], law, abs(1.0 - q) * tick / scaling.tau + 1e-12)
    start = np.array([0.5, 1.0, 2.0, 4.0]) * scaling.target_hz
    days, s, r = responses(free, start, 240, tick, loop=True)
    loop = Panel("Closed loop, rate ~ exp(S)", "life (days)", "rate / target")
    for k, q in enumerate(start):
        law = np.full(days.size, np.nan)
        reach = np.exp(scaling.bound) * q / scaling.target_hz >= 1.0 >= np.exp(-scaling.bound) * q / scaling.target_hz
        if reach:
            law[-60:] = 1.0  # it has settled on the target
        loop.add(f"from {q / scaling.target_hz:g}", days, r[:, k] / scaling.target_hz, law, 1e-3)
    return Protocol(
        scaling, "neurons at given rates, then with rates that follow their scaling", [panel, loop],
        "the loop settles on its set-point (our model)",
    )  # fmt: skip
