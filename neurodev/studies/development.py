"""Studies: a network and its run as a TOML text, and back to objects."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from neurodev.engine.checks import check_duration
from neurodev.engine.network import Network, Spines
from neurodev.errors import ParameterError, StudyError, nearest
from neurodev.mechanisms.base import Mechanism
from neurodev.metrics import maturation
from neurodev.neurons.drive import Drive
from neurodev.record import snapshots
from neurodev.record.provenance import check_sources
from neurodev.record.recorder import chosen, plain
from neurodev.record.runfile import RunFile
from neurodev.runs.run import Run
from neurodev.simulation import keeping
from neurodev.simulation.circuit import embedded
from neurodev.simulation.simulate import Simulation
from neurodev.simulation.steering import repeat
from neurodev.structure.places import Sheet
from neurodev.studies import reading
from neurodev.studies.described import network_of
from neurodev.studies.quantities import TIME, WEIGHT, number, quantity
from neurodev.studies.reading import Place, Study, call, check_keys, made, table_at, tables_at, told_at
from neurodev.units import hour

SECTIONS = (
    "seed",
    "sheet",
    "population",
    "projection",
    "background",
    "stimulus",
    "run",
    "at",
    "name",
    "shuffled",
    "bands",
)
_PROJECTION_KEYS = ("source", "target", "wiring", "weight", "delay", "spines", "multapses", "branch", "use")
RUN_KEYS = ("duration", "acceleration", "tick", "record", "snapshots", "events_per_tick", "circuit", "membranes")
_USE = 'use = [{ kind = "STDP" }]'


def build(study: Study, seed: int | None = None, shuffled: bool = False, without: str | None = None) -> Network:
    """The network of a study.

    Parameters
    ----------
    seed : int, optional
        Instead of the study's own.
    shuffled : bool
        Shuffle every drive that has correlations: the control; so does ``shuffled = true`` in the study.
    without : str, optional
        A mechanism to leave out (for ablations).

    Raises
    ------
    StudyError
        With file and line, and the nearest valid key; if there is nothing to shuffle.
    """
    t = study.table
    if "data" in t and "population" not in t:
        raise StudyError(f"{study.where('data')}: this is a study of training: neurodev train {study.path}")
    check_keys(study, t, SECTIONS, ())
    _check_bands(study)
    sheet = call(study, Sheet, table_at(study, t.get("sheet", {}), ("sheet",), "[sheet]"), ("sheet",))
    net = Network(seed=study.seed if seed is None else seed, sheet=sheet)
    control = _flag(study, t, "shuffled", ()) or shuffled
    changed = []
    for name, given in table_at(study, t.get("population", {}), ("population",), "[population.NAME]").items():
        table = table_at(study, given, ("population", name), "[population.NAME]")
        changed.append(_populate(study, net, name, table, control, without))
    if control and not any(changed):
        drives = [f"{name} is {type(p.model).__name__}" for name, p in net.populations.items() if p.is_drive]
        raise StudyError(
            f"{study.path}: no drive has correlations to be shuffled ({', '.join(drives) or 'there is none'}): the "
            "control would be the run itself; leave out --shuffled (in the study: shuffled)"
        )
    inputs = tables_at(study, t.get("background", []), ("background",), "[[background]]")
    for k, given in enumerate(inputs):
        place = ("background", k)
        target = _named(study, net, given.get("target"), (*place, "target"))
        drive = made(study, "background", given, place, ("target",), default="Background")
        with told_at(study, *place):
            net.background(target, drive)
    for k, given in enumerate(tables_at(study, t.get("stimulus", []), ("stimulus",), "[[stimulus]]")):
        place = ("stimulus", k)
        target = _named(study, net, given.get("target"), (*place, "target"))
        stimulus = made(study, "stimulus", given, place, ("target", "onto"))
        with told_at(study, *place):
            net.drive(target, stimulus, given.get("onto"))
    for name, given in table_at(study, t.get("projection", {}), ("projection",), "[projection.NAME]").items():
        _connect(study, net, name, table_at(study, given, ("projection", name), "[projection.NAME]"), without)
    return net


def _check_bands(study: Study) -> None:
    """``[bands]``: the lowest and the highest of numbers that a report judges."""
    given = table_at(study, study.table.get("bands", {}), ("bands",), "[bands]")
    check_keys(study, given, tuple(maturation.BANDS), ("bands",))
    for key, pair in given.items():
        numbers = isinstance(pair, list) and all(isinstance(b, (int, float)) and b == b for b in pair)
        if not numbers or len(pair) != 2 or not pair[0] <= pair[1]:
            raise StudyError(
                f"{study.where('bands', key)}: a band is [lowest, highest], such as [-inf, 4.0], got {pair!r}"
            )


def correlated(network: Network) -> list[str]:
    """Names of the populations whose drive has correlations that a control can shuffle."""
    drives = {name: p.model for name, p in network.populations.items() if isinstance(p.model, Drive)}
    able = {name: d for name, d in drives.items() if type(d).shuffled is not Drive.shuffled}
    return [name for name, d in able.items() if _differ(d, d.shuffled())]


def _differ(a: Drive, b: Drive) -> bool:
    """Whether two drives are not the same; arrays by identity, which a change of something else keeps."""
    return type(a) is not type(b) or any(v is not vars(b).get(k) for k, v in vars(a).items())


def _flag(study: Study, given: dict[str, Any], key: str, place: Place) -> bool:
    """A truth value of a table, false if it is not there."""
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise StudyError(f"{study.where(*place, key)}: {key} must be true or false, got {value!r}")
    return value


def _populate(
    study: Study, net: Network, name: str, given: dict[str, Any], shuffled: bool, without: str | None
) -> bool:
    """Add a population; returns whether its drive was changed by shuffling."""
    place: Place = ("population", name)
    extra = ("n", "inhibitory", "jitter", "room", "use")
    model = made(study, ("neuron model", "drive"), given, place, extra)
    changed = False
    if shuffled and isinstance(model, Drive) and type(model).shuffled is not Drive.shuffled:
        with told_at(study, *place):
            control = model.shuffled()
        model, changed = control, _differ(model, control)
    if "n" not in given:
        raise StudyError(f"{study.where(*place)}: a population needs n, its size")
    inhibitory = _flag(study, given, "inhibitory", place)
    with told_at(study, *place, "jitter"):
        jitter = number(given.get("jitter", 0.0), ("um",), "jitter")
    with told_at(study, *place):
        p = net.add(model, given["n"], name=name, inhibitory=inhibitory, jitter=jitter, room=given.get("room", 0))
        p.use(*_used(study, given, place, without))
    return changed


def _named(study: Study, net: Network, name: Any, place: Place) -> Any:
    if not isinstance(name, str) or name not in net.populations:
        raise StudyError(
            f"{study.where(*place)}: no population {name!r}{nearest(str(name), net.populations)}; "
            f"there are {sorted(net.populations)}"
        )
    return net.populations[name]


def _used(study: Study, given: dict[str, Any], place: Place, without: str | None) -> list[Mechanism]:
    uses = tables_at(study, given.get("use", []), (*place, "use"), _USE)
    mechanisms = (made(study, "mechanism", use, (*place, "use", k)) for k, use in enumerate(uses))
    return [m for m in mechanisms if m.name != without]


def _connect(study: Study, net: Network, name: str, given: dict[str, Any], without: str | None) -> None:
    place: Place = ("projection", name)
    check_keys(study, given, _PROJECTION_KEYS, place)
    source, target = (_named(study, net, given.get(k), (*place, k)) for k in ("source", "target"))
    wiring = made(study, "wiring", given.get("wiring", {}), (*place, "wiring"))
    delay = given.get("delay")
    if isinstance(delay, dict):
        delay = made(study, "delay", delay, (*place, "delay"), default="Uniform" if "low" in delay else "Fixed")
    spines = None
    if "spines" in given:
        table = table_at(study, given["spines"], (*place, "spines"), "spines = { weight = 4.0 }")
        spines = call(study, Spines, table, (*place, "spines"))
    weight = given.get("weight")
    if isinstance(weight, dict):
        weight = made(study, "weights", weight, (*place, "weight"))
    with told_at(study, *place, "weight"):
        weight = quantity(weight, WEIGHT)
    with told_at(study, *place, "delay"):
        delay = quantity(delay, TIME)
    multapses = _flag(study, given, "multapses", place)
    with told_at(study, *place):
        q = net.connect(
            source, target, wiring, weight=weight, delay=delay, spines=spines, name=name, multapses=multapses,
            branch=given.get("branch"),
        )  # fmt: skip
        q.use(*_used(study, given, place, without))


def _settings(study: Study, options: dict[str, Any]) -> dict[str, Any]:
    """What ``[run]`` says of the simulation, and options beside it."""
    given = table_at(study, study.table.get("run", {}), ("run",), "[run]")
    check_keys(study, given, RUN_KEYS, ("run",))
    out: dict[str, Any] = {}
    for key, value in given.items():
        with told_at(study, "run", key):
            meant = {"tick": TIME, "acceleration": (), "snapshots": TIME}.get(key)
            if key == "snapshots" and isinstance(value, list):
                out[key] = [number(one, TIME, key) for one in value]
            elif meant is not None:
                out[key] = number(value, meant, key)
            elif key == "circuit" and isinstance(value, str):
                out[key] = Path(study.path).parent / value  # beside the study
            elif key != "duration":
                out[key] = value
    return out | options


def simulation(
    study: Study, network: Network, to: str | os.PathLike[str] | None = None, progress: bool = False,
    again: RunFile | None = None, **options: Any,
) -> Simulation:  # fmt: skip
    """A simulation of a study's network, with its interventions scheduled: of a rerun, those of the file `again`.

    The run keeps the study as it is run: with what ``--set`` changed, the seed of the network, and whether its drives
    are shuffled.

    Raises
    ------
    StudyError
        With file and line, before a run file is begun wherever that can be known then.
    """
    settings = _settings(study, options)
    if again is not None:
        settings["circuit"] = embedded(again)
    at = tables_at(study, study.table.get("at", []), ("at",), "[[at]]")
    planned = [_planned(study, what, ("at", k)) for k, what in enumerate(at)]
    kept = _kept(study, network, options)
    if "duration" in study.table.get("run", {}):  # a run that would never end begins no file
        with told_at(study, "run", "duration"):
            clocks = settings.get("tick", 2 * hour), settings.get("acceleration", 1.0)
            check_duration(network, duration(study), *clocks)
    with told_at(study):
        try:
            sim = Simulation(network, to=to, progress=progress, study=kept.text, **settings)
        except ParameterError as e:  # of [run], or of a part that is made only now
            key = next((k for k in RUN_KEYS if str(e).startswith(f"{k} must")), None)
            raise StudyError(f"{study.where('run', key) if key else study.path}: {e}") from e
    try:
        told = again is not None and again.item("steering", None) is not None
        if again is not None and told:
            repeat(sim, again)
        for k, (when, clock, done) in enumerate(() if told else planned):
            with told_at(study, "at", k):
                sim.at(when, done, clock=clock)
    except BaseException:
        sim.file.discard()
        raise
    return sim


def resumed(path: str | os.PathLike[str], *, trust: bool = False, **options: Any) -> Simulation:
    """A run that was broken off, from its file alone: where its last checkpoint was taken.

    Parameters
    ----------
    trust : bool
        Import the modules of classes that are not neurodev's, and go on where their source cannot be read.
    **options
        Of `Simulation.resume`: ``progress``, ``threads``, ``checkpoint``.

    Raises
    ------
    RunFileError
        If there is no checkpoint to go on from.
    StudyError
        If the file keeps no study, and does not tell all of its network, which a program built.
    """
    with RunFile.open(path) as file:
        network = build(study_of(path, trust)) if _has_study(file) else network_of(file, trust)
    return Simulation.resume(path, network, trust=trust, **options)


def repeated(
    path: str | os.PathLike[str], to: str | os.PathLike[str] | None, *, trust: bool = False, progress: bool = False,
    **options: Any,
) -> tuple[Simulation, float]:  # fmt: skip
    """A run once more, from its file alone: a simulation with all that steered it, and its life time, ms.

    A finished run is as long as it was, another one as long as its study says.  Of a run that a program made the
    network is built of its description.

    Raises
    ------
    StudyError
        If the file keeps no study, and does not tell all of its network; if the run was steered by functions that no
        name leads to.
    """
    with RunFile.open(path) as file:
        if file.item("kind", None) == "training":
            raise StudyError(
                f"{str(path)!r} holds a training, which is not repeated from its file: what made it trains again, its "
                "study (neurodev train STUDY --to FILE) or its program"
            )
        keeping.steering_of(file)
        if not _has_study(file):
            return _repeated(file, to, trust, progress=progress, **options)
        s = study_of(path, trust)
        life = duration(s) if "duration" in s.table.get("run", {}) else 0.0
        if file.item("finished", None) is True:
            lasted = float(file.item("life"))
            life = life if abs(lasted - life) <= 1e-9 * life else lasted
        return simulation(s, build(s), to, progress, file, **options), life


def _repeated(
    file: RunFile, to: str | os.PathLike[str] | None, trust: bool, **options: Any
) -> tuple[Simulation, float]:
    """`repeated` of a run that a program made; it begins with the same synapses, or not at all."""
    if file.item("finished", None) is not True:
        raise StudyError(f"{str(file.path)!r} was broken off, and a program knew how long it was to be: go on with it")
    network = network_of(file, trust)
    told = {"start": 0.0, "events_per_tick": None, "record": "daily", **(file.item("settings", None) or {})}
    clocks = {"acceleration": file.item("acceleration"), "tick": file.item("tick")}
    sim = Simulation(network, to=to, circuit=embedded(file), **clocks, **told, **options)
    try:
        keeping.check_structure(sim.simulator, file)
        repeat(sim, file)
    except BaseException:
        sim.file.discard()
        raise
    return sim, float(file.item("life"))


def _has_study(file: RunFile) -> bool:
    text = file.provenance().get("study")
    return isinstance(text, str) and bool(text)


def study_of(path: str | os.PathLike[str], trust: bool = False) -> Study:
    """The study of a run, as it was run, from its file.

    Parameters
    ----------
    trust : bool
        Import the modules of classes that are not neurodev's, and take them where their source cannot be read.

    Raises
    ------
    StudyError
        If the file keeps no study, or the source of a class has changed.
    """
    with RunFile.open(path) as file:
        told = file.provenance()
    text = told.get("study")
    if not isinstance(text, str) or not text:
        raise StudyError(f"{str(path)!r} keeps no study: a program made this run")
    check_sources(told.get("sources", {}), trust)
    return reading.parsed(text, str(path))


def _kept(study: Study, network: Network, options: dict[str, Any]) -> Study:
    """The study of a network that was built of it, perhaps with another seed or as a control."""
    changes: dict[str, Any] = {}
    if study.table.get("seed", 0) != network.seed or "seed" not in study.table:
        changes["seed"] = network.seed
    options = dict(options)
    if "record" in options:
        options["record"] = plain(chosen(options["record"], {p.name: p.n for p in network.populations.values()}))
    if "snapshots" in options:
        options["snapshots"] = snapshots.plain(snapshots.check_snapshots(options["snapshots"]))
    run = {k: v for k, v in options.items() if k in RUN_KEYS and study.table.get("run", {}).get(k) != v}
    return study.resolved(**changes, **({"run": run} if run else {}))


def _planned(study: Study, what: dict[str, Any], place: Place) -> tuple[float, str, Any]:
    """When, by which clock, and what is to be done."""
    done = made(study, "intervention", what, place, ("life", "spike"))
    clocks = [c for c in ("life", "spike") if c in what]
    if len(clocks) != 1:
        said = "both" if clocks else "neither"
        raise StudyError(
            f"{study.where(*place)}: an intervention happens at a life time or at a spike time, and {said} is given: "
            'write life = "10 day" or spike = "5 minute"'
        )
    with told_at(study, *place, clocks[0]):
        when = number(what[clocks[0]], TIME, clocks[0])
    return when, clocks[0], done


def duration(study: Study) -> float:
    """Life time of the run, ms."""
    given = table_at(study, study.table.get("run", {}), ("run",), "[run]")
    check_keys(study, given, RUN_KEYS, ("run",))
    with told_at(study, "run", "duration"):
        if "duration" not in given:
            raise StudyError('[run] needs duration = "30 day", a positive life time')
        value = number(given["duration"], TIME, "duration")
        if not 0.0 < value < float("inf"):
            raise StudyError(f'duration must be a positive life time such as "30 day", got {given["duration"]!r}')
    return value


def lacking(study: Study, mechanism: str) -> Study:
    """A copy of the study without a mechanism, wherever it is used."""
    out = copy.deepcopy(study)
    for part in ("population", "projection"):
        for name, given in table_at(out, out.table.get(part, {}), (part,), f"[{part}.NAME]").items():
            uses = tables_at(
                out, table_at(out, given, (part, name), f"[{part}.NAME]").get("use", []), (part, name, "use"), _USE
            )
            if uses:
                given["use"] = [u for u in uses if str(u.get("kind")).rpartition(":")[2] != mechanism]
    return out


def run(
    study: Study, to: str | os.PathLike[str] | None = None, *, seed: int | None = None, shuffled: bool = False,
    without: str | None = None, progress: bool = False, **options: Any,
) -> Run:  # fmt: skip
    """Build, run and close a study; the run keeps it as it is run, with all that is asked for here."""
    if without is not None:
        study = lacking(study, without)
    if shuffled:
        study = study.resolved(shuffled=True)
    network, life = build(study, seed), duration(study)
    return simulation(study, network, to, progress, **options).run(life).close()
