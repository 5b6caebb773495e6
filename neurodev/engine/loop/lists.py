"""The background of single neurons in order of time, for those that may reach threshold within the block.

``u`` holds all excitatory background of the block, `later` all inhibitory one; the potential at t is what remains when
the events after t are taken off again.  A list is opened once a block and neuron and holds, beside every event, the sum
of all that follow: what is read from it does not depend on when it was opened, nor how often.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, I8, Int
from neurodev.engine.loop.background import (
    GENTLE,
    amplitude_of,
    growth_of,
    guide_of,
    number_of,
    place_of,
    seed_of,
    stream_of,
)
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.state import N_BLOCK_OPEN, N_LIST, N_LISTED, T_BEGIN, T_BLOCK, T_FRAME, Piece
from neurodev.engine.loop.views import background_of, clock_of, lists_of, neurons_of
from neurodev.jit import kernel, rule

ROUNDING = 2.0**-48  # of threshold or reset: what sums of inputs lose in the frame of the membranes


@rule
def reached(threshold: float, reset: float, S: float) -> float:
    """From where on a potential in the frame is at `threshold` (like `reset` mV above V_inf), S being its factor.

    ``1 + 1 + 1 + 1 + 1 + 1`` is 6, but ``S + S + S + S + S + S`` may be less than ``6 S``.
    """
    return threshold * S - ROUNDING * S * max(abs(threshold), abs(reset))


@rule
def has_background(s: int, j: Int) -> bool:
    """Whether background may still be to come for neuron `j`, whose membrane the loop computes, in this block."""
    g = background_of(s)
    first = g.piece_first[j]
    return g.piece_first[j + 1] > first and clock_of(s).n[N_BLOCK_OPEN] == 1 and g.ruled[g.piece[first]] == 0  # type: ignore[no-any-return]


@piece(Piece.OPENED)
def opened(s: int, j: Int) -> Int:
    """The list of neuron `j` in this block; drawn now if it was not."""
    o, n = lists_of(s), clock_of(s).n
    if o.of[j] > 0:
        return np.int64(o.of[j]) - np.int64(1)
    g, nn, f = background_of(s), neurons_of(s), clock_of(s).time
    rate, length = nn.rate[nn.kind[j]], f[T_BLOCK] - f[T_BEGIN]
    total = np.int64(0)
    for q in range(g.piece_first[j], g.piece_first[j + 1]):
        b = g.piece[q]
        seed = seed_of(stream_of(s, b), j - g.first[b] + g.local[b])
        total += number_of(seed, g.chance[g.chance_at[b] :], guide_of(s, b))
    # without room a list is drawn each time, at the end of the arrays, where there is always room for one
    i, first = n[N_LIST], n[N_LISTED]
    if i + 1 < o.first.shape[0] and first + total <= o.time.shape[0] - g.longest[0]:
        o.neuron[i] = np.uint32(j)
        o.of[j] = np.uint32(i + 1)
        n[N_LIST], n[N_LISTED] = i + 1, first + total
    else:
        i, first = np.int64(o.first.shape[0] - 1), np.int64(o.time.shape[0] - g.longest[0])
    k = first
    middle = f[T_BEGIN] + 0.5 * length
    S, gentle = np.exp((middle - f[T_FRAME]) * rate), length * rate <= GENTLE
    for q in range(g.piece_first[j], g.piece_first[j + 1]):
        b = g.piece[q]
        seed = seed_of(stream_of(s, b), j - g.first[b] + g.local[b])
        for e in range(number_of(seed, g.chance[g.chance_at[b] :], guide_of(s, b))):
            y = place_of(seed, e)
            t = middle + y * length
            if t >= g.since[b]:
                o.time[k], o.factor[k] = t, S * growth_of(y * length * rate, gentle)
                o.jump[k] = amplitude_of(s, b, seed, e) * o.factor[k]
                k += 1
    sort_list(s, first, k)
    o.first[i], o.last[i], o.at[i] = first, k, first
    add_up(s, i, j)
    return i  # type: ignore[no-any-return]


@kernel
def add_up(s: int, i: Int, j: Int) -> None:
    """For every event of list `i` what is still to come after it, and what neuron `j` needs to cross there or later."""
    o, nn, f = lists_of(s), neurons_of(s), clock_of(s).time
    c = nn.kind[j]
    theta, reset = nn.threshold[c], nn.reset[c]
    falling = theta < 0.0 and nn.rate[c] > 0.0
    after = 0.0
    need = theta * np.exp((f[T_BLOCK] - f[T_FRAME]) * nn.rate[c]) if falling else np.inf
    for e in range(np.int64(o.last[i]) - 1, np.int64(o.first[i]) - 1, -1):
        o.after[e] = after
        need = min(need, after + reached(theta, reset, o.factor[e]))
        after += o.jump[e]
        if falling:
            need = min(need, after + theta * o.factor[e])
        o.need[e] = need
    o.whole[i] = after


@kernel
def sort_list(s: int, first: Int, last: Int) -> None:
    """Put the events first..last in order of time (Shell's sort: lists are short, but need not be)."""
    o = lists_of(s)
    gap = np.int64(1)
    while 3 * gap + 1 < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(first + gap, last):
            t, jump, factor = o.time[k], o.jump[k], o.factor[k]
            i: Int = k
            while i >= first + gap and o.time[i - gap] > t:
                o.time[i], o.jump[i], o.factor[i] = o.time[i - gap], o.jump[i - gap], o.factor[i - gap]
                i -= gap
            o.time[i], o.jump[i], o.factor[i] = t, jump, factor
        gap //= 3


@rule
def moved_to(s: int, i: Int, t: float) -> Int:
    """The first event of list `i` that is not before `t`."""
    o = lists_of(s)
    k = np.int64(o.at[i])
    if k > o.first[i] and o.time[k - 1] >= t:
        k = np.int64(o.first[i])  # somebody asks about the past
    while k < o.last[i] and o.time[k] < t:
        k += 1
    o.at[i] = k
    return k


@rule
def still_to_come(s: int, i: Int, k: Int) -> float:
    """The sum of the events from `k` on."""
    o = lists_of(s)
    return o.whole[i] if k == o.first[i] else o.after[k - 1]  # type: ignore[return-value]


@kernel
def close_lists(s: int) -> None:
    """The block ends: nobody has a list."""
    o, n = lists_of(s), clock_of(s).n
    for i in range(n[N_LIST]):
        o.of[o.neuron[i]] = np.uint32(0)
    n[N_LIST] = n[N_LISTED] = 0


@kernel
def sum_from(s: int, j: Int, t: float) -> tuple[float, float]:
    """The sums of all events of neuron `j` in the block from `t` on, and of the excitatory ones, drawn in no order."""
    g, nn, f = background_of(s), neurons_of(s), clock_of(s).time
    rate, length = nn.rate[nn.kind[j]], f[T_BLOCK] - f[T_BEGIN]
    middle = f[T_BEGIN] + 0.5 * length
    S, gentle = np.exp((middle - f[T_FRAME]) * rate), length * rate <= GENTLE
    whole = above = 0.0
    for q in range(g.piece_first[j], g.piece_first[j + 1]):
        b = g.piece[q]
        seed = seed_of(stream_of(s, b), j - g.first[b] + g.local[b])
        least = max(t, g.since[b])
        for e in range(number_of(seed, g.chance[g.chance_at[b] :], guide_of(s, b))):
            y = place_of(seed, e)
            if middle + y * length >= least:
                jump = amplitude_of(s, b, seed, e) * (S * growth_of(y * length * rate, gentle))
                whole += jump
                above += max(jump, 0.0)
    return whole, above


@rule
def place_at(s: int, j: Int, x: float, t: float, passed: bool) -> None:
    """Let the potential of neuron `j` in the frame be `x` at `t`; `passed`: an event at `t` itself has been."""
    if has_background(s, j):
        place_below(s, j, x, t, passed)
    else:
        neurons_of(s).u[j] = x


@piece(Piece.PLACE)
def place_below(s: int, j: Int, x: float, t: float, passed: bool) -> None:
    """`place_at` of a neuron for which background is still to come."""
    whole, above = sum_from(s, j, np.nextafter(t, np.inf) if passed else t)
    neurons_of(s).u[j] = x + above
    background_of(s).later[j] = whole - above


@kernel
def potential_at(s: int, j: Int, t: float) -> float:
    """The potential of neuron `j` in the frame at `t`; what happens at `t` itself is still to come."""
    nn, g = neurons_of(s), background_of(s)
    if not has_background(s, j):
        return nn.u[j]  # type: ignore[no-any-return]
    i = opened(s, j)
    return nn.u[j] + g.later[j] - still_to_come(s, i, moved_to(s, i, t))  # type: ignore[no-any-return]


@kernel
def potentials_at(s: int, neurons: I8, t: float, out: F8) -> None:
    """`potential_at` of some neurons, (n,)."""
    for k in range(neurons.shape[0]):
        out[k] = potential_at(s, neurons[k], t)


@kernel
def place_all(s: int, neurons: I8, x: F8, t: float) -> None:
    """`place_at` of some neurons, (n,)."""
    for k in range(neurons.shape[0]):
        place_at(s, neurons[k], x[k], t, False)
