"""Where things went when the house was put in rooms: old names work for one more release, each with a warning.

``from neurodev.run import Run`` finds `neurodev.runs.run`; the old module is the new one, or, where one was split, a
shelf of its parts.  The finder is the last that Python asks, so that it costs nothing where nothing is missing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import FrameType, ModuleType
from typing import Any

# old module -> where its names are now, all under neurodev
MODULES: dict[str, str] = {
    "ablate": "studies.ablate",
    "bench_mechanisms": "bench.mechanisms",
    "bench_training": "bench.training",
    "interventions": "simulation.interventions",
    "lives": "runs.lives",
    "presets": "mechanisms.presets",
    "progress": "simulation.progress",
    "run": "runs.run runs.log",
    "simulate": "simulation.simulate simulation.probe",
    "spines": "runs.spines",
    "study": "studies.development studies.reading",
    "trained": "runs.training",
    "training": "studies.training learn.networks",
    "engine.background": "engine.loop.background",
    "engine.channels": "neurons.channels",
    "engine.currents": "neurons.current_rules",
    "engine.dendrites": "neurons.dendrite_rules",
    "engine.queue": "engine.loop.queue",
    "engine.state": "engine.loop.state",
    "engine.testbed": "bench.testbed",
    "engine.together": "engine.loop.together",
    "engine.views": "engine.loop.views",
    "learn.adaptive": "learn.layers.adaptive",
    "learn.conv": "learn.layers.conv",
    "learn.conv_grid": "learn.kernels.conv_grid",
    "learn.conv_kernels": "learn.kernels.conv_planes",
    "learn.conv_synapses": "learn.kernels.conv_synapses",
    "learn.conv_ways": "learn.kernels.conv_ways",
    "learn.counts": "learn.core.spikes",
    "learn.dendritic": "learn.layers.dendritic",
    "learn.dropout": "learn.layers.dropout",
    "learn.encode": "learn.training.encode",
    "learn.eventprop.lanes": "learn.eventprop.together",
    "learn.fused": "learn.layers.fused learn.core.answers",
    "learn.health": "learn.training.health",
    "learn.layer": "learn.core.layer",
    "learn.linear": "learn.layers.linear learn.layers.weighted",
    "learn.loss": "learn.training.loss",
    "learn.method": "learn.training.method",
    "learn.neurons": "learn.layers.neurons",
    "learn.norm": "learn.layers.norm",
    "learn.optim": "learn.training.optim",
    "learn.policy": "learn.kernels.policy",
    "learn.pool": "learn.layers.pool",
    "learn.recording": "learn.training.recording learn.training.checkpoint",
    "learn.reinforce": "learn.training.reinforce",
    "learn.spikes": "learn.core.spikes",
    "learn.storage": "learn.core.storage",
    "learn.surrogate": "learn.core.surrogate",
    "learn.traces": "learn.training.traces",
    "learn.trainer": "learn.training.trainer learn.training.epoch",
    "learn.vectors": "learn.core.vectors",
    "learn.vote": "learn.layers.vote",
    "learn.wide_kernels": "learn.kernels.wide",
    "learn.workers": "learn.training.workers learn.training.memory",
    "mechanisms.noise": "noise",
    "mechanisms.rewire": "methods.rewire",
    "mechanisms.schedule": "methods.schedule",
}
# old name in a module that stayed -> its place now; a module without a colon lends all its names
NAMES: dict[str, str] = {
    "neurodev.Recording": "neurons.listed:Recorded",
    "neurodev.Simulator": "engine.simulator:Simulator",
    "neurodev.metrics.turnover.Survival": "metrics.turnover:SurvivalCurve",
    "neurodev.plot.report.numbers": "runs.verdict:numbers",
    "neurodev.engine.simulator.approximations": "engine.checks:approximations",
    "neurodev.neurons.drive.Poisson": "neurons.poisson:Poisson",
    "neurodev.neurons.drive.Recorded": "neurons.listed:Recorded",
    "neurodev.neurons.drive.Recording": "neurons.listed:Recorded",
    "neurodev.neurons.drive.Regular": "neurons.listed:Regular",
    "neurodev.neurons.drive.RetinalWaves": "neurons.waves:RetinalWaves",
    "neurodev.neurons.drive.SpikeList": "neurons.listed:SpikeList",
    **{
        f"neurodev.structure.wiring.{n}": f"structure.delays:{n}"
        for n in ("Delay", "DelayList", "Fixed", "Uniform", "as_delay")
    },
    "neurodev.bench": "bench.networks",
    "neurodev.engine.loop": "engine.loop.loop",
    "neurodev.learn.kernels": "learn.kernels.rows",
}
# old tables of names -> the kind of the registry that they listed
TABLES: dict[str, str] = {"neurodev.methods.METHODS": "method", "neurodev.learn.networks.NETWORKS": "network"}


_PASSED = ("neurodev", __name__, "importlib", "importlib._bootstrap", "_frozen_importlib")


def _warn(old: str, new: str) -> None:
    """Warn whoever used the old name: frames of this module, of the package's own lookup and of imports are passed."""
    frame: FrameType = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "") in _PASSED:
        frame = frame.f_back
    warnings.warn_explicit(
        f"{old} is now {new}; the old name goes with the next release",
        DeprecationWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", ""),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def name(module: str, word: str) -> Any:
    """What a module's ``__getattr__`` answers for a name that it does not have: the thing in its new place.

    Raises
    ------
    AttributeError
        If it never had that name.
    """
    old = f"{module}.{word}"
    if old in TABLES:
        _warn(old, f"neurodev.registry.ours({TABLES[old]!r})")
        return import_module("neurodev.registry").ours(TABLES[old])
    place = NAMES.get(old) or NAMES.get(module)
    if place is not None and word[:2] != "__" and (old in NAMES or not find_spec(old)):
        where, _, new = place.partition(":")
        found = getattr(import_module(f"neurodev.{where}"), new or word, None)
        if found is not None:
            _warn(old, f"neurodev.{where}.{new or word}")
            return found
    raise AttributeError(f"module {module!r} has no attribute {word!r}")


def names_of(module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module some names of which have changed."""
    return lambda word: name(module, word)


class _Shelf(ModuleType):
    """A module that was split: its names, wherever they are now."""

    def __init__(self, old: str, parts: Sequence[ModuleType]) -> None:
        super().__init__(old, f"Moved to {', '.join(p.__name__ for p in parts)}.")
        self.__dict__["_parts"] = parts

    def __getattr__(self, word: str) -> Any:
        for part in self.__dict__["_parts"]:
            if hasattr(part, word) and word != "__path__":
                return getattr(part, word)
        raise AttributeError(f"module {self.__name__!r} has no attribute {word!r}")

    def __dir__(self) -> list[str]:
        return sorted({word for part in self.__dict__["_parts"] for word in dir(part)})


class _Finder(MetaPathFinder, Loader):
    """Finds modules under their old names."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec for an old name of the table, else None."""
        package, _, old = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == "neurodev" and old in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the new module, or the parts of a split one, under the old name."""
        old = module.__name__
        places = [f"neurodev.{place}" for place in MODULES[old.partition(".")[2]].split()]
        _warn(old, " and ".join(places))
        parts = [import_module(place) for place in places]
        sys.modules[old] = parts[0] if len(parts) == 1 else _Shelf(old, parts)


class _Package(ModuleType):
    """The package, in which the function `simulate` keeps its name when the old module of that name is imported."""

    def __setattr__(self, word: str, value: Any) -> None:
        if not (word == "simulate" and isinstance(value, ModuleType)):
            super().__setattr__(word, value)


def install() -> None:
    """Let old modules be imported."""
    if not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.append(_Finder())
    sys.modules["neurodev"].__class__ = _Package
