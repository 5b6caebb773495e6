"""Models of spines without spikes that can be fitted to a history: by name, or one's own.

Each keeps the number of spines (who dies is replaced), so that births need no numbers: what is fitted is who dies,
and how sizes move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from neurodev.errors import ParameterError, nearest, shown
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover
from neurodev.params import a_name, number
from neurodev.protocols.observed import Observed
from neurodev.units import day, hour

Numbers = dict[str, float]


class Number(NamedTuple):
    """A number of a model: where it starts if nothing better is known, and its limits."""

    start: float
    low: float
    high: float
    log: bool = True  #: whether its logarithm is varied

    def coordinate(self, value: float) -> float:
        """As it is varied."""
        return float(np.log(value)) if self.log else value

    def value(self, coordinate: float) -> float:
        """Back."""
        return float(np.exp(coordinate)) if self.log else float(coordinate)


@dataclass(frozen=True)
class FitModel:
    """Mechanisms with numbers that can be fitted.

    Attributes
    ----------
    name : str
    numbers : dict of str to Number
        What the mechanisms are made with; ``"noise"``, if it is one, is the standard deviation of the measured ln size
        about the true one.
    build : callable
        Numbers -> mechanisms.
    guess : callable, optional
        What was observed -> numbers to start from (any of them).
    tick : float, ms (life)
        Of the simulation, at most.

    Raises
    ------
    ParameterError
        If a field is of another kind.

    Examples
    --------
    >>> from neurodev.mechanisms.turnover import Turnover
    >>> FitModel("mine", {"rate": Number(0.1, 1e-4, 1.0)}, lambda p: [Turnover(births=False, hazard=p["rate"])]).name
    'mine'
    """

    name: str
    numbers: dict[str, Number]
    build: Callable[[Numbers], Sequence[Mechanism]]
    guess: Callable[[Observed], Numbers] = field(default=lambda seen: {})
    tick: float = 12 * hour

    def __post_init__(self) -> None:
        a_name(self.name)
        numbers = self.numbers
        if not isinstance(numbers, dict) or not numbers:
            raise ParameterError(f"numbers must be a dict from names to Number, got {shown(numbers)}")
        for key, value in numbers.items():
            if not isinstance(key, str) or not isinstance(value, Number) or not value.low < value.start < value.high:
                raise ParameterError(f"numbers[{key!r}] must be a Number(start, low, high), got {shown(value)}")
            if value.log and value.low <= 0.0:
                raise ParameterError(f"numbers[{key!r}] must be positive, or have log=False, got {shown(value)}")
        for name in ("build", "guess"):
            if not callable(getattr(self, name)):
                raise ParameterError(f"{name} must be a function, got {shown(getattr(self, name))}")
        number(self.tick, "tick", "ms of life", above=0.0)


def graded(p: Numbers) -> Sequence[Mechanism]:
    """One component of size, a hazard that falls with it, newborns of their own mean and spread."""
    size = SpineSize(
        sd=p["sd"], tau=p["tau"] * day, death="hazard", hazard_rate=p["rate"], hazard_slope=p["slope"],
        newborn=p["newborn"], newborn_sd=p["newborn_sd"], first=0.3 * p["sd"],
    )  # fmt: skip
    return (size,)


def nascent(p: Numbers) -> Sequence[Mechanism]:
    """The same, and a part of the newborns transient: they die at a rate of their own besides."""
    share = p["odds"] / (1.0 + p["odds"])
    return (*graded(p), Persistence(births=False, hazard=0.0, transient_hazard=p["transient"], share=share, first=1.0))


def threshold(p: Numbers) -> Sequence[Mechanism]:
    """One component, and death below a smallest size."""
    low = p["minimum"]
    size = SpineSize(
        sd=p["sd"], tau=p["tau"] * day, minimum=low, newborn=low + p["gap"], newborn_sd=p["newborn_sd"], first=0.0
    )
    return (size,)


def two_components(p: Numbers) -> Sequence[Mechanism]:
    """A fast and a slow component, and death below a smallest size."""
    low = p["minimum"]
    size = SpineSize(
        sd=p["sd"], tau=p["tau"] * day, slow_share=p["share"], slow_tau=200 * day, minimum=low, newborn=low + p["gap"],
        newborn_sd=p["newborn_sd"], first=0.0,
    )  # fmt: skip
    return (size,)


def constant(p: Numbers) -> Sequence[Mechanism]:
    """Every spine dies at the same rate, whatever its size."""
    size = SpineSize(sd=p["sd"], tau=p["tau"] * day, death="none", newborn=p["newborn"], newborn_sd=p["newborn_sd"])
    return size, Turnover(births=False, hazard=p["rate"])


def _guess(seen: Observed) -> Numbers:
    """Sizes, their memory and the rate of loss from what was observed."""
    out: Numbers = {}
    lag, s = seen.lag, seen.survival
    known = np.isfinite(s) & (s > 0) & (s < 1)
    loss = float(-np.log(s[known][0]) / lag[known][0]) if known.any() else 0.01
    sd = float(seen.sd[0])
    if np.isfinite(sd) and sd > 0:
        r = seen.correlation
        fits = np.isfinite(r) & (r > 0.05) & (r < 1)
        tau = 150.0
        noise = 0.15
        if fits.sum() > 1:  # r = share of what is no noise x exp(-lag / tau)
            slope, level = np.polyfit(lag[fits], np.log(r[fits]), 1)
            tau = float(np.clip(-1.0 / min(slope, -1e-9), 5.0, 800.0))
            noise = float(np.sqrt(np.clip(1.0 - np.exp(level), 0.01, 0.3)))
        out = {"sd": 1.1 * sd, "tau": 1.3 * tau, "noise": max(noise * sd, 0.03), "slope": 2.0 / sd}
        ends = seen.losses[[0, -1]] if np.isfinite(seen.losses).all() else np.array([0.3, 0.003])
        low, high = np.clip(ends, 1e-4, 0.9)
        out["slope"] = float(np.clip(np.log(low / high) / (2.8 * sd), 0.2, 6.0))
        if np.isfinite(seen.newborn_mean[0]):
            out["newborn"] = float((seen.newborn_mean[0] - 0.1) * sd)
            out["newborn_sd"] = float(max(seen.newborn_sd[0] * sd, 0.05))
        out["rate"] = loss * float(np.exp(-0.5 * (out["slope"] * sd) ** 2 * 0.5))
    else:
        out["rate"] = loss
    return out


def _constant_guess(seen: Observed) -> Numbers:
    out = _guess(seen)
    known = np.isfinite(seen.survival) & (seen.survival > 0) & (seen.survival < 1)
    if known.any():
        out["rate"] = float(-np.log(seen.survival[known][0]) / seen.lag[known][0])
    return out


def _threshold_guess(seen: Observed) -> Numbers:
    found, sd = _guess(seen), float(seen.sd[0])
    if not np.isfinite(sd):
        return {}
    return {"sd": 1.15 * sd, "minimum": -1.5 * sd, "noise": found["noise"]}


_SIZE = {"sd": Number(1.06, 0.1, 5.0), "tau": Number(150.0, 2.0, 3000.0)}
_NEWBORN = {"newborn": Number(-1.16, -8.0, 4.0, log=False), "newborn_sd": Number(0.68, 0.02, 4.0)}
_NOISE = {"noise": Number(0.2, 0.01, 1.5)}
_HAZARD = {"rate": Number(0.0074, 1e-6, 1.0), "slope": Number(2.34, 0.02, 12.0)}
_BOUND = {
    "minimum": Number(-1.4, -10.0, 3.0, log=False), "gap": Number(0.3, 0.01, 5.0), "newborn_sd": Number(0.5, 0.02, 4.0)
}  # fmt: skip
_GRADED = {**_SIZE, **_HAZARD, **_NEWBORN, **_NOISE}
_NASCENT = {**_GRADED, "transient": Number(0.15, 1e-4, 3.0), "odds": Number(3.0, 0.01, 100.0)}
_CONSTANT = {**_SIZE, "rate": _HAZARD["rate"], **_NEWBORN, **_NOISE}
_THRESHOLD = {**_SIZE, "tau": Number(12.0, 0.5, 1000.0), **_BOUND, **_NOISE}
_FAST = {"tau": Number(0.55, 0.1, 30.0), "share": Number(0.7, 0.01, 0.98), "noise": Number(0.1, 0.01, 1.5)}

FIT_MODELS: dict[str, FitModel] = {
    m.name: m
    for m in (
        FitModel("graded", _GRADED, graded, _guess),
        FitModel("nascent", _NASCENT, nascent, _guess),
        FitModel("constant", _CONSTANT, constant, _constant_guess),
        FitModel("threshold", _THRESHOLD, threshold, _threshold_guess),
        FitModel("two components", {**_SIZE, **_BOUND, **_FAST}, two_components, _threshold_guess, 3 * hour),
    )
}
"""Models by name."""


def fit_model(model: FitModel | str) -> FitModel:
    """The model of a name, or the model itself.

    Raises
    ------
    ParameterError
        With the names there are.
    """
    if isinstance(model, FitModel):
        return model
    if not isinstance(model, str) or model not in FIT_MODELS:
        near = nearest(model, FIT_MODELS) if isinstance(model, str) else ""
        raise ParameterError(f"model must be a FitModel or one of {sorted(FIT_MODELS)}, got {shown(model)}{near}")
    return FIT_MODELS[model]
