"""What a hook sees of its projection or population, and the walks over rows and in-lists that hooks share.

Every door takes the record's address, as the hook got it, and reads the record by name (`hook_record.HookRecord`); no
hook reckons with addresses.  Doors are inlined, and what a hook does not use of the record is never loaded.

Walks write either the column that the mechanism named first (evidence) or the weight with its bounds, both float64: a
step that is small against the weight adds up.  A projection whose weights are kept in single precision has no hooks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurodev.arrays import F8, U4, U8, Int
from neurodev.jit import (
    Form,
    kernel,
    open_rule,
    prefetch,
    read_f8,
    read_i8,
    rule,
    view_f8,
    view_i8,
    view_u4,
    view_u8,
)
from neurodev.mechanisms.hook_record import HookRecord
from neurodev.signals.trace import frame, raised

F8_BYTES, U4_BYTES = 8, 4
AHEAD = 32  # slots between the prefetch and the use of a synapse in an in-list

# what a walk writes, and how it bounds weights: `Writing.mode` and `Writing.bounds`, which travel as floats
EVIDENCE, WEIGHT = 0, 1
HARD, MULTIPLICATIVE, POWER = 0, 1, 2


class Writing(NamedTuple):
    """What a walk writes to."""

    mode: float
    """EVIDENCE or WEIGHT."""
    bounds: float
    """HARD, MULTIPLICATIVE or POWER."""
    weight_max: float
    """mV; changes of weights are in units of it."""
    power: float
    """mu of the power law."""


# ---------------------------------------------------------------------- doors


@rule
def fields_of(record: int) -> HookRecord:
    """The entries of the record by name: addresses and sizes."""
    return read_i8(record, 0, HookRecord)


@open_rule
def parameters_of(record: int, form: type[Form]) -> Form:
    """The mechanism's parameters by name; `form` is the type of its `Hot.parameters`."""
    return read_f8(fields_of(record).parameters, 0, form)


@open_rule
def kind_of(record: int, k: int, form: type[Form]) -> Form:
    """The k-th of the mechanism's `Hot.kinds` by name; `form` is their type."""
    return read_f8(fields_of(record).kinds, k, form)


@rule
def column_of(record: int, k: Int) -> F8:
    """The k-th column that the mechanism named, (capacity,)."""
    r = fields_of(record)
    at = view_i8(r.hot_column, r.n_hot_column)[k]
    return view_f8(r.f + F8_BYTES * at * r.capacity, r.capacity)


@rule
def weights_of(record: int) -> F8:
    """Weights of all slots, (capacity,), mV, signed."""
    r = fields_of(record)
    return view_f8(r.weight, r.capacity)


@rule
def targets_of(record: int) -> U4:
    """Target of every slot, (capacity,)."""
    r = fields_of(record)
    return view_u4(r.post, r.capacity)


@rule
def uids_of(record: int) -> U8:
    """Identity of every slot, (capacity,)."""
    r = fields_of(record)
    return view_u8(r.uid, r.capacity)


@rule
def row_of(record: int, source: int, lane: int) -> int:
    """The row of a source and a delay lane."""
    return lane * fields_of(record).n_source + source


@rule
def inputs_of(record: int, j: int) -> tuple[U4, U4]:
    """Slots and rows of all inputs of target `j`, (n_input,) each."""
    r = fields_of(record)
    begin = view_i8(r.in_start, r.n_target)[j]
    n = np.int64(view_u4(r.in_length, r.n_target)[j])
    return view_u4(r.in_slot + U4_BYTES * begin, n), view_u4(r.in_row + U4_BYTES * begin, n)


@rule
def signal_of(record: int, k: int) -> F8:
    """The k-th signal that a population's mechanism named, (n_target,)."""
    r = fields_of(record)
    return view_f8(view_i8(r.signal, r.n_signal)[k], r.n_target)


@rule
def pre_traces_of(record: int, trace: Int) -> F8:
    """Pre trace number `trace` of every row, rescaled, (n_row,)."""
    r = fields_of(record)
    return view_f8(r.pre_trace + F8_BYTES * trace * r.n_row, r.n_row)


@rule
def post_traces_of(record: int, trace: int) -> F8:
    """Post trace number `trace` of every target, rescaled, (n_target,)."""
    r = fields_of(record)
    return view_f8(r.post_trace + F8_BYTES * trace * r.n_target, r.n_target)


@rule
def growth(record: int, trace: int, t: float) -> float:
    """Factor between trace number `trace` (pre traces first) and its rescaled value at `t`."""
    r = fields_of(record)
    n = r.n_pre_trace + r.n_post_trace
    return frame(t, view_f8(r.base, n)[trace], view_f8(r.tau, n)[trace])


@rule
def since_start(record: int, t: float) -> float:
    """Spike time since the start, ms, by the first trace, whose time constant must be infinite."""
    r = fields_of(record)
    return t - view_f8(r.base, 1)[0]  # type: ignore[no-any-return]


@rule
def started(record: int) -> float:
    """When the run began, ms of the present epoch: the first trace must have an infinite time constant.

    It moves by whole epochs, so that the difference of two times that are kept with it loses no digit.
    """
    return view_f8(fields_of(record).base, 1)[0]  # type: ignore[no-any-return]


@rule
def release(record: int, row: int, factor: float) -> None:
    """What `on_release` decides: the weights of `row` act times `factor` at this arrival."""
    pre_traces_of(record, 0)[row] = factor


@rule
def raise_pre(record: int, source: int, lane: int, trace: int, g: float, saturating: bool) -> None:
    """An arrival raises pre trace `trace` of (source, lane) by one, or to one; `g` is its `growth`."""
    x = pre_traces_of(record, trace)
    row = row_of(record, source, lane)
    x[row] = raised(x[row], g, saturating)


@rule
def raise_post(record: int, j: int, trace: int, g: float, saturating: bool) -> None:
    """A spike raises post trace `trace` of target `j` by one, or to one; `g` is its `growth`."""
    y = post_traces_of(record, trace)
    y[j] = raised(y[j], g, saturating)


@rule
def pre_value(record: int, source: int, lane: int, trace: int) -> float:
    """Rescaled pre trace of (source, lane)."""
    return pre_traces_of(record, trace)[row_of(record, source, lane)]  # type: ignore[no-any-return]


@rule
def post_value(record: int, j: int, trace: int) -> float:
    """Rescaled post trace of target `j`."""
    return post_traces_of(record, trace)[j]  # type: ignore[no-any-return]


# ---------------------------------------------------------------------- walks


@rule
def within(w: float, change: float, limit: float) -> float:
    """A magnitude after a change: it falls to 0 and grows to `limit` at most; one above that is not cut."""
    return min(max(w + change, 0.0), max(w, limit))


@rule
def bounded(w: float, dw: float, limit: float, kind: Int, power: float) -> float:
    """Weight after a change `dw` (in units of `limit`): hard, multiplicative LTD, or Guetig's power law."""
    if kind == MULTIPLICATIVE:
        return within(w, dw * limit if dw > 0.0 else dw * w, limit)
    if kind == POWER:
        r = min(max(w / limit, 0.0), 1.0)
        return within(w, limit * dw * ((1.0 - r) ** power if dw > 0.0 else r**power), limit)
    return within(w, dw * limit, limit)


@kernel
def change_row(record: int, to: Writing, first: int, last: int, constant: float, factor: float, trace: int) -> None:
    """Change slots `first` to `last` - 1, of one row, by ``constant + factor * Y[target]``, Y post trace `trace`."""
    post, y = targets_of(record), post_traces_of(record, trace)
    if to.mode == EVIDENCE:
        a = column_of(record, 0)
        for s in range(first, last):
            a[s] += constant + factor * y[post[s]]
        return
    weight, limit = weights_of(record), to.weight_max
    if to.bounds == HARD:
        for s in range(first, last):
            weight[s] = within(weight[s], limit * (constant + factor * y[post[s]]), limit)
        return
    kind, power = np.int64(to.bounds), to.power
    for s in range(first, last):
        dw = constant + factor * y[post[s]]
        weight[s] = bounded(weight[s], dw, limit, kind, power)


@kernel
def change_inputs(record: int, to: Writing, j: int, constant: float, factor: float, trace: int) -> None:
    """Change all inputs of target `j` by ``constant + factor * X[row]``, X pre trace `trace`."""
    slot, row = inputs_of(record, j)
    n, x = slot.shape[0], pre_traces_of(record, trace)
    if to.mode == EVIDENCE:
        a = column_of(record, 0)
        for k in range(n):
            if k + AHEAD < n:
                prefetch(a, np.int64(slot[k + AHEAD]))
            a[slot[k]] += constant + factor * x[row[k]]
        return
    weight = weights_of(record)
    limit, kind, power = to.weight_max, np.int64(to.bounds), to.power
    if kind == HARD:
        for k in range(n):
            if k + AHEAD < n:
                prefetch(weight, np.int64(slot[k + AHEAD]))
            weight[slot[k]] = within(weight[slot[k]], limit * (constant + factor * x[row[k]]), limit)
        return
    for k in range(n):
        if k + AHEAD < n:
            prefetch(weight, np.int64(slot[k + AHEAD]))
        s = slot[k]
        weight[s] = bounded(weight[s], constant + factor * x[row[k]], limit, kind, power)
