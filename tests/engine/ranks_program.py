"""What the tests of ranks ask: answered in one process, and by each rank under mpiexec; rank 0 prints it as JSON.

mpiexec -n 2 python -m tests.engine.ranks_program THREADS lives,mechanisms
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np

from neurodev.engine.ranks import Ranks, world
from neurodev.engine.simulator import Simulator
from tests.engine.test_parts import digest, everything
from tests.mechanisms.beds import MECHANISMS, ROOM, TICK, everybody, homes, small_network
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, KINDS, circuit

Answer = dict[str, str]


def life(ranks: Ranks | None, threads: int, kind: str, **more: int) -> str:
    """A life with births, deaths, silence, a new rate and a lesion."""
    net = circuit(room=6, death=DYING, growth=GROWING, **KINDS[kind], **more)
    sim, spikes = Simulator(net, **FAST, threads=threads, ranks=ranks), []
    for p in net.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda epoch, t, p, i: spikes.append(np.column_stack([epoch + t, p, i]))
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
    events = np.array([sim.engine.events])
    return digest(everything(sim) | {"spikes": np.concatenate(spikes), "events": events})


def lives(ranks: Ranks | None, threads: int, kinds: list[str] | None = None) -> Answer:
    """Lives of all kinds of neurons, or of some."""
    return {kind: life(ranks, threads, kind) for kind in kinds or KINDS}


def mechanisms(ranks: Ranks | None, threads: int) -> Answer:
    """Every mechanism in its bed, with its company."""
    out = {}
    for name in MECHANISMS:
        use = homes(name)[0]
        net = small_network(everybody(name, use), use, room=ROOM)
        sim = Simulator(net, acceleration=TICK / 6.0, tick=TICK, threads=threads, ranks=ranks)
        sim.run_until_spike(24.0)
        out[name] = digest(everything(sim))
    return out


ASKED: dict[str, Callable[[Ranks | None, int], Answer]] = {"lives": lives, "mechanisms": mechanisms}


def answers(names: list[str], ranks: Ranks | None = None, threads: int = 1) -> dict[str, Answer]:
    """All that is asked."""
    return {name: ASKED[name](ranks, threads) for name in names}


if __name__ == "__main__":
    comm = world()
    found = answers(sys.argv[2].split(","), None if comm is None else Ranks(comm), int(sys.argv[1]))
    everybody_says = [found] if comm is None else comm.allgather(found)
    if comm is None or comm.Get_rank() == 0:
        same = all(said == found for said in everybody_says)
        print(json.dumps({"ranks": len(everybody_says), "agree": same, "found": found}))
