"""Calcium-based plasticity: published numbers, exact integration against small steps, noise, waiting arrivals."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev import jit
from neurodev.errors import BuildError, SimulationError
from neurodev.mechanisms.calcium_plasticity import (
    CalciumPlasticity,
    share_above,
    strength_change,
    strength_ratio,
    transition,
)
from neurodev.mechanisms.calcium_rules import CalciumParameters, advance, potential_step
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.structure.table import Table
from tests.mechanisms.drivers import Trains, World, few, star

LAGS = (-20.0, -10.0, 0.0, 10.0, 20.0)
RATIOS = (0.7643, 0.8818, 1.0079, 1.2214, 1.1722)


@pytest.mark.parametrize("lag, ratio", zip(LAGS, RATIOS, strict=True))
def test_strength_change_after_sixty_pairs(lag: float, ratio: float) -> None:
    """EX-55 (function)."""
    assert strength_change(CalciumPlasticity(), lag) == pytest.approx(ratio, rel=1e-3)


@pytest.mark.parametrize("lag", LAGS)
def test_share_above_is_a_fraction_of_time(lag: float) -> None:
    m = CalciumPlasticity(calcium_tau=60.0)
    period, h = 200.0, 0.005
    pre = np.arange(12) * period + m.delay + 50.0
    post = np.arange(12) * period + lag + 50.0
    t = np.arange(10 * period, 11 * period, h)
    ca = sum(m.pre * np.where(t >= a, np.exp(-(t - a) / 60), 0) for a in pre)
    ca = ca + sum(m.post * np.where(t >= a, np.exp(-(t - a) / 60), 0) for a in post)
    for threshold in (m.low, m.high):
        assert share_above(m, threshold, lag, period) == pytest.approx(np.mean(ca > threshold), abs=2e-4)


def numbers(m: CalciumPlasticity) -> CalciumParameters:
    return m.hot(frozenset()).parameters


def test_potential_is_exact() -> None:
    """Against the implicit solution ln(u^2 / |1/4 - u^2|) = t / (2 tau) + constant, and in halves."""
    for rho in (0.02, 0.3, 0.49, 0.55, 0.97, 1.1):
        end = potential_step(rho, 70.0, 30.0)
        f = lambda r: np.log((r - 0.5) ** 2 / abs(0.25 - (r - 0.5) ** 2))
        assert f(end) - f(rho) == pytest.approx(70.0 / 60.0, rel=1e-11)
        assert potential_step(potential_step(rho, 30.0, 30.0), 40.0, 30.0) == pytest.approx(end, rel=1e-13)
    assert potential_step(0.5, 9.0, 3.0) == 0.5


@pytest.mark.parametrize(
    "potential, tau, tolerance", [("flat", 2e4, 1e-9), ("bistable", 2e4, 2e-6), ("bistable", 1.5e5, 1e-7)]
)
@pytest.mark.parametrize("low, high", [(1.0, 1.3), (1.3, 1.0)])
def test_a_synapse_follows_its_equation(potential: str, tau: float, tolerance: float, low: float, high: float) -> None:
    """The hooks, lazily and between events, against an integrator of the same equation with breaks at every event."""
    from scipy.integrate import solve_ivp

    m = CalciumPlasticity(sigma=0.0, potential=potential, low=low, high=high, tau=tau, waiting=8)
    draw = np.random.default_rng(3)
    pre, post = np.sort(draw.uniform(0, 400, 12)), np.sort(draw.uniform(0, 400, 14))
    post[-1] = 500.0  # the last touch
    t = Table.build(1, 1, [1.5], [0], [0], [0], 0.5, columns=tuple(m.columns()))
    s = t.slots()[0]
    t.column("efficacy")[s] = 0.3
    Trains(m, t).run([pre], [post])
    events = sorted([(a + 1.5 + m.delay, m.pre) for a in pre] + [(b, m.post) for b in post])
    rho, ca, now = 0.3, 0.0, 0.0
    for at, jump in events:
        if at > 500.0:
            break
        cuts = [now, at]
        for threshold in (low, high):
            if ca > threshold:
                cuts.append(now + m.calcium_tau * np.log(ca / threshold))
        cuts = sorted(c for c in cuts if now <= c <= at)
        for a, b in zip(cuts, cuts[1:], strict=False):
            middle = ca * np.exp(-(0.5 * (a + b) - now) / m.calcium_tau)
            up, down = m.up * (middle > high), m.down * (middle > low)
            pull = 1.0 if potential == "bistable" else 0.0
            f = lambda _, r, up=up, down=down, pull=pull: (
                (-pull * r * (1 - r) * (0.5 - r) + up * (1 - r) - down * r) / m.tau
            )
            rho = solve_ivp(f, (a, b), [rho], rtol=1e-12, atol=1e-14).y[0, -1]
        ca = ca * np.exp(-(at - now) / m.calcium_tau) + jump
        now = at
    assert t.column("calcium_time")[s] == 500.0
    assert t.column("calcium")[s] == pytest.approx(ca, rel=1e-12)
    assert t.column("efficacy")[s] == pytest.approx(rho, abs=tolerance)
    assert t.weight[s] == pytest.approx(0.2 + 0.8 * t.column("efficacy")[s], rel=1e-15)


def test_cutting_an_interval_changes_nothing_without_noise() -> None:
    p = numbers(CalciumPlasticity(sigma=0.0, potential="flat"))
    whole = advance(0.2, 2.5, 40.0, p, np.uint64(0), np.uint64(1), np.uint64(0))
    first = advance(0.2, 2.5, 13.0, p, np.uint64(0), np.uint64(1), np.uint64(0))
    rest = advance(first, 2.5 * np.exp(-13 / 20), 27.0, p, np.uint64(0), np.uint64(1), np.uint64(0))
    assert rest == pytest.approx(whole, rel=1e-13)


def test_noise_has_the_variance_of_its_equation() -> None:
    """An Ornstein-Uhlenbeck step while both thresholds are passed; the same with half the noise power for one."""
    m = CalciumPlasticity(potential="flat", tau=1000.0)
    p, n = numbers(m), few(20_000, 2_000)
    for calcium, up, passed in ((50.0, m.up, 2), (1.25, 0.0, 1)):
        dt = 4.0
        end = np.array([advance(0.4, calcium, dt, p, np.uint64(9), np.uint64(k), np.uint64(5)) for k in range(n)])
        total = up + m.down
        keep = np.exp(-total * dt / m.tau)
        mean = up / total + (0.4 - up / total) * keep
        variance = m.sigma**2 * passed / (2 * total) * (1 - keep**2)
        assert abs(end.mean() - mean) < 4 * np.sqrt(variance / n)
        assert abs(end.var() - variance) < 4 * variance * np.sqrt(2 / n)


def simulate_pairs(m: CalciumPlasticity, lag: float, n: int, seed: int) -> tuple[float, float]:
    """Shares that end up after sixty pairs at 1 Hz, from below and from above: by the hooks, spike by spike."""
    w = World((m,), Table.build(1, 2 * n, [0.0], np.zeros(2 * n, int), np.arange(2 * n), np.zeros(2 * n, int), 0.5),
              seed=seed)  # fmt: skip
    t = w.table
    slots = t.slots()
    start = (t.post[slots] < n).astype(float)
    t.column("efficacy")[slots] = start
    pairs = 100.0 + 1000.0 * np.arange(60)
    # one last spike, long after, brings everybody up to date
    spikes = np.append(pairs + lag, 62_000.0)
    Trains(m, t).run([pairs], [spikes] * (2 * n))
    up = t.column("efficacy")[slots] > 0.5
    return float(up[start == 0].mean()), float(up[start == 1].mean())


@pytest.mark.skipif(not jit.ENABLED, reason="half a million events")
@pytest.mark.parametrize("lag", LAGS)
def test_simulated_pairs(lag: float) -> None:
    """EX-55 (simulation): the flat potential within 4 SE of its closed form, the bistable one within 3 % of it."""
    n, m = 3000, CalciumPlasticity(potential="flat")
    up, stays = simulate_pairs(m, lag, n, 1)
    for share, start in ((up, 0.0), (stays, 1.0)):
        expected = transition(m, start, lag)
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n) + 1e-9
    up, stays = simulate_pairs(CalciumPlasticity(), lag, n, 2)
    assert strength_ratio(up, stays, 5.0) == pytest.approx(strength_change(m, lag), rel=0.03)


def test_newborns_see_what_comes_after_them() -> None:
    m = CalciumPlasticity(sigma=0.0)
    w = World((m,), star(2, 1, columns=()))
    t = w.table
    slots = t.slots()
    driver = Trains(m, t)
    m.born(w.view, slots[:1])
    assert t.weight[slots[0]] == 0.2 and t.column("efficacy")[slots[0]] == 0.0
    driver.run([np.array([5.0]), np.array([5.0])], [np.array([100.0])])
    # calcium of the arrival came after the first touch of the newborn: it counts
    assert t.column("calcium")[slots[0]] == t.column("calcium")[slots[1]] > 2.0


def test_lost_arrivals_are_an_error() -> None:
    m = CalciumPlasticity(waiting=2)
    w = World((m,), star(1, 1, columns=()))
    Trains(m, w.table).run([np.array([1.0, 2.0])], [np.array([50.0])])
    m.signals(w.view)
    Trains(m, w.table).run([np.array([60.0, 61.0, 62.0])], [np.array([90.0])])
    with pytest.raises(SimulationError, match="waiting"):
        m.signals(w.view)


def test_with_spines_the_states_move_set_points() -> None:
    m = CalciumPlasticity(gain=0.7)
    w = World((SpineSize(noise=False, death="none"), m), star(50), options=dict(weight_gain=80.0))
    before = w.table.weight.copy()
    w.step()
    up = w.of("efficacy") > 0.5
    assert 10 < up.sum() < 40
    assert w.of("drive_calcium") == pytest.approx(np.where(up, 0.7, -0.7))
    assert np.array_equal(w.table.weight, before)


def test_refusals() -> None:
    t = star(2, 1, columns=())
    t.weight[:] = -1.0
    with pytest.raises(BuildError, match="InhibitorySTDP"):
        World((CalciumPlasticity(),), t)
