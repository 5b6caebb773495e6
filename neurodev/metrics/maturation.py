"""The success numbers of a developing map, and whether each lies where it should (model.md, section 5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


class Check(NamedTuple):
    """One number, its band (None: no bound), and whether it lies inside."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str

    @property
    def passed(self) -> bool:
        """Whether the value lies in the band."""
        if not np.isfinite(self.value):
            return False
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def density_numbers(day: F8, number: F8) -> dict[str, float]:
    """Spines per target on day 1, at the peak and at the end, their ratio, and the loss per day at the end."""
    peak = int(np.argmax(number))
    last5 = np.flatnonzero(day >= day[-1] - 5.0 - 1e-9)
    a, b = number[last5[0]], number[last5[-1]]
    span = day[last5[-1]] - day[last5[0]]
    return {
        "day_1": float(np.interp(1.0, day, number)),
        "peak": float(number[peak]),
        "peak_day": float(day[peak]),
        "final": float(number[-1]),
        "peak_to_final": float(number[peak] / number[-1]) if number[-1] else float("nan"),
        "change_per_day": float(100.0 * (b - a) / (0.5 * (a + b) * span)) if span > 0 and a + b > 0 else float("nan"),
    }


def rising_after_peak(left: F8, rate: F8, error: F8, peak_day: float) -> bool:
    """Whether the death rate rises by more than 4 standard errors between successive windows after the peak."""
    after = np.flatnonzero(left >= peak_day)
    for a, b in zip(after[:-1], after[1:], strict=True):
        if rate[b] - rate[a] > 4.0 * np.hypot(error[a], error[b]):
            return True
    return False


def checks(n: dict[str, float]) -> list[Check]:
    """The bands of the default study."""
    return [
        Check("peak : final", n["peak_to_final"], 1.4, 2.0, "overshoot and pruning"),
        Check("day of the peak", n["peak_day"], 4.0, 12.0, "the peak comes early"),
        Check("change per day, last 5 d (%)", abs(n["change_per_day"]), None, 4.0, "near a plateau"),
        Check("sd of ln V", n["sd"], 0.8, 1.1, "log-normal sizes"),
        Check("skew of ln V", abs(n["skew"]), None, 0.7, ""),
        Check("share in the central decade", n["decade"], 0.70, 0.85, "measured: .75"),
        Check("field radius, change (%)", n["field_change"], None, -25.0, "receptive fields refine"),
        Check("topographic error, change (um)", n["error_end"] - n["error_start"], None, 0.0, "not worse"),
        Check("rate / target, last 5 d", n["rate_ratio"], 0.5, 2.0, "homeostasis holds"),
        Check("evidence gap (sd within neurons)", n["evidence_gap"], 1.0, None, "selection"),
    ]
