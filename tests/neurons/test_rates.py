"""Poisson cells of changing rates: by the time-rescaling theorem their intervals are exponential of mean 1.

Papangelou's theorem as Brown et al. (2002, Neural Comput. 14:325) use it: the integral of the rate between spikes is
exponential with mean 1 and independent, whatever the rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import registry
from neurodev.errors import ParameterError, SimulationError
from neurodev.studies.development import build
from neurodev.studies.reading import load

CHUNKS, N = 40, 20
SPAN = CHUNKS * 1000.0


def spikes(drive: Any, n: int = N, chunks: int = CHUNKS, seed: int = 3) -> tuple[Any, Any]:
    source = drive.bind(n, np.zeros((n, 2)), seed, "alone")
    parts = [source.chunk(k) for k in range(chunks)]
    return np.concatenate([t + 1e3 * k for k, (t, _) in enumerate(parts)]), np.concatenate([i for _, i in parts])


def rescaled(times: Any, cells: Any, integral: Any) -> Any:
    """Intervals in rescaled time, of all cells; the first from time 0."""
    out = [np.diff(integral(np.sort(times[cells == j]), j), prepend=0.0) for j in range(N)]
    return np.concatenate(out)


def exponential(tau: Any) -> None:
    """Mean, mean square, share below the median and correlation of neighbours, each within 4 standard errors."""
    m = tau.size
    for seen, law, variance in (
        (tau.mean(), 1.0, 1.0), ((tau**2).mean(), 2.0, 20.0), ((tau < np.log(2)).mean(), 0.5, 0.25),
        (((tau[1:] - 1) * (tau[:-1] - 1)).mean(), 0.0, 1.0),
    ):  # fmt: skip
        assert abs(seen - law) < 4.0 * np.sqrt(variance / m), (seen, law, m)


def sine(mean: Any, swing: Any, hz: float, phase: Any) -> Any:
    """Integral of the rate from 0 to t (ms), in spikes."""
    turn = 2e-3 * np.pi * hz
    return lambda t, j: (mean * t + swing * (np.cos(phase) - np.cos(turn * t + phase)) / turn) / 1e3


@pytest.mark.parametrize("given", [(20.0, 15.0, 3.7, 0.4), (30.0, 30.0, 0.31, -1.0), (15.0, 0.0, 1.0, 0.0)])
def test_rescaled_intervals_of_a_sine_are_exponential(given: Any) -> None:
    exponential(rescaled(*spikes(nd.SinusoidalPoisson(*given)), sine(*given)))


def test_each_cell_has_its_own_sine() -> None:
    mean, phase = np.linspace(10.0, 30.0, N), np.linspace(0.0, 6.0, N)
    drive = nd.SinusoidalPoisson(rate_hz=mean, amplitude_hz=10.0, frequency_hz=2.3, phase=phase)
    exponential(rescaled(*spikes(drive), lambda t, j: sine(mean[j], 10.0, 2.3, phase[j])(t, j)))
    with pytest.raises(ParameterError, match="phase of 'alone' must be a number or have shape"):
        spikes(nd.SinusoidalPoisson(phase=[0.0, 1.0]))


def piecewise(table: Any, step: float, repeat: bool) -> Any:
    """Integral of samples that hold for `step` ms."""

    def integral(t: Any, j: int) -> Any:
        samples = table if table.ndim == 1 else table[:, j]
        laps = int(np.ceil(SPAN / (step * samples.size))) if repeat else 1
        whole = np.concatenate([[0.0], np.cumsum(np.tile(samples, laps))]) * step / 1e3
        return np.interp(t, np.arange(whole.size) * step, whole)

    return integral


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("step, size", [(0.3, 700), (170.0, 13), (2500.0, 16)])
def test_rescaled_intervals_of_samples_are_exponential(step: float, size: int, repeat: bool) -> None:
    table = np.random.default_rng(5).uniform(0.0, 60.0, size)
    table[::3] = 0.0
    times, cells = spikes(nd.InhomogeneousPoisson(table, step=step, repeat=repeat))
    assert repeat or times.max() < step * size
    exponential(rescaled(times, cells, piecewise(table, step, repeat)))
    at = np.floor(times / step).astype(int) % size
    assert np.all(table[at] > 0.0)


def test_samples_of_every_cell() -> None:
    table = np.random.default_rng(6).uniform(0.0, 40.0, (50, N))
    drive = nd.InhomogeneousPoisson(table, step=31.0, repeat=True)
    exponential(rescaled(*spikes(drive), piecewise(table, 31.0, True)))
    with pytest.raises(ParameterError, match=r"a column for each of 3 cells, got shape \(50, 20\)"):
        spikes(drive, n=3)


def ramp(t: Any) -> Any:
    return np.minimum(t / 1e3, 30.0)


def test_a_function_of_time_and_cell() -> None:
    drive = nd.InhomogeneousPoisson(lambda t, cell: ramp(t) * (1 + cell / N), bound_hz=60.0)
    grow = lambda t: np.where(t < 3e4, t**2 / 2e6, 450.0 + 30.0 * (t - 3e4) / 1e3)
    exponential(rescaled(*spikes(drive), lambda t, j: grow(t) * (1 + j / N)))


@pytest.mark.parametrize("drive", [
    nd.SinusoidalPoisson(), nd.InhomogeneousPoisson([5.0, 50.0], step=333.3), nd.InhomogeneousPoisson(ramp, bound_hz=30)
])  # fmt: skip
def test_a_chunk_is_a_function_of_seed_name_and_number(drive: Any) -> None:
    a, b = (drive.bind(4, np.zeros((4, 2)), 1, "x") for _ in range(2))
    for k in (7, 2, 7):
        for mine, theirs in zip(a.chunk(k), b.chunk(k), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    others = [drive.bind(4, np.zeros((4, 2)), *given).chunk(0)[0] for given in ((2, "x"), (1, "y"))]
    assert all(a.chunk(0)[0].tolist() != t.tolist() for t in others)


@pytest.mark.parametrize("kind, given", [
    (nd.SinusoidalPoisson, {"rate_hz": 20.0}), (nd.InhomogeneousPoisson, {"rate_hz": [20.0, 5.0], "repeat": True})
])  # fmt: skip
def test_one_train_for_all_cells_and_its_control(kind: Any, given: dict[str, Any]) -> None:
    alike = kind(**given, independent=False)
    times, cells = spikes(alike)
    assert all(times[cells == j].tolist() == times[cells == 0].tolist() for j in range(N))
    alone = nd.shuffled(alike)
    assert alone == kind(**given, independent=True) if kind is nd.SinusoidalPoisson else alone.independent
    times, cells = spikes(alone)
    assert times[cells == 1].tolist() != times[cells == 0].tolist()
    with pytest.raises(ParameterError, match="no correlations"):
        nd.shuffled(alone)
    with pytest.raises(ParameterError, match="independent=False is one train"):
        kind(rate_hz=[[10.0, 20.0]] if kind is nd.InhomogeneousPoisson else [10.0, 20.0], independent=False)


@pytest.mark.parametrize("f, said", [
    (lambda t: 0 * t + 31.0, r"bound_hz=30\] Hz, got 31 at"), (lambda t: -1.0, "got -1 at"),
    (lambda t: np.nan, "got nan at"), (lambda t: t[0, 0], "failed at .*IndexError"), (lambda t: "fast", "ValueError"),
    (lambda t: [1.0, 2.0], "failed at .*ValueError"),
])  # fmt: skip
def test_a_rate_that_is_none_ends_the_run(f: Any, said: str) -> None:
    net = nd.Network(seed=1)
    net.add(nd.InhomogeneousPoisson(f, bound_hz=30.0), 100, name="mine")
    net.add(nd.LIF(), 1)
    with pytest.raises(SimulationError, match=said):
        nd.Simulation(net, tick=5.0, acceleration=1.0).run(5.0)


@pytest.mark.parametrize("f, mean", [
    (lambda t: 10.0 + t / 100.0, 0.2 * 20.0 + 0.8 * 30.0),  # at its bound after two seconds, where the run ends
    (lambda t: np.array([10.0, 20.0])[(t // 1000).astype(int)], 30.0),  # made for two seconds only
    (lambda t: np.where(t < 2000.0, 10.0, np.nan), 0.2 * 10.0 + 0.8 * 30.0),
])  # fmt: skip
def test_a_rate_need_not_be_made_for_longer_than_its_run(f: Any, mean: float) -> None:
    drive = nd.InhomogeneousPoisson(f, bound_hz=30.0)
    net = nd.Network(seed=1)
    net.add(drive, 50, name="mine")
    net.add(nd.LIF(), 1)
    assert drive.mean_rate_hz() == pytest.approx(mean, rel=1e-3)
    run = nd.simulate(net, 2000.0, record="all", progress=False)
    times, _ = run.spikes("mine")
    assert abs(times.size / 50 - f(np.array([500.0]))[0] - f(np.array([1500.0]))[0]) < 4 * np.sqrt(40.0 / 50)


@pytest.mark.parametrize("wrong", [None, "fast", [], [[[1.0]]], [-1.0], [np.nan], [1e7], 5.0, [True], {1.0}, float, []])
def test_what_is_no_rate_is_refused(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"InhomogeneousPoisson\.rate_hz"):
        nd.InhomogeneousPoisson(wrong)


def test_bounds_go_with_functions() -> None:
    with pytest.raises(ParameterError, match="say bound_hz="):
        nd.InhomogeneousPoisson(ramp)
    with pytest.raises(ParameterError, match="bound_hz is for functions, got 5"):
        nd.InhomogeneousPoisson([1.0], bound_hz=5.0)
    with pytest.raises(ParameterError, match="amplitude_hz must not exceed"):
        nd.SinusoidalPoisson(5.0, 6.0)
    with pytest.raises(ParameterError, match="GiB"):
        nd.SinusoidalPoisson(1e6, 1e6).bind(10**9, np.zeros((0, 2)), 1, "many")


def test_a_study_names_rates_and_functions(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry.Beside, "folders", list(registry.Beside.folders))
    (tmp_path / "rates_mine.py").write_text("def beat(t):\n    return 20.0 * (t % 100.0 < 50.0)\n")
    (tmp_path / "s.toml").write_text(
        'seed = 1\n[population.sine]\nkind = "SinusoidalPoisson"\nn = 3\nfrequency_hz = "8 Hz"\n'
        '[population.steps]\nkind = "InhomogeneousPoisson"\nn = 2\nrate_hz = [[10, 20], [0, 5]]\nstep = "0.2 second"\n'
        'repeat = true\n[population.own]\nkind = "InhomogeneousPoisson"\nn = 2\nrate_hz = "rates_mine:beat"\n'
        'bound_hz = 20\n[population.exc]\nkind = "LIF"\nn = 1\n'
    )
    net = build(load(tmp_path / "s.toml"))
    sine, steps, own = (net.populations[k].model for k in ("sine", "steps", "own"))
    assert sine.frequency_hz == 8.0 and steps.step == 200.0 and steps.rate_hz.shape == (2, 2)
    assert [p.mean_rate_hz() for p in (sine, steps, own)] == [10.0, 8.75, 10.0]
    described = [p["model"] for p in net.describe()["populations"]]
    assert described[1]["rate_hz"] == [[10.0, 20.0], [0.0, 5.0]] and "beat" in described[2]["rate_hz"]
    assert described[2]["rate_hz"] != nd.InhomogeneousPoisson(ramp, bound_hz=1).described()["rate_hz"]
