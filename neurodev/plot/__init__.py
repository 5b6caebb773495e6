"""Pictures of metrics; the only folder that imports matplotlib.  Figures are objects: no global state is touched.

Each picture takes a history or a run: ``nd.plot.survival(history)``.
"""

from importlib import import_module
from typing import Any

_PICTURES = {
    "courses": "births_and_deaths density raster",
    "connected": "degree_evolution degrees graph matrix motifs",
    "learned": "accuracy_and_density layers maps",
    "risky": "hazard hazard_surface losses persistence",
    "measured": "life size_distribution sizes",
    "survivals": "survival",
    "together": "compare overview",
    "moving": "animate",
}
_LATER = {name: f"neurodev.plot.{module}" for module, names in _PICTURES.items() for name in names.split()}

__all__ = sorted(_LATER)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Pictures, which are loaded when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its pictures are {__all__}")
    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The pictures."""
    return [*__all__]
