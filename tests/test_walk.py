"""The walk of the public API: every public callable and every key of a study, with a table of senseless values.

A bed is a call that is right; each of its arguments in turn is replaced by each of the values.  What comes out is an
error of neurodev's own family that names the argument or its value, or the call is accepted with the meaning that
`MEANT` states for its kind of argument.  A foreign exception, a call that does not end, and memory beyond 1 GiB are
faults.  What is public and has no bed fails by name.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodev as nd
from neurodev import bridge, registry
from neurodev.learn.core.layer import Weights
from neurodev.plot import live
from neurodev.runs.lives import Lives
from neurodev.runs.log import Log
from neurodev.runs.spines import Spine
from neurodev.runs.spines import Spines as EverySpine
from neurodev.runs.training import Training
from neurodev.simulation.probe import Probe
from neurodev.structure.delays import as_delay
from tests.learn.small import net, patterns, trained
from tests.walk import MEANT, MORE, WORDS, Bed, Beds, kind_of, narrow, walk
from tests.walked import drawing, few, imaged, option_beds, plot_beds, protocol_beds, simulation_beds
from tests.walked_models import model_beds
from tests.walked_pictures import picture_beds
from tests.walked_sweeps import sweep_beds
from tests.walked_tables import table_beds


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow():
        yield


def by_signature(beds: Beds) -> Callable[[str, str], set[str]]:
    """What arguments may mean, by their annotations."""

    def meant(name: str, argument: str) -> set[str]:
        more = MORE.get(f"{name} {argument}", MORE.get(name, (set(), "")))[0]
        bed = beds[name]
        if argument in bed.exact:
            return bed.exact[argument]
        target: Any = bed.told or ANNOTATED.get(name.split()[0]) or bed.make()
        found = inspect.signature(target).parameters.get(argument)
        if found is None:
            return more | MEANT["Any"][0]
        return more | kind_of(str(found.annotation), found.default)

    return meant


# ---------------------------------------------------------------------- the beds


class World:
    """What the beds stand on: a run, a training, and a simulation that is not run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = nd.simulate(
            self.network(), 4 * 86400000.0, acceleration=1e6, to=folder / "run.sqlite", progress=False
        )
        t = trained(epochs=2, to=folder / "training.sqlite", methods=[nd.methods.SET(0.5)])
        t.fit()
        self.training = t.close()
        bare = nd.Network(seed=1)
        bare.connect(bare.add(nd.Poisson(50.0), 4), bare.add(nd.LIF(), 4), nd.AllToAll(), weight=1.0)
        self.bare = nd.simulate(bare, 10.0, to=folder / "bare.sqlite", progress=False)
        unborn = nd.Simulation(self.network(), to=folder / "unborn.sqlite", progress=False)
        self.unborn = unborn.close()
        self.circuit = nd.Simulation(self.network()).save(folder / "circuit.nd")
        self.cut = folder / "cut.sqlite"
        cut = nd.Simulation(self.network(), acceleration=1e6, to=self.cut, checkpoint=0.0).run(4 * 86400000.0)
        cut.file.abandon()  # as a kill leaves it
        self.simulation = nd.Simulation(self.steerable(), acceleration=1e6, tick=3.6e6, to=folder / "open.sqlite")

    @staticmethod
    def network() -> nd.Network:
        made = nd.Network(seed=1)
        s, e = made.add(nd.Poisson(50.0), 4, name="s"), made.add(nd.LIF(), 4, name="e")
        made.connect(s, e, nd.AllToAll(), spines=nd.Spines(), name="q").use(nd.SpineSize())
        return made

    @classmethod
    def steerable(cls) -> nd.Network:
        """The same with all that interventions act on."""
        made = cls.network()
        made.background(made.populations["e"], nd.Background())
        made.connect(made.populations["s"], made.populations["e"], nd.AllToAll(), spines=nd.Spines(), name="t").use(
            nd.SpineSize(death="none"), nd.TrophicFactor()
        )
        return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = World(tmp_path_factory.mktemp("walk"))
        yield made
        made.simulation.file.discard()


def of(made: Callable[[], Any], method: str, **given: Any) -> Bed:
    """A method of something that is made anew for every call."""
    return Bed(lambda: getattr(made(), method), given)


def in_network(method: str, part: Callable[[Any], dict[str, Any]], **given: Any) -> Bed:
    """A method of a network with parts of its own, which a call may replace."""

    def make() -> Any:
        made = World.network()
        return lambda **more: getattr(made, method)(**{**part(made), **more})

    walked = (*part(World.network()), *given)
    bed = Bed(make, given)
    bed.walked = walked
    return bed


def by_hand(kind: str, name: str, told: type, fields: tuple[str, ...]) -> Bed:
    """What is set on a part of a network is looked at as what it is made with."""

    def make() -> Any:
        part = getattr(World.network(), kind)[name]
        return lambda **k: [setattr(part, field, value) for field, value in k.items()]

    exact = {"mechanisms": {"empty"}, "model": set(), "delay": MEANT["Any"][0], "signed": set()}
    return Bed(make, {}, fields, told=told, exact=exact)


def network_beds(w: World) -> Beds:
    cell = World.network().populations["e"]
    ends = lambda n: {"source": n.populations["s"], "target": n.populations["e"], "wiring": nd.OneToOne()}
    cells = lambda n: {"population": n.populations["e"]}
    use = lambda kind, name, it: Bed(
        lambda: lambda mechanism: getattr(World.network(), kind)[name].use(mechanism), {"mechanism": it}
    )
    return {
        "nd.Network": Bed(lambda: nd.Network, {"seed": 0, "sheet": None, "together": False}),
        "Network.add": of(
            World.network, "add", model=nd.LIF(), n=2, name="new", inhibitory=False, positions=None, jitter=0.0, room=0
        ),
        "Network.connect": in_network(
            "connect", ends, weight=1.0, delay=1.0, name="z", multapses=False, signed=False, branch=None,
            weight_precision="double",
        ),
        "Network.connect on spines": in_network("connect", ends, spines=nd.Spines(), name="z"),
        "Network.background": in_network(
            "background", lambda n: {"target": n.populations["e"], "drive": nd.Background()}
        ),
        "Network.drive": in_network(
            "drive", lambda n: {"target": n.populations["e"], "stimulus": nd.Kicks([1.0], 1.0)}, cells=None
        ),
        "Network.inputs": in_network("inputs", cells),
        "Network.mean_input": in_network("mean_input", cells),
        "nd.Population": Bed(
            lambda: nd.Population,
            {"name": "a", "model": nd.LIF(), "n": 2, "index": 0, "inhibitory": False, "positions": np.zeros((2, 2)),
             "mechanisms": (), "room": 0},
            exact={"name": {"a word"}, "index": {"zero", "1e18"}, "mechanisms": {"empty"}, "model": set()},
        ),
        "nd.Projection": Bed(
            lambda: nd.Projection,
            {"name": "a", "source": cell, "target": cell, "wiring": nd.AllToAll(), "weight": 1.0,
             "delay": as_delay(1.0), "spines": None, "multapses": False, "branch": None, "mechanisms": (),
             "signed": False, "weight_precision": "double"},
            exact={"name": {"a word"}, "mechanisms": {"empty"}, "delay": MEANT["Any"][0],
                   "weight": {"zero", "a fraction", "1e18", "empty"}},
        ),
        "nd.Population by hand": by_hand("populations", "e", nd.Population, ("model", "inhibitory", "mechanisms")),
        "nd.Projection by hand": by_hand(
            "projections", "q", nd.Projection, ("wiring", "delay", "multapses", "branch", "mechanisms", "signed")
        ),
        "Population.use": use("populations", "e", nd.Scaling()),
        "Projection.use": use("projections", "q", nd.Turnover()),
        "nd.Simulation": Bed(
            lambda: lambda **k: nd.Simulation(**k).file.discard(),
            {"network": World.network(), "acceleration": 1e6, "tick": 7.2e6, "record": "daily", "progress": False,
             "events_per_tick": None, "snapshots": 2.0, "start": 0.0, "study": "", "overwrite": True, "to": None,
             "threads": None, "checkpoint": 120.0, "circuit": None, "membranes": False, "comm": None, "split": False},
            exact={"comm": {"None"}},
        ),
        "nd.simulate": Bed(
            lambda: nd.simulate,
            {"network": World.network(), "duration": 1.0, "acceleration": 1.0, "progress": False, "tick": 7.2e6,
             "record": "daily", "snapshots": [2.0], "events_per_tick": None, "start": 0.0,
             "study": "", "overwrite": True, "to": None, "threads": None, "checkpoint": 120.0, "circuit": None,
             "membranes": False, "comm": None, "split": False},
            exact={"comm": {"None"}},
        ),
        **simulation_beds(w),
        "nd.isolate": Bed(lambda: nd.isolate, {"mechanism": nd.Poisson()}),
        "nd.FitModel": Bed(
            lambda: nd.FitModel,
            {"name": "a", "numbers": few().numbers, "build": few().build, "guess": few().guess, "tick": 1e8},
            exact={"build": {"a class", "a function"}, "guess": {"a class", "a function"}, "name": WORDS},
        ),
        "nd.fit": Bed(
            lambda: nd.fit,
            {"history": imaged(), "model": few(), "free": ["rate"], "fixed": {}, "held_out": None, "asked": {},
             "quantities": None, "n": 100, "rounds": 1, "seed": 1, "progress": False},
            exact={"quantities": {"None"},
                   "fixed": {"None", "a table"}, "asked": {"None", "a table"}, "held_out": {"None"},
                   "free": {"None"}},
        ),
        "nd.shuffled": Bed(lambda: nd.shuffled, {"drive": nd.RetinalWaves()}),
    }  # fmt: skip


def run_beds(w: World) -> Beds:
    run, log, spines, lives = (lambda: w.run), (lambda: w.run.log), (lambda: w.run.spines), (lambda: w.run.neurons)
    told = lambda: w.training.training
    uid = int(w.run.spines.uid[0])
    q, p, day = {"projection": "q"}, {"population": "e"}, {"day": 1.0}
    label = {"label": "final"}
    given: dict[str, dict[str, Any]] = {
        "checks": {"control": None}, "columns": label | q | {"only": ["uid"]}, "count_windows": p, "counts": p,
        "death_rates": {"width": 3.0} | q, "density": q,
        "export": {"path": "walk.csv", "kind": "CSV", "overwrite": True}, "field": day | q,
        "graph": {"t": 1.0} | q, "pictures": q,
        "history": q | {"cells": None, "sizes": True}, "report": {"path": "run.html", "control": None, "still": True},
        "plot": {"control": None}, "population": {"name": "e"}, "positions": p, "projection": {"name": "q"},
        "rates": p, "recorded": p, "save": {"path": "saved.sqlite"},
        "series": {"name": "life"}, "sizes": q, "smallest_size": q, "snapshot": q | day | {"only": ["uid"]},
        "picture": day, "pictured_days": q, "spike_windows": p, "spikes": p, "summary": q, "synapses": label | q,
        "weights": q | {"uid": w.run.spines.uid[:3]} | day,
    }  # fmt: skip
    beds = {f"Run.{name}": of(run, name, **arguments) for name, arguments in given.items()}
    beds["History.story"] = Bed(lambda: w.run.history().story, {"ident": uid})
    if live.installed():
        beds["History.report"] = Bed(lambda: w.run.history().report, {"path": "history.html"})
    beds |= {f"Lives.{name}": of(lives, name, **p) for name in ("batch", "days", "events", "count", "deaths_by_cause")}
    return beds | {
        "nd.Run": Bed(lambda: nd.Run, {"path": w.run.path}),
        "Log.terms": of(log, "terms", **q), "Log.batch": of(log, "batch", **q),
        "Log.days": of(log, "days", batch=w.run.log.all),
        "Log.living_until": of(log, "living_until", batch=w.run.log.all, t=1.0),
        "Log.deaths_by_cause": of(log, "deaths_by_cause", window=(0.0, 1.0)),
        "Spines.get": of(spines, "get", uid=uid, default=None),
        "Spines.__getitem__": of(spines, "__getitem__", uid=uid),
        "Spines.__contains__": of(spines, "__contains__", uid=uid),
        "Spines.died_of": of(spines, "died_of", cause="fluctuation"),
        "Spine.reason": of(lambda: w.run.spines[uid], "reason", cause="fluctuation", value=1.0),
        "Lives.alive": of(lives, "alive", population="e", t=1.0),
        "Training.density": of(told, "density", tensor="fc"), "Training.units": of(told, "units", tensor="fc"),
        "Training.structure": of(told, "structure", epoch=1.0, ranks=True),
        "Training.reached": of(told, "reached", part="test"),
        "Training.layers": of(told, "layers", kind="rate"), "Training.total": of(told, "total", kind="synops"),
    }  # fmt: skip


class Beginner(nd.learn.Method):
    """Calls `begin_with` where it may be called."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given

    def prepare(self, trainer: Any) -> None:
        trainer.begin_with(**self.given)


class Recorded(list):  # type: ignore[type-arg]
    """Samples as Tonic has them."""

    sensor_size, classes = (4, 4, 2), ("a", "b")


# what arguments of readers may be, before a file is looked at
READ: dict[str, set[str]] = {
    "duration": {"a fraction", "huge", "1e18", "a time"},
    "refractory": {"zero", "a fraction", "huge", "1e18", "a time"},
    "n_train": {"1e18", "None"}, "n_test": {"1e18", "None"}, "seed": {"zero", "1e18"}, "cells": {"None"},
    "leave_out": {"None"} | MEANT["str"][0], "n_channel": set(), "max_rate": {"a fraction"}, "quality": set(),
    "n_class": set(),
}  # fmt: skip


def let_in(reader: Any, nowhere: str, **given: Any) -> Any:
    """A reader whose arguments were let in misses its files; what reads no file ends as it does."""
    try:
        return reader(**given)
    except nd.NeurodevError as e:
        if nowhere not in str(e) and "is not installed" not in str(e):
            raise
        return None


def data_beds(w: World) -> Beds:
    d, nowhere = nd.data, str(w.folder / "none")
    events = d.Events(np.array([0, 3]), np.array([0, 1]), np.array([0, 1]), np.array([0, 5]), (4, 4))
    trains = d.SpikeTrains.of([([0.1], [0])] * 6, 6, 1.0)
    x = np.full((2, 4), 0.5, np.float32)
    seen = np.array([(0, 0, 1, 0), (1, 1, 0, 5)], dtype=[(k, int) for k in ("x", "y", "p", "t")])
    taken = Recorded([(seen, 0), (seen, 1)])

    def maze() -> Any:
        made = d.Maze(4)
        made.reset(seed=0)
        return made

    beds = {
        "data.Dataset": Bed(
            lambda: d.Dataset,
            {"x_train": np.ones((4, 6)), "y_train": np.arange(4) % 2, "x_test": np.ones((2, 6)), "y_test": np.arange(2),
             "name": "d", "classes": ("a", "b"), "x_validation": None, "y_validation": None, "targets": None},
        ),
        "Dataset.subset": of(patterns, "subset", n=3, seed=0, n_test=2),
        "Dataset.split": of(lambda: patterns(40, 0), "split", validation=0.1, test=3, seed=0),
        "data.tonic": Bed(
            lambda: d.tonic,
            {"train": taken, "test": taken, "duration": 5.0, "cells": (2, 2), "refractory": 0.0, "classes": None,
             "n_train": None, "n_test": None},
        ),
        "data.of_arrays": Bed(
            lambda: d.of_arrays,
            {"x": np.ones((4, 6)), "y": np.arange(4) % 2, "test": 1, "validation": 1, "seed": 0, "name": "d",
             "classes": ("a", "b"), "targets": None},
        ),
        "data.SpikeTrains": Bed(
            lambda: d.SpikeTrains,
            {"times": np.ones(1), "cells": np.zeros(1, int), "offsets": np.array([0, 1]), "n_cell": 2,
             "duration": 2.0, "grid": None},
        ),
        "SpikeTrains.of": Bed(
            lambda: d.SpikeTrains.of, {"trains": [([1.0], [0])], "n_cell": 2, "duration": 2.0, "grid": None}
        ),
        "SpikeTrains.frames": of(lambda: trains, "frames", n_step=2),
        "SpikeTrains.__getitem__": of(lambda: trains, "__getitem__", which=[0]),
        "Maze.reset": of(maze, "reset", seed=1, options=None), "Maze.step": of(maze, "step", action=0),
        "Maze.success": of(maze, "success", action=np.zeros(len(maze().cells), int)),
    }  # fmt: skip
    known = {
        "x": x, "n_step": 2, "seed": 1, "longest": 5.0, "events": [events], "recordings": [events], "cells": (2, 2),
        "duration": 5.0, "path": nowhere, "dataset": taken, "index": 0, "train": taken, "test": taken, "side": 4,
        "sensor_size": (4, 4), "sound": np.zeros(4000), "rate": 8000.0, "sample_rate": 8000.0, "t_us": np.array([1]),
        "y": np.array([1]), "p": np.array([1]),
    }  # fmt: skip
    for name in d.__all__:
        if f"data.{name}" not in beds:
            given = with_defaults(getattr(d, name), known)
            thing = getattr(d, name)
            beds[f"data.{name}"] = Bed(
                lambda f=thing: partial(let_in, f, nowhere), given, told=thing,
                exact={k: READ[k] for k in given if k in READ and "path" in given},
            )  # fmt: skip
    return beds


def training_beds(w: World) -> Beds:
    t = trained(epochs=1)
    shared = lambda: t
    wide = nd.learn.Bernoulli(2)(np.ones((2, 6)), np.arange(2), 0, 0)
    flow = nd.learn.Current(np.ones((4, 3), np.float32), 2, 2, (3,))
    bits = {"steps": 2, "batch": 2, "shape": (3,), "layout": "rows", "wanted": True, "spans": None}
    model = lambda: net()
    beds = {
        f"nd.Trainer {name}": Bed(lambda: lambda **k: trained(**k), {name: None if p.default is p.empty else p.default})
        for name, p in list(inspect.signature(nd.Trainer.__init__).parameters.items())[1:]
    }
    linear, counts = nd.learn.Linear(4), np.ones((4, 3), np.uint8)
    return beds | {
        "Trainer.begin_with": Bed(
            lambda: lambda **k: trained(methods=[Beginner(k)]),
            {"name": "fc", "alive": None, "storage": None},
            exact={"alive": {"None"}, "storage": {"None"}, "name": set()},
        ),
        "Trainer.evaluate": of(shared, "evaluate", train=False, on=None),
        "Trainer.extend": of(lambda: trained(epochs=1), "extend", epochs=1),
        "Trainer.fit": of(lambda: trained(), "fit", epochs=0),
        "Trainer.probe": of(shared, "probe", name="fc"), "Trainer.probed": of(shared, "probed", name="fc"),
        "Trainer.tensor": of(shared, "tensor", name="fc"),
        "Trainer.propose": of(shared, "propose", name="fc", plans=[]),
        "Trainer.share": of(shared, "share", layer="fc", key="weight"),
        "Trainer.store": of(shared, "store", name="fc", storage="dense"),
        "Trainer.train_step": of(shared, "train_step", samples=np.arange(3)),
        "Trainer.watch": of(shared, "watch", layer="fc", look=None),
        "Trainer.watched": of(shared, "watched", layer="fc"),
        "Weights.put_matrix": of(lambda: net().weights_of()["fc"], "put_matrix", weight=np.zeros((6, 12))),
        "learn.Sequential": Bed(
            lambda: lambda layer=None, **k: nd.learn.Sequential(
                nd.learn.Linear(4) if layer is linear else layer, **k
            ),
            {"layer": linear, "inputs": (6,), "seed": 0, "kind": np.float32},
        ),
        "Sequential.__call__": Bed(model, {"x": wide}), "Sequential.through": of(model, "through", x=wide),
        "Sequential.set_training": of(model, "set_training", training=True),
        "Sequential.out_shape": of(model, "out_shape", shape=(6,)),
        "learn.Recurrent": Bed(
            lambda: nd.learn.Recurrent,
            {"feed": linear, "back": nd.learn.Linear(4, name="b"), "neurons": nd.learn.LIF()}
        ),
        "learn.Residual": Bed(lambda: nd.learn.Residual, {"body": linear, "shortcut": None}),
        "learn.Dendritic": Bed(lambda: nd.learn.Dendritic, {"layer": linear, "gate_gain": 0.01, "bias": False}),
        "learn.Current": Bed(lambda: nd.learn.Current, {"value": flow.value, "busy": None} | bits),
        "learn.Spikes": Bed(lambda: nd.learn.Spikes, {"flags": counts, "scale": 1.0, "window": None} | bits,
                             exact={"window": {"None", "a function"}}),
        "Spikes.reshaped": of(lambda: wide, "reshaped", shape=(6,)),
        "Spikes.dense": of(lambda: wide, "dense", kind=np.float32),
        "Spikes.mean": of(lambda: wide, "mean", kind=np.float32),
        "Spikes.worth": of(lambda: wide, "worth", kind=np.float32),
        "Current.reshaped": of(lambda: flow, "reshaped", shape=(3,)),
        "Current.like": of(lambda: flow, "like", value=flow.value),
        "bridge.to_network": Bed(
            lambda: nd.to_network,
            {"model": net(), "inputs": None, "step": 1.0, "gap": 0, "seed": 0, "dale": True, "spines": False},
            exact={"spines": {"True", "empty"}},
        ),
        "bridge.compare": Bed(lambda: bridge.compare, {"model": net(), "spikes": wide, "step": 1.0, "chunk": 100}),
        "bridge.fold": Bed(lambda: bridge.fold, {"model": net()}),
        "networks.n_weights": Bed(lambda: nd.networks.n_weights, {"model": net()}),
        "networks.network": Bed(lambda: nd.networks.network, {"name": "fully_connected"}),
    }  # fmt: skip


def maker_beds(w: World) -> Beds:
    """Everything that is made by a call of its name: parts of networks and trainings, presets, rules as functions."""
    needed = {
        "wiring": nd.Near(), "times": [1.0], "indices": [0], "delays": [1.0], "source": [0], "target": [1],
        "population": "e", "projection": "q", "where": "q", "mechanism": "SpineSize", "rate": 1.0, "rate_hz": 1.0,
        "n_out": 3, "n_branch": 2, "steps": 2, "every": 0.5, "size": 2, "at": [1.0], "length": 1.0,
        "function": abs, "sentence": "it dies", "name": "mature_cortex",
        "words": {}, "kind": nd.STDP, "default": 1.0, "what": "SpineSize", "values": 1.0, "amplitudes": [1.0],
    }  # fmt: skip
    beds: Beds = {}
    rooms: dict[str, Any] = {
        "nd": nd, "learn": nd.learn, "methods": nd.methods, "networks": nd.networks, "presets": nd.presets,
    }  # fmt: skip
    for room, module in rooms.items():
        for name in public(room, module):
            thing = getattr(module, name) if room != "networks" else registry.find("network", name)
            elsewhere = f"{room}.{name}" in ELSEWHERE or inspect.isabstract(thing)
            if not elsewhere:
                given = with_defaults(thing, needed)
                if name == "Recorded":
                    given |= {"trains": [([1.0], [0])], "places": [[0.5, 0.5]]}
                if name in ("ByDistance", "InhomogeneousPoisson", "Matrix"):
                    given |= {
                        "ByDistance": {"inputs": 2}, "InhomogeneousPoisson": {"rate_hz": [5.0]},
                        "Matrix": {"matrix": [[1.0]]},
                    }[name]  # fmt: skip
                if name == "stairs":
                    given["every"] = 2
                if "width" in given and room == "networks":
                    given["width"] = 0.05  # a small one of its kind
                beds[f"{room}.{name}"] = Bed(lambda f=thing: f, given)
                if name == "RemoveSynapses":
                    given["source"] = [0]
                if name in ("Infuse", "Antagonise"):
                    given["projection"] = "t"
                if name == "SetColumn":
                    given["name"] = "log_size"
                if name == "SetParameter":
                    given |= {"where": "q", "values": {"sd": 0.5}}
                if name in registry.OURS["intervention"]:  # looked at when it is scheduled
                    beds[f"{room}.{name}"].make = lambda f=thing: lambda **k: w.simulation.at(1e9, f(**k))
    band = {"name": "a", "low": 0.0, "high": 1.0, "source": "b"}
    preset = {
        "name": "a",
        "sentence": "b",
        "mechanisms": (nd.Scaling(),),
        "sources": {},
        "bands": (),
    }
    beds["presets.Band"] = Bed(lambda: nd.presets.Band, band)
    beds["presets.Preset"] = Bed(
        lambda: nd.presets.Preset, preset,
        exact={"mechanisms": set(), "sources": {"a table"}, "bands": {"empty"}},
    )  # fmt: skip
    values: dict[tuple[Any, str], dict[str, Any]] = {
        (nd.NeuronDeath, "hazard"): {"support": 1.0}, (nd.Neurogenesis, "maturity"): {"age": 1.0},
        (nd.Plateau, "onset"): {"v": 1.0}, (nd.TwoLayer, "output"): {"n": 1.0},
        (nd.STDP, "value"): {"name": "potentiation"}, (nd.Turnover, "expected"): {"begin": 0.0, "end": 1.0},
        (nd.Persistence, "expected"): {"begin": 0.0, "end": 1.0}, (nd.Survival, "factor"): {"epoch": 1},
        (nd.SpineStage, "expected"): {"begin": 0.0, "end": 1.0},
        (nd.SpineStage, "newborns"): {"begin": 0.0, "end": 1.0},
        (nd.SpineShape, "labels"): {"volume": [0.1], "neck_length": [0.1], "neck_diameter": [0.1], "stage": None},
        (nd.learn.Surrogate, "from_alpha"): {"alpha": 2.0}, (nd.learn.LIF, "from_tau"): {"tau": 2.0, "threshold": 1.0},
        (nd.NeuronDeath, "preset"): {"population": "pyramidal"},
        (nd.Tree, "each"): {"name": "leak"}, (nd.Tree, "modes"): {"held": False},
        (nd.Tree, "of_cylinders"): {
            "parents": [-1], "length": [100.0], "diameter": [1.0], "soma": 20.0, "membrane_resistance": 2e4,
            "membrane_capacitance": 1.0, "axial_resistivity": 150.0, "longest": 50.0,
        },
    }  # fmt: skip
    for (cls, method), given in values.items():
        beds[f"{cls.__name__}.{method}"] = of(cls, method, **given)
    return beds


def with_defaults(thing: Any, known: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a call: those that are needed by their names, the others as they are without being given."""
    found = {}
    for p in inspect.signature(thing).parameters.values():
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            found[p.name] = known.get(p.name) if p.default is p.empty else p.default
    return found


GROUPS: dict[str, Callable[[World], Beds]] = {
    "networks": network_beds, "runs": run_beds, "data": data_beds, "trainings": training_beds, "makers": maker_beds,
    "pictures": lambda w: plot_beds(w, large=False), "pages": lambda w: plot_beds(w, large=True),
    "histories": picture_beds,
    "options": option_beds, "protocols": protocol_beds, "tables": table_beds, "models": model_beds,
    "sweeps": sweep_beds,
}  # fmt: skip


@pytest.mark.parametrize(
    "group", [pytest.param(g, marks=pytest.mark.slow) if g in ("pages", "options") else g for g in GROUPS]
)
def test_senseless_values_at_every_door(
    group: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beds = GROUPS[group](world)
    counts = walk(beds, by_signature(beds))
    assert counts["refused"] > 0.5 * counts["calls"]


# ---------------------------------------------------------------------- what is public

# what is public and is walked in another group, or not called by users at all
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        ("nd.Network", "nd.Simulation", "nd.simulate", "nd.Run", "nd.Trainer", "nd.isolate", "nd.fit",
         "nd.FitModel", "nd.shuffled",
         "learn.Trainer", "learn.Sequential", "learn.Recurrent", "learn.Residual", "learn.Dendritic",
         "learn.Current", "learn.Spikes", "networks.network", "networks.n_weights",
         "learn.channels_first", "learn.channels_last", "learn.from_torch", "learn.load", "learn.to_torch",
         "nd.Population", "nd.Projection", "nd.Counts", "nd.History", "nd.read_sessions", "nd.read_edges",
          "nd.read_counts", "nd.sweep", "nd.Sweep"),
        "a bed of its own"),
    **dict.fromkeys(("bridge.Agreement", "bridge.Near"), "what bridge.compare returns"),
    "plot.style.Clock": "what plot.style.clock_of returns",
    "nd.to_network": "bridge.to_network",
    **dict.fromkeys(("learn.to_nir", "learn.from_nir"), "walked where nir is, which an extra brings"),
    "Sweep.to_netcdf": "walked where xarray is, which an extra brings",
    "learn.Course": "a protocol: what the trainer is for a method",
    "learn.View": "what callbacks get",
}  # fmt: skip
# methods by which the package itself drives a part, in the words of the contract that a user's own part fulfils
CONTRACT = {
    "Network": {"begin", "end"}, "Simulation": {"on_tick"}, "Probe": {"plan", "sample", "samples"}, "Spikes": {"made"},
    "Weights": {"moment", "put", "put_like", "sound", "check_matrix"},
    "Sequential": {"at", "build", "kind_after", "given", "of_run"},
}  # fmt: skip
CLASSES: dict[str, type] = {
    "Network": nd.Network, "Population": nd.Population, "Projection": nd.Projection, "Simulation": nd.Simulation,
    "Probe": Probe, "Run": nd.Run, "Log": Log, "Spines": EverySpine, "Spine": Spine, "Lives": Lives,
    "Training": Training, "Dataset": nd.data.Dataset, "SpikeTrains": nd.data.SpikeTrains, "Maze": nd.data.Maze,
    "Sequential": nd.learn.Sequential, "Weights": Weights, "Trainer": nd.Trainer, "Spikes": nd.learn.Spikes,
    "Current": nd.learn.Current, "Panel": nd.protocols.Panel, "Counts": nd.Counts,
    "Sweep": nd.Sweep,
}  # fmt: skip
# where the bed calls a function of this file in place of the one that is meant
ANNOTATED: dict[str, Any] = {
    "Network.connect": nd.Network.connect, "Network.background": nd.Network.background,
    "Network.drive": nd.Network.drive,
    "Network.inputs": nd.Network.inputs, "Network.mean_input": nd.Network.mean_input,
    "Simulation.resume": nd.Simulation.resume, "Simulation.load": nd.Simulation.load,
    "nd.Simulation": nd.Simulation.__init__, "nd.simulate": nd.Simulation.__init__, "nd.Trainer": nd.Trainer.__init__,
    "learn.Sequential": nd.learn.Sequential.__init__,
    **{f"nd.{name}": cls for name, cls in registry.ours("intervention").items()},
}  # fmt: skip


# arguments of what is walked that no bed tries, and why
UNTRIED: dict[str, str] = {
}  # fmt: skip


def arguments_of(name: str, beds: Beds) -> list[str]:
    """The arguments of what a bed calls, by its true signature."""
    room, _, word = name.rpartition(".")
    bed = next(bed for n, bed in beds.items() if n.split()[0] == name)
    thing: Any = bed.told or ANNOTATED.get(name)
    if thing is None and room in CLASSES:
        thing = inspect.getattr_static(CLASSES[room], word)
        thing = getattr(thing, "__func__", thing)
    taken = inspect.signature(thing or bed.make()).parameters.values()
    return [p.name for p in taken if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in ("self", "cls")]


def public(room: str, module: Any) -> list[str]:
    """Names of what can be called in a room."""
    if room == "networks":
        return sorted(registry.OURS["network"])
    names = getattr(module, "__all__", None) or [
        n
        for n, f in vars(module).items()
        if (inspect.isfunction(f) or isinstance(f, type)) and f.__module__ == module.__name__ and n[0] != "_"
    ]
    things = ((n, getattr(module, n)) for n in names)
    return [
        n for n, t in things
        if inspect.isfunction(t) or isinstance(t, type) and not issubclass(t, BaseException)
    ]  # fmt: skip


def needs_a_bed() -> set[str]:
    """Everything public that takes an argument."""
    rooms: dict[str, Any] = {
        "nd": nd, "learn": nd.learn, "methods": nd.methods, "data": nd.data, "presets": nd.presets, "networks": None,
        "protocols": nd.protocols, "bridge": bridge,
    }  # fmt: skip
    found = {
        f"{room}.{name}"
        for room, module in rooms.items()
        for name in public(room, module)
        if room == "networks" or not inspect.isabstract(getattr(module, name))
    }
    found |= {*drawing()}
    for name, cls in CLASSES.items():
        for method in dir(cls):
            owner: type = next(c for c in cls.__mro__ if method in vars(c))
            thing = inspect.getattr_static(cls, method)
            thing = getattr(thing, "__func__", thing)
            ours = registry.is_ours(owner) and inspect.isfunction(thing) and method[0] != "_"
            if ours and len(inspect.signature(thing).parameters) > 1 and method not in CONTRACT.get(name, ()):
                found.add(f"{name}.{method}")
    return found


def test_nothing_public_is_left_out(world: World) -> None:
    """A public callable without a bed is named."""
    beds = {name: bed for make in GROUPS.values() for name, bed in make(world).items()}
    walked = {name.split()[0] for name in beds}
    missing = needs_a_bed() - walked - set(ELSEWHERE)
    assert not missing, sorted(missing)
    assert {n for n, why in ELSEWHERE.items() if why == "a bed of its own"} - walked <= {"learn.Trainer"}
    tried: dict[str, set[str]] = {}
    for name, bed in beds.items():
        tried.setdefault(name.split()[0], set()).update(bed.walked)
    left = {f"{name} {a}" for name in tried for a in arguments_of(name, beds)} - {
        f"{name} {a}" for name, those in tried.items() for a in those
    }
    assert not left - set(UNTRIED), sorted(left - set(UNTRIED))
    assert not set(UNTRIED) - left, "walked after all"
    assert all(not set(nd.wiring.__dir__()) - set(nd.__all__) for _ in (nd.drives, nd.delays))
