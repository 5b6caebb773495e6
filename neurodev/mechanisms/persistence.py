"""Two classes of spines: some are born to persist, most are transient.

    S(t) = f exp(-d1 t) + (1 - f) exp(-d2 t),      p = f d1 / (f d1 + (1 - f) d2)

A newborn is persistent with probability p and dies at the rate d1, else transient and dies at d2; f is the share of
persistent spines among the standing in a stationary population.  This is the model in which turnover is usually
measured (Holtmaat 2005); it knows nothing of sizes, and its numbers are not unique.  Where sizes were
measured, the graded hazard of `SpineSize` gives two apparent classes without naming them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from neurodev.arrays import I8
from neurodev.errors import ParameterError
from neurodev.mechanisms.base import SynapseView
from neurodev.mechanisms.turnover import Turnover
from neurodev.noise import uniforms_of
from neurodev.params import asks, finite, param
from neurodev.structure.plan import Plan

_FITTED = "fitted to Holtmaat 2005 Neuron 45:279, P80-120"


@dataclass(frozen=True)
class Persistence(Turnover):
    """Births of two classes of spines, each of which dies at its own constant rate.

    Parameters
    ----------
    early, late, early_tau, births, deaths
        As in `Turnover`.
    hazard : float, 1/day
        d1, death rate of persistent spines.
    transient_hazard : float, 1/day
        d2, death rate of transient spines.
    share : float
        p, probability that a newborn is persistent.
    first : float, optional
        f, share of persistent spines among the first; by default that of a stationary population.

    Notes
    -----
    Owns the column ``persistent`` (0 or 1).

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> a, b = net.add(nd.Poisson(10.0), 50, name="a"), net.add(nd.LIF(), 20, name="b")
    >>> net.connect(a, b, nd.Degree(5), spines=nd.Spines(weight=4.0)).use(nd.Persistence())
    Projection('a_b', a to b, about 100 synapses, 5 inputs each, spines of 4 mV, uses Persistence)
    """

    owns: ClassVar[tuple[str, ...]] = ("persistent",)
    reach: ClassVar[str] = "target"
    equation: ClassVar[str] = (
        "births as Turnover, persistent with probability share;  deaths: hazard (persistent) or transient_hazard"
    )

    early: float = param(0.0, unit="1/day", clock="life", low=0.0, source="stationary")
    late: float = param(1.08, unit="1/day", clock="life", low=0.0, source="free: 10 spines, window P80-120")
    hazard: float = param(0.004, unit="1/day", clock="life", low=0.0, source=_FITTED)
    transient_hazard: float = param(0.3, unit="1/day", clock="life", low=0.0, source=_FITTED)
    share: float = param(0.0240, unit="1", low=0.0, high=1.0, source=_FITTED)
    first: Any = param(None, unit="1", low=0.0, high=1.0, none=True, source="that of a stationary population")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.transient_hazard < self.hazard:
            raise ParameterError(
                f"Persistence.transient_hazard={self.transient_hazard} must not lie below "
                f"Persistence.hazard={self.hazard}: transient spines are those that die sooner"
            )

    @property
    def standing(self) -> float:
        """f, the share of persistent spines in a stationary population."""
        p, d1, d2 = self.share, self.hazard, self.transient_hazard
        if p in (0.0, 1.0):
            return p
        return p * d2 / (p * d2 + (1.0 - p) * d1)

    @property
    def number(self) -> float:
        """Spines of a target in a stationary population; infinite where a class never dies."""
        parts = ((self.share, self.hazard), (1.0 - self.share, self.transient_hazard))
        return sum(self.late * p / d if d > 0 else float("inf") for p, d in parts if p > 0)

    def columns(self) -> dict[str, float]:
        """The class of each spine."""
        return {"persistent": 0.0}

    def fastest_life_time(self) -> float:
        """None: births and deaths of each class are exact over any tick."""
        return float("inf")

    def prepare(self, view: SynapseView) -> None:
        """Draw the classes of the first spines."""
        super().prepare(view)
        self._draw_classes(view, view.slots(), self.standing if self.first is None else float(self.first))

    def _draw_classes(self, view: SynapseView, slots: I8, share: float) -> None:
        u = uniforms_of(view.key("class"), view.table.uid[slots])
        view.table.column("persistent")[slots] = u < share

    def _by_class(self, begin: float, end: float) -> tuple[float, float]:
        """Expected births of a target between two life times that are alive at the end: persistent, transient."""
        lasting, brief = (
            replace(self, hazard=d, transient_hazard=d) for d in (self.hazard, self.transient_hazard)
        )  # fmt: skip
        one, other = (Turnover.expected(m, begin, end) for m in (lasting, brief))
        return self.share * one, (1.0 - self.share) * other

    @asks(begin=finite("ms of life", high=1e15), end=finite("ms of life", high=1e15))
    def expected(self, begin: float, end: float) -> float:
        """Expected births of a target between two life times (ms) that are still alive at the end."""
        return sum(self._by_class(begin, end))

    def _deaths(self, view: SynapseView) -> Plan:
        """Each class at its own rate."""
        t, slots = view.table, view.slots()
        lasting = t.column("persistent")[slots] > 0.5
        return self._doomed(view, np.where(lasting, self.hazard, self.transient_hazard))

    def born(self, view: SynapseView, slots: I8) -> None:
        """Draw the classes of newborns, among those that outlived their first tick."""
        c = view.clock
        lasting, brief = self._by_class(c.life - c.tick_life, c.life)
        total = lasting + brief
        self._draw_classes(view, slots, lasting / total if total > 0 else self.share)
