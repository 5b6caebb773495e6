"""Parts and threads change no byte: not of spikes, nor of the structure, nor of anything a mechanism keeps."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import build
from neurodev.engine import parts as engine_parts
from neurodev.engine.engine import Engine
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.structure.blocks import part_bounds, part_of
from neurodev.structure.table import Table
from neurodev.units import hour
from tests.mechanisms.beds import MECHANISMS, homes
from tests.mechanisms.test_conformance import everybody, start
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, KINDS, circuit

SHARES = [1, 2, 3, 8]


@pytest.fixture(autouse=True)
def every_window_on_threads(monkeypatch):
    monkeypatch.setattr(engine_parts, "WORTH_A_THREAD", 0.0)


def digest(values) -> str:
    """The bytes of arrays and of what holds them."""
    found = hashlib.sha256()
    for name, value in sorted(values.items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()


def everything(sim: Simulator) -> dict[str, np.ndarray]:
    """All that the next event depends on and all that is told, whatever lies where in memory."""
    out = {}
    for name in sim.tables:
        state = sim.state(name)
        order = np.argsort(state["uid"])
        out |= {f"{name}.{k}": v[order] for k, v in state.items()}
    for name, block in sim.blocks.items():
        out |= {f"{name}.{k}": v for k, v in block.signals.items()}
    for name, p in sim.network.populations.items():
        if not p.is_drive:
            out[f"{name}.V"] = sim.engine.potential(name)
    out |= {f"cells {k}": c.state[:, 1:] for k, c in sim.engine.cells.items()}
    return out


def lived(kind: str, threads: int) -> tuple[str, int]:
    """A life with births, deaths, silence, a new rate and a lesion; its digest, and its spikes."""
    net = circuit(room=6, death=DYING, growth=GROWING, **KINDS[kind])
    sim, spikes = Simulator(net, **FAST, threads=threads), []
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda epoch, t, p, i: spikes.append(np.column_stack([epoch + t, p, i]))
    assert len(sim.engine.parts.states) == threads
    e = net.populations["e"]
    sim.run_until_spike(1234.5)
    sim.engine.set_background_rate(e.index, 250.0)
    sim.run_until_spike(2345.6)
    sim.engine.silence(e.index, True)
    sim.run_until_spike(2355.6)
    sim.engine.silence(e.index, False)
    sim.run_until_spike(3456.7)
    sim.kill_neurons(net.populations["i"], np.array([1]), "intervention")
    sim.run_until_spike(5000.0)
    sim.verify()
    trains = np.concatenate(spikes)
    return digest(everything(sim) | {"spikes": trains}), trains.shape[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_life_is_the_same_on_any_number_of_threads(kind):
    first, n = lived(kind, 1)
    assert n > 500
    assert {lived(kind, threads)[0] for threads in SHARES[1:]} == {first}


@pytest.mark.compiled
@pytest.mark.parametrize("name", MECHANISMS)
def test_every_mechanism_is_the_same_in_any_number_of_parts(name, monkeypatch):
    found = set()
    for parts in SHARES:
        monkeypatch.setattr(build, "part_count", lambda network, threads, parts=parts: parts)
        sim, _ = start(everybody(name, homes(name)[0]), homes(name)[0], spikes=6.0)
        assert len(sim.engine.parts.states) == parts
        sim.run_until_spike(24.0)
        found.add(digest(everything(sim)))
    assert len(found) == 1


@pytest.mark.parametrize("parts", SHARES)
def test_a_table_in_parts_is_the_same_table(parts):
    draw = np.random.default_rng(parts)
    source, target = draw.integers(0, 40, 300), draw.integers(0, 17, 300)
    lane, weight = draw.integers(0, 3, 300), draw.normal(size=300)
    table, whole = (
        Table.build(40, 17, [1.0, 2.0, 3.0], source, target, lane, weight, columns=("a",), parts=k) for k in (parts, 1)
    )
    for one in (table, whole):
        one._insert(source[:50], target[50:100], lane[:50], weight[:50], 1.0)
        one._delete(one.slot_of(one.uid[one.slots()].min() + np.arange(0, 200, 3).astype(np.uint64)))
    ours, theirs = (one.state() for one in (table, whole))
    order, other = np.argsort(ours["uid"]), np.argsort(theirs["uid"])
    for name in ours:
        np.testing.assert_array_equal(ours[name][order], theirs[name][other])
    share = part_of(table.post[table.slots()].astype(np.int64), 17, parts)
    assert (table.row[table.slots()] // (3 * 40) == share).all()
    assert part_bounds(17, parts)[-1] == 17


def test_more_threads_than_neurons():
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 2)
    net.background(cells, nd.Background(rate_hz=1000.0, weight=3.0))
    counts = []
    for threads in (1, 5):
        engine = Engine(net, threads=threads)
        engine.run_until(500.0)
        counts.append(engine.take_counts()[0].tolist())
    assert counts[0] == counts[1] and sum(counts[0]) > 10


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two", 10**6])
def test_threads_are_counted(threads):
    with pytest.raises(ParameterError, match=r"threads must be a whole number"):
        Engine(nd.Network(seed=1), threads=threads)


def test_spikes_that_find_no_room_at_the_end_of_a_piece_are_counted_in_it():
    """A log that is full in the last window before somebody looks is made longer before he looks."""

    def counted(room: int | None) -> list[list[int]]:
        net = nd.Network(seed=1)
        a, b = net.add(nd.Poisson(40.0), 5, name="a"), net.add(nd.LIF(), 5, name="b")
        net.connect(a, b, nd.Degree(3), weight=25.0, delay=1.0)
        e = Engine(net)
        if room is not None:
            e.parts.replace(0, log=build.make_log(e.state.neurons, room))
        out = []
        for stop in range(1, 60):
            e.run_until(float(stop))
            out.append([int(c.sum()) for c in e.take_counts()])
        return out

    assert counted(1) == counted(None)


@pytest.mark.parametrize("several", [False, True])
def test_who_comes_first_in_a_sum_does_not_follow_from_who_lies_beside_it(several):
    """Many births and deaths: what a source has to share out, and what several contacts of a pair bring."""

    def lived(parts):
        net = nd.Network(seed=3)
        a, b = net.add(nd.Poisson(20.0), 30, name="a"), net.add(nd.LIF(), 12, name="b")
        wiring = nd.Contacts(nd.Degree(5), more=0.7) if several else nd.Degree(12)
        q = net.connect(a, b, wiring, spines=nd.Spines(weight=2.0), delay=1.5, multapses=several)
        shared = [nd.STDP("burst", period=500.0, burst_loss=1.0), nd.Neurotrophin(feeds=10)]
        q.use(*(shared if several else [nd.TrophicFactor()]), nd.SpineSize())
        q.use(nd.Turnover(early=20.0, late=20.0, hazard=1.0))
        sim = Simulator(net, acceleration=2 * hour / 10.0, parts=parts)
        sim.run_until_spike(10.0 * 60)
        return digest(everything(sim))

    assert lived(1) == lived(2) == lived(3)
