"""SetRate: from its moment on the background of one population has another rate, and nothing else changes.

Every event of these backgrounds fires its cell (25 mV onto a threshold of 20, no refractoriness): spikes count events.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.errors import BuildError, ParameterError

N, LENGTH = 40, 1000.0


def net(*, spread: bool = False) -> nd.Network:
    """Two unconnected populations; with `spread` a third, whose cells have a rate each, is described before them."""
    network = nd.Network(seed=11)
    if spread:
        mixed = network.add(nd.LIF(refractory=0.0), 3, name="mixed")
        network.background(mixed, nd.Background(rate_hz=np.array([50.0, 60.0, 70.0]), weight=25.0))
    for name in ("still", "changed"):
        p = network.add(nd.LIF(refractory=0.0), N, name=name)
        network.background(p, nd.Background(rate_hz=100.0, weight=25.0))
    return network


def trains(to: Path, rate_hz: float | None = None, **more: bool) -> nd.Run:
    """A second at 100 Hz, and one at the new rate."""
    sim = nd.Simulation(net(**more), to=to, record="all")
    if rate_hz is not None:
        sim.at(LENGTH, nd.SetRate("changed", rate_hz), clock="spike")
    return sim.run(2 * LENGTH).close()


def counts(run: nd.Run, name: str) -> tuple[int, int]:
    """Spikes before and after the change."""
    t, _ = run.spikes(name)
    return int((t < LENGTH).sum()), int((t >= LENGTH).sum())


@pytest.mark.parametrize("rate_hz", [0.0, 20.0, 300.0])
def test_the_rate_is_the_new_one_from_its_moment_on(tmp_path: Path, rate_hz: float) -> None:
    run, plain = trains(tmp_path / "a.sqlite", rate_hz), trains(tmp_path / "b.sqlite")
    before, after = counts(run, "changed")
    assert abs(before - 100 * N) < 5 * np.sqrt(100 * N)
    assert abs(after - rate_hz * N) <= 5 * np.sqrt(rate_hz * N)
    (t, i), (u, k) = run.spikes("changed"), plain.spikes("changed")
    early = u < LENGTH
    assert t[t < LENGTH].tobytes() == u[early].tobytes() and i[t < LENGTH].tobytes() == k[early].tobytes()
    for ours, theirs in zip(run.spikes("still"), plain.spikes("still"), strict=True):
        assert ours.size and ours.tobytes() == theirs.tobytes()


def test_behind_a_background_of_many_rates(tmp_path: Path) -> None:
    """The population named, not the stream at the same place: one of many rates, described before, keeps them."""
    run, plain = trains(tmp_path / "a.sqlite", 300.0, spread=True), trains(tmp_path / "b.sqlite", spread=True)
    assert abs(counts(run, "changed")[1] - 300 * N) < 5 * np.sqrt(300 * N)
    for ours, theirs in zip(run.spikes("mixed"), plain.spikes("mixed"), strict=True):
        assert ours.size and ours.tobytes() == theirs.tobytes()


def test_a_background_may_begin_at_rest_stop_and_begin_again(tmp_path: Path) -> None:
    """Whole, or for some of its cells; every background of the population; with currents too, and over epochs."""
    network = nd.Network(seed=3)
    cells = {"some": nd.LIF(refractory=0.0), "none": nd.LIF(refractory=0.0), "slow": nd.LIF(tau=30.0, refractory=0.0)}
    for name, cell in cells.items():
        p = network.add(cell, N, name=name)
        rates = np.where(np.arange(N) % 2, 100.0, 0.0) if name == "some" else 0.0
        network.background(p, nd.Background(rate_hz=rates, weight=35.0))
    network.background(p, nd.Background(rate_hz=0.0, weight=35.0, amplitudes="exponential"))
    sim = nd.Simulation(network, to=tmp_path / "a.sqlite", record="all")
    for when, rate in ((9000.0, 100.0), (10_000.0, 0.0), (11_000.0, 50.0)):
        for name in cells:
            sim.at(when, nd.SetRate(name, rate), clock="spike")
    run = sim.run(12_000.0).close()
    for name in cells:
        t, i = run.spikes(name)
        rest, on, off, again = (np.count_nonzero((t >= a) & (t < b)) for a, b in zip(EDGES, EDGES[1:], strict=False))
        assert off == 0 and on > 0.9 * 100 * N and again > 0.8 * 50 * N
        assert rest == 0 if name != "some" else set(i[t < 9000.0].tolist()) == set(range(1, N, 2))


EDGES = (0.0, 9000.0, 10_000.0, 11_000.0, 12_000.0)


def test_what_cannot_be_done_is_refused_at_the_door(tmp_path: Path) -> None:
    network = net(spread=True)
    network.add(nd.LIF(), 2, name="alone")
    sim = nd.Simulation(network, to=tmp_path / "a.sqlite")
    for what, error, match in (
        (nd.SetRate("changed", -1.0), ParameterError, r"must lie in \[0, 1e.08\] Hz, got -1.0; .*Silence"),
        (nd.SetRate("changed", float("nan")), ParameterError, r"must lie in \[0, 1e.08\] Hz, got nan"),
        (nd.SetRate("changed", 1e18), ParameterError, r"must lie in \[0, 1e.08\] Hz, got 1e.18"),
        (nd.SetRate("alone", 5.0), BuildError, "'alone' has no background"),
        (nd.SetRate("chnged", 5.0), BuildError, "did you mean 'changed'"),
    ):
        with pytest.raises(error, match=match):
            sim.at(5.0, what)
    sim.close()


def test_the_run_file_tells_it(tmp_path: Path) -> None:
    run = trains(tmp_path / "a.sqlite", 300.0)
    assert any("SetRate" in line and "300" in line for line in run.file.item("interventions"))
