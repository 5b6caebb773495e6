"""Signals that wait: Ctrl-C and a request to end act when what is written is whole."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any

_HELD = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name))


class Patience:
    """Holds back Ctrl-C and SIGTERM; `check` lets them act, and so does the end of the ``with`` statement.

    Ctrl-C is a `KeyboardInterrupt`, SIGTERM a `SystemExit` with its usual status, 143; handlers that a program has set
    itself are called.  Only the main thread of a program may handle signals; elsewhere nothing is changed.  What one
    within another still holds at its end, the outer one holds on.

    Examples
    --------
    >>> with Patience() as patience:
    ...     patience.check()
    """

    def __init__(self) -> None:
        self._asked: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Patience:
        if threading.current_thread() is threading.main_thread():
            for number in _HELD:
                handler = signal.getsignal(number)
                # Ctrl-C ends a run also in a shell's background; None belongs to another language
                if handler is not None and (handler != signal.SIG_IGN or number == signal.SIGINT):
                    self._before[number] = handler
                    signal.signal(number, self._note)
                    if (outer := self._outer(handler)) is not None:  # what was asked before acts at the next look
                        while number in outer._asked:
                            outer._asked.remove(number)
                            self._asked.append(number)
        return self

    def _note(self, number: int, frame: Any) -> None:
        self._asked.append(number)

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._asked)

    def check(self) -> None:
        """Let act what was held back.

        Raises
        ------
        KeyboardInterrupt, SystemExit
        """
        while self._asked:
            number = self._asked.pop(0)
            handler = self._before.get(number)
            if callable(handler) and self._outer(handler) is None:
                handler(number, None)
            elif number == signal.SIGINT:
                raise KeyboardInterrupt
            else:
                raise SystemExit(128 + number)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for number in self._asked.copy():
            if (outer := self._outer(self._before.get(number))) is not None:
                outer._asked.append(number)
                self._asked.remove(number)
        if error is None:
            self.check()

    @staticmethod
    def _outer(handler: Any) -> Patience | None:
        """The one that holds signals around this one, if there is one."""
        owner = getattr(handler, "__self__", None)
        return owner if isinstance(owner, Patience) else None
