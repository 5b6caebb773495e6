"""Spine life and death: filopodia that become spines, sizes that wander, and the hour after an induction."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.mechanisms.early_phase import time_course
from neurodev.mechanisms.spine_shape import LABELS, shares
from neurodev.plot import style
from neurodev.structure.log import BIRTH, DEATH
from neurodev.units import day, hour

days = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(".")
tick = 2 * hour

# nobody fires: everything that happens here is spontaneous
net = nd.Network(seed=11)
axons = net.add(nd.LIF(), 200, name="axons")
exc = net.add(nd.LIF(), 60)
synapses = net.connect(axons, exc, nd.Degree(inputs=12), spines=nd.Spines(weight=0.1))
shape = nd.SpineShape()
synapses.use(nd.SpineSize(), shape, nd.SpineStage(early=0, late=4, conversion=0.4, retraction=1.6, hazard=0))
run = nd.simulate(
    net, days * day, acceleration=7200, tick=tick, to=folder / "spines.sqlite", progress=False, overwrite=True
)

figure = Figure(figsize=(11, 7), layout="constrained")
lives, counts, looks, course = figure.subplots(2, 2).flat

# the spines of a few dendrites, each a line from birth to death in the colour of its cause
log = run.log.all
here = log.post < 4
born, dead = (np.flatnonzero(here & (log.kind == kind)) for kind in (BIRTH, DEATH))
end = {log.uid[k]: k for k in dead}
for y, k in enumerate(born):
    last = end.get(log.uid[k])
    cause = "alive" if last is None else run.causes.words[log.cause[last]]
    until = run.days if last is None else log.tick[last] * tick / day
    lives.plot([log.tick[k] * tick / day, until], [y, y], color=style.colour(cause), lw=1.2)
for cause in ("retraction", "fluctuation", "alive"):
    lives.plot([], [], color=style.colour(cause), lw=2, label=cause)
lives.legend(frameon=False, fontsize=8, loc="upper left")
lives.set(title="Births on four dendrites", xlabel="life (days)", ylabel="spine, in order of birth")

snapshots = [(d, run.snapshot(synapses, d)) for d in run.snapshot_days]
for stage, name, hue in ((0, "filopodia", "#9CC3E0"), (2, "spines", "#16456F")):
    number = [np.sum(s["stage"] == stage) / exc.n for _, s in snapshots]
    counts.plot([d for d, _ in snapshots], number, color=hue, label=name)
counts.legend(frameon=False, fontsize=8)
counts.set(title="On each neuron", xlabel="life (days)", ylabel="number", ylim=(0, None))

last = snapshots[-1][1]
volume = 0.05 * np.exp(last["log_size"])
label = shape.labels(volume, last["neck_length"], last["neck_diameter"], last["stage"])
for word, hue in zip(LABELS[1:], ("#4A8DBF", "#B4703A", "#3C9D7E"), strict=True):  # a filopodium has no head
    these = label == word
    name = f"{word}: {np.mean(these):.0%}"
    looks.plot(volume[these], last["neck_length"][these], ".", color=hue, ms=4, alpha=0.7, label=name)
looks.set(
    xscale="log",
    title=f"Labels on a continuum (filopodia: {np.mean(label == LABELS[0]):.0%})",
    xlabel="head volume (um3)",
    ylabel="neck length (um)",
)
looks.legend(frameon=False, fontsize=8)

rule, minutes = nd.EarlyPhase(), np.linspace(0, 60, 241)
for v, name, hue in ((0.05, "small, 0.05 um3", "#4A8DBF"), (0.3, "large, 0.3 um3", "#16456F")):
    course.plot(minutes, time_course(rule, v, minutes), color=hue, label=name)
course.axhline(1.0, color="0.8", lw=0.8, zorder=0)
course.vlines([60, 60], [1.5, 0.9], [2.1, 1.2], color="0.6", lw=6, alpha=0.5, label="band of BIO-18")
course.set(title="The hour after one induction", xlabel="minutes", ylabel="size over the first one")
course.legend(frameon=False, fontsize=8)
for ax in (lives, counts, looks, course):
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig(folder / "spine_life.png", dpi=120)

dead = log.kind == DEATH
born = log.uid[log.kind == BIRTH]
retracted = np.isin(born, log.uid[dead & (log.cause == run.causes.code("retraction"))]).mean()
share = shares(label)
print(
    f"{born.size} filopodia in {run.days:.0f} days: {retracted:.0%} were retracted; after that size decided, and "
    f"{np.sum(dead & (log.cause == run.causes.code('fluctuation')))} spines shrank away by chance."
)
small, large = (time_course(rule, v, np.array([60.0]))[0] for v in (0.05, 0.3))
print(
    f"At the end {share['thin']:.0%} thin, {share['mushroom']:.0%} mushroom, {share['stubby']:.0%} stubby; an hour "
    f"after one induction a small spine keeps x {small:.2f}, a large one x {large:.2f}."
)
