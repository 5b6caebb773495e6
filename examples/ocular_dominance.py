"""Two eyes share a sheet of cortex: factor that is released by activity parts them, infused factor keeps them together.

The eyes are active in turn.  A cell releases factor in proportion to its rate, and only active axons take it up, so
that the eye that drives a cell better gets more of it.  Where much factor is infused both eyes stay everywhere
(Elliott & Shadbolt 1998, on ocular dominance columns).
"""

import sys
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.plot import style
from neurodev.units import day, hour, second

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
days = int(sys.argv[2]) if len(sys.argv) > 2 else 24
SIDE, EYE, TICK = 16, 64, 2 * hour  # one tick of life is a second of spikes

grid = (np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1).reshape(-1, 2) + 0.5) * 125.0


def eyes_in_turn(seed: int, seconds: int) -> nd.SpikeList:
    """Cells 0 to 63 are the left eye, 64 to 127 the right one; each fires at 20 Hz in every other second or so."""
    draw = np.random.default_rng(seed)
    turn = draw.permuted(np.tile([0, 1], (seconds // 2, 1)), axis=1).ravel()
    count = draw.poisson(20.0, (seconds, EYE))
    when, cell = (np.repeat(x.ravel(), count.ravel()) for x in np.mgrid[:seconds, :EYE])
    times = second * (when + draw.uniform(size=when.size))
    return nd.SpikeList(times, cell + EYE * turn[when], repeat=second * seconds)


def dominance(table) -> np.ndarray:
    """(right - left) / (right + left) of the weights onto each cell."""
    slots = table.slots()
    eye, weight, post = table.pre(slots) // EYE, table.weight[slots], table.post[slots]
    left, right = (np.bincount(post[eye == e], weight[eye == e], minlength=SIDE**2) for e in (0, 1))
    return (right - left) / np.maximum(right + left, 1e-12)


def develop(infused: float) -> tuple[np.ndarray, nd.Population]:
    """Dominance of every cell on every day, (days + 1, n), and the cells."""
    net = nd.Network(seed=5, sheet=nd.Sheet(1000, 1000))
    eyes = net.add(eyes_in_turn(1, 300), 2 * EYE, name="eyes", positions=np.concatenate([grid, grid]))
    cortex = net.add(nd.LIF(drive=8.0), SIDE**2, name="cortex")
    afferents = net.connect(
        eyes, cortex, nd.Near(sigma=100, inputs=16), spines=nd.Spines(weight=2.0), delay=nd.Uniform(1, 3), name="map"
    )
    net.connect(cortex, cortex, nd.Near(sigma=90, inputs=8), weight=0.4, delay=1.0)
    factor = nd.TrophicFactor(
        growth="hill", strength=9.0, half=0.5, receptors=1.0, production=0.3, release=24.0, association=96.0,
        loss=24.0, release_activity=0.9, uptake_activity=1.0, activity_hz=4.0, axon_hz=10.0, gain=2.0, feeds=22.0,
        production_tau=12 * hour, step=0.5 * hour,
    )  # fmt: skip
    afferents.use(factor, nd.SpineSize(death="none", noise=False))
    cortex.use(nd.Scaling(target_hz=4.0, tau=1 * day))
    sim = nd.Simulation(net, acceleration=TICK / second, tick=TICK, record="none")
    if infused > 0:
        sim.at(TICK, nd.Infuse(afferents, infused))
    course = [dominance(sim.simulator.tables["map"])]
    for _ in range(days):
        sim.run(1 * day)
        course.append(dominance(sim.simulator.tables["map"]))
    sim.close()
    return np.array(course), cortex


fig = style.new_figure(11.0, 3.6)
ax, *maps = fig.subplots(1, 3)
found = {}
for (label, infused), hue, picture in zip(
    {"normal": 0.0, "infused": 96.0}.items(), style.POPULATIONS, maps, strict=False
):
    course, cortex = develop(infused)
    found[label] = np.abs(course).mean(axis=1)
    ax.plot(np.arange(days + 1), found[label], color=hue, linewidth=1.8, label=label)
    dots = picture.scatter(*cortex.positions.T, c=course[-1], cmap="RdBu_r", vmin=-1, vmax=1, s=62, marker="s")
    style.plain(picture, f"{label.capitalize()}, day {days}", "um", "um" if infused == 0 else "")
    picture.set_aspect("equal")
    found[label, "share"] = (np.abs(course[-1]) > 0.5).mean()
style.plain(ax, "The eyes part", "life (days)", "mean |right - left| / (right + left)")
ax.set_ylim(0.0, 1.0)
style.legend(ax)
bar = fig.colorbar(dots, ax=maps, shrink=0.8, ticks=[-1, 0, 1])
bar.ax.set_yticklabels(["left eye", "both", "right eye"])
fig.savefig(folder / "ocular_dominance.png", dpi=120)
print(
    f"ocular dominance {found['normal'][0]:.2f} -> {found['normal'][-1]:.2f}: one eye has at least three quarters of "
    f"the weight on {100 * found['normal', 'share']:.0f} % of the cells"
)
print(
    f"with infused factor {found['infused'][0]:.2f} -> {found['infused'][-1]:.2f}: on "
    f"{100 * found['infused', 'share']:.0f} % of the cells"
)
