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

import neurodev as nd
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
        plain = {f.name: getattr(self.model, f.name) for f in fields(self.model) if f.name not in ("dendrite", "initial")}
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
    return Case(model, input_train(400.0, 300.0, 40), {"nest": (0.02, 0.02), "brian2": (0.1, 0.1)}, {"level": level})


CASES = {
    "LIF": Case(nd.LIF(drive=12.0), input_train(3.0, 2.0, 80), {"nest": (1e-9, 1e-9), "brian2": (0.05, 0.05)}),
    "exponential currents": Case(
        nd.LIF(drive=14.0, **CURRENTS), input_train(250.0, 200.0, 60), {"nest": (1e-6, 1e-6), "brian2": (0.05, 0.05)}
    ),
    "alpha currents": Case(
        nd.AlphaLIF(drive=9.0, tau_excitatory=2.0, tau_inhibitory=5.0), input_train(300.0, 250.0, 60),
        {"nest": (1e-6, 1e-6), "brian2": (0.05, 0.05)},
    ),
    "conductances": Case(
        nd.ConductanceLIF(drive=5.0), input_train(6.0, 12.0, 60), {"nest": (0.02, 0.02), "brian2": (0.05, 0.05)}
    ),
    **{f"GLIF level {level}": glif(level) for level in (1, 2, 3, 4)},
    "adaptive exponential": Case(
        nd.AdaptiveExponential(drive=700.0, peak=0.0), input_train(4.0, 3.0, 40), {"nest": (0.02, 0.02), "brian2": (0.1, 0.1)}
    ),
    "Izhikevich": Case(
        nd.Izhikevich(drive=6.0), input_train(4.0, 3.0, 40), {"nest": (0.1, 0.1), "brian2": (0.1, 0.1)}
    ),
    "Hodgkin-Huxley": Case(
        nd.HodgkinHuxley(
            capacitance=100.0, sodium=12000.0, potassium=3600.0, leak=30.0, drive=800.0, **CURRENTS
        ),
        input_train(400.0, 300.0, 40), {"nest": (0.02, 0.05), "brian2": (0.05, 0.05)},
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
            wrong.append(f"{name}: {spikes.size} spikes, {peer} has {their_spikes.size}: {spikes[:4]} {their_spikes[:4]}")
            continue
        late = np.abs(spikes - their_spikes).max(initial=0.0)
        # where V moves by millivolts within the difference of two spike times, it is not compared
        far = np.min(np.abs(t[:, None] - np.append(spikes, -np.inf)[None]), axis=1) > (2.0 if ms > 1e-6 else 1e-3)
        off = np.abs(v - their_v)[far].max()
        print(f"{peer:7s} {name:22s} {spikes.size:3d} spikes, at most {late:.2g} ms apart; V {off:.2g} mV")
        if spikes.size < 3 or not (late <= ms and off <= mv):
            wrong.append(f"{name}: {spikes.size} spikes {late:.3g} ms apart (at most {ms}), V {off:.3g} mV (at most {mv})")
    assert not wrong, "\n".join(wrong)
