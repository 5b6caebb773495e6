"""Neuron fate: cells that die for want of activity or of trophic support, and cells born into a settled circuit.

Death is a graded hazard in a window of age, drawn once per (tick, neuron):

    h = h0 exp(-slope (s - 1)),     h0 = -ln(1 - fraction) / (end - begin),     s = the support a neuron has

so that of neurons that stay at their set-point (s = 1) the given fraction dies in the window.  Support is the
low-passed rate over its set-point, or the level of a trophic signal over its reference, or a weighted mean of both.
With a neuron dies everything that belongs to it: synapses both ways, spikes on their way, traces, signals.  Its index
is not used again.

Naturally occurring death removes 20 to 80 % of the neurons of a region (Oppenheim 1991, recalled; half or more: Stiles
& Jernigan 2010); in rodent cortex it has an early postnatal wave that depends on activity (Wong & Marin 2019,
Annu Rev Cell Dev Biol).

Newborn neurons take places that the population keeps for them (``net.add(model, n, room=m)``).  They grow up by age:
no axonal contact before `axon`, no spine before `first_spine` (adult dentate gyrus: axons reach CA3 at 10 to 11 d,
first spines 5 to 6 d later; Zhao 2006, J Neurosci 26:3); from then on the rate of new synapses rises as
``x^2 / (1 + x^2)``, x = (age - first_spine) / (half - first_spine), and the surplus of early synapses that `Turnover`
gives a young circuit is counted from their own first spine.  In a critical period their evidence counts `plasticity`
times (larger LTP in weeks 4 to 6, PMC4828289).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Mechanism, NeuronView
from neurodev.mechanisms.turnover import MOST, draw_numbers
from neurodev.params import among, asks, measured, param
from neurodev.signals.rate import low_pass
from neurodev.structure.duration import lasting
from neurodev.structure.plan import NeuronPlan
from neurodev.units import day

# population: (fraction, begin, end), ages counted from birth; the sources are recalled, unverified
DEATH_PRESETS = {
    "pyramidal": (0.12, 2 * day, 5 * day),  # Wong 2018
    "interneuron": (0.35, 5 * day, 10 * day),  # Southwell 2012: 30 to 40 %, peak at P7
    "motoneuron": (0.50, 0 * day, 5 * day),  # Oppenheim 1991
}


def _overlap(age_begin: F8, age_end: F8, begin: float, end: float) -> F8:
    """How much of each stretch of age lies in the window, in the unit of age."""
    return np.asarray(np.maximum(np.minimum(age_end, end) - np.maximum(age_begin, begin), 0.0))


@dataclass(frozen=True)
class NeuronDeath(Mechanism):
    """Neurons with little support die in a window of age.

    Parameters
    ----------
    fraction : float
        Share of neurons at their set-point that dies in the window; 0 is the off switch.
    begin, end : float, ms (life)
        Window of age.  The age of the first neurons is life time.
    slope : float
        How steeply the hazard falls with support; 0: everybody dies alike.
    activity, trophic : float
        Weights of the two kinds of support.
    target_hz : float, Hz, optional
        Set-point of the rate; None takes the mean of the population's living neurons.
    average : float, ms (life)
        Low-pass of the rate; 0 takes single ticks.
    trophic_signal : str
        Neuron signal that holds the trophic level, where `trophic` > 0.
    trophic_reference : float
        Its level at the set-point.
    most : float
        Largest share of all neurons ever alive that may be dead; who is furthest below the hazard goes first.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.LIF(), 20, name="cells").use(nd.NeuronDeath())
    Population('cells', 20 neurons, LIF, excitatory, uses NeuronDeath)
    """

    level: ClassVar[str] = "neuron"
    owns: ClassVar[tuple[str, ...]] = ("fate_rate",)
    reads: ClassVar[tuple[str, ...]] = ("rate_hz",)
    equation: ClassVar[str] = (
        "h = -ln(1 - fraction)/(end - begin) exp(-slope (s - 1)),  s = rate/target_hz in the window"
    )

    fraction: float = param(0.12, unit="1", low=0.0, high=0.95, source="Wong 2018 (recalled): pyramidal, about 12 %")
    begin: float = param(2 * day, unit="ms", clock="life", low=0.0, source="Wong 2018 (recalled): P2-P5")
    end: float = param(5 * day, unit="ms", clock="life", above=0.0, source="Wong 2018 (recalled): P2-P5")
    slope: float = param(2.0, unit="1", low=0.0, source="free")
    activity: float = param(1.0, unit="1", low=0.0, source="free: how much; depends on activity in Wong & Marin 2019")
    trophic: float = param(0.0, unit="1", low=0.0, source="free")
    target_hz: Any = param(0.5, unit="Hz", clock="spike", above=0.0, none=True, source="free: as in Scaling")
    average: float = param(0.5 * day, unit="ms", clock="life", low=0.0, source="free: calibrated, as in Scaling")
    trophic_signal: str = param("trophic_level", source="the name under which a trophic mechanism tells its level")
    trophic_reference: float = param(1.0, unit="1", above=0.0, source="free")
    most: float = param(0.95, unit="1", low=0.0, high=0.95, source="free: upper end of what can be set")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end <= self.begin:
            raise ParameterError(
                f"NeuronDeath.end={lasting(self.end / day)} must lie after "
                f"NeuronDeath.begin={lasting(self.begin / day)}"
            )

    @classmethod
    def preset(cls, population: str, **changes: Any) -> NeuronDeath:
        """The death of a kind of neurons: ``"pyramidal"``, ``"interneuron"`` or ``"motoneuron"`` (BIO-23)."""
        fraction, begin, end = DEATH_PRESETS[among(tuple(DEATH_PRESETS))(population, "population")]
        return cls(**{"fraction": fraction, "begin": begin, "end": end, **changes})

    def columns(self) -> dict[str, float]:
        """The averaged rate, which starts on target."""
        return {"fate_rate": self.target_hz if self.target_hz is not None else 0.0}

    def wants(self) -> tuple[str, ...]:
        """The trophic level, where it counts."""
        return (self.trophic_signal,) if self.trophic > 0 else ()

    def advance(self, view: NeuronView) -> None:
        """Low-pass the rate, exactly for a rate that is constant over the tick."""
        b = view.block
        b["fate_rate"][:] = low_pass(b["fate_rate"], b["rate_hz"], view.clock.tick_life, self.average)

    def support(self, view: NeuronView) -> F8:
        """Support of every neuron relative to its set-point, (n,)."""
        b = view.block
        weight, total = self.activity + self.trophic, np.zeros(b.n)
        if weight == 0.0:
            return np.ones(b.n)
        if self.activity > 0:
            target = self.target_hz
            if target is None:
                target = b["fate_rate"][b.alive].mean() if b.alive.any() else 0.0
            total += self.activity * (b["fate_rate"] / target if target > 0 else 1.0)
        if self.trophic > 0:
            total += self.trophic * b[self.trophic_signal] / self.trophic_reference
        return total / weight

    @asks(support=measured())
    def hazard(self, support: ArrayLike) -> F8:
        """Hazard in the window, 1/day."""
        base = -np.log1p(-self.fraction) / ((self.end - self.begin) / day)
        # beyond e^600 nobody survives a tick; the bound only keeps the exponential finite
        return np.asarray(base * np.exp(np.minimum(-self.slope * (np.asarray(support, dtype=float) - 1.0), 600.0)))

    def propose(self, view: NeuronView) -> NeuronPlan | None:
        """Draw who dies in this tick."""
        b, c = view.block, view.clock
        if self.fraction == 0.0:
            return None
        age = c.life - b.born
        exposed = np.where(b.alive, _overlap(age - c.tick_life, age, self.begin, self.end), 0.0) / day
        if not exposed.any():
            return None
        hazard = self.hazard(self.support(view))
        p = -np.expm1(-hazard * exposed)
        u = view.uniforms("neuron death")
        dead = np.flatnonzero(u < p)
        left = int(self.most * int((~b.unborn).sum()) + 1e-9) - int((~np.isnan(b.died)).sum())
        if dead.size > left:
            dead = np.sort(dead[np.argsort(u[dead] / p[dead], kind="stable")][: max(left, 0)])
        return view.deaths(self.name, dead, "neuron_death", hazard[dead]) if dead.size else None


def survival(death: NeuronDeath, support: ArrayLike, age: ArrayLike) -> F8:
    """Probability of being alive at an age (ms) for a neuron whose support never changes, without the cap `most`."""
    a = np.asarray(age, dtype=np.float64)
    exposed = _overlap(np.zeros_like(a), a, death.begin, death.end) / day
    return np.asarray(np.exp(-death.hazard(support) * exposed))


# ---------------------------------------------------------------------- birth


@dataclass(frozen=True)
class Neurogenesis(Mechanism):
    """Neurons are born into the room of a population, and grow up.

    Parameters
    ----------
    rate : float, 1/day
        Births in the population per day.
    begin, end : float, ms (life)
        When neurons are born.
    axon : float, ms (life)
        Age from which a newborn may contact others.
    first_spine : float, ms (life)
        Age from which it may be contacted.
    half : float, ms (life)
        Age at which new synapses come at half the rate of a mature neuron.
    critical_begin, critical_end : float, ms (life)
        Ages of heightened plasticity.
    plasticity : float
        Factor of its evidence then (STDP on spines); 1 is the off switch.
    births : bool
        Off switch of births.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.LIF(), 20, name="cells").use(nd.Neurogenesis())
    Population('cells', 20 neurons, LIF, excitatory, uses Neurogenesis)
    """

    level: ClassVar[str] = "neuron"
    owns: ClassVar[tuple[str, ...]] = ("maturity", "plasticity", "synapses_from", "axon_from")
    equation: ClassVar[str] = (
        "births: Poisson(rate);  synapses at rate x maturity, maturity = x^2/(1 + x^2), "
        "x = (age - first_spine)/(half - first_spine)"
    )

    rate: float = param(1.0, unit="1/day", clock="life", low=0.0, source="free")
    begin: float = param(0.0, unit="ms", clock="life", low=0.0, source="free")
    end: float = param(float("inf"), unit="ms", clock="life", above=0.0, high=float("inf"), source="free")
    axon: float = param(10 * day, unit="ms", clock="life", low=0.0, source="Zhao 2006 J Neurosci 26:3: 10-11 d")
    first_spine: float = param(16 * day, unit="ms", clock="life", low=0.0, source="Zhao 2006 J Neurosci 26:3: 16 d")
    half: float = param(
        20 * day, unit="ms", clock="life", above=0.0, source="free; Zhao 2006: peak growth of spines in weeks 3-4"
    )
    critical_begin: float = param(28 * day, unit="ms", clock="life", low=0.0, source="PMC4828289: week 4")
    critical_end: float = param(42 * day, unit="ms", clock="life", low=0.0, source="PMC4828289: week 6")
    plasticity: float = param(2.0, unit="1", low=0.0, source="free: how much; PMC4828289: larger LTP")
    births: bool = param(True, source="off switch")

    def __post_init__(self) -> None:
        super().__post_init__()
        for early, late in (("begin", "end"), ("first_spine", "half"), ("critical_begin", "critical_end")):
            if getattr(self, late) <= getattr(self, early):
                raise ParameterError(
                    f"Neurogenesis.{late}={lasting(getattr(self, late) / day)} must lie after "
                    f"Neurogenesis.{early}={lasting(getattr(self, early) / day)}"
                )

    def columns(self) -> dict[str, float]:
        """Those of a mature neuron: the first neurons of a population are."""
        return {"maturity": 1.0, "plasticity": 1.0, "synapses_from": 0.0, "axon_from": 0.0}

    def prepare(self, view: NeuronView) -> None:
        """Refuse a population without room, and more births in a tick than can be drawn.

        Raises
        ------
        BuildError
            Naming the population and the cure.
        """
        if view.block.room == 0:
            raise BuildError(f"{view.name!r} has no room for newborn neurons: net.add(model, n, room=...)")
        if self.rate * view.clock.tick_life / day > MOST / 2:
            raise BuildError(f"Neurogenesis.rate={self.rate:g} on {view.name!r}: lower it, or use a shorter tick=")

    def signals(self, view: NeuronView) -> None:
        """Everybody grows older."""
        b = view.block
        newborn = np.flatnonzero(b.alive & (b.born > 0.0))
        age = view.clock.life - b.born[newborn]
        b["maturity"][newborn] = self.maturity(age)
        critical = (age > self.critical_begin) & (age <= self.critical_end)
        b["plasticity"][newborn] = np.where(critical, self.plasticity, 1.0)

    @asks(age=measured("ms"))
    def maturity(self, age: ArrayLike) -> F8:
        """Rate of new synapses at an age (ms), relative to a mature neuron."""
        x = np.maximum((np.asarray(age, dtype=float) - self.first_spine) / (self.half - self.first_spine), 0.0)
        return np.asarray(x**2 / (1.0 + x**2))

    def propose(self, view: NeuronView) -> NeuronPlan | None:
        """The births of this tick."""
        c = view.clock
        stretch = _overlap(np.array([c.life - c.tick_life]), np.array([c.life]), self.begin, self.end)
        number: NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        draw_numbers(view.key("neuron births"), np.uint64(c.tick), self.rate * stretch / day, number)
        return NeuronPlan(self.name, n_born=int(number[0])) if self.births and number[0] else None

    def born(self, view: NeuronView, slots: I8) -> None:
        """When the newborn will be able to send and to receive."""
        b = view.block
        b["maturity"][slots] = self.maturity(0.0)
        b["synapses_from"][slots] = b.born[slots] + self.first_spine
        b["axon_from"][slots] = b.born[slots] + self.axon
