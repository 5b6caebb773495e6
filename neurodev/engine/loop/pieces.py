"""The pieces of the loop that are compiled by themselves, and that a network compiles only if it uses them.

Numba compiles whatever a kernel calls into that kernel.  With everything in one, the loop was compiled a dozen times
over, and all of it for two neurons.  A piece is reached by its address, in the first array of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from neurodev.engine.loop.state import ALIKE, N_MODELS, N_TOGETHER, N_UNIFORM, Piece, State
from neurodev.jit import CompiledHook, address_of_hook, apart
from neurodev.kernel_cache import say

F = TypeVar("F", bound=Callable[..., Any])
_made: dict[Piece, Callable[..., Any]] = {}


def piece(which: Piece) -> Callable[[F], F]:
    """Let a function, which is given a state first, be a piece of the loop."""

    def make(fn: F) -> F:
        called, _made[which] = apart(fn, int(which))
        return called

    return make


def needed(states: Iterable[State]) -> set[Piece]:
    """The pieces that a network uses as it stands."""
    out = {Piece.PART, Piece.FIRE}
    for s in states:
        g, pr, uniform = s.background, s.projections, s.clock.n[N_UNIFORM] == 1
        if np.any(g.ruled == 0):
            out |= {Piece.POUR, Piece.OPENED, Piece.OVER, Piece.LOOK, Piece.PLACE}
        if g.rate.size and s.clock.n[N_MODELS] == 1:
            out.add(Piece.INPUTS)
        if s.script.time.size:
            out.add(Piece.GIVE)
        if s.clock.n[N_TOGETHER] == 1:
            out.add(Piece.TOGETHER)
            continue
        some = pr.birth_count > 0
        some[s.lanes.projection[s.lanes.sign != 0]] = True
        for single, narrow, few, offset in zip(pr.single, pr.narrow, some, pr.offset, strict=True):
            if s.models.deliver[s.neurons.population[offset]] != 0:
                continue
            if uniform and single == 1:
                out.add(Piece.UNIFORM_SINGLE)
            elif uniform and narrow:
                out.add(Piece.ALIKE_NARROW if single == ALIKE else Piece.UNIFORM_NARROW)
            elif uniform:
                out.add(Piece.ALIKE if single == ALIKE else Piece.UNIFORM)
            elif single == 1:
                out.add(Piece.MIXED_SINGLE)
            else:
                out.add(Piece.MIXED_NARROW if narrow else Piece.MIXED)
            if few:
                out.add(Piece.SOME_SINGLE if single == 1 else Piece.SOME)
    return out


def write_pieces(states: list[State]) -> None:
    """Give the loop the addresses of the pieces that it will use; what is not at hand is compiled."""
    table = states[0].pieces.address
    missing = [which for which in sorted(needed(states)) if table[which] == 0]
    if any(isinstance(p := _made[which], CompiledHook) and not p.at_hand for which in missing):
        say("compiling", "compiling the engine, once: what is compiled is kept for all later runs")
    for which in missing:
        table[which] = address_of_hook(_made[which])
