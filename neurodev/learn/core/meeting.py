"""Where two halves of a batch meet: layers that couple its samples bring sums, and each half goes on with both.

Each half runs in a thread of its own.  Where only one thread is to work at a time they take turns, from one meeting to
the next: what comes out is the same.
"""

from __future__ import annotations

import contextvars
import threading
from typing import Any


class Deserted(Exception):
    """The other half failed, and will not come."""


class Meeting:
    """A place for two.

    Parameters
    ----------
    turns : bool
        Whether only one of them works at a time.
    """

    def __init__(self, turns: bool):
        self._change = threading.Condition()
        self._turns, self._turn, self._deserted = turns, 0, False
        self._round = [0, 0]
        # of this round and of the last: who is ahead may bring again before the other has looked
        self._brought: list[list[Any]] = [[None, None], [None, None]]

    def come(self, side: int) -> None:
        """Begin: with turns, half 1 waits for the first meeting of half 0."""
        with self._change:
            self._wait(lambda: True, side)

    def bring(self, side: int, what: Any) -> tuple[Any, Any]:
        """What halves 0 and 1 bring to this meeting.

        Raises
        ------
        Deserted
        """
        with self._change:
            now, other = self._round[side], 1 - side
            self._brought[now % 2][side] = what
            self._round[side] += 1
            self._pass_on(other)
            self._wait(lambda: self._round[other] > now, side)
            return self._brought[now % 2][0], self._brought[now % 2][1]

    def leave(self, side: int, failed: bool) -> None:
        """End."""
        with self._change:
            self._deserted |= failed
            self._pass_on(1 - side)

    def _pass_on(self, other: int) -> None:
        self._turn = other
        self._change.notify_all()

    def _wait(self, met: Any, side: int) -> None:
        while not (met() and (not self._turns or self._turn == side)):
            if self._deserted:
                raise Deserted
            self._change.wait()


class Half:
    """One half of a batch, at its meeting; a batch by itself without one.

    Examples
    --------
    >>> Half().sum(2.0)
    2.0
    """

    def __init__(self, meeting: Meeting | None = None, side: int = 0):
        self.meeting, self.side = meeting, side

    @property
    def first(self) -> bool:
        """Whether this half, or nobody else, changes what both share."""
        return self.side == 0

    def sum(self, mine: Any) -> Any:
        """What this half and the other bring, added in that order which both have."""
        if self.meeting is None:
            return mine
        one, two = self.meeting.bring(self.side, mine)
        return one + two


_ALONE = Half()
HALF: contextvars.ContextVar[Half] = contextvars.ContextVar("half", default=_ALONE)
