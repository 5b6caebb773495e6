"""A prototype of background in bulk, to see that the signature of neuron models carries it.

For every neuron and window: all inputs of the window at once where a bound says that it cannot cross, else one after
the other in order of time.  The rule `absorb` does the former for exponential currents; the loop will do so later.
"""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.jit import address, address_of_hook, model_rule, view_f8
from neurodev.neurons.channels import ANCHORED, INVERSE, RATES, THRESHOLD, R, channels_in_u, place
from neurodev.neurons.model import call
from neurodev.neurons.rules import cells_of, classes_of, frame, is_free, kinds_of, membranes_of

WINDOW = 1.0


@model_rule
def absorb(m, i, n, where, weight, end):
    """Add `n` inputs of `weight` at the times in the array at `where`; 1, and nothing changed, if it might cross."""
    c, cell, u = classes_of(m)[kinds_of(m)[i]], cells_of(m)[i], membranes_of(m)
    times, start = view_f8(where, n), end - WINDOW
    if not is_free(m, i):
        return 1  # it may come free within the window, and then only later inputs move its membrane
    dt = start - frame(m)
    v = np.exp(-c[R] * dt) * (u[i] + channels_in_u(m, i, 2, start))
    flow = max(cell[1] * np.exp(-c[RATES] * dt), 0.0) + max(cell[2] * np.exp(-c[RATES + 1] * dt), 0.0)
    if max(v, v * np.exp(-c[R] * WINDOW)) + WINDOW * (flow + n * weight * c[INVERSE]) >= c[THRESHOLD]:
        return 1
    for k in range(n):
        dt = times[k] - frame(m)
        change = weight * c[INVERSE] * np.exp(dt * c[RATES])
        cell[1] += change
        u[i] -= change * place(c[ANCHORED], c[RATES] - c[R], dt)
    return 0


def cell(tau_excitatory):
    net = nd.Network(seed=1)
    net.add(nd.LIF(tau=20, threshold=15, tau_excitatory=tau_excitatory, tau_inhibitory=8.0, refractory=2.0), 1)
    sim = Simulator(net)
    spikes = []
    sim.engine.sink = lambda epoch, t, p, i: spikes.extend((epoch + t).tolist())
    sim.engine.record_trains(0, True)
    return sim, spikes


@pytest.mark.parametrize("tau_excitatory", [5.0, 20.0])
def test_windows_at_once_equal_events_in_order(tau_excitatory):
    """The same spikes to 1e-9 ms and potentials to 1e-12 relative, most windows absorbed whole."""
    draw, weight = np.random.default_rng(3), 300.0 / tau_excitatory
    one, spikes_one = cell(tau_excitatory)
    two, spikes_two = cell(tau_excitatory)
    rule = address_of_hook(absorb)
    whole = 0
    for w in range(400):
        start, end = w * WINDOW, (w + 1) * WINDOW
        times = np.sort(draw.uniform(start, end, draw.poisson(3.0)))
        for sim in (one, two):
            sim.run_until_spike(start)
        for sim, bulk in ((one, False), (two, True)):
            cells = sim.engine.cells[0]
            kick = address_of_hook(cells.rules.kick)
            if bulk:
                if call(rule, address(cells.record), 0, times.size, address(times), weight, end) == 0:
                    whole += 1
                    continue
            for t in times:
                sim.run_until_spike(t)
                call(kick, address(cells.record), 0, 0, 0, weight, float(t))
    for sim in (one, two):
        sim.run_until_spike(400.0)
        sim.engine.flush_spikes()
    assert len(spikes_one) > 20 and 100 < whole < 400
    np.testing.assert_allclose(spikes_two, spikes_one, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.engine.potential("exc"), one.engine.potential("exc"), rtol=1e-10)
