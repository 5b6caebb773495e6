"""Schedules that count epochs or steps, where those of `optim` go by the share of the run.

A schedule is a function of the share of the run in [0, 1].  One that has an attribute `per` is called with the epochs
(with their parts: 1.5) or the steps that have passed; where a method has a schedule of its own (LTH's rounds), with
those of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, shown
from neurodev.params import number, one_of, whole
from neurodev.registry import registered, takes

PER = ("run", "epoch", "step")


@dataclass(frozen=True)
class Counted:
    """A function of what has passed, in epochs or steps.

    Parameters
    ----------
    function : callable
    per : {"run", "epoch", "step"}
    """

    function: Callable[[float], float]
    per: str

    def __call__(self, passed: float) -> float:
        """The factor."""
        return self.function(passed)


@registered("schedule")
def per_epoch(function: Callable[[float], float]) -> Counted:
    """One's own function of the epochs that have passed, 1.5 in the middle of the second.

    Examples
    --------
    >>> per_epoch(lambda epoch: 0.9 ** epoch)(2.0)
    0.81
    """
    return Counted(_function(function), "epoch")


@registered("schedule")
def per_step(function: Callable[[float], float]) -> Counted:
    """One's own function of the steps that have passed.

    Examples
    --------
    >>> from neurodev.learn import per_step
    >>> per_step(lambda steps: 1 / (1 + steps))(3)
    0.25
    """
    return Counted(_function(function), "step")


def _function(function: Any) -> Any:
    if not callable(function) or isinstance(function, type):
        raise ParameterError(f"function must be a function of what has passed, got {shown(function)}")
    return takes("function", function, "passed")


@registered("schedule")
def milestones(at: Sequence[float], factor: float = 0.1, per: str = "epoch") -> Counted:
    """Times `factor` at each of some moments.

    Parameters
    ----------
    at : sequence of float
        Epochs or steps, ascending.
    factor : float
    per : {"epoch", "step", "run"}

    Examples
    --------
    >>> milestones([30, 60])(45.0)
    0.1
    """
    if not isinstance(at, (list, tuple, np.ndarray)) or np.ndim(at) != 1:
        raise ParameterError(f"at must be a list of moments, such as [30, 60], got {shown(at)}")
    moments = [number(m, "at", above=0.0) for m in at]
    if not moments or any(b <= a for a, b in zip(moments, moments[1:], strict=False)):
        raise ParameterError(f"at must be moments that ascend, such as [30, 60], got {shown(at)}")
    factor, per = number(factor, "factor", low=0.0), one_of(per, "per", PER)
    return Counted(lambda passed: factor ** sum(passed >= m - 1e-9 for m in moments), per)


@registered("schedule")
def stairs(every: int, factor: float = 0.1, per: str = "epoch") -> Counted:
    """Times `factor` after so many epochs or steps, again and again.

    Parameters
    ----------
    every : int
    factor : float
    per : {"epoch", "step"}

    Examples
    --------
    >>> stairs(10, 0.5)(25.0)
    0.25
    """
    every, factor = whole(every, "every", 1), number(factor, "factor", low=0.0)
    return Counted(lambda passed: factor ** math.floor(passed / every + 1e-9), one_of(per, "per", PER[1:]))


@registered("schedule")
def warm_up(length: float = 1, final: float = 1.0, per: str = "epoch", until: int | None = None) -> Counted:
    """A linear rise over so many epochs or steps; then 1, or half a cosine down to `final` by the end.

    Parameters
    ----------
    length : float
        In epochs or steps.
    final : float
        Factor at the end, in [0, 1].
    per : {"epoch", "step"}
    until : int, optional
        When the end is, in the same unit; needed where `final` is not 1.

    Examples
    --------
    >>> rise = warm_up(2)
    >>> rise(1.0), rise(5.0)
    (0.5, 1.0)
    """
    length, final = number(length, "length", above=0.0), number(final, "final", low=0.0, high=1.0)
    per = one_of(per, "per", PER[1:])
    if final < 1.0 and until is None:
        raise ParameterError(f"until must say when the cosine reaches final={final:g}")
    end = math.inf if until is None else float(whole(until, "until", 1))
    if end <= length:
        raise ParameterError(f"until={until} must be more than length={length:g}")

    def factor(passed: float) -> float:
        if passed < length:
            return passed / length
        if final == 1.0:
            return 1.0
        x = min((passed - length) / (end - length), 1.0)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * x))

    return Counted(factor, per)
