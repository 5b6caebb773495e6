"""Kernel-side access to the state: one address in, views of a group of arrays out.

The loop is handed a single int64: the address of a table with (address, length, second length) of every array.  Passing
tuples of arrays instead costs microseconds a call (each array is seven words and a reference count) and a minute
of compilation; views made from addresses carry no reference counts and vanish in the optimiser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurodev.engine.loop.state import (
    Background,
    Clock,
    Currents,
    Dendrites,
    Hooks,
    Lanes,
    Log,
    Neurons,
    Projections,
    Queue,
    Record,
    State,
)
from neurodev.jit import address, rule, view2_f8, view2_u4, view2_u8, view_f8, view_i8, view_u2, view_u4, view_u8


def pack(state: State) -> NDArray[np.int64]:
    """The table of addresses of all arrays of `state`, in order of declaration."""
    rows = []
    for group in state:
        for array in group:
            assert array.flags.c_contiguous
            rows.append([address(array), array.shape[0], array.shape[1] if array.ndim > 1 else 1])
    return np.array(rows, dtype=np.int64).reshape(-1)


@rule
def entry(s, k):  # type: ignore[no-untyped-def]
    """Number `k` of the table at address `s`."""
    return view_i8(s, k + 1)[k]


@rule
def clock_of(s):  # type: ignore[no-untyped-def]
    """Views of `Clock`."""
    return Clock(
        view_f8(entry(s, 0), entry(s, 1)),
        view_i8(entry(s, 3), entry(s, 4)),
    )


@rule
def neurons_of(s):  # type: ignore[no-untyped-def]
    """Views of `Neurons`."""
    return Neurons(
        view_f8(entry(s, 6), entry(s, 7)),
        view_u4(entry(s, 9), entry(s, 10)),
        view_u4(entry(s, 12), entry(s, 13)),
        view_i8(entry(s, 15), entry(s, 16)),
        view_i8(entry(s, 18), entry(s, 19)),
        view_f8(entry(s, 21), entry(s, 22)),
        view_f8(entry(s, 24), entry(s, 25)),
        view_f8(entry(s, 27), entry(s, 28)),
        view_f8(entry(s, 30), entry(s, 31)),
        view_i8(entry(s, 33), entry(s, 34)),
    )


@rule
def log_of(s):  # type: ignore[no-untyped-def]
    """Views of `Log`."""
    return Log(
        view2_f8(entry(s, 36), entry(s, 37), entry(s, 38)),
        view2_u4(entry(s, 39), entry(s, 40), entry(s, 41)),
        view_i8(entry(s, 42), entry(s, 43)),
    )


@rule
def lanes_of(s):  # type: ignore[no-untyped-def]
    """Views of `Lanes`."""
    return Lanes(
        view_i8(entry(s, 45), entry(s, 46)),
        view_i8(entry(s, 48), entry(s, 49)),
        view_i8(entry(s, 51), entry(s, 52)),
        view_f8(entry(s, 54), entry(s, 55)),
        view_i8(entry(s, 57), entry(s, 58)),
    )


@rule
def projections_of(s):  # type: ignore[no-untyped-def]
    """Views of `Projections`."""
    return Projections(
        view_i8(entry(s, 60), entry(s, 61)),
        view_i8(entry(s, 63), entry(s, 64)),
        view_i8(entry(s, 66), entry(s, 67)),
        view_i8(entry(s, 69), entry(s, 70)),
        view_i8(entry(s, 72), entry(s, 73)),
        view_i8(entry(s, 75), entry(s, 76)),
        view_i8(entry(s, 78), entry(s, 79)),
        view_i8(entry(s, 81), entry(s, 82)),
        view_i8(entry(s, 84), entry(s, 85)),
        view_i8(entry(s, 87), entry(s, 88)),
        view2_f8(entry(s, 90), entry(s, 91), entry(s, 92)),
        view2_u8(entry(s, 93), entry(s, 94), entry(s, 95)),
        view_i8(entry(s, 96), entry(s, 97)),
        view_i8(entry(s, 99), entry(s, 100)),
    )


@rule
def hooks_of(s):  # type: ignore[no-untyped-def]
    """Views of `Hooks`."""
    return Hooks(
        view_i8(entry(s, 102), entry(s, 103)),
        view_i8(entry(s, 105), entry(s, 106)),
        view_i8(entry(s, 108), entry(s, 109)),
        view_i8(entry(s, 111), entry(s, 112)),
        view_i8(entry(s, 114), entry(s, 115)),
        view_i8(entry(s, 117), entry(s, 118)),
        view_f8(entry(s, 120), entry(s, 121)),
        view_f8(entry(s, 123), entry(s, 124)),
    )


@rule
def queue_of(s):  # type: ignore[no-untyped-def]
    """Views of `Queue`."""
    return Queue(
        view_f8(entry(s, 126), entry(s, 127)),
        view_u4(entry(s, 129), entry(s, 130)),
        view_u2(entry(s, 132), entry(s, 133)),
        view_u4(entry(s, 135), entry(s, 136)),
        view_f8(entry(s, 138), entry(s, 139)),
        view_u4(entry(s, 141), entry(s, 142)),
        view_f8(entry(s, 144), entry(s, 145)),
        view_u4(entry(s, 147), entry(s, 148)),
        view_f8(entry(s, 150), entry(s, 151)),
        view_u4(entry(s, 153), entry(s, 154)),
        view_f8(entry(s, 156), entry(s, 157)),
        view_f8(entry(s, 159), entry(s, 160)),
        view_u4(entry(s, 162), entry(s, 163)),
        view_u4(entry(s, 165), entry(s, 166)),
        view_u4(entry(s, 168), entry(s, 169)),
    )


@rule
def background_of(s):  # type: ignore[no-untyped-def]
    """Views of `Background`."""
    return Background(
        view_f8(entry(s, 171), entry(s, 172)),
        view_f8(entry(s, 174), entry(s, 175)),
        view_i8(entry(s, 177), entry(s, 178)),
        view_i8(entry(s, 180), entry(s, 181)),
        view_i8(entry(s, 183), entry(s, 184)),
        view_u8(entry(s, 186), entry(s, 187)),
        view_u8(entry(s, 189), entry(s, 190)),
        view_f8(entry(s, 192), entry(s, 193)),
        view_i8(entry(s, 195), entry(s, 196)),
        view_f8(entry(s, 198), entry(s, 199)),
        view2_f8(entry(s, 201), entry(s, 202), entry(s, 203)),
        view2_u4(entry(s, 204), entry(s, 205), entry(s, 206)),
        view2_f8(entry(s, 207), entry(s, 208), entry(s, 209)),
        view_f8(entry(s, 210), entry(s, 211)),
        view_u8(entry(s, 213), entry(s, 214)),
        view_f8(entry(s, 216), entry(s, 217)),
    )


@rule
def record_of(s):  # type: ignore[no-untyped-def]
    """Views of `Record`."""
    return Record(
        view_i8(entry(s, 219), entry(s, 220)),
        view_i8(entry(s, 222), entry(s, 223)),
        view_i8(entry(s, 225), entry(s, 226)),
        view_f8(entry(s, 228), entry(s, 229)),
        view_u4(entry(s, 231), entry(s, 232)),
        view_u4(entry(s, 234), entry(s, 235)),
    )


@rule
def currents_of(s):  # type: ignore[no-untyped-def]
    """Views of `Currents`."""
    return Currents(
        view_i8(entry(s, 237), entry(s, 238)),
        view_i8(entry(s, 240), entry(s, 241)),
        view_i8(entry(s, 243), entry(s, 244)),
        view_i8(entry(s, 246), entry(s, 247)),
        view2_f8(entry(s, 249), entry(s, 250), entry(s, 251)),
        view2_f8(entry(s, 252), entry(s, 253), entry(s, 254)),
        view_f8(entry(s, 255), entry(s, 256)),
        view_f8(entry(s, 258), entry(s, 259)),
        view2_f8(entry(s, 261), entry(s, 262), entry(s, 263)),
    )


@rule
def dendrites_of(s):  # type: ignore[no-untyped-def]
    """Views of `Dendrites`."""
    return Dendrites(
        view_i8(entry(s, 264), entry(s, 265)),
        view_i8(entry(s, 267), entry(s, 268)),
        view_i8(entry(s, 270), entry(s, 271)),
        view2_f8(entry(s, 273), entry(s, 274), entry(s, 275)),
        view_i8(entry(s, 276), entry(s, 277)),
        view_f8(entry(s, 279), entry(s, 280)),
        view2_f8(entry(s, 282), entry(s, 283), entry(s, 284)),
        view2_f8(entry(s, 285), entry(s, 286), entry(s, 287)),
    )
