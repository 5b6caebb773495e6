"""Background in bulk: its numbers, places and factors, what they do not depend on, and the order that it must have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import neurodev as nd
from neurodev.engine import build
from neurodev.engine.engine import Engine
from neurodev.engine.loop.background import GENTLE, powers
from neurodev.engine.loop.lists import opened, potential_at
from neurodev.engine.loop.state import N_BLOCK
from neurodev.jit import kernel
from tests.naive import background as naive

QUIET = nd.LIF(tau=20.0, threshold=1e9, reset=0.0, refractory=2.0)


@kernel
def all_powers(x, out):
    for k in range(x.shape[0]):
        out[k] = powers(x[k])


def test_factors_are_exact_to_rounding():
    x = np.linspace(-GENTLE / 2, GENTLE / 2, 20_001)
    out = np.zeros_like(x)
    all_powers(x, out)
    assert np.max(np.abs(out / np.exp(x) - 1.0)) < 4e-16


def drawn(net: nd.Network, until: float) -> list[tuple[float, int, float]]:
    """All background events of a network, one by one."""
    return naive.events(Engine(net), until)


def quiet_net(rate=3000.0, n=50, seed=1, weight=0.1, **more) -> nd.Network:
    net = nd.Network(seed=seed)
    cells = net.add(QUIET, n, name="cells")
    net.background(cells, nd.Background(rate_hz=rate, weight=weight, **more))
    return net


@pytest.mark.parametrize("rate", [20.0, 3000.0, 40_000.0])
def test_numbers_are_poisson_and_places_uniform(rate):
    engine = Engine(quiet_net(rate, n=40))
    block = float(engine.state.clock.length[1])
    many = max(8, int(2000 / (rate / 1e3 * block * 40)))
    found = naive.events(engine, many * block)
    t, j = np.array([e[0] for e in found]), np.array([e[1] for e in found])
    numbers = np.zeros((many, 40), dtype=int)
    np.add.at(numbers, ((t // block).astype(int), j), 1)
    mean = rate / 1e3 * block
    highest = int(stats.poisson.isf(5.0 / numbers.size, mean))
    seen = np.bincount(np.minimum(numbers.ravel(), highest), minlength=highest + 1)
    expected = numbers.size * np.append(
        stats.poisson.pmf(np.arange(highest), mean), stats.poisson.sf(highest - 1, mean)
    )
    enough = expected > 4
    seen = np.append(seen[enough], seen[~enough].sum())
    expected = np.append(expected[enough], expected[~enough].sum() + 1e-9)
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-4
    assert stats.kstest(t % block / block, "uniform").pvalue > 1e-4
    assert stats.kstest(np.sort(t) / (many * block), "uniform").pvalue > 1e-4
    # neighbours are independent
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 4 / np.sqrt(numbers.size)


@pytest.mark.parametrize("more", [{}, {"amplitudes": "exponential"}])
@pytest.mark.parametrize("tau", [20.0, 0.7])
@pytest.mark.parametrize("weight", [0.3, -0.2])
def test_what_is_poured_is_the_sum_of_the_events(tau, weight, more):
    """Potentials within a block and at its ends, against one exponential an event."""
    net = nd.Network(seed=5)
    cells = net.add(nd.LIF(tau=tau, threshold=1e9, reset=0.0, refractory=2.0), 7, name="cells")
    net.background(cells, nd.Background(rate_hz=5000.0, weight=weight, **more))
    net.background(cells, nd.Background(rate_hz=np.linspace(0.0, 900.0, 7), weight=0.5))
    engine = Engine(net)
    found = naive.events(engine, 12.0)
    for t in (0.1, 0.77, 1.0, 5.0, 11.3, 12.0):
        engine.run_until(t)
        expected = np.zeros(7)
        for at, j, w in found:
            if at < t:
                expected[j] += w * np.exp(-(t - at) / tau)
        np.testing.assert_allclose(engine.potential("cells"), expected, rtol=0, atol=1e-12 * max(1, expected.max()))


def test_draws_belong_to_neuron_and_block():
    """Another population, another background or another order of them moves no event."""
    first = [e for e in drawn(quiet_net(), 5.0)]
    net = nd.Network(seed=1)
    other = net.add(QUIET, 9, name="others")
    cells = net.add(QUIET, 50, name="cells")
    net.background(other, nd.Background(rate_hz=500.0, weight=1.0))
    net.background(cells, nd.Background(rate_hz=70.0, weight=-3.0))
    net.background(cells, nd.Background(rate_hz=3000.0, weight=0.1))
    again = [(t, j - 9, w) for t, j, w in drawn(net, 5.0) if w == 0.1]
    assert first == again and len(first) > 500
    more = [e for e in drawn(quiet_net(n=80), 5.0) if e[1] < 50]
    assert sorted(more) == sorted(first)


def test_two_that_are_equal_differ():
    net = nd.Network(seed=1)
    cells = net.add(QUIET, 3, name="cells")
    for _ in range(2):
        net.background(cells, nd.Background(rate_hz=1000.0, weight=0.1))
    t = [e[0] for e in drawn(net, 20.0)]
    assert len(set(t)) == len(t) > 60


def test_a_cut_within_a_block_changes_nothing():
    trains = []
    for cuts in ([], np.arange(0.013, 300.0, 0.37)):
        net = nd.Network(seed=3)
        cells = net.add(nd.LIF(tau=20.0, threshold=15.0, reset=0.0, refractory=0.0), 30, name="cells")
        net.background(cells, nd.Background(rate_hz=2600.0, weight=0.5))
        net.background(cells, nd.Background(rate_hz=700.0, weight=-0.5))
        out = []
        engine = Engine(net, sink=lambda e, t, p, i, out=out: out.append(np.column_stack([e + t, i])))
        engine.record_trains(0, True)
        for cut in cuts:
            engine.run_until(float(cut))
            engine.potential("cells")
        engine.run_until(300.0)
        trains.append(np.concatenate(out).tobytes())
    assert trains[0] == trains[1] and len(trains[0]) > 2000


def test_lists_that_find_no_room_are_drawn_each_time(monkeypatch):
    """Of thousands of neurons at threshold only some keep their list within a block; nothing depends on which."""
    out = []
    for most in (1 << 14, 3):
        monkeypatch.setattr(build, "MOST_LISTS", most)
        net = nd.Network(seed=4)
        cells = net.add(nd.LIF(tau=20.0, threshold=20.0, initial=19.9, refractory=0.5), 60, name="cells")
        net.background(cells, nd.Background(rate_hz=3000.0, weight=0.4))
        net.background(cells, nd.Background(rate_hz=3000.0, weight=-0.3))
        engine = Engine(net)
        engine.run_until(200.0)
        out.append((engine.take_counts()[0].tobytes(), engine.potential("cells").tobytes()))
    assert out[0] == out[1]


@kernel
def open_list(s: int, j: int) -> int:
    """`opened`, which kernels alone can call."""
    return opened(s, j)


def test_a_list_is_in_order_and_what_remains_is_its_tail():
    engine = Engine(quiet_net(8000.0, n=3))
    engine.run_until(0.2)
    s = int(engine.parts.addresses[0])
    i = int(open_list(s, 1))
    o = engine.state.lists
    first, last = int(o.first[i]), int(o.last[i])
    t, jump = o.time[first:last], o.jump[first:last]
    assert last - first > 2 and (np.diff(t) > 0).all()
    np.testing.assert_allclose(o.after[first:last], jump.sum() - np.cumsum(jump), atol=1e-15)
    before = [potential_at(s, 1, float(x)) for x in t]
    after = [potential_at(s, 1, float(np.nextafter(x, np.inf))) for x in t]
    np.testing.assert_allclose(np.subtract(after, before), jump, rtol=1e-12)


def test_blocks_are_numbered_on_over_epochs():
    """The first block of the second epoch is not the first of all: its events are new ones."""
    engine = Engine(quiet_net(50.0, n=2))
    engine.run_until(engine.epoch_length + 3.0)
    assert engine.state.clock.n[N_BLOCK] < 10
    found = naive.events(Engine(quiet_net(50.0, n=2)), engine.epoch_length + 3.0)
    expected = np.zeros(2)
    for t, j, w in found:
        expected[j] += w * np.exp(-(engine.epoch_length + 3.0 - t) / 20.0)
    np.testing.assert_allclose(engine.potential("cells"), expected, rtol=0, atol=1e-12)
