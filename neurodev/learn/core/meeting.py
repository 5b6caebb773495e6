"""Where two halves of a batch meet: layers that couple its samples bring sums, and each half goes on with both.

Each half runs in a thread of its own.  Where only one thread is to work at a time they take turns, from one meeting to
the next: what comes out is the same.  All that passes between them goes through two queues, so that a half which is
interrupted anywhere leaves nothing locked.
"""

from __future__ import annotations

import contextvars
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from neurodev.errors import ParameterError


class Deserted(Exception):
    """The other half failed, and will not come."""


class _Word(NamedTuple):
    """What one half tells the other: what it brings to which meeting, or that it has left."""

    what: Any
    meeting: str
    left: bool = False
    failed: bool = False


class Meeting:
    """A place for two.

    Parameters
    ----------
    turns : bool
        Whether only one of them works at a time.
    """

    def __init__(self, turns: bool):
        self._turns = turns
        self._told: tuple[SimpleQueue[_Word], SimpleQueue[_Word]] = SimpleQueue(), SimpleQueue()
        self._next: _Word | None = None  # with turns: what half 0 has told, when half 1 has its turn

    def come(self, side: int) -> None:
        """Begin: with turns, half 1 waits for the first meeting of half 0."""
        if self._turns and side == 1:
            self._next = self._told[1].get()

    def bring(self, side: int, meeting: str, mine: Any) -> tuple[Any, Any]:
        """What halves 0 and 1 bring to a meeting, which has a name.

        Raises
        ------
        Deserted
            If the other half failed.
        ParameterError
            If it goes another way through the model.
        """
        if not self._turns or side == 0:
            self._told[1 - side].put(_Word(mine, meeting))
            theirs = _checked(self._told[side].get(), meeting)
        else:  # the other has told its part, and waits for this one
            assert self._next is not None
            theirs = _checked(self._next, meeting)
            self._told[0].put(_Word(mine, meeting))
            self._next = self._told[1].get()
        return (mine, theirs) if side == 0 else (theirs, mine)

    def leave(self, side: int, failed: bool) -> None:
        """End; as often as one likes."""
        self._told[1 - side].put(_Word(None, "", left=True, failed=failed))


class Seat:
    """Whoever sits at a meeting leaves it when this goes: an interruption may skip everything else."""

    def __init__(self, meeting: Meeting, side: int):
        self._leave = partial(meeting._told[1 - side].put, _Word(None, "", left=True, failed=True))

    def __del__(self) -> None:
        if "_leave" in vars(self):
            self._leave()


def _checked(word: _Word, meeting: str) -> Any:
    """What the other half brings to this meeting."""
    if word.failed:
        raise Deserted
    if word.meeting != meeting:
        raise ParameterError(
            f"the halves of a batch go different ways: one is at {meeting}, the other "
            f"{'has ended' if word.left else f'at {word.meeting}'}; a layer whose way depends on its samples needs "
            "coupled = True, without meets, so that batches go through whole"
        )
    return word.what


class Half:
    """One half of a batch, at its meeting; a batch by itself without one.

    Examples
    --------
    >>> Half().sum("how many", 2.0)
    2.0
    """

    def __init__(self, meeting: Meeting | None = None, side: int = 0):
        self.meeting, self.side = meeting, side

    @property
    def first(self) -> bool:
        """Whether this half, or nobody else, changes what both share."""
        return self.side == 0

    def both(self, meeting: str, mine: Any) -> tuple[Any, ...]:
        """What half 0 and half 1 bring; of a batch by itself that alone."""
        return (mine,) if self.meeting is None else self.meeting.bring(self.side, meeting, mine)

    def sum(self, meeting: str, mine: Any) -> Any:
        """What this half and the other bring, added in an order which both have."""
        one, *two = self.both(meeting, mine)
        return one + two[0] if two else one


_ALONE = Half()
HALF: contextvars.ContextVar[Half] = contextvars.ContextVar("half", default=_ALONE)
