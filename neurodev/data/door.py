"""What readers ask of their arguments, before a file is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from neurodev import rng
from neurodev.errors import ParameterError, shown
from neurodev.params import among, by_name, counted, finite, of_type, or_none, whole
from neurodev.writing import a_path

P = ParamSpec("P")
R = TypeVar("R")
MOST_CHANNELS = 1 << 16
FASTEST = 1e9  # Hz


def grid_of(given: Any, name: str = "cells", sides: tuple[str, str] = ("columns", "rows")) -> tuple[int, int]:
    """Columns and rows, whole numbers above 0.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    if not isinstance(given, (tuple, list, np.ndarray)) or getattr(given, "ndim", 1) != 1 or len(given) != 2:
        raise ParameterError(f"{name} must be ({', '.join(sides)}), got {shown(given)}")
    return whole(given[0], f"{sides[0]} of {name}", 1), whole(given[1], f"{sides[1]} of {name}", 1)


def _sensor(given: Any, name: str) -> tuple[int, int]:
    return grid_of(given, name, ("width", "height"))


def _classes(given: Any, name: str) -> int:
    found = whole(given, name)
    if found not in (10, 100):
        raise ParameterError(f"{name} must be 10 or 100, got {found}")
    return found


_LENGTH = finite("ms", above=0.0)
RULES: dict[str, Callable[[Any, str], Any]] = {
    "path": a_path, "cells": or_none(grid_of), "duration": _LENGTH, "refractory": finite("ms", low=0.0),
    "n_train": or_none(counted(1)), "n_test": or_none(counted(1)), "seed": lambda value, name: rng.check_seed(value),
    "leave_out": or_none(of_type(str, what="the name of a speaker")), "n_channel": counted(1, MOST_CHANNELS),
    "max_rate": finite("Hz", above=0.0, high=FASTEST), "quality": among(("jpeg", "lossless")), "n_class": _classes,
}  # fmt: skip


def reads(**others: Callable[[Any, str], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a reader: its arguments pass the rules of their names, or of `others`.

    Raises
    ------
    ParameterError
        Naming the argument, its value and what it should be.
    """
    return by_name(RULES, **others)


def sensor(*, needed: bool) -> Callable[[Any, str], Any]:
    """A rule: width and height of a sensor, or None where the events tell it."""
    return _sensor if needed else or_none(_sensor)
