"""Calcium-based plasticity: an efficacy that two calcium thresholds push up and down, in a bistable potential.

    tau drho/dt = -rho (1 - rho) (1/2 - rho) + up (1 - rho) [Ca > high] - down rho [Ca > low] + noise

Calcium of a synapse jumps by `pre` a time `delay` after each arrival and by `post` at each spike of the target, and
decays with `calcium_tau`.  Noise has amplitude ``sigma sqrt(tau)`` for each threshold that is passed.  Everything is
exact between events (`calcium_rules.py`).  Sources: Graupner & Brunel 2012; constants of their depression-potentiation
set as found in two independent public codes; the equation is recalled.

Without spines the weight is ``bottom + rho (top - bottom)``, as of the synapse's last event (arrival or spike of the
target): what rho does between that event and an arrival acts from the next one on.  With spines the two states of rho
shift the set-point of size by plus and minus `gain`, as they are at the end of a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.arrays import I8
from neurodev.errors import BuildError, ParameterError, SimulationError
from neurodev.mechanisms.base import Hot, Mechanism, SynapseView
from neurodev.mechanisms.calcium_rules import BISTABLE, FLAT, CalciumParameters, calcium_now, calcium_post, calcium_pre
from neurodev.noise import uniforms_of
from neurodev.params import param
from neurodev.structure.cause import Cause

POTENTIALS = {"flat": FLAT, "bistable": BISTABLE}


@dataclass(frozen=True)
class CalciumPlasticity(Mechanism):
    """Graupner and Brunel's calcium-based plasticity.

    Parameters
    ----------
    pre, post : float
        Jumps of calcium by an arrival and by a spike.
    delay : float, ms (spike)
        Of the calcium of an arrival.
    calcium_tau : float, ms (spike)
    low, high : float
        Thresholds of depression and of potentiation.
    down, up : float
        Rates of depression and potentiation, in units of 1 / tau.
    tau : float, ms (spike)
        Time constant of the efficacy.
    sigma : float
        Noise; 0 is the off switch.
    potential : {"bistable", "flat"}
    initially_up : float
        Share of synapses whose efficacy starts at 1 (the others at 0); newborn ones start at 0.
    top : float, mV
        Weight at efficacy 1, without spines.
    ratio : float
        b, weight at efficacy 1 over weight at efficacy 0.
    gain : float
        With spines: shift of the set-point at efficacies 1 and 0, plus and minus, in sd of size.
    waiting : int
        Arrivals of one row that may wait for their calcium at the same time.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0).use(nd.CalciumPlasticity())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV, uses CalciumPlasticity)
    """

    pre: float = param(1.0, unit="1", low=0.0, source="Graupner & Brunel 2012, public code")
    post: float = param(2.0, unit="1", low=0.0, source="Graupner & Brunel 2012, public code")
    delay: float = param(13.7, unit="ms", clock="spike", low=0.0, source="Graupner & Brunel 2012, public code")
    calcium_tau: float = param(20.0, unit="ms", clock="spike", above=0.0, source="Graupner & Brunel 2012, public code")
    low: float = param(1.0, unit="1", above=0.0, source="Graupner & Brunel 2012, public code")
    high: float = param(1.3, unit="1", above=0.0, source="Graupner & Brunel 2012, public code")
    down: float = param(200.0, unit="1", low=0.0, source="Graupner & Brunel 2012, public code")
    up: float = param(321.808, unit="1", low=0.0, source="Graupner & Brunel 2012, public code")
    tau: float = param(150_000.0, unit="ms", clock="spike", above=0.0, source="Graupner & Brunel 2012, public code")
    sigma: float = param(2.8284, unit="1", low=0.0, source="Graupner & Brunel 2012, public code")
    potential: str = param("bistable", choices=tuple(POTENTIALS), source="Graupner & Brunel 2012")
    initially_up: float = param(0.5, unit="1", low=0.0, high=1.0, source="Graupner & Brunel 2012, beta")
    top: float = param(1.0, unit="mV", above=0.0, source="free")
    ratio: float = param(5.0, unit="1", above=0.0, source="Graupner & Brunel 2012, b")
    gain: float = param(1.0, unit="1", low=0.0, source="free")
    waiting: int = param(16, unit="1", low=1, high=1024, source="free: 16 arrivals in 13.7 ms are 1170 Hz")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "tau drho/dt = -rho (1-rho)(1/2-rho) + up (1-rho)[Ca > high] - down rho [Ca > low] + "
        "sigma sqrt(tau n_above) xi;  Ca: + pre at arrival + delay, + post at a spike, decays with calcium_tau"
    )
    owns: ClassVar[tuple[str, ...]] = ("efficacy", "calcium", "calcium_time", "calcium_stream")
    adds: ClassVar[tuple[str, ...]] = ("drive_calcium",)
    causes: ClassVar[dict[str, Cause]] = {
        "calcium": Cause("its calcium had kept it in the depressed state, and its set-point fell", colour="#9C6B98")
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if int(self.waiting) != self.waiting:
            raise ParameterError(f"CalciumPlasticity.waiting must be a whole number, got {self.waiting!r}")

    def columns(self) -> dict[str, float]:
        """Efficacy, calcium, and when they were brought up to date; a random number for each synapse with noise."""
        noisy = {"calcium_stream": 0.0} if self.sigma > 0 else {}
        return {"efficacy": 0.0, "calcium": 0.0, "calcium_time": 0.0} | noisy | {"drive_calcium": 0.0}

    def writes_weight(self, columns: frozenset[str]) -> bool:
        """Where there are no sizes to move."""
        return "log_size" not in columns

    def sets_weight(self, columns: frozenset[str]) -> bool:
        """They follow the efficacy, where there are no sizes to move."""
        return self.writes_weight(columns)

    def hot(self, columns: frozenset[str]) -> Hot:
        """The hooks; rings of waiting arrivals travel as pre traces that never decay."""
        parameters = CalciumParameters(
            calcium_tau=self.calcium_tau, pre=self.pre, post=self.post, delay=self.delay, low=self.low, high=self.high,
            down=self.down, up=self.up, tau=self.tau, sigma=self.sigma, potential=float(POTENTIALS[self.potential]),
            bottom=self.top / self.ratio, top=self.top, writes_weight=float("log_size" not in columns),
            waiting=float(self.waiting),
        )  # fmt: skip
        names = ("efficacy", "calcium", "calcium_time") + (("calcium_stream",) if self.sigma > 0 else ())
        rings = (float("inf"),) * (int(self.waiting) + 1)
        return Hot(calcium_pre, calcium_post, parameters, names, rings, (), catch_up=calcium_now)

    def prepare(self, view: SynapseView) -> None:
        """Draw the initial states, and write their weights.

        Raises
        ------
        BuildError
            On inhibitory synapses, whose calcium this is not.
        """
        t, slots = view.table, view.slots()
        sized = "log_size" in t.column_names
        if (view.weight_gain if sized else float(t.weight[slots].min(initial=0.0))) < 0.0:
            raise BuildError(
                f"projection {view.name!r} is inhibitory: CalciumPlasticity is a rule of excitatory synapses; "
                "use InhibitorySTDP there"
            )
        up = uniforms_of(view.key("first efficacies"), t.uid[slots]) < self.initially_up
        t.column("efficacy")[slots] = up
        if not sized:
            t.weight[slots] = self.top * np.where(up, 1.0, 1.0 / self.ratio)
        self._give_streams(view, slots)

    def _give_streams(self, view: SynapseView, slots: I8) -> None:
        if self.sigma > 0:
            t = view.table
            t.column("calcium_stream")[slots] = uniforms_of(view.key("calcium noise"), t.uid[slots])

    def signals(self, view: SynapseView) -> None:
        """See that no arrival was lost; with spines, bring the efficacies to the end of the tick.

        Raises
        ------
        SimulationError
            If more arrivals waited for their calcium than there is room for.
        """
        t = view.table
        if "log_size" in t.column_names:  # a weight of its own is as of the last event, whatever the ticks
            view.catch_up(self.name)
        if np.any(np.isnan(t.column("calcium")[view.slots()])):
            raise SimulationError(
                f"projection {view.name!r}: more than {self.waiting} arrivals of one source within {self.delay:g} ms; "
                "raise CalciumPlasticity.waiting"
            )

    def add(self, view: SynapseView) -> None:
        """With spines: the two states shift the set-point of size."""
        t, slots = view.table, view.slots()
        if "log_size" in t.column_names:
            t.column("drive_calcium")[slots] += self.gain * (2.0 * t.column("efficacy")[slots] - 1.0)

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn is down, without calcium, from its first event on."""
        t = view.table
        t.column("efficacy")[slots] = 0.0
        t.column("calcium")[slots] = 0.0
        t.column("calcium_time")[slots] = -1.0
        if "log_size" not in t.column_names:
            t.weight[slots] = self.top / self.ratio
        self._give_streams(view, slots)


# ---------------------------------------------------------------------- closed forms


def share_above(rule: CalciumPlasticity, threshold: float, lag: float, period: float) -> float:
    """Share of time that calcium is above a threshold when pairs repeat every `period` ms; `lag` = t_post - t_pre."""
    gap = lag - rule.delay
    first, second = (rule.pre, rule.post) if gap >= 0 else (rule.post, rule.pre)
    gap, tau = abs(gap), rule.calcium_tau
    if gap >= period:
        raise ParameterError(f"lag={lag} ms does not fit into a period of {period} ms")
    rest = (first * np.exp(-period / tau) + second * np.exp(-(period - gap) / tau)) / -np.expm1(-period / tau)
    after_first = rest + first
    after_second = after_first * np.exp(-gap / tau) + second
    above = 0.0
    for level, room in ((after_first, gap), (after_second, period - gap)):
        if level > threshold:
            above += min(tau * float(np.log(level / threshold)), room)
    return above / period


def transition(rule: CalciumPlasticity, start: float, lag: float, n_pair: int = 60, period: float = 1000.0) -> float:
    """Probability that the efficacy ends above 1/2 after `n_pair` pairs from `start`, in the flat potential."""
    from scipy.special import erf

    above_up, above_down = (share_above(rule, x, lag, period) for x in (rule.high, rule.low))
    up, down = rule.up * above_up, rule.down * above_down
    if up + down <= 0.0:
        return float(start > 0.5)
    mean = up / (up + down)
    keep = float(np.exp(-n_pair * period * (up + down) / rule.tau))
    variance = rule.sigma**2 * (above_up + above_down) / (up + down) * (1.0 - keep**2)
    return float(0.5 * (1.0 + erf(-(0.5 - mean + (mean - start) * keep) / np.sqrt(variance))))


def strength_ratio(up: float, stays_up: float, ratio: float, initially_up: float = 0.5) -> float:
    """Mean strength after over before, from the probabilities to end up from below and from above."""
    down_share, up_share = 1.0 - initially_up, initially_up
    after = down_share * (1.0 - up + ratio * up) + up_share * (1.0 - stays_up + ratio * stays_up)
    return float(after / (down_share + ratio * up_share))


def strength_change(rule: CalciumPlasticity, lag: float, n_pair: int = 60, period: float = 1000.0) -> float:
    """Mean synaptic strength after over before `n_pair` pairs (EX-55), in the flat potential."""
    up, stays = (transition(rule, start, lag, n_pair, period) for start in (0.0, 1.0))
    return strength_ratio(up, stays, rule.ratio, rule.initially_up)
