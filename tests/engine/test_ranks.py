"""Ranks change no byte: here they are threads with a communicator between them, under mpiexec they are processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine import build as engine_build
from neurodev.engine import ranks as engine_ranks
from neurodev.engine import sharing
from neurodev.engine.ranks import SPIKE, Ranks, world
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError, SimulationError
from tests.engine import ranks_program as program
from tests.engine.comms import Crowd, on_ranks, same_everywhere
from tests.mechanisms.beds import MECHANISMS

ROOT = Path(__file__).parents[2]


@pytest.mark.compiled
@pytest.mark.parametrize("size", [2, 3])
def test_every_mechanism_is_the_same_on_ranks(size):
    found = same_everywhere(on_ranks(size, lambda comm: program.mechanisms(Ranks(comm), 1)))
    assert found == program.mechanisms(None, 1)
    assert len(found) == len(MECHANISMS)


@pytest.mark.compiled
@pytest.mark.parametrize(("kind", "size", "threads"), [("jumps", 2, 2), ("currents", 3, 1), ("plateaus", 4, 1)])
def test_a_life_is_the_same_on_ranks(kind, size, threads):
    found = same_everywhere(on_ranks(size, lambda comm: program.lives(Ranks(comm), threads, [kind])))
    assert found == program.lives(None, 1, [kind])


def test_another_seed_differs():
    answers = [on_ranks(2, lambda comm, s=seed: program.life(Ranks(comm), 1, "jumps", seed=s))[0] for seed in (1, 2)]
    assert answers[0] != answers[1]
    assert answers[1] == program.life(None, 1, "jumps", seed=2)


def test_it_is_the_sharing_that_makes_it_so(monkeypatch):
    """A rank that learns nothing of the others' weights decides other deaths, and that is seen at once."""
    monkeypatch.setattr("neurodev.engine.engine.share", lambda e, ranks, *rest: sharing.share_neurons(e, ranks))
    with pytest.raises(SimulationError, match="different results of tick"):
        on_ranks(2, lambda comm: program.life(Ranks(comm), 1, "jumps"))


def brunel(seed: int = 1) -> nd.Network:
    net = nd.Network(seed=seed)
    e, i = net.add(nd.LIF(), 40, name="e"), net.add(nd.LIF(), 10, name="i", inhibitory=True)
    net.background(e, nd.Background(3000.0, 0.5))
    for a, b, w in ((e, e, 0.4), (e, i, 0.8), (i, e, 1.2)):
        net.connect(a, b, nd.Degree(8), weight=w, delay=1.5)
    return net


def spikes_of(ranks: Ranks | None, stop: float = 80.0, **options) -> np.ndarray:
    sim, out = Simulator(brunel(), ranks=ranks, **options), [np.zeros((0, 3))]
    for p in sim.network.populations.values():
        sim.engine.record_trains(p.index, True)
    sim.engine.sink = lambda epoch, t, p, i: out.append(np.column_stack([epoch + t, p, i]))
    sim.engine.run_until(stop)
    return np.concatenate(out)


def test_more_ranks_than_neurons_of_a_population_and_more_spikes_than_travel_at_once(monkeypatch):
    alone = spikes_of(None)
    assert alone.shape[0] > 100
    for few in (1, 4096):
        monkeypatch.setattr(engine_ranks, "_FEWEST", few)
        monkeypatch.setattr(engine_ranks, "_MOST", few)
        np.testing.assert_array_equal(same_everywhere(on_ranks(13, lambda comm: spikes_of(Ranks(comm)))), alone)


def test_more_ranks_than_cores_let_each_other_run_while_they_wait(monkeypatch):
    monkeypatch.setenv("MPI_LOCALNRANKS", "100000")
    crowded = on_ranks(3, lambda comm: spikes_of(Ranks(comm), 20.0), Crowd)
    np.testing.assert_array_equal(same_everywhere(crowded), spikes_of(None, 20.0))


def rare(forward: bool, delay: float = 1.5) -> nd.Network:
    """Bursts with silence between them: what fires by itself fires rarely, and never without being told."""
    net = nd.Network(seed=3)
    a, e = net.add(nd.Poisson(0.8), 12, name="a"), net.add(nd.LIF(), 30, name="e")
    net.connect(a, e, nd.Degree(4), weight=25.0, delay=1.0)
    net.drive(e, nd.Kicks([30.25, 410.0, 410.5], 30.0), cells=[3, 20])
    if not forward:
        near = nd.Uniform(delay, delay + 2.0, step=0.5)
        net.connect(e, e, nd.Degree(3), weight=7.0, delay=near)
        net.connect(e, net.add(nd.LIF(), 20, name="f"), nd.Degree(2), weight=25.0, delay=near)
    return net


def trains(net: nd.Network, ranks: Ranks | None, stop: float, threads: int = 1, room: int | None = None) -> np.ndarray:
    """All spikes in the order in which they are told, run with cuts within windows and changes between them."""
    sim, out = Simulator(net, ranks=ranks, threads=threads), [np.zeros((0, 3))]
    e = sim.engine
    if room is not None:
        e.parts.replace(0, record=engine_build.make_record(e.populations, room))
        e.parts.replace(0, log=engine_build.make_log(e.state.neurons, room))
        for k in range(len(e.parts.states)):
            e.parts.replace(k, fresh=engine_build.make_fresh(room))
    for p in net.populations.values():
        e.record_trains(p.index, True)
    e.sink = lambda epoch, t, p, i: out.append(np.column_stack([epoch + t, p, i]))
    e.run_until(0.3 * stop + 0.123)
    cells = net.populations["e"]
    first = int(e.state.neurons.first[cells.index])
    e.place(np.array([first + 7]), np.array([100.0]))  # it is above threshold, and nothing arrives
    e.predict(cells.index, first, first + cells.n)
    e.run_until(stop)
    return np.concatenate(out)


NETS = {
    "onto others": (lambda: rare(False), 0.35), "onto nobody": (lambda: rare(True), 0.02),
    "slowly": (lambda: rare(False, 6.0), 0.2),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize(("size", "threads", "room"), [(2, 1, None), (3, 2, 40), (4, 1, None)])
def test_ranks_speak_only_where_spikes_of_others_may_arrive(kind, size, threads, room, monkeypatch):
    monkeypatch.setattr("neurodev.engine.parts.WORTH_A_THREAD", 0.0 if threads > 1 else 1.0)
    build, share = NETS[kind]
    alone = trains(build(), None, 3000.0)
    assert alone.shape[0] > 100 and np.unique(alone[:, 1]).size == len(build().populations)

    def work(comm):
        ranks = Ranks(comm)
        found = trains(build(), ranks, 3000.0, threads, room)
        assert ranks.messages < share * 3000.0  # windows are of 1 ms
        return found

    np.testing.assert_array_equal(same_everywhere(on_ranks(size, work)), alone)


def test_it_is_the_promise_that_makes_it_so(monkeypatch):
    """Ranks that think the network quiet although some neuron fires by itself come to other spikes."""
    alone = trains(rare(False), None, 500.0)
    monkeypatch.setattr("neurodev.engine.parts.Parts._promised", lambda parts: np.inf)
    found = on_ranks(2, lambda comm: trains(rare(False), Ranks(comm), 500.0))
    assert not np.array_equal(found[0], alone)


def test_a_budget_is_of_all_ranks_together():
    def spent(comm):
        with pytest.raises(SimulationError, match="budgeted"):
            sim = Simulator(brunel(), events_per_tick=500, ranks=None if comm is None else Ranks(comm))
            sim.run_until_spike(1000.0)
        return sim.engine.now

    assert same_everywhere(on_ranks(3, spent)) == spent(None)


def test_values_that_are_many_travel_in_pieces(monkeypatch):
    monkeypatch.setattr(engine_ranks, "_PIECE", 10)
    counts = np.array([7, 0, 12])
    whole = np.arange(19.0)
    ends = np.cumsum(counts)

    def gathered(comm):
        r = Ranks(comm)
        return r.gather(whole[ends[r.rank] - counts[r.rank] : ends[r.rank]], counts)

    np.testing.assert_array_equal(same_everywhere(on_ranks(3, gathered)), whole)


def test_who_fails_stops_the_others():
    def work(comm):
        r = Ranks(comm)
        if r.rank == 1:
            r.fail()
            return ""
        with pytest.raises(SimulationError) as e:
            r.exchange(np.zeros(0, SPIKE), 0, 0)
        assert r.broken
        return str(e.value)

    assert "rank 1 stopped" in on_ranks(3, work)[0]


def test_what_is_no_communicator_is_refused():
    for wrong in (4, "world", Ranks):
        with pytest.raises(ParameterError, match="comm must be a communicator"):
            nd.Simulation(brunel(), comm=wrong)


def test_a_launcher_of_another_mpi_is_not_run_as_many_runs(monkeypatch):
    """Each of four processes that do not know of each other would write the same file."""
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(SimulationError, match=r"pip install 'neurodev\[mpi\]'"):
        world()
    for name in engine_ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert world() is None


# ---------------------------------------------------------------- processes


def on_processes(size: int, *words: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mpi4py")
    launcher = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(launcher) if launcher.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec: pip install mpich")
    return subprocess.run(
        [mpiexec, "-n", str(size), sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=900
    )


@pytest.mark.slow
@pytest.mark.parametrize(("size", "threads"), [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2)])
def test_processes_come_to_the_same_bytes(size, threads):
    done = on_processes(size, "-m", "tests.engine.ranks_program", str(threads), "lives,mechanisms")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ranks"] == size and said["agree"]
    assert said["found"] == {"lives": program.lives(None, 1), "mechanisms": program.mechanisms(None, 1)}
