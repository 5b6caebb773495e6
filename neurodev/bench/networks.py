"""Built-in benchmarks: each returns one flat dictionary, printed as JSON by `neurodev bench NAME --json`.

Networks: Brunel 2000 (model A, g = 5, eta = 2), the same with additive pair STDP on E -> E, and the
voltage-jump network of Vogels
& Abbott in the form of Brette et al. 2007 (benchmark 4).  Building and compiling are not in `seconds`.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from neurodev.bench.mechanisms import costs
from neurodev.engine.engine import Engine
from neurodev.engine.network import Network, Spines
from neurodev.engine.parts import check_threads
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError, nearest
from neurodev.mechanisms.neurotrophin import Neurotrophin
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.stdp import STDP
from neurodev.mechanisms.turnover import Turnover
from neurodev.neurons.dendrite import Plateau
from neurodev.neurons.drive import Background
from neurodev.neurons.lif import LIF
from neurodev.neurons.poisson import Poisson
from neurodev.record.provenance import environment
from neurodev.structure.log import StructuralLog
from neurodev.structure.plan import Plan, apply, merge
from neurodev.structure.table import Table
from neurodev.structure.wiring import Degree, Near, Probability

PIECES = 5  # of a run, timed one by one


def _result(name: str, seconds: list[float], events: int, **more: Any) -> dict[str, Any]:
    middle = float(np.median(seconds))
    return {
        "name": name, "seconds": middle, "events": events, "ns_per_event": 1e9 * middle / max(events, 1),
        "spread": [min(seconds), max(seconds)], "machine": platform.processor() or platform.machine(),
        "versions": environment()["versions"], **more,
    }  # fmt: skip


def brunel_network(scale: float = 1.0, stdp: bool = False) -> Network:
    """12 500 neurons, 1250 inputs each, delay 1.5 ms, 20 kHz background (Brunel 2000, figure 8C)."""
    n_e, n_i, c_e, c_i = (max(int(scale * k), 20) for k in (10_000, 2_500, 1_000, 250))
    j, g = 0.1, 5.0
    net = Network(seed=1)
    draw = np.random.default_rng(1)

    def cell(n: int) -> LIF:
        # scattered initial potentials: no first volley, so that every timed piece is alike
        return LIF(tau=20, threshold=20, reset=10, refractory=2, initial=draw.uniform(0.0, 19.9, n))

    e = net.add(cell(n_e), n_e, name="e")
    i = net.add(cell(n_i), n_i, name="i", inhibitory=True)
    for p in (e, i):
        net.background(p, Background(rate_hz=20_000.0, weight=j))
        q = net.connect(e, p, Degree(c_e), weight=j, delay=1.5, multapses=True)
        net.connect(i, p, Degree(c_i), weight=g * j, delay=1.5, multapses=True)
        if stdp and p is e:
            q.use(STDP("pair", potentiation=0.005, depression=0.00525, weight_max=2 * j))
    return net


def vogels_abbott_network(scale: float = 1.0) -> Network:
    """4000 neurons, 2 % connected, voltage jumps of 0.25 and 2.25 mV, V_inf above threshold."""
    n = int(4000 * scale)
    net = Network(seed=1)
    draw = np.random.default_rng(1)
    n_e = int(0.8 * n)

    def cell(k: int) -> LIF:
        return LIF(tau=20, rest=-49, threshold=-50, reset=-60, refractory=5, initial=draw.uniform(-60, -50.001, k))

    e = net.add(cell(n_e), n_e, name="e")
    i = net.add(cell(n - n_e), n - n_e, name="i", inhibitory=True)
    for p in (e, i):
        net.connect(e, p, Probability(0.02 / scale if scale < 1 else 0.02), weight=0.25, delay=0.1)
        net.connect(i, p, Probability(0.02 / scale if scale < 1 else 0.02), weight=2.25, delay=0.1)
    return net


def vogels_abbott_current_network(scale: float = 1.0) -> Network:
    """4000 neurons with 64 excitatory and 16 inhibitory inputs each, exponential currents of 5 and 10 ms.

    Vogels & Abbott 2005 with currents, 16.2 pA and -139.5 pA on 200 pF; V_inf is above threshold.
    """
    n = max(int(4000 * scale), 200)
    net = Network(seed=1)
    draw = np.random.default_rng(1)
    n_e = int(0.8 * n)

    def cell(k: int) -> LIF:
        return LIF(
            tau=20, rest=-49, threshold=-50, reset=-60, refractory=5, initial=draw.uniform(-60, -50, k),
            tau_excitatory=5, tau_inhibitory=10, capacitance=200,
        )  # fmt: skip

    e = net.add(cell(n_e), n_e, name="e")
    i = net.add(cell(n - n_e), n - n_e, name="i", inhibitory=True)
    for p in (e, i):
        net.connect(e, p, Degree(64), weight=16.2, delay=0.1)
        net.connect(i, p, Degree(16), weight=139.5, delay=0.1)
    return net


_threads = 1  # on which the networks run; set by `run`


def _timed(net: Network, duration: float) -> tuple[Engine, list[float], int, float]:
    """An engine, the seconds that five equal pieces of a run took, the events in them, and those of the building."""
    begin = time.perf_counter()
    engine = Engine(net, threads=_threads)
    build = time.perf_counter() - begin
    engine.run_until(1.0)  # compile, or load from the cache
    engine.take_counts()
    before, seconds = engine.events, []
    for k in range(PIECES):
        begin = time.perf_counter()
        engine.run_until(1.0 + (k + 1) * duration / PIECES)
        seconds.append(time.perf_counter() - begin)
    return engine, seconds, engine.events - before, build


def _run_network(name: str, net: Network, duration: float) -> dict[str, Any]:
    engine, seconds, events, build = _timed(net, duration)
    counts = engine.take_counts()
    rates = {p.name: float(c.mean() * 1e3 / duration) for p, c in zip(engine.populations, counts, strict=True)}
    out = _result(name, [sum(seconds)], events, build_seconds=build, simulated_ms=duration, threads=_threads)
    out["spread"] = [PIECES * min(seconds), PIECES * max(seconds)]
    out["rate_hz"] = rates.get("e", 0.0)
    out["rates_hz"] = rates
    few = [
        0.0 if x is None else x.nbytes / max(t.n_synapse, 1) for x, t in zip(engine.narrow, engine.tables, strict=True)
    ]
    out["bytes_per_synapse"] = float(np.mean([t.memory() + x for t, x in zip(engine.tables, few, strict=True)]))
    return out


def brunel(scale: float) -> dict[str, Any]:
    """One second of the static network."""
    return _run_network("brunel", brunel_network(scale), 1000.0)


def brunel_stdp(scale: float) -> dict[str, Any]:
    """One second with E -> E pair STDP."""
    return _run_network("brunel-stdp", brunel_network(scale, True), 1000.0)


def vogels_abbott(scale: float) -> dict[str, Any]:
    """Five seconds of the voltage-jump network."""
    out = _run_network("vogels-abbott", vogels_abbott_network(scale), 5000.0)
    out["seconds_per_simulated_second"] = out["seconds"] / 5.0
    return out


def vogels_abbott_current(scale: float) -> dict[str, Any]:
    """Five seconds of the current-based network."""
    out = _run_network("vogels-abbott-current", vogels_abbott_current_network(scale), 5000.0)
    out["seconds_per_simulated_second"] = out["seconds"] / 5.0
    return out


def background(scale: float) -> dict[str, Any]:
    """Nanoseconds of one background event onto cells of each kind that fire a few times a second."""
    currents: dict[str, Any] = {"tau_excitatory": 5.0, "tau_inhibitory": 10.0, "capacitance": 200.0}
    cases: dict[str, tuple[LIF, list[Background]]] = {
        "jumps": (LIF(), [Background(rate_hz=9_000.0, weight=0.1)]),
        "jumps, two streams": (
            LIF(), [Background(rate_hz=10_000.0, weight=0.15), Background(rate_hz=6_000.0, weight=-0.1)]
        ),
        "currents": (LIF(**currents), [Background(rate_hz=2_000.0, weight=18.0)]),
        "plateaus": (LIF(dendrite=Plateau(3), **currents), [Background(rate_hz=2_000.0, weight=18.0)]),
    }  # fmt: skip
    cost, rates, all_seconds, all_events = {}, {}, 0.0, 0
    for name, (cell, inputs) in cases.items():
        net = Network(seed=1)
        p = net.add(cell, max(int(10_000 * scale), 50), name="e")
        for one in inputs:
            net.background(p, one)
        engine, seconds, events, _ = _timed(net, 100.0)
        cost[name] = PIECES * 1e9 * min(seconds) / max(events, 1)
        rates[name] = float(engine.take_counts()[0].mean() * 10.0)
        all_seconds, all_events = all_seconds + sum(seconds), all_events + events
    return _result("background", [all_seconds], all_events, ns_per_event_of=cost, rates_hz=rates, threads=_threads)


def rewire(scale: float) -> dict[str, Any]:
    """Insertions and deletions in batches, 4 columns, and delivery after ten full turnovers against fresh."""
    n_neuron, fan = max(int(10_000 * scale), 100), 1000 if scale >= 1 else 100
    draw = np.random.default_rng(3)
    n = n_neuron * fan

    def build() -> Table:
        return Table.build(
            n_neuron, n_neuron, [1.0], np.repeat(np.arange(n_neuron), fan), draw.integers(0, n_neuron, n),
            np.zeros(n, dtype=np.int64), 0.1, columns=("a", "b", "c", "d"),
        )  # fmt: skip

    table = build()
    table.ensure_in_lists()
    batch = n // 10
    deleting, inserting = [], []
    nothing = np.zeros(batch, dtype=np.int64)
    for _ in range(6):
        slots = table.slots()[np.sort(draw.choice(n, batch, replace=False))]
        begin = time.perf_counter()
        table._delete(slots)
        middle = time.perf_counter()
        table._insert(
            draw.integers(0, n_neuron, batch), draw.integers(0, n_neuron, batch), nothing,
            np.full(batch, 0.1, dtype=np.float32), 0.0,
        )  # fmt: skip
        deleting.append(middle - begin)
        inserting.append(time.perf_counter() - middle)
    seconds = [a + b for a, b in zip(deleting[1:], inserting[1:], strict=True)]
    out = _result("rewire", seconds, 2 * batch, synapses=n)
    out["ns_per_deletion"] = 1e9 * float(np.median(deleting[1:])) / batch
    out["ns_per_insertion"] = 1e9 * float(np.median(inserting[1:])) / batch
    out["bytes_per_synapse"] = table.memory()
    out["delivery_after_turnovers"] = _delivery_after_turnovers(0.2 * scale)
    return out


def _delivery_after_turnovers(scale: float) -> float:
    """Time of one second of the Brunel network after ten full turnovers, over the fresh one's, alternating."""
    fresh, old = (Engine(brunel_network(scale)) for _ in range(2))
    draw = np.random.default_rng(5)
    for k, table in enumerate(old.tables):
        table.ensure_in_lists()
        for turn in range(40):
            slots = table.slots()
            dead = draw.permutation(slots)[: slots.size // 4]
            m = dead.size
            plan = Plan("bench", dead, source=draw.integers(0, table.n_source, m))
            plan.target, plan.lane = draw.integers(0, table.n_target, m), np.zeros(m, dtype=np.int64)
            plan.birth_weight = np.full(m, table.weight[slots[0]])
            apply(table, merge([plan], table, single_contact=False), tick=turn, life=0.0, log=StructuralLog())
        old.projections[k].multapses = True
    old.refresh_addresses()
    ratios = []
    for engine in (fresh, old):
        engine.run_until(50.0)
    for k in range(5):
        spent = []
        for engine in (fresh, old):
            events = engine.events
            begin = time.perf_counter()
            engine.run_until(50.0 + 100.0 * (k + 1))
            spent.append((time.perf_counter() - begin) / (engine.events - events))
        ratios.append(spent[1] / spent[0])
    return float(np.median(ratios))


def spines(scale: float) -> dict[str, Any]:
    """A tick of the full default mechanism set, per synapse."""
    net = Network(seed=2)
    source = net.add(Poisson(1.0), max(int(1000 * scale), 100), name="source")
    target = net.add(LIF(), max(int(4_000 * scale), 200), name="target")
    q = net.connect(source, target, Near(sigma=300, inputs=max(int(120 * scale), 10)), spines=Spines(weight=0.0))
    q.use(STDP("burst"), SpineSize(), Neurotrophin(feeds=120), Turnover(early=0.0, late=1.4))
    sim = Simulator(net, acceleration=7.2e6)  # a tick of one ms of spikes: nothing but the slow half
    sim.run_until_spike(2.0)
    seconds = []
    for k in range(9):
        begin = time.perf_counter()
        sim.run_until_spike(3.0 + k)
        seconds.append(time.perf_counter() - begin)
    table = sim.tables[q.name]
    return _result("spines", seconds, table.n_synapse, bytes_per_synapse=table.memory())


def mechanisms(scale: float) -> dict[str, Any]:
    """A tick of every mechanism alone, ns per synapse or per neuron, and of the default set."""
    default = spines(scale)
    begin = time.perf_counter()
    table = costs(scale)
    out = _result("mechanisms", [time.perf_counter() - begin], len(table), default_set_ns=default["ns_per_event"])
    return out | {"ns": table}


def startup(scale: float) -> dict[str, Any]:
    """Importing neurodev, beyond NumPy and Numba, and a cached start to the end of the first tick."""

    def wall(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - begin

    first = (
        "from neurodev.studies import development, reading; from importlib.resources import files; "
        "s = reading.load(str(files('neurodev.studies').joinpath('map.toml'))); "
        "sim = development.simulation(s, development.build(s)); sim.simulator.run_until_spike(100.0)"
    )
    wall(first)
    base = [wall("import numpy, numba") for _ in range(5)]
    ours = [wall("import numpy, numba, neurodev") for _ in range(5)]
    begin = [wall(first) for _ in range(3)]
    extra = float(np.median(ours) - np.median(base))
    out = _result("startup", begin, 1)
    out["import_seconds_beyond_numpy_numba"] = extra
    return out


def _of_steps(name: str, measured: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result of a benchmark of training steps, from what `bench.training` measured."""
    again = {k: v for k, v in measured.items() if k not in ("all", "seconds", "spread")}
    return _result(name, measured["all"], measured["operations"], **(again | more))


# The benchmarks of training import `learn` when they are called: those of the engine need none of it.
def train_fc(scale: float) -> dict[str, Any]:
    """A step of 784-800-10 with dense weights at 5 % input; `scale` multiplies the repeats."""
    from neurodev.bench import training as bench_training

    return _of_steps("train-fc", bench_training.measure(1.0, 0.05, repeats=max(3, round(15 * scale))))


def train_sparse(scale: float) -> dict[str, Any]:
    """The same step at falling density and at three rates of input; `scale` multiplies the repeats."""
    from neurodev.bench import training as bench_training

    steps = bench_training.scaling(repeats=max(3, round(9 * scale)))
    return _of_steps("train-sparse", steps[-1], steps=steps)


def train_conv(scale: float) -> dict[str, Any]:
    """A step of the SD-SNN net for MNIST on 100 samples; `scale` multiplies the repeats."""
    from neurodev.bench import training as bench_training

    return _of_steps("train-conv", bench_training.measure_conv(repeats=max(3, round(7 * scale))))


_BENCHMARKS: dict[str, Callable[[float], dict[str, Any]]] = {
    "brunel": brunel, "brunel-stdp": brunel_stdp, "vogels-abbott": vogels_abbott,
    "vogels-abbott-current": vogels_abbott_current, "background": background, "rewire": rewire, "spines": spines,
    "mechanisms": mechanisms, "startup": startup, "train-fc": train_fc, "train-sparse": train_sparse,
    "train-conv": train_conv,
}  # fmt: skip


def run(name: str, scale: float = 1.0, threads: int = 1) -> dict[str, Any]:
    """Run a benchmark by name, those of networks on some threads."""
    global _threads
    _threads = check_threads(threads) or 1
    if name not in _BENCHMARKS:
        raise ParameterError(f"no benchmark {name!r}{nearest(name, _BENCHMARKS)}; there are {sorted(_BENCHMARKS)}")
    if not 0 < scale <= 10:
        raise ParameterError(f"--scale must lie in (0, 10], got {scale}: 1 is the published size")
    return _BENCHMARKS[name](scale)
