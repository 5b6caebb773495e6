"""The structure of a trained network, from the pictures of its run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from tests.learn.small import trained


def test_a_training_tells_its_layers(tmp_path: Path) -> None:
    t = trained(epochs=2, to=tmp_path / "a.sqlite", methods=[nd.methods.SET(0.5)])
    t.fit()
    run = t.close()
    found = run.training.structure()
    graphs = [run.columns("final", name) for name in run.plastic]
    assert found.synapses.tolist() == [g["pre"].size for g in graphs]
    masks = []
    for g, shape in zip(graphs, ((6, 12), (12, 3)), strict=True):
        m = np.zeros(shape)
        m[g["pre"], g["post"]] = g["weight"]
        masks.append(m)
    assert found.paths == ((masks[0] != 0).astype(float) @ (masks[1] != 0)).sum()
    assert found.deaf.tolist()[1] == int((masks[0] == 0).all(axis=0).sum())
    s = np.linalg.svd(masks[1], compute_uv=False)
    assert found.stable_rank[1] == pytest.approx((s**2).sum() / s[0] ** 2)
    before = run.training.structure(0.0, ranks=False)
    assert np.isnan(before.effective_rank).all() and before.synapses.tolist() == [
        run.file.length(f"initial/{name}/pre") for name in run.plastic
    ]
