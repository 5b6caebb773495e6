"""Any layer, one event at a time: recurrent synapses, a delay for every synapse, few synapses.

Forwards, arrivals and predicted spikes come from one queue; each neuron is advanced only when something happens to it.
Backwards, all spikes are known: arrivals are sorted, and read from the latest to the earliest.
The order of ties is the same in both passes: at one instant, spikes first, then arrivals (their order among themselves
changes nothing but the rounding of a sum; forwards they are taken by time, source and slot).
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np

from neurodev.arrays import F8, I8, Int
from neurodev.jit import kernel, rule
from neurodev.learn.eventprop.flow import Flow, crossing, decays
from neurodev.learn.eventprop.tables import Inputs, Pushes, Rows
from neurodev.learn.eventprop.together import Record, jump

SPIKE, ARRIVAL = 0, 1
Heap = list[Any]  # (time, SPIKE or ARRIVAL, neuron or code, number of the spike behind it)


class _Arrivals(NamedTuple):
    """What arrives in a sample; `code` is a slot, or -1 - row where all synapses of a row are reached together."""

    when: F8  # (n_arrival,) ms
    code: I8
    spike: I8  # number of the spike behind it
    order: I8  # of the times


class _Neurons(NamedTuple):
    """State of all neurons, each as of its time `at`."""

    v: F8  # (n,) mV
    i: F8
    total: F8  # sum of the weights received
    at: F8  # ms
    due: F8  # time of the predicted spike; infinite if there is none


class _Adjoint(NamedTuple):
    """lambda_V and lambda_I with the shift of all neurons, as of `at`."""

    u: F8  # (n,)
    m: F8
    at: F8
    shift: F8


@rule
def _count_arrivals(cells: I8, first: int, last: int, rows: Rows) -> int:
    """Arrivals of the spikes first .. last - 1 of cells (n_spike,): one a synapse, or one a row together."""
    total = 0
    for k in range(first, last):
        for lane in range(rows.delays.shape[0]):
            length = rows.length[lane * rows.n_source + cells[k]]
            if rows.delay.shape[0] > 0:
                total += length
            elif length > 0:
                total += 1
    return total


@rule
def _list_arrivals(times: F8, cells: I8, first: int, last: int, rows: Rows, arrivals: _Arrivals, at: int) -> int:
    """Write (time, code, spike) from position `at`; returns the position after them."""
    when, code, spike, _ = arrivals
    for k in range(first, last):
        for lane in range(rows.delays.shape[0]):
            row = lane * rows.n_source + cells[k]
            length = rows.length[row]
            if rows.delay.shape[0] > 0:
                for slot in range(rows.start[row], rows.start[row] + length):
                    when[at], code[at], spike[at] = times[k] + rows.delays[lane] + rows.delay[slot], slot, k
                    at += 1
            elif length > 0:
                when[at], code[at], spike[at] = times[k] + rows.delays[lane], -1 - row, k
                at += 1
    return at


@rule
def _room_for(n: int) -> _Arrivals:
    """An empty list of n arrivals."""
    return _Arrivals(np.empty(n), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64))


@rule
def _slots(rows: Rows, code: int) -> tuple[int, int]:
    """The slots of a code: one, or a row."""
    if code >= 0:
        return code, code + 1
    row = -1 - code
    return rows.start[row], rows.start[row] + rows.length[row]


@rule
def _predict(heap: Heap, neurons: _Neurons, j: int, flow: Flow, duration: float) -> None:
    """Put the next spike of neuron j, if it comes, into the queue."""
    v, i, _, at, due = neurons
    s = crossing(v[j], i[j], duration - at[j], flow)
    due[j] = at[j] + s if s >= 0.0 else np.inf
    if s >= 0.0:
        heapq.heappush(heap, (due[j], SPIKE, j, 0))


@rule
def _receive(rows: Rows, code: int, t: float, heap: Heap, neurons: _Neurons, flow: Flow, duration: float) -> None:
    """An arrival at its targets, each advanced to now, then its next spike predicted afresh."""
    v, i, total, at, _ = neurons
    begin, end = _slots(rows, code)
    for slot in range(begin, end):
        j: Any = np.int64(rows.post[slot])
        a, b, p = decays(t - at[j], flow.tau_m, flow.tau_s)
        v[j] = a * v[j] + p * i[j]
        i[j] = b * i[j] + rows.weight[slot]
        total[j] += rows.weight[slot]
        at[j] = t
        _predict(heap, neurons, j, flow, duration)


@rule
def _send(rows: Rows, j: int, t: float, k: int, heap: Heap, duration: float) -> None:
    """Put the arrivals of a spike of neuron j into the queue."""
    for lane in range(rows.delays.shape[0]):
        row = lane * rows.n_source + j
        length = rows.length[row]
        if rows.delay.shape[0] > 0:
            for slot in range(rows.start[row], rows.start[row] + length):
                due = t + rows.delays[lane] + rows.delay[slot]
                if due <= duration:
                    heapq.heappush(heap, (due, ARRIVAL, np.int64(slot), k))
        elif length > 0 and t + rows.delays[lane] <= duration:
            heapq.heappush(heap, (t + rows.delays[lane], ARRIVAL, np.int64(-1 - row), k))


@rule
def _sample(
    arrivals: _Arrivals, inner: Rows, recurrent: bool, rows: Rows, flow: Flow, duration: float, heap: Heap, neurons:
    _Neurons, record: Record, count: int,
) -> int:  # fmt: skip
    """One sample; returns the count of spikes, or -1 if the record is full."""
    when, code, _, order = arrivals
    v, i, _, at, due = neurons
    q = 0
    while True:
        t_in = when[order[q]] if q < order.shape[0] else np.inf
        if len(heap) > 0 and (heap[0][0] < t_in or (heap[0][0] == t_in and heap[0][1] == SPIKE)):
            t, kind, j, _ = heapq.heappop(heap)
            if kind == ARRIVAL:
                _receive(inner, j, t, heap, neurons, flow, duration)
            elif due[j] == t:
                if count >= record.time.shape[0]:
                    return -1
                i[j] *= np.exp(-(t - at[j]) / flow.tau_s)
                v[j], at[j] = 0.0, t
                record.time[count], record.cell[count], record.current[count] = t, j, i[j]
                if recurrent:
                    _send(inner, j, t, count, heap, duration)
                count += 1
                _predict(heap, neurons, j, flow, duration)
        elif t_in <= duration:
            _receive(rows, code[order[q]], t_in, heap, neurons, flow, duration)
            q += 1
        else:
            return count


@kernel
def forward(
    inputs: Inputs, rows: Rows, inner: Rows, recurrent: bool, flow: Flow, duration: float, first: Int, record: Record,
    final: F8, area: F8,
) -> Int:  # fmt: skip
    """As `together.forward`; `inner` is the recurrent table (ignored unless `recurrent`)."""
    times, cells, offsets = inputs
    n = final.shape[1]
    v, i, total, at, due = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    neurons = _Neurons(v, i, total, at, due)
    for sample in range(first, offsets.shape[0] - 1):
        begin, end = offsets[sample], offsets[sample + 1]
        size = _count_arrivals(cells, begin, end, rows)
        arrivals = _room_for(size)
        _list_arrivals(times, cells, begin, end, rows, arrivals, 0)
        arrivals.order[:] = np.argsort(arrivals.when, kind="mergesort")
        heap = [(np.inf, SPIKE, 0, 0)]
        heap.pop()
        v[:], i[:], total[:], at[:], due[:] = 0.0, 0.0, 0.0, 0.0, np.inf
        count = _sample(arrivals, inner, recurrent, rows, flow, duration, heap, neurons, record, record.offsets[sample])
        if count < 0:
            return sample
        record.offsets[sample + 1] = count
        for j in range(n):
            a, b, p = decays(duration - at[j], flow.tau_m, flow.tau_s)
            final[sample, j] = a * v[j] + p * i[j]
            area[sample, j] = flow.tau_s * (total[j] - b * i[j]) - flow.tau_m * final[sample, j]
        for q in range(record.offsets[sample], count):
            area[sample, record.cell[q]] -= flow.tau_m * flow.threshold
    return offsets.shape[0] - 1  # type: ignore[no-any-return]


@rule
def _read(rows: Rows, code: int, t: float, adjoint: _Adjoint, flow: Flow) -> float:
    """An arrival in reverse: gradients of weight and delay; returns the gradient of the time of its spike."""
    u, m, at, shift = adjoint
    total = 0.0
    begin, end = _slots(rows, code)
    for slot in range(begin, end):
        j: Any = np.int64(rows.post[slot])
        a, b, p = decays(at[j] - t, flow.tau_m, flow.tau_s)
        m[j] = b * m[j] + p * flow.tau_m / flow.tau_s * u[j]
        u[j] = a * u[j]
        at[j] = t
        push = rows.weight[slot] * (u[j] - m[j])
        rows.gradient[slot] -= flow.tau_s * (m[j] - shift[j])
        if rows.delay.shape[0] > 0:
            rows.delay_gradient[slot] += push
        total += push
    return total


@rule
def _reverse(
    arrivals: _Arrivals, n_input: int, rows: Rows, inner: Rows, flow: Flow, duration: float, clip: float, record:
    Record, spikes: tuple[int, int], adjoint: _Adjoint, pushes: Pushes, errors: tuple[F8, F8],
) -> int:  # fmt: skip
    """One sample from its end to its beginning; returns the number of clipped spikes.

    The first `n_input` arrivals are those of the inputs; `spikes` = (first, after the last) in the record; `errors` =
    (gradient of the input times, what arrivals add to that of the output times), both over all samples.
    """
    when, code, spike, order = arrivals
    u, m, at, _ = adjoint
    d_time, kick, _, _ = pushes
    first, last = spikes
    d_in, error = errors
    clipped = 0
    k, q = last - 1, order.shape[0] - 1
    while q >= 0 and when[order[q]] > duration:
        q -= 1
    while k >= first or q >= 0:
        if q >= 0 and (k < first or when[order[q]] >= record.time[k]):
            e = order[q]
            if e < n_input:
                d_in[spike[e]] += _read(rows, code[e], when[e], adjoint, flow)
            else:
                error[spike[e]] += _read(inner, code[e], when[e], adjoint, flow)
            q -= 1
        else:
            j, t = record.cell[k], record.time[k]
            a, b, p = decays(at[j] - t, flow.tau_m, flow.tau_s)
            m[j] = b * m[j] + p * flow.tau_m / flow.tau_s * u[j]
            u[j], over = jump(a * u[j], d_time[k] + error[k], record.current[k], flow.threshold, clip)
            u[j] += kick[k]
            at[j] = t
            clipped += over
            k -= 1
    return clipped


@kernel
def backward(
    inputs: Inputs, rows: Rows, inner: Rows, recurrent: bool, flow: Flow, duration: float, clip: float, record: Record,
    pushes: Pushes, d_in: F8,
) -> int:  # fmt: skip
    """As `together.backward`; the gradient of the input times is always wanted."""
    times, cells, offsets = inputs
    d_area, d_final = pushes.d_area, pushes.d_final
    n = d_final.shape[1]
    u, m, at, shift = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    adjoint = _Adjoint(u, m, at, shift)
    error = np.zeros(pushes.d_time.shape[0])
    clipped = 0
    for sample in range(offsets.shape[0] - 1):
        begin, end = offsets[sample], offsets[sample + 1]
        first, last = record.offsets[sample], record.offsets[sample + 1]
        n_input = _count_arrivals(cells, begin, end, rows)
        size = n_input
        if recurrent:
            size += _count_arrivals(record.cell, first, last, inner)
        arrivals = _room_for(size)
        _list_arrivals(times, cells, begin, end, rows, arrivals, 0)
        if recurrent:
            _list_arrivals(record.time, record.cell, first, last, inner, arrivals, n_input)
        arrivals.order[:] = np.argsort(arrivals.when, kind="mergesort")
        for j in range(n):
            shift[j] = d_area[sample, j]
            u[j], m[j], at[j] = shift[j] - d_final[sample, j] / flow.tau_m, shift[j], duration
        clipped += _reverse(
            arrivals, n_input, rows, inner, flow, duration, clip, record, (first, last), adjoint, pushes, (d_in, error)
        )
    return clipped
