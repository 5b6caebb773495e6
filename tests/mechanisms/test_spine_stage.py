"""Filopodia, shaft synapses and spines: exact numbers, fates, transmission, and the postnatal preset."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.spine_stage import (
    POSTNATAL_CA1,
    POSTNATAL_START,
    STAGES,
    SpineStage,
    mean_numbers,
    stationary_means,
)
from neurodev.mechanisms.turnover import Turnover
from neurodev.structure.cause import CAUSES
from neurodev.structure.log import BIRTH, DEATH
from neurodev.structure.table import Table
from neurodev.structure.weight import transmission
from tests.mechanisms.drivers import World, day, few, star

EX_35 = SpineStage(early=0.0, late=2.0, conversion=0.1, retraction=0.9, hazard=0.02)


def bare(n_target: int) -> Table:
    none = np.zeros(0, dtype=np.int64)
    return Table.build(60, n_target, [1.0], none, none, none, 1.0, columns=("size",))


def stages(w: World) -> np.ndarray:
    return w.of("stage").astype(int)


def test_numbers_of_the_chain() -> None:
    """EX-35: means 2 and 10, independent Poissons; a tenth of the filopodia become spines."""
    assert stationary_means(EX_35) == pytest.approx([2.0, 10.0], rel=1e-12)
    assert mean_numbers(EX_35, 1e5)[[0, 2]] == pytest.approx([2.0, 10.0], rel=1e-9)
    n = few(3000, 200)
    w = World((EX_35,), bare(n), tick=5 * day, options=dict(multapses=True))
    w.step(60)  # 300 days: six lives of a spine
    target, stage = w.table.post[w.table.slots()], stages_in_order(w)
    numbers = np.array([np.bincount(target[stage == k], minlength=n) for k in (0, 2)], dtype=float)
    expected = mean_numbers(EX_35, 300.0)[[0, 2]]
    for x, mean in zip(numbers, expected, strict=True):
        assert abs(x.mean() - mean) < 4 * np.sqrt(mean / n)
        # a Poisson variance: its estimate has variance (mu + 2 mu^2) / n
        assert abs(x.var() - mean) < 4 * np.sqrt((mean + 2 * mean**2) / n)
    assert abs(np.corrcoef(numbers)[0, 1]) < 4 / np.sqrt(n)
    assert 0.98 < expected[1] / 10.0 < 1.0


def stages_in_order(w: World) -> np.ndarray:
    """The stages in the order of the slots."""
    return w.table.column("stage")[w.table.slots()].astype(int)


def test_conversion_is_k_over_k_plus_m() -> None:
    """EX-35: standing filopodia, births off, end as spines with probability k/(k+m); causes say which did not."""
    n = few(20_000, 2_000)
    rule = SpineStage(births=False, conversion=0.1, retraction=0.9, hazard=0.0, first="filopodium")
    w = World((rule,), star(n), tick=1 * day)
    w.step(40)
    became = w.table.n_synapse / n
    assert set(stages(w)) == {2}
    assert abs(became - 0.1) < 4 * np.sqrt(0.09 / n)
    log = w.events()
    assert set(log.cause) == {CAUSES.index("retraction")} and np.all(log.kind == DEATH)


@pytest.mark.parametrize("tick", [0.5, 4.0])
def test_the_law_does_not_depend_on_the_tick(tick: float) -> None:
    """All three stages, waning births, against the closed form: exact at ticks of any length."""
    rule = SpineStage(
        early=6.0, late=1.0, early_tau=3 * day, conversion=0.5, retraction=0.7, shaft_share=0.6, outgrowth=0.2,
        shaft_loss=0.05, hazard=0.1,
    )  # fmt: skip
    n = few(3000, 200)
    w = World((rule,), bare(n), tick=tick * day, options=dict(multapses=True))
    w.step(round(8 / tick))
    found = np.bincount(stages(w), minlength=3) / n
    expected = mean_numbers(rule, 8.0)
    assert np.all(np.abs(found - expected) < 4 * np.sqrt(expected / n))
    assert rule.newborns(0.0, 8 * day) == pytest.approx(expected, rel=1e-10)
    halves = rule.newborns(0.0, 8 * day).sum()
    assert rule.expected(0.0, 8 * day) == halves


def test_evidence_speeds_conversion() -> None:
    """Frozen drives d: a filopodium becomes a spine with probability k e^{gd} / (k e^{gd} + m), whatever the tick."""
    n, drives = few(6000, 600), np.array([-1.0, 0.0, 1.5])
    for tick in (0.1, 2.0):
        rule = SpineStage(
            births=False, conversion=0.3, retraction=0.9, hazard=0.0, first="filopodium", evidence_gain=0.8,
            shaft_share=0.4, outgrowth=0.5,
        )  # fmt: skip
        table = star(3 * n)
        table.add_column("drive_evidence")
        w = World((rule,), table, tick=tick * day)
        slots = w.table.slots()
        group = (w.table.uid[slots].astype(int) - 1) % 3
        w.table.column("drive_evidence")[slots] = drives[group]
        w.step(round(24 / tick))
        left = np.bincount((w.table.uid[w.table.slots()].astype(int) - 1) % 3, minlength=3) / n
        k = 0.3 * np.exp(0.8 * drives)
        p = k / (k + 0.9)
        assert np.all(np.abs(left - p) < 4 * np.sqrt(p * (1 - p) / n) + 1e-9)
    with pytest.raises(BuildError, match="evidence"):
        World((SpineStage(evidence_gain=1.0),), star(3))


def test_no_drive_is_no_gain() -> None:
    """At zero drive the rates of their own are those of all: the same law, from other draws."""
    share = []
    for gain in (0.0, 1.0):
        rule = SpineStage(
            births=False, conversion=0.6, retraction=0.5, shaft_share=0.5, outgrowth=0.4, hazard=0.3, shaft_loss=0.2,
            first="filopodium", evidence_gain=gain,
        )  # fmt: skip
        table = star(few(12_000, 1500))
        table.add_column("drive_evidence")
        w = World((rule,), table, tick=1.5 * day)
        w.step(2)
        share.append(np.bincount(stages(w), minlength=3) / table.n_source)
    n = few(12_000, 1500)
    assert np.all(np.abs(share[0] - share[1]) < 4 * np.sqrt(2 * share[0] * (1 - share[0]) / n))


def test_without_filopodia_it_is_turnover() -> None:
    """Immediate conversion is immigration and death: the closed form of Turnover."""
    fast = SpineStage(early=3.0, late=1.0, conversion=1e7, retraction=0.0, hazard=0.1)
    same = Turnover(early=3.0, late=1.0, hazard=0.1)
    assert fast.expected(0.0, 3 * day) == pytest.approx(same.expected(0.0, 3 * day), rel=1e-6)


def test_off_switches() -> None:
    w = World((SpineStage(births=False, deaths=False, first="filopodium", conversion=0.0),), star(200), tick=day)
    w.step(20)
    assert w.table.n_synapse == 200 and set(stages(w)) == {0}
    w = World(
        (SpineStage(births=False, deaths=False, retraction=5.0, hazard=5.0, first="filopodium", conversion=5.0),),
        star(200),
        tick=day,
    )
    w.step(10)
    assert w.table.n_synapse == 200 and set(stages(w)) == {2}


def test_a_filopodium_transmits_nothing() -> None:
    w = World((SpineSize(), SpineStage(early=0.0, late=30.0, first="spine")), star(20, 3), tick=0.25 * day)
    w.step(4)
    share = transmission(w.table, w.table.slots())[w.table.slots()]
    assert np.array_equal(share, stages_in_order(w) > 0)
    assert 0 < np.sum(share == 0) < share.size
    assert transmission(star(3), np.arange(3)).size == 0


def test_postnatal_hippocampus() -> None:
    """BIO-20 (P): shares of synapses on filopodia, shafts and spines at P1 to P12 within two sd of Fiala 1998."""
    published = {  # age: ((mean, sd) of filopodia, shafts, spines in %), where given
        1: ((22, 5.5), (53, 11), (4.9, 4.3)), 4: ((19, 5.9), (53, 11), None), 6: ((20, 8.0), (53, 11), None),
        12: ((7.2, 4.7), (32, 12), (37, 14)),
    }  # fmt: skip
    n = few(400, 150)
    w = World((SpineStage(**POSTNATAL_CA1),), bare(n), tick=0.5 * day, options=dict(multapses=True))
    for age, bands in published.items():
        w.step(round((age + POSTNATAL_START) / 0.5) - w.clock.tick)
        share = 100 * np.bincount(stages(w), minlength=3) / w.table.n_synapse
        for k, band in enumerate(bands):
            if band is not None:
                assert abs(share[k] - band[0]) < 2 * band[1], (age, STAGES[k], share)


def test_every_birth_and_death_is_logged_with_a_cause() -> None:
    w = World((SpineStage(late=3.0, conversion=0.5),), star(10, 30), tick=day)
    w.step(10)
    log = w.events()
    alive = 300 + np.sum(log.kind == BIRTH) - np.sum(log.kind == DEATH)
    assert alive == w.table.n_synapse
    assert {CAUSES[c] for c in log.cause[log.kind == DEATH]} == {"retraction", "turnover"}
