"""The slow truth of SD-SNN's controller."""

import math


def expected_units(n: int, percent: float, rate: float, n_next: int, epochs: int, late: float = 0.00075) -> list[int]:
    """Pruned units after each pruning epoch if nothing regenerates."""
    out = []
    for k in range(epochs):
        pruned = math.floor(n * percent / 100 + 1e-9)
        out.append(pruned)
        alpha = rate * math.exp(-k) if k <= 23 else late
        percent += alpha * (n - pruned) / n_next
    return out
