"""Models of spines that are imaged and compared with measurements, and how their free numbers are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurodev.mechanisms.base import Mechanism
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
        Spines of a run; gradients taken; one seed throughout, so that the misfit is nearly smooth.
    """

    def values(theta: np.ndarray) -> Numbers:
        return {k: float(np.exp(v) if k in model.positive else v) for k, v in zip(model.free, theta, strict=True)}

    def deviations(theta: np.ndarray) -> np.ndarray:
        return (observe(model.image(values(theta), days, n, seed)) - target) / error

    start = [np.log(v) if k in model.positive else v for k, v in model.free.items()]
    best, total = least_squares(deviations, np.array(start), rounds)
    return Fit(values(best), total / error.size)


def least_squares(
    deviations: Callable[[np.ndarray], np.ndarray], start: np.ndarray, rounds: int = 12, step: float = 0.1
) -> tuple[np.ndarray, float]:
    """Least squares of a noisy simulation by damped Gauss-Newton steps (Levenberg's).

    Parameters
    ----------
    deviations : callable
        Deviations over their standard errors; what is not finite counts as 100.
    start : (n,) float64
        In units in which a change by `step` is small but stands above the noise (logarithms, for instance).
    rounds : int
        Gradients taken.

    Returns
    -------
    (n,) float64, float
        The best values and their sum of squares.
    """

    def at(x: np.ndarray) -> np.ndarray:
        got = np.asarray(deviations(x), dtype=float)
        return np.where(np.isfinite(got), np.clip(got, -100.0, 100.0), 100.0)

    best, damp = np.array(start, dtype=float), 1.0
    here = at(best)
    for _ in range(rounds):
        slope = np.stack([(at(best + step * e) - here) / step for e in np.eye(best.size)], axis=1)
        before = float(here @ here)
        for _ in range(4):
            move = np.linalg.solve(slope.T @ slope + damp * np.eye(best.size), -slope.T @ here)
            there = best + np.clip(move, -0.7, 0.7)
            got = at(there)
            if got @ got < here @ here:
                best, here, damp = there, got, damp / 4.0
                break
            damp *= 6.0
        if before - here @ here < 1e-3 * before:
            break
    return best, float(here @ here)
