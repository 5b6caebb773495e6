"""Beds of the walk past every door (`tests.test_walk`) for what draws, and for protocols."""

from __future__ import annotations

import inspect
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

import numpy as np

import neurodev as nd
from neurodev import plot
from neurodev.plot import live, style
from neurodev.protocols.fit_models import Number
from neurodev.protocols.registry import _PROTOCOLS
from neurodev.runs.coding import of_history
from neurodev.structure.cause import Causes
from tests.walk import SENSELESS, Bed, Beds
from tests.walked_pictures import modules
from tests.walked_sweeps import swept

NUMBERS = {"zero", "a fraction", "1e18", "huge", "negative", "a negative whole"}
WORDS = {"a word", "no word", "a voltage", "a time", "a path"}
SELECTION = {"zero", "a mask", "a set"}
# what an argument of a picture may be, beside what is right for it
TAKEN: dict[str, set[str]] = {
    **dict.fromkeys(("ax", "figure", "run", "spine", "synapse", "protocol", "panel", "size", "words", "fits",
                     "histories"), set()),
    **dict.fromkeys(("title", "x", "y", "note", "text", "alt", "name", "lead", "cause"), WORDS),
    "control": {"None"}, "swept": set(), "projection": {"None"}, "causes": {"None"}, "draw": set(), "data": {"bytes"},
    "neuron": {"zero"}, "chosen": {"zero", "a set", "None"}, "path": WORDS - {"no word", "a path"},
    "to": WORDS - {"no word", "a path"},
    "day": NUMBERS - {"negative", "a negative whole"}, "days": NUMBERS - {"negative", "a negative whole"},
    "end": NUMBERS - {"negative", "a negative whole"}, "wanted": NUMBERS,
    "moments": {"empty"}, "threshold": NUMBERS | {"None"}, "n": {"1e18"}, "neurons": {"1e18"}, "most": {"1e18"},
    "parts": set(), "dpi": set(), "width": {"a fraction"}, "height": {"a fraction"},
    "largest": {"a fraction", "huge", "1e18", "None", "a voltage"}, "reach": {"a fraction", "huge", "1e18", "None"},
    "standing": {"True"}, "small": {"True"}, "replace": {"True"}, "up": {"empty"}, "down": {"empty"},
    "sections": {"empty"},
}  # fmt: skip


def imaged() -> nd.History:
    """A small table of lives."""
    there = np.random.default_rng(1).random((40, 4)) < 0.8
    return nd.History.of_sessions(np.cumprod(there, axis=1).astype(bool), [0.0, 4.0, 8.0, 12.0])


def few() -> nd.FitModel:
    """One rate of death."""
    rate = {"rate": Number(0.01, 1e-4, 1.0)}
    return nd.FitModel("few", rate, lambda p: [nd.Turnover(births=False, hazard=p["rate"])], tick=3.5e8)


def drawing() -> dict[str, Any]:
    """Every public function of `neurodev.plot`, by ``module.name``."""
    out = {}
    for info in iter_modules(plot.__path__):
        module = import_module(f"neurodev.plot.{info.name}")
        if info.name in ("door", "asked", "inside"):  # what the pictures themselves stand on
            continue
        for name, f in vars(module).items():
            if inspect.isfunction(f) and f.__module__ == module.__name__ and name[0] != "_":
                out[f"plot.{info.name}.{name}"] = f
    if not live.installed():
        del out["plot.live.write"]  # which needs Bokeh
    if find_spec("networkx") is None:
        del out["plot.connected.motifs"]
    return out


# large pictures and pages, which take seconds
PAGES = frozenset({
    "plot.report.write", "plot.training_report.write", "plot.evolution.overview", "plot.evolution.run_overview",
    "plot.training.training_overview", "plot.report.around", "plot.training_report.around", "plot.live.write",
    "plot.fields.map_figure", "plot.fields.draw_map", "plot.histories.write",
})  # fmt: skip
PNG = b"\x89PNG\r\n\x1a\n"


def plot_beds(w: Any, *, large: bool) -> Beds:
    """Pictures: each on axes of its own, with runs of another kind beside the senseless values."""
    told = nd.isolate(nd.SpineSize())
    synapse, spine = w.training.spines[int(w.training.spines.uid[0])], w.run.spines[int(w.run.spines.uid[0])]
    bands = nd.protocols.Panel("numbers", "x", "", bands=True).add("a", [0.0], [0.5], [0.0], 1.0)
    bars = [("births", "#000000", np.ones(3))]
    right = {
        "control": None, "projection": None, "spine": spine, "synapse": synapse, "protocol": told,
        "panel": told.panels[0], "draw": lambda ax, run: None, "causes": None, "neuron": 0, "chosen": None,
        "path": "page.html", "to": "page.html", "day": 1.0, "days": 1.0, "end": 1.0, "wanted": 1.0, "moments": [0.5],
        "threshold": None, "n": 1, "neurons": 1, "most": 10, "parts": 2, "dpi": 40, "width": 3.0, "height": 3.0,
        "size": (3.0, 3.0), "words": ("spine", "neuron"), "largest": None, "reach": None, "standing": False,
        "small": True, "replace": False, "up": bars, "down": bars, "sections": [("a", "b", "c")], "data": PNG,
        "title": "a", "x": "a", "y": "a", "note": "", "text": "a", "alt": "a", "name": "a", "lead": "a",
        "cause": "fluctuation", "histories": [imaged()], "fits": [nd.fit(imaged(), few(), n=100, rounds=1)],
        "swept": swept(),
    }  # fmt: skip
    odd = {"a run of the other kind": w.training, "a run without spines": w.bare, "a run that has not begun": w.unborn}
    beds: Beds = {}
    for name, f in drawing().items():
        if f.__module__ in modules():  # walked as pictures of histories
            continue
        arguments = [
            p.name for p in inspect.signature(f).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        trained = name.startswith("plot.training")
        runs = odd | {"a run of the other kind": w.run if trained else w.training}
        given = {a: right[a] for a in arguments if a not in ("ax", "figure", "run")}
        given |= {"run": w.training if trained else w.run} if "run" in arguments else {}

        def make(f: Any = f, arguments: list[str] = arguments, clean: list[dict[str, Any]] = []) -> Any:  # noqa: B006
            if not clean:  # until something was drawn on it
                figure = style.new_figure(3.0, 3.0)
                both = {"figure": figure} | ({"ax": figure.add_subplot()} if "ax" in arguments else {})
                clean.append({k: v for k, v in both.items() if k in arguments})

            def draw(**k: Any) -> Any:
                drawn = f(**{**clean[0], **k})
                clean.clear()
                return drawn

            return draw

        given |= {"replace": True} if name == "plot.output.write" else {}
        given |= {"panel": bands} if name.endswith("draw_bands") else {}
        given |= {a: f"{name}.html" for a in ("to", "path") if a in arguments}
        if name == "plot.live.write":
            history = nd.History.of_lives([0.0, 1.0], [1.0, 2.0])
            given["parts"] = [live.Part(history, of_history)]
        beds[name] = Bed(
            make, given, arguments, told=f, exact={a: TAKEN[a] | (set(runs) if a in ("run", "control") else set())
                                                   for a in arguments},
            others={a: runs for a in ("run", "control") if a in arguments},
        )  # fmt: skip
    beds = {name: bed for name, bed in beds.items() if (name in PAGES) == large}
    if large:
        return beds
    beds["plot.fields.topography"].exact["day"] = TAKEN["day"] | {"None"}
    beds["plot.style.colour"].others["causes"] = {"causes": Causes()}
    beds["plot.style.colour"].exact["causes"] = {"None", "causes"}
    return beds


def protocol_beds(w: Any) -> Beds:
    """What a protocol of one's own is made of."""
    p, numbers = nd.protocols, {"zero", "a fraction", "negative", "a negative whole", "1e18", "huge", "NaN", "infinity",
                                "minus infinity"}  # fmt: skip
    one = {k: [1.0] for k in ("x", "y", "theory", "accepted", "theory_x", "theory_y", "data_x", "data_y", "data_error")}
    curve = p.Curve(label="a", **one)
    texts = {k: WORDS for k in ("label", "title", "x_label", "y_label", "question", "source")}
    flags = {k: {"True"} for k in ("log_x", "log_y", "bands")}
    return {
        "protocols.Curve": Bed(
            lambda: p.Curve, {"label": "a"} | one,
            exact=texts | {k: numbers for k in one} | {"data_error": numbers | {"None", "empty"}},
        ),
        "protocols.Panel": Bed(
            lambda: p.Panel,
            {"title": "a", "x_label": "x", "y_label": "y", "curves": [curve], "log_x": False, "log_y": False,
             "bands": False, "x_names": ()},
            exact=texts | flags | {"curves": {"empty"}, "x_names": {"empty"}},
        ),
        "Panel.add": Bed(
            lambda: p.Panel("a", "x", "y").add,
            {"label": "a", "x": [1.0], "y": [2.0], "theory": None, "accepted": 1.0, "fine": None, "data": None},
            exact=texts | {k: numbers for k in ("x", "y", "accepted")}
                  | {"theory": numbers | {"None"}, "fine": {"None"}, "data": {"None"}},
        ),
        "protocols.Protocol": Bed(
            lambda: p.Protocol,
            {"mechanism": nd.STDP(), "question": "a", "panels": [p.Panel("a", "x", "y")], "source": ""},
            exact=texts | {"panels": {"empty"}, "mechanism": set(SENSELESS)},
        ),
        "protocols.protocol_of": Bed(lambda: p.protocol_of, {"kind": nd.STDP}),
        "protocols.protocol": Bed(lambda: lambda kinds: p.protocol(kinds), {"kinds": nd.STDP}),
        "protocols.isolate": Bed(lambda: p.isolate, {"mechanism": nd.Poisson()}),
    }  # fmt: skip


SMALL = {"n": 60, "n_target": 60, "room": 60, "ticks": 40, "repeats": 2, "most": 6, "minutes": 6, "n_branch": 4}
LENGTHS = ("duration", "seconds")


def option_beds(w: Any) -> Beds:
    """The options of every protocol, which `nd.isolate` hands on; small ones."""
    nd.protocols.protocol_of(nd.STDP)
    beds: Beds = {}
    for kind, make in _PROTOCOLS.items():
        options = {p.name: p.default for p in list(inspect.signature(make).parameters.values())[1:]}
        if options and kind.__module__.startswith("neurodev"):
            one = nd.presets.mature_cortex() if kind.__name__ == "Preset" else kind()
            given = {o: SMALL.get(o, v) for o, v in options.items()}
            exact = {o: {"seed": {"zero", "1e18"}, "data": {"None"}}.get(o, set()) for o in options}
            exact |= {
                o: {"a fraction", "a time"} if o == "duration" else {"a fraction"} for o in options if o in LENGTHS
            }
            beds[f"isolate.{kind.__name__}"] = Bed(
                lambda one=one: partial(nd.isolate, one), given, told=partial(make, one),
                exact=exact,
            )  # fmt: skip
    return beds


def simulation_beds(w: Any) -> Beds:
    """What is done to a simulation."""
    made = lambda method, **given: Bed(lambda: getattr(w.simulation, method), given)
    return {
        "Simulation.save": made("save", path="saved.nd", overwrite=True),
        "Simulation.load": Bed(
            lambda: lambda **k: nd.Simulation.load(**k).file.discard(),
            {"path": w.circuit, "network": w.network(), "membranes": True},
        ),
        "Simulation.at": made("at", when=1.0, what=nd.Silence("e"), clock="life"),
        "Simulation.probe": made("probe", what="e", signal="V", every=1.0, cells=None),
        "Simulation.probe at times": made("probe", what="e", signal="V", at=[2.0]),
        "Simulation.probe of synapses": made("probe", what="q", signal="weight", uids=None),
        "Simulation.do": made("do", what=nd.SetRate("e", 5.0)),
        "Simulation.every": Bed(
            lambda: w.simulation.every, {"period": 1e7, "function": len, "clock": "life"},
            exact={"function": {"a function"}},
        ),
        "Simulation.until": Bed(
            lambda: w.simulation.until, {"condition": len, "every": None, "clock": "life"},
            exact={"condition": {"a function"}},
        ),
        "Simulation.set_weights": made("set_weights", projection="q", values=1.0, of=None),
        "Simulation.set_column": made("set_column", where="q", name="log_size", values=0.0, of=None),
        "Simulation.set_parameter": Bed(
            lambda: w.simulation.set_parameter, {"what": "SpineSize", "where": "q", "sd": 0.5}, ("what", "where")
        ),
        "Simulation.run": Bed(lambda: nd.Simulation(w.network(), acceleration=1.0).run, {"duration": 1.0}),
        "Simulation.resume": Bed(
            lambda: lambda **k: nd.Simulation.resume(**k).file.abandon(),
            {"path": w.cut, "network": w.network(), "progress": False, "threads": None, "checkpoint": 1.0,
             "trust": False, "comm": None, "split": False},
            exact={"comm": {"None"}},
        ),
    }  # fmt: skip
