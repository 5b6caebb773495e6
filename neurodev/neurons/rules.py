"""What the compiled rules of a neuron model see, and how the event loop calls them.

A rule is a C function ``rule(m, a, b, c, x, t)`` reached by its address, one signature for ever; `m` is the address of
the record of one population (`ModelRecord`), `t` is spike time in ms of the present epoch.  Neurons are numbered from 0
within their population.

=======  ============  ===========  ========  =============  ================================================
rule     a             b            c         x              what it does; what it returns
=======  ============  ===========  ========  =============  ================================================
receive  neuron        projection   slot      weight         adds one input that arrives at `t`, and notes nothing
deliver  projection    first slot   past end  emission time  a row of synapses arrives at `t`
kick     neuron                               weight         one input from outside the tables arrives at `t`
predict  first neuron  past end                              notes the next event of each in this block
event    neuron                                              what was noted for `t` happens; 1: it is a spike, 0:
                                                             it is not, and `predict` follows
reset    neuron                                              puts the neuron at its reset potential
rebase   first neuron  past end                              moves the frame of these membranes to `t`
absorb   neuron        inputs       times     weight         all inputs of a window that ends at `t`, at once;
                                                             1: it might cross, and nothing was changed
=======  ============  ===========  ========  =============  ================================================

A rule `deliver` of one's own multiplies weights by ``row_of(m, q).scale``, and its model says ``scales = True``.
A model gives `deliver` and `kick`, or `receive` alone, which then serves for both (`deliver_each`, `kick_one`: a call a
synapse costs about a nanosecond; projection and slot are -1 for an input from outside the tables).

`potential` (first, past end, address of a float64 array for the answer) looks and changes nothing: what is read of a
run must not move its last digits.

A rule notes an event with `schedule`; the event stands until another is noted or `unschedule` takes it back.  A neuron
that is refractory, silenced, unborn or dead is not `free`: its membrane stands still (``reset`` follows when it comes
free), its currents may go on.  A row names a neuron at most once in `listed`, so that it is predicted once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurodev.arrays import Int
from neurodev.jit import (
    call_rule,
    model_rule,
    read_i8,
    rule,
    view2_f8,
    view2_u8,
    view_f8,
    view_i8,
    view_u4,
    view_u8,
)
from neurodev.neurons import heap

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]

SENTINEL = -np.inf  # u of a neuron that is not free: swallows every input, however large, without a test
REFRACTORY = -1e300  # u below this is a sentinel
NOW, FRAME, BLOCK = range(3)  # the first of the clock's times
AT = 0  # column of `cells`: time of the event that was noted; inf: none
NONE = np.inf
LISTED = -np.inf  # in column AT while a row is delivered: the neuron is in the list
EVERYBODY = np.uint64(0xFFFFFFFFFFFFFFFF)


class ModelRecord(NamedTuple):
    """Addresses and sizes that a rule finds at `m`, in this order."""

    first: int  # number of neuron 0 among all neurons of the network
    n: int
    u: int  # float64 (n_neuron): of all neurons; below REFRACTORY where one is not free
    n_neuron: int
    kind: int  # uint32 (n): class of parameters of each neuron
    classes: int  # float64 (n_class, n_value)
    n_class: int
    n_value: int
    cells: int  # float64 (n, n_column): column AT, then those that the model declares
    n_column: int
    places: int  # float64 (n * per_neuron, n_place_column)
    per_neuron: int
    n_place_column: int
    scratch: int  # float64 (n_scratch)
    n_scratch: int
    scale: int  # float64 (n_projection): factor of the weights of the row that arrives
    clock: int  # float64: NOW, FRAME, BLOCK
    n_event: int  # int64 (2): events in the heap, and 1 if one found no room
    event_time: int  # float64 (room), and of the same length
    event_index: int  # uint32
    event_key: int  # float64
    room: int
    listed: int  # uint32 (n_neuron + 1): for neurons that a row has changed
    n_projection: int
    post: int  # int64 (n_projection): addresses of each table's arrays
    weight: int
    uid: int
    capacity: int
    branch: Int  # of float64 (capacity): branch of each synapse; 0 where synapses have no place
    inhibitory: int  # 1 where the source is inhibitory
    birth_count: int  # births younger than the longest delay
    birth_time: int  # float64 (n_projection, n_birth)
    birth_uid: int  # uint64 (n_projection, n_birth)
    n_birth: int
    receive: int  # addresses of two rules of the model, for `deliver_each` and `kick_one`
    predict: int


RECORD_SIZE = len(ModelRecord._fields)


class Row(NamedTuple):
    """One projection's synapses as a row sees them, (capacity,) each."""

    post: U4
    weight: F8
    uid: U8
    scale: float
    """Factor by which its weights act at this arrival: 1, but for what a mechanism releases."""


@rule
def model_of(m: int) -> ModelRecord:
    """The record by name."""
    return read_i8(m, 0, ModelRecord)


@rule
def cells_of(m: int) -> F8:
    """State of the neurons, (n, n_column)."""
    r = model_of(m)
    return view2_f8(r.cells, r.n, r.n_column)


@rule
def places_of(m: int) -> F8:
    """State of the places of all neurons, (n * per_neuron, n_place_column)."""
    r = model_of(m)
    return view2_f8(r.places, r.n * r.per_neuron, r.n_place_column)


@rule
def classes_of(m: int) -> F8:
    """Parameters of each class of neurons, (n_class, n_value)."""
    r = model_of(m)
    return view2_f8(r.classes, r.n_class, r.n_value)


@rule
def kinds_of(m: int) -> U4:
    """Class of each neuron, (n,)."""
    r = model_of(m)
    return view_u4(r.kind, r.n)


@rule
def membranes_of(m: int) -> F8:
    """`u` of the neurons, (n,); see `is_free`."""
    r = model_of(m)
    return view_f8(r.u, r.n_neuron)[r.first :]


@rule
def scratch_of(m: int) -> F8:
    """Numbers that nobody keeps, (n_scratch,)."""
    r = model_of(m)
    return view_f8(r.scratch, r.n_scratch)


@rule
def listed_of(m: int) -> U4:
    """Room for the neurons that a row has changed."""
    r = model_of(m)
    return view_u4(r.listed, r.n_neuron + 1)


@rule
def is_free(m: int, i: Int) -> bool:
    """Whether neuron `i` integrates: not refractory, silenced, unborn or dead."""
    return membranes_of(m)[i] > REFRACTORY  # type: ignore[no-any-return]


@rule
def now(m: int) -> float:
    """The present time, ms."""
    return view_f8(model_of(m).clock, 3)[NOW]  # type: ignore[no-any-return]


@rule
def frame(m: int) -> float:
    """Time at which the frame of the membranes stands, ms."""
    return view_f8(model_of(m).clock, 3)[FRAME]  # type: ignore[no-any-return]


@rule
def block_end(m: int) -> float:
    """End of the block within which events are noted, ms; all are noted anew when the next begins."""
    return view_f8(model_of(m).clock, 3)[BLOCK]  # type: ignore[no-any-return]


@rule
def schedule(m: int, i: Int, t: float) -> None:
    """Note an event of neuron `i` at `t`, in place of what was noted before."""
    r = model_of(m)
    cells_of(m)[i, AT] = t
    if t < NONE:
        heap.push(
            view_i8(r.n_event, 2), view_f8(r.event_time, r.room), view_u4(r.event_index, r.room),
            view_f8(r.event_key, r.room), t, r.first + i, 0.0,
        )  # fmt: skip


@rule
def unschedule(m: int, i: Int) -> None:
    """Take back what was noted for neuron `i`."""
    cells_of(m)[i, AT] = NONE


@rule
def row_of(m: int, q: Int) -> Row:
    """Targets, weights and identities of the synapses of projection `q`, and how much of their weights acts now."""
    r = model_of(m)
    capacity = view_i8(r.capacity, r.n_projection)[q]
    return Row(
        view_u4(view_i8(r.post, r.n_projection)[q], capacity), view_f8(view_i8(r.weight, r.n_projection)[q], capacity),
        view_u8(view_i8(r.uid, r.n_projection)[q], capacity), view_f8(r.scale, r.n_projection)[q],
    )  # fmt: skip


@rule
def branches_of(m: int, q: Int) -> F8:
    """Branch of each synapse of projection `q`, (capacity,); its table must have that column."""
    r = model_of(m)
    return view_f8(view_i8(r.branch, r.n_projection)[q], view_i8(r.capacity, r.n_projection)[q])


@rule
def is_inhibitory(m: int, q: Int) -> int:
    """1 if the source of projection `q` is inhibitory."""
    r = model_of(m)
    return view_i8(r.inhibitory, r.n_projection)[q]  # type: ignore[no-any-return]


@rule
def first_after(count: int, times: F8, uids: U8, emitted: float) -> np.uint64:
    """The least uid of the first `count` batches of births, born at `times` (ascending), that are after `emitted`."""
    first, last = 0, count
    while first < last:
        middle = (first + last) // 2
        if times[middle] > emitted:
            last = middle
        else:
            first = middle + 1
    return uids[first] if first < count else EVERYBODY


@rule
def first_young(m: int, q: Int, emitted: float) -> np.uint64:
    """The uid from which on the synapses of projection `q` were born after `emitted`: they do not carry the spike."""
    r = model_of(m)
    times, uids = view2_f8(r.birth_time, r.n_projection, r.n_birth), view2_u8(r.birth_uid, r.n_projection, r.n_birth)
    return first_after(view_i8(r.birth_count, r.n_projection)[q], times[q], uids[q], emitted)


# ---------------------------------------------------------------- rules for models that give `receive` alone


@model_rule
def deliver_each(m: int, q: int, first: int, last: int, emitted: float, t: float) -> int:
    """One row, synapse by synapse; every neuron that it names is predicted once."""
    r, row, limit = model_of(m), row_of(m, q), first_young(m, q, emitted)
    cells, listed = cells_of(m), listed_of(m)
    found = 0
    for k in range(first, last):
        if row.uid[k] >= limit:
            continue
        i = np.int64(row.post[k])
        call_rule(r.receive, m, i, q, k, row.weight[k] * row.scale, t)
        if cells[i, AT] != LISTED:
            cells[i, AT] = LISTED
            listed[found] = np.uint32(i)
            found += 1
    for k in range(found):
        call_rule(r.predict, m, np.int64(listed[k]), np.int64(listed[k]) + 1, 0, 0.0, t)
    return 0


@model_rule
def kick_one(m: int, i: int, b: int, c: int, weight: float, t: float) -> int:
    """One input from outside the tables."""
    r = model_of(m)
    call_rule(r.receive, m, i, -1, -1, weight, t)
    call_rule(r.predict, m, i, i + 1, 0, 0.0, t)
    return 0
