"""BCM: the kernel against a triple loop, both thresholds, the selective state, and what the score may do."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.errors import BuildError, ParameterError
from neurodev.mechanisms.bcm import (
    BCM,
    accumulate,
    activity,
    change_per_episode,
    running_mean,
    selective_response,
    sliding,
)
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.structure.table import Table
from neurodev.units import day, hour
from tests.mechanisms.drivers import World, few, star


def table(n_source: int = 7, n_target: int = 5, seed: int = 3) -> Table:
    draw = np.random.default_rng(seed)
    source, target = np.nonzero(draw.random((n_source, n_target)) < 0.6)
    lane = draw.integers(0, 2, source.size)
    return Table.build(n_source, n_target, [1.0, 2.0], source, target, lane, 0.3, columns=("bcm",))


def episodes(n: int, t: Table, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    pre = draw.gamma(1.0, 1.0, (n, t.n_source)) * (draw.random((n, t.n_source)) < 0.5)
    return pre.astype(np.float32), draw.gamma(1.0, 1.0, (n, t.n_target)).astype(np.float32)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("per_slot", [False, True])
def test_score_is_the_triple_loop(dense: bool, per_slot: bool) -> None:
    t = table()
    pre, post = episodes(6, t)
    threshold = np.random.default_rng(1).random((6 if per_slot else 1, t.n_target))
    accumulate(t, pre, post, threshold, t.column("bcm"), scale=0.7, dense=dense)
    for s in t.slots():
        i, j = int(t.row[s]) % t.n_source, int(t.post[s])
        expected = 0.0
        for e in range(6):
            x, y = float(pre[e, i]), float(post[e, j])
            expected += 0.7 * y * (y - threshold[e if per_slot else 0, j]) * x
        assert t.column("bcm")[s] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_running_mean_is_the_mean_over_batches() -> None:
    draw = np.random.default_rng(2)
    batches = draw.random((9, 4, 3)).astype(np.float32)
    one, each = np.zeros((1, 3)), np.zeros((4, 3))
    for n, c in enumerate(batches, 1):
        one, each = running_mean(one, c, n), running_mean(each, c, n)
    assert one[0] == pytest.approx(batches.mean(axis=(0, 1)), rel=1e-6)
    assert each == pytest.approx(batches.mean(axis=0), rel=1e-6)


def test_sliding_threshold_splits() -> None:
    th, y = np.array([0.2, 3.0]), np.array([1.5, 0.0])
    twice = sliding(sliding(th, y, 0.4, 2.0), y, 0.6, 2.0)
    assert sliding(th, y, 1.0, 2.0) == pytest.approx(twice, rel=1e-13)
    assert sliding(th, y, 1e3, 2.0) == pytest.approx(y**2)


@pytest.mark.parametrize("k", [2, 4])
def test_selective_state(k: int) -> None:
    """EX-54: K independent equiprobable patterns, fast threshold: the winner answers K, the others 0, theta = K."""
    draw = np.random.default_rng(k)
    patterns = (np.eye(k) + 0.3 * draw.random((k, k))).astype(np.float32)
    t = Table.build(k, 1, [1.0], np.arange(k), np.zeros(k, int), np.zeros(k, int), 0.0, columns=("bcm",))
    w, slots = t.column("bcm"), t.slots()
    w[slots] = 0.3 + 0.2 * draw.random(k)
    threshold, rate, tau = np.zeros((1, 1)), 2e-4, 60.0
    n = few(100_000, 4_000)
    if n < 100_000:
        rate *= 10
    order = draw.integers(0, k, n)
    mean_threshold = 0.0
    for step, p in enumerate(order):
        x = patterns[p][None]
        y = np.array([[float(x[0] @ w[slots])]], dtype=np.float32)
        accumulate(t, x, y, threshold, w, scale=rate)
        threshold = sliding(threshold, y, 1.0, tau)
        mean_threshold += threshold[0, 0] / (n / 4) if step >= 3 * n // 4 else 0.0
    if n < 100_000:
        return
    answers = np.sort(patterns @ w[slots])
    winner, theta = selective_response(k)
    assert answers[-1] == pytest.approx(winner, rel=0.05)
    assert np.abs(answers[:-1]).max() < 0.05 * k
    assert mean_threshold == pytest.approx(theta, rel=0.05)


def rates(w: World, source: float, target: np.ndarray) -> None:
    w.view.source["rate_hz"][:] = source
    w.view.target["rate_hz"][:] = target


def test_engine_episodes() -> None:
    """One episode a tick; the threshold used is the one before its update."""
    m = BCM(reference_hz=10.0)
    w = World((m,), star(4, 2))
    y, theta, score = np.array([0.5, 2.0]), np.zeros(2), np.zeros(2)
    for n in range(1, 6):
        rates(w, 20.0, 10 * y * n)
        w.step()
        score += change_per_episode(2.0, y * n, 0.0) - 2.0 * y * n * theta
        theta = (theta * (n - 1) + y * n) / n
    assert w.view.target["bcm_threshold_alone"] == pytest.approx(theta, rel=1e-6)
    assert activity(w.view) == pytest.approx(15 * y)
    slots = w.table.slots()
    assert w.table.column("bcm")[slots] == pytest.approx(score[w.table.post[slots]], rel=1e-6)


def test_weights() -> None:
    m = BCM(act="weight", threshold="sliding", rate=0.5, weight_max=2.0, reference_hz=10.0)
    w = World((m,), star(3, 2))
    w.table.weight[:] = -1.0
    w.view.target["bcm_threshold_alone"][:] = 1.0
    rates(w, 10.0, np.array([20.0, 5.0]))
    w.step()
    slots = w.table.slots()
    change = 2.0 * 0.5 * (2 * hour / day) * np.array([2.0, -0.25])
    assert w.table.weight[slots] == pytest.approx(-(1.0 + change[w.table.post[slots]]), rel=1e-6)
    keep = np.exp(-2 / 24)
    assert w.view.target["bcm_threshold_alone"] == pytest.approx([4 - 3 * keep, 0.25 + 0.75 * keep])
    rates(w, 100.0, np.array([100.0, 100.0]))
    for _ in range(20):
        w.step()
    assert np.all(np.abs(w.table.weight[slots]) <= 2.0) and np.all(w.table.weight[slots] <= 0)


def test_sizes_listen_to_the_score_against_the_mean() -> None:
    m = BCM(act="size", reference_hz=10.0, gain=0.5)
    w = World((m, SpineSize(noise=False, death="none")), star(4, 1))
    w.view.source["rate_hz"][:] = [0.0, 10.0, 10.0, 20.0]
    rates_target = np.array([30.0])
    w.view.target["rate_hz"][:] = rates_target
    before = w.of("log_size").copy()
    w.step()
    drive = w.of("drive_bcm")
    assert drive.sum() == pytest.approx(0.0, abs=1e-12) and drive[3] > drive[1] == drive[2] > drive[0]
    h = (1 - np.exp(-2 / 24)) * 9.0 * np.array([0.0, 1.0, 1.0, 2.0])
    assert drive == pytest.approx(0.5 * (h - h.mean()))
    assert (w.of("log_size") - before)[3] > (w.of("log_size") - before)[0] - 1.0


def test_refusals() -> None:
    t = table()
    pre, post = episodes(3, t)
    with pytest.raises(ParameterError, match="episodes of shape"):
        accumulate(t, pre[:, :-1], post, np.zeros((1, 5)), t.column("bcm"))
    with pytest.raises(ParameterError, match="threshold has shape"):
        accumulate(t, pre, post, np.zeros((2, 5)), t.column("bcm"))
    with pytest.raises(BuildError, match="act='size'"):
        World((SpineSize(), BCM(act="weight")), star(2))
    with pytest.raises(BuildError, match="no sizes"):
        World((BCM(act="size"),), star(2))
    with pytest.raises(BuildError, match=r"use BCM\(\) there"):
        activity(World((), star(2)).view)


def test_off() -> None:
    w = World((BCM(act="weight", rate=0.0),), star(3))
    rates(w, 10.0, np.array([20.0]))
    before = w.table.weight.copy()
    w.step(3)
    assert np.array_equal(before, w.table.weight)
