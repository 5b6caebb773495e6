"""Maps: receptive fields and topography."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F8 = NDArray[np.float64]


def central(positions: F8, width: float, height: float, share: float = 0.7) -> NDArray[np.bool_]:
    """Cells in the central `share` of the sheet in each direction."""
    centre, half = np.array([width, height]) / 2, share * np.array([width, height]) / 2
    return np.asarray(np.all(np.abs(positions - centre) <= half, axis=1))


def centroids(pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, n_target: int) -> tuple[F8, F8, F8]:
    """Weighted centroid (n, 2), weighted rms radius (n,) and total weight (n,) of every target's inputs, um.

    Targets without weight hold NaN.
    """
    i, j = np.asarray(pre, dtype=np.int64), np.asarray(post, dtype=np.int64)
    w = np.abs(np.asarray(weight, dtype=float))
    total = np.bincount(j, w, minlength=n_target)
    with np.errstate(invalid="ignore", divide="ignore"):
        c = np.column_stack([np.bincount(j, w * source[i, k], minlength=n_target) / total for k in (0, 1)])
        d2 = ((source[i] - c[j]) ** 2).sum(axis=1)
        radius: F8 = np.sqrt(np.bincount(j, w * d2, minlength=n_target) / total)
    return c, radius, np.asarray(total, dtype=np.float64)


def packing_floor(n_inputs: float, spacing: float) -> float:
    """Smallest rms radius of `n_inputs` different cells on a grid: a filled disc, ``sqrt(n / (2 pi)) spacing``."""
    return float(np.sqrt(n_inputs / (2.0 * np.pi)) * spacing)


def grid_spacing(positions: F8) -> float:
    """Mean spacing of cells that cover their bounding sheet evenly, um."""
    span = positions.max(axis=0) - positions.min(axis=0)
    nx = np.unique(np.round(positions[:, 0], 3)).size
    ny = np.unique(np.round(positions[:, 1], 3)).size
    if nx * ny == positions.shape[0] and nx > 1 and ny > 1:
        return float(np.mean([span[0] / (nx - 1), span[1] / (ny - 1)]))
    return float(np.sqrt(span[0] * span[1] / positions.shape[0]))


def field_summary(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, target: F8, width: float, height: float
) -> dict[str, float]:
    """Mean field radius, its packing floor, and the topographic error, over the central 70 % of the sheet (um)."""
    c, radius, total = centroids(pre, post, weight, source, target.shape[0])
    use = central(target, width, height) & (total > 0)
    if not use.any():
        return {"radius": float("nan"), "floor": float("nan"), "error": float("nan"), "inputs": 0.0}
    count = np.bincount(np.asarray(post, dtype=np.int64), minlength=target.shape[0])
    error = np.sqrt(((c - target) ** 2).sum(axis=1))
    inputs = float(count[use].mean())
    return {
        "radius": float(radius[use].mean()),
        "floor": packing_floor(inputs, grid_spacing(source)),
        "error": float(error[use].mean()),
        "inputs": inputs,
    }


def second_peak_share(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, chosen: NDArray[np.bool_], smooth: float = 50.0,
    apart: float = 200.0,
) -> float:  # fmt: skip
    """Share of the chosen targets whose smoothed field has a second peak, `apart` um away, above half the first."""
    i, j = np.asarray(pre, dtype=np.int64), np.asarray(post, dtype=np.int64)
    w = np.abs(np.asarray(weight, dtype=float))
    d2 = ((source[:, None] - source[None]) ** 2).sum(axis=2)
    blur = np.exp(-d2 / (2 * smooth**2))
    near = (d2 > 0) & (d2 <= (1.5 * grid_spacing(source)) ** 2)
    far = d2 >= apart**2
    found = 0
    for n in np.flatnonzero(chosen):
        mine = j == n
        field = blur[:, i[mine]] @ w[mine]
        first = int(np.argmax(field))
        peak = field >= np.where(near, field[None, :], -np.inf).max(axis=1)
        found += bool(np.any(peak & far[first] & (field > 0.5 * field[first])))
    return found / max(int(chosen.sum()), 1)
