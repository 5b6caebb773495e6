"""The words a study may use."""

from __future__ import annotations

from typing import Any

from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.bcm import BCM
from neurodev.mechanisms.calcium_plasticity import CalciumPlasticity
from neurodev.mechanisms.clustered_births import ClusteredBirths
from neurodev.mechanisms.early_phase import EarlyPhase
from neurodev.mechanisms.growth import Growth
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
from neurodev.neurons.drive import Poisson, Regular, RetinalWaves
from neurodev.neurons.lif import LIF
from neurodev.simulation.interventions import (
    AddSynapses,
    Antagonise,
    Block,
    Infuse,
    Intervention,
    Lesion,
    RemoveSynapses,
    SetRate,
    Silence,
)
from neurodev.structure.places import Branches
from neurodev.structure.wiring import AllToAll, Contacts, Degree, Near, OneToOne, Probability

MODELS = {c.__name__: c for c in (LIF, RetinalWaves, Poisson, Regular)}


DENDRITES = {c.__name__: c for c in (Branches, Bilinear, TwoLayer, Plateau)}


WIRINGS = {c.__name__: c for c in (Near, Degree, Probability, AllToAll, OneToOne, Contacts)}


_NESTED: dict[str, dict[str, Any]] = {"dendrite": DENDRITES, "wiring": WIRINGS}  # parameters that are rules themselves


MECHANISMS: dict[str, type[Mechanism]] = {
    c.__name__: c
    for c in (
        STDP,
        SpineSize,
        Neurotrophin,
        Turnover,
        Persistence,
        Scaling,
        BCM,
        Survival,
        SpineRange,
        CalciumPlasticity,
        InhibitorySTDP,
        Growth,
        Pairing,
        NeuronDeath,
        Neurogenesis,
        EarlyPhase,
        Heterosynaptic,
        ClusteredBirths,
        SpineStage,
        SpineShape,
        TrophicFactor,
    )
}


INTERVENTIONS: dict[str, type[Intervention]] = {
    c.__name__: c for c in (Silence, Lesion, Block, SetRate, AddSynapses, RemoveSynapses, Infuse, Antagonise)
}
