"""Time far from zero: nothing loses its digits, no loop waits for a time that a float64 cannot hold."""

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator
from neurodev.errors import ParameterError
from neurodev.neurons.listed import Regular
from neurodev.units import day, slack


def run(start, stops, tick):
    net = nd.Network(seed=1)
    s = net.add(nd.SpikeList([0.1, 7.3, 7.9, 1234.5678, 9000.25], [0, 1, 0, 1, 0]), 2, name="s")
    e = net.add(nd.LIF(drive=21.0), 2, name="e")
    net.connect(s, e, nd.AllToAll(), weight=7.0, delay=1.7)
    sim, out = Simulator(net, start=start, tick=tick), []
    sim.engine.record_trains(1, True)
    sim.engine.sink = lambda epoch, t, p, i: out.append((epoch - start) + t)
    for stop in stops:
        sim.run_until_spike(stop)
        assert sim.spike == stop
    return sim, np.concatenate(out)


@pytest.mark.parametrize("start", [1e8, 1e8 + 0.1, 30 * day + 1 / 3, -5.5])
def test_a_late_start_ends_and_costs_no_digit(start):
    """The same spikes since the start, and as many ticks, however the run is cut."""
    cuts = (0.7, 0.7 + 1e-6, 9.0, 8192.3, 10_000.0)
    sim, late = run(start, cuts, tick=9.1)
    here, early = run(0.0, [10_000.0], tick=9.1)
    assert sim.n_tick == here.n_tick == 1098
    assert early.size > 100
    # where the start itself has digits below a float64's at 1e9 ms, they are those of `start`
    np.testing.assert_allclose(late, early, rtol=0, atol=1e-9 + np.spacing(abs(start)))


def test_a_simulation_from_a_late_start(tmp_path):
    """`Simulation` too: a run of three and a half ticks, in two parts, with a probe and an intervention."""
    net = nd.Network(seed=1)
    e = net.add(nd.LIF(drive=21.0), 2)
    sim = nd.Simulation(net, start=1e8 + 0.1, tick=0.1, to=tmp_path / "a.sqlite")
    v = sim.probe(e, "V", every=0.05)
    sim.at(0.2, nd.Silence(e), clock="spike").run(0.15).run(0.2)
    assert sim.spike == pytest.approx(0.35, abs=1e-12) and sim.simulator.n_tick == 3 and v.times.size == 7


@pytest.mark.parametrize("start", [float("nan"), float("inf"), 1e12, "0", True])
def test_a_start_beyond_the_grid_is_refused(start):
    net = nd.Network(seed=1)
    net.add(nd.LIF(), 1)
    with pytest.raises(ParameterError, match="start must be a (spike time in ms|finite number of ms|number in ms)"):
        Simulator(net, start=start)


def test_slack_grows_with_time():
    """Sums of times that should be equal are: near zero to a nanosecond, later to a few roundings."""
    assert slack(0.0) == slack(1e5) == 1e-9
    for tick in (0.1, 7200.0 / 7, 1e3 / 3):
        for n in (10**6, 10**9):
            assert abs((n * tick + tick) - (n + 1) * tick) < slack(n * tick) < 1e-12 * n * tick + 1e-8


@pytest.mark.parametrize("interval", [0.1, 1 / 3, 7.0, 1000.0])
def test_a_regular_train_loses_no_spike_late_in_life(interval):
    """Chunks late in a run join without a gap and without a spike twice, whatever the division gives there."""
    source = Regular(interval=interval).bind(1, np.zeros((1, 2)), 0, "r")
    for first in (0, 10**7, 10**9):
        t = np.concatenate([k * source.period + source.chunk(k)[0] for k in range(first, first + 12)])
        assert abs(t.size - 12e3 / interval) <= 1
        assert np.abs(np.diff(t) / interval - 1.0).max() < 16 * np.spacing(t[-1]) / interval + 1e-9
