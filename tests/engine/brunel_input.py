"""A Brunel network with given connections and given external spikes, the same in any simulator.

2500 neurons with the published 1000 + 250 inputs each (Brunel 2000, g = 5, eta = 2), all at V = 0: the first volley
is synchronous, so thousands of arrivals share their exact time.  Everything is drawn with integer hashes, hence equal
on every machine and for every version of NumPy.
"""

import numpy as np

from neurodev import rng
from neurodev.engine.network import Network
from neurodev.neurons.lif import LIF
from neurodev.neurons.listed import SpikeList
from neurodev.structure.wiring import Pairs

N_E, N_I, C_E, C_I, J, G, DURATION = 2000, 500, 1000, 250, 0.1, 5.0, 60.0
DELAY, INPUT_DELAY = 1.5, 0.1


def hashes(name, n):
    """`n` words of 64 random bits."""
    return rng.mix(rng.key(5, name) + rng.GOLDEN * np.arange(1, n + 1, dtype=np.uint64))


def indices(name, n, size):
    """`n` integers in [0, size)."""
    return ((hashes(name, n) >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def connections():
    """Sources and targets of the four projections."""
    out = {}
    for name, n_source, n_target, inputs in (
        ("ee", N_E, N_E, C_E), ("ei", N_E, N_I, C_E), ("ie", N_I, N_E, C_I), ("ii", N_I, N_I, C_I),
    ):  # fmt: skip
        out[name] = indices(name, n_target * inputs, n_source), np.repeat(np.arange(n_target), inputs)
    return out


def external():
    """Times (ms) and neurons of the external spikes, 20 kHz each: uniform times of a fixed total."""
    n = int(20.0 * DURATION * (N_E + N_I))
    times = (hashes("time", n) >> np.uint64(11)).astype(float) * 2.0**-53 * DURATION
    order = np.argsort(times)
    return times[order], indices("neuron", n, N_E + N_I)


def network():
    """The network in neurodev."""
    net = Network(seed=1)
    cell = LIF(tau=20, threshold=20, reset=10, refractory=2, initial=0.0)
    e = net.add(cell, N_E, name="e")
    i = net.add(cell, N_I, name="i", inhibitory=True)
    given = net.add(SpikeList(*external()), N_E + N_I, name="given")
    wires = connections()
    for name, a, b, weight in (("ee", e, e, J), ("ei", e, i, J), ("ie", i, e, G * J), ("ii", i, i, G * J)):
        net.connect(a, b, Pairs(*wires[name]), weight=weight, delay=DELAY, multapses=True)
    net.connect(given, e, Pairs(np.arange(N_E), np.arange(N_E)), weight=J, delay=INPUT_DELAY)
    net.connect(given, i, Pairs(np.arange(N_E, N_E + N_I), np.arange(N_I)), weight=J, delay=INPUT_DELAY)
    return net
