"""Spike-timing-dependent plasticity: it gathers evidence, or (without spines) changes weights.

Rules, all exact in continuous time (x: trace of arrivals at the synapse, y: trace of the target's spikes):

=========  ==============================================  =========================================
rule       at an arrival                                   at a spike
=========  ==============================================  =========================================
pair       - A- y                                          + A+ x
nearest    the same with saturating traces
triplet    - y1 (A2- + A3- x2)                             + x1 (A2+ + A3+ y2)
burst      + A y - B                                       + A x - C
=========  ==============================================  =========================================

An arrival sees the spikes strictly before it, a spike the arrivals up to and including its own time.

With spines the changes add up in `accumulator`; at a tick they become *evidence*
``h <- h e^{-T/tau} + (1 - e^{-T/tau}) a / a_ref``, where a_ref is the accumulation of one coincident burst in each
`period` of spikes, and the set-point of the size moves by ``gain clip(h - hbar)`` with hbar the mean over the target's
synapses (heterosynaptic depression).  (The weight is then never a second memory: it is read off size.)

Sources: pair Song 2000 (recalled); triplet Pfister & Gerstner 2006; power law Guetig 2003; burst Butts, Kanold &
Shatz 2007 (pbio.0050061), Gjorgjieva 2009.  The hooks live in `stdp_rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError
from neurodev.mechanisms.base import Hot, Mechanism, SynapseView
from neurodev.mechanisms.hooks import EVIDENCE, HARD, MULTIPLICATIVE, POWER, WEIGHT, Writing
from neurodev.mechanisms.per_target import mean_per_target, start_at_mean
from neurodev.mechanisms.stdp_rules import (
    HOOKS,
    BurstParameters,
    PairParameters,
    TripletParameters,
    evidence_drive,
    update_evidence,
)
from neurodev.params import among, asks, param
from neurodev.structure.cause import Cause
from neurodev.units import day

BOUNDS = {"hard": HARD, "multiplicative": MULTIPLICATIVE, "power": POWER}


@dataclass(frozen=True)
class STDP(Mechanism):
    """Spike-timing-dependent plasticity.

    Parameters
    ----------
    rule : {"pair", "nearest", "triplet", "burst"}
    potentiation, depression : float, optional
        A+ and A- (pair, nearest); A2+ and A2- (triplet); in units of the largest weight where there are no spines.
        None takes the rule's own default.
    triplet_potentiation, triplet_depression : float
        A3+ and A3-.
    tau_plus, tau_minus : float, ms (spike), optional
        Fast traces of arrivals and of spikes (pair, nearest, triplet).
    tau_x, tau_y : float, ms (spike)
        Slow traces of arrivals and of spikes (triplet).
    burst_tau : float, ms (spike)
        Both traces of the burst rule.
    burst_gain : float
        A of the burst rule.
    burst_loss : float, optional
        B = C; by default ``A tau r D / period``: the same bursts at independent times give no mean drift.
    reference_hz, reference_burst, period : float
        The coincident burst of a_ref: rate (Hz), duration (ms), and one per `period` ms of spike time.
    evidence_tau : float, ms (life)
        tau_h.
    gain : float
        kH, shift of the set-point per unit of evidence, in sd of size; 0 is the off switch.
    clip : float
        Bound of abs(h - hbar).
    heterosynaptic : bool
        Subtract the target's mean evidence.
    newborn : {"mean", "zero"}
        Evidence of a newborn: the mean of its target's other synapses, or none.
    bounds : {"hard", "multiplicative", "power"}
        Without spines: clipped additive; depression proportional to w; ``(1 - w)^power`` and ``w^power``.
    weight_max : float, mV
        Without spines: potentiation ends here, depression at 0.  A weight that was given above it is kept, and can only
        fall.
    power : float
        mu of the power law.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0).use(nd.STDP("pair"))
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV, uses STDP)
    """

    rule: str = param("pair", choices=("pair", "nearest", "triplet", "burst"), source="burst: Butts 2007 pbio.0050061")
    potentiation: Any = param(None, unit="1", none=True, source="Song 2000 (recalled): .005; Pfister 2006: 5e-10")
    depression: Any = param(None, unit="1", none=True, source="Song 2000 (recalled): .00525; Pfister 2006: 7e-3")
    triplet_potentiation: float = param(6.2e-3, unit="1", source="Pfister & Gerstner 2006, visual cortex, all-to-all")
    triplet_depression: float = param(2.3e-4, unit="1", source="Pfister & Gerstner 2006, visual cortex, all-to-all")
    tau_plus: Any = param(None, unit="ms", clock="spike", above=0.0, none=True, source="Song 2000: 20; triplet 16.8")
    tau_minus: Any = param(None, unit="ms", clock="spike", above=0.0, none=True, source="Song 2000: 20; triplet 33.7")
    tau_x: float = param(101.0, unit="ms", clock="spike", above=0.0, source="Pfister & Gerstner 2006")
    tau_y: float = param(125.0, unit="ms", clock="spike", above=0.0, source="Pfister & Gerstner 2006 (recalled)")
    burst_tau: float = param(400.0, unit="ms", clock="spike", above=0.0, source="free: calibrated, default study")
    burst_gain: float = param(1.0, unit="1", low=0.0, source="free: calibrated for the default study")
    burst_loss: Any = param(None, unit="1", none=True, low=0.0, source="free: zero mean drift of independent bursts")
    reference_hz: float = param(25.0, unit="Hz", clock="spike", above=0.0, source="free: default study's waves")
    reference_burst: float = param(1000.0, unit="ms", clock="spike", above=0.0, source="free: default study's waves")
    period: float = param(60_000.0, unit="ms", clock="spike", above=0.0, source="free: default study's waves")
    evidence_tau: float = param(1 * day, unit="ms", clock="life", above=0.0, source="free: calibrated, default study")
    gain: float = param(4.0, unit="1", low=0.0, source="free: calibrated for the default study")
    clip: float = param(2.0, unit="1", above=0.0, source="free: our model")
    heterosynaptic: bool = param(True, source="off switch")
    newborn: str = param("mean", choices=("mean", "zero"), source="free: calibrated for the default study")
    bounds: str = param("hard", choices=tuple(BOUNDS), source="Song 2000; van Rossum 2000 (recalled); Guetig 2003")
    weight_max: float = param(1.0, unit="mV", above=0.0, source="free")
    power: float = param(1.0, unit="1", low=0.0, source="Guetig 2003")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "pair: dw = A+ exp(-dt/tau+), -A- exp(dt/tau-);  triplet: x1 (A2+ + A3+ y2), -y1 (A2- + A3- x2);  "
        "burst: +A y - B at arrivals, +A x - C at spikes;  "
        "evidence: h <- h e^{-T/tau} + (1 - e^{-T/tau}) a/a_ref, drive = gain clip(h - hbar)"
    )
    owns: ClassVar[tuple[str, ...]] = ("evidence", "accumulator")
    adds: ClassVar[tuple[str, ...]] = ("drive_evidence", "induction")
    causes: ClassVar[dict[str, Cause]] = {
        "evidence": Cause(
            "its activity had agreed less with the target's than that of its neighbours, and its set-point fell",
            colour="#0072B2",
        )
    }

    @asks(name=among(("potentiation", "depression", "tau_plus", "tau_minus", "burst_loss")))
    def value(self, name: str) -> float:
        """A constant of the rule, with the rule's own default where none was given."""
        triplet = self.rule == "triplet"
        spikes = self.reference_hz / 1e3 * self.reference_burst
        default = {
            "potentiation": 5e-10 if triplet else 5e-3, "depression": 7e-3 if triplet else 5.25e-3,
            "tau_plus": 16.8 if triplet else 20.0, "tau_minus": 33.7 if triplet else 20.0,
            "burst_loss": self.burst_gain * self.burst_tau * spikes / self.period,
        }  # fmt: skip
        given = getattr(self, name)
        return float(default[name] if given is None else given)

    def reference(self) -> float:
        """a_ref: mean accumulation of one coincident burst of independent Poisson trains, from rest.

        The burst rule counts its losses; of the pair rules only the potentiation counts (their sum is near
        zero by design).
        """
        r, d = self.reference_hz / 1e3, self.reference_burst
        if self.rule == "burst":
            both = 2.0 * self.burst_tau * _rise(d, self.burst_tau)
            return self.burst_gain * r * r * both - 2.0 * self.value("burst_loss") * r * d
        a, tau = self.value("potentiation"), self.value("tau_plus")
        if self.rule == "nearest":
            tau = tau / (1.0 + r * tau)  # a saturating trace rises to r tau / (1 + r tau) with this time constant
        mean = a * tau * _rise(d, tau)
        if self.rule == "triplet":
            slow = self.tau_y
            product = _rise(d, tau) + _rise(d, slow) - _rise(d, tau * slow / (tau + slow))
            mean += self.triplet_potentiation * r * tau * slow * product
        return r * r * mean

    def constants(self) -> dict[str, float]:
        """The numbers the rule really uses, defaults and closed forms filled in."""
        if self.rule == "burst":
            loss = self.value("burst_loss")
            out = {"A": self.burst_gain, "B": loss, "C": loss, "tau": self.burst_tau}
        else:
            names = {"A+": "potentiation", "A-": "depression", "tau+": "tau_plus", "tau-": "tau_minus"}
            out = {symbol: self.value(name) for symbol, name in names.items()}
            if self.rule == "triplet":
                out |= {"A3+": self.triplet_potentiation, "A3-": self.triplet_depression}
                out |= {"tau_x": self.tau_x, "tau_y": self.tau_y}
        return out | {"a_ref": self.reference()}

    # ------------------------------------------------------------------ contract

    def columns(self) -> dict[str, float]:
        """Evidence, its accumulator, and the drive it adds to."""
        return {"accumulator": 0.0, "evidence": 0.0, "drive_evidence": 0.0}

    def plain_columns(self) -> dict[str, float]:
        """None: without spines the weight itself moves."""
        return {}

    def refusal(self, inhibitory: bool, spines: bool) -> str:
        """Weights of inhibitory synapses, negative, are not its business."""
        return "without spines needs an excitatory source" if inhibitory and not spines else ""

    def fastest_life_time(self) -> float:
        """Of the evidence."""
        return self.evidence_tau

    def writes_weight(self, columns: frozenset[str]) -> bool:
        """Where there are no sizes to move."""
        return "log_size" not in columns

    def hot(self, columns: frozenset[str]) -> Hot:
        """Hooks of the rule; to evidence where spines have sizes, else to the weight."""
        sized = "log_size" in columns
        writing = Writing(
            mode=float(EVIDENCE if sized else WEIGHT), bounds=float(BOUNDS[self.bounds]), weight_max=self.weight_max,
            power=self.power,
        )  # fmt: skip
        parameters: PairParameters | TripletParameters | BurstParameters
        if self.rule == "burst":
            loss = self.value("burst_loss")
            parameters = BurstParameters(*writing, burst_gain=self.burst_gain, loss_at_arrival=loss, loss_at_spike=loss)
            x, y = [self.burst_tau], [self.burst_tau]
        else:
            pair = PairParameters(
                *writing, potentiation=self.value("potentiation"), depression=self.value("depression")
            )  # fmt: skip
            parameters, x, y = pair, [self.value("tau_plus")], [self.value("tau_minus")]
            if self.rule == "triplet":
                parameters = TripletParameters(
                    *pair, triplet_potentiation=self.triplet_potentiation, triplet_depression=self.triplet_depression
                )
                x, y = [*x, self.tau_x], [*y, self.tau_y]
        return Hot(*HOOKS[self.rule], parameters, ("accumulator",) if sized else (), tuple(x), tuple(y))

    def prepare(self, view: SynapseView) -> None:
        """Refuse constants by which a coincident burst would count as nothing, or against itself.

        Raises
        ------
        BuildError
            If a_ref is not positive.
        """
        if "log_size" in view.table.column_names and not self.reference() > 0.0:
            raise BuildError(
                f"projection {view.name!r}: with {self.constants()} one coincident burst accumulates "
                f"{self.reference():g}, which is no measure of evidence; raise the potentiation or lower burst_loss="
            )

    def signals(self, view: SynapseView) -> None:
        """Turn the tick's accumulation into evidence per reference period."""
        t, c = view.table, view.clock
        if "log_size" not in t.column_names:
            return
        keep = float(np.exp(-c.tick_life / self.evidence_tau))
        scale = self.period / c.tick_spike / self.reference()
        slots = view.slots()
        if "plasticity" in view.target:  # young neurons in their critical period
            t.column("accumulator")[slots] *= view.target["plasticity"][t.post[slots]]
        if "induction" in t.column_names:  # somebody follows what a single tick induced
            t.column("induction")[slots] = t.column("accumulator")[slots] / self.reference()
        update_evidence(slots, t.column("accumulator"), t.column("evidence"), keep, scale)

    def add(self, view: SynapseView) -> None:
        """Move the set-point by the evidence against the target's mean."""
        t = view.table
        if "log_size" not in t.column_names:
            return
        slots = view.slots()
        mean = mean_per_target(view, "evidence", slots)[0] if self.heterosynaptic else np.zeros(t.n_target)
        evidence_drive(slots, t.post, t.column("evidence"), mean, self.gain, self.clip, t.column("drive_evidence"))

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn starts with the mean evidence of its target's other synapses."""
        t = view.table
        if self.newborn == "zero" or "log_size" not in t.column_names:
            return
        start_at_mean(view, "evidence", slots)


# ---------------------------------------------------------------------- closed forms


def _rise(duration: float, tau: float) -> float:
    """Integral of ``1 - exp(-t/tau)`` from 0 to `duration`, ms."""
    return float(duration + tau * np.expm1(-duration / tau))


def drift(stdp: STDP, pre_hz: float, post_hz: float) -> float:
    """Mean change per second for independent Poisson trains (EX-46 to EX-48, and the burst rule's closed form)."""
    x, y = pre_hz / 1e3, post_hz / 1e3
    if stdp.rule == "burst":
        loss = stdp.value("burst_loss")
        return 1e3 * (2.0 * stdp.burst_gain * x * y * stdp.burst_tau - loss * (x + y))
    tp, tm = stdp.value("tau_plus"), stdp.value("tau_minus")
    ap, am = stdp.value("potentiation"), stdp.value("depression")
    if stdp.rule == "nearest":
        return 1e3 * x * y * (ap * tp / (1.0 + x * tp) - am * tm / (1.0 + y * tm))
    if stdp.rule == "triplet":
        up = ap * tp + stdp.triplet_potentiation * tp * stdp.tau_y * y
        return 1e3 * x * y * (up - am * tm - stdp.triplet_depression * tm * stdp.tau_x * x)
    return 1e3 * x * y * (ap * tp - am * tm)


def window(stdp: STDP, dt: ArrayLike) -> F8:
    """Change by one pair, ``dt = t_spike - t_arrival`` (ms), with traces at rest before it (EX-49); 0 potentiates."""
    lag = np.asarray(dt, dtype=np.float64)
    if stdp.rule == "burst":
        return np.asarray(stdp.burst_gain * np.exp(-np.abs(lag) / stdp.burst_tau) - 2.0 * stdp.value("burst_loss"))
    up = stdp.value("potentiation") * np.exp(-np.abs(lag) / stdp.value("tau_plus"))
    down = stdp.value("depression") * np.exp(-np.abs(lag) / stdp.value("tau_minus"))
    return np.where(lag >= 0, up, -down)


def threshold_hz(stdp: STDP, pre_hz: float) -> float:
    """Rate of the target, Hz, at which the triplet rule turns from depression to potentiation (EX-48c, as in BCM)."""
    tp, tm, x = stdp.value("tau_plus"), stdp.value("tau_minus"), pre_hz / 1e3
    down = stdp.value("depression") * tm + stdp.triplet_depression * tm * stdp.tau_x * x
    return 1e3 * (down - stdp.value("potentiation") * tp) / (stdp.triplet_potentiation * tp * stdp.tau_y)


def power_law_fixed_point(ratio: float, power: float) -> float:
    """Mean-field weight of the power law under uncorrelated trains (EX-53), in units of the largest weight.

    `ratio` is ``A- tau- / (A+ tau+)``.
    """
    return float(1.0 / (1.0 + ratio ** (1.0 / power)))


def clipped_walk(p: float, n: int) -> F8:
    """Stationary law on the levels 0..n of a walk up with probability p, else down, clipped at both ends (EX-50)."""
    weight = (p / (1.0 - p)) ** np.arange(n + 1)
    return np.asarray(weight / weight.sum())


def multiplicative_moments(up: float, down: float, p_up: float, p_down: float) -> tuple[float, float, float]:
    """Mean, sd and skewness of w under ``w + up`` (probability p_up) and ``(1 - down) w`` (p_down): EX-42, EX-52."""
    m1 = p_up * up / (p_down * down)
    m2 = p_up * (2.0 * up * m1 + up**2) / (p_down * (2.0 * down - down**2))
    m3 = p_up * (3.0 * up * m2 + 3.0 * up**2 * m1 + up**3) / (p_down * (1.0 - (1.0 - down) ** 3))
    variance = m2 - m1**2
    return m1, float(np.sqrt(variance)), float((m3 - 3.0 * m1 * m2 + 2.0 * m1**3) / variance**1.5)


def feedback_density(w: F8, slope: float, loss: float, diffusion: float) -> F8:
    """Unnormalised density of weights whose drift ``slope w - loss`` feeds back on itself (EX-51): U-shaped."""
    return np.asarray(np.exp((slope * w**2 - 2.0 * loss * w) / diffusion))
