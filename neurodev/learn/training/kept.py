"""What an object keeps in its attributes, as arrays for a checkpoint: numbers, words, arrays, lists, generators.

An attribute that holds anything else (another object, a function) is left as the object was built.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurodev.arrays import Array
from neurodev.errors import RunFileError
from neurodev.learn.core.layer import Layer
from neurodev.learn.core.surrogate import Surrogate

MARK = "_in_training"  # attribute of what a training has taken for itself
TEXT = "attributes"  # name of the array that holds all but the arrays, as JSON
_PLAIN = (bool, int, float, str, Surrogate)
_BITS = {b.__name__: b for b in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox,
                                 np.random.SFC64)}  # fmt: skip


class _UnkeptError(Exception):
    """For a value that a checkpoint cannot hold."""


def keep(owner: Any, skip: Iterable[str] = ()) -> dict[str, Array]:
    """The attributes of an object that a checkpoint can hold, `skip` and private marks of the trainer left out.

    Returns
    -------
    dict of str to array
        No array at all if it has no such attributes.
    """
    if isinstance(owner, type):
        return {}
    words, arrays = {}, dict[str, Array]()
    for name, value in getattr(owner, "__dict__", {}).items():
        if name in skip or name == MARK:
            continue
        found: dict[str, Array] = {}
        try:
            words[name] = _written(value, name, found)
        except _UnkeptError:
            continue
        arrays |= found
    if not words:
        return {}
    return {TEXT: np.frombuffer(json.dumps(words).encode(), dtype=np.uint8), **arrays}


def put(owner: Any, state: Mapping[str, Array]) -> None:
    """Give an object the attributes that `keep` found."""
    if TEXT not in state:
        return
    who = type(owner).__name__
    try:
        words = json.loads(bytes(state[TEXT]).decode())
        found = {name: _read(word, state) for name, word in words.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise RunFileError(f"what a checkpoint keeps of {who} cannot be read: {type(e).__name__}: {e}") from e
    for name, value in found.items():
        if name.startswith("__"):
            raise RunFileError(f"a checkpoint gives {who} an attribute {name!r}; the file is damaged")
        object.__setattr__(owner, name, value)  # frozen dataclasses too


def plain_of(layer: Layer) -> dict[str, Any]:
    """The numbers, words and surrogates of a layer, which its user may change while it learns (a leak, a width)."""
    passing = ("training", "name", "step", "first")
    return {k: v for k, v in vars(layer).items() if type(v) in _PLAIN and k not in passing}


def _written(value: Any, place: str, arrays: dict[str, Array]) -> Any:
    inner = lambda items: [_written(v, f"{place}.{k}", arrays) for k, v in enumerate(items)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        arrays[place] = value
        return {"array": place}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"scalar": [value.dtype.str, value.item()]}
    if type(value) in (list, tuple, set, frozenset):
        try:
            ordered = sorted(value) if isinstance(value, (set, frozenset)) else value
        except TypeError:
            raise _UnkeptError from None
        return {type(value).__name__: inner(ordered)}
    if type(value) is deque:
        return {"deque": [inner(value), value.maxlen]}
    if type(value) is dict:
        return {"dict": inner([item for pair in value.items() for item in pair])}
    if isinstance(value, np.random.Generator):
        return {"generator": _written(value.bit_generator.state, place, arrays)}
    if type(value) is random.Random:
        return {"random": _written(value.getstate(), place, arrays)}
    if type(value) is Surrogate:
        return {"surrogate": [value.kind, value.width, value.height]}
    raise _UnkeptError


def _read(word: Any, arrays: Mapping[str, Array]) -> Any:
    if not isinstance(word, dict):
        return word
    [(kind, inside)] = word.items()
    if kind == "array":
        return np.array(arrays[inside])
    if kind == "scalar":
        return np.dtype(inside[0]).type(inside[1])
    if kind == "surrogate":
        return Surrogate(*inside)
    if kind == "generator":
        state = _read(inside, arrays)
        bits = _BITS[state["bit_generator"]]()
        bits.state = state
        return np.random.Generator(bits)
    if kind == "random":
        made = random.Random()
        made.setstate(_read(inside, arrays))
        return made
    if kind == "deque":
        return deque((_read(v, arrays) for v in inside[0]), inside[1])
    items = [_read(v, arrays) for v in inside]
    if kind == "dict":
        return dict(zip(items[::2], items[1::2], strict=True))
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](items)
