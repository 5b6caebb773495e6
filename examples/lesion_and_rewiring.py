"""A patch of cortex loses its input and rewires: synaptic elements that follow calcium bring the rates back.

Every cell holds its rate near 5 Hz by growing and retracting synaptic elements.  When the middle of the sheet loses its
input, its dendrites grow elements, the axons around it overshoot to meet them, and are pruned when the rates are back
(Butz & van Ooyen 2013).  Acceleration 1: nothing is averaged; growth is as fast as in their model, minutes for weeks.
"""

import sys
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.plot import style
from neurodev.units import second

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
before, after = 160.0, float(sys.argv[2]) if len(sys.argv) > 2 else 600.0  # s

net = nd.Network(seed=1, sheet=nd.Sheet(1000, 1000))
cells = net.add(nd.LIF(drive=8.0), 196, name="cells")
inh = net.add(nd.LIF(), 49, name="inh", inhibitory=True)
thalamus = net.add(nd.Poisson(rate_hz=50.0), 196, name="thalamus", positions=cells.positions)
net.connect(thalamus, cells, nd.OneToOne(), weight=4.0)
net.connect(cells, inh, nd.Near(120, 20), weight=2.0, delay=1.0)
net.connect(inh, cells, nd.Near(120, 8), weight=1.0, delay=1.0)
cells.use(nd.Growth({"axonal": nd.GaussianGrowth(eta=0.005), "dendritic": nd.LinearGrowth()}, calcium=0.03))
lateral = net.connect(cells, cells, nd.Near(80, 8), weight=3.0, delay=2.0, name="lateral")
lateral.use(nd.Pairing(dendritic="dendritic", sigma=120.0))

sim = nd.Simulation(net, tick=second, record="none")
signals = ("calcium", "elements_dendritic", "elements_axonal")
probes = [sim.probe(cells, signal, every=5 * second) for signal in signals]
distance = np.linalg.norm(cells.positions - 500.0, axis=1)
places = {"deprived": distance < 220, "border": (distance >= 220) & (distance < 380), "far": distance >= 380}
sim.at(before * second, nd.Lesion(thalamus, np.flatnonzero(places["deprived"])))
sim.run((before + after) * second)
table = sim.simulator.tables["lateral"]
into = places["deprived"][table.post[table.slots()]]
across = into & ~places["deprived"][table.pre(table.slots())]
sim.close()

t = probes[0].times / second - before
scale = (100.0, 1.0, 1.0)  # calcium .05 is 5 Hz
labels = (("Rates come back", "Hz (from calcium)"), ("Dendritic elements", "per cell"), ("Axonal elements", "per cell"))
fig = style.new_figure(11.0, 3.4)
course = {}
for ax, probe, factor, (title, y) in zip(fig.subplots(1, 3), probes, scale, labels, strict=True):
    for (place, where), hue in zip(places.items(), style.POPULATIONS, strict=False):
        course[title, place] = factor * probe.values[:, where].mean(axis=1)
        ax.plot(t, course[title, place], color=hue, linewidth=1.6, label=place)
    ax.axvline(0.0, color=style.SOFT, linewidth=0.9, linestyle="--")
    ax.set_xlim(-100.0, None)
    style.plain(ax, title, "time after the loss of input (s)", y)
fig.axes[0].axhline(5.0, color=style.SOFT, linewidth=0.9, linestyle=":")
style.legend(fig.axes[1])
fig.savefig(folder / "lesion_and_rewiring.png", dpi=120)

settled, lost, late = t < 0, (t > 10) & (t < 60), t > t[-1] - 100
rate, dendrites = course["Rates come back", "deprived"], course["Dendritic elements", "deprived"]
axons = course["Axonal elements", "border"]
print(
    f"deprived cells: {rate[settled][-8:].mean():.1f} Hz, {rate[lost].mean():.1f} Hz after the loss, back to "
    f"{rate[late].mean():.1f} Hz with {dendrites[late].mean():.0f} dendritic elements for {dendrites[settled][-1]:.0f}"
)
print(
    f"axons of the border: {axons[settled][-8:].mean():.1f} elements, up to {axons[~settled].max():.1f}, pruned to "
    f"{axons[late].mean():.1f}; {across.sum()} of {into.sum()} synapses onto deprived cells come from outside"
)
