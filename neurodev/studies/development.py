"""Studies: a network and its run as a TOML text, and back to objects."""

from __future__ import annotations

import os
from typing import Any

from neurodev.engine.network import Network, Spines
from neurodev.errors import NeurodevError, StudyError, nearest
from neurodev.mechanisms.base import Mechanism
from neurodev.neurons.drive import Drive
from neurodev.runs.run import Run
from neurodev.simulation.simulate import Simulation
from neurodev.structure.places import Sheet
from neurodev.studies.reading import Place, Study, call, check_keys, made, quantity

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
    sheet = call(study, Sheet, t.get("sheet", {}), ("sheet",))
    net = Network(seed=t.get("seed", 0) if seed is None else seed, sheet=sheet)
    for name, given in t.get("population", {}).items():
        _populate(study, net, name, given, shuffled, without)
    for k, given in enumerate(t.get("background", [])):
        place = ("background", k)
        target = _named(study, net, given.get("target"), (*place, "target"))
        drive = made(study, "background", given, place, ("target",), default="Background")
        try:
            net.background(target, drive)
        except NeurodevError as e:
            raise StudyError(f"{study.where(*place)}: {e}") from e
    for name, given in t.get("projection", {}).items():
        _connect(study, net, name, given, without)
    return net


def _populate(
    study: Study, net: Network, name: str, given: dict[str, Any], shuffled: bool, without: str | None
) -> None:
    place: Place = ("population", name)
    extra = ("n", "inhibitory", "jitter", "room", "use")
    model = made(study, ("neuron model", "drive"), given, place, extra)
    if shuffled and isinstance(model, Drive) and type(model).shuffled is not Drive.shuffled:
        model = model.shuffled()
    if "n" not in given:
        raise StudyError(f"{study.where(*place)}: a population needs n, its size")
    try:
        p = net.add(
            model,
            given["n"],
            name=name,
            inhibitory=given.get("inhibitory", False),
            jitter=quantity(given.get("jitter", 0.0)),
            room=given.get("room", 0),
        )
        p.use(*_used(study, given, place, without))
    except NeurodevError as e:
        raise e if isinstance(e, StudyError) else StudyError(f"{study.where(*place)}: {e}") from e


def _named(study: Study, net: Network, name: Any, place: Place) -> Any:
    if name not in net.populations:
        raise StudyError(
            f"{study.where(*place)}: no population {name!r}{nearest(str(name), net.populations)}; "
            f"there are {sorted(net.populations)}"
        )
    return net.populations[name]


def _used(study: Study, given: dict[str, Any], place: Place, without: str | None) -> list[Mechanism]:
    mechanisms = (made(study, "mechanism", use, (*place, "use", k)) for k, use in enumerate(given.get("use", [])))
    return [m for m in mechanisms if m.name != without]


def _connect(study: Study, net: Network, name: str, given: dict[str, Any], without: str | None) -> None:
    place: Place = ("projection", name)
    check_keys(study, given, _PROJECTION_KEYS, place)
    source, target = (_named(study, net, given.get(k), (*place, k)) for k in ("source", "target"))
    wiring = made(study, "wiring", given.get("wiring", {}), (*place, "wiring"))
    delay = given.get("delay", 1.0)
    if isinstance(delay, dict):
        delay = made(study, "delay", delay, (*place, "delay"), default="Uniform" if "low" in delay else "Fixed")
    spines = call(study, Spines, given["spines"], (*place, "spines")) if "spines" in given else None
    try:
        q = net.connect(
            source, target, wiring, weight=quantity(given.get("weight")), delay=quantity(delay), spines=spines,
            name=name,
            multapses=given.get("multapses", False), branch=given.get("branch"),
        )  # fmt: skip
        q.use(*_used(study, given, place, without))
    except NeurodevError as e:
        raise e if isinstance(e, StudyError) else StudyError(f"{study.where(*place)}: {e}") from e


def simulation(
    study: Study, network: Network, to: str | os.PathLike[str] | None = None, progress: bool = False, **options: Any
) -> Simulation:
    """A simulation of a study's network, with its interventions scheduled."""
    given = study.table.get("run", {})
    check_keys(study, given, _RUN_KEYS, ("run",))
    settings = {k: quantity(v) for k, v in given.items() if k != "duration"} | options
    sim = Simulation(network, to=to, progress=progress, study=study.text, **settings)
    try:
        for k, what in enumerate(study.table.get("at", [])):
            _schedule(study, sim, what, ("at", k))
    except BaseException:
        sim.file.discard()
        raise
    return sim


def _schedule(study: Study, sim: Simulation, what: dict[str, Any], place: Place) -> None:
    done = made(study, "intervention", what, place, ("life", "spike"))
    when = quantity(what.get("life", what.get("spike", 0.0)))
    try:
        sim.at(when, done, clock="spike" if "spike" in what else "life")
    except NeurodevError as e:
        raise StudyError(f"{study.where(*place)}: {e}") from e


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
