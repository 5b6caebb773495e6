"""The model of many ranks on paper: its sums, and that what it counts is what is there."""

from __future__ import annotations

import pytest

import neurodev as nd
from analysis.ranks import PLASTIC, STATIC, Alone, Costs, Large, Watched, brunel, fed, predicted, speaking, timed
from neurodev.engine.simulator import Simulator


def test_the_sums():
    c = Costs(event=1e-9, plastic=4e-9, drawn=0.0, arrival=5e-8, told=1e-7, window=0.0, message=1e-5, bandwidth=1e9)
    said = predicted(Large(), c)
    assert said["spikes_a_window"] == pytest.approx(7500.0) and said["kb_a_window"] == pytest.approx(120.0)
    assert said["events"] == pytest.approx(5e6 * 1e4 / 64 * 1e-9)
    assert said["arrivals"] == pytest.approx(5e6 * 15 * 5e-8)
    assert said["windows"] == pytest.approx(1e3 / 1.5 * (1e-5 + 120e3 / 1e9))
    assert said["seconds"] == pytest.approx(sum(said[k] for k in ("events", "arrivals", "spikes", "windows")))
    twice = predicted(Large(ranks=128), c)
    assert twice["events"] == said["events"] / 2 and twice["arrivals"] == said["arrivals"]
    assert predicted(Large(plastic=True), c)["events"] == pytest.approx(4 * said["events"])
    assert predicted(Large(ranks=1), c)["windows"] == 0.0


def test_a_synapse_takes_what_the_model_says():
    """Rows apart, of which there are few here."""
    net = brunel(400, plastic=True)
    e = net.populations["e"]
    net.connect(e, e, nd.Degree(40), weight=nd.UniformWeights(0.1, 0.2), delay=1.5, name="many")
    sim = Simulator(net, ranks=Watched(Alone(), split=True))
    rows = 16.0 * 400
    for name, bytes_of_one in (("e_e", PLASTIC), ("many", STATIC)):
        t = sim.tables[name]
        assert (t.memory() * t.n_synapse - rows) / t.n_synapse == pytest.approx(bytes_of_one, rel=0.12)


def test_what_is_counted_is_what_happened():
    net = fed(50, 20, 5, 3)
    said = timed(net, 0.1)
    assert said["messages"] <= 3 and timed(speaking(), 0.1)["messages"] >= 100 / 1.5
    assert said["events"] == pytest.approx(said["spikes"] * 2.0, rel=0.2)
    assert 0.0 < said["work"] < 10.0 and said["waited"] < 10.0
