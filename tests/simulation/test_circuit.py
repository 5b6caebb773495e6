"""A network in the middle of its life is saved, and is the start of another study: who is there, as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import BuildError, NeurodevError, ParameterError, RunFileError
from neurodev.studies import development, reading
from neurodev.units import hour
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, circuit
from tests.simulation.test_resume import same

LIFE = 8 * 2 * hour


def net(**more: Any) -> nd.Network:
    return circuit(room=6, death=DYING, growth=GROWING, **more)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any], float]:
    """A circuit in which neurons and synapses have died and been born; and what it was."""
    sim = nd.Simulation(net(), **FAST)
    sim.run(LIFE)
    path = sim.save(tmp_path_factory.mktemp("circuit") / "settled.nd")
    s = sim.simulator
    synapses = {name: by_uid(s.state(name)) for name in s.tables}
    cells = {name: (b.alive.copy(), s.engine.potential(name) if name in ("e", "i") else None)
             for name, b in s.blocks.items()}  # fmt: skip
    assert any((~alive).any() for alive, _ in cells.values()) and s.engine.uids.next > 1
    return path, synapses, cells, s.life


def by_uid(state: dict[str, Any]) -> dict[str, Any]:
    order = np.argsort(state["uid"])
    return {k: np.array(a)[order] for k, a in state.items()}


def test_it_begins_with_the_same_neurons_and_synapses(settled: Any) -> None:
    path, synapses, cells, life = settled
    for threads in (1, 2, 3):
        sim = nd.Simulation.load(path, net(), threads=threads, **FAST)
        s = sim.simulator
        for name, before in synapses.items():
            now = by_uid(s.state(name))
            assert now.keys() == before.keys()
            for column in before:
                shift = life if column == "born" else 0.0
                if column.endswith("_time"):
                    continue
                assert np.allclose(now[column], before[column] - shift, rtol=1e-12, atol=1e-9), (name, column)
        for name, (alive, _) in cells.items():
            assert np.array_equal(s.blocks[name].alive, alive)
        s.verify()
        top = max(int(x["uid"].max()) for x in synapses.values())
        sim.run(LIFE)
        s.verify()
        born = np.concatenate([now["uid"][now["born"] > 0.0] for now in map(s.state, s.tables)])
        assert born.size and born.min() > top
        run = sim.close()
        assert run.verify() > 0


def test_threads_change_nothing(settled: Any, tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.sqlite" for k in (1, 2, 3)]
    for threads, to in enumerate(files, 1):
        nd.Simulation.load(settled[0], net(), to=to, threads=threads, record="all", **FAST).run(LIFE / 2).close()
    same(files[0], files[1])
    same(files[0], files[2])


def test_membranes_come_along_where_that_is_asked_for(settled: Any) -> None:
    path, _, cells, _ = settled
    sim = nd.Simulation.load(path, net(), membranes=True, **FAST)
    for name in ("e", "i"):
        v = cells[name][1]
        assert np.allclose(sim.simulator.engine.potential(name), v, rtol=1e-12, equal_nan=True) and np.nanstd(v) > 0.1
    assert np.nanstd(nd.Simulation.load(path, net(), **FAST).simulator.engine.potential("e")) == 0.0


def test_saving_changes_no_byte_of_the_run(tmp_path: Path) -> None:
    files = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for to in files:
        sim = nd.Simulation(net(), to=to, record="all", **FAST)
        for k in range(3):
            sim.run(LIFE / 4 + 1234.5)
            if to == files[1]:
                sim.save(tmp_path / "c.nd", overwrite=k > 0)
        sim.close()
    same(*files)


def simple(weight: Any = 3.0, **how: Any) -> nd.Network:
    made = nd.Network(seed=1)
    s, e = made.add(nd.Poisson(40.0), 12, name="s"), made.add(nd.LIF(), 9, name="e")
    made.connect(s, e, nd.Degree(4), name="q", **({"weight": weight, "delay": nd.Uniform(1.0, 3.0)} | how))
    return made


def test_other_mechanisms_and_drives_go_on_from_it(tmp_path: Path) -> None:
    sim = nd.Simulation(simple(), tick=100.0)
    sim.run(200.0)
    sim.set_weights("q", np.linspace(1.0, 4.0, 36))
    sim.do(nd.RemoveSynapses("q", source=[3]))
    path = sim.save(tmp_path / "a.nd")
    state = by_uid(sim.simulator.state("q"))
    other = simple()
    other.populations["s"].model = nd.Regular(20.0)
    other.projections["q"].use(nd.STDP(weight_max=8.0))
    more = other.add(nd.Poisson(30.0), 5, name="more")
    other.connect(more, other.populations["e"], nd.AllToAll(), weight=2.0, name="beside")
    two = nd.Simulation.load(path, other, tick=100.0)
    now = by_uid(two.simulator.state("q"))
    assert all(np.array_equal(now[k], state[k]) for k in ("uid", "pre", "post", "lane", "weight"))
    beside = two.simulator.state("beside")["uid"]
    assert beside.min() > state["uid"].max() and beside.size == 45
    two.do(nd.AddSynapses("q", [3], [0]))
    assert two.simulator.state("q")["uid"].max() > beside.max()
    two.run(300.0)
    two.simulator.verify()
    assert np.ptp(by_uid(two.simulator.state("q"))["weight"] - np.r_[now["weight"], 0.0]) > 0.0


def other(change: Any, **how: Any) -> Any:
    def make() -> nd.Network:
        made = simple(**how)
        return change(made) or made

    return make


def renamed(name: str) -> nd.Network:
    made = nd.Network(seed=1)
    s, e = made.add(nd.Poisson(40.0), 12, name="s"), made.add(nd.LIF(), 9, name="e")
    made.connect(s, e, nd.Degree(4), name=name, weight=1.0, delay=nd.Uniform(1.0, 3.0))
    return made


def sized(n: int, **how: Any) -> nd.Network:
    made = nd.Network(seed=1)
    s, e = made.add(nd.Poisson(40.0), 12, name="s"), made.add(nd.LIF(), n, name="e", **how)
    made.connect(s, e, nd.Degree(4), name="q", weight=1.0, delay=nd.Uniform(1.0, 3.0))
    return made


MISFITS: dict[str, tuple[Any, str]] = {
    "another name": (lambda: renamed("qq"), "it has a projection 'q', which the network lacks .did you mean 'qq'"),
    "another number": (lambda: sized(10), "population 'e' has places 10, there it is 9"),
    "another sign": (lambda: sized(9, inhibitory=True), "population 'e' has inhibitory True, there it is False"),
    "another place": (lambda: sized(9, jitter=5.0), "neurons of 'e' lie elsewhere"),
    "other delays": (other(lambda n: None, delay=1.0), r"delays of 'q' are \[1.0\] ms, there are also"),
    "spines": (other(lambda n: None, weight=None, spines=nd.Spines()), "'q' is on spines, and there it has none"),
    "a neuron as a drive": (
        other(lambda n: object.__setattr__(n.populations["s"], "model", nd.LIF())), "'s' has drive False"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS, ids=lambda c: c.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case: str, tmp_path: Path) -> None:
    make, match = MISFITS[case]
    path = nd.Simulation(simple(), tick=100.0).save(tmp_path / "a.nd")
    made = make()
    with pytest.raises(BuildError, match=match):
        nd.Simulation.load(path, made, tick=100.0, to=tmp_path / "b.sqlite")
    assert not (tmp_path / "b.sqlite").exists()
    made.add(nd.LIF(), 1, name="open")  # nobody runs it


def test_what_is_no_circuit_is_refused(tmp_path: Path) -> None:
    path = nd.Simulation(simple(), tick=100.0).save(tmp_path / "a.nd")
    whole = path.read_bytes()
    draw = np.random.default_rng(3)
    for k in range(60):
        damaged = bytearray(whole)
        if k % 3:
            damaged[int(draw.integers(len(whole)))] ^= 1 << int(draw.integers(8))
        else:
            damaged = damaged[: int(draw.integers(len(whole)))]
        (tmp_path / "b.nd").write_bytes(damaged)
        try:
            nd.Simulation.load(tmp_path / "b.nd", simple(), tick=100.0)
        except NeurodevError:
            pass
    for what in (tmp_path / "none.nd", tmp_path):
        with pytest.raises(RunFileError, match="cannot be read"):
            nd.Simulation.load(what, simple())
    with pytest.raises(RunFileError, match="is there already: overwrite=True"):
        nd.Simulation(simple()).save(path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFileError, match="holds no saved circuit, and would be lost"):
        nd.Simulation(simple()).save(tmp_path / "mine.txt", overwrite=True)
    with pytest.raises(ParameterError, match="path"):
        nd.Simulation(simple()).save(3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nd", "b.nd", "mine.txt"]


def test_a_run_that_began_from_one_is_resumed_and_rerun_without_it(tmp_path: Path) -> None:
    """The circuit is in the run file; a study names it."""
    text = """
seed = 1
[population.s]
kind = "Poisson"
rate_hz = 40.0
n = 12
[population.e]
kind = "LIF"
n = 9
[projection.q]
source = "s"
target = "e"
wiring = { kind = "Degree", inputs = 4 }
weight = 3.0
delay = { low = "1 ms", high = "3 ms" }
use = [{ kind = "STDP", weight_max = 9.0 }]
[run]
duration = "600 ms"
tick = "100 ms"
record = { e = [0, 2] }
circuit = "a.nd"
membranes = true
"""
    (tmp_path / "s.toml").write_text(text)
    sim = nd.Simulation(simple(), tick=100.0).run(310.0)
    sim.save(tmp_path / "a.nd")
    files = [tmp_path / f"{k}.sqlite" for k in ("whole", "cut", "again")]
    assert cli.main(["run", str(tmp_path / "s.toml"), "--to", str(files[0]), "--quiet"]) == 0
    s = reading.load(tmp_path / "s.toml")
    sim = development.simulation(s, development.build(s), files[1], checkpoint=0.0)
    sim.run(250.0)
    sim.goal = 600.0
    sim._keep()
    sim.file.abandon()
    (tmp_path / "a.nd").unlink()
    (tmp_path / "s.toml").unlink()
    assert cli.main(["run", "--resume", str(files[1]), "--quiet"]) == 0
    assert cli.main(["rerun", str(files[0]), "--to", str(files[2]), "--quiet"]) == 0
    same(files[0], files[1])
    same(files[0], files[2])
    assert nd.Run(files[0]).recorded("e").tolist() == [0, 2]
