"""Simultaneous arrivals summed before the threshold test, and signed weights, against a plain loop over steps."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.engine import Engine
from neurodev.errors import ParameterError


def trains(net, until):
    caught = []
    engine = Engine(
        net, sink=lambda e, t, p, i: caught.extend(zip((e + t).tolist(), p.tolist(), i.tolist(), strict=True))
    )
    for p in net.populations.values():
        engine.record_trains(p.index, True)
    engine.run_until(until)
    return caught


def stepwise(flags, feed, back, leak, threshold):
    """A recurrent layer in steps: input of step t arrives at t + 1, feedback one step after the spike."""
    steps, n = flags.shape[0] + 1, feed.shape[1]
    v, last, out = np.zeros(n), np.zeros(n), []
    for t in range(steps):
        v = leak * v + (flags[t - 1] @ feed if t else 0) + last @ back
        last = (v >= threshold).astype(float)
        v = v * (1 - last)
        out += [(float(t), int(j)) for j in np.flatnonzero(last)]
    return out


@pytest.mark.parametrize("leak", [1.0, 0.8, 0.1])
def test_signed_recurrent_network_on_a_grid(leak):
    """Spikes of a recurrent network with weights of both signs equal those of the loop over steps."""
    draw = np.random.default_rng(5)
    flags = (draw.random((60, 12)) < 0.3).astype(np.uint8)
    feed = draw.normal(0.1, 0.5, (12, 9)).astype(np.float32)
    back = (draw.normal(0.0, 0.4, (9, 9)) * (1 - np.eye(9))).astype(np.float32)
    when, cell = np.nonzero(flags)
    net = nd.Network(together=True)
    a = net.add(nd.SpikeList(when.astype(float), cell), 12, name="a")
    tau = np.inf if leak == 1 else -1 / np.log(leak)
    b = net.add(nd.LIF(tau=tau, threshold=1.0, refractory=0.0), 9, name="b")
    for source, target, w in ((a, b, feed), (b, b, back)):
        i, j = np.nonzero(w)
        net.connect(source, target, nd.Pairs(i, j), weight=w[i, j], delay=1.0, signed=True)
    ours = sorted((t, i) for t, p, i in trains(net, 61.0) if p == 1)
    theirs = stepwise(flags, feed.astype(float), back.astype(float), leak, 1.0)
    assert len(theirs) > 40 and ours == theirs


def pair(together, weights, times):
    """One neuron, threshold 1, with an excitatory cell of two spikes and an inhibitory one."""
    net = nd.Network(together=together)
    e = net.add(nd.SpikeList(np.array(times), np.arange(len(times))), len(times), name="e")
    b = net.add(nd.LIF(tau=20.0, threshold=1.0, refractory=0.0), 1, name="b")
    net.connect(e, b, nd.AllToAll(), weight=np.array(weights), delay=1.0, signed=True)
    return [t for t, p, _ in trains(net, 10.0) if p == 1]


def test_only_the_sum_counts():
    """+1.5 and -1 at one instant: no spike, also one by one, inhibition first; 0.6 + 0.6 fires once, either way."""
    for together in (True, False):
        assert pair(together, [1.5, -1.0], [2.0, 2.0]) == [] == pair(together, [-1.0, 1.5], [2.0, 2.0])
    assert pair(True, [0.6, 0.6], [2.0, 2.0]) == [3.0] == pair(False, [0.6, 0.6], [2.0, 2.0])
    assert pair(True, [1.5, -1.0], [2.0, 2.0 + 1e-9]) == [3.0]
    # five times threshold at once is one spike, not several
    assert pair(True, [2.5, 2.5], [2.0, 2.0]) == [3.0] and pair(False, [2.5, 2.5], [2.0, 2.0]) == [3.0, 3.0]


@pytest.mark.compiled
@pytest.mark.parametrize(
    "cell", [{"drive": 25.0}, {"refractory": 0.0}, {"tau_excitatory": 5.0, "tau_inhibitory": 10.0}]
)
def test_without_ties_nothing_changes(cell):
    """In continuous time the option gives the same bytes: crossings, refractoriness and currents included."""
    out = []
    for together in (False, True):
        net = nd.Network(seed=3, together=together)
        a = net.add(nd.Poisson(60.0), 20, name="a")
        e = net.add(nd.LIF(**cell), 30, name="e")
        weight = 300.0 if "tau_excitatory" in cell else 5.0
        # feed-forward: neurons that fire at one arrival would send spikes of equal time
        net.connect(a, e, nd.Degree(8), weight=weight, delay=nd.Uniform(1, 3))
        net.background(e, nd.Background(rate_hz=300.0, weight=weight / 5))
        out.append(trains(net, 200.0))
    assert len(out[0]) > 300 and out[0] == out[1]


def test_signs():
    """Negative weights need signed=True, which spines do not take."""
    net = nd.Network()
    a, b = net.add(nd.Poisson(1.0), 2), net.add(nd.LIF(), 2)
    with pytest.raises(ParameterError, match="signed=True"):
        net.connect(a, b, nd.AllToAll(), weight=-1.0)
    with pytest.raises(ParameterError, match="sign of its source"):
        net.connect(a, b, nd.AllToAll(), spines=nd.Spines(), signed=True)
