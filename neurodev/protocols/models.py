"""Protocols of the other neuron models: rates and answers beside closed forms, steps beside an integration by SciPy."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from neurodev.arrays import F8
from neurodev.engine.network import Network
from neurodev.engine.simulator import Simulator
from neurodev.jit import address, address_of_hook
from neurodev.neurons.alpha import AlphaLIF
from neurodev.neurons.conductance import ConductanceLIF
from neurodev.neurons.current import alpha_potential
from neurodev.neurons.glif import GLIF
from neurodev.neurons.lif import rate_constant_hz
from neurodev.neurons.listed import SpikeList
from neurodev.neurons.model import Cells, call
from neurodev.neurons.stepped import STATE, Stepped
from neurodev.protocols.cells import one
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.structure.wiring import OneToOne


def single(model: Any) -> Any:
    """The model with the parameters of its first neuron."""
    given = {
        f.name: one(getattr(model, f.name))
        for f in fields(model)
        if "unit" in f.metadata and getattr(model, f.name) is not None
    }
    return replace(model, **given)


def last_rates(model: Any, drive: F8, duration: float) -> F8:
    """Rate (Hz) by the last interval of each neuron under its constant drive; 0 with fewer than two spikes."""
    net = Network(seed=1)
    net.add(replace(model, drive=drive), drive.size, name="cells")
    sim = Simulator(net)
    trains: list[list[float]] = [[] for _ in range(drive.size)]

    def keep(epoch: float, t: F8, p: Any, i: Any) -> None:
        for at, k in zip((epoch + t).tolist(), i.tolist(), strict=True):
            trains[k].append(at)

    sim.engine.sink = keep
    sim.engine.record_trains(0, True)
    sim.run_until_spike(duration)
    return np.array([1e3 / (x[-1] - x[-2]) if len(x) > 1 else 0.0 for x in trains])


def course(model: Any, weight: float, times: F8, at: float = 1.0) -> F8:
    """Potential (mV) at `times` of a neuron that gets one input of `weight` at the time `at`."""
    net = Network(seed=1)
    neuron = net.add(model, 1, name="cells")
    source = net.add(SpikeList([0.0], [0]), 1, name="input", inhibitory=weight < 0)
    net.connect(source, neuron, OneToOne(), weight=abs(weight), delay=at)
    sim, out = Simulator(net), []
    for t in times:
        sim.run_until_spike(float(t))
        out.append(float(sim.engine.potential("cells")[0]))
    return np.array(out)


def adapted_rate(p: GLIF) -> float:
    """Rate (Hz) of a neuron whose spikes have gone on for ever: the interval after which it stands as it stood."""
    from scipy.optimize import brentq

    x = {f.name: one(getattr(p, f.name)) for f in fields(p) if getattr(p, f.name) is not None and "unit" in f.metadata}
    v_inf, r = x["rest"] + x["drive"], 1.0 / x["tau"]

    def over(interval: float) -> float:
        s, theta = interval - x["refractory"], x["threshold_jump"] / -np.expm1(-interval / x["tau_threshold"])
        top = x["threshold"] + theta * np.exp(-interval / x["tau_threshold"])
        v = x["reset"] + x["reset_share"] * (top - x["rest"])
        v = v_inf + (v - v_inf) * np.exp(-r * s)
        for k in ("1", "2"):
            rate = 1.0 / x[f"tau_{k}"]
            first = x[f"current_{k}"] / (1.0 - x[f"share_{k}"] * np.exp(-rate * interval))
            now = first * np.exp(-rate * x["refractory"]) / x["capacitance"]
            same = abs(rate - r) < 1e-9
            v += now * (s * np.exp(-r * s) if same else (np.exp(-r * s) - np.exp(-rate * s)) / (rate - r))
        return float(v - top)

    if not np.isfinite(x["threshold"]) or over(1e5) <= 0:
        return 0.0
    return float(1e3 / brentq(over, x["refractory"] + 1e-9, 1e5, xtol=1e-12))


@protocol(GLIF)
def glif_protocol(model: GLIF, *, duration: float = 3000.0) -> Protocol:
    """Rate against a constant drive once adaptation has settled."""
    p = single(model)
    if np.isinf(p.tau):
        p = replace(p, tau=1e6)
    gap = p.threshold - p.rest if np.isfinite(p.threshold) else 20.0
    drive = gap * np.linspace(0.75, 4.0, 12)
    law = np.array([adapted_rate(replace(p, drive=d)) for d in drive])
    panel = Panel("Rate under a constant drive, adapted", "drive (mV)", "rate (Hz)")
    panel.add("", drive, last_rates(p, drive, duration), law, 1e-4 * (1.0 + law))
    return Protocol(model, "neurons under constant drives", [panel], "the interval that repeats itself")


def rate_panel(p: AlphaLIF | ConductanceLIF) -> Panel:
    """Rate against a constant drive without inputs."""
    gap = p.threshold - p.rest if 0 < p.threshold - p.rest < np.inf else 1.0
    drive, tau = gap * np.linspace(0.7, 3.1, 25), min(p.tau, 1e6)
    law = np.array([rate_constant_hz(p.rest + d, p.threshold, p.reset, tau, p.refractory) for d in drive])
    panel = Panel("Rate under a constant drive", "drive (mV)", "rate (Hz)")
    panel.add("", drive, last_rates(replace(p, tau=tau), drive, 2000.0), law, 1e-6 * (1.0 + law))
    return panel


@protocol(AlphaLIF)
def alpha_protocol(model: AlphaLIF) -> Protocol:
    """Rate against a constant drive, and the answer to one input."""
    p = single(model)
    quiet = replace(
        p,
        tau=min(p.tau, 1e6),
        threshold=float("inf"),
        drive=0.0,
        initial=p.rest,
        initial_excitatory=0.0,
        initial_inhibitory=0.0,
    )
    times = np.linspace(0.1, 60.0, 30)
    answer = Panel("Answer to one input", "after its arrival (ms)", "V above rest (mV)")
    for word, weight, tau in (("excitatory", 100.0, p.tau_excitatory), ("inhibitory", -100.0, p.tau_inhibitory)):
        law = [alpha_potential(t, 0.0, weight, tau=quiet.tau, tau_alpha=tau, capacitance=p.capacitance) for t in times]
        answer.add(word, times, course(quiet, weight, times + 1.0) - p.rest, law, 1e-9)
    return Protocol(model, "neurons under constant drives, and one input to a silent neuron",
                    [rate_panel(p), answer], "closed forms")  # fmt: skip


@protocol(ConductanceLIF)
def conductance_protocol(model: ConductanceLIF) -> Protocol:
    """Rate against a constant drive, and the answer to one input beside an integration to 1e-12."""
    from scipy.integrate import solve_ivp

    p = single(model)
    quiet = replace(
        p, tau=min(p.tau, 1e6), threshold=float("inf"), drive=0.0, initial=p.rest, initial_excitatory=0.0,
        initial_inhibitory=0.0,
    )  # fmt: skip
    times = np.linspace(0.1, 60.0, 30)
    answer = Panel("Answer to one input", "after its arrival (ms)", "V above rest (mV)")
    for word, sign in (("excitatory", 1.0), ("inhibitory", -1.0)):
        tau = p.tau_excitatory if sign > 0 else p.tau_inhibitory
        pull = (p.reversal_excitatory if sign > 0 else p.reversal_inhibitory) - p.rest
        weight = 0.1 * p.capacitance / tau

        def slope(t: float, v: F8, tau: float = tau, pull: float = pull, weight: float = weight) -> F8:
            return np.asarray(-v / quiet.tau + weight / p.capacitance * np.exp(-t / tau) * (pull - v))

        law = solve_ivp(slope, (0.0, 60.0), [0.0], "DOP853", times, rtol=1e-12, atol=1e-12).y[0]
        answer.add(word, times, course(quiet, sign * weight, times + 1.0) - p.rest, law, 1e-8)
    return Protocol(model, "neurons under constant drives, and one input to a silent neuron",
                    [rate_panel(p), answer], "a closed form; an integration by SciPy to 1e-12")  # fmt: skip


def integrated(model: Stepped, cells: Cells, weight: float, at: float, times: F8) -> F8:
    """The model's own slopes by SciPy to 1e-12, until V reaches `peak`: there it is NaN from then on."""
    from scipy.integrate import solve_ivp

    n, flow, drive = len(model.variables), address_of_hook(model.flow()), one(model.drive)
    x, out = np.zeros(n), np.zeros(n)

    def slope(t: float, state: F8) -> F8:
        x[:] = state
        call(flow, address(cells.record), 0, address(x), address(out), drive, t)
        return out.copy()

    def reached(t: float, state: F8) -> float:
        return float(state[0] - min(one(model.peak), 1e6))

    reached.terminal, reached.direction = True, 1.0  # type: ignore[attr-defined]
    found = np.full(times.size, np.nan)
    state = cells.state[0, STATE : STATE + n].copy()
    for begin, end in ((0.0, at), (at, float(times[-1]))):
        here = (times > begin) & (times <= end)
        done = solve_ivp(
            slope, (begin, end), state, "DOP853", np.union1d(times[here], end), rtol=1e-12, atol=1e-12, events=reached
        )
        m = min(done.t.size, int(here.sum()))
        found[np.flatnonzero(here)[:m]] = done.y[0, :m]
        if done.status != 0:
            break
        state = done.y[:, -1]
        state[0] += weight
    return found


@protocol(Stepped)
def stepped_protocol(model: Stepped) -> Protocol:
    """V from the start on, with an input that jumps it, beside an integration of the same slopes."""
    p = replace(single(model), tau_excitatory=None, tau_inhibitory=None, initial_excitatory=0.0, initial_inhibitory=0.0)
    times, at, weight = np.linspace(0.5, 30.0, 60), 5.25, 5.0
    net = Network(seed=1)
    net.add(p, 1, name="cells")
    law = integrated(p, Simulator(net).engine.cells[0], weight, at, times)
    panel = Panel("V from the start on, with a jump of 5 mV", "time (ms)", "V (mV)")
    found = course(p, weight, times, at)
    # what may differ: an error of the tolerance at each step, carried on
    panel.add(
        f"steps of at most {p.step:g} ms", times, found, law,
        1e4 * p.tolerance * (1.0 + np.nan_to_num(np.abs(law))) + 1e-9,
    )  # fmt: skip
    return Protocol(model, "one neuron, one input", [panel], "its slopes, integrated by SciPy to 1e-12")
