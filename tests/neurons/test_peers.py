"""Live, beside NEST and Brian2 where they are installed: the same neuron under the same input, spike times and V.

`NEURODEV_PEERS` (or `.peers`, which `tests/benchmarks/compare.py` makes) is a folder with an environment for each peer,
`nest` and `brian2`.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import neurodev as nd
from neurodev.engine.simulator import Simulator
from tests.neurons.independent import driven, trains

ROOT = Path(__file__).parents[2]
SCRIPTS = {"nest": "peers_models.py", "brian2": "peers_models_brian2.py"}
UNTIL, EVERY = 200.0, 0.5  # ms


def ask(peer: str, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a peer makes of some tasks."""
    folder = Path(os.environ.get("NEURODEV_PEERS", ROOT / ".peers"))
    python = folder / peer / "bin/python"
    if not python.exists():
        pytest.skip(f"no peer: {python} is not there; tests/benchmarks/compare.py makes it, or set NEURODEV_PEERS")
    done = subprocess.run(
        [str(python), str(ROOT / "tests/benchmarks" / SCRIPTS[peer])], input=json.dumps(tasks), text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])["answers"]
    return answers


@dataclass(frozen=True)
class Case:
    """A model under some input, and how near each peer must come: ms of a spike, mV of V (far from spikes)."""

    model: Any
    arrivals: list[tuple[float, float]]
    near: dict[str, tuple[float, float]]
    more: Any = None  # what a peer must know beside

    def task(self) -> dict[str, Any]:
        names = [f.name for f in fields(self.model) if f.name not in ("dendrite", "initial")]
        plain = {name: getattr(self.model, name) for name in names}
        return {
            "model": type(self.model).__name__, "parameters": plain | (self.more or {}), "arrivals": self.arrivals,
            "until": UNTIL, "every": EVERY,
        }  # fmt: skip


def input_train(up: float, down: float, n: int, seed: int = 4) -> list[tuple[float, float]]:
    """Arrivals on the grid of peers, never when V is looked at, 20 % of them inhibitory."""
    draw = np.random.default_rng(seed)
    times = np.sort(np.round(EVERY * draw.integers(10, round(UNTIL / EVERY) - 10, n) + 0.1 * draw.integers(1, 5, n), 1))
    return [(float(t), -down if k % 5 == 4 else float(up * draw.uniform(0.7, 1.3))) for k, t in enumerate(times)]


CURRENTS = {"tau_excitatory": 3.0, "tau_inhibitory": 7.0}
LEVELS = {"threshold_jump": 3.0, "tau_threshold": 40.0, "reset_share": 0.3}
AFTER = {"current_1": 90.0, "tau_1": 4.0, "share_1": 0.5, "current_2": -60.0, "tau_2": 40.0, "share_2": 1.0}
NONE = {"threshold_jump": 0.0, "reset_share": 0.0, "current_1": 0.0, "current_2": 0.0, "share_1": 0.0, "share_2": 0.0}


def glif(level: int) -> Case:
    more = (LEVELS if level in (2, 4) else {}) | (AFTER if level in (3, 4) else {})
    model = nd.GLIF(tau=15.0, refractory=2.0, drive=18.0, reset=-68.0, **CURRENTS, **(NONE | more))
    return Case(model, input_train(400.0, 300.0, 40), {"nest": (0.02, 0.02), "brian2": (0.1, 0.3)}, {"level": level})


CASES = {
    "LIF": Case(nd.LIF(drive=12.0), input_train(3.0, 2.0, 80), {"nest": (1e-9, 1e-9), "brian2": (0.1, 0.3)}),
    "exponential currents": Case(
        nd.LIF(drive=14.0, **CURRENTS), input_train(250.0, 200.0, 60), {"nest": (1e-6, 1e-6), "brian2": (0.1, 0.3)}
    ),
    "alpha currents": Case(
        nd.AlphaLIF(drive=9.0, tau_excitatory=2.0, tau_inhibitory=5.0), input_train(300.0, 250.0, 60),
        {"nest": (1e-6, 1e-6), "brian2": (0.1, 0.3)},
    ),
    "conductances": Case(
        nd.ConductanceLIF(drive=5.0), input_train(6.0, 12.0, 60), {"nest": (0.02, 0.02), "brian2": (0.1, 0.3)}
    ),
    **{f"GLIF level {level}": glif(level) for level in (1, 2, 3, 4)},
    "adaptive exponential": Case(
        nd.AdaptiveExponential(drive=700.0, peak=-40.0), input_train(4.0, 3.0, 40),
        {"nest": (0.02, 0.02), "brian2": (0.1, 0.3)},
    ),
    # both peers come late by up to .06 ms, NEST by Euler's steps; SciPy has the times of neurodev to 1e-8 ms
    "Izhikevich": Case(
        nd.Izhikevich(drive=6.0), input_train(4.0, 3.0, 40), {"nest": (0.1, 1.0), "brian2": (0.1, 1.0)}
    ),
    "Hodgkin-Huxley": Case(
        nd.HodgkinHuxley(
            capacitance=100.0, sodium=12000.0, potassium=3600.0, leak=30.0, drive=800.0, **CURRENTS
        ),
        input_train(400.0, 300.0, 40), {"nest": (0.02, 0.05), "brian2": (0.1, 0.3)},
    ),
}  # fmt: skip


def ours(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spikes, and V at the times of the peers."""
    sim = driven(case.model, case.arrivals)
    found = trains(sim)
    t = np.arange(1, round(UNTIL / EVERY) + 1) * EVERY
    v = []
    for now in t:
        sim.run_until_spike(float(now))
        v.append(float(sim.engine.potential("cells")[0]))
    return np.array([s for s, _, _ in found]), t, np.array(v)


@pytest.mark.slow
@pytest.mark.parametrize("peer", SCRIPTS)
def test_neurons_beside_a_peer(peer: str) -> None:
    answers = ask(peer, [case.task() for case in CASES.values()])
    wrong = []
    for (name, case), theirs in zip(CASES.items(), answers, strict=True):
        spikes, t, v = ours(case)
        their_spikes, their_v = np.array(theirs["spikes"]), np.interp(t, theirs["t"], theirs["v"])
        ms, mv = case.near[peer]
        if spikes.size != their_spikes.size:
            wrong.append(f"{name}: {spikes.size} spikes, {peer} has {their_spikes.size}")
            continue
        late = np.abs(spikes - their_spikes).max(initial=0.0)
        # where V moves by millivolts within the difference of two spike times, it is not compared
        far = np.min(np.abs(t[:, None] - np.append(spikes, -np.inf)[None]), axis=1) > (2.0 if ms > 1e-6 else 1e-3)
        off = np.abs(v - their_v)[far].max()
        print(f"{peer:7s} {name:22s} {spikes.size:3d} spikes, at most {late:.2g} ms apart; V {off:.2g} mV")
        if spikes.size < 3 or not (late <= ms and off <= mv):
            wrong.append(f"{name}: {spikes.size} spikes, {late:.3g} ms apart (of {ms}), V {off:.3g} mV (of {mv})")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_a_sinusoidal_rate_beside_nest() -> None:
    """Counts of two thousand cells by phase, equal in distribution (chi square over 20 bins and the total)."""
    drive = nd.SinusoidalPoisson(rate_hz=40.0, amplitude_hz=30.0, frequency_hz=10.0, phase=0.7)
    n, bins, until = 2000, 20, 1000.0
    plain = {f.name: getattr(drive, f.name) for f in fields(drive)}
    task = {"kind": "sinusoid", "parameters": plain, "n": n, "bins": bins, "until": until}
    theirs = np.array(ask("nest", [task])[0]["counts"], dtype=float)
    net = nd.Network(seed=3)
    net.add(drive, n, name="cells")
    net.add(nd.LIF(), 1, name="nobody")
    sim = Simulator(net)
    found = trains(sim)
    sim.run_until_spike(until)
    period = 1000.0 / drive.frequency_hz
    mine, edges = np.histogram(np.array([t for t, _, _ in found]) % period, np.linspace(0, period, bins + 1))
    chi2 = float(np.sum((mine - theirs) ** 2 / (mine + theirs)))
    # both are Poisson about the same mean: chi square of `bins` degrees of freedom
    print(f"chi square {chi2:.1f} of {bins} bins; {mine.sum()} and {theirs.sum():.0f} spikes")
    assert stats.chi2.sf(chi2, bins) > 1e-3
    # and both follow the rate itself
    sine = np.diff(-np.cos(2 * np.pi * edges / period + 0.7)) * period / (2 * np.pi * (edges[1] - edges[0]))
    mean = n * until / 1000.0 / bins * (drive.rate_hz + drive.amplitude_hz * sine)
    for counts in (mine, theirs):
        assert stats.chi2.sf(float(np.sum((counts - mean) ** 2 / mean)), bins) > 1e-3


def weights_of(rule: nd.STDP, pre: list[float], post: list[float], until: float) -> np.ndarray:
    """The weight of one synapse right after each of its arrivals; its target fires when it is told to."""
    net = nd.Network(seed=1)
    a = net.add(nd.SpikeList(np.array(pre) - 1.0, np.zeros(len(pre), dtype=int)), 1, name="a")
    k = net.add(nd.SpikeList(np.array(post) - 1.0, np.zeros(len(post), dtype=int)), 1, name="k")
    cell = net.add(nd.LIF(tau=1.0, threshold=20.0, refractory=0.0), 1, name="cell")
    net.connect(k, cell, nd.AllToAll(), weight=30.0, delay=1.0)
    net.connect(a, cell, nd.AllToAll(), weight=WEIGHT, delay=1.0, name="q").use(rule)
    sim = Simulator(net)
    found = trains(sim, ("cell",))
    out = []
    for t in pre:
        sim.run_until_spike(t + 1e-6)
        out.append(float(sim.tables["q"].state()["weight"][0]))
    sim.run_until_spike(until)
    assert [s for s, _, _ in found] == pytest.approx(post, abs=1e-9), "it fires at other times"
    return np.array(out)


WEIGHT, TOP = 0.5, 1.0
SHIFT = 0.01  # ms: NEST's delay lies in the dendrite: a spike is known to the synapse so much later


@pytest.mark.slow
@pytest.mark.parametrize("bounds", ["hard", "power", "triplet"])
def test_weights_of_stdp_beside_nest(bounds: str) -> None:
    """After each of 120 arrivals among 120 spikes: the same weight to 1e-9."""
    draw, until = np.random.default_rng(8), 3000.0
    pre = np.sort(10.0 + np.round(draw.choice(int(until / 0.02) - 2000, 120, replace=False) * 0.02, 2))
    post = np.sort(10.005 + np.round(draw.choice(int(until / 0.02) - 2000, 120, replace=False) * 0.02, 2))
    up, down = 0.02, 0.021
    if bounds == "triplet":
        rule = nd.STDP(
            "triplet", potentiation=0.005, depression=0.007, triplet_potentiation=0.006, triplet_depression=0.0002,
            tau_plus=16.8, tau_minus=33.7, tau_x=101.0, tau_y=125.0, weight_max=TOP,
        )  # fmt: skip
        synapse, parameters = "stdp_triplet_synapse", {
            "Aplus": 0.005 * TOP, "Aminus": 0.007 * TOP, "Aplus_triplet": 0.006 * TOP, "Aminus_triplet": 0.0002 * TOP,
            "tau_plus": 16.8, "tau_plus_triplet": 101.0, "Wmax": TOP,
        }  # fmt: skip
    else:
        power = 0.0 if bounds == "hard" else 0.4
        rule = nd.STDP(
            "pair", potentiation=up, depression=down, tau_plus=17.0, tau_minus=34.0, bounds=bounds, power=power,
            weight_max=TOP,
        )  # fmt: skip
        synapse, parameters = (
            "stdp_synapse",
            {"lambda": up, "alpha": down / up, "mu_plus": power, "mu_minus": power, "tau_plus": 17.0, "Wmax": TOP},
        )
    # spikes of NEST's target stand on its grid, SHIFT before what the synapse sees; neurodev's stand there
    theirs = np.round(post - 0.005, 2)
    task = {
        "kind": "stdp", "synapse": synapse, "parameters": parameters, "weight": WEIGHT, "until": until,
        "tau_minus": rule.tau_minus, "tau_y": rule.tau_y, "pre": pre.tolist(), "post": theirs.tolist(),
    }  # fmt: skip
    found = np.array(ask("nest", [task])[0]["weights"])
    mine = weights_of(rule, pre.tolist(), (theirs + SHIFT).tolist(), until)
    off = np.abs(mine - found).max()
    print(f"{bounds}: {mine.size} weights from {mine.min():.3f} to {mine.max():.3f}, at most {off:.2g} apart")
    assert np.ptp(mine) > 0.05 and off < 1e-9
