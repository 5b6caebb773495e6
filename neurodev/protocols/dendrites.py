"""Protocols of dendrites: inputs on branches of neurons that cannot fire, run by the event engine itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from neurodev.arrays import F8
from neurodev.engine.network import Network
from neurodev.engine.simulator import Simulator
from neurodev.neurons.dendrite import Bilinear, Plateau, TwoLayer, cable_attenuation, chain, kappa, magnesium_block
from neurodev.neurons.lif import LIF
from neurodev.neurons.listed import SpikeList
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.structure.places import Branches
from neurodev.structure.wiring import Pairs

ROUNDING = 1e-9  # mV
UNIT = 30.0  # pA, one synapse
CONSTANT = 250.0  # um, length constant of the passive branch that is drawn


class Cell(NamedTuple):
    """The passive membrane of a protocol: time constants (ms) and capacitance (pF)."""

    tau: float = 20.0
    excitatory: float = 5.0
    inhibitory: float = 10.0
    capacitance: float = 200.0

    @property
    def resistance(self) -> float:
        """mV per pA."""
        return self.tau / self.capacitance


class Input(NamedTuple):
    """One arrival: on which neuron and branch, when (ms), how strong (pA; negative: inhibitory)."""

    neuron: int
    branch: int
    time: float
    weight: float = UNIT


def responses(dendrite: Branches | None, inputs: list[Input], times: ArrayLike, cell: Cell = Cell()) -> F8:  # noqa: B008
    """Potentials (n_time, n_neuron), mV above rest, of neurons that cannot fire, each with the inputs given to it.

    Parameters
    ----------
    dendrite : Branches, Bilinear, TwoLayer or Plateau; None: point neurons
    inputs : list of Input
    times : (n_time,) array_like, ms, ascending
    """
    n, lag = max(i.neuron for i in inputs) + 1, 1.0
    net = Network()
    neurons = net.add(
        LIF(tau=cell.tau, threshold=1e9, tau_excitatory=cell.excitatory, tau_inhibitory=cell.inhibitory,
            capacitance=cell.capacitance, dendrite=dendrite),
        n, name="neurons",
    )  # fmt: skip
    for inhibitory in (False, True):
        mine = [i for i in inputs if (i.weight < 0) == inhibitory]
        if not mine:
            continue
        word = "inhibitory" if inhibitory else "excitatory"
        spikes = SpikeList([i.time for i in mine], list(range(len(mine))))
        source = net.add(spikes, len(mine), name=word, inhibitory=inhibitory)
        branch = None if dendrite is None else np.array([i.branch for i in mine])
        net.connect(
            source, neurons, Pairs(np.arange(len(mine)), np.array([i.neuron for i in mine])),
            weight=np.array([abs(i.weight) for i in mine]), delay=lag, branch=branch,
        )  # fmt: skip
    sim, out = Simulator(net), []
    for t in np.asarray(times, dtype=float):
        sim.run_until_spike(lag + float(t))
        out.append(sim.engine.potential("neurons"))
    return np.array(out)


def exponential(t: ArrayLike, current: float, tau_current: float, cell: Cell) -> F8:
    """Potential (mV) `t` ms after a current of `current` pA began to decay; 0 before."""
    s = np.maximum(np.asarray(t, dtype=float), 0.0)
    rate, leak = 1.0 / tau_current, 1.0 / cell.tau
    return np.asarray(current / cell.capacitance * (np.exp(-leak * s) - np.exp(-rate * s)) / (rate - leak))


def step(t: ArrayLike, current: float, duration: float, cell: Cell) -> F8:
    """Potential (mV) `t` ms after a constant current of `current` pA began, which lasts `duration` ms; 0 before."""
    s = np.asarray(t, dtype=float)
    on, after = np.clip(s, 0.0, duration), np.maximum(s - duration, 0.0)
    return np.asarray(current * cell.resistance * -np.expm1(-on / cell.tau) * np.exp(-after / cell.tau))


def _times(first: float, last: float, n: int) -> F8:
    return np.linspace(first, last, n)


@protocol(Branches)
def linear_protocol(branches: Branches) -> Protocol:
    """Two inputs at several intervals, on one branch and on two; attenuation along a branch of this length."""
    cell, t = Cell(), _times(0.0, 80.0, 41)
    gaps, last = np.array([0.0, 10.0, 30.0]), int(branches.per_neuron) - 1
    inputs = [Input(2 * k + b, b * last, gap * i) for k, gap in enumerate(gaps) for b in (0, 1) for i in (0, 1)]
    v = responses(branches, inputs, t, cell)
    panel, fine = Panel("Two inputs, on one branch and on two", "time (ms)", "V above rest (mV)"), _times(0, 80, 321)
    for k, gap in enumerate(gaps):

        def law(x: F8, gap: float = gap) -> F8:
            return exponential(x, UNIT, cell.excitatory, cell) + exponential(x - gap, UNIT, cell.excitatory, cell)

        for b, word in enumerate(("one branch", "two branches")):
            panel.add(f"{gap:g} ms apart, {word}", t, v[:, 2 * k + b], law(t), ROUNDING, fine=(fine, law(fine)))
    far = Panel("Passive attenuation of a steady input", "distance from the soma (um)", "V of the soma over V there")
    n, length = 400, float(branches.length)
    at, smooth = np.arange(n // 20, n + 1, n // 20), np.linspace(0.0, length, 200)
    for soma in (0.3, 1.0, 3.0):
        dx = length / n / CONSTANT
        leak = np.concatenate([[soma], np.full(n, dx)])
        axial = np.concatenate([[2.0 / dx], np.full(n - 1, 1.0 / dx)])  # nS, where a semi-infinite branch has 1 nS
        steady = [chain(axial, leak, int(k)) for k in at]
        here = (at - 0.5) * length / n
        share = [x[0] / x[k] for x, k in zip(steady, at, strict=True)]
        exact = [cable_attenuation(x, length, CONSTANT, soma) for x in (here, smooth)]
        # the error of n compartments falls with the square of their length
        far.add(f"soma of {soma:g} branches", here, share, exact[0], dx**2, fine=(smooth, exact[1]))
    return Protocol(
        branches, "two synapses of 30 pA through the engine: a point neuron; and a chain of 400 passive compartments",
        [panel, far], "closed form of exponential currents; cable theory (Rall)",
    )  # fmt: skip


@protocol(Bilinear)
def bilinear_protocol(dendrite: Bilinear) -> Protocol:
    """An excitatory and an inhibitory input together, their product by interval, and kappa of conductances."""
    cell, t, fine = Cell(), _times(0.0, 100.0, 51), _times(0.0, 100.0, 401)
    e, i, late = 300.0, -300.0, 5.0
    ee, ei, _ = dendrite.kappas()
    mixed = 1.0 / (1.0 / cell.excitatory + 1.0 / cell.inhibitory)

    def product(x: F8, gap: float, first: tuple[float, float], second: tuple[float, float], k: float, tau: float) -> F8:
        early, other = (first, second[0]) if gap >= 0 else (second, first[0])
        left = early[0] * np.exp(-abs(gap) / early[1])
        return exponential(x - max(gap, 0.0), k * cell.resistance * left * other, tau, cell)

    inputs = [Input(0, 0, 0.0, e), Input(1, 0, late, i), Input(2, 0, 0.0, e), Input(2, 0, late, i)]
    v = responses(dendrite, inputs, t, cell)
    here = Panel("Excitation, then inhibition on its branch", "time (ms)", "V above rest (mV)")

    def alone(x: F8) -> list[F8]:
        return [exponential(x, e, cell.excitatory, cell), exponential(x - late, i, cell.inhibitory, cell)]

    def laws(x: F8) -> list[F8]:
        first, second = alone(x)
        extra = product(x, late, (e, cell.excitatory), (i, cell.inhibitory), ei, mixed)
        return [first, second, first + second + extra]

    for k, word in enumerate(("excitation", "inhibition", "both")):
        here.add(word, t, v[:, k], laws(t)[k], ROUNDING, fine=(fine, laws(fine)[k]))
    here.add("their sum", fine, np.sum(alone(fine), axis=0))

    gaps, smooth = _times(-30.0, 30.0, 21), _times(-30.0, 30.0, 241)
    timing = Panel("What the pair adds, 20 ms after the second", "second after first (ms)", "mV")
    for word, second, factor, tau in (("E, then E", e, ee, cell.excitatory / 2), ("E, then I", i, ei, mixed)):
        tau_second = cell.excitatory if second > 0 else cell.inhibitory
        extra = []
        for gap in gaps:
            a, b = max(-gap, 0.0), max(gap, 0.0)
            pair = [Input(0, 0, a, e), Input(1, 0, b, second), Input(2, 0, a, e), Input(2, 0, b, second)]
            w = responses(dendrite, pair, [max(a, b) + 20.0], cell)[0]
            extra.append(w[2] - w[0] - w[1])

        def law(g: F8, second: float = second, k: float = factor, tau: float = tau, ts: float = tau_second) -> F8:
            x = np.array([20.0])
            pairs = [product(x + max(d, 0.0), d, (e, cell.excitatory), (second, ts), k, tau)[0] for d in g]
            return np.array(pairs)

        timing.add(word, gaps, extra, law(gaps), ROUNDING, fine=(smooth, law(smooth)))
    share = np.geomspace(1e-3, 1.0, 60)
    exact = Panel("kappa of two steady conductances", "conductance over the leak's", "kappa (1/mV)", log_x=True)
    for word, limit, reversal in (
        ("E, E", ee, [dendrite.excitatory_reversal] * 2),
        ("E, I", ei, [dendrite.excitatory_reversal, dendrite.inhibitory_reversal]),
    ):
        exact.add(f"{word}: exact", share, [kappa(1.0, [g, g], reversal) for g in share])
        exact.add(f"{word}: this dendrite", share, np.full(share.size, limit))
    return Protocol(
        dendrite, "one or two inputs of 300 pA on a branch, through the engine", [here, timing, exact],
        "steady state of one compartment; Li et al. 2014 PLoS CB 1004014 (the rule)",
    )  # fmt: skip


@protocol(TwoLayer)
def two_layer_protocol(dendrite: TwoLayer, *, most: int = 12) -> Protocol:
    """Synapses at one instant, on one branch, one a branch, and on one branch but slowly."""
    cell, n = Cell(), np.arange(1, most + 1)
    peak = np.log(cell.tau / cell.excitatory) / (1.0 / cell.excitatory - 1.0 / cell.tau)
    one = float(exponential(peak, dendrite.unit, cell.excitatory, cell))
    wide = TwoLayer(**{k: getattr(dendrite, k) for k in _FIELDS} | {"per_neuron": most})
    together = [Input(k, 0, 0.0, dendrite.unit) for k in range(most) for _ in range(n[k])]
    apart = [Input(most + k, b, 0.0, dendrite.unit) for k in range(most) for b in range(n[k])]
    v = responses(wide, together + apart, [peak], cell)[0] / one
    fine = np.linspace(0.0, float(most), 400)
    branch = Panel("Synapses at one instant", "number of synapses", "peak (in synapses)")
    s0, s1 = dendrite.output([0.0, 1.0])
    branch.add("on one branch", n, v[:most], dendrite.output(n) - s0, 1e-7, fine=(fine, dendrite.output(fine) - s0))
    branch.add("one a branch", n, v[most:], n * (s1 - s0), 1e-7, fine=(fine, fine * (s1 - s0)))
    branch.add("point neuron", fine, fine)
    gaps, number = np.array([0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]), 6
    train = [Input(k, 0, g * j, dendrite.unit) for k, g in enumerate(gaps) for j in range(number)]
    spread = Panel(f"{number} synapses, one after the other", "interval (ms)", "V after the last (mV)")
    measured = [responses(dendrite, [i._replace(neuron=0) for i in train if i.neuron == k],
                          [g * (number - 1) + peak])[0, 0] for k, g in enumerate(gaps)]  # fmt: skip
    smooth = np.linspace(0.0, 50.0, 201)
    laws = [[_trained(dendrite, g, number, peak, cell) for g in x] for x in (gaps, smooth)]
    spread.add("", gaps, measured, laws[0], ROUNDING, fine=(smooth, laws[1]))
    return Protocol(
        dendrite, f"synapses of {dendrite.unit:g} pA on branches, through the engine", [branch, spread],
        "Poirazi et al. 2003 (recalled)",
    )  # fmt: skip


_FIELDS = ("length", "unit", "height", "middle", "width", "slope", "curvature")


def _trained(dendrite: TwoLayer, gap: float, number: int, read: float, cell: Cell) -> float:
    """V `read` ms after the last of `number` synapses: each adds what the branch's output grows by at its arrival."""
    decay = np.exp(-gap / cell.excitatory)
    v, a = 0.0, 0.0
    for k in range(number):
        grown = float(dendrite.output(a + 1.0) - dendrite.output(a))
        v += float(exponential(read + gap * (number - 1 - k), dendrite.unit * grown, cell.excitatory, cell))
        a = (a + 1.0) * decay
    return v


@protocol(Plateau)
def plateau_protocol(dendrite: Plateau, *, most: int = 24) -> Protocol:
    """BIO-29: response to n synapses on one branch and one a branch; the course of a plateau; its size at onset."""
    cell, n = Cell(), np.arange(1, most + 1)
    weight = np.ceil(dendrite.threshold / 10.0 * 1024.0) / 1024.0  # ten synapses reach the threshold
    wide = Plateau(**{k: getattr(dendrite, k) for k in _PLATEAU} | {"per_neuron": most})
    together = [Input(k, 0, 0.0, weight) for k in range(most) for _ in range(n[k])]
    apart = [Input(most + k, b, 0.0, weight) for k in range(most) for b in range(n[k])]
    times = np.linspace(0.0, 2.0 * dendrite.duration, 81)
    v = responses(wide, together + apart, times, cell)
    on, size = n * weight >= dendrite.threshold, float(dendrite.onset(0.0))

    def law(t: F8, k: int, clustered: bool) -> F8:
        plain = exponential(t, n[k] * weight, cell.excitatory, cell)
        return plain + (step(t, size, dendrite.duration, cell) if clustered and on[k] else 0.0)

    count = Panel("Largest V of n synapses at one instant", "number of synapses", "V above rest (mV)")
    for word, k0, clustered in (("on one branch", 0, True), ("one a branch", most, False)):
        exact = [law(times, k, clustered).max() for k in range(most)]
        count.add(word, n, v[:, k0 : k0 + most].max(axis=0), exact, ROUNDING)
    course = Panel("Course", "time (ms)", "V above rest (mV)")
    fine = np.linspace(0.0, times[-1], 601)
    for k in (8, 9, 15):
        if k < most:
            course.add(f"{n[k]} on one branch", times, v[:, k], law(times, k, True), ROUNDING,
                       fine=(fine, law(fine, k, True)))  # fmt: skip
    rise = np.linspace(0.0, 20.0, 9)
    onset = Panel("Size of a plateau that begins at V", "V above rest (mV)", "pA")
    at = dendrite.resting + dendrite.depolarisation
    b = [magnesium_block(at + x, dendrite.magnesium) / magnesium_block(at, dendrite.magnesium) for x in rise]
    onset.add("", rise, dendrite.onset(rise), dendrite.amplitude * np.array(b), 1e-9 * max(dendrite.amplitude, 1.0))
    return Protocol(
        dendrite, f"synapses of {weight:g} pA at one instant, through the engine", [count, course, onset],
        "Major 2013 (third-party): 8-20 synapses, 50-200 ms; the block: Jahr & Stevens 1990 (recalled)",
    )  # fmt: skip


_PLATEAU = ("length", "threshold", "amplitude", "duration", "magnesium", "resting", "depolarisation")
