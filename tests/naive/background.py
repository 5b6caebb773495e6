"""The background of the event engine again, one event at a time: published functions of (key, block, neuron).

A number by adding up the terms of the Poisson distribution, places of 32 bits, an amplitude by the logarithm.
"""

import math

import numpy as np

from neurodev import rng

GOLDEN, MASK = int(rng.GOLDEN), 2**64 - 1


def mix(z):
    return int(rng.mix(np.uint64(z & MASK)))


def number(seed, mean):
    """How often the terms must be added until they exceed a uniform number of 53 bits."""
    uniform = ((seed >> 11) + 0.5) * 2.0**-53
    term = total = math.exp(-mean)
    k = 0
    while uniform >= total and k < 10_000:
        k += 1
        term *= mean / k
        total += term
    return k


def events(engine, until):
    """(time, number of the neuron among all, amplitude) of all background up to `until` (ms since the start)."""
    g, length = engine.state.background, float(engine.state.clock.length[1])
    out = []
    with np.errstate(over="ignore"):
        for b in range(g.rate.size):
            mean = float(g.rate[b]) * length
            turned = mix(int(g.key[b]) + GOLDEN * (int(g.turn[b]) + 1))
            for block in range(math.ceil(until / length)):
                stream = mix(turned + GOLDEN * (block + 1))
                for i in range(int(g.size[b])):
                    seed = mix(stream + GOLDEN * (int(g.local[b]) + i + 1))
                    for e in range(number(seed, mean)):
                        h = mix(seed + GOLDEN * (e // 2 + 1))
                        half = (h >> 32 if e % 2 else h) & 0xFFFFFFFF
                        signed = half - 2**32 if half >= 2**31 else half
                        t = (block + 0.5 + (signed + 0.5) * 2.0**-32) * length
                        w = float(g.weight[b])
                        if g.exponential[b]:
                            a = mix((seed ^ 0x9FB21C651E98DF25) + GOLDEN * (e + 1))
                            w *= -math.log(((a >> 11) + 0.5) * 2.0**-53)
                        if t < until:
                            out.append((t, int(g.first[b]) + i, w))
    return out
