"""Graphs small enough to count by hand, and random ones with known expectation."""

import numpy as np
import pytest

from neurodev.metrics import topology

PRE, POST = [0, 0, 1, 2, 0], [1, 1, 0, 0, 2]  # 0->1 twice, 1->0, 2->0, 0->2


def test_counts_by_hand():
    out, into = topology.degrees(PRE, POST, 4, 4)
    assert out.tolist() == [3, 1, 1, 0] and into.tolist() == [2, 2, 1, 0]
    assert topology.connection_density(PRE, POST, 4, 4) == 4 / 16
    assert topology.contacts_per_pair(PRE, POST, 4).tolist() == [0, 3, 1]
    assert topology.reciprocity(PRE, POST, 4) == 1.0
    assert topology.reciprocity([0, 1, 2, 2], [1, 2, 1, 2], 3) == pytest.approx(2 / 3)


def test_nothing():
    assert topology.degrees([], [], 2, 3)[1].tolist() == [0, 0, 0]
    assert topology.connection_density([], [], 2, 3) == 0 and np.isnan(topology.connection_density([], [], 0, 3))
    assert np.isnan(topology.reciprocity([], [], 3)) and np.isnan(topology.jaccard([], [], [], [], 3))
    assert topology.contacts_per_pair([], [], 3).tolist() == [0]
    assert np.isnan(topology.clustering([], [], 3)).all()
    assert topology.wiring_lengths([], [], np.zeros((1, 2)), np.zeros((1, 2))).size == 0
    assert np.isnan(topology.gini([])) and np.isnan(topology.gini([0, 0]))


def test_jaccard():
    assert topology.jaccard([0, 1], [1, 2], [0, 1], [1, 2], 3) == 1
    assert topology.jaccard([0, 1], [1, 2], [0, 2], [1, 0], 3) == pytest.approx(1 / 3)
    # two contacts of a pair are one connection
    assert topology.jaccard([0, 0], [1, 1], [0], [1], 3) == 1


def test_clustering_by_hand():
    # a triangle 0 1 2 with a tail 3 on 0; directions, doubles and autapses do not count
    c = topology.clustering([0, 1, 2, 0, 0, 1, 3], [1, 2, 0, 3, 1, 0, 3], 4)
    np.testing.assert_allclose(c, [1 / 3, 1, 1, np.nan])


def test_path_lengths():
    d = topology.path_lengths([0, 1, 2], [1, 2, 3], 5)
    assert d[0].tolist() == [0, 1, 2, 3, np.inf] and d[3, 0] == np.inf
    assert topology.path_lengths([0, 1, 2], [1, 2, 3], 5, starts=[1]).shape == (1, 5)


def test_distances():
    p = np.array([[0, 0], [3, 4], [0, 1.0]])
    assert topology.wiring_lengths([0, 0], [1, 2], p, p).tolist() == [5, 1]
    share, pairs = topology.probability_by_distance([0, 0], [1, 2], p, p, [0, 2, 10], within=True)
    assert pairs.tolist() == [2, 4]
    np.testing.assert_allclose(share, [0.5, 0.25])
    share, pairs = topology.probability_by_distance([0], [0], p, p, [0, 0.5, 20, 30])
    assert pairs.tolist() == [3, 6, 0] and share[0] == pytest.approx(1 / 3) and np.isnan(share[2])


def test_random_graph_has_no_structure():
    rng = np.random.default_rng(0)
    n, p = 300, 0.1
    a = rng.random((n, n)) < p
    np.fill_diagonal(a, False)
    pre, post = np.nonzero(a)
    assert topology.reciprocity(pre, post, n) == pytest.approx(p, abs=4 * np.sqrt(p / (n * n * p)))
    assert topology.clustering(pre, post, n).mean() == pytest.approx(1 - (1 - p) ** 2, abs=0.01)


def test_gini():
    assert topology.gini([2, 2, 2]) == pytest.approx(0) and topology.gini([0, 0, 0, 1]) == pytest.approx(0.75)
    x = np.random.default_rng(1).exponential(1.0, 100_000)
    assert topology.gini(x) == pytest.approx(0.5, abs=0.01)  # closed form of the exponential
