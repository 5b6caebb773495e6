"""Graphs by networkx: small graphs whose numbers are known."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import graphs
from neurodev.metrics.topology import clustering

CLIQUES = tuple(np.concatenate([a, a + 5, [k]]) for a, k in zip(np.triu_indices(5, 1), (0, 5), strict=True))


def test_without_the_library_its_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "networkx":
            raise ImportError
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ParameterError, match=r"pip install 'neurodev\[graphs\]'"):
        graphs.motifs([0], [1], 2)


def test_motifs_of_three() -> None:
    pytest.importorskip("networkx")
    for pre, post, name in (([0, 0, 1], [1, 2, 2], "030T"), ([0, 1, 2], [1, 2, 0], "030C"), ([0, 1], [1, 0], "102")):
        found = graphs.motifs(pre, post, 3)
        assert found[name] == 1 and sum(found.values()) == 1 and len(found) == 16
    assert sum(graphs.motifs([0, 0], [1, 1], 6).values()) == 20


def test_two_cliques_are_two_communities() -> None:
    pytest.importorskip("networkx")
    found = graphs.communities(*CLIQUES, 10)
    assert found.label.tolist() == [0] * 5 + [1] * 5
    assert found.modularity == pytest.approx(20 / 21 - 2 * (21 / 42) ** 2)
    assert graphs.modularity(*CLIQUES, 10, found.label) == pytest.approx(found.modularity)
    assert graphs.modularity(*CLIQUES, 10, [0] * 10) == 0.0
    # all of five, beside the bridge: the two of the bridge have five partners
    k, share = graphs.rich_club(*CLIQUES, 10)
    assert k.tolist() == [0, 1, 2, 3, 4] and share[-1] == 1.0 and share[0] == pytest.approx(21 / 45)
    k, ratio = graphs.rich_club(*CLIQUES, 10, nulls=3)
    assert ratio[0] == pytest.approx(1.0) and ratio.size == 5
    empty = graphs.communities([], [], 3)
    assert empty.label.tolist() == [0, 1, 2] and np.isnan(empty.modularity)


def test_a_ring_lattice_is_a_small_world_beside_its_nulls() -> None:
    pytest.importorskip("networkx")
    n, i = 40, np.arange(40)
    pre, post = np.r_[i, i], np.r_[(i + 1) % n, (i + 2) % n]
    found = graphs.small_world(pre, post, n, nulls=5)
    assert found.clustering == 0.5 == clustering(pre, post, n).mean() and found.neurons == n
    assert found.path == pytest.approx(np.mean(np.ceil(np.minimum(i[1:], n - i[1:]) / 2)))
    assert found.sigma > 1.5 and found.null_clustering.max() < 0.2
    again = graphs.small_world(pre, post, n, nulls=5)
    np.testing.assert_array_equal(again.null_path, found.null_path)


def test_weights_and_directions() -> None:
    pytest.importorskip("networkx")
    g = graphs.as_graph([0, 0, 1, 2], [1, 1, 0, 2], 3, [1.0, 2.0, 5.0, 9.0])
    assert g.number_of_nodes() == 3 and g[0][1]["weight"] == 3.0 and g[1][0]["weight"] == 5.0 and not g.has_edge(2, 2)
    assert graphs.as_graph([0, 1], [1, 0], 2, directed=False)[0][1]["weight"] == 2.0
    for call, said in (
        (lambda: graphs.communities([0], [1], 2, [-1.0]), "not be negative"),
        (lambda: graphs.modularity([0], [1], 2, [0]), "label must have an entry"),
        (lambda: graphs.motifs([0], [5], 3), "post must lie in"),
        (lambda: graphs.as_graph([0], [1], 2, [1.0, 2.0]), "weight must have"),
    ):
        with pytest.raises(ParameterError, match=said):
            call()
