"""What a tick of each mechanism costs, alone: `neurodev bench mechanisms --json`.

Only the phases of the mechanism are timed (signals, additions, integration, proposals, newborns), in a network of
many synapses and hardly any spikes; hooks at spikes are in `brunel-stdp`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import numpy as np

from neurodev import registry
from neurodev.bench.testbed import TICK, companions, refusal, small_network
from neurodev.engine.simulator import Simulator
from neurodev.errors import BuildError
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.growth import Growth
from neurodev.mechanisms.growth_curves import GaussianGrowth
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.turnover import Turnover
from neurodev.units import hour

# The company in which a mechanism does its work: rules that without sizes would move weights at spikes only, and one
# that places the newborns of others.
_BESIDE: dict[str, tuple[type[Mechanism], ...]] = {
    "STDP": (SpineSize,),
    "CalciumPlasticity": (SpineSize,),
    "ClusteredBirths": (Turnover,),
}
_PHASES = ("signals", "add", "advance", "propose", "born", "settle")
_WARM, _TICKS = 3, 12


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

    Raises
    ------
    BuildError
        Where no small network accepts it.
    """
    room = 4
    beside = [k() for k in _BESIDE.get(mechanism.name, ())]
    for branches, kinds, most in ((0, ("spines", "inhibitory"), 1), (4, ("spines",), 2)):
        if not beside:
            found = companions(mechanism, others, kinds, most=most, room=room, branches=branches)
        else:
            why = refusal([*beside, mechanism], "spines", room=room, branches=branches)
            found = ("spines", beside) if why is None else None
        if found is not None:
            break
    else:
        raise BuildError(f"no small network accepts {mechanism.name}: give it parameters in `fitting`")
    kind, company = found
    inputs = max(int(100 * np.sqrt(scale)), 10)
    net = small_network(
        [*company, mechanism], kind, sources=5 * inputs, targets=max(int(500 * np.sqrt(scale)), 50), inputs=inputs,
        room=room, rate_hz=1.0, branches=branches,
    )  # fmt: skip
    sim = Simulator(net, acceleration=TICK / 1.0, tick=TICK)
    place: Any = net.projections["p"] if mechanism.level == "synapse" else net.populations["target"]
    timed = Timed(mechanism)
    # a network that runs is closed to users; here a stop watch takes the place of the mechanism that it times
    object.__setattr__(place, "mechanisms", tuple(timed if m is mechanism else m for m in place.mechanisms))
    ns = []
    for k in range(_WARM + _TICKS):
        timed.seconds = 0.0
        sim.run_until_spike(k + 1.0)
        n = sim.tables["p"].n_synapse if mechanism.level == "synapse" else net.populations["target"].n
        if k >= _WARM:
            ns.append(1e9 * timed.seconds / max(n, 1))
    middle = {"ns": float(np.median(ns)), "spread": [float(min(ns)), float(max(ns))]}
    return {"per": mechanism.level, **middle, "with": [m.name for m in company], "on": kind}


def fitting(kind: type[Mechanism]) -> Mechanism:
    """A mechanism with its default parameters; growth as slow as ticks of two hours ask (its default is NEST's, 1e4
    times faster), which costs the same."""
    if kind is Growth:
        return Growth(elements={k: GaussianGrowth(nu=0.2 / hour) for k in Growth().curves()})
    return kind()


def costs(scale: float = 1.0, names: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """`cost` of every mechanism of the package (or of those named), by name."""
    kinds = list(registry.ours("mechanism").values())
    return {
        c.__name__: cost(fitting(c), [fitting(k) for k in kinds], scale)
        for c in kinds
        if names is None or c.__name__ in names
    }
