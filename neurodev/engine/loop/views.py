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
    Pieces,
    Projections,
    Queue,
    Record,
    Script,
)
from neurodev.jit import rule, view2_f8, view2_u4, view2_u8, view_f8, view_i8, view_u2, view_u4, view_u8, word


@rule
def pieces_of(s: int) -> Pieces:
    """Views of `Pieces`."""
    return Pieces(
        view_i8(word(s, 0), word(s, 1)),  # address
    )


@rule
def clock_of(s: int) -> Clock:
    """Views of `Clock`."""
    return Clock(
        view_f8(word(s, 3), word(s, 4)),  # time
        view_f8(word(s, 6), word(s, 7)),  # length
        view_i8(word(s, 9), word(s, 10)),  # n
    )


@rule
def neurons_of(s: int) -> Neurons:
    """Views of `Neurons`."""
    return Neurons(
        view_f8(word(s, 12), word(s, 13)),  # u
        view_u4(word(s, 15), word(s, 16)),  # kind
        view_u4(word(s, 18), word(s, 19)),  # population
        view_i8(word(s, 21), word(s, 22)),  # first
        view_i8(word(s, 24), word(s, 25)),  # size
        view_f8(word(s, 27), word(s, 28)),  # rate
        view_f8(word(s, 30), word(s, 31)),  # threshold
        view_f8(word(s, 33), word(s, 34)),  # reset
        view_f8(word(s, 36), word(s, 37)),  # refractory
        view_i8(word(s, 39), word(s, 40)),  # silenced
    )


@rule
def own_of(s: int) -> Own:
    """Views of `Own`."""
    return Own(
        view_i8(word(s, 42), word(s, 43)),  # first
        view_i8(word(s, 45), word(s, 46)),  # last
    )


@rule
def fresh_of(s: int) -> Fresh:
    """Views of `Fresh`."""
    return Fresh(
        view_f8(word(s, 48), word(s, 49)),  # time
        view_u4(word(s, 51), word(s, 52)),  # population
        view_u4(word(s, 54), word(s, 55)),  # index
    )


@rule
def drives_of(s: int) -> Drives:
    """Views of `Drives`."""
    return Drives(
        view_f8(word(s, 57), word(s, 58)),  # time
        view_u4(word(s, 60), word(s, 61)),  # population
        view_u4(word(s, 63), word(s, 64)),  # index
    )


@rule
def log_of(s: int) -> Log:
    """Views of `Log`."""
    return Log(
        view2_f8(word(s, 66), word(s, 67), word(s, 68)),  # time
        view2_u4(word(s, 69), word(s, 70), word(s, 71)),  # index
        view_i8(word(s, 72), word(s, 73)),  # count
    )


@rule
def lanes_of(s: int) -> Lanes:
    """Views of `Lanes`."""
    return Lanes(
        view_i8(word(s, 75), word(s, 76)),  # population
        view_i8(word(s, 78), word(s, 79)),  # projection
        view_i8(word(s, 81), word(s, 82)),  # lane
        view_f8(word(s, 84), word(s, 85)),  # delay
        view_i8(word(s, 87), word(s, 88)),  # cursor
        view_i8(word(s, 90), word(s, 91)),  # sign
        view_i8(word(s, 93), word(s, 94)),  # far
        view_i8(word(s, 96), word(s, 97)),  # far_first
        view_i8(word(s, 99), word(s, 100)),  # far_lane
        view_i8(word(s, 102), word(s, 103)),  # far_size
    )


@rule
def projections_of(s: int) -> Projections:
    """Views of `Projections`."""
    return Projections(
        view_i8(word(s, 105), word(s, 106)),  # post
        view_i8(word(s, 108), word(s, 109)),  # narrow
        view_i8(word(s, 111), word(s, 112)),  # weight
        view_i8(word(s, 114), word(s, 115)),  # single
        view_i8(word(s, 117), word(s, 118)),  # row_start
        view_i8(word(s, 120), word(s, 121)),  # row_length
        view_i8(word(s, 123), word(s, 124)),  # uid
        view_i8(word(s, 126), word(s, 127)),  # capacity
        view_i8(word(s, 129), word(s, 130)),  # n_row
        view_i8(word(s, 132), word(s, 133)),  # n_source
        view_i8(word(s, 135), word(s, 136)),  # offset
        view_i8(word(s, 138), word(s, 139)),  # branch
        view_i8(word(s, 141), word(s, 142)),  # inhibitory
        view_i8(word(s, 144), word(s, 145)),  # birth_count
        view2_f8(word(s, 147), word(s, 148), word(s, 149)),  # birth_time
        view2_u8(word(s, 150), word(s, 151), word(s, 152)),  # birth_uid
        view_i8(word(s, 153), word(s, 154)),  # release
        view_i8(word(s, 156), word(s, 157)),  # release_record
        view_i8(word(s, 159), word(s, 160)),  # released
        view_i8(word(s, 162), word(s, 163)),  # hook_first
        view_i8(word(s, 165), word(s, 166)),  # post_first
    )


@rule
def hooks_of(s: int) -> Hooks:
    """Views of `Hooks`."""
    return Hooks(
        view_i8(word(s, 168), word(s, 169)),  # pre
        view_i8(word(s, 171), word(s, 172)),  # pre_record
        view_i8(word(s, 174), word(s, 175)),  # post
        view_i8(word(s, 177), word(s, 178)),  # post_record
        view_i8(word(s, 180), word(s, 181)),  # trace
        view_i8(word(s, 183), word(s, 184)),  # trace_size
        view_f8(word(s, 186), word(s, 187)),  # trace_tau
        view_f8(word(s, 189), word(s, 190)),  # trace_base
    )


@rule
def queue_of(s: int) -> Queue:
    """Views of `Queue`."""
    return Queue(
        view_f8(word(s, 192), word(s, 193)),  # time
        view_u4(word(s, 195), word(s, 196)),  # row
        view_u2(word(s, 198), word(s, 199)),  # lane
        view_u4(word(s, 201), word(s, 202)),  # bucket
        view_f8(word(s, 204), word(s, 205)),  # release_time
        view_u4(word(s, 207), word(s, 208)),  # release_index
        view_f8(word(s, 210), word(s, 211)),  # due_time
        view_u4(word(s, 213), word(s, 214)),  # due_index
        view_f8(word(s, 216), word(s, 217)),  # crossing_time
        view_u4(word(s, 219), word(s, 220)),  # crossing_index
        view_f8(word(s, 222), word(s, 223)),  # crossing_u
        view_f8(word(s, 225), word(s, 226)),  # input_time
        view_u4(word(s, 228), word(s, 229)),  # input_index
        view_f8(word(s, 231), word(s, 232)),  # input_weight
        view_u4(word(s, 234), word(s, 235)),  # input_bucket
        view_u4(word(s, 237), word(s, 238)),  # fired
        view_f8(word(s, 240), word(s, 241)),  # scratch
        view_f8(word(s, 243), word(s, 244)),  # scale
        view_u4(word(s, 246), word(s, 247)),  # waiting
        view_u4(word(s, 249), word(s, 250)),  # spikes
    )


@rule
def background_of(s: int) -> Background:
    """Views of `Background`."""
    return Background(
        view_f8(word(s, 252), word(s, 253)),  # rate
        view_f8(word(s, 255), word(s, 256)),  # weight
        view_i8(word(s, 258), word(s, 259)),  # exponential
        view_i8(word(s, 261), word(s, 262)),  # ruled
        view_i8(word(s, 264), word(s, 265)),  # first
        view_i8(word(s, 267), word(s, 268)),  # local
        view_i8(word(s, 270), word(s, 271)),  # size
        view_u8(word(s, 273), word(s, 274)),  # key
        view_u8(word(s, 276), word(s, 277)),  # turn
        view_f8(word(s, 279), word(s, 280)),  # since
        view_i8(word(s, 282), word(s, 283)),  # most
        view_i8(word(s, 285), word(s, 286)),  # chance_at
        view_i8(word(s, 288), word(s, 289)),  # guide_at
        view_f8(word(s, 291), word(s, 292)),  # chance
        view_u4(word(s, 294), word(s, 295)),  # guide
        view_i8(word(s, 297), word(s, 298)),  # guides
        view_i8(word(s, 300), word(s, 301)),  # piece_first
        view_i8(word(s, 303), word(s, 304)),  # piece
        view_i8(word(s, 306), word(s, 307)),  # longest
        view_f8(word(s, 309), word(s, 310)),  # later
        view_u8(word(s, 312), word(s, 313)),  # raw
        view_u4(word(s, 315), word(s, 316)),  # counts
        view_u8(word(s, 318), word(s, 319)),  # seeds
        view_u4(word(s, 321), word(s, 322)),  # who
        view_f8(word(s, 324), word(s, 325)),  # both
        view_f8(word(s, 327), word(s, 328)),  # part
        view_i8(word(s, 330), word(s, 331)),  # begin
    )


@rule
def lists_of(s: int) -> Lists:
    """Views of `Lists`."""
    return Lists(
        view_u4(word(s, 333), word(s, 334)),  # of
        view_u4(word(s, 336), word(s, 337)),  # neuron
        view_i8(word(s, 339), word(s, 340)),  # first
        view_i8(word(s, 342), word(s, 343)),  # last
        view_i8(word(s, 345), word(s, 346)),  # at
        view_f8(word(s, 348), word(s, 349)),  # whole
        view_f8(word(s, 351), word(s, 352)),  # time
        view_f8(word(s, 354), word(s, 355)),  # jump
        view_f8(word(s, 357), word(s, 358)),  # factor
        view_f8(word(s, 360), word(s, 361)),  # after
        view_f8(word(s, 363), word(s, 364)),  # need
    )


@rule
def record_of(s: int) -> Record:
    """Views of `Record`."""
    return Record(
        view_i8(word(s, 366), word(s, 367)),  # count
        view_i8(word(s, 369), word(s, 370)),  # first
        view_i8(word(s, 372), word(s, 373)),  # wanted
        view_f8(word(s, 375), word(s, 376)),  # time
        view_u4(word(s, 378), word(s, 379)),  # population
        view_u4(word(s, 381), word(s, 382)),  # index
    )


@rule
def models_of(s: int) -> Models:
    """Views of `Models`."""
    return Models(
        view_i8(word(s, 384), word(s, 385)),  # deliver
        view_i8(word(s, 387), word(s, 388)),  # kick
        view_i8(word(s, 390), word(s, 391)),  # predict
        view_i8(word(s, 393), word(s, 394)),  # event
        view_i8(word(s, 396), word(s, 397)),  # reset
        view_i8(word(s, 399), word(s, 400)),  # rebase
        view_i8(word(s, 402), word(s, 403)),  # record
        view_i8(word(s, 405), word(s, 406)),  # state
        view_i8(word(s, 408), word(s, 409)),  # width
    )


@rule
def script_of(s: int) -> Script:
    """Views of `Script`."""
    return Script(
        view_f8(word(s, 411), word(s, 412)),  # time
        view_f8(word(s, 414), word(s, 415)),  # amount
        view_i8(word(s, 417), word(s, 418)),  # early
        view_i8(word(s, 420), word(s, 421)),  # change
        view_i8(word(s, 423), word(s, 424)),  # first
        view_i8(word(s, 426), word(s, 427)),  # last
        view_u4(word(s, 429), word(s, 430)),  # neuron
        view_u4(word(s, 432), word(s, 433)),  # kind
        view_u4(word(s, 435), word(s, 436)),  # own_kind
        view_f8(word(s, 438), word(s, 439)),  # shift
    )
