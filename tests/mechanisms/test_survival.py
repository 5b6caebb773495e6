"""Survival: the published epochs of death, percentile scaling, synapses and neurons, the engine's epochs."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.bcm import BCM
from neurodev.mechanisms.survival import Survival, minmax, significance
from neurodev.structure.log import CAUSES
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, star

CONV = Survival(offset=0.65, boost=5.0, eta=12.0)
FULL = Survival()
DEATHS = [
    (CONV, 0.0, 25), (CONV, 0.02, 28), (CONV, 0.04, 35), (CONV, 0.06, 52), (CONV, 0.1, None),
    (FULL, 0.0, 11), (FULL, 0.2, 14), (FULL, 0.3, 16), (FULL, 0.4, 21), (FULL, 0.45, 27), (FULL, 0.5, 48),
    (FULL, 0.55, None),
]  # fmt: skip


def epoch_of_death(u: float, survival: Survival, last: int = 1000) -> int | None:
    """Epoch at which a row with constant usage `u` dies, or None: the slow, obvious twin of the kernel."""
    r = survival.start
    for e in range(survival.first, last):
        d = 2.0 * u - survival.offset
        r = survival.decay * r + (d + survival.boost if d > 0 else d) * survival.factor(e)
        if r < 0:
            return e
    return None


def total_step(survival: Survival) -> float:
    """Sum of all step sizes with the staircase, ``eta / (1 - 1/e)``: 18.98 for eta 12, 20.57 for eta 13."""
    return float(survival.eta / (1.0 - np.exp(-1.0)))


@pytest.mark.parametrize("rule, u, epoch", DEATHS)
def test_published_epochs_of_death(rule: Survival, u: float, epoch: int | None) -> None:
    """Golden numbers of the published rule (DPAP, public code), by the loop over epochs and by the kernel."""
    assert epoch_of_death(u, rule) == epoch
    # one row with usage u among rows that fix the minimum at 0 and the 75th percentile at 1
    score = np.concatenate([[u, 0.0], np.ones(30)])
    survival, rows = np.full(score.size, rule.start), np.arange(score.size)
    died = None
    for e in range(400):
        doomed = rule.update(rows, score, survival, e)
        if 0 in doomed and died is None:
            died = e
    assert died == epoch


def test_bound_between_life_and_death() -> None:
    """A constant score dies only up to 0.065 (filters) and 0.510 (fully connected)."""
    for rule, edge in ((CONV, 0.065), (FULL, 0.510)):
        assert epoch_of_death(edge - 0.001, rule, 5000) is not None
        assert epoch_of_death(edge + 0.002, rule, 5000) is None
    assert total_step(CONV) == pytest.approx(18.98, abs=0.005) and total_step(FULL) == pytest.approx(20.57, abs=0.005)


def test_percentile_scaling() -> None:
    draw = np.random.default_rng(4)
    score = draw.normal(size=101)
    survival = np.full(101, 10.0)
    FULL.update(np.arange(101), score, survival, 5)
    u = np.clip((score - score.min()) / (np.percentile(score, 75) - score.min()), 0, 1)
    d = 2 * u - 1.5
    assert survival == pytest.approx(0.999 * 10 + np.where(d > 0, d + 2.0, d), rel=1e-13)
    top = np.full(101, 10.0)
    Survival(reference="max").update(np.arange(101), score, top, 5)
    d = 2 * minmax(score) - 1.5
    assert top == pytest.approx(0.999 * 10 + np.where(d > 0, d + 2.0, d), rel=1e-13)


def test_steps_shrink() -> None:
    assert [FULL.factor(e) for e in (5, 17, 18, 30, 31)] == pytest.approx([1, 1, np.exp(-1), np.exp(-1), np.exp(-2)])
    smooth = Survival(staircase=False)
    assert smooth.factor(18) == pytest.approx(np.exp(-1)) and smooth.factor(11) == pytest.approx(np.exp(-6 / 13))


def test_nothing_before_the_first_epoch_and_no_ranking_of_equals() -> None:
    survival = np.full(4, 10.0)
    assert FULL.update(np.arange(4), np.arange(4.0), survival, 4).size == 0 and np.all(survival == 10.0)
    FULL.update(np.arange(4), np.ones(4), survival, 5)
    assert survival == pytest.approx(9.99)
    with pytest.raises(ParameterError, match="finite"):
        FULL.update(np.arange(4), np.array([1, np.nan, 0, 2]), survival, 6)


def test_significance() -> None:
    assert significance([1.0, 3.0, 5.0], [10.0, 30.0, 20.0]) == pytest.approx([0.0, 0.5, 0.5])
    assert minmax([2.0, 2.0]) == pytest.approx([0.5, 0.5])


def world(m: Survival, n_target: int = 1) -> World:
    return World((BCM(), m), star(20, n_target, columns=()), tick=12 * hour)


def test_synapses_in_the_engine() -> None:
    """Inputs that are never used die in the published epoch, with the cause `survival`; an epoch is two ticks."""
    w = world(Survival(epoch=day))
    w.view.source["rate_hz"][:] = np.where(np.arange(20) < 5, 0.0, 10.0)
    w.view.target["rate_hz"][:] = 30.0
    for _ in range(2 * 20):
        w.step()
    events = w.events()
    assert events.uid.size == 5 and set(events.pre) == set(range(5))
    assert {CAUSES[c] for c in events.cause} == {"survival"}
    # epoch 11, counted from 0, ends with tick 24
    assert set(events.tick) == {24}
    assert np.all(events.value < 0)


def test_neurons_in_the_engine() -> None:
    w = world(Survival(of="neuron", offset=1.0), n_target=8)
    w.view.source["rate_hz"][:] = 10.0
    for k in range(2 * 16):
        w.view.target["rate_hz"][:] = [0.0, 0.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0]
        w.view.target["rate_hz"][:] *= 1.0 + 0.2 * (k % 2)
        w.step()
    events = w.events()
    assert set(events.post) == {0, 1} and events.uid.size == 40
    assert set(w.table.post[w.table.slots()]) == set(range(2, 8))


def test_refusals() -> None:
    with pytest.raises(BuildError, match="reads 'bcm'"):
        World((Survival(),), star(3))
    with pytest.raises(BuildError, match="shorter than a tick"):
        World((BCM(), Survival(epoch=hour)), star(3))
    with pytest.raises(BuildError, match="summed activity"):
        World((Survival(of="neuron", score="size"),), star(3))
