"""Several histories as one: animals, litters, repeats of a run."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from neurodev.errors import ParameterError
from neurodev.runs.history import History
from neurodev.runs.sightings import Seen


def joined(histories: Iterable[tuple[str, History]], name: str) -> History:
    """Several histories of one unit as one, told apart by a column.

    Raises
    ------
    ParameterError
        If their times are not of one unit.
    """
    parts = list(histories)
    units = {h.unit for _, h in parts}
    if len(units) > 1:
        raise ParameterError(f"histories in {' and '.join(sorted(units))}s cannot be joined: bring them to one unit")
    if not parts:
        raise ParameterError("there is no history to be joined")
    at = np.unique(np.concatenate([h.sessions for _, h in parts]))
    shared = set.intersection(*(set(h.columns) for _, h in parts))
    shift = np.cumsum([0, *(len(h) for _, h in parts)])
    seen = [
        Seen(np.searchsorted(at, h.sessions)[h.seen.session], h.seen.row + shift[k], h.seen.size)
        for k, (_, h) in enumerate(parts)
    ]
    order = np.argsort(np.concatenate([s.session for s in seen]), kind="stable")
    looked = None
    if any(h.looked is not None or h.sessions.size != at.size for _, h in parts):
        looked = np.zeros((shift[-1], at.size), dtype=bool)
        for k, (_, h) in enumerate(parts):
            rows = slice(shift[k], shift[k + 1])
            looked[rows, np.searchsorted(at, h.sessions)] = True if h.looked is None else h.looked
    columns = {c: np.concatenate([h.columns[c] for _, h in parts]) for c in sorted(shared)}
    columns[name] = np.concatenate([np.full(len(h), word) for word, h in parts])
    return History(
        np.concatenate([h.born for _, h in parts]), np.concatenate([h.died for _, h in parts]),
        max(h.end for _, h in parts), ident=np.array([f"{w}/{i}" for w, h in parts for i in h.ident]), sessions=at,
        seen=Seen(*(np.concatenate(x)[order] for x in zip(*seen, strict=True))), looked=looked, columns=columns,
        unit=units.pop(), size_unit=parts[0][1].size_unit, notes=tuple(x for _, h in parts for x in h.notes),
    )  # fmt: skip
