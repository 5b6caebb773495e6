"""The early phase: its equation, the time course of small and large spines, what STDP induces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from neurodev import jit
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from neurodev.mechanisms.early_phase import EarlyPhase, consolidated_step, time_course
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.stdp import STDP
from neurodev.protocols.stages import Induce, courses, quiet
from neurodev.structure.weight import transmission
from neurodev.units import minute, second
from tests.mechanisms.drivers import Trains, World, star


def test_time_course_of_small_and_large_spines() -> None:
    """BIO-18 (P): 0.05 um3: 3 to 4 times at 1 to 5 min, 1.5 to 2.1 times at 60 min; 0.3 um3: below 1.2 at 60 min."""
    small, large = courses(EarlyPhase(), np.array([0.05, 0.3]), 1.0, 60, tick=10 * second)
    assert np.all((small[:5] > 3.0) & (small[:5] < 4.0))
    assert 1.5 < small[59] < 2.1 and large[59] < 1.2
    assert large[0] > 3.0  # transient there too


def test_against_an_integrator() -> None:
    """The closed form against its differential equation."""
    m = EarlyPhase(gain=1.0, tau=7 * minute, consolidated=0.8, half=0.07, power=1.5)
    for volume, e0 in ((0.02, 2.0), (0.4, 3.0), (0.07, -0.3)):

        def slope(t, y, e0=e0):
            v = 0.05 * np.exp(y[0])
            return m.consolidated / (1 + (v / m.half) ** m.power) * e0 * np.exp(-t / 7.0) / 7.0

        x0 = np.log(volume / 0.05)
        end = solve_ivp(slope, (0, 30), [x0], rtol=1e-11, atol=1e-13).y[0, -1]
        expected = np.exp(end - x0) * (1 + e0 * np.exp(-30 / 7))
        assert time_course(m, volume, np.array([30.0]), e0)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("load", [0.0, 1e-9, 0.1, 5.0, 1e9])
@pytest.mark.parametrize("e", [-2.0, -1e-3, 0.0, 1e-6, 0.5, 8.0])
def test_the_root_is_a_root(load: float, e: float) -> None:
    y = consolidated_step(e, load, 2.0)
    assert y + load * np.expm1(2.0 * y) / 2.0 == pytest.approx(e, rel=1e-9, abs=1e-12)


def test_cutting_a_tick_in_two_changes_nothing() -> None:
    """A deterministic advance: split to 1e-12."""
    ends = []
    for tick, steps in ((minute, 20), (minute / 2, 40)):
        w = World((quiet(), Induce([0.0, 0.0]), EarlyPhase()), star(2), tick=tick, acceleration=1.0)
        w.table.column("log_size")[w.table.slots()] = [-0.5, 1.0]
        w.table.column("early")[w.table.slots()] = [2.0, -0.2]
        w.step(steps)
        ends.append((w.of("log_size"), w.of("early")))
    assert ends[0][0] == pytest.approx(ends[1][0], abs=1e-12)
    assert ends[0][1] == pytest.approx(ends[1][1], abs=1e-12)


def test_stdp_induces_what_its_reference_burst_is_worth() -> None:
    """The accumulation of one tick in units of a_ref, handed on before it is cleared."""
    rule = STDP("pair")
    w = World((quiet(), rule, EarlyPhase(gain=1.0)), star(3), tick=minute, acceleration=1.0)
    Trains(rule, w.table).run([np.array([10.0]), np.array([40.0]), np.zeros(0)], [np.array([20.0])])
    a = w.of("accumulator").copy()
    w.step()
    spread = -np.expm1(-0.1) / 0.1
    assert w.of("early") == pytest.approx(np.clip(a / rule.reference() * spread, -0.3, 3.0), rel=1e-12)
    assert np.any(a > 0) and np.any(a < 0) and np.all(w.of("induction") == 0.0) and np.all(w.of("accumulator") == 0.0)
    assert transmission(w.table, w.table.slots())[w.table.slots()] == pytest.approx(
        1.0 + w.table.column("early")[w.table.slots()]
    )
    before = w.of("early").copy()
    w.step()
    assert w.of("early") == pytest.approx(before * np.exp(-0.1), rel=1e-12)


def test_off_equals_never_named() -> None:
    a = World((SpineSize(), STDP()), star(200))
    b = World((SpineSize(), STDP(), EarlyPhase(gain=0.0)), star(200))
    for w in (a, b):
        Trains(w.synaptic[1], w.table).run([np.array([10.0 * k]) for k in range(200)], [np.array([700.0])])
        w.step(5)
    assert np.array_equal(a.of("log_size"), b.of("log_size"))


@pytest.mark.skipif(not jit.ENABLED, reason="an engine run")
def test_weights_in_the_engine_carry_the_early_phase() -> None:
    """weight = sign w0 (V - V_silent)+ / V0 (1 + e) exp(S), as of the last tick."""
    import neurodev as nd

    net = nd.Network(seed=3)
    pre = net.add(nd.Poisson(rate_hz=20.0), 20, name="pre")
    exc = net.add(nd.LIF(drive=21.0), 10)
    q = net.connect(pre, exc, nd.AllToAll(), spines=nd.Spines(weight=1.0), delay=1.0)
    q.use(nd.STDP(), nd.SpineSize(), nd.EarlyPhase())
    sim = Simulator(net, acceleration=1.0, tick=10 * second)
    sim.run_until_spike(30 * second)
    t = sim.tables[q.name]
    s = t.slots()
    v, e = t.column("size")[s], t.column("early")[s]
    expected = np.maximum(0.0, v - 0.05 * np.exp(-1.6)) / 0.05 * (1.0 + e)
    assert np.any(e > 0.01) and t.weight[s] == pytest.approx(expected, rel=1e-6)


def test_refusals() -> None:
    with pytest.raises(BuildError, match="SpineSize"):
        World((STDP(), EarlyPhase()), star(2))
    with pytest.raises(BuildError, match="shorter tick"):
        World((SpineSize(), STDP(), EarlyPhase()), star(2), tick=minute * 3, acceleration=1.0)
