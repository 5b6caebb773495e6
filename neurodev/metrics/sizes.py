"""Sizes: how they are distributed, how they change, and how the living differ from those that die."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics.given import couples, flags, floats, indices, metric
from neurodev.params import whole

DECADE = float(np.log(10.0))
NAN = float("nan")


@metric
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


@metric
def central_decade(log_size: ArrayLike) -> float:
    """Share of the sizes within half a decade of the median: ``|ln V - median| <= ln(10) / 2``.

    Measured: .75 (Dorkenwald 2022, eLife 76120).  NaN without sizes.
    """
    x = np.asarray(log_size, dtype=float)
    if x.size == 0:
        return NAN
    return float((np.abs(x - np.median(x)) <= 0.5 * DECADE).mean())


@metric
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


@metric
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


class TwoSamples(NamedTuple):
    """How far apart two distributions are, and how often two samples of one would be."""

    distance: float  #: largest difference of their cumulative shares
    p: float


@metric
def kolmogorov_smirnov(a: ArrayLike, b: ArrayLike) -> TwoSamples:
    """Distance between the distributions of two samples, (n,) and (m,), by `scipy.stats.ks_2samp` (BIO-14).

    NaN are left out; both numbers are NaN if a sample is empty.
    """
    x, y = floats(a, "a", 1), floats(b, "b", 1)
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    if not x.size or not y.size:
        return TwoSamples(NAN, NAN)
    from scipy.stats import ks_2samp

    found = ks_2samp(x, y)
    return TwoSamples(float(found.statistic), float(found.pvalue))


@metric
def number_above(size: ArrayLike, limits: ArrayLike) -> NDArray[np.int64]:
    """Number of sizes (n,) at or above each detection limit, same shape as `limits` (BIO-5)."""
    x = np.sort(np.asarray(size, dtype=float))
    return np.asarray(x.size - np.searchsorted(x, np.asarray(limits, dtype=float), side="left"), dtype=np.int64)


@metric
def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation of two sizes of the same synapses, (n,) each; pairs with NaN are left out.

    NaN for fewer than three pairs, or if one side does not vary.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if x.shape != y.shape:
        raise ParameterError(f"a and b must be sizes of the same synapses, got shapes {x.shape} and {y.shape}")
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if x.size < 3 or x.std() == 0 or y.std() == 0:
        return NAN
    return float(((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()))


@metric
def log_sizes(size: ArrayLike) -> F8:
    """ln of sizes, NaN where the synapse is absent (0 or NaN), same shape."""
    x = np.asarray(size, dtype=float)
    if np.any(x < 0):
        raise ParameterError(f"size must not be negative, got {np.nanmin(x)!r}; 0 or NaN stand for absence")
    with np.errstate(divide="ignore"):
        return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), np.nan)


@outlined
class SizeCourse(NamedTuple):
    """How sizes change over 0, 1, 2, ... sessions, of synapses there at both ends, (n_session,) each."""

    correlation: F8  #: of the size with itself that many sessions later
    change: F8  #: mean change
    change_sd: F8  #: standard deviation of the change
    pairs: NDArray[np.int64]  #: pairs of sizes that were compared


@metric
def size_course(log_size: ArrayLike) -> SizeCourse:
    """Correlation of sizes across time, and the spread of their changes, by lag; all start sessions are pooled.

    Parameters
    ----------
    log_size : (n, n_session) array_like
        ln V in sessions at equal intervals, NaN where absent (see `log_sizes`).

    Returns
    -------
    SizeCourse
        NaN where fewer than three pairs are left.

    Notes
    -----
    For an Ornstein-Uhlenbeck process of ln V, the correlation over D is ``exp(-D / tau)`` and the spread of the change
    ``s sqrt(2 (1 - exp(-D / tau)))`` (EX-38).
    """
    x = np.asarray(log_size, dtype=float)
    if x.ndim != 2:
        raise ParameterError(f"log_size must be (n, n_session), got shape {x.shape}")
    n = x.shape[1]
    r, mean, sd = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    pairs = np.zeros(n, dtype=np.int64)
    for lag in range(n):
        a, b = x[:, : n - lag].ravel(), x[:, lag:].ravel()
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        pairs[lag] = a.size
        if a.size >= 3:
            r[lag], mean[lag], sd[lag] = correlation(a, b), (b - a).mean(), (b - a).std()
    return SizeCourse(r, mean, sd, pairs)


@outlined
class ChangeBySize(NamedTuple):
    """Changes of size in groups of the size before, smallest first, (groups,) each; and a line through their spread."""

    size: F8  #: mean size before
    change: F8  #: mean change
    change_sd: F8  #: standard deviation of the change
    slope: float  #: of `change_sd` on `size`
    intercept: float  #: of `change_sd` on `size`


@metric
def change_by_size(before: ArrayLike, after: ArrayLike, groups: int = 5) -> ChangeBySize:
    """Change of size against size, and the spread of the change regressed on it (BIO-13).

    Parameters
    ----------
    before, after : (n,) array_like
        Sizes (not logarithms, for BIO-13) of the same synapses in two sessions; pairs with NaN are left out.
    groups : int
        Quantile groups of the size before.

    Returns
    -------
    ChangeBySize
        A spread that grows with size is multiplicative (slope), one that does not is additive (intercept).
    """
    x, y = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ParameterError(f"before and after must be (n,) alike, got shapes {x.shape} and {y.shape}")
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    groups = whole(groups, "groups")
    if groups < 2 or x.size < 2 * groups:
        raise ParameterError(f"groups must be at least 2 and leave two pairs each, got {groups} for {x.size} pairs")
    parts = np.array_split(np.argsort(x, kind="stable"), groups)
    size = np.array([x[k].mean() for k in parts])
    change = np.array([(y[k] - x[k]).mean() for k in parts])
    spread = np.array([(y[k] - x[k]).std() for k in parts])
    slope, intercept = np.polyfit(size, spread, 1)
    return ChangeBySize(size, change, spread, float(slope), float(intercept))


@metric
def partner_pairs(size: ArrayLike, axon: ArrayLike, dendrite: ArrayLike, first_two: bool = False) -> F8:
    """Sizes of pairs of synapses of the same axon on the same dendrite, (n_pair, 2).

    Parameters
    ----------
    size : (n,) array_like
        Sizes or their logarithms; NaN and their synapses are left out.
    axon, dendrite : (n,) array_like
        Identity of the partners of each; of a run, source and target neuron.
    first_two : bool
        One pair for each group, its first two in the order given; otherwise all pairs of each group.
    """
    v = np.asarray(size, dtype=float)
    i, j = np.asarray(axon), np.asarray(dendrite)
    if not v.shape == i.shape == j.shape:
        raise ParameterError(f"size, axon and dendrite must be (n,) alike, got {v.shape}, {i.shape}, {j.shape}")
    keep = np.isfinite(v)
    v, i, j = v[keep], i[keep], j[keep]
    code = np.unique(i, return_inverse=True)[1].astype(np.int64) * (np.unique(j).size or 1)
    code = code + np.unique(j, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    if not order.size:
        return np.zeros((0, 2))
    out = []
    for group in np.split(v[order], np.flatnonzero(np.diff(code[order])) + 1):
        if group.size > 1:
            a, b = (np.array([0]), np.array([1])) if first_two else np.triu_indices(group.size, 1)
            out.append(np.column_stack([group[a], group[b]]))
    return np.concatenate(out) if out else np.zeros((0, 2))


@metric
def pair_correlation(pairs: ArrayLike) -> float:
    """Correlation within pairs (n, 2) whose order means nothing: each counts both ways round (Fisher's intraclass)."""
    p = couples(pairs, "pairs")
    return correlation(np.concatenate([p[:, 0], p[:, 1]]), np.concatenate([p[:, 1], p[:, 0]])) if len(p) > 1 else NAN


@metric
def pair_cv(pairs: ArrayLike) -> F8:
    """Coefficient of variation of each pair of sizes (not logarithms), (n, 2) -> (n,): sd of the two over their mean.

    ``sqrt(2) |a - b| / (a + b)``, the sd with n - 1 = 1.  Source: Bartol et al. 2015, doi 10.7554/eLife.10778.
    """
    p = couples(pairs, "pairs")
    if np.any(p <= 0):
        raise ParameterError(f"pairs must hold positive sizes, not logarithms, got {p.min()!r}")
    return np.asarray(np.sqrt(2.0) * np.abs(p[:, 0] - p[:, 1]) / p.sum(axis=1), dtype=np.float64)


@metric
def losses_by_size(log_size: ArrayLike, lost: ArrayLike, groups: int = 5) -> F8:
    """Share lost in each quantile group of size, smallest first, (groups,); NaN for an empty group.

    Parameters
    ----------
    log_size : (n,) array_like
        ln V at the first session.
    lost : (n,) bool array_like
        Whether it was gone at the second.
    """
    x, gone = floats(log_size, "log_size", 1), flags(lost, "lost").astype(float)
    if x.shape != gone.shape:
        raise ParameterError(f"log_size and lost must be (n,) alike, got shapes {x.shape} and {gone.shape}")
    groups = whole(groups, "groups", 1)
    order = np.argsort(x, kind="stable")
    return np.array([gone[part].mean() if part.size else NAN for part in np.array_split(order, groups)])


@metric
def relative_evidence(evidence: ArrayLike, target: ArrayLike) -> F8:
    """h - hbar: evidence minus the mean over the synapses of the same target, (n,)."""
    h, j = floats(evidence, "evidence", 1), indices(target, "target")
    if h.shape != j.shape:
        raise ParameterError(f"evidence and target must be (n,) alike, got shapes {h.shape} and {j.shape}")
    if h.size == 0:
        return np.zeros(0)
    mean = np.bincount(j, h) / np.maximum(np.bincount(j), 1)
    return np.asarray(h - mean[j], dtype=np.float64)


@metric
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


@metric
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
    a, j = floats(alive, "alive", 1), indices(alive_target, "alive_target")
    d, k = floats(dead, "dead", 1), indices(dead_target, "dead_target")
    if a.shape != j.shape or d.shape != k.shape:
        raise ParameterError("evidence and targets must have one entry a synapse each")
    if a.size < 2 or d.size < 1:
        return NAN
    n = int(max(j.max(), k.max())) + 1
    count = np.bincount(j, minlength=n)
    mean = np.bincount(j, a, minlength=n) / np.maximum(count, 1)
    return relative_gap(a - mean[j], (d - mean[k])[count[k] > 0])
