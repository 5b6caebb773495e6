"""Projections of far more delays than a source has synapses: the same arrivals as if every lane were looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import lanes
from neurodev.engine.engine import Engine
from tests.engine.test_against_naive import both, same_spikes


def network(n_delay: int = 300, seed: int = 3) -> nd.Network:
    """A loop of cells, by 300 delays out and by few of inhibition, and a drive; ties are frequent."""
    net, draw = nd.Network(seed=seed), np.random.default_rng(seed)
    drive = net.add(nd.Poisson(60.0), 50, name="drive")
    cells = net.add(nd.LIF(initial=draw.uniform(0, 15, 50)), 50, name="cells")
    inhibitory = net.add(nd.LIF(), 20, name="inhibitory", inhibitory=True)
    steps = 0.03125  # a power of two: arrivals of several spikes come at one instant
    for source, target, weight, name in (
        (drive, cells, 6.0, "in"), (cells, cells, 1.0, "loop"), (cells, inhibitory, 5.0, "out"),
    ):  # fmt: skip
        n = 4 * source.n
        pairs = nd.Pairs(np.repeat(np.arange(source.n), 4), draw.integers(0, target.n, n))
        delay = 1.0 + steps * draw.integers(0, n_delay, n)
        net.connect(source, target, pairs, weight=weight, delay=delay, name=name, multapses=True)
    net.connect(inhibitory, cells, nd.Degree(3), weight=1.0, delay=nd.Uniform(1, 3), name="back")
    return net


def trains(engine: Engine, cuts: Any = (400.0,)) -> list[tuple[float, int, int]]:
    """All spikes up to the last of some cuts."""
    out: list[tuple[float, int, int]] = []
    engine.sink = lambda epoch, t, p, i: out.extend(
        zip((epoch + t).tolist(), p.tolist(), i.tolist(), strict=True)
    )  # fmt: skip
    engine.state.record.wanted[:] = 1
    for stop in cuts:
        engine.run_until(stop)
    return out


@pytest.fixture
def all_lanes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine that looks at every lane."""

    def make(**more: Any) -> Engine:
        with monkeypatch.context() as m:
            m.setattr(lanes, "FEWEST_FAR", 1 << 30)
            engine = Engine(network(), **more)
        assert not engine.state.lanes.far.any()
        return engine

    return make


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_same_spikes_as_by_looking_at_every_lane(parts: int, all_lanes: Any) -> None:
    expected = trains(all_lanes())
    engine = Engine(network(), threads=1, parts=parts)
    assert engine.state.lanes.far.any() and engine.state.lanes.far_lane.all()
    found = trains(engine, np.cumsum(np.random.default_rng(1).uniform(0.01, 9.0, 200)).clip(max=400.0))
    assert found == expected and sum(p == 1 for _, p, _ in expected) > 50


def test_lanes_stand_where_they_would(all_lanes: Any) -> None:
    """So that they can all be looked at from any moment on."""
    one, other = Engine(network(), threads=1), all_lanes(threads=1)
    for stop in (3.7, 50.0, 133.3):
        one.run_until(stop)
        other.run_until(stop)
        np.testing.assert_array_equal(one.state.lanes.cursor, other.state.lanes.cursor)


def test_the_same_as_the_slow_simulator() -> None:
    sim, naive, spikes, _ = both(network(), 200.0)
    assert sim.engine.state.lanes.far_lane.all()
    same_spikes(spikes, naive.spikes, 100)


def test_births_end_it_and_lose_nothing() -> None:
    """Synapses that are added in the middle: from then on every lane is looked at, and each stands where it should."""

    def run(few: bool, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        with monkeypatch.context() as m:
            if few:
                m.setattr(lanes, "FEWEST_FAR", 1 << 30)
            net = network()
            sim = nd.Simulation(net, tick=100.0, record="all", progress=False)
        q = net.projections["loop"]
        delays = sim.simulator.tables["loop"].delays
        sim.at(150.3, nd.AddSynapses(q, source=[0, 1, 2], target=[5, 6, 7], delay=float(delays[-1])), clock="spike")
        sim.at(210.0, nd.RemoveSynapses(q, source=[3]), clock="spike")
        run = sim.run(400.0).close()
        listed = sim.simulator.engine.state.lanes.far_lane
        assert few or np.count_nonzero(listed == 0) == 1  # of "loop"
        return [tuple(map(tuple, run.spikes(name))) for name in ("cells", "inhibitory")]

    patch = pytest.MonkeyPatch()
    assert run(False, patch) == run(True, patch)
