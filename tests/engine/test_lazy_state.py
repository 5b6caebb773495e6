"""What is kept as of the last event is told as of now: to probes, ticks and snapshots, and asking changes nothing."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.mechanisms.calcium_rules import potential_step
from neurodev.signals.calcium import calcium_at

FLAT = {"sigma": 0.0, "delay": 0.0, "calcium_tau": 2.0, "tau": 300.0, "low": 0.5, "high": 5.0, "down": 30.0}


def feed(rule, times, *, spines=False, **more):
    """One source onto two silent cells, by a rule on its synapses."""
    net = nd.Network(seed=2)
    s, e = net.add(nd.SpikeList(times, [0] * len(times)), 1, name="s"), net.add(nd.LIF(threshold=1e6), 2, name="e")
    q = net.connect(s, e, nd.AllToAll(), **({"spines": nd.Spines()} if spines else {"weight": 1.0}), name="q")
    q.use(rule, *([nd.SpineSize(noise=False)] if spines else []))
    return Simulator(net, **more)


def test_calcium_of_cells_at_any_time():
    """Between spikes calcium decays, and so does what a probe sees of it; growth goes on."""
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList([3.0, 8.0, 8.5], [0, 0, 1]), 2, name="s")
    e = net.add(nd.LIF(refractory=0.0), 2, name="e")
    net.connect(s, e, nd.OneToOne(), weight=25.0)
    e.use(nd.Growth({"axonal": nd.LinearGrowth(nu=1e-5)}, tau=30.0, beta=0.2))
    sim = Simulator(net, tick=1e4)
    for t in (0.5, 4.0, 8.75, 9.0, 9.25, 60.0):
        sim.run_until_spike(t)
        exact = [calcium_at(spikes, t, 30.0, 0.2)[0] for spikes in ([4.0, 9.0], [9.5])]
        np.testing.assert_allclose(sim.sampled("e", "calcium", np.arange(2)), exact, rtol=1e-12)
        assert sim.sampled("e", "calcium", np.array([1]))[0] == pytest.approx(exact[1], rel=1e-12)
    # g = 1 - Ca / epsilon, with epsilon .05
    area = 30.0 * 0.2 * np.array([2 - np.exp(-56 / 30) - np.exp(-51 / 30), 1 - np.exp(-50.5 / 30)])
    np.testing.assert_allclose(sim.sampled("e", "growth_axonal", np.arange(2)), 60.0 - area / 0.05, rtol=1e-9)


def test_efficacy_of_synapses_at_any_time():
    """After its calcium has gone an efficacy follows the bistable potential; the weight is that of the last event."""
    rule = nd.CalciumPlasticity(initially_up=1.0, **FLAT)
    sim = feed(rule, [5.0])
    slots = sim.tables["q"].slots()
    sim.run_until_spike(40.0)  # the arrival was at 6
    first = sim.sampled_synapses("q", "efficacy", slots)
    assert 0.5 < first[0] < 0.95 and first[0] == first[1]
    weight = sim.sampled_synapses("q", "weight", slots)
    sim.run_until_spike(400.0)
    now = sim.sampled_synapses("q", "efficacy", slots)
    np.testing.assert_allclose(now, potential_step(first[0], 360.0, 300.0), rtol=1e-9)
    np.testing.assert_allclose(sim.state("q")["efficacy"], now, rtol=0)
    np.testing.assert_allclose(sim.state("q")["calcium_time"], 400.0, rtol=1e-12)
    assert (sim.sampled_synapses("q", "weight", slots) == weight).all() and (sim.state("q")["weight"] == weight).all()
    assert sim.tables["q"].column("calcium_time")[slots].max() == 6.0  # nothing was written


@pytest.mark.parametrize("spines", [False, True])
def test_asking_changes_no_byte(spines):
    """A run that is looked at everywhere ends as one that is not."""
    times = np.sort(np.random.default_rng(3).uniform(0, 400, 60))
    ends = []
    for looks in (0, 37):
        sim = feed(nd.CalciumPlasticity(tau=300.0), times.tolist(), spines=spines, tick=100.0)
        for t in np.linspace(1.0, 449.0, looks):
            sim.run_until_spike(t)
            assert np.isfinite(sim.state("q")["efficacy"]).all()
        sim.run_until_spike(450.0)
        ends.append({k: v.tobytes() for k, v in sim.tables["q"].state().items()})
    assert ends[0] == ends[1]


def test_a_tick_knows_the_efficacy_of_its_end():
    """The two states of an efficacy move set-points as they are at the tick, not as of the last spike."""
    rule = nd.CalciumPlasticity(initially_up=1.0, gain=0.5, **FLAT)
    sim = feed(rule, [5.0], spines=True, tick=500.0)
    sim.run_until_spike(40.0)
    slots = sim.tables["q"].slots()
    first = sim.sampled_synapses("q", "efficacy", slots)[0]
    seen = []
    sim.listeners.append(type("Look", (), {"on_tick": lambda self, s, r: seen.append(s.n_tick)})())
    view = sim.views["q"]
    sim.run_until_spike(500.0)
    at_end = potential_step(first, 460.0, 300.0)
    np.testing.assert_allclose(view.table.column("efficacy")[slots], at_end, rtol=1e-9)
    np.testing.assert_allclose(view.table.column("drive_calcium")[slots], 0.5 * (2.0 * at_end - 1.0), rtol=1e-9)
    assert seen == [1] and at_end > first + 0.05


def test_what_a_run_file_keeps_is_as_of_its_end(tmp_path):
    """The last snapshot of a run that ends between events and ticks."""
    net = nd.Network(seed=2)
    s, e = net.add(nd.SpikeList([5.0], [0]), 1), net.add(nd.LIF(threshold=1e6), 1)
    net.connect(s, e, nd.AllToAll(), weight=1.0, name="q").use(nd.CalciumPlasticity(initially_up=1.0, **FLAT))
    run = nd.Simulation(net, to=tmp_path / "a.sqlite", tick=1e4).run(123.0).close()
    assert run.file.read("final/q/calcium_time").tolist() == [123.0]


@pytest.mark.parametrize("times", [[5.0], [5.0, 5.0], [5.0, 5.0, 9.0]])
def test_calcium_that_comes_at_once_comes(times):
    """Without a delay an arrival raises calcium then and there, as with a delay that is hardly one."""
    sims = [feed(nd.CalciumPlasticity(**FLAT | {"delay": d}), times) for d in (0.0, 1e-9)]
    for sim in sims:
        sim.run_until_spike(12.0)
    now, late = (sim.sampled_synapses("q", "calcium", sim.tables["q"].slots()) for sim in sims)
    exact = sum(np.exp(-(12.0 - t - 1.0) / 2.0) for t in times)
    np.testing.assert_allclose(now, exact, rtol=1e-12)
    np.testing.assert_allclose(late, exact, rtol=1e-8)


def test_some_cells_of_many():
    """The potential of some cells is that of all of them, at their places; with currents and with jumps."""
    for cell in (nd.LIF(drive=25.0), nd.LIF(drive=25.0, tau_excitatory=2.0, tau_inhibitory=5.0)):
        net = nd.Network(seed=1)
        e = net.add(cell, 50, name="e")
        net.background(e, nd.Background(rate_hz=500.0, weight=1.0))
        sim = Simulator(net)
        sim.run_until_spike(30.3)
        some = np.array([41, 3, 3])
        assert sim.sampled("e", "V", some).tolist() == sim.engine.potential("e")[some].tolist()
        assert np.unique(sim.engine.potential("e")).size > 10
