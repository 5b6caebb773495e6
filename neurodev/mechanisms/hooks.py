"""What a hook sees of its projection, and the walks over rows and in-lists that hooks share.

Walks write either the float64 `accumulator` (evidence) or the float32 weight with its bounds.  Hooks find everything
through their record (`mechanisms/base.py`).
"""

from __future__ import annotations

import numpy as np

from neurodev.jit import kernel, prefetch, rule, view_f4, view_f8, view_i8, view_u4
from neurodev.mechanisms import base
from neurodev.signals.trace import frame, raised

# positions in the parameter vector
P_MODE, P_BOUNDS, P_MAX, P_POWER, P_A, P_B, P_C, P_D = range(8)
EVIDENCE, WEIGHT = 0, 1
HARD, MULTIPLICATIVE, POWER = 0, 1, 2


@rule
def bounded(w, dw, limit, kind, power):  # type: ignore[no-untyped-def]
    """Weight after a change `dw` (in units of `limit`): hard, multiplicative LTD, or Guetig's power law."""
    if kind == MULTIPLICATIVE:
        w = w + (dw * limit if dw > 0.0 else dw * w)
    elif kind == POWER:
        r = min(max(w / limit, 0.0), 1.0)  # float32 may round a weight at its bound to just above it
        w = w + limit * dw * ((1.0 - r) ** power if dw > 0.0 else r**power)
    else:
        w = w + dw * limit
    return min(max(w, 0.0), limit)


@kernel
def change_row(record, first, last, constant, factor, trace):  # type: ignore[no-untyped-def]
    """Change the slots of one row by ``constant + factor * Y[target]``."""
    r = view_i8(record, base.RECORD_SIZE)
    p = view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])
    capacity = r[base.R_CAPACITY]
    post = view_u4(r[base.R_POST], capacity)
    n_target = r[base.R_N_TARGET]
    y = view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)
    if p[P_MODE] == EVIDENCE:
        c = view_i8(r[base.R_COLUMNS], 1)[0]
        a = view_f8(r[base.R_F] + 8 * c * capacity, capacity)
        for s in range(first, last):
            a[s] += constant + factor * y[post[s]]
        return
    weight = view_f4(r[base.R_WEIGHT], capacity)
    limit = p[P_MAX]
    if p[P_BOUNDS] == HARD:
        for s in range(first, last):
            w = weight[s] + limit * (constant + factor * y[post[s]])
            weight[s] = np.float32(min(max(w, 0.0), limit))
        return
    kind, power = np.int64(p[P_BOUNDS]), p[P_POWER]
    for s in range(first, last):
        dw = constant + factor * y[post[s]]
        weight[s] = np.float32(bounded(np.float64(weight[s]), dw, limit, kind, power))


@kernel
def change_inputs(record, j, constant, factor, trace):  # type: ignore[no-untyped-def]
    """Change all inputs of target `j` by ``constant + factor * X[row]``; slots are prefetched 32 ahead."""
    r = view_i8(record, base.RECORD_SIZE)
    p = view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])
    capacity, n_target, n_in = r[base.R_CAPACITY], r[base.R_N_TARGET], r[base.R_N_IN]
    begin = view_i8(r[base.R_IN_START], n_target)[j]
    end = begin + np.int64(view_u4(r[base.R_IN_LENGTH], n_target)[j])
    slot, row = view_u4(r[base.R_IN_SLOT], n_in), view_u4(r[base.R_IN_ROW], n_in)
    n_row = r[base.R_N_ROW]
    x = view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)
    if p[P_MODE] == EVIDENCE:
        c = view_i8(r[base.R_COLUMNS], 1)[0]
        a = view_f8(r[base.R_F] + 8 * c * capacity, capacity)
        for k in range(begin, end):
            if k + 32 < end:
                prefetch(a, np.int64(slot[k + 32]))
            a[slot[k]] += constant + factor * x[row[k]]
        return
    weight = view_f4(r[base.R_WEIGHT], capacity)
    limit, kind, power = p[P_MAX], np.int64(p[P_BOUNDS]), p[P_POWER]
    if kind == HARD:
        for k in range(begin, end):
            if k + 32 < end:
                prefetch(weight, np.int64(slot[k + 32]))
            w = weight[slot[k]] + limit * (constant + factor * x[row[k]])
            weight[slot[k]] = np.float32(min(max(w, 0.0), limit))
        return
    for k in range(begin, end):
        if k + 32 < end:
            prefetch(weight, np.int64(slot[k + 32]))
        s = slot[k]
        weight[s] = np.float32(bounded(np.float64(weight[s]), constant + factor * x[row[k]], limit, kind, power))


@rule
def growth(record, trace, t):  # type: ignore[no-untyped-def]
    """Factor between trace number `trace` (pre traces first) and its rescaled value at `t`."""
    r = view_i8(record, base.RECORD_SIZE)
    n = r[base.R_N_PRE_TRACE] + r[base.R_N_POST_TRACE]
    return frame(t, view_f8(r[base.R_BASE], n)[trace], view_f8(r[base.R_TAU], n)[trace])


@rule
def parameter(record, k):  # type: ignore[no-untyped-def]
    """Entry `k` of the parameter vector."""
    r = view_i8(record, base.RECORD_SIZE)
    return view_f8(r[base.R_PARAMETERS], r[base.R_N_PARAMETER])[k]


@rule
def raise_pre(record, source, lane, trace, g, saturating):  # type: ignore[no-untyped-def]
    """An arrival raises pre trace `trace` of (source, lane) by one, or to one."""
    r = view_i8(record, base.RECORD_SIZE)
    n_row = r[base.R_N_ROW]
    x = view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)
    row = lane * r[base.R_N_SOURCE] + source
    x[row] = raised(x[row], g, saturating)


@rule
def raise_post(record, j, trace, g, saturating):  # type: ignore[no-untyped-def]
    """A spike raises post trace `trace` of target `j` by one, or to one."""
    r = view_i8(record, base.RECORD_SIZE)
    n_target = r[base.R_N_TARGET]
    y = view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)
    y[j] = raised(y[j], g, saturating)


@rule
def pre_value(record, source, lane, trace):  # type: ignore[no-untyped-def]
    """Rescaled pre trace of (source, lane)."""
    r = view_i8(record, base.RECORD_SIZE)
    n_row = r[base.R_N_ROW]
    return view_f8(r[base.R_PRE_TRACE] + 8 * trace * n_row, n_row)[lane * r[base.R_N_SOURCE] + source]


@rule
def post_value(record, j, trace):  # type: ignore[no-untyped-def]
    """Rescaled post trace of target `j`."""
    r = view_i8(record, base.RECORD_SIZE)
    n_target = r[base.R_N_TARGET]
    return view_f8(r[base.R_POST_TRACE] + 8 * trace * n_target, n_target)[j]
