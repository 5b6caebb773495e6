"""Runs whose synapses and ticks are shared by ranks: the file is that of one process, whoever goes on with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import SimulationError
from neurodev.mechanisms.base import Mechanism
from neurodev.record.runfile import RunFile
from neurodev.units import day
from tests.engine.comms import on_ranks
from tests.engine.test_ranks import on_processes
from tests.engine.test_shared_ticks import Rash, crowded
from tests.mechanisms.beds import TICK, everybody, homes, small_network
from tests.mechanisms.test_neuron_fate import FAST
from tests.simulation.test_ranked_runs import STUDY, broken_off
from tests.simulation.test_resume import LIFE, net, same, samples


def grown(to: Path, comm: Any = None, kind: str = "jumps", **more: Any) -> nd.Simulation:
    """A run with births and deaths of synapses and neurons, and all that one may do to shares of synapses."""
    options = {"record": "all", "checkpoint": None, "split": comm is not None} | FAST | more
    sim = nd.Simulation(net(kind), to=to, comm=comm, **options)
    for when, what in (
        (700.0, nd.SetRate("e", 250.0)), (900.0, nd.Block("retina_e", nd.STDP)), (1100.0, nd.Silence("i")),
        (1150.0, nd.Silence("i", on=False)), (1600.0, nd.Block("retina_e", "STDP", on=False)),
        (1700.3, nd.Lesion("i", [1])), (2100.0, nd.SetParameter("Neurotrophin", {"feeds": 7.0}, "retina_e")),
        (2900.0, nd.Lesion("retina", [3, 4])),
    ):  # fmt: skip
        sim.at(when, what, clock="spike")
    sim.probe("e", "V", every=130.0, cells=[0, 3, 5])
    return sim


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_file_and_the_probes_are_those_of_one_process(size, tmp_path):
    alone, ranked = tmp_path / "alone.sqlite", tmp_path / "ranked.sqlite"
    sim = grown(alone, threads=2)
    sim.run(LIFE).close()
    with RunFile.open(alone) as f:
        log = f.log("retina_e")
        assert (log.kind == 0).sum() > 30 and np.unique(log.cause).size > 4

    def work(comm):
        one = grown(ranked, comm)
        assert sorted(one.simulator.engine.split) == sorted(one.simulator.tables)
        one.run(LIFE).close()
        return samples(one)

    assert on_ranks(size, work) == [samples(sim)] * size
    same(alone, ranked)


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["CalciumPlasticity", "BCM", "Rewiring", "Persistence"])
def test_what_begins_and_ends_without_sizes_is_in_the_file_too(name, tmp_path):
    """Weights that mechanisms give before the first spike, and spines whose sizes nobody moves."""
    for kind in homes(name):
        files = [tmp_path / f"{kind}-{who}.sqlite" for who in ("alone", "ranked")]

        def run(to, comm=None, kind=kind):
            network = small_network(everybody(name, kind), kind, room=3)
            options = {"acceleration": TICK / 6.0, "tick": TICK, "comm": comm, "split": comm is not None}
            return nd.Simulation(network, to=to, **options).run(14 * TICK).close()

        run(files[0])
        on_ranks(2, lambda comm, to=files[1], run=run: run(to, comm))
        same(*files)


def test_a_simulation_says_what_is_split_and_why_the_rest_is_not():
    def work(comm):
        network = crowded()
        a = network.populations["r"]
        network.connect(a, network.populations["e"], nd.Degree(3), weight=0.1, name="ranked").use(
            nd.BCM(), nd.Survival()
        )
        return dict(nd.Simulation(network, comm=comm, split=comm is not None)._rows())

    said = on_ranks(2, work)[0]
    assert said["split over ranks"] == "up, loop"
    assert said["whole on each"] == "ranked (Survival looks at all synapses)"
    assert "split over ranks" not in work(None)


def test_another_seed_writes_another_file(tmp_path):
    files = [tmp_path / f"{seed}.sqlite" for seed in (4, 5)]
    for seed, to in zip((4, 5), files, strict=True):
        network = partial(crowded, seed)
        on_ranks(2, lambda comm, n=network, to=to: nd.Simulation(n(), to=to, comm=comm, split=True).run(10.0).close())
    with pytest.raises(AssertionError):
        same(*files)


def until_told(to: Path, after: int, comm: Any, resumed: bool, split: bool) -> None:
    if resumed:
        sim = nd.Simulation.resume(to, net(), checkpoint=0.0, comm=comm, split=split)
    else:
        sim = grown(to, comm, checkpoint=0.0, split=split)
    broken_off(sim, after, None if resumed else LIFE)


def finished(to: Path, comm: Any, split: bool) -> list[bytes]:
    sim = nd.Simulation.resume(to, net(), comm=comm, split=split)
    assert bool(sim.simulator.engine.split) == split
    sim.run().close()
    return samples(sim)


@pytest.mark.parametrize(
    ("sizes", "split"),
    [
        ((2, 3, 0), (1, 1, 0)),
        ((0, 2, 4), (0, 1, 1)),
        pytest.param((3, 3, 2), (1, 0, 1), marks=pytest.mark.slow),
        pytest.param((1, 13, 3), (1, 1, 1), marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_shared_otherwise_or_not_at_all(sizes, split, tmp_path):
    """Killed twice; the births of the first are dated by the last."""
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    sim = grown(whole)
    sim.run(LIFE).close()

    def by(k: int, work: Any) -> list[Any]:
        return [work(None, bool(split[k]))] if sizes[k] == 0 else on_ranks(sizes[k], lambda c: work(c, bool(split[k])))

    by(0, lambda comm, how: until_told(cut, 14, comm, False, how))
    by(1, lambda comm, how: until_told(cut, 19, comm, True, how))
    assert by(2, lambda comm, how: finished(cut, comm, how)) == [samples(sim)] * max(sizes[2], 1)
    same(whole, cut)


class Hoard:
    """What a mechanism must not keep."""

    def __init__(self) -> None:
        self.slots = np.zeros(0, np.int64)


class Hoarder(Mechanism):
    """Keeps the slots of its rank."""

    reach = "target"

    def settle(self, view):
        view.kept(Hoard).slots = view.slots().copy()


def test_what_is_kept_of_a_share_is_no_checkpoint_for_others(tmp_path):
    def work(comm):
        network = nd.Network(seed=1)
        a, b = network.add(nd.Poisson(20.0), 8, name="a"), network.add(nd.LIF(), 9, name="b")
        network.connect(a, b, nd.Degree(3), weight=1.0, delay=1.5).use(Hoarder())
        sim = nd.Simulation(network, tick=10.0, to=tmp_path / "h.sqlite", comm=comm, split=True, checkpoint=0.0)
        sim.run(15.0)
        assert sim._every is None
        sim.close()
        return True

    with pytest.warns(UserWarning, match="no checkpoints.*keep them in columns"):
        assert on_ranks(2, work) == [True, True]


def test_a_number_that_is_none_on_one_rank_is_told_in_the_file(tmp_path):
    to = tmp_path / "rash.sqlite"

    def work(comm):
        network = nd.Network(seed=2)
        r, e = network.add(nd.Poisson(20.0), 6, name="r"), network.add(nd.LIF(), 12, name="e")
        network.connect(r, e, nd.Degree(2), weight=0.5, delay=1.5, name="q").use(Rash())
        with pytest.raises(SimulationError, match="Rash on 'q': rash is nan"):
            nd.Simulation(network, tick=10.0, to=to, comm=comm, split=True).run(50.0)
        return True

    assert on_ranks(3, work) == [True] * 3
    with RunFile.open(to) as f:
        assert "Rash on 'q': rash is nan in 2 of" in f.item("finished")


def test_a_condition_that_looks_at_a_share_is_refused_and_one_that_all_know_is_not():
    def work(comm):
        def few(sim):
            table = sim.simulator.tables["up"]
            return bool(table.post[table.slots()].max() < 7)

        sim = nd.Simulation(crowded(), acceleration=7200.0, comm=comm, split=True)
        with pytest.raises(SimulationError, match="holds on rank 0, not on rank 1.*n_synapse"):
            sim.until(few).run(3 * day)
        sim = nd.Simulation(crowded(), acceleration=7200.0, comm=comm, split=True)
        sim.until(lambda sim: sim.simulator.n_synapse("up") > 80).run(3 * day)
        return sim.life

    whole = nd.Simulation(crowded(), acceleration=7200.0)
    whole.until(lambda sim: sim.simulator.tables["up"].n_synapse > 80).run(3 * day)
    assert on_ranks(2, work) == [whole.life] * 2
    assert whole.life < 3 * day


# ---------------------------------------------------------------- processes


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_command_writes_the_same_file(size, tmp_path):
    words = "from neurodev.cli import main; raise SystemExit(main())"
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    files = [tmp_path / f"{name}.sqlite" for name in ("alone", "ranked", "other")]
    command = ["run", str(study), "--quiet", "--to"]
    for to, n, more in (
        (files[0], 1, []),
        (files[1], size, ["--split"]),
        (files[2], size, ["--split", "--set", "seed=8"]),
    ):
        done = on_processes(n, "-c", words, *command, str(to), *more)
        assert done.returncode == 0, done.stderr
    same(files[0], files[1])
    with pytest.raises(AssertionError):
        same(files[0], files[2])
