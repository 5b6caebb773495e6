"""Competition for a finite trophic supply, in the simple share of the default study.

    T_k = K u_k / sum_l u_l - 1,     u = V^p (alpha + coactivity),     drive = gain * clip(T, +-clip)

`K` average synapses are fed by the target's supply, so that the mean of T is K / n - 1: competition, and a carrying capacity.
Competition stays graded while ``sd * gain * p * K / n < 1``; above that the winner takes all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurodev.jit import kernel
from neurodev.mechanisms.base import Mechanism, SynapseView
from neurodev.params import param


@kernel
def uptake_sums(slots, log_size, post, source_rate, row, n_source, exponent, alpha, coactivity, target_rate, u, total):  # type: ignore[no-untyped-def]
    """Uptake of every slot into `u`, and the sum over each target into `total`."""
    total[:] = 0.0
    for k in range(slots.shape[0]):
        s = slots[k]
        j = post[s]
        v = np.exp(exponent * log_size[s])
        if coactivity > 0.0:
            v *= alpha + coactivity * source_rate[row[s] % n_source] * target_rate[j]
        u[s] = v
        total[j] += v


@kernel
def share(slots, post, u, total, feeds, gain, clip, out):  # type: ignore[no-untyped-def]
    """Write the trophic drive of every slot."""
    for k in range(slots.shape[0]):
        s = slots[k]
        j = post[s]
        t = feeds[j] * u[s] / total[j] - 1.0
        out[s] = gain * min(max(t, -clip), clip)


@dataclass(frozen=True)
class Neurotrophin(Mechanism):
    """Synapses compete for their target's trophic supply.

    Parameters
    ----------
    feeds : float
        K, how many average synapses the supply of a target feeds.
    gain : float
        kT, shift of the set-point per unit of T, in sd.
    exponent : float
        p of the uptake V^p.
    clip : float
        Bound of abs(T).
    alpha, coactivity : float
        Uptake per unit of V^p at rest, and per Hz^2 of the product of both rates in the tick (0: switched off).
    supply : {"constant", "rate"}
        Constant, or proportional to the target's rate in the tick over `supply_hz`.
    """

    adds: ClassVar[tuple[str, ...]] = ("drive_trophic",)
    reads: ClassVar[tuple[str, ...]] = ("log_size",)
    equation: ClassVar[str] = "T = K u / sum(u) - 1,  u = V^p (alpha + coactivity),  drive = gain clip(T, +-clip)"

    feeds: float = param(30.0, unit="1", above=0.0, source="default study, section 2")
    gain: float = param(1.0, unit="1", low=0.0, source="default study, section 2")
    exponent: float = param(0.5, unit="1", low=0.0, source="default study, section 2")
    clip: float = param(1.0, unit="1", above=0.0, source="model.md, section 3 (2)")
    alpha: float = param(1.0, unit="1", low=0.0, source="model.md, section 3 (3)")
    coactivity: float = param(0.0, unit="1", low=0.0, source="free; 0 in the default study")
    supply: str = param("constant", choices=("constant", "rate"), source="model.md, section 3 (3)")
    supply_hz: float = param(0.5, unit="Hz", above=0.0, source="the default study's target rate")

    def columns(self) -> dict[str, float]:
        """The drive it adds to."""
        return {"drive_trophic": 0.0}

    def add(self, view: SynapseView) -> None:
        """Write the drive; it is the only mechanism that adds to it."""
        t, slots = view.table, view.slots()
        out = t.column("drive_trophic")
        u, total = np.empty(t.capacity), np.empty(t.n_target)
        uptake_sums(
            slots, t.column("log_size"), t.post, view.source["rate_hz"], t.row, np.uint32(t.n_source),
            self.exponent, self.alpha, self.coactivity, view.target["rate_hz"], u, total,
        )  # fmt: skip
        feeds = np.full(t.n_target, self.feeds)
        if self.supply == "rate":
            feeds *= view.target["rate_hz"] / self.supply_hz
        share(slots, t.post, u, total, feeds, self.gain, self.clip, out)


def graded_until(sd: float, gain: float, exponent: float, feeds: float, n: float) -> float:
    """Slope of the share's feedback, ``sd gain p K / n``; winner-take-all from 1 on."""
    return sd * gain * exponent * feeds / n
