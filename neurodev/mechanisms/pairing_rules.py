"""Kernels of `Pairing`: what lies within reach of a vacant element, and which partner it chooses."""

from __future__ import annotations

import numpy as np

from neurodev.jit import kernel, rule


@rule
def affinity(a, b, here, there, sigma):  # type: ignore[no-untyped-def]
    """K of the distance between neuron a of `here` and b of `there` (each (n, 2), um): ``exp(-(d / sigma)^2)``."""
    x, y = here[a, 0] - there[b, 0], here[a, 1] - there[b, 1]
    return np.exp(-(x * x + y * y) / (sigma * sigma))


@kernel
def reach(wanting, here, there, vacant, sigma, same, out):  # type: ignore[no-untyped-def]
    """Kernel-weighted vacancies around each neuron of `wanting`, into `out` (n_here)."""
    for k in range(wanting.shape[0]):
        a, total = wanting[k], 0.0
        for b in range(there.shape[0]):
            if vacant[b] > 0.0 and not (same and a == b):
                total += vacant[b] * affinity(a, b, here, there, sigma)
        out[a] = total


@rule
def mark_partners(a, from_source, row_start, row_length, post, n_source, n_lane, in_start, in_length, in_row, taken):  # type: ignore[no-untyped-def]
    """Mark the living partners of neuron a: targets of a source, or sources of a target."""
    if from_source:
        for lane in range(n_lane):
            row = lane * n_source + a
            for s in range(row_start[row], row_start[row] + row_length[row]):
                taken[post[s]] = True
    else:
        for i in range(in_start[a], in_start[a] + in_length[a]):
            taken[in_row[i] % n_source] = True


@kernel
def choose_partners(
    who, u, here, there, room, plenty, sigma, same, single, from_source, row_start, row_length, post, n_source, n_lane,
    in_start, in_length, in_row, chosen,
):  # type: ignore[no-untyped-def] # fmt: skip
    """Partner of every element, or -1.

    Parameters
    ----------
    who : (n,) int64
        Neuron of each choosing element, in the order in which they choose.
    u : (n,) float64
        Their uniforms.
    room : (n_there,) int64
        Vacant elements of the others; used up, unless `plenty`.
    same, single, from_source : bool
        One population on both sides; one contact a pair; sources (not targets) choose.
    """
    taken, weight = np.zeros(there.shape[0], dtype=np.bool_), np.empty(there.shape[0])
    newest, before = np.full(here.shape[0], -1, dtype=np.int64), np.full(who.shape[0], -1, dtype=np.int64)
    for e in range(who.shape[0]):
        a, total = who[e], 0.0
        if single:
            taken[:] = False
            mark_partners(
                a, from_source, row_start, row_length, post, n_source, n_lane, in_start, in_length, in_row, taken
            )
            k = newest[a]  # partners that this neuron found a moment ago
            while k >= 0:
                taken[chosen[k]] = True
                k = before[k]
        for b in range(there.shape[0]):
            weight[b] = 0.0
            if room[b] > 0 and not (taken[b] or (same and a == b)):
                weight[b] = room[b] * affinity(a, b, here, there, sigma)
                total += weight[b]
        left = u[e] * total
        for b in range(there.shape[0]):
            if weight[b] > 0.0:
                chosen[e] = b
                left -= weight[b]
                if left <= 0.0:
                    break
        if chosen[e] >= 0:
            if not plenty:
                room[chosen[e]] -= 1
            before[e] = newest[a]
            newest[a] = e
