"""Matrices, edge lists, out-degrees, rewiring, and distributions of weights."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy import stats

import neurodev as nd
from neurodev.engine.build import draw_table
from neurodev.errors import ParameterError
from neurodev.structure import blocks, parts, wiring
from neurodev.structure.table import UidSource
from neurodev.studies.development import build
from neurodev.studies.reading import load

W = np.random.default_rng(1).uniform(0.1, 2.0, (7, 5)) * (np.random.default_rng(2).random((7, 5)) < 0.5)
D = np.random.default_rng(3).integers(1, 9, (7, 5)) * 0.5


def table_of(wiring: Any, n: tuple[int, int] = (7, 5), inhibitory: bool = False, **more: Any) -> Any:
    net = nd.Network(seed=1)
    a, b = net.add(nd.LIF(), n[0], name="a", inhibitory=inhibitory), net.add(nd.LIF(), n[1], name="b")
    return draw_table(net, net.connect(a, b, wiring, **more), UidSource())


def matrices(table: Any) -> tuple[Any, Any]:
    state, shape = table.state(), (table.n_source, table.n_target)
    w, d = np.zeros(shape), np.zeros(shape)
    w[state["pre"], state["post"]] = state["weight"]
    d[state["pre"], state["post"]] = table.delays[state["lane"]]
    return w, d


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, sparse.csr_matrix, sparse.coo_array, sparse.csc_array])
def test_a_matrix_comes_back(form: Any) -> None:
    for sign in (1.0, -1.0):
        w, d = matrices(table_of(nd.Matrix(form(W), delay=form(D)), inhibitory=sign < 0))
        np.testing.assert_array_equal(w, sign * W)
        np.testing.assert_array_equal(d, D * (W > 0))
    w, d = matrices(table_of(nd.Matrix(form(W), delay=2.0)))
    assert np.all(d == 2.0 * (W > 0))
    w, d = matrices(table_of(nd.Matrix(form(W - 0.5 * (W > 0))), signed=True, delay=1.5))
    np.testing.assert_array_equal(w, W - 0.5 * (W > 0))
    assert np.all(d == 1.5 * (W > 0))


def test_doubled_entries_of_a_sparse_matrix_are_added() -> None:
    two = sparse.coo_matrix(([1.0, 0.5, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(7, 5))
    assert nd.Matrix(two).weights().tolist() == [1.5]


def test_edges_bring_weights_and_delays() -> None:
    s, t = np.nonzero(W)
    mix = np.random.default_rng(4).permutation(s.size)
    s, t = s[mix], t[mix]
    w, d = matrices(table_of(nd.Pairs(s, t, weight=W[s, t], delay=D[s, t])))
    np.testing.assert_array_equal(w, W)
    np.testing.assert_array_equal(d, D * (W > 0))
    w, d = matrices(table_of(nd.Pairs(s, t, weight=0.7), delay=3.0))
    assert np.all(w == 0.7 * (W > 0)) and np.all(d == 3.0 * (W > 0))
    assert table_of(nd.Pairs(s, t), weight=1.0).delays.tolist() == [1.0]


def test_who_says_it_twice_is_refused() -> None:
    pairs = nd.Pairs([0], [1], weight=1.0, delay=2.0)
    for more, said in (
        ({"weight": 1.0}, "weight= is given to connect and to Pairs"), ({"delay": 1.0}, "delay= is given to connect"),
        ({"spines": nd.Spines()}, "either weight="),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=said):
            table_of(pairs, **more)
    with pytest.raises(ParameterError, match="must not be negative"):
        table_of(nd.Pairs([0], [1], weight=-1.0))
    for wrong in ({"weight": [1.0, 2.0]}, {"delay": [1.0, 2.0]}):
        with pytest.raises(ParameterError, match="one number, or one for each of 1 synapses, got 2"):
            nd.Pairs([0], [1], **wrong)


@pytest.mark.parametrize("given, said", [
    ({"matrix": [1.0]}, "Matrix.matrix must be a matrix"), ({"matrix": None}, "Matrix.matrix"),
    ({"matrix": [[np.nan]]}, "Matrix.matrix must be finite"), ({"matrix": [["a"]]}, "Matrix.matrix"),
    ({"matrix": W, "delay": W}, "Matrix.delay .*shape|positive") , ({"matrix": W, "delay": D.T}, "shape"),
    ({"matrix": W, "delay": -D}, "positive"), ({"matrix": W, "delay": "soon"}, "Matrix.delay"),
])  # fmt: skip
def test_what_is_no_matrix_is_refused(given: dict[str, Any], said: str) -> None:
    if given.get("delay") is W:
        given = {**given, "delay": np.where(W > 0, 0.0, 1.0)}
    with pytest.raises(ParameterError, match=said):
        nd.Matrix(**given)


def test_a_matrix_fits_its_populations() -> None:
    with pytest.raises(ParameterError, match=r"shape \(5, 7\), a row for each source .* got \(7, 5\)"):
        table_of(nd.Matrix(W), n=(5, 7))


def test_fixed_out_degree() -> None:
    for same in (False, True):
        net = nd.Network(seed=1)
        a = net.add(nd.LIF(), 90, name="a")
        b = a if same else net.add(nd.LIF(), 70, name="b")
        q = net.connect(a, b, nd.OutDegree(20), weight=1.0)
        state = draw_table(net, q, UidSource()).state()
        assert np.all(np.bincount(state["pre"], minlength=90) == 20)
        assert not same or np.all(state["pre"] != state["post"])
        pair = state["pre"].astype(int) * 100 + state["post"]
        assert np.unique(pair).size == pair.size
        inputs = np.bincount(state["post"], minlength=b.n)
        mean = 20 * 90 / b.n
        assert abs(inputs.mean() - mean) < 1e-12 and abs(inputs.var() / mean - 1.0) < 1.0
    with pytest.raises(ParameterError, match="OutDegree.outputs=8 exceeds the 5 targets a source can have"):
        table_of(nd.OutDegree(8), weight=1.0)


def test_rewiring_keeps_inputs_and_moves_its_share() -> None:
    places = np.random.default_rng(5).uniform(0, 1000, (300, 2))
    local = nd.Near(sigma=60.0, inputs=10)
    base = local.draw(places, places, np.random.default_rng(6), True, False)
    for p in (0.0, 0.2, 1.0):
        pre, post = nd.Rewired(local, p=p).draw(places, places, np.random.default_rng(6), True, False)
        np.testing.assert_array_equal(post, base[1])
        moved = pre != base[0]
        assert abs(moved.mean() - p) <= 4.0 * np.sqrt(p * (1 - p) / moved.size)
        assert np.all(pre != post) and np.unique(pre.astype(int) * 300 + post).size == pre.size
        if p == 1.0:  # the sources of the moved are all alike
            counts = np.bincount(pre, minlength=300)
            assert abs(counts.var() / counts.mean() - 1.0) < 4.0 * np.sqrt(2.0 / 300)
    full = nd.Rewired(nd.AllToAll(), p=1.0)
    pre, post = full.draw(places[:6], places[:6], np.random.default_rng(1), True, False)
    assert np.array_equal(np.sort(pre.astype(int) * 6 + post), np.flatnonzero(~np.eye(6, dtype=bool).ravel()))


LAWS: list[Any] = [
    (nd.NormalWeights(center=1.0, spread=0.2), stats.truncnorm(-5.0, np.inf, loc=1.0, scale=0.2)),
    (nd.NormalWeights(center=-0.5, spread=1.0), stats.truncnorm(0.5, np.inf, loc=-0.5)),
    (nd.NormalWeights(center=-8.0, spread=1.0), stats.truncnorm(8.0, np.inf, loc=-8.0)),
    (nd.LognormalWeights(median=0.3, sigma=0.8), stats.lognorm(0.8, scale=0.3)),
    (nd.UniformWeights(0.2, 0.7), stats.uniform(0.2, 0.5)),
]


@pytest.mark.parametrize("weights, law", LAWS, ids=lambda x: repr(x)[:40])
def test_weights_follow_their_law(weights: Any, law: Any) -> None:
    """Shares below quantiles and the mean within 4 standard errors; the mean as SciPy has it."""
    table = table_of(nd.AllToAll(), n=(150, 120), weight=weights, inhibitory=True)
    w = -table.state()["weight"]
    assert w.size == 18000 and w.min() >= 0.0
    for q in (0.05, 0.3, 0.5, 0.9):
        assert abs((w < law.ppf(q)).mean() - q) < 4.0 * np.sqrt(q * (1 - q) / w.size)
    assert abs(w.mean() - weights.mean()) < 4.0 * w.std() / np.sqrt(w.size)
    np.testing.assert_allclose(weights.mean(), law.mean(), rtol=1e-9)


def test_weights_belong_to_a_network() -> None:
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(10.0), 10, name="a"), net.add(nd.LIF(), 10, name="b")
    q = net.connect(a, b, nd.Degree(4), weight=nd.UniformWeights(0.0, 1.0), multapses=True)
    assert "0.5 mV" in str(net) and net.inputs(b)[0].weight == 0.5 and q.mean_weight() == 0.5
    assert net.describe()["projections"][0]["weight"]["kind"] == "UniformWeights"
    sim = nd.Simulation(net, acceleration=1.0, tick=10.0, progress=False)
    sim.at(10.0, nd.AddSynapses(q, source=[0], target=[1]), clock="spike")
    sim.run(20.0)
    table = sim.simulator.tables["a_b"]
    assert table.n_synapse == 41 and table.state()["weight"][np.argmax(table.state()["uid"])] == 0.5
    sim.close()
    for given in ({"signed": True}, {"spines": nd.Spines()}):
        with pytest.raises(ParameterError):
            net.connect(a, b, nd.Degree(1), name="z", weight=nd.UniformWeights(), **given)
    with pytest.raises(ParameterError, match="give an instance"):
        net.connect(a, b, nd.Degree(1), name="z", weight=nd.UniformWeights)
    with pytest.raises(ParameterError, match="leaves nothing above 0"):
        nd.NormalWeights(center=-1.0, spread=0.0)


@pytest.mark.parametrize("n", [256, 3000])
def test_as_many_lanes_as_a_byte_counts_and_more(n: int) -> None:
    delays = 1.0 + 0.002 * np.arange(n)
    table = table_of(nd.Pairs(np.zeros(n, int), np.arange(n), delay=delays[::-1]), n=(1, n), weight=1.0)
    assert table.n_lane == n
    np.testing.assert_allclose(matrices(table)[1][0], delays[::-1])
    net = nd.Network(seed=1)
    a = net.add(nd.SpikeList([0.5], [0]), 1, name="a")
    b = net.add(nd.LIF(), n, name="b")
    net.connect(a, b, nd.Pairs(np.zeros(n, int), np.arange(n), weight=30.0, delay=delays))
    run = nd.simulate(net, 8.0, tick=8.0, acceleration=1.0, record="all", progress=False)
    times, cells = run.spikes("b")
    np.testing.assert_allclose(times[np.argsort(cells)], 0.5 + delays, atol=1e-9)


def test_thousands_of_delays_in_a_run_that_changes(tmp_path: Any) -> None:
    """Births and deaths, and the picture of the synapses, tell delays of which there are more than a byte counts."""
    n = 1000
    delays = 1.0 + 0.01 * np.arange(n)
    net = nd.Network(seed=1)
    a, b = net.add(nd.SpikeList([0.5, 30.5], [0, 0]), 1, name="a"), net.add(nd.LIF(), n, name="b")
    q = net.connect(a, b, nd.Pairs(np.zeros(n, int), np.arange(n)), weight=30.0, delay=delays)
    sim = nd.Simulation(net, tick=10.0, acceleration=1.0, to=tmp_path / "a.sqlite", record="all", progress=False)
    sim.at(20.0, nd.RemoveSynapses(q, target=[999]), clock="spike")
    sim.at(20.0, nd.AddSynapses(q, source=[0], target=[999], delay=delays[700]), clock="spike")
    run = sim.run(50.0).close()
    events = run.log.batch(q.name)
    assert sorted(events.lane.tolist()) == [700, 999]
    lanes = run.synapses("initial", q.name)[3]
    np.testing.assert_array_equal(np.sort(lanes), np.arange(n))
    times, cells = run.spikes("b")
    np.testing.assert_allclose(times[cells == 999], [0.5 + delays[999], 30.5 + delays[700]], atol=1e-9)


def test_a_study_says_all_this(tmp_path: Any) -> None:
    (tmp_path / "s.toml").write_text("""
seed = 1
sheet = { width = "600 um", height = "400 um", periodic = true }
[population.a]
kind = "LIF"
n = 7
[population.b]
kind = "LIF"
n = 5
[projection.near]
source = "a"
target = "b"
wiring = { kind = "ByDistance", kernel = "exponential", scale = "150 um", inputs = 3 }
weight = { kind = "LognormalWeights", median = "0.3 mV", sigma = 0.5 }
delay = { kind = "Conduction", speed = 200, step = "0.5 ms" }
[projection.edges]
source = "a"
target = "b"
wiring = { kind = "Pairs", source = [0, 1], target = [1, 0], weight = [1.0, 2.0], delay = ["1 ms", "2 ms"] }
[projection.matrix]
source = "b"
target = "b"
wiring = { kind = "Rewired", p = 0.5, wiring = { kind = "OutDegree", outputs = 2 } }
weight = 1.0
""")
    net = build(load(tmp_path / "s.toml"))
    near, edges, other = (draw_table(net, q, UidSource()) for q in net.projections.values())
    assert net.sheet.periodic and net.projections["near"].wiring.sheet is net.sheet
    assert near.n_synapse == 15 and edges.delays.tolist() == [1.0, 2.0] and other.n_synapse == 10


def test_what_does_not_fit_is_refused_before_it_is_drawn() -> None:
    net = nd.Network(seed=1)
    a, b = net.add(nd.LIF(), 1_000_000, name="a"), net.add(nd.LIF(), 1_000_000, name="b")
    for rule in (nd.Degree(10**5), nd.OutDegree(10**5), nd.Probability(0.1), nd.Rewired(nd.Degree(10**5))):
        with pytest.raises(ParameterError, match=r"1e\+11 synapses would take at least 2.61e\+03 GiB"):
            net.connect(a, b, rule, weight=1.0)


@pytest.mark.parametrize("rule", [
    nd.Degree(300), nd.OutDegree(300), nd.Probability(0.3), nd.ByDistance(scale=400.0, p=1.0), nd.AllToAll(),
    nd.ByDistance("exponential", inputs=300),
], ids=repr)  # fmt: skip
def test_nothing_as_long_as_the_list_of_synapses_is_made_twice(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak while a table is built is what it keeps, 4 bytes for each end as drawn and 6 for row and target.

    (8 more are set aside for uids that nobody has asked for: an address, no memory.)
    """
    monkeypatch.setattr(wiring, "BLOCK", 1 << 12)
    monkeypatch.setattr(parts, "PART", 1 << 12)
    monkeypatch.setattr(blocks, "CHUNK", 1 << 12)
    net = nd.Network(seed=1)
    a, b = net.add(nd.LIF(), 1000, name="a"), net.add(nd.LIF(), 1000, name="b")
    q = net.connect(a, b, rule, weight=0.1, delay=nd.Uniform(1.0, 2.0) if rule == nd.Degree(300) else 1.0)
    tracemalloc.start()
    try:
        made = draw_table(net, q, UidSource())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    lanes = 1 if made.n_lane > 1 else 0
    assert made.n_synapse > 1e5 and peak < (made.memory() + 8 + 6 + 8 + lanes) * made.n_synapse + 1e6
