"""Kernels of `Pairing`: what lies within reach of a vacant element, and which partner it chooses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurodev.arrays import B1, F8, I8, U4, Int
from neurodev.jit import kernel, rule
from neurodev.structure.store import InLists, Rows


class Choice(NamedTuple):
    """How elements choose."""

    plenty: bool
    """The others' elements are never used up."""
    sigma: float
    """um, range of the kernel."""
    same: bool
    """One population on both sides."""
    single: bool
    """One contact a pair."""
    from_source: bool
    """Sources choose targets, not the other way round."""


LEAST = 1e-280  # below this a sum of K has lost digits, or all of them (beyond 27 sigma)

NOTHING = -1e300  # logarithm of an offer of nothing: a number, as all signals are, and below every other


@rule
def squared(a: Int, b: Int, here: F8, there: F8, sigma: float) -> float:
    """``(d / sigma)^2`` of neuron a of `here` and b of `there` (each (n, 2), um)."""
    x, y = (here[a, 0] - there[b, 0]) / sigma, (here[a, 1] - there[b, 1]) / sigma
    return x * x + y * y  # type: ignore[no-any-return]


@rule
def affinity(a: Int, b: Int, here: F8, there: F8, sigma: float) -> float:
    """K of the distance between neuron a of `here` and b of `there` (each (n, 2), um): ``exp(-(d / sigma)^2)``."""
    x, y = here[a, 0] - there[b, 0], here[a, 1] - there[b, 1]
    return np.exp(-(x * x + y * y) / (sigma * sigma))  # type: ignore[no-any-return]


@kernel
def reach(wanting: I8, here: F8, there: F8, vacant: F8, sigma: float, same: bool, out: F8) -> None:
    """Log of the kernel-weighted vacancies (n_there,) around each neuron of `wanting`, into `out` (n_here,).

    It is `NOTHING` where nothing is vacant; elsewhere a number, however far away.
    """
    for k in range(wanting.shape[0]):
        a, total, nearest = wanting[k], 0.0, np.inf
        for b in range(there.shape[0]):
            if vacant[b] > 0.0 and not (same and a == b):
                total += vacant[b] * affinity(a, b, here, there, sigma)
        if total >= LEAST:
            out[a] = np.log(total)
            continue
        for b in range(there.shape[0]):
            if vacant[b] > 0.0 and not (same and a == b):
                nearest = min(nearest, squared(a, b, here, there, sigma))
        if nearest == np.inf:
            out[a] = NOTHING
            continue
        total = 0.0
        for b in range(there.shape[0]):
            if vacant[b] > 0.0 and not (same and a == b):
                total += vacant[b] * np.exp(nearest - squared(a, b, here, there, sigma))
        out[a] = np.log(total) - nearest


@rule
def mark_partners(a: Int, from_source: bool, n_source: int, rows: Rows, post: U4, lists: InLists, taken: B1) -> None:
    """Mark the living partners of neuron a in `taken` (n_there,): targets of a source, or sources of a target."""
    if from_source:
        for row in range(a, rows.start.shape[0], n_source):
            for s in range(rows.start[row], rows.start[row] + rows.length[row]):
                taken[post[s]] = True
    else:
        for i in range(lists.start[a], lists.start[a] + lists.length[a]):
            taken[lists.row[i] % n_source] = True


@rule
def weigh_from_nearest(a: Int, here: F8, there: F8, room: I8, taken: B1, how: Choice, weight: F8) -> float:
    """Weights (n_there,) of the partners of neuron a relative to the nearest, for where all K underflow; their sum."""
    nearest = np.inf
    for b in range(there.shape[0]):
        if room[b] > 0 and not (taken[b] or (how.same and a == b)):
            nearest = min(nearest, squared(a, b, here, there, how.sigma))
    total = 0.0
    for b in range(there.shape[0]):
        weight[b] = 0.0
        if room[b] > 0 and not (taken[b] or (how.same and a == b)):
            weight[b] = room[b] * np.exp(nearest - squared(a, b, here, there, how.sigma))
            total += weight[b]
    return total


@kernel
def choose_partners(
    who: I8, u: F8, here: F8, there: F8, room: I8, how: Choice, n_source: int, rows: Rows, post: U4, lists: InLists,
    chosen: I8,
) -> None:  # fmt: skip
    """Partner of every element, or -1, into `chosen` (n,), which is all -1 before.

    Parameters
    ----------
    who : (n,)
        Neuron of each choosing element, in the order in which they choose.
    u : (n,)
        Their uniforms.
    here, there : (n_here, 2) and (n_there, 2), um
    room : (n_there,)
        Vacant elements of the others; used up, unless they are plentiful.
    post : (capacity,)
    """
    taken, weight = np.zeros(there.shape[0], dtype=np.bool_), np.empty(there.shape[0])
    newest, before = np.full(here.shape[0], -1, dtype=np.int64), np.full(who.shape[0], -1, dtype=np.int64)
    for e in range(who.shape[0]):
        a, total = who[e], 0.0
        if how.single:
            taken[:] = False
            mark_partners(a, how.from_source, n_source, rows, post, lists, taken)
            k = newest[a]  # partners that this neuron found a moment ago
            while k >= 0:
                taken[chosen[k]] = True
                k = before[k]
        for b in range(there.shape[0]):
            weight[b] = 0.0
            if room[b] > 0 and not (taken[b] or (how.same and a == b)):
                weight[b] = room[b] * affinity(a, b, here, there, how.sigma)
                total += weight[b]
        if total < LEAST:
            total = weigh_from_nearest(a, here, there, room, taken, how, weight)
        left = u[e] * total
        for b in range(there.shape[0]):
            if weight[b] > 0.0:
                chosen[e] = b
                left -= weight[b]
                if left <= 0.0:
                    break
        if chosen[e] >= 0:
            if not how.plenty:
                room[chosen[e]] -= 1
            before[e] = newest[a]
            newest[a] = e
