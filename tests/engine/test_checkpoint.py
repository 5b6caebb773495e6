"""Checkpoints of the engine: a life that is broken off anywhere goes on to the same bytes in another simulator."""

from __future__ import annotations

import re

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import checkpoint
from neurodev.engine import parts as engine_parts
from neurodev.engine.checkpoint_check import check
from neurodev.engine.loop.state import ADDRESS, FIELDS, N_LIST, N_LISTED, SCRATCH
from neurodev.engine.simulator import Simulator
from neurodev.errors import RunFileError, SimulationError
from neurodev.record.packed import pack, unpack
from tests.engine.test_parts import digest, everything
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, KINDS, circuit

END = 4000.0


@pytest.fixture(autouse=True)
def every_window_on_threads(monkeypatch):
    monkeypatch.setattr(engine_parts, "WORTH_A_THREAD", 0.0)


class Life:
    """A circuit with births, deaths, silence, a new rate and a lesion, and all that is told of it."""

    def __init__(self, kind: str, threads: int = 1, parts: int = 2):
        self.kind = kind
        net = circuit(room=6, death=DYING, growth=GROWING, **KINDS[kind])
        self.sim = Simulator(net, **FAST, threads=threads, parts=parts, events_per_tick=10**7)
        self.sim.listeners.append(self)
        self.told, self.next = [], 0
        for p in net.populations.values():
            self.sim.engine.record_trains(p.index, True)
        self.sim.engine.sink = lambda epoch, t, p, i: self.told.append(np.column_stack([epoch + t, p, i]).tobytes())
        e, sim = net.populations["e"], self.sim
        self.plan = [
            (1100.3, lambda: sim.engine.set_background_rate(e.index, 250.0)),
            (1500.0, lambda: sim.block("retina_e", "STDP")),
            (2345.6, lambda: sim.engine.silence(e.index, True)),
            (2355.6, lambda: sim.engine.silence(e.index, False)),
            (2600.0, lambda: sim.block("retina_e", "STDP", False)),
            (3456.7, lambda: sim.kill_neurons(net.populations["i"], np.array([1]), "intervention")),
        ]

    def on_tick(self, sim, report):
        for batch in (*report.logs.values(), *report.neurons.values()):
            self.told += [column.tobytes() for column in batch]
        for noted in (*sim.moments.values(), *sim.neuron_moments.values()):
            self.told += [column.tobytes() for column in noted.take().values()]

    def run(self, until: float):
        while self.next < len(self.plan) and self.plan[self.next][0] <= until:
            when, act = self.plan[self.next]
            self.sim.run_until_spike(when)
            act()
            self.next += 1
        self.sim.run_until_spike(until)

    def broken_off(self, threads: int) -> Life:
        """Another one, where this one stands."""
        data = pack(checkpoint.state_of(self.sim), level=1)
        other, state = Life(self.kind, threads), unpack(data)
        check(other.sim, state)
        checkpoint.restore(other.sim, state)
        other.told, other.next = list(self.told), self.next
        return other

    def end(self) -> str:
        self.sim.verify()
        return digest(everything(self.sim) | {"told": np.frombuffer(b"".join(self.told), dtype=np.uint8)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_life_broken_off_anywhere_goes_on_to_the_same_bytes(kind):
    """At ticks, within ticks, within windows and blocks, right after interventions; and once more from there."""
    whole = Life(kind)
    whole.run(END)
    draw = np.random.default_rng(len(kind))
    cuts = sorted([0.0, 500.0, 1100.3, 2350.123456, 3456.7, *draw.uniform(0.0, END, 3)])
    broken = Life(kind)
    for k, cut in enumerate(cuts):
        broken.run(cut)
        broken = broken.broken_off(threads=1 + k % 3)
    broken.run(END)
    assert b"".join(broken.told) == b"".join(whole.told)
    assert broken.end() == whole.end() and len(b"".join(whole.told)) > 10000


# ---------------------------------------------------------------- nothing is left out


def busy() -> Simulator:
    """A simulator in the midst of everything: an open window and block, pending logs, a blocked mechanism, traces."""
    life = Life("plateaus")
    life.run(2350.123456)
    life.sim.block("retina_e", "STDP")
    e = life.sim.network.populations["e"]
    life.sim.kill_neurons(e, np.flatnonzero(life.sim.blocks["e"].alive)[:1], "lesion")
    return life.sim


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    return {name: np.array(a) for name, a in checkpoint.state_of(busy()).items()}


def test_every_field_of_the_loop_is_kept_or_marked_as_not(found):
    """By construction: what is neither an address nor scratch is in a checkpoint, shared arrays once."""
    for f in FIELDS:
        names = [f"part/{k}/{f.group}.{f.field}" for k in range(2)]
        kept = f.mark not in (ADDRESS, SCRATCH)
        assert [name in found for name in names] == [kept, kept and not f.shared]


def test_whatever_is_changed_in_a_checkpoint_comes_back_changed(found):
    """One by one: a number, a bit of an array, of every kind that is kept, and it is found again after loading."""
    sim = Life("plateaus").sim
    checkpoint.restore(sim, found)
    again = checkpoint.state_of(sim)
    drawn_anew = {N_LIST, N_LISTED}
    for name, a in found.items():
        mine = again[name].copy()
        if name.endswith("clock.n"):
            mine[list(drawn_anew)] = a[list(drawn_anew)]
        assert mine.dtype == a.dtype and mine.tobytes() == a.tobytes(), name
    assert again.keys() == found.keys()
    written_anew = re.compile(r"projections\.(single|capacity|n_row|n_source|hook_first|post_first)|"
                              r"background\.(most|chance_at|guide_at|longest|piece)")  # fmt: skip
    names = [n for n in found if n.startswith(("part/0/", "part/1/", "alive/", "cells/", "hot/", "block/"))]
    for name in [n for n in names if found[n].size and not written_anew.search(n)]:
        field = name.split("/")[-1]
        those = [n for n in names if n.startswith("part/") and n.endswith(f"/{field}")] or [name]
        changed = dict(found)
        for n in those:
            changed[n] = found[n].copy()
            first = changed[n].reshape(-1)[:1]
            first[:] = ~first if first.dtype == bool else 7.25 if first.dtype == float else first + 1
        checkpoint.restore(sim, changed)
        after = checkpoint.state_of(sim)[name]
        assert after.tobytes() == changed[name].tobytes(), name
        assert after.tobytes() != found[name].tobytes(), name


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("part/0/queue.input_index", lambda a: a + 10**6),
        ("part/1/lanes.cursor", lambda a: a + 10**6),
        ("part/0/lanes.population", lambda a: a + 1),
        ("part/0/neurons.kind", lambda a: a + 1),
        ("part/0/projections.post_first", lambda a: a + 1),
        ("part/1/background.piece", lambda a: a + 1),
        ("part/0/queue.row", lambda a: a + 10**6),
        ("part/0/queue.lane", lambda a: a + 1000),
        ("part/1/queue.time", lambda a: a[:-1]),
        ("part/0/log.index", lambda a: a + 1000),
        ("part/0/log.count", lambda a: a + 10**9),
        ("part/0/drives.index", lambda a: a + 1000),
        ("part/0/drives.time", lambda a: a[1:]),
        ("part/0/projections.birth_count", lambda a: a + 10**6),
        ("part/0/clock.n", lambda a: a + 10**6),
        ("part/0/neurons.u", lambda a: a[1:]),
        ("part/0/neurons.u", lambda a: a.astype(np.float32)),
        ("part/1/background.since", None),
        ("cells/1/state", lambda a: a[:, 1:]),
        ("hot/0/pre", lambda a: a.T),
        ("block/1/alive", lambda a: a[1:]),
        ("table/0/post", lambda a: a + 10**6),
        ("table/0/row_start", lambda a: a + 1),
        ("engine/text", lambda a: a[1:]),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(name, change, found):
    """Before the loop follows it: places beyond an array, other sizes and types, what is missing."""
    wrong = dict(found)
    if change is None:
        del wrong[name]
    else:
        wrong[name] = np.ascontiguousarray(change(found[name]))
        assert found[name].size
    sim = Life("plateaus").sim
    with pytest.raises(RunFileError, match=r"checkpoint"):
        check(sim, wrong)
        checkpoint.restore(sim, wrong)


class Unkept:
    """What a mechanism of the tests keeps."""

    def __init__(self) -> None:
        self.function = print


def test_what_cannot_be_kept_is_named():
    sim = Life("jumps").sim
    sim.views["retina_e"].kept(Unkept)
    with pytest.raises(SimulationError, match=r"what Unkept keeps on 'retina_e' cannot go into a checkpoint"):
        checkpoint.state_of(sim)


def test_what_pairing_counts_goes_on():
    """What mechanisms keep from tick to tick is in a checkpoint; one weight of all synapses stays one."""
    curve, net = nd.LinearGrowth(nu=5e-4), nd.Network(seed=3)
    cells = net.add(nd.LIF(), 20, name="cells")
    cells.use(nd.Growth({"axonal": curve, "dendritic_excitatory": curve}))
    net.connect(cells, cells, nd.Degree(2), weight=1.0, name="q").use(nd.Pairing())
    net.connect(cells, cells, nd.Degree(2), weight=0.3, name="static")
    kept = []
    for cut in (False, True):
        sim = Simulator(net, tick=1000.0)
        sim.run_until_spike(4300.0)
        if cut:
            state = unpack(pack(checkpoint.state_of(sim)))
            net.end(sim)
            sim = Simulator(net, tick=1000.0)
            check(sim, state)
            checkpoint.restore(sim, state)
        assert sim.tables["static"].alike
        sim.run_until_spike(9000.0)
        kept.append((digest(everything(sim)), [x.counted[True].tolist() for x in sim.views["q"]._kept.values()]))
        net.end(sim)
    assert kept[0] == kept[1] and sum(kept[0][1][0]) > 60
