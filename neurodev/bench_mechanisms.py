"""What a tick of each mechanism costs, alone: `neurodev bench mechanisms --json`.

Only the phases of the mechanism are timed (signals, additions, integration, proposals, newborns), in a network of
many synapses and hardly any spikes; hooks at spikes are in `brunel-stdp`.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from typing import Any

import numpy as np

import neurodev.mechanisms
from neurodev.engine.simulator import Simulator
from neurodev.engine.testbed import TICK, companions, small_network
from neurodev.mechanisms.base import Mechanism

_PHASES = ("signals", "add", "advance", "propose", "born")
_WARM, _TICKS = 3, 12


def all_mechanisms() -> list[type[Mechanism]]:
    """Every mechanism of the package, by name."""
    for module in pkgutil.iter_modules(neurodev.mechanisms.__path__):
        importlib.import_module(f"neurodev.mechanisms.{module.name}")
    found, waiting = set(), [Mechanism]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls is not Mechanism and cls.__module__.startswith("neurodev.mechanisms."):
            found.add(cls)
    return sorted(found, key=lambda c: c.__name__)


class Timed:
    """A mechanism whose phases are timed; in everything else the mechanism itself."""

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism, self.seconds = mechanism, 0.0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._mechanism, name)
        if name not in _PHASES:
            return value

        def phase(*given: Any) -> Any:
            begin = time.perf_counter()
            out = value(*given)
            self.seconds += time.perf_counter() - begin
            return out

        return phase


def cost(mechanism: Mechanism, others: list[Mechanism], scale: float = 1.0) -> dict[str, Any]:
    """Cost of a tick of one mechanism: ``per`` ("synapse" or "neuron"), ``ns``, its spread, and its company.

    Without ``ns`` where no small network accepts it: ``ns`` is NaN.
    """
    room = 4
    branches, found = 0, companions(mechanism, others, ("spines", "inhibitory"), most=1, room=room)
    if found is None:
        branches, found = 4, companions(mechanism, others, ("spines",), room=room, branches=4)
    if found is None:
        return {"per": mechanism.level, "ns": float("nan"), "with": [], "on": ""}
    kind, company = found
    inputs = max(int(100 * np.sqrt(scale)), 10)
    net = small_network(
        [*company, mechanism], kind, sources=5 * inputs, targets=max(int(500 * np.sqrt(scale)), 50), inputs=inputs,
        room=room, rate_hz=1.0, branches=branches,
    )  # fmt: skip
    sim = Simulator(net, acceleration=TICK / 1.0, tick=TICK)
    place: Any = net.projections["p"] if mechanism.level == "synapse" else net.populations["target"]
    timed = Timed(mechanism)
    place.mechanisms[place.mechanisms.index(mechanism)] = timed
    ns = []
    for k in range(_WARM + _TICKS):
        timed.seconds = 0.0
        sim.run_until_spike(k + 1.0)
        n = sim.tables["p"].n_synapse if mechanism.level == "synapse" else net.populations["target"].n
        if k >= _WARM:
            ns.append(1e9 * timed.seconds / max(n, 1))
    middle = {"ns": float(np.median(ns)), "spread": [float(min(ns)), float(max(ns))]}
    return {"per": mechanism.level, **middle, "with": [m.name for m in company], "on": kind}


def costs(scale: float = 1.0) -> dict[str, dict[str, Any]]:
    """`cost` of every mechanism of the package, with its default parameters, by name."""
    kinds = all_mechanisms()
    return {c.__name__: cost(c(), [k() for k in kinds], scale) for c in kinds}
