"""SONATA: cells, connections at a time and spikes, for NEST, NetPyNE, BMTK, BlueBrain; and births and deaths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev import __version__
from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.contents import Graph, Spikes, graph_of, spikes_of
from neurodev.runs.history import History
from neurodev.runs.run import Run
from neurodev.writing import a_path

_MAGIC = 0x0A7A  # what SONATA's own files begin with
_LIVES = "neurodev"  # our group, which others pass over
_CONFIG = "circuit_config.json"
_TAKEN = {"weight": "syn_weight", "size": "size"}


class Circuit(NamedTuple):
    """What SONATA holds."""

    graphs: dict[str, Graph]
    """Connections by projection."""
    spikes: dict[str, Spikes]
    """Spikes by population."""
    lives: dict[str, NDArray[Any]]
    """The table of births and deaths, (n,) by column."""


class SONATA(Format):
    """Cells, connections at a time and spikes as a folder of SONATA (extra ``sonata``, h5py).

    ``circuit_config.json``, ``nodes.h5`` (a population each, with ``x``, ``y`` in um), ``edges.h5`` (a population for
    each projection, ``syn_weight`` in mV and ``delay`` in ms where all are one, with both indices), tables of types,
    and ``spikes.h5`` in ms of spike time.  Connections are those at one time; who was born and died when stands in the
    group ``neurodev`` of ``edges.h5``, which others pass over.

    Parameters
    ----------
    t : float, optional
        Of a run, ms of life; of a history, in its unit; the end if not given.

    Examples
    --------
    >>> run.export("map.sonata", t="10 day")  # doctest: +SKIP
    """

    suffix = ".sonata"
    marker = _CONFIG
    extra = "sonata"

    def __init__(self, t: Any = None) -> None:
        self.t = t

    def write(self, what: Any, path: Path | str) -> None:
        """Write a run, or the graph of a history.

        Raises
        ------
        ParameterError
            For a history that does not know who is connected, and names with ``/``.
        """
        with self.library():
            import h5py
        c = _circuit(what, self.t)
        nodes = _nodes(what, c)
        if deep := sorted(n for n, a in c.lives.items() if a.dtype.kind not in "biufU"):
            self.refuse(deep, "columns of numbers, flags or words")
        projections = {n or "edges": g for n, g in c.graphs.items()}
        if strange := sorted(n for n in {*nodes, *projections, *c.spikes} if "/" in n or not n.isprintable()):
            self.refuse(strange, "names without '/'")
        folder = Path(path)
        folder.mkdir()
        with _new(h5py, folder / "nodes.h5") as file:
            for name, columns in nodes.items():
                _write_nodes(h5py, file.create_group(f"nodes/{name}"), columns, name in _drives(what))
            file.require_group("nodes")
        with _new(h5py, folder / "edges.h5") as file:
            delays = {n: _delay(what, n) for n in projections}
            for k, (name, g) in enumerate(projections.items()):
                sizes = [len(nodes[p]["cell"]) for p in (g.source, g.target)]
                _write_edges(h5py, file.create_group(f"edges/{name}"), g, k, sizes, delays[name])
            file.require_group("edges")
            _write_columns(h5py, file.create_group(f"{_LIVES}/lives"), c.lives)
            file[_LIVES].attrs["about"] = json.dumps(_about(what, c))
        with _new(h5py, folder / "spikes.h5") as file:
            for name, spikes in c.spikes.items():
                _write_spikes(h5py, file.create_group(f"spikes/{name}"), spikes)
                own = {"windows": spikes.windows, "cells": spikes.cells}
                _write_columns(h5py, file.create_group(f"{_LIVES}/{name}"), own)
                file[f"{_LIVES}/{name}"].attrs["about"] = json.dumps(spikes.about)
            file.require_group("spikes")
        _write_types(folder, what, list(nodes), list(projections))

    def read(self, path: Path | str) -> Circuit:
        """Connections, spikes and lives of a folder that `write` made.

        Raises
        ------
        ParameterError
            If the folder is no such one.
        """
        with self.library():
            import h5py
        folder = a_path(path)
        try:
            with h5py.File(folder / "nodes.h5", "r") as file:
                cells = {name: _cells(group) for name, group in file["nodes"].items()}
            with h5py.File(folder / "edges.h5", "r") as file:
                about = json.loads(file[_LIVES].attrs["about"]) if _LIVES in file else {}
                names = about.get("names", {})
                graphs = {n: _graph(group, cells, about, names.get(n, n)) for n, group in file["edges"].items()}
                lives = {n: _column(a) for n, a in file[f"{_LIVES}/lives"].items()} if _LIVES in file else {}
            with h5py.File(folder / "spikes.h5", "r") as file:
                ours = file.get(_LIVES, {})
                spikes = {n: _spikes(group, ours.get(n), cells[n].size) for n, group in file["spikes"].items()}
        except (OSError, KeyError, ValueError) as e:
            raise ParameterError(f"path: {str(path)!r} cannot be read as SONATA: {e}") from e
        return Circuit(graphs, spikes, lives)


# ---------------------------------------------------------------------- gathering


def _circuit(what: Any, t: Any) -> Circuit:
    if isinstance(what, Circuit):
        return what
    if isinstance(what, Run) and not what.is_training:
        graphs = {q["name"]: graph_of(what, t, q["name"]) for q in what.network["projections"]}
        lives = what.history(sizes=False) if what.plastic else None
        return Circuit(graphs, spikes_of(what), {} if lives is None else _lives(lives))
    h = what.history(sizes=False) if isinstance(what, Run) else what
    if isinstance(h, Graph):
        return Circuit({h.name or "edges": h}, {}, {})
    return Circuit({"edges": graph_of(h, t)}, {}, _lives(h))


def _lives(h: History) -> dict[str, NDArray[Any]]:
    limits = {"born_after": h.born[:, 0], "born_by": h.born[:, 1], "died_after": h.died[:, 0], "died_by": h.died[:, 1]}
    return {"id": h.ident, **limits, **h.columns}


def _about(what: Any, c: Circuit) -> dict[str, Any]:
    """What is known of the whole; names that are not those of their groups."""
    about: dict[str, Any] = {"written_by": f"neurodev {__version__}"}
    for g in c.graphs.values():
        about |= {"time": g.time, "unit": g.unit}
    return about | {"names": {n or "edges": g.name for n, g in c.graphs.items()}}


def _drives(what: Any) -> set[str]:
    """Populations that are no neurons."""
    return {p["name"] for p in what.network["populations"] if p.get("drive")} if isinstance(what, Run) else set()


def _nodes(what: Any, c: Circuit) -> dict[str, dict[str, Any]]:
    """Columns of the cells of each population."""
    out: dict[str, dict[str, Any]] = {}
    if isinstance(what, Run):
        for p in what.network["populations"]:
            place = what.positions(p["name"]) if what.file.length(f"positions/{p['name']}") else np.zeros((0, 2))
            own = {"x": place[:, 0], "y": place[:, 1]} if len(place) else {}
            out[p["name"]] = {"cell": np.arange(p["n"]), **own}
    for g in c.graphs.values():
        for name, cells in ((g.source, g.pre), (g.target, g.post)):
            out.setdefault(name, {"cell": cells})
    for name, spikes in c.spikes.items():
        out.setdefault(name, {"cell": np.arange(spikes.cells.max(initial=-1) + 1)})
    return out


def _delay(what: Any, name: str) -> float | None:
    """The delay of a projection, ms, where all its synapses have one."""
    if not isinstance(what, Run) or what.is_training:
        return None
    delay = what.projection(name)["delay"]
    return float(delay["delay"]) if delay.get("kind") == "Fixed" else None


# ---------------------------------------------------------------------- writing


def _new(h5py: Any, path: Path) -> Any:
    file = h5py.File(path, "w")
    file.attrs["magic"] = np.uint32(_MAGIC)
    file.attrs["version"] = np.array([0, 1], np.uint32)
    return file


def _write_columns(h5py: Any, group: Any, columns: dict[str, NDArray[Any]]) -> None:
    for name, values in columns.items():
        a = np.asarray(values)
        if a.dtype.kind in "OUS" or str(a.dtype) in ("str", "string"):
            group.create_dataset(name, data=[str(v) for v in a.tolist()], dtype=h5py.string_dtype(), shape=a.shape)
        else:
            group.create_dataset(name, data=a.astype(np.uint8) if a.dtype.kind == "b" else a)


def _write_nodes(h5py: Any, group: Any, columns: dict[str, Any], virtual: bool) -> None:
    n = len(columns["cell"])
    group["node_type_id"] = np.full(n, int(virtual), np.int64)
    group["node_id"] = np.arange(n, dtype=np.uint64)
    group["node_group_id"], group["node_group_index"] = np.zeros(n, np.uint32), np.arange(n, dtype=np.uint64)
    _write_columns(h5py, group.create_group("0"), columns)


def _write_edges(h5py: Any, group: Any, g: Graph, kind: int, sizes: list[int], delay: float | None) -> None:
    """Connections sorted by their targets, with the indices of both sides."""
    order = np.lexsort((g.row, g.column))
    ends = {"source": g.row[order], "target": g.column[order]}
    n = order.size
    for side, population in (("source", g.source), ("target", g.target)):
        group[f"{side}_node_id"] = ends[side].astype(np.uint64)
        group[f"{side}_node_id"].attrs["node_population"] = population
    group["edge_type_id"] = np.full(n, kind, np.int64)
    group["edge_group_id"], group["edge_group_index"] = np.zeros(n, np.uint32), np.arange(n, dtype=np.uint64)
    own = group.create_group("0")
    _write_columns(h5py, own, {_TAKEN.get(name, name): values[order] for name, values in g.columns.items()})
    if delay is not None:
        own["delay"] = np.full(n, delay)
    for word, side, size in (
        ("source_to_target", "source", sizes[0]),
        ("target_to_source", "target", sizes[1]),
    ):
        _write_index(group.create_group(f"indices/{word}"), ends[side], size)


def _write_index(group: Any, ids: NDArray[Any], n: int) -> None:
    """Of each cell the stretches of edges that are its: SONATA's two tables of ranges."""
    order = np.argsort(ids, kind="stable")
    whose, edge = ids[order], order
    new = np.ones(ids.size, dtype=bool)
    new[1:] = (whose[1:] != whose[:-1]) | (edge[1:] != edge[:-1] + 1)
    begin = np.flatnonzero(new)
    end = np.append(begin[1:], ids.size)[: begin.size]
    ranges = np.column_stack([edge[begin], edge[end - 1] + 1]) if begin.size else np.zeros((0, 2))
    first = np.searchsorted(whose[begin], np.arange(n), side="left")
    last = np.searchsorted(whose[begin], np.arange(n), side="right")
    group["node_id_to_ranges"] = np.column_stack([first, last]).astype(np.uint64)
    group["range_to_edge_id"] = ranges.astype(np.uint64)


def _write_spikes(h5py: Any, group: Any, spikes: Spikes) -> None:
    order = np.lexsort((spikes.cell, spikes.time))
    group["timestamps"] = spikes.time[order]
    group["timestamps"].attrs["units"] = "ms"
    group["node_ids"] = spikes.cell[order].astype(np.uint64)
    sorting = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype=np.uint8)
    group.attrs.create("sorting", 2, dtype=sorting)


def _write_types(folder: Path, what: Any, nodes: list[str], edges: list[str]) -> None:
    """The tables of types, and the file that names all others."""
    drives = _drives(what)
    (folder / "node_types.csv").write_text("node_type_id model_type\n0 point_neuron\n1 virtual\n", encoding="utf-8")
    lines = ["edge_type_id population", *(f"{k} {name}" for k, name in enumerate(edges))]
    (folder / "edge_types.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "manifest": {"$BASE_DIR": "."},
        "networks": {
            "nodes": [
                {
                    "nodes_file": "$BASE_DIR/nodes.h5", "node_types_file": "$BASE_DIR/node_types.csv",
                    "populations": {n: {"type": "virtual" if n in drives else "point_neuron"} for n in nodes},
                }
            ],
            "edges": [
                {
                    "edges_file": "$BASE_DIR/edges.h5", "edge_types_file": "$BASE_DIR/edge_types.csv",
                    "populations": {n: {"type": "point_neuron"} for n in edges},
                }
            ],
        },
    }  # fmt: skip
    (folder / _CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")


# ---------------------------------------------------------------------- reading


def _column(values: Any) -> NDArray[Any]:
    return np.array([v.decode() for v in values[()]], dtype=str) if values.dtype.kind == "O" else np.asarray(values[()])


def _cells(group: Any) -> NDArray[Any]:
    return _column(group["0/cell"]) if "0/cell" in group else np.arange(group["node_type_id"].size)


def _graph(group: Any, cells: dict[str, NDArray[Any]], about: dict[str, Any], name: str) -> Graph:
    ends = [group[f"{side}_node_id"] for side in ("source", "target")]
    source, target = (str(e.attrs["node_population"]) for e in ends)
    back = {theirs: ours for ours, theirs in _TAKEN.items()}
    columns = {back.get(n, n): _column(a) for n, a in group["0"].items()}
    return Graph(
        cells[source], cells[target], ends[0][()].astype(np.int64), ends[1][()].astype(np.int64), columns, source,
        target, name, float(about.get("time", 0.0)), about.get("unit", "day"),
    )  # fmt: skip


def _spikes(group: Any, ours: Any, n: int) -> Spikes:
    time, cell = group["timestamps"][()], group["node_ids"][()].astype(np.int64)
    if ours is None:
        return Spikes(time, cell, np.arange(n), np.zeros((0, 2)))
    return Spikes(time, cell, ours["cells"][()], ours["windows"][()], json.loads(ours.attrs["about"]))
