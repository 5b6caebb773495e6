"""One description of a whole training, as words and numbers: what a resumed run is compared with, part by part.

It is made by walking the parts before anything is prepared: parameters by name, arrays by their hash, functions by
name, code and what they have closed over.  Values that training changes (weights, moments, steps) are no part of it,
nor is what changes no number (threads, progress, callbacks, how often a checkpoint is taken).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from neurodev.learn.core.layer import Group, Layer
from neurodev.learn.model import Sequential
from neurodev.learn.training.kept import MARK, slots_of
from neurodev.registry import is_ours, word_of

# what training changes, or what other parts of the description say
_STATE = {
    "layer": ("parameters", "counters", "watched", "watch", "training", "name"),
    "method": ("memory",),
    "optimiser": ("steps",),
}
_DEEPEST = 12  # parts within parts; beyond, their kind must do
_LONGEST = 1000  # entries of a list that are told one by one


def described(value: Any, skip: tuple[str, ...] = (), depth: int = 0) -> Any:
    """Anything as words, numbers, lists and dictionaries; equal for what is equal, in any process."""
    inner = lambda v: described(v, depth=depth + 1)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.random.Generator):
        return {"class": "Generator", "state": str(value.bit_generator.state)}
    if isinstance(value, (PurePath, complex, bytes, np.dtype)):
        return str(value)
    if depth > _DEEPEST:
        return {"class": word_of(type(value))}
    if isinstance(value, (Mapping, list, tuple)) and len(value) > _LONGEST:
        text = json.dumps([inner(v) for v in (value.items() if isinstance(value, Mapping) else value)])
        return {"length": len(value), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    if isinstance(value, Mapping):
        return {str(k): inner(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((inner(v) for v in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [inner(v) for v in value]
    if isinstance(value, type):
        return word_of(value)
    if isinstance(value, functools.partial):
        return {"class": "partial", "of": inner(value.func), "given": inner([value.args, value.keywords])}
    if isinstance(value, types.MethodType):
        return {"class": "method", "of": inner(value.__self__), "method": inner(value.__func__)}
    function = getattr(value, "py_func", value)  # what was compiled is described by its source
    if isinstance(function, types.FunctionType):
        return _function(function, depth)
    return {"class": word_of(type(value))} | {k: inner(v) for k, v in _fields(value) if k not in skip}


def _array(value: np.ndarray[Any, Any]) -> dict[str, Any]:
    plain = value if value.dtype != object else np.array([repr(v) for v in value.reshape(-1)], dtype=np.str_)
    bytes_of = np.ascontiguousarray(plain).reshape(-1).view(np.uint8).data if plain.size else b""
    return {"type": str(value.dtype), "shape": list(value.shape), "sha256": hashlib.sha256(bytes_of).hexdigest()}


def _fields(value: Any) -> list[tuple[str, Any]]:
    """What makes a thing what it is: the fields of a dataclass and its attributes.

    Private ones of ours, and of layers, are notes for themselves; those of others may be all that they have.
    """
    names = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    names += [k for k in (*getattr(value, "__dict__", {}), *slots_of(type(value))) if k not in names]
    hidden = "_" if is_ours(type(value)) or isinstance(value, Layer) else "__"
    passing = (MARK, "__dict__", "__weakref__")
    told = [k for k in names if not k.startswith(hidden) and k not in passing]
    return [(k, getattr(value, k)) for k in told if hasattr(value, k)]


def _function(function: types.FunctionType, depth: int) -> dict[str, Any]:
    """A function by its name, and if it is not ours by its code; with what it has closed over and its defaults."""
    name = function.__qualname__
    out: dict[str, Any] = {"function": name.partition(".<locals>")[0] if is_ours(function) else name}
    inner = lambda v: described(v, depth=depth + 1)
    kept = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closed = {name: inner(cell.cell_contents) for name, cell in kept if _is_filled(cell)}
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    out |= ({"closure": closed} if closed else {}) | ({"defaults": inner(defaults)} if defaults else {})
    if not is_ours(function):
        out |= {"python": "{}.{}".format(*sys.version_info[:2]), "code": _code_hash(function.__code__)}
        used = _globals_of(function)
        out |= {"uses": {k: inner(v) for k, v in used.items()}} if used else {}
    return out


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that was never bound
        return False


def _code_hash(code: types.CodeType) -> str:
    """Of what a function does: places in the file and comments do not count."""
    return hashlib.sha256(repr(_plain_code(code)).encode()).hexdigest()


def _plain_code(code: types.CodeType) -> tuple[Any, ...]:
    constants = [
        _plain_code(c)
        if isinstance(c, types.CodeType)
        else sorted(map(repr, c))
        if isinstance(c, frozenset)
        else repr(c)
        for c in code.co_consts
    ]
    return code.co_code, code.co_names, code.co_varnames, constants


def _globals_of(function: types.FunctionType) -> dict[str, Any]:
    """Numbers, words and functions of its own module that a function uses by name."""
    found = {}
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        own = (
            isinstance(value, types.FunctionType) and value is not function and value.__module__ == function.__module__
        )
        if own or isinstance(value, (bool, int, float, str)):
            found[name] = value
    return found


def _names(code: types.CodeType) -> set[str]:
    inside = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inside)


def _unused(data: Any) -> tuple[str, ...]:
    """Fields of a data set that say nothing."""
    given = {"x_validation": None, "y_validation": None, "targets": "classes"}
    said = lambda k: given[k] if (value := getattr(data, k, None)) is None else value
    return tuple(k for k, plain in given.items() if said(k) is plain or k == "targets" and said(k) == plain)


# ---------------------------------------------------------------- a training


def structure(layer: Layer) -> str:
    """How layers are put together, in one line of their names."""
    if not isinstance(layer, Group):
        return layer.name
    return f"{type(layer).__name__}({', '.join(map(structure, layer.parts()))})"


def network(model: Sequential) -> dict[str, Any]:
    """A model: how it is put together, and every layer with its fields, its surrogate too."""
    layers: dict[str, Any] = {}
    for layer in model.layers():
        layer.at(0, 0)  # where training stands is no field
        skip = (*_STATE["layer"], *layer.buffers())
        layers[_free(layer.name, layers)] = described(layer, skip)
    kinds = sorted({str(w.table.weight.dtype) for w in model.weights_of().values()})
    return {
        "inputs": described(model.inputs), "seed": described(getattr(model, "seed", 0)), "type": kinds,
        "structure": structure(model), "layers": layers,
    }  # fmt: skip


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, with a number where it is taken."""
    k, out = 1, name
    while out in taken:
        k += 1
        out = f"{name} {k}"
    return out


def training(t: Any, groups: Any = None) -> dict[str, Any]:
    """Everything that the numbers of a training depend on, its state left out; before it is prepared.

    What was left to its default and came to neurodev later is not told, so that older runs are compared as ever.
    """
    methods: dict[str, Any] = {}
    for m in t.methods:
        methods[_free(m.name, methods)] = described(m, _STATE["method"])
    whole = {
        "data": described(t.data, _unused(t.data)), "network": network(t.model), "encoder": described(t.encoder),
        "loss": described(t.loss), "optimiser": described(t.optimiser, _STATE["optimiser"]),
        "schedule": described(t.schedule), "methods": methods, "augment": described(t.augment), "epochs": t.epochs,
        "batch": t.batch, "seed": t.seed, "settle": t.settle, "patience": t.patience, "calibrate": t.calibrate,
        "life_per_epoch": t.life_per_epoch,
    }  # fmt: skip
    later = {
        "clip_norm": t.moving.norm, "clip_value": t.moving.value, "groups": groups or None,
        "accumulate": t.accumulate if t.accumulate > 1 else None,
    }  # fmt: skip
    whole |= {k: described(v) for k, v in later.items() if v is not None}
    return dict(json.loads(json.dumps(whole)))
