"""One epoch in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Epoch:
    """Numbers of one epoch: `series` by name (as in the run file)."""

    number: int
    series: dict[str, float]

    def __getattr__(self, name: str) -> float:
        try:
            return self.series[name]
        except KeyError:
            raise AttributeError(f"no series {name!r}; this epoch has {sorted(self.series)}") from None


def complete(history: Sequence[Epoch]) -> None:
    """Let every epoch have every series: NaN where it has no number (a rate that nobody could measure)."""
    names = dict.fromkeys(name for epoch in history[-2:] for name in epoch.series)
    for epoch in history:
        if len(epoch.series) < len(names):
            epoch.series |= {name: float("nan") for name in names if name not in epoch.series}
