"""Mechanisms, one idea a file: what the registry knows of them, ``nd.mechanisms.STDP``."""

from typing import Any

from neurodev import registry

_KINDS = ("mechanism", "growth curve")
__all__ = sorted(n for k in _KINDS for n in registry.OURS[k])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """A mechanism or a growth curve by its name, imported on use."""
    if name not in __all__:
        raise AttributeError(f"module 'neurodev.mechanisms' has no attribute {name!r}")
    return registry.find(_KINDS, name)


def __dir__() -> list[str]:
    """The mechanisms and growth curves."""
    return [*__all__]
