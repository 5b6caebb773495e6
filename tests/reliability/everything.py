"""A network with every mechanism and every neuron model of the package, which lives fast: births, deaths, lesions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import neurodev as nd
from neurodev.simulation.simulate import Simulation
from tests.mechanisms.beds import make
from tests.mechanisms.test_neuron_fate import DYING, FAST, GROWING
from tests.mechanisms.test_order_of_use import COMPANIES

CURRENTS = {"tau_excitatory": 5.0, "tau_inhibitory": 10.0, "capacitance": 200.0}
MODELS: dict[str, tuple[nd.NeuronModel, float]] = {  # of each company: the model, and what moves it by about 1 mV
    "study": (nd.LIF(), 1.0),
    "early": (nd.LIF(drive=21.0, **CURRENTS), 60.0),
    "places": (nd.LIF(dendrite=nd.Branches(4), **CURRENTS), 60.0),
    "calcium": (nd.GLIF(threshold_jump=2.0, **CURRENTS), 60.0),
    "rates": (nd.AlphaLIF(tau_excitatory=2.0, tau_inhibitory=3.0), 40.0),
    "range": (nd.ConductanceLIF(), 1.0),
    "stages": (nd.LIF(dendrite=nd.Plateau(2, threshold=150.0, amplitude=40.0, duration=40.0), **CURRENTS), 60.0),
}
OTHERS: dict[str, tuple[nd.NeuronModel, float]] = {
    "adaptive": (nd.AdaptiveExponential(drive=900.0), 1.0),
    "simple": (nd.Izhikevich(drive=5.0), 1.0),
    "axon": (nd.HodgkinHuxley(drive=100.0), 2.0),
    "tree": (nd.TreeLIF(), 1500.0),
}


def everything() -> nd.Network:
    """All of it: mechanisms on the spines of each model, a loop that pairs elements, inhibition that learns."""
    net = nd.Network(seed=5, sheet=nd.Sheet(300, 300))
    retina = net.add(nd.Poisson(20.0), 20, name="retina")
    delay = nd.Uniform(1, 4)
    for name, company in COMPANIES.items():
        model, unit = MODELS[name]
        cells = net.add(model, 5, name=name, room=3 if name == "study" else 0)
        net.background(cells, nd.Background(rate_hz=100.0, weight=unit))
        spines = nd.Spines(weight=6 * unit)
        q = net.connect(retina, cells, nd.Near(160, 6), spines=spines, delay=delay, name=f"r_{name}")
        q.use(*company)
    study = net.populations["study"]
    study.use(DYING, GROWING, nd.Scaling(target_hz=5.0))
    inhibitory = net.add(nd.LIF(), 4, name="i", inhibitory=True)
    net.connect(study, inhibitory, nd.Near(150, 4), weight=4.0, delay=delay, name="study_i")
    net.connect(inhibitory, study, nd.Near(150, 2), weight=0.5, delay=delay, name="i_study").use(nd.InhibitorySTDP())
    loop = net.add(nd.LIF(), 8, name="loop")
    net.background(loop, nd.Background(rate_hz=700.0, weight=1.5))
    loop.use(make("Growth"))
    net.connect(loop, loop, nd.Degree(2), weight=0.5, delay=delay, name="loop_loop").use(nd.Pairing())
    for name, (model, unit) in OTHERS.items():
        q = net.connect(
            retina, net.add(model, 2, name=name), nd.Near(200, 5), weight=unit, delay=delay, name=f"r_{name}"
        )
        q.use(nd.TsodyksMarkram(U=0.5, tau_rec=100.0))
    attempts = nd.Rewiring(attempts=20.0, formation=0.2, elimination=0.3)
    net.connect(retina, inhibitory, nd.Degree(3), weight=2.0, delay=delay, name="r_i").use(attempts)
    return net


def used(net: nd.Network) -> tuple[set[str], set[str]]:
    """The words of all mechanisms, and of all neuron models, of a network."""
    parts = [*net.populations.values(), *net.projections.values()]
    return {m.name for x in parts for m in x.mechanisms}, {type(p.model).__name__ for p in net.populations.values()}


def begun(to: Path, **more: Any) -> Simulation:
    """A run of it with interventions of all sorts, probes of cells and of synapses, and all trains."""
    sim = nd.Simulation(everything(), to=to, record="all", **{"checkpoint": 0.0, **FAST, **more})
    uids = np.sort(sim.simulator.tables["r_study"].uid[sim.simulator.tables["r_study"].slots()])
    for when, what in (
        (700.0, nd.SetRate("study", 250.0)), (900.0, nd.Block("r_study", nd.STDP)), (1100.0, nd.Silence("i")),
        (1150.0, nd.Silence("i", on=False)), (1600.0, nd.Block("r_study", "STDP", on=False)),
        (1700.3, nd.Lesion("loop", [1])), (2300.0, nd.RemoveSynapses("r_study", uids=uids[:4])),
        (2600.0, nd.Block("r_places", nd.Heterosynaptic)), (2700.0, nd.Infuse("r_calcium", 0.5)),
    ):  # fmt: skip
        sim.at(when, what, clock="spike")
    sim.probe("study", "V", every=130.0, cells=[0, 3])
    sim.probe("range", "V", every=170.0)
    sim.probe("r_study", "weight", every=310.0)
    return sim
