"""Weights as they were given, whatever path they take; small steps add up; single precision is asked for and named."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.checks import approximations
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, ParameterError
from neurodev.units import day, hour

ANY = np.concatenate([np.round(np.arange(0.1, 12.0, 0.7), 1), np.random.default_rng(1).uniform(0.01, 15.0, 40)])
CURRENTS = {"tau_excitatory": 2.0, "tau_inhibitory": 5.0, "capacitance": 200.0}


def fired(net, cells, end):
    """Times and neurons of all spikes of a population."""
    sim, out = Simulator(net, tick=1e9), []
    sim.engine.record_trains(cells.index, True)
    sim.engine.sink = lambda epoch, t, p, i: out.append((epoch + t, i.copy()))
    sim.run_until_spike(end)
    return sim, np.concatenate([t for t, _ in out] or [[]]), np.concatenate([i for _, i in out] or [[]]).astype(int)


def one_input(cell, weight, *, together=False, **connect):
    net = nd.Network(seed=1, together=together)
    source = net.add(nd.SpikeList([10.0], [0]), 1)
    cells = net.add(cell, weight.size, name="cells")
    return net, cells, net.connect(source, cells, nd.AllToAll(), weight=weight, **connect)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kind", ["mixed", "uniform", "young"])
def test_an_input_as_large_as_the_threshold_fires(kind, together):
    """V >= threshold, for any weight: every path by which a row is delivered."""
    found = []
    for chunk in [ANY] if kind == "mixed" else [np.array([w]) for w in ANY[::4]]:
        net, cells, q = one_input(nd.LIF(threshold=chunk, reset=-1.0), chunk, together=together)
        if kind == "young":  # synapses that were born on the way
            net, cells, q = one_input(nd.LIF(threshold=chunk, reset=-1.0), chunk, together=together, multapses=True)
            sim = Simulator(net, tick=1e9)
            sim.run_until_spike(10.5)
            nd.AddSynapses(q, [0], [0], weight=5.0).apply(sim)
            sim.run_until_spike(20.0)
            found.append(bool(sim.engine.state.record.count[1]))
            continue
        found.append(np.unique(fired(net, cells, 20.0)[2]).size == chunk.size)
    assert all(found)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kind", ["uniform", "mixed", "contacts"])
@pytest.mark.parametrize(("weight", "inputs"), [(1.0, 6), (3.0, 5), (0.5, 12), (2.0, 3)])
def test_inputs_that_sum_to_the_threshold_fire(kind, together, weight, inputs):
    """Whenever they come: a sum of whole numbers is what it is, whatever the frame that it is computed in."""
    times = 50.0 * np.arange(1, 60) + np.random.default_rng(2).uniform(0.0, 40.0, 59)
    net = nd.Network(seed=1, together=together)
    n = 1 if kind == "contacts" else inputs
    source = net.add(nd.SpikeList(np.repeat(times, n), np.tile(np.arange(n), times.size)), n)
    tau = np.array([1.5, 1.5, 1.7]) if kind == "mixed" else 1.5
    cells = net.add(nd.LIF(tau=tau, threshold=weight * inputs), 3, name="cells")
    pairs = nd.Pairs([0] * 3 * inputs, [0, 1, 2] * inputs) if kind == "contacts" else nd.AllToAll()
    net.connect(source, cells, pairs, weight=weight, multapses=True)
    _, t, _ = fired(net, cells, 3100.0)
    assert t.size == 3 * times.size


@pytest.mark.parametrize("kind", ["uniform", "mixed"])
def test_inputs_at_the_end_of_refractoriness_fire_below_a_high_rest(kind):
    """From reset, 3 mV reach 3 mV, also where little is left between V_inf and the threshold."""
    times = np.arange(0.5, 300.0, 1.0)
    net = nd.Network(seed=1)
    source = net.add(nd.SpikeList(times, np.zeros(times.size, dtype=int)), 1)
    tau = 20.0 if kind == "uniform" else np.array([20.0, 21.0])
    cells = net.add(nd.LIF(tau=tau, threshold=3.0, drive=2.9, refractory=1.0, initial=0.0), 2, name="cells")
    net.connect(source, cells, nd.AllToAll(), weight=3.0, delay=0.5)
    assert fired(net, cells, 301.0)[1].size == 2 * times.size


@pytest.mark.parametrize("kind", ["uniform", "mixed"])
def test_spike_times_follow_their_closed_form(kind):
    """README: 1e-9 ms.  A cell that is driven across its threshold, kicked on its way by any weight."""
    tau = 20.0 if kind == "uniform" else np.where(np.arange(ANY.size) % 2, 20.0, 20.0 + 1e-9)
    w = ANY[ANY < 9.0]
    net, cells, _ = one_input(nd.LIF(tau=tau if kind == "uniform" else tau[: w.size], drive=21.0), w)
    _, t, i = fired(net, cells, 85.0)
    first = np.array([t[i == k][0] for k in range(w.size)])
    v = 21.0 * -np.expm1(-11.0 / 20.0) + w
    expected = np.where(v >= 20.0, 11.0, 11.0 + 20.0 * np.log((21.0 - v) / 1.0))
    np.testing.assert_allclose(first, expected, rtol=0, atol=1e-9 if kind == "uniform" else 1e-7)


def test_currents_take_weights_to_the_last_digit():
    """V - rest of a cell with currents is linear in its input."""
    net, _, _ = one_input(nd.LIF(threshold=1e9, **CURRENTS), ANY)
    sim = Simulator(net, tick=1e9)
    sim.run_until_spike(14.0)
    v = sim.engine.potential("cells")
    np.testing.assert_allclose(v / v[0], ANY / ANY[0], rtol=1e-13)


STEPS = (1e-3, 1e-8, 2e-12)  # in units of the largest weight: float32 would lose the second


def pairs(rule, step, n=400, inhibitory=False):
    """Change of a weight after `n` isolated pairs, in units of `weight_max`; an arrival 2 ms before each spike."""
    t, z = 10.0 + 1000.0 * np.arange(n), np.zeros(n, int)
    net = nd.Network(seed=1)
    source = net.add(nd.SpikeList(t, z), 1, inhibitory=inhibitory)
    teacher = net.add(nd.SpikeList(t + 2.0, z), 1)
    cell = net.add(nd.LIF(), 1)
    q = net.connect(source, cell, nd.AllToAll(), weight=0.5)
    q.use(rule)
    net.connect(teacher, cell, nd.AllToAll(), weight=500.0)
    sim = Simulator(net, tick=4 * hour)
    sim.run_until_spike(1000.0 * n + 5.0)
    return abs(float(sim.tables[q.name].weight[0])) - 0.5, n * step


@pytest.mark.compiled
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("bounds", ["hard", "multiplicative", "power"])
def test_small_steps_of_pairs_add_up(bounds, step):
    rule = nd.STDP("pair", potentiation=step, depression=0.0, bounds=bounds)
    got, sum_of = pairs(rule, step)
    expected = sum_of * np.exp(-2.0 / 20.0)
    if bounds == "power":  # (1 - w) each time
        expected = 0.5 * -np.expm1(400 * np.log1p(-step * np.exp(-2.0 / 20.0)))
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-14)


@pytest.mark.compiled
@pytest.mark.parametrize("step", STEPS[:2])
def test_small_steps_of_other_hooks_add_up(step):
    """At an arrival (losses of bursts), at a spike (triplets), and of inhibition."""
    burst = nd.STDP("burst", burst_gain=0.0, burst_loss=step / 2)
    got, sum_of = pairs(burst, step)
    assert got == pytest.approx(-sum_of, rel=1e-5)
    triplet = nd.STDP("triplet", potentiation=step, depression=0.0, triplet_potentiation=0.0, triplet_depression=0.0)
    got, sum_of = pairs(triplet, step)
    assert got == pytest.approx(sum_of * np.exp(-2.0 / 16.8), rel=1e-5)
    got, sum_of = pairs(nd.InhibitorySTDP(target_hz=0.0, rate=step, weight_max=1.0), step, inhibitory=True)
    assert got == pytest.approx(sum_of * np.exp(-2.0 / 20.0), rel=1e-5)


@pytest.mark.compiled
def test_small_steps_of_ticks_add_up():
    """BCM on weights: the change is proportional to its rate over six decades."""

    def change(rate):
        net = nd.Network(seed=2)
        a, b = net.add(nd.Regular(20.0), 1), net.add(nd.LIF(), 1)
        net.connect(a, b, nd.AllToAll(), weight=0.9).use(nd.BCM(act="weight", rate=rate))
        net.connect(a, b, nd.AllToAll(), weight=500.0, name="drive")
        sim = Simulator(net, acceleration=day / 1000.0, tick=day / 10)
        sim.run_until_spike(2000.0)
        return float(sim.tables["regular_exc"].weight[0]) - 0.9

    large, small = change(1e-4), change(1e-10)
    assert large != 0.0 and small / large == pytest.approx(1e-6, rel=1e-3)


# ---------------------------------------------------------------------- single precision, where it is asked for


@pytest.mark.compiled
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("kind", ["uniform", "mixed"])
def test_single_precision_is_that_of_rounded_weights(kind, together):
    """To the bytes of a run whose weights were rounded before, also where newborns are on the way."""
    cell = nd.LIF(drive=6.5, threshold=5.0 if kind == "uniform" else np.linspace(4.0, 6.0, 20))

    def run(weights, precision):
        net = nd.Network(seed=4, together=together)
        a, b = net.add(nd.Poisson(200.0), 10), net.add(cell, 20, name="b")
        q = net.connect(a, b, nd.AllToAll(), weight=weights, weight_precision=precision, multapses=True, delay=1.3)
        sim, out = Simulator(net, tick=1e9), []
        sim.engine.record_trains(b.index, True)
        sim.engine.sink = lambda epoch, t, p, i: out.append((epoch + t).tobytes() + i.tobytes())
        for k in range(20):
            sim.run_until_spike(10.0 * (k + 1))
            nd.AddSynapses(q, [k % 10], [k], weight=float(np.float32(0.3))).apply(sim)
        sim.run_until_spike(300.0)
        return sim.tables[q.name], b"".join(out)

    w = np.random.default_rng(5).uniform(0.1, 2.0, 200)
    single, spikes = run(w, "single")
    rounded, expected = run(w.astype(np.float32).astype(float), "double")
    assert single.weight.dtype == np.float32 and rounded.weight.dtype == np.float64
    assert len(expected) > 1000 and spikes == expected
    assert run(w, "double")[1] != expected


def test_single_precision_is_told_and_double_needs_no_word():
    w = np.array([1.0])
    net, _, q = one_input(nd.LIF(), w)
    assert q.weight_precision == "double" and not any("precision" in a for a in approximations(net, day, 1.0))
    net, _, q = one_input(nd.LIF(), w, weight_precision="single")
    (line,) = [a for a in approximations(net, day, 1.0) if "precision" in a]
    assert line.startswith(f"{q.name}: weights are kept in single precision")
    assert net.describe()["projections"][0]["weight_precision"] == "single"


@pytest.mark.parametrize("word", ["singel", "float32", 32, None, True, ["single"]])
def test_other_words_are_refused(word):
    with pytest.raises(ParameterError, match="weight_precision must be 'double' or 'single'"):
        one_input(nd.LIF(), np.array([1.0]), weight_precision=word)


def test_single_precision_is_refused_where_steps_would_vanish():
    w = np.array([0.5])
    for rule in (nd.STDP(), nd.CalciumPlasticity(), nd.BCM(act="weight", rate=0.1)):
        net, _, q = one_input(nd.LIF(), w, weight_precision="single")
        q.use(rule)
        with pytest.raises(BuildError, match=f"{rule.name} acts at single spikes .* leave out weight_precision"):
            Simulator(net)
    net, _, _ = one_input(nd.LIF(**CURRENTS), w, weight_precision="single")
    with pytest.raises(BuildError, match="'cells' integrates its inputs by rules of its own"):
        Simulator(net)
