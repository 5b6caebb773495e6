"""How fast synaptic elements grow at a level of calcium, and the exact growth between two spikes.

=========  ==================================================================
linear     ``1 - Ca / epsilon``
gaussian   ``2 exp(-((Ca - xi) / zeta)^2) - 1``, xi = (eta + epsilon) / 2, zeta = (epsilon - eta) / (2 sqrt(ln 2))
sigmoid    ``2 / (1 + exp((Ca - epsilon) / psi)) - 1``
=========  ==================================================================

in units of nu (elements per ms of life).  Growth vanishes at epsilon and, for the Gaussian curve, at eta (the formula
for zeta printed in the comments of one reference implementation multiplies by sqrt(ln 2); its code divides, as here).

Between spikes ``Ca = Ca0 e^{-u}`` with u the time in units of tau, so that growth is an integral over u: closed for
the linear curve; for the others eight-point Gauss-Legendre panels, each so short that the argument of the curve moves
by at most one width.  The error bound of such a panel is 1e-14 (Gaussian) and 1e-17 (sigmoid) of its length.
Source: Butz & van Ooyen 2013, Eq. 4, as in the public code of NEST and RELeARN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev import params
from neurodev.arrays import F8
from neurodev.errors import ParameterError, nearest
from neurodev.jit import kernel, rule
from neurodev.params import param
from neurodev.registry import Registered, find, is_ours, names, ours, word_of
from neurodev.signals.calcium import expectation

LINEAR, GAUSSIAN, SIGMOID = 0, 1, 2
_NODES = np.array([0.1834346424956498, 0.525532409916329, 0.7966664774136267, 0.9602898564975363])
_WEIGHTS = np.array([0.362683783378362, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763])


class CurveShape(NamedTuple):
    """A growth curve as the kernels want it: (epsilon, -), (xi, zeta) or (epsilon, psi)."""

    code: float
    """LINEAR, GAUSSIAN or SIGMOID."""
    centre: float
    width: float


@rule
def growth_rate(curve: float, centre: float, width: float, calcium: float) -> float:
    """dz/dt in units of nu; (centre, width) is (epsilon, -), (xi, zeta) or (epsilon, psi)."""
    if curve == LINEAR:
        return 1.0 - calcium / centre
    x = (calcium - centre) / width
    if curve == GAUSSIAN:
        return 2.0 * np.exp(-x * x) - 1.0  # type: ignore[no-any-return]
    return -np.tanh(0.5 * x)  # type: ignore[no-any-return]  # which is 2 / (1 + exp(x)) - 1 and cannot overflow


@kernel
def growth_between(curve: float, centre: float, width: float, calcium: float, duration: float) -> float:
    """Integral of `growth_rate` while calcium decays from `calcium` for `duration`; both in units of tau."""
    if curve == LINEAR:
        return duration + calcium / centre * np.expm1(-duration)  # type: ignore[no-any-return]
    total, u, c = 0.0, 0.0, calcium
    while u < duration:
        if c < 1e-13 * width:  # what is left of calcium moves the curve by less than rounding
            return total + (duration - u) * growth_rate(curve, centre, width, 0.0)
        step = min(duration - u, 1.0)
        if c * step > width:
            step = width / c
        half, panel = 0.5 * step, 0.0
        for k in range(4):
            left = c * np.exp(-half * (1.0 - _NODES[k]))
            right = c * np.exp(-half * (1.0 + _NODES[k]))
            both = growth_rate(curve, centre, width, left) + growth_rate(curve, centre, width, right)
            panel += _WEIGHTS[k] * both
        total += half * panel
        u += step
        c = calcium * np.exp(-u)
    return total


@dataclass(frozen=True)
class GrowthCurve(Registered, kind="growth curve"):
    """Base of the growth curves: `nu` is the fastest growth, `epsilon` the calcium at which growth vanishes."""

    word: ClassVar[str] = ""
    nu: float = param(1e-4, unit="1/ms", clock="life", low=0.0, source="Butz & van Ooyen 2013, as in NEST's example")
    epsilon: float = param(0.05, unit="1", above=0.0, source="NEST's example: 5 Hz at tau 10 s, beta .001")

    def __post_init__(self) -> None:
        params.check(self)

    def shape(self) -> CurveShape:
        """Code, centre and width, as the kernels want them."""
        raise NotImplementedError

    def __call__(self, calcium: ArrayLike) -> F8:
        """dz/dt (elements per ms of life) at levels of calcium."""
        curve, centre, width = self.shape()
        rate: Any = getattr(growth_rate, "py_func", growth_rate)  # as it is written, on arrays
        return np.asarray(self.nu * rate(curve, centre, width, np.asarray(calcium, dtype=np.float64)))

    def describe(self) -> dict[str, Any]:
        """The curve as plain words and numbers."""
        return {"curve": self.word if is_ours(type(self)) else word_of(type(self)), **params.asdict(self)}


@dataclass(frozen=True)
class LinearGrowth(GrowthCurve):
    """Elements grow below epsilon and shrink above it, in proportion.

    Examples
    --------
    >>> nd.Growth({"axonal": nd.LinearGrowth(epsilon=0.05)}).elements["axonal"].epsilon
    0.05
    """

    word: ClassVar[str] = "linear"

    def shape(self) -> CurveShape:
        """See `GrowthCurve.shape`."""
        return CurveShape(float(LINEAR), self.epsilon, 1.0)


@dataclass(frozen=True)
class GaussianGrowth(GrowthCurve):
    """Elements grow between eta and epsilon only, fastest half-way.

    Examples
    --------
    >>> nd.Growth({"axonal": nd.GaussianGrowth(epsilon=0.05)}).elements["axonal"].epsilon
    0.05
    """

    word: ClassVar[str] = "gaussian"
    eta: float = param(0.0, unit="1", source="NEST's example")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eta >= self.epsilon:
            raise ParameterError(f"GaussianGrowth.eta={self.eta} must lie below GaussianGrowth.epsilon={self.epsilon}")

    def shape(self) -> CurveShape:
        """See `GrowthCurve.shape`."""
        width = (self.epsilon - self.eta) / (2.0 * np.sqrt(np.log(2.0)))
        return CurveShape(float(GAUSSIAN), 0.5 * (self.eta + self.epsilon), float(width))


@dataclass(frozen=True)
class SigmoidGrowth(GrowthCurve):
    """Elements grow below epsilon and shrink above it, at most at the rate nu.

    Examples
    --------
    >>> nd.Growth({"axonal": nd.SigmoidGrowth(epsilon=0.05)}).elements["axonal"].epsilon
    0.05
    """

    word: ClassVar[str] = "sigmoid"
    psi: float = param(0.1, unit="1", above=0.0, source="NEST's default")

    def shape(self) -> CurveShape:
        """See `GrowthCurve.shape`."""
        return CurveShape(float(SIGMOID), self.epsilon, self.psi)


def as_curve(given: object, what: str) -> GrowthCurve:
    """A curve, or the table ``{curve = "gaussian", nu = ..., epsilon = ...}`` of a study.

    ``curve`` (or ``kind``) is the word of one of ours, or the name of a class, one's own as ``"module:Class"``.
    """
    if isinstance(given, GrowthCurve):
        return given
    if not isinstance(given, Mapping):
        raise ParameterError(f"{what} must be LinearGrowth, GaussianGrowth or SigmoidGrowth, got {given!r}")
    words = dict(given)
    kind = str(words.pop("kind", words.pop("curve", "gaussian")))
    named = {c.word: c for c in ours("growth curve").values()}
    if ":" not in kind and kind not in (*named, *names("growth curve")):
        raise ParameterError(f"{what}.curve must be one of {tuple(named)}, got {kind!r}{nearest(kind, named)}")
    cls: type[GrowthCurve] = named[kind] if kind in named else find("growth curve", kind)
    known = [i.name for i in params.describe(cls)]
    for name in words:
        if name not in known:
            raise ParameterError(f"{what}: a {kind} curve has no {name!r}{nearest(str(name), known)}; it has {known}")
    return cls(**words)


def check_curve(curve: GrowthCurve, what: str) -> None:
    """Refuse a curve of one's own that the kernels could not integrate, or would not look at.

    Raises
    ------
    ParameterError
        For a shape that is none of the three, and a law of its own in ``__call__``, which is only for looking.
    """
    own, shape = type(curve), curve.shape()
    if own.__call__ is not GrowthCurve.__call__:
        raise ParameterError(
            f"{what}: {own.__name__}.__call__ would never be called, what grows is integrated by its shape(): return "
            "the code, centre and width of a linear, Gaussian or sigmoid curve there"
        )
    good = isinstance(shape, CurveShape) and shape.code in (LINEAR, GAUSSIAN, SIGMOID)
    if not good or not np.isfinite(shape).all() or shape.width <= 0.0 or (shape.code == LINEAR and shape.centre == 0.0):
        raise ParameterError(
            f"{what}: {own.__name__}.shape() must be a CurveShape of code {LINEAR}, {GAUSSIAN} or {SIGMOID} with a "
            f"finite centre and a width > 0, got {shape!r}"
        )


# ---------------------------------------------------------------------- closed forms


def mean_growth(curve: GrowthCurve, rate_hz: float, tau: float, beta: float) -> float:
    """Mean dz/dt (elements per ms) of a neuron that fires as a Poisson process, exact in the shot noise (EX-7, EX-8).

    For the linear and the Gaussian curve; tau in ms.
    """
    kind, centre, width = curve.shape()
    if kind == LINEAR:
        return curve.nu * (1.0 - beta * tau * rate_hz / 1e3 / centre)
    if kind != GAUSSIAN:
        raise ParameterError("mean_growth is known for linear and Gaussian curves")
    transform = lambda k: width * np.sqrt(np.pi) * np.exp(-((k * width) ** 2) / 4.0 - 1j * k * centre)  # noqa: E731
    bell = expectation(transform, width, rate_hz, tau, beta)
    return float(curve.nu * (2.0 * bell - 1.0))


def fastest_steady_growth(curve: GaussianGrowth, gain: float, tau: float, beta: float) -> float:
    """Largest nu at which the loop through calcium does not oscillate (EX-9).

    Parameters
    ----------
    gain : float, 1/ms per element
        How much an element raises the neuron's rate.
    """
    return (curve.epsilon - curve.eta) / (16.0 * float(np.log(2.0)) * beta * gain * tau**2)
