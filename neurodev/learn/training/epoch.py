"""One epoch in numbers."""

from __future__ import annotations

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
