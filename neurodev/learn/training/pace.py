"""The pace of a training: what is shown of it, and when signals act, which is between two steps."""

from __future__ import annotations

from types import TracebackType

from neurodev.record.bar import Bar
from neurodev.record.patience import Patience


class Pace:
    """A bar on a terminal, a line an epoch elsewhere; Ctrl-C and SIGTERM wait until a step, or what is written, ends.

    Parameters
    ----------
    steps : int
        To do.
    epochs : int
        Planned in all.
    on : bool
        Whether anything is shown.
    """

    def __init__(self, steps: int, epochs: int, on: bool) -> None:
        self._epochs, self._done = epochs, 0
        self._bar = Bar(steps, "the first step", on, lines=False)
        self._patience = Patience()

    def __enter__(self) -> Pace:
        self._patience.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()
        self._patience.__exit__(kind, error, at)

    def step(self, epoch: int, loss: float) -> None:
        """One step is done.

        Raises
        ------
        KeyboardInterrupt, SystemExit
            If somebody asked for it meanwhile.
        """
        self._done += 1
        self._bar.update(self._done, f"epoch {epoch} of {self._epochs}, loss {loss:.4f}")
        self.check()

    def epoch(self, epoch: int, text: str) -> None:
        """One epoch is done: a line about it where there is no terminal."""
        self._bar.line(f"epoch {epoch} of {self._epochs}, {text}")

    def check(self) -> None:
        """Let act what was asked for meanwhile, as long as somebody can still seal the file."""
        self._patience.check()
