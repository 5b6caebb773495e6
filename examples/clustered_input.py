"""The same synapses, on one branch or one a branch: what a dendrite makes of clustered and of dispersed input.

Three dendrites of sixteen branches (linear, two-layer, plateau): the potential without threshold, by the number of
synapses active at once; and spikes of noisy neurons after volleys, with linear branches and with plateaus.
"""

import sys
from pathlib import Path

import numpy as np

import neurodev as nd
from neurodev.plot.style import BLUE, ORANGE, SOFT, legend, new_figure, plain, png
from neurodev.protocols.dendrites import Input, responses

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
BRANCHES, WEIGHT, MOST = 16, 30.0, 16  # pA a synapse
PLATEAU = {"threshold": 8 * WEIGHT, "amplitude": 80.0, "duration": 80.0}
times, numbers = np.arange(0.0, 160.0, 1.0), np.arange(1, MOST + 1)


def volley(k: int, clustered: bool, neuron: int) -> list[Input]:
    """`k` synapses of a neuron at one instant."""
    return [Input(neuron, 0 if clustered else i, 0.0, WEIGHT) for i in range(k)]


peaks, course = {}, {}
for word, dendrite in (
    ("linear", nd.Branches(BRANCHES)), ("two-layer", nd.TwoLayer(BRANCHES, unit=WEIGHT)),
    ("plateau", nd.Plateau(BRANCHES, **PLATEAU)),
):  # fmt: skip
    inputs = [x for k in numbers for c in (0, 1) for x in volley(k, bool(c), 2 * (k - 1) + c)]
    v = responses(dendrite, inputs, times)
    peaks[word] = v.max(axis=0).reshape(MOST, 2)
    course[word] = v.reshape(times.size, MOST, 2)[:, 9]  # ten synapses


def spikes_after_volleys(dendrite: nd.Branches, *, trials: int = 40, seed: int = 1) -> np.ndarray:
    """Spikes in the 100 ms after a volley, (n_number, 2): dispersed and clustered; each neuron is one trial."""
    at, cells = np.arange(200.0, 2200.0, 250.0), 2 * MOST * trials
    net = nd.Network(seed=seed)
    axons = net.add(nd.SpikeList(np.repeat(at, MOST), np.tile(np.arange(MOST), at.size)), MOST, name="axons")
    neurons = net.add(nd.LIF(tau_excitatory=5, tau_inhibitory=10, dendrite=dendrite), cells, name="neurons")
    j = np.arange(cells)
    number, clustered = j // (2 * trials) + 1, (j // trials) % 2 == 1
    post = np.repeat(j, number)
    pre = np.concatenate([np.arange(k) for k in number])
    branch = np.where(clustered[post], 0, pre)
    net.connect(axons, neurons, nd.Pairs(pre, post), weight=WEIGHT, delay=1.0, branch=branch)
    net.background(neurons, nd.Background(rate_hz=850.0, weight=WEIGHT))
    run = nd.simulate(net, 2300.0, record="all", progress=False)
    t, i = run.spikes("neurons")
    after = ((t - 201.0) % 250.0 < 100.0) & (t > 201.0)
    return np.bincount(i[after], minlength=cells).reshape(MOST, 2, trials).mean(axis=2) / at.size


rates = {w: spikes_after_volleys(d) for w, d in (("linear", nd.Branches(BRANCHES)),
                                                 ("plateau", nd.Plateau(BRANCHES, **PLATEAU)))}  # fmt: skip

figure = new_figure(13.2, 4.0)
left, middle, right = figure.subplots(1, 3)
hues = {"linear": SOFT, "two-layer": ORANGE, "plateau": BLUE}
plain(
    left, "Ten synapses at one instant", "time (ms)", "V above rest (mV)", "full: on one branch; dashed: one a branch"
)
plain(middle, "How many synapses", "synapses active at once", "largest V above rest (mV)")
plain(right, "Spikes under noise", "synapses active at once", "spikes in 100 ms after a volley")
for word, hue in hues.items():
    # linear branches do not know where their input lies: one pale line under the others
    lines = [(1, "-", word), (0, "--", None)] if word != "linear" else [(1, "-", "linear, either way")]
    style = {"color": hue, "linewidth": 5.0, "alpha": 0.4} if word == "linear" else {"color": hue, "markersize": 3.5}
    dots = style if word == "linear" else style | {"marker": "o"}
    for c, line, label in lines:
        left.plot(times, course[word][:, c], line, label=label, **style)
        middle.plot(numbers, peaks[word][:, c], line, label=label, **dots)
        if word in rates:
            right.plot(numbers, rates[word][:, c], line, label=label, **dots)
for ax in (left, middle, right):
    legend(ax, loc="upper left" if ax is not left else "upper right")
(folder / "clustered_input.png").write_bytes(png(figure))

for word, r in rates.items():
    print(f"{word}: {r[11, 1]:.2f} spikes after twelve synapses on one branch, {r[11, 0]:.2f} when dispersed; after "
          f"four, {r[3, 1]:.2f} and {r[3, 0]:.2f}")  # fmt: skip
