"""Layers with one weight tensor: how it is drawn, and in which storage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurodev import params, rng
from neurodev.arrays import Array
from neurodev.errors import ParameterError
from neurodev.learn.core import doors
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Layer, Vector, Weights
from neurodev.learn.core.storage import STORAGES
from neurodev.structure.dense import DenseTable
from neurodev.structure.table import Table, UidSource


def initial_weights(n_in: int, n_out: int, fan_in: float, gain: float, seed: int, name: str, kind: type) -> Array:
    """Uniform in ``+- gain sqrt(3 / fan_in)``: standard deviation gain / sqrt(fan_in)."""
    gain = params.number(gain, "gain", above=0)
    bound = gain * np.sqrt(3.0 / fan_in)
    return rng.generator(seed, "weights", name).uniform(-bound, bound, (n_in, n_out)).astype(kind)


def make_table(weight: Array, alive: Array | None, storage: str, uids: UidSource) -> Table:
    """A table in the storage asked for.

    Parameters
    ----------
    weight : (n_in, n_out)
    alive : (n_in, n_out) bool, optional
        Where there is a synapse; everywhere by default.
    storage : {"dense", "hidden", "sparse"}
        `hidden` is stored as `dense`.
    """
    n_in, n_out = weight.shape
    if storage in ("dense", "hidden"):
        table = DenseTable.full(weight, ("gradient",), uids)
        if alive is not None:
            table.keep_only(np.asarray(alive, dtype=bool))
        return table
    if storage != "sparse":
        raise ParameterError(f"storage must be 'dense', 'hidden' or 'sparse', got {storage!r}")
    keep = np.ones(weight.shape, dtype=bool) if alive is None else np.asarray(alive, dtype=bool)
    source, target = np.nonzero(keep)
    kind = weight.dtype.type
    out = Table.build(
        n_in, n_out, [1.0], source, target, np.zeros(source.size, dtype=np.int64), weight[keep],
        columns=("gradient",), uids=uids, column_type=kind, weight_type=kind,
    )  # fmt: skip
    out.ensure_in_lists()
    return out


def _units(value: Any, where: str) -> int:
    n = params.whole(value, where, 1)
    params.check_memory(doors.PAIR_BYTES * float(n), f"a layer of {n} units", "n_out must be smaller")
    return n


class Weighted(Layer, word=False):
    """Base of layers with one weight tensor, drawn as their arguments say."""

    gives = "currents"

    n_out: int = asked(_units, fixed=DRAWN)
    gain: float = asked(params.number, above=0, fixed=DRAWN)
    density: float = asked(params.number, above=0, high=1, fixed=DRAWN)
    storage: str = asked(params.one_of, choices=STORAGES, fixed=DRAWN)
    bias: bool = asked(params.flag, fixed=DRAWN)

    def keep_words(self, n_out: Any, bias: Any, gain: Any, storage: Any, density: Any, name: Any) -> None:
        """Keep the arguments that all of them share."""
        self.n_out, self.bias, self.gain = n_out, bias, gain
        self.density, self.storage, self.name = density, storage, name

    def draw(self, n_in: int, seed: int, uids: UidSource, kind: type) -> None:
        """Draw the weights of `n_in` rows; streams are named after the layer."""
        w = initial_weights(n_in, self.n_out, n_in * self.density, self.gain, seed, self.name, kind)
        alive = None
        if self.density < 1:
            alive = rng.generator(seed, "alive", self.name).random(w.shape) < self.density
        self.parameters["weight"] = Weights(make_table(w, alive, self.storage, uids), self.storage == "hidden")
        if self.bias:
            self.parameters["bias"] = Vector(np.zeros(self.n_out, dtype=kind))

    @property
    def weights(self) -> Weights:
        """The weight tensor."""
        w = self.parameters["weight"]
        assert isinstance(w, Weights)
        return w


def living_per_source(table: Table) -> NDArray[np.int64]:
    """Living synapses of each source."""
    if isinstance(table, DenseTable):
        return table.living_per_source()
    return np.asarray(table.row_length)
