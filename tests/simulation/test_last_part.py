"""What happens after the last whole tick is recorded too, also in a run shorter than a tick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.plot.activity import train
from neurodev.plot.style import new_figure
from neurodev.units import day, hour


def recorded(to: Path, pieces: list[float], tick: float = 2 * hour, record: str = "all", acceleration: float = 1e4):
    """A run in pieces (ms of life), of cells that fire regularly and by chance."""
    net = nd.Network(seed=1)
    net.add(nd.LIF(drive=25.0), 3, name="steady")
    net.add(nd.Poisson(30.0), 5, name="chance")
    sim = nd.Simulation(net, acceleration=acceleration, tick=tick, to=to, record=record)
    for length in pieces:
        sim.run(length)
    return sim.close()


@pytest.mark.parametrize("ticks", [[0.3], [1.0], [2.6], [0.3, 0.2], [1.2, 1.8], [0.7, 0.4]])
def test_every_spike_is_counted_and_lies_in_a_window(tmp_path: Path, ticks: list[float]) -> None:
    """Counts, windows and trains tell of the same spikes, up to the end of the run."""
    run = recorded(tmp_path / "a.sqlite", [2 * hour * k for k in ticks])
    end = sum(ticks) * run.tick_spike
    rows = int(np.ceil(sum(ticks) - 1e-9))
    assert run.n_tick == int(sum(ticks) + 1e-9)
    for name in ("steady", "chance"):
        counts, windows, (t, i) = run.counts(name), run.count_windows(name), run.spikes(name)
        assert counts.shape[0] == len(windows) == rows
        assert counts.sum() == t.size > 0
        assert windows[0, 0] == 0.0 and windows[-1, 1] == pytest.approx(end, rel=1e-12)
        assert (windows[1:, 0] == windows[:-1, 1]).all() and t.max() < windows[-1, 1]
        for row, (begin, until) in zip(counts, windows, strict=True):
            here = (t >= begin) & (t < until)
            assert np.bincount(i[here], minlength=row.size).tolist() == row.tolist()
        np.testing.assert_array_equal(run.spike_windows(name), windows)


def test_rates_of_a_run_that_ends_within_a_day(tmp_path: Path) -> None:
    """Spikes over time, whatever part of a day the last row is of; verdicts go by whole days."""
    for days in (0.01, 0.5, 2.0, 2.3, 2.31):
        run = recorded(tmp_path / f"{days}.sqlite", [days * day])
        hz, counts = run.rates("steady"), run.counts("steady")
        assert hz.shape[0] == int(np.ceil(days))
        last = days - int(days) or 1.0
        t, _ = run.spikes("steady")
        late = np.count_nonzero(t >= (days - last) * day / 1e4)
        assert hz[-1].mean() == pytest.approx(late / 3 / (last * day / 1e7), rel=1e-9)
        assert counts.sum() == t.size


def test_only_the_first_tick_of_a_day_is_kept_spike_by_spike(tmp_path: Path) -> None:
    """The open tick has a window where its trains were wanted, and none where not."""
    for ticks, windows in ((0.5, 1), (1.5, 1), (12.5, 2), (13.5, 2)):
        run = recorded(tmp_path / f"{ticks}.sqlite", [ticks * 2 * hour], record="daily")
        seen, (t, _) = run.spike_windows("chance"), run.spikes("chance")
        assert len(seen) == windows
        assert ((t[:, None] >= seen[:, 0]) & (t[:, None] < seen[:, 1])).any(axis=1).all()
    assert len(recorded(tmp_path / "none.sqlite", [hour], record="none").spike_windows("chance")) == 0


def test_a_raster_of_a_run_shorter_than_a_tick(tmp_path: Path) -> None:
    """It shows the spikes, all of them."""
    run = recorded(tmp_path / "a.sqlite", [0.2 * hour])
    ax = new_figure(4, 3).subplots()
    train(ax, run, 0.0)
    shown = sum(line.get_xdata().size for line in ax.lines if len(line.get_xdata()) > 2)
    assert shown == run.counts("steady").sum() + run.counts("chance").sum() > 0


def test_a_run_that_stops_within_a_tick_keeps_what_it_had(tmp_path: Path) -> None:
    """Also the counts of the tick that a runaway ends."""
    net = nd.Network(seed=1)
    s, e = net.add(nd.Poisson(50.0), 10, name="s"), net.add(nd.LIF(), 10, name="e")
    net.connect(s, e, nd.AllToAll(), weight=9.0)
    sim = nd.Simulation(net, tick=1000.0, to=tmp_path / "a.sqlite", record="all", events_per_tick=3000)
    with pytest.raises(nd.errors.SimulationError, match="budget"):
        sim.run(5000.0)
    run = nd.Run(tmp_path / "a.sqlite")
    assert run.n_tick == 0 and run.counts("e").shape[0] == 1
    assert run.counts("e").sum() == run.spikes("e")[0].size > 10
    assert 0 < run.count_windows("e")[0, 1] < 1000.0
