"""Sparse weights and the neurons behind them in one pass, where each synapse goes along the batch under a mask.

`Sequential` runs a `Linear` followed by a LIF this way, if its kernel is ``masks``.  What is of one *tile* of sixteen
units, numbers (R, 16), fits a near cache: currents go from the sums to the neurons, and what these have to learn to
the synapses, without a way to memory, which at few synapses is most of the cost.  Only potentials are kept, tile by
tile: `u` (n / 16, R, 16).  Results are those of the layers one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import U1, U2, Array, Int, aligned
from neurodev.jit import kernel, rule
from neurodev.learn.core.answers import unmade
from neurodev.learn.core.lanes import flag_rows
from neurodev.learn.core.layer import Layer, Pullback, Signal, expect, guarded
from neurodev.learn.core.masks import LANES, few_products, rows_to_units, units_to_rows
from neurodev.learn.core.spikes import Current, Spikes
from neurodev.learn.core.surrogate import RECTANGLE
from neurodev.learn.core.vectors import WIDTH, copy_row
from neurodev.learn.kernels.masks import gradients_of_targets, sums_of_targets
from neurodev.learn.kernels.rows import InLists
from neurodev.learn.layers.linear import Linear, gradient_of_spikes
from neurodev.learn.layers.neurons import (
    IF,
    LIF,
    LOOK_EVERY,
    Neuron,
    Slopes,
    back_vectors,
    in_window,
    step_back,
    step_vectors,
)

VECTORS = LANES // WIDTH


@rule
def _into_rows(tile: Array, k: Int, n: Int, rows: Array) -> None:
    """Tile k, flat, into its columns of rows of n, flat."""
    for r in range(tile.shape[0] // LANES):
        copy_row(VECTORS, rows, r * n + LANES * k, tile, LANES * r)


@rule
def _from_rows(rows: Array, k: Int, n: Int, tile: Array) -> None:
    """The other way."""
    for r in range(tile.shape[0] // LANES):
        copy_row(VECTORS, tile, LANES * r, rows, r * n + LANES * k)


@kernel
def fire_tiles(
    in_lists: InLists, weight: Array, words: U2, n_word: Int, scale: Any, n_step: Int, neuron: Neuron, u: Array,
    flags: U1,
) -> Int:  # fmt: skip
    """Potentials before reset, and spikes, flat (R, n); returns how many."""
    n_tile, n_row = u.shape[0], u.shape[1]
    apart, wide, n, gain, threshold = LANES * n_word, n_row // n_step * LANES, n_tile * LANES, neuron[1], neuron[2]
    units, drive = np.empty(LANES * apart, dtype=u.dtype), np.empty((n_row, LANES), dtype=u.dtype)
    current = drive.reshape(-1)
    fired: Int = 0
    for k in range(n_tile):
        sums_of_targets(LANES * k, LANES, in_lists, weight, words, n_word, scale, units)
        units_to_rows(units, apart, LANES, drive, 0)
        now = u[k].reshape(-1)
        for i in range(wide):
            now[i] = gain * current[i]
        for a in range(wide, now.shape[0], wide):
            step_vectors(now[a : a + wide], now[a - wide : a], current[a : a + wide], neuron)
        fired += flag_rows(now, threshold, n_row, flags, LANES * k, n)
    return fired


@kernel
def learn_tiles(
    in_lists: InLists, words: U2, n_word: Int, scale: Any, n_step: Int, neuron: Neuron, slopes: Slopes, u: Array,
    dy: Array, w: Array, gradient: Array, d: Array,
) -> Int:  # fmt: skip
    """Add to the weight gradient; returns how many potentials were near threshold, at each so many-th step.

    The gradient of the spikes is `dy`, flat: (R, n), or where few targets read them (R, n_few) with their weights by
    tile, `w` (n / 16, n_few, 16).  That of the currents is written to `d`, flat (R, n), unless it is empty.
    """
    n_tile, n_row, n_few = u.shape[0], u.shape[1], w.shape[1]
    apart, wide, n, gain, threshold = LANES * n_word, n_row // n_step * LANES, n_tile * LANES, neuron[1], neuron[2]
    units, push = np.zeros(LANES * apart, dtype=u.dtype), np.empty(n_row * LANES, dtype=u.dtype)
    rows, flat_w = np.empty((n_row, LANES), dtype=u.dtype), w.reshape(-1)
    back, width, last = rows.reshape(-1), slopes[1], n_step - 1
    looked: Int = 0
    for k in range(n_tile):
        if n_few:
            few_products(n_row, push, 0, LANES, dy, 0, n_few, flat_w, k * n_few * LANES, n_few)
        else:
            _from_rows(dy, k, n, push)
        now = u[k].reshape(-1)
        for t in range(last, -1, -1):
            a, later = t * wide, min(t + 1, last) * wide
            v, up = now[a : a + wide], push[a : a + wide]
            after, out = back[later : later + wide], back[a : a + wide]
            if t < last and slopes[0] == RECTANGLE:
                back_vectors(v, up, after, out, neuron, slopes)
            else:
                step_back(v, up, after, out, t == last, neuron, slopes)
            if t % LOOK_EVERY == 0:
                looked += in_window(v, threshold, width)
        if gain != 1:
            for i in range(back.shape[0]):
                back[i] *= gain
        if d.shape[0]:
            _into_rows(back, k, n, d)
        rows_to_units(rows, 0, units, apart, LANES)
        gradients_of_targets(LANES * k, LANES, in_lists, words, n_word, scale, units, gradient)
    return looked


@kernel
def near_tiles(u: Array, threshold: Any, width: Any, flags: U1) -> None:
    """Bytes, flat (R, n), that are 1 inside the open window around threshold."""
    near = np.empty(u.shape[1] * LANES, dtype=np.uint8)
    for k in range(u.shape[0]):
        now = u[k].reshape(-1)
        for i in range(now.shape[0]):
            near[i] = np.uint8(abs(now[i] - threshold) < width)
        _into_rows(near, k, u.shape[0] * LANES, flags)


def fits(weights: Layer, neurons: Layer, x: Signal) -> bool:
    """Whether a pair of layers can be run in one pass on this input."""
    return (
        type(weights) is Linear
        and type(neurons) in (LIF, IF)
        and isinstance(x, Spikes)
        and not x.counts
        and weights.n_out % LANES == 0
        and not weights.bias
        and weights.watch is None
        and neurons.watch is None
        and not neurons.surrogate.own  # type: ignore[attr-defined]
        and weights.weights.probe is None
        and x.n == weights.n_in
        and weights.way(x, True) == "masks"
    )


def fire(linear: Linear, neurons: LIF, x: Spikes) -> tuple[Spikes, Pullback]:
    """What `linear` followed by `neurons` returns: spikes, and the pullback through both."""
    expect(linear, x, n=linear.n_in)
    weights, n = linear.weights, linear.n_out
    table = weights.sound(linear.n_in or 0, n)
    kind = table.weight.dtype.type
    lists = table.in_start, table.in_length, table.in_slot, table.in_row
    bits = x.words.reshape(-1), x.words.shape[1], kind(x.scale), x.steps
    leak, gain = neurons.constants()
    theta, h = kind(neurons.threshold), neurons.surrogate
    neuron = kind(leak), kind(gain), theta, neurons.reset == "subtract"
    u, flags = aligned((n // LANES, x.n_row, LANES), kind, empty=True), np.empty((x.n_row, n), dtype=np.uint8)
    fired = fire_tiles(lists, table.weight, *bits, neuron, u, flags.reshape(-1))
    linear.count(x, table, "masks")
    c = neurons.counters
    c.sites += flags.size

    def window() -> U1:
        near: U1 = np.empty((x.n_row, n), dtype=np.uint8)
        near_tiles(u, theta, kind(h.width), near.reshape(-1))
        return near

    def pull(dy: Current) -> Current | None:
        h, product = neurons.surrogate, unmade(dy)
        w: Array = np.empty((0, 0, 0), dtype=kind) if product is None else product.by_tile(kind)
        up = np.ascontiguousarray(dy.by_row if product is None else product.delta, dtype=kind)
        d: Array = aligned((x.n_row, n) if x.wanted else (0, n), kind, empty=True)
        near = learn_tiles(
            lists, *bits, neuron, neurons.slopes(kind), u, up.reshape(-1), w, weights.gradient, d.reshape(-1)
        )
        if h.compact:
            c.near, c.looked = c.near + int(near), c.looked + -(-x.steps // LOOK_EVERY) * x.batch * n
        return gradient_of_spikes(x, table, kind(x.scale), Current(d, x.steps, x.batch, (n,)) if x.wanted else None)

    y = Spikes.made(flags, x.steps, x.batch, (n,), window=window if h.compact else None)
    y.n_present = int(fired)
    c.spikes += y.n_present
    return y, guarded(neurons, y, pull)
