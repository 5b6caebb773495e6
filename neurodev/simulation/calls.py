"""A user's own code in a run: functions that it calls at regular times, and conditions under which it ends.

A function is known by its module and name.  One without such a name (a lambda, a function within a function, a method)
runs like any other, and a run that was broken off waits until it is given again; what it did nobody can repeat.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, shown
from neurodev.registry import takes
from neurodev.units import slack

Function = Callable[[Any], Any]


@dataclass
class Call:
    """A function, and when it is called: at ``first + k * period`` ms of spikes, k = 0, 1, ...

    Attributes
    ----------
    word : str
        ``"module:name"``; what it calls itself where no name leads to it.
    named : bool
        Whether its name leads to it.
    ends : bool
        Whether it is a condition, under which a run ends.
    function : callable or None
        None: it must be given again.
    done : int
        How often it was called.
    """

    word: str
    named: bool
    period: float
    first: float
    ends: bool
    function: Function | None
    done: int = 0

    @property
    def when(self) -> float:
        """The next time, ms of spikes."""
        return self.first + self.done * self.period

    def due(self, now: float) -> bool:
        """Whether it is to be called now."""
        return self.when <= now + slack(now)

    def told(self) -> list[Any]:
        """All of it but the function, as words and numbers."""
        return [self.word, self.named, self.period, self.first, self.ends, self.done]

    @classmethod
    def of_told(cls, told: list[Any], sources: Container[str]) -> Call:
        """The call behind `told`, with its function if that is imported and one of the sources that were looked at."""
        word, named, period, first, ends, done = told
        function = behind(str(word)) if named and word in sources else None
        return cls(str(word), bool(named), float(period), float(first), bool(ends), function, int(done))

    @property
    def missing(self) -> str:
        """How it is given again."""
        how = "until" if self.ends else "every"
        return f"{self.word!r}, by sim.{how}(...) with its period of {self.period:.12g} ms of spikes"


def behind(word: str) -> Function | None:
    """The function of a word, if its module is imported and has it."""
    module, _, name = word.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if callable(found) else None


def word_for(function: Any) -> tuple[str, bool]:
    """What a function is called, and whether that leads to it: ``"module:name"``."""
    maker = function.func if isinstance(function, partial) else function
    name = getattr(maker, "__qualname__", type(maker).__qualname__)
    word = f"{getattr(maker, '__module__', None) or type(maker).__module__}:{name}"
    return word, behind(word) is function


def called(function: Any, argument: str) -> Function:
    """A function that takes the simulation.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if not callable(function) or isinstance(function, type):
        raise ParameterError(f"{argument} must be a function that takes the simulation, got {shown(function)}")
    found: Function = takes(argument, function, "simulation")
    return found


def holds(answer: Any, word: str) -> bool:
    """Whether a condition holds, by what it answered.

    Raises
    ------
    ParameterError
        If that is neither True nor False.
    """
    if not isinstance(answer, (bool, np.bool_)):
        raise ParameterError(f"condition {word} must answer True or False, got {shown(answer)}")
    return bool(answer)
