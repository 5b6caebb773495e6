"""Stimuli: inputs without a delay and currents in steps, on every neuron model, beside twins that share no code."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import checkpoint
from neurodev.engine import parts as engine_parts
from neurodev.engine.checkpoint_check import check
from neurodev.engine.loop.state import N_SCRIPT_AT
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, NeurodevError, ParameterError, RunFileError
from neurodev.neurons.stimulus import Inputs, Levels, Stimulus
from neurodev.studies.development import build
from neurodev.studies.reading import load
from neurodev.units import hour
from tests.engine import test_checkpoint, test_parts
from tests.engine.test_against_naive import both, same_spikes
from tests.engine.test_checkpoint import END, Life
from tests.mechanisms.test_neuron_fate import DYING, GROWING, KINDS, circuit
from tests.neurons import test_alpha, test_conductance, test_glif, test_stepped, test_tree
from tests.neurons.independent import Cell, driven, integrate, trains

CURRENTS = dict(tau_excitatory=3.0, tau_inhibitory=5.0)
# model, and the weight of an input that matters
MODELS = {
    "LIF": (nd.LIF(), 8.0),
    "LIF, firing by itself": (nd.LIF(drive=21.0, refractory=0.0, reset=5.0), 8.0),
    "LIF, currents": (nd.LIF(**CURRENTS), 500.0),
    "LIF, plateaus": (nd.LIF(dendrite=nd.Plateau(2, threshold=300.0), **CURRENTS), 500.0),
    "AlphaLIF": (nd.AlphaLIF(drive=5.0), 400.0),
    "ConductanceLIF": (nd.ConductanceLIF(), 30.0),
    "GLIF": (nd.GLIF(drive=10.0, **CURRENTS), 500.0),
    "GLIF, jumps": (nd.GLIF(drive=10.0), 8.0),
    "TreeLIF": (nd.TreeLIF(nd.Tree(parents=[-1]), drive=20.0), 400.0),
    "AdaptiveExponential": (nd.AdaptiveExponential(drive=300.0, **CURRENTS), 1000.0),
    "Izhikevich": (nd.Izhikevich(drive=3.0), 8.0),
    "HodgkinHuxley": (nd.HodgkinHuxley(drive=40.0, **CURRENTS), 100.0),
}
TIMES = np.array([2.0, 3.5, 3.5, 7.25, 12.0, 12.0, 21.0, 22.5, 22.5, 30.1, 31.0, 44.0])
SIZES = np.array([1.0, 1.5, -0.5, 2.0, 2.5, -1.0, 3.0, 1.0, 1.0, -2.0, 4.0, 3.0])


def stimulated(model, *stimuli, n=1, **more):
    """A simulator of `n` cells with stimuli."""
    net = nd.Network(seed=1)
    cells = net.add(model, n, name="cells", **more)
    for s in stimuli:
        net.drive(cells, s)
    return Simulator(net)


def times_of(sim, until):
    """Spike times of a cell and its potential at the end."""
    found = trains(sim)
    sim.run_until_spike(until)
    return np.array([t for t, _, _ in found]), sim.engine.potential("cells")


# ---------------------------------------------------------------- kicks


@pytest.mark.parametrize("name", MODELS)
def test_kicks_are_arrivals_without_a_synapse(name):
    """The same spikes and potentials as through synapses, for every model and both signs."""
    model, unit = MODELS[name]
    kicked, v = times_of(stimulated(model, nd.Kicks(TIMES, SIZES * unit)), 60.0)
    if name == "LIF, plateaus":
        model = replace(model, dendrite=None)  # stimuli reach the soma
    sim = driven(model, list(zip(TIMES, (SIZES * unit).tolist(), strict=True)))
    arrived, w = times_of(sim, 60.0)
    assert kicked.size >= 2
    near = 1e-5 if model.approximations() else 1e-9  # steps are cut at other places
    np.testing.assert_allclose(kicked, arrived, rtol=0, atol=near)
    np.testing.assert_allclose(v, w, rtol=0, atol=10 * near)


def test_kicks_against_an_integration():
    """Spike times to 1e-9 ms; a kick in refractoriness is lost, one at its end acts on the reset potential."""
    model = nd.LIF(threshold=10.0, refractory=1.5)
    arrivals = [(0.0, 4.0), (1.0, 7.0), (2.0, 9.0), (2.5, 5.0), (2.5, 6.0), (4.0, 3.0)]
    cell = Cell(
        [0.0],
        lambda t, x: -x / 20.0,
        lambda x, w, held: x if held else x + w,
        lambda x: x[0] - 10.0,
        lambda x: [0.0],
        1.5,
    )
    expected, end = integrate(cell, arrivals, 6.0)
    found, v = times_of(stimulated(model, nd.Kicks(*np.array(arrivals).T)), 6.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(v[0], end[0], rtol=0, atol=1e-9)
    assert found.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("model", [nd.LIF(threshold=10.0), nd.GLIF(rest=0.0, reset=0.0, threshold=10.0)])
def test_at_equal_times_a_cell_fires_if_the_sum_reaches_threshold(model, together):
    """Arrivals and kicks of one instant, of either sign, whichever was named first."""
    net = nd.Network(seed=1, together=together)
    cases = list(itertools.product((0.0, 9.0, 12.0), (0.0, -3.0), (0.0, 4.0, 11.0), (0.0, -2.5)))
    n = len(cases)
    cells = net.add(model, n, name="cells")
    source, against = (
        net.add(nd.SpikeList([9.0], [0]), 1, name=name, inhibitory=name == "against") for name in ("source", "against")
    )
    arrive, inhibit, kick, hold = np.array(cases).T
    for q, w in ((source, arrive), (against, -inhibit)):
        net.connect(q, cells, nd.AllToAll(), weight=w, delay=1.0)
    for w in (kick, hold) if together else (hold, kick):
        net.drive(cells, nd.Kicks(np.full(n, 10.0), w, cells=np.arange(n)))
    sim = Simulator(net)
    found = trains(sim)
    sim.run_until_spike(11.0)
    total = np.array(cases).sum(axis=1)
    assert sorted({i for _, _, i in found}) == np.flatnonzero(total >= 10.0).tolist()
    assert {t for t, _, _ in found} == {10.0} and 0 < len(found) < n


def test_lists_for_all_for_some_and_for_each():
    """Whom a list reaches; a network without synapses and a list that is empty."""
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 6, name="cells")
    net.drive(cells, nd.Kicks([5.0], 30.0), cells=[4, 1])
    net.drive(cells, nd.Kicks([9.0, 8.0, 8.0], 30.0, cells=[0, 1, 1]), cells=[5, 3])
    net.drive(cells, nd.Kicks([], 1.0))
    net.drive(cells, nd.Kicks([2.0, 1.0], [0.0, 19.0]))
    sim = Simulator(net)
    found = trains(sim)
    sim.run_until_spike(20.0)
    assert sorted(found) == [(5.0, 0, 1), (5.0, 0, 4), (8.0, 0, 3), (9.0, 0, 5)]
    assert "Kicks onto 2 of them" in str(net)


def test_a_kick_that_causes_a_spike_is_seen_by_plasticity_as_a_spike():
    """A spike of a kick follows the arrivals of its own instant."""
    net = nd.Network(seed=1)
    p, n = net.add(nd.SpikeList([9.0], [0]), 1), net.add(nd.LIF(), 1)
    q = net.connect(p, n, nd.AllToAll(), weight=1.0, delay=1.0, name="q")
    q.use(nd.STDP("pair", potentiation=0.01, weight_max=50.0))
    net.drive(n, nd.Kicks([10.0], 30.0))
    sim = Simulator(net)
    sim.run_until_spike(20.0)
    np.testing.assert_allclose(sim.tables["q"].state()["weight"], [1.5], rtol=1e-12)


# ---------------------------------------------------------------- steps


def test_a_pulse_onto_a_leaky_neuron_in_closed_form():
    """V = V_inf + (V_0 - V_inf) exp(-t / tau) before, within and after, and the crossing at tau ln(I / (I - theta))."""
    pulse = nd.CurrentSteps([50.0, 71.0, 90.0], [30.0, 8.0, 0.0])
    sim = stimulated(nd.LIF(refractory=0.0), pulse)
    found = trains(sim)
    for t, expected in (
        (50.0, 0.0),
        (60.0, 30.0 * -np.expm1(-0.5)),
        (71.0, 30.0 * -np.expm1(-21 / 20)),
        (90.0, (v := 8.0 + (30.0 * -np.expm1(-21 / 20) - 8.0) * np.exp(-19 / 20))),
        (95.0, v * np.exp(-5 / 20)),
    ):
        sim.run_until_spike(t)
        np.testing.assert_allclose(sim.engine.potential("cells"), expected, rtol=0, atol=1e-12)
    assert not found
    sim = stimulated(nd.LIF(refractory=2.0), nd.CurrentSteps([50.0, 110.0], [30.0, 0.0]))
    first = 50.0 + 20.0 * np.log(3.0)
    np.testing.assert_allclose(
        times_of(sim, 500.0)[0], [first, first + 2.0 + 20.0 * np.log(3.0), ], rtol=0, atol=1e-9
    )  # fmt: skip


STEPS = np.array([4.0, 9.5, 9.75, 20.0, 33.0, 41.0])


def equations(name, model):
    """The cell of the same parameters in the words of its equations."""
    if name.startswith("LIF"):
        rates = [1.0 / (model.tau_excitatory or 1.0), 1.0 / (model.tau_inhibitory or 1.0)]
        flow = lambda t, x: np.array([
            (model.rest + model.drive - x[0]) / model.tau + (x[1] + x[2]) / model.capacitance,
            -rates[0] * x[1], -rates[1] * x[2],
        ])  # fmt: skip
        return Cell(
            [model.rest, 0.0, 0.0], flow, None, lambda x: x[0] - model.threshold, lambda x: [model.reset, *x[1:]],
            model.refractory,
        )  # fmt: skip
    known = {
        "AlphaLIF": lambda p: test_alpha.equations(p)[0], "ConductanceLIF": test_conductance.equations,
        "GLIF": lambda p: test_glif.equations(p, True)[0], "GLIF, jumps": lambda p: test_glif.equations(p, False)[0],
        "AdaptiveExponential": test_stepped.adaptive, "Izhikevich": test_stepped.simple,
        "HodgkinHuxley": test_stepped.axon, "TreeLIF": test_tree.equations,
    }  # fmt: skip
    return known[name](model)


LEVELS = {"AdaptiveExponential": 600.0, "HodgkinHuxley": 20.0, "Izhikevich": 6.0, "TreeLIF": 60.0}


@pytest.mark.parametrize("name", [m for m in MODELS if m != "LIF, plateaus"])
def test_steps_against_an_integration(name):
    """SciPy integrates the same equations, cut at every step; spikes to 1e-9 ms, or as the model's steps allow."""
    model = MODELS[name][0]
    unit = LEVELS.get(name, 30.0)
    levels = unit * np.array([1.0, 2.5, -1.0, 1.7, 0.0, 2.0])
    cells = [equations(name, replace(model, drive=model.drive + a)) for a in (0.0, *levels)]
    flow = lambda t, x: cells[int(np.searchsorted(STEPS, t, side="right"))].flow(t, x)
    expected, end = integrate(replace(cells[0], flow=flow), [], 60.0, breaks=STEPS.tolist())
    found, v = times_of(stimulated(model, nd.CurrentSteps(STEPS, levels)), 60.0)
    assert expected.size >= 2
    exact = not model.approximations()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 if exact else 1e-4)
    np.testing.assert_allclose(v[0], end[0], rtol=0, atol=1e-9 if exact else 1e-2)


def test_steps_of_each_cell_and_several_that_add_up():
    """A column a cell, lists that overlap, whichever is named first; the sum is what counts."""
    a = nd.CurrentSteps([5.0, 30.0], [[10.0, 30.0, 0.0], [25.0, 0.0, 0.0]])
    b = nd.CurrentSteps([5.0, 20.0], [15.0, 0.0])
    found = []
    for order in ((a, b), (b, a)):
        sim = stimulated(nd.LIF(), *order, n=3)
        got = trains(sim)
        sim.run_until_spike(100.0)
        found.append((sorted(got), sim.engine.potential("cells").tobytes()))
    assert found[0] == found[1]
    for k, (times, levels) in enumerate((
        ([5.0, 20.0, 30.0], [25.0, 10.0, 25.0]), ([5.0, 20.0, 30.0], [45.0, 30.0, 0.0]), ([5.0, 20.0], [15.0, 0.0])
    )):  # fmt: skip
        alone = times_of(stimulated(nd.LIF(), nd.CurrentSteps(times, levels)), 100.0)[0]
        np.testing.assert_allclose([t for t, _, i in found[0][0] if i == k], alone, rtol=0, atol=1e-9)


# ---------------------------------------------------------------- in a network that lives


def moved(**given):
    """The circuit of the tests of lives, with stimuli of every kind on both populations."""
    net = circuit(**given)
    e, i = net.populations["e"], net.populations["i"]
    draw, unit = np.random.default_rng(3), given.get("unit", 1.0)
    times = draw.uniform(0.0, END, 300)
    net.drive(e, nd.Kicks(times, unit * draw.normal(0.0, 6.0, 300), cells=draw.integers(0, e.n, 300)))
    net.drive(e, nd.Kicks(np.arange(250.0, END, 250.0), 4.0 * unit))
    net.drive(i, nd.Kicks(np.arange(100.0, END, 50.0), np.tile([5.0, -5.0], 39), cells=None), cells=[0, 3])
    net.drive(e, nd.CurrentSteps(np.arange(200.0, END, 333.3), draw.normal(0.0, 4.0, (12, 5))), cells=[8, 1, 0, 5, 14])
    net.drive(i, nd.CurrentSteps([1000.0, 2400.0], [22.0, 3.0]))
    return net


@pytest.mark.compiled
@pytest.mark.parametrize(("seed", "kind"), enumerate(KINDS, 1))
def test_lives_with_stimuli_against_the_naive_simulator(seed, kind):
    """The same spikes, deaths and births as the slow simulator, which shares no code."""
    death = replace(DYING, fraction=0.4, slope=0.1)
    net = moved(seed=seed, room=5, death=death, growth=GROWING, **KINDS[kind])
    sim, naive, spikes, log = both(net, 150.0 * 14 + 50, acceleration=2 * hour / 150.0)
    same_spikes(
        *(sorted(x, key=lambda s: (round(s[0], 7), s[1], s[2])) for x in (spikes, naive.spikes)), 500, within=2e-8
    )
    assert sorted(log) == sorted(naive.log)
    sim.verify()


@pytest.mark.compiled
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_byte(kind, monkeypatch):
    monkeypatch.setattr(engine_parts, "WORTH_A_THREAD", 0.0)
    monkeypatch.setattr(test_parts, "circuit", moved)
    first, n = test_parts.lived(kind, 1)
    assert n > 500
    assert {test_parts.lived(kind, threads)[0] for threads in (2, 3, 8)} == {first}


@pytest.mark.compiled
@pytest.mark.parametrize("kind", KINDS)
def test_broken_off_anywhere_and_cut_and_looked_at(kind, monkeypatch):
    """A life that goes on in another simulator, and one that is cut and looked at, have the same bytes."""
    monkeypatch.setattr(test_checkpoint, "circuit", moved)
    whole, broken = Life(kind), Life(kind)
    whole.run(END)
    for k, cut in enumerate([0.0, 200.0, 250.0, 1000.0, 1100.3, 2350.123456, 2400.0, 3456.7]):
        broken.run(cut)
        broken.sim.engine.potential("e")
        broken = broken.broken_off(threads=1 + k % 3)
    broken.run(END)
    assert b"".join(broken.told) == b"".join(whole.told)
    assert broken.end() == whole.end()


@pytest.mark.parametrize(("name", "value", "says"), [
    ("part/0/clock.n", None, "stands beyond what its stimuli give"), ("part/0/neurons.kind", 99, "classes"),
    ("cells/0/kind", 99, "classes"), ("part/0/script.neuron", 99, "not that of this network"),
    ("part/0/script.last", 99, "not that of this network"), ("part/0/script.change", 99, "not that of this network"),
    ("part/0/script.kind", 99, "not that of this network"), ("part/0/script.own_kind", 99, "not that of this network"),
])  # fmt: skip
def test_a_damaged_script_is_refused(name, value, says):
    """What leads beyond the arrays never reaches the loop."""
    make = lambda: stimulated(nd.GLIF(), nd.Kicks([1.0, 5.0], 3.0), nd.CurrentSteps([2.0], [9.0]), n=3)
    sim = make()
    sim.run_until_spike(3.0)
    state = {k: np.array(a) for k, a in checkpoint.state_of(sim).items()}
    check(make(), state)
    if value is None:
        state[name][N_SCRIPT_AT] = 4
    else:
        state[name][:] = value
    with pytest.raises(RunFileError, match=says):
        check(make(), state)


@pytest.mark.parametrize("start", [1e7, 1234.567])
def test_times_are_counted_from_the_start_of_the_run(start):
    found = []
    for begin in (0.0, start):
        net = nd.Network(seed=1)
        cells = net.add(nd.LIF(), 2, name="cells")
        net.drive(cells, nd.Kicks([3.0, 9000.5], 30.0))
        net.drive(cells, nd.CurrentSteps([20.0, 60.0], [30.0, 0.0]))
        sim = Simulator(net, start=begin)
        got = trains(sim)
        sim.run_until_spike(9100.0)
        found.append(np.array([(t - begin, i) for t, _, i in got]))
    assert found[0].shape[0] == 6
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-6)


# ---------------------------------------------------------------- the door


class Pair(Stimulus):
    """One of one's own."""

    def inputs(self, n, what):
        return Inputs(np.array([1.0, 1.5]), np.array([30.0, 1.0]), np.array([-1, 0]))


def test_a_stimulus_of_ones_own():
    assert times_of(stimulated(nd.LIF(), Pair(), n=2), 5.0)[0].tolist() == [1.0, 1.0]


class Wrong(Stimulus):
    """Gives what it is told to give."""

    def __init__(self, **given):
        self.given = given

    def inputs(self, n, what):
        return self.given.get("inputs")

    def levels(self, n, what):
        return self.given.get("levels")


@pytest.mark.parametrize("given", [
    {"inputs": 3}, {"inputs": ([1.0], [1.0], [5])}, {"inputs": ([1.0], [1.0], [-2])}, {"inputs": ([-1.0], [1.0], [0])},
    {"inputs": ([np.nan], [1.0], [0])}, {"inputs": ([1.0], [np.inf], [0])}, {"inputs": ([1.0, 2.0], [1.0], [0])},
    {"levels": ([2.0, 1.0], [1.0, 1.0])}, {"levels": ([1.0], [np.nan])}, {"levels": ([1.0], [[1.0, 2.0]])},
    {"levels": Levels(np.array([1.0]), np.array([1e300]))},
])  # fmt: skip
def test_what_ones_own_gives_is_looked_at(given):
    with pytest.raises(ParameterError, match=r"Wrong onto 'cells'\.(inputs|levels) must give times"):
        stimulated(nd.LIF(), Wrong(**given))


@pytest.mark.parametrize(("make", "says"), [
    (lambda: nd.Kicks([-1.0], 1.0), "Kicks.times"), (lambda: nd.Kicks(3.0, 1.0), "Kicks.times must be a list"),
    (lambda: nd.Kicks([np.nan], 1.0), "Kicks.times"), (lambda: nd.Kicks([1.0], [1.0, 2.0]), "Kicks.amplitudes"),
    (lambda: nd.Kicks([1.0], 1e300), "Kicks.amplitudes"), (lambda: nd.Kicks([1.0], 1.0, cells=[0, 1]), "Kicks.cells"),
    (lambda: nd.Kicks([1.0], 1.0, cells=[0.5]), "Kicks.cells"), (lambda: nd.Kicks([1.0], 1.0, cells=0), "Kicks.cells"),
    (lambda: nd.CurrentSteps([2.0, 1.0], 1.0), "ascending"), (lambda: nd.CurrentSteps([1.0], [1.0, 2.0]), "amplitudes"),
    (lambda: nd.CurrentSteps([1.0], np.inf), "amplitudes"), (lambda: nd.CurrentSteps([1.0], None), "amplitudes"),
    (lambda: stimulated(nd.LIF(), nd.Kicks([1.0], 1.0, cells=[3])), "Kicks.cells"),
    (lambda: stimulated(nd.LIF(), nd.CurrentSteps([1.0], [[1.0, 2.0]])), "a column for each of 1 cells"),
    (lambda: stimulated(nd.LIF(), nd.Background()), "stimulus must be nd.Kicks"),
    (lambda: stimulated(nd.LIF(tau=np.inf), nd.CurrentSteps([1.0], [1.0])), "LIF.tau is inf"),
    (lambda: stimulated(nd.Poisson(), nd.Kicks([1.0], [1.0])), "is a drive and takes no input"),
    (lambda: stimulated(nd.LIF(drive=9e11), nd.CurrentSteps([1.0], [9e11])), "its v_inf must lie within"),
])  # fmt: skip
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(NeurodevError, match=says.replace(".", r"\.")):
        make()


def test_cells_are_named_once_and_a_model_says_whether_its_drive_can_change(tmp_path):
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 4, name="cells")
    with pytest.raises(ParameterError, match="1 comes twice"):
        net.drive(cells, nd.Kicks([1.0], 1.0), cells=[1, 2, 1])
    with pytest.raises(ParameterError, match=r"cells must pick"):
        net.drive(cells, nd.Kicks([1.0], 1.0), cells=[4])

    class Fixed(nd.LIF):
        drive_changes = False

    with pytest.raises(BuildError, match="no parameter `drive` that can change"):
        stimulated(Fixed(), nd.CurrentSteps([1.0], [1.0]))
    sim = nd.Simulation(net, to=tmp_path / "a.sqlite", progress=False)
    with pytest.raises(BuildError, match="this network runs"):
        net.drive(cells, nd.Kicks([1.0], 1.0))
    sim.close()


STUDY = """
seed = 1
[population.cells]
kind = "LIF"
n = 4
[[stimulus]]
kind = "Kicks"
target = "cells"
onto = [0, 2]
times = ["10 ms", "1 second"]
amplitudes = "30 mV"
[[stimulus]]
kind = "CurrentSteps"
target = "cells"
times = [50.0, 80.0]
amplitudes = [30.0, 0.0]
[run]
duration = "1.2 second"
"""


def test_in_a_study_and_in_the_file_of_a_run(tmp_path):
    """The words of a study, and the description that a run file keeps, which says whom a stimulus reaches."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    study = load(path)
    net = build(study)
    assert [(s.times.tolist(), c.tolist()) for _, s, c in net.stimuli] == [
        ([10.0, 1000.0], [0, 2]), ([50.0, 80.0], [0, 1, 2, 3])
    ]  # fmt: skip
    run = nd.simulate(net, 1200.0, to=tmp_path / "a.sqlite", progress=False)
    assert run.counts("cells").sum(axis=0).tolist() == [3, 1, 3, 1]
    told = net.describe()["stimuli"]
    assert [(s["target"], s["kind"], s["amplitudes"], s["onto"]) for s in told] == [
        ("cells", "Kicks", 30.0, [0, 2]), ("cells", "CurrentSteps", [30.0, 0.0], None)
    ]  # fmt: skip
    path.write_text(STUDY.replace('target = "cells"\nonto', 'target = "cell"\nonto'))
    with pytest.raises(NeurodevError, match="line 8: .*did you mean 'cells'"):
        build(load(path))
