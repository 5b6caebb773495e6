"""Lifetimes of two populations: a mixture of two exponentials, by maximum likelihood.

    S(t) = share exp(-slow t) + (1 - share) exp(-fast t)

A death is known exactly, or to lie between two sessions; a life that goes on is censored on the right; who came under
observation at some age (`entry`) is seen only because it lived so long.  Each life adds to the log likelihood

    ln f(t) or ln (S(seen) - S(t)) if it died,    ln S(t) if not,    less ln S(entry),    f = -dS/dt

Standard errors are those of the observed information.  They are NaN where the two populations are not told apart: one
of them is empty, or both die at one rate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import B1, F8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import floats, lives, metric
from neurodev.metrics.turnover import two_class_survival
from neurodev.params import flag

_FARTHEST = 18.0  # of the logarithms of rates and of the odds of the share, in units of the mean life
_APART = 1e-3  # classes whose rates differ by less of themselves, or of which so little is there, are one


@outlined
class TwoClasses(NamedTuple):
    """Two populations of lifetimes, the slow one first; errors are standard errors, NaN where there are none."""

    share: float  #: of the slow population at age 0
    slow: float  #: its death rate, per unit of time
    fast: float  #: of the other
    share_error: float
    slow_error: float
    fast_error: float
    covariance: F8  #: (3, 3), of share, slow and fast
    log_likelihood: float
    one_rate: float  #: the death rate of one population that would be most likely
    one_log_likelihood: float  #: and how likely

    @property
    def gain(self) -> float:
        """Twice the gain in log likelihood over one population.

        Beyond 6 or so two populations are worth their two parameters (Akaike's criterion asks for 4; the law under one
        population is no chi squared, because its parameters lie on the edge).
        """
        return 2.0 * (self.log_likelihood - self.one_log_likelihood)

    def at(self, age: ArrayLike) -> F8:
        """Share surviving beyond `age`."""
        found: F8 = two_class_survival(age, self.share, self.slow, self.fast)
        return found


class _Seen(NamedTuple):
    """Lives as the likelihood takes them, times in mean lives, (n,) each."""

    end: F8
    died: B1
    entry: F8
    seen: F8
    """NaN where the time of death is exact."""


def _survival(x: F8, p: F8) -> tuple[F8, F8]:
    """S at `x` and its derivatives by share, slow and fast, (n,) and (3, n)."""
    a, b = np.exp(-p[1] * x), np.exp(-p[2] * x)
    return p[0] * a + (1.0 - p[0]) * b, np.stack([a - b, -p[0] * x * a, -(1.0 - p[0]) * x * b])


def _density(x: F8, p: F8) -> tuple[F8, F8]:
    """-dS/dt at `x` and its derivatives."""
    a, b = np.exp(-p[1] * x), np.exp(-p[2] * x)
    slopes = np.stack([p[1] * a - p[2] * b, p[0] * a * (1.0 - p[1] * x), (1.0 - p[0]) * b * (1.0 - p[2] * x)])
    return p[0] * p[1] * a + (1.0 - p[0]) * p[2] * b, slopes


def _log_likelihood(lives: _Seen, p: F8) -> tuple[float, F8]:
    """Log likelihood of share, slow and fast, and its derivatives, (3,); minus infinity where it cannot be."""
    exact = lives.died & np.isnan(lives.seen)
    between = lives.died & ~exact
    total, slopes = 0.0, np.zeros(3)
    parts = [
        (1.0, _density(lives.end[exact], p)),
        (1.0, _survival(lives.end[~lives.died], p)),
        (-1.0, _survival(lives.entry[lives.entry > 0.0], p)),
    ]
    (s, ds), (t, dt) = (_survival(x[between], p) for x in (lives.seen, lives.end))
    parts.append((1.0, (s - t, ds - dt)))
    for sign, (value, slope) in parts:
        if np.any(value <= 0.0):
            return -np.inf, slopes
        total += sign * float(np.log(value).sum())
        slopes = slopes + sign * (slope / value).sum(axis=1)
    return total, slopes


@metric
def fit_two_classes(
    duration: ArrayLike,
    died: ArrayLike,
    entry: ArrayLike | None = None,
    seen: ArrayLike | None = None,
    *,
    stable: bool = False,
) -> TwoClasses:
    """Fit two populations of exponential lifetimes by maximum likelihood, with censoring and late entry.

    Parameters
    ----------
    duration : (n,) array_like
        Age at death or at censoring, as in `kaplan_meier`; since the first session for a standing population, whose
        shares are then those of the standing.
    died : (n,) bool array_like
        False where the life was still going on.
    entry : (n,) array_like, optional
        Age at which each came under observation (left truncation); from age 0 if not given.
    seen : (n,) array_like, optional
        Age at which each was last seen: its death lies between it and `duration`.  Times of death are exact if not
        given, and where it is NaN.
    stable : bool
        Whether the slow population never dies: ``slow`` is 0, and its share is the stable fraction.

    Returns
    -------
    TwoClasses
        Rates per unit of the given times.

    Raises
    ------
    ParameterError
        If lists do not go together, or there are fewer deaths than parameters.

    Notes
    -----
    Source: two populations of spines, the usual description (Trachtenberg 2002, Holtmaat 2005; recalled); likelihood of
    censored and truncated lives: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, 2002.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> ages = np.where(draw.random(4000) < 0.3, draw.exponential(200, 4000), draw.exponential(4, 4000))
    >>> fit = fit_two_classes(np.minimum(ages, 60.0), ages < 60.0)
    >>> abs(fit.share - 0.3) < 4 * fit.share_error, abs(fit.fast - 0.25) < 4 * fit.fast_error
    (True, True)
    """
    t, d, e = lives(duration, died, entry)
    entered = np.zeros(t.size) if e is None else e
    s = _last_seen(seen, t, entered)
    stable = flag(stable, "stable")
    least = 2 if stable else 3
    if int(d.sum()) < least:
        raise ParameterError(
            f"died must tell of {least} deaths at least, as many as there are parameters, got {int(d.sum())}: observe "
            "for longer, or use kaplan_meier"
        )
    unit = float(t.sum() - entered.sum()) / float(d.sum())
    if not 0.0 < unit < np.inf:
        raise ParameterError(f"duration must hold lives that lasted and ended, got {shown(duration)}")
    found = _fitted(_Seen(t / unit, d, entered / unit, s / unit), stable)
    scale = np.array([1.0, 1.0 / unit, 1.0 / unit])
    per_unit = float(np.sum(d & np.isnan(s)) * np.log(unit))  # densities are per unit of time
    return found._replace(
        slow=found.slow / unit, fast=found.fast / unit, slow_error=found.slow_error / unit,
        fast_error=found.fast_error / unit, covariance=found.covariance * np.outer(scale, scale),
        log_likelihood=found.log_likelihood - per_unit, one_rate=found.one_rate / unit,
        one_log_likelihood=found.one_log_likelihood - per_unit,
    )  # fmt: skip


def _fitted(seen: _Seen, stable: bool) -> TwoClasses:
    """The fit, in the units of the lives as they are given here."""
    alone, rate = _most_likely(seen, [np.array([0.0])], lambda x: np.array([1.0, np.exp(x[0]), 1.0]), [1])
    if stable:
        free = [0, 2]
        starts = [np.array([f, r]) for f in (-1.0, 1.0) for r in (0.0, 1.5)]
        value, p = _most_likely(seen, starts, lambda x: np.array([_share(x[0]), 0.0, np.exp(x[1])]), free)
    else:
        free = [0, 1, 2]
        starts = [np.array([f, a, b]) for f in (-1.5, 1.5) for a, b in ((-1.0, 1.0), (-3.0, 0.5), (-0.7, 2.5))]
        value, p = _most_likely(seen, starts, lambda x: np.array([_share(x[0]), *np.exp(x[1:])]), free)
    if p[1] > p[2]:
        p = np.array([1.0 - p[0], p[2], p[1]])
    covariance = _covariance(seen, p, free)
    share, slow, fast = (float(x) for x in p)
    of_share, of_slow, of_fast = (float(x) for x in np.sqrt(np.diag(covariance)))
    return TwoClasses(share, slow, fast, of_share, of_slow, of_fast, covariance, value, float(rate[1]), alone)


def _last_seen(seen: ArrayLike | None, t: F8, first: F8) -> F8:
    """Ages when last seen, (n,); NaN where deaths are exact."""
    if seen is None:
        return np.full(t.size, np.nan)
    s = floats(seen, "seen")
    if s.shape != t.shape:
        raise ParameterError(f"seen must have shape {t.shape} as duration, got {s.shape}")
    wrong = ~np.isnan(s) & ~((s >= first) & (s <= t))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ParameterError(
            f"seen must lie between entry and the end of the life, got {s[k]} for {first[k]} to {t[k]} at place {k}"
        )
    return np.where(s == t, np.nan, s)


def _share(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))


def _most_likely(lives: _Seen, starts: list[F8], told: Any, free: list[int]) -> tuple[float, F8]:
    """The largest log likelihood from several starts, and share, slow and fast there.

    told : from free coordinates (log odds of the share, logarithms of rates) to share, slow and fast
    free : which of these three they stand for
    """
    from scipy.optimize import minimize

    n = max(lives.end.size, 1)

    def cost(x: F8) -> tuple[float, F8]:
        """Minus the mean log likelihood; beyond the farthest rates and odds it is flat."""
        inside = np.abs(x) <= _FARTHEST
        p = told(np.clip(x, -_FARTHEST, _FARTHEST))
        value, slopes = _log_likelihood(lives, p)
        if not np.isfinite(value):
            return 1e300, np.zeros(x.size)
        chain = np.array([p[0] * (1.0 - p[0]), p[1], p[2]])
        return -value / n, -np.where(inside, (slopes * chain)[free], 0.0) / n

    best, found = -np.inf, told(starts[0])
    for start in starts:
        result = minimize(cost, start, jac=True, method="BFGS", options={"maxiter": 200, "gtol": 1e-9})
        if -float(result.fun) > best:
            best, found = -float(result.fun), told(np.clip(result.x, -_FARTHEST, _FARTHEST))
    return best * n, found


def _covariance(lives: _Seen, p: F8, free: list[int]) -> F8:
    """Inverse of the observed information, (3, 3); of what is not free 0, and NaN where there is none."""
    out = np.zeros((3, 3))
    inside = _APART < p[0] < 1.0 - _APART and p[2] - p[1] > _APART * p[2]
    information = np.zeros((len(free), len(free)))
    for i, k in enumerate(free):
        step = np.zeros(3)
        step[k] = 1e-5 * min(p[k], 1.0 - p[k]) if k == 0 else 1e-5 * p[k]
        ends = [_log_likelihood(lives, p + sign * step)[1] for sign in (1.0, -1.0)]
        information[i] = (ends[1] - ends[0])[free] / (2.0 * step[k])
    information = 0.5 * (information + information.T)
    told = inside and bool(np.all(np.isfinite(information))) and bool(np.all(np.linalg.eigvalsh(information) > 0.0))
    out[np.ix_(free, free)] = np.linalg.inv(information) if told else np.nan
    return out
