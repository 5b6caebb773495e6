"""Weights that a user gives are kept as they are, or refused; a mechanism never changes them by the way."""

from dataclasses import fields

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.mechanisms.hooks import HARD, MULTIPLICATIVE, POWER, bounded
from neurodev.registry import ours
from neurodev.units import hour
from tests.mechanisms.beds import ON_WEIGHTS

BOUNDED = sorted(n for n, m in ours("mechanism").items() if any(f.name == "weight_max" for f in fields(m)))


def test_mechanisms_with_bounds_are_known():
    assert {"STDP", "InhibitorySTDP", "BCM"} <= set(BOUNDED)


@pytest.mark.parametrize("start", [0.0, 0.5, 1.999, 2.0, 2.5, 40.0])
@pytest.mark.parametrize("change", [-50.0, -0.3, -1e-9, 0.0, 1e-9, 0.3, 50.0])
def test_bounds_never_move_a_weight_against_its_change(start, change):
    """A weight above the largest has no room to grow, falls as others do, and is not cut."""
    limit = 2.0
    for kind in (HARD, MULTIPLICATIVE, POWER):
        got = bounded(start, change / limit, limit, kind, 1.0)
        assert 0.0 <= got <= max(start, limit)
        assert (got - start) * change >= 0.0
        if kind == HARD and 0.0 <= start + change <= limit:
            assert got == pytest.approx(start + change, abs=1e-15)


@pytest.mark.parametrize("bounds", ["hard", "multiplicative", "power"])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_weight_above_the_largest_falls_and_is_not_cut(name, bounds):
    """The first synapse and a newborn; by arrivals that change nothing, then by depression, then potentiation."""
    own = {"bounds": bounds, "potentiation": 0.1, "depression": 0.01} if name == "STDP" else {}
    own |= {"target_hz": 0.0} if name == "InhibitorySTDP" else {}
    net = nd.Network(seed=1)
    source = net.add(nd.SpikeList([10.0, 30.0, 102.0], [0, 0, 0]), 1, inhibitory=name == "InhibitorySTDP")
    teacher = net.add(nd.SpikeList([99.0, 104.0], [0, 0]), 1)
    cell = net.add(nd.LIF(), 3, name="cell")
    q = net.connect(source, cell, nd.Pairs([0], [0]), weight=2.5, name="q", delay=1.0)
    q.use(ours("mechanism")[name](weight_max=2.0, **ON_WEIGHTS.get(name, {}), **own))
    net.connect(teacher, cell, nd.AllToAll(), weight=1e3)
    sim = Simulator(net, tick=4 * hour)
    nd.AddSynapses(q, [0], [1], weight=3.5).apply(sim)
    t, steps = sim.tables["q"], []
    for stop in (60.0, 104.0, 150.0):
        sim.run_until_spike(stop)
        steps.append(np.abs(t.weight[t.slot_of([1, t.uids.next - 1])]))
    assert steps[0].tolist() == [2.5, 3.5]
    assert np.all(steps[1] <= steps[0]) and np.all(steps[1] > 2.4)  # a small step, no cut
    assert name != "STDP" or np.all(steps[1] < steps[0])
    np.testing.assert_array_equal(steps[2], steps[1])  # no room to grow


@pytest.mark.parametrize("scaling", [False, True])
@pytest.mark.parametrize("inhibitory", [False, True])
@pytest.mark.parametrize("sized", [False, True])
def test_a_newborn_on_a_spine_has_the_weight_it_was_given(sized, inhibitory, scaling):
    """Through the size whose weight it is, which the log tells; those without keep the usual size."""
    net = nd.Network(seed=1)
    a, b = net.add(nd.SpikeList([1.0], [0]), 4, inhibitory=inhibitory), net.add(nd.LIF(threshold=1e9), 4)
    q = net.connect(a, b, nd.Pairs([0], [0]), spines=nd.Spines(weight=3.0))
    if sized:
        q.use(nd.SpineSize())
    if scaling:
        b.use(nd.Scaling(start=0.3))
    sim, t = Simulator(net), None
    for k, w in enumerate((0.0, 0.7, 11.0, None)):
        nd.AddSynapses(q, [k], [(k + 1) % 4], weight=w).apply(sim)
    t = sim.tables[q.name]
    order = t.slot_of(np.arange(2, 6))
    sign = -1.0 if inhibitory else 1.0
    np.testing.assert_allclose(t.weight[order[:3]], sign * np.array([0.0, 0.7, 11.0]), rtol=1e-12, atol=1e-15)
    size = t.column("size")[order]
    if not sized:
        assert size[3] == q.spines.volume
        return
    batch = sim.logs[q.name].take()
    np.testing.assert_allclose(batch.value[:3], np.log(size[:3] / q.spines.volume), rtol=1e-6)
    assert batch.value[3] == np.float32(q.mechanisms[0].birth_size())


def test_weights_that_a_newborn_cannot_have_are_refused():
    net = nd.Network(seed=1)
    a, b = net.add(nd.SpikeList([1.0], [0]), 4), net.add(nd.LIF(), 4)
    calcium = net.connect(a, b, nd.Pairs([0], [0]), weight=1.0, name="calcium").use(nd.CalciumPlasticity())
    silent = net.connect(a, b, nd.Pairs([0], [0]), spines=nd.Spines(weight=0.0), name="silent")
    spiny = net.connect(a, b, nd.Pairs([0], [0]), spines=nd.Spines(weight=1.0), name="spiny")
    empty = net.connect(a, b, nd.Pairs([], []), weight=np.zeros(0), name="empty")
    sim = Simulator(net, tick=1e9)
    for q, weight, why in (
        (calcium, 0.3, "weights follow CalciumPlasticity"), (silent, 1.0, r"Spines\(weight=0\) have no weight"),
        (spiny, -1.0, "sign of their source"), (empty, None, "began without synapses"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=why):
            nd.AddSynapses(q, [1], [1], weight=weight).apply(sim)
        assert sim.tables[q.name].n_synapse == (q is not empty)
    nd.AddSynapses(empty, [1], [1], weight=0.5).apply(sim)
    assert sim.tables["empty"].weight[sim.tables["empty"].slots()].tolist() == [0.5]


def test_newborns_of_signed_weights_keep_their_sign():
    """An inhibitory source of signed weights: what is given, and the usual weight, as they stand."""
    net = nd.Network(seed=1)
    a, b = net.add(nd.SpikeList([1.0], [0]), 3, inhibitory=True), net.add(nd.LIF(), 3)
    q = net.connect(a, b, nd.Pairs([0], [0]), weight=-0.75, signed=True)
    sim = Simulator(net)
    nd.AddSynapses(q, [1], [1]).apply(sim)
    nd.AddSynapses(q, [2], [2], weight=0.25).apply(sim)
    t = sim.tables[q.name]
    assert t.weight[t.slot_of([1, 2, 3])].tolist() == [-0.75, -0.75, 0.25]
