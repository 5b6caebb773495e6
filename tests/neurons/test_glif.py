"""The generalised leaky neuron: crossings of a threshold that moves, to rounding."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from tests.neurons.independent import Cell, Linear, driven, integrate, spikes_of, trains

COMMON = dict(
    rest=-70.0, threshold=-50.0, drive=45.0, refractory=1.5, threshold_jump=4.0, tau_threshold=30.0, current_1=250.0,
    tau_1=3.0, share_1=0.4, current_2=-60.0, tau_2=50.0, share_2=0.9, reset=-66.0, reset_share=0.2, capacitance=200.0,
)  # fmt: skip
CASES = {
    "levels": {},
    "equal": dict(tau=20.0, tau_1=20.0, tau_2=20.0, tau_threshold=20.0, tau_excitatory=20.0, tau_inhibitory=20.0),
    "nearly": dict(tau=20.0, tau_1=20.0001, tau_2=19.9999, tau_threshold=20.00001, tau_excitatory=20.000001),
    "slow synapses": dict(tau=5.0, tau_excitatory=30.0, tau_inhibitory=3.0, initial_excitatory=90.0),
    "no leak": dict(tau=float("inf"), drive=0.0, initial_excitatory=300.0, initial=-65.0),
    "no refractoriness": dict(
        refractory=0.0, reset_share=1.0, reset=-70.0
    ),  # V goes on, as in adaptive-threshold cells
}
ARRIVALS = [(2.0, 700.0), (5.5, 900.0), (8.0, -700.0), (12.0, 900.0), (12.0, 300.0), (31.0, 2500.0), (40.5, -900.0)]
JUMPS = [(t, w / 100.0) for t, w in ARRIVALS]


def equations(p, currents):
    """A cell and its matrix: V, excitation, inhibition, two spike-triggered currents (pA), Theta."""
    r = 0.0 if np.isinf(p.tau) else 1.0 / p.tau
    rates = [1.0 / x for x in (p.tau_excitatory or 1.0, p.tau_inhibitory or 1.0, p.tau_1, p.tau_2, p.tau_threshold)]
    matrix = np.diag([-r, *(-x for x in rates)])
    matrix[0, 1:5] = 1.0 / p.capacitance
    constant = np.array([r * (p.rest + p.drive), 0, 0, 0, 0, 0])

    def jump(x, w, held):
        y = x.copy()
        if currents:
            y[1 if w > 0 else 2] += w
        elif not held:
            y[0] += w
        return y

    def after(x):
        v = p.reset + p.reset_share * (x[0] - p.rest)
        return [v, x[1], x[2], p.share_1 * x[3] + p.current_1, p.share_2 * x[4] + p.current_2, x[5] + p.threshold_jump]

    start = [p.rest if p.initial is None else p.initial, p.initial_excitatory, p.initial_inhibitory, 0.0, 0.0, 0.0]
    cell = Cell(
        start, lambda t, x: matrix @ x + constant, jump, lambda x: x[0] - x[5] - p.threshold, after, p.refractory
    )
    return cell, Linear(cell, matrix, constant)


@pytest.mark.parametrize("name", CASES)
def test_against_an_integration_and_a_grid(name):
    """Spike times to 1e-9 ms and V to 1e-9 mV, also where every time constant is that of the membrane."""
    given = COMMON | dict(tau=15.0, tau_excitatory=2.0, tau_inhibitory=6.0) | CASES[name]
    model = nd.GLIF(**given)
    cell, linear = equations(model, True)
    found, v = spikes_of(model, ARRIVALS, 70.0)
    for expected, end in (integrate(cell, ARRIVALS, 70.0), linear.run(ARRIVALS, 70.0)):
        assert expected.size >= 2
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(v, end[0], rtol=0, atol=1e-9)


def test_jumps_of_v():
    """Without time constants of synapses a weight is a jump of V (mV), lost during refractoriness."""
    model = nd.GLIF(tau=15.0, **COMMON)
    arrivals = sorted([*JUMPS, (31.5, 20.0)])
    expected, end = integrate(equations(model, False)[0], arrivals, 70.0)
    found, v = spikes_of(model, arrivals, 70.0)
    assert 31.0 in expected and expected.size > 3
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(v, end[0], rtol=0, atol=1e-9)


def test_without_adaptation_it_is_the_leaky_neuron():
    """The same train as nd.LIF with the same parameters, to 1e-9 ms, over thousands of background events."""
    out = []
    same = dict(tau=10.0, threshold=20.0, reset=3.0, rest=0.0, drive=12.0, tau_excitatory=3.0, tau_inhibitory=7.0,
                capacitance=100.0)  # fmt: skip
    for model in (nd.LIF(**same), nd.GLIF(**same, threshold_jump=0.0, current_2=0.0)):
        net = nd.Network(seed=3)
        cells = net.add(model, 6, name="cells")
        net.background(cells, nd.Background(rate_hz=2000.0, weight=60.0))
        net.background(cells, nd.Background(rate_hz=800.0, weight=-30.0))
        run = nd.simulate(net, 500.0, tick=500.0, progress=False)
        t, i = run.spikes(cells)[:2]
        order = np.lexsort((t, i))
        out.append((np.asarray(t)[order], np.asarray(i)[order]))
    assert out[0][0].size > 40 and (out[0][1] == out[1][1]).all()
    np.testing.assert_allclose(out[0][0], out[1][0], rtol=0, atol=1e-9)


def test_it_never_fires_at_an_infinite_threshold():
    """A cell of potential alone, beside one that fires."""
    model = nd.GLIF(threshold=[float("inf"), -50.0], drive=200.0, tau_excitatory=2.0, tau_inhibitory=2.0)
    sim = driven(model, [(2.0, 4000.0)], n=2)
    found = trains(sim)
    sim.run_until_spike(300.0)
    assert {i for _, _, i in found} == {1}
    np.testing.assert_allclose(sim.engine.potential("cells")[0], 130.0 - 200.0 * np.exp(-300 / 20), atol=1e-2)


def test_rates_under_adaptation():
    """A constant drive: intervals grow to those of the fixed point, where what a spike adds has decayed in between."""
    model = nd.GLIF(drive=40.0, threshold_jump=6.0, tau_threshold=80.0, current_2=0.0, refractory=0.0)
    t, _ = spikes_of(model, [], 2000.0)
    gap = np.diff(t)
    assert gap[0] < gap[1] and (gap[0] < gap[-1] / 1.5)
    # at the fixed point V climbs from reset to threshold + Theta in one interval
    d = gap[-1]
    theta = 6.0 * np.exp(-d / 80.0) / (1.0 - np.exp(-d / 80.0))
    np.testing.assert_allclose(-30.0 + (-70.0 + 30.0) * np.exp(-d / 20.0), -50.0 + theta, atol=1e-6)


@pytest.mark.parametrize(("given", "words"), [
    (dict(reset=-40.0), "fires again at once"),
    (dict(reset=-70.0, reset_share=1.0, threshold_jump=0.0), "fires again at once"),
    (dict(initial=-50.0), "must be below GLIF.threshold"),
    (dict(tau_excitatory=1.0), "belong together"),
    (dict(initial_excitatory=5.0), "give tau_excitatory= and"),
    (dict(tau=[1.0, 2.0, 3.0]), r"must be a number or have shape \(2,\)"),
])  # fmt: skip
def test_what_is_refused(given, words):
    """By name, before anything runs."""
    with pytest.raises(ParameterError, match=words):
        nd.Network(seed=1).add(nd.GLIF(**given), 2, name="cells")
