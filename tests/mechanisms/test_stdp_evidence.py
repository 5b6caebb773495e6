"""The slow half of STDP: the reference burst, evidence, its drive, newborns, bad constants."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.base import Mechanism, SynapseView, check_owners
from neurodev.mechanisms.hooks import EVIDENCE, WEIGHT
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.stdp import STDP
from neurodev.units import day, hour
from tests.mechanisms.drivers import Trains, World, few, pairs_table, poisson, star

STILL = SpineSize(noise=False, death="none")


def world(m: STDP, n: int = 5, n_target: int = 3, tick: float = 2 * hour, acceleration: float = 120.0) -> World:
    return World((m, STILL), star(n, n_target), tick=tick, acceleration=acceleration)


def test_the_rule_is_the_first_argument() -> None:
    assert STDP("burst") == STDP(rule="burst")
    with pytest.raises(ParameterError, match="did you mean 'burst'"):
        STDP("brust")


def test_reference_of_the_burst_rule() -> None:
    assert STDP("burst").reference() == pytest.approx(308.1, abs=0.1)  # default study: 308 A
    assert STDP("burst").constants()["a_ref"] == STDP("burst").reference()


@pytest.mark.parametrize("rule", ["pair", "nearest", "triplet", "burst"])
def test_reference_is_the_mean_of_one_coincident_burst(rule: str) -> None:
    m = STDP(rule) if rule == "burst" else STDP(rule, depression=0.0, triplet_depression=0.0)
    n, draw, values = few(12, 3), np.random.default_rng(2), []
    for _ in range(few(300, 40)):
        table = pairs_table(n, n, [0.0])
        trains = [poisson(25.0, 1000.0, draw) for _ in range(2 * n)]
        Trains(m, table).run(trains[:n], trains[n:])
        values.append(table.column("accumulator")[table.slots()].mean())
    assert abs(np.mean(values) - m.reference()) < 4 * np.std(values, ddof=1) / np.sqrt(len(values))


def test_evidence_is_the_low_passed_accumulation() -> None:
    m = STDP("burst")
    w = world(m)
    draw, h = np.random.default_rng(0), 0.0
    slots = w.table.slots()
    for _ in range(4):
        a = draw.normal(size=slots.size) * 300
        w.table.column("accumulator")[slots] = a
        w.step()
        keep = np.exp(-2 / 24)
        h = h * keep + (1 - keep) * a / m.reference()
        assert w.table.column("evidence")[slots] == pytest.approx(h, rel=1e-13)
        assert not w.table.column("accumulator").any()


def test_evidence_does_not_depend_on_the_acceleration() -> None:
    """Twice the spikes in a tick of the same life hold twice the bursts: the same evidence."""
    m, out = STDP("burst"), []
    for acceleration, amount in ((120.0, 300.0), (60.0, 600.0)):
        w = world(m, acceleration=acceleration)
        w.table.column("accumulator")[w.table.slots()] = amount
        w.step()
        out.append(w.of("evidence"))
    assert out[0] == pytest.approx(out[1], rel=1e-13)


def test_drive_is_the_difference_from_the_mean_of_the_target() -> None:
    m = STDP("burst", gain=3.0, clip=0.5)
    w = world(m)
    slots, h = w.table.slots(), np.random.default_rng(1).normal(size=15)
    w.table.column("evidence")[slots] = h / np.exp(-2 / 24)  # the tick forgets this much
    w.step()
    post = w.table.post[slots]
    mean = np.array([h[post == j].mean() for j in range(3)])
    expected = 3.0 * np.clip(h - mean[post], -0.5, 0.5)
    assert w.table.column("drive_evidence")[slots] == pytest.approx(expected, rel=1e-12)
    assert np.abs(expected).max() == 1.5


@pytest.mark.parametrize(("switch", "expected"), [(dict(gain=0.0), 0.0), (dict(heterosynaptic=False), 4 * 0.7)])
def test_off_switches(switch: dict, expected: float) -> None:
    w = world(STDP("burst", **switch))
    w.table.column("evidence")[w.table.slots()] = 0.7 / np.exp(-2 / 24)
    w.step()
    assert w.of("drive_evidence") == pytest.approx(expected, abs=1e-12)


def test_the_drive_adds_to_what_is_there_and_is_cleared_each_tick() -> None:
    """Another mechanism's term of the same column stays beside it; nothing piles up from tick to tick."""

    class _Push(Mechanism):
        adds = ("drive_evidence",)

        def add(self, view: SynapseView) -> None:
            view.table.column("drive_evidence")[view.slots()] += 0.25

    m = STDP("burst", gain=3.0)
    check_owners("p", (m, _Push()))
    w = World((m, _Push(), STILL), star(4))
    w.table.column("evidence")[w.table.slots()] = [1.0, 2.0, 3.0, 4.0]
    once = 3.0 * np.exp(-2 / 24) * (np.array([1.0, 2.0, 3.0, 4.0]) - 2.5)
    w.step()
    assert w.of("drive_evidence") == pytest.approx(once + 0.25)
    w.step()
    assert w.of("drive_evidence") == pytest.approx(once * np.exp(-2 / 24) + 0.25)


def test_newborns_start_at_the_mean_of_their_target() -> None:
    for choice, expected in (("mean", [2.0, 2.0, 5.0]), ("zero", [0.0, 0.0, 0.0])):
        m = STDP("burst", newborn=choice)
        w = World((m, STILL), star(3, 3))
        slots = w.table.slots()
        post = w.table.post[slots]
        w.table.column("evidence")[slots] = np.where(post == 0, 2.0, np.where(post == 1, 5.0, -1.0))
        source, target = np.array([0, 1, 2]), np.array([0, 0, 1])
        born, _ = w.table._insert(source, target, np.zeros(3, np.int64), np.ones(3, np.float32), 0.0)
        m.born(w.view, born)
        assert w.table.column("evidence")[born] == pytest.approx(expected, abs=1e-12)


def test_a_first_synapse_starts_without_evidence() -> None:
    m = STDP("burst")
    w = World((m, STILL), star(2, 2))
    w.table._delete(w.table.slots())
    born, _ = w.table._insert(*(np.zeros(1, np.int64) for _ in range(3)), np.ones(1, np.float32), 0.0)
    m.born(w.view, born)
    assert w.table.column("evidence")[born] == 0.0


def test_constants_that_measure_nothing_are_refused_at_build() -> None:
    with pytest.raises(BuildError, match="burst_loss"):
        world(STDP("burst", burst_loss=100.0))
    World((STDP("burst", burst_loss=100.0),), star(3, columns=()))  # without sizes it is only an odd rule


def test_a_second_owner_is_refused() -> None:
    with pytest.raises(BuildError, match="two owners"):
        check_owners("p", (STDP("burst"), STDP("pair")))
    check_owners("p", (STDP("burst"), SpineSize()))


def test_hooks_choose_their_column() -> None:
    assert STDP("pair").hot(frozenset({"log_size"})).parameters.mode == EVIDENCE
    assert STDP("pair").hot(frozenset()).parameters.mode == WEIGHT
    assert STDP("burst").fastest_life_time() == day
