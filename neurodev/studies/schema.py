"""A JSON Schema of studies, for editors: keys, kinds, choices, and what each number is, of the registry.

What neurodev accepts, the schema accepts; it knows no units, and nothing that depends on two keys.  Parts of one's own
(``kind = "module:Class"``) may have any keys.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from neurodev import __version__, params, registry
from neurodev.engine.network import Spines
from neurodev.metrics import maturation
from neurodev.structure.places import Sheet
from neurodev.studies import development, training

Schema = dict[str, Any]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
OWN = {
    "type": "object", "required": ["kind"],
    "properties": {"kind": {"type": "string", "pattern": ":", "description": "your own, as module:Class"}},
}  # fmt: skip
_PLAIN = (bool, int, float, str)


def schema(training_study: bool = False) -> Schema:
    """The schema of studies of development, or of training.

    Examples
    --------
    >>> sorted(schema()["properties"])[:4]
    ['at', 'background', 'bands', 'name']
    >>> "NDSNN" in str(schema(training_study=True)["properties"]["method"])
    True
    """
    what = "training" if training_study else "development"
    sections = _training() if training_study else _development()
    known = training.SECTIONS if training_study else development.SECTIONS
    assert set(sections) == set(known), set(sections) ^ set(known)
    defined = {} if training_study else {"$defs": {"use": {"type": "array", "items": one_of("mechanism")}}}
    return {
        "$schema": _DRAFT, "title": f"A study of {what} (neurodev {__version__})", **_closed(sections), **defined,
    }  # fmt: skip


def _closed(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    """An object with these keys and no others."""
    out: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return out | ({"required": list(required)} if required else {})


def _each(one: Schema) -> Schema:
    """A table of named tables."""
    return {"type": "object", "additionalProperties": one}


# ---------------------------------------------------------------------- parts


def _value(info: params.ParameterInfo, choices: Any, none: bool) -> Schema:
    """What a parameter may be; numbers also as texts with a unit, as lists, or as what has a kind."""
    about = [info.doc] if info.doc else []
    about += [f"in {info.unit}"] if info.unit != "1" else []
    about += [f"{info.clock} time"] if info.clock else []
    about += [f"source: {info.source}"] if info.source else []
    out: Schema = {"description": "; ".join(about)} if about else {}
    if isinstance(info.default, _PLAIN):
        out["default"] = info.default
    if choices and all(isinstance(c, str) for c in choices):
        return out | {"enum": [*choices]}
    if isinstance(info.default, bool):
        return out | {"type": "boolean"}
    if isinstance(info.default, float) and not none and info.low is not None and info.low > float("-inf"):
        out["minimum"] = info.low
    return out


def _properties(part: Any) -> Schema:
    """The keys of a part: its keywords, with what is known of those that are parameters."""
    known = {i.name: i for i in params.describe(part)} if is_dataclass(part) else {}
    told = {f.name: f.metadata for f in fields(part)} if is_dataclass(part) else {}
    out: Schema = {}
    for name in registry.keywords(part)[0]:
        meta: Any = told.get(name, {})
        out[name] = _value(known[name], meta.get("choices"), meta.get("none", False)) if name in known else {}
    return out


def _part(name: str, part: Any, more: Schema, optional: bool) -> Schema:
    """One thing of a kind, by its name."""
    openly = registry.keywords(part)[1]
    said = (part.__doc__ or "").strip().split("\n")[0]
    keys = {"kind": {"const": name, "description": said}, **_properties(part), **more}
    return _closed(keys, () if optional else ("kind",)) | ({"additionalProperties": True} if openly else {})


def one_of(kind: str | tuple[str, ...], more: Schema | None = None, default: str = "") -> Schema:
    """A table with a kind; with `default` the kind may be left out, and is this one then."""
    kinds = (kind,) if isinstance(kind, str) else kind
    found = [
        _part(name, part, more or {}, name == default) for k in kinds for name, part in registry.ours(k).items()
    ]  # fmt: skip
    return {"anyOf": [*found, OWN]}


# ---------------------------------------------------------------------- both kinds of study


def _development() -> Schema:
    use = {"$ref": "#/$defs/use"}
    cells = {
        "n": {"type": "integer", "minimum": 1},
        "inhibitory": {"type": "boolean"},
        "jitter": {},
        "room": {},
        "use": use,
    }
    projection = {
        "source": {"type": "string"}, "target": {"type": "string"}, "wiring": one_of("wiring"), "weight": {},
        "delay": {}, "spines": _closed(_properties(Spines)), "multapses": {"type": "boolean"}, "branch": {}, "use": use,
    }  # fmt: skip
    run: Schema = dict.fromkeys(development.RUN_KEYS, {}) | {"duration": {"description": 'such as "30 day"'}}
    band = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    target = {"target": {"type": "string"}}
    return {
        "name": {"type": "string"}, "seed": {"type": "integer"}, "sheet": _closed(_properties(Sheet)),
        "shuffled": {"type": "boolean"},
        "population": _each(one_of(("neuron model", "drive"), cells)),
        "projection": _each(_closed(projection, ("source", "target", "wiring"))),
        "background": {"type": "array", "items": one_of("background", target, "Background")},
        "stimulus": {"type": "array", "items": one_of("stimulus", {**target, "onto": {}})},
        "run": _closed(run),
        "at": {"type": "array", "items": one_of("intervention", {"life": {}, "spike": {}})},
        "bands": _closed(dict.fromkeys(maturation.BANDS, band)),
    }  # fmt: skip


def _training() -> Schema:
    methods = {"anyOf": [{"type": "array", "items": one_of("method")}, one_of("method")]}
    layers = _closed({"layers": {"type": "array", "items": {"type": "object"}}, "inputs": {}, "seed": {}}, ("layers",))
    network = one_of("network", default="fully_connected")
    return {
        "kind": {"const": "training"}, "title": {"type": "string"}, "seed": {"type": "integer"},
        "data": one_of("data set", dict.fromkeys(("train", "test", "draw", "validation"), {}), "digits"),
        "encoder": one_of("encoder", default="Bernoulli"),
        "augment": one_of("augmentation"),
        "network": {"anyOf": [layers, *network["anyOf"]]},
        "optimiser": one_of("optimiser", default="Adam"),
        "schedule": one_of("schedule", default="constant"),
        "train": _closed(dict.fromkeys(training.TRAIN, {}) | {"loss": {"anyOf": [
            {"enum": registry.names("loss")}, {"type": "string", "pattern": ":"}]}}),
        "method": methods,
        "callback": {"anyOf": [{"type": "array", "items": OWN}, OWN]},
        "groups": _each(_closed({"rate": {"type": "number"}, "decay": {"type": "number"}})),
    }  # fmt: skip
