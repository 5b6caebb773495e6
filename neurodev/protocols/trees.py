"""Protocols of passive trees: arrivals on their compartments, cable theory, and the rate of a soma with a dendrite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurodev.arrays import F8
from neurodev.engine.network import Network
from neurodev.engine.simulator import Simulator
from neurodev.neurons.listed import SpikeList
from neurodev.neurons.tree import Tree, TreeLIF
from neurodev.protocols.models import last_rates, single
from neurodev.protocols.registry import protocol
from neurodev.protocols.result import Panel, Protocol
from neurodev.structure.wiring import OneToOne

WEIGHT = 100.0  # fC, or pA
MOST_SHOWN = 5  # compartments


def answers(model: TreeLIF, where: list[int], times: F8) -> F8:
    """Potential (mV above rest) of somata that cannot fire, (n_time, n), after one arrival on a compartment of each."""
    n, lag = len(where), 1.0
    net = Network()
    quiet = replace(model, threshold=float("inf"), rest=0.0, reset=0.0, drive=0.0, initial=None)
    cells = net.add(quiet, n, name="cells")
    source = net.add(SpikeList([0.0] * n, list(range(n))), n, name="source")
    net.connect(source, cells, OneToOne(), weight=WEIGHT, delay=lag, branch=np.array(where))
    sim, out = Simulator(net), []
    for t in times:
        sim.run_until_spike(lag + float(t))
        out.append(sim.engine.potential("cells"))
    return np.array(out)


def flow(tree: Tree, held: bool, drive: float = 0.0) -> F8:
    """The matrix of ``d(U, 1)/dt``, (n + 1, n + 1); `drive` (pA) into the soma."""
    n, c = tree.per_neuron, tree.each("capacitance")
    out = np.zeros((n + 1, n + 1))
    out[:n, :n], out[0, n] = -tree.conductances() / c[:, None], drive / c[0]
    if held:
        out[0] = 0.0
    return out


def answer_law(model: TreeLIF, where: int, times: F8) -> F8:
    """`answers` by exponentials of the whole matrix; `times` are evenly spaced."""
    from scipy.linalg import expm

    matrix, n = flow(model.dendrite, False), model.dendrite.per_neuron
    c = model.dendrite.each("capacitance")
    state = np.zeros(n + 1)
    if model.has_currents:  # the last variable is the current
        matrix[where, n], matrix[n, n] = 1.0 / c[where], -1.0 / model.tau_excitatory
        state[n] = WEIGHT
    else:
        state[where] = WEIGHT / c[where]
    state, step = expm(matrix * times[0]) @ state, expm(matrix * (times[1] - times[0]))
    out = []
    for _ in times:
        out.append(state[0])
        state = step @ state
    return np.array(out)


def arrivals_panel(model: TreeLIF) -> Panel:
    """The soma after an arrival on one compartment or another, by the engine and by exponentials of the matrix."""
    tree, n = model.dendrite, model.dendrite.per_neuron
    where = sorted({int(k) for k in np.linspace(0, n - 1, min(n, MOST_SHOWN))})
    times = np.linspace(0.02, 3.0, 40) / float(tree.modes()[0][0])
    v, scale = answers(model, where, times), 1.0 + WEIGHT / float(tree.each("capacitance").min())
    unit = model.weight_unit
    panel = Panel(f"An arrival of {WEIGHT:g} {unit} on one compartment", "after it (ms)", "V of the soma (mV)")
    for k, j in enumerate(where):
        word = "soma" if j == 0 else f"compartment {j}, {tree.distances()[j]:g} um"
        panel.add(word, times, v[:, k], answer_law(model, j, times), 1e-10 * scale)
    return panel


def cable_panel() -> Panel:
    """A cylinder with a sealed end in 10, 20 and 40 pieces, beside the closed form."""
    constant = np.sqrt(2e-4 / 4.0 * 20_000.0 / 150.0) * 1e4  # um, sqrt(d / 4 Rm / Ra)
    long, panel = 1.5 * constant, Panel("A cylinder cut into pieces", "distance (um)", "V over that at its beginning")
    fine = np.linspace(0.0, long, 200)

    def law(x: F8) -> F8:
        return np.asarray(np.cosh((long - x) / constant) / np.cosh(long / constant))

    for pieces in (10, 20, 40):
        tree = Tree.of_cylinders([-1], [long], [2.0], soma=0.0, longest=long / pieces)
        v, x = tree.transfer()[0], tree.distances()
        # of second order in the length of a piece over the length constant
        error = 0.1 * (long / constant / pieces) ** 2
        panel.add(f"{pieces} pieces", x, v / v[0], law(x), error, fine=(fine, law(fine)))
    return panel


def repeated_rate(p: TreeLIF, drive: float) -> float:
    """Rate (Hz) of a neuron that has fired for ever: the interval after which its dendrite stands as it stood."""
    from scipy.linalg import expm
    from scipy.optimize import brentq

    tree, n = p.dendrite, p.dendrite.per_neuron
    top, low = p.threshold - p.rest, p.reset - p.rest
    if drive * tree.transfer()[0, 0] <= top:
        return 0.0
    during, d = expm(flow(tree, True) * p.refractory), slice(1, n)

    def over(s: float) -> float:
        whole = expm(flow(tree, False, drive) * s) @ during
        x = np.linalg.solve(np.eye(n - 1) - whole[d, d], whole[d, 0] * low + whole[d, n])
        return float(whole[0, 0] * low + whole[0, d] @ x + whole[0, n] - top)

    return float(1e3 / (p.refractory + brentq(over, 1e-9, 1e4, xtol=1e-13)))


@protocol(Tree)
def tree_protocol(tree: Tree) -> Protocol:
    """Charges on compartments, and a cylinder beside cable theory."""
    return Protocol(
        tree, "charges on cells that cannot fire, through the engine; a cylinder in pieces",
        [arrivals_panel(TreeLIF(tree)), cable_panel()],
        "exponentials of the matrix; cosh((L - x) / lambda) / cosh(L / lambda) (Rall 1959)",
    )  # fmt: skip


@protocol(TreeLIF)
def tree_cell_protocol(model: TreeLIF) -> Protocol:
    """Rate against a constant drive into the soma, and arrivals on the compartments."""
    p = single(model)
    if not np.isfinite(p.threshold):
        p = replace(p, threshold=p.rest + 20.0)
    gap = max(p.threshold - p.rest, 1e-3 * (p.threshold - p.reset))
    drive = gap / float(p.dendrite.transfer()[0, 0]) * np.linspace(0.75, 4.0, 12)
    law = np.array([repeated_rate(p, float(i)) for i in drive])
    panel = Panel("Rate under a constant drive into the soma", "drive (pA)", "rate (Hz)")
    panel.add("", drive, last_rates(p, drive, 2000.0), law, 1e-6 * (1.0 + law))
    return Protocol(
        model, "neurons under constant drives; arrivals on cells that cannot fire", [panel, arrivals_panel(p)],
        "the interval that repeats itself; exponentials of the matrix",
    )  # fmt: skip
