"""What is declared first decides nothing: the same network in another order is the same network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.structure.cause import cause_code
from neurodev.structure.log import DEATH, LogBatch, concatenate
from neurodev.structure.plan import Plan
from neurodev.units import hour

STDP = nd.STDP("burst", period=500.0, burst_loss=1.0)
GROWTH = nd.Growth({"axonal": nd.LinearGrowth(nu=1e-7), "dendritic_excitatory": nd.LinearGrowth(nu=1e-7)}, start=2.0)
POPULATIONS = ("retina", "waves", "exc", "inh")
PROJECTIONS = ("map", "other", "again", "recurrent", "outward", "back", "dendritic")
MANY = (nd.TrophicFactor(prune=2.0, sprout=1.0), nd.Turnover(early=4.0, late=4.0), nd.SpineSize(), STDP)
FEW = (nd.Neurotrophin(feeds=10), nd.SpineSize(), STDP, nd.Turnover())


def network(
    populations: Sequence[str], projections: Sequence[str], turn: int, backgrounds: Sequence[int]
) -> nd.Network:
    """Spines, elements, currents and drives; everything declared in the order that is asked for."""
    net = nd.Network(seed=5, sheet=nd.Sheet(300, 300))
    of: dict[str, Any] = {
        "retina": (nd.Poisson(25.0), 20), "waves": (nd.Regular(12.0), 12), "exc": (nd.LIF(), 12),
        "inh": (nd.LIF(tau_excitatory=5.0, tau_inhibitory=5.0, dendrite=nd.Branches(3)), 6),
    }  # fmt: skip
    p = {name: net.add(*of[name], name=name, inhibitory=name == "inh") for name in populations}
    spines = nd.Spines(weight=4.0)
    how: dict[str, Any] = {
        "map": ("retina", "exc", nd.Near(160, 6), {"spines": spines}, MANY),
        "other": ("waves", "exc", nd.Near(160, 4), {"spines": spines, "delay": nd.Uniform(1.0, 3.0)}, FEW),
        "again": ("retina", "inh", nd.Near(160, 4), {"spines": nd.Spines(weight=60.0)}, FEW),
        "recurrent": ("exc", "exc", nd.Degree(2), {"weight": 1.0}, (nd.Pairing(),)),
        "outward": ("exc", "inh", nd.Degree(2), {"weight": 20.0}, (nd.Pairing(),)),
        "back": ("inh", "exc", nd.Degree(2), {"weight": 1.0}, ()),
        "dendritic": ("waves", "inh", nd.Degree(2), {"weight": 20.0}, ()),
    }
    for name in projections:
        source, target, wiring, options, uses = how[name]
        q = net.connect(p[source], p[target], wiring, name=name, **options)
        for k in range(len(uses)):
            q.use(uses[(k + turn) % len(uses)])
    first, second = (nd.Scaling(), GROWTH)[:: 1 if turn % 2 else -1]
    p["exc"].use(first, second)
    p["inh"].use(nd.Growth({"dendritic_excitatory": nd.LinearGrowth(nu=1e-7)}, start=2.0))
    given = [("exc", 200.0, 1.0), ("inh", 600.0, 90.0), ("exc", 100.0, -1.0)]
    for k in backgrounds:
        name, rate, weight = given[k]
        net.background(p[name], nd.Background(rate_hz=rate, weight=weight))
    return net


class Watch:
    """What is heard from a run: its log, by projection."""

    def __init__(self) -> None:
        self.logs: dict[str, list[LogBatch]] = {}

    def on_tick(self, simulator: Simulator, report: Any) -> None:
        for name, batch in report.logs.items():
            self.logs.setdefault(name, []).append(batch)


def told(net: nd.Network) -> dict[str, np.ndarray]:
    """All that can be known of a run of ten ticks, by name, synapses by uid."""
    sim, watch = Simulator(net, acceleration=2 * hour / 500.0), Watch()
    sim.listeners.append(watch)
    trains: list[tuple[Any, Any, Any]] = [(np.zeros(0), np.zeros(0), np.zeros(0))]
    sim.engine.sink = lambda epoch, t, who, index: trains.append((epoch + t, who, index))
    for k in range(len(net.populations)):
        sim.engine.record_trains(k, True)
    sim.run_until_spike(10 * 500.0)
    sim.verify()
    times, who, index = (np.concatenate(column) for column in zip(*trains, strict=True))
    out: dict[str, np.ndarray] = {}
    for p in net.populations.values():
        mine = who == p.index
        order = np.lexsort((index[mine], times[mine]))
        out |= {f"times {p.name}": times[mine][order], f"cells {p.name}": index[mine][order]}
        out |= {f"{p.name}.{name}": values for name, values in sim.blocks[p.name].signals.items()}
        if not p.is_drive:
            out[f"V {p.name}"] = sim.engine.potential(p.name)
    for name in net.projections:
        state = sim.state(name)
        by = np.argsort(state["uid"])
        out |= {f"{name}.{column}": np.asarray(values)[by] for column, values in state.items()}
        log = concatenate(watch.logs.get(name, []))
        order = np.lexsort((log.uid, log.tick))
        out |= {
            f"log {name}.{f}": getattr(log, f)[order] for f in ("tick", "kind", "uid", "cause", "pre", "post", "value")
        }
    return out


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.compiled
def test_what_is_declared_first_decides_nothing() -> None:
    """Populations, projections, mechanisms and backgrounds turned round: the same to the last bit."""
    expected = told(network(POPULATIONS, PROJECTIONS, 0, (0, 1, 2)))
    for name in ("map", "other", "again", "recurrent", "outward"):
        assert expected[f"log {name}.uid"].size > 5, name
    assert expected["times exc"].size > 100 and expected["times inh"].size > 50
    back, far = POPULATIONS[::-1], PROJECTIONS[3:] + PROJECTIONS[:3]
    orders = [(back, PROJECTIONS, (2, 1, 0)), (POPULATIONS, PROJECTIONS[::-1], (1, 0, 2)), (back, far, (2, 1, 0))]
    for turn, (populations, projections, backgrounds) in enumerate(orders, 1):
        assert_same(told(network(populations, projections, turn, backgrounds)), expected)


@dataclass(frozen=True)
class _Wish(nd.Mechanism):
    """Lets the three oldest die, and a synapse be born on one pair with a delay of its own, at the second tick."""

    equation: ClassVar[str] = "none"
    word: ClassVar[str] = ""
    lane: ClassVar[int] = 0

    def propose(self, view: Any) -> Plan | None:
        if not self.word or view.clock.tick != 2:
            return None
        oldest = view.slots()[np.argsort(view.table.uid[view.slots()])[:3]]
        cause = np.full(3, cause_code(self.word), dtype=np.uint8)
        term = {f"{self.word}_term": np.full(3, float(self.lane), dtype=np.float32)}
        births = {"source": [0], "target": [1], "lane": [self.lane], "birth_cause": cause[:1]}
        return Plan(self.name, oldest, cause, terms=term, **births)


@dataclass(frozen=True)
class WishOne(_Wish):
    """The one that sorts first by name."""

    causes: ClassVar[dict[str, nd.Cause]] = {"zeal": nd.Cause("one wished it")}
    terms: ClassVar[dict[str, str]] = {"zeal_term": "1"}
    word: ClassVar[str] = "zeal"


@dataclass(frozen=True)
class WishTwo(_Wish):
    """The other."""

    causes: ClassVar[dict[str, nd.Cause]] = {"apathy": nd.Cause("two wished it")}
    terms: ClassVar[dict[str, str]] = {"apathy_term": "1"}
    word: ClassVar[str] = "apathy"
    lane: ClassVar[int] = 1


@dataclass(frozen=True)
class WishLast(nd.Turnover):
    """One of ours asks as well: ours come first."""

    def propose(self, view: Any) -> Plan | None:
        slots = view.slots()[:3] if view.clock.tick == 2 else np.zeros(0, dtype=np.int64)
        return Plan(self.name, slots, np.full(slots.size, cause_code("turnover"), dtype=np.uint8))


def wished(uses: Sequence[nd.Mechanism]) -> LogBatch:
    net = nd.Network(seed=1)
    cells = net.add(nd.LIF(), 6, name="cells")
    pairs = nd.Pairs([2, 2, 3, 4], [0, 1, 1, 5])
    net.connect(cells, cells, pairs, weight=1.0, delay=nd.DelayList([1.0, 2.0, 1.0, 2.0]), name="q").use(*uses)
    sim, watch = Simulator(net, tick=1000.0), Watch()
    sim.listeners.append(watch)
    sim.run_until_spike(2000.0)
    return concatenate(watch.logs["q"])


@pytest.mark.parametrize(("others", "word"), [((), "zeal"), ((WishLast(),), "turnover")])
def test_of_two_wishes_the_one_that_acts_first_is_told(others: tuple[Any, ...], word: str) -> None:
    """One death of two causes, one pair with two births: cause, terms and delay are not those of the first in line."""
    for uses in itertools.permutations((WishOne(), WishTwo(), *others)):
        log = wished(uses)
        dead = log.kind == DEATH
        assert (log.cause[dead] == cause_code(word)).all() and dead.sum() == 3
        assert log.lane[~dead].tolist() == [0] and log.cause[~dead].tolist() == [cause_code("zeal")]


@pytest.mark.compiled
def test_who_reads_may_be_named_before_who_gathers() -> None:
    """Survival by neurons stands on what BCM gathers, whichever is used first."""
    for uses in itertools.permutations((nd.Survival(of="neuron"), nd.BCM())):
        net = nd.Network(seed=1)
        source, cells = net.add(nd.Poisson(20.0), 8, name="source"), net.add(nd.LIF(), 4, name="cells")
        net.connect(source, cells, nd.Degree(4), weight=4.0, name="q").use(*uses)
        Simulator(net, acceleration=14400.0).run_until_spike(1000.0)


def tied(order: Sequence[str]) -> dict[str, np.ndarray]:
    """Exact ties: one drive through three projections of one delay onto cells without refractoriness."""
    net = nd.Network(seed=1)
    source = net.add(nd.Regular(50.0), 3, name="source")
    cells = net.add(nd.LIF(refractory=0.0), 8, name="cells")
    for name in order:
        weight = {"small": 4.0, "large": 13.0, "plastic": 9.0}[name]
        q = net.connect(source, cells, nd.Degree(2), weight=weight, name=name)
        if name == "plastic":
            q.use(nd.STDP(potentiation=0.3, depression=0.1, weight_max=12.0))
    return told(net)


@pytest.mark.compiled
def test_exact_ties_are_settled_by_name() -> None:
    """Where the threshold is tested after each of several simultaneous arrivals, who is first matters."""
    expected = tied(("small", "large", "plastic"))
    for order in itertools.permutations(("small", "large", "plastic")):
        assert_same(tied(order), expected)
