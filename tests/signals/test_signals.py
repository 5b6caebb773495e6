"""Traces (EX-43 to EX-45) and rates."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.signals.rate import low_pass, rate_hz
from neurodev.signals.trace import autocovariance, frame, mean_and_variance, periodic, raised, trace_at


def sampled(rate: float, tau: float, saturating: bool, n: int, gap: float) -> np.ndarray:
    """A trace of a Poisson train every `gap` ms, by the rescaled recursion."""
    draw = np.random.default_rng(3)
    duration = n * gap
    events = np.sort(draw.uniform(0, duration, draw.poisson(rate * duration / 1e3)))
    times = np.concatenate([events, np.arange(1, n + 1) * gap])
    is_event = np.concatenate([np.ones(events.size, bool), np.zeros(n, bool)])
    order = np.argsort(times, kind="stable")
    x, base, out = 0.0, 0.0, []
    for t, event in zip(times[order], is_event[order], strict=True):
        if t - base > 40 * tau:
            x, base = x * np.exp(-(t - base) / tau), t
        g = frame(t, base, tau)
        if event:
            x = raised(x, g, saturating)
        else:
            out.append(x / g)
    return np.array(out[10:])


@pytest.mark.parametrize(("saturating", "mean", "square"), [(False, 0.4, 0.36), (True, 0.285714, 0.166667)])
def test_moments_under_poisson(saturating: bool, mean: float, square: float) -> None:  # EX-43, EX-44
    m, v = mean_and_variance(20.0, 20.0, saturating)
    assert m == pytest.approx(mean, abs=1e-6) and v + m**2 == pytest.approx(square, abs=1e-6)
    x = sampled(20.0, 20.0, saturating, 20_000, 200.0)  # samples ten tau apart are independent
    assert abs(x.mean() - m) < 4 * x.std() / np.sqrt(x.size)
    assert abs((x**2).mean() - square) < 4 * (x**2).std() / np.sqrt(x.size)


def test_autocovariance() -> None:  # EX-43
    x = sampled(20.0, 20.0, False, 40_000, 20.0)
    a, b = x[:-1:8] - 0.4, x[1::8][: x[:-1:8].size] - 0.4  # pairs one tau apart, eight tau between pairs
    n = min(a.size, b.size)
    product = a[:n] * b[:n]
    assert float(autocovariance(20.0, 20.0, 20.0)) == pytest.approx(0.2 * np.exp(-1))
    assert abs(product.mean() - 0.2 * np.exp(-1)) < 4 * product.std() / np.sqrt(n)


def test_periodic_train() -> None:  # EX-45
    before, mean = periodic(50.0, 20.0)
    assert before == pytest.approx(0.0894255, abs=1e-7) and mean == pytest.approx(0.4, rel=1e-12)
    events = np.arange(0, 4000, 50.0)
    assert trace_at(events, 3950.0, 20.0)[0] == pytest.approx(before, rel=1e-12)
    # between two events the trace is (1 + before) e^{-t/tau}: its mean in closed form
    assert (1 + before) * 20.0 * -np.expm1(-50 / 20) / 50 == pytest.approx(mean, rel=1e-12)


def test_rescaled_traces_survive_a_move_of_their_base() -> None:
    events, tau = np.sort(np.random.default_rng(1).uniform(0, 5000, 300)), 20.0
    for saturating in (False, True):
        for span in (2.0, 30.0):
            x, base = 0.0, 0.0
            for t in events:
                if (t - base) / tau > span:
                    x, base = x * np.exp(-(t - base) / tau), t
                x = raised(x, frame(t, base, tau), saturating)
            expected = trace_at(events, 5000.0, tau, saturating)[0]
            assert x / frame(5000.0, base, tau) == pytest.approx(expected, rel=1e-12)


def test_a_trace_excludes_its_own_time() -> None:
    assert trace_at(np.array([5.0]), np.array([5.0, 5.0 + 20 * np.log(2)]), 20.0) == pytest.approx([0.0, 0.5])
    assert trace_at(np.array([]), 3.0, 20.0) == pytest.approx([0.0])


def test_rates() -> None:
    assert rate_hz(np.array([0, 30]), 6e4) == pytest.approx([0.0, 0.5])
    r = np.array([1.0, 2.0])
    one = low_pass(r, np.array([3.0, 0.0]), 4.0, 10.0)
    two = low_pass(low_pass(r, np.array([3.0, 0.0]), 1.0, 10.0), np.array([3.0, 0.0]), 3.0, 10.0)
    assert one == pytest.approx(two, rel=1e-13)
    assert one == pytest.approx([3 - 2 * np.exp(-0.4), 2 * np.exp(-0.4)])
    assert low_pass(r, np.array([7.0, 8.0]), 1.0, 0.0) == pytest.approx([7.0, 8.0])
