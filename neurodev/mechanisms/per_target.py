"""Sums and means over the synapses of each target, in the order of rows: those of other targets change nothing."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, I8, U4
from neurodev.jit import kernel
from neurodev.mechanisms.base import SynapseView


@kernel
def sum_per_target(values: F8, slots: I8, post: U4, total: F8, count: I8) -> None:
    """Add `values` (capacity,) of the live `slots` to their target neurons.

    post : (capacity,);  total, count : (n_target,), cleared first
    """
    total[:] = 0.0
    count[:] = 0
    for k in range(slots.shape[0]):
        s = slots[k]
        j = post[s]
        total[j] += values[s]
        count[j] += 1


def mean_per_target(view: SynapseView, column: str, slots: I8) -> tuple[F8, I8]:
    """Mean of a column over the living synapses of each target (NaN-free: 0 where there are none), and counts."""
    n = view.target.n
    total, count = np.zeros(n), np.zeros(n, dtype=np.int64)
    sum_per_target(view.table.column(column), slots, view.table.post, total, count)
    return total / np.maximum(count, 1), count


def start_at_mean(view: SynapseView, column: str, slots: I8) -> None:
    """Give the newborn `slots` the mean of a column over the other synapses of their targets; 0 where there is none."""
    values, post = view.table.column(column), view.table.post[slots]
    values[slots] = 0.0
    mean, count = mean_per_target(view, column, view.slots())
    others = count - np.bincount(post, minlength=view.target.n)
    # newborns hold 0 so far: only the count must leave them out
    values[slots] = (mean * count / np.maximum(others, 1))[post]
