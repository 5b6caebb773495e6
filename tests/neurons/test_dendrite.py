"""Dendrites in closed form (EX-13 to EX-18, BIO-29), and crossings under many currents."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.neurons import current, dendrite, expsum
from neurodev.neurons.dendrite import cable_attenuation, chain, kappa, pairwise, steady_state

LEAK, E, I = 10.0, 70.0, -10.0  # noqa: E741


def test_one_excitatory_and_one_inhibitory():
    """EX-13: exactly, and the rule gives the potential of both."""
    v = [steady_state(LEAK, g, e) for g, e in (([0.5], [E]), ([2.0], [I]), ([0.5, 2.0], [E, I]))]
    np.testing.assert_allclose(v, [10 / 3, -5 / 3, 1.2], rtol=1e-12)
    k = kappa(LEAK, [0.5, 2.0], [E, I])
    assert k == pytest.approx(0.084, rel=1e-12)
    assert v[0] + v[1] + k * v[0] * v[1] == pytest.approx(1.2, rel=1e-12)


def test_weak_inputs():
    """EX-14, and the default kappas of `Bilinear`, which are the limits of weak conductances."""
    assert kappa(LEAK, [1e-6, 1e-6], [E, I]) == pytest.approx(0.0857143, abs=1e-4)
    ee, ei, ii = nd.Bilinear().kappas()
    limits = [kappa(LEAK, [1e-9, 1e-9], e) for e in ([E, E], [E, I], [I, I])]
    np.testing.assert_allclose([ee, ei, ii], limits, rtol=1e-8)
    assert nd.Bilinear(kappa_ei=0.01).kappas() == (ee, 0.01, ii)


def test_two_excitatory():
    """EX-15."""
    assert kappa(LEAK, [0.5, 0.5], [E, E]) == pytest.approx(-0.3 / 11, rel=1e-12)  # -0.0272727
    assert nd.Bilinear().kappas()[0] == pytest.approx(-2 / 70, rel=1e-12)  # -0.0285714


def test_strengths_hardly_matter():
    """EX-16: kappa changes by .085 %, 4.50 % and 3.69 % when both, the first or the second input grows."""
    before = kappa(LEAK, [0.5, 2.0], [E, I])
    changes = [abs(kappa(LEAK, g, [E, I]) / before - 1) for g in ([1.0, 5.0], [1.0, 2.0], [0.5, 5.0])]
    np.testing.assert_allclose(changes, [0.00085, 0.0450, 0.0369], rtol=0.02)


def test_many_inputs():
    """EX-17: the sum over pairs misses the third order of the conductances, and nothing before it."""
    g, e = np.array([0.5, 2.0, 1.0, 0.7]), [E, I, E, I]
    misses = [abs(steady_state(LEAK, g / 2**k, e) - pairwise(LEAK, g / 2**k, e)) for k in range(7)]
    assert misses[0] == pytest.approx(0.30993, abs=1e-5)
    ratios = np.array(misses[:-1]) / np.array(misses[1:])
    np.testing.assert_allclose(ratios, [6.07, 6.87, 7.38, 7.67, 7.83, 7.92], atol=1e-2)


def test_sigmoidal_branch():
    """EX-18."""
    expected = [0.0, 0.3114, 0.6459, 1.05, 2.2632, 2.7841, 3.2104, 3.6586, 4.1296]
    s = nd.TwoLayer().output(np.arange(9))
    np.testing.assert_allclose(s, expected, atol=1e-4)
    assert np.argmax(np.diff(s)) == 3


def test_onset_of_a_plateau():
    """B(V) of Jahr & Stevens at the onset, against its value at rest."""
    p = nd.Plateau(amplitude=80.0)
    b = 1 / (1 + 1 / 3.57 * np.exp(-0.062 * np.array([-30.0, -20.0])))
    np.testing.assert_allclose(p.onset([0.0, 10.0]), 80.0 * b / b[0], rtol=1e-12)
    np.testing.assert_array_equal(nd.Plateau(magnesium=0.0).onset([0.0, 20.0]), 100.0)


# ---------------------------------------------------------------- passive cables


def test_two_compartments():
    """Transfer is the same both ways; a steady input divides between leak and axial conductance."""
    soma, branch, between = 10.0, 2.0, 4.0
    here, there = chain([between], [soma, branch], 1), chain([between], [soma, branch], 0)
    assert here[0] == pytest.approx(there[1], rel=1e-12)
    assert here[0] / here[1] == pytest.approx(between / (between + soma), rel=1e-12)
    assert here[1] == pytest.approx(1 / (branch + soma * between / (soma + between)), rel=1e-12)


def test_many_compartments_make_a_cable():
    """The chain approaches the cable with the square of the length of a compartment."""
    length, constant, soma, misses = 300.0, 250.0, 3.0, []
    for n in (100, 200, 400):
        dx = length / n / constant
        leak = np.concatenate([[soma], np.full(n, dx)])  # semi-infinite conductance 1
        axial = np.concatenate([[2 / dx], np.full(n - 1, 1 / dx)])
        at = n // 2
        v = chain(axial, leak, at)
        exact = cable_attenuation((at - 0.5) * length / n, length, constant, soma)
        misses.append(abs(v[0] / v[at] - exact))
    assert misses[2] < 1e-6
    np.testing.assert_allclose([misses[0] / misses[1], misses[1] / misses[2]], 4.0, rtol=0.05)


# ---------------------------------------------------------------- crossings under a sum of currents


def test_two_currents_as_before():
    """The recursion finds what the closed case distinction of `current` finds."""
    draw, scratch = np.random.default_rng(1), np.zeros(expsum.SCRATCH)
    for _ in range(3000):
        r, l1, l2 = 1 / draw.uniform(5, 40), 1 / draw.uniform(1, 20), 1 / draw.uniform(2, 30)
        x, i1, i2 = draw.uniform(-12, 9.9), draw.exponential(2.0), -draw.exponential(1.5)
        known = current.first_crossing(x, i1, i2, r, l1, l2, 10.0, 30.0)
        found = expsum.first_crossing_of_sum(x, np.array([i1, i2]), np.array([l1, l2]), 2, r, 10.0, 30.0, scratch)
        assert found == pytest.approx(known, abs=1e-10)


def test_six_currents_of_random_states():
    """EX-31g with six currents, two of them of nearly the membrane's rate: the same verdict and time as a grid."""
    n, horizon, points = 4000, 30.0, 1500
    draw, scratch = np.random.default_rng(2), np.zeros(expsum.SCRATCH)
    grid = np.linspace(0, horizon, points + 1)
    crossed = missed = 0
    for _ in range(n):
        r = 1 / draw.uniform(5, 40)
        rates = np.concatenate([1 / draw.uniform(1, 40, 3), [0.0, r * (1 + draw.choice([0, 1e-9, 1e-3])), r]])
        currents, x = draw.normal(0, 1.0, 6), draw.uniform(-5, 9)
        threshold = draw.choice([10.0, -1.0])
        x = min(x, threshold - 0.01)
        ours = expsum.first_crossing_of_sum(x, currents, rates, 6, r, threshold, horizon, scratch)
        v = x * np.exp(-r * grid)
        for i, rate in zip(currents, rates, strict=True):
            d = rate - r
            near = abs(d) < 1e-7
            v += i * np.exp(-r * grid) * (grid * (1 - d * grid / 2) if near else -np.expm1(-d * grid) / d)
        above = np.flatnonzero(v >= threshold)
        if above.size:
            k = above[0]
            assert -1 < ours <= grid[k] + 1e-9
            if ours < grid[k - 1]:  # a summit between two points of the grid
                missed += 1
            at = [expsum.value_of_sum(x, currents, rates, 6, r, s) for s in (ours, max(ours - 1e-6, 0.0))]
            assert at[0] == pytest.approx(threshold, abs=1e-9) and at[1] <= threshold + 1e-10
            crossed += 1
        elif ours >= 0:
            missed += 1
            assert expsum.value_of_sum(x, currents, rates, 6, r, ours) == pytest.approx(threshold, abs=1e-9)
    assert crossed > 1000 and missed < 20


def test_grazing_a_sum():
    """EX-31b by the recursion."""
    scratch = np.zeros(expsum.SCRATCH)
    state = (10.0, np.array([4.0, 0.0, 0.0]), np.array([0.2, 0.1, 0.4]), 3, 0.05)
    peak = 19.264020398255788
    for below, time in ((1e-3, 7.01747551), (1e-6, 7.11571585), (1e-9, 7.11883564)):
        assert expsum.first_crossing_of_sum(*state, peak - below, 30.0, scratch) == pytest.approx(time, abs=1e-8)
        assert expsum.first_crossing_of_sum(*state, peak + below, 30.0, scratch) == -1.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: nd.LIF(dendrite=nd.Plateau(4)), "tau_excitatory"),
        (lambda: nd.LIF(dendrite=3), r"nd.Branches\(8\)"),
        (lambda: nd.LIF(dendrite=nd.Bilinear(2), tau=np.inf, tau_excitatory=5, tau_inhibitory=5), "finite"),
        (lambda: nd.Bilinear(0), "per_neuron"),
        (lambda: nd.Branches(2.5), "whole number"),
        (lambda: nd.TwoLayer(2, width=0.0), "width"),
        (lambda: kappa(LEAK, [1.0], [E]), "two inputs"),
        (lambda: steady_state(LEAK, [1.0, 2.0], [E]), "one value per input"),
        (lambda: steady_state(0.0, [1.0], [E]), "leak"),
        (lambda: chain([1.0], [1.0, 1.0, 1.0], 0), "2 positive axial"),
        (lambda: chain([1.0], [1.0, 1.0], 2), r"\[0, 2\)"),
        (lambda: cable_attenuation(400.0, 300.0, 100.0, 1.0), "within the branch"),
    ],
)
def test_errors_name_the_cure(call, match):
    with pytest.raises(ParameterError, match=match):
        call()


def test_parameters_fit_the_engine():
    assert all(len(dendrite.parameters(kind())) <= 8 for kind in dendrite.KINDS)


def test_a_dendrite_of_ones_own_keeps_the_rule_of_its_ancestor():
    """With other defaults it is a plateau all the same, not a linear branch."""

    class Long(nd.Plateau):
        pass

    class Many(nd.Branches):
        pass

    assert dendrite.code_of(Long()) == dendrite.code_of(nd.Plateau()) == 3
    assert dendrite.code_of(Many()) == dendrite.code_of(None) == 0
    with pytest.raises(ParameterError, match="branches of Long integrate synaptic currents"):
        nd.LIF(dendrite=Long())
    assert nd.LIF(dendrite=Many(3)).dendrite == Many(3)


def test_branches_that_nothing_computes_are_refused():
    """A class that says it is not linear, and derives from none of ours that are not, would merely add up."""

    class Squares(nd.Branches):
        linear = False

    with pytest.raises(ParameterError, match="nothing here computes what branches of Squares do .* nd.Plateau"):
        nd.LIF(dendrite=Squares(3), tau_excitatory=2.0, tau_inhibitory=5.0)
