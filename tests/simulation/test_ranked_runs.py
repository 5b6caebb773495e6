"""A run over ranks, as a user calls it: the file of rank 0 is that of one process, whatever steers and probes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.cli import main
from neurodev.errors import RunFileError, SimulationError
from neurodev.record.runfile import RunFile
from neurodev.simulation import keeping
from tests.engine.comms import Comm, on_ranks
from tests.engine.test_ranks import brunel, on_processes
from tests.simulation.test_resume import LIFE, Broken, begun, net, same, samples

STUDY = """
seed = 7
[run]
duration = "1 day"
acceleration = 14400
[population.retina]
kind = "Poisson"
n = 60
rate_hz = 12.0
[population.exc]
kind = "LIF"
n = 80
use = [{ kind = "Scaling", target_hz = 0.5 }]
[projection.map]
source = "retina"
target = "exc"
wiring = { kind = "Near", sigma = 160.0, inputs = 8 }
spines = { weight = 4.0 }
delay = { low = 1.0, high = 5.0 }
use = [{ kind = "STDP", rule = "burst" }, { kind = "SpineSize" }, { kind = "Neurotrophin", feeds = 30.0 },
       { kind = "Turnover", early = 14.0, late = 1.4 }]
"""


@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_file_and_the_probes_are_those_of_one_process(size, tmp_path):
    alone, ranked = tmp_path / "alone.sqlite", tmp_path / "ranked.sqlite"
    sim = begun(alone, checkpoint=None)
    sim.run(LIFE).close()

    def work(comm):
        one = begun(ranked, checkpoint=None, comm=comm)
        run = one.run(LIFE).close()
        assert run.path == ranked and run.provenance["ranks"] == size
        return samples(one)

    assert on_ranks(size, work) == [samples(sim)] * size
    same(alone, ranked)
    assert f"on {size} ranks" in nd.Run(ranked).info()


def test_a_run_without_a_file_is_kept_by_every_rank():
    def counts(comm):
        return float(np.sum(nd.Simulation(brunel(), comm=comm, record="all").run(50.0).close().spikes("e")[0]))

    assert on_ranks(2, counts) == [counts(None)] * 2


def test_a_file_that_is_there_is_refused_on_every_rank(tmp_path):
    to = tmp_path / "there.sqlite"
    nd.Simulation(brunel(), to=to).run(5.0).close()

    def work(comm):
        kind = RunFileError if comm.rank == 0 else SimulationError
        with pytest.raises(kind, match="holds a run already" if comm.rank == 0 else "rank 0 cannot write"):
            nd.Simulation(brunel(), to=to, comm=comm)
        return True

    assert on_ranks(2, work) == [True, True]


def plastic(seed: int = 1) -> nd.Network:
    """What can be split: static, of one weight and of many, of one delay and of many; STDP; short-term plasticity."""
    net = brunel(seed)
    e, i = net.populations["e"], net.populations["i"]
    near = nd.Uniform(1.0, 3.0, step=0.25)
    net.connect(e, e, nd.Degree(9), weight=np.linspace(0.1, 0.5, 360), delay=near, name="ee2").use(nd.STDP())
    net.connect(e, i, nd.Degree(9), weight=0.3, delay=near, name="ei2").use(nd.TsodyksMarkram())
    net.connect(i, e, nd.Degree(4), weight=0.5, delay=2.0, name="ie2").use(nd.InhibitorySTDP())
    return net


@pytest.mark.parametrize("size", [1, 2, 4])
def test_synapses_that_are_split_change_no_byte_and_take_their_share_of_memory(size, tmp_path):
    """Beside a population with scaling, whose synapses are split all the same."""
    alone, ranked = tmp_path / "alone.sqlite", tmp_path / "ranked.sqlite"
    settings = {"record": "all", "tick": 50.0}
    nd.Simulation(plastic(), to=alone, **settings).run(220.0).close()

    def work(comm):
        sim = nd.Simulation(plastic(), to=ranked, comm=comm, split=True, **settings)
        assert sorted(sim.simulator.engine.split) == sorted(sim.simulator.tables)
        sim.run(220.0).close()
        return {name: t.n_synapse for name, t in sim.simulator.tables.items()}

    found = on_ranks(size, work)
    assert {name: sum(f[name] for f in found) for name in found[0]}["ee2"] == 360
    assert max(f["ee2"] for f in found) <= 360 // size + 9
    same(alone, ranked)


@pytest.mark.parametrize(("sizes", "split"), [((2, 3, 0), (1, 1, 0)), ((0, 2, 4), (0, 1, 0)), ((3, 13), (0, 1))])
def test_a_run_that_is_split_goes_on_split_otherwise_or_not_at_all(sizes, split, tmp_path):
    """Killed, and gone on by others; some ranks have no synapse."""
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    settings = {"record": "all", "tick": 50.0, "checkpoint": 0.0}
    nd.Simulation(plastic(), to=whole, **settings).run(400.0).close()

    def go(comm, how, last, begins):
        if begins:
            sim = nd.Simulation(plastic(), to=cut, comm=comm, split=how, **settings)
        else:
            sim = nd.Simulation.resume(cut, plastic(), comm=comm, split=how, checkpoint=0.0)
        assert bool(sim.simulator.engine.split) == bool(how and comm is not None)
        if last:
            return sim.run().close()
        broken_off(sim, 5 if begins else 6, 400.0 if begins else None)

    for k, (size, how) in enumerate(zip(sizes, split, strict=True)):
        work = partial(go, how=bool(how), last=k == len(sizes) - 1, begins=k == 0)
        on_ranks(size, work) if size else work(None)
    same(whole, cut)


def test_what_needs_all_synapses_is_refused_where_they_are_split(tmp_path):
    def work(comm):
        sim = nd.Simulation(plastic(), comm=comm, split=True)
        for refused in (
            lambda: sim.probe("ee2", "weight", every=1.0), lambda: sim.save(tmp_path / "c.nd"),
            lambda: sim.do(nd.RemoveSynapses("ee2", source=[0])), lambda: sim.do(nd.SetWeights("ee2", 0.1)),
            lambda: sim.do(nd.AddSynapses("ee2", [0], [1], weight=0.2)), lambda: sim.do(nd.Lesion("e", [0])),
        ):  # fmt: skip
            with pytest.raises(SimulationError, match=r"is split over ranks.*without split"):
                refused()
        sim.run(5.0).close()
        with pytest.raises(nd.errors.ParameterError, match="threads must be 1"):
            nd.Simulation(plastic(), comm=comm, split=True, threads=2)
        return True

    assert on_ranks(2, work) == [True, True]


def test_a_rank_that_fails_stops_the_others_and_nothing_is_told_that_nobody_knows(tmp_path):
    """The file is sealed with what there was; the weights on the rank that failed are not made up."""
    to = tmp_path / "failed.sqlite"

    def work(comm):
        sim = nd.Simulation(plastic(), to=to, comm=comm, tick=50.0)
        if comm.rank == 1:
            sim.simulator.listeners.insert(0, Fails())
        with pytest.raises((RuntimeError, SimulationError)) as e:
            sim.run(220.0)
        with pytest.raises((SimulationError, nd.errors.ParameterError)):
            sim.simulator.sampled("e", "V", np.array([0]))
        return str(e.value)

    said = on_ranks(2, work)
    assert "rank 1 stopped" in said[0] and said[1] == "no more"
    with RunFile.open(to) as f:
        assert "rank 1 stopped" in f.item("finished")
        assert f.names("initial/ee2") and not f.names("final/")


def until_told(to: Path, kind: str, after: int, comm: Any = None, resumed: bool = False, **more: Any) -> Any:
    """A run, or what is left of it, with many checkpoints; killed in its piece number `after`, on every rank."""
    if resumed:
        sim = nd.Simulation.resume(to, net(kind), checkpoint=0.0, comm=comm, **more)
    else:
        sim = begun(to, kind, comm=comm, **more)
    broken_off(sim, after, None if resumed else LIFE)


def broken_off(sim: nd.Simulation, after: int, life: float | None) -> None:
    """What a program leaves that is killed in its piece number `after`: nothing is sealed, nothing more is flushed."""
    one, pieces = sim._one_piece, [0]

    def piece(end: float) -> None:
        pieces[0] += 1
        if pieces[0] > after:
            sim.file.abandon()
            sim._closed = True
            raise Broken
        sim._piece, sim._every = 27.25, 0.0 if pieces[0] == after else None  # many pieces in a tick; one is kept
        one(end)

    sim._one_piece = piece
    with pytest.raises(Broken):
        sim.run(life)
    sim.simulator.network.end(sim.simulator)


def finished(to: Path, kind: str, comm: Any = None, **more: Any) -> list[bytes]:
    sim = nd.Simulation.resume(to, net(kind), comm=comm, **more)
    sim.run().close()
    return samples(sim)


@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("jumps", (2, 3, 0)),
        ("currents", (0, 2, 4)),
        pytest.param("plateaus", (3, 0, 2), marks=pytest.mark.slow),
        pytest.param("jumps", (4, 2, 1), marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_over_any_number_of_ranks(kind, sizes, tmp_path):
    """Killed twice, and gone on each time by others than before (0: without ranks), it ends at the same file."""
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    sim = begun(whole, kind, threads=1)
    sim.run(LIFE).close()

    def by(size: int, work: Callable[[Any], Any]) -> list[Any]:
        return [work(None)] if size == 0 else on_ranks(size, work)

    by(sizes[0], lambda comm: until_told(cut, kind, 14, comm, threads=1))
    by(sizes[1], lambda comm: until_told(cut, kind, 19, comm, resumed=True))
    assert by(sizes[2], lambda comm: finished(cut, kind, comm)) == [samples(sim)] * max(sizes[2], 1)
    same(whole, cut)


@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
def test_ranks_go_on_from_the_older_checkpoint_where_the_last_is_damaged(tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    begun(whole).run(LIFE).close()
    on_ranks(2, lambda comm: until_told(cut, "jumps", 60, comm))
    words, bad = keeping.words_of, []

    def damaged(data: bytes) -> Any:
        bad.append(data)
        if data == bad[0]:  # the first that anybody looked at
            raise RunFileError("a checkpoint is damaged")
        return words(data)

    monkeypatch.setattr(keeping, "words_of", damaged)
    with pytest.warns(UserWarning, match="older checkpoint"):
        on_ranks(2, lambda comm: finished(cut, "jumps", comm))
    assert len(bad) == 4
    same(whole, cut)
    with pytest.raises((RunFileError, SimulationError), match="is finished"):
        on_ranks(2, lambda comm: finished(cut, "jumps", comm))


def test_what_ranks_cannot_do_is_refused_by_name(tmp_path, monkeypatch, capsys):
    """Before a file is made; the launcher is pretended."""
    monkeypatch.setenv("PMI_SIZE", "3")
    monkeypatch.setattr("neurodev.engine.ranks.world", lambda: Comm(0, 3, threading.Barrier(3), [None] * 3))
    assert main(["run", "a.toml", "--seeds", "2"]) == 2
    assert "--seeds must be 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


class Fails:
    """What goes wrong on one rank alone."""

    def on_tick(self, simulator, report):
        if report.tick == 2:
            raise RuntimeError("no more")


# ---------------------------------------------------------------- processes


def ran(study: Path, to: Path, size: int, *more: str) -> str:
    words = "from neurodev.cli import main; raise SystemExit(main())"
    done = on_processes(size, "-c", words, "run", str(study), "--to", str(to), "--quiet", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_command_writes_the_same_file(size, tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    files = [tmp_path / f"{name}.sqlite" for name in ("alone", "ranked", "other")]
    assert main(["run", str(study), "--to", str(files[0]), "--quiet"]) == 0
    said = ran(study, files[1], size, "--threads", "2")
    assert said.count("1 day of life, finished") == 1
    same(files[0], files[1])
    if size > 1:
        assert f"on {size} ranks" in said
        ran(study, files[2], size, "--set", "seed=8")
        with pytest.raises(AssertionError):
            same(files[0], files[2])


@pytest.mark.slow
def test_what_one_rank_cannot_do_ends_all(tmp_path):
    words = "from neurodev.cli import main; raise SystemExit(main())"
    done = on_processes(2, "-c", words, "run", "--resume", str(tmp_path / "nothing.sqlite"))
    assert done.returncode != 0 and "there is no run file" in done.stderr
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from neurodev.cli import main
from neurodev.simulation.simulate import Simulation

one, left = Simulation._one_piece, [int(sys.argv.pop())]

def piece(self, end):
    self._every, self._piece = 0.0, 77.0  # many pieces, and a checkpoint after each
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    one(self, end)

Simulation._one_piece = piece
raise SystemExit(main())
"""


@pytest.mark.slow
def test_processes_that_are_killed_are_gone_on_with_by_others(tmp_path):
    """Two are killed, three go on and are killed, and one; four end it: the file is that of one process."""
    study = tmp_path / "study.toml"
    whole, cut, again = (tmp_path / f"{name}.sqlite" for name in ("whole", "cut", "again"))
    study.write_text(STUDY)
    assert main(["run", str(study), "--to", str(whole), "--quiet"]) == 0
    begun, gone_on = ["run", str(study), "--to", str(cut), "--quiet"], ["run", "--resume", str(cut), "--quiet"]
    for size, words, pieces in ((2, begun, 9), (3, gone_on, 21), (1, gone_on, 13)):
        assert on_processes(size, "-c", KILLED, *words, str(pieces)).returncode != 0
        with RunFile.open(cut) as f:
            assert f.item("finished") is False and f.checkpoints()
    command = "from neurodev.cli import main; raise SystemExit(main())"
    for size, words in ((4, gone_on), (2, ["rerun", str(cut), "--to", str(again), "--quiet"])):
        done = on_processes(size, "-c", command, *words)
        assert done.returncode == 0, done.stderr
    same(whole, cut)
    same(whole, again)
