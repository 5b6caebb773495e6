"""Wirings made of others or of matrices: a matrix of weights, random rewiring."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurodev.arrays import F8, I8, Array, Integers
from neurodev.card import outlined
from neurodev.errors import ParameterError, shown
from neurodev.params import check, numbers, param
from neurodev.structure.places import Sheet
from neurodev.structure.wiring import Wiring

_ROUNDS = 100  # in which an edge looks for a new source before it stays as it is


def _entries(matrix: Any, where: str) -> tuple[Any, Any, F8, tuple[int, ...]]:
    """Rows, columns and values of the entries that are not 0, in order of rows; and the shape."""
    if hasattr(matrix, "tocsr") and hasattr(matrix, "nnz"):  # scipy.sparse, which is not imported for this
        kept = matrix.tocsr(copy=True)
        kept.sum_duplicates()
        kept.eliminate_zeros()
        kept = kept.tocoo()
        values = np.asarray(numbers(np.asarray(kept.data), where), dtype=np.float64)
        return np.asarray(kept.row), np.asarray(kept.col), values, tuple(kept.shape)
    dense = np.asarray(numbers(matrix, where), dtype=np.float64)
    if dense.ndim != 2:
        raise ParameterError(
            f"{where} must be a matrix (n_source, n_target), dense or of scipy.sparse, got {shown(matrix)}"
        )
    row, column = np.nonzero(dense)
    return row, column, dense[row, column], dense.shape


@outlined
@dataclass(frozen=True)
class Matrix(Wiring):
    """A synapse for every entry of a matrix that is not 0, from source i (row) to target j (column).

    Entries are the weights in mV (pA where the target has synaptic currents); of both signs with ``signed=True``.

    Parameters
    ----------
    matrix : (n_source, n_target) array_like or scipy.sparse matrix, mV
    delay : float or (n_source, n_target) array_like or scipy.sparse matrix, ms, optional
        Delays of the synapses, in place of that of `Network.connect`; at most 65,535 distinct ones.

    Examples
    --------
    >>> two = Matrix([[0.0, 1.5], [0.5, 0.0]], delay=[[0.0, 2.0], [1.0, 0.0]])
    >>> two.weights().tolist(), two.delays().tolist()
    ([1.5, 0.5], [2.0, 1.0])
    """

    listed = True
    matrix: Any = None
    delay: Any = None

    def __post_init__(self) -> None:
        row, column, values, shape = _entries(self.matrix, "Matrix.matrix")
        if not np.all(np.isfinite(values)):
            raise ParameterError(f"Matrix.matrix must be finite, got {shown(values[~np.isfinite(values)][0])}")
        object.__setattr__(self, "_edges", (row.astype(np.uint32), column.astype(np.uint32), values, shape))
        object.__setattr__(self, "_delays", self._listed_delays(row, column, shape))

    def _listed_delays(self, row: Array, column: Array, shape: tuple[int, ...]) -> Any:
        """One delay a synapse, one for all, or None."""
        if self.delay is None:
            return None
        sparse = hasattr(self.delay, "tocsr")
        given = (
            self.delay.tocsr() if sparse else np.asarray(numbers(self.delay, "Matrix.delay", "ms"), dtype=np.float64)
        )
        if given.shape not in ((), shape):
            raise ParameterError(
                f"Matrix.delay must be a number or have the shape {shape} of matrix, got {given.shape}"
            )
        one = given.shape == ()
        delays = given if one else np.asarray(given[row, column], dtype=np.float64).reshape(-1)
        if not np.all(np.isfinite(delays)) or np.any(delays <= 0.0):
            raise ParameterError(f"Matrix.delay must be positive and finite for every synapse, got {shown(self.delay)}")
        return float(delays) if one else delays

    @property
    def edges(self) -> tuple[Array, Array, F8, tuple[int, ...]]:
        """Sources, targets and weights of the synapses, and the shape of the matrix."""
        found: tuple[Array, Array, F8, tuple[int, ...]] = self.__dict__["_edges"]
        return found

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`; an entry of the diagonal is a synapse of a cell onto itself."""
        row, column, _, shape = self.edges
        if shape != (source.shape[0], target.shape[0]):
            raise ParameterError(
                f"Matrix.matrix must have shape ({source.shape[0]}, {target.shape[0]}), a row for each source and a "
                f"column for each target, got {shape}"
            )
        return row, column

    def weights(self) -> F8:
        """The entries."""
        return self.edges[2]

    def delays(self) -> Any:
        """Those of the entries."""
        return self.__dict__["_delays"]

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Mean over the targets."""
        return self.edges[2].size / n_target

    def described(self) -> dict[str, Any]:
        """Its shape, number of synapses and hash."""
        row, column, values, shape = self.edges
        parts = [row.tobytes(), column.tobytes(), values.tobytes()]
        text = hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()
        return {"shape": list(shape), "synapses": int(values.size), "hash": text}


@dataclass(frozen=True)
class Rewired(Wiring):
    """Pairs of another rule, of which each exchanges its source, with probability `p`, for one drawn at random.

    With `Near` or a box of `ByDistance` this goes from a local net (p = 0) over small worlds to a random one (p = 1),
    as Watts & Strogatz (1998, Nature 393:440) do; targets keep their numbers of inputs.  A new pair is none that the
    other rule has drawn; where no free source is found, the old one stays.

    Parameters
    ----------
    wiring : Wiring
    p : float

    Examples
    --------
    >>> from neurodev.structure.wiring import Near
    >>> small_world = Rewired(Near(sigma=50.0, inputs=10), p=0.1)
    """

    wiring: Wiring
    p: float = param(0.1, unit="1", low=0.0, high=1.0, source="free")

    def __post_init__(self) -> None:
        if not isinstance(self.wiring, Wiring):
            raise ParameterError(f"Rewired.wiring must be a rule such as nd.Near(...), got {shown(self.wiring)}")
        check(self)
        object.__setattr__(self, "listed", self.wiring.listed)

    def on(self, sheet: Sheet, source: F8, target: F8) -> Rewired:
        """See `Wiring.on`."""
        return replace(self, wiring=self.wiring.on(sheet, source, target))

    def weights(self) -> Any:
        """Those of the other rule."""
        return self.wiring.weights()

    def delays(self) -> Any:
        """Those of the other rule."""
        return self.wiring.delays()

    def affinity(self, source: F8, target: F8, same: bool) -> F8:
        """That of the other rule."""
        return self.wiring.affinity(source, target, same)

    def log_affinity(self, source: F8, target: F8) -> F8:
        """That of the other rule."""
        return self.wiring.log_affinity(source, target)

    def draw(
        self, source: F8, target: F8, draw: np.random.Generator, same: bool, multapses: bool
    ) -> tuple[Integers, Integers]:
        """See `Wiring.draw`."""
        given, post = self.wiring.draw(source, target, draw, same, multapses)
        n_source, n_target = source.shape[0], target.shape[0]
        pre: I8 = np.array(given, dtype=np.int64)
        open_: I8 = np.flatnonzero(draw.random(pre.size) < self.p)
        taken = np.unique(pre * n_target + post)
        for _ in range(_ROUNDS if n_source else 0):
            if not open_.size:
                break
            new = draw.integers(0, n_source, open_.size)
            key = new * n_target + post[open_]
            free = (new != post[open_]) if same else np.ones(new.size, dtype=bool)
            if multapses:
                free &= new != given[open_]
            else:
                at = np.minimum(np.searchsorted(taken, key), taken.size - 1)
                first = np.zeros(new.size, dtype=bool)
                first[np.unique(key, return_index=True)[1]] = True
                free &= first & (taken[at] != key)
                taken = np.union1d(taken, key[free])
            pre[open_[free]] = new[free]
            open_ = open_[~free]
        return pre.astype(np.uint32), post

    def mean_inputs(self, n_source: int, n_target: int) -> float:
        """Of the other rule."""
        return self.wiring.mean_inputs(n_source, n_target)
