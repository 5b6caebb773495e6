"""A network of its description: what a run file tells of a network that a program built, built once more.

A description is complete or it is refused: what was built is described again and compared, and so are the positions of
cells and the synapses that the run began with, before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from neurodev import registry
from neurodev.engine.network import Network, Spines
from neurodev.errors import NeurodevError, RunFileError, StudyError
from neurodev.record.provenance import check_sources
from neurodev.record.runfile import RunFile
from neurodev.simulation import keeping
from neurodev.structure.places import Sheet

_TOO_LONG = "array"  # what stands for a list that a description does not hold


def network_of(file: RunFile, trust: bool = False) -> Network:
    """The network that a run file describes.

    Parameters
    ----------
    trust : bool
        Import the modules of classes that are not neurodev's, and take them where their source cannot be read.

    Raises
    ------
    StudyError
        With what the description leaves out; if the source of a class has changed.
    RunFileError
        If the file holds no description.
    """
    told = file.item("network")
    if not isinstance(told, Mapping):
        raise RunFileError(f"{str(file.path)!r} does not say what network it is of: it is damaged")
    check_sources(file.provenance().get("sources", {}), trust)
    try:
        net = _network(file, told)
    except NeurodevError as e:
        raise StudyError(f"{_cannot(file)}: {e}") from e
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as e:
        raise StudyError(f"{str(file.path)!r} describes a network that cannot be built: {e!r}") from e
    try:
        keeping.check_network(net, file)
    except StudyError as e:
        raise StudyError(f"{_cannot(file)}: {e}") from e
    return net


def _cannot(file: RunFile) -> str:
    return (
        f"{str(file.path)!r} does not tell all of its network, which a program built and gives to "
        "nd.Simulation.resume(path, network)"
    )


def _network(file: RunFile, told: Mapping[str, Any]) -> Network:
    net = Network(
        seed=told["seed"], sheet=Sheet(told["sheet"][0], told["sheet"][1], bool(told.get("periodic", False))),
        together=told["together"],
    )  # fmt: skip
    for p in told["populations"]:
        places = file.read(f"positions/{p['name']}")
        made = net.add(
            _thing(p["model"]), p["n"] - p["room"], name=p["name"], inhibitory=p["inhibitory"],
            positions=places[: p["n"] - p["room"]], room=p["room"],
        )  # fmt: skip
        made.use(*(_thing(m) for m in p["uses"]))
    for b in told["backgrounds"]:
        net.background(net.populations[b["target"]], _thing(b, "target"))
    for s in told.get("stimuli", []):
        net.drive(net.populations[s["target"]], _thing(s, "target", "onto"), cells=s["onto"])
    for q in told["projections"]:
        _connect(net, q)
    return net


def _connect(net: Network, q: Mapping[str, Any]) -> None:
    """A projection; a list of weights, or of branches, that is too long for a description is missed by name."""
    for word in ("weight", "branch"):
        if q.get(word) == _TOO_LONG:
            raise StudyError(f"the {word} of {q['name']!r} is a list too long to be written down")
    weight = q["weight"]
    projection = net.connect(
        net.populations[q["source"]], net.populations[q["target"]], _thing(q["wiring"]),
        weight=_thing(weight) if isinstance(weight, Mapping) else weight, delay=_thing(q["delay"]),
        spines=None if q["spines"] is None else Spines(**_words(q["spines"])), name=q["name"],
        multapses=q["multapses"], signed=q["signed"], branch=q.get("branch"), weight_precision=q["weight_precision"],
    )  # fmt: skip
    projection.use(*(_thing(m) for m in q["uses"]))


# kinds of what a network is made of; what stands within another is of any of them
_KINDS = (
    "mechanism", "neuron model", "drive", "background", "stimulus", "wiring", "delay", "weights", "dendrite",
    "growth curve",
)  # fmt: skip


def _thing(told: Mapping[str, Any], *beside: str) -> Any:
    """An object of its kind and parameters; `beside` stands there and is none of them, no more than what was reckoned.

    Whatever is lost so makes another description, and is found when the two are compared.
    """
    cls = _class(told["kind"])
    known = {f.name for f in fields(cls) if f.init}
    return cls(**{k: v for k, v in _words(told).items() if k in known and k not in beside})


def _class(word: str) -> Any:
    """A class by the word of a description: ours, whatever a program gave the same name, or ``"module:Class"``."""
    for kind in _KINDS:
        if word in registry.OURS.get(kind, {}):
            return getattr(import_module(registry.OURS[kind][word]), word)
    return registry.find(_KINDS, word)


def _words(told: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a description, those that are objects made."""
    return {k: _thing(v) if isinstance(v, Mapping) and "kind" in v else v for k, v in told.items() if k != "kind"}
