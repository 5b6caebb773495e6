"""Survival, turnover and rates of death against hand-computed tables and closed forms."""

import numpy as np
import pytest

from neurodev.errors import ParameterError
from neurodev.metrics import turnover


def immigration_death(beta, delta, n0, days, seed):
    """Birth and death times of a simulated immigration-death process; NaN: alive at the end."""
    rng = np.random.default_rng(seed)
    born = np.concatenate([np.zeros(n0), rng.uniform(0, days, rng.poisson(beta * days))])
    died = born + rng.exponential(1 / delta, born.size)
    return born, np.where(died > days, np.nan, died)


def test_turnover_by_hand():
    assert turnover.turnover_ratio([1, 2, 3, 4], [3, 4, 5]) == pytest.approx(3 / 7)
    assert turnover.survival_fraction([1, 2, 3, 4], [3, 4, 5]) == 0.5
    assert turnover.turnover_ratio([1, 2], [1, 2]) == 0 and turnover.turnover_ratio([1], [2]) == 1
    assert np.isnan(turnover.turnover_ratio([], [])) and np.isnan(turnover.survival_fraction([], [1]))
    assert turnover.turnover_ratio([], [7]) == 1


def test_paired_survival_by_hand():
    sessions = [[1, 2, 3, 4], [1, 2, 5], [1, 5, 6, 7]]
    np.testing.assert_allclose(turnover.paired_survival(sessions, pooled=False), [1, 0.5, 0.25])
    # pooled over starts: lag 1: (2 of 4) and (2 of 3), lag 2: 1 of 4
    np.testing.assert_allclose(turnover.paired_survival(sessions), [1, 4 / 7, 0.25])
    assert turnover.paired_survival([]).size == 0
    assert np.isnan(turnover.paired_survival([[], []])).all()


def test_kaplan_meier_textbook_table():
    """Remission times of 6-mercaptopurine (Freireich 1963; Kalbfleisch & Prentice; Klein & Moeschberger, table 4.1)."""
    died = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    km = turnover.kaplan_meier(died + censored, [True] * 9 + [False] * 12)
    np.testing.assert_array_equal(km.time, [6, 7, 10, 13, 16, 22, 23])
    np.testing.assert_array_equal(km.at_risk, [21, 17, 15, 12, 11, 7, 6])
    np.testing.assert_allclose(km.value, [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=5e-4)
    np.testing.assert_allclose(km.error, [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], atol=6e-5)
    assert km.until == 35
    np.testing.assert_allclose(km.at([0, 5.9, 6, 30]), [1, 1, km.value[0], km.value[-1]])
    assert np.isnan(km.at(36))
    # the book's log-log interval at 23 weeks
    low, high = km.interval()
    assert (low[-1], high[-1]) == (pytest.approx(0.188, abs=1e-3), pytest.approx(0.680, abs=1e-3))


def test_kaplan_meier_without_censoring_is_the_empirical_survival():
    t = np.array([3.0, 1.0, 2.0, 2.0])
    km = turnover.kaplan_meier(t, np.ones(4, bool))
    np.testing.assert_allclose(km.value, [0.75, 0.25, 0.0], atol=1e-15)
    np.testing.assert_allclose(km.error, np.sqrt(km.value * (1 - km.value) / 4), atol=1e-15)  # binomial
    low, high = km.interval()
    assert np.all((low >= 0) & (high <= 1) & (low <= km.value) & (km.value <= high))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_kaplan_meier_nobody_dies(n):
    km = turnover.kaplan_meier(np.arange(1.0, n + 1), np.zeros(n, bool))
    assert km.time.size == 0
    if n:
        np.testing.assert_array_equal(km.at([0, n]), [1, 1])


def test_kaplan_meier_one_spine():
    km = turnover.kaplan_meier([2.0], [True])
    assert km.value.tolist() == [0.0] and km.error.tolist() == [0.0] and km.at(1.0) == 1.0


def test_kaplan_meier_refuses():
    with pytest.raises(ParameterError, match="NaN"):
        turnover.kaplan_meier([1.0, np.nan], [True, False])
    with pytest.raises(ParameterError, match="alike"):
        turnover.kaplan_meier([1.0], [True, False])


def test_delayed_entry_by_hand():
    # the second comes under observation at age 2, so it is not at risk of the first's death at age 1
    km = turnover.kaplan_meier([1.0, 3.0, 4.0], [True, True, False], entry=[0.0, 2.0, 0.0])
    np.testing.assert_allclose(km.at_risk, [2, 2])
    np.testing.assert_allclose(km.value, [0.5, 0.25])


def test_delayed_entry_repairs_length_bias():
    """Those seen alive at one moment have lived longer than most; entry at their age then undoes it."""
    rng = np.random.default_rng(3)
    born = rng.uniform(-60, 0, 200_000)
    life = rng.exponential(5.0, born.size)
    seen = born + life > 0
    age = -born[seen]
    entered = turnover.kaplan_meier(life[seen], np.ones(seen.sum(), bool), entry=age)
    at = np.searchsorted(entered.time, 5.0)
    assert abs(entered.value[at] - np.exp(-1)) < 4 * entered.error[at] + 1e-3
    assert turnover.kaplan_meier(life[seen], np.ones(seen.sum(), bool)).at(5.0) > 0.6


@pytest.mark.parametrize(("delta", "expected"), [(0.05, 0.04877), (0.1, 0.09516), (0.2, 0.18127), (0.3, 0.25918)])
def test_ex33_immigration_and_death(delta, expected):
    """EX-33: TOR(1 d) = 1 - exp(-delta); stationary mean = variance; S(t) = exp(-delta t)."""
    n, days = 4000, 12.0
    born, died = immigration_death(n * delta, delta, np.random.default_rng(int(1e3 * delta)).poisson(n), days, 5)
    gone = np.where(np.isnan(died), np.inf, died)
    uid = np.arange(born.size)
    sessions = [uid[(born <= t) & (gone > t)] for t in range(12)]
    tor = np.array([turnover.turnover_ratio(a, b) for a, b in zip(sessions, sessions[1:], strict=False)])
    # a ratio of n sites: births and deaths are nearly independent Poisson counts of mean n (1 - exp(-delta))
    error = np.sqrt(2 * n * expected) / (2 * n) / np.sqrt(tor.size)
    assert abs(tor.mean() - expected) < 4 * error + 1e-5
    survival = turnover.paired_survival(sessions)
    np.testing.assert_allclose(survival[:6], np.exp(-delta * np.arange(6)), atol=4 * np.sqrt(0.25 / n))
    np.testing.assert_allclose(1 - survival[1], tor.mean(), atol=4 * error)
    km = turnover.kaplan_meier(np.where(np.isnan(died), days, died) - born, ~np.isnan(died))
    k = np.searchsorted(km.time, 3.0)
    assert abs(km.value[k] - np.exp(-delta * km.time[k])) < 4 * km.error[k]


def test_ex33_standing_number_is_poisson():
    rng = np.random.default_rng(8)
    counts = []
    for k in range(600):
        born, died = immigration_death(20.0, 0.5, rng.poisson(40), 2.0, k)
        counts.append(turnover.number_alive(born, died, [2.0])[0])
    counts = np.array(counts)
    assert abs(counts.mean() - 40) < 4 * np.sqrt(40 / 600)
    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 4 * np.sqrt(2 / 599)


def test_ex34_overshoot():
    """EX-34: decaying births over a constant death rate: peak 5/3 on day 23.2, then down to 1."""
    d, time, b1, b0 = 0.03, 10.0, 0.03, 0.203764
    t = np.linspace(0, 400, 40_001)
    n = b1 / d * (1 - np.exp(-d * t)) + b0 * (np.exp(-t / time) - np.exp(-d * t)) / (d - 1 / time)
    assert t[np.argmax(n)] == pytest.approx(23.21, abs=0.011) and n.max() == pytest.approx(1.6667, abs=1e-4)
    # simulated: births thinned from the rate, exponential lives
    rng = np.random.default_rng(34)
    scale = 20_000
    early = rng.exponential(time, rng.poisson(scale * b0 * time))
    late = rng.uniform(0, 200, rng.poisson(scale * b1 * 200))
    born = np.concatenate([early, late])
    died = born + rng.exponential(1 / d, born.size)
    at = np.array([5.0, 23.21, 60.0, 150.0])
    seen = turnover.number_alive(born, died, at) / scale
    np.testing.assert_allclose(seen, np.interp(at, t, n), atol=4 * np.sqrt(1.7 / scale))


def test_number_alive_by_hand():
    born, died = [0, 0, 1, 2], [1, np.nan, 3, np.inf]
    np.testing.assert_array_equal(turnover.number_alive(born, died, [0, 1, 2, 3]), [2, 2, 3, 2])
    assert turnover.number_alive([], [], [1.0]).tolist() == [0]


def test_death_rates_by_hand():
    day = np.arange(1, 7) * 0.5
    left, rate, error = turnover.death_rates(day, [1, 1, 2, 0, 0, 4], [10, 10, 10, 10, 20, 20], 1.0)
    np.testing.assert_allclose(left, [0, 1, 2])
    np.testing.assert_allclose(rate, [2 / 10, 2 / 10, 4 / 20])
    np.testing.assert_allclose(error, [np.sqrt(2) / 10, np.sqrt(2) / 10, 2 / 20])
    assert all(a.size == 0 for a in turnover.death_rates([], [], [], 3.0))
    assert np.isnan(turnover.death_rates([1.0], [0], [0], 1.0)[1]).all()
    with pytest.raises(ParameterError, match="width"):
        turnover.death_rates(day, day, day, 0.0)


def test_death_rates_put_ticks_on_an_edge_into_the_window_that_ends_there():
    day = np.arange(1, 361) / 12  # 2 h ticks, not exact in binary
    left, rate, _ = turnover.death_rates(day, np.ones(360), np.full(360, 12.0), 3.0)
    assert left.size == 10
    np.testing.assert_allclose(rate, 1.0, rtol=1e-9)


def test_death_rates_by_age():
    rate, error, lived = turnover.death_rates_by_age([1.0, 2.5, 4.0], [True, True, False], [0, 1, 2, 4])
    np.testing.assert_allclose(lived, [3, 2, 2.5])
    np.testing.assert_allclose(rate, [1 / 3, 0, 1 / 2.5])
    np.testing.assert_allclose(error, [1 / 3, 0, 1 / 2.5])
    rng = np.random.default_rng(1)
    life = rng.exponential(4.0, 50_000)
    rate, error, _ = turnover.death_rates_by_age(np.minimum(life, 8), life < 8, np.arange(0.0, 9.0))
    assert np.all(np.abs(rate - 0.25) < 4 * error)
    late, _, lived = turnover.death_rates_by_age([5.0], [True], [0, 2, 6], entry=[3.0])
    assert lived.tolist() == [0, 2] and np.isnan(late[0]) and late[1] == 0.5
    with pytest.raises(ParameterError, match="rising"):
        turnover.death_rates_by_age([1.0], [True], [1, 1])


def test_events_per_day():
    counts = turnover.events_per_day([1 / 12, 1.0, 1 + 1 / 12, 2.5], [3, 3, 4, 3], 2.5)
    assert {k: v.tolist() for k, v in counts.items()} == {3: [2, 0, 1], 4: [0, 1, 0]}
    assert turnover.events_per_day([], [], 3.0) == {}


def test_stationarity():
    rng = np.random.default_rng(2)
    day = np.arange(1, 101.0)
    still = turnover.stationarity(day, rng.poisson(1000, 100), rng.poisson(50, 100), rng.poisson(50, 100))
    assert abs(still.imbalance) < 4 and abs(still.change_per_day) < 1e-3
    assert abs(still.fano - 1) < 4 * np.sqrt(2 / 99)
    grows = turnover.stationarity(day, 100 + day, np.full(100, 30), np.full(100, 20))
    assert grows.change_per_day == pytest.approx(1 / 150.5) and grows.births_per_death == pytest.approx(1.5)
    assert grows.imbalance > 4
    assert np.isnan(turnover.stationarity([], [], [], [])).all()
    assert np.isnan(turnover.stationarity([1.0], [5], [0], [0])).all()


def test_cohorts():
    first, second = turnover.cohorts([0, 1, 1.5, 3, 2], [0, 1, 3])
    assert first.tolist() == [1] and second.tolist() == [2, 3, 4]


PRESENT = np.array(
    [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]], dtype=bool
)


def test_session_changes_by_hand():
    out = turnover.session_changes(PRESENT)
    assert out.number.tolist() == [4, 3, 4, 3] and out.gained.tolist() == [1, 2, 0] and out.lost.tolist() == [2, 1, 1]
    np.testing.assert_allclose(out.gained_fraction, [1 / 4, 2 / 3, 0])
    np.testing.assert_allclose(out.lost_fraction, [2 / 4, 1 / 3, 1 / 4])
    np.testing.assert_allclose(out.turnover_ratio, [3 / 7, 3 / 7, 1 / 7])
    for k in range(3):
        a, b = np.flatnonzero(PRESENT[:, k]), np.flatnonzero(PRESENT[:, k + 1])
        assert out.turnover_ratio[k] == pytest.approx(turnover.turnover_ratio(a, b))
    # sizes will do, 0 is absence
    assert turnover.session_changes(PRESENT * 2.5).lost.tolist() == [2, 1, 1]
    nothing = turnover.session_changes(np.zeros((0, 3)))
    assert nothing.number.tolist() == [0, 0, 0] and np.isnan(nothing.turnover_ratio).all()


def test_session_survival_by_hand():
    np.testing.assert_allclose(turnover.session_survival(PRESENT), [1, 2 / 4, 2 / 4, 2 / 4])
    np.testing.assert_allclose(
        turnover.session_survival(PRESENT, pooled=True), [1, (2 + 2 + 3) / 11, (2 + 1) / 7, 2 / 4]
    )


def test_sessions_refuse():
    with pytest.raises(ParameterError, match="n_session"):
        turnover.session_changes([1, 0])
    with pytest.raises(ParameterError, match="isfinite"):
        turnover.session_changes([[1.0, np.nan]])
    with pytest.raises(ParameterError, match="each of the 4"):
        turnover.sightings(PRESENT, [0, 1])
    for bad, words in (
        (([1.0], [4.0], [0, 4, 8]), "times of sessions"), (([4.0], [0.0], [0, 4, 8]), "not before"),
        (([0.0], [0.0], [0, 0]), "rising"), (([0.0], [0.0], [0, 4], 2.0), "place"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=words):
            turnover.lives_from_sightings(*bad)


def test_presence_by_hand():
    seen = turnover.presence([0, 0, 3.0, 5.0], [4.0, np.nan, 3.5, np.inf], [0, 4, 8])
    assert seen.tolist() == [[True, False, False], [True, True, True], [False, False, False], [False, False, True]]


def test_sightings_and_lives_by_hand():
    sessions = [0.0, 6.0, 12.0, 24.0]
    first, last = turnover.sightings(PRESENT, sessions)
    np.testing.assert_array_equal(first, [0, 0, 0, 6, 12, 0, np.nan])
    np.testing.assert_array_equal(last, [24, 6, 0, 12, 24, 24, np.nan])
    out = turnover.lives_from_sightings(first, last, sessions)
    assert out.standing.tolist() == [True, True, True, False, False, True]
    assert out.died.tolist() == [False, True, True, True, False, False]
    np.testing.assert_allclose(out.duration, [24, 9, 3, 18 - 3, 24 - 9, 24])
    late = turnover.lives_from_sightings(first, last, sessions, place=1.0)
    np.testing.assert_allclose(late.duration, [24, 12, 6, 24 - 6, 24 - 12, 24])
    early = turnover.lives_from_sightings(first, last, sessions, place=0.0)
    np.testing.assert_allclose(early.duration, [24, 6, 0, 12 - 0, 24 - 6, 24])
    assert turnover.lives_from_sightings([], [], sessions).duration.size == 0


def test_imaged_lives_have_the_true_survival():
    """Constant death, imaged once in a while: deaths bracketed by sessions give exp(-delta t) at the sessions."""
    rng = np.random.default_rng(12)
    n, delta, sessions = 40_000, 0.1, np.arange(0.0, 29.0, 4.0)
    born = np.concatenate([np.full(n, -1.0), rng.uniform(0, 28, n)])
    died = np.concatenate([rng.exponential(1 / delta, n), born[n:] + rng.exponential(1 / delta, n)])
    out = turnover.lives_from_sightings(
        *turnover.sightings(turnover.presence(born, died, sessions), sessions), sessions
    )
    km = turnover.kaplan_meier(out.duration[out.standing], out.died[out.standing])
    # a standing population at constant death rate forgets its age; half an interval later all deaths are in
    error = np.sqrt(0.25 / n)
    np.testing.assert_allclose(km.at(sessions[:-1] + 2.5), np.exp(-delta * (sessions[:-1] + 4)), atol=4 * error)
    # newborns seen at least once: those that died before their first session are missing, as in any imaging
    new = turnover.kaplan_meier(out.duration[~out.standing], out.died[~out.standing])
    assert new.at(2.5) == 1.0 and new.at(6.5) == pytest.approx(np.exp(-0.4), abs=0.02)


def test_median_and_conditional_survival():
    km = turnover.kaplan_meier([1.0, 2.0, 3.0, 4.0], np.ones(4, bool))
    assert km.median == 2.0 and km.conditional(1.0, 1.0) == pytest.approx(2 / 3)
    assert np.isnan(turnover.kaplan_meier([1.0, 2.0, 3.0], [True, False, False]).median)
    assert np.isnan(km.conditional(1.0, 9.0)) and np.isnan(km.conditional(4.0, 0.0))


@pytest.mark.parametrize(
    ("slow", "fast", "share", "births", "tor_1", "tor_4", "s_30", "s_90"),
    [
        (0.010, 0.35, 0.3354, 0.0142, 0.1996, 0.5139, 0.2485, 0.1364),
        (0.006, 0.35, 0.5370, 0.0195, 0.1399, 0.3616, 0.4486, 0.3129),
        (0.004, 0.30, 0.6485, 0.0240, 0.0937, 0.2559, 0.5752, 0.4525),
        (0.003, 0.30, 0.7219, 0.0253, 0.0742, 0.2030, 0.6598, 0.5511),
        (1 / 7.83, 1.0, 1.0, 1.0, 0.1199, 0.4000, 0.0217, 0.0000),
    ],
)
def test_bio7_presets_in_closed_form(slow, fast, share, births, tor_1, tor_4, s_30, s_90):
    survive = turnover.two_class_survival([1, 4, 30, 90], share, slow, fast)
    np.testing.assert_allclose(survive, [1 - tor_1, 1 - tor_4, s_30, s_90], atol=1.1e-4)
    assert turnover.slow_birth_share(share, slow, fast) == pytest.approx(births, abs=6e-5)


def test_bio7_simulated():
    """Two classes in equilibrium, imaged: turnover ratio and survival of the window preset P16-25."""
    n, slow, fast, share, days = 5000, 0.01, 0.35, 0.3354, 30.0
    rng = np.random.default_rng(7)
    lasting = rng.random(n) < share
    rate = n * (share * slow + (1 - share) * fast)
    new = rng.random(rng.poisson(rate * days)) < turnover.slow_birth_share(share, slow, fast)
    born = np.concatenate([np.zeros(n), rng.uniform(0, days, new.size)])
    died = born + rng.exponential(1 / np.where(np.concatenate([lasting, new]), slow, fast))
    seen = turnover.presence(born, died, np.arange(31.0))
    out = turnover.session_changes(seen)
    assert abs(out.turnover_ratio.mean() - 0.1996) < 4 * np.sqrt(0.1996 / (2 * n) / 30)
    assert abs(turnover.session_survival(seen)[30] - 0.2485) < 4 * np.sqrt(0.2485 * 0.7515 / n)
    assert abs(turnover.turnover_ratio(*(np.flatnonzero(seen[:, k]) for k in (0, 4))) - 0.5139) < 4 * np.sqrt(0.5 / n)
    # BIO-11 and BIO-12: few newborns last, and those that have lasted are safer
    km = turnover.kaplan_meier(np.minimum(died, days)[n:] - born[n:], (died < days)[n:])
    assert km.at(20.0) < 0.1 and km.conditional(20.0, 8.0) > km.conditional(0.0, 8.0)


def test_bio10_one_class_loses_far_too_much():
    lost = 1 - turnover.two_class_survival([14, 548], 1.0, -np.log(0.97) / 14, 1.0)
    assert lost[0] == pytest.approx(0.03) and lost[1] == pytest.approx(0.696, abs=5e-4)
