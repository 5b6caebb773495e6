"""Kernel-side access to the state: one address in, views of a group of arrays out.

Written by `emit.py` from the tuples of `state.py`: do not edit.

The loop is handed a single int64: the address of a table with (address, length, second length) of every array.  Passing
tuples of arrays instead costs microseconds a call (each array is seven words and a reference count) and a minute
of compilation; views made from addresses carry no reference counts and vanish in the optimiser.
"""

from __future__ import annotations

from neurodev.engine.loop.state import (
    Background,
    Clock,
    Drives,
    Fresh,
    Hooks,
    Lanes,
    Lists,
    Log,
    Models,
    Neurons,
    Own,
    Projections,
    Queue,
    Record,
    Script,
)
from neurodev.jit import rule, view2_f8, view2_u4, view2_u8, view_f8, view_i8, view_u2, view_u4, view_u8


@rule
def entry(s: int, k: int) -> int:
    """Number `k` of the table at address `s`."""
    return view_i8(s, k + 1)[k]  # type: ignore[no-any-return]


@rule
def clock_of(s: int) -> Clock:
    """Views of `Clock`."""
    return Clock(
        view_f8(entry(s, 0), entry(s, 1)),  # time
        view_f8(entry(s, 3), entry(s, 4)),  # length
        view_i8(entry(s, 6), entry(s, 7)),  # n
    )


@rule
def neurons_of(s: int) -> Neurons:
    """Views of `Neurons`."""
    return Neurons(
        view_f8(entry(s, 9), entry(s, 10)),  # u
        view_u4(entry(s, 12), entry(s, 13)),  # kind
        view_u4(entry(s, 15), entry(s, 16)),  # population
        view_i8(entry(s, 18), entry(s, 19)),  # first
        view_i8(entry(s, 21), entry(s, 22)),  # size
        view_f8(entry(s, 24), entry(s, 25)),  # rate
        view_f8(entry(s, 27), entry(s, 28)),  # threshold
        view_f8(entry(s, 30), entry(s, 31)),  # reset
        view_f8(entry(s, 33), entry(s, 34)),  # refractory
        view_i8(entry(s, 36), entry(s, 37)),  # silenced
    )


@rule
def own_of(s: int) -> Own:
    """Views of `Own`."""
    return Own(
        view_i8(entry(s, 39), entry(s, 40)),  # first
        view_i8(entry(s, 42), entry(s, 43)),  # last
    )


@rule
def fresh_of(s: int) -> Fresh:
    """Views of `Fresh`."""
    return Fresh(
        view_f8(entry(s, 45), entry(s, 46)),  # time
        view_u4(entry(s, 48), entry(s, 49)),  # population
        view_u4(entry(s, 51), entry(s, 52)),  # index
    )


@rule
def drives_of(s: int) -> Drives:
    """Views of `Drives`."""
    return Drives(
        view_f8(entry(s, 54), entry(s, 55)),  # time
        view_u4(entry(s, 57), entry(s, 58)),  # population
        view_u4(entry(s, 60), entry(s, 61)),  # index
    )


@rule
def log_of(s: int) -> Log:
    """Views of `Log`."""
    return Log(
        view2_f8(entry(s, 63), entry(s, 64), entry(s, 65)),  # time
        view2_u4(entry(s, 66), entry(s, 67), entry(s, 68)),  # index
        view_i8(entry(s, 69), entry(s, 70)),  # count
    )


@rule
def lanes_of(s: int) -> Lanes:
    """Views of `Lanes`."""
    return Lanes(
        view_i8(entry(s, 72), entry(s, 73)),  # population
        view_i8(entry(s, 75), entry(s, 76)),  # projection
        view_i8(entry(s, 78), entry(s, 79)),  # lane
        view_f8(entry(s, 81), entry(s, 82)),  # delay
        view_i8(entry(s, 84), entry(s, 85)),  # cursor
        view_i8(entry(s, 87), entry(s, 88)),  # sign
    )


@rule
def projections_of(s: int) -> Projections:
    """Views of `Projections`."""
    return Projections(
        view_i8(entry(s, 90), entry(s, 91)),  # post
        view_i8(entry(s, 93), entry(s, 94)),  # weight
        view_i8(entry(s, 96), entry(s, 97)),  # single
        view_i8(entry(s, 99), entry(s, 100)),  # row_start
        view_i8(entry(s, 102), entry(s, 103)),  # row_length
        view_i8(entry(s, 105), entry(s, 106)),  # uid
        view_i8(entry(s, 108), entry(s, 109)),  # capacity
        view_i8(entry(s, 111), entry(s, 112)),  # n_row
        view_i8(entry(s, 114), entry(s, 115)),  # n_source
        view_i8(entry(s, 117), entry(s, 118)),  # offset
        view_i8(entry(s, 120), entry(s, 121)),  # branch
        view_i8(entry(s, 123), entry(s, 124)),  # inhibitory
        view_i8(entry(s, 126), entry(s, 127)),  # birth_count
        view2_f8(entry(s, 129), entry(s, 130), entry(s, 131)),  # birth_time
        view2_u8(entry(s, 132), entry(s, 133), entry(s, 134)),  # birth_uid
        view_i8(entry(s, 135), entry(s, 136)),  # hook_first
        view_i8(entry(s, 138), entry(s, 139)),  # post_first
    )


@rule
def hooks_of(s: int) -> Hooks:
    """Views of `Hooks`."""
    return Hooks(
        view_i8(entry(s, 141), entry(s, 142)),  # pre
        view_i8(entry(s, 144), entry(s, 145)),  # pre_record
        view_i8(entry(s, 147), entry(s, 148)),  # post
        view_i8(entry(s, 150), entry(s, 151)),  # post_record
        view_i8(entry(s, 153), entry(s, 154)),  # trace
        view_i8(entry(s, 156), entry(s, 157)),  # trace_size
        view_f8(entry(s, 159), entry(s, 160)),  # trace_tau
        view_f8(entry(s, 162), entry(s, 163)),  # trace_base
    )


@rule
def queue_of(s: int) -> Queue:
    """Views of `Queue`."""
    return Queue(
        view_f8(entry(s, 165), entry(s, 166)),  # time
        view_u4(entry(s, 168), entry(s, 169)),  # row
        view_u2(entry(s, 171), entry(s, 172)),  # lane
        view_u4(entry(s, 174), entry(s, 175)),  # bucket
        view_f8(entry(s, 177), entry(s, 178)),  # release_time
        view_u4(entry(s, 180), entry(s, 181)),  # release_index
        view_f8(entry(s, 183), entry(s, 184)),  # due_time
        view_u4(entry(s, 186), entry(s, 187)),  # due_index
        view_f8(entry(s, 189), entry(s, 190)),  # crossing_time
        view_u4(entry(s, 192), entry(s, 193)),  # crossing_index
        view_f8(entry(s, 195), entry(s, 196)),  # crossing_u
        view_f8(entry(s, 198), entry(s, 199)),  # input_time
        view_u4(entry(s, 201), entry(s, 202)),  # input_index
        view_f8(entry(s, 204), entry(s, 205)),  # input_weight
        view_u4(entry(s, 207), entry(s, 208)),  # input_bucket
        view_u4(entry(s, 210), entry(s, 211)),  # fired
        view_f8(entry(s, 213), entry(s, 214)),  # scratch
        view_u4(entry(s, 216), entry(s, 217)),  # waiting
        view_u4(entry(s, 219), entry(s, 220)),  # spikes
    )


@rule
def background_of(s: int) -> Background:
    """Views of `Background`."""
    return Background(
        view_f8(entry(s, 222), entry(s, 223)),  # rate
        view_f8(entry(s, 225), entry(s, 226)),  # weight
        view_i8(entry(s, 228), entry(s, 229)),  # exponential
        view_i8(entry(s, 231), entry(s, 232)),  # ruled
        view_i8(entry(s, 234), entry(s, 235)),  # first
        view_i8(entry(s, 237), entry(s, 238)),  # local
        view_i8(entry(s, 240), entry(s, 241)),  # size
        view_u8(entry(s, 243), entry(s, 244)),  # key
        view_u8(entry(s, 246), entry(s, 247)),  # turn
        view_f8(entry(s, 249), entry(s, 250)),  # since
        view_i8(entry(s, 252), entry(s, 253)),  # most
        view_i8(entry(s, 255), entry(s, 256)),  # chance_at
        view_i8(entry(s, 258), entry(s, 259)),  # guide_at
        view_f8(entry(s, 261), entry(s, 262)),  # chance
        view_u4(entry(s, 264), entry(s, 265)),  # guide
        view_i8(entry(s, 267), entry(s, 268)),  # guides
        view_i8(entry(s, 270), entry(s, 271)),  # piece_first
        view_i8(entry(s, 273), entry(s, 274)),  # piece
        view_i8(entry(s, 276), entry(s, 277)),  # longest
        view_f8(entry(s, 279), entry(s, 280)),  # later
        view_u8(entry(s, 282), entry(s, 283)),  # raw
        view_u4(entry(s, 285), entry(s, 286)),  # counts
        view_u8(entry(s, 288), entry(s, 289)),  # seeds
        view_u4(entry(s, 291), entry(s, 292)),  # who
        view_f8(entry(s, 294), entry(s, 295)),  # both
        view_f8(entry(s, 297), entry(s, 298)),  # part
        view_i8(entry(s, 300), entry(s, 301)),  # begin
    )


@rule
def lists_of(s: int) -> Lists:
    """Views of `Lists`."""
    return Lists(
        view_u4(entry(s, 303), entry(s, 304)),  # of
        view_u4(entry(s, 306), entry(s, 307)),  # neuron
        view_i8(entry(s, 309), entry(s, 310)),  # first
        view_i8(entry(s, 312), entry(s, 313)),  # last
        view_i8(entry(s, 315), entry(s, 316)),  # at
        view_f8(entry(s, 318), entry(s, 319)),  # whole
        view_f8(entry(s, 321), entry(s, 322)),  # time
        view_f8(entry(s, 324), entry(s, 325)),  # jump
        view_f8(entry(s, 327), entry(s, 328)),  # factor
        view_f8(entry(s, 330), entry(s, 331)),  # after
        view_f8(entry(s, 333), entry(s, 334)),  # need
    )


@rule
def record_of(s: int) -> Record:
    """Views of `Record`."""
    return Record(
        view_i8(entry(s, 336), entry(s, 337)),  # count
        view_i8(entry(s, 339), entry(s, 340)),  # first
        view_i8(entry(s, 342), entry(s, 343)),  # wanted
        view_f8(entry(s, 345), entry(s, 346)),  # time
        view_u4(entry(s, 348), entry(s, 349)),  # population
        view_u4(entry(s, 351), entry(s, 352)),  # index
    )


@rule
def models_of(s: int) -> Models:
    """Views of `Models`."""
    return Models(
        view_i8(entry(s, 354), entry(s, 355)),  # deliver
        view_i8(entry(s, 357), entry(s, 358)),  # kick
        view_i8(entry(s, 360), entry(s, 361)),  # predict
        view_i8(entry(s, 363), entry(s, 364)),  # event
        view_i8(entry(s, 366), entry(s, 367)),  # reset
        view_i8(entry(s, 369), entry(s, 370)),  # rebase
        view_i8(entry(s, 372), entry(s, 373)),  # record
        view_i8(entry(s, 375), entry(s, 376)),  # state
        view_i8(entry(s, 378), entry(s, 379)),  # width
    )


@rule
def script_of(s: int) -> Script:
    """Views of `Script`."""
    return Script(
        view_f8(entry(s, 381), entry(s, 382)),  # time
        view_f8(entry(s, 384), entry(s, 385)),  # amount
        view_i8(entry(s, 387), entry(s, 388)),  # early
        view_i8(entry(s, 390), entry(s, 391)),  # change
        view_i8(entry(s, 393), entry(s, 394)),  # first
        view_i8(entry(s, 396), entry(s, 397)),  # last
        view_u4(entry(s, 399), entry(s, 400)),  # neuron
        view_u4(entry(s, 402), entry(s, 403)),  # kind
        view_u4(entry(s, 405), entry(s, 406)),  # own_kind
        view_f8(entry(s, 408), entry(s, 409)),  # shift
    )
