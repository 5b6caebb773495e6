"""Competition for a finite trophic supply, in the simple share of the default study.

    T_k = K u_k / sum_l u_l - 1,     u = V^p (alpha + coactivity),     drive = gain * clip(T, +-clip)

The sum runs over the living synapses l of the target.  `K` average synapses are fed by the target's supply, so that
the mean of T is K / n - 1: competition, and a carrying capacity.  Competition stays graded while
``sd * gain * p * K / n < 1`` (`feedback_slope`); above that the winner takes all.  Where nobody takes anything up
(alpha = 0 and silence), T is -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.arrays import F8, I8, U4, U8
from neurodev.jit import kernel
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.noise import BLOCK, STEEPEST, exponentials
from neurodev.params import param
from neurodev.structure.cause import Cause


@kernel
def uptake_sums(
    slots: I8, log_size: F8, post: U4, exponent: float, factor: F8, u: F8, total: F8, work: F8, bits: U8
) -> None:
    """Uptake of the k-th slot into ``u[k]``, and the sum over each target into `total`.

    slots, u : (n_slot,);  log_size, post : (capacity,);  total : (n_target,)
    factor : (n_slot,) or (0,), multiplies V^p;  work : (BLOCK,), viewed by `bits`
    """
    total[:] = 0.0
    for first in range(0, slots.shape[0], BLOCK):
        last = min(first + BLOCK, slots.shape[0])
        m = last - first
        block, mine = slots[first:last], u[first:last]
        for k in range(m):
            mine[k] = max(min(exponent * log_size[block[k]], STEEPEST), -STEEPEST)
        exponentials(mine, work[:m], bits[:m])
        if factor.shape[0] > 0:
            for k in range(m):
                mine[k] *= factor[first + k]
        for k in range(m):
            total[post[block[k]]] += mine[k]


@kernel
def share(slots: I8, post: U4, u: F8, per_uptake: F8, gain: float, clip: float, out: F8) -> None:
    """Add the trophic drive of every slot; `per_uptake` (n_target) is K over the sum of uptakes.

    slots, u : (n_slot,);  post, out : (capacity,)
    """
    for k in range(slots.shape[0]):
        s = slots[k]
        t = per_uptake[post[s]] * u[k] - 1.0
        out[s] += gain * min(max(t, -clip), clip)


TROPHIC = Cause("its share of the target's trophic supply was too small to hold its size", colour="#CC79A7")


@dataclass(frozen=True)
class Neurotrophin(Mechanism):
    """Synapses compete for their target's trophic supply.

    Parameters
    ----------
    feeds : float
        K, how many average synapses the supply of a target feeds.
    gain : float
        kT, shift of the set-point per unit of T, in sd of size; 0 is the off switch.
    exponent : float
        p of the uptake V^p.
    clip : float
        Bound of abs(T).
    alpha, coactivity : float
        Uptake per unit of V^p at rest, and per Hz^2 of the product of both rates in the tick (0: switched off).
    supply : {"constant", "rate"}
        Constant, or proportional to the target's rate in the tick over `supply_hz`.
    supply_hz : float, Hz (spike)
        The rate at which a supply by rate feeds K synapses.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.SpineSize(), nd.Neurotrophin(feeds=10.0))
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses SpineSize, Neurotrophin)
    """

    adds: ClassVar[tuple[str, ...]] = ("drive_trophic",)
    causes: ClassVar[dict[str, Cause]] = {"trophic": TROPHIC}
    reads: ClassVar[tuple[str, ...]] = ("log_size",)
    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = "T = K u / sum(u) - 1,  u = V^p (alpha + coactivity),  drive = gain clip(T, +-clip)"

    feeds: float = param(30.0, unit="1", above=0.0, source="free: calibrated for the default study")
    gain: float = param(1.0, unit="1", low=0.0, source="free: calibrated for the default study")
    exponent: float = param(0.5, unit="1", low=0.0, source="free: calibrated for the default study")
    clip: float = param(1.0, unit="1", above=0.0, source="free: our model")
    alpha: float = param(1.0, unit="1", low=0.0, source="free: our model")
    coactivity: float = param(0.0, unit="1", low=0.0, source="free; 0 in the default study")
    supply: str = param("constant", choices=("constant", "rate"), source="free: our model")
    supply_hz: float = param(0.5, unit="Hz", clock="spike", above=0.0, source="the default study's target rate")

    def columns(self) -> dict[str, float]:
        """The drive it adds to."""
        return {"drive_trophic": 0.0}

    def add(self, view: SynapseView) -> None:
        """Add each synapse's share."""
        t, slots = view.table, view.slots()
        u, total, work = np.empty(slots.size), np.empty(t.n_target), np.empty(BLOCK)
        factor = np.empty(0)
        if self.coactivity > 0:
            both = view.source["rate_hz"][t.pre(slots)] * view.target["rate_hz"][t.post[slots]]
            factor = self.alpha + self.coactivity * both
        uptake_sums(slots, t.column("log_size"), t.post, self.exponent, factor, u, total, work, work.view(np.uint64))
        feeds = np.full(t.n_target, self.feeds)
        if self.supply == "rate":
            feeds *= view.target["rate_hz"] / self.supply_hz
        per_uptake = feeds / np.where(total > 0, total, 1.0)
        share(slots, t.post, u, per_uptake, self.gain, self.clip, t.column("drive_trophic"))


def feedback_slope(sd: float, gain: float, exponent: float, feeds: float, n: float) -> float:
    """Slope ``sd gain p K / n`` of the share's feedback on itself; winner-take-all from 1 on (derived)."""
    return sd * gain * exponent * feeds / n
