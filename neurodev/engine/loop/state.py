"""The state of the event loop: plain arrays in a few module-level tuples, each field marked with what it holds.

The neurons are dealt into parts, each with a share of every population and with all that arrives at it; a part is a
state of its own, so that parts can run side by side.  What is marked `SHARED` is one array for all of them: within a
window a part reads there what the last window left, and writes to its own neurons and rows alone.

All times are float64 ms relative to the current *epoch*; the simulator moves the epoch at fixed multiples of the
window, so that times stay small and a run shifted by thirty days keeps its last digits.  The marks say what must move
with it (`TIME`), what lists neurons (`LISTS`), and what is rebuilt rather than kept (`ADDRESS`, `SCRATCH`); moving the
epoch, forgetting a dead neuron and checkpoints go by the marks.  The views of `views.py` are written from these tuples.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from neurodev.errors import Status
from neurodev.jit import address
from neurodev.neurons import rules

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]

SENTINEL, REFRACTORY = rules.SENTINEL, rules.REFRACTORY

# ---------------------------------------------------------------- marks of fields

TIME = "ms of the epoch: moves with it"
DURATION = "ms"
RATE = "1/ms"
POTENTIAL = "mV"
MEMBRANE = "mV in the frame of the membranes"
KEY = "mV in the frame, of a predicted crossing"
ADDRESS = "address: written anew when an array moves"
SCRATCH = "kept by nobody"
COUNT = "a number of things, or a switch"
PLACE = "a position in another array"
NEURON = "number of a neuron: among all, or within its population"
WHOLE = "an identity or a key"
TABLE = "two dimensions"
SHARED = "of all parts"

# what a kernel returns, as plain numbers
DONE, LOG_FULL, RECORD_FULL, CROSSING_FULL, AGENDA_FULL, EVENT_BUDGET, STUCK, INPUT_FULL, SPIKES_FULL = (
    int(s)
    for s in (Status.DONE, Status.LOG_FULL, Status.RECORD_FULL, Status.CROSSING_FULL, Status.AGENDA_FULL,
              Status.EVENT_BUDGET, Status.STUCK, Status.INPUT_FULL, Status.SPIKES_FULL)
)  # fmt: skip

# clock.time
# T_BLOCK: end of the open block, which began at T_BEGIN; T_END: end of the open window, which began at T_WINDOW
# T_EVENT: of the last event of a model with rules; T_FIRED: of the neurons whose on_post is still to come
T_NOW, T_FRAME, T_BLOCK, T_WINDOW, T_END, T_EVENT, T_FIRED, T_BEGIN = range(8)
N_TIME = 8
assert (T_NOW, T_FRAME, T_BLOCK) == (rules.NOW, rules.FRAME, rules.BLOCK)

# clock.n
(
    N_WINDOW,  # index of the open window within the epoch
    N_OPEN,  # 1 while a window is open
    N_AGENDA,  # arrivals in the open window
    N_AGENDA_AT,  # the next of them
    N_RELEASE,  # pending releases from refractoriness
    N_DUE,  # releases due in the open window
    N_DUE_AT,
    N_CROSSING,  # size of the heap of predicted events
    N_OVERFLOW,  # 1 if an event that was noted did not fit into the heap (next to its size: `rules.schedule`)
    N_DRIVE,  # drive spikes at hand (of the first part, like the next two)
    N_DRIVE_AT,
    N_RECORD,  # spikes recorded and not yet fetched
    N_EVENTS,  # synaptic events delivered
    N_BACKGROUND,  # background events delivered
    N_SPIKES,
    N_BUDGET,  # stop after a window with which N_EVENTS of all parts exceeds it (of the first part)
    N_NEED,  # capacity wanted by a status
    N_FRAME_WINDOWS,  # windows between two rebases of the membrane frame
    N_BLOCK,  # index of the open block, or of the next, within the epoch
    N_BLOCK_OPEN,  # 1 while a block is open
    N_EPOCH_BLOCK,  # index of the epoch's first block among all
    N_UNIFORM,  # 1 if all neurons are of one class
    N_SUPRA,  # 1 if some class crosses its threshold without input
    N_MODELS,  # 1 if some population has rules of its own
    N_TOGETHER,  # 1 if simultaneous arrivals are summed before the threshold test
    N_SAME,  # events of models at T_EVENT, one after the other
    N_STUCK,  # 1 + the neuron whose model notes events that are past, or the same for ever
    N_FIRED,  # neurons that fired at T_FIRED and whose on_post is still to come
    N_CONTACTS,  # the longest row that may name a neuron twice: without refractoriness it fires at each of them
    N_INPUT,  # background onto models with rules in the open block
    N_INPUT_AT,  # the next of it
    N_LIST,  # neurons whose background is listed in order
    N_LISTED,  # events in these lists
    N_FRESH,  # spikes of the part since the last merger
    N_FRESH_AT,  # the next of them, while they are merged
    N_STATUS,  # what the part returned last
    N_MERGE,  # 1 while all parts stand at one time and their spikes are not yet merged (of the first part)
    N_SCRIPT_AT,  # the next entry of the script
) = range(38)
N_COUNTER = 38


class Piece(IntEnum):
    """The pieces of the loop that are compiled by themselves (`pieces.py`): where their addresses stand."""

    PART = 0
    FIRE = 1
    UNIFORM = 2
    UNIFORM_SINGLE = 3
    ALIKE = 4
    MIXED = 5
    MIXED_SINGLE = 6
    SOME = 7
    SOME_SINGLE = 8
    TOGETHER = 9
    POUR = 10
    OPENED = 11
    OVER = 12
    LOOK = 13
    PLACE = 14
    INPUTS = 15
    UNIFORM_NARROW = 16
    ALIKE_NARROW = 17
    MIXED_NARROW = 18
    GIVE = 19


class Pieces(NamedTuple):
    """Addresses of the pieces of the loop, (n_piece,); 0 for what the network does not use."""

    address: Annotated[I8, ADDRESS, SHARED]


class Clock(NamedTuple):
    """Scalars that survive a pause: times (N_TIME,), lengths of window and block (2,), and counters (N_COUNTER,)."""

    time: Annotated[F8, TIME]
    length: Annotated[F8, DURATION]
    n: Annotated[I8, COUNT]


class Neurons(NamedTuple):
    """Membranes in one moving frame: u = (V - V_inf) exp((t - T_FRAME) / tau)."""

    u: Annotated[F8, MEMBRANE]  # (n_neuron,)
    kind: Annotated[U4, PLACE]  # (n_neuron,) class of parameters
    population: Annotated[U4, PLACE]  # (n_neuron,)
    first: Annotated[I8, NEURON]  # (n_population,) global index of the first neuron; -1 for a drive
    size: Annotated[I8, COUNT]  # (n_population,)
    rate: Annotated[F8, RATE]  # (n_class,) 1 / tau
    threshold: Annotated[F8, POTENTIAL]  # (n_class,) relative to V_inf
    reset: Annotated[F8, POTENTIAL]  # (n_class,) relative to V_inf
    refractory: Annotated[F8, DURATION]  # (n_class,)
    silenced: Annotated[I8, COUNT]  # (n_population,)


class Own(NamedTuple):
    """The neurons of the part, (n_population,) from `first` up to `last` among all; empty for a drive."""

    first: Annotated[I8, NEURON]
    last: Annotated[I8, NEURON]


class Fresh(NamedTuple):
    """The part's spikes since the last merger, in no order among neurons."""

    time: Annotated[F8, SCRATCH]  # merged before the epoch moves
    population: Annotated[U4, SCRATCH]
    index: Annotated[U4, SCRATCH]  # within the population


class Drives(NamedTuple):
    """Spikes of drives at hand, in order of time."""

    time: Annotated[F8, TIME, SHARED]
    population: Annotated[U4, PLACE, SHARED]
    index: Annotated[U4, NEURON, SHARED]


class Log(NamedTuple):
    """Spikes of each population in order of time, as long as some lane has still to deliver them."""

    time: Annotated[F8, TIME, TABLE]  # (n_population, room)
    index: Annotated[U4, NEURON, TABLE]  # (n_population, room) local index
    count: Annotated[I8, COUNT]  # (n_population,)


class Lanes(NamedTuple):
    """One entry for each (projection, delay), in the order that breaks ties."""

    population: Annotated[I8, PLACE]  # source population
    projection: Annotated[I8, PLACE]
    lane: Annotated[I8, PLACE]  # number of the lane within the projection
    delay: Annotated[F8, DURATION]
    cursor: Annotated[I8, PLACE]  # next spike of the source population's log
    sign: Annotated[I8, COUNT]  # -1 or 1: it delivers the weights of this sign alone; 0: all
    far: Annotated[I8, PLACE]  # 1 + the projection of far more delays than a source has synapses (below); 0: of few
    far_first: Annotated[I8, ADDRESS]  # (n_far,) and the next: where the lanes of each source begin, (n_source + 1,)
    far_lane: Annotated[I8, ADDRESS]  # the lanes of each source in which it has synapses, ascending; 0: looked at all
    far_size: Annotated[I8, COUNT]  # (n_far,) lanes of the projection, one after the other


ALIKE = 2


class Projections(NamedTuple):
    """Addresses and sizes of the synapse tables, (n_projection,) where nothing else is said."""

    post: Annotated[I8, ADDRESS]
    narrow: Annotated[I8, ADDRESS]  # of the same targets in 16 bits; 0: none
    weight: Annotated[I8, ADDRESS]  # of float64, or of float32 where `single`
    single: Annotated[I8, COUNT]  # 1 where weights are kept in single precision, ALIKE where one stands for all
    row_start: Annotated[I8, ADDRESS]
    row_length: Annotated[I8, ADDRESS]
    uid: Annotated[I8, ADDRESS]
    capacity: Annotated[I8, COUNT]
    n_row: Annotated[I8, COUNT]
    n_source: Annotated[I8, COUNT]
    offset: Annotated[I8, NEURON]  # global index of target 0
    branch: Annotated[I8, ADDRESS]  # of the branch of each synapse (float64); 0: none
    inhibitory: Annotated[I8, COUNT]  # 1 where the source is
    birth_count: Annotated[I8, COUNT]  # births younger than the longest delay
    birth_time: Annotated[F8, TIME, TABLE]  # (n_projection, room), ascending
    birth_uid: Annotated[U8, WHOLE, TABLE]  # (n_projection, room) first uid of each batch, ascending
    release: Annotated[I8, ADDRESS]  # of the hook that says how much a row delivers; 0: all of its weights
    release_record: Annotated[I8, ADDRESS]
    released: Annotated[I8, ADDRESS]  # of what it said last (float64, (n_row,); twice as many where signs differ)
    hook_first: Annotated[I8, PLACE]  # (n_projection + 1,) hooks called on arrival
    post_first: Annotated[I8, PLACE]  # (n_population + 1,) hooks called on a spike, by target population


class Hooks(NamedTuple):
    """Compiled hooks of mechanisms, by address."""

    pre: Annotated[I8, ADDRESS]
    pre_record: Annotated[I8, ADDRESS]
    post: Annotated[I8, ADDRESS]
    post_record: Annotated[I8, ADDRESS]
    trace: Annotated[I8, ADDRESS]
    trace_size: Annotated[I8, COUNT]
    trace_tau: Annotated[F8, DURATION]
    trace_base: Annotated[F8, TIME]


class Queue(NamedTuple):
    """The agenda of the open window, releases, predicted events and drive spikes."""

    time: Annotated[F8, TIME]  # (room,) arrivals of the window
    row: Annotated[U4, PLACE]
    lane: Annotated[U2, PLACE]
    bucket: Annotated[U4, SCRATCH]  # (room + 1,) first place of each bucket of the counting sort
    release_time: Annotated[F8, TIME]  # (n_neuron + 1,) pending releases
    release_index: Annotated[U4, NEURON]
    due_time: Annotated[F8, TIME]
    due_index: Annotated[U4, NEURON]
    crossing_time: Annotated[F8, TIME]
    crossing_index: Annotated[U4, NEURON]
    crossing_u: Annotated[F8, KEY]
    input_time: Annotated[F8, TIME]  # (room,) background onto models with rules in the open block, in order of time
    input_index: Annotated[U4, NEURON]
    input_weight: Annotated[F8, POTENTIAL]
    input_bucket: Annotated[U4, SCRATCH]  # (room + 1,)
    fired: Annotated[U4, SCRATCH]  # (n_neuron + 1,), or as N_CONTACTS needs: neurons fired, or changed, by one row
    scratch: Annotated[F8, SCRATCH]  # for the rules of models
    scale: Annotated[F8, SCRATCH]  # (n_projection,) factor of the weights of the row that arrives
    waiting: Annotated[U4, SCRATCH]  # (n_neuron + 1,) neurons whose on_post is still to come; none between two runs
    spikes: Annotated[U4, SCRATCH, SHARED]  # (n_neuron,) how many of each


class Background(NamedTuple):
    """Independent Poisson inputs, in pieces: neighbours whose rates and membrane time constants are equal."""

    rate: Annotated[F8, RATE]  # (n_piece,) events per ms of one neuron
    weight: Annotated[F8, POTENTIAL]
    exponential: Annotated[I8, COUNT]  # 1 if amplitudes are exponentially distributed
    ruled: Annotated[I8, COUNT]  # 1 if the neurons have rules of their own
    first: Annotated[I8, NEURON]
    local: Annotated[I8, NEURON]  # the same within its population
    size: Annotated[I8, COUNT]
    key: Annotated[U8, WHOLE]
    turn: Annotated[U8, WHOLE]  # changes of the rate so far
    since: Annotated[F8, TIME]  # it acts from here on
    most: Annotated[I8, COUNT]  # events that a neuron can have in a block
    chance_at: Annotated[I8, PLACE]  # where the piece finds its tables
    guide_at: Annotated[I8, PLACE]
    chance: Annotated[F8, SCRATCH]  # of at most k events in a block, for each rate
    guide: Annotated[U4, SCRATCH]  # where the search for a number begins
    guides: Annotated[I8, SCRATCH]  # (1,) its entries for each rate
    piece_first: Annotated[I8, PLACE]  # (n_neuron + 1,) and (n,): the pieces that fall on each neuron
    piece: Annotated[I8, PLACE]
    longest: Annotated[I8, COUNT]  # (1,) events that any neuron can have in a block
    later: Annotated[F8, MEMBRANE, SHARED]  # (n_neuron,) inhibitory background of the block, added when it ends
    raw: Annotated[U8, SCRATCH]  # (CHUNK,) and the next five: of the neurons whose events are drawn together
    counts: Annotated[U4, SCRATCH]
    seeds: Annotated[U8, SCRATCH]  # from here on in order of the number of events
    who: Annotated[U4, SCRATCH]
    both: Annotated[F8, SCRATCH]
    part: Annotated[F8, SCRATCH]
    begin: Annotated[I8, SCRATCH]  # where those with so many pairs of events begin


class Lists(NamedTuple):
    """The background of single neurons in the open block, in order of time; drawn again after a pause."""

    of: Annotated[U4, SCRATCH, SHARED]  # (n_neuron,) 1 + the list of each; 0: none
    neuron: Annotated[U4, SCRATCH]  # (n_list,), the last place for a list that is not kept
    first: Annotated[I8, SCRATCH]
    last: Annotated[I8, SCRATCH]
    at: Annotated[I8, SCRATCH]  # the next event
    whole: Annotated[F8, SCRATCH]  # sum of all jumps
    time: Annotated[F8, SCRATCH]  # (n_event,)
    jump: Annotated[F8, SCRATCH]  # mV in the frame
    factor: Annotated[F8, SCRATCH]  # of the frame at that time
    after: Annotated[F8, SCRATCH]  # sum of the jumps that follow
    need: Annotated[F8, SCRATCH]  # least sum of u and `later` with which the neuron crosses there or afterwards


class Record(NamedTuple):
    """Spike counts of every cell and, where wanted, full trains."""

    count: Annotated[I8, COUNT]  # (n_cell,) all populations, drives included
    first: Annotated[I8, PLACE]  # (n_population,) position of each population in `count`
    wanted: Annotated[I8, COUNT]  # (n_population,) 1 to keep full trains
    time: Annotated[F8, SCRATCH]  # fetched before the epoch moves
    population: Annotated[U4, SCRATCH]
    index: Annotated[U4, SCRATCH]


class Models(NamedTuple):
    """Rules of neuron models by address, (n_population,); 0 for drives and for membranes that the loop has inlined."""

    deliver: Annotated[I8, ADDRESS]
    kick: Annotated[I8, ADDRESS]
    predict: Annotated[I8, ADDRESS]
    event: Annotated[I8, ADDRESS]
    reset: Annotated[I8, ADDRESS]
    rebase: Annotated[I8, ADDRESS]
    record: Annotated[I8, ADDRESS]
    state: Annotated[I8, ADDRESS]  # of the model's columns, the time of the noted event first
    width: Annotated[I8, COUNT]  # number of these columns


class Script(NamedTuple):
    """What stimuli give to neurons of the part, in order of time: inputs, and changes of their drive."""

    time: Annotated[F8, TIME]  # (n_entry,)
    amount: Annotated[F8, POTENTIAL]  # of the input; pA or nS where such are the weights
    early: Annotated[I8, COUNT]  # 1 if it comes before the arrivals of its instant
    change: Annotated[I8, PLACE]  # where what changes begins; -1: it is an input
    first: Annotated[I8, PLACE]  # of its neurons, each of whom it names once
    last: Annotated[I8, PLACE]
    neuron: Annotated[U4, NEURON]  # (n_listed,)
    kind: Annotated[U4, PLACE]  # (n_change,) class of a membrane from then on
    own_kind: Annotated[U4, PLACE]  # the same among those of its model with rules
    shift: Annotated[F8, POTENTIAL]  # by how much V_inf rises


class State(NamedTuple):
    """Everything the loop needs."""

    pieces: Pieces  # first: see `jit.apart`
    clock: Clock
    neurons: Neurons
    own: Own
    fresh: Fresh
    drives: Drives
    log: Log
    lanes: Lanes
    projections: Projections
    hooks: Hooks
    queue: Queue
    background: Background
    lists: Lists
    record: Record
    models: Models
    script: Script


BIRTH_ROOM = 4  # batches of births within one axonal delay that there is room for to begin with


class NeuronList(NamedTuple):
    """Parallel arrays of the queue that list neurons: `index` names them, from clock.n[at] (or 0) to clock.n[count]."""

    arrays: tuple[str, ...]
    index: str
    count: int
    at: int = -1
    heap: bool = False


LISTS = (
    NeuronList(("release_time", "release_index"), "release_index", N_RELEASE),
    NeuronList(("due_time", "due_index"), "due_index", N_DUE, N_DUE_AT),
    NeuronList(("crossing_time", "crossing_index", "crossing_u"), "crossing_index", N_CROSSING, heap=True),
)


class Held(NamedTuple):
    """What is known of one array of the state: its group and field, element type, dimensions, and its mark."""

    group: str
    field: str
    type: type
    n_dim: int
    mark: str
    shared: bool


_ALL_SHARED = ("neurons", "drives", "log", "projections", "hooks", "record")


def _held() -> tuple[Held, ...]:
    out = []
    for group, kind in get_type_hints(State).items():
        for field, hint in get_type_hints(kind, include_extras=True).items():
            element = get_args(get_args(get_args(hint)[0])[1])[0]
            marks = hint.__metadata__
            shared = SHARED in marks or group in _ALL_SHARED
            out.append(Held(group, field, element, 2 if TABLE in marks else 1, marks[0], shared))
    return tuple(out)


FIELDS = _held()  # in order of declaration, which is that of the table of addresses
TIMES = tuple(f for f in FIELDS if f.mark == TIME)


def pack(state: State) -> I8:
    """The table of (address, length, second length) of all arrays of `state`, in order of declaration."""
    table = np.ones((len(FIELDS), 3), dtype=np.int64)
    arrays = (array for group in state for array in group)
    for row, held, array in zip(table, FIELDS, arrays, strict=True):
        fits = array.dtype == held.type and array.ndim == held.n_dim and array.flags.c_contiguous
        assert fits, f"{held.group}.{held.field} is {array.dtype} with {array.ndim} dimensions"
        row[0] = address(array)
        row[1 : 1 + held.n_dim] = array.shape
    return table.reshape(-1)
