"""Weights of a graph between two pictures: told of which day they are, and warned of where they moved."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import neurodev as nd
from neurodev.units import day


def pair(rule: bool, weight: float = 1.0) -> nd.Network:
    net = nd.Network(seed=2)
    source, cells = net.add(nd.Poisson(40.0), 20, name="source"), net.add(nd.LIF(), 5, name="cells")
    q = net.connect(source, cells, nd.AllToAll(), weight=weight, delay=1.0, name="q")
    if rule:
        q.use(nd.STDP("pair"))
    return net


def test_weights_that_moved_are_warned_of() -> None:
    run = nd.simulate(pair(True, 3.0), 2000.0, progress=False)
    with pytest.warns(UserWarning, match=r"graph of 'q': .* pictures up to .*probe a weight"):
        g = run.graph(500.0, "q")
    assert g.columns["seen"].tolist() == [0.0] * 100 and set(g.data.tolist()) == {3.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin, end = run.graph(0.0, "q"), run.graph(projection="q")
    assert set(begin.data.tolist()) == {3.0} and not np.array_equal(begin.data, end.data)
    assert np.all(end.columns["seen"] == run.days)


def test_weights_that_stayed_are_not() -> None:
    run = nd.simulate(pair(False), 2000.0, progress=False)
    assert run.graph(500.0, "q").nnz == 100  # a warning would be an error


def test_newborns_that_no_picture_saw_are_told() -> None:
    net = nd.Network(seed=1)
    q = net.connect(
        net.add(nd.Poisson(5.0), 20), net.add(nd.LIF(), 8), nd.Degree(4), spines=nd.Spines(weight=8.0), name="s"
    )
    q.use(nd.SpineSize(), nd.Turnover(early=4.0, late=4.0))
    run = nd.simulate(net, 3 * day, acceleration=7200.0, progress=False)
    for t in (0.0, 1 * day, 2 * day, 3 * day):
        assert not np.isnan(run.graph(t).data).any()
    with pytest.warns(UserWarning, match="days"):
        g = run.graph(1.4 * day)
    seen = g.columns["seen"]
    assert np.array_equal(np.isnan(seen), np.isnan(g.data)) and set(seen[~np.isnan(seen)]) <= {0.0, 1.0, 2.0, 3.0}
    assert np.all(np.abs(seen[seen == 1.0] - 1.4) < 0.6) and (seen == 1.0).sum() > (seen == 2.0).sum()
