"""Five axons compete for the trophic factor of one target: how receptors grow decides who survives.

Growth of receptors in proportion to the occupied ones leaves a single axon, saturating growth leaves all that can live
on what is left over, sigmoid growth those that were large at the start.  Dashed: the closed form.
Model: van Ooyen & Willshaw 1999 (`neurodev show TrophicFactor`).
"""

import sys
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.mechanisms.trophic_factor import steady_state
from neurodev.plot import style
from neurodev.units import day, hour

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")

STRENGTHS = {
    "linear": 24 * np.array([0.24, 0.25, 0.26, 0.28, 0.30]),
    "michaelis": 24 * np.array([1.5, 2.0, 2.5, 3.0, 3.5]),
    "hill": 24 * np.full(5, 3.0),
}
TITLES = {"linear": "Linear growth", "michaelis": "Saturating growth (Michaelis)", "hill": "Sigmoid growth (Hill)"}


def compete(growth: str, days: float) -> tuple[np.ndarray, np.ndarray, nd.TrophicFactor]:
    """Occupied receptors of the axons in time: days (n,), receptors (n, 5), and the mechanism."""
    start = {"receptors": 4.0, "spread": 4.0} if growth == "hill" else {}
    factor = nd.TrophicFactor(growth=growth, strength=STRENGTHS[growth], gain=0.0, **start)
    net = nd.Network(seed=5)
    axons, target = net.add(nd.Poisson(rate_hz=1.0), 5, name="axons"), net.add(nd.LIF(), 1, name="target")
    arbour = net.connect(axons, target, nd.AllToAll(), spines=nd.Spines(), name="arbour").use(factor)
    sim = nd.Simulation(net, acceleration=86400, tick=hour)
    probe = sim.probe(arbour, "receptor_bound", every=hour / 86400)
    sim.run(days * day).close()
    return probe.times * 86400 / day, probe.values, factor


fig = style.new_figure(11.0, 3.4)
said = []
for ax, (growth, title) in zip(fig.subplots(1, 3), TITLES.items(), strict=True):
    t, c, factor = compete(growth, 40.0 if growth == "linear" else 5.0)
    law, _ = steady_state(factor, STRENGTHS[growth], c[-1] > 1.0)
    for k, hue in enumerate(style.POPULATIONS):
        ax.plot(t, c[:, k], color=hue, linewidth=1.6, label=f"axon {k + 1}")
        ax.axhline(law[k], color=hue, linewidth=0.9, linestyle="--")
    style.plain(ax, title, "life (days)", "occupied receptors")
    alive, off = np.flatnonzero(c[-1] > 0.01) + 1, np.abs(c[-1] - law).max()
    said.append(f"{growth}: {', '.join(map(str, alive))} (off the closed form by {off:.1g})")
style.legend(fig.axes[0], loc="center right")
fig.savefig(folder / "five_axons.png", dpi=120)
print("axons that survive  " + "; ".join(said))
print("one target, one supply: the growth of receptors alone decides between exclusion, coexistence and history")
