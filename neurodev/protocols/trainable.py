"""What belongs to training, drawn: schedules of methods, surrogate derivatives, and neurons that go step by step."""

from __future__ import annotations

import copy

import numpy as np

from neurodev.arrays import F8
from neurodev.learn.core.spikes import Current
from neurodev.learn.core.surrogate import KINDS, Surrogate, slope
from neurodev.learn.layers.neurons import IF, LIF
from neurodev.learn.model import Sequential
from neurodev.learn.training.method import Method
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol

LONGEST = 30  # letters that fit beside an axis

# equation and source of what has no class attribute `equation` of its own, by kind and name; x: input, s: spikes
EQUATIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("layer", "Linear"): ("y[t] = W s[t] + b", "convention"),
    ("layer", "Conv2d"): ("y[t] = W * s[t] + b over a window, channels last", "convention"),
    ("layer", "LIF"): ("V[t] = leak V[t-1] + gain x[t];  s[t] = 1 where V >= threshold, then V = 0 (or V - threshold)",
                       "Wu et al. 2018"),
    ("layer", "IF"): ("V[t] = V[t-1] + gain x[t];  s[t] = 1 where V >= threshold, then V = 0 (or V - threshold)",
                      "convention"),
    ("layer", "PLIF"): ("V[t] = V[t-1] + (x[t] - V[t-1]) sigmoid(w), w learned;  spikes and reset as LIF",
                        "Fang et al. 2021"),
    ("layer", "LI"): ("V[t] = leak V[t-1] + gain x[t], which is the output", "convention"),
    ("layer", "AdaptiveLIF"): ("LIF with threshold[t] = threshold + boost a[t];  a[t+1] = hold a[t] + (1 - hold) s[t]",
                               "Bellec et al. 2018"),
    ("layer", "ReLU"): ("y = max(0, x)", "convention"),
    ("layer", "BatchNorm"): ("y = level (x - mean) / sqrt(variance + epsilon) scale + shift", "Ioffe & Szegedy 2015"),
    ("layer", "AveragePool2d"): ("y = mean of x over a window", "convention"),
    ("layer", "MaxPool2d"): ("y = largest x of a window", "convention"),
    ("layer", "Flatten"): ("y = x as a list", "convention"),
    ("layer", "Repeat"): ("y[t] = x at all steps t", "convention"),
    ("layer", "Vote"): ("y_k = mean over the voters of class k", "Chen et al. 2022"),
    ("layer", "Dropout"): ("y = x m / (1 - share), m = 0 with probability share, the same at all steps",
                           "Lee et al. 2020"),
    ("layer", "Bias"): ("y = x + b", "convention"),
    ("layer", "Dendritic"): ("y = (W x)(1 + V x) (+ b)", "Cai et al. 2025, arXiv 2508.21566"),
    ("layer", "Branches"): ("y = sum over branches of strength s(u),  s(u) = 1/(1 + exp((half - u)/slope)) + linear u",
                            "Poirazi, Brannon & Mel 2003"),
    ("layer", "Recurrent"): ("x[t] = feed(s_in[t]) + back(s[t-1])", "convention"),
    ("layer", "Residual"): ("y = body(x) + shortcut(x)", "He et al. 2016"),
    ("layer", "Sequential"): ("y = f_n(... f_1(x))", "convention"),
    ("surrogate", "Surrogate"): (
        "rectangle 1/(2w), triangle (w - |x|)/w^2 within |x| < w; arctan 1/(w (1 + (x/w)^2)); fast sigmoid "
        "1/(w (1 + |x|/w)^2);  x = V - threshold, all times height", "Wu et al. 2018; Zenke & Ganguli 2018"
    ),
    ("loss", "rate_mse"): ("L = mean over samples and classes of (mean over t of y - one-hot)^2", "Wu et al. 2018"),
    ("loss", "rate_binary_cross_entropy"): (
        "L = mean over samples, labels of -log sigmoid(r) if given, -log(1 - sigmoid(r)) if not; r = mean over t of y",
        "convention",
    ),
    ("loss", "rate_cross_entropy"): ("L = -log softmax(mean over t of y)[label]", "convention"),
    ("loss", "step_cross_entropy"): ("L = mean over t of -log softmax(y[t])[label]", "convention"),
    ("loss", "peak_cross_entropy"): ("L = -log softmax(max over t of y)[label]", "convention"),
    ("loss", "first_spike_cross_entropy"): ("L = -log softmax(-t_first / T)[label], t_first = T if silent",
                                          "free"),
}  # fmt: skip


@protocol(Method)
def schedules(method: Method) -> Protocol:
    """What a method does over a run, without a net."""
    panels: dict[str, Panel] = {}
    for name, (x, y) in method.over_a_run().items():  # courses of one quantity, "survival: u = 0", share their axes
        quantity, _, label = name.partition(": ")
        axis = quantity if len(quantity) <= LONGEST else "value"  # the title above says the same
        panels.setdefault(quantity, Panel(quantity, "share of the run", axis)).add(label, x, y)
    return Protocol(method, "its schedules over a run", list(panels.values()))


@protocol(Surrogate)
def derivative(surrogate: Surrogate) -> Protocol:
    """What stands in for the slope of a spike: what kernels compute beside the curve written out."""
    x: F8 = np.linspace(-4.0, 4.0, 161) * surrogate.width + 1e-9
    curve = np.asarray(surrogate(x), dtype=np.float64)
    panel = Panel("Surrogate derivative", "V - threshold", "slope")
    if surrogate.own:
        panel.add("", x, curve)
    else:
        kernel = np.array([slope(KINDS[surrogate.kind], v, surrogate.width) for v in x]) * surrogate.height
        panel.add(surrogate.kind, x, kernel, curve, 1e-12)
    return Protocol(surrogate, "the derivative that kernels use", [panel], "Wu et al. 2018; Zenke & Ganguli 2018")


@protocol(LIF)
def rates(neuron: LIF, n: int = 41, ticks: int = 600) -> Protocol:
    """Spikes a step under constant currents; without a reset by subtraction or adaptation in closed form."""
    scale = float(neuron.threshold) / float(neuron.gain)
    drive = np.linspace(0.02, 2.0, n) * scale
    model = Sequential(copy.deepcopy(neuron), inputs=(n,))
    out, _ = model(Current(np.tile(drive.astype(np.float32), (ticks, 1)), ticks, 1, (n,)))
    found = np.asarray(out.by_row, dtype=np.float64).mean(axis=0)
    panel, leak = Panel("Rate under a constant current", "current", "spikes a step"), float(neuron.leak)
    if type(neuron) not in (LIF, IF) or neuron.reset != "zero":
        return Protocol(neuron, "neurons under constant currents", [panel.add("", drive, found)])
    x = drive * neuron.gain
    with np.errstate(divide="ignore", invalid="ignore"):  # steps k to the first V = x (1 - leak^k)/(1 - leak) above it
        k = neuron.threshold / x if leak == 1.0 else np.log(1 - neuron.threshold * (1 - leak) / x) / np.log(leak)
    period = np.where(np.isfinite(k), np.floor(np.nan_to_num(k) + 1e-6) + 1, np.inf)
    expected = np.floor(ticks / period) / ticks
    # where the threshold is just touched single precision decides: one step more or less a period
    touched = np.abs(np.nan_to_num(k) - np.round(np.nan_to_num(k))) < 1e-3
    return Protocol(
        neuron, "neurons under constant currents",
        [panel.add("", drive, found, expected, np.where(touched, 1.0, 1.5 / ticks))], "closed form of the equation",
    )  # fmt: skip
