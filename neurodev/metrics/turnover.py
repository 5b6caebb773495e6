"""Births, deaths and survival, from plain arrays: a run, an imaging table or a connectome are all the same.

Definitions: between two sessions, turnover is ``(gained + lost) / (N before + N after)`` and
survival is ``|before and after| / |before|``; in a stationary population the mean of the first is 1 minus the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8
from neurodev.card import counted, outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import floats, identities, lives, metric
from neurodev.moved import names_of
from neurodev.params import check_memory, wholes

__getattr__ = names_of(__name__)


@metric
def turnover_ratio(before: ArrayLike, after: ArrayLike) -> float:
    """(gained + lost) / (N before + N after), from two lists of identities.

    Parameters
    ----------
    before, after : (n,), (m,) array_like
        Identities seen in the two sessions: lists, arrays or sets, in any order.

    Returns
    -------
    float
        Between 0 (nothing changed) and 1 (nothing stayed); NaN if both sessions are empty.
    """
    a, b = identities(before, "before"), identities(after, "after")
    return len(a ^ b) / (len(a) + len(b)) if a or b else float("nan")


@metric
def survival_fraction(before: ArrayLike, after: ArrayLike) -> float:
    """Share of the identities of `before` (n,) that are also in `after` (m,); NaN if `before` is empty."""
    a, b = identities(before, "before"), identities(after, "after")
    return len(a & b) / len(a) if a else float("nan")


@metric
def paired_survival(sessions: Sequence[ArrayLike], pooled: bool = True) -> F8:
    """Survival over 0, 1, 2, ... sessions, from the identities seen in each.

    Parameters
    ----------
    sessions : sequence of (n_k,) array_like
        Identities seen in each session, at equal intervals.
    pooled : bool
        Pool all start sessions, each pair counted by its number of identities (the first interval of a series is
        often its worst, so fit the pooled curve); otherwise follow the first session only.

    Returns
    -------
    (n_session,) ndarray
        Share surviving by lag; 1 at lag 0, NaN where there is nothing to follow.
    """
    if isinstance(sessions, (set, frozenset, dict)):
        raise ParameterError("sessions must be in order of time: give a list of the identities seen in each")
    sets = [identities(s, f"session {k}") for k, s in enumerate(sessions)]
    out = np.full(len(sets), np.nan)
    for lag in range(len(sets)):
        starts = range(len(sets) - lag) if pooled else range(1)
        begun = sum(len(sets[k]) for k in starts)
        kept = sum(len(sets[k] & sets[k + lag]) for k in starts)
        if begun:
            out[lag] = kept / begun
    return out


@metric
def presence(born: ArrayLike, died: ArrayLike, sessions: ArrayLike) -> NDArray[np.bool_]:
    """Whether each is there in each session, (n, n_session): what imaging would see of a run.

    Parameters
    ----------
    born, died : (n,) array_like
        Times of birth and death; NaN or infinity where it lives on.  Who dies at a session is gone in it.
    sessions : (n_session,) array_like
        Times of the sessions, rising.
    """
    b, d, at = (np.asarray(a, dtype=float) for a in (born, died, sessions))
    gone = np.where(np.isnan(d), np.inf, d)
    return np.asarray((b[:, None] <= at) & (gone[:, None] > at))


@outlined
class Changes(NamedTuple):
    """Gains and losses from session to session."""

    number: NDArray[np.int64]  #: there in each session, (n_session,)
    gained: NDArray[np.int64]  #: new in each session but the first, (n_session - 1,)
    lost: NDArray[np.int64]  #: of the session before, (n_session - 1,)
    gained_fraction: F8  #: gained over the number before
    lost_fraction: F8  #: lost over the number before
    turnover_ratio: F8  #: (gained + lost) / (N before + N after)


def _seen(present: ArrayLike) -> NDArray[np.bool_]:
    p = np.asarray(present)
    if p.ndim != 2:
        raise ParameterError(f"present must be (n, n_session), got shape {p.shape}; for sizes give sizes > 0")
    if p.dtype.kind not in "biuf":
        raise ParameterError(f"present must hold True or False, or sizes, got {p.dtype}")
    if p.dtype.kind == "f" and np.isnan(p).any():
        raise ParameterError("present holds NaN: give np.isfinite(sizes) if NaN stands for absence")
    return p.astype(bool)


@metric
def session_changes(present: ArrayLike) -> Changes:
    """Gains, losses and turnover ratio between successive sessions.

    Parameters
    ----------
    present : (n, n_session) bool array_like
        Whether each was there in each session; sizes will do if 0 stands for absence.  One that goes and comes back
        is lost and gained.

    Returns
    -------
    Changes
        Fractions are NaN where there is nothing to divide by.
    """
    p = _seen(present)
    before, after = p[:, :-1], p[:, 1:]
    number = p.sum(axis=0).astype(np.int64)
    gained = (~before & after).sum(axis=0).astype(np.int64)
    lost = (before & ~after).sum(axis=0).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        into = np.where(number[:-1] > 0, gained / number[:-1], np.nan)
        out = np.where(number[:-1] > 0, lost / number[:-1], np.nan)
        both = number[:-1] + number[1:]
        ratio = np.where(both > 0, (gained + lost) / both, np.nan)
    return Changes(number, gained, lost, into, out, ratio)


@metric
def session_survival(present: ArrayLike, pooled: bool = False) -> F8:
    """Share still there 0, 1, 2, ... sessions later, (n_session,); of the first session, or of all `pooled`.

    Parameters
    ----------
    present : (n, n_session) bool array_like
        As in `session_changes`; pooling needs equal intervals.
    pooled : bool
        See `paired_survival`.
    """
    return paired_survival([np.flatnonzero(column) for column in _seen(present).T], pooled)


@metric
def newborn_survival(present: ArrayLike) -> F8:
    """Share of newborns still there 0, 1, 2, ... sessions after they were first seen, (n_session - 1,).

    Parameters
    ----------
    present : (n, n_session) bool array_like
        As in `session_changes`, at equal intervals.  A newborn is first seen after the first session; it counts at
        every lag for which a session exists.
    """
    p = _seen(present)
    n = p.shape[1]
    first = np.where(p.any(axis=1), p.argmax(axis=1), n)
    begun, kept = np.zeros(max(n - 1, 0)), np.zeros(max(n - 1, 0))
    for k in range(1, n):
        cohort = p[first == k, k:]
        begun[: n - k] += cohort.shape[0]
        kept[: n - k] += cohort.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(begun > 0, kept / begun, np.nan), dtype=np.float64)


@metric
def sightings(present: ArrayLike, sessions: ArrayLike) -> tuple[F8, F8]:
    """Times of the first and of the last sighting of each, (n,) and (n,); NaN for one never seen.

    Parameters
    ----------
    present : (n, n_session) bool array_like
    sessions : (n_session,) array_like
        Times of the sessions, rising.
    """
    p, at = _seen(present), np.asarray(sessions, dtype=float)
    if at.shape != (p.shape[1],):
        raise ParameterError(f"sessions must hold a time for each of the {p.shape[1]} sessions, got shape {at.shape}")
    ever = p.any(axis=1)
    first, last = np.full(p.shape[0], np.nan), np.full(p.shape[0], np.nan)
    if ever.any():
        first[ever] = at[p[ever].argmax(axis=1)]
        last[ever] = at[p.shape[1] - 1 - p[ever, ::-1].argmax(axis=1)]
    return first, last


@outlined
class Lives(NamedTuple):
    """Lives as imaging sees them, (n,) each: ready for `kaplan_meier`."""

    duration: F8  #: age at death or at the last session; counted from the first session for the `standing`
    died: NDArray[np.bool_]  #: False where it was still there in the last session
    standing: NDArray[np.bool_]  #: there in the first session already: its age is not known


@metric
def lives_from_sightings(first: ArrayLike, last: ArrayLike, sessions: ArrayLike, place: float = 0.5) -> Lives:
    """Durations from the first and the last sighting of each synapse.

    A birth or a death is only known to lie between two sessions; it is put at `place` of that interval.  Those of the
    first session have no known age: treat them and the newborns apart, ``kaplan_meier(duration[~standing],
    died[~standing])``.

    Parameters
    ----------
    first, last : (n,) array_like
        Times of the first and the last sighting, each one of `sessions`; rows with NaN (never seen) are left out.
    sessions : (n_session,) array_like
        Times of the sessions, rising.
    place : float
        0: as soon as possible after the session before; 1/2: midway; 1: at the session that noticed it.

    Raises
    ------
    ParameterError
        If a sighting is not at a session, or the last lies before the first.
    """
    at = np.asarray(sessions, dtype=float)
    a, b = np.asarray(first, dtype=float), np.asarray(last, dtype=float)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if not 0.0 <= place <= 1.0:
        raise ParameterError(f"place must lie between 0 and 1, got {shown(place)}")
    if at.size < 2 or np.any(np.diff(at) <= 0):
        raise ParameterError(f"sessions must be at least two rising times, got {shown(sessions)}")
    if not np.isin(np.concatenate([a, b]), at).all() or np.any(b < a):
        raise ParameterError("first and last must be times of sessions, and last not before first")
    i, j = np.searchsorted(at, a), np.searchsorted(at, b)
    standing, died = i == 0, j < at.size - 1
    born = np.where(standing, at[0], at[i - 1] + place * (at[i] - at[i - 1]))
    after = np.minimum(j + 1, at.size - 1)
    end = np.where(died, at[j] + place * (at[after] - at[j]), at[-1])
    return Lives(np.asarray(end - born, dtype=np.float64), np.asarray(died), np.asarray(standing))


@metric
def two_class_survival(time: ArrayLike, share: float, slow: float, fast: float) -> F8:
    """Share of a standing population that survives `time` when two classes die at constant rates.

    ``share exp(-slow t) + (1 - share) exp(-fast t)``; in a stationary population the mean turnover ratio over an
    interval is 1 minus this.

    Parameters
    ----------
    time : array_like
    share : float
        Of the slow class in the standing population.
    slow, fast : float
        Death rates, per unit of `time`.

    Notes
    -----
    Source: immigration and death in two classes, the usual fit (Holtmaat 2005, Neuron 45:279; form recalled).
    """
    t = np.asarray(time, dtype=float)
    return np.asarray(share * np.exp(-slow * t) + (1.0 - share) * np.exp(-fast * t), dtype=np.float64)


@metric
def slow_birth_share(share: float, slow: float, fast: float) -> float:
    """Probability that a newborn belongs to the slow class if its `share` in the standing population is to last."""
    return share * slow / (share * slow + (1.0 - share) * fast)


@outlined
class SurvivalCurve(NamedTuple):
    """A Kaplan-Meier curve: steps at `time`, `value` after each, Greenwood's `error`, number `at_risk` before.

    All are (n_step,); `until` is the age up to which anything was observed (the last death or censoring).
    """

    time: F8
    value: F8
    error: F8
    at_risk: F8
    until: float = float("nan")

    def _words(self) -> str:
        n = self.time.size
        if not n:
            return f"SurvivalCurve(nobody died up to {self.until:.4g})"
        half = f"half live beyond {self.median:.4g}" if np.isfinite(self.median) else "more than half live on"
        left = f"{self.value[-1]:.3g} +- {self.error[-1]:.2g} are left at {self.time[-1]:.4g}"
        return f"SurvivalCurve({counted(n, 'step')}, {self.at_risk.max():,.0f} at risk; {half}; {left})"

    def at(self, age: ArrayLike) -> F8:
        """Share surviving beyond `age`; NaN beyond what was observed."""
        x = np.asarray(age, dtype=float)
        steps = np.concatenate([[1.0], self.value])
        value = steps[np.searchsorted(self.time, x, side="right")]
        return np.asarray(np.where(x <= self.until, value, np.nan), dtype=np.float64)

    @property
    def median(self) -> float:
        """Smallest age beyond which at most half survive; NaN if more than half still did at the end."""
        below = np.flatnonzero(self.value <= 0.5 * (1.0 + 1e-12))
        return float(self.time[below[0]]) if below.size else float("nan")

    def conditional(self, age: float, span: float) -> float:
        """Share of those alive at `age` that survive a further `span`; NaN beyond what was observed (BIO-12)."""
        begin, end = self.at([age, age + span])
        return float(end / begin) if begin > 0 else float("nan")

    def interval(self, z: float = 1.96) -> tuple[F8, F8]:
        """Lower and upper confidence limit (n_step,), by log(-log) of the share, which stays inside 0 and 1.

        Source: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, 2002, section 1.4.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            half = z * self.error / (self.value * np.abs(np.log(self.value)))
            low, high = self.value ** np.exp(half), self.value ** np.exp(-half)
        inner = (self.value > 0) & (self.value < 1)
        return np.where(inner, low, self.value), np.where(inner, high, self.value)


@metric
def kaplan_meier(duration: ArrayLike, died: ArrayLike, entry: ArrayLike | None = None) -> SurvivalCurve:
    """Survival with censoring and, optionally, delayed entry; Greenwood's standard error.

    A life censored at the age of another's death still counts as at risk there.

    Parameters
    ----------
    duration : (n,) array_like
        Age at death or at censoring.
    died : (n,) bool array_like
        False where the life was still going on.
    entry : (n,) array_like, optional
        Age at which each came under observation (left truncation); from birth if not given.  Who enters at the age of
        another's death is at risk only afterwards; who enters and dies at one age is at risk of that death.

    Returns
    -------
    SurvivalCurve
        Without any death it has no steps: the share stays 1 up to `until`.

    Raises
    ------
    ParameterError
        If the lists have different lengths, hold NaN or negative ages, or an entry lies after the end.

    Notes
    -----
    Source: Kaplan & Meier 1958, doi 10.1080/01621459.1958.10501452.
    """
    t, d, e = lives(duration, died, entry)
    until = float(t.max()) if t.size else float("nan")
    times = np.unique(t[d])
    if times.size == 0:
        return SurvivalCurve(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0), until)
    deaths = np.bincount(np.searchsorted(times, t[d]), minlength=times.size).astype(float)
    left_before = np.searchsorted(np.sort(t), times, side="left")
    if e is None:
        at_risk = (t.size - left_before).astype(float)
    else:
        # who enters and dies at one instant is at risk of that death, beside all others at risk
        entered = np.searchsorted(np.sort(e), times, side="left")
        entering = np.bincount(np.searchsorted(times, t[d & (e == t)]), minlength=times.size)
        at_risk = (entered - left_before + entering).astype(float)
    value = np.cumprod(1.0 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = deaths / (at_risk * (at_risk - deaths))
        error = value * np.sqrt(np.cumsum(np.where(np.isfinite(terms), terms, 0.0)))
    return SurvivalCurve(times, value, error, at_risk, until)


@metric
def death_rates(day: ArrayLike, deaths: ArrayLike, number: ArrayLike, width: float) -> tuple[F8, F8, F8]:
    """Deaths per synapse and day in windows of `width` days, from one row per tick.

    Parameters
    ----------
    day, deaths, number : (n_tick,) array_like
        End of the tick (days), deaths in it, synapses alive at its end.
    width : float, days

    Returns
    -------
    left, rate, error : (n_window,) arrays
        Left edges of the windows, rates, and their Poisson standard errors; NaN without exposure.
    """
    if not width > 0:
        raise ParameterError(f"width must be a positive number of days, got {shown(width)}")
    t, d, n = (np.asarray(a, dtype=float) for a in (day, deaths, number))
    if t.size == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    window = np.maximum(np.ceil((t - 1e-9) / width).astype(np.int64) - 1, 0)
    exposure = np.bincount(window, n * np.diff(t, prepend=0.0))
    total = np.bincount(window, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, error = total / exposure, np.sqrt(total) / exposure
    rate[exposure <= 0], error[exposure <= 0] = np.nan, np.nan
    return width * np.arange(total.size, dtype=np.float64), rate, error


@metric
def death_rates_by_age(
    duration: ArrayLike, died: ArrayLike, edges: ArrayLike, entry: ArrayLike | None = None
) -> tuple[F8, F8, F8]:
    """Deaths per synapse and day by age: deaths in each bin of age over the days lived in it.

    Parameters
    ----------
    duration, died, entry
        As in `kaplan_meier`, days.
    edges : (n_bin + 1,) array_like
        Edges of the bins of age, days, rising; a death on an edge counts into the bin that ends there.

    Returns
    -------
    rate, error, exposure : (n_bin,) arrays
        Rates, their Poisson standard errors (NaN without exposure) and days lived in each bin.
    """
    t, d, entered = lives(duration, died, entry)
    e = floats(edges, "edges", 1)
    if e.size < 2 or np.any(np.diff(e) <= 0):
        raise ParameterError(f"edges must be at least two rising ages, got {shown(edges)}")
    first = np.zeros_like(t) if entered is None else entered
    lived = np.array(
        [np.clip(np.minimum(t, b) - np.maximum(first, a), 0, None).sum() for a, b in zip(e[:-1], e[1:], strict=True)]
    )
    # logged times are sums of ticks: an age that should lie on an edge may miss it by rounding
    position = np.searchsorted(e, t[d] - 1e-9 * max(float(e[-1]), 1.0), side="left") - 1
    inside = (position >= 0) & (position < lived.size)
    total = np.bincount(position[inside], minlength=lived.size).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate, error = total / lived, np.sqrt(total) / lived
    rate[lived <= 0], error[lived <= 0] = np.nan, np.nan
    return rate, error, lived


@metric
def events_per_day(day: ArrayLike, cause: ArrayLike, until: float) -> dict[int, F8]:
    """Events per day of life, by cause.

    Parameters
    ----------
    day : (n_event,) array_like
        Life time of each event, days; an event on the stroke of a day (a tick ends there) belongs to the day before.
    cause : (n_event,) array_like
        Code of its cause.
    until : float
        Length of the observation, days.  The last day may be a part of one; its counts are not scaled up.

    Returns
    -------
    dict
        From code to counts (n_day,), codes rising.
    """
    if not 0 <= until < np.inf:
        raise ParameterError(f"until must be finite and >= 0 days, got {shown(until)}")
    n = max(int(np.ceil(until - 1e-9)), 1)
    check_memory(8.0 * n, f"a count for each of {n} days", "give until in days")
    code = wholes(cause, "cause")
    bins = np.clip(np.ceil(np.asarray(day, dtype=float) - 1e-9).astype(np.int64) - 1, 0, n - 1)
    return {int(c): np.bincount(bins[code == c], minlength=n).astype(float) for c in np.unique(code)}


@metric
def number_alive(born: ArrayLike, died: ArrayLike, at: ArrayLike) -> NDArray[np.int64]:
    """Number alive just after each time.

    Parameters
    ----------
    born, died : (n,) array_like
        Times of birth and death; NaN or infinity where it lives on.
    at : (k,) array_like

    Returns
    -------
    (k,) ndarray of int
    """
    b, d = np.sort(np.asarray(born, dtype=float)), np.sort(np.asarray(died, dtype=float))
    t = np.asarray(at, dtype=float)  # NaN sorts behind every number, so who lives on is never counted as dead
    return np.asarray(np.searchsorted(b, t, side="right") - np.searchsorted(d, t, side="right"), dtype=np.int64)


class Stationarity(NamedTuple):
    """Whether a population stands still: drift of its number, births against deaths, and its spread in time."""

    change_per_day: float  #: slope of a straight line through the number, as a share of its mean per day
    births_per_death: float  #: 1 when balanced
    imbalance: float  #: (births - deaths) / sqrt(births + deaths): within +-4 when balanced by chance alone
    fano: float  #: variance over mean of the number in time: 1 for independent births and deaths (EX-33)


@metric
def stationarity(day: ArrayLike, number: ArrayLike, births: ArrayLike, deaths: ArrayLike) -> Stationarity:
    """Check a stretch of life for standing still.

    Parameters
    ----------
    day, number, births, deaths : (n_tick,) array_like
        End of each tick (days), number alive then, births and deaths in it.

    Returns
    -------
    Stationarity
        NaN where there is too little to tell.
    """
    t, n = np.asarray(day, dtype=float), np.asarray(number, dtype=float)
    b, d = float(np.sum(np.asarray(births, dtype=float))), float(np.sum(np.asarray(deaths, dtype=float)))
    nan = float("nan")
    mean = float(n.mean()) if n.size else 0.0
    slope = float(np.polyfit(t - t.mean(), n, 1)[0]) / mean if t.size > 2 and mean > 0 else nan
    return Stationarity(
        slope, b / d if d else nan, (b - d) / np.sqrt(b + d) if b + d else nan,
        float(n.var(ddof=1)) / mean if n.size > 1 and mean > 0 else nan,
    )  # fmt: skip


@metric
def cohorts(born: ArrayLike, edges: Sequence[float]) -> list[NDArray[Any]]:
    """Rows (n_k,) of those born after ``edges[k]`` and up to ``edges[k + 1]``."""
    b = np.asarray(born, dtype=float)
    return [np.flatnonzero((b > lo + 1e-9) & (b <= hi + 1e-9)) for lo, hi in zip(edges[:-1], edges[1:], strict=True)]
