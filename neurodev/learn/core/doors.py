"""What layers ask of numbers and shapes that reach them, and how they are named where they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodev.errors import NeurodevError, ParameterError, shown
from neurodev.params import number

TINY = 1e-30  # numbers by which models divide are larger: their reciprocal and its square root exist as float32
PAIR_BYTES = 64  # weight, gradient, two moments, identity, date and flag of a pair, and what drawing it takes


def divisor(value: Any, where: str, **more: Any) -> float:
    """A positive number by which models divide, in single precision too: as float32 it must not be 0.

    Raises
    ------
    ParameterError
        Naming `where` and the value.
    """
    return number(value, where, above=TINY, **more)


def shape_of(what: str, value: Any) -> tuple[int, ...]:
    """A shape: one or more whole numbers of at least 1.

    Raises
    ------
    ParameterError
        Naming the argument and its value.
    """
    good = isinstance(value, (tuple, list, np.ndarray)) and len(value) > 0
    if good and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in value):
        return tuple(int(n) for n in value)
    hint = f": write ({int(value)},)" if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else ""
    raise ParameterError(
        f"{what} must be (n,) or (height, width, channels), whole numbers of at least 1, got {shown(value)}{hint}"
    )


def call_named(layer: Any, call: Callable[[Any], Any], signal: Any) -> Any:
    """What a layer of a user's own, or its pullback, makes of a signal.

    Raises
    ------
    ParameterError
        Naming the layer, if it fails.
    """
    try:
        return call(signal)
    except NeurodevError:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError) as e:
        who = f"{layer.name or 'a layer'} ({type(layer).__name__}){'' if call is layer else ', its pullback,'}"
        of = f"{signal.steps} steps of {signal.batch} samples of shape {signal.shape}"
        raise ParameterError(f"{who} failed on {of}: {type(e).__name__}: {e}") from e
