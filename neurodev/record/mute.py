"""A run file that keeps nothing: of a rank for which another one writes."""

from __future__ import annotations

from typing import Any

from neurodev.record.runfile import RunFile
from neurodev.structure.log import LogBatch


class Mute(RunFile):
    """Words are kept, which are few, in memory; arrays, logs and checkpoints are not."""

    def append(self, name: str, array: Any) -> None:
        """Let it go."""

    def append_log(self, projection: str, tick: int, batch: LogBatch) -> None:
        """Let it go."""

    def checkpoint(self, tick: int, data: bytes) -> None:
        """Let it go."""
