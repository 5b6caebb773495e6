"""A checkpoint of some parts goes on in another number of parts, to the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import checkpoint, dealing
from neurodev.engine.checkpoint_check import check
from neurodev.engine.simulator import Simulator
from neurodev.errors import RunFileError
from neurodev.structure.dealing import dealt
from neurodev.structure.table import Table
from neurodev.structure.verify import verify
from tests.engine.test_parts import digest, everything
from tests.mechanisms.beds import MECHANISMS, ROOM, TICK, everybody, homes, small_network
from tests.simulation.test_ranked_runs import plastic


def steered() -> nd.Network:
    """Everything that a part has of its own: stimuli, backgrounds of several rates, many delays, traces of rows."""
    net = plastic()
    e = net.populations["e"]
    net.background(e, nd.Background(np.linspace(100.0, 900.0, 40), -0.05))
    net.drive(e, nd.Kicks([10.5, 47.9, 61.0, 88.5, 104.5, 131.0], 30.0), cells=[3, 20, 39])
    net.drive(e, nd.CurrentSteps([20.0, 55.0, 95.0, 122.0], [30.0, 0.0, 30.0, 0.0]), cells=[1, 38])
    return net


def gone_on(first: Simulator, then: Simulator) -> Simulator:
    """The second where the first is."""
    state = dealing.dealt(then, {name: a.copy() for name, a in checkpoint.state_of(first).items()})
    check(then, state)
    sizes = then.engine.state.hooks.trace_size.copy()
    checkpoint.restore(then, state)
    np.testing.assert_array_equal(then.engine.state.hooks.trace_size, sizes)
    return then


def spikes(sim: Simulator, stop: float) -> np.ndarray:
    out = [np.zeros((0, 3))]
    for p in sim.network.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda epoch, t, p, i: out.append(np.column_stack([epoch + t, p, i]))
    sim.run_until_spike(stop)
    sim.verify()
    return np.concatenate(out)


@pytest.mark.parametrize("parts", [(1, 3), (4, 1), (3, 2)])
@pytest.mark.parametrize(("start", "when"), [(0.0, 34.567), (8150.0, 84.3)])
def test_what_is_under_way_goes_on_in_other_parts(parts, start, when):
    """In the middle of a window and a block, in the first epoch and after it; a rate was set before."""

    def simulator(n: int) -> Simulator:
        return Simulator(steered(), tick=25.0, start=start, parts=n)

    def begun(n: int) -> Simulator:
        sim = simulator(n)
        sim.run_until_spike(when - 20.0)
        sim.engine.set_background_rate(sim.network.populations["e"].index, 5000.0)
        sim.run_until_spike(when)
        return sim

    alone = begun(2)
    expected, events = spikes(alone, when + 60.0), alone.engine.events
    assert expected.shape[0] > 50
    other = gone_on(begun(parts[0]), simulator(parts[1]))
    np.testing.assert_array_equal(spikes(other, when + 60.0), expected)
    assert other.engine.events == events
    assert digest(everything(other)) == digest(everything(alone))


@pytest.mark.compiled
@pytest.mark.parametrize("name", list(MECHANISMS))
def test_what_mechanisms_keep_goes_on_in_other_parts(name):
    use = homes(name)[0]

    def simulator(parts: int) -> Simulator:
        net = small_network(everybody(name, use), use, room=ROOM)
        return Simulator(net, acceleration=TICK / 6.0, tick=TICK, parts=parts)

    alone, first = simulator(1), simulator(1)
    alone.run_until_spike(31.0)
    first.run_until_spike(13.7)
    middle = gone_on(first, simulator(3))
    middle.run_until_spike(22.1)
    last = gone_on(middle, simulator(2))
    last.run_until_spike(31.0)
    last.verify()
    assert digest(everything(last)) == digest(everything(alone))


def test_a_table_keeps_its_synapses_and_the_order_of_lists_of_targets():
    rng = np.random.default_rng(1)
    n = 400
    t = Table.build(
        20, 30, [1.0, 2.0], rng.integers(0, 20, n), rng.integers(0, 30, n), rng.integers(0, 2, n), rng.random(n),
        columns=("x",), parts=3,
    )  # fmt: skip
    t.column("x")[:] = rng.random(t.capacity)
    t.ensure_in_lists()
    t._delete(rng.permutation(t.slots())[:150])
    for parts in (1, 2, 7):
        other = dealt(t, parts)
        verify(other)
        for a, b in ((t.state(), other.state()),):
            i, j = np.argsort(a["uid"]), np.argsort(b["uid"])
            for name in a:
                np.testing.assert_array_equal(a[name][i], b[name][j])
        for k in range(30):
            lists = [x.uid[x.in_slot[x.in_start[k] : x.in_start[k] + x.in_length[k]]] for x in (t, other)]
            np.testing.assert_array_equal(*lists)


@pytest.mark.parametrize("alike", [True, False])
def test_a_table_without_uids_keeps_its_numbers(alike):
    pairs = np.array([(a, b) for a in range(6) for b in range(9) if (a + b) % 3])
    weight = 0.5 if alike else np.linspace(0.0, 1.0, len(pairs))
    t = Table.build(6, 9, [1.0], pairs[:, 0], pairs[:, 1], np.zeros(len(pairs), int), weight, alike=alike,
                    consecutive=True, parts=2)  # fmt: skip
    assert t.consecutive
    other = dealt(dealt(t, 4), 1)
    assert other.consecutive and other.alike == alike
    a, b = t.state(), other.state()
    i, j = np.argsort(a["uid"]), np.argsort(b["uid"])
    assert all(np.array_equal(a[name][i], b[name][j]) for name in a)


def test_what_is_damaged_is_refused():
    first = Simulator(steered(), parts=2)
    first.run_until_spike(64.567)
    state = checkpoint.state_of(first)
    for name, value in (
        ("part/1/queue.lane", None), ("table/0/row_start", np.zeros(3, np.int64)),
        ("part/0/queue.lane", np.full_like(state["part/0/queue.lane"], 60000)), ("hot/0/pre", np.zeros((1, 7))),
    ):  # fmt: skip
        wrong = {k: a for k, a in state.items() if k != name} | ({} if value is None else {name: value})
        with pytest.raises(RunFileError, match="damaged"):
            dealing.dealt(Simulator(steered(), parts=3), wrong)
