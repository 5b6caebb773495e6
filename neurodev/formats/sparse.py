"""A graph as scipy.sparse keeps it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from neurodev.errors import ParameterError
from neurodev.formats.base import Format
from neurodev.formats.contents import Graph, graph_of
from neurodev.writing import a_path

_OURS = ("pre", "post", "about")
_COLUMN = "column/"


class SparseMatrix(Format):
    """The graph at a time as scipy.sparse keeps it, for `scipy.sparse.load_npz`; row is who sends.

    The values of the array (n_pre, n_post) are weights in mV, or sizes; several contacts of a pair are several
    entries.  Beside it lie, for `numpy.load`, the names of its rows and columns (``pre``, ``post``) and what else is
    known of each entry (``column/id`` ...).

    Parameters
    ----------
    t : float, optional
        Of a run, ms of life; of a history, in its unit; the end if not given.
    projection : str, optional
        Of a run: the first on spines if not given.

    Examples
    --------
    >>> run.export("graph.sparse.npz", t="1 day")
    >>> import scipy
    >>> scipy.sparse.load_npz("graph.sparse.npz")
    """

    suffix = ".sparse.npz"

    def __init__(self, t: Any = None, projection: str | None = None) -> None:
        self.t, self.projection = t, projection

    def write(self, what: Any, path: Path | str) -> None:
        """Write the graph of a run or a history, or a `Graph`.

        Raises
        ------
        ParameterError
            For what is known of connections and is no array of numbers, flags or words.
        """
        from scipy import sparse

        g = graph_of(what, self.t, self.projection)
        order = np.lexsort((g.column, g.row))
        ends = np.concatenate([[0], np.cumsum(np.bincount(g.row, minlength=g.pre.size))])
        shape = (g.pre.size, g.post.size)
        matrix = sparse.csr_array((g.value[order], g.column[order], ends), shape=shape)
        beside = {"pre": g.pre, "post": g.post, "about": np.array(json.dumps(g.about))}
        beside |= {f"{_COLUMN}{name}": values[order] for name, values in g.columns.items()}
        if strange := [n for n, a in beside.items() if np.asarray(a).dtype.kind not in "biufUS"]:
            self.refuse(strange, "arrays of numbers, flags or words")
        sparse.save_npz(path, matrix)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, values in beside.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)

    def read(self, path: Path | str) -> Graph:
        """The graph.

        Raises
        ------
        ParameterError
            If the file holds no matrix of scipy.sparse.
        """
        from scipy import sparse

        try:
            with a_path(path).open("rb") as raw:
                m = sparse.load_npz(raw).tocoo()
            with a_path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                more = {n: file[n] for n in file.files if n in _OURS or n.startswith(_COLUMN)}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
            raise ParameterError(f"path: {str(path)!r} holds no matrix of scipy.sparse: {e}") from e
        columns = {n.removeprefix(_COLUMN): v for n, v in more.items() if n.startswith(_COLUMN)}
        pre, post = (more.get(n, np.arange(k)) for n, k in zip(("pre", "post"), m.shape, strict=True))
        about = json.loads(str(more["about"])) if "about" in more else {}
        row, column = m.row.astype(np.int64), m.col.astype(np.int64)
        return Graph(pre, post, row, column, columns or {"weight": m.data}, **about)
