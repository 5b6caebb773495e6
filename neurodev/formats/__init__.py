"""In and out: histories and networks in the formats of others; each an optional extra, imported on use.

>>> from neurodev.formats import NPZ
>>> NPZ().read("history.npz")
"""

from typing import Any

from neurodev import registry


def __getattr__(name: str) -> Any:
    """Our formats, loaded on first use."""
    if name not in registry.OURS["format"]:
        raise AttributeError(f"neurodev.formats has no {name!r}; formats are {sorted(registry.OURS['format'])}")
    return registry.find("format", name)


def __dir__() -> list[str]:
    """Their names, and the modules that are loaded."""
    return sorted({*globals(), *registry.OURS["format"]})
