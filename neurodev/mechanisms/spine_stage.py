"""Filopodia that become spines: births, conversion, retraction and loss as one Markov chain of three stages.

    filopodium -> spine       conversion (1 - shaft_share)        filopodium -> gone     retraction
    filopodium -> shaft       conversion shaft_share              shaft -> gone          shaft_loss
    shaft -> spine            outgrowth                           spine -> gone          hazard

Births are those of `Turnover`, and are filopodia.  Without the detour over shaft synapses the numbers per target are
independent Poisson variables with means b/(k+m) and k b/((k+m) s) (EX-35).  Filopodia extend and retract within hours;
they recruit shaft synapses, and spines emerge by outgrowth (Fiala 1998, J Neurosci 18:8900, abstract); in culture they
live about ten minutes (recalled), and of the order of a tenth become spines (recalled, uncertain: calibrate it).

The chain is exact at ticks, whatever their length: its transition probabilities over a tick are a matrix exponential,
one uniform for each synapse and tick decides, and a newborn stands at the end of its tick where the chain would have
taken it since its birth.  A filopodium transmits nothing.

With `evidence_gain` filopodia convert at rates of their own.  That is exact but for what the converted do within the
same tick, and for newborns, whose first tick knows no evidence.

With `SpineSize` on the same projection sizes decide deaths as well: ``hazard`` = 0 leaves the loss of spines to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8, I8, U8
from neurodev.errors import BuildError
from neurodev.jit import kernel
from neurodev.mechanisms.base import SynapseView
from neurodev.mechanisms.turnover import Turnover, birth_death_mean, draw_births
from neurodev.noise import uniforms_of
from neurodev.params import asks, finite, param
from neurodev.rng import uniform
from neurodev.structure.cause import Cause, cause_code
from neurodev.structure.plan import Plan
from neurodev.units import day

STAGES = ("filopodium", "shaft", "spine")
FILOPODIUM, SHAFT, SPINE, RETRACTED, LOST = range(5)


@dataclass
class Gone:
    """Who leaves the chain in this tick, found when it advances and asked for when plans are made, (n,) each."""

    slots: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    state: I8 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """RETRACTED or LOST."""


class Conversion(NamedTuple):
    """What a filopodium does with a rate of its own; rates times the tick."""

    gain: float
    """Of conversion by the drive."""
    leave: float
    """Conversion without the drive."""
    retract: float


POSTNATAL_CA1 = {
    "early": 0.0, "late": 4.0, "conversion": 0.72, "retraction": 0.24, "shaft_share": 1.0, "outgrowth": 0.11,
    "shaft_loss": 0.02, "hazard": 0.03,
}  # fmt: skip
POSTNATAL_START = 3.0
"""Rates (1/day) by which dendrites that are bare three days before birth (`POSTNATAL_START`) pass through the
compartments of Fiala 1998 (BIO-20): fitted to the shares of synapses on filopodia, shafts and spines at P1 to P12.  The
shares do not tell the number of births, nor retraction from conversion: those are free."""


@kernel
def step_stages(
    slots: I8, uid: U8, stage: F8, up_to: F8, stream: np.uint64, tick: np.uint64, drive: F8, own: Conversion,
    gone: I8, fate: I8,
) -> int:  # fmt: skip
    """Take every synapse through the chain over a tick; returns how many are gone (`gone`, and the state in `fate`).

    slots, gone, fate : (n_synapse,);  uid, stage : (capacity,);  drive : (capacity,) or empty
    up_to : (5, 5), cumulated transition probabilities over the tick
    """
    n = 0
    for k in range(slots.shape[0]):
        s = slots[k]
        row = np.int64(stage[s])
        u = uniform(stream, uid[s], tick)
        if row == FILOPODIUM and drive.shape[0] > 0:
            # with its own rate of conversion it stays, converts or is retracted; the converted go where the others go
            leave = own.leave * np.exp(own.gain * drive[s])
            stay = np.exp(-leave - own.retract)
            if u <= stay:
                continue
            turned = (1.0 - stay) * leave / (leave + own.retract)
            if u > stay + turned:
                gone[n], fate[n] = s, RETRACTED
                n += 1
                continue
            converted = up_to[0, SPINE] - up_to[0, FILOPODIUM]
            lost = up_to[0, LOST] - up_to[0, RETRACTED]
            u = (u - stay) / turned * (converted + lost)
            j = SHAFT if u <= up_to[0, SHAFT] - up_to[0, FILOPODIUM] else SPINE if u <= converted else LOST
        else:
            j = 0
            while j < LOST and u > up_to[row, j]:
                j += 1
        if j >= RETRACTED:
            gone[n], fate[n] = s, j
            n += 1
        else:
            stage[s] = j
    return n


@dataclass(frozen=True)
class SpineStage(Turnover):
    """Births of filopodia, their conversion to spines, and their retraction.

    Parameters
    ----------
    early, late, early_tau, births, deaths : as in `Turnover`
        Births of filopodia.
    hazard : float, 1/day
        Loss rate of spines.
    conversion : float, 1/day
        Rate at which a filopodium becomes a synapse on a spine (or on the shaft); 0 is the off switch.
    retraction : float, 1/day
        Rate at which a filopodium is retracted.
    shaft_share : float
        Share of the converted that become shaft synapses first; 0 is the off switch of that detour.
    outgrowth : float, 1/day
        Rate at which a spine grows out under a shaft synapse.
    shaft_loss : float, 1/day
        Loss rate of shaft synapses.
    evidence_gain : float
        A filopodium converts ``exp(evidence_gain drive)`` times as fast, drive being the term by which evidence would
        move its set-point: silent as it is, it listens, and earns its head.  0 is the off switch.
    first : {"spine", "filopodium"}
        Stage of the initial synapses.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize(), nd.SpineStage())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, SpineStage)
    """

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "filopodium: born at late + early exp(-t/early_tau), becomes a spine at rate conversion, gone at rate "
        "retraction;  spine: gone at rate hazard;  mean numbers b/(k+m) and k b/((k+m) s)"
    )
    owns: ClassVar[tuple[str, ...]] = ("stage",)
    causes: ClassVar[dict[str, Cause]] = {
        "retraction": Cause("its filopodium was retracted before it became a spine", colour="#4F8A8B")
    }

    hazard: float = param(0.02, unit="1/day", clock="life", low=0.0, source="free: an example")
    conversion: float = param(0.1, unit="1/day", clock="life", low=0.0, source="free: a tenth (recalled, unverified)")
    retraction: float = param(0.9, unit="1/day", clock="life", low=0.0, source="free; in culture faster (recalled)")
    shaft_share: float = param(0.0, unit="1", low=0.0, high=1.0, source="off switch; Fiala 1998 (abstract)")
    outgrowth: float = param(0.1, unit="1/day", clock="life", low=0.0, source="free")
    shaft_loss: float = param(0.0, unit="1/day", clock="life", low=0.0, source="free")
    evidence_gain: float = param(0.0, unit="1", source="off switch; free")
    first: str = param("spine", choices=("spine", "filopodium"), source="free")

    def columns(self) -> dict[str, float]:
        """The stage: 0 filopodium, 1 shaft, 2 spine."""
        return {"stage": float(SPINE)}

    def fastest_life_time(self) -> float:
        """None: the chain is exact at ticks of any length."""
        return float("inf")

    def generator(self) -> F8:
        """Rates between the states filopodium, shaft, spine, retracted and lost, (5, 5), 1/day; rows add up to 0."""
        on = float(self.deaths)
        q = np.zeros((5, 5))
        q[FILOPODIUM, SHAFT] = self.conversion * self.shaft_share
        q[FILOPODIUM, SPINE] = self.conversion * (1.0 - self.shaft_share)
        q[FILOPODIUM, RETRACTED] = self.retraction * on
        q[SHAFT, SPINE] = self.outgrowth
        q[SHAFT, LOST] = self.shaft_loss * on
        q[SPINE, LOST] = self.hazard * on
        np.fill_diagonal(q, -q.sum(axis=1))
        return q

    @asks(begin=finite("ms of life", high=1e15), end=finite("ms of life", high=1e15))
    def newborns(self, begin: float, end: float) -> F8:
        """Expected births of a target between two life times (ms), by their stage at the end, (3,).

        The chain with its births as one linear system: two further states are the early and the late rate of births.
        """
        rates = np.array([self.early * np.exp(-begin / self.early_tau), self.late])
        return np.asarray((rates @ _with_births(self, (end - begin) / day)[5:])[:3], dtype=np.float64)

    @asks(begin=finite("ms of life", high=1e15), end=finite("ms of life", high=1e15))
    def expected(self, begin: float, end: float) -> float:
        """Expected births of a target between two life times (ms) that are still there at the end."""
        return float(self.newborns(begin, end).sum())

    def prepare(self, view: SynapseView) -> None:
        """The stage of the first synapses.

        Raises
        ------
        BuildError
            If evidence is to speed conversion where nothing gathers evidence.
        """
        super().prepare(view)
        if self.evidence_gain != 0.0 and "drive_evidence" not in view.table.column_names:
            raise BuildError(
                f"projection {view.name!r}: SpineStage.evidence_gain needs evidence: use STDP and SpineSize on it, or "
                "leave evidence_gain=0"
            )
        view.table.column("stage")[view.slots()] = float(STAGES.index(self.first))

    def advance(self, view: SynapseView) -> None:
        """Take every synapse through the chain, and note who is gone."""
        t, slots, ticks = view.table, view.slots(), view.clock.tick_life / day
        up_to = np.cumsum(_transitions(self, ticks), axis=1)
        gone, fate = np.empty(slots.size, dtype=np.int64), np.empty(slots.size, dtype=np.int64)
        drive = t.column("drive_evidence") if self.evidence_gain != 0.0 else np.zeros(0)
        n = step_stages(
            slots, t.uid, t.column("stage"), up_to, view.key("stage"), np.uint64(view.clock.tick), drive,
            Conversion(float(self.evidence_gain), self.conversion * ticks, self.retraction * ticks * self.deaths),
            gone, fate,
        )  # fmt: skip
        kept = view.kept(Gone)
        kept.slots, kept.state = gone[:n], fate[:n]

    def propose(self, view: SynapseView) -> Plan | None:
        """The births of this tick, the retractions and the losses."""
        plan, t = Plan(self.name), view.table
        kept = view.kept(Gone)
        slots, state = kept.slots, kept.state
        kept.slots = kept.state = np.zeros(0, dtype=np.int64)
        plan.deaths = slots
        codes = np.where(state == RETRACTED, cause_code("retraction"), cause_code("turnover"))
        plan.death_cause = codes.astype(np.uint8)
        if slots.size and "log_size" in t.column_names:
            plan.death_value = t.column("log_size")[slots].astype(np.float32)
        if self.births:
            draw_births(view, plan, view.key("births"), self.expected_of(view), "turnover")
        return plan if plan.deaths.size or plan.source.size else None

    def born(self, view: SynapseView, slots: I8) -> None:
        """Newborns stand where the chain has taken them since their birth in the tick."""
        end = view.clock.life
        share = self.newborns(end - view.clock.tick_life, end)
        stage = view.table.column("stage")
        if share.sum() <= 0.0:
            stage[slots] = FILOPODIUM
            return
        u = uniforms_of(view.key("first stage"), view.table.uid[slots])
        stage[slots] = (u[:, None] > np.cumsum(share / share.sum())[:2]).sum(axis=1)


# ---------------------------------------------------------------------- closed forms


@lru_cache(maxsize=64)
def _transitions(stage: SpineStage, days: float) -> F8:
    """Probabilities (5, 5) of the chain to go from one stage to another in so many days; ticks are all alike."""
    from scipy.linalg import expm

    return np.asarray(expm(stage.generator() * days), dtype=np.float64)


@lru_cache(maxsize=64)
def _with_births(stage: SpineStage, days: float) -> F8:
    """The same with the early and the late rate of births as two further states, (7, 7)."""
    from scipy.linalg import expm

    q = np.zeros((7, 7))
    q[:5, :5] = stage.generator()
    q[5, 5], q[5, FILOPODIUM], q[6, FILOPODIUM] = -day / stage.early_tau, 1.0, 1.0
    return np.asarray(expm(q * days), dtype=np.float64)


def mean_numbers(stage: SpineStage, days: ArrayLike) -> F8:
    """Mean numbers of filopodia, shaft synapses and spines of a bare target after `days`, (3, n).

    Partial fractions of immigration-death means (`birth_death_mean`); no two of the loss rates k+m, outgrowth +
    shaft_loss and hazard may be equal.
    """
    k, m, p = stage.conversion, stage.retraction, stage.shaft_share
    r, q, s = k + m, stage.outgrowth + stage.shaft_loss, stage.hazard

    def alone(rate: float) -> F8:
        births = Turnover(early=stage.early, late=stage.late, early_tau=stage.early_tau, hazard=rate)
        return birth_death_mean(days, births)

    filopodia = alone(r)
    shaft = k * p / (r - q) * (alone(q) - alone(r))
    spines = k * (1.0 - p) / (r - s) * (alone(s) - alone(r))
    if p > 0:
        spines += (k * p * stage.outgrowth) * (
            alone(s) / ((q - s) * (r - s)) + alone(q) / ((s - q) * (r - q)) + alone(r) / ((s - r) * (q - r))
        )
    return np.array([filopodia, shaft, spines])


def stationary_means(stage: SpineStage) -> NDArray[np.float64]:
    """Mean numbers of filopodia and spines in the steady state without shaft synapses (EX-35): b/(k+m), kb/((k+m)s)."""
    k, m = stage.conversion, stage.retraction
    filopodia = stage.late / (k + m)
    return np.array([filopodia, k * filopodia / stage.hazard])
