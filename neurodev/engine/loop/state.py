"""The state of the event loop: plain arrays in a few module-level tuples.

All times are float64 ms relative to the current *epoch*; the simulator moves the epoch at fixed multiples of
the window, so that times stay small and a run shifted by thirty days keeps its last digits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]

SENTINEL = -1e30  # u of a refractory neuron: swallows every input without a test
REFRACTORY = -1e29  # u below this is a sentinel

# clock.f
T_NOW, T_FRAME, T_WINDOW, T_END, T_BLOCK, T_LENGTH = range(6)  # T_LENGTH: length of a window, ms
# clock.n
(
    N_WINDOW,  # index of the open window within the epoch
    N_OPEN,  # 1 while a window is open
    N_AGENDA,  # arrivals in the open window
    N_AGENDA_AT,  # the next of them
    N_RELEASE,  # pending releases from refractoriness
    N_DUE,  # releases due in the open window
    N_DUE_AT,
    N_CROSSING,  # size of the heap of predicted crossings
    N_DRIVE,  # drive spikes at hand
    N_DRIVE_AT,
    N_RECORD,  # spikes recorded and not yet fetched
    N_EVENTS,  # synaptic events delivered
    N_BACKGROUND,  # background events delivered
    N_SPIKES,
    N_BUDGET,  # stop when N_EVENTS exceeds it
    N_NEED,  # capacity wanted by a status
    N_FRAME_WINDOWS,  # windows between two rebases of the membrane frame
    N_BLOCK_WINDOWS,  # windows in a block of predicted crossings
    N_UNIFORM,  # 1 if all neurons are of one class
    N_SUPRA,  # 1 if some class crosses its threshold without input
    N_CURRENT,  # 1 if some population has synaptic currents
    N_TOGETHER,  # 1 if simultaneous arrivals are summed before the threshold test
) = range(22)


class Clock(NamedTuple):
    """Scalars that survive a pause: times (6,) and counters (22,)."""

    f: F8
    n: I8


class Neurons(NamedTuple):
    """Membranes in one moving frame: u = (V - V_inf) exp((t - T_FRAME) / tau)."""

    u: F8  # (n_neuron,)
    kind: U4  # (n_neuron,) class of parameters
    population: U4  # (n_neuron,)
    first: I8  # (n_population,) global index of the first neuron; -1 for a drive
    size: I8  # (n_population,)
    rate: F8  # (n_class,) 1 / tau, 1/ms
    threshold: F8  # (n_class,) relative to V_inf, mV
    reset: F8  # (n_class,) relative to V_inf, mV
    refractory: F8  # (n_class,) ms
    silenced: I8  # (n_population,)


class Log(NamedTuple):
    """Spikes of each population in order of time, as long as some lane has still to deliver them."""

    time: F8  # (n_population, room)
    index: U4  # (n_population, room) local index
    count: I8  # (n_population,)


class Lanes(NamedTuple):
    """One entry for each (projection, delay), in the order that breaks ties."""

    population: I8  # source population
    projection: I8
    lane: I8  # number of the lane within the projection
    delay: F8  # ms
    cursor: I8  # next spike of the source population's log


class Projections(NamedTuple):
    """Addresses and sizes of the synapse tables."""

    post: I8  # addresses
    weight: I8
    row_start: I8
    row_length: I8
    uid: I8
    capacity: I8
    n_row: I8
    n_source: I8
    offset: I8  # global index of target 0
    birth_count: I8  # (n_projection,) births younger than the longest delay
    birth_time: F8  # (n_projection, k) their times
    birth_uid: NDArray[np.uint64]  # (n_projection, k) first uid of each batch
    hook_first: I8  # (n_projection + 1,) hooks called on arrival
    post_first: I8  # (n_population + 1,) hooks called on a spike, by target population


class Hooks(NamedTuple):
    """Compiled hooks of mechanisms, by address."""

    pre: I8
    pre_record: I8
    post: I8
    post_record: I8
    trace: I8  # addresses of traces
    trace_size: I8
    trace_tau: F8
    trace_base: F8


class Queue(NamedTuple):
    """The agenda of the open window, releases, predicted crossings and drive spikes."""

    time: F8  # (room,) arrivals of the window
    row: U4
    lane: NDArray[np.uint16]
    bucket: U4  # (room + 1,) first place of each bucket of the counting sort
    release_time: F8  # (n_neuron,) pending releases
    release_index: U4
    due_time: F8
    due_index: U4
    crossing_time: F8
    crossing_index: U4
    crossing_u: F8
    drive_time: F8
    drive_population: U4
    drive_index: U4
    fired: U4  # (n_neuron,) neurons fired by one row


class Background(NamedTuple):
    """Independent Poisson inputs, each a superposition over a range of neurons, generated in batches."""

    rate: F8  # (n_background,) events per ms over the whole range
    weight: F8  # mV
    exponential: I8  # 1 if amplitudes are exponentially distributed
    first: I8
    size: I8
    key: NDArray[np.uint64]
    counter: NDArray[np.uint64]  # events drawn so far
    clock: F8  # time of the last event drawn
    at: I8  # next event of the batch
    next: F8  # its time
    time: F8  # (n_background, batch)
    target: U4  # (n_background, batch)
    jump: F8  # (n_background, batch) amplitude times the frame factor (uniform class) or the bare amplitude
    work: F8  # (batch,)
    work_bits: NDArray[np.uint64]  # (batch,) the same memory as `work`
    scratch: F8  # (batch,)


class Record(NamedTuple):
    """Spike counts of every cell and, where wanted, full trains."""

    count: I8  # (n_cell,) all populations, drives included
    first: I8  # (n_population,) position of each population in `count`
    wanted: I8  # (n_population,) 1 to keep full trains
    time: F8
    population: U4
    index: U4


class Currents(NamedTuple):
    """Neurons with synaptic currents: one row each, in the same frame as u, which holds their other constant.

    With i_k the current of channel k over C, ``x = V - V_inf = exp(-r s) (u + sum_k b_k place_k(s))``, s = t - T_FRAME,
    and ``i_k = b_k exp(-l_k s)``: u and b_k are constant between events.
    """

    model: I8  # (n_population,) 0: delta synapses, 1: currents, 2: currents and a dendrite
    first: I8  # (n_population,) row of the first neuron
    channel: I8  # (n_projection,) channel that its weights enter
    n_channel: I8  # (n_class,)
    rate: F8  # (n_class, 8) decay of each channel, 1/ms
    anchored: F8  # (n_class, 8) 1 where the decay is close to that of the membrane
    inverse: F8  # (n_class,) 1 / C
    threshold: F8  # (n_class,) relative to V_inf, mV
    cell: F8  # (n_row, 4 or 8) time of the predicted event (inf: none), b of each channel, next end of a plateau


class Dendrites(NamedTuple):
    """Branches of the neurons whose dendrites compute; channels E, I, E-E, E-I, I-I and one that does not decay."""

    kind: I8  # (n_population,) 1: bilinear, 2: two-layer, 3: plateau
    first: I8  # (n_population,) row of `local` of the first neuron's first branch
    size: I8  # (n_population,) branches of a neuron
    parameter: F8  # (n_population, 8)
    branch: I8  # (n_projection,) address of the branch of each synapse (float64); 0: none
    offset: F8  # (n_class,) V_inf above rest, mV
    local: F8  # (n_branch, 4) b of E and I, end and size of the plateau (inf and 0: none)
    scratch: F8  # for the crossing


class State(NamedTuple):
    """Everything the loop needs."""

    clock: Clock
    neurons: Neurons
    log: Log
    lanes: Lanes
    projections: Projections
    hooks: Hooks
    queue: Queue
    background: Background
    record: Record
    currents: Currents
    dendrites: Dendrites
