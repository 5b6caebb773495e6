"""A threshold of infinity: a cell of potential alone, in every way in which leaky neurons are computed."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from tests.neurons.independent import trains

CURRENTS = dict(tau_excitatory=3.0, tau_inhibitory=5.0)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("given", [
    {}, {"drive": 90.0}, CURRENTS, {**CURRENTS, "dendrite": nd.Bilinear(4)}, {**CURRENTS, "dendrite": nd.Plateau(4)},
], ids=["jumps", "driven", "currents", "bilinear", "plateaus"])  # fmt: skip
def test_it_never_fires(given, together):
    """Strong drives raise V far beyond any threshold; alone and beside a neighbour that fires."""
    for threshold, firing in (([np.inf, 20.0], {1}), (np.inf, set())):
        net = nd.Network(seed=1, together=together)
        cells = net.add(nd.LIF(threshold=threshold, **given), 2, name="cells")
        weight = 300.0 if "tau_excitatory" in given else 5.0
        net.connect(net.add(nd.Poisson(50.0), 20, name="other"), cells, nd.AllToAll(), weight=weight, delay=1.0)
        net.connect(cells, cells, nd.AllToAll(), weight=weight, delay=1.0)
        net.background(cells, nd.Background(rate_hz=1000.0, weight=weight / 5))
        assert ("never fires" in str(net)) == (not firing)
        sim = Simulator(net)
        found = trains(sim)
        sim.run_until_spike(200.0)
        assert {i for _, _, i in found} == firing
        assert 40.0 < sim.engine.potential("cells")[0] < 1000.0


def test_its_potential_is_the_closed_form():
    """Nothing but the leak towards rest + drive."""
    net = nd.Network(seed=1)
    net.add(nd.LIF(threshold=np.inf, drive=70.0, tau=10.0), 1, name="cells")
    sim = Simulator(net)
    sim.run_until_spike(25.0)
    np.testing.assert_allclose(sim.engine.potential("cells"), 70.0 * -np.expm1(-2.5), rtol=1e-13)
    assert nd.isolate(nd.LIF(threshold=np.inf)).passed
