"""What imaging says of a population, in one row of numbers that a model and a table can be compared by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import B1, F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics import sizes

NAN = float("nan")
GROUPS = 5  # of size, for losses
_MOST_LAGS = 12
QUANTITIES = ("survival", "newborn", "correlation", "losses", "sd", "newborn_mean", "newborn_sd", "standing")
USUAL = QUANTITIES[:-1]
"""What is fitted unless something else is asked for: survival counts the standing already."""


@outlined
class Observed(NamedTuple):
    """Numbers of a population in sessions; NaN where there is nothing to tell."""

    lag: F8  #: days between sessions, (n_lag,): all, or groups of them
    survival: F8  #: share of those in one session that are there in another so much later, (n_lag,)
    newborn: F8  #: the same of those first seen in the earlier one, (n_lag,)
    correlation: F8  #: of ln size with itself, (n_lag,)
    losses: F8  #: share gone in the next session by fifths of size, smallest first, (5,)
    sd: F8  #: of ln size, (1,)
    newborn_mean: F8  #: ln size of newborns at first sight, in sd from the mean of all, (1,)
    newborn_sd: F8  #: its sd, in sd, (1,)
    standing: F8  #: share of those of the first session that are there so much later, (n_lag,)
    counts: F8  #: lives behind each number, in the order of `row`

    def row(self) -> F8:
        """All numbers in a row, (n_term,)."""
        return np.concatenate([getattr(self, q) for q in QUANTITIES])

    def names(self) -> list[str]:
        """To which quantity each number of the row belongs."""
        return [q for q in QUANTITIES for _ in range(getattr(self, q).size)]


def lags(days: F8) -> tuple[F8, I8]:
    """Mean lag of each group (n_lag,), and the group of each pair of sessions, (n_session, n_session); -1: none."""
    m = days.size
    apart = np.round(days[None, :] - days[:, None], 6)
    later = np.triu(np.ones((m, m), dtype=bool), 1)
    values = np.unique(apart[later])
    parts = np.array_split(values, min(_MOST_LAGS, max(values.size, 1)))
    group = np.full((m, m), -1)
    found = np.searchsorted(np.array([p[0] for p in parts if p.size]), apart[later], side="right") - 1
    group[later] = found
    count = np.bincount(found, minlength=len(parts))
    return np.bincount(found, apart[later], minlength=len(parts)) / np.maximum(count, 1), group


def observe(
    present: ArrayLike, days: ArrayLike, log_size: ArrayLike | None = None, looked: B1 | None = None
) -> Observed:
    """The numbers of a table of lives and sessions.

    Parameters
    ----------
    present : (n, n_session) bool array_like
    days : (n_session,) array_like
        Times of the sessions, rising, at any intervals.
    log_size : (n, n_session) array_like, optional
        ln of sizes, NaN where absent; numbers of sizes are NaN if not given.
    looked : (n, n_session) bool array, optional
        Whether each place was looked at.
    """
    here, at = np.asarray(present, dtype=bool), np.asarray(days, dtype=np.float64)
    if here.ndim != 2 or here.shape[1] != at.size or at.size < 2:
        raise ParameterError(f"present must be (n, n_session) for {at.size} sessions (two at least), got {here.shape}")
    look = np.ones(here.shape, bool) if looked is None else looked
    here = here & look
    p, v = here.astype(np.float64), look.astype(np.float64)
    lag, group = lags(at)
    first = _first_sights(here, look)
    pooled = lambda a: np.bincount(group[group >= 0], a[group >= 0], minlength=lag.size)
    share = lambda a, b: np.where(b > 0, a / np.maximum(b, 1.0), np.nan)
    survived, begun = pooled(p.T @ p), pooled(p.T @ v)
    new, newborn_begun = pooled(first.T @ p), pooled(first.T @ v)
    initial = p * (np.arange(at.size) == 0)
    stood, standing_begun = pooled(initial.T @ p), pooled(initial.T @ v)
    none = np.full(lag.size, np.nan)
    counts = [np.minimum(begun, len(p)), np.minimum(newborn_begun, first.sum())]
    if log_size is None:
        parts = (none, np.full(GROUPS, np.nan), *([np.full(1, np.nan)] * 3))
        counts += [np.zeros(lag.size), np.zeros(GROUPS), np.zeros(3)]
    else:
        x = np.where(here, np.asarray(log_size, dtype=np.float64), np.nan)
        parts, more = _of_sizes(x, here, look, first, pooled)
        counts += [np.minimum(begun, len(p)), more, np.array([len(p), first.sum(), first.sum()])]
    correlation, losses, sd, mean, spread = parts
    return Observed(
        lag, share(survived, begun), share(new, newborn_begun), correlation, losses, sd, mean, spread,
        share(stood, standing_begun), np.concatenate([*counts, np.minimum(standing_begun, initial.sum())]),
    )  # fmt: skip


def _first_sights(here: B1, look: B1) -> F8:
    """1 where one was seen first that a look before had not seen, (n, n_session)."""
    first = np.zeros(here.shape)
    ever = here.any(axis=1)
    k = here.argmax(axis=1)
    before = (look & (np.arange(here.shape[1]) < k[:, None])).any(axis=1)
    rows = np.flatnonzero(ever & before)
    first[rows, k[rows]] = 1.0
    return first


def _of_sizes(x: F8, here: B1, look: B1, first: F8, pooled: object) -> tuple[tuple[F8, ...], F8]:
    """Correlation, losses, sd, mean and sd of newborns; and lives behind each loss."""
    known = np.isfinite(x)
    if known.sum() < 3:
        nothing = np.full(1, np.nan)
        return (pooled(np.full((x.shape[1],) * 2, np.nan)), np.full(GROUPS, np.nan), *[nothing] * 3), np.zeros(GROUPS)  # type: ignore[operator]
    mean, sd, _ = sizes.log_moments(x[known])
    p, y = known.astype(np.float64), np.where(known, x - mean, 0.0)
    sums = [pooled(a) for a in (p.T @ p, y.T @ p, p.T @ y, (y * y).T @ p, p.T @ (y * y), y.T @ y)]  # type: ignore[operator]
    with np.errstate(divide="ignore", invalid="ignore"):
        n, a, b, aa, bb, ab = sums
        r = (ab - a * b / n) / np.sqrt((aa - a * a / n) * (bb - b * b / n))
    r[n < 3] = np.nan
    pairs = known[:, :-1] & look[:, 1:]
    losses = (
        sizes.losses_by_size(x[:, :-1][pairs], ~here[:, 1:][pairs], GROUPS) if pairs.any() else np.full(GROUPS, NAN)
    )
    new = x[(first > 0) & known]
    newborn = ((new.mean() - mean) / sd, new.std() / sd) if new.size > 2 and sd > 0 else (NAN, NAN)
    each = np.full(GROUPS, pairs.sum() / GROUPS)
    return (r, losses, np.array([sd]), np.array([newborn[0]]), np.array([newborn[1]])), each
