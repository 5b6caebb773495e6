"""Protocols of the rules that see spikes."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.stdp import STDP, drift, window
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Ticks, Trains, poisson, star
from neurodev.structure.table import Table
from neurodev.units import day

EVIDENCE = ("log_size", "accumulator")  # columns by which a rule adds up its changes instead of writing weights


def partners(n: int, columns: tuple[str, ...] = EVIDENCE, weight: float = 0.5) -> Table:
    """`n` sources, each on a target of its own, without delay: `n` experiments in one run."""
    k = np.arange(n)
    return Table.build(n, n, [0.0], k, k, np.zeros(n, dtype=np.int64), weight, columns=columns)


def by_source(table: Table, column: str) -> F8:
    """A column, ordered by source."""
    slots = table.slots()
    out = np.empty(table.n_source)
    out[table.pre(slots)] = table.column(column)[slots]
    return out


def mean_and_error(samples: F8) -> tuple[F8, F8]:
    """Mean over the last axis, and four standard errors of it."""
    mean: F8 = samples.mean(axis=-1)
    return mean, 4.0 * samples.std(axis=-1, ddof=1) / np.sqrt(samples.shape[-1])


def pair_changes(rule: STDP, lags: F8) -> F8:
    """Change by one arrival and one spike at ``t_spike - t_arrival = lag`` (ms), traces at rest before them."""
    trains = Trains(rule, partners(lags.size))
    middle = 2000.0
    trains.run([[middle]] * lags.size, [[middle + lag] for lag in lags])
    return by_source(trains.table, "accumulator")


def rate_changes(rule: STDP, pre_hz: float, post_hz: F8, seconds: float, repeats: int, seed: int) -> tuple[F8, F8]:
    """Mean change per second under independent Poisson trains, and four standard errors."""
    draw = np.random.default_rng(seed)
    n, duration = post_hz.size * repeats, seconds * 1e3
    trains = Trains(rule, partners(n))
    emissions = [poisson(pre_hz, duration, draw) for _ in range(n)]
    trains.run(emissions, [poisson(r, duration, draw) for r in np.repeat(post_hz, repeats)])
    return mean_and_error(by_source(trains.table, "accumulator").reshape(post_hz.size, repeats) / seconds)


def burst_changes(rule: STDP, offsets: F8, repeats: int, seed: int) -> tuple[F8, F8]:
    """Mean change by two bursts of which the second begins `offset` (ms) later, and four standard errors."""
    draw = np.random.default_rng(seed)
    n, begin = offsets.size * repeats, 2.0 * float(np.abs(offsets).max())
    r, d = rule.reference_hz, rule.reference_burst
    trains = Trains(rule, partners(n))
    emissions = [begin + poisson(r, d, draw) for _ in range(n)]
    trains.run(emissions, [begin + k + poisson(r, d, draw) for k in np.repeat(offsets, repeats)])
    return mean_and_error(by_source(trains.table, "accumulator").reshape(offsets.size, repeats))


def burst_window(rule: STDP, offset: F8) -> F8:
    """Mean change by two Poisson bursts at an offset: the second difference of ``tau |s| + tau^2 e^{-|s|/tau}``."""
    tau, d, r = rule.burst_tau, rule.reference_burst, rule.reference_hz / 1e3

    def twice(s: F8) -> F8:  # its second derivative is e^{-|s|/tau}
        return tau * np.abs(s) + tau**2 * np.exp(-np.abs(s) / tau)

    overlap = twice(offset + d) - 2.0 * twice(offset) + twice(offset - d)
    return np.asarray(rule.burst_gain * r * r * overlap - 2.0 * rule.value("burst_loss") * r * d)


def evidence_course(rule: STDP, ticks: int = 36) -> tuple[F8, F8]:
    """Evidence when every tick accumulates one coincident burst a period: days, and h."""
    world = Ticks((rule,), star(2, columns=("size", "log_size")))
    c = world.clock
    each = rule.reference() * c.tick_spike / rule.period
    h = []
    for _ in range(ticks):
        world.table.column("accumulator")[:] = each
        world.step()
        h.append(world.of("evidence")[0])
    return np.arange(1, ticks + 1, dtype=np.float64) * (c.tick_life / day), np.array(h)


@protocol(STDP)
def stdp_protocol(
    rule: STDP, *, seconds: float = 60.0, repeats: int = 32, seed: int = 1, data: tuple[F8, F8] | None = None
) -> Protocol:
    """Window (EX-49), rate dependence (EX-46 to EX-48), burst window, and the evidence that comes of it."""
    widest = rule.burst_tau if rule.rule == "burst" else max(rule.value("tau_plus"), rule.value("tau_minus"))
    lags = np.linspace(-4.0, 4.0, 81) * widest  # 0 is among them: an arrival comes before a spike at its time
    fine = np.linspace(lags[0], lags[-1], 2001)
    panels = [
        Panel("Window of one pair", "spike after arrival (ms)", "change").add(
            rule.rule,
            lags,
            pair_changes(rule, lags),
            window(rule, lags),
            1e-12,
            fine=(fine, window(rule, fine)),
            data=data,
        )
    ]
    rates = np.array([2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0])
    rate_panel = Panel("Independent Poisson trains", "rate of the target (Hz)", "mean change per second")
    for k, pre in enumerate((5.0, 20.0)):
        mean, wide = rate_changes(rule, pre, rates, seconds, repeats, seed + k)
        smooth = np.linspace(rates[0], rates[-1], 200)
        rate_panel.add(
            f"arrivals at {pre:g} Hz", rates, mean, [drift(rule, pre, r) for r in rates], wide,
            fine=(smooth, [drift(rule, pre, r) for r in smooth]),
        )  # fmt: skip
    panels.append(rate_panel)
    if rule.rule == "burst":
        offsets = np.linspace(-2.5, 2.5, 11) * rule.reference_burst
        mean, wide = burst_changes(rule, offsets, repeats, seed + 7)
        smooth = np.linspace(offsets[0], offsets[-1], 401)
        panels.append(
            Panel("Two bursts", "second burst begins after (ms)", "mean change").add(
                f"{rule.reference_hz:g} Hz for {rule.reference_burst:g} ms",
                offsets,
                mean,
                burst_window(rule, offsets),
                wide,
                fine=(smooth, burst_window(rule, smooth)),
            )  # fmt: skip
        )
    days, h = evidence_course(rule)
    panels.append(
        Panel("Evidence, one coincident burst a period", "life (days)", "h").add(
            "", days, h, 1.0 - np.exp(-days * day / rule.evidence_tau), 1e-12
        )
    )
    return Protocol(
        rule, "its hooks under single pairs, Poisson trains and bursts", panels,
        "closed forms; Pfister & Gerstner 2006; Butts, Kanold & Shatz 2007",
    )  # fmt: skip
