"""Which protocol belongs to which mechanism."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from neurodev.errors import ParameterError, nearest, shown
from neurodev.protocols.result import Protocol

Maker = Callable[..., Protocol]

_PROTOCOLS: dict[type, Maker] = {}


def protocol(*kinds: type) -> Callable[[Maker], Maker]:
    """Register a function ``f(mechanism) -> Protocol`` as the protocol of mechanisms of `kinds`."""
    for kind in kinds:
        _a_class(kind, "kinds")

    def register(make: Maker) -> Maker:
        for k in kinds:
            _PROTOCOLS[k] = make
        return make

    return register


def _load() -> None:
    """Import the modules of built-in protocols: each registers its own."""
    for module in iter_modules(import_module("neurodev.protocols").__path__):
        import_module(f"neurodev.protocols.{module.name}")


def _a_class(kind: Any, name: str) -> None:
    if not isinstance(kind, type):
        raise ParameterError(f"{name} must be a class, such as nd.STDP, got {shown(kind)}")


def protocol_of(kind: type) -> Maker | None:
    """The protocol of a class, or of its nearest ancestor that has one."""
    _a_class(kind, "kind")
    _load()
    return next((_PROTOCOLS[c] for c in kind.__mro__ if c in _PROTOCOLS), None)


def _made(kind: type) -> Any:
    try:
        return kind()
    except TypeError as e:
        raise ParameterError(f"mechanism must be an instance, or a class with defaults, got {shown(kind)}: {e}") from e


def isolate(mechanism: Any, **options: Any) -> Protocol:
    """Run one mechanism alone, beside its theory.

    Parameters
    ----------
    mechanism : Mechanism, neuron model or drive
        An instance, or a class whose parameters all have defaults.
    **options
        What its protocol accepts (numbers of samples, seeds, data).

    Returns
    -------
    Protocol
        ``.curves``, ``.error``, ``.plot()``, ``print()``.

    Raises
    ------
    ParameterError
        If there is no protocol for it.
    """
    one = _made(mechanism) if isinstance(mechanism, type) else mechanism
    make = protocol_of(type(one))
    if make is None:
        word = type(one).__name__
        known = sorted(c.__name__ for c in _PROTOCOLS)
        raise ParameterError(
            f"there is no protocol for {word!r}{nearest(word, known)}, got mechanism={shown(mechanism)}; write one "
            f"with @neurodev.protocols.protocol({word}), or take one of {known}"
        )
    return make(one, **options)
