"""Private ranges: triggers after count + 1 epochs, mean excess, shrinking, clipping; against a slow twin."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError
from neurodev.mechanisms.spine_range import COLUMNS, SpineRange, positions, width
from neurodev.structure.table import Table
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, star


class Twin:
    """One synapse by the letter of the rule, with the masks of two epochs."""

    def __init__(self, high: float, w: float, count: int) -> None:
        self.high, self.low, self.count = high, -high, count
        self.was = dict(over=False, under=False, weak=False)
        self.n = dict(over=0, under=0, weak=0)
        self.sum = dict(over=0.0, under=0.0)
        self.last = w

    def step(self, w: float) -> None:
        now = dict(over=w >= self.high, under=w <= self.low, weak=abs(w) < abs(self.last))
        excess = dict(over=w - self.high, under=w - self.low)
        for k in now:
            if now[k] and self.was[k]:
                self.n[k] += 1
                if k in self.sum:
                    self.sum[k] += excess[k]
            else:
                self.n[k] = 0
                if k in self.sum:
                    self.sum[k] = 0.0
        for k in ("over", "under"):
            if self.n[k] >= self.count:
                if k == "over":
                    self.high += self.sum[k] / self.count
                else:
                    self.low += self.sum[k] / self.count
                self.n[k], self.sum[k] = 0, 0.0
        if self.n["weak"] >= self.count:
            self.high *= 0.75
            self.low *= 0.75
            self.n["weak"] = 0
        self.was, self.last = now, w


def ranges(n: int, w: np.ndarray, m: SpineRange) -> tuple[Table, np.ndarray, np.ndarray]:
    t = Table.build(n, 1, [1.0], np.arange(n), np.zeros(n, int), np.zeros(n, int), w, columns=COLUMNS)
    at = positions(t.column_names)
    m.update(t.slots(), t.weight, t.f, at, 0)
    return t, at, t.slots()


def test_against_the_twin() -> None:
    n, m, draw = 40, SpineRange(count=3, clip=False), np.random.default_rng(8)
    w = draw.normal(size=n).astype(np.float32)
    t, at, slots = ranges(n, w, m)
    twins = [Twin(float(w.max()), float(x), 3) for x in w]
    moved = np.zeros(n, bool)
    for e in range(1, 120):
        w = (0.9 * w + draw.normal(0, 0.5, n) + 1.2 * np.sin(e / 9.0 + np.arange(n))).astype(np.float32)
        t.weight[slots] = w
        before = t.column("range_high")[slots].copy()
        m.update(slots, t.weight, t.f, at, e)
        for twin, x in zip(twins, w, strict=True):
            twin.step(float(x))
        moved |= t.column("range_high")[slots] > before
        assert t.column("range_high")[slots] == pytest.approx([x.high for x in twins], rel=1e-12)
        assert t.column("range_low")[slots] == pytest.approx([x.low for x in twins], rel=1e-12)
    assert moved.sum() > 5


@pytest.mark.parametrize("count", [18, 4])
def test_a_trigger_needs_one_epoch_more_than_its_count(count: int) -> None:
    """Nineteen consecutive epochs for Tc = 18 (SD-SNN, public code)."""
    m = SpineRange(count=count, clip=False)
    t, at, slots = ranges(3, np.array([1.0, 0.5, -0.5]), m)
    first = {}
    for e in range(1, 2 * count + 3):
        t.weight[slots] = [1.0 + 0.1 * e, 0.5 * 0.9**e, -0.5]
        m.update(slots, t.weight, t.f, at, e)
        for k in range(3):
            if t.column("range_high")[slots[k]] != 1.0 and k not in first:
                first[k] = (e, float(t.column("range_high")[slots[k]]))
    assert first[0][0] == first[1][0] == count + 1 and 2 not in first
    excess = 0.1 * np.arange(2, count + 2)
    assert first[0][1] == pytest.approx(1.0 + excess.mean(), rel=1e-6)
    assert first[1][1] == 0.75


def test_clipping_begins_after_count_epochs() -> None:
    m = SpineRange(count=3)
    t, at, slots = ranges(2, np.array([1.0, 0.2]), m)
    for e in range(1, 7):
        t.weight[slots] = [-3.0 if e % 2 else 0.3, 2.0 if e % 2 else 0.1]
        m.update(slots, t.weight, t.f, at, e)
        clipped = e % 2 and e > 3
        assert t.weight[slots] == pytest.approx([-1.0, 1.0] if clipped else [-3.0, 2.0] if e % 2 else [0.3, 0.1])


def test_pruned_synapses_freeze() -> None:
    m = SpineRange(count=2)
    t, at, slots = ranges(2, np.array([1.0, 0.0]), m)
    for e in range(1, 20):
        t.weight[slots] = [1.5, 0.0]
        m.update(slots, t.weight, t.f, at, e)
    assert t.column("range_high")[slots[1]] == 1.0 and t.column("range_low")[slots[1]] == -1.0


def test_width() -> None:
    assert width([-1.0, -2.0, -1.0], [1.0, 2.0, 2.0]) == pytest.approx([0.0, 1.0, 0.5])
    assert width([-1.0, -1.0], [1.0, 1.0]) == pytest.approx([0.5, 0.5])


def test_in_the_engine() -> None:
    """Inhibitory weights keep their sign, sizes are only followed, an epoch is a whole number of ticks."""
    w = World((SpineRange(count=2, epoch=day),), star(3, columns=()), tick=12 * hour)
    slots = w.table.slots()
    w.table.weight[slots] = [-1.0, -0.5, -0.2]
    w.step(2)
    assert w.of("range_high") == pytest.approx([1.0] * 3)
    w.table.weight[slots] = -5.0
    w.step(4)
    assert w.table.weight[slots] == pytest.approx([-5.0] * 3)
    w.step(2)
    high = w.of("range_high")
    assert high == pytest.approx([5.0] * 3) and w.table.weight[slots] == pytest.approx(-high)
    sized = World((SpineRange(count=2, epoch=day),), star(3), tick=12 * hour)
    sized.table.column("size")[:] = 2.0
    sized.step(2)
    sized.table.column("size")[:] = 9.0
    sized.step(8)
    assert np.all(sized.of("size") == 9.0) and np.all(sized.of("range_high") == 9.0)
    with pytest.raises(BuildError, match="shorter than a tick"):
        World((SpineRange(epoch=hour),), star(3))
