"""Layered networks: ways, units on none, ranks."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics.layered import effective_ranks, layered


def test_by_hand() -> None:
    # input 0 -> both, 1 -> the second, 2 nowhere; the third hidden unit hears nothing and speaks
    found = layered([([0, 0, 1, 0], [0, 1, 1, 0]), ([0, 2], [0, 0])], [3, 3, 2])
    assert found.synapses.tolist() == [3, 2] and found.density.tolist() == [3 / 9, 2 / 6]
    assert found.deaf.tolist() == [0, 1, 1] and found.mute.tolist() == [1, 1, 0]
    assert found.idle.tolist() == [2, 2, 1] and found.paths == 1.0 and found.path_share == 1 / 18


def test_paths_are_counted_as_by_walking() -> None:
    draw = np.random.default_rng(0)
    masks = [draw.random(shape) < 0.4 for shape in ((5, 6), (6, 4), (4, 3))]
    found = layered([np.nonzero(m) for m in masks], [5, 6, 4, 3], ranks=False)
    assert found.paths == np.linalg.multi_dot([m.astype(float) for m in masks]).sum()
    assert np.isnan(found.effective_rank).all()
    dense = layered([np.nonzero(np.ones(m.shape)) for m in masks], [5, 6, 4, 3])
    assert dense.path_share == 1.0 and dense.idle.tolist() == [0] * 4
    np.testing.assert_allclose(dense.effective_rank, 1.0)


def test_ranks() -> None:
    assert effective_ranks(np.eye(5)) == (pytest.approx(5.0), pytest.approx(5.0))
    assert effective_ranks(np.outer([1.0, 2.0], [1.0, 3.0])) == (pytest.approx(1.0), pytest.approx(1.0))
    p = np.array([3.0, 1.0]) / 4
    want = np.exp(-(p * np.log(p)).sum())
    assert effective_ranks(np.diag([3.0, 1.0])) == (pytest.approx(want), pytest.approx(10 / 9))
    found = layered([([0, 1], [0, 1], [3.0, -1.0])], [2, 2])
    assert found.effective_rank[0] == pytest.approx(want) and np.isnan(effective_ranks(np.zeros((2, 2)))).all()


def test_doors() -> None:
    for call, said in (
        (lambda: layered([([0], [0])], [1]), "one more than the 1 layers"),
        (lambda: layered([([0], [3])], [1, 2]), "post must lie in"),
        (lambda: layered([([0], [0], [1.0, 2.0])], [1, 1]), "layer 0 must have a weight"),
        (lambda: effective_ranks([[np.nan]]), "finite"),
    ):
        with pytest.raises(ParameterError, match=said):
            call()
