"""The success numbers of a developing map, and whether each lies where it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8
from neurodev.errors import ParameterError, nearest
from neurodev.metrics import maps, sizes
from neurodev.metrics.given import metric

NAN = float("nan")


class Check(NamedTuple):
    """One number, its band (None: no bound), and whether it lies inside."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str

    @property
    def passed(self) -> bool:
        """Whether the value lies in the band; a number that could not be had does not."""
        if not np.isfinite(self.value):
            return False
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


class Picture(NamedTuple):
    """The synapses of one projection at one moment: source, target and weight of each, (n_synapse,)."""

    pre: NDArray[np.integer]
    post: NDArray[np.integer]
    weight: NDArray[np.floating]


@metric
def density_numbers(day: F8, number: F8) -> dict[str, float]:
    """Spines per target on day 1, at the peak and at the end, their ratio, and the change per day at the end.

    Parameters
    ----------
    day, number : (n_time,) ndarray
        Life time (days, rising) and synapses per target then.

    Returns
    -------
    dict
        ``day_1``, ``peak``, ``peak_day``, ``final``, ``peak_to_final`` and ``change_per_day`` (% of the mean over
        the last 5 days).
    """
    if day.size == 0:
        raise ParameterError("day is empty: a density needs at least its first value")
    peak = int(np.argmax(number))
    last5 = np.flatnonzero(day >= day[-1] - 5.0 - 1e-9)
    a, b = number[last5[0]], number[last5[-1]]
    span = day[last5[-1]] - day[last5[0]]
    return {
        "day_1": float(np.interp(1.0, day, number)),
        "peak": float(number[peak]),
        "peak_day": float(day[peak]),
        "final": float(number[-1]),
        "peak_to_final": float(number[peak] / number[-1]) if number[-1] else NAN,
        "change_per_day": float(100.0 * (b - a) / (0.5 * (a + b) * span)) if span > 0 and a + b > 0 else NAN,
    }


@metric
def largest_rise(left: F8, rate: F8, error: F8, peak_day: float) -> float:
    """Largest rise of the death rate between successive windows after the peak, in standard errors of the step.

    Parameters
    ----------
    left, rate, error : (n_window,) ndarray
        As of `neurodev.metrics.turnover.death_rates`.
    peak_day : float, days
        Day on which the number was highest.

    Returns
    -------
    float
        Negative if it falls throughout; NaN with fewer than two windows after the peak.
    """
    after = np.flatnonzero((left >= peak_day) & np.isfinite(rate))
    if after.size < 2:
        return NAN
    step = np.diff(rate[after])
    spread = np.hypot(error[after][1:], error[after][:-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(spread > 0, step / spread, np.where(step > 0, np.inf, 0.0))
    return float(rise.max())


@metric
def rate_numbers(rates: F8, target_hz: float) -> dict[str, float]:
    """Rates against their target: the last 5 days, blocks of 5 days, and single days from day 3 on.

    Parameters
    ----------
    rates : (n_day, n) ndarray, Hz
        Mean rate of every cell that counts on every day (NaN while it does not live); births triple the inputs on the
        first two days while scaling is still on its way, so single days count from the third.
    target_hz : float, Hz
    """
    seen = np.asarray(rates, dtype=float)
    living = np.isfinite(seen)
    with np.errstate(invalid="ignore"):  # a day on which nobody lived has no rate
        daily = np.where(living, seen, 0.0).sum(axis=1) / living.sum(axis=1) if seen.size else np.zeros(0)
    blocks = [daily[k : k + 5].mean() for k in range(0, daily.size - 4, 5)]
    single = daily[2:]
    ratio = 1.0 / target_hz if target_hz else NAN
    return {
        "rate_hz": float(daily[-5:].mean()) if daily.size else NAN,
        "rate_ratio": float(daily[-5:].mean() * ratio) if daily.size else NAN,
        "rate_block_low": float(min(blocks) * ratio) if blocks else NAN,
        "rate_block_high": float(max(blocks) * ratio) if blocks else NAN,
        "rate_day_low": float(single.min() * ratio) if single.size else NAN,
        "rate_day_high": float(single.max() * ratio) if single.size else NAN,
    }


@metric
def map_numbers(first: Picture, last: Picture, source: F8, target: F8, sheet: tuple[float, float]) -> dict[str, float]:
    """Receptive fields and topography in two pictures (day 1 and the last): radii, floor, errors, second peaks (um).

    Parameters
    ----------
    first, last : Picture
    source, target : (n_source, 2), (n_target, 2) ndarray, um
    sheet : (width, height), um
    """
    start = maps.field_summary(*first, source, target, *sheet)
    end = maps.field_summary(*last, source, target, *sheet)
    # fields of one contact are points, and cannot be said to shrink or to grow by a share of themselves
    change = 100.0 * (end["radius"] / start["radius"] - 1.0) if start["radius"] > 0.0 else NAN
    return {
        "field_start": start["radius"], "field_end": end["radius"], "floor_end": end["floor"],
        "field_change": change, "error_start": start["error"],
        "error_end": end["error"],
        "second_peak": maps.second_peak_share(*last, source, maps.central(target, *sheet)),
    }  # fmt: skip


@metric
def mean_gap(ticks: Sequence[tuple[ArrayLike, ArrayLike]]) -> float:
    """Evidence of the living minus that of the dying in sd, averaged over ticks (or days) in which some died.

    Parameters
    ----------
    ticks : sequence of (alive (n,), dead (m,))
        h - hbar, or the evidence term of the set-point, which is proportional to it.
    """
    gaps = [g for g in (sizes.relative_gap(a, d) for a, d in ticks) if np.isfinite(g)]
    return float(np.mean(gaps)) if gaps else NAN


@metric
def against_control(n: Mapping[str, float], control: Mapping[str, float]) -> float:
    """Points (%) by which the fields shrank more than in a control."""
    return control["field_change"] - n["field_change"]


# The bands of the default study: ours; the central decade lies about the .75 of Dorkenwald 2022.
BANDS: dict[str, tuple[float | None, float | None]] = {
    "peak_to_final": (1.4, 2.0), "peak_day": (4.0, 12.0), "change_per_day": (None, 4.0), "sd": (0.8, 1.1),
    "skew": (None, 0.7), "decade": (0.70, 0.85), "field_change": (None, -25.0), "error_change": (None, 0.0),
    "rate_ratio": (0.5, 2.0), "evidence_gap": (1.0, None), "death_rate_rise": (None, 4.0),
    "rate_block_low": (0.5, 2.0), "rate_block_high": (0.5, 2.0), "against_control": (20.0, None),
}  # fmt: skip
# what each is called, and what it says
_TOLD = {
    "peak_to_final": ("peak : final", "overshoot and pruning"),
    "peak_day": ("day of the peak", "the peak comes early"),
    "change_per_day": ("change per day, last 5 d (%)", "near a plateau"),
    "sd": ("sd of ln V", "log-normal sizes"),
    "skew": ("skew of ln V", "symmetric on the log axis"),
    "decade": ("share in the central decade", "measured: .75"),
    "field_change": ("field radius, change (%)", "receptive fields refine"),
    "error_change": ("topographic error, change (um)", "not worse"),
    "rate_ratio": ("rate / target, last 5 d", "homeostasis holds"),
    "evidence_gap": ("evidence gap (sd within neurons)", "selection: the less supported die"),
    "death_rate_rise": ("rise of the death rate (SE)", "the death rate does not rise again after the peak"),
    "rate_block_low": ("rate / target, lowest 5 d", "homeostasis holds all along"),
    "rate_block_high": ("rate / target, highest 5 d", "homeostasis holds all along"),
    "against_control": ("shrinks more than {} (points)", "fields shrink because of the waves"),
}
_IF_LONG = ("death_rate_rise", "rate_block_low", "rate_block_high")  # judged where a run is long enough to have them
_BOTH_WAYS = ("change_per_day", "skew")  # judged without their sign


@metric
def checks(
    n: Mapping[str, float], controls: Mapping[str, Mapping[str, float]] | None = None,
    bands: Mapping[str, tuple[float | None, float | None]] = BANDS,
) -> list[Check]:  # fmt: skip
    """Numbers beside their bands, those of the default study if no others are given.

    Numbers of rates on single days, blocks of days and of the death rate are judged where `n` has them, and so is
    every control.

    Parameters
    ----------
    n : mapping
        Numbers by name, as of a run's ``summary()``.
    controls : mapping, optional
        The numbers of controls, by name.
    bands : mapping, optional
        (lowest, highest) by number; None is no bound.

    Raises
    ------
    ParameterError
        For a band of a number that there is not, with the nearest.
    """
    for key in bands:
        if key not in BANDS:
            raise ParameterError(f"no number {key!r} can have a band{nearest(str(key), BANDS)}; there are {[*BANDS]}")
    seen = {"error_change": float(n.get("error_end", NAN)) - float(n.get("error_start", NAN)), **n}
    out = []
    for key in (k for k in BANDS if k in bands and k != "against_control"):
        if key in _IF_LONG and key not in n:
            continue
        value = float(seen.get(key, NAN))
        label, text = _TOLD[key]
        out.append(Check(label, abs(value) if key in _BOTH_WAYS else value, *bands[key], text))
    if "against_control" in bands:
        label, text = _TOLD["against_control"]
        for name, other in (controls or {}).items():
            out.append(Check(label.format(name), against_control(n, other), *bands["against_control"], text))
    return out
