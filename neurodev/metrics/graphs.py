"""Graphs by networkx: motifs, rich club, communities, and small worlds against graphs of the same degrees.

Nothing here is written by hand: who needs it installs the extra (``pip install 'neurodev[graphs]'``).  Degrees,
reciprocity, clustering and paths need nothing, and stand in `metrics.topology`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8, I8
from neurodev.card import outlined
from neurodev.errors import ParameterError
from neurodev.metrics.given import ends, floats, indices, metric
from neurodev.params import check_memory, flag, number, whole

NAN = float("nan")


def _library() -> Any:
    try:
        import networkx
    except ImportError:
        raise ParameterError("networkx is not installed: pip install 'neurodev[graphs]'") from None
    return networkx


@metric
def as_graph(pre: ArrayLike, post: ArrayLike, n: int, weight: ArrayLike | None = None, *, directed: bool = True) -> Any:
    """Synapses within one population as a graph of networkx, autapses left out.

    Parameters
    ----------
    pre, post : (n_synapse,) array_like
        Neurons, in [0, n).
    n : int
        Neurons; those without a synapse are nodes, too.
    weight : (n_synapse,) array_like, optional
        Attribute ``weight`` of the edges; of several synapses of a pair, their sum (their number if not given).
    directed : bool
        Otherwise both directions are one edge, and their weights are added.

    Returns
    -------
    networkx.DiGraph or networkx.Graph

    Raises
    ------
    ParameterError
        If networkx is not installed, or an index is out of range.
    """
    nx = _library()
    n = whole(n, "n", 0)
    check_memory(500.0 * n, f"a graph of {n} nodes", "give fewer neurons")
    i, j = ends(pre, post, n, n)
    w = np.ones(i.size) if weight is None else floats(weight, "weight", 1)
    if w.shape != i.shape:
        raise ParameterError(f"weight must have an entry for each of {i.size} synapses, got shape {w.shape}")
    one_way = flag(directed, "directed")
    other = i != j
    i, j, w = i[other], j[other], w[other]
    if not one_way:
        i, j = np.minimum(i, j), np.maximum(i, j)
    pairs, place = np.unique(i * max(n, 1) + j, return_inverse=True)
    total = np.bincount(place, w, minlength=pairs.size)
    graph = nx.DiGraph() if one_way else nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from(
        zip((pairs // max(n, 1)).tolist(), (pairs % max(n, 1)).tolist(), total.tolist(), strict=True)
    )
    return graph


@metric
def motifs(pre: ArrayLike, post: ArrayLike, n: int) -> dict[str, int]:
    """How many triples of neurons are connected in each of the 16 ways (the triadic census).

    Keys are the usual names: numbers of mutual, one-way and absent pairs, with a letter where these do not tell
    (``"030T"`` is the feed-forward loop, ``"030C"`` the cycle).  Source: Holland & Leinhardt 1976, by networkx.
    """
    return {str(k): int(v) for k, v in _library().triadic_census(as_graph(pre, post, n)).items()}


@metric
def rich_club(pre: ArrayLike, post: ArrayLike, n: int, nulls: int = 0, seed: int = 1) -> tuple[I8, F8]:
    """Density of connections among neurons with more than k partners, directions ignored.

    Parameters
    ----------
    pre, post, n
        As in `as_graph`.
    nulls : int
        Divide by the mean over so many graphs of the same degrees (NaN where these have none).
    seed : int

    Returns
    -------
    k, coefficient : (n_k,) arrays

    Notes
    -----
    Source: Colizza et al. 2006, doi 10.1038/nphys209, by networkx.
    """
    nx = _library()
    graph, many = as_graph(pre, post, n, directed=False), whole(nulls, "nulls", 0, 1000)
    start = whole(seed, "seed", 0, 2**31)
    if not graph.number_of_edges():
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    found = nx.rich_club_coefficient(graph, normalized=False)
    k = np.array(sorted(found), dtype=np.int64)
    value = np.array([found[d] for d in k.tolist()], dtype=np.float64)
    if many:
        of_nulls = [nx.rich_club_coefficient(g, normalized=False) for g in _same_degrees(graph, many, start)]
        mean = np.array([np.mean([g.get(d, 0.0) for g in of_nulls]) for d in k.tolist()])
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(mean > 0, value / mean, np.nan)
    return k, value


@outlined
class Communities(NamedTuple):
    """Groups with more connections within than between."""

    label: I8  #: group of each neuron, (n,), the largest is 0
    modularity: float


@metric
def communities(
    pre: ArrayLike, post: ArrayLike, n: int, weight: ArrayLike | None = None, resolution: float = 1.0, seed: int = 1
) -> Communities:
    """Groups of neurons, by Louvain's method, directions ignored.

    Parameters
    ----------
    pre, post, n, weight
        As in `as_graph`; weights must not be negative.
    resolution : float
        Above 1 groups are smaller.
    seed : int
        The order in which neurons are tried decides between equally good divisions.

    Notes
    -----
    Source: Blondel et al. 2008, doi 10.1088/1742-5468/2008/10/P10008, by networkx.
    """
    nx = _library()
    graph = as_graph(pre, post, n, _not_negative(weight), directed=False)
    gamma = number(resolution, "resolution", "1", low=0.0)
    if not graph.number_of_edges():
        return Communities(np.arange(whole(n, "n", 0)), NAN)
    groups = nx.community.louvain_communities(graph, resolution=gamma, seed=whole(seed, "seed", 0, 2**32 - 1))
    groups = sorted(groups, key=lambda g: (-len(g), min(g)))
    label = np.zeros(len(graph), dtype=np.int64)
    for k, members in enumerate(groups):
        label[list(members)] = k
    return Communities(label, float(nx.community.modularity(graph, groups, resolution=gamma)))


@metric
def modularity(pre: ArrayLike, post: ArrayLike, n: int, label: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Share of connections within groups beyond what degrees give, directions ignored; NaN without connections.

    Parameters
    ----------
    pre, post, n, weight
        As in `as_graph`; weights must not be negative.
    label : (n,) array_like of int
        The group of each neuron.

    Notes
    -----
    Source: Newman & Girvan 2004, doi 10.1103/PhysRevE.69.026113, by networkx.
    """
    nx = _library()
    graph, groups = as_graph(pre, post, n, _not_negative(weight), directed=False), indices(label, "label")
    if groups.size != len(graph):
        raise ParameterError(f"label must have an entry for each of {len(graph)} neurons, got {groups.size}")
    parts = [set(np.flatnonzero(groups == k).tolist()) for k in np.unique(groups)]
    return float(nx.community.modularity(graph, parts)) if graph.number_of_edges() else NAN


def _not_negative(weight: ArrayLike | None) -> ArrayLike | None:
    if weight is not None and np.any(~(floats(weight, "weight") >= 0)):
        raise ParameterError("weight must not be negative for communities: give its magnitude")
    return weight


def _same_degrees(graph: Any, many: int, seed: int) -> list[Any]:
    """Copies in which pairs of edges have exchanged their ends, ten times as often as there are edges."""
    nx = _library()
    out, edges = [], graph.number_of_edges()
    for k in range(many):
        copy = graph.copy()
        if edges > 1 and len(graph) > 3:
            try:
                nx.double_edge_swap(copy, nswap=10 * edges, max_tries=1000 * edges, seed=seed + k)
            except (nx.NetworkXError, nx.NetworkXAlgorithmError):
                pass  # where no two edges can exchange their ends, the graph is its own null
        out.append(copy)
    return out


@outlined
class SmallWorld(NamedTuple):
    """Clustering and path length beside those of graphs of the same degrees."""

    clustering: float  #: share of closed triples
    path: float  #: mean steps between the neurons of the largest connected part
    null_clustering: F8  #: of each null
    null_path: F8
    neurons: int  #: of the largest connected part

    @property
    def sigma(self) -> float:
        """(C / C of nulls) / (L / L of nulls): above 1 in a small world (Humphries & Gurney 2008)."""
        c, length = float(self.null_clustering.mean()), float(self.null_path.mean())
        return (self.clustering / c) / (self.path / length) if c > 0 and length > 0 and self.path > 0 else NAN


@metric
def small_world(pre: ArrayLike, post: ArrayLike, n: int, nulls: int = 20, seed: int = 1) -> SmallWorld:
    """Clustering and path length, directions ignored, beside graphs of the same degrees.

    Parameters
    ----------
    pre, post, n
        As in `as_graph`.
    nulls : int
        Graphs of the same degrees, by exchanging the ends of pairs of edges.
    seed : int

    Returns
    -------
    SmallWorld
        Of each graph by itself: the path is that of its largest connected part.

    Notes
    -----
    Sources: Watts & Strogatz 1998, doi 10.1038/30918; Maslov & Sneppen 2002, doi 10.1126/science.1065103 (nulls); by
    networkx.
    """
    nx = _library()
    graph = as_graph(pre, post, n, directed=False)
    start = whole(seed, "seed", 0, 2**31)
    if not graph.number_of_edges():
        return SmallWorld(NAN, NAN, np.zeros(0), np.zeros(0), 0)

    def measured(g: Any) -> tuple[float, float, int]:
        largest = g.subgraph(max(nx.connected_components(g), key=len))
        return float(nx.transitivity(g)), float(nx.average_shortest_path_length(largest)), len(largest)

    own = measured(graph)
    others = np.array([measured(g)[:2] for g in _same_degrees(graph, whole(nulls, "nulls", 1, 1000), start)])
    return SmallWorld(own[0], own[1], others[:, 0], others[:, 1], own[2])
