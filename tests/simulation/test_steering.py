"""Steering a run: what is set is set, a user's own code changes no byte by being called, and a rerun does it again."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import NeurodevError, ParameterError, SimulationError, StudyError
from neurodev.record.runfile import Mark, RunFile
from neurodev.studies import development, reading
from neurodev.units import hour
from tests.simulation.test_resume import everything, same

TICK = 100.0  # ms of spikes
CLOCKS: dict[str, Any] = {"tick": TICK}


def network(**how: Any) -> nd.Network:
    """Poisson cells onto neurons, plastic; and inhibition."""
    net = nd.Network(seed=3)
    s, e, i = net.add(nd.Poisson(30.0), 20, name="s"), net.add(nd.LIF(), 10, name="e"), net.add(nd.Poisson(20.0), 4)
    net.background(e, nd.Background(rate_hz=200.0, weight=0.3))
    q = net.connect(s, e, nd.Degree(8), name="q", **({"weight": 4.0, "delay": 1.5} | how))
    q.use(nd.STDP(weight_max=12.0))
    inh = nd.Network.add(net, nd.LIF(), 4, name="inh", inhibitory=True)
    net.connect(i, inh, nd.AllToAll(), weight=6.0, name="drive")
    net.connect(inh, e, nd.AllToAll(), weight=1.0, name="minus")
    m = net.connect(s, inh, nd.Degree(2), spines=nd.Spines(), name="m")
    m.use(nd.SpineSize(death="none"))
    return net


def spiny() -> nd.Network:
    net = nd.Network(seed=3)
    s, e = net.add(nd.Poisson(30.0), 20, name="s"), net.add(nd.LIF(), 10, name="e")
    net.connect(s, e, nd.Degree(8), name="q", spines=nd.Spines(weight=3.0)).use(nd.SpineSize(death="none"))
    e.use(nd.Scaling())
    return net


def begun(net: nd.Network | None = None, to: Path | None = None, **more: Any) -> nd.Simulation:
    return nd.Simulation(network() if net is None else net, to=to, **(CLOCKS | more))


def weights(sim: nd.Simulation, name: str = "q") -> Any:
    t = sim.simulator.tables[name]
    slots = t.slots()
    return t.weight[slots[np.argsort(t.uid_of(slots))]]


# ---------------------------------------------------------------- setting


def test_weights_are_set_by_uid_mask_and_slice_with_the_sign_of_their_source() -> None:
    sim = begun()
    sim.run(250.0)
    n = weights(sim).size
    sim.set_weights("q", 2.0)
    assert (weights(sim) == 2.0).all()
    sim.set_weights("q", [1.0, 3.0], of=slice(4, 6))
    mask = np.zeros(n, dtype=bool)
    mask[[0, 7]] = True
    sim.set_weights(sim.simulator.network.projections["q"], [5.0, 6.0], of=mask)
    t = sim.simulator.tables["q"]
    uid = np.sort(t.uid_of(t.slots()))
    sim.set_weights("q", [8.0, 9.0], of=[int(uid[3]), int(uid[2])])
    assert weights(sim)[:8].tolist() == [5.0, 2.0, 9.0, 8.0, 1.0, 3.0, 2.0, 6.0] and (weights(sim)[8:] == 2.0).all()
    sim.set_weights("minus", 0.25)  # kept once for all
    assert (weights(sim, "minus") == -0.25).all()
    sim.set_weights("minus", 0.5, of={int(sim.simulator.tables["minus"].uid_of(np.array([0]))[0])})
    assert sorted(weights(sim, "minus").tolist())[0] == -0.5
    sim.simulator.verify()
    sim.run(250.0)
    sim.close()


def test_a_weight_that_was_set_is_what_arrives() -> None:
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList(times=np.array([10.0, 20.0]), indices=np.array([0, 0])), 1, name="s")
    e = net.add(nd.LIF(tau=20.0, threshold=50.0), 1, name="e")
    net.connect(s, e, nd.AllToAll(), weight=5.0, delay=1.0, name="q")
    sim = nd.Simulation(net)
    sim.at(20.5, nd.SetWeights("q", 7.0), clock="spike")  # while the second spike is on its way
    v = sim.probe("e", "V", every=0.5)  # the k-th at (k + 1) / 2 ms
    sim.run(25.0)
    rest, fall = v.values[0, 0], np.exp(-0.5 / 20.0)
    assert v.values[22, 0] - rest == pytest.approx(5.0 * fall)
    assert v.values[42, 0] - rest == pytest.approx(5.0 * np.exp(-10.5 / 20.0) + 7.0 * fall)


def test_on_spines_the_size_becomes_the_one_whose_weight_it_is() -> None:
    sim = begun(spiny())
    sim.run(300.0)
    sim.set_column("e", "scaling", 0.2)
    sim.set_weights("q", 2.5)
    assert weights(sim) == pytest.approx(2.5, rel=1e-12)
    before = sim.simulator.tables["q"].column("log_size")[sim.simulator.tables["q"].slots()]
    sim.set_column("e", "scaling", [0.2 + np.log(2.0)] * 2, of=[1, 0])
    t = sim.simulator.tables["q"]
    doubled = np.isin(t.post[t.slots()], [0, 1])
    assert t.weight[t.slots()][doubled] == pytest.approx(5.0) and t.weight[t.slots()][~doubled] == pytest.approx(2.5)
    sim.set_column("q", "log_size", before + np.log(2.0), of=t.uid_of(t.slots()))
    size = t.column("size")[t.slots()]
    assert size == pytest.approx(0.05 * np.exp(before) * 2.0)


def test_calcium_moves_weights_by_its_efficacy() -> None:
    net = network()
    net.projections["q"].mechanisms = (nd.CalciumPlasticity(top=3.0, ratio=5.0, sigma=0.0),)
    sim = begun(net)
    sim.run(50.0)
    with pytest.raises(ParameterError, match="follow CalciumPlasticity: set a column"):
        sim.set_weights("q", 1.0)
    sim.set_column("q", "efficacy", 0.5)
    assert weights(sim) == pytest.approx(0.6 + 0.5 * 2.4)
    sim.set_parameter("CalciumPlasticity", top=6.0)
    assert weights(sim) == pytest.approx(1.2 + 0.5 * 4.8)


def test_a_parameter_that_is_set_at_once_is_that_of_the_network(tmp_path: Path) -> None:
    """Time constants of traces too: the same spikes and weights as where it was built so."""
    files = [tmp_path / "set.sqlite", tmp_path / "built.sqlite"]
    other = {"tau_plus": 9.0, "tau_minus": 31.0, "depression": 0.02}
    for to, how in zip(files, ({}, other), strict=True):
        net = network()
        net.projections["q"].mechanisms = (nd.STDP(weight_max=12.0, **how),)
        sim = begun(net, to, record="all")
        if not how:
            sim.set_parameter("STDP", **other)
        sim.run(700.0)
        assert np.ptp(weights(sim)) > 0.1
        sim.close()
    a, b = (everything(f) for f in files)
    assert all(a[k] == b[k] for k in b if k.startswith(("spikes", "counts", "final")))


def test_a_trace_keeps_its_value_when_its_time_constant_changes() -> None:
    sim = begun()
    sim.run(333.0)
    [h] = sim.simulator.engine.hot

    def values() -> Any:
        s = sim.simulator.engine.state
        now, k = s.clock.time[0], h.first_trace
        dt = now - s.hooks.trace_base[k : k + h.arrays.tau.size]
        rows = [*h.arrays.pre_trace[: len(h.hot.pre_traces)], *h.arrays.post_trace[: len(h.hot.post_traces)]]
        return [x * np.exp(-t / tau) for x, t, tau in zip(rows, dt, h.arrays.tau, strict=True)]

    before = values()
    assert any((x > 0).any() for x in before)
    sim.set_parameter(nd.STDP, tau_plus=55.0)
    for a, b in zip(before, values(), strict=True):
        assert b == pytest.approx(a, rel=1e-12)
    assert 55.0 in h.arrays.tau


def test_a_pair_across_a_change_of_parameters_is_worth_the_closed_form() -> None:
    """The trace of an arrival falls by the old time constant, then by the new; the spike reads the new amplitude."""
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList(times=np.array([10.0, 30.0]), indices=np.array([0, 1])), 2, name="s")
    e = net.add(nd.LIF(threshold=15.0), 1, name="e")
    q = net.connect(s, e, nd.Pairs([0], [0]), weight=1.0, delay=1.0, name="q")
    q.use(nd.STDP(potentiation=0.01, depression=0.0, tau_plus=20.0, weight_max=10.0))
    net.connect(s, e, nd.Pairs([1], [0]), weight=40.0, delay=1.0, name="teacher")
    sim = nd.Simulation(net, tick=50.0)
    sim.at(20.0, nd.SetParameter("STDP", {"tau_plus": 7.0, "potentiation": 0.03}), clock="spike")
    sim.run(50.0)
    trace = np.exp(-(20.0 - 11.0) / 20.0) * np.exp(-(31.0 - 20.0) / 7.0)
    assert weights(sim)[0] - 1.0 == pytest.approx(10.0 * 0.03 * trace, rel=1e-12)


def test_a_drive_that_is_set_fires_at_its_new_rate_from_then_on(tmp_path: Path) -> None:
    sim = begun(to=tmp_path / "a.sqlite", record="all")
    sim.at(2500.25, nd.SetParameter("s", {"rate_hz": 200.0}), clock="spike")
    sim.run(2000.0)
    sim.set_parameter("s", rate_hz=np.r_[np.zeros(10), np.full(10, 30.0)])
    sim.run(2000.0)
    run = sim.close()
    t, who = run.spikes("s")
    assert 900 < np.sum(t < 2000.0) < 1500
    middle = (t >= 2000.0) & (t < 2500.25)
    assert (who[middle] >= 10).all() and 90 < middle.sum() < 220
    assert 5300 < np.sum(t > 2500.25) < 6700
    with pytest.raises(ParameterError, match=r"rate_hz"):
        begun().set_parameter("s", rate_hz=[1.0, 2.0])


REFUSED: dict[str, tuple[Any, str]] = {
    "no projection": (nd.SetWeights("p", 1.0), "no projection 'p'"),
    "below zero": (nd.SetWeights("q", -1.0), "SetWeights.values .*got -1"),
    "nan": (nd.SetWeights("q", float("nan")), "SetWeights.values .*got nan"),
    "a word": (nd.SetWeights("q", "x"), "SetWeights.values .*'x'"),
    "too many": (nd.SetWeights("q", [1.0] * 3), "a list of 80, one for each, got 3"),
    "a short mask": (nd.SetWeights("q", 1.0, of=[True]), "SetWeights.of .*the mask has length 1"),
    "a foreign uid": (nd.SetWeights("q", 1.0, of=[9999]), "SetWeights.of .*uid 9999 the first"),
    "nobody": (nd.SetWeights("q", 1.0, of=slice(0, 0)), "it picks none"),
    "no column": (nd.SetColumn("m", "logsize", 1.0), "did you mean 'log_size'"),
    "sizes follow": (nd.SetColumn("m", "size", 1.0), "sizes follow log_size"),
    "a size of no spine": (nd.SetColumn("m", "log_size", 700.0), r"must be finite and lie in \[-20, 20\], got 700"),
    "weights are no column": (nd.SetColumn("q", "weight", 1.0), "set by SetWeights"),
    "a measured signal": (nd.SetColumn("e", "rate_hz", 1.0), "SetColumn.name .*'rate_hz'"),
    "infinite": (nd.SetColumn("m", "log_size", float("inf")), "SetColumn.values .*got inf"),
    "no parameter": (nd.SetParameter("STDP", {"wieght_max": 3.0}), "did you mean 'weight_max'"),
    "out of range": (nd.SetParameter("STDP", {"weight_max": -3.0}), "weight_max"),
    "settled": (nd.SetParameter("STDP", {"rule": "triplet"}), "'rule' is settled when the network is built"),
    "not used": (nd.SetParameter("BCM", {"tau": 3.0}), "nothing of this network uses 'BCM'"),
    "not used there": (nd.SetParameter("STDP", {"weight_max": 3.0}, "minus"), "'minus' does not use 'STDP'"),
    "no drive": (nd.SetParameter("e", {"tau": 3.0}), "'e' is no drive"),
    "no values": (nd.SetParameter("STDP", 3.0), "must be a dictionary"),
    "nothing": (nd.SetParameter("STDP", {}), "must name a parameter of STDP"),
    "true": (nd.SetParameter("STDP", {"weight_max": True}), "must be a number, got True"),
    "shape": (nd.SetParameter("STDP", {"weight_max": [1.0, 2.0]}), "must have the shape it has"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda c: c.replace(" ", "-"))
def test_what_cannot_be_set_is_refused_before_anything_is_changed(case: str) -> None:
    what, match = REFUSED[case]
    sim = begun()
    sim.run(30.0)
    before = weights(sim).copy()
    for how in (lambda: sim.do(what), lambda: sim.at(50.0, what)):
        with pytest.raises(NeurodevError, match=match):
            how()
    assert np.array_equal(weights(sim), before) and not sim.simulator.changes and not sim._asked


def test_who_died_meanwhile_is_passed_over_and_told(tmp_path: Path) -> None:
    sim = begun()
    t = sim.simulator.tables["q"]
    uids = np.sort(t.uid_of(t.slots()))[:3]
    sim.at(50.0, nd.SetWeights("q", [1.0, 2.0, 3.0], of=uids))
    sim.at(20.0, nd.RemoveSynapses("q", uids=uids[1:2]))
    with pytest.warns(UserWarning, match="1 of 3 are not alive any more"):
        sim.run(50.0)
    assert t.weight[t.slot_of(uids[[0, 2]])].tolist() == [1.0, 3.0]


# ---------------------------------------------------------------- own code


def test_own_code_at_regular_times_sees_that_instant_and_changes_no_byte(tmp_path: Path) -> None:
    seen: list[tuple[float, float, int]] = []

    def look(sim: Any) -> None:
        seen.append((sim.life, float(weights(sim).sum()), int(sim.simulator.engine.events)))

    files = [tmp_path / f"{k}.sqlite" for k in range(3)]
    kinds = ({}, {"every": 37.5}, {"every": TICK})
    for to, how in zip(files, kinds, strict=True):
        sim = begun(to=to, record="all", threads=2)
        v = sim.probe("q", "weight", every=37.5)
        if how:
            sim.every(how["every"], look)
        sim.run(400.0).run(350.0)
        sim.close()
        if how.get("every") == 37.5:
            assert [t for t, _, _ in seen] == pytest.approx(np.arange(1, 21) * 37.5)
            assert np.allclose([w for _, w, _ in seen], v.values.sum(axis=1), rtol=1e-15)
    a, *others = (everything(f) for f in files)
    for b in others:
        assert b.pop("item/cannot_rerun")
        assert a == b


def test_a_condition_ends_a_run_and_may_change_nothing() -> None:
    sim = begun()
    sim.until(lambda s: s.life >= 250.0).run(1000.0)
    assert sim.life == pytest.approx(300.0)  # asked after each tick
    sim.until(lambda s: s.life >= 320.0, every=10.0).run(1000.0)
    assert sim.life == pytest.approx(320.0)
    sim.run(100.0)  # it held, and is gone
    assert sim.life == pytest.approx(420.0)
    sim.until(lambda s: bool(s.set_weights("q", 1.0)), every=10.0)
    with pytest.raises(SimulationError, match="a condition only looks"):
        sim.run(50.0)
    sim = begun().until(lambda s: 1, every=10.0)
    with pytest.raises(ParameterError, match="must answer True or False, got 1"):
        sim.run(50.0)


def test_a_condition_is_asked_within_long_ticks_too() -> None:
    """A tick of hours, of which a run of seconds never sees the end; and what was simulated does not change."""
    net = nd.Network(seed=1)
    net.background(net.add(nd.LIF(), 5, name="b"), nd.Background(rate_hz=2000.0, weight=1.0))
    sim = nd.Simulation(net, progress=False).until(lambda s: s.life >= 450.0).run(2000.0)
    assert sim.life == pytest.approx(500.0)
    other = nd.Network(seed=1)
    other.add(nd.LIF(), 1)
    whole = nd.Simulation(other, progress=False, tick=250.0)
    assert whole.until(lambda s: s.life > 100.0).run(400.0).life == pytest.approx(500.0 / 3)  # 3 looks a tick


def test_what_is_no_function_or_no_period_is_refused() -> None:
    sim = begun()
    for period, function, match in (
        (0.0, print, "period must be a positive number"), (1e-9, print, "period must be at least"),
        (10.0, 3, "must be a function"),
        (10.0, lambda: None, "cannot be called with"), (float("inf"), print, "period"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=match):
            sim.every(period, function)
    with pytest.raises(ParameterError, match="condition must be a function"):
        sim.until(True)

    def inside(s: Any) -> None:
        with pytest.raises(SimulationError, match="running already"):
            s.run(1.0)
        with pytest.raises(SimulationError, match="cannot close"):
            s.close()
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as e:
        begun().every(10.0, inside).run(20.0)
    assert "inside, at 10 ms of life" in e.value.__notes__[0]


# ---------------------------------------------------------------- again


STUDY = """
seed = 5
[population.s]
kind = "Poisson"
rate_hz = 30.0
n = 12
[population.e]
kind = "LIF"
n = 6
use = [{ kind = "Scaling" }]
[[background]]
target = "e"
rate_hz = 200.0
weight = 0.3
[projection.q]
source = "s"
target = "e"
wiring = { kind = "Degree", inputs = 5 }
weight = 4.0
use = [{ kind = "STDP", weight_max = 12.0 }]
[run]
duration = "500 ms"
tick = "100 ms"
record = "all"
[[at]]
kind = "SetParameter"
what = "STDP"
values = { weight_max = 9.0 }
spike = "120 ms"
[[at]]
kind = "SetWeights"
projection = "q"
values = 3.0
spike = "240 ms"
"""


def study(tmp_path: Path) -> Any:
    path = tmp_path / "s.toml"
    path.write_text(STUDY)
    return reading.load(path)


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """A module of the user's with a function that steers."""
    (tmp_path / "mine_steering.py").write_text(
        "def steer(sim):\n"
        "    sim.set_weights('q', 1.0 + sim.spike / 100.0, of=slice(0, 4))\n"
        "    if sim.spike < 200.0:\n"
        "        sim.set_parameter('STDP', weight_max=8.0 + sim.spike / 1000.0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import mine_steering

    yield mine_steering
    del sys.modules["mine_steering"]


def test_a_rerun_does_all_of_it_again(tmp_path: Path, mine: Any, capsys: Any) -> None:
    s = study(tmp_path)
    a, b = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    sim = development.simulation(s, development.build(s), a)
    sim.every(70.0, mine.steer)
    sim.set_weights("q", np.linspace(1.0, 6.0, weights(sim).size))
    sim.run(210.0)
    uids = sim.simulator.tables["q"].uid_of(sim.simulator.tables["q"].slots())
    sim.do(nd.RemoveSynapses("q", uids=uids[:3])).set_column("e", "scaling", 0.01)
    sim.run(433.0)
    sim.close()
    with pytest.raises(StudyError, match="not neurodev's and is not imported"):
        del sys.modules["mine_steering"]
        development.repeated(a, b)
    assert cli.main(["rerun", str(a), "--to", str(b), "--quiet", "--trust"]) == 0
    same(a, b)
    said = capsys.readouterr().out
    assert "it calls mine_steering:steer every 70 ms" in said and "SetParameter STDP of q: weight_max=9" in said


def test_a_function_without_a_name_makes_a_run_that_says_so(tmp_path: Path, capsys: Any) -> None:
    s = study(tmp_path)
    a = tmp_path / "a.sqlite"
    sim = development.simulation(s, development.build(s), a)
    sim.every(50.0, lambda s: s.set_weights("q", 2.0)).run(500.0)
    run = sim.close()
    assert "cannot be rerun: it called" in run.info() and "<lambda>" in run.info()
    assert cli.main(["rerun", str(a), "--to", str(tmp_path / "b.sqlite"), "--quiet"]) == 2
    assert "<lambda>" in capsys.readouterr().err
    assert not (tmp_path / "b.sqlite").exists()


def test_nothing_is_imported_or_called_that_the_file_did_not_say_where_it_comes_from(tmp_path: Path) -> None:
    """A file that was made to name any function at hand."""
    s = study(tmp_path)
    a = tmp_path / "a.sqlite"
    development.simulation(s, development.build(s), a).run(500.0).close()
    (tmp_path / "never_imported.py").write_text("raise SystemExit('imported')")
    for item in (
        {"done": [], "calls": [["os:abort", 50.0, 50.0]]},
        {"done": [[50.0, "never_imported:Thing", {"dict": []}]], "calls": []},
    ):
        with RunFile.open(a) as old:
            file = RunFile.reopened(old, Mark({name: old.length(name) for name in old.names()}, 99))
        file.set_item("steering", item)
        file.set_item("finished", True)
        file.close()
        with pytest.raises(StudyError, match="import its module first, if you trust it"):
            development.repeated(a, tmp_path / "b.sqlite")
        assert "never_imported" not in sys.modules
    sim = begun().every(10.0, print)
    assert "print" in sim._steered.reasons[0]


# ---------------------------------------------------------------- broken off


def steered(to: Path, net: nd.Network, function: Any) -> nd.Simulation:
    sim = begun(net, to, record="all", checkpoint=0.0)
    sim.every(70.0, function)
    sim.every(45.0, mark)
    sim.at(130.0, nd.SetParameter("STDP", {"weight_max": 9.0}))
    sim.at(260.0, nd.SetParameter("s", {"rate_hz": 60.0}))
    sim.at(410.0, nd.SetParameter("STDP", {"weight_max": 6.0}))
    sim.at(420.0, nd.SetWeights("q", np.linspace(0.0, 5.0, 80)))
    return sim


def mark(sim: Any) -> None:
    sim.set_weights("q", 1.0, of=slice(3, 9))


@pytest.mark.parametrize("at", [100.0, 275.0, 455.0])
def test_a_run_that_was_broken_off_goes_on_to_the_same_bytes(at: float, tmp_path: Path) -> None:
    def own(sim: Any) -> None:
        sim.set_weights("q", 2.0, of=slice(0, 3))

    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    steered(whole, network(), own).run(600.0).close()
    sim = steered(cut, network(), own)

    def interrupt(s: Any) -> None:
        raise KeyboardInterrupt

    from neurodev.simulation.calls import Call

    sim._calls.append(Call("x", False, 1e9, at, False, interrupt))
    with pytest.raises(KeyboardInterrupt):
        sim.run(600.0)
    with RunFile.open(cut) as f:
        [*_, (_, data)] = f.checkpoints()
    assert data
    sim = nd.Simulation.resume(cut, network(), threads=2)
    sim._calls = [c for c in sim._calls if c.word != "x"]
    with pytest.raises(SimulationError, match=r"own.*by sim.every\(...\) with its period of 70 ms"):
        sim.run()
    sim.every(70.0, own)
    sim.run().close()
    same(whole, cut)


def test_threads_and_cuts_change_no_byte(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.sqlite" for k in range(5)]
    for to, threads in zip(files, (1, 2, 3, 8, 1), strict=True):
        sim = begun(network(), to, record="all", threads=threads)
        sim.every(70.0, mark)
        sim.at(130.0, nd.SetParameter("STDP", {"weight_max": 9.0, "tau_plus": 11.0}))
        sim.at(233.3, nd.SetParameter("s", {"rate_hz": 60.0}))
        sim.at(233.3, nd.SetColumn("m", "log_size", 0.1, of=slice(0, 3)))
        sim.at(260.0, nd.SetWeights("minus", 0.5))
        for piece in (400.0,) if to != files[-1] else (0.7, 129.3, 103.2, 100.1, 66.7):
            sim.run(piece)
        sim.close()
    for other in files[1:]:
        same(files[0], other)


def test_the_other_clock(tmp_path: Path) -> None:
    times: list[float] = []
    sim = begun(acceleration=2.0, tick=1 * hour)
    sim.every(100.0, lambda s: times.append(s.spike), clock="spike").every(100.0, lambda s: times.append(s.spike))
    sim.run(400.0)
    assert times == pytest.approx([50.0, 100.0, 100.0, 150.0, 200.0, 200.0])
