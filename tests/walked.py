"""Beds of the walk past every door (`tests.test_walk`) for what draws, and for protocols."""

from __future__ import annotations

import inspect
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

import neurodev as nd
from neurodev import plot
from neurodev.plot import style
from neurodev.structure.cause import Causes
from tests.walk import Bed, Beds

NUMBERS = {"zero", "a fraction", "1e18", "huge", "negative", "a negative whole"}
WORDS = {"a word", "no word", "a voltage", "a time", "a path"}
SELECTION = {"zero", "a mask", "a set"}
# what an argument of a picture may be, beside what is right for it
TAKEN: dict[str, set[str]] = {
    **dict.fromkeys(("ax", "figure", "run", "spine", "synapse", "protocol", "panel", "size", "words"), set()),
    **dict.fromkeys(("title", "x", "y", "note", "text", "alt", "name", "lead", "cause"), WORDS),
    "control": {"None"}, "projection": {"None"}, "causes": {"None"}, "draw": set(), "data": {"bytes"},
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


def drawing() -> dict[str, Any]:
    """Every public function of `neurodev.plot`, by ``module.name``."""
    out = {}
    for info in iter_modules(plot.__path__):
        module = import_module(f"neurodev.plot.{info.name}")
        for name, f in vars(module).items():
            if inspect.isfunction(f) and f.__module__ == module.__name__ and name[0] != "_" and info.name != "door":
                out[f"plot.{info.name}.{name}"] = f
    return out


def plot_beds(w: Any) -> Beds:
    """Pictures: each on axes of its own, with runs of another kind beside the senseless values."""
    told = nd.isolate(nd.SpineSize())
    synapse, spine = w.training.spines[int(w.training.spines.uid[0])], w.run.spines[int(w.run.spines.uid[0])]
    bars = [("births", "#000000", np.ones(3))]
    right = {
        "control": None, "projection": None, "spine": spine, "synapse": synapse, "protocol": told,
        "panel": told.panels[0], "draw": lambda ax, run: None, "causes": None, "neuron": 0, "chosen": None,
        "path": "page.html", "to": "page.html", "day": 1.0, "days": 1.0, "end": 1.0, "wanted": 1.0, "moments": [0.5],
        "threshold": None, "n": 1, "neurons": 1, "most": 10, "parts": 2, "dpi": 40, "width": 3.0, "height": 3.0,
        "size": (3.0, 3.0), "words": ("spine", "neuron"), "largest": None, "reach": None, "standing": False,
        "small": True, "replace": False, "up": bars, "down": bars, "sections": [("a", "b", "c")], "data": b"\x89PNG",
        "title": "a", "x": "a", "y": "a", "note": "", "text": "a", "alt": "a", "name": "a", "lead": "a",
        "cause": "fluctuation",
    }  # fmt: skip
    odd = {"a run of the other kind": w.training, "a run without spines": w.bare, "a run that has not begun": w.unborn}
    beds: Beds = {}
    for name, f in drawing().items():
        arguments = [
            p.name for p in inspect.signature(f).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        trained = name.startswith("plot.training")
        runs = odd | {"a run of the other kind": w.run if trained else w.training}
        given = {a: right[a] for a in arguments if a not in ("ax", "figure", "run")}
        given |= {"run": w.training if trained else w.run} if "run" in arguments else {}

        def make(f: Any = f, arguments: list[str] = arguments) -> Any:
            figure = style.new_figure(3.0, 3.0)
            own: dict[str, Any] = {"figure": figure} if "figure" in arguments else {}
            if "ax" in arguments:
                own["ax"] = figure.add_subplot()
            return lambda **k: f(**{**own, **k})

        given |= {a: f"{name}.html" for a in ("to", "path") if a in arguments}
        beds[name] = Bed(
            make, given, arguments, told=f, exact={a: TAKEN[a] | (set(runs) if a in ("run", "control") else set())
                                                   for a in arguments},
            others={a: runs for a in ("run", "control") if a in arguments},
        )  # fmt: skip
    beds["plot.fields.topography"].exact["day"] = TAKEN["day"] | {"None"}
    beds["plot.style.colour"].others["causes"] = {"causes": Causes()}
    beds["plot.style.colour"].exact["causes"] = {"None", "causes"}
    return beds
