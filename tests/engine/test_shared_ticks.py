"""Ticks that ranks share: each has the synapses onto its own neurons, and what comes out is that of one process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import ClassVar

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import shared_plans
from neurodev.engine.ranks import Ranks
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError, InvariantError, ParameterError, SimulationError
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.turnover import Partners
from neurodev.params import param
from neurodev.structure.plan import Plan
from neurodev.units import hour
from tests.engine import ranks_program as program
from tests.engine.comms import on_ranks, same_everywhere
from tests.engine.test_parts import digest, everything
from tests.mechanisms.beds import MECHANISMS, ROOM, TICK, everybody, home, homes, small_network
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, circuit

SHARED = [n for n, m in MECHANISMS.items() if m.level == "neuron" or m.reach == "target"]
WHOLE = [n for n in MECHANISMS if n not in SHARED]


def bed(name: str, kind: str, ranks: Ranks | None = None, *more: Mechanism) -> Simulator:
    """A mechanism with its company, and births and deaths in any case."""
    company = everybody(name, kind)
    if all(type(m).propose is Mechanism.propose for m in company if m.level == "synapse"):
        company.append(nd.Turnover(early=3.0, late=3.0, hazard=0.2))
    net = small_network([*company, *more], kind, room=ROOM, targets=7)
    return Simulator(net, acceleration=TICK / 6.0, tick=TICK, threads=1, ranks=ranks)


def told(sim: Simulator, stop: float) -> str:
    """All that a run tells: what it has come to, and each tick's log."""
    logs, counts = [], []

    def on_tick(simulator, report):
        logs.extend(np.ascontiguousarray(c).tobytes() for batch in report.logs.values() for c in batch)
        counts.extend((d.n_born, d.n_died, sum(d.refused.values())) for d in report.applied.values())
        counts.extend((simulator.n_synapse(name), simulator.engine.uids.next, 0) for name in simulator.tables)

    sim.listeners.append(type("Log", (), {"on_tick": staticmethod(on_tick)})())
    sim.run_until_spike(stop)
    sim.verify()
    return digest(
        everything(sim) | {"log": np.frombuffer(b"".join(logs), np.uint8), "counts": np.array(counts)}
    )  # fmt: skip


@cache
def alone(name: str, kind: str) -> str:
    return told(bed(name, kind), 72.0)


def test_who_asks_for_no_more_than_the_synapses_of_a_target():
    assert sorted(WHOLE) == ["Pairing", "SpineRange", "Survival", "TrophicFactor"]


@pytest.mark.compiled
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("name", SHARED)
def test_every_declared_mechanism_is_the_same_where_ranks_have_shares(name, size):
    for kind in homes(name):

        def work(comm, kind=kind):
            sim = bed(name, kind, Ranks(comm, True))
            said = told(sim, 72.0)
            used = sim.network.projections["p"].mechanisms
            assert ("p" in sim.engine.split) == all(m.reach == "target" for m in used)
            return said

        assert same_everywhere(on_ranks(size, work)) == alone(name, kind)


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["SpineRange", "Survival", "TrophicFactor", "Pairing"])
def test_who_declares_too_much_is_found_out(name, monkeypatch):
    """What looks at all synapses comes to something else on shares, or ranks see that they disagree."""
    kind, more = home(name)[0], [nd.SpineSize()] if name == "SpineRange" else []  # which ranges follow
    monkeypatch.setattr(MECHANISMS[name], "reach", "target")

    def work(comm):
        sim = bed(name, kind, Ranks(comm, True), *more)
        assert "p" in sim.engine.split
        return told(sim, 72.0)

    try:
        found = on_ranks(2, work)
    except (SimulationError, InvariantError, IndexError, ValueError) as e:
        assert "different results" in str(e) or not isinstance(e, SimulationError)
        return
    assert found[0] != told(bed(name, kind, None, *more), 72.0)


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("kind", "size"), [("jumps", 2), ("jumps", 1), ("currents", 3), pytest.param("plateaus", 4, marks=pytest.mark.slow)]
)
def test_a_life_is_the_same_where_ranks_have_shares(kind, size):
    """Births and deaths of neurons, a lesion, silence: STDP, SpineSize, Neurotrophin, Turnover, Scaling."""
    found = on_ranks(size, lambda comm: program.lives(Ranks(comm, True), 1, [kind]))
    assert same_everywhere(found) == program.lives(None, 1, [kind])


@pytest.mark.compiled
def test_another_seed_differs():
    found = [on_ranks(2, lambda comm, s=s: program.life(Ranks(comm, True), 1, "jumps", seed=s))[0] for s in (1, 2)]
    assert found[0] != found[1] and found[1] == program.life(None, 1, "jumps", seed=2)


@pytest.mark.compiled
def test_it_is_the_order_of_plans_that_makes_it_so(monkeypatch):
    """With births in another order their uids are others."""
    order = shared_plans._in_order
    monkeypatch.setattr(shared_plans, "_in_order", lambda dead, born: order(dead[::-1], born[::-1]))
    try:
        found = on_ranks(2, lambda comm: program.life(Ranks(comm, True), 1, "jumps"))
    except (SimulationError, InvariantError, IndexError, ValueError):
        return
    assert found[0] != program.life(None, 1, "jumps")


@pytest.mark.compiled
def test_each_rank_has_its_share_of_the_synapses_and_all_know_how_many_there_are():
    def work(comm):
        sim = Simulator(circuit(room=4, death=DYING, growth=GROWING), **FAST, ranks=Ranks(comm, True))
        sim.run_until_spike(3000.0)
        assert sorted(sim.engine.split) == sorted(sim.tables)
        for name, q in sim.network.projections.items():
            table, own = sim.tables[name], sim.views[name].own
            post = table.post[table.slots()]
            assert ((post >= own[0]) & (post < own[1])).all()
            assert q.spines is None or table.n_synapse < 0.75 * sim.n_synapse(name)
        return {name: (t.n_synapse, sim.n_synapse(name)) for name, t in sim.tables.items()}

    found = on_ranks(3, work)
    whole = Simulator(circuit(room=4, death=DYING, growth=GROWING), **FAST)
    whole.run_until_spike(3000.0)
    for name, table in whole.tables.items():
        assert sum(f[name][0] for f in found) == table.n_synapse
        assert {f[name][1] for f in found} == {table.n_synapse}


def test_columns_are_brought_together_one_by_one_when_they_are_asked_for():
    def work(comm):
        sim = Simulator(crowded(), acceleration=2 * hour / 20.0, ranks=Ranks(comm, True))
        sim.run_until_spike(40.0)
        sim.engine.together()
        before = sim.ranks.messages
        state = sim.state("up")
        assert "log_size" in state and "nothing" not in state and len(state) == len(list(state))
        assert sim.ranks.messages == before
        uid = state["uid"]
        assert sim.ranks.messages == before + 2
        return np.sort(uid)

    whole = Simulator(crowded(), acceleration=2 * hour / 20.0)
    whole.run_until_spike(40.0)
    np.testing.assert_array_equal(same_everywhere(on_ranks(2, work)), np.sort(whole.state("up")["uid"]))


# ---------------------------------------------------------------- a mechanism of one's own


@dataclass(frozen=True)
class Crowding(Mechanism):
    """Spines of crowded targets shrink; how crowded a target is, all know, also who projects onto others."""

    reach: ClassVar[str] = "target"
    adds: ClassVar[tuple[str, ...]] = ("crowd", "drive_crowding")
    causes: ClassVar[dict[str, nd.Cause]] = {"crowding": nd.Cause("it was crowded out", colour="#7A3A7A")}

    def columns(self):
        return {"drive_crowding": 0.0}

    def prepare(self, view):
        view.target.add("crowd")
        self.settle(view)

    def add(self, view):
        slots = view.slots()
        beside = view.target["crowd"][view.table.post[slots]] + view.source["rate_hz"][view.table.pre(slots)]
        view.table.column("drive_crowding")[slots] -= 0.02 * beside

    def settle(self, view):
        view.target["crowd"][:] = np.bincount(view.table.post[view.slots()], minlength=view.target.n)


@dataclass(frozen=True)
class Loop(Mechanism):
    """Reads, from the sources of another projection, what a rank has counted of its targets."""

    reach: ClassVar[str] = "target"
    adds: ClassVar[tuple[str, ...]] = ("drive_crowding",)

    def columns(self):
        return {"drive_crowding": 0.0}

    def add(self, view):
        slots = view.slots()
        view.table.column("drive_crowding")[slots] += 0.05 * view.source["crowd"][view.table.pre(slots)]


def crowded(seed: int = 4) -> nd.Network:
    net = nd.Network(seed=seed)
    r, e = net.add(nd.Poisson(20.0), 20, name="r"), net.add(nd.LIF(), 11, name="e")
    up = net.connect(r, e, nd.Degree(6), spines=nd.Spines(weight=5.0), delay=1.5, name="up")
    up.use(nd.SpineSize(), nd.Turnover(early=8.0, hazard=0.3), Crowding())
    loop = net.connect(e, e, nd.Degree(3), spines=nd.Spines(weight=2.0), delay=1.5, name="loop")
    loop.use(nd.SpineSize(), nd.Turnover(late=3.0), Loop())
    return net


def crowd(ranks: Ranks | None) -> str:
    sim = Simulator(crowded(), acceleration=2 * hour / 20.0, ranks=ranks)
    assert ranks is None or sorted(sim.engine.split) == ["loop", "up"]
    return told(sim, 200.0)


@pytest.mark.parametrize("size", [2, 4])
def test_what_a_mechanism_counts_of_targets_is_told_to_all(size):
    assert same_everywhere(on_ranks(size, lambda comm: crowd(Ranks(comm, True)))) == crowd(None)


def test_what_is_not_told_is_seen(monkeypatch):
    monkeypatch.setattr(Crowding, "adds", ("drive_crowding",))
    with pytest.raises(SimulationError, match="different results of tick 1"):
        on_ranks(2, lambda comm: crowd(Ranks(comm, True)))


def test_reach_is_not_inherited_and_is_one_of_two_words():
    class Mine(nd.Turnover):
        pass

    assert nd.Turnover.reach == "target" and Mine.reach == "all"
    with pytest.raises(ParameterError, match="reach must be 'all' or 'target', got 'synapse'"):

        class Wrong(Mechanism):
            reach = "synapse"


@dataclass(frozen=True)
class Rash(Mechanism):
    """Does one thing wrong, in tick 2."""

    reach: ClassVar[str] = "target"
    owns: ClassVar[tuple[str, ...]] = ("rash",)
    what: str = param("nan", source="free")

    def columns(self):
        return {"rash": 0.0}

    def advance(self, view):
        if self.what == "nan" and view.clock.tick == 2:
            view.table.column("rash")[view.slots()[view.table.post[view.slots()] == 9]] = np.nan

    def propose(self, view):
        births = {"births": [5, 3, 4, 2], "foreign": [0, 1, 2, 9, 10]}.get(self.what, [])
        if view.clock.tick != 2 or not births:
            return None
        n = len(births)
        return Plan(
            self.name, source=np.arange(n), target=np.array(births), lane=np.zeros(n, int),
            birth_cause=np.full(n, 1, np.uint8),
        )  # fmt: skip


def rash(what: str, comm) -> Simulator:
    net = nd.Network(seed=2)
    r, e = net.add(nd.Poisson(20.0), 6, name="r"), net.add(nd.LIF(), 12, name="e")
    net.connect(r, e, nd.Degree(2), weight=0.5, delay=1.5, name="q").use(Rash(what))
    return Simulator(net, tick=10.0, ranks=None if comm is None else Ranks(comm, True))


def failed(what: str, error: type[Exception], comm) -> str:
    with pytest.raises(error) as e:
        rash(what, comm).run_until_spike(50.0)
    return str(e.value)


def test_what_one_rank_finds_wrong_all_of_them_tell():
    said = on_ranks(3, partial(failed, "nan", SimulationError))
    assert said[2].startswith("Rash on 'q': rash is nan in 2 of ")
    assert said[0] == said[1] == f"{said[2]} (rank 2)"


def test_a_share_that_is_damaged_stops_all_of_them():
    def work(comm):
        sim = rash("nothing", comm)
        sim.run_until_spike(15.0)
        sim.verify()
        if comm.rank == 1:
            sim.tables["q"].post[sim.tables["q"].slots()[:1]] = 11
        with pytest.raises(
            (InvariantError, SimulationError), match="'q': slot .* onto neuron 11, of another rank"
        ) as e:
            sim.verify()
        return str(e.value).endswith("(rank 1)")

    assert on_ranks(3, work) == [True, False, True]


def test_a_share_that_cannot_be_prepared_ends_the_others():
    @dataclass(frozen=True)
    class Choosy(Mechanism):
        reach: ClassVar[str] = "target"

        def prepare(self, view):
            if view.own is not None and view.own[0] == 0:
                raise BuildError("not these")

    def work(comm):
        net = nd.Network(seed=2)
        r, e = net.add(nd.Poisson(20.0), 6, name="r"), net.add(nd.LIF(), 12, name="e")
        net.connect(r, e, nd.Degree(2), weight=0.5, delay=1.5, name="q").use(Choosy())
        with pytest.raises((BuildError, SimulationError)) as failed:
            nd.Simulation(net, comm=comm, split=True)
        return str(failed.value)

    said = on_ranks(2, work)
    assert said[0] == "not these" and "rank 0 stopped" in said[1]


def test_births_that_ranks_could_not_put_in_order_are_refused():
    said = on_ranks(2, partial(failed, "births", (ParameterError, SimulationError)))
    assert any("births must follow each other by target" in text for text in said)


def test_births_onto_the_targets_of_others_are_theirs():
    def work(comm):
        sim = rash("foreign", comm)
        return told(sim, 30.0)

    assert same_everywhere(on_ranks(2, work)) == work(None)


# ---------------------------------------------------------------- what does not go


@pytest.mark.compiled
def test_several_contacts_of_a_pair_come_and_go():
    """Which of them comes first in a sum does not follow from who lies beside them, here or elsewhere."""

    def days(comm) -> str:
        net = nd.Network(seed=3)
        a, b = net.add(nd.Poisson(20.0), 10, name="a"), net.add(nd.LIF(), 12, name="b")
        several = nd.Contacts(nd.Degree(5), more=0.7)
        q = net.connect(a, b, several, spines=nd.Spines(weight=2.0), delay=1.5, multapses=True, name="q")
        q.use(
            nd.STDP("burst", period=500.0, burst_loss=1.0), nd.SpineSize(), nd.Neurotrophin(feeds=10),
            nd.Turnover(early=20.0, late=5.0, hazard=0.5),
        )  # fmt: skip
        sim = Simulator(net, acceleration=2 * hour / 30.0, ranks=None if comm is None else Ranks(comm, True))
        sim.run_until_spike(30.0 * 10)
        sim.kill_neurons(b, np.array([5]), "lesion")
        said = told(sim, 30.0 * 40)
        pairs = sim.tables["q"].pre(sim.tables["q"].slots()) * 12 + sim.tables["q"].post[sim.tables["q"].slots()]
        assert np.unique(pairs).size < pairs.size and (comm is None or set(sim.engine.split) == {"q"})
        return said

    one = days(None)
    for n in (2, 3):
        assert on_ranks(n, days) == [one] * n


@pytest.mark.compiled
@pytest.mark.parametrize(("dense", "listed"), [(1 << 22, 1 << 25), (60, 1 << 25), (60, 10)])
def test_days_of_a_growing_map(dense, listed, monkeypatch):
    """A longer run with everything that the default study has, and an early phase; its kernel kept whole, by lists of
    candidates, or not at all."""
    monkeypatch.setattr("neurodev.mechanisms.turnover._DENSE", dense)
    monkeypatch.setattr("neurodev.mechanisms.turnover._LISTED", listed)

    def days(comm) -> str:
        net = nd.Network(seed=9, sheet=nd.Sheet(300, 300))
        r, e = net.add(nd.Poisson(15.0), 30, name="r"), net.add(nd.LIF(), 17, name="e")
        e.use(nd.Scaling(target_hz=2.0))
        q = net.connect(r, e, nd.Near(120, 8), spines=nd.Spines(weight=5.0), delay=nd.Uniform(1, 4))
        q.use(
            nd.STDP("burst", period=500.0, burst_loss=1.0), nd.SpineSize(), nd.EarlyPhase(), nd.Neurotrophin(feeds=10),
            nd.Turnover(early=8.0, late=2.0, hazard=0.05),
        )  # fmt: skip
        sim = Simulator(net, acceleration=2 * hour / 60.0, ranks=None if comm is None else Ranks(comm, True))
        said = told(sim, 60.0 * 12 * 3)
        kept, share = sim.views["r_e"].kept(Partners), 17 if comm is None else 6
        assert (kept.whole is not None) == (dense > 60) and (kept.lists is not None) == (dense == 60 and listed > 10)
        assert kept.whole is None or len(kept.whole) <= share
        assert kept.lists is None or np.count_nonzero(np.diff(kept.lists.start)) <= share
        assert comm is None or sim.tables["r_e"].n_synapse < 0.42 * sim.n_synapse("r_e")  # 5 or 6 of 17 targets
        return said

    assert same_everywhere(on_ranks(3, days)) == days(None)
