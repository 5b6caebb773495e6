"""Stretches of life in the unit that a reader would choose, and what an experimenter did when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# (days, word) from the longest; milliseconds for all that is shorter
UNITS: tuple[tuple[float, str], ...] = (
    (1.0, "day"), (1 / 24, "hour"), (1 / 1440, "minute"), (1 / 86400, "second"), (1 / 86400e3, "ms"),
)  # fmt: skip
_DONE = re.compile(r"([-+.\deE]+) ms of spikes: (.*)\Z", re.DOTALL)


def unit_of(days: float) -> tuple[float, str]:
    """The unit in which a stretch of life is told: its length in days, and its word."""
    return next(((size, word) for size, word in UNITS if abs(days) >= size * (1 - 1e-6)), UNITS[-1])


def lasting(days: float) -> str:
    """A stretch of life in words.

    Examples
    --------
    >>> lasting(30.0), lasting(1 / 24), lasting(1.5 / 86400)
    ('30 days', '1 hour', '1.5 seconds')
    """
    size, word = unit_of(days)
    number = f"{days / size:.4g}"
    return f"{number} {word}{'' if number == '1' or word == 'ms' else 's'}"


def moment(days: float, end: float) -> str:
    """A moment of a run that lasts until `end`, days: by its day, or by what has passed where that is shorter."""
    if end >= 1.0 - 1e-6:
        return f"on day {days:.1f}"
    return f"after {lasting(days)}" if days > 0 else "at the start"


class Deed(NamedTuple):
    """What an experimenter did, and when: days of life."""

    day: float
    text: str


def deeds(words: Iterable[str], tick_spike: float, tick_days: float) -> list[Deed]:
    """The interventions of a run file, in the order of their times.

    Parameters
    ----------
    words : iterable of str
        As the file holds them: ``"5 ms of spikes: Lesion b"``.
    tick_spike : float, ms
        Spike time of a tick.
    tick_days : float, days
        Life time of a tick.
    """
    found = [m for w in words if (m := _DONE.match(str(w)))]
    made = (Deed(float(m[1]) / tick_spike * tick_days, m[2]) for m in found)
    return sorted(made, key=lambda deed: deed.day)  # of one moment in the order in which they were asked for, and done
