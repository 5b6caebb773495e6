"""Who dies of what, and who dies sooner: competing causes, two groups compared, and hazards by age and size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import B1, F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import flags, floats, lives, metric, together
from neurodev.params import number

NAN = float("nan")


# ---------------------------------------------------------------- causes


@outlined
class Incidence(NamedTuple):
    """Share that has died of one cause by each age, while others died of others: steps at `time`, (n_step,) each."""

    time: F8
    value: F8
    error: F8
    at_risk: F8
    until: float = NAN

    def at(self, age: ArrayLike) -> F8:
        """Share dead of it by `age`; NaN beyond what was observed."""
        x = np.asarray(age, dtype=float)
        steps = np.concatenate([[0.0], self.value])
        return np.asarray(np.where(x <= self.until, steps[np.searchsorted(self.time, x, side="right")], np.nan))

    def interval(self, z: float = 1.96) -> tuple[F8, F8]:
        """Lower and upper confidence limit, (n_step,), by log(-log) of the share that has not died of it."""
        from neurodev.metrics.turnover import SurvivalCurve

        low, high = SurvivalCurve(self.time, 1.0 - self.value, self.error, self.at_risk, self.until).interval(z)
        return 1.0 - high, 1.0 - low


def _words(cause: ArrayLike, died: B1, where: str) -> NDArray[Any]:
    words = np.asarray(cause)
    if words.shape != died.shape:
        raise ParameterError(f"{where} must name a cause for each of {died.size} lives, got shape {words.shape}")
    if words.dtype.kind == "f" and np.isnan(words[died]).any():
        raise ParameterError(f"{where} is NaN for one that died, at place {int(np.argmax(died & np.isnan(words)))}")
    if words.dtype.kind not in "USiufb":
        words = np.array([str(w) for w in words.tolist()])
    return words


@metric
def cumulative_incidence(
    duration: ArrayLike, died: ArrayLike, cause: ArrayLike, entry: ArrayLike | None = None
) -> dict[Any, Incidence]:
    """Share that has died of each cause by each age, by Aalen's and Johansen's estimate.

    The shares of all causes and the share that lives add to 1 at every age; ``1 - kaplan_meier`` of one cause, which
    takes deaths of others for censored, is larger and the share of nothing.

    Parameters
    ----------
    duration, died, entry
        As in `kaplan_meier`.
    cause : (n,) array_like
        Words or codes; those of the living are not looked at.

    Returns
    -------
    dict
        From cause to curve, in the order of `numpy.unique`; each has steps at all deaths, of whatever cause.

    Raises
    ------
    ParameterError
        If lists do not go together, or a death has no cause.

    Notes
    -----
    Source: Aalen & Johansen 1978, Scand. J. Statist. 5:141; error by the delta method, Marubini & Valsecchi 1995,
    section 10.3 (recalled): of one cause alone it is Greenwood's.

    Examples
    --------
    >>> curves = cumulative_incidence([1, 2, 3, 4], [1, 1, 1, 0], ["shrunk", "lesion", "shrunk", ""])
    >>> {word: curve.value.tolist() for word, curve in curves.items()}
    {'lesion': [0.0, 0.25, 0.25], 'shrunk': [0.25, 0.25, 0.5]}
    """
    from neurodev.metrics.turnover import kaplan_meier

    t, d, _ = lives(duration, died, entry)
    words = _words(cause, d, "cause")
    curve = kaplan_meier(t, d, entry)
    n = curve.at_risk
    before = np.concatenate([[1.0], curve.value])[:-1]
    step = np.searchsorted(curve.time, t[d])
    deaths = np.bincount(step, minlength=n.size).astype(float)
    out = {}
    for word in np.unique(words[d]).tolist():
        mine = np.bincount(step[words[d] == word], minlength=n.size).astype(float)
        value = np.cumsum(before * mine / n)
        error = _incidence_error(value, before, deaths, mine, n)
        out[word] = Incidence(curve.time, value, error, n, curve.until)
    return out


def _incidence_error(value: F8, before: F8, deaths: F8, mine: F8, n: F8) -> F8:
    """Standard error of a cumulative incidence, (n_step,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        all_causes = np.where(n > deaths, deaths / (n * (n - deaths)), 0.0)
    own = before**2 * (n - mine) * mine / n**3
    both = before * mine / n**2
    # sums over steps s <= t of [F(t) - F(s)]^2 a + b - 2 [F(t) - F(s)] c, opened
    a0, a1, a2 = (np.cumsum(all_causes * value**k) for k in range(3))
    c0, c1 = (np.cumsum(both * value**k) for k in range(2))
    variance = value**2 * a0 - 2.0 * value * a1 + a2 + np.cumsum(own) - 2.0 * (value * c0 - c1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


# ---------------------------------------------------------------- two groups


class LogRank(NamedTuple):
    """Whether two groups die at one pace: of all deaths, how many were to be expected in each."""

    statistic: float  #: about normal if they do; positive if the first group dies sooner
    p: float  #: two-sided
    died: tuple[int, int]
    expected: tuple[float, float]

    @property
    def hazard_ratio(self) -> float:
        """Of the first group over the second, (O / E) / (O / E): rough where it is far from 1."""
        (a, b), (x, y) = self.died, self.expected
        return (a / x) / (b / y) if x > 0 and y > 0 and b > 0 else NAN


@metric
def log_rank(duration_a: ArrayLike, died_a: ArrayLike, duration_b: ArrayLike, died_b: ArrayLike) -> LogRank:
    """Test whether two groups of lives have one survival curve, by `scipy.stats.logrank`.

    Parameters
    ----------
    duration_a, died_a, duration_b, died_b : (n,), (n,), (m,), (m,) array_like
        Lives of the two groups, as in `kaplan_meier`.

    Returns
    -------
    LogRank
        NaN without a death, or without lives at risk in one of the groups.

    Notes
    -----
    Source: Mantel 1966; Peto & Peto 1972, doi 10.2307/2344317.

    Examples
    --------
    >>> found = log_rank([1, 2, 3], [1, 1, 1], [4, 5, 6], [1, 1, 0])
    >>> found.died, [round(x, 3) for x in found.expected], found.statistic > 0
    ((3, 2), [1.15, 3.85], True)
    """
    from scipy.stats import CensoredData, logrank

    (a, x, _), (b, y, _) = lives(duration_a, died_a, None), lives(duration_b, died_b, None)
    a, b = together(a, b)
    times = np.unique(np.concatenate([a[x], b[y]]))
    of_a, of_b = (v.size - np.searchsorted(np.sort(v), times) for v in (a, b))
    deaths = np.bincount(np.searchsorted(times, np.concatenate([a[x], b[y]])), minlength=times.size)
    expected = float((deaths * of_a / np.maximum(of_a + of_b, 1)).sum())
    total = int(deaths.sum())
    died, hoped = (int(x.sum()), int(y.sum())), (expected, total - expected)
    if not np.any((of_a > 0) & (of_b > 0) & (of_a + of_b > deaths)):
        return LogRank(NAN, NAN, died, hoped)
    found = logrank(CensoredData.right_censored(a, ~x), CensoredData.right_censored(b, ~y))
    sign = 1.0 if died[0] >= expected else -1.0
    return LogRank(sign * abs(float(found.statistic)), float(found.pvalue), died, hoped)


# ---------------------------------------------------------------- hazards


@outlined
class Stretches(NamedTuple):
    """Stretches of lives, from one look to the next, (n_stretch,) each."""

    row: I8  #: whose life
    begin: F8  #: its age then
    end: F8
    died: B1  #: whether it was gone at the end
    log_size: F8  #: at the beginning; NaN where it was not measured


@metric
def stretches(
    present: ArrayLike, sessions: ArrayLike, born: ArrayLike, log_size: ArrayLike, looked: ArrayLike | None = None
) -> Stretches:
    """The stretches between sessions in which lives were watched.

    Parameters
    ----------
    present : (n, n_session) bool array_like
    sessions : (n_session,) array_like
        Times of the sessions, rising.
    born : (n,) array_like
        Times of birth; NaN where it is not known: such lives are left out.
    log_size : (n, n_session) array_like
        ln of sizes, NaN where there is none.
    looked : (n, n_session) bool array_like, optional
        Where nobody looked a stretch goes on to the next look.

    Returns
    -------
    Stretches
        One that is absent and comes back dies once, when it is gone for good.
    """
    here, at, b = flags(present, "present"), floats(sessions, "sessions", 1), floats(born, "born", 1)
    x = floats(log_size, "log_size", 2)
    look = np.ones(here.shape, bool) if looked is None else flags(looked, "looked")
    if not here.shape == x.shape == look.shape == (b.size, at.size):
        raise ParameterError(
            f"present, log_size and looked must be ({b.size}, {at.size}), a row for each birth and a column for each "
            f"session, got shapes {here.shape}, {x.shape}, {look.shape}"
        )
    later = here[:, ::-1].cumsum(axis=1)[:, ::-1] > 0  # seen then or later: it lives
    follower = np.full(here.shape, at.size)
    for k in range(at.size - 2, -1, -1):
        follower[:, k] = np.where(look[:, k + 1], k + 1, follower[:, k + 1])
    row, begin = np.nonzero(here & (follower < at.size) & np.isfinite(b)[:, None])
    end = follower[row, begin]
    age = np.maximum(at[begin] - b[row], 0.0)
    return Stretches(row, age, at[end] - b[row], ~later[row, end], x[row, begin])


@outlined
class HazardTable(NamedTuple):
    """Deaths, exposure and rate by age and size, (n_age, n_size) each."""

    ages: F8  #: edges, (n_age + 1,)
    log_sizes: F8  #: edges, (n_size + 1,)
    deaths: F8
    exposure: F8  #: time lived there
    rate: F8  #: deaths per time; NaN without exposure
    low: F8  #: limits of the rate at 95 %, exact for counts
    high: F8


@metric
def hazard_table(
    begin: ArrayLike, end: ArrayLike, died: ArrayLike, log_size: ArrayLike, ages: ArrayLike, log_sizes: ArrayLike,
    level: float = 0.95,
) -> HazardTable:  # fmt: skip
    """Death rates by age and size.

    Parameters
    ----------
    begin, end : (n_stretch,) array_like
        Ages at the ends of stretches that were watched; see `stretches`.
    died : (n_stretch,) bool array_like
        Whether it died in that stretch.  The time lived in a stretch with a death is half of it, and the death lies
        in its middle.
    log_size : (n_stretch,) array_like
        ln of the size at the beginning; NaN is in no bin.
    ages, log_sizes : (n_age + 1,), (n_size + 1,) array_like
        Edges of the bins, rising; what lies on an edge belongs to the bin above it.  Infinite outer edges are allowed.
    level : float
        Of the limits.

    Returns
    -------
    HazardTable

    Notes
    -----
    Limits of a Poisson count: Garwood 1936, doi 10.1093/biomet/28.3-4.437.

    Examples
    --------
    >>> table = hazard_table([0, 0, 5], [4, 10, 9], [True, False, False], [1.0, 1.0, 3.0], [0, 5, 10], [0, 2, 4])
    >>> table.deaths.tolist(), table.exposure.tolist()
    ([[1.0, 0.0], [0.0, 0.0]], [[7.0, 0.0], [5.0, 4.0]])
    """
    from scipy.special import gammaincinv

    a, b, x = floats(begin, "begin", 1), floats(end, "end", 1), floats(log_size, "log_size", 1)
    d = flags(died, "died")
    if not a.shape == b.shape == x.shape == d.shape:
        raise ParameterError(f"begin, end, died and log_size must be alike, got {a.size}, {b.size}, {d.size}, {x.size}")
    if not np.all(b >= a):
        raise ParameterError(f"end must not be before begin, at place {int(np.argmax(~(b >= a)))}")
    rows, columns = _edges(ages, "ages"), _edges(log_sizes, "log_sizes")
    outside = number(level, "level", "1", low=0.0, high=1.0)
    until = np.where(d, 0.5 * (a + b), b)
    n_age, n_size = rows.size - 1, columns.size - 1
    bin_of = np.searchsorted(columns, x, side="right") - 1
    bin_of = np.where(np.isfinite(x) & (bin_of >= 0) & (bin_of < n_size), bin_of, n_size)
    lived = np.array([
        np.bincount(bin_of, np.clip(np.minimum(until, q) - np.maximum(a, p), 0.0, None), n_size + 1)[:n_size]
        for p, q in zip(rows[:-1], rows[1:], strict=True)
    ])  # fmt: skip
    age_of = np.searchsorted(rows, until, side="right") - 1
    mine = d & (age_of >= 0) & (age_of < n_age) & (bin_of < n_size)
    deaths = np.zeros((n_age, n_size))
    np.add.at(deaths, (age_of[mine], bin_of[mine]), 1.0)
    tail = 0.5 * (1.0 - outside)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(deaths > 0, gammaincinv(np.maximum(deaths, 1.0), tail), 0.0)
        high = gammaincinv(deaths + 1.0, 1.0 - tail)
        rates = [np.where(lived > 0, count / lived, np.nan) for count in (deaths, low, high)]
    return HazardTable(rows, columns, deaths, lived, *rates)


def _edges(given: ArrayLike, where: str) -> F8:
    e = floats(given, where, 1)
    if e.size < 2 or not np.all(np.diff(e) > 0):
        raise ParameterError(f"{where} must be at least two rising edges, got {shown(given)}")
    return e
