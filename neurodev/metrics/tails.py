"""Heavy tails compared: power law, log-normal and exponential above a smallest value, by their likelihoods.

A power law that fits is no evidence for one: a log-normal often fits as well.  The normalised ratio of likelihoods
tells which of two is nearer to the data, and whether the difference is more than chance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import floats, metric
from neurodev.metrics.spikes import power_law_fit
from neurodev.params import flag, number

NAN = float("nan")


class Fitted(NamedTuple):
    """One distribution above the smallest value, most likely by its parameters."""

    parameters: dict[str, float]
    log_likelihood: float
    distance: float  #: Kolmogorov-Smirnov distance of the data from it
    each: F8  #: log likelihood of each value, (n,), rising values


class Comparison(NamedTuple):
    """Whether the first of two distributions is nearer to the data."""

    ratio: float  #: log likelihood of the first less that of the second; positive: the first is nearer
    normalised: float  #: over its standard deviation, about normal if both are equally near
    p: float  #: two-sided: small means that the sign of the ratio is no chance


@outlined
class Tails(NamedTuple):
    """Three distributions above `xmin`, and each compared with each."""

    xmin: float
    n: int  #: values at or above it
    power_law: Fitted
    lognormal: Fitted
    exponential: Fitted

    def compare(self, first: str, second: str) -> Comparison:
        """Vuong's test of two of them, ``"power_law"``, ``"lognormal"`` and ``"exponential"``."""
        a, b = (self._asdict().get(str(name)) for name in (first, second))
        if not isinstance(a, Fitted) or not isinstance(b, Fitted):
            raise ParameterError(
                f"compare takes two of 'power_law', 'lognormal', 'exponential', got {first!r}, {second!r}"
            )
        from scipy.special import ndtr

        d = a.each - b.each
        spread = float(d.std()) * np.sqrt(d.size) if d.size else 0.0
        if not spread > 0:
            return Comparison(float(d.sum()), NAN, NAN)
        z = float(d.sum()) / spread
        return Comparison(float(d.sum()), z, float(2.0 * ndtr(-abs(z))))

    @property
    def nearest(self) -> str:
        """The one of the largest likelihood."""
        names = ("power_law", "lognormal", "exponential")
        return max(names, key=lambda name: getattr(self, name).log_likelihood)


def _distance(x: F8, beyond: F8) -> float:
    """Of rising values from a law, given the share that lies beyond each value."""
    seen, index = np.unique(x, return_index=True)
    share = 1.0 - np.searchsorted(x, seen, side="right") / x.size
    return float(np.abs(share - beyond[index]).max())


def _power_law(x: F8, xmin: float, whole: bool) -> Fitted:
    from scipy.special import zeta

    if whole:
        a = power_law_fit(x, int(xmin)).exponent
        if not np.isfinite(a):
            return Fitted({"exponent": float(a)}, NAN, NAN, np.full(x.size, NAN))
        each = -a * np.log(x) - np.log(zeta(a, xmin))
        beyond = zeta(a, x + 1.0) / zeta(a, xmin)
    else:
        a = 1.0 + x.size / float(np.log(x / xmin).sum())
        each = np.log((a - 1.0) / xmin) - a * np.log(x / xmin)
        beyond = (x / xmin) ** (1.0 - a)
    return Fitted({"exponent": float(a)}, float(each.sum()), _distance(x, beyond), each)


def _exponential(x: F8, xmin: float, whole: bool) -> Fitted:
    mean = float((x - xmin).mean())
    if whole:
        rate = float(np.log1p(1.0 / mean))
        each = np.log(-np.expm1(-rate)) - rate * (x - xmin)
        beyond = np.exp(-rate * (x - xmin + 1.0))
    else:
        rate = 1.0 / mean
        each = np.log(rate) - rate * (x - xmin)
        beyond = np.exp(-rate * (x - xmin))
    return Fitted({"rate": rate}, float(each.sum()), _distance(x, beyond), each)


def _lognormal(x: F8, xmin: float, whole: bool) -> Fitted:
    from scipy.optimize import minimize
    from scipy.special import log_ndtr

    y, half = np.log(x), 0.5 if whole else 0.0
    # a mass around each whole number, or a density: both over what lies above the smallest value
    low, high = np.log(x - half), np.log(x + half)
    floor = np.log(xmin - half)

    def each(p: F8) -> F8:
        mean, sd = p[0], float(np.exp(p[1]))
        whole_tail = log_ndtr((mean - floor) / sd)
        if not whole:
            z = (y - mean) / sd
            return np.asarray(-0.5 * z * z - np.log(sd * np.sqrt(2.0 * np.pi)) - y - whole_tail)
        a, b = log_ndtr((mean - low) / sd), log_ndtr((mean - high) / sd)
        c, d = log_ndtr((high - mean) / sd), log_ndtr((low - mean) / sd)
        with np.errstate(divide="ignore"):
            upper, lower = (
                a + np.log(-np.expm1(np.minimum(b - a, -1e-300))),
                c + np.log(-np.expm1(np.minimum(d - c, -1e-300))),
            )
        return np.asarray(np.where(low > mean, upper, lower) - whole_tail)

    def cost(p: F8) -> float:
        value = -float(each(p).mean())
        return value if np.isfinite(value) else 1e10

    spread = max(float(y.std()), 1e-3)
    starts = [[float(y.mean()), np.log(spread)], [float(y.mean()) - 3.0 * spread, np.log(2.0 * spread)]]
    bounds = [(float(y.mean()) - 100.0 * spread, float(y.max())), (np.log(spread) - 5.0, np.log(spread) + 4.0)]
    best = min((minimize(cost, s, method="Nelder-Mead", bounds=bounds,
                         options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000}) for s in starts),
               key=lambda r: float(r.fun))  # fmt: skip
    mean, sd = float(best.x[0]), float(np.exp(best.x[1]))
    beyond = np.exp(log_ndtr((mean - high) / sd) - log_ndtr((mean - floor) / sd))
    found = each(best.x)
    return Fitted({"mean": mean, "sd": sd}, float(found.sum()), _distance(x, beyond), found)


@metric
def tails(values: ArrayLike, xmin: float | None = None, *, counts: bool = False) -> Tails:
    """Power law, log-normal and exponential above a smallest value, by maximum likelihood.

    Parameters
    ----------
    values : (n,) array_like
        Positive: sizes, weights, degrees, durations; those below `xmin` are left out.
    xmin : float, optional
        Where the tail begins; the value at which the power law is nearest to the data if not given (Clauset's way),
        among 100 of their quantiles, with at least 10 values above it.
    counts : bool
        Whether values are whole numbers by their nature; each distribution is then one of whole numbers.

    Returns
    -------
    Tails

    Raises
    ------
    ParameterError
        For values that are not positive, counts that are not whole, and fewer than 10 different values above `xmin`.

    Notes
    -----
    Source: Clauset, Shalizi & Newman 2009, doi 10.1137/070710111; test: Vuong 1989, doi 10.2307/1912557.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> found = tails(draw.lognormal(0.0, 1.0, 2000), xmin=0.5)
    >>> found.nearest, found.compare("power_law", "lognormal").p < 0.01
    ('lognormal', True)
    """
    x = np.sort(floats(values, "values", 1))
    of_counts = flag(counts, "counts")
    if not np.all((x > 0) & np.isfinite(x)):
        raise ParameterError(f"values must be positive and finite, got {x[~((x > 0) & np.isfinite(x))][0]}")
    if of_counts and np.any(x != np.floor(x)):
        raise ParameterError("values must be whole numbers with counts=True")
    least = _start(x, of_counts) if xmin is None else number(xmin, "xmin")
    if not least > 0 or (of_counts and least != np.floor(least)):
        raise ParameterError(f"xmin must be a positive {'whole ' * of_counts}number, got {shown(xmin)}")
    x = x[x >= least]
    if np.unique(x).size < (3 if of_counts else 10):
        raise ParameterError(f"values must have 10 different ones (3 of counts) from xmin={least:g} on, got {x.size}")
    return Tails(least, int(x.size), *(f(x, least, of_counts) for f in (_power_law, _lognormal, _exponential)))


def _start(x: F8, whole: bool) -> float:
    """The smallest value from which on the power law is nearest to the data."""
    candidates = np.unique(x[: max(x.size - 9, 0)])
    if candidates.size < 1:
        raise ParameterError(f"values must be ten at least, got {x.size}")
    candidates = np.unique(np.quantile(candidates, np.linspace(0.0, 1.0, 100), method="nearest"))
    best = (np.inf, float(candidates[0]))
    for at in candidates.tolist():
        tail = x[x >= at]
        if np.unique(tail).size > 2:
            distance = _power_law(tail, at, whole).distance
            best = min(best, (distance if np.isfinite(distance) else np.inf, at))
    return best[1]
