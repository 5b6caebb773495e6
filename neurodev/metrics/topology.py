"""Topology: the graph as such, from lists of synapses.  A connectome and a trained network are read the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError
from neurodev.metrics.given import ends, floats, indices, metric

NAN = float("nan")


def _pairs(pre: ArrayLike, post: ArrayLike, n_target: int, n_source: int | None = None) -> tuple[I8, I8]:
    """Distinct pairs, coded ``pre * n_target + post`` and sorted, and the contacts of each."""
    i, j = ends(pre, post, n_source, n_target)
    code = i * n_target + j
    pairs, contacts = np.unique(code, return_counts=True)
    return pairs, contacts.astype(np.int64)


@metric
def degrees(pre: ArrayLike, post: ArrayLike, n_source: int, n_target: int) -> tuple[I8, I8]:
    """Synapses made by each source (n_source,) and received by each target (n_target,)."""
    i, j = ends(pre, post, n_source, n_target)
    out, into = np.bincount(i, minlength=n_source), np.bincount(j, minlength=n_target)
    return np.asarray(out, dtype=np.int64), np.asarray(into, dtype=np.int64)


@metric
def connection_density(pre: ArrayLike, post: ArrayLike, n_source: int, n_target: int) -> float:
    """Share of the possible pairs (all n_source x n_target) that have at least one synapse."""
    possible = n_source * n_target
    return _pairs(pre, post, n_target, n_source)[0].size / possible if possible else NAN


@metric
def contacts_per_pair(pre: ArrayLike, post: ArrayLike, n_target: int) -> I8:
    """Number of pairs with 0 (not counted: 0), 1, 2, ... contacts, (largest + 1,)."""
    return np.asarray(np.bincount(_pairs(pre, post, n_target)[1], minlength=1), dtype=np.int64)


@metric
def reciprocity(pre: ArrayLike, post: ArrayLike, n: int) -> float:
    """Share of the connected ordered pairs within one population whose reverse is connected too; no autapses."""
    i, j = ends(pre, post, n, n)
    other = i != j
    pairs, _ = _pairs(i[other], j[other], n)
    if not pairs.size:
        return NAN
    return float(np.isin((pairs % n) * n + pairs // n, pairs).mean())


@metric
def jaccard(pre_a: ArrayLike, post_a: ArrayLike, pre_b: ArrayLike, post_b: ArrayLike, n_target: int) -> float:
    """Overlap of two graphs: connected pairs in both over pairs in either; NaN if both are empty."""
    a, b = _pairs(pre_a, post_a, n_target)[0], _pairs(pre_b, post_b, n_target)[0]
    both = np.intersect1d(a, b, assume_unique=True).size
    either = a.size + b.size - both
    return both / either if either else NAN


def _undirected(pre: ArrayLike, post: ArrayLike, n: int) -> Any:
    from scipy.sparse import coo_array

    i, j = ends(pre, post, n, n)
    other = i != j
    i, j = i[other], j[other]
    one = np.ones(2 * i.size)
    graph = coo_array((one, (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(n, n)).tocsr()
    graph.data[:] = 1.0
    return graph


@metric
def clustering(pre: ArrayLike, post: ArrayLike, n: int) -> F8:
    """Clustering coefficient of each neuron of one population, directions and autapses ignored, (n,).

    The share of the pairs of a neuron's neighbours that are neighbours of each other (Watts & Strogatz 1998, doi
    10.1038/30918); NaN with fewer than two neighbours.
    """
    graph = _undirected(pre, post, n)
    degree = np.asarray(graph.sum(axis=1), dtype=float).ravel()
    triangles = np.asarray((graph @ graph).multiply(graph).sum(axis=1), dtype=float).ravel() / 2.0
    possible = degree * (degree - 1.0) / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(possible > 0, triangles / possible, np.nan), dtype=np.float64)


@metric
def path_lengths(pre: ArrayLike, post: ArrayLike, n: int, starts: ArrayLike | None = None) -> F8:
    """Steps along synapses from each of `starts` (all if not given) to every neuron, (n_start, n); inf: no way."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    i, j = ends(pre, post, n, n)
    graph = coo_array((np.ones(i.size), (i, j)), shape=(n, n)).tocsr()
    begin = np.arange(n) if starts is None else indices(starts, "starts", n)
    return np.asarray(dijkstra(graph, directed=True, indices=begin, unweighted=True), dtype=np.float64)


@metric
def wiring_lengths(pre: ArrayLike, post: ArrayLike, source: F8, target: F8) -> F8:
    """Straight distance between the partners of each synapse, um (n_synapse,)."""
    i, j = ends(pre, post, len(source), len(target))
    return np.asarray(np.sqrt(((source[i] - target[j]) ** 2).sum(axis=1)), dtype=np.float64)


@metric
def probability_by_distance(
    pre: ArrayLike, post: ArrayLike, source: F8, target: F8, edges: ArrayLike, within: bool = False
) -> tuple[F8, I8]:
    """Share of the pairs at each distance that are connected.

    Parameters
    ----------
    pre, post : (n_synapse,) array_like
    source, target : (n_source, 2), (n_target, 2) ndarray, um
    edges : (n_bin + 1,) array_like, um
        Edges of the bins of distance, rising.
    within : bool
        Source and target are one population: a neuron and itself are no pair.

    Returns
    -------
    share, pairs : (n_bin,) arrays
        NaN in bins without pairs; number of pairs, connected or not.
    """
    e = np.asarray(edges, dtype=float)
    d = np.sqrt(((source[:, None] - target[None]) ** 2).sum(axis=2))
    linked = np.zeros(d.shape, dtype=bool)
    linked[ends(pre, post, *d.shape)] = True
    possible = np.ones(d.shape, dtype=bool)
    if within:
        np.fill_diagonal(possible, False)
    pairs = np.histogram(d[possible], e)[0]
    held = np.histogram(d[possible & linked], e)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(pairs > 0, held / pairs, np.nan)), np.asarray(pairs, dtype=np.int64)


@metric
def gini(values: ArrayLike) -> float:
    """Inequality of non-negative values (n,), such as degrees or weights: 0 all equal, towards 1 one has all."""
    x = np.sort(floats(values, "values", 1))
    if np.any(x < 0) or np.isnan(x).any():
        raise ParameterError(f"values must not be negative or NaN, got {x[(x < 0) | np.isnan(x)][0]}")
    if x.size == 0 or x.sum() <= 0:
        return NAN
    rank = np.arange(1, x.size + 1)
    return float((2 * rank - x.size - 1) @ x / (x.size * x.sum()))
