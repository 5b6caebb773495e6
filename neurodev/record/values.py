"""Values as JSON with arrays beside it, for checkpoints: numbers, words, arrays, collections, generators."""

from __future__ import annotations

import json
import random
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurodev.arrays import Array
from neurodev.errors import RunFileError

_BITS = {b.__name__: b for b in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox,
                                 np.random.SFC64)}  # fmt: skip
_DICTIONARIES = {c.__name__: c for c in (dict, OrderedDict, Counter)}
_FACTORIES = {c.__name__: c for c in (int, float, str, list, dict, set)}  # what a defaultdict makes
Word = dict[str, Any]
Wordy = Callable[[Any], Word | None]  # ``{kind: inside}`` for a value that only the caller knows, or None


class UnkeptError(Exception):
    """For a value that a checkpoint cannot hold."""


def written(value: Any, place: str, arrays: dict[str, Array], wordy: Wordy = lambda value: None) -> Any:
    """A value as JSON can hold it; arrays in it are put into `arrays` under names that begin with `place`.

    Raises
    ------
    UnkeptError
        If it holds anything else.
    """
    inner = lambda items: [written(v, f"{place}.{k}", arrays, wordy) for k, v in enumerate(items)]
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
            raise UnkeptError from None
        return {type(value).__name__: inner(ordered)}
    if type(value) is deque:
        return {"deque": [inner(value), value.maxlen]}
    flat = lambda: inner([item for pair in value.items() for item in pair])
    if type(value) in _DICTIONARIES.values():
        return {type(value).__name__: flat()}
    if type(value) is defaultdict and (value.default_factory is None or value.default_factory in _FACTORIES.values()):
        return {"defaultdict": [getattr(value.default_factory, "__name__", None), flat()]}
    if type(value) in (bytes, bytearray):
        return {type(value).__name__: value.hex()}
    if type(value) is complex:
        return {"complex": [value.real, value.imag]}
    if isinstance(value, np.random.Generator):
        return {"generator": written(value.bit_generator.state, place, arrays)}
    if type(value) is random.Random:
        return {"random": written(value.getstate(), place, arrays)}
    word = wordy(value)
    if word is None:
        raise UnkeptError(f"{place}, {type(value).__name__}")
    return word


def read(word: Any, arrays: Mapping[str, Array], known: Mapping[str, Callable[[Any], Any]] | None = None) -> Any:
    """The value behind `written`; `known` makes those that only the caller knows."""
    if not isinstance(word, dict):
        return word
    known = known or {}
    [(kind, inside)] = word.items()
    if kind == "array":
        return np.array(arrays[inside])
    if kind == "scalar":
        return np.dtype(inside[0]).type(inside[1])
    if kind in known:
        return known[kind](inside)
    if kind == "generator":
        state = read(inside, arrays)
        bits = _BITS[state["bit_generator"]]()
        bits.state = state
        return np.random.Generator(bits)
    if kind == "random":
        made = random.Random()
        made.setstate(read(inside, arrays))
        return made
    if kind == "deque":
        return deque((read(v, arrays, known) for v in inside[0]), inside[1])
    if kind in ("bytes", "bytearray"):
        return bytes.fromhex(inside) if kind == "bytes" else bytearray.fromhex(inside)
    if kind == "complex":
        return complex(*inside)
    if kind == "defaultdict":
        factory, pairs = inside
        return defaultdict(None if factory is None else _FACTORIES[factory], read({"dict": pairs}, arrays, known))
    items = [read(v, arrays, known) for v in inside]
    if kind in _DICTIONARIES:
        return _DICTIONARIES[kind](dict(zip(items[::2], items[1::2], strict=True)))
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](items)


def as_text(words: Any) -> Array:
    """JSON as an array of bytes."""
    return np.frombuffer(json.dumps(words).encode(), dtype=np.uint8)


def of_text(text: Array, what: str) -> Any:
    """What `as_text` was given.

    Raises
    ------
    RunFileError
        If it cannot be read; `what` it is of.
    """
    try:
        return json.loads(bytes(text).decode())
    except (ValueError, RecursionError) as e:
        raise RunFileError(f"what a checkpoint keeps of {what} cannot be read: {type(e).__name__}: {e}") from e
