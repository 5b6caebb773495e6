"""SpineSize against the solved Ornstein-Uhlenbeck process, its deaths, causes, streams and off switches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from neurodev import jit
from neurodev.errors import ParameterError
from neurodev.mechanisms import spine_size
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.spine_size import SpineSize, change_sd, mean_life, volume_correlation, volume_moments
from neurodev.mechanisms.turnover import Turnover
from neurodev.params import param
from neurodev.structure.cause import CAUSES, cause_code
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, few, sizes, star

FREE = dict(death="hazard", hazard_rate=0.0, first=0.0)  # nobody dies, and the start is not truncated


@dataclass(frozen=True)
class Push(Mechanism):
    """A constant term of the set-point."""

    by: float = param(0.0)

    def columns(self) -> dict[str, float]:
        return {"drive_evidence": 0.0}

    def add(self, view) -> None:
        view.table.column("drive_evidence")[view.slots()] += self.by


def batch_error(values: np.ndarray, statistic, n: int = 40) -> float:
    """Standard error of a statistic from its spread over disjoint batches."""
    parts = np.array_split(values, n)
    return float(np.std([statistic(p) for p in parts], ddof=1) / np.sqrt(n))


@pytest.mark.parametrize("sd", [0.5, 0.7, 1.0])
def test_stationary_sizes_are_log_normal(sd: float) -> None:  # EX-36, EX-37
    w = sizes(few(40_000, 1200), SpineSize(sd=sd, mean=0.3, **FREE | dict(first=0.3)), tick=1.25 * day)
    w.step(few(8, 4))
    x, want = w.of("log_size"), volume_moments(0.3, sd)
    v = np.exp(x)
    assert abs(x.mean() - 0.3) < 4 * sd / np.sqrt(x.size)
    assert abs(x.std() - sd) < 4 * sd / np.sqrt(2 * x.size)
    assert stats.kstest((x - 0.3) / sd, "norm").pvalue > 1e-3
    assert abs(v.mean() - want["mean"]) < 4 * v.std() / np.sqrt(v.size)
    cv = lambda a: a.std() / a.mean()
    if jit.ENABLED:  # needs the tail
        assert abs(cv(v) - want["cv"]) < 4 * batch_error(v, cv, 20)


def test_change_and_correlation() -> None:  # EX-38, EX-39
    m = SpineSize(tau=3 * day, **FREE)
    w = sizes(few(40_000, 1500), m, tick=0.5 * day)
    before = w.of("log_size")
    w.step(2)
    change = w.of("log_size") - before
    want = float(change_sd(day, 0.7, 3 * day))
    assert want == pytest.approx(0.7 * 0.7530, abs=1e-4)
    assert abs(change.std() - want) < 4 * want / np.sqrt(2 * change.size)
    w.step(4)  # three days: one tau
    a, b = np.exp(before), np.exp(w.of("log_size"))
    pairs = np.stack([a, b], axis=1)
    error = batch_error(pairs, lambda p: np.corrcoef(p.T)[0, 1], 25)
    want = float(volume_correlation(3 * day, 0.7, 3 * day))
    assert want == pytest.approx(0.31239, abs=1e-5)
    assert abs(np.corrcoef(pairs.T)[0, 1] - want) < 4 * error


def test_one_step_equals_two_halves_in_distribution() -> None:  # EX-40
    out = []
    for tick, n, seed in ((day, 1, 1), (0.5 * day, 2, 2)):
        w = sizes(few(20_000, 1500), SpineSize(**FREE), tick=tick, seed=seed)
        w.table.column("log_size")[w.table.slots()] = 1.0
        w.step(n)
        out.append(w.of("log_size"))
    assert stats.ks_2samp(*out).pvalue > 1e-3


def test_a_deterministic_advance_can_be_split() -> None:
    out = []
    for tick, n in ((8 * hour, 1), (4 * hour, 2), (2 * hour, 4)):
        w = sizes(50, Push(by=-0.4), SpineSize(noise=False, death="none"), tick=tick)
        w.table.column("log_size")[w.table.slots()] = np.linspace(-1, 1, 50)
        w.step(n)
        out.append(w.of("log_size"))
    assert out[0] == pytest.approx(out[1], rel=1e-12) and out[0] == pytest.approx(out[2], rel=1e-12)
    assert out[0] == pytest.approx(-0.28 + (np.linspace(-1, 1, 50) + 0.28) * np.exp(-8 / 60), rel=1e-12)


def lives(m: SpineSize, push: float, start: float, n: int, tick: float, longest: int) -> np.ndarray:
    """Lives of `n` synapses that start at `start`, in units of tau."""
    w = sizes(n, Push(by=push), m, tick=tick)
    w.table.column("log_size")[w.table.slots()] = start
    for _ in range(longest):
        if not w.table.n_synapse:
            break
        w.step()
    assert w.table.n_synapse == 0
    return (w.events().tick - 0.5) * tick / m.tau  # a death lies within its tick


def test_first_passage() -> None:  # EX-41
    m = SpineSize(sd=1.0, minimum=-2.0, newborn=0.0)
    t = lives(m, 0.0, 0.0, few(8000, 100), m.tau / few(100, 10), 200_000)
    assert abs(t.mean() - 10.4284) < 4 * t.std() / np.sqrt(t.size) + few(1, 10) * 0.01 * 10.4


@pytest.mark.parametrize(("setpoint", "expected"), [(-2, 1.21), (-1, 3.12), (0, 14.9)])
def test_mean_life_of_a_newborn(setpoint: float, expected: float) -> None:  # first passage, by quadrature
    m = SpineSize()
    assert mean_life(m, setpoint) / m.tau == pytest.approx(expected, rel=5e-3)
    t = lives(m, setpoint, m.newborn, few(4000, 80), m.tau / few(60, 10), 100_000)
    assert abs(t.mean() - mean_life(m, setpoint) / m.tau) < 4 * t.std() / np.sqrt(t.size) + few(1, 10) * 0.01 * expected


def test_without_the_bridge_deaths_would_be_missed() -> None:
    """At T = tau/10 the end points alone see far fewer crossings; the bridge keeps the mean life."""
    m = SpineSize(sd=1.0, minimum=-2.0, newborn=0.0)
    t = lives(m, 0.0, 0.0, few(6000, 150), m.tau / 10, 200_000)
    assert abs(t.mean() - 10.43) < 4 * t.std() / np.sqrt(t.size) + 0.3


def test_hazard() -> None:
    """Without fluctuation the graded hazard is constant: survival is exponential with k0 exp(-beta (x - mean))."""
    m = SpineSize(death="hazard", hazard_rate=0.1, hazard_slope=2.0, noise=False, tau=1e6 * day, mean=0.2)
    n = few(20_000, 800)
    w = sizes(n, m, tick=0.25 * day)
    w.table.column("log_size")[w.table.slots()] = 0.2 + np.log(0.5) / -2.0  # half the rate
    w.step(20)
    p = np.exp(-0.05 * 5)
    assert abs(w.table.n_synapse / n - p) < 4 * np.sqrt(p * (1 - p) / n)
    assert set(w.events().cause) == {cause_code("hazard")}


@pytest.mark.skipif(not jit.ENABLED, reason="needs 1e8 synapse ticks")
def test_mature_preset_matches_imaging() -> None:
    """Mature set: survival within .04 of Melander 2021 (pooled) at every age, and the sd."""
    m = SpineSize(
        sd=1.06, tau=150 * day, death="hazard", hazard_rate=0.0074, hazard_slope=2.2 / 0.94,
        newborn=-1.16, newborn_sd=0.68, first=0.0,
    )  # fmt: skip
    births = Turnover(early=0.0, late=6.0)
    w = World((m, births), star(200, 20), tick=day, options=dict(multapses=True))
    w.step(900)
    first = w.table.uid[w.table.slots()]
    x = w.of("log_size") + 0.2 * np.random.default_rng(0).normal(size=first.size)
    assert first.size > 2000
    assert x.std() == pytest.approx(0.94, abs=0.1)
    for expected in (0.918, 0.867, 0.825, 0.792, 0.761, 0.735, 0.702):
        w.step(4)
        alive = np.isin(first, w.table.uid[w.table.slots()]).mean()
        assert abs(alive - expected) < 0.04


def test_cause_is_the_term_that_lowered_the_set_point_most() -> None:
    terms = {
        "evidence": np.array([0.0, 0.5, -1.0, -0.2, -2.0, -1.0]),
        "trophic": np.array([0.0, -0.5, 0.5, -0.9, 3.0, -1.0]),
    }
    expected = ["fluctuation", "fluctuation", "evidence", "trophic", "fluctuation", "evidence"]
    assert [CAUSES[c] for c in SpineSize().decide(terms, 6)] == expected
    assert [CAUSES[c] for c in SpineSize(death="hazard").decide(terms, 6)][0] == "hazard"
    assert [CAUSES[c] for c in SpineSize().decide({}, 2)] == ["fluctuation"] * 2


def test_deaths_carry_the_numbers_that_decided_them() -> None:
    w = sizes(200, Push(by=-3.0), SpineSize())
    w.step(60)
    e = w.events()
    assert e.uid.size > 100 and set(e.cause) == {cause_code("evidence")}
    assert w.log.terms == ("evidence",) and np.all(e.terms == -3.0)
    assert np.all(e.value < -0.5)  # the log size at the tick, near the bound


def test_without_noise_nobody_dies_above_the_minimum() -> None:
    w = sizes(300, Push(by=-2.0), SpineSize(noise=False))  # set-point -1.4, above -1.6
    start = w.of("log_size")
    w.step(240)  # 20 days, 8 tau
    assert w.table.n_synapse == 300
    assert w.of("log_size") == pytest.approx(-1.4 + (start + 1.4) * np.exp(-8), rel=1e-12)
    w = sizes(300, Push(by=-3.0), SpineSize(noise=False))  # set-point -2.1: all sink below
    w.step(240)
    assert w.table.n_synapse == 0


def test_death_off() -> None:
    for mechanisms in ((SpineSize(death="none"),), (SpineSize(), Turnover(births=False, deaths=False))):
        w = World((Push(by=-3.0), *mechanisms), star(200), seed=3)
        w.step(100)
        assert w.table.n_synapse == 200
        assert w.of("log_size").min() < -1.6


def test_the_same_sizes_whether_or_not_deaths_are_on() -> None:
    """Switching deaths off moves nobody's stream: who lives in both runs has the same size."""
    a, b = (sizes(500, SpineSize(death=d)) for d in ("none", "first passage"))
    a.step(100)
    b.step(100)
    size = dict(zip(np.sort(a.table.uid[a.table.slots()]), a.of("log_size"), strict=True))
    assert 50 < b.table.n_synapse < 500
    for uid, x in zip(np.sort(b.table.uid[b.table.slots()]), b.of("log_size"), strict=True):
        assert size[uid] == x


def test_noise_is_keyed_by_uid_and_tick() -> None:
    """Not by slot, row, number of synapses or order: a synapse moves the same way in any company."""
    m = SpineSize(**FREE)
    alone, many = sizes(3, m), sizes(400, m)
    for w in (alone, many):
        w.table.column("log_size")[w.table.slots()] = 0.1
    kicks = []
    for _ in range(3):
        before = alone.of("log_size")
        alone.step()
        many.step()
        kicks.append(alone.of("log_size") - before)
        assert alone.of("log_size").tobytes() == many.of("log_size")[:3].tobytes()
    assert np.unique(np.round(kicks, 9)).size == 9
    other = sizes(3, m, seed=2)
    other.table.column("log_size")[other.table.slots()] = 0.1
    other.step(3)
    assert not np.any(other.of("log_size") == alone.of("log_size"))


def test_first_sizes_and_newborns() -> None:
    w = sizes(few(20_000, 2000), SpineSize())
    x = w.of("log_size")
    law = stats.truncnorm((-1.55 + 0.2) / 0.7, np.inf, loc=-0.2, scale=0.7)
    assert x.min() > -1.55
    assert stats.kstest(x, law.cdf).pvalue > 1e-3
    SpineSize(newborn=-0.7).born(w.view, w.table.slots()[:5])
    assert np.all(w.table.column("log_size")[w.table.slots()[:5]] == -0.7)
    SpineSize(newborn=-0.7, newborn_sd=0.3).born(w.view, w.table.slots())
    x = w.of("log_size")
    assert abs(x.mean() + 0.7) < 4 * 0.3 / np.sqrt(x.size) and stats.kstest((x + 0.7) / 0.3, "norm").pvalue > 1e-3


def test_slow_component() -> None:
    """Two components: the joint law stays stationary, and the correlation is the mixture of both time scales."""
    m = SpineSize(slow_share=0.6, slow_tau=100 * day, tau=1 * day, sd=0.9, **FREE)
    w = sizes(few(30_000, 1500), m, tick=0.5 * day)
    start = w.of("log_size")
    for checks in range(2):
        slow, x = w.of("slow_size"), w.of("log_size")
        n = x.size
        assert abs(x.std() - 0.9) < 4 * 0.9 / np.sqrt(2 * n)
        assert abs(slow.std() - 0.9 * np.sqrt(0.6)) < 4 * 0.7 / np.sqrt(2 * n)
        fast = x - slow
        assert abs(np.corrcoef(fast, slow)[0, 1]) < 4 / np.sqrt(n)
        if checks == 0:
            w.step(few(20, 10))
    lag = few(10, 5)
    want = 0.6 * np.exp(-lag / 100) + 0.4 * np.exp(-lag)
    assert abs(np.corrcoef(start, w.of("log_size"))[0, 1] - want) < 4 * (1 - want**2) / np.sqrt(start.size)
    assert m.fastest_life_time() == day and "slow_size" not in SpineSize().columns()


def test_the_order_of_rows_is_irrelevant() -> None:
    from neurodev.mechanisms.neurotrophin import Neurotrophin
    from neurodev.mechanisms.stdp import STDP
    from neurodev.structure.table import Table

    n, draw = 400, np.random.default_rng(4)
    pairs = draw.choice(40 * 20, n, replace=False)
    source, target, lane = pairs % 40, pairs // 40, draw.integers(0, 3, n)
    h, out = draw.normal(size=n) * 0.2 + 0.7, []
    for order in (np.arange(n), draw.permutation(n)):
        t = Table.build(40, 20, [1.0, 2.0, 3.0], source[order], target[order], lane[order], 1.0, columns=("size",))
        # uids follow the pair, not the row
        slots = t.slots()
        number = {(s, j): k for k, (s, j) in enumerate(zip(source, target, strict=True))}
        index = np.array([number[(s, j)] for s, j in zip(t.pre(slots), t.post[slots], strict=True)])
        t.uid[slots] = index + 1
        w = World((STDP("burst"), SpineSize(death="none"), Neurotrophin(feeds=20)), t)
        w.table.column("evidence")[w.table.slots()] = h[index]
        w.step(20)
        out.append({c: w.of(c) for c in ("log_size", "evidence", "drive_trophic", "drive_evidence")})
    for c in out[0]:
        assert out[0][c] == pytest.approx(out[1][c], rel=1e-12, abs=1e-12)


def test_undeclared_columns_keep_their_bytes() -> None:
    from neurodev.mechanisms.neurotrophin import Neurotrophin
    from neurodev.mechanisms.stdp import STDP

    t = star(30, 4, columns=("size", "mine", "drives"))
    t.f[:] = np.random.default_rng(1).normal(size=t.f.shape)
    before = t.f.copy()
    World((STDP("burst"), SpineSize(death="none"), Neurotrophin(), Turnover(births=False)), t).step(5)
    for name in ("mine", "drives"):
        k = t.column_names.index(name)
        assert t.f[k].tobytes() == before[k].tobytes()


def test_block_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sizes and deaths whatever the number of synapses is against the size of a block."""
    n = spine_size.BLOCK
    reference = sizes(2 * n + 3, SpineSize())
    reference.step(30)
    for m in (1, n - 1, n, n + 1):
        w = sizes(m, SpineSize())
        w.step(30)
        alive = np.sort(reference.table.uid[reference.table.slots()])
        mine = np.sort(w.table.uid[w.table.slots()])
        assert np.array_equal(mine, alive[alive <= m])
        assert np.array_equal(w.of("log_size"), reference.of("log_size")[: mine.size])


def test_bad_parameters_are_named() -> None:
    with pytest.raises(ParameterError, match="minimum"):
        SpineSize(newborn=-2.0)
    SpineSize(newborn=-2.0, death="hazard")
    with pytest.raises(ParameterError, match="SpineSize.tau"):
        SpineSize(tau=0.0)
    with pytest.raises(ParameterError, match="did you mean"):
        SpineSize(death="hasard")


def test_the_time_of_a_tick_is_no_parameter_of_the_law() -> None:
    """Ticks of 1 h, 2 h and 4 h leave the same share alive after 10 days."""
    n, alive = few(8000, 150), []
    for tick in (hour, 2 * hour, 4 * hour):
        w = sizes(n, SpineSize(), tick=tick, seed=int(tick / hour))
        w.step(int(10 * day / tick))
        alive.append(w.table.n_synapse / n)
    assert max(alive) - min(alive) < 4 * np.sqrt(2 * 0.25 / n) + 0.01
