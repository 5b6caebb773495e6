"""Protocol of short-term plasticity: the classic test train, and what a terminal releases at each rate."""

from __future__ import annotations

import numpy as np

from neurodev.arrays import F8
from neurodev.mechanisms.short_term import TsodyksMarkram, course, stationary
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.protocols.stage import Trains, star
from neurodev.units import second


def released(rule: TsodyksMarkram, times: F8) -> F8:
    """What the hook of the mechanism says at each arrival of a train, (n,)."""
    trains = Trains(rule, star(1, columns=()))
    out = np.zeros(times.size)
    for k, t in enumerate(times):
        trains.run([[t - float(trains.table.delays[0])]], [])
        out[k] = trains.x[0, 0]
    return out


@protocol(TsodyksMarkram)
def short_term_protocol(rule: TsodyksMarkram) -> Protocol:
    """Eight spikes at 20 Hz and one half a second later; regular trains of many rates, once they are stationary."""
    train = Panel("Eight spikes at 20 Hz, one more after 500 ms", "time (ms)", "efficacy (of the weight)")
    times = np.concatenate([10.0 + 50.0 * np.arange(8), [860.0]])
    used, found = course(rule, times)
    got = released(rule, times)
    train.add("released u x", times, got, used * found, 1e-12)
    rates = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
    slowest = max(rule.tau_rec, rule.tau_facil, rule.tau_psc)
    settled = np.zeros(rates.size)
    for k, rate in enumerate(rates):
        period = second / rate
        n = int(np.ceil(min(40.0 * slowest / period, 40_000.0))) + 3
        settled[k] = released(rule, period * np.arange(1, n + 1))[-1]
    law = np.prod(stationary(rule, second / rates), axis=0)
    fine = np.geomspace(rates[0], rates[-1], 60)
    steady = Panel("Efficacy of a regular train", "rate (Hz)", "efficacy (of the weight)", log_x=True)
    steady.add("after long", rates, settled, law, 1e-9, fine=(fine, np.prod(stationary(rule, second / fine), axis=0)))
    return Protocol(
        rule, "spikes of one source: what its terminal releases at each", [train, steady],
        "Tsodyks & Markram 1997; Tsodyks, Pawelzik & Markram 1998; Maass & Markram 2002",
    )  # fmt: skip
