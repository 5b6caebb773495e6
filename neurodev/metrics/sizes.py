"""Sizes: how they are distributed, and how the living differ from those that die."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]
DECADE = float(np.log(10.0))
NAN = float("nan")


def log_moments(log_size: ArrayLike) -> tuple[float, float, float]:
    """Mean, standard deviation and skewness of ln V, (n,) -> three numbers; NaN for fewer than two sizes.

    The moments are those of the sample (divided by n); the skewness of equal sizes is NaN.
    """
    x = np.asarray(log_size, dtype=float)
    if x.size < 2:
        return NAN, NAN, NAN
    sd = float(x.std())
    skew = float((((x - x.mean()) / sd) ** 3).mean()) if sd > 0 else NAN
    return float(x.mean()), sd, skew


def central_decade(log_size: ArrayLike) -> float:
    """Share of the sizes within half a decade of the median: ``|ln V - median| <= ln(10) / 2``.

    Measured: .75 (science.md, BIO-1).  NaN without sizes.
    """
    x = np.asarray(log_size, dtype=float)
    if x.size == 0:
        return NAN
    return float((np.abs(x - np.median(x)) <= 0.5 * DECADE).mean())


def best_decade(log_size: ArrayLike) -> tuple[float, float]:
    """Largest share of the sizes within any one decade, and ln V at its lower edge; NaN without sizes."""
    x = np.sort(np.asarray(log_size, dtype=float))
    if x.size == 0:
        return NAN, NAN
    held = np.searchsorted(x, x + DECADE, side="right") - np.arange(x.size)
    k = int(np.argmax(held))
    return float(held[k] / x.size), float(x[k])


class LogNormal(NamedTuple):
    """A log-normal: mean and sd of ln V, their standard errors, and the Kolmogorov-Smirnov distance of the data."""

    mean: float
    sd: float
    mean_error: float
    sd_error: float
    distance: float

    def density(self, log_size: ArrayLike) -> F8:
        """Density per unit of ln V at each ln V, same shape."""
        z = (np.asarray(log_size, dtype=float) - self.mean) / self.sd
        return np.asarray(np.exp(-0.5 * z * z) / (self.sd * np.sqrt(2.0 * np.pi)), dtype=np.float64)

    @property
    def median(self) -> float:
        """Median of V (EX-36)."""
        return float(np.exp(self.mean))

    @property
    def arithmetic_mean(self) -> float:
        """Mean of V (EX-36)."""
        return float(np.exp(self.mean + 0.5 * self.sd**2))

    @property
    def cv(self) -> float:
        """Coefficient of variation of V (EX-37)."""
        return float(np.sqrt(np.expm1(self.sd**2)))

    @property
    def skewness(self) -> float:
        """Skewness of V (EX-37)."""
        return float((np.exp(self.sd**2) + 2.0) * self.cv)


def lognormal_fit(log_size: ArrayLike) -> LogNormal:
    """Maximum likelihood log-normal of sizes given as ln V, (n,).

    The distance is that of the fitted curve: descriptive, not the statistic of a test with given parameters.
    """
    x = np.sort(np.asarray(log_size, dtype=float))
    if x.size < 2 or x[0] == x[-1]:
        return LogNormal(float(x.mean()) if x.size else NAN, 0.0 if x.size else NAN, NAN, NAN, NAN)
    from scipy.special import ndtr

    mean, sd = float(x.mean()), float(x.std())
    model = ndtr((x - mean) / sd)
    step = np.arange(x.size + 1) / x.size
    distance = float(max((step[1:] - model).max(), (model - step[:-1]).max()))
    return LogNormal(mean, sd, sd / np.sqrt(x.size), sd / np.sqrt(2.0 * x.size), distance)


def losses_by_size(log_size: ArrayLike, lost: ArrayLike, groups: int = 5) -> F8:
    """Share lost in each quantile group of size, smallest first, (groups,); NaN for an empty group.

    Parameters
    ----------
    log_size : (n,) array_like
        ln V at the first session.
    lost : (n,) bool array_like
        Whether it was gone at the second.
    """
    x, gone = np.asarray(log_size, dtype=float), np.asarray(lost, dtype=float)
    order = np.argsort(x, kind="stable")
    return np.array([gone[part].mean() if part.size else NAN for part in np.array_split(order, groups)])


def relative_evidence(evidence: ArrayLike, target: ArrayLike) -> F8:
    """h - hbar: evidence minus the mean over the synapses of the same target, (n,)."""
    h, j = np.asarray(evidence, dtype=float), np.asarray(target, dtype=np.int64)
    if h.size == 0:
        return np.zeros(0)
    mean = np.bincount(j, h) / np.maximum(np.bincount(j), 1)
    return np.asarray(h - mean[j], dtype=np.float64)


def relative_gap(alive: ArrayLike, dead: ArrayLike) -> float:
    """Mean of the living minus that of the dying, in sd of the living; of values that are already h - hbar.

    Parameters
    ----------
    alive, dead : (n,), (m,) array_like
        h - hbar or anything proportional to it, such as the evidence term of the set-point.
    """
    a, d = np.asarray(alive, dtype=float), np.asarray(dead, dtype=float)
    spread = float(a.std()) if a.size > 1 else 0.0
    return float((a.mean() - d.mean()) / spread) if d.size and spread > 0 else NAN


def evidence_gap(alive: ArrayLike, alive_target: ArrayLike, dead: ArrayLike, dead_target: ArrayLike) -> float:
    """Mean of h - hbar of the living minus that of the dying, in standard deviations within neurons.

    Parameters
    ----------
    alive, dead : (n,), (m,) array_like
        Evidence h of the living and of those dying in the tick.
    alive_target, dead_target : (n,), (m,) array_like
        Target neuron of each; hbar is the mean over the living of a target, and a dying synapse whose target has
        no other is left out.
    """
    a, j = np.asarray(alive, dtype=float), np.asarray(alive_target, dtype=np.int64)
    d, k = np.asarray(dead, dtype=float), np.asarray(dead_target, dtype=np.int64)
    if a.size < 2 or d.size < 1:
        return NAN
    n = int(max(j.max(), k.max())) + 1
    count = np.bincount(j, minlength=n)
    mean = np.bincount(j, a, minlength=n) / np.maximum(count, 1)
    return relative_gap(a - mean[j], (d - mean[k])[count[k] > 0])
