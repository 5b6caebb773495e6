"""Studies: a network and its run as a TOML text, and back to objects."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import neurodev.units as units
from neurodev.engine.network import Network, Spines
from neurodev.errors import NeurodevError, StudyError, nearest
from neurodev.interventions import (
    AddSynapses,
    Antagonise,
    Block,
    Infuse,
    Intervention,
    Lesion,
    RemoveSynapses,
    SetRate,
    Silence,
)
from neurodev.mechanisms.base import Mechanism
from neurodev.mechanisms.bcm import BCM
from neurodev.mechanisms.calcium_plasticity import CalciumPlasticity
from neurodev.mechanisms.clustered_births import ClusteredBirths
from neurodev.mechanisms.early_phase import EarlyPhase
from neurodev.mechanisms.growth import Growth
from neurodev.mechanisms.heterosynaptic import Heterosynaptic
from neurodev.mechanisms.inhibitory_stdp import InhibitorySTDP
from neurodev.mechanisms.neuron_fate import Neurogenesis, NeuronDeath
from neurodev.mechanisms.neurotrophin import Neurotrophin
from neurodev.mechanisms.pairing import Pairing
from neurodev.mechanisms.persistence import Persistence
from neurodev.mechanisms.scaling import Scaling
from neurodev.mechanisms.spine_range import SpineRange
from neurodev.mechanisms.spine_shape import SpineShape
from neurodev.mechanisms.spine_size import SpineSize
from neurodev.mechanisms.spine_stage import SpineStage
from neurodev.mechanisms.stdp import STDP
from neurodev.mechanisms.survival import Survival
from neurodev.mechanisms.trophic_factor import TrophicFactor
from neurodev.mechanisms.turnover import Turnover
from neurodev.neurons.dendrite import Bilinear, Plateau, TwoLayer
from neurodev.neurons.drive import Background, Poisson, Recording, Regular, RetinalWaves
from neurodev.neurons.lif import LIF
from neurodev.run import Run
from neurodev.simulate import Simulation
from neurodev.structure.places import Branches, Sheet
from neurodev.structure.wiring import AllToAll, Contacts, Degree, Fixed, Near, OneToOne, Probability, Uniform

MODELS = {c.__name__: c for c in (LIF, RetinalWaves, Poisson, Regular)}
DENDRITES = {c.__name__: c for c in (Branches, Bilinear, TwoLayer, Plateau)}
WIRINGS = {c.__name__: c for c in (Near, Degree, Probability, AllToAll, OneToOne, Contacts)}
_NESTED: dict[str, dict[str, Any]] = {"dendrite": DENDRITES, "wiring": WIRINGS}  # parameters that are rules themselves
MECHANISMS: dict[str, type[Mechanism]] = {
    c.__name__: c
    for c in (
        STDP,
        SpineSize,
        Neurotrophin,
        Turnover,
        Persistence,
        Scaling,
        BCM,
        Survival,
        SpineRange,
        CalciumPlasticity,
        InhibitorySTDP,
        Growth,
        Pairing,
        NeuronDeath,
        Neurogenesis,
        EarlyPhase,
        Heterosynaptic,
        ClusteredBirths,
        SpineStage,
        SpineShape,
        TrophicFactor,
    )
}
INTERVENTIONS: dict[str, type[Intervention]] = {
    c.__name__: c for c in (Silence, Lesion, Block, SetRate, AddSynapses, RemoveSynapses, Infuse, Antagonise)
}
_UNIT = {k: v for k, v in vars(units).items() if isinstance(v, float)}
_PROJECTION_KEYS = ("source", "target", "wiring", "weight", "delay", "spines", "multapses", "branch", "use")
_RUN_KEYS = ("duration", "acceleration", "tick", "record", "events_per_tick")
_QUANTITY = re.compile(r"^\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z]\w*)\s*$")


def quantity(value: Any) -> Any:
    """``"30 day"`` as a number in neurodev's units; anything else as it is."""
    if isinstance(value, str) and (m := _QUANTITY.match(value)):
        if m[2] not in _UNIT:
            raise StudyError(f"unknown unit {m[2]!r} in {value!r}{nearest(m[2], _UNIT)}; units are {sorted(_UNIT)}")
        return float(m[1]) * _UNIT[m[2]]
    return value


@dataclass
class Study:
    """A parsed study: its text and its table."""

    text: str
    table: dict[str, Any]
    path: str

    def where(self, *words: str) -> str:
        """File and line in which the last of `words` stands, for messages."""
        lines = self.text.splitlines()
        at = 0
        for word in words:
            for i in range(at, len(lines)):
                if re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", lines[i].split("#")[0]):
                    at = i
                    break
        return f"{self.path}, line {at + 1}: {lines[at].strip()!r}" if lines else self.path


def load(path: str | os.PathLike[str], overrides: dict[str, str] | None = None) -> Study:
    """Read a study.

    Parameters
    ----------
    overrides : dict of str, optional
        ``{"run.acceleration": "60"}``; values are TOML or words.

    Raises
    ------
    StudyError
        With file and line, and the nearest valid key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise StudyError(f"there is no study {str(path)!r}; `neurodev new NAME` writes one to start from") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise StudyError(f"{path} is not valid TOML: {e}") from None
    for dotted, word in (overrides or {}).items():
        _override(table, dotted, word)
    return Study(text, table, str(path))


def _override(table: dict[str, Any], dotted: str, word: str) -> None:
    *parents, last = dotted.split(".")
    here: Any = table
    for k in parents:
        if isinstance(here, list):
            named = {x.get("kind"): x for x in here}
            if k not in named:
                raise StudyError(f"--set {dotted}: no {k!r} here{nearest(k, [n for n in named if n])}")
            here = named[k]
        elif k in here:
            here = here[k]
        else:
            raise StudyError(f"--set {dotted}: no table {k!r} in this study{nearest(k, here)}; it has {sorted(here)}")
    try:
        value = tomllib.loads(f"x = {word}")["x"]
    except tomllib.TOMLDecodeError:
        value = word
    here[last] = value


def _make(study: Study, cls: type, given: dict[str, Any], place: tuple[str, ...], skip: tuple[str, ...] = ()) -> Any:
    known = [f.name for f in fields(cls) if not f.name.startswith("_")]
    arguments = {}
    for key, value in given.items():
        if key in ("kind", *skip):
            continue
        if key not in known:
            allowed = sorted([*known, *skip])
            raise StudyError(
                f"{study.where(*place, key)}: {cls.__name__} has no parameter {key!r}{nearest(key, allowed)}; "
                f"it has {allowed}"
            )
        arguments[key] = quantity(value)
        if key in _NESTED:
            where = (*place, key)
            if not isinstance(value, dict):
                raise StudyError(f"{study.where(*where)}: {key} needs a table with a kind, got {value!r}")
            arguments[key] = _make(study, kind_of(study, value, _NESTED[key], where, key), value, where)
    try:
        return cls(**arguments)
    except (NeurodevError, TypeError) as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e


def instance(cls: type, words: dict[str, str]) -> Any:
    """An instance of a mechanism or model from words: ``{"tau": "5 day", "rule": "burst"}``."""
    table: dict[str, Any] = {cls.__name__: {}}
    for name, word in words.items():
        _override(table, f"{cls.__name__}.{name}", word)
    return _make(Study("", table, cls.__name__), cls, table[cls.__name__], (cls.__name__,))


def kind_of(study: Study, given: dict[str, Any], table: dict[str, Any], place: tuple[str, ...], what: str) -> Any:
    """The entry of `table` that a section names as its kind; unknown kinds are refused with the nearest."""
    kind = given.get("kind")
    if kind is None:
        raise StudyError(f"{study.where(*place)}: {what} needs a kind, one of {sorted(table)}")
    if kind not in table:
        raise StudyError(
            f"{study.where(*place, str(kind))}: no {what} of kind {kind!r}{nearest(str(kind), table)}; "
            f"kinds are {sorted(table)}"
        )
    return table[kind]


def check_keys(study: Study, given: dict[str, Any], known: tuple[str, ...], place: tuple[str, ...]) -> None:
    """Refuse keys that a section does not know, with the nearest."""
    for key in given:
        if key not in known:
            raise StudyError(f"{study.where(*place, key)}: unknown key {key!r}{nearest(key, known)}; keys are {known}")


def build(study: Study, seed: int | None = None, shuffled: bool = False, without: str | None = None) -> Network:
    """The network of a study.

    Parameters
    ----------
    seed : int, optional
        Instead of the study's own.
    shuffled : bool
        Shuffle every drive that has correlations: the control.
    without : str, optional
        A mechanism to leave out (for ablations).
    """
    t = study.table
    check_keys(study, t, ("seed", "sheet", "population", "projection", "background", "run", "at", "name"), ())
    sheet = _make(study, Sheet, t.get("sheet", {}), ("sheet",))
    net = Network(seed=t.get("seed", 0) if seed is None else seed, sheet=sheet)
    extra = ("n", "inhibitory", "jitter", "room", "use")
    for name, given in t.get("population", {}).items():
        place = ("population." + name,)
        model = _make(study, kind_of(study, given, MODELS, place, "population"), given, place, extra)
        if shuffled and isinstance(model, (RetinalWaves, Recording)):
            model = model.shuffled()
        if "n" not in given:
            raise StudyError(f"{study.where(*place)}: a population needs n, its size")
        p = net.add(
            model,
            given["n"],
            name=name,
            inhibitory=given.get("inhibitory", False),
            jitter=quantity(given.get("jitter", 0.0)),
            room=given.get("room", 0),
        )
        p.use(*_used(study, given, place, without))
    for given in t.get("background", []):
        target = _named(study, net, given.get("target"), ("background",))
        net.background(target, _make(study, Background, given, ("background",), ("target",)))
    for name, given in t.get("projection", {}).items():
        _connect(study, net, name, given, without)
    return net


def _named(study: Study, net: Network, name: Any, place: tuple[str, ...]) -> Any:
    if name not in net.populations:
        raise StudyError(
            f"{study.where(*place)}: no population {name!r}{nearest(str(name), net.populations)}; "
            f"there are {sorted(net.populations)}"
        )
    return net.populations[name]


def _used(study: Study, given: dict[str, Any], place: tuple[str, ...], without: str | None) -> list[Mechanism]:
    out = []
    for use in given.get("use", []):
        cls = kind_of(study, use, MECHANISMS, place, "mechanism")
        m = _make(study, cls, use, (*place, str(use["kind"])))
        if m.name != without:
            out.append(m)
    return out


def _connect(study: Study, net: Network, name: str, given: dict[str, Any], without: str | None) -> None:
    place = ("projection." + name,)
    check_keys(study, given, _PROJECTION_KEYS, place)
    source, target = (_named(study, net, given.get(k), place) for k in ("source", "target"))
    rule = given.get("wiring", {})
    wiring = _make(study, kind_of(study, rule, WIRINGS, (*place, "wiring"), "wiring"), rule, (*place, "wiring"))
    delay = given.get("delay", 1.0)
    if isinstance(delay, dict):
        delay = _make(study, Uniform if "low" in delay else Fixed, delay, (*place, "delay"))
    spines = _make(study, Spines, given["spines"], (*place, "spines")) if "spines" in given else None
    try:
        q = net.connect(
            source, target, wiring, weight=quantity(given.get("weight")), delay=quantity(delay), spines=spines,
            name=name,
            multapses=given.get("multapses", False), branch=given.get("branch"),
        )  # fmt: skip
        q.use(*_used(study, given, place, without))
    except NeurodevError as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e


def simulation(
    study: Study, network: Network, to: str | os.PathLike[str] | None = None, progress: bool = False, **options: Any
) -> Simulation:
    """A simulation of a study's network, with its interventions scheduled."""
    given = study.table.get("run", {})
    check_keys(study, given, _RUN_KEYS, ("run",))
    settings = {k: quantity(v) for k, v in given.items() if k != "duration"} | options
    sim = Simulation(network, to=to, progress=progress, study=study.text, **settings)
    for what in study.table.get("at", []):
        cls = kind_of(study, what, INTERVENTIONS, ("at",), "intervention")
        sim.at(quantity(what.get("life", what.get("spike", 0.0))), _make(study, cls, what, ("at",), ("life", "spike")),
               clock="spike" if "spike" in what else "life")  # fmt: skip
    return sim


def duration(study: Study) -> float:
    """Life time of the run, ms."""
    value = quantity(study.table.get("run", {}).get("duration", 0.0))
    if not isinstance(value, (int, float)) or value <= 0:
        raise StudyError(f'{study.where("run", "duration")}: [run] needs duration = "30 day", a positive life time')
    return float(value)


def run(
    study: Study, to: str | os.PathLike[str] | None = None, *, seed: int | None = None, shuffled: bool = False,
    without: str | None = None, progress: bool = False, **options: Any,
) -> Run:  # fmt: skip
    """Build, run and close a study."""
    network = build(study, seed, shuffled, without)
    return simulation(study, network, to, progress, **options).run(duration(study)).close()
