"""Predicted events: a binary heap in parallel arrays, ordered by (time, neuron).

Where an event finds no room, a mark is left, and the engine builds the heap anew with more of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Int
from neurodev.jit import rule

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]


@rule
def push(count: I8, time: F8, index: U4, value: F8, t: float, j: Int, u: float) -> None:
    """Put in the event of neuron `j` at `t` with its key `u`; `count` (2,): events, and 1 if one found no room."""
    i = count[0]
    if i >= time.shape[0]:
        count[1] = 1
        return
    count[0] = i + 1
    while i > 0:
        parent = (i - 1) >> 1
        if time[parent] < t or (time[parent] == t and index[parent] <= j):
            break
        time[i], index[i], value[i] = time[parent], index[parent], value[parent]
        i = parent
    time[i], index[i], value[i] = t, np.uint32(j), u


@rule
def pop(count: I8, time: F8, index: U4, value: F8) -> None:
    """Take out the earliest event."""
    m = count[0] - 1
    count[0] = m
    t, j, u = time[m], index[m], value[m]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= m:
            break
        right = child + 1
        if right < m and (time[right] < time[child] or (time[right] == time[child] and index[right] < index[child])):
            child = right
        if t < time[child] or (t == time[child] and j <= index[child]):
            break
        time[i], index[i], value[i] = time[child], index[child], value[child]
        i = child
    if m > 0:
        time[i], index[i], value[i] = t, j, u
