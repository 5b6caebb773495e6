"""The fully connected layer: spikes in, currents out, by the kernel that suits storage, density and rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurodev import params
from neurodev.arrays import LINE, Array, aligned
from neurodev.errors import ParameterError
from neurodev.learn.core.answers import Product
from neurodev.learn.core.fields import DRAWN, asked
from neurodev.learn.core.layer import Pullback, Vector, Weights, expect, guarded
from neurodev.learn.core.spikes import Current, Spikes, turned
from neurodev.learn.core.vectors import WIDTH
from neurodev.learn.kernels import masks as kernels_of_masks
from neurodev.learn.kernels import policy
from neurodev.learn.kernels import rows as kernels
from neurodev.learn.kernels import wide as wide_kernels
from neurodev.learn.layers.weighted import Weighted, living_per_source
from neurodev.structure.dense import SLOTS, DenseTable
from neurodev.structure.table import Table, UidSource


class Linear(Weighted):
    """``current = W spikes (+ bias)``.

    Parameters
    ----------
    n_out : int
    n_in : int, optional
        Taken from the layer below when a model is put together.
    bias : bool
    gain : float
        Standard deviation of the initial weights times sqrt(fan in).  The default of 1 keeps the hidden layer of
        784-800-10 active; the trainer raises the gain of layers that would be silent
        (`neurodev.learn.training.health.calibrate`).
    storage : {"dense", "hidden", "sparse"}
        See `make_table`.
    density : float
        Share of living synapses at the start, drawn at random (methods choose their own).
    name : str

    Examples
    --------
    >>> from neurodev.learn import LIF, Linear, Sequential
    >>> model = Sequential(Linear(4, bias=True), LIF(), inputs=(6,), seed=1)
    >>> model.outputs
    (4,)
    """

    n_in: int | None = asked(lambda n, where: None if n is None else params.whole(n, where, 1), fixed=DRAWN)

    def __init__(
        self,
        n_out: int,
        n_in: int | None = None,
        *,
        bias: bool = False,
        gain: float = 1.0,
        storage: str = "dense",
        density: float = 1.0,
        name: str = "",
    ):
        super().__init__()
        self.keep_words(n_out, bias, gain, storage, density, name)
        self.n_in = n_in

    # ------------------------------------------------------------------ building

    def out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(n_out,); fixes n_in."""
        n = math.prod(shape)
        if self.n_in is not None and self.n_in != n:
            raise ParameterError(f"{self.name or 'Linear'} takes {self.n_in} inputs, but the layer below has {n}")
        self.n_in = n
        return (self.n_out,)

    @property
    def pairs(self) -> int:
        """Inputs times units."""
        return (self.n_in or 0) * self.n_out

    def build(self, seed: int, uids: UidSource, kind: type = np.float32) -> None:
        """Draw the weights; streams are named after the layer."""
        assert self.n_in is not None
        self.draw(self.n_in, seed, uids, kind)

    # ------------------------------------------------------------------ running

    def __call__(self, x: Spikes | Current) -> tuple[Current, Pullback]:
        """Currents (R, n_out), and their pullback."""
        weights, n_in = self.weights, self.n_in
        expect(self, x, n=n_in)
        table = weights.sound(n_in or 0, self.n_out)
        chosen = self.way(x)
        y, pull_weights = _WAYS.get(chosen, _dense)(x, weights, chosen)
        self.count(x, table, chosen)
        bias = self.parameters.get("bias")
        if isinstance(bias, Vector):
            y.value += bias.value

        def pull(dy: Current) -> Current | None:
            if isinstance(bias, Vector):
                bias.gradient += dy.by_row.sum(axis=0)
            if weights.probe is not None:
                _probe(x, dy, weights.probe)
            return pull_weights(dy)

        return y, guarded(self, y, pull)

    def way(self, x: Spikes | Current, passing: bool = False) -> str:
        """The kernel that costs least on this input, alone or with neurons in the same pass; see `kernels.policy`."""
        table = self.weights.table
        density = table.n_synapse / (table.n_source * table.n_target)
        sparse, bits = not isinstance(table, DenseTable), isinstance(x, Spikes) and not x.counts
        if isinstance(x, Spikes) and sparse and bits:
            x.pack()  # wanted by masks, and quicker to count
        rate = x.rate if isinstance(x, Spikes) else 1.0
        return policy.choose(density, rate, sparse, x.steps * x.batch, table.n_target, bits, passing / table.n_source)

    def count(self, x: Spikes | Current, table: Table, chosen: str) -> None:
        """Count what a call did."""
        c = self.counters
        c.kernels[chosen] = c.kernels.get(chosen, 0) + 1
        everything = table.n_synapse == table.n_source * table.n_target
        if isinstance(x, Current):
            c.dense += x.steps * x.batch * table.n_source * table.n_target
            done = x.steps * x.batch * table.n_synapse
            c.multiplied += done
        else:
            arrived = int(x.per_unit.sum())
            c.dense += arrived * table.n_target
            done = arrived * table.n_target if everything else int(x.per_unit @ living_per_source(table))
        c.operations += done


def _current(x: Spikes | Current, value: Array, n_out: int) -> Current:
    return Current(value, x.steps, x.batch, (n_out,))


def _rows_of_vectors(delta: Array, stride: int) -> Array:
    """Flat, each row padded with zeros to `stride` numbers, and beginning at a cache line; itself if that is so."""
    if delta.shape[1] == stride and delta.ctypes.data % LINE == 0:
        return delta.reshape(-1)
    out = aligned((delta.shape[0], stride), delta.dtype.type)
    out[:, : delta.shape[1]] = delta
    return out.reshape(-1)


def _dense(x: Spikes | Current, weights: Weights, chosen: str) -> tuple[Current, Pullback]:
    """By dense rows: events add rows, or a matrix product; a sparse table is unpacked for the call."""
    table = weights.table
    sparse = not isinstance(table, DenseTable)
    n_out, n_row = table.n_target, x.steps * x.batch
    if isinstance(table, DenseTable):
        w = table.grid(table.weight)
    else:
        w = np.zeros((table.n_source, -(-n_out // SLOTS) * SLOTS), dtype=table.weight.dtype)
        base = np.arange(table.n_source) * w.shape[1]
        kernels.pack(base, table.row_start, table.row_length, table.post, table.weight, w.reshape(-1))
    kind = w.dtype.type
    scale = kind(x.scale) if isinstance(x, Spikes) else kind(1)
    many = w.nbytes > wide_kernels.NEAR_CACHE  # weights, and numbers of targets: more than the cache holds
    much = n_row * n_out * w.itemsize >= wide_kernels.NEAR_CACHE
    events = (x.present if many else x.rows) if isinstance(x, Spikes) and chosen == "rows" else None
    values = np.empty(0, dtype=kind)
    if events is not None:
        flat = aligned(n_row * n_out + WIDTH, kind)
        out = flat[: n_row * n_out].reshape(n_row, n_out)
        if isinstance(x, Spikes) and many:
            args = x.by_row, x.worth(kind), w.reshape(-1), w.shape[1], n_out, flat
            wide_kernels.add_wide(events.start, events.index, *args)
        else:
            kernels.add_rows(events.start, events.index, w, n_out, scale, out)
    else:
        values = x.dense(kind) if isinstance(x, Spikes) else x.by_row
        out = values @ w[:, :n_out]

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row, dtype=kind)
        gradient = weights.gradient
        target = np.zeros_like(w) if sparse else gradient.reshape(w.shape)
        wide, by_rows = many and not much, isinstance(x, Spikes) and events is not None
        flat_delta = _rows_of_vectors(delta, w.shape[1]) if wide or much and by_rows else delta
        busy = np.flatnonzero(delta.any(axis=1)) if wide else np.empty(0, dtype=np.int64)
        if isinstance(x, Spikes) and events is not None:
            stride, flat_target = w.shape[1], target.reshape(-1)
            if wide:
                args = x.by_row, x.worth(kind), busy, flat_delta, stride, flat_target
                wide_kernels.gradient_wide(events.start, events.index, *args)
            elif much:
                each, value = x.columns, np.full(x.columns.index.size, scale)
                flats = flat_delta, stride, n_out, flat_target, stride
                wide_kernels.add_by_columns(each.start, each.index, value, *flats)
            else:
                kernels.add_rows(x.columns.start, x.columns.index, delta, n_out, scale, target)
        else:
            target[:, :n_out] += values.T @ delta
        if sparse:
            kernels.unpack(base, table.row_start, table.row_length, table.post, target.reshape(-1), gradient)
        if not x.wanted:
            return None
        if not isinstance(x, Spikes) or n_out <= policy.NARROW or x.near is None:
            if n_out <= policy.FEW:
                return Product(scale * delta, w[:, :n_out], x.steps, x.batch, x.shape)
            return Current((scale * delta) @ w[:, :n_out].T, x.steps, x.batch, x.shape)
        dx = np.zeros((n_row, table.n_source), dtype=kind)
        if wide:
            wide_kernels.dot_wide(x.near, busy, w.reshape(-1), scale, flat_delta, w.shape[1], dx)
        else:
            assert x.window is not None
            kernels.dot_rows(x.window.start, x.window.index, w, scale, delta, dx)
        return Current(dx, x.steps, x.batch, x.shape)

    return _current(x, out, n_out), pull


def _sparse_rows(x: Spikes | Current, weights: Weights, chosen: str) -> tuple[Current, Pullback]:
    """By living synapses of the sources that spiked."""
    assert isinstance(x, Spikes)
    table = weights.table
    kind = table.weight.dtype.type
    scale = kind(x.scale)
    out = np.zeros((x.n_row, table.n_target), dtype=kind)
    rows, events = (table.row_start, table.row_length, table.post), x.columns
    kernels.add_sparse_by_source(events.start, events.index, *rows, table.weight, scale, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row, dtype=kind)
        kernels.gradient_sparse_by_source(events.start, events.index, *rows, scale, delta, weights.gradient)
        return gradient_of_spikes(x, table, scale, dy)

    return _current(x, out, table.n_target), pull


def gradient_of_spikes(x: Spikes, table: Table, scale: Any, dy: Current | None) -> Current | None:
    """The gradient of spikes over living synapses, where it is wanted and of use, from that of the currents."""
    if dy is None or not x.wanted:
        return None
    near, density = x.near, table.n_synapse / (table.n_source * table.n_target)
    if near is None or not policy.by_window(density, np.count_nonzero(near) / near.size, table.n_target):
        return _of_all_sources(x, table, scale, dy)
    assert x.window is not None
    kind, rows = table.weight.dtype.type, (table.row_start, table.row_length, table.post)
    delta, dx = np.ascontiguousarray(dy.by_row, dtype=kind), np.zeros((x.n_row, table.n_source), dtype=kind)
    kernels.dot_sparse_rows(x.window.start, x.window.index, *rows, table.weight, scale, delta, dx)
    return Current(dx, x.steps, x.batch, x.shape)


def _of_all_sources(x: Spikes | Current, table: Table, scale: Any, dy: Current) -> Current:
    """The same everywhere, every synapse along the batch."""
    kind, rows = table.weight.dtype.type, (table.row_start, table.row_length, table.post)
    units = np.zeros((table.n_source, x.steps * x.batch), dtype=kind)
    kernels.dot_along_batch(*rows, table.weight, scale, dy.by_unit.astype(kind, copy=False), units)
    return Current(turned(units), x.steps, x.batch, x.shape)


def _probe(x: Spikes | Current, dy: Current, image: Array) -> None:
    """Add the gradient of every pair, living or not."""
    if isinstance(x, Spikes):
        kind = image.dtype.type
        columns = x.columns
        delta = np.ascontiguousarray(dy.by_row, dtype=kind)
        kernels.add_rows(columns.start, columns.index, delta, image.shape[1], kind(x.scale), image)
    else:
        image += x.by_row.T @ dy.by_row


def _along_batch(x: Spikes | Current, weights: Weights, chosen: str) -> tuple[Current, Pullback]:
    """Synapse by synapse, each along the whole batch; returned by row, as neurons go through it faster."""
    table = weights.table
    kind = table.weight.dtype.type
    scale = kind(x.scale) if isinstance(x, Spikes) else kind(1)
    units = x.by_unit
    silent = x.per_unit == 0 if isinstance(x, Spikes) else np.zeros(table.n_source, dtype=bool)
    into = table.in_start, table.in_length, table.in_slot, table.in_row
    out: Array = np.empty((x.steps * x.batch, table.n_target), dtype=kind)
    kernels.add_along_batch(into, table.weight, units, silent, scale, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row, dtype=kind)
        kernels.gradient_along_batch(into, units, silent, scale, delta, weights.gradient)
        return _of_all_sources(x, table, scale, dy) if x.wanted else None

    return _current(x, out, table.n_target), pull


def _by_masks(x: Spikes | Current, weights: Weights, chosen: str) -> tuple[Current, Pullback]:
    """The same with the spikes as bits."""
    assert isinstance(x, Spikes)
    table = weights.table
    kind = table.weight.dtype.type
    scale, n_word = kind(x.scale), x.words.shape[1]
    words = x.words.reshape(-1)
    into = table.in_start, table.in_length, table.in_slot, table.in_row
    out = aligned((x.n_row, table.n_target), kind, empty=True)
    kernels_of_masks.add_by_masks(into, table.weight, words, n_word, scale, out)

    def pull(dy: Current) -> Current | None:
        delta = np.ascontiguousarray(dy.by_row, dtype=kind)
        kernels_of_masks.gradient_by_masks(into, words, n_word, scale, delta, weights.gradient)
        return gradient_of_spikes(x, table, scale, dy)

    return _current(x, out, table.n_target), pull


_WAYS = {"along_batch": _along_batch, "masks": _by_masks, "sparse_rows": _sparse_rows}
