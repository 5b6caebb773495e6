"""The slow truth of EventProp: one network, plain Python, no closed form for crossings and no queue.

``tau_m V' = -V + I``, ``tau_s I' = -I``; a spike at V = threshold sets V to 0.
"""

import numpy as np
from scipy.optimize import brentq


def state(v, i, s, tau_m, tau_s):
    """(V, I) after s without events."""
    if tau_m == tau_s:
        return (v + i * s / tau_m) * np.exp(-s / tau_m), i * np.exp(-s / tau_s)
    k = tau_s / (tau_m - tau_s)
    a, b = np.exp(-s / tau_m), np.exp(-s / tau_s)
    return a * v + k * i * (a - b), b * i


def first_crossing(v, i, dt, tau_m, tau_s, threshold, points=2001):
    """First upward crossing in (0, dt] by a dense grid and a root finder, or None."""
    s = np.linspace(0.0, dt, points)
    above = np.flatnonzero(state(v, i, s, tau_m, tau_s)[0] >= threshold)
    if above.size == 0 or above[0] == 0:
        return None
    return brentq(lambda x: state(v, i, x, tau_m, tau_s)[0] - threshold, s[above[0] - 1], s[above[0]], xtol=1e-15)


def run(inputs, feed, n, tau_m, tau_s, threshold, duration, recurrent=()):
    """Spikes (time, cell) in order, and V at the end.

    inputs : list of (time, source); feed, recurrent : lists of (source, target, weight, delay).
    """
    arrivals = sorted((t + d, j, w) for t, k in inputs for source, j, w, d in feed if source == k)
    v, i, now, spikes = np.zeros(n), np.zeros(n), 0.0, []
    while True:
        stop = min(arrivals[0][0], duration) if arrivals else duration
        due = [(first_crossing(v[j], i[j], stop - now, tau_m, tau_s, threshold), j) for j in range(n)]
        due = min(((s, j) for s, j in due if s is not None), default=None)
        step = stop - now if due is None else due[0]
        for j in range(n):
            v[j], i[j] = state(v[j], i[j], step, tau_m, tau_s)
        now += step
        if due is not None:
            v[due[1]] = 0.0
            spikes.append((now, due[1]))
            arrivals += [(now + d, j, w) for source, j, w, d in recurrent if source == due[1]]
            arrivals.sort()
        elif not arrivals or arrivals[0][0] > duration:
            return spikes, v
        else:
            _, j, w = arrivals.pop(0)
            i[j] += w


def stepped(inputs, feed, n, tau_m, tau_s, threshold, duration, n_step, recurrent=()):
    """The same on a grid of `n_step` steps: arrivals and spikes happen at its points."""
    dt = duration / n_step
    pending = np.zeros((n_step + 1, n))
    for t, k in inputs:
        for source, j, w, d in feed:
            if source == k and t + d <= duration:
                pending[int(np.ceil((t + d) / dt - 1e-9)), j] += w
    v, i, spikes = np.zeros(n), pending[0].copy(), []
    for step in range(1, n_step + 1):
        v, i = state(v, i, dt, tau_m, tau_s)
        for j in np.flatnonzero(v >= threshold):
            v[j] = 0.0
            spikes.append((step * dt, int(j)))
            for source, target, w, d in recurrent:
                at = step + max(int(round(d / dt)), 1)
                if source == j and at <= n_step:
                    pending[at, target] += w
        i = i + pending[step]
    return spikes, v
