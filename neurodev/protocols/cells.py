"""Protocols of neuron models and drives: what a cell answers, and the statistics of what comes from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurodev.arrays import F8, I8
from neurodev.engine.network import Network
from neurodev.engine.simulator import Simulator
from neurodev.neurons.drive import Drive
from neurodev.neurons.lif import LIF, rate_constant_hz
from neurodev.neurons.listed import Regular, SpikeList
from neurodev.neurons.poisson import Poisson
from neurodev.neurons.waves import RetinalWaves
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.structure.wiring import OneToOne


def one(value: Any) -> float:
    """A parameter as one number: that of the first neuron where it is an array."""
    return float(np.ravel(np.asarray(value, dtype=float))[0])


def rates(cell: LIF, drive: F8, duration: float) -> F8:
    """Rate (Hz) of each neuron under its constant drive, by the spikes of the engine."""
    net = Network(seed=1)
    net.add(replace(cell, drive=drive), drive.size, name="cells")
    sim = Simulator(net)
    found: list[tuple[F8, I8]] = []
    sim.engine.sink = lambda epoch, t, p, i: found.append((epoch + t, np.array(i)))
    sim.engine.record_trains(0, True)
    sim.run_until_spike(duration)
    out = np.zeros(drive.size)
    if found:
        t, i = (np.concatenate(x) for x in zip(*found, strict=True))
        for k in range(drive.size):
            mine = np.sort(t[i == k])
            out[k] = 1e3 * (mine.size - 1) / (mine[-1] - mine[0]) if mine.size > 1 else 0.0
    return out


def response(cell: LIF, weight: float, times: F8) -> F8:
    """Potential above rest (mV) at `times` after one input of `weight`."""
    net, delay = Network(seed=1), 1.0
    neuron = net.add(replace(cell, drive=0.0, initial=one(cell.rest)), 1, name="cells")
    source = net.add(SpikeList([1.0], [0]), 1, name="input", inhibitory=weight < 0)
    net.connect(source, neuron, OneToOne(), weight=abs(weight), delay=delay)
    sim, out = Simulator(net), []
    for t in times:
        sim.run_until_spike(1.0 + delay + float(t))
        out.append(float(sim.engine.potential("cells")[0]) - one(cell.rest))
    return np.array(out)


def response_law(cell: LIF, weight: float, times: F8) -> F8:
    """The closed form of `response`: a jump that leaks, or the answer to an exponential current."""
    tau = one(cell.tau)
    if not cell.has_currents:
        return np.asarray(weight * np.exp(-times / tau))
    tau_s = one(cell.tau_excitatory if weight > 0 else cell.tau_inhibitory)
    peak = weight / one(cell.capacitance)
    if abs(tau - tau_s) < 1e-9 * tau:
        return np.asarray(peak * times * np.exp(-times / tau))
    return np.asarray(peak * (np.exp(-times / tau) - np.exp(-times / tau_s)) / (1.0 / tau_s - 1.0 / tau))


@protocol(LIF)
def lif_protocol(lif: LIF, *, duration: float = 4000.0) -> Protocol:
    """Rate against a constant drive, and the answer to one input."""
    plain = {k: one(getattr(lif, k)) for k in ("tau", "threshold", "reset", "rest", "refractory", "capacitance")}
    if np.isinf(plain["tau"]):
        plain["tau"] = 1e9
    if lif.has_currents:
        plain |= {k: one(getattr(lif, k)) for k in ("tau_excitatory", "tau_inhibitory")}
    given: dict[str, Any] = dict(plain)
    cell = LIF(**given)
    gap = plain["threshold"] - plain["rest"]
    gap = gap if 0 < gap < np.inf else 1.0
    drive, fine = gap * np.linspace(0.7, 3.1, 25), gap * np.linspace(0.7, 3.1, 600)
    arguments = (plain["threshold"], plain["reset"], plain["tau"], plain["refractory"])
    law, line = ([rate_constant_hz(plain["rest"] + d, *arguments) for d in at] for at in (drive, fine))
    fi = Panel("Rate under a constant drive", "drive (mV)", "rate (Hz)")
    # spikes are exact; counting them in the run loses nothing, as intervals are all alike
    fi.add("", drive, rates(cell, drive, duration), law, 1e-6 * (1.0 + np.array(law)), fine=(fine, line))
    tau = min(plain["tau"], 1e3)
    times, smooth = np.linspace(0.05, 4.0, 25) * tau, np.linspace(0.0, 4.0, 400) * tau
    answer = Panel("Answer to one input", "after its arrival (ms)", "V above rest (mV)")
    unit = 0.05 * gap if not cell.has_currents else 0.05 * gap * one(cell.capacitance) / tau
    for word, weight in (("excitatory", unit), ("inhibitory", -unit)):
        answer.add(
            word, times, response(cell, weight, times), response_law(cell, weight, times), 1e-6 * gap,
            fine=(smooth, response_law(cell, weight, smooth)),
        )  # fmt: skip
    return Protocol(lif, "neurons under constant drives, and one input to a silent neuron", [fi, answer],
                    "closed forms of the leaky membrane")  # fmt: skip


def played(drive: Drive, n: int, places: F8, chunks: int, seed: int) -> tuple[F8, I8]:
    """Spikes of a drive bound to `n` cells, over some chunks: times (ms) and cells."""
    source = drive.bind(n, places, seed, "alone")
    parts = [source.chunk(k) for k in range(chunks)]
    times = np.concatenate([t + k * source.period for k, (t, _) in enumerate(parts)])
    return times, np.concatenate([i for _, i in parts])


@protocol(Poisson)
def poisson_protocol(poisson: Poisson, *, n: int = 200, seed: int = 1) -> Protocol:
    """Intervals between spikes, and counts in a window."""
    rate = one(poisson.rate_hz)
    rate = rate if rate > 0 else 10.0
    chunks = max(int(np.ceil(100.0 / rate)), 2)
    t, i = played(Poisson(rate_hz=rate), n, np.zeros((n, 2)), chunks, seed)
    order = np.lexsort((t, i))
    gap = np.diff(t[order])[np.diff(i[order]) == 0]
    mean = 1e3 / rate
    edges = np.linspace(0.0, 3.0, 16) * mean
    # intervals that end within the record: long ones are missed, in proportion to their length
    span = chunks * 1e3
    x = 0.5 * (edges[1:] + edges[:-1])
    law = np.exp(-x / mean) * (1.0 - x / span) * np.diff(edges) / mean * n * rate * span / 1e3
    count = np.histogram(gap, edges)[0]
    fine = np.linspace(0.0, edges[-1], 200)
    smooth = np.exp(-fine / mean) * (1.0 - fine / span) * (edges[1] - edges[0]) / mean * n * rate * span / 1e3
    intervals = Panel("Intervals", "interval (ms)", "number")
    intervals.add(f"{n} cells at {rate:g} Hz", x, count, law, 4.0 * np.sqrt(law) + 0.01 * law, fine=(fine, smooth))
    from scipy.stats import poisson as law_of_counts

    number = np.bincount(i, minlength=n)
    expected = rate * span / 1e3
    at = np.arange(max(int(expected - 4 * np.sqrt(expected)), 0), int(expected + 4 * np.sqrt(expected)) + 1)
    share = law_of_counts.cdf(at, expected)
    seen = np.array([np.mean(number <= k) for k in at])
    counts = Panel(f"Counts in {span / 1e3:g} s", "spikes", "share of cells with at most so many")
    counts.add("", at, seen, share, 4.0 * np.sqrt(share * (1 - share) / n) + 1.5 / n)
    return Protocol(poisson, "cells that know nothing of each other", [intervals, counts], "the Poisson process")


@protocol(Regular)
def regular_protocol(regular: Regular) -> Protocol:
    """Times of the first spikes, across the limits of chunks."""
    phase = regular.interval if regular.phase is None else one(regular.phase)
    same = Regular(interval=regular.interval, phase=phase)
    chunks = max(int(np.ceil((phase + 20 * regular.interval) / 1e3)) + 1, 2)
    t, _ = played(same, 1, np.zeros((1, 2)), chunks, 1)
    k = np.arange(20)
    panel = Panel("Times of spikes", "spike", "time (ms)")
    panel.add("", k + 1, t[:20], phase + k * regular.interval, 1e-9 * chunks * 1e3)
    return Protocol(regular, "one cell, from its first spike on", [panel], "phase + k interval")


@protocol(RetinalWaves)
def waves_protocol(waves: RetinalWaves, *, seed: int = 1) -> Protocol:
    """Fronts that cross the sheet at their speed, and the spikes of a cell in a wave."""
    side = np.linspace(0.0, 1000.0, 30)
    places = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    source = replace(waves, independent=False).bind(len(places), places, seed, "alone")
    front = Panel("Fronts cross the sheet", "distance along the wave (um)", "mean time of spikes (ms)")
    counts: list[I8] = []
    edges = np.linspace(-450.0, 450.0, 10)
    x = 0.5 * (edges[1:] + edges[:-1])
    for k in range(3):
        t, i = source.chunk(k)
        number = np.bincount(i, minlength=len(places))
        here = number > 0
        counts.append(number[here])
        mean = np.bincount(i, t, minlength=len(places))[here] / number[here]
        plane = np.column_stack([np.ones(here.sum()), places[here] - places.mean(axis=0)])
        offset, *slope = np.linalg.lstsq(plane, mean, rcond=None)[0]
        along = (places[here] - places.mean(axis=0)) @ (np.array(slope) / np.hypot(*slope))
        bins = np.digitize(along, edges) - 1
        known = np.array([np.sum(bins == b) > 10 for b in range(x.size)])
        seen = np.array([mean[bins == b].mean() if known[b] else np.nan for b in range(x.size)])
        at = np.array([along[bins == b].mean() if known[b] else 0.0 for b in range(x.size)])
        size = np.array([max(np.sum(bins == b), 1) for b in range(x.size)])
        spread = np.sqrt(waves.jitter**2 + waves.burst**2 / 12.0)
        law = at / waves.speed
        front.add(f"wave {k + 1}", at[known], (seen - offset)[known], law[known], 4.0 * spread / np.sqrt(size[known]))
    expected = waves.rate_hz * waves.burst / 1e3
    number = np.concatenate(counts)
    from scipy.stats import poisson as law_of_counts

    at = np.arange(1, int(expected + 4 * np.sqrt(expected) + 2))
    # cells without a spike cannot be told from cells that the wave missed
    share = (law_of_counts.cdf(at, expected) - np.exp(-expected)) / -np.expm1(-expected)
    seen = np.array([np.mean(number <= k) for k in at])
    burst = Panel(f"Spikes of a cell in a wave of {waves.burst:g} ms", "spikes", "share with at most so many")
    burst.add("", at, seen, share, 4.0 * np.sqrt(share * (1.0 - share) / number.size) + 1.0 / number.size)
    return Protocol(waves, "three waves over 900 cells; the line has the slope 1/speed", [front, burst],
                    "distance over speed; Poisson counts of a burst")  # fmt: skip
