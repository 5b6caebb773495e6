"""Competition for a trophic factor as consumers of a resource: receptors, ligand, and what they decide.

The consumer-resource model of van Ooyen & Willshaw (1999, 2000; equations recalled, steady states derived).  A synapse
consumes the factor that its target neuron releases:

    dC/dt      = (ka L R - kd C) - rho C                     occupied receptors
    dR/dt      = phi - gam R - (ka L R - kd C)               free receptors
    tau dphi/dt = F(C) - phi                                  production;  F linear, Michaelis or Hill
    dL/dt      = release - del L - sum(ka L R - kd C) / v    free factor around the target

What F is decides who survives: linear, only the synapse that can live on the least factor (EX-1); Michaelis, all that
can live on what is left (EX-2); Hill, whoever has a large arbour at the start (EX-3).  `steady_state` is the closed
form.  Each synapse is a consumer; with several contacts of an axon on a target, the axon's arbour is their sum.

Activity (the tick's rates over reference rates) may drive the release by the target, the uptake by the axon and its
growth, each by a weight between 0 (independent of activity) and 1 (proportional).  A share of what is released may be
the pro-form, which the target's activity cleaves to the mature one (proBDNF; tPA and plasmin, Pang 2004,
Science 306:487) and which, whole, promotes pruning (p75, Yang 2009, PMC2737352).

What it does: the share of the supply that a synapse takes up shifts its size's set-point, in the form of the simple
share of `Neurotrophin`; synapses with few occupied receptors are pruned, free factor attracts new ones.  The occupied
receptors of an axon over all its synapses are its neuron's signal ``trophic_level`` (see `NeuronDeath`).

Signals of a target (X: the name of the factor): ``ligand_X``, ``pro_X``, and, set by `Infuse` and `Antagonise`,
``infused_X`` (1/day) and ``blocked_X`` (share of receptors).

The constants are those of the reference problems EX-1 to EX-3 (dimensionless; free), read with the hour as the unit of
time: the literature gives their order of magnitude only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Mechanism, NeuronBlock, SynapseView
from neurodev.mechanisms.neurotrophin import TROPHIC
from neurodev.mechanisms.trophic_rules import HILL, LINEAR, MICHAELIS, Kinetics, Receptors, Targets, advance_targets
from neurodev.mechanisms.turnover import MOST, draw_births, tabulate
from neurodev.noise import uniforms_of
from neurodev.params import param
from neurodev.structure.cause import Cause
from neurodev.structure.plan import Plan
from neurodev.units import day, hour

CURVES = {"linear": LINEAR, "michaelis": MICHAELIS, "hill": HILL}
_REFERENCE = "free: reference problem, per hour; equations: van Ooyen & Willshaw 1999 (recalled)"


@dataclass(frozen=True)
class TrophicFactor(Mechanism):
    """Synapses compete for a factor that their target releases, by the receptors they can keep.

    Parameters
    ----------
    factor : str
        Name of the factor; two projections onto one population need two names.
    growth : {"linear", "michaelis", "hill"}
        How the production of receptors rises with occupied ones: ``a C``, ``a C / (K + C)``,
        ``a C^n / (K^n + C^n)``.
    strength : float or (n_source,) array, 1/day
        a, of every axon.
    half : float
        K, occupied receptors at half of the largest production.
    exponent : float
        n of the Hill curve.
    association, dissociation, internalisation, turnover, loss : float, 1/day
        ka (per unit of ligand), kd, rho, gam and del.
    release : float, 1/day
        Release of factor by a target neuron.
    production_tau : float, ms (life)
        tau, lag of production.
    volume : float
        v, of the space around the target.
    receptors, spread, production : float
        A new synapse has free receptors uniform in ``receptors +- spread``, and this production (1/day).
    release_activity, uptake_activity, growth_activity : float
        How much of the release, of the uptake (ka) and of the strength is proportional to the rate, 0 to 1.
    activity_hz, axon_hz : float, Hz
        The rates of the target and of the axon at which they have the values given.
    pro_share : float
        Share of the release that is the pro-form.
    cleavage, cleavage_activity : float, 1/day
        Rate at which the pro-form matures without activity, and what activity adds to it at `activity_hz`.
    pro_loss : float, 1/day
        Loss of the pro-form.
    gain, clip, feeds : float
        Shift of the set-point of size in sd, ``gain clip(feeds rho C / (release v) - 1, +-clip)``; gain 0: none.
    prune, prune_half, prune_pro : float
        Hazard ``prune K / (K + C) + prune_pro Pro`` with K = `prune_half`, 1/day and 1/day per unit of pro-form.
    sprout, sprout_half : float
        Births per target and day, ``sprout L / (sprout_half + L)``; partners by the projection's kernel.
    step : float, ms (life)
        Longest step of the solver.  Steady states do not depend on it.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize(), nd.TrophicFactor())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, TrophicFactor)
    """

    owns: ClassVar[tuple[str, ...]] = ("receptor_bound", "receptor_free", "receptor_made")
    adds: ClassVar[tuple[str, ...]] = ("drive_trophic",)
    causes: ClassVar[dict[str, Cause]] = {"trophic": TROPHIC}
    equation: ClassVar[str] = (
        "dC/dt = ka L R - (kd + rho) C,  dR/dt = phi - gam R - (ka L R - kd C),  tau dphi/dt = F(C) - phi,  "
        "dL/dt = release - del L - sum(ka L R - kd C)/v"
    )

    factor: str = param("trophin", source="declared")
    growth: str = param("michaelis", choices=tuple(CURVES), source="van Ooyen & Willshaw 1999")
    strength: Any = param(2.5 * 24, unit="1/day", clock="life", low=0.0, array=True, source=_REFERENCE)
    half: float = param(4.0, unit="1", above=0.0, source=_REFERENCE)
    exponent: float = param(2.0, unit="1", low=1.0, source=_REFERENCE)
    association: float = param(24.0, unit="1/day", clock="life", low=0.0, source=_REFERENCE)
    dissociation: float = param(0.3 * 24, unit="1/day", clock="life", low=0.0, source=_REFERENCE)
    internalisation: float = param(0.2 * 24, unit="1/day", clock="life", above=0.0, source=_REFERENCE)
    turnover: float = param(0.1 * 24, unit="1/day", clock="life", above=0.0, source=_REFERENCE)
    loss: float = param(0.1 * 24, unit="1/day", clock="life", above=0.0, source=_REFERENCE)
    release: float = param(5.0 * 24, unit="1/day", clock="life", above=0.0, source=_REFERENCE)
    production_tau: float = param(0.5 * hour, unit="ms", clock="life", above=0.0, source=_REFERENCE)
    volume: float = param(1.0, unit="1", above=0.0, source=_REFERENCE)
    receptors: float = param(0.75, unit="1", low=0.0, source="free: start of the reference problem, 0.5 to 1")
    spread: float = param(0.25, unit="1", low=0.0, source="free: start of the reference problem, 0.5 to 1")
    production: float = param(0.1 * 24, unit="1/day", clock="life", low=0.0, source="free: as in the reference problem")
    release_activity: float = param(0.0, unit="1", low=0.0, high=1.0, source="free: 1 - T0/(T0 + T1), Elliott 1998")
    uptake_activity: float = param(0.0, unit="1", low=0.0, high=1.0, source="free; Elliott & Shadbolt 1998")
    growth_activity: float = param(0.0, unit="1", low=0.0, high=1.0, source="free")
    activity_hz: float = param(0.5, unit="Hz", clock="spike", above=0.0, source="the default study's target rate")
    axon_hz: float = param(0.5, unit="Hz", clock="spike", above=0.0, source="free")
    pro_share: float = param(0.0, unit="1", low=0.0, high=1.0, source="free; off")
    cleavage: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free")
    cleavage_activity: float = param(24.0, unit="1/day", clock="life", low=0.0, source="free; tPA, plasmin: Pang 2004")
    pro_loss: float = param(0.1 * 24, unit="1/day", clock="life", above=0.0, source="free; as the mature form")
    gain: float = param(1.0, unit="1", low=0.0, source="free: calibrated, as in Neurotrophin")
    clip: float = param(1.0, unit="1", above=0.0, source="free: as in Neurotrophin")
    feeds: float = param(30.0, unit="1", above=0.0, source="free: calibrated, as in Neurotrophin")
    prune: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free; off")
    prune_half: float = param(1.0, unit="1", above=0.0, source="free")
    prune_pro: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free; p75: Yang 2009")
    sprout: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free; off")
    sprout_half: float = param(1.0, unit="1", above=0.0, source="free")
    step: float = param(0.25 * hour, unit="ms", clock="life", above=0.0, source="free; half of production_tau")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factor.isidentifier():
            raise ParameterError(f"TrophicFactor.factor must be a word, got {self.factor!r}")
        if self.spread > self.receptors:
            raise ParameterError(f"TrophicFactor.spread={self.spread} must not exceed receptors={self.receptors}")
        most = self._steepest()
        if self.step / day * most > 1.0:
            raise ParameterError(
                f"TrophicFactor.step={self.step / hour:g} h is too long for strength={np.max(self.strength):g}/day: "
                f"receptors could grow faster than it sees; use step <= {day / most / hour:.3g} h"
            )

    def _steepest(self) -> float:
        """Largest slope of the growth curve, 1/day."""
        a, n = float(np.max(self.strength)), self.exponent
        if self.growth == "linear":
            return a
        if self.growth == "michaelis" or n == 1.0:
            return a / self.half
        x = (n - 1.0) / (n + 1.0)  # of (C / K)^n at the steepest point
        return a / self.half * n * x ** (1.0 - 1.0 / n) / (1.0 + x) ** 2  # type: ignore[no-any-return]

    def columns(self) -> dict[str, float]:
        """Receptors of each synapse, and the drive it adds to."""
        return dict.fromkeys(self.owns + self.adds, 0.0)

    def fastest_life_time(self) -> float:
        """Of pruning; the receptors have a solver of their own within the tick."""
        return day / self.prune if self.prune > 0 else float("inf")

    def kinetics(self) -> Kinetics:
        """The constants as the kernels want them: 1/day and days."""
        q = Kinetics(
            off=self.dissociation, internal=self.internalisation, turnover=self.turnover,
            lag=self.production_tau / day, loss=self.loss, volume=self.volume, curve=CURVES[self.growth],
            half=self.half, exponent=self.exponent, pro_share=self.pro_share, pro_loss=self.pro_loss,
        )  # fmt: skip
        return Kinetics(*(float(x) for x in q))

    # ------------------------------------------------------------------ build

    def prepare(self, view: SynapseView) -> None:
        """Start the targets at the ligand they have without synapses, and the synapses with their first receptors.

        Raises
        ------
        BuildError
            Without spines; if two projections share a factor; if strengths do not fit; if a tick holds too many births.
        """
        t, b = view.table, view.target
        if "drive_trophic" not in t.column_names:
            raise BuildError(f"projection {view.name!r} has no spines: connect it with spines=nd.Spines(weight=...)")
        if f"ligand_{self.factor}" in b:
            raise BuildError(
                f"projection {view.name!r}: the targets have a factor {self.factor!r} already; name this one "
                "(TrophicFactor(factor=...)), or let one projection carry all axons that share it"
            )
        if np.ndim(self.strength) and np.shape(self.strength) != (t.n_source,):
            raise BuildError(
                f"TrophicFactor.strength on {view.name!r} must be a number or have one value per source "
                f"({t.n_source}), got shape {np.shape(self.strength)}"
            )
        if self.sprout * view.clock.tick_life / day > MOST / 2:
            raise BuildError(f"TrophicFactor.sprout={self.sprout:g} on {view.name!r}: lower it, or use a shorter tick=")
        for name in ("ligand", "pro", "infused", "blocked"):
            b.add(f"{name}_{self.factor}")
        matured = self.cleavage / (self.cleavage + self.pro_loss)
        mature = 1.0 - self.pro_share * (1.0 - matured)
        b[f"ligand_{self.factor}"][b.alive] = mature * self.release / self.loss
        b[f"pro_{self.factor}"][b.alive] = self.pro_share * self.release / (self.cleavage + self.pro_loss)
        view.source.add("trophic_level")
        tabulate(view)
        self.born(view, view.slots())

    def born(self, view: SynapseView, slots: I8) -> None:
        """Newborn synapses have free receptors only."""
        t = view.table
        u = uniforms_of(view.key("receptors"), t.uid[slots])
        t.column("receptor_free")[slots] = self.receptors + self.spread * (2.0 * u - 1.0)
        t.column("receptor_bound")[slots] = 0.0
        t.column("receptor_made")[slots] = self.production

    # ------------------------------------------------------------------ a tick

    @staticmethod
    def _activity(block: NeuronBlock, weight: float, reference_hz: float) -> F8:
        return np.asarray((1.0 - weight) + weight * block["rate_hz"] / reference_hz)

    def signals(self, view: SynapseView) -> None:
        """The level of the source neurons is counted anew."""
        view.source["trophic_level"][:] = 0.0

    def share(self, view: SynapseView, slots: I8) -> F8:
        """T of each slot: uptake over the supply of a target, times the synapses it feeds, less one."""
        taken = self.internalisation * view.table.column("receptor_bound")[slots] / (self.release * self.volume)
        return np.asarray(self.feeds * taken - 1.0)

    def add(self, view: SynapseView) -> None:
        """Shift the set-points of sizes."""
        if self.gain > 0:
            slots = view.slots()
            shift = self.gain * np.clip(self.share(view, slots), -self.clip, self.clip)
            view.table.column("drive_trophic")[slots] += shift

    def advance(self, view: SynapseView) -> None:
        """Receptors and ligand over a tick, at its mean rates."""
        t, b, x = view.table, view.target, self.factor
        life = view.clock.tick_life
        n_step = max(int(np.ceil(life / self.step * (1.0 - 1e-12))), 1)
        release = self.release * self._activity(b, self.release_activity, self.activity_hz)
        cleavage = self.cleavage + self.cleavage_activity * b["rate_hz"] / self.activity_hz
        association = self.association * self._activity(view.source, self.uptake_activity, self.axon_hz)
        strength = self.strength * self._activity(view.source, self.growth_activity, self.axon_hz)
        targets = Targets(
            alive=b.alive, ligand=b[f"ligand_{x}"], pro=b[f"pro_{x}"], release=release, infused=b[f"infused_{x}"],
            cleavage=cleavage, blocked=b[f"blocked_{x}"],
        )  # fmt: skip
        receptors = Receptors(*(t.column(c) for c in self.owns))
        advance_targets(
            t.in_lists, t.n_source, receptors, targets, association, strength, self.kinetics(), n_step,
            life / day / n_step,
        )  # fmt: skip
        slots = view.slots()
        slots = slots[np.argsort(t.uid[slots])]  # sums of a source do not depend on where its synapses lie
        level = np.bincount(t.pre(slots), t.column("receptor_bound")[slots], minlength=t.n_source)
        view.source["trophic_level"][:] += level

    def hazard(self, bound: F8, pro: F8) -> F8:
        """Hazard (1/day) of synapses with `bound` receptors at targets with `pro` pro-form."""
        return np.asarray(self.prune * self.prune_half / (self.prune_half + bound) + self.prune_pro * pro)

    def propose(self, view: SynapseView) -> Plan | None:
        """Prune synapses with few occupied receptors; let free factor attract new ones."""
        t, plan = view.table, Plan(self.name)
        if self.prune > 0 or self.prune_pro > 0:
            slots = view.slots()
            pro = view.target[f"pro_{self.factor}"][t.post[slots]]
            hazard = self.hazard(t.column("receptor_bound")[slots], pro)
            dead = slots[view.uniforms("prune", slots) < view.clock.chance(hazard)]
            plan = view.deaths(self.name, dead, "trophic", terms={"trophic": self.share(view, dead)})
        if self.sprout > 0:
            ready = view.target.ready("synapses_from", view.clock.life)
            ligand = view.target[f"ligand_{self.factor}"]
            mean = np.where(ready, self.sprout * ligand / (self.sprout_half + ligand), 0.0)
            draw_births(view, plan, view.key("sprout"), mean * view.clock.tick_life / day, "trophic")
        return plan if plan.deaths.size or plan.source.size else None


# ---------------------------------------------------------------------- closed forms


def need(m: TrophicFactor, ligand: float) -> float:
    """h(L), production per occupied receptor (1/day) that keeps a synapse at that level of ligand."""
    return m.internalisation + m.turnover * (m.dissociation + m.internalisation) / (m.association * ligand)


def least_ligand(m: TrophicFactor, strength: float) -> float:
    """L* on which an axon can just live (linear: EX-1; Michaelis: the threshold of EX-2); infinite if on none."""
    slope = strength if m.growth == "linear" else strength / m.half
    if slope <= m.internalisation:
        return float("inf")
    return m.turnover * (m.dissociation + m.internalisation) / (m.association * (slope - m.internalisation))


def occupied(m: TrophicFactor, strength: float, ligand: float) -> float:
    """Largest C that an axon can keep at that ligand (Michaelis and Hill); 0 if it cannot live."""
    from scipy.optimize import brentq

    if ligand <= 0.0:
        return 0.0
    h = need(m, ligand)
    if m.growth == "michaelis" or m.exponent == 1.0:
        return max(strength / h - m.half, 0.0)
    n, k = m.exponent, m.half
    top = k * (n - 1.0) ** (1.0 / n)  # where F(C)/C is largest
    surplus = lambda c: strength * c ** (n - 1.0) / (k**n + c**n) - h  # noqa: E731
    return 0.0 if surplus(top) < 0.0 else float(brentq(surplus, top, strength / h, xtol=1e-13))


def steady_state(m: TrophicFactor, strength: F8, large: NDArray[np.bool_] | None = None) -> tuple[F8, float]:
    """Occupied receptors of every axon of a target, and its ligand, at rest and without activity or pro-form.

    Parameters
    ----------
    strength : (n,) float64, 1/day
    large : (n,) bool, optional
        Which axons have a large arbour; needed for the Hill curve only, where small ones die out (EX-3).

    Returns
    -------
    bound : (n,) float64
    ligand : float
    """
    from scipy.optimize import brentq

    a = np.asarray(strength, dtype=np.float64)
    alone = m.release / m.loss
    per_receptor = m.internalisation / m.volume
    if m.growth == "linear":
        best = int(np.argmax(a))
        ligand = min(least_ligand(m, float(a[best])), alone)
        out = np.zeros(a.size)
        out[best] = (m.release - m.loss * ligand) / per_receptor
        return out, float(ligand)
    of = np.ones(a.size, dtype=bool) if large is None or m.growth == "michaelis" else np.asarray(large)
    kept = lambda ligand: np.array([occupied(m, float(x), ligand) if on else 0.0 for x, on in zip(a, of, strict=True)])  # noqa: E731
    excess = lambda ligand: m.release - m.loss * ligand - per_receptor * kept(ligand).sum()  # noqa: E731
    ligand = alone if excess(alone) >= 0 else float(brentq(excess, 1e-12 * alone, alone, xtol=1e-14, rtol=1e-14))
    return kept(ligand), ligand
