"""Inhibitory plasticity that holds its target at a rate (Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011).

    at an arrival:   w <- w + eta (y - 2 rho0 tau)
    at a spike:      w <- w + eta x

x and y are traces of arrivals and of the target's spikes, w is the magnitude of an inhibitory weight.  Independent
Poisson trains drift by ``2 eta tau r_pre (r_post - rho0)``: the target settles at rho0 (`drift`).  An arrival sees the
spikes strictly before it, a spike the arrivals up to its own time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.errors import BuildError
from neurodev.jit import hook
from neurodev.mechanisms.base import Hot, Mechanism, SynapseView
from neurodev.mechanisms.hooks import (
    growth,
    inputs_of,
    parameters_of,
    post_traces_of,
    pre_traces_of,
    raise_post,
    raise_pre,
    targets_of,
    weights_of,
    within,
)
from neurodev.params import param


class InhibitoryParameters(NamedTuple):
    """Of the hooks.  Traces: x = 0 (pre), y = 1 (post 0)."""

    rate: float
    loss: float
    weight_max: float


@hook
def inhibitory_pre(record: int, source: int, lane: int, first: int, last: int, t: float) -> None:
    """Grow with the target's recent spikes, shrink by the constant."""
    p = parameters_of(record, InhibitoryParameters)
    post, weight, y = targets_of(record), weights_of(record), post_traces_of(record, 0)
    limit = p.weight_max
    step = p.rate * limit
    factor, loss = step / growth(record, 1, t), step * p.loss
    for s in range(first, last):
        weight[s] = -within(-weight[s], factor * y[post[s]] - loss, limit)
    raise_pre(record, source, lane, 0, growth(record, 0, t), False)


@hook
def inhibitory_post(record: int, j: int, b: int, c: int, d: int, t: float) -> None:
    """Grow with the recent arrivals."""
    p = parameters_of(record, InhibitoryParameters)
    slot, row = inputs_of(record, j)
    weight, x = weights_of(record), pre_traces_of(record, 0)
    limit = p.weight_max
    factor = p.rate * limit / growth(record, 0, t)
    for k in range(slot.shape[0]):
        weight[slot[k]] = -within(-weight[slot[k]], factor * x[row[k]], limit)
    raise_post(record, j, 0, growth(record, 1, t), False)


@dataclass(frozen=True)
class InhibitorySTDP(Mechanism):
    """Inhibitory synapses learn to hold their target at a rate.

    Parameters
    ----------
    target_hz : float, Hz (spike)
        rho0.
    tau : float, ms (spike)
        Both traces.
    rate : float
        eta, in units of `weight_max`; 0 is the off switch.
    weight_max : float, mV
        Magnitudes grow up to this and shrink down to 0; one that was given above it is kept, and can only shrink.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), weight=1.0).use(nd.InhibitorySTDP(target_hz=5.0))
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, 1 mV, uses InhibitorySTDP)
    """

    target_hz: float = param(5.0, unit="Hz", clock="spike", low=0.0, source="Vogels 2011: 3-5 (recalled)")
    tau: float = param(20.0, unit="ms", clock="spike", above=0.0, source="Vogels 2011 (recalled)")
    rate: float = param(1e-3, unit="1", low=0.0, source="free")
    weight_max: float = param(5.0, unit="mV", above=0.0, source="free")

    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = "arrival: w += eta (y - 2 rho0 tau);  spike: w += eta x;  0 <= w <= weight_max"

    @property
    def loss(self) -> float:
        """alpha = 2 rho0 tau."""
        return 2.0 * self.target_hz / 1e3 * self.tau

    def writes_weight(self, columns: frozenset[str]) -> bool:
        """Unless switched off."""
        return self.rate > 0.0

    def hot(self, columns: frozenset[str]) -> Hot | None:
        """Hooks on the weights; none when switched off."""
        if self.rate == 0.0:
            return None
        parameters = InhibitoryParameters(rate=self.rate, loss=self.loss, weight_max=self.weight_max)
        return Hot(inhibitory_pre, inhibitory_post, parameters, (), (self.tau,), (self.tau,))

    def prepare(self, view: SynapseView) -> None:
        """Refuse synapses that excite, or whose weights are read off sizes.

        Raises
        ------
        BuildError
            With the cure.
        """
        t = view.table
        if "log_size" in t.column_names:
            raise BuildError(
                f"projection {view.name!r}: InhibitorySTDP changes weights; connect with weight=, no spines"
            )
        if np.any(t.weight[view.slots()] > 0):
            raise BuildError(
                f"projection {view.name!r} is excitatory, where InhibitorySTDP would run away: make its source "
                "inhibitory=True, or use STDP"
            )


# ---------------------------------------------------------------------- closed forms


def drift(rule: InhibitorySTDP, pre_hz: ArrayLike, post_hz: ArrayLike) -> F8:
    """Mean change of the weight per second for independent Poisson trains, in units of `weight_max`: 0 at rho0."""
    pre, post = np.asarray(pre_hz, dtype=np.float64), np.asarray(post_hz, dtype=np.float64)
    return np.asarray(2.0 * rule.rate * rule.tau / 1e3 * pre * (post - rule.target_hz))


def window(rule: InhibitorySTDP, dt: ArrayLike) -> F8:
    """Change by one pair at distance `dt` (ms), in units of `weight_max`: symmetric, minus the constant."""
    lag = np.abs(np.asarray(dt, dtype=np.float64))
    return np.asarray(rule.rate * (np.exp(-lag / rule.tau) - rule.loss))
