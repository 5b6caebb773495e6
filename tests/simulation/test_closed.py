"""A network that runs is closed: what is changed then would be ignored, so it is refused with what does it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, NeurodevError


def build() -> nd.Network:
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(50.0), 6, name="s"), net.add(nd.LIF(), 6, name="e")
    net.connect(s, e, nd.OneToOne(), weight=[1.0] * 6, name="q")
    return net


def of(change: Callable[[nd.Network, nd.engine.network.Population, nd.engine.network.Projection], object]) -> object:
    return lambda net: change(net, net.populations["e"], net.projections["q"])


CHANGES = {
    "weight": (of(lambda n, e, q: setattr(q, "weight", 5.0)), "q.weight = .*AddSynapses"),
    "delay": (of(lambda n, e, q: setattr(q, "delay", 5.0)), "q.delay = .*AddSynapses"),
    "wiring": (of(lambda n, e, q: setattr(q, "wiring", nd.AllToAll())), "q.wiring = .*AddSynapses"),
    "spines": (of(lambda n, e, q: setattr(q, "spines", nd.Spines())), "q.spines = "),
    "use of a projection": (of(lambda n, e, q: q.use(nd.STDP())), r"q.use\(...\).*Block"),
    "mechanisms": (of(lambda n, e, q: setattr(q, "mechanisms", (nd.STDP(),))), "q.mechanisms = .*Block"),
    "use of a population": (of(lambda n, e, q: e.use(nd.Scaling())), r"e.use\(...\).*Block"),
    "model": (of(lambda n, e, q: setattr(e, "model", nd.LIF(tau=5.0))), "e.model = "),
    "number": (of(lambda n, e, q: setattr(e, "n", 7)), "e.n = .*Neurogenesis"),
    "sign": (of(lambda n, e, q: setattr(e, "inhibitory", True)), "e.inhibitory = "),
    "add": (of(lambda n, e, q: n.add(nd.LIF(), 3)), r"net.add\(...\).*Neurogenesis"),
    "connect": (of(lambda n, e, q: n.connect(e, e, nd.AllToAll(), weight=1.0)), r"net.connect\(...\).*AddSynapses"),
    "background": (of(lambda n, e, q: n.background(e, nd.Background())), r"net.background\(...\).*SetRate"),
    "seed": (of(lambda n, e, q: setattr(n, "seed", 2)), "network.seed = "),
    "together": (of(lambda n, e, q: setattr(n, "together", True)), "network.together = "),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_network_that_runs_cannot_be_changed(tmp_path: Path, case: str) -> None:
    change, match = CHANGES[case]
    net = build()
    before = net.describe()
    sim = nd.Simulation(net, to=tmp_path / "a.sqlite")
    for _ in range(2):
        with pytest.raises(BuildError, match=match) as e:
            change(net)
        assert "close the simulation first" in str(e.value)
        sim.run(5.0)
    assert net.describe() == before
    sim.close()
    if case in ("spines", "number"):  # weights and spines exclude each other; what is connected counts on the number
        with pytest.raises(NeurodevError, match="give either|built on it"):
            change(net)
        return
    change(net)  # nobody runs it any more
    if case not in ("wiring", "delay", "model"):  # a number for a delay, and what is alike in words
        assert net.describe() != before


def test_its_arrays_cannot_be_written_to_and_are_its_own() -> None:
    weights, places = np.ones(6), np.zeros((6, 2))
    net = nd.Network(seed=1)
    s = net.add(nd.Poisson(50.0), 6, name="s", positions=places)
    e = net.add(nd.LIF(), 6, name="e")
    q = net.connect(s, e, nd.OneToOne(), weight=weights)
    weights[:] = 9.0
    places[:] = 9.0
    assert (q.weight == 1.0).all() and (s.positions == 0.0).all()
    for a in (q.weight, s.positions, e.positions):
        with pytest.raises(ValueError, match="read-only"):
            a[0] = 5.0
    with pytest.raises(AttributeError):
        q.mechanisms.append(nd.STDP())


def test_it_opens_with_the_last_run_and_a_failed_start_leaves_it_open(tmp_path: Path) -> None:
    net = build()
    with pytest.raises(NeurodevError):
        nd.Simulation(net, to=tmp_path / "no" / "folder.sqlite")
    net.add(nd.LIF(), 1, name="one")
    a, b = (nd.Simulation(net, to=tmp_path / f"{k}.sqlite") for k in "ab")
    other = copy.deepcopy(net)  # a copy does not run
    other.add(nd.LIF(), 1, name="more")
    a.close()
    with pytest.raises(BuildError, match="runs"):
        net.add(nd.LIF(), 1, name="two")
    b.close()
    net.add(nd.LIF(), 1, name="two")
    bare = Simulator(net)
    with pytest.raises(BuildError, match="runs"):
        net.add(nd.LIF(), 1, name="three")
    del bare
    net.add(nd.LIF(), 1, name="three")
