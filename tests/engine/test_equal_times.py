"""What happens at one instant: no order of declaration shows, and a spike follows the arrivals of its own instant."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import neurodev as nd
from neurodev.engine.simulator import Simulator

N_IN, N_OUT, LENGTH = 6, 3, 60.0
RULES = {
    "pair": lambda: nd.STDP("pair", potentiation=0.02, depression=0.03, weight_max=9.0),
    "nearest": lambda: nd.STDP("nearest", potentiation=0.02, depression=0.03, weight_max=9.0, bounds="multiplicative"),
    "triplet": lambda: nd.STDP("triplet", depression=0.02, weight_max=9.0),
    "burst": lambda: nd.STDP("burst", burst_gain=0.05, burst_loss=0.01, burst_tau=20.0, weight_max=9.0),
    "calcium": lambda: nd.CalciumPlasticity(sigma=0.0, tau=50.0, delay=2.0, top=9.0, initially_up=1.0),
}


def outcome(order, rules, trains, together):
    """Spikes of the cells and weights by projection and pair, the projections declared in this order."""
    net = nd.Network(seed=1, together=together)
    times, cells = np.array(trains, dtype=float).T
    a = net.add(nd.SpikeList(times, cells.astype(int)), N_IN, name="a")
    i = net.add(nd.SpikeList(times + 1.0, cells.astype(int)), N_IN, name="i", inhibitory=True)
    e = net.add(nd.LIF(threshold=9.123), N_OUT, name="e")
    e.use(nd.Growth(elements={"axonal": nd.LinearGrowth()}))
    weights = {"first": 3.0, "second": 4.5, "teacher": 30.0, "back": 2.0, "held": 1.5}
    for name in order:
        source = {"back": e, "held": i}.get(name, a)
        pairs = {"teacher": nd.Pairs([0, 1], [0, 2]), "back": nd.AllToAll()}.get(name, nd.AllToAll())
        q = net.connect(source, e, pairs, weight=weights[name], delay=1.0, name=name)
        if name == "held":
            q.use(nd.InhibitorySTDP(rate=0.02, weight_max=9.0))
        elif name in rules:
            q.use(RULES[rules[name]]())
    sim, spikes = Simulator(net, tick=1e4), []
    sim.engine.record_trains(e.index, True)
    sim.engine.sink = lambda epoch, t, p, j: spikes.extend(zip((epoch + t).tolist(), j.tolist(), strict=True))
    sim.run_until_spike(LENGTH)
    out = {}
    for name, table in sim.tables.items():
        s = table.state()
        out |= {(name, int(a), int(b)): float(w) for a, b, w in zip(s["pre"], s["post"], s["weight"], strict=True)}
    calcium = sim.blocks["e"]["calcium"].tolist()
    return sorted(spikes), out, calcium


@settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(
    order=st.permutations(["first", "second", "teacher", "back", "held"]),
    rules=st.fixed_dictionaries({q: st.sampled_from(sorted(RULES)) for q in ("first", "second", "back")}),
    trains=st.lists(st.tuples(st.integers(0, 50), st.integers(0, N_IN - 1)), min_size=40, max_size=90, unique=True),
    together=st.booleans(),
)
def test_the_order_of_declaration_does_not_show(order, rules, trains, together):
    """Whichever projection is described first: the same spikes, and the same weights of every rule."""
    spikes, weights, calcium = outcome(["first", "second", "teacher", "back", "held"], rules, trains, together)
    again, other, level = outcome(order, rules, trains, together)
    assert len(spikes) > 3 and spikes == again
    assert calcium == level
    assert weights.keys() == other.keys()
    np.testing.assert_allclose(list(weights.values()), [other[k] for k in weights], rtol=1e-6)


@pytest.mark.parametrize("rule", ["pair", "nearest", "triplet"])
@pytest.mark.parametrize("third", [0, 2, 5])
def test_a_volley_is_potentiated_whole(rule, third):
    """Whichever of six arrivals of one instant takes the cell over threshold, all of them preceded its spike."""
    net = nd.Network(seed=1)
    p, n = net.add(nd.SpikeList([10.0] * 6, list(range(6))), 6), net.add(nd.LIF(), 1)
    weight = np.full(6, 1.0)
    weight[third] = 25.0
    q = net.connect(p, n, nd.AllToAll(), weight=weight, name="q")
    q.use(nd.STDP(rule, potentiation=0.01, depression=0.012, weight_max=50.0))
    sim = Simulator(net)
    sim.run_until_spike(50.0)
    state = sim.tables["q"].state()
    np.testing.assert_allclose(state["weight"][np.argsort(state["pre"])], weight + 0.5, rtol=1e-6)


def test_a_cell_that_fires_twice_at_once_learns_twice():
    """Without refractoriness one instant may hold several spikes of a cell; each has its on_post, also cut there."""
    net = nd.Network(seed=1)
    p, n = net.add(nd.SpikeList([10.0, 10.0], [0, 1]), 2), net.add(nd.LIF(refractory=0.0), 1)
    net.connect(p, n, nd.AllToAll(), weight=25.0, name="q").use(nd.STDP("pair", potentiation=0.01, weight_max=50.0))
    sim = Simulator(net)
    for stop in (11.0, 11.0 + 1e-9, 20.0):
        sim.run_until_spike(stop)
    assert sim.engine.state.record.count[2] == 2
    np.testing.assert_allclose(sim.tables["q"].state()["weight"], [26.0, 26.0], rtol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_signs_of_synapses_order_an_instant(flip):
    """A cell fires if and only if the sum of an instant reaches threshold, also where signs mix within a source."""
    net = nd.Network(seed=1)
    a = net.add(nd.SpikeList([1.0, 1.0, 5.0, 5.0, 9.0], [0, 1, 0, 2, 0]), 3, name="a")
    b = net.add(nd.LIF(threshold=10.0), 1, name="b")
    both = [
        lambda: net.connect(a, b, nd.Pairs([0, 1], [0, 0]), weight=[12.0, -5.0], signed=True, name="mixed"),
        lambda: net.connect(a, b, nd.Pairs([2], [0]), weight=[-1.0], signed=True, name="small"),
    ]
    for make in both[::-1] if flip else both:
        make()
    sim, spikes = Simulator(net), []
    sim.engine.record_trains(1, True)
    sim.engine.sink = lambda e, t, p, i: spikes.extend((e + t).tolist())
    sim.run_until_spike(20.0)
    assert spikes == [6.0, 10.0]
    assert sim.engine.events == 5  # a row of both signs is counted once
