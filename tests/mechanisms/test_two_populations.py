"""NEST's example of structural plasticity: two populations that begin without synapses find their levels of calcium.

800 excitatory and 200 inhibitory `iaf_psc_alpha` neurons (Butz & van Ooyen 2013, Gaussian growth curves with zeros at 0
and .05, or 0 and .2) under 10 kHz of background; here and in NEST a quarter of them, whose number of synapses a neuron
is the same.  NEST is asked live where it is installed (`tests/neurons/test_peers.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import neurodev as nd
from neurodev.engine.simulator import Simulator

ROOT = Path(__file__).parents[2]
SCALE, SECONDS, LAST = 0.25, 200, 50  # share of the cells; seconds of spikes, and those of which means are taken
UPDATE = 1000.0  # ms between two changes of the structure (NEST's example: 10 s, for dendrites a step of 4 elements)
TARGETS = {"e": 0.05, "i": 0.2}
# NEST 3.10.0, tests/benchmarks/peers_structural.py: outgoing synapses, mean of the last 50 s of 200
NEST = {"e": 431.0, "i": 243.0}
LATE = 0.1  # share of the vacant elements that an update takes away, NEST's default


def network() -> nd.Network:
    net = nd.Network(seed=1, sheet=nd.Sheet(300, 300))
    cell = nd.AlphaLIF(
        tau=10.0, threshold=15.0, reset=0.0, rest=0.0, refractory=2.0, tau_excitatory=2.0, tau_inhibitory=2.0,
        capacitance=250.0,
    )  # fmt: skip
    e = net.add(cell, round(800 * SCALE), name="e")
    i = net.add(cell, round(200 * SCALE), name="i", inhibitory=True)
    for cells, receiving in ((e, 1e-4), (i, 4e-4)):
        rates = {"axonal": 1e-4, "dendritic_excitatory": receiving, "dendritic_inhibitory": 1e-4}
        curves = {kind: nd.GaussianGrowth(nu=nu, epsilon=TARGETS[cells.name]) for kind, nu in rates.items()}
        cells.use(nd.Growth(curves, vacancy_tau=UPDATE / -np.log1p(-LATE)))
        net.background(cells, nd.Background(rate_hz=10_000.0, weight=6.2))
    for source, dendritic in ((e, "dendritic_excitatory"), (i, "dendritic_inhibitory")):
        for target in (e, i):
            q = net.connect(
                source, target, nd.Degree(0), weight=585.0, delay=1.0, name=f"{source.name}{target.name}"
            )  # fmt: skip
            q.use(nd.Pairing(dendritic=dendritic, sigma=float("inf")))
    return net


def live() -> dict[str, float] | None:
    """Calcium and synapses in NEST, if it is there."""
    python = Path(os.environ.get("NEURODEV_PEERS", ROOT / ".peers")) / "nest/bin/python"
    if not python.exists():
        return None
    task = json.dumps({"scale": SCALE, "seconds": SECONDS, "update": UPDATE})
    script = str(ROOT / "tests/benchmarks/peers_structural.py")
    done = subprocess.run([str(python), script], input=task, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: float(np.mean(found[name][-LAST:])) for name in found if name != "version"}


@pytest.mark.slow
def test_two_populations_settle_at_their_two_targets() -> None:
    """Calcium within a tenth of .05 and .2, with as many synapses as NEST makes, within a quarter."""
    sim = Simulator(network(), tick=UPDATE)
    calcium: dict[str, list[float]] = {"e": [], "i": []}
    synapses: dict[str, list[int]] = {"e": [], "i": []}
    for k in range(SECONDS):
        sim.run_until_spike(1000.0 * (k + 1))
        for name in TARGETS:
            calcium[name].append(float(sim.blocks[name]["calcium"].mean()))
            synapses[name].append(sum(sim.tables[f"{name}{to}"].n_synapse for to in TARGETS))
    sim.verify()
    theirs = live()
    for name, target in TARGETS.items():
        ca, number = float(np.mean(calcium[name][-LAST:])), float(np.mean(synapses[name][-LAST:]))
        beside = f", NEST {theirs[f'calcium_{name}']:.4f} and {theirs[f'synapses_{name}']:.0f}" if theirs else ""
        print(f"{name}: calcium {ca:.4f} (target {target}), {number:.0f} outgoing synapses{beside}")
        assert synapses[name][0] == 0 and ca == pytest.approx(target, rel=0.1)
        assert number == pytest.approx(NEST[name], rel=0.25)
        if theirs:
            assert theirs[f"calcium_{name}"] == pytest.approx(target, rel=0.1)
            assert theirs[f"synapses_{name}"] == pytest.approx(NEST[name], rel=0.1)
