"""Exact Poisson background: for every neuron and block the number of its events, then their places, then their sum.

The number of a neuron's events in a block is Poisson, and given their number their places are independent and uniform:
nothing has to be drawn in order, and no logarithm is needed.  Number and places are hashes of (background, block of
time, neuron): nothing depends on batches, threads or other neurons, and a killed or born one moves nobody's draws.

`pour` adds all events of a block to the membranes when it begins, the inhibitory ones apart (`later`).  A membrane then
holds what is still to come: a bound of the potential, since background of one sign only raises it.  Only a neuron that
reaches threshold by this bound is looked at more closely (`lists.py`), event by event and in order.

Simple loops over small buffers, which LLVM vectorises.  A place is one of 2^32 in its block (10^-13 ms); the factor of
the membrane's frame is a polynomial with a relative error below 1e-16.
"""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8, U4, U8, Int
from neurodev.engine.loop.pieces import piece
from neurodev.engine.loop.queue import bucket_of
from neurodev.engine.loop.state import (
    DONE,
    INPUT_FULL,
    N_BACKGROUND,
    N_BLOCK,
    N_EPOCH_BLOCK,
    N_INPUT,
    N_INPUT_AT,
    N_NEED,
    T_BEGIN,
    T_BLOCK,
    T_FRAME,
    Piece,
)
from neurodev.engine.loop.views import background_of, clock_of, neurons_of, queue_of
from neurodev.jit import kernel, rule
from neurodev.rng import GOLDEN, mix

CHUNK = 1024  # neurons whose events are drawn together
GUIDE, SHORT_GUIDE = 1024, 32  # entries of the table that begins the search for a number of events; for many rates
GENTLE = 1.0 / 8.0  # a block that lasts less of a time constant has its factors by eight powers
_S11, _S32 = np.uint64(11), np.uint64(32)
_AMPLITUDE = np.uint64(0x9FB21C651E98DF25)
_ONE = np.uint64(1)
_PER = 2.0**-32


@rule
def stream_of(s: int, b: Int) -> np.uint64:
    """The key of background piece `b` in the present block."""
    g, n = background_of(s), clock_of(s).n
    block = np.uint64(n[N_EPOCH_BLOCK] + n[N_BLOCK])
    return mix(mix(g.key[b] + GOLDEN * (g.turn[b] + _ONE)) + GOLDEN * (block + _ONE))


@rule
def seed_of(stream: np.uint64, i: Int) -> np.uint64:
    """The key of neuron `i` (within its population): its number of events, and the first of their hashes' sequence."""
    return mix(stream + GOLDEN * (np.uint64(i) + _ONE))


@rule
def guide_of(s: int, b: Int) -> U4:
    """Where the search for a number of events of piece `b` begins, by equal steps of its chance."""
    g = background_of(s)
    return g.guide[g.guide_at[b] : g.guide_at[b] + g.guides[0]]


@rule
def number_of(seed: np.uint64, chance: F8, guide: U4) -> Int:
    """A Poisson number by inversion: `chance[k]` is that of at most k events, `guide` where the search begins."""
    uniform = (np.float64(np.int64(seed >> _S11)) + 0.5) * 1.1102230246251565e-16
    k = np.int64(guide[np.int64(uniform * guide.shape[0])])
    while uniform >= chance[k]:
        k += 1
    return k


@rule
def hash_of(seed: np.uint64, e: Int) -> np.uint64:
    """The hash of events ``2 e`` and ``2 e + 1`` of a neuron."""
    return mix(seed + GOLDEN * (np.uint64(e) + _ONE))


@rule
def place_of(seed: np.uint64, e: Int) -> float:
    """The place of event `e` in its block, from -1/2 to 1/2 of its length."""
    h = hash_of(seed, e >> 1)
    half = np.int32(h >> _S32) if e & 1 else np.int32(h & np.uint64(0xFFFFFFFF))
    return (np.float64(half) + 0.5) * _PER


@rule
def amplitude_of(s: int, b: Int, seed: np.uint64, e: Int) -> float:
    """The amplitude of event `e` of a neuron."""
    g = background_of(s)
    if g.exponential[b] == 0:
        return g.weight[b]  # type: ignore[no-any-return]
    h = hash_of(seed ^ _AMPLITUDE, e)
    return -g.weight[b] * np.log((np.float64(np.int64(h >> _S11)) + 0.5) * 1.1102230246251565e-16)  # type: ignore[no-any-return]


@rule
def powers(x: float) -> float:
    """exp(x) for abs(x) <= GENTLE / 2."""
    p = 1.0 / 40320.0
    p = p * x + 1.0 / 5040.0
    p = p * x + 1.0 / 720.0
    p = p * x + 1.0 / 120.0
    p = p * x + 1.0 / 24.0
    p = p * x + 1.0 / 6.0
    p = p * x + 0.5
    p = p * x + 1.0
    return p * x + 1.0


@rule
def growth_of(x: float, gentle: bool) -> float:
    """exp(x), by powers where they do."""
    return powers(x) if gentle else np.exp(x)


@rule
def pair_of(seed: np.uint64, p: Int, step: float) -> tuple[float, float]:
    """The frame factors, relative to the middle of the block, of events ``2 p`` and ``2 p + 1``; by powers."""
    h = mix(seed + GOLDEN * (np.uint64(p) + _ONE))
    half = 0.5 * step
    low = powers(np.float64(np.int32(h & np.uint64(0xFFFFFFFF))) * step + half)
    return low, powers(np.float64(np.int32(h >> _S32)) * step + half)


@kernel
def add_pairs(seeds: U8, part: F8, n: Int, step: float) -> None:
    """Add the first `n` pairs of events to `part` of neurons that all have as many."""
    for p in range(n):
        for k in range(part.shape[0]):
            low, high = pair_of(seeds[k], p, step)
            part[k] += low + high


@kernel
def add_last_pair(seeds: U8, part: F8, both: F8, p: Int, step: float) -> None:
    """Add pair `p`, of which only the first counts where `both` is 0."""
    for k in range(part.shape[0]):
        low, high = pair_of(seeds[k], p, step)
        part[k] += low + high * both[k]


@kernel
def draw_counts(s: int, b: Int, i: Int, m: Int) -> Int:
    """Draw how many events neurons i..i+m (of their population) have; by number of pairs, all who have as many.

    Neurons of equal numbers lie together afterwards: loops over them need no guesses of the processor, and are
    vectors.  Returns the total, and leaves in ``g.begin[n]`` where those with n pairs begin.
    """
    g = background_of(s)
    chance, guide, stream = g.chance[g.chance_at[b] :], guide_of(s, b), stream_of(s, b)
    raw, counts, begin = g.raw, g.counts, g.begin
    for k in range(m):
        raw[k] = seed_of(stream, i + k)
    most = (g.most[b] + 1) // 2 + 2
    for n in range(most):
        begin[n] = 0
    total = np.int64(0)
    for k in range(m):
        found = number_of(raw[k], chance, guide)
        counts[k] = np.uint32(found)
        total += found
        begin[((found + 1) >> 1) + 1] += 1
    for n in range(1, most):
        begin[n] += begin[n - 1]
    for k in range(m):
        pairs = (np.int64(counts[k]) + 1) >> 1
        at = begin[pairs]
        begin[pairs] = at + 1
        g.seeds[at], g.who[at] = raw[k], np.uint32(k)
        g.both[at], g.part[at] = np.float64(1 - (counts[k] & np.uint32(1))), 0.0
    for n in range(most - 1, 0, -1):
        begin[n] = begin[n - 1]
    begin[0] = 0
    return total


@piece(Piece.POUR)
def pour(s: int, b: Int, first: Int, last: Int) -> None:
    """Add all events of the block to neurons first..last (of all) of piece `b`: at once, whoever is free or not."""
    g, nn, f = background_of(s), neurons_of(s), clock_of(s).time
    rate, begin = nn.rate[nn.kind[first]], f[T_BEGIN]
    length = f[T_BLOCK] - begin
    if g.exponential[b] == 1 or g.since[b] > begin or length * rate > GENTLE:
        pour_each(s, b, first, last)
        return
    amount = g.weight[b] * np.exp((begin + 0.5 * length - f[T_FRAME]) * rate)
    into = nn.u if amount > 0.0 else g.later
    step = length * rate * _PER
    for j in range(first, last, CHUNK):
        m = min(np.int64(CHUNK), last - j)
        clock_of(s).n[N_BACKGROUND] += draw_counts(s, b, j - g.first[b] + g.local[b], m)
        for n in range(1, (g.most[b] + 1) // 2 + 1):
            here, end = g.begin[n], g.begin[n + 1]
            if end > here:
                add_pairs(g.seeds[here:end], g.part[here:end], n - 1, step)
                add_last_pair(g.seeds[here:end], g.part[here:end], g.both[here:end], n - 1, step)
        for k in range(m):
            into[j + np.int64(g.who[k])] += amount * g.part[k]


@kernel
def pour_each(s: int, b: Int, first: Int, last: Int) -> None:
    """`pour` event by event: amplitudes that vary, or a background that acts from a moment within the block."""
    g, nn, f = background_of(s), neurons_of(s), clock_of(s).time
    rate, length = nn.rate[nn.kind[first]], f[T_BLOCK] - f[T_BEGIN]
    middle = f[T_BEGIN] + 0.5 * length
    S, gentle = np.exp((middle - f[T_FRAME]) * rate), length * rate <= GENTLE
    into = nn.u if g.weight[b] > 0.0 else g.later
    chance, guide, stream = g.chance[g.chance_at[b] :], guide_of(s, b), stream_of(s, b)
    for j in range(first, last):
        seed = seed_of(stream, j - g.first[b] + g.local[b])
        for e in range(number_of(seed, chance, guide)):
            y = place_of(seed, e)
            if middle + y * length >= g.since[b]:
                into[j] += amplitude_of(s, b, seed, e) * S * growth_of(y * length * rate, gentle)
                clock_of(s).n[N_BACKGROUND] += 1


@piece(Piece.INPUTS)
def gather_inputs(s: int) -> int:
    """List the events onto neurons of models with rules, in order of time; a status, and nothing done if not DONE."""
    g, n, qu, f = background_of(s), clock_of(s).n, queue_of(s), clock_of(s).time
    total = np.int64(0)
    for b in range(g.rate.shape[0]):
        if g.ruled[b] == 1:
            chance, guide, stream = g.chance[g.chance_at[b] :], guide_of(s, b), stream_of(s, b)
            for i in range(g.size[b]):
                total += number_of(seed_of(stream, g.local[b] + i), chance, guide)
    if total >= qu.input_time.shape[0]:
        n[N_NEED] = total
        return INPUT_FULL
    n[N_INPUT] = n[N_INPUT_AT] = 0
    if total == 0:
        return DONE
    first = qu.input_bucket
    for k in range(total + 1):
        first[k] = 0
    scale = total / (f[T_BLOCK] - f[T_BEGIN])
    sweep_inputs(s, total, scale, False)
    for k in range(total):
        first[k + 1] += first[k]
    n[N_INPUT] = np.int64(first[total])
    sweep_inputs(s, total, scale, True)
    for k in range(1, n[N_INPUT]):
        t = qu.input_time[k]
        if qu.input_time[k - 1] <= t:
            continue
        j, w = qu.input_index[k], qu.input_weight[k]
        i = k
        while i > 0 and qu.input_time[i - 1] > t:
            qu.input_time[i], qu.input_index[i] = qu.input_time[i - 1], qu.input_index[i - 1]
            qu.input_weight[i] = qu.input_weight[i - 1]
            i -= 1
        qu.input_time[i], qu.input_index[i], qu.input_weight[i] = t, j, w
    return DONE


@rule
def sweep_inputs(s: int, buckets: Int, scale: float, place: bool) -> None:
    """Count the events of each bucket or, the second time, place them."""
    g, qu, f = background_of(s), queue_of(s), clock_of(s).time
    begin, length, first = f[T_BEGIN], f[T_BLOCK] - f[T_BEGIN], qu.input_bucket
    for b in range(g.rate.shape[0]):
        if g.ruled[b] == 0:
            continue
        chance, guide, stream = g.chance[g.chance_at[b] :], guide_of(s, b), stream_of(s, b)
        for i in range(g.size[b]):
            seed = seed_of(stream, g.local[b] + i)
            for e in range(number_of(seed, chance, guide)):
                t = begin + (0.5 + place_of(seed, e)) * length
                if t < g.since[b]:
                    continue
                k = bucket_of(t, begin, scale, buckets)
                if place:
                    at = np.int64(first[k])
                    first[k] = np.uint32(at + 1)
                    qu.input_time[at], qu.input_index[at] = t, np.uint32(g.first[b] + i)
                    qu.input_weight[at] = amplitude_of(s, b, seed, e)
                else:
                    first[k + 1] += np.uint32(1)


@kernel
def gather_again(s: int) -> int:
    """`gather_inputs`, for who is no kernel."""
    return gather_inputs(s)
