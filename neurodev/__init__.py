"""neurodev: exact, event-driven simulation of developing networks whose spines live and die.

Everything is loaded when it is first used, so that importing neurodev is cheap.  Names of mechanisms, neuron models,
drives, wirings and the like are those of the registry, flat (``nd.STDP``) and by kind (``nd.mechanisms``,
``nd.wiring``, ``nd.drives``, ``nd.delays``); the trainable path is ``nd.learn`` (layers, neurons, `Trainer`),
``nd.networks``, ``nd.methods``, ``nd.data`` and ``nd.to_network``.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from neurodev import moved, registry
from neurodev import ours as _ours  # noqa: F401  fills the tables of the registry

__version__ = "0.1.0"

# kinds whose members are names of the package
_FLAT = (
    "mechanism", "growth curve", "neuron model", "dendrite", "drive", "background", "stimulus", "wiring", "delay",
    "weights", "intervention",
)  # fmt: skip
_SHELVES = {
    "wiring": registry.Namespace("neurodev.wiring", "wiring"),
    "drives": registry.Namespace("neurodev.drives", "drive", "background", "stimulus"),
    "delays": registry.Namespace("neurodev.delays", "delay"),
}
_LATER = {
    "Cause": "neurodev.structure.cause:Cause",
    "Counts": "neurodev.formats.counts:Counts",
    "Drive": "neurodev.neurons.drive:Drive",
    "FitModel": "neurodev.protocols.fit_models:FitModel",
    "History": "neurodev.runs.history:History",
    "Intervention": "neurodev.simulation.interventions:Intervention",
    "Mechanism": "neurodev.mechanisms.base:Mechanism",
    "Network": "neurodev.engine.network:Network",
    "NeurodevError": "neurodev.errors:NeurodevError",
    "NeuronModel": "neurodev.neurons.model:NeuronModel",
    "Population": "neurodev.engine.network:Population",
    "Projection": "neurodev.engine.network:Projection",
    "Run": "neurodev.runs.run:Run",
    "Sheet": "neurodev.structure.places:Sheet",
    "Simulation": "neurodev.simulation.simulate:Simulation",
    "Spines": "neurodev.engine.network:Spines",
    "Stimulus": "neurodev.neurons.stimulus:Stimulus",
    "Sweep": "neurodev.studies.sweeps.result:Sweep",
    "Trainer": "neurodev.learn.training.trainer:Trainer",
    "Wiring": "neurodev.structure.wiring:Wiring",
    "bridge": "neurodev.bridge",
    "data": "neurodev.data",
    "fit": "neurodev.protocols.fitting:fit",
    "isolate": "neurodev.protocols:isolate",
    "learn": "neurodev.learn",
    "mechanisms": "neurodev.mechanisms",
    "methods": "neurodev.methods",
    "networks": "neurodev.learn.networks",
    "param": "neurodev.params:param",
    "plot": "neurodev.plot",
    "presets": "neurodev.mechanisms.presets",
    "read_counts": "neurodev.formats.counts:read_counts",
    "read_edges": "neurodev.formats.edges:read_edges",
    "read_sessions": "neurodev.formats.sessions:read_sessions",
    "shuffled": "neurodev.neurons.drive:shuffled",
    "simulate": "neurodev.simulation.simulate:simulate",
    "sweep": "neurodev.studies.sweeps.sweep:sweep",
    "to_network": "neurodev.bridge:to_network",
    "units": "neurodev.units",
}
_KIND_OF = {name: kind for kind in _FLAT for name in registry.OURS[kind]}

__all__ = sorted({*_KIND_OF, *_SHELVES, *_LATER})  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Names that are loaded on first use."""
    if name in _KIND_OF:
        found = registry.find(_KIND_OF[name], name)
    elif name in _SHELVES:
        found = _SHELVES[name]
    elif name in _LATER:
        module, _, what = _LATER[name].partition(":")
        found = import_module(module)
        found = getattr(found, what) if what else found
    else:
        if name[0] != "_" and find_spec(f"neurodev.{name}") is not None:
            return import_module(f"neurodev.{name}")
        return moved.name(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]


moved.install()
