"""One spiking sheet pruned in two ways: by use (BCM and survival, DPAP's rule), and by competition for a supply."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.plot.style import colour, legend, plain
from neurodev.units import day, hour

days = float(sys.argv[1]) if len(sys.argv) > 1 else 16.0
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(".")


def sheet(*pruning):
    """The same sheet, wiring and seed; spines that learn by STDP, and one rule that takes them away."""
    net = nd.Network(seed=5, sheet=nd.Sheet(500, 500))
    retina = net.add(nd.RetinalWaves(), 100, name="retina")
    cortex = net.add(nd.LIF(tau=20, threshold=20), 100, name="cortex")
    path = net.connect(
        retina, cortex, nd.Near(sigma=200, inputs=24), spines=nd.Spines(weight=4), delay=nd.Uniform(1, 5)
    )
    path.use(nd.STDP("burst", gain=1.0), nd.SpineSize(), *pruning)
    return nd.simulate(net, days * day, tick=4 * hour, acceleration=240, progress=False)


runs = {
    "use: BCM + survival": sheet(nd.BCM(reference_hz=10.0), nd.Survival(first=2, epoch=12 * hour)),
    "competition: trophic share": sheet(nd.Neurotrophin(feeds=12.0)),
}
runs["neither"] = sheet()
colours = dict(zip(runs, ("#16456F", colour("trophic"), colour("initial")), strict=True))
figure = Figure(figsize=(11.5, 3.8), layout="constrained")
left, middle, right = figure.subplots(1, 3)
kept, number = {}, {}
for name, run in runs.items():
    spines, c = run.spines, colours[name]
    left.plot(*run.density(), color=c, label=name)
    alive = np.isnan(spines.died)
    kept[name] = set(spines.uid[alive].tolist())
    per_neuron = number[name] = np.bincount(spines.post[alive], minlength=100)
    causes = run.log.deaths_by_cause()
    middle.step(np.arange(25), np.bincount(per_neuron, minlength=25)[:25], where="mid", color=c, label=name)
    print(f"{name}: {per_neuron.mean():.1f} +- {per_neuron.std():.1f} spines a neuron; deaths {causes}")
    below = 0
    for cause, n in causes.items():
        shade = "#16456F" if cause == "survival" else colour(cause, run.causes)  # apart from evidence
        right.barh(list(runs).index(name), n, left=below, color=shade, label=cause)
        below += n

a, b = (kept[name] for name in list(runs)[:2])
chance = len(a) * len(b) / len(runs["neither"].spines)
wide = {name: n.std() for name, n in number.items()}
use, competition, neither = wide.values()
print(f"Use judges each spine by itself, across the sheet: counts spread (sd {use:.1f}; neither rule {neither:.1f}).")
print(f"Competition judges it against its neighbours on one neuron: sd {competition:.1f}.")
print(f"{len(a & b)} spines outlive both rules; {chance:.0f} would by chance.")
plain(left, "Pruning of one sheet", "life (days)", "spines a neuron", "same wiring, seed and waves")
plain(middle, "Neurons at the end", "spines", "neurons")
plain(right, "What spines died of", "deaths", "")
right.set_yticks(range(3), [name.split(":")[0].split(" ")[0] for name in runs])
legend(left, loc="upper right")
handles = dict(zip(*right.get_legend_handles_labels()[::-1], strict=True))
right.legend(handles.values(), handles.keys(), frameon=False, fontsize=8, loc="upper right")
figure.savefig(folder / "two_prunings.png", dpi=120)
