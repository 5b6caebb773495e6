"""Neurons that integrate themselves: their error is the one they state, and a user's own is one class."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.jit import model_rule, view_f8
from neurodev.neurons.stepped import Stepped, parameters_of
from neurodev.params import param
from tests.neurons.independent import Cell, driven, integrate, naive, spikes_of, trains

JUMPS = [(5.0, 4.0), (12.0, 6.0), (12.0, -2.0), (27.0, 9.0), (33.3, -5.0), (51.0, 7.0)]


def with_currents(p, own, start, jump_after, over, up=False):
    """A cell of variables, excitation and inhibition; `own(t, x, I)` gives the slopes of the variables."""
    n, currents = len(start), p.has_currents
    le, li = (1 / p.tau_excitatory, 1 / p.tau_inhibitory) if currents else (1.0, 1.0)

    def flow(t, x):
        return np.array([*own(t, x[:n], p.drive + x[n] + x[n + 1]), -le * x[n], -li * x[n + 1]])

    def jump(x, w, held):
        y = x.copy()
        if currents:
            y[n if w > 0 else n + 1] += w
        elif not held:
            y[0] += w
        return y

    def after(x):
        return [*jump_after(x[:n]), *x[n:]]

    return Cell(
        [*start, p.initial_excitatory, p.initial_inhibitory], flow, jump, lambda x: x[0] - over, after, p.refractory, up
    )


def adaptive(p):
    """Brette and Gerstner's equations."""

    def own(t, x, current):
        up = p.leak * p.slope * np.exp(min((x[0] - p.threshold) / p.slope, 100.0))
        return (
            (-p.leak * (x[0] - p.rest) + up - x[1] + current) / p.capacitance,
            (p.coupling * (x[0] - p.rest) - x[1]) / p.tau_adaptation,
        )

    # from -10 mV to any peak it is 2e-8 ms, which steps of 1e-12 cannot follow in the digits of time
    return with_currents(p, own, [p.rest, 0.0], lambda x: [p.reset, x[1] + p.increment], min(p.peak, -10.0))


def simple(p):
    """Izhikevich's equations."""

    def own(t, x, current):
        return 0.04 * x[0] ** 2 + 5 * x[0] + 140 - x[1] + current, p.recovery_rate * (p.recovery_slope * x[0] - x[1])

    start = [p.reset, p.recovery_slope * p.reset]
    return with_currents(p, own, start, lambda x: [p.reset, x[1] + p.jump], p.peak)


def axon(p):
    """Hodgkin and Huxley's equations, in their own variable: V = -65 - v."""

    def own(t, x, current):
        v, m, h, n = -65.0 - x[0], *x[1:]
        sodium = p.sodium * m**3 * h * (x[0] - p.reversal_sodium)
        potassium = p.potassium * n**4 * (x[0] - p.reversal_potassium)
        return (
            (current - sodium - potassium - p.leak * (x[0] - p.reversal_leak)) / p.capacitance,
            0.1 * (v + 25) / np.expm1((v + 25) / 10) * (1 - m) - 4 * np.exp(v / 18) * m,
            0.07 * np.exp(v / 20) * (1 - h) - h / (np.exp((v + 30) / 10) + 1),
            0.01 * (v + 10) / np.expm1((v + 10) / 10) * (1 - n) - 0.125 * np.exp(v / 80) * n,
        )

    gates = [0.1 * 25 / np.expm1(2.5), 0.07, 0.01 * 10 / np.expm1(1.0)]
    other = [4.0, 1 / (np.exp(3.0) + 1), 0.125]
    start = [-65.0, *(a / (a + b) for a, b in zip(gates, other, strict=True))]
    return with_currents(p, own, start, lambda x: [max(x[0], p.peak) + 1e-9, *x[1:]], p.peak, up=True)


CASES = {
    "adaptive": (nd.AdaptiveExponential(drive=900.0), adaptive, 1.0),
    "adaptive, refractory": (nd.AdaptiveExponential(drive=900.0, refractory=3.0, reset=-55.0, peak=0.0), adaptive, 1.0),
    "adaptive, currents": (
        nd.AdaptiveExponential(drive=800.0, tau_excitatory=2.0, tau_inhibitory=5.0), adaptive, 150.0
    ),
    "regular": (nd.Izhikevich(drive=10.0), simple, 1.0),
    "bursting": (nd.Izhikevich(drive=10.0, reset=-50.0, jump=2.0), simple, 1.0),
    "fast, currents": (
        nd.Izhikevich(drive=4.0, recovery_rate=0.1, jump=2.0, tau_excitatory=3.0, tau_inhibitory=3.0), simple, 2.0
    ),
    "axon": (nd.HodgkinHuxley(drive=100.0), axon, 1.0),
    "axon, currents": (nd.HodgkinHuxley(tau_excitatory=2.0, tau_inhibitory=4.0, initial_excitatory=60.0), axon, 30.0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_against_an_integration(name):
    """With the default tolerance spikes are within 1e-6 ms of those of an integration to 1e-12."""
    model, equations, unit = CASES[name]
    arrivals = [(t, w * unit) for t, w in JUMPS]
    expected, end = integrate(equations(model), arrivals, 80.0)
    found, v = spikes_of(model, arrivals, 80.0)
    assert found.size == expected.size >= 2
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(v, end[0], rtol=0, atol=1e-4)  # largest on a flank


@pytest.mark.parametrize("name", ["adaptive", "regular", "axon"])
def test_the_naive_twin(name):
    """A textbook's fixed steps of .005 ms come within some hundredths of a millisecond."""
    model, equations, _ = CASES[name]
    model = replace(model, peak=-35.0) if name == "adaptive" else model  # its steps cannot follow the rise further
    found, _ = spikes_of(model, JUMPS, 40.0)
    near, _ = naive(equations(model), JUMPS, 40.0, h=0.005)
    assert near.size == found.size >= 2
    np.testing.assert_allclose(near, found, rtol=0, atol=0.05)


@pytest.mark.compiled  # trial steps that are far too long overflow, of which NumPy warns
@pytest.mark.parametrize("name", ["adaptive", "bursting", "axon, currents"])
def test_the_error_follows_the_tolerance(name):
    """Spikes are more exact by far where the tolerance is smaller, whatever the longest step."""
    model, equations, unit = CASES[name]
    arrivals = [(t, w * unit) for t, w in JUMPS]
    expected, _ = integrate(equations(model), arrivals, 60.0)
    errors = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        found, _ = spikes_of(replace(model, tolerance=tolerance, step=1.0), arrivals, 60.0)
        assert found.size == expected.size
        errors.append(np.abs(found - expected).max())
    assert errors[0] < 0.05 and errors[1] < errors[0] / 5 and errors[2] < min(errors[1] / 5, errors[0] / 100)


def test_fifth_order_of_fixed_steps():
    """With a tolerance that never binds, half the step makes the error of a spike at least twenty times smaller."""
    model = nd.HodgkinHuxley(drive=100.0, tolerance=0.1)
    expected, _ = integrate(axon(model), [], 20.0)
    errors = [abs(spikes_of(replace(model, step=h), [], 20.0)[0][0] - expected[0]) for h in (0.08, 0.04)]
    assert errors[0] < 1e-3 and errors[1] < errors[0] / 20


@pytest.mark.compiled
def test_published_numbers():
    """Hodgkin and Huxley's axon fires at 68 Hz under 10 uA/cm2, and rests at -65 mV; the adaptive neuron's rheobase."""
    t, _ = spikes_of(nd.HodgkinHuxley(drive=100.0), [], 400.0)
    assert 67.5 < 1e3 / np.diff(t)[-1] < 69.0
    rest, v = spikes_of(nd.HodgkinHuxley(), [], 100.0)
    assert rest.size == 0 and abs(v + 65.0) < 0.02
    # the largest steady current: (g + a) (V - E) - g D exp((V - V_T) / D) is largest at V_T + D ln(1 + a / g)
    p = nd.AdaptiveExponential()
    v = p.threshold + p.slope * np.log(1 + p.coupling / p.leak)
    rheobase = (p.leak + p.coupling) * (v - p.rest) - p.leak * p.slope * np.exp((v - p.threshold) / p.slope)
    ramp = replace(p, increment=0.0, initial=v - 1.0)  # near it w follows before V leaves
    assert spikes_of(replace(ramp, coupling=0.0, drive=0.99 * 30.0 * (20.2 - 2.0)), [], 500.0)[0].size == 0
    assert spikes_of(replace(ramp, coupling=0.0, drive=1.01 * 30.0 * (20.2 - 2.0)), [], 500.0)[0].size > 0
    assert spikes_of(replace(p, drive=1.05 * rheobase), [], 500.0)[0].size > 0


def test_a_cell_that_never_fires_and_parameters_of_each():
    """peak = inf beside cells that fire, silence and release, wrong values by name."""
    sim = driven(nd.HodgkinHuxley(drive=[100.0, 0.0, 100.0], peak=[float("inf"), 0.0, 0.0]), [], n=3)
    found = trains(sim)
    sim.run_until_spike(40.0)
    assert {i for _, _, i in found} == {2}
    v = sim.engine.potential("cells")
    np.testing.assert_allclose(v[0], v[2], atol=1e-4)
    population = sim.network.populations["cells"].index
    sim.engine.silence(population, True)
    count = len(found)
    sim.run_until_spike(80.0)
    assert len(found) == count
    sim.engine.silence(population, False)
    np.testing.assert_allclose(sim.engine.potential("cells"), -65.0, atol=1e-12)
    sim.run_until_spike(120.0)
    assert len(found) > count
    for given, words in (
        (dict(reset=-30.0, peak=-40.0), "AdaptiveExponential.reset must be below AdaptiveExponential.peak"),
        (dict(tau_excitatory=2.0), "belong together"),
        (dict(initial_excitatory=2.0), "give tau_excitatory= and"),
        (dict(tolerance=0.0), "AdaptiveExponential.tolerance"),
        (dict(peak=float("inf")), "AdaptiveExponential.peak"),
    ):
        with pytest.raises(ParameterError, match=words):
            nd.AdaptiveExponential(**given)


@model_rule
def swing(m, i, x, dx, current, t):
    """FitzHugh 1961, with a current that follows the time since the start."""
    (v, w), p, out = view_f8(x, 2), parameters_of(m, i), view_f8(dx, 2)
    out[0] = v - v * v * v / 3.0 - w + current + p[1] * np.sin(0.3 * t)
    out[1] = p[0] * (v + 0.7 - 0.8 * w)
    return 0


@dataclass(frozen=True)
class FitzHugh(Stepped):
    """A model of a user's own."""

    recovery: Any = param(0.08, unit="1/ms", above=0.0, array=True)
    depth: float = param(0.4, unit="mV/ms")
    variables = ("v", "w")

    def flow(self):
        return swing


@pytest.mark.parametrize("start", [0.0, 1e7])
def test_a_model_of_ones_own(start):
    """Slopes as a function of state, input and time are all that a user writes, also deep in a life."""
    model = FitzHugh(recovery=0.1, drive=0.3, peak=1.0, initial=-1.0)
    net = nd.Network(seed=1)
    net.add(model, 2, name="cells")
    sim = Simulator(net, start=start)
    found = trains(sim)
    sim.run_until_spike(150.0)

    def flow(t, x):
        return np.array([x[0] - x[0] ** 3 / 3 - x[1] + 0.3 + 0.4 * np.sin(0.3 * t), 0.1 * (x[0] + 0.7 - 0.8 * x[1])])

    cell = Cell([-1.0, 0.0], flow, None, lambda x: x[0] - 1.0, lambda x: [max(x[0], 1.0) + 1e-9, x[1]], up=True)
    expected, _ = integrate(cell, [], 150.0)
    got = np.array([t - start for t, _, i in found if i == 0])
    assert got.size == expected.size >= 3
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-6)
    assert "Dormand" in " ".join(model.approximations()) and "approximate" in str(net)
    with pytest.raises(ParameterError, match="has no parameter 'tau'"):
        FitzHugh(tau=1.0)


@model_rule
def hopeless(m, i, x, dx, current, t):
    """Slopes that are no numbers once V is above 1."""
    v = view_f8(x, 1)[0]
    view_f8(dx, 1)[0] = 1.0 if v < 1.0 else np.nan
    return 0


@dataclass(frozen=True)
class Hopeless(Stepped):
    """It ends in NaN."""

    variables = ("v",)

    def flow(self):
        return hopeless


def test_slopes_that_are_no_numbers_end_no_run():
    """The neuron stands still, silent, and the run goes on."""
    sim = driven(Hopeless(peak=5.0), [(20.0, 0.1)])
    found = trains(sim)
    sim.run_until_spike(50.0)
    assert len(found) <= 1


@pytest.mark.compiled
def test_steps_at_the_last_digits_of_time_go_on():
    """Where the shortest step is less than a digit of time, time goes on, and spikes come when they should."""
    fine, coarse = (
        spikes_of(nd.AdaptiveExponential(drive=3000.0, initial=-55.0, step=h), [], 6.0)[0] for h in (1e-4, 0.1)
    )
    assert fine.size == coarse.size >= 1
    np.testing.assert_allclose(fine, coarse, atol=1e-6)
