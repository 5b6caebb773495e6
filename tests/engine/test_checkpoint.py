"""Checkpoints of the engine: a life that is broken off anywhere goes on to the same bytes in another simulator."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.engine import checkpoint
from neurodev.engine import parts as engine_parts
from neurodev.engine.checkpoint_check import check
from neurodev.engine.simulator import Simulator
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
