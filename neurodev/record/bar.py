"""How far a long run is: a bar on a terminal, a line every ten seconds elsewhere, nothing where nobody listens."""

from __future__ import annotations

import sys
import time
from typing import Any

_EVERY = 10.0  # s, between lines where there is no terminal


def _say(stream: Any, line: str) -> bool:
    """Write a line; False where it cannot be written."""
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except (OSError, ValueError):
        return False
    return True


class Bar:
    """Progress on stderr.

    Parameters
    ----------
    total : float
        In any unit; `update` takes the same.
    begin : str
        What is said first.
    on : bool
        Whether anything is said at all.
    lines : bool
        Whether `update` and `close` write lines where there is no terminal, beside those of `line`.
    """

    def __init__(self, total: float, begin: str = "", on: bool = True, lines: bool = True) -> None:
        self._total, self._done, self._text, self._lines = total, 0.0, begin, lines
        self._start = self._said = time.perf_counter()
        self._stream: Any = sys.stderr if on else None  # None in a program without a console
        self._bar: Any = None
        try:
            terminal = self._stream is not None and bool(self._stream.isatty())
        except (AttributeError, ValueError, OSError):  # closed, or something that only writes
            terminal = False
        if terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, bar_format="{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}<{remaining}]",
                mininterval=0.1, leave=True, file=self._stream, dynamic_ncols=True,
            )  # fmt: skip
            self._bar.set_description_str(begin, refresh=True)

    @property
    def shown(self) -> bool:
        """Whether anybody sees it."""
        return self._bar is not None or self._stream is not None

    def update(self, done: float, text: str) -> None:
        """Show how much is done, and some words."""
        self._done, self._text = done, text
        if self._bar is not None:
            self._bar.set_description_str(text, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._lines and self._stream is not None and time.perf_counter() - self._said >= _EVERY:
            self._line()

    def line(self, text: str) -> None:
        """Write a line now, where there is no terminal."""
        self._text = text
        if self._bar is None and self._stream is not None:
            self._line()

    def _line(self) -> None:
        now = time.perf_counter()
        share = 100.0 * self._done / self._total if self._total > 0 else 100.0
        if not _say(self._stream, f"{share:3.0f}% {self._text} [{now - self._start:.0f} s]"):
            self._stream = None
        self._said = now

    def close(self) -> None:
        """Leave the last line."""
        if self._bar is not None:
            self._bar.close()
        elif self._stream is not None:
            if self._lines:
                self._line()
            self._stream = None
