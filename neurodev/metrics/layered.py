"""The structure of layered networks: ways through them, units that are on none, and dimensions that weights span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.metrics.given import ends, floats, metric
from neurodev.params import check_memory, wholes

NAN = float("nan")


@outlined
class Layered(NamedTuple):
    """Layers of weights between floors of units, from input to output."""

    synapses: I8  #: of each layer, (n_layer,); pairs that are joined several times count once
    density: F8  #: share of the pairs that are joined
    deaf: I8  #: units of each floor without an input, (n_floor,); of the first 0
    mute: I8  #: units of each floor without an output; of the last 0
    idle: I8  #: units of each floor on no way from input to output
    paths: float  #: ways from any input to any output
    path_share: float  #: over those of the dense network
    effective_rank: F8  #: of the weights of each layer
    stable_rank: F8  #: squares of all singular values over that of the largest


@metric
def effective_ranks(matrix: ArrayLike) -> tuple[float, float]:
    """Effective rank (exp of the entropy of the shares of singular values) and stable rank of a matrix.

    NaN for a matrix of zeros.  Sources: Roy & Vetterli 2007, EUSIPCO; Rudelson & Vershynin 2007.
    """
    a = floats(matrix, "matrix", 2)
    if not np.isfinite(a).all():
        raise ParameterError("matrix must be finite")
    s = np.linalg.svd(a, compute_uv=False) if a.size else np.zeros(0)
    if not s.sum() > 0:
        return NAN, NAN
    share = s[s > 0] / s.sum()
    return float(np.exp(-(share * np.log(share)).sum())), float((s**2).sum() / s.max() ** 2)


@metric
def layered(layers: Sequence[Sequence[Any]], widths: ArrayLike, ranks: bool = True) -> Layered:
    """Structure of a network of layers that follow each other.

    Parameters
    ----------
    layers : sequence of (pre, post) or (pre, post, weight)
        Of each layer: sources, targets and weights of its synapses, (n_synapse,) each.
    widths : (n_floor,) array_like of int
        Units of each floor, from the input: one more than there are layers.
    ranks : bool
        Whether to reckon the ranks, which take a dense matrix of each layer.

    Returns
    -------
    Layered
        Ranks are those of the joined pairs (1 each) where no weights are given.

    Examples
    --------
    >>> found = layered([([0, 0, 1], [0, 1, 1]), ([0, 1], [0, 0])], [3, 2, 1])
    >>> found.paths, found.idle.tolist(), found.deaf.tolist(), found.mute.tolist()
    (3.0, [1, 0, 0], [0, 0, 0], [1, 0, 0])
    """
    from scipy import sparse

    n = wholes(widths, "widths")
    if n.ndim != 1 or n.size != len(layers) + 1 or n.size < 2 or np.any(n < 1):
        raise ParameterError(f"widths must be positive, one more than the {len(layers)} layers, got {shown(widths)}")
    check_memory(16.0 * float(n.astype(float).sum()), f"{n.max()} units", "give widths as numbers of units")
    weights, linked = [], []
    for k, layer in enumerate(layers):
        pre, post, *rest = layer
        i, j = ends(pre, post, n[k], n[k + 1])
        w = floats(rest[0], "weight", 1) if rest and rest[0] is not None else np.ones(i.size)
        if w.shape != i.shape:
            raise ParameterError(f"layer {k} must have a weight for each of {i.size} synapses, got shape {w.shape}")
        weights.append(sparse.coo_array((w, (i, j)), shape=(n[k], n[k + 1])).tocsr())
        here = sparse.coo_array((np.ones(i.size), (i, j)), shape=(n[k], n[k + 1])).tocsr()
        here.data[:] = 1.0
        linked.append(here)
    into = [np.ones(n[0])]  # ways from the input to each unit
    for m in linked:
        into.append(m.T @ into[-1])
    out = [np.ones(n[-1])]  # ways from each unit to the output
    for m in reversed(linked):
        out.insert(0, m @ out[0])
    deaf = [0, *(int((np.asarray(m.sum(axis=0)).ravel() == 0).sum()) for m in linked)]
    mute = [*(int((np.asarray(m.sum(axis=1)).ravel() == 0).sum()) for m in linked), 0]
    idle = [int(((a == 0) | (b == 0)).sum()) for a, b in zip(into, out, strict=True)]
    synapses = np.array([m.nnz for m in linked], dtype=np.int64)
    pairs = n[:-1].astype(float) * n[1:]
    found = [_ranks(m) if ranks else (NAN, NAN) for m in weights]
    paths = float(into[-1].sum())
    return Layered(
        synapses, synapses / pairs, np.array(deaf), np.array(mute), np.array(idle), paths,
        paths / float(np.prod(n.astype(float))), *(np.array([r[k] for r in found]) for k in (0, 1)),
    )  # fmt: skip


def _ranks(m: Any) -> tuple[float, float]:
    check_memory(40.0 * m.shape[0] * m.shape[1], "singular values of a layer", "give ranks=False")
    return effective_ranks(m.toarray())
