"""Products of spikes with living synapses, each along the whole batch under a mask of its source's spikes.

The twin of the kernels along the batch of `neurodev.learn.kernels.rows` for spikes that are bits: sixteen rows at a
time, whose sums stay in registers.  Cost = synapses x rows / 16, whatever spikes.  `words` (n_in, n_word) are the bits
of `neurodev.learn.core.masks`, flat.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodev.arrays import U2, Array, Int
from neurodev.jit import kernel, rule
from neurodev.learn.core.masks import LANES, TOGETHER, masked_dots, masked_sums, rows_to_units, units_to_rows
from neurodev.learn.kernels.rows import InLists


@rule
def sums_of_targets(
    first: Int, some: Int, in_lists: InLists, weight: Array, words: U2, n_word: Int, scale: Any, units: Array
) -> None:
    """Currents of some targets, from `first` on, into `units`, flat: of each 16 n_word rows."""
    in_start, in_length, in_slot, in_row = in_lists
    apart = LANES * n_word
    for m in range(some):
        q = np.int64(in_start[first + m])
        end = q + np.int64(in_length[first + m])
        masked_sums(n_word, units, m * apart, words, n_word, in_slot, in_row, weight, q, end)
    if scale != 1:
        for k in range(some * apart):
            units[k] *= scale


@kernel
def add_by_masks(in_lists: InLists, weight: Array, words: U2, n_word: Int, scale: Any, out: Array) -> None:
    """Forward; out (R, n_out), which need not be filled before.  Some targets at a time, turned into rows."""
    n = out.shape[1]
    apart = LANES * n_word
    units = np.empty(TOGETHER * apart, dtype=out.dtype)
    for first in range(0, n, TOGETHER):
        some = min(TOGETHER, n - first)
        sums_of_targets(first, some, in_lists, weight, words, n_word, scale, units)
        units_to_rows(units, apart, some, out, first)


@rule
def gradients_of_targets(
    first: Int, some: Int, in_lists: InLists, words: U2, n_word: Int, scale: Any, units: Array, gradient: Array
) -> None:
    """Add to the gradients of the synapses of some targets, from `first` on; what these have to learn is in `units`.

    Four synapses share the load of that; the last is taken again where there are less.
    """
    in_start, in_length, in_slot, in_row = in_lists
    for m in range(some):
        at = m * LANES * n_word
        q = np.int64(in_start[first + m])
        end = q + in_length[first + m]
        while q < end:
            i, j, k = min(q + 1, end - 1), min(q + 2, end - 1), min(q + 3, end - 1)
            a, b, c, d = masked_dots(
                units, at, words, np.int64(in_row[q]) * n_word, np.int64(in_row[i]) * n_word,
                np.int64(in_row[j]) * n_word, np.int64(in_row[k]) * n_word, n_word,
            )  # fmt: skip
            gradient[in_slot[q]] += scale * a
            if q + 1 < end:
                gradient[in_slot[i]] += scale * b
            if q + 2 < end:
                gradient[in_slot[j]] += scale * c
            if q + 3 < end:
                gradient[in_slot[k]] += scale * d
            q += 4


@kernel
def gradient_by_masks(in_lists: InLists, words: U2, n_word: Int, scale: Any, delta: Array, gradient: Array) -> None:
    """Weight gradient; delta (R, n_out)."""
    n = delta.shape[1]
    apart = LANES * n_word
    units = np.zeros(TOGETHER * apart, dtype=delta.dtype)
    for first in range(0, n, TOGETHER):
        some = min(TOGETHER, n - first)
        rows_to_units(delta, first, units, apart, some)
        gradients_of_targets(first, some, in_lists, words, n_word, scale, units, gradient)
