"""Inhibitory balance: inhibition learns to follow excitation, neuron by neuron, until each fires at one rate.

Many weak synapses hold the target's rate.  Few strong ones hold one a little above it: an arrival makes a spike less
likely, so that fewer pairs of an arrival and a spike occur than of independent trains.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.units import second

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(".")

# forty neurons whose constant drive differs by half a threshold, and a pool of inhibitory Poisson cells
net = nd.Network(seed=5)
drive = np.linspace(16.0, 26.0, 40)
exc = net.add(nd.LIF(tau=20, threshold=20, drive=drive), 40)
gaba = net.add(nd.Poisson(rate_hz=10), 800, name="gaba", inhibitory=True)
net.background(exc, nd.Background(rate_hz=300, weight=1.0))
synapses = net.connect(gaba, exc, nd.AllToAll(), weight=0.005)
rule = nd.InhibitorySTDP(target_hz=6, rate=1e-2, weight_max=0.15)
synapses.use(rule)

sim = nd.Simulation(net, acceleration=1, tick=1 * second, to=folder / "balance.sqlite", progress=False, overwrite=True)
sim.run(seconds * second)
t = sim.simulator.tables[synapses.name]
weight = np.zeros(exc.n)
np.add.at(weight, t.post[t.slots()], -t.weight[t.slots()] / gaba.n)
run = sim.close()

rates = run.counts(exc).astype(float)  # ticks of one second: counts are Hz
first, last = rates[:3].mean(axis=0), rates[-20:].mean(axis=0)
figure = Figure(figsize=(11, 3.4), layout="constrained")
course, level, match = figure.subplots(1, 3)
time = np.arange(1, rates.shape[0] + 1)
for k, colour in zip((0, 13, 26, 39), ("#9CC3E0", "#4A8DBF", "#16456F", "#22304A"), strict=True):
    course.plot(time, rates[:, k], color=colour, lw=1, label=f"drive {drive[k]:.0f} mV")
course.axhline(rule.target_hz, color="0.6", lw=1, ls="--")
course.set(title="Rates while inhibition learns", xlabel="seconds", ylabel="Hz")
course.legend(frameon=False, fontsize=8)
level.plot(drive, first, ".", color="#B4703A", label="first three seconds")
level.plot(drive, last, ".", color="#22304A", label="last twenty seconds")
level.axhline(rule.target_hz, color="0.6", lw=1, ls="--")
level.set(title="One rate for all", xlabel="drive (mV)", ylabel="Hz", ylim=(0, None))
level.legend(frameon=False, fontsize=8)
match.plot(drive, weight, ".", color="#3C9D7E")
match.set(
    title="Inhibition matches the drive", xlabel="drive (mV)", ylabel="mean inhibitory weight (mV)", ylim=(0, None)
)
for ax in (course, level, match):
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig(folder / "inhibitory_balance.png", dpi=120)

print(
    f"Rates from {first.min():.1f}..{first.max():.1f} Hz to {last.min():.1f}..{last.max():.1f} Hz; "
    f"mean {last.mean():.2f} Hz for a target of {rule.target_hz:g} Hz."
)
print(
    f"Mean inhibitory weight {weight[0]:.3f} mV at the weakest drive, {weight[-1]:.3f} mV at the strongest: "
    f"correlation with the drive {np.corrcoef(drive, weight)[0, 1]:.3f}."
)
