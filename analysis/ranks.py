"""What a large network would take on many ranks: a model on paper, from costs that are measured here.

    python -m analysis.ranks                    # measures, checks on 1, 2 and 4 ranks (mpiexec), predicts
    mpiexec -n 2 python -m analysis.ranks --child SECONDS

The model, for each rank and second of spikes::

    seconds = events / ranks * event  +  background / ranks * drawn  +  spikes * lanes * arrival  +  spikes * told
              +  windows * (window + message + bytes / bandwidth)

An arrival is a row of synapses (source and delay) that is looked up, whoever its targets are: each rank does that for
every spike of the network, so that short rows, not synapses, are what does not get less with more ranks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurodev as nd
from neurodev.engine.ranks import SPIKE, Ranks, world
from neurodev.engine.simulator import Simulator

NEURON = 160.0  # bytes of membranes, logs, counts and lists of each neuron, on every rank
ROW = 16.0  # of each source and delay, on every rank
STATIC, PLASTIC = 12.0, 36.0  # of each synapse: target and weight; with uid, column and the lists of targets


@dataclass
class Costs:
    """Seconds each; a message is latency and bytes a second."""

    event: float = 2e-9
    plastic: float = 8e-9
    drawn: float = 3e-9
    arrival: float = 6e-8
    told: float = 4e-8
    window: float = 2e-5
    message: float = 2e-5  # 64 ranks on a cluster: twice the depth of its tree (6) times 2 us, rounded up
    bandwidth: float = 5e9


@dataclass
class Large:
    """A network."""

    neurons: float = 1e6
    inputs: float = 1e4
    rate_hz: float = 5.0
    lanes: float = 15.0
    background_hz: float = 0.0
    window_ms: float = 1.5
    plastic: bool = False
    ranks: int = 64


def predicted(n: Large, c: Costs) -> dict[str, float]:
    """Memory a rank (GB), spikes and bytes exchanged a window, seconds a second of spikes and what takes them."""
    synapses = n.neurons * n.inputs / n.ranks
    spikes = n.neurons * n.rate_hz
    windows = 1e3 / n.window_ms
    each = spikes / windows
    sent = each * SPIKE.itemsize
    parts = {
        "events": spikes * n.inputs / n.ranks * (c.plastic if n.plastic else c.event),
        "background": n.neurons * n.background_hz / n.ranks * c.drawn,
        "arrivals": spikes * n.lanes * c.arrival,
        "spikes": spikes * c.told,
        "windows": windows * (c.window + (c.message + sent / c.bandwidth if n.ranks > 1 else 0.0)),
    }
    memory = synapses * (PLASTIC if n.plastic else STATIC) + n.neurons * (NEURON + n.lanes * ROW)
    return {"memory_gb": memory / 1e9, "spikes_a_window": each, "kb_a_window": sent / 1e3,
            "seconds": sum(parts.values()), **parts}  # fmt: skip


# ---------------------------------------------------------------- measured


def fed(sources: int, targets: int, inputs: int, lanes: int, rate_hz: float = 20.0) -> nd.Network:
    """Sources that drive neurons which never fire: events, arrivals and spikes in known numbers."""
    net = nd.Network(seed=1)
    a, b = net.add(nd.Poisson(rate_hz), sources, name="a"), net.add(nd.LIF(threshold=np.inf), targets, name="b")
    delay: Any = 1.5 if lanes == 1 else nd.Uniform(1.5, 1.5 + 0.1 * (lanes - 1), step=0.1)
    net.connect(a, b, nd.Degree(inputs), weight=0.01, delay=delay)
    return net


def speaking() -> nd.Network:
    """Neurons that do nothing, and yet might fire at any time: each window of 1.5 ms ends with a message."""
    net = nd.Network(seed=1)
    a = net.add(nd.LIF(threshold=np.inf), 2, name="a")
    net.background(a, nd.Background(1.0, 0.01))
    net.connect(a, a, nd.Degree(1), weight=0.01, delay=1.5)
    return net


def brunel(scale: int, plastic: bool) -> nd.Network:
    """Brunel's network in the irregular state, of `scale` excitatory neurons with a tenth as many inputs."""
    net = nd.Network(seed=1)
    e, i = net.add(nd.LIF(), scale, name="e"), net.add(nd.LIF(), scale // 4, name="i", inhibitory=True)
    for p in (e, i):
        net.background(p, nd.Background(20_000.0, 0.1))
    k = scale // 10
    for a, b, n, w in ((e, e, k, 0.1), (e, i, k, 0.1), (i, e, k // 4, 0.5), (i, i, k // 4, 0.5)):
        q = net.connect(a, b, nd.Degree(n), weight=w, delay=1.5)
        if plastic and a is e and b is e:
            q.use(nd.STDP())
    return net


class Alone:
    """A communicator of one rank: what several cost beside their messages."""

    def Get_rank(self) -> int:  # noqa: N802
        """The only one."""
        return 0

    def Get_size(self) -> int:  # noqa: N802
        """One."""
        return 1

    def Allgather(self, mine: Any, out: Any) -> None:  # noqa: N802
        """What it says itself."""
        out.reshape(-1)[:] = mine

    def Allgatherv(self, mine: Any, where: Any) -> None:  # noqa: N802
        """The same."""
        where[0][:] = mine


class Watched(Ranks):
    """Ranks that note the time in messages, s."""

    processor = waited = 0.0

    def _carry(self, name: str, *what: Any) -> None:
        processor, wall = time.thread_time(), time.perf_counter()
        super()._carry(name, *what)
        self.processor += time.thread_time() - processor
        self.waited += time.perf_counter() - wall


def timed(net: nd.Network, seconds: float, comm: Any = None) -> dict[str, float]:
    """Processor seconds of one rank's own work in so much time of spikes, without messages; and what it did."""
    watched = Watched(Alone() if comm is None else comm, split=True)
    sim = Simulator(net, ranks=watched, threads=1)
    sim.engine.run_until(21.0)  # what is compiled is compiled, and buffers have grown
    events, before = sim.engine.events, sum(int(c.sum()) for c in sim.counts().values())
    messages, waited, processor = watched.messages, watched.waited, watched.processor
    begin, worked = time.perf_counter(), time.thread_time()
    sim.engine.run_until(21.0 + 1e3 * seconds)
    wall, work = time.perf_counter() - begin, time.thread_time() - worked
    told = sum(int(c.sum()) for c in sim.counts().values()) - before
    return {"work": work - (watched.processor - processor), "waited": watched.waited - waited, "wall": wall,
            "spikes": told, "messages": watched.messages - messages, "events": sim.engine.events - events,
            "memory": sum(t.memory() * t.n_synapse for t in sim.tables.values())}  # fmt: skip


def measured() -> Costs:
    """The costs on this machine, one process."""
    c, s = Costs(), 1.0
    c.window = timed(speaking(), s)["work"] / (s * 1e3 / 1.5)
    quiet = timed(fed(1, 1, 1, 1, rate_hz=0.001), s)
    few, many = (timed(fed(20_000, 4000, n, 15), s) for n in (60, 600))  # rows of 0.8 and 8 synapses
    c.event = max((many["work"] - few["work"]) / (many["events"] - few["events"]), 1e-10)
    one = timed(fed(20_000, 4000, 60, 1), s)
    alone = {id(x): x["work"] - x["events"] * c.event - quiet["work"] for x in (few, one)}
    c.arrival = (alone[id(few)] - alone[id(one)]) / (14 * few["spikes"])
    return c


def checked(seconds: float, plastic: bool, scale: int = 4000) -> list[dict[str, float]]:
    """Brunel's network on 1, 2 and 4 ranks beside what the model says."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    launcher = str(mpiexec) if mpiexec.exists() else shutil.which("mpiexec")
    out = []
    for ranks in (1, 2, 4) if launcher else (1,):
        words = [sys.executable, "-m", "analysis.ranks", "--child", str(seconds), "--scale", str(scale)]
        words += ["--plastic"] if plastic else []
        start = [launcher, "-n", str(ranks)] if launcher else []
        done = subprocess.run([*start, *words], capture_output=True, text=True, check=True)
        out.append({"ranks": ranks, **json.loads(done.stdout.strip().splitlines()[-1])})
    return out


def child(seconds: float, scale: int, plastic: bool) -> None:
    """One rank of a check; rank 0 prints the mean over ranks."""
    comm = world()
    said = timed(brunel(scale, plastic), seconds, comm)
    everybody = [said] if comm is None else comm.allgather(said)
    if comm is None or comm.Get_rank() == 0:
        print(json.dumps({k: float(np.mean([x[k] for x in everybody])) for k in said}))


def modelled(r: dict[str, float], c: Costs, scale: int, plastic: bool) -> float:
    """Seconds of work a rank that the model gives to a check, where each spike arrives in two projections."""
    ranks, background = r["ranks"], 1.25 * scale * 20_000.0
    events = (r["events"] - background) / ranks * c.event + background / ranks * c.drawn
    pairs = r["spikes"] * 0.64 * scale / 10 / ranks if plastic else 0.0  # of e onto e
    told = r["spikes"] * (2 * c.arrival + (c.told if ranks > 1 else 0.0))
    return events + pairs * (c.plastic - c.event) + told + 1e3 / 1.5 * c.window


def main() -> None:
    """Measure, check, predict."""
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--child", type=float)
    parse.add_argument("--scale", type=int, default=4000)
    parse.add_argument("--plastic", action="store_true")
    args = parse.parse_args()
    if args.child is not None:
        child(args.child, args.scale, args.plastic)
        return
    costs, scale = measured(), args.scale
    static, plastic = (checked(1.0, some, scale) for some in (False, True))
    costs.drawn = costs.plastic = costs.told = 0.0
    costs.drawn = (static[0]["work"] - modelled(static[0], costs, scale, False)) / (1.25 * scale * 20_000.0)
    costs.plastic = costs.event
    pairs = plastic[0]["spikes"] * 0.64 * scale / 10
    costs.plastic += (plastic[0]["work"] - modelled(plastic[0], costs, scale, True)) / pairs
    if len(static) > 1:
        costs.told = max(static[1]["work"] - modelled(static[1], costs, scale, False), 0.0) / static[1]["spikes"]
    print(json.dumps(asdict(costs)))
    for rows in (static, plastic):
        for r in rows:
            print(
                f"{'STDP' if rows is plastic else 'static'}, {r['ranks']} ranks: work {r['work']:.3f} s a rank, model "
                f"{modelled(r, costs, scale, rows is plastic):.3f}; wall {r['wall']:.2f}; {r['spikes']:.0f} spikes in "
                f"{r['messages']:.0f} messages; synapses {r['memory'] / 1e6:.2f} MB a rank"
            )
    for some in (False, True):
        for ranks in (64, 256):
            said = predicted(Large(plastic=some, ranks=ranks), costs)
            print(json.dumps({"plastic": some, "ranks": ranks} | {k: round(v, 3) for k, v in said.items()}))


if __name__ == "__main__":
    main()
