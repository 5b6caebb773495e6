"""Distances between cells, on a plane or on a sheet whose edges are joined."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8
from neurodev.structure.places import Sheet


def _shortest(d: F8, sheet: Sheet | None) -> F8:
    """Differences of places (..., 2) um, by the shortest way round where the sheet is periodic."""
    if sheet is None or not sheet.periodic:
        return d
    size = np.array([sheet.width, sheet.height])
    return np.asarray(d - size * np.rint(d / size))


def squares(source: F8, target: F8, sheet: Sheet | None) -> F8:
    """Squared distances, (n_target, n_source) um2."""
    return np.asarray((_shortest(target[:, None, :] - source[None, :, :], sheet) ** 2).sum(axis=2))


def apart(source: F8, target: F8, sheet: Sheet | None) -> F8:
    """Distance of each source from its target, (n,) um of (n, 2) um."""
    return np.asarray(np.sqrt((_shortest(target - source, sheet) ** 2).sum(axis=1)))


def longest(source: F8, target: F8, sheet: Sheet | None) -> float:
    """A distance that no source and target exceed, um."""
    if sheet is not None and sheet.periodic:
        return 0.5 * float(np.hypot(sheet.width, sheet.height))
    both = np.concatenate([source, target])
    return float(np.hypot(*(both.max(axis=0) - both.min(axis=0))))
