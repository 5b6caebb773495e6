"""The hooks of STDP against brute-force sums over all pairs of events, with delays."""

from __future__ import annotations

import numpy as np
import pytest

from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.stdp import STDP, window
from neurodev.signals.trace import trace_at
from neurodev.structure.table import Table
from tests.mechanisms.drivers import Trains, pairs_table

RULES = ("pair", "nearest", "triplet", "burst")
DELAYS = [0.0, 1.5, 5.0]


def terms(rule: STDP, arrivals: np.ndarray, spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change at every arrival and at every spike, each from sums over all events before it.

    A spike sees arrivals up to its own time (nudged by the smallest step), an arrival only earlier spikes.
    """
    after = np.nextafter(spikes, np.inf)
    if rule.rule == "burst":
        tau, loss = rule.burst_tau, rule.value("burst_loss")
        at_arrival = rule.burst_gain * trace_at(spikes, arrivals, tau) - loss
        return at_arrival, rule.burst_gain * trace_at(arrivals, after, tau) - loss
    saturating = rule.rule == "nearest"
    y = trace_at(spikes, arrivals, rule.value("tau_minus"), saturating)
    x = trace_at(arrivals, after, rule.value("tau_plus"), saturating)
    down, up = rule.value("depression"), rule.value("potentiation")
    if rule.rule == "triplet":
        down = down + rule.triplet_depression * trace_at(arrivals, arrivals, rule.tau_x)
        up = up + rule.triplet_potentiation * trace_at(spikes, spikes, rule.tau_y)
    return -down * y, up * x


def trains(seed: int, n: int, size: int = 60, duration: float = 900.0) -> list[np.ndarray]:
    """Random trains on a grid of 0.5 ms, so that arrivals and spikes often coincide."""
    draw = np.random.default_rng(seed)
    return [np.unique(np.round(draw.uniform(0, duration, size) * 2) / 2) for _ in range(n)]


def each_synapse(table: Table):
    for s in table.slots():
        source, lane = int(table.row[s]) % table.n_source, int(table.row[s]) // table.n_source
        yield s, source, int(table.post[s]), table.delays[lane]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("span", [50.0, 2.0])
def test_evidence_equals_the_sum_over_pairs(rule: str, span: float) -> None:
    m, table = STDP(rule), pairs_table(3, 4, DELAYS)
    emissions, spikes = trains(1, 3), trains(2, 4)
    Trains(m, table, span).run(emissions, spikes)
    a = table.column("accumulator")
    for s, i, j, delay in each_synapse(table):
        at_arrival, at_spike = terms(m, emissions[i] + delay, spikes[j])
        expected = at_arrival.sum() + at_spike.sum()
        size = np.abs(at_arrival).sum() + np.abs(at_spike).sum()
        assert abs(a[s] - expected) < 1e-12 * size


def bounded(m: STDP, w: float, dw: float) -> float:
    top = m.weight_max
    if m.bounds == "hard":
        w += top * dw
    elif m.bounds == "multiplicative":
        w += top * dw if dw > 0 else w * dw
    else:
        r = min(w / top, 1.0)
        w += top * dw * ((1 - r) ** m.power if dw > 0 else r**m.power)
    return min(max(w, 0.0), top)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bounds", ["hard", "multiplicative", "power"])
def test_weights_follow_the_events_one_by_one(rule: str, bounds: str) -> None:
    scale = {"burst": dict(burst_gain=2e-3), "triplet": dict(triplet_potentiation=2e-2)}.get(
        rule, dict(potentiation=0.02, depression=0.03)
    )
    m = STDP(rule, bounds=bounds, weight_max=0.8, power=0.5, **scale)
    table = pairs_table(2, 3, DELAYS, columns=())
    emissions, spikes = trains(3, 2), trains(4, 3)
    Trains(m, table).run(emissions, spikes)
    moved = 0
    for s, i, j, delay in each_synapse(table):
        arrivals = emissions[i] + delay
        at_arrival, at_spike = terms(m, arrivals, spikes[j])
        time = np.concatenate([arrivals, spikes[j]])
        order = np.argsort(time, kind="stable")  # arrivals first at equal times
        w = 0.5
        for dw in np.concatenate([at_arrival, at_spike])[order]:
            w = bounded(m, w, dw)
        assert table.weight[s] == pytest.approx(w, rel=1e-11, abs=1e-13)
        assert 0.0 <= table.weight[s] <= 0.8
        moved += abs(w - 0.5) > 1e-3
    assert moved > 10


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dt", [-60.0, -5.0, -0.25, 0.0, 0.25, 5.0, 60.0])
@pytest.mark.parametrize("delay", DELAYS)
def test_a_single_pair_gives_the_window(rule: str, dt: float, delay: float) -> None:  # EX-49
    m, table = STDP(rule), pairs_table(1, 1, [delay])
    Trains(m, table).run([np.array([100.0])], [np.array([100.0 + delay + dt])])
    value = table.column("accumulator")[table.slots()[0]]
    scale = m.burst_gain if rule == "burst" else m.value("depression")
    # time differences are exact to 1e-14 of 100 ms
    assert value == pytest.approx(float(window(m, dt)), abs=1e-12 * max(scale, 1.0), rel=1e-12)


def test_reading_the_trace_at_emission_would_be_wrong() -> None:
    """A spike between emission and arrival depresses; seen from the emission it would potentiate."""
    m, table = STDP("pair"), pairs_table(1, 1, [5.0])
    Trains(m, table).run([np.array([100.0])], [np.array([103.0])])
    assert table.column("accumulator")[table.slots()[0]] == pytest.approx(-m.value("depression") * np.exp(-2 / 20))


def test_minus_and_plus_infinity_of_time_agree() -> None:
    """Shifted by 30 days, with the bases moving on, the same sums come out to rounding of the times."""
    a, b = (pairs_table(2, 2, DELAYS) for _ in range(2))
    m, emissions, spikes, shift = STDP("triplet"), trains(5, 2), trains(6, 2), 30 * 86.4e6
    Trains(m, a).run(emissions, spikes)
    Trains(m, b).run([t + shift for t in emissions], [t + shift for t in spikes])
    x, y = a.column("accumulator"), b.column("accumulator")
    assert np.allclose(x[a.slots()], y[b.slots()], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_undeclared_columns_keep_their_bytes(rule: str) -> None:
    table = pairs_table(3, 3, DELAYS, columns=("other", "log_size", "accumulator", "another"))
    table.f[:] = np.random.default_rng(0).normal(size=table.f.shape)
    before, weight = table.f.copy(), table.weight.copy()
    Trains(STDP(rule), table).run(trains(1, 3), trains(2, 3))
    for name in ("other", "log_size", "another"):
        assert table.column(name).tobytes() == before[table.column_names.index(name)].tobytes()
    assert table.weight.tobytes() == weight.tobytes()  # evidence never touches the weight
    assert not np.array_equal(table.column("accumulator"), before[2])


def test_traces_are_those_of_the_slow_twin() -> None:
    """Rescaled traces, divided by their frame, are the sums of exponentials."""
    m, table = STDP("triplet"), pairs_table(2, 2, [1.5])
    emissions, spikes = trains(7, 2), trains(8, 2)
    d = Trains(m, table, span=3.0)
    d.run(emissions, spikes)
    end = 1000.0
    for k, tau in enumerate(d.tau):
        rescaled = d.x[k] if k < 2 else d.y[k - 2]
        events = [t + 1.5 for t in emissions] if k < 2 else spikes
        expected = [trace_at(t, end, tau)[0] for t in events]
        assert rescaled * np.exp(-(end - d.base[k]) / tau) == pytest.approx(expected, rel=1e-12)


def test_every_mechanism_without_hooks_says_so() -> None:
    assert Mechanism().hot(frozenset()) is None
