"""What the package has of every kind, and in which module: who adds one of ours writes its name here.

A test compares these tables with what the package defines.  They stand apart from the registry because compiled kernels
are kept under a hash of all that their modules import: a new name must not compile everything again.
"""

from neurodev.registry import CAUSES, OURS


def _ours(kind: str, room: str, **modules: str) -> None:
    table = OURS.setdefault(kind, {})
    for module, words in modules.items():
        table.update(dict.fromkeys(words.split(), f"neurodev.{room}.{module}"))


_ours(
    "mechanism", "mechanisms",
    bcm="BCM", calcium_plasticity="CalciumPlasticity", clustered_births="ClusteredBirths", early_phase="EarlyPhase",
    growth="Growth", heterosynaptic="Heterosynaptic", inhibitory_stdp="InhibitorySTDP",
    neuron_fate="NeuronDeath Neurogenesis", neurotrophin="Neurotrophin", pairing="Pairing", persistence="Persistence",
    rewiring="Rewiring", scaling="Scaling", short_term="TsodyksMarkram", spine_range="SpineRange",
    spine_shape="SpineShape", spine_size="SpineSize", spine_stage="SpineStage", stdp="STDP", survival="Survival",
    trophic_factor="TrophicFactor", turnover="Turnover",
)  # fmt: skip
_ours("growth curve", "mechanisms", growth_curves="GaussianGrowth LinearGrowth SigmoidGrowth")
_ours(
    "neuron model", "neurons",
    adaptive_exponential="AdaptiveExponential", alpha="AlphaLIF", conductance="ConductanceLIF", glif="GLIF",
    hodgkin_huxley="HodgkinHuxley", izhikevich="Izhikevich", lif="LIF", tree="TreeLIF",
)  # fmt: skip
_ours("dendrite", "structure", places="Branches")
_ours("dendrite", "neurons", dendrite="Bilinear Plateau TwoLayer", tree="Tree")
_ours(
    "drive", "neurons",
    listed="Recorded Regular SpikeList", poisson="Poisson", rates="InhomogeneousPoisson SinusoidalPoisson",
    waves="RetinalWaves",
)  # fmt: skip
_ours("background", "neurons", drive="Background")
_ours("stimulus", "neurons", stimulus="CurrentSteps Kicks OrnsteinUhlenbeck")
_ours(
    "wiring", "structure",
    edges="Matrix Rewired", kernels="ByDistance",
    wiring="AllToAll Contacts Degree Near OneToOne OutDegree Pairs Probability",
)  # fmt: skip
_ours("delay", "structure", delays="Conduction DelayList Fixed Uniform")
_ours("weights", "structure", weights="LognormalWeights NormalWeights UniformWeights")
_ours(
    "intervention", "simulation",
    interventions="AddSynapses Antagonise Block Infuse Lesion RemoveSynapses SetRate Silence",
    setting="SetColumn SetParameter SetWeights",
)  # fmt: skip
_ours(
    "method", "methods",
    ch_snn="CHSNN", dpap="DPAP", drop_and_grow="NDSNN SET RigL Static", hybrids="TracedNDSNN TrophicNDSNN", lth="LTH",
    nspdi="NSPDI STDS", sd_snn="SDSNN",
)  # fmt: skip
_ours(
    "layer", "learn.layers",
    adaptive="AdaptiveLIF", conv="Conv2d", dendritic="Bias Branches Dendritic", dropout="Dropout", linear="Linear",
    neurons="IF LI LIF PLIF ReLU", norm="BatchNorm", pool="AveragePool2d Flatten MaxPool2d Repeat", vote="Vote",
)  # fmt: skip
_ours("layer", "learn", model="Recurrent Residual Sequential")
_ours("surrogate", "learn.core", surrogate="Surrogate")
_ours(
    "loss", "learn.training",
    loss="first_spike_cross_entropy peak_cross_entropy rate_binary_cross_entropy rate_cross_entropy rate_mse "
    "step_cross_entropy",
)  # fmt: skip
_ours("optimiser", "learn.training", optim="Adam AdamW SGD")
_ours(
    "schedule", "learn.training",
    optim="constant cosine staircase", schedules="milestones per_epoch per_step stairs warm_up",
)  # fmt: skip
_ours("augmentation", "learn.training", augment="RandomCrop")
_ours("encoder", "learn.training", encode="Bernoulli Binned Direct Frames Latency")
_ours(
    "network", "learn",
    networks="dpap_mnist fully_connected resnet19 sdsnn_cifar10 sdsnn_dvs_gesture sdsnn_mnist sdsnn_nmnist "
    "stds_cifar10 vgg16",
)  # fmt: skip
_ours(
    "data set", "data",
    audio="spoken_digits", cifar="cifar10 cifar100", digits="digits", idx="fashion_mnist mnist",
    event_sets="barrel_letters cifar10_dvs dvs_gesture nmnist shd", tiny_imagenet="tiny_imagenet",
)  # fmt: skip
_ours(
    "format", "formats",
    arrays="NPZ", delimited="CSV", graphml="GraphML", neo_blocks="Neo", nir_graphs="NIR", nwb="NWB", parquet="Parquet",
    sonata="SONATA", sparse="SparseMatrix", tensorboard="TensorBoard",
)  # fmt: skip

# Causes of death and birth in the order of their codes, each with the class that declares it (none: the structure).
# Codes are bytes of run files: a new cause is appended, and none is ever taken away.
CAUSES.update(
    {
        "initial": "",
        "turnover": "mechanisms.turnover:Turnover",
        "fluctuation": "mechanisms.spine_size:SpineSize",
        "evidence": "mechanisms.stdp:STDP",
        "trophic": "mechanisms.neurotrophin:Neurotrophin",
        "hazard": "mechanisms.spine_size:SpineSize",
        "shrunk": "",
        "intervention": "",
        "lesion": "",
        "neuron_death": "",
        "drive": "",
        "rewire": "",
        "survival": "mechanisms.survival:Survival",
        "retraction": "mechanisms.spine_stage:SpineStage",
        "elements": "mechanisms.pairing:Pairing",
        "axonal_elements": "mechanisms.pairing:Pairing",
        "dendritic_elements": "mechanisms.pairing:Pairing",
        "neurogenesis": "",
        "magnitude": "methods.lth:LTH",
        "density": "methods.sd_snn:SDSNN",
        "unit_survival": "methods.dpap:DPAP",
        "threshold": "methods.nspdi:NSPDI",
        "gradient": "methods.drop_and_grow:NDSNN",
        "random": "methods.drop_and_grow:SET",
        "regeneration": "methods.sd_snn:SDSNN",
        "regrowth": "methods.nspdi:NSPDI",
        "consolidation": "mechanisms.early_phase:EarlyPhase",
        "heterosynaptic": "mechanisms.heterosynaptic:Heterosynaptic",
        "bcm": "mechanisms.bcm:BCM",
        "calcium": "mechanisms.calcium_plasticity:CalciumPlasticity",
        "attempt": "mechanisms.rewiring:Rewiring",
        "strength": "methods.ch_snn:CHSNN",
        "idle": "methods.ch_snn:CHSNN",
        "path": "methods.ch_snn:CHSNN",
    }
)
