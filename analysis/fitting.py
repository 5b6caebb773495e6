"""Models of one's own, imaged, and their free numbers by any numbers of a table (ours are fitted by `nd.fit`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurodev.mechanisms.base import Mechanism
from neurodev.protocols.fitting import descend
from neurodev.protocols.imaging import image, population
from neurodev.units import day, hour

Numbers = dict[str, float]


@dataclass(frozen=True)
class Model:
    """Mechanisms and their free numbers.

    Attributes
    ----------
    name : str
    free : dict of str to float
        The numbers to be found, with their start.
    build : callable
        Numbers -> mechanisms.
    positive : tuple of str
        Which numbers are positive (their logarithms are varied).
    tick, burn_in : float, ms (life)
        Of the run; each spine that dies is replaced, so that the number stands still.
    """

    name: str
    free: Numbers
    build: Callable[[Numbers], Sequence[Mechanism]]
    positive: tuple[str, ...] = ()
    tick: float = 12 * hour
    burn_in: float = 300 * day

    def image(self, p: Numbers, days: np.ndarray, n: int, seed: int) -> np.ndarray:
        """ln V of `n` spines in sessions at `days`, NaN where absent; with measurement noise if there is a "noise"."""
        world = population(self.build(p), n, burn_in=self.burn_in, tick=self.tick, seed=seed, replace=True)
        return image(world, days, p.get("noise", 0.0))


class Fit(NamedTuple):
    """Numbers found, and the mean square of the deviations over their standard errors."""

    numbers: Numbers
    mean_square: float


def fit_model(
    model: Model, days: np.ndarray, observe: Callable[[np.ndarray], np.ndarray], target: np.ndarray, error: np.ndarray,
    n: int = 6000, rounds: int = 12, seed: int = 1,
) -> Fit:  # fmt: skip
    """The free numbers of a model by least squares.

    Parameters
    ----------
    days : (n_session,) float64
    observe : callable
        ln V (n_seen, n_session) -> the numbers that are fitted.
    target, error : (n_term,) float64
        The same of the data, and their standard errors.
    n, rounds, seed : int
        Spines of a run; steps of each search; one seed throughout, so that the misfit is nearly smooth.
    """

    def values(theta: np.ndarray) -> Numbers:
        return {k: float(np.exp(v) if k in model.positive else v) for k, v in zip(model.free, theta, strict=True)}

    def deviations(theta: np.ndarray) -> np.ndarray:
        return (observe(model.image(values(theta), days, n, seed)) - target) / error

    def finite(theta: np.ndarray) -> np.ndarray:
        d = deviations(theta)
        return np.where(np.isfinite(d), np.clip(d, -100.0, 100.0), 100.0)

    start = np.array([np.log(v) if k in model.positive else v for k, v in model.free.items()])
    best, _, _ = descend(finite, start, np.array([start - 8.0, start + 8.0]), rounds)
    d = finite(best)
    return Fit(values(best), float(d @ d) / error.size)
