"""One kernel, two drivers: the same episodes leave the same columns in the engine and in training, to 1e-12.

The engine's side runs the mechanism in ticks on a synapse table; the trainer's side makes the calls of the methods
(`DPAP`, `SDSNN`, `NSPDI`) on a dense tensor.  Activities are whole quarters, so that sums in float32 are exact.
"""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.mechanisms.bcm import BCM, modulations, running_mean
from neurodev.mechanisms.spine_range import COLUMNS, SpineRange, positions
from neurodev.mechanisms.survival import Survival, significance
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table
from neurodev.structure.weight import refresh, refresh_hidden
from neurodev.units import day
from tests.mechanisms.drivers import World
from tests.naive.weight_map import weight_of

N_SOURCE, N_TARGET, EPISODES = 12, 5, 16
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def whole_table(columns: tuple[str, ...] = ()) -> Table:
    """Every source on every target, with identities that follow the pair."""
    source, target = (a.ravel() for a in np.meshgrid(range(N_SOURCE), range(N_TARGET), indexing="ij"))
    none = np.zeros(source.size, dtype=np.int64)
    return Table.build(N_SOURCE, N_TARGET, [1.0], source, target, none, 0.5, columns=columns)


def grid(table: Table, column: np.ndarray) -> np.ndarray:
    """Values of all pairs, (n_source, n_target), NaN where there is no synapse."""
    out = np.full((N_SOURCE, N_TARGET), np.nan)
    slots = table.slots()
    out[table.pre(slots), table.post[slots]] = column[slots]
    return out


def episodes() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(8)
    shape = (EPISODES, N_SOURCE + N_TARGET)
    both = draw.integers(0, 7, shape) / 4.0
    both[:, :3] *= draw.integers(0, 2, (EPISODES, 3))  # some are often silent
    return both[:, :N_SOURCE], both[:, N_SOURCE:]


@pytest.mark.parametrize("of", ["synapse", "neuron"])
def test_bcm_and_survival(of: str) -> None:
    """Score, threshold, summed activity, survival and who dies, epoch by epoch."""
    rule = Survival(of=of, first=2, epoch=day, start=4.0, offset=1.5)
    world = World((BCM(reference_hz=10.0), rule), whole_table(), tick=day)
    pre, post = episodes()
    # the trainer's side, as in DPAP
    bcm, activity, threshold = np.zeros((N_SOURCE, N_TARGET)), np.zeros(N_TARGET), np.zeros((1, N_TARGET))
    left = np.full(N_SOURCE * N_TARGET if of == "synapse" else N_TARGET, rule.start)
    alive = np.ones((N_SOURCE, N_TARGET), dtype=bool)
    for e in range(EPISODES):
        world.view.source["rate_hz"][:], world.view.target["rate_hz"][:] = 10.0 * pre[e], 10.0 * post[e]
        living = world.table.slots()
        world.step()
        x, y = pre[e : e + 1].astype(np.float32), post[e : e + 1].astype(np.float32)
        change = np.empty(y.shape)
        modulations(y, threshold, change)
        bcm += x.T.astype(np.float64) @ change
        activity += post[e]
        threshold = running_mean(threshold, y, e + 1)
        if of == "synapse":
            rows = np.flatnonzero(alive.reshape(-1))
            dead = rule.update(rows, bcm.reshape(-1), left, e)
            alive.reshape(-1)[dead] = False
        else:
            worth = significance(np.where(alive, bcm, 0.0).sum(axis=0), activity)
            rule.update(np.arange(N_TARGET), worth, left, e)
            alive[:, left < 0] = False
        assert living.size >= alive.sum()
        found = grid(world.table, world.table.column("bcm"))
        np.testing.assert_array_equal(~np.isnan(found), alive)
        np.testing.assert_allclose(found[alive], bcm[alive], **EXACT)
        np.testing.assert_allclose(world.view.target["bcm_threshold_alone"], threshold[0], **EXACT)
        np.testing.assert_allclose(world.view.target["bcm_activity_alone"], activity, **EXACT)
        if of == "synapse":
            mine = grid(world.table, world.table.column("survival"))
            np.testing.assert_allclose(mine[alive], left.reshape(alive.shape)[alive], **EXACT)
        else:
            np.testing.assert_allclose(world.view.target["survival_alone"], left, **EXACT)
    assert 0 < alive.sum() < alive.size, "the comparison is to see deaths and survivors"


def test_spine_range() -> None:
    """All eight columns, and the clipped weights."""
    rule = SpineRange(count=2, epoch=day)
    world = World((rule,), whole_table(), tick=day)
    dense = DenseTable.full(np.full((N_SOURCE, N_TARGET), 0.5, np.float32), columns=COLUMNS)
    for name, fill in rule.columns().items():
        dense.column(name)[:] = fill
    at, pairs = positions(dense.column_names), dense.slots()
    draw = np.random.default_rng(2)
    drift = draw.choice([-0.125, 0.125], (N_SOURCE, N_TARGET))
    weight = draw.integers(4, 12, (N_SOURCE, N_TARGET)) / 8.0
    clipped = 0
    for e in range(9):
        weight = np.maximum(weight + drift, 0.125)
        slots = world.table.slots()
        world.table.weight[slots] = weight[world.table.pre(slots), world.table.post[slots]]
        dense.weight[pairs] = weight[dense.pre(pairs), dense.post[pairs]]
        world.step()
        rule.update(pairs, dense.weight, dense.f, at, e)
        for name in COLUMNS:
            mine, theirs = grid(world.table, world.table.column(name)), grid(dense, dense.column(name))
            np.testing.assert_allclose(mine, theirs, **EXACT, err_msg=f"{name}, epoch {e}")
        now = grid(world.table, world.table.weight)
        np.testing.assert_array_equal(now, grid(dense, dense.weight))
        clipped += int((now != weight).sum())
        weight = now
    assert clipped > 0


def test_weight_map() -> None:
    """Sizes of spines and magnitudes of hidden parameters give the same weights under the same gain and threshold."""
    table = whole_table(("log_size", "size"))
    slots = table.slots()
    draw = np.random.default_rng(5)
    size = draw.uniform(0.0, 2.0, (N_SOURCE, N_TARGET))
    size[0] = 0.3  # at the threshold exactly
    table.column("log_size")[slots] = np.log(size[table.pre(slots), table.post[slots]])
    gain, threshold = 1.75, 0.3
    one = np.ones(N_TARGET)
    refresh(slots, table.column("log_size"), table.column("size"), table.weight, table.post, 1.0, gain, threshold, one,
            np.zeros(0))  # fmt: skip
    theta, weight = size.copy(), np.empty_like(size)
    refresh_hidden(theta, gain * one, threshold, 0.0, weight)
    rule = weight_of(size, 1.0, gain, threshold)
    np.testing.assert_allclose(weight, rule, **EXACT)
    # the engine keeps weights as float32
    np.testing.assert_allclose(grid(table, table.weight), rule.astype(np.float32), rtol=1e-6, atol=1e-7)
    assert (weight == 0).any() and (weight > 0).any()
    refresh_hidden(-theta, gain * one, threshold, 0.0, weight)
    np.testing.assert_allclose(weight, -rule, **EXACT)
