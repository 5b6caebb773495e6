"""Whole histories as arrays; graphs by scipy.sparse and by networkx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import History
from neurodev.errors import ParameterError
from neurodev.formats.arrays import NPZ
from neurodev.formats.contents import Graph, graph_of
from neurodev.formats.graphml import GraphML
from neurodev.formats.sparse import SparseMatrix
from tests.formats.conftest import same


def alike(a: Graph, b: Graph) -> None:
    """Two graphs are one, whatever the order of their connections and cells."""

    def told(g: Graph) -> list[Any]:
        ends = zip(g.pre[g.row].tolist(), g.post[g.column].tolist(), strict=True)
        return sorted(zip(ends, *(g.columns[k].tolist() for k in sorted(g.columns)), strict=True), key=repr)

    assert sorted(a.columns) == sorted(b.columns)
    assert repr(told(a)) == repr(told(b))
    assert sorted(a.pre.tolist()) == sorted(b.pre.tolist()) and sorted(a.post.tolist()) == sorted(b.post.tolist())
    assert a[5:] == b[5:]


def test_a_history_as_arrays_is_whole(run: Any, strange: History, tmp_path: Path) -> None:
    looked = np.ones((4, 4), bool)
    looked[0, 2] = False
    blind = History(strange.born, strange.died, 20.0, ident=strange.ident, sessions=strange.sessions,
                    seen=strange.seen, looked=looked, columns={"xyz": np.arange(12.0).reshape(4, 3)})  # fmt: skip
    for k, h in enumerate((run.history(), strange, blind, History(np.zeros((0, 2)), np.zeros((0, 2)), 3.0))):
        path = h.export(tmp_path / f"{k}.npz")
        again = NPZ().read(path)
        same(h, again)
        assert again.end == h.end and np.array_equal(again.sessions, h.sessions) and again.notes == h.notes
        assert (again.unit, again.size_unit, again.title) == (h.unit, h.size_unit, h.title)
        np.testing.assert_array_equal(again.sizes(), h.sizes())
        assert (again.looked is None) == (h.looked is None)
        np.testing.assert_array_equal(again.looked, h.looked)
        with np.load(path) as file:  # as anybody reads it
            np.testing.assert_array_equal(file["born"], h.born)
    assert NPZ().read(tmp_path / "1.npz").causes["odd"].sentence == "oddly"
    mixed = History([[0, 1]], [[1, 2]], 3.0, columns={"mixed": np.array([{}], object)})
    with pytest.raises(ParameterError, match="NPZ cannot say 'mixed': it has words for arrays of"):
        mixed.export(tmp_path / "no.npz")
    (tmp_path / "no.npz").write_bytes(b"PK\x03\x04no")
    with pytest.raises(ParameterError, match="holds no history"):
        NPZ().read(tmp_path / "no.npz")


@pytest.mark.filterwarnings("ignore:graph of")  # weights between two pictures
def test_a_graph_by_scipy(run: Any, tmp_path: Path) -> None:
    from scipy import sparse

    for t in (0.0, 3.3 * nd.units.day, None):
        want = run.graph(t, "q")
        path = run.export(tmp_path / "a.sparse.npz", t=t, overwrite=True)
        found = sparse.load_npz(path)
        assert found.shape == want.shape and found.nnz == want.nnz > 0
        np.testing.assert_array_equal(found.toarray(), want.toarray())
        alike(SparseMatrix().read(path), graph_of(run, t))
    assert run.export(tmp_path / "b.sparse.npz", t="2 day", projection="q").is_file()
    with pytest.raises(ParameterError, match="t must be a life time in ms between 0 and 8 days"):
        run.export(tmp_path / "c.sparse.npz", t=9 * nd.units.day)
    with pytest.raises(ParameterError, match="no projection 'p'"):
        run.export(tmp_path / "c.sparse.npz", projection="p")
    sparse.save_npz(tmp_path / "theirs.npz", sparse.coo_array(np.eye(3)))
    theirs = SparseMatrix().read(tmp_path / "theirs.npz")
    assert theirs.pre.tolist() == theirs.row.tolist() == theirs.column.tolist() == [0, 1, 2]
    (tmp_path / "no.npz").write_bytes(b"PK\x03\x04no")
    with pytest.raises(ParameterError, match="holds no matrix"):
        SparseMatrix().read(tmp_path / "no.npz")


def test_a_graph_of_names(strange: History, tmp_path: Path) -> None:
    for t in (0.0, 4.0, 12.5):
        g = graph_of(strange, t)
        assert sorted(g.columns["id"].tolist()) == sorted(strange.ident[strange.alive(t)].tolist())
        alike(SparseMatrix().read(strange.export(tmp_path / "a.sparse.npz", t=t, overwrite=True)), g)
        m, pre, post = strange.graph(t)
        theirs = {(pre[i], post[j]): v for i, j, v in zip(*m.tocoo().coords, m.tocoo().data, strict=True)}
        ends = zip(g.pre[g.row].tolist(), g.post[g.column].tolist(), strict=True)
        assert dict(zip(ends, g.value.tolist(), strict=True)) == theirs
    with pytest.raises(ParameterError, match=r"t must lie in \[0, 12.5\] hours, got 13"):
        strange.export(tmp_path / "b.sparse.npz", t=13)
    with pytest.raises(ParameterError, match="a graph needs the columns pre and post"):
        History.of_sessions([[1.0]], [0.0]).export(tmp_path / "b.sparse.npz")
    nobody = graph_of(strange, 0.0)._replace(row=np.zeros(0, int), column=np.zeros(0, int), columns={})
    SparseMatrix().write(nobody, tmp_path / "n.sparse.npz")
    assert SparseMatrix().read(tmp_path / "n.sparse.npz").row.size == 0


def test_a_graph_by_networkx(run: Any, tmp_path: Path) -> None:
    nx = pytest.importorskip("networkx")
    for t in (0.0, None):
        want = run.graph(t, "q").columns
        path = run.export(tmp_path / "a.graphml", t=t, overwrite=True)
        found = nx.read_graphml(path, force_multigraph=True)
        edges = {(a, b, own["id"]): own["weight"] for a, b, own in found.edges(data=True)}
        assert edges == {
            (f"Körner/{i}", f"cells/{j}", u): w
            for i, j, u, w in zip(*(want[k].tolist() for k in ("pre", "post", "uid", "weight")), strict=True)
        }
        x = [found.nodes[f"cells/{k}"]["x_um"] for k in range(8)]
        np.testing.assert_array_equal(x, run.positions("cells")[:, 0])
        alike(GraphML().read(path), graph_of(run, t))


def test_names_by_networkx(strange: History, tmp_path: Path) -> None:
    nx = pytest.importorskip("networkx")
    for t in (0.0, 4.0, 12.5):
        path = strange.export(tmp_path / "a.graphml", t=t, overwrite=True)
        found = nx.read_graphml(path)
        assert set(found.nodes) == {"x/y", "ß", "u", "z"} and found.number_of_edges() == strange.alive(t).sum()
        alike(GraphML().read(path), graph_of(strange, t))
    strange.columns["pre"] = np.array(["a\x01", "b", "c\r", "d"])
    with pytest.raises(ParameterError, match=r"GraphML cannot say 'a\\x01', 'c\\r': it has words for names of letters"):
        strange.export(tmp_path / "b.graphml")
    assert not (tmp_path / "b.graphml").exists()
    (tmp_path / "no.graphml").write_text("<graphml><graph>")
    with pytest.raises(ParameterError, match="cannot be read as GraphML"):
        GraphML().read(tmp_path / "no.graphml")
