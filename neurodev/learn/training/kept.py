"""What an object keeps in its attributes, as arrays for a checkpoint: numbers, words, arrays, lists, generators.

An attribute that holds anything else (another object, a function) is left as the object was built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import partial
from logging import Logger
from pathlib import PurePath
from re import Pattern
from threading import Lock, RLock
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from neurodev.arrays import Array
from neurodev.errors import RunFileError
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.surrogate import Surrogate
from neurodev.record.values import UnkeptError, Word, as_text, of_text, read, written
from neurodev.registry import is_ours, word_of

MARK = "_in_training"  # attribute of what a training has taken for itself
TEXT = "attributes"  # name of the array that holds all but the arrays, as JSON
_PLAIN = (bool, int, float, str)
# what checkpoints leave as it was built, and nobody changes
_STEADY = (FunctionType, BuiltinFunctionType, MethodType, partial, type, ModuleType, PurePath, Pattern, Enum, Logger,
           type(Lock()), type(RLock()))  # fmt: skip
_PASSING = ("training", "name", "step", "first")  # of a layer: not its user's, or told elsewhere


def slots_of(kind: type) -> list[str]:
    """Names of the slots of a class and its bases."""
    declared = [vars(c).get("__slots__", ()) for c in kind.__mro__]
    return [name for names in declared for name in ((names,) if isinstance(names, str) else names)]


def _attributes(owner: Any) -> dict[str, Any]:
    """Those of an instance, in slots too; of a class none."""
    if isinstance(owner, type):
        return {}
    names = [n for n in slots_of(type(owner)) if not n.startswith("__") and hasattr(owner, n)]
    return {name: getattr(owner, name) for name in names} | getattr(owner, "__dict__", {})


def _sorted(owner: Any, skip: Iterable[str] = ()) -> tuple[dict[str, Any], dict[str, Array], dict[str, Any]]:
    """Attributes as words and arrays, and those that are neither; `skip` and private marks of the trainer left out."""
    words, arrays, others = dict[str, Any](), dict[str, Array](), dict[str, Any]()
    for name, value in _attributes(owner).items():
        if name in skip or name == MARK:
            continue
        found: dict[str, Array] = {}
        try:
            words[name] = written(value, name, found, _wordy)
        except (UnkeptError, RecursionError):  # also what holds itself
            others[name] = value
        else:
            arrays |= found
    return words, arrays, others


def keep(owner: Any, skip: Iterable[str] = ()) -> dict[str, Array]:
    """The attributes of an object that a checkpoint can hold, `skip` and private marks of the trainer left out.

    Returns
    -------
    dict of str to array
        No array at all if it has no such attributes.
    """
    words, arrays, _ = _sorted(owner, skip)
    return {TEXT: as_text(words), **arrays} if words else {}


def unkept(owner: Any) -> list[str]:
    """Attributes that `keep` leaves out, by name and class, but for what does not change or is told elsewhere."""
    _, _, others = _sorted(owner)
    changing = {n: v for n, v in others.items() if not isinstance(v, _STEADY) and not is_ours(type(v))}
    return [f"{name} ({type(value).__name__})" for name, value in changing.items()]


def put(owner: Any, state: Mapping[str, Array]) -> None:
    """Give an object the attributes that `keep` found."""
    if TEXT not in state:
        return
    who = type(owner).__name__
    try:
        words = of_text(state[TEXT], who)
        found = {name: read(word, state, _KNOWN) for name, word in words.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise RunFileError(f"what a checkpoint keeps of {who} cannot be read: {type(e).__name__}: {e}") from e
    for name, value in found.items():
        if name.startswith("__"):
            raise RunFileError(f"a checkpoint gives {who} an attribute {name!r}; the file is damaged")
        object.__setattr__(owner, name, value)  # frozen dataclasses too


def plain_of(layer: Layer) -> dict[str, Any]:
    """The numbers, words and surrogates of a layer, which its user may change while it learns (a leak, a width)."""
    return {
        k: v for k, v in vars(layer).items()
        if (type(v) in _PLAIN or isinstance(v, Surrogate))  # of any class: its own curve is honoured too
        and k not in _PASSING
    }  # fmt: skip


def _wordy(value: Any) -> Word | None:
    """A surrogate as words; one of a class of its own by the name of that and by what it holds."""
    if type(value) is Surrogate:
        return {"surrogate": [value.kind, value.width, value.height]}
    if not isinstance(value, Surrogate):
        return None
    fields = {k: v for k, v in vars(value).items() if k != MARK}
    if any(type(v) not in _PLAIN for v in fields.values()):
        return None  # a function: it stays as it was built
    return {"surrogate of its own": [word_of(type(value)), fields]}


def _own_surrogate(inside: Any) -> Surrogate:
    """The surrogate behind the words; its class was defined by whoever resumes: nothing is imported."""
    word, fields = inside
    made, waiting = None, Surrogate.__subclasses__()
    while waiting:
        found_class = waiting.pop(0)
        waiting += found_class.__subclasses__()
        made = found_class if word_of(found_class) == word else made  # the latest of that name
    if made is None:
        raise KeyError(f"the surrogate {word!r} is not defined here: import its module")
    found: Surrogate = object.__new__(made)
    for name, value in fields.items():
        object.__setattr__(found, name, value)
    return found


_KNOWN = {"surrogate": lambda inside: Surrogate(*inside), "surrogate of its own": _own_surrogate}
