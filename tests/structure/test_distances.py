"""Kernels of distance and sheets whose edges are joined; delays by distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import neurodev as nd
from neurodev.engine.build import draw_table
from neurodev.errors import ParameterError
from neurodev.structure.distances import apart, longest, squares
from neurodev.structure.table import UidSource
from neurodev.structure.wiring import Wiring

SHEET, TORUS = nd.Sheet(600.0, 400.0), nd.Sheet(600.0, 400.0, periodic=True)


def places(n: int, seed: int) -> Any:
    return np.random.default_rng(seed).uniform(0.0, [600.0, 400.0], (n, 2))


def images(source: Any, target: Any) -> Any:
    """Distance to the nearest of nine copies, (n_target, n_source)."""
    shifts = [(x, y) for x in (-600.0, 0.0, 600.0) for y in (-400.0, 0.0, 400.0)]
    return np.min([cdist(target, source + np.array(s)) for s in shifts], axis=0)


def test_distances_on_plane_and_torus() -> None:
    a, b = places(40, 1), places(30, 2)
    for sheet, d in ((None, cdist(b, a)), (SHEET, cdist(b, a)), (TORUS, images(a, b))):
        np.testing.assert_allclose(np.sqrt(squares(a, b, sheet)), d, rtol=1e-12, atol=1e-12)
        j, i = np.indices(d.shape).reshape(2, -1)
        np.testing.assert_allclose(apart(a[i], b[j], sheet), d.ravel(), rtol=1e-12, atol=1e-12)
        assert d.max() <= longest(a, b, sheet)


LAWS = {
    "gaussian": lambda d: np.exp(-(d**2) / (2 * 90.0**2)),
    "exponential": lambda d: np.exp(-d / 90.0),
    "box": lambda d: (d <= 90.0) * 1.0,
    "difference": lambda d: np.maximum(np.exp(-(d**2) / (2 * 90.0**2)) - 0.6 * np.exp(-(d**2) / (2 * 150.0**2)), 0.0),
}


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("kernel", [*LAWS, "own"])
def test_pairs_follow_the_kernel(kernel: str, joined: bool) -> None:
    """Numbers of synapses by distance, within 4 standard errors of the sum of the probabilities of all pairs."""
    law = LAWS.get(kernel, lambda d: (d > 40.0) * np.exp(-d / 200.0))
    source, target, sheet = places(500, 3), places(400, 4), TORUS if joined else SHEET
    rule = nd.ByDistance(kernel if kernel in LAWS else law, scale=90.0, wide=150.0, surround=0.6, p=0.4)
    rule = rule.on(sheet, source, target)
    pre, post = rule.draw(source, target, np.random.default_rng(5), False, False)
    d = images(source, target) if joined else cdist(target, source)
    p = 0.4 * law(d)
    for low, high in ((0, 50), (50, 100), (100, 200), (200, 800)):
        ring = (d >= low) & (d < high)
        seen, mean, var = ring[post, pre].sum(), p[ring].sum(), (p * (1 - p))[ring].sum()
        assert abs(seen - mean) <= 4.0 * np.sqrt(var) + 1e-9, (low, seen, mean)
    assert abs(rule.mean_inputs(500, 400) * 400 - p.sum()) < 0.1 * p.sum()
    np.testing.assert_allclose(rule.affinity(source, target, False), law(d), rtol=1e-9, atol=1e-12)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(rule.log_affinity(source, target), np.log(law(d)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", [nd.Near(60.0, 8), nd.Contacts(nd.Near(60.0, 8)), nd.ByDistance(scale=60.0, inputs=8)])
def test_a_network_on_a_torus_wires_round_its_edges(rule: Wiring) -> None:
    """Inputs of a cell at the left edge come from the right alone on a plane, from both sides alike on a torus."""
    for sheet in (SHEET, TORUS):
        net = nd.Network(seed=2, sheet=sheet)
        a, b = net.add(nd.LIF(), 1500, name="a"), net.add(nd.LIF(), 600, name="b")
        q = net.connect(a, b, rule, weight=1.0, multapses=isinstance(rule, nd.Contacts))
        state = draw_table(net, q, UidSource()).state()
        step = a.positions[state["pre"], 0] - b.positions[state["post"], 0]
        step = step[b.positions[state["post"], 0] < 40.0]
        step -= 600.0 * np.rint(step / 600.0) * sheet.periodic
        assert (abs(step.mean()) < 4.0 * step.std() / np.sqrt(step.size)) == sheet.periodic
        assert ("periodic" in net.describe()) == sheet.periodic


def test_what_is_no_kernel_is_refused() -> None:
    for wrong in ("gausian", 3.0, None, float, ["box"]):
        with pytest.raises(ParameterError, match=r"ByDistance\.kernel must be one of"):
            nd.ByDistance(wrong, inputs=3)
    for given in ({}, {"inputs": 3, "p": 0.5}):
        with pytest.raises(ParameterError, match="takes inputs= .* or p="):
            nd.ByDistance(**given)
    a = places(9, 1)
    for f, said in ((lambda d: -d, "finite numbers >= 0"), (lambda d: d[:, :2], "failed"), (lambda d: np.nan, "nan")):
        with pytest.raises(ParameterError, match=said):
            nd.ByDistance(f, inputs=2).draw(a, a, np.random.default_rng(1), False, False)
    for multapses in (False, True):
        with pytest.raises(ParameterError, match="target 0 has 0 sources within reach"):
            nd.ByDistance("box", 0.1, inputs=3).draw(a, a, np.random.default_rng(1), True, multapses)


# ---------------------------------------------------------------------- delays by distance


def connected(sheet: Any, delay: Any, **more: Any) -> Any:
    net = nd.Network(seed=3, sheet=sheet)
    a, b = net.add(nd.LIF(), 150, name="a", jitter=5.0), net.add(nd.LIF(), 100, name="b", jitter=5.0)
    q = net.connect(a, b, nd.Degree(20), delay=delay, **({"weight": 1.0} | more))
    return net, a, b, q


@pytest.mark.parametrize("sheet", [SHEET, TORUS])
def test_delays_are_those_of_the_distance(sheet: Any) -> None:
    net, a, b, q = connected(sheet, nd.Conduction(speed=200.0, offset=0.8, step=0.1))
    table = draw_table(net, q, UidSource())
    state = table.state()
    way = apart(a.positions[state["pre"]], b.positions[state["post"]], sheet)
    got, exact = table.delays[state["lane"]], 0.8 + way / 200.0
    assert np.abs(got - exact).max() <= 0.05 + 1e-12
    assert np.all(got == np.round(got, 1)), "multiples of the step, as one writes them"


def test_exact_delays_where_there_are_few() -> None:
    net, a, b, q = connected(SHEET, nd.Conduction(speed=150.0, offset=0.5, step=None))
    assert draw_table(net, q, UidSource()).n_lane > 256
    net = nd.Network(seed=3, sheet=SHEET)
    a, b = net.add(nd.LIF(), 15, name="a"), net.add(nd.LIF(), 10, name="b")
    q = net.connect(a, b, nd.AllToAll(), weight=1.0, delay=nd.Conduction(150.0, 0.5, None))
    table = draw_table(net, q, UidSource())
    state = table.state()
    way = apart(a.positions[state["pre"]], b.positions[state["post"]], SHEET)
    np.testing.assert_allclose(table.delays[state["lane"]], 0.5 + way / 150.0, rtol=1e-12)


def test_the_step_that_an_error_names_is_enough() -> None:
    net, a, b, q = connected(SHEET, nd.Conduction(speed=0.1, step=0.05), weight=None, spines=nd.Spines())
    with pytest.raises(ParameterError, match="use step=") as e:
        draw_table(net, q, UidSource())
    step = float(str(e.value).partition("use step=")[2].split()[0])
    net, a, b, q = connected(SHEET, nd.Conduction(speed=0.1, step=step), weight=None, spines=nd.Spines())
    assert 60_000 < draw_table(net, q, UidSource()).n_lane <= 65_535


def test_newborns_have_the_delay_of_their_pair() -> None:
    net = nd.Network(seed=4, sheet=TORUS)
    a, b = net.add(nd.Poisson(5.0), 60, name="a"), net.add(nd.LIF(), 40, name="b")
    q = net.connect(a, b, nd.Pairs([], []), spines=nd.Spines(), delay=nd.Conduction(speed=100.0, step=0.25))
    q.use(nd.SpineSize(), nd.Turnover(early=40.0))
    given = net.connect(a, b, nd.Pairs([], []), spines=nd.Spines(), delay=nd.Conduction(speed=100.0), name="given")
    sim = nd.Simulation(net, acceleration=1e6, tick=7.2e6, progress=False)
    sim.at(8.64e7, nd.AddSynapses(given, source=[0, 5], target=[39, 2]), clock="life")
    sim.run(1.5 * 8.64e7)
    for name, number in (("a_b", 300), ("given", 2)):
        table = sim.simulator.tables[name]
        state = table.state()
        assert state["uid"].size >= number
        way = apart(a.positions[state["pre"]], b.positions[state["post"]], TORUS)
        assert np.abs(table.delays[state["lane"]] - (1.0 + way / 100.0)).max() <= 0.125 + 1e-12
    sim.close()
