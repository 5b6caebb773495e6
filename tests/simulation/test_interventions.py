"""Interventions: what can never be done is refused when it is scheduled, and what cannot be done any more is told.

No intervention leaves a run that cannot go on, and none does nothing in silence.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import NeurodevError, ParameterError, SimulationError
from neurodev.structure import weight as weight_map
from neurodev.units import day, hour

NAN, INF = float("nan"), float("inf")
NOBODY = np.zeros(0, dtype=np.int64)


def network(**how: Any) -> nd.Network:
    """Six cells onto six, one each, and a projection and a population without any interest."""
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(20.0), 6, name="s"), net.add(nd.LIF(), 6, name="e")
    net.background(e, nd.Background(rate_hz=10.0, weight=0.1))
    net.connect(s, e, nd.OneToOne(), name="q", **({"weight": 3.0, "delay": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]} | how))
    return net


def spiny() -> nd.Network:
    net = network(weight=None, spines=nd.Spines(weight=3.0), delay=1.0)
    net.projections["q"].use(nd.SpineSize(death="none"))
    return net


def empty() -> nd.Network:
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(20.0), 6, name="s"), net.add(nd.LIF(), 6, name="e")
    net.connect(s, e, nd.Pairs(NOBODY, NOBODY), weight=[], name="q")
    return net


def trophic() -> nd.Network:
    net = spiny()
    net.projections["q"].use(nd.TrophicFactor())
    return net


REFUSED: dict[str, tuple[Callable[[], nd.Network], Callable[[nd.Network], Any], str]] = {
    "unknown population": (network, lambda n: nd.Silence("ee"), "no population 'ee'.*did you mean 'e'"),
    "unknown projection": (network, lambda n: nd.RemoveSynapses("p", source=0), "no projection 'p'"),
    "another network's": (network, lambda n: nd.Lesion(network().populations["e"]), "no population of this network"),
    "another network's projection": (
        network, lambda n: nd.AddSynapses(network().projections["q"], [0], [1]), "no projection of this network"),
    "silence by a word": (network, lambda n: nd.Silence("e", on="no"), "Silence.on must be True or False, got 'no'"),
    "block by a word": (spiny, lambda n: nd.Block("q", "SpineSize", on="no"), "Block.on must be True or False"),
    "block nothing": (spiny, lambda n: nd.Block("q", 7), "does not use '7'"),
    "block nowhere": (spiny, lambda n: nd.Block("s", "SpineSize"), "'s' does not use 'SpineSize'"),
    "rate below zero": (network, lambda n: nd.SetRate("e", -1.0), "SetRate.rate_hz .*got -1.0"),
    "rate nan": (network, lambda n: nd.SetRate("e", NAN), "SetRate.rate_hz .*got nan"),
    "rate inf": (network, lambda n: nd.SetRate("e", INF), "SetRate.rate_hz .*got inf"),
    "rate without end": (network, lambda n: nd.SetRate("e", 1e18), r"SetRate.rate_hz .*got 1e\+18"),
    "rate by a word": (network, lambda n: nd.SetRate("e", "5"), "SetRate.rate_hz .*got '5'"),
    "rate true": (network, lambda n: nd.SetRate("e", True), "SetRate.rate_hz .*got True"),
    "lesion of fractions": (network, lambda n: nd.Lesion("e", [0.5]), "Lesion.neurons .*fractions"),
    "lesion of a short mask": (network, lambda n: nd.Lesion("e", [True]), "Lesion.neurons .*the mask has length 1"),
    "lesion of nobody": (network, lambda n: nd.Lesion("e", []), "Lesion.neurons .*picks none"),
    "lesion beyond": (network, lambda n: nd.Lesion("e", [6]), "Lesion.neurons .*6 is beyond"),
    "remove nothing named": (network, lambda n: nd.RemoveSynapses("q"), "needs uids="),
    "remove both ways": (network, lambda n: nd.RemoveSynapses("q", uids=[1], source=[0]), "not both"),
    "remove beyond": (network, lambda n: nd.RemoveSynapses("q", source=[99]), "RemoveSynapses.source .*99 is beyond"),
    "remove a foreign uid": (network, lambda n: nd.RemoveSynapses("q", uids=[99]), "uid 99 the first"),
    "remove no uid": (network, lambda n: nd.RemoveSynapses("q", uids=[]), "names none"),
    "remove where nothing is": (network, lambda n: nd.RemoveSynapses("q", source=[0], target=[1]), "no synapse of 'q'"),
    "undeclared cause": (network, lambda n: nd.RemoveSynapses("q", source=[0], cause="banana"), "cause 'banana'"),
    "cause of no type": (
        network, lambda n: nd.RemoveSynapses("q", source=[0], cause=["x"]), "RemoveSynapses.cause must be a word"),
    "add beyond": (network, lambda n: nd.AddSynapses("q", [99], [0]), "AddSynapses.source .*99 is beyond"),
    "add masks": (network, lambda n: nd.AddSynapses("q", [True] * 6, [True] * 6), "the order counts"),
    "add unequal": (network, lambda n: nd.AddSynapses("q", [0, 1], [1]), "equal length, got 2 and 1"),
    "add twice": (network, lambda n: nd.AddSynapses("q", [0, 0], [1, 1]), "names a pair twice"),
    "add where one is": (network, lambda n: nd.AddSynapses("q", [0], [0]), r"the pair \(0, 0\) has a synapse already"),
    "add nan": (network, lambda n: nd.AddSynapses("q", [0], [1], weight=NAN), "AddSynapses.weight .*got nan"),
    "add inf": (network, lambda n: nd.AddSynapses("q", [0], [1], weight=INF), "AddSynapses.weight .*got inf"),
    "add a wrong sign": (network, lambda n: nd.AddSynapses("q", [0], [1], weight=-2.0), "sign of their source"),
    "add text": (network, lambda n: nd.AddSynapses("q", [0], [1], weight="3"), "AddSynapses.weight .*got '3'"),
    "add weights of another number": (
        network, lambda n: nd.AddSynapses("q", [0, 1], [1, 2], weight=[1.0] * 3), "a list of 2, got 3 values"),
    "add without any weight": (empty, lambda n: nd.AddSynapses("q", [0], [1]), "'q' began without synapses"),
    "add a new delay": (network, lambda n: nd.AddSynapses("q", [0], [1], delay=3.0), r"\[1.0, 2.0\] ms, got 3.0"),
    "add a negative delay": (network, lambda n: nd.AddSynapses("q", [0], [1], delay=-1.0), "AddSynapses.delay"),
    "infuse nan": (trophic, lambda n: nd.Infuse("q", NAN), "Infuse.rate .*got nan"),
    "infuse below zero": (trophic, lambda n: nd.Infuse("q", -1.0), "Infuse.rate .*got -1.0"),
    "infuse text": (trophic, lambda n: nd.Infuse("q", "1"), "Infuse.rate .*got '1'"),
    "infuse a short mask": (trophic, lambda n: nd.Infuse("q", 1.0, [True]), "Infuse.targets .*length 1"),
    "infuse nothing to act on": (spiny, lambda n: nd.Infuse("q", 1.0), "does not use TrophicFactor"),
    "antagonise more than all": (trophic, lambda n: nd.Antagonise("q", 1.5), "Antagonise.share .*got 1.5"),
    "antagonise text": (trophic, lambda n: nd.Antagonise("q", "all"), "Antagonise.share .*got 'all'"),
    "antagonise nan": (trophic, lambda n: nd.Antagonise("q", NAN), "Antagonise.share .*got nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.replace(" ", "-"))
def test_what_can_never_be_done_is_refused_when_it_is_scheduled(case: str) -> None:
    build, make, match = REFUSED[case]
    net = build()
    sim = Simulator(net)
    with pytest.raises(NeurodevError, match=match):
        make(net).check(sim)


def test_arguments_that_there_are_not_are_named_with_the_nearest() -> None:
    for call, match in (
        (lambda: nd.Lesion("e", neuron=[1]), "Lesion has no parameter 'neuron' .did you mean 'neurons'"),
        (lambda: nd.AddSynapses("q", [0], [0], wieght=1.0), "did you mean 'weight'"),
        (lambda: nd.RemoveSynapses("q", [1], [0], [0], "lesion", 3), "RemoveSynapses: too many"),
        (lambda: nd.SetRate("e"), "SetRate: missing a required argument: 'rate_hz'"),
    ):
        with pytest.raises(ParameterError, match=match):
            call()


@pytest.fixture
def sim(tmp_path: Path) -> nd.Simulation:
    return nd.Simulation(network(), to=tmp_path / "a.sqlite")


def alive(sim: nd.Simulation, name: str = "q") -> list[tuple[int, int, float]]:
    t = sim.simulator.tables[name]
    slots = t.slots()
    return sorted(zip(t.pre(slots).tolist(), t.post[slots].tolist(), t.weight[slots].tolist(), strict=True))


def test_picks_mean_the_same_everywhere(sim: nd.Simulation) -> None:
    mask = np.array([False, True, False, False, True, False])
    sim.at(1.0, nd.RemoveSynapses("q", source=mask), clock="spike")
    sim.at(2.0, nd.RemoveSynapses("q", target={5}), clock="spike")
    sim.at(3.0, nd.Lesion("e", slice(2, 3)), clock="spike")
    sim.at(4.0, nd.AddSynapses("q", range(0, 2), np.array([3, 3], dtype=np.uint8)), clock="spike")
    mask[:] = True  # what was picked is what was meant then
    sim.run(5.0)
    assert [(i, j) for i, j, _ in alive(sim)] == [(0, 0), (0, 3), (1, 3), (3, 3)]
    assert np.flatnonzero(~sim.simulator.blocks["e"].alive).tolist() == [2]


def test_weights_and_delays_of_new_synapses(sim: nd.Simulation) -> None:
    sim.at(1.0, nd.AddSynapses("q", [0, 1], [1, 2], weight=[1.5, 2.5], delay=[2.0, 1.0]), clock="spike")
    sim.at(2.0, nd.AddSynapses("q", 2, 3, weight=np.float32(4.0), delay=np.int64(2)), clock="spike")
    sim.at(3.0, nd.AddSynapses("q", [3, 4], [4, 5]), clock="spike")
    sim.at(4.0, nd.AddSynapses("q", [4], [3], weight=0.0), clock="spike")
    sim.run(5.0)
    new = {(i, j): w for i, j, w in alive(sim) if i != j}
    assert new == {(0, 1): 1.5, (1, 2): 2.5, (2, 3): 4.0, (3, 4): 3.0, (4, 5): 3.0, (4, 3): 0.0}
    t = sim.simulator.tables["q"]
    slots = t.slots()
    delays = zip(t.pre(slots).tolist(), t.post[slots].tolist(), t.delays[t.lane(slots)].tolist(), strict=True)
    delay = {(i, j): d for i, j, d in delays}
    assert [delay[p] for p in new] == [2.0, 1.0, 2.0, 1.0, 1.0, 1.0]


def test_what_became_impossible_is_told_and_the_run_goes_on(sim: nd.Simulation) -> None:
    for when, what in (
        (1.0, nd.RemoveSynapses("q", uids=[1, 2])),
        (2.0, nd.RemoveSynapses("q", uids=[2, 3])),
        (3.0, nd.RemoveSynapses("q", source=[0])),
        (4.0, nd.AddSynapses("q", [3, 4], [3, 5])),
        (5.0, nd.Lesion("e", [5])),
        (6.0, nd.Lesion("e", [4, 5])),
        (7.0, nd.AddSynapses("q", [0], [5])),
        (8.0, nd.Silence("e", on=False)),
    ):
        sim.at(when, what, clock="spike")
    with pytest.warns(UserWarning) as told:
        sim.run(10.0)
    said = " ".join(str(w.message) for w in told)
    assert len(told) == 6 and sim.spike == 10.0
    for words in (
        "[2, 3], intervention: 1 of 2 are not alive any more",
        "no synapse of 'q' lies between these cells",
        "1 of 2 synapses were made; refused: 1 on pairs that have one already",
        "1 of 2 neurons do not live",
        "0 of 1 synapses were made; refused: 1 on neurons that are dead",
        "'e' is not silent",
    ):
        assert words in said, words
    assert [(i, j) for i, j, _ in alive(sim)] == [(3, 3)]
    with pytest.raises(ParameterError, match="all of these neurons are dead already"):
        sim.at(11.0, nd.Lesion("e", [4]), clock="spike")
    with pytest.raises(ParameterError, match="neuron 5 of 'e' is dead"):
        sim.at(11.0, nd.AddSynapses("q", [0], [5]), clock="spike")
    run = sim.run(5.0).close()
    run.verify()


def test_a_pair_that_will_be_free_may_be_filled(sim: nd.Simulation) -> None:
    sim.at(1.0, nd.RemoveSynapses("q", source=[2]), clock="spike")
    sim.at(2.0, nd.AddSynapses("q", [2], [2], weight=7.0), clock="spike")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.run(5.0)
    assert (2, 2, 7.0) in alive(sim)


TIMES = (NAN, INF, -INF, -1.0, True, "1", None, [1.0], 10**400)


def test_times_that_are_none_or_have_passed(sim: nd.Simulation) -> None:
    sim.run(3.0)
    for when in (*TIMES, 2.9):
        with pytest.raises(ParameterError, match="when"):
            sim.at(when, nd.Silence("e"), clock="spike")
    with pytest.raises(ParameterError, match="clock must be 'life' or 'spike', got 'spikes' .did you mean 'spike'"):
        sim.at(5.0, nd.Silence("e"), clock="spikes")
    sim.at(np.float32(4.0), nd.Silence("e")).run(np.int64(3))
    assert sim.simulator.engine.state.neurons.silenced[1] == 1


def test_the_run_file_tells_every_intervention_also_the_early_ones(sim: nd.Simulation) -> None:
    sim.at(1.0, nd.Lesion("e", [1]), clock="spike").run(2.0)
    sim.at(3.0, nd.Lesion("e", [2]), clock="spike").run(2.0)
    sim.at(99.0, nd.Lesion("e", [3]), clock="spike")
    with pytest.warns(
        UserWarning, match=r"1 intervention was .* ended after 4 ms of life.*Lesion e, \[3\] after 99 ms"
    ):
        run = sim.close()
    assert [x.split(": ")[0] for x in run.file.item("interventions")] == [f"{t} ms of spikes" for t in (1, 3, 99)]


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_a_deed_is_dated_by_its_own_time_not_by_the_tick_before(tmp_path: Path) -> None:
    net = spiny()
    net.projections["q"].use(nd.Turnover(births=False))
    sim = nd.Simulation(net, acceleration=86400.0, tick=2 * hour, to=tmp_path / "a.sqlite")
    when = 1 * day + 1.5 * hour
    sim.at(when, nd.AddSynapses("q", [0], [1])).at(when + 0.25 * hour, nd.RemoveSynapses("q", source=[2]))
    sim.at(2 * day - 0.5 * hour, nd.Lesion("e", [5]))
    run = sim.run(3 * day).close()
    hours = np.array([when, when + 0.25 * hour, 2 * day - 0.5 * hour]) / hour
    assert np.allclose(np.sort(24 * run.log.days(run.log.all)), hours, rtol=0, atol=1e-6)
    assert np.allclose(24 * np.sort(run.log.to_pandas().day), hours, rtol=0, atol=1e-6)
    count = lambda t: run.graph(t * hour).nnz  # noqa: E731
    assert [count(h) for h in (24.1, 25.49, 25.51, 25.74, 25.76, 47.4, 47.6)] == [6, 6, 7, 7, 6, 6, 5]
    assert np.allclose(np.sort(run.spines.died[~np.isnan(run.spines.died)]) * 24, hours[1:], rtol=0, atol=1e-6)
    assert np.allclose(run.neurons.to_pandas().day * 24, hours[2:], rtol=0, atol=1e-6)
    assert run.neurons.alive("e", 47.4 * hour).all() and not run.neurons.alive("e", 47.6 * hour)[5]
    days, number = run.neurons.count("e")
    assert number[days < 2 - 1e-6].tolist()[-1] == 6 and number[np.isclose(days, 2)] == [5]
    run.verify()


def test_one_thread_at_a_time_and_none_after_the_end(tmp_path: Path) -> None:
    sim = nd.Simulation(network(), to=tmp_path / "a.sqlite")
    inside, go, said = threading.Event(), threading.Event(), []

    class Wait(nd.Intervention, word=False):
        def check(self, sim: Any) -> None:
            pass

        def apply(self, sim: Any) -> None:
            inside.set()
            go.wait(20)

    sim.at(1.0, Wait(), clock="spike")

    def other() -> None:
        inside.wait(20)
        for touch in (
            lambda: sim.run(1.0),
            lambda: sim.at(5.0, nd.Silence("e")),
            lambda: sim.probe("e"),
            sim.close,
        ):
            try:
                touch()
                said.append("done")
            except SimulationError as e:
                said.append(str(e))
        go.set()

    thread = threading.Thread(target=other)
    thread.start()
    sim.run(3.0)
    thread.join()
    assert len(said) == 4 and all("another thread is driving" in s for s in said)
    sim.close()
    for touch in (lambda: sim.run(1.0), lambda: sim.at(5.0, nd.Silence("e")), lambda: sim.probe("e")):
        with pytest.raises(ParameterError, match="this simulation is closed; make a new one"):
            touch()
    assert sim.close().path == tmp_path / "a.sqlite"


def test_what_is_done_to_one_synapse_looks_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are read anew of newborns alone, and those of the others keep every byte."""
    simulator = Simulator(spiny())
    table, seen = simulator.tables["q"], []
    refresh = weight_map.refresh
    monkeypatch.setattr(weight_map, "refresh", lambda slots, *more: (seen.append(slots.size), refresh(slots, *more)))
    table.weight[table.slots()] *= 1.5  # as a mechanism between two ticks
    before = dict(zip(table.state()["uid"].tolist(), table.state()["weight"].tolist(), strict=True))
    nd.AddSynapses("q", [0, 1], [1, 2], weight=2.0).apply(simulator)
    nd.AddSynapses("q", [2], [3]).apply(simulator)
    nd.RemoveSynapses("q", uids=[1]).apply(simulator)
    nd.Lesion("s", [5]).apply(simulator)
    assert seen == [2, 1]
    after = dict(zip(table.state()["uid"].tolist(), table.state()["weight"].tolist(), strict=True))
    assert {u: after[u] for u in (2, 3, 4, 5)} == {u: before[u] for u in (2, 3, 4, 5)}
    assert [after[u] for u in (7, 8)] == pytest.approx([2.0, 2.0]) and after[9] > 0.0 and len(after) == 7
