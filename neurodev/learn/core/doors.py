"""What layers ask of their arguments and of what reaches them: numbers, sizes that a memory holds, arrangements."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, nearest

PAIR_BYTES = 64  # weight, gradient, two moments, identity, date and flag of a pair, and what drawing it takes
LONGEST = (1 << 63) - 1  # what kernels can count
SHOWN = 80  # letters of a value in an error
ELSEWHERE = 1 << 36  # bytes of memory where the system does not say


def shown(value: Any) -> str:
    """A value as errors show it: not longer than a line, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # of an object of somebody's, or a number of too many digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def number(
    what: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf,
    below: float = math.inf,
) -> float:  # fmt: skip
    """A finite number within bounds, `low` and `high` included.

    Raises
    ------
    ParameterError
        Naming the argument, its value and the bounds.
    """
    good = not isinstance(value, (bool, np.bool_)) and isinstance(value, (int, float, np.integer, np.floating))
    try:
        x = float(value) if good else math.nan
    except OverflowError:  # of a whole number
        x = math.inf
    if math.isfinite(x) and low <= x <= high and above < x < below:
        return x
    if above == 0 and high == below == math.inf:
        must = "be positive"
    elif high == below == math.inf:
        must = (
            "be a finite number" if low == above else f"be at least {low:g}" if low > above else f"be above {above:g}"
        )
    else:
        must = (
            f"lie in {f'({above:g}' if above > low else f'[{low:g}'}, {f'{below:g})' if below < high else f'{high:g}]'}"
        )
    raise ParameterError(f"{what} must {must}, got {shown(value)}{'' if good else ': give a number'}")


def whole(what: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number of at least `least`, and at most `most`.

    Raises
    ------
    ParameterError
        Naming the argument, its value and the bounds.
    """
    good = not isinstance(value, (bool, np.bool_)) and isinstance(value, (int, np.integer))
    if good and least <= value <= (LONGEST if most is None else most):
        return int(value)
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ParameterError(f"{what} must be a whole number {bounds}, got {shown(value)}")


def yes_or_no(what: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ParameterError(f"{what} must be True or False, got {shown(value)}")


def one_of(what: str, value: Any, choices: Sequence[str]) -> str:
    """One of some words.

    Raises
    ------
    ParameterError
        Naming the argument, its value and the nearest word.
    """
    if isinstance(value, str) and value in choices:
        return value
    said = ", ".join(repr(c) for c in choices[:-1]) + f" or {choices[-1]!r}"
    raise ParameterError(f"{what} must be {said}, got {shown(value)}{nearest(str(value), choices)}")


def a_name(value: Any) -> str:
    """The name of a layer: a word, or nothing.

    Raises
    ------
    ParameterError
        If it is not a string, or has signs that a run file cannot keep.
    """
    if isinstance(value, str) and (not value or value.isprintable() and "/" not in value):
        return value
    raise ParameterError(f"name must be a word without '/', got {shown(value)}")


def shape_of(what: str, value: Any) -> tuple[int, ...]:
    """A shape: one to three whole numbers of at least 1.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    good = isinstance(value, (tuple, list, np.ndarray)) and 0 < len(value) <= 3
    if good and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in value):
        return tuple(int(n) for n in value)
    hint = f": write ({int(value)},)" if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else ""
    raise ParameterError(
        f"{what} must be (n,) or (height, width, channels), whole numbers of at least 1, got {shown(value)}{hint}"
    )


def memory() -> int:
    """Bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return ELSEWHERE


def room(what: str, n_bytes: float, cure: str) -> None:
    """Refuse what the memory of this machine does not hold, before anything is made.

    Raises
    ------
    ParameterError
        With the estimate.
    """
    held = memory()
    if n_bytes > held:
        raise ParameterError(
            f"{what} would take about {n_bytes / 2**30:.3g} GiB, this machine has {held / 2**30:.3g}: {cure}"
        )
