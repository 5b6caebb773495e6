"""Spikes and probes by Neo itself: from NIX, from a pickle, and counted by what stands in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import ParameterError
from neurodev.formats.contents import Spikes, spikes_of
from neurodev.formats.neo_blocks import Neo, spikes_in

pytestmark = pytest.mark.filterwarnings("ignore")  # of theirs


def trains_of(block: Any) -> dict[tuple[str, int, float, float], list[float]]:
    """Of every train in a block: who, the ends of its stretch, its times in ms."""
    found = {}
    for train in (t for s in block.segments for t in s.spiketrains):
        own = train.annotations
        ends = [float(t.rescale("ms")) for t in (train.t_start, train.t_stop)]
        found[str(own["population"]), int(own["cell"]), *ends] = train.rescale("ms").magnitude.tolist()
    return found


def wanted(run: Any) -> dict[tuple[str, int, float, float], list[float]]:
    out = {}
    for p in ("Körner", "cells", "at_rest"):
        time, cell = run.spikes(p)
        for start, stop in run.spike_windows(p).tolist():
            for who in run.recorded(p).tolist():
                mine = time[(cell == who) & (time >= start) & (time <= stop)]
                out[p, who, start, stop] = np.sort(mine).tolist()
    return out


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tenth of a second in one stretch, with two probes; the population at rest never fires."""
    net = nd.Network(seed=2)
    a, b = net.add(nd.Poisson(50.0), 2, name="Körner"), net.add(nd.LIF(), 3, name="cells")
    net.add(nd.LIF(), 1, name="at_rest")
    net.connect(a, b, nd.AllToAll(), weight=30.0, name="q")
    to = tmp_path_factory.mktemp("neo") / "r.sqlite"
    sim = nd.Simulation(net, record="all", tick=100.0, progress=False, to=to)
    probes = sim.probe(b, "V", every=1.0, cells=[0, 2]), sim.probe("q", "weight", every=50.0)
    return sim.run(100.0).close(), probes


def test_spikes_by_nix(small: Any, tmp_path: Path) -> None:
    pytest.importorskip("nixio")
    io = pytest.importorskip("neo.io")
    run, _ = small
    path = run.export(tmp_path / "spikes.nix")
    with io.NixIO(str(path), mode="ro") as file:
        block = file.read_block()
    found = trains_of(block)
    assert found == wanted(run) and sum(map(len, found.values())) > 5
    assert found["at_rest", 0, 0.0, 100.0] == []
    assert block.annotations["seed"] == 2 and len(block.segments) == 1
    again = Neo().read(path)
    for name, s in spikes_of(run).items():
        back = again[name]
        np.testing.assert_array_equal(back.time, s.time[np.lexsort((s.cell, s.time))])
        np.testing.assert_array_equal(back.cells, s.cells)
        np.testing.assert_array_equal(back.windows, s.windows)
        assert back.about == s.about and s.about["model"]


def test_spikes_by_pickle(run: Any, tmp_path: Path) -> None:
    io = pytest.importorskip("neo.io")
    block = Neo().block(run)
    io.PickleIO(str(tmp_path / "a.pkl")).write_block(block)
    assert trains_of(io.PickleIO(str(tmp_path / "a.pkl")).read_block()) == wanted(run)
    again = spikes_in(block)
    np.testing.assert_array_equal(np.sort(again["cells"].time), np.sort(run.spikes("cells")[0]))
    assert trains_of(Neo().block(again)) == wanted(run)  # what is read can be written
    one = Neo("cells").block(run)
    assert {t.annotations["population"] for s in one.segments for t in s.spiketrains} == {"cells"}


def test_probes_by_nix(small: Any, tmp_path: Path) -> None:
    pytest.importorskip("nixio")
    io = pytest.importorskip("neo.io")
    run, (v, w) = small
    run.export(tmp_path / "a.nix", population="at_rest", probes=[v, w])
    with io.NixIO(str(tmp_path / "a.nix"), mode="ro") as file:
        (segment,) = file.read_block().segments
    signals = {s.name: s for s in segment.irregularlysampledsignals}
    s = signals["V of cells"]
    np.testing.assert_array_equal(s.times.rescale("ms").magnitude, v.times)
    np.testing.assert_array_equal(s.rescale("mV").magnitude, v.values)
    assert s.array_annotations["cell"].tolist() == [0, 2]
    np.testing.assert_array_equal(signals["weight of q"].magnitude, w.values)
    assert signals["weight of q"].array_annotations["uid"].tolist() == w.uid.tolist()
    with pytest.raises(ParameterError, match="probes must be what Simulation.probe returned"):
        run.export(tmp_path / "b.nix", probes=[3])


def test_what_neo_cannot_say(strange: Any, tmp_path: Path) -> None:
    pytest.importorskip("neo")
    pytest.importorskip("nixio")
    with pytest.raises(ParameterError, match="what must be a run, which alone has spikes"):
        strange.export(tmp_path / "a.nix")
    one = Spikes(np.array([1.0]), np.array([0]), np.array([0]), np.array([[0.0, 10.0]]))
    other = one._replace(windows=np.array([[5.0, 15.0]]))
    with pytest.raises(
        ParameterError, match="Neo cannot say 'one': it has words for populations that are recorded over"
    ):
        Neo().write({"one": one, "other": other}, tmp_path / "a.nix")
    with pytest.raises(ParameterError, match="has no spikes recorded"):
        Neo().write({"one": one._replace(windows=np.zeros((0, 2)))}, tmp_path / "a.nix")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.nix").write_bytes(b"no")
    with pytest.raises(ParameterError, match="cannot be read by Neo"):
        Neo().read(tmp_path / "a.nix")
    with pytest.raises(ParameterError, match="there is no file"):
        Neo().read(tmp_path / "b.nix")
