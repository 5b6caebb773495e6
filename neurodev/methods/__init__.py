"""Methods: published ways to prune and grow while learning, each a page of composition over isolated mechanisms.

What is here is what the registry knows: ``nd.methods.NDSNN(sparsity=0.9)``.
"""

from typing import Any

from neurodev import moved, registry

__all__ = sorted(registry.OURS["method"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """A method by its name, imported on use."""
    if name not in registry.OURS["method"]:
        return moved.name(__name__, name)
    return registry.find("method", name)


def __dir__() -> list[str]:
    """The methods."""
    return [*__all__]
