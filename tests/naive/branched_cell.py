"""A neuron with a dendrite, the obvious way: every arrival is remembered, every pair of arrivals is written out."""

import math

import numpy as np

from neurodev.neurons.dendrite import Bilinear, Plateau, TwoLayer
from tests.naive.current_cell import CurrentCell

FORGOTTEN = 60.0  # time constants after which an arrival counts no more


def block(v, magnesium):
    return 1.0 / (1.0 + magnesium / 3.57 * math.exp(-0.062 * v))


class BranchedCell(CurrentCell):
    """Channels: E, I, E-E, E-I, I-I, plateaus."""

    def __init__(self, tau, v_inf, threshold, reset, refractory, v, rates, capacitance, dendrite, rest):
        le, li = rates
        self.dendrite, self.rest = dendrite, rest
        super().__init__(
            tau, v_inf, threshold, reset, refractory, v, [le, li, 2 * le, le + li, 2 * li, 0.0], capacitance
        )

    def forget(self):
        super().forget()
        self.arrivals = []  # (time, channel, branch, pA)
        self.until, self.sizes = {}, {}  # branch: end and current of its plateau

    def flow(self, channel, branch, t):
        """Current (pA) on a branch from what arrived so far."""
        rate = self.rates[channel]
        return math.fsum(
            w * math.exp(-rate * (t - at)) for at, k, b, w in self.arrivals if k == channel and branch == b
        )

    def arrive(self, channel, w, branch, t):
        """An arrival of `w` pA on a branch; returns (end, pA) of a plateau that it begins, or None."""
        d = self.dendrite
        given, started = w, None
        self.arrivals = [a for a in self.arrivals if self.rates[a[1]] * (t - a[0]) < FORGOTTEN]
        if isinstance(d, TwoLayer) and channel == 0:
            a = self.flow(0, branch, t)
            given = d.unit * float(d.output((a + w) / d.unit) - d.output(a / d.unit))
        self.current[channel] += given / self.capacitance
        if isinstance(d, Bilinear):
            resistance = self.tau / self.capacitance
            kappa = dict(zip([(0, 0), (0, 1), (1, 1)], d.kappas(), strict=True))
            for at, k, b, other in self.arrivals:
                fade = math.exp(-self.rates[k] * (t - at))
                share = 1.0 if b == branch else d.across
                pair = (min(k, channel), max(k, channel))
                product = kappa[pair] * share * resistance * w * other * fade
                self.current[2 + k + channel] += product / self.capacitance
        self.arrivals.append((t, channel, branch, w))
        if self.until.get(branch, t + 1.0) <= t:  # a plateau that ends now has ended; its END finds another
            self.end(branch, self.sizes[branch])
        if isinstance(d, Plateau) and channel == 0 and branch not in self.until:
            if self.flow(0, branch, t) >= d.threshold * (1 - 1e-12):
                v = (self.v if self.free else self.reset) - self.rest
                at = d.resting + d.depolarisation
                started = d.amplitude * block(at + v, d.magnesium) / block(at, d.magnesium)
                self.until[branch], self.sizes[branch] = t + d.duration, started
                self.current[5] += started / self.capacitance
        return None if started is None else (t + d.duration, started)

    def end(self, branch, size):
        del self.until[branch]
        self.current[5] -= size / self.capacitance
        if not self.until:
            self.current[5] = 0.0

    def ahead(self, s):
        """Potential `s` ms after t; the channel that does not decay is a constant current."""
        steady, self.current[5] = self.current[5], 0.0
        out = super().ahead(s) + steady * (1 - np.exp(-self.r * s)) / self.r
        self.current[5] = steady
        return out
