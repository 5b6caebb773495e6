"""Fields of layers, which are looked at whenever they are assigned: when one is made, by a callback, at a resume.

A class says what each of its fields may be, once:

    class LIF(Layer):
        leak: float = asked(params.number, low=0, high=1)

Layers of the package have no other fields: a name that none of them knows is refused, with the nearest.  A class of a
user's own may have what it likes beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from neurodev.errors import ParameterError, nearest
from neurodev.registry import Spoken, is_ours

_NONE = object()
MADE, BUILT = "_made", "_built"  # attributes of a layer that is made, and of one whose model is built
DRAWN = "the model was built with it: make a new layer"


class Field:
    """One field; see `asked`."""

    def __init__(self, look: Callable[[Any, str], Any] | None, default: Any, fixed: str, learned: bool) -> None:
        self.look, self.default, self.fixed, self.learned = look, default, fixed, learned
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, layer: Any, owner: type | None = None) -> Any:
        found = self.default if layer is None else layer.__dict__.get(self.name, self.default)
        if found is _NONE:
            raise AttributeError(f"{(owner or type(layer)).__name__} has no {self.name!r} yet")
        return found

    def __set__(self, layer: Any, value: Any) -> None:
        mine, made = vars(layer), _made(layer)
        where = f"{self.name} of {_who(layer)}" if made else self.name
        kept = value if self.look is None else self.look(value, where)
        closed = made if self.learned else BUILT in mine
        if self.fixed and closed and self.name in mine and not _same(kept, mine[self.name]):
            raise ParameterError(f"{where} cannot be changed, got {value!r:.80}: {self.fixed}")
        mine[self.name] = kept


def asked(
    look: Callable[..., Any] | None = None, *, default: Any = _NONE, fixed: str = "", learned: bool = False, **more: Any
) -> Any:
    """A field of a layer.

    Parameters
    ----------
    look : callable, optional
        ``look(value, name, **more)`` returns what is kept, or refuses: `params.number`, `params.whole`, ...
    default
        Until it is assigned; there is none if not given.
    fixed : str
        Why it stays, once a model is built of the layer; it may change if not given.
    learned : bool
        Whether it stays as soon as the layer is made.
    """
    return Field(None if look is None else lambda value, where: look(value, where, **more), default, fixed, learned)


def _same(a: Any, b: Any) -> bool:
    return a is b or type(a) is type(b) and not isinstance(a, np.ndarray) and bool(a == b)


def _made(layer: Any) -> bool:
    return MADE in vars(layer)


def _who(layer: Any) -> str:
    return repr(layer.name) if getattr(layer, "name", "") else type(layer).__name__


class Made(Spoken):
    """Metaclass of layers: notes that one is made, and from then on has only fields that its class knows."""

    def __call__(cls, *args: Any, **given: Any) -> Any:
        """Make one."""
        layer = super().__call__(*args, **given)
        vars(layer)[MADE] = None
        return layer


@cache
def _fields_of(kind: Any) -> tuple[str, ...]:
    """The names of the fields of a class of ours, in order: they are asked for at every assignment."""
    return tuple(sorted({k for c in kind.__mro__ for k, v in vars(c).items() if isinstance(v, Field)}))


def check_name(layer: Any, name: str) -> None:
    """Refuse the assignment of what is no field of a layer of ours that is made.

    Raises
    ------
    ParameterError
        With the nearest field, or why it stays.
    """
    if name.startswith("_") or not _made(layer) or not is_ours(type(layer)):
        return
    known = _fields_of(type(layer))  # type: ignore[arg-type]
    if name in known:
        return
    if hasattr(layer, name):
        raise ParameterError(f"{name} of {_who(layer)} cannot be changed: make a new {type(layer).__name__}")
    raise ParameterError(
        f"{_who(layer)} has no {name!r}{nearest(name, known)}; it has {list(known)}, and a class of your own what you "
        "give it"
    )
