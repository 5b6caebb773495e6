"""Numbers as arguments of a training: checked where they are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurodev.errors import ParameterError


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
    if real and math.isfinite(value) and low <= value <= high and above < value < below:
        return float(value)
    first = f"({above:g}" if above > -math.inf else f"[{low:g}" if low > -math.inf else "(-inf"
    last = f"{below:g})" if below < math.inf else f"{high:g}]" if high < math.inf else "inf)"
    kind = "" if real else ": give a number"
    raise ParameterError(f"{name} must lie in {first}, {last}, got {value!r}{kind}")


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False; words and numbers that would count as one of them are refused.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name} must be True or False, got {value!r}")
    return bool(value)
