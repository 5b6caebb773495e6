"""What neuron models are compared with: an adaptive integration by SciPy between events, and a linear cell on a grid.

Neither shares code with the package.  A cell is a state (V first), the flow of it, what an input and a spike do to it.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq

import neurodev as nd
from neurodev.engine.simulator import Simulator


@dataclass
class Cell:
    """A neuron in the words of its equations; `over` is >= 0 where it fires, `held` follows where V stands still."""

    start: Any
    flow: Any  # f(t, x) -> dx/dt
    jump: Any  # f(x, weight, held) -> x
    over: Any  # f(x) -> mV above threshold
    after: Any  # f(x) -> x, at a spike
    refractory: float = 0.0
    up: bool = False  # spikes are upward crossings only, and V goes on


def trains(sim, names=("cells",)):
    """Spikes of some populations as they come: a list of (time, population, cell)."""
    out = []
    sim.engine.sink = lambda epoch, t, p, i: out.extend(zip((epoch + t).tolist(), p.tolist(), i.tolist(), strict=True))
    for name in names:
        sim.engine.record_trains(sim.network.populations[name].index, True)
    return out


def driven(model, arrivals, n=1, delay=1.0):
    """`n` neurons that receive (time, weight) `arrivals` through synapses."""
    net = nd.Network(seed=1)
    cells = net.add(model, n, name="cells")
    for inhibitory in (False, True):
        mine = [(t, w) for t, w in arrivals if (w < 0) == inhibitory]
        for k, (t, w) in enumerate(mine):
            source = net.add(nd.SpikeList([t - delay], [0]), 1, name=f"s{int(inhibitory)}{k}", inhibitory=inhibitory)
            net.connect(source, cells, nd.AllToAll(), weight=abs(w), delay=delay)
    return Simulator(net)


def spikes_of(model, arrivals, until):
    """Spike times of one neuron, and the potential at the end."""
    sim = driven(model, arrivals)
    found = trains(sim)
    sim.run_until_spike(until)
    return np.array([t for t, _, _ in found]), float(sim.engine.potential("cells")[0])


def integrate(cell, arrivals, until, breaks=()):
    """Spike times and the state at the end, integrated between events with rtol = atol = 1e-12."""
    t, x, spikes, free_at, above = 0.0, np.array(cell.start, float), [], -1.0, False
    hit = lambda t, x: cell.over(x)
    hit.terminal, hit.direction = True, 1.0

    def fire():
        nonlocal x, free_at, above
        spikes.append(t)
        x = np.array(cell.after(x), float)
        free_at, above = t + cell.refractory, cell.up

    for when, weight in sorted([*arrivals, *((b, None) for b in breaks)], key=lambda a: (a[0], a[1] or 0.0)) + [
        (until, None)
    ]:
        while t < when:
            held = t < free_at
            stop = min(when, free_at) if held else when
            flow = (lambda t, x: np.concatenate([[0.0], cell.flow(t, x)[1:]])) if held else cell.flow
            middle = np.nextafter(stop, t)  # a drive that changes at `stop` has not changed yet
            f = lambda t, x, flow=flow, middle=middle: flow(min(t, middle), x)
            done = solve_ivp(f, (t, stop), x, rtol=1e-12, atol=1e-12, events=None if held else hit, method="DOP853")
            assert done.status >= 0 and done.t[-1] > t, done.message
            t, x = done.t[-1], done.y[:, -1]
            if not held and done.t_events[0].size:
                fire()
            elif not held and cell.over(x) < 0:
                above = False
        if weight is not None:
            x = np.array(cell.jump(x, weight, t < free_at), float)
            later = any(a == t and w is not None and (a, w) > (when, weight) for a, w in arrivals)
            if not later and t >= free_at and not above and cell.over(x) >= 0:
                fire()
    return np.array(spikes), x


@dataclass
class Linear:
    """The obvious way for a linear cell, dx/dt = A x + b: exponentials of the whole matrix, crossings on a grid."""

    cell: Cell
    matrix: Any
    constant: Any
    grid: float = 0.02
    kept: dict = field(default_factory=dict)

    def ahead(self, x, s, held):
        n = len(x)
        whole = np.zeros((n + 1, n + 1))
        whole[:n, :n], whole[:n, n] = self.matrix, self.constant
        if held:
            whole[0] = 0.0
        if s == self.grid and held not in self.kept:
            self.kept[held] = expm(whole * s)
        return ((self.kept[held] if s == self.grid else expm(whole * s)) @ np.append(x, 1.0))[:n]

    def run(self, arrivals, until):
        """Spike times, and the state at the end."""
        t, x, free_at, spikes = 0.0, np.array(self.cell.start, float), -1.0, []
        for when, weight in [*sorted(arrivals), (until, None)]:
            while t < when:
                held = t < free_at
                s = min(self.grid, (free_at if held else when) - t, when - t)
                y = self.ahead(x, s, held)
                if not held and self.cell.over(y) >= 0:
                    s = brentq(lambda s, x=x: self.cell.over(self.ahead(x, s, False)), 0.0, s, xtol=1e-13)
                    t += s
                    x = np.array(self.cell.after(self.ahead(x, s, False)), float)
                    spikes.append(t)
                    free_at = t + self.cell.refractory
                    continue
                t, x = (free_at if held and t + s >= free_at else when if t + s >= when else t + s), y
            if weight is not None:
                x = np.array(self.cell.jump(x, weight, t < free_at), float)
        return np.array(spikes), x


def naive(cell, arrivals, until, h=0.002):
    """Steps of Runge and Kutta's fourth order as in a textbook, crossings by a straight line: near, not exact."""
    t, x, free_at, spikes, queue = 0.0, np.array(cell.start, float), -1.0, [], sorted(arrivals)
    for k in range(round(until / h)):
        while queue and queue[0][0] <= t + 1e-9:
            x = cell.jump(x, queue.pop(0)[1], t < free_at)
        a = cell.flow(t, x)
        b = cell.flow(t + 0.5 * h, x + 0.5 * h * a)
        c = cell.flow(t + 0.5 * h, x + 0.5 * h * b)
        d = cell.flow(t + h, x + h * c)
        new = x + h * (a + 2 * b + 2 * c + d) / 6
        before, after = cell.over(x), cell.over(new)
        if t < free_at:
            new[0] = x[0]
        elif before < 0 <= after or (after >= 0 and not cell.up):
            spikes.append(t - h * before / (after - before))
            new, free_at = np.array(cell.after(new), float), t + cell.refractory
        t, x = (k + 1) * h, new
    return np.array(spikes), x
