"""Short-term plasticity: the equations, the engine, every neuron model, and what a terminal keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neurodev as nd
from neurodev import jit, registry
from neurodev.engine import checkpoint
from neurodev.engine import parts as engine_parts
from neurodev.engine.checkpoint_check import check
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Hot, Mechanism
from neurodev.mechanisms.short_term import between, course, stationary
from neurodev.neurons.model import Rules
from neurodev.neurons.rules import cells_of
from neurodev.record.packed import pack, unpack
from tests.engine.test_against_naive import both, same_spikes
from tests.engine.test_parts import digest, everything

# U, tau_rec, tau_facil: Maass, Natschlaeger & Markram 2002
CLASSES = {"EE": (0.5, 1100.0, 50.0), "EI": (0.05, 125.0, 1200.0), "IE": (0.25, 700.0, 20.0), "II": (0.32, 144.0, 60.0)}
RULES = {
    **{name: nd.TsodyksMarkram(*given) for name, given in CLASSES.items()},
    "depressing": nd.TsodyksMarkram(0.5, 800.0, 0.0, 3.0),
    "facilitating": nd.TsodyksMarkram(0.03, 130.0, 530.0, 1.5),
    "equal constants": nd.TsodyksMarkram(0.3, 20.0, 20.0, 20.0),
    "nearly equal": nd.TsodyksMarkram(0.3, 20.0, 20.0, 20.0 * (1 + 1e-9)),
    "slow inactivation": nd.TsodyksMarkram(0.3, 5.0, 100.0, 50.0),
    "recovers at once": nd.TsodyksMarkram(0.3, 0.0, 100.0, 8.0),
    "everything at once": nd.TsodyksMarkram(1.0, 0.0, 0.0, 0.0),
    "all of it": nd.TsodyksMarkram(1.0, 300.0, 100.0, 0.0),
}


def train(seed: int, n: int = 60, mean: float = 30.0) -> np.ndarray:
    """Spikes with long gaps and short ones, and two of one instant."""
    gaps = np.random.default_rng(seed).exponential(mean, n)
    gaps[[n // 3, n // 2]] = 0.0, 900.0
    return np.cumsum(gaps)


def integrated(rule: nd.TsodyksMarkram, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and x at the spikes, the equations between them integrated by SciPy."""

    def flow(_, s):
        u, y, z = s
        gone = y / rule.tau_psc if rule.tau_psc else 0.0
        return [-u / rule.tau_facil if rule.tau_facil else 0.0, -gone, gone - (z / rule.tau_rec if rule.tau_rec else 0)]

    s, used, found = np.zeros(3), [], []
    for k, t in enumerate(times):
        gap = t - times[k - 1] if k else 0.0
        if gap > 0.0:
            s = solve_ivp(flow, (0.0, gap), s, method="DOP853", rtol=1e-13, atol=1e-16).y[:, -1]
        if not rule.tau_facil:
            s[0] = 0.0
        if not rule.tau_rec:
            s[2] = 0.0
        if not rule.tau_psc and rule.tau_rec:
            s[1:] = 0.0, s[2] + s[1]
        s[0] += rule.U * (1.0 - s[0])
        used.append(s[0])
        found.append(1.0 - s[1] - s[2])
        s[1 if rule.tau_psc or not rule.tau_rec else 2] += used[-1] * found[-1]
        if not rule.tau_psc and not rule.tau_rec:
            s[1] = 0.0
    return np.array(used), np.array(found)


@pytest.mark.parametrize("name", RULES)
def test_the_course_is_that_of_the_equations(name):
    """Both forms, to 1e-12, with equal, nearly equal and absent time constants."""
    times = train(len(name))
    for ours, theirs in zip(course(RULES[name], times), integrated(RULES[name], times), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_without_an_active_state_it_is_the_recursion_of_maass_and_markram(name):
    u, d, f = CLASSES[name]
    times = train(1)
    used, found = [u], [1.0]
    for dt in np.diff(times).tolist():
        found.append(1.0 + (found[-1] - used[-1] * found[-1] - 1.0) * math.exp(-dt / d))
        used.append(u + used[-1] * (1.0 - u) * math.exp(-dt / f))
    for ours, theirs in zip(course(RULES[name], times), (used, found), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize("name", RULES)
def test_a_regular_train_becomes_stationary(name):
    rule = RULES[name]
    for period in (2.0, 25.0, 300.0):
        n = 40 + int(30 * max(rule.tau_rec, rule.tau_facil, rule.tau_psc) / period)
        for ours, law in zip(course(rule, period * np.arange(n)), stationary(rule, period), strict=True):
            assert abs(ours[-1] - law) < 1e-12


def test_published_classes():
    """E to E depresses, E to I facilitates, at 20 Hz, as in Markram, Wang & Tsodyks 1998; the first is u R = U."""
    at = 50.0 * np.arange(8)
    ee, ei = (np.prod(course(RULES[name], at), axis=0) for name in ("EE", "EI"))
    assert ee[0] == 0.5 and np.all(np.diff(ee) < 0) and ee[-1] < 0.2 * ee[0]
    assert ei[0] == 0.05 and np.all(np.diff(ei)[:4] > 0) and ei.max() > 3 * ei[0]


def test_efficacy_falls_with_one_over_the_rate():
    """Tsodyks & Markram 1997: beyond the limiting frequency the rate times the efficacy is 1 / tau_rec."""
    rule = RULES["depressing"]
    for rate in (200.0, 500.0):
        u, x = stationary(nd.TsodyksMarkram(0.5, 800.0, 0.0), 1e3 / rate)
        assert abs(u * x * rate / 1e3 * 800.0 - 1.0) < 0.01
    u, x = stationary(rule, 2.0)
    assert abs(u * x / 2.0 * (800.0 + 3.0) - 1.0) < 0.01  # what is active is not there either


@pytest.mark.parametrize("name", ["depressing", "EE", "EI", "recovers at once"])
def test_the_mean_of_poisson_spikes(name):
    """That of u is exact, and that of u x without facilitation; with it their covariance is less than 5 % here."""
    rule, rate, n = RULES[name], 8.0, 40_000
    used, found = course(rule, np.cumsum(np.random.default_rng(8).exponential(1e3 / rate, n)))
    a = rate / 1e3 * rule.tau_facil
    slack = 0.0 if rule.tau_facil == 0.0 else 0.05 * rule.mean_release(rate)
    for values, mean, more in (
        (used, rule.U * (1 + a) / (1 + rule.U * a), 0.0), (used * found, rule.mean_release(rate), slack),
    ):  # fmt: skip
        blocks = values[n // 100 :].reshape(99, -1).mean(axis=1)
        assert abs(blocks.mean() - mean) < 4.0 * blocks.std(ddof=1) / 99**0.5 + more + 1e-12
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(rate), 10), net.add(nd.LIF(), 1)
    net.connect(s, e, nd.AllToAll(), weight=2.0).use(rule)
    assert net.inputs(e)[0].weight == pytest.approx(2.0 * rule.mean_release(rate))


# potentials of figure 1 of Tsodyks, Pawelzik & Markram 1998, as NEST's tests state them (test_tsodyks_*.sli), 6 digits
FIGURE = {
    "depressing": (40.0, 250.0, 98.0 + 50.0 * np.arange(20), {
        100: 2.40135, 125: 5.30244, 150: 4.10833, 200: 3.05339, 300: 1.39696, 500: 0.762688, 1000: 0.726588,
        1075: 0.846346, 1175: 0.0694892,
    }),
    "facilitating": (60.0, 1540.0, 98.1 + 50.1 * np.arange(20), {
        100: 0.473975, 125: 0.770603, 150: 1.29712, 200: 2.11442, 300: 3.27271, 500: 3.68772, 1000: 4.74035,
        1075: 7.32911, 1175: 1.38429,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURE)
def test_the_figure_of_tsodyks_pawelzik_and_markram(name):
    tau, weight, times, expected = FIGURE[name]
    rule = RULES[name]
    cell = nd.LIF(tau=tau, threshold=1e9, tau_excitatory=rule.tau_psc, tau_inhibitory=1.0, capacitance=tau)
    sim = fed(cell, times, weight, rule, delay=1.1)
    for t, v in expected.items():
        sim.run_until_spike(float(t))
        assert f"{sim.engine.potential('cells')[0]:.6g}" == f"{v:.6g}"


# ---------------------------------------------------------------------- in the engine


def fed(model, times, weight, rule=None, delay=1.5, n=1, **more) -> Simulator:
    """One source that spikes at `times`, onto `n` cells."""
    net = nd.Network(seed=1, **more)
    source = net.add(nd.SpikeList(times, np.zeros(times.size, int)), 1, name="s", inhibitory=np.all(np.less(weight, 0)))
    cells = net.add(model, n, name="cells")
    q = net.connect(source, cells, nd.AllToAll(), weight=np.abs(weight), delay=delay, name="q")
    q.use(*([rule] if rule is not None else []))
    return Simulator(net, tick=1e6)


BLIND = nd.LIF(tau=np.inf, threshold=1e9)  # adds up what arrives


@pytest.mark.compiled
@pytest.mark.parametrize("name", RULES)
def test_the_engine_delivers_what_is_released(name):
    """Over many epochs (of 8 s), after a late start, to the last digits."""
    times = np.cumsum(np.random.default_rng(3).exponential(400.0, 150)) + 5000.0
    for start in (0.0, 1234.5):
        net = nd.Network(seed=1)
        s = net.add(nd.SpikeList(times, np.zeros(times.size, int)), 1)
        net.connect(s, net.add(BLIND, 1, name="cells"), nd.AllToAll(), weight=2.0, delay=1.5, name="q").use(RULES[name])
        sim = Simulator(net, tick=1e6, start=start)
        sum_of = np.cumsum(2.0 * np.prod(course(RULES[name], times), axis=0))
        for k in (3, 40, 149):
            sim.run_until_spike(times[k] + 1.6)
            np.testing.assert_allclose(sim.engine.potential("cells"), sum_of[k], rtol=1e-13)


def test_every_source_and_delay_has_a_terminal_of_its_own():
    rule, draw = RULES["EE"], np.random.default_rng(4)
    times, cells = np.sort(draw.uniform(0.0, 2000.0, 300)), draw.integers(0, 5, 300)
    net = nd.Network(seed=2)
    s, e = net.add(nd.SpikeList(times, cells), 5, name="s"), net.add(BLIND, 7, name="e")
    q = net.connect(s, e, nd.Degree(4), weight=1.0, delay=nd.Uniform(1.0, 4.0), name="q")
    q.use(rule)
    sim = Simulator(net, tick=1e6)
    state = sim.tables["q"].state()
    sim.run_until_spike(2100.0)
    expected = np.zeros(7)
    for pre, post in zip(state["pre"], state["post"], strict=True):
        expected[post] += np.prod(course(rule, times[cells == pre]), axis=0).sum()
    np.testing.assert_allclose(sim.engine.potential("e"), expected, rtol=1e-12)


def test_it_takes_no_part_in_the_order_of_uids():
    """A static projection has the same identities with it and without it."""
    found = []
    for used in ((), (RULES["EE"],)):
        net = nd.Network(seed=1)
        s, e = net.add(nd.Poisson(5.0), 5), net.add(nd.LIF(), 5)
        net.connect(s, e, nd.Degree(2), weight=1.0, name="a").use(*used)
        net.connect(s, e, nd.Degree(2), weight=1.0, name="b").use(nd.STDP())
        sim = Simulator(net, tick=1000.0)
        found.append({k: t.state()["uid"].tolist() for k, t in sim.tables.items()})
    assert found[0] == found[1]


def test_a_static_projection_stays_lean():
    """It keeps one weight, no uids and no in-lists, and single precision may be asked for."""
    sim = fed(BLIND, train(1), 2.0, RULES["EE"], n=50)
    t = sim.tables["q"]
    assert t.alike and t.consecutive and not t.has_in_lists
    sim.run_until_spike(5000.0)
    assert t.alike and t.consecutive and not t.has_in_lists
    net = nd.Network(seed=1)
    s, e = net.add(nd.SpikeList(train(1), np.zeros(60, int)), 1), net.add(BLIND, 2, name="cells")
    q = net.connect(s, e, nd.AllToAll(), weight=[0.1, 0.7], weight_precision="single")
    q.use(RULES["EE"])
    single = Simulator(net, tick=1e6)
    single.run_until_spike(5000.0)
    total = np.prod(course(RULES["EE"], train(1)), axis=0).sum()
    expected = np.array([0.1, 0.7], np.float32).astype(float) * total
    np.testing.assert_allclose(single.engine.potential("cells"), expected, rtol=1e-13)
    np.testing.assert_allclose(sim.engine.potential("cells"), 2.0 * total, rtol=1e-13)


CURRENTS = {"tau_excitatory": 5.0, "tau_inhibitory": 10.0}
MODELS = {
    "jumps": (nd.LIF(), 9.0),
    "jumps of two classes": (nd.LIF(tau=np.array([10.0, 20.0, 10.0])), 9.0),
    "currents": (nd.LIF(**CURRENTS), 900.0),
    "branches": (nd.LIF(dendrite=nd.Branches(2)), 9.0),
    "bilinear": (nd.LIF(dendrite=nd.Bilinear(2), **CURRENTS), 900.0),
    "two layers": (nd.LIF(dendrite=nd.TwoLayer(2), **CURRENTS), 900.0),
    "plateaus": (nd.LIF(dendrite=nd.Plateau(2, threshold=100.0), **CURRENTS), 900.0),
    "AlphaLIF": (nd.AlphaLIF(), 900.0),
    "ConductanceLIF": (nd.ConductanceLIF(), 30.0),
    "TreeLIF": (nd.TreeLIF(), 1500.0),
    "TreeLIF with currents": (nd.TreeLIF(**CURRENTS), 500.0),
    "GLIF": (nd.GLIF(), 9.0),
    "GLIF with currents": (nd.GLIF(**CURRENTS), 900.0),
    "AdaptiveExponential": (nd.AdaptiveExponential(), 60.0),
    "Izhikevich": (nd.Izhikevich(), 25.0),
    "HodgkinHuxley": (nd.HodgkinHuxley(), 40.0),
}


def test_every_neuron_model_is_here():
    assert {type(model) for model, _ in MODELS.values()} == set(registry.ours("neuron model").values())


@pytest.mark.compiled
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_every_neuron_model_takes_what_is_released(name, together):
    """One terminal against as many static synapses as it has spikes, each with the weight that is then released."""
    model, weight = MODELS[name]
    rule, times = nd.TsodyksMarkram(0.6, 60.0, 100.0, 2.0), train(5, n=24, mean=15.0)
    times[8] += 0.5  # a source of its own for each spike: no two at one instant
    times.sort()
    ours = fed(model, times, weight, rule, n=3, together=together)
    net = nd.Network(seed=1, together=together)
    s, e = net.add(nd.SpikeList(times, np.arange(24)), 24, name="s"), net.add(model, 3, name="cells")
    each = weight * np.prod(course(rule, times), axis=0)
    source, target = np.repeat(np.arange(24), 3), np.tile(np.arange(3), 24)
    net.connect(s, e, nd.Pairs(source, target), weight=np.repeat(each, 3), delay=1.5, name="q")
    theirs = Simulator(net, tick=1e6)
    if getattr(model, "dendrite", None) is not None:  # the same branch for every synapse of a cell
        for sim in (ours, theirs):
            sim.tables["q"].column("branch")[:] = 1.0
    for t in (times[3] + 1.6, times[12] + 4.0, times[-1] + 1.6):
        for sim in (ours, theirs):
            sim.run_until_spike(t)
        v, w = (sim.engine.potential("cells") for sim in (ours, theirs))
        np.testing.assert_allclose(v, w, rtol=1e-9, atol=1e-9)
        assert ours.engine.take_counts()[1].tolist() == theirs.engine.take_counts()[1].tolist()
    assert np.ptp(each) > 0.2 * weight and np.any(v != model.expand(3, "cells").get("rest", 0.0))


def test_weights_of_both_signs_leave_one_terminal_once():
    rule, times = RULES["EE"], train(6)
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList(times, np.zeros(60, int)), 1)
    e = net.add(BLIND, 4, name="cells")
    weight = np.array([2.0, -1.0, 0.5, -3.0])
    net.connect(s, e, nd.Pairs([0] * 4, range(4)), weight=weight, signed=True, delay=1.0, name="q").use(rule)
    sim = Simulator(net, tick=1e6)
    sim.run_until_spike(times[-1] + 2.0)
    total = np.prod(course(rule, times), axis=0).sum()
    np.testing.assert_allclose(sim.engine.potential("cells"), weight * total, rtol=1e-13)


def test_an_empty_terminal_is_used_too():
    """A synapse born onto a terminal finds it as its spikes have left it; what was in flight does not count."""
    rule, times = RULES["EE"], 20.0 + 10.0 * np.arange(30)
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList(times, np.zeros(30, int)), 2, name="s")
    e = net.add(BLIND, 2, name="e")
    net.connect(s, e, nd.Pairs([1], [1]), weight=1.0, delay=1.5, name="q").use(rule)
    sim = nd.Simulation(net, progress=False)
    sim.at(200.5, nd.AddSynapses("q", source=[0], target=[0], weight=2.0))
    sim.run(400.0)
    released = 2.0 * np.prod(course(rule, times), axis=0)
    np.testing.assert_allclose(sim.simulator.engine.potential("e"), [released[times > 200.5].sum(), 0.0], rtol=1e-12)
    sim.file.discard()


def test_blocked_it_delivers_whole_weights_and_sleeps():
    """Released again, the terminal goes on from where it stood, as if nothing had come meanwhile."""
    rule, times = RULES["EE"], 10.0 + 20.0 * np.arange(30)
    sim = fed(BLIND, times, 1.0, rule)
    seen = []
    for until, blocked in ((205.0, False), (405.0, True), (700.0, False)):
        sim.block("q", "TsodyksMarkram", on=blocked)
        sim.run_until_spike(until)
        seen.append(float(sim.engine.potential("cells")[0]))
    acting = (times + 1.5 < 205.0) | (times + 1.5 >= 405.0)
    released = np.prod(course(rule, times[acting]), axis=0)
    n = int(np.sum(times + 1.5 < 205.0))
    expected = [released[:n].sum(), released[:n].sum() + np.sum(~acting), released.sum() + np.sum(~acting)]
    np.testing.assert_allclose(seen, expected, rtol=1e-13)


# ---------------------------------------------------------------------- with everything else


def circuit(seed: int = 1, **cell) -> nd.Network:
    """Short-term plasticity on all ways, with STDP, several delays, and both forms."""
    net = nd.Network(seed=seed)
    a = net.add(nd.Poisson(30.0), 12, name="a")
    e = net.add(nd.LIF(**cell), 10, name="e")
    i = net.add(nd.LIF(**cell), 4, name="i", inhibitory=True)
    big = 60.0 if cell.get("tau_excitatory") else 1.0
    delay = nd.Uniform(1.0, 3.0)
    net.connect(a, e, nd.Degree(6), weight=14.0 * big, delay=delay, name="in").use(
        RULES["EE"], nd.STDP(weight_max=20.0 * big)
    )
    net.connect(e, i, nd.Degree(5), weight=30.0 * big, delay=1.0, name="out").use(RULES["EI"])
    net.connect(i, e, nd.Degree(3), weight=5.0 * big, delay=delay, name="back").use(RULES["depressing"])
    net.background(e, nd.Background(rate_hz=300.0, weight=1.5 * big))
    return net


@pytest.mark.compiled
@pytest.mark.parametrize("cell", [{}, {"drive": 19.0, "refractory": 0.0}, CURRENTS])
def test_against_the_naive_simulator(cell):
    """Same spikes, same weights under STDP."""
    sim, naive, spikes, _ = both(circuit(**cell), 700.0)
    same_spikes(spikes, naive.spikes, 250, within=2e-8)
    assert len({s[1] for s in spikes}) == 3
    state = sim.tables["in"].state()
    ours = dict(zip(state["uid"].tolist(), state["weight"], strict=True))
    assert np.ptp(state["weight"]) > 0
    for syn in naive.synapses["in"]:
        assert abs(ours[syn["uid"]] - syn["weight"]) <= 1e-9 * abs(syn["weight"])


@pytest.mark.compiled
def test_threads_splits_and_checkpoints_change_no_byte(monkeypatch):
    monkeypatch.setattr(engine_parts, "WORTH_A_THREAD", 0.0)
    found = set()
    for threads, cuts in ((1, ()), (1, (17.3, 200.0)), (2, (211.1,)), (3, ()), (8, (7.77, 333.3))):
        net = circuit()
        sim = Simulator(net, tick=1000.0, threads=threads)
        for cut in cuts:
            sim.run_until_spike(cut)
            state = unpack(pack(checkpoint.state_of(sim), level=1))
            net.end(sim)
            sim = Simulator(net, tick=1000.0, threads=threads, parts=checkpoint.parts_of(state))
            check(sim, state)
            checkpoint.restore(sim, state)
        sim.run_until_spike(600.0)
        arrays = [h.arrays for h in sim.engine.hot if h.hot.on_release is not None]
        assert all(np.any(a.pre_trace[1]) for a in arrays) and len(arrays) == 3
        found.add((digest(everything(sim)), int(sim.engine.events)))
    assert len(found) == 1


# ---------------------------------------------------------------------- what is refused


@dataclass(frozen=True)
class Deaf(nd.NeuronModel):
    """A model whose own rule `deliver` does not look at the scale."""

    scales: ClassVar[bool] = False

    def rules(self):
        return Rules(predict=nothing, event=nothing, reset=nothing, deliver=nothing, kick=nothing)


@jit.model_rule
def nothing(m, a, b, c, x, t):
    """Does nothing."""
    return np.int64(cells_of(m).shape[0] * 0)


def test_a_model_that_does_not_heed_it_is_refused():
    with pytest.raises(BuildError, match=r"'q'.*'deliver' of Deaf does not heed.*scales = True"):
        fed(Deaf(), train(1), 1.0, RULES["EE"])


@dataclass(frozen=True)
class Loose(Mechanism):
    """Its factor would decay."""

    def hot(self, columns):
        return Hot(None, None, RULES["EE"].hot(columns).parameters, (), (20.0,), on_release=letting)


@jit.hook
def letting(record, source, lane, first, last, t):
    """Does nothing."""


@dataclass(frozen=True)
class Another(nd.TsodyksMarkram):
    """A second one."""


def test_what_cannot_be():
    with pytest.raises(BuildError, match="must not decay: begin pre_traces with infinity"):
        fed(BLIND, train(1), 1.0, Loose())
    net = nd.Network(seed=1)
    q = net.connect(net.add(nd.Poisson(5.0), 2), net.add(nd.LIF(), 2), nd.AllToAll(), weight=1.0)
    with pytest.raises(BuildError, match="'release' has two owners, TsodyksMarkram and Another"):
        q.use(nd.TsodyksMarkram(), Another())
    for given in ({"U": 0.0}, {"U": 1.1}, {"tau_rec": -1.0}, {"tau_facil": math.nan}, {"tau_psc": "fast"}):
        with pytest.raises(ParameterError, match=f"TsodyksMarkram.{next(iter(given))}"):
            nd.TsodyksMarkram(**given)


def test_between_keeps_its_digits_where_constants_are_nearly_equal():
    """Against the limit of equal constants, whose distance is known to first order."""
    for near in (1e-12, 1e-9, 1e-6):
        one = between(nd.TsodyksMarkram(0.5, 20.0, 0.0, 20.0 * (1 + near)), [1.0, 30.0, 200.0])[3]
        limit = between(nd.TsodyksMarkram(0.5, 20.0, 0.0, 20.0), [1.0, 30.0, 200.0])[3]
        np.testing.assert_allclose(one, limit, rtol=8 * near + 1e-15)
