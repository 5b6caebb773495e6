"""Neighbours on a branch: the heterosynaptic matrix, a slow twin, clustered births."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from neurodev.mechanisms.clustered_births import ClusteredBirths, mirrored, share_within
from neurodev.mechanisms.heterosynaptic import Heterosynaptic
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.stdp import STDP
from neurodev.mechanisms.turnover import Turnover
from neurodev.protocols.neighbours import Places, beside, distances
from neurodev.protocols.stages import Induce, quiet
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import DEATH
from neurodev.units import minute
from tests.mechanisms.drivers import World, few, star


@pytest.mark.parametrize(
    "number, distance, shrinks", [(1, 3.0, False), (3, 3.0, False), (4, 3.0, True), (6, 3.0, True), (6, 3.8, False)]
)
def test_the_published_matrix(number: int, distance: float, shrinks: bool) -> None:
    """BIO-19 (P)."""
    assert beside(Heterosynaptic(), number, distance) == pytest.approx(-0.25 * shrinks, abs=1e-12)
    assert beside(Heterosynaptic(), number, distance, one_sided=True) == pytest.approx(0.0, abs=1e-12)


def twin(rule: Heterosynaptic, target, branch, place, induction) -> np.ndarray:
    """Every pair of synapses, looked at in turn."""
    out = np.zeros(place.size)
    for k in range(place.size):
        beside = [
            place[i] - place[k]
            for i in range(place.size)
            if i != k and target[i] == target[k] and branch[i] == branch[k] and induction[i] >= rule.threshold
            and abs(place[i] - place[k]) <= rule.radius
        ]  # fmt: skip
        sides = any(d < 0 for d in beside) and any(d > 0 for d in beside)
        if induction[k] < rule.threshold and len(beside) >= rule.number and (sides or not rule.inside):
            out[k] = -rule.amount
    return out


@pytest.mark.parametrize("inside", [True, False])
def test_against_all_pairs(inside: bool) -> None:
    rule = Heterosynaptic(inside=inside, radius=5.0, number=3)
    draw = np.random.default_rng(2)
    table = star(60, 4)
    n = table.n_synapse
    amount, place, branch = draw.uniform(0, 1, n), draw.uniform(0, 40, n), draw.integers(0, 2, n).astype(float)
    w = World((quiet(), Places(place), Induce(amount), rule), table, tick=minute, acceleration=1.0)
    slots = w.table.slots()
    of = w.table.uid[slots].astype(int) - 1
    w.table.column("branch")[slots] = branch[of]
    before = w.of("log_size").copy()
    w.step()
    target = np.empty(n, dtype=int)
    target[of] = w.table.post[slots]
    expected = twin(rule, target, branch, place, amount)
    assert 10 < np.sum(expected < 0) < n - 10
    assert w.of("log_size") - before == pytest.approx(expected, abs=1e-12)
    w.step()  # the induction is forgotten
    assert w.of("log_size") - before == pytest.approx(expected, abs=1e-12)


def test_a_spine_that_shrinks_away_died_beside_others() -> None:
    place = np.array([50.0, 48.0, 49.0, 51.0, 52.0])
    size = SpineSize(noise=False, tau=1e9, first=-1.5)
    w = World(
        (size, Places(place), Induce([0, 1, 1, 1, 1]), Heterosynaptic(amount=1.0)), star(5), tick=minute, acceleration=1
    )
    w.table.column("log_size")[w.table.slots()] = -1.5
    w.step()
    log = w.events()
    assert log.uid[log.kind == DEATH].tolist() == [1] and CAUSES[log.cause[0]] == "heterosynaptic"


def test_off_switches_and_refusals() -> None:
    assert abs(beside(Heterosynaptic(amount=0.0), 6, 3.0)) < 1e-15
    with pytest.raises(BuildError, match="dendrite"):
        World((SpineSize(), STDP(), Heterosynaptic()), star(3))
    with pytest.raises(BuildError, match="dendrite"):
        World((ClusteredBirths(),), star(3))
    with pytest.raises(BuildError, match="length="):
        World((Places([1.0, 2.0, 80.0]), ClusteredBirths(length=50.0)), star(3))


@pytest.mark.parametrize("clustered", [0.0, 0.5, 1.0])
def test_newborns_grow_beside_older_synapses(clustered: float) -> None:
    """Shares within a distance against the closed form, near the end of a branch."""
    rule = ClusteredBirths(clustered=clustered, spread=3.0, length=60.0)
    found = distances(rule, 2.0, few(8000, 500), 2, seed=4)
    for d in (1.0, 3.0, 6.0, 20.0):
        p = float(share_within(rule, 2.0, d, 2))
        assert abs(np.mean(found <= d) - p) < 4 * np.sqrt(p * (1 - p) / found.size) + 1e-9


def test_no_clustering_is_never_named() -> None:
    a = World((Turnover(), Places(np.full(60, 50.0), 3)), star(20, 3))
    b = World((Turnover(), Places(np.full(60, 50.0), 3), ClusteredBirths(clustered=0.0)), star(20, 3))
    for w in (a, b):
        w.step(10)
    assert np.array_equal(a.of("place"), b.of("place")) and np.array_equal(a.of("branch"), b.of("branch"))


def test_large_synapses_attract_more() -> None:
    """Two older synapses, one four times the volume of the other: chances in the ratio of the volumes."""
    n = few(6000, 400)
    table = star(2, n)
    slots = table.slots()
    large = table.pre(slots) == 0
    place = np.empty(2 * n)
    place[table.uid[slots].astype(int) - 1] = np.where(large, 20.0, 80.0)
    rule = ClusteredBirths(clustered=1.0, spread=0.5, attraction=1.0)
    w = World((quiet(), Turnover(early=0.0, late=1.0), Places(place), rule), table, options=dict(multapses=True))
    w.table.column("log_size")[slots] = np.where(large, np.log(4.0), 0.0)
    w.step()
    t = w.table
    s = t.slots()
    newborn = s[t.uid[s] > 2 * n]
    share = np.mean(t.column("place")[newborn] < 50.0)
    assert abs(share - 0.8) < 4 * np.sqrt(0.16 / newborn.size)


def test_mirrors() -> None:
    assert mirrored(np.array([-1.0, 3.0, 11.0, 25.0]), 10.0) == pytest.approx([1.0, 3.0, 9.0, 5.0])


@pytest.mark.skipif(not jit.ENABLED, reason="an engine run")
def test_neighbours_in_the_engine() -> None:
    """Places come from the dendrite: newborns crowd beside older synapses, and bursts shrink who stands among them."""
    import neurodev as nd

    net = nd.Network(seed=6)
    pre = net.add(nd.RetinalWaves(), 60)
    exc = net.add(nd.LIF(dendrite=nd.Branches(per_neuron=2, length=40.0)), 30)
    q = net.connect(pre, exc, nd.Degree(inputs=30), spines=nd.Spines(weight=3.0), delay=1.0)
    rule = nd.Heterosynaptic(amount=0.1, number=2, threshold=0.2)
    clustered = nd.ClusteredBirths(clustered=1.0, spread=0.5, length=40.0)
    q.use(nd.STDP("burst"), nd.SpineSize(death="none"), nd.Turnover(early=0.0, late=6.0), rule, clustered)
    sim = Simulator(net, acceleration=120.0, tick=7.2e6)
    shrunk = []

    class Listener:
        def on_tick(self, simulator, report):
            t = simulator.tables[q.name]
            step = t.column("step_heterosynaptic")[t.slots()]
            assert set(np.round(step, 12)) <= {0.0, -0.1}
            shrunk.append(int(np.sum(step < 0)))

    sim.listeners.append(Listener())
    sim.run_until_spike(12 * minute)
    sim.verify()
    t = sim.tables[q.name]
    s = t.slots()
    newborn = s[t.uid[s] > 900]
    assert newborn.size > 60 and sum(shrunk) > 5
    place = t.column("place")
    assert place[s].min() >= 0.0 and place[s].max() <= 40.0
    gaps = []
    for b in newborn:
        same = s[(t.post[s] == t.post[b]) & (t.column("branch")[s] == t.column("branch")[b]) & (t.uid[s] < t.uid[b])]
        gaps.append(np.min(np.abs(place[same] - place[b])))
    # at random, with 15 synapses on 40 um, the nearest older one is a micrometre and a third away on average
    assert np.mean(gaps) < 0.5
    with pytest.raises(BuildError, match="dendrite"):
        far = nd.Network()
        a = far.add(nd.LIF(), 5)
        p = far.connect(a, a, nd.Degree(inputs=2), spines=nd.Spines(weight=1.0))
        p.use(nd.STDP(), nd.SpineSize(), nd.Heterosynaptic())
        Simulator(far, acceleration=1.0, tick=minute)
