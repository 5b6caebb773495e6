"""Lists of a hundred million synapses are gone through in parts, so that nothing beside them is as long as they are."""

from __future__ import annotations

PART = 1 << 20  # synapses at once


def parts_of(n: int, least: int = 1) -> list[slice]:
    """Slices that cover `n` synapses, at least `least` of them at once."""
    at_once = max(PART, least)
    return [slice(first, min(first + at_once, n)) for first in range(0, n, at_once)]
