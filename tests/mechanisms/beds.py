"""Every registered mechanism in a small network, with the company that it needs: for conformance and for pairs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from neurodev import registry
from neurodev.bench.testbed import KINDS, TICK, companions, refusal, small_network
from neurodev.engine.simulator import Simulator
from neurodev.mechanisms.base import Mechanism
from neurodev.noise import uniforms_of
from neurodev.structure.log import concatenate
from neurodev.structure.verify import replay
from neurodev.units import day

ROOM = 3
# Parameters by which something happens in a few days of a small network; other mechanisms take their defaults.
LIVELY = {
    "STDP": {"rule": "burst", "burst_loss": 1.0},
    "BCM": {"reference_hz": 20.0},
    "NeuronDeath": {"fraction": 0.5, "begin": 0.3 * day, "end": 6 * day, "target_hz": None},
    "Neurogenesis": {
        "rate": 1.5, "axon": 0.2 * day, "first_spine": 0.4 * day, "half": 1 * day, "critical_begin": 1 * day,
        "critical_end": 4 * day,
    },
    "Survival": {"first": 1, "epoch": 0.2 * day},
    "Turnover": {"hazard": 0.1},
    "Rewiring": {"formation": 0.3, "elimination": 0.3},
    "Scaling": {"target_hz": 20.0},
    "Growth": {
        "elements": {
            k: {"curve": "linear", "nu": 1.0 / (0.3 * day), "epsilon": 0.2}
            for k in ("axonal", "dendritic_excitatory", "dendritic_inhibitory")
        },
        "start": 1.0,
    },
}  # fmt: skip
# Mechanisms that act on weights or on sizes as they are told.
ON_WEIGHTS = {"BCM": {"act": "weight"}}
MECHANISMS = registry.ours("mechanism")


def make(name: str, kind: str = "spines") -> Mechanism:
    """An instance with lively parameters for a kind of projection."""
    if name == "Layout":
        return Layout()
    given = LIVELY.get(name, {}) | (ON_WEIGHTS.get(name, {}) if kind != "spines" else {})
    return MECHANISMS[name](**given)


# The company that known mechanisms need; what is not named here is looked for.
COMPANY = {
    "Survival": ("spines", ("BCM",)),
    "Pairing": ("spines", ("Growth",)),
    "Neurotrophin": ("spines", ("SpineSize",)),
    "EarlyPhase": ("spines", ("STDP", "SpineSize")),
    "Heterosynaptic": ("spines", ("Layout", "STDP", "SpineSize")),
    "ClusteredBirths": ("spines", ("Layout", "SpineSize", "Turnover")),
    "InhibitorySTDP": ("inhibitory", ()),
} | {
    n: ("spines", ())
    for n in (
        "STDP", "SpineSize", "Turnover", "Scaling", "BCM", "SpineRange", "CalciumPlasticity", "Growth", "NeuronDeath",
        "Neurogenesis", "SpineStage", "SpineShape", "TrophicFactor",
    )
}  # fmt: skip


@cache
def home(name: str) -> tuple[str, tuple[str, ...]]:
    """The kind of projection and the names of the company that a mechanism needs."""
    if name in COMPANY:
        return COMPANY[name]
    for kind in KINDS:
        others = [make(n, kind) for n in MECHANISMS]
        found = companions(make(name, kind), others, [kind], [Layout()], room=ROOM)
        if found is not None:
            return kind, tuple(m.name for m in found[1])
    raise AssertionError(f"no small network accepts {name}: give it LIVELY parameters in tests/mechanisms/beds.py")


@cache
def homes(name: str) -> list[str]:
    """All kinds of projection on which a mechanism is accepted with that company."""
    return [k for k in KINDS if refusal(everybody(name, k), k, room=ROOM) is None]


def everybody(name: str, kind: str) -> list[Mechanism]:
    """The company of a mechanism, and itself."""
    return [make(n, kind) for n in (*home(name)[1], name)]


@dataclass(frozen=True)
class Bystander(Mechanism):
    """Owns a column that nobody else may touch: the uid of the synapse."""

    owns: ClassVar[tuple[str, ...]] = ("bystander",)

    def columns(self):
        return {"bystander": 0.0}

    def prepare(self, view):
        self.born(view, view.slots())

    def born(self, view, slots):
        view.table.column("bystander")[slots] = view.table.uid[slots].astype(float)


@dataclass(frozen=True)
class NeuronBystander(Mechanism):
    """Owns a signal that nobody else may touch: the number of the neuron, from 1."""

    level: ClassVar[str] = "neuron"
    owns: ClassVar[tuple[str, ...]] = ("onlooker",)

    def columns(self):
        return {"onlooker": 0.0}

    def prepare(self, view):
        self.born(view, np.flatnonzero(view.block.alive))

    def born(self, view, slots):
        view.block["onlooker"][slots] = slots + 1.0


@dataclass(frozen=True)
class Layout(Mechanism):
    """Lays synapses out on four branches, for mechanisms that act along them."""

    owns: ClassVar[tuple[str, ...]] = ("branch", "place")
    reach: ClassVar[str] = "target"

    def columns(self):
        return {"branch": 0.0, "place": 0.0}

    def prepare(self, view):
        self.born(view, view.slots())

    def born(self, view, slots):
        uid = view.table.uid[slots]
        view.table.column("branch")[slots] = np.floor(4.0 * uniforms_of(view.key("branch"), uid))
        view.table.column("place")[slots] = 40.0 * uniforms_of(view.key("place"), uid)


class Watch:
    """Verifies every invariant after each tick, and keeps the log."""

    def __init__(self, sim):
        self.first = {k: t.state() for k, t in sim.tables.items()}
        self.batches = {k: [] for k in sim.tables}
        self.sim = sim
        sim.listeners.append(self)

    def on_tick(self, sim, report):
        sim.verify()
        for name, batch in report.logs.items():
            self.batches[name].append(batch)
        for name, b in sim.blocks.items():
            for signal, values in b.signals.items():
                assert np.isfinite(values).all(), f"{signal} of {name} is not finite in tick {report.tick}"

    def check_log(self):
        """The log, replayed onto the first structure, gives the last one."""
        for name, batches in self.batches.items():
            first, last = self.first[name], self.sim.tables[name].state()
            uid, pre, post, lane = replay(
                first["uid"], first["pre"], first["post"], first["lane"], concatenate(batches)
            )
            order = np.argsort(last["uid"])
            for ours, theirs in ((uid, "uid"), (pre, "pre"), (post, "post"), (lane, "lane")):
                np.testing.assert_array_equal(ours, last[theirs][order])

    def check_bystanders(self):
        """Columns and signals of others keep their bytes."""
        state, block = self.sim.tables["p"].state(), self.sim.blocks["target"]
        if "bystander" in state:
            np.testing.assert_array_equal(state["bystander"], state["uid"].astype(float))
        if "onlooker" in block:
            np.testing.assert_array_equal(block["onlooker"][block.alive], np.flatnonzero(block.alive) + 1.0)


def start(mechanisms, kind, *, spikes=20.0, blocked=(), **options) -> tuple[Simulator, Watch]:
    """A simulator of these mechanisms, `spikes` ms of spike time a tick, watched."""
    net = small_network(mechanisms, kind, room=ROOM, **options)
    sim = Simulator(net, acceleration=TICK / spikes, tick=TICK, blocked=set(blocked))
    return sim, Watch(sim)


def state(sim: Simulator) -> dict[str, np.ndarray]:
    """Everything a run has come to, by name."""
    out = {"potential": sim.engine.potential("target")}
    for name, t in sim.tables.items():
        out |= {f"{name}.{k}": v for k, v in t.state().items()}
    for name, b in sim.blocks.items():
        out |= {f"{name}.{k}": v.copy() for k, v in b.signals.items()}
        out |= {f"{name}.alive": b.alive.copy(), f"{name}.born": b.born.copy(), f"{name}.died": b.died.copy()}
    return out


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    """Bit for bit, in what both have."""
    for k in a.keys() & b.keys():
        assert a[k].tobytes() == b[k].tobytes(), k


PAIRS = list(itertools.combinations(MECHANISMS, 2))
