"""Births and deaths: immigration-death in closed form, partners, refusals, streams and off switches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import neurodev as nd
from neurodev.errors import BuildError
from neurodev.mechanisms import turnover
from neurodev.mechanisms.turnover import Turnover, birth_death_mean
from neurodev.structure.cause import cause_code
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.table import Table
from neurodev.structure.wiring import Near
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, few, star


def empty(n_source: int, n_target: int, delays: tuple[float, ...] = (1.0,)) -> Table:
    none = np.zeros(0, dtype=np.int64)
    return Table.build(n_source, n_target, list(delays), none, none, none, 1.0, columns=("size",))


def inputs(table: Table) -> np.ndarray:
    return np.bincount(table.post[table.slots()], minlength=table.n_target)


@pytest.mark.parametrize(("hazard", "lost"), [(0.05, 0.04877), (0.1, 0.09516), (0.2, 0.18127), (0.3, 0.25918)])
def test_immigration_and_death(hazard: float, lost: float) -> None:  # EX-33
    n, m = few(1500, 60), Turnover(early=0.0, late=10 * hazard, hazard=hazard)
    w = World((m,), empty(200, n), tick=day)
    w.step(int(8 / hazard))
    k = inputs(w.table)
    assert abs(k.mean() - 10.0) < 4 * np.sqrt(10 / n)
    assert abs(k.var() - 10.0) < 4 * np.sqrt((10 + 2 * 100) / n)  # variance of a Poisson sample's variance
    before, first = k, w.table.uid[w.table.slots()]
    w.step()
    p = np.isin(first, w.table.uid[w.table.slots()]).mean()
    assert 1 - np.exp(-hazard) == pytest.approx(lost, abs=1e-5)
    assert abs(1 - p - lost) < 4 * np.sqrt(lost * (1 - lost) / first.size)
    w.step(4)
    p, want = np.isin(first, w.table.uid[w.table.slots()]).mean(), np.exp(-5 * hazard)
    assert abs(p - want) < 4 * np.sqrt(want * (1 - want) / first.size)
    r = np.corrcoef(before, inputs(w.table))[0, 1]
    assert abs(r - want) < 4 * (1 - want**2) / np.sqrt(n)


def test_overshoot() -> None:  # EX-34
    # units of ten spines, so that an overshoot of .67 spines becomes countable
    m = Turnover(early=2.03764 * 4, late=0.3 * 4, early_tau=10 * day, hazard=0.03)
    unit = Turnover(early=0.203764, late=0.03, early_tau=10 * day, hazard=0.03)
    t = np.linspace(0, 200, 200_001)
    number = birth_death_mean(t, unit)
    assert number.max() == pytest.approx(1.6667, abs=1e-4)
    assert t[number.argmax()] == pytest.approx(23.21, abs=0.01)
    assert birth_death_mean(2000.0, unit) == pytest.approx(1.0, abs=1e-9)
    n = few(300, 40)
    w = World((m,), empty(300, n), tick=day)
    for until in (5, 23, 60, 150):
        w.step(until - w.clock.tick)
        want = float(birth_death_mean(float(until), m))
        assert abs(inputs(w.table).mean() - want) < 4 * np.sqrt(want / n)


def test_closed_form_in_its_limits() -> None:
    a = birth_death_mean(3.0, Turnover(early=2.0, late=1.0, early_tau=4 * day, hazard=0.25), start=5.0)
    b = birth_death_mean(3.0, Turnover(early=2.0, late=1.0, early_tau=4 * day, hazard=0.25 + 1e-7), start=5.0)
    assert a == pytest.approx(float(b), rel=1e-6)
    m = Turnover()
    births = sum(m.expected(k * 2 * hour, (k + 1) * 2 * hour) for k in range(360))
    assert births == pytest.approx(1.4 * 30 + 14 * 4 * (1 - np.exp(-7.5)), rel=1e-12)
    assert births == pytest.approx(float(birth_death_mean(30.0, m)), rel=1e-12)
    late = Turnover(early=0.0, hazard=5.0).expected(1e4 * day, 1e4 * day + 1e3 * day)
    assert late == pytest.approx(1.4 / 5.0)


def test_the_tick_does_not_change_the_number() -> None:
    n, out = few(1500, 80), []
    for tick in (0.5 * day, 2 * day):
        w = World((Turnover(early=0.0, late=4.0, hazard=0.4),), empty(150, n), tick=tick, seed=int(tick))
        w.step(int(24 * day / tick))
        out.append(inputs(w.table).mean())
    assert abs(out[0] - out[1]) < 4 * np.sqrt(2 * 10 / n)


def test_numbers_are_poisson() -> None:
    n = few(40_000, 3000)
    number = np.zeros(n, dtype=np.int64)
    turnover.draw_numbers(np.uint64(5), np.uint64(1), np.full(number.size, 1.3), number)
    k = np.arange(7)
    expected = np.append(stats.poisson.pmf(k[:-1], 1.3), stats.poisson.sf(5, 1.3)) * n
    seen = np.bincount(np.minimum(number, 6), minlength=7)
    assert stats.chisquare(seen, expected).pvalue > 1e-3


def fits(seen: np.ndarray, weight: np.ndarray) -> bool:
    """Whether counts fit relative probabilities (chi squared; rare ones are pooled)."""
    expected = weight / weight.sum() * seen.sum()
    rare = expected < 5
    if expected[rare].sum() > 0:
        seen, expected = np.append(seen[~rare], seen[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    else:
        seen, expected = seen[~rare], expected[~rare]
    return bool(stats.chisquare(seen, expected).pvalue > 1e-3)


def near_world(m: Turnover, seed: int = 1, n_target: int = 1, **options) -> World:
    source = np.stack(np.meshgrid(np.linspace(0, 200, 5), np.linspace(0, 200, 5)), axis=-1).reshape(-1, 2)
    target = np.tile([[60.0, 90.0]], (n_target, 1))
    places = dict(source_positions=source, target_positions=target, wiring=Near(sigma=60.0, inputs=3))
    return World((m,), empty(25, n_target, (1.0, 2.0, 3.0)), tick=day, seed=seed, options=places | options)


def test_partners_follow_the_wiring_kernel_and_lanes_are_uniform() -> None:
    n = few(30_000, 1500)
    w = near_world(Turnover(early=0.0, late=1.0), n_target=n, multapses=True)
    w.step()
    table, slots = w.table, w.table.slots()
    a = w.view.wiring.affinity(w.view.source_positions, w.view.target_positions[:1], False)[0]
    seen = np.bincount(table.pre(slots), minlength=25)
    assert fits(seen, a)
    lanes = np.bincount(table.lane(slots), minlength=3)
    assert stats.chisquare(lanes).pvalue > 1e-3


def test_partners_are_free_ones() -> None:
    """With one contact a pair, newborns fill up the sources; then all births are refused, and counted."""
    w = near_world(Turnover(early=0.0, late=20.0), n_target=3)
    for _ in range(60):
        done = w.step()
        pair = w.table.pre(w.table.slots()) * 3 + w.table.post[w.table.slots()]
        assert np.unique(pair).size == pair.size
        if w.table.n_synapse < 60:
            assert not done.refused
    assert w.table.n_synapse == 75
    done = w.step()
    assert done.n_born == 0 and sum(done.refused.values()) > 20


def test_excluding_the_occupied_is_the_law_of_redrawing() -> None:
    """One occupied source: the others keep their relative probabilities."""
    n = few(20_000, 1500)
    w = near_world(Turnover(early=0.0, late=0.3), n_target=n)
    table = w.table
    table._insert(np.full(n, 7), np.arange(n), np.zeros(n, np.int64), np.ones(n, np.float32), 0.0)
    w.step()
    slots = table.slots()
    born = slots[table.born[slots] > 0]
    born = born[np.bincount(table.post[born], minlength=n)[table.post[born]] == 1]  # a second one sees the first
    a = w.view.wiring.affinity(w.view.source_positions, w.view.target_positions[:1], False)[0]
    a[7] = 0.0
    seen = np.bincount(table.pre(born), minlength=25)
    assert seen[7] == 0
    assert fits(seen, a)


def test_no_synapse_onto_oneself() -> None:
    for block in (1 << 22, 1):
        place = np.random.default_rng(0).uniform(0, 100, (12, 2))
        options = dict(
            source_positions=place, target_positions=place, wiring=Near(sigma=50.0, inputs=3), same_population=True
        )
        w = World((Turnover(early=0.0, late=30.0),), empty(12, 12), tick=day, options=options)
        w.step(20)
        slots = w.table.slots()
        assert not np.any(w.table.pre(slots) == w.table.post[slots])
        assert w.table.n_synapse == 12 * 11, block


@pytest.mark.parametrize("multapses", [False, True])
def test_lists_and_blocks_equal_the_whole_table(monkeypatch: pytest.MonkeyPatch, multapses: bool) -> None:
    """The kernel kept whole, as lists of candidates, and computed two targets at a time: the same synapses."""
    out = []
    for most, listed in ((1 << 22, 0), (60, 1 << 25), (60, 0)):
        monkeypatch.setattr(turnover, "_DENSE", most)
        monkeypatch.setattr(turnover, "_LISTED", listed)
        w = near_world(Turnover(early=0.0, late=2.0, hazard=0.1), n_target=9, multapses=multapses)
        w.step(10)
        kept = w.view.kept(turnover.Partners)
        assert (kept.whole is not None) == (most > 60)
        assert (kept.lists is not None) == (listed > 0)
        slots = w.table.slots()
        out.append(np.stack([w.table.uid[slots], w.table.pre(slots), w.table.post[slots], w.table.lane(slots)]))
    assert np.array_equal(out[0], out[1]) and np.array_equal(out[0], out[2])


def test_lists_hold_the_sources_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """7.4 standard deviations of the kernel and no more: the cost of a birth does not grow with the sheet."""
    monkeypatch.setattr(turnover, "_DENSE", 60)
    w = near_world(Turnover(), n_target=9)
    start, candidate, affinity = w.view.kept(turnover.Partners).lists
    whole = turnover.affinity_of(w.view, np.arange(9))
    for j in range(9):
        kept = whole[j] > 1e-12 * whole[j].max()
        assert np.array_equal(candidate[start[j] : start[j + 1]], np.flatnonzero(kept))
        assert np.array_equal(affinity[start[j] : start[j + 1]], whole[j, kept])


def test_draws_are_keyed_by_target_and_tick() -> None:
    """More targets change nothing for the first ones."""
    out = []
    for n_target in (3, 11):
        w = near_world(Turnover(early=0.0, late=2.0), n_target=n_target)
        w.step(4)
        slots = w.table.slots()
        mine = slots[w.table.post[slots] < 3]
        rows = np.stack([w.table.post[mine], w.table.pre(mine), w.table.lane(mine)])
        out.append(rows[:, np.lexsort(rows)])
    assert np.array_equal(*out)
    a, b = near_world(Turnover(late=3.0), seed=1), near_world(Turnover(late=3.0), seed=2)
    a.step(3)
    b.step(3)
    assert not np.array_equal(a.table.pre(a.table.slots()), b.table.pre(b.table.slots()))


def test_off_switches() -> None:
    w = World((Turnover(births=False, hazard=0.5),), star(50, 4), tick=day)
    w.step(3)
    assert 0 < w.table.n_synapse < 200
    assert set(w.events().kind) == {DEATH} and set(w.events().cause) == {cause_code("turnover")}
    w = World((Turnover(deaths=False, hazard=0.5),), star(50, 4), tick=day)
    w.step(3)
    assert set(w.events().kind) <= {BIRTH} and w.table.n_synapse >= 200
    w = World((Turnover(births=False, deaths=False, hazard=0.5),), star(50, 4), tick=day)
    assert w.step(3).n_died == 0 and w.table.n_synapse == 200


def test_early_births_wane() -> None:
    m = Turnover()
    n = few(2000, 200)
    w = World((m,), empty(100, n), tick=day)
    for k in range(3):
        done = w.step()
        want = m.expected(k * day, (k + 1) * day)
        assert abs(done.n_born / n - want) < 4 * np.sqrt(want / n)
        w.table._delete(w.table.slots())


def test_too_many_births_are_refused_at_build() -> None:
    with pytest.raises(BuildError, match="shorter tick"):
        World((Turnover(late=600.0),), empty(10, 2), tick=day)


def test_one_object_serves_two_networks() -> None:
    """A mechanism keeps nothing in itself: what it tabulates belongs to the view."""
    m = Turnover(early=0.0, late=3.0)
    alone = near_world(m, seed=4)
    alone.step(6)
    a, b = near_world(m, seed=4), World((m,), empty(2, 2), tick=day)
    for _ in range(6):
        a.step()
        b.step()
    assert np.array_equal(a.table.pre(a.table.slots()), alone.table.pre(alone.table.slots()))


def test_fastest_time() -> None:
    assert Turnover().fastest_life_time() == np.inf
    assert Turnover(hazard=0.5).fastest_life_time() == 2 * day


@pytest.mark.parametrize("gap", [10.0, 3000.0])
def test_who_is_far_draws_as_who_is_near(gap: float) -> None:
    """Densities that are no numbers any more (5 mm at sigma 50 um): births fill every pair, the nearest first."""
    net = nd.Network(seed=1, sheet=nd.Sheet(30_000, 30_000))
    s = net.add(nd.Poisson(1.0), 4, positions=[[gap * i, 0.0] for i in range(4)])
    e = net.add(nd.LIF(), 2, positions=[[20_000.0, 0.0], [20_010.0, 0.0]])
    q = net.connect(s, e, nd.Near(sigma=50.0, inputs=1), spines=nd.Spines(weight=2.0))
    q.use(nd.SpineSize(), nd.Turnover(early=2.0, late=2.0, deaths=False))
    sim = nd.Simulation(net, acceleration=5000.0)
    table = sim.simulator.tables[q.name]
    assert table.pre(table.slots()).tolist() == [3, 3]  # the first wiring drew in logarithms already
    sim.run(8 * day)
    run = sim.close()
    born = run.log.births
    for target in (0, 1):  # 10 um are 80 nats here: the nearest that is left, always
        assert born.pre[born.post == target].tolist() == [2, 1, 0]
    assert run.series(f"refused/{q.name}").sum() > 20  # and where nobody is left, births are refused as ever
