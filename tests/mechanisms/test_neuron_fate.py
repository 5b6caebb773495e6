"""Neuron death and neurogenesis: closed forms, statistics, and what is left of a dead cell (nothing)."""

import math
from dataclasses import replace

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, InvariantError, ParameterError
from neurodev.mechanisms.neuron_fate import DEATH_PRESETS, survival
from neurodev.plot import lives, report
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.plan import NeuronPlan, merge_neurons
from neurodev.structure.verify import replay
from neurodev.units import day, hour
from tests.engine.test_against_naive import both, same_spikes
from tests.mechanisms.drivers import neurons

TICK = 2 * hour


def live(view, mechanism, until, rate_hz=None, trophic=None):
    """Ticks of one population without spikes; returns (tick, neuron, hazard) of the dead."""
    b, c, out = view.block, view.clock, []
    while c.life < until - 1e-6:
        c.tick += 1
        c.life = c.tick * c.tick_life
        if rate_hz is not None:
            b["rate_hz"][:] = rate_hz
        if trophic is not None:
            b["trophic_level"][:] = trophic
        for phase in ("signals", "add", "advance"):
            getattr(mechanism, phase)(view)
        b.clear_absent()
        plan = mechanism.propose(view)
        if plan is not None:
            m = merge_neurons([plan], b.alive, b.unborn)
            b.alive[m.died], b.died[m.died] = False, c.life
            b.alive[m.born], b.born[m.born] = True, c.life
            if m.born.size:
                mechanism.born(view, m.born)
            out += [(c.tick, int(j), float(v)) for j, v in zip(m.died, m.value, strict=True)]
    return out


def share(death, n=4000, rate_hz=0.5, **more):
    view = neurons(death, n, tick=TICK)
    live(view, death, death.end + day, rate_hz, **more)
    return float((~view.block.alive).mean())


# ---------------------------------------------------------------------- death: laws


@pytest.mark.parametrize("fraction", [0.0, 0.12, 0.5, 0.95])
def test_fraction_dies_at_the_set_point(fraction):
    """BIO-23: the fraction is configurable from 0 to .95."""
    n = 4000
    death = nd.NeuronDeath(fraction=fraction, most=0.95)
    got = share(death, n)
    assert abs(got - fraction) <= 4 * math.sqrt(fraction * (1 - fraction) / n)


@pytest.mark.parametrize(("population", "band"), [("pyramidal", 0.03), ("interneuron", 0.05), ("motoneuron", 0.05)])
def test_presets_die_in_their_band(population, band):
    """BIO-23: pyramidal .12 +- .03, interneuron .35 +- .05, motoneuron .5 +- .05."""
    middle = {"pyramidal": 0.12, "interneuron": 0.35, "motoneuron": 0.5}[population]
    death = nd.NeuronDeath.preset(population)
    assert (death.fraction, death.begin, death.end) == DEATH_PRESETS[population]
    assert abs(share(death) - middle) < band
    with pytest.raises(ParameterError, match="pyramidal"):
        nd.NeuronDeath.preset("pyramidial")


@pytest.mark.parametrize("support", [0.0, 0.6, 1.0, 1.7])
@pytest.mark.parametrize("tick", [1 * hour, 12 * hour])
def test_survival_is_the_closed_form(support, tick):
    """Whatever the tick: exp(-hazard x time in the window), at every age."""
    n = 3000
    death = nd.NeuronDeath(fraction=0.4, begin=1.3 * day, end=4 * day, slope=1.5, average=0.0, target_hz=2.0)
    view = neurons(death, n, tick=tick)
    for age in (1 * day, 2.5 * day, 6 * day):
        live(view, death, age, rate_hz=2.0 * support)
        p = float(survival(death, support, age))
        assert abs(view.block.alive.mean() - p) <= 4 * math.sqrt(p * (1 - p) / n) + 1e-12
    assert survival(death, 1.0, 9 * day) == pytest.approx(0.6, rel=1e-12)
    if support == 0.6:
        assert view.block.alive.mean() > 0


def test_activity_saves():
    """BIO-25: raising the activity of a cell in the window raises its survival; before and after it does not count."""
    n = 6000
    rate = np.repeat([0.25, 0.5, 1.0], n // 3)
    death = nd.NeuronDeath(fraction=0.5, begin=2 * day, end=5 * day, slope=1.0)
    view = neurons(death, n)
    live(view, death, 6 * day, rate)
    alive = view.block.alive.reshape(3, -1).mean(axis=1)
    se = math.sqrt(0.25 / (n // 3))
    assert alive[1] - alive[0] > 4 * se and alive[2] - alive[1] > 4 * se
    view = neurons(death, n)
    live(view, death, 1 * day, rate)  # a difference before the window is forgotten within the average
    live(view, death, 9 * day, 0.5)
    alive = view.block.alive.reshape(3, -1).mean(axis=1)
    assert np.ptp(alive) < 6 * se
    assert all(2 * day < d <= 5 * day + 1e-6 for d in view.block.died[~view.block.alive])


def test_trophic_support_and_mixture():
    """A trophic signal stands in for activity, alone or with a weight."""
    death = nd.NeuronDeath(fraction=0.5, activity=0.0, trophic=1.0, trophic_reference=4.0, slope=1.0)
    view = neurons(death, 10)
    view.block.add("trophic_level", 4.0)
    view.block["trophic_level"][:] = np.linspace(0, 9, 10)
    np.testing.assert_allclose(death.support(view), np.linspace(0, 9, 10) / 4.0, rtol=1e-12)
    mixed = nd.NeuronDeath(activity=3.0, trophic=1.0, trophic_reference=4.0)
    view.block["fate_rate"][:] = 0.25
    np.testing.assert_allclose(mixed.support(view), (3 * 0.5 + np.linspace(0, 9, 10) / 4) / 4, rtol=1e-12)
    relative = nd.NeuronDeath(target_hz=None)
    view.block["fate_rate"][:] = np.arange(10)
    view.block.alive[9] = False
    np.testing.assert_allclose(relative.support(view), np.arange(10) / 4.0, rtol=1e-12)
    view.block["fate_rate"][:] = 0.0
    np.testing.assert_array_equal(relative.support(view), 1.0)
    assert (nd.NeuronDeath(activity=0.0).support(view) == 1).all()


def test_hazard_is_the_number_in_the_log():
    death = nd.NeuronDeath(fraction=0.9, average=0.0)
    view = neurons(death, 50)
    rates = np.linspace(0.1, 1.0, 50)
    dead = live(view, death, 6 * day, rates)
    assert dead
    for _, j, value in dead:
        assert value == pytest.approx(float(death.hazard(rates[j] / 0.5)), rel=1e-6)


def test_cap_takes_the_weakest_first():
    """BIO-23: never more than `most` of all who ever lived."""
    death = nd.NeuronDeath(fraction=0.95, most=0.3, begin=0.0, end=3 * day, average=0.0)
    view = neurons(death, 100)
    live(view, death, 4 * day, rate_hz=np.repeat([0.05, 1.0], 50))
    assert (~view.block.alive).sum() == 30
    assert (~view.block.alive[:50]).sum() >= 25
    assert not live(view, death, 6 * day)


def test_draws_belong_to_tick_and_neuron():
    """A neuron's fate does not depend on how many others there are, nor on their deaths."""
    death = nd.NeuronDeath(fraction=0.7, slope=0.0)
    few, many = neurons(death, 40), neurons(death, 400)
    a, b = live(few, death, 6 * day), live(many, death, 6 * day)
    assert a == [x for x in b if x[1] < 40] and a


def test_bad_input():
    with pytest.raises(ParameterError, match="must lie after"):
        nd.NeuronDeath(begin=5 * day, end=5 * day)
    with pytest.raises(ParameterError, match="fraction"):
        nd.NeuronDeath(fraction=0.96)
    with pytest.raises(ParameterError, match="deaths of neurons must lie"):
        merge_neurons([NeuronPlan("x", np.array([7]))], np.ones(5, bool), np.zeros(5, bool))
    with pytest.raises(ParameterError, match="one value for each of 1"):
        merge_neurons([NeuronPlan("x", np.array([1]), np.zeros(2, np.uint8))], np.ones(5, bool), np.zeros(5, bool))
    net = nd.Network()
    e = net.add(nd.LIF(), 3)
    e.use(nd.NeuronDeath(trophic=1.0))
    with pytest.raises(BuildError, match="trophic_level"):
        Simulator(net)


def test_merge_of_neuron_plans():
    """First cause counts, the dead do not die twice, births take the next places and are refused without one."""
    alive, unborn = np.array([1, 1, 0, 1, 0, 0], bool), np.array([0, 0, 0, 0, 1, 1], bool)
    one = NeuronPlan("a", np.array([3, 2]), np.array([7, 7], np.uint8), np.array([0.5, 0.5], np.float32), n_born=1)
    two = NeuronPlan("b", np.array([0, 3]), n_born=2)
    m = merge_neurons([one, two], alive, unborn)
    assert m.died.tolist() == [3, 0] and m.cause.tolist() == [7, CAUSES.index("neuron_death")]
    assert m.value[0] == 0.5 and np.isnan(m.value[1])
    assert m.born.tolist() == [4, 5] and m.refused == {"no room": 1}


# ---------------------------------------------------------------------- death: nothing is left


class Watch:
    """Verifies after every tick and keeps what was logged."""

    def __init__(self, simulator):
        self.neurons, self.synapses = {}, {}
        self.first = {k: t.state() for k, t in simulator.tables.items()}
        simulator.listeners.append(self)

    def on_tick(self, simulator, report):
        simulator.verify()
        for name, b in report.neurons.items():
            self.neurons.setdefault(name, []).extend(zip(b.tick, b.kind, b.neuron, b.cause, strict=True))
        for name, b in report.logs.items():
            self.synapses.setdefault(name, []).append(b)
            counted = self.first[name]["uid"].size
            counted += sum(int(np.where(x.kind == BIRTH, 1, -1).sum()) for x in self.synapses[name])
            assert counted == simulator.tables[name].n_synapse


def circuit(seed=1, room=0, death=None, growth=None, scaling=True, unit=1.0, **cell):
    """Plastic and static projections, a loop, inhibition, background; `unit` is what one mV of weight becomes."""
    net = nd.Network(seed=seed, sheet=nd.Sheet(300, 300))
    r = net.add(nd.Poisson(20.0), 25, name="retina")
    e = net.add(nd.LIF(**cell), 12, name="e", room=room)
    i = net.add(nd.LIF(), 4, name="i", inhibitory=True)
    delay = nd.Uniform(1, 5)
    q = net.connect(r, e, nd.Near(160, 6), spines=nd.Spines(weight=6 * unit), delay=delay)
    net.connect(e, e, nd.Near(80, 4), weight=0.8 * unit, delay=delay)
    net.connect(e, i, nd.Near(120, 4), weight=3.0, delay=delay)
    net.connect(i, e, nd.Near(120, 2), weight=1.0 * unit, delay=delay)
    net.background(e, nd.Background(rate_hz=100.0, weight=1.0 * unit))
    q.use(nd.STDP("burst", period=500.0, burst_loss=1.0), nd.SpineSize(), nd.Neurotrophin(feeds=10), nd.Turnover())
    if scaling:
        e.use(nd.Scaling(target_hz=5.0))
    for m in (death, growth):
        if m is not None:
            e.use(m)
    return net


FAST = {"acceleration": 2 * hour / 500.0}
DYING = nd.NeuronDeath(fraction=0.7, begin=0.1 * day, end=1 * day, target_hz=10.0, slope=0.5)
GROWING = nd.Neurogenesis(
    rate=6.0, axon=0.2 * day, first_spine=0.3 * day, half=0.4 * day, critical_begin=0.5 * day, critical_end=0.9 * day
)


CURRENTS = {"tau_excitatory": 5.0, "tau_inhibitory": 10.0, "capacitance": 200.0, "unit": 60.0}
KINDS = {
    "jumps": {},
    "jumps, firing by themselves": {"drive": 21.0, "refractory": 0.0, "reset": 5.0},
    "currents": CURRENTS,
    "currents, firing by themselves": {"drive": 21.0, **CURRENTS},
    "plateaus": {"dendrite": nd.Plateau(2, threshold=150.0, amplitude=40.0, duration=40.0), **CURRENTS},
}


@pytest.mark.compiled
@pytest.mark.parametrize(("seed", "kind"), enumerate(KINDS, 1))
def test_lives_against_the_naive_simulator(seed, kind):
    """Same spikes, same deaths and births of neurons and of everything on them, same columns."""
    death = replace(DYING, fraction=0.4, slope=0.1)
    net = circuit(seed, room=5, death=death, growth=GROWING, **KINDS[kind])
    sim, naive, spikes, log = both(net, 150.0 * 14 + 50, acceleration=2 * hour / 150.0)
    # currents may take a potential along its threshold, which tells the time of a crossing to fewer digits
    same_spikes(
        *(sorted(x, key=lambda s: (round(s[0], 7), s[1], s[2])) for x in (spikes, naive.spikes)), 500, within=2e-8
    )
    assert sorted(log) == sorted(naive.log)
    assert sum(x[3] == "neuron_death" for x in log) > 10
    b = sim.blocks["e"]
    assert [not c.dead for c in naive.cells["e"]] == b.alive.tolist()
    assert 1 < (~np.isnan(b.died)).sum() < 12 and (b.born > 0).sum() >= 2
    young = {j for _, p, j in spikes if p == "e"} & set(np.flatnonzero(b.born > 0).tolist())
    state = sim.tables["retina_e"].state()
    assert young and (b["maturity"][b.alive] < 1).any()
    order = {u: k for k, u in enumerate(state["uid"].tolist())}
    for syn in naive.synapses["retina_e"]:
        for column in ("log_size", "evidence", "drive_trophic"):
            assert state[column][order[syn["uid"]]] == pytest.approx(syn[column], rel=1e-10, abs=1e-10)
    sim.verify()


@pytest.mark.compiled
def test_everything_goes_with_the_cell():
    """BIO-24, ALG-9: counts reconcile after every tick, the dead are silent, signals are cleared, the log replays."""
    sim = Simulator(circuit(3, room=6, death=DYING, growth=GROWING), **FAST)
    watch, spikes = Watch(sim), []
    sim.engine.record_trains(1, True)
    sim.engine.sink = lambda e, t, p, i: spikes.extend(zip((e + t).tolist(), i.tolist(), strict=True))
    sim.run_until_spike(500.0 * 16)
    b = sim.blocks["e"]
    dead = np.flatnonzero(~np.isnan(b.died))
    born = np.flatnonzero(b.born > 0)
    assert dead.size >= 3 and born.size >= 2
    for t, j in spikes:
        life = t * sim.acceleration
        assert b.born[j] - 1e-3 <= life
        assert np.isnan(b.died[j]) or life <= b.died[j] + 1e-3
    for name, fill in (("scaling", 0.0), ("rate_average", 5.0), ("rate_hz", 0.0), ("fate_rate", 10.0)):
        np.testing.assert_array_equal(b[name][~b.alive], fill)
    logged = {int(j) for _, kind, j, _ in watch.neurons["e"] if kind == DEATH}
    assert logged == set(dead.tolist())
    assert {int(j) for _, kind, j, _ in watch.neurons["e"] if kind == BIRTH} == set(born.tolist())
    assert np.isnan(sim.engine.potential("e")[~b.alive]).all() and np.isfinite(sim.engine.potential("e")[b.alive]).all()
    for name, batches in watch.synapses.items():
        first, last = watch.first[name], sim.tables[name].state()
        whole = type(batches[0])(*(np.concatenate(x) for x in zip(*batches, strict=True)))
        uid, pre, post, _ = replay(first["uid"], first["pre"], first["post"], first["lane"], whole)
        order = np.argsort(last["uid"])
        np.testing.assert_array_equal(uid, last["uid"][order])
        np.testing.assert_array_equal(pre, last["pre"][order])
        np.testing.assert_array_equal(post, last["post"][order])


def relay(delay=5.0, unit=1.0, **cell):
    """A drive fires a relay cell at 10, 20, ... ms, which fires a target after `delay`; both also by background."""
    net = nd.Network(seed=1)
    d = net.add(nd.Regular(10.0), 1, name="d")
    a = net.add(nd.LIF(**cell), 2, name="a")
    b = net.add(nd.LIF(**cell), 2, name="b")
    net.connect(d, a, nd.Pairs([0], [0]), weight=50.0 * unit, delay=1.0)
    net.connect(a, b, nd.Pairs([0, 1], [0, 1]), weight=50.0 * unit, delay=delay)
    sim, out = Simulator(net), []
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda e, t, p, i: out.extend(zip((e + t).tolist(), p.tolist(), i.tolist(), strict=True))
    return net, sim, out


def test_a_spike_of_the_dead_does_not_arrive():
    """ALG-10: the relay fires at 11 and dies at 13; its spike was due at 16 and delivers nothing."""
    net, sim, out = relay()
    sim.run_until_spike(13.0)
    assert [x[1:] for x in out] == [(0, 0), (1, 0)]
    sim.kill_neurons(net.populations["a"], np.array([0]), "neuron_death")
    sim.verify()
    sim.run_until_spike(200.0)
    assert {x[1] for x in out if x[0] > 13.0} == {0}  # only the drive goes on
    assert sim.tables["a_b"].n_synapse == 1 and sim.tables["d_a"].n_synapse == 0


@pytest.mark.parametrize(
    "cell",
    [
        {}, {"refractory": 0.0}, {"drive": 25.0}, {"drive": 25.0, "refractory": 4.0}, CURRENTS,
        CURRENTS | {"drive": 25.0}, CURRENTS | {"refractory": 0.0},
    ],
)  # fmt: skip
def test_the_dead_are_not_revived(cell):
    """ALG-10: by a spike in flight, by the end of refractoriness, by background, by drive, by the end of silence."""
    net, sim, _ = relay(**cell)
    net.end(sim)
    b = net.populations["b"]
    net.background(b, nd.Background(rate_hz=900.0, weight=5.0 * cell.get("unit", 1.0)))
    out = []
    sim = Simulator(net)
    sim.engine.record_trains(b.index, True)
    sim.engine.sink = lambda e, t, p, i: out.extend(zip((e + t).tolist(), i.tolist(), strict=True))
    sim.run_until_spike(97.3)
    n = len(out)
    assert {i for _, i in out} == {0, 1}
    sim.kill_neurons(b, np.array([0]), "neuron_death")
    sim.engine.silence(b.index, True)
    sim.run_until_spike(110.0)
    sim.engine.silence(b.index, False)
    sim.verify()
    sim.run_until_spike(400.0)
    sim.verify()
    assert {i for _, i in out[n:]} == {1}


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("cell", [{}, {k: v for k, v in CURRENTS.items() if k != "unit"}])
def test_a_newborn_starts_afresh(cell, silent):
    """From its initial potential, without the currents that fell on its empty place; it may cross in the same block."""
    net = nd.Network(seed=1)
    cell = nd.LIF(threshold=20.0, drive=22.0, initial=19.9, reset=5.0, **cell)
    e = net.add(cell, 1, name="e", room=2)
    net.background(e, nd.Background(rate_hz=3000.0, weight=2.0))
    sim, out = Simulator(net), []
    sim.engine.record_trains(0, True)
    sim.engine.sink = lambda e, t, p, i: out.extend(zip((e + t).tolist(), i.tolist(), strict=True))
    sim.run_until_spike(100.7)
    sim.engine.set_background_rate(0, 0.0)
    sim.engine.silence(0, silent)
    assert sim._apply_neuron_plans(e, [NeuronPlan("Neurogenesis", n_born=1)]) == []
    sim.verify()
    if not silent:
        assert sim.engine.potential("e")[1] == pytest.approx(19.9, rel=1e-12)
        assert np.isnan(sim.engine.potential("e")[2])
    sim.run_until_spike(100.9)
    sim.engine.silence(0, False)
    sim.run_until_spike(160.0)
    sim.verify()
    first = next(t for t, i in out if i == 1)
    start, v = (100.9, 5.0) if silent else (100.7, 19.9)
    assert first - start == pytest.approx(20.0 * math.log((22.0 - v) / 2.0), abs=1e-9)
    assert {i for _, i in out} == {0, 1}


def test_an_index_is_not_used_again():
    """ALG-11: a newborn never takes the place of a dead cell, so no event on its way can meet a stranger."""
    net = nd.Network(seed=2)
    e = net.add(nd.LIF(), 3, name="e", room=2)
    net.connect(e, e, nd.AllToAll(), weight=1.0, delay=8.0)
    e.use(nd.Neurogenesis(rate=200.0, axon=0.0, first_spine=0.0))
    sim = Simulator(net, acceleration=2 * hour / 10.0)
    sim.run_until_spike(5.0)
    sim.kill_neurons(e, np.array([0, 1, 2]), "neuron_death")
    assert sim.tables["e_e"].n_synapse == 0
    sim.run_until_spike(30.0)
    b = sim.blocks["e"]
    assert b.alive.tolist() == [False, False, False, True, True]
    sim.verify()
    with pytest.warns(UserWarning, match="1 of 3 synapses were made; refused: 2 on neurons that are dead"):
        nd.AddSynapses("e_e", [0, 3, 4], [3, 0, 3], weight=1.0).apply(sim)
    assert sim.tables["e_e"].state()["pre"].tolist() == [4]


def test_verify_sees_a_synapse_on_the_dead():
    net, sim, _ = relay()
    sim.blocks["a"].alive[0] = False
    with pytest.raises(InvariantError, match="dead or unborn"):
        sim.verify()
    sim.blocks["a"].alive[0] = True
    sim.engine.alive[2][1] = False
    with pytest.raises(InvariantError, match="population 'b'"):
        sim.verify()


def test_lesion_of_cells_of_a_drive():
    """A lesioned cell of a drive emits no more, its neighbours lose nothing."""
    net = nd.Network(seed=3)
    d = net.add(nd.Poisson(50.0), 4, name="d")
    e = net.add(nd.LIF(), 4, name="e")
    net.connect(d, e, nd.OneToOne(), weight=1.0)

    def trains(lesion):
        sim, out = Simulator(net), []
        sim.engine.record_trains(d.index, True)
        sim.engine.sink = lambda e, t, p, i: out.extend(zip((e + t).tolist(), i.tolist(), strict=True))
        sim.run_until_spike(1500.5)
        if lesion:
            nd.Lesion(d, [1, 3]).apply(sim)
            with pytest.warns(UserWarning, match="1 of 1 neurons do not live"):
                nd.Lesion(d, [1]).apply(sim)
        sim.run_until_spike(3000.0)
        sim.verify()
        return out, sim

    (whole, _), (less, sim) = trains(False), trains(True)
    assert less == [x for x in whole if x[0] < 1500.5 or x[1] in (0, 2)]
    assert sim.tables["d_e"].n_synapse == 2
    batch = sim.neuron_logs["d"].take()
    assert batch.neuron.tolist() == [1, 3] and set(batch.cause) == {CAUSES.index("lesion")}


@pytest.mark.compiled
def test_cut_anywhere_gives_the_same_bytes():
    def run(pieces):
        sim = Simulator(circuit(4, room=6, death=DYING, growth=GROWING), **FAST)
        watch = Watch(sim)
        for stop in pieces:
            sim.run_until_spike(stop)
        parts = [sim.engine.potential("e").tobytes(), sim.blocks["e"].alive.tobytes(), str(watch.neurons).encode()]
        parts += [v.tobytes() for t in sim.tables.values() for v in t.state().values()]
        parts += [v.tobytes() for v in sim.blocks["e"].signals.values()]
        return sim, b"".join(parts)

    (sim, whole), (_, cut) = run([6000.0]), run([0.3, 499.99, 500.0, 1234.5, 1234.6, 3000.0, 6000.0])
    assert whole == cut
    assert (~np.isnan(sim.blocks["e"].died)).any() and (sim.blocks["e"].born > 0).any()


@pytest.mark.compiled
def test_switched_off_equals_never_named():
    """Blocked from the start, or with fraction 0: bit for bit, and nobody's stream moves."""

    def run(death, blocked=()):
        sim = Simulator(circuit(5, death=death), blocked=set(blocked), **FAST)
        sim.run_until_spike(3000.0)
        parts = [sim.engine.potential("e").tobytes()] + [sim.blocks["e"]["scaling"].tobytes()]
        return b"".join(parts + [v.tobytes() for t in sim.tables.values() for v in t.state().values()])

    never = run(None)
    assert run(DYING, [("e", "NeuronDeath")]) == never
    assert run(nd.NeuronDeath(fraction=0.0, begin=0.0, end=1 * day)) == never
    assert run(DYING) != never


# ---------------------------------------------------------------------- the run


@pytest.mark.compiled
def test_run_tells_the_lives_of_neurons(tmp_path):
    """Log replay gives the final structure, also of static projections; metrics count the living."""
    sim = nd.Simulation(circuit(3, room=6, death=DYING, growth=GROWING), to=tmp_path / "r.sqlite", **FAST)
    sim.run(2.5 * day)
    b = sim.simulator.blocks["e"]
    table = sim.simulator.tables["retina_e"]
    run = sim.close()
    assert run.verify() == sum(t.n_synapse for t in sim.simulator.tables.values())
    assert run.log.deaths_by_cause()["neuron_death"] > 5 and len(run.neurons) == run.neurons.batch("e").neuron.size
    np.testing.assert_array_equal(run.neurons.alive("e"), b.alive)
    np.testing.assert_array_equal(run.neurons.alive("e", 0.0), np.arange(18) < 12)
    assert run.neurons.alive("retina").all()
    when = 1 * day
    then = (b.born <= when + 1) & ~(b.died <= when + 1)
    np.testing.assert_array_equal(run.neurons.alive("e", when), then)
    days, alive = run.neurons.count("e")
    assert days.size == alive.size == run.n_tick + 1
    assert alive[0] == 12 and alive[-1] == b.alive.sum() and alive[12] == then.sum()
    dead_ever = int((~np.isnan(b.died)).sum())
    assert run.neurons.deaths_by_cause("e") == {"neuron_death": dead_ever}
    assert run.density()[1][-1] == pytest.approx(table.n_synapse / b.alive.sum())
    rates = run.rates("e")
    assert rates.shape == (3, 18)  # two days and a half
    np.testing.assert_array_equal(np.isfinite(rates[0]), run.neurons.alive("e", 0.0) & run.neurons.alive("e", 1 * day))
    assert np.isfinite(run.rates("i")).all() and np.isfinite(run.summary()["rate_hz"])
    frame = run.neurons.to_pandas()
    assert set(frame["event"]) == {"birth", "death"} and set(frame["cause"]) == {"neuron_death", "neurogenesis"}
    with pytest.raises(ParameterError, match="t must be a number >= 0 ms of life"):
        run.neurons.alive("e", -1.0)
    page = report.write(run, tmp_path / "r.html").read_text()
    assert "<h2>Neurons</h2>" in page
    bars = [p.get_height() for p in lives.lives_figure(run).get_axes()[1].patches]
    assert sum(h for h in bars if h > 0) == (b.born > 0).sum() and -sum(h for h in bars if h < 0) == dead_ever


def test_room_in_a_study(tmp_path):
    """A study can keep room, and a population that has none refuses newborns; a drive's cells are not born."""
    text = """
    [population.exc]
    kind = "LIF"
    n = 5
    room = 3
    use = [{kind = "Neurogenesis", rate = 1.0}, {kind = "NeuronDeath", fraction = 0.3}]
    """
    path = tmp_path / "s.toml"
    path.write_text(text)
    from neurodev.studies import development, reading

    p = development.build(reading.load(path)).populations["exc"]
    assert (p.n, p.room, [m.name for m in p.mechanisms]) == (8, 3, ["Neurogenesis", "NeuronDeath"])
    net = nd.Network()
    with pytest.raises(BuildError, match="leave out room"):
        net.add(nd.Poisson(1.0), 3, room=2)
    with pytest.raises(ParameterError, match="room of .* whole number"):
        net.add(nd.LIF(), 3, room=-2)
    net.add(nd.LIF(), 3).use(nd.Neurogenesis())
    with pytest.raises(BuildError, match="room="):
        Simulator(net)
