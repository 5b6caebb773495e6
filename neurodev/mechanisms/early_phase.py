"""The early phase of plasticity: a transient change of a spine, part of which is consolidated into its size.

    total size = V (1 + e),    weight = (weight of V) (1 + e)
    de/dt = -e / tau + gain * induction,    dx/dt = c(V) e / tau,    c(V) = consolidated / (1 + (V / half)^power)

x = ln(V/V0) is the slow size.  e is on the spike clock, off unless this mechanism is named.  What an induction brings
decays with `tau`; while it decays, a share of it moves into the size: much in a small spine, hardly any in a large one
(transient in large mushroom, persistent in small spines: Matsuzaki 2004, Nature 429:761, abstract; time course of small
spines recalled: +200 to +300 % within minutes, +70 to +100 % after an hour).

A tick is advanced exactly: with E the integral of e/tau over it, ``dx/dE = c`` has the solution
``dx + (V/half)^power (exp(power dx) - 1) / power = consolidated E``, found by Newton's method.  Induction is what STDP
accumulated in the tick, in units of its reference burst, and is taken as spread evenly over the tick.  Between ticks
the weight stays: a tick may be at most a fifth of `tau` of spike time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.units import minute

NOTHING = 1e-13  # an early phase that is as good as over


class Early(NamedTuple):
    """The constants of a tick."""

    gain: float
    keep: float
    """exp(-T/tau)"""
    spread: float
    """What is left of an induction spread evenly over the tick."""
    lowest: float
    highest: float
    consolidated: float
    power: float
    scale: float
    """ln(V0 / half)"""


@rule
def consolidated_step(e: float, load: float, power: float) -> float:
    """The root y of ``y + load (exp(power y) - 1) / power = e``.

    The left side is increasing and convex, so the root of its tangent at 0 lies right of the root, and Newton's method
    comes down from there without overshooting; far out, the exponential alone is the better bound.
    """
    y = e / (1.0 + load)
    if load > 0.0 and power * y > 1.0:
        y = min(y, np.log1p(power * e / load) / power)
    for _ in range(60):
        grown = load * np.expm1(power * y)
        move = (y + grown / power - e) / (1.0 + load + grown)
        y -= move
        if abs(move) <= 1e-8 * abs(y):  # convergence is quadratic: nothing is left of the next step
            break
    return y


@kernel
def advance_early(slots: I8, early: F8, induction: F8, log_size: F8, step: F8, q: Early) -> None:
    """Advance e of `slots` over a tick and add what is consolidated to `step`; columns are (capacity,)."""
    for k in range(slots.shape[0]):
        s = slots[k]
        e, new = early[s], q.gain * induction[s]
        if e == 0.0 and new == 0.0:
            continue
        passed = e * (1.0 - q.keep) + new * (1.0 - q.spread)
        left = min(max(e * q.keep + new * q.spread, q.lowest), q.highest)
        early[s] = left if abs(left) > NOTHING else 0.0
        if q.consolidated > 0.0:
            load = np.exp(q.power * (log_size[s] + q.scale))
            step[s] += consolidated_step(q.consolidated * passed, load, q.power)


@dataclass(frozen=True)
class EarlyPhase(Mechanism):
    """A transient change of a spine's size and weight, partly consolidated.

    Parameters
    ----------
    gain : float
        Rise of e by one reference burst of STDP; 0 is the off switch.
    tau : float, ms (spike)
        Decay of e.
    lowest, highest : float
        Bounds of e: depression shrinks, potentiation saturates.
    consolidated : float
        Change of ln V of a very small spine per unit of e that has decayed; 0 is the off switch of consolidation.
    half : float, um3
        Volume at which half of that is consolidated.
    power : float
        How sharply consolidation falls with volume.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.STDP(), nd.SpineSize(), nd.EarlyPhase())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses STDP, SpineSize, EarlyPhase)
    """

    gain: float = param(2.5, unit="1", low=0.0, source="Matsuzaki 2004; Harvey & Svoboda 2007 (recalled): +250 %")
    tau: float = param(10 * minute, unit="ms", clock="spike", above=0.0, source="free: 5-10 min, our reading")
    lowest: float = param(-0.3, unit="1", low=-1.0, high=0.0, source="Zhou 2004 (recalled): -20 to -30 %")
    highest: float = param(3.0, unit="1", low=0.0, source="Matsuzaki 2004; Lee 2009 (recalled): +200 to +300 %")
    consolidated: float = param(0.35, unit="1", low=0.0, source="free: +80 % after an hour at 0.05 um3")
    half: float = param(0.1, unit="um3", above=0.0, source="free: between small (0.05) and large (0.3 um3) spines")
    power: float = param(2.0, unit="1", above=0.0, source="free")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "de/dt = -e/tau + gain induction;  dx/dt = c(V) e/tau,  c = consolidated/(1 + (V/half)^power);  "
        "size V (1 + e), weight w(V) (1 + e)"
    )
    owns: ClassVar[tuple[str, ...]] = ("early",)
    adds: ClassVar[tuple[str, ...]] = ("step_consolidation", "induction")
    causes: ClassVar[dict[str, Cause]] = {
        "consolidation": Cause("repeated depression was consolidated until nothing was left of it", colour="#5B6FB5")
    }
    reads: ClassVar[tuple[str, ...]] = ("accumulator", "log_size")

    def columns(self) -> dict[str, float]:
        """e, what the tick induced, and the step that is consolidated."""
        return {"early": 0.0, "induction": 0.0, "step_consolidation": 0.0}

    def prepare(self, view: SynapseView) -> None:
        """Refuse a projection without sizes, and ticks that would miss the decay.

        Raises
        ------
        BuildError
            With the cure.
        """
        if "log_size" not in view.table.column_names:
            raise BuildError(
                f"projection {view.name!r}: EarlyPhase changes the size of spines; connect it with spines= and use "
                "SpineSize"
            )
        if view.clock.tick_spike > self.tau / 5.0 * (1 + 1e-9):
            raise BuildError(
                f"projection {view.name!r}: a tick holds {view.clock.tick_spike / minute:g} min of spikes, more than a "
                f"fifth of EarlyPhase.tau ({self.tau / minute:g} min): use a shorter tick=, or a higher acceleration="
            )

    def add(self, view: SynapseView) -> None:
        """Advance e over the tick, and ask for the step of size that is consolidated."""
        t = view.table
        aged = view.clock.tick_spike / self.tau
        keep = float(np.exp(-aged))
        q = Early(
            gain=self.gain, keep=keep, spread=-np.expm1(-aged) / aged, lowest=self.lowest, highest=self.highest,
            consolidated=self.consolidated, power=self.power, scale=np.log(view.reference_volume / self.half),
        )  # fmt: skip
        advance_early(
            view.slots(), t.column("early"), t.column("induction"), t.column("log_size"),
            t.column("step_consolidation"), Early(*(float(x) for x in q)),
        )  # fmt: skip

    def advance(self, view: SynapseView) -> None:
        """Forget the tick's induction: a rule that is blocked must not go on inducing."""
        view.table.column("induction")[view.slots()] = 0.0

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn has no early phase."""
        view.table.column("early")[slots] = 0.0
        view.table.column("induction")[slots] = 0.0


# ---------------------------------------------------------------------- closed form


def time_course(rule: EarlyPhase, volume: float, minutes: np.ndarray, start: float | None = None) -> np.ndarray:
    """Total size over the first one at `minutes` after an induction of `start` (by default one reference burst).

    The equation of consolidation solved explicitly, by Wright's omega function; sizes do not fluctuate here.
    """
    from scipy.special import wrightomega

    e0 = rule.gain if start is None else start
    keep = np.exp(-np.asarray(minutes, dtype=np.float64) * minute / rule.tau)
    n, load = rule.power, (volume / rule.half) ** rule.power
    # with z = load exp(n y): z + ln z = ln load + load + n consolidated E, that is z = omega of the right-hand side
    z = wrightomega(np.log(load) + load + n * rule.consolidated * e0 * (1.0 - keep))
    grown = (z / load) ** (1.0 / n)
    return np.asarray(grown * (1.0 + e0 * keep))
