"""Feed-forward layers with one delay: inputs of equal time form a group, between groups all neurons advance together.

Only neurons that reach threshold within an interval are followed one by one.  The backward pass walks the same groups
in reverse; a neuron that spiked is redone in the order of its spikes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neurodev.arrays import F8, I8, U1, Array, Int
from neurodev.jit import kernel, rule
from neurodev.learn.eventprop.flow import DOUBLE, Flow, crossing, decays
from neurodev.learn.eventprop.tables import Inputs, Pushes, Rows


class Record(NamedTuple):
    """Spikes in the order of their time: what the backward pass needs, O(spikes)."""

    time: F8  # (room,) ms
    cell: I8
    current: F8  # of the neuron at its spike, mV
    group: I8  # last input of the group before the spike, counted over all samples
    offsets: I8  # (n_sample + 1,)


class _Scratch(NamedTuple):
    """Of one interval: numbers and flags of all neurons, and the state of those that may cross at its end."""

    margin: Array  # (n,)
    flags: U1  # (n rounded up to a multiple of 8,)
    hits: I8  # (n,)
    v: F8
    i: F8


class _Adjoint(NamedTuple):
    """lambda_V and lambda_I (with the shift) of all neurons, and of those that spiked in an interval, as of `at`."""

    u: Array  # (n,)
    m: Array
    du: F8
    dm: F8
    at: F8
    touched: U1


@rule
def _group_end(times: F8, k: Int, end: Int) -> Int:
    """One past the last input that arrives together with input k; times (n_input,) ascending."""
    j = k + 1
    while j < end and times[j] == times[k]:
        j += 1
    return j


@rule
def _add_row(current: Array, row: Int, rows: Rows, grid: bool) -> None:
    """One row of weights onto the currents (n,); with `grid` it lists all targets in order."""
    start = rows.start[row]
    n = rows.length[row]
    if grid:
        w = rows.weight[start : start + n]
        for j in range(n):
            current[j] += w[j]
    else:
        for s in range(start, start + n):
            current[np.int64(rows.post[s])] += rows.weight[s]


@rule
def _flag(v: Array, i: Array, scratch: _Scratch, dt: float, flow: Flow) -> Int:
    """List the neurons (n,) that may cross: exact up to rounding for tau_m = 2 tau_s, else those with I above it."""
    margin, flags, hits, _, _ = scratch
    kind = v.dtype.type
    theta, zero = kind(flow.threshold), kind(0.0)
    n = v.shape[0]
    if flow.method == DOUBLE:
        # the root x of a neuron must lie above exp(-dt / tau_m), with room for the rounding of this test
        edge = kind(2.0 * np.exp(-dt / flow.tau_m) * (1.0 - 1e-5))
        four = kind(4.0 * flow.threshold * (1.0 - 1e-6))
        for j in range(n):
            both = v[j] + i[j]
            root = both + np.sqrt(max(both * both - four * i[j], zero))
            margin[j] = min(i[j] - theta, root - edge * i[j])
    else:
        for j in range(n):
            margin[j] = i[j] - theta
    for j in range(n):
        flags[j] = margin[j] > zero
    words = flags.view(np.uint64)
    hit = 0
    for k in range(words.shape[0]):
        if words[k] != 0:
            for j in range(8 * k, 8 * k + 8):
                if flags[j]:
                    hits[hit] = j
                    hit += 1
    return hit


@rule
def _advance(v: Array, i: Array, area: Array, dt: float, flow: Flow, integral: bool) -> None:
    """All neurons (n,) over dt, as if none crossed; adds the integral of I to `area` if `integral` is set."""
    coefficient = np.empty(4, dtype=v.dtype)  # in the type of the arrays
    a, b, p = decays(dt, flow.tau_m, flow.tau_s)
    coefficient[0], coefficient[1], coefficient[2] = a, b, p
    coefficient[3] = flow.tau_s * -np.expm1(-dt / flow.tau_s)
    a, b, p, q = coefficient[0], coefficient[1], coefficient[2], coefficient[3]
    if integral:
        for j in range(v.shape[0]):
            area[j] += q * i[j]
    for j in range(v.shape[0]):
        v[j] = a * v[j] + p * i[j]
        i[j] = b * i[j]


@rule
def _follow(
    j: Int,
    v0: float,
    i0: float,
    begin: float,
    dt: float,
    group: Int,
    flow: Flow,
    record: Record,
    count: Int,
) -> tuple[Int, float, float]:
    """Spikes of one neuron within an interval; returns (count or -1 if the record is full, V, I at its end)."""
    v: float
    i: float
    v, i, done = np.float64(v0), np.float64(i0), 0.0
    while True:
        s = crossing(v, i, dt - done, flow)
        if s < 0.0:
            break
        if count >= record.time.shape[0]:
            count = -1
            break
        i *= np.exp(-s / flow.tau_s)
        v = 0.0
        done += s
        record.time[count] = begin + done
        record.cell[count] = j
        record.current[count] = i
        record.group[count] = group
        count += 1
        if i <= flow.threshold:
            break
    a, b, p = decays(dt - done, flow.tau_m, flow.tau_s)
    return count, a * v + p * i, b * i


@rule
def _sort(record: Record, first: Int, last: Int) -> None:
    """Insertion sort by (time, cell) of the few spikes of one interval."""
    for k in range(first + 1, last):
        t, c, i = record.time[k], record.cell[k], record.current[k]
        j = k - 1
        while j >= first and (record.time[j] > t or (record.time[j] == t and record.cell[j] > c)):
            record.time[j + 1], record.cell[j + 1] = record.time[j], record.cell[j]
            record.current[j + 1] = record.current[j]
            j -= 1
        record.time[j + 1], record.cell[j + 1], record.current[j + 1] = t, c, i


@rule
def _interval(
    v: Array, i: Array, area: Array, scratch: _Scratch, begin: float, dt: float, group: Int, flow: Flow, integral:
    bool, record: Record, count: Int,
) -> Int:  # fmt: skip
    """All neurons (n,) over one interval; returns the new count of spikes, or -1 if the record is full."""
    _, _, hits, end_v, end_i = scratch
    first = count
    hit = _flag(v, i, scratch, dt, flow)
    for k in range(hit):
        j = hits[k]
        count, end_v[k], end_i[k] = _follow(j, v[j], i[j], begin, dt, group, flow, record, count)
        if count < 0:
            return count
    _sort(record, first, count)
    _advance(v, i, area, dt, flow, integral)
    for k in range(hit):
        v[hits[k]], i[hits[k]] = end_v[k], end_i[k]
    return count


@kernel
def forward(
    inputs: Inputs, rows: Rows, grid: bool, flow: Flow, duration: float, integral: bool, first: Int, record: Record,
    final: F8, area: Array,
) -> Int:  # fmt: skip
    """Samples `first` .. until the record is full; returns the number of samples done.

    `final` (n_sample, n) receives V at the end, `area` (n_sample, n) the integral of V if `integral` is set.
    """
    times, cells, offsets = inputs
    n = final.shape[1]
    kind = rows.weight.dtype
    v, i, sums = np.empty(n, dtype=kind), np.empty(n, dtype=kind), np.empty(n, dtype=kind)
    # flags are read eight at a time, so their number is a multiple of eight
    flags = np.zeros((n + 7) // 8 * 8, dtype=np.uint8)
    scratch = _Scratch(np.empty(n, dtype=kind), flags, np.empty(n, dtype=np.int64), np.empty(n), np.empty(n))
    delay = rows.delays[0]
    for sample in range(first, offsets.shape[0] - 1):
        v[:], i[:], sums[:] = 0, 0, 0
        count = record.offsets[sample]
        k, end = offsets[sample], offsets[sample + 1]
        while k < end and times[k] + delay <= duration:
            following = _group_end(times, k, end)
            for q in range(k, following):
                _add_row(i, cells[q], rows, grid)
            begin = times[k] + delay
            stop = min(times[following] + delay, duration) if following < end else duration
            count = _interval(v, i, sums, scratch, begin, stop - begin, following - 1, flow, integral, record, count)
            if count < 0:
                return sample
            k = following
        record.offsets[sample + 1] = count
        for j in range(n):
            final[sample, j] = v[j]
            # tau_m V' = -V + I, summed over the pieces between resets
            area[sample, j] = sums[j] - flow.tau_m * v[j]
        for q in range(record.offsets[sample], count):
            area[sample, record.cell[q]] -= flow.tau_m * flow.threshold
    return offsets.shape[0] - 1  # type: ignore[no-any-return]


@rule
def jump(u: float, push: float, current: float, threshold: float, clip: float) -> tuple[float, Int]:
    """The adjoint of V across a spike, and whether the factor 1 / (I - threshold) had to be clipped."""
    slope = current - threshold
    clipped: Int = 0
    if slope < clip:
        slope = clip
        clipped = 1
    return u + (threshold * u + push) / slope, clipped


@rule
def _unspike(
    adjoint: _Adjoint,
    stop: float,
    pushes: Pushes,
    flow: Flow,
    clip: float,
    record: Record,
    first: Int,
    last: Int,
) -> Int:
    """Spikes first .. last - 1 of one interval, latest first, into their neurons; returns the number clipped."""
    u, m, du, dm, at, touched = adjoint
    d_time, kick, _, _ = pushes
    clipped: Int = 0
    for q in range(last - 1, first - 1, -1):
        j = record.cell[q]
        if not touched[j]:
            touched[j] = 1
            du[j], dm[j], at[j] = u[j], m[j], stop
        a, b, p = decays(at[j] - record.time[q], flow.tau_m, flow.tau_s)
        dm[j] = b * dm[j] + p * flow.tau_m / flow.tau_s * du[j]
        du[j], over = jump(a * du[j], d_time[q], record.current[q], flow.threshold, clip)
        du[j] += kick[q]
        at[j] = record.time[q]
        clipped += over
    return clipped


@rule
def _recede(u: Array, m: Array, dt: float, flow: Flow) -> None:
    """The adjoint of all neurons (n,) over dt, backwards."""
    coefficient = np.empty(3, dtype=u.dtype)
    a, b, p = decays(dt, flow.tau_m, flow.tau_s)
    coefficient[0], coefficient[1], coefficient[2] = a, b, p * flow.tau_m / flow.tau_s
    a, b, q = coefficient[0], coefficient[1], coefficient[2]
    for j in range(u.shape[0]):
        m[j] = b * m[j] + q * u[j]
        u[j] = a * u[j]


@rule
def _rejoin(adjoint: _Adjoint, begin: float, flow: Flow, record: Record, first: Int, last: Int) -> None:
    """Neurons that spiked come back to the beginning of the interval."""
    u, m, du, dm, at, touched = adjoint
    for q in range(first, last):
        j = record.cell[q]
        if touched[j]:
            touched[j] = 0
            a, b, p = decays(at[j] - begin, flow.tau_m, flow.tau_s)
            m[j] = b * dm[j] + p * flow.tau_m / flow.tau_s * du[j]
            u[j] = a * du[j]


@rule
def _read_row(u: Array, m: Array, shift: Array, row: Int, rows: Rows, grid: bool, scale: Any, wanted: bool) -> float:
    """Gradient of the weights of one row; returns the sum of w (u - m), the gradient of its spike time."""
    start = rows.start[row]
    n = rows.length[row]
    total = 0.0
    if grid:
        g = rows.gradient[start : start + n]
        for j in range(n):
            g[j] -= scale * (m[j] - shift[j])
        if wanted:
            w = rows.weight[start : start + n]
            for j in range(n):
                total += w[j] * (u[j] - m[j])
    else:
        for s in range(start, start + n):
            target = np.int64(rows.post[s])
            rows.gradient[s] -= scale * (m[target] - shift[target])
            total += rows.weight[s] * (u[target] - m[target])
    return total


@kernel
def backward(
    inputs: Inputs, rows: Rows, grid: bool, flow: Flow, duration: float, clip: float, record: Record, pushes: Pushes,
    wanted: bool, d_in: F8,
) -> Int:  # fmt: skip
    """All samples in reverse; adds to ``rows.gradient`` and `d_in`, returns the number of clipped spikes.

    `d_in` (n_input_spike,) is the gradient of the input times, if `wanted` is set.
    """
    times, cells, offsets = inputs
    d_area, d_final = pushes.d_area, pushes.d_final
    n = d_final.shape[1]
    kind = rows.weight.dtype
    u, m, shift = np.empty(n, dtype=kind), np.empty(n, dtype=kind), np.empty(n, dtype=kind)
    adjoint = _Adjoint(u, m, np.empty(n), np.empty(n), np.empty(n), np.zeros(n, dtype=np.uint8))
    delay = rows.delays[0]
    scale = np.full(1, flow.tau_s).astype(kind)[0]
    clipped: Int = 0
    for sample in range(offsets.shape[0] - 1):
        for j in range(n):
            shift[j] = d_area[sample, j]
            u[j] = shift[j] - d_final[sample, j] / flow.tau_m
            m[j] = shift[j]
        last = record.offsets[sample + 1]
        k, stop = offsets[sample + 1], duration
        while k > offsets[sample]:
            begin = k - 1
            while begin > offsets[sample] and times[begin - 1] == times[k - 1]:
                begin -= 1
            t = times[begin] + delay
            if t <= duration:
                first = last
                while first > record.offsets[sample] and record.group[first - 1] == k - 1:
                    first -= 1
                clipped += _unspike(adjoint, stop, pushes, flow, clip, record, first, last)
                _recede(u, m, stop - t, flow)
                _rejoin(adjoint, t, flow, record, first, last)
                for q in range(begin, k):
                    d_in[q] += _read_row(u, m, shift, cells[q], rows, grid, scale, wanted)
                last, stop = first, t
            k = begin
    return clipped
