"""Maps: receptive fields and topography."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurodev.arrays import F8
from neurodev.metrics.given import ends, indices, metric

NAN = float("nan")


@metric
def central(positions: F8, width: float, height: float, share: float = 0.7) -> NDArray[np.bool_]:
    """Whether each cell (n, 2) um lies in the central `share` of the sheet in each direction, (n,)."""
    centre, half = np.array([width, height]) / 2, share * np.array([width, height]) / 2
    return np.asarray(np.all(np.abs(np.asarray(positions) - centre) <= half, axis=1))


@metric
def centroids(pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, n_target: int) -> tuple[F8, F8, F8]:
    """Weighted centroid, rms radius about it, and total weight of every target's inputs.

    Parameters
    ----------
    pre, post, weight : (n_synapse,) array_like
        Source, target and weight of each synapse; the sign of a weight does not count.
    source : (n_source, 2) ndarray, um
        Positions of the sources.
    n_target : int

    Returns
    -------
    centroid, radius, total : (n_target, 2) um, (n_target,) um, (n_target,)
        Targets without weight hold NaN.
    """
    i, j = ends(pre, post, len(source), n_target)
    w = np.abs(np.asarray(weight, dtype=float))
    total = np.bincount(j, w, minlength=n_target)
    with np.errstate(invalid="ignore", divide="ignore"):
        c = np.column_stack([np.bincount(j, w * source[i, k], minlength=n_target) / total for k in (0, 1)])
        d2 = ((source[i] - c[j]) ** 2).sum(axis=1)
        # a synapse of weight 0 on a target without any weight has no distance, and must not spread NaN
        d2 = np.where(w > 0, d2, 0.0)
        radius: F8 = np.sqrt(np.bincount(j, w * d2, minlength=n_target) / total)
    return c, radius, np.asarray(total, dtype=np.float64)


@metric
def packing_floor(n_inputs: float, spacing: float) -> float:
    """Smallest rms radius (um) of `n_inputs` cells on a grid: a filled disc, ``sqrt(n / (2 pi)) spacing``.

    n cells at `spacing` cover a disc of radius ``sqrt(n / pi) spacing``, whose rms radius is that over sqrt(2).
    """
    return float(np.sqrt(n_inputs / (2.0 * np.pi)) * spacing)


@metric
def grid_spacing(positions: F8) -> float:
    """Mean spacing (um) of cells (n, 2) that cover their bounding sheet evenly; NaN for fewer than two."""
    p = np.asarray(positions, dtype=float)
    if p.shape[0] < 2:
        return NAN
    span = p.max(axis=0) - p.min(axis=0)
    nx, ny = (np.unique(np.round(p[:, k], 3)).size for k in (0, 1))
    if nx * ny == p.shape[0] and nx > 1 and ny > 1:
        return float(np.mean([span[0] / (nx - 1), span[1] / (ny - 1)]))
    if min(span) <= 0:  # a line of cells
        return float(max(span) / (p.shape[0] - 1))
    return float(np.sqrt(span[0] * span[1] / p.shape[0]))


@metric
def field_radii(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, target: F8, width: float, height: float
) -> F8:
    """Rms radius (um) of the field of each target of the central 70 % of the sheet that has any weight, (n,)."""
    _, radius, total = centroids(pre, post, weight, source, target.shape[0])
    return np.asarray(radius[central(target, width, height) & (total > 0)], dtype=np.float64)


@metric
def field_summary(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, target: F8, width: float, height: float
) -> dict[str, float]:
    """Mean field radius, its packing floor, topographic error and spread, over the central 70 % of the sheet (um).

    Parameters
    ----------
    pre, post, weight : (n_synapse,) array_like
    source, target : (n_source, 2), (n_target, 2) ndarray, um
    width, height : float, um
        Of the sheet.

    Returns
    -------
    dict
        ``radius``; ``floor`` for the mean number of ``inputs``; ``error``, the mean distance of a centroid from its
        neuron; ``spread``, that of the centroids over that of the positions (below 1: the map is contracted).
    """
    c, radius, total = centroids(pre, post, weight, source, target.shape[0])
    use = central(target, width, height) & (total > 0)
    if not use.any():
        return {"radius": NAN, "floor": NAN, "error": NAN, "inputs": 0.0, "spread": NAN}
    count = np.bincount(indices(post, "post", target.shape[0]), minlength=target.shape[0])
    error = np.sqrt(((c - target) ** 2).sum(axis=1))
    inputs = float(count[use].mean())
    apart = float(np.sqrt(target[use].var(axis=0).sum()))
    return {
        "radius": float(radius[use].mean()),
        "floor": packing_floor(inputs, grid_spacing(source)),
        "error": float(error[use].mean()),
        "inputs": inputs,
        "spread": float(np.sqrt(c[use].var(axis=0).sum())) / apart if apart > 0 else NAN,
    }


@metric
def topographic_error(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, target: F8, chosen: NDArray[np.bool_] | None = None
) -> float:
    """Mean distance (um) between the centroid of a target's inputs and its own position; NaN if none has inputs."""
    c, _, total = centroids(pre, post, weight, source, target.shape[0])
    use = total > 0 if chosen is None else (total > 0) & chosen
    return float(np.sqrt(((c - target) ** 2).sum(axis=1))[use].mean()) if use.any() else NAN


@metric
def smoothed_fields(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, n_target: int, smooth: float = 50.0
) -> F8:
    """Weight of each target at each source, blurred by a Gaussian of sd `smooth` um: (n_target, n_source)."""
    n = source.shape[0]
    i, j = ends(pre, post, n, n_target)
    flat = np.bincount(j * n + i, np.abs(np.asarray(weight, dtype=float)), minlength=n_target * n)
    d2 = ((source[:, None] - source[None]) ** 2).sum(axis=2)
    return np.asarray(flat.reshape(n_target, n) @ np.exp(-d2 / (2.0 * smooth**2)), dtype=np.float64)


@metric
def second_peak_share(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, chosen: NDArray[np.bool_], smooth: float = 50.0,
    apart: float = 200.0,
) -> float:  # fmt: skip
    """Share of the chosen targets whose smoothed field has a second peak, `apart` um away, above half the first.

    Parameters
    ----------
    pre, post, weight : (n_synapse,) array_like
    source : (n_source, 2) ndarray, um
    chosen : (n_target,) bool ndarray
    smooth, apart : float, um

    Returns
    -------
    float
        Targets without weight are left out; NaN if none is left.  Diffuse fields of single strong synapses score
        high as well: a high share is not yet a periodic field.
    """
    fields = smoothed_fields(pre, post, weight, source, chosen.size, smooth)[chosen]
    fields = fields[fields.max(axis=1, initial=0.0) > 0]
    if not fields.shape[0]:
        return NAN
    d2 = ((source[:, None] - source[None]) ** 2).sum(axis=2)
    near = (d2 > 0) & (d2 <= (1.5 * grid_spacing(source)) ** 2)
    far = d2 >= apart**2
    # the neighbours of each source, as many columns as the one with most has: the others have none in them
    n, most = near.shape[0], int(near.sum(axis=1).max(initial=0))
    beside = np.sort(np.where(near, np.arange(n), n), axis=1)[:, :most]
    found = 0
    for field in fields:
        first = int(np.argmax(field))
        peak = field >= np.append(field, -np.inf)[beside].max(axis=1, initial=-np.inf)
        found += bool(np.any(peak & far[first] & (field > 0.5 * field[first])))
    return float(found / fields.shape[0])


@metric
def ring_profile(
    pre: ArrayLike, post: ArrayLike, weight: ArrayLike, source: F8, chosen: NDArray[np.bool_], width: float = 50.0,
    rings: int = 8,
) -> F8:  # fmt: skip
    """Mean weight per cell in rings about the peak of each chosen field, relative to the innermost, (rings,).

    The peak is that of the field smoothed with `width` um; ring k holds cells from ``(k - 1/2)`` to ``(k + 1/2)``
    widths (um) away, the first those nearer than half a width.  A side lobe would show as a second maximum.
    """
    n, m = chosen.size, source.shape[0]
    i, j = ends(pre, post, m, n)
    raw = np.bincount(j * m + i, np.abs(np.asarray(weight, dtype=float)), minlength=n * m).reshape(n, m)[chosen]
    fields = smoothed_fields(pre, post, weight, source, n, width)[chosen]
    ring = np.rint(np.sqrt(((source[:, None] - source[None]) ** 2).sum(axis=2)) / width).astype(np.int64)
    total, cells = np.zeros(rings), np.zeros(rings)
    for field, w in zip(fields, raw, strict=True):
        if field.max() > 0:
            mine = ring[int(np.argmax(field))]
            inside = mine < rings
            total += np.bincount(mine[inside], w[inside], minlength=rings)
            cells += np.bincount(mine[inside], minlength=rings)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = total / cells
        return np.asarray(profile / profile[0], dtype=np.float64)
