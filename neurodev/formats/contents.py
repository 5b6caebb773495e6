"""What formats of graphs and of spikes hold: who is connected at a time, and who fired when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import F8, I8
from neurodev.errors import ParameterError, shown
from neurodev.formats.frames import a_history
from neurodev.params import among, number
from neurodev.runs.history import History
from neurodev.runs.run import Run
from neurodev.units import day as DAY

ABOUT = ("source", "target", "name", "time", "unit")  # fields of a graph that are no arrays


class Graph(NamedTuple):
    """Who is connected at a time.

    Where `source` and `target` are one word, cells of one name are one cell.
    """

    pre: NDArray[Any]
    """Names or numbers of the cells that send, (n_pre,)."""
    post: NDArray[Any]
    """... and of those that receive, (n_post,)."""
    row: I8
    """Of each connection, (n_edge,): its place in `pre`."""
    column: I8
    """... and in `post`."""
    columns: dict[str, NDArray[Any]]
    """What is known of each connection, (n_edge,) by name: ``id``, ``weight`` (mV) or ``size`` ..."""
    source: str = "pre"
    target: str = "post"
    name: str = ""
    time: float = 0.0
    unit: str = "day"

    @property
    def value(self) -> F8:
        """Weights, or sizes; 1 where neither is known, (n_edge,)."""
        for name in ("weight", "size"):
            if name in self.columns:
                return np.asarray(self.columns[name], dtype=np.float64)
        return np.ones(self.row.size)

    @property
    def about(self) -> dict[str, Any]:
        """What is known of the whole, by the names that the graph is made with."""
        return {k: getattr(self, k) for k in ABOUT}


class Spikes(NamedTuple):
    """Who fired when, of one population."""

    time: F8
    """Of each spike, (n_spike,) ms of spike time."""
    cell: I8
    """Who fired it."""
    cells: I8
    """Who was recorded, (n_cell,)."""
    windows: F8
    """The stretches of time over which all spikes of them are known, (n_stretch, 2) ms."""
    about: dict[str, Any] = {}
    """What else is known of the population: its model, whether it inhibits."""


def graph_of(what: Any, t: Any = None, projection: Any = None) -> Graph:
    """The graph of a run or a history at a time.

    Parameters
    ----------
    what : Run, History or Graph
    t : float, optional
        Of a run, ms of life; of a history, in its unit; the end if not given.
    projection : str, optional
        Of a run: the first on spines if not given.

    Raises
    ------
    ParameterError
        For a time outside, and a history that does not know who is connected.
    """
    if isinstance(what, Graph):
        return what
    if isinstance(what, Run):
        return _of_run(what, None if t is None else number(t, "t", "ms of life"), projection)
    h = a_history(what, projection)
    if not {"pre", "post"} <= set(h.columns):
        raise ParameterError(f"a graph needs the columns pre and post, and this history has {sorted(h.columns)}")
    time = h.end if t is None else number(t, "t")
    if not min(h.start, h.end) <= time <= h.end:
        raise ParameterError(f"t must lie in [{h.start:g}, {h.end:g}] {h.unit}s, got {shown(t)}")
    return _of_history(h, time)


def _of_run(run: Run, t: float | None, projection: Any) -> Graph:
    q = run.projection(projection)
    m = run.graph(t, q["name"])
    columns = {("id" if k == "uid" else k): v for k, v in m.columns.items() if k not in ("pre", "post")}
    time = run.days if t is None else t / DAY
    return Graph(
        np.arange(m.shape[0]), np.arange(m.shape[1]), m.columns["pre"].astype(np.int64),
        m.columns["post"].astype(np.int64), columns, q["source"], q["target"], q["name"], time,
    )  # fmt: skip


def _of_history(h: History, t: float) -> Graph:
    """Sizes are those of the last session before."""
    here = h.alive(t)
    pre, post = h.column("pre"), h.column("post")
    size = np.full(len(h), np.nan)
    past = h.sessions[h.seen.session] <= t
    size[h.seen.row[past]] = h.seen.size[past]
    columns = {"id": h.ident[here]} | ({"size": size[here]} if h.seen.row.size else {})
    if pre.dtype.kind in "US" and post.dtype.kind in "US":  # cells with names are one where their names are
        cells, both = np.unique(np.concatenate([pre, post]), return_inverse=True)
        row, column = both[: len(h)][here], both[len(h) :][here]
        return Graph(cells, cells, row, column, columns, "cells", "cells", h.title, t, h.unit)
    first, row = np.unique(pre, return_inverse=True)
    last, column = np.unique(post, return_inverse=True)
    return Graph(first, last, row[here], column[here], columns, "pre", "post", h.title, t, h.unit)


def spikes_of(what: Any, population: Any = None) -> dict[str, Spikes]:
    """Spikes by population, of a run, or such as they are.

    Parameters
    ----------
    what : Run or mapping of str to Spikes
    population : str, optional
        All if not given.

    Raises
    ------
    ParameterError
        For a history, which knows of no spikes.
    """
    if isinstance(what, Mapping) and all(isinstance(s, Spikes) for s in what.values()):
        if population is not None:
            return {among(sorted(what))(population, "population"): what[population]}
        return dict(what)
    if not isinstance(what, Run):
        raise ParameterError(f"what must be a run, which alone has spikes, got {shown(what)}")
    if what.is_training:
        raise ParameterError(
            f"what must be a run of development, and {str(what.path)!r} is of training: it has no spikes"
        )
    names = [p["name"] for p in what.network["populations"]] if population is None else [population]
    out = {}
    for name in names:
        p = what.population(name)
        time, cell = what.spikes(name)
        model = p.get("model")  # of older files not known
        about = {
            "model": model.get("kind", "") if isinstance(model, dict) else "",
            "inhibitory": bool(p.get("inhibitory")),
        }
        stretches = joined(what.spike_windows(name))
        out[p["name"]] = Spikes(time, cell.astype(np.int64), what.recorded(name), stretches, about)
    return out


def joined(windows: F8) -> F8:
    """Stretches of time, those that touch as one, (n, 2)."""
    if not len(windows):
        return np.zeros((0, 2))
    w = windows[np.argsort(windows[:, 0], kind="stable")]
    apart = np.flatnonzero(w[1:, 0] > w[:-1, 1] * (1 + 1e-12) + 1e-9) + 1
    begin, end = np.concatenate([[0], apart]), np.concatenate([apart, [len(w)]]) - 1
    return np.column_stack([w[begin, 0], w[end, 1]])
