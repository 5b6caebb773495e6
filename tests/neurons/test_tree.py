"""Passive trees: an integration by SciPy, cable theory, reciprocity, charge, and crossings that no summit hides."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq

import neurodev as nd
from neurodev import jit
from neurodev.engine import parts
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.neurons import tree_rules
from neurodev.neurons.dendrite import cable_attenuation, chain
from neurodev.neurons.expsum import SCRATCH, first_crossing_of_sum
from tests.engine import test_checkpoint, test_parts
from tests.mechanisms import test_neuron_fate
from tests.neurons.independent import Cell, integrate, naive, trains

BRANCHED = nd.Tree(
    parents=[-1, 0, 1, 1, 0, 4, 4, 6], capacitance=[80, 30, 10, 12, 40, 5, 20, 9], leak=[4, 1.5, 0.4, 0.9, 2, 0, 1, 1],
    axial=[0, 25, 6, 9, 12, 40, 3, 5],
)  # fmt: skip
TWINS = nd.Tree(parents=[-1, 0, 0, 1, 1, 2, 2], capacitance=30.0, leak=1.5, axial=8.0)  # modes of equal rates
ARRIVALS = [
    (2.0, 900.0, 3), (3.5, 700.0, 2), (3.5, 1500.0, 0), (6.0, -500.0, 1), (7.0, 2000.0, 6), (7.3, 1500.0, 4),
    (7.3, 900.0, 0), (9.0, 2500.0, 3), (9.5, 800.0, 5), (10.0, 900.0, 0), (10.4, -600.0, 0), (16.0, 3000.0, 6),
    (18.0, 2500.0, 2),
]  # fmt: skip


def fed(model, arrivals, n=1, delay=1.0):
    """`n` neurons that receive charges (time, fC, compartment)."""
    net = nd.Network(seed=1)
    cells = net.add(model, n, name="cells")
    for k, (t, w, j) in enumerate(arrivals):
        source = net.add(nd.SpikeList([t - delay], [0]), 1, name=f"s{k}", inhibitory=w < 0)
        net.connect(source, cells, nd.AllToAll(), weight=abs(w), delay=delay, branch=j)
    return Simulator(net)


def potentials(sim):
    """Of all compartments, (n, n_compartment), mV."""
    cells = next(iter(sim.engine.cells.values()))
    return cells.model.compartments(cells, sim.engine._now)


def each(tree, name):
    """A parameter of each compartment."""
    value = np.asarray(getattr(tree, name), float)
    return np.where((np.arange(tree.per_neuron) == 0) & (name == "axial"), 0.0, value)


def equations(model):
    """The tree in the words of its equations: a current over each axial conductance, out of one, into the other."""
    tree, p = model.dendrite, model
    n, c, axial = tree.per_neuron, each(tree, "capacitance"), each(tree, "axial")
    matrix, constant = np.diag(-each(tree, "leak") / c), np.zeros(n)
    for i, j in enumerate(tree.parents):
        if j >= 0:
            matrix[i, i] -= axial[i] / c[i]
            matrix[i, j] += axial[i] / c[i]
            matrix[j, j] -= axial[i] / c[j]
            matrix[j, i] += axial[i] / c[j]
    constant[0] = p.drive / c[0]

    decay = np.array([]) if p.tau_excitatory is None else 1.0 / np.array([p.tau_excitatory, p.tau_inhibitory])

    def flow(t, x):  # potentials, then currents of excitation into each compartment, then of inhibition
        v, currents = x[:n], x[n:].reshape(-1, n)
        return np.concatenate([
            matrix @ (v - p.rest) + constant + currents.sum(axis=0) / c, (-decay[:, None] * currents).ravel(),
        ])  # fmt: skip

    def jump(x, given, held):
        w, j = given
        out = x.copy()
        if decay.size:
            out[n + j + (n if w < 0 else 0)] += w
        else:
            out[j] += 0.0 if held and j == 0 else w / c[j]
        return out

    start = np.zeros((1 + decay.size) * n)
    start[:n] = p.rest if p.initial is None else p.initial
    return Cell(start, flow, jump, lambda x: x[0] - p.threshold, lambda x: [p.reset, *x[1:]], p.refractory)


CASES = {
    "branched": dict(dendrite=BRANCHED, threshold=12.0, reset=-3.0, refractory=1.5),
    "no refractoriness": dict(dendrite=BRANCHED, threshold=9.0, reset=-2.0, refractory=0.0, drive=30.0),
    "equal modes": dict(dendrite=TWINS, threshold=14.0, reset=1.0, refractory=2.0, initial=4.0),
    "by its drive": dict(
        dendrite=BRANCHED, threshold=-52.0, rest=-65.0, reset=-68.0, refractory=3.0, drive=200.0, initial=-60.0
    ),
    "currents": dict(
        dendrite=BRANCHED, threshold=13.0, reset=-3.0, refractory=1.5, tau_excitatory=1.2, tau_inhibitory=4.0
    ),
    "currents as slow as the membrane": dict(
        dendrite=TWINS, threshold=16.0, refractory=1.0, tau_excitatory=20.0, tau_inhibitory=20.000001, drive=60.0
    ),
    "currents, stiff": dict(
        dendrite=replace(BRANCHED, axial=[0, 25, 6000, 9, 12, 40, 3e4, 5]),
        threshold=12.0,
        reset=1.0,
        tau_excitatory=0.8,
        tau_inhibitory=3.0,
        refractory=0.0,
    ),
    "stiff": dict(dendrite=replace(BRANCHED, axial=[0, 25, 6000, 9, 12, 40, 3e4, 5]), threshold=12.0, reset=0.0),
    "one compartment": dict(dendrite=nd.Tree(parents=[-1], capacitance=200.0, leak=10.0, axial=1.0), threshold=8.0),
}


@pytest.mark.parametrize("name", CASES)
def test_against_an_integration(name):
    """Spike times to 1e-9 ms and potentials of all compartments to 1e-9 mV, SciPy at 1e-12."""
    model = nd.TreeLIF(**CASES[name])
    arrivals = [(t, w, j % model.dendrite.per_neuron) for t, w, j in ARRIVALS]
    sim = fed(model, arrivals)
    found = trains(sim)
    sim.run_until_spike(30.0)
    expected, end = integrate(equations(model), [(t, (w, j)) for t, w, j in arrivals], 30.0)
    assert expected.size >= 3
    np.testing.assert_allclose([t for t, _, _ in found], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(potentials(sim)[0], end[: model.dendrite.per_neuron], rtol=0, atol=1e-9)
    np.testing.assert_allclose(sim.engine.potential("cells")[0], end[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("currents", [False, True])
def test_steps_of_the_drive(currents):
    """A current into the soma that changes, also within refractoriness: spikes and all potentials, SciPy at 1e-12."""
    taus = dict(tau_excitatory=2.0, tau_inhibitory=6.0) if currents else {}
    model = nd.TreeLIF(BRANCHED, threshold=11.0, reset=-2.0, refractory=2.0, drive=40.0, initial=2.0, **taus)
    times, levels = [1.0, 4.0, 9.0, 9.7, 20.0], [300.0, 0.0, 500.0, -80.0, 250.0]
    arrivals = [(t, w, j) for t, w, j in ARRIVALS if t not in times]
    net = nd.Network(seed=1)
    cells = net.add(model, 1, name="cells")
    for k, (t, w, j) in enumerate(arrivals):
        source = net.add(nd.SpikeList([t - 1.0], [0]), 1, name=f"s{k}", inhibitory=w < 0)
        net.connect(source, cells, nd.AllToAll(), weight=abs(w), delay=1.0, branch=j)
    net.drive(cells, nd.CurrentSteps(times, levels))
    sim = Simulator(net)
    found = trains(sim)
    sim.run_until_spike(40.0)
    cell, c = equations(model), each(BRANCHED, "capacitance")
    flow = cell.flow

    def stepped(t, x):
        out = flow(t, x)
        k = int(np.searchsorted(times, t, side="right")) - 1
        out[0] += (levels[k] if k >= 0 else 0.0) / c[0]
        return out

    cell.flow = stepped
    expected, end = integrate(cell, [(t, (w, j)) for t, w, j in arrivals], 40.0, breaks=times)
    assert expected.size >= 6
    np.testing.assert_allclose([t for t, _, _ in found], expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(potentials(sim)[0], end[:8], rtol=0, atol=1e-9)


def test_beside_its_naive_twin():
    """Steps of Runge and Kutta as in a textbook are near it."""
    model = nd.TreeLIF(**CASES["branched"])
    arrivals = [(t, w, j or 4) for t, w, j in ARRIVALS]
    sim = fed(model, arrivals)
    found = trains(sim)
    sim.run_until_spike(30.0)
    expected, end = naive(equations(model), [(t, (w, j)) for t, w, j in arrivals], 30.0)
    assert expected.size >= 3
    np.testing.assert_allclose([t for t, _, _ in found], expected, rtol=0, atol=0.005)
    np.testing.assert_allclose(potentials(sim)[0], end, rtol=0, atol=0.01)


@pytest.mark.parametrize("together", [False, True])
def test_one_compartment_is_the_leaky_neuron(together):
    """The train of nd.LIF with delta jumps, to 1e-9 ms, over thousands of background events."""
    out = []
    same = dict(threshold=20.0, reset=3.0, refractory=1.5)
    point = nd.Tree(parents=[-1], capacitance=1.0, leak=0.1)  # a charge of 1 fC is a jump of 1 mV
    for model in (nd.LIF(tau=10.0, drive=12.0, **same), nd.TreeLIF(point, drive=1.2, **same)):
        net = nd.Network(seed=3, together=together)
        cells = net.add(model, 6, name="cells")
        net.background(cells, nd.Background(rate_hz=2000.0, weight=0.7))
        net.background(cells, nd.Background(rate_hz=800.0, weight=-0.4))
        run = nd.simulate(net, 400.0, tick=400.0, progress=False)
        t, i = run.spikes(cells)[:2]
        order = np.lexsort((t, i))
        out.append((np.asarray(t)[order], np.asarray(i)[order]))
    assert out[0][0].size > 40 and (out[0][1] == out[1][1]).all()
    np.testing.assert_allclose(out[0][0], out[1][0], rtol=0, atol=1e-9)


# ---------------------------------------------------------------- the tree itself


def test_the_response_is_the_matrix_exponential():
    """Charge into every compartment, potentials of all of them, at several times."""
    c, g = each(BRANCHED, "capacitance"), BRANCHED.conductances()
    sim = fed(nd.TreeLIF(BRANCHED, threshold=np.inf), [(2.0, 500.0, 6)])
    for t in (2.0001, 2.01, 3.0, 10.0, 60.0):
        sim.run_until_spike(t)
        law = expm(-(g / c[:, None]) * (t - 2.0)) @ (500.0 / c * (np.arange(8) == 6))
        np.testing.assert_allclose(potentials(sim)[0], law, rtol=1e-11, atol=1e-13)


def test_transfer_is_reciprocal_and_the_inverse_of_the_conductances():
    """V at i for a current at j is V at j for it at i: steady by `transfer`, in time by the engine."""
    np.testing.assert_allclose(BRANCHED.transfer(), np.linalg.inv(BRANCHED.conductances()), rtol=1e-12)
    seen = []
    for j in (0, 3, 6):
        sim = fed(nd.TreeLIF(BRANCHED, threshold=np.inf), [(2.0, 500.0, j)])
        sim.run_until_spike(5.7)
        seen.append(potentials(sim)[0, [0, 3, 6]])
    np.testing.assert_allclose(seen, np.transpose(seen), rtol=1e-12)


def test_charge_is_conserved():
    """What a charge was is on the membranes, but for what has leaked: sum of C U plus the integral of sum of g U."""
    leak = each(BRANCHED, "leak")
    c, g = each(BRANCHED, "capacitance"), BRANCHED.conductances()
    sim = fed(nd.TreeLIF(BRANCHED, threshold=np.inf), [(2.0, 500.0, 6)])
    sim.run_until_spike(12.0)
    u = potentials(sim)[0]
    # the integral of U is that of C dU/dt = -G U
    gone = np.linalg.solve(g, 500.0 * (np.arange(8) == 6) - c * u)
    np.testing.assert_allclose(c @ u + leak @ gone, 500.0, rtol=1e-12)
    tight = nd.Tree(parents=BRANCHED.parents, capacitance=BRANCHED.capacitance, leak=1e-12, axial=BRANCHED.axial)
    sim = fed(nd.TreeLIF(tight, threshold=np.inf), [(2.0, 500.0, 6)])
    sim.run_until_spike(300.0)
    np.testing.assert_allclose(potentials(sim)[0], 500.0 / c.sum(), rtol=1e-9)


def cable(pieces, length=800.0, diameter=2.0, soma=0.0, parents=(-1,)):
    """A cylinder (or several in a row) in pieces."""
    return nd.Tree.of_cylinders(parents, length, diameter, soma=soma, longest=np.sum(length) / pieces)


@pytest.mark.compiled
def test_the_steady_cable_of_rall():
    """A cylinder with a sealed end, cosh((L - x) / lambda) / cosh(L / lambda): a quarter of the error a halving."""
    constant = np.sqrt(2e-4 / 4.0 * 20_000.0 / 150.0) * 1e4  # lambda = sqrt(d/4 Rm/Ra), um
    errors = []
    for pieces in (20, 40, 80, 160):
        tree = cable(pieces, length=[800.0], diameter=[2.0])
        law = np.cosh((800.0 - tree.distances()) / constant) / np.cosh(800.0 / constant)
        # V along the cable for a current at its beginning
        errors.append(np.abs(tree.transfer()[:, 0] / tree.transfer()[0, 0] - law).max())
        np.testing.assert_allclose(
            tree.transfer()[-1], chain(each(tree, "axial")[1:], each(tree, "leak"), pieces), rtol=1e-11
        )
    assert errors[-1] < 1e-5 and np.all(np.array(errors[:-1]) / errors[1:] > 3.9)
    # the input resistance of a semi-infinite cable is 2 sqrt(Rm Ra) / (pi d^(3/2)); of this one, over tanh(L / lambda)
    ohm = 2.0 * np.sqrt(20_000.0 * 150.0) / (np.pi * (2e-4) ** 1.5) / np.tanh(800.0 / constant)
    assert tree.transfer()[0, 0] == pytest.approx(ohm * 1e-9, rel=2e-5)  # mV per pA is GOhm


@pytest.mark.compiled
def test_a_soma_at_the_end_of_a_cable():
    """From an input to the soma: 1 / (cosh X + rho sinh X), rho the somatic over the cable's conductance."""
    tree = nd.Tree.of_cylinders([-1], [800.0], [2.0], soma=30.0, longest=5.0)
    constant = np.sqrt(2e-4 / 4.0 * 20_000.0 / 150.0) * 1e4
    semi = 1e9 * np.pi * (2e-4) ** 1.5 / 2.0 / np.sqrt(20_000.0 * 150.0)  # nS
    ball = 1e9 * np.pi * (30e-4) ** 2 / 20_000.0
    v = tree.transfer()
    found = v[0] / np.diag(v)
    np.testing.assert_allclose(found, cable_attenuation(tree.distances(), 800.0, constant, ball / semi), rtol=1e-5)


def test_rall_equivalent_cylinder():
    """A trunk whose daughters have its d^(3/2) is a cylinder as long in lambdas: exactly, also when cut into pieces."""
    d = 2.0
    twig = d * 0.5 ** (2.0 / 3.0)
    short = np.sqrt(twig / d)  # lambda goes with the root of d
    for pieces in (1, 5):
        part = 300.0 / pieces
        trunk, plain = [(-1, part, d)], [(-1, part, d)]
        for k in range(1, pieces):
            trunk.append((k - 1, part, d))
        for k in range(1, 2 * pieces):
            plain.append((k - 1, part, d))
        for _ in range(2):
            for k in range(pieces):
                trunk.append((pieces - 1 if k == 0 else len(trunk) - 1, part * short, twig))
        a, b = (nd.Tree.of_cylinders(*zip(*x, strict=True), soma=20.0) for x in (trunk, plain))
        np.testing.assert_allclose(a.transfer()[0, : pieces + 1], b.transfer()[0, : pieces + 1], rtol=1e-12)
        np.testing.assert_allclose(
            a.transfer()[0, pieces + 1 : 2 * pieces + 1], b.transfer()[0, pieces + 1 :], rtol=1e-12
        )
        # the same charge over both ends, or into the one, in time
        seen = []
        for tree, ends in ((a, (2 * pieces, 3 * pieces)), (b, (2 * pieces,))):
            sim = fed(nd.TreeLIF(tree, threshold=np.inf), [(2.0, 100.0 / len(ends), j) for j in ends])
            sim.run_until_spike(4.5)
            seen.append(sim.engine.potential("cells")[0])
        np.testing.assert_allclose(seen[0], seen[1], rtol=1e-11)


def test_stiff_trees_keep_the_digits_of_slow_modes():
    """Rates over nine decades: the slowest is that of the whole tree, to rounding."""
    tree = nd.Tree(parents=[-1, 0, 1, 2], capacitance=[100, 1e-2, 1e-2, 1e-2], leak=[5.0, 5e-4, 5e-4, 5e-4], axial=1e6)
    rates, weights = tree.modes()
    assert rates[-1] / rates[0] > 1e9
    np.testing.assert_allclose(rates[0], 0.05, rtol=1e-13)  # one time constant: U is alike everywhere
    c = each(tree, "capacitance")
    np.testing.assert_allclose(weights @ weights.T * np.sqrt(np.outer(c, c)), np.eye(4), atol=1e-13)


# ---------------------------------------------------------------- crossings


NONE = np.zeros(0)


def first_reach(z, w, rates, level, horizon, e=NONE, i=NONE, of_e=1.0, of_i=1.0):
    """Without synaptic currents, unless they are given."""
    return tree_rules.first_reach(z, e, i, w, rates, of_e, of_i, level, horizon)


def random_sum(draw, n):
    """Weights of both signs, rates of any kind, equal ones too."""
    rates = np.exp(draw.uniform(np.log(0.02), np.log(20.0), n))
    if draw.random() < 0.3:
        rates[1:3] = rates[0]
    return draw.normal(size=n) * 5.0, draw.normal(size=n), rates


@pytest.mark.compiled
def test_random_sums_against_a_dense_search():
    """The verdict of a dense grid, and the sum there is the level to rounding; nothing before it reaches the level."""
    draw, fired = np.random.default_rng(5), 0
    grid = np.linspace(0.0, 3.0, 6001)
    for _ in range(300):
        z, w, rates = random_sum(draw, int(draw.integers(1, 40)))
        f = lambda s, z=z, w=w, rates=rates: (w * z) @ np.exp(-np.multiply.outer(rates, s))
        seen = f(grid)
        level = f(0.0) + abs(draw.normal()) * 2.0 ** draw.integers(-8, 3)
        got = first_reach(z, w, rates, level, 3.0)
        if (seen >= level).any():
            fired += 1
            assert 0.0 < got <= grid[np.argmax(seen >= level)]
            assert abs(f(got) - level) < 1e-9 and (f(np.linspace(0.0, got * (1 - 1e-6), 2001)) < level).all()
        else:
            assert got < 0.0 or abs(f(got) - level) < 1e-9
    assert 45 < fired < 255


@pytest.mark.compiled
def test_random_currents_against_a_dense_search():
    """As above with modes that synaptic currents drive, at rates that are equal to those of modes, or nearly so."""
    draw, fired = np.random.default_rng(8), 0
    grid = np.linspace(0.0, 3.0, 3001)
    for _ in range(300):
        z, w, rates = random_sum(draw, int(draw.integers(1, 25)))
        e, i = draw.normal(size=(2, z.size)) * np.exp(draw.uniform(-2, 2))
        of_e, of_i = draw.choice([rates[0], rates[0] * (1 + 1e-9), np.exp(draw.uniform(-3, 2))], 2)

        def f(s, z=z, w=w, rates=rates, e=e, i=i, of_e=of_e, of_i=of_i):
            s = np.asarray(s, float)[..., None]
            out = w * z * np.exp(-rates * s)
            for given, rate in ((e, of_e), (i, of_i)):
                near = np.abs(rates - rate) < 1e-5
                gap = np.where(near, 1.0, rate - rates)
                out = out + w * given * np.where(
                    near, s * np.exp(-0.5 * (rate + rates) * s), (np.exp(-rates * s) - np.exp(-rate * s)) / gap
                )
            return out.sum(axis=-1)

        seen = f(grid)
        level = f(0.0) + abs(draw.normal()) * 2.0 ** draw.integers(-8, 3)
        got = first_reach(z, w, rates, level, 3.0, e, i, of_e, of_i)
        if (seen >= level).any():
            fired += 1
            assert 0.0 < got <= grid[np.argmax(seen >= level)]
            assert abs(f(got) - level) < 1e-8 and (f(np.linspace(0.0, got * (1 - 1e-6), 1001)) < level).all()
        else:
            assert got < 0.0 or abs(f(got) - level) < 1e-8
    assert 45 < fired < 255


@pytest.mark.compiled
def test_the_bounds_of_what_a_current_adds():
    """Slope and bend over a span never exceed their bounds, which close in on them as the span becomes short."""
    draw = np.random.default_rng(9)
    for trial in range(600):
        n = 1 + trial % 3
        a, w, rates = draw.normal(size=n), np.ones(n), np.exp(draw.uniform(-3, 3, n))
        of, s, h = np.exp(draw.uniform(-3, 3)), draw.uniform(0, 2), np.exp(draw.uniform(-6, 1.5))
        if trial % 4 == 0:
            of = rates[0]
        x = (s + np.linspace(0.0, h, 801))[:, None]
        gap = np.where(rates == of, 1.0, of - rates)
        q = np.where(rates == of, x * np.exp(-rates * x), np.exp(-rates * x) * -np.expm1(-gap * x) / gap)
        fade = np.exp(-of * x)
        slopes, bends = ((a * f).sum(axis=1) for f in (fade - rates * q, rates**2 * q - (of + rates) * fade))
        value, slope, steepest, bend = tree_rules.driven(a, w, rates, of, s, h)
        scale = 1e-13 * np.abs(a) @ (1.0 + rates + of) ** 2
        assert abs(value - a @ q[0]) < scale and abs(slope - slopes[0]) < scale
        assert steepest >= slopes.max() - scale and bend >= bends.max() - scale
        short = tree_rules.driven(a, w, rates, of, s, 1e-9)
        assert abs(short[2] - slopes[0]) < 1e5 * scale and abs(short[3] - bends[0]) < 1e5 * scale


@pytest.mark.compiled
def test_as_the_zeros_isolated_by_descartes():
    """Up to eight modes: the first crossing that `expsum.py` finds by another way, verdict and time."""
    draw, scratch, fired = np.random.default_rng(6), np.zeros(SCRATCH), 0
    for _ in range(500):
        n = int(draw.integers(2, 8))
        a, rates = draw.normal(size=n) * 5.0, np.sort(np.exp(draw.uniform(np.log(0.05), np.log(5.0), n)))
        level = a.sum() + abs(draw.normal())
        got = first_reach(a, np.ones(n), rates, level, 4.0)
        # the same sum as a membrane that leaks at the slowest rate and is driven by the others
        currents = -(rates[1:] - rates[0]) * a[1:]
        other = first_crossing_of_sum(a.sum(), currents, rates[1:], n - 1, rates[0], level, 4.0, scratch)
        fired += other >= 0
        assert got == pytest.approx(other, abs=1e-8)
    assert 50 < fired < 450


def test_grazing():
    """A level just below the summit is met on its way up, one just above it is not."""
    z, w, rates = np.array([3.0, -4.0, 1.2]), np.ones(3), np.array([0.05, 0.9, 2.0])
    f = lambda s: z @ np.exp(-np.multiply.outer(rates, s))
    at = brentq(lambda s: (z * rates) @ np.exp(-rates * s), 1.0, 10.0, xtol=1e-14)
    top = f(at)
    for below in (1e-1, 1e-3, 1e-6, 1e-9):
        got = first_reach(z, w, rates, top - below, 20.0)
        assert 0.0 < got <= at and abs(f(got) - top + below) < 1e-13
    for above in (1e-3, 1e-6, 1e-9, 1e-12):
        assert first_reach(z, w, rates, top + above, 20.0) == -1.0


@pytest.mark.compiled
def test_sixty_compartments_fire_as_integrated():
    """A tree of many compartments, cut from cylinders, under inputs on its tips."""
    tree = nd.Tree.of_cylinders(
        [-1, 0, 0, 2, 2], [100, 150, 80, 120, 90], [3, 1.2, 1.8, 0.8, 1.0], soma=18.0, longest=9.0
    )
    assert tree.per_neuron > 55
    ends = [i for i in range(tree.per_neuron) if i not in tree.parents]
    arrivals = [(2.0 + 0.6 * k, 400.0, ends[k % len(ends)]) for k in range(14)]
    model = nd.TreeLIF(tree, threshold=14.0, reset=2.0)
    sim = fed(model, arrivals)
    found = trains(sim)
    sim.run_until_spike(12.0)
    expected, end = integrate(equations(model), [(t, (w, j)) for t, w, j in arrivals], 12.0)
    assert expected.size >= 2
    np.testing.assert_allclose([t for t, _, _ in found], expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(potentials(sim)[0], end, rtol=0, atol=1e-8)


# ---------------------------------------------------------------- synapses on it, and what is refused


def test_synapses_are_drawn_along_the_dendrite():
    """In proportion to length, within the length of their compartment, none on a soma without length."""
    tree = nd.Tree(parents=[-1, 0, 1, 1], capacitance=50.0, leak=2.0, axial=5.0, length=[0, 100, 50, 250])
    net = nd.Network(seed=2)
    cells = net.add(nd.TreeLIF(tree), 20, name="cells")
    net.connect(net.add(nd.Poisson(5.0), 100, name="p"), cells, nd.AllToAll(), weight=1.0, name="q")
    table = Simulator(net).tables["q"]
    branch, place = (table.column(c)[table.slots()] for c in ("branch", "place"))
    share = np.bincount(branch.astype(int), minlength=4) / branch.size
    np.testing.assert_allclose(share, [0.0, 0.25, 0.125, 0.625], atol=0.03)
    length = np.array([0, 100, 50, 250.0])[branch.astype(int)]
    assert (place >= 0).all() and (place <= length).all()
    for j in (1, 2, 3):
        assert place[branch == j].mean() == pytest.approx(length[branch == j][0] / 2, rel=0.1)


@pytest.mark.compiled
def test_background_falls_on_its_compartment():
    """The mean of V is that of a steady current into that compartment."""
    for where in (0, 3):
        net = nd.Network(seed=2)
        cells = net.add(nd.TreeLIF(BRANCHED, threshold=np.inf, background=where), 200, name="cells")
        net.background(cells, nd.Background(rate_hz=2000.0, weight=10.0))
        sim, seen = Simulator(net), []
        for t in np.arange(150.0, 400.0, 25.0):
            sim.run_until_spike(t)
            seen.append(potentials(sim).mean(axis=0))
        np.testing.assert_allclose(np.mean(seen, axis=0), 20.0 * BRANCHED.transfer()[where], rtol=0.03)


def test_probes_of_compartments():
    """V_k at given times beside the integration, held at reset after a spike; names that there are not are refused."""
    model = nd.TreeLIF(BRANCHED, threshold=9.0, reset=-2.0, refractory=3.0)
    arrivals = [(2.0, 900.0, 3), (4.0, 2500.0, 0), (5.0, 700.0, 6)]
    net = nd.Network(seed=1)
    cells = net.add(model, 2, name="cells")
    for k, (t, w, j) in enumerate(arrivals):
        source = net.add(nd.SpikeList([t - 1.0], [0]), 1, name=f"s{k}")
        net.connect(source, cells, nd.AllToAll(), weight=w, delay=1.0, branch=j)
    sim = nd.Simulation(net, progress=False)
    probes = [sim.probe("cells", f"V_{k}", every=0.75) for k in range(8)]
    soma = sim.probe("cells", "V", every=0.75)
    with pytest.raises(ParameterError, match="has no signal 'V_8'"):
        sim.probe("cells", "V_8")
    sim.run(9.0)
    assert probes[0].values.tobytes() == soma.values.tobytes()
    for at, *seen in zip(soma.times, *(p.values[:, 1] for p in probes), strict=True):
        if at > 0.0:
            past = [(t, (w, j)) for t, w, j in arrivals if t < at]
            np.testing.assert_allclose(seen, integrate(equations(model), past, at)[1], rtol=0, atol=1e-9)
    assert -2.0 in soma.values
    sim.file.discard()


@pytest.mark.parametrize("currents", [False, True])
def test_silence_holds_the_soma(currents):
    """From its very moment on, and until it ends: the soma at reset, the dendrite as it goes on; SciPy at 1e-12."""
    taus = dict(tau_excitatory=2.0, tau_inhibitory=6.0) if currents else {}
    model = nd.TreeLIF(BRANCHED, threshold=30.0, reset=5.0, drive=40.0, **taus)
    arrivals = [(2.0, 900.0, 3), (3.0, 500.0, 6), (5.1, 700.0, 1)]
    sim, cell = fed(model, arrivals), equations(model)
    index, free = sim.network.populations["cells"].index, cell.flow
    given = [(t, (w, j)) for t, w, j in arrivals]
    x = integrate(cell, given[:2], 4.37)[1]
    held = replace(cell, start=[5.0, *x[1:]], flow=lambda t, x: np.concatenate([[0.0], free(t, x)[1:]]))
    y = integrate(held, [(given[2][0] - 4.37, given[2][1])], 6.21 - 4.37)[1]
    z = integrate(replace(cell, start=[5.0, *y[1:]]), [], 9.0 - 6.21)[1]
    for until, expected, silent in ((4.37, x, True), (6.21, y, False), (9.0, z, None)):
        sim.run_until_spike(until)
        np.testing.assert_allclose(potentials(sim)[0], expected[:8], rtol=0, atol=1e-10)
        if silent is not None:
            sim.engine.silence(index, silent)
            assert sim.engine.potential("cells")[0] == pytest.approx(5.0, abs=1e-12)


# ---------------------------------------------------------------- in a network that lives


@pytest.fixture(params=["charges", "currents"])
def with_trees(request, monkeypatch):
    """The circuits of other tests, with births, deaths and every kind of projection, their cells with trees."""
    taus = {} if request.param == "charges" else {"tau_excitatory": 3.0, "tau_inhibitory": 8.0}

    def developing(**given):
        net = test_neuron_fate.circuit(**given)
        net.populations["e"].model = nd.TreeLIF(BRANCHED, threshold=7.0, background=4, **taus)
        return net

    monkeypatch.setattr(parts, "WORTH_A_THREAD", 0.0)
    for module in (test_parts, test_checkpoint):
        monkeypatch.setattr(module, "circuit", developing)


@pytest.mark.compiled
def test_threads_change_no_byte(with_trees):
    """With births, deaths, silence, a new rate and a lesion."""
    first, n = test_parts.lived("currents", 1)
    assert n > 500
    assert {test_parts.lived("currents", threads)[0] for threads in (2, 3, 8)} == {first}


@pytest.mark.compiled
def test_cuts_and_checkpoints_change_no_byte(with_trees):
    """Broken off within windows, while silent, and gone on with by other numbers of threads."""
    whole, broken = (test_checkpoint.Life("currents") for _ in range(2))
    whole.run(4000.0)
    for k, cut in enumerate((500.0, 1100.3, 2350.123456, 2777.7, 3456.7)):
        broken.run(cut)
        broken = broken.broken_off(threads=1 + k % 3)
    broken.run(4000.0)
    assert broken.end() == whole.end() and len(b"".join(whole.told)) > 10000


def numbers():
    """What every kernel of trees had a part in."""
    out = []
    for name in ("branched", "no refractoriness", "equal modes", "currents"):
        sim = fed(nd.TreeLIF(**CASES[name]), [(t, w, j % 7) for t, w, j in ARRIVALS])
        found = trains(sim)
        sim.run_until_spike(25.0)
        out += [[t for t, _, _ in found], potentials(sim).ravel(), *CASES[name]["dendrite"].modes(True)]
    return np.concatenate([np.ravel(x) for x in out])


@pytest.mark.skipif(not jit.ENABLED, reason="compares with the interpreter")
def test_compiled_equals_interpreted(tmp_path):
    """JIT on equals JIT off to 1e-12."""
    path = tmp_path / "numbers.npy"
    code = f"import numpy as np; from tests.neurons.test_tree import numbers; np.save({str(path)!r}, numbers())"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True)
    np.testing.assert_allclose(np.load(path), numbers(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: nd.Tree(parents=[0, 0]), "must begin with -1"),
    (lambda: nd.Tree(parents=[-1, 2, 1], capacitance=1.0, leak=1.0, axial=1.0), "got 2 for compartment 1"),
    (lambda: nd.Tree(parents=[-1, -1], capacitance=1.0, leak=1.0, axial=1.0), "got -1 for compartment 1"),
    (lambda: nd.Tree(parents=[-1, 0.5]), "whole numbers"),
    (lambda: nd.Tree(parents=[]), "Tree.parents must be"),
    (lambda: nd.Tree(parents=np.arange(-1, 256), axial=1.0), "1 to 256"),
    (lambda: nd.Tree(parents=[-1, 0], capacitance=[1.0, 2.0, 3.0]), "one for each of 2 compartments"),
    (lambda: nd.Tree(capacitance=0.0), "Tree.capacitance"),
    (lambda: nd.Tree(leak=0.0), "never rests"),
    (lambda: nd.Tree(axial=[1, 1, 1, 1]), "0 for the soma"),
    (lambda: nd.Tree(axial=0.0), "positive for every other"),
    (lambda: nd.Tree.of_cylinders([-1], [100.0], [0.0]), "diameter must be positive"),
    (lambda: nd.Tree.of_cylinders([-1], [100.0, 3.0], [1.0]), "one value for each cylinder"),
    (lambda: nd.Tree.of_cylinders([0], [100.0], [1.0]), "come before"),
    (lambda: nd.Tree.of_cylinders([-1], [100.0], [1.0], longest=0.1), "make longest larger"),
    (lambda: nd.Tree.of_cylinders([], [], [], soma=0.0), "there is no membrane"),
    (lambda: nd.TreeLIF(nd.Branches(3)), "TreeLIF.dendrite must be nd.Tree"),
    (lambda: nd.Tree(parents=[-1, 0], leak=[1.0]), "one for each of 2 compartments"),
    (lambda: nd.TreeLIF(background=4), r"a compartment, in \[0, 4\)"),
    (lambda: nd.TreeLIF(tau_excitatory=3.0), "belong together"),
    (lambda: nd.TreeLIF(reset=20.0), "TreeLIF.reset must be below TreeLIF.threshold"),
    (lambda: nd.LIF(dendrite=nd.Tree()), "branches of Tree"),
])  # fmt: skip
def test_what_is_refused(make, words):
    """By name, at the door."""
    with pytest.raises(ParameterError, match=words):
        make()
