"""The order in which things act, whatever the order in which they were declared.

Mechanisms of a place act, and are asked for plans, in the order of the codes of their first causes
(`neurodev.ours`); those that declare none of ours follow, by name; who reads a column comes after its owner.  Where two
of them ask for one death the cause of the first is told, and of two births on one pair the first is made.  Populations
go by name; projections too, first those that use mechanisms: in this order their synapses take their uids, initial ones
and newborn ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurodev.engine.network import Population, Projection
from neurodev.mechanisms.base import Mechanism
from neurodev.structure.cause import CAUSES

_PLACES = {word: code for code, word in enumerate(CAUSES)}


def _place(m: Mechanism) -> tuple[int, str, str]:
    codes = (_PLACES[word] for word in m.causes if word in _PLACES)
    return min(codes, default=len(CAUSES)), m.name, repr(m)


def acting(mechanisms: Sequence[Mechanism]) -> list[Mechanism]:
    """Mechanisms of one place, in the order in which they act."""
    if len(mechanisms) < 2:
        return list(mechanisms)
    waiting, out = sorted(mechanisms, key=_place), []
    while waiting:
        free = [m for m in waiting if not any(set(m.reads) & set(x.owns) for x in waiting if x is not m)]
        out.append((free or waiting)[0])  # two that read each other's columns: by their places
        waiting.remove(out[-1])
    return out


def populations_in_order(populations: Iterable[Population]) -> list[Population]:
    """Populations, in the order in which their mechanisms act."""
    return sorted(populations, key=lambda p: p.name)


def projections_in_order(projections: Iterable[Projection]) -> list[Projection]:
    """Projections, in the order in which their mechanisms act and their synapses take uids."""
    return sorted(projections, key=lambda q: (not q.plastic, q.name))
