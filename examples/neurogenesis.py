"""Neurons born into a settled circuit: they wait, grow in, and are young for a while; old ones without input die."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neurodev as nd
from neurodev.plot import lives
from neurodev.plot.style import legend, plain
from neurodev.structure.log import BIRTH
from neurodev.units import day, hour

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")

net = nd.Network(seed=3, sheet=nd.Sheet(400, 400))
cortex = net.add(nd.Poisson(6.0), 60, name="cortex")
granule = net.add(nd.LIF(tau=20, threshold=20), 40, name="granule", room=24)
path = net.connect(cortex, granule, nd.Near(sigma=200, inputs=12), spines=nd.Spines(weight=3), delay=nd.Uniform(1, 3))
net.background(granule, nd.Background(rate_hz=100.0, weight=1.0))
path.use(nd.STDP("burst"), nd.SpineSize(), nd.Neurotrophin(feeds=20), nd.Turnover(early=6.0, late=1.4))
growth = nd.Neurogenesis(
    rate=1.5, begin=10 * day, end=24 * day, axon=3 * day, first_spine=4 * day, half=6 * day, critical_begin=8 * day,
    critical_end=16 * day,
)  # fmt: skip
granule.use(growth, nd.NeuronDeath(fraction=0.15, begin=5 * day, end=20 * day, target_hz=None, slope=0.5))
run = nd.simulate(net, 45 * day, tick=2 * hour, acceleration=2 * hour / 200.0, progress=False)

fates = run.neurons.batch("granule")
new = fates.kind == BIRTH
birthday = dict(zip(fates.neuron[new].tolist(), (fates.tick[new] * run.tick_days).tolist(), strict=True))
died = dict(zip(fates.neuron[~new].tolist(), (fates.tick[~new] * run.tick_days).tolist(), strict=True))
log = run.log.batch("cortex_granule")
ages, spines = np.arange(0.0, 31.0), []
for j, when in birthday.items():
    mine = log.post == j
    step = np.where(log.kind[mine] == BIRTH, 1, -1)
    at = log.tick[mine] * run.tick_days - when
    count = np.array([step[at <= a].sum() for a in ages], dtype=float)
    count[ages > min(run.days, died.get(j, np.inf)) - when] = np.nan
    spines.append(count)

figure = Figure(figsize=(11, 3.6), layout="constrained")
left, middle, right = figure.subplots(1, 3)
lives.alive(left, run)
lives.fates(middle, run)
right.plot(ages, np.array(spines).T, color="0.8", lw=0.8)
right.plot(ages, np.nanmean(spines, axis=0), color="#22304A", lw=2, label="mean of the newborn")
right.axvspan(
    growth.critical_begin / day, growth.critical_end / day, color="#EEF1F5", zorder=0, label="critical period"
)
plain(right, "A newborn overshoots and is pruned", "age (days)", "spines", "each grey line is one neuron, to its death")
right.set_xlim(0, 30)
legend(right, loc="upper right")
figure.savefig(folder / "neurogenesis.png", dpi=120)
late = np.nanmean(np.array(spines)[:, 25])
print(f"{len(birthday)} neurons were born; {run.neurons.deaths_by_cause('granule')} died.")
print(f"A newborn has no spine before day {growth.first_spine / day:.0f}, and {late:.1f} on day 25 of its age.")
