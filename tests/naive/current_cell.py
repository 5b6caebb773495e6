"""A neuron with exponential currents, the obvious way: textbook terms, and crossings looked for on a grid."""

import math

import numpy as np
from scipy.optimize import brentq, minimize_scalar

STEP, REACH = 0.01, 2.0  # ms: grid of the search, and how far ahead it looks before it looks again


def single(t, rate, r):
    """Potential `t` ms after a unit current over C with this decay began (plain textbook form)."""
    if rate == r:
        return t * np.exp(-r * t)
    return (np.exp(-r * t) - np.exp(-rate * t)) / (rate - r)


class CurrentCell:
    def __init__(self, tau, v_inf, threshold, reset, refractory, v, rates, capacitance):
        self.tau, self.v_inf, self.threshold, self.reset, self.refractory = tau, v_inf, threshold, reset, refractory
        self.v, self.t, self.free, self.stamp, self.dead = v, 0.0, True, 0, False
        self.r = 0.0 if math.isinf(tau) else 1.0 / tau
        self.rates, self.capacitance = rates, capacitance
        self.forget()

    def forget(self):
        self.current = [0.0] * len(self.rates)  # at time t, over C

    def ahead(self, s):
        """Potential `s` ms after t, as if there were no threshold."""
        x = (self.v - self.v_inf) * np.exp(-self.r * s)
        for i, rate in zip(self.current, self.rates, strict=True):
            x = x + i * single(s, rate, self.r)
        return self.v_inf + x

    def decay(self, t):
        s = t - self.t
        if self.free:
            self.v = float(self.ahead(s))
        self.current = [i * math.exp(-rate * s) for i, rate in zip(self.current, self.rates, strict=True)]
        self.t = t

    def kick(self, channel, w):
        self.current[channel] += w / self.capacitance

    def crossing(self):
        """Time to the first crossing within REACH, or None."""
        grid = np.linspace(0.0, REACH, round(REACH / STEP) + 1)
        v = self.ahead(grid) - self.threshold
        above = np.flatnonzero(v >= 0)
        first = int(above[0]) if above.size else grid.size
        for k in np.flatnonzero((v[1:-1] > v[:-2]) & (v[1:-1] >= v[2:])) + 1:  # a summit between two points of the grid
            if k < first and v[k] > -1e-3:
                best = minimize_scalar(
                    lambda s: -self.ahead(s), bounds=(grid[k - 1], grid[k + 1]), options={"xatol": 1e-12}
                )
                if -best.fun >= self.threshold:
                    return brentq(lambda s: self.ahead(s) - self.threshold, grid[k - 1], best.x, xtol=1e-13)
        if first == grid.size:
            return None
        if first == 0:
            return 0.0
        return brentq(lambda s: self.ahead(s) - self.threshold, grid[first - 1], grid[first], xtol=1e-13)
