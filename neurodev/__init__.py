"""neurodev: exact, event-driven simulation of developing networks whose spines live and die.

The trainable path is loaded when it is first used: ``nd.learn`` (layers, neurons, `Trainer`), ``nd.networks``,
``nd.methods``, ``nd.data`` and ``nd.to_network``.
"""

from importlib import import_module
from typing import Any

from neurodev.engine.network import Network, Population, Projection, Spines
from neurodev.engine.simulator import Simulator
from neurodev.errors import NeurodevError
from neurodev.mechanisms import presets
from neurodev.mechanisms.bcm import BCM
from neurodev.mechanisms.calcium_plasticity import CalciumPlasticity
from neurodev.mechanisms.clustered_births import ClusteredBirths
from neurodev.mechanisms.early_phase import EarlyPhase
from neurodev.mechanisms.growth import Growth
from neurodev.mechanisms.growth_curves import GaussianGrowth, LinearGrowth, SigmoidGrowth
from neurodev.mechanisms.heterosynaptic import Heterosynaptic
from neurodev.mechanisms.inhibitory_stdp import InhibitorySTDP
from neurodev.mechanisms.neuron_fate import Neurogenesis, NeuronDeath
from neurodev.mechanisms.neurotrophin import Neurotrophin
from neurodev.mechanisms.pairing import Pairing
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.scaling import Scaling
from neurodev.mechanisms.spine_range import SpineRange
from neurodev.mechanisms.spine_shape import SpineShape
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.spine_stage import SpineStage
from neurodev.mechanisms.stdp import STDP
from neurodev.mechanisms.survival import Survival
from neurodev.mechanisms.trophic_factor import TrophicFactor
from neurodev.mechanisms.turnover import Turnover
from neurodev.neurons.dendrite import Bilinear, Plateau, TwoLayer
from neurodev.neurons.drive import Background, Poisson, Recording, Regular, RetinalWaves, SpikeList, shuffled
from neurodev.neurons.lif import LIF
from neurodev.protocols import isolate
from neurodev.runs.run import Run
from neurodev.simulation.interventions import (
    AddSynapses,
    Antagonise,
    Block,
    Infuse,
    Lesion,
    RemoveSynapses,
    SetRate,
    Silence,
)
from neurodev.simulation.simulate import Simulation, simulate
from neurodev.structure.places import Branches, Sheet
from neurodev.structure.wiring import AllToAll, Contacts, Degree, Fixed, Near, OneToOne, Pairs, Probability, Uniform

__version__ = "0.1.0"

_LATER = {
    "Trainer": "neurodev.learn.training.trainer:Trainer",
    "bridge": "neurodev.bridge",
    "data": "neurodev.data",
    "learn": "neurodev.learn",
    "methods": "neurodev.methods",
    "networks": "neurodev.learn.networks",
    "to_network": "neurodev.bridge:to_network",
}


def __getattr__(name: str) -> Any:
    """Names that are loaded on first use: importing neurodev stays cheap."""
    if name not in _LATER:
        raise AttributeError(f"module 'neurodev' has no attribute {name!r}")
    module, _, what = _LATER[name].partition(":")
    found = import_module(module)
    return getattr(found, what) if what else found


__all__ = [
    "BCM",
    "LIF",
    "STDP",
    "AddSynapses",
    "AllToAll",
    "Antagonise",
    "Background",
    "Bilinear",
    "Block",
    "Branches",
    "CalciumPlasticity",
    "ClusteredBirths",
    "Contacts",
    "Degree",
    "EarlyPhase",
    "Fixed",
    "GaussianGrowth",
    "Growth",
    "Heterosynaptic",
    "Infuse",
    "InhibitorySTDP",
    "Lesion",
    "LinearGrowth",
    "Near",
    "Network",
    "NeurodevError",
    "Neurogenesis",
    "NeuronDeath",
    "Neurotrophin",
    "OneToOne",
    "Pairing",
    "Pairs",
    "Persistence",
    "Plateau",
    "Poisson",
    "Population",
    "Probability",
    "Projection",
    "Recording",
    "Regular",
    "RemoveSynapses",
    "RetinalWaves",
    "Run",
    "Scaling",
    "SetRate",
    "Sheet",
    "SigmoidGrowth",
    "Silence",
    "Simulation",
    "Simulator",
    "SpikeList",
    "SpineRange",
    "SpineShape",
    "SpineSize",
    "SpineStage",
    "Spines",
    "Survival",
    "TrophicFactor",
    "Turnover",
    "TwoLayer",
    "Uniform",
    "isolate",
    "presets",
    "shuffled",
    "simulate",
]
