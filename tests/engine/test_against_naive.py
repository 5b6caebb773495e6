"""The engine against the naive simulator: same spikes, same columns, same births and deaths."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import DEATH
from neurodev.structure.verify import verify
from neurodev.units import hour
from tests.naive.simulator import NaiveSimulator


class Keep:
    def __init__(self):
        self.batches = []

    def on_tick(self, simulator, report):
        for batch in report.logs.values():
            for k in range(batch.uid.size):
                word = "death" if batch.kind[k] == DEATH else "birth"
                self.batches.append((int(batch.tick[k]), word, int(batch.uid[k]), CAUSES[int(batch.cause[k])]))


def both(net, until, **options):
    sim = Simulator(net, **options)
    spikes, keep = [], Keep()
    names = list(net.populations)
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda e, t, p, i: spikes.extend(
        zip((e + t).tolist(), [names[k] for k in p], i.tolist(), strict=True)
    )
    sim.listeners.append(keep)
    naive = NaiveSimulator(sim)
    sim.run_until_spike(until)
    naive.run(until)
    return sim, naive, spikes, keep.batches


def same_spikes(ours, theirs, least, within=1e-9):
    assert len(ours) >= least
    assert [s[1:] for s in ours] == [s[1:] for s in theirs]
    np.testing.assert_allclose([s[0] for s in ours], [s[0] for s in theirs], rtol=0, atol=within)


def random_net(seed, **cell):
    net = nd.Network(seed=seed)
    a = net.add(nd.Poisson(40.0), 20, name="a")
    e = net.add(nd.LIF(**cell), 30, name="e")
    i = net.add(nd.LIF(**cell), 10, name="i", inhibitory=True)
    net.connect(a, e, nd.Degree(6), weight=4.0, delay=nd.Uniform(1, 3), multapses=True)
    net.connect(e, e, nd.Near(300, 5), weight=1.5, delay=nd.Uniform(0.7, 4, step=0.3))
    net.connect(e, i, nd.Degree(8), weight=2.0, delay=1.5)
    net.connect(i, e, nd.Degree(4), weight=2.5, delay=nd.Uniform(1, 2))
    net.background(e, nd.Background(rate_hz=400.0, weight=1.2, amplitudes="exponential"))
    net.background(i, nd.Background(rate_hz=700.0, weight=1.0))
    return net


@pytest.mark.parametrize(
    ("seed", "cell"),
    [
        (1, {}),
        (2, {"refractory": 0.0}),
        (3, {"drive": 22.0}),
        (4, {"drive": 21.0, "refractory": 0.0, "reset": 5.0}),
        (5, {"refractory": 0.4}),
    ],
)
def test_static_network(seed, cell):
    sim, naive, spikes, _ = both(random_net(seed, **cell), 400.0)
    same_spikes(spikes, naive.spikes, 300)


@pytest.mark.parametrize("weight", [0.05, 0.2, 0.5])
def test_weak_inhibition_loses_no_crossing(weight):
    """A row of one negative weight between the noting of a crossing by background and the crossing itself."""
    net = nd.Network(seed=1)
    i = net.add(nd.Poisson(80.0), 30, name="i", inhibitory=True)
    e = net.add(nd.LIF(), 10, name="e")
    net.connect(i, e, nd.Degree(20), weight=weight, delay=1.0, name="back")
    net.background(e, nd.Background(rate_hz=1400.0, weight=1.0))
    sim, naive, spikes, _ = both(net, 600.0)
    assert sim.tables["back"].alike and sum(s[1] == "e" for s in spikes) > 10
    same_spikes(spikes, naive.spikes, 1000)


def test_per_neuron_parameters():
    net = nd.Network(seed=9)
    draw = np.random.default_rng(0)
    cell = nd.LIF(tau=draw.uniform(5, 30, 25), threshold=draw.uniform(10, 20, 25), refractory=draw.uniform(0.5, 3, 25),
                  drive=draw.uniform(8, 18, 25), initial=draw.uniform(0, 9, 25))  # fmt: skip
    e = net.add(cell, 25, name="e")
    net.connect(e, e, nd.Degree(5), weight=1.0, delay=nd.Uniform(1, 4))
    net.background(e, nd.Background(rate_hz=300.0, weight=1.5))
    sim, naive, spikes, _ = both(net, 300.0)
    same_spikes(spikes, naive.spikes, 200)
    v = sim.engine.potential("e")
    for c in naive.cells["e"]:
        c.decay(300.0)
    expected = [c.v if c.free else c.reset for c in naive.cells["e"]]
    np.testing.assert_allclose(v, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("rule", ["pair", "nearest", "triplet", "burst"])
@pytest.mark.parametrize("delay", [0.05, 1.5, 5.0])
def test_plastic_weights(rule, delay):
    net = nd.Network(seed=4)
    a = net.add(nd.Poisson(30.0), 12, name="a")
    e = net.add(nd.LIF(), 8, name="e")
    q = net.connect(a, e, nd.Degree(8), weight=3.0, delay=delay)
    q.use(nd.STDP(rule, weight_max=6.0, burst_tau=40.0, burst_gain=0.01, burst_loss=0.001))
    sim, naive, spikes, _ = both(net, 500.0)
    same_spikes(spikes, naive.spikes, 150)
    ours = dict(zip(sim.tables[q.name].state()["uid"].tolist(), sim.tables[q.name].state()["weight"], strict=True))
    for syn in naive.synapses[q.name]:
        assert abs(ours[syn["uid"]] - syn["weight"]) <= 1e-12


@pytest.mark.parametrize("rule", ["pair", "triplet"])
def test_plastic_weights_on_a_grid(rule):
    """Spikes and arrivals share their instants, signs mix within rows: same spikes, same weights."""
    net = nd.Network(seed=6)
    when = np.random.default_rng(1).integers(0, 150, 160) * 1.0
    a = net.add(nd.SpikeList(when, np.arange(160) % 12), 12, name="a")
    e = net.add(nd.LIF(threshold=5.0), 10, name="e")
    i = net.add(nd.LIF(threshold=5.0), 3, name="i", inhibitory=True)
    mixed = np.random.default_rng(2).normal(1.0, 2.0, 30)
    net.connect(a, e, nd.Pairs(np.arange(30) % 12, np.arange(30) % 10), weight=mixed, delay=1.0, signed=True)
    net.connect(e, i, nd.Degree(4), weight=3.0, delay=1.0)
    net.connect(i, e, nd.Degree(1), weight=2.0, delay=2.0)
    made = [net.connect(a, e, nd.Degree(4), weight=2.0, name="in"), net.connect(e, e, nd.Degree(3), weight=2.0)]
    for q in made:
        q.use(nd.STDP(rule, weight_max=6.0, potentiation=0.01, depression=0.03, triplet_potentiation=1e-3))
    sim, naive, spikes, _ = both(net, 200.0)
    same_spikes(spikes, naive.spikes, 150)
    times = np.array([s[0] for s in spikes])
    assert np.unique(times).size < 0.8 * times.size
    for q in made:
        ours = dict(zip(sim.tables[q.name].state()["uid"].tolist(), sim.tables[q.name].state()["weight"], strict=True))
        theirs = [(ours[s["uid"]], float(s["weight"])) for s in naive.synapses[q.name]]
        np.testing.assert_allclose(*np.transpose(theirs), rtol=0, atol=2e-6)
        assert np.ptp(np.transpose(theirs)[0]) > 0.1


def living_net(seed):
    """All mechanisms of the default study; returns the projection on spines too."""
    net = nd.Network(seed=seed, sheet=nd.Sheet(300, 300))
    r = net.add(nd.Poisson(20.0), 25, name="retina")
    e = net.add(nd.LIF(), 12, name="e")
    i = net.add(nd.LIF(), 4, name="i", inhibitory=True)
    delay = nd.Uniform(1, 5)
    q = net.connect(r, e, nd.Near(160, 6), spines=nd.Spines(weight=6), delay=delay)
    net.connect(e, e, nd.Near(80, 4), weight=0.8, delay=delay)
    net.connect(e, i, nd.Near(120, 4), weight=3.0, delay=delay)
    net.connect(i, e, nd.Near(120, 2), weight=1.0, delay=delay)
    q.use(nd.STDP("burst", period=500.0, burst_loss=1.0), nd.SpineSize(), nd.Neurotrophin(feeds=10), nd.Turnover())
    e.use(nd.Scaling(target_hz=5.0))
    return net, q


@pytest.mark.parametrize("seed", [1, *(pytest.param(k, marks=pytest.mark.compiled) for k in (2, 3))])
def test_everything_on(seed):
    """All mechanisms of the default study: spikes, sizes, evidence, weights, uids, causes and ticks."""
    net, q = living_net(seed)
    sim, naive, spikes, log = both(net, 500.0 * 12 + 100, acceleration=2 * hour / 500.0)
    same_spikes(spikes, naive.spikes, 500)
    assert sorted(log) == sorted(naive.log)
    assert any(x[1] == "death" for x in log) and any(x[1] == "birth" for x in log)
    state = sim.tables[q.name].state()
    order = {u: k for k, u in enumerate(state["uid"].tolist())}
    assert set(order) == {s["uid"] for s in naive.synapses[q.name]}
    for syn in naive.synapses[q.name]:
        k = order[syn["uid"]]
        for column in ("log_size", "evidence", "accumulator", "size", "drive_evidence", "drive_trophic"):
            assert state[column][k] == pytest.approx(syn[column], rel=1e-10, abs=1e-10), column
        assert state["weight"][k] == pytest.approx(syn["weight"], rel=1e-10, abs=1e-12)
    verify(sim.tables[q.name])


class Bytes:
    """Every spike as it left the engine, and every entry of the log, in their order."""

    def __init__(self, net, **options):
        self.sim, self.net = Simulator(net, **options), net
        self.spikes, self.log = [], []
        for p in net.populations.values():
            self.sim.engine.record_trains(p.index, True)
        self.sim.engine.sink = lambda e, t, p, i: self.spikes.append((e + t, p.copy(), i.copy()))
        self.sim.listeners.append(self)

    def on_tick(self, simulator, report):
        for name, batch in report.logs.items():
            self.log += [name, *(np.asarray(x).tobytes() for x in batch)]

    def run(self, pieces):
        for stop in pieces:
            self.sim.run_until_spike(stop)
        self.sim.engine.flush_spikes()
        return self

    def trains(self):
        return [np.concatenate(part) for part in zip(*self.spikes, strict=True)]

    def state(self):
        """Potentials of all cells and all columns of all synapses."""
        cells = [p.name for p in self.net.populations.values() if isinstance(p.model, nd.LIF)]
        columns = {(q, k): v for q, t in self.sim.tables.items() for k, v in t.state().items()}
        return {p: self.sim.engine.potential(p) for p in cells} | columns


def same_bytes(whole, cut, least):
    for ours, theirs in zip(whole.trains(), cut.trains(), strict=True):
        assert ours.size >= least and ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
    ours, theirs = whole.state(), cut.state()
    assert ours.keys() == theirs.keys()
    for key in ours:
        assert np.asarray(ours[key]).tobytes() == np.asarray(theirs[key]).tobytes(), key
    assert whole.log == cut.log
    assert whole.sim.engine.events == cut.sim.engine.events


@pytest.mark.compiled
def test_cut_anywhere_gives_the_same_bytes():
    """Times, populations and indices of all spikes, potentials, weights and events, within a window and at its edge."""
    whole = Bytes(random_net(6)).run([20000.0])
    cut = Bytes(random_net(6)).run([0.3, 17.77, 17.770001, 8191.9, 8192.0, 12345.6, 20000.0])
    same_bytes(whole, cut, 20_000)
    other = Bytes(random_net(60)).run([500.0])
    assert other.trains()[0].tobytes() != Bytes(random_net(6)).run([500.0]).trains()[0].tobytes()


@pytest.mark.compiled
def test_cut_anywhere_while_spines_live_and_die():
    """The same with all mechanisms on: every column and every entry of the log too, cut before, at and after ticks."""
    options = {"acceleration": 2 * hour / 500.0}
    end = 500.0 * 12 + 100
    whole = Bytes(living_net(1)[0], **options).run([end])
    cut = Bytes(living_net(1)[0], **options).run([0.3, 499.9, 500.0, 500.1, 2741.23, 3000.0, 5999.99, end])
    assert len(whole.log) > 24
    same_bytes(whole, cut, 500)


@pytest.mark.compiled
def test_shifted_by_thirty_days():
    """ALG-5: intervals agree to 1e-9 ms."""

    def times(start):
        net = random_net(7)
        sim = Simulator(net, start=start)
        out = []
        for p in net.populations.values():
            sim.engine.record_trains(p.index, True)
        base = sim.engine.epoch_start
        sim.engine.sink = lambda e, t, p, i: out.append((e - base) + t)
        sim.run_until_spike(3000.0)
        return np.concatenate(out)

    window = Simulator(random_net(7)).engine.epoch_length
    shift = np.ceil(30 * 86.4e6 / window) * window
    a, b = times(0.0), times(shift)
    assert a.size > 1000
    np.testing.assert_allclose(np.diff(a), np.diff(b), rtol=0, atol=1e-9)
