"""Studies: a network and its run as a TOML text, and back to objects."""

from __future__ import annotations

import os
from typing import Any

from neurodev.engine.network import Network, Spines
from neurodev.errors import NeurodevError, StudyError, nearest
from neurodev.mechanisms.base import Mechanism
from neurodev.neurons.drive import Background, Recording, RetinalWaves
from neurodev.runs.run import Run
from neurodev.simulation.simulate import Simulation
from neurodev.structure.places import Sheet
from neurodev.structure.wiring import Fixed, Uniform
from neurodev.studies.kinds import INTERVENTIONS, MECHANISMS, MODELS, WIRINGS
from neurodev.studies.reading import (
    Study,
    _make,
    check_keys,
    kind_of,
    quantity,
)

_PROJECTION_KEYS = ("source", "target", "wiring", "weight", "delay", "spines", "multapses", "branch", "use")
_RUN_KEYS = ("duration", "acceleration", "tick", "record", "events_per_tick")


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
