"""GraphML by networkx: for Gephi, Cytoscape, igraph and the like."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.contents import ABOUT, Graph, graph_of
from neurodev.runs.run import Run
from neurodev.writing import a_path

_NO_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")  # XML has no letters for these


class GraphML(Format):
    """The graph at a time as GraphML (extra ``graphs``, networkx): a directed graph with several edges a pair.

    A node is called by its name, or by its population and number (``"cells/3"``), and has the attributes
    ``population``, ``cell`` and, of a run with places, ``x_um`` and ``y_um``; an edge has its ``id`` and its
    ``weight`` (mV) or ``size``.

    Parameters
    ----------
    t : float, optional
        Of a run, ms of life; of a history, in its unit; the end if not given.
    projection : str, optional
        Of a run: the first on spines if not given.

    Examples
    --------
    >>> run.export("graph.graphml", t="10 day")  # doctest: +SKIP
    """

    suffix = ".graphml"
    extra = "graphs"

    def __init__(self, t: Any = None, projection: str | None = None) -> None:
        self.t, self.projection = t, projection

    def write(self, what: Any, path: Path | str) -> None:
        """Write the graph of a run or a history, or a `Graph`.

        Raises
        ------
        ParameterError
            For names with letters that XML does not have, and attributes that are no numbers, flags or words.
        """
        with self.library():
            import networkx as nx
        g = graph_of(what, self.t, self.projection)
        told = [*g.pre.tolist(), *g.post.tolist(), g.name, g.unit, g.source, g.target, *g.columns]
        told += [v for a in g.columns.values() if a.dtype.kind == "U" for v in a.tolist()]
        if bad := sorted({str(v) for v in told if _NO_XML.search(str(v))}):
            self.refuse(bad[:5], "names of letters that XML has")
        if strange := [n for n, a in g.columns.items() if a.dtype.kind not in "biufU" or a.ndim != 1]:
            self.refuse(strange, "attributes that are one number, flag or word")
        made = nx.MultiDiGraph(**g.about)
        ends = []
        for population, cells in ((g.source, g.pre), (g.target, g.post)):
            names = cells.tolist()
            nodes = names if cells.dtype.kind == "U" else [f"{population}/{cell}" for cell in names]
            places = _places(what, population, len(names))
            for node, cell, place in zip(nodes, names, places, strict=True):
                made.add_node(node, population=population, cell=cell, **place)
            ends.append(nodes)
        names, values = list(g.columns), [a.tolist() for a in g.columns.values()]
        for k, (i, j) in enumerate(zip(g.row.tolist(), g.column.tolist(), strict=True)):
            made.add_edge(ends[0][i], ends[1][j], key=k, **{n: v[k] for n, v in zip(names, values, strict=True)})
        nx.write_graphml_xml(made, path)

    def read(self, path: Path | str) -> Graph:
        """The graph.

        Raises
        ------
        ParameterError
            If the file is no GraphML.
        """
        with self.library():
            import networkx as nx
        try:
            found = nx.read_graphml(a_path(path), force_multigraph=True)
        except Exception as e:  # whatever a damaged file raises in two libraries
            raise ParameterError(f"path: {str(path)!r} cannot be read as GraphML: {e}") from e
        about = {k: found.graph[k] for k in ABOUT if k in found.graph}
        source, target = about.setdefault("source", "cells"), about.setdefault("target", "cells")
        cells: dict[str, list[Any]] = {source: [], target: []}
        place: dict[Any, int] = {}
        for node, own in found.nodes(data=True):
            mine = cells.setdefault(own.get("population", source), [])
            place[node] = len(mine)
            mine.append(own.get("cell", "" if "population" in own else node))
        edges = list(found.edges(data=True))
        row = np.array([place[a] for a, _, _ in edges], dtype=np.int64)
        column = np.array([place[b] for _, b, _ in edges], dtype=np.int64)
        names = dict.fromkeys(name for _, _, own in edges for name in own)
        columns = {n: np.array([own.get(n, "") for _, _, own in edges]) for n in names}
        return Graph(np.array(cells[source]), np.array(cells[target]), row, column, columns, **about)


def _places(what: Any, population: str, n: int) -> list[dict[str, float]]:
    """Of each cell x and y, where a run knows them."""
    if isinstance(what, Run) and what.file.length(f"positions/{population}"):
        return [{"x_um": x, "y_um": y} for x, y in what.positions(population).tolist()]
    return [{}] * n
