"""Use it or lose it, gradually decay: a survival score of synapses or of whole neurons, and the death it decides.

Once an epoch, m epochs after the first:

    u = clip((D - min D) / (P75(D) - min D), 0, 1)        P75: 75th percentile of all candidates
    d = 2 u - offset,  and  d <- d + boost  if  d > 0     strong reward, weak penalty
    R <- decay R + d exp(-floor(m / eta))                 R starts at 10;  dies when R < 0

The steps shrink by e every eta epochs, so the structure settles by itself and the final sparsity is an outcome.
D is any score: of a synapse a column (`bcm`), of a neuron ``minmax(sum of its synapses' scores) minmax(summed
activity)``.  Source: DPAP (Han et al. 2025, IEEE TPAMI 47:240), public code; the same rule with other scores is
DSD-SNN's.

It is the idea of STDP's evidence on another clock: there a low-passed score moves the set-point of size, here a
decaying sum of scores is itself the death criterion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.errors import BuildError, ParameterError
from neurodev.jit import kernel, rule
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.mechanisms.bcm import activity
from neurodev.params import asks, counted, param
from neurodev.structure.cause import Cause
from neurodev.structure.duration import lasting
from neurodev.structure.plan import Plan
from neurodev.units import day

# ---------------------------------------------------------------------- shared by both drivers


@rule
def usage(score: float, low: float, high: float) -> float:
    """u: place of a score between the smallest and the reference, within 0 and 1."""
    if high > low:
        return min(max((score - low) / (high - low), 0.0), 1.0)
    return 1.0 if score > low else 0.0


@rule
def next_survival(survival: float, u: float, offset: float, boost: float, decay: float, factor: float) -> float:
    """R after one epoch."""
    d = 2.0 * u - offset
    if d > 0.0:
        d += boost
    return decay * survival + d * factor


@kernel
def survive(
    rows: I8, score: F8, low: float, high: float, offset: float, boost: float, decay: float, factor: float,
    survival: F8, doomed: I8,
) -> int:  # fmt: skip
    """One epoch of every row (a slot or a neuron); lists those below 0 in `doomed` and returns their number.

    rows, doomed : (n,);  score, survival : (capacity,) or (n_neuron,)
    """
    n = 0
    for k in range(rows.shape[0]):
        r = rows[k]
        survival[r] = next_survival(survival[r], usage(score[r], low, high), offset, boost, decay, factor)
        if survival[r] < 0.0:
            doomed[n] = r
            n += 1
    return n


def minmax(a: ArrayLike) -> F8:
    """Values scaled to 0..1; 0.5 everywhere if all are equal."""
    x = np.asarray(a, dtype=np.float64)
    low, high = x.min(initial=np.inf), x.max(initial=-np.inf)
    return np.full(x.shape, 0.5) if not high > low else np.asarray((x - low) / (high - low))


def significance(score_sum: ArrayLike, total_activity: ArrayLike) -> F8:
    """D of a neuron: minmax of its summed synaptic scores times minmax of its summed activity (DPAP, M3)."""
    return minmax(score_sum) * minmax(total_activity)


_HAN = "Han et al. 2025, IEEE TPAMI 47:240, public code"


SURVIVAL = Cause("its survival, fed by use, had run out", decided="its survival was", colour="#0072B2")


@dataclass(frozen=True)
class Survival(Mechanism):
    """Synapses (or all synapses of a neuron) die when their survival score falls below zero.

    Defaults are those of fully connected layers; filters use offset 0.65, boost 5, eta 12.

    Parameters
    ----------
    of : {"synapse", "neuron"}
        Whose score; a neuron takes all its synapses of this projection with it, newborn ones at the next epoch.
    score : str
        Column that holds the score of a synapse.
    offset, boost : float
        o and b.
    eta : float
        Epochs after which steps have shrunk by e.
    staircase : bool
        exp(-floor(m / eta)), as published; False: exp(-m / eta).
    start : float
        R at birth.
    decay : float
        Factor of R an epoch.
    first : int
        First epoch, counted from 0, at which R moves.
    reference : {"p75", "max"}
        u = 1 from the 75th percentile on, or only at the maximum.
    epoch : float, ms (life)
        Length of an epoch in the engine; the trainer's epochs are its own.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.Survival())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses Survival)
    """

    of: str = param("synapse", choices=("synapse", "neuron"), source=_HAN)
    score: str = param("bcm", source=f"{_HAN}: BCM")
    offset: float = param(1.5, unit="1", source=f"{_HAN}: o = 1.5")
    boost: float = param(2.0, unit="1", low=0.0, source=f"{_HAN}: b = 2")
    eta: float = param(13.0, unit="1", above=0.0, source=f"{_HAN}: 13")
    staircase: bool = param(True, source=f"{_HAN}: floor(m / eta)")
    start: float = param(10.0, unit="1", low=0.0, source=f"{_HAN}: R starts at 10")
    decay: float = param(0.999, unit="1", above=0.0, high=1.0, source=f"{_HAN}: 0.999")
    first: int = param(5, unit="1", low=0, source=f"{_HAN}: epoch 5")
    reference: str = param("p75", choices=("p75", "max"), source=f"{_HAN}; max: DSD-SNN")
    epoch: float = param(1 * day, unit="ms", clock="life", above=0.0, source="free")

    equation: ClassVar[str] = (
        "u = clip((D - min D)/(P75 - min D), 0, 1);  d = 2u - offset, + boost if d > 0;  "
        "R <- decay R + d exp(-floor(m/eta));  dies when R < 0"
    )
    owns: ClassVar[tuple[str, ...]] = ("survival",)
    causes: ClassVar[dict[str, Cause]] = {"survival": SURVIVAL}
    terms: ClassVar[dict[str, str]] = {"survival": "1"}

    @asks(epoch=counted())
    def factor(self, epoch: int) -> float:
        """The decaying step size at an epoch (counted from 0)."""
        m = (epoch - self.first) / self.eta
        return float(np.exp(-np.floor(m + 1e-12) if self.staircase else -m))

    def update(self, rows: I8, score: F8, survival: F8, epoch: int) -> I8:
        """One epoch (counted from 0) of `survival` over `rows`, in place; returns the rows that die.

        Both drivers call this: rows are slots (with columns of the table) or neurons.  Before the first epoch nothing
        happens.  Where all scores are equal nobody is ranked, and R only decays.

        Raises
        ------
        ParameterError
            If a score is not finite.
        """
        if epoch < self.first or rows.size == 0:
            return np.zeros(0, dtype=np.int64)
        values = score[rows]
        if not np.all(np.isfinite(values)):
            raise ParameterError(f"Survival needs finite scores; {self.score!r} holds NaN or infinity")
        low = float(values.min())
        high = float(np.percentile(values, 75.0) if self.reference == "p75" else values.max())
        ranked = bool(values.max() > low)
        doomed = np.empty(rows.size, dtype=np.int64)
        step = self.factor(epoch) if ranked else 0.0
        n = survive(rows, score, low, high, self.offset, self.boost, self.decay, step, survival, doomed)
        return doomed[:n].copy()

    # ------------------------------------------------------------------ in the engine

    def columns(self) -> dict[str, float]:
        """R of every synapse."""
        return {"survival": self.start} if self.of == "synapse" else {}

    def prepare(self, view: SynapseView) -> None:
        """Check that there is a score, and create R of the targets.

        Raises
        ------
        BuildError
            If the score column does not exist, or an epoch is shorter than a tick.
        """
        if self.score not in view.table.column_names:
            raise BuildError(
                f"projection {view.name!r}: Survival reads {self.score!r}, which no mechanism here owns; "
                f"use BCM() before it, or score= one of {view.table.column_names}"
            )
        if self.epoch < view.clock.tick_life * (1 - 1e-9):
            raise BuildError(
                f"projection {view.name!r}: an epoch of Survival ({lasting(self.epoch / day)}) is shorter than "
                f"a tick ({lasting(view.clock.tick_life / day)}): raise epoch=, or use a shorter tick="
            )
        if self.of == "neuron":
            if "bcm" not in view.table.column_names:  # who gathers it may be prepared later
                raise BuildError(f"projection {view.name!r} has no summed activity: use BCM() beside Survival()")
            view.target.add(f"survival_{view.name}", self.start)

    def propose(self, view: SynapseView) -> Plan | None:
        """At the end of an epoch: move R, and ask for the deaths."""
        epoch = epoch_ended(view, self.epoch)
        if epoch is None:
            return None
        t, slots = view.table, view.slots()
        if self.of == "synapse":
            doomed = self.update(slots, t.column(self.score), t.column("survival"), epoch)
            decided = t.column("survival")[doomed]
        else:
            total = np.bincount(t.post[slots], t.column(self.score)[slots], minlength=t.n_target)
            worth, survival = significance(total, activity(view)), view.target[f"survival_{view.name}"]
            self.update(np.arange(t.n_target), worth, survival, epoch)
            doomed = slots[survival[t.post[slots]] < 0.0]
            decided = survival[t.post[doomed]]
        if not doomed.size:
            return None
        value = None if "log_size" in t.column_names else decided
        return view.deaths(self.name, doomed, "survival", value, {"survival": decided})

    def born(self, view: SynapseView, slots: I8) -> None:
        """A newborn has the full score."""
        if self.of == "synapse":
            view.table.column("survival")[slots] = self.start


def epoch_ended(view: SynapseView, epoch: float) -> int | None:
    """Number (from 0) of the epoch of `epoch` ms (life) that this tick completed, or None."""
    c = view.clock
    done = int(np.floor(c.tick * c.tick_life / epoch + 1e-9))
    before = int(np.floor((c.tick - 1) * c.tick_life / epoch + 1e-9))
    return done - 1 if done > before else None
