"""Mechanisms act in phases: the order in which they are named to a projection is nobody's business."""

import itertools

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.units import hour

STDP = nd.STDP("burst", period=500.0, burst_loss=1.0)
COMPANIES = {
    "study": (STDP, nd.SpineSize(), nd.Neurotrophin(feeds=10), nd.Turnover()),
    "early": (STDP, nd.SpineSize(), nd.EarlyPhase(), nd.Turnover()),
    "places": (STDP, nd.SpineSize(), nd.Heterosynaptic(), nd.ClusteredBirths(), nd.Turnover()),
    "calcium": (nd.CalciumPlasticity(), nd.SpineSize(), nd.TrophicFactor(), nd.SpineShape()),
    "rates": (nd.BCM(act="size"), nd.SpineSize(), nd.SpineShape(), nd.Persistence()),
    "range": (nd.BCM(), nd.Survival(), nd.SpineRange(), nd.SpineSize()),
    "stages": (STDP, nd.SpineSize(), nd.SpineStage(), nd.Neurotrophin()),
}


def after(company, order):
    """All columns of the living after eight ticks, by source, target and birth."""
    net = nd.Network(seed=1, sheet=nd.Sheet(300, 300))
    cell = {"tau_excitatory": 5.0, "tau_inhibitory": 5.0, "dendrite": nd.Branches(4)} if company == "places" else {}
    retina, e = net.add(nd.Poisson(20.0), 20, name="retina"), net.add(nd.LIF(**cell), 8, name="e")
    e.use(nd.Scaling())
    q = net.connect(retina, e, nd.Near(160, 6), spines=nd.Spines(weight=60 if cell else 6), name="q")
    q.use(*(COMPANIES[company][k] for k in order))
    sim = Simulator(net, acceleration=2 * hour / 500.0)
    sim.run_until_spike(8 * 500.0)
    state = sim.tables["q"].state()
    by = np.lexsort((state["born"], state["post"], state["pre"]))
    return {name: np.asarray(values, dtype=float)[by] for name, values in state.items()}


@pytest.mark.compiled
@pytest.mark.parametrize("company", COMPANIES)
def test_the_order_of_use_does_not_show(company):
    """The same synapses with the same columns (of two mechanisms that ask for births the first named comes first)."""
    n = len(COMPANIES[company])
    orders = list(itertools.permutations(range(n)))
    expected = after(company, orders[0])
    assert expected["uid"].size > 30
    for order in (orders[-1], orders[len(orders) // 3]):
        found = after(company, order)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=f"{name} {order}")
