"""What a view gives to who writes a mechanism: draws that depend on nothing but their key, hazards, plans of deaths."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.mechanisms.base import Clock, NeuronBlock, NeuronView, SynapseView
from neurodev.structure.cause import cause_code
from neurodev.structure.table import Table
from neurodev.units import day, hour


def view(tick=3, columns=("log_size",), name="p"):
    table = Table.build(6, 4, [1.0, 2.0], [5, 0, 1, 3, 2], [1, 2, 3, 0, 1], [0, 1, 0, 0, 1], 1.0, columns=columns)
    return SynapseView(name, table, NeuronBlock(6), NeuronBlock(4), Clock(tick, tick_life=2 * hour), seed=7)


def neurons(tick=3):
    return NeuronView("cells", NeuronBlock(5), Clock(tick), seed=7)


@pytest.mark.parametrize("draw", ["uniforms", "normals"])
def test_a_draw_of_synapses_depends_on_its_key_alone(draw):
    v = view()
    slots = v.slots()
    x = getattr(v, draw)("fading", slots)
    assert np.unique(x).size == slots.size
    assert (getattr(v, draw)("fading", slots[::-1]) == x[::-1]).all()
    assert (getattr(v, draw)("fading", slots[2:3]) == x[2:3]).all()
    for other in (getattr(v, draw)("growing", slots), getattr(view(tick=4), draw)("fading", slots)):
        assert (other != x).all()
    assert (getattr(view(name="q"), draw)("fading", slots) != x).all()


def test_a_draw_follows_the_synapse_and_not_its_place():
    v, u = view(), view()
    slots = v.slots()
    drawn = dict(zip(v.table.uid_of(slots).tolist(), v.uniforms("x", slots).tolist(), strict=True))
    u.table._delete(slots[1:2])
    u.table._compact(0)
    left = u.slots()
    assert left.size == slots.size - 1
    assert u.uniforms("x", left).tolist() == [drawn[k] for k in u.table.uid_of(left).tolist()]


def test_a_draw_of_neurons_depends_on_its_key_alone():
    x = neurons().uniforms("fate")
    assert x.shape == (5,) and (neurons().uniforms("fate", [4, 1]) == x[[4, 1]]).all()
    assert (neurons(tick=4).uniforms("fate") != x).all()


def test_chance_is_the_integral_of_a_hazard():
    clock = Clock(tick_life=day / 4)
    assert clock.chance(2.0) == pytest.approx(1 - np.exp(-0.5)) and clock.chance(0.0) == 0.0
    assert clock.chance(1e-12) == pytest.approx(2.5e-13, rel=1e-9)
    assert clock.chance([0.0, 4.0]).tolist() == pytest.approx([0.0, 1 - np.exp(-1.0)])


def test_a_plan_of_deaths_tells_the_size_unless_something_else_decided():
    v = view()
    slots = v.slots()
    v.table.column("log_size")[slots] = np.arange(5.0)
    plan = v.deaths("Fading", slots[[1, 3]], "fluctuation")
    assert plan.mechanism == "Fading" and plan.deaths.tolist() == slots[[1, 3]].tolist()
    assert plan.death_value.tolist() == [1.0, 3.0] and set(plan.death_cause) == {cause_code("fluctuation")}
    assert v.deaths("Fading", slots[[1]], "fluctuation", 0.5).death_value.tolist() == [0.5]
    assert np.isnan(view(columns=()).deaths("Fading", slots[:2], "fluctuation").death_value).all()
    assert v.deaths("Fading", slots[:0], "fluctuation").deaths.size == 0
    told = v.deaths("Survival", slots[:2], "survival", terms={"survival": [1.0, 2.0]})
    assert told.terms["survival"].tolist() == [1.0, 2.0]
    told.check(v.table)


def test_a_plan_of_deaths_of_neurons_tells_the_hazard():
    plan = neurons().deaths("NeuronDeath", [0, 3], "neuron_death", [0.1, 0.2])
    assert plan.deaths.tolist() == [0, 3] and plan.death_value.tolist() == pytest.approx([0.1, 0.2])
    plan.check(5)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: view().deaths("m", view().slots() > 2, "fluctuation"), r"slots must be whole .*flatnonzero\(mask\)"),
        (lambda: view().deaths("m", [0], "fluctuaton"), "did you mean 'fluctuation'"),
        (lambda: view().deaths("m", [0, 1], "fluctuation", [1.0, 2.0, 3.0]), "one for each of 2"),
        (lambda: neurons().deaths("m", [0.5], "neuron_death"), "neurons must be whole numbers"),
    ],
)
def test_what_is_no_plan_is_refused_where_it_is_made(ask, said):
    with pytest.raises(ParameterError, match=said):
        ask()
