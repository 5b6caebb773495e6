"""Every error that neurodev raises on purpose, and the sentence behind each kernel status."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class NeurodevError(Exception):
    """Base of all errors raised by neurodev.

    Examples
    --------
    >>> try:
    ...     nd.LIF(tau=-1.0)
    ... except nd.NeurodevError as error:
    ...     print(error)
    ...
    LIF.tau must be > 0.0 ms, got -1.0
    """


class ParameterError(NeurodevError, ValueError):
    """An argument is out of range, of the wrong shape, or not finite."""


class BuildError(NeurodevError, ValueError):
    """The parts of a network or study do not fit together."""


class StudyError(NeurodevError, ValueError):
    """A study file has an unknown key or a value that cannot be read."""


class RunFileError(NeurodevError, OSError):
    """A run file is missing, truncated, foreign, or written by a newer version."""


class InvariantError(NeurodevError, AssertionError):
    """`verify` re-derived an invariant from scratch and it did not hold."""


class SimulationError(NeurodevError, RuntimeError):
    """A running simulation cannot go on (for example a runaway beyond its event budget)."""


class Status(IntEnum):
    """What a kernel returns: kernels never raise."""

    DONE = 0
    LOG_FULL = 1
    AGENDA_FULL = 2
    CROSSING_FULL = 3
    RECORD_FULL = 4
    EVENT_BUDGET = 5
    STUCK = 6
    INPUT_FULL = 7
    SPIKES_FULL = 8


def nearest(word: str, candidates: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the candidate nearest to `word`, or an empty string."""
    known = list(candidates)
    same = [name for name in known if name.casefold() == word.casefold()]  # case alone is nearer than any letter
    found = same or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


def shown(value: object, most: int = 80) -> str:
    """A value as an error shows it: on one line, cut where it is long, whatever its `repr` does."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an integer of 5000 digits, a class whose repr fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[:most] + "..."
