"""Lifetimes of which only intervals are known: the most likely distribution without a form, by Turnbull's EM.

A life ended after `low` and not after `high`; who came under observation at the age `entry` is seen only because it
lived beyond it.  All that the data tell of the distribution are the masses of a few *innermost* intervals, between
which no mass can lie; the EM shares each life among the innermost intervals of its own, and each that was never seen
(one that died before `entry`) among those before it.  With deaths that are known exactly it is Kaplan's and Meier's
estimate, and the errors are Greenwood's.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics.given import floats, metric, together
from neurodev.metrics.turnover import SurvivalCurve
from neurodev.params import number, whole

_MOST = 2000  # innermost intervals of which errors are reckoned: a matrix of so many rows and columns
_LEAST = 0.01


@outlined
class Turnbull(NamedTuple):
    """The distribution of lifetimes on its innermost intervals, (n_interval,) each; S is not known within them."""

    low: F8  #: mass lies after it (at it, if `low` is `high`)
    high: F8  #: and not after it; infinity for those who outlive the observation
    mass: F8
    value: F8  #: share that lives beyond `high`
    error: F8  #: its standard error, by the information that was observed; NaN beyond 2000 intervals
    at_risk: F8  #: lives that are known to have been under observation at `low`
    until: float  #: the last age at which anything was observed
    log_likelihood: float
    gap: float  #: the steepest slope of the log likelihood: it is less than this below its maximum (without entries)
    rounds: int
    converged: bool

    def curve(self, place: float = 1.0) -> SurvivalCurve:
        """As a curve of steps, each at a place of its interval: 0 its beginning, 1 its end."""
        ends = np.isfinite(self.high)
        low, high = self.low[ends], self.high[ends]
        at = low + number(place, "place", "1", low=0.0, high=1.0) * (high - low)
        return SurvivalCurve(at, self.value[ends], self.error[ends], self.at_risk[ends], self.until)


class _Ranges(NamedTuple):
    """Innermost intervals of lives: from `first` to before `stop`; under observation from `entered` on."""

    first: I8
    stop: I8
    entered: I8
    many: F8  #: lives that are alike


def _checked(low: ArrayLike, high: ArrayLike, entry: ArrayLike | None) -> tuple[F8, F8, F8]:
    a, b = floats(low, "low", 1), floats(high, "high", 1)
    if a.shape != b.shape:
        raise ParameterError(f"low and high must be (n,) alike, got shapes {a.shape} and {b.shape}")
    wrong = ~((a >= 0) & (b >= a) & np.isfinite(a))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ParameterError(f"low must be an age, and high not before it, got {a[k]} and {b[k]} at place {k}")
    e = np.zeros(a.size) if entry is None else floats(entry, "entry", 1)
    if e.shape != a.shape:
        raise ParameterError(f"entry must have shape {a.shape} as low, got {e.shape}")
    wrong = ~((e >= 0) & (e <= a))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ParameterError(f"entry must lie between 0 and low, got {e[k]} for {a[k]} at place {k}")
    return a, b, e


def _alike(low: F8, high: F8, entry: F8) -> tuple[F8, F8, F8, F8]:
    """Lives without their repetitions, and how many there are of each."""
    low, high, entry = together(low, high, entry)
    ages, at = np.unique(np.concatenate([low, high, entry]), return_inverse=True)
    a, b, e = at.reshape(3, low.size).astype(np.int64)
    _, pair = np.unique(a * ages.size + b, return_inverse=True)
    _, first, many = np.unique(pair * ages.size + e, return_index=True, return_counts=True)
    return low[first], high[first], entry[first], many.astype(np.float64)


def _innermost(low: F8, high: F8, entry: F8, count: F8) -> tuple[F8, F8, _Ranges, F8]:
    """Limits of the innermost intervals, which of them each life may have ended in, and masses to begin with.

    Ends are compared as pairs of an age and a kind: at one age come the entry of one who dies there, the beginning of
    an exact death, all that is not after that age, and what begins after it.
    """
    ages, at = np.unique(np.concatenate([low, high, entry]), return_inverse=True)
    a, b, e = 4 * at.reshape(3, low.size)
    exact = low == high
    dies_there = exact & (entry == low)
    late = entry > 0
    left, right = a + np.where(exact, 1, 3), b + 2
    bound = np.where(late, np.where(dies_there, e + 1, e + 3), -1)
    outside = np.where(dies_there, e, e + 2)[late]
    lefts, rights = np.unique(left), np.unique(np.concatenate([right, outside]))
    # a beginning that is followed by an end before the next beginning
    follower = np.searchsorted(rights, lefts)
    last = np.append(lefts[1:], np.iinfo(np.int64).max)
    ends = rights[np.minimum(follower, rights.size - 1)]
    keep = (follower < rights.size) & (ends < last)
    begin, end = lefts[keep], ends[keep]
    ranges = _Ranges(
        np.searchsorted(begin, left), np.searchsorted(end, right, side="right"), np.searchsorted(begin, bound),
        count,
    )  # fmt: skip
    # where nothing tells of the time before an entry, mass would stay where the EM began: it begins almost without
    start = np.where(np.isin(end, right), 1.0, 1e-6)
    return ages[begin // 4], ages[end // 4], ranges, start / start.sum()


def _spread(weight: F8, first: I8, stop: I8, m: int) -> F8:
    """Sum over lives of a weight on all intervals of each, (m,)."""
    jumps = np.bincount(first, weight, minlength=m + 1) - np.bincount(stop, weight, minlength=m + 1)
    return np.asarray(np.cumsum(jumps)[:m])


def _slopes(p: F8, r: _Ranges) -> tuple[float, F8]:
    """Log likelihood of the masses, and its derivatives by them, (m,)."""
    total = np.concatenate([[0.0], np.cumsum(p)])
    mine = np.maximum(total[r.stop] - total[r.first], np.finfo(float).tiny)
    seen = np.maximum(total[-1] - total[r.entered], np.finfo(float).tiny)
    value = float(r.many @ (np.log(mine) - np.log(seen)))
    ends = np.full(mine.size, p.size)
    return value, _spread(r.many / mine, r.first, r.stop, p.size) - _spread(r.many / seen, r.entered, ends, p.size)


def _information(p: F8, r: _Ranges) -> F8:
    """Minus the second derivatives of the log likelihood by the masses, (m, m)."""
    m = p.size
    total = np.concatenate([[0.0], np.cumsum(p)])
    corners = np.zeros((m + 1, m + 1))
    for sign, first, stop in ((1.0, r.first, r.stop), (-1.0, r.entered, np.full(r.first.size, m))):
        weight = sign * r.many / (total[stop] - total[first]) ** 2
        for row, column, turn in ((first, first, 1), (first, stop, -1), (stop, first, -1), (stop, stop, 1)):
            np.add.at(corners, (row, column), turn * weight)
    return np.asarray(corners.cumsum(axis=0).cumsum(axis=1)[:m, :m])


def _errors(p: F8, r: _Ranges) -> F8:
    """Standard errors of the share beyond each interval, (m,)."""
    total = np.concatenate([[0.0], np.cumsum(p)])
    mine = np.maximum(total[r.stop] - total[r.first], np.finfo(float).tiny)
    # where less than a hundredth of a life is thought to have ended, the EM is on its way to 0
    held = p * _spread(r.many / mine, r.first, r.stop, p.size) > _LEAST
    support = np.flatnonzero(held)
    if support.size > _MOST:
        return np.full(p.size, np.nan)
    if support.size < 2:
        return np.zeros(p.size)
    rank = np.concatenate([[0], np.cumsum(held)])
    left = _Ranges(rank[r.first], rank[r.stop], rank[r.entered], r.many)
    m = support.size
    free = np.vstack([np.eye(m - 1), -np.ones(m - 1)])  # masses sum to 1
    covariance = (
        free
        @ np.linalg.pinv(free.T @ _information(p[support] / p[support].sum(), left) @ free, hermitian=True)
        @ free.T
    )
    beyond = np.triu(np.ones((m, m)), 1)
    variance = np.einsum("ij,jk,ik->i", beyond, covariance, beyond)
    error = np.concatenate([[0.0], np.sqrt(np.maximum(variance, 0.0))])
    return np.asarray(error[rank[1:]])


@metric
def turnbull(
    low: ArrayLike, high: ArrayLike, entry: ArrayLike | None = None, *, tolerance: float = 1e-3, rounds: int = 20000
) -> Turnbull:
    """The distribution of lifetimes known to intervals, and of lives that are seen only from some age on.

    Parameters
    ----------
    low, high : (n,) array_like
        The life ended after `low` and not after `high`; alike for one that is known exactly, and infinity for one that
        still went on at `low`.
    entry : (n,) array_like, optional
        Age at which each came under observation (left truncation); from birth if not given.
    tolerance : float
        The EM ends when the log likelihood cannot rise by more than this by moving mass to any one interval.
    rounds : int
        Its steps at most; `Turnbull.converged` says whether they sufficed.

    Returns
    -------
    Turnbull
        Without lives it has no intervals.

    Raises
    ------
    ParameterError
        Naming the first life that cannot be.

    Notes
    -----
    Source: Turnbull 1976, doi 10.1111/j.2517-6161.1976.tb01597.x; the intervals under truncation: Frydman 1994,
    doi 10.1111/j.2517-6161.1994.tb01960.x.  Without entries the log likelihood is concave in the masses, so that it
    lies less than its steepest slope (`gap`) below the maximum.

    Examples
    --------
    >>> found = turnbull([0, 1, 2], [2, 3, np.inf])
    >>> found.low.tolist(), found.high.tolist(), found.mass.round(3).tolist()
    ([1.0, 2.0], [2.0, 3.0], [0.5, 0.5])
    """
    a, b, e = _checked(low, high, entry)
    limit, most = number(tolerance, "tolerance", "1", low=0.0), whole(rounds, "rounds", 1, 10_000_000)
    if not a.size:
        none = np.zeros(0)
        return Turnbull(none, none, none, none, none, none, float("nan"), 0.0, 0.0, 0, True)
    a, b, e, count = _alike(a, b, e)
    begin, end, r, p = _innermost(a, b, e, count)
    m = begin.size
    value, gap, steps = 0.0, np.inf, 0
    full = np.full(a.size, m)
    while gap > limit and steps < most:
        steps += 1
        value, slope = _slopes(p, r)
        gap = float(slope.max())
        if gap <= limit:
            break
        # the lives that must have been there for those that were seen, each among the intervals that it could have had
        seen = np.maximum(p[::-1].cumsum()[::-1][np.minimum(r.entered, m - 1)], np.finfo(float).tiny)
        p = p * (slope + _spread(count / seen, np.zeros_like(r.entered), full, m))
        p /= p.sum()
    value_beyond = np.maximum(1.0 - np.cumsum(p), 0.0)
    value_beyond[-1] = 0.0
    until = float(max(a.max(), b[np.isfinite(b)].max(initial=0.0)))
    return Turnbull(
        begin, end, p, value_beyond, _errors(p, r), _known(a, b, e, count, begin, end), until, value, max(gap, 0.0),
        steps, gap <= limit,
    )  # fmt: skip


def _known(low: F8, high: F8, entry: F8, count: F8, begin: F8, end: F8) -> F8:
    """Lives that were under observation at the beginning of each interval, and known to last until it, (m,)."""

    def below(values: F8, lives: F8, at: F8, side: Literal["left", "right"]) -> F8:
        order = np.argsort(values, kind="stable")
        many = np.concatenate([[0.0], np.cumsum(lives[order])])
        return np.asarray(many[np.searchsorted(values[order], at, side=side)])

    exact = begin == end
    before, strictly = below(entry, count, begin, "right"), below(entry, count, begin, "left")
    tied = (low == high) & (entry == low)
    at_once = [below(low[tied], count[tied], begin[exact], side) for side in ("left", "right")]
    entered = before.copy()
    entered[exact] = np.where(begin[exact] > 0, strictly[exact] + at_once[1] - at_once[0], before[exact])
    return np.asarray(entered - below(low, count, begin, "left"))
