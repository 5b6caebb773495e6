"""Which protocol belongs to which mechanism."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from neurodev import rng
from neurodev.errors import ParameterError, nearest, shown
from neurodev.params import counted, finite, measured
from neurodev.protocols.result import Protocol
from neurodev.registry import misfit, takes

Maker = Callable[..., Protocol]

_PROTOCOLS: dict[type, Maker] = {}


def _measured(value: Any, name: str) -> Any:
    """Data beside a curve: two lists of one length."""
    if value is None:
        return None
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ParameterError(f"{name} must be two lists of numbers, x and y, got {shown(value)}")
    x, y = (measured()(a, name) for a in value)
    if x.ndim != 1 or x.shape != y.shape:
        raise ParameterError(f"{name} must be two lists of one length, got shapes {x.shape} and {y.shape}")
    return x, y


_COUNT = counted(1, 10_000_000)
# what options of protocols may be; one's own protocol looks at what is not named here
_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("n", "n_target", "room", "ticks", "repeats", "most", "minutes", "n_branch"), _COUNT),
    "seed": lambda value, name: rng.check_seed(value), "data": _measured,
    "duration": finite("ms", above=0.0, high=1e9), "seconds": finite(above=0.0, high=1e6),
}  # fmt: skip


def protocol(*kinds: type) -> Callable[[Maker], Maker]:
    """Register a function ``f(mechanism) -> Protocol`` as the protocol of mechanisms of `kinds`."""
    for kind in kinds:
        _a_class(kind, "kinds")

    def register(make: Maker) -> Maker:
        takes("make", make, "mechanism")
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

    Examples
    --------
    >>> found = nd.isolate(nd.Scaling(target_hz=2.0))
    >>> found.name, len(found.panels)
    ('Scaling', 2)
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
    if said := misfit(make, (one,), options):
        raise ParameterError(said)
    asked = {name: _OPTIONS[name](value, name) if name in _OPTIONS else value for name, value in options.items()}
    return make(one, **asked)
