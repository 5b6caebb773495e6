"""Rewiring by attempts: two states of a pair, in closed form, whatever the tick; who can be tried; causes."""

from __future__ import annotations

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.rewiring import Rewiring, connected
from neurodev.structure.cause import cause_code
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.table import Table
from neurodev.structure.wiring import Near
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, few


def table(n_source: int, n_target: int, share: float = 0.0, lanes: int = 1) -> Table:
    """A random part of all pairs."""
    there = np.random.default_rng(1).uniform(size=(n_target, n_source)) < share
    target, source = np.nonzero(there)
    return Table.build(
        n_source, n_target, np.arange(1.0, lanes + 1), source, target, source % lanes, 1.0, columns=("size",)
    )


def pairs(t: Table) -> np.ndarray:
    """(n_target, n_source), which pairs are connected; no pair twice."""
    slots = t.slots()
    out = np.zeros((t.n_target, t.n_source), dtype=int)
    np.add.at(out, (t.post[slots].astype(int), t.pre(slots)), 1)
    assert out.max(initial=0) <= 1
    return out.astype(bool)


@pytest.mark.parametrize("tick", [3 * hour, 1 * day, 5 * day])
@pytest.mark.parametrize(("formation", "elimination"), [(0.1, 0.3), (1.0, 1.0), (0.5, 0.0)])
def test_the_share_of_pairs_does_not_depend_on_the_tick(tick, formation, elimination):
    """Also where a pair is tried several times a tick, and with certainty each time."""
    n, m = 12, few(1200, 60)
    rule = Rewiring(attempts=20.0, formation=formation, elimination=elimination)
    for start, share in ((0.0, 0.0), (1.0, 1.0)):
        world = World((rule,), table(n, m, share), tick=tick)
        for days in (5.0, 15.0):
            world.step(round(days * day / tick) - world.clock.tick)
            p = float(connected(rule, days, n, start))
            found = pairs(world.table).mean()
            assert abs(found - p) <= 4.0 * np.sqrt(max(p * (1 - p), 1e-3) / (n * m))


def test_it_stays_where_it_is_stationary():
    """Share, and how many of the first are still the same synapses; formation is independent between pairs."""
    n, m, rule = 15, few(1500, 80), Rewiring(attempts=30.0, formation=0.1, elimination=0.2)
    p = 0.1 / 0.3
    world = World((rule,), table(n, m, p), tick=0.5 * day)
    first = world.table.uid[world.table.slots()].copy()
    world.step(12)
    now = pairs(world.table)
    assert abs(now.mean() - p) < 4.0 * np.sqrt(p * (1 - p) / (n * m))
    assert abs(now.sum(axis=1).var() - n * p * (1 - p)) < 4.0 * n * p * (1 - p) * np.sqrt(2.0 / m)
    left = np.isin(first, world.table.uid[world.table.slots()]).mean()
    law = np.exp(-0.2 * 30.0 / n * 6.0)
    assert abs(left - law) < 4.0 * np.sqrt(law * (1 - law) / first.size)


def test_lanes_and_causes():
    world = World((Rewiring(attempts=60.0, formation=0.5, elimination=0.5),), table(9, 50, 0.3, lanes=3), tick=day)
    world.step(6)
    t = world.table
    assert np.bincount(t.lane(t.slots()), minlength=3).min() > 30
    net = nd.Network(seed=3)
    s, e = net.add(nd.Poisson(5.0), 8), net.add(nd.LIF(), 6, name="e")
    q = net.connect(s, e, nd.Degree(4), weight=1.0, name="q").use(
        Rewiring(attempts=20.0, formation=0.3, elimination=0.3)
    )
    sim, kept = Simulator(net, tick=day, acceleration=day / 50.0), []
    sim.listeners.append(type("Keep", (), {"on_tick": lambda self, sim, report: kept.append(report.logs["q"])})())
    sim.run_until_spike(400.0)
    sim.verify()
    kind, cause = (np.concatenate([getattr(b, c) for b in kept]) for c in ("kind", "cause"))
    assert np.sum(kind == BIRTH) > 10 and np.sum(kind == DEATH) > 10
    assert set(cause.tolist()) == {cause_code("attempt")} and q.name == "q"


def test_nobody_meets_himself():
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 5, name="cells")
    net.connect(cells, cells, nd.Degree(1), weight=1.0, name="q").use(
        Rewiring(attempts=200.0, formation=1.0, elimination=0.0)
    )
    sim = Simulator(net, tick=day, acceleration=day)
    sim.run_until_spike(4.0)
    np.testing.assert_array_equal(pairs(sim.tables["q"]), ~np.eye(5, dtype=bool))


def test_local_formation_follows_the_kernel():
    """Formation falls with distance as the kernel does, elimination does not."""
    m = few(4000, 200)
    source = np.column_stack([np.array([0.0, 60.0, 120.0, 400.0]), np.zeros(4)])
    target = np.zeros((m, 2))
    options = {"source_positions": source, "target_positions": target, "wiring": Near(sigma=80.0, inputs=2)}
    rule = Rewiring(attempts=40.0, formation=0.6, elimination=0.2, local=True)
    world = World((rule,), table(4, m), tick=day, options=options)
    world.step(30)
    form = 0.6 * np.exp(-(source[:, 0] ** 2) / (2 * 80.0**2))
    law = form / (form + 0.2)
    found = pairs(world.table).mean(axis=0)
    assert np.all(np.abs(found - law) < 4.0 * np.sqrt(np.maximum(law * (1 - law), 1e-4) / m))


def test_what_cannot_be():
    for given in ({"attempts": -1.0}, {"formation": 1.1}, {"elimination": -0.1}, {"local": 2}):
        with pytest.raises(ParameterError, match=f"Rewiring.{next(iter(given))}"):
            Rewiring(**given)
    with pytest.raises(BuildError, match=r"a tick holds 2000 attempts of a target"):
        World((Rewiring(attempts=2000.0),), table(3, 3), tick=day)
    with pytest.raises(BuildError, match=r"multapses=False"):
        World((Rewiring(),), table(3, 3), tick=day, options={"multapses": True})
    nothing = World((Rewiring(attempts=0.0),), table(3, 3, 0.5), tick=day)
    before = nothing.table.n_synapse
    nothing.step(5)
    assert nothing.table.n_synapse == before > 0
