"""How far a training is: one bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from neurodev.learn.training.epoch import Epoch


class Progress:
    """Shown on the standard error while epochs go by.

    Parameters
    ----------
    total : int
        Steps to do.
    epochs : int
        Planned in all, for the lines.
    on : bool
    """

    def __init__(self, total: int, epochs: int, on: bool) -> None:
        self._epochs = epochs
        self._bar: Any = None
        self._lines = on and sys.stderr is not None and not self._terminal()
        if on and self._terminal():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="step", mininterval=0.5, file=sys.stderr)

    @staticmethod
    def _terminal() -> bool:
        try:
            return sys.stderr is not None and sys.stderr.isatty()
        except ValueError:  # closed
            return False

    def step(self, epoch: int, loss: float) -> None:
        """One step is done."""
        if self._bar is not None:
            self._bar.update()
            self._bar.set_postfix_str(f"epoch {epoch}, loss {loss:.4f}", refresh=False)

    def epoch(self, done: Epoch) -> None:
        """One epoch is done."""
        if self._lines:
            right = f"{100 * done.test_accuracy:.2f} % of the test samples"
            line = f"epoch {done.number} of {self._epochs}: loss {done.train_loss:.4f}, {right}"
            print(f"{line}, density {done.density:.3f}, {done.seconds:.1f} s", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the last line."""
        if self._bar is not None:
            self._bar.close()
