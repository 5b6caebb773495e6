"""Numbers and functions as arguments of a training: checked where they are given."""

from __future__ import annotations

import inspect
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


def takes(name: str, function: Any, *arguments: str) -> Any:
    """A function that can be called with so many arguments; what does not say what it takes passes.

    Raises
    ------
    ParameterError
        Naming the argument, the function and what it will be called with.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # compiled
        return function
    try:
        signature.bind(*arguments)
    except TypeError as e:
        who = getattr(function, "__qualname__", type(function).__name__)
        told = ", ".join(arguments)
        raise ParameterError(f"{name} {who}{signature} cannot be called with ({told}): {e}") from None
    return function
