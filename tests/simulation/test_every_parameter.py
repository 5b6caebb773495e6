"""Every number that a mechanism has can be set in a run, or is refused; to set what it is already changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import steering
from neurodev.errors import NeurodevError, ParameterError
from neurodev.simulation import setting
from tests.mechanisms.beds import MECHANISMS, everybody, homes, start, state
from tests.mechanisms.test_conformance import near, where


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_number_of_a_mechanism(name: str) -> None:
    kind = homes(name)[0]
    sims = [start(everybody(name, kind), kind)[0] for _ in range(3)]
    for sim in sims:
        sim.run_until_spike(110.0)
    plain, same, other = sims
    [m] = [m for m in same.used[where(name)] if m.name == name]
    numbers = {k: v for k in steering._free(m) if isinstance(v := getattr(m, k), (int, float))}
    if not numbers:
        with pytest.raises(NeurodevError, match="can be set in a run|declares no parameters"):
            steering.set_parameters(same, where(name), name, {"tau": 1.0})
        return
    steering.set_parameters(same, where(name), name, numbers)
    accepted = 0
    for parameter, value in numbers.items():
        try:
            steering.set_parameters(other, where(name), name, {parameter: value * 0.9 if value else 0.01})
        except NeurodevError as e:
            assert parameter in str(e) or name in str(e)
            continue
        accepted += 1
        assert not any(np.isnan(h.arrays.parameters).any() for h in other.engine.hot)
    assert accepted
    for sim in sims:
        sim.run_until_spike(200.0)
        sim.verify()
    if name != "CalciumPlasticity":  # its weights are those of the last event, and this was one
        near(state(plain), state(same))


def test_scaling_reaches_spines_without_a_mechanism() -> None:
    net = nd.Network(seed=1)
    e = net.add(nd.LIF(), 3, name="e").use(nd.Scaling(start=0.0))
    net.connect(net.add(nd.Poisson(5.0), 3), e, nd.OneToOne(), spines=nd.Spines(weight=1.0), name="q")
    sim = nd.Simulation(net, tick=3.6e6, acceleration=3600.0)
    sim.run(36e6)
    t = sim.simulator.tables["q"]
    w, s = t.weight[t.slots()], sim.simulator.blocks["e"]["scaling"]
    assert (s > 0.0).all() and w == pytest.approx(np.exp(s) * (1.0 - np.exp(-1.6)), rel=1e-12)


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_column_of_a_mechanism(name: str) -> None:
    """To set what it is changes nothing; what is set is read, and the network stays whole."""
    kind, place = homes(name)[0], where(name)
    plain, same, other = (start(everybody(name, kind), kind)[0] for _ in range(3))
    for sim in (plain, same, other):
        sim.run_until_spike(110.0)
    network = same.network
    columns = setting._owned(same, network.projections.get(place) or network.populations[place])
    for column in columns:
        for sim, factor in ((same, 1.0), (other, 0.5)):
            if place in network.projections:
                values = by_uid(sim.state(place))[column] * factor
            else:
                values = np.where(sim.blocks[place].alive, sim.sampled(place, column, np.arange(9)), 0.0) * factor
            values = np.floor(values) if column in setting._WHOLE else values
            try:
                what = nd.SetColumn(place, column, values)
                what.check(sim)
            except ParameterError as e:
                assert "finite" in str(e) and not np.isfinite(values).all()  # a date that has not come
                continue
            what.apply(sim)
            if place in network.projections and not (name == "CalciumPlasticity" and factor == 1.0):
                assert np.allclose(by_uid(sim.state(place))[column], values, rtol=1e-12)
    for sim in (plain, same, other):
        sim.run_until_spike(200.0)
        sim.verify()
    if name != "CalciumPlasticity":
        near(state(plain), state(same))


def by_uid(found: dict[str, Any]) -> dict[str, Any]:
    order = np.argsort(found["uid"])
    return {k: v[order] for k, v in found.items()}
