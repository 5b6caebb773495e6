"""Numbers as arguments of a training: checked where they are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, shown


def number(
    name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf,
    below: float = math.inf,
) -> float:  # fmt: skip
    """A finite number within bounds, `low` and `high` included.

    Raises
    ------
    ParameterError
        Naming the argument, its value and the bounds.
    """
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if real and abs(value) < 1e308 and math.isfinite(value) and low <= value <= high and above < value < below:
        return float(value)
    first = f"({above:g}" if above > -math.inf else f"[{low:g}" if low > -math.inf else "(-inf"
    last = f"{below:g})" if below < math.inf else f"{high:g}]" if high < math.inf else "inf)"
    kind = "" if real else ": give a number"
    raise ParameterError(f"{name} must lie in {first}, {last}, got {shown(value)}{kind}")
