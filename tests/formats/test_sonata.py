"""SONATA by libsonata, where it is installed, and by h5py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from neurodev.formats.contents import graph_of, spikes_of
from neurodev.formats.sonata import SONATA
from tests.formats.test_graphs import alike

pytest.importorskip("h5py")


def test_cells_connections_and_spikes_by_libsonata(run: Any, tmp_path: Path) -> None:
    sonata = pytest.importorskip("libsonata")
    t = 3.0 * nd.units.day
    folder = run.export(tmp_path / "a.sonata", t=t)
    config = sonata.CircuitConfig.from_file(str(folder / "circuit_config.json"))
    assert config.node_populations == {"Körner", "cells", "at_rest"} and config.edge_populations == {"q", "back"}
    nodes = config.node_population("cells")
    assert nodes.size == 8 and config.node_population("at_rest").size == 3
    np.testing.assert_array_equal(nodes.get_attribute("x", nodes.select_all()), run.positions("cells")[:, 0])
    for name, source in (("q", "Körner"), ("back", "cells")):
        edges, want = config.edge_population(name), run.graph(t, name).columns
        everything = edges.select_all()
        assert (edges.source, edges.target, edges.size) == (source, "cells", want["uid"].size)
        found = zip(
            edges.source_nodes(everything).tolist(), edges.target_nodes(everything).tolist(),
            edges.get_attribute("id", everything).tolist(), edges.get_attribute("syn_weight", everything).tolist(),
            strict=True,
        )  # fmt: skip
        theirs = (want[k].tolist() for k in ("pre", "post", "uid", "weight"))
        assert sorted(map(repr, found)) == sorted(map(repr, zip(*theirs, strict=True)))
        for cell in range(8):  # by their indices
            mine = edges.get_attribute("id", edges.afferent_edges(cell))
            np.testing.assert_array_equal(np.sort(mine), np.sort(want["uid"][want["post"] == cell]))
            mine = edges.get_attribute("id", edges.efferent_edges(cell))
            np.testing.assert_array_equal(np.sort(mine), np.sort(want["uid"][want["pre"] == cell]))
    back = config.edge_population("back")
    assert set(back.get_attribute("delay", back.select_all()).tolist()) == {1.5}
    reader = sonata.SpikeReader(str(folder / "spikes.h5"))
    assert set(reader.get_population_names()) == {"Körner", "cells", "at_rest"}
    for name in ("Körner", "cells", "at_rest"):
        time, cell = run.spikes(name)
        assert sorted(reader[name].get()) == sorted(zip(cell.tolist(), time.tolist(), strict=True))
    assert reader["cells"].time_units == "ms" and reader["cells"].sorting == "by_time"


def test_what_is_written_comes_back(run: Any, tmp_path: Path) -> None:
    folder = run.export(tmp_path / "a.sonata", t="2 day")
    c = SONATA().read(folder)
    for name in ("q", "back"):
        want = graph_of(run, 2.0 * nd.units.day, name)
        back = c.graphs[name]
        if name == "back":
            back.columns.pop("delay")
        else:
            back.columns.pop("delay", None)
        alike(back, want)
    for name, s in spikes_of(run).items():
        np.testing.assert_array_equal(c.spikes[name].time, s.time[np.lexsort((s.cell, s.time))])
        np.testing.assert_array_equal(c.spikes[name].windows, s.windows)
        assert c.spikes[name].about == s.about
    h = run.history(sizes=False)
    assert c.lives["cause"].tolist() == h.column("cause").tolist()
    np.testing.assert_array_equal(c.lives["id"], h.ident)
    np.testing.assert_array_equal(np.column_stack([c.lives["died_after"], c.lives["died_by"]]), h.died)
    SONATA().write(c, tmp_path / "b.sonata")
    again = SONATA().read(tmp_path / "b.sonata")
    alike(again.graphs["q"], c.graphs["q"])
    with pytest.raises(ParameterError, match="there already"):
        run.export(folder)
    run.export(folder, overwrite=True)
    assert json.loads((folder / "circuit_config.json").read_text())["networks"]["edges"]
    assert not [p.name for p in tmp_path.iterdir() if p.name[0] == "."]


def test_a_history_of_names(strange: History, tmp_path: Path) -> None:
    for t in (0.0, 12.5):
        folder = strange.export(tmp_path / f"{t:g}.sonata", t=t)
        c = SONATA().read(folder)
        alike(c.graphs["edges"], graph_of(strange, t))
        assert c.lives["cell"].tolist() == strange.column("cell").tolist()
    deep = History([[0, 1]], [[1, 2]], 3.0, columns={"pre": ["a"], "post": ["b"], "odd": np.array([{}], object)})
    with pytest.raises(ParameterError, match="SONATA cannot say 'odd'"):
        deep.export(tmp_path / "no.sonata")
    slashed = graph_of(strange, 0.0)._replace(source="a/b")
    with pytest.raises(ParameterError, match="SONATA cannot say 'a/b': it has words for names without '/'"):
        SONATA().write(slashed, tmp_path / "no.sonata")
    assert not (tmp_path / "no.sonata").exists()
    with pytest.raises(ParameterError, match="cannot be read as SONATA"):
        SONATA().read(tmp_path)


def test_nobody_is_connected(strange: History, tmp_path: Path) -> None:
    g = graph_of(strange, 0.0)._replace(row=np.zeros(0, int), column=np.zeros(0, int), columns={})
    SONATA().write(g, tmp_path / "n.sonata")
    assert SONATA().read(tmp_path / "n.sonata").graphs["strange"].row.size == 0
    sonata = pytest.importorskip("libsonata")
    edges = sonata.EdgeStorage(str(tmp_path / "n.sonata" / "edges.h5")).open_population("strange")
    assert edges.size == 0 and edges.afferent_edges(0).flat_size == 0
