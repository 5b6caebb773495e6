"""Synaptic elements that grow and shrink with a neuron's calcium: the neuron's half of homeostatic rewiring (MSP).

    dCa/dt = -Ca / tau,  Ca += beta at a spike;     dz/dt = nu g(Ca)  for each kind of element

A neuron has any number of kinds (`axonal`, `dendritic_excitatory`, `dendritic_inhibitory`, or names of your own),
each with its growth curve.  Whole elements that carry no synapse are *vacant*: `Pairing` on a projection joins vacant
axonal with vacant dendritic elements, and breaks synapses where a neuron has fewer elements than synapses.

Calcium lives on the spike clock and growth between spikes is integrated exactly (`growth_curves`); elements live on
the life clock: a tick adds ``nu`` times the mean of g times the tick's life time, and z is clipped at 0 there.  At
acceleration 1 both clocks are one and nothing is averaged.

Signals of a kind k: ``elements_k`` (z), ``growth_k`` (integral of g since the last tick, ms of spike time),
``connected_k``, ``vacant_k`` (before a tick pairs them), ``freed_k`` (in that tick), and what projections need to share
them fairly (``undealt_k``, ``offer_k``, ``users_k``).
Sources: Butz & van Ooyen 2013; the public code of NEST and RELeARN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError
from neurodev.jit import hook, kernel, rule
from neurodev.mechanisms.base import Hot, Mechanism, NeuronView
from neurodev.mechanisms.growth_curves import (
    CurveShape,
    GaussianGrowth,
    GrowthCurve,
    as_curve,
    check_curve,
    growth_between,
)
from neurodev.mechanisms.hooks import fields_of, kind_of, parameters_of, signal_of, since_start
from neurodev.params import param
from neurodev.signals.calcium import decayed

S_CALCIUM, S_TIME, S_FIRST = 0, 1, 2  # signals of the hook; then the growth of every kind
_SHARED = ("connected", "vacant", "freed", "undealt", "offer", "users")


class GrowthParameters(NamedTuple):
    """Of the hook."""

    tau: float
    beta: float


@rule
def grown(curve: CurveShape, calcium: float, span: float, tau: float) -> float:
    """Growth of one kind within `span` ms without a spike, in units of nu."""
    return tau * growth_between(curve.code, curve.centre, curve.width, calcium, span / tau)


@hook
def on_post(record: int, a: int, b: int, c: int, d: int, t: float) -> None:
    """A spike of neuron a: growth up to now, then calcium jumps."""
    p = parameters_of(record, GrowthParameters)
    now = since_start(record, t)
    calcium, last = signal_of(record, S_CALCIUM), signal_of(record, S_TIME)
    span = max(now - last[a], 0.0)
    for k in range(fields_of(record).n_kind):
        signal_of(record, S_FIRST + k)[a] += grown(kind_of(record, k, CurveShape), calcium[a], span, p.tau)
    calcium[a] = decayed(calcium[a], span, p.tau) + p.beta
    last[a] = now


@hook
def catch_up(record: int, a: int, b: int, c: int, d: int, t: float) -> None:
    """Bring all neurons to the present, as `settle` does at a tick."""
    p = parameters_of(record, GrowthParameters)
    now = since_start(record, t)
    calcium, last = signal_of(record, S_CALCIUM), signal_of(record, S_TIME)
    for j in range(calcium.shape[0]):
        span = max(now - last[j], 0.0)
        for k in range(fields_of(record).n_kind):
            signal_of(record, S_FIRST + k)[j] += grown(kind_of(record, k, CurveShape), calcium[j], span, p.tau)
        calcium[j] = decayed(calcium[j], span, p.tau)
        last[j] = now


@kernel
def settle(calcium: F8, last: F8, growth: F8, now: float, tau: float, curves: F8) -> None:
    """Bring all neurons from their last update to `now` (ms): growth of every kind, then calcium.

    calcium, last : (n,);  growth : (n_kind, n);  curves : (n_kind, 3), a `CurveShape` each
    """
    for j in range(calcium.shape[0]):
        span = max(now - last[j], 0.0)
        for k in range(growth.shape[0]):
            curve = CurveShape(curves[k, 0], curves[k, 1], curves[k, 2])
            growth[k, j] += grown(curve, calcium[j], span, tau)
        calcium[j] = decayed(calcium[j], span, tau)
        last[j] = now


def _default() -> dict[str, GrowthCurve]:
    return {k: GaussianGrowth() for k in ("axonal", "dendritic_excitatory", "dendritic_inhibitory")}


@dataclass(frozen=True)
class Growth(Mechanism):
    """Synaptic elements of a population, by kind, driven by calcium.

    Parameters
    ----------
    elements : mapping of str to growth curve, optional
        One curve for each kind of element (in a study: ``elements = {axonal = {curve = "gaussian", nu = 1e-4}}``).
        By default `axonal`, `dendritic_excitatory` and `dendritic_inhibitory`, Gaussian.
    tau : float, ms (spike)
        Decay of calcium.
    beta : float
        Calcium of a spike.
    start : float
        Vacant elements of every kind at the beginning, above those that the initial synapses occupy.
    calcium : float
        Calcium at the beginning.
    vacancy_tau : float, ms (life)
        Whole elements that are still vacant when a tick has made its synapses decay with this time constant;
        infinite: not at all.  (NEST's `tau_vacant` is the fraction lost at an update, in the same order:
        ``tick / vacancy_tau`` where that is small.)

    Notes
    -----
    A tick may change a kind by at most one element (``tick <= 1 / nu``), which is checked at build.  Blocked, growth
    stops (calcium goes on); the tick after a release is dropped with it, since it is not known when it grew.
    A dead neuron has neither calcium nor elements; a newborn one starts with `start` elements and no calcium.

    Examples
    --------
    >>> net = nd.Network(seed=1)
    >>> net.add(nd.LIF(), 20, name="cells").use(nd.Growth({"axonal": nd.GaussianGrowth(epsilon=0.05)}))
    Population('cells', 20 neurons, LIF, excitatory, uses Growth)
    """

    level: ClassVar[str] = "neuron"
    owns: ClassVar[tuple[str, ...]] = ("calcium", "calcium_time")
    equation: ClassVar[str] = (
        "dCa/dt = -Ca/tau, Ca += beta at a spike;  dz/dt = nu g(Ca);  g = 1 - Ca/epsilon, "
        "2 exp(-((Ca - xi)/zeta)^2) - 1, or 2/(1 + exp((Ca - epsilon)/psi)) - 1"
    )

    elements: Any = None
    tau: float = param(10_000.0, unit="ms", clock="spike", above=0.0, source="NEST, RELeARN: 10000 ms")
    beta: float = param(0.001, unit="1", above=0.0, source="NEST, RELeARN: .001")
    start: float = param(0.0, unit="1", low=0.0, source="free")
    calcium: float = param(0.0, unit="1", low=0.0, source="free")
    vacancy_tau: float = param(
        float("inf"), unit="ms", clock="life", above=0.0, high=float("inf"), source="RELeARN: none; NEST: .1 an update"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.elements is not None and (not isinstance(self.elements, Mapping) or not self.elements):
            raise ParameterError(
                f"Growth.elements must map kinds to curves, e.g. {{'axonal': nd.LinearGrowth()}}, got {self.elements!r}"
            )
        for kind in self.elements or ():
            if not isinstance(kind, str) or not kind.isidentifier():
                raise ParameterError(f"a kind of Growth.elements must be a word, got {kind!r}")
        for kind, curve in self.curves().items():
            check_curve(curve, f"Growth.elements[{kind!r}]")

    def made_of(self) -> list[Any]:
        """The curves, also those that a study gave as tables."""
        return list(self.curves().values())

    def curves(self) -> dict[str, GrowthCurve]:
        """The curve of every kind."""
        given = self.elements if self.elements is not None else _default()
        return {kind: as_curve(curve, f"Growth.elements[{kind!r}]") for kind, curve in given.items()}

    def columns(self) -> dict[str, float]:
        """Calcium, and what is known of every kind: nothing of the dead and the unborn."""
        out = {"calcium": 0.0, "calcium_time": 0.0, "growth_tick": 0.0}
        for kind in self.curves():
            out |= {f"elements_{kind}": 0.0, f"growth_{kind}": 0.0} | {f"{s}_{kind}": 0.0 for s in _SHARED}
        return out

    def prepare(self, view: NeuronView) -> None:
        """Elements and calcium of the first neurons (those that synapses occupy are added by the projections)."""
        b = view.block
        b["calcium"][b.alive] = self.calcium
        for kind in self.curves():
            b[f"elements_{kind}"][b.alive] = self.start

    def fastest_life_time(self) -> float:
        """Five times the growth of one element: a tick may change a kind by at most one."""
        fastest = max(c.nu for c in self.curves().values())
        return 5.0 / fastest if fastest > 0 else float("inf")

    def _shapes(self) -> tuple[CurveShape, ...]:
        return tuple(c.shape() for c in self.curves().values())

    def hot(self, columns: frozenset[str]) -> Hot | None:
        """Calcium and growth at every spike."""
        signals = ("calcium", "calcium_time", *(f"growth_{kind}" for kind in self.curves()))
        parameters = GrowthParameters(tau=self.tau, beta=self.beta)
        return Hot(
            None, on_post, parameters, signals, post_traces=(float("inf"),), kinds=self._shapes(), catch_up=catch_up
        )

    def signals(self, view: NeuronView) -> None:
        """Bring calcium to the tick's end, and turn the tick's growth into elements."""
        b, c, curves = view.block, view.clock, self.curves()
        growth = np.array([b[f"growth_{kind}"] for kind in curves])
        settle(b["calcium"], b["calcium_time"], growth, c.tick * c.tick_spike, self.tau, np.array(self._shapes()))
        growing = b.alive & (b["growth_tick"] == c.tick - 1)
        for (kind, curve), integral in zip(curves.items(), growth, strict=True):
            z = b[f"elements_{kind}"]
            z[growing] = np.maximum(z + curve.nu * (c.tick_life / c.tick_spike) * integral, 0.0)[growing]
            b[f"growth_{kind}"][:] = 0.0
        b["growth_tick"][b.alive] = c.tick

    def settle(self, view: NeuronView) -> None:
        """What is still vacant decays: elements that became whole in this tick have had their chance to pair.

        Those that a synapse left in this tick have theirs at the next one.
        """
        if np.isinf(self.vacancy_tau):
            return
        lost = -np.expm1(-view.clock.tick_life / self.vacancy_tau)
        for kind in self.curves():
            z = view.block[f"elements_{kind}"]
            busy = view.block[f"connected_{kind}"] + view.block[f"freed_{kind}"]
            z -= lost * np.maximum(np.floor(z) - busy, 0.0)

    def born(self, view: NeuronView, slots: I8) -> None:
        """A newborn neuron has `start` elements of every kind, and no calcium."""
        b, c = view.block, view.clock
        b["calcium_time"][slots], b["growth_tick"][slots] = c.tick * c.tick_spike, c.tick
        for kind in self.curves():
            b[f"elements_{kind}"][slots] = self.start
            b[f"users_{kind}"][slots] = b[f"users_{kind}"].max()

    def describe(self) -> dict[str, Any]:
        """Kind and parameters as plain data, curves included."""
        return super().describe() | {"elements": {k: c.describe() for k, c in self.curves().items()}}
