"""Homeostatic scaling: one number per neuron multiplies the weights of its spines.

    dS/dt = (1 - rbar / r*) / tau,     weight ~ exp(S),     rbar the rate, low-passed over `average`

Sizes are untouched.  The rate is averaged over several ticks before the error is taken: clipping the error of single
ticks makes the integral a vote (how often above, how often below), and the rate settles off its set-point (default
study, section 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.arrays import I8
from neurodev.errors import ParameterError
from neurodev.mechanisms.base import Mechanism, NeuronView
from neurodev.params import param
from neurodev.signals.rate import low_pass
from neurodev.units import day


@dataclass(frozen=True)
class Scaling(Mechanism):
    """Keep every neuron near a target rate by scaling its spines.

    Parameters
    ----------
    target_hz : float, Hz
        r*, mean over a tick of spike time.
    tau : float, ms (life)
        Time constant of S.
    average : float, ms (life)
        Low-pass of the rate; 0 takes single ticks.
    limit : float
        Largest change of S in a tick.
    bound : float
        Bound of abs(S); 0 is the off switch, together with start = 0.
    start : float
        S at the beginning.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.LIF(), 20, name="cells").use(nd.Scaling(target_hz=2.0))
    Population('cells', 20 neurons, LIF, excitatory, uses Scaling)
    """

    level: ClassVar[str] = "neuron"
    owns: ClassVar[tuple[str, ...]] = ("scaling", "rate_average")
    reads: ClassVar[tuple[str, ...]] = ("rate_hz",)
    equation: ClassVar[str] = "dS/dt = (1 - rbar/r*)/tau,  weight ~ exp(S),  abs(S) <= bound"

    target_hz: float = param(0.5, unit="Hz", clock="spike", above=0.0, source="free: calibrated for the default study")
    tau: float = param(1 * day, unit="ms", clock="life", above=0.0, source="free: calibrated for the default study")
    average: float = param(0.5 * day, unit="ms", clock="life", low=0.0, source="free: calibrated for the default study")
    limit: float = param(0.05, unit="1", above=0.0, source="free: calibrated for the default study")
    bound: float = param(2.0, unit="1", low=0.0, source="free: calibrated for the default study")
    start: float = param(0.5, unit="1", source="free: calibrated for the default study")

    def __post_init__(self) -> None:
        super().__post_init__()
        if abs(self.start) > self.bound:
            raise ParameterError(f"Scaling.start={self.start} must lie within +-Scaling.bound={self.bound}")

    def columns(self) -> dict[str, float]:
        """S and the averaged rate, which starts on target; S of the dead and the unborn is 0."""
        return {"scaling": 0.0, "rate_average": self.target_hz}

    def prepare(self, view: NeuronView) -> None:
        """S of the first neurons."""
        self.born(view, np.flatnonzero(view.block.alive))

    def born(self, view: NeuronView, slots: I8) -> None:
        """S of a newborn."""
        view.block["scaling"][slots] = self.start

    def approximations(self, tick: float) -> list[str]:
        """A step of Euler's."""
        return ["scaling takes one Euler step a tick."]

    def aims_hz(self) -> float:
        """Its target."""
        return self.target_hz

    def fastest_life_time(self) -> float:
        """The faster of the two."""
        return min(self.tau, self.average) if self.average > 0 else self.tau

    def advance(self, view: NeuronView) -> None:
        """One Euler step of the integral; tick <= tau / 5 is checked at build."""
        b, t = view.block, view.clock.tick_life
        b["rate_average"][:] = low_pass(b["rate_average"], b["rate_hz"], t, self.average)
        step = (1.0 - b["rate_average"] / self.target_hz) * t / self.tau
        s = b["scaling"]
        s[:] = np.clip(s + np.clip(step, -self.limit, self.limit), -self.bound, self.bound)


def step_response(t: float, rate_hz: float, scaling: Scaling, start: float = 0.0) -> float:
    """S after `t` ms (life) at a constant rate, without limits, the average having begun on target."""
    error = 1.0 - rate_hz / scaling.target_hz
    tau = scaling.average
    lag = -tau * np.expm1(-t / tau) if tau > 0 else 0.0
    return float(start + error * (t - lag) / scaling.tau)
