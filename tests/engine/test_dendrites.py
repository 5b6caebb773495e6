"""Networks of neurons with dendrites: the engine against the naive simulator, and against point neurons."""

import os
import subprocess
import sys

import numpy as np
import pytest

import neurodev as nd
from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, InvariantError, ParameterError
from tests.engine.test_against_naive import both, same_spikes

CELL = {"tau_excitatory": 5.0, "tau_inhibitory": 10.0}


def branched_net(seed, dendrite, *, scale=1.0, point=None, **cell):
    """Excitatory neurons with a dendrite and inhibitory point neurons; a drive, and background on the soma."""
    net = nd.Network(seed=seed)
    cell = CELL | cell
    a = net.add(nd.Poisson(30.0), 20, name="a")
    e = net.add(nd.LIF(dendrite=dendrite, **cell), 16, name="e")
    i = net.add(nd.LIF(**CELL), 5, name="i", inhibitory=True)
    net.connect(a, e, nd.Degree(10), weight=scale * 60.0, delay=nd.Uniform(1, 3), multapses=True)
    net.connect(e, e, nd.Near(300, 4), weight=scale * 40.0, delay=nd.Uniform(0.7, 4, step=0.3))
    net.connect(e, i, nd.Degree(8), weight=120.0, delay=1.5)
    net.connect(i, e, nd.Degree(3), weight=50.0, delay=nd.Uniform(1, 2))
    net.background(e, nd.Background(rate_hz=300.0, weight=60.0))
    net.background(i, nd.Background(rate_hz=400.0, weight=60.0))
    return net


CASES = [
    ("bilinear", nd.Bilinear(3, across=0.3), {}),
    ("bilinear", nd.Bilinear(2, kappa_ee=0.02, kappa_ei=-0.05, kappa_ii=0.0, across=1.0), {"tau_inhibitory": 5.0}),
    ("bilinear", nd.Bilinear(2), {"tau_excitatory": 20.0, "drive": 21.0, "refractory": 0.0, "reset": 4.0}),
    ("bilinear", nd.Bilinear(2), {"tau_excitatory": 40.0, "tau_inhibitory": 40.5}),
    ("two-layer", nd.TwoLayer(4, unit=20.0), {"drive": 10.0}),
    ("two-layer", nd.TwoLayer(2, unit=60.0), {"refractory": 0.0, "drive": 12.0}),
    ("plateau", nd.Plateau(4, threshold=100.0, duration=30.0), {}),
    ("plateau", nd.Plateau(3, threshold=70.0, amplitude=90.0, duration=7.0), {"refractory": 0.0, "drive": 5.0}),
    ("plateau", nd.Plateau(3, threshold=70.0, duration=60.0, magnesium=0.0), {"drive": 21.0, "refractory": 4.0}),
]


@pytest.mark.parametrize(("name", "dendrite", "cell"), CASES)
def test_against_the_naive_simulator(name, dendrite, cell):
    """Spikes equal to 1e-9 ms; the twin writes out every pair of arrivals."""
    sim, naive, spikes, _ = both(branched_net(1, dendrite, **cell), 150.0)
    same_spikes(spikes, naive.spikes, 90)
    assert sum(s[1] == "e" for s in spikes) > 10
    ours, theirs = sim.engine.potential("e"), []
    for c in naive.cells["e"]:
        c.decay(150.0)
        theirs.append(c.v if c.free else c.reset)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
    if name == "plateau":
        assert any(c.until for c in naive.cells["e"])


def trains(net, stops):
    sim, out = Simulator(net), []
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda e, t, p, i: out.append(np.column_stack([e + t, p, i]))
    for stop in stops:
        sim.run_until_spike(stop)
    return sim, np.concatenate(out)


LINEAR = [
    nd.Branches(5),
    nd.Bilinear(5, kappa_ee=0.0, kappa_ei=0.0, kappa_ii=0.0),
    nd.TwoLayer(5, height=0.0, slope=1.0, curvature=0.0),
    nd.Plateau(5, amplitude=0.0),
]


@pytest.mark.compiled
@pytest.mark.parametrize("dendrite", LINEAR)
def test_linear_branches_are_a_point_neuron(dendrite):
    """The same spikes whatever the branches, if they only add up."""
    _, point = trains(branched_net(3, None), [1000.0])
    _, branched = trains(branched_net(3, dendrite), [1000.0])
    assert point.shape[0] > 500
    np.testing.assert_array_equal(point[:, 1:], branched[:, 1:])
    np.testing.assert_allclose(point[:, 0], branched[:, 0], rtol=0, atol=1e-9)


def test_branches_of_delta_synapses():
    """A point neuron with jumps of V may have places, too: nothing changes."""

    def net(dendrite):
        net = nd.Network(seed=1)
        a = net.add(nd.Poisson(30.0), 20, name="a")
        e = net.add(nd.LIF(dendrite=dendrite), 5, name="e")
        net.connect(a, e, nd.Degree(10), weight=6.0)
        return net

    assert trains(net(None), [500.0])[1].tobytes() == trains(net(nd.Branches(3)), [500.0])[1].tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("dendrite", [nd.Bilinear(3), nd.TwoLayer(3), nd.Plateau(3, threshold=70.0, duration=500.0)])
def test_cut_anywhere_gives_the_same_bytes(dendrite):
    whole, a = trains(branched_net(6, dendrite), [9000.0])
    cut, b = trains(branched_net(6, dendrite), [0.3, 17.77, 17.770001, 8191.9, 8192.0, 8500.1, 9000.0])
    assert a.tobytes() == b.tobytes() and a.shape[0] > 1000
    assert whole.engine.potential("e").tobytes() == cut.engine.potential("e").tobytes()


@pytest.mark.compiled
def test_shifted_by_thirty_days():
    """ALG-5, with plateaus that outlast an epoch's end."""

    def net():
        return branched_net(7, nd.Plateau(3, threshold=70.0, duration=80.0))

    engine = Simulator(net()).engine
    window, block = engine.epoch_length, float(engine.state.clock.length[1])
    shift = np.ceil(30 * 86.4e6 / window) * window
    times = []
    for start in (0.0, shift - 100.0 // block * block):
        sim, out = Simulator(net(), start=start), []
        sim.engine.record_trains(1, True)
        sim.engine.sink = lambda e, t, p, i, out=out, start=start: out.append((e - start) + t)
        sim.run_until_spike(500.0)
        times.append(np.concatenate(out))
    np.testing.assert_allclose(*times, rtol=0, atol=1e-8)


def lone(dendrite, arrivals, branch, *, weight=30.0, inhibitory=None, **cell):
    """One neuron without threshold; a spike at each of `arrivals` on its own synapse, on `branch` (one number each)."""
    net, n = nd.Network(), len(arrivals)
    c = {"tau": 20.0, "threshold": 1e6, "capacitance": 200.0, "tau_excitatory": 5.0, "tau_inhibitory": 10.0} | cell
    a = net.add(nd.SpikeList(arrivals, list(range(n))), n, name="a")
    e = net.add(nd.LIF(dendrite=dendrite, **c), 1, name="cell")
    net.connect(a, e, nd.AllToAll(), weight=weight, delay=1.0, branch=np.asarray(branch))
    return Simulator(net)


def test_a_plateau_begins_and_ends():
    """The potential, in closed form: two arrivals on one branch reach threshold, then the current ends."""
    p = nd.Plateau(2, threshold=50.0, amplitude=100.0, duration=60.0)
    sim = lone(p, [1.0, 3.0], [0, 0])
    sim.run_until_spike(4.0)
    before = 30 / 200 * (np.exp(-0.1) - np.exp(-0.4)) / (1 / 5 - 1 / 20)
    assert sim.engine.potential("cell")[0] == pytest.approx(before, rel=1e-12)
    size = float(p.onset(before))
    for t in (20.0, 64.0, 64.5, 300.0):
        sim.run_until_spike(t)
        v = sum(30 / 200 * (np.exp(-s / 20) - np.exp(-s / 5)) / (1 / 5 - 1 / 20) for s in (t - 2.0, t - 4.0))
        on = min(t, 64.0) - 4.0
        v += size * 0.1 * (1 - np.exp(-on / 20)) * np.exp(-max(t - 64.0, 0.0) / 20)
        assert sim.engine.potential("cell")[0] == pytest.approx(v, rel=1e-10)
    other = lone(p, [1.0, 3.0], [0, 1])  # each branch below its threshold
    other.run_until_spike(60.0)
    assert other.engine.potential("cell")[0] < 0.2


def test_branches_at_random_and_given():
    """Synapses without given branches are uniform over them; a wrong branch is refused by name."""
    net = nd.Network(seed=1)
    a = net.add(nd.Poisson(1.0), 200, name="a")
    e = net.add(nd.LIF(dendrite=nd.Plateau(4, length=50.0), **CELL), 20, name="e")
    i = net.add(nd.LIF(), 3, name="i")
    net.connect(a, e, nd.Degree(100), weight=1.0)
    net.connect(a, e, nd.Degree(50), weight=1.0, branch=2, name="second")
    tables = Simulator(net).tables
    branch = tables["a_e"].state()["branch"].astype(int)
    assert np.all(np.abs(np.bincount(branch, minlength=4) - 500) < 4 * np.sqrt(2000 * 3 / 16))
    place = tables["a_e"].state()["place"]
    assert 0 <= place.min() < 2 and 48 < place.max() <= 50
    assert set(tables["second"].state()["branch"]) == {2.0}
    for given, error, match in (
        (4, ParameterError, r"\[0, 4\)"), (1.5, ParameterError, "whole numbers"), ([0, 1], None, "1000"),
    ):  # fmt: skip
        if error is None:
            net.connect(a, e, nd.Degree(50), weight=1.0, branch=given, name="third")
            with pytest.raises(ParameterError, match=match):
                Simulator(net)
            continue
        with pytest.raises(error, match=match):
            net.connect(a, e, nd.Degree(50), weight=1.0, branch=given, name="third")
    with pytest.raises(BuildError, match="no dendrite"):
        net.connect(a, i, nd.Degree(50), weight=1.0, branch=0)


@pytest.mark.compiled
def test_births_lie_on_branches_and_a_run_tells_them(tmp_path):
    """Newborn synapses have branch and place of their own, the run file keeps them, a spine's story tells them."""
    from neurodev.units import day

    net = nd.Network(seed=2)
    a = net.add(nd.Poisson(20.0), 40, name="a")
    e = net.add(nd.LIF(dendrite=nd.Plateau(4, length=80.0), **CELL), 20, name="e")
    q = net.connect(a, e, nd.Degree(8), spines=nd.Spines(weight=60.0), name="map")
    q.use(nd.SpineSize(), nd.Turnover(), nd.ClusteredBirths(length=80.0))
    run = nd.simulate(net, 3 * day, acceleration=7200 * 4, to=tmp_path / "run.sqlite", progress=False)
    state = run.snapshot("map", 3)
    first = run.file.read("initial/map/branch")
    assert set(first) == set(state["branch"]) == {0.0, 1.0, 2.0, 3.0}
    young = state["born"] > 0
    assert young.sum() > 100 and 0 <= state["place"].min() and state["place"].max() <= 80
    share = np.bincount(state["branch"][young].astype(int), minlength=4) / young.sum()
    assert np.all(np.abs(share - 0.25) < 0.15)
    uid = int(state["uid"][young][0])
    assert f"on branch {state['branch'][young][0]:.0f}, " in run.spines[uid].story()
    sim = Simulator(net)
    sim.verify()
    sim.tables["map"].column("branch")[sim.tables["map"].slots()[0]] = 4.0
    with pytest.raises(InvariantError, match="branch 4 of 4"):
        sim.verify()
    assert "4 branches (Plateau)" in str(net)
    assert any("onset" in x for x in run.file.item("approximations"))


def everything():
    """Numbers that every kernel of dendrites had a part in."""
    out = []
    for dendrite in (nd.Bilinear(3, across=0.4), nd.TwoLayer(3), nd.Plateau(3, threshold=70.0, duration=20.0)):
        sim, spikes = trains(branched_net(2, dendrite), [25.0])
        out += [spikes[:, 0], sim.engine.potential("e"), sim.engine.cells[1].places[:, :2].ravel()]
    return np.concatenate(out)


@pytest.mark.skipif(not jit.ENABLED, reason="compares with the interpreter")
def test_compiled_equals_interpreted(tmp_path):
    """JIT on equals JIT off to 1e-12 (the contract of every kernel)."""
    path = tmp_path / "numbers.npy"
    code = f"""if True:
        import numpy as np
        from tests.engine.test_dendrites import everything
        np.save({str(path)!r}, everything())"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True)
    np.testing.assert_allclose(np.load(path), everything(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("other_branch", [False, True])
def test_an_arrival_at_the_end_of_a_plateau_begins_another(other_branch):
    """10 to 30, and from 30 on: as an arrival just after the end does, and not as one just before it, which is lost."""

    def potential(second):
        dendrite = nd.Plateau(2, threshold=100.0, amplitude=50.0, duration=20.0, magnesium=0.0)
        cell = nd.LIF(
            tau=10.0, threshold=1e9, tau_excitatory=2.0, tau_inhibitory=5.0, capacitance=100.0, dendrite=dendrite
        )
        net = nd.Network(seed=1)
        e = net.add(cell, 1, name="cell")
        s = net.add(nd.SpikeList([9.0, second], [0, 0]), 1, name="s")
        net.connect(s, e, nd.AllToAll(), weight=100.0, branch=0)
        if other_branch:  # whose plateau ends at the same instant, and begins no other
            net.connect(s, e, nd.Pairs([0], [0]), weight=100.0, branch=1, name="once", delay=1.0)
        sim = Simulator(net)
        sim.run_until_spike(49.0)
        return sim.engine.potential("cell")[0]

    at, after, before = potential(29.0), potential(29.0 + 1e-7), potential(29.0 - 1e-7)
    assert at == pytest.approx(after, rel=1e-6) and at > 2 * before
