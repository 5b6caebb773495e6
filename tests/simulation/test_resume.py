"""A run that was broken off and resumed ends at the file of one that never was: every array, log and item."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import cli
from neurodev.errors import NeurodevError, RunFileError, StudyError
from neurodev.record.runfile import RunFile
from neurodev.simulation.simulate import Simulation
from neurodev.units import hour
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING, KINDS, circuit

LIFE = 8 * 2 * hour  # eight ticks of half a second


def net(kind: str = "jumps", **more: Any) -> nd.Network:
    return circuit(room=6, death=DYING, growth=GROWING, **{**KINDS[kind], **more})


def begun(to: Path, kind: str = "jumps", **more: Any) -> Simulation:
    """A run with everything: interventions of all sorts, probes of cells and of synapses, all trains."""
    sim = nd.Simulation(net(kind), to=to, record="all", **{"checkpoint": 0.0, **FAST, **more})
    projection = sim.simulator.network.projections["retina_e"]
    uids = np.sort(sim.simulator.tables["retina_e"].uid[sim.simulator.tables["retina_e"].slots()])
    for when, what in (
        (700.0, nd.SetRate("e", 250.0)), (900.0, nd.Block("retina_e", nd.STDP)), (1100.0, nd.Silence("i")),
        (1150.0, nd.Silence("i", on=False)), (1600.0, nd.Block(projection, "STDP", on=False)),
        (1700.3, nd.Lesion("i", [1])), (2300.0, nd.RemoveSynapses("retina_e", uids=uids[:4])),
        (3100.0, nd.AddSynapses("e_i", [0, 1], [0, 2], weight=2.0)),
    ):  # fmt: skip
        try:
            sim.at(when, what, clock="spike")
        except NeurodevError:
            assert isinstance(what, nd.AddSynapses)  # where that pair has one already
    sim.probe("e", "V", every=130.0, cells=[0, 3, 5])
    sim.probe("retina_e", "weight", every=310.0)
    return sim


def everything(path: Path) -> dict[str, bytes]:
    """All that a run file tells, but for the time of day and where it was written in pieces."""
    out = {}
    with RunFile.open(path) as f:
        for name in f.names():
            a = f.read(name)
            out[name] = str((a.dtype, a.shape)).encode() + a.tobytes()
        for q in f.logged():
            out[f"log/{q}"] = b"".join(np.ascontiguousarray(c).tobytes() for c in f.log(q))
        for item in f.items():
            out[f"item/{item}"] = json.dumps(f.item(item)).encode()
        told = {k: v for k, v in f.provenance().items() if k not in ("date", "threads", "ranks")}
        out["provenance"] = json.dumps(told).encode()
    return out


def samples(sim: Simulation) -> list[bytes]:
    return [x.tobytes() for p in sim.probes for x in (p.times, p.values, p.uid)]


def same(one: Path, other: Path) -> None:
    a, b = everything(one), everything(other)
    assert a.keys() == b.keys()
    assert [k for k in a if a[k] != b[k]] == []


class Broken(Exception):
    """What breaks a run off."""


def broken(sim: Simulation, after: int, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break a run off after so many pieces: between two, like Ctrl-C; within one, by an error; or by a kill."""
    pieces, one = [0], sim._one_piece

    def piece(end: float) -> None:
        pieces[0] += 1
        if pieces[0] > after:
            if how == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            elif how == "error":
                sim.simulator.engine.run_until(sim.spike + 1.234)
                raise Broken
            else:  # what a killed program leaves: nothing is sealed, nothing more is flushed
                sim.file.abandon()
                sim._closed = True
                raise Broken
        sim._piece = 77.0  # many pieces in a tick
        one(end)

    sim._one_piece = piece  # type: ignore[method-assign]
    with pytest.raises((Broken, KeyboardInterrupt, RunFileError)):
        sim.run(None if sim.goal else LIFE)
    sim.simulator.network.end(sim.simulator)


@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
@pytest.mark.parametrize(("kind", "how"), zip(KINDS, ["interrupt", "error", "kill", "interrupt", "kill"], strict=True))
def test_a_run_broken_off_again_and_again_ends_at_the_same_file(kind, how, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    sim = begun(whole, kind, threads=2)
    sim.run(LIFE)
    expected = samples(sim)
    sim.close()
    sim = begun(cut, kind, threads=2)
    for threads, after in ((2, 3), (1, 11), (3, 16)):
        broken(sim, after, how, monkeypatch)
        sim = nd.Simulation.resume(cut, net(kind), threads=threads, checkpoint=0.0)
    sim.run()
    assert samples(sim) == expected
    sim.close()
    same(whole, cut)
    with RunFile.open(cut) as f:
        assert f.checkpoints() == []


@pytest.mark.filterwarnings("ignore:.*(not alive|RemoveSynapses|are made|AddSynapses).*:UserWarning")
def test_the_file_does_not_depend_on_the_number_of_threads(tmp_path):
    """Nor the order of the deaths in its log, whatever lies where in memory."""
    files = [tmp_path / f"{threads}.sqlite" for threads in (1, 2, 3)]
    for threads, to in enumerate(files, 1):
        begun(to, threads=threads, checkpoint=None).run(LIFE).close()
    same(files[0], files[1])
    same(files[0], files[2])


def small(rate: float = 40.0, n: int = 5, weight: Any = 25.0) -> nd.Network:
    made = nd.Network(seed=1)
    a, b = made.add(nd.Poisson(rate), n, name="a"), made.add(nd.LIF(), n, name="b")
    made.connect(a, b, nd.OneToOne(), weight=weight, name="ab")
    return made


def interrupted(to: Path, network: nd.Network, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = nd.Simulation(network, tick=100.0, to=to, checkpoint=0.0)
    one = sim._one_piece
    monkeypatch.setattr(sim, "_one_piece", lambda end: (one(end), os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt, match="sealed and readable"):
        sim.run(1000.0)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (small(rate=41.0), "rate_hz of model of a is 41.0, the file has 40.0"),
        (small(n=6), "n of a is 6, the file has 5"),
        (small(weight=24.0), "weight of ab is 24.0, the file has 25.0"),
    ],
)
def test_another_network_is_refused_by_name(network, named, tmp_path, monkeypatch):
    to = tmp_path / "r.sqlite"
    interrupted(to, small(), monkeypatch)
    before = to.read_bytes()
    with pytest.raises(StudyError, match=named):
        nd.Simulation.resume(to, network)
    assert to.read_bytes() == before
    network.add(nd.LIF(), 1, name="c")  # it is open again
    assert nd.Simulation.resume(to, small()).run().close().file.item("finished") is True


def test_weights_that_no_description_tells_are_compared(tmp_path, monkeypatch):
    to, weights = tmp_path / "r.sqlite", np.linspace(1.0, 20.0, 70)
    interrupted(to, small(n=70, weight=weights), monkeypatch)
    with pytest.raises(RunFileError, match="'weight' of the synapses of 'ab' that it began with differs"):
        nd.Simulation.resume(to, small(n=70, weight=weights[::-1].copy()))
    nd.Simulation.resume(to, small(n=70, weight=weights)).run().close()


def test_what_cannot_be_gone_on_with_says_so(tmp_path, monkeypatch):
    to = tmp_path / "r.sqlite"
    nd.simulate(small(), 200.0, tick=100.0, to=to, progress=False)
    with pytest.raises(RunFileError, match="is finished"):
        nd.Simulation.resume(to, small())
    other = tmp_path / "other.sqlite"
    sim = nd.Simulation(small(), tick=100.0, to=other, checkpoint=None)
    sim.file.abandon()
    with pytest.raises(RunFileError, match="holds no checkpoint to resume from"):
        nd.Simulation.resume(other, small())
    sim = nd.Simulation(small())
    with pytest.raises(nd.errors.ParameterError, match="duration must be given"):
        sim.run()


STUDY = """
seed = 1
[population.a]
kind = "Poisson"
rate_hz = 20.0
n = 5
[population.b]
kind = "LIF"
n = 3
[projection.ab]
source = "a"
target = "b"
wiring = { kind = "AllToAll" }
weight = 9.0
[run]
duration = "60 second"
tick = "500 ms"
[[at]]
kind = "Silence"
population = "a"
spike = "40 second"
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_goes_on_from_the_file_alone(number, tmp_path, capsys, monkeypatch):
    """Ctrl-C and SIGTERM leave a checkpoint of that moment; the rest is run from the file, with its interventions."""
    study, whole, cut = tmp_path / "s.toml", tmp_path / "whole.sqlite", tmp_path / "cut.sqlite"
    study.write_text(STUDY)
    assert cli.main(["run", str(study), "--to", str(whole), "--quiet"]) == 0
    one, pieces = Simulation._one_piece, []

    def piece(self: Simulation, end: float) -> None:
        pieces.append(1)
        if len(pieces) == 7:
            os.kill(os.getpid(), number)
        one(self, end)

    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "_one_piece", piece)
        assert cli.main(["run", str(study), "--to", str(cut), "--quiet"]) == 128 + number
    study.unlink()
    assert nd.Run(cut).file.item("life") == pytest.approx(3500.0)
    assert cli.main(["run", "--resume", str(cut), "--seeds", "2"]) == 2
    assert "leave out seeds" in capsys.readouterr().err
    assert cli.main(["run", "--resume", str(cut), "--quiet", "--threads", "2"]) == 0
    same(whole, cut)
    again = tmp_path / "again.sqlite"
    assert cli.main(["rerun", str(cut), "--to", str(again), "--quiet"]) == 0
    same(whole, again)
    assert cli.main(["run", "--resume", str(cut)]) == 2
    assert "is finished" in capsys.readouterr().err


def test_a_run_without_a_study_goes_on_from_its_file_alone(tmp_path, monkeypatch, capsys):
    """A program made it: the network is built of its description."""
    to, whole = tmp_path / "r.sqlite", tmp_path / "whole.sqlite"
    interrupted(to, small(), monkeypatch)
    assert cli.main(["rerun", str(to), "--to", str(tmp_path / "n.sqlite")]) == 2
    assert "was broken off" in capsys.readouterr().err
    assert cli.main(["run", "--resume", str(to), "--quiet"]) == 0
    assert cli.main(["rerun", str(to), "--to", str(whole), "--quiet"]) == 0
    same(whole, to)
    assert cli.main(["run"]) == 2
    assert "name a study to run" in capsys.readouterr().err
